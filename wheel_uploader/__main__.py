"""Entry point of ``python -m wheel_uploader`` and of the ``wheel-uploader`` command."""

from __future__ import annotations

from wheel_uploader.core import standard_streams


def main() -> None:
    """Run the command; install the signal handlers before any slow import."""
    standard_streams.open_closed_streams()
    from wheel_uploader.core import signal_handlers

    cancel = signal_handlers.install_signal_handlers(_last_words)
    from wheel_uploader import cli

    cli.main(cancel)


def _last_words(code: int, grace: float, about: str) -> None:
    """Print how the run was ended and write its report; called in the watchdog."""
    from wheel_uploader.cli import last_words

    last_words.report_forced_end(code, grace, about)


if __name__ == "__main__":
    main()

"""Entry point of ``python -m wheel_uploader`` and of the ``wheel-uploader`` command."""

from __future__ import annotations

import atexit
import gc

from wheel_uploader.core import standard_streams

#: Number of new objects after which Python looks for unreachable cycles, instead of 700: imports create
#: 60,000 objects, which stay until the end.
_COLLECTION_THRESHOLD = 100_000


def main() -> None:
    """Run the command; install the signal handlers before any slow import."""
    gc.set_threshold(_COLLECTION_THRESHOLD)
    # At exit, Python would look for cycles among all objects, which takes a tenth of a short run.
    atexit.register(gc.freeze)
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

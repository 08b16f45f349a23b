"""What is told at the end of a run: the report, what went wrong, and what to do next."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from wheel_uploader.display import HIDDEN, printable
from wheel_uploader.errors import (
    DeadlineError,
    Interrupted,
    NetworkError,
    PartialError,
    ReleaseError,
    StorageError,
)

if TYPE_CHECKING:
    from wheel_uploader.models import Report

#: Where a context keeps the arguments as they were typed.
TYPED = f"{__name__}.typed"
#: ``-qq``: not a word.
_SILENT = 2
#: Characters: no system takes a longer one.
_LONGEST_COMMAND = 2_000_000


def show(result: Report, report_format: str) -> StorageError | None:
    """The report on standard output; under ``-q`` what has changed, if anything has.

    What kept it from being written, if anything did: a full disk, or a reader who is gone.
    """
    from wheel_uploader import report
    from wheel_uploader.report import brief

    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    quiet, changes = _quiet(), brief.render(result)
    if quiet >= _SILENT or (quiet and not changes and not result.error):
        return None
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # On standard error: the runner reads both, and a document on standard output stays whole.
        _say(report.workflow_commands(result), nl=False)
    try:
        click.echo(
            changes if quiet and report_format == "text" else report.FORMATS[report_format](result, utf8),
            nl=False,
        )
    except OSError as error:
        return StorageError(
            f"the report cannot be written to standard output: {error.strerror}",
            hint="The run itself is not changed by that; --report FILE writes the report elsewhere.",
        )
    return None


def _say(text: str, *, nl: bool = True) -> None:
    """On standard error, if it can be written to."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True, nl=nl)


def hang_up() -> None:
    """Write what waits to be written, or give it up: the interpreter would end with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def tell_github(result: Report, exit_code: int) -> None:
    """In GitHub Actions: the summary of the step and its outputs; what fails there fails nothing else."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from wheel_uploader import outputs

    for problem in outputs.tell_github(result, exit_code, os.environ):
        if _quiet() < _SILENT:
            _say(f"warning: {problem}")


def _quiet() -> int:
    """How often ``-q`` was said, as far as that is known already."""
    context = click.get_current_context(silent=True)
    return (context and context.params.get("quiet")) or 0


def continues(result: Report) -> bool:
    """Whether the same command takes up where this run ended."""
    ended = result.error
    if isinstance(ended, PartialError | DeadlineError | Interrupted):
        return True
    return isinstance(ended, NetworkError) and bool(result.results)


def end(error: ReleaseError) -> NoReturn:
    """Say what happened, and end with the error's exit code."""
    tell(error)
    sys.exit(error.exit_code)


def tell(error: ReleaseError, *, again: Sequence[str] = ()) -> None:
    """Say what happened, to which files, and what to do next; ``again``: with which arguments."""
    message, details = printable(error.message), [printable(detail) for detail in error.details]
    quiet = _quiet()
    if quiet >= _SILENT:
        return
    if quiet:
        # Cron mails it: one line has all that somebody needs who looks at it on a phone.
        one = f" ({details.pop()})" if len(details) == 1 else ""
        lines = [f"error: {message}{one}; next: {printable(error.hint)}", *(f"  {each}" for each in details)]
    else:
        lines = [f"error: {message}", *(f"  {each}" for each in details)]
        if again:
            lines.append(_command("to continue", again))
        lines += _instead(error)
        lines.append(f"next: {printable(error.hint)}")
    _say("\n".join(lines))


def _instead(error: ReleaseError) -> list[str]:
    """The command that was typed, with what was likely meant in it."""
    context = click.get_current_context(silent=True)
    typed: tuple[str, ...] = context.meta.get(TYPED, ()) if context else ()
    if not error.instead or not typed:
        return []
    wrong, right = error.instead
    if not wrong:
        return [_command("try", [*typed, right])]
    if wrong not in typed:
        return []
    # The last one: an option's value before it may be the same word.
    place = len(typed) - 1 - typed[::-1].index(wrong)
    return [_command("try", [*typed[:place], right, *typed[place + 1 :]])]


def _command(why: str, arguments: Sequence[str]) -> str:
    """A line that can be pasted, but for its secrets."""
    line = printable(shlex.join(["wheel-uploader", *arguments]), limit=_LONGEST_COMMAND)
    with_secrets = f" (with what stands for {HIDDEN})" if HIDDEN in line else ""
    return f"{why}{with_secrets}: {line}"

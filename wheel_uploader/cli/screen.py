"""What is told at the end of a run: the report, what went wrong, and what to do next."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from wheel_uploader.display import is_utf8, printable
from wheel_uploader.errors import (
    DeadlineError,
    Interrupted,
    NetworkError,
    PartialError,
    ReleaseError,
    StorageError,
)
from wheel_uploader.redaction import HIDDEN

if TYPE_CHECKING:
    from wheel_uploader.models import Report

#: Where a context keeps the arguments as they were typed.
TYPED = f"{__name__}.typed"
#: ``-qq``: not a word.
_SILENT = 2
#: Characters: no system takes a longer one.
_LONGEST_COMMAND = 2_000_000


def show(result: Report, report_format: str, quiet: int | None = None) -> StorageError | None:
    """The report on standard output; under ``-q`` what has changed, if anything has.

    Return what kept it from being written, for example a full disk. A reader that has closed its pipe has
    read all that it wanted. ``quiet``: how often -q was given, where click does not know.
    """
    from wheel_uploader import report
    from wheel_uploader.report import brief
    from wheel_uploader.report.look import Look

    utf8 = is_utf8(sys.stdout)
    quiet, changes = _quiet() if quiet is None else quiet, brief.render(result)
    if quiet >= _SILENT or (quiet and not changes and not result.error):
        return None
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # On standard error: the runner reads both, and a document on standard output stays whole.
        _say(report.workflow_commands(result), nl=False)
    if quiet and report_format == "text":
        text = changes
    elif report_format == "text":
        look = Look(
            utf8=utf8,
            color=has_color(sys.stdout),
            terminal=sys.stdout.isatty(),
            width=_width(sys.stdout),
        )
        text = report.on_screen(result, look)
    else:
        text = report.FORMATS[report_format](result, utf8)
    try:
        # Colours that were asked for stay, whatever click thinks of the stream.
        click.echo(text, nl=False, color=True)
    except BrokenPipeError:
        return None
    except OSError as error:
        return StorageError(
            f"the report cannot be written to standard output: {error.strerror}",
            hint="The run itself is not changed by that; --report FILE writes the report elsewhere.",
        )
    return None


def has_color(stream: TextIO) -> bool:
    """Whether to colour what is written there: ``--color``, NO_COLOR, FORCE_COLOR, then what it is."""
    context = click.get_current_context(silent=True)
    wanted = context.params.get("color", "auto") if context else "auto"
    if wanted != "auto":
        return bool(wanted == "always")
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


#: Columns: of what is no terminal; and of the narrowest and the widest page that is easy to read.
_WIDTH, _NARROWEST, _WIDEST = 80, 40, 120


def _width(stream: TextIO) -> int:
    """The columns of what is written there."""
    if not stream.isatty():
        return _WIDTH
    # A terminal may say 0 for what it does not know.
    columns = shutil.get_terminal_size((_WIDTH, 24)).columns or _WIDTH
    return min(max(columns, _NARROWEST), _WIDEST)


def _say(text: str, *, nl: bool = True) -> None:
    """On standard error, if it can be written to."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True, nl=nl, color=True)


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
        lines = _wrapped(_painted("error:", "red"), message)
        lines += [line for each in details for line in _wrapped(" ", each)]
        if again:
            lines.append(_command("to continue", again))
        lines += _instead(error)
        lines += _wrapped(_painted("next:"), printable(error.hint))
    _say("\n".join(lines))


def _painted(word: str, color: str | None = None) -> str:
    return click.style(word, fg=color, bold=True) if has_color(sys.stderr) else word


def _wrapped(label: str, text: str) -> list[str]:
    """A label and a sentence, in lines that a terminal need not break in the middle of words."""
    line = f"{label} {text}"
    if not sys.stderr.isatty():
        return [line]
    # A command that may be pasted stays in one piece.
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), line)
    lines = textwrap.wrap(
        whole,
        _width(sys.stderr),
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [each.replace(_GLUE, " ") for each in lines]


_COMMAND, _GLUE = re.compile(r"'wheel-uploader [^']{1,200}'"), "\0"


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

"""Output at the end of a run: the report on standard output, the error on standard error."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from wheel_uploader.cli.last_words import SILENT, report_of_unstarted_run
from wheel_uploader.core.errors import (
    DeadlineError,
    NetworkError,
    PartialError,
    ReleaseError,
    RunInterrupted,
    StorageError,
)
from wheel_uploader.core.filesystem import DISK_FULL_ERRNOS
from wheel_uploader.core.redaction import is_utf8_stream, sanitize, sanitize_message
from wheel_uploader.core.secret_patterns import MASK

if TYPE_CHECKING:
    from wheel_uploader.core.models import Report

#: Key of ``Context.meta``: the arguments as they were typed.
TYPED_ARGUMENTS_KEY = f"{__name__}.typed"
#: In characters; no system accepts a longer command.
_LONGEST_COMMAND = 2_000_000
#: Errors of a standard output that is on a full or broken disk, or that is open for reading only.
_WRITE_ERRNOS = {*DISK_FULL_ERRNOS, errno.EFBIG, errno.EIO, errno.EBADF}


def print_report(result: Report, report_format: str, quiet: int | None = None) -> StorageError | None:
    """Print the report on standard output; with ``-q`` only the changes, if there are any.

    Return the error if it could not be written, for example to a full disk; a reader that closed the pipe is
    not an error. ``quiet`` is the number of -q options, for a thread without a click context.
    """
    from wheel_uploader.report import formats_table
    from wheel_uploader.report.formats import quiet as formats_quiet
    from wheel_uploader.report.formats.terminal_style import TerminalStyle

    utf8 = is_utf8_stream(sys.stdout)
    quiet, changes = _quiet_count() if quiet is None else quiet, formats_quiet.render_quiet(result)
    if quiet >= SILENT or (quiet and not changes and not result.error):
        return None
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # On standard error, which the runner reads, too: a document on standard output stays valid.
        _print_to_stderr(formats_table.render_workflow_commands(result), nl=False)
    if quiet and report_format == "text":
        text = changes
    elif report_format == "text":
        style = TerminalStyle(
            utf8=utf8,
            color=has_color(sys.stdout),
            is_terminal=sys.stdout.isatty(),
            width=_width(sys.stdout),
        )
        text = formats_table.render_for_terminal(result, style)
    else:
        text = formats_table.RENDERERS[report_format](result, utf8)
    try:
        # Keep the colours: whether to use any has been decided above.
        click.echo(text, nl=False, color=True)
    except BrokenPipeError:
        return None
    except OSError as error:
        return StorageError(
            f"cannot write the report to standard output: {error.strerror}",
            hint="The release itself is not affected. Use --report FILE to write the report to a file.",
        )
    return None


def has_color(stream: TextIO) -> bool:
    """Return whether to use colour: by ``--color``, NO_COLOR, FORCE_COLOR, then the kind of stream."""
    context = click.get_current_context(silent=True)
    choice = context.params.get("color", "auto") if context else "auto"
    if choice != "auto":
        return bool(choice == "always")
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


#: In columns: the width if the stream is not a terminal, and the limits of a page that is easy to read.
_DEFAULT_WIDTH, _MIN_WIDTH, _MAX_WIDTH = 80, 40, 120


def _width(stream: TextIO) -> int:
    """Return the width of the output in columns."""
    if not stream.isatty():
        return _DEFAULT_WIDTH
    # A terminal that does not know its width reports 0.
    columns = shutil.get_terminal_size((_DEFAULT_WIDTH, 24)).columns or _DEFAULT_WIDTH
    return min(max(columns, _MIN_WIDTH), _MAX_WIDTH)


def _print_to_stderr(text: str, *, nl: bool = True) -> None:
    """Print to standard error, if it can be written to."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True, nl=nl, color=True)


def as_write_error(error: OSError) -> StorageError | None:
    """Return the error to report if it is from a write to standard output; None for any other."""
    # Only an error of a write has no file name.
    if error.filename is not None or error.errno not in _WRITE_ERRNOS:
        return None
    return StorageError(
        f"cannot write to standard output: {error.strerror}",
        hint="Free space there, or redirect the output to another file.",
    )


def flush_streams() -> None:
    """Flush the standard streams; discard what cannot be written, which would change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write_github_outputs(result: Report, exit_code: int) -> None:
    """Write the step summary and outputs in GitHub Actions; a failure there is only a warning."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from wheel_uploader.report import destinations

    for problem in destinations.write_github_outputs(result, exit_code, os.environ):
        if _quiet_count() < SILENT:
            _print_to_stderr(f"warning: {problem}")


def _quiet_count() -> int:
    """Return the number of ``-q`` options parsed until now."""
    context = click.get_current_context(silent=True)
    return (context and context.params.get("quiet")) or 0


def is_resumable(result: Report) -> bool:
    """Return whether the same command would continue where this run ended."""
    error = result.error
    if error and error.is_permanent:
        return False
    if isinstance(error, PartialError | DeadlineError | RunInterrupted):
        return True
    return isinstance(error, NetworkError) and bool(result.upload_results)


def _describe_run(result: Report | None) -> str:
    """Return the prefix of the lines of ``-q``; empty if nothing is known about the run."""
    if result is None:
        return ""
    from wheel_uploader.report.formats import quiet as formats_quiet

    prefix = formats_quiet.describe_run(result)
    return f"{prefix}: " if prefix else ""


def exit_with(error: ReleaseError, *, right_arguments: Sequence[str] = ()) -> NoReturn:
    """Print the error of a run that did not start, and exit with its code.

    ``right_arguments`` are the likely intended ones.
    """
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _report_to_github(error)
    print_error(error, right_arguments=right_arguments)
    sys.exit(error.exit_code)


def _report_to_github(error: ReleaseError) -> None:
    """Write the annotation, the step summary and the outputs of a run that did not start."""
    from wheel_uploader.report import formats_table

    context = click.get_current_context(silent=True)
    values = context.params if context else {}
    report = report_of_unstarted_run(
        values.get("project") or "", values.get("release") or "", values.get("urls") or (), error
    )
    if _quiet_count() < SILENT:
        _print_to_stderr(formats_table.render_workflow_commands(report), nl=False)
    write_github_outputs(report, error.exit_code)


def print_error(
    error: ReleaseError,
    *,
    resume_arguments: Sequence[str] = (),
    right_arguments: Sequence[str] = (),
    result: Report | None = None,
) -> None:
    """Print what happened, to which files, and what to do next.

    ``resume_arguments``: the arguments of the command that would continue, which is printed as well;
    ``right_arguments``: those of the likely intended command; ``result``: the report of the run, whose
    release, stage and server begin the line with ``-q``.
    """
    message = sanitize_message(error.message)
    details = [_without_repetition(sanitize_message(detail), message) for detail in error.details]
    quiet = _quiet_count()
    if quiet >= SILENT:
        return
    if quiet:
        # cron mails this line; it must be enough on the screen of a phone.
        only_detail = f" ({details.pop()})" if len(details) == 1 else ""
        run = _describe_run(result)
        lines = [f"{run}error: {message}{only_detail}; next: {sanitize_message(error.hint)}"]
        lines += [f"  {detail}" for detail in details]
    else:
        lines = _wrapped(_bold("error:", "red"), message)
        if result and _is_report_beside_error():
            from wheel_uploader.report.views.outcome import list_error_details, summarize_error

            lines = _wrapped(_bold("error:", "red"), sanitize_message(summarize_error(result)))
            details = [sanitize_message(detail) for detail in list_error_details(result)]
        lines += [line for detail in details for line in _wrapped("", detail, indent="  ")]
        if resume_arguments:
            lines.append(_command("to continue", resume_arguments))
        if right_arguments:
            lines.append(_command("try", right_arguments))
        lines += _corrected_command(error)
        lines += _wrapped(_bold("next:"), sanitize_message(error.hint))
    _print_to_stderr("\n".join(lines))


def _without_repetition(detail: str, message: str) -> str:
    """Return a detail, ``not in: FILE: reason``, without its reason if the message has it."""
    state, _, fact = detail.partition(": ")
    return f"{state}: {fact.partition(': ')[0]}" if fact and fact in message else detail


def _is_report_beside_error() -> bool:
    """Return whether the user reads the text report and the error in one place, as on a terminal."""
    context = click.get_current_context(silent=True)
    if not context or context.params.get("report_format", "text") != "text":
        return False
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except OSError:
        return False


def _bold(word: str, color: str | None = None) -> str:
    return click.style(word, fg=color, bold=True) if has_color(sys.stderr) else word


def _wrapped(label: str, text: str, *, indent: str = "") -> list[str]:
    """Return a label and a sentence in lines that fit the terminal."""
    if not sys.stderr.isatty():
        return [f"{indent}{label} {text}" if label else f"{indent}{text}"]
    # The codes of colours take no columns.
    plain_label = click.unstyle(label)
    line = f"{indent}{plain_label} {text}" if label else f"{indent}{text}"
    indent, line = line[: len(line) - len(line.lstrip())], line.lstrip()
    # A quoted command is not broken, so that it can be copied.
    unbreakable = _QUOTED_COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), line)
    lines = textwrap.wrap(
        unbreakable,
        _width(sys.stderr),
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines = [line.replace(_GLUE, " ") for line in lines]
    return [lines[0].replace(plain_label, label, 1), *lines[1:]] if label else lines


_QUOTED_COMMAND, _GLUE = re.compile(r"'wheel-uploader [^']{1,200}'"), "\0"


def _corrected_command(error: ReleaseError) -> list[str]:
    """Return the typed command with the correction that the error suggests, if it has one."""
    context = click.get_current_context(silent=True)
    typed: tuple[str, ...] = context.meta.get(TYPED_ARGUMENTS_KEY, ()) if context else ()
    if not error.suggestion or not typed:
        return []
    wrong, right = error.suggestion
    if not wrong:
        return [_command("try", [*typed, right])] if _can_be_added(right, typed, context) else []
    if wrong not in typed:
        return []
    # The last occurrence: the value of an earlier option may be the same word.
    index = len(typed) - 1 - typed[::-1].index(wrong)
    return [_command("try", [*typed[:index], right, *typed[index + 1 :]])]


def _can_be_added(argument: str, typed: Sequence[str], context: click.Context | None) -> bool:
    """Return whether an option is not there yet; whether a VERSION would follow a typed PROJECT."""
    if argument.startswith("-"):
        return argument not in typed
    if "==" in argument:
        return True
    source = context.get_parameter_source("project") if context else None
    return source is click.core.ParameterSource.COMMANDLINE


def _command(label: str, arguments: Sequence[str]) -> str:
    """Return a command that can be copied, except for secrets, which are hidden."""
    line = sanitize(shlex.join(["wheel-uploader", *arguments]), limit=_LONGEST_COMMAND)
    secrets_note = f" (replace {MASK} with the secrets)" if MASK in line else ""
    return f"{label}{secrets_note}: {line}"

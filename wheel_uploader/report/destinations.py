"""The files that reports are written to: those of ``--report`` and those that GitHub Actions names.

A report is written completely or not at all. A report that cannot be written never changes the outcome of
the release.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from wheel_uploader.core.errors import StorageError, UsageError
from wheel_uploader.core.filesystem import sync_file
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Report
from wheel_uploader.core.redaction import sanitize

#: Bytes; GitHub discards the whole summary of a step if it is longer.
SUMMARY_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDestination:
    """A file to write the report to, and the format that its name selects."""

    path: Path
    format: str


def parse_destinations(paths: Iterable[Path]) -> tuple[ReportDestination, ...]:
    """Return a destination for each path, with the format that its suffix selects.

    Raises UsageError if the suffix selects no format, and StorageError if it is clear that the file cannot be
    written.
    """
    result = []
    for path in dict.fromkeys(paths):
        from wheel_uploader.report import formats_table

        formats = [
            name
            for suffix, name in formats_table.FORMAT_BY_SUFFIX.items()
            if path.name.lower().endswith(suffix)
        ]
        if not formats:
            raise UsageError(
                f"--report {sanitize(str(path))}: the file name has no suffix of a known report format",
                hint=f"Use one of these suffixes: {', '.join(formats_table.FORMAT_BY_SUFFIX)}.",
            )
        try:
            _require_writable(path)
        except OSError as error:
            raise _make_write_error(path, error.strerror or str(error)) from None
        result.append(ReportDestination(path=path, format=formats[0]))
    return tuple(result)


def _require_writable(path: Path) -> None:
    """Raise StorageError if the file cannot be written now."""
    if path.exists() and not path.is_file():
        raise _make_write_error(path, "it is not a regular file")
    # Missing directories are created when the report is written.
    directory = next((parent for parent in path.absolute().parents if parent.exists()), path.parent)
    if not directory.is_dir():
        raise _make_write_error(path, f"{sanitize(str(directory))} is not a directory")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise _make_write_error(path, f"no write permission for {sanitize(str(directory))}")


def _make_write_error(path: Path, reason: str) -> StorageError:
    return StorageError(
        f"could not write the report {sanitize(str(path))}: {reason}",
        hint="Pass --report a file in a writable directory with enough free space.",
    )


def write_reports(report: Report, destinations: Sequence[ReportDestination]) -> StorageError | None:
    """Write the report to every destination; return an error if any of them could not be written."""
    from wheel_uploader.report.formats_table import RENDERERS

    errors: list[StorageError] = []
    for destination in destinations:
        text = RENDERERS[destination.format](report, True)
        try:
            _write_atomically(destination.path, text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            errors.append(_make_write_error(destination.path, error.strerror or str(error)))
    if not errors:
        return None
    details = [error.message for error in errors[1:]]
    return StorageError(errors[0].message, hint=errors[0].hint, details=details)


def _write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path``, or the file that it links to, with a complete new file."""
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            sync_file(stream.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


# --- GitHub Actions --------------------------------------------------------------------------------


def write_github_outputs(report: Report, exit_code: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Append to the summary and outputs of the step; yield a warning for each that cannot be written."""
    from wheel_uploader.report.formats_table import build_workflow_outputs, render_workflow_summary

    def summary(remaining_bytes: int) -> str:
        return render_workflow_summary(report, remaining_bytes)

    def outputs(_remaining_bytes: int) -> str:
        values = {**build_workflow_outputs(report), "exit_code": str(exit_code)}
        return "".join(_format_step_output(name, value) for name, value in values.items())

    for variable, render in (("GITHUB_STEP_SUMMARY", summary), ("GITHUB_OUTPUT", outputs)):
        path = environment.get(variable)
        if not path:
            continue
        try:
            with open(path, "ab", opener=_open_without_waiting) as stream:
                stream.write(render(SUMMARY_LIMIT - stream.tell()).encode("utf-8", "backslashreplace"))
        except OSError as error:
            yield f"could not write to {variable}: {sanitize(error.strerror or str(error))}"


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file for ``open``; one that is a pipe without a reader is an error, not a reason to wait."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def _format_step_output(name: str, value: str) -> str:
    """Return an output of the step as GitHub parses it; no value can guess the random delimiter."""
    delimiter = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"

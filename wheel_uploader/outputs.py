"""Where a report goes besides the screen: the files of ``--report``, and those that GitHub Actions names.

Nothing else writes them. A report is whole or not there; one that cannot be written never changes what became
of the release.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wheel_uploader.disk import sync_file
from wheel_uploader.display import printable
from wheel_uploader.errors import StorageError, UsageError
from wheel_uploader.models import Report

#: Bytes: GitHub throws away the whole summary of a step when it is longer.
SUMMARY_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A file that the report is to be written to, and the format that its name asks for."""

    path: Path
    format: str


def destinations(paths: Iterable[Path]) -> tuple[Destination, ...]:
    """What the names of ``paths`` ask for.

    Raises UsageError for a name that asks for nothing, StorageError where it is known already that the
    file cannot be written.
    """
    found = []
    for path in dict.fromkeys(paths):
        from wheel_uploader import report

        wanted = [form for suffix, form in report.SUFFIXES.items() if path.name.lower().endswith(suffix)]
        if not wanted:
            raise UsageError(
                f"--report {printable(str(path))}: the name does not say which format",
                hint=f"End it with one of {', '.join(report.SUFFIXES)}.",
            )
        try:
            _require_writable(path)
        except OSError as error:
            raise _unwritable(path, error.strerror or str(error)) from None
        found.append(Destination(path=path, format=wanted[0]))
    return tuple(found)


def _require_writable(path: Path) -> None:
    """Raise StorageError when the file could not be written now."""
    if path.exists() and not path.is_file():
        raise _unwritable(path, "it is not a regular file")
    # Directories that are not there yet are made in the end.
    folder = next((each for each in path.absolute().parents if each.exists()), path.parent)
    if not folder.is_dir():
        raise _unwritable(path, f"{printable(str(folder))} is not a directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(path, f"{printable(str(folder))} may not be written to")


def _unwritable(path: Path, why: str) -> StorageError:
    return StorageError(
        f"the report {printable(str(path))} cannot be written: {why}",
        hint="Give --report a file in a directory that you may write to, with room for it.",
    )


def write(report: Report, destinations: Sequence[Destination]) -> StorageError | None:
    """Write every file; what kept one of them from being written, if anything did."""
    from wheel_uploader.report import FORMATS

    failed: list[StorageError] = []
    for destination in destinations:
        text = FORMATS[destination.format](report, True)
        try:
            _replace(destination.path, text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            failed.append(_unwritable(destination.path, error.strerror or str(error)))
    if not failed:
        return None
    details = [error.message for error in failed[1:]]
    return StorageError(failed[0].message, hint=failed[0].hint, details=details)


def _replace(path: Path, data: bytes) -> None:
    """Put a whole new file in the place of ``path``, or of what it is a link to."""
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


def tell_github(report: Report, exit_code: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Add to the summary of the step and to its outputs; one line for each that cannot be written."""
    from wheel_uploader.report import workflow_outputs, workflow_summary

    def summary(room: int) -> str:
        return workflow_summary(report, room)

    def outputs(_room: int) -> str:
        values = {**workflow_outputs(report), "exit_code": str(exit_code)}
        return "".join(_output(name, value) for name, value in values.items())

    for variable, text in (("GITHUB_STEP_SUMMARY", summary), ("GITHUB_OUTPUT", outputs)):
        path = environment.get(variable)
        if not path:
            continue
        try:
            with Path(path).open("ab") as stream:
                stream.write(text(SUMMARY_LIMIT - stream.tell()).encode("utf-8", "backslashreplace"))
        except OSError as error:
            yield f"{variable} could not be written: {printable(error.strerror or str(error))}"


def _output(name: str, value: str) -> str:
    """An output of a step; nobody can guess the line that ends it."""
    end = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{end}\n{value}\n{end}\n"

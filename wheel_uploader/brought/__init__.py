"""The user's requirements for a release: expected files and trusted hashes, read and enforced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from wheel_uploader import bounded
from wheel_uploader.brought import expect, sums, vouch
from wheel_uploader.brought.expect import Expectation
from wheel_uploader.display import counted, printable
from wheel_uploader.errors import NothingFoundError, UsageError
from wheel_uploader.models import Options, RemoteFile, Selection

#: Maximum size of such a file in bytes; a release of a thousand files needs a fifth of a megabyte.
_MAX_FILE_SIZE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """The requirements that a listing must meet in addition to containing the release."""

    options: Options
    expectation: Expectation | None = None
    hashes: vouch.Hashes | None = None

    def pinned(self, listed_files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
        """Return ``listed_files`` with the trusted hashes of ``--sha256sums`` in place of the source's."""
        return self.hashes.pinned(listed_files) if self.hashes else tuple(listed_files)

    def expected(self, version: Version, project: str = "") -> Expectation | None:
        """Return the expected files of ``version``: those declared, and every file with a trusted hash.

        ``project`` is needed if the user gave no project and it was inferred from the files.
        """
        if self.hashes is None:
            return self.expectation
        options = self.options
        filenames = self.hashes.of_release(project or options.project, version, options.types)
        return (self.expectation or Expectation()).with_files(filenames, self.hashes.where)

    def cells(self, version: Version) -> tuple[tuple[str, str], ...]:
        """Return (python, platform) of every wheel that is expected by python and platform."""
        expected = self.expected(version)
        slots = expected.slots if expected else ()
        return tuple((slot.python, slot.platform) for slot in slots if isinstance(slot, expect.Cell))

    def judge(self, selection: Selection) -> None:
        """Raise FileError or NothingFoundError unless the selection meets all requirements."""
        if self.hashes:
            self.hashes.refuse(selection)
        if self.options.require_hashes:
            vouch.require(selection)
        expected = self.expected(selection.version, selection.project)
        missing = expected.missing([name for name, _ in selection.files]) if expected else ()
        if missing:
            raise NothingFoundError(
                f"{selection.project} {selection.version} is incomplete: "
                f"{counted(len(missing), 'expected item')} "
                f"{'is' if len(missing) == 1 else 'are'} missing from the listing",
                details=[f"missing: {item}" for item in missing],
                hint="Nothing was downloaded. Wait until the build has finished and run this again, "
                "or wait for the files with --wait 20m.",
            )


def read(options: Options) -> Brought:
    """Read and parse the requirements that ``options`` give. Raises UsageError."""
    hashes = None
    if options.sha256sums:
        path = str(options.sha256sums)
        hashes = vouch.Hashes(where=printable(path), sha256=sums.parse(_read_text(options.sha256sums), path))
    return Brought(options=options, expectation=_parse_expectation(options), hashes=hashes)


def _parse_expectation(options: Options) -> Expectation | None:
    match options.expect:
        case None | "":
            return None
        case str(text) if (number := bounded.digits(text.removeprefix("-"))) is not None:
            return expect.of_count(-number if text.startswith("-") else number)
        case str(text):
            return expect.of_lines(_read_text(Path(text)), text)
        case Mapping() as table:
            return expect.of_table(table)
        case bool():
            pass
        case int(number):
            return expect.of_count(number)
    raise UsageError("'expect' in the configuration must be a number, a file or a matrix")


def _read_text(path: Path) -> str:
    """Return the text of a file that the user named. Raises UsageError."""
    displayed_path = printable(str(path))
    try:
        with path.expanduser().open("rb") as stream:
            data = stream.read(_MAX_FILE_SIZE + 1)
    except (OSError, RuntimeError, ValueError) as error:  # A missing file, an unknown ~USER, an invalid path.
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{displayed_path} cannot be read: {reason}", hint="Check the path.") from None
    if len(data) > _MAX_FILE_SIZE:
        raise UsageError(
            f"{displayed_path} is larger than {_MAX_FILE_SIZE >> 20} MiB, the limit for such a file",
            hint="Check the path.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"{displayed_path} is not UTF-8 text",
            hint="Save it as UTF-8; in PowerShell, use 'Out-File -Encoding utf8'.",
        ) from None

"""What the person brings along: the expected set, and hashes. Reads their files, and judges a listing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from wheel_uploader import bounded
from wheel_uploader.brought import expect, sums, vouch
from wheel_uploader.brought.expect import Expectation
from wheel_uploader.display import printable
from wheel_uploader.errors import NothingFoundError, UsageError
from wheel_uploader.models import Options, RemoteFile, Selection

#: Bytes: a release of a thousand files needs a fifth of a megabyte.
_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What was asked of a listing besides the release itself."""

    options: Options
    expectation: Expectation | None = None
    hashes: vouch.Hashes | None = None

    def pinned(self, listed: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
        """``listed``, with the hashes of ``--sha256sums`` in the place of the source's."""
        return self.hashes.pinned(listed) if self.hashes else tuple(listed)

    def expected(self, version: Version, project: str = "") -> Expectation | None:
        """What has to be listed of ``version``: what was declared, and every file that has a hash here.

        ``project`` is needed where the person named none, and the files do.
        """
        if self.hashes is None:
            return self.expectation
        options = self.options
        filenames = self.hashes.of_release(project or options.project, version, options.types)
        return (self.expectation or Expectation()).with_files(filenames, self.hashes.where)

    def cells(self, version: Version) -> tuple[tuple[str, str], ...]:
        """(python, platform) of every wheel that was declared to be expected."""
        expected = self.expected(version)
        slots = expected.slots if expected else ()
        return tuple((slot.python, slot.platform) for slot in slots if isinstance(slot, expect.Cell))

    def judge(self, selection: Selection) -> None:
        """Raise FileError or NothingFoundError unless all is there, and is what it has to be."""
        if self.hashes:
            self.hashes.refuse(selection)
        if self.options.require_hashes:
            vouch.require(selection)
        expected = self.expected(selection.version, selection.project)
        missing = expected.missing([name for name, _ in selection.files]) if expected else ()
        if missing:
            raise NothingFoundError(
                f"{selection.project} {selection.version} is not complete: of what is expected, "
                f"{len(missing)} {'is' if len(missing) == 1 else 'are'} not listed",
                details=[f"missing: {each}" for each in missing],
                hint="Nothing was downloaded. Wait until the build is done and run this again, "
                "or let this wait: --wait 20m.",
            )


def read(options: Options) -> Brought:
    """What ``options`` name, read and understood. Raises UsageError."""
    hashes = None
    if options.sha256sums:
        where = str(options.sha256sums)
        hashes = vouch.Hashes(where=printable(where), sha256=sums.parse(_text(options.sha256sums), where))
    return Brought(options=options, expectation=_expectation(options), hashes=hashes)


def _expectation(options: Options) -> Expectation | None:
    match options.expect:
        case None | "":
            return None
        case str(text) if (number := bounded.digits(text.removeprefix("-"))) is not None:
            return expect.of_count(-number if text.startswith("-") else number)
        case str(text):
            return expect.of_lines(_text(Path(text)), text)
        case Mapping() as table:
            return expect.of_table(table)
        case bool():
            pass
        case int(number):
            return expect.of_count(number)
    raise UsageError("'expect' in the configuration is neither a number, nor a file, nor a matrix")


def _text(path: Path) -> str:
    """A file of the person's own. Raises UsageError."""
    shown = printable(str(path))
    try:
        with path.expanduser().open("rb") as stream:
            data = stream.read(_LIMIT + 1)
    except (OSError, RuntimeError, ValueError) as error:  # No such file, no such ~USER, no path at all.
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown} cannot be read: {reason}", hint="Check the path.") from None
    if len(data) > _LIMIT:
        raise UsageError(f"{shown} is longer than any such list", hint="Check the path.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"{shown} is not text in UTF-8",
            hint="Save it as UTF-8; PowerShell has 'Out-File -Encoding utf8'.",
        ) from None

"""The user's requirements for a release: expected files and trusted hashes, read and enforced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.version import Version

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import NothingFoundError, UsageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Options, RemoteFile, Selection
from wheel_uploader.core.models.option_rules import LATEST_VERSION
from wheel_uploader.core.platforms import matrix
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.user_files import read_user_file
from wheel_uploader.listing import expected_files, sha256sums
from wheel_uploader.listing import trusted_hashes as listing_trusted_hashes
from wheel_uploader.listing.expected_files import Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequirements:
    """The requirements that a listing must meet in addition to containing the release."""

    options: Options
    expectation: Expectation | None = None
    trusted_hashes: listing_trusted_hashes.TrustedHashes | None = None
    #: One sentence for each part of the requirements that could not be verified.
    checks_not_run: tuple[str, ...] = ()

    def apply_trusted_hashes(self, listed_files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
        """Return ``listed_files`` with the trusted hashes of ``--sha256sums`` in place of the source's."""
        return self.trusted_hashes.apply_to(listed_files) if self.trusted_hashes else tuple(listed_files)

    def build_expectation(self, version: Version, project: str = "") -> Expectation | None:
        """Return the expected files of ``version``: those declared, and every file with a trusted hash.

        A file that ``--exclude`` leaves out is expected only if it is declared. ``project`` is needed if the
        user gave no project and it was inferred from the files.
        """
        if self.trusted_hashes is None:
            return self.expectation
        options = self.options
        filenames = [
            filename
            for filename in self.trusted_hashes.list_filenames(
                project or options.project, version, options.types
            )
            if not any(fnmatchcase(filename, pattern) for pattern in options.exclude)
        ]
        return (self.expectation or Expectation()).with_files(filenames, self.trusted_hashes.source)

    def list_matrix_cells(self, version: Version) -> tuple[tuple[str, str], ...]:
        """Return (python, platform) of every wheel that is expected by python and platform."""
        expected = self.build_expectation(version)
        slots = expected.items if expected else ()
        return tuple((slot.python, slot.platform) for slot in slots if isinstance(slot, matrix.MatrixCell))

    @property
    def _can_wait(self) -> bool:
        """True if ``--wait`` would be accepted, which needs an explicit version."""
        return self.options.version not in {"", LATEST_VERSION} and not self.options.wait

    def enforce(self, selection: Selection) -> None:
        """Raise FileError or NothingFoundError unless the selection meets all requirements."""
        if self.trusted_hashes:
            self.trusted_hashes.reject_mismatches(selection)
        if self.options.require_hashes:
            listing_trusted_hashes.require_strong_hashes(selection)
        expected = self.build_expectation(selection.version, selection.project)
        missing = expected.find_missing([name for name, _ in selection.files]) if expected else ()
        if missing:
            raise NothingFoundError(
                f"{selection.project} {selection.version} is incomplete{_count_missing(missing)}",
                details=[f"missing: {item}" for item in missing],
                hint="Nothing was downloaded. Wait until the build has finished and run this again"
                + (", or wait for the files with --wait 20m." if self._can_wait else "."),
            )


def _count_missing(missing: Sequence[str]) -> str:
    """Return the number of missing items; one item may be several files ("2 of 8 files")."""
    count = format_count(len(missing), "expected item")
    return f": {count} are missing from the listing" if len(missing) > 1 else ""


def read_requirements(options: Options) -> ReleaseRequirements:
    """Read and parse the requirements that ``options`` give. Raises UsageError."""
    hashes, checks_not_run = None, []
    if options.sha256sums:
        path, text = str(options.sha256sums), _read_text(options.sha256sums)
        hashes = listing_trusted_hashes.TrustedHashes(
            source=sanitize(path), sha256_by_filename=sha256sums.parse_sha256sums(text, path)
        )
        if sha256sums.is_clear_signed(text):
            checks_not_run.append(f"the PGP signature of {sanitize(path)} (verify it with gpg --verify)")
    return ReleaseRequirements(
        options=options,
        expectation=_parse_expectation(options),
        trusted_hashes=hashes,
        checks_not_run=tuple(checks_not_run),
    )


def _parse_expectation(options: Options) -> Expectation | None:
    match options.expect:
        case None | "":
            return None
        case str(text) if (number := bounds.parse_digits(text.removeprefix("-"))) is not None:
            return expected_files.expect_count(-number if text.startswith("-") else number)
        case str(text):
            return expected_files.parse_expected_lines(_read_text(Path(text)), text)
        case Mapping() as table:
            return expected_files.parse_matrix(table)
        case bool():
            pass
        case int(number):
            return expected_files.expect_count(number)
    raise UsageError("'expect' in the configuration must be a number, a file or a matrix")


def _read_text(path: Path) -> str:
    """Return the text of a file that the user named. Raises UsageError."""
    displayed_path = sanitize(str(path))
    try:
        data = read_user_file(path.expanduser())
    except (OSError, RuntimeError) as error:  # A missing file, an unknown ~USER.
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{displayed_path} cannot be read: {reason}", hint="Check the path.") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"{displayed_path} is not UTF-8 text",
            hint="Save it as UTF-8; in PowerShell, use 'Out-File -Encoding utf8'.",
        ) from None

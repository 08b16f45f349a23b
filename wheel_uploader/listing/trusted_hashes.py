"""Enforce the user's trusted hashes, which override those of the source, and require strong hashes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError
from wheel_uploader.core.formatting import format_share
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import RemoteFile, Selection
from wheel_uploader.wheelhouse.digests import ExpectedDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedHashes:
    """The hashes in the file of ``--sha256sums``, which every file of the release must match."""

    #: The path of the file, as the user gave it.
    source: str
    #: Hex sha256 by file name.
    sha256_by_filename: Mapping[str, str]

    def apply_to(self, listed_files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
        """Return ``listed_files`` with the trusted hash for every file that has one.

        The trusted hash replaces all hashes of the source. A file that is listed with a different sha256 is
        returned unchanged, and ``reject_mismatches`` rejects it.
        """
        return tuple(map(self._apply_to_file, listed_files))

    def _apply_to_file(self, file: RemoteFile) -> RemoteFile:
        trusted = self.sha256_by_filename.get(file.filename)
        if trusted is None or file.hashes.get("sha256", trusted) != trusted:
            return file
        return replace(file, hashes={"sha256": trusted}, hashes_origin=self.source)

    def list_filenames(self, project: str, version: Version, types: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the files of one release that have a trusted hash."""
        return tuple(
            filename for filename in self.sha256_by_filename if _belongs(filename, project, version, types)
        )

    def reject_mismatches(self, selection: Selection) -> None:
        """Raise FileError that lists every selected file without a trusted hash, or with a different one."""
        mismatched = [file for _, file in selection.files if file.hashes_origin != self.source]
        if mismatched:
            hint = "Nothing was downloaded. Find out whether the files were changed or the list is wrong"
            if not any(file.filename in self.sha256_by_filename for file in mismatched):
                hint += ", or leave the files out with --exclude PATTERN"
            raise FileError(
                f"{format_share(len(mismatched), len(selection.files), 'file', 'do')} not match "
                f"{self.source}",
                details=map(self._describe_mismatch, mismatched),
                hint=f"{hint}.",
            )

    def _describe_mismatch(self, file: RemoteFile) -> str:
        trusted = self.sha256_by_filename.get(file.filename)
        if trusted is None:
            return f"{file.filename}: not listed in {self.source}"
        return f"{file.filename}: listed with sha256 {file.hashes['sha256']}, but {self.source} has {trusted}"


def _belongs(filename: str, project: str, version: Version, types: Sequence[str]) -> bool:
    try:
        name = filenames.parse_filename(filename)
    except filenames.InvalidFilename:
        return False
    release = (canonicalize_name(project), version)
    return (name.project, name.version) == release and filenames.matches_platform_filter(name, types)


def require_strong_hashes(selection: Selection) -> None:
    """Raise FileError that lists every selected file without a strong hash."""
    expected_digests = [(file, ExpectedDigest.from_listing(file)) for _, file in selection.files]
    unverified = [
        (file, expected_digest)
        for file, expected_digest in expected_digests
        if expected_digest is None or expected_digest.is_weak
    ]
    if unverified:
        raise FileError(
            f"{format_share(len(unverified), len(selection.files), 'file', 'have')} no strong hash",
            details=[
                f"{file.filename}: listed "
                + (f"only with {expected_digest.algorithm}" if expected_digest else "without a hash")
                for file, expected_digest in unverified
            ],
            hint="Nothing was downloaded. Give the hashes with --sha256sums FILE, "
            "or use a source that lists a sha256 for each file.",
        )

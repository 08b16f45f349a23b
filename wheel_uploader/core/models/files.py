"""Files of a release: parsed names, and files as they are listed, selected and downloaded."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import NormalizedName
from packaging.version import Version

from wheel_uploader.core.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """A parsed wheel file name (PEP 427). The compressed tag sets are not expanded."""

    filename: str
    project: NormalizedName
    version: Version
    #: The project and version as spelled in the file name.
    raw_project: str
    raw_version: str
    build: str = ""
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    def __str__(self) -> str:
        return self.filename

    @property
    def tags(self) -> frozenset[Tag]:
        """The expanded (python, abi, platform) tags. The parser limits their number."""
        return frozenset(
            Tag(python, abi, platform)
            for python in self.pythons
            for abi in self.abis
            for platform in self.platforms
        )

    @property
    def slot(self) -> tuple[object, ...]:
        """A key that is equal for all spellings of a name that an index treats as the same file."""
        return (self.project, self.version, self.build, self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistName:
    """A parsed sdist file name (PEP 625, or an older form)."""

    filename: str
    project: NormalizedName
    version: Version
    raw_project: str
    raw_version: str

    def __str__(self) -> str:
        return self.filename

    @property
    def slot(self) -> tuple[object, ...]:
        """A key that is equal for all spellings of a name that an index treats as the same file."""
        return (self.project, self.version, self.filename.endswith(".zip"))


DistName = WheelName | SdistName


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file as a source lists it. Nothing about it has been verified yet."""

    filename: str
    #: Absolute ``http(s)`` URL, or a ``file:`` URL if the source is local.
    url: str
    #: Bytes, if the listing states the exact size ("1.2K" is not exact).
    size: int | None = None
    #: Approximate bytes, as listed. Only orders the downloads; never compared with an actual size.
    approximate_size: int | None = field(default=None, compare=False)
    #: Algorithm to lower-case hex digest, as listed.
    hashes: Mapping[str, str] = field(default_factory=dict)
    #: The file that the hashes come from, if they were supplied by the user and not by the listing.
    hashes_origin: str = ""
    #: The listing: a URL without secrets, or a directory.
    source: str
    #: Time of creation or last modification, if the listing states it unambiguously.
    modified_at: datetime | None = None
    #: Reason, in one clause, why a listed file cannot be downloaded (such as an unfinished upload).
    unavailable_reason: str = ""
    #: True if the index has withdrawn the file (PEP 592, PEP 792); ``unavailable_reason`` says why.
    is_withdrawn: bool = False
    #: Reason, in one clause, why a listed file is not part of any release, whatever its name.
    exclusion_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedFile:
    """A listed file that is not selected, and the reason in one clause (``version 1.11.0, not 1.12.0``)."""

    filename: str
    source: str
    reason: str
    #: True if it belongs, or may belong, to this release but is unavailable, so the set may be incomplete.
    is_unavailable: bool = False
    #: True if the user has excluded it, with ``--exclude``.
    is_left_out: bool = False
    #: The check that the file fails as it is listed, if it is of this release by its name.
    failed_check: str = ""

    @property
    def is_remarkable(self) -> bool:
        """True if the reason is printed without ``-v``."""
        return self.is_unavailable or self.is_left_out or bool(self.failed_check)

    @property
    def is_companion(self) -> bool:
        """True for SHA256SUMS and signatures, which are next to the files of every wheelhouse."""
        return self.filename in ("SHA256SUMS", "SHA256SUMS.asc") or self.filename.endswith(
            (".whl.asc", ".tar.gz.asc")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAttestationFile:
    """A listed attestation file, and the file that it attests according to its name."""

    #: The file name of a wheel or an sdist of the release.
    subject_filename: str
    remote: RemoteFile

    @property
    def filename(self) -> str:
        """The file name of the attestation."""
        return self.remote.filename


class GapRemedy(enum.StrEnum):
    """Ways to close a gap in a listing, which decide the exit code of the run."""

    #: More files may still appear, or the gap may close by itself.
    WAIT = "wait"
    #: The command must change: another URL, another option.
    CALL = "call"
    #: The staged files must be arranged in another way, or the command must name their folder.
    LAYOUT = "layout"
    #: A staged file must be corrected.
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingGap:
    """A part of a listing that was not read, or cannot be named, and may belong to the release."""

    #: The part and the reason, in one clause: ``the folder wheels/ is deeper than 3 levels``.
    message: str
    #: The listing: a URL without secrets, or a directory.
    source: str
    remedy: GapRemedy
    #: The next step for the user, in one sentence.
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingNote:
    """A fact about a listing that explains why files are not found there, and does not stop a run."""

    #: One clause: ``the folder 1.10.0/ belongs to another version``.
    message: str
    #: The listing: a URL without secrets, or a directory.
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFiles:
    """Everything that the sources list, of any project and version, and the gaps in their listings."""

    files: tuple[RemoteFile, ...]
    gaps: tuple[ListingGap, ...] = ()
    notes: tuple[ListingNote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The files of one release in a listing, and the listed files that are not part of it."""

    project: NormalizedName
    version: Version
    files: tuple[tuple[DistName, RemoteFile], ...]
    attestation_files: tuple[RemoteAttestationFile, ...] = ()
    excluded_files: tuple[ExcludedFile, ...] = ()
    #: Parts of the listings that may hold more files of the release. A run with gaps publishes nothing.
    gaps: tuple[ListingGap, ...] = ()
    #: One sentence for each fact about the choice that the user should know.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A complete, verified file in the wheelhouse. ``sha256`` is the hex digest of the bytes on disk."""

    name: DistName
    path: Path
    #: Bytes.
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The file name of the wheel or sdist."""
        return self.name.filename


class DownloadOutcome(enum.StrEnum):
    """The way in which the download stage obtained a file."""

    DOWNLOADED = "downloaded"
    RESUMED = "resumed"
    UNCHANGED = "unchanged"
    COPIED = "copied"
    IN_PLACE = "in place"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadedFile:
    """One file after the download stage: the local file, how it was obtained, and how it was verified."""

    file: LocalFile
    remote: RemoteFile
    outcome: DownloadOutcome
    #: The evidence: ``sha256 from the listing``, ``RECORD``, ...
    verified_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAttestationFile:
    """A complete attestation file on this machine, with its contents, which are small."""

    #: The file name of the wheel or sdist that it attests.
    subject_filename: str
    path: Path
    content: bytes = field(repr=False)
    outcome: DownloadOutcome

    @property
    def filename(self) -> str:
        """The file name of the attestation."""
        return self.path.name

"""Files by their names: as they are listed, chosen, fetched."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import NormalizedName
from packaging.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """A parsed wheel file name (PEP 427); the tag sets stay compressed, as written."""

    filename: str
    project: NormalizedName
    version: Version
    #: The project and version as the file name spells them.
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
        """Every (python, abi, platform) that the compressed sets stand for; their number is bounded."""
        return frozenset(
            Tag(python, abi, platform)
            for python in self.pythons
            for abi in self.abis
            for platform in self.platforms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistName:
    """A parsed sdist file name (PEP 625, or an older spelling of it)."""

    filename: str
    project: NormalizedName
    version: Version
    raw_project: str
    raw_version: str

    def __str__(self) -> str:
        return self.filename


DistName = WheelName | SdistName


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file that a source offers, under the name that it has there; nothing of it is trusted yet."""

    filename: str
    #: Absolute ``http(s)`` URL, or ``file:`` for one that a local source found.
    url: str
    #: Bytes, when the listing says so exactly (an "1.2K" of a listing is not a size).
    size: int | None = None
    #: Bytes, as roughly as a listing says it: for what to fetch first, and never compared with anything.
    about: int | None = field(default=None, compare=False)
    #: Algorithm to lower-case hex digest, as the listing gave them.
    hashes: Mapping[str, str] = field(default_factory=dict)
    #: Who gave the hashes, when it was not the listing: the file that the person brought.
    hashes_from: str = ""
    #: Where it was listed: a URL without secrets, or a directory.
    source: str
    #: When it came to be or was last changed there, where the listing says it without doubt.
    modified: datetime | None = None
    #: Why it is listed and still cannot be had, in one clause (an upload that was never finished).
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A listed file that is not taken, and why, in one clause (``version 1.11.0, not 1.12.0``)."""

    filename: str
    source: str
    reason: str
    #: It is of this release, or may have been, and could not be had: without it the set may be incomplete.
    withheld: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """An attestation as it is listed, beside the file that its name says it is about."""

    #: The file name of a wheel or an sdist of the release.
    about: str
    remote: RemoteFile

    @property
    def filename(self) -> str:
        return self.remote.filename


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a listing holds of one release, and what it holds besides."""

    project: NormalizedName
    version: Version
    files: tuple[tuple[DistName, RemoteFile], ...]
    companions: tuple[Companion, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A whole, verified file in the wheelhouse; the digest is hex and was taken from the bytes on disk."""

    name: DistName
    path: Path
    #: Bytes.
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        return self.name.filename


class FetchOutcome(enum.StrEnum):
    """How a file came to be in the wheelhouse."""

    DOWNLOADED = "downloaded"
    RESUMED = "resumed"
    UNCHANGED = "unchanged"
    COPIED = "copied"
    IN_PLACE = "in place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One file after the download stage: the file, how it came here, and what vouches for it."""

    file: LocalFile
    remote: RemoteFile
    outcome: FetchOutcome
    #: ``sha256 from the listing``, ``RECORD``, ...
    vouched_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCompanion:
    """A whole companion on this machine; it is small, and here with all its bytes."""

    about: str
    path: Path
    content: bytes = field(repr=False)
    outcome: FetchOutcome

    @property
    def filename(self) -> str:
        return self.path.name

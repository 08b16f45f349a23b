"""The index, and what became of each file there."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wheel_uploader.errors import ReleaseError
from wheel_uploader.models.files import LocalFile


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file as the index lists it."""

    filename: str
    url: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    upload_time: datetime | None = None
    yanked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What the index says of a project; no files when it does not know the project."""

    url: str
    exists: bool
    files: tuple[IndexFile, ...] = ()
    #: PEP 792: active, archived, quarantined, deprecated.
    status: str = "active"
    status_reason: str = ""
    #: ``json`` or ``html``.
    view: str = "html"


class FileState(enum.StrEnum):
    """What the index has under one of our names."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"
    SAME_BYTES_OTHER_NAME = "same bytes under another name"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """One of our files compared with the index."""

    file: LocalFile
    state: FileState
    #: The other name, when the bytes are there under one.
    other_name: str = ""
    #: Hex sha256 that the index serves under our name; empty when there is none.
    index_sha256: str = ""


class UploadOutcome(enum.StrEnum):
    """What became of one file of the plan."""

    UPLOADED = "uploaded"
    ALREADY_THERE = "already there"
    WOULD_UPLOAD = "would upload"
    REJECTED = "rejected"
    #: No answer came, and the index could not be asked.
    UNKNOWN = "unknown"
    #: Not tried, because the run had stopped before.
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResult:
    """What became of one file, and why."""

    file: LocalFile
    outcome: UploadOutcome
    reason: str = ""
    #: POST requests made for this file.
    attempts: int = 0
    #: What stopped this file, as the end of a run that it would be on its own.
    error: ReleaseError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The index serves this file, and with this sha256."""

    filename: str
    sha256: str
    url: str
    #: Where it was seen: ``json``, ``html``, or both.
    views: tuple[str, ...] = ()

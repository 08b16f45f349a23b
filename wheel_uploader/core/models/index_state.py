"""The state of the index, and the results of uploading to it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Literal

from packaging.version import Version

from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.formatting import format_count, format_verb, join_some
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models.enums import FileStatus
from wheel_uploader.core.models.files import LocalFile


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file as the index lists it."""

    filename: str
    url: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    upload_time: datetime | None = None
    yanked: bool = False
    #: The reason for yanking, if the page gives one.
    yanked_reason: str = ""
    #: URL of the attestations that the index serves for it (PEP 740); empty if the page names none.
    provenance_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """The page of a project on the index; without files if the index does not know the project."""

    url: str
    exists: bool
    files: tuple[IndexFile, ...] = ()
    #: Project status (PEP 792): active, archived, quarantined or deprecated.
    status: str = "active"
    status_reason: str = ""
    #: The format that was read: ``json`` or ``html``.
    page_format: str = "html"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReference:
    """The earlier release that this one was compared with."""

    version: Version
    #: Number of its files that are not yanked.
    file_count: int
    #: The page of the project that lists it.
    page_url: str
    #: Newer releases that are incomplete, with the number of their files.
    passed_over: Mapping[Version, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the version with its completeness, for the report."""
        text = f"{self.version} ({format_count(self.file_count, 'file')})"
        if not self.passed_over:
            return text
        incomplete = [
            f"{version} ({format_count(count, 'file')})" for version, count in self.passed_over.items()
        ]
        return f"{text}, because {join_some(incomplete, 5)} {format_verb(len(incomplete), 'are')} incomplete"


class FileComparison(enum.StrEnum):
    """Result of comparing one of our files with the index."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"
    SAME_BYTES_OTHER_NAME = "same bytes under another name"
    #: Different, and the run replaces it (``--replace``).
    REPLACE = "to be replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexComparison:
    """One of our files, compared with the index."""

    file: LocalFile
    result: FileComparison
    #: The other file name, if the index has the same bytes under one.
    other_name: str = ""
    #: Hex sha256 of the file with our name on the index; empty if there is no such file.
    index_sha256: str = ""


#: The statuses that the upload stage gives to a planned file.
UploadOutcome = Literal[
    FileStatus.UPLOADED,
    FileStatus.SKIPPED,
    FileStatus.WOULD_UPLOAD,
    FileStatus.CONFLICT,
    FileStatus.REJECTED,
    FileStatus.FAILED,
    FileStatus.UNKNOWN,
    FileStatus.NOT_TRIED,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResult:
    """Outcome of the upload of one file, and the reason."""

    file: LocalFile
    outcome: UploadOutcome
    reason: str = ""
    #: Number of POST requests for this file.
    attempts: int = 0
    #: The error that stopped this file, as if it were the only file of the run.
    error: ReleaseError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A file that the index serves with the expected sha256."""

    filename: str
    sha256: str
    url: str
    #: Formats of the project page that list it: ``json``, ``html``, or both.
    page_formats: tuple[str, ...] = ()
    #: Number of our attestations that the index serves for it.
    attestation_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReport:
    """The results for one target of a run with several."""

    #: The name that selects it, as given to ``-r``.
    name: str
    #: The upload URL, without secrets.
    url: str
    release_url: str = ""
    upload_plan: tuple[IndexComparison, ...] = ()
    upload_results: tuple[UploadResult, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    #: The reason that the release is not complete there; None if it is, or if the run ended before.
    error: ReleaseError | None = None

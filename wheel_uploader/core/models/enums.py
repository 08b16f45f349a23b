"""Enumerations that options and results share."""

from __future__ import annotations

import enum


class Stage(enum.IntEnum):
    """The stages of a run, in their fixed order."""

    LIST = 1
    DOWNLOAD = 2
    CHECK = 3
    SIGN = 4
    UPLOAD = 5
    CONFIRM = 6


class Severity(enum.StrEnum):
    """Severity of a finding: an error stops the release, a warning is shown, a note is shown on request."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class CheckProfile(enum.StrEnum):
    """Rule set to check against: PyPI's rules, or only those of every index and installer."""

    PYPI = "pypi"
    ANY = "any"


class AttestationPolicy(enum.StrEnum):
    """Handling of staged attestations: use those that exist, require one per file, or use none."""

    AUTO = "auto"
    REQUIRE = "require"
    NONE = "none"


class FileStatus(enum.StrEnum):
    """The latest known status of a file, or of a place in the matrix that has no file.

    The values are the words of every report but JSON, whose values are older: see report/formats/json.py.
    """

    LISTED = "listed"
    #: In the wheelhouse and verified, but not yet checked.
    DOWNLOADED = "downloaded"
    CHECKED = "checked"
    FAILED_CHECKS = "failed checks"
    SIGNED = "signed"
    #: The index has other bytes under this name, or the same bytes under another name.
    CONFLICT = "conflict"
    UPLOADED = "uploaded"
    #: Already on the index with the same sha256.
    SKIPPED = "skipped"
    #: Not on the index, and not yet uploaded.
    WOULD_UPLOAD = "would upload"
    #: The index refused the file.
    REJECTED = "rejected"
    #: The upload failed for a reason that is not the file: the connection, the credentials, the server.
    FAILED = "failed"
    #: The upload got no response, and the index could not be queried.
    UNKNOWN = "unknown"
    #: Not uploaded, because the run stopped first.
    NOT_TRIED = "not tried"
    CONFIRMED = "confirmed"
    #: Expected, or in the previous release, and absent.
    MISSING = "missing"
    #: Expected or in the previous release; a wheel of another place is installed here.
    COVERED = "covered"

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

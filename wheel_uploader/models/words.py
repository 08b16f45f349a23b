"""How far a run goes, how bad a finding is, whose rules hold: the words that are options and results."""

from __future__ import annotations

import enum


class Stage(enum.IntEnum):
    """How far a run goes; the stages are always in this order."""

    LIST = 1
    DOWNLOAD = 2
    CHECK = 3
    SIGN = 4
    UPLOAD = 5
    CONFIRM = 6


class Severity(enum.StrEnum):
    """What a finding does: an error stops the release, a warning is shown, a note is for those who look."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Profile(enum.StrEnum):
    """Whose rules hold: PyPI's own, or only what every index and installer needs."""

    PYPI = "pypi"
    ANY = "any"


class Attestations(enum.StrEnum):
    """What to do with attestations that lie beside the files: take what there is, want one for each, none."""

    AUTO = "auto"
    REQUIRE = "require"
    NONE = "none"

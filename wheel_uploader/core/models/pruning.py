"""Removal of older releases from a target: the rule, and its result."""

from __future__ import annotations

import enum

from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRule:
    """The releases that a target keeps: those that one of the limits keeps."""

    #: Number of newest releases (PEP 440 order); None: no limit of this kind.
    releases: int | None = None
    #: Days since the upload of the release's newest file; None: no limit of this kind.
    days: int | None = None
    #: True: remove final releases, too.
    includes_final: bool = False


class PruneOutcome(enum.StrEnum):
    """Outcome for a file that the rule does not keep."""

    REMOVED = "removed"
    WOULD_REMOVE = "would be removed"
    FAILED = "not removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedFile:
    """A file that the rule does not keep."""

    filename: str
    version: str
    outcome: PruneOutcome
    #: The labels that the file lost, because it has others; empty if the file itself was removed.
    labels: tuple[str, ...] = ()
    #: The reason that it was not removed.
    reason: str = ""

    @property
    def is_gone(self) -> bool:
        """True if the file itself was removed."""
        return self.outcome is PruneOutcome.REMOVED and not self.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFiles:
    """Files of one release that are kept for the same reason."""

    #: Empty if the version is not known.
    version: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPruning:
    """The result of pruning one target."""

    #: The name of the target, for messages.
    target: str
    #: The labels that files may lose; empty for a target without labels.
    labels: tuple[str, ...] = ()
    files: tuple[PrunedFile, ...] = ()
    kept: tuple[KeptFiles, ...] = ()
    #: The reason that nothing, or not everything, was removed; None if nothing went wrong.
    error: ReleaseError | None = None

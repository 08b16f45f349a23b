"""What became of each file of a release, and how large it was before: the rows of every report."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

from packaging.tags import Tag

from wheel_uploader.models import (
    Confirmation,
    DistName,
    Fetched,
    FileState,
    Finding,
    IndexState,
    RemoteFile,
    Report,
    Severity,
    Signature,
    Stage,
    UploadOutcome,
    UploadResult,
    WheelName,
)
from wheel_uploader.platforms import places
from wheel_uploader.report import matrix


class State(enum.StrEnum):
    """The last thing that is known of a file."""

    LISTED = "listed"
    HERE = "here"
    CHECKED = "checked"
    SIGNED = "signed"
    ABSENT = "absent"
    SAME = "same"
    WOULD_UPLOAD = "would upload"
    UPLOADED = "uploaded"
    PUBLISHED = "published"
    ALREADY_THERE = "already there"
    FAILED = "failed checks"
    DIFFERENT = "different"
    OTHER_NAME = "other name"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_TRIED = "not tried"


_OF_OUTCOMES = {
    UploadOutcome.UPLOADED: State.UPLOADED,
    UploadOutcome.ALREADY_THERE: State.ALREADY_THERE,
    UploadOutcome.WOULD_UPLOAD: State.WOULD_UPLOAD,
    UploadOutcome.REJECTED: State.REJECTED,
    UploadOutcome.UNKNOWN: State.UNKNOWN,
    UploadOutcome.NOT_TRIED: State.NOT_TRIED,
}
_OF_INDEX = {
    FileState.ABSENT: State.ABSENT,
    FileState.SAME: State.SAME,
    FileState.DIFFERENT: State.DIFFERENT,
    FileState.SAME_BYTES_OTHER_NAME: State.OTHER_NAME,
}
_CONFLICTS = frozenset({State.DIFFERENT, State.OTHER_NAME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The file of the previous release that stood where one of ours stands; its size in bytes, if known."""

    filename: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file with all that each stage found out about it."""

    name: DistName
    remote: RemoteFile
    state: State
    fetched: Fetched | None = None
    before: Before | None = None
    signature: Signature | None = None
    index: IndexState | None = None
    result: UploadResult | None = None
    confirmation: Confirmation | None = None
    #: How many findings it has of each severity that nobody accepted.
    findings: Mapping[Severity, int]

    @property
    def filename(self) -> str:
        return self.name.filename

    @property
    def word(self) -> str:
        """Its state for people; how it came here, while no more is known than that it did."""
        return self.fetched.outcome if self.fetched and self.state is State.HERE else self.state

    @property
    def size(self) -> int | None:
        """Bytes: counted where the file is here, else as the listing says."""
        return self.fetched.file.size if self.fetched else self.remote.size

    @property
    def change(self) -> float | None:
        """By which part the file has grown since the previous release (0.1: a tenth); None when not known."""
        if self.size is None or self.before is None or not self.before.size:
            return None
        return self.size / self.before.size - 1


def rows(report: Report) -> tuple[Row, ...]:
    """The files of the release in their order; none when nothing was found."""
    if not report.selection:
        return ()
    fetched = {each.file.filename: each for each in report.fetched}
    signatures = {each.filename: each for each in report.signatures}
    plan = {each.file.filename: each for each in report.plan}
    results = {each.file.filename: each for each in report.results}
    confirmations = {each.filename: each for each in report.confirmations}
    failed = {finding.subject for finding in report.findings if blocks(report, finding)}
    before = counterparts([name for name, _ in report.selection.files], report.previous)
    counts: dict[str, Counter[Severity]] = defaultdict(Counter)
    for finding in report.findings:
        counts[finding.subject][finding.severity] += not finding.ignored

    def state(filename: str) -> State:
        if result := results.get(filename):
            posted = result.outcome is UploadOutcome.UPLOADED
            confirmed = posted and filename in confirmations
            return State.PUBLISHED if confirmed else _OF_OUTCOMES[result.outcome]
        there = _OF_INDEX[plan[filename].state] if filename in plan else State.ABSENT
        if there in _CONFLICTS:
            return there
        if filename in failed:
            return State.FAILED
        if there is State.SAME or (filename in plan and Stage.UPLOAD in report.timings):
            return there
        if filename in signatures:
            return State.SIGNED
        if filename in fetched:
            return State.CHECKED if Stage.CHECK in report.timings else State.HERE
        return State.LISTED

    return tuple(
        Row(
            name=name,
            remote=remote,
            state=state(name.filename),
            fetched=fetched.get(name.filename),
            before=Before(filename=there, size=report.previous_sizes.get(there))
            if (there := before.get(name.filename))
            else None,
            signature=signatures.get(name.filename),
            index=plan.get(name.filename),
            result=results.get(name.filename),
            confirmation=confirmations.get(name.filename),
            findings=counts.get(name.filename, Counter()),
        )
        for name, remote in report.selection.files
    )


def blocks(report: Report, finding: Finding) -> bool:
    """Whether a finding stops the release."""
    stopping = {Severity.ERROR, Severity.WARNING} if report.options.strict else {Severity.ERROR}
    return finding.severity in stopping and not finding.ignored


def counterparts(present: Iterable[DistName], previous: Iterable[str]) -> dict[str, str]:
    """Our file names to those of the previous release that stand in the same places of the matrix.

    Of several in one place those with equal tags belong together; what is left stands there alone, or has
    no counterpart.
    """
    ours = list(present)
    theirs = list(matrix.parsed(previous))
    found: dict[str, str] = {}
    for same in (_tags, _slots):
        before, taken = _by(same, theirs), set(found.values())
        for key, mine in _by(same, [name for name in ours if name.filename not in found]).items():
            left = [name.filename for name in before.get(key, ()) if name.filename not in taken]
            if len(mine) == len(left) == 1:
                found[mine[0].filename] = left[0]
    return found


def _tags(name: DistName) -> frozenset[Tag]:
    return name.tags if isinstance(name, WheelName) else frozenset()


def _slots(name: DistName) -> frozenset[places.Slot]:
    return frozenset(places.slots(name)) if isinstance(name, WheelName) else frozenset()


def _by(key: Callable[[DistName], Hashable], named: Iterable[DistName]) -> Mapping[Hashable, list[DistName]]:
    groups: dict[Hashable, list[DistName]] = defaultdict(list)
    for name in named:
        groups[key(name)].append(name)
    return groups

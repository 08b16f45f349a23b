"""The files of a release with their status: the rows of every report."""

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
    """The latest known state of a file.

    The values are part of the JSON format; the other reports show the label of the symbol.
    """

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


STATE_OF_OUTCOME = {
    UploadOutcome.UPLOADED: State.UPLOADED,
    UploadOutcome.ALREADY_THERE: State.ALREADY_THERE,
    UploadOutcome.WOULD_UPLOAD: State.WOULD_UPLOAD,
    UploadOutcome.REJECTED: State.REJECTED,
    UploadOutcome.UNKNOWN: State.UNKNOWN,
    UploadOutcome.NOT_TRIED: State.NOT_TRIED,
}
_STATE_ON_INDEX = {
    FileState.ABSENT: State.ABSENT,
    FileState.SAME: State.SAME,
    FileState.DIFFERENT: State.DIFFERENT,
    FileState.SAME_BYTES_OTHER_NAME: State.OTHER_NAME,
}
_CONFLICT_STATES = frozenset({State.DIFFERENT, State.OTHER_NAME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The counterpart of a file in the previous release, with its size in bytes if the index states it."""

    filename: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file with the results of every stage."""

    name: DistName
    remote: RemoteFile
    state: State
    fetched: Fetched | None = None
    before: Before | None = None
    signature: Signature | None = None
    index: IndexState | None = None
    result: UploadResult | None = None
    confirmation: Confirmation | None = None
    #: Number of findings that are not ignored, by severity.
    findings: Mapping[Severity, int]

    @property
    def filename(self) -> str:
        """The name of the wheel or sdist."""
        return self.name.filename

    @property
    def size(self) -> int | None:
        """Bytes: measured once the file is downloaded, before that as listed."""
        return self.fetched.file.size if self.fetched else self.remote.size

    @property
    def change(self) -> float | None:
        """The growth since the previous release as a fraction (0.1: 10 %); None if a size is not known."""
        if self.size is None or self.before is None or not self.before.size:
            return None
        return self.size / self.before.size - 1


def rows(report: Report) -> tuple[Row, ...]:
    """Return one row per file of the release, in the order of the selection; empty without a selection."""
    if not report.selection:
        return ()
    fetched = {fetched.file.filename: fetched for fetched in report.fetched}
    signatures = {signature.filename: signature for signature in report.signatures}
    plan = {state.file.filename: state for state in report.plan}
    results = {result.file.filename: result for result in report.results}
    confirmations = {confirmation.filename: confirmation for confirmation in report.confirmations}
    failed = {finding.subject for finding in report.findings if blocks(report, finding)}
    previous_names = counterparts([name for name, _ in report.selection.files], report.previous)
    counts: dict[str, Counter[Severity]] = defaultdict(Counter)
    for finding in report.findings:
        counts[finding.subject][finding.severity] += not finding.ignored

    def state(filename: str) -> State:
        if result := results.get(filename):
            is_confirmed = result.outcome is UploadOutcome.UPLOADED and filename in confirmations
            return State.PUBLISHED if is_confirmed else STATE_OF_OUTCOME[result.outcome]
        on_index = _STATE_ON_INDEX[plan[filename].state] if filename in plan else State.ABSENT
        if on_index in _CONFLICT_STATES:
            return on_index
        if filename in failed:
            return State.FAILED
        if on_index is State.SAME or (filename in plan and Stage.UPLOAD in report.timings):
            return on_index
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
            before=Before(filename=previous, size=report.previous_sizes.get(previous))
            if (previous := previous_names.get(name.filename))
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
    """Return whether the finding blocks the release."""
    blocking = {Severity.ERROR, Severity.WARNING} if report.options.strict else {Severity.ERROR}
    return finding.severity in blocking and not finding.ignored


def counterparts(present: Iterable[DistName], previous: Iterable[str]) -> dict[str, str]:
    """Map each of our file names to that of its counterpart in the previous release, if it has one.

    Files with equal tags are paired first, then those that fill the same cells of the matrix. Files that
    cannot be paired one to one have no counterpart.
    """
    current_names = list(present)
    previous_names = list(matrix.parsed(previous))
    pairs: dict[str, str] = {}
    for key in (_get_tags, _get_slots):
        previous_by_key, paired = _group_by(key, previous_names), set(pairs.values())
        unpaired = [name for name in current_names if name.filename not in pairs]
        for value, group in _group_by(key, unpaired).items():
            candidates = [
                name.filename for name in previous_by_key.get(value, ()) if name.filename not in paired
            ]
            if len(group) == len(candidates) == 1:
                pairs[group[0].filename] = candidates[0]
    return pairs


def _get_tags(name: DistName) -> frozenset[Tag]:
    return name.tags if isinstance(name, WheelName) else frozenset()


def _get_slots(name: DistName) -> frozenset[places.Slot]:
    return frozenset(places.slots(name)) if isinstance(name, WheelName) else frozenset()


def _group_by(
    key: Callable[[DistName], Hashable], names: Iterable[DistName]
) -> Mapping[Hashable, list[DistName]]:
    groups: dict[Hashable, list[DistName]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return groups

"""The files of a release with their status: the rows of every report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

from packaging.tags import Tag

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    Confirmation,
    DistName,
    DownloadedFile,
    FileComparison,
    FileStatus,
    Finding,
    IndexComparison,
    RemoteFile,
    Report,
    Severity,
    Signature,
    Stage,
    UploadResult,
    WheelName,
)
from wheel_uploader.core.platforms import matrix as platform_matrix
from wheel_uploader.report.views import matrix
from wheel_uploader.report.views.file_status import SYMBOLS, Symbol

#: The status of a file that was compared with the index and is not uploaded yet.
_STATUS_BY_COMPARISON: Mapping[FileComparison, FileStatus] = {
    FileComparison.ABSENT: FileStatus.WOULD_UPLOAD,
    FileComparison.SAME: FileStatus.SKIPPED,
    FileComparison.REPLACE: FileStatus.WOULD_UPLOAD,
    FileComparison.DIFFERENT: FileStatus.CONFLICT,
    FileComparison.SAME_BYTES_OTHER_NAME: FileStatus.CONFLICT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousFile:
    """The counterpart of a file in the previous release, with its size in bytes if the index states it."""

    filename: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One file with the results of every stage."""

    name: DistName
    remote: RemoteFile
    status: FileStatus
    download: DownloadedFile | None = None
    previous: PreviousFile | None = None
    signature: Signature | None = None
    index_state: IndexComparison | None = None
    upload_result: UploadResult | None = None
    confirmation: Confirmation | None = None
    #: Number of findings that are not ignored, by severity.
    finding_counts: Mapping[Severity, int]

    @property
    def filename(self) -> str:
        """The name of the wheel or sdist."""
        return self.name.filename

    @property
    def symbol(self) -> Symbol:
        """The symbol for the status of the file."""
        return SYMBOLS[self.status]

    @property
    def status_label(self) -> str:
        """The word for the status of the file; for a downloaded file, how it got into the wheelhouse."""
        if self.download and self.status is FileStatus.DOWNLOADED:
            return self.download.outcome
        return self.symbol.label

    @property
    def size(self) -> int | None:
        """Bytes: measured once the file is downloaded, before that as listed."""
        return self.download.file.size if self.download else self.remote.size

    @property
    def approximate_size(self) -> int | None:
        """Bytes, as roughly listed; None if that is not known either."""
        return self.remote.approximate_size or None

    @property
    def size_change(self) -> float | None:
        """The growth since the previous release as a fraction (0.1: 10 %); None if a size is not known."""
        if self.size is None or self.previous is None or not self.previous.size:
            return None
        return self.size / self.previous.size - 1


def build_file_rows(report: Report) -> tuple[FileRow, ...]:
    """Return one row per file of the release, in the order of the selection; empty without a selection."""
    if not report.selection:
        return ()
    fetched = {fetched.file.filename: fetched for fetched in report.downloaded_files}
    signatures = {signature.filename: signature for signature in report.signatures}
    plan = {state.file.filename: state for state in report.upload_plan}
    results = {result.file.filename: result for result in report.upload_results}
    confirmations = {confirmation.filename: confirmation for confirmation in report.confirmations}
    failed = {finding.subject for finding in report.findings if is_blocking(report, finding)}
    previous_names = pair_with_previous(
        [name for name, _ in report.selection.files], report.previous_filenames
    )
    counts: dict[str, Counter[Severity]] = defaultdict(Counter)
    for finding in report.findings:
        counts[finding.subject][finding.severity] += not finding.is_ignored

    def get_status(filename: str) -> FileStatus:
        if result := results.get(filename):
            is_confirmed = result.outcome is FileStatus.UPLOADED and filename in confirmations
            return FileStatus.CONFIRMED if is_confirmed else result.outcome
        if report.options.verify and filename in confirmations:
            return FileStatus.CONFIRMED
        planned = _STATUS_BY_COMPARISON[plan[filename].result] if filename in plan else None
        if planned is FileStatus.CONFLICT:
            return planned
        if filename in failed:
            return FileStatus.FAILED_CHECKS
        if planned is FileStatus.WOULD_UPLOAD and report.options.verify:
            return FileStatus.MISSING
        is_final = planned is FileStatus.SKIPPED and not report.options.verify
        if planned and (is_final or Stage.UPLOAD in report.stage_seconds):
            return planned
        if filename in signatures:
            return FileStatus.SIGNED
        if filename in fetched:
            return FileStatus.CHECKED if Stage.CHECK in report.stage_seconds else FileStatus.DOWNLOADED
        return FileStatus.LISTED

    return tuple(
        FileRow(
            name=name,
            remote=remote,
            status=get_status(name.filename),
            download=fetched.get(name.filename),
            previous=PreviousFile(filename=previous, size=report.previous_sizes.get(previous))
            if (previous := previous_names.get(name.filename))
            else None,
            signature=signatures.get(name.filename),
            index_state=plan.get(name.filename),
            upload_result=results.get(name.filename),
            confirmation=confirmations.get(name.filename),
            finding_counts=counts.get(name.filename, Counter()),
        )
        for name, remote in report.selection.files
    )


def is_blocking(report: Report, finding: Finding) -> bool:
    """Return whether the finding blocks the release."""
    blocking = {Severity.ERROR, Severity.WARNING} if report.options.strict else {Severity.ERROR}
    return finding.severity in blocking and not finding.is_ignored


def pair_with_previous(current: Iterable[DistName], previous: Iterable[str]) -> dict[str, str]:
    """Map each of our file names to that of its counterpart in the previous release, if it has one.

    Files with equal tags are paired first, then those that fill the same cells of the matrix. Files that
    cannot be paired one to one have no counterpart.
    """
    current_names = list(current)
    previous_names = list(matrix.parse_filenames(previous))
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


def _get_slots(name: DistName) -> frozenset[platform_matrix.WheelSlot]:
    return frozenset(platform_matrix.expand_slots(name)) if isinstance(name, WheelName) else frozenset()


def _group_by(
    key: Callable[[DistName], Hashable], names: Iterable[DistName]
) -> Mapping[Hashable, list[DistName]]:
    groups: dict[Hashable, list[DistName]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return groups

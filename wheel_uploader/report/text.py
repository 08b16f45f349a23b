"""The report for a person: what is in the release, what was found, what became of each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from wheel_uploader.display import human_size, printable
from wheel_uploader.models import Report, UploadOutcome, WheelName
from wheel_uploader.report import attestations, files, findings, matrix, rehearsal
from wheel_uploader.report.rule import Rules


def render(report: Report, rules: Rules, *, utf8: bool = False) -> str:
    """The report as lines of text, with a newline at the end; empty when nothing was found out.

    Symbols beyond ASCII only with ``utf8``.
    """
    parts = (
        _heading(report),
        _files(report),
        _matrix(report, utf8),
        findings.lines(report, rules),
        rehearsal.lines(report),
        _ending(report),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _heading(report: Report) -> Iterator[str]:
    if report.selection:
        where = ", ".join(printable(source) for source in _sources(report))
        to = ", rehearsed for" if report.options.rehearse else " to"
        target = f"{to} {report.target}" if report.target else ""
        yield f"{report.selection.project} {report.selection.version} from {where}{target}"


def _sources(report: Report) -> list[str]:
    return list(dict.fromkeys(file.source for _, file in report.selection.files)) if report.selection else []


def _files(report: Report) -> Iterator[str]:
    if not report.selection:
        return
    rows = files.rows(report)
    for row in rows:
        yield f"  {row.word:<15} {human_size(row.size):>9}  {row.filename}"
    total = sum(row.size or 0 for row in rows)
    count = len(rows)
    yield f"{count} {'file' if count == 1 else 'files'}, {human_size(total)}" + _refused(report)


def _refused(report: Report) -> str:
    refused = len(report.selection.refused) if report.selection else 0
    if not refused:
        return ""
    others = f"{refused} {'other' if refused == 1 else 'others'} not taken"
    return f" ({others}, see above)" if report.options.verbose else f" ({others}: -v says why)"


def _matrix(report: Report, utf8: bool) -> Iterator[str]:
    """Pythons x platforms, where there is more than one wheel to look at."""
    wheels = (
        [name for name, _ in report.selection.files if isinstance(name, WheelName)]
        if report.selection
        else []
    )
    if len(wheels) > 1 or report.expected:
        yield from matrix.lines(matrix.of(report), utf8=utf8)


# --- the end ---------------------------------------------------------------------------------------


def _ending(report: Report) -> Iterator[str]:
    if report.signatures:
        made = sum(signature.made for signature in report.signatures)
        kept = len(report.signatures) - made
        yield f"signatures: {made} made, {kept} kept, by {report.signatures[0].fingerprint}"
    if said := attestations.said(report):
        yield f"attestations: {said}"
        yield from (f"    {maker}" for maker in attestations.makers(report))
    if report.results:
        counts = Counter(result.outcome for result in report.results)
        yield "upload: " + ", ".join(
            f"{counts[outcome]} {outcome}" for outcome in UploadOutcome if counts[outcome]
        )
        for result in report.results:
            if result.reason and result.outcome in (UploadOutcome.REJECTED, UploadOutcome.UNKNOWN):
                yield f"    {result.file.filename}: {printable(result.reason)}"
    if report.confirmations:
        served = f"{len(report.confirmations)} of {len(report.results)}"
        yield f"confirmed: the index serves {served} files with our sha256"
    for removal in report.removed:
        would = "would be removed" if report.options.dry_run else "removed"
        count = len(removal.filenames)
        files = f"{count} {'file' if count == 1 else 'files'}, {human_size(removal.size)}"
        yield f"{would} from the wheelhouse: version {removal.version} ({files}), which the index has"
    if report.timings:
        stages = ", ".join(f"{stage.name.lower()} {seconds:.1f}" for stage, seconds in report.timings.items())
        yield f"seconds: {stages}"

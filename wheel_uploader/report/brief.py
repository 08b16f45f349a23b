"""The report in a line, and none at all when nothing has changed: for cron, which mails what is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from wheel_uploader.models import FetchOutcome, Report, Stage, UploadOutcome

_NEW = (FetchOutcome.DOWNLOADED, FetchOutcome.RESUMED, FetchOutcome.COPIED)


def render(report: Report) -> str:
    """What this run has changed, with a newline at the end of each line; empty when that is nothing."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    if report.selection is None:
        return
    counts = Counter(result.outcome for result in report.results)
    told = [f"{counts[outcome]} {outcome}" for outcome in UploadOutcome if counts[outcome]]
    if set(counts) - {UploadOutcome.ALREADY_THERE, UploadOutcome.NOT_TRIED}:
        to = f" to {report.target}" if report.target else ""
        yield f"{report.selection.project} {report.selection.version}{to}: {', '.join(told)}"
    elif not report.error and report.options.until < Stage.UPLOAD:
        new = sum(fetched.outcome in _NEW for fetched in report.fetched)
        made = sum(signature.made for signature in report.signatures)
        here = [f"{new} downloaded"] * bool(new) + [f"{made} signed"] * bool(made)
        if here:
            yield f"{report.selection.project} {report.selection.version}: {', '.join(here)}"
    if report.removed:
        would = "would be removed" if report.options.dry_run else "removed"
        versions = ", ".join(str(removal.version) for removal in report.removed)
        yield f"{would} from the wheelhouse: {report.selection.project} {versions}"

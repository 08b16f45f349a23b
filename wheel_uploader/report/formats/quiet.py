"""The one-line report of ``-q``; empty if nothing has changed, because cron mails every output."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.core.models import DownloadOutcome, FileStatus, Report, Severity, Stage
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.report.views import pruning as pruning_view
from wheel_uploader.report.views.file_status import format_status_counts

#: Checks whose warnings are shown with an upload: some or all users will not get the uploaded files.
_SHOWN_CHECKS = (
    *("release/not-newest", "release/final-among-dev", "release/lost-tags"),
    *("release/other-version-in-place", "release/yanked"),
)
_NEWLY_DOWNLOADED = (DownloadOutcome.DOWNLOADED, DownloadOutcome.RESUMED, DownloadOutcome.COPIED)


def render_quiet(report: Report) -> str:
    """Return what this run has changed, each line with a newline at its end; empty if nothing has changed."""
    return "".join(f"{line}\n" for line in _format_lines(report))


def _format_release_warnings(report: Report) -> Iterator[str]:
    for finding in report.findings:
        if finding.check in _SHOWN_CHECKS and finding.severity is Severity.WARNING and not finding.is_ignored:
            yield f"warning: {finding.check}: {sanitize(finding.message)}"


def _format_lines(report: Report) -> Iterator[str]:
    yield from (f"warning: {sanitize(warning)}" for warning in report.warnings)
    if report.selection is None:
        return
    outcomes = [result.outcome for result in report.upload_results]
    if set(outcomes) - {FileStatus.SKIPPED, FileStatus.NOT_TRIED}:
        to = f" to {report.upload_url}" if report.upload_url else ""
        yield f"{report.selection.project} {report.selection.version}{to}: {format_status_counts(outcomes)}"
        yield from _format_release_warnings(report)
    elif not report.error and report.options.until < Stage.UPLOAD:
        downloaded = sum(fetched.outcome in _NEWLY_DOWNLOADED for fetched in report.downloaded_files)
        signed = sum(signature.is_new for signature in report.signatures)
        changes = [f"{downloaded} downloaded"] * bool(downloaded) + [f"{signed} signed"] * bool(signed)
        if changes:
            yield f"{report.selection.project} {report.selection.version}: {', '.join(changes)}"
    if report.pruned_releases:
        removed = "would be removed" if report.options.dry_run else "removed"
        versions = ", ".join(str(removal.version) for removal in report.pruned_releases)
        yield f"{removed} from the wheelhouse: {report.selection.project} {versions}"
    for pruning in report.target_prunings:
        yield from pruning_view.describe_removed(pruning, str(report.selection.project))
        yield from pruning_view.warn_about_pruning(pruning)

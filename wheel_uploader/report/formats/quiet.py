"""The one-line report of ``-q``; empty if nothing has changed, because cron mails every output."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.core.models import DownloadOutcome, FileStatus, Report, Severity, Stage
from wheel_uploader.core.redaction import sanitize, sanitize_message
from wheel_uploader.report.views import pruning as pruning_view
from wheel_uploader.report.views.file_status import format_status_counts

#: Checks whose warnings are shown with an upload: some or all users will not get the uploaded files.
_SHOWN_CHECKS = (
    *("release/not-newest", "release/final-among-dev", "release/lost-tags"),
    *("release/other-version-in-place", "release/yanked"),
)
#: The server that a stage talks to.
_ROLES = {
    Stage.LIST: "staging",
    Stage.DOWNLOAD: "staging",
    Stage.CHECK: "index",
    Stage.UPLOAD: "index",
    Stage.CONFIRM: "index",
}
#: Exit codes of errors that a server may be the cause of.
_SERVER_EXIT_CODES = frozenset({3, 4, 5, 7, 8, 10})
_NEWLY_DOWNLOADED = (DownloadOutcome.DOWNLOADED, DownloadOutcome.RESUMED, DownloadOutcome.COPIED)


def render_quiet(report: Report) -> str:
    """Return what this run has changed, each line with a newline at its end; empty if nothing has changed."""
    prefix = describe_run(report)
    return "".join(f"{prefix}: {line}\n" for line in _format_lines(report))


def describe_run(report: Report) -> str:
    """Return the release, the stage that the run reached, and the role of its server, as a prefix.

    ``dipy 1.11.0, upload (index)``: a mail about one of many nightly runs is understood by its first words.
    """
    selected, options = report.selection, report.options
    project = str(selected.project) if selected else options.project
    version = str(selected.version) if selected else options.version
    parts = [" ".join(sanitize(part) for part in (project, version) if part)]
    if stage := _get_stage(report):
        role = _ROLES.get(stage)
        # The checks are local, except for their queries.
        names_server = (
            report.error.exit_code in _SERVER_EXIT_CODES if report.error else stage is not Stage.CHECK
        )
        parts.append(f"{stage.name.lower()} ({role})" if role and names_server else stage.name.lower())
    return ", ".join(filter(None, parts))


def _get_stage(report: Report) -> Stage | None:
    """Return the stage that was interrupted, or the last one; None if the run did not start."""
    started = [stage for stage in report.stage_seconds if stage > (report.last_stage or 0)]
    return max(started, default=report.last_stage)


def _format_release_warnings(report: Report) -> Iterator[str]:
    for finding in report.findings:
        if finding.check in _SHOWN_CHECKS and finding.severity is Severity.WARNING and not finding.is_ignored:
            yield f"warning: {finding.check}: {sanitize_message(finding.message)}"


def _format_lines(report: Report) -> Iterator[str]:
    yield from (f"warning: {sanitize_message(warning)}" for warning in report.warnings)
    if report.selection is None:
        return
    outcomes = [result.outcome for result in report.upload_results]
    if set(outcomes) - {FileStatus.SKIPPED, FileStatus.NOT_TRIED}:
        counts, url = format_status_counts(outcomes), report.upload_url
        is_complete = set(outcomes) <= {FileStatus.UPLOADED, FileStatus.SKIPPED, FileStatus.WOULD_UPLOAD}
        yield f"{counts} to {url}" if url and is_complete else f"{counts} ({url})" if url else counts
        yield from _format_release_warnings(report)
    elif not report.error and report.options.until < Stage.UPLOAD:
        downloaded = sum(fetched.outcome in _NEWLY_DOWNLOADED for fetched in report.downloaded_files)
        signed = sum(signature.is_new for signature in report.signatures)
        changes = [f"{downloaded} downloaded"] * bool(downloaded) + [f"{signed} signed"] * bool(signed)
        if changes:
            yield ", ".join(changes)
    if report.pruned_releases:
        removed = "would be removed" if report.options.dry_run else "removed"
        versions = ", ".join(str(removal.version) for removal in report.pruned_releases)
        yield f"{removed} from the wheelhouse: {versions}"
    for pruning in report.target_prunings:
        yield from pruning_view.describe_removed(pruning, str(report.selection.project))
        yield from pruning_view.warn_about_pruning(pruning)

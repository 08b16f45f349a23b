"""The outcome of a run and the summary fields at the head of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from wheel_uploader.core.errors import FileError
from wheel_uploader.core.formatting import format_count, format_duration, format_size, format_verb
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    ExcludedFile,
    FileStatus,
    Finding,
    InstallKind,
    InstallSource,
    Report,
    Severity,
    Stage,
)
from wheel_uploader.report.formats import findings_text
from wheel_uploader.report.views import attestations, sizes
from wheel_uploader.report.views import pruning as pruning_view
from wheel_uploader.report.views import targets as targets_view
from wheel_uploader.report.views.check_info import RELEASE_SUBJECT
from wheel_uploader.report.views.file_rows import FileRow, is_blocking
from wheel_uploader.report.views.file_status import Emphasis

#: Headline for each exit code.
_FAILURE_HEADLINES = {
    2: "Configuration error",
    3: "Release not ready",
    4: "Invalid or missing credentials",
    5: "Network error",
    6: "Invalid or changed file",
    7: "Conflict with the index",
    8: "Partially published",
    10: "Timed out",
    11: "Wheelhouse in use",
    12: "Signing failed",
    13: "Storage error",
}
#: Maximum number of files that a summary field names.
_MAX_NAMED = 12
#: Exit codes after which the same command may succeed later.
_RESUMABLE_EXIT_CODES = frozenset({5, 10, 11})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The headline of a run, its error and the next step, as raw text that renderers must make printable."""

    headline: str
    emphasis: Emphasis
    message: str
    details: tuple[str, ...] = ()
    #: Empty if there is nothing to do.
    next_step: str = ""


def build_outcome(report: Report, rows: Sequence[FileRow]) -> Outcome:
    """Return the outcome of the run."""
    if error := report.error:
        return Outcome(
            headline=_choose_headline(report),
            emphasis=Emphasis.WARN
            if error.exit_code in _RESUMABLE_EXIT_CODES or error.exit_code > 128
            else Emphasis.BAD,
            message=_end_sentence(summarize_error(report)),
            details=list_error_details(report),
            next_step=_end_sentence(error.hint),
        )
    headline, sentence = _describe_success(report, rows)
    warnings = sum(
        finding.severity is Severity.WARNING and not finding.is_ignored for finding in report.findings
    )
    if warnings:
        sentence += f" There {format_verb(warnings, 'are')} {format_count(warnings, 'warning')}."
    is_confirmed = report.last_stage is Stage.CONFIRM
    tone = Emphasis.GOOD if is_confirmed else Emphasis.WARN if warnings else Emphasis.PLAIN
    return Outcome(headline=headline, emphasis=tone, message=sentence)


def summarize_error(report: Report) -> str:
    """Return the message of the error; the number of files if the findings state what it says."""
    error = report.error
    if error is None:
        return ""
    if (
        not report.selection
        or error.exit_code != FileError.exit_code
        or not _is_finding(report, error.message)
    ):
        return error.message
    excluded_files = report.selection.excluded_files
    total = len(report.selection.files) + sum(bool(file.failed_check) for file in excluded_files)
    failed = {
        finding.subject
        for finding in report.findings
        if is_blocking(report, finding) or _is_about(finding, error.message)
    }
    return f"{len(failed - {RELEASE_SUBJECT})} of {format_count(total, 'file')} failed the checks"


def _is_finding(report: Report, text: str) -> bool:
    return any(_is_about(finding, text) for finding in report.findings)


def _is_about(finding: Finding, text: str) -> bool:
    """Return whether a sentence about a file, with its path or URL at the start, is the text of a finding."""
    return text.endswith(f": {finding.message}") and finding.subject in text


def list_error_details(report: Report) -> tuple[str, ...]:
    """Return the details of the error that the findings and the files of the report do not state already."""
    if not report.error:
        return ()
    stated = set()
    for finding in report.findings:
        suffixes = ("", *(f" ({target.name})" for target in report.targets))
        for message in {finding.message.removesuffix(suffix) for suffix in suffixes}:
            fact = f"{finding.subject}: {message}"
            stated |= {fact, f"{finding.check}: {fact}", f"{finding.check}: {message}"}
    if not report.targets:
        for result in report.upload_results:
            name = result.file.filename
            stated |= {f"in: {name}", f"not in: {name}: not tried", f"not in: {result.reason}"}
            stated |= {f"unknown: {result.reason}"}
    stated |= {f"{target.name}: nothing was uploaded" for target in report.targets}
    return tuple(
        detail
        for detail in report.error.details
        if detail.strip() not in stated and not _is_finding(report, detail)
    )


def list_upload_reasons(report: Report) -> Iterator[str]:
    """Yield why files were not uploaded, unless the error states it."""
    stated = " ".join([report.error.message, *list_error_details(report)]) if report.error else ""
    for result in report.upload_results:
        name = result.file.filename
        if result.reason and result.reason not in stated:
            yield f"{name}: {result.reason.removeprefix(f'{name}: ')}"


def _choose_headline(report: Report) -> str:
    code = report.exit_code
    if code == 6 and any(is_blocking(report, finding) for finding in report.findings):
        return "Failed the checks"
    if code == 6 and report.last_stage is Stage.CONFIRM:
        return "Published, but failed the smoke test"
    if report.options.verify and code in {3, 7, 10}:
        return "Not verified"
    return "Interrupted" if code > 128 else _FAILURE_HEADLINES.get(code, "Unexpected error")


def _end_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _describe_success(report: Report, rows: Sequence[FileRow]) -> tuple[str, str]:
    states = Counter(row.status for row in rows)
    skipped, absent = states[FileStatus.SKIPPED], states[FileStatus.WOULD_UPLOAD]
    uploaded = states[FileStatus.CONFIRMED] + states[FileStatus.UPLOADED]
    count = format_count(len(rows), "file")
    match report.last_stage:
        case Stage.CONFIRM if report.options.verify:
            files = "this file" if len(rows) == 1 else f"these {count}"
            return "Verified", f"The index serves exactly {files}, with the same sha256."
        case Stage.CONFIRM if not uploaded:
            have = format_verb(len(rows), "have")
            return "Already published", f"{count} {have} the same sha256 on the index; nothing was uploaded."
        case Stage.CONFIRM:
            separator = " " if len(rows) == 1 else ", each "
            return "Published", f"The index serves {count}{separator}with the sha256 that was checked."
        case Stage.UPLOAD if report.options.dry_run:
            return "Dry run", f"{format_count(absent, 'file')} would be uploaded; {skipped} would be skipped."
        case Stage.UPLOAD if report.options.write_only:
            return "Uploaded", (
                f"{format_count(uploaded, 'file')} uploaded; nothing shows that the index serves "
                f"{'it' if uploaded == 1 else 'them'}, because it is not read (--write-only)."
            )
        case Stage.UPLOAD:
            return "Uploaded", f"{format_count(uploaded, 'file')} uploaded; not yet confirmed on the index."
        case Stage.SIGN:
            return "Signed", f"{count} checked and signed; nothing was uploaded."
        case Stage.CHECK if report.install_outcomes:
            return "Rehearsed", describe_rehearsal(report)
        case Stage.CHECK:
            return "Checked", f"{count} passed the checks; nothing was uploaded."
        case Stage.DOWNLOAD:
            return "Downloaded", f"{count} downloaded and verified; not yet checked."
        case Stage.LIST:
            return "Listed", f"{count} of the release listed; not yet downloaded."
        case _:
            return "Nothing done", "The run ended before the list stage was finished."


def describe_rehearsal(report: Report) -> str:
    """Return one sentence about how many environments pip finds a wheel for, and who answered."""
    outcomes = report.install_outcomes
    environments = format_count(len(outcomes), "environment")
    wheels = sum(install.kind is InstallKind.WHEEL for install in outcomes)
    lost_wheels = sum(install.has_lost_wheel for install in outcomes)
    lost_sdists = sum(install.has_lost_sdist for install in outcomes)
    regressions = f", and none for {lost_wheels} that had one in the previous release" if lost_wheels else ""
    if lost_sdists:
        regressions += f", and nothing for {lost_sdists} that could build the previous release"
    asked = sum(install.answered_by is InstallSource.PIP for install in outcomes)
    answered = (
        f" (pip was asked for {asked}; the others follow from the tags)" if asked < len(outcomes) else ""
    )
    return f"pip finds a wheel for {wheels} of {environments}{regressions}{answered}; nothing was uploaded."


def judge_rehearsal(report: Report) -> Emphasis:
    """Return how good the result of a rehearsal is: bad if users would be worse off."""
    if any(install.is_worse for install in report.install_outcomes):
        return Emphasis.BAD
    is_complete = all(install.kind is InstallKind.WHEEL for install in report.install_outcomes)
    return Emphasis.GOOD if is_complete else Emphasis.WARN


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryField:
    """A labelled line of the head: text of ours, and texts from outside that are shown as code."""

    label: str
    text: str = ""
    code_texts: tuple[str, ...] = ()


def build_summary_fields(report: Report, rows: Sequence[FileRow]) -> Iterator[SummaryField]:
    """Yield the summary fields of the stages that the run reached."""
    staging_locations = tuple(dict.fromkeys(row.remote.source for row in rows))
    if staging_locations:
        yield SummaryField(label="From", code_texts=staging_locations)
    if report.upload_url:
        label = "For" if report.options.rehearse else "Index" if report.options.verify else "To"
        yield SummaryField(label=label, code_texts=(report.upload_url,))
    if rows:
        total = filter(None, (format_count(len(rows), "file"), _format_total_size(report, rows)))
        yield SummaryField(label="Files", text=f"{', '.join(total)}{_count_not_selected(report)}")
    if left_out := list_left_out(report):
        more = f" (the first {_MAX_NAMED})" if len(left_out) > _MAX_NAMED else ""
        yield SummaryField(
            label="Left out",
            text=f"{format_count(len(left_out), 'file')} by --exclude{more}:",
            code_texts=left_out[:_MAX_NAMED],
        )
    if report.upload_results:
        yield SummaryField(
            label="Upload", text=_count_labels(row.status_label for row in rows if row.upload_result)
        )
    for target in report.targets:
        yield SummaryField(label="Target", code_texts=(targets_view.describe_target(target),))
    if report.confirmations:
        served = f"the index serves {len(report.confirmations)} of {len(rows)} with the same sha256"
        attested = attestations.describe_confirmed(report)
        yield SummaryField(label="Confirmed", text=f"{served}{attested}")
    if report.signatures:
        new = sum(signature.is_new for signature in report.signatures)
        counts = f"{new} new, {len(report.signatures) - new} reused, by"
        yield SummaryField(label="Signatures", text=counts, code_texts=(report.signatures[0].fingerprint,))
    if attestation_counts := attestations.summarize_attestations(report):
        yield SummaryField(
            label="Attestations",
            text=attestation_counts,
            code_texts=attestations.summarize_publishers(report),
        )
    if Stage.CHECK in report.stage_seconds:
        yield SummaryField(
            label="Checks", text=f"{findings_text.format_counts(report)} (profile {report.profile})"
        )
    if report.comparison:
        yield SummaryField(label="Compared", text=f"with {report.comparison}")
    for removal in report.pruned_releases:
        removed = "would be removed" if report.options.dry_run else "removed"
        size = f"{format_count(len(removal.filenames), 'file')}, {format_size(removal.size)}"
        yield SummaryField(
            label="Wheelhouse", text=f"{removal.version} {removed} ({size}); the index serves it"
        )
    for pruning in report.target_prunings:
        lines = [pruning_view.describe_pruning(pruning), *pruning_view.warn_about_pruning(pruning)]
        yield SummaryField(label="Pruned", code_texts=tuple(lines))
    for warning in report.warnings:
        yield SummaryField(label="Warning", code_texts=(warning,))
    yield SummaryField(label="Run", text=_format_start_and_duration(report))


def list_left_out(report: Report) -> tuple[str, ...]:
    """Return the names of the files that the user has left out, as raw text."""
    excluded_files = report.selection.excluded_files if report.selection else report.excluded_files
    return tuple(file.filename for file in excluded_files if file.is_left_out)


def list_not_selected(report: Report) -> tuple[ExcludedFile, ...]:
    """Return the listed files that were not selected, without what accompanies the files of a release."""
    excluded_files = report.selection.excluded_files if report.selection else ()
    return tuple(file for file in excluded_files if not file.is_companion)


def _count_labels(labels: Iterator[str]) -> str:
    return ", ".join(f"{count} {label}" for label, count in Counter(labels).items())


def _format_total_size(report: Report, rows: Sequence[FileRow]) -> str:
    """Return the total size, with the change if every size of the previous release is known."""
    total_text, exact_sizes = sizes.format_total_size(rows), [row.size for row in rows]
    previous_sizes = [report.previous_sizes.get(filename) for filename in report.previous_filenames]
    known_sizes = [size for size in previous_sizes if size]
    if not known_sizes or len(known_sizes) < len(previous_sizes) or None in exact_sizes:
        return total_text
    change = sum(filter(None, exact_sizes)) / sum(known_sizes) - 1
    return f"{total_text} ({format_percent(change)})"


def format_percent(change: float) -> str:
    """Return a relative change as text: ``+1.2 %``, or ``±0 %`` if it rounds to zero."""
    if abs(change) < 0.0005:
        return "±0 %"
    sign = "+" if change > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(change):.1%}".replace("%", " %")


def _count_not_selected(report: Report) -> str:
    refused = len(list_not_selected(report))
    return f"; {refused} {'other' if refused == 1 else 'others'} not selected" if refused else ""


def _format_start_and_duration(report: Report) -> str:
    elapsed = format_duration(sum(report.stage_seconds.values()))
    start = f"{report.started_at:%Y-%m-%d %H:%M} UTC, " if report.started_at else ""
    return f"{start}{elapsed}, exit code {report.exit_code}"

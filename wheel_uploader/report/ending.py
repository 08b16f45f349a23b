"""The outcome of a run and the summary fields at the head of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wheel_uploader.display import human_size
from wheel_uploader.models import InstallKind, Report, Severity, Stage
from wheel_uploader.report import attestations, findings
from wheel_uploader.report.files import Row, State, blocks
from wheel_uploader.report.marks import Tone, status_label

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
#: Exit codes after which the same command may succeed later.
_RESUMABLE_EXIT_CODES = frozenset({5, 10, 11})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The headline of a run, its error and the next step, as raw text that renderers must make printable."""

    headline: str
    tone: Tone
    sentence: str
    details: tuple[str, ...] = ()
    #: Empty if there is nothing to do.
    next: str = ""


def of(report: Report, rows: Sequence[Row]) -> Ending:
    """Return the outcome of the run."""
    if error := report.error:
        return Ending(
            headline=_choose_headline(report),
            tone=Tone.WARN if error.exit_code in _RESUMABLE_EXIT_CODES or error.exit_code > 128 else Tone.BAD,
            sentence=_end_sentence(error.message),
            details=error.details,
            next=_end_sentence(error.hint),
        )
    headline, sentence = _describe_success(report, rows)
    warnings = sum(
        finding.severity is Severity.WARNING and not finding.ignored for finding in report.findings
    )
    if warnings:
        sentence += f" There {'is 1 warning' if warnings == 1 else f'are {warnings} warnings'}."
    is_confirmed = report.reached is Stage.CONFIRM
    tone = Tone.GOOD if is_confirmed else Tone.WARN if warnings else Tone.PLAIN
    return Ending(headline=headline, tone=tone, sentence=sentence)


def _choose_headline(report: Report) -> str:
    code = report.exit_code
    if code == 6 and any(blocks(report, finding) for finding in report.findings):
        return "Failed the checks"
    return "Interrupted" if code > 128 else _FAILURE_HEADLINES.get(code, "Unexpected error")


def _end_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _describe_success(report: Report, rows: Sequence[Row]) -> tuple[str, str]:
    states = Counter(row.state for row in rows)
    skipped, absent = states[State.ALREADY_THERE], states[State.WOULD_UPLOAD]
    uploaded = states[State.PUBLISHED] + states[State.UPLOADED]
    count = counted(len(rows))
    match report.reached:
        case Stage.CONFIRM if not uploaded:
            have = "has" if len(rows) == 1 else "have"
            return "Already published", f"{count} {have} the same sha256 on the index; nothing was uploaded."
        case Stage.CONFIRM:
            separator = " " if len(rows) == 1 else ", each "
            return "Published", f"The index serves {count}{separator}with the sha256 that was checked."
        case Stage.UPLOAD if report.options.dry_run:
            return "Dry run", f"{counted(absent)} would be uploaded; {skipped} would be skipped."
        case Stage.UPLOAD:
            return "Uploaded", f"{counted(uploaded)} uploaded; not yet confirmed on the index."
        case Stage.SIGN:
            return "Signed", f"{count} checked and signed; nothing was uploaded."
        case Stage.CHECK if report.rehearsal:
            return "Rehearsed", rehearsed(report)
        case Stage.CHECK:
            return "Checked", f"{count} passed the checks; nothing was uploaded."
        case Stage.DOWNLOAD:
            return "Downloaded", f"{count} downloaded and verified; not yet checked."
        case Stage.LIST:
            return "Listed", f"{count} of the release listed; not yet downloaded."
        case _:
            return "Nothing done", "The run ended before the list stage was finished."


def rehearsed(report: Report) -> str:
    """Return one sentence about how many environments pip finds a wheel for."""
    environments = "1 environment" if len(report.rehearsal) == 1 else f"{len(report.rehearsal)} environments"
    wheels = sum(install.kind is InstallKind.WHEEL for install in report.rehearsal)
    worse = sum(install.is_worse for install in report.rehearsal)
    regressions = f", and none for {worse} that had one in the previous release" if worse else ""
    return f"pip found a wheel for {wheels} of {environments}{regressions}; nothing was uploaded."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A labelled line of the head: text of ours, and texts from outside that are shown as code."""

    label: str
    said: str = ""
    quoted: tuple[str, ...] = ()


def facts(report: Report, rows: Sequence[Row]) -> Iterator[Fact]:
    """Yield the summary fields of the stages that the run reached."""
    staging_locations = tuple(dict.fromkeys(row.remote.source for row in rows))
    if staging_locations:
        yield Fact(label="From", quoted=staging_locations)
    if report.target:
        yield Fact(label="For" if report.options.rehearse else "To", quoted=(report.target,))
    if rows:
        yield Fact(
            label="Files",
            said=f"{counted(len(rows))}, {_format_total_size(report, rows)}{_count_not_selected(report)}",
        )
    if report.results:
        yield Fact(label="Upload", said=_count_labels(status_label(row) for row in rows if row.result))
    if report.confirmations:
        served = f"the index serves {len(report.confirmations)} of {len(rows)} with the same sha256"
        yield Fact(label="Confirmed", said=served)
    if report.signatures:
        new = sum(signature.made for signature in report.signatures)
        counts = f"{new} new, {len(report.signatures) - new} reused, by"
        yield Fact(label="Signatures", said=counts, quoted=(report.signatures[0].fingerprint,))
    if attestation_counts := attestations.said(report):
        yield Fact(label="Attestations", said=attestation_counts, quoted=attestations.makers(report))
    if Stage.CHECK in report.timings:
        yield Fact(label="Checks", said=f"{findings.counts(report)} (profile {report.profile})")
    for removal in report.removed:
        removed = "would be removed" if report.options.dry_run else "removed"
        size = f"{counted(len(removal.filenames))}, {human_size(removal.size)}"
        yield Fact(label="Wheelhouse", said=f"{removal.version} {removed} ({size}); the index serves it")
    yield Fact(label="Run", said=_format_start_and_duration(report))


def counted(files: int) -> str:
    """Return ``1 file``, ``2 files``."""
    return "1 file" if files == 1 else f"{files} files"


def _count_labels(labels: Iterator[str]) -> str:
    return ", ".join(f"{count} {label}" for label, count in Counter(labels).items())


def _format_total_size(report: Report, rows: Sequence[Row]) -> str:
    """Return the total size, with the change if every size of the previous release is known."""
    total = sum(row.size or 0 for row in rows)
    previous_sizes = [report.previous_sizes.get(filename) for filename in report.previous]
    known_sizes = [size for size in previous_sizes if size]
    if not known_sizes or len(known_sizes) < len(previous_sizes):
        return human_size(total)
    return f"{human_size(total)} ({percent(total / sum(known_sizes) - 1)})"


def percent(change: float) -> str:
    """Return a relative change as text: ``+1.2 %``, or ``±0 %`` if it rounds to zero."""
    if abs(change) < 0.0005:
        return "±0 %"
    sign = "+" if change > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(change):.1%}".replace("%", " %")


def _count_not_selected(report: Report) -> str:
    refused = len(report.selection.refused) if report.selection else 0
    return f"; {refused} {'other' if refused == 1 else 'others'} not selected" if refused else ""


def _format_start_and_duration(report: Report) -> str:
    elapsed = duration(sum(report.timings.values()))
    start = f"{report.began:%Y-%m-%d %H:%M} UTC, " if report.began else ""
    return f"{start}{elapsed}, exit code {report.exit_code}"


def duration(seconds: float) -> str:
    """Return a duration as text: ``35 ms``, ``0.4 s``, ``12 s``, ``3 min 20 s``."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

"""The report as text for the terminal: the files, the matrix, the findings and the outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from wheel_uploader.display import counted, human_size, printable
from wheel_uploader.models import Report, UploadOutcome, WheelName
from wheel_uploader.report import attestations, ending, files, findings, marks, matrix, rehearsal
from wheel_uploader.report.files import Row, State
from wheel_uploader.report.look import PLAIN, Ink, Look
from wheel_uploader.report.marks import Mark, Tone
from wheel_uploader.report.rule import Rules

#: Up to this many files, all of them are named.
_NAME_ALL_FILES = 6
#: Of more files, only those with problems are named, at most this many per state.
_MAX_NAMED_FILES = 10
_COLORS = {Tone.GOOD: Ink.GREEN, Tone.WARN: Ink.YELLOW, Tone.BAD: Ink.RED, Tone.PLAIN: None}
#: Symbols for output that is limited to ASCII.
_ASCII_SYMBOLS = {Tone.GOOD: "+", Tone.WARN: "?", Tone.BAD: "!", Tone.PLAIN: " "}


def render(report: Report, check_infos: Rules, style: Look = PLAIN, *, error: bool = True) -> str:
    """Return the report as lines of text, with a newline at the end; empty if there is nothing to report.

    Without ``error``, the error that stopped the run is left out, because the caller prints it separately.
    """
    rows = files.rows(report)
    parts = (
        _format_heading(report, style),
        _format_files(report, rows, style),
        _format_matrix(report, rows, style),
        findings.lines(report, check_infos, style),
        rehearsal.lines(report, style),
        _wrap_for_terminal(_format_stage_results(report), style),
        _format_outcome(report, rows, style) if error or not report.error else (),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _format_heading(report: Report, style: Look) -> Iterator[str]:
    if report.selection:
        sources = ", ".join(printable(source) for source in _list_sources(report))
        release = f"{report.selection.project} {report.selection.version} from {sources}"
        preposition = ", rehearsed for" if report.options.rehearse else " to"
        target = f"{preposition} {report.target}" if report.target else ""
        two_lines = style.terminal and len(release + target) > style.width
        yield from (
            filter(None, [release, f"  {target.lstrip(', ')}".rstrip()]) if two_lines else [release + target]
        )


def _list_sources(report: Report) -> list[str]:
    return list(dict.fromkeys(file.source for _, file in report.selection.files)) if report.selection else []


# --- the files -------------------------------------------------------------------------------------


def _format_files(report: Report, rows: Sequence[Row], style: Look) -> Iterator[str]:
    """Yield the number and size of the files in each state, and the names of those with problems."""
    if not rows:
        return
    yield f"{counted(len(rows), 'file')}, {human_size(_sum_sizes(rows))}{_count_not_selected(report)}"
    groups: dict[tuple[Mark, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[marks.of_file(row), marks.status_label(row)].append(row)
    sorted_groups = sorted(groups.items(), key=lambda group: marks.ORDER.index(group[0][0]))
    label_width = max(len(label) for _, label in groups)
    count_width = max(len(counted(len(group), "file")) for group in groups.values())
    name_all = bool(report.options.verbose) or len(rows) <= _NAME_ALL_FILES
    for (file_symbol, label), group in sorted_groups:
        character = file_symbol.sign if style.utf8 else _ASCII_SYMBOLS[file_symbol.tone]
        status = style.paint(f"{character} {label:<{label_width}}", _COLORS[file_symbol.tone])
        count = counted(len(group), "file")
        yield f"  {status}  {count:>{count_width}}  {human_size(_sum_sizes(group)):>8}"
        is_named = name_all or (file_symbol.tone in (Tone.WARN, Tone.BAD) and len(group) < len(rows))
        most = len(group) if name_all else _MAX_NAMED_FILES
        yield from _format_names(group[:most] if is_named else [], style)
        if is_named and len(group) > most:
            yield f"              and {len(group) - most} more: -v shows all"


def _sum_sizes(rows: Sequence[Row]) -> int:
    return sum(row.size or 0 for row in rows)


def _format_names(rows: Sequence[Row], style: Look) -> Iterator[str]:
    """Yield the size and name of each file; a name that is too long loses its project and version."""
    for row in rows:
        name = row.filename
        line = f"    {human_size(row.size):>8}  {name}"
        if style.terminal and len(line) > style.width and isinstance(row.name, WheelName):
            tags = name.removeprefix(f"{row.name.raw_project}-{row.name.raw_version}-")
            line = f"    {human_size(row.size):>8}  ...{tags}"
        yield line


def _count_not_selected(report: Report) -> str:
    refused = len(report.selection.refused) if report.selection else 0
    if not refused:
        return ""
    others = f"{counted(refused, 'other')} not selected"
    return f" ({others}, see above)" if report.options.verbose else f" ({others}: -v shows why)"


#: The words that replace the symbol of a cell in the matrix.
_PROBLEM_WORDS = {
    State.FAILED: "FAILED",
    State.DIFFERENT: "CONFLICT",
    State.OTHER_NAME: "CONFLICT",
    State.REJECTED: "REJECTED",
    State.UNKNOWN: "UNKNOWN",
    State.NOT_TRIED: "not tried",
}


def _format_matrix(report: Report, rows: Sequence[Row], style: Look) -> Iterator[str]:
    """Yield the matrix if there are several wheels, or if wheels are expected."""
    if sum(isinstance(row.name, WheelName) for row in rows) > 1 or (report.selection and report.expected):
        problems = {row.filename: _PROBLEM_WORDS[row.state] for row in rows if row.state in _PROBLEM_WORDS}
        yield from matrix.lines(matrix.of(report), style, problems)


# --- the outcome -----------------------------------------------------------------------------------


def _format_stage_results(report: Report) -> Iterator[str]:
    """Yield the results of the sign, upload and confirm stages, and the duration of every stage."""
    if report.signatures:
        new = sum(signature.made for signature in report.signatures)
        reused = len(report.signatures) - new
        yield f"signatures: {new} new, {reused} reused, by {report.signatures[0].fingerprint}"
    if attestation_counts := attestations.said(report):
        yield f"attestations: {attestation_counts}"
        yield from (f"    {maker}" for maker in attestations.makers(report))
    if report.results:
        counts = Counter(result.outcome for result in report.results)
        yield "upload: " + ", ".join(
            f"{counts[outcome]} {marks.of_outcome(outcome).word}"
            for outcome in UploadOutcome
            if counts[outcome]
        )
        for result in report.results:
            if result.reason and result.outcome in (UploadOutcome.REJECTED, UploadOutcome.UNKNOWN):
                yield f"    {result.file.filename}: {printable(result.reason)}"
    if report.confirmations:
        confirmed = f"{len(report.confirmations)} of {counted(len(report.results), 'file')}"
        yield f"confirmed: the index serves {confirmed} with the same sha256"
    for removal in report.removed:
        removed = "would be removed" if report.options.dry_run else "removed"
        size = f"{counted(len(removal.filenames), 'file')}, {human_size(removal.size)}"
        yield f"{removed} from the wheelhouse: version {removal.version} ({size}); the index serves it"
    if report.timings:
        stages = ", ".join(f"{stage.name.lower()} {seconds:.1f}" for stage, seconds in report.timings.items())
        yield f"seconds: {stages}"


def _wrap_for_terminal(lines: Iterator[str], style: Look) -> Iterator[str]:
    """Wrap long lines at spaces if the output is a terminal."""
    for line in lines:
        yield from findings.wrapped(line, "", "  ", style) if style.terminal else [line]


def _format_outcome(report: Report, rows: Sequence[Row], style: Look) -> Iterator[str]:
    """Yield the headline of the run, its error if there is one, and the URL of the release page."""
    if not report.timings and not report.error:
        return
    outcome = ending.of(report, rows)
    symbols = {Tone.GOOD: "\N{CHECK MARK} ", Tone.BAD: "\N{BALLOT X} "}
    symbol = symbols.get(outcome.tone, "") if style.utf8 else ""
    release = f": {report.selection.project} {report.selection.version}" if report.selection else ""
    elapsed = f" in {ending.duration(sum(report.timings.values()))}" if report.timings else ""
    target = f" to {report.target}" if report.target and report.results else ""
    yield style.paint(f"{symbol}{outcome.headline}", _COLORS[outcome.tone]) + release + target + elapsed
    if not report.rehearsal:
        # A rehearsal prints this sentence below its table.
        yield from findings.wrapped(printable(outcome.sentence), "  ", "  ", style)
    yield from (f"    {printable(detail)}" for detail in outcome.details)
    if outcome.next:
        yield from findings.wrapped(f"next: {printable(outcome.next)}", "  ", "  ", style)
    if report.page:
        yield f"  {report.page}"

"""The report for a person: what is in the release, what was found, what became of each file."""

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

#: So many files are all named; of more, those that are not as they should be, and so many of each state.
_FEW, _SHOWN = 6, 10
_INKS = {Tone.GOOD: Ink.GREEN, Tone.WARN: Ink.YELLOW, Tone.BAD: Ink.RED, Tone.PLAIN: None}
#: Where there is nothing but ASCII.
_SIGNS = {Tone.GOOD: "+", Tone.WARN: "?", Tone.BAD: "!", Tone.PLAIN: " "}


def render(report: Report, rules: Rules, look: Look = PLAIN, *, error: bool = True) -> str:
    """The report as lines of text, with a newline at the end; empty when nothing was found out.

    Without ``error``, what stopped the run is left to somebody else to tell.
    """
    rows = files.rows(report)
    parts = (
        _heading(report, look),
        _files(report, rows, look),
        _matrix(report, rows, look),
        findings.lines(report, rules, look),
        rehearsal.lines(report, look),
        _broken(_stages(report), look),
        _ending(report, rows, look) if error or not report.error else (),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _heading(report: Report, look: Look) -> Iterator[str]:
    if report.selection:
        where = ", ".join(printable(source) for source in _sources(report))
        said = f"{report.selection.project} {report.selection.version} from {where}"
        goes = ", rehearsed for" if report.options.rehearse else " to"
        to = f"{goes} {report.target}" if report.target else ""
        two_lines = look.terminal and len(said + to) > look.width
        yield from filter(None, [said, f"  {to.lstrip(', ')}".rstrip()]) if two_lines else [said + to]


def _sources(report: Report) -> list[str]:
    return list(dict.fromkeys(file.source for _, file in report.selection.files)) if report.selection else []


# --- the files -------------------------------------------------------------------------------------


def _files(report: Report, rows: Sequence[Row], look: Look) -> Iterator[str]:
    """How many there are in which state, and those that a person has to know by name."""
    if not rows:
        return
    yield f"{counted(len(rows), 'file')}, {human_size(_size(rows))}{_refused(report)}"
    groups: dict[tuple[Mark, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[marks.of_file(row), row.word].append(row)
    in_order = sorted(groups.items(), key=lambda group: marks.ORDER.index(group[0][0]))
    word = max(len(word) for _, word in groups)
    number = max(len(counted(len(same), "file")) for same in groups.values())
    everything = bool(report.options.verbose) or len(rows) <= _FEW
    for (mark, state), same in in_order:
        sign = mark.sign if look.utf8 else _SIGNS[mark.tone]
        label = look.paint(f"{sign} {state:<{word}}", _INKS[mark.tone])
        yield f"  {label}  {counted(len(same), 'file'):>{number}}  {human_size(_size(same)):>8}"
        named = everything or (mark.tone in (Tone.WARN, Tone.BAD) and len(same) < len(rows))
        most = len(same) if everything else _SHOWN
        yield from _names(same[:most] if named else [], look)
        if named and len(same) > most:
            yield f"              and {len(same) - most} more: -v shows all"


def _size(rows: Sequence[Row]) -> int:
    return sum(row.size or 0 for row in rows)


def _names(rows: Sequence[Row], look: Look) -> Iterator[str]:
    """Sizes and names; without the project and its version, where a name is too long with them."""
    for row in rows:
        name = row.filename
        line = f"    {human_size(row.size):>8}  {name}"
        if look.terminal and len(line) > look.width and isinstance(row.name, WheelName):
            rest = name.removeprefix(f"{row.name.raw_project}-{row.name.raw_version}-")
            line = f"    {human_size(row.size):>8}  ...{rest}"
        yield line


def _refused(report: Report) -> str:
    refused = len(report.selection.refused) if report.selection else 0
    if not refused:
        return ""
    others = f"{counted(refused, 'other')} not taken"
    return f" ({others}, see above)" if report.options.verbose else f" ({others}: -v says why)"


#: What a place of the matrix says instead of its mark.
_TROUBLES = {
    State.FAILED: "FAILED",
    State.DIFFERENT: "CONFLICT",
    State.OTHER_NAME: "CONFLICT",
    State.REJECTED: "REFUSED",
    State.UNKNOWN: "UNKNOWN",
    State.NOT_TRIED: "not tried",
}


def _matrix(report: Report, rows: Sequence[Row], look: Look) -> Iterator[str]:
    """Pythons x platforms, where there is more than one wheel to look at."""
    if sum(isinstance(row.name, WheelName) for row in rows) > 1 or (report.selection and report.expected):
        troubles = {row.filename: _TROUBLES[row.state] for row in rows if row.state in _TROUBLES}
        yield from matrix.lines(matrix.of(report), look, troubles)


# --- the end ---------------------------------------------------------------------------------------


def _stages(report: Report) -> Iterator[str]:
    """What each of the later stages did."""
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
        served = f"{len(report.confirmations)} of {counted(len(report.results), 'file')}"
        yield f"confirmed: the index serves {served} with our sha256"
    for removal in report.removed:
        would = "would be removed" if report.options.dry_run else "removed"
        size = f"{counted(len(removal.filenames), 'file')}, {human_size(removal.size)}"
        yield f"{would} from the wheelhouse: version {removal.version} ({size}), which the index has"
    if report.timings:
        stages = ", ".join(f"{stage.name.lower()} {seconds:.1f}" for stage, seconds in report.timings.items())
        yield f"seconds: {stages}"


def _broken(lines: Iterator[str], look: Look) -> Iterator[str]:
    """Long lines in several, where a terminal would break them anywhere."""
    for line in lines:
        yield from findings.wrapped(line, "", "  ", look) if look.terminal else [line]


def _ending(report: Report, rows: Sequence[Row], look: Look) -> Iterator[str]:
    """What came out of it all, and where to look at it."""
    if not report.timings and not report.error:
        return
    end = ending.of(report, rows)
    ink = _INKS[end.tone]
    sign = {Tone.GOOD: "\N{CHECK MARK} ", Tone.BAD: "\N{BALLOT X} "}.get(end.tone, "") if look.utf8 else ""
    release = f": {report.selection.project} {report.selection.version}" if report.selection else ""
    took = f" in {ending.duration(sum(report.timings.values()))}" if report.timings else ""
    to = f" to {report.target}" if report.target and report.results else ""
    yield look.paint(f"{sign}{end.headline}", ink) + release + to + took
    if not report.rehearsal:
        # What pip takes is said above already.
        yield from findings.wrapped(printable(end.sentence), "  ", "  ", look)
    yield from (f"    {printable(detail)}" for detail in end.details)
    if end.next:
        yield from findings.wrapped(f"next: {printable(end.next)}", "  ", "  ", look)
    if report.page:
        yield f"  {report.page}"

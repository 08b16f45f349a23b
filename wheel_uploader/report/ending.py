"""How a run ended, and what it was about, in few words: the head of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wheel_uploader.display import human_size
from wheel_uploader.models import InstallKind, Report, Severity, Stage
from wheel_uploader.report import attestations, findings
from wheel_uploader.report.files import Row, State, blocks
from wheel_uploader.report.marks import Tone

#: Exit code to what it says of the release.
_STOPPED = {
    2: "Wrong configuration",
    3: "Not complete",
    4: "No valid credentials",
    5: "A server did not answer",
    6: "A file is damaged, or has changed",
    7: "Conflict with the index",
    8: "Published in part",
    10: "Time ran out",
    11: "Wheelhouse in use",
    12: "Not signed",
    13: "Storage failed",
}
#: After these the same command continues.
_CONTINUES = frozenset({5, 10, 11})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What happened, and what to do next; nothing in it is made harmless yet."""

    headline: str
    tone: Tone
    sentence: str
    details: tuple[str, ...] = ()
    #: Empty when there is nothing to do.
    next: str = ""


def of(report: Report, rows: Sequence[Row]) -> Ending:
    """The end of the run that ``report`` is of."""
    if error := report.error:
        return Ending(
            headline=_headline(report),
            tone=Tone.WARN if error.exit_code in _CONTINUES or error.exit_code > 128 else Tone.BAD,
            sentence=_sentence(error.message),
            details=error.details,
            next=_sentence(error.hint),
        )
    headline, sentence = _success(report, rows)
    warned = sum(each.severity is Severity.WARNING and not each.ignored for each in report.findings)
    if warned:
        sentence += f" There {'is 1 warning' if warned == 1 else f'are {warned} warnings'}."
    done = report.reached is Stage.CONFIRM
    quiet = Tone.GOOD if done else Tone.PLAIN
    return Ending(headline=headline, tone=Tone.WARN if warned and not done else quiet, sentence=sentence)


def _headline(report: Report) -> str:
    code = report.exit_code
    if code == 6 and any(blocks(report, finding) for finding in report.findings):
        return "Failed the checks"
    return "Interrupted" if code > 128 else _STOPPED.get(code, "Unexpected error")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _success(report: Report, rows: Sequence[Row]) -> tuple[str, str]:
    states = Counter(row.state for row in rows)
    there, absent = states[State.ALREADY_THERE], states[State.WOULD_UPLOAD]
    posted = states[State.PUBLISHED] + states[State.UPLOADED]
    count = counted(len(rows))
    match report.reached:
        case Stage.CONFIRM if not posted:
            return "Published already", f"The index has {count} with our bytes; nothing was posted."
        case Stage.CONFIRM:
            return "Published", f"The index serves {count}, each with the sha256 that was checked."
        case Stage.UPLOAD if report.options.dry_run:
            return "Dry run", f"{counted(absent)} would be posted, {there} the index has already."
        case Stage.UPLOAD:
            return "Uploaded", f"{counted(posted)} posted; the index was not asked whether it serves them."
        case Stage.SIGN:
            return "Signed", f"{count} checked and signed; nothing was posted."
        case Stage.CHECK if report.rehearsal:
            return "Rehearsed", rehearsed(report)
        case Stage.CHECK:
            return "Checked", f"No check stops this release of {count}; nothing was posted."
        case Stage.DOWNLOAD:
            return "Downloaded", f"{count} in the wheelhouse, whole and verified; not yet checked."
        case Stage.LIST:
            return "Listed", f"{count} of the release found where they are staged; not yet downloaded."
        case _:
            return "Nothing done", "The run ended before its first stage was finished."


def rehearsed(report: Report) -> str:
    """What pip said, in one sentence."""
    places = "1 place" if len(report.rehearsal) == 1 else f"{len(report.rehearsal)} places"
    wheels = sum(each.kind is InstallKind.WHEEL for each in report.rehearsal)
    worse = sum(each.is_worse for each in report.rehearsal)
    less = f", and none in {worse} where the previous release had one" if worse else ""
    return f"pip found a wheel in {wheels} of {places}{less}; nothing was posted."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A line of the head; ``quoted`` is what came from outside, and is to look like it."""

    label: str
    said: str = ""
    quoted: tuple[str, ...] = ()


def facts(report: Report, rows: Sequence[Row]) -> Iterator[Fact]:
    """What the run was about, as far as it got."""
    places = tuple(dict.fromkeys(row.remote.source for row in rows))
    if places:
        yield Fact(label="From", quoted=places)
    if report.target:
        yield Fact(label="For" if report.options.rehearse else "To", quoted=(report.target,))
    if rows:
        yield Fact(label="Files", said=f"{counted(len(rows))}, {_total(report, rows)}{_left(report)}")
    if report.results:
        yield Fact(label="Upload", said=_counts(row.word for row in rows if row.result))
    if report.confirmations:
        served = f"the index serves {len(report.confirmations)} of {len(rows)} with our sha256"
        yield Fact(label="Confirmed", said=served)
    if report.signatures:
        made = sum(signature.made for signature in report.signatures)
        said = f"{made} made, {len(report.signatures) - made} kept, by"
        yield Fact(label="Signatures", said=said, quoted=(report.signatures[0].fingerprint,))
    if said := attestations.said(report):
        yield Fact(label="Attestations", said=said, quoted=attestations.makers(report))
    if Stage.CHECK in report.timings:
        yield Fact(label="Checks", said=f"{findings.counts(report)} (profile {report.profile})")
    for removal in report.removed:
        would = "would be removed" if report.options.dry_run else "removed"
        size = f"{counted(len(removal.filenames))}, {human_size(removal.size)}"
        yield Fact(label="Wheelhouse", said=f"{removal.version} {would} ({size}), which the index has")
    yield Fact(label="Run", said=_when(report))


def counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _counts(words: Iterator[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).items())


def _total(report: Report, rows: Sequence[Row]) -> str:
    """All sizes together, with the change where all sizes of the previous release are known."""
    total = sum(row.size or 0 for row in rows)
    before = [report.previous_sizes.get(filename) for filename in report.previous]
    known = [size for size in before if size]
    if not known or len(known) < len(before):
        return human_size(total)
    return f"{human_size(total)} ({percent(total / sum(known) - 1)})"


def percent(change: float) -> str:
    """A change of size for people: ``+1.2 %``, ``±0 %`` below a tenth of a percent."""
    if abs(change) < 0.0005:
        return "±0 %"
    sign = "+" if change > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(change):.1%}".replace("%", " %")


def _left(report: Report) -> str:
    refused = len(report.selection.refused) if report.selection else 0
    return f"; {refused} {'other' if refused == 1 else 'others'} not taken" if refused else ""


def _when(report: Report) -> str:
    took = duration(sum(report.timings.values()))
    began = f"{report.began:%Y-%m-%d %H:%M} UTC, " if report.began else ""
    return f"{began}{took}, exit code {report.exit_code}"


def duration(seconds: float) -> str:
    """``35 ms``, ``0.4 s``, ``12 s``, ``3 min 20 s``."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

"""The report in GitHub's Markdown, for the summary of a workflow: whatever came from outside is in code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from wheel_uploader.display import human_size, printable
from wheel_uploader.models import Report, Severity
from wheel_uploader.report import ending, files, groups, installs, marks, notes, stages
from wheel_uploader.report.ending import Fact
from wheel_uploader.report.files import Row
from wheel_uploader.report.groups import Group, Place
from wheel_uploader.report.marks import Mark, Picture, Square
from wheel_uploader.report.rule import Rules, idle_ignores

#: Details of an error, and files that were not taken, before the rest is counted.
_SHOWN = 20
_SIGNS = {Severity.ERROR: marks.FAILED.sign, Severity.WARNING: "!", Severity.NOTE: "i"}


def render(report: Report, rules: Rules, *, limit: int | None = None) -> str:
    """The whole report; with a ``limit`` in bytes, as many of its blocks as fit, and a line that says so."""
    blocks = [f"{block}\n" for block in _blocks(report, rules)]
    if limit is None or sum(len(block.encode()) + 1 for block in blocks) <= limit:
        return "\n".join(blocks)
    cut = "*The report is cut here, for it is too long for this place; `--report FILE.md` has all of it.*\n"
    left = limit - len(cut.encode())
    kept = []
    for block in blocks:
        left -= len(block.encode()) + 1
        if left < 0:
            break
        kept.append(block)
    return "\n".join([*kept, cut])


def _blocks(report: Report, rules: Rules) -> Iterator[str]:
    """What may stand on its own: headings, paragraphs, whole tables, whole fences."""
    rows = files.rows(report)
    yield from _head(report, rows)
    yield from _picture(marks.picture(report, rows))
    yield from _installs(installs.picture(report))
    yield from _trials(report)
    found = list(groups.of(report, rules))
    if found or report.not_checked:
        yield "### Findings"
    for group in found:
        yield from _group(group)
    remarks = [f"Not checked: {code(sentence)}" for sentence in report.not_checked]
    remarks += [f"To be ignored, and not found: {code(check)}" for check in idle_ignores(report)]
    if remarks:
        yield _list(remarks)
    if rows:
        yield "### Files"
        yield _files(rows)
    if sums := notes.sums(report).splitlines():
        yield "### SHA256SUMS"
        yield _fence(sums)
    refused = report.selection.refused if report.selection else ()
    if refused:
        yield "### Listed, and not taken"
        yield _list([f"{code(each.filename)} {code(each.reason)}" for each in refused[:_SHOWN]], len(refused))


# --- the head --------------------------------------------------------------------------------------


def _head(report: Report, rows: Sequence[Row]) -> Iterator[str]:
    selected = report.selection
    project = str(selected.project) if selected else report.options.project
    version = str(selected.version) if selected else report.options.version
    named = " ".join(code(part) for part in (project, version) if part) or "Release"
    end = ending.of(report, rows)
    yield f"## {named}: {end.headline}"
    yield code(end.sentence) if report.error else end.sentence
    if end.details:
        yield _fence(end.details[:_SHOWN], len(end.details))
    if end.next:
        yield f"**Next:** {code(end.next)}"
    yield _table(("", ""), [(fact.label, _fact(fact)) for fact in ending.facts(report, rows)])
    steps = stages.of(report)
    yield _table(
        [step.name for step in steps],
        [[_step(step) for step in steps]],
    )


def _fact(fact: Fact) -> str:
    return " ".join([*([fact.said] if fact.said else []), *map(code, fact.quoted)])


def _step(step: stages.Step) -> str:
    took = "" if step.seconds is None else ending.duration(step.seconds)
    return took if step.progress is stages.Progress.DONE else f"{took} {step.progress}".strip()


# --- pythons x platforms ---------------------------------------------------------------------------


def _picture(picture: Picture | None) -> Iterator[str]:
    if picture is None:
        return
    yield "### Pythons and platforms"
    lines = [(code(python), *map(_square, squares)) for python, squares in picture.lines]
    if picture.sdist:
        lines.append(("sdist", _square(picture.sdist), *[""] * (len(picture.platforms) - 1)))
    yield _table(("", *(code(str(platform)) for platform in picture.platforms)), lines)
    legend = [f"{_word(mark)} ({count}): {mark.meaning}" for mark, count in picture.legend]
    if picture.new:
        legend.append(f"**new** ({picture.new}): {code(picture.compared_with)} has no wheel there")
    if picture.left_out:
        legend.append(f"{picture.left_out} rows and columns are left out")
    yield _list(legend)


def _square(square: Square | None) -> str:
    if square is None:
        return ""
    return _word(square.mark) + (" **new**" if square.new else "")


def _word(mark: Mark) -> str:
    return f"{mark.sign} {mark.word}"


def _installs(picture: installs.Picture | None) -> Iterator[str]:
    if picture is None:
        return
    yield "### What pip installs"
    yield _table(
        ("", *map(code, picture.pythons)),
        [(code(machine), *map(_install, places)) for machine, places in picture.lines],
    )
    yield _list([f"{_word(mark)}: {mark.meaning}" for mark in picture.legend])


def _install(place: installs.Place | None) -> str:
    if place is None:
        return ""
    return _word(place.mark) + (" **new**" if place.new else "")


def _trials(report: Report) -> Iterator[str]:
    if not report.trials:
        return
    failed = [trial for trial in report.trials if trial.failure]
    yield "### Tried on this machine"
    worked = f"{len(report.trials) - len(failed)} of {len(report.trials)}"
    yield f"{worked} worked: {code(report.options.smoke or '')}"
    for trial in failed:
        yield f"{code(trial.filename)} with {code(trial.interpreter)}: {code(trial.failure)}"
        yield _fence(trial.output.splitlines()[-2 * _SHOWN :])


# --- findings --------------------------------------------------------------------------------------


def _group(group: Group) -> Iterator[str]:
    where = f" ({ending.counted(group.files)})" if group.files else ""
    title = f"{escaped(group.title)}: " if group.title else ""
    kind = f"ignored {group.severity}" if group.ignored else f"{_SIGNS[group.severity]} {group.severity}"
    yield f"#### {kind}: {title}{code(group.check)}{where}"
    if group.reason:
        yield f"Ignored because {code(group.reason)}"
    yield _fence(_sentences(group))
    if group.explanation:
        said = "\n\n".join(map(escaped, group.explanation))
        yield f"<details><summary>Why, and what to do</summary>\n\n{said}\n\n</details>"


def _sentences(group: Group) -> Iterator[str]:
    for sentence in group.sentences:
        yield sentence.message
        for place in sentence.places:
            yield from _place(place)
        if sentence.more:
            yield f"    and {sentence.more} more files"
    if group.more:
        yield f"and {group.more} more like these"


def _place(place: Place) -> Iterator[str]:
    if place.filename:
        yield f"    {place.filename}"
    yield from (f"        {member}" for member in place.members)
    if place.more:
        yield f"        and {place.more} more"


# --- files -----------------------------------------------------------------------------------------


def _files(rows: Sequence[Row]) -> str:
    return _table(
        ("State", "File", "Size", "Change", "Vouched for by", "More"),
        [
            (
                _word(marks.of_file(row)),
                code(row.filename),
                human_size(row.size),
                "" if row.change is None else ending.percent(row.change),
                code(row.fetched.vouched_by) if row.fetched and row.fetched.vouched_by else "",
                ", ".join(_more(row)),
            )
            for row in rows
        ],
        right=(2, 3),
    )


def _more(row: Row) -> Iterator[str]:
    for severity, count in row.findings.items():
        if count:
            yield f"{count} {severity}{'' if count == 1 else 's'}"
    if row.signature:
        yield "signed"
    if row.confirmation:
        yield "the index serves our sha256"
    if row.result and row.result.reason:
        yield code(row.result.reason)
    if row.index and row.state is files.State.DIFFERENT:
        yield f"the index has {code(row.index.index_sha256)}"
    if row.index and row.state is files.State.OTHER_NAME:
        yield f"the index has it as {code(row.index.other_name)}"


# --- Markdown --------------------------------------------------------------------------------------


def code(text: str) -> str:
    """A code span, of which nothing is read as Markdown or HTML."""
    safe = printable(text)
    ticks = "`" * (1 + max(map(len, re.findall("`+", safe)), default=0))
    # One space on either side is taken away again; a span of nothing would be none.
    space = " " if not safe or "`" in safe else ""
    return f"{ticks}{space}{safe}{space}{ticks}"


def escaped(text: str) -> str:
    """Our own sentences, whose characters may mean something to Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&@$^])", r"\\\1", printable(text))


def _fence(lines: Iterable[str], count: int = 0) -> str:
    """A block of code; ``count`` is how many lines there are in all."""
    safe = [printable(line) for line in lines]
    more = [f"and {count - len(safe)} more"] if count > len(safe) else []
    ticks = "`" * max(3, 1 + max((len(run) for line in safe for run in re.findall("`+", line)), default=0))
    return "\n".join([f"{ticks}text", *safe, *more, ticks])


def _list(lines: Sequence[str], count: int = 0) -> str:
    more = [f"and {count - len(lines)} more"] if count > len(lines) else []
    return "\n".join(f"- {line}" for line in [*lines, *more])


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    # Even in code, a bar would end the cell.
    rows = ([cell.replace("|", r"\|") for cell in cells] for cells in (head, rule, *lines))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)

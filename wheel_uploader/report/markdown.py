"""The report as GitHub Flavored Markdown, for workflow summaries; text from outside is shown as code."""

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

#: Error details, and files that were not selected, that are shown; the rest is counted.
_MAX_SHOWN = 20
_SIGNS = {Severity.ERROR: marks.FAILED.sign, Severity.WARNING: "!", Severity.NOTE: "i"}


def render(report: Report, check_infos: Rules, *, limit: int | None = None) -> str:
    """Return the report; with a ``limit`` in bytes, the blocks that fit and a note that the rest is cut."""
    blocks = [f"{block}\n" for block in _render_blocks(report, check_infos)]
    if limit is None or sum(len(block.encode()) + 1 for block in blocks) <= limit:
        return "\n".join(blocks)
    note = (
        "*The report is cut here because it exceeds the size limit; `--report FILE.md` writes all of it.*\n"
    )
    remaining_bytes = limit - len(note.encode())
    kept = []
    for block in blocks:
        remaining_bytes -= len(block.encode()) + 1
        if remaining_bytes < 0:
            break
        kept.append(block)
    return "\n".join([*kept, note])


def _render_blocks(report: Report, check_infos: Rules) -> Iterator[str]:
    """Yield the blocks of the report, each valid on its own: headings, paragraphs, tables, code blocks."""
    rows = files.rows(report)
    yield from _render_head(report, rows)
    yield from _render_matrix(marks.picture(report, rows))
    yield from _render_installs(installs.picture(report))
    yield from _render_smoke_tests(report)
    finding_groups = list(groups.of(report, check_infos))
    if finding_groups or report.not_checked:
        yield "### Findings"
    for group in finding_groups:
        yield from _render_group(group)
    remarks = [f"Not checked: {code(sentence)}" for sentence in report.not_checked]
    remarks += [f"Unused ignore: {code(check)}" for check in idle_ignores(report)]
    if remarks:
        yield _format_list(remarks)
    if rows:
        yield "### Files"
        yield _render_files(rows)
    if sums := notes.sums(report).splitlines():
        yield "### SHA256SUMS"
        yield _format_code_block(sums)
    refused = report.selection.refused if report.selection else ()
    if refused:
        yield "### Listed files that were not selected"
        lines = [f"{code(refusal.filename)} {code(refusal.reason)}" for refusal in refused[:_MAX_SHOWN]]
        yield _format_list(lines, len(refused))


# --- the head --------------------------------------------------------------------------------------


def _render_head(report: Report, rows: Sequence[Row]) -> Iterator[str]:
    selected = report.selection
    project = str(selected.project) if selected else report.options.project
    version = str(selected.version) if selected else report.options.version
    release = " ".join(code(part) for part in (project, version) if part) or "Release"
    outcome = ending.of(report, rows)
    yield f"## {release}: {outcome.headline}"
    yield code(outcome.sentence) if report.error else outcome.sentence
    if outcome.details:
        yield _format_code_block(outcome.details[:_MAX_SHOWN], len(outcome.details))
    if outcome.next:
        yield f"**Next:** {code(outcome.next)}"
    yield _format_table(("", ""), [(fact.label, _format_fact(fact)) for fact in ending.facts(report, rows)])
    steps = stages.of(report)
    yield _format_table(
        [step.name for step in steps],
        [[_format_step(step) for step in steps]],
    )


def _format_fact(fact: Fact) -> str:
    return " ".join([*([fact.said] if fact.said else []), *map(code, fact.quoted)])


def _format_step(step: stages.Step) -> str:
    elapsed = "" if step.seconds is None else ending.duration(step.seconds)
    return elapsed if step.progress is stages.Progress.DONE else f"{elapsed} {step.progress}".strip()


# --- pythons x platforms ---------------------------------------------------------------------------


def _render_matrix(picture: Picture | None) -> Iterator[str]:
    if picture is None:
        return
    yield "### Pythons and platforms"
    lines = [(code(python), *map(_format_cell, squares)) for python, squares in picture.lines]
    if picture.sdist:
        lines.append(("sdist", _format_cell(picture.sdist), *[""] * (len(picture.platforms) - 1)))
    yield _format_table(("", *(code(str(platform)) for platform in picture.platforms)), lines)
    legend = [f"{_format_symbol(symbol)} ({count}): {symbol.meaning}" for symbol, count in picture.legend]
    if picture.new:
        legend.append(f"**new** ({picture.new}): {code(picture.compared_with)} has no wheel here")
    if picture.left_out:
        legend.append(f"Rows and columns not shown: {picture.left_out}")
    yield _format_list(legend)


def _format_cell(square: Square | None) -> str:
    if square is None:
        return ""
    return _format_symbol(square.mark) + (" **new**" if square.new else "")


def _format_symbol(symbol: Mark) -> str:
    return f"{symbol.sign} {symbol.word}"


def _render_installs(picture: installs.Picture | None) -> Iterator[str]:
    if picture is None:
        return
    yield "### What pip installs"
    yield _format_table(
        ("", *map(code, picture.pythons)),
        [(code(machine), *map(_format_install, places)) for machine, places in picture.lines],
    )
    yield _format_list([f"{_format_symbol(symbol)}: {symbol.meaning}" for symbol in picture.legend])


def _format_install(place: installs.Place | None) -> str:
    if place is None:
        return ""
    return _format_symbol(place.mark) + (" **new**" if place.new else "")


def _render_smoke_tests(report: Report) -> Iterator[str]:
    if not report.trials:
        return
    failed = [trial for trial in report.trials if trial.failure]
    yield "### Smoke tests"
    passed = f"{len(report.trials) - len(failed)} of {len(report.trials)}"
    yield f"{passed} passed: {code(report.options.smoke or '')}"
    for trial in failed:
        yield f"{code(trial.filename)} with {code(trial.interpreter)}: {code(trial.failure)}"
        yield _format_code_block(trial.output.splitlines()[-2 * _MAX_SHOWN :])


# --- findings --------------------------------------------------------------------------------------


def _render_group(group: Group) -> Iterator[str]:
    affected = f" ({ending.counted(group.files)})" if group.files else ""
    title = f"{escaped(group.title)}: " if group.title else ""
    kind = f"ignored {group.severity}" if group.ignored else f"{_SIGNS[group.severity]} {group.severity}"
    yield f"#### {kind}: {title}{code(group.check)}{affected}"
    if group.reason:
        yield f"Ignored because {code(group.reason)}"
    yield _format_code_block(_format_messages(group))
    if group.explanation:
        explanation = "\n\n".join(map(escaped, group.explanation))
        yield f"<details><summary>Explanation and fix</summary>\n\n{explanation}\n\n</details>"


def _format_messages(group: Group) -> Iterator[str]:
    for message in group.sentences:
        yield message.message
        for place in message.places:
            yield from _format_file(place)
        if message.more:
            yield f"    and {message.more} more {'file' if message.more == 1 else 'files'}"
    if group.more:
        yield f"and {group.more} more like these"


def _format_file(place: Place) -> Iterator[str]:
    if place.filename:
        yield f"    {place.filename}"
    yield from (f"        {member}" for member in place.members)
    if place.more:
        yield f"        and {place.more} more"


# --- files -----------------------------------------------------------------------------------------


def _render_files(rows: Sequence[Row]) -> str:
    return _format_table(
        ("State", "File", "Size", "Change", "Verified by", "More"),
        [
            (
                _format_symbol(marks.of_file(row)),
                code(row.filename),
                human_size(row.size),
                "" if row.change is None else ending.percent(row.change),
                code(row.fetched.vouched_by) if row.fetched and row.fetched.vouched_by else "",
                ", ".join(_format_remarks(row)),
            )
            for row in rows
        ],
        right=(2, 3),
    )


def _format_remarks(row: Row) -> Iterator[str]:
    for severity, count in row.findings.items():
        if count:
            yield f"{count} {severity}{'' if count == 1 else 's'}"
    if row.signature:
        yield "signed"
    if row.confirmation:
        yield "confirmed: the index serves this sha256"
    if row.result and row.result.reason:
        yield code(row.result.reason)
    if row.index and row.state is files.State.DIFFERENT:
        yield f"the index has {code(row.index.index_sha256)}"
    if row.index and row.state is files.State.OTHER_NAME:
        yield f"the index has the same bytes as {code(row.index.other_name)}"


# --- Markdown --------------------------------------------------------------------------------------


def code(text: str) -> str:
    """Return ``text`` as a code span, in which neither Markdown nor HTML is interpreted."""
    safe = printable(text)
    ticks = "`" * (1 + max(map(len, re.findall("`+", safe)), default=0))
    # Markdown strips one space on each side; an empty span would not be recognized as code.
    space = " " if not safe or "`" in safe else ""
    return f"{ticks}{space}{safe}{space}{ticks}"


def escaped(text: str) -> str:
    """Return our own text with the characters escaped that are special in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&@$^])", r"\\\1", printable(text))


def _format_code_block(lines: Iterable[str], count: int = 0) -> str:
    """Return a fenced code block; ``count`` is the total number of lines, including those not shown."""
    safe = [printable(line) for line in lines]
    more = [f"and {count - len(safe)} more"] if count > len(safe) else []
    ticks = "`" * max(3, 1 + max((len(run) for line in safe for run in re.findall("`+", line)), default=0))
    return "\n".join([f"{ticks}text", *safe, *more, ticks])


def _format_list(lines: Sequence[str], count: int = 0) -> str:
    more = [f"and {count - len(lines)} more"] if count > len(lines) else []
    return "\n".join(f"- {line}" for line in [*lines, *more])


def _format_table(head: Sequence[str], lines: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    # A bar ends the cell even inside a code span.
    rows = ([cell.replace("|", r"\|") for cell in cells] for cells in (head, rule, *lines))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)

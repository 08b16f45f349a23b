"""The report as GitHub Flavored Markdown, for workflow summaries; text from outside is shown as code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.models import FileComparison, FileStatus, Report, Severity
from wheel_uploader.core.redaction import sanitize, sanitize_message
from wheel_uploader.report.formats import release_notes
from wheel_uploader.report.views import file_rows, install_matrix, matrix_view, sizes, stage_timings
from wheel_uploader.report.views import finding_groups as views_finding_groups
from wheel_uploader.report.views import outcome as outcome_view
from wheel_uploader.report.views.check_info import CheckInfos, find_unused_ignores
from wheel_uploader.report.views.file_rows import FileRow
from wheel_uploader.report.views.file_status import SYMBOLS, Symbol
from wheel_uploader.report.views.finding_groups import AffectedFile, FindingGroup
from wheel_uploader.report.views.matrix_view import CellView, MatrixView
from wheel_uploader.report.views.outcome import SummaryField

#: Error details, and files that were not selected, that are shown; the rest is counted.
_MAX_SHOWN = 20
_SIGNS = {
    Severity.ERROR: SYMBOLS[FileStatus.FAILED_CHECKS].character,
    Severity.WARNING: "!",
    Severity.NOTE: "i",
}


def render_markdown(report: Report, check_infos: CheckInfos, *, limit: int | None = None) -> str:
    """Return the report; with a ``limit`` in bytes, the blocks that fit and a note that the rest is cut."""
    blocks = [f"{block}\n" for block in _render_blocks(report, check_infos)]
    if limit is None or sum(len(block.encode()) + 1 for block in blocks) <= limit:
        return "\n".join(blocks)
    note = (
        "*The report is cut here because it exceeds the size limit; `--report FILE.md` writes all of it.*\n"
    )
    remaining_bytes = limit - len(note.encode())
    if remaining_bytes < 0:
        return ""  # An earlier report, which is there as well, has the note.
    kept = []
    for block in blocks:
        remaining_bytes -= len(block.encode()) + 1
        if remaining_bytes < 0:
            break
        kept.append(block)
    return "\n".join([*kept, note])


def _render_blocks(report: Report, check_infos: CheckInfos) -> Iterator[str]:
    """Yield the blocks of the report, each valid on its own: headings, paragraphs, tables, code blocks."""
    rows = file_rows.build_file_rows(report)
    yield from _render_head(report, rows)
    yield from _render_matrix(matrix_view.build_matrix_view(report, rows))
    yield from _render_installs(install_matrix.build_install_matrix(report))
    yield from _render_smoke_tests(report)
    finding_groups = list(views_finding_groups.build_finding_groups(report, check_infos))
    if finding_groups or report.checks_not_run:
        yield "### Findings"
    for group in finding_groups:
        yield from _render_group(group)
    remarks = [f"Not checked: {format_code(sentence)}" for sentence in report.checks_not_run]
    remarks += [f"Unused ignore: {format_code(check)}" for check in find_unused_ignores(report)]
    if remarks:
        yield _format_list(remarks)
    if rows:
        yield "### Files"
        yield _render_files(rows)
    if sums := release_notes.render_sha256sums(report).splitlines():
        yield "### SHA256SUMS"
        yield _format_code_block(sums)
    if refused := outcome_view.list_not_selected(report):
        yield "### Listed files that were not selected"
        lines = [
            f"{format_code(refusal.filename)} {format_code(refusal.reason)}"
            for refusal in refused[:_MAX_SHOWN]
        ]
        yield _format_list(lines, len(refused))


# --- the head --------------------------------------------------------------------------------------


def _render_head(report: Report, rows: Sequence[FileRow]) -> Iterator[str]:
    selected = report.selection
    project = str(selected.project) if selected else report.options.project
    version = str(selected.version) if selected else report.options.version
    release = " ".join(format_code(part) for part in (project, version) if part) or "Release"
    outcome = outcome_view.build_outcome(report, rows)
    yield f"## {release}: {outcome.headline}"
    yield format_code(outcome.message) if report.error else outcome.message
    if outcome.details:
        yield _format_code_block(outcome.details[:_MAX_SHOWN], len(outcome.details))
    if outcome.next_step:
        yield f"**Next:** {format_code(outcome.next_step)}"
    yield _format_table(
        ("", ""),
        [(fact.label, _format_fact(fact)) for fact in outcome_view.build_summary_fields(report, rows)],
    )
    steps = stage_timings.build_stage_timings(report)
    yield _format_table(
        [step.name for step in steps],
        [[_format_step(step) for step in steps]],
    )


def _format_fact(fact: SummaryField) -> str:
    return " ".join([*([fact.text] if fact.text else []), *map(format_code, fact.code_texts)])


def _format_step(step: stage_timings.StageTiming) -> str:
    elapsed = "" if step.seconds is None else format_duration(step.seconds)
    return elapsed if step.status is stage_timings.StageStatus.DONE else f"{elapsed} {step.status}".strip()


# --- pythons x platforms ---------------------------------------------------------------------------


def _render_matrix(picture: MatrixView | None) -> Iterator[str]:
    if picture is None:
        return
    yield "### Pythons and platforms"
    lines = [(format_code(python), *map(_format_cell, squares)) for python, squares in picture.rows]
    if picture.sdist:
        lines.append(("sdist", _format_cell(picture.sdist), *[""] * (len(picture.platforms) - 1)))
    yield _format_table(("", *(format_code(str(platform)) for platform in picture.platforms)), lines)
    legend = [f"{_format_symbol(symbol)} ({count}): {symbol.meaning}" for symbol, count in picture.legend]
    if picture.new_count:
        legend.append(
            f"**new** ({picture.new_count}): {format_code(picture.compared_with)} has no wheel here"
        )
    if picture.omitted_count:
        legend.append(f"Rows and columns not shown: {picture.omitted_count}")
    yield _format_list(legend)


def _format_cell(square: CellView | None) -> str:
    if square is None:
        return ""
    return _format_symbol(square.symbol) + (" **new**" if square.is_new else "")


def _format_symbol(symbol: Symbol) -> str:
    return f"{symbol.character} {symbol.label}"


def _render_installs(picture: install_matrix.InstallMatrix | None) -> Iterator[str]:
    if picture is None:
        return
    yield "### What pip installs"
    yield _format_table(
        ("", *map(format_code, picture.pythons)),
        [(format_code(machine), *map(_format_install, places)) for machine, places in picture.rows],
    )
    yield _format_list([f"{_format_symbol(symbol)}: {symbol.meaning}" for symbol in picture.legend])


def _format_install(place: install_matrix.InstallCell | None) -> str:
    if place is None:
        return ""
    return _format_symbol(place.symbol) + (" **new**" if place.is_new else "")


def _render_smoke_tests(report: Report) -> Iterator[str]:
    if not report.smoke_results:
        return
    failed = [trial for trial in report.smoke_results if trial.failure]
    yield "### Smoke tests"
    passed = f"{len(report.smoke_results) - len(failed)} of {len(report.smoke_results)}"
    yield f"{passed} passed: {format_code(report.options.smoke or '')}"
    for trial in failed:
        wheel = f"{format_code(trial.filename)} with {format_code(trial.interpreter)}"
        yield f"{wheel}: {format_code(trial.failure)}"
        yield _format_code_block(trial.output.splitlines()[-2 * _MAX_SHOWN :])


# --- findings --------------------------------------------------------------------------------------


def _render_group(group: FindingGroup) -> Iterator[str]:
    affected = f" ({format_count(group.file_count, 'file')})" if group.file_count else ""
    title = f"{escape_markdown(group.title)}: " if group.title else ""
    kind = f"ignored {group.severity}" if group.ignored else f"{_SIGNS[group.severity]} {group.severity}"
    yield f"#### {kind}: {title}{format_code(group.check)}{affected}"
    if group.reason:
        yield f"Ignored because {format_code(group.reason)}"
    yield _format_code_block(_format_messages(group))
    if group.explanation:
        explanation = "\n\n".join(map(escape_markdown, group.explanation))
        yield f"<details><summary>Explanation and fix</summary>\n\n{explanation}\n\n</details>"


def _format_messages(group: FindingGroup) -> Iterator[str]:
    for message in group.messages:
        yield message.text
        for place in message.files:
            yield from _format_file(place)
        if message.omitted_files:
            yield f"    and {message.omitted_files} more {'file' if message.omitted_files == 1 else 'files'}"
    if group.omitted_messages:
        yield f"and {group.omitted_messages} more like these"


def _format_file(place: AffectedFile) -> Iterator[str]:
    if place.filename:
        yield f"    {place.filename}"
    yield from (f"        {member}" for member in place.members)
    if place.omitted_members:
        yield f"        and {place.omitted_members} more"


# --- files -----------------------------------------------------------------------------------------


def _render_files(rows: Sequence[FileRow]) -> str:
    return _format_table(
        ("State", "File", "Size", "Change", "Verified by", "More"),
        [
            (
                _format_symbol(row.symbol),
                format_code(row.filename),
                sizes.format_file_size(row),
                "" if row.size_change is None else outcome_view.format_percent(row.size_change),
                format_code(row.download.verified_by) if row.download and row.download.verified_by else "",
                ", ".join(_format_remarks(row)),
            )
            for row in rows
        ],
        right=(2, 3),
    )


def _format_remarks(row: FileRow) -> Iterator[str]:
    for severity, count in row.finding_counts.items():
        if count:
            yield f"{count} {severity}{'' if count == 1 else 's'}"
    if row.signature:
        yield "signed"
    if row.confirmation:
        yield "confirmed: the index serves this sha256"
    if row.upload_result and row.upload_result.reason:
        yield format_code(row.upload_result.reason)
    if row.index_state and row.status is FileStatus.CONFLICT:
        if row.index_state.result is FileComparison.DIFFERENT:
            yield f"the index has {format_code(row.index_state.index_sha256)}"
        else:
            yield f"the index has the same bytes as {format_code(row.index_state.other_name)}"


# --- Markdown --------------------------------------------------------------------------------------


def format_code(text: str) -> str:
    """Return ``text`` as a code span, in which neither Markdown nor HTML is interpreted."""
    safe = sanitize_message(text)
    ticks = "`" * (1 + max(map(len, re.findall("`+", safe)), default=0))
    # Markdown strips one space on each side; an empty span would not be recognized as code.
    space = " " if not safe or "`" in safe else ""
    return f"{ticks}{space}{safe}{space}{ticks}"


def escape_markdown(text: str) -> str:
    """Return our own text with the characters escaped that are special in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&@$^])", r"\\\1", sanitize_message(text))


def _format_code_block(lines: Iterable[str], count: int = 0) -> str:
    """Return a fenced code block; ``count`` is the total number of lines, including those not shown."""
    safe = [sanitize(line) for line in lines]
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

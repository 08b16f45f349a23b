"""The report as text for the terminal: the files, the matrix, the findings and the outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from wheel_uploader.core.formatting import format_count, format_duration, format_size, join_some
from wheel_uploader.core.models import Report, WheelName
from wheel_uploader.core.redaction import sanitize, sanitize_message, strip_url
from wheel_uploader.report.formats import findings_text, matrix_text, rehearsal_text
from wheel_uploader.report.formats.matrix_text import EMPHASIS_COLORS
from wheel_uploader.report.formats.terminal_style import PLAIN_STYLE, TerminalStyle
from wheel_uploader.report.views import attestations, file_rows, file_status, matrix_view, sizes
from wheel_uploader.report.views import outcome as outcome_view
from wheel_uploader.report.views import pruning as pruning_view
from wheel_uploader.report.views import targets as targets_view
from wheel_uploader.report.views.check_info import CheckInfos
from wheel_uploader.report.views.file_rows import FileRow
from wheel_uploader.report.views.file_status import Emphasis, Symbol

#: Up to this many files, all of them are named.
_NAME_ALL_FILES = 6
#: Of more files, only those with problems are named, at most this many per state.
_MAX_NAMED_FILES = 10


def render_text(
    report: Report, check_infos: CheckInfos, style: TerminalStyle = PLAIN_STYLE, *, error: bool = True
) -> str:
    """Return the report as lines of text, with a newline at the end; empty if there is nothing to report.

    Without ``error``, the error that stopped the run is left out, because the caller prints it separately.
    """
    rows = file_rows.build_file_rows(report)
    parts = (
        _format_heading(report, style),
        _format_files(report, rows, style),
        _format_matrix(report, rows, style),
        findings_text.format_findings(report, check_infos, style),
        rehearsal_text.format_rehearsal(report, style),
        _wrap_for_terminal(_format_stage_results(report), style),
        _format_outcome(report, rows, style) if error or not report.error else (),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _format_heading(report: Report, style: TerminalStyle) -> Iterator[str]:
    if report.selection:
        sources = ", ".join(sanitize(source) for source in _list_sources(report))
        release = f"{report.selection.project} {report.selection.version} from {sources}"
        preposition = ", rehearsed for" if report.options.rehearse else " to"
        if report.options.verify:
            preposition = ", verified on"
        target = f"{preposition} {report.upload_url}" if report.upload_url else ""
        two_lines = style.is_terminal and len(release + target) > style.width
        yield from (
            filter(None, [release, f"  {target.lstrip(', ')}".rstrip()]) if two_lines else [release + target]
        )


def _list_sources(report: Report) -> list[str]:
    """Return the places of the files, or those that were searched if no file can be used."""
    files = report.selection.files if report.selection else ()
    return list(dict.fromkeys(file.source for _, file in files)) or list(map(strip_url, report.options.urls))


# --- the files -------------------------------------------------------------------------------------


def _format_files(report: Report, rows: Sequence[FileRow], style: TerminalStyle) -> Iterator[str]:
    """Yield the number and size of the files in each state, and the names of those with problems."""
    if not rows:
        return
    total = ", ".join(filter(None, (format_count(len(rows), "file"), sizes.format_total_size(rows))))
    yield from _wrap_for_terminal(iter([f"{total}{_count_not_selected(report)}"]), style)
    if left_out := outcome_view.list_left_out(report):
        names = join_some(map(sanitize, left_out), _MAX_NAMED_FILES)
        yield from _wrap_for_terminal(iter([f"  left out by --exclude: {names}"]), style)
    groups: dict[tuple[Symbol, str], list[FileRow]] = defaultdict(list)
    for row in rows:
        groups[row.symbol, row.status_label].append(row)
    sorted_groups = sorted(groups.items(), key=lambda group: file_status.LEGEND_ORDER.index(group[0][0]))
    label_width = max(len(label) for _, label in groups)
    count_width = max(len(format_count(len(group), "file")) for group in groups.values())
    name_all = bool(report.options.verbose) or len(rows) <= _NAME_ALL_FILES
    for (file_symbol, label), group in sorted_groups:
        character = file_symbol.get_character(utf8=style.utf8)
        status = style.paint(f"{character} {label:<{label_width}}", EMPHASIS_COLORS[file_symbol.emphasis])
        count = format_count(len(group), "file")
        yield f"  {status}  {count:>{count_width}}  {sizes.format_total_size(group):>8}".rstrip()
        is_named = name_all or (
            file_symbol.emphasis in (Emphasis.WARN, Emphasis.BAD) and len(group) < len(rows)
        )
        most = len(group) if name_all else _MAX_NAMED_FILES
        yield from _format_names(group[:most] if is_named else [], style)
        if is_named and len(group) > most:
            yield f"              and {len(group) - most} more: -v shows all"


def _format_names(rows: Sequence[FileRow], style: TerminalStyle) -> Iterator[str]:
    """Yield the size and name of each file; a name that is too long loses its project and version."""
    size_texts = [sizes.format_file_size(row) for row in rows]
    width = max([8, *map(len, size_texts)])
    for row, size in zip(rows, size_texts, strict=True):
        name = row.filename
        line = f"    {size:>{width}}  {name}"
        if style.is_terminal and len(line) > style.width and isinstance(row.name, WheelName):
            tags = name.removeprefix(f"{row.name.raw_project}-{row.name.raw_version}-")
            line = f"    {size:>{width}}  ...{tags}"
        yield line


def _count_not_selected(report: Report) -> str:
    excluded_files = outcome_view.list_not_selected(report)
    if not excluded_files:
        return ""
    others = f"{format_count(len(excluded_files), 'other')} not selected"
    is_explained = report.options.verbose or all(file.is_remarkable for file in excluded_files)
    return f" ({others}, see above)" if is_explained else f" ({others}: -v shows why)"


def _format_matrix(report: Report, rows: Sequence[FileRow], style: TerminalStyle) -> Iterator[str]:
    """Yield the matrix if there are several wheels, or if wheels are expected."""
    if sum(isinstance(row.name, WheelName) for row in rows) > 1 or (
        report.selection and report.expected_cells
    ):
        view = matrix_view.build_matrix_view(report, rows)
        yield from matrix_text.format_matrix(view, style) if view else ()


# --- the outcome -----------------------------------------------------------------------------------


def _format_stage_results(report: Report) -> Iterator[str]:
    """Yield the results of the sign, upload and confirm stages, and the duration of every stage."""
    if report.signatures:
        new = sum(signature.is_new for signature in report.signatures)
        reused = len(report.signatures) - new
        yield f"signatures: {new} new, {reused} reused, by {report.signatures[0].fingerprint}"
    if attestation_counts := attestations.summarize_attestations(report):
        yield f"attestations: {attestation_counts}"
        yield from (f"    {maker}" for maker in attestations.summarize_publishers(report))
    if report.upload_results:
        counts = file_status.format_status_counts(result.outcome for result in report.upload_results)
        yield f"upload: {counts}"
        yield from (f"    {sanitize_message(reason)}" for reason in outcome_view.list_upload_reasons(report))
    yield from map(targets_view.describe_target, report.targets)
    if report.confirmations:
        total = len(report.upload_results) or len(report.confirmations)
        confirmed = f"{len(report.confirmations)} of {format_count(total, 'file')}"
        attested = attestations.describe_confirmed(report)
        yield f"confirmed: the index serves {confirmed} with the same sha256{attested}"
    yield from (f"warning: {sanitize_message(warning)}" for warning in report.warnings)
    for removal in report.pruned_releases:
        removed = "would be removed" if report.options.dry_run else "removed"
        size = f"{format_count(len(removal.filenames), 'file')}, {format_size(removal.size)}"
        yield f"{removed} from the wheelhouse: version {removal.version} ({size}); the index serves it"
    for pruning in report.target_prunings:
        yield pruning_view.describe_pruning(pruning)
        yield from (f"    {line}" for line in pruning_view.list_pruning(pruning))
        yield from pruning_view.warn_about_pruning(pruning)
    if report.stage_seconds:
        stages = ", ".join(
            f"{stage.name.lower()} {format_duration(seconds)}"
            for stage, seconds in report.stage_seconds.items()
        )
        yield f"time: {stages}"


def _wrap_for_terminal(lines: Iterator[str], style: TerminalStyle) -> Iterator[str]:
    """Wrap long lines at spaces if the output is a terminal."""
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        yield from (
            findings_text.wrap_text(line.lstrip(), indent, f"{indent}  ", style)
            if style.is_terminal
            else [line]
        )


def _format_outcome(report: Report, rows: Sequence[FileRow], style: TerminalStyle) -> Iterator[str]:
    """Yield the headline of the run, its error if there is one, and the URL of the release page."""
    if not report.stage_seconds and not report.error:
        return
    outcome = outcome_view.build_outcome(report, rows)
    symbols = {Emphasis.GOOD: "\N{CHECK MARK} ", Emphasis.BAD: "\N{BALLOT X} "}
    symbol = symbols.get(outcome.emphasis, "") if style.utf8 else ""
    release = f": {report.selection.project} {report.selection.version}" if report.selection else ""
    elapsed = f" in {format_duration(sum(report.stage_seconds.values()))}" if report.stage_seconds else ""
    target = f" to {report.upload_url}" if report.upload_url and report.upload_results else ""
    headline = f"{symbol}{outcome.headline}"
    first, *others = _wrap_for_terminal(iter([f"{headline}{release}{target}{elapsed}"]), style)
    yield first.replace(headline, style.paint(headline, EMPHASIS_COLORS[outcome.emphasis]), 1)
    yield from others
    if not report.install_outcomes:
        # A rehearsal prints this sentence below its table.
        yield from findings_text.wrap_text(sanitize_message(outcome.message), "  ", "  ", style)
    yield from (f"    {sanitize_message(detail)}" for detail in outcome.details)
    if outcome.next_step:
        yield from findings_text.wrap_text(f"next: {sanitize_message(outcome.next_step)}", "  ", "  ", style)
    if report.release_url:
        yield f"  {report.release_url}"

"""The report as one HTML file without scripts or external resources; the only module that uses Jinja.

``page.html`` is the template, ``style.css`` its style sheet and ``marks.svg`` its shapes. Every text in the
template passes through ``redaction.sanitize`` and is then escaped.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import TYPE_CHECKING, Any

from wheel_uploader import __version__
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.models import Report
from wheel_uploader.core.redaction import sanitize, sanitize_message
from wheel_uploader.report.formats import findings_text, release_notes
from wheel_uploader.report.views import (
    file_rows,
    finding_groups,
    install_matrix,
    matrix_view,
    size_bars,
    sizes,
    stage_timings,
)
from wheel_uploader.report.views import outcome as outcome_view
from wheel_uploader.report.views.check_info import CheckInfos, find_unused_ignores

if TYPE_CHECKING:
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

#: Files that were not selected that are shown; the rest is counted.
_MAX_NOT_SELECTED = 200
#: Lists with more entries are folded.
_FOLDED_ABOVE = 12


def render_html(report: Report, check_infos: CheckInfos) -> str:
    """Return the HTML page."""
    rows = file_rows.build_file_rows(report)
    refused = outcome_view.list_not_selected(report)
    style = _read_trusted("style.css")
    selected = report.selection
    return (
        _get_environment()
        .get_template("page.html")
        .render(
            program=f"wheel-uploader {__version__}",
            project=str(selected.project) if selected else report.options.project,
            version=str(selected.version) if selected else report.options.version,
            ending=outcome_view.build_outcome(report, rows),
            facts=list(outcome_view.build_summary_fields(report, rows)),
            stages=stage_timings.build_stage_timings(report),
            counted=findings_text.format_counts(report) if report.error and report.findings else "",
            problems=matrix_view.list_problems(report, rows),
            picture=matrix_view.build_matrix_view(report, rows),
            folded_above=_FOLDED_ABOVE,
            verdict=outcome_view.describe_rehearsal(report),
            verdict_emphasis=outcome_view.judge_rehearsal(report),
            changes=report.changes,
            change_bars=size_bars.build_change_bars(report.changes),
            installs=install_matrix.build_install_matrix(report),
            trials=report.smoke_results,
            smoke=report.options.smoke or "",
            rows=rows,
            bars=size_bars.build_size_bars(rows),
            groups=list(finding_groups.build_finding_groups(report, check_infos)),
            refused=refused[:_MAX_NOT_SELECTED],
            refused_more=max(0, len(refused) - _MAX_NOT_SELECTED),
            not_checked=report.checks_not_run,
            idle_ignores=find_unused_ignores(report),
            sums=release_notes.render_sha256sums(report).splitlines(),
            notes=(
                ("Markdown", release_notes.render_notes_markdown(report).splitlines()),
                ("reStructuredText", release_notes.render_notes_rst(report).splitlines()),
            ),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            shapes=_read_trusted("marks.svg"),
        )
    )


@functools.cache
def _get_loader() -> PackageLoader:
    from jinja2 import PackageLoader

    return PackageLoader(__package__, "")


@functools.cache
def _get_environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        loader=_get_loader(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_make_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": _make_breakable,
        "count": format_count,
        "duration": format_duration,
        "file_size": sizes.format_file_size,
    }
    return environment


def _read_trusted(name: str) -> Markup:
    """Return the contents of one of our own files, which need no escaping."""
    from markupsafe import Markup

    return Markup(_get_loader().get_source(_get_environment(), name)[0])  # noqa: S704


def _make_printable(value: Any) -> Any:
    """Return a template value, made printable unless it is already safe markup."""
    return sanitize_message(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _make_breakable(name: str) -> Markup:
    """Return a file name or path that may be wrapped after ``-``, ``_`` and ``/``."""
    from markupsafe import Markup, escape

    safe = str(escape(sanitize(name)))
    for character in "-_/":
        safe = safe.replace(character, f"{character}<wbr>")
    return Markup(safe)  # noqa: S704

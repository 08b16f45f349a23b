"""The report as a page: one HTML file that loads nothing and runs nothing. The one home of Jinja.

``page.html`` is the page, ``style.css`` how it looks, ``marks.svg`` its shapes. Whatever a template shows
goes through ``display.printable``, and is escaped after that.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import TYPE_CHECKING, Any

from wheel_uploader import __version__
from wheel_uploader.display import human_size, printable
from wheel_uploader.models import Report
from wheel_uploader.report import bars, ending, files, groups, installs, marks, notes, stages
from wheel_uploader.report.rule import Rules, idle_ignores

if TYPE_CHECKING:
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

#: Files that were not taken, before the rest is counted.
_REFUSED = 200


def render(report: Report, rules: Rules) -> str:
    """The whole page."""
    rows = files.rows(report)
    refused = report.selection.refused if report.selection else ()
    style = _source("style.css")
    selected = report.selection
    return (
        _environment()
        .get_template("page.html")
        .render(
            program=f"wheel-uploader {__version__}",
            project=str(selected.project) if selected else report.options.project,
            version=str(selected.version) if selected else report.options.version,
            ending=ending.of(report, rows),
            facts=list(ending.facts(report, rows)),
            stages=stages.of(report),
            picture=marks.picture(report, rows),
            installs=installs.picture(report),
            trials=report.trials,
            smoke=report.options.smoke or "",
            rows=rows,
            bars=bars.of(rows),
            groups=list(groups.of(report, rules)),
            refused=refused[:_REFUSED],
            refused_more=max(0, len(refused) - _REFUSED),
            not_checked=report.not_checked,
            idle_ignores=idle_ignores(report),
            sums=notes.sums(report).splitlines(),
            notes=(
                ("Markdown", notes.markdown(report).splitlines()),
                ("reStructuredText", notes.rest(report).splitlines()),
            ),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            shapes=_source("marks.svg"),
        )
    )


@functools.cache
def _loader() -> PackageLoader:
    from jinja2 import PackageLoader

    return PackageLoader(__name__, "")


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        loader=_loader(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": _breakable,
        "duration": ending.duration,
        "mark": marks.of_file,
        "size": human_size,
    }
    return environment


def _source(name: str) -> Markup:
    """A part of the page that is ours, and shown as it is."""
    from markupsafe import Markup

    return Markup(_loader().get_source(_environment(), name)[0])  # noqa: S704


def _harmless(value: Any) -> Any:
    """What a template shows: all text but that which has been through here already."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _breakable(name: str) -> Markup:
    """A file name or path that may go on in the next line after ``-``, ``_`` and ``/``."""
    from markupsafe import Markup, escape

    safe = str(escape(printable(name)))
    for character in "-_/":
        safe = safe.replace(character, f"{character}<wbr>")
    return Markup(safe)  # noqa: S704

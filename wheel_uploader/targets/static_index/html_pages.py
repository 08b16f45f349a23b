"""Edits HTML pages of an index (PEP 503): adds links, and leaves every other byte as it is.

Text is one character per byte here (Latin-1), so that a page in any encoding that extends ASCII survives.
Added text is ASCII.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

from packaging.utils import canonicalize_name

from wheel_uploader.core.urls import quote
from wheel_uploader.targets.static_index.html_scan import PageScan, scan_page, split_project_link
from wheel_uploader.targets.static_index.new_file import NewFile

_EMPTY_PAGE = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="pypi:repository-version" content="1.0">
    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
  </body>
</html>
"""


def make_project_page(project: str) -> str:
    """Return the page of a project without files."""
    return _EMPTY_PAGE.format(title=f"Links for {_escape(project)}")


def make_root_page() -> str:
    """Return the page of an index without projects."""
    return _EMPTY_PAGE.format(title="Simple index")


def add_files(text: str, files: Sequence[NewFile]) -> str:
    """Return the page with links to ``files`` after the last link. Raises IncompletePage."""
    return _add_links(text, [_make_file_link(file) for file in files])


def add_project(text: str, project: str) -> str:
    """Return a root page with a link to ``project``, written like its other links. Raises IncompletePage."""
    scan = scan_page(text)
    before, after = "", "/"
    if scan.anchors:
        before, _, after = split_project_link(scan.anchors[-1].href)
    href = f"{before}{quote(project)}{after}"
    return _add_links(text, [f'<a href="{_escape(href)}">{_escape(project)}</a>'])


def find_projects(text: str) -> frozenset[str]:
    """Return the canonical names of the projects that a root page links to. Raises IncompletePage."""
    return frozenset(str(canonicalize_name(anchor.last_segment)) for anchor in scan_page(text).anchors)


def keep_one_link(text: str, filename: str, sha256: str, name_of: Callable[[str], str]) -> str:
    """Return the page with one link of those to ``filename``, with the hash ``sha256``.

    ``name_of`` returns the file name that a link leads to. Raises IncompletePage.
    """
    scan = scan_page(text)
    anchors = [anchor for anchor in scan.anchors if name_of(anchor.href) == filename]
    if not anchors:
        return text
    kept = next((anchor for anchor in anchors if f"sha256={sha256}" in anchor.href.lower()), anchors[0])
    edits = [(*scan.unit(anchor), "") for anchor in anchors if anchor is not kept]
    if f"sha256={sha256}" not in kept.href.lower():
        href = f"{kept.href.partition('#')[0]}#sha256={sha256}"
        edits.append((kept.href_start, kept.href_end, _escape(href)))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def remove_link(text: str, filename: str, name_of: Callable[[str], str]) -> str:
    """Return the page without the links to ``filename``; see ``keep_one_link``. Raises IncompletePage."""
    scan = scan_page(text)
    units = [scan.unit(anchor) for anchor in scan.anchors if name_of(anchor.href) == filename]
    for start, end in sorted(units, reverse=True):
        text = text[:start] + text[end:]
    return text


def _add_links(text: str, links: Sequence[str]) -> str:
    scan = scan_page(text)
    if not links:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    position, template = _find_place(scan)
    indent = _find_indent(scan, position)
    before, after = text[:position], text[position:]
    block = newline.join(f"{indent}{template.format(link=link)}" for link in links)
    if before and not before.endswith("\n"):
        block = f"{newline}{block}"
    if not after.startswith(("\n", "\r\n")) or before.endswith("\n"):
        block = f"{block}{newline}"
    return f"{before}{block}{after}"


def _find_place(scan: PageScan) -> tuple[int, str]:
    """Return the offset for new links, and what surrounds each."""
    last = scan.anchors[-1] if scan.anchors else None
    if last and last.item:
        return scan.unit(last)[1], "<li>{link}</li>"
    if last and (end := scan.unit(last)[1]) <= scan.body_end and scan.has_break(last):
        return end, "{link}<br>"
    # The end of the body is never inside another element; the line of </body> keeps its indentation.
    line_start = scan.text.rfind("\n", 0, scan.body_end) + 1
    if not scan.text[line_start : scan.body_end].strip(" \t"):
        return line_start, "{link}<br>"
    return scan.body_end, "{link}<br>"


def _find_indent(scan: PageScan, position: int) -> str:
    """Return the indentation of the line with the last link, or of the line before ``position``."""
    if scan.anchors:
        anchor = scan.anchors[-1]
        start = anchor.item[0] if anchor.item else anchor.start
        before = scan.text[scan.text.rfind("\n", 0, start) + 1 : start]
        return "" if before.strip(" \t") else before
    line = scan.text[:position].removesuffix("\n").rpartition("\n")[2]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _make_file_link(file: NewFile) -> str:
    metadata = f"sha256={file.metadata_sha256}" if file.metadata_sha256 else ""
    attributes: Mapping[str, str] = {
        "href": f"{file.href}#sha256={file.sha256}",
        "data-requires-python": file.requires_python,
        "data-dist-info-metadata": metadata,
        "data-core-metadata": metadata,
        "data-gpg-sig": "true" if file.has_signature else "",
    }
    text = " ".join(f'{name}="{_escape(value)}"' for name, value in attributes.items() if value)
    return f"<a {text}>{_escape(file.filename)}</a>"


def _escape(text: str) -> str:
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")

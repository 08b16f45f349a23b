"""A table of the files for release notes, with sizes and SHA-256 digests, in Markdown or reStructuredText."""

from __future__ import annotations

from wheel_uploader.core.formatting import format_size
from wheel_uploader.core.models import LocalFile, Report


def render_notes_markdown(report: Report) -> str:
    """Return a GitHub Flavored Markdown table; empty if no file was downloaded."""
    if not report.downloaded_files:
        return ""
    rows = [
        f"| `{file.filename}` | {format_size(file.size)} | `{file.sha256}` |" for file in _sort_files(report)
    ]
    return "\n".join(["| File | Size | SHA256 |", "| --- | ---: | --- |", *rows]) + "\n"


def render_notes_rst(report: Report) -> str:
    """Return a reStructuredText ``list-table``; empty if no file was downloaded."""
    if not report.downloaded_files:
        return ""
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - File", "     - Size", "     - SHA256"]
    for file in _sort_files(report):
        lines += [
            f"   * - ``{file.filename}``",
            f"     - {format_size(file.size)}",
            f"     - ``{file.sha256}``",
        ]
    return "\n".join(lines) + "\n"


def render_sha256sums(report: Report) -> str:
    """Return the digests in the format of a SHA256SUMS file."""
    return "".join(f"{file.sha256}  {file.filename}\n" for file in _sort_files(report))


def _sort_files(report: Report) -> list[LocalFile]:
    return sorted((fetched.file for fetched in report.downloaded_files), key=lambda file: file.filename)

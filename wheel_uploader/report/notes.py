"""A block for release notes: each file with its size and sha256, in Markdown or in reStructuredText."""

from __future__ import annotations

from wheel_uploader.display import human_size
from wheel_uploader.models import LocalFile, Report


def markdown(report: Report) -> str:
    """A table in GitHub's flavour; empty when no file was fetched."""
    if not report.fetched:
        return ""
    rows = [f"| `{file.filename}` | {human_size(file.size)} | `{file.sha256}` |" for file in _files(report)]
    return "\n".join(["| File | Size | SHA256 |", "| --- | ---: | --- |", *rows]) + "\n"


def rest(report: Report) -> str:
    """A ``list-table``; empty when no file was fetched."""
    if not report.fetched:
        return ""
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - File", "     - Size", "     - SHA256"]
    for file in _files(report):
        lines += [
            f"   * - ``{file.filename}``",
            f"     - {human_size(file.size)}",
            f"     - ``{file.sha256}``",
        ]
    return "\n".join(lines) + "\n"


def sums(report: Report) -> str:
    """The files as SHA256SUMS has them."""
    return "".join(f"{file.sha256}  {file.filename}\n" for file in _files(report))


def _files(report: Report) -> list[LocalFile]:
    return sorted((each.file for each in report.fetched), key=lambda file: file.filename)

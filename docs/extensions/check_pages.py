"""A Sphinx extension that writes one page for each check, from the registry.

The address of a page is the id of its check: reference/checks/native/missing-library.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheel_uploader.checks import CHECKS
from wheel_uploader.checks.registry import Check
from wheel_uploader.core.models import Severity

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: The folder of the pages, below docs/; git ignores it.
FOLDER = "reference/checks"
_EFFECTS = {
    Severity.ERROR: "An error: the release is not uploaded.",
    Severity.WARNING: "A warning: it is shown, and stops the upload only with ``--strict``.",
    Severity.NOTE: "A note: it is shown with ``-v``.",
}
_CHECK_ID = re.compile(r"\b[a-z]+/[a-z0-9-]+\b")


def setup(app: Sphinx) -> dict[str, bool]:
    """Have the pages written before Sphinx reads the sources."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(docs: Path) -> None:
    """Write the pages that are new or changed, and remove those of checks that no longer exist."""
    folder = docs / FOLDER
    pages = {folder / f"{check.id}.rst": check_page(check) for check in CHECKS}
    for path in folder.rglob("*.rst"):
        if path not in pages:
            path.unlink()
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def check_page(check: Check[Any]) -> str:
    """Return the page of a check: its title, severity and explanation, and how to accept its findings."""
    lines = [check.id, "=" * len(check.id), "", f"**{escape(check.title)}.**", ""]
    lines += [*_severity_lines(check), "", explanation(check), ""]
    lines += ["To accept its findings, of all files or of some::", ""]
    lines += [f"    --ignore {check.id}", f"    --ignore {check.id}:PATTERN", ""]
    lines += [
        "PATTERN is the name of a file of the release, of a member or of a library, with ``*`` and ``?``."
    ]
    lines += [":doc:`/reference/checks` has all checks."]
    return "\n".join([*lines, ""])


def _severity_lines(check: Check[Any]) -> Iterable[str]:
    if check.severity is check.severity_off_pypi:
        return [_EFFECTS[check.severity]]
    return [
        f"* For PyPI (profile ``pypi``): {_EFFECTS[check.severity].lower()}",
        f"* For other indexes (profile ``any``): {_EFFECTS[check.severity_off_pypi].lower()}",
    ]


def explanation(check: Check[Any]) -> str:
    """Return the explanation of a check as reStructuredText, with links to the checks that it names."""
    ids = {other.id for other in CHECKS} - {check.id}
    escaped = escape(check.explanation)
    return _CHECK_ID.sub(
        lambda found: f":doc:`/{FOLDER}/{found[0]}`" if found[0] in ids else found[0], escaped
    )


def escape(text: str) -> str:
    """Return plain text in which no character is markup."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)

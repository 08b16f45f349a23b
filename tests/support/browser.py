"""Headless Chromium: load pages, read its console, and evaluate JavaScript."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

#: Seconds; generous because Chromium starts slowly on a loaded machine.
_LIMIT = 240
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--enable-logging=stderr", "--log-level=0"),
)
DARK = "--blink-settings=preferredColorScheme=0"

_SCRIPT = """
<script>{code}</script>
<script>
addEventListener("load", async () => {{
  const done = document.createElement("template");
  done.id = "result";
  const found = await ({question});
  done.setAttribute("data-json", JSON.stringify(found));
  document.body.append(done);
}});
</script>
"""


@dataclass(frozen=True, slots=True)
class LoadedPage:
    """A loaded page: the document as the browser has it, and the messages on its console."""

    document: str
    console: tuple[str, ...]


def axe() -> str:
    """Return the code of axe-core, from the file that AXE_CORE names."""
    path = os.environ.get("AXE_CORE")
    if not path:
        pytest.skip("AXE_CORE does not name axe.min.js (npm install axe-core)")
    return Path(path).read_text(encoding="utf-8")


def load_page(folder: Path, page: str, *flags: str) -> LoadedPage:
    """Load a page from a file, and return it as the browser sees it."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    ran = _chromium(folder, "--dump-dom", "--virtual-time-budget=20000", *flags, file.as_uri())
    messages = [line.partition("CONSOLE")[2] for line in ran.stderr.splitlines() if ":CONSOLE" in line]
    return LoadedPage(ran.stdout, tuple(messages))


def evaluate(folder: Path, page: str, question: str, *flags: str, code: str = "", width: int = 1200) -> Any:
    """Return the value of ``question``, a JavaScript expression, in a page that is ``width`` pixels wide.

    The page is loaded in a frame, which may be narrower than any window, and without its content security
    policy, which would block the script.
    """
    head, policy, rest = page.partition('<meta http-equiv="Content-Security-Policy"')
    assert policy, "the page has no content security policy"
    open_page = head + rest.partition(">")[2].replace(
        "</body>", _SCRIPT.format(code=code, question=question) + "</body>"
    )
    inner = folder / "inner.html"
    inner.write_text(open_page, encoding="utf-8")
    # Both files need the same origin; otherwise one may not read the other.
    outer = (
        f'<!DOCTYPE html><meta name="color-scheme" content="light dark"><body>'
        f'<iframe id="page" src="inner.html" width="{width}" height="900"></iframe><script>'
        "const wait = setInterval(() => {"
        'const done = document.getElementById("page").contentDocument.getElementById("result");'
        "if (!done) return; clearInterval(wait);"
        'document.body.setAttribute("data-json", done.getAttribute("data-json")); }, 50);</script></body>'
    )
    loaded = load_page(
        folder, outer, "--allow-file-access-from-files", f"--window-size={width + 100},1000", *flags
    )
    _, value, rest = loaded.document.partition('<body data-json="')
    assert value, (loaded.console, loaded.document[:2000])
    return json.loads(rest.partition('"')[0].replace("&quot;", '"').replace("&amp;", "&"))


def _chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    command: Sequence[str] = (program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=True)


def take_screenshot(folder: Path, page: str, target: Path, *, width: int) -> None:
    """Write a PNG of a whole page that is ``width`` pixels wide.

    The page is loaded in a frame, because a window may not be as narrow as a phone.
    """
    height = evaluate(folder, page, "document.documentElement.scrollHeight", width=width)
    (folder / "shown.html").write_text(page, encoding="utf-8")
    outer = folder / "outer.html"
    outer.write_text(
        f'<!DOCTYPE html><body style="margin: 0"><iframe src="shown.html" width="{width}" '
        f'height="{height}" style="border: 0; display: block"></iframe></body>',
        encoding="utf-8",
    )
    _chromium(folder, f"--screenshot={target}", f"--window-size={width},{height}", outer.as_uri())

"""Debian's Chromium, headless: what a page looks like to it, and what it complains of."""

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

#: Seconds; on a slow machine under load a start alone may take many.
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
    """What came of a visit: the document as the browser has it, and what it wrote to its console."""

    document: str
    console: tuple[str, ...]


def axe() -> str:
    """The code of axe-core, which AXE_CORE names."""
    path = os.environ.get("AXE_CORE")
    if not path:
        pytest.skip("AXE_CORE does not name axe.min.js (npm install axe-core)")
    return Path(path).read_text(encoding="utf-8")


def load_page(folder: Path, page: str, *flags: str) -> LoadedPage:
    """Open a page from a file of its own, and close it when it is loaded."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    ran = _chromium(folder, "--dump-dom", "--virtual-time-budget=20000", *flags, file.as_uri())
    said = [line.partition("CONSOLE")[2] for line in ran.stderr.splitlines() if ":CONSOLE" in line]
    return LoadedPage(ran.stdout, tuple(said))


def evaluate(folder: Path, page: str, question: str, *flags: str, code: str = "", width: int = 1200) -> Any:
    """What ``question``, in JavaScript, finds out about a page of so many pixels width.

    The page is asked in a frame, which may be narrower than any window, and in a copy without its policy,
    which would not let a script run.
    """
    head, policy, rest = page.partition('<meta http-equiv="Content-Security-Policy"')
    assert policy, "there is no policy to be taken out"
    open_page = head + rest.partition(">")[2].replace(
        "</body>", _SCRIPT.format(code=code, question=question) + "</body>"
    )
    inner = folder / "asked.html"
    inner.write_text(open_page, encoding="utf-8")
    # One origin for both: a file may not look into another otherwise.
    outer = (
        f'<!DOCTYPE html><meta name="color-scheme" content="light dark"><body>'
        f'<iframe id="page" src="asked.html" width="{width}" height="900"></iframe><script>'
        "const wait = setInterval(() => {"
        'const done = document.getElementById("page").contentDocument.getElementById("result");'
        "if (!done) return; clearInterval(wait);"
        'document.body.setAttribute("data-json", done.getAttribute("data-json")); }, 50);</script></body>'
    )
    seen = load_page(
        folder, outer, "--allow-file-access-from-files", f"--window-size={width + 100},1000", *flags
    )
    _, found, rest = seen.document.partition('<body data-json="')
    assert found, (seen.console, seen.document[:2000])
    return json.loads(rest.partition('"')[0].replace("&quot;", '"').replace("&amp;", "&"))


def _chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    command: Sequence[str] = (program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=True)

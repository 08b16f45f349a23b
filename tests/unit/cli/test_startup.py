"""Test which modules a run imports: an unused library would slow down every run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.testing import tested_package
from tools.testing.scripted import ScriptedServer, answer
from tools.testing.wheels import wheel_bytes

ROOT = tested_package.ROOT

#: Modules that a run never needs to list a source that answers in JSON.
NEVER = {
    *("bs4", "docutils", "email_validator", "filelock", "keyring", "lxml", "pkginfo", "pygments"),
    *(
        "readme_renderer",
        "requests",
        "rich",
        "trove_classifiers",
        "twine",
        "urllib3",
        "wheel_uploader.rehearsal.demo",
    ),
}
WHEEL = "dipy-1.11.0-py3-none-any.whl"
PAGE = {
    "meta": {"api-version": "1.0"},
    "name": "dipy",
    "files": [{"filename": WHEEL, "url": f"/files/{WHEEL}", "hashes": {}}],
}
SCRIPT = """
import sys, wheel_uploader.cli
try: wheel_uploader.cli.main()
except SystemExit as end: assert not end.code, end.code
print('\\n' + ' '.join(sys.modules))
"""


@pytest.mark.parametrize("with_rich", [False, True])
def test_listing_json_imports_no_libraries_of_other_stages(with_rich: bool) -> None:
    """httpx must not import rich either, which it uses for its own command line if it is installed."""
    headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    with ScriptedServer([answer(200, json.dumps(PAGE).encode(), headers)]) as server:
        url = f"{server.url}simple/dipy/"
        loaded = loaded_modules("--until", "list", "-u", url, "dipy", before=with_rich)
    assert "httpx" in loaded
    assert not loaded & (NEVER - ({"rich", "pygments"} if with_rich else set()))


def test_a_run_that_only_downloads_imports_no_checks(tmp_path: Path) -> None:
    data = wheel_bytes()
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / WHEEL).write_bytes(data)
    arguments = ("-u", str(tmp_path / "staged"), "-w", str(tmp_path / "wheelhouse"), "dipy", "1.11.0")
    loaded = loaded_modules("--until", "download", *arguments, before=False)
    assert (tmp_path / "wheelhouse" / WHEEL).read_bytes() == data
    assert not [name for name in loaded if name.startswith("wheel_uploader.checks")]
    # The same run with checks, so that the names are right.
    assert "wheel_uploader.checks" in loaded_modules("--until", "check", *arguments, before=False)


def loaded_modules(*arguments: str, before: bool) -> set[str]:
    """Return every module that a run has imported, and its top-level package.

    ``before``: import all of httpx before the run.
    """
    script = f"{'import httpx' if before else ''}\n{SCRIPT}"
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert WHEEL in ran.stdout
    names = ran.stdout.splitlines()[-1].split()
    return {*names, *(name.partition(".")[0] for name in names)}

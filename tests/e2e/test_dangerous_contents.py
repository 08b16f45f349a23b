"""Well-formed wheels and sdists that do not work or should not be published, with the real command."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import in_process
from tests.support.command_line import CommandLine
from tools.testing import wheels

METADATA = """\
Metadata-Version: 2.1
Name: demo
Version: 1.0
Summary: A demonstration
Author-email: Ann <ann@example.org>
License: BSD
Project-URL: Home, https://example.org/demo
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.9
Description-Content-Type: text/markdown

# demo
"""
DATA, DIST_INFO = "demo-1.0.data", "demo-1.0.dist-info"
KEY = "-----BEGIN OPENSSH PRIVATE" + " KEY-----\n"
CONFLICT = "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> x\n"
TOKEN = "pypi-" + "AgEIcHlwaS5vcmcCJDAwMTEyMjMzLTQ0NTUtNjY3Ny04ODk5LWFhYmJjY2RkZWVmZgACKlszLCJhYmMi"

Files = Mapping[str, str]


def check(
    folder: Path, files: Files, metadata: str = METADATA, kind: str = "wheel", *options: str
) -> dict[str, str]:
    """Check a wheel or sdist; return the severity of each finding by its check."""
    contents = {path: text.encode() for path, text in {"demo/__init__.py": "x = 1\n", **files}.items()}
    staged = folder / "staged"
    if kind == "wheel":
        wheels.make_wheel(staged, "demo", "1.0", files=contents, metadata=metadata)
    else:
        wheels.make_sdist(staged, "demo", "1.0", files=contents, metadata=metadata)
    with contextlib.chdir(folder):
        ended = in_process.run("--until", "check", "-u", staged, "--format", "json", *options)
    assert TOKEN not in ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    found = {
        finding["check"]: finding["severity"]
        for finding in report["findings"]
        if finding["severity"] != "note" and finding["check"] != "release/no-sdist"
    }
    assert ended.exit_code == (6 if "error" in found.values() else 0), ended.stderr
    return found


def scripts(line: str) -> Files:
    return {f"{DIST_INFO}/entry_points.txt": f"[console_scripts]\n{line}\n"}


def requiring(*requirements: str) -> str:
    lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    return METADATA.replace("Requires-Python", f"{lines}Requires-Python")


WHEELS: dict[str, tuple[Files, dict[str, str]]] = {
    "W1 an unknown scheme": ({f"{DATA}/bogus/x": ""}, {"wheel/unknown-scheme": "error"}),
    "W1 no object": (scripts("foo ="), {"wheel/bad-script": "error"}),
    "W1 not an object": (scripts("foo = not an object!!"), {"wheel/bad-script": "error"}),
    "W1 two contents": ({f"{DATA}/purelib/demo/__init__.py": "x = 2\n"}, {"wheel/path-collision": "error"}),
    "W1 data of another project": ({"other-1.0.data/purelib/demo/a.py": ""}, {"wheel/foreign-data": "error"}),
    "H23 a": (scripts("demo = demo"), {"wheel/bad-script": "error"}),
    "H23 b": (scripts("demo-run = demo.demo-run:main"), {"wheel/bad-script": "error"}),
    "H23 c": (scripts("demo = demo.cli:main"), {"wheel/missing-script-module": "error"}),
    "H26 a conflict": ({"demo/b.py": CONFLICT}, {"content/merge-conflict": "warning"}),
    "H26 a heading": ({"demo/README.rst": "Heading\n=======\n"}, {}),
    "H26 Python 2": ({"demo/b.py": "x = 1\nprint 'x'\n"}, {"content/invalid-syntax": "warning"}),
    "H26 a template": ({"demo/templates/b.py": "import {{ x }}\n"}, {}),
    "H26 a fixture": ({"demo/tests/data/py2_test_grammar.py": "print 'x'\n"}, {}),
    "H27 normal": (
        {f"{DIST_INFO}/{name}": "" for name in ("direct_url.json", "INSTALLER", "REQUESTED")},
        {"wheel/installer-file": "warning"},
    ),
    "H31 a namespace": ({"google/__init__.py": ""}, {"content/shared-namespace": "warning"}),
    "H31 code below data": (
        {f"{DATA}/data/lib/python3.11/site-packages/demo/a.py": ""},
        {"wheel/site-packages-in-data": "warning"},
    ),
    "W6 .pth": ({"demo.pth": "import demo\n"}, {"content/startup-code": "warning"}),
    "W6 .start": ({"demo.start": "demo:main\n"}, {"content/startup-code": "warning"}),
    "W6 sitecustomize": ({"sitecustomize.py": ""}, {"content/startup-code": "warning"}),
    "W8 twins": (
        {"demo/caf\u00e9.py": "", "demo/cafe\u0301.py": ""},
        {"archive/unicode-collision": "warning"},
    ),
}


@pytest.mark.parametrize("case", WHEELS)
def test_wheels(case: str, tmp_path: Path) -> None:
    files, expected = WHEELS[case]
    assert check(tmp_path, files) == expected


BOTH: dict[str, tuple[Files, dict[str, str]]] = {
    "H28 .env": ({"demo/.env": "A=1\n"}, {"content/unwanted-file": "warning"}),
    "H28 .pypirc": (
        {"demo/.pypirc": f"[pypi]\nusername=__token__\npassword={TOKEN}\n"},
        {"content/secret": "error", "content/unwanted-file": "warning"},
    ),
    "H28 id_rsa": ({"demo/id_rsa": KEY}, {"content/secret": "error", "content/unwanted-file": "warning"}),
    "H28 .git": ({"demo/.git/HEAD": "ref: x\n"}, {"content/unwanted-file": "warning"}),
    "H28 node_modules": ({"demo/node_modules/a/package.json": "{}"}, {"content/unwanted-file": "warning"}),
    "H28 .mypy_cache": ({"demo/.mypy_cache/x": "x"}, {"content/unwanted-file": "warning"}),
    "H28 .DS_Store": ({"demo/.DS_Store": "x"}, {"content/unwanted-file": "warning"}),
    "H28 a token": ({"demo/config.py": f"TOKEN = '{TOKEN}'\n"}, {"content/secret": "error"}),
    "H28 another key": ({"demo/certs/server.key": KEY}, {"content/private-key": "warning"}),
    "H28 a key of tests": ({"demo/tests/server.key": KEY}, {}),
    "H28 keys of a test server": ({"demo/dummyserver/certs/server.key": KEY}, {}),
    "H26 a conflict": ({"demo/b.json": CONFLICT}, {"content/merge-conflict": "warning"}),
    "W8 case": ({"demo/a.txt": "", "demo/A.txt": "x"}, {"archive/case-collision": "warning"}),
}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("case", BOTH)
def test_wheels_and_sdists(case: str, kind: str, tmp_path: Path) -> None:
    files, expected = BOTH[case]
    assert check(tmp_path, files, kind=kind) == expected


@pytest.mark.parametrize(
    ("requirement", "profile", "expected"),
    [
        ("torch==2.1.0+cu118", "pypi", {"metadata/local-version-requirement": "warning"}),
        ("torch==2.1.0+cu118", "any", {}),
        ("torch==2.1.0+cu118 ; extra == 'gpu'", "pypi", {}),
        ("numpy>2,<1", "any", {"metadata/unsatisfiable-requirement": "error"}),
    ],
)
def test_requirements(requirement: str, profile: str, expected: dict[str, str], tmp_path: Path) -> None:
    """H25: what cannot be installed, from PyPI or at all."""
    assert check(tmp_path, {}, requiring(requirement), "wheel", "--profile", profile) == expected


def test_an_editable_wheel(tmp_path: Path) -> None:
    """H27: a .pth with an absolute path, and no module."""
    staged = tmp_path / "staged"
    files = {"__editable__.demo-1.0.pth": b"/home/me/demo/src\n", f"{DIST_INFO}/direct_url.json": b"{}"}
    wheels.make_wheel(staged, "demo", "1.0", files=files, metadata=METADATA)
    path = next(staged.iterdir())
    members = wheels.wheel_members("demo", "1.0", files=files, metadata=METADATA)
    del members["demo/__init__.py"]
    record = members[f"{DIST_INFO}/RECORD"].decode().splitlines(keepends=True)
    members[f"{DIST_INFO}/RECORD"] = "".join(line for line in record if "__init__" not in line).encode()
    path.write_bytes(wheels.zip_bytes(members))
    ended = CommandLine(tmp_path).run("--until", "check", "-u", staged)
    assert ended.exit_code == 6
    assert "wheel/editable" in ended.stdout + ended.stderr
    assert "wheel/installer-file" in ended.stdout + ended.stderr


def test_reports_the_line_of_a_conflict(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0", files={"demo/b.py": f"x = 1\n{CONFLICT}".encode()})
    ended = CommandLine(tmp_path).run("--until", "check", "-u", tmp_path / "staged")
    assert "a merge conflict begins in line 2\n      demo/b.py\n" in ended.stdout


def test_a_token_is_never_shown(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0", files={"demo/a.txt": f"\n{TOKEN}".encode()})
    for style in ("text", "json", "sarif", "html", "markdown", "junit"):
        ended = CommandLine(tmp_path).run(
            "--until", "check", "-vv", "-u", tmp_path / "staged", "--format", style
        )
        if ended.exit_code != 2:
            assert ended.exit_code == 6, style
            assert "line 2 contains a PyPI token" in ended.stdout + ended.stderr, style
        assert TOKEN[:30] not in ended.stdout + ended.stderr, style


@pytest.mark.parametrize("cut", [10, 600, 1024])
def test_a_tar_that_is_cut_in_its_last_member(cut: int, tmp_path: Path) -> None:
    """W8: the gzip stream is complete, and the tar in it is not."""
    import gzip

    path = wheels.make_sdist(tmp_path / "staged", "demo", "1.0", files={"z.txt": b"z" * 2000})
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data[: data.rindex(b"demo-1.0/z.txt") + 512 + cut]))
    ended = CommandLine(tmp_path).run("--until", "check", "-u", tmp_path / "staged")
    assert ended.exit_code in {5, 6}, ended.stderr
    assert "truncated within a member" in ended.stdout + ended.stderr

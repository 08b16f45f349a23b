"""``--smoke-index``: the published release is installed from a real index, and the command runs there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, RunResult
from tools.testing import indexes, wheels
from tools.uv_program import find_uv_program

#: An installer records the URL of a wheel that it was given by its URL, and none for one from an index.
COMES_FROM_AN_INDEX = (
    "python -c 'import importlib.metadata as m, demo; "
    'print("here", demo.__file__); assert m.distribution("demo").read_text("direct_url.json") is None\''
)
COMES_FROM_A_FILE = COMES_FROM_AN_INDEX.replace("is None", "is not None")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    with indexes.pypiserver(tmp_path / "store") as url:
        yield url


def publish(folder: Path, url: str, command: str, *options: str, **env: str) -> RunResult:
    (folder / "home").mkdir(exist_ok=True)
    # No other Pythons, and no uv, unless the test adds them.
    alone = {"PATH": str(folder), "PYENV_ROOT": str(folder), "UV_PYTHON_INSTALL_DIR": str(folder)}
    return CommandLine(folder / "home").run(
        *("-u", folder / "staged", "--repository-url", url, "--smoke", command, "--smoke-index"),
        *("--confirm-timeout", "20", *options, "demo", "1.0"),
        **{"PIP_NO_INDEX": "1", "TWINE_USERNAME": "", "TWINE_PASSWORD": "", **alone, **env},
    )


def make_release(folder: Path) -> None:
    metadata = wheels.METADATA.format(project="demo", version="1.0").replace(
        "Requires-Python", "Requires-Dist: helper\nRequires-Python"
    )
    wheels.make_wheel(folder / "staged", "demo", "1.0", metadata=metadata)
    wheels.make_wheel(folder / "staged", "helper", "2.0")


def test_installs_the_published_release_and_runs_the_command(tmp_path: Path, index: str) -> None:
    make_release(tmp_path)
    wheels.make_wheel(tmp_path / "home" / "wheelhouse", "helper", "2.0")
    ended = publish(tmp_path, index, "python -c 'import demo, helper'", "-w", str(tmp_path / "staged"))
    assert ended.exit_code == 0, ended.stderr
    assert "2 of 2 smoke tests passed" in ended.stdout
    assert "installing demo==1.0 from http://127.0.0.1:" in ended.stderr


def test_a_failure_after_publishing_undoes_nothing(tmp_path: Path, index: str) -> None:
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    ended = publish(tmp_path, index, COMES_FROM_A_FILE)
    assert ended.exit_code == 6, ended.stderr
    assert "demo==1.0 is published, but 1 of 1 smoke test from the index failed" in ended.error_line
    assert "the command failed (exit code 1)" in ended.stderr
    assert "Nothing was undone" in ended.stderr
    assert "here" in ended.stdout
    assert [path.name for path in (tmp_path / "store").glob("*.whl")] == ["demo-1.0-py3-none-any.whl"]
    document = publish(tmp_path, index, COMES_FROM_A_FILE, "--format", "json")
    report = json.loads(document.stdout)
    assert report["reached"] == "confirm"
    assert [trial["failure"] for trial in report["trials"]] == ["", "the command failed (exit code 1)"]
    page = publish(tmp_path, index, COMES_FROM_A_FILE, "--format", "markdown").stdout
    assert "Published, but failed the smoke test" in page


def test_uv_installs_where_it_is_found(tmp_path: Path, index: str) -> None:
    uv = find_uv_program()
    if not uv:
        pytest.skip("uv is not installed")
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    log = tmp_path / "log"
    spy = tmp_path / "uv"
    spy.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec env HOME={os.environ["HOME"]} {uv} "$@"\n')
    spy.chmod(0o755)
    root = os.environ.get("PYENV_ROOT", str(Path("~/.pyenv").expanduser()))
    ended = publish(
        tmp_path, index, "python -c 'import demo'", PATH=f"{tmp_path}:/usr/bin:/bin", PYENV_ROOT=root
    )
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    commands = log.read_text().splitlines()
    assert any(line.startswith("pip install --python") and "--require-hashes" in line for line in commands)
    assert len(commands) > 2, "a version, and an environment and an installation for each Python"


def test_another_index_cannot_supply_the_release(tmp_path: Path, index: str) -> None:
    """Other bytes under the same name, in a place that pip is configured to search, are not installed."""
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    evil = wheels.make_wheel(tmp_path / "evil", "demo", "1.0", files={"demo/evil.py": b""})
    ended = publish(
        tmp_path,
        index,
        "python -c 'import importlib.util as u; assert u.find_spec(\"demo.evil\") is None'",
        PIP_FIND_LINKS=str(evil.parent),
    )
    assert ended.exit_code == 0, ended.stdout + ended.stderr


def test_the_same_command_again_only_tests(tmp_path: Path, index: str) -> None:
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    publish(tmp_path, index, "python -c 'import demo'")
    ended = publish(tmp_path, index, "python -c 'import demo'")
    assert ended.exit_code == 0, ended.stderr
    assert "2 of 2 smoke tests passed" in ended.stdout
    assert "1 skipped" in ended.stdout
    assert sys.version.split()[0] in ended.stderr

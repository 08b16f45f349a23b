"""The CI configuration in docs/how-to/check-in-ci.rst and .pre-commit-hooks.yaml works as described."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import Result

from tests.support.in_process import run
from tests.support.readme import README, page
from tools.testing import wheels

HOOK = yaml.safe_load((README.parent / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[0]
PAGE = page("how-to/check-in-ci")


def blocks(language: str) -> list[Any]:
    """Return the parsed code blocks of the page."""
    texts = re.findall(rf"\.\. code-block:: {language}\n\n((?:(?:    .*)?\n)+)", PAGE)
    parse = tomllib.loads if language == "toml" else yaml.safe_load
    return [parse(re.sub("(?m)^    ", "", block)) for block in texts]


def run_command(command: str) -> Result:
    program, *arguments = shlex.split(command)
    assert program == "wheel-uploader"
    return run(*arguments)


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return ``dist`` with a release in it, in a project that uses this program."""
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "dist")
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nexpect = 6\nwheelhouse = "house"\n')
    return tmp_path / "dist"


def test_cibuildwheel_audits_each_wheel(dist: Path) -> None:
    ((settings,),) = (block["tool"].values() for block in blocks("toml"))
    assert settings["audit-requires"] == ["wheel-uploader"]
    for wheel in dist.glob("*.whl"):
        assert (
            run_command(settings["audit-command"].replace("{wheel}", shlex.quote(str(wheel)))).exit_code == 0
        )
    bad = wheels.make_wheel(dist / "with space", tag="cp313-cp313-linux_x86_64")
    ended = run_command(settings["audit-command"].replace("{wheel}", shlex.quote(str(bad))))
    assert ended.exit_code == 6
    assert not Path("house").exists()


def test_pre_commit_hook_checks_the_files_in_dist(dist: Path) -> None:
    command = shlex.join([*shlex.split(HOOK["entry"]), *HOOK["args"]])
    assert (HOOK["pass_filenames"], HOOK["language"]) == (False, "python")
    assert run_command(command).exit_code == 0
    wheels.make_wheel(dist, tag="cp313-cp313-linux_x86_64")
    assert run_command(command).exit_code == 6
    ((use,),) = blocks("yaml")[0:1]
    (hook,) = use["hooks"]
    assert hook["id"] == HOOK["id"]
    assert set(hook["stages"]) <= set(HOOK["stages"])


def test_code_scanning_gets_a_log_of_failed_checks(dist: Path) -> None:
    steps = blocks("yaml")[1]
    command, arrow, file = steps[0]["run"].partition(" > ")
    assert (arrow, file) == (" > ", steps[1]["with"]["sarif_file"])
    assert steps[1]["if"] == "always()"
    wheels.make_wheel(dist, tag="cp313-cp313-linux_x86_64")
    ended = run_command(command)
    assert ended.exit_code == 6
    (log,) = json.loads(ended.stdout)["runs"]
    assert log["results"][0]["level"] == "error"

"""What the README and .pre-commit-hooks.yaml have people put into their CI does what it says there."""

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

from tests.support import wheels
from tests.support.in_process import run
from tests.support.readme import README, section

HOOK = yaml.safe_load((README.parent / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[0]
SECTION = section("Checks in CI")


def blocks(language: str) -> list[Any]:
    """The code blocks of the section, parsed."""
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:(?:    .*)?\n)+)", SECTION)
    parse = tomllib.loads if language == "toml" else yaml.safe_load
    return [parse(re.sub("(?m)^    ", "", block)) for block in found]


def runs(command: str) -> Result:
    program, *arguments = shlex.split(command)
    assert program == "wheel-uploader"
    return run(*arguments)


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``dist`` with a release in it, in a project that is released with this program."""
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "dist")
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nexpect = 6\nwheelhouse = "house"\n')
    return tmp_path / "dist"


def test_cibuildwheel_audits_each_wheel(dist: Path) -> None:
    ((settings,),) = (block["tool"].values() for block in blocks("toml"))
    assert settings["audit-requires"] == ["wheel-uploader"]
    for wheel in dist.glob("*.whl"):
        assert runs(settings["audit-command"].replace("{wheel}", shlex.quote(str(wheel)))).exit_code == 0
    bad = wheels.make_wheel(dist / "with space", tag="cp313-cp313-linux_x86_64")
    ended = runs(settings["audit-command"].replace("{wheel}", shlex.quote(str(bad))))
    assert ended.exit_code == 6
    assert not Path("house").exists()


def test_the_hook_judges_what_is_in_dist(dist: Path) -> None:
    command = shlex.join([*shlex.split(HOOK["entry"]), *HOOK["args"]])
    assert (HOOK["pass_filenames"], HOOK["language"]) == (False, "python")
    assert runs(command).exit_code == 0
    wheels.make_wheel(dist, tag="cp313-cp313-linux_x86_64")
    assert runs(command).exit_code == 6
    ((use,),) = blocks("yaml")[0:1]
    (hook,) = use["hooks"]
    assert hook["id"] == HOOK["id"]
    assert set(hook["stages"]) <= set(HOOK["stages"])


def test_code_scanning_gets_a_log_even_of_what_failed(dist: Path) -> None:
    steps = blocks("yaml")[1]
    command, arrow, file = steps[0]["run"].partition(" > ")
    assert (arrow, file) == (" > ", steps[1]["with"]["sarif_file"])
    assert steps[1]["if"] == "always()"
    wheels.make_wheel(dist, tag="cp313-cp313-linux_x86_64")
    ended = runs(command)
    assert ended.exit_code == 6
    (log,) = json.loads(ended.stdout)["runs"]
    assert log["results"][0]["level"] == "error"

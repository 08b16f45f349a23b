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
from wheel_uploader.cli import pre_commit

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


def audit(commands: list[str], wheel: Path) -> list[Result]:
    """Run the audit commands for a wheel as cibuildwheel does: those for abi3 wheels only for such wheels."""
    fitting = [command for command in commands if "{abi3_wheel}" not in command or "-abi3-" in wheel.name]
    return [run_command(command.replace("{wheel}", shlex.quote(str(wheel)))) for command in fitting]


def test_cibuildwheel_audits_each_wheel(dist: Path) -> None:
    ((settings,),) = (block["tool"].values() for block in blocks("toml"))
    assert settings["audit-requires"] == ["abi3audit", "wheel-uploader"]
    for wheel in dist.glob("*.whl"):
        assert [ended.exit_code for ended in audit(settings["audit-command"], wheel)] == [0]
    bad = wheels.make_wheel(dist / "with space", tag="cp313-cp313-linux_x86_64")
    assert [ended.exit_code for ended in audit(settings["audit-command"], bad)] == [6]
    assert not Path("house").exists()


def test_cibuildwheel_keeps_its_own_audit_of_abi3_wheels() -> None:
    ((settings,),) = (block["tool"].values() for block in blocks("toml"))
    # The default of cibuildwheel 4.2, in its resources/defaults.toml.
    assert settings["audit-command"][0] == "abi3audit --strict --report {abi3_wheel}"


def run_hook(*arguments: str) -> int:
    """Run the pre-commit hook with its default arguments or these; return its exit code."""
    python, *options, module, until, stage = shlex.split(HOOK["entry"])
    assert (python, *options, module) == ("python", "-P", "-m", pre_commit.__name__)
    return pre_commit.main([until, stage, *(arguments or HOOK["args"])])


def test_pre_commit_hook_checks_the_files_in_dist(dist: Path) -> None:
    assert (HOOK["pass_filenames"], HOOK["language"]) == (False, "python")
    assert run_hook() == 0
    wheels.make_wheel(dist, tag="cp313-cp313-linux_x86_64")
    assert run_hook() == 6
    ((use,),) = blocks("yaml")[0:1]
    (hook,) = use["hooks"]
    assert hook["id"] == HOOK["id"]
    assert set(hook["stages"]) <= set(HOOK["stages"])


def test_pre_commit_hook_passes_if_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_hook() == 0
    Path("dist").mkdir()
    Path("dist/notes.txt").write_text("not a release")
    assert run_hook() == 0
    assert capsys.readouterr().out == "nothing is built in dist: nothing to check\n" * 2


def test_pre_commit_hook_judges_each_of_several_releases(
    dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels.make_wheel(dist, "other", "2.0", "py3-none-any")
    assert run_hook() == 0
    printed = capsys.readouterr().out
    assert printed.index("Checked: dipy 1.11.0") < printed.index("Checked: other 2.0")
    # The failure of the first release does not hide the second one, nor is it hidden by it.
    wheels.make_wheel(dist, tag="cp313-cp313-linux_x86_64")
    assert run_hook("--strict", "-u", "dist") == 6
    assert "Checked: other 2.0" in capsys.readouterr().out


def test_pre_commit_hook_fails_on_a_misnamed_file_of_one_of_several_releases(dist: Path) -> None:
    wheels.make_wheel(dist, "other", "2.0", "py3-none-any").rename(dist / "other-2.0-py3-none-any (1).whl")
    assert run_hook() == 6


def test_pre_commit_hook_reports_a_usage_error(dist: Path) -> None:
    assert run_hook("-u", "dist", "--nonsense") == 2


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

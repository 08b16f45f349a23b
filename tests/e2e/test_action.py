"""action.yml, run step by step as a runner does: installed by pip, against an index on loopback."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.composite_action import ActionRunner
from tools.testing import indexes, tested_package, wheels


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release in ``dist``, a runner, and an index whose files are in ``packages``."""

    runner: ActionRunner
    names: set[str]
    packages: Path
    index: str

    @property
    def stored(self) -> set[str]:
        return {path.name for path in self.packages.iterdir()}


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Release]:
    temp, workspace, packages = tmp_path / "temp", tmp_path / "workspace", tmp_path / "packages"
    temp.mkdir()
    names = {path.name for path in wheels.make_release(workspace / "dist")}
    # pip finds what the program requires in the environment of the tests, and needs no index.
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_CONFIG_FILE": os.devnull}
    offline |= {"PYTHONPATH": sysconfig.get_path("purelib"), "HOME": str(tmp_path)}
    login = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}
    runner = ActionRunner(
        action=tested_package.ROOT / "action.yml",
        workspace=workspace,
        temp=temp,
        environment={**offline, **login},
        used_actions={"actions/setup-python": {"python-path": sys.executable}},
    )
    with indexes.pypiserver(packages, users={"me": "my-password"}) as index:
        yield Release(runner=runner, names=names, packages=packages, index=index)


def test_publishes_and_sets_the_outputs(release: Release) -> None:
    inputs = {"project": "dipy", "version": "v1.11.0", "repository_url": release.index}
    first = release.runner.run(**inputs, report="report.html\nnotes/release.notes.md", expect="6")
    assert first.exit_code == 0, first.printed
    assert release.stored == release.names
    assert set(first.outputs["published"].split("\n")) == release.names
    assert (first.outputs["skipped"], first.outputs["exit_code"]) == ("", "0")
    assert (release.runner.workspace / "report.html").is_file()
    second = release.runner.run(**inputs)
    assert second.exit_code == 0, second.printed
    assert set(second.outputs["skipped"].split("\n")) == release.names
    assert second.outputs["published"] == ""
    assert "my-password" not in first.printed + second.printed


def test_a_failed_check_fails_the_step_and_sets_the_outputs(release: Release) -> None:
    wheels.make_wheel(release.runner.workspace / "dist", tag="cp313-cp313-linux_x86_64")
    result = release.runner.run(
        project="dipy", version="1.11.0", repository_url=release.index, arguments="--profile=pypi"
    )
    assert (result.exit_code, result.outputs["exit_code"]) == (6, "6")
    assert "::error title=name/platform-refused" in result.printed
    assert release.stored == set()


def test_an_input_that_is_neither_true_nor_false_ends_with_exit_code_2(release: Release) -> None:
    result = release.runner.run(until="check", strict="yes")
    assert (result.exit_code, result.outputs["exit_code"]) == (2, "2")
    assert "input strict must be true or false" in result.printed

"""Test action.yml, and the recipes that use it: the command that they run is the intended one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.composite_action import ActionRunner
from tests.support.in_process import run
from tools.testing import tested_package

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the runner of the tests needs bash")

ACTION = tested_package.ROOT / "action.yml"
WORKFLOWS = sorted((tested_package.ROOT / ".github" / "workflows").glob("*.yml"))
GITHUB_RECIPES = sorted((tested_package.ROOT / "recipes").glob("github-*.yml"))


#: A Python whose venv has a program that prints its arguments and fails, and whose pip notes its own.
FAKE_PYTHON = r"""#!/bin/sh
if [ "$2" != venv ]; then
    echo "$@" > "$RUNNER_TEMP/pip"
    exit
fi
mkdir -p "$3/bin"
cp "$0" "$3/bin/python"
cat > "$3/bin/wheel-uploader" <<'END'
#!/bin/sh
printf '%s\n' "$@"
exit 6
END
chmod +x "$3/bin/wheel-uploader"
"""


@pytest.fixture
def runner(tmp_path: Path) -> ActionRunner:
    """Return a runner on which the installation does nothing, and the program prints its arguments."""
    (tmp_path / "temp").mkdir()
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    return ActionRunner(
        action=ACTION,
        workspace=tmp_path,
        temp=tmp_path / "temp",
        environment={},
        used_actions={"actions/setup-python": {"python-path": str(python)}},
    )


def arguments(runner: ActionRunner, **inputs: str) -> list[str]:
    """Return the arguments of the command that the action runs."""
    return runner.run(**inputs).printed.splitlines()


def test_checks_the_files_in_dist_by_default(runner: ActionRunner) -> None:
    assert arguments(runner) == ["--non-interactive", "--url=dist", "--until=confirm"]


def test_installs_the_version_of_the_action_and_what_a_rehearsal_needs(runner: ActionRunner) -> None:
    runner.run()
    installed = (runner.temp / "pip").read_text().split()
    assert (installed[:3], installed[-1]) == (
        ["-m", "pip", "install"],
        f"{ACTION.parent}[attestations,socks]",
    )
    runner.run(rehearse="true")
    assert (runner.temp / "pip").read_text().endswith("[attestations,socks,rehearse]\n")


def test_each_line_of_an_input_is_one_argument(runner: ActionRunner) -> None:
    found = arguments(runner, url="a b\r\n\n-c\n", project="demo", version="v1.0", arguments="--jobs=2\n-v")
    assert found[1:3] == ["--url=a b", "--url=-c"]
    assert found[-5:] == ["--jobs=2", "-v", "--", "demo", "v1.0"]


def test_inputs_are_never_run_by_the_shell(runner: ActionRunner, tmp_path: Path) -> None:
    attack = '"; touch "$RUNNER_TEMP/attacked"; $(touch "$RUNNER_TEMP/attacked") `touch attacked`'
    inputs = runner.definition["inputs"].keys() - {"working-directory", "python-version"}
    texts = {name for name in inputs if runner.definition["inputs"][name]["default"] != "false"}
    runner.run(**dict.fromkeys(texts, attack))
    assert not list(tmp_path.rglob("attacked"))


def test_refuses_a_flag_that_is_neither_true_nor_false(runner: ActionRunner) -> None:
    result = runner.run(strict="yes")
    assert result.exit_code == 2
    assert "input strict must be true or false" in result.printed


def test_ends_with_the_exit_code_of_the_command(runner: ActionRunner) -> None:
    result = runner.run(strict="true", dry_run="false")
    assert (result.exit_code, result.outputs["exit_code"]) == (6, "6")


def test_every_input_reaches_the_command(runner: ActionRunner) -> None:
    """Give each input another value than its default: every option of the result is one of the program's."""
    texts = {
        "project": "demo",
        "version": "1.0",
        "until": "check",
        "wait": "1m",
        "max-age": "3d",
        "ignore": "wheel",
    }
    texts |= {"expect": "3", "arguments": "--no-compare", "built-by": "o/r", "url": "dist"}
    flags = [name for name, value in runner.definition["inputs"].items() if value["default"] == "false"]
    ignored = {"working-directory", "python-version"}
    inputs = {
        name: texts.get(name, "http://127.0.0.1/x") for name in runner.definition["inputs"].keys() - ignored
    }
    inputs |= dict.fromkeys(flags, "true")
    found = arguments(runner, **inputs)
    for name, value in inputs.items():
        if name in flags:
            assert f"--{name}" in found
        elif name in {"project", "version", "arguments"}:
            assert value in found
        else:
            assert f"--{name}={value}" in found


def test_the_outputs_are_those_of_the_program(runner: ActionRunner) -> None:
    assert set(runner.definition["outputs"]) == {"published", "skipped", "missing", "exit_code"}


def uses(path: Path) -> list[dict[str, Any]]:
    """Return the steps of a workflow that use this action."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    steps = [step for job in jobs for step in job["steps"]]
    return [step for step in steps if re.match(r"\./|OWNER/wheel-uploader@", step.get("uses", ""))]


@pytest.mark.parametrize("path", [*WORKFLOWS, *GITHUB_RECIPES], ids=lambda path: path.name)
def test_workflows_give_valid_inputs(
    path: Path, runner: ActionRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runner.workspace)
    for step in uses(path):
        inputs = {name: str(value) for name, value in step["with"].items()}
        inputs = {name: "true" if value == "True" else value for name, value in inputs.items()}
        if "version" in inputs:
            inputs["version"] = inputs["version"].replace("${{ github.ref_name }}", "v1.0")
        found = arguments(runner, **inputs)
        shown = run("--show-config", *found)
        assert shown.exit_code == 0, shown.stderr
        assert tomllib.loads(shown.stdout)["url"]


def test_the_recipe_of_a_release_uses_the_action_twice() -> None:
    (release,) = (path for path in GITHUB_RECIPES if path.name == "github-release.yml")
    rehearsal, publication = (step["with"] for step in uses(release))
    assert rehearsal["rehearse"]
    assert publication["attest"]
    jobs = yaml.safe_load(release.read_text(encoding="utf-8"))["jobs"]
    assert jobs["publish"]["needs"] == "rehearse"
    assert jobs["publish"]["environment"] == "pypi"
    # Only the job that publishes has an identity.
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS, *GITHUB_RECIPES], ids=lambda path: path.name)
def test_every_used_action_is_pinned_by_hash(path: Path) -> None:
    references = re.findall(r"(?m)uses: (\S+)", path.read_text(encoding="utf-8"))
    assert [text for text in references if not re.search(r"@[0-9a-f]{40}$|^\./$", text)] == []


def program(name: str) -> str:
    """Return a program of the dependency group ``lint``; skip the test if it is not installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def test_zizmor_finds_nothing() -> None:
    files = [ACTION, *WORKFLOWS, *GITHUB_RECIPES]
    command = [program("zizmor"), "--offline", "--quiet", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-actions", [ACTION]),
        ("github-workflows", [*WORKFLOWS, *GITHUB_RECIPES]),
        ("gitlab-ci", [tested_package.ROOT / "recipes" / "gitlab-ci.yml"]),
        ("readthedocs", [tested_package.ROOT / ".readthedocs.yaml"]),
    ],
)
def test_files_match_their_schema(schema: str, files: list[Path]) -> None:
    command = [program("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr

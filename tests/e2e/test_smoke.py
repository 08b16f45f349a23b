"""--smoke: wheels are installed into new environments of real interpreters, and a command runs there."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.errors import FileError, NothingFoundError, UsageError
from wheel_uploader.core.models import FileSummary, LocalFile, Options, Report, SmokeResult, WheelName
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.rehearsal import interpreters, smoke_test, uv_command
from wheel_uploader.rehearsal.interpreters import Interpreter
from wheel_uploader.rehearsal.smoke_test import Environment, SmokeTask, Step
from wheel_uploader.report.formats import rehearsal_text

THIS = f"cp{sys.version_info[0]}{sys.version_info[1]}"


@pytest.fixture(autouse=True)
def _one_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use only the interpreter of the tests, whatever others the machine has."""
    monkeypatch.setattr(interpreters, "_other_executables", lambda: iter(()))
    # pip must not download anything.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def local_file(path: Path) -> LocalFile:
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return LocalFile(name=filenames.parse_filename(path.name), path=path, size=len(content), sha256=sha256)


def smoke_test_results(paths: Sequence[Path], command: str) -> tuple[SmokeResult, ...]:
    return smoke_test.run_smoke_tests([local_file(path) for path in paths], (), command, SilentProgress())


def test_wheel_that_works(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path, tag=f"{THIS}-none-any")
    other = wheels.make_wheel(tmp_path, tag="cp27-none-any")
    (result,) = smoke_test_results(
        [path, other], "python -c 'import dipy; assert dipy.__version__ == \"1.11.0\"'"
    )
    assert (result.filename, result.failure, result.output) == (path.name, "", "")
    assert result.interpreter.startswith(("CPython ", "PyPy "))
    smoke_test.raise_if_failed([result])


@pytest.mark.parametrize("when", ["before it is installed", "while the command runs"])
def test_detects_a_wheel_that_changes_during_the_run(tmp_path: Path, when: str) -> None:
    path = wheels.make_wheel(tmp_path, tag=f"{THIS}-none-any")
    other = wheels.make_wheel(tmp_path / "other", tag=f"{THIS}-none-any", files={"dipy/new.py": b""})
    file = local_file(path)
    command = "python -c 'import dipy'"
    if when == "before it is installed":
        other.replace(path)
    else:
        command = shlex.join(["python", "-c", f"import os; os.replace({str(other)!r}, {str(path)!r})"])
    with pytest.raises(FileError, match="changed during the run"):
        smoke_test.run_smoke_tests([file], (), command, SilentProgress())


def test_relative_path_of_the_wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = wheels.make_wheel(Path("wheelhouse"), tag=f"{THIS}-none-any")
    (result,) = smoke_test_results([path], "python -c 'import dipy'")
    assert result.failure == "", result.output


def test_wheel_that_cannot_be_imported(tmp_path: Path) -> None:
    broken = {"dipy/_core.py": b"import no_such_library\n"}
    path = wheels.make_wheel(tmp_path, files=broken)
    (result,) = smoke_test_results([path], "python -c 'import dipy._core'")
    assert result.failure == "the command failed (exit code 1)"
    assert "No module named 'no_such_library'" in result.output
    with pytest.raises(FileError, match=r"1 of 1 smoke test failed") as caught:
        smoke_test.raise_if_failed([result])
    assert caught.value.details == (f"{path.name} with {result.interpreter}: {result.failure}",)


def test_wheel_with_a_missing_dependency(tmp_path: Path) -> None:
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
        "Requires-Python", "Requires-Dist: no-such-project\nRequires-Python"
    )
    path = wheels.make_wheel(tmp_path, metadata=metadata)
    (result,) = smoke_test_results([path], "python -c 'import dipy'")
    assert result.failure.startswith("could not install the wheel")
    assert "no-such-project" in result.output


def test_dependency_in_the_same_folder(tmp_path: Path) -> None:
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
        "Requires-Python", "Requires-Dist: helper\nRequires-Python"
    )
    path = wheels.make_wheel(tmp_path, metadata=metadata)
    wheels.make_wheel(tmp_path, "helper", "2.0")
    (result,) = smoke_test_results([path], "python -c 'import dipy, helper'")
    assert result.failure == "", result.output


@pytest.mark.parametrize("installer", ["uv", pytest.param("pip", marks=pytest.mark.slow)])
def test_wheels_of_one_python_share_an_environment(
    installer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if installer == "pip":
        monkeypatch.setattr(uv_command, "find_uv", lambda passed: None)
    elif shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    first = wheels.make_wheel(tmp_path, tag=f"{THIS}-none-any", files={"dipy/first.py": b""})
    second = wheels.make_wheel(tmp_path, files={"dipy/second.py": b""})
    # The module of the other wheel is gone, and the environment is the same.
    script = f"""
import os, sys, dipy
with open({str(tmp_path / "log")!r}, "a") as log:
    print(sys.prefix, file=log)
modules = os.listdir(os.path.dirname(dipy.__file__))
sys.exit(("first.py" in modules) == ("second.py" in modules))
"""
    results = smoke_test_results([first, second], shlex.join(["python", "-c", script]))
    assert [result.failure for result in results] == ["", ""], results
    assert [result.filename for result in results] == [first.name, second.name]
    prefixes = (tmp_path / "log").read_text().splitlines()
    assert len(prefixes) == 2
    assert len(set(prefixes)) == 1
    # After a failure, what the command left behind must not reach the next wheel.
    failed = smoke_test_results([first, second], "python -c 'import sys; print(sys.prefix); sys.exit(3)'")
    assert len({result.output.split()[0] for result in failed}) == 2


def test_pip_installs_if_uv_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "bin" / "log"
    log.parent.mkdir()
    fake = log.with_name("uv")
    fake.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" = --version ]\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{log.parent}{os.pathsep}{os.environ['PATH']}")
    path = wheels.make_wheel(tmp_path / "staged")
    (result,) = smoke_test_results([path], "python -c 'import dipy'")
    assert result.failure == "", result.output
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["--version", "venv", "pip", "pip"]


def test_command_runs_in_the_environment_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINE_PASSWORD", "hidden-1")
    monkeypatch.setenv("MY_API_TOKEN", "hidden-2")
    path = wheels.make_wheel(tmp_path)
    (result,) = smoke_test_results(
        [path], "python -c 'import os, sys; print(sys.prefix, os.environ); sys.exit(3)'"
    )
    assert result.failure == "the command failed (exit code 3)"
    assert "wheel-uploader-smoke-" in result.output
    assert "hidden" not in result.output


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("no-such-program", "the command failed (no-such-program: No such file or directory)"),
        ("python -c 'import os; os.kill(os.getpid(), 9)'", "the command failed (killed by SIGKILL)"),
    ],
)
def test_command_that_cannot_run(command: str, failure: str, tmp_path: Path) -> None:
    (result,) = smoke_test_results([wheels.make_wheel(tmp_path)], command)
    assert result.failure == failure


def test_command_that_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_test, "SMOKE_TIMEOUT", 2)
    (python,) = interpreters.find_interpreters()
    words = shlex.split("sh -c 'echo 1; sleep 600'")
    steps = [Step("the command failed", words, ChildKind.SMOKE_COMMAND)]
    environment = Environment(tmp_path / "environment", python)
    failure, output = smoke_test.run_steps(steps, SmokeTask(words, ()), environment)
    assert failure == "the command failed (timed out after 2 s)"
    assert output == "1\n"


def test_keeps_the_end_of_a_long_output(tmp_path: Path) -> None:
    (result,) = smoke_test_results(
        [wheels.make_wheel(tmp_path)], 'python -c \'print("x" * 99999, "end"); exit(1)\''
    )
    assert len(result.output) == smoke_test.KEPT_OUTPUT
    assert result.output.endswith("end\n")


@pytest.mark.parametrize("command", ["", "  ", "python -c 'unfinished"])
def test_invalid_command(command: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--smoke"):
        smoke_test_results([wheels.make_wheel(tmp_path)], command)


def test_no_compatible_wheel(tmp_path: Path) -> None:
    with pytest.raises(
        NothingFoundError, match="no wheel is compatible with a Python on this machine"
    ) as caught:
        smoke_test_results([wheels.make_wheel(tmp_path, tag="cp27-none-any")], "python -c pass")
    assert "CPython" in str(caught.value.hint) or "PyPy" in str(caught.value.hint)


# --- the interpreters ------------------------------------------------------------------------------


def test_interpreter_reports_the_tags_it_supports() -> None:
    (this,) = interpreters.find_interpreters()
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    fitting = filenames.parse_filename(f"dipy-1.11.0-{THIS}-none-any.whl")
    assert isinstance(fitting, WheelName)
    assert this.can_install(fitting)
    assert any(platform.partition("_")[0] in tag for tag in this.tags)
    assert this.version == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize(
    ("requires", "fits"), [("", True), (">=3.11", True), (">=3.13", False), ("nonsense", True)]
)
def test_interpreter_must_satisfy_requires_python(requires: str, fits: bool) -> None:
    python = Interpreter(name="CPython 3.12.1", path="p", version="3.12.1", tags=frozenset({"py3-none-any"}))
    wheel = filenames.parse_filename("dipy-1.11.0-py3-none-any.whl")
    assert isinstance(wheel, WheelName)
    assert python.can_install(wheel, requires) is fits


def test_uses_requires_python_of_the_wheel(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path)
    summary = FileSummary(
        name=filenames.parse_filename(path.name), size=1, metadata={"Requires-Python": (">=99",)}
    )
    with pytest.raises(NothingFoundError, match="no wheel is compatible"):
        smoke_test.run_smoke_tests([local_file(path)], [summary], "python -c pass", SilentProgress())


def test_finds_interpreters_of_path_pyenv_and_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    places = ("bin/python3.12", "pyenv/versions/3.13.0/bin/python3", "uv/cpython-3.14/bin/python3.14")
    for number, place in enumerate((*places, "bin/python3-config", "bin/python3.10")):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        # Versions that the Python of the test does not have, of which only one is used.
        info = f'{{"name": "CPython 3.{80 + number}.1", "version": "3.{80 + number}.1", "tags": ["a-b-c"]}}'
        path.write_text(f"#!/bin/sh\necho '{info}'\n" if number < 4 else "#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    others = interpreters.find_interpreters()[1:]
    assert [(each.name, Path(each.path)) for each in others] == [
        (f"CPython 3.{80 + number}.1", tmp_path / place) for number, place in enumerate(places)
    ]


def test_uses_one_interpreter_per_minor_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = sys.version_info
    newer = tmp_path / "python3"
    info = f"CPython {version[0]}.{version[1]}.{version[2] + 1}"
    newer.write_text(f"""#!/bin/sh\necho '{{"name": "{info}", "version": "1", "tags": []}}'\n""")
    newer.chmod(0o755)
    monkeypatch.setattr(interpreters, "_other_executables", lambda: iter([newer]))
    if sys.implementation.name == "cpython":
        assert len(interpreters.find_interpreters()) == 1


# --- output ----------------------------------------------------------------------------------------


def test_shows_a_failure_with_its_output() -> None:
    report = Report(Options(project="dipy", version="1.11.0", urls=("x",), smoke="python -c 'import dipy'"))
    report = dataclasses.replace(
        report,
        smoke_results=(
            SmokeResult(filename="a.whl", interpreter="CPython 3.13.1"),
            SmokeResult(
                filename="b.whl",
                interpreter="CPython 3.12.1",
                failure="it broke",
                output="one\n\x1b[31mtwo\n",
            ),
        ),
    )
    assert list(rehearsal_text.format_rehearsal(report)) == [
        "1 of 2 smoke tests passed: python -c 'import dipy'",
        "  b.whl with CPython 3.12.1: it broke",
        "    | one",
        "    | \\x1b[31mtwo",
    ]


def test_repr_of_an_interpreter_omits_its_tags() -> None:
    shown = Interpreter(name="CPython 3.13.1", path="p", version="3.13.1", tags=frozenset({"a-b-c"}))
    assert "a-b-c" not in f"{shown} {shown!r}"


def test_failed_smoke_test_stops_the_release(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    wheels.make_wheel(tmp_path / "staged", files={"dipy/_core.py": b"raise SystemExit(5)\n"})
    ended = CommandLine(tmp_path / "home").run(
        *("-u", tmp_path / "staged", "--repository-url", "http://127.0.0.1:9/", "--until", "check"),
        *("--smoke", "python -c 'import dipy._core'", "--no-compare", "dipy", "1.11.0"),
        PATH=str(tmp_path),
        PYENV_ROOT=str(tmp_path),
        UV_PYTHON_INSTALL_DIR=str(tmp_path),
        PIP_NO_INDEX="1",
    )
    assert ended.exit_code == 6, ended.stderr
    assert "1 of 1 smoke test failed" in ended.error_line
    assert "exit code 5" in ended.stdout

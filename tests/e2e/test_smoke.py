"""--smoke: wheels installed into fresh environments of real interpreters, and a command run there."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shlex
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import wheels
from tests.support.command_line import CommandLine
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, NothingFoundError, UsageError
from wheel_uploader.core.models import FileSummary, LocalFile, Options, Report, SmokeResult, WheelName
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.rehearsal import interpreters, smoke_test
from wheel_uploader.rehearsal.interpreters import Interpreter
from wheel_uploader.report.formats import rehearsal_text

THIS = f"cp{sys.version_info[0]}{sys.version_info[1]}"


@pytest.fixture(autouse=True)
def _one_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the tests alone: what else a machine has is its own affair."""
    monkeypatch.setattr(interpreters, "_other_executables", lambda: iter(()))
    # Nothing is to be fetched.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def local(path: Path) -> LocalFile:
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return LocalFile(name=filenames.parse_filename(path.name), path=path, size=len(content), sha256=sha256)


def tried(paths: Sequence[Path], command: str) -> tuple[SmokeResult, ...]:
    return smoke_test.run_smoke_tests([local(path) for path in paths], (), command, SilentProgress())


def test_a_wheel_that_works(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path, tag=f"{THIS}-none-any")
    other = wheels.make_wheel(tmp_path, tag="cp27-none-any")
    (trial,) = tried([path, other], "python -c 'import dipy; assert dipy.__version__ == \"1.11.0\"'")
    assert (trial.filename, trial.failure, trial.output) == (path.name, "", "")
    assert trial.interpreter.startswith(("CPython ", "PyPy "))
    smoke_test.raise_if_failed([trial])


@pytest.mark.parametrize("when", ["before it is installed", "while the command runs"])
def test_another_wheel_than_the_checked_one_is_not_tried(tmp_path: Path, when: str) -> None:
    path = wheels.make_wheel(tmp_path, tag=f"{THIS}-none-any")
    other = wheels.make_wheel(tmp_path / "other", tag=f"{THIS}-none-any", files={"dipy/new.py": b""})
    file = local(path)
    command = "python -c 'import dipy'"
    if when == "before it is installed":
        other.replace(path)
    else:
        command = shlex.join(["python", "-c", f"import os; os.replace({str(other)!r}, {str(path)!r})"])
    with pytest.raises(FileError, match="changed during the run"):
        smoke_test.run_smoke_tests([file], (), command, SilentProgress())


def test_a_wheelhouse_that_is_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = wheels.make_wheel(Path("wheelhouse"), tag=f"{THIS}-none-any")
    (trial,) = tried([path], "python -c 'import dipy'")
    assert trial.failure == "", trial.output


def test_a_wheel_that_does_not_import(tmp_path: Path) -> None:
    broken = {"dipy/_core.py": b"import no_such_library\n"}
    path = wheels.make_wheel(tmp_path, files=broken)
    (trial,) = tried([path], "python -c 'import dipy._core'")
    assert trial.failure == "the command failed (exit code 1)"
    assert "No module named 'no_such_library'" in trial.output
    with pytest.raises(FileError, match=r"1 of 1 smoke test failed") as caught:
        smoke_test.raise_if_failed([trial])
    assert caught.value.details == (f"{path.name} with {trial.interpreter}: {trial.failure}",)


def test_a_wheel_whose_dependency_is_nowhere(tmp_path: Path) -> None:
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
        "Requires-Python", "Requires-Dist: no-such-project\nRequires-Python"
    )
    path = wheels.make_wheel(tmp_path, metadata=metadata)
    (trial,) = tried([path], "python -c 'import dipy'")
    assert trial.failure.startswith("could not install the wheel")
    assert "no-such-project" in trial.output


def test_a_dependency_from_beside_the_wheel(tmp_path: Path) -> None:
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
        "Requires-Python", "Requires-Dist: helper\nRequires-Python"
    )
    path = wheels.make_wheel(tmp_path, metadata=metadata)
    wheels.make_wheel(tmp_path, "helper", "2.0")
    (trial,) = tried([path], "python -c 'import dipy, helper'")
    assert trial.failure == "", trial.output


def test_the_command_is_in_the_environment_and_gets_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINE_PASSWORD", "hidden-1")
    monkeypatch.setenv("MY_API_TOKEN", "hidden-2")
    path = wheels.make_wheel(tmp_path)
    (trial,) = tried([path], "python -c 'import os, sys; print(sys.prefix, os.environ); sys.exit(3)'")
    assert trial.failure == "the command failed (exit code 3)"
    assert "wheel-uploader-smoke-" in trial.output
    assert "hidden" not in trial.output


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("no-such-program", "the command failed (no-such-program: No such file or directory)"),
        ("python -c 'import os; os.kill(os.getpid(), 9)'", "the command failed (killed by SIGKILL)"),
    ],
)
def test_a_command_that_does_not_run(command: str, failure: str, tmp_path: Path) -> None:
    (trial,) = tried([wheels.make_wheel(tmp_path)], command)
    assert trial.failure == failure


def test_a_command_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wheels.make_wheel(tmp_path)
    assert tried([path], "python -c pass")[0].failure == ""
    monkeypatch.setattr(smoke_test, "SMOKE_TIMEOUT", 20)
    (trial,) = tried([path], "python -c 'import time; print(1, flush=True); time.sleep(600)'")
    assert trial.failure == "the command failed (timed out after 20 s)"
    assert trial.output == "1\n"


def test_a_long_output_is_kept_by_its_end(tmp_path: Path) -> None:
    (trial,) = tried([wheels.make_wheel(tmp_path)], 'python -c \'print("x" * 99999, "end"); exit(1)\'')
    assert len(trial.output) == smoke_test.KEPT_OUTPUT
    assert trial.output.endswith("end\n")


@pytest.mark.parametrize("command", ["", "  ", "python -c 'unfinished"])
def test_what_is_no_command(command: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--smoke"):
        tried([wheels.make_wheel(tmp_path)], command)


def test_no_wheel_fits(tmp_path: Path) -> None:
    with pytest.raises(
        NothingFoundError, match="no wheel is compatible with a Python on this machine"
    ) as caught:
        tried([wheels.make_wheel(tmp_path, tag="cp27-none-any")], "python -c pass")
    assert "CPython" in str(caught.value.hint) or "PyPy" in str(caught.value.hint)


# --- the interpreters ------------------------------------------------------------------------------


def test_an_interpreter_says_what_it_installs() -> None:
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
def test_an_interpreter_that_is_too_old_is_not_tried(requires: str, fits: bool) -> None:
    python = Interpreter(name="CPython 3.12.1", path="p", version="3.12.1", tags=frozenset({"py3-none-any"}))
    wheel = filenames.parse_filename("dipy-1.11.0-py3-none-any.whl")
    assert isinstance(wheel, WheelName)
    assert python.can_install(wheel, requires) is fits


def test_what_a_wheel_requires_is_known(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path)
    summary = FileSummary(
        name=filenames.parse_filename(path.name), size=1, metadata={"Requires-Python": (">=99",)}
    )
    with pytest.raises(NothingFoundError, match="no wheel is compatible"):
        smoke_test.run_smoke_tests([local(path)], [summary], "python -c pass", SilentProgress())


def test_interpreters_on_path_of_pyenv_and_of_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    places = ("bin/python3.12", "pyenv/versions/3.13.0/bin/python3", "uv/cpython-3.14/bin/python3.14")
    for number, place in enumerate((*places, "bin/python3-config", "bin/python3.10")):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        said = f'{{"name": "CPython 3.{12 + number}.1", "version": "3.{12 + number}.1", "tags": ["a-b-c"]}}'
        path.write_text(f"#!/bin/sh\necho '{said}'\n" if number < 4 else "#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    found = interpreters.find_interpreters()[1:]
    assert [(each.name, Path(each.path)) for each in found] == [
        (f"CPython 3.{12 + number}.1", tmp_path / place) for number, place in enumerate(places)
    ]


def test_one_of_each_minor_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = sys.version_info
    newer = tmp_path / "python3"
    said = f"CPython {version[0]}.{version[1]}.{version[2] + 1}"
    newer.write_text(f"""#!/bin/sh\necho '{{"name": "{said}", "version": "1", "tags": []}}'\n""")
    newer.chmod(0o755)
    monkeypatch.setattr(interpreters, "_other_executables", lambda: iter([newer]))
    if sys.implementation.name == "cpython":
        assert len(interpreters.find_interpreters()) == 1


# --- on the screen ---------------------------------------------------------------------------------


def test_a_failure_is_shown_with_its_output() -> None:
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


def test_an_interpreter_shows_its_name_only() -> None:
    shown = Interpreter(name="CPython 3.13.1", path="p", version="3.13.1", tags=frozenset({"a-b-c"}))
    assert "a-b-c" not in f"{shown} {shown!r}"


def test_a_release_that_fails_is_not_published(tmp_path: Path) -> None:
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

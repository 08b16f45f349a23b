"""``--smoke``: installs each wheel for each compatible Python in a fresh environment and runs a command."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wheel_uploader import child_processes, pip
from wheel_uploader.child_environment import Kind, environment, without_logins
from wheel_uploader.child_outcome import CannotStart, Output, describe
from wheel_uploader.child_scope import Scope
from wheel_uploader.display import counted, redact
from wheel_uploader.errors import FileError, NothingFoundError
from wheel_uploader.models import FileSummary, LocalFile, Trial, WheelName
from wheel_uploader.models.option_rules import smoke_words
from wheel_uploader.progress import Progress
from wheel_uploader.smoke import interpreters
from wheel_uploader.smoke.interpreters import Interpreter
from wheel_uploader.verified_file import VerifiedFile

#: Seconds for an installation, which may have to build a dependency, and for the command.
LIMIT = 1800
#: Characters kept from the end of the output of a failure.
KEPT = 4000
#: Characters at the end of the output that are searched for secrets, which may start before the kept part.
_SEARCHED = 16 * KEPT


@dataclass(frozen=True, slots=True)
class _Task:
    """The command of the smoke test, and the extra environment variables that it gets."""

    words: list[str]
    passed: tuple[str, ...]
    scope: Scope = field(default_factory=Scope)


def run_all(
    files: Sequence[LocalFile],
    summaries: Iterable[FileSummary],
    command: str,
    progress: Progress,
    *,
    passed: Sequence[str] = (),
) -> tuple[Trial, ...]:
    """Test every wheel with every compatible interpreter in parallel, and return one Trial for each pair.

    Compatible means by its tags and its Requires-Python, which is taken from ``summaries``. ``passed`` names
    environment variables that pip and the command get in addition.

    Dependencies are installed from the configured index of pip and from the folder of the wheels. Raises
    UsageError for an invalid command, NothingFoundError if no wheel is compatible with an interpreter.
    """
    task = _Task(smoke_words(command), tuple(passed))
    pip.require("--smoke")
    pythons = interpreters.found()
    wheels = [(file, file.name) for file in files if isinstance(file.name, WheelName)]
    requires = {it.name.filename: it.metadata.get("Requires-Python", ()) for it in summaries}
    pairs = [
        (file, python)
        for file, name in wheels
        for python in pythons
        if python.installs(name, "".join(requires.get(file.filename, ())))
    ]
    if not pairs:
        available = ", ".join(map(str, pythons)) or "none"
        raise NothingFoundError(
            "no wheel is compatible with a Python on this machine, so nothing could be tested",
            hint=f"Pythons found: {available}. Install a compatible one, or omit --smoke.",
        )
    tested = ", ".join(sorted({str(python) for _, python in pairs}))
    progress.say(f"smoke: {counted(len(pairs), 'test')} with {tested}")
    _report_withheld_variables(task, progress)
    with progress.steps("smoke tests done", count=len(pairs)) as bar:

        def test(pair: tuple[LocalFile, Interpreter]) -> Trial:
            trial = _test(*pair, task, progress)
            bar.advance(1)
            return trial

        return tuple(task.scope.map(test, pairs))


def _report_withheld_variables(task: _Task, progress: Progress) -> None:
    names = [name for name in without_logins(Kind.PIP) if name not in task.passed]
    if names:
        progress.say(
            f"smoke: withholding credentials in {', '.join(names)} from pip and the command; to pass a "
            f"variable, use --smoke-env {names[0]}"
        )


def stop_if_failed(trials: Sequence[Trial]) -> None:
    """Raise FileError if a smoke test failed; the report contains the output."""
    failed = [trial for trial in trials if trial.failure]
    if failed:
        raise FileError(
            f"{len(failed)} of {counted(len(trials), 'smoke test')} failed",
            details=[f"{trial.filename} with {trial.interpreter}: {trial.failure}" for trial in failed],
        )


def _test(file: LocalFile, python: Interpreter, task: _Task, progress: Progress) -> Trial:
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-smoke-", ignore_cleanup_errors=True) as folder:
        failure, output = _failure(file, python, task, Path(folder))
    # Raises if the file has changed, because then the result would say nothing about the release.
    VerifiedFile(file.path, file.sha256).close()
    seconds = time.monotonic() - started_at
    progress.detail(f"smoke: {file.filename} with {python}: {failure or 'passed'} ({seconds:.1f} s)")
    return Trial(
        filename=file.filename, interpreter=str(python), failure=failure, output=output, seconds=seconds
    )


def _failure(file: LocalFile, python: Interpreter, task: _Task, folder: Path) -> tuple[str, str]:
    """Return why the smoke test failed, and its output; both are empty if it passed."""
    scripts = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    environment_python = str(scripts / ("python.exe" if os.name == "nt" else "python"))
    # Using this pip saves seconds, unless it is too new for the interpreter.
    use_own_pip = pip.runs_on(python.version)
    make = [python.path, "-m", "venv", *(["--without-pip"] if use_own_pip else []), str(scripts.parent)]
    install = [*pip.COMMAND, "--python"] if use_own_pip else []
    install += [environment_python] if use_own_pip else [environment_python, "-m", "pip"]
    install += ["install", "--no-input", "--quiet", "--disable-pip-version-check"]
    # Absolute, because pip runs in another working directory.
    wheel = file.path.absolute()
    # pip verifies the hash, so that the tested file is the checked one.
    install += ["--find-links", str(wheel.parent), f"{wheel.as_uri()}#sha256={file.sha256}"]
    steps = (
        ("could not create an environment", make, Kind.PYTHON),
        ("could not install the wheel", install, Kind.PIP),
        ("the command failed", task.words, Kind.COMMAND),
    )
    (folder / "work").mkdir()
    for failure, command, kind in steps:
        ended, output = _run(command, kind, task, scripts)
        if ended:
            return f"{failure} ({ended})", output
    return "", ""


def _run(command: list[str], kind: Kind, task: _Task, scripts: Path) -> tuple[str, str]:
    """Return how a command failed, or an empty string, and the end of its output."""
    passed = () if kind is Kind.PYTHON else task.passed
    path = os.pathsep.join([str(scripts), environment(kind, passed).get("PATH", os.defpath)])
    try:
        done = child_processes.run(
            command,
            kind,
            seconds=LIMIT,
            merged=True,
            variables={"PATH": path, "VIRTUAL_ENV": str(scripts.parent)},
            passed=passed,
            cwd=scripts.parents[1] / "work",
            scope=task.scope,
        )
    except CannotStart as error:
        return str(error), ""
    ended = f"timed out after {LIMIT} s" if done.timed_out else describe(done.status) if done.status else ""
    return ended, _end_of(done.output)


def _end_of(output: Output) -> str:
    return redact(output.text()[-_SEARCHED:])[-KEPT:]

"""``--smoke``: each wheel that fits a Python of this machine, installed on its own, and a command run."""

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
#: Characters of the output that are kept of a failure: its end says what happened.
KEPT = 4000
#: Characters from the end of the output that are searched for secrets; one may begin before what is kept.
_SEARCHED = 16 * KEPT


@dataclass(frozen=True, slots=True)
class _Task:
    """What is tried with each wheel: the command, and the variables that it gets in addition."""

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
    """Try every wheel with every interpreter that it fits, several at once; one Trial for each pair.

    It fits if its tags and its Requires-Python, taken from ``summaries``, say so. ``passed`` names variables
    of the environment that pip and the command get in addition.

    Dependencies come from where pip is configured to find them, and from beside the wheels. Raises UsageError
    for a command that is none, NothingFoundError when no wheel fits an interpreter.
    """
    task = _Task(smoke_words(command), tuple(passed))
    pip.require("--smoke")
    pythons = interpreters.found()
    wheels = [(file, file.name) for file in files if isinstance(file.name, WheelName)]
    stated = {each.name.filename: each.metadata.get("Requires-Python", ()) for each in summaries}
    pairs = [
        (file, python)
        for file, name in wheels
        for python in pythons
        if python.installs(name, "".join(stated.get(file.filename, ())))
    ]
    if not pairs:
        has = ", ".join(map(str, pythons)) or "none"
        raise NothingFoundError(
            "none of the wheels fits a Python of this machine, so nothing could be tried",
            hint=f"The Pythons found here: {has}. Install one that is fitting, or leave --smoke out.",
        )
    chosen = ", ".join(sorted({str(each) for _, each in pairs}))
    progress.say(f"smoke: {counted(len(pairs), 'trial')} with {chosen}")
    _say_what_is_held_back(task, progress)
    with progress.steps("trials done", count=len(pairs)) as bar:

        def tried(pair: tuple[LocalFile, Interpreter]) -> Trial:
            trial = _tried(*pair, task, progress)
            bar.advance(1)
            return trial

        return tuple(task.scope.map(tried, pairs))


def _say_what_is_held_back(task: _Task, progress: Progress) -> None:
    names = [name for name in without_logins(Kind.PIP) if name not in task.passed]
    if names:
        progress.say(
            f"smoke: pip and the command do not get the credentials in {', '.join(names)}; "
            f"--smoke-env {names[0]} passes the variable on unchanged"
        )


def stop_if_failed(trials: Sequence[Trial]) -> None:
    """Raise FileError with what failed, if anything did; the report has the output."""
    failed = [trial for trial in trials if trial.failure]
    if failed:
        raise FileError(
            f"{len(failed)} of {counted(len(trials), 'trial')} of --smoke failed",
            details=[f"{trial.filename} with {trial.interpreter}: {trial.failure}" for trial in failed],
        )


def _tried(file: LocalFile, python: Interpreter, task: _Task, progress: Progress) -> Trial:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-smoke-", ignore_cleanup_errors=True) as folder:
        failure, output = _failure(file, python, task, Path(folder))
    # Raises if it is another file by now, which would explain any failure and make success worthless.
    VerifiedFile(file.path, file.sha256).close()
    seconds = time.monotonic() - begun
    progress.detail(f"smoke: {file.filename} with {python}: {failure or 'works'} ({seconds:.1f} s)")
    return Trial(
        filename=file.filename, interpreter=str(python), failure=failure, output=output, seconds=seconds
    )


def _failure(file: LocalFile, python: Interpreter, task: _Task, folder: Path) -> tuple[str, str]:
    """Return why the command failed with the wheel installed, and what was printed; empty if it worked."""
    scripts = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    inside = str(scripts / ("python.exe" if os.name == "nt" else "python"))
    # Our pip is at hand and saves seconds; one that is too new for an old Python is not.
    ours = pip.runs_on(python.version)
    make = [python.path, "-m", "venv", *(["--without-pip"] if ours else []), str(scripts.parent)]
    install = [*pip.COMMAND, "--python", inside] if ours else [inside, "-m", "pip"]
    install += ["install", "--no-input", "--quiet", "--disable-pip-version-check"]
    # It is not installed from the folder that the wheelhouse was named in.
    wheel = file.path.absolute()
    # pip compares the hash itself: what is tried is what was checked.
    install += ["--find-links", str(wheel.parent), f"{wheel.as_uri()}#sha256={file.sha256}"]
    steps = (
        ("no environment could be made", make, Kind.PYTHON),
        ("it could not be installed", install, Kind.PIP),
        ("the command failed", task.words, Kind.COMMAND),
    )
    (folder / "work").mkdir()
    for failure, command, kind in steps:
        ended, output = _run(command, kind, task, scripts)
        if ended:
            return f"{failure} ({ended})", output
    return "", ""


def _run(command: list[str], kind: Kind, task: _Task, scripts: Path) -> tuple[str, str]:
    """Return how a command ended, if it failed, and the end of what it printed."""
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
    ended = f"it took more than {LIMIT} s" if done.timed_out else describe(done.status) if done.status else ""
    return ended, _end_of(done.output)


def _end_of(output: Output) -> str:
    return redact(output.text()[-_SEARCHED:])[-KEPT:]

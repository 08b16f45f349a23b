"""``--smoke``: each wheel that fits a Python of this machine, installed on its own, and a command run."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wheel_uploader import pip
from wheel_uploader.display import counted
from wheel_uploader.errors import FileError, NothingFoundError, UsageError
from wheel_uploader.models import FileSummary, LocalFile, Trial, WheelName
from wheel_uploader.progress import Progress
from wheel_uploader.smoke import interpreters
from wheel_uploader.smoke.interpreters import Interpreter
from wheel_uploader.verified_file import VerifiedFile

#: Seconds for an installation, which may have to build a dependency, and for the command.
LIMIT = 1800
#: Characters of the output that are kept of a failure: its end says what happened.
KEPT = 4000


def run_all(
    files: Sequence[LocalFile], summaries: Iterable[FileSummary], command: str, progress: Progress
) -> tuple[Trial, ...]:
    """Try every wheel with every interpreter that it fits, several at once; one Trial for each pair.

    It fits where its tags and its Requires-Python, of which ``summaries`` know, say so.

    Dependencies come from where pip is configured to find them, and from beside the wheels. Raises UsageError
    for a command that is none, NothingFoundError when no wheel fits an interpreter.
    """
    words = _words(command)
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
    with (
        progress.steps("trials done", count=len(pairs)) as bar,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):

        def tried(pair: tuple[LocalFile, Interpreter]) -> Trial:
            trial = _tried(*pair, words, progress)
            bar.advance(1)
            return trial

        return tuple(pool.map(tried, pairs))


def stop_if_failed(trials: Sequence[Trial]) -> None:
    """Raise FileError with what failed, if anything did; the report has the output."""
    failed = [trial for trial in trials if trial.failure]
    if failed:
        raise FileError(
            f"{len(failed)} of {counted(len(trials), 'trial')} of --smoke failed",
            details=[f"{trial.filename} with {trial.interpreter}: {trial.failure}" for trial in failed],
        )


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--smoke cannot be read as a command: {error}") from None
    if not words:
        raise UsageError("--smoke has no command", hint="For example: --smoke \"python -c 'import dipy'\"")
    return words


def _tried(file: LocalFile, python: Interpreter, words: list[str], progress: Progress) -> Trial:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-smoke-", ignore_cleanup_errors=True) as folder:
        failure, output = _failure(file, python, words, Path(folder))
    # Raises if it is another file by now, which would explain any failure and make success worthless.
    VerifiedFile(file.path, file.sha256).close()
    seconds = time.monotonic() - begun
    progress.detail(f"smoke: {file.filename} with {python}: {failure or 'works'} ({seconds:.1f} s)")
    return Trial(
        filename=file.filename, interpreter=str(python), failure=failure, output=output, seconds=seconds
    )


def _failure(file: LocalFile, python: Interpreter, words: list[str], folder: Path) -> tuple[str, str]:
    """Why the command did not work where the wheel is installed, and what was printed; empty if it did."""
    scripts = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    environment = _environment(scripts)
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
        ("no environment could be made", make),
        ("it could not be installed", install),
        ("the command failed", words),
    )
    (folder / "work").mkdir()
    for failure, command in steps:
        status, output = _run(command, folder / "work", environment)
        if status:
            return f"{failure} ({status})", output[-KEPT:]
    return "", ""


def _run(command: list[str], where: Path, environment: dict[str, str]) -> tuple[str, str]:
    """How a command ended, if not well, and what it printed."""
    try:
        with subprocess.Popen(
            command,
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                _end(process)
                output, _ = process.communicate()
                return f"it took more than {LIMIT} s", output
    except OSError as error:
        return f"{command[0]}: {error.strerror}", ""
    if process.returncode < 0:
        return f"killed by {signal.Signals(-process.returncode).name}", output
    return f"exit code {process.returncode}" if process.returncode else "", output


def _end(process: subprocess.Popen[str]) -> None:
    """End a command and what it started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _environment(scripts: Path) -> dict[str, str]:
    kept = pip.environment()
    path = os.pathsep.join([str(scripts), kept.get("PATH", os.defpath)])
    return kept | {"PATH": path, "VIRTUAL_ENV": str(scripts.parent)}

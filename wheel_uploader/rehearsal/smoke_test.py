"""``--smoke``: installs each wheel for each compatible Python in a fresh environment and runs a command."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind, build_environment, list_filtered_names
from wheel_uploader.core.child_processes.outcome import CapturedOutput, ChildStartError, describe_exit_status
from wheel_uploader.core.child_processes.scope import ChildScope
from wheel_uploader.core.errors import FileError, NothingFoundError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import FileSummary, LocalFile, SmokeResult, WheelName
from wheel_uploader.core.models.option_rules import split_smoke_command
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import redact_secrets
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.rehearsal import interpreters, pip_command
from wheel_uploader.rehearsal.interpreters import Interpreter

#: Seconds for an installation, which may have to build a dependency, and for the command.
SMOKE_TIMEOUT = 1800
#: Characters kept from the end of the output of a failure.
KEPT_OUTPUT = 4000
#: Characters at the end of the output that are searched for secrets, which may start before the kept part.
_SEARCHED = 16 * KEPT_OUTPUT


@dataclass(frozen=True, slots=True)
class _Task:
    """The command of the smoke test, and the extra environment variables that it gets."""

    words: list[str]
    passed: tuple[str, ...]
    scope: ChildScope = field(default_factory=ChildScope)


def run_smoke_tests(
    files: Sequence[LocalFile],
    summaries: Iterable[FileSummary],
    command: str,
    progress: Progress,
    *,
    passed_variables: Sequence[str] = (),
) -> tuple[SmokeResult, ...]:
    """Test every wheel with every compatible interpreter in parallel, and return a result for each pair.

    Compatible means by its tags and its Requires-Python, which is taken from ``summaries``.
    ``passed_variables`` names environment variables that pip and the command get in addition.

    Dependencies are installed from the configured index of pip and from the folder of the wheels. Raises
    UsageError for an invalid command, NothingFoundError if no wheel is compatible with an interpreter.
    """
    task = _Task(split_smoke_command(command), tuple(passed_variables))
    pip_command.require_pip("--smoke")
    pythons = interpreters.find_interpreters()
    wheels = [(file, file.name) for file in files if isinstance(file.name, WheelName)]
    requires = {it.name.filename: it.metadata.get("Requires-Python", ()) for it in summaries}
    pairs = [
        (file, python)
        for file, name in wheels
        for python in pythons
        if python.can_install(name, "".join(requires.get(file.filename, ())))
    ]
    if not pairs:
        available = ", ".join(map(str, pythons)) or "none"
        raise NothingFoundError(
            "no wheel is compatible with a Python on this machine, so nothing could be tested",
            hint=f"Pythons found: {available}. Install a compatible one, or omit --smoke.",
        )
    tested = ", ".join(sorted({str(python) for _, python in pairs}))
    progress.info(f"smoke: {format_count(len(pairs), 'test')} with {tested}")
    _report_withheld_variables(task, progress)
    with progress.counter("smoke tests done", count=len(pairs)) as bar:

        def test(pair: tuple[LocalFile, Interpreter]) -> SmokeResult:
            trial = _test(*pair, task, progress)
            bar.advance(1)
            return trial

        return tuple(task.scope.map_in_threads(test, pairs))


def _report_withheld_variables(task: _Task, progress: Progress) -> None:
    names = [name for name in list_filtered_names(ChildKind.PIP) if name not in task.passed]
    if names:
        progress.info(
            f"smoke: withholding credentials in {', '.join(names)} from pip and the command; to pass a "
            f"variable, use --smoke-env {names[0]}"
        )


def raise_if_failed(trials: Sequence[SmokeResult]) -> None:
    """Raise FileError if a smoke test failed; the report contains the output."""
    failed = [trial for trial in trials if trial.failure]
    if failed:
        raise FileError(
            f"{len(failed)} of {format_count(len(trials), 'smoke test')} failed",
            details=[f"{trial.filename} with {trial.interpreter}: {trial.failure}" for trial in failed],
        )


def _test(file: LocalFile, python: Interpreter, task: _Task, progress: Progress) -> SmokeResult:
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-smoke-", ignore_cleanup_errors=True) as folder:
        failure, output = _failure(file, python, task, Path(folder))
    # Raises if the file has changed, because then the result would say nothing about the release.
    VerifiedFile(file.path, file.sha256).close()
    seconds = time.monotonic() - started_at
    progress.debug(f"smoke: {file.filename} with {python}: {failure or 'passed'} ({seconds:.1f} s)")
    return SmokeResult(
        filename=file.filename, interpreter=str(python), failure=failure, output=output, seconds=seconds
    )


def _failure(file: LocalFile, python: Interpreter, task: _Task, folder: Path) -> tuple[str, str]:
    """Return why the smoke test failed, and its output; both are empty if it passed."""
    scripts = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    environment_python = str(scripts / ("python.exe" if os.name == "nt" else "python"))
    # Using this pip saves seconds, unless it is too new for the interpreter.
    use_own_pip = pip_command.pip_supports(python.version)
    make = [python.path, "-m", "venv", *(["--without-pip"] if use_own_pip else []), str(scripts.parent)]
    install = [*pip_command.PIP_COMMAND, "--python"] if use_own_pip else []
    install += [environment_python] if use_own_pip else [environment_python, "-m", "pip"]
    install += ["install", "--no-input", "--quiet", "--disable-pip-version-check"]
    # Absolute, because pip runs in another working directory.
    wheel = file.path.absolute()
    # pip verifies the hash, so that the tested file is the checked one.
    install += ["--find-links", str(wheel.parent), f"{wheel.as_uri()}#sha256={file.sha256}"]
    steps = (
        ("could not create an environment", make, ChildKind.PYTHON),
        ("could not install the wheel", install, ChildKind.PIP),
        ("the command failed", task.words, ChildKind.SMOKE_COMMAND),
    )
    (folder / "work").mkdir()
    for failure, command, kind in steps:
        ended, output = _run(command, kind, task, scripts)
        if ended:
            return f"{failure} ({ended})", output
    return "", ""


def _run(command: list[str], kind: ChildKind, task: _Task, scripts: Path) -> tuple[str, str]:
    """Return how a command failed, or an empty string, and the end of its output."""
    passed = () if kind is ChildKind.PYTHON else task.passed
    path = os.pathsep.join([str(scripts), build_environment(kind, passed).get("PATH", os.defpath)])
    try:
        done = child_process.run_child(
            command,
            kind,
            timeout=SMOKE_TIMEOUT,
            merge_stderr=True,
            variables={"PATH": path, "VIRTUAL_ENV": str(scripts.parent)},
            extra_names=passed,
            cwd=scripts.parents[1] / "work",
            scope=task.scope,
        )
    except ChildStartError as error:
        return str(error), ""
    ended = (
        f"timed out after {SMOKE_TIMEOUT} s"
        if done.timed_out
        else describe_exit_status(done.exit_status)
        if done.exit_status
        else ""
    )
    return ended, _end_of(done.output)


def _end_of(output: CapturedOutput) -> str:
    return redact_secrets(output.text()[-_SEARCHED:])[-KEPT_OUTPUT:]

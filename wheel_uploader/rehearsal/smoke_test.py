"""``--smoke``: installs each wheel for each compatible Python in a fresh environment and runs a command."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind, build_environment, list_filtered_names
from wheel_uploader.core.child_processes.outcome import CapturedOutput, ChildStartError, describe_exit_status
from wheel_uploader.core.child_processes.scope import ChildScope
from wheel_uploader.core.errors import FileError, NothingFoundError
from wheel_uploader.core.formatting import format_count, format_duration
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
class SmokeTask:
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
    task = SmokeTask(split_smoke_command(command), tuple(passed_variables))
    pip_command.require_pip("--smoke")
    pairs = find_compatible_pairs(files, summaries)
    tested = ", ".join(sorted({str(python) for _, python in pairs}))
    progress.info(f"smoke: {format_count(len(pairs), 'test')} with {tested}")
    _report_withheld_variables(task, progress)
    with progress.counter("smoke tests done", count=len(pairs)) as bar:

        def test(pair: tuple[LocalFile, Interpreter]) -> SmokeResult:
            trial = _test(*pair, task, progress)
            bar.advance(1)
            return trial

        return tuple(task.scope.map_in_threads(test, pairs))


def find_compatible_pairs(
    files: Sequence[LocalFile], summaries: Iterable[FileSummary]
) -> list[tuple[LocalFile, Interpreter]]:
    """Return each wheel with each Python of this machine that can install it.

    Raises NothingFoundError if there is none.
    """
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
    return pairs


def _report_withheld_variables(task: SmokeTask, progress: Progress) -> None:
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


def _test(file: LocalFile, python: Interpreter, task: SmokeTask, progress: Progress) -> SmokeResult:
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-smoke-", ignore_cleanup_errors=True) as folder:
        failure, output = _failure(file, python, task, Path(folder))
    # Raises if the file has changed, because then the result would say nothing about the release.
    VerifiedFile(file.path, file.sha256).close()
    seconds = time.monotonic() - started_at
    progress.debug(
        f"smoke: {file.filename} with {python}: {failure or 'passed'} ({format_duration(seconds)})"
    )
    return SmokeResult(
        filename=file.filename, interpreter=str(python), failure=failure, output=output, seconds=seconds
    )


def _failure(file: LocalFile, python: Interpreter, task: SmokeTask, folder: Path) -> tuple[str, str]:
    """Return why the smoke test failed, and its output; both are empty if it passed."""
    environment = Environment(folder / "environment")
    # Absolute, because pip runs in another working directory.
    wheel = file.path.absolute()
    install = environment.pip_install(python)
    # pip verifies the hash, so that the tested file is the checked one.
    install += ["--find-links", str(wheel.parent), f"{wheel.as_uri()}#sha256={file.sha256}"]
    steps = (
        Step("could not create an environment", environment.make_command(python), ChildKind.PYTHON),
        Step("could not install the wheel", install, ChildKind.PIP),
        Step("the command failed", task.words, ChildKind.SMOKE_COMMAND),
    )
    return run_steps(steps, task, environment)


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment at ``folder``."""

    folder: Path

    @property
    def scripts(self) -> Path:
        """The folder of its programs."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> str:
        """The path of its Python."""
        return str(self.scripts / ("python.exe" if os.name == "nt" else "python"))

    def make_command(self, python: Interpreter) -> list[str]:
        """Return the command that creates it."""
        # Using the pip of this Python saves seconds, unless it is too new for the interpreter.
        without_pip = ["--without-pip"] if pip_command.pip_supports(python.version) else []
        return [python.path, "-m", "venv", *without_pip, str(self.folder)]

    def pip_install(self, python: Interpreter) -> list[str]:
        """Return the start of a command that installs into it."""
        use_own_pip = pip_command.pip_supports(python.version)
        pip = [*pip_command.PIP_COMMAND, "--python"] if use_own_pip else []
        pip += [self.python] if use_own_pip else [self.python, "-m", "pip"]
        return [*pip, "install", "--no-input", "--quiet", "--disable-pip-version-check"]


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a smoke test."""

    #: The words for its failure.
    failure: str
    command: list[str]
    kind: ChildKind
    #: Environment variables that replace inherited ones.
    variables: Mapping[str, str] = field(default_factory=dict)


def run_steps(steps: Iterable[Step], task: SmokeTask, environment: Environment) -> tuple[str, str]:
    """Run the commands in an empty folder next to the environment, up to the first that fails.

    Return why it failed, and its output; both are empty if all succeeded.
    """
    (environment.folder.parent / "work").mkdir()
    for step in steps:
        ended, output = _run(step, task, environment)
        if ended:
            return f"{step.failure} ({ended})", output
    return "", ""


def _run(step: Step, task: SmokeTask, environment: Environment) -> tuple[str, str]:
    """Return how a command failed, or an empty string, and the end of its output."""
    kind, scripts = step.kind, environment.scripts
    passed = () if kind is ChildKind.PYTHON else task.passed
    path = os.pathsep.join([str(scripts), build_environment(kind, passed).get("PATH", os.defpath)])
    try:
        done = child_process.run_child(
            step.command,
            kind,
            timeout=SMOKE_TIMEOUT,
            merge_stderr=True,
            variables={"PATH": path, "VIRTUAL_ENV": str(environment.folder), **step.variables},
            extra_names=passed,
            cwd=environment.folder.parent / "work",
            scope=task.scope,
        )
    except ChildStartError as error:
        return str(error), ""
    ended = (
        f"timed out after {format_duration(SMOKE_TIMEOUT)}"
        if done.timed_out
        else describe_exit_status(done.exit_status)
        if done.exit_status
        else ""
    )
    return ended, _end_of(done.output)


def _end_of(output: CapturedOutput) -> str:
    return redact_secrets(output.text()[-_SEARCHED:])[-KEPT_OUTPUT:]

"""``--smoke``: installs each wheel for each compatible Python in an environment and runs a command."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind, build_environment, list_filtered_names
from wheel_uploader.core.child_processes.outcome import CapturedOutput, ChildStartError, describe_exit_status
from wheel_uploader.core.child_processes.scope import ChildScope
from wheel_uploader.core.errors import FileError, NothingFoundError
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import FileSummary, LocalFile, SmokeResult, WheelName
from wheel_uploader.core.models.option_rules import split_smoke_command
from wheel_uploader.core.progress import Progress, ProgressCounter
from wheel_uploader.core.redaction import redact_secrets
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.rehearsal import interpreters, pip_command, uv_command
from wheel_uploader.rehearsal.interpreters import Interpreter
from wheel_uploader.rehearsal.uv_command import Uv

#: A wheel and an interpreter that can install it.
Pair = tuple[LocalFile, Interpreter]

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
    #: None if uv is not installed: then pip installs everything.
    uv: Uv | None = None
    scope: ChildScope = field(default_factory=ChildScope)


def run_smoke_tests(
    files: Sequence[LocalFile],
    summaries: Iterable[FileSummary],
    command: str,
    progress: Progress,
    *,
    passed_variables: Sequence[str] = (),
) -> tuple[SmokeResult, ...]:
    """Test every wheel with every compatible interpreter, and return a result for each pair.

    The interpreters are used in parallel, each with one environment for all wheels that require the same.

    Compatible means by its tags and its Requires-Python, which is taken from ``summaries``.
    ``passed_variables`` names environment variables that pip and the command get in addition.

    Dependencies are installed from the configured index of pip and from the folder of the wheels. Raises
    UsageError for an invalid command, NothingFoundError if no wheel is compatible with an interpreter.
    """
    words = split_smoke_command(command)
    pip_command.require_pip("--smoke")
    pairs = find_compatible_pairs(files, summaries)
    task = SmokeTask(words, tuple(passed_variables), uv_command.find_uv(passed_variables))
    tested = ", ".join(sorted({str(python) for _, python in pairs}))
    installer = "uv" if task.uv and task.uv.settings else "uv and pip" if task.uv else "pip"
    progress.info(f"smoke: {format_count(len(pairs), 'test')} with {tested}, installed by {installer}")
    _report_withheld_variables(task, progress)
    groups = _group_by_environment(pairs, summaries)
    with progress.counter("smoke tests done", count=len(pairs)) as bar:

        def test(group: Sequence[Pair]) -> dict[Pair, SmokeResult]:
            return _test_in_one_environment(group, task, progress, bar)

        results = task.scope.map_in_threads(test, groups)
    by_pair = {pair: result for group in results for pair, result in group.items()}
    return tuple(by_pair[pair] for pair in pairs)


def _group_by_environment(pairs: Iterable[Pair], summaries: Iterable[FileSummary]) -> list[list[Pair]]:
    """Return the pairs that can share an environment: the same Python, and the same required projects."""
    requires = {it.name.filename: it.metadata.get("Requires-Dist", ()) for it in summaries}
    groups: dict[tuple[str, tuple[str, ...]], list[Pair]] = {}
    for file, python in pairs:
        groups.setdefault((python.path, tuple(requires.get(file.filename, ()))), []).append((file, python))
    return list(groups.values())


def find_compatible_pairs(files: Sequence[LocalFile], summaries: Iterable[FileSummary]) -> list[Pair]:
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


def _test_in_one_environment(
    pairs: Iterable[Pair], task: SmokeTask, progress: Progress, bar: ProgressCounter
) -> dict[Pair, SmokeResult]:
    """Test wheels one after another with the same Python, in a new environment after each failure."""
    results: dict[Pair, SmokeResult] = {}
    with contextlib.ExitStack() as stack:
        environment: Environment | None = None
        for file, python in pairs:
            started_at = time.monotonic()
            is_new = environment is None
            environment = environment or stack.enter_context(temporary_environment(python, task))
            failure, output = run_steps(
                _make_steps(file, task, environment, is_new=is_new), task, environment
            )
            # Raises if the file has changed, because then the result would say nothing about the release.
            VerifiedFile(file.path, file.sha256).close()
            environment = None if failure else environment
            seconds = time.monotonic() - started_at
            progress.debug(
                f"smoke: {file.filename} with {python}: {failure or 'passed'} ({format_duration(seconds)})"
            )
            results[file, python] = SmokeResult(
                filename=file.filename,
                interpreter=str(python),
                failure=failure,
                output=output,
                seconds=seconds,
            )
            bar.advance(1)
    return results


def _make_steps(
    file: LocalFile, task: SmokeTask, environment: Environment, *, is_new: bool
) -> Iterator[Step]:
    """Yield the steps to test a wheel; in an environment that is not new it replaces another wheel."""
    # Absolute, because the installers run in another working directory.
    wheel = file.path.absolute()
    # pip and uv verify the hash, so that the tested file is the checked one.
    url = f"{wheel.as_uri()}#sha256={file.sha256}"
    if is_new:
        yield environment.creation()
    with_pip = Step(
        _INSTALL_FAILURE,
        [*environment.pip_install(), "--find-links", str(wheel.parent), url],
        ChildKind.PIP,
    )
    replace_with_pip = Step(
        _INSTALL_FAILURE, [*environment.pip_install(), "--no-deps", "--force-reinstall", url], ChildKind.PIP
    )
    if environment.uv:
        requirements = environment.folder.parent / f"{file.filename}.txt"
        requirements.write_text(f"{file.name.project} @ {wheel.as_uri()} --hash=sha256:{file.sha256}\n")
        command = [*environment.uv.install(environment.python), "--no-cache", "--no-deps", "--reinstall"]
        command += ["--require-hashes", "--requirement", str(requirements)]
        yield Step(_INSTALL_FAILURE, command, ChildKind.PIP, alternative=replace_with_pip)
    elif not is_new:
        yield replace_with_pip
    requirement = f"{file.name.project}=={file.name.version}"
    yield environment.dependencies(requirement, wheel.parent, with_pip)
    yield Step("the command failed", task.words, ChildKind.SMOKE_COMMAND)


_INSTALL_FAILURE = "could not install the wheel"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment at ``folder``, for ``interpreter``."""

    folder: Path
    interpreter: Interpreter
    #: None: pip installs everything.
    uv: Uv | None = None

    @property
    def scripts(self) -> Path:
        """The folder of its programs."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> str:
        """The path of its Python."""
        return str(self.scripts / ("python.exe" if os.name == "nt" else "python"))

    def creation(self) -> Step:
        """Return the step that creates it."""
        # Using the pip of this Python saves seconds, unless it is too new for the interpreter.
        without_pip = ["--without-pip"] if pip_command.pip_supports(self.interpreter.version) else []
        command = [self.interpreter.path, "-m", "venv", "--clear", *without_pip, str(self.folder)]
        failure = "could not create an environment"
        step = Step(failure, command, ChildKind.PYTHON)
        if self.uv:
            command = self.uv.create_environment(self.interpreter.path, self.folder)
            step = Step(failure, command, ChildKind.PIP, alternative=step)
        return step

    def pip_install(self) -> list[str]:
        """Return the start of a command by which pip installs into it."""
        use_own_pip = pip_command.pip_supports(self.interpreter.version)
        pip = [*pip_command.PIP_COMMAND, "--python"] if use_own_pip else []
        pip += [self.python] if use_own_pip else [self.python, "-m", "pip"]
        # The command compiles the modules that it imports.
        return [*pip, "install", "--no-input", "--quiet", "--disable-pip-version-check", "--no-compile"]

    def dependencies(self, requirement: str, wheelhouse: Path, with_pip: Step) -> Step:
        """Return the step that installs what an installed project requires; ``with_pip`` does the same."""
        if not self.uv or not self.uv.settings:
            return with_pip
        command = [*self.uv.install(self.python), *self.uv.settings.arguments]
        # Not links to uv's cache, to which the command of the test could write.
        command += ["--link-mode", "copy", "--find-links", str(wheelhouse), requirement]
        variables = self.uv.settings.variables
        return Step(with_pip.failure, command, ChildKind.PIP, variables, alternative=with_pip)


@contextlib.contextmanager
def temporary_environment(python: Interpreter, task: SmokeTask) -> Iterator[Environment]:
    """Yield the environment of a Python, which does not exist yet, in a temporary folder."""
    uv = task.uv if pip_command.pip_supports(python.version) else None
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-smoke-", ignore_cleanup_errors=True) as folder:
        yield Environment(Path(folder) / "environment", python, uv)


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a smoke test."""

    #: The words for its failure.
    failure: str
    command: list[str]
    kind: ChildKind
    #: Environment variables that replace inherited ones.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The step to run instead if it fails: pip accepts more than uv, and finds more.
    alternative: Step | None = None


def run_steps(steps: Iterable[Step], task: SmokeTask, environment: Environment) -> tuple[str, str]:
    """Run the commands in an empty folder next to the environment, up to the first that fails.

    Return why it failed, and its output; both are empty if all succeeded.
    """
    work = Path(tempfile.mkdtemp(prefix="work-", dir=environment.folder.parent))
    for step in steps:
        ended, output = _run(step, task, environment, work)
        if ended and step.alternative:
            ended, output = _run(step.alternative, task, environment, work)
        if ended:
            return f"{step.failure} ({ended})", output
    return "", ""


def _run(step: Step, task: SmokeTask, environment: Environment, work: Path) -> tuple[str, str]:
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
            cwd=work,
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

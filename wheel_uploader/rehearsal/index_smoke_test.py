"""``--smoke-index``: installs the published release from the index for each Python, and runs a command."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from packaging.version import Version

from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.errors import FileError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import LocalFile, SmokeResult
from wheel_uploader.core.models.option_rules import split_smoke_command
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.index.target import Target
from wheel_uploader.rehearsal import smoke_test, uv_command
from wheel_uploader.rehearsal.interpreters import Interpreter
from wheel_uploader.rehearsal.smoke_test import Environment, SmokeTask, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRelease:
    """A release as installers find it."""

    project: str
    version: Version
    files: Sequence[LocalFile]
    #: The URL of the index's simple pages, without user info.
    index_url: str
    target: Target
    #: Hosts to which plain http is allowed.
    insecure_hosts: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """The requirement that a user writes to get this release."""
        return f"{self.project}=={self.version}"

    def hashed_requirement(self) -> str:
        """Return the requirement with the hashes of the release's files: no others may be installed."""
        return " ".join([self.requirement, *(f"--hash=sha256:{file.sha256}" for file in self.files)]) + "\n"


def run_index_smoke_tests(
    release: PublishedRelease,
    pythons: Sequence[Interpreter],
    command: str,
    progress: Progress,
    *,
    passed_variables: Sequence[str] = (),
) -> tuple[SmokeResult, ...]:
    """Install the release from its index with each of ``pythons``, in parallel, and run ``command``.

    The release itself comes from that index only. Its dependencies come from the configured index of pip and
    from the folder of the wheels, as with ``smoke_test.run_smoke_tests``.
    """
    words = split_smoke_command(command)
    task = SmokeTask(words, tuple(passed_variables), uv_command.find_uv(passed_variables))
    names = ", ".join(map(str, pythons))
    progress.info(f"smoke: installing {release.requirement} from {strip_url(release.index_url)} with {names}")
    with progress.counter("smoke tests done", count=len(pythons)) as bar:

        def test(python: Interpreter) -> SmokeResult:
            started_at = time.monotonic()
            with smoke_test.temporary_environment(python, task) as environment:
                failure, output = _test(release, task, environment)
            bar.advance(1)
            return SmokeResult(
                filename=f"{release.requirement} from the index",
                interpreter=str(python),
                failure=failure,
                output=output,
                seconds=time.monotonic() - started_at,
            )

        return tuple(task.scope.map_in_threads(test, pythons))


def raise_if_failed(trials: Sequence[SmokeResult], requirement: str) -> None:
    """Raise FileError if a smoke test failed; nothing is undone."""
    failed = [trial for trial in trials if trial.failure]
    if failed:
        raise FileError(
            f"{requirement} is published, but {len(failed)} of {format_count(len(trials), 'smoke test')} "
            "from the index failed",
            hint="Nothing was undone. If users are affected, yank this release and publish a new version. If "
            "the index requires a login for reading, pip needs it in ~/.netrc or in its keyring.",
            details=[f"with {trial.interpreter}: {trial.failure}" for trial in failed],
        )


def _test(release: PublishedRelease, task: SmokeTask, environment: Environment) -> tuple[str, str]:
    """Return why the smoke test failed, and its output; both are empty if it passed."""
    requirements = environment.folder.parent / "requirements.txt"
    requirements.write_text(release.hashed_requirement())
    options = [
        *("--no-deps", "--require-hashes", "--only-binary", release.project),
        *("--requirement", str(requirements), "--index-url", release.index_url),
    ]
    if environment.uv:
        install = _uv_step(release, [*environment.uv.install(environment.python), *options])
    else:
        install = _pip_step(release, [*environment.pip_install(), *options])
    wheelhouse = release.files[0].path.absolute().parent
    more = [*environment.pip_install(), "--find-links", str(wheelhouse), release.requirement]
    more_with_pip = Step("could not install its dependencies", more, ChildKind.PIP)
    steps = (
        environment.creation(),
        install,
        environment.dependencies(release.requirement, wheelhouse, more_with_pip),
        Step("the command failed", task.words, ChildKind.SMOKE_COMMAND),
    )
    return smoke_test.run_steps(steps, task, environment)


_INSTALL_FAILURE = "could not install it from the index"


def _pip_step(release: PublishedRelease, command: list[str]) -> Step:
    """Return the installation by pip, without settings that add other indexes or requirements."""
    command = [*command, "--isolated", "--no-cache-dir"]
    for host in release.insecure_hosts:
        command += ["--trusted-host", host]
    certificate = str(release.target.cert) if release.target.cert else os.environ.get("PIP_CERT")
    if certificate:
        command += ["--cert", certificate]
    if release.target.client_cert:
        command += ["--client-cert", str(release.target.client_cert)]
    return Step(_INSTALL_FAILURE, command, ChildKind.PIP, {"PIP_CONFIG_FILE": os.devnull})


def _uv_step(release: PublishedRelease, command: list[str]) -> Step:
    """Return the installation by uv, without its configuration and its cache of pages."""
    command = [*command, "--no-cache"]
    for host in release.insecure_hosts:
        command += ["--allow-insecure-host", host]
    variables = {}
    if release.target.cert:
        variables["SSL_CERT_FILE"] = str(release.target.cert)
    if release.target.client_cert:
        variables["SSL_CLIENT_CERT"] = str(release.target.client_cert)
    return Step(_INSTALL_FAILURE, command, ChildKind.PIP, variables)

"""``--rehearse``: publishes to a temporary local index and reports what pip would install for users."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.child_processes.scope import ChildScope
from wheel_uploader.core.errors import FileError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    DistName,
    FileSummary,
    InstallKind,
    InstallOutcome,
    LocalFile,
    Options,
    Report,
    SdistName,
    Selection,
)
from wheel_uploader.core.progress import Progress, SilentProgress
from wheel_uploader.index import client as index_client
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.rehearsal import environments, local_index, pip_command, pip_resolution
from wheel_uploader.rehearsal.environments import TargetPlatform, TargetPython
from wheel_uploader.upload import clients, scheduler


def require_rehearsal_tools() -> None:
    """Raise UsageError if a program that a rehearsal needs is not installed."""
    local_index.require_pypiserver("a rehearsal", extra="rehearse")
    pip_command.require_pip("a rehearsal")


def rehearse(
    report: Report, selection: Selection, summaries: Sequence[FileSummary], progress: Progress
) -> tuple[InstallOutcome, ...]:
    """Publish the files of ``report`` to a local index, and return what pip would install for users.

    This covers every Python and platform for which this release or the previous one has a wheel, and related
    ones. Raises NetworkError, or the error of an upload.
    """
    files = tuple(fetched.file for fetched in report.downloaded_files)
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-rehearsal-") as folder:
        scratch = Path(folder)
        with local_index.run_local_index(scratch / "index") as url:
            progress.info("rehearsal: publishing to a local index")
            # Silent, because "uploaded NAME" would look like a real upload.
            _publish(
                files, replace(_options_for(report.options, url), project=selection.project), SilentProgress()
            )
            current = [file.name for file in files]
            previous = list(_parsed(report.previous_filenames))
            targets = [
                (python, machine)
                for python in environments.target_pythons([*current, *previous])
                for machine in environments.target_platforms([*current, *previous])
            ]
            count = format_count(len(targets), "combination")
            progress.info(f"rehearsal: resolving with pip for {count} of Python and platform")
            requirement = f"{selection.project}=={selection.version}"
            scope = ChildScope()
            with progress.counter("resolving with pip", count=len(targets)) as bar:

                def resolve(target: tuple[TargetPython, TargetPlatform]) -> str:
                    filename = pip_resolution.resolve_with_pip(
                        f"{url}simple/", requirement, *target, scratch, scope
                    )
                    bar.advance(1)
                    return filename

                filenames = scope.map_in_threads(resolve, targets)
    requires = _requires(summaries)
    return tuple(
        _installable(target, filename, current, previous, requires)
        for target, filename in zip(targets, filenames, strict=True)
    )


def _options_for(options: Options, url: str) -> Options:
    """Return the options with the local index as the target."""
    # pypiserver needs no credentials, but twine does.
    login = secrets.token_hex(16)
    return replace(
        options,
        repository=None,
        repository_url=url,
        index_url=f"{url}simple/",
        config_file=None,
        username=login,
        password=login,
        cert=None,
        client_cert=None,
    )


def _publish(files: Sequence[LocalFile], options: Options, progress: Progress) -> None:
    target = clients.resolve_target(options)
    with index_client.open_index(options, target, progress) as served:
        states = index_client.compare_with_index(
            served.fetch_project(options.project), files, served.get_sha256
        )
        results = scheduler.upload_all(
            states,
            clients.create_uploader(options, target, progress),
            lambda file: served.fetch_file_state(options.project, file),
            jobs=options.upload_jobs,
            progress=progress,
        )
        if error := scheduler.upload_error(results, None):
            raise error
        confirm_files(served, options.project, files, timeout=options.confirm_timeout, progress=progress)


def _parsed(filenames: Iterable[str]) -> Iterable[DistName]:
    for filename in filenames:
        try:
            yield core_filenames.parse_filename(filename)
        except core_filenames.InvalidFilename:
            continue


def _requires(summaries: Iterable[FileSummary]) -> str:
    """Return the Requires-Python of the sdist; empty if there is none."""
    values = [
        summary.metadata.get("Requires-Python", ())
        for summary in summaries
        if isinstance(summary.name, SdistName)
    ]
    return values[0][0] if values and values[0] else ""


def _installable(
    target: tuple[TargetPython, TargetPlatform],
    filename: str,
    current: Sequence[DistName],
    previous: Sequence[DistName],
    requires: str,
) -> InstallOutcome:
    python, machine = target
    previous_wheel = environments.best_match(previous, python, machine)
    return InstallOutcome(
        python=str(python),
        platform_label=str(machine),
        kind=_install_kind(bool(filename), current, python, requires),
        filename=filename,
        previous_kind=_install_kind(previous_wheel is not None, previous, python, requires)
        if previous
        else None,
        previous_filename=previous_wheel.filename if previous_wheel else "",
    )


def _install_kind(
    has_wheel: bool, names: Sequence[DistName], python: TargetPython, requires: str
) -> InstallKind:
    if has_wheel:
        return InstallKind.WHEEL
    return (
        InstallKind.SOURCE
        if environments.builds_from_source(names, python, requires)
        else InstallKind.NOTHING
    )


def raise_if_worse(report: Report) -> None:
    """Raise FileError, with ``--strict``, if a Python loses the wheel that it had in the previous release."""
    worse = [
        f"{outcome.python} on {outcome.platform_label}: {outcome.kind}"
        for outcome in report.install_outcomes
        if outcome.is_worse
    ]
    if worse and report.options.strict:
        raise FileError(
            f"no wheel for {format_count(len(worse), 'combination')} of Python and platform "
            "that the previous release had wheels for",
            details=worse,
            hint="Build the missing wheels, or omit --strict. Nothing was uploaded.",
        )

"""``--rehearse``: publishes to a temporary local index and reports what pip would install for users."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
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
    InstallSource,
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
from wheel_uploader.rehearsal.environments import TargetPython
from wheel_uploader.rehearsal.wheel_selection import Choice, Target, WheelSelector, choose_sample
from wheel_uploader.upload import clients, scheduler

#: Bytes of a release that are uploaded to the local index, which takes longer than anything else; the rest is
#: placed there.
_MAX_UPLOADED = 32 << 20
#: Seconds for the local index to hash all files.
_INDEX_TIMEOUT = 600.0


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
        # Before the index starts, because it caches the list of its files.
        _link_large_files(files, scratch / "index")
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
            requires_python = _requires_python_by_file(summaries)
            selector = WheelSelector(current, requires_python)
            resolver = Resolver(
                f"{url}simple/", f"{selection.project}=={selection.version}", scratch, progress
            )
            answers = resolver.resolve({target: selector.select(*target) for target in targets})
    previous_selector = WheelSelector(previous)
    requires = next((requires_python[name.filename] for name in current if isinstance(name, SdistName)), "")
    return tuple(
        InstallOutcome(
            python=str(python),
            platform_label=str(machine),
            kind=_install_kind(bool(filename), current, python, requires),
            filename=filename,
            answered_by=source,
            previous_kind=_install_kind(bool(before), previous, python, requires) if previous else None,
            previous_filename=before.filename if before else "",
        )
        for (python, machine), (filename, source) in answers.items()
        for before in [previous_selector.select(python, machine).wheel]
    )


class Resolver:
    """Finds the wheel that pip installs in each environment, and asks pip where that is necessary."""

    def __init__(self, index_url: str, requirement: str, temp_dir: Path, progress: Progress) -> None:
        self._index_url, self._requirement = index_url, requirement
        self._temp_dir, self._progress = temp_dir, progress

    def resolve(self, choices: Mapping[Target, Choice]) -> dict[Target, tuple[str, InstallSource]]:
        """Return the file name of the wheel, or an empty string, for each environment, and who answered.

        This runs pip for the environments whose choice is uncertain and for a sample of the others; if it
        disagrees with the sample, for all of them. Raises NetworkError.
        """
        sample = choose_sample(choices)
        asked = [target for target, choice in choices.items() if not choice.is_certain]
        self._progress.info(
            f"rehearsal: {format_count(len(choices), 'combination')} of Python and platform; "
            f"asking pip for {len(sample) + len(asked)} of them"
        )
        by_pip = self._ask_pip([*sample, *asked])
        if different := [target for target in sample if by_pip[target] != _filename(choices[target])]:
            python, machine = different[0]
            self._progress.info(
                f"rehearsal: for {python} on {machine} pip selects {by_pip[different[0]] or 'no wheel'}, and "
                f"the tags {_filename(choices[different[0]]) or 'no wheel'}; asking pip for every combination"
            )
            by_pip |= self._ask_pip([target for target in choices if target not in by_pip])
        return {
            target: (by_pip[target], InstallSource.PIP)
            if target in by_pip
            else (_filename(choice), InstallSource.TAGS)
            for target, choice in choices.items()
        }

    def _ask_pip(self, targets: Sequence[Target]) -> dict[Target, str]:
        scope = ChildScope()
        with self._progress.counter("resolving with pip", count=len(targets)) as bar:

            def resolve(target: Target) -> str:
                filename = pip_resolution.resolve_with_pip(
                    self._index_url, self._requirement, *target, self._temp_dir, scope
                )
                bar.advance(1)
                return filename

            return dict(zip(targets, scope.map_in_threads(resolve, targets), strict=True))


def _filename(choice: Choice) -> str:
    return choice.wheel.filename if choice.wheel else ""


def _link_large_files(files: Iterable[LocalFile], folder: Path) -> None:
    """Put the files into the folder of the index, except the smallest ones, which are uploaded.

    The index hashes them as well, and its hashes are compared with those of the checked files.
    """
    folder.mkdir(parents=True)
    uploaded = 0
    for file in sorted(files, key=lambda file: file.size):
        uploaded += file.size
        if uploaded > _MAX_UPLOADED:
            try:
                (folder / file.filename).symlink_to(file.path.absolute())
            except OSError:
                # On Windows, creating a link requires a privilege. Then the file is uploaded.
                return


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
        timeout=max(options.timeout, _INDEX_TIMEOUT),
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


def _requires_python_by_file(summaries: Iterable[FileSummary]) -> dict[str, str]:
    """Return the Requires-Python of each file; empty if it has none."""
    return {
        summary.name.filename: next(iter(summary.metadata.get("Requires-Python", ())), "")
        for summary in summaries
    }


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
    """Raise FileError, with ``--strict``, if users are worse off than with the previous release."""
    if not report.options.strict:
        return
    worse = [outcome for outcome in report.install_outcomes if outcome.is_worse]
    details = [f"{outcome.python} on {outcome.platform_label}: {outcome.kind}" for outcome in worse]
    lost_wheels = sum(outcome.has_lost_wheel for outcome in worse)
    if lost_wheels:
        raise FileError(
            f"no wheel for {format_count(lost_wheels, 'combination')} of Python and platform "
            "that the previous release had wheels for",
            details=details,
            hint="Build the missing wheels, or omit --strict. Nothing was uploaded.",
        )
    if worse:
        raise FileError(
            f"nothing to install for {format_count(len(worse), 'combination')} of Python and platform "
            "that could build the previous release",
            details=details,
            hint="Stage the sdist, too, or omit --strict. Nothing was uploaded.",
        )

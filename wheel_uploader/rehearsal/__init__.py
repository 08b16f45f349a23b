"""``--rehearse``: the release on an index that lives for one run, and what pip installs from it, for whom."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from wheel_uploader import ends, index, names, pip, throwaway
from wheel_uploader.child_scope import Scope
from wheel_uploader.display import counted
from wheel_uploader.errors import FileError
from wheel_uploader.index.confirm import confirm
from wheel_uploader.models import (
    DistName,
    FileSummary,
    Installable,
    InstallKind,
    LocalFile,
    Options,
    Report,
    SdistName,
)
from wheel_uploader.progress import Progress, Silent
from wheel_uploader.publish import posting
from wheel_uploader.rehearsal import asking, machines
from wheel_uploader.rehearsal.machines import Machine, Python


def require() -> None:
    """Raise UsageError when what a rehearsal needs is not installed."""
    throwaway.require("a rehearsal", extra="rehearse")
    pip.require("a rehearsal")


def rehearse(report: Report, summaries: Sequence[FileSummary], progress: Progress) -> tuple[Installable, ...]:
    """Publish the files of ``report`` to an index on this machine, and ask pip what users would get.

    Asked is for every python and machine that this release or the previous one has a wheel for, and for their
    neighbours. Raises NetworkError, or what stops an upload.
    """
    selection = report.selection
    assert selection  # noqa: S101 - it was judged before
    files = tuple(each.file for each in report.fetched)
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-rehearsal-") as folder:
        scratch = Path(folder)
        with throwaway.index_server(scratch / "index") as url:
            progress.say("rehearsal: publishing to an index on this machine")
            # Lines of "uploaded NAME" would look as if it were for good.
            _publish(files, replace(_to(report.options, url), project=selection.project), Silent())
            here = [file.name for file in files]
            before = list(_parsed(report.previous))
            questions = [
                (python, machine)
                for python in machines.pythons([*here, *before])
                for machine in machines.machines([*here, *before])
            ]
            progress.say(f"rehearsal: asking pip what it installs in {counted(len(questions), 'place')}")
            requirement = f"{selection.project}=={selection.version}"
            scope = Scope()
            with progress.steps("asking pip", count=len(questions)) as bar:

                def asked(question: tuple[Python, Machine]) -> str:
                    answer = asking.choice(f"{url}simple/", requirement, *question, scratch, scope)
                    bar.advance(1)
                    return answer

                taken = scope.map(asked, questions)
    requires = _requires(summaries)
    return tuple(
        _installable(question, filename, here, before, requires)
        for question, filename in zip(questions, taken, strict=True)
    )


def _to(options: Options, url: str) -> Options:
    """The same options, with the index on this machine as the target."""
    # pypiserver asks nobody who they are; twine wants to know it all the same.
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
    target = ends.target_of(options)
    with ends.index_of(options, target, progress) as served:
        states = index.compare(served.page(options.project), files, served.sha256_of)
        results = posting.upload_all(
            states,
            ends.uploader_of(options, target, progress),
            lambda file: served.state_of(options.project, file),
            jobs=options.upload_jobs,
            progress=progress,
        )
        if refused := posting.verdict(results, None):
            raise refused
        confirm(served, options.project, files, timeout=options.confirm_timeout, progress=progress)


def _parsed(filenames: Iterable[str]) -> Iterable[DistName]:
    for filename in filenames:
        try:
            yield names.parse(filename)
        except names.NameRefused:
            continue


def _requires(summaries: Iterable[FileSummary]) -> str:
    """The Requires-Python of the sdist."""
    stated = [
        each.metadata.get("Requires-Python", ()) for each in summaries if isinstance(each.name, SdistName)
    ]
    return stated[0][0] if stated and stated[0] else ""


def _installable(
    question: tuple[Python, Machine],
    filename: str,
    here: Sequence[DistName],
    before: Sequence[DistName],
    requires: str,
) -> Installable:
    python, machine = question
    previous = machines.best(before, python, machine)
    return Installable(
        python=str(python),
        machine=str(machine),
        kind=_kind(bool(filename), here, python, requires),
        filename=filename,
        before=_kind(previous is not None, before, python, requires) if before else None,
        before_filename=previous.filename if previous else "",
    )


def _kind(has_wheel: bool, there: Sequence[DistName], python: Python, requires: str) -> InstallKind:
    if has_wheel:
        return InstallKind.WHEEL
    return InstallKind.SOURCE if machines.builds_from_source(there, python, requires) else InstallKind.NOTHING


def stop_if_worse(report: Report) -> None:
    """Raise FileError, with ``--strict``, when somebody had a wheel of the previous release and gets none."""
    worse = [f"{each.python} on {each.machine}: {each.kind}" for each in report.rehearsal if each.is_worse]
    if worse and report.options.strict:
        raise FileError(
            f"pip finds no wheel in {len(worse)} places where the previous release had one",
            details=worse,
            hint="Build the wheels that are missing, or leave --strict out. Nothing was posted.",
        )

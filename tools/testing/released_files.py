"""Judges our findings on released files: each is argued, as true or tolerated, or it is a false alarm.

Two text files belong together: the list of released files with their hashes, and the arguments for the errors
and warnings that we report about them. Both allow comments (``#``) and empty lines.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import wheel_uploader
from wheel_uploader import Finding, ReleaseError, Severity
from wheel_uploader.core.formatting import format_count

#: The largest share of the wheels that may have an error which is not argued as true.
MAX_FALSE_ERRORS = 0.005
#: Stands for a check in the accusation of a release whose checks did not complete.
RUN_FAILED = "run/failed"


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """A file of a release, as the list names it."""

    project: str
    version: str
    filename: str
    sha256: str

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")

    @property
    def requirement(self) -> str:
        """The requirement with which pip accepts this file only."""
        return f"{self.project}=={self.version} --hash=sha256:{self.sha256}"

    def is_in(self, folder: Path) -> bool:
        """Return whether ``folder`` has this file with these contents."""
        try:
            with (folder / self.filename).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


class Verdict(StrEnum):
    """The verdict on an accusation: the file is at fault; or it is accused rightly, but works as intended."""

    TRUE = "true"
    TOLERATED = "tolerated"


@dataclass(frozen=True, kw_only=True)
class Argument:
    """The reason why a check may accuse the files of a project."""

    verdict: Verdict
    reason: str


#: (id of the check, project) to the argument for its findings.
Arguments = Mapping[tuple[str, str], Argument]


@dataclass(frozen=True, kw_only=True)
class Accusation:
    """An error or a warning about a released file, or about the release (then the file is ``release``)."""

    project: str
    check: str
    severity: Severity
    file: str
    message: str

    @property
    def key(self) -> tuple[str, str]:
        return self.check, self.project


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The accusations of all files, judged by the arguments."""

    files: Sequence[ReleasedFile]
    accusations: Sequence[Accusation]
    arguments: Arguments
    seconds: float

    @property
    def unargued(self) -> list[Accusation]:
        return [each for each in self.accusations if each.key not in self.arguments]

    @property
    def wheels_with_error(self) -> set[str]:
        return self._select_wheels(each for each in self.accusations if each.severity is Severity.ERROR)

    @property
    def wheels_with_false_error(self) -> set[str]:
        """The wheels with an error that is not argued as true."""
        return self._select_wheels(
            each
            for each in self.accusations
            if each.severity is Severity.ERROR
            and (each.key not in self.arguments or self.arguments[each.key].verdict is not Verdict.TRUE)
        )

    @property
    def wheel_count(self) -> int:
        return sum(file.is_wheel for file in self.files)

    @property
    def failures(self) -> list[str]:
        """The sentences for which the command fails; empty if every accusation is argued."""
        sentences = []
        if count := len(self.unargued):
            has = "has" if count == 1 else "have"
            sentences.append(f"{format_count(count, 'accusation')} {has} no argument")
        false = len(self.wheels_with_false_error)
        if false > MAX_FALSE_ERRORS * self.wheel_count:
            sentences.append(
                f"{false} of {self.wheel_count} wheels have an error that is not argued as true: "
                f"more than {MAX_FALSE_ERRORS:.1%}"
            )
        return sentences

    def _select_wheels(self, accusations: Iterable[Accusation]) -> set[str]:
        """Return the wheels among the accused files; for an accused release, its first wheel."""
        names = {file.filename for file in self.files if file.is_wheel}
        first = {file.project: file.filename for file in reversed(self.files) if file.is_wheel}
        return {
            each.file if each.file in names else first.get(each.project, "") for each in accusations
        } & names


# --- the two text files ----------------------------------------------------------------------------


def read_list(path: Path) -> list[ReleasedFile]:
    """Return the files of a list with the lines ``PROJECT==VERSION FILENAME SHA256``."""
    files = []
    for line in _read_lines(path):
        release, filename, sha256 = line.split()
        project, _, version = release.partition("==")
        files.append(ReleasedFile(project=project, version=version, filename=filename, sha256=sha256))
    return files


def read_arguments(path: Path) -> dict[tuple[str, str], Argument]:
    """Return the arguments of the lines ``CHECK PROJECT[,PROJECT...] VERDICT: REASON``."""
    arguments = {}
    for line in _read_lines(path):
        check, projects, rest = line.split(maxsplit=2)
        verdict, _, reason = rest.partition(": ")
        for project in projects.split(","):
            arguments[check, project] = Argument(verdict=Verdict(verdict), reason=reason)
    return arguments


def _read_lines(path: Path) -> Iterator[str]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return (line for line in lines if line and not line.startswith("#"))


# --- checking and judging --------------------------------------------------------------------------


def judge(files: Sequence[ReleasedFile], folder: Path, arguments: Arguments) -> Outcome:
    """Check the files in ``folder``, release by release, and return the judged accusations."""
    started_at = time.monotonic()
    by_release = attrgetter("project", "version")
    accusations = [
        accusation
        for (project, _), group in groupby(sorted(files, key=by_release), key=by_release)
        for accusation in _check_release(project, [folder / file.filename for file in group])
    ]
    seconds = time.monotonic() - started_at
    return Outcome(files=files, accusations=accusations, arguments=arguments, seconds=seconds)


def _check_release(project: str, paths: Sequence[Path]) -> Iterator[Accusation]:
    """Yield the errors and warnings for the files of one release, by the rules of PyPI."""
    try:
        findings = wheel_uploader.check_files(paths)
    except ReleaseError as error:
        findings = (
            Finding(check=RUN_FAILED, severity=Severity.ERROR, subject="release", message=str(error)),
        )
    for finding in findings:
        if finding.severity is not Severity.NOTE:
            location = f"{finding.member}: " if finding.member else ""
            yield Accusation(
                project=project,
                check=finding.check,
                severity=finding.severity,
                file=finding.subject,
                message=f"{location}{finding.message}",
            )


# --- printing --------------------------------------------------------------------------------------


def format_outcome(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of the report: the accusations by check, the unused arguments, and the totals."""
    by_check = attrgetter("severity", "check")
    for (severity, check), group in groupby(sorted(outcome.accusations, key=by_check), key=by_check):
        yield from _format_group(check, severity, list(group), outcome.arguments)
    used = {accusation.key for accusation in outcome.accusations}
    yield from (
        f"not needed: the argument for {check}, {project}"
        for check, project in outcome.arguments
        if (check, project) not in used
    )
    yield _format_totals(outcome)


def _format_group(
    check: str, severity: Severity, group: Sequence[Accusation], arguments: Arguments
) -> Iterator[str]:
    counts = (
        format_count(len(group), "finding"),
        format_count(len({(each.project, each.file) for each in group}), "file"),
        format_count(len({each.project for each in group}), "project"),
    )
    yield f"{check} ({severity.value}): {', '.join(counts)}"
    for project, accusations in groupby(group, key=attrgetter("project")):
        argument = arguments.get((check, project))
        yield f"  {project}: {f'{argument.verdict}: {argument.reason}' if argument else 'NOT ARGUED'}"
        yield from (f"    {each.file}: {each.message}" for each in accusations)
    yield ""


def _format_totals(outcome: Outcome) -> str:
    files, wheels = len(outcome.files), outcome.wheel_count
    projects = len({file.project for file in outcome.files})
    warnings = sum(each.severity is Severity.WARNING for each in outcome.accusations)
    return (
        f"{wheels} wheels and {files - wheels} sdists of {projects} projects: "
        f"{_format_share(len(outcome.wheels_with_error), wheels)} wheels with an error, "
        f"{_format_share(len(outcome.wheels_with_false_error), wheels)} with one that is not argued as true; "
        f"{format_count(warnings, 'warning')}; "
        f"{format_count(len(outcome.unargued), 'accusation')} without an argument; "
        f"checked in {outcome.seconds:.0f} s"
    )


def _format_share(count: int, total: int) -> str:
    return f"{count} ({count / max(total, 1):.1%})"

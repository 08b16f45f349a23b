"""Chooses the version to release: the one that the user gave, the newest one, or the only one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames, local_versions
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Options, RemoteFile
from wheel_uploader.core.models.option_rules import LATEST_VERSION, parse_version
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.listing import problem_files

#: Maximum number of versions that a message lists.
MAX_LISTED = 12
_OR_LATEST = ", or 'latest',"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRule:
    """Which versions ``latest`` may be."""

    include_prereleases: bool
    #: False for PyPI, which accepts no local versions.
    include_local_versions: bool

    def admits(self, version: Version) -> bool:
        """Return whether ``latest`` may be this version."""
        return (version.local is None or self.include_local_versions) and (
            self.include_prereleases or not version.is_prerelease
        )

    def describe_rejection(self, version: Version) -> str:
        """Return why ``latest`` may not be this version, in one clause."""
        if version.is_prerelease and not self.include_prereleases:
            return f"version {version} is a pre-release"
        return f"version {version} is a local version, which PyPI does not accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChoice:
    """The version to release; None if no staged version may be chosen."""

    version: Version | None
    #: Remarks for the user about the choice, in sentences.
    notes: tuple[str, ...] = ()


def choose_version(
    files: Sequence[RemoteFile],
    options: Options,
    rule: VersionRule,
    get_date: Callable[[RemoteFile], datetime | None],
) -> VersionChoice:
    """Return the version that ``options`` request among ``files``.

    ``get_date`` returns the date of a file whose listing has none. Raises UsageError if the version is not
    valid, if several are staged and the user gave none, or if the newest cannot be determined.
    """
    if options.version and options.version != LATEST_VERSION:
        return VersionChoice(version=parse_version(options.version))
    staged = list_staged_versions(files, options.project)
    if options.version == LATEST_VERSION:
        return _choose_latest(files, staged, options, rule, get_date)
    if len(staged) > 1:
        latest = any(map(rule.admits, staged))
        raise UsageError(
            f"several versions of {options.project} are staged: {format_versions(staged)}",
            hint=f"Add the version{_OR_LATEST * latest} after the project name.",
            suggestion=("", LATEST_VERSION if latest else str(staged[0])),
        )
    return VersionChoice(version=staged[0] if staged else None)


def list_staged_versions(files: Sequence[RemoteFile], project: str) -> list[Version]:
    """Return the staged versions, newest first, also those of misnamed files, but no withdrawn ones."""
    available = [file for file in files if not (file.is_withdrawn or file.exclusion_reason)]
    versions = {*filenames.list_versions(available, project)}
    for _, resembled in problem_files.find_misnamed(available):
        version = resembled.find_version(canonicalize_name(project))
        if version is not None:
            versions.add(version)
    return sorted(versions, reverse=True)


def format_versions(versions: Sequence[object]) -> str:
    """Return the first of the versions, or of other values, as text, and how many there are."""
    more = f", ... ({len(versions)} in all)" if len(versions) > MAX_LISTED else ""
    return ", ".join(sanitize(str(version)) for version in versions[:MAX_LISTED]) + more


def _choose_latest(
    files: Sequence[RemoteFile],
    staged: Sequence[Version],
    options: Options,
    rule: VersionRule,
    get_date: Callable[[RemoteFile], datetime | None],
) -> VersionChoice:
    admitted = list(filter(rule.admits, staged))
    if not admitted:
        return VersionChoice(version=None)
    newest, notes = admitted[0], []
    if rivals := local_versions.find_rivals(newest, admitted):
        contenders = [newest, *rivals]
        newest, date = _find_last_built(files, contenders, options.project, get_date)
        names = ", ".join(map(str, sorted(contenders)))
        notes.append(f"of {sanitize(names)}, {newest} was built last ({date:%Y-%m-%d %H:%M} UTC)")
    if variants := _list_variants(newest, admitted):
        notes.append(
            f"not selected, because they are other variants of {newest}: {format_versions(variants)}; "
            "give the version with its local part to publish one of them"
        )
    passed_over = [version for version in staged if version > newest and version not in admitted]
    if local := [version for version in passed_over if version.local]:
        notes.append(
            f"not selected, because PyPI does not accept local versions: {format_versions(local)}; "
            f"the newest other version is {newest}"
        )
    return VersionChoice(version=newest, notes=tuple(notes))


def _list_variants(version: Version, staged: Sequence[Version]) -> list[Version]:
    """Return the builds of a version for other hardware or libraries: ``1.0+cpu`` and ``1.0+cu118``."""
    if not version.local or local_versions.is_build_of_checkout(version):
        return []
    same = (each for each in staged if each.public == version.public and each.local and each != version)
    return [each for each in same if not local_versions.is_build_of_checkout(each) and not _is_number(each)]


def _is_number(version: Version) -> bool:
    """Return whether the local part is only a number, which gives an order."""
    return bool(version.local) and str(version.local).replace(".", "").isdigit()


def _find_last_built(
    files: Sequence[RemoteFile],
    contenders: Sequence[Version],
    project: str,
    get_date: Callable[[RemoteFile], datetime | None],
) -> tuple[Version, datetime]:
    """Return the one of the versions, which differ in a commit, that was built last, and its date."""
    dates = {version: local_versions.date_from_local(version) for version in contenders}
    newest = local_versions.find_newest(dates)
    if newest is None:
        dates = {version: _find_date(files, version, project, get_date) for version in contenders}
        newest = local_versions.find_newest(dates)
    date = dates[newest] if newest else None
    if newest is None or date is None:
        undated = [str(version) for version, date in dates.items() if date is None]
        reason = f"no date of {join_some(undated)} is known" if undated else "their dates are the same"
        names = sanitize(", ".join(map(str, sorted(contenders))))
        raise UsageError(
            f"the newest of {names} is unknown: they differ only in a commit, and {sanitize(reason)}",
            hint=f"Give the version instead of 'latest', for example {project} {contenders[0]}, or stage the "
            "files in a place that lists their dates.",
        )
    return newest, date


def _find_date(
    files: Sequence[RemoteFile],
    version: Version,
    project: str,
    get_date: Callable[[RemoteFile], datetime | None],
) -> datetime | None:
    """Return the date of the newest file of a version in the listing, else that of its first file."""
    selected = [file for _, file in filenames.select_files(files, project, version).files]
    dates = [file.modified_at for file in selected if file.modified_at]
    if dates:
        return max(dates)
    return get_date(selected[0]) if selected else None

"""Select the release to publish from the staged files: its version, and one file for each name."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, NothingFoundError, UsageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    AttestationPolicy,
    ExcludedFile,
    Options,
    RemoteFile,
    Selection,
    StagedFiles,
)
from wheel_uploader.core.models.option_rules import LATEST_VERSION, parse_version
from wheel_uploader.core.redaction import sanitize

__all__ = ["LATEST_VERSION", "infer_release", "parse_version", "select_release", "suggest_projects"]

#: Maximum number of versions, projects or files that an error message lists.
_MAX_LISTED = 12
#: Minimum similarity (0 to 1) of the names that are suggested, and their maximum number.
_MIN_SIMILARITY, _MAX_SUGGESTIONS = 0.6, 3
#: Limits on the names that are compared in full, and on their length, because comparisons are slow.
_MAX_COMPARED, _MAX_COMPARED_LENGTH = 1000, 100

Item = TypeVar("Item")


def select_release(
    staged: StagedFiles, options: Options, compute_sha256: Callable[[RemoteFile], str]
) -> Selection:
    """Return the files of the release that ``options`` request.

    ``compute_sha256`` returns the sha256 of a local file, to compare two copies of it. Raises
    NothingFoundError, whose hint lists the staged versions or projects, and FileError if one name has
    different contents.
    """
    listed_files = staged.files
    version = _resolve_version(listed_files, options)
    selection = filenames.select_files(listed_files, options.project, version, options.types)
    if not selection.files:
        raise _nothing_found(listed_files, options, version)
    files = _deduplicate(selection.files, lambda pair: pair[1], compute_sha256)
    companions, refused = selection.attestation_files, selection.excluded_files
    if options.attestations is AttestationPolicy.NONE:
        left_out = [
            ExcludedFile(
                filename=companion.filename, source=companion.remote.source, reason="--attestations none"
            )
            for companion in companions
        ]
        companions, refused = (), (*refused, *left_out)
    return dataclasses.replace(
        selection,
        files=files,
        attestation_files=_deduplicate(companions, lambda companion: companion.remote, compute_sha256),
        excluded_files=refused,
        gaps=staged.gaps,
    )


def infer_release(listed_files: Sequence[RemoteFile], options: Options) -> Options:
    """Return ``options`` with the project and version of the files, if the user gave no project.

    Raises NothingFoundError if there is no wheel or sdist, and UsageError if they belong to several releases.
    """
    if options.project:
        return options
    releases: Counter[tuple[str, Version]] = Counter()
    refused: list[str] = []
    for file in listed_files:
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename as error:
            refused.append(sanitize(f"{file.filename}: {error}"))
        else:
            releases[name.project, name.version] += 1
    source = sanitize(", ".join(options.urls))
    if not releases:
        raise NothingFoundError(
            f"no wheel or sdist at {source}",
            details=refused[:_MAX_LISTED],
            hint="Pass a wheel, an sdist, or a folder with the files of one release.",
        )
    if len(releases) > 1:
        descriptions = [
            f"{project} {version} ({count} {'file' if count == 1 else 'files'})"
            for (project, version), count in sorted(releases.items())
        ]
        raise UsageError(
            f"found files of {len(releases)} releases at {source}: {_format_list(descriptions)}",
            hint="Add PROJECT VERSION after the options to select one, or pass the files individually.",
        )
    ((project, version),) = releases
    return dataclasses.replace(options, project=project, version=str(version))


def _resolve_version(listed_files: Sequence[RemoteFile], options: Options) -> Version:
    if options.version == LATEST_VERSION:
        newest = filenames.find_latest_version(listed_files, options.project, include_prereleases=options.pre)
        if newest is None:
            raise _nothing_found(listed_files, options, None)
        return newest
    if options.version:
        return parse_version(options.version)
    staged = filenames.list_versions(listed_files, options.project)
    if not staged:
        raise _nothing_found(listed_files, options, None)
    if len(staged) > 1:
        raise UsageError(
            f"several versions of {options.project} are staged: {_format_list(staged)}",
            hint="Add the version, or 'latest', after the project name.",
            suggestion=("", LATEST_VERSION),
        )
    return staged[0]


def _nothing_found(
    listed_files: Sequence[RemoteFile], options: Options, version: Version | None
) -> NothingFoundError:
    sources = ", ".join(sorted({file.source for file in listed_files})) or ", ".join(options.urls)
    requested = f"{options.project} {version or options.version}".strip()
    message = f"no files of {requested} at {sanitize(sources)}"
    staged = filenames.list_versions(listed_files, options.project)
    projects = filenames.list_projects(listed_files)
    unavailable = [
        f"{file.filename}: {file.unavailable_reason}" for file in listed_files if file.unavailable_reason
    ]
    instead: tuple[str, str] | None = None
    if unavailable:
        hint = "The listed files cannot be downloaded; fix the staging area, or pass another source with -u."
    elif version in staged:
        hint = (
            f"The release is staged, but has no files of type {', '.join(options.types)}; "
            "use --until list -t all to see its files."
        )
    elif staged and version is None:
        hint = f"Only pre-releases are staged: {_format_list(staged)}. Add --pre to include them."
        instead = ("", "--pre")
    elif staged:
        hint = f"These versions are staged: {_format_list(staged)}."
        instead = (options.version, _nearest_version(str(version), list(map(str, staged))))
    elif projects:
        suggested = suggest_projects(options.project, projects)
        suggestion = f" Did you mean {' or '.join(suggested)}?" if suggested else ""
        hint = f"These projects are staged: {_format_list(projects)}.{suggestion}"
        instead = (options.project, suggested[0]) if suggested else None
    elif listed_files:
        hint = (
            f"The listing contains {format_count(len(listed_files), 'file')}, but no wheel or sdist; "
            "use --until list -v to see them."
        )
    else:
        hint = "The listing contains no files."
    details = [sanitize(line) for line in unavailable[:_MAX_LISTED]]
    return NothingFoundError(message, hint=hint, details=details, suggestion=instead)


def suggest_projects(typed: str, projects: Sequence[str]) -> list[str]:
    """Return the projects whose names, or first words, resemble ``typed``; the most similar first."""
    matcher = difflib.SequenceMatcher(b=canonicalize_name(typed[:_MAX_COMPARED_LENGTH]))
    matches: list[tuple[float, str]] = []
    for project in projects:
        similarity = max(_similarity(matcher, word) for word in {project, project.partition("-")[0]})
        if similarity >= _MIN_SIMILARITY:
            matches.append((-similarity, project))
        if len(matches) == _MAX_COMPARED:
            break
    return [project for _, project in sorted(matches, key=lambda pair: pair[0])[:_MAX_SUGGESTIONS]]


def _similarity(matcher: difflib.SequenceMatcher[str], word: str) -> float:
    """Return the similarity of two names, up to 1; quickly return 0 if it is below the minimum."""
    matcher.set_seq1(word[:_MAX_COMPARED_LENGTH])
    if matcher.real_quick_ratio() < _MIN_SIMILARITY or matcher.quick_ratio() < _MIN_SIMILARITY:
        return 0.0
    return matcher.ratio()


def _nearest_version(typed: str, versions: Sequence[str]) -> str:
    """Return the most similar version, else the first one, which is the newest."""
    return next(iter(difflib.get_close_matches(typed, versions[:_MAX_COMPARED], n=1)), versions[0])


def _format_list(values: Sequence[object]) -> str:
    more = f", ... ({len(values)} in all)" if len(values) > _MAX_LISTED else ""
    return ", ".join(sanitize(str(value)) for value in values[:_MAX_LISTED]) + more


# --- one file for each name ------------------------------------------------------------------------


def _deduplicate(
    items: Sequence[Item], get_file: Callable[[Item], RemoteFile], compute_sha256: Callable[[RemoteFile], str]
) -> tuple[Item, ...]:
    """Return ``items`` without further copies of the same file.

    Raises FileError if two sources list different contents for one name, or if two names differ only in case:
    a wheelhouse cannot hold both files on every file system, so one of them must be chosen first. All other
    names are kept, for the checks to judge.
    """
    chosen: dict[str, Item] = {}
    conflicts: list[str] = []
    for item in items:
        file = get_file(item)
        first = get_file(chosen.setdefault(file.filename.lower(), item))
        if first is file:
            continue
        if first.filename != file.filename:
            conflicts.append(f"{first.filename} and {file.filename} differ only in case")
        elif reason := _why_different(first, file, compute_sha256):
            conflicts.append(f"{file.filename}: {reason} at {first.source} and {file.source}")
    _raise_if_conflicts(conflicts)
    return tuple(chosen.values())


#: Maximum number of conflicts that are listed individually.
_MAX_CONFLICTS = 100


def _raise_if_conflicts(conflicts: Sequence[str]) -> None:
    if conflicts:
        # A listing may contain one name at thousands of URLs; a message of that length is not readable.
        lines = [sanitize(conflict) for conflict in list(dict.fromkeys(conflicts))[:_MAX_CONFLICTS]]
        more = len(conflicts) - len(lines)
        raise FileError(
            "release/clash: a file of the release is staged twice, and the copies are not known to be equal",
            details=[*lines, *([f"and {more} more like these"] if more else [])],
            hint="Nothing was uploaded. Remove the wrong copy, or pass only one source with -u.",
        )


def _why_different(first: RemoteFile, second: RemoteFile, compute_sha256: Callable[[RemoteFile], str]) -> str:
    """Return the reason why two listed files are not known to be equal; empty if they are equal."""
    both_hashes = [_hashes_with_local_digest(file, compute_sha256) for file in (first, second)]
    for algorithm in ("sha512", "sha256", "sha384", "blake2b", "md5"):
        pair = {hashes.get(algorithm) for hashes in both_hashes}
        if None not in pair:
            return f"different {algorithm}" if len(pair) > 1 else ""
    if first.url == second.url:
        return ""
    if None not in (first.size, second.size) and first.size != second.size:
        return "different sizes"
    return "no hashes to compare"


def _hashes_with_local_digest(
    file: RemoteFile, compute_sha256: Callable[[RemoteFile], str]
) -> dict[str, str]:
    hashes = dict(file.hashes)
    if file.url.startswith("file:") and "sha256" not in hashes:
        hashes["sha256"] = compute_sha256(file)
    return hashes

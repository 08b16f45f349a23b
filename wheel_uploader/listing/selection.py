"""Select the release to publish from the staged files: its version, and one file for each name."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import NothingFoundError, UsageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    AttestationPolicy,
    CheckProfile,
    ExcludedFile,
    Options,
    RemoteFile,
    Selection,
    Stage,
    StagedFiles,
)
from wheel_uploader.core.models.option_rules import LATEST_VERSION, parse_version
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.listing import misnamed, problem_files
from wheel_uploader.listing.duplicates import deduplicate
from wheel_uploader.listing.version_choice import (
    MAX_LISTED,
    VersionRule,
    choose_version,
    format_versions,
)

__all__ = [
    "LATEST_VERSION",
    "NoReleaseFoundError",
    "group_by_release",
    "infer_release",
    "parse_version",
    "select_release",
    "suggest_projects",
]

#: Minimum similarity (0 to 1) of the names that are suggested, and their maximum number.
_MIN_SIMILARITY, _MAX_SUGGESTIONS = 0.6, 3
#: Limits on the names that are compared in full, and on their length, because comparisons are slow.
_MAX_COMPARED, _MAX_COMPARED_LENGTH = 1000, 100
#: Maximum number of files that a hint names if none is a wheel or an sdist.
_MAX_EXAMPLES = 4


class NoReleaseFoundError(NothingFoundError):
    """No staged file is of the requested release; ``excluded_files`` says why not, for each of them."""

    def __init__(self, message: str, *, excluded_files: Iterable[ExcludedFile], **more: Any) -> None:
        super().__init__(message, **more)
        self.excluded_files = tuple(excluded_files)


def select_release(
    staged: StagedFiles,
    options: Options,
    compute_sha256: Callable[[RemoteFile], str],
    *,
    profile: CheckProfile | None = None,
    get_date: Callable[[RemoteFile], datetime | None] = lambda file: file.modified_at,
    is_inferred: bool = False,
) -> Selection:
    """Return the files of the release that ``options`` request.

    ``compute_sha256`` returns the sha256 of a local file, to compare two copies of it, and ``get_date`` the
    date of a file whose listing has none. ``latest`` may be a local version unless ``profile`` is that of
    PyPI. ``is_inferred``: the user gave no project, so every file is expected to be of the release.

    The result has no files if all files of the release have invalid names, are empty or are unfinished.
    Raises NoReleaseFoundError, whose hint lists the staged versions or projects, FileError if one name has
    different contents, and UsageError if the version is not certain.
    """
    profile = profile or options.profile or CheckProfile.PYPI
    rule = VersionRule(
        include_prereleases=options.pre, include_local_versions=profile is not CheckProfile.PYPI
    )
    exclusion = _Exclusion(staged.files, options.exclude)
    choice = choose_version(exclusion.kept, options, rule, get_date)
    if choice.version is None:
        raise _nothing_found(exclusion, options, None, rule)
    selection = filenames.select_files(exclusion.kept, options.project, choice.version, options.types)
    selection = problem_files.set_aside(selection, exclusion.kept, options, is_inferred=is_inferred)
    has_problems = bool(selection.gaps) or any(file.failed_check for file in selection.excluded_files)
    if not selection.files and not has_problems:
        raise _nothing_found(exclusion, options, choice.version, rule)
    companions, excluded = selection.attestation_files, [*selection.excluded_files, *exclusion.left_out]
    if options.attestations is AttestationPolicy.NONE:
        excluded += [
            ExcludedFile(
                filename=companion.filename, source=companion.remote.source, reason="--attestations none"
            )
            for companion in companions
        ]
        companions = ()
    return dataclasses.replace(
        selection,
        files=deduplicate(selection.files, lambda pair: pair[1], compute_sha256),
        attestation_files=deduplicate(companions, lambda companion: companion.remote, compute_sha256),
        excluded_files=tuple(excluded),
        gaps=(*staged.gaps, *selection.gaps),
        notes=(*exclusion.notes, *choice.notes, *selection.notes),
    )


def infer_release(listed_files: Sequence[RemoteFile], options: Options) -> Options:
    """Return ``options`` with the project and version of the files, if the user gave no project.

    Raises NoReleaseFoundError if there is no wheel or sdist, and UsageError if they belong to several
    releases.
    """
    if options.project:
        return options
    releases, refused = group_by_release(listed_files, options.exclude)
    source = sanitize(", ".join(options.urls))
    if not releases:
        raise NoReleaseFoundError(
            f"no wheel or sdist at {source}",
            excluded_files=refused,
            details=_format_files(refused),
            hint="Pass a wheel, an sdist, or a folder with the files of one release.",
        )
    if len(releases) > 1:
        descriptions = [
            f"{project} {version} ({format_count(len(files), 'file')})"
            for (project, version), files in sorted(releases.items())
        ]
        raise UsageError(
            f"found files of {len(releases)} releases at {source}: {format_versions(descriptions)}",
            hint="Add PROJECT VERSION after the options to select one, or pass the files individually.",
        )
    ((project, version),) = releases
    return dataclasses.replace(options, project=project, version=str(version))


def group_by_release(
    listed_files: Sequence[RemoteFile], patterns: Sequence[str] = ()
) -> tuple[dict[tuple[str, Version], list[RemoteFile]], list[ExcludedFile]]:
    """Return the files of each release, by project and version, and the files that are of none.

    A misnamed wheel or sdist counts for the release that its name resembles, and is among the others as
    well. ``patterns`` are those of ``--exclude``.
    """
    releases: dict[tuple[str, Version], list[RemoteFile]] = {}
    exclusion = _Exclusion(listed_files, patterns)
    refused = list(exclusion.left_out)
    for file in exclusion.kept:
        if file.exclusion_reason:
            refused.append(_exclude(file, file.exclusion_reason))
            continue
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename as error:
            refused.append(ExcludedFile(filename=file.filename, source=file.source, reason=str(error)))
            resembled = misnamed.recognize(file.filename, error)
            if resembled and (release := resembled.guess_release()):
                releases.setdefault(release, []).append(file)
        else:
            releases.setdefault((name.project, name.version), []).append(file)
    return releases, refused


class _Exclusion:
    """The listed files without those that a pattern of ``--exclude`` matches."""

    def __init__(self, listed_files: Sequence[RemoteFile], patterns: Sequence[str]) -> None:
        self.kept: list[RemoteFile] = []
        self.left_out: list[ExcludedFile] = []
        unused = set(patterns)
        for file in listed_files:
            matching = [pattern for pattern in patterns if fnmatchcase(file.filename, pattern)]
            unused.difference_update(matching)
            if matching:
                self.left_out.append(
                    ExcludedFile(
                        filename=file.filename,
                        source=file.source,
                        reason=f"--exclude {matching[0]}",
                        is_left_out=True,
                    )
                )
            else:
                self.kept.append(file)
        #: One sentence for each pattern that matches nothing.
        self.notes = [
            f"--exclude {sanitize(pattern)} matches no staged file"
            for pattern in patterns
            if pattern in unused
        ]


# --- nothing found ---------------------------------------------------------------------------------


def _nothing_found(
    exclusion: _Exclusion, options: Options, version: Version | None, rule: VersionRule
) -> NoReleaseFoundError:
    """Return the error for a listing without files of the release, with the reason for each file."""
    files = exclusion.kept
    excluded = [*_explain_files(files, options, version, rule), *exclusion.left_out]
    sources = ", ".join(sorted({file.source for file in excluded})) or ", ".join(options.urls)
    requested = f"{options.project} {version or options.version}".strip()
    unavailable = [file for file in excluded if file.is_unavailable]
    withdrawn = {file.filename for file in files if file.is_withdrawn}
    if exclusion.left_out and not files:
        hint, suggestion = "Every staged file is left out: correct the patterns of --exclude.", None
    elif any(file.filename in withdrawn for file in unavailable):
        hint, suggestion = _WITHDRAWN_HINT, None
    elif any(file.unavailable_reason for file in files):
        hint, suggestion = _UNAVAILABLE_HINT, None
        unavailable = [_exclude(file, file.unavailable_reason) for file in files if file.unavailable_reason]
    else:
        hint, suggestion = _find_hint(files, options, version, rule)
    return NoReleaseFoundError(
        f"no files of {requested} at {sanitize(sources)}",
        excluded_files=excluded,
        hint=hint,
        details=_format_files(unavailable)
        if unavailable
        else _format_reasons(excluded, {file.exclusion_reason for file in files}),
        suggestion=suggestion,
    )


_WITHDRAWN_HINT = (
    "Files that the index has yanked, and those of an archived or quarantined project, are not taken. "
    "Stage other files, or pass another source with -u."
)
_UNAVAILABLE_HINT = (
    "The listed files cannot be downloaded; fix the staging area, or pass another source with -u."
)


def _explain_files(
    files: Sequence[RemoteFile], options: Options, version: Version | None, rule: VersionRule
) -> Iterator[ExcludedFile]:
    """Yield every file with the reason why it was not selected."""
    project = canonicalize_name(options.project)
    if version is not None:
        yield from filenames.select_files(files, project, version, options.types).excluded_files
        return
    for file in files:
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename as error:
            yield _exclude(
                file, file.unavailable_reason or str(error), unavailable=bool(file.unavailable_reason)
            )
        else:
            if name.project != project:
                yield _exclude(file, f"project {name.project}, not {project}")
            elif file.exclusion_reason:
                yield _exclude(file, file.exclusion_reason)
            elif file.unavailable_reason:
                yield _exclude(file, file.unavailable_reason, unavailable=True)
            else:
                yield _exclude(file, rule.describe_rejection(name.version))


def _exclude(file: RemoteFile, reason: str, *, unavailable: bool = False) -> ExcludedFile:
    return ExcludedFile(filename=file.filename, source=file.source, reason=reason, is_unavailable=unavailable)


def _format_files(excluded: Sequence[ExcludedFile]) -> list[str]:
    return [sanitize(f"{file.filename}: {file.reason}") for file in excluded[:MAX_LISTED]]


def _format_reasons(excluded: Iterable[ExcludedFile], exclusion_reasons: Collection[str]) -> list[str]:
    """Return one line for each reason why files were not selected, with the first of its files.

    Files of other releases are left out, because the hint names those, and so are files of other kinds.
    ``exclusion_reasons`` are shown for any file.
    """
    by_reason: dict[str, list[str]] = {}
    for file in excluded:
        if file.reason not in exclusion_reasons and (
            file.reason == filenames.OTHER_FILE or (_has_valid_name(file) and not file.is_left_out)
        ):
            continue
        by_reason.setdefault(file.reason, []).append(file.filename)
    lines = [
        sanitize(f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {reason}")
        for reason, names in by_reason.items()
    ]
    more = len(lines) - MAX_LISTED
    return lines[:MAX_LISTED] + ([f"and {more} more reasons, see the report"] if more > 0 else [])


def _has_valid_name(file: ExcludedFile) -> bool:
    try:
        filenames.parse_filename(filenames.attested_filename(file.filename) or file.filename)
    except filenames.InvalidFilename:
        return False
    return True


#: A sentence with the next step, and the argument that takes it, if there is one.
_Hint = tuple[str, tuple[str, str] | None]


def _find_hint(
    files: Sequence[RemoteFile], options: Options, version: Version | None, rule: VersionRule
) -> _Hint:
    staged = filenames.list_versions(files, options.project)
    if version in staged:
        return (
            f"The release is staged, but has no files of type {', '.join(options.types)}; "
            "use --until list -t all to see its files."
        ), None
    if staged and version is None:
        return _hint_at_inadmissible(staged, options, rule)
    if staged:
        nearest = _nearest_version(str(version), list(map(str, staged)))
        return f"These versions are staged: {format_versions(staged)}.", (options.version, nearest)
    if projects := filenames.list_projects(files):
        return _hint_at_projects(files, projects, options, rule)
    if files:
        names = ", ".join(sanitize(file.filename, limit=100) for file in files[:_MAX_EXAMPLES])
        return (
            f"The listing contains {format_count(len(files), 'file')}, but no wheel or sdist; "
            f"it has {names}{', ...' if len(files) > _MAX_EXAMPLES else ''}. Check the URL."
        ), None
    return "The listing contains no files. Check the URL, or run this again when the files are staged.", None


def _hint_at_inadmissible(staged: Sequence[Version], options: Options, rule: VersionRule) -> _Hint:
    """Return the next step if ``latest`` cannot be any of the staged versions."""
    with_prereleases = dataclasses.replace(rule, include_prereleases=True)
    if any(map(with_prereleases.admits, staged)):
        hint = f"Only pre-releases are staged: {format_versions(staged)}. Add --pre to include them."
        return hint, ("", "--pre")
    with_local_versions = dataclasses.replace(rule, include_local_versions=True)
    is_profile_enough = any(map(with_local_versions.admits, staged))
    flags = "--profile any" if is_profile_enough else "--profile any and --pre"
    hint = (
        f"Only local versions are staged: {format_versions(staged)}. PyPI does not accept them: build from a "
        f"tagged commit, or publish to another index, with {flags}."
    )
    # A command that uploads local versions to PyPI would lead nowhere.
    ends_before_upload = options.until < Stage.UPLOAD
    return hint, ("", "--profile=any") if is_profile_enough and ends_before_upload else None


def _hint_at_projects(
    files: Sequence[RemoteFile], projects: Sequence[str], options: Options, rule: VersionRule
) -> _Hint:
    suggested = suggest_projects(options.project, projects)
    hint = f"These projects are staged: {format_versions(projects)}."
    if suggested:
        hint += f" Did you mean {' or '.join(suggested)}?"
    found = [project for project in suggested if _has_release(files, project, options, rule)]
    return hint, (options.project, found[0]) if found else None


def _has_release(files: Sequence[RemoteFile], project: str, options: Options, rule: VersionRule) -> bool:
    """Return whether the requested version of another project is staged."""
    versions = filenames.list_versions(files, project)
    if options.version == LATEST_VERSION:
        return any(map(rule.admits, versions))
    return parse_version(options.version) in versions if options.version else len(versions) == 1


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

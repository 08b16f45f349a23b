"""File names of wheels and sdists (PEP 427, PEP 625): parsing, and selecting the files of one release."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds
from wheel_uploader.core.models import (
    DistName,
    ExcludedFile,
    RemoteAttestationFile,
    RemoteFile,
    SdistName,
    Selection,
    WheelName,
)
from wheel_uploader.core.string_cache import cached_for_short_strings

#: File systems allow 255 bytes, which must include the suffixes ``.asc`` and ``.publish.attestation``.
MAX_FILENAME_BYTES = 200
#: A name of 3,985 characters can expand to 8 million tags, so they are counted before the expansion.
MAX_TAGS = 512

#: PEP 625 requires .tar.gz. The older .zip is recognized so that a message can name the file.
SDIST_SUFFIXES = (".tar.gz", ".zip")
#: Formats that were once uploaded as sdists; they are never selected.
_LEGACY_SDIST_SUFFIXES = (".tar.bz2", ".tgz", ".tar.xz", ".tar.Z")

#: The reason for files that are of no interest, such as pages and signatures.
OTHER_FILE = "neither a wheel nor an sdist"

_ALLOWED_CHARACTERS = re.compile(r"[A-Za-z0-9_.!+-]+\Z")
_TAG_PATTERN = re.compile(r"[A-Za-z0-9_]+\Z")
_PROJECT_PATTERN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?\Z")
_BUILD_PATTERN = re.compile(r"[0-9][A-Za-z0-9_.]*\Z")
#: Beginnings of the parts that distinguish a variant's name from a name with a build tag.
_PYTHON_TAGS = re.compile(r"(?:py|cp|pp|ip|jy|graalpy)[0-9]")
_PLATFORM_TAG = re.compile(
    r"(?:any|linux|manylinux|musllinux|macosx|win|ios|android|pyodide|pyemscripten)(?![a-z])"
)
_VARIANT_LABEL = re.compile(r"[a-z0-9_.]{1,40}\Z")
#: A wheel name whose version is written as ``str(Version(...))`` writes it, without letters.
_PLAIN_WHEEL = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?)"
    r"-((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)-([A-Za-z0-9_.-]+)\.whl\Z"
)

#: PyPI's tools use the suffixes ``.publish.attestation``, ``.slsa.attestation`` and ``.attestation``.
PUBLISH_ATTESTATION_SUFFIX = ".publish.attestation"
_ATTESTATION_PATTERN = re.compile(
    r"(.+\.(?:whl|tar\.gz|zip))(?:\.[a-z0-9][a-z0-9_-]{0,31})?\.attestation\Z", re.DOTALL
)


class InvalidFilename(ValueError):
    """A file name is not a valid wheel or sdist name; ``str()`` is the reason, in one clause."""


def parse_filename(filename: str) -> DistName:
    """Parse the file name of a wheel or an sdist. Raises InvalidFilename.

    It is stricter than ``packaging``, which accepts ``x-1.0-py3-none-any (1).whl``, escape sequences and
    full-width letters.
    """
    if not filename:
        raise InvalidFilename("the name is empty")
    if filename.startswith("."):
        raise InvalidFilename("a hidden file")
    is_wheel = filename.endswith(".whl")
    if not is_wheel and not filename.endswith(SDIST_SUFFIXES):
        if filename.endswith(_LEGACY_SDIST_SUFFIXES):
            raise InvalidFilename("an sdist must be a .tar.gz (PEP 625)")
        raise InvalidFilename(OTHER_FILE)
    # Nearly all names are ASCII, and need no encoding.
    encoded = filename if filename.isascii() else filename.encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_FILENAME_BYTES:
        raise InvalidFilename(f"the name is longer than {MAX_FILENAME_BYTES} bytes")
    if not _ALLOWED_CHARACTERS.match(filename):
        raise InvalidFilename("the name has characters that are not allowed in a wheel or sdist name")
    return _parse_wheel(filename) if is_wheel else _parse_sdist(filename)


def attested_filename(filename: str) -> str:
    """Return the name of the file that an attestation of this name attests; empty for any other name."""
    match = _ATTESTATION_PATTERN.match(filename) if filename.endswith(".attestation") else None
    return match[1] if match else ""


def is_plain_wheel(filename: str) -> bool:
    """Return whether this is the valid name of a wheel whose version consists of numbers, such as ``1.11.0``.

    This takes a fraction of the time of ``parse_filename``, which matters for listings of 100,000 files.
    """
    return _match_plain_wheel(filename) is not None


def split_plain_wheel(filename: str) -> tuple[NormalizedName, str] | None:
    """Return the project and the version if ``is_plain_wheel``; None for any other name, valid or not."""
    match = _match_plain_wheel(filename)
    return (_parse_project(match[1]), match[2]) if match else None


def _match_plain_wheel(filename: str) -> re.Match[str] | None:
    match = _PLAIN_WHEEL.match(filename) if len(filename) <= MAX_FILENAME_BYTES else None
    if match:
        try:
            _parse_tags(match[3])
        except InvalidFilename:
            return None
    return match


def _parse_wheel(filename: str) -> WheelName:
    parts = filename.removesuffix(".whl").split("-", 2)
    if len(parts) < 3:
        raise InvalidFilename(_describe_part_count(len(parts)))
    raw_project, raw_version, raw_tags = parts
    build, pythons, abis, platforms = _parse_tags(raw_tags)
    return WheelName(
        filename=filename,
        project=_parse_project(raw_project),
        version=_parse_version(raw_version),
        raw_project=raw_project,
        raw_version=raw_version,
        build=build,
        pythons=pythons,
        abis=abis,
        platforms=platforms,
    )


class _Tags(NamedTuple):
    """The end of a wheel name: the build tag, if any, and the compressed tag sets."""

    build: str
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]


# Many files of a listing share their tags, project and version, so each distinct part is parsed once.
@cached_for_short_strings
def _parse_tags(text: str) -> _Tags:
    parts = text.split("-")
    if label := _find_variant_label(parts):
        raise InvalidFilename(
            f"it is a wheel variant with the label '{label}' (PEP 825), which no index accepts yet"
        )
    if len(parts) not in {3, 4}:
        raise InvalidFilename(_describe_part_count(len(parts) + 2))
    build = parts[0] if len(parts) == 4 else ""
    if len(parts) == 4 and not _BUILD_PATTERN.match(build):
        raise InvalidFilename(f"the build tag '{build}' does not start with a digit")
    pythons, abis, platforms = (tuple(tag_set.split(".")) for tag_set in parts[-3:])
    if len(pythons) * len(abis) * len(platforms) > MAX_TAGS:
        raise InvalidFilename(f"the name expands to more than {MAX_TAGS} tags")
    for tag in (*pythons, *abis, *platforms):
        if not _TAG_PATTERN.match(tag):
            raise InvalidFilename(f"'{tag}' is not a tag")
    return _Tags(build, pythons, abis, platforms)


def _describe_part_count(count: int) -> str:
    return f"a wheel name has 5 or 6 parts separated by dashes, not {count}"


def _find_variant_label(parts: Sequence[str]) -> str:
    """Return the label of a wheel variant, which follows the platform tags; empty for any other name.

    ``parts`` are those after the version.
    """
    has_build = len(parts) == 5 and bool(_BUILD_PATTERN.match(parts[0]))
    python, _, platform = parts[1:4] if has_build else (*parts[:3], "", "", "")[:3]
    is_variant = (
        (has_build or len(parts) == 4)
        and _PYTHON_TAGS.match(python)
        and _PLATFORM_TAG.match(platform)
        and _VARIANT_LABEL.match(parts[-1])
    )
    return parts[-1] if is_variant else ""


def _parse_sdist(filename: str) -> SdistName:
    suffix = next(suffix for suffix in SDIST_SUFFIXES if filename.endswith(suffix))
    # The project name of an old sdist may contain dashes; a normalized version never does.
    raw_project, dash, raw_version = filename.removesuffix(suffix).rpartition("-")
    if not dash:
        raise InvalidFilename("an sdist name is PROJECT-VERSION.tar.gz")
    return SdistName(
        filename=filename,
        project=_parse_project(raw_project.replace("-", "_")),
        version=_parse_version(raw_version),
        raw_project=raw_project,
        raw_version=raw_version,
    )


@cached_for_short_strings
def _parse_project(text: str) -> NormalizedName:
    if not _PROJECT_PATTERN.match(text):
        raise InvalidFilename(f"'{text}' is not a project name")
    return canonicalize_name(text)


@cached_for_short_strings
def _parse_version(text: str) -> Version:
    try:
        return bounds.parse_pep440_version(text.replace("_", "-"))
    except InvalidVersion:
        raise InvalidFilename(f"'{text}' is not a version (PEP 440)") from None


# --- selection of a release ------------------------------------------------------------------------

#: In the historic script, ``-t`` was a substring of the platform tag, and "all" meant no filter.
ALL_PLATFORMS = "all"
PLATFORM_FILTERS = (ALL_PLATFORMS, "macosx", "win", "linux", "manylinux", "manylinux1", "musllinux", "any")


def matches_platform_filter(name: DistName, filters: Sequence[str]) -> bool:
    """Return whether ``-t`` selects a file: one of ``filters`` is part of one of its platform tags.

    An sdist has no platform tag, so only ``all`` selects it.
    """
    if ALL_PLATFORMS in filters:
        return True
    if isinstance(name, SdistName):
        return False
    return any(_matches_platform(platform, filter_) for platform in name.platforms for filter_ in filters)


def _matches_platform(platform: str, filter_: str) -> bool:
    # As a plain substring, "win" would match "darwin" in an old tag, and "manylinux1" "manylinux1x".
    if filter_ == "win":
        return platform.startswith("win")
    if filter_ == "any":
        return platform == "any"
    if filter_ == "manylinux1":
        return platform.startswith("manylinux1_")
    return filter_ in platform


def select_files(
    files: Iterable[RemoteFile],
    project: str,
    version: Version,
    platform_filters: Sequence[str] = (ALL_PLATFORMS,),
) -> Selection:
    """Select the files of one release from the files of a source, with a reason for each excluded one."""
    project_name = canonicalize_name(project)
    selected: list[tuple[DistName, RemoteFile]] = []
    companions: list[RemoteAttestationFile] = []
    excluded: list[ExcludedFile] = []
    explain_plain_wheel = _make_explainer(project_name, version)
    for file in files:
        if reason := explain_plain_wheel(file.filename):
            excluded.append(_exclude(file, reason))
            continue
        subject = attested_filename(file.filename)
        try:
            name = parse_filename(subject or file.filename)
        except InvalidFilename as error:
            reason = "" if file.unavailable_reason else str(error)
        else:
            reason = (
                _explain_exclusion(name, project_name, version, platform_filters) or file.exclusion_reason
            )
            if not reason and not file.unavailable_reason:
                if subject:
                    companions.append(RemoteAttestationFile(subject_filename=subject, remote=file))
                else:
                    selected.append((name, file))
                continue
        # Belonging to another release is the more important reason, and an unavailable file is harmless then.
        excluded.append(_exclude(file, reason or file.unavailable_reason, withheld=not reason))
    selected.sort(key=lambda pair: (isinstance(pair[0], SdistName), pair[0].filename))
    filenames = {name.filename for name, _ in selected}
    orphans = [companion for companion in companions if companion.subject_filename not in filenames]
    excluded += [
        _exclude(orphan.remote, f"{orphan.subject_filename}, which it attests, is not listed")
        for orphan in orphans
    ]
    attestations = [companion for companion in companions if companion.subject_filename in filenames]
    attestations.sort(key=lambda attestation: attestation.filename)
    return Selection(
        project=project_name,
        version=version,
        files=tuple(selected),
        attestation_files=tuple(attestations),
        excluded_files=tuple(excluded),
    )


def _exclude(file: RemoteFile, reason: str, *, withheld: bool = False) -> ExcludedFile:
    return ExcludedFile(filename=file.filename, source=file.source, reason=reason, is_unavailable=withheld)


def _make_explainer(project: NormalizedName, version: Version) -> Callable[[str], str]:
    """Return a function that returns why a wheel is of another release, if that is evident; else empty."""
    shown_version, public_version = str(version), _strip_zeros(version.public)

    def explain(filename: str) -> str:
        plain = split_plain_wheel(filename)
        if plain is None:
            return ""
        if plain[0] != project:
            return f"project {plain[0]}, not {project}"
        # A version with equal numbers may be the same, or differ in the local part.
        is_other = _strip_zeros(plain[1]) != public_version
        return f"version {plain[1]}, not {shown_version}" if is_other else ""

    return explain


def _strip_zeros(version: str) -> str:
    """Return a version without the zeros at its end, which have no meaning: ``1.0.0`` equals ``1``."""
    while version.endswith(".0"):
        version = version[:-2]
    return version


def _explain_exclusion(name: DistName, project: str, version: Version, types: Sequence[str]) -> str:
    if name.project != project:
        return f"project {name.project}, not {project}"
    if name.version != version:
        # With equal public parts, the versions differ only in the local part.
        has_local = name.version.local is not None or version.local is not None
        same = has_local and name.version.public == version.public
        local = " (a local version is another release)" if same else ""
        return f"version {name.version}, not {version}{local}"
    if not matches_platform_filter(name, types):
        return f"not of type {', '.join(types)}"
    return ""


def list_versions(files: Iterable[RemoteFile], project: str) -> tuple[Version, ...]:
    """Return every version of ``project`` among ``files``, newest first."""
    project_name = canonicalize_name(project)
    unique = {name.version for name in _parse_valid(files) if name.project == project_name}
    return tuple(sorted(unique, reverse=True))


def list_projects(files: Iterable[RemoteFile]) -> tuple[str, ...]:
    """Return every project among ``files``, sorted by name."""
    return tuple(sorted({name.project for name in _parse_valid(files)}))


def find_latest_version(
    files: Iterable[RemoteFile],
    project: str,
    *,
    include_prereleases: bool = False,
    include_local_versions: bool = False,
) -> Version | None:
    """Return the newest version of ``project``.

    It may be a pre-release or a dev version only with ``include_prereleases``, and a local version
    (``1.0+cu121``), which PyPI rejects, only with ``include_local_versions``.
    """
    for version in list_versions(files, project):
        if (version.local is None or include_local_versions) and (
            include_prereleases or not version.is_prerelease
        ):
            return version
    return None


def _parse_valid(files: Iterable[RemoteFile]) -> Iterable[DistName]:
    for file in files:
        if file.exclusion_reason:
            continue
        try:
            yield parse_filename(file.filename)
        except InvalidFilename:
            continue

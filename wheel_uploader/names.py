"""File names (PEP 427, PEP 625): parse them, and choose the files that belong to one release."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader import bounded
from wheel_uploader.memo import remembers
from wheel_uploader.models import (
    Companion,
    DistName,
    Refusal,
    RemoteFile,
    SdistName,
    Selection,
    WheelName,
)

#: File systems take 255 bytes; what we add beside a file (``.asc``, ``.publish.attestation``) has to fit too.
MAX_NAME_BYTES = 200
#: A name of 3,985 characters can stand for 8 million tags: counted before anything is expanded.
MAX_TAGS = 512

#: PEP 625 asks for .tar.gz; .zip was common before it and is recognised so that it can be named.
SDIST_SUFFIXES = (".tar.gz", ".zip")
#: Archives that were once uploaded as sdists; they are never taken.
_OLD_SDIST_SUFFIXES = (".tar.bz2", ".tgz", ".tar.xz", ".tar.Z")

_ALLOWED = re.compile(r"[A-Za-z0-9_.!+-]+\Z")
_TAG = re.compile(r"[A-Za-z0-9_]+\Z")
_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?\Z")
_BUILD = re.compile(r"[0-9][A-Za-z0-9_.]*\Z")

#: What PyPI's tools write beside a file: ``.publish.attestation``, ``.slsa.attestation``, ``.attestation``.
PUBLISH_ATTESTATION = ".publish.attestation"
_ATTESTATION = re.compile(
    r"(.+\.(?:whl|tar\.gz|zip))(?:\.[a-z0-9][a-z0-9_-]{0,31})?\.attestation\Z", re.DOTALL
)


class NameRefused(ValueError):
    """A file name that is no wheel's and no sdist's; ``str()`` says why in one clause."""


def parse(filename: str) -> DistName:
    """The wheel or sdist that ``filename`` names.

    Raises NameRefused. ``packaging`` alone is not enough here: it takes ``x-1.0-py3-none-any (1).whl``,
    escape sequences and full-width letters.
    """
    if not filename:
        raise NameRefused("the name is empty")
    if filename.startswith("."):
        raise NameRefused("a hidden file")
    is_wheel = filename.endswith(".whl")
    if not is_wheel and not filename.endswith(SDIST_SUFFIXES):
        if filename.endswith(_OLD_SDIST_SUFFIXES):
            raise NameRefused("an sdist has to be a .tar.gz (PEP 625)")
        raise NameRefused("neither a wheel nor an sdist")
    if len(filename.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise NameRefused(f"the name is longer than {MAX_NAME_BYTES} bytes")
    if not _ALLOWED.match(filename):
        raise NameRefused("the name has characters that no wheel or sdist name has")
    return _parse_wheel(filename) if is_wheel else _parse_sdist(filename)


def about(filename: str) -> str:
    """The file that an attestation of this name is about; empty for any other name."""
    found = _ATTESTATION.match(filename)
    return found[1] if found else ""


def _parse_wheel(filename: str) -> WheelName:
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) == 5:
        raw_project, raw_version, *tag_sets = parts
        build = ""
    elif len(parts) == 6:
        raw_project, raw_version, build, *tag_sets = parts
        if not _BUILD.match(build):
            raise NameRefused(f"the build tag '{build}' does not start with a digit")
    else:
        raise NameRefused(f"a wheel name has 5 or 6 parts between dashes, this one {len(parts)}")
    pythons, abis, platforms = map(_split, tag_sets)
    if len(pythons) * len(abis) * len(platforms) > MAX_TAGS:
        raise NameRefused(f"the name stands for more than {MAX_TAGS} tags")
    for tag in (*pythons, *abis, *platforms):
        if not _TAG.match(tag):
            raise NameRefused(f"'{tag}' is not a tag")
    return WheelName(
        filename=filename,
        project=_project(raw_project),
        version=_version(raw_version),
        raw_project=raw_project,
        raw_version=raw_version,
        build=build,
        pythons=pythons,
        abis=abis,
        platforms=platforms,
    )


def _parse_sdist(filename: str) -> SdistName:
    suffix = next(suffix for suffix in SDIST_SUFFIXES if filename.endswith(suffix))
    # Old sdists have dashes in the project's name; a version never has one after normalization.
    raw_project, dash, raw_version = filename.removesuffix(suffix).rpartition("-")
    if not dash:
        raise NameRefused("an sdist name is PROJECT-VERSION.tar.gz")
    return SdistName(
        filename=filename,
        project=_project(raw_project.replace("-", "_")),
        version=_version(raw_version),
        raw_project=raw_project,
        raw_version=raw_version,
    )


# All files of a release have the same parts: they are judged, and kept, once.
@remembers
def _split(tag_set: str) -> tuple[str, ...]:
    return tuple(tag_set.split("."))


@remembers
def _project(text: str) -> NormalizedName:
    if not _PROJECT.match(text):
        raise NameRefused(f"'{text}' is not a project's name")
    return canonicalize_name(text)


@remembers
def _version(text: str) -> Version:
    try:
        return bounded.version(text.replace("_", "-"))
    except InvalidVersion:
        raise NameRefused(f"'{text}' is not a version (PEP 440)") from None


# --- which files belong to a release ---------------------------------------------------------------

#: ``-t`` in the historic script was a substring of the platform tag; "all" was no filter.
ALL_TYPES = "all"
TYPES = (ALL_TYPES, "macosx", "win", "linux", "manylinux", "manylinux1", "musllinux", "any")


def matches_type(name: DistName, types: Sequence[str]) -> bool:
    """Whether ``-t`` takes this file: one of ``types`` is part of one of its platform tags.

    An sdist runs everywhere: it comes with ``all`` only.
    """
    if ALL_TYPES in types:
        return True
    if isinstance(name, SdistName):
        return False
    return any(_matches_platform(platform, wanted) for platform in name.platforms for wanted in types)


def _matches_platform(platform: str, wanted: str) -> bool:
    # As a plain substring "win" would also be in "darwin" of an old tag, and "manylinux1" in "manylinux1x".
    if wanted == "win":
        return platform.startswith("win")
    if wanted == "any":
        return platform == "any"
    if wanted == "manylinux1":
        return platform.startswith("manylinux1_")
    return wanted in platform


def select(
    files: Iterable[RemoteFile], project: str, version: Version, types: Sequence[str] = (ALL_TYPES,)
) -> Selection:
    """The files of one release among all that a source offers; each refused file with its reason."""
    wanted = canonicalize_name(project)
    taken: list[tuple[DistName, RemoteFile]] = []
    companions: list[Companion] = []
    refused: list[Refusal] = []
    for file in files:
        reason = ""
        subject = about(file.filename)
        try:
            name = parse(subject or file.filename)
        except NameRefused as error:
            reason = "" if file.refused else str(error)
        else:
            reason = _why_not(name, wanted, version, types)
            if not reason and not file.refused:
                if subject:
                    companions.append(Companion(about=subject, remote=file))
                else:
                    taken.append((name, file))
                continue
        # That a file belongs to another release matters more than that it cannot be had.
        refused.append(_refusal(file, reason or file.refused, withheld=not reason))
    taken.sort(key=lambda pair: (isinstance(pair[0], SdistName), pair[0].filename))
    there = {name.filename for name, _ in taken}
    alone = [each for each in companions if each.about not in there]
    refused += [_refusal(each.remote, f"{each.about} is not there, which it is about") for each in alone]
    beside = sorted((each for each in companions if each.about in there), key=lambda each: each.filename)
    return Selection(
        project=wanted,
        version=version,
        files=tuple(taken),
        companions=tuple(beside),
        refused=tuple(refused),
    )


def _refusal(file: RemoteFile, reason: str, *, withheld: bool = False) -> Refusal:
    return Refusal(filename=file.filename, source=file.source, reason=reason, withheld=withheld)


def _why_not(name: DistName, project: str, version: Version, types: Sequence[str]) -> str:
    if name.project != project:
        return f"project {name.project}, not {project}"
    if name.version != version:
        # Versions that differ and are equal without their local parts: at least one has such a part.
        has_local = name.version.local is not None or version.local is not None
        same = has_local and name.version.public == version.public
        local = " (a local version is another release)" if same else ""
        return f"version {name.version}, not {version}{local}"
    if not matches_type(name, types):
        return f"not of type {', '.join(types)}"
    return ""


def versions(files: Iterable[RemoteFile], project: str) -> tuple[Version, ...]:
    """Every version of ``project`` among ``files``, newest first."""
    wanted = canonicalize_name(project)
    return tuple(sorted({name.version for name in _parsed(files) if name.project == wanted}, reverse=True))


def projects(files: Iterable[RemoteFile]) -> tuple[str, ...]:
    """Every project among ``files``, in order of name."""
    return tuple(sorted({name.project for name in _parsed(files)}))


def latest(files: Iterable[RemoteFile], project: str, *, pre: bool = False) -> Version | None:
    """The newest version of ``project``; pre-releases and dev versions only with ``pre``.

    A local version (``1.0+cu121``) is never the latest: an index for everyone does not take it.
    """
    for version in versions(files, project):
        if version.local is None and (pre or not version.is_prerelease):
            return version
    return None


def _parsed(files: Iterable[RemoteFile]) -> Iterable[DistName]:
    for file in files:
        try:
            yield parse(file.filename)
        except NameRefused:
            continue

"""Checks of sdists: the file name, an unambiguous tar archive, one top directory, PKG-INFO in it."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.registry import Observation, check, pypi_check
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import SdistContent, SdistMember, Severity

_ABSOLUTE_PATH = re.compile(r"[/\\]|[A-Za-z]:")


@pypi_check("sdist/name")
def name(sdist: SdistContent) -> Iterator[Observation]:
    """sdist file name does not follow PEP 625.

    PyPI accepts an sdist only as "{normalized name}-{normalized version}.tar.gz"; zip files and old spellings
    ("My-Project-1.0.tar.gz") are rejected. The cause is an old setuptools version or a home-made script.
    Update the build backend and build again.
    """
    version = core_metadata.read_core_metadata_or_empty(sdist).parse_version()
    if version != sdist.name.version:  # metadata/filename-mismatch reports it.
        version = sdist.name.version
    # Equal versions may differ as text; PyPI expects the one of the metadata.
    expected = f"{sdist.name.project.replace('-', '_')}-{version}.tar.gz"
    if sdist.filename != expected:
        yield f"its name must be {expected}"


@check("sdist/unreadable", Severity.ERROR)
def unreadable(sdist: SdistContent) -> Iterator[Observation]:
    """File is not a valid archive.

    It is truncated, damaged, followed by extra data, or an error page that was saved under this name, so it
    cannot be built from. The usual cause is an interrupted download. Delete the file and download it again;
    if the staged copy is damaged too, build and stage it again.
    """
    for fact in sdist.anomalies:
        if fact.kind not in {"bomb", "too-big", "obfuscated"}:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("sdist/bomb", Severity.ERROR)
def bomb(sdist: SdistContent) -> Iterator[Observation]:
    """Archive is a decompression bomb.

    An archive that unpacks to more than 64 MiB at a ratio above 50:1 is a decompression bomb, or contains
    test data that is mostly zeros; PyPI applies this limit to wheels. Leave such data out of the sdist. The
    archive was not read completely.
    """
    for fact in sdist.anomalies:
        if fact.kind in {"bomb", "too-big"}:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("sdist/layout", Severity.ERROR)
def layout(sdist: SdistContent) -> Iterator[Observation]:
    """Archive is not a single directory with PKG-INFO in it.

    An sdist has one top-level directory; PyPI rejects other layouts, and sparse members as well. Links and
    paths that lead outside the directory can overwrite files of the user who unpacks the archive, and pip
    refuses them. The usual cause is a tar archive created by hand, or one created on macOS with "._" files.
    Build the sdist with a current build backend.
    """
    tops = _list_top_level_names(sdist)
    names = {member.name for member in sdist.members}
    if len(tops) > 1:
        yield f"it has {format_count(len(tops), 'top-level entry')}: {', '.join(tops[:5])}"
    elif not tops:
        yield "it is empty"
    elif names & {".", "./"}:
        yield "it has an entry for '.', which counts as a second top-level entry"
    elif names == {f"{tops[0]}/PKG-INFO"} and not sdist.anomalies:
        yield "it contains only PKG-INFO"
    elif f"{tops[0]}/PKG-INFO" not in {member.name for member in sdist.members if member.kind == "file"}:
        is_prefixed = f"./{tops[0]}/PKG-INFO" in names
        yield f"{tops[0]}/PKG-INFO is missing" + (": all paths begin with './'" if is_prefixed else "")
    for member in sdist.members:
        if problem := _describe_unsafe_member(member):
            yield member.name, problem


def _list_top_level_names(sdist: SdistContent) -> list[str]:
    tops = {member.name.removeprefix("./").partition("/")[0] for member in sdist.members}
    return sorted(tops - {"", "."})


@check("sdist/top-directory", Severity.WARNING)
def top_directory(sdist: SdistContent) -> Iterator[Observation]:
    """Top directory is not named after the file.

    The specification requires "{name}-{version}", spelled as in the file name. PyPI and pip accept any name,
    but scripts of distributions that unpack the sdist do not find it. The usual cause is an old build backend
    or an archive created by hand. Build the sdist with a current build backend.
    """
    expected = f"{sdist.name.raw_project}-{sdist.name.raw_version}"
    tops = _list_top_level_names(sdist)
    if len(tops) == 1 and tops != [expected]:
        yield f"its top directory is '{tops[0]}', not '{expected}'"


@check("sdist/duplicate-member", Severity.WARNING)
def duplicate_member(sdist: SdistContent) -> Iterator[Observation]:
    """Two members of the archive have the same path.

    Programs that unpack the archive keep the last one, whereas programs that read it as a stream may use the
    first one, so that users may build from another file than the one that was reviewed. The usual cause is a
    tar archive that files were appended to. Build the sdist with a current build backend.
    """
    counts = Counter(member.name for member in sdist.members if member.kind != "directory")
    for path, count in counts.items():
        if count > 1:
            yield path, f"{format_count(count, 'member')} have this path"


def _describe_unsafe_member(member: SdistMember) -> str:
    if _ABSOLUTE_PATH.match(member.name) or ".." in member.name.split("/"):
        return "its path leads outside the archive's directory"
    if member.kind in {"sparse", "other"}:
        return (
            "it is a sparse file" if member.kind == "sparse" else "it is a device, a pipe or of unknown type"
        )
    if member.kind in {"symlink", "hardlink"}:
        # A hard link's target is relative to the root of the archive, a symbolic link's to the link itself.
        start = posixpath.dirname(member.name) if member.kind == "symlink" else ""
        target = posixpath.normpath(posixpath.join(start, member.link_target))
        if target.partition("/")[0] != member.name.partition("/")[0] or _ABSOLUTE_PATH.match(
            member.link_target
        ):
            return f"it is a link to '{member.link_target}', outside the archive's directory"
    return ""


@check("sdist/metadata", Severity.ERROR)
def metadata(sdist: SdistContent) -> Iterator[Observation]:
    """PKG-INFO cannot be read.

    It must be encoded in UTF-8 and contain core metadata fields like METADATA in a wheel; the metadata checks
    validate their values. The usual cause is a file saved in the system's default encoding, or an sdist
    packed by hand. Build it with a current build backend.
    """
    path = core_metadata.get_metadata_path(sdist)
    data = sdist.retained_members.get(path)
    if data is None:
        return  # sdist/layout reports it.
    if core_metadata.read_core_metadata(sdist) is None:
        yield path, "it is not valid UTF-8"
    elif not data.strip():
        yield path, "it is empty"


CHECKS = (name, unreadable, bomb, layout, top_directory, duplicate_member, metadata)

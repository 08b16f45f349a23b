"""The sdist: its name, a tar that every reader reads alike, one directory, and PKG-INFO in it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.registry import Yielded, check, pypi_check
from wheel_uploader.models import SdistContent, SdistMember, Severity

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")


@pypi_check("sdist/name")
def name(sdist: SdistContent) -> Iterator[Yielded]:
    """The file name is not exactly what PEP 625 asks for.

    PyPI takes an sdist only as "{normalized name}-{normalized version}.tar.gz"; zip files and old spellings
    ("My-Project-1.0.tar.gz") are refused. It comes from an old setuptools or a home-made script. Update the
    build backend and build again.
    """
    wanted = f"{sdist.name.project.replace('-', '_')}-{sdist.name.version}.tar.gz"
    if sdist.filename != wanted:
        yield f"it has to be named {wanted}"


@check("sdist/unreadable", Severity.ERROR)
def unreadable(sdist: SdistContent) -> Iterator[Yielded]:
    """The file is no sound archive.

    It is cut off, damaged, has something behind its end, or is an error page that was saved under this
    name; nobody can build from it. The usual cause is a download that broke off. Delete the file and fetch
    it again; when it is like that at the staging place, build it again.
    """
    for fact in sdist.facts:
        if fact.kind not in {"bomb", "too-big"}:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("sdist/bomb", Severity.ERROR)
def bomb(sdist: SdistContent) -> Iterator[Yielded]:
    """The archive unpacks to absurdly more than its own size.

    More than 64 MiB unpacked and more than 50 to 1 is a decompression bomb, or test data that is mostly
    zeros; PyPI has this limit for wheels. Leave such data out of the sdist. The archive was not read to its
    end.
    """
    for fact in sdist.facts:
        if fact.kind in {"bomb", "too-big"}:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("sdist/layout", Severity.ERROR)
def layout(sdist: SdistContent) -> Iterator[Yielded]:
    """The archive is not one directory with PKG-INFO in it.

    An sdist has one top directory, named as the file is; PyPI refuses others, and sparse members too. Links
    and paths that lead out of the directory overwrite files of whoever unpacks it, and pip refuses them.
    The usual cause is a tar made by hand, or one made on macOS with "._" files. Build it with a current
    build backend.
    """
    top = f"{sdist.name.raw_project}-{sdist.name.raw_version}"
    tops = sorted({member.name.removeprefix("./").partition("/")[0] for member in sdist.members} - {"", "."})
    if len(tops) > 1:
        yield f"it has {len(tops)} entries at the top: {', '.join(tops[:5])}"
    elif tops != [top]:
        yield f"its top directory is '{tops[0]}', not '{top}'" if tops else "it is empty"
    elif f"{top}/PKG-INFO" not in {member.name for member in sdist.members if member.kind == "file"}:
        yield f"there is no {top}/PKG-INFO"
    for member in sdist.members:
        if problem := _problem(member):
            yield member.name, problem


def _problem(member: SdistMember) -> str:
    if _ABSOLUTE.match(member.name) or ".." in member.name.split("/"):
        return "its path leads out of the archive's directory"
    if member.kind in {"sparse", "other"}:
        return "it is a sparse file" if member.kind == "sparse" else "it is a device, a pipe or unknown"
    if member.kind in {"symlink", "hardlink"}:
        # A hard link's target counts from the top of the archive, a symbolic link's from where the link is.
        start = posixpath.dirname(member.name) if member.kind == "symlink" else ""
        target = posixpath.normpath(posixpath.join(start, member.link_target))
        if target.partition("/")[0] != member.name.partition("/")[0] or _ABSOLUTE.match(member.link_target):
            return f"it is a link to '{member.link_target}', outside of the archive's directory"
    return ""


@check("sdist/metadata", Severity.ERROR)
def metadata(sdist: SdistContent) -> Iterator[Yielded]:
    """PKG-INFO cannot be read.

    It has to be UTF-8 and to have the fields of core metadata, as METADATA of a wheel; what it says is
    judged by the metadata checks. The usual cause is a file saved in the system's own encoding, or an sdist
    packed by hand. Build it with a current build backend.
    """
    path = core_metadata.path_of(sdist)
    data = sdist.kept.get(path)
    if data is None:
        return  # sdist/layout
    found = core_metadata.of(sdist)
    if found is None:
        yield path, "it is not UTF-8"
    elif not data.strip():
        yield path, "it is empty"


CHECKS = (name, unreadable, bomb, layout, metadata)

"""Checks of a wheel's ZIP archive: every reader sees the same members, and nothing is hidden or hostile."""

from __future__ import annotations

import bisect
import re
import stat
from collections import Counter
from collections.abc import Iterator

from wheel_uploader.checks.path_collisions import find_path_collisions
from wheel_uploader.checks.registry import Observation, check, pypi_check
from wheel_uploader.core import characters
from wheel_uploader.core.budget import OVER_BUDGET
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import SdistContent, Severity, WheelContent
from wheel_uploader.core.string_cache import cached_for_short_strings

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE_LETTER = re.compile(r"[A-Za-z]:")
#: Device names, with or without a suffix, and characters that Windows does not allow in file names.
_INVALID_ON_WINDOWS = re.compile(r"^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)|[<>:\"|?*]", re.IGNORECASE)
#: Windows limits paths to 260 characters unless long paths are enabled; site-packages takes about 100.
_MAX_PORTABLE_PATH = 150


def _report_anomalies(wheel: WheelContent, *kinds: str) -> Iterator[Observation]:
    for fact in wheel.anomalies:
        if fact.kind in kinds:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("archive/unreadable", Severity.ERROR)
def unreadable(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel is not a complete ZIP archive.

    A wheel that cannot be opened cannot be installed. Common causes are a truncated download, and a login or
    error page that a server sent with status 200 and that was saved as the wheel. Delete the file and
    download it again; if the staged copy is damaged too, build and stage it again.
    """
    yield from _report_anomalies(wheel, "unreadable")


@check("archive/over-budget", Severity.ERROR)
def over_budget(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File needs more time or memory to inspect than any released file.

    The file was not checked completely, so nothing is known about the rest of it. Reading and checking a file
    may take 2 seconds of CPU time plus three times as long as decompressing and hashing it, and a fixed
    amount of memory; the numbers of members, symbols, tables and rows are limited too. The message names the
    limit and, if a single member is responsible, that member. The usual cause is a file crafted to exhaust
    its reader, with table entries that all point to one place or with the same name a million times. Inspect
    the member with the tools of its platform. If the file is legitimate, accept the finding with "ignore";
    the other checks then cover only part of the file.
    """
    for fact in content.anomalies:
        if fact.kind == OVER_BUDGET:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("archive/bad-crc", Severity.ERROR)
def bad_crc(wheel: WheelContent) -> Iterator[Observation]:
    """Archive member is corrupt.

    The member cannot be decompressed, or its checksum differs from the one in the archive; installers fail at
    that point. Either bits changed in transit or on a disk, or the tool that wrote the archive has a bug
    (PyPI does not check). Download the file again and compare its hash with the copy on the build machine; if
    the two are equal, build the wheel again.
    """
    yield from _report_anomalies(wheel, "bad-crc")


@check("archive/headers-disagree", Severity.ERROR)
def headers_disagree(wheel: WheelContent) -> Iterator[Observation]:
    """Local headers and central directory of the ZIP archive disagree.

    A ZIP archive describes each member twice: in front of its data, and in the central directory at the end.
    If the two descriptions differ, two tools see two different wheels: the wheel that was checked is not the
    one that gets installed, and PyPI rejects the file. Possible causes are a buggy tool, a damaged file, and
    an attack. Rebuild the wheel with a standard tool.
    """
    yield from _report_anomalies(wheel, "headers-disagree")


@check("archive/duplicate-member", Severity.ERROR)
def duplicate_member(wheel: WheelContent) -> Iterator[Observation]:
    """Same path occurs more than once in the archive.

    Which copy gets installed depends on the installer, and PyPI rejects the file. The usual cause is a build
    script that opens the wheel in append mode and adds a file that it already contains. Unpack and repack the
    wheel ("wheel unpack", "wheel pack"), and fix the script.
    """
    counts = Counter(member.name.rstrip("/") for member in wheel.members)
    yield from ((name, f"it occurs {count} times") for name, count in counts.items() if count > 1)
    files = sorted(member.name for member in wheel.members if not member.is_directory)
    names = sorted(member.name for member in wheel.members)
    # Look for each file's prefix in the sorted names: a path may have thousands of parent directories.
    for name in dict.fromkeys(files):
        index = bisect.bisect_left(names, f"{name}/")
        if index < len(names) and names[index].startswith(f"{name}/"):
            yield name, "it is both a file and the directory of other members"


@pypi_check("archive/data-descriptor")
def data_descriptor(wheel: WheelContent) -> Iterator[Observation]:
    """Archive contains data descriptors.

    When a tool writes a ZIP archive to a pipe, it stores the size of each member after its data, in a data
    descriptor. PyPI rejects such archives because readers find different members in them. Write the wheel to
    a regular file; "wheel unpack" followed by "wheel pack" fixes an existing one.
    """
    yield from _report_anomalies(wheel, "data-descriptor")


@check("archive/foreign-bytes", Severity.ERROR)
def foreign_bytes(wheel: WheelContent) -> Iterator[Observation]:
    """File contains bytes that belong to no archive member.

    The bytes are before the archive, between its members or after its end. PyPI rejects such a file because
    the bytes may hide content. Common causes are a self-extracting stub, a tool that deletes members without
    rewriting the archive, and a download that was resumed at the wrong offset. Repack the wheel with
    "wheel unpack" and "wheel pack", or download it again.
    """
    yield from _report_anomalies(wheel, "foreign-bytes", "trailing-bytes")


@pypi_check("archive/member-comment")
def member_comment(wheel: WheelContent) -> Iterator[Observation]:
    """Archive member has a comment.

    Installers do not read comments in a ZIP archive's central directory, and PyPI rejects them. They come
    from general-purpose archivers and from signing tools. Repack the wheel with "wheel unpack" and
    "wheel pack".
    """
    yield from _report_anomalies(wheel, "member-comment")


@pypi_check("archive/malformed-extra")
def malformed_extra(wheel: WheelContent) -> Iterator[Observation]:
    """Archive member has malformed extra fields.

    Extra fields carry 64-bit sizes and alternative names. If one is malformed, readers disagree about where a
    member begins and ends, and PyPI rejects the file. The tool that wrote the archive has a bug, or the file
    is damaged. Repack the wheel with "wheel unpack" and "wheel pack".
    """
    yield from _report_anomalies(wheel, "malformed-extra")


@check("archive/compression-method", Severity.ERROR)
def compression_method(wheel: WheelContent) -> Iterator[Observation]:
    """Archive member uses a compression method that installers do not support.

    The members of a wheel must be stored or deflated. With bzip2, LZMA, Deflate64 or Zstandard, pip fails and
    PyPI rejects the file. The usual cause is a wheel packed with a general-purpose archiver. Pack it with
    "wheel pack".
    """
    yield from _report_anomalies(wheel, "compression-method")


@check("archive/encrypted", Severity.ERROR)
def encrypted(wheel: WheelContent) -> Iterator[Observation]:
    """Archive member is encrypted.

    Installers have no password, so the wheel can be neither installed nor checked. The usual causes are a
    general-purpose archiver with a password set, and damaged flags. Repack the wheel without a password.
    """
    yield from _report_anomalies(wheel, "encrypted")


@check("archive/bomb", Severity.ERROR)
def bomb(wheel: WheelContent) -> Iterator[Observation]:
    """Archive is a decompression bomb.

    PyPI rejects archives that unpack to more than 64 MiB at a ratio above 50:1, and many megabytes of
    metadata use up all the memory of the tools that read it. The cause is either an attack or test data that
    is mostly zeros. Leave such data out of the wheel, or generate it when it is needed. The members were not
    read, so the other checks cover only part of this file.
    """
    yield from _report_anomalies(wheel, "bomb", "too-big")


@check("archive/unsafe-path", Severity.ERROR)
def unsafe_path(wheel: WheelContent) -> Iterator[Observation]:
    """Member path leaves the installation directory or is not normalized.

    Depending on the system, "../x", "/x", "C:/x" and backslashes write outside the installation directory or
    create a file with an unexpected name; PyPI accepts them nevertheless. Such paths come from archives
    packed by hand on Windows, or from an attacker. Use relative paths with "/" as the only separator.
    """
    for member in wheel.members:
        if problem := _describe_unsafe_path(member.name):
            yield member.name, problem


@cached_for_short_strings
def _describe_unsafe_path(path: str) -> str:
    if path.startswith("/") or _DRIVE_LETTER.match(path):
        return "its path is absolute"
    if "\\" in path:
        return "its path contains a backslash, which only Windows treats as a separator"
    parts = path.removesuffix("/").split("/")
    if ".." in parts:
        return "its path contains '..'"
    return "its path contains an empty component or '.'" if "" in parts or "." in parts else ""


@check("archive/symlink", Severity.ERROR)
def symlink(wheel: WheelContent) -> Iterator[Observation]:
    """Archive member is a symbolic link or another special file.

    Wheels do not support links: in place of the library, pip writes a small text file that contains the name
    of the link's target. The usual cause is "libfoo.so -> libfoo.so.1" packed with "zip -y". Include a copy
    of the library, or load it by its real name.
    """
    for member in wheel.members:
        kind = stat.S_IFMT(member.mode)
        if kind == stat.S_IFLNK:
            yield member.name, "it is a symbolic link"
        elif kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            yield member.name, "it is marked as a device, a pipe or a socket"


@check("archive/directory-with-data", Severity.ERROR)
def directory_with_data(wheel: WheelContent) -> Iterator[Observation]:
    """Directory entry contains data.

    A member whose name ends in "/" is a directory; some readers see its data and others skip it. No build
    tool writes such an entry, so the archive is damaged or hides something. Rebuild the wheel with a standard
    tool.
    """
    for member in wheel.members:
        if member.is_directory and (member.size or member.actual_size):
            size = format_count(max(member.size, member.actual_size), "byte")
            yield member.name, f"it is a directory but contains {size}"
        elif stat.S_ISDIR(member.mode) and not member.is_directory:
            yield member.name, "it is marked as a directory, but its name does not end in '/'"


@check("archive/bad-member-name", Severity.ERROR)
def bad_member_name(wheel: WheelContent) -> Iterator[Observation]:
    """Member name is interpreted differently by different readers.

    Control characters truncate a name in some readers and forge terminal output in others. A name that is not
    UTF-8, or not marked as UTF-8, is decoded differently on different systems. PyPI rejects most of these
    names. The usual cause is an outdated or home-made archiver. Rename the file in the project and build
    again.
    """
    yield from _report_anomalies(wheel, "bad-member-name")
    for member in wheel.members:
        if _CONTROL_CHARACTER.search(member.name):
            yield member.name, "its name contains control characters"


@check("archive/hidden-deflate-data", Severity.ERROR)
def hidden_deflate_data(wheel: WheelContent) -> Iterator[Observation]:
    """Archive member contains more data than it declares.

    Its compressed stream continues past the declared size, or is followed by extra bytes: one reader sees a
    harmless beginning with a correct checksum, another also sees the rest. No build tool writes such a
    member. Do not publish the file, and find out where it was modified.
    """
    yield from _report_anomalies(wheel, "hidden-deflate-data")


@check("archive/case-collision", Severity.WARNING)
def case_collision(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Two paths differ only in upper and lower case.

    On Windows and macOS they are the same file, and the second overwrites the first, or the same directory,
    of which Python finds only one name. The usual cause is a module or a package that was renamed while a
    stale copy stayed in the build directory. Remove one of the two and build from a clean checkout.
    """
    names = (member.name for member in content.members)
    for path, first in find_path_collisions(names, characters.casefold_assigned, content.budget):
        yield path, f"it differs from '{first}' only in upper and lower case"


@check("archive/unicode-collision", Severity.WARNING)
def unicode_collision(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Two paths look the same and differ in the encoding of their characters.

    Unicode has two forms of many letters: "\\u00e9", and "e" followed by the accent "\\u0301". macOS treats
    them as the same name, so one of the two files overwrites the other, whereas Linux and Windows have both.
    The usual cause is a file that was added once on macOS and once elsewhere. Remove one of the two.
    """
    names = (member.name for member in content.members if not member.name.isascii())
    for path, first in find_path_collisions(names, characters.normalize_assigned, content.budget):
        yield path, f"{path!a} looks the same as {first!a}"


@check("archive/unportable-path", Severity.NOTE)
def unportable_path(wheel: WheelContent) -> Iterator[Observation]:
    """Path does not work on every system.

    Non-ASCII names, very long paths, Windows device names ("aux.py") and names that end in a dot or a space
    cannot be unpacked everywhere. For a wheel that is specific to another platform this may not matter. If
    the wheel is also for Windows, shorten or rename the files.
    """
    for member in wheel.members:
        if problem := _describe_unportable_path(member.name):
            yield member.name, problem


@cached_for_short_strings
def _describe_unportable_path(path: str) -> str:
    if not path.isascii():
        return "its name is not ASCII"
    if len(path) > _MAX_PORTABLE_PATH:
        return f"its path has {len(path)} characters, too many for some Windows systems"
    is_invalid = any(_is_invalid_on_windows(part) for part in path.rstrip("/").split("/"))
    return "Windows does not allow this file name" if is_invalid else ""


def _is_invalid_on_windows(part: str) -> bool:
    # Windows removes trailing dots and spaces; "." and ".." are not file names.
    return bool(_INVALID_ON_WINDOWS.search(part)) or (part.endswith((".", " ")) and part.strip(".") != "")


CHECKS = (
    unreadable,
    over_budget,
    bad_crc,
    headers_disagree,
    duplicate_member,
    data_descriptor,
    foreign_bytes,
    member_comment,
    malformed_extra,
    compression_method,
    encrypted,
    bomb,
    unsafe_path,
    symlink,
    directory_with_data,
    bad_member_name,
    hidden_deflate_data,
    case_collision,
    unicode_collision,
    unportable_path,
)

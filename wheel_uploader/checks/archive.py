"""The ZIP of a wheel: framing that every reader reads alike, and nothing hidden or hostile in it."""

from __future__ import annotations

import bisect
import re
import stat
from collections import Counter
from collections.abc import Iterator

from wheel_uploader import characters
from wheel_uploader.budget import OVER_BUDGET
from wheel_uploader.checks.registry import Yielded, check, pypi_check
from wheel_uploader.memo import remembers
from wheel_uploader.models import SdistContent, Severity, WheelContent

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
#: Names of devices, with or without a suffix; characters that Windows does not have.
_NOT_ON_WINDOWS = re.compile(r"^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)|[<>:\"|?*]", re.IGNORECASE)
#: Windows without long paths takes 260 characters, of which site-packages has about 100.
_LONG_PATH = 150


def _facts(wheel: WheelContent, *kinds: str) -> Iterator[Yielded]:
    for fact in wheel.facts:
        if fact.kind in kinds:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("archive/unreadable", Severity.ERROR)
def unreadable(wheel: WheelContent) -> Iterator[Yielded]:
    """The file is no ZIP archive, or not all of one.

    A wheel that cannot be opened cannot be installed. The usual causes are a download that was cut off, and a
    login or error page that a server sent with status 200 and that was saved as the wheel. Delete the file
    and fetch it again; when it is like that at the staging place, build and stage it again.
    """
    yield from _facts(wheel, "unreadable")


@check("archive/over-budget", Severity.ERROR)
def over_budget(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """The file takes more time or memory than any released one.

    It was not checked to its end, so nothing is known of the rest.
    Reading and checking a file may take 2 seconds of CPU time, three times what inflating and hashing it
    takes, and a fixed amount of memory; the numbers of members, symbols, tables and rows have limits too.
    The sentence names the limit and, if one is to blame, the member. The usual cause is a file made to
    exhaust whoever reads it: table entries that all point to one place, or the same name a million times.
    Look at the member with the tools of its platform. If the file is meant to be so, accept this with
    "ignore"; the other checks then say little about the file.
    """
    for fact in content.facts:
        if fact.kind == OVER_BUDGET:
            yield fact.message if fact.member is None else (fact.member, fact.message)


@check("archive/bad-crc", Severity.ERROR)
def bad_crc(wheel: WheelContent) -> Iterator[Yielded]:
    """A member is damaged.

    Its bytes do not unpack, or do not have the checksum that the archive promises; installers stop there.
    Bits were changed in transit or on a disk, or the tool that wrote the archive has a bug (PyPI does not
    look). Fetch the file again and compare its hash with the place where it was built; if it is the same
    there, build again.
    """
    yield from _facts(wheel, "bad-crc")


@check("archive/headers-disagree", Severity.ERROR)
def headers_disagree(wheel: WheelContent) -> Iterator[Yielded]:
    """The two tables of the archive contradict each other.

    A ZIP describes each member twice, before its bytes and in the directory at the end. Where the two
    differ, two tools see two different wheels: what was checked is not what is installed, and PyPI refuses
    the file. It takes a buggy tool, a damaged file, or somebody who means harm. Build the wheel again with
    a standard tool.
    """
    yield from _facts(wheel, "headers-disagree")


@check("archive/duplicate-member", Severity.ERROR)
def duplicate_member(wheel: WheelContent) -> Iterator[Yielded]:
    """A path is in the archive more than once.

    Which of the two is installed depends on the installer, and PyPI refuses the file. The usual cause is a
    build script that opens the wheel in append mode and adds a file that is there already. Unpack the wheel
    and pack it again ("wheel unpack", "wheel pack"), and correct the script.
    """
    counts = Counter(member.name.rstrip("/") for member in wheel.members)
    yield from ((name, f"it is there {count} times") for name, count in counts.items() if count > 1)
    files = sorted(member.name for member in wheel.members if not member.is_directory)
    names = sorted(member.name for member in wheel.members)
    # Not by the folders of each path: a path may have thousands of them.
    for name in dict.fromkeys(files):
        at = bisect.bisect_left(names, f"{name}/")
        if at < len(names) and names[at].startswith(f"{name}/"):
            yield name, "it is a file, and a directory of other members"


@pypi_check("archive/data-descriptor")
def data_descriptor(wheel: WheelContent) -> Iterator[Yielded]:
    """The archive was written to a pipe.

    Sizes then stand behind the bytes of each member, in a data descriptor, and PyPI refuses such archives
    because readers find different members in them. It happens when a tool streams its output. Write the
    wheel to a real file ("wheel unpack" and "wheel pack" will do).
    """
    yield from _facts(wheel, "data-descriptor")


@check("archive/foreign-bytes", Severity.ERROR)
def foreign_bytes(wheel: WheelContent) -> Iterator[Yielded]:
    """There are bytes in the file that belong to no member.

    They stand before the archive, between its members or after its end; PyPI refuses the file, for
    something may hide there. Causes are a self-extracting stub, a tool that deletes members without packing
    again, a download that was resumed at the wrong place. Pack the wheel again with "wheel unpack" and
    "wheel pack", or fetch it again.
    """
    yield from _facts(wheel, "foreign-bytes", "trailing-bytes")


@pypi_check("archive/member-comment")
def member_comment(wheel: WheelContent) -> Iterator[Yielded]:
    """A member has a comment.

    No installer reads comments in the directory of a ZIP, and PyPI refuses them. They come from general
    archivers and from signing tools. Pack the wheel again with "wheel unpack" and "wheel pack".
    """
    yield from _facts(wheel, "member-comment")


@pypi_check("archive/malformed-extra")
def malformed_extra(wheel: WheelContent) -> Iterator[Yielded]:
    """The extra fields of a member are malformed.

    Extra fields carry 64-bit sizes and second names, so a malformed one makes readers disagree about where
    a member begins and ends; PyPI refuses the file. It is a bug of the tool that wrote the archive, or
    damage. Pack the wheel again with "wheel unpack" and "wheel pack".
    """
    yield from _facts(wheel, "malformed-extra")


@check("archive/compression-method", Severity.ERROR)
def compression_method(wheel: WheelContent) -> Iterator[Yielded]:
    """A member is compressed by a method that installers do not have.

    A wheel's members are stored or deflated; with bzip2, LZMA, Deflate64 or Zstandard pip fails, and PyPI
    refuses the file. The usual cause is a general archiver that was used to pack the wheel. Pack it with
    "wheel pack".
    """
    yield from _facts(wheel, "compression-method")


@check("archive/encrypted", Severity.ERROR)
def encrypted(wheel: WheelContent) -> Iterator[Yielded]:
    """A member is encrypted.

    Installers have no password, so the wheel cannot be installed, and nobody can check what is in it. It
    takes a general archiver with a password set, or damage to the flags. Pack the wheel again without one.
    """
    yield from _facts(wheel, "encrypted")


@check("archive/bomb", Severity.ERROR)
def bomb(wheel: WheelContent) -> Iterator[Yielded]:
    """The archive unpacks to absurdly more than its own size.

    PyPI refuses archives of more than 64 MiB unpacked and more than 50 to 1, and metadata of many megabytes
    takes all memory of the tools that read it. Apart from attacks, the cause is test data that is mostly
    zeros. Leave such data out of the wheel, or make it when it is needed. The members were not read, so
    other checks say little about this file.
    """
    yield from _facts(wheel, "bomb", "too-big")


@check("archive/unsafe-path", Severity.ERROR)
def unsafe_path(wheel: WheelContent) -> Iterator[Yielded]:
    """A path leads out of the directory where the wheel is installed, or is not in plain form.

    "../x", "/x", "C:/x" and backslashes write to places that nobody asked for, or to a file with a strange
    name, depending on the system; PyPI takes them all the same. They come from archives made by hand on
    Windows, or from somebody who means harm. Use relative paths with "/" only.
    """
    for member in wheel.members:
        if why := _unsafe(member.name):
            yield member.name, why


@remembers
def _unsafe(path: str) -> str:
    if path.startswith("/") or _DRIVE.match(path):
        return "its path is absolute"
    if "\\" in path:
        return "its path has a backslash, which is a separator on Windows and a letter elsewhere"
    parts = path.removesuffix("/").split("/")
    if ".." in parts:
        return "its path leads upwards"
    return "its path has an empty part or '.' in it" if "" in parts or "." in parts else ""


@check("archive/symlink", Severity.ERROR)
def symlink(wheel: WheelContent) -> Iterator[Yielded]:
    """A member is a symbolic link or another special file.

    Wheels have no links: pip writes a small text file with the target's name in place of the library that
    was meant. The usual cause is "libfoo.so -> libfoo.so.1" packed with the zip program's option -y. Copy
    the file itself, or load it under its real name.
    """
    for member in wheel.members:
        kind = stat.S_IFMT(member.mode)
        if kind == stat.S_IFLNK:
            yield member.name, "it is a symbolic link"
        elif kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            yield member.name, "it is marked as a device, a pipe or a socket"


@check("archive/directory-with-data", Severity.ERROR)
def directory_with_data(wheel: WheelContent) -> Iterator[Yielded]:
    """A directory carries bytes.

    A member whose name ends in "/" is a directory; bytes in it are seen by some readers and skipped by
    others. No build tool writes such a thing, so it is damage or a hiding place. Build the wheel again with
    a standard tool.
    """
    for member in wheel.members:
        if member.is_directory and (member.size or member.actual_size):
            yield member.name, f"it is a directory and has {max(member.size, member.actual_size)} bytes"
        elif stat.S_ISDIR(member.mode) and not member.is_directory:
            yield member.name, "it is marked as a directory, but its name does not end in '/'"


@check("archive/bad-member-name", Severity.ERROR)
def bad_member_name(wheel: WheelContent) -> Iterator[Yielded]:
    """A member's name is one that readers read differently.

    Control characters cut a name short in some readers and forge output in others, and a name that is not
    UTF-8, or not marked as such, comes out differently on every system; PyPI refuses most of them. It is
    the work of an old or home-made archiver. Rename the file in the project and build again.
    """
    yield from _facts(wheel, "bad-member-name")
    for member in wheel.members:
        if _CONTROL.search(member.name):
            yield member.name, "its name has control characters"


@check("archive/hidden-deflate-data", Severity.ERROR)
def hidden_deflate_data(wheel: WheelContent) -> Iterator[Yielded]:
    """A member holds more than it declares.

    Its compressed stream goes on after the declared size, or has bytes after its end: one reader sees a
    harmless beginning with the right checksum, another the rest as well. No build tool writes such a thing.
    Do not publish the file, and find out where it was changed.
    """
    yield from _facts(wheel, "hidden-deflate-data")


@check("archive/case-collision", Severity.WARNING)
def case_collision(wheel: WheelContent) -> Iterator[Yielded]:
    """Two paths differ only by upper and lower case.

    On Windows and macOS they are one file, and the second overwrites the first. The usual cause is a module
    that was renamed while a stale copy stayed in the build directory. Remove one of the two and build from
    a clean checkout.
    """
    seen: dict[str, str] = {}
    for member in wheel.members:
        first = seen.setdefault(characters.fold(member.name), member.name)
        if first != member.name:
            yield member.name, f"only upper and lower case tell it from '{first}'"


@check("archive/unportable-path", Severity.NOTE)
def unportable_path(wheel: WheelContent) -> Iterator[Yielded]:
    """A path may not work on every system.

    Names that are not ASCII, very long paths, device names of Windows ("aux.py") and names that end in a
    dot or a space cannot be unpacked everywhere. For a wheel of one platform this may be of no importance.
    Shorten or rename the files where the wheel is for Windows too.
    """
    for member in wheel.members:
        if why := _unportable(member.name):
            yield member.name, why


@remembers
def _unportable(path: str) -> str:
    if not path.isascii():
        return "its name is not ASCII"
    if len(path) > _LONG_PATH:
        return f"its path has {len(path)} characters, too many for some Windows systems"
    odd = any(_is_not_on_windows(part) for part in path.rstrip("/").split("/"))
    return "Windows cannot have a file of this name" if odd else ""


def _is_not_on_windows(part: str) -> bool:
    # Dots and blanks at the end are cut off there; "." and ".." are no names.
    return bool(_NOT_ON_WINDOWS.search(part)) or (part.endswith((".", " ")) and part.strip(".") != "")


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
    unportable_path,
)

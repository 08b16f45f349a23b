"""What makes a ZIP a wheel: one .dist-info, a WHEEL file that is true, sound entry points."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser

from wheel_uploader.archive import record
from wheel_uploader.checks import entry_points
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.models import Severity, WheelContent
from wheel_uploader.names import MAX_TAGS

_VERSION = re.compile(r"1\.[0-9]+\Z")
_SCRIPT_NAME = re.compile(r"[\w.-]+\Z", re.ASCII)
#: Characters of a line of entry_points.txt: the parser takes time that grows with their square.
_MAX_LINE = 1000
_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")


@functools.lru_cache(maxsize=64)
def _headers(data: bytes) -> Message:
    return HeaderParser().parsestr(data.decode("utf-8", "replace"))


def _wheel_file(wheel: WheelContent) -> Message | None:
    """The headers of WHEEL; None when there is none that can be read (another check says so)."""
    data = wheel.kept.get(f"{record.dist_info_of(wheel)}/WHEEL")
    return None if data is None or not _is_utf8(data) else _headers(data)


def _value(headers: Message, name: str) -> str:
    return str(headers.get(name, "")).strip()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@check("wheel/dist-info", Severity.ERROR)
def dist_info(wheel: WheelContent) -> Iterator[Yielded]:
    """The wheel has not just the one .dist-info directory that its file name asks for.

    All that an installer knows of a wheel is in {name}-{version}.dist-info, spelled exactly as in the file
    name; with none, two, or one of another project or version pip and PyPI refuse the wheel. The usual
    causes are a renamed file and a stale build directory. Build again from a clean checkout, and do not
    rename wheels by hand ("wheel tags" changes tags properly).
    """
    wanted = f"{wheel.name.raw_project}-{wheel.name.raw_version}.dist-info"
    there = record.dist_infos(wheel.members)
    if not there:
        yield "there is no .dist-info directory"
    elif len(there) > 1:
        yield f"there are {len(there)} .dist-info directories: {', '.join(there[:5])}"
    elif there != [wanted]:
        yield f"its directory is '{there[0]}', the file name asks for '{wanted}'"


@check("wheel/no-wheel-file", Severity.ERROR)
def no_wheel_file(wheel: WheelContent) -> Iterator[Yielded]:
    """There is no WHEEL file.

    .dist-info/WHEEL says which version of the format this is and where the files go; without it pip and
    PyPI refuse the wheel. The usual cause is a script that packs the wheel with a plain zip program. Build
    with a current build tool.
    """
    folder = record.dist_info_of(wheel)
    if folder and all(member.name != f"{folder}/WHEEL" for member in wheel.members):
        yield f"there is no {folder}/WHEEL"


@check("wheel/bad-wheel-version", Severity.ERROR)
def bad_wheel_version(wheel: WheelContent) -> Iterator[Yielded]:
    """Wheel-Version is missing, or not 1.x.

    Installers refuse a wheel of a major version that they do not know, and 1.0 is the only one there is.
    The usual cause is a WHEEL file written by hand. Build with a current build tool.
    """
    headers = _wheel_file(wheel)
    if headers is not None and not _VERSION.match(version := _value(headers, "Wheel-Version")):
        yield f"Wheel-Version is '{version}', not '1.0'" if version else "there is no Wheel-Version"


@check("wheel/bad-root-is-purelib", Severity.ERROR)
def bad_root_is_purelib(wheel: WheelContent) -> Iterator[Yielded]:
    """Root-Is-Purelib is missing, or neither true nor false.

    It says whether the files go to purelib or platlib, which are different directories on some systems;
    installers guess, and not all alike. The usual cause is a WHEEL file written by hand. Build with a
    current build tool.
    """
    headers = _wheel_file(wheel)
    if headers is not None:
        value = _value(headers, "Root-Is-Purelib")
        if value.lower() not in {"true", "false"}:
            yield f"Root-Is-Purelib is '{value}'" if value else "there is no Root-Is-Purelib"


@check("wheel/not-utf8", Severity.ERROR)
def not_utf8(wheel: WheelContent) -> Iterator[Yielded]:
    """The WHEEL file is not UTF-8.

    Installers read it as UTF-8 and stop at anything else. The usual cause is a build script that writes
    files in the system's own encoding. Write it with encoding="utf-8".
    """
    path = f"{record.dist_info_of(wheel)}/WHEEL"
    if not _is_utf8(wheel.kept.get(path, b"")):
        yield path, "it is not UTF-8"


@check("wheel/tags-mismatch-filename", Severity.ERROR)
def tags_mismatch_filename(wheel: WheelContent) -> Iterator[Yielded]:
    """The tags in WHEEL are not those of the file name.

    The wheel was renamed to other tags, or repaired by a tool that did not write WHEEL anew: one of the two
    is not true, and installers go by the file name and tools that list an environment by WHEEL. No index
    looks at this. Build the wheel for the tags that it has, or change the tags with "wheel tags" and not
    with "mv".
    """
    headers = _wheel_file(wheel)
    if headers is None or not (lines := [str(line).strip() for line in headers.get_all("Tag", [])]):
        return
    inside: set[str] = set()
    for line in lines:
        sets = [part.split(".") for part in line.split("-")]
        if len(sets) != 3 or len(inside) + len(sets[0]) * len(sets[1]) * len(sets[2]) > 2 * MAX_TAGS:
            yield f"'Tag: {line}' is no tag"
            return
        inside.update("-".join(tag).lower() for tag in itertools.product(*sets))
    outside = {str(tag) for tag in wheel.name.tags}
    if more := sorted(outside - inside):
        yield f"the file name claims {_few(more)}, WHEEL does not"
    if more := sorted(inside - outside):
        yield f"WHEEL claims {_few(more)}, the file name does not"


def _few(tags: list[str]) -> str:
    return ", ".join(tags[:4]) + (f" and {len(tags) - 4} more" if len(tags) > 4 else "")


@check("wheel/no-tag", Severity.WARNING)
def no_tag(wheel: WheelContent) -> Iterator[Yielded]:
    """The WHEEL file has no Tag line.

    The specification wants one for each tag of the file name; installers do without, tools that list an
    environment do not. The usual cause is a home-made build script. Build with a current build tool.
    """
    headers = _wheel_file(wheel)
    if headers is not None and not headers.get_all("Tag"):
        yield "WHEEL has no Tag line"


@check("wheel/build-mismatch", Severity.WARNING)
def build_mismatch(wheel: WheelContent) -> Iterator[Yielded]:
    """The build number in WHEEL is not that of the file name.

    Between two wheels that are otherwise alike the build number decides; it stands in the file name, and in
    WHEEL as "Build". The usual cause is a file that was renamed. Set it with "wheel tags --build".
    """
    headers = _wheel_file(wheel)
    if headers is not None and (build := _value(headers, "Build")) != wheel.name.build:
        yield f"WHEEL has build '{build}', the file name '{wheel.name.build}'"


@check("wheel/purelib-contradiction", Severity.WARNING)
def purelib_contradiction(wheel: WheelContent) -> Iterator[Yielded]:
    """Root-Is-Purelib contradicts the platform tag.

    A wheel for one platform belongs into platlib, and one for "any" into purelib; on systems where the two
    differ (Fedora, RHEL) the files end up in the wrong one. The usual cause is a wheel whose tag was
    changed after it was built. Tell the build tool that the project has compiled parts, or that it has
    none.
    """
    headers = _wheel_file(wheel)
    if headers is None:
        return
    value = _value(headers, "Root-Is-Purelib").lower()
    if value == "true" and "any" not in wheel.name.platforms:
        yield f"Root-Is-Purelib is true, and the wheel is for {'.'.join(wheel.name.platforms)}"
    elif value == "false" and wheel.name.platforms == ("any",):
        yield "Root-Is-Purelib is false, and the wheel is for any platform"


@check("wheel/bad-entry-points", Severity.ERROR)
def bad_entry_points(wheel: WheelContent) -> Iterator[Yielded]:
    """entry_points.txt is not valid.

    Installers make scripts from it, and PyPI has refused a wheel with a bad one since May 2026: it has to
    be UTF-8, in INI form with "=" between name and object, and a script's name has only letters, digits,
    "_", "." and "-". The usual cause is a name that was typed wrong in the project's configuration. Correct
    it there and build again.
    """
    path = f"{record.dist_info_of(wheel)}/entry_points.txt"
    data = wheel.kept.get(path)
    if data is None:
        return
    if not _is_utf8(data):
        yield path, "it is not UTF-8"
        return
    text = data.decode("utf-8")
    if max(map(len, text.splitlines()), default=0) > _MAX_LINE:
        yield path, f"it has a line of more than {_MAX_LINE} characters"
        return
    try:
        groups = entry_points.read(text)
    except entry_points.NotEntryPoints as error:
        yield path, f"it cannot be read ({error})"
        return
    for group in _SCRIPT_GROUPS:
        for name in groups.get(group, ()):
            if not _SCRIPT_NAME.match(name):
                yield path, f"'{name}' of {group} is no name for a script"


CHECKS = (
    dist_info,
    no_wheel_file,
    bad_wheel_version,
    bad_root_is_purelib,
    not_utf8,
    tags_mismatch_filename,
    no_tag,
    build_mismatch,
    purelib_contradiction,
    bad_entry_points,
)

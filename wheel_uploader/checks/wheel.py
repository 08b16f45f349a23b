"""Checks of the wheel format: one .dist-info directory, a correct WHEEL file, valid entry points."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.filenames import MAX_TAGS
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import Severity, WheelContent
from wheel_uploader.facts.archive import entry_points, record

_SUPPORTED_VERSION = re.compile(r"1\.[0-9]+\Z")
_SCRIPT_NAME = re.compile(r"[\w.-]+\Z", re.ASCII)
_MAX_LINE = entry_points.MAX_LINE
_SCRIPT_GROUPS = entry_points.SCRIPT_GROUPS


@functools.lru_cache(maxsize=64)
def _parse_headers(data: bytes) -> Message:
    return HeaderParser().parsestr(data.decode("utf-8", "replace"))


def _read_wheel_headers(wheel: WheelContent) -> Message | None:
    """Return the headers of WHEEL; None if it is missing or unreadable, which other checks report."""
    data = wheel.retained_members.get(f"{record.find_dist_info(wheel)}/WHEEL")
    return None if data is None or not _is_utf8(data) else _parse_headers(data)


def _get_value(headers: Message, name: str) -> str:
    return str(headers.get(name, "")).strip()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@check("wheel/dist-info", Severity.ERROR)
def dist_info(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel does not have exactly the .dist-info directory that its file name requires.

    Everything that an installer knows about a wheel is in {name}-{version}.dist-info, spelled exactly as in
    the file name. If there is no such directory, more than one, or one of a different project or version, pip
    and PyPI reject the wheel. Common causes are a renamed file and a stale build directory. Build again from
    a clean checkout, and do not rename wheels by hand ("wheel tags" changes tags correctly).
    """
    expected = f"{wheel.name.raw_project}-{wheel.name.raw_version}.dist-info"
    folders = record.list_dist_infos(wheel.members)
    if not folders:
        yield "it has no .dist-info directory"
    elif len(folders) > 1:
        yield f"it has {len(folders)} .dist-info directories: {', '.join(folders[:5])}"
    elif folders != [expected]:
        yield f"its directory is '{folders[0]}', but the file name requires '{expected}'"


@check("wheel/no-wheel-file", Severity.ERROR)
def no_wheel_file(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel has no WHEEL file.

    .dist-info/WHEEL states the version of the wheel format and where the files are installed; pip and PyPI
    reject a wheel without it. The usual cause is a script that packs the wheel with a plain zip program.
    Build with a current build tool.
    """
    folder = record.find_dist_info(wheel)
    if folder and all(member.name != f"{folder}/WHEEL" for member in wheel.members):
        yield f"{folder}/WHEEL is missing"


@check("wheel/bad-wheel-version", Severity.ERROR)
def bad_wheel_version(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel-Version is missing or not 1.x.

    Installers reject a wheel whose major format version they do not know, and 1.0 is the only version that
    exists. The usual cause is a WHEEL file written by hand. Build with a current build tool.
    """
    headers = _read_wheel_headers(wheel)
    if headers is not None and not _SUPPORTED_VERSION.match(version := _get_value(headers, "Wheel-Version")):
        yield f"Wheel-Version is '{version}', not '1.0'" if version else "WHEEL has no Wheel-Version"


@check("wheel/bad-root-is-purelib", Severity.ERROR)
def bad_root_is_purelib(wheel: WheelContent) -> Iterator[Observation]:
    """Root-Is-Purelib is missing, or neither true nor false.

    It determines whether the files are installed in purelib or platlib, which are different directories on
    some systems; without it installers guess, and not all in the same way. The usual cause is a WHEEL file
    written by hand. Build with a current build tool.
    """
    headers = _read_wheel_headers(wheel)
    if headers is not None:
        value = _get_value(headers, "Root-Is-Purelib")
        if value.lower() not in {"true", "false"}:
            yield f"Root-Is-Purelib is '{value}'" if value else "WHEEL has no Root-Is-Purelib"


@check("wheel/not-utf8", Severity.ERROR)
def not_utf8(wheel: WheelContent) -> Iterator[Observation]:
    """WHEEL is not encoded in UTF-8.

    Installers read it as UTF-8 and fail otherwise. The usual cause is a build script that writes files in the
    system's default encoding. Write it with encoding="utf-8".
    """
    path = f"{record.find_dist_info(wheel)}/WHEEL"
    if not _is_utf8(wheel.retained_members.get(path, b"")):
        yield path, "it is not valid UTF-8"


@check("wheel/tags-mismatch-filename", Severity.ERROR)
def tags_mismatch_filename(wheel: WheelContent) -> Iterator[Observation]:
    """Tags in WHEEL differ from those in the file name.

    The wheel was renamed to other tags, or repaired by a tool that did not update WHEEL, so one of the two is
    wrong. Installers use the file name, whereas tools that list an environment use WHEEL. No index checks
    this. Build the wheel for the intended tags, or change the tags with "wheel tags" instead of renaming the
    file.
    """
    headers = _read_wheel_headers(wheel)
    if headers is None or not (lines := [str(line).strip() for line in headers.get_all("Tag", [])]):
        return
    wheel_tags: set[str] = set()
    for line in lines:
        sets = [part.split(".") for part in line.split("-")]
        if len(sets) != 3 or len(wheel_tags) + len(sets[0]) * len(sets[1]) * len(sets[2]) > 2 * MAX_TAGS:
            yield f"'Tag: {line}' is not a valid tag"
            return
        wheel_tags.update("-".join(tag).lower() for tag in itertools.product(*sets))
    filename_tags = {str(tag) for tag in wheel.name.tags}
    if missing := sorted(filename_tags - wheel_tags):
        yield f"the file name has {join_some(missing)}, but WHEEL does not"
    if extra := sorted(wheel_tags - filename_tags):
        yield f"WHEEL has {join_some(extra)}, but the file name does not"


@check("wheel/no-tag", Severity.WARNING)
def no_tag(wheel: WheelContent) -> Iterator[Observation]:
    """WHEEL has no Tag line.

    The specification requires one for each tag in the file name. Installers do not need it, but tools that
    list an environment do. The usual cause is a home-made build script. Build with a current build tool.
    """
    headers = _read_wheel_headers(wheel)
    if headers is not None and not headers.get_all("Tag"):
        yield "WHEEL has no Tag line"


@check("wheel/build-mismatch", Severity.WARNING)
def build_mismatch(wheel: WheelContent) -> Iterator[Observation]:
    """Build number in WHEEL differs from the file name.

    The build number determines which of two otherwise equal wheels is installed; it is in the file name, and
    in WHEEL as "Build". The usual cause is a renamed file. Set the build number with "wheel tags --build".
    """
    headers = _read_wheel_headers(wheel)
    if headers is not None and (build := _get_value(headers, "Build")) != wheel.name.build:
        yield f"WHEEL has build '{build}', but the file name has '{wheel.name.build}'"


@check("wheel/purelib-contradiction", Severity.WARNING)
def purelib_contradiction(wheel: WheelContent) -> Iterator[Observation]:
    """Root-Is-Purelib contradicts the platform tag.

    A wheel for a specific platform belongs in platlib, a wheel for "any" in purelib; on systems where the two
    directories differ (Fedora, RHEL), the files are installed in the wrong one. The usual cause is a wheel
    whose tag was changed after it was built. Declare in the build configuration whether the project has
    compiled code.
    """
    headers = _read_wheel_headers(wheel)
    if headers is None:
        return
    value = _get_value(headers, "Root-Is-Purelib").lower()
    if value == "true" and "any" not in wheel.name.platforms:
        yield f"Root-Is-Purelib is true, but the wheel is for {'.'.join(wheel.name.platforms)}"
    elif value == "false" and wheel.name.platforms == ("any",):
        yield "Root-Is-Purelib is false, but the wheel is for any platform"


@check("wheel/bad-entry-points", Severity.ERROR)
def bad_entry_points(wheel: WheelContent) -> Iterator[Observation]:
    """entry_points.txt is invalid.

    Installers generate scripts from it, and since May 2026 PyPI rejects a wheel whose entry_points.txt is
    invalid. The file must be UTF-8, in INI format with "=" between name and object, and a script's name may
    contain only letters, digits, "_", "." and "-". The usual cause is a typo in the project's configuration.
    Fix it there and build again.
    """
    path = f"{record.find_dist_info(wheel)}/entry_points.txt"
    data = wheel.retained_members.get(path)
    if data is None:
        return
    if not _is_utf8(data):
        yield path, "it is not valid UTF-8"
        return
    text = data.decode("utf-8")
    if max(map(len, text.splitlines()), default=0) > _MAX_LINE:
        yield path, f"it has a line with more than {_MAX_LINE} characters"
        return
    try:
        groups = entry_points.parse_entry_points(text)
    except entry_points.InvalidEntryPoints as error:
        yield path, f"it cannot be parsed ({error})"
        return
    for group in _SCRIPT_GROUPS:
        # The names in [DEFAULT] belong to every group.
        names = (*groups[group], *groups.get("DEFAULT", ())) if group in groups else ()
        for name in names:
            if not _SCRIPT_NAME.match(name):
                yield path, f"'{name}' in {group} is not a valid script name"


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

"""The modules in one file of a release, packed into a few kilobytes, to compare the files with each other.

A release may have thousands of files with thousands of members each, and all summaries are in memory at
once. An inventory is therefore kept compressed, and is left out if it is still too large.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wheel_uploader.core.models import SdistContent, WheelContent

#: Bytes of a packed inventory, and of the text in it. The largest released wheels need half of this.
MAX_PACKED_SIZE = 48 << 10
_MAX_TEXT_SIZE = 1 << 20
#: Characters of a path; a longer one is left out.
_MAX_PATH_LENGTH = 400
#: Marks the line of an extension module, whose path ends before the suffix.
_EXTENSION_MARK = "*"
_EXTENSION = re.compile(r"([^./][^/.]{0,199})(?:\.(?:abi3t?|[a-z]+-?[0-9][\w-]{0,79}))?\.(?:so|pyd)\Z")
_CYTHON_SUFFIX = ".pyx"
_MARKER_FILE = "py.typed"


class Module(NamedTuple):
    """A Python source file, or a ``py.typed``."""

    #: As in facts/archive/python_source.py; 0 if its text is not to be compared.
    text_crc: int = 0
    version: str = ""


class Inventory(NamedTuple):
    """The modules of a wheel by installed path, or those of an sdist by path below its top directory."""

    modules: Mapping[str, Module]
    #: Paths of extension modules without the suffix (``demo/_speed``); in an sdist, of Cython sources.
    extensions: frozenset[str]


#: The packed form of an inventory that is too large.
TOO_LARGE = b"-"
NOTHING = Inventory({}, frozenset())


def pack_wheel(wheel: WheelContent) -> bytes:
    """Return the packed inventory of ``wheel``; empty if it has no modules, or TOO_LARGE."""
    lines = []
    for member in wheel.members:
        if not (path := get_installed_path(member.name)) or member.is_directory:
            continue
        if extension := match_extension(path):
            lines.append(f"{extension}\t{_EXTENSION_MARK}")
        elif _is_listed(path):
            lines.append(_format_module(path, member.text_crc, member.declared_version))
    return _pack(lines)


def pack_sdist(sdist: SdistContent) -> bytes:
    """Return the packed inventory of ``sdist``; empty if it has no modules, or TOO_LARGE."""
    lines = []
    for member in sdist.members:
        path = member.name.removeprefix("./").partition("/")[2]
        if member.kind != "file" or not path:
            continue
        if path.endswith(_CYTHON_SUFFIX):
            lines.append(f"{path.removesuffix(_CYTHON_SUFFIX)}\t{_EXTENSION_MARK}")
        elif _is_listed(path):
            lines.append(_format_module(path, member.text_crc, member.declared_version))
    return _pack(lines)


@functools.lru_cache(maxsize=2)
def unpack(packed: bytes) -> Inventory:
    """Return the inventory in ``packed``; an empty one if it is empty or was not made by this module."""
    modules: dict[str, Module] = {}
    extensions = set()
    for line in unpack_lines(packed):
        path, module = parse_line(line)
        if module is None:
            extensions.add(path)
        else:
            modules[path] = module
    return Inventory(modules, frozenset(extensions))


def unpack_lines(packed: bytes) -> list[str]:
    """Return the lines of the text in ``packed``, one for each module, for ``parse_line``."""
    try:
        text = zlib.decompressobj().decompress(packed, _MAX_TEXT_SIZE).decode("utf-8", "surrogatepass")
    except (zlib.error, UnicodeDecodeError):
        return []
    return [line for line in text.split("\n") if line[:1] not in {"", "\t"}]


def parse_line(line: str) -> tuple[str, Module | None]:
    """Return the path and the facts of a module; None as the facts of a compiled one."""
    path, _, facts = line.partition("\t")
    if facts == _EXTENSION_MARK:
        return path, None
    crc, _, version = facts.partition(" ")
    return path, Module(_parse_crc(crc), version)


def get_installed_path(path: str) -> str:
    """Return the path of a member in site-packages; empty if it is installed elsewhere, or is metadata."""
    top, _, rest = path.partition("/")
    if top.endswith(".data"):
        scheme, _, rest = rest.partition("/")
        return rest if scheme in {"purelib", "platlib"} else ""
    return "" if top.endswith((".dist-info", ".egg-info")) else path


def match_extension(path: str) -> str:
    """Return the path of an extension module without its suffix; empty for other files.

    A library that a repair tool added is none.
    """
    folder, slash, name = path.rpartition("/")
    if folder.endswith((".libs", ".dylibs")) or name.startswith("lib"):
        return ""
    match = _EXTENSION.fullmatch(name)
    return f"{folder}{slash}{match[1]}" if match else ""


def _is_listed(path: str) -> bool:
    return path.endswith((".py", ".pyi")) or path.rpartition("/")[2] == _MARKER_FILE


def _format_module(path: str, text_crc: int, version: str) -> str:
    return f"{path}\t{text_crc:x} {version}".rstrip()


def _pack(lines: Iterable[str]) -> bytes:
    usable = sorted(
        line for line in lines if "\n" not in line and line.count("\t") == 1 and len(line) < _MAX_PATH_LENGTH
    )
    text = "\n".join(usable).encode("utf-8", "surrogatepass")
    if not text:
        return b""
    packed = zlib.compress(text, 6) if len(text) <= _MAX_TEXT_SIZE else TOO_LARGE
    return packed if len(packed) <= MAX_PACKED_SIZE else TOO_LARGE


def _parse_crc(text: str) -> int:
    try:
        return int(text, 16) if len(text) <= 8 else 0
    except ValueError:
        return 0

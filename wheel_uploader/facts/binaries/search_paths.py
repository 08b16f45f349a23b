"""The directories in which a loader looks for the libraries that compiled code needs, below site-packages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from wheel_uploader.core.models import BinaryFormat, BinaryKind, BinarySlice

#: The beginning of a library's name on macOS for which the search paths are searched.
RPATH = "@rpath/"
_ORIGIN = re.compile(r"\$ORIGIN\b|\$\{ORIGIN\}")
#: The directory of the running program, which for an extension module is Python's.
_EXECUTABLE_PATH = "@executable_path"


def get_installed_path(member: str) -> str:
    """Return the path below site-packages, where two directories of ``NAME.data`` are installed too."""
    if ".data/" not in member:
        return member
    top, _, rest = member.partition("/")
    folder, _, below = rest.partition("/")
    is_library = top.endswith(".data") and top != ".data" and folder in {"purelib", "platlib"}
    return below if is_library and below else member


def iter_search_folders(member: str, binary_format: BinaryFormat | None, part: BinarySlice) -> Iterator[str]:
    """Yield the directories to which the search paths of the code in ``part`` of a member lead."""
    for rpath in part.rpaths:
        yield from expand_search_path(rpath, member, binary_format, part)


def expand_search_path(
    path: str, member: str, binary_format: BinaryFormat | None, part: BinarySlice
) -> Iterator[str]:
    """Yield the directory or file that ``path`` denotes in a member: below site-packages, or absolute."""
    origin = posixpath.dirname(get_installed_path(member))
    if binary_format is BinaryFormat.ELF:
        path = _ORIGIN.sub(lambda _: f"./{origin}", path, count=1)
    elif path.startswith("@loader_path"):
        path = f"./{origin}{path.removeprefix('@loader_path')}"
    elif path.startswith(_EXECUTABLE_PATH):
        if part.kind is not BinaryKind.EXECUTABLE:
            return
        path = f"./{origin}{path.removeprefix(_EXECUTABLE_PATH)}"
    folder = posixpath.normpath(path)
    yield "" if folder == "." else folder

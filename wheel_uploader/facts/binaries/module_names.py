"""The names of extension modules, and of the functions that Python looks for in them."""

from __future__ import annotations

import re
from typing import NamedTuple

from wheel_uploader.core.string_cache import cached_for_short_strings

#: ``x.so``, ``x.abi3.so``, ``x.cpython-312-x86_64-linux-gnu.so``, ``x.cp312-win_amd64.pyd``.
_MODULE_PATH = re.compile(r"(?:\A|/)(?P<name>\w+)(?:\.(?P<tag>[^./]+))?\.(?P<extension>so|pyd)\Z")
#: The common beginnings of the functions' names. Those of names that are not ASCII end with a U.
INIT_PREFIX, EXPORT_PREFIX = "PyInit", "PyModExport"
FUNCTION_PREFIXES = (INIT_PREFIX, EXPORT_PREFIX)
#: Characters of a module's name; file systems allow 255 bytes.
_MAX_NAME_LENGTH = 200
#: Functions for other names that are kept of one file; a compiler that merges modules exports many.
MAX_OTHER_FUNCTIONS = 20


class ModulePath(NamedTuple):
    """The parts of the path of a file that may be an extension module."""

    #: The path without tag and extension.
    stem: str
    #: The name by which Python looks for its functions: for ``__init__``, that of the package.
    name: str
    #: The part of the suffix that names the Python, its ABI and the platform; empty if there is none.
    tag: str
    #: ``so`` or ``pyd``.
    extension: str


@cached_for_short_strings
def parse_module_path(member: str) -> ModulePath | None:
    """Return the parts of the path of an extension module; None if Python would not import the file."""
    match = _MODULE_PATH.search(member)
    if match is None or (match["tag"] is None and match["name"].startswith("lib")):
        return None
    stem = member[: match.end("name")]
    name = stem.split("/")[-2] if match["name"] == "__init__" and "/" in stem else match["name"]
    return ModulePath(stem, name, match["tag"] or "", match["extension"])


@cached_for_short_strings
def find_module_functions(member: str) -> tuple[str, ...]:
    """Return the functions by which Python would load the member as a module; empty if it is not one."""
    path = parse_module_path(member)
    if path is None or len(path.name) > _MAX_NAME_LENGTH:
        return ()
    if path.name.isascii():
        return tuple(f"{prefix}_{path.name}" for prefix in FUNCTION_PREFIXES)
    encoded = path.name.encode("punycode").decode("ascii").replace("-", "_")
    return tuple(f"{prefix}U_{encoded}" for prefix in FUNCTION_PREFIXES)


def is_module_function(name: bytes) -> bool:
    """Return whether a symbol's name is that of a function by which Python loads some module."""
    return name.startswith((b"PyInit_", b"PyInitU_", b"PyModExport_", b"PyModExportU_"))

"""Facts about a Python source file in an archive, for comparing it with the same file elsewhere."""

from __future__ import annotations

import re
from typing import NamedTuple

from wheel_uploader.facts.archive.decompress import zlib_module

#: Largest source file whose text is looked at, in bytes; a larger one is compared byte by byte.
MAX_SOURCE_SIZE = 512 << 10
#: Files that state the version of their package.
_VERSION_NAME = re.compile(r"(?:\A|/)(?:__init__|_?_?version(?:__)?|_?_?about(?:__)?)\.py\Z")
_VERSION = re.compile(
    rb"^(?:__version__|version|VERSION)[ \t]*(?::[ \t]*[\w.]{1,30}[ \t]*)?=[ \t]*"
    rb"(?:(?:__version__|version)[ \t]*=[ \t]*)?[\"']([0-9][0-9A-Za-z.!+_-]{0,99})[\"']",
    re.MULTILINE,
)
_EMPTY_TEXT_CRC = zlib_module.crc32(b"\n")
#: Repair tools insert a block with this word into the modules of a wheel for Windows.
_PATCH_MARK = b"delvewheel"


class SourceFacts(NamedTuple):
    """The identity of a source file across archives."""

    #: CRC-32 of its text with Unix line ends, since checkouts on Windows differ in these; that of a line
    #: break for an empty text, and 0 if it is not comparable.
    text_crc: int = 0
    #: The version that it assigns to ``__version__``, ``version`` or ``VERSION``; empty if none.
    version: str = ""


#: Facts of a member that is not a Python source file, or was changed by a repair tool.
NO_FACTS = SourceFacts()


def is_python_source(name: str) -> bool:
    """Return whether a member of this name is a module or a stub file."""
    return name.endswith((".py", ".pyi"))


def read_source_facts(name: str, data: bytes, crc: int) -> SourceFacts:
    """Return the facts about a source file with these bytes, whose CRC-32 is ``crc``."""
    if len(data) > MAX_SOURCE_SIZE:
        return SourceFacts(crc)
    states_version = _VERSION_NAME.search(name) is not None
    if states_version and _PATCH_MARK in data:
        return NO_FACTS
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        crc = zlib_module.crc32(data)
    if not data:
        crc = _EMPTY_TEXT_CRC
    match = _VERSION.search(data) if states_version else None
    return SourceFacts(crc, match[1].decode("ascii") if match else "")

"""Find out whether the Python source in a wheel loads shared libraries itself.

Only that explains how a module finds a library of the wheel to which its own search paths do not lead. The
source is read again for such modules alone, because most wheels have none.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import BinaryFacts, BinaryFormat, BinarySlice
from wheel_uploader.facts.archive import decompress
from wheel_uploader.facts.archive.decompress import CorruptMember
from wheel_uploader.facts.archive.zip_structures import ZipEntry
from wheel_uploader.facts.binaries.search_paths import RPATH, get_installed_path, iter_search_folders

#: Texts of which one is in any source that opens a library by its path: with ctypes, cffi or os, by a search
#: path in the environment of a child process, or as a module.
_MARKERS = (b"ctypes", b"dlopen", b"LD_LIBRARY_PATH", b"FileLoader", b"spec_from_file")
_LONGEST_MARKER = max(map(len, _MARKERS))
#: Bytes of the largest source that is read.
_MAX_SOURCE_SIZE = 5 << 20
_SYSTEMS_WITH_PATHS = frozenset({BinaryFormat.ELF, BinaryFormat.MACHO})


def loads_libraries(
    stream: BinaryIO, entries: Sequence[ZipEntry], binaries: Iterable[BinaryFacts], budget: Budget
) -> bool:
    """Return whether the wheel has code that may need it, and source that loads libraries itself."""
    names = {entry.name.rpartition("/")[2] for entry in entries} - {""}
    needing = [
        (facts, part)
        for facts in binaries
        if facts.format in _SYSTEMS_WITH_PATHS
        for part in facts.slices
        if not names.isdisjoint(map(_get_searched_name, part.needed_libraries))
    ]
    paths = {get_installed_path(entry.name) for entry in entries} if needing else set()
    if all(_finds_libraries(facts, part, names, paths, budget) for facts, part in needing):
        return False
    return any(
        _contains_marker(stream, entry, budget)
        for entry in entries
        if entry.name.endswith(".py") and entry.size <= _MAX_SOURCE_SIZE and entry.data_offset >= 0
    )


def _get_searched_name(library: str) -> str:
    """Return the file name for which the search paths are searched; empty if they are not."""
    name = library.removeprefix(RPATH)
    return "" if "/" in name else name


def _finds_libraries(
    facts: BinaryFacts, part: BinarySlice, names: set[str], paths: set[str], budget: Budget
) -> bool:
    """Return whether the code's own search paths lead to all libraries that have ``names`` of the wheel's."""
    folders = tuple(dict.fromkeys(iter_search_folders(facts.member, facts.format, part)))
    needed = [name for name in map(_get_searched_name, part.needed_libraries) if name in names]
    budget.count_work(1 + len(needed) * len(folders))
    return all(
        any(posixpath.normpath(posixpath.join(folder, name)) in paths for folder in folders)
        for name in needed
    )


def _contains_marker(stream: BinaryIO, entry: ZipEntry, budget: Budget) -> bool:
    tail = b""
    budget.start_unpacking()
    try:
        for chunk in decompress.iter_member_chunks(stream, entry):
            text = tail + chunk
            if any(marker in text for marker in _MARKERS):
                return True
            tail = text[-_LONGEST_MARKER + 1 :]
    except CorruptMember:
        pass  # Other checks report it.
    finally:
        budget.stop_unpacking()
    return False

"""What a disk and an index must be after a run, whatever the run says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.indexes import ScriptedIndex
from wheel_uploader.wheelhouse.wheelhouse import CHECKSUMS_FILENAME, HIDDEN_DIRECTORY, PARTIAL_SUFFIX


def torn_files(house: Path, staged: Mapping[str, bytes]) -> list[str]:
    """Files under their final names that are not whole and right."""
    there = {path.name for path in house.iterdir()} if house.exists() else set()
    return sorted(name for name in staged.keys() & there if (house / name).read_bytes() != staged[name])


def leftover_files(house: Path, staged: Mapping[str, bytes], *, signed: bool) -> list[str]:
    """What a run that came to its end ought to have removed, or to have made."""
    signatures = {f"{name}.asc" for name in (*staged, CHECKSUMS_FILENAME)} if signed else set()
    extra = {path.name for path in house.iterdir()} ^ {
        *staged,
        CHECKSUMS_FILENAME,
        HIDDEN_DIRECTORY,
        *signatures,
    }
    for path in (house / HIDDEN_DIRECTORY).iterdir():
        if PARTIAL_SUFFIX in path.name or not (path.name.endswith(".json") or path.name == "lock"):
            extra.add(path.name)
    return sorted(extra)


def posted_other_bytes(index: ScriptedIndex, staged: Mapping[str, bytes]) -> list[str]:
    """Files that were posted with bytes that nobody staged; what was cut off on its way has no name."""
    return [
        post.filename for post in index.posts if post.filename and post.content != staged.get(post.filename)
    ]


def missing_from_index(index: ScriptedIndex, staged: Mapping[str, bytes]) -> list[str]:
    """Names that differ between the index and what was staged."""
    names = staged.keys() | index.files.keys()
    return sorted(name for name in names if index.files.get(name) != staged.get(name))

"""Verifies the disk and the index after a run, independently of its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tools.testing.indexes import ScriptedIndex
from wheel_uploader.wheelhouse.wheelhouse import CHECKSUMS_FILENAME, HIDDEN_DIRECTORY, PARTIAL_SUFFIX


def torn_files(wheelhouse: Path, staged: Mapping[str, bytes]) -> list[str]:
    """Return the files under their final names that differ from the staged ones."""
    names = {path.name for path in wheelhouse.iterdir()} if wheelhouse.exists() else set()
    return sorted(name for name in staged.keys() & names if (wheelhouse / name).read_bytes() != staged[name])


def leftover_files(wheelhouse: Path, staged: Mapping[str, bytes], *, signed: bool) -> list[str]:
    """Return the files that a completed run should have removed or created."""
    signatures = {f"{name}.asc" for name in (*staged, CHECKSUMS_FILENAME)} if signed else set()
    extra = {path.name for path in wheelhouse.iterdir()} ^ {
        *staged,
        CHECKSUMS_FILENAME,
        HIDDEN_DIRECTORY,
        *signatures,
    }
    for path in (wheelhouse / HIDDEN_DIRECTORY).iterdir():
        if PARTIAL_SUFFIX in path.name or not (path.name.endswith(".json") or path.name == "lock"):
            extra.add(path.name)
    return sorted(extra)


def posted_other_bytes(index: ScriptedIndex, staged: Mapping[str, bytes]) -> list[str]:
    """Return the files that were posted with other bytes than staged; cut-off uploads have no name."""
    return [
        post.filename for post in index.posts if post.filename and post.content != staged.get(post.filename)
    ]


def missing_from_index(index: ScriptedIndex, staged: Mapping[str, bytes]) -> list[str]:
    """Return the names of files that differ between the index and the staging area."""
    names = staged.keys() | index.files.keys()
    return sorted(name for name in names if index.files.get(name) != staged.get(name))

"""A private temporary directory for unpacked archives, which is removed at the end of the run."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.models import RemoteFile


class UnpackDirectory:
    """A temporary directory that is created on first use, and removed on exit.

    It remembers which archives have been unpacked.
    """

    def __init__(self) -> None:
        self._root: Path | None = None
        self._unpacked_files: dict[tuple[str, ...], tuple[RemoteFile, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._root:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
            self._unpacked_files.clear()

    def unpack_once(
        self, key: tuple[str, ...], unpack: Callable[[], Iterable[RemoteFile]]
    ) -> tuple[RemoteFile, ...]:
        """Return the result of ``unpack``, which is called once per ``key``: ``--wait`` lists repeatedly."""
        if key not in self._unpacked_files:
            self._unpacked_files[key] = tuple(unpack())
        return self._unpacked_files[key]

    def create_subdirectory(self) -> Path:
        """Create and return a new subdirectory that only the user can access. Raises StorageError."""
        with storage_errors(tempfile.gettempdir()):
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix="wheel-uploader-"))
                # Also removes the directory when the context manager is not exited.
                weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)
            return Path(tempfile.mkdtemp(dir=self._root))

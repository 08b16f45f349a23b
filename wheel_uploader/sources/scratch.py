"""A place for what has to be unpacked before it can be listed: private, of one run, gone with it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from wheel_uploader.disk import storage_errors
from wheel_uploader.models import RemoteFile


class Scratch:
    """A temporary directory that is made when it is first asked for, and removed at the end."""

    def __init__(self) -> None:
        self._root: Path | None = None
        self._unpacked: dict[tuple[str, ...], tuple[RemoteFile, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._root:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
            self._unpacked.clear()

    def once(
        self, key: tuple[str, ...], unpack: Callable[[], Iterable[RemoteFile]]
    ) -> tuple[RemoteFile, ...]:
        """What ``unpack`` gives, which is called once for each ``key``: ``--wait`` looks many times."""
        if key not in self._unpacked:
            self._unpacked[key] = tuple(unpack())
        return self._unpacked[key]

    def directory(self) -> Path:
        """A new, empty directory in it, for nobody else. Raises StorageError."""
        with storage_errors(tempfile.gettempdir()):
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix="wheel-uploader-"))
                # Whoever forgets to leave it, or is interrupted, leaves nothing behind either.
                weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)
            return Path(tempfile.mkdtemp(dir=self._root))

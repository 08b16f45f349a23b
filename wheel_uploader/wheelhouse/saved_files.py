"""Files of a target that a run removed there: their bytes are kept until the name is served again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.filesystem import OpenDirectory, storage_errors, sync_file
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import LocalFile

_FOLDER = "replaced"
_NOTE_SUFFIX, _NEW_SUFFIX = ".json", ".new"
_MAX_NOTE, _MAX_LABELS = 100_000, 1000
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A saved file, the target that had it, and its labels there."""

    file: LocalFile
    target: str
    labels: tuple[str, ...] = ()


class Writer:
    """Takes the bytes of one file, and hashes them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)

    def write(self, data: bytes) -> None:
        """Write the next bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.size += len(data)
        self.sha256.update(data)
        self.md5.update(data)


class SavedFiles:
    """The saved files in the hidden directory of a wheelhouse, which is locked."""

    def __init__(self, hidden_directory: Path) -> None:
        self._path = hidden_directory / _FOLDER

    @contextlib.contextmanager
    def _open(self) -> Iterator[OpenDirectory]:
        with storage_errors(str(self._path)):
            with contextlib.suppress(FileExistsError):
                self._path.mkdir(mode=0o700)
            with contextlib.closing(OpenDirectory(self._path, follow_symlinks=False)) as folder:
                yield folder

    @contextlib.contextmanager
    def create(self, filename: str) -> Iterator[Writer]:
        """Yield a writer for the bytes of a file, which ``keep`` completes."""
        with self._open() as folder:
            folder.unlink(filename + _NEW_SUFFIX)
            descriptor = folder.open(filename + _NEW_SUFFIX, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                yield Writer(descriptor)
                sync_file(descriptor)
            finally:
                os.close(descriptor)

    def keep(self, filename: str, written: Writer, target: str, labels: tuple[str, ...]) -> SavedFile:
        """Keep the bytes that were written; they survive the end of this process and a power failure."""
        note = {
            "sha256": written.sha256.hexdigest(),
            "size": written.size,
            "target": target,
            "labels": list(labels),
        }
        with self._open() as folder:
            folder.unlink(filename + _NOTE_SUFFIX)
            folder.move(filename + _NEW_SUFFIX, folder, filename)
            folder.write(filename + _NOTE_SUFFIX, json.dumps(note).encode(), 0o600)
            folder.sync()
        saved = self.load(filename, target)
        if saved is None:
            raise NetworkError(f"the saved bytes of {filename} could not be read back")
        return saved

    def load(self, filename: str, target: str) -> SavedFile | None:
        """Return a saved file of a target; None if there is none, or its note cannot be used."""
        if not self._path.is_dir():
            return None
        with self._open() as folder:
            data = folder.read_owned(filename + _NOTE_SUFFIX, _MAX_NOTE)
        try:
            note = bounds.load_json(data or b"")
            name = filenames.parse_filename(filename)
        except (ValueError, filenames.InvalidFilename):
            return None
        if not isinstance(note, dict) or note.get("target") != target:
            return None
        labels, size, sha256 = note.get("labels"), note.get("size"), note.get("sha256")
        if not isinstance(labels, list) or not isinstance(size, int) or not isinstance(sha256, str):
            return None
        file = LocalFile(name=name, path=self._path / filename, size=size, sha256=sha256)
        kept = tuple(label for label in labels[:_MAX_LABELS] if isinstance(label, str))
        return SavedFile(file=file, target=target, labels=kept)

    def list_names(self) -> list[str]:
        """Return the names of the saved files."""
        if not self._path.is_dir():
            return []
        with storage_errors(str(self._path)):
            names = sorted(os.listdir(self._path))  # noqa: PTH208 - only names are needed
        return [name.removesuffix(_NOTE_SUFFIX) for name in names if name.endswith(_NOTE_SUFFIX)]

    def discard(self, filename: str) -> None:
        """Remove a saved file."""
        if self._path.is_dir():
            with self._open() as folder:
                for suffix in (_NOTE_SUFFIX, "", _NEW_SUFFIX):
                    folder.unlink(filename + suffix)

"""The local directory of a release: its lock, what is there already, what was noted of it, SHA256SUMS."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from wheel_uploader import bounded, cache_mac, stopping
from wheel_uploader.disk import READING, Folder, storage_errors
from wheel_uploader.display import printable
from wheel_uploader.errors import LockedError, StorageError
from wheel_uploader.models import LocalFile

#: The program's own corner of a wheelhouse; deleting it is always safe.
HIDDEN = ".wheel-uploader"
SUMS = "SHA256SUMS"
PART = ".part"
_NOTE = ".json"
_MEMORY = ".checked.json"
_TEMPORARY = ".tmp"
#: Files that are nothing without the one that they are named after.
_BESIDE = (".asc", ".attestation")

#: Seconds between two attempts to get the lock.
_LOOK = 0.1

#: A note is a few hundred bytes; whatever is longer is not ours.
_NOTE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a server said of a file when it was fetched: enough to ask later whether it is still the same."""

    #: Without user info and query: those change from day to day, and they are secrets.
    url: str
    etag: str = ""
    last_modified: str = ""
    #: Bytes of the whole file, when it is known.
    size: int | None = None
    #: ``algorithm:hex`` of the whole file: ours when it is there, the source's while it is on its way.
    digest: str = ""
    #: Which parts of a partial file are there, when it was fetched in pieces; else all up to its end.
    parts: str = ""

    @property
    def strong_etag(self) -> str:
        """The ETag when it stands for these very bytes; a weak one stands for the like of them."""
        return self.etag if self.etag.startswith('"') else ""

    @classmethod
    def parse(cls, data: bytes) -> Note | None:
        """The note in ``data``; None when it is none, for notes are hints and may be damaged."""
        try:
            values = bounded.load_json(data)
            if isinstance(values, dict):
                values.setdefault("parts", "")
                values.pop("seal", None)
            if not isinstance(values, dict) or values.keys() != {field.name for field in fields(cls)}:
                return None
            size = values.pop("size")
        except ValueError:
            return None
        if not (size is None or bounded.is_size(size)) or not all(
            type(value) is str for value in values.values()
        ):
            return None
        return cls(size=size, **values)


class Wheelhouse:
    """A wheelhouse that this run alone may change, for as long as the ``with`` lasts."""

    def __init__(self, path: Path, *, lock_timeout: float = 0.0) -> None:
        self.path = path
        self._lock_timeout = lock_timeout
        self._open = contextlib.ExitStack()
        #: Permissions of a finished file: those that the person's umask gives.
        self.file_mode = 0o600

    def __enter__(self) -> Self:
        self._make()
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._locked())
            with storage_errors(f"the wheelhouse {self.path}"):
                self.folder = stack.enter_context(contextlib.closing(Folder(self.path)))
                self.hidden = stack.enter_context(contextlib.closing(Folder(self.path / HIDDEN, links=False)))
                self._tidy()
            mask = os.umask(0o077)
            os.umask(mask)
            self.file_mode = 0o666 & ~mask
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _make(self) -> None:
        """The directory and its hidden one; whether they can be written to is known before any work."""
        where = f"the wheelhouse {self.path}"
        with storage_errors(where):
            if self.path.exists() and not self.path.is_dir():
                raise StorageError(
                    f"{printable(where)} is a file, not a directory", hint="Name a directory with -w."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            if _is_read_only(self.path):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "it cannot be written to")
            hidden = self.path / HIDDEN
            with contextlib.suppress(FileExistsError):
                hidden.mkdir(mode=0o700)
            if not stat.S_ISDIR(hidden.lstat().st_mode):
                raise StorageError(
                    f"{printable(str(hidden))} is not a directory", hint="Remove it, then run this again."
                )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / HIDDEN / "lock", timeout=0, thread_local=False)
        end = time.monotonic() + self._lock_timeout
        with storage_errors(f"the lock of the wheelhouse {self.path}"):
            while not lock.is_locked:
                try:
                    with warnings.catch_warnings():
                        # Where there is no flock at all, filelock says so and makes do with a file.
                        warnings.simplefilter("ignore")
                        lock.acquire()
                except NotImplementedError:  # filelock before 3.30 says so of ENOSYS.
                    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
                except Timeout:
                    if time.monotonic() >= end:
                        held = f"another run is at work in the wheelhouse {printable(str(self.path))}"
                        raise LockedError(held) from None
                    stopping.sleep(_LOOK)
        try:
            yield
        finally:
            # Some network disks fail here; the kernel frees it when the process ends.
            with contextlib.suppress(OSError):
                lock.release()

    def _tidy(self) -> None:
        """Remove what a run that was killed left behind and nothing can continue."""
        names = set(os.listdir(self.hidden.path))  # noqa: PTH208 - names are what is wanted
        for name in names:
            without_note = name.endswith(PART) and not self.stump_note(name.removesuffix(PART), sealed=False)
            without_part = name.endswith(PART + _NOTE) and name.removesuffix(_NOTE) not in names
            of_nothing = name.endswith(_MEMORY) and not self.folder.stat(name.removesuffix(_MEMORY))
            if name.endswith(_TEMPORARY) or without_note or without_part or of_nothing:
                with storage_errors(str(self.hidden.path / name)):
                    self.hidden.unlink(name)

    # --- what is there ---------------------------------------------------------------------------------

    def holds(self, filename: str) -> bool:
        """Whether there is a regular file of that name; anything else of that name is a StorageError."""
        with storage_errors(str(self.path / filename)):
            found = self.folder.stat(filename)
        if found is None:
            return False
        if stat.S_ISREG(found.st_mode):
            return True
        raise StorageError(
            f"{printable(str(self.path / filename))} is {_kind(found.st_mode)}, not a file",
            hint="Remove it or move it away: it is neither followed nor replaced.",
        )

    def filenames(self) -> list[str]:
        """The names of all regular files in it; links and the like are none."""
        with storage_errors(f"the wheelhouse {self.path}"):
            found = sorted(os.listdir(self.folder.path))  # noqa: PTH208 - names are what is wanted
            states = [(name, self.folder.stat(name)) for name in found]
        return [name for name, state in states if state and stat.S_ISREG(state.st_mode)]

    def modified(self, filename: str) -> datetime:
        """When a file that ``filenames`` found was written."""
        with storage_errors(str(self.path / filename)):
            state = self.folder.stat(filename)
        return bounded.moment_of(state.st_mtime if state else 0)

    def open_file(self, filename: str) -> int:
        """A descriptor for reading a file that ``holds`` found; never through a link."""
        return self.folder.open(filename, READING)

    def note(self, filename: str) -> Note | None:
        """What was noted when this file was fetched."""
        return Note.parse(self._sealed(filename + _NOTE, _NOTE_LIMIT) or b"")

    def stump_note(self, filename: str, *, sealed: bool) -> Note | None:
        """Return what was noted when this file's partial file was begun.

        Without ``sealed``, also one that was made on another machine: it is enough if the whole file is
        compared with a digest afterwards.
        """
        name = filename + PART + _NOTE
        data = self._sealed(name, _NOTE_LIMIT) if sealed else self._own(name, _NOTE_LIMIT)
        return Note.parse(data or b"")

    def memory(self, filename: str, limit: int) -> bytes | None:
        """What this user's own earlier run remembered of the file; None when there is nothing like it."""
        return self._sealed(filename + _MEMORY, limit)

    def _sealed(self, name: str, limit: int) -> bytes | None:
        """Return what an earlier run of this user wrote and sealed under this name."""
        data = self._own(name, limit)
        return None if data is None else cache_mac.unseal(name, data)

    def _own(self, name: str, limit: int) -> bytes | None:
        """Return what is there under this name, if nobody but this user can have put it there."""
        return self.hidden.read_own(name, limit) if self.hidden.is_own() else None

    # --- what is written -------------------------------------------------------------------------------

    def write_memory(self, filename: str, data: bytes) -> None:
        """Remember something of the file; it may be lost, so nothing waits for the disk."""
        if sealed := cache_mac.seal(filename + _MEMORY, data):
            self._put(self.hidden, filename + _MEMORY, sealed, 0o600, sync=False)

    def write_note(self, filename: str, note: Note) -> None:
        name, data = filename + _NOTE, json.dumps(asdict(note)).encode()
        # Not synced: a note is a hint, and one that a power cut tears is none.
        self._put(self.hidden, name, cache_mac.seal(name, data) or data, 0o600, sync=False)

    def write_stump_note(self, filename: str, note: Note) -> None:
        self.write_note(filename + PART, note)

    def forget_stump(self, filename: str) -> None:
        """Remove a partial file and its note, those of them that are there."""
        with storage_errors(f"a partial file in {self.hidden.path}"):
            self.hidden.unlink(filename + PART)
            self.hidden.unlink(filename + PART + _NOTE)

    def remove(self, filename: str) -> None:
        """Remove a file, its signature, its attestations, and what was noted and is remembered of it."""
        beside = (each for each in self.filenames() if each.startswith(f"{filename}."))
        with storage_errors(str(self.path / filename)):
            for name in beside:
                if name.endswith(_BESIDE):
                    self.folder.unlink(name)
            # The last: a run that is killed here finds it again, and finishes.
            self.folder.unlink(filename)
            self.hidden.unlink(filename + _NOTE)
            self.hidden.unlink(filename + _MEMORY)

    def sync(self) -> None:
        """Make sure that the names of finished files survive a power cut."""
        with storage_errors(str(self.path)):
            self.folder.sync()

    def write_sums(self, files: Sequence[LocalFile]) -> Path:
        """Write SHA256SUMS for exactly this set, ready for ``sha256sum -c``; only when it would change.

        Lines of other releases that an older file had are not kept: nobody has verified those files in this
        run, they may be gone, and the signature beside SHA256SUMS must not vouch for them.
        """
        data = sums_of(files)
        if not self.holds(SUMS) or self.folder.read(SUMS, len(data) + 1) != data:
            self._put(self.folder, SUMS, data, self.file_mode)
        return self.path / SUMS

    def write_small(self, filename: str, data: bytes) -> Path:
        """Write a small file (an attestation) all at once, over what is there."""
        self._put(self.folder, filename, data, self.file_mode)
        return self.path / filename

    def _put(self, folder: Folder, name: str, data: bytes, mode: int, *, sync: bool = True) -> None:
        temporary = name + _TEMPORARY
        with storage_errors(str(folder.path / name)):
            try:
                self.hidden.unlink(temporary)
                self.hidden.write(temporary, data, mode, sync=sync)
                self.hidden.move(temporary, folder, name)
            except OSError:
                with contextlib.suppress(OSError):
                    self.hidden.unlink(temporary)
                raise


def sums_of(files: Sequence[LocalFile]) -> bytes:
    """Return the content of SHA256SUMS for these files."""
    ordered = sorted(files, key=lambda each: each.filename)
    return "".join(f"{file.sha256}  {file.filename}\n" for file in ordered).encode("ascii")


def _is_read_only(path: Path) -> bool:
    """Return whether the file system is; False on Windows, and where the file system does not answer."""
    if hasattr(os, "statvfs"):
        with contextlib.suppress(OSError):
            return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return False


def _kind(mode: int) -> str:
    for test, word in (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a fifo"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return word
    return "a device"

"""A directory and the files in it, opened so that no link leads elsewhere; and what its errors mean."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from wheel_uploader.display import printable
from wheel_uploader.errors import StorageError

_RELATIVE = {os.open, os.stat, os.unlink, os.rename} <= os.supports_dir_fd
#: Flags that a system without them does not need.
_SAFE: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
#: Opening a fifo must not wait for the other end.
READING: int = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


#: No room: every other file would fail on it too.
DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
#: The file system does not know the call, or not for this kind of file: network disks, FUSE, FAT.
UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
#: It keeps permissions of its own (FAT, SMB); a new file of ours is private anyway.
_NO_MODES = {*UNSUPPORTED, errno.EPERM, errno.EACCES}
#: Directories that were opened for reading cannot be synced everywhere.
_NO_SYNC_OF_DIRECTORIES = {*UNSUPPORTED, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR}
#: Locks are for local disks, or need a service on the server.
_NO_LOCKS = {*UNSUPPORTED, errno.ENOLCK, errno.EBADF}
#: The disk, or the network behind it, is gone or broken.
_BROKEN = {
    getattr(errno, name, errno.EIO)
    for name in ("EIO", "ESTALE", "ENXIO", "ENODEV", "ENOTCONN", "EREMOTEIO", "ETIMEDOUT", "EHOSTDOWN")
}


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn what the operating system says about ``what`` into a StorageError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{printable(what)}: {reason}", hint=_hint(error.errno)) from error


def _hint(number: int | None) -> str | None:
    if number in DISK_FULL:
        return (
            "Make room on that disk, or choose another wheelhouse with -w; then run the same command again."
        )
    if number in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return "Choose a wheelhouse that you may write to with -w, or repair the permissions."
    if number in _NO_LOCKS:
        return (
            "This file system does not support what a run needs, as some network disks do not: choose a "
            "wheelhouse on a local disk with -w."
        )
    if number in _BROKEN:
        return (
            "The disk, or the network behind it, fails: repair it, or choose another wheelhouse with -w. "
            "Then run the same command again."
        )
    if number == errno.EXDEV:
        return (
            "The hidden directory in the wheelhouse is on another file system: unmount it, or choose another "
            "wheelhouse with -w."
        )
    if number == errno.EFBIG:
        return "The file system, or a limit of this user, takes no file of that size: choose another with -w."
    if number == errno.ENAMETOOLONG:
        return "Choose a wheelhouse with a shorter path with -w."
    return None


class Folder:
    """One directory, held open where the system can: names in it are relative to what was opened.

    So nobody can put another directory in its place, or lead us out of it by a symbolic link.
    """

    def __init__(self, path: Path, *, links: bool = True) -> None:
        """``links``: whether ``path`` may be a symbolic link to the directory."""
        self.path = path
        flags = os.O_RDONLY | os.O_DIRECTORY | (0 if links else _SAFE) if _RELATIVE else 0
        self._fd = os.open(path, flags) if _RELATIVE else None

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            # A worker that was left behind gets "bad file descriptor", not somebody else's directory.
            self._fd = -1

    def _name(self, name: str) -> str:
        return name if self._fd is not None else str(self.path / name)

    def open(self, name: str, flags: int) -> int:
        """A descriptor of ``name``, which must not be a symbolic link; a new file is private."""
        return os.open(self._name(name), flags | _SAFE, 0o600, dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result | None:
        """What ``name`` itself is, a link included; None when there is nothing."""
        try:
            return os.stat(self._name(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def unlink(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name(name), dir_fd=self._fd)

    def move(self, name: str, to: Folder, new_name: str) -> None:
        """Rename, over what is there."""
        os.replace(self._name(name), to._name(new_name), src_dir_fd=self._fd, dst_dir_fd=to._fd)

    def sync(self) -> None:
        """Make sure that new names survive a power cut, where a directory can be told to."""
        if self._fd is not None:
            with _unless(_NO_SYNC_OF_DIRECTORIES):
                os.fsync(self._fd)

    def read(self, name: str, limit: int) -> bytes | None:
        """At most ``limit`` bytes of a regular file; None when there is none."""
        return self._read(name, limit, lambda _: True)

    def read_own(self, name: str, limit: int) -> bytes | None:
        """At most ``limit`` bytes of a regular file that nobody but this user can have written; else None."""
        return self._read(name, limit, lambda status: has_one_name(status) and _is_own(status))

    def _read(self, name: str, limit: int, accepts: Callable[[os.stat_result], bool]) -> bytes | None:
        """Return the start of a regular file that ``accepts`` takes; None also where it cannot be read."""
        try:
            descriptor = self.open(name, READING)
            try:
                status = os.fstat(descriptor)
                is_taken = stat.S_ISREG(status.st_mode) and accepts(status)
                return os.read(descriptor, limit) if is_taken else None
            finally:
                os.close(descriptor)
        except OSError:
            return None

    def is_own(self) -> bool:
        """Return whether nobody but this user can put a file in here; False where that cannot be told."""
        try:
            return _is_own(self.path.stat() if self._fd is None else os.fstat(self._fd))
        except OSError:
            return False

    def write(self, name: str, data: bytes, mode: int, *, sync: bool = True) -> None:
        """A small new file; a file of that name must not be there. Without ``sync`` it may be lost."""
        descriptor = self.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            set_mode(descriptor, mode)
            if sync:
                sync_file(descriptor)


def has_one_name(status: os.stat_result) -> bool:
    """Return whether no other name leads to the file; file systems that do not count names say 0."""
    return status.st_nlink <= 1


def _is_own(status: os.stat_result) -> bool:
    # Windows has neither owners nor modes of this kind; there the folder's access list decides.
    return not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def set_mode(descriptor: int, mode: int) -> None:
    """Give an open file its permissions, where files have them; else it stays as the file system made it."""
    if hasattr(os, "fchmod"):
        with _unless(_NO_MODES):
            os.fchmod(descriptor, mode)


def sync_file(descriptor: int) -> None:
    """Make sure that the bytes of a file survive a power cut, where the file system can be told to.

    Where it cannot, the next run finds out: it hashes every file again.
    """
    with _unless(UNSUPPORTED):
        os.fsync(descriptor)


@contextlib.contextmanager
def _unless(tolerated: Collection[int]) -> Iterator[None]:
    """Go on after an OSError with one of these numbers."""
    try:
        yield
    except OSError as error:
        if error.errno not in tolerated:
            raise

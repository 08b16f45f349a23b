"""Directories whose files are opened without following links, and storage errors with advice."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from wheel_uploader.core.errors import StorageError
from wheel_uploader.core.redaction import sanitize

_SUPPORTS_DIR_FD = {os.open, os.stat, os.unlink, os.rename} <= os.supports_dir_fd
#: Flags for every open; a platform without one of them does not need it.
_SAFE_OPEN_FLAGS: int = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
#: O_NONBLOCK: opening a FIFO must not wait for a writer.
READ_FLAGS: int = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


#: Out of space or quota; every other file would fail in the same way.
DISK_FULL_ERRNOS = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
#: The file system does not implement the call, or not for this kind of file (network disks, FUSE, FAT).
UNSUPPORTED_ERRNOS = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
#: File systems with fixed permissions (FAT, SMB) refuse chmod; new files are created private anyway.
_CHMOD_REFUSED = {*UNSUPPORTED_ERRNOS, errno.EPERM, errno.EACCES}
#: Not every platform can sync a directory that was opened for reading.
_DIRECTORY_SYNC_REFUSED = {*UNSUPPORTED_ERRNOS, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR}
#: Some network file systems have no locks, or need a service on the server for them.
_LOCKING_UNSUPPORTED = {*UNSUPPORTED_ERRNOS, errno.ENOLCK, errno.EBADF}
#: The disk, or the network connection to it, failed or disappeared.
_STORAGE_FAILED = {
    getattr(errno, name, errno.EIO)
    for name in ("EIO", "ESTALE", "ENXIO", "ENODEV", "ENOTCONN", "EREMOTEIO", "ETIMEDOUT", "EHOSTDOWN")
}


@contextlib.contextmanager
def storage_errors(location: str) -> Iterator[None]:
    """Turn an OSError into a StorageError that names ``location`` and says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{sanitize(location)}: {reason}", hint=_hint_for(error.errno)) from error


def _hint_for(number: int | None) -> str | None:
    if number in DISK_FULL_ERRNOS:
        return (
            "Free space on that disk, or choose another wheelhouse with -w; then run the same command again."
        )
    if number in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return "Choose a writable wheelhouse with -w, or fix the permissions."
    if number in _LOCKING_UNSUPPORTED:
        return (
            "This file system lacks an operation that is needed here, as some network file systems do: "
            "choose a wheelhouse on a local disk with -w."
        )
    if number in _STORAGE_FAILED:
        return (
            "The disk or the network connection to it failed: repair it, or choose another wheelhouse with "
            "-w. Then run the same command again."
        )
    if number == errno.EXDEV:
        return (
            "The hidden directory in the wheelhouse is on another file system: unmount it, or choose another "
            "wheelhouse with -w."
        )
    if number == errno.EFBIG:
        return "The file exceeds a size limit of the file system or of this user: choose another with -w."
    if number == errno.ENAMETOOLONG:
        return "Choose a wheelhouse with a shorter path with -w."
    return None


class OpenDirectory:
    """A directory that is held open if the platform allows it, so that names in it are relative to that.

    Replacing the directory, or a symbolic link in its path, then cannot redirect an operation elsewhere.
    """

    def __init__(self, path: Path, *, follow_symlinks: bool = True) -> None:
        """Open the directory; ``follow_symlinks`` allows ``path`` itself to be a symbolic link to it."""
        self.path = path
        flags = (
            os.O_RDONLY | os.O_DIRECTORY | (0 if follow_symlinks else _SAFE_OPEN_FLAGS)
            if _SUPPORTS_DIR_FD
            else 0
        )
        self._fd = os.open(path, flags) if _SUPPORTS_DIR_FD else None

    def close(self) -> None:
        """Close the directory; later operations fail."""
        if self._fd is not None:
            os.close(self._fd)
            # An abandoned worker thread gets EBADF, not a directory that reuses the descriptor's number.
            self._fd = -1

    def _resolve(self, name: str) -> str:
        return name if self._fd is not None else str(self.path / name)

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of ``name``, which must not be a symbolic link; a new file is private."""
        return os.open(self._resolve(name), flags | _SAFE_OPEN_FLAGS, 0o600, dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result | None:
        """Return the status of ``name`` without following links; None if it does not exist."""
        try:
            return os.stat(self._resolve(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def unlink(self, name: str) -> None:
        """Remove ``name`` if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._resolve(name), dir_fd=self._fd)

    def move(self, name: str, destination: OpenDirectory, new_name: str) -> None:
        """Move a file to ``new_name`` in ``destination``, replacing a file of that name."""
        os.replace(
            self._resolve(name),
            destination._resolve(new_name),
            src_dir_fd=self._fd,
            dst_dir_fd=destination._fd,
        )

    def sync(self) -> None:
        """Make new names survive a power failure, if the platform can sync directories."""
        if self._fd is not None:
            with _ignore_errnos(_DIRECTORY_SYNC_REFUSED):
                os.fsync(self._fd)

    def read(self, name: str, limit: int) -> bytes | None:
        """Return at most ``limit`` bytes of a regular file; None if there is no such file."""
        return self._read_accepted(name, limit, lambda _: True)

    def read_owned(self, name: str, limit: int) -> bytes | None:
        """Return at most ``limit`` bytes of a regular file that only this user can have written, or None."""
        return self._read_accepted(
            name, limit, lambda status: has_single_link(status) and _is_writable_by_user_only(status)
        )

    def _read_accepted(
        self, name: str, limit: int, accepts: Callable[[os.stat_result], bool]
    ) -> bytes | None:
        """Return the first bytes of a regular file that ``accepts`` allows; None also if it is unreadable."""
        try:
            descriptor = self.open(name, READ_FLAGS)
            try:
                status = os.fstat(descriptor)
                is_accepted = stat.S_ISREG(status.st_mode) and accepts(status)
                return os.read(descriptor, limit) if is_accepted else None
            finally:
                os.close(descriptor)
        except OSError:
            return None

    def is_exclusively_writable(self) -> bool:
        """Return whether only this user can create files here; False if that cannot be determined."""
        try:
            return _is_writable_by_user_only(self.path.stat() if self._fd is None else os.fstat(self._fd))
        except OSError:
            return False

    def write(self, name: str, data: bytes, mode: int, *, sync: bool = True) -> None:
        """Write a small new file; fail if it exists. Without ``sync`` a power failure may lose it."""
        descriptor = self.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            set_mode(descriptor, mode)
            if sync:
                sync_file(descriptor)


def has_single_link(status: os.stat_result) -> bool:
    """Return whether the file has no other hard link; file systems that do not count links report 0."""
    return status.st_nlink <= 1


def _is_writable_by_user_only(status: os.stat_result) -> bool:
    # Windows has no such owners and modes; there the directory's access control list decides.
    return not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def read_umask() -> int:
    """Return the permissions that this process removes from new files."""
    with contextlib.suppress(OSError):
        # Linux lists it; asking the system changes it for all threads until it is set again.
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.removeprefix("Umask:"), 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def set_mode(descriptor: int, mode: int) -> None:
    """Set the permissions of an open file; do nothing if the platform or file system has none."""
    if hasattr(os, "fchmod"):
        with _ignore_errnos(_CHMOD_REFUSED):
            os.fchmod(descriptor, mode)


def sync_file(descriptor: int) -> None:
    """Make the bytes of a file survive a power failure, if the file system supports it.

    If it does not, the next run detects a loss, because it hashes every file again.
    """
    with _ignore_errnos(UNSUPPORTED_ERRNOS):
        os.fsync(descriptor)


@contextlib.contextmanager
def _ignore_errnos(ignored: Collection[int]) -> Iterator[None]:
    """Suppress an OSError whose errno is in ``ignored``."""
    try:
        yield
    except OSError as error:
        if error.errno not in ignored:
            raise

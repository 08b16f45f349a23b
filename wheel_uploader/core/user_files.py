"""Reads the small files that a user names or keeps in the home directory: configuration, lists, logins."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from pathlib import Path
from typing import BinaryIO

#: Maximum size of such a file in bytes; a list of a thousand files needs a fifth of a megabyte.
MAX_FILE_SIZE = 4 * 1024 * 1024
#: Seconds in which a process must open a named pipe to write to it.
_WRITER_TIMEOUT = 2.0


def read_user_file(path: Path) -> bytes:
    """Return the contents of a file, which may be a pipe. Raises OSError, also for one that is too large.

    A named pipe that no process writes to is an error: opening it would wait for ever, and a signal could not
    end that.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError:  # Its text differs between versions of Python.
        raise OSError(errno.EINVAL, "its name has a null character") from None
    with open(descriptor, "rb") as stream:  # noqa: PTH123 (a descriptor)
        start = b""
        if sys.platform != "win32":
            start = _first_byte(descriptor) if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else b""
            os.set_blocking(descriptor, True)
        return _read(stream, start)


def is_file_or_directory(path: Path | str) -> bool:
    """Return whether a path leads to a regular file or a directory.

    Libraries that read anything else, such as OpenSSL, wait for the writer of a pipe, and read a device
    without end, deaf to signals.
    """
    # The functions of os.path take null characters and names that are too long.
    return os.path.isfile(path) or os.path.isdir(path)  # noqa: PTH112, PTH113


def _first_byte(descriptor: int) -> bytes:
    """Return the first byte in a pipe, or nothing if a process has it open and writes later."""
    select.select([descriptor], [], [], _WRITER_TIMEOUT)
    try:
        start = os.read(descriptor, 1)
    except BlockingIOError:
        return b""
    if not start:
        raise OSError(errno.ENXIO, "it is a pipe, and no process writes to it")
    return start


def _read(stream: BinaryIO, start: bytes) -> bytes:
    data = start + stream.read(MAX_FILE_SIZE + 1)
    if len(data) > MAX_FILE_SIZE:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_FILE_SIZE >> 20} MiB, the limit for such a file")
    return data

"""A way for another process to end this one with a chosen exit code, even if no thread can run Python.

A process can be killed from outside, but only the process itself can choose its exit code. glibc reads from
a pipe in a thread that does not run Python, and calls a C function when a byte arrives: here ``_exit``, with
the exit code as its argument (aio_read(3) with SIGEV_THREAD, see sigevent(7)). Each code has its own pipe.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

#: Notify by calling a function in a new thread (glibc's bits/sigevent-consts.h).
_SIGEV_THREAD = 2


class ExitPipes:
    """The pipes for all exit codes; create it before forking the process that will write to them."""

    def __init__(self, codes: Sequence[int]) -> None:
        self.exit_codes = tuple(dict.fromkeys(codes))
        self._pipes = {code: os.pipe() for code in self.exit_codes} if _has_glibc() else {}
        #: Objects that the kernel and glibc use until the process ends.
        self._requests: list[Any] = []

    @property
    def write_fds(self) -> list[int]:
        """The descriptors that the other process writes to."""
        return [write_fd for _, write_fd in self._pipes.values()]

    def start_waiting(self) -> None:
        """Start to wait for a byte on each pipe; do nothing without glibc or if called again."""
        if self._requests or not self._pipes:
            return
        # The write ends remain open in this process too, because an end of file would count as a byte.
        with contextlib.suppress(ImportError, OSError, AttributeError):
            self._requests += [_exit_on_byte(read_fd, code) for code, (read_fd, _) in self._pipes.items()]

    def trigger_exit(self, code: int) -> None:
        """End the process that was armed with the exit code ``code``; called in the other process."""
        if code in self._pipes:
            with contextlib.suppress(OSError):
                os.write(self._pipes[code][1], b"x")


def _has_glibc() -> bool:
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return False
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (ValueError, OSError):
        return False


def _exit_on_byte(read_fd: int, code: int) -> Any:
    """Make glibc call ``_exit(code)`` when a byte arrives; return the objects to keep alive until then."""
    import ctypes

    class SigEvent(ctypes.Structure):
        """struct sigevent: 64 bytes."""

        _fields_ = [  # type: ignore[mutable-override]
            ("value", ctypes.c_void_p),
            ("signal", ctypes.c_int),
            ("notify", ctypes.c_int),
            ("function", ctypes.c_void_p),
            ("attributes", ctypes.c_void_p),
            ("rest", ctypes.c_char * 32),
        ]

    class AioControlBlock(ctypes.Structure):
        """struct aiocb: 168 bytes, of which the last are private to glibc."""

        _fields_ = [  # type: ignore[mutable-override]
            ("descriptor", ctypes.c_int),
            ("operation", ctypes.c_int),
            ("priority", ctypes.c_int),
            ("buffer", ctypes.c_void_p),
            ("size", ctypes.c_size_t),
            ("event", SigEvent),
            ("rest", ctypes.c_char * 256),
        ]

    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(1)
    request = AioControlBlock(
        descriptor=read_fd,
        buffer=ctypes.addressof(buffer),
        size=1,
        event=SigEvent(
            value=code,
            notify=_SIGEV_THREAD,
            function=ctypes.cast(libc._exit, ctypes.c_void_p).value,  # noqa: SLF001 - its name in C
        ),
    )
    if libc.aio_read(ctypes.byref(request)):
        raise OSError(ctypes.get_errno(), "aio_read")
    return request, buffer

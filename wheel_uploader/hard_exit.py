"""Exit codes that another process can end this one with, even while no thread of it can run Python.

A process can be killed from outside, but only it can choose its exit code. glibc reads from a pipe in a
thread that does not run Python, and calls a C function when a byte has arrived: here ``_exit``, with the exit
code as its argument (aio_read(3) with SIGEV_THREAD of sigevent(7)). There is one pipe for each code.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

#: "Notify by a call in a new thread", of glibc's bits/sigevent-consts.h.
_SIGEV_THREAD = 2


class Exits:
    """The pipes of all exit codes; to be made before the fork of the process that will use them."""

    def __init__(self, codes: Sequence[int]) -> None:
        self.codes = tuple(dict.fromkeys(codes))
        self._pipes = {code: os.pipe() for code in self.codes} if _has_glibc() else {}
        #: What the kernel and glibc use for as long as the process lives.
        self._kept: list[Any] = []

    @property
    def writing(self) -> list[int]:
        """The descriptors that the other process writes to."""
        return [writing for _, writing in self._pipes.values()]

    def arm(self) -> None:
        """Begin to wait for each of the bytes. Does nothing on other systems, or the second time."""
        if self._kept or not self._pipes:
            return
        # The writing ends stay open in here too: their end of file would be taken for the byte.
        with contextlib.suppress(ImportError, OSError, AttributeError):
            self._kept += [_wait(reading, code) for code, (reading, _) in self._pipes.items()]

    def fire(self, code: int) -> None:
        """In the other process: end the first one with ``code``."""
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


def _wait(reading: int, code: int) -> Any:
    """Have glibc call ``_exit(code)`` when a byte is there; what has to be kept until then."""
    import ctypes

    class Event(ctypes.Structure):
        """struct sigevent: 64 bytes."""

        _fields_ = [  # type: ignore[mutable-override]
            ("value", ctypes.c_void_p),
            ("signal", ctypes.c_int),
            ("notify", ctypes.c_int),
            ("function", ctypes.c_void_p),
            ("attributes", ctypes.c_void_p),
            ("rest", ctypes.c_char * 32),
        ]

    class Request(ctypes.Structure):
        """struct aiocb: 168 bytes, of which glibc alone knows the last."""

        _fields_ = [  # type: ignore[mutable-override]
            ("descriptor", ctypes.c_int),
            ("operation", ctypes.c_int),
            ("priority", ctypes.c_int),
            ("buffer", ctypes.c_void_p),
            ("size", ctypes.c_size_t),
            ("event", Event),
            ("rest", ctypes.c_char * 256),
        ]

    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(1)
    request = Request(
        descriptor=reading,
        buffer=ctypes.addressof(buffer),
        size=1,
        event=Event(
            value=code,
            notify=_SIGEV_THREAD,
            function=ctypes.cast(libc._exit, ctypes.c_void_p).value,  # noqa: SLF001 - its name in C
        ),
    )
    if libc.aio_read(ctypes.byref(request)):
        raise OSError(ctypes.get_errno(), "aio_read")
    return request, buffer

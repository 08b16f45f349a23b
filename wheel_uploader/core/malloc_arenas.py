"""A limit of the memory that glibc keeps for threads.

glibc creates a separate arena for each thread, up to eight for each core, and rarely returns freed memory
in it to the system. With the threads of downloads and uploads, those are about 20 MB of a run.
"""

from __future__ import annotations

import contextlib
import os
import sys

#: M_ARENA_MAX of mallopt(3), and its value.
_PARAMETER, _ARENAS = -8, 2


def limit_arenas() -> None:
    """Let all threads of this process share two arenas; call it before threads are started.

    Does nothing without glibc, or if the user has chosen another number with MALLOC_ARENA_MAX.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return
    # musl has one arena, and no mallopt.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).mallopt(_PARAMETER, _ARENAS)

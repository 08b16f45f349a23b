"""Test the limit of the arenas of malloc, in processes of their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tools.testing import tested_package

#: Allocates in eight threads, and prints the number of arenas that glibc's malloc_info(3) lists.
SCRIPT = """
import ctypes, tempfile, threading
from wheel_uploader.core.malloc_arenas import limit_arenas

limit_arenas()
together = threading.Barrier(8)
libc = ctypes.CDLL(None)

def allocate():
    together.wait()
    libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile() as file:
    libc.fopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(("chosen", "expected"), [("", range(1, 3)), ("5", range(3, 6))])
def test_threads_share_two_arenas_unless_the_user_chose_another_number(chosen: str, expected: range) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    environment |= {"PYTHONPATH": str(tested_package.HOME)}
    if chosen:
        environment["MALLOC_ARENA_MAX"] = chosen
    completed = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    assert int(completed.stdout) in expected

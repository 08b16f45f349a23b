"""Pytest plugin for CPython in WebAssembly (Pyodide): skips the tests that need what is missing there.

Missing are threads, child processes, terminals, and compiled packages without a wheel for WebAssembly. A test
is skipped at the moment when it uses one of them, so that no test is skipped that could run.
"""

from __future__ import annotations

import importlib.machinery
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import NoReturn

import pytest

#: Modules that are imported on first use, or by a whole file of tests.
_MISSING = frozenset(
    ("cmarkgfm", "cryptography", "jsonschema", "lxml", "nh3", "resource", "sigstore", "zlib_ng")
)


class _MissingModules(MetaPathFinder):
    """Skips a test that imports one of the missing modules."""

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """Skip the test, or return None to leave the module to the next finder."""
        if fullname.partition(".")[0] in _MISSING:
            pytest.skip(f"no {fullname.partition('.')[0]}", allow_module_level=True)
        return None


def _skip_because(reason: str) -> Callable[..., NoReturn]:
    def skip(*_: object, **__: object) -> NoReturn:
        pytest.skip(reason, allow_module_level=True)

    return skip


def pytest_configure() -> None:
    """Replace what is missing by functions that skip the running test."""
    sys.meta_path.insert(0, _MissingModules())
    threading.Thread.start = _skip_because("no threads")  # type: ignore[method-assign]
    subprocess.Popen.__init__ = _skip_because("no processes")  # type: ignore[method-assign]
    socket.create_server = _skip_because("no sockets")
    socketserver.TCPServer.server_bind = _skip_because("no sockets")  # type: ignore[method-assign]
    os.openpty = _skip_because("no terminals")
    # There is one thread.
    time.thread_time = time.process_time

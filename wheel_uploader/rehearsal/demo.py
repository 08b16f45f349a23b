"""``--demo``: a real run, twice, against a staging server and an index on this machine."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.server
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.process import ChildProcess
from wheel_uploader.core.errors import DeadlineError
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.rehearsal import local_index

DEMO_PROJECT = "demo-project"
DEMO_VERSION = "1.0"
#: Tags for any platform, because a wheel for one platform would need compiled code.
DEMO_TAGS = ("cp311-none-any", "cp312-none-any", "cp313-none-any", "py3-none-any")

#: Seconds for a run, which takes one or two.
_LIMIT = 600.0

_METADATA = f"""\
Metadata-Version: 2.4
Name: {DEMO_PROJECT}
Version: {DEMO_VERSION}
Summary: A tiny release that shows what wheel-uploader does
Author-email: Demo <demo@example.com>
License-Expression: BSD-3-Clause
Project-URL: Homepage, https://example.com/demo-project
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.11
Description-Content-Type: text/plain

A tiny release that shows what wheel-uploader does.
"""


def run_demo() -> int:
    """Build and stage a tiny release, publish it twice to a local index, and return the exit code.

    Everything is in one temporary folder and on loopback, and is removed afterwards. Raises UsageError if
    pypiserver, the demo's index, is not installed.
    """
    local_index.require_pypiserver("the demo", extra="demo")
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-demo-") as folder:
        home = Path(folder)
        build_demo_release(home / "staging")
        with serve_folder(home / "staging") as listing, local_index.run_local_index(home / "index") as index:
            print(f"{DEMO_PROJECT} {DEMO_VERSION} is staged at {listing}; the index at {index} is empty.\n")
            first = _publish(home, listing, index)
            print("\nThe same command again: everything is on the index already, so nothing is uploaded.\n")
            return first or _publish(home, listing, index)


def _publish(home: Path, listing: str, index: str) -> int:
    """Print the command as a user would type it, and run exactly that."""
    arguments = ["-u", listing, "-v", "-w", str(home / "wheelhouse"), "--repository-url", index]
    arguments += [DEMO_PROJECT, DEMO_VERSION]
    print(f"$ wheel-uploader {shlex.join(arguments)}", flush=True)
    # Settings for real releases must not affect the demo. pypiserver needs no password, but twine prompts
    # for one.
    login = {"TWINE_USERNAME": "demo", "TWINE_PASSWORD": "demo-password"}
    command = [sys.executable, "-m", "wheel_uploader", *arguments]
    with ChildProcess(command, ChildKind.DEMO, variables=login, cwd=home, stdout=None, stderr=None) as run:
        if not run.wait(_LIMIT):
            raise DeadlineError(f"the demo did not finish within {format_duration(_LIMIT)}")
    status = run.exit_status
    return status if status is not None and status >= 0 else 1


# --- the release -----------------------------------------------------------------------------------


def build_demo_release(folder: Path) -> None:
    """Write a small valid release, wheels and an sdist, without network or compiler."""
    name = DEMO_PROJECT.replace("-", "_")
    with tempfile.TemporaryDirectory() as scratch:
        for tag in DEMO_TAGS:
            tree = Path(scratch, tag)
            _write(tree / name / "__init__.py", f"__version__ = {DEMO_VERSION!r}\n")
            dist_info = tree / f"{name}-{DEMO_VERSION}.dist-info"
            _write(dist_info / "METADATA", _METADATA)
            _write(dist_info / "WHEEL", _wheel_text(tag))
            _write(dist_info / "RECORD", _record(tree, dist_info / "RECORD"))
            _pack(tree, folder / f"{name}-{DEMO_VERSION}-{tag}.whl", "zip")
        tree = Path(scratch, "sdist")
        top = tree / f"{name}-{DEMO_VERSION}"
        _write(top / name / "__init__.py", f"__version__ = {DEMO_VERSION!r}\n")
        _write(top / "PKG-INFO", _METADATA)
        _write(top / "pyproject.toml", f'[project]\nname = "{DEMO_PROJECT}"\nversion = "{DEMO_VERSION}"\n')
        _pack(tree, folder / f"{name}-{DEMO_VERSION}.tar.gz", "gztar", top.name)
    for path in folder.iterdir():
        # An hour old: a Last-Modified within the current second is unreliable as a validator, so the file
        # would be downloaded again.
        os.utime(path, (time.time() - 3600,) * 2)


def _wheel_text(tag: str) -> str:
    return f"Wheel-Version: 1.0\nGenerator: wheel-uploader demo\nRoot-Is-Purelib: true\nTag: {tag}\n"


def _record(tree: Path, record: Path) -> str:
    lines = []
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        data = path.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path.relative_to(tree).as_posix()},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{record.relative_to(tree).as_posix()},,\n"])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _pack(tree: Path, target: Path, kind: str, base: str = ".") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    Path(shutil.make_archive(str(target) + ".partial", kind, tree, base)).replace(target)


# --- the servers -----------------------------------------------------------------------------------


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve a directory listing of ``folder`` on loopback inside the ``with`` block, and yield its URL."""
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is http.server's)
        """Log nothing, so that only the output of wheel-uploader is shown."""

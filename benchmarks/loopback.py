"""A staging place and an index on loopback that keep no file in memory, and the command run against them."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.rig import measure

_JSON = "application/vnd.pypi.simple.v1+json"
#: Bytes of a form, fields before the file; METADATA is the largest of them.
_FORM = 64 << 10
_PIECE = 1 << 20
_FIELD = re.compile(rb'name="sha256_digest"\r\n(?:[^\r]+\r\n)*\r\n([0-9a-f]{64})')
_FILE = re.compile(rb'name="content"; filename="([^"]+)"')

#: Run the command, and say at its end how much memory it ever had, and the CPU time that it took.
_MEASURED = """
import os, re, sys
from wheel_uploader.cli import main
code = 1
try: main()
except SystemExit as end: code = end.code
with open('/proc/self/status') as file: peak = re.search(r'VmHWM:\\s+(\\d+)', file.read())[1]
times = os.times()
sys.stdout.flush()
spent = times.user + times.system + times.children_user + times.children_system
print(f'measured {peak} {spent}', file=sys.stderr, flush=True)
sys.exit(code)
"""


class Ran(NamedTuple):
    """One run of the command: its exit code, MiB at its peak, CPU and wall seconds, and standard output."""

    code: int
    peak: float
    cpu: float
    wall: float
    output: str


def run(folder: Path, *arguments: str) -> Ran:
    """Run the command in ``folder``; its peak and its CPU time are those of all processes that it begins."""
    environment = {**os.environ, "TWINE_USERNAME": "me", "TWINE_PASSWORD": "secret", "NETRC": os.devnull}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _MEASURED, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    with process, measure.watched(process.pid) as peak:
        stdout, stderr = process.communicate()
    wall = time.perf_counter() - begun
    measured = re.search(r"^measured (\d+) ([\d.]+)$", stderr, re.MULTILINE)
    if not measured:
        raise SystemExit(f"the command broke off: {stderr[-2000:]}")
    most = max(int(measured[1]) / 1024, max(peak, default=0) / 2**20)
    return Ran(process.returncode, most, float(measured[2]), wall, stdout)


class Loopback:
    """Where files are staged and where they go: ``files``, ``upload``, ``index`` are the URLs."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.files, self.upload, self.index = f"{url}files/", f"{url}legacy/", f"{url}simple/"
        #: File name to hex sha256 of what was posted; the bytes are thrown away.
        self.posted: dict[str, str] = {}
        #: Files of other releases that are listed besides.
        self.others = 0

    def page(self) -> bytes:
        files = [
            {"filename": name, "url": f"/gone/{name}", "hashes": {"sha256": digest}}
            for name, digest in self.posted.items()
        ]
        return json.dumps({"meta": {"api-version": "1.0"}, "name": "dipy", "files": files}).encode()

    def listing(self) -> bytes:
        """As nginx lists in JSON."""
        return json.dumps(
            [{"name": name, "type": "file", "size": size, "mtime": ""} for name, size in self._listed()]
        ).encode()

    def page_of_links(self) -> bytes:
        """As http.server lists."""
        links = (f'<li><a href="{name}">{name}</a></li>' for name, _ in self._listed())
        return f"<html><body><ul>{''.join(links)}</ul></body></html>".encode()

    def _listed(self) -> Iterator[tuple[str, int]]:
        yield from ((entry.name, entry.stat().st_size) for entry in os.scandir(self.folder))
        yield from ((f"dipy-1.{number}.0-py3-none-any.whl", 1000) for number in range(20, 20 + self.others))


@contextlib.contextmanager
def loopback(folder: Path) -> Iterator[Loopback]:
    """Serve the files of ``folder``, and take whatever is posted."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.ends = Loopback(folder, f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.ends
        finally:
            server.shutdown()
            thread.join()


class _Server(http.server.ThreadingHTTPServer):
    ends: Loopback
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client may go away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def _ends(self) -> Loopback:
        assert isinstance(self.server, _Server)
        return self.server.ends

    def do_GET(self) -> None:
        ends = self._ends
        if self.path == "/files/":
            self._answer(200, ends.listing(), "application/json")
        elif self.path == "/files/html/":
            self._answer(200, ends.page_of_links(), "text/html")
        elif self.path.startswith("/files/"):
            self._send(ends.folder / Path(self.path).name)
        elif self.path.startswith("/simple/") and ends.posted:
            self._answer(200, ends.page(), _JSON)
        else:
            self._answer(404, b"nothing", "text/plain")

    def do_POST(self) -> None:
        left = int(self.headers["content-length"])
        head = self.rfile.read(min(left, _FORM))
        left -= len(head)
        while left and (piece := self.rfile.read(min(left, _PIECE))):
            left -= len(piece)
        digest, name = _FIELD.search(head), _FILE.search(head)
        if digest and name:
            self._ends.posted[name[1].decode()] = digest[1].decode()
        self._answer(200 if digest and name else 400, b"", "text/plain")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, path: Path) -> None:
        status = path.stat()
        # As nginx makes it; who has the file is told so.
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        if self.headers["if-none-match"] == etag:
            self.send_response(304)
            self.end_headers()
            return
        with path.open("rb") as file:
            self.send_response(200)
            self.send_header("content-type", "application/octet-stream")
            self.send_header("etag", etag)
            self.send_header("content-length", str(status.st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile, _PIECE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""

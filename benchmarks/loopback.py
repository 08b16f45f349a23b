"""A staging server and an index on loopback that keep no file in memory, and a runner of the command."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.rig import measure
from tools.testing.serving import serve_in_thread

_JSON = "application/vnd.pypi.simple.v1+json"
#: Bytes of an upload form that are searched for its fields, which precede the file; METADATA is the largest.
_FORM_BYTES = 64 << 10
_CHUNK_SIZE = 1 << 20
_DIGEST_FIELD = re.compile(rb'name="sha256_digest"\r\n(?:[^\r]+\r\n)*\r\n([0-9a-f]{64})')
_FILE_FIELD = re.compile(rb'name="content"; filename="([^"]+)"')

#: Runs the command, and prints its peak memory and its CPU time at the end.
_MEASURE_SCRIPT = """
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


class RunResult(NamedTuple):
    """One run of the command: exit code, peak memory in MiB, CPU and wall seconds, and standard output."""

    code: int
    peak: float
    cpu: float
    wall: float
    output: str


def run(folder: Path, *arguments: str) -> RunResult:
    """Run the command in ``folder``; peak memory and CPU time include its child processes."""
    environment = {**os.environ, "TWINE_USERNAME": "me", "TWINE_PASSWORD": "secret", "NETRC": os.devnull}
    started_at = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _MEASURE_SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    with process, measure.watch_memory(process.pid) as peak:
        stdout, stderr = process.communicate()
    wall = time.perf_counter() - started_at
    measured = re.search(r"^measured (\d+) ([\d.]+)$", stderr, re.MULTILINE)
    if not measured:
        raise SystemExit(f"the command failed: {stderr[-2000:]}")
    peak_mib = max(int(measured[1]) / 1024, max(peak, default=0) / 2**20)
    return RunResult(process.returncode, peak_mib, float(measured[2]), wall, stdout)


class Loopback:
    """The staging server and the index; ``files``, ``upload`` and ``index`` are their URLs."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.files, self.upload, self.index = f"{url}files/", f"{url}legacy/", f"{url}simple/"
        #: Hexadecimal SHA-256 of each uploaded file by name; the contents are discarded.
        self.posted: dict[str, str] = {}
        #: Number of files of other releases in the listing.
        self.other_files = 0

    def page(self) -> bytes:
        files = [
            {"filename": name, "url": f"/files/{name}", "hashes": {"sha256": digest}}
            for name, digest in self.posted.items()
        ]
        return json.dumps({"meta": {"api-version": "1.0"}, "name": "dipy", "files": files}).encode()

    def listing(self) -> bytes:
        """Return the listing in the format of nginx's JSON."""
        return json.dumps(
            [{"name": name, "type": "file", "size": size, "mtime": ""} for name, size in self._list_files()]
        ).encode()

    def page_of_links(self) -> bytes:
        """Return the listing in the format of http.server."""
        links = (f'<li><a href="{name}">{name}</a></li>' for name, _ in self._list_files())
        return f"<html><body><ul>{''.join(links)}</ul></body></html>".encode()

    def _list_files(self) -> Iterator[tuple[str, int]]:
        yield from ((entry.name, entry.stat().st_size) for entry in os.scandir(self.folder))
        yield from (
            (f"dipy-1.{number}.0-py3-none-any.whl", 1000) for number in range(20, 20 + self.other_files)
        )


@contextlib.contextmanager
def loopback(folder: Path) -> Iterator[Loopback]:
    """Serve the files of ``folder``, and accept all uploads."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.loopback = Loopback(folder, f"http://127.0.0.1:{server.server_port}/")
        with serve_in_thread(server):
            yield server.loopback


class _Server(http.server.ThreadingHTTPServer):
    loopback: Loopback
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print nothing: a client may disconnect."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def _loopback(self) -> Loopback:
        assert isinstance(self.server, _Server)
        return self.server.loopback

    def do_GET(self) -> None:
        loopback = self._loopback
        if self.path == "/files/":
            self._respond(200, loopback.listing(), "application/json")
        elif self.path == "/files/html/":
            self._respond(200, loopback.page_of_links(), "text/html")
        elif self.path.startswith("/files/"):
            self._send(loopback.folder / Path(self.path).name)
        elif self.path.startswith("/simple/") and loopback.posted:
            self._respond(200, loopback.page(), _JSON)
        else:
            self._respond(404, b"nothing", "text/plain")

    def do_POST(self) -> None:
        remaining = int(self.headers["content-length"])
        head = self.rfile.read(min(remaining, _FORM_BYTES))
        remaining -= len(head)
        while remaining and (chunk := self.rfile.read(min(remaining, _CHUNK_SIZE))):
            remaining -= len(chunk)
        digest, name = _DIGEST_FIELD.search(head), _FILE_FIELD.search(head)
        if digest and name:
            self._loopback.posted[name[1].decode()] = digest[1].decode()
        self._respond(200 if digest and name else 400, b"", "text/plain")

    def _respond(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, path: Path) -> None:
        status = path.stat()
        # An ETag in the format of nginx, so that a client with the file gets status 304.
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        if self.headers["if-none-match"] == etag:
            self.send_response(304)
            self.end_headers()
            return
        with path.open("rb") as file:
            if match := re.fullmatch(r"bytes=0-([0-9]+)", self.headers["range"] or ""):
                beginning = file.read(int(match[1]) + 1)
                self.send_response(206)
                self.send_header("content-type", "application/octet-stream")
                self.send_header("content-range", f"bytes 0-{len(beginning) - 1}/{status.st_size}")
                self.send_header("content-length", str(len(beginning)))
                self.end_headers()
                self.wfile.write(beginning)
                return
            self.send_response(200)
            self.send_header("content-type", "application/octet-stream")
            self.send_header("etag", etag)
            self.send_header("content-length", str(status.st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile, _CHUNK_SIZE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Print nothing."""

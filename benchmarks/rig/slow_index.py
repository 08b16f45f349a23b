"""A package index that models PyPI's speed: a delay per file, and a limit of concurrent files.

``python -m benchmarks.rig.slow_index HOST PORT FOLDER --think 0.2 --workers 8`` stores each uploaded file
whose digest is correct, and lists it. It is a model: PyPI has more rules, and other response times.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import click

_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)")
_RANGE = re.compile(r"bytes=([0-9]{1,12})-([0-9]{0,12})")
_FIELD_NAME = re.compile(rb'name="([^"]*)"(?:; *filename="([^"]*)")?')


class IndexServer(ThreadingHTTPServer):
    """A server that accepts bursts: with five waiting connections, the default, others are delayed by 1 s."""

    request_queue_size = 128


class IndexHandler(BaseHTTPRequestHandler):
    """Responds to POST with 200 or 400, and to GET with a file or a JSON listing of all files."""

    protocol_version = "HTTP/1.1"
    folder: Path
    #: The sha256 of each stored file.
    digests: ClassVar[dict[str, str]] = {}
    think: float
    worker_slots: threading.BoundedSemaphore

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields, filename, content = _parse_form(body, self.headers["Content-Type"])
        # Only --workers files are processed concurrently.
        with self.worker_slots:
            time.sleep(self.think)
            digest = hashlib.sha256(content).hexdigest()
            is_valid = digest == fields.get("sha256_digest")
            if is_valid:
                (self.folder / filename).write_bytes(content)
                self.digests[filename] = digest
        self._respond(200 if is_valid else 400, b"", "text/plain")

    def do_GET(self) -> None:
        directory, _, name = self.path.rpartition("/")
        if directory == "/files":
            self._send_file(self.folder / name)
            return
        files = [
            {
                "filename": name,
                "url": f"/files/{name}",
                "size": (self.folder / name).stat().st_size,
                "hashes": {"sha256": digest},
            }
            for name, digest in sorted(self.digests.items())
        ]
        page = {"meta": {"api-version": "1.1"}, "name": directory.rpartition("/")[2], "files": files}
        status = 200 if files else 404
        self._respond(status, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")

    def _send_file(self, path: Path) -> None:
        size = path.stat().st_size
        part = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, end = (int(part[1]), min(int(part[2] or size - 1), size - 1)) if part else (0, size - 1)
        with path.open("rb") as stream:
            stream.seek(start)
            data = stream.read(end + 1 - start)
        more = {"Content-Range": f"bytes {start}-{end}/{size}"} if part else {}
        self._respond(206 if part else 200, data, "application/octet-stream", more)

    def _respond(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": content_type}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _parse_form(body: bytes, content_type: str) -> tuple[dict[str, str], str, bytes]:
    """Return the fields of a form, the name of its file, and the contents."""
    boundary = _BOUNDARY.search(content_type)
    assert boundary, content_type
    fields, filename, content = {}, "", b""
    for part in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        match = _FIELD_NAME.search(head)
        if match and match[2]:
            filename, content = match[2].decode(), value[:-2]
        elif match:
            fields[match[1].decode()] = value[:-2].decode()
    return fields, Path(filename).name, content


@click.command()
@click.argument("host")
@click.argument("port", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--think", type=float, default=0.2, show_default=True, help="Delay per file in seconds.")
@click.option(
    "--workers", type=int, default=8, show_default=True, help="Files that are processed concurrently."
)
def main(host: str, port: int, folder: Path, think: float, workers: int) -> None:
    """Serve an index on HOST and PORT that stores files in FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    IndexHandler.folder, IndexHandler.think, IndexHandler.worker_slots = (
        folder,
        think,
        threading.BoundedSemaphore(workers),
    )
    IndexServer((host, port), IndexHandler).serve_forever()


if __name__ == "__main__":
    main()

"""A package index that takes its time, as PyPI's does: so many seconds a file, so many files at once.

``python -m benchmarks.rig.slow_index HOST PORT FOLDER --think 0.2 --workers 8`` stores what is posted, when
its digest is right, and lists it. It is a model: PyPI itself has more rules, and seconds of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)")
_NAME = re.compile(rb'name="([^"]*)"(?:; *filename="([^"]*)")?')


class Index(BaseHTTPRequestHandler):
    """Answers POST with 200 or 400, and GET with the JSON listing of all that it has."""

    protocol_version = "HTTP/1.1"
    folder: Path
    think: float
    turn: threading.BoundedSemaphore

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields, filename, content = _form(body, self.headers["Content-Type"])
        # However many come at once, so many are worked on.
        with self.turn:
            time.sleep(self.think)
            right = hashlib.sha256(content).hexdigest() == fields.get("sha256_digest")
            if right:
                (self.folder / filename).write_bytes(content)
        self._say(200 if right else 400, b"", "text/plain")

    def do_GET(self) -> None:
        files = [
            {
                "filename": path.name,
                "url": f"/files/{path.name}",
                "size": path.stat().st_size,
                "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
            }
            for path in sorted(self.folder.iterdir())
        ]
        page = {"meta": {"api-version": "1.1"}, "name": self.path.split("/")[-2], "files": files}
        status = 200 if files else 404
        self._say(status, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _form(body: bytes, kind: str) -> tuple[dict[str, str], str, bytes]:
    """The fields of a form, the name of its file, and its bytes."""
    found = _BOUNDARY.search(kind)
    assert found, kind
    fields, filename, content = {}, "", b""
    for part in body.split(b"--" + found[1].encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        named = _NAME.search(head)
        if named and named[2]:
            filename, content = named[2].decode(), value[:-2]
        elif named:
            fields[named[1].decode()] = value[:-2].decode()
    return fields, Path(filename).name, content


@click.command()
@click.argument("host")
@click.argument("port", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--think", type=float, default=0.2, show_default=True, help="Seconds for each file.")
@click.option("--workers", type=int, default=8, show_default=True, help="Files that are worked on at once.")
def main(host: str, port: int, folder: Path, think: float, workers: int) -> None:
    """Serve an index on HOST and PORT that stores into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    Index.folder, Index.think, Index.turn = folder, think, threading.BoundedSemaphore(workers)
    ThreadingHTTPServer((host, port), Index).serve_forever()


if __name__ == "__main__":
    main()

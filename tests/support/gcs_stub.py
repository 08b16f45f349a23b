"""A stub of Google Cloud Storage: the part of its APIs that the program uses, as Google documents it.

No emulator that pip can install knows the conditions on generations, so this is not a judge of whether Google
accepts a request. It judges what the program does with the answers that the documentation promises.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "staging"


class GcsStub(ThreadingHTTPServer):
    """Holds the objects of one bucket."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        #: Contents, generation and headers by name.
        self.objects: dict[str, tuple[bytes, int, dict[str, str]]] = {}
        self.lock = threading.Lock()
        self._generation = 1000

    def put(self, name: str, data: bytes, headers: dict[str, str], condition: str | None) -> int | None:
        """Store an object and return its generation; None if the condition is not met."""
        with self.lock:
            current = self.objects[name][1] if name in self.objects else 0
            if condition is not None and int(condition) != current:
                return None
            self._generation += 1
            self.objects[name] = (data, self._generation, headers)
            return self._generation


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GcsStub  # type: ignore[mutable-override]

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        kept = ("content-type", "cache-control")
        headers = {
            key.lower(): value
            for key, value in self.headers.items()
            if key.lower() in kept or key.lower().startswith("x-goog-meta-")
        }
        generation = self.server.put(self._name(), data, headers, self.headers["x-goog-if-generation-match"])
        if generation is None:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            self._answer(200, b"", {"x-goog-generation": str(generation)})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == f"/storage/v1/b/{BUCKET}/o":
            self._list({key: values[0] for key, values in parse_qs(parts.query).items()})
            return
        name = self._name()
        if not parts.path.startswith(f"/{BUCKET}/"):
            self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif name not in self.server.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            data, generation, headers = self.server.objects[name]
            self._answer(200, data, {**headers, "x-goog-generation": str(generation)})

    do_HEAD = do_GET  # noqa: N815

    def do_DELETE(self) -> None:
        with self.server.lock:
            found = self.server.objects.pop(self._name(), None)
        self._answer(204 if found else 404, b"" if found else b"<Error><Code>NoSuchKey</Code></Error>")

    def _list(self, query: dict[str, str]) -> None:
        prefix = query.get("prefix", "")
        names = [name for name in sorted(self.server.objects) if name.startswith(prefix)]
        folders = {
            prefix + name[len(prefix) :].partition("/")[0] + "/"
            for name in names
            if "/" in name[len(prefix) :]
        }
        # A name that ends with the delimiter is a folder here, too.
        items = [{"name": name} for name in names if "/" not in name[len(prefix) :]]
        body = {"kind": "storage#objects", "items": items, "prefixes": sorted(folders)}
        self._answer(200, json.dumps(body).encode(), {"content-type": "application/json"})

    def _name(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"content-type": "application/xml", **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@contextlib.contextmanager
def gcs_stub() -> Iterator[GcsStub]:
    """Run the stub."""
    with GcsStub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)

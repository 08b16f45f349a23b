"""A test server: Swift's listing middleware in front of a proxy that serves a directory as a container.

``python -m tests.support.swift_container DIRECTORY PORT`` serves /v1/AUTH_test/wheels, a few names per page.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

_CONTAINER = "/v1/AUTH_test/wheels"
#: Names per page; real clusters have 10,000.
_LIMIT = 7


class Proxy:
    """Answers the middleware's requests to a Swift proxy: one page of a container, or an object."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = env["PATH_INFO"].encode("latin-1").decode()
        if path == _CONTAINER:
            query = {key: values[0] for key, values in parse_qs(env.get("QUERY_STRING", "")).items()}
            body = json.dumps(self._page(query)).encode()
            start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
            return [body]
        file = self._root / path.removeprefix(f"{_CONTAINER}/")
        if not path.startswith(f"{_CONTAINER}/") or not file.is_file():
            start("404 Not Found", [("Content-Length", "0")])
            return [b""]
        body = file.read_bytes()
        start("200 OK", [("Content-Type", "application/x-wheel"), ("Content-Length", str(len(body)))])
        return [body]

    def _page(self, query: dict[str, str]) -> list[dict[str, object]]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries: dict[str, dict[str, object]] = {}
        for file in self._root.rglob("*"):
            name = file.relative_to(self._root).as_posix()
            if not file.is_file() or not name.startswith(prefix):
                continue
            directory, slash, _ = name[len(prefix) :].partition(delimiter or "\0")
            if slash:
                entries[f"{prefix}{directory}/"] = {"subdir": f"{prefix}{directory}/"}
            else:
                data = file.read_bytes()
                entries[name] = {
                    "name": name,
                    "bytes": len(data),
                    "hash": hashlib.md5(data).hexdigest(),
                    "content_type": "application/x-wheel",
                    "last_modified": "2025-09-16T07:20:00.000000",
                }
        later = [name for name in sorted(entries) if name > query.get("marker", "")]
        return [entries[name] for name in later[:_LIMIT]]


def main() -> None:
    middleware = importlib.import_module("swift.common.middleware.listing_formats").ListingFilter

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    app = middleware(Proxy(Path(sys.argv[1])), {})
    with make_server("127.0.0.1", int(sys.argv[2]), app, handler_class=Quiet) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()

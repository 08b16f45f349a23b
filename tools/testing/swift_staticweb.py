"""A test server: Swift's staticweb middleware in front of a proxy that serves a directory as a container.

``python -m tools.testing.swift_staticweb DIRECTORY PORT`` serves /v1/AUTH_test/wheels/.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

_CONTAINER = "/v1/AUTH_test/wheels"
_SETTINGS = [("X-Container-Meta-Web-Listings", "true"), ("X-Container-Read", ".r:*")]


class Proxy:
    """Answers staticweb's requests to a Swift proxy: a container's settings, its listing, its objects."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = env["PATH_INFO"].encode("latin-1").decode()
        if path.rstrip("/") == _CONTAINER:
            query = parse_qs(env.get("QUERY_STRING", ""))
            body = json.dumps(list(self._listing(query.get("prefix", [""])[0]))).encode()
            start("200 OK", [("Content-Type", "application/json"), *_SETTINGS])
            return [body]
        name = path.removeprefix(f"{_CONTAINER}/")
        file = self._root / name
        if path.startswith(f"{_CONTAINER}/") and file.is_file():
            body = file.read_bytes()
            start("200 OK", [("Content-Type", "application/x-wheel"), ("Content-Length", str(len(body)))])
            return [body]
        start("204 No Content" if path.count("/") < 3 else "404 Not Found", [("Content-Length", "0")])
        return [b""]

    def _listing(self, prefix: str) -> Iterable[dict[str, object]]:
        for path in sorted((self._root / prefix).iterdir()):
            if path.is_dir():
                yield {"subdir": f"{prefix}{path.name}/"}
            else:
                yield {
                    "name": f"{prefix}{path.name}",
                    "bytes": path.stat().st_size,
                    "content_type": "application/x-wheel",
                    "last_modified": "2025-09-16T07:20:00.000000",
                    "hash": "0" * 32,
                }


def main() -> None:
    static_web = importlib.import_module("swift.common.middleware.staticweb").StaticWeb

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    inner = static_web(Proxy(Path(sys.argv[1])), {})

    def app(env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        env["swift.authorize"] = lambda _: None
        answer: Iterable[bytes] = inner(env, start)
        return answer

    with make_server("127.0.0.1", int(sys.argv[2]), app, handler_class=Quiet) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()

"""The staged release of most long runs, and its server."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tools.testing import gpg, wheels

TAGS = [f"cp3{minor}-cp3{minor}-win_{machine}" for minor in range(10, 14) for machine in ("amd64", "arm64")]
TAGS += [f"cp3{minor}-cp3{minor}-macosx_11_0_arm64" for minor in range(10, 14)]


def stage(folder: Path, tags: Sequence[str] = TAGS, *, noise: int = 0) -> dict[str, bytes]:
    """Write wheels of dipy 1.11.0 that are an hour old; ``noise``: the incompressible bytes in each."""
    old = time.time() - 3600
    for tag in tags:
        data = {
            "dipy/data.txt": (tag * 50).encode(),
            "dipy/noise": hashlib.shake_256(tag.encode()).digest(noise),
        }
        path = wheels.make_wheel(folder, tag=tag, files=data)
        os.utime(path, (old, old))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Ignore errors: the runs kill clients on purpose."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    before: Callable[[str], object]

    def do_GET(self) -> None:
        type(self).before(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is http.server's)
        """Log nothing."""


@contextlib.contextmanager
def staging_server(folder: Path, before: Callable[[str], object] = id) -> Iterator[str]:
    """Serve a listing of ``folder``, and yield its URL; call ``before`` with the path of each request."""
    handler = type("Handler", (_Handler,), {"before": staticmethod(before)})
    with _Server(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def signing_environment() -> Iterator[dict[str, str]]:
    """Yield the environment of a run that can sign; empty without gpg."""
    if not shutil.which(gpg.GPG):
        yield {}
        return
    with gpg.keyring() as keys:
        keys.make_key("Release Manager <me@example.com>")
        yield {"GNUPGHOME": str(keys.home)}

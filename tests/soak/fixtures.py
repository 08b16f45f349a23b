"""The staged release of most long runs, and its server."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.soak.forks import isolated_environment
from tools.testing import gpg, indexes, wheels
from tools.testing.indexes import Served
from tools.testing.serving import serve_in_thread

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
    with (
        _Server(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server,
        serve_in_thread(server) as url,
    ):
        yield url


@dataclass(frozen=True, kw_only=True)
class Place:
    """A staged release and its server, an index, and a folder for one run after another."""

    home: Path
    staged: Mapping[str, bytes]
    listing: str
    served: Served
    environment: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The current directory of the runs."""
        return self.home / "run"

    @property
    def can_sign(self) -> bool:
        return "GNUPGHOME" in self.environment

    def reset(self) -> None:
        """Empty the folder and the index."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.served.index.files.clear()
        self.served.index.posts.clear()


@contextlib.contextmanager
def open_place(name: str, *, signed: bool) -> Iterator[Place]:
    """Stage twelve wheels in a temporary folder; ``signed``: the runs can sign, if there is gpg."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"wheel-uploader-{name}-")))
        staged = stage(home / "staged")
        signing = stack.enter_context(signing_environment()) if signed else {}
        yield Place(
            home=home,
            staged=staged,
            listing=stack.enter_context(staging_server(home / "staged")),
            served=stack.enter_context(indexes.scripted_index()),
            environment=isolated_environment(home) | signing,
        )


@contextlib.contextmanager
def signing_environment() -> Iterator[dict[str, str]]:
    """Yield the environment of a run that can sign; empty without gpg."""
    if not shutil.which(gpg.GPG):
        yield {}
        return
    with gpg.keyring() as keys:
        keys.make_key("Release Manager <me@example.com>")
        yield {"GNUPGHOME": str(keys.home)}

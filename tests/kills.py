"""The kill sweep: a whole run killed before, in and after every operation; then the same command again.

The judges are the index's store and its log of posts, and the disk.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import gpg, indexes, wheels
from tests.indexes import Served
from wheel_uploader.wheelhouse import HIDDEN, PART

TAGS = [f"cp3{minor}-cp3{minor}-win_{machine}" for minor in range(10, 14) for machine in ("amd64", "arm64")]
TAGS += [f"cp3{minor}-cp3{minor}-macosx_11_0_arm64" for minor in range(10, 14)]


@dataclass
class Tally:
    """What a sweep has seen."""

    points: int = 0
    #: Points that were not reached, since the run was over: threads do not pass the same number every time.
    beyond: int = 0
    killed_with_files_up: int = 0
    lost: int = 0
    posted_other_bytes: int = 0
    torn: int = 0
    left_over: int = 0
    #: The next run did not end with 0, or posted what the index had.
    failed: int = 0
    #: One line for each thing that went wrong.
    troubles: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        return (
            f"{self.points} kill points ({self.killed_with_files_up} of them with files on the index), "
            f"{self.lost} lost, {self.posted_other_bytes} posted with other bytes, {self.torn} torn, "
            f"{self.left_over} leftovers, {self.failed} next runs failed"
        )


class Sweep:
    """A staging server, an index, and a process that can be killed wherever one wants."""

    def __init__(self, home: Path, listing: str, served: Served, environment: Mapping[str, str]) -> None:
        self._home = home
        self._served = served
        self._environment = dict(environment)
        self._staged = {path.name: path.read_bytes() for path in (home / "staged").iterdir()}
        self._house = home / "run" / "house"
        self._arguments = ["-u", listing, "-w", "house", "--repository-url", served.upload_url]
        if "GNUPGHOME" in environment:
            self._arguments.append("-s")
        self._arguments += ["dipy", "1.11.0"]
        self._target = subprocess.Popen(
            [sys.executable, "-m", "tests.kill_target"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )

    def close(self) -> None:
        with self._target:
            assert self._target.stdin
            self._target.stdin.close()

    def points(self) -> int:
        """How many points a run passes that nobody kills."""
        self._begin()
        assert self._run(0) == 0, self._said()
        assert self._served.index.files == self._staged
        return int((self._home / "run" / "points").read_text())

    def kill_at(self, point: int) -> Tally:
        """One run that is killed, the next one that is not, and what the judges say."""
        tally, index = Tally(points=1), self._served.index
        self._begin()
        code = self._run(point)
        if code != -signal.SIGKILL:
            tally.beyond = 1
        self._settle()
        tally.killed_with_files_up = int(bool(index.files))
        self._judge(tally, point, whole=False)
        before = dict(index.files)
        index.posts.clear()
        code = self._run(0)
        if code != 0:
            tally.failed += 1
            tally.troubles.append(f"point {point}: the next run ended with {code}: {self._said()[-500:]}")
        if again := [name for name in index.posted() if name in before]:
            tally.failed += 1
            tally.troubles.append(f"point {point}: posted although it was there: {again}")
        self._judge(tally, point, whole=True)
        return tally

    def _begin(self) -> None:
        folder = self._home / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._served.index.files.clear()
        self._served.index.posts.clear()

    def _run(self, kill_at: int) -> int:
        task = {
            "arguments": self._arguments,
            "folder": str(self._home / "run"),
            "environment": self._environment,
            "kill_at": kill_at,
        }
        assert self._target.stdin
        assert self._target.stdout
        self._target.stdin.write(json.dumps(task) + "\n")
        self._target.stdin.flush()
        return int(json.loads(self._target.stdout.readline()))

    def _said(self) -> str:
        return (self._home / "run" / "log").read_text()

    def _settle(self) -> None:
        """Wait until the index has dealt with what was sent to it before the kill."""
        count = -1
        while count != len(self._served.index.posts):
            count = len(self._served.index.posts)
            time.sleep(0.03)

    def _judge(self, tally: Tally, point: int, *, whole: bool) -> None:
        index = self._served.index

        def trouble(text: str) -> None:
            tally.troubles.append(f"point {point}: {text}")

        for post in index.posts:
            if post.content != self._staged.get(post.filename):
                tally.posted_other_bytes += 1
                trouble(f"{post.filename} was posted with other bytes")
        if whole and index.files != self._staged:
            tally.lost += 1
            trouble(f"the index lacks {sorted(self._staged.keys() - index.files.keys())}")
        there = {path.name for path in self._house.iterdir()} if self._house.exists() else set()
        for name in self._staged.keys() & there:
            if (self._house / name).read_bytes() != self._staged[name]:
                tally.torn += 1
                trouble(f"{name} is torn")
        if whole:
            signed = {f"{name}.asc" for name in (*self._staged, "SHA256SUMS")}
            wanted = {*self._staged, "SHA256SUMS", HIDDEN, *(signed if "-s" in self._arguments else ())}
            hidden = {path.name for path in (self._house / HIDDEN).iterdir()}
            extra = (there ^ wanted) | {
                name for name in hidden if not name.endswith(".json") and name != "lock"
            }
            extra |= {name for name in hidden if PART in name}
            if extra:
                tally.left_over += 1
                trouble(f"left over or missing: {sorted(extra)}")


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that die are what this is about."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is http.server's)
        """Say nothing."""


@contextlib.contextmanager
def staging_server(folder: Path) -> Iterator[str]:
    """The URL of a directory listing of ``folder``."""
    handler = functools.partial(_Handler, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def sweeping(*, signed: bool) -> Iterator[Sweep]:
    """A sweep of a release of twelve wheels, in a folder of its own."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-kills-")))
        old = time.time() - 3600
        for tag in TAGS:
            path = wheels.make_wheel(home / "staged", tag=tag, files={"dipy/data.txt": (tag * 50).encode()})
            os.utime(path, (old, old))
        environment = {"TWINE_USERNAME": "", "TWINE_PASSWORD": "", "HOME": str(home), "NETRC": os.devnull}
        environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
        if signed:
            keys = stack.enter_context(gpg.keyring())
            keys.make_key("Release Manager <me@example.com>")
            environment["GNUPGHOME"] = str(keys.home)
        listing = stack.enter_context(staging_server(home / "staged"))
        served = stack.enter_context(indexes.scripted_index())
        yield stack.enter_context(contextlib.closing(Sweep(home, listing, served, environment)))

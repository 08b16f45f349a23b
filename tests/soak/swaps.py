"""A file that is swapped at every moment of a run: before and after each open of it, and after each read.

The index never receives unchecked bytes, the run ends with 6 or publishes the original bytes, and no wrong
result is cached: the same command then rejects the bad file, and publishes the good one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner, Result

from tests.soak import Figure, fixtures
from tools.testing import indexes, wheels
from wheel_uploader import cli
from wheel_uploader.core import cache_mac
from wheel_uploader.core.errors import FileError
from wheel_uploader.inspection import worker as inspection_worker
from wheel_uploader.inspection.worker import InspectionWorker
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY

WHEEL, SDIST = "dipy-1.11.0-py3-none-any.whl", "dipy-1.11.0.tar.gz"
#: Metadata that PyPI's rules reject.
_FAULTY = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
    "Home-page:", "Classifier: Nonsense :: Yes\nHome-page:"
)
#: The places of the swapped file; "in place": in a wheelhouse that is also the staged folder.
PLACES = ("staged", "part", "wheelhouse", "in place")


def _replaced(path: Path, bad: bytes) -> None:
    other = path.with_name("swapped.tmp")
    other.write_bytes(bad)
    _touch_like(other, path)
    other.replace(path)


def _overwritten(path: Path, bad: bytes) -> None:
    """Overwrite the file in place, with the same inode and mtime."""
    state = path.stat()
    with path.open("r+b") as stream:
        stream.write(bad)
        stream.truncate()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _cut(path: Path, bad: bytes) -> None:
    del bad
    os.truncate(path, path.stat().st_size // 2)


def _grown(path: Path, bad: bytes) -> None:
    # Not "ab", which would create a file that the run has not made yet.
    with path.open("r+b") as stream:
        stream.seek(0, os.SEEK_END)
        stream.write(bad)


def _linked(path: Path, bad: bytes) -> None:
    other = path.parent.parent / "elsewhere"
    other.write_bytes(bad)
    path.unlink()
    path.symlink_to(other)


def _fifo(path: Path, bad: bytes) -> None:
    del bad
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path, bad: bytes) -> None:
    del bad
    path.unlink()
    path.mkdir()


def _deleted(path: Path, bad: bytes) -> None:
    del bad
    path.unlink()


def _touch_like(path: Path, like: Path) -> None:
    state = like.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


WAYS: dict[str, Callable[[Path, bytes], None]] = {
    "replaced": _replaced,
    "overwritten": _overwritten,
    "cut": _cut,
    "grown": _grown,
    "a link": _linked,
    "a fifo": _fifo,
    "a folder": _folder,
    "deleted": _deleted,
}


#: Ways that write a whole file, with which the good file can also replace the bad one.
BOTH_WAYS = ("replaced", "overwritten")


class Moments:
    """Counts the opens and reads of a file in this process, and calls ``act`` at one of them."""

    def __init__(self, path: Path, number: int, act: Callable[[], None]) -> None:
        self.count = 0
        self.acted = False
        self._path = path
        self._number = number
        self._act = act
        self._open: set[int] = set()
        self._lock = threading.RLock()
        self._busy = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        real_open, real_read, real_close = os.open, os.read, os.close

        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            watched = not self._busy and self._is_watched(path, dir_fd)
            if watched:
                self._count_moment()
            descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
            if watched:
                self._open.add(descriptor)
                self._count_moment()
            return descriptor

        def read(descriptor: int, size: int) -> bytes:
            data = real_read(descriptor, size)
            if descriptor in self._open and not self._busy:
                self._count_moment()
            return data

        def close(fd: int) -> None:
            self._open.discard(fd)
            real_close(fd)

        os.open, os.read, os.close = opened, read, close
        try:
            yield
        finally:
            os.open, os.read, os.close = real_open, real_read, real_close

    def _is_watched(self, path: Any, dir_fd: int | None) -> bool:
        name = Path(os.fsdecode(path))
        if dir_fd is not None:
            name = Path(f"/proc/self/fd/{dir_fd}").readlink() / name
        return name.absolute() == self._path

    def _count_moment(self) -> None:
        with self._lock:
            if self.count == self._number and not self.acted:
                self._busy = self.acted = True
                try:
                    # A partial file may already have its final name.
                    with contextlib.suppress(FileNotFoundError):
                        self._act()
                finally:
                    self._busy = False
            self.count += 1


@dataclass(kw_only=True)
class Swaps:
    """A release of a wheel and an sdist, and its index."""

    home: Path
    served: indexes.Served
    environment: dict[str, str]
    #: Options that sign, if gpg is installed.
    signing_options: list[str]
    #: True to read the files in a worker process, and to swap at its moments.
    worker: bool = False

    def __post_init__(self) -> None:
        folder = self.home / "good"
        self.good = {
            path.name: path.read_bytes()
            for path in (
                wheels.make_wheel(folder, files={"dipy/data.bin": bytes(range(256)) * 300}),
                wheels.make_sdist(folder),
            )
        }
        bad = self.home / "bad"
        self.bad = {
            path.name: path.read_bytes()
            for path in (
                wheels.make_wheel(
                    bad, metadata=_FAULTY, files={"dipy/data.bin": bytes(reversed(range(256))) * 300}
                ),
                wheels.make_sdist(bad, metadata=_FAULTY),
            )
        }
        assert all(self.good[name] != self.bad[name] for name in (WHEEL, SDIST))

    def sweep(
        self, place: str, name: str, way: str, *, part: int = 1, bad_first: bool = False
    ) -> tuple[int, list[str]]:
        """Swap ``name`` at every ``part``-th moment; return the number of swaps and all problems.

        ``bad_first``: the run begins with the bad file, and the good one replaces it.
        """
        count, number = 0, 0
        problems: list[str] = []
        files = (self.bad, self.good) if bad_first else (self.good, self.bad)
        while True:
            acted, outcome = self._once(place, name, way, number, *(each[name] for each in files))
            where = f"{place}, {name}, {way} at moment {number}{', the bad one first' if bad_first else ''}"
            problems += [f"{where}: {problem}" for problem in outcome]
            if not acted:
                return count, problems
            count += 1
            number += part

    def _once(
        self, place: str, name: str, way: str, number: int, before: bytes, after: bytes
    ) -> tuple[bool, list[str]]:
        wheelhouse, staged = self.home / "house", self.home / "staged"
        source = wheelhouse if place == "in place" else staged
        for folder in (wheelhouse, staged):
            shutil.rmtree(folder, ignore_errors=True)
        self._fill({wheelhouse, source}, self.good | {name: before})
        if place in {"staged", "part"}:
            shutil.rmtree(wheelhouse)
        path = (staged if place == "staged" else wheelhouse) / name
        if place == "part":
            path = wheelhouse / HIDDEN_DIRECTORY / f"{name}.part"
        self.served.index.files.clear()
        self.served.index.posts.clear()
        moments = Moments(path, number, lambda: WAYS[way](path, after))
        marker = self.home / "told"
        marker.unlink(missing_ok=True)
        with self._in_worker(path, number, way, after) if self.worker else moments.watched():
            result = self._run(source)
        acted = marker.exists() if self.worker else moments.acted
        if not acted:
            expected = 0 if before == self.good[name] else FileError.exit_code
            return False, [] if result.exit_code == expected else [f"without a swap: {_describe(result)}"]
        problems = self._verify(result, name)
        if place == "part" and path.is_dir():
            path.rmdir()  # Otherwise the next run ends with exit code 13.
        # No wrong result is cached, neither for the new file nor for the original one.
        for content, expected in ((self.good | {name: self.bad[name]}, 6), (self.good, 0)):
            self.served.index.files.clear()
            self._fill({wheelhouse, source}, content)
            result = self._run(source)
            if result.exit_code != expected:
                problems.append(f"next run: {expected} was expected: {_describe(result)}")
            problems += self._find_unchecked()
        return True, problems

    def _fill(self, folders: set[Path], files: dict[str, bytes]) -> None:
        for folder in folders:
            folder.mkdir(exist_ok=True)
            for name, content in files.items():
                path = folder / name
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                path.unlink(missing_ok=True)
                path.write_bytes(content)

    def _run(self, source: Path) -> Result:
        ends = ["--repository-url", self.served.upload_url, "--index-url", self.served.index_url]
        quick = ["--confirm-timeout", "5", "--retries", "2", "--profile", "pypi"]
        call = ["-u", str(source), "-w", str(self.home / "house"), *ends, *quick, *self.signing_options]
        return CliRunner().invoke(
            cli.command, [*call, "dipy", "1.11.0"], env=self.environment, prog_name="wheel-uploader"
        )

    def _verify(self, result: Result, name: str) -> list[str]:
        problems = self._find_unchecked()
        published = self.served.index.files == self.good
        # 8: another file had been uploaded before this one was found to be changed.
        if result.exit_code not in ({0} if published else {FileError.exit_code, 8}):
            problems.append(_describe(result))
        if result.exit_code and (name not in result.stderr or "Traceback" in result.output):
            problems.append(f"the message does not name the file: {_describe(result)}")
        return problems

    def _find_unchecked(self) -> list[str]:
        posted = {(post.filename, post.content) for post in self.served.index.posts}
        return [f"posted: other bytes of {name}" for name, content in posted if content != self.good[name]]

    @contextlib.contextmanager
    def _in_worker(self, path: Path, number: int, way: str, after: bytes) -> Iterator[None]:
        program = self.home / "worker.py"
        arguments = json.dumps([str(path), number, way, after.hex(), str(self.home / "told")])
        program.write_text(
            "import json\nfrom tests.soak import swaps\nfrom wheel_uploader.inspection import worker_main\n"
            f"with swaps.swap_at(*json.loads({arguments!r})):\n    worker_main.main()\n"
        )
        real, inspection_worker._WORKER_PROGRAM = inspection_worker._WORKER_PROGRAM, program
        worth, inspection_worker.MIN_TOTAL_SIZE = inspection_worker.MIN_TOTAL_SIZE, 0
        # Otherwise this process inspects the file if the worker is busy with another one.
        inspect = InspectionWorker.inspect
        waiting = lambda *task, wait: inspect(*task, wait=True)  # noqa: E731
        with mock.patch.object(InspectionWorker, "inspect", waiting):
            try:
                yield
            finally:
                inspection_worker._WORKER_PROGRAM, inspection_worker.MIN_TOTAL_SIZE = real, worth


@contextlib.contextmanager
def swap_at(path: str, number: int, way: str, after: str, marker: str) -> Iterator[None]:
    """Swap the file at moment ``number`` of the worker, and then create the file ``marker``."""

    def act() -> None:
        WAYS[way](Path(path), bytes.fromhex(after))
        Path(marker).touch()

    with Moments(Path(path), number, act).watched():
        yield


def _describe(result: Result) -> str:
    return f"exit code {result.exit_code}: {result.stderr[-600:]}{result.exception or ''}"


@contextlib.contextmanager
def open_swaps(*, signed: bool, worker: bool = False) -> Iterator[Swaps]:
    """Open a release in a temporary folder."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-swaps-")))
        environment = {"HOME": str(home), "TWINE_USERNAME": "", "TWINE_PASSWORD": "", "NETRC": os.devnull}
        keys = stack.enter_context(fixtures.signing_environment()) if signed else None
        real, cache_mac.get_cache_directory = cache_mac.get_cache_directory, lambda: home / "cache"
        stack.callback(setattr, cache_mac, "get_cache_directory", real)
        yield Swaps(
            home=home,
            served=stack.enter_context(indexes.scripted_index()),
            environment=environment | (keys or {}),
            signing_options=["-s"] if keys else [],
            worker=worker,
        )


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Swap a wheel and an sdist at each open and read, in 8 ways and 4 places; sign with gpg."""
    del jobs
    for worker in (False, True):
        count = 0
        problems: list[str] = []
        with open_swaps(signed=True, worker=worker) as swaps:
            for place in PLACES:
                for name in (WHEEL, SDIST):
                    for way in WAYS:
                        for bad_first in (False, True) if way in BOTH_WAYS else (False,):
                            outcome = swaps.sweep(place, name, way, part=part, bad_first=bad_first)
                            count += outcome[0]
                            problems += outcome[1]
        where = "in the worker" if worker else "in the main process"
        yield Figure(
            f"{count} swaps {where}: {len(problems)} with unchecked bytes or an unexpected exit code",
            problems,
        )

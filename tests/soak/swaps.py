"""A file that is swapped at every moment of a run: before and after each open of it, and after each read.

The index never gets bytes that were not checked, the run ends with 6 or with the original bytes published,
and nothing wrong is remembered: the same command refuses the bad file afterwards, and publishes the good one.
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

from click.testing import CliRunner, Result

from tests.soak import Figure, fixtures
from tests.support import indexes, wheels
from wheel_uploader import cli
from wheel_uploader.core import cache_mac
from wheel_uploader.core.errors import FileError
from wheel_uploader.inspection import worker as inspection_worker
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY

WHEEL, SDIST = "dipy-1.11.0-py3-none-any.whl", "dipy-1.11.0.tar.gz"
#: Metadata that PyPI's rules refuse.
_FAULTY = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
    "Home-page:", "Classifier: Nonsense :: Yes\nHome-page:"
)
#: The places of the swapped file; "in place": in a wheelhouse that is the staged folder as well.
PLACES = ("staged", "part", "house", "in place")


def _replaced(path: Path, bad: bytes) -> None:
    other = path.with_name("swapped.tmp")
    other.write_bytes(bad)
    _touch_like(other, path)
    other.replace(path)


def _overwritten(path: Path, bad: bytes) -> None:
    """In place, with its time kept: neither inode nor mtime tells."""
    state = path.stat()
    with path.open("r+b") as stream:
        stream.write(bad)
        stream.truncate()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _cut(path: Path, bad: bytes) -> None:
    del bad
    os.truncate(path, path.stat().st_size // 2)


def _grown(path: Path, bad: bytes) -> None:
    with path.open("ab") as stream:
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


#: Ways that put a whole file there: with them the good one can replace the bad one, too.
BOTH_WAYS = ("replaced", "overwritten")


class Moments:
    """Counts the opens and reads of one file in this process, and acts at one of them."""

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
            ours = not self._busy and self._is_ours(path, dir_fd)
            if ours:
                self._pass()
            descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
            if ours:
                self._open.add(descriptor)
                self._pass()
            return descriptor

        def read(descriptor: int, size: int) -> bytes:
            data = real_read(descriptor, size)
            if descriptor in self._open and not self._busy:
                self._pass()
            return data

        def close(fd: int) -> None:
            self._open.discard(fd)
            real_close(fd)

        os.open, os.read, os.close = opened, read, close
        try:
            yield
        finally:
            os.open, os.read, os.close = real_open, real_read, real_close

    def _is_ours(self, path: Any, dir_fd: int | None) -> bool:
        name = Path(os.fsdecode(path))
        if dir_fd is not None:
            name = Path(f"/proc/self/fd/{dir_fd}").readlink() / name
        return name.absolute() == self._path

    def _pass(self) -> None:
        with self._lock:
            if self.count == self._number and not self.acted:
                self._busy = self.acted = True
                try:
                    # A partial file may have its final name by now.
                    with contextlib.suppress(FileNotFoundError):
                        self._act()
                finally:
                    self._busy = False
            self.count += 1


@dataclass(kw_only=True)
class Swaps:
    """A release of a wheel and an sdist, and an index for it."""

    home: Path
    served: indexes.Served
    environment: dict[str, str]
    #: Options that sign, if gpg is there.
    signs: list[str]
    #: Read the files in a worker process, and swap at its moments.
    worker: bool = False

    def __post_init__(self) -> None:
        made = self.home / "good"
        self.good = {
            path.name: path.read_bytes()
            for path in (
                wheels.make_wheel(made, files={"dipy/data.bin": bytes(range(256)) * 300}),
                wheels.make_sdist(made),
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
        """Swap ``name`` at every ``part``-th moment; how many there were, and all that went wrong.

        ``bad_first``: the bad file is there when the run begins, and the good one is put in its place.
        """
        count, number = 0, 0
        troubles: list[str] = []
        files = (self.bad, self.good) if bad_first else (self.good, self.bad)
        while True:
            acted, found = self._once(place, name, way, number, *(each[name] for each in files))
            where = f"{place}, {name}, {way} at moment {number}{', the bad one first' if bad_first else ''}"
            troubles += [f"{where}: {trouble}" for trouble in found]
            if not acted:
                return count, troubles
            count += 1
            number += part

    def _once(
        self, place: str, name: str, way: str, number: int, before: bytes, after: bytes
    ) -> tuple[bool, list[str]]:
        house, staged = self.home / "house", self.home / "staged"
        source = house if place == "in place" else staged
        for folder in (house, staged):
            shutil.rmtree(folder, ignore_errors=True)
        self._fill({house, source}, self.good | {name: before})
        if place in {"staged", "part"}:
            shutil.rmtree(house)
        path = (staged if place == "staged" else house) / name
        if place == "part":
            path = house / HIDDEN_DIRECTORY / f"{name}.part"
        self.served.index.files.clear()
        self.served.index.posts.clear()
        moments = Moments(path, number, lambda: WAYS[way](path, after))
        told = self.home / "told"
        told.unlink(missing_ok=True)
        with self._in_worker(path, number, way, after) if self.worker else moments.watched():
            result = self._run(source)
        acted = told.exists() if self.worker else moments.acted
        if not acted:
            expected = 0 if before == self.good[name] else FileError.exit_code
            return False, [] if result.exit_code == expected else [f"without a swap: {_said(result)}"]
        troubles = self._wrong(result, name)
        if place == "part" and path.is_dir():
            path.rmdir()  # That is exit code 13, with its path.
        # Nothing is remembered of the file that is there now, nor against the one that was there.
        for content, expected in ((self.good | {name: self.bad[name]}, 6), (self.good, 0)):
            self.served.index.files.clear()
            self._fill({house, source}, content)
            result = self._run(source)
            if result.exit_code != expected:
                troubles.append(f"afterwards: {expected} was expected: {_said(result)}")
            troubles += self._unchecked()
        return True, troubles

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
        call = ["-u", str(source), "-w", str(self.home / "house"), *ends, *quick, *self.signs]
        return CliRunner().invoke(
            cli.command, [*call, "dipy", "1.11.0"], env=self.environment, prog_name="wheel-uploader"
        )

    def _wrong(self, result: Result, name: str) -> list[str]:
        troubles = self._unchecked()
        published = self.served.index.files == self.good
        # 8: another file had gone up before this one was found to be another.
        if result.exit_code not in ({0} if published else {FileError.exit_code, 8}):
            troubles.append(_said(result))
        if result.exit_code and (name not in result.stderr or "Traceback" in result.output):
            troubles.append(f"it does not name the file: {_said(result)}")
        return troubles

    def _unchecked(self) -> list[str]:
        posted = {(post.filename, post.content) for post in self.served.index.posts}
        return [f"posted: other bytes of {name}" for name, content in posted if content != self.good[name]]

    @contextlib.contextmanager
    def _in_worker(self, path: Path, number: int, way: str, after: bytes) -> Iterator[None]:
        program = self.home / "worker.py"
        given = json.dumps([str(path), number, way, after.hex(), str(self.home / "told")])
        program.write_text(
            "import json\nfrom tests.soak import swaps\nfrom wheel_uploader.inspection import worker_main\n"
            f"with swaps.acting(*json.loads({given!r})):\n    worker_main.main()\n"
        )
        real, inspection_worker._WORKER_PROGRAM = inspection_worker._WORKER_PROGRAM, program
        worth, inspection_worker.MIN_TOTAL_SIZE = inspection_worker.MIN_TOTAL_SIZE, 0
        try:
            yield
        finally:
            inspection_worker._WORKER_PROGRAM, inspection_worker.MIN_TOTAL_SIZE = real, worth


@contextlib.contextmanager
def acting(path: str, number: int, way: str, after: str, told: str) -> Iterator[None]:
    """In the worker: swap at its moment ``number``, and leave a file that says so."""

    def act() -> None:
        WAYS[way](Path(path), bytes.fromhex(after))
        Path(told).touch()

    with Moments(Path(path), number, act).watched():
        yield


def _said(result: Result) -> str:
    return f"exit code {result.exit_code}: {result.stderr[-600:]}{result.exception or ''}"


@contextlib.contextmanager
def arena(*, signed: bool, worker: bool = False) -> Iterator[Swaps]:
    """A place to swap files in."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-swaps-")))
        environment = {"HOME": str(home), "TWINE_USERNAME": "", "TWINE_PASSWORD": "", "NETRC": os.devnull}
        keys = stack.enter_context(fixtures.signing_environment()) if signed else None
        real, cache_mac.get_cache_directory = cache_mac.get_cache_directory, lambda: home / "cache"
        stack.callback(setattr, cache_mac, "folder", real)
        yield Swaps(
            home=home,
            served=stack.enter_context(indexes.scripted_index()),
            environment=environment | (keys or {}),
            signs=["-s"] if keys else [],
            worker=worker,
        )


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Swap a wheel and an sdist at each open and read, in eight ways and four places; sign with gpg."""
    del jobs
    for worker in (False, True):
        count = 0
        troubles: list[str] = []
        with arena(signed=True, worker=worker) as swaps:
            for place in PLACES:
                for name in (WHEEL, SDIST):
                    for way in WAYS:
                        for bad_first in (False, True) if way in BOTH_WAYS else (False,):
                            found = swaps.sweep(place, name, way, part=part, bad_first=bad_first)
                            count += found[0]
                            troubles += found[1]
        where = "in the worker" if worker else "in the run itself"
        yield Figure(f"{count} swaps {where}: {len(troubles)} with unchecked bytes or another end", troubles)

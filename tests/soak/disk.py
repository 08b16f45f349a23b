"""A disk that is full after N pages: exit code 13, no torn files; with enough room, the command succeeds.

The disk is a tmpfs in the run's own mount namespace, which is visible here through /proc.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.soak import Figure, Skipped, fixtures, verification
from tests.soak.forks import Forks, Task, isolated_environment
from tools.testing import indexes
from wheel_uploader.core.errors import StorageError

PAGE = 4096
PAGES = 256


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Run on a disk with room for 0 to 255 pages of 4 KiB; sign if gpg is installed."""
    full, problems = 0, []
    with small_disk(signed=True) as disk:
        for pages in range(0, PAGES, part):
            result = disk.with_room_for(pages)
            problems += [f"{pages} pages: {problem}" for problem in result.problems]
            full += result.was_full
    count = len(range(0, PAGES, part))
    yield Figure(
        f"room for 0 to {PAGES - 1} pages of {PAGE} bytes: {full} of {count} runs end with "
        f"{StorageError.exit_code}, {count - full} fit; {len(problems)} exceptions; then the same command "
        "succeeds",
        problems,
    )


class DiskResult:
    """The result of a run on a disk with little room."""

    def __init__(self) -> None:
        self.was_full = False
        self.problems: list[str] = []


class SmallDisk:
    """A run whose wheelhouse is on a tmpfs of 1 MiB."""

    def __init__(self, home: Path, forks: Forks, arguments: list[str], environment: dict[str, str]) -> None:
        self._home = home
        self._forks = forks
        self._arguments = arguments
        self._environment = environment
        self._signed = "-s" in arguments
        #: The path of the tmpfs from this process.
        self._disk = Path(f"/proc/{forks.process.pid}/root{home}/disk")
        self._staged = {path.name: path.read_bytes() for path in (home / "staged").iterdir()}

    def with_room_for(self, pages: int) -> DiskResult:
        """Run with room for this many pages, then run with enough room."""
        result, wheelhouse, filler = DiskResult(), self._disk / "house", self._disk / "filler"
        shutil.rmtree(wheelhouse, ignore_errors=True)
        with indexes.scripted_index() as served:
            free = os.statvfs(self._disk).f_bavail
            filler.write_bytes(bytes((free - pages) * PAGE))
            code = self._run(served.upload_url)
            result.was_full = code == StorageError.exit_code
            if not result.was_full and code != 0:
                result.problems.append(f"exit code {code}: {self._log_tail()}")
            if result.was_full and served.index.posts:
                result.problems.append(f"posted: {served.index.posted_filenames()}")
            result.problems += [f"torn: {name}" for name in verification.torn_files(wheelhouse, self._staged)]
            filler.unlink()
            if code := self._run(served.upload_url):
                result.problems.append(f"with enough room: exit code {code}: {self._log_tail()}")
            wrong = verification.missing_from_index(served.index, self._staged)
            result.problems += [f"not as staged on the index: {name}" for name in wrong]
            result.problems += [f"torn: {name}" for name in verification.torn_files(wheelhouse, self._staged)]
            extra = verification.leftover_files(wheelhouse, self._staged, signed=self._signed)
            result.problems += [f"left over or missing: {name}" for name in extra]
        return result

    def _run(self, upload_url: str) -> int:
        arguments = [*self._arguments, "-w", "disk/house", "--repository-url", upload_url, "dipy", "1.11.0"]
        task = Task(arguments=arguments, folder=str(self._home), environment=self._environment)
        return self._forks.run(task).code

    def _log_tail(self) -> str:
        return (self._home / "log").read_text()[-500:]


@contextlib.contextmanager
def small_disk(*, signed: bool) -> Iterator[SmallDisk]:
    """Open a disk for a release that nearly fills it. Raise Skipped if no tmpfs can be mounted."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-disk-")))
        (home / "disk").mkdir()
        mount = f"mount -t tmpfs -o size={PAGES * PAGE} none {shlex.quote(str(home / 'disk'))}"
        # As root, or as root of a new user namespace.
        unshare = ["unshare", "--mount"] + ([] if sys.platform != "linux" or os.geteuid() == 0 else ["-r"])
        try:
            subprocess.run([*unshare, "sh", "-c", mount], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Skipped(f"a tmpfs cannot be mounted: {getattr(error, 'stderr', error)!s}") from error
        fixtures.stage(home / "staged", fixtures.TAGS[:6], noise=150_000)
        environment = isolated_environment(home)
        arguments = ["-u", stack.enter_context(fixtures.staging_server(home / "staged"))]
        if signed and (gpg := stack.enter_context(fixtures.signing_environment())):
            environment |= gpg
            arguments.append("-s")
        forks = stack.enter_context(Forks(*unshare, "sh", "-c", f'{mount} && exec "$@"', "sh"))
        # The disk is mounted by the time of the first response.
        forks.run(Task(arguments=["--version"], folder=str(home), environment=environment))
        yield SmallDisk(home, forks, arguments, environment)

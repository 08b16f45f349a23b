"""A disk that is full at each of its pages: exit code 13, nothing torn; with room, the same command succeeds.

The disk is a tmpfs in a mount namespace that only the run sees; we look into it through /proc.
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
from tests.soak.forks import Forks, Task, alone
from tests.support import indexes
from wheel_uploader.core.errors import StorageError

PAGE = 4096
PAGES = 256


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Let the disk have room for 0 to 255 pages of 4 KiB; sign where gpg is there."""
    full, troubles = 0, []
    with small_disk(signed=True) as disk:
        for pages in range(0, PAGES, part):
            found = disk.with_room_for(pages)
            troubles += [f"{pages} pages: {trouble}" for trouble in found.troubles]
            full += found.was_full
    count = len(range(0, PAGES, part))
    yield Figure(
        f"room for 0 to {PAGES - 1} pages of {PAGE} bytes: {full} of {count} runs end with "
        f"{StorageError.exit_code}, {count - full} fit; {len(troubles)} exceptions; then the same command "
        "succeeds",
        troubles,
    )


class Found:
    """What came of a run on a disk with little room."""

    def __init__(self) -> None:
        self.was_full = False
        self.troubles: list[str] = []


class SmallDisk:
    """A run whose wheelhouse is on a tmpfs of 1 MiB."""

    def __init__(self, home: Path, forks: Forks, arguments: list[str], environment: dict[str, str]) -> None:
        self._home = home
        self._forks = forks
        self._arguments = arguments
        self._environment = environment
        self._signed = "-s" in arguments
        #: The tmpfs, as it is seen from here.
        self._disk = Path(f"/proc/{forks.process.pid}/root{home}/disk")
        self._staged = {path.name: path.read_bytes() for path in (home / "staged").iterdir()}

    def with_room_for(self, pages: int) -> Found:
        """One run with so little room, and one with enough."""
        found, house, filler = Found(), self._disk / "house", self._disk / "filler"
        shutil.rmtree(house, ignore_errors=True)
        with indexes.scripted_index() as served:
            free = os.statvfs(self._disk).f_bavail
            filler.write_bytes(bytes((free - pages) * PAGE))
            code = self._run(served.upload_url)
            found.was_full = code == StorageError.exit_code
            if not found.was_full and code != 0:
                found.troubles.append(f"exit code {code}: {self._said()}")
            if found.was_full and served.index.posts:
                found.troubles.append(f"posted: {served.index.posted_filenames()}")
            found.troubles += [f"torn: {name}" for name in verification.torn_files(house, self._staged)]
            filler.unlink()
            if code := self._run(served.upload_url):
                found.troubles.append(f"with room again: exit code {code}: {self._said()}")
            wrong = verification.missing_from_index(served.index, self._staged)
            found.troubles += [f"not as staged on the index: {name}" for name in wrong]
            found.troubles += [f"torn: {name}" for name in verification.torn_files(house, self._staged)]
            extra = verification.leftover_files(house, self._staged, signed=self._signed)
            found.troubles += [f"left over or missing: {name}" for name in extra]
        return found

    def _run(self, upload_url: str) -> int:
        arguments = [*self._arguments, "-w", "disk/house", "--repository-url", upload_url, "dipy", "1.11.0"]
        task = Task(arguments=arguments, folder=str(self._home), environment=self._environment)
        return self._forks.run(task).code

    def _said(self) -> str:
        return (self._home / "log").read_text()[-500:]


@contextlib.contextmanager
def small_disk(*, signed: bool) -> Iterator[SmallDisk]:
    """A disk for a release that nearly fills it. Raises Skipped where none can be mounted."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-disk-")))
        (home / "disk").mkdir()
        mount = f"mount -t tmpfs -o size={PAGES * PAGE} none {shlex.quote(str(home / 'disk'))}"
        # As root, or as root of a user namespace of our own.
        unshare = ["unshare", "--mount"] + ([] if sys.platform != "linux" or os.geteuid() == 0 else ["-r"])
        try:
            subprocess.run([*unshare, "sh", "-c", mount], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Skipped(f"a tmpfs cannot be mounted: {getattr(error, 'stderr', error)!s}") from error
        fixtures.stage(home / "staged", fixtures.TAGS[:6], noise=150_000)
        environment = alone(home)
        arguments = ["-u", stack.enter_context(fixtures.staging_server(home / "staged"))]
        if signed and (gpg := stack.enter_context(fixtures.signing_environment())):
            environment |= gpg
            arguments.append("-s")
        forks = stack.enter_context(Forks(*unshare, "sh", "-c", f'{mount} && exec "$@"', "sh"))
        # Until it has answered once, the disk may not be there yet.
        forks.run(Task(arguments=["--version"], folder=str(home), environment=environment))
        yield SmallDisk(home, forks, arguments, environment)

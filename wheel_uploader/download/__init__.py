"""Bring the files of a release into the wheelhouse, or judge them where they lie, several at once."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from wheel_uploader import stopping
from wheel_uploader.apart import Apart
from wheel_uploader.archive.repeats import Repeats
from wheel_uploader.digests import digest, open_file, read_file
from wheel_uploader.disk import DISK_FULL
from wheel_uploader.download.companions import FetchCompanion
from wheel_uploader.download.fetch import Fetch, local_path
from wheel_uploader.download.inplace import InPlace
from wheel_uploader.download.lanes import Lane, Lanes
from wheel_uploader.download.pieces import Stopped
from wheel_uploader.download.readers import Readers
from wheel_uploader.errors import ReleaseError, StorageError, worst
from wheel_uploader.http import Http
from wheel_uploader.models import (
    Companion,
    DistName,
    Fetched,
    FileSummary,
    Finding,
    Inspection,
    LocalCompanion,
    RemoteFile,
    SdistContent,
    WheelContent,
)
from wheel_uploader.progress import Progress
from wheel_uploader.verify import Memory, Seen, look, read
from wheel_uploader.wheelhouse import Wheelhouse

#: Files at once: a large file fills a connection, a small one spends its time waiting for answers.
_JOBS, _JOBS_FOR_SMALL = 8, 16
#: More threads than connections: a file that is being verified must not keep the line idle.
_VERIFYING = 8
#: Bytes: from this average on, files are large.
_LARGE = 2_000_000
#: Seconds that the workers get to put their files down when the run is interrupted.
_PATIENCE = 3.0
#: What the disk says to one file it would say to every other.
_HOPELESS = {*DISK_FULL, errno.EROFS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """What a download brought: the files that are whole, what was found in any, and what went wrong."""

    fetched: tuple[Fetched, ...]
    findings: tuple[Finding, ...]
    #: What is kept of what is in them, in the order of the files.
    summaries: tuple[FileSummary, ...]
    #: The worst failure, whose details name the others; None when every file is here.
    error: ReleaseError | None


def fetch_all(
    files: Sequence[tuple[DistName, RemoteFile]],
    house: Wheelhouse | None,
    http: Http,
    *,
    jobs: int | None,
    clobber: bool,
    progress: Progress,
    inspect: Callable[[WheelContent | SdistContent], Inspection],
    memory: Memory | None = None,
    apart: Apart | None = None,
) -> Arrivals:
    """Bring every file, verified, into the wheelhouse, in the order given.

    Without a wheelhouse, files of this machine are verified where they lie, and nothing is written.
    ``inspect`` judges what is in each file as soon as it is here, so that its time hides behind the network;
    what ``memory`` has of the very same bytes is not looked into again. ``apart`` does that in a process of
    its own, in the same way.
    A file that fails does not keep the others from arriving.
    """
    crew: _Crew[Fetched] = _Crew()
    inspections: dict[str, Inspection] = {}
    readers = Readers()
    # Each file that is being read takes memory, in whichever process.
    here = threading.Semaphore(1 if apart else 2)
    # One file has nothing to be the same as.
    known = Repeats() if len(files) > 1 else None

    def seen_in(name: DistName, path: Path, sha256: str) -> Seen:
        # While files come, this process has enough to do.
        if apart and (seen := apart.read(name, path, sha256, wait=bool(house) and crew.brings)):
            return seen
        with here:
            crew.check()
            return read(name, path, sha256, inspect, known)

    def keep(name: DistName, path: Path, sha256: str) -> Seen:
        seen = readers.call(lambda: look(name, path, sha256, seen_in, memory))
        inspections[name.filename] = seen.inspection
        return seen

    def task(name: DistName, remote: RemoteFile) -> Fetch | InPlace:
        if house is None:
            return InPlace(name=name, remote=remote, progress=progress, check=crew.check, inspect=keep)
        return Fetch(
            name=name,
            remote=remote,
            house=house,
            http=http,
            progress=progress,
            clobber=clobber,
            check=crew.check,
            inspect=keep,
            only_checks=not absent,
        )

    new = [remote for name, remote in files if not (house and _is_here(house, name))]
    absent = new if house else []
    tasks = [task(name, remote) for name, remote in files]
    sizes = [remote.size for remote in absent or [remote for _, remote in files]]
    size = None if None in sizes else sum(size or 0 for size in sizes)
    with (
        readers,
        apart or contextlib.nullcontext(),
        progress.total("download" if absent else "check", files=len(sizes), size=size),
    ):
        if apart:
            apart.expect(sum(_about(remote) or 0 for remote in new))
        crew.work_off(tasks, jobs or _default_jobs(files))
        if house and crew.fetched:
            house.sync()
    filenames = [name.filename for name, _ in files]
    inspected = [inspections[each] for each in filenames if each in inspections]
    return Arrivals(
        fetched=tuple(crew.fetched[each] for each in filenames if each in crew.fetched),
        findings=tuple(finding for each in inspected for finding in each.findings),
        summaries=tuple(each.summary for each in inspected if each.summary),
        error=_summary(crew, len(files)) if crew.failures else None,
    )


def fetch_companions(
    companions: Sequence[Companion],
    house: Wheelhouse | None,
    http: Http,
    *,
    jobs: int | None,
    clobber: bool,
    progress: Progress,
) -> tuple[LocalCompanion, ...]:
    """Bring what lies beside the files; without a wheelhouse it is read where it lies.

    Raises the worst failure, when any fails: what is not known whole is not published.
    """
    crew: _Crew[LocalCompanion] = _Crew()
    tasks = [
        FetchCompanion(
            companion=each, house=house, http=http, progress=progress, clobber=clobber, check=crew.check
        )
        for each in companions
    ]
    if tasks:
        with progress.total("download" if house else "check", files=len(tasks), size=None):
            crew.work_off(tasks, jobs or _JOBS_FOR_SMALL)
            if house and crew.fetched:
                house.sync()
    if crew.failures:
        raise _summary(crew, len(tasks))
    return tuple(crew.fetched[each.filename] for each in companions)


def local_sha256(remote: RemoteFile) -> str:
    """The hex sha256 of a file that a source found on this machine."""
    path = local_path(remote)
    return digest(read_file(open_file(path), str(path)), None).sha256


def _is_here(house: Wheelhouse, name: DistName) -> bool:
    try:
        return house.holds(name.filename)
    except StorageError:
        return False  # Its own task will say so.


def _default_jobs(files: Sequence[tuple[DistName, RemoteFile]]) -> int:
    sizes = [size for _, remote in files if (size := _about(remote)) is not None]
    large = bool(sizes) and sum(sizes) / len(sizes) >= _LARGE
    return _JOBS if large else _JOBS_FOR_SMALL


def _about(remote: RemoteFile) -> int | None:
    return remote.about if remote.size is None else remote.size


def _summary(crew: _Crew[Fetched] | _Crew[LocalCompanion], count: int) -> ReleaseError:
    """The worst failure, with the others as its details."""
    error = worst(crew.failures.values())
    others = [str(each) for each in crew.failures.values() if each is not error]
    untried = count - len(crew.fetched) - len(crew.failures)
    tail = f", {untried} were not tried or not finished" if untried else ""
    state = [f"{len(crew.fetched)} of {count} files are in the wheelhouse{tail}"] if count > 1 else []
    error.details = (*error.details, *others, *state)
    return error


Brought = TypeVar("Brought")
Brings = TypeVar("Brings", covariant=True)


class _Task(Protocol[Brings]):
    """What brings one file."""

    @property
    def filename(self) -> str: ...

    @property
    def remote(self) -> RemoteFile: ...

    def run(self, lane: Lane) -> Brings: ...


class _Crew(Generic[Brought]):
    """Threads that work off the files of one release, and what they bring."""

    def __init__(self) -> None:
        #: By file name; written by the workers, read when they are done.
        self.fetched: dict[str, Brought] = {}
        self.failures: dict[str, ReleaseError] = {}
        self._crash: BaseException | None = None
        self._stop = threading.Event()
        self._lanes = Lanes(0)

    @property
    def brings(self) -> bool:
        """Whether any file is on its way."""
        return self._lanes.are_used

    def check(self) -> None:
        """Raises Stopped when the run is ending."""
        if self._stop.is_set():
            raise Stopped

    def work_off(self, tasks: Sequence[_Task[Brought]], jobs: int) -> None:
        """Do all ``tasks``, the longest first, so that no large file runs alone at the end."""
        todo = deque(sorted(tasks, key=lambda task: _about(task.remote) or 0, reverse=True))
        lanes = self._lanes = Lanes(jobs)

        def check() -> None:
            self.check()
            if not todo:
                raise Stopped

        def work(done: threading.Event) -> None:
            try:
                while True:
                    check()
                    with Lane(lanes, check) as lane:
                        self._do(todo.popleft(), lane)
            except (Stopped, IndexError):
                pass
            finally:
                done.set()

        # Not Thread.join: one that Ctrl-C interrupts takes a running thread for dead (Python 3.11, 3.12).
        begun: list[threading.Event] = []
        try:
            for number in range(min(jobs + _VERIFYING, len(tasks))):
                begun.append(threading.Event())
                # A daemon: one that hangs in a read must not keep an interrupted process from ending.
                threading.Thread(target=work, args=begun[-1:], name=f"download-{number}", daemon=True).start()
            for done in begun:
                stopping.wait(done)
        except BaseException:
            self._stop.set()
            end = time.monotonic() + _PATIENCE
            for done in begun:
                done.wait(max(0.0, end - time.monotonic()))
            raise
        if self._crash:
            raise self._crash

    def _do(self, task: _Task[Brought], lane: Lane) -> None:
        filename = task.filename
        try:
            self.fetched[filename] = task.run(lane)
        except Stopped:
            return
        except ReleaseError as error:
            if filename not in error.message:
                # Of a redirect or a connection that broke, the sentence names the server only.
                error.message = f"{filename}: {error.message}"
                error.args = (error.message,)
            self.failures[filename] = error
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _HOPELESS:
                self._stop.set()
        except BaseException as error:  # noqa: BLE001 - raised again by work_off, in the main thread
            self._crash = error
            self._stop.set()

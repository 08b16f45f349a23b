"""Download the files of a release into the wheelhouse, or verify local files in place, concurrently."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from wheel_uploader.core.errors import ReleaseError, StorageError, most_important_error
from wheel_uploader.core.filesystem import DISK_FULL_ERRNOS
from wheel_uploader.core.formatting import format_share
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    CheckResult,
    DistName,
    DownloadedFile,
    FileSummary,
    Finding,
    LocalAttestationFile,
    RemoteAttestationFile,
    RemoteFile,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.task_pool import TaskPool
from wheel_uploader.download.attestation_files import AttestationFileDownload, InPlaceAttestationFile
from wheel_uploader.download.connection_slots import ConnectionSlot, ConnectionSlots
from wheel_uploader.download.file_download import FileDownload, path_from_file_url
from wheel_uploader.download.in_place import InPlaceVerification
from wheel_uploader.download.ranges import DownloadStopped
from wheel_uploader.facts.member_cache import MemberCache
from wheel_uploader.http.client import HttpClient
from wheel_uploader.inspection.verification import (
    Inspect,
    InspectionResult,
    ResultCache,
    inspect_cached,
    inspect_file,
)
from wheel_uploader.inspection.worker import InspectionWorker
from wheel_uploader.wheelhouse.digests import compute_digests, open_local_file, read_chunks
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse

#: Files at a time: a large file fills a connection, a small one mostly waits for responses.
_JOBS_FOR_LARGE, _JOBS_FOR_SMALL = 8, 20
#: Threads beyond the number of connections, so that verifying a file does not leave a connection idle.
_EXTRA_THREADS = 8
#: Threads that unpack files: each keeps the memory of its largest file, and Python runs only one at a time
#: outside of decompression.
_VERIFICATION_THREADS = 2
#: Bytes: average size from which files count as large.
_LARGE_FILE_SIZE = 2_000_000
#: Seconds that the threads get to save partial files when the run is interrupted.
_SHUTDOWN_TIMEOUT = 3.0
#: Storage errors that every other file would meet as well.
_FATAL_ERRNOS = {*DISK_FULL_ERRNOS, errno.EROFS}


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadResult:
    """The result of a download: the complete files, the findings in all files, and the failure."""

    downloaded: tuple[DownloadedFile, ...]
    findings: tuple[Finding, ...]
    #: The summary of each file's contents, in the order of the files.
    summaries: tuple[FileSummary, ...]
    #: The most severe failure, with the others in its details; None if every file is complete.
    error: ReleaseError | None


def download_files(
    files: Sequence[tuple[DistName, RemoteFile]],
    wheelhouse: Wheelhouse | None,
    http: HttpClient,
    *,
    jobs: int | None,
    clobber: bool,
    progress: Progress,
    inspect: Inspect | None,
    cache: ResultCache | None = None,
    inspection_worker: InspectionWorker | None = None,
) -> DownloadResult:
    """Download and verify all files; the result has them in the order given.

    Without a wheelhouse, local files are verified in place and nothing is written. ``inspect`` is called for
    each file as soon as its bytes have arrived, overlapping inspection with downloads; without it, files are
    only verified. Results in ``cache`` for the same bytes are reused. The worker process
    (``inspection_worker``) inspects files in the same way as this process. A file that fails does not stop
    the others.
    """
    downloads: _Downloads[DownloadedFile] = _Downloads()
    inspections: dict[str, CheckResult] = {}
    verifiers = TaskPool("verify", min(_VERIFICATION_THREADS, os.cpu_count() or 1))
    # Limits memory: each file that is being inspected needs some, in whichever process.
    inspection_slots = threading.Semaphore(1 if inspection_worker else 2)
    is_local = all(remote.url.startswith("file:") for _, remote in files)
    # Sharing members needs at least two files.
    member_cache = MemberCache() if len(files) > 1 else None

    def inspect_uncached(name: DistName, path: Path, sha256: str) -> InspectionResult:
        # During downloads, wait for the worker process rather than compete with them in this one. Copying
        # needs no interpreter.
        is_busy = bool(wheelhouse) and not is_local and downloads.is_downloading
        if inspection_worker and (result := inspection_worker.inspect(name, path, sha256, wait=is_busy)):
            return result
        with inspection_slots:
            downloads.check()
            return inspect_file(name, path, sha256, inspect, member_cache)

    def inspect_and_record(name: DistName, path: Path, sha256: str) -> InspectionResult:
        result = verifiers.submit(inspect_cached, name, path, sha256, inspect_uncached, cache).result()
        inspections[name.filename] = result.inspection
        return result

    def create_task(name: DistName, remote: RemoteFile) -> FileDownload | InPlaceVerification:
        if wheelhouse is None:
            return InPlaceVerification(
                name=name, remote=remote, progress=progress, check=downloads.check, inspect=inspect_and_record
            )
        return FileDownload(
            name=name,
            remote=remote,
            wheelhouse=wheelhouse,
            http=http,
            progress=progress,
            clobber=clobber,
            check=downloads.check,
            inspect=inspect_and_record,
            all_files_present=not absent,
        )

    new = [remote for name, remote in files if not (wheelhouse and _is_downloaded(wheelhouse, name))]
    absent = new if wheelhouse else []
    tasks = [create_task(name, remote) for name, remote in files]
    sizes = [remote.size for remote in absent or [remote for _, remote in files]]
    size = None if None in sizes else sum(size or 0 for size in sizes)
    with (
        verifiers,
        inspection_worker or contextlib.nullcontext(),
        progress.stage("download" if absent else "check", files=len(sizes), size=size),
    ):
        if inspection_worker:
            inspection_worker.start_if_worthwhile(sum(_estimated_size(remote) or 0 for remote in new))
        downloads.run(tasks, jobs or _default_jobs(files))
        if wheelhouse and downloads.results:
            wheelhouse.sync()
    filenames = [name.filename for name, _ in files]
    inspected = [inspections[filename] for filename in filenames if filename in inspections]
    return DownloadResult(
        downloaded=tuple(
            downloads.results[filename] for filename in filenames if filename in downloads.results
        ),
        findings=tuple(finding for inspection in inspected for finding in inspection.findings),
        summaries=tuple(inspection.summary for inspection in inspected if inspection.summary),
        error=_combine_failures(
            downloads, len(files), state="in the wheelhouse" if wheelhouse else "complete"
        )
        if downloads.failures
        else None,
    )


def download_attestation_files(
    companions: Sequence[RemoteAttestationFile],
    wheelhouse: Wheelhouse | None,
    http: HttpClient,
    *,
    jobs: int | None,
    clobber: bool,
    progress: Progress,
) -> tuple[LocalAttestationFile, ...]:
    """Download the attestation files; without a wheelhouse, local ones are read where they are.

    Raises the most severe failure if any file fails, because an unverified attestation is not published.
    """
    downloads: _Downloads[LocalAttestationFile] = _Downloads()

    def create_task(companion: RemoteAttestationFile) -> AttestationFileDownload | InPlaceAttestationFile:
        if wheelhouse is None:
            return InPlaceAttestationFile(attestation_file=companion, progress=progress)
        return AttestationFileDownload(
            attestation_file=companion,
            wheelhouse=wheelhouse,
            http=http,
            progress=progress,
            clobber=clobber,
            check=downloads.check,
        )

    tasks = [create_task(companion) for companion in companions]
    if tasks:
        with progress.stage("download" if wheelhouse else "check", files=len(tasks), size=None):
            downloads.run(tasks, jobs or _JOBS_FOR_SMALL)
            if wheelhouse and downloads.results:
                wheelhouse.sync()
    if downloads.failures:
        raise _combine_failures(downloads, len(tasks), state="in the wheelhouse")
    return tuple(downloads.results[companion.filename] for companion in companions)


def hash_local_file(remote: RemoteFile) -> str:
    """Return the hexadecimal sha256 of a local file that a source listed."""
    path = path_from_file_url(remote)
    return compute_digests(read_chunks(open_local_file(path), str(path)), None).sha256


def _is_downloaded(wheelhouse: Wheelhouse, name: DistName) -> bool:
    try:
        return wheelhouse.has_file(name.filename)
    except StorageError:
        return False  # The file's own task reports the error.


def _default_jobs(files: Sequence[tuple[DistName, RemoteFile]]) -> int:
    sizes = [size for _, remote in files if (size := _estimated_size(remote)) is not None]
    are_large = bool(sizes) and sum(sizes) / len(sizes) >= _LARGE_FILE_SIZE
    return _JOBS_FOR_LARGE if are_large else _JOBS_FOR_SMALL


def _estimated_size(remote: RemoteFile) -> int | None:
    return remote.approximate_size if remote.size is None else remote.size


def _combine_failures(
    downloads: _Downloads[DownloadedFile] | _Downloads[LocalAttestationFile], count: int, *, state: str
) -> ReleaseError:
    """Return the most severe failure, with the others, and how many files have ``state``, as its details."""
    error = most_important_error(downloads.failures.values())
    others = [str(failure) for failure in downloads.failures.values() if failure is not error]
    unfinished = count - len(downloads.results) - len(downloads.failures)
    tail = f"; not started or not finished: {unfinished}" if unfinished else ""
    counts = [f"{format_share(len(downloads.results), count, 'file', 'are')} {state}{tail}"] * (count > 1)
    return error.with_details(*others, *counts)


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Task(Protocol[T_co]):
    """The task to download one file."""

    @property
    def filename(self) -> str: ...

    @property
    def remote(self) -> RemoteFile: ...

    def run(self, slot: ConnectionSlot, /) -> T_co: ...


class _Downloads(Generic[T]):
    """The downloads of the files of one release, and their results."""

    def __init__(self) -> None:
        #: By file name; written by the threads, read after they have ended.
        self.results: dict[str, T] = {}
        self.failures: dict[str, ReleaseError] = {}
        self._stop = threading.Event()
        self._slots = ConnectionSlots(0)

    @property
    def is_downloading(self) -> bool:
        """True if any connection is in use."""
        return self._slots.any_in_use

    def check(self) -> None:
        """Raise DownloadStopped when the run is ending."""
        if self._stop.is_set():
            raise DownloadStopped

    def run(self, tasks: Sequence[_Task[T]], jobs: int) -> None:
        """Run all ``tasks``, the largest files first, so that no large file is left alone at the end."""
        queue = deque(sorted(tasks, key=lambda task: _estimated_size(task.remote) or 0, reverse=True))
        slots = self._slots = ConnectionSlots(jobs)

        def run_next(_: object) -> None:
            with contextlib.suppress(DownloadStopped), ConnectionSlot(slots, self.check) as slot:
                self.check()
                self._run_task(queue.popleft(), slot)

        threads = min(jobs + _EXTRA_THREADS, len(tasks))
        with TaskPool("download", threads, grace=_SHUTDOWN_TIMEOUT) as pool:
            pool.map(run_next, tasks, stop=self._stop.set)

    def _run_task(self, task: _Task[T], slot: ConnectionSlot) -> None:
        filename = task.filename
        try:
            self.results[filename] = task.run(slot)
        except ReleaseError as error:
            if filename not in error.message:
                # The message of a redirect or connection error names the server only.
                self.failures[filename] = error.with_details(message=f"{filename}: {error.message}")
            else:
                self.failures[filename] = error
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _FATAL_ERRNOS:
                self._stop.set()

"""The upload of a release: the order of its files, parallel uploads, and the overall result."""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wheel_uploader.core import filenames
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.errors import (
    ConflictError,
    DeadlineError,
    NetworkError,
    PartialError,
    ReleaseError,
    RunInterrupted,
    most_important_error,
)
from wheel_uploader.core.formatting import format_duration, format_share, format_verb
from wheel_uploader.core.models import (
    FileComparison,
    FileStatus,
    IndexComparison,
    LocalFile,
    UploadResult,
    WheelName,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.task_pool import TaskPool
from wheel_uploader.upload.concurrency import UPLOAD_TIME_LIMIT, ConcurrencyController
from wheel_uploader.upload.file_replacement import FileReplacement, Replacer
from wheel_uploader.upload.file_upload import FileUpload, FileUploader, UploadContext, conflict_error
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

__all__ = ["FileUploader", "upload_all", "upload_error", "upload_order"]

#: Seconds between checks whether the run must end, because no signal wakes a waiting thread.
_POLL_INTERVAL = 0.1


def upload_all(
    states: Sequence[IndexComparison],
    uploader: FileUploader,
    query_index: Callable[[LocalFile], IndexComparison] | None,
    *,
    progress: Progress,
    replacer: Replacer | None = None,
    jobs: int = 1,
    keep_going: bool = False,
    retries: int = 6,
    served_filenames: Iterable[str] = (),
    listing_timeout: float = 0.0,
    repeats_are_safe: bool = False,
    cancel: CancellationToken | None = None,
    sleep: Callable[[float], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[UploadResult, ...]:
    """Upload every file that is absent and return one result for each state, in the order of ``states``.

    The first file is uploaded alone: it creates the release, and shows whether the index accepts uploads and
    how fast. Up to ``jobs`` wheels follow in parallel, and the sdist last. The first rejection stops the
    upload, unless ``keep_going``. ``query_index`` is None if the index cannot be read. ``served_filenames``
    are those of the project on the index, which show the platforms that are new. ``listing_timeout``: seconds
    to wait for the index to list a file that it may have stored, or says that it has. ``repeats_are_safe``:
    the index never overwrites a file. If ``cancel`` ends the run, uploads in progress get the time that
    remains. With ``replacer``, files that an earlier run removed and did not replace come first, and files to
    be replaced last, one after the other.

    Raises CredentialsError before anything is uploaded; later errors are in the results.
    """
    absent = [state.file for state in states if state.result is FileComparison.ABSENT]
    replaced = [state.file for state in states if state.result is FileComparison.REPLACE]
    results = {
        state.file.filename: _result_without_upload(state)
        for state in states
        if state.result not in (FileComparison.ABSENT, FileComparison.REPLACE)
    }
    blocked = any(result.error for result in results.values()) and not keep_going
    if (absent or replaced) and not blocked:
        # In this thread, before any other starts: it may have to prompt the user.
        uploader.credentials()
        pool = TaskPool("upload", max(jobs, 1))
        scheduler = _UploadScheduler(
            uploader=uploader,
            query_index=query_index,
            replacer=replacer,
            progress=progress,
            keep_going=keep_going,
            retries=retries,
            listing_timeout=listing_timeout,
            repeats_are_safe=repeats_are_safe,
            concurrency=ConcurrencyController(jobs),
            pool=pool,
            cancel=cancel or CancellationToken(),
            sleep=sleep,
            clock=clock,
        )
        # An upload that is still in progress at the end is abandoned: its grace period has expired.
        posted = [*absent, *replaced]
        with pool, progress.stage("upload", files=len(posted), size=sum(file.size for file in posted)):
            results |= scheduler.publish(upload_order(absent, served_filenames), replaced)
    return tuple(
        results.get(state.file.filename) or UploadResult(file=state.file, outcome=FileStatus.NOT_TRIED)
        for state in states
    )


def _result_without_upload(state: IndexComparison) -> UploadResult:
    """Return the result for a file that is skipped or in conflict with the index."""
    if state.result is FileComparison.SAME:
        return UploadResult(file=state.file, outcome=FileStatus.SKIPPED)
    error = conflict_error(state)
    return UploadResult(file=state.file, outcome=FileStatus.CONFLICT, reason=error.message, error=error)


def upload_order(files: Iterable[LocalFile], served_filenames: Iterable[str] = ()) -> list[LocalFile]:
    """Return the files in upload order: likely rejections (new platforms, large files) first, sdists last."""
    known_platforms: set[str] = set()
    for filename in served_filenames:
        try:
            name = filenames.parse_filename(filename)
        except filenames.InvalidFilename:
            continue
        known_platforms.update(name.platforms if isinstance(name, WheelName) else ())

    def rank(file: LocalFile) -> tuple[bool, bool, int, str]:
        platforms = file.name.platforms if isinstance(file.name, WheelName) else ()
        new = bool(known_platforms) and not known_platforms.issuperset(platforms)
        return not isinstance(file.name, WheelName), not new, -file.size, file.filename

    return sorted(files, key=rank)


@dataclass(slots=True, kw_only=True)
class _UploadScheduler:
    """The uploads of one call of upload_all: one task per file in progress, and their shared state."""

    uploader: FileUploader
    query_index: Callable[[LocalFile], IndexComparison] | None
    replacer: Replacer | None
    progress: Progress
    keep_going: bool
    retries: int
    listing_timeout: float
    repeats_are_safe: bool
    concurrency: ConcurrencyController
    pool: TaskPool
    cancel: CancellationToken
    sleep: Callable[[float], object] | None
    clock: Callable[[], float]
    results: dict[str, UploadResult] = field(default_factory=dict)
    #: Names of the files that are replaced.
    replacements: set[str] = field(default_factory=set)
    #: Files in progress; ``sending`` has those of them that do not wait for their next attempt.
    in_flight: dict[str, LocalFile] = field(default_factory=dict)
    sending: dict[str, LocalFile] = field(default_factory=dict)
    #: Guards the fields above; notified when a file is finished.
    changed: threading.Condition = field(default_factory=threading.Condition)
    #: Set: start no other file. ``abort_waits``: end all waits as well.
    stop_starting: threading.Event = field(default_factory=threading.Event)
    abort_waits: threading.Event = field(default_factory=threading.Event)

    def publish(
        self, ordered: Sequence[LocalFile], replaced: Sequence[LocalFile] = ()
    ) -> dict[str, UploadResult]:
        """Upload the files in this order, and return the results of those that were started, by name."""
        self._restore_others([*ordered, *replaced])
        removed = [file for file in ordered if self.replacer and self.replacer.find_saved(file)]
        new = [file for file in ordered if file not in removed]
        wheels = [file for file in new[1:] if isinstance(file.name, WheelName)]
        sdists = [file for file in new[1:] if file not in wheels]
        self.replacements = {file.filename for file in (*removed, *replaced)}
        one_by_one = ([file] for file in removed), (new[:1], wheels, sdists), ([file] for file in replaced)
        for batch in itertools.chain(*one_by_one):
            self._run_batch(batch)
        with self.changed:
            return {name: _unfinished_result(file) for name, file in self.in_flight.items()} | self.results

    def _restore_others(self, files: Sequence[LocalFile]) -> None:
        """Put back the files of other releases that an earlier run removed and did not replace."""
        others = self.replacer.find_others(files) if self.replacer else []
        for file in others:
            self._run_batch([file])
            with self.changed:
                result = self.results.pop(file.filename, None)
            # The files of this release are independent of it.
            if not self.abort_waits.is_set():
                self.stop_starting.clear()
            outcome = result.outcome if result else None
            if self.replacer and outcome in (*_ON_INDEX, FileStatus.CONFLICT):
                self.replacer.discard(file)
                state = (
                    "is served with other bytes than those that an earlier run removed"
                    if outcome is FileStatus.CONFLICT
                    else "is served again, with the bytes that an earlier run removed"
                )
                self.progress.info(f"{file.filename} {state}")
            else:
                reason = (result.reason if result else "") or "the run ended"
                self.progress.info(
                    f"warning: {file.filename} is still not served ({reason}); its bytes are saved as "
                    f"{file.path}"
                )

    def _run_batch(self, files: Sequence[LocalFile]) -> None:
        """Upload the files; return when they are finished or the grace period has expired."""
        queue = deque(files)
        with self.changed:
            while (queue or self.in_flight) and not self._is_over():
                while queue and not self.stop_starting.is_set() and self._has_room(queue[0], self.in_flight):
                    self._start(queue.popleft())
                if not self.in_flight:
                    return
                self.changed.wait(_POLL_INTERVAL)

    def _is_over(self) -> bool:
        """Return whether to stop waiting for uploads; announce the end of the run when it begins."""
        if self.cancel.error is None:
            return False
        if not self.abort_waits.is_set():
            self.stop_starting.set()
            self.abort_waits.set()
            if self.in_flight:
                self.progress.info(
                    f"{self.cancel.error.message}: starting no more uploads; waiting up to "
                    f"{format_duration(round(self.cancel.grace_remaining()))} for "
                    f"{', '.join(self.in_flight)}; "
                    "press Ctrl-C again to stop now"
                )
        return self.cancel.grace_remaining() <= 0

    def _has_room(self, file: LocalFile, others: Mapping[str, LocalFile]) -> bool:
        largest = max([file.size, *(other.size for other in others.values())])
        return not others or len(others) < self.concurrency.limit(largest)

    def _start(self, file: LocalFile) -> None:
        if self.concurrency.exceeds_server_limit(file.size):
            seconds = self.concurrency.estimated_seconds(file.size)
            self.progress.info(
                f"{file.filename} takes {format_duration(seconds)} at the current bandwidth; "
                f"PyPI aborts an upload after {format_duration(UPLOAD_TIME_LIMIT)}"
            )
        self.in_flight[file.filename] = file
        self.pool.submit(self._upload_one, file)

    def _upload_one(self, file: LocalFile) -> None:
        """Upload one file with all its attempts, in its own thread."""
        shared = UploadContext(
            upload=self._post,
            query_index=self.query_index,
            wait=self.sleep or self.abort_waits.wait,
            must_end=self.abort_waits.is_set,
            retries=self.retries,
            progress=self.progress,
            listing_timeout=self.listing_timeout,
            repeats_are_safe=self.repeats_are_safe,
            clock=self.clock,
        )
        try:
            if self.replacer and file.filename in self.replacements:
                result = FileReplacement(
                    file=file, replacer=self.replacer, context=shared, upload=self.uploader.upload
                ).run()
            else:
                result = FileUpload(file, shared).run()
        except BaseException as bug:  # noqa: BLE001 - the other files must still be reported
            result = _crashed(file, bug)
        with self.changed:
            self.results[file.filename] = result
            del self.in_flight[file.filename]
            if result.error and not self.keep_going:
                self.stop_starting.set()
            self.changed.notify_all()

    def _post(self, file: LocalFile) -> UploadResponse | None:
        """Make one attempt and measure the bandwidth; return None if the run ends before its turn."""
        with self.changed:
            while not self.abort_waits.is_set() and not self._has_room(file, self.sending):
                self.changed.wait(_POLL_INTERVAL)
            if self.abort_waits.is_set():
                return None
            self.sending[file.filename] = file
            streams, started_at = len(self.sending), self.clock()
        try:
            answer = self.uploader.upload(file)
        finally:
            with self.changed:
                least, most = sorted((streams, len(self.sending)))
                seconds = self.clock() - started_at
                del self.sending[file.filename]
                self.changed.notify_all()
        with self.changed:
            if answer.kind is ResponseKind.ACCEPTED:
                self.concurrency.record_success(file.size, seconds, least)
            elif answer.kind is ResponseKind.RETRY and most > 1:
                self.concurrency.record_failure(most)
        if answer.kind is ResponseKind.RETRY and seconds >= UPLOAD_TIME_LIMIT:
            return replace(answer, hint=_TOO_SLOW)
        return answer


_TOO_SLOW = (
    "The file takes too long for an index that aborts uploads after "
    f"{format_duration(UPLOAD_TIME_LIMIT)}, as PyPI does: run the same command over a faster connection."
)


def _unfinished_result(file: LocalFile) -> UploadResult:
    error = NetworkError(
        f"{file.filename}: the upload was in progress when the run ended; the index may have the file or not"
    )
    return UploadResult(file=file, outcome=FileStatus.UNKNOWN, reason=error.message, attempts=1, error=error)


def _crashed(file: LocalFile, bug: BaseException) -> UploadResult:
    """Return the result of a file whose thread raised an unexpected exception."""
    frame = traceback.extract_tb(bug.__traceback__)[-1]
    error = ReleaseError(
        f"{file.filename}: unexpected {type(bug).__name__}: {sanitize(str(bug))}; the index may have the "
        "file or not",
        details=[f"at line {frame.lineno} of {sanitize(frame.filename)}, in {frame.name}"],
    )
    return UploadResult(file=file, outcome=FileStatus.UNKNOWN, reason=error.message, error=error)


# --- overall result --------------------------------------------------------------------------------

_ON_INDEX = (FileStatus.UPLOADED, FileStatus.SKIPPED)


def upload_error(results: Sequence[UploadResult], stopped: ReleaseError | None = None) -> ReleaseError | None:
    """Return the error of a run with these results: None for success, PartialError if some files arrived.

    A conflict stays one if some files arrived, because the release can never be completed.

    ``stopped``: why the run ended early, if it did.
    """
    errors = [result.error for result in results if result.error]
    if not errors and not stopped:
        return None
    cause = most_important_error([*errors, stopped] if stopped else errors)
    uploaded = sum(result.outcome in _ON_INDEX for result in results)
    lines = [_line(result) for result in results]
    count = _count(results, uploaded)
    if cause is stopped and (isinstance(stopped, RunInterrupted) or uploaded in (0, len(results))):
        return stopped.with_details(*lines, message=f"{stopped.message}: {count}")
    if not uploaded:
        return cause.with_details(*(error.message for error in errors if error is not cause))
    if isinstance(cause, ConflictError):
        return cause.with_details(*lines, message=f"{count}: {cause.message}")
    # After a network error or a timeout the same command continues without any change.
    is_temporary = isinstance(cause, NetworkError | DeadlineError)
    hint = None if is_temporary else f"{cause.hint} The same command then continues."
    return PartialError(f"{count}: {cause.message}", hint=hint, details=lines)


def _count(results: Sequence[UploadResult], uploaded: int) -> str:
    unknown = sum(result.outcome is FileStatus.UNKNOWN for result in results)
    missing = len(results) - uploaded - unknown
    parts = [f"{format_share(uploaded, len(results), 'file', 'are')} on the index"]
    if missing:
        parts.append(f"{missing} {format_verb(missing, 'are')} not")
    if unknown:
        parts.append(f"{unknown} may be")
    return ", ".join(parts)


def _line(result: UploadResult) -> str:
    if result.outcome in _ON_INDEX:
        return f"in: {result.file.filename}"
    if result.outcome is FileStatus.UNKNOWN:
        return f"unknown: {result.reason}"
    return f"not in: {result.reason or f'{result.file.filename}: not tried'}"

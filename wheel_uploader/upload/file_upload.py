"""The upload of one file: before each retry, and after each rejection, the index is queried.

The verdict depends on the bytes that the index has, and not on the words of its response.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from wheel_uploader.core.errors import (
    ConflictError,
    DeadlineError,
    FileError,
    HttpStatusError,
    NetworkError,
    ReleaseError,
)
from wheel_uploader.core.models import (
    FileComparison,
    FileStatus,
    IndexComparison,
    LocalFile,
    UploadOutcome,
    UploadResult,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http import retry
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

#: Seconds between two queries of a listing that may lag: short at first.
_MIN_PAUSE, _MAX_PAUSE = 1.0, 20.0


class FileUploader(Protocol):
    """Sends files to the index."""

    def credentials(self) -> tuple[str, str] | None:
        """Return user name and password, found once; None for an index without authentication."""
        ...

    def upload(self, file: LocalFile) -> UploadResponse:
        """Make one attempt, in any thread. Raises a ReleaseError for a problem on this side."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadContext:
    """The context that all uploads of a run share."""

    #: Makes one attempt; returns None if the run ended before it could be made.
    upload: Callable[[LocalFile], UploadResponse | None]
    #: Queries the index for the file; None if the index is only written to.
    query_index: Callable[[LocalFile], IndexComparison] | None
    #: Waits that many seconds, or less if the run must end.
    wait: Callable[[float], object]
    #: Returns whether the run must end; then nothing is retried.
    must_end: Callable[[], bool]
    retries: int
    progress: Progress
    #: Seconds to wait for the index to list a file that it may have.
    listing_timeout: float = 0.0
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class FileUpload:
    """The upload of one file; after each unclear response the index is queried before the next attempt."""

    file: LocalFile
    context: UploadContext
    attempts: int = 0
    #: True after a response that leaves open whether the index stored the file.
    may_be_stored: bool = False
    #: The error of the last query of the index.
    query_error: ReleaseError | None = None

    def run(self) -> UploadResult:
        """Upload the file, with retries if they make sense, and return the result."""
        try:
            answer = self._post()
            if answer is None:
                return self._result(FileStatus.NOT_TRIED)
            for attempt in range(2, self.context.retries + 1):
                if answer.kind is not ResponseKind.RETRY:
                    break
                self._pause(answer, attempt)
                if self.context.must_end():
                    break
                state = self._query_index()
                if state is None and self.context.query_index:
                    continue
                if state and state.result is not FileComparison.ABSENT:
                    return self._result_from_index(state, answer)
                answer = self._post() or answer
        except ReleaseError as error:
            return self._result(FileStatus.FAILED, error)
        return self._last_result(answer)

    def _post(self) -> UploadResponse | None:
        answer = self.context.upload(self.file)
        if answer:
            self.attempts += 1
            self.may_be_stored |= _leaves_open(answer)
        return answer

    def _pause(self, answer: UploadResponse, attempt: int) -> None:
        status = HttpStatusError(answer.status, "", retry_after=answer.retry_after)
        seconds = retry.compute_backoff(status, attempt - 1)
        self.context.progress.debug(
            f"{self.file.filename}: {answer.summary}; checking the index, then attempt {attempt} of "
            f"{self.context.retries} in {seconds:.1f} s"
        )
        self.context.wait(seconds)

    def _query_index(self) -> IndexComparison | None:
        """Return what the index has under this name now; None if it cannot be queried."""
        if self.context.query_index is None:
            self.query_error = NetworkError("it is not read (--write-only)")
            return None
        try:
            return self.context.query_index(self.file)
        except ReleaseError as error:
            self.query_error = error
            return None

    def _result_from_index(self, state: IndexComparison, answer: UploadResponse) -> UploadResult:
        """Return the result if the index has a file with this name or these bytes."""
        if state.result is not FileComparison.SAME:
            return self._result(FileStatus.CONFLICT, conflict_error(state))
        if not self.may_be_stored and answer.kind is not ResponseKind.RETRY:
            self.context.progress.debug(f"{self.file.filename}: {answer.summary}; the index has these bytes")
            return self._result(FileStatus.SKIPPED)
        if 400 <= answer.status < 500 and answer.kind is not ResponseKind.RETRY:
            self.context.progress.info(f"{self.file.filename}: uploaded (the first answer was lost)")
        else:
            self.context.progress.debug(f"{self.file.filename}: {answer.summary}; but the index has the file")
        return self._result(FileStatus.UPLOADED)

    def _last_result(self, answer: UploadResponse) -> UploadResult:
        """Return the result after the last attempt: unless the index accepted the file, its bytes decide."""
        if answer.kind is ResponseKind.ACCEPTED:
            return self._result(FileStatus.UPLOADED)
        if not self.may_be_stored and _nothing_arrived(answer):
            return self._failure(answer, answer.to_error(self.file.filename))
        state = self._wait_for_listing(answer)
        if state is None:
            return self._result_without_index(answer)
        if state.result is not FileComparison.ABSENT:
            return self._result_from_index(state, answer)
        return self._result_if_absent(answer)

    def _wait_for_listing(self, answer: UploadResponse) -> IndexComparison | None:
        """Query the index until it lists the file; only once if the file cannot be there already."""
        context, state = self.context, self._query_index()
        is_possible = answer.kind is ResponseKind.EXISTS or self.may_be_stored
        is_waiting = is_possible and not answer.is_final and answer.kind is not ResponseKind.RETRY
        if not is_waiting or context.query_index is None:
            return state
        started_at, waited, pause = context.clock(), 0.0, _MIN_PAUSE
        while not (state and state.result is not FileComparison.ABSENT) and not context.must_end():
            remaining = context.listing_timeout - max(waited, context.clock() - started_at)
            if remaining <= 0:
                break
            context.progress.debug(f"{self.file.filename}: {answer.summary}; the index does not list it yet")
            context.wait(min(pause, remaining))
            waited, pause = waited + min(pause, remaining), min(pause * 1.5, _MAX_PAUSE)
            state = self._query_index()
        return state

    def _result_without_index(self, answer: UploadResponse) -> UploadResult:
        """Return the result if the index cannot be queried."""
        problem = self.query_error.message if self.query_error else ""
        is_told = answer.kind is ResponseKind.REJECTED or (
            answer.kind is ResponseKind.EXISTS and self.context.query_index is None
        )
        if is_told and not self.may_be_stored:
            error = answer.to_error(self.file.filename)
            return self._failure(
                answer, error.with_details(f"cannot query the index for the file: {problem}")
            )
        unknown = NetworkError(
            f"{self.file.filename}: {answer.summary}; cannot query the index for the file: {problem}"
        )
        return self._result(FileStatus.UNKNOWN, unknown)

    def _result_if_absent(self, answer: UploadResponse) -> UploadResult:
        """Return the result if the index does not list the file: only its words are certain."""
        filename, error = self.file.filename, answer.to_error(self.file.filename)
        is_about_file = issubclass(answer.error_type, FileError | ConflictError)
        if answer.kind is ResponseKind.RETRY and self.context.must_end():
            # There is no time to wait until the listing is current.
            error.message += "; the index does not list the file yet"
            return self._result(FileStatus.UNKNOWN, error)
        if self.may_be_stored and is_about_file and not answer.is_final:
            unknown = DeadlineError(
                f"{filename}: {answer.summary}; an earlier upload of it got no answer, and the index did not "
                f"list the file within {self.context.listing_timeout:.0f} s",
                hint="The index may have stored this file: run the same command again to look for it.",
            )
            return self._result(FileStatus.UNKNOWN, unknown)
        if answer.kind is ResponseKind.EXISTS and not answer.is_final:
            error = error.with_details(
                message=f"{error.message}; its page does not show the file", hint=_UNLISTED_HINT
            )
        return self._failure(answer, error)

    def _failure(self, answer: UploadResponse, error: ReleaseError) -> UploadResult:
        """Return the result of an upload that the index rejected, or that failed for another reason."""
        if self.attempts > 1:
            error = error.with_details(f"attempted {self.attempts} times")
        is_rejection = answer.kind is not ResponseKind.RETRY and isinstance(error, FileError | ConflictError)
        return self._result(FileStatus.REJECTED if is_rejection else FileStatus.FAILED, error)

    def _result(self, outcome: UploadOutcome, error: ReleaseError | None = None) -> UploadResult:
        return UploadResult(
            file=self.file,
            outcome=outcome,
            reason=error.message if error else "",
            attempts=self.attempts,
            error=error,
        )


_UNLISTED_HINT = (
    "If the name is taken by another file, publish under a new version; ask the operator of the index, "
    "because its page shows no such file."
)


def _leaves_open(answer: UploadResponse) -> bool:
    """Return whether the index may have stored the file although it did not say so."""
    if answer.kind is ResponseKind.ACCEPTED:
        return False
    is_unclear = answer.kind is ResponseKind.RETRY and answer.status != HTTPStatus.TOO_MANY_REQUESTS
    return is_unclear or answer.status >= 500 or 200 <= answer.status < 300


def _nothing_arrived(answer: UploadResponse) -> bool:
    """Return whether the index cannot have seen the file: without a trusted connection, or elsewhere."""
    return answer.kind is ResponseKind.REJECTED and (answer.status == 0 or 300 <= answer.status < 400)


def conflict_error(state: IndexComparison) -> ConflictError:
    """Return the error for a name with other bytes on the index, or for our bytes under another name."""
    name = state.file.filename
    if state.result is FileComparison.SAME_BYTES_OTHER_NAME:
        return ConflictError(
            f"{name}: the index has the same bytes under the name {sanitize(state.other_name)}"
        )
    return ConflictError(
        f"{name}: the index has a different file with this name: sha256 {state.index_sha256}, not "
        f"{state.file.sha256}"
    )

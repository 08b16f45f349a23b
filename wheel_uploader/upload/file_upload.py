"""The upload of one file, with retries: before each retry the index is queried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wheel_uploader.core.errors import ConflictError, HttpStatusError, NetworkError, ReleaseError
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
    #: Queries the index for the file.
    query_index: Callable[[LocalFile], IndexComparison]
    #: Waits that many seconds, or less if the run must end.
    wait: Callable[[float], object]
    #: Returns whether the run must end; then nothing is retried.
    must_end: Callable[[], bool]
    retries: int
    progress: Progress


@dataclass(slots=True)
class FileUpload:
    """The upload of one file; after each unclear response the index is queried before the next attempt."""

    file: LocalFile
    context: UploadContext
    attempts: int = 0
    #: The error of the last query of the index.
    query_error: ReleaseError | None = None

    def run(self) -> UploadResult:
        """Upload the file, with retries if they make sense, and return the result."""
        try:
            answer = self._post()
            if answer is None:
                return self._result(FileStatus.NOT_TRIED)
            for attempt in range(2, self.context.retries + 1):
                if not self._is_unclear(answer):
                    break
                self._pause(answer, attempt)
                if self.context.must_end():
                    break
                state = self._query_index()
                if state is None:
                    continue
                if state.result is not FileComparison.ABSENT:
                    return self._result_from_index(state, answer)
                answer = self._post() or answer
        except ReleaseError as error:
            return self._result(FileStatus.REJECTED, error)
        return self._last_result(answer)

    def _post(self) -> UploadResponse | None:
        answer = self.context.upload(self.file)
        self.attempts += answer is not None
        return answer

    def _is_unclear(self, answer: UploadResponse) -> bool:
        # "Already exists" after a lost response: it may be our file, in a listing that is not current.
        return answer.kind is ResponseKind.RETRY or (answer.kind is ResponseKind.EXISTS and self.attempts > 1)

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
        try:
            return self.context.query_index(self.file)
        except ReleaseError as error:
            self.query_error = error
            return None

    def _result_from_index(self, state: IndexComparison, answer: UploadResponse) -> UploadResult:
        """Return the result if the index has a file with this name or these bytes."""
        if state.result is not FileComparison.SAME:
            return self._result(FileStatus.REJECTED, conflict_error(state))
        if answer.kind is ResponseKind.EXISTS and self.attempts == 1:
            return self._result(FileStatus.SKIPPED)
        self.context.progress.debug(f"{self.file.filename}: {answer.summary}; but the index has the file")
        return self._result(FileStatus.UPLOADED)

    def _last_result(self, answer: UploadResponse) -> UploadResult:
        """Return the result after the last attempt; if its response is unclear, the index decides."""
        if answer.kind is ResponseKind.ACCEPTED:
            return self._result(FileStatus.UPLOADED)
        error = answer.to_error(self.file.filename)
        if self.attempts > 1:
            error = error.with_details(f"attempted {self.attempts} times")
        if answer.kind is ResponseKind.REJECTED and answer.status < 500:
            return self._result(FileStatus.REJECTED, error)
        state = self._query_index()
        if state is None:
            problem = self.query_error.message if self.query_error else ""
            unknown = NetworkError(
                f"{self.file.filename}: {answer.summary}; cannot query the index for the file: {problem}"
            )
            return self._result(FileStatus.UNKNOWN, unknown)
        if state.result is not FileComparison.ABSENT:
            return self._result_from_index(state, answer)
        if self._is_unclear(answer) and self.context.must_end():
            # There is no time to wait until the listing is current.
            error.message += "; the index does not list the file yet"
            return self._result(FileStatus.UNKNOWN, error)
        return self._result(FileStatus.REJECTED, error)

    def _result(self, outcome: UploadOutcome, error: ReleaseError | None = None) -> UploadResult:
        return UploadResult(
            file=self.file,
            outcome=outcome,
            reason=error.message if error else "",
            attempts=self.attempts,
            error=error,
        )


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

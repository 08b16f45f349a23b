"""The upload of one file, with retries: before each retry the index is queried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wheel_uploader.display import printable
from wheel_uploader.errors import ConflictError, HttpStatus, NetworkError, ReleaseError
from wheel_uploader.http import retry
from wheel_uploader.models import FileState, IndexState, LocalFile, UploadOutcome, UploadResult
from wheel_uploader.progress import Progress
from wheel_uploader.publish.answer_rules import Kind
from wheel_uploader.publish.answers import Answer


class Poster(Protocol):
    """Sends files to the index."""

    def credentials(self) -> tuple[str, str] | None:
        """Return user name and password, found once; None for an index without authentication."""
        ...

    def post(self, file: LocalFile) -> Answer:
        """Make one attempt, in any thread. Raises a ReleaseError for a problem on this side."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The context that all uploads of a run share."""

    #: Makes one attempt; returns None if the run ended before it could be made.
    post: Callable[[LocalFile], Answer | None]
    #: Queries the index for the file.
    look: Callable[[LocalFile], IndexState]
    #: Waits that many seconds, or less if the run must end.
    wait: Callable[[float], object]
    #: Returns whether the run must end; then nothing is retried.
    hurried: Callable[[], bool]
    retries: int
    progress: Progress


@dataclass(slots=True)
class Attempts:
    """The upload of one file; after each unclear response the index is queried before the next attempt."""

    file: LocalFile
    run: Shared
    posts: int = 0
    #: The error of the last query of the index.
    trouble: ReleaseError | None = None

    def publish(self) -> UploadResult:
        """Upload the file, with retries if they make sense, and return the result."""
        try:
            answer = self._post()
            if answer is None:
                return self._result(UploadOutcome.NOT_TRIED)
            for attempt in range(2, self.run.retries + 1):
                if not self._is_unclear(answer):
                    break
                self._pause(answer, attempt)
                if self.run.hurried():
                    break
                state = self._query_index()
                if state is None:
                    continue
                if state.state is not FileState.ABSENT:
                    return self._result_from_index(state, answer)
                answer = self._post() or answer
        except ReleaseError as error:
            return self._result(UploadOutcome.REJECTED, error)
        return self._last_result(answer)

    def _post(self) -> Answer | None:
        answer = self.run.post(self.file)
        self.posts += answer is not None
        return answer

    def _is_unclear(self, answer: Answer) -> bool:
        # "Already exists" after a lost response: it may be our file, in a listing that is not current.
        return answer.kind is Kind.RETRY or (answer.kind is Kind.EXISTS and self.posts > 1)

    def _pause(self, answer: Answer, attempt: int) -> None:
        status = HttpStatus(answer.status, "", retry_after=answer.retry_after)
        seconds = retry.pause_after(status, attempt - 1)
        self.run.progress.detail(
            f"{self.file.filename}: {answer.sentence}; checking the index, then attempt {attempt} of "
            f"{self.run.retries} in {seconds:.1f} s"
        )
        self.run.wait(seconds)

    def _query_index(self) -> IndexState | None:
        """Return what the index has under this name now; None if it cannot be queried."""
        try:
            return self.run.look(self.file)
        except ReleaseError as error:
            self.trouble = error
            return None

    def _result_from_index(self, state: IndexState, answer: Answer) -> UploadResult:
        """Return the result if the index has a file with this name or these bytes."""
        if state.state is not FileState.SAME:
            return self._result(UploadOutcome.REJECTED, conflict(state))
        if answer.kind is Kind.EXISTS and self.posts == 1:
            return self._result(UploadOutcome.ALREADY_THERE)
        self.run.progress.detail(f"{self.file.filename}: {answer.sentence}; but the index has the file")
        return self._result(UploadOutcome.UPLOADED)

    def _last_result(self, answer: Answer) -> UploadResult:
        """Return the result after the last attempt; if its response is unclear, the index decides."""
        if answer.kind is Kind.ACCEPTED:
            return self._result(UploadOutcome.UPLOADED)
        error = answer.as_error(self.file.filename)
        if self.posts > 1:
            error.details = (*error.details, f"attempted {self.posts} times")
        if answer.kind is Kind.REFUSED and answer.status < 500:
            return self._result(UploadOutcome.REJECTED, error)
        state = self._query_index()
        if state is None:
            problem = self.trouble.message if self.trouble else ""
            unknown = NetworkError(
                f"{self.file.filename}: {answer.sentence}; cannot query the index for the file: {problem}"
            )
            return self._result(UploadOutcome.UNKNOWN, unknown)
        if state.state is not FileState.ABSENT:
            return self._result_from_index(state, answer)
        if self._is_unclear(answer) and self.run.hurried():
            # There is no time to wait until the listing is current.
            error.message += "; the index does not list the file yet"
            return self._result(UploadOutcome.UNKNOWN, error)
        return self._result(UploadOutcome.REJECTED, error)

    def _result(self, outcome: UploadOutcome, error: ReleaseError | None = None) -> UploadResult:
        return UploadResult(
            file=self.file,
            outcome=outcome,
            reason=error.message if error else "",
            attempts=self.posts,
            error=error,
        )


def conflict(state: IndexState) -> ConflictError:
    """Return the error for a name with other bytes on the index, or for our bytes under another name."""
    name = state.file.filename
    if state.state is FileState.SAME_BYTES_OTHER_NAME:
        return ConflictError(
            f"{name}: the index has the same bytes under the name {printable(state.other_name)}"
        )
    return ConflictError(
        f"{name}: the index has a different file with this name: sha256 {state.index_sha256}, not "
        f"{state.file.sha256}"
    )

"""One file posted until it is clear what became of it: before it is posted again the index is asked."""

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
    """What sends one file to the index."""

    def credentials(self) -> tuple[str, str] | None:
        """User name and password, asked for once; None for an index that asks nobody."""
        ...

    def post(self, file: LocalFile) -> Answer:
        """One attempt. Raises a ReleaseError for what is wrong on this side. Any thread may call this."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all files of a run have in common."""

    #: One attempt; None when the run had to end before it could be made.
    post: Callable[[LocalFile], Answer | None]
    look: Callable[[LocalFile], IndexState]
    #: Seconds to wait for; shorter when the run has to end.
    wait: Callable[[float], object]
    #: Whether the run has to end: nothing is posted again.
    hurried: Callable[[], bool]
    retries: int
    progress: Progress


@dataclass(slots=True)
class Attempts:
    """One file on its way: after every unclear answer the index is asked before it is posted again."""

    file: LocalFile
    run: Shared
    posts: int = 0
    #: Why the index could not be asked.
    trouble: ReleaseError | None = None

    def publish(self) -> UploadResult:
        """Post it, again where that makes sense; what became of it."""
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
                seen = self._look()
                if seen is None:
                    continue
                if seen.state is not FileState.ABSENT:
                    return self._settled(seen, answer)
                answer = self._post() or answer
        except ReleaseError as error:
            return self._result(UploadOutcome.REJECTED, error)
        return self._end(answer)

    def _post(self) -> Answer | None:
        answer = self.run.post(self.file)
        self.posts += answer is not None
        return answer

    def _is_unclear(self, answer: Answer) -> bool:
        # "It exists" after an answer that was lost: it may be ours, in a listing that is behind.
        return answer.kind is Kind.RETRY or (answer.kind is Kind.EXISTS and self.posts > 1)

    def _pause(self, answer: Answer, attempt: int) -> None:
        asked = HttpStatus(answer.status, "", retry_after=answer.retry_after)
        seconds = retry.pause_after(asked, attempt - 1)
        self.run.progress.detail(
            f"{self.file.filename}: {answer.sentence}; asking the index, then attempt {attempt} of "
            f"{self.run.retries}, in {seconds:.1f} s"
        )
        self.run.wait(seconds)

    def _look(self) -> IndexState | None:
        """What the index has under this name by now; None when it cannot be asked."""
        try:
            return self.run.look(self.file)
        except ReleaseError as error:
            self.trouble = error
            return None

    def _settled(self, seen: IndexState, answer: Answer) -> UploadResult:
        """The result when the index has something under this name, or these bytes."""
        if seen.state is not FileState.SAME:
            return self._result(UploadOutcome.REJECTED, conflict(seen))
        if answer.kind is Kind.EXISTS and self.posts == 1:
            return self._result(UploadOutcome.ALREADY_THERE)
        self.run.progress.detail(f"{self.file.filename}: {answer.sentence}; the index has it all the same")
        return self._result(UploadOutcome.UPLOADED)

    def _end(self, answer: Answer) -> UploadResult:
        """The result after the last post; where that was not clear, the index has the last word."""
        if answer.kind is Kind.ACCEPTED:
            return self._result(UploadOutcome.UPLOADED)
        error = answer.as_error(self.file.filename)
        if self.posts > 1:
            error.details = (*error.details, f"posted {self.posts} times")
        if answer.kind is Kind.REFUSED and answer.status < 500:
            return self._result(UploadOutcome.REJECTED, error)
        seen = self._look()
        if seen is None:
            problem = self.trouble.message if self.trouble else ""
            unknown = NetworkError(
                f"{self.file.filename}: {answer.sentence}; whether it is there is unknown, since the index "
                f"cannot be asked: {problem}"
            )
            return self._result(UploadOutcome.UNKNOWN, unknown)
        if seen.state is not FileState.ABSENT:
            return self._settled(seen, answer)
        if self._is_unclear(answer) and self.run.hurried():
            # Nobody waits for a listing that may be behind.
            error.message += "; the index does not list it, or not yet"
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
    """What is wrong when the index has something else under a name of ours, or ours under another."""
    name = state.file.filename
    if state.state is FileState.SAME_BYTES_OTHER_NAME:
        return ConflictError(
            f"{name}: the index has the same bytes under the name {printable(state.other_name)}"
        )
    return ConflictError(
        f"{name}: the index has other bytes under this name: ours have sha256 {state.file.sha256}, "
        f"those of the index {state.index_sha256}"
    )

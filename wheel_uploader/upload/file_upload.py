"""The upload of one file: before each retry, and after each rejection, the index is queried.

The verdict depends on the bytes that the index has, and not on the words of its response.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Protocol

from wheel_uploader.core.errors import (
    ConflictError,
    DeadlineError,
    FileError,
    HttpStatusError,
    NetworkError,
    ReleaseError,
)
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
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
from wheel_uploader.upload.upload_states import TRANSITIONS, Event, State

#: Seconds between two queries of a listing that may lag: short at first.
_MIN_PAUSE, _MAX_PAUSE = 1.0, 20.0
#: Before the first upload.
_NO_ANSWER = UploadResponse(kind=ResponseKind.RETRY, status=0)


class FileUploader(Protocol):
    """Sends files to the index."""

    def credentials(self) -> object:
        """Find the credentials, once. Raises CredentialsError."""
        ...

    def upload(self, file: LocalFile) -> UploadResponse:
        """Make one attempt, in any thread. Raises a ReleaseError for a problem on this side."""
        ...


#: Seconds to wait at most for the listing of a file that another run uploaded; our files may take longer.
_FOREIGN_LISTING_TIMEOUT = 30.0


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
    #: True if the index never overwrites a file, so that an unclear POST may be repeated without a look.
    repeats_are_safe: bool = False
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class FileUpload:
    """The upload of one file; after each unclear response the index is queried before the next attempt.

    An index that cannot be queried gets no other attempt then, unless it never overwrites a file.

    Each state has an action, which returns an event; the table in upload_states.py decides what follows.
    """

    file: LocalFile
    context: UploadContext
    table: Mapping[State, Mapping[Event, State]] = field(default_factory=lambda: TRANSITIONS)
    state: State = State.FIRST_POST
    #: The event that led to ``state``.
    event: Event | None = None
    attempts: int = 0
    #: The number of pauses plus 1; more than ``attempts`` if the index could not be queried after a pause.
    turn: int = 1
    #: True after a response that leaves open whether the index stored the file.
    may_be_stored: bool = False
    #: The last response to an upload, and the error on this side that prevented it.
    answer: UploadResponse = _NO_ANSWER
    local_error: ReleaseError | None = None
    #: The result of the last query of the index, and the error of the last one that failed.
    comparison: IndexComparison | None = None
    query_error: ReleaseError | None = None
    #: The time of the first query in the current state, the seconds waited since, and the next pause.
    started_at: float = 0.0
    waited: float = 0.0
    pause: float = _MIN_PAUSE

    def run(self) -> UploadResult:
        """Upload the file, with retries if they make sense, and return the result."""
        while not self.state.is_end:
            self.event = self._act()
            self.state = self.table[self.state][self.event]
        return self._end()

    # --- the actions of the states ---------------------------------------------------------------------

    def _act(self) -> Event:
        """Perform the action of the current state, and return its event."""
        match self.state:
            case State.FIRST_POST | State.POST_AGAIN:
                return self._post()
            case State.PAUSE:
                return self._pause()
            case State.LOOK | State.LOOK_REFUSED | State.LOOK_LAST:
                return self._look()
            case _:
                return self._look_until_listed()

    def _post(self) -> Event:
        try:
            answer = self.context.upload(self.file)
        except ReleaseError as error:
            self.local_error = error
            return Event.FAIL_IN_DOUBT if self.may_be_stored else Event.FAIL_LOCALLY
        if answer is None:
            return Event.RUN_ENDS
        self.answer = answer
        self.attempts += 1
        self.may_be_stored |= answer.may_be_stored
        return self._classify(answer)

    def _classify(self, answer: UploadResponse) -> Event:
        """Return the event that a response is, in view of the earlier ones."""
        if answer.kind is ResponseKind.ACCEPTED:
            return Event.ACCEPT
        if answer.kind is ResponseKind.RETRY:
            return Event.NOT_FINAL
        if answer.kind is ResponseKind.EXISTS and answer.is_final:
            return Event.REFUSE  # The index would accept these bytes again: it has others.
        if self.may_be_stored:
            return Event.REFUSE_IN_DOUBT
        if _nothing_arrived(answer):
            return Event.NOTHING_SENT
        return Event.SAYS_EXISTS if answer.kind is ResponseKind.EXISTS else Event.REFUSE

    def _pause(self) -> Event:
        """Wait before the next look, or give up if another attempt is not permitted."""
        context, answer = self.context, self.answer
        give_up = Event.GIVE_UP_IN_DOUBT if self.may_be_stored else Event.GIVE_UP
        is_blind = context.query_index is None and self.may_be_stored and not context.repeats_are_safe
        if self.turn >= context.retries or is_blind:
            return give_up
        self.turn += 1
        status = HttpStatusError(answer.status, "", retry_after=answer.retry_after)
        seconds = retry.compute_backoff(status, self.turn - 1)
        context.progress.debug(
            f"{self.file.filename}: {answer.summary}; checking the index, then attempt {self.turn} of "
            f"{context.retries} in {format_duration(seconds)}"
        )
        context.wait(seconds)
        return give_up if context.must_end() else Event.PAUSED

    def _look(self) -> Event:
        """Query the index once."""
        self.comparison = None
        if self.context.query_index is None:
            self.query_error = NetworkError("it is not read (--write-only)")
            return Event.WRITE_ONLY
        try:
            self.comparison = self.context.query_index(self.file)
        except ReleaseError as error:
            self.query_error = error
            return Event.UNREADABLE
        match self.comparison.result:
            case FileComparison.SAME:
                return Event.SAME
            case FileComparison.ABSENT:
                return Event.ABSENT
            case _:
                return Event.OTHER

    def _look_until_listed(self) -> Event:
        """Query the index; if the file is not listed, wait for the next query while the listing may lag."""
        context, answer = self.context, self.answer
        if self.event is not Event.NOT_YET:
            self.started_at, self.waited, self.pause = context.clock(), 0.0, _MIN_PAUSE
        event = self._look()
        if event not in (Event.ABSENT, Event.UNREADABLE) or answer.is_final or context.must_end():
            return event
        limit = min(context.listing_timeout, math.inf if self.may_be_stored else _FOREIGN_LISTING_TIMEOUT)
        remaining = limit - max(self.waited, context.clock() - self.started_at)
        if remaining <= 0:
            return event
        context.progress.debug(f"{self.file.filename}: {answer.summary}; the index does not list it yet")
        pause = min(self.pause, remaining)
        context.wait(pause)
        self.waited, self.pause = self.waited + pause, min(self.pause * 1.5, _MAX_PAUSE)
        return Event.NOT_YET

    # --- the results -----------------------------------------------------------------------------------

    def _end(self) -> UploadResult:
        """Return the result for the state in which the upload ended."""
        match self.state:
            case State.NOT_TRIED:
                return self._result(FileStatus.NOT_TRIED)
            case State.LOCAL_ERROR:
                return self._result(FileStatus.FAILED, self.local_error)
            case State.ACCEPTED:
                return self._result(FileStatus.UPLOADED)
            case State.FOUND | State.SKIPPED:
                return self._found(self.answer)
            case State.CONFLICT if self.comparison:
                return self._result(FileStatus.CONFLICT, conflict_error(self.comparison))
            case State.NOT_SENT | State.REFUSED | State.REFUSED_UNREAD:
                return self._refused(self.answer)
            case _:
                return self._result(FileStatus.UNKNOWN, self._unknown_error(self.answer))

    def _found(self, answer: UploadResponse) -> UploadResult:
        """Return the result if the index has the file, although it did not accept the last upload."""
        if self.state is State.SKIPPED:
            self.context.progress.debug(f"{self.file.filename}: {answer.summary}; the index has these bytes")
            return self._result(FileStatus.SKIPPED)
        if 400 <= answer.status < 500 and answer.kind is not ResponseKind.RETRY:
            self.context.progress.info(f"{self.file.filename}: uploaded (the first answer was lost)")
        else:
            self.context.progress.debug(f"{self.file.filename}: {answer.summary}; but the index has the file")
        return self._result(FileStatus.UPLOADED)

    def _refused(self, answer: UploadResponse) -> UploadResult:
        """Return the result if the index does not have the file: only its words are certain."""
        error = self._add_attempts(answer.to_error(self.file.filename))
        if self.state is State.REFUSED_UNREAD:
            error = error.with_details(f"cannot query the index for the file: {self._query_problem()}")
        is_rejection = answer.kind is not ResponseKind.RETRY and isinstance(error, FileError | ConflictError)
        return self._result(FileStatus.REJECTED if is_rejection else FileStatus.FAILED, error)

    def _unknown_error(self, answer: UploadResponse) -> ReleaseError:
        """Return the error if nothing shows whether the index has the file, and what to do next."""
        error = self.local_error or answer.to_error(self.file.filename)
        if self.context.query_index is None:
            unread = error.with_details(
                message=f"{error.message}; the index may have the file, and is not read (--write-only)",
                hint=_WRITE_ONLY_HINT,
            )
            return self._add_attempts(unread)
        if self.state is State.UNKNOWN_UNREAD:
            message = f"{error.message}; cannot query the index for the file: {self._query_problem()}"
            return NetworkError(message)
        if not self.may_be_stored:
            message = f"{error.message}; its page does not show the file"
            return self._add_attempts(error.with_details(message=message, hint=_UNLISTED_HINT))
        is_about_file = isinstance(error, FileError | ConflictError) and not answer.is_final
        if is_about_file and not self.local_error:
            # That it exists, or that it is refused, may be due to the upload without an answer.
            return DeadlineError(
                f"{error.message}; an earlier upload of it got no answer, and the index did not list the "
                f"file within {format_duration(self.context.listing_timeout)}",
                hint="The index may have stored this file: run the same command again to look for it.",
            )
        message = f"{error.message}; the index does not list the file, and may have stored it"
        return self._add_attempts(error.with_details(message=message))

    def _query_problem(self) -> str:
        return self.query_error.message if self.query_error else ""

    def _add_attempts(self, error: ReleaseError) -> ReleaseError:
        if self.attempts < 2:
            return error
        return error.with_details(f"attempted {format_count(self.attempts, 'time')}")

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
_WRITE_ONLY_HINT = (
    "Look for the file and its hash on the pages of the index. If it is not there, run the same command "
    "again, which sends it again: an index that has the name rejects it or overwrites it."
)


#: Web applications answer a form that they stored with one of these, which lead a browser to the next page.
_STATUSES_AFTER_A_FORM = frozenset({302, 303})


def _nothing_arrived(answer: UploadResponse) -> bool:
    """Return whether the index cannot have seen the file: without a trusted connection, or elsewhere."""
    is_elsewhere = 300 <= answer.status < 400 and answer.status not in _STATUSES_AFTER_A_FORM
    return answer.kind is ResponseKind.REJECTED and (answer.status == 0 or is_elsewhere)


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

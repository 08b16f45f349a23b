"""A release posted file by file: in which order, what is tried again, and what it adds up to in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from wheel_uploader import names, retry
from wheel_uploader.answer_rules import Kind
from wheel_uploader.answers import Answer
from wheel_uploader.display import printable
from wheel_uploader.errors import (
    ConflictError,
    HttpStatus,
    NetworkError,
    PartialError,
    ReleaseError,
    worst,
)
from wheel_uploader.models import (
    FileState,
    IndexState,
    LocalFile,
    UploadOutcome,
    UploadResult,
    WheelName,
)
from wheel_uploader.progress import Progress


class Poster(Protocol):
    """What sends one file to the index."""

    def credentials(self) -> tuple[str, str] | None:
        """User name and password, asked for once; None for an index that asks nobody."""
        ...

    def post(self, file: LocalFile) -> Answer:
        """One attempt. Raises a ReleaseError for what is wrong on this side. Any thread may call this."""
        ...


def upload_all(
    states: Sequence[IndexState],
    poster: Poster,
    index_state_of: Callable[[LocalFile], IndexState],
    *,
    progress: Progress,
    jobs: int = 1,
    keep_going: bool = False,
    retries: int = 6,
    served: Iterable[str] = (),
    sleep: Callable[[float], object] | None = None,
) -> tuple[UploadResult, ...]:
    """Post every file that is absent; one result for each state, in the order of ``states``.

    The first file goes alone: it makes the release, and shows whether the index takes anything at all. Then
    ``jobs`` wheels at once, the sdist last. The first refusal ends it, unless ``keep_going``. ``served``:
    the file names that the index has of this project, which tell the usual tags from the new.

    Raises CredentialsError before anything is posted; what servers answer is in the results.
    """
    absent = [state.file for state in states if state.state is FileState.ABSENT]
    run = _Run(poster, index_state_of, progress, keep_going, retries, sleep)
    results = {state.file.filename: _known(state) for state in states if state.state is not FileState.ABSENT}
    if any(result.error for result in results.values()) and not keep_going:
        run.stop.set()
    elif absent:
        # In this thread, before the others: it may have to ask the person.
        poster.credentials()
    ordered = in_order(absent, served)
    wheels = [file for file in ordered[1:] if isinstance(file.name, WheelName)]
    rest = [file for file in ordered[1:] if file not in wheels]
    size = sum(file.size for file in absent)
    with progress.total("upload", files=len(absent), size=size), ThreadPoolExecutor(max(jobs, 1)) as pool:
        try:
            for batch in (ordered[:1], wheels, rest):
                for result in pool.map(run.publish, batch):
                    results[result.file.filename] = result
        except BaseException:
            run.stop.set()
            run.hurry.set()
            raise
    return tuple(results[state.file.filename] for state in states)


def _known(state: IndexState) -> UploadResult:
    """The result for a file that is not posted, because of what the index has."""
    if state.state is FileState.SAME:
        return UploadResult(file=state.file, outcome=UploadOutcome.ALREADY_THERE)
    error = _conflict(state)
    return UploadResult(file=state.file, outcome=UploadOutcome.REJECTED, reason=error.message, error=error)


def in_order(files: Iterable[LocalFile], served: Iterable[str] = ()) -> list[LocalFile]:
    """First what may well be refused: a platform new to the project, a large file; sdists last."""
    usual: set[str] = set()
    for filename in served:
        try:
            name = names.parse(filename)
        except names.NameRefused:
            continue
        usual.update(name.platforms if isinstance(name, WheelName) else ())

    def rank(file: LocalFile) -> tuple[bool, bool, int, str]:
        platforms = file.name.platforms if isinstance(file.name, WheelName) else ()
        new = bool(usual) and not usual.issuperset(platforms)
        return not isinstance(file.name, WheelName), not new, -file.size, file.filename

    return sorted(files, key=rank)


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of upload_all: what its threads share."""

    poster: Poster
    index_state_of: Callable[[LocalFile], IndexState]
    progress: Progress
    keep_going: bool
    retries: int
    sleep: Callable[[float], object] | None
    #: No other file is begun; no pause is waited for any more.
    stop: threading.Event = field(default_factory=threading.Event)
    hurry: threading.Event = field(default_factory=threading.Event)

    def publish(self, file: LocalFile) -> UploadResult:
        """Post one file, unless the run has stopped; afterwards it may have."""
        if self.stop.is_set():
            return UploadResult(file=file, outcome=UploadOutcome.NOT_TRIED)
        result = _File(file, self).publish()
        if result.error and not self.keep_going:
            self.stop.set()
        return result

    def wait(self, seconds: float) -> None:
        (self.sleep or self.hurry.wait)(seconds)


@dataclass(slots=True)
class _File:
    """One file on its way: after every unclear answer the index is asked before it is posted again."""

    file: LocalFile
    run: _Run
    posts: int = 0
    #: Why the index could not be asked.
    trouble: ReleaseError | None = None

    def publish(self) -> UploadResult:
        try:
            answer = self._post()
            for attempt in range(2, self.run.retries + 1):
                if not self._is_unclear(answer):
                    break
                self._pause(answer, attempt)
                if self.run.hurry.is_set():
                    break
                seen = self._look()
                if seen is None:
                    continue
                if seen.state is not FileState.ABSENT:
                    return self._settled(seen, answer)
                answer = self._post()
        except ReleaseError as error:
            return self._result(UploadOutcome.REJECTED, error)
        return self._end(answer)

    def _post(self) -> Answer:
        answer = self.run.poster.post(self.file)
        self.posts += 1
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
            return self.run.index_state_of(self.file)
        except ReleaseError as error:
            self.trouble = error
            return None

    def _settled(self, seen: IndexState, answer: Answer) -> UploadResult:
        """The result when the index has something under this name, or these bytes."""
        if seen.state is not FileState.SAME:
            return self._result(UploadOutcome.REJECTED, _conflict(seen))
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
        if seen.state is FileState.ABSENT:
            return self._result(UploadOutcome.REJECTED, error)
        return self._settled(seen, answer)

    def _result(self, outcome: UploadOutcome, error: ReleaseError | None = None) -> UploadResult:
        return UploadResult(
            file=self.file,
            outcome=outcome,
            reason=error.message if error else "",
            attempts=self.posts,
            error=error,
        )


def _conflict(state: IndexState) -> ConflictError:
    name = state.file.filename
    if state.state is FileState.SAME_BYTES_OTHER_NAME:
        return ConflictError(
            f"{name}: the index has the same bytes under the name {printable(state.other_name)}"
        )
    return ConflictError(
        f"{name}: the index has other bytes under this name: ours have sha256 {state.file.sha256}, "
        f"those of the index {state.index_sha256}"
    )


# --- what it adds up to ----------------------------------------------------------------------------

_INSIDE = (UploadOutcome.UPLOADED, UploadOutcome.ALREADY_THERE)


def verdict(results: Sequence[UploadResult]) -> ReleaseError | None:
    """How a run with these results ends: None when all is well, PartialError when some files are in."""
    errors = [result.error for result in results if result.error]
    if not errors:
        return None
    cause = worst(errors)
    inside = [result for result in results if result.outcome in _INSIDE]
    if not inside:
        others = [error.message for error in errors if error is not cause]
        cause.details = (*cause.details, *others)
        return cause
    # Where only the network was to blame, the same command is all that it takes.
    hint = None if isinstance(cause, NetworkError) else f"{cause.hint} The same command then continues."
    return PartialError(
        f"{len(inside)} of {len(results)} files are on the index, {len(results) - len(inside)} are not: "
        f"{cause.message}",
        hint=hint,
        details=[_line(result) for result in results],
    )


def _line(result: UploadResult) -> str:
    if result.outcome in _INSIDE:
        return f"in: {result.file.filename}"
    if result.outcome is UploadOutcome.UNKNOWN:
        return f"unknown: {result.reason}"
    return f"not in: {result.reason or f'{result.file.filename}: not tried'}"

"""A release posted file by file: in which order, what is tried again, and what it adds up to in the end."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wheel_uploader import names
from wheel_uploader.display import counted, printable
from wheel_uploader.errors import DeadlineError, Interrupted, NetworkError, PartialError, ReleaseError, worst
from wheel_uploader.models import FileState, IndexState, LocalFile, UploadOutcome, UploadResult, WheelName
from wheel_uploader.progress import Progress
from wheel_uploader.publish.answer_rules import Kind
from wheel_uploader.publish.answers import Answer
from wheel_uploader.publish.attempts import Attempts, Poster, Shared, conflict
from wheel_uploader.publish.pace import LIMIT, Pace
from wheel_uploader.stopping import Watch

__all__ = ["Poster", "in_order", "upload_all", "verdict"]

#: Seconds between two looks whether the run has to end: no signal wakes a thread that waits.
_LOOK = 0.1


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
    watch: Watch | None = None,
    sleep: Callable[[float], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[UploadResult, ...]:
    """Post every file that is absent; one result for each state, in the order of ``states``.

    The first file goes alone: it makes the release, and shows whether the index takes anything at all, and
    how fast. Then up to ``jobs`` wheels at once, the sdist last. The first refusal ends it, unless
    ``keep_going``. ``served``: the file names that the index has of this project, which tell the usual tags
    from the new. When ``watch`` says so it ends early: what is in flight gets the time that is left.

    Raises CredentialsError before anything is posted; all that happens afterwards is in the results.
    """
    absent = [state.file for state in states if state.state is FileState.ABSENT]
    results = {state.file.filename: _known(state) for state in states if state.state is not FileState.ABSENT}
    blocked = any(result.error for result in results.values()) and not keep_going
    if absent and not blocked:
        # In this thread, before the others: it may have to ask the person.
        poster.credentials()
        crew = _Crew(
            poster=poster,
            look=index_state_of,
            progress=progress,
            keep_going=keep_going,
            retries=retries,
            pace=Pace(jobs),
            watch=watch or Watch(),
            sleep=sleep,
            clock=clock,
        )
        with progress.total("upload", files=len(absent), size=sum(file.size for file in absent)):
            results |= crew.publish(in_order(absent, served))
    untried = UploadOutcome.NOT_TRIED
    return tuple(
        results.get(state.file.filename) or UploadResult(file=state.file, outcome=untried) for state in states
    )


def _known(state: IndexState) -> UploadResult:
    """The result for a file that is not posted, because of what the index has."""
    if state.state is FileState.SAME:
        return UploadResult(file=state.file, outcome=UploadOutcome.ALREADY_THERE)
    error = conflict(state)
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


@dataclass(slots=True, kw_only=True)
class _Crew:
    """One call of upload_all: a thread for each file on its way, and what they share."""

    poster: Poster
    look: Callable[[LocalFile], IndexState]
    progress: Progress
    keep_going: bool
    retries: int
    pace: Pace
    watch: Watch
    sleep: Callable[[float], object] | None
    clock: Callable[[], float]
    results: dict[str, UploadResult] = field(default_factory=dict)
    #: Files on their way; and those of them that are being sent, not waiting for their next attempt.
    flying: dict[str, LocalFile] = field(default_factory=dict)
    sending: dict[str, LocalFile] = field(default_factory=dict)
    #: Held for everything above that changes; told when a file has arrived.
    changed: threading.Condition = field(default_factory=threading.Condition)
    #: No other file is begun; no pause is waited for any more.
    stop: threading.Event = field(default_factory=threading.Event)
    hurry: threading.Event = field(default_factory=threading.Event)

    def publish(self, ordered: Sequence[LocalFile]) -> dict[str, UploadResult]:
        """Post the files in this order; the results of those that were begun, by name."""
        wheels = [file for file in ordered[1:] if isinstance(file.name, WheelName)]
        sdists = [file for file in ordered[1:] if file not in wheels]
        for batch in (ordered[:1], wheels, sdists):
            self._work_off(batch)
        with self.changed:
            return {name: _left_behind(file) for name, file in self.flying.items()} | self.results

    def _work_off(self, files: Sequence[LocalFile]) -> None:
        """Have the files posted; back when they are done, or when nobody may wait for them any longer."""
        todo = deque(files)
        with self.changed:
            while (todo or self.flying) and not self._is_over():
                while todo and not self.stop.is_set() and self._has_room(todo[0], self.flying):
                    self._begin(todo.popleft())
                if not self.flying:
                    return
                self.changed.wait(_LOOK)

    def _is_over(self) -> bool:
        """Whether to wait for nothing any more."""
        if self.watch.error is None:
            return False
        if not self.hurry.is_set():
            self.stop.set()
            self.hurry.set()
            if self.flying:
                self.progress.say(
                    f"{self.watch.error.message}: nothing new is begun; waiting {self.watch.left():.0f} s at "
                    f"most for {', '.join(self.flying)}; a second Ctrl-C ends at once"
                )
        return self.watch.left() <= 0

    def _has_room(self, file: LocalFile, others: Mapping[str, LocalFile]) -> bool:
        largest = max([file.size, *(each.size for each in others.values())])
        return not others or len(others) < self.pace.streams(largest)

    def _begin(self, file: LocalFile) -> None:
        if self.pace.too_long(file.size):
            self.progress.say(
                f"{file.filename} needs {self.pace.needs(file.size):.0f} s at the speed of this line; PyPI "
                f"stops an upload after {LIMIT:.0f} s"
            )
        self.flying[file.filename] = file
        # A daemon: one that hangs must not keep a process from ending that was told to twice.
        threading.Thread(target=self._fly, args=[file], name=f"upload-{file.filename}", daemon=True).start()

    def _fly(self, file: LocalFile) -> None:
        """One file, in a thread of its own, from its first post to its result."""
        shared = Shared(
            post=self._post,
            look=self.look,
            wait=self.sleep or self.hurry.wait,
            hurried=self.hurry.is_set,
            retries=self.retries,
            progress=self.progress,
        )
        try:
            result = Attempts(file, shared).publish()
        except BaseException as bug:  # noqa: BLE001 - what became of the other files has to be told all the same
            result = _crashed(file, bug)
        with self.changed:
            self.results[file.filename] = result
            del self.flying[file.filename]
            if result.error and not self.keep_going:
                self.stop.set()
            self.changed.notify_all()

    def _post(self, file: LocalFile) -> Answer | None:
        """One attempt, from which the pace is learnt; None when the run had to end before its turn came."""
        with self.changed:
            while not self.hurry.is_set() and not self._has_room(file, self.sending):
                self.changed.wait(_LOOK)
            if self.hurry.is_set():
                return None
            self.sending[file.filename] = file
            streams, begun = len(self.sending), self.clock()
        try:
            answer = self.poster.post(file)
        finally:
            with self.changed:
                least, most = sorted((streams, len(self.sending)))
                seconds = self.clock() - begun
                del self.sending[file.filename]
                self.changed.notify_all()
        with self.changed:
            if answer.kind is Kind.ACCEPTED:
                self.pace.measured(file.size, seconds, least)
            elif answer.kind is Kind.RETRY and most > 1:
                self.pace.troubled(most)
        if answer.kind is Kind.RETRY and seconds >= LIMIT:
            return replace(answer, hint=_TOO_SLOW)
        return answer


_TOO_SLOW = (
    f"An index that stops uploads after {LIMIT:.0f} s, as PyPI does, never gets this file over this line: "
    "run the same command where the line is faster."
)


def _left_behind(file: LocalFile) -> UploadResult:
    error = NetworkError(
        f"{file.filename}: it was on its way when the run ended; the index may have it or not"
    )
    return UploadResult(
        file=file, outcome=UploadOutcome.UNKNOWN, reason=error.message, attempts=1, error=error
    )


def _crashed(file: LocalFile, bug: BaseException) -> UploadResult:
    """The result of a file whose thread met what nobody expected."""
    where = traceback.extract_tb(bug.__traceback__)[-1]
    error = ReleaseError(
        f"{file.filename}: unexpected {type(bug).__name__}: {printable(str(bug))}; the index may have it or "
        "not",
        details=[f"at line {where.lineno} of {printable(where.filename)}, in {where.name}"],
    )
    return UploadResult(file=file, outcome=UploadOutcome.UNKNOWN, reason=error.message, error=error)


# --- what it adds up to ----------------------------------------------------------------------------

_INSIDE = (UploadOutcome.UPLOADED, UploadOutcome.ALREADY_THERE)


def verdict(results: Sequence[UploadResult], stopped: ReleaseError | None = None) -> ReleaseError | None:
    """How a run with these results ends: None when all is well, PartialError when some files are in.

    ``stopped``: why it had to end early, if it had to.
    """
    errors = [result.error for result in results if result.error]
    if not errors and not stopped:
        return None
    cause = worst([*errors, stopped] if stopped else errors)
    inside = sum(result.outcome in _INSIDE for result in results)
    lines = [_line(result) for result in results]
    count = _count(results, inside)
    if cause is stopped and (isinstance(stopped, Interrupted) or inside in (0, len(results))):
        return _told(stopped, f"{stopped.message}: {count}", lines)
    if not inside:
        return _told(cause, cause.message, [error.message for error in errors if error is not cause])
    # Where only the network or the time was to blame, the same command is all that it takes.
    passing = isinstance(cause, NetworkError | DeadlineError)
    hint = None if passing else f"{cause.hint} The same command then continues."
    return PartialError(f"{count}: {cause.message}", hint=hint, details=lines)


def _count(results: Sequence[UploadResult], inside: int) -> str:
    unknown = sum(result.outcome is UploadOutcome.UNKNOWN for result in results)
    outside = len(results) - inside - unknown
    unclear = f", {unknown} may be" if unknown else ""
    return f"{inside} of {counted(len(results), 'file')} are on the index, {outside} are not{unclear}"


def _told(error: ReleaseError, message: str, details: Sequence[str]) -> ReleaseError:
    error.message, error.args = message, (message,)
    error.details = (*error.details, *details)
    return error


def _line(result: UploadResult) -> str:
    if result.outcome in _INSIDE:
        return f"in: {result.file.filename}"
    if result.outcome is UploadOutcome.UNKNOWN:
        return f"unknown: {result.reason}"
    return f"not in: {result.reason or f'{result.file.filename}: not tried'}"

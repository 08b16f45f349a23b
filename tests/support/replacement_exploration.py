"""Explores the replacement of one file: every sequence of events up to a length, with the program's own code.

A sequence says what happens at each choice: how the target answers each step, and whether the run is killed.
The real FileReplacement and FileUpload run against a target in memory; the saved bytes survive a kill. After
the sequence nothing works any more, or all is well; then the same command runs again, and all is well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.testing.indexes import VirtualTime
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.models import FileComparison, FileStatus, IndexComparison, LocalFile, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload.file_replacement import FileReplacement, OldFile
from wheel_uploader.upload.file_upload import UploadContext
from wheel_uploader.upload.response import UploadResponse, classify_response, missing_response
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.upload.upload_states import REPLACE_TRANSITIONS, ReplaceEvent, ReplaceState

Table = Mapping[ReplaceState, Mapping[ReplaceEvent, ReplaceState]]

NOTHING, OLD, NEW, OTHER = "", "a" * 64, "b" * 64, "c" * 64
LENGTH, MAX_CHOICES = 7, 300
_NAME = filenames.parse_filename("demo-1.0.dev0-py3-none-any.whl")
FILE = LocalFile(name=_NAME, path=Path("new"), size=1, sha256=NEW)
SAVED = LocalFile(name=_NAME, path=Path("saved"), size=1, sha256=OLD)
_LOST = missing_response("the connection broke before the response")
_FULL = UploadResponse(
    kind=ResponseKind.REJECTED, status=402, diagnosis="the account is full", error_type=FileError
)
_TAKEN = classify_response(409, "the file already exists")
#: The changes that other jobs make just before a look.
_OTHER_JOBS = {"other bytes": OTHER, "our bytes": NEW, "old bytes": OLD}
#: The choices after the sequence, in order of preference: all is well, nothing works, and no change is made.
TAILS = (("done", "fresh"), ("lost", "unreadable", "full"), ("lost", "fresh"))


class Undecided(BaseException):
    """The sequence ends before the path does."""

    def __init__(self, options: Sequence[str]) -> None:
        self.options = options


class Killed(BaseException):
    """SIGKILL: only the target and the saved bytes keep their state."""


class Violation(BaseException):
    """A property does not hold."""


@dataclass(slots=True)
class ReplacementPath:
    """One path: the target, the saved bytes and the earlier events."""

    sequence: Sequence[str]
    table: Table
    tail: Sequence[str] = ()
    served: str = OLD
    is_saved: bool = False
    was_gone: bool = False
    refused: bool = False
    must_end: bool = False
    is_read: bool = False
    choices: int = 0
    time: VirtualTime = field(default_factory=VirtualTime)

    def follow(self) -> str:
        """Run the command, and again while all is well; return how the first run ended."""
        try:
            ended = self._run()
        except Killed:
            ended = "killed"
        self.sequence, self.tail, self.choices = (), TAILS[0], 0
        self.refused = self.must_end = False
        if self.served != OTHER and ended != "conflict":
            self._run()
            if self.served != NEW:
                raise Violation("the same command does not repair it")
        return ended

    def _run(self) -> str:
        context = UploadContext(
            upload=self._upload,
            query_index=self._look,
            wait=self._wait,
            must_end=lambda: self.must_end,
            retries=2,
            progress=SilentProgress(),
            listing_timeout=2.0,
            clock=self.time.clock,
        )
        result = FileReplacement(
            file=FILE,
            replacer=self,
            context=context,
            upload=self._upload,
            table=self.table,
            sleep=self.time.sleep,
        ).run()
        self._check(result)
        return str(result.outcome)

    def _check(self, result: UploadResult) -> None:
        is_success = result.outcome in (FileStatus.UPLOADED, FileStatus.SKIPPED)
        is_certain = "not served at present" in result.reason
        says_absent = is_certain or "nothing shows that" in result.reason
        if result.outcome is FileStatus.NOT_TRIED:
            return
        if is_success == bool(result.error):
            raise Violation(f"{result.outcome} with the error {result.error}")
        if is_success and not self.is_read:
            return  # The confirmation of the run asks again.
        if is_success and self.served != NEW:
            raise Violation("success, and the new bytes are not served")
        if self.served == NOTHING and not says_absent and result.outcome is not FileStatus.CONFLICT:
            raise Violation("the name is absent, and the run does not say so")
        if is_certain and self.served != NOTHING:
            raise Violation("the name is served, and the run says that it is not")
        if says_absent and self.is_saved != ("saved as" in result.reason):
            raise Violation("the place of the saved bytes is not told")

    def _wait(self, seconds: float) -> None:
        self.time.sleep(seconds)
        if not self.must_end:
            self.must_end = self._choose("fresh", "signal") == "signal"

    def _choose(self, *options: str) -> str:
        position, self.choices = self.choices, self.choices + 1
        if position < len(self.sequence):
            choice = self.sequence[position]
        elif self.choices > MAX_CHOICES:
            raise Violation("the path does not end")
        elif self.tail:
            choice = next((each for each in self.tail if each in options), options[0])
        else:
            raise Undecided((*options, "killed"))
        if choice == "killed":
            raise Killed
        return choice

    # --- the target, as a Replacer ---

    def find_saved(self, _file: LocalFile) -> OldFile | None:
        return OldFile(sha256=OLD, saved=SAVED) if self.is_saved else None

    def find_others(self, _files: Sequence[LocalFile]) -> list[LocalFile]:
        return []

    def save(self, _file: LocalFile) -> OldFile | None:
        choice = self._choose("done", "gone", "unreadable", "signal") if self.served == OLD else "done"
        self.must_end = self.must_end or choice == "signal"
        if choice == "unreadable":
            raise NetworkError("the old bytes cannot be fetched")
        if self.served in (NOTHING, OTHER):
            return None if self.served == NOTHING else OldFile(sha256=OTHER)
        if self.served == NEW:
            return OldFile(sha256=NEW)
        self.was_gone = choice == "gone"
        self.is_saved = not self.was_gone
        return OldFile(sha256=OLD, saved=SAVED if self.is_saved else None)

    def prepare(self, _file: LocalFile) -> UploadResponse:
        match self._choose("done", "taken", "lost", "full"):
            case "done":
                return classify_response(200)
            case "taken":
                return _TAKEN
            case "lost":
                return _LOST
            case _:
                self.refused = True
                return _FULL

    def remove(self, _file: LocalFile, old: OldFile) -> UploadResponse:
        if self.refused:
            raise Violation("removed although the target refuses the new file")
        if self.served == NOTHING:
            return classify_response(200)
        choice = self._choose("done", "lost", "lost, done", "full", "another party")
        if choice == "another party":
            self.served = OTHER
        if self.served != old.sha256:
            return UploadResponse(kind=ResponseKind.EXISTS, status=200, diagnosis="replaced by another job")
        if choice in ("done", "lost, done"):
            if not self.is_saved and not self.was_gone:
                raise Violation("removed before the bytes were saved")
            self.served = NOTHING
        return {"done": classify_response(200), "full": classify_response(403)}.get(choice, _LOST)

    def discard(self, _file: LocalFile) -> None:
        if self.served == NOTHING:
            raise Violation("the saved bytes of an absent name were discarded")
        self.is_saved = False

    def _upload(self, file: LocalFile) -> UploadResponse:
        if self.served != NOTHING:
            return _TAKEN
        match self._choose(
            "done", "lost", "lost, done", "full", "taken", "another party", "done, not stored"
        ):
            case "done":
                self.served = file.sha256
                return classify_response(200)
            case "lost, done":
                self.served = file.sha256
                return _LOST
            case "full":
                return _FULL
            case "taken":
                return _TAKEN
            case "another party":
                self.served = OTHER
                return _TAKEN
            case "done, not stored":
                return classify_response(200)
            case _:
                return _LOST

    def _look(self, file: LocalFile) -> IndexComparison:
        choice = self._choose("fresh", "unreadable", *_OTHER_JOBS)
        self.is_read = choice != "unreadable"
        if not self.is_read:
            raise NetworkError("the target did not answer")
        self.served = _OTHER_JOBS.get(choice, self.served)
        if self.served == NOTHING:
            return IndexComparison(file=file, result=FileComparison.ABSENT)
        result = FileComparison.SAME if self.served == file.sha256 else FileComparison.DIFFERENT
        return IndexComparison(file=file, result=result, index_sha256=self.served)


@dataclass(slots=True)
class ReplacementExploration:
    """All paths of one table, and the problems in them."""

    table: Table = field(default_factory=lambda: REPLACE_TRANSITIONS)
    length: int = LENGTH
    sequences: int = 0
    problems: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    edges: set[tuple[ReplaceState, ReplaceEvent]] = field(default_factory=set)

    def run(self) -> ReplacementExploration:
        """Follow every sequence until a problem is found."""
        self.table = {state: _Row(state, row, self.edges) for state, row in self.table.items()}
        self._count(())
        return self

    @property
    def summary(self) -> str:
        """The number of sequences."""
        return (
            f"replacement: {self.sequences} sequences of up to {self.length} events, "
            f"{len(self.problems)} problems"
        )

    def _count(self, sequence: tuple[str, ...]) -> None:
        if self.problems:
            return
        try:
            self._follow(sequence, ())
        except Undecided as undecided:
            if len(sequence) < self.length:
                for option in undecided.options:
                    self._count((*sequence, option))
                return
            for tail in TAILS:
                self._follow(sequence, tail)
        self.sequences += 1

    def _follow(self, sequence: tuple[str, ...], tail: Sequence[str]) -> None:
        path: Callable[[], str] = ReplacementPath(sequence, self.table, tail).follow
        try:
            self.outcomes[path()] += 1
        except Violation as violation:
            self.problems.append(f"{violation}: {' / '.join(sequence)}")
        except KeyError as missing:
            self.problems.append(f"the table lacks {missing}: {' / '.join(sequence)}")


class _Row(dict[ReplaceEvent, ReplaceState]):
    """A row of the table that records which transitions are used."""

    def __init__(
        self,
        state: ReplaceState,
        row: Mapping[ReplaceEvent, ReplaceState],
        edges: set[tuple[ReplaceState, ReplaceEvent]],
    ) -> None:
        super().__init__(row)
        self.state, self.edges = state, edges

    def __getitem__(self, event: ReplaceEvent) -> ReplaceState:
        self.edges.add((self.state, event))
        return super().__getitem__(event)

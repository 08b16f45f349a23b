"""Explores the upload of one file: every sequence of events up to a length, with the program's own code.

A sequence says what happens at each choice: what the index does with a POST and answers, whether a look at it
is current, and whether a signal or SIGKILL arrives. The real FileUpload, comparison and confirmation run on a
virtual clock and an index in memory. After the sequence, the rest happens in each of three ways: all is
well, nothing works any more, and nothing is ever listed.

Two prefixes that lead to the same situation are continued once; their sequences are counted both.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tools.testing.indexes import VirtualTime
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import DeadlineError, FileError, NetworkError, ReleaseError
from wheel_uploader.core.models import (
    FileComparison,
    FileStatus,
    IndexComparison,
    IndexFile,
    LocalFile,
    ProjectPage,
    UploadResult,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.index.client import IndexClient, compare_with_index
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.upload.file_upload import FileUpload, UploadContext
from wheel_uploader.upload.response import (
    UploadResponse,
    classify_response,
    missing_response,
    untrusted_certificate,
)
from wheel_uploader.upload.upload_states import TRANSITIONS, Event, State

Table = Mapping[State, Mapping[Event, State]]

#: Each state of the index: nothing, our bytes, others, or our bytes under another name.
NOTHING, OURS, OTHER, TWIN = "", "a" * 64, "b" * 64, "twin"
FILE = LocalFile(
    name=filenames.parse_filename("demo-1.0-py3-none-any.whl"), path=Path("demo"), size=1, sha256=OURS
)
_TWIN_NAME = "demo-1.0-1-py3-none-any.whl"
LENGTH, RETRIES, LISTING_TIMEOUT = 6, 3, 2.0
#: The maximum number of choices of one path, far above those of any that ends.
MAX_CHOICES = 200


@dataclass(frozen=True, slots=True)
class Post:
    """One way in which a POST may end."""

    #: The answer; None: the run is killed.
    answer: UploadResponse | ReleaseError | None
    #: The hash that the index has afterwards; empty: as before.
    stores: str = ""
    #: The POST ends like this only if the index has these files before it.
    needs: frozenset[str] = frozenset({NOTHING, OURS, OTHER, TWIN})
    is_signal: bool = False


_EXISTING, _FREE = frozenset({OURS, OTHER, TWIN}), frozenset({NOTHING, OURS})
_BUSY = classify_response(503)
POSTS: Mapping[str, Post] = {
    "200": Post(classify_response(200), OURS, _FREE),
    "200, overwrites": Post(classify_response(200), OURS, frozenset({OTHER, TWIN})),
    "200, not stored": Post(classify_response(200)),
    "sign-in page": Post(classify_response(200, body="<title>Sign in</title><form></form>")),
    "reply lost, not stored": Post(missing_response("the connection broke before the response")),
    "reply lost, stored": Post(missing_response("the connection broke before the response"), OURS, _FREE),
    "reset in the body": Post(missing_response("the connection was reset", is_incomplete=True)),
    "503, not stored": Post(_BUSY),
    "503, stored": Post(_BUSY, OURS, _FREE),
    "503, another party stores": Post(_BUSY, OTHER, frozenset({NOTHING})),
    "503, another party stores our bytes": Post(_BUSY, TWIN, frozenset({NOTHING})),
    "429": Post(classify_response(429)),
    "507": Post(classify_response(507)),
    "200, a page with a form": Post(classify_response(200, body="<html><form></form></html>"), OURS, _FREE),
    "503, retry in a day": Post(classify_response(503, headers={"Retry-After": "86400"})),
    "400 exists, final": Post(
        # PyPI accepts the same bytes again.
        classify_response(400, "File already exists ('x', with blake2_256 hash 'ab')."),
        needs=frozenset({OTHER, TWIN}),
    ),
    "409 exists": Post(classify_response(409, "The feed already contains the file."), needs=_EXISTING),
    "409 exists, another party's": Post(classify_response(409), OTHER, frozenset({NOTHING})),
    "400 about the file": Post(classify_response(400, "'x' is not a valid classifier.")),
    "400 in unknown words": Post(classify_response(400, "Datei ist bereits vorhanden")),
    "403": Post(classify_response(403, "no permission to submit")),
    "301": Post(classify_response(301, headers={"Location": "/elsewhere"})),
    "TLS": Post(untrusted_certificate("self-signed certificate")),
    "error on this side": Post(FileError("the file changed")),
    "signal before": Post(None, is_signal=True),
    "signal during, reply lost, stored": Post(missing_response("broke"), OURS, _FREE, is_signal=True),
    "killed, not stored": Post(None),
    "killed, stored": Post(None, OURS, _FREE),
}
#: Beginnings of the names of POSTs that leave open whether the file was stored.
_UNCLEAR = ("reply lost", "503", "507", "200, a page", "signal during")
LOOKS = ("fresh", "stale", "unreadable", "signal", "killed")
WAITS = ("all of it", "signal", "killed")
#: The choices after the sequence, in order of preference: all is well, nothing works, nothing is ever listed.
TAILS = (
    ("200", "200, overwrites", "fresh", "all of it"),
    ("503, not stored", "unreadable", "all of it"),
    ("reply lost, stored", "503, not stored", "stale", "fresh", "all of it"),
)


class Undecided(BaseException):
    """The sequence ends before the path does."""

    def __init__(self, options: Sequence[str], situation: Hashable) -> None:
        self.options, self.situation = options, situation


class Killed(BaseException):
    """SIGKILL: only the index keeps its state."""


class Violation(BaseException):
    """A property does not hold."""


@dataclass(slots=True)
class UploadPath:
    """One path: the index, the clock and the earlier events, over all runs of the command."""

    sequence: Sequence[str]
    table: Table
    reads: bool = True
    #: Choices after the sequence; empty: raise Undecided.
    tail: Sequence[str] = ()
    upload_class: Callable[..., FileUpload] = FileUpload
    #: True: the index never overwrites a file, so that ``--write-only`` may repeat an unclear POST.
    repeats: bool = False
    stored: str = ""
    time: VirtualTime = field(default_factory=VirtualTime)
    choices: int = 0
    #: True after a POST until the next look that showed what the index lists.
    is_unseen: bool = False
    # Of the current run.
    must_end: bool = False
    seen_same: bool = False
    conflict: str = ""
    accepted: bool = False
    #: True after a POST that leaves open whether the file was stored, and after one that ends the doubt.
    in_doubt: bool = False
    is_settled: bool = False
    stage: str = ""
    upload: FileUpload | None = None
    stage_started: float = 0.0

    def follow(self) -> str:
        """Run the command, again after each kill, until it ends; return how the last run ended."""
        while True:
            try:
                return self._run()
            except Killed:
                self.must_end = self.seen_same = self.accepted = self.in_doubt = self.is_settled = False
                self.conflict, self.upload = "", None

    # --- the run, as the pipeline does it ---

    def _run(self) -> str:
        self.stage = "plan"
        if self.choices and self.reads:
            try:
                planned = self._look(FILE)
            except NetworkError:
                return "index not read"
            if planned.result is not FileComparison.ABSENT:
                same = planned.result is FileComparison.SAME
                return self._confirm(FileStatus.SKIPPED) if same else "conflict"
        self.stage = "upload"
        context = UploadContext(
            upload=self._post,
            query_index=self._look if self.reads else None,
            wait=self._wait,
            must_end=lambda: self.must_end,
            retries=RETRIES,
            progress=SilentProgress(),
            listing_timeout=LISTING_TIMEOUT,
            repeats_are_safe=self.repeats,
            clock=self.time.clock,
        )
        self.upload = self.upload_class(FILE, context, table=self.table)
        result = self.upload.run()
        self.upload = None
        self._check_result(result)
        if result.error or result.outcome is FileStatus.NOT_TRIED:
            return str(result.outcome)
        return self._confirm(result.outcome)

    def _check_result(self, result: UploadResult) -> None:
        is_success = result.outcome in (FileStatus.UPLOADED, FileStatus.SKIPPED)
        if is_success and not self.seen_same and not self.accepted:
            raise Violation(f"{result.outcome} without the hash of the index")
        if result.outcome is not FileStatus.NOT_TRIED and is_success == bool(result.error):
            raise Violation(f"{result.outcome} with the error {result.error}")
        if result.outcome is FileStatus.CONFLICT and not self.conflict.startswith("the index has"):
            raise Violation("a conflict that the index does not show")
        is_certain = self.is_settled or not self.in_doubt
        denies = result.outcome in (FileStatus.FAILED, FileStatus.REJECTED, FileStatus.NOT_TRIED)
        if denies and not is_certain:
            raise Violation(f"{result.outcome}, and a POST may have stored the file")
        if is_certain and not self.conflict and result.outcome is FileStatus.UNKNOWN:
            raise Violation("unknown, and nothing can have been stored")
        if result.outcome is FileStatus.UNKNOWN and not (result.error and result.error.hint):
            raise Violation("unknown, and nothing says what to do next")

    def _confirm(self, outcome: FileStatus) -> str:
        self.stage, self.seen_same, self.stage_started = "confirm", False, self.time.now
        if not self.reads:
            return "uploaded, not confirmed"
        if self.must_end:
            return "interrupted"
        try:
            confirm_files(
                cast(IndexClient, self),
                "demo",
                [FILE],
                timeout=LISTING_TIMEOUT,
                progress=SilentProgress(),
                sleep=self._wait_to_confirm,
                clock=self.time.clock,
            )
        except ReleaseError as error:
            return type(error).__name__
        if not self.seen_same:
            raise Violation("success without the hash of the index")
        return f"success, {outcome}"

    # --- what may happen ---

    def _choose(self, options: Sequence[str]) -> str:
        position, self.choices = self.choices, self.choices + 1
        if position < len(self.sequence):
            return self.sequence[position]
        if self.choices > MAX_CHOICES:
            raise Violation("the path does not end")
        for choice in self.tail:
            if choice in options:
                return choice
        if self.tail:
            return options[0]
        raise Undecided(options, self._situation(tuple(options)))

    def _situation(self, options: tuple[str, ...]) -> Hashable:
        """Return everything that decides what can still happen."""
        upload = self.upload
        details: Hashable = ()
        if upload:
            details = (upload.state, upload.event, upload.turn, upload.may_be_stored, upload.answer)
            if upload.event is Event.NOT_YET:
                details = (*details, upload.waited, upload.pause, self.time.now - upload.started_at)
        if self.stage == "confirm":
            details = self.time.now - self.stage_started
        doubt = (self.in_doubt, self.is_settled)
        run = (self.must_end, self.seen_same, self.conflict, self.accepted, self.stage, doubt)
        return (options, details, run, self.stored, self.is_unseen, self.choices > 1)

    def _post(self, _: LocalFile) -> UploadResponse | None:
        if self.is_unseen and self.reads:
            raise Violation("posted again without a look")
        if self.in_doubt and not self.reads and not self.repeats:
            raise Violation("posted again, although the file may be stored and cannot be looked for")
        if self.conflict:
            raise Violation(f"posted again after a conflict: {self.conflict}")
        if self.must_end:
            return None
        name = self._choose([name for name, post in POSTS.items() if self.stored in post.needs])
        post = POSTS[name]
        self.stored = post.stores or self.stored
        self.must_end |= post.is_signal
        if post.answer is None and post.is_signal:
            return None
        self.is_unseen, self.accepted = True, False
        self.in_doubt |= name.startswith(_UNCLEAR)
        self.is_settled = name == "400 exists, final"
        if post.answer is None:
            raise Killed
        if isinstance(post.answer, ReleaseError):
            raise post.answer
        self.accepted = name.startswith("200")
        self.conflict = name if "exists" in name else ""
        return post.answer

    def _wait(self, seconds: float) -> None:
        self.time.sleep(0 if self.must_end else seconds)
        if self.must_end:
            return
        choice = self._choose(WAITS)
        if choice == "killed":
            raise Killed
        self.must_end = choice == "signal"

    def _wait_to_confirm(self, seconds: float) -> None:
        self._wait(seconds)
        if self.must_end:
            raise DeadlineError("the run was interrupted")

    def _look(self, file: LocalFile) -> IndexComparison:
        comparison = compare_with_index(self.fetch_project("demo"), [file], self.get_sha256)[0]
        if comparison.result not in (FileComparison.ABSENT, FileComparison.SAME):
            self.conflict = f"the index has {comparison.result}"
        return comparison

    # --- the index, as IndexClient reads it ---

    url = "http://index.test/simple/"

    def fetch_project(self, project: str, *, revalidate: bool = True) -> ProjectPage:
        options = [each for each in LOOKS if self.stored or each != "stale"]
        choice = self._choose([each for each in options if not self.must_end or each != "signal"])
        if choice == "killed":
            raise Killed
        if choice == "unreadable":
            raise NetworkError("the index did not answer")
        self.must_end |= choice == "signal"
        self.is_unseen = False
        listed = "" if choice == "stale" else self.stored
        self.seen_same |= listed == OURS
        name, digest = (_TWIN_NAME, OURS) if listed == TWIN else (FILE.filename, listed)
        served = IndexFile(filename=name, url=self.url, hashes={"sha256": digest})
        files = (served,) if listed else ()
        return ProjectPage(url=self.url, exists=bool(files), files=files)

    def get_sha256(self, file: IndexFile) -> str:
        return file.hashes["sha256"]

    def probe_file(self, served: IndexFile, file: LocalFile) -> str:
        return ""


@dataclass(slots=True)
class Exploration:
    """All paths of one table, and the problems in them."""

    table: Table = field(default_factory=lambda: TRANSITIONS)
    #: False: as with --write-only; no look is possible.
    reads: bool = True
    #: True: the index never overwrites a file.
    repeats: bool = False
    length: int = LENGTH
    #: False: follow every prefix, even if it leads to a known situation.
    prunes: bool = True
    upload_class: Callable[..., FileUpload] = FileUpload
    sequences: int = 0
    runs: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    edges: set[tuple[State, Event]] = field(default_factory=set)
    known: dict[Hashable, int] = field(default_factory=dict)

    def run(self) -> Exploration:
        """Follow every sequence."""
        started = time.process_time()
        self.table = {state: _Row(state, row, self.edges) for state, row in self.table.items()}
        self.sequences = self._count(())
        self.seconds = time.process_time() - started
        return self

    @property
    def summary(self) -> str:
        """The number of sequences and the time."""
        kind = "index is read" if self.reads else f"--write-only{' to PyPI' if self.repeats else ''}"
        return (
            f"{kind}: {self.sequences} sequences of up to {self.length} events, {self.runs} paths followed, "
            f"{len(self.known)} situations, {len(self.problems)} problems, {self.seconds:.1f} s of CPU"
        )

    def _count(self, sequence: tuple[str, ...]) -> int:
        """Return the number of sequences that begin like this one."""
        if self.problems and self.prunes:
            return 0
        try:
            self._follow(sequence, ())
        except Undecided as undecided:
            key = (undecided.situation, self.length - len(sequence))
            if not self.prunes or key not in self.known:
                self.known[key] = self._continue(sequence, undecided.options)
            return self.known[key]
        return 1

    def _continue(self, sequence: tuple[str, ...], options: Sequence[str]) -> int:
        if len(sequence) < self.length:
            return sum(self._count((*sequence, option)) for option in options)
        for tail in TAILS:
            self._follow(sequence, tail)
        return 1

    def _follow(self, sequence: tuple[str, ...], tail: Sequence[str]) -> None:
        self.runs += 1
        try:
            path = UploadPath(sequence, self.table, self.reads, tail, self.upload_class, self.repeats)
            self.outcomes[path.follow()] += 1
        except Violation as violation:
            self.problems.append(f"{violation}: {' / '.join(sequence)}")
        except KeyError as missing:
            self.problems.append(f"the table lacks {missing}: {' / '.join(sequence)}")


class _Row(dict[Event, State]):
    """A row of the table that records which transitions are used."""

    def __init__(self, state: State, row: Mapping[Event, State], edges: set[tuple[State, Event]]) -> None:
        super().__init__(row)
        self.state, self.edges = state, edges

    def __getitem__(self, event: Event) -> State:
        self.edges.add((self.state, event))
        return super().__getitem__(event)

"""The order of posts, what is tried again, and what it adds up to; the posting itself is a script here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.indexes import VirtualTime
from wheel_uploader import answers, names
from wheel_uploader.answers import Answer
from wheel_uploader.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    PartialError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.models import FileState, IndexState, LocalFile, UploadOutcome, UploadResult
from wheel_uploader.posting import in_order, upload_all, verdict
from wheel_uploader.progress import Silent

A, B, C = (
    "dipy-1.0-py3-none-any.whl",
    "dipy-1.0-cp312-cp312-win_amd64.whl",
    "dipy-1.0-cp313-cp313-win_amd64.whl",
)
SDIST = "dipy-1.0.tar.gz"

OK = answers.understand(200)
BUSY = answers.understand(503, "Service Unavailable")
EXISTS = answers.understand(400, "File already exists")
BAD = answers.understand(400, "'x' is not a valid classifier.")
FULL = answers.understand(507)
LOST = answers.no_answer("the connection broke before an answer came")


def local(filename: str, size: int = 1) -> LocalFile:
    return LocalFile(
        name=names.parse(filename), path=Path(filename), size=size, sha256="a" * 64, blake2b_256="b" * 64
    )


class Scene:
    """An index that answers by a script for each file, and a listing that a test can change."""

    def __init__(self, **script: Sequence[Answer | ReleaseError]) -> None:
        self.script = {name: list(answers) for name, answers in script.items()}
        self.log: list[str] = []
        self.listed: dict[str, list[FileState | ReleaseError]] = {}
        self.time = VirtualTime()
        self.no_credentials = False

    def credentials(self) -> tuple[str, str] | None:
        self.log.append("credentials")
        if self.no_credentials:
            raise CredentialsError("none")
        return None

    def post(self, file: LocalFile) -> Answer:
        self.log.append(f"post {file.filename}")
        answer = self.script.get(file.filename, [OK]).pop(0)
        if isinstance(answer, ReleaseError):
            raise answer
        return answer

    def state_of(self, file: LocalFile) -> IndexState:
        self.log.append(f"ask {file.filename}")
        states = self.listed.get(file.filename, [FileState.ABSENT])
        state = states.pop(0) if len(states) > 1 else states[0]
        if isinstance(state, ReleaseError):
            raise state
        return IndexState(file=file, state=state, index_sha256="c" * 64, other_name="other.whl")

    def run(
        self, *filenames: str, jobs: int = 1, keep_going: bool = False, states: Sequence[IndexState] = ()
    ) -> tuple[UploadResult, ...]:
        absent = [IndexState(file=local(name), state=FileState.ABSENT) for name in filenames]
        return upload_all(
            [*states, *absent],
            self,
            self.state_of,
            progress=Silent(),
            jobs=jobs,
            keep_going=keep_going,
            sleep=self.time.sleep,
        )


def outcomes(results: Sequence[UploadResult]) -> list[tuple[str, UploadOutcome, int]]:
    return [(result.file.filename, result.outcome, result.attempts) for result in results]


# --- order -----------------------------------------------------------------------------------------


def test_the_order_of_posts() -> None:
    files = [local(SDIST, 900), local(A, 10), local(B, 500), local(C, 20)]
    assert [file.filename for file in in_order(files)] == [B, C, A, SDIST]
    # The project has had no pure wheels yet: those are what may be refused.
    served = ["dipy-0.9-cp312-cp312-win_amd64.whl", "dipy-0.9.tar.gz", "notes.txt"]
    assert [file.filename for file in in_order(files, served)] == [A, B, C, SDIST]


def test_results_come_in_the_order_of_the_plan_and_what_is_there_is_not_posted() -> None:
    scene = Scene()
    there = IndexState(file=local(C), state=FileState.SAME)
    results = scene.run(SDIST, A, states=[there])
    assert outcomes(results) == [
        (C, UploadOutcome.ALREADY_THERE, 0),
        (SDIST, UploadOutcome.UPLOADED, 1),
        (A, UploadOutcome.UPLOADED, 1),
    ]
    assert scene.log == ["credentials", f"post {A}", f"post {SDIST}"]
    assert verdict(results) is None


def test_when_all_is_there_nobody_is_asked_for_anything() -> None:
    scene = Scene()
    results = scene.run(states=[IndexState(file=local(A), state=FileState.SAME)])
    assert outcomes(results) == [(A, UploadOutcome.ALREADY_THERE, 0)]
    assert scene.log == []


def test_credentials_come_before_everything() -> None:
    scene = Scene()
    scene.no_credentials = True
    with pytest.raises(CredentialsError):
        scene.run(A, B)
    assert scene.log == ["credentials"]


def test_the_first_goes_alone_and_the_sdist_last() -> None:
    """With several at once: two wheels meet in flight, but never the first file or the sdist."""
    meeting = threading.Barrier(2, timeout=10)
    lock = threading.Lock()
    flying: set[str] = set()
    met: list[frozenset[str]] = []

    class Flight(Scene):
        def post(self, file: LocalFile) -> Answer:
            with lock:
                flying.add(file.filename)
            if file.filename in (B, C):
                meeting.wait()
            with lock:
                met.append(frozenset(flying))
            if file.filename in (B, C):
                meeting.wait()
            with lock:
                flying.discard(file.filename)
            return OK

    first = local("dipy-1.0-cp311-cp311-win_amd64.whl", size=9)
    states = [
        IndexState(file=file, state=FileState.ABSENT) for file in (first, local(B), local(C), local(SDIST))
    ]
    scene = Flight()
    upload_all(states, scene, scene.state_of, progress=Silent(), jobs=4)
    assert met == [{first.filename}, {B, C}, {B, C}, {SDIST}]


# --- again -----------------------------------------------------------------------------------------


def test_busy_twice_then_fine() -> None:
    scene = Scene(**{A: [BUSY, BUSY, OK]})
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 3)]
    assert scene.log == ["credentials", f"post {A}", f"ask {A}", f"post {A}", f"ask {A}", f"post {A}"]
    assert len(scene.time.slept) == 2


def test_the_servers_pause_is_kept() -> None:
    scene = Scene(**{A: [answers.understand(429, "", {"Retry-After": "30"}), OK]})
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 2)]
    [pause] = scene.time.slept
    assert 30 <= pause <= 31


def test_busy_for_ever() -> None:
    scene = Scene(**{B: [BUSY] * 6})
    results = scene.run(A, B)
    assert outcomes(results) == [(A, UploadOutcome.NOT_TRIED, 0), (B, UploadOutcome.REJECTED, 6)]
    assert scene.log == ["credentials", *[f"post {B}", f"ask {B}"] * 6]
    ended = verdict(results)
    assert type(ended) is NetworkError
    assert ended.message == f"{B}: the index has trouble (status 503)"
    assert ended.details == ("posted 6 times",)


@pytest.mark.parametrize("answer", [LOST, BUSY, answers.understand(500)])
def test_an_answer_that_was_lost_after_the_file_was_stored(answer: Answer) -> None:
    scene = Scene(**{A: [answer]})
    scene.listed[A] = [FileState.SAME]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 1)]
    assert scene.log == ["credentials", f"post {A}", f"ask {A}"]


def test_a_listing_that_is_behind_after_an_answer_that_was_lost() -> None:
    """The second post is refused because the first was stored; the index has to be asked until it says so."""
    scene = Scene(**{A: [LOST, EXISTS, EXISTS]})
    scene.listed[A] = [FileState.ABSENT, FileState.ABSENT, FileState.SAME]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 3)]


def test_nothing_is_posted_while_the_index_cannot_be_asked() -> None:
    scene = Scene(**{A: [LOST, OK]})
    scene.listed[A] = [NetworkError("down"), NetworkError("down"), FileState.ABSENT]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 2)]
    assert scene.log == ["credentials", f"post {A}", *[f"ask {A}"] * 3, f"post {A}"]


def test_an_outcome_that_stays_unknown() -> None:
    scene = Scene(**{A: [LOST]})
    scene.listed[A] = [NetworkError("all is down")]
    results = scene.run(A)
    assert outcomes(results) == [(A, UploadOutcome.UNKNOWN, 1)]
    ended = verdict(results)
    assert type(ended) is NetworkError
    assert ended.message == (
        f"{A}: the connection broke before an answer came; whether it is there is unknown, since the index "
        "cannot be asked: all is down"
    )


def test_somebody_else_was_faster() -> None:
    scene = Scene(**{A: [EXISTS]})
    scene.listed[A] = [FileState.SAME]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.ALREADY_THERE, 1)]


@pytest.mark.parametrize(
    ("state", "ours"),
    [
        (FileState.DIFFERENT, f"ours have sha256 {'a' * 64}, those of the index {'c' * 64}"),
        (FileState.SAME_BYTES_OTHER_NAME, "the index has the same bytes under the name other.whl"),
        (FileState.ABSENT, "the index says that it has this file name already"),
    ],
)
def test_it_exists_and_is_not_ours(state: FileState, ours: str) -> None:
    scene = Scene(**{A: [EXISTS]})
    scene.listed[A] = [state]
    [result] = scene.run(A)
    assert (result.outcome, result.attempts) == (UploadOutcome.REJECTED, 1)
    assert isinstance(result.error, ConflictError)
    assert ours in result.reason


def test_a_failure_for_good_may_have_stored_the_file() -> None:
    stored, lost = Scene(**{A: [FULL]}), Scene(**{A: [FULL]})
    stored.listed[A] = [FileState.SAME]
    assert outcomes(stored.run(A)) == [(A, UploadOutcome.UPLOADED, 1)]
    assert outcomes(lost.run(A)) == [(A, UploadOutcome.REJECTED, 1)]


def test_a_conflict_that_nobody_stopped_before_stops_here() -> None:
    scene = Scene()
    other = IndexState(file=local(B), state=FileState.DIFFERENT, index_sha256="c" * 64)
    results = scene.run(A, states=[other])
    assert outcomes(results) == [(B, UploadOutcome.REJECTED, 0), (A, UploadOutcome.NOT_TRIED, 0)]
    assert scene.log == []
    assert isinstance(verdict(results), ConflictError)


def test_an_interrupt_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's Ctrl-C in the main thread: a worker in a long pause gives up, and posts nothing more."""
    scene = Scene(**{A: [answers.understand(429, "", {"Retry-After": "600"}), OK]})

    class Interrupting(Silent):
        def detail(self, text: str) -> None:
            pausing.set()

    pausing = threading.Event()

    def interrupted(*_: object) -> object:
        assert pausing.wait(10)
        raise KeyboardInterrupt

    states = [IndexState(file=local(A), state=FileState.ABSENT)]
    monkeypatch.setattr("concurrent.futures._base.Future.result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        upload_all(states, scene, scene.state_of, progress=Interrupting())
    assert scene.log == ["credentials", f"post {A}", f"ask {A}"]


# --- what it adds up to ----------------------------------------------------------------------------


def test_the_second_of_three_is_refused() -> None:
    scene = Scene(**{C: [BAD]})
    results = scene.run(B, C, A, SDIST)
    assert outcomes(results) == [
        (B, UploadOutcome.UPLOADED, 1),
        (C, UploadOutcome.REJECTED, 1),
        (A, UploadOutcome.NOT_TRIED, 0),
        (SDIST, UploadOutcome.NOT_TRIED, 0),
    ]
    ended = verdict(results)
    assert isinstance(ended, PartialError)
    reason = (
        f"{C}: the index does not accept the file's metadata (status 400); the index said: "
        "\"'x' is not a valid classifier.\""
    )
    assert ended.message == f"1 of 4 files are on the index, 3 are not: {reason}"
    assert ended.details == (
        f"in: {B}",
        f"not in: {reason}",
        f"not in: {A}: not tried",
        f"not in: {SDIST}: not tried",
    )
    assert ended.hint == (
        "Correct the project's metadata, rebuild, and run this again. The same command then continues."
    )


def test_keep_going_tries_the_others() -> None:
    scene = Scene(**{C: [BAD]})
    results = scene.run(B, C, A, SDIST, keep_going=True)
    assert [result.outcome for result in results].count(UploadOutcome.UPLOADED) == 3


def test_keep_going_goes_on_after_a_conflict() -> None:
    other = IndexState(file=local(B), state=FileState.DIFFERENT)
    results = Scene().run(A, states=[other], keep_going=True)
    assert outcomes(results) == [(B, UploadOutcome.REJECTED, 0), (A, UploadOutcome.UPLOADED, 1)]


def test_what_is_wrong_on_this_side_is_a_result_too() -> None:
    scene = Scene(**{A: [FileError("changed", hint="look")]})
    results = scene.run(A)
    assert outcomes(results) == [(A, UploadOutcome.REJECTED, 0)]
    assert isinstance(verdict(results), FileError)


def test_a_network_that_fails_in_the_middle_needs_only_the_same_command() -> None:
    scene = Scene(**{A: [BUSY] * 6})
    there = IndexState(file=local(B), state=FileState.SAME)
    ended = verdict(scene.run(A, states=[there]))
    assert isinstance(ended, PartialError)
    assert ended.hint == PartialError.default_hint
    assert ended.details[0] == f"in: {B}"


def test_an_unknown_outcome_is_listed_as_such() -> None:
    scene = Scene(**{A: [LOST]})
    scene.listed[A] = [NetworkError("down")]
    ended = verdict(scene.run(A, states=[IndexState(file=local(B), state=FileState.SAME)]))
    assert ended is not None
    assert ended.details[1].startswith(f"unknown: {A}: the connection broke")


def test_the_worst_of_several_is_told_with_the_others() -> None:
    scene = Scene(**{A: [answers.understand(404)], B: [BAD], C: [answers.understand(401)]})
    ended = verdict(scene.run(A, B, C, keep_going=True))
    assert isinstance(ended, CredentialsError)
    assert len(ended.details) == 2
    assert isinstance(verdict(Scene(**{A: [answers.understand(404)]}).run(A)), UsageError)

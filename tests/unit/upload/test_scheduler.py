"""The order of posts, what is tried again, and what it adds up to; the posting itself is a script here."""

from __future__ import annotations

import threading
import time as real
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.indexes import VirtualTime
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    FileError,
    NetworkError,
    PartialError,
    ReleaseError,
    RunInterrupted,
    UsageError,
)
from wheel_uploader.core.models import FileComparison, IndexComparison, LocalFile, UploadOutcome, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload import response as upload_response
from wheel_uploader.upload.concurrency import ConcurrencyController
from wheel_uploader.upload.file_upload import FileUpload, UploadContext
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.scheduler import upload_all, upload_error, upload_order

A, B, C = (
    "dipy-1.0-py3-none-any.whl",
    "dipy-1.0-cp312-cp312-win_amd64.whl",
    "dipy-1.0-cp313-cp313-win_amd64.whl",
)
SDIST = "dipy-1.0.tar.gz"

OK = upload_response.classify_response(200)
BUSY = upload_response.classify_response(503, "Service Unavailable")
EXISTS = upload_response.classify_response(400, "File already exists")
BAD = upload_response.classify_response(400, "'x' is not a valid classifier.")
FULL = upload_response.classify_response(507)
LOST = upload_response.missing_response("the connection broke before the response")


def local(filename: str, size: int = 1) -> LocalFile:
    return LocalFile(
        name=core_filenames.parse_filename(filename), path=Path(filename), size=size, sha256="a" * 64
    )


class Scene:
    """An index that answers by a script for each file, and a listing that a test can change."""

    def __init__(self, **script: Sequence[UploadResponse | ReleaseError]) -> None:
        self.script = {name: list(answers) for name, answers in script.items()}
        self.log: list[str] = []
        self.listed: dict[str, list[FileComparison | ReleaseError]] = {}
        self.time = VirtualTime()
        self.no_credentials = False

    def credentials(self) -> tuple[str, str] | None:
        self.log.append("credentials")
        if self.no_credentials:
            raise CredentialsError("none")
        return None

    def upload(self, file: LocalFile) -> UploadResponse:
        self.log.append(f"post {file.filename}")
        answer = self.script.get(file.filename, [OK]).pop(0)
        if isinstance(answer, ReleaseError):
            raise answer
        return answer

    def state_of(self, file: LocalFile) -> IndexComparison:
        self.log.append(f"ask {file.filename}")
        states = self.listed.get(file.filename, [FileComparison.ABSENT])
        state = states.pop(0) if len(states) > 1 else states[0]
        if isinstance(state, ReleaseError):
            raise state
        return IndexComparison(file=file, result=state, index_sha256="c" * 64, other_name="other.whl")

    def run(
        self, *filenames: str, jobs: int = 1, keep_going: bool = False, states: Sequence[IndexComparison] = ()
    ) -> tuple[UploadResult, ...]:
        absent = [IndexComparison(file=local(name), result=FileComparison.ABSENT) for name in filenames]
        return upload_all(
            [*states, *absent],
            self,
            self.state_of,
            progress=SilentProgress(),
            jobs=jobs,
            keep_going=keep_going,
            sleep=self.time.sleep,
        )


def outcomes(results: Sequence[UploadResult]) -> list[tuple[str, UploadOutcome, int]]:
    return [(result.file.filename, result.outcome, result.attempts) for result in results]


# --- order -----------------------------------------------------------------------------------------


def test_the_order_of_posts() -> None:
    files = [local(SDIST, 900), local(A, 10), local(B, 500), local(C, 20)]
    assert [file.filename for file in upload_order(files)] == [B, C, A, SDIST]
    # The project has had no pure wheels yet: those are what may be refused.
    served = ["dipy-0.9-cp312-cp312-win_amd64.whl", "dipy-0.9.tar.gz", "notes.txt"]
    assert [file.filename for file in upload_order(files, served)] == [A, B, C, SDIST]


def test_results_come_in_the_order_of_the_plan_and_what_is_there_is_not_posted() -> None:
    scene = Scene()
    there = IndexComparison(file=local(C), result=FileComparison.SAME)
    results = scene.run(SDIST, A, states=[there])
    assert outcomes(results) == [
        (C, UploadOutcome.SKIPPED, 0),
        (SDIST, UploadOutcome.UPLOADED, 1),
        (A, UploadOutcome.UPLOADED, 1),
    ]
    assert scene.log == ["credentials", f"post {A}", f"post {SDIST}"]
    assert upload_error(results) is None


def test_when_all_is_there_nobody_is_asked_for_anything() -> None:
    scene = Scene()
    results = scene.run(states=[IndexComparison(file=local(A), result=FileComparison.SAME)])
    assert outcomes(results) == [(A, UploadOutcome.SKIPPED, 0)]
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
        def upload(self, file: LocalFile) -> UploadResponse:
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
        IndexComparison(file=file, result=FileComparison.ABSENT)
        for file in (first, local(B), local(C), local(SDIST))
    ]
    scene = Flight()
    upload_all(states, scene, scene.state_of, progress=SilentProgress(), jobs=4)
    assert met == [{first.filename}, {B, C}, {B, C}, {SDIST}]


# --- again -----------------------------------------------------------------------------------------


def test_busy_twice_then_fine() -> None:
    scene = Scene(**{A: [BUSY, BUSY, OK]})
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 3)]
    assert scene.log == ["credentials", f"post {A}", f"ask {A}", f"post {A}", f"ask {A}", f"post {A}"]
    assert len(scene.time.slept) == 2


def test_the_servers_pause_is_kept() -> None:
    scene = Scene(**{A: [upload_response.classify_response(429, "", {"Retry-After": "30"}), OK]})
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 2)]
    [pause] = scene.time.slept
    assert 30 <= pause <= 31


def test_busy_for_ever() -> None:
    scene = Scene(**{B: [BUSY] * 6})
    results = scene.run(A, B)
    assert outcomes(results) == [(A, UploadOutcome.NOT_ATTEMPTED, 0), (B, UploadOutcome.REJECTED, 6)]
    assert scene.log == ["credentials", *[f"post {B}", f"ask {B}"] * 6]
    ended = upload_error(results)
    assert type(ended) is NetworkError
    assert ended.message == f"{B}: the index returned a server error (status 503)"
    assert ended.details == ("attempted 6 times",)


@pytest.mark.parametrize(
    ("retries", "told"), [(1, ()), (2, ("attempted 2 times",)), (3, ("attempted 3 times",))]
)
def test_as_often_as_wanted(retries: int, told: tuple[str, ...]) -> None:
    scene = Scene(**{A: [BUSY] * 3})
    states = [IndexComparison(file=local(A), result=FileComparison.ABSENT)]
    results = upload_all(
        states, scene, scene.state_of, progress=SilentProgress(), retries=retries, sleep=scene.time.sleep
    )
    assert outcomes(results) == [(A, UploadOutcome.REJECTED, retries)]
    ended = upload_error(results)
    assert ended is not None
    assert ended.details == told


@pytest.mark.parametrize("answer", [LOST, BUSY, upload_response.classify_response(500)])
def test_an_answer_that_was_lost_after_the_file_was_stored(answer: UploadResponse) -> None:
    scene = Scene(**{A: [answer]})
    scene.listed[A] = [FileComparison.SAME]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 1)]
    assert scene.log == ["credentials", f"post {A}", f"ask {A}"]


def test_what_is_tried_again_and_what_came_of_it_are_details() -> None:
    told: list[str] = []

    class Talk(SilentProgress):
        def debug(self, text: str) -> None:
            told.append(text)

    scene = Scene(**{A: [BUSY, BUSY]})
    scene.listed[A] = [FileComparison.ABSENT, FileComparison.SAME]
    upload_all(
        [IndexComparison(file=local(A), result=FileComparison.ABSENT)],
        scene,
        scene.state_of,
        progress=Talk(),
        sleep=scene.time.sleep,
    )
    seconds = [f"{pause:.1f} s" for pause in scene.time.slept]
    busy = f"{A}: the index returned a server error (status 503)"
    assert told == [
        f"{busy}; checking the index, then attempt 2 of 6 in {seconds[0]}",
        f"{busy}; checking the index, then attempt 3 of 6 in {seconds[1]}",
        f"{busy}; but the index has the file",
    ]


def test_a_listing_that_is_behind_after_an_answer_that_was_lost() -> None:
    """The second post is refused because the first was stored; the index has to be asked until it says so."""
    scene = Scene(**{A: [LOST, EXISTS, EXISTS]})
    scene.listed[A] = [FileComparison.ABSENT, FileComparison.ABSENT, FileComparison.SAME]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 3)]


def test_nothing_is_posted_while_the_index_cannot_be_asked() -> None:
    scene = Scene(**{A: [LOST, OK]})
    scene.listed[A] = [NetworkError("down"), NetworkError("down"), FileComparison.ABSENT]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.UPLOADED, 2)]
    assert scene.log == ["credentials", f"post {A}", *[f"ask {A}"] * 3, f"post {A}"]


def test_an_outcome_that_stays_unknown() -> None:
    scene = Scene(**{A: [LOST]})
    scene.listed[A] = [NetworkError("all is down")]
    results = scene.run(A)
    assert outcomes(results) == [(A, UploadOutcome.UNKNOWN, 1)]
    ended = upload_error(results)
    assert type(ended) is NetworkError
    assert ended.message == (
        f"{A}: the connection broke before the response; cannot query the index for the file: all is down"
    )


def test_somebody_else_was_faster() -> None:
    scene = Scene(**{A: [EXISTS]})
    scene.listed[A] = [FileComparison.SAME]
    assert outcomes(scene.run(A)) == [(A, UploadOutcome.SKIPPED, 1)]


@pytest.mark.parametrize(
    ("state", "ours"),
    [
        (FileComparison.DIFFERENT, f"sha256 {'c' * 64}, not {'a' * 64}"),
        (FileComparison.SAME_BYTES_OTHER_NAME, "the index has the same bytes under the name other.whl"),
        (FileComparison.ABSENT, "a file with this name already exists on the index"),
    ],
)
def test_it_exists_and_is_not_ours(state: FileComparison, ours: str) -> None:
    scene = Scene(**{A: [EXISTS]})
    scene.listed[A] = [state]
    [result] = scene.run(A)
    assert (result.outcome, result.attempts) == (UploadOutcome.REJECTED, 1)
    assert isinstance(result.error, ConflictError)
    assert ours in result.reason


def test_a_failure_for_good_may_have_stored_the_file() -> None:
    stored, lost = Scene(**{A: [FULL]}), Scene(**{A: [FULL]})
    stored.listed[A] = [FileComparison.SAME]
    assert outcomes(stored.run(A)) == [(A, UploadOutcome.UPLOADED, 1)]
    assert outcomes(lost.run(A)) == [(A, UploadOutcome.REJECTED, 1)]


def test_a_conflict_that_nobody_stopped_before_stops_here() -> None:
    scene = Scene()
    other = IndexComparison(file=local(B), result=FileComparison.DIFFERENT, index_sha256="c" * 64)
    results = scene.run(A, states=[other])
    assert outcomes(results) == [(B, UploadOutcome.REJECTED, 0), (A, UploadOutcome.NOT_ATTEMPTED, 0)]
    assert scene.log == []
    assert isinstance(upload_error(results), ConflictError)


# --- a run that has to end -------------------------------------------------------------------------


class Ending(Scene):
    """A scene whose watch is told to stop while a given file is being posted."""

    def __init__(self, at: str, *, expires: bool = False) -> None:
        super().__init__()
        self.at, self.expires = at, expires
        self.watch = CancellationToken(clock=self.time.clock)

    def upload(self, file: LocalFile) -> UploadResponse:
        if file.filename == self.at:
            self.told()
        return super().upload(file)

    def told(self) -> None:
        if self.expires:
            self.watch.record_timeout(60)
        else:
            self.watch.record_signal(15)

    def ends(self, *filenames: str, jobs: int = 1) -> tuple[UploadResult, ...]:
        states = [IndexComparison(file=local(name), result=FileComparison.ABSENT) for name in filenames]
        with self.watch.deferred():
            return upload_all(
                states, self, self.state_of, progress=SilentProgress(), jobs=jobs, watch=self.watch
            )


def test_the_file_in_flight_arrives_and_no_other_is_begun() -> None:
    scene = Ending(C)
    results = scene.ends(A, B, C, SDIST)
    assert outcomes(results) == [
        (A, UploadOutcome.NOT_ATTEMPTED, 0),
        (B, UploadOutcome.UPLOADED, 1),
        (C, UploadOutcome.UPLOADED, 1),
        (SDIST, UploadOutcome.NOT_ATTEMPTED, 0),
    ]
    ended = upload_error(results, scene.watch.error)
    assert isinstance(ended, RunInterrupted)
    assert ended.exit_code == 143
    assert ended.message == "stopped by signal 15: 2 of 4 files are on the index, 2 are not"
    assert ended.details == (f"not in: {A}: not tried", f"in: {B}", f"in: {C}", f"not in: {SDIST}: not tried")


@pytest.mark.parametrize("flying", [True, False])
def test_the_files_that_a_run_waits_for_in_the_end_are_named(flying: bool) -> None:
    told: list[str] = []
    watch, scene = CancellationToken(), Scene()

    class Talk(SilentProgress):
        def info(self, text: str) -> None:
            told.append(text)

    def upload(file: LocalFile) -> UploadResponse:
        watch.record_signal(15)
        real.sleep(0.4)
        return OK

    scene.upload = upload  # type: ignore[method-assign]
    states = [IndexComparison(file=local(name), result=FileComparison.ABSENT) for name in (B, A)]
    with watch.deferred():
        if not flying:
            watch.record_signal(15)
        results = upload_all(states, scene, scene.state_of, progress=Talk(), watch=watch)
    assert [each.outcome for each in results] == [
        UploadOutcome.UPLOADED if flying else UploadOutcome.NOT_ATTEMPTED,
        UploadOutcome.NOT_ATTEMPTED,
    ]
    assert len(told) == flying
    assert all(f": starting no more uploads; waiting up to 30 s for {B}; press" in line for line in told)


def test_a_pause_ends_when_the_run_has_to_and_nothing_is_posted_again() -> None:
    scene = Ending(C)
    scene.script[C] = [upload_response.classify_response(429, "", {"Retry-After": "600"}), OK]
    scene.listed[C] = [FileComparison.SAME]
    assert outcomes(scene.ends(C, SDIST)) == [
        (C, UploadOutcome.UPLOADED, 1),
        (SDIST, UploadOutcome.NOT_ATTEMPTED, 0),
    ]
    lost = Ending(C)
    lost.script[C] = [LOST, OK]
    [result] = lost.ends(C)
    assert (result.outcome, result.attempts) == (UploadOutcome.UNKNOWN, 1)
    assert result.error is not None
    assert "the index does not list the file yet" in result.reason
    assert lost.log == ["credentials", f"post {C}", f"ask {C}"]


def test_a_file_that_was_begun_too_late_is_not_tried() -> None:
    scene = Scene()
    shared = UploadContext(
        upload=lambda _: None,
        query_index=scene.state_of,
        wait=scene.time.sleep,
        must_end=lambda: True,
        retries=6,
        progress=SilentProgress(),
    )
    result = FileUpload(local(A), shared).run()
    assert (result.outcome, result.attempts, scene.log) == (UploadOutcome.NOT_ATTEMPTED, 0, [])


def test_what_hangs_is_left_behind_when_its_time_is_over_or_at_the_second_signal() -> None:
    released = threading.Event()

    class Hanging(Ending):
        def upload(self, file: LocalFile) -> UploadResponse:
            self.told()
            if self.expires:
                self.time.now += 31
            else:
                self.watch.record_signal(2)
            released.wait(30)
            return OK

    for expires in (True, False):
        scene = Hanging(C, expires=expires)
        results = scene.ends(C, SDIST)
        assert outcomes(results) == [(C, UploadOutcome.UNKNOWN, 1), (SDIST, UploadOutcome.NOT_ATTEMPTED, 0)]
        ended = upload_error(results, scene.watch.error)
        assert ended is not None
        assert (
            ended.details[-2:]
            == (
                (
                    f"unknown: {C}: the upload was in progress when the run ended; "
                    "the index may have the file or not"
                ),
                f"not in: {SDIST}: not tried",
            )
            or expires
        )
    released.set()


def test_when_the_time_is_over() -> None:
    some = Ending(C, expires=True)
    partial = upload_error(some.ends(A, B, C, SDIST), some.watch.error)
    assert isinstance(partial, PartialError)
    assert partial.message == (
        "2 of 4 files are on the index, 2 are not: timed out after 60 s (--max-duration)"
    )
    assert partial.details[0] == f"not in: {A}: not tried"
    assert partial.hint == PartialError.default_hint
    # Before the first: nothing is in. At the last: all is in, and only confirming is left.
    none = Ending(A, expires=True)
    with none.watch.deferred():
        none.told()
    nothing = upload_error(none.ends(A, B), none.watch.error)
    assert isinstance(nothing, DeadlineError)
    assert none.log == ["credentials"]
    last = Ending(A, expires=True)
    everything = upload_error(last.ends(A), last.watch.error)
    assert isinstance(everything, DeadlineError)
    assert everything.message.endswith("(--max-duration): 1 of 1 file are on the index, 0 are not")
    assert everything.details == (f"in: {A}",)


def test_what_nobody_expected_of_one_file_does_not_hide_the_others() -> None:
    scene = Scene()

    def crash(file: LocalFile) -> UploadResponse:
        if file.filename == C:
            raise ZeroDivisionError("oh\x1b")
        return OK

    scene.upload = crash  # type: ignore[method-assign]
    results = scene.run(B, C, A)
    assert outcomes(results) == [
        (B, UploadOutcome.UPLOADED, 1),
        (C, UploadOutcome.UNKNOWN, 0),
        (A, UploadOutcome.NOT_ATTEMPTED, 0),
    ]
    assert isinstance(upload_error(results), PartialError)
    assert (
        results[1].reason == f"{C}: unexpected ZeroDivisionError: oh\\x1b; the index may have the file or not"
    )
    assert results[1].error is not None
    assert results[1].error.details[0].endswith("in crash")


# --- how many at once ------------------------------------------------------------------------------


class Line(Scene):
    """An index at the end of a line of so many bytes per second, which all posts share; time is counted."""

    def __init__(self, rate: float, *, fails_above: int = 99) -> None:
        super().__init__()
        self.rate, self.fails_above = rate, fails_above
        self.flying: dict[str, float] = {}
        #: Seconds that each accepted post took, and how many there were at most.
        self.took: dict[str, float] = {}
        self.most: list[int] = []
        self.failed = 0
        self.turn = threading.Condition()

    def upload(self, file: LocalFile) -> UploadResponse:
        begun = self.time.now
        with self.turn:
            self.flying[file.filename] = float(file.size)
            most = len(self.flying)
            self.most.append(most)
        # Others get the chance to begin too.
        real.sleep(0.02)
        with self.turn:
            most = max(most, len(self.flying))
            while self.flying.get(file.filename, 0) > 0:
                # Whoever has the turn moves everybody's bytes to where the next one arrives.
                share = self.rate / len(self.flying)
                step = min(self.flying.values()) / share
                self.time.now += step
                self.flying = {name: left - step * share for name, left in self.flying.items()}
                arrived = [name for name, left in self.flying.items() if left <= 1e-6]
                for name in arrived:
                    del self.flying[name]
        if most > self.fails_above:
            with self.turn:
                self.failed += 1
            return upload_response.classify_response(500)
        self.took[file.filename] = self.time.now - begun
        return OK

    def carries(self, *sizes: int, jobs: int = 4) -> tuple[UploadResult, ...]:
        files = [local(f"dipy-1.0-cp3{number}-none-any.whl", size) for number, size in enumerate(sizes)]
        states = [IndexComparison(file=file, result=FileComparison.ABSENT) for file in files]
        return upload_all(
            states,
            self,
            self.state_of,
            progress=SilentProgress(),
            jobs=jobs,
            sleep=lambda _: None,
            clock=self.time.clock,
        )


@pytest.mark.parametrize(("rate", "most"), [(1e9, 4), (2e6, 4), (1.8e6, 2), (0.5e6, 1)])
def test_no_stream_gets_so_slow_that_the_index_gives_up(rate: float, most: int) -> None:
    """Wheels of 100 MB: a lone one takes 50 s at 2 MB/s, and PyPI waits 240 s."""
    line = Line(rate)
    results = line.carries(*[100_000_000] * 7)
    assert {result.outcome for result in results} == {UploadOutcome.UPLOADED}
    assert line.most[0] == 1
    assert max(line.most) <= most
    assert max(line.took.values()) < 240


def test_a_lone_file_that_fails_does_not_slow_down_the_others() -> None:
    line = Line(1e9)
    genuine, begun = line.upload, 0

    def upload(file: LocalFile) -> UploadResponse:
        nonlocal begun
        begun += 1
        return BUSY if begun == 1 else genuine(file)

    line.upload = upload  # type: ignore[method-assign]
    results = line.carries(*[1000] * 9)
    assert {result.outcome for result in results} == {UploadOutcome.UPLOADED}
    assert max(line.most) > 1


def test_an_index_that_fails_under_many_gets_fewer() -> None:
    line = Line(1e9, fails_above=1)
    results = line.carries(*[1000] * 8)
    assert {result.outcome for result in results} == {UploadOutcome.UPLOADED}
    # Four at once fail, then two, then one is sent at a time.
    assert line.failed <= 4 + 2 + 1


def test_a_file_whose_turn_has_not_come_is_not_posted_when_the_run_has_to_end() -> None:
    """Two at once fail, so one has to wait for the other; which hangs until the run is told to end."""
    scene, together = Scene(), threading.Barrier(2, timeout=10)
    watch, posts = CancellationToken(), Counter[str]()

    def upload(file: LocalFile) -> UploadResponse:
        posts[file.filename] += 1
        if file.filename == C:
            return OK
        if posts[file.filename] == 1:
            together.wait()
            return BUSY
        real.sleep(0.3)
        watch.record_signal(15)
        real.sleep(0.3)
        return OK

    scene.upload = upload  # type: ignore[method-assign]
    files = [local(C, 3), local(B, 2), local(A, 1)]
    states = [IndexComparison(file=file, result=FileComparison.ABSENT) for file in files]
    with watch.deferred():
        results = upload_all(
            states,
            scene,
            scene.state_of,
            progress=SilentProgress(),
            jobs=2,
            watch=watch,
            sleep=lambda _: None,
        )
    assert sorted(outcomes(results)[1:], key=lambda each: each[2]) in (
        [(A, UploadOutcome.UNKNOWN, 1), (B, UploadOutcome.UPLOADED, 2)],
        [(B, UploadOutcome.UNKNOWN, 1), (A, UploadOutcome.UPLOADED, 2)],
    )
    assert sum(posts.values()) == 4


def test_a_file_for_which_the_line_is_too_slow_is_told_before_and_after() -> None:
    told: list[str] = []

    class Talk(SilentProgress):
        def info(self, text: str) -> None:
            told.append(text)

    scene = Scene()

    def slow(file: LocalFile) -> UploadResponse:
        scene.time.now += file.size / 1000
        return OK if file.filename == A else upload_response.classify_response(500)

    scene.upload = slow  # type: ignore[method-assign]
    first = IndexComparison(file=local(A, 1000), result=FileComparison.ABSENT)
    second = IndexComparison(file=local(SDIST, 300_000), result=FileComparison.ABSENT)
    results = upload_all(
        [first, second],
        scene,
        scene.state_of,
        progress=Talk(),
        retries=1,
        sleep=scene.time.sleep,
        clock=scene.time.clock,
    )
    assert told == [f"{SDIST} takes 300 s at the current bandwidth; PyPI aborts an upload after 240 s"]
    error = results[1].error
    assert error is not None
    assert "run the same command over a faster connection" in error.hint


# --- pace ------------------------------------------------------------------------------------------


def test_how_many_streams_a_line_carries() -> None:
    pace = ConcurrencyController(8)
    assert pace.limit(1) == 1, "nothing was measured yet"
    assert (pace.estimated_seconds(10**12), pace.exceeds_server_limit(10**12)) == (0.0, False)
    pace.record_success(1_000_000, 1.0, 1)
    # 120 s are planned with: 120 MB in all.
    for largest, streams in (
        (120_000_000, 1),
        (60_000_000, 2),
        (60_000_001, 1),
        (15_000_000, 8),
        (1, 8),
        (0, 8),
    ):
        assert pace.limit(largest) == streams, largest
    assert pace.limit(10**12) == 1
    assert pace.estimated_seconds(3_000_000) == 3.0
    assert (pace.exceeds_server_limit(240_000_000), pace.exceeds_server_limit(240_000_001)) == (False, True)


def test_what_a_file_says_about_the_line() -> None:
    pace = ConcurrencyController(8)
    pace.record_success(1000, 2.0, 2)
    assert pace.estimated_seconds(1000) == 1.0
    pace.record_success(100, 0.9, 1)
    assert pace.estimated_seconds(1000) == 1.0, "a short post was mostly waiting"
    pace.record_success(100, 1.0, 1)
    assert pace.estimated_seconds(1000) == 10.0, "a long one counts, though it was slower"
    pace.record_success(1000, 0.5, 1)
    assert pace.estimated_seconds(1000) == 0.5, "a short one counts if it was faster"
    pace.record_success(1000, 0.0, 1)
    assert pace.estimated_seconds(1_000_000) == 1.0, "a post that took no time is one of a millisecond"


def test_fewer_streams_after_a_failure() -> None:
    pace = ConcurrencyController(0)
    pace.record_success(1000, 0.0, 1)
    assert pace.limit(1) == 1
    pace = ConcurrencyController(8)
    pace.record_success(10**9, 1.0, 1)
    for failed_with, left in ((8, 4), (8, 4), (5, 2), (3, 1), (1, 1)):
        pace.record_failure(failed_with)
        assert pace.limit(1) == left


# --- what it adds up to ----------------------------------------------------------------------------


def test_the_second_of_three_is_refused() -> None:
    scene = Scene(**{C: [BAD]})
    results = scene.run(B, C, A, SDIST)
    assert outcomes(results) == [
        (B, UploadOutcome.UPLOADED, 1),
        (C, UploadOutcome.REJECTED, 1),
        (A, UploadOutcome.NOT_ATTEMPTED, 0),
        (SDIST, UploadOutcome.NOT_ATTEMPTED, 0),
    ]
    ended = upload_error(results)
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
        "Correct the project's metadata, rebuild, and run the command again. The same command then continues."
    )


def test_keep_going_tries_the_others() -> None:
    scene = Scene(**{C: [BAD]})
    results = scene.run(B, C, A, SDIST, keep_going=True)
    assert [result.outcome for result in results].count(UploadOutcome.UPLOADED) == 3


def test_keep_going_goes_on_after_a_conflict() -> None:
    other = IndexComparison(file=local(B), result=FileComparison.DIFFERENT)
    results = Scene().run(A, states=[other], keep_going=True)
    assert outcomes(results) == [(B, UploadOutcome.REJECTED, 0), (A, UploadOutcome.UPLOADED, 1)]


def test_what_is_wrong_on_this_side_is_a_result_too() -> None:
    scene = Scene(**{A: [FileError("changed", hint="look")]})
    results = scene.run(A)
    assert outcomes(results) == [(A, UploadOutcome.REJECTED, 0)]
    assert isinstance(upload_error(results), FileError)


def test_a_network_that_fails_in_the_middle_needs_only_the_same_command() -> None:
    scene = Scene(**{A: [BUSY] * 6})
    there = IndexComparison(file=local(B), result=FileComparison.SAME)
    ended = upload_error(scene.run(A, states=[there]))
    assert isinstance(ended, PartialError)
    assert ended.hint == PartialError.default_hint
    assert ended.details[0] == f"in: {B}"


def test_an_unknown_outcome_is_listed_as_such() -> None:
    scene = Scene(**{A: [LOST]})
    scene.listed[A] = [NetworkError("down")]
    ended = upload_error(scene.run(A, states=[IndexComparison(file=local(B), result=FileComparison.SAME)]))
    assert ended is not None
    assert ended.details[1].startswith(f"unknown: {A}: the connection broke")


def test_the_worst_of_several_is_told_with_the_others() -> None:
    scene = Scene(
        **{A: [upload_response.classify_response(404)], B: [BAD], C: [upload_response.classify_response(401)]}
    )
    ended = upload_error(scene.run(A, B, C, keep_going=True))
    assert isinstance(ended, CredentialsError)
    assert len(ended.details) == 2
    assert isinstance(upload_error(Scene(**{A: [upload_response.classify_response(404)]}).run(A)), UsageError)

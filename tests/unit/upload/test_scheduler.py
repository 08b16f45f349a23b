"""Test the upload scheduler with scripted uploads: order, retries, concurrency and the final error."""

from __future__ import annotations

import threading
import time as real_time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.testing.indexes import VirtualTime
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
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.models import FileComparison, FileStatus, IndexComparison, LocalFile, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http import retry
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
INVALID = upload_response.classify_response(400, "'x' is not a valid classifier.")
NAME_TAKEN = upload_response.classify_response(409, "The feed 'x' already contains file 'y'.")
ANSWERS = {
    "taken": NAME_TAKEN,
    "pypi": upload_response.classify_response(400, "File already exists ('x', with blake2_256 hash 'ab')."),
    "invalid": INVALID,
    "unknown": upload_response.classify_response(400, body='{"message": "Datei ist bereits vorhanden"}'),
    "credentials": upload_response.classify_response(403, "no permission to submit"),
    "sign-in": upload_response.classify_response(200, body="<title>Sign in</title><form></form>"),
}
OUT_OF_STORAGE = upload_response.classify_response(507)
NO_RESPONSE = upload_response.missing_response("the connection broke before the response")


def local_file(filename: str, size: int = 1) -> LocalFile:
    return LocalFile(
        name=core_filenames.parse_filename(filename), path=Path(filename), size=size, sha256="a" * 64
    )


class ScriptedIndex:
    """An index with scripted responses for each file, and a listing that a test can change."""

    LISTING_TIMEOUT = 15.0

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
        response = self.script.get(file.filename, [OK]).pop(0)
        if isinstance(response, ReleaseError):
            raise response
        return response

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
        absent = [IndexComparison(file=local_file(name), result=FileComparison.ABSENT) for name in filenames]
        return upload_all(
            [*states, *absent],
            self,
            self.state_of,
            progress=SilentProgress(),
            jobs=jobs,
            keep_going=keep_going,
            listing_timeout=self.LISTING_TIMEOUT,
            sleep=self.time.sleep,
            clock=self.time.clock,
        )


def outcomes(results: Sequence[UploadResult]) -> list[tuple[str, FileStatus, int]]:
    return [(result.file.filename, result.outcome, result.attempts) for result in results]


# --- order -----------------------------------------------------------------------------------------


def test_orders_uploads() -> None:
    files = [local_file(SDIST, 900), local_file(A, 10), local_file(B, 500), local_file(C, 20)]
    assert [file.filename for file in upload_order(files)] == [B, C, A, SDIST]
    # The project has no pure wheels yet, so the index is most likely to reject those.
    served = ["dipy-0.9-cp312-cp312-win_amd64.whl", "dipy-0.9.tar.gz", "notes.txt"]
    assert [file.filename for file in upload_order(files, served)] == [A, B, C, SDIST]


def test_returns_results_in_plan_order_and_skips_existing_files() -> None:
    index = ScriptedIndex()
    existing = IndexComparison(file=local_file(C), result=FileComparison.SAME)
    results = index.run(SDIST, A, states=[existing])
    assert outcomes(results) == [
        (C, FileStatus.SKIPPED, 0),
        (SDIST, FileStatus.UPLOADED, 1),
        (A, FileStatus.UPLOADED, 1),
    ]
    assert index.log == ["credentials", f"post {A}", f"post {SDIST}"]
    assert upload_error(results) is None


def test_sends_no_requests_if_all_files_exist() -> None:
    index = ScriptedIndex()
    results = index.run(states=[IndexComparison(file=local_file(A), result=FileComparison.SAME)])
    assert outcomes(results) == [(A, FileStatus.SKIPPED, 0)]
    assert index.log == []


def test_resolves_credentials_first() -> None:
    index = ScriptedIndex()
    index.no_credentials = True
    with pytest.raises(CredentialsError):
        index.run(A, B)
    assert index.log == ["credentials"]


def test_uploads_the_first_file_alone_and_the_sdist_last() -> None:
    """Two wheels are uploaded at the same time, but the first file and the sdist are each alone."""
    barrier = threading.Barrier(2, timeout=10)
    lock = threading.Lock()
    in_flight: set[str] = set()
    observed: list[frozenset[str]] = []

    class ConcurrentIndex(ScriptedIndex):
        def upload(self, file: LocalFile) -> UploadResponse:
            with lock:
                in_flight.add(file.filename)
            if file.filename in (B, C):
                barrier.wait()
            with lock:
                observed.append(frozenset(in_flight))
            if file.filename in (B, C):
                barrier.wait()
            with lock:
                in_flight.discard(file.filename)
            return OK

    first = local_file("dipy-1.0-cp311-cp311-win_amd64.whl", size=9)
    states = [
        IndexComparison(file=file, result=FileComparison.ABSENT)
        for file in (first, local_file(B), local_file(C), local_file(SDIST))
    ]
    index = ConcurrentIndex()
    upload_all(states, index, index.state_of, progress=SilentProgress(), jobs=4)
    assert observed == [{first.filename}, {B, C}, {B, C}, {SDIST}]


# --- retries ---------------------------------------------------------------------------------------


def test_retries_until_the_index_accepts() -> None:
    index = ScriptedIndex(**{A: [BUSY, BUSY, OK]})
    assert outcomes(index.run(A)) == [(A, FileStatus.UPLOADED, 3)]
    assert index.log == ["credentials", f"post {A}", f"ask {A}", f"post {A}", f"ask {A}", f"post {A}"]
    assert len(index.time.slept) == 2


def test_waits_for_retry_after() -> None:
    index = ScriptedIndex(**{A: [upload_response.classify_response(429, "", {"Retry-After": "30"}), OK]})
    assert outcomes(index.run(A)) == [(A, FileStatus.UPLOADED, 2)]
    [pause] = index.time.slept
    assert 30 <= pause <= 31


def test_gives_up_after_the_last_attempt() -> None:
    index = ScriptedIndex(**{B: [BUSY] * 6})
    results = index.run(A, B)
    assert outcomes(results) == [(A, FileStatus.NOT_TRIED, 0), (B, FileStatus.UNKNOWN, 6)]
    assert index.log == ["credentials", *[f"post {B}", f"ask {B}"] * 6]
    error = upload_error(results)
    assert type(error) is NetworkError
    assert error.message == (
        f"{B}: the index returned a server error (status 503); the index does not list the file, and may "
        "have stored it"
    )
    assert "again" in error.hint
    assert error.details == ("attempted 6 times",)


@pytest.mark.parametrize(
    ("retries", "details"), [(1, ()), (2, ("attempted 2 times",)), (3, ("attempted 3 times",))]
)
def test_makes_the_given_number_of_attempts(retries: int, details: tuple[str, ...]) -> None:
    index = ScriptedIndex(**{A: [BUSY] * 3})
    states = [IndexComparison(file=local_file(A), result=FileComparison.ABSENT)]
    results = upload_all(
        states, index, index.state_of, progress=SilentProgress(), retries=retries, sleep=index.time.sleep
    )
    assert outcomes(results) == [(A, FileStatus.UNKNOWN, retries)]
    error = upload_error(results)
    assert error is not None
    assert error.details == details


@pytest.mark.parametrize("response", [NO_RESPONSE, BUSY, upload_response.classify_response(500)])
def test_a_stored_file_is_uploaded_even_without_a_response(response: UploadResponse) -> None:
    index = ScriptedIndex(**{A: [response]})
    index.listed[A] = [FileComparison.SAME]
    assert outcomes(index.run(A)) == [(A, FileStatus.UPLOADED, 1)]
    assert index.log == ["credentials", f"post {A}", f"ask {A}"]


def test_prints_retries_only_in_verbose_mode() -> None:
    lines: list[str] = []

    class LineCollector(SilentProgress):
        def debug(self, text: str) -> None:
            lines.append(text)

    index = ScriptedIndex(**{A: [BUSY, BUSY]})
    index.listed[A] = [FileComparison.ABSENT, FileComparison.SAME]
    upload_all(
        [IndexComparison(file=local_file(A), result=FileComparison.ABSENT)],
        index,
        index.state_of,
        progress=LineCollector(),
        sleep=index.time.sleep,
    )
    seconds = [format_duration(pause) for pause in index.time.slept]
    busy = f"{A}: the index returned a server error (status 503)"
    assert lines == [
        f"{busy}; checking the index, then attempt 2 of 6 in {seconds[0]}",
        f"{busy}; checking the index, then attempt 3 of 6 in {seconds[1]}",
        f"{busy}; but the index has the file",
    ]


def test_waits_for_a_listing_that_lags_behind() -> None:
    """The second upload is rejected because the first was stored, which the listing shows only later."""
    index = ScriptedIndex(**{A: [NO_RESPONSE, NAME_TAKEN]})
    index.listed[A] = [*[FileComparison.ABSENT] * 4, FileComparison.SAME]
    assert outcomes(index.run(A)) == [(A, FileStatus.UPLOADED, 2)]
    assert index.log == ["credentials", f"post {A}", f"ask {A}", f"post {A}", *[f"ask {A}"] * 4]
    assert index.time.slept[1:] == [1.0, 1.5, 2.25]


@pytest.mark.parametrize(("lost", "seconds"), [(False, 30), (True, 600)])
def test_waits_longer_for_a_file_that_this_run_may_have_uploaded(lost: bool, seconds: int) -> None:
    class SlowIndex(ScriptedIndex):
        LISTING_TIMEOUT = 600.0

    index = SlowIndex(**{A: [*[NO_RESPONSE] * lost, NAME_TAKEN]})
    index.listed[A] = [FileComparison.ABSENT]
    index.run(A)
    assert sum(index.time.slept[lost:]) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("lost", "response", "state", "outcome", "code"),
    [
        # Ours, after an answer was lost, and without one.
        (True, "taken", FileComparison.SAME, FileStatus.UPLOADED, 0),
        (True, "unknown", FileComparison.SAME, FileStatus.UPLOADED, 0),
        (False, "taken", FileComparison.SAME, FileStatus.SKIPPED, 0),
        (False, "unknown", FileComparison.SAME, FileStatus.SKIPPED, 0),
        (False, "invalid", FileComparison.SAME, FileStatus.SKIPPED, 0),
        (False, "credentials", FileComparison.SAME, FileStatus.SKIPPED, 0),
        # Other bytes.
        (True, "taken", FileComparison.DIFFERENT, FileStatus.CONFLICT, 7),
        (False, "unknown", FileComparison.DIFFERENT, FileStatus.CONFLICT, 7),
        (False, "credentials", FileComparison.DIFFERENT, FileStatus.CONFLICT, 7),
        # Never listed.
        (True, "taken", FileComparison.ABSENT, FileStatus.UNKNOWN, 10),
        (True, "unknown", FileComparison.ABSENT, FileStatus.UNKNOWN, 10),
        (True, "invalid", FileComparison.ABSENT, FileStatus.UNKNOWN, 6),
        (True, "pypi", FileComparison.ABSENT, FileStatus.REJECTED, 7),
        (False, "taken", FileComparison.ABSENT, FileStatus.UNKNOWN, 7),
        (False, "pypi", FileComparison.ABSENT, FileStatus.REJECTED, 7),
        (False, "unknown", FileComparison.ABSENT, FileStatus.REJECTED, 6),
        (False, "credentials", FileComparison.ABSENT, FileStatus.FAILED, 4),
        (False, "sign-in", FileComparison.ABSENT, FileStatus.FAILED, 4),
        (False, "sign-in", FileComparison.SAME, FileStatus.SKIPPED, 0),
    ],
)
def test_the_bytes_on_the_index_decide_and_not_its_words(
    lost: bool, response: str, state: FileComparison, outcome: FileStatus, code: int
) -> None:
    index = ScriptedIndex(**{A: [*[NO_RESPONSE] * lost, ANSWERS[response]]})
    index.listed[A] = [*[FileComparison.ABSENT] * lost, state]
    results = index.run(A)
    assert outcomes(results) == [(A, outcome, 1 + lost)]
    error = upload_error(results)
    assert (error.exit_code if error else 0) == code
    if error and ANSWERS[response].server_message and outcome is not FileStatus.CONFLICT:
        assert f'the index said: "{ANSWERS[response].server_message}"' in error.message
    if outcome is FileStatus.UNKNOWN and lost:
        assert error
        assert "version" not in error.hint
    # Only what a listing that lags may still show is waited for, and nothing is posted meanwhile.
    is_awaited = state is FileComparison.ABSENT and (response == "taken" or (lost and response == "unknown"))
    assert sum(index.time.slept[lost:]) == pytest.approx(ScriptedIndex.LISTING_TIMEOUT if is_awaited else 0)


def test_a_verdict_without_a_readable_index_quotes_the_server() -> None:
    index = ScriptedIndex(**{A: [INVALID]})
    index.listed[A] = [NetworkError("all is down")]
    results = index.run(A)
    assert outcomes(results) == [(A, FileStatus.REJECTED, 1)]
    error = upload_error(results)
    assert isinstance(error, FileError)
    assert "'x' is not a valid classifier." in error.message
    assert error.details == ("cannot query the index for the file: all is down",)


def test_uploads_nothing_while_the_index_is_unreachable() -> None:
    index = ScriptedIndex(**{A: [NO_RESPONSE, OK]})
    index.listed[A] = [NetworkError("down"), NetworkError("down"), FileComparison.ABSENT]
    assert outcomes(index.run(A)) == [(A, FileStatus.UPLOADED, 2)]
    assert index.log == ["credentials", f"post {A}", *[f"ask {A}"] * 3, f"post {A}"]


def test_an_upload_that_cannot_have_been_stored_has_failed() -> None:
    refused = upload_response.missing_response("cannot connect to the index", is_incomplete=True)
    index = ScriptedIndex(**{A: [refused] * 6})
    assert outcomes(index.run(A)) == [(A, FileStatus.FAILED, 6)]


def test_reports_an_unknown_outcome() -> None:
    index = ScriptedIndex(**{A: [NO_RESPONSE]})
    index.listed[A] = [NetworkError("all is down")]
    results = index.run(A)
    assert outcomes(results) == [(A, FileStatus.UNKNOWN, 1)]
    error = upload_error(results)
    assert type(error) is NetworkError
    assert error.message == (
        f"{A}: the connection broke before the response; cannot query the index for the file: all is down"
    )


def test_skips_a_file_that_another_run_uploaded() -> None:
    index = ScriptedIndex(**{A: [EXISTS]})
    index.listed[A] = [FileComparison.SAME]
    assert outcomes(index.run(A)) == [(A, FileStatus.SKIPPED, 1)]


@pytest.mark.parametrize(
    ("state", "outcome", "expected"),
    [
        (FileComparison.DIFFERENT, FileStatus.CONFLICT, f"sha256 {'c' * 64}, not {'a' * 64}"),
        (
            FileComparison.SAME_BYTES_OTHER_NAME,
            FileStatus.CONFLICT,
            "the index has the same bytes under the name other.whl",
        ),
        (FileComparison.ABSENT, FileStatus.UNKNOWN, "a file with this name already exists on the index"),
    ],
)
def test_reports_a_conflict_with_an_existing_file(
    state: FileComparison, outcome: FileStatus, expected: str
) -> None:
    index = ScriptedIndex(**{A: [EXISTS]})
    index.listed[A] = [state]
    [result] = index.run(A)
    assert (result.outcome, result.attempts) == (outcome, 1)
    assert isinstance(result.error, ConflictError)
    assert expected in result.reason


def test_checks_the_index_after_a_permanent_failure() -> None:
    stored, lost = ScriptedIndex(**{A: [OUT_OF_STORAGE]}), ScriptedIndex(**{A: [OUT_OF_STORAGE]})
    stored.listed[A] = [FileComparison.SAME]
    assert outcomes(stored.run(A)) == [(A, FileStatus.UPLOADED, 1)]
    assert outcomes(lost.run(A)) == [(A, FileStatus.UNKNOWN, 1)]


def test_stops_at_a_conflict_in_the_plan() -> None:
    index = ScriptedIndex()
    other = IndexComparison(file=local_file(B), result=FileComparison.DIFFERENT, index_sha256="c" * 64)
    results = index.run(A, states=[other])
    assert outcomes(results) == [(B, FileStatus.CONFLICT, 0), (A, FileStatus.NOT_TRIED, 0)]
    assert index.log == []
    assert isinstance(upload_error(results), ConflictError)


# --- stopped runs ----------------------------------------------------------------------------------


class StoppingIndex(ScriptedIndex):
    """An index that stops the run while a given file is being uploaded."""

    def __init__(self, at: str, *, expires: bool = False) -> None:
        super().__init__()
        self.at, self.expires = at, expires
        self.watch = CancellationToken(clock=self.time.clock)

    def upload(self, file: LocalFile) -> UploadResponse:
        if file.filename == self.at:
            self.stop()
        return super().upload(file)

    def stop(self) -> None:
        if self.expires:
            self.watch.record_timeout(60)
        else:
            self.watch.record_signal(15)

    def run_until_stopped(self, *filenames: str, jobs: int = 1) -> tuple[UploadResult, ...]:
        states = [IndexComparison(file=local_file(name), result=FileComparison.ABSENT) for name in filenames]
        with self.watch.deferred():
            return upload_all(
                states, self, self.state_of, progress=SilentProgress(), jobs=jobs, cancel=self.watch
            )


def test_finishes_the_upload_in_progress_and_starts_no_other() -> None:
    index = StoppingIndex(C)
    results = index.run_until_stopped(A, B, C, SDIST)
    assert outcomes(results) == [
        (A, FileStatus.NOT_TRIED, 0),
        (B, FileStatus.UPLOADED, 1),
        (C, FileStatus.UPLOADED, 1),
        (SDIST, FileStatus.NOT_TRIED, 0),
    ]
    error = upload_error(results, index.watch.error)
    assert isinstance(error, RunInterrupted)
    assert error.exit_code == 143
    assert error.message == "stopped by signal 15: 2 of 4 files are on the index, 2 are not"
    assert error.details == (f"not in: {A}: not tried", f"in: {B}", f"in: {C}", f"not in: {SDIST}: not tried")


@pytest.mark.parametrize("in_flight", [True, False])
def test_names_the_uploads_it_waits_for(in_flight: bool) -> None:
    lines: list[str] = []
    watch, index = CancellationToken(), ScriptedIndex()

    class LineCollector(SilentProgress):
        def info(self, text: str) -> None:
            lines.append(text)

    def upload(file: LocalFile) -> UploadResponse:
        watch.record_signal(15)
        real_time.sleep(0.4)
        return OK

    index.upload = upload  # type: ignore[method-assign]
    states = [IndexComparison(file=local_file(name), result=FileComparison.ABSENT) for name in (B, A)]
    with watch.deferred():
        if not in_flight:
            watch.record_signal(15)
        results = upload_all(states, index, index.state_of, progress=LineCollector(), cancel=watch)
    assert [result.outcome for result in results] == [
        FileStatus.UPLOADED if in_flight else FileStatus.NOT_TRIED,
        FileStatus.NOT_TRIED,
    ]
    assert len(lines) == in_flight
    assert all(f": starting no more uploads; waiting up to 30 s for {B}; press" in line for line in lines)


def test_a_stopped_run_ends_a_pause_and_does_not_retry() -> None:
    index = StoppingIndex(C)
    index.script[C] = [upload_response.classify_response(429, "", {"Retry-After": "600"}), OK]
    index.listed[C] = [FileComparison.SAME]
    assert outcomes(index.run_until_stopped(C, SDIST)) == [
        (C, FileStatus.SKIPPED, 1),
        (SDIST, FileStatus.NOT_TRIED, 0),
    ]
    lost = StoppingIndex(C)
    lost.script[C] = [NO_RESPONSE, OK]
    [result] = lost.run_until_stopped(C)
    assert (result.outcome, result.attempts) == (FileStatus.UNKNOWN, 1)
    assert result.error is not None
    assert "the index does not list the file, and may have stored it" in result.reason
    assert lost.log == ["credentials", f"post {C}", f"ask {C}"]


def test_pauses_between_attempts_double_from_a_second_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class MaximumJitter:
        def uniform(self, _: float, most: float) -> float:
            return most

    monkeypatch.setattr(retry, "_jitter", MaximumJitter())
    pauses: list[float] = []
    index = ScriptedIndex(**{A: [BUSY, NO_RESPONSE, BUSY, BUSY, OK]})
    context = UploadContext(
        upload=index.upload,
        query_index=index.state_of,
        wait=pauses.append,
        must_end=lambda: False,
        retries=6,
        progress=SilentProgress(),
    )
    result = FileUpload(local_file(A), context).run()
    assert (result.outcome, result.attempts) == (FileStatus.UPLOADED, 5)
    assert pauses == [1, 2, 4, 8]


def test_does_not_start_an_upload_in_a_stopped_run() -> None:
    index = ScriptedIndex()
    shared = UploadContext(
        upload=lambda _: None,
        query_index=index.state_of,
        wait=index.time.sleep,
        must_end=lambda: True,
        retries=6,
        progress=SilentProgress(),
    )
    result = FileUpload(local_file(A), shared).run()
    assert (result.outcome, result.attempts, index.log) == (FileStatus.NOT_TRIED, 0, [])


def test_abandons_a_hanging_upload_on_timeout_or_second_signal() -> None:
    release_uploads = threading.Event()

    class HangingIndex(StoppingIndex):
        def upload(self, file: LocalFile) -> UploadResponse:
            self.stop()
            if self.expires:
                self.time.now += 31
            else:
                self.watch.record_signal(2)
            release_uploads.wait(30)
            return OK

    for expires in (True, False):
        index = HangingIndex(C, expires=expires)
        results = index.run_until_stopped(C, SDIST)
        assert outcomes(results) == [(C, FileStatus.UNKNOWN, 1), (SDIST, FileStatus.NOT_TRIED, 0)]
        error = upload_error(results, index.watch.error)
        assert error is not None
        assert (
            error.details[-2:]
            == (
                (
                    f"unknown: {C}: the upload was in progress when the run ended; "
                    "the index may have the file or not"
                ),
                f"not in: {SDIST}: not tried",
            )
            or expires
        )
    release_uploads.set()


def test_reports_an_expired_time_limit() -> None:
    partial_run = StoppingIndex(C, expires=True)
    partial = upload_error(partial_run.run_until_stopped(A, B, C, SDIST), partial_run.watch.error)
    assert isinstance(partial, PartialError)
    assert partial.message == (
        "2 of 4 files are on the index, 2 are not: timed out after 60 s (--max-duration)"
    )
    assert partial.details[0] == f"not in: {A}: not tried"
    assert partial.hint == PartialError.default_hint
    # Stopped before the first file: none is on the index. During the last: all are, but unconfirmed.
    stopped_early = StoppingIndex(A, expires=True)
    with stopped_early.watch.deferred():
        stopped_early.stop()
    no_files = upload_error(stopped_early.run_until_stopped(A, B), stopped_early.watch.error)
    assert isinstance(no_files, DeadlineError)
    assert stopped_early.log == ["credentials"]
    stopped_late = StoppingIndex(A, expires=True)
    all_files = upload_error(stopped_late.run_until_stopped(A), stopped_late.watch.error)
    assert isinstance(all_files, DeadlineError)
    assert all_files.message.endswith("(--max-duration): 1 of 1 file is on the index")
    assert all_files.details == (f"in: {A}",)


def test_an_unexpected_error_does_not_hide_other_results() -> None:
    index = ScriptedIndex()

    def crash(file: LocalFile) -> UploadResponse:
        if file.filename == C:
            raise ZeroDivisionError("oh\x1b")
        return OK

    index.upload = crash  # type: ignore[method-assign]
    results = index.run(B, C, A)
    assert outcomes(results) == [
        (B, FileStatus.UPLOADED, 1),
        (C, FileStatus.UNKNOWN, 0),
        (A, FileStatus.NOT_TRIED, 0),
    ]
    assert isinstance(upload_error(results), PartialError)
    assert (
        results[1].reason == f"{C}: unexpected ZeroDivisionError: oh\\x1b; the index may have the file or not"
    )
    assert results[1].error is not None
    assert results[1].error.details[0].endswith("in crash")


# --- concurrency -----------------------------------------------------------------------------------


class SlowIndex(ScriptedIndex):
    """An index whose uploads share ``rate`` bytes per second, in virtual time."""

    def __init__(self, rate: float, *, max_successful_streams: int = 99) -> None:
        super().__init__()
        self.rate, self.max_successful_streams = rate, max_successful_streams
        self.bytes_left: dict[str, float] = {}
        #: Seconds that each accepted upload took, and the numbers of concurrent uploads.
        self.seconds_by_file: dict[str, float] = {}
        self.stream_counts: list[int] = []
        self.failed = 0
        self.turn = threading.Condition()

    def upload(self, file: LocalFile) -> UploadResponse:
        started = self.time.now
        with self.turn:
            self.bytes_left[file.filename] = float(file.size)
            max_streams = len(self.bytes_left)
            self.stream_counts.append(max_streams)
        # Let other uploads start.
        real_time.sleep(0.02)
        with self.turn:
            max_streams = max(max_streams, len(self.bytes_left))
            while self.bytes_left.get(file.filename, 0) > 0:
                # Advance all uploads until the next one completes.
                share = self.rate / len(self.bytes_left)
                step = min(self.bytes_left.values()) / share
                self.time.now += step
                self.bytes_left = {name: left - step * share for name, left in self.bytes_left.items()}
                arrived = [name for name, left in self.bytes_left.items() if left <= 1e-6]
                for name in arrived:
                    del self.bytes_left[name]
        if max_streams > self.max_successful_streams:
            with self.turn:
                self.failed += 1
            return upload_response.classify_response(500)
        self.seconds_by_file[file.filename] = self.time.now - started
        return OK

    def upload_sizes(self, *sizes: int, jobs: int = 4) -> tuple[UploadResult, ...]:
        files = [local_file(f"dipy-1.0-cp3{number}-none-any.whl", size) for number, size in enumerate(sizes)]
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


@pytest.mark.parametrize(("rate", "max_streams"), [(1e9, 4), (2e6, 4), (1.8e6, 2), (0.5e6, 1)])
def test_limits_concurrency_to_the_upload_time_limit_of_the_index(rate: float, max_streams: int) -> None:
    """A single wheel of 100 MB takes 50 s at 2 MB/s; PyPI aborts an upload after 240 s."""
    slow_index = SlowIndex(rate)
    results = slow_index.upload_sizes(*[100_000_000] * 7)
    assert {result.outcome for result in results} == {FileStatus.UPLOADED}
    assert slow_index.stream_counts[0] == 1
    assert max(slow_index.stream_counts) <= max_streams
    assert max(slow_index.seconds_by_file.values()) < 240


def test_a_failed_first_file_does_not_reduce_concurrency() -> None:
    slow_index = SlowIndex(1e9)
    original, started = slow_index.upload, 0

    def upload(file: LocalFile) -> UploadResponse:
        nonlocal started
        started += 1
        return BUSY if started == 1 else original(file)

    slow_index.upload = upload  # type: ignore[method-assign]
    results = slow_index.upload_sizes(*[1000] * 9)
    assert {result.outcome for result in results} == {FileStatus.UPLOADED}
    assert max(slow_index.stream_counts) > 1


def test_reduces_concurrency_for_an_overloaded_index() -> None:
    slow_index = SlowIndex(1e9, max_successful_streams=1)
    results = slow_index.upload_sizes(*[1000] * 8)
    assert {result.outcome for result in results} == {FileStatus.UPLOADED}
    # Four concurrent uploads fail, then two; then files are sent one at a time.
    assert slow_index.failed <= 4 + 2 + 1


def test_does_not_upload_a_queued_file_in_a_stopped_run() -> None:
    """Two concurrent uploads fail, so one waits for the other, which is in progress when the run stops."""
    index, barrier = ScriptedIndex(), threading.Barrier(2, timeout=10)
    watch, attempts = CancellationToken(), Counter[str]()

    def upload(file: LocalFile) -> UploadResponse:
        attempts[file.filename] += 1
        if file.filename == C:
            return OK
        if attempts[file.filename] == 1:
            barrier.wait()
            return BUSY
        real_time.sleep(0.3)
        watch.record_signal(15)
        real_time.sleep(0.3)
        return OK

    index.upload = upload  # type: ignore[method-assign]
    files = [local_file(C, 3), local_file(B, 2), local_file(A, 1)]
    states = [IndexComparison(file=file, result=FileComparison.ABSENT) for file in files]
    with watch.deferred():
        results = upload_all(
            states,
            index,
            index.state_of,
            progress=SilentProgress(),
            jobs=2,
            cancel=watch,
            sleep=lambda _: None,
        )
    assert sorted(outcomes(results)[1:], key=lambda outcome: outcome[2]) in (
        [(A, FileStatus.UNKNOWN, 1), (B, FileStatus.UPLOADED, 2)],
        [(B, FileStatus.UNKNOWN, 1), (A, FileStatus.UPLOADED, 2)],
    )
    assert sum(attempts.values()) == 4


def test_warns_about_a_file_that_takes_too_long() -> None:
    lines: list[str] = []

    class LineCollector(SilentProgress):
        def info(self, text: str) -> None:
            lines.append(text)

    index = ScriptedIndex()

    def upload_slowly(file: LocalFile) -> UploadResponse:
        index.time.now += file.size / 1000
        return OK if file.filename == A else upload_response.classify_response(500)

    index.upload = upload_slowly  # type: ignore[method-assign]
    first = IndexComparison(file=local_file(A, 1000), result=FileComparison.ABSENT)
    second = IndexComparison(file=local_file(SDIST, 300_000), result=FileComparison.ABSENT)
    results = upload_all(
        [first, second],
        index,
        index.state_of,
        progress=LineCollector(),
        retries=1,
        sleep=index.time.sleep,
        clock=index.time.clock,
    )
    assert lines == [f"{SDIST} takes 5 min at the current bandwidth; PyPI aborts an upload after 4 min"]
    error = results[1].error
    assert error is not None
    assert "run the same command over a faster connection" in error.hint


# --- concurrency controller ------------------------------------------------------------------------


def test_limits_streams_by_bandwidth() -> None:
    controller = ConcurrencyController(8)
    assert controller.limit(1) == 1, "nothing has been measured yet"
    assert (controller.estimated_seconds(10**12), controller.exceeds_server_limit(10**12)) == (0.0, False)
    controller.record_success(1_000_000, 1.0, 1)
    # The controller plans for 120 s, which is 120 MB in total.
    for largest, streams in (
        (120_000_000, 1),
        (60_000_000, 2),
        (60_000_001, 1),
        (15_000_000, 8),
        (1, 8),
        (0, 8),
    ):
        assert controller.limit(largest) == streams, largest
    assert controller.limit(10**12) == 1
    assert controller.estimated_seconds(3_000_000) == 3.0
    assert (controller.exceeds_server_limit(240_000_000), controller.exceeds_server_limit(240_000_001)) == (
        False,
        True,
    )


def test_estimates_bandwidth_from_uploads() -> None:
    controller = ConcurrencyController(8)
    controller.record_success(1000, 2.0, 2)
    assert controller.estimated_seconds(1000) == 1.0
    controller.record_success(100, 0.9, 1)
    assert controller.estimated_seconds(1000) == 1.0, "a short upload is mostly latency"
    controller.record_success(100, 1.0, 1)
    assert controller.estimated_seconds(1000) == 10.0, "a longer upload counts even if it was slower"
    controller.record_success(1000, 0.5, 1)
    assert controller.estimated_seconds(1000) == 0.5, "a short upload counts if it was faster"
    controller.record_success(1000, 0.0, 1)
    assert controller.estimated_seconds(1_000_000) == 1.0, (
        "an upload without duration counts as one millisecond"
    )


def test_reduces_streams_after_a_failure() -> None:
    controller = ConcurrencyController(0)
    controller.record_success(1000, 0.0, 1)
    assert controller.limit(1) == 1
    controller = ConcurrencyController(8)
    controller.record_success(10**9, 1.0, 1)
    for failed_with, left in ((8, 4), (8, 4), (5, 2), (3, 1), (1, 1)):
        controller.record_failure(failed_with)
        assert controller.limit(1) == left


# --- final error -----------------------------------------------------------------------------------


def test_stops_after_a_rejected_file() -> None:
    index = ScriptedIndex(**{C: [INVALID]})
    results = index.run(B, C, A, SDIST)
    assert outcomes(results) == [
        (B, FileStatus.UPLOADED, 1),
        (C, FileStatus.REJECTED, 1),
        (A, FileStatus.NOT_TRIED, 0),
        (SDIST, FileStatus.NOT_TRIED, 0),
    ]
    error = upload_error(results)
    assert isinstance(error, PartialError)
    reason = (
        f"{C}: the index does not accept the file's metadata (status 400); the index said: "
        "\"'x' is not a valid classifier.\""
    )
    assert error.message == f"1 of 4 files is on the index, 3 are not: {reason}"
    assert error.details == (
        f"in: {B}",
        f"not in: {reason}",
        f"not in: {A}: not tried",
        f"not in: {SDIST}: not tried",
    )
    assert error.hint == (
        "Correct the project's metadata, rebuild, and run the command again. The same command then continues."
    )


def test_a_name_that_is_burned_is_a_conflict_even_if_other_files_are_in() -> None:
    index = ScriptedIndex(**{C: [upload_response.classify_response(400, BURNED)]})
    existing = IndexComparison(file=local_file(B), result=FileComparison.SAME)
    error = upload_error(index.run(C, states=[existing]))
    assert isinstance(error, ConflictError)
    assert error.message.startswith(f"1 of 2 files is on the index, 1 is not: {C}: a file with this name was")
    assert error.details[0] == f"in: {B}"
    assert "continue" not in error.hint


BURNED = "This filename was previously used by a file that has since been deleted. Use a different version."


def test_keep_going_uploads_the_other_files() -> None:
    index = ScriptedIndex(**{C: [INVALID]})
    results = index.run(B, C, A, SDIST, keep_going=True)
    assert [result.outcome for result in results].count(FileStatus.UPLOADED) == 3


def test_keep_going_continues_after_a_conflict() -> None:
    other = IndexComparison(file=local_file(B), result=FileComparison.DIFFERENT)
    results = ScriptedIndex().run(A, states=[other], keep_going=True)
    assert outcomes(results) == [(B, FileStatus.CONFLICT, 0), (A, FileStatus.UPLOADED, 1)]


def test_a_local_error_is_a_result() -> None:
    index = ScriptedIndex(**{A: [FileError("changed", hint="look")]})
    results = index.run(A)
    assert outcomes(results) == [(A, FileStatus.FAILED, 0)]
    assert isinstance(upload_error(results), FileError)


def test_a_network_failure_suggests_the_same_command() -> None:
    index = ScriptedIndex(**{A: [BUSY] * 6})
    existing = IndexComparison(file=local_file(B), result=FileComparison.SAME)
    error = upload_error(index.run(A, states=[existing]))
    assert isinstance(error, PartialError)
    assert error.hint == PartialError.default_hint
    assert error.details[0] == f"in: {B}"


def test_lists_an_unknown_outcome() -> None:
    index = ScriptedIndex(**{A: [NO_RESPONSE]})
    index.listed[A] = [NetworkError("down")]
    error = upload_error(
        index.run(A, states=[IndexComparison(file=local_file(B), result=FileComparison.SAME)])
    )
    assert error is not None
    assert error.details[1].startswith(f"unknown: {A}: the connection broke")


def test_raises_the_most_severe_error_with_the_others_as_details() -> None:
    index = ScriptedIndex(
        **{
            A: [upload_response.classify_response(404)],
            B: [INVALID],
            C: [upload_response.classify_response(401)],
        }
    )
    error = upload_error(index.run(A, B, C, keep_going=True))
    assert isinstance(error, CredentialsError)
    assert len(error.details) == 2
    assert isinstance(
        upload_error(ScriptedIndex(**{A: [upload_response.classify_response(404)]}).run(A)), UsageError
    )

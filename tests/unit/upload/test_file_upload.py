"""Test the upload of one file: the waits, what -v shows, and the exact words of each result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.testing.indexes import VirtualTime
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    FileError,
    NetworkError,
    ReleaseError,
    StorageError,
    UsageError,
)
from wheel_uploader.core.models import FileComparison, FileStatus, IndexComparison, LocalFile, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http import retry
from wheel_uploader.upload.file_upload import FileUpload, UploadContext
from wheel_uploader.upload.response import (
    UploadResponse,
    classify_response,
    missing_response,
    untrusted_certificate,
)

NAME = "demo-1.0-py3-none-any.whl"
FILE = LocalFile(name=filenames.parse_filename(NAME), path=Path("new"), size=1, sha256="b" * 64)
OK, BUSY = classify_response(200), classify_response(503)
LOST = missing_response("the connection broke")
INVALID = classify_response(400, "'x' is not a valid classifier.")
EXISTS = classify_response(409, "already exists")
PYPI_EXISTS = classify_response(400, "already exists ('x', with blake2_256 hash 'y')")
FORBIDDEN = classify_response(403)
SAME, ABSENT, DIFFERENT = FileComparison.SAME, FileComparison.ABSENT, FileComparison.DIFFERENT
UNREADABLE = NetworkError("the index did not answer")

BUSY_TEXT = f"{NAME}: the index returned a server error (status 503)"
LOST_TEXT = f"{NAME}: the connection broke"
INVALID_TEXT = INVALID.to_error(NAME).message
EXISTS_TEXT = EXISTS.to_error(NAME).message


@dataclass
class Index(SilentProgress):
    """An index with scripted answers, the last of which is repeated; also records the progress."""

    posts: Sequence[UploadResponse | ReleaseError | None] = (OK,)
    looks: Sequence[FileComparison | ReleaseError] = (ABSENT,)
    settings: dict[str, Any] = field(default_factory=dict)
    #: Seconds that a look takes.
    look_seconds: float = 0.0
    #: The run must end after this many pauses.
    ends_after: int = 1000
    answers: int = 0
    log: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    time: VirtualTime = field(default_factory=VirtualTime)

    def debug(self, text: str) -> None:
        self.lines.append(text)

    def info(self, text: str) -> None:
        self.lines.append(f"info: {text}")

    def _answer(self, step: str, answers: Sequence[Any]) -> Any:
        position = self.log.count(step)
        self.log.append(step)
        answer = answers[min(position, len(answers) - 1)]
        if isinstance(answer, ReleaseError):
            raise answer
        return answer

    def _post(self, _file: LocalFile) -> UploadResponse | None:
        answer: UploadResponse | None = self._answer("post", self.posts)
        self.answers += answer is not None
        return answer

    def _look(self, file: LocalFile) -> IndexComparison:
        self.time.now += self.look_seconds
        result = self._answer("look", self.looks)
        return IndexComparison(file=file, result=result, index_sha256="c" * 64, other_name="other.whl")

    def upload(self) -> UploadResult:
        context = UploadContext(
            **{
                "upload": self._post,
                "query_index": self._look,
                "wait": self.time.sleep,
                "must_end": lambda: len(self.time.slept) >= self.ends_after,
                "retries": 1,
                "progress": self,
                "clock": self.time.clock,
                **self.settings,
            }
        )
        return FileUpload(FILE, context).run()


@pytest.fixture(autouse=True)
def _longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    class MaximumJitter:
        def uniform(self, _: float, most: float) -> float:
            return most

    monkeypatch.setattr(retry, "_jitter", MaximumJitter())


def check(
    index: Index,
    outcome: FileStatus,
    log: str,
    reason: str = "",
    *,
    error: type[ReleaseError] | None = None,
    hint: str = "",
    details: tuple[str, ...] = (),
) -> None:
    result = index.upload()
    assert index.log == log.split()
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.attempts == index.answers
    assert (type(result.error) if result.error else None) is error
    if result.error:
        assert result.error.message == reason
        assert result.error.hint == (hint or type(result.error).default_hint)
        assert result.error.details == details


def test_an_accepted_file_takes_one_request() -> None:
    check(Index(), FileStatus.UPLOADED, "post")


def test_a_run_that_ended_sends_nothing() -> None:
    check(Index(posts=[None]), FileStatus.NOT_TRIED, "post")


def test_an_error_on_this_side_is_the_result() -> None:
    index = Index(posts=[StorageError("disk")])
    check(index, FileStatus.FAILED, "post", "disk", error=StorageError)


# --- retries ---------------------------------------------------------------------------------------


def test_looks_before_each_attempt() -> None:
    index = Index(posts=[BUSY, BUSY, OK], settings={"retries": 3})
    check(index, FileStatus.UPLOADED, "post look post look post")
    assert index.time.slept == [1.0, 2.0]
    assert index.lines == [
        f"{BUSY_TEXT}; checking the index, then attempt 2 of 3 in 1 s",
        f"{BUSY_TEXT}; checking the index, then attempt 3 of 3 in 2 s",
    ]


def test_waits_as_long_as_the_index_asks() -> None:
    limited = classify_response(429, headers={"Retry-After": "20"})
    index = Index(posts=[limited, OK], settings={"retries": 2})
    check(index, FileStatus.UPLOADED, "post look post")
    assert index.time.slept == [21.0]


def test_a_look_that_fails_costs_an_attempt() -> None:
    index = Index(posts=[BUSY], looks=[UNREADABLE, ABSENT], settings={"retries": 3})
    reason = f"{BUSY_TEXT}; the index does not list the file, and may have stored it"
    check(
        index,
        FileStatus.UNKNOWN,
        "post look look post look",
        reason,
        error=NetworkError,
        details=("attempted 2 times",),
    )


def test_finds_the_file_before_the_next_attempt() -> None:
    index = Index(posts=[LOST], looks=[SAME], settings={"retries": 2})
    check(index, FileStatus.UPLOADED, "post look")
    assert index.lines[-1] == f"{NAME}: the connection broke; but the index has the file"
    other = Index(posts=[LOST], looks=[DIFFERENT], settings={"retries": 2})
    reason = f"{NAME}: the index has a different file with this name: sha256 {'c' * 64}, not {FILE.sha256}"
    check(other, FileStatus.CONFLICT, "post look", reason, error=ConflictError)


def test_finds_our_bytes_under_another_name() -> None:
    index = Index(posts=[INVALID], looks=[FileComparison.SAME_BYTES_OTHER_NAME])
    reason = f"{NAME}: the index has the same bytes under the name other.whl"
    check(index, FileStatus.CONFLICT, "post look", reason, error=ConflictError)


def test_a_run_that_must_end_is_not_continued_after_a_pause() -> None:
    index = Index(posts=[BUSY], settings={"retries": 9}, ends_after=1)
    reason = f"{BUSY_TEXT}; the index does not list the file, and may have stored it"
    check(index, FileStatus.UNKNOWN, "post look", reason, error=NetworkError)
    incomplete = missing_response("cut", is_incomplete=True)
    index = Index(posts=[incomplete], settings={"retries": 9}, ends_after=1)
    check(index, FileStatus.FAILED, "post look", f"{NAME}: cut", error=NetworkError)


# --- no certain answer -----------------------------------------------------------------------------


def test_a_file_that_may_be_stored_is_unknown() -> None:
    reason = f"{LOST_TEXT}; the index does not list the file, and may have stored it"
    check(Index(posts=[LOST]), FileStatus.UNKNOWN, "post look", reason, error=NetworkError)
    reason = f"{LOST_TEXT}; cannot query the index for the file: the index did not answer"
    index = Index(posts=[LOST], looks=[UNREADABLE])
    check(index, FileStatus.UNKNOWN, "post look", reason, error=NetworkError)


def test_an_error_on_this_side_does_not_hide_the_doubt() -> None:
    index = Index(posts=[LOST, FileError("changed")], settings={"retries": 2})
    reason = "changed; the index does not list the file, and may have stored it"
    check(index, FileStatus.UNKNOWN, "post look post look", reason, error=FileError)


WRITE_ONLY_HINT = (
    "Look for the file and its hash on the pages of the index. If it is not there, run the same command "
    "again, which sends it again: an index that has the name rejects it or overwrites it."
)


@pytest.mark.parametrize("is_safe", [True, False])
def test_an_index_that_is_not_read_gets_no_other_attempt_if_that_could_overwrite(is_safe: bool) -> None:
    settings = {"query_index": None, "retries": 2, "repeats_are_safe": is_safe}
    index = Index(posts=[LOST, LOST], settings=settings)
    reason = f"{LOST_TEXT}; the index may have the file, and is not read (--write-only)"
    check(
        index,
        FileStatus.UNKNOWN,
        "post post" if is_safe else "post",
        reason,
        error=NetworkError,
        hint=WRITE_ONLY_HINT,
        details=("attempted 2 times",) if is_safe else (),
    )


def test_an_upload_that_stored_nothing_is_repeated_without_a_look() -> None:
    incomplete = missing_response("cut", is_incomplete=True)
    index = Index(posts=[incomplete, OK], settings={"query_index": None, "retries": 2})
    check(index, FileStatus.UPLOADED, "post post")


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (INVALID, FileStatus.REJECTED, FileError),
        (PYPI_EXISTS, FileStatus.REJECTED, ConflictError),
        (FORBIDDEN, FileStatus.FAILED, CredentialsError),
    ],
)
def test_a_refused_file_is_looked_for(
    answer: UploadResponse, outcome: FileStatus, error: type[ReleaseError]
) -> None:
    expected = answer.to_error(NAME)
    check(Index(posts=[answer]), outcome, "post look", expected.message, error=error, hint=expected.hint)
    index = Index(posts=[answer], looks=[SAME])
    check(index, FileStatus.SKIPPED, "post look")
    assert index.lines == [f"{NAME}: {answer.summary}; the index has these bytes"]
    unread = Index(posts=[answer], looks=[UNREADABLE])
    problem = "cannot query the index for the file: the index did not answer"
    check(unread, outcome, "post look", expected.message, error=error, hint=expected.hint, details=(problem,))
    write_only = Index(posts=[answer], settings={"query_index": None})
    problem = "cannot query the index for the file: it is not read (--write-only)"
    check(write_only, outcome, "post", expected.message, error=error, hint=expected.hint, details=(problem,))


def test_a_busy_index_is_not_a_rejection() -> None:
    limited = classify_response(429)
    index = Index(posts=[limited], settings={"retries": 2})
    reason = limited.to_error(NAME).message
    check(
        index,
        FileStatus.FAILED,
        "post look post look",
        reason,
        error=NetworkError,
        details=("attempted 2 times",),
    )


@pytest.mark.parametrize(
    "answer", [untrusted_certificate("expired"), *map(classify_response, (300, 301, 304, 307, 308, 399))]
)
def test_an_upload_that_did_not_arrive_needs_no_look(answer: UploadResponse) -> None:
    expected = answer.to_error(NAME)
    check(
        Index(posts=[answer]),
        FileStatus.FAILED,
        "post",
        expected.message,
        error=type(expected),
        hint=expected.hint,
    )


@pytest.mark.parametrize("status", [302, 303])
def test_a_redirect_may_be_the_answer_to_a_stored_form(status: int) -> None:
    answer = classify_response(status)
    check(Index(posts=[answer], looks=[SAME]), FileStatus.SKIPPED, "post look")
    check(
        Index(posts=[answer], looks=[ABSENT]),
        FileStatus.FAILED,
        "post look",
        answer.to_error(NAME).message,
        error=UsageError,
        hint=str(answer.hint),
    )


def test_a_refusal_after_a_lost_answer_may_be_due_to_it() -> None:
    index = Index(posts=[LOST, INVALID], looks=[ABSENT, SAME], settings={"retries": 2})
    check(index, FileStatus.UPLOADED, "post look post look")
    assert index.lines[-1] == f"info: {NAME}: uploaded (the first answer was lost)"
    unclear = Index(posts=[LOST, FORBIDDEN], settings={"retries": 2})
    reason = f"{FORBIDDEN.to_error(NAME).message}; the index does not list the file, and may have stored it"
    check(
        unclear,
        FileStatus.UNKNOWN,
        "post look post look",
        reason,
        error=CredentialsError,
        hint=str(FORBIDDEN.hint),
        details=("attempted 2 times",),
    )
    read_only = Index(posts=[LOST, EXISTS], settings={"retries": 2, "listing_timeout": 2.0})
    doubt = "an earlier upload of it got no answer, and the index did not list the file within 2 s"
    reason = f"{EXISTS_TEXT}; {doubt}"
    hint = "The index may have stored this file: run the same command again to look for it."
    log = "post look post look look look"
    check(read_only, FileStatus.UNKNOWN, log, reason, error=DeadlineError, hint=hint)
    # This one leaves no doubt.
    final = Index(posts=[LOST, PYPI_EXISTS], settings={"retries": 2, "listing_timeout": 2.0})
    assert final.upload().outcome is FileStatus.REJECTED
    assert final.log == ["post", "look", "post", "look"]


# --- a listing that lags ---------------------------------------------------------------------------

UNLISTED_HINT = (
    "If the name is taken by another file, publish under a new version; ask the operator of the index, "
    "because its page shows no such file."
)
PAUSES = [1.0, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 17.0859375, 20.0, 20.0]


def test_waits_up_to_30_s_for_a_file_of_another_run() -> None:
    index = Index(posts=[EXISTS], settings={"listing_timeout": 600.0})
    log = " ".join(["post", *["look"] * 8])
    reason = f"{EXISTS_TEXT}; its page does not show the file"
    check(index, FileStatus.UNKNOWN, log, reason, error=ConflictError, hint=UNLISTED_HINT)
    assert index.time.slept == [*PAUSES[:6], 30 - sum(PAUSES[:6])]
    assert index.lines == [f"{NAME}: {EXISTS.summary}; the index does not list it yet"] * 7


def test_waits_longer_for_a_file_of_this_run() -> None:
    index = Index(posts=[LOST, EXISTS], settings={"retries": 2, "listing_timeout": 100.0})
    assert index.upload().outcome is FileStatus.UNKNOWN
    assert index.time.slept == [1.0, *PAUSES, 100 - sum(PAUSES)]


def test_waits_no_longer_than_the_time_limit_even_if_looks_are_slow() -> None:
    index = Index(posts=[EXISTS], settings={"listing_timeout": 10.0}, look_seconds=4.0)
    assert index.upload().outcome is FileStatus.UNKNOWN
    assert index.time.slept == [1.0, 1.0]
    exact = Index(posts=[EXISTS], settings={"listing_timeout": 10.0}, look_seconds=10.0)
    assert exact.upload().outcome is FileStatus.UNKNOWN
    assert exact.time.slept == []


def test_ends_the_wait_as_soon_as_the_file_is_listed() -> None:
    index = Index(posts=[EXISTS], looks=[ABSENT, UNREADABLE, SAME], settings={"listing_timeout": 60.0})
    check(index, FileStatus.SKIPPED, "post look look look")
    other = Index(posts=[EXISTS], looks=[ABSENT, DIFFERENT], settings={"listing_timeout": 60.0})
    assert other.upload().outcome is FileStatus.CONFLICT


def test_does_not_wait_if_the_run_must_end_or_the_index_is_not_read() -> None:
    index = Index(posts=[EXISTS], settings={"listing_timeout": 60.0}, ends_after=0)
    assert index.upload().outcome is FileStatus.UNKNOWN
    assert index.log == ["post", "look"]
    index = Index(posts=[EXISTS], looks=[UNREADABLE], settings={"listing_timeout": 0.0})
    reason = f"{EXISTS_TEXT}; cannot query the index for the file: the index did not answer"
    check(index, FileStatus.UNKNOWN, "post look", reason, error=NetworkError)
    index = Index(posts=[EXISTS], settings={"listing_timeout": 60.0, "query_index": None})
    reason = f"{EXISTS_TEXT}; the index may have the file, and is not read (--write-only)"
    check(index, FileStatus.UNKNOWN, "post", reason, error=ConflictError, hint=WRITE_ONLY_HINT)


def test_by_default_an_upload_is_not_repeated_blindly_and_a_listing_does_not_lag() -> None:
    blind = Index(posts=[LOST, LOST], settings={"query_index": None, "retries": 2})
    assert blind.upload().outcome is FileStatus.UNKNOWN
    assert blind.log == ["post"]
    unlisted = Index(posts=[EXISTS])
    assert unlisted.upload().outcome is FileStatus.UNKNOWN
    assert (unlisted.log, unlisted.time.slept) == (["post", "look"], [])

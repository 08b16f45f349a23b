"""Test the replacement of one file against a scripted target: the requests, the pauses and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.testing.indexes import VirtualTime
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import ConflictError, FileError, NetworkError, ReleaseError
from wheel_uploader.core.models import FileComparison, FileStatus, IndexComparison, LocalFile, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http import retry
from wheel_uploader.upload.file_replacement import FileReplacement, OldFile
from wheel_uploader.upload.file_upload import UploadContext
from wheel_uploader.upload.response import UploadResponse, classify_response, missing_response
from wheel_uploader.upload.response_rules import ResponseKind

NAME = "demo-1.0-py3-none-any.whl"
PARSED = filenames.parse_filename(NAME)
OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64
FILE = LocalFile(name=PARSED, path=Path("new"), size=1, sha256=NEW)
SAVED = LocalFile(name=PARSED, path=Path("saved"), size=1, sha256=OLD)
OLD_FILE = OldFile(sha256=OLD, saved=SAVED)
LOST_OLD_FILE = OldFile(sha256=OLD)

OK = classify_response(200)
TAKEN = classify_response(409, "the file already exists")
BUSY = classify_response(503)
FORBIDDEN = classify_response(403)
FULL = UploadResponse(
    kind=ResponseKind.REJECTED, status=402, diagnosis="the account is full", error_type=FileError
)
LOST = missing_response("the connection broke")
REPLACED_BY_OTHER = UploadResponse(kind=ResponseKind.EXISTS, status=200, diagnosis="another file is there")
UNREADABLE = NetworkError("the target did not answer")

FULL_TEXT = f"{NAME}: the account is full (status 402)"
BUSY_TEXT = f"{NAME}: the index returned a server error (status 503)"
KEPT = "the old file was not replaced and is served"
RESTORED = "the old bytes were put back and are served"
OTHER_PARTY = f"{NAME}: another job uploaded other bytes during the replacement"
#: A replacement without trouble, up to the upload.
BEFORE = ["save", "prepare", "remove"]


@dataclass
class Target(SilentProgress):
    """A target with scripted answers, the last of which is repeated; also records the progress."""

    old: OldFile | ReleaseError | None = OLD_FILE
    earlier: OldFile | None = None
    prepare_answers: Sequence[UploadResponse | ReleaseError] = (OK,)
    remove_answers: Sequence[UploadResponse | ReleaseError] = (OK,)
    #: For the new and for the old bytes.
    posts: Sequence[UploadResponse] = (OK,)
    posts_of_old: Sequence[UploadResponse] = (OK,)
    #: The hashes that the looks show; empty: absent.
    looks: Sequence[str | ReleaseError] = (NEW,)
    listing_timeout: float = 0.0
    retries: int = 3
    is_read: bool = True
    #: The step at which a signal ends the run.
    ends_at: str = ""
    log: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    must_end: bool = False

    def debug(self, text: str) -> None:
        self.lines.append(text)

    def info(self, text: str) -> None:
        self.lines.append(text)

    def _answer(self, step: str, answers: Sequence[Any]) -> Any:
        position = self.log.count(step)
        self._note(step)
        answer = answers[min(position, len(answers) - 1)]
        if isinstance(answer, ReleaseError):
            raise answer
        return answer

    def _note(self, step: str) -> None:
        self.log.append(step)
        self.must_end = self.must_end or step == self.ends_at

    def save(self, file: LocalFile) -> OldFile | None:
        assert file is FILE
        found: OldFile | None = self._answer("save", [self.old])
        return found

    def find_saved(self, file: LocalFile) -> OldFile | None:
        assert file is FILE
        self._note("find saved")
        return self.earlier

    def find_others(self, _files: Sequence[LocalFile]) -> list[LocalFile]:
        raise AssertionError

    def prepare(self, file: LocalFile) -> UploadResponse:
        assert file is FILE
        answer: UploadResponse = self._answer("prepare", self.prepare_answers)
        return answer

    def remove(self, file: LocalFile, old: OldFile) -> UploadResponse:
        assert (file, old) == (FILE, self.old)
        answer: UploadResponse = self._answer("remove", self.remove_answers)
        return answer

    def discard(self, file: LocalFile) -> None:
        assert file is FILE
        self._note("discard")

    def post(self, file: LocalFile) -> UploadResponse:
        step, answers = ("post", self.posts) if file is FILE else ("post old", self.posts_of_old)
        answer: UploadResponse = self._answer(step, answers)
        return answer

    def look(self, file: LocalFile) -> IndexComparison:
        found = self._answer("look", self.looks)
        if not found:
            return IndexComparison(file=file, result=FileComparison.ABSENT)
        result = FileComparison.SAME if found == file.sha256 else FileComparison.DIFFERENT
        return IndexComparison(file=file, result=result, index_sha256=found)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._note("wait")

    def replace(self) -> UploadResult:
        context = UploadContext(
            upload=lambda _file: None,
            query_index=self.look if self.is_read else None,
            wait=self.wait,
            must_end=lambda: self.must_end,
            retries=self.retries,
            progress=self,
            listing_timeout=self.listing_timeout,
            clock=VirtualTime().clock,
        )
        return FileReplacement(
            file=FILE, replacer=self, context=context, upload=self.post, sleep=self.sleeps.append
        ).run()


@pytest.fixture(autouse=True)
def _longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    class MaximumJitter:
        def uniform(self, _: float, most: float) -> float:
            return most

    monkeypatch.setattr(retry, "_jitter", MaximumJitter())


def check(target: Target, outcome: FileStatus, log: Sequence[str], reason: str = "") -> UploadResult:
    result = target.replace()
    assert target.log == [*log]
    assert (result.file, result.outcome, result.reason) == (FILE, outcome, reason)
    assert (result.error.message if result.error else "") == reason
    assert result.attempts == target.log.count("post")
    return result


# --- success ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [OK, TAKEN])
def test_replaces_a_file(answer: UploadResponse) -> None:
    target = Target(prepare_answers=[answer])
    check(target, FileStatus.UPLOADED, [*BEFORE, "post", "look", "discard"])
    assert target.lines == [f"{NAME}: the old bytes are saved as saved"]
    assert target.waits == target.sleeps == []


def test_replaces_a_file_whose_bytes_are_gone() -> None:
    target = Target(old=LOST_OLD_FILE)
    check(target, FileStatus.UPLOADED, [*BEFORE, "post", "look", "discard"])
    assert target.lines == []


def test_uploads_to_a_free_name_without_a_removal() -> None:
    target = Target(old=None, earlier=OLD_FILE)
    check(target, FileStatus.UPLOADED, ["save", "find saved", "post", "look", "discard"])


def test_skips_equal_bytes() -> None:
    check(Target(old=OldFile(sha256=NEW, saved=FILE)), FileStatus.SKIPPED, ["save", "discard"])


def test_keeps_the_saved_bytes_until_the_new_ones_were_seen() -> None:
    check(Target(looks=[UNREADABLE]), FileStatus.UPLOADED, [*BEFORE, "post", "look"])
    check(Target(is_read=False), FileStatus.UPLOADED, [*BEFORE, "post"])


def test_a_run_that_must_end_does_not_begin() -> None:
    check(Target(must_end=True), FileStatus.NOT_TRIED, [])


# --- nothing is removed ----------------------------------------------------------------------------


def test_does_not_remove_a_file_that_cannot_be_saved() -> None:
    result = check(Target(old=UNREADABLE), FileStatus.FAILED, ["save"], f"{UNREADABLE.message}; {KEPT}")
    assert isinstance(result.error, NetworkError)


@pytest.mark.parametrize(
    ("answer", "reason"), [(FULL, FULL_TEXT), (FileError("too large"), "too large")], ids=["full", "error"]
)
def test_removes_nothing_if_the_new_file_is_refused(
    answer: UploadResponse | ReleaseError, reason: str
) -> None:
    target = Target(prepare_answers=[answer])
    result = check(target, FileStatus.FAILED, ["save", "prepare", "discard"], f"{reason}; {KEPT}")
    assert isinstance(result.error, FileError)


def test_prepares_again_after_a_server_error() -> None:
    target = Target(prepare_answers=[BUSY, BUSY, OK])
    log = ["save", "prepare", "wait", "prepare", "wait", "prepare", "remove", "post", "look", "discard"]
    check(target, FileStatus.UPLOADED, log)
    assert target.waits == [1.0, 2.0]


def test_prepares_no_more_often_than_permitted() -> None:
    target = Target(prepare_answers=[BUSY])
    log = ["save", "prepare", "wait", "prepare", "wait", "prepare", "discard"]
    check(target, FileStatus.FAILED, log, f"{BUSY_TEXT}; {KEPT}")


def test_prepares_once_in_a_run_that_must_end() -> None:
    target = Target(prepare_answers=[BUSY], ends_at="wait")
    check(target, FileStatus.FAILED, ["save", "prepare", "wait", "discard"], f"{BUSY_TEXT}; {KEPT}")


def test_keeps_a_file_that_the_target_does_not_remove() -> None:
    reason = f"{FORBIDDEN.to_error(NAME).message}; {KEPT}"
    check(Target(remove_answers=[FORBIDDEN]), FileStatus.FAILED, [*BEFORE, "discard"], reason)


def test_does_not_remove_the_file_of_another_job() -> None:
    target = Target(remove_answers=[REPLACED_BY_OTHER])
    result = check(target, FileStatus.CONFLICT, BEFORE, OTHER_PARTY)
    assert isinstance(result.error, ConflictError)
    assert result.error.hint == "Find out which job it is, then run the same command again."


# --- an unclear removal ----------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [BUSY, LOST, UNREADABLE], ids=["busy", "lost", "error"])
@pytest.mark.parametrize(
    ("look", "log"),
    [
        ("", ["post", "look", "discard"]),
        (OLD, ["wait", "remove", "post", "look", "discard"]),
        (NEW, ["discard"]),
        (UNREADABLE, ["post", "look", "discard"]),
    ],
    ids=["absent", "old", "new", "unreadable"],
)
def test_looks_after_an_unclear_removal(
    answer: UploadResponse | ReleaseError, look: str | ReleaseError, log: list[str]
) -> None:
    target = Target(remove_answers=[answer, OK], looks=[look, NEW])
    check(target, FileStatus.UPLOADED, [*BEFORE, "look", *log])
    assert target.waits == ([1.0] if look == OLD else [])


def test_finds_bytes_of_another_job_after_an_unclear_removal() -> None:
    check(Target(remove_answers=[LOST], looks=[OTHER]), FileStatus.CONFLICT, [*BEFORE, "look"], OTHER_PARTY)


def test_knows_the_old_file_by_the_hash_that_the_target_lists() -> None:
    old = OldFile(sha256=OLD, listed_hash="md5=1", saved=SAVED)
    target = Target(old=old, remove_answers=[LOST, OK], looks=["md5=1", NEW])
    check(target, FileStatus.UPLOADED, [*BEFORE, "look", "wait", "remove", "post", "look", "discard"])


def test_keeps_the_saved_bytes_after_the_last_unclear_removal() -> None:
    """The target may still remove the file later."""
    target = Target(remove_answers=[BUSY], looks=[OLD])
    log = [*BEFORE, "look", "wait", "remove", "look", "wait", "remove", "look"]
    check(target, FileStatus.FAILED, log, f"{BUSY_TEXT}; {KEPT}")
    assert target.waits == [1.0, 2.0]
    error = Target(remove_answers=[UNREADABLE], looks=[OLD], retries=1)
    check(error, FileStatus.FAILED, [*BEFORE, "look"], f"{UNREADABLE.message}; {KEPT}")


def test_removes_nothing_again_in_a_run_that_must_end() -> None:
    target = Target(remove_answers=[BUSY], looks=[OLD], ends_at="wait")
    check(target, FileStatus.FAILED, [*BEFORE, "look", "wait"], f"{BUSY_TEXT}; {KEPT}")


# --- the upload ------------------------------------------------------------------------------------


def test_puts_the_old_bytes_back_if_the_new_ones_are_refused() -> None:
    target = Target(posts=[FULL], looks=["", "", OLD])
    log = [*BEFORE, "post", "look", "look", "post old", "look", "discard"]
    result = check(target, FileStatus.FAILED, log, f"{FULL_TEXT}; {RESTORED}")
    assert isinstance(result.error, FileError)
    assert target.lines[-1] == f"{NAME}: putting the old bytes back"


def test_puts_the_old_bytes_back_if_the_new_ones_do_not_appear() -> None:
    target = Target(looks=["", OLD])
    log = [*BEFORE, "post", "look", "post old", "look", "discard"]
    check(target, FileStatus.FAILED, log, f"{NAME}: not replaced; {RESTORED}")


@pytest.mark.parametrize(
    ("timeout", "pauses"),
    [
        (2.0, [0.5, 0.75, 1.125]),
        (2.375, [0.5, 0.75, 1.125]),
        (600.0, [0.5, 0.75, 1.125, 1.6875, 2.53125, 3.796875, 5.0, 5.0, 5.0, 5.0]),
    ],
)
def test_waits_for_the_new_bytes_to_be_listed(timeout: float, pauses: list[float]) -> None:
    target = Target(looks=[*[""] * 3, UNREADABLE, *[""] * 7, OLD], listing_timeout=timeout)
    if timeout < 600:
        target.looks = [*[""] * 4, OLD]
    assert target.replace().outcome is FileStatus.FAILED
    assert target.waits == pauses
    assert target.log.count("look") == len(pauses) + 2
    late = Target(looks=["", UNREADABLE, NEW], listing_timeout=timeout)
    assert late.replace().outcome is FileStatus.UPLOADED
    assert late.waits == pauses[:2]


@pytest.mark.parametrize(
    ("look", "outcome", "reason"),
    [(OLD, FileStatus.FAILED, f"{NAME}: not replaced; {KEPT}"), (OTHER, FileStatus.CONFLICT, OTHER_PARTY)],
)
def test_another_file_may_appear_instead_of_the_new_one(look: str, outcome: FileStatus, reason: str) -> None:
    discarded = ["discard"] if look == OLD else []
    check(Target(looks=[look]), outcome, [*BEFORE, "post", "look", *discarded], reason)


@pytest.mark.parametrize(
    ("look", "log", "outcome", "reason"),
    [
        (NEW, ["look", "discard"], FileStatus.UPLOADED, ""),
        (OLD, ["discard"], FileStatus.FAILED, f"{FULL_TEXT}; {KEPT}"),
        (OTHER, [], FileStatus.CONFLICT, OTHER_PARTY),
    ],
)
def test_looks_again_after_a_refused_upload(
    look: str, log: list[str], outcome: FileStatus, reason: str
) -> None:
    target = Target(posts=[FULL], looks=["", look])
    check(target, outcome, [*BEFORE, "post", "look", "look", *log], reason)


def test_accepts_a_file_that_is_found_after_a_refusal() -> None:
    check(Target(posts=[FULL]), FileStatus.UPLOADED, [*BEFORE, "post", "look", "look", "discard"])
    restored = Target(posts=[FULL], posts_of_old=[FULL], looks=["", "", OLD, OLD])
    log = [*BEFORE, "post", "look", "look", "post old", "look", "look", "discard"]
    check(restored, FileStatus.FAILED, log, f"{FULL_TEXT}; {RESTORED}")


def test_retries_the_upload() -> None:
    target = Target(posts=[BUSY, OK], looks=["", NEW])
    check(target, FileStatus.UPLOADED, [*BEFORE, "post", "wait", "look", "post", "look", "discard"])


def test_uploads_again_to_a_name_that_the_target_calls_taken() -> None:
    target = Target(posts=[TAKEN, TAKEN, OK], looks=["", "", "", "", NEW])
    again = ["post", "look", "look", "wait"]
    check(target, FileStatus.UPLOADED, [*BEFORE, *again, *again, "post", "look", "discard"])
    assert target.waits == [1.0, 2.0]


def test_gives_up_a_name_that_stays_taken() -> None:
    target = Target(posts=[TAKEN], posts_of_old=[TAKEN], looks=[""])
    log = [*BEFORE, *["post", "look", "look", "wait"] * 4, "post", "look", "look", "post old", "look", "look"]
    result = target.replace()
    assert target.log == log
    assert target.waits == [1.0, 2.0, 3.0, 4.0]
    assert (result.outcome, result.attempts) == (FileStatus.UNKNOWN, 5)
    assert result.reason.endswith(f"; nothing shows that {NAME} is served, the old bytes are saved as saved")


def test_waits_shortly_for_the_listing_of_a_taken_name() -> None:
    target = Target(posts=[TAKEN, OK], looks=[*[""] * 5, NEW], listing_timeout=600.0)
    assert target.replace().outcome is FileStatus.UPLOADED
    assert target.waits == [1.0, 1.5, 0.5, 1.0]
    shorter = Target(posts=[TAKEN, OK], looks=[*[""] * 4, NEW], listing_timeout=2.0)
    assert shorter.replace().outcome is FileStatus.UPLOADED
    assert shorter.waits == [1.0, 1.0, 1.0]


def test_does_not_upload_again_after_another_refusal() -> None:
    target = Target(posts=[FORBIDDEN], looks=["", "", OLD])
    assert target.replace().outcome is FileStatus.FAILED
    assert target.log == [*BEFORE, "post", "look", "look", "post old", "look", "discard"]


# --- the name is not served ------------------------------------------------------------------------


def check_absent(target: Target, outcome: FileStatus, absence: str) -> None:
    result = target.replace()
    assert "discard" not in target.log
    assert (result.outcome, result.reason) == (outcome, f"{FULL_TEXT}; {absence}")
    assert result.error
    assert result.error.hint == f"{FileError.default_hint} The same command repairs it first."


def test_says_that_the_name_is_not_served() -> None:
    absence = f"{NAME} is not served at present, the old bytes are saved as saved"
    check_absent(Target(posts=[FULL], posts_of_old=[FULL], looks=[""]), FileStatus.FAILED, absence)


@pytest.mark.parametrize("old", [LOST_OLD_FILE, None])
def test_says_that_there_are_no_saved_bytes(old: OldFile | None) -> None:
    absence = f"{NAME} is not served at present, there are no saved bytes"
    target = Target(old=old, posts=[FULL], looks=[""])
    check_absent(target, FileStatus.FAILED, absence)
    assert "post old" not in target.log
    assert not any("putting" in line for line in target.lines)


def test_says_that_nothing_shows_whether_the_name_is_served() -> None:
    absence = f"nothing shows that {NAME} is served, the old bytes are saved as saved"
    check_absent(Target(posts=[FULL], looks=["", "", UNREADABLE]), FileStatus.UNKNOWN, absence)
    # The target may have stored the old bytes, and does not list them yet.
    lost = Target(posts=[FULL], posts_of_old=[LOST], looks=[""], retries=1)
    check_absent(lost, FileStatus.UNKNOWN, absence)


@pytest.mark.parametrize(
    ("look", "outcome", "reason"),
    [(NEW, FileStatus.UPLOADED, ""), (OTHER, FileStatus.CONFLICT, OTHER_PARTY)],
)
def test_another_job_may_have_uploaded_a_file_at_the_end(look: str, outcome: FileStatus, reason: str) -> None:
    discarded = ["discard"] if look == NEW else []
    target = Target(posts=[FULL], posts_of_old=[FULL], looks=["", "", "", look])
    log = [*BEFORE, "post", "look", "look", "post old", "look", "look", *discarded]
    check(target, outcome, log, reason)


# --- a run that must end ---------------------------------------------------------------------------


def test_completes_a_replacement_in_a_run_that_must_end() -> None:
    target = Target(looks=["", "", NEW], listing_timeout=60.0, ends_at="remove")
    check(target, FileStatus.UPLOADED, [*BEFORE, "post", "look", "look", "look", "discard"])
    assert (target.waits, target.sleeps) == ([], [0.5, 0.5])


def test_retries_after_short_pauses_in_a_run_that_must_end(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(posts=[BUSY, BUSY, OK], looks=["", "", NEW], ends_at="remove")
    check(target, FileStatus.UPLOADED, [*BEFORE, "post", "look", "post", "look", "post", "look", "discard"])
    assert target.sleeps == [0.5, 0.5]
    monkeypatch.setattr(retry, "compute_backoff", lambda _error, _turn: 0.25)
    short = Target(posts=[BUSY, OK], looks=["", NEW], ends_at="remove")
    assert short.replace().outcome is FileStatus.UPLOADED
    assert short.sleeps == [0.25]

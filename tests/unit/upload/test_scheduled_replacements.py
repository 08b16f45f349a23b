"""Test the order of replacements in a release, and files that an earlier run removed and did not replace."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wheel_uploader.core import filenames
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.models import FileComparison, FileStatus, IndexComparison, LocalFile, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload import scheduler
from wheel_uploader.upload.file_replacement import OldFile
from wheel_uploader.upload.response import UploadResponse, classify_response
from wheel_uploader.upload.scheduler import upload_all, upload_order

OK, INVALID = classify_response(200), classify_response(400, "'x' is not a valid classifier.")
A, B, C = (f"demo-1.0-cp3{number}-cp3{number}-win_amd64.whl" for number in (11, 12, 13))
SDIST, OTHER = "demo-1.0.tar.gz", "demo-0.9.tar.gz"


def local_file(filename: str, *, digit: str = "a", size: int = 1) -> LocalFile:
    name = filenames.parse_filename(filename)
    return LocalFile(name=name, path=Path(f"saved-{filename}"), size=size, sha256=digit * 64)


@dataclass
class Target(SilentProgress):
    """A target that serves files by hash, and records every step and message."""

    served: dict[str, str] = field(default_factory=dict)
    saved: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    answers: dict[str, UploadResponse] = field(default_factory=dict)
    cancel: CancellationToken = field(default_factory=CancellationToken)
    stops_at: str = ""
    log: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def info(self, text: str) -> None:
        self.lines.append(text)

    def credentials(self) -> None:
        self.log.append("credentials")

    def upload(self, file: LocalFile) -> UploadResponse:
        self.log.append(f"post {file.filename}")
        answer = self.answers.get(file.filename, OK)
        if answer is OK:
            self.served[file.filename] = file.sha256
        if self.stops_at == file.filename:
            self.cancel.record_signal(15)
        return answer

    def look(self, file: LocalFile) -> IndexComparison:
        digest = self.served.get(file.filename, "")
        if not digest:
            return IndexComparison(file=file, result=FileComparison.ABSENT)
        result = FileComparison.SAME if digest == file.sha256 else FileComparison.DIFFERENT
        return IndexComparison(file=file, result=result, index_sha256=digest)

    # --- the replacer ---

    def find_saved(self, file: LocalFile) -> OldFile | None:
        if file.filename not in self.saved:
            return None
        return OldFile(sha256="0" * 64, saved=local_file(file.filename, digit="0"))

    def find_others(self, files: Sequence[LocalFile]) -> list[LocalFile]:
        self.log.append(f"others {len(files)}")
        return [local_file(name, digit="0") for name in self.others]

    def save(self, file: LocalFile) -> OldFile | None:
        self.log.append(f"save {file.filename}")
        digest = self.served.get(file.filename)
        return OldFile(sha256=digest, saved=local_file(file.filename, digit="0")) if digest else None

    def prepare(self, _file: LocalFile) -> UploadResponse:
        return OK

    def remove(self, file: LocalFile, _old: OldFile) -> UploadResponse:
        self.log.append(f"remove {file.filename}")
        del self.served[file.filename]
        return OK

    def discard(self, file: LocalFile) -> None:
        self.log.append(f"discard {file.filename}")

    def run(
        self, *absent: str, replaced: Sequence[str] = (), keep_going: bool = False
    ) -> list[tuple[str, FileStatus]]:
        states = [
            *(IndexComparison(file=local_file(name), result=FileComparison.ABSENT) for name in absent),
            *(IndexComparison(file=local_file(name), result=FileComparison.REPLACE) for name in replaced),
        ]
        self.results: tuple[UploadResult, ...] = upload_all(
            states,
            self,
            self.look,
            progress=self,
            replacer=self,
            jobs=1,
            retries=1,
            keep_going=keep_going,
            cancel=self.cancel,
            sleep=lambda _seconds: None,
        )
        return [(result.file.filename, result.outcome) for result in self.results]


def replacement(name: str) -> list[str]:
    return [f"save {name}", f"remove {name}", f"post {name}", f"discard {name}"]


def test_replaces_files_after_the_new_ones_and_one_after_the_other() -> None:
    target = Target(served={B: "0" * 64, SDIST: "1" * 64})
    done = target.run(A, C, replaced=[SDIST, B])
    assert {outcome for _, outcome in done} == {FileStatus.UPLOADED}
    assert target.log == [
        *("credentials", "others 4", f"post {A}", f"post {C}"),
        *(*replacement(SDIST), *replacement(B)),
    ]
    assert target.served == dict.fromkeys((A, B, C, SDIST), "a" * 64)


def test_files_that_an_earlier_run_removed_come_first() -> None:
    target = Target(saved=(SDIST,))
    done = target.run(A, B, SDIST)
    assert {outcome for _, outcome in done} == {FileStatus.UPLOADED}
    assert target.log == [
        *("credentials", "others 3", f"save {SDIST}", f"post {SDIST}", f"discard {SDIST}"),
        *(f"post {A}", f"post {B}"),
    ]


def test_a_failed_replacement_stops_the_others() -> None:
    target = Target(served={A: "0" * 64, B: "0" * 64}, answers={A: INVALID})
    done = dict(target.run(replaced=[A, B]))
    assert done[B] is FileStatus.NOT_TRIED
    assert done[A] is not FileStatus.UPLOADED
    assert f"save {B}" not in target.log
    going = Target(served={A: "0" * 64, B: "0" * 64}, answers={A: INVALID})
    assert dict(going.run(replaced=[A, B], keep_going=True))[B] is FileStatus.UPLOADED


@pytest.mark.parametrize("served", ["", "0" * 64, "9" * 64])
def test_puts_back_a_file_of_another_release(served: str) -> None:
    target = Target(others=(OTHER,), served={OTHER: served} if served else {})
    if served:
        target.answers[OTHER] = classify_response(409, "already exists")
    assert target.run(A) == [(A, FileStatus.UPLOADED)]
    assert target.log == [
        *("credentials", "others 1", f"post {OTHER}", f"discard {OTHER}", f"post {A}"),
    ]
    state = (
        "is served with other bytes than those that an earlier run removed"
        if served == "9" * 64
        else "is served again, with the bytes that an earlier run removed"
    )
    assert target.lines == [f"{OTHER} {state}"]


def test_says_where_the_bytes_of_a_file_are_that_could_not_be_put_back() -> None:
    target = Target(others=(OTHER,), answers={OTHER: INVALID})
    assert target.run(A) == [(A, FileStatus.UPLOADED)]
    assert f"discard {OTHER}" not in target.log
    reason = INVALID.to_error(OTHER).message
    assert target.lines == [
        f"warning: {OTHER} is still not served ({reason}); its bytes are saved as saved-{OTHER}"
    ]


def test_a_run_that_ends_says_that_a_file_is_still_not_served() -> None:
    target = Target(others=(OTHER, "demo-0.8.tar.gz"))
    target.cancel.record_signal(15)
    with target.cancel.deferred():
        assert target.run(A) == [(A, FileStatus.NOT_TRIED)]
    assert target.lines[-1] == (
        "warning: demo-0.8.tar.gz is still not served (the run ended); its bytes are saved as "
        "saved-demo-0.8.tar.gz"
    )
    assert not [step for step in target.log if step.startswith("post")]


def test_finished_files_are_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_POLL_INTERVAL", 60.0)
    target = Target()
    thread = threading.Thread(target=target.run, args=(A, B, SDIST), daemon=True)
    thread.start()
    thread.join(20.0)
    assert not thread.is_alive()
    assert target.log[-1] == f"post {SDIST}"


def test_an_invalid_name_on_the_index_does_not_change_the_order() -> None:
    files = [local_file(A), local_file("demo-1.0-py3-none-any.whl", size=5), local_file(SDIST, size=9)]
    served = ["x.exe", "demo-0.9-py3-none-any.whl", "demo-0.9.tar.gz"]
    assert [file.filename for file in upload_order(files, served)] == [
        *(A, "demo-1.0-py3-none-any.whl", SDIST)
    ]
    assert [file.filename for file in upload_order(files, ["x.exe", "demo-0.9.tar.gz"])] == [
        *("demo-1.0-py3-none-any.whl", A, SDIST)
    ]

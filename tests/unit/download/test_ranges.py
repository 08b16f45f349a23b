"""One large file over several connections: whole and right, whatever some of them do."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest

from tests.support import servers
from tests.support.downloads import NAME, OTHER, SHA256, WHEEL, fetch, finished, left_over, remote
from tests.support.file_server import FileAnswer, FileServer, end_of, fixed_answer, head, honest, start_of
from tests.support.scripted import HANG, RESET, Request, Step
from tests.support.wheels import wheel_bytes
from wheel_uploader.core import filesystem
from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.models import DownloadOutcome
from wheel_uploader.download import ranges, spans
from wheel_uploader.download.connection_slots import ConnectionSlots
from wheel_uploader.download.partial_file import PartialFile
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY

PIECE = 32 * 1024


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 kB are a large file here."""
    monkeypatch.setattr(ranges, "_MIN_RANGE_SIZE", PIECE)
    monkeypatch.setattr(ranges, "_MAX_RANGE_SIZE", PIECE)
    monkeypatch.setattr(ranges, "MIN_SPLIT_SIZE", 2 * PIECE)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer({NAME: WHEEL}, accepts_ranges=True).running() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "house"


def slow_whole(server: FileServer, request: Request) -> Sequence[Step]:
    """The whole file, but what comes after its first part only when somebody has had enough of it."""
    data = server.files[NAME]
    headers = {**server.validators(NAME), "Content-Length": len(data)}
    return [head(200, headers) + data[: PIECE * 5], HANG]


def by_range(answers: Callable[[int, int], Sequence[Step] | None]) -> list[FileAnswer]:
    """A plan for many requests: the first is for the whole, ``answers`` may replace those for parts."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        start, end = start_of(request), end_of(request)
        steps = None if start is None or end is None else answers(start, end)
        return honest()(server, request) if steps is None else steps

    return [slow_whole, *[answer] * 100]


def is_right(path: Path) -> bool:
    return (path / NAME).read_bytes() == WHEEL and left_over(path) == []


def test_spare_connections_bring_the_rest_of_a_large_file(server: FileServer, path: Path) -> None:
    server.plan = by_range(lambda *_: None)
    (fetched,) = fetch(server, path, jobs=4)
    assert is_right(path)
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert fetched.file.sha256 == SHA256["sha256"]
    whole, *parts = server.requests
    assert "range" not in whole.headers
    assert len(parts) > 4
    assert {request.headers["if-range"] for request in parts} == {server.etag(NAME)}
    asked = sorted((start_of(request), end_of(request)) for request in parts)
    assert asked[-1][1] == len(WHEEL)
    note = json.loads((path / HIDDEN_DIRECTORY / f"{NAME}.json").read_text())
    assert note["parts"] == ""


def test_one_that_has_all_the_line_needs_no_parts(server: FileServer, path: Path) -> None:
    fetch(server, path, jobs=1)
    assert server.starts == [None]
    assert is_right(path)


@pytest.mark.parametrize("etags", ["weak", ""])
def test_parts_that_could_not_be_told_from_another_files_are_not_asked_for(
    server: FileServer, path: Path, etags: str
) -> None:
    server.etags = etags
    fetch(server, path, jobs=4)
    assert server.starts == [None]


def test_without_an_etag_the_hash_of_the_listing_decides(server: FileServer, path: Path) -> None:
    server.etags = ""
    server.plan = by_range(lambda *_: None)
    fetch(server, path, remote(server, hashes=SHA256), jobs=4)
    assert is_right(path)
    assert len(server.requests) > 4
    assert not any("if-range" in request.headers for request in server.requests)


def test_a_server_that_does_not_say_that_it_knows_ranges_is_not_asked(server: FileServer, path: Path) -> None:
    server.accepts_ranges = False
    fetch(server, path, jobs=4)
    assert server.starts == [None]


def test_a_server_that_sends_the_whole_all_the_same(server: FileServer, path: Path) -> None:
    """It said that it knows ranges, and does not."""
    server.plan = [
        lambda server, request: honest(without=("Content-Range",))(
            server, Request(method="GET", target=request.target, headers={})
        )
    ] * 100
    fetch(server, path, jobs=4)
    assert is_right(path)


@pytest.mark.parametrize("status", [403, 416])
def test_a_server_that_refuses_parts(server: FileServer, path: Path, status: int) -> None:
    """The first answer goes on, or the whole is asked for as ever."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        return (honest() if start_of(request) is None else fixed_answer(status))(server, request)

    server.plan = [answer] * 100
    fetch(server, path, jobs=4)
    assert is_right(path)


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_refuses_a_second_connection(server: FileServer, path: Path, status: int) -> None:
    """As nginx's limit_conn does: it is asked on one connection only from then on."""
    refused = iter([fixed_answer(status)] * 3)
    server.plan = [slow_whole, *[lambda *request: next(refused, honest())(*request)] * 100]
    fetch(server, path, jobs=4)
    assert is_right(path)


def test_the_file_changes_between_two_parts(server: FileServer, path: Path) -> None:
    """No mixture: all of it is fetched again, and in one piece."""

    def changed(server: FileServer, request: Request) -> Sequence[Step]:
        server.files[NAME] = OTHER
        return honest()(server, request)

    server.plan = [slow_whole, *[changed] * 100]
    fetch(server, path, jobs=4)
    assert (path / NAME).read_bytes() == OTHER
    assert left_over(path) == []
    assert server.starts[-1] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"Content-Range": "bytes 0-9/10"},
        {"Content-Range": "none"},
        {"ETag": '"another"'},
    ],
)
def test_a_part_that_is_not_the_one_asked_for(
    server: FileServer, path: Path, wrong: dict[str, object]
) -> None:
    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        more = wrong if start_of(request) is not None else None
        return honest(more=more)(server, request)

    server.plan = [slow_whole, *[answer] * 100]
    fetch(server, path, jobs=4)
    assert is_right(path)
    assert server.starts[-1] is None


def test_a_part_of_a_file_of_another_size_is_not_taken(server: FileServer, path: Path) -> None:
    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        start, end = start_of(request), end_of(request)
        other = {"Content-Range": f"bytes {start}-{(end or 0) - 1}/{len(WHEEL) + 1}"}
        return honest(more=other if start is not None else None)(server, request)

    server.plan = [slow_whole, *[answer] * 100]
    fetch(server, path, jobs=4)
    assert is_right(path)
    # No range was believed: the whole was asked for once more.
    assert server.starts.count(None) == 2
    assert server.starts[-1] is None


def test_parts_that_are_cut_are_continued(server: FileServer, path: Path) -> None:
    cut: set[int] = set()
    lock = threading.Lock()

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        start = start_of(request) or 0
        with lock:
            is_first = len(cut) < 3 and start not in cut
            cut.add(start)
        return honest(until=1000 if is_first else None)(server, request)

    server.plan = [slow_whole, *[answer] * 100]
    fetch(server, path, jobs=4)
    assert is_right(path)


def test_parts_that_are_reset(server: FileServer, path: Path) -> None:
    resets = iter([RESET] * 3)
    server.plan = by_range(lambda *_: [step] if (step := next(resets, None)) else None)
    fetch(server, path, jobs=4)
    assert is_right(path)


def test_a_stuck_connection_is_replaced(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One part never comes: another connection is asked for it long before the time is over."""
    monkeypatch.setattr(ranges, "_STALL_TIMEOUT", 0.3)
    stuck: list[int] = []

    def answer(start: int, end: int) -> Sequence[Step] | None:
        if stuck:
            return None
        stuck.append(start)
        data = WHEEL[start:end]
        said = {"Content-Range": f"bytes {start}-{end - 1}/{len(WHEEL)}", "ETag": server.etag(NAME)}
        return [head(206, {**said, "Content-Length": len(data)}) + data[:5000], HANG]

    server.plan = by_range(answer)
    fetch(server, path, jobs=4)
    assert is_right(path)
    assert len([start for start in server.starts if start and stuck[0] <= start < stuck[0] + PIECE]) == 2


def test_wrong_bytes_in_a_part_are_fetched_once_more(server: FileServer, path: Path) -> None:
    wrong = iter([b"\0" * 10])

    def answer(start: int, end: int) -> Sequence[Step] | None:
        damage = next(wrong, None)
        if damage is None:
            return None
        data = damage + WHEEL[start + len(damage) : end]
        said = {"Content-Range": f"bytes {start}-{end - 1}/{len(WHEEL)}", "ETag": server.etag(NAME)}
        return [head(206, {**said, "Content-Length": len(data)}) + data]

    server.plan = by_range(answer)
    fetch(server, path, jobs=4)
    assert is_right(path)


def test_more_than_was_asked_for_is_no_part(server: FileServer, path: Path) -> None:
    """A body without a length may go on and on."""

    def answer(start: int, end: int) -> Sequence[Step]:
        said = {"Content-Range": f"bytes {start}-{end - 1}/{len(WHEEL)}", "ETag": server.etag(NAME)}
        return [head(206, said) + WHEEL[start:end] + b"and more"]

    server.plan = by_range(answer)[:30]
    fetch(server, path, jobs=4)
    assert is_right(path)


def test_what_is_there_of_all_parts_is_kept_for_the_next_run(server: FileServer, path: Path) -> None:
    """The first run loses its server in the middle; the second asks for nothing that is here."""
    given = iter(range(3))
    server.plan = by_range(lambda *_: None if next(given, None) is not None else [RESET])
    with pytest.raises(NetworkError):
        fetch(server, path, jobs=4)
    (part, note) = left_over(path)
    here = spans.parse_ranges(json.loads((path / HIDDEN_DIRECTORY / note).read_text())["parts"], len(WHEEL))
    assert part == f"{NAME}.part"
    assert here
    assert sum(end - start for start, end in here) >= 3 * PIECE
    server.requests.clear()
    server.plan.clear()
    (fetched,) = fetch(server, path, jobs=4)
    assert fetched.outcome is DownloadOutcome.RESUMED
    assert is_right(path)
    asked = [(start_of(request), end_of(request)) for request in server.requests]
    for start, end in asked:
        assert start is not None
        assert end is not None
        assert not any(start < after and before < end for before, after in here)


@pytest.mark.parametrize("parts", ["", "0-100,50-200", "100-99", "0-99999999", "x", "0-10,", "5-10,10-20"])
def test_parts_that_make_no_sense_are_not_believed(parts: str) -> None:
    assert spans.parse_ranges(parts, 300_000) is None


def test_parts_are_read_as_they_were_written() -> None:
    here = ((0, 5), (10, 300_000))
    assert spans.format_ranges(here) == "0-5,10-300000"
    assert spans.parse_ranges(spans.format_ranges(here), 300_000) == here


def test_parts_that_the_file_is_too_short_for_are_not_believed(server: FileServer, path: Path) -> None:
    given = iter(range(3))
    server.plan = by_range(lambda *_: None if next(given, None) is not None else [RESET])
    with pytest.raises(NetworkError):
        fetch(server, path, jobs=4)
    stump = path / HIDDEN_DIRECTORY / f"{NAME}.part"
    with stump.open("r+b") as stream:
        stream.truncate(1000)
    server.plan.clear()
    server.requests.clear()
    (fetched,) = fetch(server, path, jobs=1)
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert server.starts == [None]
    assert is_right(path)


def test_a_file_that_lies_leaves_no_parts(server: FileServer, path: Path) -> None:
    server.files[NAME] = WHEEL[:-100] + b"\0" * 100
    server.plan = by_range(lambda *_: None)
    with pytest.raises(FileError):
        fetch(server, path, jobs=4)
    assert finished(path) == left_over(path) == []


def test_a_real_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nginx, slow enough for several connections to be worth it, and what it was asked for."""
    staged = tmp_path / "staged"
    staged.mkdir()
    noise = hashlib.shake_256(b"noise").digest(3_000_000)
    wheel = wheel_bytes("dipy", "1.11.0", files={"dipy/noise.bin": noise})
    (staged / NAME).write_bytes(wheel)
    monkeypatch.setattr(ranges, "_MAX_RANGE_SIZE", 256 * 1024)
    with servers.nginx(staged, extra="limit_rate 2m;") as url:
        server = FileServer({NAME: wheel}, url=url)
        (fetched,) = fetch(server, tmp_path / "house", jobs=4)
    assert fetched.file.path.read_bytes() == wheel
    assert fetched.file.sha256 == hashlib.sha256(wheel).hexdigest()


def test_who_waits_for_a_lane_comes_before_who_wants_a_second() -> None:
    lanes = ConnectionSlots(1)
    lanes.acquire(lambda: None)
    assert not lanes.has_spare()
    assert not lanes.try_acquire_extra()
    waits, got = threading.Event(), threading.Event()

    def wait() -> None:
        lanes.acquire(waits.set)
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(30)
    lanes.release()
    lanes.try_acquire_extra()
    assert got.wait(30)
    thread.join()
    assert not lanes.try_acquire_extra()


# --- what is announced -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2**40 - 1])
def test_memory_and_disk_depend_on_what_arrives(size: int, server: FileServer, path: Path) -> None:
    """A server that announces a terabyte, and brings a few hundred kB of it: no plan has more parts."""
    planned: list[int] = []
    place = PartialFile.write_at

    def watched(partial: PartialFile, at: int, data: bytes) -> None:
        planned.append(at + len(data))
        place(partial, at, data)

    def announced(server: FileServer, request: Request) -> Sequence[Step]:
        start, end = start_of(request), end_of(request)
        fields = {**server.validators(NAME)}
        if start is None:
            return [head(200, {**fields, "Content-Length": size}) + WHEEL[: PIECE * 5], HANG]
        fields["Content-Range"] = f"bytes {start}-{(end or size) - 1}/{size}"
        return [head(206, {**fields, "Content-Length": (end or size) - start}) + WHEEL[:1000], RESET]

    server.plan = [announced] * 5000
    tracemalloc.start()
    try:
        with mock.patch.object(PartialFile, "write_at", watched), pytest.raises(NetworkError):
            fetch(server, path, jobs=4)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    # Parts are asked for one after the other: how far ahead depends on the connections.
    assert max(planned) <= (len(server.requests) + 8) * 2 * PIECE


def test_a_plan_has_as_many_pieces_as_somebody_works_on() -> None:
    assert len(ranges.RangedDownload([(0, 5)], 10**18)._ranges) == 2


@pytest.mark.parametrize("size", [2**40 + 1, 10**18 - 1, 10**19])
def test_more_than_a_terabyte_is_refused_before_it_comes(size: int, server: FileServer, path: Path) -> None:
    def announced(server: FileServer, _: Request) -> Sequence[Step]:
        return [head(200, {**server.validators(NAME), "Content-Length": size}) + WHEEL[:PIECE], HANG]

    server.plan = [announced] * 20
    with pytest.raises(FileError, match=r"the server announces more than 1 TiB"):
        fetch(server, path, jobs=4)
    assert left_over(path) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_writes_only_in_order_gets_the_file_in_order(
    number: int, server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        with filesystem.storage_errors("x"):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(PartialFile, "write_at", refused)
    server.plan = [slow_whole]
    fetch(server, path, jobs=4)
    assert is_right(path)
    assert [start for start in server.starts if start is None] == [None, None]

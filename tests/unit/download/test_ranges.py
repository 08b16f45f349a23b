"""Downloading one large file over several connections, whatever some of them do."""

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

from tests.support.downloads import NAME, OTHER, SHA256, WHEEL, fetch, finished, left_over, remote
from tests.support.file_server import FileAnswer, FileServer, end_of, fixed_answer, head, honest, start_of
from tools.testing import servers
from tools.testing.scripted import HANG, RESET, Request, Step
from tools.testing.wheels import wheel_bytes
from wheel_uploader.core import filesystem
from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.models import DownloadOutcome
from wheel_uploader.download import ranges, spans
from wheel_uploader.download.connection_slots import ConnectionSlots
from wheel_uploader.download.partial_file import PartialFile
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY

RANGE_SIZE = 32 * 1024


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a file of 300 kB as large."""
    monkeypatch.setattr(ranges, "_MIN_RANGE_SIZE", RANGE_SIZE)
    monkeypatch.setattr(ranges, "_MAX_RANGE_SIZE", RANGE_SIZE)
    monkeypatch.setattr(ranges, "MIN_SPLIT_SIZE", 2 * RANGE_SIZE)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer({NAME: WHEEL}, accepts_ranges=True).running() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wheelhouse"


def stall_after_first_part(server: FileServer, request: Request) -> Sequence[Step]:
    """Send the first part of the whole file, then stall."""
    data = server.files[NAME]
    headers = {**server.validators(NAME), "Content-Length": len(data)}
    return [head(200, headers) + data[: RANGE_SIZE * 5], HANG]


def plan_ranges(answers: Callable[[int, int], Sequence[Step] | None]) -> list[FileAnswer]:
    """Return a plan for many requests; ``answers`` may replace the responses to range requests."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        start, end = start_of(request), end_of(request)
        steps = None if start is None or end is None else answers(start, end)
        return honest()(server, request) if steps is None else steps

    return [stall_after_first_part, *[answer] * 100]


def is_complete(path: Path) -> bool:
    return (path / NAME).read_bytes() == WHEEL and left_over(path) == []


def test_spare_connections_download_ranges_of_a_large_file(server: FileServer, path: Path) -> None:
    server.plan = plan_ranges(lambda *_: None)
    (fetched,) = fetch(server, path, jobs=4)
    assert is_complete(path)
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert fetched.file.sha256 == SHA256["sha256"]
    first, *range_requests = server.requests
    assert "range" not in first.headers
    assert len(range_requests) > 4
    assert {request.headers["if-range"] for request in range_requests} == {server.etag(NAME)}
    requested = sorted((start_of(request), end_of(request)) for request in range_requests)
    assert requested[-1][1] == len(WHEEL)
    metadata = json.loads((path / HIDDEN_DIRECTORY / f"{NAME}.json").read_text())
    assert metadata["parts"] == ""


def test_uses_no_ranges_with_a_single_connection(server: FileServer, path: Path) -> None:
    fetch(server, path, jobs=1)
    assert server.starts == [None]
    assert is_complete(path)


@pytest.mark.parametrize("etags", ["weak", ""])
def test_uses_no_ranges_without_a_strong_etag(server: FileServer, path: Path, etags: str) -> None:
    server.etags = etags
    fetch(server, path, jobs=4)
    assert server.starts == [None]


def test_uses_ranges_without_an_etag_if_a_hash_is_listed(server: FileServer, path: Path) -> None:
    server.etags = ""
    server.plan = plan_ranges(lambda *_: None)
    fetch(server, path, remote(server, hashes=SHA256), jobs=4)
    assert is_complete(path)
    assert len(server.requests) > 4
    assert not any("if-range" in request.headers for request in server.requests)


def test_uses_no_ranges_without_accept_ranges(server: FileServer, path: Path) -> None:
    server.accepts_ranges = False
    fetch(server, path, jobs=4)
    assert server.starts == [None]


def test_accepts_the_whole_file_in_place_of_a_range(server: FileServer, path: Path) -> None:
    """The server announces ranges but does not support them."""
    server.plan = [
        lambda server, request: honest(without=("Content-Range",))(
            server, Request(method="GET", target=request.target, headers={})
        )
    ] * 100
    fetch(server, path, jobs=4)
    assert is_complete(path)


@pytest.mark.parametrize("status", [403, 416])
def test_continues_without_ranges_if_they_are_rejected(server: FileServer, path: Path, status: int) -> None:
    """The first response continues, or the whole file is requested again."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        return (honest() if start_of(request) is None else fixed_answer(status))(server, request)

    server.plan = [answer] * 100
    fetch(server, path, jobs=4)
    assert is_complete(path)


@pytest.mark.parametrize("status", [503, 429])
def test_uses_one_connection_if_a_second_is_rejected(server: FileServer, path: Path, status: int) -> None:
    """nginx rejects a second connection because of limit_conn; from then on, only one is used."""
    rejections = iter([fixed_answer(status)] * 3)
    server.plan = [stall_after_first_part, *[lambda *request: next(rejections, honest())(*request)] * 100]
    fetch(server, path, jobs=4)
    assert is_complete(path)


def test_restarts_if_the_file_changes_between_two_ranges(server: FileServer, path: Path) -> None:
    """The whole file is downloaded again, without ranges, so that two versions are never mixed."""

    def change_file(server: FileServer, request: Request) -> Sequence[Step]:
        server.files[NAME] = OTHER
        return honest()(server, request)

    server.plan = [stall_after_first_part, *[change_file] * 100]
    fetch(server, path, jobs=4)
    assert (path / NAME).read_bytes() == OTHER
    assert left_over(path) == []
    assert server.starts[-1] is None


@pytest.mark.parametrize(
    "wrong_headers",
    [
        {"Content-Range": "bytes 0-9/10"},
        {"Content-Range": "none"},
        {"ETag": '"another"'},
    ],
)
def test_rejects_a_range_that_was_not_requested(
    server: FileServer, path: Path, wrong_headers: dict[str, object]
) -> None:
    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        more = wrong_headers if start_of(request) is not None else None
        return honest(more=more)(server, request)

    server.plan = [stall_after_first_part, *[answer] * 100]
    fetch(server, path, jobs=4)
    assert is_complete(path)
    assert server.starts[-1] is None


def test_rejects_a_range_of_a_file_of_a_different_size(server: FileServer, path: Path) -> None:
    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        start, end = start_of(request), end_of(request)
        other = {"Content-Range": f"bytes {start}-{(end or 0) - 1}/{len(WHEEL) + 1}"}
        return honest(more=other if start is not None else None)(server, request)

    server.plan = [stall_after_first_part, *[answer] * 100]
    fetch(server, path, jobs=4)
    assert is_complete(path)
    # No range was accepted, so the whole file was requested again.
    assert server.starts.count(None) == 2
    assert server.starts[-1] is None


def test_resumes_ranges_that_were_cut(server: FileServer, path: Path) -> None:
    cut: set[int] = set()
    lock = threading.Lock()

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        start = start_of(request) or 0
        with lock:
            is_first = len(cut) < 3 and start not in cut
            cut.add(start)
        return honest(until=1000 if is_first else None)(server, request)

    server.plan = [stall_after_first_part, *[answer] * 100]
    fetch(server, path, jobs=4)
    assert is_complete(path)


def test_resumes_ranges_that_were_reset(server: FileServer, path: Path) -> None:
    resets = iter([RESET] * 3)
    server.plan = plan_ranges(lambda *_: [step] if (step := next(resets, None)) else None)
    fetch(server, path, jobs=4)
    assert is_complete(path)


def test_replaces_a_stalled_connection(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection requests a stalled range long before the timeout."""
    monkeypatch.setattr(ranges, "_STALL_TIMEOUT", 0.3)
    stalled: list[int] = []

    def answer(start: int, end: int) -> Sequence[Step] | None:
        if stalled:
            return None
        stalled.append(start)
        data = WHEEL[start:end]
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(WHEEL)}", "ETag": server.etag(NAME)}
        return [head(206, {**headers, "Content-Length": len(data)}) + data[:5000], HANG]

    server.plan = plan_ranges(answer)
    fetch(server, path, jobs=4)
    assert is_complete(path)
    assert (
        len([start for start in server.starts if start and stalled[0] <= start < stalled[0] + RANGE_SIZE])
        == 2
    )


def test_downloads_again_after_wrong_bytes_in_a_range(server: FileServer, path: Path) -> None:
    damages = iter([b"\0" * 10])

    def answer(start: int, end: int) -> Sequence[Step] | None:
        damage = next(damages, None)
        if damage is None:
            return None
        data = damage + WHEEL[start + len(damage) : end]
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(WHEEL)}", "ETag": server.etag(NAME)}
        return [head(206, {**headers, "Content-Length": len(data)}) + data]

    server.plan = plan_ranges(answer)
    fetch(server, path, jobs=4)
    assert is_complete(path)


def test_rejects_more_bytes_than_the_range(server: FileServer, path: Path) -> None:
    """A body without a length may be longer than the requested range."""

    def answer(start: int, end: int) -> Sequence[Step]:
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(WHEEL)}", "ETag": server.etag(NAME)}
        return [head(206, headers) + WHEEL[start:end] + b"and more"]

    server.plan = plan_ranges(answer)[:30]
    fetch(server, path, jobs=4)
    assert is_complete(path)


def test_keeps_completed_ranges_for_the_next_run(server: FileServer, path: Path) -> None:
    """The first run loses the server; the second one requests only the missing ranges."""
    served = iter(range(3))
    server.plan = plan_ranges(lambda *_: None if next(served, None) is not None else [RESET])
    with pytest.raises(NetworkError):
        fetch(server, path, jobs=4)
    (part, metadata) = left_over(path)
    completed = spans.parse_ranges(
        json.loads((path / HIDDEN_DIRECTORY / metadata).read_text())["parts"], len(WHEEL)
    )
    assert part == f"{NAME}.part"
    assert completed
    assert sum(end - start for start, end in completed) >= 3 * RANGE_SIZE
    server.requests.clear()
    server.plan.clear()
    (fetched,) = fetch(server, path, jobs=4)
    assert fetched.outcome is DownloadOutcome.RESUMED
    assert is_complete(path)
    requested = [(start_of(request), end_of(request)) for request in server.requests]
    for start, end in requested:
        assert start is not None
        assert end is not None
        assert not any(start < after and before < end for before, after in completed)


@pytest.mark.parametrize("text", ["", "0-100,50-200", "100-99", "0-99999999", "x", "0-10,", "5-10,10-20"])
def test_ignores_invalid_range_lists(text: str) -> None:
    assert spans.parse_ranges(text, 300_000) is None


def test_range_list_survives_a_round_trip() -> None:
    completed = ((0, 5), (10, 300_000))
    assert spans.format_ranges(completed) == "0-5,10-300000"
    assert spans.parse_ranges(spans.format_ranges(completed), 300_000) == completed


def test_restarts_if_the_partial_file_is_shorter_than_its_ranges(server: FileServer, path: Path) -> None:
    served = iter(range(3))
    server.plan = plan_ranges(lambda *_: None if next(served, None) is not None else [RESET])
    with pytest.raises(NetworkError):
        fetch(server, path, jobs=4)
    partial = path / HIDDEN_DIRECTORY / f"{NAME}.part"
    with partial.open("r+b") as stream:
        stream.truncate(1000)
    server.plan.clear()
    server.requests.clear()
    (fetched,) = fetch(server, path, jobs=1)
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert server.starts == [None]
    assert is_complete(path)


def test_deletes_a_damaged_file_completely(server: FileServer, path: Path) -> None:
    server.files[NAME] = WHEEL[:-100] + b"\0" * 100
    server.plan = plan_ranges(lambda *_: None)
    with pytest.raises(FileError):
        fetch(server, path, jobs=4)
    assert finished(path) == left_over(path) == []


def test_downloads_ranges_from_nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nginx is slow enough here to make several connections worthwhile."""
    staged = tmp_path / "staged"
    staged.mkdir()
    noise = hashlib.shake_256(b"noise").digest(3_000_000)
    wheel = wheel_bytes("dipy", "1.11.0", files={"dipy/noise.bin": noise})
    (staged / NAME).write_bytes(wheel)
    monkeypatch.setattr(ranges, "_MAX_RANGE_SIZE", 256 * 1024)
    with servers.nginx(staged, extra="limit_rate 2m;") as url:
        server = FileServer({NAME: wheel}, url=url)
        (fetched,) = fetch(server, tmp_path / "wheelhouse", jobs=4)
    assert fetched.file.path.read_bytes() == wheel
    assert fetched.file.sha256 == hashlib.sha256(wheel).hexdigest()


def test_waiting_for_a_slot_comes_before_an_extra_slot() -> None:
    slots = ConnectionSlots(1)
    slots.acquire(lambda: None)
    assert not slots.has_spare()
    assert not slots.try_acquire_extra()
    waiting, acquired = threading.Event(), threading.Event()

    def wait() -> None:
        slots.acquire(waiting.set)
        acquired.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(30)
    slots.release()
    slots.try_acquire_extra()
    assert acquired.wait(30)
    thread.join()
    assert not slots.try_acquire_extra()


# --- announced sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2**40 - 1])
def test_memory_and_disk_use_depend_on_the_received_bytes(size: int, server: FileServer, path: Path) -> None:
    """The server announces a terabyte but sends a few hundred kB."""
    write_ends: list[int] = []
    real_write_at = PartialFile.write_at

    def record_write(partial: PartialFile, at: int, data: bytes) -> None:
        write_ends.append(at + len(data))
        real_write_at(partial, at, data)

    def announce_size(server: FileServer, request: Request) -> Sequence[Step]:
        start, end = start_of(request), end_of(request)
        fields = {**server.validators(NAME)}
        if start is None:
            return [head(200, {**fields, "Content-Length": size}) + WHEEL[: RANGE_SIZE * 5], HANG]
        fields["Content-Range"] = f"bytes {start}-{(end or size) - 1}/{size}"
        return [head(206, {**fields, "Content-Length": (end or size) - start}) + WHEEL[:1000], RESET]

    server.plan = [announce_size] * 5000
    tracemalloc.start()
    try:
        with mock.patch.object(PartialFile, "write_at", record_write), pytest.raises(NetworkError):
            fetch(server, path, jobs=4)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    # Ranges are requested in order, so the distance ahead depends on the number of connections.
    assert max(write_ends) <= (len(server.requests) + 8) * 2 * RANGE_SIZE


def test_plans_only_the_ranges_in_progress() -> None:
    assert len(ranges.RangedDownload([(0, 5)], 10**18)._ranges) == 2


@pytest.mark.parametrize("size", [2**40 + 1, 10**18 - 1, 10**19])
def test_rejects_more_than_a_terabyte_before_the_body(size: int, server: FileServer, path: Path) -> None:
    def announce_size(server: FileServer, _: Request) -> Sequence[Step]:
        return [head(200, {**server.validators(NAME), "Content-Length": size}) + WHEEL[:RANGE_SIZE], HANG]

    server.plan = [announce_size] * 20
    with pytest.raises(FileError, match=r"the server announces more than 1 TiB"):
        fetch(server, path, jobs=4)
    assert left_over(path) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_writes_in_order_if_the_file_system_requires_it(
    number: int, server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        with filesystem.storage_errors("x"):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(PartialFile, "write_at", fail)
    server.plan = [stall_after_first_part]
    fetch(server, path, jobs=4)
    assert is_complete(path)
    assert [start for start in server.starts if start is None] == [None, None]

"""One connection for many files, and never one that somebody may have closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import indexes, wheels
from tests.support.indexes import Cut, Reply, Reset, Served, local_file
from wheel_uploader.core.models import LocalFile, Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload.connection_pool import ConnectionPool
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target


class Line:
    """Something to close."""

    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def release(tmp_path: Path) -> list[LocalFile]:
    return [local_file(path) for path in wheels.make_release(tmp_path / "release")]


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


@pytest.fixture
def uploader(served: Served) -> Iterator[TwineUploader]:
    options = Options(
        project="dipy",
        version="1",
        urls=("https://staging.example.com/",),
        repository_url=served.upload_url,
        username="",
        password="",
    )
    made = TwineUploader(options, resolve_target(options), SilentProgress())
    yield made
    made.close()


def test_files_in_a_row_go_over_one_connection(
    served: Served, release: list[LocalFile], uploader: TwineUploader
) -> None:
    assert {uploader.upload(file).kind for file in release} == {ResponseKind.ACCEPTED}
    assert len(served.index.post_ports) == len(release) > 3
    assert len(set(served.index.post_ports)) == 1
    assert served.index.files == {file.filename: file.path.read_bytes() for file in release}


@pytest.mark.parametrize("trouble", [Reply(503), Reply(400), Reset(), Reset(stores=True), Cut()])
def test_after_trouble_the_next_file_has_a_new_one(
    served: Served, release: list[LocalFile], uploader: TwineUploader, trouble: indexes.Action
) -> None:
    served.index.script = [None, trouble]
    kinds = [uploader.upload(file).kind for file in release[:4]]
    assert kinds[0] is kinds[2] is kinds[3] is ResponseKind.ACCEPTED
    assert kinds[1] is not ResponseKind.ACCEPTED
    first, second, third, fourth = served.index.post_ports
    assert first == second != third == fourth


def test_an_index_that_closes_each_is_no_trouble(
    served: Served, release: list[LocalFile], uploader: TwineUploader
) -> None:
    served.index.script = [Reply(200, headers={"Connection": "close"}, stores=True)] * 3
    assert {uploader.upload(file).kind for file in release[:3]} == {ResponseKind.ACCEPTED}
    assert len(set(served.index.post_ports)) == 3


def test_the_last_one_used_is_taken_while_it_is_fresh() -> None:
    clock = Clock()
    connections = ConnectionPool(Line, clock=clock)
    first, second = connections.acquire(), connections.acquire()
    connections.release(first)
    clock.now += 0.9
    connections.release(second)
    assert connections.acquire() is second
    clock.now += 0.2
    assert connections.acquire() is not first
    assert not first.is_open
    assert second.is_open


def test_what_waits_is_closed_in_the_end() -> None:
    connections = ConnectionPool(Line)
    waits, used = connections.acquire(), connections.acquire()
    connections.release(waits)
    connections.close()
    assert not waits.is_open
    assert used.is_open
    assert connections.acquire() is not waits

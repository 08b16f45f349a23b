"""Test the connection pool: connections are reused, unless the server may have closed them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.testing import indexes, wheels
from tools.testing.indexes import Cut, Reply, Reset, Served, local_file
from wheel_uploader.core.models import LocalFile, Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload.connection_pool import ConnectionPool
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target


class FakeConnection:
    """A stand-in for a connection that records whether it is open."""

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
    uploader = TwineUploader(options, resolve_target(options), SilentProgress())
    yield uploader
    uploader.close()


def test_uploads_several_files_over_one_connection(
    served: Served, release: list[LocalFile], uploader: TwineUploader
) -> None:
    assert {uploader.upload(file).kind for file in release} == {ResponseKind.ACCEPTED}
    assert len(served.index.post_ports) == len(release) > 3
    assert len(set(served.index.post_ports)) == 1
    assert served.index.files == {file.filename: file.path.read_bytes() for file in release}


@pytest.mark.parametrize("failure", [Reply(503), Reply(400), Reset(), Reset(stores=True), Cut()])
def test_opens_a_new_connection_after_a_failure(
    served: Served, release: list[LocalFile], uploader: TwineUploader, failure: indexes.Action
) -> None:
    served.index.script = [None, failure]
    kinds = [uploader.upload(file).kind for file in release[:4]]
    assert kinds[0] is kinds[2] is kinds[3] is ResponseKind.ACCEPTED
    assert kinds[1] is not ResponseKind.ACCEPTED
    first, second, third, fourth = served.index.post_ports
    assert first == second != third == fourth


def test_handles_an_index_that_closes_each_connection(
    served: Served, release: list[LocalFile], uploader: TwineUploader
) -> None:
    served.index.script = [Reply(200, headers={"Connection": "close"}, stores=True)] * 3
    assert {uploader.upload(file).kind for file in release[:3]} == {ResponseKind.ACCEPTED}
    assert len(set(served.index.post_ports)) == 3


def test_reuses_the_most_recent_connection_until_it_expires() -> None:
    clock = Clock()
    connections = ConnectionPool(FakeConnection, clock=clock)
    first, second = connections.acquire(), connections.acquire()
    connections.release(first)
    clock.now += 0.9
    connections.release(second)
    assert connections.acquire() is second
    clock.now += 0.2
    assert connections.acquire() is not first
    assert not first.is_open
    assert second.is_open


def test_closes_idle_connections_at_the_end() -> None:
    connections = ConnectionPool(FakeConnection)
    idle, used = connections.acquire(), connections.acquire()
    connections.release(idle)
    connections.close()
    assert not idle.is_open
    assert used.is_open
    assert connections.acquire() is not idle

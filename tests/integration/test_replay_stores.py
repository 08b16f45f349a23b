"""Recordings of object stores: how each lists what is in it, and serves a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import cassettes, servers, stores
from tests.support.cassettes import PROJECT, RELEASE, STORE_PORTS, VERSION, archive, stage
from wheel_uploader.core.models import Options
from wheel_uploader.download import scheduler
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.listing import sources

#: Each store on a port of its own, and the URL that a person would give of it.
STORES: dict[str, tuple[int, str, Callable[[Path], AbstractContextManager[str]]]] = {
    "moto": (STORE_PORTS[0], f"/{stores.BUCKET}", stores.moto),
    "azurite": (
        STORE_PORTS[1],
        f"/devstoreaccount1/{stores.BUCKET}?restype=container&comp=list",
        stores.azurite,
    ),
    "swift": (STORE_PORTS[2], "/v1/AUTH_test/wheels", stores.swift_container),
    "swift-staticweb": (STORE_PORTS[3], "/v1/AUTH_test/wheels/", servers.swift_staticweb),
}


@pytest.fixture(scope="module", params=STORES)
def store(
    request: pytest.FixtureRequest, live: bool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a store with a release in it.

    Not for one test, as with devpi: filling a store is HTTP too, and no part of any cassette.
    """
    port, path, start = STORES[request.param]
    staged = tmp_path_factory.mktemp("store") / "staged"
    stage(staged)
    with cassettes.server(live, port, lambda: start(staged)):
        yield f"http://127.0.0.1:{port}{path}"


@pytest.mark.vcr
def test_what_is_stored_is_listed_and_served(store: str) -> None:
    options = Options(project=PROJECT, version=VERSION, urls=(store,))
    with HttpClient(user_urls=[store], retries=1) as http:
        listed = sources.list_staged_files([store], PROJECT, http)
        selection = release_selection.select_release(listed, options, scheduler.hash_local_file)
        assert sorted(file.filename for _, file in selection.files) == sorted(RELEASE)
        file = next(file for file in listed if file.filename == RELEASE[1])
        with http.stream(file.url) as stream:
            assert b"".join(stream.iter_chunks()) == archive(RELEASE[1])
    # A website gives no sizes, a store does.
    assert file.size == (None if f":{STORE_PORTS[3]}/" in store else len(archive(RELEASE[1])))

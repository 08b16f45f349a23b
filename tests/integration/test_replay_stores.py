"""Replay recordings of object stores: list the files, and serve one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import cassettes, stores
from tests.support.cassettes import PROJECT, RELEASE, STORE_PORTS, VERSION, archive, stage
from tests.support.listings import list_staged, select_from
from tools.testing import servers
from wheel_uploader.core.models import Options
from wheel_uploader.download import scheduler
from wheel_uploader.http.client import HttpClient

#: Port, URL path that a user would give, and starter of each store.
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
    """Return the URL of a store that contains a release.

    The scope is the module, as with devpi, because the HTTP requests that fill a store must not be recorded.
    """
    port, path, start = STORES[request.param]
    staged = tmp_path_factory.mktemp("store") / "staged"
    stage(staged)
    with cassettes.server(live, port, lambda: start(staged)):
        yield f"http://127.0.0.1:{port}{path}"


@pytest.mark.vcr
def test_lists_and_serves_stored_files(store: str) -> None:
    options = Options(project=PROJECT, version=VERSION, urls=(store,))
    with HttpClient(user_urls=[store], retries=1) as http:
        listed = list_staged([store], PROJECT, http)
        selection = select_from(listed, options, scheduler.hash_local_file)
        assert sorted(file.filename for _, file in selection.files) == sorted(RELEASE)
        file = next(file for file in listed if file.filename == RELEASE[1])
        with http.stream(file.url) as stream:
            assert b"".join(stream.iter_chunks()) == archive(RELEASE[1])
    # The store lists sizes; its website does not.
    assert file.size == (None if f":{STORE_PORTS[3]}/" in store else len(archive(RELEASE[1])))

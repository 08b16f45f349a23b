"""Replay recordings of web servers: list a directory, and serve a file in full, in part and conditionally."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import cassettes
from tests.support.cassettes import PROJECT, RELEASE, STAGING_PORT, VERSION, archive, stage
from tests.support.listings import list_staged, select_from
from tools.testing import servers
from wheel_uploader.core.models import Options
from wheel_uploader.download import scheduler
from wheel_uploader.http.client import HttpClient

URL = f"http://127.0.0.1:{STAGING_PORT}/"
RESUME_OFFSET = 200


@pytest.mark.vcr
@pytest.mark.parametrize(
    ("start", "resumes"),
    [
        pytest.param(servers.nginx, True, id="nginx"),
        pytest.param(functools.partial(servers.apache, options="None"), True, id="apache-none"),
        pytest.param(functools.partial(servers.apache, options="FancyIndexing"), True, id="apache-fancy"),
        pytest.param(
            functools.partial(servers.apache, options="FancyIndexing HTMLTable"), True, id="apache-table"
        ),
        pytest.param(servers.lighttpd, True, id="lighttpd"),
        pytest.param(servers.caddy, True, id="caddy"),
        pytest.param(servers.python_http_server, False, id="python"),
    ],
)
def test_lists_and_serves_staged_files(
    start: Callable[[Path], AbstractContextManager[str]], resumes: bool, live: bool, tmp_path: Path
) -> None:
    staged = tmp_path / "staged"
    stage(staged)
    options = Options(project=PROJECT, version=VERSION, urls=(URL,))
    with (
        cassettes.server(live, STAGING_PORT, lambda: start(staged)),
        HttpClient(user_urls=[URL], retries=1) as http,
    ):
        listed = list_staged([URL], PROJECT, http)
        assert sorted(file.filename for file in listed) == sorted(path.name for path in staged.iterdir())
        selection = select_from(listed, options, scheduler.hash_local_file)
        assert sorted(file.filename for _, file in selection.files) == sorted(RELEASE)

        url = next(file.url for file in listed if file.filename == RELEASE[1])
        content = archive(RELEASE[1])
        with http.stream(url) as stream:
            assert b"".join(stream.iter_chunks()) == content
        validator = stream.headers.get("etag", stream.headers["last-modified"])
        # http.server does not support ranges: it returns the whole file, which the client must detect.
        with http.stream(url, headers={"Range": f"bytes={RESUME_OFFSET}-", "If-Range": validator}) as stream:
            assert stream.status == (206 if resumes else 200)
            assert b"".join(stream.iter_chunks()) == content[RESUME_OFFSET if resumes else 0 :]
        with http.stream(url, headers={"If-Modified-Since": stream.headers["last-modified"]}) as stream:
            assert stream.status == 304

"""Real servers: each listing gives exactly the files that are there, under URLs that bring their bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests import wheels
from tests.servers import LISTINGS
from wheel_uploader import sources
from wheel_uploader.http import Http
from wheel_uploader.models import RemoteFile

#: Taken for a wheel or its like by a careless reader, or hard to put into a link.
DECOYS = (
    "dipy-1.11.0-py3-none-any.whl.asc",
    "dipy-1.11.0-py3-none-any.whl.metadata",
    "dipy-1.11.0-py3-none-any.whl.part",
    "dipy-1.11.0-py3-none-any.whl.sha256",
    "dipy-1.11.0-py3-none-any (1).whl",
    "dipy-1.11.0-py3-none-any.whl ",
    "a&amp;b.txt",
    "a&lt.txt",
    "100%.txt",
    "%41%2Fb.txt",
    "plus+and space.txt",
    "what?#.txt",
    "quote'\"s.txt",
    "a;b=c,d:e@f.txt",
    "ünïcödé-✓.txt",
    "<b>bold.txt",
    "x" * 90 + ".txt",
)


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release among decoys, with files below that are no part of the listing."""
    root = tmp_path_factory.mktemp("staged")
    wheels.make_release(root)
    wheels.make_wheel(
        root, version="1.11.0+cu121", tag="cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"
    )
    wheels.make_wheel(root, version="1!1.11.0")
    wheels.make_wheel(root, version="1.11.0", build="1_local")
    wheels.make_wheel(root, project="dipy-horizon")
    for name in DECOYS:
        (root / name).write_bytes(name.encode())
    for directory in ("dipy-1.10.0-py3-none-any.whl", "old", "dipy-1.11.0.dist-info", "sub & space+"):
        (root / directory).mkdir()
        wheels.make_wheel(root / directory, version="1.10.0")
    return root


@pytest.mark.parametrize("server", LISTINGS.values(), ids=LISTINGS)
def test_a_listing_gives_what_is_there(
    staged: Path, server: Callable[[Path], AbstractContextManager[str]]
) -> None:
    there = {path.name: path.read_bytes() for path in staged.iterdir() if path.is_file()}
    with server(staged) as url, Http(typed=[url], retries=1) as http:
        listed = sources.list_files([url], "dipy", http)
        assert sorted(file.filename for file in listed) == sorted(there)
        for file in listed:
            assert http.refuse_link(file.url, listed_at=file.source, pinned=False) == ""
            assert _fetched(http, file) == there[file.filename]


def _fetched(http: Http, file: RemoteFile) -> bytes:
    with http.stream(file.url, listed_at=file.source) as stream:
        assert stream.status == 200
        return b"".join(stream.chunks())

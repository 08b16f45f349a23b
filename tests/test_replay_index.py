"""Recordings of package indexes: how each takes a file, judges it the second time, and lists it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import cassettes, indexes
from tests.cassettes import INDEX_PORT, LOGIN, PROJECT, stage, uploader
from tests.indexes import local_file
from wheel_uploader.errors import CredentialsError
from wheel_uploader.http import Http
from wheel_uploader.index import Index, compare, index_page, reading_urls
from wheel_uploader.models import FileState
from wheel_uploader.publish.answer_rules import Kind
from wheel_uploader.sources.html import read_html


def takes_a_file_once(url: str, folder: Path, *, twice: Kind, view: str) -> None:
    file, absent = map(local_file, stage(folder)[:2])
    with Http(typed=[url], retries=1) as http:
        index = Index(http, *reading_urls(url))
        assert not index.page(PROJECT).exists

        refused = uploader(url, "", "").post(file)
        assert (refused.kind, refused.error) == (Kind.REFUSED, CredentialsError)
        assert uploader(url, *LOGIN).post(file).kind is Kind.ACCEPTED
        assert uploader(url, *LOGIN).post(file).kind is twice

        page = index.page(PROJECT)
        answer = http.get(page.url, accept="text/html")
        links = read_html(answer.text, answer.url, answer.url).files
        in_html = index_page.from_html(answer.text, answer.url, links)
        assert (page.view, in_html.view) == (view, "html")
        for each in (page, in_html):
            states = [state.state for state in compare(each, [file, absent], index.sha256_of)]
            assert states == [FileState.SAME, FileState.ABSENT]


@pytest.mark.vcr
def test_pypiserver(live: bool, tmp_path: Path) -> None:
    with cassettes.server(
        live, INDEX_PORT, lambda: indexes.pypiserver(tmp_path / "store", users=dict([LOGIN]))
    ):
        url = f"http://127.0.0.1:{INDEX_PORT}/"
        takes_a_file_once(url, tmp_path / "staged", twice=Kind.EXISTS, view="html")


@pytest.mark.vcr
def test_devpi(devpi_url: str, tmp_path: Path) -> None:
    # It takes the same bytes any number of times.
    takes_a_file_once(f"{devpi_url}one/", tmp_path / "staged", twice=Kind.ACCEPTED, view="json")

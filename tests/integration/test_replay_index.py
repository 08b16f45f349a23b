"""Recordings of package indexes: how each takes a file, judges it the second time, and lists it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import cassettes, indexes
from tests.support.cassettes import INDEX_PORT, LOGIN, PROJECT, stage, uploader
from tests.support.indexes import local_file
from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.models import FileComparison
from wheel_uploader.facts.html_links import read_html_listing
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index import project_page
from wheel_uploader.index.client import IndexClient, compare_with_index, derive_simple_urls
from wheel_uploader.upload.response_rules import ResponseKind


def takes_a_file_once(url: str, folder: Path, *, twice: ResponseKind, view: str) -> None:
    file, absent = map(local_file, stage(folder)[:2])
    with HttpClient(user_urls=[url], retries=1) as http:
        index = IndexClient(http, *derive_simple_urls(url))
        assert not index.fetch_project(PROJECT).exists

        refused = uploader(url, "", "").upload(file)
        assert (refused.kind, refused.error_type) == (ResponseKind.REJECTED, CredentialsError)
        assert uploader(url, *LOGIN).upload(file).kind is ResponseKind.ACCEPTED
        assert uploader(url, *LOGIN).upload(file).kind is twice

        page = index.fetch_project(PROJECT)
        answer = http.get(page.url, accept="text/html")
        links = read_html_listing(answer.text, answer.url, answer.url).files
        in_html = project_page.build_html_page(answer.text, answer.url, links)
        assert (page.page_format, in_html.page_format) == (view, "html")
        for each in (page, in_html):
            states = [state.result for state in compare_with_index(each, [file, absent], index.get_sha256)]
            assert states == [FileComparison.SAME, FileComparison.ABSENT]


@pytest.mark.vcr
def test_pypiserver(live: bool, tmp_path: Path) -> None:
    with cassettes.server(
        live, INDEX_PORT, lambda: indexes.pypiserver(tmp_path / "store", users=dict([LOGIN]))
    ):
        url = f"http://127.0.0.1:{INDEX_PORT}/"
        takes_a_file_once(url, tmp_path / "staged", twice=ResponseKind.EXISTS, view="html")


@pytest.mark.vcr
def test_devpi(devpi_url: str, tmp_path: Path) -> None:
    # It takes the same bytes any number of times.
    takes_a_file_once(f"{devpi_url}one/", tmp_path / "staged", twice=ResponseKind.ACCEPTED, view="json")

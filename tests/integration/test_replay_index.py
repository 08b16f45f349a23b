"""Replay recordings of package indexes: upload a file, upload it again, and list it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import cassettes
from tests.support.cassettes import INDEX_PORT, LOGIN, PROJECT, stage, uploader
from tools.testing import indexes
from tools.testing.indexes import local_file
from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.models import FileComparison
from wheel_uploader.facts.html_links import read_html_listing
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index import project_page
from wheel_uploader.index.client import IndexClient, compare_with_index, derive_simple_urls
from wheel_uploader.upload.response_rules import ResponseKind


def upload_twice_and_list(url: str, folder: Path, *, second_result: ResponseKind, page_format: str) -> None:
    file, absent = map(local_file, stage(folder)[:2])
    with HttpClient(user_urls=[url], retries=1) as http:
        index = IndexClient(http, *derive_simple_urls(url))
        assert not index.fetch_project(PROJECT).exists

        without_login = uploader(url, "", "").upload(file)
        assert (without_login.kind, without_login.error_type) == (ResponseKind.REJECTED, CredentialsError)
        assert uploader(url, *LOGIN).upload(file).kind is ResponseKind.ACCEPTED
        assert uploader(url, *LOGIN).upload(file).kind is second_result

        page = index.fetch_project(PROJECT)
        response = http.get(page.url, accept="text/html")
        links = read_html_listing(response.text, response.url, response.url).files
        in_html = project_page.build_html_page(response.text, response.url, links)
        assert (page.page_format, in_html.page_format) == (page_format, "html")
        for project in (page, in_html):
            states = [state.result for state in compare_with_index(project, [file, absent], index.get_sha256)]
            assert states == [FileComparison.SAME, FileComparison.ABSENT]


@pytest.mark.vcr
def test_pypiserver(live: bool, tmp_path: Path) -> None:
    with cassettes.server(
        live, INDEX_PORT, lambda: indexes.pypiserver(tmp_path / "store", users=dict([LOGIN]))
    ):
        url = f"http://127.0.0.1:{INDEX_PORT}/"
        upload_twice_and_list(url, tmp_path / "staged", second_result=ResponseKind.EXISTS, page_format="html")


@pytest.mark.vcr
def test_devpi(devpi_url: str, tmp_path: Path) -> None:
    # devpi accepts the same bytes any number of times.
    upload_twice_and_list(
        f"{devpi_url}one/", tmp_path / "staged", second_result=ResponseKind.ACCEPTED, page_format="json"
    )

"""Listings at their limits take time in proportion to their length, whatever is in them."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from wheel_uploader.core import filenames, html_text
from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.models import Options
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http.body import make_excerpt
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.listing import sources

pytestmark = pytest.mark.slow

URL = "https://staging.example/wheels/"
#: Links of the shorter listing, and how many times as many the longer one has.
FEW, TIMES = 2500, 8

#: One link, or what is in a page otherwise, by its number.
ROWS: dict[str, Callable[[int], str]] = {
    "versions": lambda n: f'<a href="demo-1.{n}-py3-none-any.whl#sha256={n:064x}">demo</a> 10:15  16M\n',
    "one name, other hashes": lambda n: f'<a href="demo-1.0-py3-none-any.whl#sha256={n:064x}">demo</a>\n',
    "one link": lambda n: '<a href="demo-1.0-py3-none-any.whl">demo</a>\n',
    "one name, other folders": lambda n: f'<a href="{n}/demo-1.0-py3-none-any.whl">demo</a>\n',
    "projects that are alike": lambda n: f'<a href="demp{n}-1.0-py3-none-any.whl">demo</a>\n',
    "folders": lambda n: f'<a href="demo{n}/">demo</a>\n',
    "encoded slashes": lambda n: f'<a href="demo-{n}{"%2F" * 300}">demo</a>\n',
    "text beside": lambda n: "<br>10:15 16M" if n else '<a href="demo-1.0-py3-none-any.whl">demo</a>',
    "text inside": lambda n: "<b> x " if n else '<a href="demo-1.0-py3-none-any.whl">',
    "bases": lambda n: f'<base href="{n}/">',
    "attestations": lambda n: f'<a href="{n}/demo-1.0-py3-none-any.whl.publish.attestation">x</a>\n',
    "headings": lambda n: "<h1",
    "titles": lambda n: "<title>",
}


def seconds(page: str) -> float:
    """Return the CPU time for a run's reading of a listing, and for the same page as the body of an error."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, html=page))
    began = time.thread_time()
    with HttpClient(user_urls=[URL], retries=1, transport=transport) as http:
        try:
            listed = sources.list_staged_files([URL], "demo", http)
            selection = release_selection.select_release(
                listed, Options(project="demo", version="1.0", urls=(URL,)), lambda _: ""
            )
            for each in (
                *filenames.select_files(listed, "demo", selection.version).excluded_files,
                *selection.excluded_files,
            ):
                sanitize(f"{each.filename}: {each.reason}")
        except ReleaseError as error:
            sanitize(str(error))
    html_text.extract_visible_text(page)
    make_excerpt(page.encode(), "text/html")
    return time.thread_time() - began


@pytest.mark.parametrize("kind", ROWS)
def test_a_listing_takes_time_in_proportion_to_its_length(kind: str) -> None:
    short, long = ("".join(map(ROWS[kind], range(count))) for count in (FEW, TIMES * FEW))
    seconds(short)
    # Quadratic would be 64 times as long; what is shorter than half a second is no trouble whatever it is.
    limit = max(0.5, 2.5 * TIMES * seconds(short))
    # The second time is for a machine that was busy with something else.
    assert seconds(long) < limit or seconds(long) < limit

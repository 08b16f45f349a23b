"""Reading a listing takes time proportional to its length, whatever its contents."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.support.listings import list_staged, select_from
from wheel_uploader.core import filenames, html_text
from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.models import Options
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http.body import make_excerpt
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx

pytestmark = pytest.mark.slow

URL = "https://staging.example/wheels/"
#: Number of links in the shorter listing, and the factor for the longer one.
FEW, TIMES = 2500, 8

#: Renderers of the link or other markup with a given number.
ROWS: dict[str, Callable[[int], str]] = {
    "versions": lambda n: f'<a href="demo-1.{n}-py3-none-any.whl#sha256={n:064x}">demo</a> 10:15  16M\n',
    "one name, other hashes": lambda n: f'<a href="demo-1.0-py3-none-any.whl#sha256={n:064x}">demo</a>\n',
    "one link": lambda n: '<a href="demo-1.0-py3-none-any.whl">demo</a>\n',
    "one name, other directories": lambda n: f'<a href="{n}/demo-1.0-py3-none-any.whl">demo</a>\n',
    "similar projects": lambda n: f'<a href="demp{n}-1.0-py3-none-any.whl">demo</a>\n',
    "directories": lambda n: f'<a href="demo{n}/">demo</a>\n',
    "encoded slashes": lambda n: f'<a href="demo-{n}{"%2F" * 300}">demo</a>\n',
    "text between": lambda n: "<br>10:15 16M" if n else '<a href="demo-1.0-py3-none-any.whl">demo</a>',
    "text inside": lambda n: "<b> x " if n else '<a href="demo-1.0-py3-none-any.whl">',
    "bases": lambda n: f'<base href="{n}/">',
    "attestations": lambda n: f'<a href="{n}/demo-1.0-py3-none-any.whl.publish.attestation">x</a>\n',
    "headings": lambda n: "<h1",
    "titles": lambda n: "<title>",
}


def measure_cpu_time(page: str) -> float:
    """Return the CPU seconds for reading a page as a listing and as the body of an error."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, html=page))
    began = time.thread_time()
    with HttpClient(user_urls=[URL], retries=1, transport=transport) as http:
        try:
            listed = list_staged([URL], "demo", http)
            selection = select_from(
                listed,
                Options(project="demo", version="1.0", urls=(URL,)),
                lambda _: "",
            )
            for excluded in (
                *filenames.select_files(listed, "demo", selection.version).excluded_files,
                *selection.excluded_files,
            ):
                sanitize(f"{excluded.filename}: {excluded.reason}")
        except ReleaseError as error:
            sanitize(str(error))
    html_text.extract_visible_text(page)
    make_excerpt(page.encode(), "text/html")
    return time.thread_time() - began


@pytest.mark.parametrize("kind", ROWS)
def test_reading_time_is_proportional_to_length(kind: str) -> None:
    short, long = ("".join(map(ROWS[kind], range(count))) for count in (FEW, TIMES * FEW))
    measure_cpu_time(short)
    # Quadratic time would be 64 times as long. Anything below half a second is acceptable.
    limit = max(0.5, 2.5 * TIMES * measure_cpu_time(short))
    # Measure twice because the machine may have been busy the first time.
    assert measure_cpu_time(long) < limit or measure_cpu_time(long) < limit

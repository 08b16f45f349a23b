"""anaconda.org, simulated with hand-written responses in its documented formats."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.listings import list_staged
from wheel_uploader.core import progress
from wheel_uploader.core.errors import CredentialsError, ListingError, NetworkError, NothingFoundError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.listing.sources.anaconda import (
    AnacondaPackage,
    PackageReference,
    parse_anaconda_url,
    read_package_files,
)

API = "https://api.anaconda.org/package/multibuild-wheels-staging/dipy/files"
SITE = "https://anaconda.org/multibuild-wheels-staging/dipy"
SIMPLE = "https://pypi.anaconda.org/multibuild-wheels-staging/simple/dipy/"
WHEEL = "dipy-1.11.0-cp312-cp312-win_amd64.whl"
DATA = b"a wheel"
SHA256, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()
STORAGE = "https://binstar-cio-packages-prod.s3.amazonaws.com/"


def entry(basename: object = WHEEL, **changes: Any) -> dict[str, object]:
    """Return a file entry of the API, as whl2conda and renovate have recorded them."""
    return {
        "description": None,
        "dependencies": [],
        "distribution_type": "pypi",
        "type": "pypi",
        "basename": basename,
        "attrs": {"packagetype": "bdist_wheel", "python_version": "cp312", "abi": "cp312", "build_no": 0},
        "upload_time": "2025-09-16 07:20:08.898000+00:00",
        "md5": MD5,
        "sha256": SHA256,
        "size": len(DATA),
        "full_name": f"multibuild-wheels-staging/dipy/1.11.0/{basename}",
        "download_url": f"//api.anaconda.org/download/multibuild-wheels-staging/dipy/1.11.0/{basename}",
        "version": "1.11.0",
        "ndownloads": 22,
        "owner": "multibuild-wheels-staging",
        "labels": ["main"],
        **changes,
    }


class Site:
    """Responses by URL and a log of the requests."""

    def __init__(self, pages: dict[str, httpx.Response] | None = None) -> None:
        self.pages = pages or {}
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self.pages.get(str(request.url).partition("?")[0])
        if response is None:
            return httpx.Response(404, json={"error": "not found"})
        return httpx.Response(response.status_code, content=response.content, headers=response.headers)

    @property
    def requested_urls(self) -> list[str]:
        return [str(request.url) for request in self.requests]


def files_response(*entries: object) -> httpx.Response:
    return httpx.Response(200, json=list(entries))


def simple_page(*names: str) -> httpx.Response:
    links = "".join(f'<a href="/multibuild-wheels-staging/simple/dipy/1/{name}">{name}</a>' for name in names)
    return httpx.Response(200, text=links, headers={"Content-Type": "text/html"})


def list_files(
    url: str, site: Callable[[httpx.Request], httpx.Response], project: str = "dipy"
) -> list[RemoteFile]:
    with HttpClient(user_urls=[url], retries=1, transport=httpx.MockTransport(site)) as http:
        return list(list_staged([url], project, http))


# --- URLs that a user would copy -------------------------------------------------------------------

OWNER = "multibuild-wheels-staging"


@pytest.mark.parametrize(
    ("url", "changes"),
    [
        (f"{SITE}/files", {}),
        (f"{SITE}/files?page=2", {}),
        (f"{SITE}/files?version=1.11.0&type=pypi", {"version": "1.11.0"}),
        (SITE, {}),
        (f"{SITE}/labels", {}),
        (f"{SITE}/1.11.0/download/{WHEEL}", {"version": "1.11.0", "filename": WHEEL}),
        (f"{SITE}/1.11.0", {"version": "1.11.0"}),
        (f"{SITE}/files?version=latest", {}),
        (f"https://www.anaconda.org/{OWNER}/dipy/", {}),
        (f"http://anaconda.org/{OWNER}/dipy", {}),
        (f"https://anaconda.org/channels/{OWNER}/packages/dipy/overview", {}),
        (f"https://anaconda.org/channels/{OWNER}/packages/dipy/files?version=1", {"version": "1"}),
        (f"https://anaconda.org/channels/{OWNER}/packages/dipy/1.11.0/overview", {"version": "1.11.0"}),
        (f"https://anaconda.org/channels/{OWNER}", {"name": ""}),
        (f"https://anaconda.org/{OWNER}", {"name": ""}),
        (f"https://anaconda.org/{OWNER}/repo?type=pypi", {"name": ""}),
        (f"https://anaconda.org/t/tk-1/{OWNER}/dipy", {"token": "tk-1"}),
        (f"https://pypi.anaconda.org/{OWNER}/simple/dipy/", {}),
        (
            f"https://pypi.anaconda.org/{OWNER}/simple/dipy/1.11.0/{WHEEL}",
            {"version": "1.11.0", "filename": WHEEL},
        ),
        (f"https://pypi.anaconda.org/{OWNER}/simple", {"name": ""}),
        (f"https://pypi.anaconda.org/{OWNER}/label/rc/simple/", {"name": "", "label": "rc"}),
        (f"https://pypi.anaconda.org/{OWNER}/label/rc/simple/dipy/", {"label": "rc"}),
        (f"https://pypi.anaconda.org/t/tk%2B1/{OWNER}/simple/dipy", {"token": "tk+1"}),
        (f"https://pypi.anaconda.org/{OWNER}", {"name": ""}),
        (f"https://api.anaconda.org/package/{OWNER}/dipy", {}),
        (f"https://api.anaconda.org/package/{OWNER}/dipy/files", {}),
        (f"https://api.anaconda.org/packages/{OWNER}", {"name": ""}),
        (f"https://api.anaconda.org/release/{OWNER}/dipy/1.11.0", {"version": "1.11.0"}),
        (
            f"https://api.anaconda.org/dist/{OWNER}/dipy/1.11.0/{WHEEL}",
            {"version": "1.11.0", "filename": WHEEL},
        ),
    ],
)
def test_parses_every_url_of_a_package(url: str, changes: dict[str, str]) -> None:
    assert parse_anaconda_url(url) == PackageReference(**{"owner": OWNER, "name": "dipy", **changes})
    assert AnacondaPackage.claims(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://anaconda.org/",
        "https://anaconda.org.evil.example/owner/dipy",
        "https://evil.example/anaconda.org/dipy",
        "https://conda.anaconda.org/owner/dipy",
        "ftp://anaconda.org/owner/dipy",
        "https://[",
        "anaconda.org/owner/dipy",
    ],
)
def test_does_not_claim_other_urls(url: str) -> None:
    assert not AnacondaPackage.claims(url)


@given(st.lists(st.sampled_from(["t", "channels", "a", "", "simple", "label", "package", "%2F", "repo"])))
def test_arbitrary_paths_raise_no_exception(segments: list[str]) -> None:
    for host in ("anaconda.org", "pypi.anaconda.org", "api.anaconda.org"):
        url = f"https://{host}/{'/'.join(segments)}"
        if AnacondaPackage.claims(url):
            assert parse_anaconda_url(url).owner


# --- the API ---------------------------------------------------------------------------------------


def test_names_and_hashes_come_from_the_api() -> None:
    site = Site({API: files_response(entry())})
    (file,) = list_files(f"{SITE}/files", site)
    assert file.filename == WHEEL
    assert file.url == f"https://api.anaconda.org/download/{OWNER}/dipy/1.11.0/{WHEEL}"
    assert file.hashes == {"sha256": SHA256, "md5": MD5}
    assert file.size == len(DATA)
    assert site.requested_urls == [API]


@pytest.mark.parametrize(
    ("changes", "hashes"),
    [
        ({"sha256": "None"}, {"md5": MD5}),
        ({"sha256": None}, {"md5": MD5}),
        ({"sha256": "None", "md5": "None"}, {}),
        ({"sha256": SHA256.upper(), "md5": 1}, {"sha256": SHA256}),
    ],
)
def test_ignores_invalid_hashes(changes: dict[str, Any], hashes: dict[str, str]) -> None:
    (file,) = list_files(SITE, Site({API: files_response(entry(**changes))}))
    assert file.hashes == hashes


@pytest.mark.parametrize(
    "changes",
    [
        {"distribution_type": "conda", "type": "conda"},
        {"distribution_type": None, "type": "conda"},
        {"basename": None},
        {"download_url": None},
        {"download_url": ""},
        {"download_url": "javascript:alert(1)"},
        {"download_url": "//["},
    ],
)
def test_skips_files_that_pip_cannot_install(changes: dict[str, Any]) -> None:
    other = entry("linux-64/dipy-1.11.0-py312_0.tar.bz2", distribution_type="conda", type="conda")
    response = files_response(other, entry(**changes), entry("dipy-1.11.0.tar.gz"), None, 1)
    assert [file.filename for file in list_files(SITE, Site({API: response}))] == ["dipy-1.11.0.tar.gz"]


def test_removes_duplicate_entries() -> None:
    """The API lists versions in any order and up to three times."""
    entries = [entry(version=version) for version in ("1.11.0", "1.11.0", "1.10.0", "1.11.0")]
    site = Site({API: files_response(*entries, entry(md5="0" * 32, sha256="None"))})
    assert [file.hashes.get("md5") for file in list_files(SITE, site)] == [MD5, "0" * 32]


def test_label_and_version_in_the_url_select_files() -> None:
    entries = [
        entry("dipy-1.11.0-py3-none-any.whl", labels=["main", "rc"]),
        entry("dipy-1.11.1-py3-none-any.whl", version="1.11.1"),
        entry("dipy-1.12.0-py3-none-any.whl", labels=None, version="1.12.0"),
    ]
    site = Site({API: files_response(*entries)})
    by_label = list_files(f"https://pypi.anaconda.org/{OWNER}/label/rc/simple/dipy/", site)
    by_version = list_files(f"{SITE}/files?version=1.11.1", site)
    assert [file.filename for file in by_label] == ["dipy-1.11.0-py3-none-any.whl"]
    assert [file.filename for file in by_version] == ["dipy-1.11.1-py3-none-any.whl"]


def test_uses_the_project_if_the_url_has_no_package_name() -> None:
    url = f"https://api.anaconda.org/package/{OWNER}/scikit-image/files"
    site = Site({url: files_response(entry())})
    assert list_files(f"https://anaconda.org/{OWNER}", site, "scikit_image")
    assert site.requested_urls == [url]


def test_does_not_send_the_token_to_the_storage() -> None:
    token = "tk-0123-secret"
    download = f"https://api.anaconda.org/download/{OWNER}/dipy/1.11.0/{WHEEL}"
    site = Site(
        {
            API: files_response(entry()),
            download: httpx.Response(302, headers={"Location": f"{STORAGE}abc?Signature=x"}),
            f"{STORAGE}abc": httpx.Response(200, content=DATA),
        }
    )
    url = f"https://pypi.anaconda.org/t/{token}/{OWNER}/simple/dipy/"
    with HttpClient(user_urls=[url], retries=1, transport=httpx.MockTransport(site)) as http:
        (file,) = list_staged([url], "dipy", http)
        with http.stream(file.url, listing_url=file.source, has_trusted_digest=False) as stream:
            assert b"".join(stream.iter_chunks()) == DATA
    sent = [(request.url.host, request.headers.get("authorization")) for request in site.requests]
    assert sent == [
        ("api.anaconda.org", f"token {token}"),
        ("api.anaconda.org", f"token {token}"),
        ("binstar-cio-packages-prod.s3.amazonaws.com", None),
    ]
    assert not any(token in str(request.url) for request in site.requests)
    assert token not in repr(parse_anaconda_url(url))
    assert token not in sanitize(f"{url} {token}")


# --- API failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500),
        httpx.Response(404),
        httpx.Response(403),
        httpx.Response(401),
        httpx.Response(200, text="<html>We are down</html>"),
        httpx.Response(200, json={"error": "maintenance"}),
    ],
    ids=lambda response: f"{response.status_code}-{response.text[:9]}",
)
def test_falls_back_to_the_simple_page(response: httpx.Response) -> None:
    site = Site({API: response, SIMPLE: simple_page(WHEEL, "dipy-1.10.0-py3-none-any.whl", "notes.txt")})
    assert [file.filename for file in list_files(SITE, site)] == [
        WHEEL,
        "dipy-1.10.0-py3-none-any.whl",
        "notes.txt",
    ]
    (file, _) = list_files(f"{SITE}/files?version=1.11.0", site)
    assert (file.filename, file.hashes) == (WHEEL, {})
    assert file.url == f"https://pypi.anaconda.org/{OWNER}/simple/dipy/1/{WHEEL}"
    assert len(list_files(f"{SITE}/files?version=latest", site)) == 3


def test_reports_the_fallback_to_the_simple_page(capsys: pytest.CaptureFixture[str]) -> None:
    site = Site({API: httpx.Response(503), SIMPLE: simple_page(WHEEL)})
    transport = httpx.MockTransport(site)
    with HttpClient(
        user_urls=[SITE],
        retries=1,
        transport=transport,
        progress=progress.make_progress(sys.stderr, verbose=0),
    ) as http:
        assert list_staged([SITE], "dipy", http)
    stderr = capsys.readouterr().err
    assert "anaconda.org's API failed (" in stderr
    assert "using its simple page, which has no hashes" in stderr


def test_requests_the_simple_page_with_label_and_token() -> None:
    url = f"https://pypi.anaconda.org/t/tk-4567/{OWNER}/label/rc/simple/dipy/"
    site = Site({API: httpx.Response(500), url: simple_page(WHEEL)})
    (file,) = list_files(url, site)
    assert "tk-4567" not in file.source
    assert site.requested_urls == [API, url]
    assert site.requests[1].headers.get("authorization") is None


def test_reports_the_api_error_if_both_fail() -> None:
    with pytest.raises(
        NothingFoundError, match=r"package multibuild-wheels-staging/dipy does not exist on anaconda\.org"
    ) as caught:
        list_files(SITE, Site())
    assert "t/TOKEN" in str(caught.value.hint)
    with pytest.raises(NetworkError, match=r"api\.anaconda\.org/.* returned 500"):
        list_files(SITE, Site({API: httpx.Response(500)}))
    with pytest.raises(CredentialsError, match="requires authentication") as refused:
        list_files(SITE, Site({API: httpx.Response(401)}))
    assert "t/TOKEN" in str(refused.value.hint)
    with pytest.raises(ListingError, match="JSON without a list of files"):
        list_files(SITE, Site({API: httpx.Response(200, json={})}))


# --- arbitrary responses ---------------------------------------------------------------------------

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.lists(st.text(max_size=3), max_size=2)
)
ENTRIES = st.dictionaries(
    st.sampled_from(["basename", "type", "download_url", "sha256", "md5", "size", "labels", "version"]),
    VALUES,
)


@given(
    st.lists(ENTRIES.map(lambda changes: {**entry(), **changes}) | VALUES, max_size=3) | VALUES,
    st.sampled_from(["", "x"]),
)
def test_arbitrary_responses_raise_only_listing_error(data: object, label: str) -> None:
    with contextlib.suppress(ListingError):
        for file in read_package_files(
            json.dumps(data), API, "anaconda", PackageReference(owner="x", label=label)
        ).files:
            assert file.url.startswith("https://")

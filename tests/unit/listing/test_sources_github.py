"""GitHub releases and Actions runs, simulated with hand-written responses in GitHub's documented formats."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from tests.support.listings import list_staged
from tools.testing import wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    CredentialsError,
    FileError,
    HttpStatusError,
    ListingError,
    NetworkError,
    NothingFoundError,
    TransportError,
)
from wheel_uploader.core.models import Options, RemoteFile, Stage
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.listing import sources
from wheel_uploader.listing.sources import artifact_unpacker, github_actions, gitlab_jobs
from wheel_uploader.listing.sources.github_actions import GitHubActionsRun, read_artifacts
from wheel_uploader.listing.sources.github_releases import GitHubRelease, read_assets
from wheel_uploader.listing.sources.gitlab_jobs import GitLabJob
from wheel_uploader.pipeline import run as pipeline_run

API = "https://api.github.com/repos/dipy/dipy"
RELEASE = "https://github.com/dipy/dipy/releases/tag/1.11.0"
RUN = "https://github.com/dipy/dipy/actions/runs/42"
DOWNLOADS = "https://github.com/dipy/dipy/releases/download/1.11.0"
STORAGE = "https://release-assets.githubusercontent.com/"
BLOBS = "https://productionresultssa7.blob.core.windows.net/"
TOKEN = "ghs_0123456789abcdefABCDEF"
WHEEL = "dipy-1.11.0-py3-none-any.whl"
DATA = wheels.wheel_bytes()
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "GH_ENTERPRISE_TOKEN",
        "GITHUB_ENTERPRISE_TOKEN",
        "GITHUB_SERVER_URL",
        "GH_HOST",
        "GITHUB_RUN_ID",
        "GITLAB_TOKEN",
        "CI_JOB_TOKEN",
        "CI_SERVER_HOST",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GITHUB_TOKEN", f" {TOKEN}\n")
    return TOKEN


class Site:
    """Responses by URL, with or without its query, and a log of the requests."""

    def __init__(self, pages: Mapping[str, httpx.Response]) -> None:
        self.pages = pages
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        url = str(request.url)
        response = self.pages.get(url) or self.pages.get(url.partition("?")[0])
        if response is None:
            return httpx.Response(404, json={"message": "Not Found", "status": "404"})
        return httpx.Response(response.status_code, content=response.content, headers=response.headers)

    @property
    def sent_authorizations(self) -> list[tuple[str, str | None]]:
        """The host and the Authorization header of each request."""
        return [(request.url.host, request.headers.get("authorization")) for request in self.requests]


def json_response(value: object) -> httpx.Response:
    return httpx.Response(200, json=value)


@contextlib.contextmanager
def open_client(
    url: str, site: Callable[[httpx.Request], httpx.Response]
) -> Iterator[tuple[HttpClient, sources.UnpackDirectory]]:
    transport = httpx.MockTransport(site)
    with (
        HttpClient(user_urls=[url], retries=1, transport=transport) as http,
        sources.UnpackDirectory() as scratch,
    ):
        yield http, scratch


def list_files(
    url: str, site: Callable[[httpx.Request], httpx.Response], project: str = "dipy"
) -> list[RemoteFile]:
    with open_client(url, site) as (http, scratch):
        return list(list_staged([url], project, http, scratch))


# --- releases --------------------------------------------------------------------------------------


def asset(name: str = WHEEL, **changes: Any) -> dict[str, Any]:
    return {
        "url": f"{API}/releases/assets/7",
        "id": 7,
        "name": name,
        "label": "",
        "state": "uploaded",
        "content_type": "application/octet-stream",
        "size": len(DATA),
        "digest": f"sha256:{SHA256}",
        "download_count": 1,
        "browser_download_url": f"{DOWNLOADS}/{name}",
        **changes,
    }


def release(*assets: object, **more: httpx.Response) -> Site:
    return Site(
        {
            f"{API}/releases/tags/1.11.0": json_response({"id": 9}),
            f"{API}/releases/9/assets": json_response(list(assets)),
            **more,
        }
    )


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("github.com/dipy/dipy/releases/tag/1.11.0", "tags/1.11.0"),
        ("github.com/dipy/dipy/releases/tag/v1%2Bx/rc%201", "tags/v1%2Bx%2Frc%201"),
        ("www.github.com/dipy/dipy/releases/tag/1.11.0/", "tags/1.11.0"),
        ("github.com/dipy/dipy/releases/expanded_assets/1.11.0", "tags/1.11.0"),
        (f"github.com/dipy/dipy/releases/download/1.11.0/{WHEEL}", "tags/1.11.0"),
        ("github.com/dipy/dipy/releases/latest", "latest"),
        (f"github.com/dipy/dipy/releases/latest/download/{WHEEL}", "latest"),
        ("github.com/dipy/dipy/releases", "latest"),
        ("api.github.com/repos/dipy/dipy/releases/tags/1.11.0", "tags/1.11.0"),
        ("api.github.com/repos/dipy/dipy/releases/tags/9", "tags/9"),
        ("api.github.com/repos/dipy/dipy/releases/latest", "latest"),
    ],
)
def test_accepts_every_url_of_a_release(url: str, endpoint: str) -> None:
    site = Site(
        {
            f"{API}/releases/{endpoint}": json_response({"id": 9}),
            f"{API}/releases/9/assets": json_response([asset()]),
        }
    )
    (file,) = list_files(f"https://{url}", site)
    assert file.filename == WHEEL


def test_release_id_in_the_url_needs_no_lookup() -> None:
    site = Site({f"{API}/releases/9/assets": json_response([asset()])})
    assert list_files(f"{API}/releases/9", site)
    assert [str(request.url) for request in site.requests] == [f"{API}/releases/9/assets?per_page=100"]


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/dipy/dipy",
        "https://github.com/dipy/dipy/releases/new",
        "https://github.com/dipy/dipy/releases/tag/",
        "https://github.com/dipy/dipy/releases/download/1.11.0",
        "https://github.com.evil.example/dipy/dipy/releases/tag/1",
        "https://github.com/dipy/dipy/actions/runs/",
        "https://github.com/dipy/dipy/actions/runs/x",
        "https://api.github.com/dipy",
        "ssh://github.com/dipy/dipy/releases",
        "https://[",
        "dist",
    ],
)
def test_does_not_claim_other_urls(url: str) -> None:
    assert not GitHubRelease.claims(url)
    assert not GitHubActionsRun.claims(url)


def test_asset_has_the_digest_from_github() -> None:
    (file,) = list_files(RELEASE, release(asset()))
    assert (file.filename, file.url, file.size) == (WHEEL, f"{DOWNLOADS}/{WHEEL}", len(DATA))
    assert file.hashes == {"sha256": SHA256}
    assert not file.unavailable_reason


@pytest.mark.parametrize("digest", [None, "", "sha256:", SHA256, "sha256:x", 1])
def test_asset_without_a_valid_digest_has_no_hash(digest: object) -> None:
    (file,) = list_files(RELEASE, release(asset(digest=digest)))
    assert file.hashes == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "starter", "size": 0}, "its upload to GitHub never finished (state starter)"),
        ({"state": None}, "its upload to GitHub never finished (state None)"),
        ({"size": 0}, "it is empty on GitHub: its upload was interrupted"),
    ],
)
def test_rejects_incomplete_assets_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    other = asset("dipy-1.11.0.tar.gz")
    files = list_files(
        RELEASE, release(asset(**changes), asset("dipy-1.10.0-py3-none-any.whl", **changes), other)
    )
    selection = filenames.select_files(files, "dipy", Version("1.11.0"))
    assert [name.filename for name, _ in selection.files] == ["dipy-1.11.0.tar.gz"]
    (current, old) = selection.excluded_files
    assert (current.filename, current.reason, current.is_unavailable) == (WHEEL, reason, True)
    assert (old.reason, old.is_unavailable) == ("version 1.10.0, not 1.11.0", False)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"browser_download_url": None},
        {"browser_download_url": "data:,x"},
        {"browser_download_url": "//["},
    ],
)
def test_skips_invalid_assets(changes: dict[str, Any]) -> None:
    assert list_files(RELEASE, release(asset(**changes), None, 1)) == []


def test_reads_all_pages_of_assets() -> None:
    pages = {
        f"{API}/releases/9/assets?per_page=100": json_response(
            [asset(f"{number}.txt") for number in range(100)]
        ),
        f"{API}/releases/9/assets?per_page=100&page=2": json_response(
            [asset(f"{number}.txt") for number in range(100)]
        ),
        f"{API}/releases/9/assets?per_page=100&page=3": json_response([asset()]),
    }
    files = list_files(RELEASE, Site({f"{API}/releases/tags/1.11.0": json_response({"id": 9}), **pages}))
    assert len(files) == 201


def test_sends_the_token_to_the_api_and_not_to_the_storage(token: str) -> None:
    api_download = f"{API}/releases/assets/7"
    site = release(
        asset(digest=None),
        **{
            api_download: httpx.Response(302, headers={"Location": f"{STORAGE}x?jwt=y"}),
            f"{STORAGE}x": httpx.Response(200, content=DATA),
        },
    )
    with open_client(RELEASE, site) as (http, _):
        (file,) = list_staged([RELEASE], "dipy", http)
        assert file.url == api_download
        with http.stream(file.url, listing_url=file.source) as stream:
            assert b"".join(stream.iter_chunks()) == DATA
    assert site.sent_authorizations == [("api.github.com", f"Bearer {token}")] * 3 + [
        ("release-assets.githubusercontent.com", None)
    ]
    assert [request.headers["accept"] for request in site.requests[2:]] == ["application/octet-stream", "*/*"]
    assert token not in sanitize(f"token is {token}")


def test_follows_a_moved_repository_to_its_new_urls(token: str) -> None:
    moved = API.replace("dipy/dipy", "nipy/dipy")
    listing = asset(url=f"{moved}/releases/assets/7")
    site = Site(
        {
            f"{API}/releases/tags/1.11.0": httpx.Response(
                301, headers={"Location": f"{moved}/releases/tags/1.11.0"}
            ),
            f"{moved}/releases/tags/1.11.0": json_response({"id": 9}),
            f"{API}/releases/9/assets": json_response(
                [listing, asset("evil.whl", url="https://evil.example/x")]
            ),
        }
    )
    (file, other) = list_files(RELEASE, site)
    assert file.url == f"{moved}/releases/assets/7"
    assert other.url == f"{DOWNLOADS}/evil.whl"


def test_downloads_from_the_storage_without_a_token() -> None:
    site = release(
        asset(),
        **{
            f"{DOWNLOADS}/{WHEEL}": httpx.Response(302, headers={"Location": f"{STORAGE}x?jwt=y"}),
            f"{STORAGE}x": httpx.Response(200, content=DATA),
        },
    )
    with open_client(RELEASE, site) as (http, _):
        (file,) = list_staged([RELEASE], "dipy", http)
        with http.stream(file.url, listing_url=file.source) as stream:
            assert b"".join(stream.iter_chunks()) == DATA
    assert {authorization for _, authorization in site.sent_authorizations} == {None}


def test_gh_token_takes_precedence(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "gho_other")
    site = release(asset())
    list_files(RELEASE, site)
    assert {authorization for _, authorization in site.sent_authorizations} == {"Bearer gho_other"}


def test_reports_errors_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = httpx.Response(403, json={"message": "API rate limit exceeded for 203.0.113.7."})
    with pytest.raises(
        NothingFoundError, match=r"/releases/tags/1\.11\.0 was not found \(status 404\)"
    ) as not_found:
        list_files(RELEASE, Site({}))
    assert "GITHUB_TOKEN" in str(not_found.value.hint)
    with pytest.raises(HttpStatusError, match="API rate limit exceeded") as limited:
        list_files(RELEASE, Site({f"{API}/releases/tags/1.11.0": limit}))
    assert "GITHUB_TOKEN" in str(limited.value.hint)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    with pytest.raises(CredentialsError, match="rejected the token in GITHUB_TOKEN"):
        list_files(RELEASE, Site({f"{API}/releases/tags/1.11.0": httpx.Response(401)}))
    with pytest.raises(HttpStatusError, match="API rate limit exceeded") as limited:
        list_files(RELEASE, Site({f"{API}/releases/tags/1.11.0": limit}))
    assert "GITHUB_TOKEN" not in str(limited.value.hint)
    with pytest.raises(NothingFoundError) as not_found:
        list_files(RELEASE, Site({}))
    assert "GITHUB_TOKEN" not in str(not_found.value.hint)
    with pytest.raises(HttpStatusError, match="returned 500"):
        list_files(RELEASE, Site({f"{API}/releases/tags/1.11.0": httpx.Response(500)}))


@pytest.mark.parametrize("url", [RELEASE, "https://github.com/dipy/dipy/releases/tag/untagged-0a1b"])
def test_finds_a_draft_by_its_tag_and_its_page(url: str, token: str) -> None:
    draft = {
        "id": 9,
        "draft": True,
        "tag_name": "1.11.0",
        "html_url": "https://github.com/dipy/dipy/releases/tag/untagged-0a1b",
    }
    others = [{"id": 8, "draft": False, "tag_name": "untagged-0a1b"}, {"id": "../x", "draft": True}]
    site = Site(
        {
            f"{API}/releases": json_response([*others, draft]),
            f"{API}/releases/9/assets": json_response([asset()]),
        }
    )
    (file,) = list_files(url, site)
    assert file.filename == WHEEL


def test_reports_a_tag_that_no_draft_has(token: str) -> None:
    with pytest.raises(NothingFoundError, match=r"releases/tags/1\.11\.0"):
        list_files(
            RELEASE, Site({f"{API}/releases": json_response([{"id": 9, "draft": True, "tag_name": None}])})
        )


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({"GH_HOST": "git.example", "GH_ENTERPRISE_TOKEN": "ghe_1"}, "https://git.example", "Bearer ghe_1"),
        ({"GH_HOST": "git.example", "GITHUB_TOKEN": "ghs_1"}, "https://git.example", None),
        (
            {"GITHUB_SERVER_URL": "https://git.example", "GITHUB_TOKEN": "ghs_1"},
            "https://git.example",
            "Bearer ghs_1",
        ),
        # The token of an Actions job is only for its own GitHub server.
        ({"GITHUB_SERVER_URL": "https://git.example", "GITHUB_TOKEN": "ghs_1"}, "https://github.com", None),
    ],
)
def test_sends_each_server_only_its_own_token(
    variables: dict[str, str], url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    api = "https://api.github.com" if "github.com" in url else f"{url}/api/v3"
    releases_url = f"{api}/repos/dipy/dipy/releases"
    site = Site(
        {
            f"{releases_url}/tags/1.11.0": json_response({"id": 9}),
            f"{releases_url}/9/assets": json_response([asset(digest=None)]),
        }
    )
    assert [file.filename for file in list_files(f"{url}/dipy/dipy/releases/tag/1.11.0", site)] == [WHEEL]
    assert {authorization for _, authorization in site.sent_authorizations} == {expected}


def test_does_not_claim_an_unknown_host() -> None:
    assert not GitHubRelease.claims("https://git.example/dipy/dipy/releases/tag/1.11.0")


@pytest.mark.parametrize("value", [[], {}, {"id": None}, {"id": "../x"}, 1])
def test_rejects_json_that_is_not_a_release(value: object) -> None:
    with pytest.raises(ListingError, match="JSON that does not describe a release"):
        list_files(RELEASE, Site({f"{API}/releases/tags/1.11.0": json_response(value)}))


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from(
    ["name", "id", "size", "state", "digest", "browser_download_url", "expired", "expires_at", "artifacts"]
)


@given(
    st.recursive(
        VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=8
    )
    | st.lists(st.dictionaries(KEYS, VALUES).map(lambda changes: {**asset(), **changes}), max_size=3),
    st.text(max_size=5),
)
def test_arbitrary_responses_raise_only_listing_error(data: object, page: str) -> None:
    url = f"{API}/releases/9/assets?per_page=100&page={page.encode('utf-8', 'replace').hex()}"
    for value in (data, {"artifacts": data}):
        with contextlib.suppress(ListingError):
            assert all(
                file.url.startswith("https://") for file in read_assets(json.dumps(value), url, "x").files
            )
        with contextlib.suppress(ListingError):
            read_artifacts(json.dumps(value), url, "x", f"{API}/actions/artifacts/")


# --- Actions runs ----------------------------------------------------------------------------------


def artifact(number: int, packed: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"cibw-{number}",
        "size_in_bytes": len(packed),
        "url": f"{API}/actions/artifacts/{number}",
        "archive_download_url": f"{API}/actions/artifacts/{number}/zip",
        "expired": False,
        "created_at": "2025-09-16T07:20:00Z",
        "expires_at": "2025-12-15T07:20:00Z",
        "digest": f"sha256:{hashlib.sha256(packed).hexdigest()}",
        "workflow_run": {"id": 42, "head_sha": "a1" * 20},
        **changes,
    }


def make_zip(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive as actions/upload-artifact writes it, with sizes after the data."""
    stream = io.BytesIO()
    with zipfile.ZipFile(_Unseekable(stream), "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2025, 9, 16, 7, 20, 0)), data, compression)
    return stream.getvalue()


class _Unseekable(io.RawIOBase):
    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._stream.write(data)


def run(*packed: bytes, run_status: str = "completed", **changes: Any) -> Site:
    listing = [artifact(number, data, **changes) for number, data in enumerate(packed)]
    return Site(
        {
            f"{API}/actions/runs/42": json_response(
                {"id": 42, "status": run_status, "conclusion": "success"}
            ),
            f"{API}/actions/runs/42/artifacts": json_response(
                {"total_count": len(listing), "artifacts": listing}
            ),
            **{
                f"{API}/actions/artifacts/{number}/zip": httpx.Response(
                    302, headers={"Location": f"{BLOBS}{number}?sig=x"}
                )
                for number in range(len(packed))
            },
            **{
                f"{BLOBS}{number}": httpx.Response(
                    200, content=data, headers={"Content-Length": str(len(data))}
                )
                for number, data in enumerate(packed)
            },
        }
    )


def content(file: RemoteFile) -> bytes:
    return Path(file.url.removeprefix("file://")).read_bytes()


def test_extracts_wheels_from_artifacts(token: str) -> None:
    sdist = wheels.sdist_bytes()
    first = make_zip(("dist/", b""), (f"dist/{WHEEL}", DATA), ("dist/log.txt", b"x"))
    second = make_zip(
        ("dipy-1.11.0.tar.gz", sdist), ("numpy-2.0-py3-none-any.whl", DATA), ("cibw.whl/a.txt", b"")
    )
    site = run(first, second)
    with open_client(RUN, site) as (http, scratch):
        files = list_staged([RUN], "dipy", http, scratch)
        assert [file.filename for file in files] == [
            *(WHEEL, "log.txt", "dipy-1.11.0.tar.gz", "numpy-2.0-py3-none-any.whl", "a.txt")
        ]
        by_name = {file.filename: file for file in files}
        assert content(by_name[WHEEL]) == DATA
        assert content(by_name["dipy-1.11.0.tar.gz"]) == sdist
        # The digest is trusted because the zip matched the one that GitHub lists.
        assert by_name[WHEEL].hashes == {"sha256": SHA256}
        assert by_name[WHEEL].size == len(DATA)
        assert by_name[WHEEL].source == f"artifact cibw-0 of {API}/actions/runs/42/artifacts"
        # Files of other projects are not extracted.
        assert by_name["numpy-2.0-py3-none-any.whl"].url == f"{API}/actions/artifacts/1/zip"
        unpacked = Path(by_name[WHEEL].url.removeprefix("file://"))
        assert stat.S_IMODE(unpacked.parent.stat().st_mode) == 0o700
    assert not unpacked.exists()
    assert not list(unpacked.parents[2].glob("wheel-uploader-*/**/*.zip"))
    assert {host for host, authorization in site.sent_authorizations if authorization} == {"api.github.com"}
    assert (BLOBS.split("/")[2], None) in site.sent_authorizations


def test_polling_downloads_an_artifact_once(token: str) -> None:
    site = run(make_zip((WHEEL, DATA)))
    with open_client(RUN, site) as (http, scratch):
        looks = [list_staged([RUN], "dipy", http, scratch) for _ in range(2)]
        assert looks[0] == looks[1]
        assert content(looks[1][0]) == DATA
        assert [request.url.path.rpartition("/")[2] for request in site.requests].count("zip") == 1
        # A different artifact with the same name is downloaded.
        site.pages = run(b"", make_zip((WHEEL, DATA + b"x"))).pages
        files = list_staged([f"{RUN}/artifacts/1"], "dipy", http, scratch)
        assert [content(file) for file in files] == [DATA + b"x"]


def test_lists_a_single_artifact(token: str) -> None:
    site = run(make_zip((WHEEL, DATA)), make_zip(("dipy-1.11.0-cp312-cp312-win_amd64.whl", DATA)))
    (file,) = list_files(f"{RUN}/artifacts/1", site)
    assert file.filename == "dipy-1.11.0-cp312-cp312-win_amd64.whl"
    assert list_files("https://api.github.com/repos/dipy/dipy/actions/runs/42/attempts/2", site)


def test_reads_a_wheel_uploaded_without_a_zip(token: str) -> None:
    cases: list[tuple[dict[str, Any], dict[str, str]]] = [({}, {"sha256": SHA256}), ({"digest": None}, {})]
    for changes, hashes in cases:
        site = run(DATA, name=WHEEL, **changes)
        with open_client(RUN, site) as (http, scratch):
            (file,) = list_staged([RUN], "dipy", http, scratch)
            assert (file.filename, file.hashes, content(file)) == (WHEEL, hashes, DATA)


def test_reads_a_zipped_artifact_named_like_a_wheel(token: str) -> None:
    with open_client(RUN, site := run(make_zip((WHEEL, DATA)), name="dipy-1.11.0-cp39-cp39-win32.whl")) as (
        http,
        scratch,
    ):
        (file,) = list_staged([RUN], "dipy", http, scratch)
        assert (file.filename, content(file)) == (WHEEL, DATA)
    assert len(site.requests) == 4


def test_reports_an_expired_artifact(token: str) -> None:
    site = run(make_zip((WHEEL, DATA)), expired=True)
    (file,) = list_files(RUN, site)
    (excluded,) = filenames.select_files([file], "dipy", Version("1.11.0")).excluded_files
    assert (excluded.filename, excluded.reason) == ("cibw-0", "the artifact expired on 2025-12-15")
    assert excluded.is_unavailable


def test_sends_no_request_without_a_token() -> None:
    site = run()
    with pytest.raises(CredentialsError, match="GitHub requires a token to download artifacts") as caught:
        list_files(RUN, site)
    assert "GITHUB_TOKEN" in str(caught.value.hint)
    assert not site.requests


def test_rejects_a_run_that_has_not_finished(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site = run(make_zip((WHEEL, DATA)), run_status="in_progress")
    with pytest.raises(NothingFoundError, match=r"runs/42 has not finished \(status in_progress\)"):
        list_files(RUN, site)
    # A job of the same run may publish the artifacts of earlier jobs.
    monkeypatch.setenv("GITHUB_RUN_ID", "42")
    assert len(list_files(RUN, site)) == 1


# --- damaged and hostile artifacts -----------------------------------------------------------------


def flip_bit(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_rejects_an_artifact_with_a_different_digest(token: str) -> None:
    with pytest.raises(FileError, match=r"artifact cibw-0 of .* has sha256 .*, but .* is listed"):
        list_files(RUN, run(make_zip((WHEEL, DATA)), digest=f"sha256:{SHA256}"))


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"", "is damaged: it has no end record"),
        (b"<html>", "is damaged: it has no end record"),
        (make_zip((WHEEL, DATA))[:-30], "is damaged: it has no end record"),
        # The last end record is that of the wheel inside.
        (make_zip((WHEEL, DATA), compression=zipfile.ZIP_STORED)[:-30], "is damaged: 82 bytes follow"),
        (flip_bit(make_zip((WHEEL, DATA)), 500), f"{WHEEL} in artifact cibw-0 .* is damaged: "),
        (
            make_zip((WHEEL, DATA)).replace(b"PK\x03\x04", b"PK\x03\x05"),
            "is encrypted, a symbolic link, or damaged",
        ),
        (make_zip((WHEEL, bytes(80_000_000))), "unpacks to 80.0 MB, which is too large"),
    ],
    ids=["empty", "page", "cut", "cut-stored", "bit", "header", "bomb"],
)
def test_rejects_a_damaged_artifact(token: str, packed: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        list_files(RUN, run(packed, digest=None))


def test_rejects_a_symbolic_link_in_an_artifact(token: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo(WHEEL)
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FileError, match="is encrypted, a symbolic link, or damaged"):
        list_files(RUN, run(stream.getvalue()))


@pytest.mark.parametrize(
    "member", [f"../../{WHEEL}", f"/tmp/{WHEEL}", f"..\\..\\{WHEEL}", f"C:\\{WHEEL}", f"dist/../../{WHEEL}"]
)
def test_member_cannot_escape_the_directory(token: str, member: str) -> None:
    with open_client(RUN, run(make_zip((member, DATA)))) as (http, scratch):
        (file,) = list_staged([RUN], "dipy", http, scratch)
        root = scratch.create_subdirectory().parent
        assert Path(file.url.removeprefix("file://")).resolve().is_relative_to(root.resolve())
        assert [path.name for path in root.rglob("*") if path.is_file()] == [WHEEL]


def test_does_not_extract_invalid_wheel_names(token: str) -> None:
    members = [
        "dipy-1.11.0-py3-none-any (1).whl",
        "\u202edipy-1.11.0-py3-none-any.whl",
        ".dipy-1.0-py3-none-any.whl",
    ]
    with open_client(RUN, run(make_zip(*((name, DATA) for name in members)))) as (http, scratch):
        files = list_staged([RUN], "dipy", http, scratch)
        assert len(files) == 3
        assert not [path for path in scratch.create_subdirectory().parent.rglob("*") if path.is_file()]
    assert len(filenames.select_files(files, "dipy", Version("1.11.0")).excluded_files) == 3


def test_lists_both_members_with_the_same_name(token: str) -> None:
    other = wheels.wheel_bytes(files={"dipy/x.py": b""})
    with open_client(RUN, run(make_zip((f"a/{WHEEL}", DATA), (f"b/{WHEEL}", other)))) as (http, scratch):
        files = list_staged([RUN], "dipy", http, scratch)
        assert [content(file) for file in files] == [DATA, other]


def test_rejects_artifacts_that_are_too_large(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = wheels.wheel_bytes(files={"dipy/x.bin": bytes(range(256)) * 40})
    packed = make_zip((WHEEL, data))
    monkeypatch.setattr(artifact_unpacker, "MAX_TOTAL_BYTES", len(packed) - 1)
    with pytest.raises(FileError, match="all artifacts together exceed"):
        list_files(RUN, run(packed))
    monkeypatch.setattr(artifact_unpacker, "MAX_TOTAL_BYTES", len(packed) + len(data) - 1)
    with pytest.raises(FileError, match=f"{WHEEL} in .* unpacks to .*, which is too large"):
        list_files(RUN, run(packed))


def test_reports_failed_artifact_downloads(token: str) -> None:
    site = run(make_zip((WHEEL, DATA)))
    gone = {f"{API}/actions/artifacts/0/zip": httpx.Response(410, json={"message": "Artifact has expired"})}
    with pytest.raises(HttpStatusError, match=r"returned 410 .*Artifact has expired"):
        list_files(RUN, Site({**site.pages, **gone}))
    with pytest.raises(NetworkError, match=r"artifact cibw-0 of .*: the server returned status 206"):
        list_files(RUN, Site({**site.pages, f"{BLOBS}0": httpx.Response(206, content=DATA)}))
    with pytest.raises(ListingError, match="without a list of artifacts"):
        list_files(
            RUN, Site({**site.pages, f"{API}/actions/runs/42/artifacts": json_response({"artifacts": None})})
        )


def test_reports_a_full_disk(token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(Exception, match="No space left on device") as caught:
        list_files(RUN, run(make_zip((WHEEL, DATA))))
    assert caught.value.exit_code == 13  # type: ignore[attr-defined]


# --- over real connections -------------------------------------------------------------------------


def make_script(site: Site, base: str, storage: str) -> Callable[[Request], list[Step]]:
    """Return a server script with the responses of ``site`` and redirects to ``storage``."""

    def reply(request: Request) -> list[Step]:
        path = request.target.partition("?")[0]
        response = site.pages.get(f"https://api.github.com{path}") or site.pages.get(BLOBS + path.lstrip("/"))
        if response is None:
            return [answer(404)]
        headers = {
            key: value for key, value in response.headers.items() if key in {"location", "content-type"}
        }
        headers["connection"] = "close"
        if "location" in headers:
            headers["location"] = headers["location"].replace(BLOBS, storage)
        return [answer(response.status_code, response.content, headers)]

    return reply


@pytest.fixture
def github(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Site], tuple[ScriptedServer, ScriptedServer]]]:
    """Serve GitHub's API on 127.0.0.1 and its storage on 127.0.0.2."""
    with contextlib.ExitStack() as stack:

        def start(site: Site) -> tuple[ScriptedServer, ScriptedServer]:
            storage = stack.enter_context(ScriptedServer(make_script(site, "", ""), host="127.0.0.2"))
            api = stack.enter_context(ScriptedServer(make_script(site, "", storage.url)))
            monkeypatch.setattr(github_actions.GitHubActionsRun, "api_url", api.url.rstrip("/"))
            return api, storage

        yield start


def make_options(tmp_path: Path, *urls: str) -> Options:
    return Options(
        project="dipy",
        version="1.11.0",
        urls=urls,
        wheelhouse=tmp_path / "wheelhouse",
        until=Stage.DOWNLOAD,
        retries=1,
        allow_insecure_hosts=("127.0.0.1", "127.0.0.2"),
    )


Start = Callable[[Site], tuple[ScriptedServer, ScriptedServer]]


def test_downloads_a_run_to_the_wheelhouse(
    token: str, github: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    win = "dipy-1.11.0-cp312-cp312-win_amd64.whl"
    other = wheels.wheel_bytes(tag="cp312-cp312-win_amd64")
    # Identical wheels in two artifacts are listed as one.
    api, storage = github(run(make_zip((WHEEL, DATA)), make_zip((win, other), (WHEEL, DATA)), digest=None))
    report = pipeline_run.run(make_options(tmp_path, RUN), SilentProgress())
    assert report.error is None
    assert sorted(path.name for path in (tmp_path / "wheelhouse").glob("*.whl")) == sorted([WHEEL, win])
    assert (tmp_path / "wheelhouse" / WHEEL).read_bytes() == DATA
    assert {request.headers.get("authorization") for request in api.requests} == {f"Bearer {token}"}
    assert {request.headers.get("authorization") for request in storage.requests} == {None}
    assert not list(scratch.iterdir())


def test_different_wheels_with_one_name_in_two_artifacts_are_a_clash(
    token: str, github: Start, tmp_path: Path
) -> None:
    other = wheels.wheel_bytes(files={"dipy/x.py": b""})
    github(run(make_zip((WHEEL, DATA)), make_zip((WHEEL, other))))
    report = pipeline_run.run(make_options(tmp_path, RUN), SilentProgress())
    assert report.exit_code == 6
    assert "release/clash" in str(report.error)
    assert report.error
    (detail,) = report.error.details
    assert "different sha256 at artifact cibw-0 of " in detail
    assert "and artifact cibw-1 of " in detail


def test_reports_why_the_only_artifact_is_unavailable(token: str, github: Start, tmp_path: Path) -> None:
    github(run(make_zip((WHEEL, DATA)), expired=True))
    report = pipeline_run.run(make_options(tmp_path, RUN), SilentProgress())
    assert report.exit_code == 3
    assert report.error
    assert list(report.error.details) == ["cibw-0: the artifact expired on 2025-12-15"]


def test_reports_a_truncated_artifact(token: str, github: Start, tmp_path: Path) -> None:
    packed = make_zip((WHEEL, DATA))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"
    with ScriptedServer([head + packed]) as truncating:
        site = run(packed)
        moved = {f"{API}/actions/artifacts/0/zip": httpx.Response(302, headers={"Location": truncating.url})}
        api = github(Site({**site.pages, **moved}))[0]
        with (
            HttpClient(retries=1, allow_insecure_hosts=["127.0.0.1"]) as http,
            sources.UnpackDirectory() as scratch,
            pytest.raises(TransportError, match="cut short"),
        ):
            list_staged([RUN], "dipy", http, scratch)
        assert api.requests


# --- GitLab ----------------------------------------------------------------------------------------

JOB = "https://gitlab.com/nipy/dipy/wheels/-/jobs/12/artifacts/browse/dist"
ARCHIVE = "https://gitlab.com/api/v4/projects/nipy%2Fdipy%2Fwheels/jobs/12/artifacts"


@pytest.mark.parametrize(
    ("url", "archive"),
    [
        (JOB, ARCHIVE),
        ("https://gitlab.com/nipy/dipy/wheels/-/jobs/12", ARCHIVE),
        ("https://gitlab.com/nipy/dipy/wheels/-/jobs/12/artifacts/download?file_type=archive", ARCHIVE),
        (
            "https://git.example:8443/a/b/-/jobs/1/",
            "https://git.example:8443/api/v4/projects/a%2Fb/jobs/1/artifacts",
        ),
        ("https://gitlab.com/nipy/dipy/-/pipelines/12", ""),
        ("https://gitlab.com/nipy/-/jobs/12", ""),
        ("ftp://gitlab.com/nipy/dipy/-/jobs/12", ""),
        ("https://[", ""),
    ],
)
def test_artifact_archive_url_of_a_gitlab_job(url: str, archive: str) -> None:
    assert gitlab_jobs.artifact_archive_url(url) == archive
    assert GitLabJob.claims(url) == bool(archive)


@pytest.mark.parametrize(
    ("variables", "header", "expected"),
    [
        ({}, "private-token", None),
        ({"GITLAB_TOKEN": "glpat-1"}, "private-token", "glpat-1"),
        ({"CI_JOB_TOKEN": "job-1"}, "job-token", None),
        ({"CI_JOB_TOKEN": "job-1", "CI_SERVER_HOST": "gitlab.com"}, "job-token", "job-1"),
        ({"CI_JOB_TOKEN": "job-1", "CI_SERVER_HOST": "git.example"}, "job-token", None),
    ],
)
def test_downloads_wheels_of_a_gitlab_job(
    variables: dict[str, str], header: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, token in variables.items():
        monkeypatch.setenv(name, token)
    requests: list[httpx.Request] = []

    def site(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        assert request.url.raw_path == b"/api/v4/projects/nipy%2Fdipy%2Fwheels/jobs/12/artifacts"
        return httpx.Response(200, content=make_zip((f"dist/{WHEEL}", DATA)))

    with open_client(JOB, site) as (http, scratch):
        (file,) = list_staged([JOB], "dipy", http, scratch)
        assert (file.filename, file.hashes, content(file)) == (WHEEL, {}, DATA)
        assert file.source == f"artifact job 12 of {JOB}"
    assert [request.headers.get(header) for request in requests] == [expected]


def test_reads_pages_of_the_gitlab_registry() -> None:
    """Its pages have adjacent links, an indented body, an empty attribute and each hash twice."""
    base = "https://gitlab.com/api/v4/projects/7/packages/pypi"
    links = "".join(
        f'<a href="{base}/files/{SHA256}/{name}#sha256={SHA256}" data-requires-python="">{name}</a>'
        for name in (WHEEL, "dipy-1.11.0.tar.gz")
    )
    page = f"          <!DOCTYPE html>\n<html><body><h1>Links for dipy</h1>{links}</body></html>"
    site = Site(
        {f"{base}/simple/dipy": httpx.Response(200, text=page, headers={"Content-Type": "text/html"})}
    )
    files = list_files(f"{base}/simple/dipy", site)
    assert [(file.filename, file.hashes) for file in files] == [
        (WHEEL, {"sha256": SHA256}),
        ("dipy-1.11.0.tar.gz", {"sha256": SHA256}),
    ]

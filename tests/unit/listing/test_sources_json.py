"""JSON of staging places: releases of forges, buckets, projects; and of places that a hint names."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.urls import UnclaimedUrl
from wheel_uploader.facts.listing_page import ListedFolder, Listing
from wheel_uploader.listing.sources import s3
from wheel_uploader.listing.sources.content_types import read_any_json
from wheel_uploader.listing.sources.forgejo import build_api_url
from wheel_uploader.listing.sources.gitlab_api import parse_project_url
from wheel_uploader.listing.sources.gitlab_packages import GitLabPackages, read_package_files
from wheel_uploader.listing.sources.gitlab_releases import GitLabReleases, read_release

WHEEL = "dipy-1.11.0+cu121-py3-none-any.whl"
SHA256, MD5 = "a1" * 32, hashlib.md5(b"x", usedforsecurity=False)
API = "https://forge.example/api/v1/repos/o/dipy/releases"


def read(data: object, url: str = API) -> Listing:
    return read_any_json(json.dumps(data), url, "staging")


# --- Forgejo and Gitea -----------------------------------------------------------------------------


def forgejo_release(tag: str = "v1.11.0", **changes: Any) -> dict[str, Any]:
    asset = {
        "id": 1,
        "name": WHEEL,
        "size": 7,
        "download_count": 0,
        "created_at": "2026-11-20T10:00:00Z",
        "uuid": "x",
        "browser_download_url": f"https://forge.example/o/dipy/releases/download/{tag}/{WHEEL}",
        **changes,
    }
    return {"id": 3, "tag_name": tag, "draft": False, "prerelease": False, "assets": [asset]}


@pytest.mark.parametrize("data", [forgejo_release(), [forgejo_release()]])
def test_reads_releases_of_forgejo(data: object) -> None:
    (file,) = read(data).files
    assert (file.filename, file.size) == (WHEEL, 7)
    assert file.url == f"https://forge.example/o/dipy/releases/download/v1.11.0/{WHEEL}"
    assert file.modified_at
    assert not file.unavailable_reason


@pytest.mark.parametrize("changes", [{"size": 0}, {"state": "starter"}])
def test_an_unfinished_asset_is_unavailable(changes: dict[str, Any]) -> None:
    (file,) = read(forgejo_release(**changes)).files
    assert file.unavailable_reason.startswith("its upload never finished")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://codeberg.org/o/dipy/releases", "/api/v1/repos/o/dipy/releases"),
        ("https://codeberg.org/o/dipy/releases/tag/v1%2F0", "/api/v1/repos/o/dipy/releases/tags/v1%2F0"),
        ("https://gitea.com/o/dipy/releases/latest/", "/api/v1/repos/o/dipy/releases/latest"),
        ("https://codeberg.org/o/dipy", ""),
        ("https://forge.example/o/dipy/releases", ""),
    ],
)
def test_maps_pages_of_large_sites_to_the_api(url: str, path: str) -> None:
    assert build_api_url(url) == (f"https://{url.split('/')[2]}{path}" if path else "")


# --- Google Cloud Storage and Firebase -------------------------------------------------------------

BUCKET = "https://storage.googleapis.com/storage/v1/b/staging/o"
OBJECT = {
    "kind": "storage#object",
    "name": f"dipy/{WHEEL}",
    "bucket": "staging",
    "size": "7",
    "md5Hash": base64.b64encode(MD5.digest()).decode(),
    "updated": "2026-11-20T10:00:00.000Z",
}


def test_reads_a_bucket_of_google_cloud_storage() -> None:
    listing = read(
        {
            "kind": "storage#objects",
            "items": [OBJECT, {**OBJECT, "name": "dipy/"}, {**OBJECT, "name": f"dipy/old/{WHEEL}"}],
            "prefixes": ["dipy/old/"],
            "nextPageToken": "t/1=",
        },
        f"{BUCKET}?prefix=dipy/&delimiter=/",
    )
    (file,) = listing.files
    assert (file.filename, file.size, file.hashes) == (WHEEL, 7, {"md5": MD5.hexdigest()})
    assert file.url == f"{BUCKET}/dipy%2F{WHEEL.replace('+', '%2B')}?alt=media"
    assert listing.next_url == f"{BUCKET}?prefix=dipy/&delimiter=/&pageToken=t/1%3D"
    assert listing.folders == (ListedFolder("old", f"{BUCKET}?delimiter=/&prefix=dipy/old/"),)


@pytest.mark.parametrize(
    "url", [f"{BUCKET}?prefix=dipy", f"{BUCKET}?prefix=dipy/", f"{BUCKET}?prefix=dipy&delimiter=/"]
)
def test_a_bucket_is_read_one_level_at_a_time(url: str) -> None:
    listing = read({"kind": "storage#objects", "items": [OBJECT]}, url)
    assert (listing.files, listing.next_url) == ((), f"{BUCKET}?delimiter=/&prefix=dipy/")


def test_the_json_api_is_not_a_bucket_called_storage() -> None:
    assert not s3.s3_listing_url(f"{BUCKET}?prefix=dipy/")
    assert s3.s3_listing_url("https://storage.googleapis.com/storage/v1/")


def test_reads_a_bucket_of_firebase() -> None:
    data = {"prefixes": [], "items": [{"name": WHEEL, "bucket": "staging"}]}
    (file,) = read(data, "https://firebasestorage.googleapis.com/v0/b/staging/o?delimiter=/").files
    assert (file.filename, file.size, file.hashes) == (WHEEL, None, {})
    assert file.url.endswith("/o/dipy-1.11.0%2Bcu121-py3-none-any.whl?alt=media")


# --- PyPI's JSON -----------------------------------------------------------------------------------


def test_reads_the_description_of_a_project() -> None:
    file = {
        "filename": WHEEL,
        "url": f"https://files.example/{WHEEL}",
        "digests": {"sha256": SHA256, "md5": None},
        "size": 7,
        "upload_time_iso_8601": "2026-11-20T10:00:00Z",
        "yanked": False,
        "yanked_reason": None,
    }
    old = {**file, "filename": "dipy-1.0.tar.gz", "url": "https://files.example/dipy-1.0.tar.gz"}
    old |= {"yanked": True, "yanked_reason": "segfaults"}
    listing = read({"info": {}, "urls": [file], "releases": {"1.11.0": [file], "1.0": [old]}})
    wheel, sdist = listing.files
    assert (wheel.filename, wheel.size, wheel.hashes) == (WHEEL, 7, {"sha256": SHA256})
    assert not wheel.is_withdrawn
    assert (sdist.filename, sdist.is_withdrawn) == ("dipy-1.0.tar.gz", True)
    assert sdist.unavailable_reason == "the index has yanked it: segfaults"


# --- GitLab ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://gitlab.com/g/s/p/-/releases", GitLabReleases),
        ("https://gitlab.com/g/p/-/releases/v1.0", GitLabReleases),
        ("https://git.example/g/p/-/releases/permalink/latest", GitLabReleases),
        ("https://gitlab.com/api/v4/projects/7/releases/v1%2F0", GitLabReleases),
        ("https://gitlab.com/g/p/-/packages", GitLabPackages),
        ("https://gitlab.com/g/p/-/packages/12", GitLabPackages),
        ("https://gitlab.com/api/v4/projects/g%2Fp/packages/12/package_files", GitLabPackages),
        ("https://gitlab.com/api/v4/projects/7/packages/pypi/simple/dipy", None),
        ("https://gitlab.com/api/v4/projects/7/packages/generic/dipy/1.0/x.whl", None),
        ("https://gitlab.com/g/p/-/releases/v1.0/downloads/x.whl", None),
        ("https://gitlab.com/g/p/-/jobs/1", None),
        ("https://gitlab.com/p/-/releases", None),
    ],
)
def test_claims_pages_and_the_api_of_gitlab(url: str, source: type | None) -> None:
    for candidate in (GitLabReleases, GitLabPackages):
        assert candidate.claims(url) == (candidate is source)


def test_a_link_of_a_gitlab_release_may_have_a_label_as_its_name() -> None:
    release = {
        "tag_name": "v1.11.0",
        "released_at": "2026-11-20T10:00:00Z",
        "assets": {
            "sources": [
                {"format": "zip", "url": "https://gitlab.com/g/dipy/-/archive/1.11.0/dipy-1.11.0.zip"}
            ],
            "links": [
                {
                    "name": "Linux",
                    "url": f"https://gitlab.com/api/v4/projects/7/packages/generic/d/1/{WHEEL}",
                },
                {"name": "dipy-1.11.0.tar.gz", "url": "https://gitlab.com/g/dipy/uploads/5"},
                {"name": "x", "url": "data:,x"},
                None,
            ],
        },
    }
    files = list(read_release(release, "https://gitlab.com/", "staging"))
    assert [file.filename for file in files] == [WHEEL, "dipy-1.11.0.tar.gz", "dipy-1.11.0.zip"]
    assert [bool(file.exclusion_reason) for file in files] == [False, False, True]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("generic", "api/v4/projects/g%2Fp/packages/generic/dipy/1.11.0%2Bcu121/"),
        ("pypi", f"api/v4/projects/g%2Fp/packages/pypi/files/{SHA256}/"),
    ],
)
def test_the_newest_file_of_a_gitlab_package_is_the_one_that_is_served(kind: str, path: str) -> None:
    package = {"id": 1, "name": "dipy", "version": "1.11.0+cu121", "package_type": kind, "status": "default"}
    files = [
        {"id": number, "file_name": WHEEL, "size": number, "file_sha256": digest, "file_md5": None}
        for number, digest in ((9, SHA256), (8, "b2" * 32))
    ]
    (file,) = read_package_files(package, files, parse_project_url("https://gitlab.com/g/p/-/packages/1"))
    assert (file.size, file.hashes) == (9, {"sha256": SHA256})
    assert file.url == f"https://gitlab.com/{path}{WHEEL.replace('+', '%2B')}"
    package["status"] = "error"
    (file,) = read_package_files(package, files, parse_project_url("https://gitlab.com/g/p/-/packages/1"))
    assert file.unavailable_reason == "its package has the status error"


# --- places that are named in a hint ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "url", "passed"),
    [
        (
            {"repo": "staging", "path": "/dipy", "children": [{"uri": f"/{WHEEL}", "folder": False}]},
            "https://host.example/artifactory/api/storage/staging/dipy",
            "https://host.example/artifactory/staging/dipy/",
        ),
        (
            {"items": [{"assets": []}], "continuationToken": None},
            "https://host.example/service/rest/v1/components?repository=staging",
            "https://host.example/repository/staging/simple/",
        ),
        (
            {"id": 7, "files": [{"key": WHEEL, "links": {"self": "x"}}]},
            "https://zenodo.org/api/records/7",
            "https://zenodo.org/records/7",
        ),
        (
            [{"type": "file", "oid": "a1", "size": 7, "path": WHEEL}],
            "https://huggingface.co/api/models/o/dipy/tree/main",
            "https://huggingface.co/o/dipy/tree/main",
        ),
        (
            {"id": "o/dipy", "siblings": [{"rfilename": WHEEL}]},
            "https://huggingface.co/api/datasets/o/dipy",
            "https://huggingface.co/datasets/o/dipy/tree/main",
        ),
    ],
)
def test_the_hint_names_the_place_and_what_to_pass(data: object, url: str, passed: str) -> None:
    with pytest.raises(ListingError) as caught:
        read(data, url)
    assert caught.value.exit_code == 2
    assert caught.value.hint.endswith(f": {passed}")


# --- hostile JSON ----------------------------------------------------------------------------------

RELEASE_KEYS = ("assets", "tag_name", "name", "url", "browser_download_url", "links", "sources", "status")
BUCKET_KEYS = ("items", "prefixes", "bucket", "kind", "size", "nextPageToken", "md5Hash", "id")
PROJECT_KEYS = ("info", "urls", "releases", "digests", "filename")
OTHER_KEYS = ("files", "key", "repo", "path", "children", "continuationToken", "oid", "type", "siblings")
KEYS = st.sampled_from([*RELEASE_KEYS, *BUCKET_KEYS, *PROJECT_KEYS, *OTHER_KEYS])
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("storage#objects")
JSON = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=12
)


@given(JSON)
def test_arbitrary_json_raises_only_listing_errors(data: Any) -> None:
    for url in (API, f"{BUCKET}?delimiter=/", "https://[::1]/api/x?repository=a"):
        with contextlib.suppress(ListingError):
            for file in read(data, url).files:
                assert file.url.startswith("https://")
    if isinstance(data, dict):
        list(read_release(data, "https://gitlab.com/", "x"))
        page = parse_project_url("https://gitlab.com/g/p/-/packages/1")
        list(read_package_files(data, [data], page))


@given(st.text(max_size=40))
def test_arbitrary_urls_of_gitlab_raise_only_unclaimed_url(path: str) -> None:
    with contextlib.suppress(UnclaimedUrl):
        parse_project_url(f"https://gitlab.com/{path}")

"""Age of the newest build: the sources of its date, and what happens if no source has one."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from packaging.version import Version

from tools.testing.scripted import Request, ScriptedServer, Step, answer
from wheel_uploader.core import filenames
from wheel_uploader.core.bounds import parse_listed_date
from wheel_uploader.core.errors import HttpStatusError, NothingFoundError, UsageError
from wheel_uploader.core.models import RemoteFile, Selection
from wheel_uploader.facts import index_pages
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import freshness
from wheel_uploader.listing.sources import anaconda, azure, json_autoindex, s3, swift
from wheel_uploader.listing.sources.xml import read_xml

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
DAY = 86400.0
AT = datetime(2026, 11, 20, 3, 4, 5, tzinfo=UTC)


def selection(*remotes: RemoteFile, version: str = "1.12.0.dev1") -> Selection:
    pairs = tuple((filenames.parse_filename(remote.filename), remote) for remote in remotes)
    return Selection(project=pairs[0][0].project, version=Version(version), files=pairs)


def remote(tag: str = "py3-none-any", *, url: str = "file:///x", days_old: float | None = None) -> RemoteFile:
    modified = None if days_old is None else NOW - timedelta(days=days_old)
    name = f"dipy-1.12.0.dev1-{tag}.whl"
    return RemoteFile(filename=name, url=url, source=url.rpartition("/")[0] + "/", modified_at=modified)


def require_fresh(
    files: Selection, *, days: float = 3, http: HttpClient | None = None
) -> freshness.BuildDate:
    return freshness.require_fresh(files, http or HttpClient(), limit=days * DAY, now=NOW)


def test_age_is_that_of_the_newest_file() -> None:
    one, two = remote(days_old=11), remote("cp313-cp313-win_amd64", days_old=2)
    assert require_fresh(selection(one, two)).date == two.modified_at
    with pytest.raises(NothingFoundError, match="is 2 days old"):
        require_fresh(selection(two, one), days=1)
    # Local files, such as unpacked artifacts, are not queried for a date.
    assert require_fresh(selection(remote("cp311-cp311-win_amd64"), two)).date == two.modified_at
    with pytest.raises(UsageError):
        require_fresh(selection(remote()))
    with pytest.raises(NothingFoundError) as caught:
        require_fresh(selection(one))
    assert str(caught.value) == (
        "the newest staged build, dipy 1.12.0.dev1, is 11 days old "
        "(2026-11-10 06:00 UTC according to the listing of file:///), but --max-age is 3 days; "
        "nothing was uploaded"
    )


def test_rejects_dates_in_the_future_beyond_a_small_clock_skew() -> None:
    minute = 1 / (24 * 60)
    assert require_fresh(selection(remote(days_old=-9 * minute))).date > NOW
    for ahead in (11 * minute, 1, 36500):
        with pytest.raises(NothingFoundError, match="is dated in the future") as caught:
            require_fresh(selection(remote(days_old=-ahead)))
        assert "the local time is 2026-11-21 06:00 UTC" in str(caught.value)
    # Another file of the release decides whether it is fresh.
    other = remote("cp313-cp313-win_amd64", days_old=2)
    assert require_fresh(selection(remote(days_old=-1), other)).date == other.modified_at
    with pytest.raises(NothingFoundError, match=r"is 2 days old .*; a date in the future .* was ignored"):
        require_fresh(selection(remote(days_old=-1), other), days=1)


@pytest.mark.parametrize(
    ("dev", "hour", "is_fresh"),
    [("20261121", 0, True), ("20261122", 9, False), ("20261122", 11, True), ("20261123", 23, False)],
)
def test_accepts_the_version_date_of_a_time_zone_ahead(dev: str, hour: int, is_fresh: bool) -> None:
    file = RemoteFile(filename=f"dipy-1.12.0.dev{dev}-py3-none-any.whl", url="file:///x", source="file:///")
    now = datetime(2026, 11, 21, hour, tzinfo=UTC)
    with contextlib.nullcontext() if is_fresh else pytest.raises(NothingFoundError, match="in the future"):
        freshness.require_fresh(selection(file, version=f"1.12.0.dev{dev}"), HttpClient(), limit=DAY, now=now)


def test_reads_last_modified_with_a_one_byte_request() -> None:
    dates = {
        "any": "Tue, 10 Nov 2026 06:00:00 GMT",
        "win": "Fri, 20 Nov 2026 06:00:00 GMT",
    }
    requests: list[Request] = []

    def reply(request: Request) -> list[Step]:
        requests.append(request)
        key = "win" if "win" in request.target else "any"
        return [answer(206, b"P", {"Last-Modified": dates[key], "Connection": "close"})]

    with ScriptedServer(reply) as server, HttpClient(user_urls=[server.url]) as http:
        old = remote(url=f"{server.url}dipy-any.whl")
        new = remote("cp313-cp313-win_amd64", url=f"{server.url}dipy-win.whl")
        built = require_fresh(selection(old, new), http=http)
        assert str(built) == f"2026-11-20 06:00 UTC according to Last-Modified of {server.url}dipy-win.whl"
        assert [request.headers["range"] for request in requests] == ["bytes=0-0", "bytes=0-0"]
        # The check stops at the first file that is new enough.
        requests.clear()
        assert require_fresh(selection(new, old), http=http).date == NOW - timedelta(days=1)
        assert len(requests) == 1
        with pytest.raises(NothingFoundError, match=r"is 11 days old \(.* according to Last-Modified of "):
            require_fresh(selection(old), http=http)


def test_missing_file_is_an_error_and_not_an_old_file() -> None:
    with (
        ScriptedServer(lambda _: [answer(404, b"", {"Connection": "close"})]) as server,
        HttpClient(user_urls=[server.url]) as http,
        pytest.raises(HttpStatusError),
    ):
        require_fresh(selection(remote(url=f"{server.url}dipy.whl")), http=http)


def test_falls_back_to_the_date_in_the_version() -> None:
    with (
        ScriptedServer(lambda _: [answer(200, b"P", {"Connection": "close"})]) as server,
        HttpClient(user_urls=[server.url]) as http,
    ):
        undated = remote(url=f"{server.url}dipy.whl")
        built = require_fresh(selection(undated, version="1.12.0.dev20261119"), http=http)
        assert str(built) == "2026-11-20 00:00 UTC according to the date in the version"
        with pytest.raises(NothingFoundError, match="11 days old"):
            require_fresh(selection(undated, version="1.12.0.dev20261109"), http=http)
        with pytest.raises(UsageError, match="has no date to compare with --max-age"):
            require_fresh(selection(undated), http=http)


@pytest.mark.parametrize(
    ("version", "day"),
    [
        ("1.0.dev20261120", datetime(2026, 11, 21, tzinfo=UTC)),
        ("1.0.dev202611201530", datetime(2026, 11, 21, tzinfo=UTC)),
        ("1.0.dev20261120153059+gabc", datetime(2026, 11, 21, tzinfo=UTC)),
        ("1.0.dev20260231", None),
        ("1.0.dev20261320", None),
        ("1.0.dev3", None),
        ("1.0", None),
    ],
)
def test_date_from_version(version: str, day: datetime | None) -> None:
    assert freshness.date_from_version(Version(version)) == day


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T03:04:05Z",
        "2026-11-20T03:04:05.000Z",
        "2026-11-20 03:04:05",
        "2026-11-20T04:04:05+01:00",
        "Fri, 20 Nov 2026 03:04:05 GMT",
        " Fri, 20 Nov 2026 03:04:05 -0000 ",
    ],
)
def test_parses_dates_of_listings_and_headers(text: str) -> None:
    assert parse_listed_date(text) == AT


@pytest.mark.parametrize(
    "text", ["", "yesterday", "20-Nov-2026 03:04", None, 3, "Fri, 99 Nov 2026 03:04:05 GMT"]
)
def test_ignores_invalid_dates(text: object) -> None:
    assert parse_listed_date(text) is None


NAME = "dipy-1.12.0.dev1-py3-none-any.whl"
BASE = "https://staging.example.com/x/"


def date_from_json(data: object) -> datetime | None:
    listing = json_autoindex.read_json_directory(data, BASE, BASE) or swift.read_swift_listing(
        data, BASE, BASE
    )
    assert listing
    return listing.files[0].modified_at


def test_machine_readable_listings_have_dates() -> None:
    iso, http_date = "2026-11-20T03:04:05Z", "Fri, 20 Nov 2026 03:04:05 GMT"
    assert date_from_json([{"name": NAME, "type": "file", "mtime": http_date}]) == AT  # nginx
    assert (
        date_from_json([{"name": NAME, "url": f"./{NAME}", "is_dir": False, "mod_time": iso}]) == AT
    )  # Caddy
    assert date_from_json([{"name": NAME, "hash": "0" * 32, "bytes": 3, "last_modified": iso[:-1]}]) == AT
    nginx = read_xml(f'<list><file mtime="{iso}">{NAME}</file></list>', BASE, records={"file"}, fields=set())
    assert json_autoindex.read_nginx_xml(nginx, BASE, BASE).files[0].modified_at == AT
    bucket = read_xml(
        f"<ListBucketResult><Delimiter>/</Delimiter><Contents><Key>{NAME}</Key><LastModified>{iso}</LastModified>"
        "</Contents></ListBucketResult>",
        BASE,
        records=s3.RECORD_TAGS,
        fields=s3.FIELD_TAGS,
    )
    assert s3.read_s3_listing(bucket, BASE, BASE).files[0].modified_at == AT
    blobs = read_xml(
        f"<EnumerationResults><Delimiter>/</Delimiter><Blobs><Blob><Name>{NAME}</Name><Properties>"
        f"<Last-Modified>{http_date}</Last-Modified></Properties></Blob></Blobs></EnumerationResults>",
        BASE,
        records=azure.RECORD_TAGS,
        fields=azure.FIELD_TAGS,
    )
    assert azure.read_azure_listing(blobs, BASE, BASE).files[0].modified_at == AT
    page = {"meta": {"api-version": "1.1"}, "files": [{"filename": NAME, "url": NAME, "upload-time": iso}]}
    assert index_pages.read_index_page(page, BASE, BASE).files[0].modified_at == AT
    entry = {"basename": NAME, "download_url": f"//x.example.com/{NAME}", "type": "pypi", "upload_time": iso}
    channel = anaconda.PackageReference(owner="o", name="dipy")
    assert anaconda.read_package_files(json.dumps([entry]), BASE, BASE, channel).files[0].modified_at == AT

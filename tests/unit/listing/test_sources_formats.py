"""Machine-readable listings: URLs, readers and pagination, including hostile input.

The responses are hand-written; test_sources_stores.py tests real servers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import tracemalloc
from collections.abc import Callable
from urllib.parse import parse_qs, quote, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.listings import list_staged
from wheel_uploader.core.errors import CredentialsError, ListingError, NothingFoundError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.facts.listing_page import Listing
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.listing.sources import azure, object_stores, pagination, s3, swift
from wheel_uploader.listing.sources.base import make_url_builder, set_query_parameters
from wheel_uploader.listing.sources.content_types import read_any_json, read_any_xml, read_jsonp, read_listing
from wheel_uploader.listing.sources.json_autoindex import strip_jsonp_callback

WHEEL = "dipy-1.11.0+cu121-py3-none-any.whl"
URL = "https://staging.example/wheels/"
ONE_LEVEL = "list-type=2&delimiter=/&encoding-type=url"


# --- URLs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket", f"https://bucket.s3.amazonaws.com/?{ONE_LEVEL}"),
        ("s3://bucket/", f"https://bucket.s3.amazonaws.com/?{ONE_LEVEL}"),
        ("S3://bucket/a/b", f"https://bucket.s3.amazonaws.com/?{ONE_LEVEL}&prefix=a/b/"),
        ("s3://bucket//a+b & c/", f"https://bucket.s3.amazonaws.com/?{ONE_LEVEL}&prefix=a%2Bb%20%26%20c/"),
        ("s3://b.u.cket/a", f"https://s3.amazonaws.com/b.u.cket?{ONE_LEVEL}&prefix=a/"),
        ("gs://bucket/a", f"https://storage.googleapis.com/bucket?{ONE_LEVEL}&prefix=a/"),
        ("https://b.s3.amazonaws.com/a%20b/", f"https://b.s3.amazonaws.com/?{ONE_LEVEL}&prefix=a%20b/"),
        ("https://b.s3.eu-west-1.amazonaws.com", f"https://b.s3.eu-west-1.amazonaws.com/?{ONE_LEVEL}"),
        ("https://b.s3.amazonaws.com/?prefix=a/1", f"https://b.s3.amazonaws.com/?prefix=a/1&{ONE_LEVEL}"),
        (
            "https://s3.eu-west-1.amazonaws.com/b/a",
            f"https://s3.eu-west-1.amazonaws.com/b?{ONE_LEVEL}&prefix=a/",
        ),
        ("https://storage.googleapis.com/b/a/", f"https://storage.googleapis.com/b?{ONE_LEVEL}&prefix=a/"),
        ("https://storage.googleapis.com/storage/v1/b/bucket/o?prefix=a/", ""),
        ("https://b.storage.googleapis.com/a", f"https://b.storage.googleapis.com/?{ONE_LEVEL}&prefix=a/"),
        ("https://b.s3-website-us-east-1.amazonaws.com/a/", ""),
        ("https://b.s3.amazonaws.com/simple/index.html", ""),
        ("https://s3.amazonaws.com/", ""),
        ("https://s3.amazonaws.com.evil.example/b", ""),
        ("https://minio.example/bucket", ""),
        ("s3://", ""),
        ("s3://u:p@bucket/", ""),
        ("https://[", ""),
        ("dist", ""),
    ],
)
def test_s3_listing_url(url: str, expected: str) -> None:
    assert s3.s3_listing_url(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.blob.core.windows.net/c", "https://a.blob.core.windows.net/c?{}"),
        ("https://a.blob.core.windows.net/c/", "https://a.blob.core.windows.net/c?{}"),
        ("https://a.blob.core.windows.net/c/1.11", "https://a.blob.core.windows.net/c?{}&prefix=1.11/"),
        (
            "https://a.blob.core.windows.net/c?sig=x%2By&sv=1",
            "https://a.blob.core.windows.net/c?sig=x%2By&sv=1&{}",
        ),
        ("https://a.blob.core.windows.net/", ""),
        ("https://a.blob.core.windows.net/c/index.html", ""),
        ("http://a.blob.core.windows.net/c", ""),
        ("https://[", ""),
    ],
)
def test_azure_listing_url(url: str, expected: str) -> None:
    assert azure.azure_listing_url(url) == expected.format("restype=container&comp=list&delimiter=/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://swift.example/v1/AUTH_x/c", "https://swift.example/v1/AUTH_x/c?format=json&delimiter=/"),
        (
            "https://swift.example/v1/AUTH_x/c%20d/1.11/?format=json",
            "https://swift.example/v1/AUTH_x/c%20d?format=json&delimiter=/&prefix=1.11/",
        ),
        ("https://ceph.example/swift/v1/c/", "https://ceph.example/swift/v1/c?format=json&delimiter=/"),
        ("https://swift.example/v1/AUTH_x/", ""),
        ("https://api.example/v1/packages/dipy/", ""),
        ("https://[", ""),
    ],
)
def test_swift_listing_url(url: str, expected: str) -> None:
    assert swift.swift_listing_url(url) == expected


def test_sets_query_parameters_and_keeps_the_others() -> None:
    assert set_query_parameters("https://x/?a=1&b=&marker=2#f", {"marker": "ü +", "b": None}) == (
        "https://x/?a=1&marker=%C3%BC%20%2B"
    )


@given(st.text(min_size=1).filter(lambda name: "/" not in name))
def test_key_survives_a_round_trip_through_a_url(name: str) -> None:
    url = make_url_builder("https://x.example/b/?prefix=a#f")(f"a/{name}")
    assert url.startswith("https://x.example/b/a/")
    assert not set(url[len("https://x.example/b/a/") :]) & set("+?#& ")
    assert unquote(url.rpartition("/")[2]) == name.encode(errors="replace").decode()


# --- the same files in every format ----------------------------------------------------------------


def bucket(*keys: str, fields: str = "", encoded: bool = False) -> str:
    contents = "".join(
        f"<Contents><Key>{escape(quote_plus(key, safe='/') if encoded else key)}</Key>"
        f"<ETag>&quot;{'a1' * 16}&quot;</ETag><Size>{number + 3}</Size></Contents>"
        for number, key in enumerate(keys)
    )
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name><Delimiter>/</Delimiter>{kind}{fields}{contents}</ListBucketResult>"
    )


def container(*names: str, marker: str = "") -> str:
    blobs = "".join(
        f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{number + 3}</Content-Length>"
        "<Content-MD5>oaGhoaGhoaGhoaGhoaGhoQ==</Content-MD5></Properties></Blob>"
        for number, name in enumerate(names)
    )
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://a/">'
        f"<Delimiter>/</Delimiter><Blobs>{blobs}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
    ).removeprefix("\ufeff")


def swift_page(*names: str) -> str:
    keep = {"content_type": "application/x-wheel", "last_modified": "2025-09-16T07:20:00.000000"}
    return json.dumps(
        [{"name": name, "bytes": number + 3, "hash": "a1" * 16, **keep} for number, name in enumerate(names)]
    )


def nginx_json(*names: str) -> str:
    entries = [
        {"name": name, "type": "file", "mtime": "Tue, 16 Sep 2025 07:20:00 GMT", "size": number + 3}
        for number, name in enumerate(names)
    ]
    return json.dumps([{"name": "old", "type": "directory"}, *entries, {"name": "pipe", "type": "other"}])


def nginx_xml(*names: str) -> str:
    files = "".join(
        f'<file mtime="2025-09-16T07:20:00Z" size="{number + 3}">{escape(name)}</file>\n'
        for number, name in enumerate(names)
    )
    return f'<?xml version="1.0"?>\r\n<list>\r\n<directory mtime="x">old</directory>{files}</list>'


def caddy(*names: str) -> str:
    entries = [
        {"name": name, "size": number + 3, "url": f"./{quote(name, safe='')}", "is_dir": False}
        for number, name in enumerate(names)
    ]
    return json.dumps([{"name": "old/", "url": "./old/", "is_dir": True}, *entries])


def serve(*names: str) -> str:
    entries = [{"base": name, "name": name[:-4], "type": "file", "size": "1.2 KB"} for name in names]
    folder = {"base": "old/", "name": "old", "type": "folder"}
    return json.dumps({"files": [folder, *entries], "directory": "w/", "paths": []})


Reader = Callable[[str, str, str], Listing]
FORMATS: dict[str, tuple[Callable[..., str], Reader]] = {
    "bucket": (bucket, read_any_xml),
    "bucket-encoded": (lambda *names: bucket(*names, encoded=True), read_any_xml),
    "container": (container, read_any_xml),
    "swift": (swift_page, read_any_json),
    "nginx-json": (nginx_json, read_any_json),
    "nginx-jsonp": (lambda *names: f"/* callback */\r\na.b({nginx_json(*names)});", read_jsonp),
    "nginx-xml": (nginx_xml, read_any_xml),
    "caddy": (caddy, read_any_json),
    "serve": (serve, read_any_json),
}

#: Random file names, without control characters, which XML 1.0 cannot represent.
NAMES = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\ufffe\uffff"),
        min_size=1,
        max_size=60,
    ).filter(lambda name: name not in {".", ".."}),
    unique=True,
    max_size=6,
)


@pytest.mark.parametrize("listing_format", FORMATS)
@given(names=NAMES)
@example(names=[WHEEL, "a&b <c>.txt", "100%.txt", "%41.txt", "x y+z;?#.txt", "ünï✓.txt", " lead", "q'\"s"])
def test_every_format_returns_random_file_names(listing_format: str, names: list[str]) -> None:
    render, reader = FORMATS[listing_format]
    files = reader(render(*names), URL, "staging").files
    assert [file.filename for file in files] == names
    for number, file in enumerate(files):
        assert unquote(urlsplit(file.url).path) == f"/wheels/{file.filename}"
        assert "+" not in file.url
        assert not urlsplit(file.url).query
        assert file.size == (None if listing_format == "serve" else number + 3)
        assert file.hashes == ({"md5": "a1" * 16} if listing_format in {"container", "swift"} else {})


@pytest.mark.parametrize("listing_format", ["nginx-json", "nginx-xml", "caddy", "serve"])
def test_directories_are_subpages(listing_format: str) -> None:
    render, reader = FORMATS[listing_format]
    assert reader(render(WHEEL), URL, "staging").subpage_urls == {"old": f"{URL}old/"}


@pytest.mark.parametrize(
    ("text", "json_text"),
    [
        ("f([1]);", "[1]"),
        (" /* x */ a.b$ ( [1] ) ; \n", " [1] "),
        ("[1]", "[1]"),
        ("f([1]", "f([1]"),
        ("", ""),
    ],
)
def test_strips_the_jsonp_callback(text: str, json_text: str) -> None:
    assert strip_jsonp_callback(text) == json_text


# --- metadata of object stores ---------------------------------------------------------------------


def url_with_query(query: str) -> str:
    return f"https://s.example/b?{query}"


def filenames_of(listing: Listing) -> list[str]:
    return [file.filename for file in listing.files]


def test_requests_one_level_of_a_bucket_listed_recursively() -> None:
    text = bucket("a/x.whl", "y.whl").replace("<Delimiter>/</Delimiter>", "")
    listing = read_any_xml(text, url_with_query("prefix=a/&marker=k"), "s")
    assert filenames_of(listing) == []
    assert listing.next_url == url_with_query(f"prefix=a/&{ONE_LEVEL}")
    # A server that does not support the delimiter returns everything again.
    listing = read_any_xml(text, url_with_query("delimiter=/"), "s")
    assert filenames_of(listing) == ["y.whl"]


def test_requests_one_level_of_an_azure_container_listed_recursively() -> None:
    listing = read_any_xml(
        "<EnumerationResults><Blobs/></EnumerationResults>", url_with_query("comp=list&sig=x"), "s"
    )
    assert listing.next_url == url_with_query("sig=x&restype=container&comp=list&delimiter=/")


@pytest.mark.parametrize(
    ("fields", "encoded", "expected"),
    [
        ("<IsTruncated>false</IsTruncated>", False, {}),
        ("<NextContinuationToken>t+/=</NextContinuationToken>", False, {"continuation-token": ["t+/="]}),
        ("<NextMarker>a+b</NextMarker>", False, {"marker": ["a+b"]}),
        ("<NextMarker>a%2Bb+c</NextMarker>", True, {"marker": ["a+b c"]}),
        ("<IsTruncated>true</IsTruncated>", False, {"marker": ["p/z+"]}),
        ("<IsTruncated>true</IsTruncated>", True, {"marker": ["p/z+"]}),
    ],
)
def test_follows_the_continuation_of_a_bucket(
    fields: str, encoded: bool, expected: dict[str, list[str]]
) -> None:
    text = bucket("p/a", "p/z+", fields=fields, encoded=encoded)
    following = read_any_xml(text, url_with_query("prefix=p/&delimiter=/"), "s").next_url
    assert parse_qs(urlsplit(following).query) == (
        {"prefix": ["p/"], "delimiter": ["/"], **expected} if expected else {}
    )


def test_rejects_a_truncated_bucket_without_continuation() -> None:
    with pytest.raises(ListingError, match="is truncated and has no link to the next page"):
        read_any_xml(bucket(fields="<IsTruncated>true</IsTruncated>"), url_with_query("delimiter=/"), "s")


@pytest.mark.parametrize("listing_format", ["bucket", "container", "swift"])
def test_excludes_files_below_other_prefixes(listing_format: str) -> None:
    render, reader = FORMATS[listing_format]
    text = render("p/old/x.whl", "p/", f"p/{WHEEL}", "p", "q/y.whl", "p/1/")
    listing = reader(text, url_with_query("prefix=p/&delimiter=/"), "s")
    assert filenames_of(listing) == [WHEEL, "p"]
    assert listing.files[0].url == "https://s.example/b/p/dipy-1.11.0%2Bcu121-py3-none-any.whl"
    assert filenames_of(reader(text, url_with_query("prefix=p/dipy-&delimiter=/"), "s")) == [WHEEL, "p"]


def test_adds_the_shared_access_signature_to_each_blob_url() -> None:
    url = url_with_query("restype=container&comp=list&delimiter=/&sv=2021&sig=a%2Bb%2F%3D&url=x")
    (file,) = read_any_xml(container(WHEEL), url, "s").files
    assert parse_qs(urlsplit(file.url).query) == {"sv": ["2021"], "sig": ["a+b/="], "url": ["x"]}


@pytest.mark.parametrize("md5", ["", "x", "AAAA", "ü", "oaGhoaGhoaGhoaGhoaGhoQ"])
def test_ignores_an_invalid_content_md5(md5: str) -> None:
    text = container(WHEEL).replace("oaGhoaGhoaGhoaGhoaGhoQ==", md5)
    (file,) = read_any_xml(text, url_with_query("delimiter=/"), "s").files
    assert file.hashes == {}


@pytest.mark.parametrize("change", [{"bytes": 0}, {"slo_etag": "x"}, {"bytes": "3"}, {"bytes": True}])
def test_segmented_swift_objects_have_no_hash(change: dict[str, object]) -> None:
    entry = {"name": WHEEL, "bytes": 3, "hash": "a1" * 16, **change}
    (file,) = read_any_json(json.dumps([entry]), URL, "s").files
    assert (file.size, file.hashes) == (None, {})


def test_reads_a_swift_container_until_a_page_is_empty() -> None:
    entries = [{"name": "a", "bytes": 1, "hash": ""}, {"subdir": "b/"}]
    assert read_any_json(json.dumps(entries), url_with_query("marker=0"), "s").next_url == url_with_query(
        "marker=b/"
    )
    assert read_any_json(swift_page("a+b"), url_with_query("delimiter=/"), "s").next_url == url_with_query(
        "delimiter=/&marker=a%2Bb"
    )
    assert read_any_json("[]", url_with_query("marker=0"), "s") == Listing()


@pytest.mark.parametrize("size", ["", "-1", "x", "1e3", "٣", "9" * 30, "1.5"])
def test_ignores_invalid_sizes(size: str) -> None:
    texts = [
        bucket(WHEEL).replace("<Size>3<", f"<Size>{size}<"),
        container(WHEEL).replace("Length>3<", f"Length>{size}<"),
        nginx_xml(WHEEL).replace('size="3"', f'size="{size}"'),
    ]
    for text in texts:
        (file,) = read_any_xml(text, url_with_query("delimiter=/"), "s").files
        assert file.size is None


@pytest.mark.parametrize(
    "entry",
    [
        {"name": WHEEL, "url": "./other.whl", "is_dir": False},
        {"name": WHEEL, "url": "data:,x", "is_dir": False},
        {"name": WHEEL, "url": f"file:///{WHEEL}", "is_dir": False},
        {"name": WHEEL, "url": "//[x", "is_dir": False},
        {"name": "", "type": "file"},
        {"name": f"../{WHEEL}", "type": "file"},
        {"name": f"/etc/{WHEEL}", "type": "file"},
    ],
)
def test_skips_entries_whose_url_does_not_match_their_name(entry: dict[str, object]) -> None:
    assert read_any_json(json.dumps([entry]), URL, "s").files == ()


# --- invalid and hostile input ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "returned invalid XML"),
        ("<list>", "returned invalid XML"),
        ("<list/><list/>", "returned invalid XML"),
        ("<list>\0</list>", "returned invalid XML"),
        ("<list>&unknown;</list>", "returned invalid XML"),
        ("<html/>", "XML that is not a file listing"),
        ("<x><ListBucketResult/></x>", "XML that is not a file listing"),
        (
            "<Error><Code>AccessDenied</Code><Message>No\x85</Message></Error>",
            r"not a file listing: AccessDenied, No\\x85$",
        ),
        ("<!DOCTYPE list><list/>", "a DOCTYPE, which is not allowed in a listing"),
        ('<!DOCTYPE l [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><list>&c;</list>', "a DOCTYPE"),
        ('<!DOCTYPE l SYSTEM "file:///etc/passwd"><list/>', "a DOCTYPE"),
        ("<a>" * 60, "nested deeper than 50"),
        ("<a>" * 1_000_000, "nested deeper than 50"),
        ("<list>" + "<file>x</file>" * 100_001 + "</list>", "more than 100000 files"),
    ],
    ids=lambda value: f"{value[:30]}-{len(value)}",
)
def test_rejects_xml_that_is_not_a_listing(text: str, message: str) -> None:
    with pytest.raises(ListingError, match=message):
        read_any_xml(text, URL, "staging")


@pytest.mark.parametrize(
    "text",
    [
        "<list>" + "<x/>" * 250_000 + "</list>",
        "<list>" + "".join(f"<Key{number}/>" for number in range(100_000)) + "</list>",
        "<ListBucketResult><Contents>" + "<Key>x</Key>" * 80_000 + "</Contents></ListBucketResult>",
        "<list " + " ".join(f'a{number}=""' for number in range(70_000)) + "/>",
        f"<list><file>{'x' * 1_000_000}</file></list>",
        "<list>" + "<file>&#120;</file>" * 50_000 + "</list>",
    ],
    ids=["elements", "names", "fields", "attributes", "text", "references"],
)
def test_a_megabyte_of_xml_takes_little_time_and_memory(text: str) -> None:
    # CPU time, because other tests run at the same time.
    began = time.process_time()
    with contextlib.suppress(ListingError):
        read_any_xml(text, url_with_query("delimiter=/"), "staging")
    assert time.process_time() - began < 2
    tracemalloc.start()
    try:
        with contextlib.suppress(ListingError):
            read_any_xml(text, url_with_query("delimiter=/"), "staging")
        assert tracemalloc.get_traced_memory()[1] < 128 * 2**20
    finally:
        tracemalloc.stop()


XML_PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "<ListBucketResult>",
                "</ListBucketResult>",
                "<Contents>",
                "</Contents>",
                "<Key>",
                "</Key>",
                "<list>",
            ),
            *(
                "</list>",
                "<file size='1'>",
                "</file>",
                "<EnumerationResults>",
                "</EnumerationResults>",
                "<Blob>",
            ),
            *(
                "</Blob>",
                "<Name>",
                "</Name>",
                "<IsTruncated>true</IsTruncated>",
                "<NextMarker>",
                "</NextMarker>",
            ),
            *(
                "<a:Key xmlns:a='x'>",
                "</a:Key>",
                "&amp;",
                "&#0;",
                "<![CDATA[x]]>",
                "<!--",
                "-->",
                "\ud800",
                "a/b+c %",
            ),
        ]
    )
    | st.text(max_size=5),
    max_size=25,
)


@given(
    XML_PIECES,
    st.sampled_from([URL, url_with_query("delimiter=/"), url_with_query("prefix=a/&delimiter=/&sig=x")]),
)
def test_arbitrary_xml_raises_only_listing_error(pieces: list[str], url: str) -> None:
    with contextlib.suppress(ListingError):
        check_invariants(read_any_xml("".join(pieces), url, "staging"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "type",
                    "size",
                    "url",
                    "is_dir",
                    "files",
                    "directory",
                    "base",
                    "hash",
                    "bytes",
                    "subdir",
                ]
            ),
            inner | st.sampled_from(["file", "directory", "../x", "//[", "a.whl"]),
        )
    ),
    max_leaves=16,
)


@given(JSON.map(json.dumps) | st.text(), st.sampled_from([URL, url_with_query("prefix=a/&delimiter=/")]))
def test_arbitrary_json_raises_only_listing_error(text: str, url: str) -> None:
    for reader in (read_any_json, read_jsonp):
        with contextlib.suppress(ListingError):
            check_invariants(reader(text, url, "staging"))


def check_invariants(listing: Listing) -> None:
    """Check the invariants of every listing."""
    for file in listing.files:
        assert urlsplit(file.url).scheme in {"http", "https"}
        assert urlsplit(file.url).netloc
        assert "/" not in file.filename
    assert not listing.next_url or urlsplit(listing.next_url).netloc in {"staging.example", "s.example"}


# --- pagination ------------------------------------------------------------------------------------


def page_at(url: str, body: bytes = b"") -> Page:
    return Page(url=url, status=200, headers={}, content_type="", body=body)


def count_pages(
    read: Callable[[Page], Listing], body: bytes = b"", clock: Callable[[], float] = lambda: 1.0
) -> int:
    return len(list(pagination.iter_pages(URL, lambda url: page_at(url, body), read, clock)))


def endless_pages() -> Callable[[Page], Listing]:
    numbers = itertools.count()
    return lambda page: Listing(next_url=f"{URL}?marker={next(numbers)}")


def test_rejects_endless_pagination() -> None:
    with pytest.raises(ListingError, match="has more than 50 pages"):
        count_pages(endless_pages())


def test_rejects_circular_pagination() -> None:
    with pytest.raises(ListingError, match="links back to a page that was already read"):
        count_pages(lambda page: Listing(next_url=URL))


def test_rejects_pages_that_are_too_large_together() -> None:
    with pytest.raises(ListingError, match="returned more than 32 MiB"):
        count_pages(endless_pages(), bytes(2**20))
    file = RemoteFile(filename="x", url=URL, source="s")
    read = endless_pages()
    with pytest.raises(ListingError, match="lists more than 100000 files"):
        count_pages(lambda page: Listing(files=(file,) * 30_000, next_url=read(page).next_url))


def test_rejects_slow_pagination() -> None:
    clock = itertools.count(1.0, 13.0)
    with pytest.raises(ListingError, match="did not finish within 2 min"):
        count_pages(endless_pages(), clock=lambda: next(clock))


# --- over HTTP -------------------------------------------------------------------------------------


def list_filenames(url: str, handler: Callable[[httpx.Request], httpx.Response]) -> list[str]:
    with HttpClient(user_urls=[url], retries=1, transport=httpx.MockTransport(handler)) as http:
        return [file.filename for file in list_staged([url], "dipy", http)]


def respond(kind: str, text: str, status: int = 200) -> httpx.Response:
    return httpx.Response(status, text=text, headers={"Content-Type": kind})


@pytest.mark.parametrize("kind", ["application/xml", "text/xml; charset=utf-8", "text/html", ""])
def test_recognizes_a_store_by_its_response(kind: str) -> None:
    assert list_filenames(
        "https://minio.example/b", lambda request: respond(kind or "text/xml", bucket(WHEEL))
    ) == [WHEEL]


def test_requests_the_pages_of_a_store_in_order() -> None:
    requests: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(str(request.url))
        last = request.url.params.get("continuation-token") == "t"
        more = "" if last else "<NextContinuationToken>t</NextContinuationToken>"
        return respond("application/xml", bucket("p/b.whl" if last else "p/a.whl", fields=more))

    assert list_filenames("s3://bucket/p", handler) == ["a.whl", "b.whl"]
    first = f"https://bucket.s3.amazonaws.com/?{ONE_LEVEL}&prefix=p/"
    assert requests == [first, f"{first}&continuation-token=t"]


def test_follows_a_redirect_to_another_region_but_not_to_another_bucket() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "bucket.s3.eu-west-1.amazonaws.com":
            return respond("application/xml", bucket(WHEEL))
        region = f"https://{target}.s3.eu-west-1.amazonaws.com/?{request.url.query.decode()}"
        return httpx.Response(307, headers={"Location": region})

    target = "bucket"
    assert list_filenames("s3://bucket", handler) == [WHEEL]
    target = "other"
    with pytest.raises(Exception, match=r"other\.s3\.eu-west-1\.amazonaws\.com.* is not followed"):
        list_filenames("s3://bucket", handler)


DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def test_reports_the_error_of_a_store() -> None:
    with pytest.raises(CredentialsError, match="anonymous listing: AccessDenied, Access Denied"):
        list_filenames("s3://bucket/p", lambda request: respond("application/xml", DENIED, 403))
    with pytest.raises(NothingFoundError, match=r"was not found \(status 404: AccessDenied, Access Denied\)"):
        list_filenames("s3://bucket/p", lambda request: respond("application/xml", DENIED, 404))
    with pytest.raises(ListingError, match="XML that is not a file listing: AccessDenied, Access Denied"):
        list_filenames("s3://bucket/p", lambda request: respond("application/xml", DENIED))
    with pytest.raises(Exception, match="returned 400"):
        list_filenames("s3://bucket/p", lambda request: respond("application/xml", DENIED, 400))


def test_never_shows_a_signature() -> None:
    url = "https://a.blob.core.windows.net/c?sv=1&sig=s3cr3tS1gnature"
    with pytest.raises(CredentialsError) as caught:
        list_filenames(
            url, lambda request: respond("application/xml", DENIED.replace("Denied", "s3cr3tS1gnature"), 403)
        )
    assert "s3cr3t" not in str(caught.value)
    assert object_stores.ObjectStore.claims(url)


SWIFT = "https://swift.example/v1/AUTH_x/c/"


def test_swift_falls_back_to_its_html_page() -> None:
    for json_response in (
        respond("text/html", "<a href='other.whl'>x</a>"),
        respond("text/plain", "x", 401),
        respond("text/plain", "x", 403),
        respond("text/plain", "x", 404),
        respond("application/json", "{}"),
    ):
        html_page = respond("text/html", f'<a href="{WHEEL}">x</a>')
        responses = {"json": json_response, None: html_page}
        assert list_filenames(SWIFT, lambda request: responses[request.url.params.get("format")]) == [WHEEL]  # noqa: B023


def test_other_json_falls_back_to_the_html_page() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "application/json" in request.headers["accept"]:
            return respond("application/json", '{"result": {}, "type": "indexconfig"}')
        return html_page

    html_page = respond("text/html", f'<a href="{WHEEL}">x</a>')
    assert list_filenames(URL, handler) == [WHEEL]
    html_page = respond("text/html", "x", 500)
    with pytest.raises(ListingError, match="not an index page"):
        list_filenames(URL, handler)


def test_error_names_the_content_type() -> None:
    with pytest.raises(ListingError, match="returned image/png, not a file listing"):
        read_listing(Page(url=URL, status=200, headers={}, content_type="image/png", body=b""))

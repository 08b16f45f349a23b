"""Parsers of untrusted data, with hostile values in every place: only declared errors may be raised.

Each document is one that its parser understands; hostile values then replace its parts. The parsers are the
real ones: sources and indexes are read over HTTP, as in a run.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any, cast
from xml.sax.saxutils import escape

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from tools.testing import wheels
from wheel_uploader import checks
from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.budget import BudgetExceeded
from wheel_uploader.core.errors import ReleaseError, UsageError
from wheel_uploader.core.models import CheckProfile, IndexFile, RemoteFile, WheelContent, WheelName
from wheel_uploader.core.platforms import matrix as platform_matrix
from wheel_uploader.core.platforms import platform_tags, platforms
from wheel_uploader.download import spans
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.archive import record
from wheel_uploader.http import retry
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import IndexClient
from wheel_uploader.inspection.cache import InspectionCache
from wheel_uploader.inspection.verification import InspectionResult
from wheel_uploader.listing import expected_files, freshness, sha256sums
from wheel_uploader.listing.sources import ReleaseQuery, list_staged_files
from wheel_uploader.rehearsal import environments, wheel_selection
from wheel_uploader.signing import attestation_verifier, gpg_program
from wheel_uploader.upload import response as upload_response
from wheel_uploader.wheelhouse.wheelhouse import ResumeMetadata, Wheelhouse

WHEEL = "dipy-1.11.0-cp312-cp312-win_amd64.whl"
NAME = cast(WheelName, filenames.parse_filename(WHEEL))
SHA256 = "0a" * 32
DATE = "2026-01-02T03:04:05Z"
HTTP_DATE = "Fri, 02 Jan 2026 03:04:05 GMT"


class Raw(str):
    """Literal JSON that ``json.dumps`` would not write."""

    __slots__ = ()


#: Values for every place of every document.
HOSTILE: tuple[Any, ...] = (
    *(10**400, -(10**400), 10**18, 2**40 + 1, -1, 0, True, None, 1.5, 1e308),
    *map(Raw, ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000, "-" + "9" * 4200)),
    *(
        "",
        "-1",
        "+5",
        " 5",
        "1_000",
        "１２",
        "9" * 5000,
        "9" * 25,
        "1e400",
        "NaN",
        "\0",
        "x" * 3000,
        "\ud800",
    ),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-01-01", "10000-01-01T00:00:00Z"),
    *(
        "Mon, 01 Jan 0001 00:00:00 +1400",
        "Fri, 31 Dec 9999 23:59:59 -1400",
        "Fri, 31 Dec 2026 9:9:9 +9999999",
    ),
    *(f"https://files.example:{port}/{WHEEL}" for port in ("99999", "0", "-1", "", "٤٤٣", "9" * 5000)),
    *("https://[", "//[::1", "http://h:1:2/", "file:///etc/passwd"),
    *([], {}, [[]], {"": {}}, [1e308], {"name": 1}),
)
TEXTS = tuple(dict.fromkeys(str(item) for item in HOSTILE if isinstance(item, str) and "\0" not in item))


def as_json(value: object) -> str:
    """Return ``value`` as JSON, with Raw values inserted literally."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{as_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    return json.dumps(value)


Path_ = tuple[str | int, ...]


def paths(value: object, here: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every value in a document, starting with the document itself."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from paths(item, (*here, key))


def replace_at(document: Any, where: Path_, value: object) -> Any:
    """Return a copy of ``document`` with ``value`` at ``where``."""
    if not where:
        return value
    changed = copy.copy(document)
    with contextlib.suppress(TypeError, LookupError):  # An outer value was replaced before.
        changed[where[0]] = replace_at(document[where[0]], where[1:], value)
    return changed


# --- the parsers -----------------------------------------------------------------------------------


def mock_server(body: bytes, headers: Mapping[str, str], status: int = 200) -> httpx.MockTransport:
    """Return a server with one response for all requests; the page after a marker is empty, as with Swift."""

    def respond(request: httpx.Request) -> httpx.Response:
        data = b"[]" if "marker=" in str(request.url) else body
        # An iterator, because httpx reads a body of bytes in advance.
        return httpx.Response(status, content=iter([data]), headers=dict(headers))

    return httpx.MockTransport(respond)


def use_files(files: tuple[RemoteFile, ...], http: HttpClient) -> None:
    """Use the files of a listing as a run does before it downloads them."""
    filenames.select_files(files, "dipy", Version("1.11.0"))
    filenames.list_versions(files, "dipy")
    for file in files:
        assert file.size is None or 0 <= file.size <= bounds.MAX_FILE_SIZE
        assert file.approximate_size is None or 0 <= file.approximate_size <= bounds.MAX_FILE_SIZE
        assert file.modified_at is None or file.modified_at.astimezone(UTC).year >= 1970
        assert isinstance(
            http.link_rejection(file.url, listing_url=file.source, has_trusted_digest=True), str
        )


def read_listing(url: str, content_type: str, text: str) -> tuple[RemoteFile, ...]:
    transport = mock_server(text.encode("utf-8", "replace"), {"Content-Type": content_type})
    with HttpClient(user_urls=[url], retries=1, transport=transport, sleep=lambda _: None) as http:
        # The server gives the same page for every folder, so that some listings have gaps.
        files = list_staged_files([url], ReleaseQuery(project="dipy"), http).files
        use_files(files, http)
        return files


def read_index_page(content_type: str, text: str) -> tuple[IndexFile, ...]:
    transport = mock_server(text.encode("utf-8", "replace"), {"Content-Type": content_type})
    with HttpClient(
        user_urls=["https://index.example/"], retries=1, transport=transport, sleep=lambda _: None
    ) as http:
        page = IndexClient(http, "https://index.example/simple/").fetch_project("dipy")
        for file in page.files:
            assert file.size is None or 0 <= file.size <= bounds.MAX_FILE_SIZE
            assert file.upload_time is None or file.upload_time.astimezone(UTC).year >= 1970
        return page.files


def read_cache_entry(text: str) -> InspectionResult | None:
    """Read a cache entry, which is valid only if it names this file."""
    wheelhouse = cast(Wheelhouse, _FakeWheelhouse(text.encode("utf-8", "replace")))
    return InspectionCache(wheelhouse, None).get(NAME, SHA256)


class _FakeWheelhouse:
    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def cached_inspection(self, filename: str, limit: int) -> bytes | None:
        return self.data

    def store_inspection(self, filename: str, data: bytes) -> None:
        self.data = data


def content(**parts: Any) -> WheelContent:
    data = wheels.wheel_bytes(**parts)
    return archive_reader.read_wheel(io.BytesIO(data), len(data), NAME)


def make_cache_entry() -> Any:
    wheelhouse = _FakeWheelhouse()
    inspection = checks.inspect_content(content(tag="cp312-cp312-win_amd64"), profile=CheckProfile.PYPI)
    InspectionCache(cast(Wheelhouse, wheelhouse), None).put(
        NAME, SHA256, InspectionResult(inspection=inspection, damage=(), integrity_source="RECORD")
    )
    return json.loads(wheelhouse.data)


def read_resume_metadata(text: str) -> object:
    metadata = ResumeMetadata.parse(text.encode("utf-8", "replace"))
    return metadata and spans.parse_ranges(metadata.parts, metadata.size or 0)


FILE = {"name": WHEEL, "size": 7}
PROJECT = {
    "meta": {"api-version": "1.4"},
    "name": "dipy",
    "project-status": {"status": "active", "reason": "none"},
    "versions": ["1.11.0"],
    "files": [
        {
            "filename": WHEEL,
            "url": f"../{WHEEL}",
            "hashes": {"sha256": SHA256},
            "size": 7,
            "upload-time": DATE,
            "yanked": False,
            "requires-python": ">=3.9",
            "core-metadata": {"sha256": SHA256},
        }
    ],
}
PYPI_JSON = "application/vnd.pypi.simple.v1+json"
WEB, PLAIN = "https://staging.example/wheels/", "application/json"


def _at(url: str, content_type: str = PLAIN) -> Callable[[str], object]:
    return lambda text: read_listing(url, content_type, text)


DOCUMENTS: dict[str, tuple[Any, Callable[[str], object]]] = {
    "project of an index": (PROJECT, _at(WEB, PYPI_JSON)),
    "index": ({"meta": {"api-version": "1.0"}, "projects": [{"name": "dipy"}]}, _at(WEB, PYPI_JSON)),
    "page of the target": (PROJECT, lambda text: read_index_page(PYPI_JSON, text)),
    "nginx": ([{**FILE, "type": "file", "mtime": DATE}, {"name": "old", "type": "directory"}], _at(WEB)),
    "Caddy": ([{**FILE, "url": f"./{WHEEL}", "mod_time": DATE, "type": "file", "is_dir": False}], _at(WEB)),
    "serve": (
        {"directory": "w", "files": [{"base": WHEEL, "name": WHEEL[:-4], "type": "file", "size": 7}]},
        _at(WEB),
    ),
    "Swift": (
        [{"name": WHEEL, "hash": "0a" * 16, "bytes": 7, "last_modified": DATE}, {"subdir": "old/"}],
        _at(WEB),
    ),
    "anaconda.org": (
        [
            {
                "distribution_type": "pypi",
                "basename": WHEEL,
                "upload_time": DATE,
                "md5": "0a" * 16,
                "sha256": SHA256,
                "size": 7,
                "download_url": f"//api.anaconda.org/download/{WHEEL}",
                "version": "1.11.0",
                "labels": ["main"],
            }
        ],
        _at("https://anaconda.org/staging/dipy/files?version=1.11.0&channel=main"),
    ),
    "GitHub release": (
        {
            "id": 42,
            "draft": True,
            "tag_name": "1.11.0",
            "html_url": "https://github.com/dipy/dipy/releases/tag/1.11.0",
            "assets": [
                {
                    **FILE,
                    "browser_download_url": f"https://github.com/{WHEEL}",
                    "url": f"https://api.github.com/{WHEEL}",
                    "state": "uploaded",
                    "digest": f"sha256:{SHA256}",
                    "updated_at": DATE,
                }
            ],
        },
        _at("https://github.com/dipy/dipy/releases/tag/1.11.0"),
    ),
    "GitHub run": (
        {
            "total_count": 1,
            "status": "completed",
            "artifacts": [
                {
                    "id": 7,
                    "name": "wheels",
                    "size_in_bytes": 7,
                    "digest": f"sha256:{SHA256}",
                    "created_at": DATE,
                    "expires_at": DATE,
                    "expired": True,
                }
            ],
        },
        _at("https://github.com/dipy/dipy/actions/runs/42"),
    ),
    "response to an upload": (
        {"code": 400, "detail": "no", "message": ["x"], "error": {"title": "x"}, "errors": [{"a": 1}]},
        lambda text: upload_response.classify_response(400, "Bad", {}, text).to_error(WHEEL),
    ),
    "statement": (
        {"predicateType": "x", "subject": [{"name": WHEEL, "digest": {"sha256": SHA256}}]},
        lambda text: _statement(text),
    ),
    "resume metadata": (
        {
            "url": f"{WEB}{WHEEL}",
            "etag": '"x"',
            "last_modified": HTTP_DATE,
            "size": 70,
            "digest": f"sha256:{SHA256}",
            "parts": "0-7,9-70",
        },
        read_resume_metadata,
    ),
    "cached inspection": (None, read_cache_entry),
}


def _statement(text: str) -> object:
    with contextlib.suppress(ValueError):  # The caller turns it into a finding.
        return attestation_verifier._Statement(text.encode("utf-8", "replace"))
    return None


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_SERVER_URL", "GH_HOST"):
        monkeypatch.delenv(name, raising=False)


def check_errors(read: Callable[[], object], context: object) -> None:
    """Call ``read``, which may raise a declared error with a short message and an exit code other than 1."""
    try:
        read()
    except ReleaseError as error:
        assert error.exit_code != 1, context
        assert len(str(error)) < 2000, context
        assert "\n" not in str(error), context


def get_document(kind: str) -> Any:
    document = DOCUMENTS[kind][0]
    return make_cache_entry() if document is None else document


#: Documents without files: an index root, and an artifact that one response for every request cannot serve.
NO_FILES = {"index", "GitHub run"}


@pytest.mark.parametrize("kind", [kind for kind in DOCUMENTS if kind not in NO_FILES])
def test_reads_every_document_without_hostile_values(kind: str) -> None:
    assert DOCUMENTS[kind][1](as_json(get_document(kind)))


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_survives_a_hostile_value_anywhere_in_json(kind: str) -> None:
    document, read = get_document(kind), DOCUMENTS[kind][1]
    for where in paths(document):
        for value in HOSTILE:
            text = as_json(replace_at(document, where, value))
            check_errors(lambda: read(text), (where, text[:300]))  # noqa: B023 - called immediately


@pytest.mark.parametrize("depth", [*range(940, 1010, 7), 5000])
def test_survives_deeply_nested_json(depth: int) -> None:
    """Near the recursion limit, a value that was parsed may be too deep to be serialized."""
    for kind in DOCUMENTS:
        if DOCUMENTS[kind][0] is None:
            continue
        document, read = DOCUMENTS[kind]
        *_, last = paths(document)
        text = as_json(replace_at(document, last, Raw("[" * depth + "]" * depth)))
        check_errors(lambda: read(text), kind)  # noqa: B023 - called immediately


TREES = st.recursive(
    st.sampled_from([value for value in HOSTILE if not isinstance(value, list | dict)]) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "size", "url", "files", "id", "type", "meta"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.data())
def test_survives_hostile_trees_in_several_places_of_json(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([kind for kind, (document, _) in DOCUMENTS.items() if document]))
    document, read = DOCUMENTS[kind]
    places = sorted(paths(document), key=repr)
    for _ in range(data.draw(st.integers(1, 4))):
        document = replace_at(document, data.draw(st.sampled_from(places)), data.draw(TREES))
    check_errors(lambda: read(as_json(document)), kind)


# --- XML, HTML -------------------------------------------------------------------------------------

S3 = (
    "<ListBucketResult><Name>b</Name><Delimiter>/</Delimiter><IsTruncated>{3}</IsTruncated><MaxKeys>{4}</MaxKeys>"
    "<Contents><Key>{0}</Key><Size>{1}</Size><LastModified>{2}</LastModified></Contents></ListBucketResult>"
)
AZURE = (
    "<EnumerationResults><Delimiter>/</Delimiter><MaxResults>{4}</MaxResults><Blobs><Blob><Name>{0}</Name>"
    "<Properties><Content-Length>{1}</Content-Length><Last-Modified>{2}</Last-Modified>"
    "<Content-MD5>{3}</Content-MD5></Properties></Blob></Blobs></EnumerationResults>"
)
NGINX = '<list><file mtime="{2}" size="{1}">{0}</file><directory mtime="{3}">{4}</directory></list>'
ROW = '<a href="{0}">{0}</a>  {2} {1} <a href="x/">x</a> {3}{4}'
PAGES = {
    "S3": ("application/xml", S3),
    "Azure": ("application/xml", AZURE),
    "nginx": ("text/xml", NGINX),
    "rows": ("text/html", ROW),
    "an index": (
        "text/html",
        '<a href="{0}#sha256={1}" data-yanked="{2}" data-requires-python="{3}">{4}</a>',
    ),
}


@pytest.mark.parametrize("kind", PAGES)
def test_survives_a_hostile_text_anywhere_in_a_page(kind: str) -> None:
    content_type, form = PAGES[kind]
    good = [WHEEL, "7", DATE, "false", "9"]
    assert [file.filename for file in read_listing(WEB, content_type, form.format(*good))] == [WHEEL]
    for place in range(len(good)):
        for value in TEXTS:
            values = [*good[:place], escape(value, {'"': "&quot;"}), *good[place + 1 :]]
            text = form.format(*values)
            check_errors(lambda: read_listing(WEB, content_type, text), (place, value[:100]))  # noqa: B023


# --- headers ---------------------------------------------------------------------------------------

HEADERS = (
    *("Content-Length", "Content-Range", "Retry-After", "Age", "Date", "Last-Modified", "ETag", "Location"),
    *("Content-Type", "Content-Encoding", "Accept-Ranges", "X-Cache"),
)
SENT = tuple(value for value in TEXTS if value.isascii() and value.isprintable())


@pytest.mark.parametrize("status", [200, 206, 302, 416, 429, 503])
@pytest.mark.parametrize("header", HEADERS)
def test_survives_a_hostile_header(header: str, status: int) -> None:
    for value in SENT:
        slept: list[float] = []
        transport = mock_server(b"<a href='x'>x</a>", {"Content-Type": "text/html", header: value}, status)
        with (
            HttpClient(user_urls=[WEB], retries=2, transport=transport, sleep=slept.append) as http,
            http.polling_mode(),
        ):
            check_errors(lambda: http.get(WEB), value[:100])
        assert all(0 <= pause <= bounds.MAX_SECONDS for pause in slept)


@pytest.mark.parametrize("value", [*SENT, HTTP_DATE, "1e3", "1" + "0" * 30])
def test_limits_the_retry_delay(value: str) -> None:
    delay = retry.parse_retry_after(value)
    assert delay is None or 0 <= delay <= bounds.MAX_SECONDS
    upload_response.classify_response(503, "Busy", {"Retry-After": value, "Location": value}, value)


# --- names and tags --------------------------------------------------------------------------------

NUMBERS = (
    "0",
    "3",
    "999",
    "9999",
    "99999999999",
    "3999999999",
    "9" * 150,
    "9" * 4000,
    "１",
    "-1",
    "1_0",
    "1e9",
)
TAGS = [
    form.format(number)
    for number in NUMBERS
    for form in (
        *("cp{0}-cp{0}-win_amd64", "cp3{0}-abi3-win_amd64", "pp3{0}-pypy3{0}_pp73-win32", "py{0}-none-any"),
        *("cp312-cp312-macosx_{0}_0_arm64", "cp312-cp312-macosx_11_{0}_universal2", "gp{0}_9-none-any"),
        *("cp312-cp312-manylinux_2_{0}_x86_64", "cp312-cp312-manylinux_{0}_17_x86_64"),
        *("cp312-cp312-musllinux_1_{0}_x86_64", "cp312-cp312-manylinux{0}_x86_64", "cp312-cp312-win{0}"),
        *(
            "cp312-cp312-android_{0}_x86_64",
            "cp312-cp312-ios_{0}_0_arm64_iphoneos",
            "cp38-cp38-pyodide_{0}_0_wasm32",
        ),
        *("graalpy{0}-graalpy240_{0}_native-any", "{0}-{0}-{0}", "cp3{0}t-cp3{0}t-linux_x86_64"),
    )
]


def test_parses_tags_with_any_number_quickly() -> None:
    for tag in TAGS:
        filename = f"dipy-1.11.0-{tag}.whl"
        try:
            name = filenames.parse_filename(filename)
        except filenames.InvalidFilename:
            continue
        assert isinstance(name, WheelName)
        started = time.process_time()
        for platform in name.platforms:
            platform_tags.parse_platform_family(platform)
            platforms.parse_platform(platform)
        both = [name, NAME]
        platform_matrix.slots_by_cell(both)
        platform_matrix.platforms_by_build(both)
        expected = expected_files.parse_expected_lines(
            f"{filename}\n{tag}\ncp312-win_amd64\nsdist\n", "expected.txt"
        )
        expected.find_missing(both)
        machines = environments.target_platforms(both)
        selector = wheel_selection.WheelSelector(both)
        for machine in machines:
            selector.select(environments.target_pythons(both)[-1], machine)
        assert len(machines) < 50, tag
        assert time.process_time() - started < 2, tag


@pytest.mark.parametrize(
    "version", [*NUMBERS, *(f"{item}!1" for item in NUMBERS), *(f"1.dev{item}" for item in NUMBERS)]
)
@pytest.mark.parametrize(
    "form", ["dipy-{}-py3-none-any.whl", "dipy-1.11.0-{}-py3-none-any.whl", "dipy-{}.tar.gz"]
)
def test_parses_versions_and_builds_with_any_number(form: str, version: str) -> None:
    with contextlib.suppress(filenames.InvalidFilename):
        name = filenames.parse_filename(form.format(version))
        freshness.date_from_version(name.version)
        str(name.version)


# --- files from the user, and output of gpg --------------------------------------------------------

LINES = (
    *TEXTS,
    *TAGS,
    *(f"{SHA256}  {value}" for value in TEXTS),
    *(f"cp{item}-win_amd64" for item in NUMBERS),
)


@pytest.mark.parametrize("read", [expected_files.parse_expected_lines, sha256sums.parse_sha256sums])
def test_survives_a_hostile_line_in_a_list(read: Callable[[str, str], object]) -> None:
    for line in LINES:
        check_errors(lambda: read(line, "list.txt"), line[:100])  # noqa: B023
    check_errors(lambda: read("\n".join(LINES), "list.txt"), "all")


@pytest.mark.parametrize("number", [-1, 0, 100_001, 10**400, -(10**400)])
def test_rejects_an_impossible_file_count(number: int) -> None:
    with pytest.raises(UsageError, match="cannot expect a release") as caught:
        expected_files.expect_count(bounds.parse_digits(str(number)) or -1 if number > 0 else max(number, -1))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("key", ["pythons", "platforms", "skip", "sdist", "other"])
def test_survives_a_hostile_value_in_a_matrix(key: str) -> None:
    matrix = {"pythons": ["cp312"], "platforms": ["win_amd64"], "sdist": True}
    for value in HOSTILE:
        for inner in (value, [value]):
            check_errors(lambda: expected_files.parse_matrix({**matrix, key: inner}), str(inner)[:100])  # noqa: B023


@pytest.mark.parametrize("value", TEXTS)
def test_survives_hostile_numbers_from_gpg(value: str) -> None:
    data = value.encode("utf-8", "replace")
    result = gpg_program.GpgResult(
        exit_status=2,
        output=b"",
        status_lines=(
            gpg_program._status_fields(b"[GNUPG:] ERROR " + data),
            gpg_program._status_fields(b"[GNUPG:] FAILURE sign " + data),
        ),
        messages=(value,),
    )
    assert 0 <= result.error_code <= 0xFFFF
    for validity in "re-":
        record = f"sec:{validity}:{value}:1:{value}:{value}:{value}:::{value}:scESC:{value}:::23::0:"
        (key,) = gpg_program._parse_keys(f"{record}\nfpr:::::::::{'A' * 40}:\nuid:::::::::{value}:\n")
        assert "\n" not in key.problem


# --- members of a wheel ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", TEXTS)
def test_survives_a_hostile_size_in_record(value: str) -> None:
    row = f"a.py,sha256={'A' * 43},{value}\n"
    with contextlib.suppress(BudgetExceeded):
        for entry in record.parse_record(row.encode("utf-8", "replace")).rows:
            assert entry.size is None or 0 <= entry.size <= bounds.MAX_FILE_SIZE


FIELDS = (
    *("Metadata-Version", "Version", "Requires-Python", "Requires-Dist", "Provides-Extra", "Author-email"),
    *("Classifier", "Project-URL", "Description-Content-Type", "License-Expression", "Dynamic"),
)


@pytest.mark.parametrize("field", [*FIELDS, "Wheel-Version", "Build", "Tag"])
def test_survives_a_hostile_value_in_wheel_metadata(field: str) -> None:
    """There may be findings, but never an exception."""
    values = [value for value in TEXTS if value.isprintable() and len(value) < 4000]
    for value in [*values, f">={'9' * 300}", f"x>={'9' * 3000}", f"x @ https://h:{'9' * 30}/"]:
        member = "wheel" if field in {"Wheel-Version", "Build", "Tag"} else "metadata"
        good = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n" if member == "wheel" else GOOD
        text = f"{field}: {value}\n{good}"
        result = checks.inspect_content(content(**{member: text}), profile=CheckProfile.PYPI)
        assert result.summary is None or result.summary.name == NAME


GOOD = wheels.METADATA.format(project="dipy", version="1.11.0")

"""The API of anaconda.org: requests, answers, the state of a package, and the removal of files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.scripted_http import ScriptedHttp, make_local_wheel
from wheel_uploader.core import redaction
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    HttpStatusError,
    NetworkError,
    ReleaseError,
    TransportError,
    UsageError,
)
from wheel_uploader.core.models import FileComparison, IndexFile, ProjectPage, TargetSettings
from wheel_uploader.targets.anaconda import api, credentials, urls
from wheel_uploader.targets.anaconda.api import Answer, Api, RemoteEntry
from wheel_uploader.targets.anaconda.package import AnacondaPackage
from wheel_uploader.targets.anaconda.pip_page import PipPage
from wheel_uploader.targets.anaconda.removal import AnacondaRemover
from wheel_uploader.targets.pruning import TargetFile

URL = "https://api.anaconda.org"
TOKEN = "a-token-of-some-length"
SHA, MD5 = "ab" * 32, "cd" * 16
WHEEL = "demo-1.0.dev0-py3-none-any.whl"
PACKAGE, OWNER = "GET /package/nightlies/demo", "GET /user/nightlies"
DIST = f"/dist/nightlies/demo/1.0.dev0/{WHEEL}"
DOWNLOAD = f"/download/nightlies/demo/1.0.dev0/{WHEEL}"


def make_api(answers: Mapping[str, Any], retries: int = 1) -> tuple[ScriptedHttp, Api]:
    script = ScriptedHttp(URL, answers)
    return script, Api(script.client(retries=retries), URL, "nightlies", TOKEN)


def make_package(answers: Mapping[str, Any], retries: int = 1) -> tuple[ScriptedHttp, AnacondaPackage]:
    script = ScriptedHttp(URL, answers)
    http = script.client(retries=retries)
    return script, AnacondaPackage(Api(http, URL, "nightlies", TOKEN), http)


def entry(**values: Any) -> dict[str, Any]:
    return {"basename": WHEEL, "version": "1.0.dev0", "sha256": SHA, "labels": ["main"], "size": 5, **values}


# --- requests --------------------------------------------------------------------------------------


def test_paths_are_quoted_and_a_file_name_may_be_quoted_completely() -> None:
    script, client = make_api({"GET /a": 200})
    assert client.build_path("stage", "d+m!~", "1.0 x", escaped="a+b.whl") == (
        "stage/nightlies/d+m!~/1.0%20x/a%2Bb.whl"
    )
    assert client.build_path("user") == "user/nightlies"
    assert client.show("a?token=secret-of-a-user") == f"{URL}/a"
    client.request("GET", "a")
    [request] = script.requests
    assert request.content == b""
    assert request.headers["authorization"] == f"token {TOKEN}"


def test_without_a_token_none_is_sent() -> None:
    script = ScriptedHttp(URL, {"GET /a": 200})
    Api(script.client(), URL, "nightlies", "").request("GET", "a")
    assert "authorization" not in script.requests[0].headers


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"error": "x"}, Answer(status=200, data={"error": "x"})),
        (299, "no JSON", Answer(status=299)),
        (300, {"error": "x"}, Answer(status=300, data={"error": "x"}, words="x")),
        (404, "no JSON", Answer(status=404, words="no JSON")),
    ],
)
def test_an_answer_has_the_words_of_the_server_unless_it_is_a_success(
    status: int, body: Any, expected: Answer
) -> None:
    _, client = make_api({"POST /a": (status, body)})
    answer = client.request("POST", "a", {"b": 1})
    assert answer == expected
    assert answer.is_success == (status < 300)


def test_a_request_that_may_be_repeated_is_repeated_while_that_may_help() -> None:
    busy = (503, {"error": "busy"}, {"Retry-After": "9"})
    script, client = make_api({"GET /a": [busy, (524, ""), (404, {"error": "no"})]}, retries=3)
    assert client.ask("GET", "a") == Answer(status=404, data={"error": "no"}, words="no")
    assert script.log == ["GET /a"] * 3
    assert 9 <= script.pauses[0] <= 10
    script, client = make_api({"GET /a": busy}, retries=2)
    with pytest.raises(HttpStatusError) as caught:
        client.ask("GET", "a")
    assert script.log == ["GET /a"] * 2
    assert caught.value.message == f"{URL}/a returned 503: busy"
    assert (caught.value.status, caught.value.retry_after) == (503, 9.0)


@pytest.mark.parametrize(
    ("status", "words", "error", "message", "hint"),
    [
        (500, "", HttpStatusError, f"{URL}/a returned 500", NetworkError.default_hint),
        (501, "", TransportError, f"{URL}/a returned 501", NetworkError.default_hint),
        (
            401,
            "It has EXPIRED",
            CredentialsError,
            'the token has expired (status 401); the server said: "It has EXPIRED"',
            "Create a new token, and set ANACONDA_API_TOKEN to it.",
        ),
        (
            403,
            "missing Scope",
            CredentialsError,
            'the token lacks a right (status 403); the server said: "missing Scope"',
            "Create a token with the rights to upload and to write to the API (api:write).",
        ),
        (
            401,
            "",
            CredentialsError,
            "the token was rejected (status 401)",
            "Check that ANACONDA_API_TOKEN is a token of this server with write access to the organization.",
        ),
    ],
)
def test_errors_of_a_request_name_the_problem(
    status: int, words: str, error: type[ReleaseError], message: str, hint: str
) -> None:
    script, client = make_api({"GET /a": (status, {"error": words})}, retries=3)
    with pytest.raises(error) as caught:
        client.ask_once("GET", "a")
    assert type(caught.value) is error
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert len(script.log) == 1


def test_an_answer_that_was_not_expected_is_quoted() -> None:
    _, client = make_api({})
    assert client.explain("PUT", "a", Answer(status=418, words="tea")).message == (
        f"PUT {URL}/a was answered with 418: tea"
    )
    assert client.explain("PUT", "a", Answer(status=418)).message == f"PUT {URL}/a was answered with 418"


# --- entries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, [], "x", {}, {"basename": 5}])
def test_an_entry_without_a_name_is_not_a_file(value: object) -> None:
    assert api.parse_entry(value) is None


def test_a_file_of_the_api_is_read_with_its_valid_values() -> None:
    full = {"md5": MD5.upper(), "sha1": "ef" * 20, "download_url": "//files.example/a?x=1"}
    value = entry(basename=f"linux-64/{WHEEL}", **full)
    assert api.parse_entry(value, f"{URL}/") == RemoteEntry(
        basename=WHEEL,
        version="1.0.dev0",
        hashes={"sha256": SHA, "md5": MD5},
        size=5,
        labels=("main",),
        download_url="https://files.example/a?x=1",
    )
    assert api.parse_entry(value) == RemoteEntry(
        basename=WHEEL,
        version="1.0.dev0",
        hashes={"sha256": SHA, "md5": MD5},
        size=5,
        labels=("main",),
    )
    odd = {"basename": WHEEL, "version": 1, "sha256": "None", "md5": None, "size": "5", "download_url": 7}
    bare = RemoteEntry(basename=WHEEL, hashes={})
    assert api.parse_entry(odd, f"{URL}/") == bare
    assert api.parse_entry({**odd, "download_url": "", "labels": "main"}, f"{URL}/") == bare


def test_labels_may_be_called_channels_and_are_limited() -> None:
    old = api.parse_entry({"basename": WHEEL, "channels": ["dev", None, 3, "main"]})
    assert old
    assert old.labels == ("dev", "main")
    many = api.parse_entry({"basename": WHEEL, "labels": [str(number) for number in range(1001)]})
    assert many
    assert many.labels == tuple(str(number) for number in range(1000))


def test_only_files_of_the_type_pypi_are_listed() -> None:
    values: list[object] = [
        entry(),
        entry(basename="a", distribution_type="pypi"),
        entry(basename="b", type="pypi"),
        entry(basename="c", distribution_type="conda"),
        entry(basename="d", type="conda"),
        entry(basename="e", distribution_type="pypi", type="conda"),
        None,
        "x",
        {},
    ]
    assert [each.basename for each in api.parse_entries(values)] == [WHEEL, "a", "b", "e"]


def test_a_listing_has_at_most_200000_files() -> None:
    values: list[object] = [{}] * 200_000
    assert list(api.parse_entries(values)) == []
    with pytest.raises(NetworkError, match="the API lists more than 200000 files of one package"):
        list(api.parse_entries([*values, {}]))


# --- the token -------------------------------------------------------------------------------------


@pytest.fixture
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*credentials.TOKEN_VARIABLES, "MINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_tokens")
def test_the_first_origin_with_a_token_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TargetSettings(token_variable="MINE")
    assert credentials.find_token(settings) == credentials.Token()
    known = {"from_url": "", "pypirc_password": "token-of-pypirc"}
    assert credentials.find_token(settings, **known).origin == ".pypirc"
    monkeypatch.setenv("BINSTAR_API_TOKEN", "token-of-binstar")
    assert credentials.find_token(settings, **known).origin == "BINSTAR_API_TOKEN"
    monkeypatch.setenv("ANACONDA_API_TOKEN", "token-of-anaconda")
    assert credentials.find_token(settings, **known).origin == "ANACONDA_API_TOKEN"
    known["from_url"] = "token-of-url"
    assert credentials.find_token(settings, **known).origin == "the upload URL"
    monkeypatch.setenv("MINE", "\ttoken-of-mine\n")
    found = credentials.find_token(settings, **known)
    assert found == credentials.Token(value="token-of-mine", origin="MINE")
    assert "token-of-mine" not in repr(found)
    # All that were found are secrets of the run.
    for name in ("pypirc", "binstar", "anaconda", "url", "mine"):
        assert f"token-of-{name}" not in redaction.sanitize(f"x token-of-{name} x")
    # A section without a variable takes none.
    assert credentials.find_token(TargetSettings(), **known).origin == "the upload URL"


@pytest.mark.usefixtures("no_tokens")
@pytest.mark.parametrize("value", ["two words", "tab\tinside", "bell\x07inside", "umläut"])
def test_a_value_that_cannot_be_a_token_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    with pytest.raises(CredentialsError) as caught:
        credentials.find_token(TargetSettings(), pypirc_password=value)
    assert caught.value.message == "the token in .pypirc contains blanks or control characters"
    assert caught.value.hint == "Set it to the token alone."


@pytest.mark.usefixtures("no_tokens")
@pytest.mark.parametrize("value", ["$ANACONDA_API_TOKEN", '"a-token-in-quotes"'])
def test_a_value_that_a_shell_should_have_changed_is_refused(value: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        credentials.find_token(TargetSettings(), pypirc_password=value)
    assert caught.value.message.startswith("the token in .pypirc")
    assert value not in caught.value.message
    assert caught.value.hint == "Set it to the token alone."


@pytest.mark.parametrize(("variable", "name"), [("", "ANACONDA_API_TOKEN"), ("MINE", "MINE")])
def test_a_missing_token_names_the_variable_to_set(variable: str, name: str) -> None:
    error = credentials.explain_missing(TargetSettings(token_variable=variable))
    assert error.message == f"there is no token for anaconda.org: {name} is not set"
    assert error.hint == f"Create a token in the settings of the organization, and set {name} to it."


# --- URLs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["anaconda.org", *(f"{name}.anaconda.org" for name in ("www", "api", "pypi", "conda"))]
)
def test_every_host_of_the_site_is_known(host: str) -> None:
    assert urls.claims(f"https://{host}/ORG")
    assert urls.parse_upload_url(f"https://{host}/ORG").owner == "ORG"


@pytest.mark.parametrize(
    "prefix", ["package", "packages", "release", "dist", "download", "user", "channels", "stage"]
)
def test_paths_of_the_api_name_the_organization_second(prefix: str) -> None:
    assert urls.parse_upload_url(f"https://api.anaconda.org/{prefix}/ORG/demo").owner == "ORG"
    # On the site, an organization may have this name.
    assert urls.parse_upload_url(f"https://anaconda.org/{prefix}/demo").owner == prefix


@pytest.mark.parametrize("url", ["https://[anaconda.org/ORG", "anaconda.org/ORG", "https://index.example/"])
def test_another_text_is_not_a_url_of_the_site(url: str) -> None:
    assert urls.claims(url) is False


def test_parts_of_a_url_are_decoded() -> None:
    parsed = urls.parse_upload_url("https://anaconda.org/t/my%2Dtoken/ORG%2E1/label/a%2Bb?label=c")
    assert parsed == urls.AnacondaUrl(owner="ORG.1", label="a+b", token="my-token")
    assert urls.parse_upload_url("https://anaconda.org/ORG?label=c&label=d").label == "c"
    assert "my-token" not in redaction.sanitize("x my-token x")
    # "label" itself may be the organization.
    assert urls.parse_upload_url("https://anaconda.org/label/label/x").label == "x"
    assert urls.parse_upload_url("https://anaconda.org/label/x").label == ""
    with pytest.raises(UsageError) as caught:
        urls.parse_upload_url("https://anaconda.org/t/my-token")
    assert caught.value.message == "https://anaconda.org/t/*** names no organization".replace(
        "***", caught.value.message.split("/t/")[1].split(" ")[0]
    )
    assert "my-token" not in caught.value.message
    assert caught.value.hint == "Pass the URL of the organization or user: https://anaconda.org/ORG."


@pytest.mark.parametrize(("length", "is_valid"), [(200, True), (201, False)])
def test_the_name_of_an_organization_has_at_most_200_characters(length: int, is_valid: bool) -> None:
    url = f"https://anaconda.org/{'o' * length}"
    if is_valid:
        assert urls.parse_upload_url(url).owner == "o" * length
    else:
        with pytest.raises(UsageError):
            urls.parse_upload_url(url)


def test_labels_are_checked_and_taken_once() -> None:
    assert urls.check_labels(["dev", "a.b_c:d+e-f", "dev", "l" * 100]) == ("dev", "a.b_c:d+e-f", "l" * 100)
    for label in ("", "a/b", "-a", "a b", "l" * 101):
        with pytest.raises(UsageError) as caught:
            urls.check_labels([label])
        assert caught.value.message.endswith("is not a label of anaconda.org")
        assert caught.value.hint == "Use letters, digits, '.', '_', ':', '+' and '-', such as main or dev."


def test_the_pages_of_pip_are_quoted() -> None:
    assert urls.pip_root("o/x", ["a/b"]) == "https://pypi.anaconda.org/o%2Fx/label/a%2Fb/simple/"
    assert urls.pip_root("o/x", ["main"]) == "https://pypi.anaconda.org/o%2Fx/simple/"


def test_the_api_is_that_of_the_variable_or_of_the_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(urls.API_VARIABLE, raising=False)
    assert urls.find_api_url("", ()) == "https://api.anaconda.org"
    assert urls.find_api_url(" https://api.example/x/ ", ()) == "https://api.example/x"
    assert urls.find_api_url("http://127.0.0.1:8/api", ()) == "http://127.0.0.1:8/api"
    assert urls.find_api_url("http://api.example", ("API.example",)) == "http://api.example"
    cases = {
        "http://api.example": "refusing to send a token to http://api.example without encryption",
        "https://u@api.example": "must be a URL without user name, query and fragment",
        "https://api.example?a": "must be a URL without user name, query and fragment",
        "https://api.example#a": "must be a URL without user name, query and fragment",
        "x": "is not a valid URL",
    }
    for url, words in cases.items():
        with pytest.raises(UsageError, match=words) as caught:
            urls.find_api_url(url, ())
        assert "anaconda-api" in caught.value.message
    monkeypatch.setenv(urls.API_VARIABLE, "http://api.example")
    with pytest.raises(UsageError) as caught:
        urls.find_api_url("https://other.example", ())
    assert urls.API_VARIABLE in caught.value.message
    assert caught.value.hint == "Use https."


# --- the package -----------------------------------------------------------------------------------


def test_a_package_lists_its_files_and_keeps_those_of_the_release(tmp_path: Path) -> None:
    other = entry(basename="demo-0.9.tar.gz", version="0.9", md5=MD5, sha256=None)
    script, package = make_package({PACKAGE: (200, {"files": [entry(), other, entry(type="conda")]})})
    package.set_release([make_local_wheel(tmp_path)])
    assert (package.name, package.version) == ("demo", "1.0.dev0")
    assert package.host == "api.anaconda.org"
    assert package.fetch("demo") == ProjectPage(
        url=f"{URL}/package/nightlies/demo",
        exists=True,
        files=(
            IndexFile(filename=WHEEL, url=f"{URL}{DOWNLOAD}", hashes={"sha256": SHA}, size=5),
            IndexFile(
                filename="demo-0.9.tar.gz",
                url=f"{URL}/download/nightlies/demo/0.9/demo-0.9.tar.gz",
                hashes={"md5": MD5},
                size=5,
            ),
        ),
        page_format="json",
    )
    assert list(package.entries) == [WHEEL]
    assert package.exists
    # Files that are gone are forgotten.
    script.answers[PACKAGE] = (200, {"files": []})
    package.fetch("demo")
    assert package.entries == {}


def test_before_the_release_is_known_the_name_is_normalized() -> None:
    script, package = make_package({"GET /package/nightlies/de-mo": (200, {"files": []})})
    assert package.fetch("De_Mo").files == ()
    assert script.log == ["GET /package/nightlies/de-mo"]
    assert package.entries == {}


def test_a_missing_package_is_empty_if_its_organization_exists(tmp_path: Path) -> None:
    script, package = make_package({PACKAGE: [(200, {"files": [entry()]}), 404], OWNER: (200, {})})
    package.set_release([make_local_wheel(tmp_path)])
    package.fetch("demo")
    page = package.fetch("demo")
    assert page == ProjectPage(url=f"{URL}/package/nightlies/demo", exists=False, page_format="json")
    assert (package.exists, package.entries) == (False, {})
    script.answers[OWNER] = 404
    with pytest.raises(UsageError) as caught:
        package.fetch("demo")
    assert caught.value.message == ("the organization or user nightlies does not exist on api.anaconda.org")
    assert caught.value.hint == "Correct the URL of the target."
    script.answers[OWNER] = (418, {"error": "tea"})
    with pytest.raises(NetworkError, match=r"GET .*/user/nightlies was answered with 418: tea"):
        package.fetch("demo")


@pytest.mark.parametrize(
    "answer", [(200, "x"), (200, "[]"), (200, {}), (402, {"files": []}), (300, {"a": 1})]
)
def test_an_answer_that_is_not_a_package_is_an_error(answer: Any) -> None:
    _, package = make_package({PACKAGE: answer})
    with pytest.raises(NetworkError, match=r"GET .*/package/nightlies/demo was answered with"):
        package.fetch("demo")


def test_without_a_list_each_file_is_requested(tmp_path: Path) -> None:
    files = [make_local_wheel(tmp_path), make_local_wheel(tmp_path, tag="cp312-cp312-win_amd64")]
    second = DIST.replace("py3-none-any", "cp312-cp312-win_amd64")
    answers = {PACKAGE: (200, {"name": "demo"}), f"GET {DIST}": (200, entry()), f"GET {second}": 404}
    script, package = make_package(answers)
    package.set_release(files)
    page = package.fetch("demo")
    assert [file.filename for file in page.files] == [WHEEL]
    assert list(package.entries) == [WHEEL]
    assert script.log[0] == PACKAGE
    assert sorted(script.log[1:]) == sorted([f"GET {DIST}", f"GET {second}"])


@pytest.mark.parametrize(
    "answer",
    [
        (200, "x"),
        (200, "[]"),
        (200, {"sha256": None}),
        (200, entry(basename="other.whl")),
        (418, entry()),
        (300, entry()),
    ],
)
def test_an_answer_that_is_not_the_file_is_an_error(tmp_path: Path, answer: Any) -> None:
    _, package = make_package({f"GET {DIST}": answer})
    package.set_release([make_local_wheel(tmp_path)])
    with pytest.raises(NetworkError, match=r"GET .*/dist/nightlies/demo/1.0.dev0/.* was answered with"):
        package.fetch_entry(WHEEL)
    assert package.entries == {}


def test_one_file_is_looked_at_by_its_version(tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path)
    script, package = make_package({f"GET {DIST}": [(200, entry(sha256=file.sha256)), (200, entry()), 404]})
    package.set_release([file])
    assert package.fetch_file_state(file).result is FileComparison.SAME
    assert package.entries[WHEEL].hashes == {"sha256": file.sha256}
    different = package.fetch_file_state(file)
    assert (different.result, different.index_sha256) == (FileComparison.DIFFERENT, SHA)
    assert package.fetch_file_state(file).result is FileComparison.ABSENT
    assert package.entries == {}
    # A saved file of another version.
    old = make_local_wheel(tmp_path, "0.9")
    path = "GET /dist/nightlies/demo/0.9/demo-0.9-py3-none-any.whl"
    script.answers[path] = 404
    assert package.fetch_file_state(old).result is FileComparison.ABSENT
    assert script.log[-1] == path


def test_files_are_compared_by_md5_if_nothing_else_is_known(tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path)
    md5 = hashlib.md5(file.path.read_bytes()).hexdigest()
    script, package = make_package(
        {f"GET {DIST}": [(200, entry(sha256=None, md5=each)) for each in (md5, MD5)]}
    )
    package.set_release([file])
    assert package.fetch_file_state(file).result is FileComparison.SAME
    different = package.fetch_file_state(file)
    assert different.result is FileComparison.DIFFERENT
    assert different.index_sha256 == f"unknown (md5 {MD5})"
    assert [each for each in script.log if "download" in each] == []
    # The sha256 counts if both are known.
    script.answers[f"GET {DIST}"] = (200, entry(md5=md5))
    assert package.fetch_file_state(file).index_sha256 == SHA


def test_a_hash_that_is_not_listed_is_computed_from_a_download(tmp_path: Path) -> None:
    data = b"bytes"
    # The storage may be on any host.
    moved = (302, "", {"location": "https://files.example/a"})
    answers = {f"GET {DOWNLOAD}": [httpx.ReadError("cut"), moved], "GET https://files.example/a": (200, data)}
    script, package = make_package(answers, retries=2)
    file = IndexFile(filename=WHEEL, url=f"{URL}{DOWNLOAD}", hashes={})
    assert package.get_sha256(file) == hashlib.sha256(data).hexdigest()
    assert script.log == [f"GET {DOWNLOAD}"] * 2 + ["GET https://files.example/a"]
    assert "authorization" not in script.requests[2].headers
    assert package.get_sha256(IndexFile(filename=WHEEL, url="", hashes={"sha256": SHA})) == SHA
    local = make_local_wheel(tmp_path)
    [state] = package.compare(ProjectPage(url="", exists=True, files=(file,)), [local])
    assert state.index_sha256 == hashlib.sha256(data).hexdigest()


def test_the_page_of_pip_takes_a_missing_hash_from_the_api() -> None:
    data = b"new"
    script = ScriptedHttp("https://pypi.anaconda.org", {"GET /f/a": (200, data), "GET /f/b": (200, data)})
    entries = {name: RemoteEntry(basename=name, hashes={"sha256": SHA}) for name in ("a", "b")}
    entries["c"] = RemoteEntry(basename="c", hashes={"md5": MD5})
    page = PipPage(script.client(), "https://pypi.anaconda.org/o/simple/", entries, {"b"})
    url = "https://pypi.anaconda.org/f"

    def served(name: str, **hashes: str) -> IndexFile:
        return IndexFile(filename=name, url=f"{url}/{name}", hashes=hashes)

    downloaded = hashlib.sha256(data).hexdigest()
    assert page.get_sha256(served("a")) == SHA
    assert page.get_sha256(served("a", sha256="ef" * 32)) == "ef" * 32
    assert script.log == []
    # A replaced file, and one that the API does not know, are downloaded.
    assert page.get_sha256(served("b")) == downloaded
    script.answers |= {"GET /f/c": (200, data), "GET /f/d": (200, data)}
    assert page.get_sha256(served("c")) == downloaded
    assert page.get_sha256(served("d")) == downloaded


# --- removal ---------------------------------------------------------------------------------------


def make_remover(answers: Mapping[str, Any], retries: int = 1) -> tuple[ScriptedHttp, AnacondaRemover]:
    script = ScriptedHttp(URL, answers)
    http = script.client(retries=retries)
    return script, AnacondaRemover(Api(http, URL, "nightlies", TOKEN), http, "demo")


LISTED = TargetFile(filename=WHEEL, version="1.0.dev0", hashes={"sha256": SHA}, labels=("main",))


def test_all_files_are_listed_with_the_reason_to_keep_them() -> None:
    time = "2020-01-02 08:00:00+00:00"
    files = [
        entry(distribution_type="pypi", upload_time=time),
        entry(basename="a", type="pypi", labels=["dev", "main"]),
        entry(basename="b", type="conda"),
        entry(basename="c"),
        entry(basename="d", type="pypi", labels=[]),
        entry(basename="e", type="pypi", sha256=None),
    ]
    _, remover = make_remover({PACKAGE: (200, {"name": "Demo", "files": files})})
    common: dict[str, Any] = {"version": "1.0.dev0", "hashes": {"sha256": SHA}, "labels": ("main",)}
    assert remover.list_files() == (
        TargetFile(filename=WHEEL, uploaded_at=datetime(2020, 1, 2, 8, tzinfo=UTC), **common),
        TargetFile(filename="a", **{**common, "labels": ("dev", "main")}),
        TargetFile(filename="b", kept_because="of the type conda, not pypi", **common),
        TargetFile(filename="c", kept_because="of the type None, not pypi", **common),
        TargetFile(filename="d", kept_because="its labels are unknown", **{**common, "labels": ()}),
        TargetFile(filename="e", kept_because="its hash is unknown", **{**common, "hashes": {}}),
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (201, {"files": [entry()]}),
            "GET https://api.anaconda.org/package/nightlies/demo was answered with 201",
        ),
        ((404, {}), "was answered with 404"),
        ((200, "[]"), "was answered with 200"),
        ((200, {"name": "other", "files": [entry()]}), "describes another package; nothing was removed"),
        ((200, {"name": "demo"}), "does not list the files; nothing was removed"),
        ((200, {"files": []}), "does not list the files; nothing was removed"),
        ((200, {"files": {"a": 1}}), "does not list the files; nothing was removed"),
        ((200, {"files": [None]}), "lists a file without a name or a version"),
        ((200, {"files": [entry(version="")]}), "lists a file without a name or a version"),
    ],
)
def test_a_listing_that_is_not_understood_is_an_error(answer: Any, words: str) -> None:
    _, remover = make_remover({PACKAGE: answer})
    with pytest.raises(NetworkError) as caught:
        remover.list_files()
    assert words in caught.value.message
    assert f"{URL}/package/nightlies/demo" in caught.value.message


def test_a_listing_with_too_many_files_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from wheel_uploader.targets.anaconda import removal

    assert api.MAX_FILES == 200_000
    monkeypatch.setattr(removal, "MAX_FILES", 2)
    script, remover = make_remover({PACKAGE: (200, {"files": [entry()] * 2})})
    assert len(remover.list_files()) == 2
    script.answers[PACKAGE] = (200, {"files": [entry()] * 3})
    with pytest.raises(NetworkError, match="does not list the files"):
        remover.list_files()


@pytest.mark.parametrize("status", [200, 204, 404, 410])
def test_a_file_is_looked_at_and_removed(status: int) -> None:
    script, remover = make_remover({f"GET {DIST}": (200, entry()), f"DELETE {DIST}": status})
    remover.remove(LISTED, ())
    assert script.log == [f"GET {DIST}", f"DELETE {DIST}"]
    assert script.requests[1].content == b""


def test_a_file_that_is_gone_is_not_removed_again() -> None:
    script, remover = make_remover({f"GET {DIST}": 404})
    remover.remove(LISTED, ())
    assert script.log == [f"GET {DIST}"]


@pytest.mark.parametrize(
    "file",
    [
        TargetFile(filename="", version="1.0.dev0"),
        TargetFile(filename=WHEEL, version=""),
    ],
)
def test_a_removal_that_would_not_be_complete_is_not_sent(file: TargetFile) -> None:
    script, remover = make_remover({})
    with pytest.raises(NetworkError, match="would not be complete"):
        remover.remove(file, ())
    with pytest.raises(NetworkError, match=f"the request to remove {WHEEL} would not be complete"):
        remover.remove(LISTED, ("main", ""))
    assert script.log == []


def test_labels_are_removed_one_by_one_if_the_file_has_them() -> None:
    listed = TargetFile(
        filename=WHEEL, version="1.0.dev0", hashes={"sha256": SHA}, labels=("main", "dev", "a/b", "gone")
    )
    now = entry(labels=["main", "dev", "a/b"])
    paths = [f"DELETE /channels/nightlies/{label}" for label in ("a%2Fb", "dev")]
    script, remover = make_remover({f"GET {DIST}": (200, now), **dict.fromkeys(paths, 201)})
    remover.remove(listed, ("a/b", "dev", "gone"))
    assert script.log == [f"GET {DIST}", *paths]
    body = {"package": "demo", "version": "1.0.dev0", "basename": WHEEL}
    assert [request.json for request in script.requests[1:]] == [body, body]


@pytest.mark.parametrize(
    ("now", "labels"),
    [
        (entry(sha256="ef" * 32), ()),
        (entry(sha256=None), ()),
        (entry(md5=MD5), ()),
        (entry(basename="other"), ()),
        (entry(labels=["main", "new"]), ()),
        (entry(labels=["other"]), ("main",)),
        (entry(labels=["main", "new"]), ("main",)),
    ],
)
def test_a_file_that_changed_is_not_removed(now: dict[str, Any], labels: tuple[str, ...]) -> None:
    script, remover = make_remover({f"GET {DIST}": (200, now)}, retries=3)
    listed = TargetFile(
        filename=WHEEL,
        version="1.0.dev0",
        hashes={"sha256": SHA},
        labels=("main", "other") if labels else ("main",),
    )
    if now["labels"] == ["other"]:
        listed = TargetFile(
            filename=WHEEL, version="1.0.dev0", hashes={"sha256": SHA}, labels=("main", "kept")
        )
    with pytest.raises(ConflictError) as caught:
        remover.remove(listed, labels)
    assert caught.value.message == f"{WHEEL} has changed since it was listed"
    assert caught.value.hint == "Find out which other job changes files of this organization."
    assert script.log == [f"GET {DIST}"]


def test_a_file_may_have_lost_labels_that_it_would_lose() -> None:
    listed = TargetFile(filename=WHEEL, version="1.0.dev0", hashes={"sha256": SHA}, labels=("main", "dev"))
    script, remover = make_remover({f"GET {DIST}": (200, entry(labels=["dev"])), f"DELETE {DIST}": 200})
    remover.remove(listed, ())
    assert script.log[-1] == f"DELETE {DIST}"


def test_a_removal_that_fails_is_looked_at_before_it_is_repeated() -> None:
    script, remover = make_remover({f"GET {DIST}": (200, entry()), f"DELETE {DIST}": [503, 200]}, retries=2)
    remover.remove(LISTED, ())
    assert script.log == [f"GET {DIST}", f"DELETE {DIST}"] * 2
    script, remover = make_remover({f"GET {DIST}": [(200, entry()), 404], f"DELETE {DIST}": 524}, retries=2)
    remover.remove(LISTED, ())
    assert script.log == [f"GET {DIST}", f"DELETE {DIST}", f"GET {DIST}"]


@pytest.mark.parametrize("answer", [(200, "x"), (204, ""), (418, entry())])
def test_an_answer_about_another_thing_removes_nothing(answer: Any) -> None:
    script, remover = make_remover({f"GET {DIST}": answer})
    with pytest.raises(NetworkError, match=r"GET .* was answered with"):
        remover.remove(LISTED, ())
    assert script.log == [f"GET {DIST}"]


@pytest.mark.parametrize("status", [300, 400, 409])
def test_a_removal_that_is_not_accepted_is_an_error(status: int) -> None:
    script, remover = make_remover({f"GET {DIST}": (200, entry()), f"DELETE {DIST}": status}, retries=3)
    with pytest.raises(NetworkError, match=rf"DELETE .* was answered with {status}"):
        remover.remove(LISTED, ())
    assert len(script.log) == 2

"""Test the pure parts of GitHub releases as a target: URLs, JSON, responses, the choice of a release."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    ListingError,
    NetworkError,
    OptionError,
    ReleaseError,
    TransportError,
    UsageError,
)
from wheel_uploader.core.models import AttestationPolicy, Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http import retry
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.github_api import API_URL
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.signing.attestations import require_attestation_support
from wheel_uploader.targets import open_target
from wheel_uploader.targets.github_releases import checksums, release_choice, release_json, responses
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.location import claims, parse_release_url
from wheel_uploader.targets.github_releases.release_json import Asset, GitHubRelease
from wheel_uploader.targets.github_releases.target import GitHubReleasesTarget
from wheel_uploader.upload.response_rules import ResponseKind

TOKEN = "ghs_0123456789abcdefABCDEF"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GITHUB_TOKEN",
        "GH_ENTERPRISE_TOKEN",
        "GITHUB_ENTERPRISE_TOKEN",
        "GITHUB_SERVER_URL",
        "GH_HOST",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_TOKEN", TOKEN)


# --- URLs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "tag", "release_id", "draft_page"),
    [
        ("/releases", "", "", ""),
        ("/releases/", "", "", ""),
        ("/releases/new", "", "", ""),
        ("/releases/tag/v1.0", "v1.0", "", ""),
        ("/releases/tag/demo%2Fv1.0", "demo/v1.0", "", ""),
        ("/releases/tag/demo/v1.0", "demo/v1.0", "", ""),
        ("/releases/edit/v1.0", "v1.0", "", ""),
        ("/releases/tag/untagged-0a1b2c", "", "", "untagged-0a1b2c"),
        ("/releases/123", "", "123", ""),
    ],
)
def test_urls_that_people_paste_name_a_release(path: str, tag: str, release_id: str, draft_page: str) -> None:
    url = f"https://github.com/owner/demo{path}"
    assert claims(url)
    location = parse_release_url(url)
    assert location.full_name == "owner/demo"
    assert (location.tag, location.release_id, location.draft_page) == (tag, release_id, draft_page)
    assert location.url == "https://github.com/owner/demo/releases"


@pytest.mark.parametrize(
    "path",
    ["", "/owner", "/owner/demo", "/owner/demo/actions", "/owner/demo/releases/latest", "/o o/d/releases"],
)
def test_other_pages_of_github_are_refused_with_the_right_form(path: str) -> None:
    assert claims(f"https://github.com{path}")
    with pytest.raises(UsageError) as caught:
        parse_release_url(f"https://github.com{path}")
    assert "https://github.com/OWNER/REPO/releases" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/owner/demo", "is not the URL of the releases of a repository"),
        (f"/{'o' * 101}/demo/releases", "is not the URL of the releases of a repository"),
        (f"/owner/{'d' * 101}/releases", "is not the URL of the releases of a repository"),
        ("/owner/d o/releases", "is not the URL of the releases of a repository"),
        ("/owner/demo/releases/tag", "does not name one release to upload to"),
        ("/owner/demo/releases/latest", "does not name one release to upload to"),
        (f"/owner/demo/releases/{'1' * 19}", "does not name one release to upload to"),
        ("/owner/demo/releases/1/x", "does not name one release to upload to"),
    ],
)
def test_a_url_that_names_no_release_says_why(path: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_release_url(f"https://github.com{path}")
    assert caught.value.message == f"https://github.com{path} {message}"
    assert caught.value.hint == "Pass https://github.com/OWNER/REPO/releases, or .../releases/tag/TAG."


def test_long_names_and_numbers_of_a_url_are_taken() -> None:
    owner, name, number = "o" * 100, "d.-_" * 25, "1" * 18
    location = parse_release_url(f"https://github.com/{owner}/{name}/releases/{number}?x=1")
    assert (location.full_name, location.release_id) == (f"{owner}/{name}", number)
    page = "untagged-" + "0f" * 32
    assert parse_release_url(f"https://github.com/o/d/releases/edit/{page}").draft_page == page
    assert parse_release_url(f"https://github.com/o/d/releases/tag/{page}0").tag == f"{page}0"
    assert parse_release_url("https://github.com/o/d/releases/tags/v%201").tag == "v 1"
    assert parse_release_url("https://api.github.com/repos/o/d/releases/5").release_id == "5"
    # A named tag is not derived.
    tagged = parse_release_url("https://github.com/o/d/releases/tag/x")
    assert tagged.list_tags(Version("1.0"), "1.0") == ("x",)


def test_token_in_the_url_is_refused_and_not_shown() -> None:
    secret = "ghp_secret987654"
    with pytest.raises(UsageError) as caught:
        parse_release_url(f"https://{secret}@github.com/owner/demo/releases")
    assert secret not in str(caught.value)
    assert "GH_TOKEN" in caught.value.hint


def test_enterprise_server_is_known_by_the_variables_of_gh_and_actions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "https://git.example/owner/demo/releases/tag/v1.0"
    assert claims(url) is False
    monkeypatch.setenv("GH_HOST", "git.example")
    assert claims(url)
    assert not claims("https://git.example/simple/")
    location = parse_release_url(url)
    assert location.url == "https://git.example/owner/demo/releases"
    assert location.repository.build_api_url() == "https://git.example/api/v3"
    monkeypatch.setenv("GH_HOST", "octo.ghe.com")
    cloud = parse_release_url("https://octo.ghe.com/owner/demo/releases")
    assert cloud.repository.build_api_url() == "https://api.octo.ghe.com"


@pytest.mark.parametrize(
    ("version", "spelling", "tags"),
    [
        ("1.0", "1.0", ("v1.0", "1.0")),
        ("1.0rc1", "1.0.rc1", ("v1.0rc1", "1.0rc1", "v1.0.rc1", "1.0.rc1")),
    ],
)
def test_tag_is_derived_from_the_version_and_its_spelling(
    version: str, spelling: str, tags: tuple[str, ...]
) -> None:
    location = parse_release_url("https://github.com/owner/demo/releases")
    assert location.list_tags(Version(version), spelling) == tags


def test_number_of_a_release_is_refused_for_other_targets() -> None:
    options = Options(
        project="demo",
        version="1.0",
        urls=("https://staging.example/",),
        repository_url="https://index.example/legacy/",
        release_id=7,
    )
    with pytest.raises(OptionError, match="only GitHub releases have such a number"):
        open_target(options, SilentProgress())


def test_url_of_releases_opens_this_target() -> None:
    options = Options(
        project="demo",
        version="1.0",
        urls=("https://staging.example/",),
        repository_url="https://github.com/owner/demo/releases",
    )
    target = open_target(options, SilentProgress())
    assert isinstance(target, GitHubReleasesTarget)
    assert target.login == "token in GH_TOKEN"
    target.close()


def test_write_only_is_refused_because_drafts_must_be_found() -> None:
    options = Options(
        project="demo",
        version="1.0",
        urls=("https://staging.example/",),
        repository_url="https://github.com/owner/demo/releases",
        write_only=True,
    )
    with pytest.raises(OptionError, match="always read"):
        open_target(options, SilentProgress())


def test_attestations_may_be_required_where_they_are_stored_as_files() -> None:
    options = Options(
        project="demo",
        version="1.0",
        urls=("https://staging.example/",),
        repository_url="https://github.com/owner/demo/releases",
        attestations=AttestationPolicy.REQUIRE,
    )
    target = open_target(options, SilentProgress())
    require_attestation_support(options, target.info)
    target.close()
    with pytest.raises(UsageError, match="does not accept attestations"):
        require_attestation_support(options, replace(target.info, stores_attestations=False))


# --- JSON ------------------------------------------------------------------------------------------

ASSET = {
    "id": 5,
    "name": "demo-1.0.tar.gz",
    "state": "uploaded",
    "size": 3,
    "digest": "sha256:" + "AB" * 32,
    "browser_download_url": "https://github.com/owner/demo/releases/download/v1.0/demo-1.0.tar.gz",
}


def test_asset_is_read_with_its_digest_in_lower_case() -> None:
    asset = release_json.read_asset(json.dumps(ASSET), "api")
    assert asset.sha256 == "ab" * 32
    assert not asset.is_unfinished


@pytest.mark.parametrize("change", [{"state": "starter"}, {"state": "open"}, {"size": 0}])
def test_asset_of_a_failed_upload_is_unfinished(change: dict[str, object]) -> None:
    assert release_json.read_asset(json.dumps({**ASSET, **change}), "api").is_unfinished


@pytest.mark.parametrize(
    ("digest", "size"), [("md5:abc", 3), ("sha256:zz", 3), (None, 3), (7, 3), ("sha256:" + "a" * 32, 10**30)]
)
def test_impossible_digests_and_sizes_are_not_believed(digest: object, size: int) -> None:
    asset = release_json.read_asset(json.dumps({**ASSET, "digest": digest, "size": size}), "api")
    assert asset.sha256 == ""
    assert asset.size in (3, None)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "draft", "assets", "digest", "size", "full_name"]), inner
        )
    ),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_any_json_is_read_or_refused_with_a_listing_error(value: object) -> None:
    text = json.dumps(value)
    readers = (
        release_json.read_release,
        release_json.read_releases,
        release_json.read_asset,
        release_json.read_assets,
        release_json.read_repository,
    )
    for read in readers:
        try:
            read(text, "api")
        except ListingError as error:
            assert "api" in error.message


# --- responses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "error", "exit_code"),
    [
        (401, "Bad credentials", ResponseKind.REJECTED, CredentialsError, 4),
        (403, "Resource not accessible by integration", ResponseKind.REJECTED, CredentialsError, 4),
        (404, "Not Found", ResponseKind.REJECTED, CredentialsError, 4),
        (413, "", ResponseKind.REJECTED, FileError, 6),
        (422, "Validation Failed", ResponseKind.REJECTED, FileError, 6),
        (422, "Cannot upload assets to an immutable release", ResponseKind.REJECTED, ConflictError, 7),
        (307, "Moved", ResponseKind.REJECTED, UsageError, 2),
        (400, "Bad Size", ResponseKind.REJECTED, NetworkError, 5),
        (500, "Error creating asset temp dir", ResponseKind.RETRY, NetworkError, 5),
        (502, "", ResponseKind.RETRY, NetworkError, 5),
        (599, "", ResponseKind.RETRY, NetworkError, 5),
        (201, "", ResponseKind.ACCEPTED, NetworkError, 5),
    ],
)
def test_response_has_a_kind_and_an_error(
    status: int, body: str, kind: ResponseKind, error: type[ReleaseError], exit_code: int
) -> None:
    answer = responses.classify(status, {}, json.dumps({"message": body}))
    assert answer.kind is kind
    assert answer.error_type is error
    assert answer.to_error("demo").exit_code == exit_code
    assert body in answer.summary or kind is ResponseKind.ACCEPTED


def test_name_that_is_taken_is_known_by_its_code() -> None:
    body = {"message": "Validation Failed", "errors": [{"field": "name", "code": "already_exists"}]}
    answer = responses.classify(422, {}, json.dumps(body))
    assert answer.kind is ResponseKind.EXISTS
    assert "name already_exists" in answer.summary


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"retry-after": "7"}, ResponseKind.RETRY),
        ({"retry-after": "5000"}, ResponseKind.REJECTED),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999999"}, ResponseKind.RETRY),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "90000000000"}, ResponseKind.REJECTED),
        ({"x-ratelimit-remaining": "0"}, ResponseKind.RETRY),
    ],
)
@pytest.mark.parametrize("status", [403, 429])
def test_rate_limit_is_not_taken_for_missing_rights(
    status: int, headers: dict[str, str], kind: ResponseKind
) -> None:
    answer = responses.classify(status, headers, "{}")
    assert answer.kind is kind
    assert answer.error_type is NetworkError
    assert "rate-limiting" in answer.summary


def test_time_of_the_reset_is_converted_to_seconds() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1060"}
    assert retry.parse_rate_limit(headers, now=1000.0) == 60.0
    assert retry.parse_rate_limit({**headers, "x-ratelimit-remaining": "1"}, now=1000.0) is None
    assert retry.parse_rate_limit({**headers, "retry-after": "3"}, now=1000.0) == 3.0


@given(st.integers(100, 599), st.text(max_size=40), JSON_VALUES)
def test_any_response_is_classified(status: int, text: str, value: object) -> None:
    for body in (text, json.dumps(value), json.dumps({"message": value, "errors": value})):
        answer = responses.classify(status, {}, body)
        assert (answer.kind is ResponseKind.ACCEPTED) == (200 <= status < 300)


SERVER_ERROR = "GitHub returned a server error"
WORDS = '; GitHub said: "why"'
RENAMED = "Pass the URL of the repository that GitHub shows in a browser: it may have been renamed."


@pytest.mark.parametrize(
    ("status", "diagnosis", "hint"),
    [
        (401, "GitHub rejected the token", responses.TOKEN_HINT),
        (403, "the token may not do this", responses.RIGHTS_HINT),
        (404, "the release is gone, or the token may not write to it", responses.RIGHTS_HINT),
        (413, "the file is larger than GitHub allows", "GitHub accepts less than 2 GiB for a file."),
        (422, "GitHub rejected it", "Correct what the message names."),
        (300, "GitHub redirects the request", RENAMED),
        (399, "GitHub redirects the request", RENAMED),
        (199, "GitHub rejected the request", None),
        (400, "GitHub rejected the request", None),
        (499, "GitHub rejected the request", None),
    ],
)
def test_a_rejection_is_final_and_has_a_diagnosis(status: int, diagnosis: str, hint: str | None) -> None:
    answer = responses.classify(status, {}, json.dumps({"message": "why"}))
    assert (answer.kind, answer.status, answer.is_final) == (ResponseKind.REJECTED, status, True)
    assert (answer.diagnosis, answer.hint) == (diagnosis + WORDS, hint)
    assert responses.classify(status, {}, "").diagnosis == diagnosis


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_server_error_is_tried_again_after_the_pause_that_it_asks_for(status: int) -> None:
    answer = responses.classify(status, {}, json.dumps({"message": "why"}))
    assert (answer.kind, answer.diagnosis, answer.is_final) == (
        ResponseKind.RETRY,
        SERVER_ERROR + WORDS,
        False,
    )
    assert answer.retry_after is None
    if status != 429:
        assert responses.classify(status, {"retry-after": "7"}, "").retry_after == 7.0


@pytest.mark.parametrize(
    ("headers", "body", "diagnosis", "wait"),
    [
        ({"retry-after": "7"}, "", "GitHub is rate-limiting, retry after 7 s", 7.0),
        ({"retry-after": "600"}, "", "GitHub is rate-limiting, retry after 10 min", 600.0),
        ({}, "a Rate Limit", 'GitHub is rate-limiting; GitHub said: "a Rate Limit"', None),
        ({"x-ratelimit-remaining": "0"}, "", "GitHub is rate-limiting", None),
    ],
)
@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_is_waited_for(
    status: int, headers: dict[str, str], body: str, diagnosis: str, wait: float | None
) -> None:
    answer = responses.classify(status, headers, json.dumps({"message": body}))
    assert (answer.kind, answer.diagnosis, answer.retry_after) == (ResponseKind.RETRY, diagnosis, wait)
    assert answer.hint == "Run the same command again after that time; it continues where it stopped."
    assert answer.error_type is NetworkError
    assert responses.classify(status, {"x-ratelimit-remaining": "1"}, "").diagnosis != diagnosis


def test_a_rate_limit_of_more_than_ten_minutes_ends_the_run() -> None:
    answer = responses.classify(403, {"retry-after": "601"}, "")
    assert (answer.kind, answer.retry_after) == (ResponseKind.REJECTED, 601.0)


def test_words_about_rates_or_immutability_count_only_with_their_status() -> None:
    assert responses.classify(400, {"retry-after": "7"}, "").kind is ResponseKind.REJECTED
    body = json.dumps({"message": "Immutable Release", "errors": [{"code": "already_exists"}]})
    immutable = responses.classify(422, {}, body)
    assert immutable.diagnosis.startswith("the release is immutable; GitHub said: ")
    assert (immutable.error_type, immutable.hint) == (ConflictError, responses.IMMUTABLE_HINT)
    assert responses.classify(400, {}, body).diagnosis.startswith("GitHub rejected the request")
    taken = responses.classify(422, {}, json.dumps({"errors": [{"code": "already_exists"}]}))
    assert (taken.kind, taken.error_type, taken.is_final) == (ResponseKind.EXISTS, ConflictError, False)
    assert taken.diagnosis == (
        'the release has an asset with this name already; GitHub said: "already_exists"'
    )


@pytest.mark.parametrize(
    ("body", "message", "codes"),
    [
        ("", "", set()),
        ("<html>", "", set()),
        ("{", "", set()),
        ('  {"message": "m"}', "m", set()),
        ('[{"message": "m"}]', "", set()),
        ('{"message": 5, "errors": "x"}', "", set()),
        ('{"message": "m", "errors": ["a", {"message": "b", "code": "c"}, 7]}', "m; a; b", {"c"}),
        ('{"errors": [{"field": "f", "code": "c"}, {"code": "d"}]}', "f c; d", {"c", "d"}),
        ('{"errors": [{"field": 1, "code": "c"}, {"message": 5}]}', "c", {"c", "None"}),
        ('{"errors": ["1", "2", "3", "4", "5", "6"]}', "1; 2; 3; 4; 5", set()),
    ],
)
def test_the_words_of_an_error_are_joined(body: str, message: str, codes: set[str]) -> None:
    assert responses.read_error(body) == (message, frozenset(codes))


def test_the_words_of_an_error_are_cut() -> None:
    message, _codes = responses.read_error(json.dumps({"message": "m" * 301}))
    assert message == f"{'m' * 300}..."


def test_a_lost_answer_is_unclear_and_a_refused_request_is_final() -> None:
    lost = responses.from_exception(TransportError("cut", hint="h"))
    assert (lost.kind, lost.status, lost.diagnosis, lost.hint) == (ResponseKind.RETRY, 0, "cut", None)
    refused = responses.from_exception(ListingError("too large", hint="h"))
    assert (refused.kind, refused.status, refused.diagnosis, refused.hint, refused.error_type) == (
        *(ResponseKind.REJECTED, 0, "too large", "h", ListingError),
    )


# --- the choice ------------------------------------------------------------------------------------


def make_release(number: int, tag: str = "v1.0", *names: str, draft: bool = True) -> GitHubRelease:
    assets = tuple(
        Asset(id=100 + index, name=name, state="uploaded", size=1) for index, name in enumerate(names)
    )
    return GitHubRelease(id=number, tag=tag, is_draft=draft, assets=assets)


def test_published_release_is_chosen_before_drafts() -> None:
    published = make_release(9, draft=False)
    drafts = [make_release(1), make_release(2)]
    assert release_choice.choose_release([published], drafts, location_url="URL") is published
    assert release_choice.choose_release([], drafts[:1], location_url="URL") is drafts[0]
    assert release_choice.choose_release([], [], location_url="URL") is None


def test_releases_of_both_tags_are_not_guessed() -> None:
    both = [make_release(1, "v1.0", draft=False), make_release(2, "1.0", draft=False)]
    with pytest.raises(UsageError, match=r"v1\.0 and 1\.0"):
        release_choice.choose_release(both, [], location_url="URL")


def test_description_of_a_draft_names_its_files_and_is_bounded() -> None:
    names = [f"demo-1.0-{number}.whl" for number in range(50)]
    text = release_choice.describe(make_release(3, "v1.0\x1b[31m", *names))
    assert "\x1b" not in text
    assert names[0] in text
    assert len(text) < 600


# --- SHA256SUMS ------------------------------------------------------------------------------------


def test_list_of_checksums_is_read_as_it_is_written() -> None:
    hashes = {"b.whl": "b" * 64, "a.whl": "a" * 64}
    text = checksums.build(hashes).decode()
    assert text.startswith("a" * 64 + "  a.whl\n")
    assert checksums.parse(text) == hashes
    assert checksums.parse("# made by hand\n\n" + text.replace("  ", " *")) == hashes
    assert checksums.parse("<html>") is None


# --- the host for uploads --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upload_url", "is_trusted"),
    [
        ("https://uploads.github.com/repos/owner/demo/releases/1/assets{?name,label}", True),
        ("https://api.github.com/repos/owner/demo/releases/1/assets{?name,label}", True),
        ("https://uploads.github.com/repos/owner/demo/releases/2/assets{?name,label}", False),
        ("http://uploads.github.com/repos/owner/demo/releases/1/assets{?name,label}", False),
        ("https://uploads.github.com.evil.example/repos/owner/demo/releases/1/assets{?name}", False),
        ("https://x@uploads.github.com/repos/owner/demo/releases/1/assets{?name}", False),
        ("https://uploads.github.com:8443/repos/owner/demo/releases/1/assets{?name}", False),
        ("https://uploads.github.com/x?/releases/1/assets{?name}", False),
        ("https://uploads.github.com/x#/releases/1/assets{?name}", False),
        ("", False),
        ("not a url", False),
    ],
)
def test_token_and_files_go_only_to_the_host_for_uploads_of_this_github(
    upload_url: str, is_trusted: bool
) -> None:
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(201, json=ASSET)

    location = parse_release_url("https://github.com/owner/demo/releases")
    with HttpClient(user_urls=[API_URL], transport=httpx.MockTransport(respond)) as http:
        api = ReleaseApi(http, location, API_URL)
        release = GitHubRelease(id=1, tag="v1.0", is_draft=True, upload_url=upload_url)
        if not is_trusted:
            with pytest.raises(UsageError, match="refusing to send the token and the files"):
                api.upload_asset(release, "a b.whl", b"data", 4)
            assert sent == []
            return
        answer, asset = api.upload_asset(release, "a b+c.whl", b"data", 4)
    assert answer.kind is ResponseKind.ACCEPTED
    assert asset is not None
    (request,) = sent
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-length"] == "4"
    assert str(request.url).endswith("/assets?name=a%20b%2Bc.whl")

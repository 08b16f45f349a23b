"""GitHub's API of releases: requests and answers; the upload, repair and completion of assets."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.version import Version

from tests.support.scripted_http import RecordedProgress, ScriptedHttp, make_local_wheel
from wheel_uploader.core.errors import (
    CredentialsError,
    FileError,
    HttpStatusError,
    ListingError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.models import Attestation, LocalFile, Signature
from wheel_uploader.http.github_api import API_URL
from wheel_uploader.targets.github_releases import checksums, responses
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.assets import AssetContent, ReleaseAssets
from wheel_uploader.targets.github_releases.attachments import Attachments
from wheel_uploader.targets.github_releases.attempts import Attempts
from wheel_uploader.targets.github_releases.location import parse_release_url
from wheel_uploader.targets.github_releases.release_json import Asset, GitHubRelease, Repository
from wheel_uploader.targets.protocol import Release
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

BASE = f"{API_URL}/repos/owner/demo"
UPLOADS = "https://uploads.github.com/repos/owner/demo/releases/1/assets"
TOKEN = "ghs_0123456789" + "abcdefABCDEF"
DATA = b"the contents of a file"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "GH_HOST", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_TOKEN", TOKEN)


def make_api(answers: Mapping[str, Any], retries: int = 1) -> tuple[ScriptedHttp, ReleaseApi]:
    script = ScriptedHttp(BASE, answers)
    http = script.client(UPLOADS, retries=retries)
    return script, ReleaseApi(http, parse_release_url("https://github.com/owner/demo/releases"), API_URL)


def asset(number: int = 5, name: str = "a.whl", **values: Any) -> dict[str, Any]:
    digest = f"sha256:{SHA}"
    usual = {"id": number, "name": name, "state": "uploaded", "size": len(DATA), "digest": digest}
    return {
        **usual,
        "browser_download_url": f"https://github.com/owner/demo/releases/download/v1/{name}",
        **values,
    }


def known(number: int = 5, name: str = "a.whl", **values: Any) -> Asset:
    usual = {"state": "uploaded", "size": len(DATA), "sha256": SHA}
    url = f"https://github.com/owner/demo/releases/download/v1/{name}"
    return Asset(id=number, name=name, **{**usual, "download_url": url, **values})


def release(number: int = 1, **values: Any) -> dict[str, Any]:
    return {"id": number, "tag_name": "v1.0", "draft": True, "assets": [], **values}


# --- reading ---------------------------------------------------------------------------------------


def test_a_repository_is_read_with_its_present_name() -> None:
    script, api = make_api({"GET ": (200, {"full_name": "owner/new", "private": True})})
    assert api.fetch_repository() == Repository(full_name="owner/new", is_private=True)
    script.answers["GET "] = (200, {"full_name": "owner/demo", "private": "yes"})
    assert api.fetch_repository() == Repository(full_name="owner/demo", is_private=False)
    assert script.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("body", [{}, [], {"full_name": "owner"}, {"full_name": "a/.x"}, {"full_name": 1}])
def test_an_answer_that_is_not_a_repository_is_an_error(body: Any) -> None:
    _, api = make_api({"GET ": (200, body)})
    with pytest.raises(ListingError) as caught:
        api.fetch_repository()
    assert caught.value.message == f"{BASE} returned JSON that does not describe a repository"


def test_a_repository_that_is_not_visible_names_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    _, api = make_api({"GET ": 404})
    with pytest.raises(UsageError) as caught:
        api.fetch_repository()
    assert caught.value.message == "GitHub has no repository owner/demo"
    assert caught.value.hint == (
        "Check the owner and the name. The token in GH_TOKEN may not have access to it."
    )
    monkeypatch.delenv("GH_TOKEN")
    _, api = make_api({"GET ": 404})
    with pytest.raises(UsageError) as caught:
        api.fetch_repository()
    assert caught.value.hint == (
        "Check the owner and the name. A private repository needs a token in GH_TOKEN or GITHUB_TOKEN."
    )


def page_of(count: int, start: int = 1) -> tuple[int, list[dict[str, Any]]]:
    return 200, [release(number) for number in range(start, start + count)]


def test_lists_are_read_to_their_last_page() -> None:
    pages = {
        "GET /releases?per_page=100&page=1": page_of(100),
        "GET /releases?per_page=100&page=2": page_of(99, 101),
    }
    script, api = make_api(pages)
    assert [each.id for each in api.list_releases()] == list(range(1, 200))
    assert script.log == list(pages)
    # Entries that are not understood count for the page.
    script.answers["GET /releases?per_page=100&page=1"] = (200, [*page_of(99)[1], {}])
    assert len(api.list_releases()) == 198
    script.answers["GET /releases/7/assets?per_page=100&page=1"] = (200, [asset(), {"id": 3}])
    assert api.list_assets(7) == [known()]


def test_a_list_has_at_most_100_pages() -> None:
    pages = {f"GET /releases?per_page=100&page={number}": page_of(100) for number in range(1, 101)}
    script, api = make_api(pages)
    with pytest.raises(ListingError) as caught:
        api.list_releases()
    assert caught.value.message == "owner/demo/releases has more than 100 pages"
    assert caught.value.is_permanent
    assert script.log == list(pages)


@pytest.mark.parametrize(
    ("kind", "read"), [("releases", "list_releases"), ("releases/1/assets", "list_assets")]
)
def test_a_list_that_is_gone_or_not_one_is_an_error(kind: str, read: str) -> None:
    request = f"GET /{kind}?per_page=100&page=1"
    script, api = make_api({request: 404})
    arguments = (1,) if read == "list_assets" else ()
    with pytest.raises(NetworkError) as caught:
        getattr(api, read)(*arguments)
    assert caught.value.message == f"GitHub no longer has owner/demo/{kind}"
    assert caught.value.hint == responses.RIGHTS_HINT
    name = kind.rpartition("/")[2]
    script.answers[request] = (200, {"x": []})
    with pytest.raises(ListingError, match=f"returned JSON without a list of {name}"):
        getattr(api, read)(*arguments)
    # A list may be wrapped in an object of its name.
    script.answers[request] = (200, {name: []})
    assert getattr(api, read)(*arguments) == []


def test_single_releases_assets_and_tags_are_read_or_absent() -> None:
    script, api = make_api(
        {
            "GET /releases/tags/demo%2Fv1%2B1": (200, release(4, draft=False, immutable=True)),
            "GET /releases/9": (
                200,
                release(9, html_url="https://github.com/x", upload_url="u", assets=[asset()]),
            ),
            "GET /releases/assets/5": (200, asset()),
            "GET /git/ref/tags/demo/v1%2B1": (200, {}),
        }
    )
    assert api.fetch_tagged("demo/v1+1") == GitHubRelease(id=4, tag="v1.0", is_draft=False, is_immutable=True)
    assert api.fetch_release("9") == GitHubRelease(
        id=9,
        tag="v1.0",
        is_draft=True,
        page_url="https://github.com/x",
        upload_url="u",
        assets=(known(),),
    )
    assert api.fetch_asset(5) == known()
    assert api.has_tag("demo/v1+1")
    script.answers = dict.fromkeys(script.answers, 404)
    assert api.fetch_tagged("demo/v1+1") is None
    assert api.fetch_release(9) is None
    assert api.fetch_asset(5) is None
    assert not api.has_tag("demo/v1+1")


def test_answers_that_are_not_releases_or_assets_are_errors() -> None:
    _, api = make_api(
        {
            "GET /releases/9": (200, {"id": 0, "draft": True}),
            "GET /releases/8": (200, {"id": 10**18, "draft": True}),
            "GET /releases/7": (200, {"id": True, "draft": True}),
            "GET /releases/6": (200, {"id": 6, "draft": 1}),
            "GET /releases/assets/5": (200, {"id": 5, "name": ""}),
            "GET /releases/assets/6": (200, {"id": -1, "name": "a"}),
        }
    )
    for number in (9, 8, 7, 6):
        with pytest.raises(
            ListingError, match=f"/releases/{number} returned JSON that does not describe a release"
        ):
            api.fetch_release(number)
    for number in (5, 6):
        with pytest.raises(
            ListingError, match=f"/assets/{number} returned JSON that does not describe an asset"
        ):
            api.fetch_asset(number)


def test_long_texts_of_the_api_are_cut_and_the_largest_number_is_one() -> None:
    _, api = make_api({"GET /releases/9": (200, release(10**18 - 1, tag_name="t" * 2001, assets={"a": 1}))})
    found = api.fetch_release(9)
    assert found
    assert (found.id, found.tag, found.assets) == (10**18 - 1, "t" * 2000, ())
    assert len(found.shown_tag) == 203


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((403, {"message": "Resource not accessible"}), CredentialsError),
        ((403, {"message": "API rate limit exceeded"}), HttpStatusError),
        ((403, {"message": "Rate Limit"}), HttpStatusError),
        ((403, {"message": "wait"}, {"retry-after": "700"}), HttpStatusError),
        ((418, {"message": "tea"}), HttpStatusError),
        ((401, {"message": "Bad credentials"}), CredentialsError),
    ],
)
def test_missing_rights_differ_from_a_rate_limit(answer: Any, error: type[ReleaseError]) -> None:
    _, api = make_api({"GET /releases/9": answer})
    with pytest.raises(error) as caught:
        api.fetch_release(9)
    assert type(caught.value) is error
    if error is CredentialsError and answer[0] == 403:
        assert caught.value.message.startswith(f"the token may not read {BASE}/releases/9 (status 403): ")
        assert "Resource not accessible" in caught.value.message
        assert caught.value.hint == responses.RIGHTS_HINT


def test_the_bytes_of_an_asset_are_downloaded_by_its_number() -> None:
    script, api = make_api({"GET /releases/assets/5": [503, (200, DATA)]}, retries=2)
    assert api.compute_sha256(5) == SHA
    assert script.requests[1].headers["accept"] == "application/octet-stream"
    script.answers["GET /releases/assets/5"] = [503, (200, "\xe4".encode("latin-1") + b"bc")]
    assert api.fetch_text(5, 3) == "\ufffdbc"
    assert script.requests[3].headers["accept"] == "application/octet-stream"
    with pytest.raises(NetworkError) as caught:
        api.fetch_text(5, 2)
    assert caught.value.message == "asset 5 has more than 2 bytes"
    assert caught.value.is_permanent


# --- writing ---------------------------------------------------------------------------------------


def test_a_draft_is_created_and_published() -> None:
    script, api = make_api(
        {"POST /releases": (201, release(7)), "PATCH /releases/7": (200, release(7, draft=False))}
    )
    answer, created = api.create_draft("v1.0", is_prerelease=True)
    assert answer == UploadResponse(kind=ResponseKind.ACCEPTED, status=201)
    assert created == GitHubRelease(id=7, tag="v1.0", is_draft=True)
    answer, published = api.publish(7)
    assert answer == UploadResponse(kind=ResponseKind.ACCEPTED, status=200)
    assert published == GitHubRelease(id=7, tag="v1.0", is_draft=False)
    post, patch = script.requests
    assert post.json == {"tag_name": "v1.0", "name": "v1.0", "draft": True, "prerelease": True}
    assert patch.json == {"draft": False, "make_latest": "legacy"}
    for request in (post, patch):
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-github-api-version"] == "2022-11-28"
        assert request.headers["accept"] == "application/vnd.github+json"


def test_a_success_with_other_content_is_unclear() -> None:
    _, api = make_api({"POST /releases": (201, "<html>")})
    answer, created = api.create_draft("v1.0", is_prerelease=False)
    assert created is None
    assert (answer.kind, answer.status) == (ResponseKind.RETRY, 201)
    assert f"{BASE}/releases" in answer.diagnosis


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.ReadError("cut"), ResponseKind.RETRY),
        (503, ResponseKind.RETRY),
        (404, ResponseKind.REJECTED),
        (410, ResponseKind.REJECTED),
    ],
)
def test_an_answer_without_a_release_has_none(answer: Any, kind: ResponseKind) -> None:
    _, api = make_api({"POST /releases": answer, "PATCH /releases/7": answer})
    for given, parsed in (api.create_draft("v1.0", is_prerelease=False), api.publish(7)):
        assert (given.kind, parsed) == (kind, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, ResponseKind.ACCEPTED),
        (404, ResponseKind.ACCEPTED),
        (410, ResponseKind.ACCEPTED),
        (403, ResponseKind.REJECTED),
        (502, ResponseKind.RETRY),
    ],
)
def test_a_release_or_asset_that_is_gone_counts_as_deleted(status: int, kind: ResponseKind) -> None:
    script, api = make_api({"DELETE /releases/7": status, "DELETE /releases/assets/5": status})
    for answer in (api.delete_draft(7), api.delete_asset(5)):
        assert (answer.kind, answer.status) == (kind, status)
    assert [request.content for request in script.requests] == [b"", b""]
    assert "content-type" not in script.requests[0].headers


# --- assets ----------------------------------------------------------------------------------------


class Draft:
    """The assets of a draft, with scripted answers."""

    LIST = "GET /releases/1/assets?per_page=100&page=1"
    UPLOAD = f"POST {UPLOADS}?name=a.whl"

    def __init__(self, answers: Mapping[str, Any], *, draft: bool = True) -> None:
        usual = {self.LIST: (200, []), self.UPLOAD: (201, asset())}
        self.script, self.api = make_api({**usual, **answers})
        self.progress = RecordedProgress()
        found = GitHubRelease(id=1, tag="v1.0", is_draft=draft, upload_url=f"{UPLOADS}{{?name,label}}")
        self.assets = ReleaseAssets(self.api, found, self.progress)
        self.attempts = Attempts(count=2, progress=self.progress, sleep=self.script.pauses.append)
        self.content = AssetContent.from_bytes("a.whl", DATA)

    def upload(self) -> UploadResponse:
        """Make one attempt."""
        return self.assets.upload(self.content)

    def attach(self, given: Release) -> list[AssetContent]:
        """Upload the attachments of a release."""
        attachments = Attachments(
            api=self.api, assets=self.assets, attempts=self.attempts, progress=self.progress
        )
        return attachments.upload(given)


def test_an_asset_is_uploaded_once_and_known_from_then_on() -> None:
    draft = Draft({})
    assert draft.upload() == UploadResponse(kind=ResponseKind.ACCEPTED, status=201)
    [request] = draft.script.requests
    assert request.content == DATA
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.headers["content-length"] == str(len(DATA))
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert draft.assets.find("a.whl") == known()
    assert draft.progress.files == [("a.whl", len(DATA))]
    assert draft.progress.steps == [len(DATA)]
    draft.assets.ensure(draft.content, draft.attempts)
    assert len(draft.script.requests) == 1


def test_a_wheel_is_sent_in_pieces_of_its_verified_bytes(tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path, files={"demo/data": bytes(range(256)) * 1200})
    data = file.path.read_bytes() + b"\0" * (300 << 10)
    file.path.write_bytes(data)
    file = dataclasses.replace(file, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    content = AssetContent.from_file(file)
    assert (content.name, content.size, content.sha256) == (file.filename, file.size, file.sha256)
    assert content.beginning == data[:16]
    stored = asset(name=file.filename, size=file.size, digest=f"sha256:{file.sha256}")
    draft = Draft({f"POST {UPLOADS}?name={file.filename}": (201, stored)})
    assert draft.assets.upload(content).kind is ResponseKind.ACCEPTED
    assert draft.script.requests[0].content == data
    assert max(draft.progress.steps) == 128 << 10
    assert sum(draft.progress.steps) == len(data)
    file.path.write_bytes(b"other")
    with pytest.raises(FileError, match="changed during the run"):
        draft.assets.upload(content)
    file.path.unlink()
    assert AssetContent.from_file(file).beginning == b""


def test_a_small_file_has_its_first_16_bytes() -> None:
    content = AssetContent.from_bytes("a", DATA)
    assert (content.size, content.sha256, content.beginning) == (len(DATA), SHA, DATA[:16])


def test_the_bar_goes_back_if_the_upload_failed() -> None:
    draft = Draft({Draft.UPLOAD: 502})
    answer = draft.upload()
    assert (answer.kind, answer.status) == (ResponseKind.RETRY, 502)
    assert draft.progress.steps == [len(DATA), -len(DATA)]
    assert draft.assets.find("a.whl") is None


STARTER = asset(4, state="starter", size=0, digest=None)


def test_the_rest_of_a_failed_upload_is_removed_first() -> None:
    draft = Draft(
        {
            Draft.LIST: (200, [STARTER]),
            "GET /releases/assets/4": (200, STARTER),
            "DELETE /releases/assets/4": 204,
        }
    )
    assert draft.assets.refresh() == []
    assert draft.upload().kind is ResponseKind.ACCEPTED
    assert draft.script.log[1:] == ["GET /releases/assets/4", "DELETE /releases/assets/4", Draft.UPLOAD]
    assert draft.assets.find("a.whl") == known()
    assert draft.progress.lines == [
        "a.whl (state starter, 0 bytes): removed, because it is an upload of it that failed"
    ]


def test_the_rest_of_a_failed_upload_is_removed_once() -> None:
    draft = Draft(
        {
            Draft.LIST: (200, [STARTER]),
            "GET /releases/assets/4": (200, STARTER),
            "DELETE /releases/assets/4": 204,
            Draft.UPLOAD: 502,
        }
    )
    draft.assets.refresh()
    draft.upload()
    draft.upload()
    assert draft.script.log[-2:] == [Draft.UPLOAD, Draft.UPLOAD]
    assert draft.assets.find("a.whl") is None


def test_a_url_for_uploads_that_is_not_trusted_is_cut_in_the_message() -> None:
    draft = Draft({})
    for url, shown in (
        (f"https://evil.example/{'x' * 200}", f"https://evil.example/{'x' * 179}..."),
        ("", "an empty URL"),
    ):
        draft.assets.release = dataclasses.replace(draft.assets.release, upload_url=url)
        with pytest.raises(UsageError) as caught:
            draft.upload()
        assert caught.value.message == (
            f"refusing to send the token and the files to {shown}, which the API named for uploads: it is "
            "not a URL of this GitHub"
        )
        assert caught.value.hint == "Nothing was sent there. Check the host in the URL of the release."
    assert draft.script.log == []


def test_the_rest_of_a_failed_upload_may_be_gone() -> None:
    draft = Draft({Draft.LIST: (200, [STARTER]), "GET /releases/assets/4": 404})
    draft.assets.refresh()
    assert draft.upload().kind is ResponseKind.ACCEPTED
    assert draft.script.log[1:] == ["GET /releases/assets/4", Draft.UPLOAD]
    assert draft.progress.lines == []


@pytest.mark.parametrize(
    "change", [{"id": 6}, {"name": "b.whl"}, {"state": "uploaded"}, {"size": 1}, {"digest": f"sha256:{SHA}"}]
)
def test_an_asset_that_another_program_changed_is_not_removed(change: dict[str, Any]) -> None:
    draft = Draft({Draft.LIST: (200, [STARTER]), "GET /releases/assets/4": (200, {**STARTER, **change})})
    draft.assets.refresh()
    answer = draft.upload()
    assert answer == UploadResponse(
        kind=ResponseKind.RETRY,
        status=0,
        diagnosis="another program changed the asset a.whl meanwhile",
    )
    assert draft.script.log[1:] == ["GET /releases/assets/4"]
    assert draft.assets.find("a.whl")


@pytest.mark.parametrize(
    ("look", "deletion", "kind", "status"),
    [
        ((200, STARTER), 403, ResponseKind.REJECTED, 403),
        ((200, STARTER), 502, ResponseKind.RETRY, 502),
        (httpx.ReadError("cut"), 204, ResponseKind.RETRY, 0),
        (418, 204, ResponseKind.REJECTED, 0),
    ],
)
def test_an_asset_that_cannot_be_removed_ends_the_attempt(
    look: Any, deletion: int, kind: ResponseKind, status: int
) -> None:
    draft = Draft(
        {
            Draft.LIST: (200, [STARTER]),
            "GET /releases/assets/4": look,
            "DELETE /releases/assets/4": deletion,
        }
    )
    draft.assets.refresh()
    answer = draft.upload()
    assert (answer.kind, answer.status) == (kind, status)
    assert Draft.UPLOAD not in draft.script.log


TAKEN = (422, {"message": "Validation Failed", "errors": [{"code": "already_exists", "field": "name"}]})


@pytest.mark.parametrize(
    ("listed", "kind", "diagnosis"),
    [
        ([asset()], ResponseKind.EXISTS, "the release has an asset with this name already; "),
        ([STARTER], ResponseKind.RETRY, "an unfinished upload has the name"),
        ([], ResponseKind.RETRY, "GitHub does not list the asset"),
        ([asset(name="b.whl")], ResponseKind.RETRY, "GitHub does not list the asset"),
    ],
)
def test_a_name_that_is_taken_is_looked_at(listed: Any, kind: ResponseKind, diagnosis: str) -> None:
    draft = Draft({Draft.UPLOAD: TAKEN, Draft.LIST: (200, listed)})
    answer = draft.upload()
    assert (answer.kind, answer.status) == (kind, 422)
    assert answer.diagnosis.startswith(diagnosis)
    assert draft.script.log == [Draft.UPLOAD, Draft.LIST]


def test_a_name_that_is_taken_and_cannot_be_looked_at_is_tried_again() -> None:
    draft = Draft({Draft.UPLOAD: TAKEN, Draft.LIST: httpx.ReadError("cut")})
    answer = draft.upload()
    assert (answer.kind, answer.status) == (ResponseKind.RETRY, 0)


def test_an_asset_under_another_name_is_deleted() -> None:
    draft = Draft({Draft.UPLOAD: (201, asset(name="a.b.whl")), "DELETE /releases/assets/5": 204})
    answer = draft.upload()
    assert answer == UploadResponse(
        kind=ResponseKind.REJECTED,
        status=201,
        diagnosis="GitHub stores the file under another name, a.b.whl",
        hint="GitHub does not accept all characters in the name of an asset. The asset was deleted.",
        error_type=FileError,
        is_final=True,
    )
    assert draft.script.log[-1] == "DELETE /releases/assets/5"
    assert draft.assets.find("a.b.whl") is None


@pytest.mark.parametrize("change", [{"state": "open"}, {"size": 0}])
def test_an_upload_that_is_not_finished_is_tried_again(change: dict[str, Any]) -> None:
    draft = Draft({Draft.UPLOAD: (201, asset(**change))})
    assert draft.upload() == UploadResponse(
        kind=ResponseKind.RETRY, status=201, diagnosis="GitHub did not finish the upload"
    )
    assert draft.script.log == [Draft.UPLOAD]
    assert draft.assets.find("a.whl") is None


@pytest.mark.parametrize(("digest", "size"), [(f"sha256:{'ab' * 32}", len(DATA)), (None, 5)])
def test_other_bytes_than_were_sent_are_deleted(digest: str | None, size: int) -> None:
    stored = asset(digest=digest, size=size)
    draft = Draft({Draft.UPLOAD: (201, stored), "DELETE /releases/assets/5": 204})
    assert draft.upload() == UploadResponse(
        kind=ResponseKind.RETRY,
        status=201,
        diagnosis=f"GitHub stored other bytes than were sent: sha256 {'ab' * 32 if digest else ''}, "
        f"{size} bytes; the asset was deleted",
    )
    assert draft.script.log == [Draft.UPLOAD, "DELETE /releases/assets/5"]


def test_a_server_without_digests_is_believed() -> None:
    draft = Draft({Draft.UPLOAD: (201, asset(digest=None))})
    assert draft.upload().kind is ResponseKind.ACCEPTED
    stored = draft.assets.find("a.whl")
    assert stored
    draft.script.answers["GET /releases/assets/5"] = (200, b"other")
    assert draft.assets.get_sha256(stored) == hashlib.sha256(b"other").hexdigest()
    assert draft.assets.get_sha256(known()) == SHA


def test_an_unclear_upload_is_looked_at_before_the_next() -> None:
    draft = Draft({Draft.UPLOAD: 502, Draft.LIST: (200, [asset()])})
    draft.assets.ensure(draft.content, draft.attempts)
    assert draft.script.log == [Draft.UPLOAD, Draft.LIST]
    draft = Draft({Draft.UPLOAD: [502, (201, asset())], Draft.LIST: (200, [])})
    draft.assets.ensure(draft.content, draft.attempts)
    assert draft.script.log == [Draft.UPLOAD, Draft.LIST, Draft.UPLOAD]
    starter = {**STARTER, "id": 9}
    draft = Draft(
        {
            Draft.UPLOAD: [502, (201, asset())],
            Draft.LIST: (200, [starter]),
            "GET /releases/assets/9": (200, starter),
            "DELETE /releases/assets/9": 204,
        }
    )
    draft.assets.ensure(draft.content, draft.attempts)
    assert draft.script.log[-2:] == ["DELETE /releases/assets/9", Draft.UPLOAD]


# --- attempts --------------------------------------------------------------------------------------

RETRY = UploadResponse(kind=ResponseKind.RETRY, status=503, diagnosis="busy", retry_after=4.0)
ACCEPTED = UploadResponse(kind=ResponseKind.ACCEPTED, status=201)
REJECTED = UploadResponse(kind=ResponseKind.REJECTED, status=422, diagnosis="no", error_type=FileError)


def repeat(
    answers: list[UploadResponse], looks: list[bool], count: int = 3
) -> tuple[Any, list[str], list[float]]:
    progress, pauses, events = RecordedProgress(), [], []
    remaining, seen = iter(answers), iter(looks)

    def attempt() -> UploadResponse:
        events.append("attempt")
        return next(remaining)

    def is_done() -> bool:
        events.append("look")
        return next(seen)

    def sleep(seconds: float) -> None:
        events.append("pause")
        pauses.append(seconds)

    attempts = Attempts(count=count, progress=progress, sleep=sleep)
    try:
        result: Any = attempts.repeat("the draft", attempt, is_done)
    except ReleaseError as error:
        result = error
    return result, [*events, *progress.details], pauses


def test_an_accepted_attempt_is_not_looked_at() -> None:
    assert repeat([ACCEPTED], []) == (ACCEPTED, ["attempt"], [])


def test_an_unclear_attempt_is_looked_at_after_a_pause() -> None:
    result, events, pauses = repeat([RETRY, RETRY], [False, True])
    assert result is RETRY
    assert events[:6] == ["attempt", "pause", "look", "attempt", "pause", "look"]
    assert all(4 <= pause <= 5 for pause in pauses)
    assert events[6].startswith("the draft: busy (status 503); looking, then attempt 2 of 3 in ")
    assert events[7].startswith("the draft: busy (status 503); looking, then attempt 3 of 3 in ")


def test_the_last_attempt_is_looked_at_without_a_pause() -> None:
    result, events, _ = repeat([RETRY, RETRY], [False, False], count=2)
    assert isinstance(result, NetworkError)
    assert result.message == "the draft: busy (status 503)"
    assert events[:5] == ["attempt", "pause", "look", "attempt", "look"]
    result, events, _ = repeat([RETRY], [True], count=1)
    assert result is RETRY
    assert events == ["attempt", "look"]


def test_a_rejection_is_looked_at_once_and_not_repeated() -> None:
    result, events, _ = repeat([REJECTED], [False])
    assert isinstance(result, FileError)
    assert events == ["attempt", "look"]
    result, events, _ = repeat([REJECTED], [True])
    assert result is REJECTED


# --- attachments -----------------------------------------------------------------------------------


def attachments_of(*names: str) -> Release:
    files = tuple(
        LocalFile(name=type("Name", (), {"filename": name})(), path=Path(name), size=1, sha256=sha256)
        for name, sha256 in zip(names, ("aa" * 32, "bb" * 32), strict=False)
    )
    return Release(project="demo", version=Version("1.0"), files=files)


def sign(name: str, content: bytes) -> Signature:
    return Signature(filename=name, path=Path(name), fingerprint="F" * 40, content=content)


def attest(subject: str, content: bytes, malformed_reason: str = "") -> Attestation:
    path = Path(f"{subject}.publish.attestation")
    return Attestation(
        subject_filename=subject, path=path, content=content, malformed_reason=malformed_reason
    )


SUMS = b"".join(
    f"{sha256}  {name}\n".encode() for sha256, name in (("aa" * 32, "a.whl"), ("bb" * 32, "b.whl"))
)


def stored(number: int, name: str, data: bytes, **values: Any) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return asset(number, name, **{"size": len(data), "digest": digest, **values})


def upload_of(name: str) -> str:
    return f"POST {UPLOADS}?name={name}"


def test_signatures_attestations_and_the_signed_list_are_added() -> None:
    contents = {
        "a.whl.asc": b"signature",
        "a.whl.publish.attestation": b"attestation",
        "SHA256SUMS": SUMS,
        "SHA256SUMS.asc": b"signature of the list",
    }
    answers = {upload_of(name): (201, stored(9, name, data)) for name, data in contents.items()}
    draft = Draft(answers)
    given = dataclasses.replace(
        attachments_of("a.whl", "b.whl"),
        signatures=(
            sign("a.whl", b"signature"),
            sign("SHA256SUMS", b"signature of the list"),
        ),
        attestations=(
            attest("a.whl", b"attestation"),
            attest("b.whl", b"bad", "no JSON"),
        ),
    )
    attached = draft.attach(given)
    assert {content.name: content.size for content in attached} == {
        name: len(data) for name, data in contents.items()
    }
    assert draft.script.log == [
        Draft.LIST,
        *map(upload_of, list(contents)[:2]),
        Draft.LIST,
        *map(upload_of, list(contents)[2:]),
    ]
    assert {request.url: request.content for request in draft.script.requests if request.content} == {
        f"{UPLOADS}?name={name}": data for name, data in contents.items()
    }
    assert draft.progress.lines == []


def test_another_signature_that_is_there_is_kept_and_reported() -> None:
    other = stored(8, "a.whl.asc", b"another")
    draft = Draft(
        {Draft.LIST: (200, [other, stored(9, "SHA256SUMS", SUMS)]), "GET /releases/assets/9": (200, SUMS)}
    )
    given = dataclasses.replace(attachments_of("a.whl", "b.whl"), signatures=(sign("a.whl", b"signature"),))
    assert draft.attach(given) == []
    [line] = draft.progress.lines
    assert line == (
        "a.whl.asc: the release has another one already, which was not changed; its sha256 is "
        f"{hashlib.sha256(b'another').hexdigest()}, not {hashlib.sha256(b'signature').hexdigest()}"
    )
    assert [each for each in draft.script.log if not each.startswith("GET")] == []


def test_the_signature_of_the_list_belongs_to_the_list_that_is_there() -> None:
    longer = SUMS + f"{'cc' * 32}  c.whl\n".encode()
    signed = dataclasses.replace(attachments_of("a.whl", "b.whl"), signatures=(sign("SHA256SUMS", b"s"),))
    for data, is_signed in ((SUMS, True), (longer, False)):
        draft = Draft(
            {
                Draft.LIST: (200, [stored(9, "SHA256SUMS", data)]),
                "GET /releases/assets/9": (200, data),
                upload_of("SHA256SUMS.asc"): (201, stored(8, "SHA256SUMS.asc", b"s")),
            },
            draft=False,
        )
        assert [content.name for content in draft.attach(signed)] == ["SHA256SUMS.asc"] * is_signed
        assert (upload_of("SHA256SUMS.asc") in draft.script.log) is is_signed
        assert draft.progress.lines == []


def test_the_list_of_a_published_release_is_not_changed() -> None:
    signed = dataclasses.replace(attachments_of("a.whl", "b.whl"), signatures=(sign("SHA256SUMS", b"s"),))
    draft = Draft(
        {Draft.LIST: (200, [stored(9, "SHA256SUMS", b"x")]), "GET /releases/assets/9": (200, b"x")},
        draft=False,
    )
    assert draft.attach(signed) == []
    [line] = draft.progress.lines
    assert line == (
        "SHA256SUMS of the published release does not list all of these files with their sha256; it was not "
        "changed"
    )
    # The same sha256 as the signed list is believed, whatever its text.
    listed = {**stored(9, "SHA256SUMS", b"x"), "digest": f"sha256:{hashlib.sha256(SUMS).hexdigest()}"}
    answers = {Draft.LIST: (200, [listed]), "GET /releases/assets/9": (200, b"x")}
    draft = Draft(
        {**answers, upload_of("SHA256SUMS.asc"): (201, stored(8, "SHA256SUMS.asc", b"s"))}, draft=False
    )
    assert [content.name for content in draft.attach(signed)] == ["SHA256SUMS.asc"]


def test_the_list_of_a_draft_is_replaced_by_one_of_all_files() -> None:
    old = f"{'dd' * 32}  a.whl\n{'cc' * 32}  c.whl\n{'ee' * 32}  gone.whl\n".encode()
    new = (f"{'aa' * 32}  a.whl\n{'bb' * 32}  b.whl\n{'cc' * 32}  c.whl\n").encode()
    listed = stored(9, "SHA256SUMS", old)
    signature = stored(8, "SHA256SUMS.asc", b"s")
    draft = Draft(
        {
            Draft.LIST: (200, [listed, signature, asset(7, "c.whl"), {**STARTER, "name": "gone.whl"}]),
            "GET /releases/assets/9": [(200, old), (200, listed)],
            "GET /releases/assets/8": (200, signature),
            "DELETE /releases/assets/9": 204,
            "DELETE /releases/assets/8": 204,
            upload_of("SHA256SUMS"): (201, stored(10, "SHA256SUMS", new)),
        }
    )
    [content] = draft.attach(attachments_of("a.whl", "b.whl"))
    assert content.sha256 == hashlib.sha256(new).hexdigest()
    assert draft.script.log[2:] == [
        "GET /releases/assets/9",
        "GET /releases/assets/8",
        "DELETE /releases/assets/8",
        "GET /releases/assets/9",
        "DELETE /releases/assets/9",
        upload_of("SHA256SUMS"),
    ]
    assert draft.script.requests[-1].content == new
    reason = "removed, because it is replaced by a list of all files of the draft"
    assert draft.progress.lines == [
        f"SHA256SUMS.asc (state uploaded, 1 bytes): {reason}",
        f"SHA256SUMS (state uploaded, {len(old)} bytes): {reason}",
    ]


def test_a_list_that_cannot_be_removed_is_an_error() -> None:
    listed = stored(9, "SHA256SUMS", b"x")
    draft = Draft(
        {
            Draft.LIST: (200, [listed]),
            "GET /releases/assets/9": [(200, b"x"), (200, listed)],
            "DELETE /releases/assets/9": 403,
        }
    )
    with pytest.raises(CredentialsError, match="SHA256SUMS: the token may not do this"):
        draft.attach(attachments_of("a.whl"))


@pytest.mark.parametrize(
    ("size", "is_read"), [(None, False), (checksums.MAX_SIZE, True), (checksums.MAX_SIZE + 1, False)]
)
def test_a_list_that_is_too_large_is_not_read(size: int | None, is_read: bool) -> None:
    listed = stored(9, "SHA256SUMS", SUMS, size=size)
    draft = Draft({Draft.LIST: (200, [listed]), "GET /releases/assets/9": (200, SUMS)}, draft=False)
    draft.attach(attachments_of("a.whl", "b.whl"))
    assert ("GET /releases/assets/9" in draft.script.log) is is_read
    assert checksums.MAX_SIZE == 1 << 20


@pytest.mark.parametrize(
    ("line", "is_valid"),
    [
        (f"{'A' * 64}  a", True),
        (f"{'A' * 64} *a", True),
        (f"{'a' * 64}  {'n' * 301}", True),
        (f"{'a' * 64}  {'n' * 302}", False),
        (f"{'a' * 63}  a", False),
        (f"{'a' * 65}  a", False),
        (f"{'a' * 64}   a", False),
        (f"x{'a' * 64}  a", False),
    ],
)
def test_a_line_of_a_list_has_a_hash_and_a_name(line: str, is_valid: bool) -> None:
    parsed = checksums.parse(f"# comment\n\n  \n{line}\n")
    assert (parsed is not None) is is_valid
    if parsed:
        assert list(parsed.values()) == ["a" * 64]

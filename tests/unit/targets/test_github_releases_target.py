"""GitHub releases as a target: the release that is found, created, published and confirmed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.version import Version

from tests.support.scripted_http import RecordedProgress, ScriptedClients, ScriptedHttp, make_local_wheel
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    NetworkError,
    OptionError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.models import (
    Attestation,
    AttestationPolicy,
    Confirmation,
    FileComparison,
    IndexFile,
    Options,
    TargetSettings,
)
from wheel_uploader.http.github_api import API_URL
from wheel_uploader.targets.github_releases import release_choice, responses
from wheel_uploader.targets.github_releases import target as github_target
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.assets import AssetContent, ReleaseAssets
from wheel_uploader.targets.github_releases.attempts import Attempts
from wheel_uploader.targets.github_releases.confirmation import Confirmer, is_on_site
from wheel_uploader.targets.github_releases.location import parse_release_url
from wheel_uploader.targets.github_releases.release_json import Asset, GitHubRelease
from wheel_uploader.targets.github_releases.releases import FoundRelease, Releases
from wheel_uploader.targets.github_releases.target import GitHubReleasesTarget
from wheel_uploader.targets.protocol import Release
from wheel_uploader.upload.response_rules import ResponseKind

BASE = f"{API_URL}/repos/owner/demo"
SITE = "https://github.com/owner/demo"
TOKEN = "ghs_0123456789" + "abcdefABCDEF"
DATA = b"the contents of a file"
SHA = hashlib.sha256(DATA).hexdigest()
WHEEL = "demo-1.0-py3-none-any.whl"
LIST = "GET /releases?per_page=100&page=1"
TAGGED, SHORT = "GET /releases/tags/v1.0", "GET /releases/tags/1.0"
HAS_TAG, HAS_SHORT = "GET /git/ref/tags/v1.0", "GET /git/ref/tags/1.0"
VERSION = Version("1.0")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "GH_HOST", "GITHUB_SERVER_URL", "MINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_TOKEN", TOKEN)


def asset(number: int = 5, name: str = WHEEL, **values: Any) -> dict[str, Any]:
    usual = {"id": number, "name": name, "state": "uploaded", "size": len(DATA), "digest": f"sha256:{SHA}"}
    return {**usual, "browser_download_url": f"{SITE}/releases/download/v1.0/{name}", **values}


def release(number: int = 1, tag: str = "v1.0", *assets: dict[str, Any], **values: Any) -> dict[str, Any]:
    upload_url = f"https://uploads.github.com/repos/owner/demo/releases/{number}/assets{{?name,label}}"
    return {
        "id": number,
        "tag_name": tag,
        "draft": True,
        "assets": list(assets),
        "upload_url": upload_url,
        "html_url": f"{SITE}/releases/tag/untagged-{number}",
        **values,
    }


def public(number: int = 1, tag: str = "v1.0", *assets: dict[str, Any], **values: Any) -> dict[str, Any]:
    return release(number, tag, *assets, draft=False, html_url=f"{SITE}/releases/tag/{tag}", **values)


# --- the release of a version ----------------------------------------------------------------------


class Repo:
    """The releases of a repository, with scripted answers."""

    def __init__(self, answers: Mapping[str, Any], path: str = "", release_id: str = "") -> None:
        usual = {LIST: (200, []), TAGGED: 404, SHORT: 404, HAS_TAG: (200, {}), HAS_SHORT: 404}
        self.script = ScriptedHttp(BASE, {**usual, **answers})
        self.progress = RecordedProgress()
        self.location = parse_release_url(f"{SITE}/releases{path}")
        self.api = ReleaseApi(self.script.client(), self.location, API_URL)
        self.releases = Releases(
            api=self.api,
            location=self.location,
            attempts=Attempts(count=2, progress=self.progress, sleep=self.script.pauses.append),
            release_id=release_id or self.location.release_id,
        )

    def find(self) -> FoundRelease:
        """Find the release of version 1.0."""
        return self.releases.find(VERSION, "1.0")

    def create(self) -> GitHubRelease:
        """Create the draft."""
        return self.releases.create("v1.0", is_prerelease=False)

    def publish(self) -> GitHubRelease:
        """Publish the draft 1."""
        return self.releases.publish(GitHubRelease(id=1, tag="v1.0", is_draft=True))


def test_a_published_release_is_found_by_its_tag() -> None:
    others = [release(2, "v0.9"), public(3, "v0.8"), release(4)]
    repo = Repo({LIST: (200, others), SHORT: (200, public(1, "1.0"))})
    found = repo.find()
    assert found.release
    assert (found.release.id, found.tag, [each.id for each in found.others]) == (1, "1.0", [2, 3, 4])
    assert repo.script.log == [LIST, TAGGED, SHORT]


def test_a_draft_is_found_in_the_list() -> None:
    repo = Repo({LIST: (200, [release(2, "v0.9"), release(3, "v1.0"), public(4, "v1.0")])})
    found = repo.find()
    assert found.release
    assert (found.release.id, found.tag) == (3, "v1.0")


def test_without_a_release_the_tag_is_looked_for() -> None:
    repo = Repo({LIST: (200, [release(2, "v0.9")])})
    found = repo.find()
    assert (found.release, found.tag, [each.id for each in found.others]) == (None, "v1.0", [2])
    assert repo.script.log == [LIST, TAGGED, SHORT, HAS_TAG, HAS_SHORT]
    assert Repo({HAS_TAG: 404, HAS_SHORT: (200, {})}).find().tag == "1.0"
    assert Repo({"GET /releases/tags/x": 404, "GET /git/ref/tags/x": (200, {})}, "/tag/x").find().tag == "x"


@pytest.mark.parametrize(
    ("answers", "message", "hint"),
    [
        (
            {HAS_TAG: 404},
            "the repository has no release, no draft and no tag named v1.0 or 1.0",
            (
                "Push the tag of the release first, or name another one: "
                f"--repository-url {SITE}/releases/tag/TAG"
            ),
        ),
        (
            {HAS_SHORT: (200, {})},
            "the repository has several tags of this version: v1.0 and 1.0",
            f"Name one of them: --repository-url {SITE}/releases/tag/v1.0",
        ),
        (
            {TAGGED: (200, public(1)), SHORT: (200, public(2, "1.0"))},
            "there are releases of both tags, v1.0 and 1.0",
            f"Name one of them: --repository-url {SITE}/releases/tag/v1.0",
        ),
        (
            {LIST: (200, [release(3), release(2)])},
            "there are 2 drafts of the release v1.0: 2 and 3; nothing was changed",
            (
                "Name the one to publish with --release-id, for example --release-id 2, and delete the "
                "others on GitHub."
            ),
        ),
    ],
)
def test_a_release_is_not_guessed(answers: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Repo(answers).find()
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_long_tag_is_cut_in_the_message() -> None:
    tag = "t" * 201
    repo = Repo({f"GET /releases/tags/{tag}": 404, f"GET /git/ref/tags/{tag}": 404}, f"/tag/{tag}")
    with pytest.raises(UsageError) as caught:
        repo.find()
    assert caught.value.message.endswith(f"no tag named {tag[:200]}...")


def test_a_release_that_the_user_names_is_taken() -> None:
    repo = Repo({"GET /releases/7": (200, release(7))}, release_id="7")
    found = repo.find()
    assert found.release
    assert found.release.id == 7
    assert repo.script.log == [LIST, "GET /releases/7"]
    repo = Repo({"GET /releases/7": (200, release(7, "v0.9"))}, "/7")
    with pytest.raises(UsageError) as caught:
        repo.find()
    assert caught.value.message == "release 7 has the tag v0.9, not v1.0 or 1.0"
    assert caught.value.hint == "Correct the number, or name the tag in the URL of the release."
    repo = Repo({"GET /releases/7": 404}, "/7")
    with pytest.raises(UsageError) as caught:
        repo.find()
    assert caught.value.message == (
        "owner/demo has no release with the number 7, or the token may not see it"
    )
    assert caught.value.hint == "Only a token that may write sees drafts. Check the number or the URL."


def test_the_page_of_a_draft_names_it_whatever_its_tag() -> None:
    listed = [release(2), release(3, "v0.9", html_url=f"{SITE}/releases/tag/untagged-ab%31")]
    repo = Repo({LIST: (200, listed)}, "/tag/untagged-ab1")
    found = repo.find()
    assert found.release
    assert (found.release.id, found.tag) == (3, "v0.9")
    with pytest.raises(UsageError, match="no release with the page untagged-ab2, or the token"):
        Repo({LIST: (200, listed)}, "/tag/untagged-ab2").find()


def test_releases_are_described_with_their_files() -> None:
    assets = (
        Asset(id=1, name="a.whl", state="uploaded", size=1),
        Asset(id=2, name="b\x1b.whl", state="uploaded", size=1),
        Asset(id=3, name="c.whl", state="starter", size=0),
    )
    described = GitHubRelease(id=7, tag="v1", is_draft=True, assets=assets)
    assert release_choice.describe(described).startswith("draft 7 (v1): a.whl, b")
    assert release_choice.describe(described).endswith(", and 1 unfinished upload")
    assert release_choice.describe(dataclasses.replace(described, assets=())) == "draft 7 (v1): no files"
    public_one = dataclasses.replace(described, is_draft=False, assets=assets[:1])
    assert release_choice.describe(public_one) == "release 7 (v1): a.whl"
    long = Asset(id=1, name="n" * 301, state="uploaded", size=1)
    text = release_choice.describe(dataclasses.replace(described, assets=(long,)))
    assert text == f"draft 7 (v1): {'n' * 300}..."
    many = [dataclasses.replace(described, id=number, assets=()) for number in range(1, 9)]
    error = release_choice.build_several_drafts_error(many[::-1])
    assert error.message == (
        "there are 8 drafts of the release v1: 1 and 2 and 3 and 4 and 5 and 6; nothing was changed"
    )
    assert error.details == tuple(f"draft {number} (v1): no files" for number in range(1, 9))
    seven = [Asset(id=1, name=f"{n}.whl", state="uploaded", size=1) for n in "abcdefgh"]
    text = release_choice.describe(dataclasses.replace(described, assets=tuple(seven)))
    assert "f.whl" in text
    assert "g.whl" not in text


# --- a new draft -----------------------------------------------------------------------------------


def test_a_new_draft_is_created_once() -> None:
    repo = Repo({"POST /releases": (201, release(7)), LIST: (200, [release(7), release(3, "v0.9")])})
    assert repo.create().id == 7
    assert repo.script.log == ["POST /releases", LIST]
    # It may not be listed yet.
    assert Repo({"POST /releases": (201, release(7))}).create().id == 7


def test_an_unclear_creation_is_looked_at() -> None:
    repo = Repo({"POST /releases": 502, LIST: (200, [release(7)])})
    assert repo.create().id == 7
    assert repo.script.log == ["POST /releases", LIST, LIST]
    repo = Repo({"POST /releases": [502, (201, release(8))], LIST: [(200, []), (200, [release(8)])]})
    assert repo.create().id == 8
    assert repo.script.log == ["POST /releases", LIST, "POST /releases", LIST]
    repo = Repo({"POST /releases": 502})
    with pytest.raises(NetworkError, match=r"the draft of v1.0: GitHub returned a server error"):
        repo.create()
    # Listed between the attempts, and gone afterwards.
    repo = Repo({"POST /releases": 502, LIST: [(200, [release(7)]), (200, [])]})
    with pytest.raises(NetworkError, match=r"GitHub does not list the draft of v1.0 that it created"):
        repo.create()


@pytest.mark.parametrize("others", [[release(3)], [release(3), public(9)], [public(9)]])
def test_of_two_new_drafts_all_runs_use_the_same(others: list[dict[str, Any]]) -> None:
    repo = Repo(
        {
            "POST /releases": (201, release(7)),
            LIST: (200, [release(7), *others]),
            "GET /releases/7": (200, release(7)),
            "GET /releases/7/assets?per_page=100&page=1": (200, []),
            "DELETE /releases/7": 204,
        }
    )
    chosen = 9 if any(not each["draft"] for each in others) else 3
    assert repo.create().id == chosen
    assert repo.script.log[-1] == "DELETE /releases/7"
    assert repo.progress.lines == [
        (
            f"another run created the release {chosen} of v1.0 at the same moment: it gets the files, and "
            "the empty draft 7 of this run was deleted"
        )
    ]


def test_the_lower_number_of_this_run_is_kept() -> None:
    repo = Repo({"POST /releases": (201, release(2)), LIST: (200, [release(3)])})
    assert repo.create().id == 2
    assert repo.progress.lines == []


def test_a_draft_that_is_gone_is_not_deleted_again() -> None:
    answers = {"POST /releases": (201, release(7)), LIST: (200, [release(7), release(3)])}
    repo = Repo({**answers, "GET /releases/7": 404})
    assert repo.create().id == 3
    assert "DELETE /releases/7" not in repo.script.log
    deletion = {
        "GET /releases/7": [(200, release(7)), 404],
        "GET /releases/7/assets?per_page=100&page=1": (200, []),
        "DELETE /releases/7": 502,
    }
    repo = Repo({**answers, **deletion})
    assert repo.create().id == 3
    assert repo.script.log[-2:] == ["DELETE /releases/7", "GET /releases/7"]
    repo = Repo({**answers, **deletion, "GET /releases/7": (200, release(7))})
    with pytest.raises(NetworkError, match=r"the empty draft 7: "):
        repo.create()


@pytest.mark.parametrize(
    ("now", "assets"), [(public(7), []), (release(7, "v0.9"), []), (release(7), [asset()])]
)
def test_a_draft_in_use_is_not_deleted(now: dict[str, Any], assets: list[Any]) -> None:
    repo = Repo(
        {
            "POST /releases": (201, release(7)),
            LIST: (200, [release(7), release(3)]),
            "GET /releases/7": (200, now),
            "GET /releases/7/assets?per_page=100&page=1": (200, assets),
        }
    )
    with pytest.raises(UsageError, match="there are 3 drafts of the release"):
        repo.create()
    assert "DELETE /releases/7" not in repo.script.log


# --- publication -----------------------------------------------------------------------------------

ONE = "GET /releases/1"
PUBLISH = "PATCH /releases/1"


def test_the_only_draft_is_published() -> None:
    others = [
        release(1, "v1.0", asset()),
        release(2, "v0.9", asset()),
        public(3, "v1.0", asset()),
        release(4),
    ]
    repo = Repo({LIST: (200, others), ONE: (200, release(1)), PUBLISH: (200, public(1))})
    published = repo.publish()
    assert (published.id, published.is_draft) == (1, False)
    assert repo.script.log == [LIST, ONE, PUBLISH]


def test_a_draft_is_not_published_if_another_one_has_files() -> None:
    repo = Repo({LIST: (200, [release(1, "v1.0", asset()), release(2, "v1.0", asset())])})
    with pytest.raises(UsageError) as caught:
        repo.publish()
    assert caught.value.message == ("there are 2 drafts of the release v1.0: 1 and 2; nothing was changed")
    assert caught.value.details == ("draft 1 (v1.0): no files", f"draft 2 (v1.0): {WHEEL}")
    assert repo.script.log == [LIST]
    # Unless the user has named one of them.
    repo = Repo({ONE: (200, release(1)), PUBLISH: (200, public(1))}, release_id="1")
    assert not repo.publish().is_draft
    assert repo.script.log == [ONE, PUBLISH]


def test_a_release_that_is_published_already_is_not_published_again() -> None:
    repo = Repo({ONE: (200, public(1))})
    assert not repo.publish().is_draft
    assert repo.script.log == [LIST, ONE]


def test_a_draft_that_is_gone_is_an_error() -> None:
    repo = Repo({ONE: 404})
    with pytest.raises(NetworkError, match=r"release 1 \(v1.0\) is gone from GitHub"):
        repo.publish()


def test_an_unclear_publication_is_looked_at() -> None:
    repo = Repo({ONE: [(200, release(1)), (200, public(1))], PUBLISH: httpx.ReadError("cut")})
    assert not repo.publish().is_draft
    assert repo.script.log == [LIST, ONE, PUBLISH, ONE]
    repo = Repo({ONE: (200, release(1)), PUBLISH: [502, (200, public(1))]})
    assert not repo.publish().is_draft
    assert repo.script.log == [LIST, ONE, PUBLISH, ONE, PUBLISH]
    repo = Repo({ONE: (200, release(1)), PUBLISH: (200, release(1))})
    with pytest.raises(NetworkError) as caught:
        repo.publish()
    assert caught.value.message == "publishing v1.0: GitHub left the release a draft (status 200)"
    assert repo.script.log.count(PUBLISH) == 2


def test_another_release_of_the_tag_is_a_conflict() -> None:
    body = {"message": "Validation Failed", "errors": [{"code": "already_exists", "field": "tag_name"}]}
    repo = Repo({ONE: (200, release(1)), PUBLISH: (422, body)})
    with pytest.raises(ConflictError) as caught:
        repo.publish()
    assert caught.value.message == (
        "publishing v1.0: another release of this tag was published meanwhile (status 422)"
    )
    assert caught.value.hint == "Compare the two releases on GitHub, and delete one of them."
    assert repo.script.log.count(PUBLISH) == 1


# --- confirmation ----------------------------------------------------------------------------------

DOWNLOAD = f"GET {SITE}/releases/download/v1.0/{WHEEL}"
ASSETS = "GET /releases/1/assets?per_page=100&page=1"
FROM_API = "GET /releases/assets/5"
PARTIAL = (206, DATA[:16], {"content-range": f"bytes 0-15/{len(DATA)}"})


class Look:
    """The confirmation of one file, with scripted answers."""

    def __init__(
        self, answers: Mapping[str, Any], *, private: bool = False, site: str = "https://github.com"
    ) -> None:
        usual = {ONE: (200, public(1)), ASSETS: (200, [asset()]), DOWNLOAD: PARTIAL}
        self.script = ScriptedHttp(BASE, {**usual, **answers})
        self.progress = RecordedProgress()
        self.time = 100.0
        http = self.script.client("https://github.com", site)
        api = ReleaseApi(http, parse_release_url(f"{SITE}/releases"), API_URL)
        found = GitHubRelease(id=1, tag="v1.0", is_draft=False)
        self.confirmer = Confirmer(
            http=http,
            api=api,
            assets=ReleaseAssets(api, found, self.progress),
            site_url=site,
            is_private=private,
            progress=self.progress,
            sleep=self.sleep,
            clock=lambda: self.time,
        )

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.script.pauses.append(seconds)
        assert len(self.script.pauses) < 100
        self.time += seconds

    def confirm(self, timeout: float = 0, *, was_uploaded: bool = True, data: bytes = DATA) -> Any:
        """Confirm a file with these bytes, and return the confirmation or the error."""
        content = AssetContent.from_bytes(WHEEL, data)
        try:
            return self.confirmer.confirm([content], timeout=timeout, was_uploaded=was_uploaded)
        except ReleaseError as error:
            return error


def test_a_file_that_users_can_download_is_confirmed() -> None:
    look = Look({})
    url = f"{SITE}/releases/download/v1.0/{WHEEL}"
    assert look.confirm() == (Confirmation(filename=WHEEL, sha256=SHA, url=url),)
    assert look.script.log == [ONE, ASSETS, DOWNLOAD]
    request = look.script.requests[-1]
    assert request.headers["range"] == "bytes=0-15"
    assert request.headers["accept"] == "application/octet-stream"
    assert "authorization" not in request.headers
    # Once is enough.
    look.confirm()
    assert look.script.log.count(DOWNLOAD) == 1


def test_downloads_may_be_on_any_host() -> None:
    moved = (302, "", {"location": "https://storage.example/a"})
    look = Look({DOWNLOAD: moved, "GET https://storage.example/a": PARTIAL})
    assert isinstance(look.confirm(), tuple)
    assert look.script.requests[-1].headers["range"] == "bytes=0-15"


def problem_of(answers: Mapping[str, Any], data: bytes = DATA, **options: Any) -> str:
    """Return the problem of the only file."""
    error = Look(answers, **options).confirm(data=data)
    assert isinstance(error, DeadlineError), error
    assert error.message == "the release v1.0 does not serve 1 of 1 file"
    [line] = error.details
    return line.removeprefix(f"{WHEEL}: ")


HTML = {"content-type": "text/html"}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (404, "its download answers 404 (Not Found)"),
        (416, "its download answers 416"),
        (304, "its download answers 304"),
        ((200, DATA[:-1]), "its download has 21 bytes instead of 22 (no content type)"),
        ((200, DATA + b"x", HTML), "its download has 23 bytes instead of 22 (text/html)"),
        ((200, b"x" * len(DATA), HTML), "its download has other contents (text/html)"),
        ((206, DATA[:16], {"content-range": "bytes 0-15/21"}), "its download has 21 bytes instead of 22"),
        ((206, b"x" * 16, {"content-type": "t" * 61}), f"its download has other contents ({'t' * 60}...)"),
        ((206, b"x" * 16, {"content-range": "bytes 0-15/22"}), "its download has other contents"),
        ((206, b"", {"content-range": "bytes 0-15/22"}), "its download has other contents"),
    ],
)
def test_a_download_of_something_else_is_a_problem(answer: Any, problem: str) -> None:
    assert problem_of({DOWNLOAD: answer}).startswith(problem)


@pytest.mark.parametrize(
    "answer",
    [
        (200, DATA),
        (206, DATA[:16]),
        (206, DATA[:16], {"content-range": "bytes 0-15/*"}),
        (206, DATA, {"content-range": f"bytes 0-21/{len(DATA)}"}),
    ],
)
def test_a_server_may_send_more_or_no_size(answer: Any) -> None:
    assert isinstance(Look({DOWNLOAD: answer}).confirm(), tuple)


def test_a_server_may_send_the_file_in_pieces_without_its_size() -> None:
    assert isinstance(Look({DOWNLOAD: (200, iter([DATA[:10], DATA[10:]]))}).confirm(), tuple)


def test_a_small_file_is_compared_as_a_whole() -> None:
    small = hashlib.sha256(b"ab").hexdigest()
    listed = asset(size=2, digest=f"sha256:{small}")
    look = Look({ASSETS: (200, [listed]), DOWNLOAD: (206, b"ab", {"content-range": "bytes 0-1/2"})})
    assert isinstance(look.confirm(data=b"ab"), tuple)
    assert look.script.requests[-1].headers["range"] == "bytes=0-1"


def test_a_download_that_fails_is_a_problem() -> None:
    assert "refused" in problem_of({DOWNLOAD: httpx.ConnectError("refused")})
    assert "requires authentication" in problem_of({DOWNLOAD: 401})


def test_a_url_of_another_site_is_a_problem() -> None:
    for url in ("https://evil.example/a?token=secret-of-a-user", "http://github.com/x", "not-a-url", ""):
        problem = problem_of({ASSETS: (200, [asset(browser_download_url=url)])})
        assert problem == f"its URL for users is not on https://github.com: {url.partition('?')[0]}"
        assert is_on_site(url, "https://github.com") is False


def test_the_state_of_the_release_may_be_a_problem() -> None:
    error = Look({ONE: 404}).confirm()
    assert error.details == ("the release: GitHub does not have it",)
    error = Look({ONE: (200, release(1))}).confirm()
    assert error.details == ("the release: it is a draft, which users do not see (v1.0)",)
    error = Look({ONE: 502}).confirm()
    assert "returned 502" in error.details[0]
    assert error.details[0].startswith("the release: ")
    assert problem_of({ASSETS: (200, [])}) == "the release does not have it"
    starter = asset(state="starter", size=0)
    assert problem_of({ASSETS: (200, [starter])}) == f"{WHEEL} (state starter, 0 bytes)"


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"digest": f"sha256:{'ab' * 32}"}, f"local sha256 {SHA}, GitHub's sha256 {'ab' * 32}"),
        ({"size": 23}, "local size 22, GitHub's size 23 bytes"),
    ],
)
def test_other_bytes_are_a_conflict_at_once(change: dict[str, Any], detail: str) -> None:
    look = Look({ASSETS: (200, [asset(**change)])})
    error = look.confirm(600)
    assert isinstance(error, ConflictError)
    assert error.message == "the release v1.0 has 1 file with different contents"
    assert error.details == (f"{WHEEL}: {detail}",)
    assert error.hint == ("Delete the release now, find out who else changes it, and publish a new version.")
    assert look.script.pauses == []


def test_looks_until_the_files_are_served() -> None:
    missing: Any = (200, [])
    look = Look({ASSETS: [missing] * 10 + [(200, [asset()])]})
    assert isinstance(look.confirm(600), tuple)
    assert [round(pause, 2) for pause in look.script.pauses] == [
        *(1.0, 1.5, 2.25, 3.38, 5.06, 7.59, 11.39, 17.09),
        *(20.0, 20.0),
    ]
    text = f"confirm: {WHEEL}: the release does not have it"
    assert look.progress.waits[:2] == [(text, 600.0), (text, 599.0)]
    assert look.progress.details[0] == f"{WHEEL}: the release does not have it; checking again"


def test_the_last_look_is_at_the_end_of_the_time() -> None:
    look = Look({ASSETS: (200, [])})
    error = look.confirm(2)
    assert look.script.pauses == [1.0, 1.0]
    assert error.message == "after 2 s the release v1.0 does not serve 1 of 1 file"
    assert error.hint == (
        "GitHub accepted the files, and may need more time: run the same command again to check."
    )
    assert not error.is_permanent
    error = look.confirm(0, was_uploaded=False)
    assert error.hint == "Publish the missing files without --verify."
    assert error.is_permanent


def test_a_private_file_is_downloaded_from_the_api() -> None:
    look = Look({FROM_API: PARTIAL}, private=True)
    [confirmed] = look.confirm()
    assert look.script.log == [ONE, ASSETS, FROM_API]
    assert look.script.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert confirmed.url
    assert problem_of({FROM_API: 404}, private=True).startswith("its download answers 404")


def test_the_api_serves_public_files_of_a_site_that_requires_a_login() -> None:
    site = "https://git.example"
    url = f"{site}/owner/demo/releases/download/v1.0/{WHEEL}"
    answers = {ASSETS: (200, [asset(browser_download_url=url)]), f"GET {url}": 404, FROM_API: PARTIAL}
    look = Look(answers, site=site)
    [confirmed] = look.confirm()
    assert confirmed.url == url
    assert look.script.log[-2:] == [f"GET {url}", FROM_API]
    look = Look({**answers, f"GET {url}": PARTIAL}, site=site)
    look.confirm()
    assert FROM_API not in look.script.log
    # Users of github.com need no login.
    look = Look({DOWNLOAD: 404, FROM_API: PARTIAL})
    assert isinstance(look.confirm(), DeadlineError)
    assert FROM_API not in look.script.log


# --- the target ------------------------------------------------------------------------------------


class Site:
    """A target whose requests are answered by a script."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.script = ScriptedHttp(
            BASE,
            {
                "GET ": (200, {"full_name": "owner/demo"}),
                LIST: (200, []),
                TAGGED: 404,
                SHORT: 404,
                HAS_TAG: (200, {}),
                HAS_SHORT: 404,
                ASSETS: (200, []),
            },
        )
        self.clients = ScriptedClients(self.script)
        self.progress = RecordedProgress()
        self.file = make_local_wheel(folder, "1.0")
        monkeypatch.setattr(github_target, "HttpClient", self.clients)

    def open(self, settings: TargetSettings | None = None, **options: Any) -> GitHubReleasesTarget:
        """Open the target."""
        usual = {"project": "demo", "version": "1.0", "urls": ("staged",), "retries": 1}
        settings = settings or TargetSettings(url=f"{SITE}/releases")
        return GitHubReleasesTarget(Options(**{**usual, **options}), self.progress, settings)

    def asset(self, **values: Any) -> dict[str, Any]:
        """Return the file as an asset."""
        file = self.file
        return asset(size=file.size, digest=f"sha256:{file.sha256}", **values)

    @property
    def release(self) -> Release:
        """The release of the file."""
        return Release(project="demo", version=VERSION, files=(self.file,))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    return Site(monkeypatch, tmp_path)


def test_the_target_is_named_after_the_repository(site: Site, tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("")
    options: dict[str, Any] = {"allow_hosts": ("a.example",), "allow_insecure_hosts": ("b.example",)}
    target = site.open(timeout=7.0, retries=3, cert=cert, **options)
    info = target.info
    assert (info.url, info.name, info.is_pypi, info.stores_attestations, info.cert) == (
        f"{SITE}/releases",
        "the releases of owner/demo",
        False,
        True,
        cert,
    )
    expected = {
        **options,
        "user_urls": (API_URL, "https://github.com", "https://uploads.github.com"),
        "timeout": 7.0,
        "retries": 3,
        "verify": str(cert),
        "progress": site.progress,
    }
    assert site.clients.options == [expected]
    target.close()
    assert len(site.clients.closed) == 1
    site.open()
    assert site.clients.options[-1]["verify"] is True
    assert target.index is None


def test_write_only_is_refused_with_the_option(site: Site) -> None:
    with pytest.raises(OptionError) as caught:
        site.open(write_only=True)
    assert (caught.value.name, caught.value.hint) == ("write_only", "Remove --write-only.")
    assert caught.value.problem == "a GitHub release is always read, to find its drafts and assets"


def test_the_login_names_the_variable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.open().prepare_login(is_required=True)
    monkeypatch.setenv("MINE", "ghs_" + "another0123456789")
    site.open(TargetSettings(url=f"{SITE}/releases", token_variable="MINE")).prepare_login(is_required=True)
    monkeypatch.delenv("GH_TOKEN")
    target = site.open()
    target.prepare_login(is_required=False)
    assert target.login == ""
    assert site.progress.lines == [
        "login: token in GH_TOKEN",
        "login: token in MINE",
        "no token is known (GH_TOKEN or GITHUB_TOKEN); this run does not need one, but sees no drafts",
    ]
    with pytest.raises(CredentialsError) as caught:
        target.prepare_login(is_required=True)
    assert caught.value.message == "there is no token for GitHub: set GH_TOKEN or GITHUB_TOKEN"
    assert caught.value.hint == responses.RIGHTS_HINT
    monkeypatch.delenv("MINE")
    with pytest.raises(CredentialsError, match="the variable MINE, which has the token"):
        site.open(TargetSettings(url=f"{SITE}/releases", token_variable="MINE"))


def test_a_project_has_the_files_of_all_published_releases(site: Site) -> None:
    old = asset(8, "demo-0.9.tar.gz", digest=None)
    site.script.answers[LIST] = (
        200,
        [
            public(
                1,
                "v1.0",
                asset(),
                asset(6, "other-1.0.tar.gz"),
                asset(7, "notes.txt"),
                asset(9, "demo-1.0.tar.gz", size=0),
            ),
            public(2, "v0.9", old, asset(10, size=5)),
            release(3, "v2.0", asset(11, "demo-2.0.tar.gz")),
        ],
    )
    target = site.open()
    page = target.fetch_project("Demo")
    assert page.files == (
        IndexFile(
            filename=WHEEL,
            url=f"{SITE}/releases/download/v1.0/{WHEEL}",
            hashes={"sha256": SHA},
            size=len(DATA),
        ),
        IndexFile(filename="demo-0.9.tar.gz", url=f"{BASE}/releases/assets/8", hashes={}, size=len(DATA)),
    )
    assert (page.url, page.exists, page.page_format) == (f"{SITE}/releases", True, "json")
    assert target.get_sha256(page.files[0]) == SHA
    site.script.answers["GET /releases/assets/8"] = (200, DATA)
    assert target.get_sha256(page.files[1]) == SHA


def test_a_new_name_of_the_repository_is_reported(site: Site) -> None:
    script = ScriptedHttp(f"{API_URL}/repos", {"GET /owner/demo": (200, {"full_name": "owner/new"})})
    script.answers["GET /owner/new/releases?per_page=100&page=1"] = (200, [])
    site.clients.script = script
    site.open().fetch_project("demo")
    assert site.progress.lines == ["owner/demo is called owner/new now"]
    assert script.log == ["GET /owner/demo", "GET /owner/new/releases?per_page=100&page=1"]
    script.answers["GET /owner/demo"] = (200, {"full_name": "Owner/Demo"})
    script.answers["GET /Owner/Demo/releases?per_page=100&page=1"] = (200, [])
    site.progress.lines.clear()
    site.open().fetch_project("demo")
    assert site.progress.lines == []


def test_the_state_compares_the_files_with_the_assets_of_the_release(site: Site) -> None:
    site.script.answers |= {
        LIST: (200, [release(1), public(2, "v0.9", asset(8, "demo-0.9.tar.gz"))]),
        ASSETS: (200, [site.asset()]),
    }
    target = site.open()
    state = target.fetch_state("demo", VERSION, [site.file])
    assert [each.result for each in state.comparisons] == [FileComparison.SAME]
    assert state.project_page
    assert [file.filename for file in state.project_page.files] == ["demo-0.9.tar.gz"]
    assert site.script.log == ["GET ", LIST, TAGGED, SHORT, ASSETS]
    assert target.release_page_url("demo", VERSION) == ""
    site.script.answers[ASSETS] = (200, [])
    assert target.fetch_file_state("demo", site.file).result is FileComparison.ABSENT


def test_the_page_of_a_published_release_is_shown_if_it_is_on_the_site(site: Site) -> None:
    for page, shown in (
        (f"{SITE}/releases/tag/v1.0", f"{SITE}/releases/tag/v1.0"),
        ("https://evil.example/", ""),
    ):
        site.script.answers[TAGGED] = (200, {**public(1, "v1.0", site.asset()), "html_url": page})
        target = site.open()
        state = target.fetch_state("demo", VERSION, [site.file])
        assert target.release_page_url("demo", VERSION) == shown
        assert state.project_page
        assert [file.filename for file in state.project_page.files] == [WHEEL]


def test_an_immutable_release_must_have_all_files(site: Site, tmp_path: Path) -> None:
    second = make_local_wheel(tmp_path, "1.0", tag="cp312-cp312-win_amd64")
    site.script.answers |= {TAGGED: (200, public(1, immutable=True)), ASSETS: (200, [site.asset()])}
    with pytest.raises(ConflictError) as caught:
        site.open().fetch_state("demo", VERSION, [site.file, second])
    assert caught.value.message == "the release v1.0 is published and immutable, and lacks 1 of 2 files"
    assert caught.value.details == (f"in: {WHEEL}", f"not in: {second.filename}")
    assert caught.value.hint == responses.IMMUTABLE_HINT
    target = site.open()
    target.fetch_state("demo", VERSION, [site.file])
    site.script.requests.clear()
    target.finish(site.release)
    assert site.script.log == []
    # A draft is not immutable yet, and other releases accept more.
    for given in (release(1, immutable=True), public(1)):
        site.script.answers |= {TAGGED: 404 if given["draft"] else (200, given), LIST: (200, [given])}
        state = site.open().fetch_state("demo", VERSION, [second])
        assert state.comparisons[0].result is FileComparison.ABSENT


UPLOAD = f"POST https://uploads.github.com/repos/owner/demo/releases/1/assets?name={WHEEL}"
SUMS = "POST https://uploads.github.com/repos/owner/demo/releases/1/assets?name=SHA256SUMS"


def list_of(*files: Any) -> bytes:
    return "".join(f"{file.sha256}  {file.filename}\n" for file in files).encode()


def sums_asset(data: bytes) -> dict[str, Any]:
    return asset(9, "SHA256SUMS", size=len(data), digest=f"sha256:{hashlib.sha256(data).hexdigest()}")


def test_a_draft_is_created_filled_and_published(site: Site) -> None:
    data = list_of(site.file)
    listed = [site.asset(), sums_asset(data)]
    site.script.answers |= {
        "POST /releases": (201, release(1)),
        ASSETS: [(200, []), (200, [site.asset()]), (200, [site.asset()]), (200, listed)],
        UPLOAD: (201, site.asset()),
        SUMS: (201, sums_asset(data)),
        ONE: (200, release(1)),
        PUBLISH: (200, public(1)),
    }
    target = site.open()
    target.fetch_state("demo", VERSION, [site.file])
    target.begin(site.release)
    assert target.upload(site.file).kind is ResponseKind.ACCEPTED
    target.finish(site.release)
    changes = [each for each in site.script.log if not each.startswith("GET")]
    assert changes == ["POST /releases", UPLOAD, SUMS, PUBLISH]
    assert site.script.requests[site.script.log.index("POST /releases")].json["prerelease"] is False
    assert site.progress.lines == ["the files go to the draft 1 of v1.0", "published v1.0"]
    assert target.release_page_url("demo", VERSION) == f"{SITE}/releases/tag/v1.0"
    # The list of this run is confirmed with the files.
    download = f"GET {SITE}/releases/download/v1.0"
    content = site.file.path.read_bytes()
    site.script.answers |= {
        ONE: (200, public(1)),
        f"{download}/{WHEEL}": (200, content),
        f"{download}/SHA256SUMS": (200, data),
    }
    site.script.requests.clear()
    confirmed = target.confirm("demo", [site.file], timeout=0)
    assert [each.filename for each in confirmed] == [WHEEL]
    assert f"{download}/SHA256SUMS" in site.script.log
    assert LIST not in site.script.log


def test_the_rest_of_an_upload_in_a_new_draft_is_known(site: Site) -> None:
    # Another run may have created the draft.
    rest = asset(4, state="starter", size=0)
    site.script.answers |= {
        "POST /releases": (201, release(1)),
        ASSETS: (200, [rest]),
        "GET /releases/assets/4": (200, rest),
        "DELETE /releases/assets/4": 204,
        UPLOAD: (201, site.asset()),
    }
    target = site.open()
    target.begin(site.release)
    assert target.upload(site.file).kind is ResponseKind.ACCEPTED
    assert site.script.log[-3:] == ["GET /releases/assets/4", "DELETE /releases/assets/4", UPLOAD]


def test_the_tag_may_be_spelled_as_the_files(site: Site, tmp_path: Path) -> None:
    tags = ("v1.0.dev0", "1.0.dev0", "v1.0dev0", "1.0dev0")
    site.script.answers |= {f"GET /releases/tags/{tag}": 404 for tag in tags[:3]}
    site.script.answers["GET /releases/tags/1.0dev0"] = (200, public(1, "1.0dev0"))
    file = make_local_wheel(tmp_path, "1.0dev0")
    target = site.open()
    target.fetch_state("demo", Version("1.0.dev0"), [file])
    assert [each for each in site.script.log if "/tags/" in each] == [
        f"GET /releases/tags/{tag}" for tag in tags
    ]
    site.script.answers[TAGGED] = (200, public(1))
    assert site.open().fetch_state("demo", VERSION, []).comparisons == ()
    with pytest.raises(DeadlineError, match="has no release of this version of demo"):
        site.open().confirm("demo", [], timeout=0)


def test_a_pre_release_is_marked_as_one(site: Site, tmp_path: Path) -> None:
    site.script.answers |= {f"GET /releases/tags/{tag}": 404 for tag in ("v1.0rc1", "1.0rc1")}
    site.script.answers |= {"GET /git/ref/tags/v1.0rc1": (200, {}), "GET /git/ref/tags/1.0rc1": 404}
    site.script.answers["POST /releases"] = (201, release(1, "v1.0rc1"))
    file = make_local_wheel(tmp_path, "1.0rc1")
    site.open().begin(Release(project="demo", version=Version("1.0rc1"), files=(file,)))
    assert site.script.requests[site.script.log.index("POST /releases")].json["prerelease"] is True


def test_a_release_that_exists_is_reported_before_the_upload(site: Site) -> None:
    site.script.answers[LIST] = (200, [release(1)])
    site.open().begin(site.release)
    site.script.answers[TAGGED] = (200, public(1))
    site.open().begin(site.release)
    assert site.progress.lines == [
        "the files go to the draft 1 of v1.0, which exists",
        "the release v1.0 is published already: missing files are added to it",
    ]
    assert [each for each in site.script.log if not each.startswith("GET")] == []


def test_a_published_release_only_gets_its_missing_files(site: Site) -> None:
    data = list_of(site.file)
    site.script.answers |= {
        TAGGED: (200, public(1)),
        ASSETS: (200, [site.asset()]),
        SUMS: (201, sums_asset(data)),
    }
    target = site.open()
    target.finish(site.release)
    assert [each for each in site.script.log if not each.startswith("GET")] == [SUMS]
    assert site.progress.lines == []


def test_a_draft_that_another_program_changed_is_not_published(site: Site) -> None:
    data = list_of(site.file)
    changed = [asset(), sums_asset(data)]
    site.script.answers |= {
        LIST: (200, [release(1)]),
        ASSETS: [(200, [site.asset(), sums_asset(data)])] * 2 + [(200, changed)],
        "GET /releases/assets/9": (200, data),
    }
    target = site.open()
    with pytest.raises(ConflictError) as caught:
        target.finish(site.release)
    assert caught.value.message == (
        f"another program changed the draft: it does not have {WHEEL} as uploaded; it was not published"
    )
    assert caught.value.hint == "Find out who else changes this draft, then run the same command again."
    assert PUBLISH not in site.script.log


def test_files_of_other_runs_in_the_draft_are_reported(site: Site) -> None:
    data = list_of(site.file)
    more = [asset(20 + number, f"demo-1.0-{number}-py3-none-any.whl") for number in range(7)]
    site.script.answers |= {
        LIST: (200, [release(1)]),
        ASSETS: (200, [*reversed(more), site.asset(), sums_asset(data), asset(30, "notes.txt")]),
        "GET /releases/assets/9": (200, data),
        ONE: (200, release(1)),
        PUBLISH: (200, public(1)),
    }
    site.open().finish(site.release)
    [line, published] = site.progress.lines
    assert line.startswith(
        "the draft also has files that are not of this run: demo-1.0-0-py3-none-any.whl, demo-1.0-1-"
    )
    assert "demo-1.0-5-" in line
    assert "demo-1.0-6-" not in line
    assert published == "published v1.0"


def test_valid_attestations_are_uploaded(site: Site) -> None:
    def attest(malformed_reason: str) -> Attestation:
        path = Path(f"{WHEEL}.publish.attestation")
        return Attestation(subject_filename=WHEEL, path=path, content=b"", malformed_reason=malformed_reason)

    target = site.open()
    assert target.set_attestations([attest("no JSON"), attest("")], AttestationPolicy.AUTO)
    assert not target.set_attestations([attest("no JSON")], AttestationPolicy.AUTO)
    assert not target.set_attestations([], AttestationPolicy.AUTO)


def test_files_can_be_verified_without_an_upload(site: Site) -> None:
    site.script.answers |= {TAGGED: (200, public(1)), ASSETS: (200, [site.asset()]), ONE: (200, public(1))}
    site.script.answers[DOWNLOAD] = (200, site.file.path.read_bytes())
    [confirmed] = site.open().confirm("demo", [site.file], timeout=0, was_uploaded=False)
    assert confirmed.filename == WHEEL
    site.script.answers[TAGGED] = 404
    with pytest.raises(DeadlineError) as caught:
        site.open().confirm("demo", [site.file], timeout=0, was_uploaded=False)
    assert caught.value.message == "owner/demo has no release of this version of demo"
    assert caught.value.hint == "Publish the files without --verify."
    assert caught.value.is_permanent


def test_a_private_repository_is_confirmed_with_the_token(site: Site) -> None:
    site.script.answers |= {
        "GET ": (200, {"full_name": "owner/demo", "private": True}),
        TAGGED: (200, public(1)),
        ASSETS: (200, [site.asset()]),
        ONE: (200, public(1)),
        FROM_API: (200, site.file.path.read_bytes()),
    }
    [confirmed] = site.open().confirm("demo", [site.file], timeout=0)
    assert confirmed.filename == WHEEL
    assert FROM_API in site.script.log


def test_options_of_other_targets_are_refused(site: Site) -> None:
    target = site.open()
    with pytest.raises(OptionError, match="does not let files be replaced"):
        target.require_replaceable()
    with pytest.raises(OptionError, match="files cannot be removed from the releases of owner/demo"):
        target.require_prunable()
    with pytest.raises(ReleaseError, match="the draft on GitHub was not created"):
        target.upload(site.file)

"""The removal of files from an index of devpi: requests, refusals, and the answers that are not believed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support.scripted_http import ScriptedHttp
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    HttpStatusError,
    NetworkError,
    OptionError,
    ReleaseError,
    TransportError,
)
from wheel_uploader.targets import devpi
from wheel_uploader.targets.devpi import DevpiIndex
from wheel_uploader.targets.pruning import TargetFile

URL = "https://devpi.example/alice/dev/"
WHEEL = "demo-1.0.dev1-py3-none-any.whl"
SHA = "ab" * 32
CONFIG, LISTING = "GET ?no_projects", "GET demo?ignore_bases"
FILE = f"+f/abc/{WHEEL}"
LISTED = TargetFile(filename=WHEEL, version="1.0.dev1", url=f"{URL}{FILE}", hashes={"sha256": SHA})
PRUNE_HINT = (
    "Files are removed from anaconda.org, volatile indexes of devpi, and static indexes. Omit --prune and "
    "--prune-days, in the section of the target as well."
)


class Server:
    """An index with scripted answers, and the user who may upload to it."""

    def __init__(self, answers: Mapping[str, Any], *, has_login: bool = True, retries: int = 1) -> None:
        self.script = ScriptedHttp(URL, answers)
        self.asked = 0
        self.has_login = has_login
        self.index = DevpiIndex(self.script.client(retries=retries), URL.rstrip("/"), self.log_in)

    def log_in(self) -> tuple[str, str] | None:
        """Return the login."""
        self.asked += 1
        return ("alice", "a-password-of-9") if self.has_login else None

    @property
    def logins(self) -> list[bool]:
        """True for each request with the login."""
        return ["authorization" in request.headers for request in self.script.requests]


def result(kind: str, value: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"type": kind, "result": value}


def meta(**hashes: str) -> tuple[int, dict[str, Any]]:
    return result("releasefilemeta", {"hashes": hashes or {"sha256": SHA}})


# --- indexes that can be pruned --------------------------------------------------------------------


def test_a_volatile_index_can_be_pruned() -> None:
    server = Server({CONFIG: result("indexconfig", {"type": "stage", "volatile": True})})
    server.index.require_prunable()
    [request] = server.script.requests
    assert request.headers["accept"] == "application/json"
    assert request.headers["cache-control"] == "no-cache"
    assert (server.logins, server.asked) == ([False], 0)


@pytest.mark.parametrize("first", [401, 403, 404])
def test_an_index_that_only_its_users_see_is_read_with_the_login(first: int) -> None:
    answer = result("indexconfig", {"type": "stage", "volatile": True})
    server = Server({CONFIG: [first, answer]})
    server.index.require_prunable()
    assert (server.logins, server.asked) == ([False, True], 1)
    assert server.script.requests[1].headers["cache-control"] == "no-cache"
    assert server.script.requests[1].headers["accept"] == "application/json"


@pytest.mark.parametrize("has_login", [True, False])
def test_an_index_that_does_not_let_the_user_read_is_not_one_of_devpi(has_login: bool) -> None:
    server = Server({CONFIG: 403}, has_login=has_login)
    with pytest.raises(OptionError) as caught:
        server.index.require_prunable()
    assert caught.value.problem == (
        "single files cannot be removed from https://devpi.example/alice/dev/: it is not an index of devpi"
    )
    assert server.logins == ([False, True] if has_login else [False])
    server.script.requests.clear()
    # The login is looked for once.
    with pytest.raises(OptionError):
        server.index.require_prunable()
    assert (server.logins, server.asked) == ([has_login], 1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (418, "it is not an index of devpi"),
        ((200, "<html>"), "it is not an index of devpi"),
        ((200, "[]"), "it is not an index of devpi"),
        (result("projectconfig", {"type": "stage", "volatile": True}), "it is not an index of devpi"),
        (result("indexconfig", []), "it is not an index of devpi"),
        (result("indexconfig", {"type": "mirror", "volatile": True}), "it is a mirror of devpi"),
        (result("indexconfig", {"type": "m" * 50, "volatile": True}), f"it is a {'m' * 40}... of devpi"),
        (result("indexconfig", {"type": "stage", "volatile": False}), "the index is not volatile"),
        (result("indexconfig", {"type": "stage", "volatile": 1}), "the index is not volatile"),
        (result("indexconfig", {"type": "stage"}), "the index is not volatile"),
    ],
)
def test_another_index_is_refused(answer: Any, reason: str) -> None:
    with pytest.raises(OptionError) as caught:
        Server({CONFIG: answer}).index.require_prunable()
    assert caught.value.name == "prune"
    assert caught.value.problem == f"single files cannot be removed from {URL}: {reason}"
    assert caught.value.hint == PRUNE_HINT


@pytest.mark.parametrize(
    ("answer", "error"),
    [(500, HttpStatusError), (503, HttpStatusError), (httpx.ConnectError("refused"), TransportError)],
)
def test_a_server_that_fails_is_not_taken_for_another_index(answer: Any, error: type[ReleaseError]) -> None:
    with pytest.raises(error):
        Server({CONFIG: answer}).index.require_prunable()


@pytest.mark.parametrize(
    ("url", "name", "advice"),
    [
        (
            "gitlab.example/api/v4/projects/1/packages/pypi",
            "a package registry of GitLab",
            "Deploy > Package",
        ),
        ("gitlab.example/x/api/v4/groups/1/-/packages/pypi/", "a package registry of GitLab", "Deploy"),
        ("git.example/api/packages/me/pypi", "a package registry of Gitea or Forgejo", "cleanup rule"),
        ("git.example/x/api/packages/me/pypi/", "a package registry of Gitea or Forgejo", "cleanup rule"),
        ("jfrog.example/artifactory/api/pypi/local", "a repository of Artifactory", "cleanup policy"),
        ("a-1.d.codeartifact.eu.amazonaws.com/pypi/r/", "a repository of CodeArtifact", "aws codeartifact"),
        ("pkgs.dev.azure.com/o/_packaging/f/pypi/upload/", "a feed of Azure Artifacts", "retention"),
        ("europe-python.pkg.dev/p/r/", "a repository of Artifact Registry", "cleanup policy"),
    ],
)
def test_a_known_index_is_refused_with_its_own_way_to_remove_files(url: str, name: str, advice: str) -> None:
    script = ScriptedHttp(f"https://{url}")
    with pytest.raises(OptionError) as caught:
        DevpiIndex(script.client(), f"https://{url}", lambda: None).require_prunable()
    assert f": it is {name}" in caught.value.problem
    assert advice in caught.value.hint
    assert caught.value.hint.endswith(" Omit --prune and --prune-days, in the section of the target as well.")
    assert script.log == []


@pytest.mark.parametrize(
    "url",
    [
        "index.example/api/v4/projects/1/packages/npm",
        "index.example/a.codeartifact.x",
        "index.example/pkgs.dev.azure.com",
        "index.example/europe-python.pkg.dev",
        "index.example/api/pypi",
        f"git.example/{'x' * 1967}/api/packages/me/pypi2",
    ],
)
def test_an_index_with_a_similar_url_may_be_one_of_devpi(url: str) -> None:
    answer = result("indexconfig", {"type": "stage", "volatile": True})
    script = ScriptedHttp(f"https://{url}/", {CONFIG: answer})
    DevpiIndex(script.client(), f"https://{url}", lambda: None).require_prunable()
    assert script.log == [CONFIG]


# --- the listing -----------------------------------------------------------------------------------


def link(name: str = WHEEL, **values: Any) -> dict[str, Any]:
    usual = {"rel": "releasefile", "href": f"{URL}+f/abc/{name}", "hashes": {"sha256": SHA.upper()}}
    return {**usual, **values}


def listing(*links: Any) -> tuple[int, dict[str, Any]]:
    return result("projectconfig", {"1.0.dev1": {"+links": list(links)}, "0.9": {}})


def test_files_are_listed_with_their_hashes_and_times() -> None:
    log = [
        {"what": "upload", "when": [2020, 1, 2, 8, 0, 0]},
        {"what": "overwrite", "when": [2021, 1, 2, 8, 0, 0]},
        {"what": "push", "when": [2019, 1, 2, 8, 0, 0]},
    ]
    other = "https://devpi.example/root/pypi/+f/abc/a.whl"
    server = Server(
        {
            LISTING: listing(
                link(log=log),
                link("a%2Bb.whl"),
                link("b.whl", hashes=None),
                link("c.whl", href=other),
                link("d.whl", rel="doczip"),
                link("e.whl", hashes={"sha256": 5, "md5": "cd" * 16}),
            )
        }
    )
    common: dict[str, Any] = {"version": "1.0.dev1", "hashes": {"sha256": SHA}}
    assert server.index.list_files("demo") == (
        TargetFile(
            filename=WHEEL,
            url=f"{URL}{FILE}",
            uploaded_at=datetime(2021, 1, 2, 8, tzinfo=UTC),
            **common,
        ),
        TargetFile(filename="a+b.whl", url=f"{URL}+f/abc/a%2Bb.whl", **common),
        TargetFile(
            filename="b.whl",
            version="1.0.dev1",
            url=f"{URL}+f/abc/b.whl",
            kept_because="its hash is unknown",
        ),
        TargetFile(filename="a.whl", url=other, kept_because="it is stored in another index", **common),
        TargetFile(filename="e.whl", version="1.0.dev1", url=f"{URL}+f/abc/e.whl", hashes={"md5": "cd" * 16}),
    )
    server.script.answers["GET d%2Fe?ignore_bases"] = listing(link())
    assert len(server.index.list_files("d/e")) == 1


@pytest.mark.parametrize(
    "href",
    [
        f"{URL}+f/",
        f"{URL}+f/../x.whl",
        f"{URL}+f/%2e%2e/x.whl",
        f"{URL}+f/a?x",
        f"{URL}+f/a#x",
        "https://other.example/alice/dev/+f/a.whl",
    ],
)
def test_a_link_that_may_lead_elsewhere_is_never_followed(href: str) -> None:
    server = Server({LISTING: listing(link(href=href))})
    [file] = server.index.list_files("demo")
    assert file.kept_because == "it is stored in another index"
    with pytest.raises(NetworkError, match=f" is not stored in {URL}"):
        server.index.remove(file)
    assert server.script.log == [LISTING]


@pytest.mark.parametrize(
    "log",
    [
        None,
        "x",
        [],
        [None],
        [{"when": "x"}],
        [{"when": [2020, 1, 2, 8, 0]}],
        [{"when": [2020, 1, 2, 8, 0, 0, 0]}],
        [{"when": [2020, 1, 2, 8, 0, "0"]}],
        [{"when": [2020, 1, 2, 8, 0, True]}],
        [{"when": [2020, 13, 2, 8, 0, 0]}],
        [{"when": [2020, 1, 2, 8, 0, 0]}, {"when": None}],
    ],
)
def test_a_time_that_is_not_understood_is_unknown(log: Any) -> None:
    [file] = Server({LISTING: listing(link(log=log))}).index.list_files("demo")
    assert file.uploaded_at is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (listing(), "lists no file; nothing was removed"),
        (result("projectconfig", {}), "lists no file; nothing was removed"),
        (listing(link(href=None)), "lists a file without a link; nothing was removed"),
        (listing(link(rel="doczip", href=7)), "lists a file without a link; nothing was removed"),
        (listing(link(), None), "describes a release in a form that is not understood"),
        (result("projectconfig", {"1.0": []}), "describes a release in a form that is not understood"),
        (result("projectconfig", {"1.0": {"+links": {}}}), "describes a release in a form"),
        (result("indexconfig", {}), "did not answer as devpi does"),
        ((200, "<html>"), "did not answer as devpi does"),
    ],
)
def test_a_listing_that_is_not_understood_is_an_error(answer: Any, words: str) -> None:
    with pytest.raises(NetworkError, match=words) as caught:
        Server({LISTING: answer}).index.list_files("demo")
    assert caught.value.message.startswith(f"{URL}demo")


def test_a_listing_with_too_many_files_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devpi._MAX_FILES == 200_000
    monkeypatch.setattr(devpi, "_MAX_FILES", 2)
    assert len(Server({LISTING: listing(link("a"), link("b"))}).index.list_files("demo")) == 2
    with pytest.raises(NetworkError, match="lists more than 2 files"):
        Server({LISTING: listing(link("a"), link("b"), link("c"))}).index.list_files("demo")


# --- the removal -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204, 404, 410])
def test_a_file_is_looked_at_and_removed_with_the_login(status: int) -> None:
    server = Server({f"GET {FILE}": meta(), f"DELETE {FILE}": status})
    server.index.remove(LISTED)
    assert server.script.log == [f"GET {FILE}", f"DELETE {FILE}"]
    assert server.logins == [True, True]
    assert server.script.requests[1].headers["accept"] == "application/json"
    server.index.remove(LISTED)
    assert server.asked == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_is_not_removed_again(status: int) -> None:
    server = Server({f"GET {FILE}": status})
    server.index.remove(LISTED)
    assert server.script.log == [f"GET {FILE}"]


@pytest.mark.parametrize("answer", [meta(sha256="cd" * 32), meta(sha256=SHA, md5="cd" * 16), meta(x="y")])
def test_a_file_that_changed_is_not_removed(answer: Any) -> None:
    server = Server({f"GET {FILE}": answer}, retries=3)
    with pytest.raises(ConflictError) as caught:
        server.index.remove(LISTED)
    assert caught.value.message == f"{WHEEL} has changed since it was listed"
    assert server.script.log == [f"GET {FILE}"]


def test_a_file_without_a_hash_is_not_removed() -> None:
    server = Server({})
    with pytest.raises(NetworkError):
        server.index.remove(TargetFile(filename=WHEEL, url=f"{URL}{FILE}"))
    assert (server.script.log, server.asked) == ([], 0)


@pytest.mark.parametrize("status", [403, 500])
def test_a_file_that_cannot_be_looked_at_is_not_removed(status: int) -> None:
    server = Server({f"GET {FILE}": status})
    with pytest.raises(HttpStatusError):
        server.index.remove(LISTED)
    assert server.script.log == [f"GET {FILE}"]


@pytest.mark.parametrize(
    ("status", "error", "attempts"),
    [
        (401, CredentialsError, 1),
        (403, CredentialsError, 1),
        (300, HttpStatusError, 1),
        (400, HttpStatusError, 1),
        (499, HttpStatusError, 1),
        (429, HttpStatusError, 2),
        (503, HttpStatusError, 2),
        (500, HttpStatusError, 2),
        (501, TransportError, 2),
    ],
)
def test_a_removal_that_is_not_accepted_is_an_error(
    status: int, error: type[ReleaseError], attempts: int
) -> None:
    server = Server({f"GET {FILE}": meta(), f"DELETE {FILE}": status}, retries=2)
    with pytest.raises(error) as caught:
        server.index.remove(LISTED)
    assert type(caught.value) is error
    assert server.script.log == [f"GET {FILE}", f"DELETE {FILE}"] * attempts
    assert f"{URL}{FILE}" in caught.value.message
    assert str(status) in caught.value.message
    if error is CredentialsError:
        assert caught.value.message.endswith(f"the index did not let the file be removed (status {status})")
        assert caught.value.hint == (
            "Use the credentials of a user who may upload to the index, and who may delete (acl_upload, "
            "volatile)."
        )


def test_a_removal_whose_answer_is_lost_is_looked_at() -> None:
    answers = {f"GET {FILE}": [meta(), 404], f"DELETE {FILE}": httpx.ReadError("cut")}
    server = Server(answers, retries=2)
    server.index.remove(LISTED)
    assert server.script.log == [f"GET {FILE}", f"DELETE {FILE}", f"GET {FILE}"]

"""A package index as a target: how it is read, with which login, and what only other targets do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from packaging.version import Version

from tests.support.scripted_http import RecordedProgress, ScriptedClients, ScriptedHttp, make_local_wheel
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    IndexNotFoundError,
    NetworkError,
    OptionError,
    ReleaseError,
)
from wheel_uploader.core.models import (
    AttestationPolicy,
    CheckProfile,
    Confirmation,
    FileComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    Stage,
    TargetSettings,
)
from wheel_uploader.http import client as http_client
from wheel_uploader.index import client as index_client
from wheel_uploader.index.target import Target
from wheel_uploader.targets import open_target
from wheel_uploader.targets.package_index import PackageIndexTarget
from wheel_uploader.targets.protocol import IndexState, PublishTarget, Release
from wheel_uploader.targets.pruning import TargetFile
from wheel_uploader.targets.settings import apply_settings, find_settings, read_token
from wheel_uploader.upload import clients

UPLOAD_URL, PAGES = "https://index.example/upload/", "https://index.example/simple/"
PAGE = "GET demo/"
WHEEL = "demo-1.0-py3-none-any.whl"
SHA = "ab" * 32
HTML = {"content-type": "text/html"}


def links(*hrefs: str) -> tuple[int, str, dict[str, str]]:
    text = "".join(f'<a href="{href}">{href}</a>' for href in hrefs)
    return 200, f"<!DOCTYPE html><title>Links for demo</title>{text}", HTML


LISTED = links(f"/f/{WHEEL}#sha256={SHA}")
SIGN_IN = (200, '<!DOCTYPE html><title>Sign in</title><form><input type="password"></form>', HTML)


class Uploader:
    """Takes the place of the uploader by twine."""

    def __init__(self) -> None:
        self.login = "login of the uploader"
        self.calls: list[Any] = []
        self.known: Any = ("alice", "a-password-of-9")

    def prepare_login(self, *, is_required: bool) -> None:
        self.calls.append(("prepare_login", is_required))

    def credentials(self) -> Any:
        self.calls.append("credentials")
        if isinstance(self.known, Exception):
            raise self.known
        return self.known

    def find_stored_password(self) -> tuple[str, str]:
        return "a-password-of-9", "keyring"

    def set_signatures(self, signatures: Sequence[Any]) -> None:
        self.calls.append(("signatures", signatures))

    def set_attestations(self, attestations: Sequence[Any], mode: AttestationPolicy) -> bool:
        self.calls.append(("attestations", attestations, mode))
        return True

    def upload(self, file: LocalFile) -> Any:
        return f"response to {file.filename}"

    def close(self) -> None:
        self.calls.append("close")


class Index:
    """A target whose pages are answered by a script."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script = ScriptedHttp(PAGES, {PAGE: LISTED, "GET ": links("demo/")})
        self.clients = ScriptedClients(self.script)
        self.progress = RecordedProgress()
        self.uploader = Uploader()
        self.created: list[tuple[Options, Target, Any]] = []
        monkeypatch.setattr(index_client, "HttpClient", self.clients)
        monkeypatch.setattr(http_client, "HttpClient", self.clients)
        monkeypatch.setattr(clients, "create_uploader", self.create)

    def create(self, options: Options, target: Target, progress: Any) -> Uploader:
        """Create the uploader."""
        self.created.append((options, target, progress))
        return self.uploader

    def open(self, settings: TargetSettings | None = None, **options: Any) -> PackageIndexTarget:
        """Open the target."""
        usual: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": ("staged",), "retries": 1}
        usual |= {"repository_url": UPLOAD_URL, "index_url": PAGES}
        return PackageIndexTarget(
            Options(**{**usual, **options}), self.progress, settings or TargetSettings(url=UPLOAD_URL)
        )

    @property
    def logins(self) -> list[bool]:
        """True for each request with a login."""
        return ["authorization" in request.headers for request in self.script.requests]


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    for name in ("TWINE_USERNAME", "TWINE_PASSWORD", "MINE"):
        monkeypatch.delenv(name, raising=False)
    return Index(monkeypatch)


@pytest.fixture
def netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    def write(host: str) -> None:
        path = tmp_path / "netrc"
        path.write_text(f"machine {host} login bob password a-netrc-password\n")
        path.chmod(0o600)
        monkeypatch.setenv("NETRC", str(path))

    return write


def test_the_changes_of_twine_to_the_process_end_with_the_target(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    @contextlib.contextmanager
    def preserve() -> Iterator[None]:
        events.append("begin")
        yield
        events.append("end")

    def resolve(_options: Options) -> Target:
        events.append("resolve")
        return Target(url=UPLOAD_URL, is_pypi=False, name="mine")

    monkeypatch.setattr(clients, "preserved_host_state", preserve)
    monkeypatch.setattr(clients, "resolve_target", resolve)
    target = index.open()
    assert events == ["begin", "resolve"]
    target.close()
    assert events == ["begin", "resolve", "end"]


# --- reading ---------------------------------------------------------------------------------------


def test_pages_that_everybody_may_read_need_no_login(index: Index) -> None:
    target = index.open()
    page = target.fetch_project("demo")
    assert [file.filename for file in page.files] == [WHEEL]
    assert index.script.log == [PAGE]
    assert index.script.requests[0].headers["cache-control"] == "no-cache"
    assert (index.logins, index.created) == ([False], [])
    assert target.login == ""
    assert target.index is not None
    assert target.is_readable


@pytest.mark.parametrize(
    "first", [401, 403, 404, 410, SIGN_IN, (302, "", {"location": "https://evil.example/"})]
)
def test_pages_that_show_nothing_are_read_with_the_login_of_the_upload(index: Index, first: Any) -> None:
    index.script.answers |= {PAGE: [first, LISTED], "GET ": 404}
    target = index.open()
    page = target.fetch_project("demo")
    assert [file.filename for file in page.files] == [WHEEL]
    own = [login for request, login in zip(index.script.log, index.logins, strict=True) if request == PAGE]
    assert own == [False, True]
    assert index.uploader.calls == ["credentials"]
    assert target.login == "login of the uploader"
    assert index.script.requests[-1].headers["cache-control"] == "no-cache"


def test_a_project_that_does_not_exist_for_its_user_either_is_absent(index: Index) -> None:
    index.script.answers[PAGE] = 404
    assert not index.open().fetch_project("demo").exists
    assert index.logins == [False, True]
    # Without a login, the first answer counts.
    index.script.requests.clear()
    index.uploader.known = None
    assert not index.open().fetch_project("demo").exists
    assert index.logins == [False]


@pytest.mark.parametrize("answer", [500, httpx.ConnectError("refused")])
def test_another_error_is_not_one_of_the_login(index: Index, answer: Any) -> None:
    index.script.answers[PAGE] = answer
    with pytest.raises(NetworkError):
        index.open().fetch_project("demo")
    assert (index.logins, index.uploader.calls) == ([False], [])


@pytest.mark.parametrize("answer", [418, (200, "x", {"content-type": "a/b"})])
def test_any_other_answer_may_be_that_for_readers_without_a_login(index: Index, answer: Any) -> None:
    index.script.answers[PAGE] = answer
    with pytest.raises(NetworkError):
        index.open().fetch_project("demo")
    assert index.logins == [False, True]


HINT = (
    "Check that the user name and the password or token are those of this index and may read the project. If "
    "they may only write, upload without reading the index: --write-only."
)


@pytest.mark.parametrize("answer", [401, 403, SIGN_IN])
def test_a_login_that_does_not_help_is_explained(index: Index, answer: Any) -> None:
    index.script.answers[PAGE] = answer
    with pytest.raises(CredentialsError) as caught:
        index.open().fetch_project("demo")
    assert type(caught.value) is CredentialsError
    assert caught.value.hint == HINT
    assert index.logins == [False, True]


def test_an_error_after_the_login_is_that_of_the_server(index: Index) -> None:
    index.script.answers[PAGE] = [401, 500]
    with pytest.raises(HttpStatusError, match="returned 500"):
        index.open().fetch_project("demo")


def test_a_page_that_cannot_be_read_without_a_login_is_explained(index: Index) -> None:
    index.script.answers[PAGE] = 403
    index.uploader.known = None
    with pytest.raises(CredentialsError) as caught:
        index.open().fetch_project("demo")
    assert "returned 403" in caught.value.message
    assert caught.value.hint == HINT


def test_a_login_is_required_only_if_the_index_asks_for_one(index: Index) -> None:
    index.uploader.known = CredentialsError("no password is known")
    index.script.answers[PAGE] = 401
    with pytest.raises(CredentialsError, match="no password is known"):
        index.open().fetch_project("demo")
    index.script.answers[PAGE] = 404
    assert not index.open().fetch_project("demo").exists
    index.script.answers[PAGE] = 403
    with pytest.raises(CredentialsError, match="returned 403"):
        index.open().fetch_project("demo")


def test_netrc_may_have_the_login_of_the_pages(index: Index, netrc: Callable[[str], None]) -> None:
    netrc("index.example")
    index.uploader.known = CredentialsError("no password is known")
    index.script.answers[PAGE] = [401, LISTED]
    assert index.open().fetch_project("demo").exists
    assert index.logins == [False, True]


def test_the_login_of_the_upload_is_not_sent_to_another_host(
    index: Index, netrc: Callable[[str], None]
) -> None:
    other = "https://pages.example/simple/"
    index.script.base = other
    index.script.answers[PAGE] = 401
    target = index.open(index_url=other)
    with pytest.raises(CredentialsError) as caught:
        target.fetch_project("demo")
    assert caught.value.hint == (
        "The credentials of the upload are sent to its own host only. Put others into --index-url "
        "(https://USER:PASSWORD@HOST/...), or add pages.example to ~/.netrc."
    )
    assert (index.logins, index.uploader.calls) == ([False], [])
    netrc("pages.example")
    index.script.answers[PAGE] = [401, LISTED]
    index.script.requests.clear()
    assert index.open(index_url=other).fetch_project("demo").exists
    assert (index.logins, index.uploader.calls) == ([False, True], [])
    index.script.answers[PAGE] = 401
    with pytest.raises(CredentialsError) as caught:
        index.open(index_url=other).fetch_project("demo")
    assert caught.value.hint == HINT


@pytest.mark.parametrize("login", ["bob:another-password", "another-token", ":another-password"])
def test_a_login_in_the_url_of_the_pages_is_sent_from_the_start(index: Index, login: str) -> None:
    index.script.answers[PAGE] = 404
    target = index.open(index_url=f"https://{login}@index.example/simple/")
    assert not target.fetch_project("demo").exists
    assert (index.logins, index.uploader.calls) == ([True], [])


def test_an_error_with_its_own_hint_keeps_it(index: Index) -> None:
    index.script.answers |= {PAGE: (302, "", {"location": "https://evil.example/"}), "GET ": 404}
    index.uploader.known = None
    with pytest.raises(ReleaseError) as caught:
        index.open().fetch_project("demo")
    assert "https://evil.example/" in caught.value.message
    assert caught.value.hint != HINT


def test_pypi_is_believed_without_a_login(index: Index) -> None:
    target = index.open()
    index.script.answers[PAGE] = 404
    target.info = Target(url=UPLOAD_URL, is_pypi=True, name="pypi")
    assert not target.fetch_project("demo").exists
    assert (index.logins, index.uploader.calls) == ([False], [])
    with pytest.raises(OptionError, match="files cannot be removed from pypi"):
        target.require_prunable()
    assert target.default_profile is CheckProfile.PYPI


def test_guessed_pages_that_do_not_exist_keep_their_hint(index: Index) -> None:
    index.script.base = "https://index.example"
    roots = ("upload/+simple/", "simple/", "upload/simple/", "upload/", "")
    index.script.answers = dict.fromkeys(
        (f"GET /{root}{name}" for root in roots for name in ("", "demo/")), 404
    )
    index.uploader.known = None
    with pytest.raises(IndexNotFoundError, match="no package index found at"):
        index.open(index_url=None).fetch_project("demo")


# --- the state of the index ------------------------------------------------------------------------


def test_the_state_is_that_of_the_page(index: Index, tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path, "1.0")
    index.script.answers[PAGE] = links(f"/f/{WHEEL}#sha256={file.sha256}")
    target = index.open()
    state = target.fetch_state("demo", Version("1.0"), [file])
    assert [each.result for each in state.comparisons] == [FileComparison.SAME]
    assert state.checks_not_run == ()
    assert state.project_page
    assert target.fetch_file_state("demo", file).result is FileComparison.SAME
    assert index.script.log == [PAGE, PAGE]


def test_a_page_that_was_read_ahead_is_not_read_again(index: Index, tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path, "1.0")
    index.script.answers[PAGE] = links(f"/f/{WHEEL}#sha256={file.sha256}")
    target = index.open()
    target.read_ahead("demo")
    state = target.fetch_state("demo", Version("1.0"), [file])
    assert [each.result for each in state.comparisons] == [FileComparison.SAME]
    assert index.script.log == [PAGE]
    # Only the first look is that page.
    target.fetch_project("demo")
    assert index.script.log == [PAGE, PAGE]


def test_a_page_that_was_read_ahead_too_long_ago_is_read_again(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.script.answers[PAGE] = [links(), LISTED]
    target = index.open()
    target.read_ahead("demo")
    ahead = target._ahead
    assert ahead
    ahead[1].result(10)
    monkeypatch.setattr("time.monotonic", lambda: ahead[2] + 61)
    assert [file.filename for file in target.fetch_project("demo").files] == [WHEEL]
    assert index.script.log == [PAGE, PAGE]


def test_the_page_of_another_project_is_not_the_one_that_was_read_ahead(index: Index) -> None:
    index.script.answers["GET other/"] = LISTED
    target = index.open()
    target.read_ahead("other")
    assert target._ahead
    assert target._ahead[1].result(10).exists
    assert target.fetch_project("demo").exists
    assert sorted(index.script.log) == [PAGE, "GET other/"]


@pytest.mark.parametrize("first", [401, 404, SIGN_IN])
def test_a_page_that_was_read_ahead_without_success_is_read_with_the_login(index: Index, first: Any) -> None:
    index.script.answers |= {PAGE: [first, LISTED], "GET ": 404}
    target = index.open()
    target.read_ahead("demo")
    assert [file.filename for file in target.fetch_project("demo").files] == [WHEEL]
    own = [login for request, login in zip(index.script.log, index.logins, strict=True) if request == PAGE]
    assert own == [False, True]


def test_an_error_of_reading_ahead_is_raised_where_the_page_is_needed(index: Index) -> None:
    index.script.answers[PAGE] = 500
    target = index.open()
    target.read_ahead("demo")
    with pytest.raises(HttpStatusError, match="500"):
        target.fetch_project("demo")
    assert index.script.log == [PAGE]


def test_nothing_is_read_ahead_that_is_not_read_at_all(index: Index) -> None:
    index.open(write_only=True).read_ahead("demo")
    # The URL of the pages is missing, which the check reports.
    index.open(index_url=None, repository_url="https://push.fury.io/me/").read_ahead("demo")
    assert index.script.log == []


def test_with_write_only_nothing_is_read(index: Index, tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path, "1.0")
    target = index.open(write_only=True)
    state = target.fetch_state("demo", Version("1.0"), [file])
    assert [each.result for each in state.comparisons] == [FileComparison.ABSENT]
    assert state.checks_not_run == ("the release against the index: the index is not read (--write-only)",)
    assert (state.project_page, target.index, target.is_readable) == (None, None, False)
    assert index.script.log == []
    # A run that uploads nothing would do nothing at all.
    assert index.open(write_only=True, until=Stage.SIGN).is_readable


def test_a_release_is_confirmed_by_the_pages(index: Index, tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path, "1.0")
    listed = links(f"/f/{WHEEL}#sha256={file.sha256}")
    index.script.answers |= {
        PAGE: [401, listed],
        f"GET https://index.example/f/{WHEEL}": (200, file.path.read_bytes()),
    }
    target = index.open()
    target.fetch_project("demo")
    [confirmed] = target.confirm("demo", [file], timeout=0)
    assert (confirmed.filename, confirmed.sha256) == (WHEEL, file.sha256)
    index.script.answers[PAGE] = 404
    with pytest.raises(ReleaseError) as caught:
        target.confirm("demo", [file], timeout=0, was_uploaded=False)
    assert caught.value.is_permanent
    assert "does not list 1 of 1 file" in caught.value.message


def test_downloads_are_confirmed_with_a_login_if_they_require_one(index: Index, tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path, "1.0")
    download = f"GET https://index.example/f/{WHEEL}"
    index.script.answers |= {
        PAGE: links(f"/f/{WHEEL}#sha256={file.sha256}"),
        download: [401, (200, file.path.read_bytes())],
    }
    index.open().confirm("demo", [file], timeout=0)
    own = [
        login for request, login in zip(index.script.log, index.logins, strict=True) if request == download
    ]
    assert own == [False, True]


def test_the_connections_have_the_options_of_the_run(index: Index, tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("")
    target = index.open(timeout=7.0, retries=3, allow_insecure_hosts=("b.example",), cert=cert)
    index.script.base = UPLOAD_URL
    index.script.answers["GET ?no_projects"] = (
        200,
        {"type": "indexconfig", "result": {"type": "stage", "volatile": True}},
    )
    target.require_prunable()
    expected = {
        "user_urls": (UPLOAD_URL,),
        "allow_insecure_hosts": ("b.example",),
        "timeout": 7.0,
        "retries": 3,
        "verify": str(cert),
        "progress": index.progress,
    }
    assert index.clients.options == [expected]
    index.script.base = PAGES
    target.fetch_project("demo")
    target.close()
    assert len(index.clients.closed) == 2
    other = index.open()
    index.script.base = UPLOAD_URL
    other.require_prunable()
    assert index.clients.options[-1]["verify"] is True


# --- devpi -----------------------------------------------------------------------------------------


def test_files_of_the_bases_of_an_index_are_listed_and_kept(index: Index) -> None:
    own = f"{UPLOAD_URL}+f/a/{WHEEL}"
    link = {"rel": "releasefile", "href": own, "hashes": {"sha256": SHA}}
    listing = {"type": "projectconfig", "result": {"1.0": {"+links": [link]}}}
    index.script.answers |= {
        PAGE: links(f"/f/{WHEEL}#sha256={SHA}", f"/f/demo-0.9.tar.gz#sha256={SHA}"),
        f"GET {UPLOAD_URL}demo?ignore_bases": (200, listing),
        f"GET {own}": (200, {"type": "releasefilemeta", "result": {"hashes": {"sha256": SHA}}}),
        f"DELETE {own}": 200,
    }
    target = index.open()
    files = target.list_files("demo")
    assert files == (
        TargetFile(filename=WHEEL, version="1.0", url=own, hashes={"sha256": SHA}),
        TargetFile(
            filename="demo-0.9.tar.gz",
            url="https://index.example/f/demo-0.9.tar.gz",
            hashes={"sha256": SHA},
            kept_because="it is stored in another index",
        ),
    )
    index.script.requests.clear()
    target.remove(files[0])
    assert index.script.log == [f"GET {own}", f"DELETE {own}"]
    assert index.logins == [True, True]


# --- writing ---------------------------------------------------------------------------------------


def test_the_uploader_is_created_once_and_gets_the_files(index: Index, tmp_path: Path) -> None:
    target = index.open()
    file = make_local_wheel(tmp_path, "1.0")
    target.prepare_login(is_required=True)
    target.set_signatures([])
    assert target.set_attestations([], AttestationPolicy.REQUIRE)
    assert target.credentials() == ("alice", "a-password-of-9")
    assert target.find_stored_password() == ("a-password-of-9", "keyring")
    response: Any = target.upload(file)
    assert response == f"response to {WHEEL}"
    target.end_uploads()
    assert index.uploader.calls == [
        ("prepare_login", True),
        ("signatures", []),
        ("attestations", [], AttestationPolicy.REQUIRE),
        "credentials",
        "close",
    ]
    [(options, info, progress)] = index.created
    assert (info, progress, options.non_interactive) == (target.info, index.progress, False)
    with pytest.raises(OptionError, match="does not let files be replaced"):
        target.require_replaceable()


@pytest.mark.parametrize("options", [{"until": Stage.SIGN}, {"verify": True}])
def test_a_run_that_uploads_nothing_does_not_prompt(index: Index, options: dict[str, Any]) -> None:
    settings = TargetSettings(url=UPLOAD_URL, token_variable="MINE")
    index.open(settings, **options).prepare_login(is_required=False)
    [(used, _info, _progress)] = index.created
    assert used.non_interactive
    # Nor does it need the variable of the token.
    assert used.password is None


def test_the_token_of_a_section_is_the_password(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TargetSettings(url=UPLOAD_URL, token_variable="MINE")
    with pytest.raises(
        CredentialsError, match="the variable MINE, which has the token of this target"
    ) as caught:
        index.open(settings)
    assert caught.value.hint == "Set MINE, or correct token-variable."
    monkeypatch.setenv("MINE", " a-token-of-mine\n")
    index.open(settings).prepare_login(is_required=True)
    index.open(settings, username="me").prepare_login(is_required=True)
    index.open(settings, username="me", password="another-password").prepare_login(is_required=True)
    monkeypatch.setenv("TWINE_USERNAME", "them")
    index.open(settings).prepare_login(is_required=True)
    index.open().prepare_login(is_required=True)
    assert [(options.username, options.password) for options, _info, _progress in index.created] == [
        ("__token__", "a-token-of-mine"),
        ("me", "a-token-of-mine"),
        ("me", "another-password"),
        ("them", "a-token-of-mine"),
        (None, None),
    ]
    assert read_token(TargetSettings()) == ""


# --- what all targets have -------------------------------------------------------------------------


class Bare(PublishTarget):
    """A target with the required methods only."""

    def __init__(self, index: Any = None) -> None:
        self.info = Target(
            url=UPLOAD_URL, is_pypi=False, name="the shelf", pages_url="https://index.example/"
        )
        self.pages = index

    @property
    def index(self) -> Any:
        return self.pages

    def prepare_login(self, *, is_required: bool) -> None:
        """Do nothing."""

    def fetch_project(self, project: str) -> ProjectPage:
        file = IndexFile(filename=WHEEL, url="", hashes={"sha256": SHA})
        return ProjectPage(url=project, exists=True, files=(file,))

    def upload(self, file: LocalFile) -> Any:
        return file

    def confirm(
        self, project: str, files: Sequence[LocalFile], *, timeout: float, was_uploaded: bool = True
    ) -> tuple[Confirmation, ...]:
        return ()


def test_a_target_has_usual_answers(tmp_path: Path) -> None:
    target = Bare()
    file = make_local_wheel(tmp_path, "1.0")
    assert target.default_profile is CheckProfile.ANY
    assert target.release_page_url("demo", Version("1")) == "https://index.example/project/demo/1/"
    assert (target.login, target.is_readable, target.pruned_labels) == ("", True, ())
    assert (target.credentials(), target.find_stored_password()) == (None, ("", ""))
    assert target.set_attestations([], AttestationPolicy.AUTO) is False
    assert target.create_replacer(tmp_path) is None
    release = Release(project="demo", version=Version("1.0"), files=(file,))
    target.set_signatures([])
    target.begin(release)
    target.end_uploads()
    target.finish(release)
    target.close()
    state = target.fetch_state("demo", Version("1.0"), [file])
    assert [each.result for each in state.comparisons] == [FileComparison.DIFFERENT]
    assert isinstance(state, IndexState)
    assert target.fetch_file_state("demo", file).index_sha256 == SHA
    listed = TargetFile(filename=WHEEL, hashes={"sha256": file.sha256})
    assert target.is_same_file(listed, file)
    assert not target.is_same_file(TargetFile(filename=WHEEL, hashes={"sha256": SHA}), file)
    assert not target.is_same_file(TargetFile(filename=WHEEL), file)


def test_a_target_refuses_with_its_name() -> None:
    target = Bare()
    with pytest.raises(OptionError) as caught:
        target.require_replaceable()
    assert (caught.value.name, caught.value.problem) == (
        "replace",
        "the shelf does not let files be replaced",
    )
    assert caught.value.hint == "Publish a new version, such as .devYYYYMMDD, and omit --replace."
    with pytest.raises(OptionError) as caught:
        target.require_prunable()
    assert (caught.value.name, caught.value.problem) == (
        "prune",
        "files cannot be removed from the shelf",
    )
    assert caught.value.hint == "Omit --prune and --prune-days, in the section of the target as well."
    with pytest.raises(NetworkError, match="the files of demo on the shelf cannot be listed"):
        target.list_files("demo")
    with pytest.raises(NetworkError, match=f"{WHEEL} cannot be removed from the shelf"):
        target.remove(TargetFile(filename=WHEEL))


def test_hashes_and_dates_come_from_the_page_or_the_index() -> None:
    file = IndexFile(filename=WHEEL, url="", hashes={})
    date = datetime(2020, 1, 1)
    pages = SimpleNamespace(get_sha256=lambda _file: "cd" * 32, fetch_date=lambda _file: date)
    assert Bare(pages).get_sha256(file) == "cd" * 32
    assert Bare(pages).fetch_date(file) == date
    assert Bare(pages).get_sha256(IndexFile(filename=WHEEL, url="", hashes={"sha256": SHA})) == SHA
    assert Bare().fetch_date(file) is None
    with pytest.raises(NetworkError, match=f"the shelf lists no sha256 of {WHEEL}"):
        Bare().get_sha256(file)


# --- the choice of a target ------------------------------------------------------------------------


def choose(url: str, progress: Any = None, **options: Any) -> PublishTarget:
    given = Options(
        **{"project": "demo", "version": "1.0", "urls": ("staged",), "repository_url": url, **options}
    )
    target = open_target(given, progress or RecordedProgress())
    target.close()
    return target


def test_the_url_chooses_the_kind_of_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GH_HOST", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    urls = {
        str(tmp_path): "StaticIndexTarget",
        "https://anaconda.org/nightlies": "AnacondaTarget",
        "https://github.com/owner/demo/releases": "GitHubReleasesTarget",
        UPLOAD_URL: "PackageIndexTarget",
    }
    assert {url: type(choose(url)).__name__ for url in urls} == urls


def test_options_of_another_kind_are_reported(tmp_path: Path) -> None:
    for url, name in ((UPLOAD_URL, "package index"), ("https://anaconda.org/n", "anaconda.org")):
        with pytest.raises(OptionError) as caught:
            choose(url, release_id=7)
        assert caught.value.name == "release_id"
        assert caught.value.problem == (
            f"only GitHub releases have such a number, and the target is a {name}"
        )
        assert caught.value.hint == (
            "Remove --release-id, or pass --repository-url https://github.com/OWNER/REPO/releases."
        )
    choose("https://github.com/owner/demo/releases", release_id=7)
    cases = {
        UPLOAD_URL: [
            "--label has no effect: only anaconda.org has labels, and the target is a package index"
        ],
        "https://anaconda.org/n": [],
    }
    for url, lines in cases.items():
        progress = RecordedProgress()
        choose(url, progress, labels=("dev",))
        assert progress.lines == lines
    progress = RecordedProgress()
    choose(UPLOAD_URL, progress)
    assert progress.lines == []


def test_the_settings_of_a_target_are_those_of_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    usual: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": ("staged",)}
    section = TargetSettings(url=UPLOAD_URL, index_url=PAGES, token_variable="MINE")
    configured = Options(repository="nightly", targets={"nightly": section}, **usual)
    assert find_settings(configured) is section
    assert find_settings(Options(repository_url=UPLOAD_URL, **usual)) == TargetSettings(url=UPLOAD_URL)
    assert find_settings(Options(**usual)).url.startswith("https://")
    pypirc = tmp_path / "pypirc"
    pypirc.write_text(
        f"[distutils]\nindex-servers = mine\n[mine]\nrepository = {UPLOAD_URL}\nindex-url = {PAGES}\n"
        "password = a-password-of-9\n[open]\nrepository = https://open.example/\n"
    )
    found = find_settings(Options(repository="mine", config_file=pypirc, **usual))
    assert (found.url, found.index_url, found.password) == (UPLOAD_URL, PAGES, "a-password-of-9")
    assert apply_settings(configured, section).index_url == PAGES
    given = Options(index_url="https://other.example/", **usual)
    assert apply_settings(given, section).index_url == "https://other.example/"
    assert apply_settings(given, section).project == "demo"

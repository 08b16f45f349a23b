"""anaconda.org as a target: its settings, packages, releases, labels, and the confirmation."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from packaging.version import Version

from tests.support.scripted_http import RecordedProgress, ScriptedClients, ScriptedHttp, make_local_wheel
from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    NetworkError,
    UsageError,
)
from wheel_uploader.core.models import CheckProfile, FileComparison, LocalFile, Options, TargetSettings
from wheel_uploader.targets.anaconda import target as anaconda_target
from wheel_uploader.targets.anaconda import urls
from wheel_uploader.targets.anaconda.credentials import TOKEN_VARIABLES
from wheel_uploader.targets.anaconda.target import AnacondaTarget
from wheel_uploader.targets.protocol import Release
from wheel_uploader.targets.pruning import TargetFile

API, PAGES = "https://api.anaconda.org", "https://pypi.anaconda.org/nightlies"
WHEEL = "demo-1.0.dev0-py3-none-any.whl"
SECOND = "demo-1.0.dev0-cp312-cp312-win_amd64.whl"
PACKAGE, RELEASE = "/package/nightlies/demo", "/release/nightlies/demo/1.0.dev0"
TOKEN = "a-token-of-some-length"
PAGE = f"GET {PAGES}/simple/demo/"
STORED = f"https://files.example/{WHEEL}"


class Site:
    """A target whose requests are answered by a script."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.monkeypatch, self.folder = monkeypatch, folder
        self.script = ScriptedHttp(API)
        self.clients = ScriptedClients(self.script)
        self.progress = RecordedProgress()
        self.file = make_local_wheel(folder)
        monkeypatch.setattr(anaconda_target, "HttpClient", self.clients)
        monkeypatch.setattr(cancellation, "sleep_unless_cancelled", self.script.pauses.append)
        for name in (*TOKEN_VARIABLES, urls.API_VARIABLE):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ANACONDA_API_TOKEN", TOKEN)

    def open(self, settings: TargetSettings | None = None, **options: Any) -> AnacondaTarget:
        """Open the target."""
        usual = {"project": "demo", "version": "1.0.dev0", "urls": ("staged",), "retries": 1}
        settings = settings or TargetSettings(url="https://anaconda.org/nightlies")
        return AnacondaTarget(Options(**{**usual, **options}), self.progress, settings)

    def entry(self, file: LocalFile, **values: Any) -> dict[str, Any]:
        """Return a file as the API lists it."""
        return {
            "basename": file.filename,
            "version": "1.0.dev0",
            "sha256": file.sha256,
            "labels": ["main"],
            **values,
        }

    def list(self, *entries: dict[str, Any]) -> tuple[int, Any]:
        """Return the answer that lists files."""
        return 200, {"name": "demo", "files": list(entries)}

    def release(self, *files: LocalFile) -> Release:
        """Return the release of files, by default of the only one."""
        return Release(project="demo", version=Version("1.0.dev0"), files=files or (self.file,))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    return Site(monkeypatch, tmp_path)


# --- settings --------------------------------------------------------------------------------------


def test_the_target_is_named_after_the_organization(site: Site) -> None:
    target = site.open()
    info = target.info
    assert (info.url, info.name, info.is_pypi) == (
        "https://anaconda.org/nightlies",
        "anaconda.org/nightlies",
        False,
    )
    assert target.default_profile is CheckProfile.ANY
    assert target.release_page_url("de mo", Version("1")) == "https://anaconda.org/nightlies/de%20mo"
    assert target.labels == target.pruned_labels == ("main",)
    assert (target.is_readable, target.find_stored_password(), target.credentials()) == (True, ("", ""), None)
    target.require_replaceable()
    target.require_prunable()
    assert site.script.log == []


def test_options_of_the_run_are_those_of_the_connections(site: Site, tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    options: dict[str, Any] = {"allow_hosts": ("a.example",), "allow_insecure_hosts": ("b.example",)}
    target = site.open(timeout=7.0, retries=3, cert=cert, **options)
    expected = {
        **options,
        "user_urls": (API,),
        "timeout": 7.0,
        "retries": 3,
        "verify": str(cert),
        "progress": site.progress,
    }
    assert site.clients.options == [expected] * 2
    assert target.index.url == f"{PAGES}/simple/"
    assert site.clients.options[2] == {**expected, "user_urls": (f"{PAGES}/simple/",)}
    target.close()
    assert len(site.clients.closed) == 3
    site.open()
    assert site.clients.options[-1]["verify"] is True


def test_a_server_on_this_machine_may_have_its_storage_on_another_port(site: Site) -> None:
    site.monkeypatch.setenv(urls.API_VARIABLE, "http://127.0.0.1:8/")
    target = site.open(index_url="http://127.0.0.1:8/pip/")
    assert site.clients.options[0]["allow_hosts"] == ("127.0.0.1", "::1", "localhost")
    assert site.clients.options[0]["user_urls"] == ("http://127.0.0.1:8",)
    assert target.release_page_url("demo", Version("1")) == ""
    assert target.index.url == "http://127.0.0.1:8/pip/"


def test_the_pages_of_another_server_must_be_named(site: Site) -> None:
    site.monkeypatch.setenv(urls.API_VARIABLE, "https://api.example")
    with pytest.raises(UsageError) as caught:
        site.open()
    assert caught.value.message == (
        "the pages that pip reads are unknown for another server than anaconda.org"
    )
    assert caught.value.hint == "Pass their URL with --index-url."
    assert site.open(index_url="https://pip.example/").index.url == "https://pip.example/"


def test_the_first_labels_that_are_given_count(site: Site) -> None:
    url = "https://anaconda.org/nightlies/label/url"
    assert site.open(TargetSettings(url=url)).labels == ("url",)
    assert site.open(TargetSettings(url=url, labels=("section",))).labels == ("section",)
    chosen = site.open(TargetSettings(url=url, labels=("section",)), labels=("a", "b", "a"))
    assert chosen.labels == ("a", "b")
    assert chosen.index.url == f"{PAGES}/label/a/simple/"


def test_write_only_is_refused(site: Site) -> None:
    with pytest.raises(UsageError) as caught:
        site.open(write_only=True)
    assert caught.value.message == "--write-only applies to package indexes only"
    assert caught.value.hint == "Omit --write-only."


def test_the_login_is_printed_with_the_origin_of_the_token(site: Site) -> None:
    target = site.open()
    target.prepare_login(is_required=True)
    assert target.login == "token from ANACONDA_API_TOKEN"
    assert site.progress.lines == ["login: token from ANACONDA_API_TOKEN"]


def test_a_run_without_a_token_reads_only(site: Site) -> None:
    site.monkeypatch.delenv("ANACONDA_API_TOKEN")
    target = site.open()
    target.prepare_login(is_required=False)
    assert target.login == ""
    assert site.progress.lines == ["no login is known for anaconda.org/nightlies; this run does not need one"]
    with pytest.raises(CredentialsError, match="ANACONDA_API_TOKEN is not set"):
        target.prepare_login(is_required=True)


def test_the_token_may_be_in_the_url_or_in_pypirc(site: Site) -> None:
    site.monkeypatch.delenv("ANACONDA_API_TOKEN")
    url = "https://pypi.anaconda.org/t/token-of-the-url/nightlies"
    assert site.open(TargetSettings(url=url)).login == "token from the upload URL"
    settings = TargetSettings(url="https://anaconda.org/nightlies", password="token-of-pypirc")
    site.script.answers[f"GET {PACKAGE}"] = site.list()
    target = site.open(settings)
    assert target.login == "token from .pypirc"
    target.fetch_project("demo")
    assert site.script.requests[0].headers["authorization"] == "token token-of-pypirc"


# --- reading and writing ---------------------------------------------------------------------------


def test_the_state_compares_the_files_with_the_api(site: Site) -> None:
    second = make_local_wheel(site.folder, tag="cp312-cp312-win_amd64")
    site.script.answers[f"GET {PACKAGE}"] = site.list(site.entry(site.file))
    target = site.open()
    state = target.fetch_state("demo", Version("1.0.dev0"), [site.file, second])
    assert [each.result for each in state.comparisons] == [FileComparison.SAME, FileComparison.ABSENT]
    assert state.project_page
    assert [file.filename for file in state.project_page.files] == [WHEEL]
    assert target.get_sha256(state.project_page.files[0]) == site.file.sha256
    site.script.answers[f"GET /dist/nightlies/demo/1.0.dev0/{SECOND}"] = (200, site.entry(second))
    assert target.fetch_file_state("demo", second).result is FileComparison.SAME


def test_the_package_and_the_release_are_created_if_they_do_not_exist(site: Site) -> None:
    answers = {f"GET {PACKAGE}": 404, "GET /user/nightlies": (200, {}), f"GET {RELEASE}": 404}
    site.script.answers |= {**answers, f"POST {PACKAGE}": (201, {}), f"POST {RELEASE}": (201, {})}
    target = site.open()
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    site.script.requests.clear()
    target.begin(site.release())
    assert site.script.log == [f"POST {PACKAGE}", f"GET {RELEASE}", f"POST {RELEASE}"]
    assert site.script.requests[0].json["public_attrs"]["name"] == "demo"
    assert site.script.requests[2].json["version"] == "1.0.dev0"
    # The package is known to exist from now on.
    site.script.requests.clear()
    site.script.answers |= {f"GET {PACKAGE}": site.list(), f"GET {RELEASE}": (200, {})}
    target.begin(site.release())
    assert site.script.log == [f"GET {PACKAGE}", f"GET {RELEASE}"]


def test_a_package_that_was_removed_meanwhile_is_created_again(site: Site) -> None:
    site.script.answers |= {f"GET {PACKAGE}": [site.list(), 404], f"GET {RELEASE}": 404}
    site.script.answers |= {f"POST {PACKAGE}": 409, f"POST {RELEASE}": 400}
    target = site.open()
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    target.begin(site.release())
    assert site.script.log[1:] == [f"GET {PACKAGE}", f"POST {PACKAGE}", f"GET {RELEASE}", f"POST {RELEASE}"]


def test_a_release_with_files_is_not_created(site: Site) -> None:
    site.script.answers[f"GET {PACKAGE}"] = site.list(site.entry(site.file))
    target = site.open()
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    target.begin(site.release())
    assert site.script.log == [f"GET {PACKAGE}"]


@pytest.mark.parametrize("status", [300, 402, 404, 418])
def test_a_package_that_cannot_be_created_is_an_error(site: Site, status: int) -> None:
    site.script.answers |= {f"POST {PACKAGE}": (status, {"error": "no"})}
    with pytest.raises(NetworkError, match=rf"POST .*{PACKAGE} was answered with {status}: no"):
        site.open().begin(site.release())


def test_a_file_is_uploaded_with_the_labels_of_the_run(site: Site) -> None:
    form = {"post_url": f"{API}/storage", "form_data": {}, "dist_id": 1}
    path = f"/nightlies/demo/1.0.dev0/{WHEEL}"
    site.script.answers |= {
        f"POST /stage{path}": (200, form),
        "POST /storage": 201,
        f"POST /commit{path}": 200,
    }
    target = site.open(labels=("dev", "main"))
    answer = target.upload(site.file)
    assert answer.kind.value == "accepted"
    stage, store, _commit = site.script.requests
    assert stage.json["channels"] == ["dev", "main"]
    assert "authorization" not in store.headers
    # A replaced file keeps its labels.
    site.script.answers[f"GET {PACKAGE}"] = site.list()
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    site.script.requests.clear()
    replacer = target.create_replacer(site.folder)
    site.script.answers[f"GET /dist{path}"] = (200, site.entry(site.file, labels=["old", "dev"]))
    assert replacer.save(site.file)
    assert replacer.prepare(site.file).kind.value == "accepted"
    assert site.script.log == [f"GET /dist{path}", f"POST /stage{path}", "POST /storage"]
    assert site.script.requests[1].json["channels"] == ["old", "dev", "main"]


def test_old_bytes_may_come_from_the_page_of_pip(site: Site) -> None:
    old = b"the old bytes"
    sha256 = hashlib.sha256(old).hexdigest()
    path = f"/nightlies/demo/1.0.dev0/{WHEEL}"
    links = f'<a href="/demo-0.9.tar.gz">demo-0.9.tar.gz</a><a href="{STORED}">{WHEEL}</a>'
    site.script.answers |= {
        f"GET /dist{path}": (200, site.entry(site.file, sha256=sha256)),
        f"GET {PACKAGE}": site.list(),
        f"GET /download{path}": 404,
        PAGE: (200, f"<!DOCTYPE html><title>Links</title>{links}", {"content-type": "text/html"}),
        f"GET {STORED}": (200, old),
    }
    target = site.open(allow_hosts=("files.example",))
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    (site.folder / "hidden").mkdir()
    saved = target.create_replacer(site.folder / "hidden").save(site.file)
    assert saved
    assert saved.sha256 == sha256
    assert site.script.log[-1] == f"GET {STORED}"
    note = next((site.folder / "hidden" / "replaced").glob("*.json")).read_text()
    assert f'"target": "{API}/nightlies"' in note
    for answer in (
        404,
        httpx.ConnectError("refused"),
        401,
        (200, "<!DOCTYPE html>", {"content-type": "text/html"}),
    ):
        site.script.answers[PAGE] = answer
        gone = target.create_replacer(site.folder / "hidden").save(site.file)
        assert gone
        assert gone.saved is None


def test_missing_labels_are_added_to_files_that_were_there(site: Site) -> None:
    second = make_local_wheel(site.folder, tag="cp312-cp312-win_amd64")
    third = make_local_wheel(site.folder, tag="cp313-cp313-win_amd64")
    entries = [site.entry(site.file, labels=["main", "x/y"]), site.entry(second, labels=None)]
    paths = [f"POST /channels/nightlies/{label}" for label in ("dev", "x%2Fy")]
    site.script.answers |= {f"GET {PACKAGE}": site.list(*entries), **dict.fromkeys(paths, 201)}
    target = site.open(labels=("dev", "main"))
    target.labels = ("dev", "main", "x/y")
    target.fetch_state("demo", Version("1.0.dev0"), [site.file, second, third])
    target.finish(site.release(site.file, second, third))
    assert site.script.log == [f"GET {PACKAGE}", paths[0]]
    assert site.script.requests[1].json == {"package": "demo", "version": "1.0.dev0", "basename": WHEEL}
    assert site.progress.lines == [f"{WHEEL}: label dev added"]
    # A slash would be part of the path.
    site.script.answers[f"GET {PACKAGE}"] = site.list(site.entry(site.file, labels=["main", "dev"]))
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    target.finish(site.release())
    assert site.script.log[-1] == paths[1]


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [(400, "no", "no"), (404, "", "status 404"), (422, "bad label", "bad label")],
)
def test_a_label_that_cannot_be_added_is_named(site: Site, status: int, words: str, reason: str) -> None:
    site.script.answers |= {
        f"GET {PACKAGE}": site.list(site.entry(site.file)),
        "POST /channels/nightlies/dev": (status, {"error": words}),
    }
    target = site.open(labels=("dev",))
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    with pytest.raises(UsageError) as caught:
        target.finish(site.release())
    assert caught.value.message == f"the label dev cannot be added to {WHEEL}: {reason}"
    assert caught.value.hint == "Correct --label, or create the label."


@pytest.mark.parametrize("status", [300, 402])
def test_another_answer_to_a_label_is_an_error(site: Site, status: int) -> None:
    site.script.answers |= {
        f"GET {PACKAGE}": site.list(site.entry(site.file)),
        "POST /channels/nightlies/dev": status,
    }
    target = site.open(labels=("dev",))
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    with pytest.raises(NetworkError, match=rf"POST .*/channels/nightlies/dev was answered with {status}"):
        target.finish(site.release())
    assert site.progress.lines == []


def test_files_are_listed_compared_and_removed(site: Site) -> None:
    dist = f"/dist/nightlies/demo/1.0.dev0/{WHEEL}"
    listed = site.entry(site.file, type="pypi")
    site.script.answers |= {f"GET {PACKAGE}": site.list(listed)}
    target = site.open()
    target.fetch_state("demo", Version("1.0.dev0"), [site.file])
    [file] = target.list_files("demo")
    assert target.is_same_file(file, site.file)
    md5 = hashlib.md5(site.file.path.read_bytes()).hexdigest()
    hashes = [{"sha256": "ab" * 32, "md5": md5}, {"md5": "cd" * 16}, {}, {"md5": md5}]
    same = [target.is_same_file(dataclasses.replace(file, hashes=each), site.file) for each in hashes]
    assert same == [False, False, False, True]
    site.script.answers |= {f"GET {dist}": (200, listed), f"DELETE {dist}": 200}
    target.remove(file)
    assert site.script.log[-1] == f"DELETE {dist}"
    site.script.answers["DELETE /channels/nightlies/main"] = 200
    target.remove(dataclasses.replace(file, labels=("main",)), ("main",))
    assert site.script.log[-1] == "DELETE /channels/nightlies/main"
    assert isinstance(file, TargetFile)


# --- confirmation ----------------------------------------------------------------------------------


def page_of(file: LocalFile) -> tuple[int, str, dict[str, str]]:
    text = f'<!DOCTYPE html><title>Links</title><a href="/f/{file.filename}">{file.filename}</a>'
    return 200, text, {"content-type": "text/html"}


def test_a_release_is_confirmed_by_the_api_and_the_page_of_pip(site: Site) -> None:
    complete = site.list(site.entry(site.file))
    site.script.answers |= {
        f"GET {PACKAGE}": [
            site.list(),
            (502, ""),
            site.list(site.entry(site.file, labels=["dev"])),
            complete,
        ],
        PAGE: page_of(site.file),
        f"GET https://pypi.anaconda.org/f/{WHEEL}": (200, site.file.path.read_bytes()),
    }
    target = site.open()
    [confirmed] = target.confirm("demo", [site.file], timeout=600)
    assert (confirmed.filename, confirmed.sha256) == (WHEEL, site.file.sha256)
    assert site.script.log[:4] == [f"GET {PACKAGE}"] * 4
    assert site.script.pauses[:3] == [1.0, 1.5, 2.25]
    texts = [text for text, _seconds in site.progress.waits[:3]]
    assert texts[0] == f"confirm: {WHEEL} is not listed"
    assert "returned 502" in texts[1]
    assert texts[2] == f"confirm: {WHEEL} lacks a label"
    assert all(seconds and 590 < seconds <= 600 for _text, seconds in site.progress.waits[:3])


def test_pauses_grow_to_20_seconds(site: Site) -> None:
    missing = [site.list()] * 10
    site.script.answers |= {
        f"GET {PACKAGE}": [*missing, site.list(site.entry(site.file))],
        PAGE: page_of(site.file),
        f"GET https://pypi.anaconda.org/f/{WHEEL}": (200, site.file.path.read_bytes()),
    }
    site.open().confirm("demo", [site.file], timeout=600)
    assert [round(pause, 2) for pause in site.script.pauses[:10]] == [
        *(1.0, 1.5, 2.25, 3.38, 5.06, 7.59, 11.39, 17.09),
        *(20.0, 20.0),
    ]


def test_the_last_look_is_at_the_end_of_the_time(site: Site) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        assert len(pauses) < 10

    clock = SimpleNamespace(monotonic=lambda: 1000.0 + sum(pauses))
    site.monkeypatch.setattr(anaconda_target, "time", clock)
    site.monkeypatch.setattr(cancellation, "sleep_unless_cancelled", sleep)
    site.script.answers[f"GET {PACKAGE}"] = site.list()
    with pytest.raises(DeadlineError):
        site.open().confirm("demo", [site.file], timeout=2)
    assert pauses == [1.0, 1.0]


@pytest.mark.parametrize("was_uploaded", [True, False])
def test_files_that_are_not_listed_in_time_are_named(site: Site, was_uploaded: bool) -> None:
    second = make_local_wheel(site.folder, tag="cp312-cp312-win_amd64")
    site.script.answers[f"GET {PACKAGE}"] = site.list(site.entry(site.file, labels=["dev"]))
    with pytest.raises(DeadlineError) as caught:
        site.open().confirm("demo", [site.file, second], timeout=0, was_uploaded=was_uploaded)
    error = caught.value
    assert error.message == "api.anaconda.org does not list 2 of 2 files as expected"
    assert error.details == (f"{SECOND} is not listed", f"{WHEEL} lacks a label")
    assert error.hint == "Run the same command again to check."
    assert error.is_permanent is not was_uploaded
    assert site.script.log == [f"GET {PACKAGE}"]
    assert site.script.pauses == []


def test_other_bytes_end_the_confirmation_at_once(site: Site) -> None:
    site.script.answers[f"GET {PACKAGE}"] = site.list(site.entry(site.file, sha256="ab" * 32))
    with pytest.raises(ConflictError) as caught:
        site.open().confirm("demo", [site.file], timeout=600)
    assert caught.value.message == "api.anaconda.org has 1 file with different contents"
    assert caught.value.details == (
        f"{WHEEL}: local sha256 {site.file.sha256}, api.anaconda.org has {'ab' * 32}",
    )
    assert caught.value.hint == "Find out which other job uploads to this organization."


@pytest.mark.parametrize(("passed", "remaining"), [(0.0, 600.0), (20.0, 580.0), (700.0, 0.0)])
def test_the_pages_of_pip_have_the_time_that_is_left(site: Site, passed: float, remaining: float) -> None:
    now = [1000.0]

    def answer(request: httpx.Request) -> httpx.Response:
        now[0] += passed
        return handle(request)

    def confirm(*given: Any, **options: Any) -> tuple[Any, ...]:
        calls.append((given, options))
        return ()

    calls: list[Any] = []
    handle = site.script.handle
    site.monkeypatch.setattr(site.script, "handle", answer)
    site.monkeypatch.setattr(anaconda_target, "time", SimpleNamespace(monotonic=lambda: now[0]))
    site.monkeypatch.setattr(anaconda_target, "confirm_files", confirm)
    site.script.answers[f"GET {PACKAGE}"] = site.list(site.entry(site.file))
    target = site.open()
    assert target.confirm("demo", [site.file], timeout=600, was_uploaded=False) == ()
    options = {"timeout": remaining, "progress": site.progress, "was_uploaded": False}
    assert calls == [((target.index, "demo", [site.file]), options)]


def test_the_page_of_pip_must_list_the_files(site: Site) -> None:
    site.script.answers |= {f"GET {PACKAGE}": site.list(site.entry(site.file)), PAGE: 404}
    site.script.answers[f"GET {PAGES}/simple/"] = (200, "<!DOCTYPE html>", {"content-type": "text/html"})
    with pytest.raises(DeadlineError) as caught:
        site.open().confirm("demo", [site.file], timeout=0, was_uploaded=False)
    assert "pypi.anaconda.org/nightlies/simple/ does not list 1 of 1 file" in caught.value.message
    assert caught.value.is_permanent

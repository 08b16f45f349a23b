"""Test the requests that the uploader sends, its progress, and the errors for files that it does not send."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import rich
from requests.auth import HTTPBasicAuth
from twine import auth

from tests.unit.upload.test_target_and_credentials import (
    isolated_environment as isolated_environment,
)
from tests.unit.upload.test_target_and_credentials import options
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Reset, Served, local_file
from wheel_uploader.core.errors import CredentialsError, FileError, NetworkError, StorageError
from wheel_uploader.core.models import Attestation, AttestationPolicy, LocalFile, Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload import clients
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

TOKEN = "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"
URL = "https://index.example/upload/"


class Bar:
    def __init__(self) -> None:
        self.position = 0

    def advance(self, number: int) -> None:
        self.position += number


class Progress(SilentProgress):
    """Records the lines, and the bar of each file."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bars: dict[str, tuple[int, Bar]] = {}

    def info(self, text: str) -> None:
        self.lines.append(text)

    def debug(self, text: str) -> None:
        self.lines.append(f"debug: {text}")

    @contextmanager
    def file(self, filename: str, *, size: int | None = None) -> Iterator[Any]:
        bar = Bar()
        self.bars[filename] = (size or 0, bar)
        yield bar


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> LocalFile:
    return local_file(wheels.make_wheel(tmp_path, "demo", "1.0"))


def make_uploader(chosen: Options, progress: SilentProgress | None = None) -> TwineUploader:
    return TwineUploader(chosen, resolve_target(chosen), progress or Progress())


def test_sends_the_form_as_twine_does(served: Served, file: LocalFile) -> None:
    progress = Progress()
    uploader = make_uploader(
        options(repository_url=served.upload_url, username="jané", password="hidden-päss"), progress
    )
    answer = uploader.upload(file)
    uploader.close()
    assert (answer.kind, answer.status) == (ResponseKind.ACCEPTED, 200)
    (post,) = served.index.posts
    assert post.content == file.path.read_bytes()
    assert post.filename == file.filename
    expected = {":action": "file_upload", "protocol_version": "1", "filetype": "bdist_wheel"}
    expected |= {"name": "demo", "version": "1.0", "sha256_digest": file.sha256, "pyversion": "py3"}
    assert {name: post.fields[name] for name in expected} == expected
    assert len(post.fields["blake2_256_digest"]) == 64
    headers = {name.lower(): value for name, value in post.headers.items()}
    assert headers["accept"] == "application/json"
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert headers["authorization"] == indexes.basic("jané", "hidden-päss")
    assert {name: (size, bar.position) for name, (size, bar) in progress.bars.items()} == {
        file.filename: (file.size, file.size)
    }


def test_sends_no_credentials_if_there_are_none(
    served: Served, file: LocalFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those in ~/.netrc, either."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login other password hidden-8\n")
    monkeypatch.setenv("NETRC", str(netrc))
    uploader = make_uploader(options(repository_url=served.upload_url, username="", password=""))
    assert uploader.credentials() is None
    uploader.upload(file)
    (post,) = served.index.posts
    assert "authorization" not in {name.lower() for name in post.headers}


@pytest.mark.parametrize(("failure", "kind"), [(Reply(400, "Nein"), ResponseKind.REJECTED), (Reset(), None)])
def test_a_failed_upload_takes_its_progress_back(
    served: Served, file: LocalFile, failure: Any, kind: ResponseKind | None
) -> None:
    progress = Progress()
    served.index.script = [failure]
    uploader = make_uploader(options(repository_url=served.upload_url, username="", password=""), progress)
    answer = uploader.upload(file)
    assert answer.kind is (kind or ResponseKind.RETRY)
    assert answer.may_be_stored == (kind is None)
    assert progress.bars[file.filename][1].position == 0
    if kind:
        assert (answer.status, answer.server_message, answer.error_type) == (400, "Nein", FileError)
    else:
        assert answer.error_type is NetworkError


def test_does_not_follow_a_redirect(served: Served, file: LocalFile) -> None:
    served.index.script = [Reply(301, headers={"Location": f"{served.upload_url}x/"})]
    uploader = make_uploader(options(repository_url=served.upload_url, username="", password=""))
    answer = uploader.upload(file)
    assert (answer.status, len(served.index.posts)) == (301, 1)
    assert "uploads never follow redirects" in answer.diagnosis


def test_does_not_send_a_file_that_changed(served: Served, file: LocalFile) -> None:
    uploader = make_uploader(options(repository_url=served.upload_url, username="", password=""))
    file.path.write_bytes(b"x" * file.size)
    with pytest.raises(FileError):
        uploader.upload(file)
    file.path.unlink()
    with pytest.raises(FileError, match="it no longer exists"):
        uploader.upload(file)
    assert served.index.posts == []


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n",
            "{name}: the metadata is that of other 1.0",
        ),
        ("Metadata-Version: 2.1\nName: demo\nVersion: 2.0\n", "{name}: the metadata is that of demo 2.0"),
        ("Metadata-Version: 2.1\nName: demo\n", "twine rejects {name}: "),
    ],
)
def test_does_not_send_a_file_of_another_release(
    served: Served, tmp_path: Path, metadata: str, message: str
) -> None:
    other = local_file(wheels.make_wheel(tmp_path, "demo", "1.0", metadata=metadata))
    uploader = make_uploader(options(repository_url=served.upload_url, username="", password=""))
    with pytest.raises(FileError) as caught:
        uploader.upload(other)
    assert caught.value.message.startswith(message.format(name=other.filename))
    assert caught.value.hint == "Rebuild the file, then run the command again."
    assert served.index.posts == []


def test_accepts_another_spelling_of_the_name(served: Served, tmp_path: Path) -> None:
    metadata = "Metadata-Version: 2.1\nName: DEMO\nVersion: 1.0.0\n"
    other = local_file(wheels.make_wheel(tmp_path, "demo", "1.0", metadata=metadata))
    uploader = make_uploader(options(repository_url=served.upload_url, username="", password=""))
    assert uploader.upload(other).kind is ResponseKind.ACCEPTED


# --- the login -------------------------------------------------------------------------------------


def test_pypi_takes_tokens_only() -> None:
    uploader = make_uploader(options(password="hidden-9-hidden"))
    for call in (uploader.credentials, lambda: uploader.prepare_login(is_required=False)):
        with pytest.raises(CredentialsError) as caught:
            call()
        assert caught.value.message == (
            "pypi accepts only API tokens, and this password does not start with 'pypi-'"
        )
        assert (
            caught.value.hint == "Create an API token in the account settings and set TWINE_PASSWORD to it."
        )
    assert make_uploader(options(password=TOKEN)).credentials() == ("__token__", TOKEN)


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("me", "hidden-10", ("me", "hidden-10")),
        ("me", "", ("me", "")),
        ("", "hidden-10", ("", "hidden-10")),
        ("", "", None),
    ],
)
def test_sends_the_given_login(username: str, password: str, expected: tuple[str, str] | None) -> None:
    uploader = make_uploader(options(repository_url=URL, username=username, password=password))
    assert uploader.credentials() == expected
    assert isinstance(uploader._login, HTTPBasicAuth) == (expected is not None)
    stored = (password, "--password") if password else ("", "")
    assert uploader.find_stored_password() == stored


def test_reports_the_login_and_each_warning_once() -> None:
    progress = Progress()
    uploader = make_uploader(
        options(repository_url=URL, username="me:x", password="hidden-11-hidden"), progress
    )
    uploader.prepare_login(is_required=True)
    uploader.credentials()
    assert uploader.login == "user me:x from --username, password from --password"
    assert [line.partition(":")[0] for line in progress.lines] == ["warning", "login"]
    assert progress.lines[-1] == f"login: {uploader.login}"
    without = Progress()
    make_uploader(options(repository_url=URL), without).prepare_login(is_required=False)
    assert without.lines == [f"no login is known for {URL}; this run does not need one"]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_says_why_attestations_are_not_uploaded(monkeypatch: pytest.MonkeyPatch, is_trusted: bool) -> None:
    progress = Progress()
    uploader = make_uploader(options(password=TOKEN), progress)
    uploader.credentials()
    if is_trusted:
        login = auth.TrustedPublishingAuthenticator(resolver=uploader._resolver)
        monkeypatch.setattr(uploader, "_login", login)
    name = "demo-1.0.tar.gz"
    ours = [Attestation(subject_filename=name, path=Path(f"{name}.publish.attestation"), content=b"{}")]
    assert uploader.set_attestations(ours, AttestationPolicy.AUTO) is is_trusted
    reason = "PyPI accepts attestations only from trusted publishers, not with an API token"
    assert progress.lines == ([] if is_trusted else [f"attestations are not uploaded: {reason}"])
    assert uploader.set_attestations([], AttestationPolicy.AUTO) is False


# --- the target ------------------------------------------------------------------------------------


def write_pypirc(folder: Path, *lines: str) -> Path:
    path = folder / "pypirc"
    path.write_text("\n".join(["[distutils]", "index-servers = mine", "[mine]", *lines, ""]))
    path.chmod(0o600)
    return path


def test_the_certificates_come_from_options_variables_and_pypirc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {name: tmp_path / f"{name}.pem" for name in ("option", "variable", "file", "client")}
    for path in paths.values():
        path.touch()
    config = write_pypirc(
        tmp_path, f"repository = {URL}", f"ca_cert = {paths['file']}", f"client_cert = {paths['client']}"
    )
    mine = {"repository": "mine", "config_file": config}
    target = resolve_target(options(**mine))  # type: ignore[arg-type]
    assert (target.cert, target.client_cert) == (paths["file"], paths["client"])
    monkeypatch.setenv("TWINE_CERT", str(paths["variable"]))
    assert resolve_target(options(**mine)).cert == paths["variable"]  # type: ignore[arg-type]
    target = resolve_target(
        options(**mine, cert=paths["option"], client_cert=paths["option"])  # type: ignore[arg-type]
    )
    assert (target.cert, target.client_cert) == (paths["option"], paths["option"])
    assert (target.is_testpypi, target.pages_url) == (False, "")


@pytest.mark.parametrize(
    ("lines", "given", "expected", "login"),
    [
        (("username = me", "password = p1"), {}, ("me", "p1"), "user me, both from {label}"),
        (
            ("username = me", "password = p1"),
            {"username": "you"},
            ("you", "p1"),
            "user you from --username, password from {label}",
        ),
        ((), {}, ("url", "p2"), "user url, both from the upload URL"),
        (("password = p1",), {}, ("url", "p1"), "user url from the upload URL, password from {label}"),
    ],
)
def test_the_login_comes_from_the_first_place_that_has_it(
    tmp_path: Path,
    lines: Sequence[str],
    given: dict[str, str],
    expected: tuple[str, str],
    login: str,
) -> None:
    config = write_pypirc(tmp_path, "repository = https://url:p2@index.example/upload/", *lines)
    chosen = options(repository="mine", config_file=config, **given)  # type: ignore[arg-type]
    uploader = make_uploader(chosen)
    uploader.prepare_login(is_required=True)
    assert uploader.login == login.format(label=f"[mine] of {config}")
    assert uploader.credentials() == expected


def test_the_state_of_twine_and_rich_is_given_back() -> None:
    console, log = rich.get_console(), logging.getLogger("twine")
    before = (console.quiet, log.handlers, log.level)
    with clients.preserved_host_state():
        progress = Progress()
        chosen = options(repository_url=URL, username="", password="")
        uploader = clients.create_uploader(chosen, clients.resolve_target(chosen), progress)
        assert console.quiet
        log.setLevel(logging.DEBUG)
        log.info("a line\x1b[2J")
        assert progress.lines == ["debug: twine: a line\\x1b[2J"]
        uploader.close()
    assert (console.quiet, log.handlers, log.level) == before


def test_a_request_that_fails_is_an_answer(file: LocalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    from wheel_uploader.upload import twine_uploader

    uploader = make_uploader(options(repository_url=URL, username="", password=""))
    errors: list[Exception] = [requests.ReadTimeout("x"), OSError(5, "Input/output error")]

    def send(connection: Any, _package: object) -> requests.Response:
        connection.adapter.sent_all = True
        raise errors.pop(0)

    monkeypatch.setattr(twine_uploader._Connection, "send", send)
    answer = uploader.upload(file)
    assert (answer.kind, answer.diagnosis) == (ResponseKind.RETRY, "the index did not answer in time")
    assert answer.may_be_stored
    with pytest.raises(StorageError) as caught:
        uploader.upload(file)
    assert caught.value.message == f"cannot read {file.path}: Input/output error"

"""Test that a run knows at its start how it will log in, and that .pypirc is read as people write it."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twine import auth

from tests.unit.upload.test_target_and_credentials import Terminal, options
from tests.unit.upload.test_target_and_credentials import (
    isolated_environment as isolated_environment,
)
from wheel_uploader.core.errors import CredentialsError, UsageError
from wheel_uploader.core.models import Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload import credentials as upload_credentials
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

TOKEN = "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"
URL = "https://example.com/upload/"


class Lines(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)


def start(chosen_options: Options, *, is_required: bool = True) -> list[str]:
    """Return the lines that a run prints at its start."""
    progress = Lines()
    uploader = TwineUploader(chosen_options, resolve_target(chosen_options), progress)
    uploader.prepare_login(is_required=is_required)
    return progress.lines


def pypirc(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "pypirc"
    path.write_bytes(text.encode(encoding))
    path.chmod(0o600)
    return path


# --- which way -----------------------------------------------------------------------------------------


def test_says_where_the_login_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = pypirc(
        tmp_path,
        "[distutils]\nindex-servers = my\n[my]\nrepository = https://example.com/\n"
        "username = jane\npassword = hunter2\n",
    )
    mine = options(repository="my", config_file=file)
    assert start(mine) == [f"login: user jane, both from [my] of {file}"]
    monkeypatch.setenv("TWINE_PASSWORD", TOKEN)
    assert start(options()) == ["login: API token from TWINE_PASSWORD"]
    assert start(options(repository_url=URL, username="__token__")) == [
        "login: user __token__ from --username, password from TWINE_PASSWORD"
    ]
    monkeypatch.setenv("TWINE_USERNAME", "")
    monkeypatch.setenv("TWINE_PASSWORD", "")
    assert start(options(repository_url=URL)) == ["login: none: TWINE_USERNAME and TWINE_PASSWORD are empty"]


def test_a_run_without_a_login_ends_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(CredentialsError, match=f"no username for {URL}, and the run is not interactive"):
        start(options(repository_url=URL))
    with pytest.raises(CredentialsError, match="no password for"):
        start(options(repository_url=URL, username="me"))
    assert time.monotonic() - started < 5
    (line,) = start(options(repository_url=URL), is_required=False)
    assert "this run does not need one" in line


def test_prompts_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: f"{TOKEN}\n")
    assert start(options()) == [
        "warning: the password from the prompt ends or begins with a line end, which is left out",
        "login: API token from the prompt",
    ]


def test_a_client_certificate_is_a_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = tmp_path / "client.pem"
    pem.touch()
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda _prompt: pytest.fail("prompted"))
    assert start(options(repository_url=URL, client_cert=pem)) == [f"login: client certificate {pem}"]


def test_trusted_publishing_is_a_way_if_the_job_has_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", raising=False)
    with pytest.raises(CredentialsError) as caught:
        start(options())
    assert "trusted publishing: the job lacks the permission 'id-token: write'" in caught.value.details
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t" * 20)
    assert start(options()) == ["login: trusted publishing, with the identity of this CI job"]
    with pytest.raises(CredentialsError):
        start(options(repository_url=URL))


# --- keyring -------------------------------------------------------------------------------------------


class Keyring:
    """A keyring with one entry, or one that waits for a dialog."""

    def __init__(self, *, hangs: bool = False, password: str | None = "ring-secret-6") -> None:
        self.released = threading.Event()
        self._hangs, self._password = hangs, password

    def get_credential(self, _system: str, _name: None) -> auth.CredentialInput | None:
        if self._hangs:
            self.released.wait(60)
        return auth.CredentialInput("ring", "unused") if self._password else None

    def get_password(self, _system: str, _name: str) -> str | None:
        if self._hangs:
            self.released.wait(60)
        return self._password


@pytest.fixture
def hanging_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    keyring = Keyring(hangs=True)
    monkeypatch.setattr(auth, "keyring", keyring)
    yield keyring
    keyring.released.set()


def test_finds_the_login_in_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "keyring", Keyring())
    assert start(options(repository_url=URL)) == ["login: user ring, both from the keyring"]
    assert start(options(repository_url=URL, username="me")) == [
        "login: user me from --username, password from the keyring"
    ]
    monkeypatch.setattr(auth, "keyring", Keyring(password=None))
    with pytest.raises(CredentialsError) as caught:
        start(options(repository_url=URL))
    assert "the keyring has no entry" in caught.value.details


@pytest.mark.parametrize("answer", [b"bytes", 5, ["a"], SystemExit(3), RecursionError("deep")])
def test_a_backend_that_does_not_behave_has_failed(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends neither the run nor in a traceback, and its answer is not shown."""

    class Odd(Keyring):
        def get_password(self, _system: str, _name: str) -> Any:
            if isinstance(answer, BaseException):
                raise answer
            return answer

    monkeypatch.setattr(auth, "keyring", Odd())
    with pytest.raises(CredentialsError) as caught:
        start(options(repository_url=URL, username="me"))
    reason = f"failed ({type(answer).__name__})" if isinstance(answer, BaseException) else "not text"
    assert reason in caught.value.details[-1]
    assert "bytes" not in str(caught.value.details)


def test_a_hanging_keyring_delays_neither_the_start_nor_the_end(
    hanging_keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_credentials, "KEYRING_TIMEOUT", 2.0)
    chosen_options, progress = options(repository_url=URL, username="me"), Lines()
    uploader = TwineUploader(chosen_options, resolve_target(chosen_options), progress)
    started = time.monotonic()
    uploader.prepare_login(is_required=True)
    assert time.monotonic() - started < 1.9
    assert progress.lines == ["login: keyring, which has not answered yet (time limit: 2 s)"]
    with pytest.raises(CredentialsError, match="no password for") as caught:
        uploader.credentials()
    assert time.monotonic() - started < 10
    assert "the keyring did not answer within 2 s" in caught.value.details


def test_does_not_ask_the_keyring_if_the_password_is_known(hanging_keyring: Keyring) -> None:
    assert start(options(repository_url=URL, username="me", password="hunter2")) == [
        "login: user me from --username, password from --password"
    ]


def test_prompts_after_the_keyring_has_failed(
    hanging_keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_credentials, "INTERACTIVE_KEYRING_TIMEOUT", 0.2)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "typed-secret-7")
    assert start(options(repository_url=URL, username="me")) == [
        "login: user me from --username, password from the prompt"
    ]


# --- odd values ----------------------------------------------------------------------------------------


def test_warns_of_odd_values_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINE_USERNAME", "jane")
    monkeypatch.setenv("TWINE_PASSWORD", f"{TOKEN}\r\n")
    lines = start(options(repository_url=URL))
    assert "line end, which is left out" in lines[0]
    assert "whose user name is __token__" in lines[1]
    assert lines[2].startswith("login: user jane")
    assert TOKEN not in "".join(lines)
    unused, *_ = start(options())
    assert unused == "warning: the user name of PyPI is __token__: the one from TWINE_USERNAME is not used"


def test_refuses_impossible_values_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("$PYPI_TOKEN", "${{ secrets.X }}", "hunter2", f"'{TOKEN}'"):
        monkeypatch.setenv("TWINE_PASSWORD", value)
        with pytest.raises(CredentialsError):
            start(options())


# --- .pypirc -------------------------------------------------------------------------------------------

SECTIONS = "[my]\nrepository = https://my.example/\n[other]\nrepository = https://other.example/\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("servers", ["my,other", "my, other", "\n  my\n  other", "my other", "my,\n  other,"])
def test_reads_pypirc_as_editors_and_people_write_it(tmp_path: Path, encoding: str, servers: str) -> None:
    file = pypirc(tmp_path, f"[distutils]\nindex-servers = {servers}\n{SECTIONS}", encoding)
    assert resolve_target(options(repository="my", config_file=file)).url == "https://my.example/"
    assert resolve_target(options(repository="other", config_file=file)).url == "https://other.example/"


@pytest.mark.parametrize("start_of_file", ["", "[distutils]\nindex-servers = other\n"])
def test_names_a_section_that_is_not_listed(tmp_path: Path, start_of_file: str) -> None:
    file = pypirc(tmp_path, f"{start_of_file}{SECTIONS}")
    with pytest.raises(UsageError) as caught:
        resolve_target(options(repository="my", config_file=file))
    assert caught.value.message == f"the section [my] of {file} is not listed in index-servers"
    assert "Add my to index-servers" in caught.value.hint
    with pytest.raises(UsageError, match=r"repository 'none' not found"):
        resolve_target(options(repository="none", config_file=file))


@pytest.mark.parametrize(
    ("listed", "section", "message", "hint"),
    [
        ("my", "My", "{file} has no section [my], but [My]", "capitals and blanks count"),
        ("my", " my ", "{file} has no section [my], but [ my ]", "capitals and blanks count"),
        ("My", "My", "{file} has no section [my], but [My]", "capitals and blanks count"),
        ("my", "other", "{file} has no section [my], which index-servers lists", "Add the section"),
        ("other", "other", "repository 'my' not found in {file}", "Use one of other, pypi"),
    ],
)
def test_names_the_section_that_was_probably_meant(
    tmp_path: Path, listed: str, section: str, message: str, hint: str
) -> None:
    text = f"[distutils]\nindex-servers = {listed}\n[{section}]\nrepository = https://my.example/\n"
    file = pypirc(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        resolve_target(options(repository="my", config_file=file))
    assert caught.value.message == message.format(file=file)
    assert hint in caught.value.hint


@pytest.mark.parametrize("url", ["'https://my.example/'", '"https://my.example/"', "<https://my.example/>"])
def test_quotes_around_the_url_are_not_part_of_it(tmp_path: Path, url: str) -> None:
    file = pypirc(tmp_path, f"[distutils]\nindex-servers = my;\n[my]\nrepository = {url}\n")
    assert resolve_target(options(repository="my", config_file=file)).url == "https://my.example/"


@pytest.mark.parametrize("comment", [" ; ours", " # ours", "\t(ours)"])
def test_a_comment_after_the_url_is_an_error(tmp_path: Path, comment: str) -> None:
    file = pypirc(
        tmp_path, f"[distutils]\nindex-servers = my\n[my]\nrepository = https://my.example/{comment}\n"
    )
    with pytest.raises(UsageError, match="it has a blank in it") as caught:
        resolve_target(options(repository="my", config_file=file))
    assert "a comment needs a line of its own" in caught.value.hint
    with pytest.raises(UsageError, match="it has a blank in it"):
        options(repository_url=f"https://my.example/{comment}")


def test_names_misspelled_keys_but_no_pasted_token(tmp_path: Path) -> None:
    pasted = base64.b64encode(b"me:" + b"hunter22").decode()
    file = pypirc(
        tmp_path,
        "[distutils]\nindex-servers = my\n[my]\nrepository = https://my.example/\n"
        f"user = me\npassword = secret-22\n{pasted}=\n",
    )
    with pytest.raises(CredentialsError) as caught:
        start(options(repository="my", config_file=file))
    assert f"the section [my] of {file} has keys that are not read: user" in caught.value.details


def test_says_that_a_password_is_in_a_section_that_is_not_used(tmp_path: Path) -> None:
    file = pypirc(tmp_path, f"[distutils]\nindex-servers = my\n{SECTIONS}[pypi]\npassword = {TOKEN}\n")
    with pytest.raises(CredentialsError) as caught:
        start(options(config_file=file))
    assert (
        f"the section [pypi] of {file} is not used: it is not listed in index-servers" in caught.value.details
    )


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs modes")
def test_warns_at_the_start_of_a_pypirc_that_others_can_read(tmp_path: Path) -> None:
    file = pypirc(tmp_path, f"[pypi]\nusername = __token__\npassword = {TOKEN}\n")
    assert start(options(config_file=file)) == [f"login: API token from [pypi] of {file}"]
    file.chmod(0o644)
    warning, _ = start(options(config_file=file))
    assert warning.startswith(f"warning: {file} contains a password and is readable by other users")
    # The file is not used.
    assert start(options(config_file=file, repository_url="https://me:hunter2@example.com/")) == [
        "login: user me, both from the upload URL"
    ]

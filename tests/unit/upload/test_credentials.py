"""Test the lookup of the login: the keyring, the prompt, and the error if there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twine import auth, utils

from tests.unit.upload.test_target_and_credentials import (
    isolated_environment as isolated_environment,
)
from wheel_uploader.core import redaction
from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.upload import credentials
from wheel_uploader.upload.credentials import CredentialOrigins, CredentialsResolver, MissingLoginError
from wheel_uploader.upload.trusted_publishing import find_missing_permission

URL = "https://index.example/upload/"
TOKEN = "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"
ORIGINS = CredentialOrigins(username="--username", password="TWINE_PASSWORD")


class Keyring:
    """A keyring with entries by user; records the queries."""

    def __init__(self, user: str | None = None, **passwords: str) -> None:
        self.user, self.passwords = user, passwords
        self.asked: list[tuple[str, str, str | None]] = []

    def get_credential(self, system: str, name: str | None) -> auth.CredentialInput | None:
        self.asked.append(("credential", system, name))
        return auth.CredentialInput(self.user, "unused") if self.user else None

    def get_password(self, system: str, name: str) -> str | None:
        self.asked.append(("password", system, name))
        return self.passwords.get(name)


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Keyring]:
    def install(user: str | None = None, **passwords: str) -> Keyring:
        ring = Keyring(user, **passwords)
        monkeypatch.setattr(auth, "keyring", ring)
        return ring

    install()
    return install


def resolver(
    username: str | None = None,
    password: str | None = None,
    *,
    url: str = URL,
    config: dict[str, str | None] | None = None,
    is_interactive: bool = False,
    origins: CredentialOrigins = ORIGINS,
    client_cert: Path | None = None,
) -> CredentialsResolver:
    settings: Any = {"repository": url, "username": None, "password": None, **(config or {})}
    given = auth.CredentialInput(username, password)
    return CredentialsResolver(
        settings, given, is_interactive=is_interactive, origins=origins, client_cert=client_cert
    )


@pytest.fixture(autouse=True)
def _keyring(keyring: Callable[..., Keyring]) -> None:
    """Use no keyring of this machine."""


def test_limits_the_time_for_the_keyring_and_the_number_of_exchanges() -> None:
    assert (credentials.KEYRING_TIMEOUT, credentials.INTERACTIVE_KEYRING_TIMEOUT) == (10.0, 60.0)
    assert resolver()._lookup(None).limit == 10.0
    assert resolver(is_interactive=True)._lookup(None).limit == 60.0


@pytest.mark.parametrize(
    ("user", "passwords", "given", "way"),
    [
        ("ring", {"ring": "hidden-1"}, None, "user ring, both from the keyring"),
        ("ring", {"me": "hidden-1"}, "me", "user me from --username, password from the keyring"),
        ("ring", {}, None, ""),
        (None, {"ring": "hidden-1"}, None, ""),
        ("ring", {"ring": "hidden-1"}, "me", ""),
    ],
)
def test_the_keyring_may_have_the_login(
    keyring: Callable[..., Keyring], user: str | None, passwords: dict[str, str], given: str | None, way: str
) -> None:
    ring = keyring(user, **passwords)
    origins = CredentialOrigins(username="--username" if given else "")
    found = resolver(given, origins=origins)
    assert found.describe_known() == way
    assert all(system == URL for _, system, _ in ring.asked)
    if way:
        assert (found.username, found.password) == (given or "ring", "hidden-1")
        assert found.find_stored_password() == ("hidden-1", "the keyring")
        # One query of the keyring for each value.
        assert len(ring.asked) == (1 if given else 2)
    else:
        assert found.find_stored_password() == ("", "")


def test_the_password_of_another_user_is_not_used(keyring: Callable[..., Keyring]) -> None:
    ring = keyring("ring", ring="hidden-1", me="hidden-2")
    found = resolver("me")
    found._lookup(None)
    assert found.get_password_from_keyring() == "hidden-2"
    assert ("password", URL, "me") in ring.asked


def test_stored_passwords_are_found_without_a_prompt(keyring: Callable[..., Keyring]) -> None:
    ring = keyring("ring", ring="hidden-ring-3")
    assert resolver("me", "hidden-given-3").find_stored_password() == ("hidden-given-3", "TWINE_PASSWORD")
    assert resolver("me", "").find_stored_password() == ("", "")
    assert ring.asked == []
    assert resolver().find_stored_password() == ("hidden-ring-3", "the keyring")
    assert redaction.redact_secrets("hidden-ring-3 hidden-given-3") == "*** ***"


def test_the_configuration_comes_after_the_given_values() -> None:
    config: dict[str, str | None] = {"username": "file", "password": "file-hidden-4"}
    found = resolver(config=config)
    assert (found.username, found.password) == (None, None) or found.describe_known()
    assert found.describe_known() == "user file from --username, password from TWINE_PASSWORD"
    assert (found.input.username, found.input.password) == ("file", "file-hidden-4")
    assert (found.config["username"], found.config["password"]) == (None, None)
    given = resolver("me", "own-hidden-4", config=config)
    given.check_known_values()
    assert (given.input.username, given.input.password) == ("me", "own-hidden-4")
    empty = resolver("", "", config=config)
    assert empty.describe_known() == "none: --username and TWINE_PASSWORD are empty"
    same = resolver("", "", origins=CredentialOrigins(username="x", password="x"))
    assert same.describe_known() == "none: x are empty"


@pytest.mark.parametrize(("username", "password"), [("me", ""), ("", "hidden-5"), ("me", "hidden-5")])
def test_one_empty_value_is_a_login(username: str, password: str) -> None:
    expected = f"user {username} from --username, password from TWINE_PASSWORD"
    assert resolver(username, password).describe_known() == expected


def test_pypi_has_one_user_name() -> None:
    url = utils.DEFAULT_REPOSITORY
    found = resolver("jane", TOKEN, url=url)
    assert found.describe_known() == "API token from TWINE_PASSWORD"
    assert (found.input.username, found.input.password) == ("__token__", TOKEN)
    assert found.warnings == ["the user name of PyPI is __token__: the one from --username is not used"]
    for name in (None, "", "__token__", " __token__\n"):
        quiet = resolver(name, TOKEN, url=url)
        quiet.check_known_values()
        assert quiet.warnings == []
    # An empty secret of a CI is not an anonymous login.
    config: dict[str, str | None] = {"password": TOKEN}
    filled = resolver("", "", url=url, config=config)
    filled.check_known_values()
    assert filled.input.password == TOKEN
    unset = resolver("", "", url=url)
    assert (unset.describe_known(), unset.input.password) == ("", None)


def test_warns_of_values_once() -> None:
    found = resolver("jane", f"{TOKEN}\n")
    found.check_known_values()
    found.check_known_values()
    found.check_pair("jane", TOKEN)
    assert len(found.warnings) == 2
    assert "line end" in found.warnings[0]
    assert found.warnings[1].startswith("the password from TWINE_PASSWORD is an API token of PyPI")
    found.check_pair("jane", TOKEN, "the prompt")
    assert found.warnings[2].startswith("the password from the prompt is an API token of PyPI")
    unknown = resolver(origins=CredentialOrigins())
    unknown.check_pair("jane", TOKEN)
    assert unknown.warnings[0].startswith("the password from the keyring is an API token of PyPI")


def test_a_token_given_as_user_name_is_hidden() -> None:
    token = "pypi-" + "AgEIcHlwaS5vcmcCJDk5OTk5OTk5"
    found = resolver(token, "hidden-6")
    assert found.describe_known() == "user (hidden) from --username, password from TWINE_PASSWORD"
    assert token not in redaction.redact_secrets(token)


# --- the prompt ------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["username", "password"])
def test_prompts_only_at_a_terminal(tmp_path: Path, what: str) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "typed-7\n"

    found = resolver(is_interactive=True)
    assert found.may_prompt
    assert found.prompt(what, answer) == "typed-7"
    assert asked == [f"Enter your {what} for {URL}: "]
    subject = "user name" if what == "username" else "password"
    assert found.warnings == [
        f"the {subject} from the prompt ends or begins with a line end, which is left out"
    ]
    for silent in (resolver(), resolver(is_interactive=True, client_cert=tmp_path)):
        assert not silent.may_prompt
        with pytest.raises(MissingLoginError, match=f"no {what} for {URL}"):
            silent.prompt(what, answer)
    assert len(asked) == 1

    def end(_prompt: str) -> str:
        raise EOFError

    with pytest.raises(CredentialsError) as caught:
        found.prompt(what, end)
    assert caught.value.message == f"no {what} for {URL} was entered"


def test_says_where_a_login_was_searched(
    keyring: Callable[..., Keyring], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = CredentialOrigins(pypirc_note="the section [x] is not used")
    found = resolver(origins=note)
    assert found.describe_known() == ""
    error = found.explain_missing()
    assert error.message == f"no username for {URL}, and the run is not interactive"
    assert error.details == ("the section [x] is not used", "the keyring has no entry")
    assert error.hint == (
        "Set TWINE_USERNAME and TWINE_PASSWORD (for PyPI: __token__ and an API token), or add them to "
        ".pypirc. For an index without authentication, set both to an empty string."
    )
    assert "no password for" in resolver("me").explain_missing().message
    assert resolver().explain_missing("key").message.startswith("no key for")
    keyring("ring")
    ringed = resolver()
    assert ringed.describe_known() == ""
    assert ringed.explain_missing().message.startswith("no password for")
    pypi = resolver(url=utils.DEFAULT_REPOSITORY, origins=CredentialOrigins())
    assert pypi.explain_missing().message.startswith("no API token for")
    assert pypi.explain_missing().details == ()
    monkeypatch.setenv("GITLAB_CI", "true")
    assert pypi.explain_missing().details == (
        "trusted publishing: the job has no 'id_tokens' (PYPI_ID_TOKEN)",
    )
    assert resolver(origins=CredentialOrigins()).explain_missing().details == ()
    monkeypatch.setenv("PYPI_ID_TOKEN", "x")
    assert pypi.explain_missing().details == ()
    assert pypi.describe_known() == "trusted publishing, with the identity of this CI job"
    assert resolver(password=TOKEN, url=utils.DEFAULT_REPOSITORY).describe_known() == (
        "API token from TWINE_PASSWORD"
    )


def test_a_client_certificate_may_be_the_login(tmp_path: Path) -> None:
    assert resolver(client_cert=tmp_path).describe_known() == f"client certificate {tmp_path}"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ("", ""),
        ("GITHUB_ACTIONS", "the job lacks the permission 'id-token: write'"),
        ("GITHUB_ACTIONS ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""),
        ("GITHUB_ACTIONS X_ID_TOKEN", "the job lacks the permission 'id-token: write'"),
        ("GITLAB_CI", "the job has no 'id_tokens' (PYPI_ID_TOKEN)"),
        ("GITLAB_CI ID_TOKEN_X", "the job has no 'id_tokens' (PYPI_ID_TOKEN)"),
        ("GITLAB_CI X_ID_TOKEN", ""),
        ("BUILDKITE", ""),
    ],
)
def test_knows_jobs_without_an_identity(variables: str, reason: str) -> None:
    assert find_missing_permission(dict.fromkeys(variables.split(), "x")) == reason


def test_names_a_keyring_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoKeyringError(RuntimeError):
        pass

    class Broken(Keyring):
        def get_credential(self, system: str, name: str | None) -> auth.CredentialInput | None:
            raise NoKeyringError

    monkeypatch.setattr(auth, "keyring", Broken())
    found = resolver(origins=CredentialOrigins())
    assert found.describe_known() == ""
    assert found.explain_missing().details == ("the keyring is not available",)
    monkeypatch.setattr(auth, "keyring", None)
    without = resolver(origins=CredentialOrigins())
    assert without.describe_known() == ""
    assert without.explain_missing().details == ()

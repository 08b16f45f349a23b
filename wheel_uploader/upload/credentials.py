"""Credentials: twine's lookup, made safe for threads, for CI and for non-interactive runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import requests
from twine import auth, utils
from twine.exceptions import TrustedPublishingFailure

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import register_basic_auth, register_secret, sanitize, strip_url
from wheel_uploader.core.urls import INVALID_VARIABLE_MESSAGE, may_contain_url
from wheel_uploader.http.requests_network import Network, find_proxy_problem, libraries_follow_network
from wheel_uploader.index.target import has_ci_identity
from wheel_uploader.upload import credential_values, requests_adapter, token_expiry, trusted_publishing
from wheel_uploader.upload.keyring_lookup import KeyringLookup, find_keyring

#: Attempts to exchange a CI identity for a token; twine waits 5 s for each, which PyPI may need.
_MINT_ATTEMPTS = 3
#: Seconds for the keyring: without a terminal, and with a user who may have to unlock it.
KEYRING_TIMEOUT, INTERACTIVE_KEYRING_TIMEOUT = 10.0, 60.0
#: Origins that only a query or the user can tell.
_KEYRING, PROMPT = "the keyring", "the prompt"
#: Seconds that the start of a run waits for the keyring; the answer is needed for the first upload only.
_FIRST_WAIT = 0.8

_HINT = (
    "Set TWINE_USERNAME and TWINE_PASSWORD (for PyPI: __token__ and an API token), or add "
    "them to .pypirc. For an index without authentication, set both to an empty string."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialOrigins:
    """The origins of user name and password, for messages; empty if they are not known yet."""

    username: str = ""
    password: str = ""
    #: The reason if .pypirc does not have them, as a sentence; or empty.
    pypirc_note: str = ""


class MissingLoginError(CredentialsError):
    """There is no way to log in, and the user cannot be prompted."""


_UNKNOWN_ORIGINS = CredentialOrigins()


class CredentialsResolver(auth.Resolver):
    """twine's resolver, which prompts only interactively and requests a token only in CI.

    It asks the keyring in the background and checks every value before it is used.
    """

    def __init__(
        self,
        config: utils.RepositoryConfig,
        credentials: auth.CredentialInput,
        *,
        is_interactive: bool,
        origins: CredentialOrigins = _UNKNOWN_ORIGINS,
        client_cert: Path | None = None,
    ) -> None:
        super().__init__(config, credentials)
        self.origins = origins
        #: Warnings about the values that were checked, each once.
        self.warnings: list[str] = []
        self._is_interactive = is_interactive
        self._client_cert = client_cert
        self._lock = threading.Lock()
        #: The configuration for requests to the index: with the certificate of ``--cert``.
        self.index_network: Network | None = None
        self._lookups: dict[str | None, KeyringLookup] = {}
        self._is_checked = False

    def check_known_values(self) -> None:
        """Check and clean what variables, options and .pypirc say. Raises CredentialsError."""
        if self._is_checked:
            return
        username, password = self._known("username"), self._known("password")
        if self.is_pypi():
            # PyPI has no other user name; an empty password is a CI secret that is not set.
            if username and username.strip() != auth.TOKEN_USERNAME:
                self._warn(
                    f"the user name of PyPI is {auth.TOKEN_USERNAME}: the one from {self.origins.username} "
                    "is not used"
                )
            username = auth.TOKEN_USERNAME
        elif username is not None:
            username = self._checked_username(username, self.origins.username)
        if password is not None:
            password = self._checked_password(password, self.origins.password)
        self.input.username, self.input.password = (
            username,
            password or (None if self.is_pypi() else password),
        )
        self.config["username"] = self.config["password"] = None
        self._is_checked = True
        if username and password:
            self.check_pair(username, password)

    def describe_known(self) -> str:
        """Return how the run will log in, as far as that is known without a network; empty if it cannot.

        This queries the keyring, to know whether it has the password. Raises CredentialsError.
        """
        self.check_known_values()
        username, password = self.input.username, self.input.password
        if username == "" and password == "":
            return f"none: {_join(self.origins.username, self.origins.password)} are empty"
        if username is not None and password is not None:
            return self.describe(username, self.origins.username, self.origins.password)
        if lookup := self._lookup_missing():
            if not lookup.has_answered(lookup.limit if self._is_interactive else _FIRST_WAIT):
                if not self._is_interactive:
                    return (
                        f"keyring, which has not answered yet (time limit: {format_duration(lookup.limit)})"
                    )
            elif (entry := lookup.entry()).username and (password is not None or entry.password):
                return self.describe(
                    entry.username, self.origins.username or _KEYRING, self.origins.password or _KEYRING
                )
        if password is None and self._may_mint():
            return "trusted publishing, with the identity of this CI job"
        return f"client certificate {self._client_cert}" if self._client_cert else ""

    def describe(self, username: str, username_origin: str, password_origin: str) -> str:
        """Return the login as a part of a sentence, without secrets."""
        if self.is_pypi():
            return f"API token from {password_origin}"
        user = "user (hidden)" if username.startswith(credential_values.TOKEN_PREFIX) else f"user {username}"
        if username_origin == password_origin:
            return sanitize(f"{user}, both from {password_origin}")
        return sanitize(f"{user} from {username_origin}, password from {password_origin}")

    def explain_missing(self, what: str = "") -> CredentialsError:
        """Return the error for a run that has no way to log in and must not prompt."""
        what = what or self._missing_name()
        return MissingLoginError(
            f"no {what} for {strip_url(str(self.system))}, and the run is not interactive",
            details=self._searched(),
            hint=_HINT,
        )

    @property
    def may_prompt(self) -> bool:
        """True if the user may be prompted; a client certificate may be enough by itself."""
        return self._is_interactive and not self._client_cert

    def prompt(self, what: str, how: Callable[..., str]) -> str:
        """Prompt for the user name or password. Raises CredentialsError in a non-interactive run."""
        url = strip_url(str(self.system))
        if not self.may_prompt:
            raise self.explain_missing(what)
        try:
            value = super().prompt(f"{what} for {url}", how)
        except EOFError:
            raise CredentialsError(f"no {what} for {url} was entered") from None
        check = self._checked_username if what == "username" else self._checked_password
        return check(value, PROMPT)

    def get_username_from_keyring(self) -> str | None:
        """Return the user name in the keyring; None if it has none or does not answer in time."""
        username = self._lookup(None).entry().username
        return username and self._checked_username(username, _KEYRING)

    def get_password_from_keyring(self) -> str | None:
        """Return the password in the keyring; None if it has none or does not answer in time."""
        username = self.username
        anonymous = self._lookups.get(None)
        entry = anonymous.entry() if anonymous else None
        if entry is None or entry.username != username:
            entry = self._lookup(username).entry()
        return entry.password and self._checked_password(entry.password, _KEYRING)

    def check_pair(self, username: str, password: str, origin: str = "") -> None:
        """Warn if a user name and a password do not belong together."""
        origin = origin or self.origins.password or _KEYRING
        if warning := credential_values.find_mismatch(username, password, origin=origin):
            self._warn(warning)

    def _known(self, key: str) -> str | None:
        value: str | None = getattr(self.input, key)
        if self.is_pypi():
            return value or self.config.get(key) or None
        return self.config.get(key) if value is None else value

    def _checked_username(self, value: str, origin: str) -> str:
        checked = credential_values.check_username(value, origin=origin)
        if checked.value.startswith(credential_values.TOKEN_PREFIX):
            register_secret(checked.value)
        self._warn(*checked.warnings)
        return checked.value

    def _checked_password(self, value: str, origin: str) -> str:
        register_secret(value)
        checked = credential_values.check_password(value, origin=origin, is_pypi=self.is_pypi())
        register_secret(checked.value)
        self._warn(*checked.warnings)
        subject = f"the password from {origin}"
        end = token_expiry.describe_end(checked.value, subject=subject, now=datetime.now(UTC), is_watch=False)
        self._warn(*filter(None, [end]))
        return checked.value

    def find_stored_password(self) -> tuple[str, str]:
        """Return the password that a variable, an option, .pypirc or the keyring has, and its origin.

        Both are empty if there is none. Nothing is prompted for, and no token is requested.
        """
        self.check_known_values()
        if self.input.password:
            return self.input.password, self.origins.password
        lookup = None if self.input.password == "" else self._lookup_missing()
        password = lookup.entry().password if lookup else None
        register_secret(password)
        return (password, _KEYRING) if password else ("", "")

    def _warn(self, *warnings: str) -> None:
        self.warnings += [warning for warning in warnings if warning not in self.warnings]

    def _lookup(self, username: str | None) -> KeyringLookup:
        if username not in self._lookups:
            limit = INTERACTIVE_KEYRING_TIMEOUT if self._is_interactive else KEYRING_TIMEOUT
            self._lookups[username] = KeyringLookup(str(self.system), username, limit=limit)
        return self._lookups[username]

    def _lookup_missing(self) -> KeyringLookup | None:
        """Return the query of the keyring for the missing values; None without a keyring."""
        return self._lookup(self.input.username or None) if find_keyring() else None

    def _may_mint(self) -> bool:
        return (
            self.is_pypi()
            and has_ci_identity()
            and not trusted_publishing.find_missing_permission(os.environ)
        )

    def _missing_name(self) -> str:
        if self.is_pypi():
            return "API token"
        return "username" if self.input.username is None and not self._keyring_username() else "password"

    def _keyring_username(self) -> str | None:
        lookup = self._lookups.get(None)
        return lookup.entry().username if lookup else None

    def _searched(self) -> list[str]:
        """Return a line for each place that was searched in vain, with the reason."""
        lines = [self.origins.pypirc_note]
        lines += [f"the keyring {lookup.entry().problem}" for lookup in self._lookups.values()]
        if self.is_pypi():
            reason = trusted_publishing.find_missing_permission(os.environ) if has_ci_identity() else ""
            lines.append(f"trusted publishing: {reason}" if reason else "")
        return list(dict.fromkeys(filter(None, lines)))

    def make_trusted_publishing_token(self) -> str | None:
        """Return a token for the identity of the CI job; None outside CI. Raises CredentialsError."""
        if not has_ci_identity():
            return None
        # The threads of an upload share one token, and renew it once.
        with self._lock:
            token = self._mint_token()
        if token:
            register_basic_auth(auth.TOKEN_USERNAME, token)
        return token

    def _mint_token(self) -> str | None:
        reason = ""
        network = Network()
        for attempts_left in reversed(range(_MINT_ATTEMPTS)):
            try:
                # The identity comes from the CI, by urllib3; twine sends it to the index, by requests.
                with libraries_follow_network(network, self.index_network):
                    return super().make_trusted_publishing_token()
            except requests.RequestException as error:
                reason, may_pass = requests_adapter.failure_cause(error), True
            except (TrustedPublishingFailure, KeyError, TypeError, ValueError) as error:
                problem = find_proxy_problem(error)
                reason = INVALID_VARIABLE_MESSAGE if may_contain_url(error) else str(error)
                reason = problem.message if problem else reason
                may_pass = problem is not None or trusted_publishing.is_retryable(reason)
            if not (attempts_left and may_pass):
                break
        raise trusted_publishing.mint_error(strip_url(str(self.system)), reason)


def _join(first: str, second: str) -> str:
    return " and ".join(dict.fromkeys((first, second)))

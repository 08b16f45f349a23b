"""Credentials: twine's lookup, made safe for threads, for CI and for non-interactive runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import requests
from twine import auth, utils
from twine.exceptions import TrustedPublishingFailure

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.redaction import register_basic_auth, strip_url
from wheel_uploader.core.urls import INVALID_VARIABLE_MESSAGE, may_contain_url
from wheel_uploader.http.requests_network import Network, find_proxy_problem, libraries_follow_network
from wheel_uploader.index.target import has_ci_identity
from wheel_uploader.upload import requests_adapter, trusted_publishing

#: Attempts to exchange a CI identity for a token; twine waits 5 s for each, which PyPI may need.
_MINT_ATTEMPTS = 3


class CredentialsResolver(auth.Resolver):
    """twine's resolver, which prompts only interactively and requests a token only in CI."""

    def __init__(
        self, config: utils.RepositoryConfig, credentials: auth.CredentialInput, *, is_interactive: bool
    ) -> None:
        super().__init__(config, credentials)
        self._is_interactive = is_interactive
        self._lock = threading.Lock()
        #: The configuration for requests to the index: with the certificate of ``--cert``.
        self.index_network: Network | None = None
        if self.is_pypi():
            # PyPI has no other user name; an empty password is a CI secret that is not set.
            credentials.username = auth.TOKEN_USERNAME
            credentials.password = credentials.password or None
            self.config["password"] = self.config.get("password") or None

    def prompt(self, what: str, how: Callable[..., str]) -> str:
        """Prompt for the user name or password. Raises CredentialsError in a non-interactive run."""
        url = strip_url(str(self.system))
        if not self._is_interactive:
            raise CredentialsError(
                f"no {what} for {url}, and the run is not interactive",
                hint="Set TWINE_USERNAME and TWINE_PASSWORD (for PyPI: __token__ and an API token), or add "
                "them to .pypirc. For an index without authentication, set both to an empty string.",
            )
        try:
            return super().prompt(f"{what} for {url}", how)
        except EOFError:
            raise CredentialsError(f"no {what} for {url} was entered") from None

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

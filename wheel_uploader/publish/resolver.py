"""With whose credentials: twine's search for them, made safe for threads, CI and runs without a person."""

from __future__ import annotations

import threading
from collections.abc import Callable

import requests
from twine import auth, utils
from twine.exceptions import TrustedPublishingFailure

from wheel_uploader.display import bare_url, remember_basic_auth
from wheel_uploader.errors import CredentialsError
from wheel_uploader.publish import sending, trusted
from wheel_uploader.publish.target import has_identity
from wheel_uploader.urls import BAD_VARIABLE, may_quote_url

#: Attempts to trade a CI identity for a token; twine waits 5 s for each, which PyPI may need.
_MINT_ATTEMPTS = 3


class Resolver(auth.Resolver):
    """twine's search for credentials, but no prompt without a person and no minting without a CI."""

    def __init__(self, config: utils.RepositoryConfig, stated: auth.CredentialInput, *, asks: bool) -> None:
        super().__init__(config, stated)
        self._asks = asks
        self._lock = threading.Lock()
        if self.is_pypi():
            # PyPI knows no other user; an empty password is a CI secret that was not set.
            stated.username = auth.TOKEN_USERNAME
            stated.password = stated.password or None
            self.config["password"] = self.config.get("password") or None

    def prompt(self, what: str, how: Callable[..., str]) -> str:
        url = bare_url(str(self.system))
        if not self._asks:
            raise CredentialsError(
                f"no {what} for {url}, and nobody can be asked",
                hint="Set TWINE_USERNAME and TWINE_PASSWORD (for PyPI: __token__ and an API token), or add "
                "them to .pypirc. For an index that asks nobody set both to nothing.",
            )
        try:
            return super().prompt(f"{what} for {url}", how)
        except EOFError:
            raise CredentialsError(f"no {what} for {url} was given") from None

    def make_trusted_publishing_token(self) -> str | None:
        """A token for the identity that the CI vouches for; None outside a CI. Raises CredentialsError."""
        if not has_identity():
            return None
        # The threads of an upload share one token, and renew it once.
        with self._lock:
            token = self._minted()
        if token:
            remember_basic_auth(auth.TOKEN_USERNAME, token)
        return token

    def _minted(self) -> str | None:
        why = ""
        for left in reversed(range(_MINT_ATTEMPTS)):
            try:
                return super().make_trusted_publishing_token()
            except requests.RequestException as error:
                why, passes = sending.cause(error), True
            except (TrustedPublishingFailure, KeyError, TypeError, ValueError) as error:
                why = BAD_VARIABLE if may_quote_url(error) else str(error)
                passes = trusted.may_pass(why)
            if not (left and passes):
                break
        raise trusted.not_minted(bare_url(str(self.system)), why)

"""Failures of a proxy, in the same words for reading and for uploads. Performs no I/O."""

from __future__ import annotations

import re
from http import HTTPStatus

from wheel_uploader.core.errors import CredentialsError, NetworkError, TransportError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http.proxy_settings import ProxyServer

_VARIABLES = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
_CHECK_PROXY = f"Check that the proxy is running, and {_VARIABLES}; NO_PROXY lists hosts to reach without it."
_SOCKS_LOGIN = re.compile("username/password|authentication|acceptable|NO AUTH|rejected your", re.IGNORECASE)
#: "502 Bad Gateway", the answer of a proxy to CONNECT.
_STATUS = re.compile(r"(?:Tunnel connection failed: )?([1-9][0-9]{2})(?: (.*))?\Z", re.DOTALL)
#: After these, the same request may succeed.
_PASSING_STATUSES = {408, 425, 429, 500, 502, 503, 504}


class ProxyCredentialsError(CredentialsError):
    """The proxy requires a login, or rejected it: those of the index do not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyProblem:
    """A failure at a proxy, before the request reached the server."""

    proxy: ProxyServer
    #: Host, and port if unusual, of the requested URL.
    host: str
    #: In one clause, or the answer to CONNECT: a status and its reason.
    reason: str
    #: False if there is no connection to the proxy.
    is_connected: bool = True

    @property
    def status(self) -> int:
        """The status with which the proxy answered; 0 for other problems."""
        match = _STATUS.match(self.reason)
        return int(match[1]) if match else 0

    @property
    def needs_login(self) -> bool:
        """True if the proxy requires a login, or rejected it."""
        return self.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED or (
            self.proxy.is_socks and bool(_SOCKS_LOGIN.search(self.reason))
        )

    @property
    def may_pass(self) -> bool:
        """True if the same request may succeed later."""
        return not self.needs_login and (not self.status or self.status in _PASSING_STATUSES)

    @property
    def message(self) -> str:
        """The problem in one sentence, which names the proxy."""
        reason = sanitize(self.reason, limit=200)
        if not self.is_connected:
            return f"cannot connect to the proxy {self.proxy}: {reason}"
        if self.needs_login:
            verb = "rejected the login in its URL" if self.proxy.has_login else "requires a login"
            return f"the proxy {self.proxy} {verb}{f' (status {self.status})' if self.status else ''}"
        answer = f"it answered {reason.removeprefix('Tunnel connection failed: ')}" if self.status else reason
        return f"the proxy {self.proxy} cannot reach {self.host}: {answer}"

    @property
    def hint(self) -> str:
        """The next step for the user."""
        if not self.needs_login:
            return _CHECK_PROXY
        return (
            f"Put user name and password, percent-encoded, into its URL ({_VARIABLES}): "
            f"{'socks5' if self.proxy.is_socks else self.proxy.scheme}://USER:PASSWORD@HOST:PORT."
        )

    def to_error(self) -> NetworkError | CredentialsError:
        """Return the error for the user: TransportError if the same request may succeed later."""
        if self.needs_login:
            return ProxyCredentialsError(self.message, hint=self.hint)
        return (TransportError if self.may_pass else NetworkError)(self.message, hint=self.hint)

"""HTTP client: requests with limits, retries, redirects and credentials; only this package uses httpx."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self, TypeVar

from wheel_uploader import __version__
from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import (
    CredentialsError,
    NetworkError,
    RedirectLoopError,
    TransportError,
    UsageError,
)
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.progress import Progress, SilentProgress
from wheel_uploader.core.redaction import (
    register_basic_auth,
    register_url_secrets,
    sanitize,
    sanitize_url,
    strip_url,
)
from wheel_uploader.core.urls import unquote, urljoin, urlsplit
from wheel_uploader.http import body as http_body
from wheel_uploader.http import retry
from wheel_uploader.http.certificates import TrustedCertificates
from wheel_uploader.http.host_policy import (
    HostPolicy,
    InvalidUrl,
    Origin,
    ScopedHeaders,
    parse_origin,
    split_credentials,
)
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.http.proxies import ProxyFailure, ProxyRouter
from wheel_uploader.http.response import (
    Page,
    StreamedResponse,
    discard_body,
    format_page_age,
    get_content_encoding,
    get_content_type,
    get_lowercase_headers,
    has_known_length,
    iter_raw_body,
    make_redirect_error,
    make_status_error,
    to_network_error,
)
from wheel_uploader.http.transport import request_deadline

__all__ = ["Body", "HttpClient", "Page", "StreamedResponse"]

T = TypeVar("T")
#: The body of a request: its bytes, or pieces of them whose total size is known.
Body = bytes | Iterable[bytes]

MAX_REDIRECTS = 5
#: Connections at a time, as many as a download of small files uses.
MAX_CONNECTIONS = 20
#: Limits in seconds: to connect, and to fetch a whole page.
CONNECT_TIMEOUT = 10.0
PAGE_TIMEOUT = 120.0
#: Bytes per second that the body of a request is sent with at least.
_MIN_UPLOAD_RATE = 1024.0

_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
#: A 204 has no page, and a 206 only a part, although none was requested.
_WHOLE_STATUSES = frozenset({200, 203})
#: Headers that do not identify the user: the only ones that are sent to another origin after a redirect.
_SAFE_HEADERS = frozenset(
    {"accept", "accept-encoding", "cache-control", "pragma", "range", "if-range"}
    | {"if-none-match", "if-modified-since"}
)


class HttpClient:
    """HTTP client for the requests of a run: one connection pool, which any number of threads may use."""

    def __init__(
        self,
        *,
        user_urls: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        allow_insecure_hosts: Iterable[str] = (),
        timeout: float = 30.0,
        retries: int = 6,
        max_connections: int = MAX_CONNECTIONS,
        preconnect: Mapping[str, int] | None = None,
        verify: bool | str = True,
        progress: Progress | None = None,
        sleep: Callable[[float], None] = cancellation.sleep_unless_cancelled,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open a client; ``user_urls`` are the URLs that the user gave, whose hosts may be private.

        ``timeout``: seconds without data. ``retries``: total number of attempts. ``verify``: False, or a PEM
        file of certificates to trust. ``preconnect``: additional connections to open, by https URL among
        ``user_urls``. ``transport`` is for tests. Raises UsageError.
        """
        user_urls = tuple(user_urls)
        self._rules = HostPolicy(
            user_urls=user_urls, allow_hosts=allow_hosts, allow_insecure_hosts=allow_insecure_hosts
        )
        self._credentials: dict[Origin, tuple[str, str]] = {}
        self._headers = ScopedHeaders()
        for url in user_urls:
            register_url_secrets(url)
            self._extract_credentials(url)
        self._timeout = timeout
        self._retries = retries
        self._polling = self._is_closed = False
        self._progress = progress or SilentProgress()
        self._sleep = sleep
        self._clock = clock
        self._timeouts = httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout), pool=None).as_dict()
        # Not an httpx.Client: it would keep cookies, follow redirects by its own rules, and log whole URLs
        # with their secrets.
        self._certificates = TrustedCertificates(verify if transport is None else False)
        # Before anything else happens.
        self._certificates.check()
        self._transport = transport or ProxyRouter(
            self._rules.is_trusted, self._certificates, max_connections, preconnect
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        self._transport.close()

    def add_credentials(self, url: str, username: str, password: str) -> None:
        """Send these credentials to the scheme, host and port of ``url``, and nowhere else."""
        register_basic_auth(username, password)
        self._credentials[parse_origin(url)] = (username, password)

    def remove_credentials(self, url: str) -> None:
        """Send no credentials to the scheme, host and port of ``url`` any more."""
        self._credentials.pop(parse_origin(url), None)

    def has_credentials(self, url: str) -> bool:
        """Return whether credentials are sent to the scheme, host and port of ``url``."""
        return parse_origin(url) in self._credentials

    def add_headers(self, url_prefix: str, headers: Mapping[str, str]) -> None:
        """Send these headers (a token, for example) only to URLs that start with ``url_prefix``."""
        self._headers.add(url_prefix, _with_lowercase_names(headers))

    def _extract_credentials(self, url: str) -> None:
        with contextlib.suppress(InvalidUrl):
            parse_origin(url)
            _, username, password = split_credentials(url)
            if username or password:
                self.add_credentials(url, unquote(username), unquote(password))

    @contextlib.contextmanager
    def polling_mode(self) -> Iterator[None]:
        """Return a context in which pages bypass caches and are not retried; ``-v`` shows their age."""
        retries, self._retries, self._polling = self._retries, 1, True
        try:
            yield
        finally:
            self._retries, self._polling = retries, False

    def url_rejection(self, url: str) -> str:
        """Return in one clause why ``url`` must never be fetched; empty if it may be."""
        return self._rules.url_rejection(url)

    def link_rejection(self, url: str, *, listing_url: str, has_trusted_digest: bool) -> str:
        """Return in one clause why a link on the listing ``listing_url`` must not be fetched; else "".

        ``has_trusted_digest``: the listing gave a sha256 for the link.
        """
        return self._rules.link_rejection(url, listing_url=listing_url, has_trusted_digest=has_trusted_digest)

    def call_with_retries(self, operation: str, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it succeeds or should not be retried; ``operation`` is shown by ``-v``."""
        return retry.call_with_retries(
            operation, attempt, max_attempts=self._retries, progress=self._progress, sleep=self._sleep
        )

    def notify_user(self, text: str) -> None:
        """Print a notice for the user: for modules that read responses and have no progress object."""
        self._progress.info(text)

    # --- requests --------------------------------------------------------------------------------------

    def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        no_cache: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Return the whole page at ``url``, retrying as needed; the limits are 32 MiB and 120 s.

        ``no_cache`` asks caches to revalidate. Raises HttpStatusError for any status but 200 and 203,
        CredentialsError for 401, ListingError when a limit is exceeded, else NetworkError.
        """
        url = self._without_credentials(url)
        request_headers = {"accept": accept, "accept-encoding": "gzip", **_with_lowercase_names(headers)}
        if no_cache or self._polling:
            request_headers |= {"cache-control": "no-cache", "pragma": "no-cache"}
        page = self.call_with_retries(
            f"get {sanitize_url(url)}", lambda: self._fetch_page(url, request_headers)
        )
        if self._polling and (age := format_page_age(page)):
            self._progress.debug(f"{strip_url(page.url)}: {age}")
        return page

    def _fetch_page(self, url: str, headers: Mapping[str, str]) -> Page:
        end = self._clock() + PAGE_TIMEOUT
        try:
            with request_deadline(PAGE_TIMEOUT), self._open(url, headers) as (response, final):
                if response.status_code not in _WHOLE_STATUSES:
                    raise self._error_for_status(response, final)
                return self._read_page(response, final, end)
        except TransportError:
            if self._clock() < end:
                raise
        # Not retried: the server was slow all the time, and another 120 s would hardly help.
        raise NetworkError(f"{strip_url(url)} did not finish within {format_duration(PAGE_TIMEOUT)}")

    def _read_page(self, response: httpx.Response, url: str, end: float) -> Page:
        headers, shown_url = get_lowercase_headers(response), strip_url(url)
        has_length = has_known_length(response)

        def raw_until_end() -> Iterator[bytes]:
            for piece in http_body.limit_size(iter_raw_body(response, url), shown_url):
                yield piece
                if self._clock() >= end:
                    raise TransportError(f"{shown_url} takes too long")

        plain = http_body.decompress_body(raw_until_end(), get_content_encoding(response), shown_url)
        body = http_body.join_pieces(http_body.limit_size(plain, shown_url))
        return Page(
            url=url,
            status=response.status_code,
            headers=headers,
            content_type=get_content_type(headers),
            body=body,
            has_length=has_length,
        )

    @contextlib.contextmanager
    def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        listing_url: str = "",
        has_trusted_digest: bool = False,
    ) -> Iterator[StreamedResponse]:
        """Return a context with the 200, 206, 304 or 416 response to one request for ``url``, not retried.

        ``listing_url`` and ``has_trusted_digest`` as for ``link_rejection``; an empty ``listing_url`` means
        that the URL was not found in a listing. Raises the same errors as ``get``.
        """
        if listing_url and (
            reason := self.link_rejection(url, listing_url=listing_url, has_trusted_digest=has_trusted_digest)
        ):
            raise NetworkError(f"refusing to fetch {sanitize_url(url)}: {reason}")
        url = self._without_credentials(url)
        request_headers = {"accept": "*/*", "accept-encoding": "identity", **_with_lowercase_names(headers)}
        with contextlib.ExitStack() as stack:
            # The body has no time limit as long as data keeps arriving; the request and its redirects have.
            with request_deadline(CONNECT_TIMEOUT + self._timeout):
                response, final = stack.enter_context(
                    self._open(url, request_headers, has_trusted_digest=has_trusted_digest)
                )
            if response.status_code not in {200, 206, 304, 416}:
                raise self._error_for_status(response, final)
            if response.status_code == 304:
                # The body is empty, but the connection can only be reused once it has been read.
                with contextlib.suppress(httpx.HTTPError):
                    response.read()
            yield StreamedResponse(response, final, self._clock)

    def send(
        self,
        method: str,
        url: str,
        *,
        content: Body = b"",
        size: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Send one request that may change something, and return its response, whatever the status.

        ``size``: the total bytes of ``content`` if that is given in pieces. Neither retried nor redirected:
        after a NetworkError the server may have carried out the request. Raises NetworkError, ListingError,
        and UsageError for a URL that must not be requested.
        """
        if reason := self._rules.url_rejection(url):
            raise self._policy_error(url, reason)
        length = len(content) if isinstance(content, bytes) else size or 0
        request_headers = {
            "accept": "*/*",
            "accept-encoding": "gzip",
            "content-length": str(length),
            **_with_lowercase_names(headers),
        }
        seconds = PAGE_TIMEOUT + length / _MIN_UPLOAD_RATE
        with request_deadline(seconds):
            response = self._send(url, request_headers, method, content)
            try:
                return self._read_page(response, url, self._clock() + PAGE_TIMEOUT)
            finally:
                self._close(response)

    @contextlib.contextmanager
    def _open(
        self, url: str, headers: Mapping[str, str], *, has_trusted_digest: bool = False
    ) -> Iterator[tuple[httpx.Response, str]]:
        """Send the request and follow allowed redirects; yield the last response, unread, and its URL."""
        if reason := self._rules.url_rejection(url):
            raise self._policy_error(url, reason)
        requested_url = url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, headers)
            try:
                location = response.headers.get("location", "")
                if response.status_code not in _REDIRECT_STATUSES or not location:
                    yield response, url
                    return
                discard_body(response)
            finally:
                self._close(response)
            target = self._resolve_redirect(
                url, location, requested_url=requested_url, has_trusted_digest=has_trusted_digest
            )
            if parse_origin(target) != parse_origin(url):
                headers = {key: value for key, value in headers.items() if key in _SAFE_HEADERS}
            url = target
        raise RedirectLoopError(
            f"{strip_url(requested_url)} redirects more than {MAX_REDIRECTS} times",
            hint="Open the URL in a browser and pass the address that it ends at.",
        )

    def _close(self, response: httpx.Response) -> None:
        """Close a response, and also its connection if the client was closed in the meantime."""
        response.close()
        if self._is_closed and (connection := response.extensions.get("network_stream")):
            # An abandoned thread opened it after the pool had closed its connections.
            connection.close()

    def _resolve_redirect(
        self, url: str, location: str, *, requested_url: str, has_trusted_digest: bool
    ) -> str:
        """Return the target of a redirect of ``url``. Raises NetworkError if it must not be followed."""
        try:
            target = urljoin(url, location).partition("#")[0]
        except ValueError:
            target, reason = location, "it is not a URL"
        else:
            reason = self.link_rejection(
                target, listing_url=requested_url, has_trusted_digest=has_trusted_digest
            )
            if url.startswith("https:") and target.startswith("http:"):
                reason = "it downgrades https to http"
        if reason:
            raise make_redirect_error(url, target, reason)
        return target

    def _send(
        self, url: str, headers: Mapping[str, str], method: str = "GET", content: Body | None = None
    ) -> httpx.Response:
        all_headers = {
            "user-agent": f"wheel-uploader/{__version__}",
            **headers,
            **self._headers.headers_for(url),
        }
        if login := self._credentials.get(parse_origin(url)):
            all_headers["authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        try:
            request = httpx.Request(
                method, url, headers=all_headers, content=content, extensions={"timeout": self._timeouts}
            )
            parse_origin(url).check_parsed_host(request.url.raw_host.decode("ascii"), request.url.port)
            return self._transport.handle_request(request)
        except ProxyFailure as failure:
            raise failure.problem.to_error() from failure
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise to_network_error(error, url, certificate_hint=self._certificates.hint) from error

    def _without_credentials(self, url: str) -> str:
        """Return ``url`` without its credentials if they are the ones stored for its origin."""
        with contextlib.suppress(InvalidUrl):
            origin = parse_origin(url)
            bare, username, password = split_credentials(url)
            if self._credentials.get(origin) == (unquote(username), unquote(password)):
                return bare
        return url

    # --- errors ----------------------------------------------------------------------------------------

    def _error_for_status(self, response: httpx.Response, url: str) -> NetworkError | CredentialsError:
        """Return the error for a response with an unexpected status."""
        return (
            self._authentication_error(url)
            if response.status_code == 401
            else make_status_error(response, url)
        )

    def _authentication_error(self, url: str) -> CredentialsError:
        origin = parse_origin(url)
        credentials = self._credentials.get(origin)
        if credentials:
            return CredentialsError(
                f"{strip_url(url)} rejected the credentials of {sanitize(credentials[0])}",
                hint="Check the user name and the password; both must be percent-encoded in a URL.",
            )
        if "authorization" in self._headers.headers_for(url):
            return CredentialsError(
                f"{strip_url(url)} rejected the token or the credentials that were sent",
                hint="Check that they are for this host, allow reading this URL, and have not expired.",
            )
        return CredentialsError(
            f"{strip_url(url)} requires authentication",
            hint="Put the credentials into the URL "
            f"({origin.scheme}://USER:PASSWORD@{urlsplit(url).netloc}/...), "
            "use --netrc, or set WHEEL_UPLOADER_URL_TOKEN.",
        )

    def _policy_error(self, url: str, reason: str) -> NetworkError | UsageError:
        message = f"refusing to fetch {sanitize_url(url)}: {reason}"
        with contextlib.suppress(InvalidUrl):
            if not self._rules.is_trusted(parse_origin(url).host):
                return NetworkError(message)
        return UsageError(message)


def _with_lowercase_names(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {key.lower(): value for key, value in (headers or {}).items()}

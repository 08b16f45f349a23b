"""Every GET, with its limits, retries, redirects and credentials: the one home of httpx, with reply.py."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self, TypeVar

from wheel_uploader import __version__, stopping
from wheel_uploader.display import bare_url, printable, printable_url, remember_basic_auth, remember_url
from wheel_uploader.errors import CredentialsError, NetworkError, TransportError, UsageError
from wheel_uploader.http import bodies, retry
from wheel_uploader.http.certificates import tls_context
from wheel_uploader.http.hosts import BoundHeaders, NotAUrl, Place, Rules, place_of, split_credentials
from wheel_uploader.http.lean import httpx
from wheel_uploader.http.proxies import ProxyRouter
from wheel_uploader.http.reply import (
    Page,
    Stream,
    age_of,
    coding_of,
    content_type_of,
    drain,
    explain,
    headers_of,
    raw_pieces,
    redirect_refused,
    status_error,
)
from wheel_uploader.http.transport import time_limit
from wheel_uploader.progress import Progress, Silent
from wheel_uploader.urls import unquote, urljoin, urlsplit

__all__ = ["Http", "Page", "Stream"]

T = TypeVar("T")

MAX_REDIRECTS = 5
#: Seconds: to connect, and for one whole page.
CONNECT_TIMEOUT = 10.0
PAGE_TIMEOUT = 120.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Headers that say nothing of who asks: the only ones that follow a redirect to another place.
_HARMLESS = frozenset(
    {"accept", "accept-encoding", "cache-control", "pragma", "range", "if-range"}
    | {"if-none-match", "if-modified-since"}
)


class Http:
    """All GET requests of a run: one pool of connections, which any number of threads may use."""

    def __init__(
        self,
        *,
        typed: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        allow_insecure_hosts: Iterable[str] = (),
        timeout: float = 30.0,
        retries: int = 6,
        connections: int = 16,
        ahead: Mapping[str, int] | None = None,
        verify: bool | str = True,
        progress: Progress | None = None,
        sleep: Callable[[float], None] = stopping.sleep,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``typed``: the URLs that the person gave, whose hosts may be contacted wherever they are.

        ``timeout``: seconds without a byte. ``retries``: attempts in all. ``verify``: False, or the path of
        a PEM file with the certificates to trust. ``ahead``: URLs among ``typed``, to whose https hosts so
        many connections are opened beside the first one. ``transport`` is for tests. Raises UsageError.
        """
        typed = tuple(typed)
        self._rules = Rules(typed=typed, allow_hosts=allow_hosts, allow_insecure_hosts=allow_insecure_hosts)
        self._credentials: dict[Place, tuple[str, str]] = {}
        self._headers = BoundHeaders()
        for url in typed:
            remember_url(url)
            self._take_credentials(url)
        self._timeout = timeout
        self._retries = retries
        self._polling = False
        self._progress = progress or Silent()
        self._sleep = sleep
        self._clock = clock
        self._timeouts = httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout), pool=None).as_dict()
        # Not a Client: that would keep cookies, judge redirects and log whole URLs, secrets and all.
        self._transport = transport or ProxyRouter(
            self._rules.trusts, tls_context(verify), connections, ahead
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def add_credentials(self, url: str, username: str, password: str) -> None:
        """Log in with these wherever scheme, host and port are those of ``url``, and nowhere else."""
        remember_basic_auth(username, password)
        self._credentials[place_of(url)] = (username, password)

    def add_headers(self, below: str, headers: Mapping[str, str]) -> None:
        """Send these (a token, say) with requests whose URL begins like ``below``, and with no others."""
        self._headers.add(below, _lower(headers))

    def _take_credentials(self, url: str) -> None:
        with contextlib.suppress(NotAUrl):
            place_of(url)
            _, username, password = split_credentials(url)
            if username or password:
                self.add_credentials(url, unquote(username), unquote(password))

    @contextlib.contextmanager
    def polling(self) -> Iterator[None]:
        """Within it a page is asked for once, past all caches, and ``-v`` shows what is said of its age."""
        retries, self._retries, self._polling = self._retries, 1, True
        try:
            yield
        finally:
            self._retries, self._polling = retries, False

    def refuse_link(self, url: str, *, listed_at: str, pinned: bool) -> str:
        """Why a link of the listing ``listed_at`` must not be fetched, in one clause; empty when it may.

        ``pinned``: the listing gave a sha256 for it.
        """
        return self._rules.refuse_link(url, listed_at=listed_at, pinned=pinned)

    def retrying(self, what: str, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` again while it fails in a way that may pass (promise 11)."""
        return retry.retrying(
            what, attempt, attempts=self._retries, progress=self._progress, sleep=self._sleep
        )

    def say(self, text: str) -> None:
        """Tell the person what was noticed on the way; for those who read answers and have no other voice."""
        self._progress.say(text)

    # --- asking ----------------------------------------------------------------------------------------

    def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        no_cache: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """The whole page at ``url``, of at most 32 MiB and within 120 s, after retries.

        ``no_cache`` asks caches on the way to look again. Raises HttpStatus for any status but 2xx,
        CredentialsError for 401, ListingError when a limit is broken, else NetworkError.
        """
        url = self._without_credentials(url)
        asked = {"accept": accept, "accept-encoding": "gzip", **_lower(headers)}
        if no_cache or self._polling:
            asked |= {"cache-control": "no-cache", "pragma": "no-cache"}
        page = self.retrying(f"get {printable_url(url)}", lambda: self._get(url, asked))
        if self._polling and (age := age_of(page)):
            self._progress.detail(f"{bare_url(page.url)}: {age}")
        return page

    def _get(self, url: str, headers: Mapping[str, str]) -> Page:
        end = self._clock() + PAGE_TIMEOUT
        try:
            with time_limit(PAGE_TIMEOUT), self._open(url, headers) as (response, final):
                if not response.is_success:
                    raise self._refusal(response, final)
                return self._page(response, final, end)
        except TransportError:
            if self._clock() < end:
                raise
        # It was slow all the time: nothing says that the next 120 s would be better.
        raise NetworkError(f"{bare_url(url)} was not whole after {PAGE_TIMEOUT:.0f} s")

    def _page(self, response: httpx.Response, url: str, end: float) -> Page:
        headers, where = headers_of(response), bare_url(url)

        def in_time() -> Iterator[bytes]:
            for piece in bodies.limited(raw_pieces(response, url), where):
                yield piece
                if self._clock() >= end:
                    raise TransportError(f"{where} takes too long")

        plain = bodies.unpacked(in_time(), coding_of(response), where)
        body = bodies.joined(bodies.limited(plain, where))
        return Page(
            url=url,
            status=response.status_code,
            headers=headers,
            content_type=content_type_of(headers),
            body=body,
        )

    @contextlib.contextmanager
    def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        listed_at: str = "",
        pinned: bool = False,
    ) -> Iterator[Stream]:
        """The answer 200, 206, 304 or 416 to one request for ``url``, not retried.

        ``listed_at`` and ``pinned`` as for ``refuse_link``; without ``listed_at`` the URL is no link but
        one of our own. Raises as ``get`` does.
        """
        if listed_at and (reason := self.refuse_link(url, listed_at=listed_at, pinned=pinned)):
            raise NetworkError(f"{printable_url(url)} is not fetched: {reason}")
        url = self._without_credentials(url)
        asked = {"accept": "*/*", "accept-encoding": "identity", **_lower(headers)}
        with contextlib.ExitStack() as stack:
            # The body may take as long as it keeps coming, the way to it may not.
            with time_limit(CONNECT_TIMEOUT + self._timeout):
                response, final = stack.enter_context(self._open(url, asked, pinned=pinned))
            if response.status_code not in {200, 206, 304, 416}:
                raise self._refusal(response, final)
            if response.status_code == 304:
                # It has no body, but only when that has been read can the connection be used again.
                with contextlib.suppress(httpx.HTTPError):
                    response.read()
            yield Stream(response, final, self._clock)

    @contextlib.contextmanager
    def _open(
        self, url: str, headers: Mapping[str, str], *, pinned: bool = False
    ) -> Iterator[tuple[httpx.Response, str]]:
        """Ask, and follow redirects by our own rules: the last answer, its body unread, and its URL."""
        if reason := self._rules.refuse_url(url):
            raise self._refused(url, reason)
        asked = url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, headers)
            try:
                location = response.headers.get("location", "")
                if response.status_code not in _REDIRECTS or not location:
                    yield response, url
                    return
                drain(response)
            finally:
                response.close()
            target = self._redirected(url, location, asked=asked, pinned=pinned)
            if place_of(target) != place_of(url):
                headers = {key: value for key, value in headers.items() if key in _HARMLESS}
            url = target
        raise NetworkError(
            f"{bare_url(asked)} redirects more than {MAX_REDIRECTS} times",
            hint="Open the URL in a browser and give the address where it ends.",
        )

    def _redirected(self, url: str, location: str, *, asked: str, pinned: bool) -> str:
        """Where a redirect of ``url`` leads. Raises NetworkError when that must not be asked."""
        try:
            target = urljoin(url, location).partition("#")[0]
        except ValueError:
            target, reason = location, "it is not a URL"
        else:
            reason = self.refuse_link(target, listed_at=asked, pinned=pinned)
            if url.startswith("https:") and target.startswith("http:"):
                reason = "it goes from https to http"
        if reason:
            raise redirect_refused(url, target, reason)
        return target

    def _send(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        sent = {"user-agent": f"wheel-uploader/{__version__}", **headers, **self._headers.of(url)}
        if login := self._credentials.get(place_of(url)):
            sent["authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        try:
            request = httpx.Request("GET", url, headers=sent, extensions={"timeout": self._timeouts})
            place_of(url).check_reading(request.url.raw_host.decode("ascii"), request.url.port)
            return self._transport.handle_request(request)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise explain(error, url) from error

    def _without_credentials(self, url: str) -> str:
        """A URL that the person typed, without the credentials that were taken from it before."""
        with contextlib.suppress(NotAUrl):
            place = place_of(url)
            bare, username, password = split_credentials(url)
            if self._credentials.get(place) == (unquote(username), unquote(password)):
                return bare
        return url

    # --- when the answer is no -------------------------------------------------------------------------

    def _refusal(self, response: httpx.Response, url: str) -> NetworkError | CredentialsError:
        """The error that an answer of another status than the wanted ones is."""
        return self._login(url) if response.status_code == 401 else status_error(response, url)

    def _login(self, url: str) -> CredentialsError:
        place = place_of(url)
        known = self._credentials.get(place)
        if known:
            return CredentialsError(
                f"{bare_url(url)} refuses the login of {printable(known[0])}",
                hint="Check the user name and the password; both have to be percent-encoded in a URL.",
            )
        if "authorization" in self._headers.of(url):
            return CredentialsError(
                f"{bare_url(url)} refuses the token or the login that was sent",
                hint="Check that it is for this host, may read this, and has not expired.",
            )
        return CredentialsError(
            f"{bare_url(url)} asks for a login",
            hint=f"Put it into the URL: {place.scheme}://USER:PASSWORD@{urlsplit(url).netloc}/...; "
            "or use --netrc, or WHEEL_UPLOADER_URL_TOKEN.",
        )

    def _refused(self, url: str, reason: str) -> NetworkError | UsageError:
        message = f"{printable_url(url)} is not asked: {reason}"
        with contextlib.suppress(NotAUrl):
            if not self._rules.trusts(place_of(url).host):
                return NetworkError(message)
        return UsageError(message)


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {key.lower(): value for key, value in (headers or {}).items()}

"""An answer over httpx: a whole page, or a body read piece by piece; and what went wrong, in a sentence."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from wheel_uploader import bounded
from wheel_uploader.display import bare_url, printable, printable_url
from wheel_uploader.errors import HttpStatus, NetworkError, RedirectRefused, TransportError
from wheel_uploader.http import bodies, retry
from wheel_uploader.http.hosts import NotAUrl, place_of
from wheel_uploader.http.lean import httpx
from wheel_uploader.http.transport import AddressRefused, time_limit
from wheel_uploader.urls import may_quote_url, urlsplit

#: A body has to bring this many bytes in this many seconds of waiting.
MIN_BYTES, MIN_SECONDS = 60 * 1024, 60.0
#: Bytes: an error is quoted from this much of its body; a redirect's is read up to it to keep the connection.
SMALL = 16 * 1024
#: Seconds for the start of an error's body.
_EXCERPT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole answer of status 2xx."""

    #: Where it came from in the end, after redirects.
    url: str
    status: int
    #: With lower-case keys.
    headers: Mapping[str, str]
    #: Without parameters, in lower case; empty when the server did not say.
    content_type: str
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, decoded each time: of a page of 32 MiB one copy is enough."""
        return bodies.decoded(self.body)


#: What servers and caches say of how old an answer is.
_AGE = ("Age", "Last-Modified", "X-Cache")


def age_of(page: Page) -> str:
    """How old a page is, as far as the caches on the way say; empty when they say nothing."""
    said = ((name, page.headers.get(name.lower())) for name in _AGE)
    return ", ".join(f"{name} {printable(value, limit=100)}" for name, value in said if value)


class Stream:
    """An answer whose body has not been read yet."""

    def __init__(self, response: httpx.Response, url: str, clock: Callable[[], float]) -> None:
        self._response = response
        self._clock = clock
        self.url = url
        self.status = response.status_code
        self.headers: Mapping[str, str] = headers_of(response)
        self.content_type = content_type_of(self.headers)

    def chunks(self, size: int = 128 * 1024) -> Iterator[bytes]:
        """The body as it was sent, in chunks of at least ``size`` bytes, but for the last.

        Raises TransportError when it is cut short or comes too slowly; what came before has been yielded.
        """
        held: list[bytes] = []
        length = 0
        try:
            for piece in self._pieces():
                held.append(piece)
                length += len(piece)
                if length >= size:
                    yield b"".join(held)
                    held, length = [], 0
        except TransportError:
            if held:
                yield b"".join(held)
            raise
        if held:
            yield b"".join(held)

    def abort(self) -> None:
        """Break the connection, from any thread: whoever reads gets a TransportError, or what is here."""
        network = self._response.extensions.get("network_stream")
        broken = network.get_extra_info("socket") if network else None
        if broken:
            # Below TLS, whose own shutdown would wait for the other side.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(broken, socket.SHUT_RDWR)

    def _pieces(self) -> Iterator[bytes]:
        pieces = raw_pieces(self._response, self.url)
        # Only the time in which we wait for the server counts: a slow disk is not its fault.
        waited, received = 0.0, 0
        while True:
            began = self._clock()
            piece = next(pieces, None)
            if piece is None:
                return
            waited += self._clock() - began
            received += len(piece)
            yield piece
            if waited >= MIN_SECONDS:
                if received < MIN_BYTES:
                    raise TransportError(
                        f"{bare_url(self.url)} brought {received} bytes in {waited:.0f} s, which is too slow"
                    )
                waited, received = 0.0, 0


def status_error(response: httpx.Response, url: str) -> HttpStatus:
    """The error that an answer of another status than the wanted ones is, with the start of its body."""
    status, headers, where = response.status_code, headers_of(response), bare_url(url)
    body = b""
    with contextlib.suppress(NetworkError), time_limit(_EXCERPT_TIMEOUT):
        plain = bodies.unpacked(raw_pieces(response, url), coding_of(response), where)
        body = bodies.start(plain, SMALL)
    return HttpStatus(
        status,
        where,
        reason=printable(response.reason_phrase, limit=80),
        excerpt=bodies.excerpt(body, content_type_of(headers)),
        retry_after=retry.parse_retry_after(headers.get("retry-after", "")),
        hint=_HINTS.get(status),
    )


def redirect_refused(url: str, target: str, reason: str) -> RedirectRefused:
    """Return the error that a redirect to ``target`` is, which is not followed for ``reason``."""
    shown = printable_url(target, limit=200)
    message = f"{bare_url(url)} redirects to {shown}, which is not followed: {reason}"
    try:
        place_of(target)
    except NotAUrl:
        hint = "The server sent a redirect that is not valid: it has to be corrected there."
        return RedirectRefused(message, hint=hint, invalid=True)
    hint = "If that address is right, give it itself; the URL of a directory ends with a slash."
    return RedirectRefused(message, hint=hint)


_HINTS = {
    403: "It may want a login (https://USER:PASSWORD@HOST/...), or there may be nothing at this address.",
    404: "Check the URL: open it in a browser.",
    407: "The proxy wants a login: put it into the proxy's URL (HTTPS_PROXY, HTTP_PROXY).",
    410: "Check the URL: open it in a browser.",
}


def raw_pieces(response: httpx.Response, url: str) -> Iterator[bytes]:
    """The pieces of the body as they come from the network, with our own errors."""
    if response.is_stream_consumed:
        yield response.content
        return
    try:
        yield from response.iter_raw()
    except httpx.HTTPError as error:
        raise explain(error, url) from error


def coding_of(response: httpx.Response) -> str:
    """How the pieces of a body that was not read yet are packed.

    A cassette or another transport of tests gives a body whole, and httpx has unpacked that already.
    """
    return "" if response.is_stream_consumed else str(response.headers.get("content-encoding", ""))


def drain(response: httpx.Response) -> None:
    """Read the body of a redirect, if it says that it is small, so that the connection can be used again."""
    length = response.headers.get("content-length", "")
    if bounded.whole_number(length, SMALL) is not None:
        with contextlib.suppress(httpx.HTTPError):
            bodies.start(response.iter_raw(), SMALL)


def headers_of(response: httpx.Response) -> dict[str, str]:
    return {key.lower(): value for key, value in response.headers.items()}


def content_type_of(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


# --- what went wrong, in a sentence ----------------------------------------------------------------


def explain(error: Exception, url: str) -> NetworkError:
    """What an exception of httpx means for the person; TransportError where asking again may help."""
    where = bare_url(url)
    host = urlsplit(where).netloc
    causes = list(_causes(error))
    for cause in causes:
        explained = _explain_cause(cause, host)
        if explained:
            return explained
    said = printable(str(error), limit=200) or type(error).__name__
    match error:
        case httpx.ConnectTimeout():
            return TransportError(f"{host} does not accept connections (timed out)", hint=_IS_IT_UP)
        case httpx.TimeoutException():
            return TransportError(f"{where} stopped answering (timed out)")
        case httpx.ProxyError():
            return NetworkError(f"the proxy does not lead to {host}: {said}", hint=_CHECK_PROXY)
        case httpx.RemoteProtocolError():
            return TransportError(f"{where} was cut short, or is not HTTP: {said}")
        case httpx.NetworkError():
            return TransportError(f"the connection to {host} broke: {said}")
        case _:
            said = "it is not a URL" if may_quote_url(error) else said
            shown = printable_url(url, limit=200)
            return NetworkError(f"{shown} cannot be asked: {said}", hint="Check the URL.")


_IS_IT_UP = "Is the server running, and are the host and the port of the URL right?"
_CHECK_PROXY = "Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."
_NOT_A_CERTIFICATE = (
    "Check the host's name and this machine's clock. For an authority of your own, set SSL_CERT_FILE to its "
    "certificate."
)
#: Answers of a resolver that will be the same the next time.
_UNKNOWN_HOST = {getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA")}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explain_cause(cause: BaseException, host: str) -> NetworkError | None:
    match cause:
        case AddressRefused():
            name = host.partition(":")[0]
            return NetworkError(
                f"{host} is not asked: {printable(str(cause))}", hint=f"--allow-host {name} permits it."
            )
        case ssl.SSLCertVerificationError():
            return NetworkError(
                f"the TLS certificate of {host} is not accepted: {printable(cause.verify_message)}",
                hint=_NOT_A_CERTIFICATE,
            )
        case ssl.SSLError() if cause.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}:
            return NetworkError(f"{host} does not speak TLS", hint="Is the port right, and is it https?")
        case socket.gaierror() if cause.errno in _UNKNOWN_HOST:
            return NetworkError(f"there is no host called {host}", hint="Check the spelling of the URL.")
        case ConnectionRefusedError():
            return TransportError(f"{host} refuses connections", hint=_IS_IT_UP)
        case _:
            return None

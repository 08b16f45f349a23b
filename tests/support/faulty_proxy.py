"""A reverse proxy that answers chosen requests itself, cuts answers, or loses them."""

from __future__ import annotations

import contextlib
import enum
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Fault(enum.Enum):
    """A fault of the connection, in contrast to an answer with a status."""

    #: The connection is closed before the request reaches the server.
    LOSE_REQUEST = "lose request"
    #: The server gets the request, and the client gets no answer.
    LOSE_ANSWER = "lose answer"
    #: The client gets half of the body of the answer.
    CUT = "cut"


#: Returns what happens to a request: None to forward it, a status, a body with status 200, or a fault.
Rule = Callable[[str, str], "Fault | int | bytes | None"]


@dataclass(slots=True)
class ProxyLog:
    """The URL of the proxy, its rule, and the requests that arrived."""

    url: str
    rule: Rule = lambda _method, _path: None
    requests: list[str] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        """The requests that write."""
        return [request for request in self.requests if not request.startswith(("GET ", "HEAD "))]


_BODIES = {
    403: b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
    503: b"<Error><Code>SlowDown</Code></Error>",
}


@contextlib.contextmanager
def faulty_proxy(upstream: str) -> Iterator[ProxyLog]:
    """Forward to the host and port of ``upstream``, by the rule of the log."""
    target = urlsplit(upstream).netloc
    log = ProxyLog("")
    lock, writing = threading.Lock(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError):
                super().handle_one_request()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                log.requests.append(f"{self.command} {self.path}")
                fault = log.rule(self.command, self.path)
            if fault is Fault.LOSE_REQUEST:
                self.close_connection = True
                return
            if isinstance(fault, int):
                self._answer(fault, {"content-type": "application/xml"}, _BODIES.get(fault, b""))
                return
            if isinstance(fault, bytes):
                self._answer(
                    200, {"content-type": "text/html", "etag": '"x"', "x-goog-generation": "1"}, fault
                )
                return
            connection = http.client.HTTPConnection(target, timeout=30)
            # moto compares the condition and writes in two steps; real stores do it in one.
            one_at_a_time = writing if self.command == "PUT" else contextlib.nullcontext()
            with contextlib.closing(connection), one_at_a_time:
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "expect")}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                data = response.read()
                answer = {k.lower(): v for k, v in response.getheaders()}
            if fault is Fault.LOSE_ANSWER:
                self.close_connection = True
                return
            self._answer(response.status, answer, data, is_cut=fault is Fault.CUT)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

        def _answer(self, status: int, headers: dict[str, str], body: bytes, *, is_cut: bool = False) -> None:
            self.send_response_only(status)
            length = headers.pop("content-length", str(len(body)))
            for key in ("transfer-encoding", "connection"):
                headers.pop(key, None)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if is_cut else body)
            self.close_connection = is_cut or self.close_connection

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        log.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield log
        finally:
            server.shutdown()
            thread.join(10)

"""Package indexes on loopback: the real pypiserver, the real devpi, and a scripted one."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
from packaging.utils import canonicalize_name

from tools.testing.serving import free_port, serve_in_thread, stop_process
from wheel_uploader.core import filenames
from wheel_uploader.core.models import LocalFile

#: Seconds that a real server may take to start; generous for a busy machine.
START_LIMIT = 90.0

# --- real indexes ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """Run a server process, and yield once it accepts connections."""
    log = folder.parent / f"{folder.name}-{port}.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_LIMIT
            while True:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, f"{command[0]} did not start: {log.read_text()}"
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            yield
        finally:
            stop_process(process)


@contextlib.contextmanager
def pypiserver(
    folder: Path,
    *,
    users: Mapping[str, str] | None = None,
    hash_algorithm: str = "sha256",
    fallback_url: str | None = None,
    read_protected: bool = False,
) -> Iterator[str]:
    """Yield the upload URL of a pypiserver that stores into ``folder``; ``users`` need their passwords."""
    folder.mkdir(parents=True, exist_ok=True)
    passwords = "."
    if users:
        # The format of htpasswd -s. Hashing with passlib would emit warnings about its own imports.
        hashed = {
            name: base64.b64encode(hashlib.sha1(word.encode()).digest()) for name, word in users.items()
        }
        passwords = str(folder.parent / f"{folder.name}.htpasswd")
        lines = [f"{name}:{{SHA}}{digest.decode()}\n" for name, digest in hashed.items()]
        Path(passwords).write_text("".join(lines))
    port = free_port()
    command = [sys.executable, "-m", "pypiserver", "run", "--interface", "127.0.0.1", "--port", str(port)]
    protected = ("update,list,download" if read_protected else "update") if users else "."
    command += ["--passwords", passwords, "--authenticate", protected]
    # Its cache notices files that a test adds to the folder only after a delay.
    command += ["--hash-algo", hash_algorithm, "--backend", "simple-dir"]
    command += ["--fallback-url", fallback_url] if fallback_url else ["--disable-fallback"]
    with _running([*command, str(folder)], port, folder):
        yield f"http://127.0.0.1:{port}/"


@dataclass(frozen=True)
class Devpi:
    """A devpi-server with one user."""

    url: str
    user: str
    password: str

    def make_index(self, name: str, *, volatile: bool) -> str:
        """Make an index, and return its upload URL."""
        settings = {"volatile": volatile, "bases": [], "acl_upload": [self.user]}
        with httpx.Client(auth=(self.user, self.password), trust_env=False) as client:
            response = client.put(f"{self.url}{self.user}/{name}", json=settings)
        assert response.status_code == 200, response.text
        return f"{self.url}{self.user}/{name}/"


@contextlib.contextmanager
def devpi_server(folder: Path) -> Iterator[Devpi]:
    """Run an empty devpi-server with the user ``alice``."""
    binaries = Path(sys.executable).parent
    data = folder / "devpi"
    folder.mkdir(parents=True, exist_ok=True)
    init = [str(binaries / "devpi-init"), "--serverdir", str(data), "--no-root-pypi"]
    subprocess.run(init, check=True, capture_output=True)
    port = free_port()
    command = [str(binaries / "devpi-server"), "--serverdir", str(data), "--host", "127.0.0.1"]
    with _running([*command, "--port", str(port)], port, data):
        devpi = Devpi(url=f"http://127.0.0.1:{port}/", user="alice", password="alice-password")
        user = {"password": devpi.password}
        response = httpx.put(f"{devpi.url}{devpi.user}", json=user, timeout=30, trust_env=False)
        assert response.status_code == 201, response.text
        yield devpi


# --- the scripted index ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Post:
    """A POST as received."""

    fields: Mapping[str, str]
    filename: str
    content: bytes
    headers: Mapping[str, str]
    #: The file name of the attached signature, if any.
    signature: str = ""


@dataclass(frozen=True)
class Reply:
    """Answer a request with this response; ``stores``: store the posted file first."""

    status: int
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    stores: bool = False


@dataclass(frozen=True)
class Reset:
    """Reset the connection without a response, at the end of the request or ``after`` that many bytes."""

    stores: bool = False
    after: int | None = None


@dataclass(frozen=True)
class Hang:
    """Receive the file, and do not respond until the test ends."""

    stores: bool = False


@dataclass(frozen=True)
class Slow:
    """Receive the file, wait ``seconds`` or until the test releases it, and then apply the rules."""

    seconds: float = 30.0


@dataclass(frozen=True)
class Drip:
    """Send a 200 one byte at a time, with a pause before each, ``within`` its head or its body."""

    pause: float
    within: str = "head"
    stores: bool = False


@dataclass(frozen=True)
class SlowRead:
    """Receive the body ``size`` bytes at a time, with a pause after each piece, and then apply the rules."""

    size: int
    pause: float


@dataclass(frozen=True)
class Cut:
    """Close the connection in the middle of a 200: in the head for a POST, in the body for a GET."""

    stores: bool = False


Action = Reply | Reset | Hang | Slow | Drip | SlowRead | Cut


def random_failures(seed: int, count: int, *, posts: bool = True) -> list[Action | None]:
    """Return actions for ``count`` requests, of which half fail; None means that the rules decide.

    Of the POSTs that fail, 30 % are stored all the same.
    """
    rng = random.Random(f"{seed} {posts}")

    def action() -> Action | None:
        if rng.random() < 0.5:
            return None
        stores = posts and rng.random() < 0.3
        status = rng.choice([429, 500, 502, 503, 504])
        headers = {"Retry-After": str(rng.randrange(1, 120))} if rng.random() < 0.3 else {}
        failures: list[Action] = [Reply(status, headers=headers, stores=stores)] * 2
        failures += [Reset(stores=stores), Cut(stores=stores), Slow(rng.uniform(0.0, 0.05))]
        if posts:
            failures += [Reset(after=rng.randrange(1, 1500)), Drip(0.002, stores=True)]
        return rng.choice(failures)

    return [action() for _ in range(count)]


def basic(username: str, password: str) -> str:
    """Return the Authorization header for these credentials."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


class ScriptedIndex:
    """An index in memory with a few of PyPI's rules, which records every request.

    ``script`` has one action for each coming POST, in order of arrival; after its end the rules decide.
    ``by_name`` has the action for every POST of a file name.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.posts: list[Post] = []
        #: The client's port of each POST: equal ports mean the same connection.
        self.post_ports: list[int] = []
        self.gets: list[tuple[str, Mapping[str, str]]] = []
        self.script: list[Action | None] = []
        #: The same for GET requests.
        self.get_script: list[Action | None] = []
        self.by_name: dict[str, Action] = {}
        #: ``json``, ``html``, ``both`` (by the Accept header), or ``json only`` and ``html only``, which
        #: answer 406 to a request for the other one.
        self.view = "json"
        #: The content type of a listing, if it is not that of its format.
        self.content_type = ""
        self.hashes = True
        #: The upload time in JSON by file name, and that of all other files; None: the page has none.
        self.upload_times: dict[str, str | None] = {}
        self.default_upload_time: str | None = "2026-01-02T03:04:05.678901Z"
        #: The yanked files, with the reason, which may be empty.
        self.yanked: dict[str, str] = {}
        #: The response for the project page instead of a listing: status, content type and text.
        self.page: tuple[int, str, str] | None = None
        #: The number of coming listings (or HTML listings, with the view "both") without the posted files.
        self.stale_reads = 0
        self.stale_html_reads = 0
        #: With the view "both": files that the HTML listing has with other contents.
        self.html_overrides: dict[str, bytes] = {}
        self.password: tuple[str, str] | None = None
        #: The response to every GET without the credentials above, and to every GET with them.
        self.anonymous: Reply | None = None
        self.reader: Reply | None = None
        #: True: a POST replaces a file of the same name with status 201.
        self.overwrites = False
        #: The path above ``/simple/`` and ``/files/``; uploads are accepted at any path.
        self.prefix = ""
        #: The response to a request for the list of projects, and for every file.
        self.root: Reply | None = None
        self.file_reply: Reply | None = None
        #: The responses to the coming requests for files.
        self.file_script: list[Reply] = []
        #: Seconds since the first POST in which no page shows the posted files.
        self.listing_delay = 0.0
        self.first_post = 0.0
        self.status: dict[str, str] = {}
        #: The attestations (PEP 740) of each file, decoded; posted ones are added. Pages name them if True.
        self.attestations: dict[str, list[Any]] = {}
        self.has_provenance = False
        #: The token for trusted publishers; empty if there is no trusted publishing.
        self.minted_token = ""
        #: Returns why PyPI would reject the attachments of a POST; empty if it accepts them.
        self.refuse_attachment: Callable[[Post], str] = lambda _post: ""
        self.released = threading.Event()
        self._lock = threading.Lock()

    def store(self, path: Path) -> None:
        """Add a file to the index."""
        self.files[path.name] = path.read_bytes()

    def apply_rules(self, post: Post) -> Reply:
        """Return the response to an authenticated POST by PyPI's rules; store the file if it is accepted."""
        if self.overwrites:
            self.files[post.filename] = post.content
            return Reply(201)
        digest = hashlib.sha256(post.content).hexdigest()
        if post.fields.get("sha256_digest") != digest:
            return Reply(
                400, "The digest supplied does not match a digest calculated from the uploaded file."
            )
        if self.files.get(post.filename) == post.content:
            return Reply(200)
        if why := self.refuse_attachment(post):
            return Reply(400, f"Invalid attestations supplied during upload: {why}")
        if post.filename in self.files or post.content in self.files.values():
            blake = hashlib.blake2b(post.content, digest_size=32).hexdigest()
            return Reply(400, f"File already exists ('{post.filename}', with blake2_256 hash '{blake}').")
        self.files[post.filename] = post.content
        if "attestations" in post.fields:
            self.attestations[post.filename] = json.loads(post.fields["attestations"])
        return Reply(200)

    def provenance(self, filename: str) -> str:
        """Return the provenance object of a file."""
        bundle = {"publisher": {"kind": "GitHub"}, "attestations": self.attestations[filename]}
        return json.dumps({"version": 1, "attestation_bundles": [bundle]}, indent=1)

    def next_action(self, post: Post) -> Action | None:
        with self._lock:
            self.first_post = self.first_post or time.monotonic()
            self.posts.append(post)
            if post.filename in self.by_name:
                return self.by_name[post.filename]
            return self.script.pop(0) if self.script else None

    def posted_filenames(self) -> list[str]:
        return [post.filename for post in self.posts]

    def listing(self, project: str, base: str, accept: str = "") -> tuple[str, str]:
        """Return the content type and the text of the project's page."""
        listed = dict(self.files)
        html = self.view in ("html", "html only") or (self.view == "both" and "json" not in accept)
        if html and self.view == "both":
            listed |= self.html_overrides
        if html and self.stale_html_reads:
            self.stale_html_reads -= 1
            listed = {}
        elif self.stale_reads:
            self.stale_reads -= 1
            listed = {}
        if html:
            links = "".join(
                f'<a href="{base}/files/{name}{self._fragment(data)}"{self._yanked_attribute(name)}'
                f"{self._provenance_attribute(name)}>"
                f"{name}</a><br>\n"
                for name, data in listed.items()
            )
            return "text/html", f"<!DOCTYPE html><title>Links for {project}</title>\n{links}"
        files = [
            {
                "filename": name,
                "url": f"{base}/files/{name}",
                "hashes": {"sha256": hashlib.sha256(data).hexdigest()} if self.hashes else {},
                "size": len(data),
                "upload-time": self.upload_times.get(name, self.default_upload_time),
                "yanked": (self.yanked[name] or True) if name in self.yanked else False,
                "provenance": f"{base}/integrity/{name}" if self._names_provenance(name) else None,
            }
            for name, data in listed.items()
        ]
        page: dict[str, Any] = {"meta": {"api-version": "1.4"}, "name": project, "files": files}
        if self.status:
            page["project-status"] = self.status
        return "application/vnd.pypi.simple.v1+json", json.dumps(page)

    def _yanked_attribute(self, name: str) -> str:
        return f' data-yanked="{self.yanked[name]}"' if name in self.yanked else ""

    def _names_provenance(self, name: str) -> bool:
        return self.has_provenance and name in self.attestations

    def _provenance_attribute(self, name: str) -> str:
        return f' data-provenance="/integrity/{name}"' if self._names_provenance(name) else ""

    def _fragment(self, data: bytes) -> str:
        return f"#sha256={hashlib.sha256(data).hexdigest()}" if self.hashes else ""


@dataclass(frozen=True)
class Served:
    """A running ScriptedIndex."""

    index: ScriptedIndex
    url: str

    @property
    def upload_url(self) -> str:
        return f"{self.url}legacy/"

    @property
    def index_url(self) -> str:
        return f"{self.url}simple/"


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Ignore errors: clients that disconnect are part of the tests."""


@contextlib.contextmanager
def scripted_index(tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Run a ScriptedIndex on loopback."""
    index = ScriptedIndex()

    class Handler(_Handler):
        scripted = index

    with _Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        with serve_in_thread(server) as url:
            try:
                yield Served(index, url.replace("http:", "https:") if tls else url)
            finally:
                index.released.set()


#: A key on an elliptic curve is made in milliseconds, one of RSA takes a fifth of a second.
_NEW_CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    *("-nodes", "-days", "2"),
)


@contextlib.contextmanager
def tls_index(folder: Path, *, require_client_certificate: bool = False) -> Iterator[tuple[Served, Path]]:
    """Run a ScriptedIndex behind TLS; yield it and the path of its certificate and key.

    ``require_client_certificate``: accept only clients that have this certificate.
    """
    certificate = folder / "index.pem"
    command = [*_NEW_CERTIFICATE, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(certificate), "-out", "-"]
    result = subprocess.run(command, check=True, capture_output=True)
    with certificate.open("ab") as file:
        file.write(result.stdout)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if require_client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate)
    with scripted_index(context) as served:
        yield served, certificate


@contextlib.contextmanager
def private_ca_index(folder: Path) -> Iterator[tuple[Served, Path]]:
    """Run a ScriptedIndex behind TLS; yield it and the certificate of the authority that signed its own.

    Unlike that of ``tls_index``, the certificate is also valid for clients that refuse self-signed ones.
    """

    def openssl(*arguments: str | Path) -> None:
        subprocess.run([*_NEW_CERTIFICATE, *map(str, arguments)], check=True, capture_output=True)

    authority, key, certificate = folder / "authority.pem", folder / "index.key", folder / "index.pem"
    openssl("-subj", "/CN=Private CA", "-keyout", folder / "authority.key", "-out", authority)
    openssl(
        *("-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate),
        *("-CA", authority, "-CAkey", folder / "authority.key"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with scripted_index(context) as served:
        yield served, authority


@contextlib.contextmanager
def redirect_server(location: str) -> Iterator[str]:
    """Yield the URL of a server that redirects every GET and POST to ``location``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(302)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, serve_in_thread(server) as url:
        yield url


class _Handler(BaseHTTPRequestHandler):
    scripted: ScriptedIndex
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def do_GET(self) -> None:
        self.scripted.gets.append((self.path, dict(self.headers.items())))
        if not self._follow_get_script() and not self._refuse_reader():
            self._get()

    def _refuse_reader(self) -> bool:
        """Answer a GET that the index does not permit; return False if it does."""
        password = self.scripted.password
        logged_in = password is not None and self.headers["Authorization"] == basic(*password)
        reply = self.scripted.reader if logged_in else self.scripted.anonymous
        if reply:
            self._answer(reply, reply.body.encode(), "text/html")
        return reply is not None

    def _follow_get_script(self) -> bool:
        """Carry out the scripted action for a GET; return False if the normal response must follow."""
        match self.scripted.get_script.pop(0) if self.scripted.get_script else None:
            case Reply() as reply:
                self._answer(reply, b"", "text/plain")
            case Reset():
                self._reset()
            case Cut():
                self._cut(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 999\r\n\r\n<a")
            case Slow(seconds):
                self.scripted.released.wait(seconds)
                return False
            case _:
                return False
        return True

    def _get(self) -> None:
        path = self.path.removeprefix(self.scripted.prefix)
        kind, _, name = path.strip("/").partition("/")
        name = unquote(name)
        file_reply = self.scripted.file_reply
        if kind == "files" and self.scripted.file_script:
            file_reply = self.scripted.file_script.pop(0)
        if kind == "files" and file_reply:
            self._answer(file_reply, file_reply.body.encode(), "text/html")
        elif kind == "files" and name in self.scripted.files:
            self._answer(Reply(200), self.scripted.files[name], "application/octet-stream")
        elif kind == "integrity" and name in self.scripted.attestations:
            text = self.scripted.provenance(name)
            self._answer(Reply(200), text.encode(), "application/vnd.pypi.integrity.v1+json")
        elif self.path == "/_/oidc/audience" and self.scripted.minted_token:
            self._answer(Reply(200), b'{"audience": "pypi"}', "application/json")
        elif kind == "simple" and self.scripted.page:
            status, content_type, text = self.scripted.page
            self._answer(Reply(status), text.encode(), content_type)
        elif kind == "simple" and not name and self.scripted.root:
            self._answer(self.scripted.root, b"", "text/html")
        elif kind == "simple" and not name:
            self._answer(Reply(200), b"<title>Simple index</title>", "text/html")
        elif kind == "simple" and not self._is_acceptable():
            self._answer(Reply(406), b"", "text/plain")
        elif kind == "simple" and self._has_project(name):
            scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
            host = f"{scheme}://{self.headers['Host']}{self.scripted.prefix}"
            accept = self.headers.get("Accept", "")
            content_type, text = self.scripted.listing(name, host, accept)
            self._answer(Reply(200), text.encode(), self.scripted.content_type or content_type)
        else:
            self._answer(Reply(404), b"not found", "text/plain")

    def _is_acceptable(self) -> bool:
        accepts_json = "json" in self.headers["Accept"]
        return self.scripted.view != ("html only" if accepts_json else "json only")

    def _has_project(self, project: str) -> bool:
        if time.monotonic() < self.scripted.first_post + self.scripted.listing_delay:
            return False
        return any(canonicalize_name(name).startswith(project) for name in self.scripted.files)

    def do_POST(self) -> None:
        self.scripted.post_ports.append(self.client_address[1])
        length = int(self.headers["Content-Length"])
        if self.path == "/_/oidc/mint-token":
            self.rfile.read(length)
            token = {"success": True, "token": self.scripted.minted_token, "expires": int(time.time()) + 900}
            self._answer(Reply(200), json.dumps(token).encode(), "application/json")
            return
        coming = self.scripted.script[0] if self.scripted.script else None
        if isinstance(coming, Reset) and coming.after is not None:
            self.rfile.read(coming.after)
            self.scripted.next_action(Post({}, "", b"", {}))
            self._reset()
            return
        body = b""
        if isinstance(coming, SlowRead):
            while len(body) < length and (piece := self.rfile.read(min(coming.size, length - len(body)))):
                body += piece
                time.sleep(coming.pause)
        else:
            body = self.rfile.read(length)
        if len(body) < length:
            # The client disconnected before the end: an index ignores such a request.
            self.close_connection = True
            return
        post = _parse(self.headers, body)
        action = self.scripted.next_action(post)
        if isinstance(action, Slow):
            self.scripted.released.wait(action.seconds)
        if action is None or isinstance(action, Slow | SlowRead):
            action = self._decide(post)
        elif action.stores:
            self._decide(post)
        match action:
            case Reset():
                self._reset()
            case Hang():
                self.scripted.released.wait(30)
                self._reset()
            case Drip():
                self._drip(action)
            case Cut():
                self._cut(b"HTTP/1.1 200 O")
            case Reply():
                self._answer(action, action.body.encode(), "text/html")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _cut(self, answer: bytes) -> None:
        self.wfile.write(answer)
        self.close_connection = True

    def _drip(self, drip: Drip) -> None:
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        at_once, slowly = (b"", head) if drip.within == "head" else (head, b"word " * 1000)
        with contextlib.suppress(OSError):
            self.wfile.write(at_once)
            for byte in slowly:
                if self.scripted.released.wait(drip.pause):
                    break
                self.wfile.write(bytes([byte]))
        self.close_connection = True

    def _decide(self, post: Post) -> Reply:
        required = self.scripted.password
        if required and self.headers["Authorization"] != basic(*required):
            return Reply(403, "Invalid or non-existent authentication information.")
        return self.scripted.apply_rules(post)

    def _reset(self) -> None:
        # With a linger time of 0, closing sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _answer(self, reply: Reply, body: bytes, content_type: str) -> None:
        self.send_response(reply.status, reply.reason or None)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _parse(headers: Message, body: bytes) -> Post:
    """Parse the fields and the file of a multipart/form-data body."""
    boundary = headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
    fields: dict[str, str] = {}
    filename, content, signature = "", b"", ""
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, payload = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        payload = payload.removesuffix(b"\r\n")
        attributes = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode()))
        if attributes["name"] == "content":
            filename, content = attributes["filename"], payload
        elif attributes["name"] == "gpg_signature":
            signature = attributes["filename"]
        else:
            fields[attributes["name"]] = payload.decode()
    return Post(fields, filename, content, dict(headers.items()), signature)


def local_file(path: Path) -> LocalFile:
    """Return a file as the download stage returns it."""
    data = path.read_bytes()
    return LocalFile(
        name=filenames.parse_filename(path.name),
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


class VirtualTime:
    """A clock that advances only when something sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now

"""A server with the API of anaconda.org, its storage on another port, and the simple pages that pip reads.

Its answers are those of the real site, as anaconda-client sees them. A test gives it faults for single steps.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from tools.testing.serving import serve_in_thread

ORG, TOKEN = "nightlies", "an-anaconda-token-of-32-letters"
#: The steps of a run that publishes one file of a new project.
STEPS = ("package get", "package post", "release get", "release post", "stage", "storage", "commit")


@dataclass(frozen=True)
class Request:
    """A request as received; ``body`` is the JSON, or the fields of the form."""

    step: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = None


@dataclass
class Dist:
    """A file, with its labels."""

    name: str
    version: str
    basename: str
    content: bytes
    labels: list[str]
    upload_time: str = "2026-11-30 08:00:00.000000+00:00"
    kind: str = "pypi"

    def as_json(self, hashes: tuple[str, ...]) -> dict[str, Any]:
        digests = {
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "md5": hashlib.md5(self.content).hexdigest(),
        }
        return {
            "basename": self.basename,
            "version": self.version,
            "size": len(self.content),
            "labels": list(self.labels),
            "distribution_type": self.kind,
            "upload_time": self.upload_time,
            **{kind: digests[kind] if kind in hashes else "None" for kind in digests},
        }


@dataclass
class Fault:
    """A fault of one step: "answer", "reset before", "reset after" or "hang"."""

    step: str
    action: str = "answer"
    status: int = 500
    words: str = ""
    #: The number of requests with the fault, after ``skip`` others.
    times: float = 1
    skip: int = 0
    #: True: the request is carried out, and the answer is lost.
    is_done: bool = False


@dataclass
class AnacondaSite:
    """The state of the site; tests change it."""

    #: The only organization.
    org: str = ORG
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    releases: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    dists: dict[tuple[str, str], Dist] = field(default_factory=dict)
    staged: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    #: Called with each request, before and after it is carried out.
    on_request: Callable[[int, Request, str], None] = lambda _number, _request, _when: None
    #: The hashes that the API knows, and whether a package lists its files.
    hashes: tuple[str, ...] = ("sha256", "md5")
    lists_files: bool = True
    is_full: bool = False
    #: True: a name may be staged while a file has it.
    stages_existing: bool = False
    lists_on_pip_page: bool = True
    pip_hashes: bool = False
    corrupts_downloads: bool = False
    #: Steps whose requests are answered with 200 and nothing.
    empty_steps: set[str] = field(default_factory=set)
    #: Changes the JSON of a successful answer of the API, by step.
    alter: Callable[[str, Any], Any] = lambda _step, data: data
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    released: threading.Event = field(default_factory=threading.Event)
    #: Names that were ever absent after they were present, in order.
    removed: list[str] = field(default_factory=list)

    def store(self, name: str, version: str, basename: str, content: bytes, *labels: str) -> None:
        """Put a file on the site."""
        self.packages.setdefault(name, {"name": name, "summary": "A demo."})
        self.releases.setdefault((name, version), {"version": version})
        self.dists[name, basename] = Dist(name, version, basename, content, list(labels or ("main",)))

    def steps(self, *, without_reads: bool = False) -> list[str]:
        """Return the steps of all requests."""
        reads = ("GET", "HEAD") if without_reads else ()
        return [request.step for request in self.requests if request.method not in reads]

    def content(self, basename: str) -> bytes | None:
        """Return the bytes of a file; None if it is absent."""
        return next((dist.content for dist in self.dists.values() if dist.basename == basename), None)

    def take_fault(self, step: str) -> Fault | None:
        """Return the fault for a request of this step."""
        for fault in self.faults:
            if fault.step == step and fault.times > 0:
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                return fault
        return None

    def remove(self, name: str, basename: str) -> None:
        """Remove a file, and its release and package with their last file."""
        dist = self.dists.pop((name, basename))
        self.removed.append(basename)
        if not any((other.name, other.version) == (name, dist.version) for other in self.dists.values()):
            self.releases.pop((name, dist.version), None)
        if not any(other.name == name for other in self.dists.values()):
            self.packages.pop(name, None)


@dataclass(frozen=True)
class ServedSite:
    """A running site."""

    site: AnacondaSite
    api_url: str
    storage_url: str

    def pip_url(self, label: str = "main") -> str:
        """Return the URL of the simple pages of a label."""
        return f"{self.api_url}/pip/{self.site.org}/label/{label}/simple/"


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Ignore errors: clients that disconnect are part of the tests."""


@contextlib.contextmanager
def anaconda_site(
    org: str = ORG, reach: Callable[[int], str] = lambda port: f"127.0.0.1:{port}"
) -> Iterator[ServedSite]:
    """Run a site with one organization on loopback; ``reach`` returns the address of a port for clients."""
    site = AnacondaSite(org=org)

    class ApiHandler(_ApiHandler):
        pass

    class StorageHandler(_StorageHandler):
        pass

    with (
        _Server(("127.0.0.1", 0), ApiHandler) as api,
        _Server(("127.0.0.1", 0), StorageHandler) as storage,
        serve_in_thread(api),
        serve_in_thread(storage),
    ):
        api_url, storage_url = (f"http://{reach(server.server_port)}/" for server in (api, storage))
        ApiHandler.site = StorageHandler.site = site
        ApiHandler.storage_url = StorageHandler.storage_url = storage_url
        try:
            yield ServedSite(site, api_url.rstrip("/"), storage_url.rstrip("/"))
        finally:
            site.released.set()


class _Handler(BaseHTTPRequestHandler):
    site: AnacondaSite
    storage_url: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_DELETE = do_HEAD = do_PATCH = do_GET  # noqa: N815

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(
            self.name_step(), self.command, self.path, dict(self.headers.items()), self.parse_body(body)
        )
        with self.site.lock:
            number = len(self.site.requests)
            self.site.requests.append(request)
            fault = self.site.take_fault(request.step)
        self.site.on_request(number, request, "before")
        if fault and fault.action == "reset before":
            self._reset()
            return
        if fault and fault.action == "hang":
            self.site.released.wait(60)
            self._reset()
            return
        if request.step in self.site.empty_steps:
            self._send(200, "")
            return
        answer: tuple[int, object] = fault.status if fault else 0, {"error": fault.words if fault else ""}
        if fault is None or fault.action == "reset after" or fault.is_done:
            with self.site.lock:
                status, content = self.answer(request)
                done = status, self.site.alter(request.step, content) if status == 200 else content
            answer = answer if fault else done
        self.site.on_request(number, request, "after")
        if fault and fault.action == "reset after":
            self._reset()
            return
        self._send(*answer)

    def _reset(self) -> None:
        """Reset the connection without a response."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _send(self, status: int, content: object) -> None:
        is_raw = isinstance(content, bytes | str)
        data = content.encode() if isinstance(content, str) else content
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        if status == 302 and isinstance(content, str):
            self.send_header("Location", content)
            body = b""
        kind = "text/html" if isinstance(content, str) else "application/octet-stream"
        self.send_header("Content-Type", kind if is_raw else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def name_step(self) -> str:
        raise NotImplementedError

    def parse_body(self, body: bytes) -> Any:
        raise NotImplementedError

    def answer(self, request: Request) -> tuple[int, object]:
        raise NotImplementedError


class _ApiHandler(_Handler):
    """The API, and the pages that pip reads below /pip/."""

    @property
    def segments(self) -> list[str]:
        return [unquote(part) for part in urlsplit(self.path).path.split("/") if part]

    def name_step(self) -> str:
        kind = self.segments[0] if self.segments else "root"
        return (
            kind
            if kind in ("stage", "commit", "download", "pip", "root", "user")
            else f"{kind} {self.command.lower()}"
        )

    def parse_body(self, body: bytes) -> Any:
        return json.loads(body) if body else None

    def answer(self, request: Request) -> tuple[int, object]:
        kind, *parts = self.segments or ["root"]
        if kind == "pip":
            return self._pip(parts)
        if kind == "root":
            return 200, {"ok": True}
        token = self.headers.get("Authorization", "")
        if token not in ("", f"token {TOKEN}"):
            return 401, {"error": "The token is not valid"}
        if self.command in ("POST", "DELETE") and not token:
            return 401, {"error": "Authorization required"}
        if parts[:1] != [self.site.org]:
            return 404, {"error": f"user {parts[0]} does not exist"}
        method = getattr(self, f"_{kind}", None)
        return method(request, *parts[1:]) if method else (404, {"error": "not found"})

    def _user(self, _request: Request) -> tuple[int, object]:
        return 200, {"login": self.site.org}

    def _package(self, request: Request, name: str) -> tuple[int, object]:
        site = self.site
        if request.method == "POST":
            if name in site.packages:
                return 409, {"error": f"Owner {self.site.org} already have a package named {name}"}
            site.packages[name] = {"name": name, **request.body["public_attrs"]}
            return 200, site.packages[name]
        if name not in site.packages:
            return 404, {"error": f"package {name} does not exist"}
        files = [dist.as_json(site.hashes) for dist in site.dists.values() if dist.name == name]
        return 200, {**site.packages[name], **({"files": files} if site.lists_files else {})}

    def _release(self, request: Request, name: str, version: str) -> tuple[int, object]:
        site = self.site
        if request.method == "POST":
            if name not in site.packages:
                return 404, {"error": f"package {name} does not exist"}
            if (name, version) in site.releases:
                return 400, {"error": f"versions {version} already exists"}
            site.releases[name, version] = dict(request.body)
            return 200, site.releases[name, version]
        if (name, version) not in site.releases:
            return 404, {"error": f"release version='{version}' does not exist"}
        files = [
            dist.as_json(site.hashes)
            for dist in site.dists.values()
            if (dist.name, dist.version) == (name, version)
        ]
        return 200, {**site.releases[name, version], "distributions": files}

    def _dist(self, request: Request, name: str, version: str, basename: str) -> tuple[int, object]:
        dist = self.site.dists.get((name, basename))
        if dist is None or dist.version != version:
            return 404, {"error": f"file {basename} does not exist"}
        if request.method == "DELETE":
            self.site.remove(name, basename)
        return 200, dist.as_json(self.site.hashes)

    def _download(self, _request: Request, name: str, _version: str, basename: str) -> tuple[int, object]:
        if (name, basename) not in self.site.dists:
            return 404, {"error": "not found"}
        return 302, f"{self.storage_url}files/{name}/{basename}"

    def _stage(self, request: Request, name: str, version: str, basename: str) -> tuple[int, object]:
        site = self.site
        if (name, version) not in site.releases:
            return 404, {"error": f"release version='{version}' does not exist"}
        if (name, basename) in site.dists and not site.stages_existing:
            return 409, {"error": f"file {basename} already exists for package {name} version {version}"}
        if site.is_full:
            return 402, {"error": "Storage requirements exceeded (3221225472 bytes)."}
        dist_id = f"{next(site.numbers):024x}"
        labels = request.body["channels"] or ["main"]
        site.staged[dist_id] = {
            "name": name,
            "version": version,
            "basename": basename,
            "labels": labels,
            "sha256": request.body["sha256"],
        }
        form = {"key": dist_id, "acl": "private", "policy": "cG9saWN5"}
        return 200, {"post_url": f"{self.storage_url}upload", "form_data": form, "dist_id": dist_id}

    def _commit(self, request: Request, name: str, version: str, basename: str) -> tuple[int, object]:
        site = self.site
        staged = site.staged.pop(request.body["dist_id"], None)
        expected = {"name": name, "version": version, "basename": basename}
        if staged is None or {key: staged[key] for key in expected} != expected:
            return 404, {"error": f"Invalid dist_id {request.body['dist_id']} does not exist"}
        content = staged.get("content")
        if content is None or hashlib.sha256(content).hexdigest() != staged["sha256"]:
            return 400, {"error": "the file was not uploaded"}
        if (name, version) not in site.releases:
            return 404, {"error": f"release version='{version}' does not exist"}
        site.dists[name, basename] = Dist(name, version, basename, content, list(staged["labels"]))
        return 200, site.dists[name, basename].as_json(site.hashes)

    def _channels(self, request: Request, label: str = "") -> tuple[int, object]:
        if request.method == "GET":
            return 200, {"main": {}}
        body = request.body
        for dist in self.site.dists.values():
            wanted = (body.get("package"), body.get("version"), body.get("basename"))
            own = (dist.name, dist.version, dist.basename)
            # A null means all.
            if all(value in (None, other) for value, other in zip(wanted, own, strict=True)):
                if request.method == "POST" and label not in dist.labels:
                    dist.labels.append(label)
                elif request.method == "DELETE" and label in dist.labels:
                    dist.labels.remove(label)
        return 201, {}

    def _pip(self, parts: list[str]) -> tuple[int, object]:
        """Answer for /pip/ORG/label/LABEL/simple/NAME/."""
        match parts:
            case [_, "label", label, "simple", project]:
                dists = [
                    dist
                    for dist in self.site.dists.values()
                    if canonicalize_name(dist.name) == project and label in dist.labels
                ]
                if not dists or not self.site.lists_on_pip_page:
                    return 404, "<title>not found</title>"
                links = "".join(f'<a href="{self._link(dist)}">{dist.basename}</a><br>' for dist in dists)
                return 200, f"<!DOCTYPE html><title>Links for {project}</title>{links}"
            case _:
                return 200, "<!DOCTYPE html><title>Simple index</title>"

    def _link(self, dist: Dist) -> str:
        fragment = f"#sha256={hashlib.sha256(dist.content).hexdigest()}" if self.site.pip_hashes else ""
        return f"{self.storage_url}files/{dist.name}/{dist.basename}{fragment}"


class _StorageHandler(_Handler):
    """The storage: takes forms, and serves files."""

    def name_step(self) -> str:
        return "storage" if self.command == "POST" else "storage get"

    def parse_body(self, body: bytes) -> Any:
        if not body:
            return None
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in message.iter_parts()
        }

    def answer(self, request: Request) -> tuple[int, object]:
        if request.method != "POST":
            _, name, basename = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
            dist = self.site.dists.get((name, basename))
            content = dist.content if dist and not self.site.corrupts_downloads else b"other bytes"
            return (200, content) if dist else (404, "<Error><Code>NoSuchKey</Code></Error>")
        form = request.body
        content = form["file"]
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        if list(form)[-1] != "file" or form["Content-MD5"].decode() != md5:
            return 400, "<Error><Code>InvalidDigest</Code></Error>"
        self.site.staged[form["key"].decode()]["content"] = content
        return 201, "<PostResponse/>"

"""A stateful stand-in for GitHub Enterprise on 127.0.0.1: the API of releases, uploads and downloads.

It keeps releases, drafts, assets and tags, and logs the requests. A ``Fault`` replaces the answer to one of
them, before or after it is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "ghp_test0123456789"
REPOSITORY = "owner/demo"
_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Logged:
    """A request that arrived."""

    method: str
    #: Without the prefix of the API.
    path: str
    authorization: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Fault:
    """A failure of ``times`` requests whose method and path match, after ``skip`` others."""

    pattern: str
    #: The answer; 0 resets the connection.
    status: int = 0
    body: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    #: True if the request is done before.
    is_done: bool = False
    times: int = 1
    skip: int = 0
    #: Called instead of, or before, the answer.
    action: Callable[[], object] | None = None
    #: True if an asset whose upload fails is left behind, unfinished.
    leaves_starter: bool = False

    def applies(self, request: str) -> bool:
        """Return whether this request is affected, and count it."""
        if not self.times or not re.search(self.pattern, request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


Answer = tuple[int, Any]


class GitHubSite:
    """The state of the site and its only repository."""

    def __init__(self) -> None:
        self.url = ""
        #: The URL of the storage, if downloads are redirected there.
        self.storage_url = ""
        self.tags = {"v1.0"}
        self.releases: dict[int, dict[str, Any]] = {}
        self.contents: dict[int, bytes] = {}
        self.log: list[Logged] = []
        self.faults: list[Fault] = []
        self.is_private = False
        #: True if releases become immutable when they are published.
        self.makes_immutable = False
        self.lists_digests = True
        self.upload_url = ""
        self.full_name = REPOSITORY
        self.token = TOKEN
        self._next_id = 100
        self.lock = threading.RLock()

    # --- what tests prepare and read -------------------------------------------------------------------

    def add_release(
        self,
        tag: str = "v1.0",
        files: Mapping[str, bytes] | None = None,
        *,
        draft: bool = True,
        **values: Any,
    ) -> int:
        """Add a release with these files, and return its number."""
        number = self._new_id()
        self.releases[number] = {
            "id": number,
            "tag_name": tag,
            "draft": draft,
            "prerelease": False,
            "immutable": False,
            "assets": [],
            **values,
        }
        for name, data in (files or {}).items():
            self.add_asset(number, name, data)
        return number

    def add_asset(self, number: int, name: str, data: bytes, state: str = "uploaded") -> dict[str, Any]:
        """Add an asset to a release."""
        asset: dict[str, Any] = {
            "id": self._new_id(),
            "name": name,
            "state": state,
            "size": len(data) if state == "uploaded" else 0,
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"
            if state == "uploaded" and self.lists_digests
            else None,
        }
        self.contents[asset["id"]] = data
        self.releases[number]["assets"].append(asset)
        return asset

    def files(self, number: int) -> dict[str, bytes]:
        """Return the finished files of a release."""
        return {
            asset["name"]: self.contents[asset["id"]]
            for asset in self.releases[number]["assets"]
            if asset["state"] == "uploaded"
        }

    def only_release(self) -> dict[str, Any]:
        """Return the only release."""
        (release,) = self.releases.values()
        return release

    def writes(self) -> list[str]:
        """Return the requests that change something."""
        return [str(request) for request in self.log if request.method != "GET"]

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    # --- the API ---------------------------------------------------------------------------------------

    def answer(
        self, method: str, path: str, query: Mapping[str, list[str]], body: bytes, *, may_write: bool
    ) -> Answer:
        """Do a request, and return its status and content."""
        prefix = f"/repos/{REPOSITORY}"
        if method != "GET" and not may_write:
            return 401, {"message": "Bad credentials"}
        if not path.startswith(prefix) or (self.is_private and not may_write):
            return 404, {"message": "Not Found"}
        parts = [unquote(part) for part in path.removeprefix(prefix).split("/") if part]
        match method, parts:
            case "GET", []:
                return 200, {"full_name": self.full_name, "private": self.is_private}
            case "GET", ["git", "ref", "tags", *tag]:
                return (200, {"ref": tag}) if "/".join(tag) in self.tags else _NOT_FOUND
            case "GET", ["releases"]:
                return 200, self._page(self._visible(may_write), query)
            case "GET", ["releases", "tags", tag]:
                return self._find_by_tag(tag)
            case "POST", ["releases"]:
                return self._create(json.loads(body))
            case "GET" | "DELETE", ["releases", "assets", number]:
                return self._answer_asset(method, int(number))
            case _, ["releases", number, *rest] if int(number) in self.releases:
                return self._answer_release(method, int(number), rest, query, body)
        return _NOT_FOUND

    def _visible(self, may_write: bool) -> list[dict[str, Any]]:
        newest_first = sorted(self.releases.values(), key=lambda release: -release["id"])
        return [self.describe(release) for release in newest_first if may_write or not release["draft"]]

    def _page(self, entries: list[Any], query: Mapping[str, list[str]]) -> list[Any]:
        start = (int(query.get("page", ["1"])[0]) - 1) * _PER_PAGE
        return entries[start : start + _PER_PAGE]

    def _find_by_tag(self, tag: str) -> Answer:
        for release in self.releases.values():
            if release["tag_name"] == tag and not release["draft"]:
                return 200, self.describe(release)
        return _NOT_FOUND

    def _create(self, values: Mapping[str, Any]) -> Answer:
        if self._find_by_tag(values["tag_name"])[0] == 200:
            return 422, _validation("Release", "tag_name")
        number = self.add_release(values["tag_name"], draft=values["draft"], prerelease=values["prerelease"])
        return 201, self.describe(self.releases[number])

    def _answer_asset(self, method: str, number: int) -> Answer:
        for release in self.releases.values():
            for asset in release["assets"]:
                if asset["id"] == number:
                    if method == "DELETE":
                        release["assets"].remove(asset)
                        return 204, None
                    return 200, self._describe_asset(release, asset)
        return _NOT_FOUND

    def _answer_release(
        self, method: str, number: int, rest: list[str], query: Mapping[str, list[str]], body: bytes
    ) -> Answer:
        release = self.releases[number]
        match method, rest:
            case "GET", []:
                return 200, self.describe(release)
            case "GET", ["assets"]:
                return 200, self._page(
                    [self._describe_asset(release, asset) for asset in release["assets"]], query
                )
            case "POST", ["assets"]:
                return self._upload(release, query["name"][0], body)
            case "PATCH", []:
                release["draft"] = json.loads(body)["draft"]
                release["immutable"] = self.makes_immutable and not release["draft"]
                return 200, self.describe(release)
            case "DELETE", []:
                del self.releases[number]
                return 204, None
            case _:
                return _NOT_FOUND

    def _upload(self, release: dict[str, Any], name: str, body: bytes) -> Answer:
        if release["immutable"]:
            return 422, {"message": "Cannot upload assets to an immutable release."}
        if any(asset["name"] == name for asset in release["assets"]):
            return 422, _validation("ReleaseAsset", "name")
        asset = self.add_asset(release["id"], name, body)
        return 201, self._describe_asset(release, asset)

    def describe(self, release: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON of a release."""
        tag = f"untagged-{release['id']:x}" if release["draft"] else release["tag_name"]
        assets = f"/api/uploads/repos/{REPOSITORY}/releases/{release['id']}/assets"
        return {
            **release,
            "html_url": f"{self.url}/{REPOSITORY}/releases/tag/{tag}",
            "upload_url": f"{self.upload_url or self.url + assets}{{?name,label}}",
            "assets": [self._describe_asset(release, asset) for asset in release["assets"]],
        }

    def _describe_asset(self, release: dict[str, Any], asset: dict[str, Any]) -> dict[str, Any]:
        tag = f"untagged-{release['id']:x}" if release["draft"] else release["tag_name"]
        return {
            **asset,
            "browser_download_url": f"{self.url}/{REPOSITORY}/releases/download/{tag}/{asset['name']}",
        }

    def download(self, path: str) -> bytes | None:
        """Return the file at the download URL of a published release."""
        tag, _, name = path.removeprefix(f"/{REPOSITORY}/releases/download/").partition("/")
        for release in self.releases.values():
            if release["tag_name"] == tag and not release["draft"] and not self.is_private:
                return self.files(release["id"]).get(unquote(name))
        return None


_NOT_FOUND: Answer = (404, {"message": "Not Found"})


def _validation(resource: str, name: str) -> dict[str, Any]:
    error = {"resource": resource, "code": "already_exists", "field": name}
    return {"message": "Validation Failed", "errors": [error]}


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    data: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: GitHubSite

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def handle(self) -> None:
        """Answer the requests of a connection until the client closes it."""
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def do_GET(self) -> None:
        """Answer one request."""
        site, url = self.site, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = url.path.removeprefix("/api/v3").removeprefix("/api/uploads")
        shown = f"{path}?{url.query}" if url.query and self.command == "POST" else path
        request = Logged(self.command, shown, self.headers.get("Authorization", ""), body)
        with site.lock:
            site.log.append(request)
            fault = next((fault for fault in site.faults if fault.applies(str(request))), None)
        if fault and not fault.is_done:
            if fault.leaves_starter:
                name = parse_qs(url.query)["name"][0]
                site.add_asset(int(path.split("/")[5]), name, b"", "starter")
            if self._fail(fault):
                return
        with site.lock:
            if url.path.startswith("/api/"):
                reply = self._answer_api(path, parse_qs(url.query), request)
            else:
                reply = self._download(url.path)
        if not (fault and fault.is_done and self._fail(fault)):
            self._reply(reply)

    do_POST = do_GET  # noqa: N815 (names of BaseHTTPRequestHandler)
    do_PATCH = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815

    def _answer_api(self, path: str, query: Mapping[str, list[str]], request: Logged) -> _Reply:
        site = self.site
        may_write = request.authorization == f"Bearer {site.token}"
        if request.authorization and not may_write:
            return _Reply(401, b'{"message": "Bad credentials"}')
        status, content = site.answer(self.command, path, query, request.body, may_write=may_write)
        if status == 200 and "octet-stream" in self.headers.get("Accept", "") and "/assets/" in path:
            return _Reply(200, site.contents[content["id"]], "application/octet-stream")
        return _Reply(status, b"" if content is None else json.dumps(content).encode())

    def _download(self, path: str) -> _Reply:
        data = self.site.download(path)
        if data is None:
            return _Reply(404, b"<h1>Not Found</h1>", "text/html")
        if self.site.storage_url:
            return _Reply(302, headers={"Location": f"{self.site.storage_url}{path}"})
        return _Reply(200, data, "application/octet-stream")

    def _fail(self, fault: Fault) -> bool:
        """Do what the fault says; return whether the request has been answered."""
        if fault.action:
            fault.action()
        if fault.status:
            self._reply(_Reply(fault.status, json.dumps(fault.body).encode(), headers=fault.headers))
        elif not fault.action:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
        return bool(fault.status or not fault.action)

    def _reply(self, reply: _Reply) -> None:
        status, data, headers = reply.status, reply.data, dict(reply.headers)
        wanted = re.fullmatch(r"bytes=0-([0-9]+)", self.headers.get("Range", ""))
        if status == 200 and wanted and "octet-stream" in reply.content_type:
            end = min(int(wanted[1]), len(data) - 1)
            headers["Content-Range"] = f"bytes 0-{end}/{len(data)}"
            status, data = 206, data[: end + 1]
        with contextlib.suppress(OSError):
            self.send_response(status)
            for key, value in {"Content-Type": reply.content_type, **headers}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


@contextlib.contextmanager
def serve(site: GitHubSite) -> Iterator[GitHubSite]:
    """Serve the site inside the ``with`` block."""

    class Handler(_Handler):
        pass

    Handler.site = site

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Print nothing: clients disconnect."""

    with Server(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()

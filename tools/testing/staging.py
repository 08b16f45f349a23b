"""A staging area in this process, which a test can change while the command runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from tools.testing.scripted import Request, Step, answer


class Site:
    """A listing at ``/`` and its files; answers the requests of a ScriptedServer."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        hashes: bool = True,
        headers: Mapping[str, str] | None = None,
        authorization: str = "",
        before_listing: Callable[[Site, int], None] | None = None,
    ) -> None:
        """Set up a site; ``before_listing`` is called before each listing with its number, from 1.

        ``authorization``: the required Authorization header; other requests get a 401 that repeats theirs.
        """
        self.files = dict(files)
        self.hashes = hashes
        self.headers = {"Connection": "close", **(headers or {})}
        self.authorization = authorization
        self.before_listing = before_listing
        self.listings: list[Request] = []
        self.fetched: list[str] = []

    def __call__(self, request: Request) -> list[Step]:
        given = request.headers.get("authorization", "")
        if self.authorization and given != self.authorization:
            return [answer(401, f"you said {given}".encode(), self.headers)]
        name = unquote(request.target.rpartition("/")[2])
        if name:
            self.fetched.append(name)
            exists = name in self.files
            return [answer(200 if exists else 404, self.files.get(name, b""), self.headers)]
        self.listings.append(request)
        if self.before_listing:
            self.before_listing(self, len(self.listings))
        links = "".join(f'<a href="{name}{self._hash(name)}">{name}</a>\n' for name in self.files)
        return [answer(200, links.encode(), self.headers)]

    def _hash(self, name: str) -> str:
        return f"#sha256={sha256(self.files[name])}" if self.hashes else ""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Proxy:
    """A forward proxy for http that answers with the responses of ``site``, and rejects CONNECT."""

    def __init__(self, site: Site, authorization: str = "") -> None:
        self.site = site
        self.authorization = authorization
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> list[Step]:
        self.requests.append(request)
        given = request.headers.get("proxy-authorization", "")
        if given != self.authorization:
            return [answer(407, f"you said {given}".encode(), {"Connection": "close"})]
        if request.method == "CONNECT":
            return [answer(502, b"", {"Connection": "close"})]
        return list(self.site(request))

"""Real object stores on 127.0.0.1, filled from a directory, and servers whose listings are for programs.

As in servers.py, each yields the URL of its files, and skips the test if it is not installed.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import functools
import hashlib
import hmac
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest

from tools.testing.servers import _program, _running, caddy, nginx, run_script

BUCKET = "staging"
_HERE = Path(__file__).parent


def _keys(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path.relative_to(root).as_posix(), path


@contextlib.contextmanager
def moto(root: Path, *, prefix: str = "", more: int = 0) -> Iterator[str]:
    """Run moto's S3 with the files of ``root`` below ``prefix``, after ``more`` other keys.

    The URL is that of the bucket.
    """
    pytest.importorskip("moto.server", reason="moto[s3,server] is not installed")
    with (
        _running(
            lambda _, port: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        ) as port,
        httpx.Client(timeout=30) as client,
    ):
        url = f"http://127.0.0.1:{port}/{BUCKET}"
        client.put(url).raise_for_status()
        for number in range(more):
            client.put(f"{url}/{prefix}{number:05}.txt", content=b"x").raise_for_status()
        for key, path in _keys(root):
            # Without a Content-Type moto parses the body of a PUT as a form.
            headers = {"Content-Type": "application/octet-stream", "x-amz-acl": "public-read"}
            body = path.read_bytes()
            client.put(f"{url}/{quote(prefix + key)}", content=body, headers=headers).raise_for_status()
        yield url


@contextlib.contextmanager
def azurite(root: Path, *, prefix: str = "") -> Iterator[str]:
    """Run Azurite, Microsoft's emulator of Blob Storage, with a container that everyone may list.

    The URL is that of the listing: the program recognizes the URL of a container only at Microsoft's hosts.
    """
    program = _program("azurite-blob")

    def command(_: Path, port: int) -> list[str]:
        where = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        return [
            program,
            *where,
            "--silent",
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--skipApiVersionCheck",
        ]

    with _running(command) as port, httpx.Client(timeout=30) as client:
        account = f"http://127.0.0.1:{port}/{_ACCOUNT}"
        _put(client, account, f"/{BUCKET}", {"x-ms-blob-public-access": "container"}, restype="container")
        for key, path in _keys(root):
            name = f"/{BUCKET}/{quote(prefix + key)}"
            _put(client, account, name, {"x-ms-blob-type": "BlockBlob"}, path.read_bytes())
        yield f"{account}/{BUCKET}?restype=container&comp=list"


#: The account and key of every Azurite.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def _put(
    client: httpx.Client, account: str, path: str, headers: Mapping[str, str], body: bytes = b"", **query: str
) -> None:
    """Send a PUT request that is signed with the account's key."""
    signed = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06", **headers}
    lines = ["PUT", "", "", str(len(body)) if body else "", "", "application/octet-stream" if body else ""]
    lines += ["", "", "", "", "", "", *(f"{key}:{signed[key]}" for key in sorted(signed))]
    lines += [f"/{_ACCOUNT}/{_ACCOUNT}{path}", *(f"{key}:{value}" for key, value in query.items())]
    digest = hmac.new(base64.b64decode(_KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    signed["authorization"] = f"SharedKey {_ACCOUNT}:{base64.b64encode(digest).decode()}"
    if body:
        signed["content-type"] = "application/octet-stream"
    url = f"{account}{path}" + (f"?{urlencode(query)}" if query else "")
    client.put(url, content=body, headers=signed).raise_for_status()


@contextlib.contextmanager
def swift_container(root: Path) -> Iterator[str]:
    """Run Swift's listing_formats middleware, which formats the listings of plain containers."""
    pytest.importorskip("swift", reason="swift is not installed")
    with run_script(_HERE / "swift_container.py", root) as port:
        yield f"http://127.0.0.1:{port}/v1/AUTH_test/wheels"


@contextlib.contextmanager
def npm_serve(root: Path) -> Iterator[str]:
    """Run npm's ``serve``."""
    program = _program("serve")
    with _running(
        lambda _, port: [program, "--no-port-switching", "-l", f"tcp://127.0.0.1:{port}", str(root)]
    ) as port:
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def nginx_jsonp(root: Path) -> Iterator[str]:
    with nginx(root, autoindex="jsonp") as url:
        yield f"{url}?callback=staging.list"


#: The listings for programs, by name; all must list the same files.
LISTINGS: dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]] = {
    "nginx-json": functools.partial(nginx, autoindex="json"),
    "nginx-jsonp": nginx_jsonp,
    "nginx-xml": functools.partial(nginx, autoindex="xml"),
    "caddy-json": caddy,
    "npm-serve": npm_serve,
    "moto": moto,
    "azurite": azurite,
    "swift-json": swift_container,
}

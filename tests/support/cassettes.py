"""Recorded HTTP: what a cassette keeps of it, what a replay compares, and when real servers run.

cassettes/README.rst says how to record again.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import json
import math
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from unittest import mock
from urllib.parse import unquote
from zipfile import ZIP_STORED

import pytest
import yaml  # type: ignore[import-untyped]
from requests_toolbelt import MultipartDecoder  # type: ignore[import-untyped]
from vcr import VCR
from vcr.request import Request

from tests.support import indexes, tested_package, wheels
from wheel_uploader.core.models import Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

T = TypeVar("T")

CASSETTES = tested_package.ROOT / "cassettes"

# --- the release that was staged -------------------------------------------------------------------

PROJECT, VERSION = "dipy", "0.13.0"
#: The long one is cut in the text of listings.
RELEASE = (
    "dipy-0.13.0-cp312-cp312-macosx_11_0_arm64.whl",
    "dipy-0.13.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "dipy-0.13.0-cp312-cp312-win_amd64.whl",
    "dipy-0.13.0.tar.gz",
)
#: 2026-01-02 03:04:05 UTC: listings and validators tell it.
_STAGED_AT = 1_767_323_045


@functools.cache
def archive(name: str) -> bytes:
    """The wheel or sdist of this name, which is the same bytes everywhere and always.

    Nothing in it is compressed: zlib and zlib-ng would pack it differently, and its hash is in cassettes.
    """
    if name.endswith(".tar.gz"):
        project, _, version = name.removesuffix(".tar.gz").rpartition("-")
        return _stored(gzip.decompress(wheels.sdist_bytes(project, version)))
    project, version, tag = name.removesuffix(".whl").split("-", 2)
    return wheels.zip_bytes(wheels.wheel_members(project, version, tag), ZIP_STORED)


def _stored(data: bytes) -> bytes:
    """A gzip of one uncompressed block."""
    size = len(data)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01" + struct.pack("<HH", size, size ^ 0xFFFF)
    return head + data + struct.pack("<II", zlib.crc32(data), size)


def stage(folder: Path) -> list[Path]:
    """The release in a new folder, and beside it what is no part of it."""
    folder.mkdir()
    files = {name: archive(name) for name in RELEASE}
    paths = []
    for name, data in {**files, f"{RELEASE[0]}.sha256": b"-", "notes & plans.txt": b"-"}.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
        os.utime(paths[-1], (_STAGED_AT, _STAGED_AT))
    return paths[: len(RELEASE)]


# --- the servers -----------------------------------------------------------------------------------

#: Where the servers listen while they are recorded. The ports are fixed, where other tests take any free one,
#: so that every recording and every replay asks the same addresses, and nothing has to be rewritten in pages,
#: links and redirects. One recording at a time, therefore: no pytest -n.
STAGING_PORT, INDEX_PORT, DEVPI_PORT = 18081, 18082, 18083
#: A store each for moto, Azurite, and Swift twice.
STORE_PORTS = (18084, 18085, 18086, 18087)
#: The only credentials of these indexes, and they are in no cassette.
LOGIN = ("alice", "alice-password")


@pytest.fixture(scope="session")
def live(record_mode: str, disable_recording: bool) -> bool:
    """Whether this run asks real servers: it records, or it goes without cassettes."""
    return disable_recording or record_mode != "none"


@contextlib.contextmanager
def server(live: bool, port: int, start: Callable[[], AbstractContextManager[T]]) -> Iterator[T | None]:
    """A real server at ``port``; when replaying, nothing at all."""
    if not live:
        yield None
        return
    ports = [
        mock.patch(name, lambda: port)
        for name in ("tests.support.servers.free_port", "tests.support.indexes._free_port")
    ]
    with ports[0], ports[1], start() as started:
        yield started


@pytest.fixture(scope="session")
def devpi_url(live: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL above the indexes ``one`` and ``release`` of a devpi-server.

    Not for one test, like the others: making a user and indexes is HTTP too, and no part of any cassette.
    """
    folder = tmp_path_factory.mktemp("devpi")
    with server(live, DEVPI_PORT, lambda: indexes.devpi_server(folder)) as running:
        if running:
            for name in ("one", "release"):
                running.make_index(name, volatile=False)
        yield f"http://127.0.0.1:{DEVPI_PORT}/{LOGIN[0]}/"


# --- what is kept ----------------------------------------------------------------------------------

#: Lists of what is kept, not of what is hidden: what nobody thought of is left out.
_ASKED = (
    "accept",
    "authorization",
    "content-type",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
)
#: The date, because a Last-Modified is believed or not by it.
_ANSWERED = ("content-length", "content-range", "content-type", "date", "etag", "last-modified", "location")
_REDACTED = "REDACTED"


def filter_request(request: Request) -> Request:
    """A request as it stands in a cassette. Those that were loaded come through here again, unchanged."""
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() in _ASKED}
    if "authorization" in headers:
        headers["authorization"] = _REDACTED
    body, form = request.body_bytes, headers.get("content-type", "")
    if "boundary=" in form:
        headers["content-type"] = form.partition(";")[0]
        body = "".join(sorted(map(_field, MultipartDecoder(body, form).parts)))
    # A new one: the body of a request that was a stream stays a stream.
    return Request(request.method, request.uri, body or "", headers)


def _field(part: Any) -> str:
    """One field of a form: its text, or name, size and sha256 of a file."""
    said = part.headers[b"Content-Disposition"].decode()
    names = dict(re.findall(r'\b(name|filename)="([^"]*)"', said))
    if "filename" in names:
        digest = hashlib.sha256(part.content).hexdigest()
        text = f"<file {names['filename']}, {len(part.content)} bytes, sha256 {digest}>"
    else:
        text = part.content.decode().rstrip("\n").replace("\n", "\n  ")
    return f"{names['name']}: {text}\n"


def filter_response(response: dict[str, Any]) -> dict[str, Any]:
    """A response as it stands in a cassette."""
    named = {name.lower(): values for name, values in response["headers"].items()}
    return {**response, "headers": {name: named[name] for name in _ANSWERED if name in named}}


def replace_archives_by_names(request: Request, response: dict[str, Any]) -> tuple[Request, dict[str, Any]]:
    """In place of a wheel or an sdist, or of a part of it, its name."""
    name = unquote(PurePosixPath(request.path).name)
    body = response["body"]["string"]
    if name in RELEASE and response["status"]["code"] in (200, 206) and body:
        if body != _part(archive(name), response):
            raise ValueError(f"the server sent something else than {name}, which could not be replayed")
        response["body"]["string"] = f"<{'wheel' if name.endswith('.whl') else 'sdist'} {name}>".encode()
    return request, response


def replace_names_by_archives(request: Request, response: dict[str, Any]) -> tuple[Request, dict[str, Any]]:
    """In place of its name the archive itself, built anew."""
    if named := re.fullmatch(rb"<(?:wheel|sdist) (\S+)>", response["body"]["string"]):
        response["body"]["string"] = _part(archive(named[1].decode()), response)
    return request, response


def _part(data: bytes, response: dict[str, Any]) -> bytes:
    for said in response["headers"].get("content-range", ()):
        first, last = map(int, re.findall(r"\d+", said)[:2])
        return data[first : last + 1]
    return data


# --- how it is written -----------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """YAML that people can read: one line of a body is one line of the file."""

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Where a block cannot be: it has no carriage returns, and no blanks before the end of a line."""
        lines = (json.dumps(line, ensure_ascii=False)[1:-1] for line in text.splitlines(keepends=True))
        quoted = [f"\\{line}" if line.startswith(" ") else line for line in lines]
        self.write_indicator('"' + f"\\\n{' ' * (self.indent or 0)}".join(quoted) + '"', True)


def _text(dumper: _Dumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


class Yaml:
    """What vcrpy takes for a serializer."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        style = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": math.inf}
        return str(yaml.dump(cassette, Dumper=_Dumper, **style))

    @staticmethod
    def deserialize(text: str) -> Any:
        return yaml.safe_load(text)


# --- what pytest-recording asks for ----------------------------------------------------------------

CONFIG = {
    # All of a request that is kept. With vcrpy's own choice, without headers and body, an upload of the wrong
    # file would be replayed as a success.
    "match_on": ("method", "scheme", "host", "port", "path", "query", "headers", "body"),
    "before_record_request": filter_request,
    "before_record_response": filter_response,
    "before_save_interaction": replace_archives_by_names,
    "after_load_interaction": replace_names_by_archives,
    "decode_compressed_response": True,
}


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    """What every cassette has in common."""
    return CONFIG


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """cassettes/MODULE/ for the cassettes TEST.yaml of a module."""
    return str(CASSETTES / request.path.stem)


def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Let this module write the files; the name of a serializer is also their suffix."""
    vcr.register_serializer("yaml", Yaml)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that passed has asked for all that its cassette holds."""
    yield
    cassette = getattr(item, "funcargs", {}).get("vcr")
    if cassette is not None and not cassette.dirty:
        asked = enumerate(cassette.requests)
        left = [f"{each.method} {each.uri}" for index, each in asked if not cassette.play_counts[index]]
        assert not left, f"{cassette.path} holds what is not asked for: {left}"


def uploader(url: str, username: str, password: str) -> TwineUploader:
    """Return an uploader to an index, with credentials."""
    options = Options(
        project=PROJECT,
        version=VERSION,
        urls=("https://staging.example.com/",),
        repository_url=url,
        username=username,
        password=password,
        non_interactive=True,
    )
    return TwineUploader(options, resolve_target(options), SilentProgress())

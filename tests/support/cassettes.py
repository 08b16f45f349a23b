"""Recorded HTTP: which parts a cassette keeps, what a replay compares, and when real servers run.

cassettes/README.rst describes how to record again.
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

from tools.testing import indexes, tested_package, wheels
from wheel_uploader.core.models import Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

T = TypeVar("T")

CASSETTES = tested_package.ROOT / "cassettes"

# --- the staged release ----------------------------------------------------------------------------

PROJECT, VERSION = "dipy", "0.13.0"
#: The long name is cut in the text of listings.
RELEASE = (
    "dipy-0.13.0-cp312-cp312-macosx_11_0_arm64.whl",
    "dipy-0.13.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "dipy-0.13.0-cp312-cp312-win_amd64.whl",
    "dipy-0.13.0.tar.gz",
)
#: 2026-01-02 03:04:05 UTC; it appears in listings and validators.
_STAGED_AT = 1_767_323_045


@functools.cache
def archive(name: str) -> bytes:
    """Return the wheel or sdist of this name, with the same bytes on every machine.

    Nothing in it is compressed, because zlib and zlib-ng compress differently and its hash is in cassettes.
    """
    if name.endswith(".tar.gz"):
        project, _, version = name.removesuffix(".tar.gz").rpartition("-")
        return _stored(gzip.decompress(wheels.sdist_bytes(project, version)))
    project, version, tag = name.removesuffix(".whl").split("-", 2)
    return wheels.zip_bytes(wheels.wheel_members(project, version, tag), ZIP_STORED)


def _stored(data: bytes) -> bytes:
    """Return a gzip file of one uncompressed block."""
    size = len(data)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01" + struct.pack("<HH", size, size ^ 0xFFFF)
    return head + data + struct.pack("<II", zlib.crc32(data), size)


def stage(folder: Path) -> list[Path]:
    """Write the release into a new folder, with two unrelated files, and return the paths of the release."""
    folder.mkdir()
    files = {name: archive(name) for name in RELEASE}
    paths = []
    for name, data in {**files, f"{RELEASE[0]}.sha256": b"-", "notes & plans.txt": b"-"}.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
        os.utime(paths[-1], (_STAGED_AT, _STAGED_AT))
    return paths[: len(RELEASE)]


# --- the servers -----------------------------------------------------------------------------------

#: The ports of the servers during recording. They are fixed, so that recordings and replays use the same
#: addresses, and pages, links and redirects need no rewriting. So record without pytest -n.
STAGING_PORT, INDEX_PORT, DEVPI_PORT = 18081, 18082, 18083
#: One store each for moto and Azurite, and two for Swift.
STORE_PORTS = (18084, 18085, 18086, 18087)
#: The only credentials of these indexes; they are not in any cassette.
LOGIN = ("alice", "alice-password")


@pytest.fixture(scope="session")
def live(record_mode: str, disable_recording: bool) -> bool:
    """Return whether this run uses real servers, because it records or cassettes are disabled."""
    return disable_recording or record_mode != "none"


@contextlib.contextmanager
def server(live: bool, port: int, start: Callable[[], AbstractContextManager[T]]) -> Iterator[T | None]:
    """Start a real server at ``port``; do nothing in a replay."""
    if not live:
        yield None
        return
    ports = [
        mock.patch(name, lambda: port)
        for name in ("tools.testing.servers.free_port", "tools.testing.indexes.free_port")
    ]
    with ports[0], ports[1], start() as started:
        yield started


@pytest.fixture(scope="session")
def devpi_url(live: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL above the indexes ``one`` and ``release`` of a devpi-server.

    Session-scoped, because creating the user and the indexes is HTTP that must not be in any cassette.
    """
    folder = tmp_path_factory.mktemp("devpi")
    with server(live, DEVPI_PORT, lambda: indexes.devpi_server(folder)) as running:
        if running:
            for name in ("one", "release"):
                running.make_index(name, volatile=False)
        yield f"http://127.0.0.1:{DEVPI_PORT}/{LOGIN[0]}/"


# --- the recorded parts ----------------------------------------------------------------------------

#: The headers to keep. Every other header is dropped, so that no secret is recorded by oversight.
_REQUEST_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
)
#: ``date`` is kept because it decides whether a Last-Modified is trusted.
_RESPONSE_HEADERS = (
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "location",
)
_REDACTED = "REDACTED"


def filter_request(request: Request) -> Request:
    """Return a request as a cassette keeps it; a request loaded from a cassette is returned unchanged."""
    headers = {
        name.lower(): value for name, value in request.headers.items() if name.lower() in _REQUEST_HEADERS
    }
    if "authorization" in headers:
        headers["authorization"] = _REDACTED
    body, form = request.body_bytes, headers.get("content-type", "")
    if "boundary=" in form:
        headers["content-type"] = form.partition(";")[0]
        body = "".join(sorted(map(_field, MultipartDecoder(body, form).parts)))
    # A copy, because the body of a streamed request must remain a stream.
    return Request(request.method, request.uri, body or "", headers)


def _field(part: Any) -> str:
    """Return a form field as text: its value, or the name, size and SHA-256 of a file."""
    disposition = part.headers[b"Content-Disposition"].decode()
    names = dict(re.findall(r'\b(name|filename)="([^"]*)"', disposition))
    if "filename" in names:
        digest = hashlib.sha256(part.content).hexdigest()
        text = f"<file {names['filename']}, {len(part.content)} bytes, sha256 {digest}>"
    else:
        text = part.content.decode().rstrip("\n").replace("\n", "\n  ")
    return f"{names['name']}: {text}\n"


def filter_response(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response as a cassette keeps it."""
    named = {name.lower(): values for name, values in response["headers"].items()}
    return {**response, "headers": {name: named[name] for name in _RESPONSE_HEADERS if name in named}}


def replace_archives_by_names(request: Request, response: dict[str, Any]) -> tuple[Request, dict[str, Any]]:
    """Replace a body that is a wheel or an sdist, or a part of one, by its name."""
    name = unquote(PurePosixPath(request.path).name)
    body = response["body"]["string"]
    if name in RELEASE and response["status"]["code"] in (200, 206) and body:
        if body != _part(archive(name), response):
            raise ValueError(f"the server sent something else instead of {name}, which cannot be replayed")
        response["body"]["string"] = f"<{'wheel' if name.endswith('.whl') else 'sdist'} {name}>".encode()
    return request, response


def replace_names_by_archives(request: Request, response: dict[str, Any]) -> tuple[Request, dict[str, Any]]:
    """Replace the name of an archive by the archive, which is built again."""
    if named := re.fullmatch(rb"<(?:wheel|sdist) (\S+)>", response["body"]["string"]):
        response["body"]["string"] = _part(archive(named[1].decode()), response)
    return request, response


def _part(data: bytes, response: dict[str, Any]) -> bytes:
    for content_range in response["headers"].get("content-range", ()):
        first, last = map(int, re.findall(r"\d+", content_range)[:2])
        return data[first : last + 1]
    return data


# --- the file format -------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes readable YAML: each line of a body is one line of the file."""

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Write text that cannot be a block: it has carriage returns, or blanks at the end of a line."""
        lines = (json.dumps(line, ensure_ascii=False)[1:-1] for line in text.splitlines(keepends=True))
        quoted = [f"\\{line}" if line.startswith(" ") else line for line in lines]
        self.write_indicator('"' + f"\\\n{' ' * (self.indent or 0)}".join(quoted) + '"', True)


def _text(dumper: _Dumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


class Yaml:
    """A serializer for vcrpy."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        style = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": math.inf}
        return str(yaml.dump(cassette, Dumper=_Dumper, **style))

    @staticmethod
    def deserialize(text: str) -> Any:
        return yaml.safe_load(text)


# --- the configuration of pytest-recording ---------------------------------------------------------

CONFIG = {
    # Every recorded part of a request. vcrpy's default ignores headers and body, so an upload of the wrong
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
    """Return the configuration of every cassette."""
    return CONFIG


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Return the folder of a module's cassettes: cassettes/MODULE, with one TEST.yaml per test."""
    return str(CASSETTES / request.path.stem)


def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Register the serializer; its name is also the suffix of the files."""
    vcr.register_serializer("yaml", Yaml)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that passed without using every request in its cassette."""
    yield
    cassette = getattr(item, "funcargs", {}).get("vcr")
    if cassette is not None and not cassette.dirty:
        recorded = enumerate(cassette.requests)
        unused = [f"{each.method} {each.uri}" for index, each in recorded if not cassette.play_counts[index]]
        assert not unused, f"{cassette.path} has requests that the test does not make: {unused}"


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

"""Test the cassettes: small, readable, without secrets, all in use, and strict about matching requests."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from vcr import VCR
from vcr.cassette import Cassette
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.request import Request

from tests.support import cassettes
from tests.support.cassettes import CASSETTES, CONFIG, LOGIN, RELEASE, archive, uploader
from tools.testing import tested_package
from tools.testing.indexes import basic, local_file
from wheel_uploader.http.client import HttpClient

FILES = sorted(CASSETTES.rglob("*.yaml"))
README = (CASSETTES / "README.rst").read_text(encoding="utf-8")

#: Ports of the test servers.
PORTS = (cassettes.STAGING_PORT, cassettes.INDEX_PORT, cassettes.DEVPI_PORT, *cassettes.STORE_PORTS)
#: The test servers, the DTD in Apache's pages, S3's XML namespace, and the home page of the test wheels.
HOSTS = {*(f"127.0.0.1:{port}" for port in PORTS), "www.w3.org", "s3.amazonaws.com", "example.com"}
SECRETS = (
    *(re.escape(text) for text in (LOGIN[1], basic(*LOGIN).partition(" ")[2])),
    r"pypi-\w",
    r"PRIVATE KEY",
    r"://[^/\s\"']*@",
    r"(?i)set-cookie",
    r"(?i)\b(?:basic|bearer) [\w+/=-]{6,}",
)


def cassette_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=cassette_id)
def test_a_cassette_is_small_and_plain_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 32 * 1024
    assert "!!" not in text
    assert cassettes.Yaml.serialize(yaml.safe_load(text)) == text, "edited by hand"


@pytest.mark.parametrize("path", FILES, ids=cassette_id)
def test_a_cassette_has_no_secrets_and_only_known_hosts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [match[0] for secret in SECRETS for match in re.finditer(secret, text)] == []
    assert set(re.findall(r"://([^/\s\"'<>\\;]+)", text)) <= HOSTS


def test_cassettes_match_the_tests() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "vcr", "-p", "no:cacheprovider"]
    modules = sorted(
        str(path)
        for path in (tested_package.ROOT / "tests").rglob("test_*.py")
        if "mark.vcr" in path.read_text(encoding="utf-8")
    )
    completed = subprocess.run([*command, *modules], capture_output=True, text=True, check=False)
    tests = re.findall(r"(\w+)\.py::(\S+)", completed.stdout)
    assert sorted(f"{module}/{test}" for module, test in tests) == [cassette_id(path) for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=cassette_id)
def test_the_readme_lists_the_source_of_every_cassette(path: Path) -> None:
    assert f"\n{cassette_id(path)}  " in README


# --- strict replay ---------------------------------------------------------------------------------


@pytest.fixture
def cassette(pytestconfig: pytest.Config) -> Iterator[Cassette]:
    """Return the cassette of the release from nginx to pypiserver."""
    recorder = VCR(record_mode="none", **CONFIG)
    cassettes.pytest_recording_configure(pytestconfig, recorder)
    with recorder.use_cassette(
        CASSETTES / "test_replay_release" / "test_from_nginx_to_pypiserver.yaml"
    ) as opened:
        yield opened


INDEX = f"http://127.0.0.1:{cassettes.INDEX_PORT}/"
WHEEL = f"http://127.0.0.1:{cassettes.STAGING_PORT}/{RELEASE[0]}"


def test_replays_an_upload_once_and_only_with_the_same_bytes(cassette: Cassette, tmp_path: Path) -> None:
    path = tmp_path / RELEASE[0]
    path.write_bytes(archive(RELEASE[0]))
    uploader_with_login = uploader(INDEX, *LOGIN)
    assert uploader_with_login.upload(local_file(path)).status == 200
    with pytest.raises(CannotOverwriteExistingCassetteException):
        uploader_with_login.upload(local_file(path))
    path.write_bytes(archive(RELEASE[1]))
    with pytest.raises(CannotOverwriteExistingCassetteException) as caught:
        uploader_with_login.upload(local_file(path))
    assert f"+content: <file {RELEASE[0]}, {len(archive(RELEASE[1]))} bytes" in str(caught.value)


def test_does_not_replay_an_upload_without_credentials(cassette: Cassette, tmp_path: Path) -> None:
    path = tmp_path / RELEASE[0]
    path.write_bytes(archive(RELEASE[0]))
    with pytest.raises(CannotOverwriteExistingCassetteException):
        uploader(INDEX, "", "").upload(local_file(path))


@pytest.mark.parametrize(
    "headers", [{"Range": "bytes=1-"}, {"If-None-Match": '"other"'}, {"Accept": "text/html"}]
)
def test_does_not_replay_a_different_request_for_the_same_file(
    cassette: Cassette, headers: dict[str, str]
) -> None:
    with HttpClient(user_urls=[WHEEL], retries=1) as http:
        with pytest.raises(CannotOverwriteExistingCassetteException), http.stream(WHEEL, headers=headers):
            pass
        with http.stream(WHEEL) as stream:
            assert b"".join(stream.iter_chunks()) == archive(RELEASE[0])


def test_rejects_recorded_bytes_that_cannot_be_rebuilt() -> None:
    request = Request("GET", WHEEL, "", {})
    response = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": b"PK"}}
    with pytest.raises(ValueError, match="sent something else"):
        cassettes.replace_archives_by_names(request, response)

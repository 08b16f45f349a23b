"""Cases that were found by trying the program, with the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.staging import sha256

NAME = wheels.wheel_filename("dipy", "1.11.0")
WHEEL = wheels.wheel_bytes("dipy", "1.11.0")
PIN = f"#sha256={sha256(WHEEL)}"


def listing(link: str, **fields: object) -> Callable[[Request], Sequence[Step]]:
    """Serve an index page with one link, and the file itself."""
    file = {"filename": NAME, "url": link, "hashes": {"sha256": sha256(WHEEL)}, **fields}
    page = json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": [file]}).encode()

    def serve(request: Request) -> Sequence[Step]:
        if request.target.endswith(".whl"):
            return [answer(200, WHEEL, {"Content-Type": "application/zip"})]
        return [answer(200, page, {"Content-Type": "application/vnd.pypi.simple.v1+json"})]

    return serve


# --- metadata ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authors",
    [
        "Ann <ann@example.org>, Bob <bob@example.org>",
        "NumFOCUS, Inc. <info@example.org>",
        '"Doe, Ann" <ann@example.org>, bob@example.org',
    ],
)
def test_author_emails(authors: str, tmp_path: Path) -> None:
    """They are valid for PyPI, whatever the email module of the Python that runs makes of them."""
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0")
    metadata = metadata.replace("Author-email: tester@example.com", f"Author-email: {authors}")
    assert authors in metadata
    wheels.make_wheel(tmp_path / "staged", metadata=metadata)
    wheels.make_sdist(tmp_path / "staged", metadata=metadata)
    command = CommandLine(tmp_path)
    ended = command.run("-u", "staged", "--until", "check", "--strict", "--profile", "pypi", "dipy", "1.11.0")
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    assert "checks: 0 errors, 0 warnings, 0 notes" in ended.stdout


# --- links ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "is_asked"),
    [
        ("files.example.com", True),
        ("intranet", False),
        ("build.corp", False),
        ("10.0.0.1", False),
        ("[fd00::1]", False),
    ],
)
def test_proxy_is_not_asked_for_private_hosts(host: str, is_asked: bool, tmp_path: Path) -> None:
    """A hash in the listing does not permit a request to a host inside of the proxy's network."""
    with (
        ScriptedServer(lambda _: [answer(502, b"", {"Connection": "close"})]) as proxy,
        ScriptedServer(listing(f"https://{host}/{NAME}{PIN}")) as server,
    ):
        options = ("-u", f"{server.url}simple/dipy/", "--until", "download", "--retries", "1")
        ended = CommandLine(tmp_path).run(
            *options, "dipy", "1.11.0", HTTPS_PROXY=proxy.url, https_proxy=proxy.url, NO_PROXY="127.0.0.1"
        )
    # That a private host is not permitted is known before anything is downloaded.
    assert ended.exit_code in ({3, 5, 6} if is_asked else {2}), ended.stderr
    assert {request.method for request in proxy.requests} == ({"CONNECT"} if is_asked else set())


def test_another_port_of_a_private_host_must_be_permitted(tmp_path: Path) -> None:
    with ScriptedServer(listing("x")) as other, ScriptedServer(listing(f"{other.url}{NAME}{PIN}")) as server:
        command = CommandLine(tmp_path)
        options = ("-u", f"{server.url}simple/dipy/", "--until", "download", "--retries", "1")
        refused = command.run(*options, "dipy", "1.11.0")
        assert refused.exit_code == 2, refused.stderr
        assert other.connections == 0
        allowed = command.run(*options, "--allow-host", f"127.0.0.1:{other.port}", "dipy", "1.11.0")
    assert allowed.exit_code == 0, allowed.stderr


@pytest.mark.parametrize(
    ("age", "code"), [(timedelta(days=-1), 3), (timedelta(days=2), 0), (timedelta(days=4), 3)]
)
def test_upload_time_in_the_future_is_not_fresh(age: timedelta, code: int, tmp_path: Path) -> None:
    uploaded = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    with ScriptedServer(listing(f"/files/{NAME}", **{"upload-time": uploaded})) as server:
        options = ("-u", f"{server.url}simple/dipy/", "--until", "list", "--max-age", "3d")
        ended = CommandLine(tmp_path).run(*options, "dipy", "1.11.0")
    assert ended.exit_code == code, ended.stderr
    assert ("--max-age" in ended.stderr) == bool(code)


# --- streams -------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="redirections of a POSIX shell")
@pytest.mark.parametrize(
    ("report", "closed"), [("text", ">&-"), ("json", ">&-"), ("sarif", "2>&-"), ("html", "<&- >&- 2>&-")]
)
def test_closed_stream_does_not_hide_failed_checks(report: str, closed: str, tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "staged", without=("dipy/__init__.py",))
    call = (
        f"{sys.executable} -m wheel_uploader -u staged --until check --format {report} dipy 1.11.0 {closed}"
    )
    done = subprocess.run(
        ["bash", "-c", call],
        cwd=tmp_path,
        env=CommandLine(tmp_path).environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stdout + done.stderr

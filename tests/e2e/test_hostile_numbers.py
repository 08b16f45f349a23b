"""Absurd numbers from servers: the real command ends with a documented exit code and one error message."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import wheels
from tools.testing.scripted import HANG, Request, ScriptedServer, Step, answer

NAME = wheels.wheel_filename("dipy", "1.11.0")
WHEEL = wheels.wheel_bytes("dipy", "1.11.0")
JSON = "application/vnd.pypi.simple.v1+json"


def index(**changes: object) -> bytes:
    """Return a page with one file; the placeholder "@1e400" becomes a number that json.dumps cannot write."""
    file = {"filename": NAME, "url": f"/files/{NAME}", "hashes": {}, **changes}
    text = json.dumps({"meta": {"api-version": "1.0"}, "name": "dipy", "files": [file]})
    return text.replace('"@1e400"', "1e400").encode()


def page(**changes: object) -> Callable[[Request], Sequence[Step]]:
    """Serve a listing with these changes, and the file that it lists."""

    def serve(request: Request) -> Sequence[Step]:
        if request.target.endswith(".whl"):
            return [answer(200, WHEEL, {"Content-Type": "application/octet-stream"})]
        return [answer(200, index(**changes), {"Content-Type": JSON})]

    return serve


def file(status: int, headers: Mapping[str, str], body: bytes = WHEEL) -> Callable[[Request], Sequence[Step]]:
    """Serve a good listing, and a file with these headers."""

    def serve(request: Request) -> Sequence[Step]:
        if request.target.endswith(".whl"):
            return [answer(status, body, {"Content-Type": "application/octet-stream", **headers})]
        return [answer(200, index(), {"Content-Type": JSON})]

    return serve


def listed(status: int, headers: Mapping[str, str]) -> Callable[[Request], Sequence[Step]]:
    return lambda _: [answer(status, b"", headers)]


CASES: dict[str, tuple[Callable[[Request], Sequence[Step]], int, str]] = {
    "size of 400 digits": (page(size=10**400), 3, "more than 1 TiB"),
    "size of 1e400": (page(size="@1e400"), 0, ""),
    "size below 0": (page(size=-1), 0, ""),
    "size of 1 TiB and a byte": (page(size=(1 << 40) + 1), 3, "more than 1 TiB"),
    "date of year 1": (page(**{"upload-time": "0001-01-01T00:00:00+14:00"}), 0, ""),
    "date of year 9999": (page(**{"upload-time": "9999-12-31T23:59:59-14:00"}), 0, ""),
    "port 99999 in a link": (page(url=f"http://127.0.0.1:99999/{NAME}"), 3, "not a URL"),
    "port of Arabic digits in a link": (page(url=f"http://127.0.0.1:٤٤٣/{NAME}"), 3, "not a URL"),
    "length of 19 digits": (file(200, {"Content-Length": "1" + "0" * 18}), 6, "more than 1 TiB"),
    "length of 5,000 digits": (file(200, {"Content-Length": "9" * 5000}), 5, ""),
    "redirect to a bad port": (file(302, {"Location": "http://127.0.0.1:99999/x"}), 3, "not a URL"),
    "listing at a bad port": (listed(302, {"Location": "http://127.0.0.1:99999/x"}), 3, "not a URL"),
    "pause of 10**30 s": (listed(503, {"Retry-After": "1" + "0" * 30}), 5, "503"),
    "pause until 9999": (listed(503, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 -1400"}), 5, "503"),
}


@pytest.mark.parametrize("case", CASES)
def test_ends_with_an_exit_code_and_an_error_message(case: str, tmp_path: Path) -> None:
    serve, code, message = CASES[case]
    with ScriptedServer(serve) as server:
        url = f"{server.url}simple/dipy/"
        ended = CommandLine(tmp_path).run("-u", url, "--until", "check", "--retries", "1", "dipy", "1.11.0")
    assert ended.exit_code == code, ended.stderr
    assert message in ended.stderr
    assert ended.stderr.count("error: ") == bool(code), ended.stderr


#: MiB that a server sends of a response before it stops sending.
SENT = 8
#: Runs the command and appends its peak memory, in MiB, to a file ten times a second: the run may end by
#: ``os._exit``, which calls no ``atexit`` function.
RUN = """
import os, pathlib, sys, threading, time
from wheel_uploader.cli import main

def watch():
    status = pathlib.Path("/proc/self/status")
    while True:
        peak = int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024
        os.write(peaks, f"{peak}\\n".encode())
        time.sleep(0.1)

peaks = os.open("peaks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
threading.Thread(target=watch, daemon=True).start()
sys.argv[0] = "wheel-uploader"
main()
"""


def endless(total: int, *, ranges_of: int) -> Callable[[Request], Sequence[Step]]:
    """Serve a file that announces ``total`` bytes, and ``ranges_of`` bytes in responses to range requests."""

    def serve(request: Request) -> Sequence[Step]:
        if not request.target.endswith(".whl"):
            return [answer(200, index(), {"Content-Type": JSON})]
        headers = {"Content-Type": "application/zip", "ETag": '"x"', "Accept-Ranges": "bytes"}
        byte_range = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        first = int(byte_range[1]) if byte_range else 0
        end = int(byte_range[2]) + 1 if byte_range and byte_range[2] else ranges_of if byte_range else total
        if byte_range:
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{ranges_of}"
        headers["Content-Length"] = str(end - first)
        body = [b"PK\3\4" + bytes((1 << 20) - 4), *[bytes(1 << 20), 0.01] * (SENT - 1)]
        return [answer(206 if byte_range else 200, b"", headers), *body, HANG]

    return serve


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts kilobytes on Linux")
@pytest.mark.parametrize("ranges_of", [(1 << 40) - 1, 10**18 - 1, 1 << 30], ids=["same", "more", "less"])
def test_announced_size_takes_neither_memory_nor_disk(ranges_of: int, tmp_path: Path) -> None:
    """Memory and disk depend on the received bytes, not on the announced size."""
    with ScriptedServer(endless((1 << 40) - 1, ranges_of=ranges_of)) as server:
        options = [
            "--until",
            "check",
            "-w",
            "house",
            "--retries",
            "1",
            "--timeout",
            "2",
            "--max-duration",
            "4",
        ]
        done = subprocess.run(
            [sys.executable, "-c", RUN, "-u", f"{server.url}simple/dipy/", *options, "dipy", "1.11.0"],
            cwd=tmp_path,
            env=CommandLine(tmp_path).environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        connections = server.connections
    assert done.returncode in {5, 10}, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    peaks = [int(line) for line in (tmp_path / "peaks").read_text().split()]
    assert peaks
    assert max(peaks) < 150
    parts = [path.stat() for path in tmp_path.glob("house/**/*.part*")]
    assert parts
    # One connection per range, and no endless retries.
    assert connections < 100
    assert sum(part.st_blocks * 512 for part in parts) <= connections * SENT << 20

"""How long it takes until something is on the screen: ``python -m benchmarks.startup [RUNS]``.

Whole processes, one after another: ``--help``; and runs against a server of this machine, until their first
line and until their end, of an index page in JSON, of a listing in HTML, and of a wheel that is downloaded
and checked. Prints the medians as Markdown; CPU seconds are those of the process, its own start included.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests import wheels

RUNS = 15
_JSON = "application/vnd.pypi.simple.v1+json"


class Took(NamedTuple):
    """Seconds of one process: until its first line, until its end, and of CPU time."""

    first: float
    wall: float
    cpu: float


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    # What is installed is compiled; here the first run may do it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        ours = [sys.executable, "-m", "wheel_uploader"]
        listing = [*ours, "--until", "list", "-u"]
        commands = {
            "python -c 'print()'": [sys.executable, "-c", "print()"],
            "--help": [*ours, "--help"],
            "--until list, an index page in JSON": [*listing, f"{url}simple/dipy/", "dipy"],
            "--until list, a listing in HTML": [*listing, f"{url}files/", "dipy"],
            "--until check, a wheel over HTTP": [*ours, "--until", "check", "-u", f"{url}files/", "dipy"],
        }
        for command in commands.values():
            timed(command, folder)  # what is compiled once is not measured
        # Round by round: what disturbs the machine for a while disturbs each of them.
        rounds = [{name: timed(command, folder) for name, command in commands.items()} for _ in range(runs)]
    print("| run | first line | end | CPU |")
    print("|---|---|---|---|")
    for name in commands:
        first, wall, cpu = (
            statistics.median(column) for column in zip(*(r[name] for r in rounds), strict=True)
        )
        print(f"| {name} | {first:.2f} | {wall:.2f} | {cpu:.2f} |")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    machine = f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load:.1f}"
    print(f"\nSeconds, medians of {runs}; {machine}.")


def timed(command: list[str], folder: str) -> Took:
    before, begun = os.times(), time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder
    ) as process:
        assert process.stdout
        process.stdout.readline()
        first = time.perf_counter() - begun
        process.stdout.read()
    wall, after = time.perf_counter() - begun, os.times()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Took(first, wall, cpu)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of a server on loopback that has one wheel, listed in JSON and in HTML."""
    wheel = wheels.make_wheel(folder)
    page = {
        "meta": {"api-version": "1.0"},
        "name": "dipy",
        "files": [{"filename": wheel.name, "url": f"/files/{wheel.name}", "hashes": {}}],
    }
    bodies = {
        "/simple/dipy/": (json.dumps(page).encode(), _JSON),
        "/files/": (f'<a href="{wheel.name}">{wheel.name}</a>'.encode(), "text/html"),
        f"/files/{wheel.name}": (wheel.read_bytes(), "application/octet-stream"),
    }
    wheel.unlink()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body, kind = bodies.get(self.path, (b"", "text/plain"))
            self.send_response(200 if body else 404)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    main()

"""Measures the time to the first line of output: ``python -m benchmarks.startup [RUNS]``.

It measures whole processes, one after another, until their first line and until their end: ``--help``, and
runs against a local server that list an index page in JSON, list an HTML page, and download and check a
wheel. It prints the medians as Markdown; CPU seconds include the start of the process.
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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from tools.testing import wheels
from tools.testing.serving import serve_in_thread

_JSON = "application/vnd.pypi.simple.v1+json"


class Timing(NamedTuple):
    """Seconds of one process: until its first line, until its end, and CPU time."""

    first: float
    wall: float
    cpu: float


@click.command()
@click.argument("runs", default=15)
def main(runs: int) -> None:
    """Measure the time to the first line of output RUNS times."""
    # Installed packages have compiled bytecode; here the first run may write it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        program = [sys.executable, "-m", "wheel_uploader"]
        listing = [*program, "--until", "list", "-u"]
        commands = {
            "python -c 'print()'": [sys.executable, "-c", "print()"],
            "--help": [*program, "--help"],
            "--until list, an index page in JSON": [*listing, f"{url}simple/dipy/", "dipy"],
            "--until list, a listing in HTML": [*listing, f"{url}files/", "dipy"],
            "--until check, a wheel over HTTP": [*program, "--until", "check", "-u", f"{url}files/", "dipy"],
        }
        for command in commands.values():
            measure(command, folder)  # warm up: the first run writes bytecode
        # In rounds, so that a temporary disturbance of the machine affects all commands.
        rounds = [{name: measure(command, folder) for name, command in commands.items()} for _ in range(runs)]
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


def measure(command: list[str], folder: str) -> Timing:
    before, started_at = os.times(), time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder
    ) as process:
        assert process.stdout
        process.stdout.readline()
        first = time.perf_counter() - started_at
        process.stdout.read()
    wall, after = time.perf_counter() - started_at, os.times()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Timing(first, wall, cpu)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve one wheel on loopback, listed in JSON and in HTML, and yield the URL."""
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
            body, content_type = bodies.get(self.path, (b"", "text/plain"))
            self.send_response(200 if body else 404)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, serve_in_thread(server) as url:
        yield url


if __name__ == "__main__":
    main()

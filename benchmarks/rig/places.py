"""Real servers on the far side of a line: nginx with TLS before a folder, and before a package index."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from benchmarks.rig.link import Link
from tests.servers import Certificate, certificate

_SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_START = 60.0


@contextlib.contextmanager
def certified(link: Link) -> Iterator[Certificate]:
    """A certificate for the servers of the far side."""
    with tempfile.TemporaryDirectory(prefix="certificate-") as folder:
        yield certificate(Path(folder), f"IP:{link.bind},IP:127.0.0.1,DNS:localhost")


@contextlib.contextmanager
def staging(link: Link, tls: Certificate, files: Iterable[Path]) -> Iterator[str]:
    """The URL of a listing by nginx of links to these files."""
    with tempfile.TemporaryDirectory(prefix="staged-") as folder:
        Path(folder).chmod(0o755)
        for path in files:
            (Path(folder) / path.name).symlink_to(path.resolve())
        # A whole distribution's settings: sendfile and tcp_nopush; a client that asks for HTTP/2 gets none.
        with nginx(link, tls, f"root {folder}; autoindex on; sendfile on; tcp_nopush on;") as url:
            yield url


@contextlib.contextmanager
def nginx(link: Link, tls: Certificate, location: str) -> Iterator[str]:
    """The URL of an nginx that does with every request what ``location`` says."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SBIN])
    program = shutil.which("nginx", path=path)
    if not program:
        raise click.ClickException("nginx is not installed: apt install nginx")
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder, port = Path(name), free_port()
        temporary = " ".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            f"""
            {user} daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{ worker_connections 512; }}
            http {{
                access_log off; {temporary} default_type application/octet-stream; types {{ text/html html; }}
                client_max_body_size 0; ssl_session_cache shared:tls:4m;
                server {{
                    listen {link.bind}:{port} ssl; ssl_certificate {tls.cert}; ssl_certificate_key {tls.key};
                    location / {{ {location} }}
                }}
            }}
            """,
            encoding="utf-8",
        )
        command = [program, "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"]
        with running(link.server(command), link, port, folder / "output.log"):
            yield f"https://{link.reach(port)}/"


@contextlib.contextmanager
def running(command: Sequence[str], link: Link, port: int, log: Path) -> Iterator[None]:
    """A server's process, from the moment that it takes connections until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        end = time.monotonic() + _START
        while not _listens(link, port):
            if process.poll() is not None or time.monotonic() > end:
                raise click.ClickException(f"{command[0]} did not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(link: Link, port: int) -> bool:
    # Asked from the server's own side, so that the line is not used.
    probe = f"import socket; socket.create_connection(({link.bind!r}, {port}), 2).close()"
    command = link.server([sys.executable, "-S", "-c", probe])
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])

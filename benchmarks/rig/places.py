"""Runs real servers on the server's side of a line: nginx with TLS, for a folder or for a package index."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from benchmarks.rig.link import Link
from tools.testing.servers import Certificate, certificate
from tools.testing.serving import free_port, stop_process

#: Directories of nginx that may be missing from PATH.
_SBIN_DIRECTORIES = ("/usr/sbin", "/usr/local/sbin", "/sbin")
#: Seconds to wait for a server to start.
_START_TIMEOUT = 60.0


@contextlib.contextmanager
def make_certificate(link: Link) -> Iterator[Certificate]:
    """Yield a certificate for the servers of ``link``."""
    with tempfile.TemporaryDirectory(prefix="certificate-") as folder:
        yield certificate(Path(folder), f"IP:{link.bind},IP:127.0.0.1,DNS:localhost")


@contextlib.contextmanager
def serve_files(link: Link, tls: Certificate, files: Iterable[Path]) -> Iterator[str]:
    """Serve links to these files with nginx, and yield the URL of the listing."""
    with tempfile.TemporaryDirectory(prefix="staged-") as folder:
        Path(folder).chmod(0o755)
        for path in files:
            (Path(folder) / path.name).symlink_to(path.resolve())
        # The usual settings of distributions, sendfile and tcp_nopush; without HTTP/2.
        with nginx(link, tls, f"root {folder}; autoindex on; sendfile on; tcp_nopush on;") as url:
            yield url


@contextlib.contextmanager
def nginx(link: Link, tls: Certificate, location: str) -> Iterator[str]:
    """Run nginx with the settings ``location`` for all requests, and yield its URL."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SBIN_DIRECTORIES])
    program = shutil.which("nginx", path=path)
    if not program:
        raise click.ClickException("nginx is not installed: apt install nginx")
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder, port = Path(name), free_port()
        temp_paths = " ".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            f"""
            {user} daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{ worker_connections 512; }}
            http {{
                access_log off; {temp_paths}
                default_type application/octet-stream; types {{ text/html html; }}
                client_max_body_size 0; ssl_session_cache shared:tls:4m;
                # As nginx.conf of the distributions for pages, and as PyPI for pages in JSON.
                ssl_protocols TLSv1.2 TLSv1.3; gzip on; gzip_types application/vnd.pypi.simple.v1+json;
                server {{
                    listen {link.bind}:{port} ssl; ssl_certificate {tls.cert}; ssl_certificate_key {tls.key};
                    location / {{ {location} }}
                }}
            }}
            """,
            encoding="utf-8",
        )
        command = [program, "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"]
        with run_server(link.server(command), link, port, folder / "output.log"):
            yield f"https://{link.reach(port)}/"


@contextlib.contextmanager
def run_server(command: Sequence[str], link: Link, port: int, log: Path) -> Iterator[None]:
    """Run a server; the block is entered once it accepts connections, and the server ends with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT
        while not _is_listening(link, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise click.ClickException(f"{command[0]} did not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield
    finally:
        stop_process(process)


def _is_listening(link: Link, port: int) -> bool:
    # Probed from the server's side, so that the line is not used.
    probe = f"import socket; socket.create_connection(({link.bind!r}, {port}), 2).close()"
    command = link.server([sys.executable, "-S", "-c", probe])
    return subprocess.run(command, check=False, capture_output=True).returncode == 0

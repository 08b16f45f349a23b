"""Runs real package indexes on the server's side of a line, each new and empty, behind nginx with TLS."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.rig.link import Link
from benchmarks.rig.places import nginx, run_server
from tools.testing.servers import Certificate
from tools.testing.serving import free_port

KINDS = ("slow", "pypiserver", "devpi")


@dataclass(frozen=True, kw_only=True)
class Index:
    """A running index: its URLs, its credentials, and the folder that it stores files in."""

    upload_url: str
    simple_url: str
    username: str
    password: str
    #: None if the index does not store files under their names.
    storage: Path | None

    def count(self, names: list[str]) -> int:
        """Return how many of these files the index has; 0 if that is not known."""
        return len({path.name for path in self.storage.iterdir()} & set(names)) if self.storage else 0

    def spread(self) -> float:
        """Return the seconds between the first and the last stored file; 0 if that is not known."""
        times = [path.stat().st_mtime for path in self.storage.iterdir()] if self.storage else []
        return max(times) - min(times) if times else 0.0


@contextlib.contextmanager
def index(kind: str, link: Link, tls: Certificate, folder: Path, *, think: float) -> Iterator[Index]:
    """Run an index of a kind in KINDS."""
    storage, port = folder / "storage", free_port()
    storage.mkdir(parents=True)
    module = [sys.executable, "-m"]
    if kind == "slow":
        command = [
            *module,
            "benchmarks.rig.slow_index",
            link.bind,
            str(port),
            str(storage),
            "--think",
            str(think),
        ]
    elif kind == "pypiserver":
        command = [*module, "pypiserver", "run", "--interface", link.bind, "--port", str(port)]
        command += ["--passwords", ".", "--authenticate", ".", "--hash-algo", "sha256", str(storage)]
    else:
        command = _build_devpi_command(link, port, folder)
    with contextlib.ExitStack() as stack:
        stack.enter_context(run_server(link.server(command), link, port, folder / "index.log"))
        # As with most indexes, nginx receives the whole form before it passes it on.
        location = (
            f"proxy_pass http://{link.bind}:{port}; proxy_http_version 1.1; proxy_set_header Host $http_host;"
        )
        headers = 'proxy_set_header Connection ""; proxy_read_timeout 300s; proxy_set_header X-outside-url https://$http_host;'
        url = stack.enter_context(nginx(link, tls, location + headers))
        login = ("me", "my-password")
        upload_url, simple_url = (
            (f"{url}legacy/", f"{url}simple/") if kind == "slow" else (url, f"{url}simple/")
        )
        if kind == "devpi":
            _create_devpi_index(link, url, login)
            upload_url, simple_url = f"{url}me/release/", f"{url}me/release/+simple/"
        yield Index(
            upload_url=upload_url,
            simple_url=simple_url,
            username=login[0],
            password=login[1],
            storage=None if kind == "devpi" else storage,
        )


def _build_devpi_command(link: Link, port: int, folder: Path) -> list[str]:
    binaries = Path(sys.executable).parent
    data = str(folder / "devpi")
    init = [str(binaries / "devpi-init"), "--serverdir", data, "--no-root-pypi"]
    try:
        subprocess.run(init, check=True, capture_output=True)
    except OSError:
        raise click.ClickException("devpi is not installed: pip install devpi-server") from None
    return [str(binaries / "devpi-server"), "--serverdir", data, "--host", link.bind, "--port", str(port)]


def _create_devpi_index(link: Link, url: str, login: tuple[str, str]) -> None:
    """Create a user and an index of devpi, from a process on the client's side."""
    script = (
        "import httpx, sys; url, name, word = sys.argv[1:];"
        "client = httpx.Client(verify=False, timeout=60, trust_env=False);"
        "client.put(url + name, json={'password': word}).raise_for_status();"
        "login = client.post(url + '+login', json={'user': name, 'password': word}).json();"
        "token = login['result']['password'];"
        "import base64; header = base64.b64encode(f'{name}:{token}'.encode()).decode();"
        "client.put(url + name + '/release', json={'bases': [], 'volatile': False},"
        " headers={'X-Devpi-Auth': header}).raise_for_status()"
    )
    command = link.client([sys.executable, "-W", "ignore", "-c", script, url, *login])
    subprocess.run(command, check=True, capture_output=True)

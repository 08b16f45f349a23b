"""Real package indexes on the far side of a line, each fresh and empty, behind nginx with TLS."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.rig.link import Link
from benchmarks.rig.places import free_port, nginx, running
from tests.servers import Certificate

KINDS = ("slow", "pypiserver", "devpi")


@dataclass(frozen=True, kw_only=True)
class Index:
    """Where to post, where to read, with whose credentials; and the folder that the files land in."""

    upload_url: str
    simple_url: str
    username: str
    password: str
    #: None where an index keeps its files in a way of its own.
    stored: Path | None

    def count(self, names: list[str]) -> int:
        """How many of these files it has."""
        return len({path.name for path in self.stored.iterdir()} & set(names)) if self.stored else 0

    def spread(self) -> float:
        """Seconds between the first file that was there and the last."""
        times = [path.stat().st_mtime for path in self.stored.iterdir()] if self.stored else []
        return max(times) - min(times) if times else 0.0


@contextlib.contextmanager
def index(kind: str, link: Link, tls: Certificate, folder: Path, *, think: float) -> Iterator[Index]:
    """An index of one of KINDS, for one run."""
    stored, port = folder / "stored", free_port()
    stored.mkdir(parents=True)
    module = [sys.executable, "-m"]
    if kind == "slow":
        command = [
            *module,
            "benchmarks.rig.slow_index",
            link.bind,
            str(port),
            str(stored),
            "--think",
            str(think),
        ]
    elif kind == "pypiserver":
        command = [*module, "pypiserver", "run", "--interface", link.bind, "--port", str(port)]
        command += ["--passwords", ".", "--authenticate", ".", "--hash-algo", "sha256", str(stored)]
    else:
        command = _devpi(link, port, folder)
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(link.server(command), link, port, folder / "index.log"))
        # As before most indexes: a form is taken whole before the index sees any of it.
        proxied = (
            f"proxy_pass http://{link.bind}:{port}; proxy_http_version 1.1; proxy_set_header Host $http_host;"
        )
        more = 'proxy_set_header Connection ""; proxy_read_timeout 300s; proxy_set_header X-outside-url https://$http_host;'
        url = stack.enter_context(nginx(link, tls, proxied + more))
        login = ("me", "my-password")
        upload_url, simple_url = (
            (f"{url}legacy/", f"{url}simple/") if kind == "slow" else (url, f"{url}simple/")
        )
        if kind == "devpi":
            _make_index(link, url, login)
            upload_url, simple_url = f"{url}me/release/", f"{url}me/release/+simple/"
        yield Index(
            upload_url=upload_url,
            simple_url=simple_url,
            username=login[0],
            password=login[1],
            stored=None if kind == "devpi" else stored,
        )


def _devpi(link: Link, port: int, folder: Path) -> list[str]:
    binaries = Path(sys.executable).parent
    data = str(folder / "devpi")
    init = [str(binaries / "devpi-init"), "--serverdir", data, "--no-root-pypi"]
    try:
        subprocess.run(init, check=True, capture_output=True)
    except OSError:
        raise click.ClickException("devpi is not installed: pip install devpi-server") from None
    return [str(binaries / "devpi-server"), "--serverdir", data, "--host", link.bind, "--port", str(port)]


def _make_index(link: Link, url: str, login: tuple[str, str]) -> None:
    """A user and an index of devpi, made from the near side with a process of its own."""
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

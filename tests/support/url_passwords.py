"""Runs of the command with URLs that have a password without percent-encoding, from every possible source."""

from __future__ import annotations

import contextlib
import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.canaries import Sandbox, UserHome, find_leak
from tools.testing import gpg, indexes, wheels
from tools.testing.indexes import Reply
from tools.testing.scripted import Request, ScriptedServer, Step, answer

NAME = wheels.wheel_filename("dipy", "1.11.0", "py3-none-any")

#: Characters in the middle of the password, and ports after the host.
SEPARATORS = ("/", "#", "?", "@", '"', "'", "<", " ", "[", "\\", "\u2100")
PORTS = ("", ":8080", ":port", ":99999")


class Servers:
    """A staging area and an index, both of which repeat one URL in links or redirects."""

    def __init__(self, folder: Path, separator: str, port: str) -> None:
        self.user_home = UserHome(folder / "home")
        self.sandbox = Sandbox(self.user_home.path, gpg.GPG)
        core = self.user_home.core
        self.bad_url = f"https://user:{core[:16]}{separator}{core[16:]}@127.0.0.9{port}/"
        self.staging = ""
        self.index = ""

    def respond(self, request: Request) -> Sequence[Step]:
        """Serve a wheel below ``/good/``; elsewhere the first part of the path selects the response."""
        first, name = request.target.strip("/").split("/")[0], request.target.rpartition("/")[2]
        bad_url = self.bad_url + NAME
        if first == "good" and name:
            return [answer(200, wheels.wheel_bytes(tag="py3-none-any"))]
        if first == "json":
            files = {"meta": {"api-version": "1.0"}, "name": "dipy", "files": [_pep691(bad_url)]}
            kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
            return [answer(200, json.dumps(files).encode(), kind)]
        if first == "moved" or name:
            return [answer(302, b"", {"Location": self._location()})]
        head = f'<base href="{html.escape(self.bad_url)}">' if first == "base" else ""
        link = html.escape(bad_url) if first == "link" else NAME
        return [answer(200, f'{head}<a href="{link}">{NAME}</a>'.encode())]

    def _location(self) -> str:
        # Headers are Latin-1.
        return f"{self.bad_url}{NAME}".replace("\u2100", "\xb5")


def _pep691(url: str) -> dict[str, object]:
    return {"filename": NAME, "url": url, "hashes": {}}


def _from(first: str) -> Callable[[Servers], Sequence[str]]:
    return lambda servers: ("-u", f"{servers.staging}{first}/", "--until", "download")


def _good(servers: Servers, *more: str) -> tuple[str, ...]:
    return ("-u", f"{servers.staging}good/", *more)


def _variable(name: str, *, bare: bool = False) -> Callable[[Servers], Sequence[str]]:
    def arguments(servers: Servers) -> Sequence[str]:
        url = servers.bad_url.partition("//")[2] if bare else servers.bad_url
        servers.user_home.environment |= {name: url, "NO_PROXY": ""}
        if "proxy" in name:
            return ("-u", "http://other.example/", "--allow-insecure-host", "other.example")
        return (
            _good(servers, "--repository-url", servers.index) if name.startswith("GITHUB") else _good(servers)
        )

    return arguments


def _pypirc(servers: Servers) -> Sequence[str]:
    text = f"[distutils]\nindex-servers = mine\n[mine]\nrepository = {servers.bad_url}\nusername = me\n"
    servers.user_home.write(".pypirc", text)
    return _good(servers, "-r", "mine")


def _pyproject(servers: Servers) -> Sequence[str]:
    servers.user_home.write(
        "pyproject.toml", f"[tool.wheel-uploader]\nurl = [{json.dumps(servers.bad_url)}]\n"
    )
    return ()


#: Every source of a URL.
URL_INPUTS: dict[str, Callable[[Servers], Sequence[str]]] = {
    "link": _from("link"),
    "link of JSON": _from("json"),
    "base of a page": _from("base"),
    "redirect of a listing": _from("moved"),
    "redirect of a file": _from("file"),
    "-u": lambda servers: ("-u", servers.bad_url),
    "-u of another scheme": lambda servers: ("-u", servers.bad_url.replace("https", "ftp")),
    "-u of a file on another machine": lambda servers: ("-u", servers.bad_url.replace("https", "file")),
    "pyproject.toml": _pyproject,
    "--repository-url": lambda servers: _good(servers, "--repository-url", servers.bad_url),
    "--index-url": lambda servers: _good(
        servers, "--repository-url", servers.index, "--index-url", servers.bad_url
    ),
    "TWINE_REPOSITORY_URL": _variable("TWINE_REPOSITORY_URL"),
    ".pypirc": _pypirc,
    "HTTP_PROXY": _variable("http_proxy"),
    "HTTP_PROXY without a scheme": _variable("http_proxy", bare=True),
    "GITHUB_SERVER_URL": _variable("GITHUB_SERVER_URL"),
    "redirect of an upload": lambda servers: _good(servers, "--repository-url", servers.index),
    "redirect of the index": lambda servers: _good(servers, "--repository-url", servers.index),
}


def find_problem(way: str, separator: str, port: str, folder: Path) -> str:
    """Run the command with the URL from one source. Return the leak or wrong exit code, if any."""
    servers = Servers(folder, separator, port)
    with contextlib.ExitStack() as stack:
        servers.staging = stack.enter_context(ScriptedServer(servers.respond)).url
        served = stack.enter_context(indexes.scripted_index())
        servers.index = served.upload_url
        redirect = [Reply(302, "", {"Location": servers._location()})] * 20
        if way == "redirect of an upload":
            served.index.script = [*redirect]
        elif way == "redirect of the index":
            served.index.get_script = [*redirect]
        arguments = URL_INPUTS[way](servers)
        variables = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "anything"}
        common = ("-vv", "--retries", "1", "--report", "r.json", "-w", "house", "dipy", "1.11.0")
        ended = servers.sandbox.run(servers.user_home, *arguments, *common, **variables)
    output = ended.stderr + ended.stdout
    outputs = {"output": output, **dict(servers.sandbox.files()), **dict(servers.sandbox.children())}
    for name, data in outputs.items():
        if leak := find_leak(servers.user_home.core, data):
            return f"{name} has a part of the password: {leak!r}"
    # The variable of another service is ignored if it is not a URL.
    if b"Traceback" in output or ended.returncode in ({1} if way.startswith("GITHUB") else {0, 1}):
        return f"exit code {ended.returncode}: {output[-1500:].decode()}"
    return ""

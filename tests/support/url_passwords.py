"""Passwords that are not encoded, in URLs from everywhere that a URL can come from, and the command."""

from __future__ import annotations

import contextlib
import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support import gpg, indexes, wheels
from tests.support.canaries import Sandbox, UserHome, find_leak
from tests.support.indexes import Reply
from tests.support.scripted import Request, ScriptedServer, Step, answer

NAME = wheels.wheel_filename("dipy", "1.11.0", "py3-none-any")

#: Characters in the middle of the password, and the port after the host.
SEPARATORS = ("/", "#", "?", "@", '"', "'", "<", " ", "[", "\\", "\u2100")
PORTS = ("", ":8080", ":port", ":99999")


class Servers:
    """A staging area and an index, both of which repeat one URL in links or redirects."""

    def __init__(self, folder: Path, middle: str, port: str) -> None:
        self.visit = UserHome(folder / "home")
        self.machine = Sandbox(self.visit.home, gpg.GPG)
        core = self.visit.core
        self.bad = f"https://user:{core[:16]}{middle}{core[16:]}@127.0.0.9{port}/"
        self.staging = ""
        self.index = ""

    def answers(self, request: Request) -> Sequence[Step]:
        """Serve a wheel below ``/good/``; elsewhere, what the first part of the path says."""
        first, name = request.target.strip("/").split("/")[0], request.target.rpartition("/")[2]
        bad = self.bad + NAME
        if first == "good" and name:
            return [answer(200, wheels.wheel_bytes(tag="py3-none-any"))]
        if first == "json":
            files = {"meta": {"api-version": "1.0"}, "name": "dipy", "files": [_pep691(bad)]}
            kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
            return [answer(200, json.dumps(files).encode(), kind)]
        if first == "moved" or name:
            return [answer(302, b"", {"Location": self._location()})]
        head = f'<base href="{html.escape(self.bad)}">' if first == "base" else ""
        link = html.escape(bad) if first == "link" else NAME
        return [answer(200, f'{head}<a href="{link}">{NAME}</a>'.encode())]

    def _location(self) -> str:
        # Headers are Latin-1.
        return f"{self.bad}{NAME}".replace("\u2100", "\xb5")


def _pep691(url: str) -> dict[str, object]:
    return {"filename": NAME, "url": url, "hashes": {}}


def _from(first: str) -> Callable[[Servers], Sequence[str]]:
    return lambda place: ("-u", f"{place.staging}{first}/", "--until", "download")


def _good(place: Servers, *more: str) -> tuple[str, ...]:
    return ("-u", f"{place.staging}good/", *more)


def _variable(name: str, *, bare: bool = False) -> Callable[[Servers], Sequence[str]]:
    def arguments(place: Servers) -> Sequence[str]:
        url = place.bad.partition("//")[2] if bare else place.bad
        place.visit.environment |= {name: url, "NO_PROXY": ""}
        if "proxy" in name:
            return ("-u", "http://other.example/", "--allow-insecure-host", "other.example")
        return _good(place, "--repository-url", place.index) if name.startswith("GITHUB") else _good(place)

    return arguments


def _pypirc(place: Servers) -> Sequence[str]:
    text = f"[distutils]\nindex-servers = mine\n[mine]\nrepository = {place.bad}\nusername = me\n"
    place.visit.write(".pypirc", text)
    return _good(place, "-r", "mine")


def _pyproject(place: Servers) -> Sequence[str]:
    place.visit.write("pyproject.toml", f"[tool.wheel-uploader]\nurl = [{json.dumps(place.bad)}]\n")
    return ()


#: Every way in for the URL.
URL_INPUTS: dict[str, Callable[[Servers], Sequence[str]]] = {
    "link": _from("link"),
    "link of JSON": _from("json"),
    "base of a page": _from("base"),
    "redirect of a listing": _from("moved"),
    "redirect of a file": _from("file"),
    "-u": lambda place: ("-u", place.bad),
    "-u of another scheme": lambda place: ("-u", place.bad.replace("https", "ftp")),
    "-u of a file on another machine": lambda place: ("-u", place.bad.replace("https", "file")),
    "pyproject.toml": _pyproject,
    "--repository-url": lambda place: _good(place, "--repository-url", place.bad),
    "--index-url": lambda place: _good(place, "--repository-url", place.index, "--index-url", place.bad),
    "TWINE_REPOSITORY_URL": _variable("TWINE_REPOSITORY_URL"),
    ".pypirc": _pypirc,
    "HTTP_PROXY": _variable("http_proxy"),
    "HTTP_PROXY without a scheme": _variable("http_proxy", bare=True),
    "GITHUB_SERVER_URL": _variable("GITHUB_SERVER_URL"),
    "redirect of an upload": lambda place: _good(place, "--repository-url", place.index),
    "redirect of the index": lambda place: _good(place, "--repository-url", place.index),
}


def find_problem(way: str, middle: str, port: str, folder: Path) -> str:
    """Run the command with the URL in one place. Return the leak or the wrong exit code, else nothing."""
    place = Servers(folder, middle, port)
    with contextlib.ExitStack() as stack:
        place.staging = stack.enter_context(ScriptedServer(place.answers)).url
        served = stack.enter_context(indexes.scripted_index())
        place.index = served.upload_url
        redirect = [Reply(302, "", {"Location": place._location()})] * 20
        if way == "redirect of an upload":
            served.index.script = [*redirect]
        elif way == "redirect of the index":
            served.index.get_script = [*redirect]
        arguments = URL_INPUTS[way](place)
        variables = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "anything"}
        common = ("-vv", "--retries", "1", "--report", "r.json", "-w", "house", "dipy", "1.11.0")
        ended = place.machine.run(place.visit, *arguments, *common, **variables)
    talk = ended.stderr + ended.stdout
    outputs = {"output": talk, **dict(place.machine.files()), **dict(place.machine.children())}
    for name, data in outputs.items():
        if found := find_leak(place.visit.core, data):
            return f"{name} has a part of the password: {found!r}"
    # The variable of another service is ignored if it is not a URL.
    if b"Traceback" in talk or ended.returncode in ({1} if way.startswith("GITHUB") else {0, 1}):
        return f"exit code {ended.returncode}: {talk[-1500:].decode()}"
    return ""

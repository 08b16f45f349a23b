"""Secrets that are searched for in all outputs: where the user may give them, and servers that echo them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

from twine.utils import DEFAULT_REPOSITORY

from tests.support import preloaded_command
from tools.testing.indexes import ScriptedIndex, basic
from tools.testing.scripted import Request, Step, answer
from tools.testing.tcp_server import ConnectionServer, relay

#: This many consecutive characters of a secret are a leak.
_LEAK_LENGTH = 12


def find_leak(core: str, data: bytes) -> bytes:
    """Return the part of ``data`` that contains a part of ``core``, plain or in base64; else empty."""
    parts = {core[at : at + _LEAK_LENGTH].encode() for at in range(len(core) - _LEAK_LENGTH + 1)}
    for part in parts:
        if part in data:
            at = data.index(part)
            return data[max(0, at - 80) : at + 80]
    for run in re.findall(rb"[A-Za-z0-9+/_-]{16,}", data):
        plain = run.translate(bytes.maketrans(b"-_", b"+/"))
        for begin in range(4):
            chunk = plain[begin:][: (len(plain) - begin) // 4 * 4]
            if any(part in base64.b64decode(chunk) for part in parts):
                return bytes(run)
    return b""


# --- servers that echo requests --------------------------------------------------------------------


@dataclass
class StagingServer:
    """A staging area that requires a login; answers the requests of a ScriptedServer."""

    files: Mapping[str, bytes]
    #: Returns True if a request has the right credentials.
    is_authorized: Callable[[Request], bool]
    #: The URL on another host to which requests for the last file are redirected.
    redirect_base: str = ""
    #: The status of every response, whose body repeats the request; 0 for normal responses.
    error_status: int = 0
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> list[Step]:
        self.requests.append(request)
        if self.error_status or not self.is_authorized(request):
            return [echo(self.error_status or 401, request, self.redirect_base)]
        path, _, query = urlsplit(request.target).path, *urlsplit(request.target)[2:4]
        name = path.rpartition("/")[2]
        last = list(self.files)[-1]
        if name == last and self.redirect_base:
            return [answer(302, b"", {"Location": self.redirect_base + name})]
        if name:
            return [answer(200 if name in self.files else 404, self.files.get(name, b""))]
        more = f"?{query}" if query else ""
        links = "".join(f'<a href="{name}{more}">{name}</a>\n' for name in self.files)
        return [answer(200, links.encode())]


def echo(status: int, request: Request, redirect_base: str) -> bytes:
    """Return a response that repeats the request in its status line, headers and body."""
    echoed = f"{request.target} {' '.join(f'{key}: {value}' for key, value in request.headers.items())}"
    headers = {
        "Location": f"{redirect_base}{request.target.lstrip('/')}",
        "X-Cache": echoed,
        "WWW-Authenticate": echoed,
        "Content-Type": "text/plain",
    }
    # The parts also appear on their own and as JSON; secrets come first, because only the start of a body
    # is ever quoted.
    words = sorted(re.split(r"[\s?&=/]", echoed), key=lambda word: not re.search("[0-9a-f]{32}|^bWU6", word))
    body = f"{' '.join(words[:4])}\n{echoed}\n{json.dumps(dict(request.headers))}"
    return answer(status, body.encode(), headers).replace(b" Status\r\n", f" {echoed}\r\n".encode(), 1)


class Tunnel(ConnectionServer):
    """A proxy that connects every CONNECT to one local port, whatever host is requested."""

    scheme = "http"

    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        """Answer a CONNECT request, and copy the data that follows it."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(4096)
            if not piece:
                return
            head += piece
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self._port)) as inner, contextlib.suppress(OSError):
            relay(client, inner)


# --- where a secret is given -----------------------------------------------------------------------


@dataclass(frozen=True)
class Endpoints:
    """The URLs that a run uses."""

    staging: str
    upload: str
    #: The index URL; empty if it follows from the upload URL.
    reading: str = ""


@dataclass
class UserHome:
    """A user's home directory, and the secret that the user has."""

    path: Path
    core: str = field(default_factory=lambda: uuid4().hex)
    environment: dict[str, str] = field(default_factory=dict)
    #: The text to type at the prompt.
    typed: str = ""

    @property
    def password(self) -> str:
        """Return a password with characters that every format escapes differently."""
        return f"p&s/w+{self.core}"

    @property
    def token(self) -> str:
        return f"tk{self.core}"

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path


#: Returns the arguments of the command, and puts the secret in its place.
Arguments = Callable[[UserHome, Endpoints], Sequence[str]]


@dataclass(frozen=True)
class SecretInput:
    """A way to give the command a secret."""

    arguments: Arguments
    #: True if the secret is for the staging area, False if it is for the index.
    staging: bool
    #: For the index: the user name that goes with the secret. For a staging area: see ``is_authorized``.
    user: str = "me"
    is_authorized: Callable[[UserHome, Request], bool] = lambda _, __: True
    #: True if the upload goes to a server that the program takes for PyPI.
    pypi: bool = False

    def secret(self, user_home: UserHome) -> str:
        return user_home.token if self.user == "__token__" else user_home.password


def _with_login(url: str, user_home: UserHome) -> str:
    return url.replace("://", f"://me:{quote(user_home.password, safe='')}@")


def _to(endpoints: Endpoints) -> list[str]:
    """Return the arguments for an index that needs no credentials."""
    return ["--repository-url", endpoints.upload, *_reading(endpoints)]


def _reading(endpoints: Endpoints) -> list[str]:
    return ["--index-url", endpoints.reading] if endpoints.reading else []


def _url(change: Callable[[str, UserHome], str]) -> Arguments:
    return lambda user_home, endpoints: ["-u", change(endpoints.staging, user_home), *_to(endpoints)]


def _url_token(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    user_home.environment["WHEEL_UPLOADER_URL_TOKEN"] = user_home.token
    return ["-u", endpoints.staging, *_to(endpoints)]


def _netrc(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    text = f"machine 127.0.0.1 login me password {user_home.password}\n"
    user_home.environment["NETRC"] = str(user_home.write("netrc", text))
    return ["-u", endpoints.staging, "--netrc", *_to(endpoints)]


def _proxy(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    """Return the arguments for a staging area behind a proxy that requires a login (one server is both)."""
    user_home.environment["http_proxy"] = user_home.environment["HTTPS_PROXY"] = _with_login(
        endpoints.staging, user_home
    )
    user_home.environment["NO_PROXY"] = "127.0.0.1,127.0.0.2"
    scheme = urlsplit(endpoints.staging).scheme
    more = ["--allow-insecure-host", "staging.example"]
    return ["-u", f"{scheme}://staging.example/", *more, *_to(endpoints)]


def _pyproject(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    user_home.write(
        "pyproject.toml", f'[tool.wheel-uploader]\nurl = ["{_with_login(endpoints.staging, user_home)}"]\n'
    )
    return _to(endpoints)


def _variables(user: str) -> Arguments:
    def arguments(user_home: UserHome, endpoints: Endpoints) -> list[str]:
        password = user_home.token if user == "__token__" else user_home.password
        user_home.environment |= {"TWINE_USERNAME": user, "TWINE_PASSWORD": password}
        return ["-u", endpoints.staging, *_to(endpoints)]

    return arguments


def _pypirc(url: Callable[[str, UserHome], str], password: Callable[[UserHome], str]) -> Arguments:
    def arguments(user_home: UserHome, endpoints: Endpoints) -> list[str]:
        lines = [
            "[distutils]",
            "index-servers = mine",
            "[mine]",
            f"repository = {url(endpoints.upload, user_home)}",
        ]
        user_home.write(".pypirc", "\n".join([*lines, password(user_home)]))
        return ["-u", endpoints.staging, "-r", "mine", *_reading(endpoints)]

    return arguments


def _repository_url(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    return [
        "-u",
        endpoints.staging,
        "--repository-url",
        _with_login(endpoints.upload, user_home),
        *_reading(endpoints),
    ]


def _index_url(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    reading = endpoints.reading or endpoints.upload.replace("legacy", "simple")
    return [
        "-u",
        endpoints.staging,
        "--repository-url",
        endpoints.upload,
        "--index-url",
        _with_login(reading, user_home),
    ]


_KEYRING = """
from keyring.backend import KeyringBackend

class Ring(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        return {password!r}

    def set_password(self, service, username, password):
        raise NotImplementedError
"""


def _keyring(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    user_home.write("lib/canary_ring.py", _KEYRING.format(password=user_home.password))
    user_home.environment |= {"PYTHON_KEYRING_BACKEND": "canary_ring.Ring", "TWINE_USERNAME": "me"}
    return ["-u", endpoints.staging, *_to(endpoints)]


def _prompt(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    user_home.typed = user_home.password
    user_home.environment["TWINE_USERNAME"] = "me"
    return ["-u", endpoints.staging, *_to(endpoints)]


def _trusted_publishing(user_home: UserHome, endpoints: Endpoints) -> list[str]:
    return ["-u", endpoints.staging, *_reading(endpoints)]


def _has(header: str, value: Callable[[UserHome], str]) -> Callable[[UserHome, Request], bool]:
    return lambda user_home, request: request.headers.get(header) == value(user_home)


def _target_has(user_home: UserHome, request: Request) -> bool:
    return user_home.core in request.target


def _basic(user_home: UserHome) -> str:
    return basic("me", user_home.password)


_SIGNED = "?X-Amz-Credential=AKIA%2F20260101&X-Amz-Expires=900&X-Amz-Signature={}"

SECRET_INPUTS: dict[str, SecretInput] = {
    "password in -u": SecretInput(
        _url(_with_login), staging=True, is_authorized=_has("authorization", _basic)
    ),
    "token in the path of -u": SecretInput(
        _url(lambda url, user_home: f"{url}t/{user_home.token}/dipy/"),
        staging=True,
        is_authorized=_target_has,
    ),
    "token in the query of -u": SecretInput(
        _url(lambda url, user_home: f"{url}?token={user_home.token}"), staging=True, is_authorized=_target_has
    ),
    "signed -u": SecretInput(
        _url(lambda url, user_home: url + _SIGNED.format(user_home.core)),
        staging=True,
        is_authorized=_target_has,
    ),
    "WHEEL_UPLOADER_URL_TOKEN": SecretInput(
        _url_token,
        staging=True,
        is_authorized=_has("authorization", lambda user_home: f"Bearer {user_home.token}"),
    ),
    "netrc": SecretInput(_netrc, staging=True, is_authorized=_has("authorization", _basic)),
    "password of a proxy": SecretInput(
        _proxy, staging=True, is_authorized=_has("proxy-authorization", _basic)
    ),
    "password in pyproject.toml": SecretInput(
        _pyproject, staging=True, is_authorized=_has("authorization", _basic)
    ),
    "TWINE_PASSWORD": SecretInput(_variables("me"), staging=False),
    "TWINE_PASSWORD, a token": SecretInput(_variables("__token__"), staging=False, user="__token__"),
    "password in .pypirc": SecretInput(
        _pypirc(lambda url, _: url, lambda user_home: f"username = me\npassword = {user_home.password}"),
        staging=False,
    ),
    "password in the URL of .pypirc": SecretInput(_pypirc(_with_login, lambda _: ""), staging=False),
    "password in --repository-url": SecretInput(_repository_url, staging=False),
    "password in --index-url": SecretInput(_index_url, staging=False, user=""),
    "keyring": SecretInput(_keyring, staging=False),
    "prompt": SecretInput(_prompt, staging=False),
    "trusted publishing": SecretInput(_trusted_publishing, staging=False, user="__token__", pypi=True),
}


def identity_server(user_home: UserHome, index: ScriptedIndex) -> Callable[[Request], list[Step]]:
    """Return a CI's identity service, and let ``index`` exchange the identity for a token.

    The secret is in both.
    """
    claims = (
        base64.urlsafe_b64encode(json.dumps({"jti": user_home.core, "aud": "pypi"}).encode())
        .decode()
        .rstrip("=")
    )
    identity = f"eyJhbGciOiJSUzI1NiJ9.{claims}.c2lnbmF0dXJl"
    index.minted_token = minted_token(user_home)
    return lambda _: [answer(200, json.dumps({"value": identity}).encode())]


def minted_token(user_home: UserHome) -> str:
    return f"pypi-AgEIcHlwaS5vcmc{user_home.core}"


def pypi_host() -> str:
    return urlsplit(DEFAULT_REPOSITORY).netloc


# --- the run ---------------------------------------------------------------------------------------

#: Every Python process records its arguments and environment; CANARY_BUG makes the command raise.
_RECORDER = """
import os, sys
with open(os.path.join({folder!r}, f"python-{{os.getpid()}}"), "w") as file:
    file.write(repr([sys.orig_argv, dict(os.environ)]))
if os.environ.get("CANARY_BUG"):
    def broken(*args, **kwargs):
        attributes = [vars(each) for each in args if hasattr(each, "__dict__")]
        session = [vars(each.session.auth) for each in args if hasattr(each, "session")]
        # Without self, whose repr may fail; its attributes are included.
        text = f"{{args[1:]}} {{kwargs}} {{attributes}} {{session}}"
        raise RuntimeError(f"{{text}} {{dict(os.environ)}} {{sys.argv}}")
    if os.environ["CANARY_BUG"] == "listing":
        import httpx
        httpx.Request.__init__ = broken
    else:
        import twine.repository
        twine.repository.Repository.upload = broken
"""
_GPG = """#!/bin/sh
{{ tr '\\0' '\\n' < /proc/$$/cmdline; env; }} > {folder}/gpg-$$
exec {gpg} "$@"
"""


class Sandbox:
    """Runs the command in a directory, and yields the files and child processes that it leaves."""

    def __init__(self, home: Path, gpg: str) -> None:
        self.home = home
        self.records = home / "seen"
        for name in ("seen", "lib", "tmp"):
            (home / name).mkdir(parents=True)
        (home / "lib" / "sitecustomize.py").write_text(_RECORDER.format(folder=str(self.records)))
        self.gpg = home / "lib" / "my-gpg"
        self.gpg.write_text(_GPG.format(folder=self.records, gpg=gpg))
        self.gpg.chmod(0o755)
        #: The user's own files, which may contain the secret, and the process IDs of the command itself.
        self.user_files: set[Path] = set()
        self.main_pids: set[int] = set()

    def run(
        self, user_home: UserHome, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command until it ends."""
        if not self.main_pids:
            self.user_files = {path for path in self.home.rglob("*") if path.is_file()}
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TWINE_", "WHEEL_UPLOADER_", "PIP_", "GITHUB_", "COVERAGE"))
        }
        library = os.pathsep.join(filter(None, [str(self.home / "lib"), os.environ.get("PYTHONPATH")]))
        environment |= {"HOME": str(self.home), "PYTHONPATH": library, "TMPDIR": str(self.home / "tmp")}
        environment |= {"NETRC": os.devnull, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        # The bytecode of the modules in the folder would have the secrets.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        environment |= user_home.environment | variables
        command = [sys.executable, "-m", "wheel_uploader", *arguments]
        # Other modules in the folder change what the command imports.
        modules = list((self.home / "lib").glob("*.py"))
        special = filter(preloaded_command.takes_effect_at_start, user_home.environment | variables)
        is_special = "CANARY_BUG" in variables or any(special)
        if not (user_home.typed or is_special or len(modules) > 1):
            ended = preloaded_command.run(arguments, self.home, environment)
            self.main_pids.add(ended.pid)
            return subprocess.CompletedProcess(command, ended.exit_code, ended.stdout, ended.stderr)
        with _terminal(user_home.typed) as (stdin, before):
            process = subprocess.Popen(
                [*before, *command],
                cwd=self.home,
                env=environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            try:
                out, stderr = process.communicate(timeout=120)
            finally:
                process.kill()
        self.main_pids.add(process.pid)
        return subprocess.CompletedProcess(command, process.returncode, out, stderr)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield each file that the runs created, with its path and contents."""
        for path in self.home.rglob("*"):
            if path.is_file() and path not in self.user_files and self.records not in path.parents:
                yield f"file: {path.relative_to(self.home)}", str(path).encode() + path.read_bytes()

    def children(self) -> Iterator[tuple[str, bytes]]:
        """Yield the arguments and the environment of every child process."""
        for path in self.records.iterdir():
            if path.name not in {f"python-{main}" for main in self.main_pids}:
                yield f"child process: {path.name}", path.read_bytes()


@contextlib.contextmanager
def _terminal(typed: str) -> Iterator[tuple[int, list[str]]]:
    """Yield standard input (nothing, or a terminal that types ``typed`` at a prompt) and a command prefix."""
    if not typed:
        yield subprocess.DEVNULL, []
        return
    import pty

    controller, terminal = pty.openpty()
    stopped = threading.Event()

    def type_when_prompted() -> None:
        output = b""
        os.set_blocking(controller, False)
        while not stopped.wait(0.02):
            with contextlib.suppress(BlockingIOError, OSError):
                output += os.read(controller, 4096)
            if b"password" in output:
                os.write(controller, f"{typed}\n".encode())
                output = b""

    thread = threading.Thread(target=type_when_prompted, daemon=True)
    thread.start()
    try:
        # getpass opens /dev/tty, which must be the terminal of the session.
        yield terminal, ["setsid", "--ctty", "--wait"]
    finally:
        stopped.set()
        thread.join()
        os.close(controller)
        os.close(terminal)

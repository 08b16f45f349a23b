"""Real web servers with directory listings, on 127.0.0.1, each in a temporary folder.

Each is a context manager that yields the URL of the served directory, and skips the test if the server is
not installed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.testing import tested_package
from tools.testing.scripted import HANG, NEXT, RESET, Answer, Request, ScriptedServer, answer
from tools.testing.serving import free_port, stop_process

__all__ = [
    "HANG",
    "NEXT",
    "RESET",
    "Answer",
    "Certificate",
    "Request",
    "ScriptedServer",
    "aiohttp_static",
    "answer",
    "apache",
    "caddy",
    "certificate",
    "free_port",
    "lighttpd",
    "nginx",
    "python_http_server",
    "run_script",
    "swift_staticweb",
]

_START = 20.0
#: Debian installs servers in directories that are only on root's PATH.
_SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1 and localhost, and its key, as PEM files."""

    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return a context for a server in this process."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


def certificate(
    folder: Path, name: str = "IP:127.0.0.1,DNS:localhost", *, subject: str = "tests"
) -> Certificate:
    """Make a certificate with openssl; ``name`` is its subjectAltName."""
    result = Certificate(cert=folder / "cert.pem", key=folder / "key.pem")
    command = [_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={subject}", "-addext", f"subjectAltName={name}"]
    command += ["-keyout", str(result.key), "-out", str(result.cert)]
    subprocess.run(command, check=True, capture_output=True)
    return result


# --- the servers -----------------------------------------------------------------------------------


@contextlib.contextmanager
def nginx(
    root: Path,
    *,
    autoindex: str = "html",
    fancy: bool = False,
    tls: Certificate | None = None,
    extra: str = "",
) -> Iterator[str]:
    """Run nginx with autoindex (``html``, ``json``, ``xml``) or fancyindex; ``extra`` is for its location."""
    program = _program("nginx")
    module = Path("/usr/lib/nginx/modules/ngx_http_fancyindex_module.so")
    if fancy and not module.exists():
        pytest.skip("nginx's fancyindex module is not installed")

    def command(folder: Path, port: int) -> list[str]:
        listing = "fancyindex on;" if fancy else f"autoindex on; autoindex_format {autoindex};"
        secure = f"ssl_certificate {tls.cert}; ssl_certificate_key {tls.key};" if tls else ""
        temporary = " ".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if _is_root() else ""
        (folder / "nginx.conf").write_text(
            f"""
            {f"load_module {module};" if fancy else ""}
            {user} daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{ worker_connections 256; }}
            http {{
                access_log {folder}/access.log; {temporary}
                types {{ text/html html; }} default_type application/octet-stream;
                server {{
                    listen 127.0.0.1:{port} {"ssl" if tls else ""}; {secure}
                    location / {{ root {root}; {listing} {extra} }}
                }}
            }}
            """
        )
        return [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]

    with _running(command) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/"


@contextlib.contextmanager
def apache(root: Path, *, options: str = "FancyIndexing", extra: str = "") -> Iterator[str]:
    """Run Apache with mod_autoindex; ``options``: its IndexOptions, ``extra``: lines for its Directory."""
    program = _program("apache2", "httpd")
    modules = next((path for path in _APACHE_MODULES if Path(path).is_dir()), "")
    if not modules:
        pytest.skip("Apache's modules were not found")
    names = ("mpm_prefork", "authz_core", "dir", "mime", "autoindex", "unixd", "log_config", "alias")
    loads = "\n".join(
        f"LoadModule {name}_module {modules}/mod_{name}.so"
        for name in names
        if Path(modules, f"mod_{name}.so").exists()
    )

    def command(folder: Path, port: int) -> list[str]:
        served = root
        identity = ""
        if _is_root():
            # Apache does not serve as root, and its other user cannot read root's temporary folders.
            served = Path(shutil.copytree(root, folder / "served", dirs_exist_ok=True))
            for path in (folder, served):
                path.chmod(0o755)
            identity = "User nobody\nGroup nogroup"
        (folder / "types").write_text("text/html html\n")
        (folder / "httpd.conf").write_text(
            f"""
{loads}
{identity}
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/error.log"
DefaultRuntimeDir "{folder}"
StartServers 2
TypesConfig "{folder}/types"
DocumentRoot "{served}"
Alias "/icons/" "{folder}/icons/"
<Directory "{served}">
    Require all granted
    Options Indexes FollowSymLinks
    IndexOptions {options}
    AddIcon /icons/unknown.gif .whl
    DefaultIcon /icons/unknown.gif
    {extra}
</Directory>
"""
        )
        return [program, "-f", str(folder / "httpd.conf"), "-DFOREGROUND"]

    with _running(command) as port:
        yield f"http://127.0.0.1:{port}/"


_APACHE_MODULES = (
    "/usr/lib/apache2/modules",
    "/usr/lib64/httpd/modules",
    "/usr/libexec/apache2",
    "/opt/homebrew/lib/httpd/modules",
)


@contextlib.contextmanager
def lighttpd(root: Path) -> Iterator[str]:
    """Run lighttpd with mod_dirlisting."""
    program = _program("lighttpd")

    def command(folder: Path, port: int) -> list[str]:
        (folder / "lighttpd.conf").write_text(
            f"""
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ( "mod_dirlisting" )
server.errorlog = "{folder}/error.log"
server.upload-dirs = ( "{folder}" )
dir-listing.activate = "enable"
dir-listing.encoding = "utf-8"
mimetype.assign = ( ".html" => "text/html", "" => "application/octet-stream" )
"""
        )
        return [program, "-D", "-f", str(folder / "lighttpd.conf")]

    with _running(command) as port:
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def caddy(root: Path) -> Iterator[str]:
    """Run Caddy's file server with ``--browse``."""
    program = _program("caddy")
    with _running(
        lambda _, port: [
            program,
            *("file-server", "--browse", "--root", str(root), "--listen", f"127.0.0.1:{port}"),
        ]
    ) as port:
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def python_http_server(root: Path) -> Iterator[str]:
    """Run ``python -m http.server``."""
    with _running(
        lambda _, port: [
            *(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(root)),
            str(port),
        ]
    ) as port:
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def aiohttp_static(root: Path) -> Iterator[str]:
    """Run aiohttp's static file server with ``show_index``."""
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    script = (
        "import sys; from aiohttp import web; app = web.Application(); "
        "app.router.add_static('/wheels', sys.argv[1], show_index=True); "
        "web.run_app(app, host='127.0.0.1', port=int(sys.argv[2]))"
    )
    with _running(lambda _, port: [sys.executable, "-c", script, str(root), str(port)]) as port:
        yield f"http://127.0.0.1:{port}/wheels/"


@contextlib.contextmanager
def swift_staticweb(root: Path) -> Iterator[str]:
    """Run Swift's staticweb middleware in front of a proxy that serves a directory as a container."""
    pytest.importorskip("swift", reason="swift is not installed")
    with run_script(_HERE / "swift_staticweb.py", root) as port:
        yield f"http://127.0.0.1:{port}/v1/AUTH_test/wheels/"


# --- processes -------------------------------------------------------------------------------------


def _program(*names: str) -> str:
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SBIN])
    for name in names:
        program = shutil.which(name, path=path)
        if program:
            return program
    pytest.skip(f"{names[0]} is not installed")


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


@contextlib.contextmanager
def _running(command: Callable[[Path, int], Sequence[str]]) -> Iterator[int]:
    """Run a server in a child process, and yield its port.

    ``command`` writes the configuration into a folder and returns the command to run.
    """
    with tempfile.TemporaryDirectory(prefix="server-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        # Another process may take the free port before the server does.
        for _ in range(3):
            port = free_port()
            log = stack.enter_context((folder / "output.log").open("w"))
            process = subprocess.Popen(
                command(folder, port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": name, "XDG_CONFIG_HOME": name, "XDG_DATA_HOME": name},
                cwd=tested_package.ROOT,
                # Apache signals its whole process group when it stops; it must not be ours.
                start_new_session=True,
            )
            stack.callback(stop_process, process)
            if _is_up(process, port):
                yield port
                return
        logs = "\n".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.log")))
        pytest.fail(f"the server did not start:\n{logs}")


def run_script(script: Path, root: Path) -> contextlib.AbstractContextManager[int]:
    """Run a server that is a Python script with the arguments ROOT PORT; the block gets its port."""
    return _running(lambda _, port: [sys.executable, str(script), str(root), str(port)])


def _is_up(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process.poll() is None
        time.sleep(0.02)
    return False


#: The listings for browsers, by name; all must list the same files.
LISTINGS: dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]] = {
    "nginx": nginx,
    "nginx-fancyindex": functools.partial(nginx, fancy=True),
    "apache-none": functools.partial(apache, options="None"),
    "apache-fancy": apache,
    "apache-wide": functools.partial(apache, options="FancyIndexing NameWidth=* FoldersFirst VersionSort"),
    "apache-table": functools.partial(apache, options="FancyIndexing HTMLTable"),
    "apache-icons": functools.partial(apache, options="FancyIndexing HTMLTable IconsAreLinks"),
    "apache-xhtml": functools.partial(apache, options="FancyIndexing XHTML"),
    "lighttpd": lighttpd,
    "caddy": caddy,
    "python": python_http_server,
    "aiohttp": aiohttp_static,
    "swift": swift_staticweb,
}

"""Publishes a complete real release, from real web servers to real indexes.

``python -m benchmarks.real_release dipy 1.11.0`` fetches every wheel of the release with pip, by name, for
all platforms; serves them with nginx and with Apache (FancyIndexing, HTMLTable); runs wheel-uploader to a
pypiserver and to a devpi-server, each twice; compares the served files byte for byte; and installs the
release with pip. It prints a table in Markdown and how it was measured.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx

from benchmarks.rig import releases
from tools.testing import indexes, servers


@dataclass(frozen=True, kw_only=True)
class Run:
    """The measurements of one run of the command, as a whole process."""

    staging: str
    index: str
    number: int
    seconds: float
    megabytes: float
    files: int
    posts: int
    downloads: int


@click.command()
@click.argument("project")
@click.argument("version")
@click.option("--cache", type=click.Path(path_type=Path), help="Keep the downloaded wheels here.")
@click.option("--sign/--no-sign", default=False, help="Run with -s and a key made for this run.")
def main(project: str, version: str, cache: Path | None, sign: bool) -> None:
    """Publish every wheel of PROJECT VERSION from real servers to real indexes, twice each."""
    with tempfile.TemporaryDirectory(prefix="real-release-") as folder:
        home = Path(folder)
        staged = (cache or home) / f"{project}-{version}"
        releases.fetch(project, version, staged)
        files = {path.name: _compute_sha256(path) for path in sorted(staged.iterdir())}
        size = sum(path.stat().st_size for path in staged.iterdir())
        print(f"{project} {version}: {len(files)} files, {size / 1e6:.0f} MB\n")
        environment = _build_environment(home, sign)
        _print_header()
        for staging, index in COMBINATIONS:
            for run in publish(project, version, staged, files, staging, index, environment, sign=sign):
                _print_row(run)
        summary = measure_checks(project, version, staged, environment)
        print(f"\n{summary}")


# --- one combination of servers --------------------------------------------------------------------

STAGING: dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]] = {
    "nginx": servers.nginx,
    "Apache FancyIndexing": servers.apache,
    "Apache HTMLTable": functools.partial(servers.apache, options="FancyIndexing HTMLTable"),
}


COMBINATIONS = (
    ("nginx", "pypiserver"),
    ("Apache FancyIndexing", "devpi"),
    ("Apache HTMLTable", "pypiserver"),
    ("nginx", "devpi"),
)


@contextlib.contextmanager
def _run_index(kind: str, folder: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Run an index, and yield its upload URL, its simple URL, and the credentials for twine."""
    if kind == "pypiserver":
        with indexes.pypiserver(folder / "packages", users={"me": "my-password"}) as url:
            yield url, f"{url}simple/", {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}
    else:
        with indexes.devpi_server(folder) as devpi:
            url = devpi.make_index("release", volatile=False)
            login = {"TWINE_USERNAME": devpi.user, "TWINE_PASSWORD": devpi.password}
            yield url, f"{url}+simple/", login


def publish(
    project: str,
    version: str,
    staged: Path,
    files: dict[str, str],
    staging: str,
    index: str,
    environment: dict[str, str],
    *,
    sign: bool,
) -> Iterator[Run]:
    """Publish twice, then compare the served files with the staged ones, and install the release."""
    with (
        tempfile.TemporaryDirectory() as folder,
        STAGING[staging](staged) as listing,
        _run_index(index, Path(folder) / "index") as (upload_url, simple_url, login),
    ):
        wheelhouse = Path(folder) / "wheelhouse"
        for number in (1, 2):
            command = ["-u", listing, "-v", "-w", str(wheelhouse), "--repository-url", upload_url]
            command += ["-s"] if sign else []
            # Some Windows wheels on PyPI need DLLs that neither they nor Windows contain.
            command += ["--ignore", "native/missing-library"]
            report, seconds, memory = _run([*command, project, version], environment | login)
            uploads = [file["upload"] for file in report["files"]]
            yield Run(
                staging=staging,
                index=index,
                number=number,
                seconds=seconds,
                megabytes=memory,
                files=sum(
                    file.get("confirmed_sha256") == files[file["filename"]] for file in report["files"]
                ),
                posts=sum(upload["attempts"] for upload in uploads),
                downloads=sum(file["fetched"] == "downloaded" for file in report["files"]),
            )
        _compare(project, simple_url, files)
        _install(project, version, simple_url, Path(folder) / "installed")


def _run(arguments: list[str], environment: dict[str, str]) -> tuple[Any, float, float]:
    """Run the command; return its report, the wall seconds, and the peak memory in MB."""
    command = [sys.executable, "-m", "wheel_uploader", "--format", "json", *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as log:
        started_at = time.monotonic()
        process = subprocess.Popen(
            command, stdout=output, stderr=log, stdin=subprocess.DEVNULL, env=environment
        )
        # wait4 counts only this process, not the servers that run at the same time.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started_at
        output.seek(0)
        log.seek(0)
        if process.returncode:
            raise click.ClickException(f"exit {process.returncode}: {log.read().decode()[-2000:]}")
        return json.load(output), seconds, usage.ru_maxrss / 1000


def _compare(project: str, simple_url: str, files: dict[str, str]) -> None:
    """Download every file from the index with an independent client, and compare the hashes."""
    from bs4 import BeautifulSoup

    with httpx.Client(trust_env=False, timeout=120) as client:
        page = client.get(f"{simple_url}{project}/", headers={"Accept": "text/html"}, follow_redirects=True)
        served = {}
        for link in BeautifulSoup(page.text, "lxml").find_all("a"):
            url = page.url.join(str(link["href"]))
            digest = hashlib.sha256()
            # In chunks: a child process starts with the peak memory of this process.
            with client.stream("GET", url) as response:
                for chunk in response.iter_bytes():
                    digest.update(chunk)
            served[url.path.rpartition("/")[2]] = digest.hexdigest()
    if served != files:
        raise click.ClickException(
            f"the index serves {len(served)} files instead of {len(files)}, or different contents"
        )


def _install(project: str, version: str, simple_url: str, folder: Path) -> None:
    command = [*releases.PIP, "install", "--no-deps", "--target", str(folder), "--index-url", simple_url]
    # Without the user's configuration, which may name other indexes.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment["PIP_CONFIG_FILE"] = os.devnull
    subprocess.run([*command, f"{project}=={version}"], check=True, env=environment)
    if not (folder / project).is_dir():
        raise click.ClickException(f"pip did not install {project} from {simple_url}")


def measure_checks(project: str, version: str, staged: Path, environment: dict[str, str]) -> str:
    """Measure verification and all checks of local files, and return a summary."""
    command = ["-u", str(staged), "--until", "check", "--ignore", "native/missing-library"]
    command += [project, version]
    _, seconds, memory = _run(command, environment)
    return f"Verified and checked in place, --until check: {seconds:.1f} s, peak memory {memory:.0f} MB."


# --- helpers ---------------------------------------------------------------------------------------


def _build_environment(home: Path, sign: bool) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TWINE_", "WHEEL_UPLOADER_"))
    }
    environment["NETRC"] = os.devnull
    if sign:
        keys = home / "gpg"
        keys.mkdir(mode=0o700)
        environment["GNUPGHOME"] = str(keys)
        command = [
            "gpg",
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            "Release <me@example.com>",
            "ed25519",
        ]
        subprocess.run(command, check=True, env=environment, capture_output=True)
    return environment


def _compute_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _print_header() -> None:
    print(f"On loopback, Python {platform.python_version()}, {os.cpu_count()} processors; whole processes.\n")
    print("| staged on | index | run | files confirmed | POSTs | downloads | seconds | peak MB |")
    print("|---|---|---|---|---|---|---|---|")


def _print_row(run: Run) -> None:
    print(
        f"| {run.staging} | {run.index} | {run.number} | {run.files} | {run.posts} | {run.downloads} "
        f"| {run.seconds:.1f} | {run.megabytes:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()

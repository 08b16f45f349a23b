"""The command as a release manager runs it: real listings, real indexes, real gpg, real pip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import gpg, indexes, servers, wheels
from tools.testing.indexes import Devpi
from tools.testing.scripted import ScriptedServer, answer


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home)


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """Return a folder with a release and unrelated files."""
    folder = tmp_path / "staged"
    wheels.make_release(folder)
    (folder / "dipy-1.11.0.tar.gz.asc").write_text("an old signature")
    wheels.make_wheel(folder, "dipy", "1.10.0")
    wheels.make_wheel(folder, "dipy-horizon", "1.11.0")
    old = time.time() - 3600
    for path in folder.iterdir():
        os.utime(path, (old, old))
    return folder


RELEASE = {*(f"dipy-1.11.0-{tag}.whl" for tag in wheels.RELEASE_TAGS), "dipy-1.11.0.tar.gz"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Yield the upload URL of an empty pypiserver with a password, which stores into ``packages``."""
    with indexes.pypiserver(tmp_path / "packages", users={"me": "my-password"}) as url:
        yield url


LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}


# --- publishing ------------------------------------------------------------------------------------

LISTINGS: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "nginx": servers.nginx,
    "apache-plain": partial(servers.apache, options="None"),
    "apache-fancy": servers.apache,
    "apache-table": partial(servers.apache, options="FancyIndexing HTMLTable"),
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_publishes_a_release_to_pypiserver_once(
    command: CommandLine, staged: Path, index: str, tmp_path: Path, listing: str
) -> None:
    with LISTINGS[listing](staged) as url:
        call = ("-u", url, "-v", "-w", "~/wheelhouse", "--repository-url", index, "dipy", "1.11.0")
        first = command.report_files(*call, **LOGIN)
        again = command.report_files(*call, **LOGIN)
    stored = {path.name: path.read_bytes() for path in (tmp_path / "packages").iterdir()}
    assert stored == {name: (staged / name).read_bytes() for name in RELEASE}
    assert {file["upload"]["outcome"] for file in first.values()} == {"uploaded"}  # type: ignore[index]
    for name, file in again.items():
        assert file["upload"] == {"outcome": "already there", "reason": "", "attempts": 0}, name
        # The file was not downloaded again.
        assert file["fetched"] == "unchanged", name
        assert file["confirmed_sha256"] == first[name]["sha256"] == file["sha256"]
    wheelhouse = command.home / "wheelhouse"
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=wheelhouse, check=True, capture_output=True
    )


def test_publishes_to_devpi_and_pip_installs_the_release(
    command: CommandLine, devpi: Devpi, staged: Path, tmp_path: Path
) -> None:
    wheels.make_wheel(staged)
    with servers.apache(staged) as url:
        index = devpi.make_index("e2e", volatile=False)
        login = {"TWINE_USERNAME": devpi.user, "TWINE_PASSWORD": devpi.password}
        call = ("-u", url, "-w", "house", "--repository-url", index, "dipy", "1.11.0")
        first = command.report_files(*call, **login)
        again = command.report_files(*call, **login)
        target = tmp_path / "installed"
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
        subprocess.run(
            [*install, "--index-url", f"{index}+simple/", "dipy==1.11.0"],
            env=command.environment | {"PIP_CONFIG_FILE": os.devnull, "PYTHONWARNINGS": ""},
            check=True,
        )
    assert len(first) == len(RELEASE) + 1
    assert {file["upload"]["attempts"] for file in again.values()} == {0}  # type: ignore[index]
    assert (target / "dipy" / "__init__.py").is_file()


def test_historic_command_line(command: CommandLine, staged: Path, index: str, tmp_path: Path) -> None:
    """``-u $CDN_URL -s -v -w ~/wheelhouse -t all dipy $VERSION``, with a .pypirc and the CDN's software."""
    (command.home / ".pypirc").write_text(
        "[distutils]\nindex-servers = pypi\n"
        f"[pypi]\nrepository = {index}\nusername = me\npassword = my-password\n"
    )
    with gpg.keyring() as keys, servers.swift_staticweb(staged) as cdn:
        fingerprint = keys.make_key("Release Manager <me@example.com>")
        call = ("-u", cdn, "-s", "-v", "-w", "~/wheelhouse", "-t", "all", "dipy", "1.11.0")
        first = command.run(*call, GNUPGHOME=str(keys.home))
        again = command.run(*call, GNUPGHOME=str(keys.home))
        wheelhouse = command.home / "wheelhouse"
        for name in (*RELEASE, "SHA256SUMS"):
            keys.gpg("--verify", str(wheelhouse / f"{name}.asc"), str(wheelhouse / name))
    assert (first.exit_code, again.exit_code) == (0, 0), first.stderr + again.stderr
    assert f"signatures: 7 new, 0 reused, by {fingerprint}" in first.stdout
    assert f"signatures: 0 new, 7 reused, by {fingerprint}" in again.stdout
    assert "upload: 6 uploaded\nconfirmed: the index serves 6 of 6 files with the same sha256" in first.stdout
    assert "upload: 6 skipped" in again.stdout
    assert {path.name for path in (tmp_path / "packages").iterdir()} >= RELEASE


def test_wheelhouse_and_dist_of_container_builds(command: CommandLine, index: str, tmp_path: Path) -> None:
    """Stage auditwheel's wheelhouse, and dist with an sdist and a wheel that was not repaired."""
    for tag in wheels.RELEASE_TAGS:
        wheels.make_wheel(command.home / "wheelhouse", tag=tag)
    wheels.make_sdist(command.home / "dist")
    stray = wheels.make_wheel(command.home / "dist", tag="cp312-cp312-linux_x86_64")
    call = ("-u", "wheelhouse", "-u", "dist", "-w", "release", "--repository-url", index, "dipy", "1.11.0")
    stopped = command.run("--profile", "pypi", *call, **LOGIN)
    assert stopped.exit_code == 6
    assert stray.name in stopped.stderr
    assert "name/platform-refused" in stopped.stderr
    assert list((tmp_path / "packages").iterdir()) == []
    stray.unlink()
    (command.home / "release" / stray.name).unlink()
    assert command.run("--profile", "pypi", *call, **LOGIN).exit_code == 0
    assert {path.name for path in (tmp_path / "packages").iterdir()} == RELEASE


def test_demo_publishes_twice_and_leaves_no_files(command: CommandLine, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "wheel_uploader", "--demo"],
        env=command.environment | {"TMPDIR": str(temporary), "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    commands = re.findall(r"(?m)^\$ wheel-uploader .*", done.stdout)
    assert len(commands) == 2
    assert commands[0] == commands[1]
    assert "upload: 5 uploaded" in done.stdout
    assert "upload: 5 skipped" in done.stdout
    assert list(temporary.iterdir()) == []


# --- before the upload -----------------------------------------------------------------------------


def test_dry_run_reports_what_would_be_uploaded(
    command: CommandLine, staged: Path, index: str, tmp_path: Path
) -> None:
    call = ("-u", staged, "--repository-url", index, "dipy", "1.11.0")
    assert command.run("-t", "win", *call, **LOGIN).exit_code == 0
    planned = command.report_files("--dry-run", *call)
    outcomes = {name: file["upload"]["outcome"] for name, file in planned.items()}  # type: ignore[index]
    windows = "dipy-1.11.0-cp312-cp312-win_amd64.whl"
    assert outcomes == dict.fromkeys(RELEASE, "would upload") | {windows: "already there"}
    assert [path.name for path in (tmp_path / "packages").iterdir()] == [windows]


def test_different_contents_on_the_index_stop_the_run(
    command: CommandLine, staged: Path, index: str, tmp_path: Path
) -> None:
    name = "dipy-1.11.0-cp312-cp312-win_amd64.whl"
    other = wheels.wheel_bytes(tag="cp312-cp312-win_amd64", files={"dipy/other.py": b"x"})
    (tmp_path / "packages" / name).write_bytes(other)
    ended = command.run("-u", staged, "--repository-url", index, "dipy", "1.11.0", **LOGIN)
    assert ended.exit_code == 7
    assert name in ended.stderr
    assert len(re.findall(r"[0-9a-f]{64}", ended.stderr)) == 2
    assert [path.name for path in (tmp_path / "packages").iterdir()] == [name]


def test_no_skip_existing_rejects_existing_files(command: CommandLine, staged: Path, index: str) -> None:
    call = ("-u", staged, "--repository-url", index, "dipy", "1.11.0")
    assert command.run(*call, **LOGIN).exit_code == 0
    ended = command.run("--no-skip-existing", *call, **LOGIN)
    assert ended.exit_code == 7
    assert "omit --no-skip-existing" in ended.stderr


def test_downloads_files_from_an_index_without_hashes(
    command: CommandLine, staged: Path, tmp_path: Path
) -> None:
    with indexes.pypiserver(tmp_path / "bare", hash_algorithm="off") as index:
        call = ("-u", staged, "--repository-url", index, "dipy", "1.11.0")
        first = command.report_files(*call, TWINE_USERNAME="", TWINE_PASSWORD="")
        again = command.report_files(*call, TWINE_USERNAME="", TWINE_PASSWORD="")
    assert {file["upload"]["outcome"] for file in first.values()} == {"uploaded"}  # type: ignore[index]
    assert {file["upload"]["outcome"] for file in again.values()} == {"already there"}  # type: ignore[index]


def test_no_credentials_and_no_terminal(
    command: CommandLine, staged: Path, index: str, tmp_path: Path
) -> None:
    started = time.monotonic()
    ended = command.run("-u", staged, "--repository-url", index, "dipy", "1.11.0")
    assert ended.exit_code == 4
    assert time.monotonic() - started < 10
    assert list((tmp_path / "packages").iterdir()) == []


def test_wrong_credentials(command: CommandLine, staged: Path, index: str, tmp_path: Path) -> None:
    login = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "wrong-password"}
    ended = command.run("-vv", "-u", staged, "--repository-url", index, "dipy", "1.11.0", **login)
    assert ended.exit_code == 4
    assert "wrong-password" not in ended.stderr + ended.stdout
    assert list((tmp_path / "packages").iterdir()) == []


def test_repository_that_is_not_in_pypirc(command: CommandLine, staged: Path) -> None:
    (command.home / ".pypirc").write_text(
        "[distutils]\nindex-servers = internal\n[internal]\nrepository=https://x.test/\n"
    )
    ended = command.run("-u", staged, "-r", "internl", "dipy", "1.11.0")
    assert ended.exit_code == 2
    assert "internal" in ended.stderr
    assert not (command.home / "wheelhouse").exists()


# --- bad staging areas -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code", "message"),
    [
        (answer(404, b"<h1>Not Found</h1>"), 3, "404"),
        (answer(401), 4, "requires authentication"),
        (answer(200, b"<form><input type=password name=p></form>"), 2, "login"),
        (answer(200, b"\x89PNG\r\n", {"Content-Type": "image/png"}), 2, "image/png"),
        (answer(200, b"<html><body>Welcome</body></html>"), 3, "no files of dipy 1.11.0"),
        (answer(200, b""), 3, "no files of dipy 1.11.0"),
    ],
    ids=["404", "401", "login page", "image", "no listing", "empty"],
)
def test_url_without_a_listing(command: CommandLine, reply: bytes, code: int, message: str) -> None:
    with ScriptedServer([reply]) as server:
        ended = command.run("-u", server.url, "--until", "check", "dipy", "1.11.0")
    assert (ended.exit_code, message in ended.stderr) == (code, True), ended.stderr


def test_connection_refused(command: CommandLine) -> None:
    url = f"http://127.0.0.1:{servers.free_port()}/"
    ended = command.run("-u", url, "--retries", "1", "--until", "check", "dipy", "1.11.0")
    assert ended.exit_code == 5
    assert "refuses connections" in ended.error_line


def test_untrusted_certificate(command: CommandLine, staged: Path, tmp_path: Path) -> None:
    with servers.nginx(staged, tls=servers.certificate(tmp_path)) as url:
        ended = command.run("-u", url, "--retries", "1", "--until", "check", "dipy", "1.11.0")
    assert ended.exit_code == 5
    assert "certificate" in ended.error_line


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("dipy-1.11.0-py3-none-any.whl", b"<!DOCTYPE html><title>Gone</title>", "HTML page"),
        ("dipy-1.11.0-py3-none-any.whl", b"", "empty"),
        ("dipy-1.11.0-py3-none-any.whl", wheels.wheel_bytes()[:300], "truncated"),
        ("dipy-1.11.0-py3-none-any.whl", wheels.wheel_bytes("nipy", "1.11.0"), "wheel/dist-info"),
        ("dipy-1.11.0.tar.gz", b"hello", "dipy-1.11.0.tar.gz"),
    ],
    ids=["page", "empty", "cut", "another project", "no sdist"],
)
@pytest.mark.parametrize("local", [True, False])
def test_file_that_does_not_match_its_name(
    command: CommandLine, index: str, tmp_path: Path, name: str, data: bytes, message: str, local: bool
) -> None:
    folder = tmp_path / "staged"
    folder.mkdir()
    (folder / name).write_bytes(data)
    good = wheels.make_wheel(folder, tag="cp312-cp312-win_amd64")
    call = ("-w", "house", "--repository-url", index, "dipy", "1.11.0")
    if local:
        ended = command.run("-u", folder, *call, **LOGIN)
    else:
        with servers.nginx(folder) as url:
            ended = command.run("-u", url, *call, **LOGIN)
    assert ended.exit_code == 6, ended.stderr
    assert message in ended.stderr + ended.stdout
    assert good.name not in ended.error_line
    assert list((tmp_path / "packages").iterdir()) == []


def test_wheelhouse_that_cannot_be_written(command: CommandLine, staged: Path) -> None:
    (command.home / "house").write_text("")
    ended = command.run("-u", staged, "-w", "house", "--until", "download", "dipy", "1.11.0")
    assert ended.exit_code == 13
    assert "house" in ended.error_line

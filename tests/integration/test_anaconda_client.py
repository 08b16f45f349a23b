"""The requests of the real anaconda-client and ours, at one stub: both create the same files on the site."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.anaconda_command import AnacondaCommand
from tools.testing import anaconda_client, wheels
from tools.testing.anaconda_site import Request, ServedSite, anaconda_site

VERSION = "1.0.dev0+g1"
METADATA = (
    "Metadata-Version: 2.1\nName: demo\nVersion: 1.0.dev0+g1\nSummary: A demo\nLicense: BSD\n"
    "Home-page: https://example.com/demo\nRequires-Dist: zlib-ng>=1.0\nRequires-Dist: numpy\n\nA text."
)


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the real client's command."""
    try:
        return anaconda_client.install(tmp_path_factory.mktemp("anaconda-client") / "environment")
    except anaconda_client.NotInstallable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def served() -> Iterator[ServedSite]:
    with anaconda_site() as running:
        yield running


def run_client(client: Path, served: ServedSite, folder: Path, *files: Path, options: list[str]) -> None:
    environment = anaconda_client.write_environment(folder, served)
    command = anaconda_client.build_command(client, *options, *files)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def describe(request: Request) -> tuple[str, str, object, str, str]:
    """Return what the site sees of a request that changes something, without random values."""
    body: Any = request.body
    if request.step == "storage":
        body = {name: value for name, value in body.items() if name != "key"}
    elif request.step == "commit":
        body = sorted(body)
    headers = {name.lower(): value for name, value in request.headers.items()}
    content_type = headers["content-type"].partition(";")[0]
    return request.method, request.path, body, headers.get("authorization", ""), content_type


def changes(served: ServedSite) -> list[tuple[str, str, object, str, str]]:
    requests = [describe(request) for request in served.site.requests if request.method != "GET"]
    return sorted((each for each in requests if each[0] != "HEAD"), key=repr)


def test_both_clients_change_the_site_by_the_same_requests(client: Path, tmp_path: Path) -> None:
    folder = tmp_path / "staged"
    files = [
        wheels.make_wheel(folder, "demo", VERSION, metadata=METADATA),
        wheels.make_wheel(folder, "demo", VERSION, tag="cp312-cp312-win_amd64", metadata=METADATA),
        wheels.make_wheel(folder, "demo", VERSION, tag="cp312-none-win32", metadata=METADATA, build="3"),
    ]
    with anaconda_site() as theirs, anaconda_site() as ours:
        run_client(client, theirs, tmp_path, *files, options=["-l", "dev", "-l", "main"])
        command = AnacondaCommand(ours, tmp_path, VERSION, stages=False)
        done = command.run("--label", "dev", "--label", "main")
        assert done.exit_code == 0, done.stderr
        assert changes(ours) == changes(theirs)
        assert [request for request in ours.site.requests if request.step == "storage"]
        assert len(changes(theirs)) == 2 + 3 * len(files)
        assert ours.site.dists == theirs.site.dists


def test_both_clients_announce_an_sdist_alike(client: Path, tmp_path: Path) -> None:
    metadata = METADATA.replace("+g1", "").partition("Requires-Dist")[0] + "\nA text."
    file = wheels.make_sdist(tmp_path / "staged", "demo", "1.0.dev0", metadata=metadata)
    with anaconda_site() as theirs, anaconda_site() as ours:
        run_client(client, theirs, tmp_path, file, options=["-l", "main"])
        done = AnacondaCommand(ours, tmp_path, "1.0.dev0", stages=False).run("--ignore", "sdist")
        assert done.exit_code == 0, done.stderr
        assert [change[:2] for change in changes(ours)] == [change[:2] for change in changes(theirs)]
        [our_stage, their_stage] = [
            next(request.body for request in site.site.requests if request.step == "stage")
            for site in (ours, theirs)
        ]
        assert our_stage["attrs"] == their_stage["attrs"]
        assert our_stage["sha256"] == their_stage["sha256"]


def test_takes_over_a_release_that_the_real_client_began(client: Path, tmp_path: Path) -> None:
    """Files of one release may be uploaded by several jobs, with either client."""
    with anaconda_site() as served:
        command = AnacondaCommand(served, tmp_path)
        run_client(client, served, tmp_path, command.wheel, options=["-l", "main"])
        command.add_wheel("cp312-cp312-win_amd64")
        served.site.requests.clear()
        assert command.run().exit_code == 0
        assert served.site.steps(without_reads=True) == ["stage", "storage", "commit"]
        assert len(served.site.dists) == 2


def test_71_wheels_need_a_few_requests_each(tmp_path: Path) -> None:
    with anaconda_site() as served:
        command = AnacondaCommand(served, tmp_path)
        for number in range(70):
            command.add_wheel(f"cp312-cp312-manylinux_2_{number + 17}_x86_64")
        done = command.run("--ignore", "native", "--ignore", "release")
        assert done.exit_code == 0, done.stderr
        steps = served.site.steps()
        assert len(served.site.dists) == 71
        # The real client needs 288.
        assert len([step for step in steps if step not in ("pip", "storage get")]) <= 3 * 71 + 7
        again = command.run("--ignore", "native", "--ignore", "release")
        assert again.exit_code == 0
        assert "dist get" not in served.site.steps()

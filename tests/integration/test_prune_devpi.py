"""``--prune`` on a real devpi-server, and on targets that cannot remove files."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Devpi
from tools.testing.scripted import ScriptedServer, answer

OLD = ["0.9.dev1", "0.9.dev2", "0.9.dev10"]


def name(version: str) -> str:
    return f"demo-{version}-py3-none-any.whl"


class User:
    """Publishes releases of one project to an upload URL."""

    def __init__(self, folder: Path, url: str, devpi: Devpi) -> None:
        self.folder, self.url, self.devpi = folder, url, devpi

    def publish(self, version: str, *options: str, password: str = "") -> Result:
        staged = self.folder / f"staged-{version}"
        if not staged.exists():
            wheels.make_wheel(staged, "demo", version)
        env = {
            "HOME": str(self.folder),
            "NETRC": os.devnull,
            "TWINE_USERNAME": self.devpi.user,
            "TWINE_PASSWORD": password or self.devpi.password,
        }
        quick = ["--retries", "2", "--confirm-timeout", "20", "--profile", "any"]
        source = ["-u", str(staged), "-w", str(self.folder / "house"), "--repository-url", self.url]
        done = in_process.run(*source, *quick, *options, "demo", version, env=env)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def served(self) -> set[str]:
        page = httpx.get(f"{self.url}+simple/demo/", trust_env=False, timeout=60).text
        return {
            version for version in [*OLD, "0.8", "1.0.dev1"] if f">{name(version)}<" in page.replace("\n", "")
        }


def test_old_releases_leave_a_volatile_index(devpi: Devpi, tmp_path: Path) -> None:
    user = User(tmp_path, devpi.make_index("volatile", volatile=True), devpi)
    for version in ("0.8", *OLD):
        assert user.publish(version).exit_code == 0
    would = user.publish("1.0.dev1", "--prune", "2", "--dry-run")
    assert f"{name('0.9.dev1')}: would be removed" in would.stdout
    done = user.publish("1.0.dev1", "--prune", "2", "-q")
    assert done.exit_code == 0, done.stderr
    assert "demo 0.9.dev1, 0.9.dev2 (2 files)" in done.stdout
    assert user.served() == {"0.8", "0.9.dev10", "1.0.dev1"}
    by_days = user.publish("1.0.dev1", "--prune-days", "1")
    assert "uploaded in the last 1 day" in by_days.stdout
    assert user.served() == {"0.8", "0.9.dev10", "1.0.dev1"}
    final = user.publish("1.0.dev1", "--prune", "1", "--prune-final")
    assert final.exit_code == 0, final.stderr
    assert user.served() == {"1.0.dev1"}


def test_files_of_the_indexes_that_it_inherits_from_are_kept(devpi: Devpi, tmp_path: Path) -> None:
    base = User(tmp_path, devpi.make_index("base", volatile=True), devpi)
    for version in OLD[:2]:
        assert base.publish(version).exit_code == 0
    url = devpi.make_index("derived", volatile=True)
    settings = {"volatile": True, "bases": [f"{devpi.user}/base"], "acl_upload": [devpi.user]}
    with httpx.Client(auth=(devpi.user, devpi.password), trust_env=False) as client:
        client.patch(url.rstrip("/"), json=settings, timeout=60).raise_for_status()
    user = User(tmp_path, url, devpi)
    assert user.publish("0.9.dev10").exit_code == 0
    done = user.publish("1.0.dev1", "--prune", "1")
    assert done.exit_code == 0, done.stderr
    assert f"{name('0.9.dev10')}: removed" in done.stdout
    assert "it is stored in another index" in done.stdout
    assert base.served() == set(OLD[:2])
    assert user.served() == {*OLD[:2], "1.0.dev1"}


def test_an_index_that_is_not_volatile_is_refused_before_the_upload(devpi: Devpi, tmp_path: Path) -> None:
    user = User(tmp_path, devpi.make_index("stable", volatile=False), devpi)
    done = user.publish("1.0.dev1", "--prune", "1")
    assert done.exit_code == 2, done.stderr
    assert "the index is not volatile" in done.stderr
    assert user.served() == set()


def test_an_index_that_is_not_devpi_is_refused_before_the_upload(devpi: Devpi, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    with indexes.pypiserver(packages, users={devpi.user: devpi.password}) as url:
        done = User(tmp_path, url, devpi).publish("1.0.dev1", "--prune-days", "3")
    assert done.exit_code == 2, done.stderr
    assert "it is not an index of devpi" in done.stderr
    assert list(packages.iterdir()) == []


def test_pypi_is_refused(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0.dev1")
    env = {"HOME": str(tmp_path), "TWINE_USERNAME": "u", "TWINE_PASSWORD": "a-password-of-7"}
    for options in (("--prune", "1"), ("--prune-days", "1")):
        done = in_process.run("-u", str(tmp_path / "staged"), *options, "demo", "1.0.dev1", env=env)
        assert done.exit_code == 2, done.stderr
        assert "files cannot be removed from" in done.stderr


@pytest.mark.parametrize(
    ("path", "name", "advice"),
    [
        ("api/v4/projects/42/packages/pypi", "a package registry of GitLab", "DELETE .../packages/ID"),
        ("git/api/v4/projects/a%2Fb/packages/pypi/", "a package registry of GitLab", "Package registry"),
        ("api/packages/jane/pypi", "a package registry of Gitea or Forgejo", "cleanup rule"),
        ("artifactory/api/pypi/local/", "a repository of Artifactory", "cleanup policy"),
    ],
)
def test_a_known_index_is_refused_without_a_request(
    tmp_path: Path, path: str, name: str, advice: str
) -> None:
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0.dev1")
    env = {"HOME": str(tmp_path), "TWINE_USERNAME": "u", "TWINE_PASSWORD": "a-password-of-7"}
    with ScriptedServer(lambda _request: [answer(404, b"", {})]) as server:
        target = ("--repository-url", f"{server.url}{path}")
        done = in_process.run(
            *("-u", str(tmp_path / "staged"), *target, "--prune", "1", "demo", "1.0.dev1"), env=env
        )
        assert server.requests == []
    assert done.exit_code == 2, done.stderr
    assert f": it is {name}" in done.stderr
    assert advice in done.stderr
    assert "Omit --prune and --prune-days" in done.stderr

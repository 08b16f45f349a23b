"""Releases to a real Pulp, which the variables PULP_URL and PULP_PASSWORD (of ``admin``) name.

Pulp needs PostgreSQL and three processes, so that this test does not start it; CONTRIBUTING.rst says how to.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import wheels

URL, PASSWORD = os.environ.get("PULP_URL", "").rstrip("/"), os.environ.get("PULP_PASSWORD", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.skipif(not URL, reason="PULP_URL does not name a Pulp with pulp-python"),
]


@pytest.fixture
def base() -> Iterator[str]:
    """Return the URL of a new index of Pulp, without /simple/ and /legacy/."""
    name = f"demo-{secrets.token_hex(4)}"
    with httpx.Client(base_url=URL, auth=("admin", PASSWORD), timeout=60, trust_env=False) as client:

        def create(path: str, **values: str) -> httpx.Response:
            response = client.post(f"/pulp/api/v3/{path}/", json={"name": name, **values})
            return response.raise_for_status()

        repository = create("repositories/python/python").json()["pulp_href"]
        create("distributions/python/pypi", base_path=name, repository=repository)
        deadline = time.monotonic() + 60
        while client.get(f"/pypi/{name}/simple/").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(1)
        yield f"{URL}/pypi/{name}"


def publish(folder: Path, url: str, *options: str, **files: bytes) -> Result:
    """Publish a wheel with these files, and return how the command ended."""
    staged = folder / f"staged-{len(files)}"
    wheels.make_wheel(staged, "demo", "1.0", files={f"demo/{name}.py": data for name, data in files.items()})
    env = {"HOME": str(folder), "TWINE_USERNAME": "admin", "TWINE_PASSWORD": PASSWORD}
    arguments = ["-u", str(staged), "-w", str(folder / f"house-{len(files)}"), "--repository-url", url]
    return in_process.run(*arguments, *options, "--confirm-timeout", "60", "demo", "1.0", env=env)


@pytest.mark.parametrize("path", ["/simple/", "/legacy/"])
@pytest.mark.parametrize(
    "options", [(), ("--allow-host", "127.0.0.1")], ids=["files elsewhere", "files read"]
)
def test_a_release_is_uploaded_once_and_a_conflict_is_found(
    base: str, tmp_path: Path, path: str, options: tuple[str, ...]
) -> None:
    first = publish(tmp_path, f"{base}{path}", *options)
    assert first.exit_code == 0, first.stderr
    assert "1 uploaded" in first.stdout
    again = publish(tmp_path, f"{base}{path}", *options)
    assert again.exit_code == 0, again.stderr
    assert "1 skipped" in again.stdout
    other = publish(tmp_path, f"{base}{path}", *options, more=b"x = 2\n")
    assert other.exit_code == 7, other.stderr
    assert "nothing was uploaded" in other.stderr

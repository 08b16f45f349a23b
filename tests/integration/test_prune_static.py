"""``--prune`` on static indexes: pages lose single links, byte by byte, before the store loses the files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import static_stores
from tests.support.static_publishing import INDEX, JSON, Publisher, open_publisher

OLD = ["0.9.dev1", "0.9.dev2", "0.9.dev10"]


@pytest.fixture(params=list(static_stores.PLACES))
def user(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    with open_publisher(request.param, tmp_path, monkeypatch) as publisher:
        yield publisher


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Publisher]:
    """A user of a folder."""
    with static_stores.folder_place(tmp_path) as place:
        yield Publisher(place, tmp_path)


def name(version: str) -> str:
    return f"demo-{version}-py3-none-any.whl"


def listed(user: Publisher, key: str = INDEX) -> list[str]:
    return sorted(set(re.findall(r"demo-[\w.]+-py3-none-any\.whl", (user.read(key) or b"").decode())))


def stored(user: Publisher) -> frozenset[str]:
    with user.store() as store:
        return store.list_names("simple/demo/").files


def test_old_releases_leave_the_pages_and_the_store(user: Publisher) -> None:
    for version in OLD:
        assert user.publish(version).code == 0
    would = user.publish("1.0.dev1", "demo", "--prune", "2", "--dry-run")
    assert f"{name('0.9.dev1')}: would be removed" in would.output
    done = user.publish("1.0.dev1", "demo", "--prune", "2")
    assert done.code == 0, done.errors
    assert f"{name('0.9.dev2')}: removed" in done.output
    kept = [name("0.9.dev10"), name("1.0.dev1")]
    assert listed(user) == kept
    assert listed(user, JSON) == kept
    assert b'"0.9.dev2"' not in (user.read(JSON) or b"")
    wheels_and_metadata = {file for file in stored(user) if file.startswith("demo-")}
    assert wheels_and_metadata == {*kept, *(f"{file}.metadata" for file in kept)}
    again = user.publish("1.0.dev1", "demo", "--prune", "2", "-q")
    assert (again.code, again.output) == (0, "")


def test_lines_of_other_tools_survive_byte_by_byte(local: Publisher) -> None:
    for version in OLD[:2]:
        assert local.publish(version).code == 0
    lines = '    <!-- written by hand -->\n    <a href="https://other.example/demo-0.8.dev1-py3-none-any.whl">x</a>\n'
    page = (local.read(INDEX) or b"").decode().replace("  </body>", f"{lines}  </body>")
    local.write(INDEX, page.encode())
    (local.folder / "index" / JSON).unlink()
    assert local.publish("0.9.dev10").code == 0
    before = (local.read(INDEX) or b"").decode()
    done = local.publish("0.9.dev10", "demo", "--prune", "1")
    assert done.code == 0, done.errors
    after = (local.read(INDEX) or b"").decode()
    gone = [line for line in before.splitlines() if line not in after.splitlines()]
    assert len(gone) == 2
    assert after.splitlines() == [line for line in before.splitlines() if line not in gone]
    assert "it is not stored in this index" in done.output


def test_by_days_the_time_of_the_store_decides(local: Publisher) -> None:
    for version in OLD:
        assert local.publish(version).code == 0
    os.utime(local.folder / "index" / "simple" / "demo" / name("0.9.dev2"), (1e9, 1e9))
    done = local.publish("1.0.dev1", "demo", "--prune-days", "3")
    assert done.code == 0, done.errors
    assert listed(local) == [name("0.9.dev1"), name("0.9.dev10"), name("1.0.dev1")]


def test_a_page_that_disagrees_keeps_the_file(local: Publisher) -> None:
    for version in OLD:
        assert local.publish(version).code == 0
    page = (local.read(JSON) or b"").decode()
    first = re.search(r'"sha256": "([0-9a-f]{64})"', page)
    assert first
    local.write(JSON, page.replace(first[1], "0" * 64, 1).encode())
    done = local.publish("1.0.dev1", "demo", "--prune", "1")
    assert "the pages disagree about it" in done.output
    assert len(listed(local)) == 2


def test_the_last_page_is_cut_while_the_run_prunes_and_nothing_is_lost(local: Publisher) -> None:
    for version in OLD:
        assert local.publish(version).code == 0
    files = stored(local)
    page = local.read(INDEX) or b""
    local.write(INDEX, page[: len(page) // 2])
    done = local.publish("1.0.dev1", "demo", "--prune", "1")
    assert done.code != 0
    assert stored(local) == files


def test_pip_installs_the_newest_release(local: Publisher) -> None:
    for version in OLD:
        assert local.publish(version, "demo", "--prune", "1").code == 0
    index = (local.folder / "index" / "simple").as_uri()
    target = local.folder / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--pre", "--no-deps", "--index-url", index]
    subprocess.run([*command, "--target", str(target), "demo"], check=True, timeout=120)
    assert (target / "demo-0.9.dev10.dist-info").is_dir()

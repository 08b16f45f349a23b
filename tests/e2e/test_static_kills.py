"""A run that publishes to a static index and is killed at any operation: the next run completes it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("there is no fork", allow_module_level=True)

from tests.soak.forks import Forks, Task, isolated_environment
from tests.support.static_publishing import INDEX, JSON, ROOT, Publisher, open_publisher
from tools.testing import wheels
from wheel_uploader.targets.static_index import pages
from wheel_uploader.targets.static_index.layout import Layout
from wheel_uploader.targets.static_index.pages import PageForm

#: Points that are tried of each place; the rest is that of every other run.
POINTS = 3
OLD_LINE = '<a href="demo-0.9.tar.gz#sha256={digest}" data-requires-python="&gt;=3.8">old</a><br/>'
LAYOUT = Layout(pages_root="simple/")


@pytest.fixture(params=["folder", "s3-moto"])
def user(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    with open_publisher(request.param, tmp_path, monkeypatch) as publisher:
        yield publisher


def stage(user: Publisher, version: str) -> None:
    folder = user.folder / f"staged-demo-{version}"
    for tag in ("py3-none-any", "cp312-cp312-win_amd64"):
        wheels.make_wheel(folder, "demo", version, tag)


def prepare(user: Publisher, version: str) -> None:
    """Write an index that lists an older file and another project."""
    digest = hashlib.sha256(b"old").hexdigest()
    if user.read("simple/demo/demo-0.9.tar.gz") is None:
        user.put_file("simple/demo/demo-0.9.tar.gz", b"old")
        user.write(INDEX, f"<html><body>\n{OLD_LINE.format(digest=digest)}\n</body></html>\n".encode())
        user.write(
            JSON,
            b'{"meta": {"api-version": "1.0"}, "name": "demo", "files": [{"filename": '
            b'"demo-0.9.tar.gz", "url": "demo-0.9.tar.gz", "hashes": {"sha256": "%s"}}]}' % digest.encode(),
        )
    stage(user, version)


def find_problems(user: Publisher, version: str, *, is_complete: bool) -> list[str]:
    """Return what is wrong with the pages, and with the files that they list."""
    problems = []
    with user.store() as store:
        for key, form in ((INDEX, PageForm.HTML), (JSON, PageForm.JSON)):
            stored = store.read_page(key)
            if stored is None:
                problems.append(f"{key} is missing")
                continue
            page = pages.read_project_page(key, form, stored, url=LAYOUT.page_url("demo"), location="")
            if page.files[0].filename != "demo-0.9.tar.gz":
                problems.append(f"{key} has lost an older file")
            for file in page.files:
                file_key = LAYOUT.find_key(file.url)
                if store.stat(file_key) is None or store.compute_sha256(file_key) != file.hashes["sha256"]:
                    problems.append(f"{key} lists {file_key}, which is not there or has other bytes")
            count = sum(f"-{version}-" in file.filename for file in page.files)
            if is_complete and count != 2:
                problems.append(f"{key} lists {count} files of {version}")
        root = store.read_page(ROOT)
        if is_complete and not (root and root.data.count(b">demo</a>") == 1):
            problems.append("the list of projects does not have demo once")
    return problems


def test_the_next_run_completes_a_killed_run(user: Publisher) -> None:
    environment = {**isolated_environment(user.folder), **user.place.variables}

    def run(forks: Forks, version: str, kill_at: int = -1) -> int:
        arguments = ["--ignore", "native/none-in-platform-wheel", "--ignore", "release/no-sdist"]
        task = Task(
            arguments=[*arguments, *user.arguments(version)],
            folder=str(user.folder),
            environment=environment,
            kill_at=kill_at,
        )
        return forks.run(task).code

    with Forks() as forks:
        prepare(user, "1.0")
        # A bucket does not serve these pages at the URL of installers, so that nothing is confirmed.
        expected = 10 if user.place.proxy else 0
        assert run(forks, "1.0", kill_at=0) == expected, (user.folder / "log").read_text()
        points = int((user.folder / "points").read_text())
        assert points > 300
        problems, killed = [], 0
        for number in range(POINTS):
            version = f"1.{number + 1}"
            prepare(user, version)
            # From the upload on: the first half is before it.
            point = points // 2 + number * (points - points // 2) // POINTS
            killed += run(forks, version, kill_at=point) == -9
            problems += find_problems(user, version, is_complete=False)
            code = run(forks, version)
            problems += find_problems(user, version, is_complete=True)
            if code != expected:
                problems.append(f"after point {point}: {code} {(user.folder / 'log').read_text()[-400:]}")
    assert problems == []
    assert killed >= POINTS // 2

"""Several targets in one run: nothing is uploaded before all agree, and each gets its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served


class Targets:
    """Two indexes, ``first`` and ``second``, in a .pypirc, and a staged release of two wheels."""

    def __init__(self, folder: Path, first: Served, second: Served) -> None:
        self.folder, self.first, self.second = folder, first, second
        for number in (311, 312):
            wheels.make_wheel(folder / "staged", "demo", "1.0", tag=f"cp{number}-none-any")
        sections = [
            f"[{name}]\nrepository = {served.upload_url}\nindex-url = {served.index_url}\n"
            "username = u\npassword = a-password-of-7\n"
            for name, served in (("first", first), ("second", second))
        ]
        self.pypirc = folder / "pypirc"
        self.pypirc.write_text("[distutils]\nindex-servers =\n  first\n  second\n\n" + "\n".join(sections))
        self.pypirc.chmod(0o600)
        self.names = sorted(path.name for path in (folder / "staged").iterdir())

    def run(self, *options: str, repositories: tuple[str, ...] = ("first", "second")) -> Result:
        source = ["-u", str(self.folder / "staged"), "-w", str(self.folder / "house")]
        selected = [word for name in repositories for word in ("-r", name)]
        quick = ["--retries", "2", "--confirm-timeout", "2", "--config-file", str(self.pypirc)]
        env = {"HOME": str(self.folder)}
        return in_process.run(*source, *selected, *quick, *options, "demo", "1.0", env=env)

    def posts(self) -> tuple[int, int]:
        return len(self.first.index.posts), len(self.second.index.posts)


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[Targets]:
    with indexes.scripted_index() as first, indexes.scripted_index() as second:
        yield Targets(tmp_path, first, second)


def test_publishes_to_each_target_and_confirms_each(targets: Targets) -> None:
    ended = targets.run()
    assert ended.exit_code == 0, ended.stderr
    for served in (targets.first, targets.second):
        assert sorted(served.index.files) == targets.names
    assert "first: 2 uploaded; 2 files confirmed" in ended.stdout
    assert "second: 2 uploaded; 2 files confirmed" in ended.stdout
    assert targets.run().exit_code == 0
    assert targets.posts() == (2, 2)


def test_a_conflict_with_one_target_stops_the_run_before_the_first_upload(targets: Targets) -> None:
    targets.second.index.files[targets.names[0]] = b"other bytes"
    ended = targets.run()
    assert ended.exit_code == 7, ended.stderr
    assert targets.posts() == (0, 0)
    assert "second: " in ended.stderr
    assert "first: nothing was uploaded" in ended.stderr


def test_a_target_that_fails_does_not_cost_the_other_its_files(targets: Targets) -> None:
    targets.first.index.script = [Reply(503)] * 20
    ended = targets.run("--format", "json")
    assert ended.exit_code == 8, ended.stderr
    assert sorted(targets.second.index.files) == targets.names
    assert "the release is not complete on 1 of 2 targets" in ended.stderr
    document = json.loads(ended.stdout)
    assert [target["exit_code"] for target in document["targets"]] == [5, 0]
    assert document["targets"][1]["confirmed"] == targets.names
    targets.first.index.script = []
    again = targets.run()
    assert again.exit_code == 0, again.stderr
    assert sorted(targets.first.index.files) == targets.names
    assert targets.posts()[1] == 2


def test_a_target_that_cannot_be_read_does_not_cost_the_other_its_files(targets: Targets) -> None:
    targets.first.index.page = (503, "text/plain", "down")
    ended = targets.run()
    assert ended.exit_code == 8, ended.stderr
    assert targets.posts() == (0, 2)


def test_nothing_is_uploaded_if_no_target_can_be_read(targets: Targets) -> None:
    for served in (targets.first, targets.second):
        served.index.page = (503, "text/plain", "down")
    ended = targets.run()
    assert ended.exit_code == 5, ended.stderr
    assert targets.posts() == (0, 0)


def test_a_target_that_does_not_serve_the_files_is_named(targets: Targets) -> None:
    targets.second.index.file_reply = Reply(404)
    ended = targets.run()
    assert ended.exit_code == 10, ended.stderr
    assert "second: " in ended.stderr
    assert "first: complete, 2 files confirmed" in ended.stderr


def test_a_dry_run_tells_what_each_target_would_get(targets: Targets) -> None:
    assert targets.run(repositories=("first",)).exit_code == 0
    ended = targets.run("--dry-run")
    assert ended.exit_code == 0, ended.stderr
    assert "first: 2 skipped" in ended.stdout
    assert "second: 2 would upload" in ended.stdout
    assert targets.posts() == (2, 0)


def test_a_dry_run_fails_if_a_target_cannot_be_read(targets: Targets) -> None:
    targets.first.index.page = (503, "text/plain", "down")
    ended = targets.run("--dry-run")
    assert ended.exit_code == 5, ended.stderr
    assert "first: " in ended.stderr
    assert targets.posts() == (0, 0)


@pytest.mark.parametrize(
    "options",
    [
        ("--index-url", "http://127.0.0.1:9/simple/"),
        ("--repository-url", "http://127.0.0.1:9/"),
        ("--label", "dev"),
        ("--verify",),
    ],
)
def test_options_of_one_target_are_refused(targets: Targets, options: tuple[str, ...]) -> None:
    ended = targets.run(*options)
    assert ended.exit_code == 2, ended.stderr
    assert targets.posts() == (0, 0)


def test_a_target_that_is_named_twice_is_refused(targets: Targets) -> None:
    ended = targets.run(repositories=("first", "first"))
    assert ended.exit_code == 2, ended.stderr
    assert "given twice" in ended.stderr


def test_a_wrong_login_of_one_target_stops_before_any_upload(targets: Targets) -> None:
    targets.pypirc.write_text(targets.pypirc.read_text().rpartition("\npassword")[0])
    ended = targets.run("--non-interactive")
    assert ended.exit_code == 4, ended.stderr
    assert targets.posts() == (0, 0)

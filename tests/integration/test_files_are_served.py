"""Files that the index lists, and that users cannot download."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served

NAME = "demo-1.0-py3-none-any.whl"
DENIED = "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


def publish(served: Served, folder: Path) -> tuple[int, str, str]:
    """Publish a wheel; return the exit code, stdout and stderr, whose lines are joined."""
    if not (folder / "staged").exists():
        wheels.make_wheel(folder / "staged", "demo", "1.0")
    target = ["--repository-url", served.upload_url, "--retries", "2", "--confirm-timeout", "2"]
    env = {"TWINE_USERNAME": "u", "TWINE_PASSWORD": "a-password-of-7", "HOME": str(folder)}
    source = ["-u", str(folder / "staged"), "-w", str(folder / "house")]
    ended = in_process.run(*source, *target, "demo", "1.0", env=env)
    return ended.exit_code, ended.stdout, " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        (Reply(403, "Forbidden", body=DENIED), "answered 403 (Forbidden"),
        (Reply(404), "answered 404"),
        (Reply(401), "rejected the credentials of u"),
        (Reply(503), "answered 503"),
        (Reply(200, body="<html>no</html>"), "answered 200 with 15 bytes instead of"),
        # Without a Content-Range, the answer shows no size.
        (Reply(206, body="PK"), "answered 206 with other contents"),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_a_file_that_cannot_be_downloaded_is_not_confirmed(
    served: Served, tmp_path: Path, reply: Reply, seen: str
) -> None:
    served.index.file_reply = reply
    for posts in (1, 1):
        code, output, errors = publish(served, tmp_path)
        assert code == 10, errors
        assert "and 1 cannot be downloaded" in errors
        assert f"{NAME}: 127.0.0.1" in errors or f"{NAME}: http://127.0.0.1" in errors
        assert seen in errors
        assert "confirmed: the index serves" not in output
        assert len(served.index.posts) == posts
    served.index.file_reply = None
    assert publish(served, tmp_path)[0] == 0


def test_a_page_of_the_size_of_the_file_is_not_the_file(served: Served, tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    served.index.file_reply = Reply(200, body="<html>".ljust(wheel.stat().st_size))
    code, _, errors = publish(served, tmp_path)
    assert code == 10, errors
    assert "answered 200 with other contents (text/html)" in errors


def test_waits_until_the_file_is_served(served: Served, tmp_path: Path) -> None:
    served.index.file_script = [Reply(404), Reply(503)]
    code, output, errors = publish(served, tmp_path)
    assert code == 0, errors
    assert "confirmed: the index serves 1 of 1 file" in output


@pytest.mark.parametrize("status", [400, 405, 501])
def test_requests_the_whole_file_from_a_host_that_refuses_ranges(
    served: Served, tmp_path: Path, status: int
) -> None:
    served.index.file_script = [Reply(status)]
    code, _, errors = publish(served, tmp_path)
    assert code == 0, errors


def test_files_are_requested_with_a_login_if_they_require_one(served: Served, tmp_path: Path) -> None:
    served.index.password, served.index.anonymous = ("u", "a-password-of-7"), Reply(401)
    code, _, errors = publish(served, tmp_path)
    assert code == 0, errors


def test_a_redirect_to_a_host_that_is_not_permitted_is_not_a_failure(served: Served, tmp_path: Path) -> None:
    served.index.file_reply = Reply(302, headers={"Location": "http://127.0.0.2:9/signed"})
    code, _, errors = publish(served, tmp_path)
    assert code == 0, errors


def test_confirms_a_file_on_a_private_host_without_a_request(served: Served, tmp_path: Path) -> None:
    """Pulp serves the files at another port; a run without --allow-host does not connect to it."""
    with indexes.redirect_server("/") as elsewhere:
        served.index.file_reply = Reply(302, headers={"Location": f"{elsewhere}{NAME}"})
        code, _, errors = publish(served, tmp_path)
    assert code == 0, errors


def test_a_run_that_uploads_nothing_asks_for_nothing_twice(served: Served, tmp_path: Path) -> None:
    assert publish(served, tmp_path)[0] == 0
    served.index.gets.clear()
    code, output, errors = publish(served, tmp_path)
    assert code == 0, errors
    assert "confirmed: the index serves 1 of 1 file" in output
    requested = [(path, headers.get("accept", "").partition(",")[0]) for path, headers in served.index.gets]
    # Both views of the page are confirmed, because installers read either.
    assert sorted(path for path, _ in requested) == [f"/files/{NAME}", "/simple/demo/", "/simple/demo/"]
    assert len(set(requested)) == len(requested)

"""The verdict on an upload that an index rejects or leaves open: its bytes decide, not its words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served

USER, PASSWORD = "u", "a-password-of-7"
SIGN_IN = '<title>Sign in</title><form><input name=p type="password"></form>'
FILTER = (
    "<title>Attention</title><h1>Sorry, you have been blocked</h1> Ray ID: 8f2 You cannot access this site"
)
FEED = "Conflict - The feed 'x' already contains file 'demo-1.0-py3-none-any.whl'"
BURNED = "This filename was previously used by a file that has since been deleted. Use a different version."
CLOSED = "Uploading new files to releases older than 14 days is not allowed."


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        running.index.password = (USER, PASSWORD)
        yield running


def publish(served: Served, folder: Path, *options: str) -> Result:
    """Publish the files of ``folder/staged``."""
    url = (
        f"{served.url}legacy/"
        if not served.index.prefix
        else f"{served.url.rstrip('/')}{served.index.prefix}/"
    )
    arguments = ["--repository-url", url, "--retries", "2", "--confirm-timeout", "3", *options, "demo", "1.0"]
    env = {"TWINE_USERNAME": USER, "TWINE_PASSWORD": PASSWORD, "HOME": str(folder)}
    env["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    return in_process.run("-u", folder / "staged", "-w", folder / "house", *arguments, env=env)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return wheels.make_wheel(tmp_path / "staged", "demo", "1.0")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"message":"Datei ist bereits vorhanden"}'),
        (404, '{"errors":[{"status":404,"message":"Could not locate artifact \'x:demo/1.0\'"}]}'),
        (
            400,
            "<html><p>pypi-hosted/packages/demo/1.0/demo-1.0-py3-none-any.whl cannot be updated</p></html>",
        ),
        (403, "Not enough permissions to delete/overwrite artifact"),
    ],
)
def test_a_rejected_file_that_is_listed_with_our_bytes_is_there(
    served: Served, tmp_path: Path, wheel: Path, status: int, body: str
) -> None:
    served.index.script = [Reply(status, body=body, stores=True)]
    ended = publish(served, tmp_path)
    assert ended.exit_code == 0, ended.stderr
    assert "1 skipped" in ended.stdout
    assert len(served.index.posts) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_a_rejected_file_that_is_never_listed_quotes_the_server(
    served: Served, tmp_path: Path, wheel: Path, status: int
) -> None:
    served.index.script = [Reply(status, body='{"message":"Datei ist bereits vorhanden"}')]
    ended = publish(served, tmp_path)
    assert ended.exit_code in (2, 6)
    assert "uild" not in ended.stderr
    words, hint = ended.stderr.index("Datei ist bereits"), ended.stderr.index("next:")
    assert words < hint
    assert "next: If " in ended.stderr


def test_words_that_mean_exists_never_send_anybody_to_rebuild(
    served: Served, tmp_path: Path, wheel: Path
) -> None:
    served.index.prefix = "/repository/pypi-hosted"
    page = "<html>pypi-hosted/packages/demo/1.0/demo-1.0-py3-none-any.whl cannot be updated</html>"
    served.index.script = [Reply(400, body=page)]
    ended = publish(served, tmp_path)
    assert ended.exit_code == 7
    assert "its page does not show the file" in ended.stderr
    assert "ebuild" not in ended.stderr
    assert len(served.index.posts) == 1


@pytest.mark.parametrize("status", [200, 203])
def test_a_sign_in_page_is_not_an_acceptance(
    served: Served, tmp_path: Path, wheel: Path, status: int
) -> None:
    served.index.script = [Reply(status, body=SIGN_IN)]
    ended = publish(served, tmp_path, "--confirm-timeout", "60")
    assert ended.exit_code == 4, ended.stderr
    assert "a sign-in page was returned" in ended.stderr
    assert "0 uploaded" not in ended.stdout
    assert "1 failed" in ended.stdout


def test_the_page_of_a_filter_is_not_about_credentials(served: Served, tmp_path: Path, wheel: Path) -> None:
    served.index.script = [Reply(403, body=FILTER)]
    ended = publish(served, tmp_path)
    assert ended.exit_code == 5
    assert "a filter in front of the index blocked the upload" in ended.stderr
    assert "TWINE_" not in ended.stderr.partition("error: ")[2]
    assert "rejected" not in ended.stdout


def test_a_name_that_is_taken_by_a_lost_upload_is_waited_for(
    served: Served, tmp_path: Path, wheel: Path
) -> None:
    served.index.script = [Reply(503, stores=True), Reply(409, FEED)]
    served.index.listing_delay = 3
    ended = publish(served, tmp_path, "--confirm-timeout", "15", "--retries", "6")
    assert ended.exit_code == 0, ended.stderr
    assert "uploaded (the first answer was lost)" in ended.stderr
    assert len(served.index.posts) == 2


def test_a_name_that_is_taken_and_never_listed_is_an_unknown_outcome(
    served: Served, tmp_path: Path, wheel: Path
) -> None:
    served.index.script = [Reply(503, stores=True), Reply(409, FEED)]
    served.index.listing_delay = 99
    ended = publish(served, tmp_path, "--confirm-timeout", "2", "--retries", "6")
    assert ended.exit_code == 10, ended.stderr
    assert "The feed 'x' already contains" in ended.stderr
    assert "version" not in ended.stderr
    assert len(served.index.posts) == 2


@pytest.mark.parametrize("words", [BURNED, CLOSED])
def test_a_release_that_can_never_be_completed_is_a_conflict(
    served: Served, tmp_path: Path, wheel: Path, words: str
) -> None:
    served.index.store(wheel)
    wheels.make_sdist(tmp_path / "staged", "demo", "1.0")
    served.index.script = [Reply(400, words)]
    ended = publish(served, tmp_path)
    assert ended.exit_code == 7, ended.stderr
    assert "1 of 2 files is on the index" in ended.stderr
    assert f"in: {wheel.name}" in ended.stderr
    assert "continue" not in ended.stderr

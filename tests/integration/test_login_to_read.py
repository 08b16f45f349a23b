"""Indexes that show nothing, or a sign-in page, to readers without a login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served

USER, PASSWORD = "u", "a-password-of-7"
OLDER = "demo-0.9-py3-none-any.whl"
SIGN_IN = '<title>Sign in</title><form><input name=p type="password"></form>'


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        running.index.password = (USER, PASSWORD)
        yield running


def run(served: Served, folder: Path, *options: str, **env: str) -> Result:
    """Publish the files of ``folder/staged``."""
    arguments = ["--repository-url", served.upload_url, "--retries", "2", "--confirm-timeout", "3", *options]
    variables = {"TWINE_USERNAME": USER, "TWINE_PASSWORD": PASSWORD, "HOME": str(folder)}
    variables |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **env}
    staged: list[str | Path] = ["-u", folder / "staged", "-w", folder / "house"]
    return in_process.run(*staged, *arguments, "demo", "1.0", env=variables)


def replace_wheel(folder: Path) -> None:
    for path in (folder / "staged").iterdir():
        path.unlink()
    for path in (folder / "house").iterdir():
        if path.is_file():
            path.unlink()
    wheels.make_wheel(folder / "staged", "demo", "1.0", files={"demo/other.py": b"x = 2\n"})


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return wheels.make_wheel(tmp_path / "staged", "demo", "1.0")


def sent_logins(served: Served) -> list[str]:
    return [headers["authorization"] for _, headers in served.index.gets if "authorization" in headers]


@pytest.mark.parametrize(
    "anonymous",
    [
        Reply(404, body="not found"),
        Reply(403, body='{"errors": [{"message": "Forbidden"}]}'),
        Reply(401, headers={"WWW-Authenticate": "Basic"}),
        Reply(200, body=SIGN_IN),
        Reply(302, headers={"Location": "http://127.0.0.2:9/login"}),
        Reply(302, headers={"Location": "?again=1"}),
        Reply(400, body="no authentication"),
        Reply(405),
        Reply(451),
        Reply(200),
        Reply(204),
        Reply(200, body="<title>Portal</title><div id=root></div><script src=app.js></script>"),
        Reply(200, body='<meta http-equiv="refresh" content="0;url=/login">'),
        Reply(200, body="<title>Links for demo</title>"),
        Reply(200, body=f'<title>Links for demo</title><a href="/{OLDER}">{OLDER}</a>'),
    ],
    ids=[
        *("404", "403", "401", "sign-in page", "login elsewhere", "redirect loop", "400", "405", "451"),
        *("nothing", "204", "script", "refresh", "no files", "a part of the files"),
    ],
)
def test_other_bytes_are_not_overwritten(
    served: Served, tmp_path: Path, wheel: Path, anonymous: Reply
) -> None:
    served.index.anonymous, served.index.overwrites = anonymous, True
    first = run(served, tmp_path)
    assert first.exit_code == 0, first.stderr
    stored = dict(served.index.files)
    same = run(served, tmp_path)
    assert same.exit_code == 0, same.stderr
    assert "1 skipped" in same.stdout
    replace_wheel(tmp_path)
    second = run(served, tmp_path)
    assert second.exit_code == 7, second.stderr
    assert len(served.index.posts) == 1
    assert served.index.files == stored
    # A check and a wait look with the credentials as well.
    checked = run(served, tmp_path, "--until", "check")
    assert checked.exit_code == 7, checked.stderr


def test_credentials_that_may_not_read_leave_a_public_page_as_it_is(
    served: Served, tmp_path: Path, wheel: Path
) -> None:
    served.index.reader = Reply(403)
    served.index.files[OLDER] = b"older"
    ended = run(served, tmp_path)
    assert ended.exit_code == 0, ended.stderr
    assert served.index.files[wheel.name] == wheel.read_bytes()
    # The confirmation is that of readers without a login.
    confirming = [headers for path, headers in served.index.gets if path.startswith("/files/")]
    assert confirming
    assert all("authorization" not in headers for headers in confirming)


@pytest.mark.parametrize("status", [407, 429, 500, 503])
def test_credentials_do_not_follow_a_failure_that_is_not_about_them(
    served: Served, tmp_path: Path, wheel: Path, status: int
) -> None:
    served.index.anonymous = Reply(status)
    ended = run(served, tmp_path, "--retries", "1")
    assert ended.exit_code == 5, ended.stderr
    assert (sent_logins(served), served.index.posts) == ([], [])


def test_a_redirect_loop_that_a_login_does_not_end_is_reported(
    served: Served, tmp_path: Path, wheel: Path
) -> None:
    served.index.anonymous = served.index.reader = Reply(302, headers={"Location": "?again=1"})
    ended = run(served, tmp_path)
    assert ended.exit_code == 5, ended.stderr
    assert "redirects more than" in ended.stderr
    assert served.index.posts == []
    assert sent_logins(served)


def test_a_public_page_is_read_without_credentials(served: Served, tmp_path: Path, wheel: Path) -> None:
    served.index.store(wheel)
    assert run(served, tmp_path).exit_code == 0
    assert sent_logins(served) == []
    assert served.index.posts == []


def test_credentials_go_to_the_origin_of_the_upload_only(served: Served, tmp_path: Path, wheel: Path) -> None:
    with indexes.scripted_index() as other:
        other.index.anonymous = Reply(403)
        ended = run(served, tmp_path, "--index-url", other.index_url)
        assert ended.exit_code == 4, ended.stderr
        assert "--index-url" in ended.stderr
        assert "netrc" in ended.stderr
        assert sent_logins(other) == []
        assert served.index.posts == []
        # Credentials in the URL, or in netrc, belong to that host.
        other.index.password = ("reader", "read-password-1")
        url = other.index_url.replace("//", "//reader:read-password-1@")
        assert run(served, tmp_path, "--index-url", url, "--dry-run").exit_code == 0
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login reader password read-password-1\n")
        netrc.chmod(0o600)
        dry = run(served, tmp_path, "--index-url", other.index_url, "--dry-run", NETRC=str(netrc))
        assert dry.exit_code == 0, dry.stderr
        assert set(sent_logins(other)) == {indexes.basic("reader", "read-password-1")}


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_password_is_about_credentials(
    served: Served, tmp_path: Path, wheel: Path, status: int
) -> None:
    served.index.anonymous = Reply(status)
    ended = run(served, tmp_path, TWINE_PASSWORD="wrong-password-1")
    assert ended.exit_code == 4, ended.stderr
    assert "The server may require a login" not in ended.stderr
    assert "TWINE_" not in ended.stderr.partition("error: ")[2]
    assert served.index.posts == []


def test_a_token_that_may_only_write_needs_an_option(served: Served, tmp_path: Path, wheel: Path) -> None:
    served.index.anonymous, served.index.reader = Reply(401), Reply(403)
    ended = run(served, tmp_path)
    assert ended.exit_code == 4, ended.stderr
    assert "--write-only" in ended.stderr
    assert served.index.posts == []
    for form in ("text", "json", "html", "markdown"):
        written = run(served, tmp_path, "--write-only", "--format", form)
        assert written.exit_code == 0, written.stderr
        assert "confirmed" not in (written.stdout + written.stderr).lower()
        assert "uploaded" in written.stdout
    strict = run(served, tmp_path, "--write-only", "--strict", "--ignore", "release", "--ignore", "metadata")
    assert strict.exit_code == 10, strict.stderr
    assert "confirmed" not in (strict.stdout + strict.stderr).lower()
    assert "continue" not in strict.stderr
    assert [path for path, headers in served.index.gets if "authorization" in headers]


def test_a_token_that_may_only_write_sends_a_file_again_only_if_it_cannot_be_stored(
    served: Served, tmp_path: Path, wheel: Path
) -> None:
    served.index.anonymous = Reply(401)
    served.index.script = [Reply(503)]
    ended = run(served, tmp_path, "--write-only")
    assert ended.exit_code == 5, ended.stderr
    assert "may have the file" in " ".join(ended.stderr.split())
    assert "unknown" in ended.stdout
    assert len(served.index.posts) == 1
    served.index.script = [Reply(429)]
    assert run(served, tmp_path, "--write-only").exit_code == 0
    assert len(served.index.posts) == 3
    served.index.script = [Reply(409, "x already exists")]
    ended = run(served, tmp_path, "--write-only")
    assert ended.exit_code == 7, ended.stderr
    assert "x already exists" in ended.stderr
    assert served.index.gets == []


def test_a_new_project_on_an_index_without_a_list_of_projects(
    served: Served, tmp_path: Path, wheel: Path
) -> None:
    served.index.prefix, served.index.root = "/team/repo", Reply(404)
    url = f"{served.url}team/repo/"
    ended = run(served, tmp_path, "--repository-url", url)
    assert ended.exit_code == 2, ended.stderr
    assert "expected if it is new" in " ".join(ended.stderr.split())
    assert f"--index-url {url}simple/" in " ".join(ended.stderr.split())
    ended = run(served, tmp_path, "--repository-url", url, "--index-url", f"{url}simple/")
    assert ended.exit_code == 0, ended.stderr


def test_a_new_project_at_a_path_that_is_known(served: Served, tmp_path: Path, wheel: Path) -> None:
    """CodeArtifact has no list of projects."""
    served.index.prefix, served.index.root = "/pypi/repo", Reply(404)
    ended = run(served, tmp_path, "--repository-url", f"{served.url}pypi/repo/")
    assert ended.exit_code == 0, ended.stderr
    assert len(served.index.posts) == 1


def test_a_page_that_can_never_be_read_ends_the_wait(served: Served, tmp_path: Path, wheel: Path) -> None:
    served.index.content_type = "binary/octet-stream"
    ended = run(served, tmp_path, "--confirm-timeout", "60")
    assert ended.exit_code == 10, ended.stderr
    assert "its content type is binary/octet-stream" in " ".join(ended.stderr.split())
    assert len(served.index.gets) < 6


@pytest.mark.parametrize("view", ["json", "html only"])
def test_pages_with_another_type_or_without_json_are_read(
    served: Served, tmp_path: Path, wheel: Path, view: str
) -> None:
    served.index.view = view
    served.index.content_type = "application/json" if view == "json" else ""
    ended = run(served, tmp_path)
    assert ended.exit_code == 0, ended.stderr
    again = run(served, tmp_path)
    assert again.exit_code == 0, again.stderr
    assert len(served.index.posts) == 1

"""With a password that is a word of the messages, they stay readable, and server text is masked."""

from __future__ import annotations

import pytest

from tests.support.command_line import CommandLine
from tools.testing import wheels
from tools.testing.indexes import Reply, Served

PASSWORDS = ("upload", "wheel", "token", "file", "index", "sha256", "password", "error")
REPORTS = ("r.html", "r.md", "r.json", "r.sarif", "r.txt")
WARNING = "the wheel is for win_amd64 but has no compiled code"


def run(command: CommandLine, password: str, *arguments: str) -> tuple[int, str]:
    """Return the exit code and everything that the command wrote."""
    reports = [f"--report={name}" for name in REPORTS]
    ended = command.run(
        *("-vv", "-u", "staged", *arguments, *reports, "demo", "2.0"),
        TWINE_USERNAME="me",
        TWINE_PASSWORD=password,
    )
    texts = [(command.home / name).read_text(encoding="utf-8") for name in REPORTS]
    return ended.exit_code, "\n".join([ended.stdout, ended.stderr, *texts])


@pytest.fixture
def release(command: CommandLine) -> CommandLine:
    """Stage a wheel with a warning whose words are passwords below."""
    wheels.make_wheel(command.home / "staged", project="demo", version="2.0", tag="cp313-cp313-win_amd64")
    return command


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_repeated_password_is_masked_and_our_words_are_not(
    release: CommandLine, served: Served, password: str
) -> None:
    served.index.script = [Reply(400, f"400 no <<{password}>> here")]
    urls = ("--repository-url", served.upload_url, "--index-url", served.index_url)
    code, text = run(release, password, *urls)
    assert code, text
    assert f"<<{password}>>" not in text
    assert "no <<***>> here" in text
    flat = " ".join(text.split())
    assert WARNING in flat
    assert "the index" in flat


@pytest.mark.parametrize("password", ["wheel", "index"])
@pytest.mark.parametrize("status", [403, 500])
def test_a_page_that_repeats_the_password_is_masked(
    release: CommandLine, served: Served, password: str, status: int
) -> None:
    served.index.page = (status, "text/plain", f"<<{password}>> is wrong")
    urls = ("--repository-url", served.upload_url, "--index-url", served.index_url)
    _, text = run(release, password, *urls, "--retries", "1")
    assert f"<<{password}>>" not in text


@pytest.mark.parametrize("password", ["wheel", "upload"])
def test_an_argument_with_the_password_is_masked(release: CommandLine, password: str) -> None:
    url = f"http://me:{password}@127.0.0.1:9/legacy/?token={password}"
    code, text = run(release, password, "--repository-url", url, "--retries", "1")
    assert code
    assert f":{password}@" not in text
    assert f"token={password}" not in text

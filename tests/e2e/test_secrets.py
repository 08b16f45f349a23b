"""No output of the real command contains a secret, in whichever way it was given; the command must use it.

Each way is combined with a few failures; ``python -m tests.soak leaks`` tries all combinations.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.canaries import SECRET_INPUTS, Sandbox, UserHome, find_leak
from tests.support.leaks import FAILURES, LeakScenario
from tools.testing import gpg

if sys.platform == "win32":
    pytest.skip("terminals and shell scripts of POSIX", allow_module_level=True)


@pytest.fixture(scope="module")
def keys() -> Iterator[gpg.Keyring]:
    with leaks.signing_keyring() as keyring:
        yield keyring


@pytest.mark.parametrize("way", SECRET_INPUTS)
def test_successful_run_leaks_no_secret(way: str, tmp_path: Path, keys: gpg.Keyring) -> None:
    with LeakScenario(way, tmp_path, keys).open() as scenario:
        scenario.publish()


def part() -> Iterator[tuple[str, str]]:
    """Yield each way with one of the failures, in turn."""
    failures = list(FAILURES)
    for number, way in enumerate(SECRET_INPUTS):
        yield way, failures[number * 3 % len(failures)]


@pytest.mark.parametrize(("way", "failure"), list(part()))
def test_failed_run_leaks_no_secret(way: str, failure: str, tmp_path: Path, keys: gpg.Keyring) -> None:
    with LeakScenario(way, tmp_path, keys).open() as scenario:
        scenario.fail_with(failure)


@pytest.mark.parametrize("arguments", [(), ("--attest", "--until", "sign")], ids=["upload", "attest"])
def test_slash_in_the_password_of_the_identity_service_url(
    arguments: Sequence[str], tmp_path: Path, keys: gpg.Keyring
) -> None:
    with LeakScenario("trusted publishing", tmp_path, keys).open() as scenario:
        core = scenario.user_home.core
        url = f"https://me:{core[:16]}/{core[16:]}@127.0.0.1/"
        allowed = ("--allow-insecure-host", "127.0.0.2")
        ended = scenario.run(*arguments, *allowed, variables={"ACTIONS_ID_TOKEN_REQUEST_URL": url})
    assert ended.returncode in {4, 12}
    assert b"ACTIONS_ID_TOKEN_REQUEST_URL" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("dipy", "1.11.0", "{url}"),
        ("-u", "x", "-j", "{url}", "dipy"),
        ("-u", "x", "--until", "{url}", "dipy"),
        ("--config", "{url}"),
        ("--explain", "{url}"),
        ("-u", "{url}", "--repository-url", "{url}", "--index-url", "{url}", "--show-config", "dipy"),
        ("-u", "x", "--report", "{url}", "dipy"),
        ("-u", "x", "--config-profile", "{url}", "dipy"),
        ("-u", "{url}", "--ignore", "{url}", "dipy"),
        ("-u", "{url}", "--wait", "{url}", "dipy"),
        ("-u", "{url}", "-w", "{url}", "--until", "download", "dipy", "1.11.0"),
        ("-u", "x", "--cert", "{url}", "dipy", "1.11.0"),
        ("-u", "x", "--repository-url", "ftp://{login}", "dipy", "1.11.0"),
        ("-u", "ftp://{login}", "--until", "list", "dipy", "1.11.0"),
    ],
)
def test_misplaced_argument_is_quoted_without_its_password(arguments: Sequence[str], tmp_path: Path) -> None:
    user_home = UserHome(tmp_path / "home")
    sandbox = Sandbox(user_home.path, gpg.GPG)
    login = f"me:{user_home.token}@127.0.0.1:1/"
    ended = sandbox.run(user_home, *(word.format(url=f"http://{login}", login=login) for word in arguments))
    assert ended.returncode in {0, 2, 3, 5, 13}, ended.stderr
    assert not find_leak(user_home.core, ended.stdout + ended.stderr), ended.stderr


@pytest.mark.parametrize(
    "text", ["{}", "https://h/?token={}", "{0!r} {0}x", "Basic bWU6{}"], ids=["bare", "query", "twice", "in"]
)
def test_find_leak_detects_a_leak(text: str) -> None:
    user_home = UserHome(Path())

    assert find_leak(user_home.core, text.format(user_home.core).encode())
    for shift in range(3):
        data = base64.b64encode(b"x" * shift + user_home.core.encode())
        assert find_leak(user_home.core, b"Authorization: Basic " + data)
    assert not find_leak(user_home.core, text.format(UserHome(Path()).core).encode())

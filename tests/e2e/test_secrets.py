"""No output of the real command contains a secret, in whichever way it was given; the command must use it.

Each way is combined with a few failures; ``python -m tests.soak leaks`` tries all combinations.
"""

from __future__ import annotations

import base64
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.canaries import SECRET_INPUTS, Sandbox, UserHome, find_leak
from tests.support.command_line import CommandLine
from tests.support.leaks import FAILURES, LeakScenario
from tools.testing import gpg, indexes, wheels
from wheel_uploader.report.formats_table import FORMAT_BY_SUFFIX

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


@pytest.mark.parametrize("login", ["me:{token}@127.0.0.1:1/w/", "me:{token}@localhost/t/demo"])
@pytest.mark.parametrize("report", ["text", "json", "sarif"])
def test_password_in_a_url_without_its_scheme_is_hidden(login: str, report: str, tmp_path: Path) -> None:
    user_home = UserHome(tmp_path / "home")
    url = login.format(token=user_home.token)
    arguments = ("-n", "-v", "--format", report, "-u", url, "--report", "out.html", "dipy", "1.11.0")
    ended = Sandbox(user_home.path, gpg.GPG).run(user_home, *arguments)
    assert ended.returncode == 3, ended.stderr
    page = (user_home.path / "out.html").read_bytes()
    assert b"no such file or directory: me:***@" in ended.stderr
    assert not find_leak(user_home.core, ended.stdout + ended.stderr + page), ended.stderr


@pytest.mark.parametrize("folder", ["any/t/demo", "t/demo", "any/C#/t/demo/what?/me@work"])
def test_does_not_redact_a_local_path(folder: str, tmp_path: Path) -> None:
    """The path and the words in it are shown as they are, and the printed command works."""
    staged = tmp_path / folder
    good = wheels.make_wheel(staged, "demo", "1.0", tag="cp312-none-any")
    bad = wheels.make_wheel(staged, "demo", "1.0", tag="cp313-none-any")
    (tmp_path / "home").mkdir()
    command = CommandLine(tmp_path / "home")
    reports = [word for suffix in FORMAT_BY_SUFFIX for word in ("--report", f"out/report{suffix}")]
    with indexes.scripted_index() as served:
        served.index.script = [None, indexes.Reply(400, "'x' is not a valid classifier.")]
        index = ("--repository-url", served.upload_url, "--index-url", served.index_url, "--upload-jobs", "1")
        arguments = ("-u", str(staged), *index, "-w", f"{folder}/house", *reports, "demo", "1.0")
        ended = command.run("-v", *arguments, TWINE_USERNAME="", TWINE_PASSWORD="", GITHUB_ACTIONS="true")
        assert ended.exit_code == 8, ended.stderr
        label, _, line = next(line for line in ended.stderr.splitlines() if "to continue" in line).partition(
            ": "
        )
        program, *again = shlex.split(line)
        assert (label, program) == ("to continue", "wheel-uploader")
        assert again == ["-v", *arguments]
        outputs = {"standard output": ended.stdout, "standard error": ended.stderr}
        outputs |= {path.name: path.read_text() for path in (command.home / "out").iterdir()}
        continued = command.run(*again, TWINE_USERNAME="", TWINE_PASSWORD="")
    assert continued.exit_code == 0, continued.stderr
    assert served.index.files.keys() == {good.name, bad.name}
    assert len(outputs) == 2 + len(FORMAT_BY_SUFFIX)
    for place, text in outputs.items():
        assert "***" not in text, place
        assert good.name in text, place
    report = json.loads(outputs["report.json"])
    assert report["sources"] == [str(staged)]
    assert {file["url"] for file in report["files"]} == {good.as_uri(), bad.as_uri()}


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

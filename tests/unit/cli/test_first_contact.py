"""Test what a new user sees first: no arguments, --version, --explain, the examples and --show-config."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.in_process import run
from wheel_uploader import checks, cli
from wheel_uploader.cli import completion

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home directory of a user, who is in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("TWINE_USERNAME", "TWINE_PASSWORD", "TWINE_REPOSITORY", "TWINE_REPOSITORY_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def resolved(*arguments: str, **environment: str) -> dict[str, str]:
    result = run("--show-config", *arguments, env=environment)
    assert (result.exit_code, result.stderr) == (0, "")
    assert SECRET not in result.stdout
    lines = [line.removeprefix("# ") for line in result.stdout.splitlines()]
    return dict(
        line.split(": ", 1) for line in lines if line.startswith(("target:", "index page:", "login:"))
    )


def test_the_bare_command_says_in_five_lines_what_to_type() -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("error: nothing to do")
    assert all("wheel-uploader " in line for line in lines[1:])


def test_each_first_call_is_a_valid_command_line() -> None:
    for line in run().stderr.splitlines()[1:4]:
        words = line.split("  ")[1].split()[1:]
        shown = run("--show-config", *(word.replace("VERSION", "1.0") for word in words))
        assert shown.exit_code == 0, shown.stderr


def test_a_source_from_the_environment_is_something_to_do() -> None:
    result = run(env={"WHEEL_UPLOADER_URL": "dist"})
    assert "no project given" in result.stderr


def test_version_names_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    complete = run("--version").stdout.splitlines()
    assert complete[2].startswith("extras: ")
    assert "socks" in complete[2]
    installed = metadata.version

    def version(name: str) -> str:
        if name == "botocore":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "version", version)
    without = run("--version").stdout.splitlines()
    assert "s3" not in without[2]
    assert without[3] == "extras that are not installed: s3"


def test_explain_without_an_id_lists_every_check_below_its_family() -> None:
    result = run("--explain")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for check in checks.CHECKS:
        place = next(number for number, line in enumerate(lines) if line.split()[:1] == [check.id])
        assert check.title in lines[place]
        heading = next(line for line in reversed(lines[:place]) if line and not line.startswith(" "))
        assert heading == check.family


def test_help_ends_with_examples() -> None:
    examples = run("--help").stdout.partition("\nExamples:\n")[2]
    commands = [line.split()[1:] for line in examples.splitlines() if line.startswith("    ")]
    assert len(commands) == 4
    for words in commands:
        assert run("--show-config", *words).exit_code == 0


def test_show_config_prints_target_index_page_and_login() -> None:
    url = "http://127.0.0.1:9/legacy/"
    shown = resolved(
        *("--repository-url", f"http://jane:{SECRET}@127.0.0.1:9/legacy/"),
        *("--index-url", "http://127.0.0.1:9/simple/", "My_Project"),
    )
    assert shown["target"] == url
    assert shown["index page"] == "http://127.0.0.1:9/simple/my-project/"
    assert shown["login"].startswith("user jane")
    variables = resolved("--repository-url", url, TWINE_USERNAME="jane", TWINE_PASSWORD=SECRET)
    assert variables["login"] == "user jane from TWINE_USERNAME, password from TWINE_PASSWORD"
    assert resolved("--repository-url", url, "-n")["login"] == "not needed"
    assert resolved("--repository-url", url)["login"].startswith("missing: no ")


def test_show_config_says_why_nothing_can_be_resolved() -> None:
    assert resolved("-r", "nowhere")["target"] == "not known: repository 'nowhere' not found in ~/.pypirc"
    assert resolved("--jobs", "0")["target"].startswith("not known: --jobs")


def test_repositories_are_completed_from_both_files(folder: Path) -> None:
    (folder / ".pypirc").write_text("[distutils]\nindex-servers = own\n[own]\nusername = jane\n")
    (folder / "pyproject.toml").write_text(
        '[tool.wheel-uploader.targets.mirror]\nurl = "https://index.example/"\n'
    )
    context = cli.command.make_context("wheel-uploader", [], resilient_parsing=True)
    option = cli.command.params[0]
    assert completion.complete_repositories(context, option, "") == ["pypi", "testpypi", "mirror", "own"]
    assert completion.complete_repositories(context, option, "o") == ["own"]
    (folder / ".pypirc").write_text("no section\n")
    (folder / "pyproject.toml").write_text("not TOML")
    assert completion.complete_repositories(context, option, "") == ["pypi", "testpypi"]


def test_completion_does_not_judge_the_words() -> None:
    environment = {
        "_WHEEL_UPLOADER_COMPLETE": "bash_complete",
        "COMP_WORDS": "wheel-uploader upload --token x -r testp",
        "COMP_CWORD": "5",
    }
    result = CliRunner().invoke(cli.command, [], env=environment, prog_name="wheel-uploader")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "plain,testpypi\n", "")

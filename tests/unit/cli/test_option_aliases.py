"""Test former spellings of options: accepted everywhere, shown nowhere."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from tests.support.in_process import run
from tests.unit.cli.test_config_sources import rows
from wheel_uploader import cli
from wheel_uploader.cli import man_page
from wheel_uploader.cli.option import AliasedOption

#: Former name, name, and a value as the command line takes it, or None for a flag.
RENAMED = (
    ("like", "compare-with", "1.10"),
    ("no-like", "no-compare", None),
    ("keep", "keep-releases", "3"),
    ("allow-lost", "allow-missing", "cp310"),
    ("hashes", "sha256sums", "SHA256SUMS"),
)
HISTORIC = ("wheel-url-dir", "wheel-dir", "wheel-type", "no-twine")
#: Names of other tools.
OTHER = ("index", "publish-url", "check-url", "user", "packages-dir")
FORMER = ("use", *(former for former, _, _ in RENAMED), *HISTORIC, *OTHER)
#: The value as written in TOML, and as --show-config prints it.
TOML = {
    "like": ('"1.10"', '"1.10"'),
    "no-like": ("true", "true"),
    "keep": ("3", "3"),
    "allow-lost": ('["cp310"]', '["cp310"]'),
    "hashes": ('"SHA256SUMS"', '"SHA256SUMS"'),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def variable(name: str) -> str:
    return f"WHEEL_UPLOADER_{name.replace('-', '_').upper()}"


@pytest.mark.parametrize(("former", "name", "value"), RENAMED)
def test_former_spelling_works_on_the_command_line(former: str, name: str, value: str | None) -> None:
    result = run("--show-config", f"--{former}", *([value] if value else []))
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows(result.stdout)[name] == (TOML[former][1], "command line")
    assert former not in rows(result.stdout)


@pytest.mark.parametrize(("former", "name", "value"), RENAMED)
def test_former_variable_works_and_the_new_one_wins(former: str, name: str, value: str | None) -> None:
    result = run("--show-config", env={variable(former): value or "1"})
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows(result.stdout)[name] == (TOML[former][1], variable(former))
    assert "no option has this variable" not in result.stdout
    both = run("--show-config", env={variable(former): "0", variable(name): value or "1"})
    assert rows(both.stdout)[name] == (TOML[former][1], variable(name))


@pytest.mark.parametrize(("former", "name", "value"), RENAMED)
@pytest.mark.parametrize("separator", ["-", "_"])
def test_former_key_works_in_a_configuration_file(
    folder: Path, former: str, name: str, value: str | None, separator: str
) -> None:
    key = former.replace("-", separator)
    path = folder / "pyproject.toml"
    path.write_text(f"[tool.wheel-uploader]\n{key} = {TOML[former][0]}\n")
    result = run("--show-config")
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows(result.stdout)[name] == (TOML[former][1], f"{path} [tool.wheel-uploader]")
    path.write_text(f"[tool.wheel-uploader]\n{key} = {TOML[former][0]}\n{name} = {TOML[former][0]}\n")
    twice = run("--show-config")
    assert twice.exit_code == 2
    assert f"[tool.wheel-uploader] {name} and {key} are the same option: keep only {name}" in twice.stderr


def test_profile_overrides_the_table_whatever_the_spelling(folder: Path) -> None:
    for table, profile in (("keep", "keep-releases"), ("keep-releases", "keep")):
        Path("pyproject.toml").write_text(
            f"[tool.wheel-uploader]\n{table} = 5\n\n[tool.wheel-uploader.profiles.nightly]\n{profile} = 2\n"
        )
        result = run("--show-config", "--config-profile", "nightly")
        assert rows(result.stdout)["keep-releases"][0] == "2"


def test_former_spelling_of_the_profile_option_works(folder: Path) -> None:
    Path("pyproject.toml").write_text("[tool.wheel-uploader.profiles.nightly]\nretries = 9\n")
    typed = run("--show-config", "--use", "nightly")
    from_environment = run("--show-config", env={"WHEEL_UPLOADER_USE": "nightly"})
    for result in (typed, from_environment):
        assert (result.exit_code, result.stderr) == (0, "")
        assert rows(result.stdout)["retries"][0] == "9"
        assert "WHEEL_UPLOADER_USE" not in result.stdout


def test_former_spellings_are_not_in_help_completion_or_the_manual_page() -> None:
    context = click.Context(cli.command, info_name="wheel-uploader")
    aliases = {
        alias
        for parameter in cli.command.params
        if isinstance(parameter, AliasedOption)
        for alias in parameter.aliases
    }
    assert aliases == {f"--{former}" for former in FORMER}
    words = {word.rstrip(",.;:") for word in cli.command.get_help(context).split()}
    words |= {word.replace("\\-", "-") for word in man_page.man_page(cli.command, date(2026, 11, 21)).split()}
    assert not words & aliases
    completed = ShellComplete(cli.command, {}, "wheel-uploader", "_COMPLETE").get_completions([], "--")
    assert {"--compare-with", "--config-profile"} <= {item.value for item in completed}
    assert not {item.value for item in completed} & aliases


def test_messages_name_the_new_spelling() -> None:
    wrong = run("--keep", "x")
    assert "Invalid value for '--keep-releases': 'x' is not a valid integer." in wrong.stderr
    excluded = run("-u", "dist", "--like", "1.10", "--no-like", "dipy", "1.11.0")
    assert "--compare-with and --no-compare are mutually exclusive" in excluded.stderr
    misspelled = run("--hashs", "SHA256SUMS")
    assert misspelled.stderr.startswith("error: No such option '--hashs'.")
    assert "'--hashes'" not in misspelled.stderr
    from_environment = run(env={"WHEEL_UPLOADER_KEEP": "x"})
    assert "Invalid value for WHEEL_UPLOADER_KEEP: 'x' is not" in from_environment.stderr


def test_messages_about_the_file_suggest_the_new_spelling(folder: Path) -> None:
    Path("pyproject.toml").write_text("[tool.wheel-uploader]\nalow-lost = 1\nkepp-releases = 1\n")
    result = run("--show-config")
    assert '"kepp-releases" (did you mean "keep-releases"?)' in result.stderr
    assert "allow-lost" not in result.stderr

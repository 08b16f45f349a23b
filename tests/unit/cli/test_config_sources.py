"""Options from the file, its profiles and the environment: which one wins, and what says so."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import wheels
from tests.support.in_process import run

if os.name == "posix":
    import grp
    import pwd

SECRET = "tr0ub4dor"
CONFIG = f"""
[tool.wheel-uploader]
url = "https://me:{SECRET}@staging.example.com/wheels/"
wait = "20m"
retries = 3
expect = {{ pythons = ["cp311"] }}

[tool.wheel-uploader.ignore]
"metadata/thin" = "the old README stays"

[tool.wheel-uploader.profiles.nightly]
project = "dipy"
version = "latest"
pre = true
retries = 9
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(CONFIG)
    return tmp_path / "pyproject.toml"


def rows(text: str) -> dict[str, tuple[str, str]]:
    """Key to value and origin."""
    found = {}
    for line in text.splitlines():
        said, _, origin = line.removeprefix("# ").partition("  # ")
        key, _, value = said.partition(" = ")
        found[key.strip()] = value.strip(), origin
    return found


def test_show_config_says_each_value_and_where_it_came_from(config: Path) -> None:
    result = run("--show-config", "--config-profile", "nightly", "--strict", env={"WHEEL_UPLOADER_JOBS": "3"})
    assert (result.exit_code, result.stderr) == (0, "")
    shown = rows(result.stdout)
    table, profile = f"{config} [tool.wheel-uploader]", f"{config} [tool.wheel-uploader.profiles.nightly]"
    assert shown["project"] == ('"dipy"', profile)
    assert shown["retries"] == ("9", profile)
    assert shown["wait"] == ("1200", table)
    assert shown["jobs"] == ("3", "WHEEL_UPLOADER_JOBS")
    assert shown["strict"] == ("true", "command line")
    assert shown["timeout"] == ("30", "default")
    assert shown["sha256sums"] == ("", "not set")
    # What is shown is TOML, so it can be kept.
    values = tomllib.loads(result.stdout)
    assert values["ignore"] == {"metadata/thin": "the old README stays"}
    assert values["expect"] == {"pythons": ["cp311"]}
    assert values["skip-existing"] is True


def test_show_config_hides_secrets_and_knows_the_variables_of_twine(config: Path) -> None:
    result = run(
        "--show-config",
        env={
            "TWINE_PASSWORD": SECRET,
            "WHEEL_UPLOADER_URL_TOKEN": SECRET,
            "TWINE_REPOSITORY_URL": f"https://me:{SECRET}@index.example.com/",
            "WHEEL_UPLOADER_RETRY": SECRET,
        },
    )
    assert result.exit_code == 0
    assert SECRET not in result.output
    assert rows(result.stdout)["url"][0] == '["https://***@staging.example.com/wheels/"]'
    assert rows(result.stdout)["repository-url"][1] == "TWINE_REPOSITORY_URL"
    assert "# TWINE_PASSWORD is set (hidden)\n" in result.stdout
    assert "# WHEEL_UPLOADER_RETRY is set, but no option has this variable\n" in result.stdout
    assert "# project" in result.stdout
    # A repository that is named makes twine's URL void.
    named = run("--show-config", "-r", "internal", env={"TWINE_REPOSITORY_URL": "https://index.example.com/"})
    assert rows(named.stdout)["repository-url"] == ("", "not set")


def test_a_profile_is_a_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    Path("pyproject.toml").write_text(
        "[tool.wheel-uploader.profiles.macs]\n"
        "project = 'dipy'\nversion = 'latest'\nurl = 'staged'\ntype = 'macosx'\nuntil = 'list'\n"
    )
    result = run("--config-profile", "macs")
    assert (result.exit_code, "1 file," in result.stdout) == (0, True)
    assert "dipy 1.11.0" in result.stdout
    # The command line also overrides the release; --config and --config-profile may come in either order.
    other = run("--config-profile", "macs", "--config", "pyproject.toml", "dipy", "1.12.0")
    assert (other.exit_code, "no files of dipy 1.12.0" in other.stderr) == (3, True)
    assert run(env={"WHEEL_UPLOADER_CONFIG_PROFILE": "macs"}).exit_code == 0


def test_quiet_may_come_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.wheel-uploader.profiles.nightly]\nquiet = 2\n")
    for arguments in (
        ("--config-profile", "nightly"),
        ("--config", "pyproject.toml", "--config-profile", "nightly"),
    ):
        result = run(*arguments, "dipy")
        assert (result.exit_code, result.output) == (2, "")
    assert run("dipy").output != ""


def test_a_wrong_profile_ends_before_anything_begins(config: Path, tmp_path: Path) -> None:
    result = run("--config-profile", "nightli")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: profile nightli not found in ")
    assert "(did you mean nightly?)" in result.stderr
    config.unlink()
    nowhere = run("--config-profile", "nightly", "-u", tmp_path)
    assert (nowhere.exit_code, "no pyproject.toml in this folder or its parents" in nowhere.stderr) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("--retries", "x"), {}, "Invalid value for '--retries': 'x' is not a valid integer."),
        ((), {"WHEEL_UPLOADER_RETRIES": "x"}, "Invalid value for WHEEL_UPLOADER_RETRIES: 'x' is not"),
        (
            ("--config-profile", "hard"),
            {},
            "retries in {path} [tool.wheel-uploader.profiles.hard]: 99 is not in",
        ),
        (("--verison",), {}, "No such option '--verison'. (Did you mean one of: "),
        (("--until", "chek"), {}, "Invalid value for '--until': 'chek' is not one of"),
        (("--wait", "soon"), {}, "'soon' is not a duration"),
    ],
)
def test_what_is_wrong_says_where_it_stands(
    config: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    config.write_text(CONFIG + "[tool.wheel-uploader.profiles.hard]\nretries = 99\n")
    result = run(*arguments, env=environment)
    assert result.exit_code == 2
    first, last = result.stderr.splitlines()
    assert said.format(path=config) in first
    assert (first[:7], last[:6]) == ("error: ", "next: ")


# --- whose file it is ------------------------------------------------------------------------------

#: uid of nobody, or whoever has it.
SOMEBODY = 65534
OWNERS = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")


def given_to(path: Path, owner: int) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(path, owner, owner)


@OWNERS
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("file", "it belongs to nobody (uid 65534)"),
        ("folder", "its directory {folder} to nobody (uid 65534)"),
        ("sticky folder", "other users can write to its directory {folder}"),
        ("folder of a group", "other users can write to its directory {folder}"),
        ("writable file", "other users can write to it"),
        ("link", "it belongs to nobody (uid 65534)"),
        ("link into a sticky folder", "other users can write to its directory {folder}"),
    ],
)
def test_a_file_that_others_could_have_written_is_not_obeyed(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    folder = tmp_path
    match how:
        case "file":
            given_to(config, SOMEBODY)
        case "folder":
            given_to(tmp_path, SOMEBODY)
        case "sticky folder":
            tmp_path.chmod(0o1777)
        case "folder of a group":
            if os.geteuid():
                pytest.skip("needs a group that is not this user's own")
            os.chown(tmp_path, 0, SOMEBODY)
            tmp_path.chmod(0o775)
        case "writable file":
            config.chmod(0o666)
        case "link":
            target = config.rename(tmp_path / "theirs.toml")
            given_to(target, SOMEBODY)
            config.symlink_to(target)
        case _:
            folder = tmp_path / "open"
            folder.mkdir()
            folder.chmod(0o1777)
            config.symlink_to(config.rename(folder / "mine.toml"))
    below = tmp_path / "work" / "here"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    for result in (
        run("--show-config"),
        run("-u", "dist", "dipy", "1.0"),
        run("--config-profile", "nightly"),
    ):
        assert result.exit_code == 2
        assert f"refusing to use [tool.wheel-uploader] in {config}: it belongs to " in result.stderr
        assert said.format(folder=folder) in result.stderr
        assert f"next: If you trust the file, pass it with --config {config}" in result.stderr
        assert "staging.example.com" not in result.output
    named = run("--show-config", "--config", str(config))
    assert (named.exit_code, rows(named.stdout)["retries"][0]) == (0, "3")
    from_environment = run("--show-config", env={"WHEEL_UPLOADER_CONFIG": str(config)})
    assert from_environment.exit_code == 0


@OWNERS
def test_a_file_of_others_that_is_not_about_us_stops_nobody(config: Path) -> None:
    config.write_text("[project]\nname = 'x'\n")
    given_to(config, SOMEBODY)
    assert run("--show-config").exit_code == 0


@OWNERS
def test_what_belongs_to_root_or_to_a_group_of_this_user_alone_is_obeyed(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """root sets up machines; and with a group for each user, everything is writable by that group."""
    for path in (config, tmp_path):
        path.chmod(path.stat().st_mode | 0o020)
    if not os.geteuid():
        # As nobody would see the files of root, and those of its own group.
        monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)
        name = pwd.getpwuid(SOMEBODY).pw_name
        alone = SimpleNamespace(gr_name=name, gr_mem=[])
        monkeypatch.setattr(grp, "getgrgid", lambda _: alone)
        os.chown(tmp_path, SOMEBODY, pwd.getpwuid(SOMEBODY).pw_gid)
        assert run("--show-config").exit_code == 0
        alone.gr_mem = ["daemon"]
        assert run("--show-config").exit_code == 2
    else:
        assert run("--show-config").exit_code == 0

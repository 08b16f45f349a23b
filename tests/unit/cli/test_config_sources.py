"""Test options from the file, its profiles and the environment: precedence and reported origin."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.in_process import run
from tools.testing import wheels

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
    """Return a mapping from key to (value, origin)."""
    values_by_key = {}
    for line in text.splitlines():
        setting, _, origin = line.removeprefix("# ").partition("  # ")
        key, _, value = setting.partition(" = ")
        values_by_key[key.strip()] = value.strip(), origin
    return values_by_key


def test_show_config_prints_each_value_and_its_origin(config: Path) -> None:
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
    # The output is valid TOML that can be saved as a file.
    values = tomllib.loads(result.stdout)
    assert values["ignore"] == {"metadata/thin": "the old README stays"}
    assert values["expect"] == {"pythons": ["cp311"]}
    assert values["skip-existing"] is True


def test_show_config_hides_secrets_and_reads_twine_variables(config: Path) -> None:
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
    # --repository overrides twine's URL variable.
    named = run("--show-config", "-r", "internal", env={"TWINE_REPOSITORY_URL": "https://index.example.com/"})
    assert rows(named.stdout)["repository-url"] == ("", "not set")


def test_a_profile_can_hold_a_complete_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_reads_quiet_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.wheel-uploader.profiles.nightly]\nquiet = 2\n")
    for arguments in (
        ("--config-profile", "nightly"),
        ("--config", "pyproject.toml", "--config-profile", "nightly"),
    ):
        result = run(*arguments, "dipy")
        assert (result.exit_code, result.output) == (2, "")
    assert run("dipy").output != ""


def test_rejects_an_unknown_profile_before_the_run_starts(config: Path, tmp_path: Path) -> None:
    result = run("--config-profile", "nightli")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: profile nightli not found in ")
    assert "(did you mean nightly?)" in result.stderr
    config.unlink()
    without_file = run("--config-profile", "nightly", "-u", tmp_path)
    assert (
        without_file.exit_code,
        "no pyproject.toml in this folder or its parents" in without_file.stderr,
    ) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
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
def test_error_names_the_origin_of_an_invalid_value(
    config: Path, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    config.write_text(CONFIG + "[tool.wheel-uploader.profiles.hard]\nretries = 99\n")
    result = run(*arguments, env=environment)
    assert result.exit_code == 2
    first, last = result.stderr.splitlines()
    assert message.format(path=config) in first
    assert (first[:7], last[:6]) == ("error: ", "next: ")


# --- file ownership --------------------------------------------------------------------------------

#: The conventional uid of an unprivileged user.
OTHER_UID = 65534
needs_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")


def give_file_to(path: Path, owner: int) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(path, owner, owner)


@needs_owners
@pytest.mark.parametrize(
    ("problem", "message"),
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
def test_rejects_a_file_that_other_users_could_have_written(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str, message: str
) -> None:
    folder = tmp_path
    match problem:
        case "file":
            give_file_to(config, OTHER_UID)
        case "folder":
            give_file_to(tmp_path, OTHER_UID)
        case "sticky folder":
            tmp_path.chmod(0o1777)
        case "folder of a group":
            if os.geteuid():
                pytest.skip("needs a group that is not this user's own")
            os.chown(tmp_path, 0, OTHER_UID)
            tmp_path.chmod(0o775)
        case "writable file":
            config.chmod(0o666)
        case "link":
            target = config.rename(tmp_path / "theirs.toml")
            give_file_to(target, OTHER_UID)
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
        assert message.format(folder=folder) in result.stderr
        assert f"next: If you trust the file, pass it with --config {config}" in result.stderr
        assert "staging.example.com" not in result.output
    named = run("--show-config", "--config", str(config))
    assert (named.exit_code, rows(named.stdout)["retries"][0]) == (0, "3")
    from_environment = run("--show-config", env={"WHEEL_UPLOADER_CONFIG": str(config)})
    assert from_environment.exit_code == 0


@needs_owners
def test_ignores_a_file_of_another_user_without_our_table(config: Path) -> None:
    config.write_text("[project]\nname = 'x'\n")
    give_file_to(config, OTHER_UID)
    assert run("--show-config").exit_code == 0


@needs_owners
def test_accepts_a_file_of_root_or_of_a_private_group(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """root may provide the file, and a group that contains only this user may have write access."""
    for path in (config, tmp_path):
        path.chmod(path.stat().st_mode | 0o020)
    if not os.geteuid():
        # Simulate another user who reads a file of root and one of a private group.
        monkeypatch.setattr(os, "geteuid", lambda: OTHER_UID)
        name = pwd.getpwuid(OTHER_UID).pw_name
        private_group = SimpleNamespace(gr_name=name, gr_mem=[])
        monkeypatch.setattr(grp, "getgrgid", lambda _: private_group)
        os.chown(tmp_path, OTHER_UID, pwd.getpwuid(OTHER_UID).pw_gid)
        assert run("--show-config").exit_code == 0
        private_group.gr_mem = ["daemon"]
        assert run("--show-config").exit_code == 2
    else:
        assert run("--show-config").exit_code == 0


def test_a_variable_that_is_almost_that_of_an_option_is_named(tmp_path: Path) -> None:
    """A misspelled ``--dry-run`` must not publish in silence; variables of a workflow are its own."""
    result = run(
        *("--until", "list", "-u", str(tmp_path), "dipy", "1.11.0"),
        env={"WHEEL_UPLOADER_DRY_RUM": "1", "WHEEL_UPLOADER_VERSION": "1", "WHEEL_UPLOADER_TIMEOUT": "9"},
    )
    assert "WHEEL_UPLOADER_DRY_RUM has no effect: did you mean WHEEL_UPLOADER_DRY_RUN?\n" in result.stderr
    assert result.stderr.count("WHEEL_UPLOADER_") == 2

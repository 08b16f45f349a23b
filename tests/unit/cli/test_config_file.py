"""Test the [tool.wheel-uploader] table: finding it, reading it, and rejecting unknown options."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.in_process import run
from wheel_uploader.cli import config_file
from wheel_uploader.cli.config_file import ValueKind
from wheel_uploader.core.errors import UsageError

KNOWN = {
    "url": ValueKind.TEXTS,
    "wheelhouse": ValueKind.TEXT,
    "sign": ValueKind.FLAG,
    "retries": ValueKind.COUNT,
    "timeout": ValueKind.NUMBER,
    "wait": ValueKind.DURATION,
    "expect": ValueKind.FILES,
    "ignore": ValueKind.IGNORES,
}


def values(path: Path, use: str | None = None) -> dict[str, object]:
    return {name: setting.value for name, setting in config_file.load_settings(path, KNOWN, use).items()}


def write_config(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return path


def test_finds_the_nearest_file_upwards(tmp_path: Path) -> None:
    path = write_config(tmp_path, "")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert config_file.find_config_file(tmp_path / "a" / "b") == path


def test_keys_are_options_with_dashes_or_underscores(tmp_path: Path) -> None:
    path = write_config(tmp_path, '[tool.wheel-uploader]\nurl = ["x"]\nsign = true\n')
    assert values(path) == {"url": ["x"], "sign": True}
    assert values(write_config(tmp_path, "[project]\nname = 'x'\n")) == {}


@pytest.mark.parametrize(
    ("value", "ignores"),
    [
        ('"metadata"', [("metadata", "")]),
        ('["metadata/thin", "wheel/no-tag"]', [("metadata/thin", ""), ("wheel/no-tag", "")]),
        ('{ "metadata/thin" = "the old README stays" }', [("metadata/thin", "the old README stays")]),
        ("{}", []),
    ],
)
def test_ignore_is_a_list_or_a_table_with_reasons(
    tmp_path: Path, value: str, ignores: list[tuple[str, str]]
) -> None:
    path = write_config(tmp_path, f"[tool.wheel-uploader]\nignore = {value}\n")
    assert values(path) == {"ignore": ignores}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ignore = 1", "ignore is 1, but must be a list of check ids or a table of check ids and reasons"),
        ("ignore = [1]", "ignore is [1], but must be a list of check ids"),
        ('ignore = { "metadata/thin" = 1 }', "ignore is a table, but must be a list of check ids"),
        ("ignore = true", "ignore is true, but must be a list of check ids"),
        ('sign = "yes"', 'sign is "yes", but must be true or false'),
        ("retries = 1.5", "retries is 1.5, but must be an integer"),
        ("retries = true", "retries is true, but must be an integer"),
        ('timeout = "30"', 'timeout is "30", but must be a number'),
        ("wheelhouse = 3", "wheelhouse is 3, but must be a string"),
        ("url = [3]", "url is [3], but must be a string or a list of strings"),
        ("wait = [3]", "wait is [3], but must be a number of seconds"),
        ("expect = true", "expect is true, but must be a number, a string or a table"),
        ("expect = 1.5", "expect is 1.5, but must be a number, a string or a table"),
    ],
)
def test_reports_a_value_of_the_wrong_type(tmp_path: Path, line: str, message: str) -> None:
    for table in ("[tool.wheel-uploader]", "[tool.wheel-uploader.profiles.nightly]"):
        path = write_config(tmp_path, f"{table}\n{line}\n")
        with pytest.raises(UsageError) as caught:
            config_file.load_settings(path, KNOWN)
        assert len(caught.value.details) == 1
        assert caught.value.details[0].startswith(f"{table} {message}")


def test_accepts_values_of_every_type(tmp_path: Path) -> None:
    text = "url = 'x'\nsign = false\nretries = 3\ntimeout = 1.5\nwait = '20m'\nexpect = 6\n"
    assert len(values(write_config(tmp_path, f"[tool.wheel-uploader]\n{text}"))) == 6


def test_suggests_the_nearest_option_for_every_unknown_key(tmp_path: Path) -> None:
    path = write_config(tmp_path, "[tool.wheel-uploader]\nwheelhuose = 'x'\nzzz = 1\n")
    with pytest.raises(UsageError) as caught:
        config_file.load_settings(path, KNOWN)
    assert caught.value.details == (
        '[tool.wheel-uploader]: unknown option "wheelhuose" (did you mean "wheelhouse"?)',
        '[tool.wheel-uploader]: unknown option "zzz"',
    )


# --- profiles --------------------------------------------------------------------------------------

PROFILES = """
[tool.wheel-uploader]
url = ["x"]
retries = 3

[tool.wheel-uploader.profiles.nightly]
project = "dipy"
version = "latest"
retries = 9
"""


def test_profile_overrides_the_table_and_reports_the_origin_of_each_value(tmp_path: Path) -> None:
    path = write_config(tmp_path, PROFILES)
    assert values(path) == {"url": ["x"], "retries": 3}
    assert values(path, "nightly") == {"url": ["x"], "retries": 9, "project": "dipy", "version": "latest"}
    settings = config_file.load_settings(path, KNOWN, "nightly")
    assert settings["url"].table == f"{path} [tool.wheel-uploader]"
    assert settings["retries"].table == f"{path} [tool.wheel-uploader.profiles.nightly]"
    assert config_file.profile_names(path) == ["nightly"]


def test_suggests_the_nearest_profile_for_an_unknown_one(tmp_path: Path) -> None:
    path = write_config(tmp_path, PROFILES)
    with pytest.raises(UsageError, match=r"profile nightli not found in .*did you mean nightly\?") as caught:
        config_file.load_settings(path, KNOWN, "nightli")
    assert "Profiles in the file: nightly." in caught.value.hint
    with pytest.raises(UsageError) as caught:
        config_file.load_settings(write_config(tmp_path, ""), KNOWN, "nightly")
    assert "Profiles in the file: none." in caught.value.hint


def test_checks_every_profile(tmp_path: Path) -> None:
    path = write_config(tmp_path, f"{PROFILES}\n[tool.wheel-uploader.profiles.weekly]\nretires = 1\n")
    with pytest.raises(UsageError) as caught:
        config_file.load_settings(path, KNOWN, "nightly")
    assert caught.value.details == (
        '[tool.wheel-uploader.profiles.weekly]: unknown option "retires" (did you mean "retries"?)',
    )


def test_allows_project_only_in_a_profile(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        config_file.load_settings(write_config(tmp_path, "[tool.wheel-uploader]\nproject = 'dipy'\n"), KNOWN)
    assert "is only valid in a profile" in caught.value.details[0]


@pytest.mark.parametrize("text", ["profiles = 1", "profiles = { nightly = 1 }"])
def test_requires_profiles_to_be_tables(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="not a table of tables"):
        config_file.load_settings(write_config(tmp_path, f"[tool.wheel-uploader]\n{text}\n"), KNOWN)


# --- invalid files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.wheel-uploader\n", "is not valid TOML"),
        ("[tool]\nwheel-uploader = 1\n", "is not a table"),
        ("tool = 1\n", ""),
    ],
)
def test_reports_an_invalid_file(tmp_path: Path, text: str, message: str) -> None:
    path = write_config(tmp_path, text)
    if not message:
        assert config_file.load_settings(path, KNOWN) == {}
        return
    with pytest.raises(UsageError, match=message):
        config_file.load_settings(path, KNOWN)


def test_reports_an_unreadable_file_as_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        config_file.load_settings(tmp_path, KNOWN)


# --- out-of-range numbers --------------------------------------------------------------------------

NUMBERS = (
    "1" + "0" * 400,
    "-1" + "0" * 400,
    f"0x{'f' * 9000}",
    "inf",
    "-inf",
    "nan",
    "1e400",
    "9" * 5000,
    "-1",
)


@pytest.mark.parametrize(
    "option", ["jobs", "retries", "timeout", "wait", "expect", "max-age", "url", "ignore"]
)
def test_reports_an_out_of_range_number(tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOML does not limit hexadecimal numbers, so Python may refuse to convert the number to a string."""
    monkeypatch.chdir(tmp_path)
    for number in NUMBERS:
        for value in (number, f"[{number}]", f"{{ pythons = {number} }}", f"{{ pythons = [{number}] }}"):
            write_config(tmp_path, f"[tool.wheel-uploader]\n{option} = {value}\n")
            result = run("--until", "list", "-u", tmp_path, "dipy", "1.11.0")
            assert result.exit_code == 2, (option, value[:60], result.output[:2000])
            assert isinstance(result.exception, SystemExit), (option, value[:60])
            assert "Traceback" not in result.output

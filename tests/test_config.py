"""[tool.wheel-uploader]: found, read, and refused when it holds what is no option."""

from __future__ import annotations

from pathlib import Path

import pytest

from wheel_uploader import config
from wheel_uploader.errors import UsageError

KNOWN = ("url", "wheelhouse", "sign")


def written(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return path


def test_the_nearest_file_upwards_counts(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert config.find(tmp_path / "a" / "b") == path


def test_keys_are_options_with_dashes_or_underscores(tmp_path: Path) -> None:
    path = written(tmp_path, '[tool.wheel-uploader]\nurl = ["x"]\nsign = true\n')
    assert config.load(path, KNOWN) == {"url": ["x"], "sign": True}
    assert config.load(written(tmp_path, "[project]\nname = 'x'\n"), KNOWN) == {}


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
    path = written(tmp_path, f"[tool.wheel-uploader]\nignore = {value}\n")
    assert config.load(path, ("ignore",)) == {"ignore": ignores}


@pytest.mark.parametrize("value", ["1", "[1]", '{ "metadata/thin" = 1 }', "true"])
def test_ignore_is_nothing_else(tmp_path: Path, value: str) -> None:
    path = written(tmp_path, f"[tool.wheel-uploader]\nignore = {value}\n")
    with pytest.raises(UsageError, match="neither a list of ids nor a table"):
        config.load(path, ("ignore",))


def test_every_unknown_key_is_named_with_the_nearest_option(tmp_path: Path) -> None:
    path = written(tmp_path, "[tool.wheel-uploader]\nwheelhuose = 'x'\nzzz = 1\n")
    with pytest.raises(UsageError) as caught:
        config.load(path, KNOWN)
    assert caught.value.details == ("wheelhuose (did you mean wheelhouse?)", "zzz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.wheel-uploader\n", "is not TOML"),
        ("[tool]\nwheel-uploader = 1\n", "is not a table"),
        ("tool = 1\n", ""),
    ],
)
def test_a_broken_file_is_said_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    if not message:
        assert config.load(path, KNOWN) == {}
        return
    with pytest.raises(UsageError, match=message):
        config.load(path, KNOWN)


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        config.load(tmp_path, KNOWN)

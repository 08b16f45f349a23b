"""``[tool.wheel-uploader]`` in pyproject.toml: read it, and refuse what it does not know."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from wheel_uploader.display import printable
from wheel_uploader.errors import UsageError

TABLE = "wheel-uploader"


def find(start: Path) -> Path | None:
    """The nearest pyproject.toml at ``start`` or above it."""
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return path
    return None


def load(path: Path, known: Collection[str]) -> dict[str, Any]:
    """The table's keys and values; ``known`` are the long options, spelled as on the command line.

    Raises UsageError for a file that cannot be read, and for every unknown key at once.
    """
    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not TOML: {printable(str(error))}", hint="Correct the file, then run this again."
        ) from None
    table = document.get("tool", {}).get(TABLE, {}) if isinstance(document.get("tool", {}), Mapping) else {}
    if not isinstance(table, Mapping):
        raise UsageError(f"tool.{TABLE} in {path} is not a table")
    unknown = [_unknown(key, known) for key in table if key.replace("_", "-") not in known]
    if unknown:
        raise UsageError(
            f"[tool.{TABLE}] in {path} has keys that are no options",
            details=unknown,
            hint="The keys are the long options of 'wheel-uploader --help', without the dashes in front.",
        )
    values = {key.replace("_", "-"): value for key, value in table.items()}
    if "ignore" in values:
        values["ignore"] = _ignores(values["ignore"], path)
    return values


def _ignores(value: object, path: Path) -> list[tuple[str, str]]:
    """The checks to ignore, and why: a list of ids, or a table of an id and a reason each."""
    if isinstance(value, str):
        return [(value, "")]
    if isinstance(value, list) and all(isinstance(check_id, str) for check_id in value):
        return [(check_id, "") for check_id in value]
    if isinstance(value, dict) and all(isinstance(reason, str) for reason in value.values()):
        return list(value.items())
    raise UsageError(
        f"'ignore' in {path} is neither a list of ids nor a table of ids and reasons",
        hint='For example: ignore = { "metadata/thin" = "the old README stays" }',
    )


def _unknown(key: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    return printable(key) + (f" (did you mean {close[0]}?)" if close else "")

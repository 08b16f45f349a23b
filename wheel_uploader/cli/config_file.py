"""The configuration file: reads and validates ``[tool.wheel-uploader]`` in pyproject.toml."""

from __future__ import annotations

import difflib
import enum
import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.ownership import explain_untrusted
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.user_files import read_user_file

if TYPE_CHECKING:
    from wheel_uploader.core.models.target_settings import TargetSettings

TABLE_NAME = "wheel-uploader"
PROFILES_KEY = "profiles"
TARGETS_KEY = "targets"
#: Larger numbers in the file are rejected unread; Python cannot even print the largest that TOML allows.
_MAX_NUMBER = 10**12


class ValueKind(enum.StrEnum):
    """The kind of value that an option takes in the file; the enum value describes it in messages."""

    FLAG = "true or false"
    COUNT = "an integer"
    NUMBER = "a number"
    TEXT = "a string"
    TEXTS = "a string or a list of strings"
    DURATION = 'a number of seconds or a string like "20m"'
    FILES = "a number, a string or a table"
    IGNORES = "a list of check ids or a table of check ids and reasons"


#: Keys that a profile may have in addition to the long options.
PROFILE_ONLY_KEYS = {"project": ValueKind.TEXT, "version": ValueKind.TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value and the table that it is from, as in ``/x/pyproject.toml [tool.wheel-uploader]``."""

    value: Any
    table: str


def find_config_file(start: Path) -> Path | None:
    """Return the nearest pyproject.toml in ``start`` or one of its parents."""
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return path
    return None


def load_settings(
    path: Path,
    kinds: Mapping[str, ValueKind],
    profile: str | None = None,
    *,
    was_searched: bool = False,
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Setting]:
    """Return the settings of the file by key; those of ``profile`` override those of the table.

    All profiles are validated, not only the selected one. ``kinds`` are the keys that exist; ``aliases`` maps
    former keys to these. ``was_searched``: the file was found, not named. Raises UsageError for a file that
    cannot be read, for one that was found and that other users could have written, and for all wrong keys
    and values at once.
    """
    table = _table(path)
    aliases = aliases or {}
    if was_searched and (table or profile):
        _require_own(path)
    table.pop(TARGETS_KEY, None)  # Read by load_targets.
    profiles = _pop_tables(table, PROFILES_KEY, path)
    problems = list(_problems(table, kinds, aliases, f"[tool.{TABLE_NAME}]"))
    for name, values in profiles.items():
        problems += _problems(
            values, {**kinds, **PROFILE_ONLY_KEYS}, aliases, f"[tool.{TABLE_NAME}.{PROFILES_KEY}.{name}]"
        )
    if problems:
        raise UsageError(
            f"{path} has unknown keys or invalid values",
            details=problems,
            hint="Valid keys are the long options of 'wheel-uploader --help' without the leading dashes.",
        )
    if profile is None:
        return _settings(table, aliases, _table_name(path))
    if profile not in profiles:
        raise _unknown_profile(path, profile, list(profiles))
    settings = _settings(table, aliases, _table_name(path))
    return settings | _settings(profiles[profile], aliases, _table_name(path, profile))


def load_targets(path: Path) -> dict[str, TargetSettings]:
    """Return the targets that the file configures, by name. Raises UsageError for any invalid one.

    ``load_settings`` has checked who may write the file.
    """
    from wheel_uploader.core.models.target_settings import TargetSettings

    targets = {}
    for name, values in _pop_tables(_table(path), TARGETS_KEY, path).items():
        where = f"{path} [tool.{TABLE_NAME}.{TARGETS_KEY}.{name}]"
        targets[name] = TargetSettings.parse(values, where)
        if not targets[name].url:
            raise UsageError(f"{sanitize(where)} has no url", hint="Add the upload URL of the target.")
    return targets


def _pop_tables(table: dict[str, Any], key: str, path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Remove and return the table of tables ``key``; empty if there is none. Raises UsageError."""
    tables = table.pop(key, {})
    if not isinstance(tables, Mapping) or not all(isinstance(it, Mapping) for it in tables.values()):
        raise UsageError(
            f"'{key}' in {_table_name(path)} is not a table of tables",
            hint=f"Write each {key.removesuffix('s')} as a table: [tool.{TABLE_NAME}.{key}.NAME].",
        )
    return tables


def _require_own(path: Path) -> None:
    """Raise UsageError if other users could have written the file: it names indexes and commands."""
    try:
        reason = explain_untrusted(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if reason:
        raise UsageError(
            f"refusing to use [tool.{TABLE_NAME}] in {sanitize(str(path))}: {sanitize(reason)}",
            hint=f"If you trust the file, pass it with --config {sanitize(shlex.quote(str(path)))}; "
            "otherwise run the command in another directory.",
        )


def profile_names(path: Path) -> list[str]:
    """Return the names of the profiles in a file. Raises UsageError if it cannot be read."""
    tables = _table(path).get(PROFILES_KEY, {})
    return [str(name) for name in tables] if isinstance(tables, Mapping) else []


def _table(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        # Editors on Windows write a byte order mark.
        document = tomllib.loads(read_user_file(path).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        # Not TOML, not UTF-8, a number with too many digits, or brackets nested too deeply.
        raise UsageError(
            f"{path} is not valid TOML: {sanitize(str(error), limit=200)}",
            hint="Correct the file, then run the command again.",
        ) from None
    table = (
        document.get("tool", {}).get(TABLE_NAME, {}) if isinstance(document.get("tool", {}), Mapping) else {}
    )
    if not isinstance(table, dict):
        raise UsageError(f"tool.{TABLE_NAME} in {path} is not a table")
    return table


def _table_name(path: Path, profile: str | None = None) -> str:
    suffix = f".{PROFILES_KEY}.{profile}" if profile is not None else ""
    return f"{path} [tool.{TABLE_NAME}{suffix}]"


def _settings(table: Mapping[str, Any], aliases: Mapping[str, str], where: str) -> dict[str, Setting]:
    values = {_current_key(key, aliases): value for key, value in table.items()}
    return {
        key: Setting(value=_ignores(value) if key == "ignore" else value, table=where)
        for key, value in values.items()
    }


def _current_key(key: str, aliases: Mapping[str, str]) -> str:
    """Return the key with dashes and without its former spelling."""
    key = key.replace("_", "-")
    return aliases.get(key, key)


def _ignores(value: Any) -> list[tuple[str, str]]:
    """Return the checks to ignore with their reasons, which may be empty."""
    if isinstance(value, Mapping):
        return list(value.items())
    return [(check_id, "") for check_id in ([value] if isinstance(value, str) else value)]


# --- validation ------------------------------------------------------------------------------------


def _problems(
    table: Mapping[str, Any], kinds: Mapping[str, ValueKind], aliases: Mapping[str, str], where: str
) -> Iterator[str]:
    """Yield one line for each key that is not an option, is set twice, or has an invalid value."""
    seen: dict[str, str] = {}
    for key, value in table.items():
        current = _current_key(key, aliases)
        kind = kinds.get(current)
        other = seen.setdefault(current, key)
        if kind is None:
            yield f"{where}: {_unknown_key(key, kinds)}"
        elif other != key:
            yield f"{sanitize(f'{where} {key} and {other}')} are the same option: keep only {current}"
        elif not _fits(value, kind):
            yield f"{sanitize(f'{where} {key} is {_as_written(value)}')}, but must be {kind}"
        elif isinstance(value, int) and abs(value) > _MAX_NUMBER:
            yield f"{sanitize(f'{where} {key}')} is too large a number for any option"
        elif _has_nul(value):
            yield f"{sanitize(f'{where} {key}')} contains a NUL character"


def _has_nul(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_nul(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def _fits(value: object, kind: ValueKind) -> bool:
    if isinstance(value, bool):
        return kind is ValueKind.FLAG
    match kind:
        case ValueKind.FLAG:
            return False
        case ValueKind.COUNT:
            return isinstance(value, int)
        case ValueKind.NUMBER:
            return isinstance(value, int | float)
        case ValueKind.TEXT:
            return isinstance(value, str)
        case ValueKind.TEXTS:
            return isinstance(value, str) or _all_texts(value)
        case ValueKind.DURATION:
            return isinstance(value, int | float | str)
        case ValueKind.FILES:
            return isinstance(value, int | str | dict)
        case ValueKind.IGNORES:
            return isinstance(value, str) or _all_texts(
                list(value.values()) if isinstance(value, dict) else value
            )


def _all_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _as_written(value: object) -> str:
    """Return a value about as the user wrote it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, int) and abs(value) > _MAX_NUMBER:
        return "a very large number"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_written, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _unknown_profile(path: Path, profile: str, names: list[str]) -> UsageError:
    close = difflib.get_close_matches(profile, names, n=1)
    suggestion = f" (did you mean {sanitize(close[0])}?)" if close else ""
    available = ", ".join(map(sanitize, names)) or "none"
    return UsageError(
        f"profile {sanitize(profile)} not found in {path}{suggestion}",
        suggestion=(profile, close[0]) if close else None,
        hint=f"Profiles in the file: {available}. A profile is a table "
        f"[tool.{TABLE_NAME}.{PROFILES_KEY}.NAME].",
    )


def _unknown_key(key: str, kinds: Collection[str]) -> str:
    if key in PROFILE_ONLY_KEYS:
        return f'"{key}" is only valid in a profile, [tool.{TABLE_NAME}.{PROFILES_KEY}.NAME]'
    close = difflib.get_close_matches(key.replace("_", "-"), kinds, n=1)
    return f'unknown option "{sanitize(key)}"' + (f' (did you mean "{close[0]}"?)' if close else "")

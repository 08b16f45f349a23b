"""``[tool.wheel-uploader]`` in pyproject.toml: read it, and refuse what it does not know."""

from __future__ import annotations

import difflib
import enum
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wheel_uploader.display import printable
from wheel_uploader.errors import UsageError
from wheel_uploader.ownership import untrusted

TABLE = "wheel-uploader"
PROFILES = "profiles"
#: The largest whole number in the file that is looked at; Python cannot even print the largest of TOML.
_MOST = 10**12


class Kind(enum.StrEnum):
    """What may stand for an option in the file, in words."""

    FLAG = "true or false"
    COUNT = "a whole number"
    NUMBER = "a number"
    TEXT = "a text in quotes"
    TEXTS = "a text in quotes, or a list of them"
    DURATION = 'a number of seconds, or a text like "20m"'
    FILES = "a number, a text in quotes, or a table"
    IGNORES = "a list of ids, or a table of ids and reasons"


#: What a whole release is called in a profile, where an option has its own long name.
RELEASE = {"project": Kind.TEXT, "version": Kind.TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value of the file, and the table that it stands in: ``/x/pyproject.toml [tool.wheel-uploader]``."""

    value: Any
    where: str


def find(start: Path) -> Path | None:
    """The nearest pyproject.toml at ``start`` or above it."""
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return path
    return None


def load(
    path: Path,
    kinds: Mapping[str, Kind],
    profile: str | None = None,
    *,
    found: bool = False,
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Setting]:
    """Return the settings of the file by key; those of ``profile`` override those of the table.

    All profiles are validated, not only the selected one. ``kinds`` are the keys that exist; ``aliases`` maps
    former keys to these. ``found``: the file was found, not named. Raises UsageError for a file that cannot
    be read, for one that was found and that other users could have written, and for all wrong keys and
    values at once.
    """
    table = _table(path)
    aliases = aliases or {}
    if found and (table or profile):
        _require_own(path)
    named = table.pop(PROFILES, {})
    if not isinstance(named, Mapping) or not all(isinstance(each, Mapping) for each in named.values()):
        raise UsageError(
            f"'{PROFILES}' in {_place(path)} is not a table of tables",
            hint=f"A profile is a table of its own: [tool.{TABLE}.{PROFILES}.NAME].",
        )
    wrong = list(_wrong(table, kinds, aliases, f"[tool.{TABLE}]"))
    for name, values in named.items():
        wrong += _wrong(values, {**kinds, **RELEASE}, aliases, f"[tool.{TABLE}.{PROFILES}.{name}]")
    if wrong:
        raise UsageError(
            f"{path} has keys or values that are not known",
            details=wrong,
            hint="The keys are the long options of 'wheel-uploader --help', without the dashes in front.",
        )
    if profile is None:
        return _settings(table, aliases, _place(path))
    if profile not in named:
        raise _no_profile(path, profile, list(named))
    settings = _settings(table, aliases, _place(path))
    return settings | _settings(named[profile], aliases, _place(path, profile))


def _require_own(path: Path) -> None:
    """Raise UsageError if other users could have written the file: it names indexes and commands."""
    try:
        reason = untrusted(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if reason:
        raise UsageError(
            f"{printable(str(path))} has a table [tool.{TABLE}], and is not used: {printable(reason)}",
            hint=f"If it is the right file, name it: --config {printable(shlex.quote(str(path)))}. Otherwise "
            "run this in another directory.",
        )


def profiles(path: Path) -> list[str]:
    """The names of the profiles in a file. Raises UsageError."""
    named = _table(path).get(PROFILES, {})
    return [str(name) for name in named] if isinstance(named, Mapping) else []


def _table(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        # Not TOML, not UTF-8, a number of too many digits, brackets in brackets.
        raise UsageError(
            f"{path} is not TOML: {printable(str(error), limit=200)}",
            hint="Correct the file, then run this again.",
        ) from None
    table = document.get("tool", {}).get(TABLE, {}) if isinstance(document.get("tool", {}), Mapping) else {}
    if not isinstance(table, dict):
        raise UsageError(f"tool.{TABLE} in {path} is not a table")
    return table


def _place(path: Path, profile: str | None = None) -> str:
    below = f".{PROFILES}.{profile}" if profile is not None else ""
    return f"{path} [tool.{TABLE}{below}]"


def _settings(table: Mapping[str, Any], aliases: Mapping[str, str], where: str) -> dict[str, Setting]:
    values = {_current_key(key, aliases): value for key, value in table.items()}
    return {
        key: Setting(value=_ignores(value) if key == "ignore" else value, where=where)
        for key, value in values.items()
    }


def _current_key(key: str, aliases: Mapping[str, str]) -> str:
    """Return the key with dashes and without its former spelling."""
    key = key.replace("_", "-")
    return aliases.get(key, key)


def _ignores(value: Any) -> list[tuple[str, str]]:
    """The checks to ignore, and why."""
    if isinstance(value, Mapping):
        return list(value.items())
    return [(check_id, "") for check_id in ([value] if isinstance(value, str) else value)]


# --- what is wrong ---------------------------------------------------------------------------------


def _wrong(
    table: Mapping[str, Any], kinds: Mapping[str, Kind], aliases: Mapping[str, str], where: str
) -> Iterator[str]:
    """Yield one line for each key that is not an option, is there twice, or has a value of another kind."""
    seen: dict[str, str] = {}
    for key, value in table.items():
        current = _current_key(key, aliases)
        kind = kinds.get(current)
        other = seen.setdefault(current, key)
        if kind is None:
            yield f"{printable(f'{where} {key}')}{_meant(key.replace('_', '-'), kinds)}"
        elif other != key:
            yield f"{printable(f'{where} {key} and {other}')} are the same option: keep only {current}"
        elif not _fits(value, kind):
            yield f"{printable(f'{where} {key} is {_said(value)}')}, and has to be {kind}"
        elif isinstance(value, int) and abs(value) > _MOST:
            yield f"{printable(f'{where} {key}')} is a number that no option takes"
        elif _has_nul(value):
            yield f"{printable(f'{where} {key}')} has a NUL character, which no name can have"


def _has_nul(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_nul(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def _fits(value: object, kind: Kind) -> bool:
    if isinstance(value, bool):
        return kind is Kind.FLAG
    match kind:
        case Kind.FLAG:
            return False
        case Kind.COUNT:
            return isinstance(value, int)
        case Kind.NUMBER:
            return isinstance(value, int | float)
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.TEXTS:
            return isinstance(value, str) or _all_texts(value)
        case Kind.DURATION:
            return isinstance(value, int | float | str)
        case Kind.FILES:
            return isinstance(value, int | str | dict)
        case Kind.IGNORES:
            return isinstance(value, str) or _all_texts(
                list(value.values()) if isinstance(value, dict) else value
            )


def _all_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _said(value: object) -> str:
    """A value as a person wrote it, or nearly."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, int) and abs(value) > _MOST:
        return "a very large number"
    if isinstance(value, list):
        return f"[{', '.join(map(_said, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _no_profile(path: Path, use: str, named: list[str]) -> UsageError:
    there = f"These are there: {', '.join(map(printable, named))}." if named else "There is none in the file."
    return UsageError(
        f"there is no profile {printable(use)} in {path}{_meant(use, named)}",
        instead=(use, close[0]) if (close := difflib.get_close_matches(use, named, n=1)) else None,
        hint=f"{there} A profile is a table [tool.{TABLE}.{PROFILES}.NAME].",
    )


def _meant(typed: str, known: Collection[str]) -> str:
    if typed in RELEASE:
        return f": what a whole release is belongs in a profile, [tool.{TABLE}.{PROFILES}.NAME]"
    close = difflib.get_close_matches(typed, known, n=1)
    return f" (did you mean {printable(close[0])}?)" if close else " is no option"

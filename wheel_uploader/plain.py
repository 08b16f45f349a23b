"""What was seen in a file as plain values, which can be written down or told to another process, and back."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any

from wheel_uploader.models import DistName, FileSummary, Finding, Inspection
from wheel_uploader.verify import Seen

_HINTS: Mapping[type[Any], dict[str, Any]] = {
    kind: typing.get_type_hints(kind) for kind in (Finding, FileSummary)
}


def values(seen: Seen) -> dict[str, Any]:
    """What was seen in a file, as JSON has it."""
    return {
        "whole_by": seen.whole_by,
        "damage": list(seen.damage),
        "findings": [_plain(finding) for finding in seen.inspection.findings],
        "summary": _plain(seen.inspection.summary, but="name"),
    }


def seen(values: Mapping[str, Any], name: DistName) -> Seen:
    """What ``values`` were made of, of the file called ``name``.

    Raises ValueError, TypeError, LookupError or AttributeError for what cannot be that.
    """
    findings = _value(tuple[Finding, ...], values["findings"])
    summary = values["summary"]
    return Seen(
        inspection=Inspection(
            findings=findings,
            summary=None if summary is None else _fields(FileSummary, summary, name=name),
        ),
        damage=_value(tuple[str, ...], values["damage"]),
        whole_by=_value(str, values["whole_by"]),
    )


def _plain(value: object, *, but: str = "") -> object:
    """``value`` as JSON has it, without the field ``but``."""
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value) if field.name != but)
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | frozenset):
        return [_plain(each) for each in (sorted(value) if isinstance(value, frozenset) else value)]
    return value


def _fields(kind: type[Any], values: dict[str, Any], **known: object) -> Any:
    """The dataclass ``kind`` from exactly its fields, but for those ``known``."""
    hints = {name: hint for name, hint in _HINTS[kind].items() if name not in known}
    if type(values) is not dict or values.keys() != hints.keys():
        raise ValueError(f"these are not the fields of {kind.__name__}")
    return kind(**{name: _value(hint, values[name]) for name, hint in hints.items()}, **known)


def _value(hint: Any, value: Any) -> Any:
    """``value`` of a JSON document as what ``hint`` says. Raises ValueError or TypeError where it is not."""
    if isinstance(hint, types.UnionType):
        (hint, _) = hint.__args__  # something, or None
        return None if value is None else _value(hint, value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {tuple, frozenset} and type(value) is list:
        return origin(_value(arguments[0], each) for each in value)
    if origin is Mapping and type(value) is dict:
        return {key: _value(arguments[1], each) for key, each in value.items()}
    if origin is None and dataclasses.is_dataclass(hint):
        return _fields(typing.cast("type[Any]", hint), value)
    if origin is None and issubclass(hint, enum.Enum):
        return hint(value)
    if type(value) is not hint:
        raise ValueError(f"{hint} was expected")
    return value

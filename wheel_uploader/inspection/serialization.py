"""Convert inspection results to and from JSON."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any

from wheel_uploader.core.models import CheckResult, DistName, FileSummary, Finding
from wheel_uploader.inspection.verification import InspectionResult

_TYPE_HINTS: Mapping[type[Any], dict[str, Any]] = {
    kind: typing.get_type_hints(kind) for kind in (Finding, FileSummary)
}


def to_json(result: InspectionResult) -> dict[str, Any]:
    """Return an inspection result as a JSON object, without the file's name."""
    return {
        "whole_by": result.integrity_source,
        "damage": list(result.damage),
        "findings": [_encode(finding) for finding in result.inspection.findings],
        "summary": _encode(result.inspection.summary, omit="name"),
    }


def from_json(data: Mapping[str, Any], name: DistName) -> InspectionResult:
    """Return the inspection result of the file called ``name`` from the JSON object ``data``.

    Raises ValueError, TypeError, LookupError or AttributeError if ``data`` is malformed.
    """
    findings = _decode(tuple[Finding, ...], data["findings"])
    summary = data["summary"]
    return InspectionResult(
        inspection=CheckResult(
            findings=findings,
            summary=None if summary is None else _decode_fields(FileSummary, summary, name=name),
        ),
        damage=_decode(tuple[str, ...], data["damage"]),
        integrity_source=_decode(str, data["whole_by"]),
    )


def _encode(value: object, *, omit: str = "") -> object:
    """Return ``value`` as JSON types, without the field ``omit``."""
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value) if field.name != omit)
        return {name: _encode(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, tuple | frozenset):
        return [_encode(item) for item in (sorted(value) if isinstance(value, frozenset) else value)]
    return value


def _decode_fields(kind: type[Any], data: dict[str, Any], **given: object) -> Any:
    """Return the dataclass ``kind`` from ``given`` and from ``data``, which has exactly the other fields."""
    hints = {name: hint for name, hint in _TYPE_HINTS[kind].items() if name not in given}
    if type(data) is not dict or data.keys() != hints.keys():
        raise ValueError(f"these are not the fields of {kind.__name__}")
    return kind(**{name: _decode(hint, data[name]) for name, hint in hints.items()}, **given)


def _decode(hint: Any, value: Any) -> Any:
    """Return a value of the type ``hint`` from JSON types. Raises ValueError or TypeError if malformed."""
    if isinstance(hint, types.UnionType):
        (hint, _) = hint.__args__  # something, or None
        return None if value is None else _decode(hint, value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {tuple, frozenset} and type(value) is list:
        return origin(_decode(arguments[0], item) for item in value)
    if origin is Mapping and type(value) is dict:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    if origin is None and dataclasses.is_dataclass(hint):
        return _decode_fields(typing.cast("type[Any]", hint), value)
    if origin is None and issubclass(hint, enum.Enum):
        return hint(value)
    if type(value) is not hint:
        raise ValueError(f"{hint} was expected")
    return value

"""Convert inspection results to and from JSON: between the worker process and the run, and in the cache."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from wheel_uploader.core.models import CheckResult, DistName, FileSummary, Finding, Severity
from wheel_uploader.inspection.verification import InspectionResult

T = TypeVar("T")

_FINDING_KEYS = frozenset({"check", "severity", "subject", "message", "member", "is_ignored"})
_SUMMARY_KEYS = frozenset(
    {
        *("size", "unpacked_size", "generator", "top_level", "binary_count"),
        *("metadata", "dynamic_fields", "repair_generators", "sboms"),
        *("metadata_version", "inventory", "extension_count", "compiled_source_count", "scripts"),
    }
)


def to_json(result: InspectionResult) -> dict[str, Any]:
    """Return an inspection result as a JSON object, without the file's name."""
    summary = result.inspection.summary
    return {
        "integrity_source": result.integrity_source,
        "damage": list(result.damage),
        "findings": [_finding_to_json(finding) for finding in result.inspection.findings],
        "summary": None if summary is None else _summary_to_json(summary),
    }


def from_json(data: Mapping[str, Any], name: DistName) -> InspectionResult:
    """Return the inspection result of the file called ``name`` from the JSON object ``data``.

    Keys that this module does not write are ignored: the cache adds its own. Raises ValueError, TypeError or
    LookupError if ``data`` is malformed.
    """
    summary = data["summary"]
    return InspectionResult(
        inspection=CheckResult(
            findings=_tuple_of(_finding_from_json, data["findings"]),
            summary=None if summary is None else _summary_from_json(summary, name),
        ),
        damage=_tuple_of(_text, data["damage"]),
        integrity_source=_text(data["integrity_source"]),
    )


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "message": finding.message,
        "member": finding.member,
        "is_ignored": finding.is_ignored,
    }


def _finding_from_json(value: Any) -> Finding:
    data = _object(value, _FINDING_KEYS)
    return Finding(
        check=_text(data["check"]),
        severity=Severity(data["severity"]),
        subject=_text(data["subject"]),
        message=_text(data["message"]),
        member=None if data["member"] is None else _text(data["member"]),
        is_ignored=_exactly(bool, data["is_ignored"]),
    )


def _summary_to_json(summary: FileSummary) -> dict[str, Any]:
    dynamic = summary.dynamic_fields
    return {
        "size": summary.size,
        "unpacked_size": summary.unpacked_size,
        "generator": summary.generator,
        "top_level": list(summary.top_level),
        "scripts": list(summary.scripts),
        "binary_count": summary.binary_count,
        "metadata": {field: list(values) for field, values in summary.metadata.items()},
        "dynamic_fields": None if dynamic is None else sorted(dynamic),
        "repair_generators": list(summary.repair_generators),
        "sboms": list(summary.sboms),
        "metadata_version": list(summary.metadata_version),
        "inventory": base64.b64encode(summary.inventory).decode("ascii"),
        "extension_count": summary.extension_count,
        "compiled_source_count": summary.compiled_source_count,
    }


def _summary_from_json(value: Any, name: DistName) -> FileSummary:
    data = _object(value, _SUMMARY_KEYS)
    dynamic = data["dynamic_fields"]
    return FileSummary(
        name=name,
        size=_exactly(int, data["size"]),
        unpacked_size=_exactly(int, data["unpacked_size"]),
        generator=_text(data["generator"]),
        top_level=_tuple_of(_text, data["top_level"]),
        scripts=_tuple_of(_text, data["scripts"]),
        binary_count=_exactly(int, data["binary_count"]),
        metadata={
            _text(field): _tuple_of(_text, values)
            for field, values in _exactly(dict, data["metadata"]).items()
        },
        dynamic_fields=None if dynamic is None else frozenset(_tuple_of(_text, dynamic)),
        repair_generators=_tuple_of(_text, data["repair_generators"]),
        sboms=_tuple_of(_text, data["sboms"]),
        metadata_version=(
            _exactly(int, data["metadata_version"][0]),
            _exactly(int, data["metadata_version"][1]),
        ),
        inventory=base64.b64decode(_text(data["inventory"]), validate=True),
        extension_count=_exactly(int, data["extension_count"]),
        compiled_source_count=_exactly(int, data["compiled_source_count"]),
    )


def _object(value: Any, keys: frozenset[str]) -> dict[str, Any]:
    """Return a JSON object that has exactly these keys. Raises ValueError or TypeError if it is not one."""
    data: dict[str, Any] = _exactly(dict, value)
    if data.keys() != keys:
        raise ValueError(f"the keys are not {', '.join(sorted(keys))}")
    return data


def _tuple_of(convert: Callable[[Any], T], value: Any) -> tuple[T, ...]:
    return tuple(convert(item) for item in _exactly(list, value))


def _text(value: Any) -> str:
    return _exactly(str, value)


def _exactly(kind: type[T], value: Any) -> T:
    """Return ``value`` if it is of this type; a bool is not an int. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} was expected")
    return value

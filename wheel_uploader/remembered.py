"""What was found in a file is remembered by its sha256, so that the same bytes need not be unpacked again.

It lies in the hidden directory of the wheelhouse, one small file for each of the wheelhouse; deleting it is
always safe. It is no proof of anything: every run hashes every file again, and takes up what is remembered
only for the same bytes, under the same name, judged by the same code, data and libraries.

Whoever can write there could say that a file has no faults. Only files and a directory that belong to this
user alone are believed, and such a writer could as well put ``--ignore`` into the configuration, or another
program in the place of this one. What travels (a cache of a CI) is only as good as those who can fill it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import hashlib
import json
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wheel_uploader.errors import StorageError
from wheel_uploader.models import DistName, FileSummary, Finding, Inspection, Profile
from wheel_uploader.verify import Seen
from wheel_uploader.wheelhouse import Wheelhouse

#: Distributions whose new version may judge otherwise; a test compares them with what is imported.
JUDGES = (
    *("abi3info", "email-validator", "packaging", "pkginfo", "readme-renderer", "trove-classifiers"),
    *("comrak", "docutils", "nh3", "Pygments", "zlib-ng"),
)
#: Bytes of what is remembered of one file; one that has more to be said of it is read again.
LIMIT = 512 << 10
#: Found by a machine that was busy, perhaps: the next run may know more.
PASSING = frozenset({"metadata/description-not-tried"})


class Remembered:
    """What earlier runs found in the files of a wheelhouse."""

    def __init__(self, house: Wheelhouse, profile: Profile | None) -> None:
        """``profile`` says by whose rules files are judged; None where they only have to be whole."""
        self._house = house
        self._profile = profile.value if profile else ""
        self._judges = _judges()

    def recall(self, name: DistName, sha256: str) -> Seen | None:
        """What was found in a file of this name and these bytes; None when that is not known."""
        of = self._of(name, sha256)
        data = self._house.memory(name.filename, LIMIT)
        if not of or data is None or len(data) >= LIMIT:
            return None
        try:
            values = json.loads(data)
            if values["of"] != of or self._profile not in {"", values["profile"]}:
                return None
            return _seen(values, name)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None  # Damaged, or not ours.

    def keep(self, name: DistName, sha256: str, seen: Seen) -> None:
        """Remember what was found in a whole file; that it cannot be is no reason to stop."""
        of = self._of(name, sha256)
        if not of or any(finding.check in PASSING for finding in seen.inspection.findings):
            return
        values = {
            "of": of,
            "profile": self._profile,
            "whole_by": seen.whole_by,
            "findings": [_plain(finding) for finding in seen.inspection.findings],
            "summary": _plain(seen.inspection.summary, but="name"),
        }
        data = json.dumps(values).encode()
        if len(data) < LIMIT:
            with contextlib.suppress(StorageError):
                self._house.write_memory(name.filename, data)

    def _of(self, name: DistName, sha256: str) -> list[str]:
        """What has to be the same for the outcome to be the same; nothing when that cannot be told."""
        return [name.filename, sha256, self._judges] if self._judges else []


@functools.cache
def _judges() -> str:
    """A digest of all that judges: this program, byte by byte, Python, and the libraries; or nothing."""
    from importlib import metadata

    digest = hashlib.sha256(sys.version.encode())
    for distribution in JUDGES:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = ""
        digest.update(f"{distribution}={version}\0".encode())
    folder = Path(__file__).parent
    # An installation for development changes without a new version.
    try:
        for path in sorted(each for kind in ("*.py", "*.json") for each in folder.rglob(kind)):
            data = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()}={len(data)}\0".encode() + data)
    except OSError:
        return ""
    return digest.hexdigest()


# --- as plain values, and back -----------------------------------------------------------------------


_HINTS: Mapping[type[Any], dict[str, Any]] = {
    kind: typing.get_type_hints(kind) for kind in (Finding, FileSummary)
}


def _seen(values: dict[str, Any], name: DistName) -> Seen:
    findings = _value(tuple[Finding, ...], values["findings"])
    summary = values["summary"]
    return Seen(
        inspection=Inspection(
            findings=findings,
            summary=None if summary is None else _fields(FileSummary, summary, name=name),
        ),
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

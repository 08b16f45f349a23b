"""What pkginfo makes of an archive's metadata: the one home of pkginfo, which is given bytes and no path.

pkginfo would read the archive a second time, without limits; so its choice of a member is repeated here,
and only its parser is called. ``pkginfo.get_metadata`` is never used: it may import what it is pointed at.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from email.errors import MessageError
from email.parser import HeaderParser
from typing import NamedTuple

from wheel_uploader.archive import header_text

#: Metadata of real projects has at most 32 kinds of headers, and a licence text of 2,000 lines in one.
_MAX_HEADER_LINES = 20_000
_MAX_HEADERS = 128
_MAX_VALUE = 16 << 10
#: Characters of all headers that packaging parses word by word; the most that is known has 150,000.
_MAX_REQUIREMENTS = 512 << 10
_REQUIREMENTS = frozenset({"requires-dist", "provides-dist", "obsoletes-dist"})
_LONG_VALUES = frozenset({"license", "description", "keywords"})
_HEADER = re.compile(r"([^\s:]+):")

#: pkginfo's attribute for each header, where it is not the header in lower case with underscores.
_ATTRIBUTES = {
    "platform": "platforms",
    "supported-platform": "supported_platforms",
    "classifier": "classifiers",
    "provides-extra": "provides_extras",
    "project-url": "project_urls",
    "import-name": "import_names",
    "import-namespace": "import_namespaces",
}
_HEADERS = {attribute: header for header, attribute in _ATTRIBUTES.items()}


class Reading(NamedTuple):
    """Which member pkginfo takes, the headers it finds there (None: it cannot), and its remarks."""

    source: str = ""
    fields: Mapping[str, tuple[str, ...]] | None = None
    remarks: tuple[str, ...] = ()


def may_read(name: str) -> bool:
    """Whether pkginfo or twine might take this member for metadata."""
    return "METADATA" in name or "PKG-INFO" in name


def source(names: Iterable[str], kept: Mapping[str, bytes], word: str = "METADATA") -> str:
    """The member that pkginfo and twine read: the first, and least deep, whose path contains ``word``.

    A member whose bytes were not kept counts, for nobody can tell. Empty when there is none.
    """
    candidates = sorted(
        (name.split("/") for name in names if word in name), key=lambda parts: (len(parts), parts)
    )
    for parts in candidates:
        name = "/".join(parts)
        if name not in kept or b"Metadata-Version" in kept[name]:
            return name
    return ""


def read(name: str, kept: Mapping[str, bytes]) -> Reading:
    """What pkginfo reads in the member ``name``. Never raises."""
    data = kept.get(name)
    if data is None:
        return Reading(name)
    fields, remarks = _parse(data)
    return Reading(name, fields, remarks)


def why_too_odd(data: bytes) -> str:
    """Why no parser should be given this metadata, in a clause; empty when they can have it.

    Parsers of mail need time that grows with the square of the headers, and recurse into multipart bodies.
    """
    names: set[str] = set()
    name, length, requirements = "", 0, 0
    for count, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        if not line:
            return ""
        if count > _MAX_HEADER_LINES:
            return f"it has more than {_MAX_HEADER_LINES} lines of headers"
        if match := _HEADER.match(line):
            name, length = match[1].lower(), 0
            names.add(name)
            if name == "content-type":
                return "it has a Content-Type, which is for mails"
            if len(names) > _MAX_HEADERS:
                return f"it has more than {_MAX_HEADERS} kinds of headers"
        length += len(line)
        if length > _MAX_VALUE and name not in _LONG_VALUES:
            return f"it has a header of more than {_MAX_VALUE} characters"
        if name in _REQUIREMENTS:
            requirements += len(line)
            if requirements > _MAX_REQUIREMENTS:
                return f"it has more than {_MAX_REQUIREMENTS >> 10} KiB of requirements"
    return ""


@functools.lru_cache(maxsize=16)
def _parse(data: bytes) -> tuple[Mapping[str, tuple[str, ...]] | None, tuple[str, ...]]:
    # The wheels of a release have the same METADATA: it is parsed once for all of them.
    if odd := why_too_odd(data):
        return None, (odd,)
    from pkginfo.distribution import HEADER_ATTRS, MAX_METADATA_VERSION_STR, Distribution

    text, _ = header_text.canonical(data.decode("utf-8", "replace"))
    reader = Distribution()
    remarks: tuple[str, ...] = ()
    version = HeaderParser().parsestr(text).get("Metadata-Version", "").strip()
    if version not in HEADER_ATTRS:
        # pkginfo would say this with a warning, and warnings cannot be caught in one thread alone.
        remarks = (f"pkginfo does not know metadata version '{version}'",)
        reader.metadata_version = MAX_METADATA_VERSION_STR
    try:
        reader.parse(text.encode("utf-8"))
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError, MessageError) as error:
        return None, (*remarks, f"pkginfo cannot parse it ({type(error).__name__}: {error})")
    fields: dict[str, tuple[str, ...]] = {}
    for attribute in reader:
        value = getattr(reader, attribute)
        if isinstance(value, str):
            value = (value,)
        if value and all(isinstance(each, str) for each in value):
            fields[_HEADERS.get(attribute, attribute.replace("_", "-"))] = tuple(value)
    fields["metadata-version"] = (version,)
    return fields, remarks

"""Parse an archive's metadata with pkginfo, which is imported here only and is given bytes, never a path.

pkginfo would read the archive a second time, without limits. This module therefore selects the metadata
member as pkginfo does and calls only its parser. ``pkginfo.get_metadata`` is never used, because it may
import the package whose name it is given.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from email.errors import MessageError
from email.parser import HeaderParser
from typing import NamedTuple

from wheel_uploader.facts.archive import header_text

#: Real projects use at most 32 different headers, and a licence text of 2,000 lines in one header.
_MAX_HEADER_LINES = 20_000
_MAX_HEADERS = 128
_MAX_HEADER_LENGTH = 16 << 10
#: Characters of all headers that packaging parses word by word; the largest known metadata has 150,000.
_MAX_REQUIREMENTS_LENGTH = 512 << 10
_REQUIREMENT_HEADERS = frozenset({"requires-dist", "provides-dist", "obsoletes-dist"})
_LONG_HEADERS = frozenset({"license", "description", "keywords"})
_HEADER_START = re.compile(r"([^\s:]+):")

#: pkginfo's attribute for each header whose attribute is not the lower-case header with underscores.
_ATTRIBUTE_OF_HEADER = {
    "platform": "platforms",
    "supported-platform": "supported_platforms",
    "classifier": "classifiers",
    "provides-extra": "provides_extras",
    "project-url": "project_urls",
    "import-name": "import_names",
    "import-namespace": "import_namespaces",
}
_HEADER_OF_ATTRIBUTE = {attribute: header for header, attribute in _ATTRIBUTE_OF_HEADER.items()}


class PkginfoResult(NamedTuple):
    """The member that pkginfo reads, its headers (None if pkginfo cannot parse it) and pkginfo's remarks."""

    source: str = ""
    fields: Mapping[str, tuple[str, ...]] | None = None
    remarks: tuple[str, ...] = ()


def is_metadata_candidate(name: str) -> bool:
    """Return whether pkginfo or twine might read this member as metadata."""
    return "METADATA" in name or "PKG-INFO" in name


def select_metadata_member(names: Iterable[str], kept: Mapping[str, bytes], marker: str = "METADATA") -> str:
    """Return the member that pkginfo and twine read as metadata; empty if there is none.

    It is the first of the least deeply nested members whose path contains ``marker``. A member whose bytes
    were not kept counts, because it may contain metadata.
    """
    candidates = sorted(
        (name.split("/") for name in names if marker in name), key=lambda parts: (len(parts), parts)
    )
    for parts in candidates:
        name = "/".join(parts)
        if name not in kept or b"Metadata-Version" in kept[name]:
            return name
    return ""


def read_pkginfo_metadata(name: str, kept: Mapping[str, bytes]) -> PkginfoResult:
    """Return the result of parsing the member ``name`` with pkginfo. Never raises."""
    data = kept.get(name)
    if data is None:
        return PkginfoResult(name)
    fields, remarks = _parse(data)
    return PkginfoResult(name, fields, remarks)


def why_unsafe_to_parse(data: bytes) -> str:
    """Return the reason, in a clause, why this metadata must not be parsed; empty if it is safe to parse.

    Email parsers take time that grows with the square of the number of headers, and recurse into multipart
    bodies.
    """
    names: set[str] = set()
    name, length, requirements_length = "", 0, 0
    for count, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        if not line:
            return ""
        if count > _MAX_HEADER_LINES:
            return f"it has more than {_MAX_HEADER_LINES} lines of headers"
        if match := _HEADER_START.match(line):
            name, length = match[1].lower(), 0
            names.add(name)
            if name == "content-type":
                return "it has a Content-Type, which belongs in email only"
            if len(names) > _MAX_HEADERS:
                return f"it has more than {_MAX_HEADERS} different headers"
        length += len(line)
        if length > _MAX_HEADER_LENGTH and name not in _LONG_HEADERS:
            return f"it has a header of more than {_MAX_HEADER_LENGTH} characters"
        if name in _REQUIREMENT_HEADERS:
            requirements_length += len(line)
            if requirements_length > _MAX_REQUIREMENTS_LENGTH:
                return f"it has more than {_MAX_REQUIREMENTS_LENGTH >> 10} KiB of requirements"
    return ""


@functools.lru_cache(maxsize=16)
def _parse(data: bytes) -> tuple[Mapping[str, tuple[str, ...]] | None, tuple[str, ...]]:
    # The wheels of a release share their METADATA, so it is parsed once for all of them.
    if reason := why_unsafe_to_parse(data):
        return None, (reason,)
    from pkginfo.distribution import HEADER_ATTRS, MAX_METADATA_VERSION_STR, Distribution

    text, _ = header_text.normalize_headers(data.decode("utf-8", "replace"))
    reader = Distribution()
    remarks: tuple[str, ...] = ()
    version = HeaderParser().parsestr(text).get("Metadata-Version", "").strip()
    if version not in HEADER_ATTRS:
        # pkginfo would issue a warning, and warnings cannot be caught for one thread alone.
        remarks = (f"pkginfo does not support metadata version '{version}'",)
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
        if value and all(isinstance(item, str) for item in value):
            fields[_HEADER_OF_ATTRIBUTE.get(attribute, attribute.replace("_", "-"))] = tuple(value)
    fields["metadata-version"] = (version,)
    return fields, remarks

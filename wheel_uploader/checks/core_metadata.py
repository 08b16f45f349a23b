"""Core metadata as packaging parses it, parsed once for each distinct text; the metadata checks read it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.checks import content_type
from wheel_uploader.core import bounds
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import SdistContent, WheelContent
from wheel_uploader.facts.archive import header_text, pkginfo_metadata, record

ArchiveContent = WheelContent | SdistContent

#: The newest metadata version that PyPI accepts.
NEWEST_METADATA_VERSION = (2, 5)
#: Headers whose problems a separate check reports.
SEPARATELY_CHECKED_HEADERS = frozenset({"description-content-type"})
_DEFAULT_EXTRA = "default-extra"
_PLACEHOLDER = "UNKNOWN"
#: Headers with unparsed text, for which a leading line break is harmless.
_FREE_TEXT_HEADERS = frozenset(
    {
        *("license", "description", "keywords", "author", "maintainer", "platform", "supported-platform"),
        *("requires", "provides", "obsoletes", "requires-external"),
    }
)
#: Maximum number of opening parentheses in a requirement or license expression; real ones have a few.
_MAX_PARENTHESES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """Fields as ``packaging.metadata`` names them, and every problem that it reports for them."""

    fields: dict[str, Any]
    #: (header in lower case, sentence) for each problem.
    problems: tuple[tuple[str, str], ...]

    def get_value(self, field: str) -> str:
        """Return a single-use field, stripped; empty for the placeholder UNKNOWN, as on PyPI."""
        value = str(self.fields.get(field) or "").strip()
        return "" if value == "UNKNOWN" else value

    def get_values(self, field: str) -> list[str]:
        """Return the non-empty values of a multiple-use field, stripped."""
        return [value.strip() for value in self.fields.get(field) or () if value.strip()]

    def parse_version(self) -> Version | None:
        """Return the version of the project; None if it is missing or invalid."""
        try:
            return bounds.parse_pep440_version(self.get_value("version"))
        except ValueError:
            return None

    @property
    def version(self) -> tuple[int, int]:
        """The metadata version, or (0, 0) if it is missing or malformed."""
        major, _, minor = self.get_value("metadata_version").partition(".")
        parts = (major, minor)
        if any(not part.isascii() or not part.isdigit() or len(part) > 4 for part in parts):
            return (0, 0)
        return (int(major), int(minor))


def get_metadata_path(content: ArchiveContent) -> str:
    """Return the path of METADATA (wheel) or PKG-INFO (sdist); empty if it cannot be determined."""
    if isinstance(content, WheelContent):
        folder = record.find_dist_info(content)
        return f"{folder}/METADATA" if folder else ""
    expected = f"{content.name.raw_project}-{content.name.raw_version}/PKG-INFO"
    candidates = [
        path for path in content.retained_members if path.count("/") == 1 and path.endswith("/PKG-INFO")
    ]
    return expected if expected in candidates or len(candidates) != 1 else candidates[0]


def read_core_metadata(content: ArchiveContent) -> CoreMetadata | None:
    """Return the metadata of ``content``; None if it is missing or not UTF-8, which other checks report."""
    data = content.retained_members.get(get_metadata_path(content))
    return None if data is None else parse_core_metadata(data)


def read_core_metadata_or_empty(content: ArchiveContent) -> CoreMetadata:
    """Return the metadata of ``content``, or an object without fields and problems if there is none."""
    return read_core_metadata(content) or CoreMetadata(fields={}, problems=())


@functools.lru_cache(maxsize=64)
def parse_core_metadata(data: bytes) -> CoreMetadata | None:
    """Parse core metadata; return None if the bytes are not UTF-8. Never raise."""
    from packaging.metadata import parse_email

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if reason := pkginfo_metadata.why_unsafe_to_parse(data):
        return CoreMetadata(fields={}, problems=(("", reason),))
    problems: list[tuple[str, str]] = []
    if text.startswith(header_text.BYTE_ORDER_MARK):
        problems.append(("", "it begins with a byte order mark, which hides the first field from all tools"))
    text, folded = header_text.normalize_headers(text)
    # Pass text: given bytes, packaging needs unbounded time for some non-ASCII headers.
    raw, unparsed = parse_email(text)
    default_extras = _describe_default_extras(unparsed, raw.get("provides_extra") or [])
    problems += [
        (header, default_extras if header == _DEFAULT_EXTRA else _describe_unparsed(header, values))
        for header, values in sorted(unparsed.items())
    ]
    problems += [
        (header, f"the value of {header} starts on the next line, which Python versions parse differently")
        for header in sorted(folded - _FREE_TEXT_HEADERS)
    ]
    fields: dict[str, Any] = dict(raw)
    problems += _remove_ambiguous_expressions(fields)
    validated = dict(fields)
    problems += _remove_content_type(validated)
    problems += [problem for problem in _validate(validated) if problem[0] not in unparsed]
    return CoreMetadata(fields=fields, problems=tuple(problems))


def _remove_ambiguous_expressions(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Remove expressions that packaging does not parse alike on every Python; return a problem for each.

    How deeply brackets may be nested depends on the stack, and packaging leaves escapes in quoted strings to
    Python's own parser.
    """
    problems: list[tuple[str, str]] = []
    for field in ("requires_dist", "provides_dist", "obsoletes_dist", "license_expression"):
        value = fields.get(field)
        values = [value] if isinstance(value, str) else list(value or ())
        ambiguous = [text for text in values if text.count("(") > _MAX_PARENTHESES or "\\" in text]
        if not ambiguous:
            continue
        header = field.replace("_", "-")
        problems += [
            (header, f"{header} contains a backslash or more than {_MAX_PARENTHESES} parentheses")
            for _ in ambiguous
        ]
        if isinstance(value, str):
            del fields[field]
        else:
            fields[field] = [text for text in values if text not in ambiguous]
    return problems


def _remove_content_type(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Remove Description-Content-Type, which this program validates itself; return the problem with it.

    Old versions of setuptools write UNKNOWN, which PyPI drops.
    """
    value = fields.pop("description_content_type", None)
    if (
        value == _PLACEHOLDER
        or not isinstance(value, str)
        or not (problem := content_type.describe_content_type_problem(value))
    ):
        return []
    return [("description-content-type", f"Description-Content-Type is '{value}': {problem}")]


def _describe_default_extras(unparsed: Mapping[str, list[str]], declared: Sequence[str]) -> str:
    """Return the problem with Default-Extra, which packaging may not know yet."""
    extras = {canonicalize_name(extra) for extra in declared}
    others = [value for value in unparsed.get(_DEFAULT_EXTRA, ()) if canonicalize_name(value) not in extras]
    text = "Default-Extra (PEP 771) is in no metadata version yet: twine rejects it, and pip ignores it"
    return text + (f"; Provides-Extra does not have {join_some(others)}" if others else "")


def _describe_unparsed(header: str, values: list[str]) -> str:
    from packaging.metadata import RawMetadata

    field = header.replace("-", "_")
    if field in RawMetadata.__annotations__ and len(values) > 1:
        return f"{header} occurs {len(values)} times"
    if field in RawMetadata.__annotations__ or header == "project-url":
        return f"{header} cannot be parsed"
    return f"unknown field '{header}'"


def _validate(raw: Any) -> list[tuple[str, str]]:
    """Return every problem that packaging finds in the fields, all at once."""
    from packaging.metadata import InvalidMetadata, Metadata

    try:
        Metadata.from_raw(raw)
    except ExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, InvalidMetadata)]
        return sorted((error.field, _describe_error(error)) for error in errors)
    # packaging does not handle a number of 5,000 digits, or deeply nested brackets.
    except (ValueError, SyntaxError, LookupError, RecursionError, MemoryError) as error:
        return [("", f"packaging cannot validate the metadata ({type(error).__name__})")]
    return []


def _describe_error(error: Exception) -> str:
    cause = error.__cause__
    first_line = str(cause).strip().partition("\n")[0] if cause else ""
    return f"{error} ({first_line})" if first_line and first_line not in str(error) else str(error)


def to_headers(metadata: CoreMetadata) -> dict[str, tuple[str, ...]]:
    """Return the fields by lower-case header name, as an email parser would return them."""
    values_by_header: dict[str, tuple[str, ...]] = {}
    for field, value in metadata.fields.items():
        if field == "keywords":
            values: tuple[str, ...] = (",".join(value),)
        elif field == "project_urls":
            values = tuple(f"{label},{url}" if url else label for label, url in value.items())
        else:
            values = (value,) if isinstance(value, str) else tuple(value)
        values_by_header[_HEADER_NAMES.get(field, field.replace("_", "-"))] = values
    return values_by_header


#: Header names that differ from the field names by more than hyphens.
_HEADER_NAMES = {
    "platforms": "platform",
    "supported_platforms": "supported-platform",
    "classifiers": "classifier",
    "license_files": "license-file",
    "project_urls": "project-url",
    "import_names": "import-name",
    "import_namespaces": "import-namespace",
}

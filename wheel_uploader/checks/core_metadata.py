"""Core metadata as packaging reads it, once for each distinct text: what the metadata checks judge."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from wheel_uploader.archive import header_text, pkginfo_reader, record
from wheel_uploader.checks import content_type
from wheel_uploader.models import SdistContent, WheelContent

Content = WheelContent | SdistContent

#: The newest metadata version that PyPI takes.
NEWEST = (2, 5)
#: Headers whose faults have a check of their own.
ELSEWHERE = frozenset({"description-content-type"})
#: Headers that nobody parses, so that a line end at their beginning does no harm.
_FREE_TEXT = frozenset({"license", "description", "keywords", "author", "maintainer", "platform"})
#: Round brackets in one requirement or licence expression; real ones have a few.
_MOST_BRACKETS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """Fields as ``packaging.metadata`` names them, and every problem that it has with them."""

    fields: dict[str, Any]
    #: (header in lower case, sentence) for each.
    problems: tuple[tuple[str, str], ...]

    def text(self, field: str) -> str:
        """A field that stands once, stripped; the placeholder UNKNOWN is nothing, as on PyPI."""
        value = str(self.fields.get(field) or "").strip()
        return "" if value == "UNKNOWN" else value

    def each(self, field: str) -> list[str]:
        """A field that may stand often."""
        return [value.strip() for value in self.fields.get(field) or () if value.strip()]

    @property
    def version(self) -> tuple[int, int]:
        """The metadata version; (0, 0) where it is none."""
        major, _, minor = self.text("metadata_version").partition(".")
        both = (major, minor)
        if any(not part.isascii() or not part.isdigit() or len(part) > 4 for part in both):
            return (0, 0)
        return (int(major), int(minor))


def path_of(content: Content) -> str:
    """Where the metadata has to be: METADATA of a wheel, PKG-INFO of an sdist; empty when nobody can tell."""
    if isinstance(content, WheelContent):
        folder = record.dist_info_of(content)
        return f"{folder}/METADATA" if folder else ""
    wanted = f"{content.name.raw_project}-{content.name.raw_version}/PKG-INFO"
    there = [path for path in content.kept if path.count("/") == 1 and path.endswith("/PKG-INFO")]
    return wanted if wanted in there or len(there) != 1 else there[0]


def of(content: Content) -> CoreMetadata | None:
    """The metadata of ``content``; None when there is none, or no text (another check says so)."""
    data = content.kept.get(path_of(content))
    return None if data is None else parse(data)


def or_nothing(content: Content) -> CoreMetadata:
    """As ``of``; without fields and problems where there is nothing to judge."""
    return of(content) or CoreMetadata(fields={}, problems=())


@functools.lru_cache(maxsize=64)
def parse(data: bytes) -> CoreMetadata | None:
    """Read metadata; None for bytes that are not UTF-8. Never raises."""
    from packaging.metadata import parse_email

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if odd := pkginfo_reader.why_too_odd(data):
        return CoreMetadata(fields={}, problems=(("", odd),))
    text, below = header_text.canonical(text)
    # As text: from bytes, packaging takes time without end for some headers that are not ASCII.
    raw, unparsed = parse_email(text)
    problems = [(header, _unparsed(header, values)) for header, values in sorted(unparsed.items())]
    problems += [
        (header, f"the value of {header} begins on the next line, which not every Python reads alike")
        for header in sorted(below - _FREE_TEXT)
    ]
    fields: dict[str, Any] = dict(raw)
    problems += _take_unclear(fields)
    judged = dict(fields)
    problems += _take_content_type(judged)
    problems += [problem for problem in _validate(judged) if problem[0] not in unparsed]
    return CoreMetadata(fields=fields, problems=tuple(problems))


def _take_unclear(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Remove expressions that packaging cannot read alike on every Python; return the problems.

    How many brackets it can follow depends on the stack, and escapes in quotes are for Python's own parser.
    """
    problems: list[tuple[str, str]] = []
    for field in ("requires_dist", "provides_dist", "obsoletes_dist", "license_expression"):
        value = fields.get(field)
        values = [value] if isinstance(value, str) else list(value or ())
        unclear = [each for each in values if each.count("(") > _MOST_BRACKETS or "\\" in each]
        if not unclear:
            continue
        header = field.replace("_", "-")
        problems += [
            (header, f"{header} has a backslash, or more than {_MOST_BRACKETS} brackets") for _ in unclear
        ]
        if isinstance(value, str):
            del fields[field]
        else:
            fields[field] = [each for each in values if each not in unclear]
    return problems


def _take_content_type(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Remove Description-Content-Type, which is judged here; return the problem with it."""
    value = fields.pop("description_content_type", None)
    if not isinstance(value, str) or not (problem := content_type.problem(value)):
        return []
    return [("description-content-type", f"Description-Content-Type is '{value}': {problem}")]


def _unparsed(header: str, values: list[str]) -> str:
    from packaging.metadata import RawMetadata

    single = header.replace("-", "_")
    if single in RawMetadata.__annotations__ and len(values) > 1:
        return f"{header} stands there {len(values)} times"
    if single in RawMetadata.__annotations__ or header == "project-url":
        return f"{header} cannot be read"
    return f"there is no such field as '{header}'"


def _validate(raw: Any) -> list[tuple[str, str]]:
    """Every problem that packaging has with the fields, in one go."""
    from packaging.metadata import InvalidMetadata, Metadata

    try:
        Metadata.from_raw(raw)
    except ExceptionGroup as group:
        found = [error for error in group.exceptions if isinstance(error, InvalidMetadata)]
        return sorted((error.field, _sentence(error)) for error in found)
    # A number of 5,000 digits, or brackets in brackets in brackets: not foreseen by packaging.
    except (ValueError, SyntaxError, LookupError, RecursionError, MemoryError) as error:
        return [("", f"packaging cannot judge it ({type(error).__name__})")]
    return []


def _sentence(error: Exception) -> str:
    cause = error.__cause__
    first_line = str(cause).strip().partition("\n")[0] if cause else ""
    return f"{error} ({first_line})" if first_line and first_line not in str(error) else str(error)


def headers(metadata: CoreMetadata) -> dict[str, tuple[str, ...]]:
    """Fields under their header's name in lower case, as a reader of mail would give them."""
    found: dict[str, tuple[str, ...]] = {}
    for field, value in metadata.fields.items():
        if field == "keywords":
            values: tuple[str, ...] = (",".join(value),)
        elif field == "project_urls":
            values = tuple(f"{label},{url}" if url else label for label, url in value.items())
        else:
            values = (value,) if isinstance(value, str) else tuple(value)
        found[_HEADERS.get(field, field.replace("_", "-"))] = values
    return found


#: Where the header's name is not the field's.
_HEADERS = {
    "platforms": "platform",
    "supported_platforms": "supported-platform",
    "classifiers": "classifier",
    "license_files": "license-file",
    "project_urls": "project-url",
    "import_names": "import-name",
    "import_namespaces": "import-namespace",
}

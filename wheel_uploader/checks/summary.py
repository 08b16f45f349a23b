"""What the checks of a whole release need of one file, taken from its content before that is dropped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name

from wheel_uploader import bounded
from wheel_uploader.archive import record
from wheel_uploader.budget import Budget
from wheel_uploader.checks import content as content_checks
from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.core_metadata import Content, CoreMetadata
from wheel_uploader.models import FileSummary, WheelContent
from wheel_uploader.native import CODE_NAME

#: Characters of one field, and names at the top, before a digest or a number stands for them.
_MOST_TEXT = 8192
_MOST_NAMES = 200
#: Of a licence's whole text the beginning: repair tools append the licences of what they add.
_LICENSE_TEXT = 300

_GENERATOR = re.compile(rb"^Generator:[ \t]*([^\r\n]{1,100})", re.IGNORECASE | re.MULTILINE)
#: Libraries that auditwheel, delocate and delvewheel add.
_ADDED = re.compile(r"(?:^|/)[^/]*\.(?:libs|dylibs)(?:/|\Z)")


def of(content: Content) -> FileSummary:
    """A few kilobytes, whatever ``content`` is."""
    found = core_metadata.of(content)
    fields = _fields(found, content.budget) if found else {}
    dynamic = None
    if found and found.version >= (2, 2):
        dynamic = frozenset(field.lower() for field in found.each("dynamic")[:_MOST_NAMES])
    if not isinstance(content, WheelContent):
        return FileSummary(
            name=content.name,
            size=content.size,
            unpacked_size=content.unpacked_size,
            metadata=fields,
            dynamic=dynamic,
        )
    return FileSummary(
        name=content.name,
        size=content.size,
        unpacked_size=content.unpacked_size,
        generator=_generator(content),
        top_level=_top_level(content),
        natives=sum(
            CODE_NAME.search(member.name) is not None and not _ADDED.search(member.name)
            for member in content.members
        ),
        metadata=fields,
        dynamic=dynamic,
    )


def of_unread(content: Content) -> FileSummary:
    """The summary of a file that was not checked to its end: nothing but its name and its sizes."""
    return FileSummary(name=content.name, size=content.size, unpacked_size=content.unpacked_size)


def _generator(wheel: WheelContent) -> str:
    found = _GENERATOR.search(wheel.kept.get(f"{record.dist_info_of(wheel)}/WHEEL", b""))
    return found[1].decode("utf-8", "replace").strip() if found else ""


def _top_level(wheel: WheelContent) -> tuple[str, ...]:
    """What can be imported, by the names that an import statement says."""
    tops = content_checks.top_level(wheel).items()
    names = {top if is_folder else top.partition(".")[0] for top, is_folder in tops if not _ADDED.search(top)}
    return tuple(name[:100] for name in sorted(names)[:_MOST_NAMES])


def _fields(found: CoreMetadata, budget: Budget) -> dict[str, tuple[str, ...]]:
    """The fields that all files of a release have alike, by header, in a form that can be compared."""
    license_text = found.text("license_expression") or found.text("license")
    return {
        "Requires-Dist": _bounded(_requirement(text, budget) for text in found.each("requires_dist")),
        "Requires-Python": _bounded([_specifiers(found.text("requires_python"))]),
        "Provides-Extra": _bounded(map(canonicalize_name, found.each("provides_extra"))),
        "License": _bounded([" ".join(license_text.split())[:_LICENSE_TEXT]]),
        "Description": _digest(found.text("description")),
    }


def _specifiers(text: str) -> str:
    try:
        return str(bounded.specifiers(text))
    except InvalidSpecifier:
        return text


def _requirement(text: str, budget: Budget) -> str:
    # About the time of parsing it.
    budget.tick(4 + len(text) // 4)
    try:
        return str(Requirement(text))
    except (InvalidRequirement, RecursionError):
        return " ".join(text.split())


def _bounded(values: Iterable[str]) -> tuple[str, ...]:
    """Each value once, in order; a digest when there is too much of them to keep."""
    each = sorted({value for value in values if value})
    if sum(map(len, each)) <= _MOST_TEXT:
        return tuple(each)
    return (f"{len(each)} values with sha256 {hashlib.sha256(chr(0).join(each).encode()).hexdigest()[:16]}",)


def _digest(description: str) -> tuple[str, ...]:
    # Built on Windows it may have other line ends, and tools differ about blanks before them.
    text = "\n".join(line.rstrip() for line in description.splitlines()).strip()
    if not text:
        return ()
    return (f"{len(text)} characters with sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}",)

"""The facts about one file that the release checks need, extracted before its content is discarded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name

from wheel_uploader.checks import content as content_checks
from wheel_uploader.checks import core_metadata, installed_layout, inventory, sdist_build
from wheel_uploader.checks.core_metadata import ArchiveContent, CoreMetadata
from wheel_uploader.core import bounds
from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import FileSummary, WheelContent
from wheel_uploader.facts.archive import record
from wheel_uploader.facts.binaries.detect import BINARY_NAME

#: Maximum length of a field in characters, above which a digest replaces it, and number of names.
_MAX_TEXT = 8192
_MAX_NAMES = 200
#: Maximum number of Generator lines, and of SBOM files.
_MAX_GENERATORS, _MAX_SBOMS = 10, 50
#: Marks the digest that stands for values that are too long.
_DIGEST_MARK = " values with sha256 "
#: Length of the beginning of a license text that is compared; repair tools append other licenses.
_LICENSE_PREFIX = 300

#: The first metadata version in which an sdist may state some values of a Dynamic field (PEP 808), and more
#: fields with several values, which are compared since then.
PARTLY_DYNAMIC_VERSION = (2, 6)
_LIST_FIELDS = ("Classifier", "Project-URL", "License-File", "Import-Name", "Import-Namespace")

_GENERATOR = re.compile(rb"^Generator:[ \t]*([^\r\n]{1,100})", re.IGNORECASE | re.MULTILINE)
#: Directories of the libraries that auditwheel, delocate and delvewheel add.
_REPAIR_FOLDER = re.compile(r"(?:^|/)[^/]*\.(?:libs|dylibs)(?:/|\Z)")


def summarize_file(content: ArchiveContent) -> FileSummary:
    """Return the summary of ``content``: a few kilobytes, however large the file is."""
    metadata = core_metadata.read_core_metadata(content)
    fields = _extract_comparable_fields(metadata, content.budget) if metadata else {}
    dynamic = None
    if metadata and metadata.version >= (2, 2):
        dynamic = frozenset(field.lower() for field in metadata.get_values("dynamic")[:_MAX_NAMES])
    if not isinstance(content, WheelContent):
        return FileSummary(
            name=content.name,
            size=content.size,
            unpacked_size=content.unpacked_size,
            metadata=fields,
            dynamic_fields=dynamic,
            metadata_version=metadata.version if metadata else (0, 0),
            inventory=inventory.pack_sdist(content),
            compiled_source_count=sdist_build.count_compiled_sources(content),
        )
    generators = _read_generators(content)
    return FileSummary(
        name=content.name,
        size=content.size,
        unpacked_size=content.unpacked_size,
        generator=generators[0] if generators else "",
        repair_generators=generators[1:],
        sboms=_list_sboms(content),
        top_level=_list_top_level_names(content),
        scripts=_list_scripts(content),
        binary_count=sum(
            BINARY_NAME.search(member.name) is not None and not _REPAIR_FOLDER.search(member.name)
            for member in content.members
        ),
        metadata=fields,
        dynamic_fields=dynamic,
        metadata_version=metadata.version if metadata else (0, 0),
        inventory=inventory.pack_wheel(content),
        extension_count=sum(
            bool(inventory.match_extension(inventory.get_installed_path(member.name)))
            for member in content.members
        ),
    )


def summarize_unchecked_file(content: ArchiveContent) -> FileSummary:
    """Return the summary of a file that was not checked completely: only its name and sizes."""
    return FileSummary(name=content.name, size=content.size, unpacked_size=content.unpacked_size)


def _read_generators(wheel: WheelContent) -> tuple[str, ...]:
    lines = _GENERATOR.findall(wheel.retained_members.get(f"{record.find_dist_info(wheel)}/WHEEL", b""))
    return tuple(line.decode("utf-8", "replace").strip() for line in lines[:_MAX_GENERATORS])


def _list_sboms(wheel: WheelContent) -> tuple[str, ...]:
    folder = f"{record.find_dist_info(wheel)}/sboms/"
    names = sorted(
        member.name.removeprefix(folder)[:100]
        for member in wheel.members
        if member.name.startswith(folder) and not member.is_directory
    )
    return tuple(names[:_MAX_SBOMS])


def _list_scripts(wheel: WheelContent) -> tuple[str, ...]:
    scripts = sorted(
        f"{script.name} = {script.value}"[:200] for script in installed_layout.list_scripts(wheel)
    )
    return tuple(scripts[:_MAX_NAMES])


def _list_top_level_names(wheel: WheelContent) -> tuple[str, ...]:
    """Return the names of the importable modules and packages."""
    tops = content_checks.list_top_level_names(wheel).items()
    names = {
        top if is_folder else top.partition(".")[0]
        for top, is_folder in tops
        if not _REPAIR_FOLDER.search(top)
    }
    return tuple(name[:100] for name in sorted(names)[:_MAX_NAMES])


def _extract_comparable_fields(metadata: CoreMetadata, budget: Budget) -> dict[str, tuple[str, ...]]:
    """Return the fields that all files of a release share, by header, in a comparable form."""
    license_text = metadata.get_value("license_expression") or metadata.get_value("license")
    fields = {
        "Requires-Dist": _limit_size(
            _normalize_requirement(text, budget) for text in metadata.get_values("requires_dist")
        ),
        "Requires-Python": _limit_size([_normalize_specifiers(metadata.get_value("requires_python"))]),
        "Provides-Extra": _limit_size(map(canonicalize_name, metadata.get_values("provides_extra"))),
        "License": _limit_size([_normalize_license(license_text)]),
        "Description": _digest_description(metadata.get_value("description")),
    }
    if metadata.version >= PARTLY_DYNAMIC_VERSION:
        headers = core_metadata.to_headers(metadata)
        fields |= {field: _limit_size(headers.get(field.lower(), ())) for field in _LIST_FIELDS}
    return fields


def _normalize_specifiers(text: str) -> str:
    try:
        return str(bounds.parse_specifiers(text))
    except InvalidSpecifier:
        return text


def _normalize_license(text: str) -> str:
    # Build tools spell the same licence differently: MIT and MIT License.
    return " ".join(text.split())[:_LICENSE_PREFIX].removesuffix(" License")


def _normalize_requirement(text: str, budget: Budget) -> str:
    # Roughly the work of parsing it.
    budget.count_work(4 + len(text) // 4)
    try:
        requirement = Requirement(text)
        # sphinx_rtd_theme and sphinx-rtd-theme are the same project; build tools differ in the spelling.
        requirement.name = canonicalize_name(requirement.name)
        return str(requirement)
    except (InvalidRequirement, RecursionError):
        return " ".join(text.split())


def _limit_size(values: Iterable[str]) -> tuple[str, ...]:
    """Return each distinct value in order, or a digest if they are too long to store."""
    distinct = sorted({value for value in values if value})
    if sum(map(len, distinct)) <= _MAX_TEXT:
        return tuple(distinct)
    digest = hashlib.sha256(chr(0).join(distinct).encode()).hexdigest()[:16]
    return (f"{len(distinct)}{_DIGEST_MARK}{digest}",)


def is_digest(values: Sequence[str]) -> bool:
    """Return whether ``values`` of a summary is a digest that stands for them."""
    return len(values) == 1 and _DIGEST_MARK in values[0]


def _digest_description(description: str) -> tuple[str, ...]:
    # Line endings differ in files built on Windows, and tools treat trailing blanks differently.
    text = "\n".join(line.rstrip() for line in description.splitlines()).strip()
    if not text:
        return ()
    return (f"{len(text)} characters with sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}",)

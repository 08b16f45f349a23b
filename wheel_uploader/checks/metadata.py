"""Checks of core metadata: present, valid according to packaging, and read alike by pkginfo."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks import core_metadata, metadata_pypi, requires_python
from wheel_uploader.checks.core_metadata import SEPARATELY_CHECKED_HEADERS, ArchiveContent
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import SdistContent, Severity, WheelContent

#: Fields that twine drops from metadata of an older version; setuptools wrote them for years.
_DROPPED_BY_TWINE = frozenset({"license-file"})


@check("metadata/missing", Severity.ERROR)
def missing(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel has no METADATA file.

    METADATA contains the name, version and dependencies; pip and PyPI reject a wheel without it. The usual
    cause is a script that packs the wheel by hand. Build with a current build tool.
    """
    path = core_metadata.get_metadata_path(wheel)
    if path and all(member.name != path for member in wheel.members):
        yield f"{path} is missing"


@check("metadata/not-utf8", Severity.ERROR)
def not_utf8(wheel: WheelContent) -> Iterator[Observation]:
    """METADATA is not encoded in UTF-8.

    The specification requires UTF-8; otherwise pip fails or shows garbled text, and PyPI rejects the file.
    The usual cause is a description file that is read or written in the system's default encoding. Save it as
    UTF-8 and build again.
    """
    path = core_metadata.get_metadata_path(wheel)
    if path in wheel.retained_members and core_metadata.read_core_metadata(wheel) is None:
        yield path, "it is not valid UTF-8"


@check("metadata/decoy", Severity.ERROR)
def decoy(wheel: WheelContent) -> Iterator[Observation]:
    """Tools mistake another archive member for the metadata.

    pkginfo and twine read the first member whose path contains "METADATA", so they would send different
    metadata to the index than pip finds in .dist-info. Test data with such a name causes this by accident; it
    is also a way to deceive users. Rename the file, or move it to a deeper directory. In an sdist, twine
    reads PKG-INFO of the top directory only.
    """
    path = core_metadata.get_metadata_path(wheel)
    if wheel.pkginfo_source and path in wheel.retained_members and wheel.pkginfo_source != path:
        yield wheel.pkginfo_source, f"pkginfo and twine would read it instead of {path}"


@check("metadata/readers-disagree", Severity.ERROR)
def readers_disagree(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Metadata is parsed differently by pkginfo and packaging.

    As a result, one tool sends different metadata to the index than another tool installs. The cause is a
    header written in an unusual way: folded, encoded, or with unusual line breaks. Build with a current build
    tool, and keep the fields plain.
    """
    path = core_metadata.get_metadata_path(content)
    metadata = core_metadata.read_core_metadata(content)
    # If one of the parsers fails, metadata/invalid reports the reason.
    if (
        metadata is None
        or not metadata.fields
        or content.pkginfo_source != path
        or content.pkginfo_metadata is None
    ):
        return
    invalid_headers = {header for header, _ in metadata.problems}
    by_pkginfo, by_packaging = content.pkginfo_metadata, core_metadata.to_headers(metadata)
    for header in sorted((by_pkginfo.keys() | by_packaging.keys()) - invalid_headers):
        first, second = by_pkginfo.get(header, ()), by_packaging.get(header, ())
        if first == second or _normalize(first) == _normalize(second):
            continue
        if not _is_unknown_to_pkginfo(header, content):
            yield path, f"pkginfo and packaging read different values of {header}"


def _normalize(values: tuple[str, ...]) -> list[str]:
    """Return the values without blanks, line breaks and UNKNOWN, which parsers may treat differently."""
    # packaging splits lists and drops the blanks around the commas.
    normalized = (",".join(part.strip() for part in " ".join(value.split()).split(",")) for value in values)
    return [value for value in normalized if value not in {"", "UNKNOWN"}]


def _is_unknown_to_pkginfo(header: str, content: ArchiveContent) -> bool:
    """Return whether pkginfo omits the field because it knows it only in later metadata versions."""
    return header not in (content.pkginfo_metadata or {}) and bool(content.pkginfo_warnings)


@check("metadata/invalid", Severity.ERROR)
def invalid(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Metadata field is invalid.

    The field cannot be parsed, occurs twice, is unknown, or is newer than the Metadata-Version that the file
    declares; Default-Extra is a field of a draft (PEP 771) that twine rejects. pip rejects invalid versions
    and requirements; PyPI rejects all of these. The usual cause is a typo in the project's configuration or
    an outdated build tool. All problems are listed at once: fix them and build again.
    """
    path = core_metadata.get_metadata_path(content)
    metadata = core_metadata.read_core_metadata_or_empty(content)
    for header, problem in metadata.problems:
        if header in SEPARATELY_CHECKED_HEADERS or (
            header == "metadata-version" and metadata.version > core_metadata.NEWEST_METADATA_VERSION
        ):
            continue
        if header in _DROPPED_BY_TWINE and metadata.version < (2, 4) and "introduced" in problem:
            continue
        yield path, problem


@check("metadata/filename-mismatch", Severity.ERROR)
def filename_mismatch(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Name or Version differs from the file name.

    The file would be published as one release but contain another, and pip refuses to install it. The usual
    cause is a renamed file, or a version that changed between two steps of the build. Build again, and do not
    rename files.
    """
    from packaging.utils import canonicalize_name

    path = core_metadata.get_metadata_path(content)
    metadata = core_metadata.read_core_metadata_or_empty(content)
    name, version = metadata.get_value("name"), metadata.parse_version()
    if name and canonicalize_name(name) != content.name.project:
        yield path, f"Name is '{name}', but the file name says '{content.name.project}'"
    # metadata/invalid reports an invalid version.
    if version and version != content.name.version:
        yield (
            path,
            f"Version is '{metadata.get_value('version')}', but the file name says '{content.name.version}'",
        )


CHECKS = (
    missing,
    not_utf8,
    decoy,
    readers_disagree,
    invalid,
    filename_mismatch,
    *metadata_pypi.CHECKS,
    *requires_python.CHECKS,
)

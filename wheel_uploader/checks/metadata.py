"""Core metadata: there, sound in the eyes of packaging, and read alike by pkginfo."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader import bounded
from wheel_uploader.checks import core_metadata, metadata_pypi
from wheel_uploader.checks.core_metadata import ELSEWHERE, Content
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.models import SdistContent, Severity, WheelContent

#: Fields that twine drops when the metadata is older than they are: setuptools wrote them for years.
_DROPPED = frozenset({"license-file"})


@check("metadata/missing", Severity.ERROR)
def missing(wheel: WheelContent) -> Iterator[Yielded]:
    """The wheel has no METADATA.

    Name, version and dependencies stand there; pip and PyPI refuse a wheel without it. The usual cause is a
    script that packs the wheel by hand. Build with a current build tool.
    """
    path = core_metadata.path_of(wheel)
    if path and all(member.name != path for member in wheel.members):
        yield f"there is no {path}"


@check("metadata/not-utf8", Severity.ERROR)
def not_utf8(wheel: WheelContent) -> Iterator[Yielded]:
    """METADATA is not UTF-8.

    The specification wants UTF-8; pip fails or shows rubbish, and PyPI refuses the file. The usual cause is
    a description file that is read or written in the system's own encoding. Save it as UTF-8 and build
    again.
    """
    path = core_metadata.path_of(wheel)
    if path in wheel.kept and core_metadata.of(wheel) is None:
        yield path, "it is not UTF-8"


@check("metadata/decoy", Severity.ERROR)
def decoy(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """Another member would be taken for the metadata.

    pkginfo and twine read the first member whose path contains "METADATA" (in an sdist, "PKG-INFO"), so the
    index would be told something else than pip finds in .dist-info. Test data with such a name does this by
    accident; it is also a way to deceive. Rename the file, or put it into a deeper directory.
    """
    path = core_metadata.path_of(content)
    if content.pkginfo_source and path in content.kept and content.pkginfo_source != path:
        yield content.pkginfo_source, f"pkginfo and twine would read it instead of {path}"


@check("metadata/readers-disagree", Severity.ERROR)
def readers_disagree(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """pkginfo and packaging read different things in the metadata.

    What one tool sends to the index is then not what another tool installs. It takes a header that is
    written in an unusual way: folded, encoded or with odd line ends. Build with a current build tool, and
    keep the fields plain.
    """
    path = core_metadata.path_of(content)
    metadata = core_metadata.of(content)
    # Where one of them gives up, metadata/invalid says why.
    if metadata is None or not metadata.fields or content.pkginfo_source != path or content.pkginfo is None:
        return
    broken = {header for header, _ in metadata.problems}
    theirs, ours = content.pkginfo, core_metadata.headers(metadata)
    for header in sorted((theirs.keys() | ours.keys()) - broken):
        said, read = theirs.get(header, ()), ours.get(header, ())
        if said != read and _plain(said) != _plain(read) and not _unknown_to_pkginfo(header, content):
            yield path, f"pkginfo and packaging read different values of {header}"


def _plain(values: tuple[str, ...]) -> list[str]:
    """Values without what readers may do as they like: blanks, line ends, and the placeholder UNKNOWN."""
    # packaging takes lists apart and drops the blanks about the commas.
    plain = (",".join(part.strip() for part in " ".join(value.split()).split(",")) for value in values)
    return [value for value in plain if value not in {"", "UNKNOWN"}]


def _unknown_to_pkginfo(header: str, content: Content) -> bool:
    """Whether pkginfo leaves the field out because its table has it in later metadata versions only."""
    return header not in (content.pkginfo or {}) and bool(content.pkginfo_remarks)


@check("metadata/invalid", Severity.ERROR)
def invalid(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """A field of the metadata is not valid.

    The field does not parse, stands there twice, is unknown, or is newer than the Metadata-Version that the
    file declares; pip refuses bad versions and requirements, PyPI all of it. The usual cause is a typing
    error in the project's configuration, or an old build tool. All problems are listed at once: correct
    them and build again.
    """
    path = core_metadata.path_of(content)
    metadata = core_metadata.or_nothing(content)
    for header, problem in metadata.problems:
        if header in ELSEWHERE or (header == "metadata-version" and metadata.version > core_metadata.NEWEST):
            continue
        if header in _DROPPED and metadata.version < (2, 4) and "introduced" in problem:
            continue
        yield path, problem


@check("metadata/filename-mismatch", Severity.ERROR)
def filename_mismatch(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """Name or Version is not that of the file name.

    The file would be published as one thing and be another; pip refuses to install it. The usual cause is a
    file that was renamed, or a version that was changed between two steps of the build. Build again, and do
    not rename files.
    """
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion

    path = core_metadata.path_of(content)
    metadata = core_metadata.or_nothing(content)
    name, version = metadata.text("name"), metadata.text("version")
    if name and canonicalize_name(name) != content.name.project:
        yield path, f"Name is '{name}', the file name says '{content.name.project}'"
    try:
        if version and bounded.version(version) != content.name.version:
            yield path, f"Version is '{version}', the file name says '{content.name.version}'"
    except (InvalidVersion, ValueError):
        return  # metadata/invalid


CHECKS = (
    missing,
    not_utf8,
    decoy,
    readers_disagree,
    invalid,
    filename_mismatch,
    *metadata_pypi.CHECKS,
)

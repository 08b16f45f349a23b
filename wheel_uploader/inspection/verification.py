"""Verify a file's size, digest and archive integrity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    CheckProfile,
    CheckResult,
    DistName,
    RemoteFile,
    SdistContent,
    WheelContent,
)
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import SinglePassFile
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.archive import record
from wheel_uploader.facts.member_cache import MemberCache
from wheel_uploader.wheelhouse.digests import Digests, ExpectedDigest


class Mismatch(Exception):
    """The file differs from the listing or is damaged; ``str()`` gives the reason in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionResult:
    """The result of reading one file; its contents are dropped, because those of a release are large."""

    inspection: CheckResult
    #: The ways in which the file is damaged, in sentences; empty if it is intact.
    damage: tuple[str, ...] = ()
    #: The part of the archive that proves its integrity: ``RECORD``, ``ZIP CRC``, ``gzip CRC``.
    integrity_source: str


#: Returns what the checks find in the contents of a file.
Inspect = Callable[[WheelContent | SdistContent], CheckResult]


def create_inspection(profile: CheckProfile | None) -> Inspect | None:
    """Return the function that runs the checks of ``profile``; None, without one, to verify files only."""
    if profile is None:
        return None
    # Imported here, because files that are only verified do not need it.
    from wheel_uploader import checks

    return lambda content: checks.inspect_content(content, profile=profile)


class ResultCache(Protocol):
    """A cache of the results for undamaged files, by their digest."""

    def get(self, name: DistName, sha256: str) -> InspectionResult | None:
        """Return the cached result for the file of this name with ``sha256``; None if there is none."""
        ...

    def put(self, name: DistName, sha256: str, result: InspectionResult) -> None:
        """Store the result for an undamaged file."""
        ...


#: Inspects the file of this name at this path if it has this sha256; raises FileError otherwise.
InspectFile = Callable[[DistName, Path, str], InspectionResult]


def inspect_file(
    name: DistName,
    path: Path,
    sha256: str,
    inspect: Inspect | None,
    member_cache: MemberCache | None = None,
) -> InspectionResult:
    """Read the file at ``path`` and return what ``inspect`` finds in it, also if it is damaged.

    ``inspect`` is None if only its integrity matters. Members in ``member_cache``, unpacked earlier in this
    run, are not unpacked again. Raises FileError if the file does not have ``sha256``.
    """
    with SinglePassFile(path, sha256) as file:
        try:
            content = archive_reader.read_archive_stream(
                file, file.size, name, member_cache, integrity_only=inspect is None
            )
        except Exception:
            # A file that has changed is reported as such, whatever its new bytes have led to.
            file.verify()
            raise
        file.verify()
    return InspectionResult(
        inspection=inspect(content) if inspect else CheckResult(),
        damage=archive_reader.describe_damage(content),
        integrity_source=_integrity_source(content),
    )


def inspect_cached(
    name: DistName, path: Path, sha256: str, inspect: InspectFile, cache: ResultCache | None = None
) -> InspectionResult:
    """Return the cached result for the file at ``path``, which has ``sha256``, or call ``inspect``.

    The result for a damaged file is not cached, because the file will be downloaded again.
    """
    if cache and (cached := cache.get(name, sha256)):
        return cached
    result = inspect(name, path, sha256)
    if cache and not result.damage:
        cache.put(name, sha256, result)
    return result


def verify_file(
    name: DistName,
    path: Path,
    digests: Digests,
    remote: RemoteFile,
    expected: ExpectedDigest | None,
    inspect: Callable[[DistName, Path, str], InspectionResult],
) -> str:
    """Verify the file at ``path`` against its listing and return what proves it: ``sha256 from the source``.

    ``inspect`` is called with name, path and sha256 if size and digest match, also for a damaged file.
    Raises Mismatch if the size or digest differs, or the file is empty or damaged.
    """
    if remote.size not in {None, digests.size}:
        raise Mismatch(f"it has {format_count(digests.size, 'byte')}, but {remote.size} were listed")
    if expected and not expected.matches(digests):
        computed = digests.hex_by_algorithm[expected.algorithm]
        origin = f"is in {expected.provided_by}" if expected.provided_by else "was listed"
        raise Mismatch(
            f"its {expected.algorithm} is {computed}, but {sanitize(expected.hex, limit=140)} {origin}"
        )
    if not digests.size:
        raise Mismatch("it is empty")
    result = inspect(name, path, digests.sha256)
    if result.damage:
        more = f" (and {len(result.damage) - 1} more)" if len(result.damage) > 1 else ""
        raise Mismatch(f"{sanitize(result.damage[0], limit=300)}{more}")
    return expected.description if expected else result.integrity_source


def _integrity_source(content: WheelContent | SdistContent) -> str:
    if not content.is_fully_read:
        return "nothing (the file was not read to the end)"
    if isinstance(content, SdistContent) and content.filename.endswith(".gz"):
        return "gzip CRC"
    has_record = isinstance(content, WheelContent) and record.find_record(content) is not None
    return "RECORD" if has_record else "ZIP CRC"

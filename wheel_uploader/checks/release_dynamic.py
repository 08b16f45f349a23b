"""A check of the Dynamic fields of an sdist against its wheels (PEP 808, metadata 2.6)."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks.file_summary import PARTLY_DYNAMIC_VERSION, is_digest
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, summarize_values
from wheel_uploader.core.models import FileSummary, SdistName, Severity, WheelName


@check("release/static-items", Severity.WARNING)
def static_items(release: ReleaseContent) -> Iterator[Observation]:
    """Wheel lacks an item that the sdist states for a Dynamic field.

    Since metadata 2.6 (PEP 808) an sdist may state some values of a list and mark the field as Dynamic: a
    build may add values, but must keep those. Resolvers rely on this, so they plan with a dependency or an
    extra that the wheel does not have. The usual cause is a build backend that replaces the list instead of
    extending it. Update the backend, or take the field out of "dynamic".
    """
    for sdist in release.summaries:
        if isinstance(sdist.name, SdistName) and sdist.metadata_version >= PARTLY_DYNAMIC_VERSION:
            for wheel in release.summaries:
                if isinstance(wheel.name, WheelName):
                    yield from _find_missing_items(sdist, wheel)


def _find_missing_items(sdist: FileSummary, wheel: FileSummary) -> Iterator[Observation]:
    for field, values in sdist.metadata.items():
        own = wheel.metadata.get(field)
        if field.lower() not in (sdist.dynamic_fields or ()) or own is None:
            continue
        missing = [value for value in values if value not in own]
        if missing and not is_digest(values) and not is_digest(own):
            yield wheel.name.filename, f"its {field} lacks {summarize_values(missing)} of {sdist.name}"


CHECKS = (static_items,)

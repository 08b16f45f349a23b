"""A check of whether the release was yanked on the index to publish to."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, summarize_values
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import Severity


@check("release/yanked", Severity.WARNING)
def yanked(release: ReleaseContent) -> Iterator[Observation]:
    """Release is yanked on the index.

    Installers ignore a yanked file (PEP 592) unless its version is pinned with "==". PyPI yanks whole
    releases, and a file that is added to a yanked release is yanked as well, so nobody gets it; other indexes
    yank single files, and a new file then puts the release in use again, without the yanked ones. The usual
    cause is an attempt to repair a broken release. Publish a new version, or unyank the release first.
    """
    files = [file for _, file in release.published_files]
    withdrawn = [file for file in files if file.yanked]
    if not withdrawn:
        return
    reasons = sorted({file.yanked_reason for file in withdrawn if file.yanked_reason})
    because = f" ({summarize_values(reasons, 3)})" if reasons else ""
    if len(withdrawn) == len(files):
        yield (
            f"the index has yanked {release.version}{because}: nobody gets the new files unless this version "
            "is pinned"
        )
    else:
        names = summarize_values([file.filename for file in withdrawn], 3)
        yield f"the index has yanked {len(withdrawn)} of {format_count(len(files), 'file')}{because}: {names}"


CHECKS = (yanked,)

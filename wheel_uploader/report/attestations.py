"""The attestations of a release in few words: of how many files, who made them, whether that is known."""

from __future__ import annotations

from collections import Counter

from wheel_uploader.display import counted
from wheel_uploader.models import Attestation, Report


def said(report: Report) -> str:
    """How many files have some, of which kinds, and whether they go along; empty when there are none."""
    if not report.attestations:
        listed = report.selection.companions if report.selection else ()
        return f"{len(listed)} listed, not read" if listed else ""
    files = len(report.selection.files) if report.selection else 0
    have = len({each.about for each in report.attestations})
    kinds = Counter(each.kind or "other" for each in report.attestations)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    return f"{have} of {counted(files, 'file')} ({counts})" + (
        ", posted along" if report.attestations_sent else ""
    )


def makers(report: Report) -> tuple[str, ...]:
    """Who made how many of them, as the certificates say, and whether that was verified."""
    counts = Counter(
        (each.publisher or "nobody that is named", is_verified(each)) for each in report.attestations
    )
    return tuple(
        f"{count} by {maker} ({'verified' if verified else 'not verified'})"
        for (maker, verified), count in sorted(counts.items())
    )


def is_verified(attestation: Attestation) -> bool:
    """Whether signature, certificate and log entry hold."""
    return not (attestation.problem or attestation.unverified)

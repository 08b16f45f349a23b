"""The summary of a release's attestations: how many, of which kinds, made by whom, and whether verified."""

from __future__ import annotations

from collections import Counter

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import Attestation, Report


def summarize_attestations(report: Report) -> str:
    """Return how many files have attestations, of which kinds, and if they are uploaded; empty if none."""
    if not report.attestations:
        listed = report.selection.attestation_files if report.selection else ()
        return f"{len(listed)} listed, not verified" if listed else ""
    files = len(report.selection.files) if report.selection else 0
    attested_files = len({attestation.subject_filename for attestation in report.attestations})
    kinds = Counter(attestation.short_type or "other" for attestation in report.attestations)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    return f"{attested_files} of {format_count(files, 'file')} ({counts})" + (
        ", uploaded with the files" if report.uploads_attestations else ""
    )


def summarize_publishers(report: Report) -> tuple[str, ...]:
    """Return a line per publisher that the certificates name: how many it made, and whether verified."""
    counts = Counter(
        (attestation.publisher or "an unnamed publisher", is_verified(attestation))
        for attestation in report.attestations
    )
    return tuple(
        f"{count} by {maker} ({'verified' if verified else 'not verified'})"
        for (maker, verified), count in sorted(counts.items())
    )


def describe_confirmed(report: Report) -> str:
    """Return a clause about the attestations that the index was confirmed to serve; empty if none."""
    attested = sum(confirmation.attestation_count > 0 for confirmation in report.confirmations)
    return f", and the attestations of {format_count(attested, 'file')}" if attested else ""


def is_verified(attestation: Attestation) -> bool:
    """Return whether the signature, the certificate and the log entry were verified."""
    return not (attestation.malformed_reason or attestation.verification_error)

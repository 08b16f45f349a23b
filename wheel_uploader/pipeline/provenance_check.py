"""Checks that the index serves our attestations of the files that it was confirmed to serve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from wheel_uploader.core.errors import ConflictError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import ProjectPage
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.index.client import IndexClient
from wheel_uploader.index.provenance import ProvenanceComparison, compare_provenance
from wheel_uploader.pipeline.context import RunContext


def check_provenance(
    context: RunContext,
    index: IndexClient,
    page: ProjectPage,
    attestations: Mapping[str, Collection[bytes]],
    *,
    is_complete: bool,
) -> None:
    """Compare our attestations, by file name, with those of the index, and record the result.

    Attestations that the index does not serve are a sentence in the report. Raises ConflictError if it serves
    others in their place; ``is_complete``: also if it serves others in addition, because all that belong to
    the files are known.
    """
    served_files = {file.filename: file for file in page.files}
    comparisons = []
    with context.progress.waiting("confirm: reading the attestations of the index"):
        for filename, contents in attestations.items():
            if filename in served_files:
                comparisons.append(compare_provenance(index, served_files[filename], contents))
    counts = {comparison.filename: comparison.served for comparison in comparisons}
    context.record(
        confirmations=tuple(
            replace(confirmation, attestation_count=counts.get(confirmation.filename, 0))
            for confirmation in context.report.confirmations
        ),
        checks_not_run=(*context.report.checks_not_run, *_describe_unread(comparisons)),
    )
    _raise_for_others(page, comparisons, is_complete=is_complete)


def _describe_unread(comparisons: Sequence[ProvenanceComparison]) -> list[str]:
    """Return one sentence for each reason why attestations could not be compared."""
    filenames: dict[str, list[str]] = defaultdict(list)
    for comparison in comparisons:
        if comparison.reason:
            filenames[comparison.reason].append(comparison.filename)
    sentences = []
    for reason, names in filenames.items():
        subject = names[0] if len(names) == 1 else format_count(len(names), "file")
        sentences.append(f"the attestations of {subject}: {reason}")
    return sentences


def _raise_for_others(
    page: ProjectPage, comparisons: Sequence[ProvenanceComparison], *, is_complete: bool
) -> None:
    problems = []
    for comparison in comparisons:
        if comparison.missing:
            problems.append(
                f"{comparison.filename}: {format_count(comparison.missing, 'attestation')} of ours absent, "
                f"{format_count(comparison.additional, 'other')} present"
            )
        elif comparison.additional and is_complete:
            count = format_count(comparison.additional, "attestation")
            problems.append(f"{comparison.filename}: {count} served that this run did not upload")
    if problems:
        raise ConflictError(
            f"{strip_url(page.url)} serves other attestations for {format_count(len(problems), 'file')}",
            hint="Find out who else uploads files to this project, and which attestations are right.",
            details=problems,
        )

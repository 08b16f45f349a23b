"""The lines of a report about each target of a run with several."""

from __future__ import annotations

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import TargetReport
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.report.views import file_status


def describe_target(target: TargetReport) -> str:
    """Return one line: the name, the files by status, and how many are confirmed.

    The details of the run's error have the errors of the targets.
    """
    parts = []
    if target.upload_results:
        parts.append(file_status.format_status_counts(result.outcome for result in target.upload_results))
    if target.confirmations:
        parts.append(f"{format_count(len(target.confirmations), 'file')} confirmed")
    return f"{sanitize(target.name)}: {'; '.join(parts) or 'nothing was uploaded'}"

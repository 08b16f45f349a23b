"""The lines of a report about the removal of older releases from targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from wheel_uploader.core.formatting import format_count, join_some
from wheel_uploader.core.models import PrunedFile, PruneOutcome, TargetPruning
from wheel_uploader.core.redaction import sanitize, sanitize_message

#: Files that are named one by one; the JSON report has all.
_MAX_FILES = 100
_MAX_VERSIONS = 10


def describe_pruning(pruning: TargetPruning) -> str:
    """Return one line: how many files were removed from the target, and why the others were kept."""
    counts = Counter(_describe_outcome(file) for file in pruning.files)
    parts = [f"{format_count(count, 'file')} {text}" for text, count in counts.items()]
    if pruning.kept:
        parts.append(f"{format_count(sum(each.count for each in pruning.kept), 'file')} kept")
    if pruning.error and not pruning.files:
        parts.append("nothing removed")
    return f"older releases on {_name_target(pruning)}: {', '.join(parts) or 'there are none'}"


def list_pruning(pruning: TargetPruning) -> Iterator[str]:
    """Yield one line for each file that the rule does not keep, and for each reason to keep others."""
    for file in pruning.files[:_MAX_FILES]:
        reason = f": {sanitize_message(file.reason)}" if file.reason else ""
        yield f"{sanitize(file.filename)}: {_describe_outcome(file)}{reason}"
    if len(pruning.files) > _MAX_FILES:
        yield f"and {format_count(len(pruning.files) - _MAX_FILES, 'more file')} (--format json lists all)"
    reasons: Counter[str] = Counter()
    for each in pruning.kept:
        reasons[each.reason] += each.count
    for reason, count in reasons.items():
        versions = dict.fromkeys(each.version for each in pruning.kept if each.reason == reason)
        named = join_some([version for version in versions if version], 5)
        why = f"{sanitize_message(reason)}{f' ({named})' if named else ''}"
        yield f"{format_count(count, 'file')} kept, {why}"


def warn_about_pruning(pruning: TargetPruning) -> Iterator[str]:
    """Yield a warning if nothing, or not everything, could be removed."""
    if pruning.error:
        yield (
            f"warning: the release is complete, and older files were not removed from "
            f"{_name_target(pruning)}: {sanitize_message(pruning.error.message)}"
        )


def describe_removed(pruning: TargetPruning, project: str) -> Iterator[str]:
    """Yield a line with the versions that lost files, for a report of one line."""
    for outcome in (PruneOutcome.REMOVED, PruneOutcome.WOULD_REMOVE):
        files = [file for file in pruning.files if file.outcome is outcome]
        if files:
            versions = join_some(list(dict.fromkeys(file.version for file in files)), _MAX_VERSIONS)
            count = format_count(len(files), "file")
            yield f"{outcome} from {_name_target(pruning)}: {project} {versions} ({count})"


def _name_target(pruning: TargetPruning) -> str:
    labels = f" (label {', '.join(pruning.labels)})" if pruning.labels else ""
    return sanitize(f"{pruning.target}{labels}")


def _describe_outcome(file: PrunedFile) -> str:
    if not file.labels:
        return str(file.outcome)
    noun = "label" if len(file.labels) == 1 else "labels"
    return f"{file.outcome} from {noun} {sanitize(', '.join(file.labels))}"

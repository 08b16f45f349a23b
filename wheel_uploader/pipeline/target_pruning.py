"""Removal of older releases from a target, after the whole run was confirmed.

Only what a complete listing names is removed, and only if that listing, read after the confirmation, has the
files that were confirmed. Every doubt keeps everything: nightly builds of whole projects have vanished
because a clean-up believed an empty answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from wheel_uploader.core import cancellation
from wheel_uploader.core.cancellation import RunCancelled
from wheel_uploader.core.errors import CredentialsError, NetworkError, ReleaseError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    LocalFile,
    PrunedFile,
    PruneOutcome,
    Selection,
    TargetPruning,
)
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.targets.protocol import PublishTarget
from wheel_uploader.targets.pruning import Removal, RemovalPlan, TargetFile, find_rule, plan_removals

#: Failures in a row after which the other files are left for the next run.
_MAX_FAILURES = 3
_HINT = "The release is complete. The next run removes older files."


def prune(
    context: RunContext, selection: Selection, files: Sequence[LocalFile], earlier: Collection[str]
) -> TargetPruning | None:
    """Remove the files that the rule of the target does not keep; with ``--dry-run``, only choose them.

    ``earlier``: the names of the files that the target listed at the begin of the run. Returns None if the
    target has no rule. An error is part of the result.
    """
    target = context.target
    if target is None or (rule := find_rule(context.options, target.settings)) is None:
        return None
    name = sanitize(target.info.name)
    with context.progress.waiting(f"prune: reading the files of {selection.project} on {name}"):
        try:
            listed = target.list_files(selection.project)
            _require_complete(target, listed, () if context.options.dry_run else files, earlier)
            plan = plan_removals(
                listed,
                rule,
                project=str(selection.project),
                current=selection.version,
                labels=target.pruned_labels,
                now=datetime.now(UTC),
            )
        except ReleaseError as error:
            return TargetPruning(target=name, labels=target.pruned_labels, error=error)
    if context.options.dry_run:
        would = tuple(_describe(removal, PruneOutcome.WOULD_REMOVE) for removal in plan.removals)
        return TargetPruning(target=name, labels=target.pruned_labels, files=would, kept=plan.kept)
    return _remove(context, target, plan)


def _require_complete(
    target: PublishTarget,
    listed: Sequence[TargetFile],
    confirmed: Sequence[LocalFile],
    earlier: Collection[str],
) -> None:
    """Raise NetworkError for a listing that lacks a file that the target has, as far as this run knows."""
    name, labels = sanitize(target.info.name), set(target.pruned_labels)
    by_name = {each.filename: each for each in listed}
    for file in confirmed:
        found = by_name.get(file.filename)
        if not found or not target.is_same_file(found, file) or not labels <= set(found.labels):
            raise NetworkError(
                f"{name} does not list {file.filename} as it was confirmed just before; nothing was removed",
                hint=_HINT,
            )
    if missing := sorted(set(earlier) - by_name.keys()):
        raise NetworkError(
            f"{name} no longer lists {sanitize(missing[0])} since the run began; nothing was removed",
            hint=_HINT,
        )


def _remove(context: RunContext, target: PublishTarget, plan: RemovalPlan) -> TargetPruning:
    """Remove file by file, the oldest first; stop early if the run is cancelled."""
    pruned: list[PrunedFile] = []
    failures, error = 0, None
    name = sanitize(target.info.name)
    for number, removal in enumerate(plan.removals):
        left = format_count(len(plan.removals) - number, "file")
        try:
            cancellation.raise_if_cancelled()
            with context.progress.waiting(f"prune: removing older files from {name}, {left} left"):
                target.remove(removal.file, removal.labels)
        except ReleaseError as failure:
            failures, error = failures + 1, error or failure
            pruned.append(_describe(removal, PruneOutcome.FAILED, failure.message))
            if failures >= _MAX_FAILURES or isinstance(failure, CredentialsError):
                rest = plan.removals[number + 1 :]
                pruned += [_describe(each, PruneOutcome.FAILED, "not tried") for each in rest]
                break
        except RunCancelled:
            # The caller ends the run after it has recorded the files that were removed.
            rest = plan.removals[number:]
            pruned += [_describe(each, PruneOutcome.FAILED, "the run was stopped") for each in rest]
            break
        else:
            failures = 0
            pruned.append(_describe(removal, PruneOutcome.REMOVED))
    return TargetPruning(
        target=name,
        labels=target.pruned_labels,
        files=tuple(pruned),
        kept=plan.kept,
        error=error,
    )


def _describe(removal: Removal, outcome: PruneOutcome, reason: str = "") -> PrunedFile:
    return PrunedFile(
        filename=removal.file.filename,
        version=str(removal.version),
        outcome=outcome,
        labels=removal.labels,
        reason=reason,
    )


def raise_if_strict(context: RunContext) -> None:
    """Raise the first error of pruning if the options are strict: the release itself is complete."""
    for result in context.report.target_prunings:
        if result.error and context.options.strict:
            raise result.error.with_details(
                message=f"the release is confirmed, but older files were not removed from {result.target}: "
                f"{result.error.message}"
            )

"""The question of ``--ask``, before the first step that cannot be undone."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wheel_uploader.core import task_pool
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.formatting import format_count, format_size
from wheel_uploader.core.models import FileComparison, IndexComparison, LocalFile, Selection
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.pipeline import release_gate
from wheel_uploader.pipeline.context import RunContext, asks_before_upload

_YES = frozenset({"y", "yes"})


def ask_before_upload(context: RunContext, selection: Selection, plan: Sequence[IndexComparison]) -> None:
    """Ask whether to upload the files that the index does not have. Raises UsageError without a yes.

    There is no question if there is nothing to upload or if the upload would end with a conflict.
    """
    target = context.target
    if not asks_before_upload(context.options) or target is None:
        return
    release_gate.raise_if_conflict(
        plan, upload_url=context.report.upload_url, skip_existing=context.options.skip_existing
    )
    replaced = sum(state.result is FileComparison.REPLACE for state in plan)
    files = [state.file for state in plan if state.result in (FileComparison.ABSENT, FileComparison.REPLACE)]
    if not files:
        return
    question = _question(context, selection, files, replaced=replaced, login=target.login)
    if task_pool.call_in_thread(lambda: _read_answer(question)).strip().lower() not in _YES:
        raise UsageError(
            "the upload was declined; nothing was uploaded",
            hint="Run the same command again and answer 'y' to upload, or without --ask.",
        )


def _question(
    context: RunContext, selection: Selection, files: Sequence[LocalFile], *, replaced: int, login: str
) -> str:
    size = format_size(sum(file.size for file in files))
    release = f"{selection.project} {selection.version}"
    target = context.report.upload_url
    return sanitize(
        f"Upload {format_count(len(files), 'file')} ({size}) of {release} to {target} (login: {login})"
        f"{f', and replace {replaced} of them there' if replaced else ''}? [y/N]"
    )


def _read_answer(question: str) -> str:
    """Print the question, also with ``-q``, and return the line that the user enters; empty at the end."""
    # Not input(), which may print to standard output, where the report goes.
    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    return sys.stdin.readline()

"""The confirm stage: prove that the index serves exactly the files that were checked."""

from __future__ import annotations

from wheel_uploader.core.errors import DeadlineError
from wheel_uploader.core.models import Options, ProjectPage, Selection
from wheel_uploader.index.client import IndexClient
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.pipeline import retention
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease


def run(
    context: RunContext,
    selection: Selection,
    downloaded: DownloadedRelease,
    index: IndexClient,
    project_page: ProjectPage,
) -> None:
    """Wait until the index serves exactly these bytes; then remove older releases from the wheelhouse."""
    context.record(
        confirmations=confirm_files(
            index,
            selection.project,
            downloaded.files,
            timeout=context.options.confirm_timeout,
            progress=context.progress,
        )
    )
    retention.prune(context, selection, downloaded.wheelhouse, index, project_page)


def raise_if_strict(options: Options) -> None:
    """Raise DeadlineError if a run that only writes must not end without a look at the index."""
    if options.strict:
        raise DeadlineError(
            "the files were uploaded, and nothing shows that the index serves them: it is not read "
            "(--write-only)",
            hint="Omit --strict, or use credentials that may read the index and omit --write-only.",
        ).as_permanent()

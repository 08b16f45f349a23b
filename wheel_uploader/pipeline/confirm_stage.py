"""The confirm stage: prove that the index serves exactly the files that were checked."""

from __future__ import annotations

from wheel_uploader.core.models import Selection
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.pipeline import retention
from wheel_uploader.pipeline.check_stage import UploadDestination
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease


def run(
    context: RunContext, selection: Selection, downloaded: DownloadedRelease, destination: UploadDestination
) -> None:
    """Wait until the index serves exactly these bytes; then remove older releases from the wheelhouse."""
    context.record(
        confirmations=confirm_files(
            destination.index,
            selection.project,
            downloaded.files,
            timeout=context.options.confirm_timeout,
            progress=context.progress,
        )
    )
    retention.prune(context, selection, downloaded.wheelhouse, destination.index, destination.project_page)

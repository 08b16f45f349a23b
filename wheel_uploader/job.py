"""The context of one run: its options, open resources and intermediate results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wheel_uploader import brought, sources
from wheel_uploader.http import Http
from wheel_uploader.models import (
    FileSummary,
    LocalCompanion,
    LocalFile,
    Options,
    ProjectPage,
    Report,
    Selection,
    Stage,
)
from wheel_uploader.progress import Progress
from wheel_uploader.publish.target import Target

if TYPE_CHECKING:
    from wheel_uploader import sign
    from wheel_uploader.attest.notary import Notary
    from wheel_uploader.index import Index
    from wheel_uploader.publish.upload import Uploader
    from wheel_uploader.wheelhouse import Wheelhouse


@dataclass(slots=True, kw_only=True)
class Job:
    """The options, open resources and intermediate results of one run."""

    options: Options
    report: Report
    progress: Progress
    asked: brought.Brought
    #: None if nothing is to be uploaded and no index was named to compare with.
    target: Target | None
    signer: sign.Signer | None
    notary: Notary | None
    http: Http
    scratch: sources.Scratch
    #: None if local files are checked in place.
    house: Wheelhouse | None = None
    served: Index | None = None
    #: None if nothing is to be uploaded.
    uploader: Uploader | None = None
    #: None if the index was not queried or could not be reached.
    page: ProjectPage | None = None
    summaries: tuple[FileSummary, ...] = ()
    sums: tuple[Path, ...] = ()
    companions: tuple[LocalCompanion, ...] = ()

    @property
    def publishes(self) -> Target | None:
        """The index to upload to; None if the run ends before the upload stage."""
        return self.target if self.options.until > Stage.SIGN else None

    @property
    def selection(self) -> Selection:
        """The files of the release; available once the list stage has finished."""
        assert self.report.selection  # noqa: S101 - the list stage runs first
        return self.report.selection

    @property
    def files(self) -> tuple[LocalFile, ...]:
        """The downloaded files."""
        return tuple(fetched.file for fetched in self.report.fetched)

"""One run on its way: what it was asked for, what it has open, what one stage leaves to the next."""

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
    """What a run was asked for, what it has open, and what one stage leaves to the next."""

    options: Options
    report: Report
    progress: Progress
    asked: brought.Brought
    #: None where nothing is published, and no index was named to compare with.
    target: Target | None
    signer: sign.Signer | None
    notary: Notary | None
    http: Http
    scratch: sources.Scratch
    #: None where files of this machine are only looked at.
    house: Wheelhouse | None = None
    served: Index | None = None
    #: None where nothing is to be published.
    uploader: Uploader | None = None
    #: None where the index was not asked, or could not be.
    page: ProjectPage | None = None
    summaries: tuple[FileSummary, ...] = ()
    sums: tuple[Path, ...] = ()
    companions: tuple[LocalCompanion, ...] = ()

    @property
    def publishes(self) -> Target | None:
        """Where the files go."""
        return self.target if self.options.until > Stage.SIGN else None

    @property
    def selection(self) -> Selection:
        """The release, once it is listed."""
        assert self.report.selection  # noqa: S101 - no stage comes before the first
        return self.report.selection

    @property
    def files(self) -> tuple[LocalFile, ...]:
        return tuple(fetched.file for fetched in self.report.fetched)

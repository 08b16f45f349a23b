"""The context of one run: its options, open resources and intermediate results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wheel_uploader.core.models import (
    FileSummary,
    LocalAttestationFile,
    LocalFile,
    Options,
    ProjectPage,
    Report,
    Selection,
    Stage,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.target import Target
from wheel_uploader.listing import expectations, sources

if TYPE_CHECKING:
    from wheel_uploader.index.client import IndexClient
    from wheel_uploader.signing import gpg_signer
    from wheel_uploader.signing.sigstore_signer import AttestationSigner
    from wheel_uploader.upload.twine_uploader import TwineUploader
    from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse


@dataclass(slots=True, kw_only=True)
class RunContext:
    """The options, open resources and intermediate results of one run."""

    options: Options
    report: Report
    progress: Progress
    requirements: expectations.ReleaseRequirements
    #: None if nothing is to be uploaded and no index was named to compare with.
    target: Target | None
    signer: gpg_signer.GpgSigner | None
    attestation_signer: AttestationSigner | None
    http: HttpClient
    temp_dir: sources.UnpackDirectory
    #: None if local files are checked in place.
    wheelhouse: Wheelhouse | None = None
    index: IndexClient | None = None
    #: None if nothing is to be uploaded.
    uploader: TwineUploader | None = None
    #: None if the index was not queried or could not be reached.
    project_page: ProjectPage | None = None
    summaries: tuple[FileSummary, ...] = ()
    checksum_files: tuple[Path, ...] = ()
    attestation_files: tuple[LocalAttestationFile, ...] = ()

    @property
    def upload_target(self) -> Target | None:
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
        return tuple(fetched.file for fetched in self.report.downloaded_files)

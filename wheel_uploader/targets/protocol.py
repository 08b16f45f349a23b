"""The interface of a target: a place that releases are published to."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from wheel_uploader.core.errors import NetworkError, OptionError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    Attestation,
    AttestationPolicy,
    CheckProfile,
    Confirmation,
    FileSummary,
    IndexComparison,
    IndexFile,
    LocalFile,
    ProjectPage,
    Signature,
    TargetSettings,
)
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.index.target import Target
from wheel_uploader.targets.pruning import TargetFile

if TYPE_CHECKING:
    from wheel_uploader.index.client import IndexClient
    from wheel_uploader.upload.file_replacement import Replacer
    from wheel_uploader.upload.response import UploadResponse

#: The subject of the check that is not made if a target is not read, for the report.
INDEX_COMPARISON = "the release against the index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The release to publish, as the target needs to know it."""

    project: str
    version: Version
    #: All files of the release, including those that the target has already.
    files: tuple[LocalFile, ...]
    #: The facts about each file, with its metadata.
    summaries: tuple[FileSummary, ...] = ()
    #: Signatures and attestations of the files, for targets that store them as files.
    signatures: tuple[Signature, ...] = ()
    attestations: tuple[Attestation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """The state of a project on a target, compared with the local files."""

    #: None if the target was not read.
    project_page: ProjectPage | None = None
    comparisons: tuple[IndexComparison, ...] = ()
    #: A sentence for the report if the target was not read.
    checks_not_run: tuple[str, ...] = ()


class PublishTarget(abc.ABC):
    """A place that releases are published to.

    A target makes one attempt (``upload``) and one look (``fetch_file_state``). The plan, conflicts, retries,
    unknown outcomes, signals and reports are the same for all targets and are not its concern. Creating a
    target reads settings, and sends no request. After ``begin``, its methods may be called from any thread.
    Steps that cannot be undone belong into ``finish``.
    """

    #: The URL without user info, the name for messages, and what the checks need to know.
    info: Target
    #: The section of the configuration or of .pypirc that selects this target.
    settings: TargetSettings = TargetSettings()
    #: False if ``--replace`` is accepted, but never changes the bytes of a file.
    replaces_files: bool = True

    @property
    def default_profile(self) -> CheckProfile:
        """The rule set of the checks unless ``--profile`` is given."""
        return self.settings.profile or (CheckProfile.PYPI if self.info.is_pypi else CheckProfile.ANY)

    @property
    def login(self) -> str:
        """The login of the run, for messages; empty if it is not known yet."""
        return ""

    @property
    def is_readable(self) -> bool:
        """False if the target is only written to (``--write-only``)."""
        return True

    @property
    def index(self) -> IndexClient | None:
        """The simple pages of the target, as pip reads them; None if there are none, or they are not read."""
        return None

    def release_page_url(self, project: str, version: Version) -> str:
        """Return the URL of the release's web page; empty if unknown."""
        return self.info.release_page_url(project, version)

    # --- login -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def prepare_login(self, *, is_required: bool) -> None:
        """Find out at the start of the run how to log in, and print it.

        Raises CredentialsError if there is no way, unless the login is not required.
        """

    def credentials(self) -> object:  # noqa: B027 - most targets know them after prepare_login
        """Find the credentials, once, before the first upload. Raises CredentialsError."""

    def find_stored_password(self) -> tuple[str, str]:
        """Return the stored password or token and its origin, without a prompt; empty if there is none.

        Raises CredentialsError if it cannot be right.
        """
        return "", ""

    # --- the state of the target -----------------------------------------------------------------------

    def read_ahead(self, project: str) -> None:  # noqa: B027 - the others need their login first
        """Start to read the page of the project, if possible, while its files are downloaded.

        ``fetch_project`` returns it, and raises what went wrong.
        """

    @abc.abstractmethod
    def fetch_project(self, project: str) -> ProjectPage:
        """Return the files of the project, of all versions, with their hashes.

        Raises NetworkError, and CredentialsError if they may not be read.
        """

    def get_sha256(self, file: IndexFile) -> str:
        """Return the hexadecimal SHA-256 of a file on the target. Raises NetworkError."""
        if "sha256" in file.hashes:
            return file.hashes["sha256"]
        if self.index is None:
            raise NetworkError(f"{sanitize(self.info.name)} lists no sha256 of {sanitize(file.filename)}")
        return self.index.get_sha256(file)

    def fetch_date(self, file: IndexFile) -> datetime | None:
        """Return the date of a file that the target lists without one. Raises NetworkError."""
        return self.index.fetch_date(file) if self.index else None

    def compare(self, page: ProjectPage, files: Sequence[LocalFile]) -> tuple[IndexComparison, ...]:
        """Return the state of each local file on the target, given the files of its project there."""
        from wheel_uploader.index.client import compare_with_index

        return compare_with_index(page, files, self.get_sha256)

    def fetch_state(
        self,
        project: str,
        version: Version,  # noqa: ARG002 - a target may keep each release apart
        files: Sequence[LocalFile],
    ) -> IndexState:
        """Read what the target has, for the checks and the plan. Raises NetworkError, CredentialsError."""
        page = self.fetch_project(project)
        return IndexState(project_page=page, comparisons=self.compare(page, files))

    def fetch_file_state(self, project: str, file: LocalFile) -> IndexComparison:
        """Look once for a file between two attempts to upload it. Raises ReleaseError."""
        return self.compare(self.fetch_project(project), [file])[0]

    # --- the upload ------------------------------------------------------------------------------------

    def set_signatures(self, signatures: Sequence[Signature]) -> None:  # noqa: B027 - most store none
        """Upload these signatures with their files, if the target stores them."""

    def set_attestations(
        self,
        attestations: Sequence[Attestation],  # noqa: ARG002
        mode: AttestationPolicy,  # noqa: ARG002
    ) -> bool:
        """Upload these attestations with their files, and return whether the target accepts any."""
        return False

    def begin(self, release: Release) -> None:  # noqa: B027 - a package index needs no preparation
        """Create what the first file needs, such as a package or a draft. Uploads no file.

        Called only if a file is to be uploaded, once. An interrupted call must do no harm.
        """

    @abc.abstractmethod
    def upload(self, file: LocalFile) -> UploadResponse:
        """Make one attempt to upload ``file``, and return the meaning of the response.

        Raises a ReleaseError for a problem on this side.
        """

    def require_replaceable(self) -> None:
        """Raise UsageError unless this kind of target can replace files (``--replace``)."""
        raise OptionError(
            "replace",
            f"{sanitize(self.info.name)} does not let files be replaced",
            hint="Publish a new version, such as .devYYYYMMDD, and omit --replace.",
        )

    def create_replacer(self, folder: Path) -> Replacer | None:  # noqa: ARG002
        """Return what replaces files, with ``folder`` for the old bytes; None if an upload replaces them.

        Called only after ``require_replaceable``.
        """
        return None

    def end_uploads(self) -> None:  # noqa: B027
        """Close what only uploads use, after the last one. Called even if some failed."""

    def finish(self, release: Release) -> None:  # noqa: B027 - a package index publishes each file at once
        """Publish the release after all its files are on the target, even if all were there before."""

    @abc.abstractmethod
    def confirm(
        self, project: str, files: Sequence[LocalFile], *, timeout: float, was_uploaded: bool = True
    ) -> tuple[Confirmation, ...]:
        """Wait until the target serves exactly these bytes to users, for up to ``timeout`` seconds.

        ``was_uploaded`` says whether the target accepted them just before. Raises ConflictError for other
        bytes, and DeadlineError if files are missing at the end.
        """

    # --- removal of older releases ---------------------------------------------------------------------

    def require_prunable(self) -> None:
        """Raise UsageError unless files can be removed from this target (``--prune``). May send requests."""
        raise OptionError(
            "prune",
            f"files cannot be removed from {sanitize(self.info.name)}",
            hint="Omit --prune and --prune-days, in the section of the target as well.",
        )

    @property
    def pruned_labels(self) -> tuple[str, ...]:
        """The labels that older files lose; empty for a target without labels."""
        return ()

    def list_files(self, project: str) -> tuple[TargetFile, ...]:
        """Return all files of the project, of all versions, as they are now.

        Raises ReleaseError for an answer that is not complete or not understood.
        """
        raise NetworkError(f"the files of {project} on {sanitize(self.info.name)} cannot be listed")

    def is_same_file(self, listed: TargetFile, file: LocalFile) -> bool:
        """Return whether a listed file has the bytes of a local one."""
        return listed.hashes.get("sha256") == file.sha256

    def remove(self, file: TargetFile, labels: Sequence[str] = ()) -> None:  # noqa: ARG002
        """Remove one listed file, or these labels from it. Raises ReleaseError, also if it has changed.

        Called only after ``require_prunable``. A file that is already gone is not an error.
        """
        raise NetworkError(f"{sanitize(file.filename)} cannot be removed from {sanitize(self.info.name)}")

    def close(self) -> None:  # noqa: B027
        """Close everything at the end of the run."""

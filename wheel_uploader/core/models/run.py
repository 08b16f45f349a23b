"""The settings of a run, and the report of its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from packaging.version import Version

from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import option_rules
from wheel_uploader.core.models.changes import ReleaseChanges
from wheel_uploader.core.models.enums import AttestationPolicy, CheckProfile, Stage
from wheel_uploader.core.models.files import DownloadedFile, ExcludedFile, Selection
from wheel_uploader.core.models.findings import Attestation, Finding, InstallOutcome, Signature, SmokeResult
from wheel_uploader.core.models.index_state import (
    ComparisonReference,
    Confirmation,
    IndexComparison,
    TargetReport,
    UploadResult,
)
from wheel_uploader.core.models.pruning import TargetPruning
from wheel_uploader.core.models.target_settings import TargetSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a run, with the defaults of the command line. Times are in seconds.

    Raises UsageError for the values that the command line refuses, with the same message.
    """

    #: Empty: inferred from the files, if all of them belong to one release.
    project: str
    #: A version, or ``latest``.
    version: str
    urls: tuple[str, ...]
    #: None: not given; ``./wheelhouse`` if a run needs one.
    wheelhouse: Path | None = None
    types: tuple[str, ...] = ("all",)
    #: Patterns (fnmatch) of the names of files to leave out.
    exclude: tuple[str, ...] = ()
    pre: bool = False
    until: Stage = Stage.CONFIRM
    dry_run: bool = False
    clobber: bool = False
    #: Number of releases to keep in the wheelhouse, and days to keep a release after its download; None: all.
    keep_releases: int | None = None
    keep_days: int | None = None
    jobs: int | None = None
    allow_hosts: tuple[str, ...] = ()
    allow_insecure_hosts: tuple[str, ...] = ()
    lock_timeout: float = 0.0
    timeout: float = 30.0
    retries: int = 6
    #: A number of files, the name of a file with names or tags, or the matrix of the configuration.
    expect: str | int | Mapping[str, object] | None = None
    #: Maximum age of the newest build, with ``verify`` of the newest file per platform on the index; 0: none.
    max_age: float = 0.0
    #: Maximum time to wait for the expected files to be listed; 0: do not wait.
    wait: float = 0.0
    #: A file in the format of sha256sum. Its hashes override those of any other origin.
    sha256sums: Path | None = None
    require_hashes: bool = False
    netrc: bool = False
    #: Excluded from ``repr``, like the password below.
    url_token: str | None = field(default=None, repr=False)

    profile: CheckProfile | None = None
    #: Accepted checks and check families, each with its reason, which may be empty.
    ignore: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    #: The version to compare with; None: the newest older final version, for a pre-release one of any kind.
    compare_with: str | None = None
    no_compare: bool = False
    #: URL of the simple pages of a second index to compare with.
    compare_index: str | None = None
    #: Read a wheel of that version from the index, and report what changed in metadata and contents.
    diff: bool = False
    #: Pythons, platforms or combinations (``cp310-win32``) that may be missing compared with that version.
    allow_missing: tuple[str, ...] = ()
    #: The repository, workflow and ref of which each file must have an attestation; None: any or none.
    built_by: str | None = None

    sign: bool = False
    sign_with: str = "gpg"
    identity: str | None = None
    #: How to handle staged attestations, and whether to create one for each file in this CI job.
    attestations: AttestationPolicy = AttestationPolicy.AUTO
    attest: bool = False

    repository: str | None = None
    #: Further repositories that get the same files in the same run.
    more_repositories: tuple[str, ...] = ()
    repository_url: str | None = None
    #: Labels on anaconda.org; empty: those of the target's section, or main.
    labels: tuple[str, ...] = ()
    #: Targets that ``repository`` may name, in addition to the sections of .pypirc.
    targets: Mapping[str, TargetSettings] = field(default_factory=dict)
    index_url: str | None = None
    config_file: Path | None = None
    username: str | None = None
    #: Excluded from ``repr``, so that an Options is safe to log.
    password: str | None = field(default=None, repr=False)
    cert: Path | None = None
    client_cert: Path | None = None
    non_interactive: bool = False
    skip_existing: bool = True
    #: Replace files with other bytes, of development, pre-release and local versions.
    replace: bool = False
    #: Number of newest releases to keep at the target, and days to keep one after its upload; None: all.
    prune: int | None = None
    prune_days: int | None = None
    #: Remove final releases from the target, too.
    prune_final: bool = False
    upload_jobs: int = 6
    keep_going: bool = False
    #: Upload without reading the index: for credentials that may only write.
    write_only: bool = False
    #: Number of the GitHub release or draft to upload to; None: the one of the tag.
    release_id: int | None = None
    #: Ask on the terminal before the first step that cannot be undone.
    ask: bool = False
    #: Upload nothing: prove that the index serves exactly the files of the source.
    verify: bool = False
    confirm_timeout: float = 600.0
    #: For the whole run; 0: no limit.
    max_duration: float = 0.0
    #: Publish to a local index instead, and report what pip would install for users.
    rehearse: bool = False
    #: A command to run in the environment of each installed wheel; None: none.
    smoke: str | None = None
    #: After the confirmation, install the release from the index and run that command again.
    smoke_index: bool = False
    #: Names of environment variables to pass to pip and this command in addition.
    smoke_env: tuple[str, ...] = ()

    verbose: int = 0

    def __post_init__(self) -> None:
        if self.verify and not self.urls and self.wheelhouse is not None:
            # The wheelhouse itself is verified, and is read in place.
            object.__setattr__(self, "urls", (str(self.wheelhouse),))
            object.__setattr__(self, "wheelhouse", None)
        option_rules.validate_options(self)
        # Pasted URLs often have blanks around them.
        object.__setattr__(self, "urls", tuple(map(option_rules.strip_blanks, self.urls)))
        for name in ("repository_url", "index_url"):
            if url := getattr(self, name):
                object.__setattr__(self, name, option_rules.strip_blanks(url))

    @classmethod
    def unchecked(cls, **values: Any) -> Self:
        """Return options without validating them, for the report of a run whose options are invalid.

        A run validates its options, so it never starts with these.
        """
        options = object.__new__(cls)
        for field_ in fields(cls):
            default = {} if field_.default is MISSING else field_.default
            object.__setattr__(options, field_.name, values.get(field_.name, default))
        return options


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedRelease:
    """An older release that was removed from the wheelhouse, or would be under ``dry_run``."""

    version: Version
    filenames: tuple[str, ...]
    #: Total bytes of the files.
    size: int


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a run. Every output format is rendered from it."""

    options: Options
    _: KW_ONLY
    #: Start of the run; None if it was not recorded.
    started_at: datetime | None = None
    #: The last finished stage.
    last_stage: Stage | None = None
    selection: Selection | None = None
    #: The listed files and why none was selected, if there is no selection.
    excluded_files: tuple[ExcludedFile, ...] = ()
    downloaded_files: tuple[DownloadedFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    #: One sentence for each check that could not run, with the reason.
    checks_not_run: tuple[str, ...] = ()
    #: Sentences about the run that the user should act on, such as tokens that are about to expire.
    warnings: tuple[str, ...] = ()
    #: The earlier release that this one was compared with; None if it was compared with none.
    comparison: ComparisonReference | None = None
    #: File names of the previous release on the index; empty if this release was not compared with one.
    previous_filenames: tuple[str, ...] = ()
    #: (python, platform) pairs that the previous release supports and this one unexpectedly does not.
    missing_cells: tuple[tuple[str, str], ...] = ()
    #: Previous file name to bytes, for the files whose size the index states.
    previous_sizes: Mapping[str, int] = field(default_factory=dict)
    #: (python, platform) pairs of the expected wheels: ``("cp313t", "macosx_arm64")``.
    expected_cells: tuple[tuple[str, str], ...] = ()
    #: The changes since that release; None unless requested.
    changes: ReleaseChanges | None = None
    signatures: tuple[Signature, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    #: True if the attestations are uploaded with the files.
    uploads_attestations: bool = False
    #: The rule set of the checks.
    profile: CheckProfile = CheckProfile.PYPI
    #: The upload URL, without secrets; empty if the run does not upload.
    upload_url: str = ""
    #: URL of the release's web page, if the index is known to have one.
    release_url: str = ""
    upload_plan: tuple[IndexComparison, ...] = ()
    upload_results: tuple[UploadResult, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    #: One for each target of a run with several, in the order of the uploads; otherwise empty. The plan, the
    #: results and the confirmations above are then those of the target that each file is furthest from.
    targets: tuple[TargetReport, ...] = ()
    #: Older releases that were removed from the wheelhouse, or would be under ``dry_run``.
    pruned_releases: tuple[PrunedRelease, ...] = ()
    #: Files that ``prune`` removed from each target, or would remove under ``dry_run``.
    target_prunings: tuple[TargetPruning, ...] = ()
    #: The file that pip installs on each platform, according to the rehearsal.
    install_outcomes: tuple[InstallOutcome, ...] = ()
    #: Results of the smoke test on this machine.
    smoke_results: tuple[SmokeResult, ...] = ()
    error: ReleaseError | None = None
    #: Duration of each finished stage, in seconds.
    stage_seconds: Mapping[Stage, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The exit code of the run: 0, or that of ``error``."""
        return self.error.exit_code if self.error else 0

    def raise_for_error(self) -> None:
        """Raise the error that stopped the run, if there is one."""
        if self.error:
            raise self.error


#: The variable that holds the token. There is no option, because other users can see command lines.
URL_TOKEN_VARIABLE = "WHEEL_UPLOADER_URL_TOKEN"  # noqa: S105 - a name, not a token

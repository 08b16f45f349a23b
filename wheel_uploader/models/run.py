"""What the person asked for, and all that a run found and did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from packaging.version import Version

from wheel_uploader.errors import ReleaseError
from wheel_uploader.models import option_rules
from wheel_uploader.models.files import Fetched, Selection
from wheel_uploader.models.judged import Attestation, Finding, Installable, Signature, Trial
from wheel_uploader.models.published import Confirmation, IndexState, UploadResult
from wheel_uploader.models.words import Attestations, Profile, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a run; the defaults are those of the command line. Times are seconds.

    Raises UsageError for what the command line refuses, with the same message.
    """

    #: Empty: that of the files, when all of them are of one release.
    project: str
    #: A version, or ``latest``.
    version: str
    urls: tuple[str, ...]
    #: None: nobody named one. It is ``./wheelhouse`` then, where one is needed.
    wheelhouse: Path | None = None
    types: tuple[str, ...] = ("all",)
    pre: bool = False
    until: Stage = Stage.CONFIRM
    dry_run: bool = False
    clobber: bool = False
    #: How many releases stay in the wheelhouse, and which ones by the days since they came; None: all.
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
    #: How old the newest build may be; 0: as old as it likes.
    max_age: float = 0.0
    #: How long to wait until everything is listed; 0: not at all.
    wait: float = 0.0
    #: A file in the format of sha256sum, which has the last word on every file's content.
    sha256sums: Path | None = None
    require_hashes: bool = False
    netrc: bool = False
    #: Never shown, as the password below.
    url_token: str | None = field(default=None, repr=False)

    profile: Profile | None = None
    #: Checks and families whose findings are accepted, and why; the reason may be empty.
    ignore: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    #: The version to compare with; None: the newest final one below this one.
    compare_with: str | None = None
    no_compare: bool = False
    #: Pythons, platforms or both (``cp310-win32``) that may be gone since that version.
    allow_missing: tuple[str, ...] = ()

    sign: bool = False
    sign_with: str = "gpg"
    identity: str | None = None
    #: Attestations that lie beside the files; and whether to make one for each file in this CI job.
    attestations: Attestations = Attestations.AUTO
    attest: bool = False

    repository: str | None = None
    repository_url: str | None = None
    index_url: str | None = None
    config_file: Path | None = None
    username: str | None = None
    #: Never shown: ``repr`` of an Options must be safe to log.
    password: str | None = field(default=None, repr=False)
    cert: Path | None = None
    client_cert: Path | None = None
    non_interactive: bool = False
    skip_existing: bool = True
    upload_jobs: int = 4
    keep_going: bool = False
    confirm_timeout: float = 600.0
    #: For the whole run; 0: no limit.
    max_duration: float = 0.0
    #: Publish to an index of this machine instead, and ask pip what users would get.
    rehearse: bool = False
    #: A command to run where each wheel is installed; None: none.
    smoke: str | None = None
    #: Names of variables of the environment that pip and this command get in addition.
    smoke_env: tuple[str, ...] = ()

    verbose: int = 0

    def __post_init__(self) -> None:
        option_rules.require_valid(self)

    @classmethod
    def unchecked(cls, **values: Any) -> Self:
        """Return options that may break the rules, for the report of a run that was refused.

        No run begins with them: it judges its options again.
        """
        made = object.__new__(cls)
        for each in fields(cls):
            default = {} if each.default is MISSING else each.default
            object.__setattr__(made, each.name, values.get(each.name, default))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """An older release that was taken out of the wheelhouse, or would be."""

    version: Version
    filenames: tuple[str, ...]
    #: Bytes of all of them.
    size: int


@dataclass(slots=True)
class Report:
    """All that a run found and did, filled as it goes; every output is made from it."""

    options: Options
    _: KW_ONLY
    #: When the run began; None when nobody looked at a clock.
    began: datetime | None = None
    #: The last stage that was finished.
    reached: Stage | None = None
    selection: Selection | None = None
    fetched: tuple[Fetched, ...] = ()
    findings: tuple[Finding, ...] = ()
    #: Checks that could not be made, and why, in one sentence each.
    not_checked: tuple[str, ...] = ()
    #: File names of the release on the index that this one was compared with; empty when it was not.
    previous: tuple[str, ...] = ()
    #: (python, platform) that it served and this one does not, unless on purpose.
    lost: tuple[tuple[str, str], ...] = ()
    #: Bytes of those of them whose size the index says.
    previous_sizes: Mapping[str, int] = field(default_factory=dict)
    #: (python, platform) of the wheels that were declared to be expected: ``("cp313t", "macosx_arm64")``.
    expected: tuple[tuple[str, str], ...] = ()
    signatures: tuple[Signature, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    #: Whether they go along with what is posted.
    attestations_sent: bool = False
    #: The profile that the checks were made under.
    profile: Profile = Profile.PYPI
    #: Where files go, without secrets; empty when nothing is to be uploaded.
    target: str = ""
    #: Where people see the release, when it went to an index that is known to have such a page.
    page: str = ""
    plan: tuple[IndexState, ...] = ()
    results: tuple[UploadResult, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    #: Older releases that left the wheelhouse; under ``dry_run``, that would.
    removed: tuple[Removal, ...] = ()
    #: For whom pip installs what; of a rehearsal.
    rehearsal: tuple[Installable, ...] = ()
    #: Wheels tried on this machine.
    trials: tuple[Trial, ...] = ()
    error: ReleaseError | None = None
    #: Seconds that each finished stage took.
    timings: dict[Stage, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else 0

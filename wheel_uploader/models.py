"""The nouns: what the stages hand to each other. Frozen values; nothing here reads a disk or a network."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import NormalizedName
from packaging.version import Version

from wheel_uploader.errors import ReleaseError


class Stage(enum.IntEnum):
    """How far a run goes; the stages are always in this order."""

    LIST = 1
    DOWNLOAD = 2
    CHECK = 3
    SIGN = 4
    UPLOAD = 5
    CONFIRM = 6


class Severity(enum.StrEnum):
    """What a finding does: an error stops the release, a warning is shown, a note is for those who look."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Profile(enum.StrEnum):
    """Whose rules hold: PyPI's own, or only what every index and installer needs."""

    PYPI = "pypi"
    ANY = "any"


class Attestations(enum.StrEnum):
    """What to do with attestations that lie beside the files: take what there is, want one for each, none."""

    AUTO = "auto"
    REQUIRE = "require"
    NONE = "none"


# --- names -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """A parsed wheel file name (PEP 427); the tag sets stay compressed, as written."""

    filename: str
    project: NormalizedName
    version: Version
    #: The project and version as the file name spells them.
    raw_project: str
    raw_version: str
    build: str = ""
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    def __str__(self) -> str:
        return self.filename

    @property
    def tags(self) -> frozenset[Tag]:
        """Every (python, abi, platform) that the compressed sets stand for; their number is bounded."""
        return frozenset(
            Tag(python, abi, platform)
            for python in self.pythons
            for abi in self.abis
            for platform in self.platforms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistName:
    """A parsed sdist file name (PEP 625, or an older spelling of it)."""

    filename: str
    project: NormalizedName
    version: Version
    raw_project: str
    raw_version: str

    def __str__(self) -> str:
        return self.filename


DistName = WheelName | SdistName


# --- list ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file that a source offers, under the name that it has there; nothing of it is trusted yet."""

    filename: str
    #: Absolute ``http(s)`` URL, or ``file:`` for one that a local source found.
    url: str
    #: Bytes, when the listing says so exactly (an "1.2K" of a listing is not a size).
    size: int | None = None
    #: Algorithm to lower-case hex digest, as the listing gave them.
    hashes: Mapping[str, str] = field(default_factory=dict)
    #: Who gave the hashes, when it was not the listing: the file that the person brought.
    hashes_from: str = ""
    #: Where it was listed: a URL without secrets, or a directory.
    source: str
    #: When it came to be or was last changed there, where the listing says it without doubt.
    modified: datetime | None = None
    #: Why it is listed and still cannot be had, in one clause (an upload that was never finished).
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A listed file that is not taken, and why, in one clause (``version 1.11.0, not 1.12.0``)."""

    filename: str
    source: str
    reason: str
    #: It is of this release, or may have been, and could not be had: without it the set may be incomplete.
    withheld: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """An attestation as it is listed, beside the file that its name says it is about."""

    #: The file name of a wheel or an sdist of the release.
    about: str
    remote: RemoteFile

    @property
    def filename(self) -> str:
        return self.remote.filename


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a listing holds of one release, and what it holds besides."""

    project: NormalizedName
    version: Version
    files: tuple[tuple[DistName, RemoteFile], ...]
    companions: tuple[Companion, ...] = ()
    refused: tuple[Refusal, ...] = ()


# --- download --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A whole, verified file in the wheelhouse; the digests are hex and were taken from the bytes on disk."""

    name: DistName
    path: Path
    #: Bytes.
    size: int
    sha256: str
    blake2b_256: str

    @property
    def filename(self) -> str:
        return self.name.filename


class FetchOutcome(enum.StrEnum):
    """How a file came to be in the wheelhouse."""

    DOWNLOADED = "downloaded"
    RESUMED = "resumed"
    UNCHANGED = "unchanged"
    COPIED = "copied"
    IN_PLACE = "in place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One file after the download stage: the file, how it came here, and what vouches for it."""

    file: LocalFile
    remote: RemoteFile
    outcome: FetchOutcome
    #: ``sha256 from the listing``, ``RECORD``, ...
    vouched_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCompanion:
    """A whole companion on this machine; it is small, and here with all its bytes."""

    about: str
    path: Path
    content: bytes = field(repr=False)
    outcome: FetchOutcome

    @property
    def filename(self) -> str:
        return self.path.name


# --- check -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a wheel's ZIP: what its two headers say, and what its bytes really are."""

    #: As the central directory has it, decoded (UTF-8, else cp437 as zipfile does).
    name: str
    raw_name: bytes
    #: Bytes: declared by the central directory, and counted while inflating.
    size: int
    compressed_size: int
    actual_size: int
    #: CRC-32: declared by the central directory, and computed.
    crc: int
    actual_crc: int
    #: Hex sha256 of the unpacked bytes; empty where they were not unpacked (the facts say why).
    sha256: str
    method: int
    flags: int
    #: Unix mode bits (``external_attr >> 16``), as installers take them whatever system made the ZIP.
    mode: int
    #: The first bytes, for telling formats apart.
    head: bytes = b""
    #: ``algorithm=hex`` where RECORD names a strong algorithm other than sha256 for this member.
    other_digest: str = ""

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something a reader of an archive came across that a check will judge.

    ``kind`` is the word that archive and check agree on (``bad-crc``, ``trailing-bytes``, ...).
    """

    kind: str
    message: str
    member: str | None = None


class NativeFormat(enum.StrEnum):
    """The container formats of compiled code."""

    ELF = "ELF"
    MACHO = "Mach-O"
    PE = "PE"
    WASM = "WebAssembly"


class NativeKind(enum.StrEnum):
    """What a system does with compiled code."""

    LIBRARY = "library"
    EXECUTABLE = "executable"
    #: Linked no further: an object file, debug information.
    OBJECT = "object"
    #: .NET code, which runs on any processor.
    MANAGED = "managed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeSlice:
    """What one architecture's code in a native member says of itself."""

    #: In the words of its platform's tags: ``x86_64``, ``i686``, ``aarch64`` (ELF), ``arm64`` (others), ...
    arch: str
    kind: NativeKind
    #: Libraries without which it does not load, as it names them; those that PE loads at first use count.
    needed: tuple[str, ...] = ()
    #: The soname or install name.
    name: str = ""
    #: Where it looks for libraries, as written (``$ORIGIN/../x.libs``, ``@loader_path``).
    rpaths: tuple[str, ...] = ()
    #: (library, version): ``("libc.so.6", "GLIBC_2.17")``.
    versions: tuple[tuple[str, str], ...] = ()
    #: The loader that an ELF executable asks for.
    interpreter: str = ""
    #: The oldest macOS that it says it runs on.
    minos: tuple[int, int] | None = None
    #: Of Python's C API, what it takes from the interpreter; read for abi3 wheels only.
    python_symbols: tuple[str, ...] = ()
    #: What it gives to others under such names, where it cannot be told from whom they take it (ELF).
    python_exports: tuple[str, ...] = ()
    #: ``x86-64-v2`` and the like, when it says so.
    isa: str = ""
    #: Whether there are sections of debug information.
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeFacts:
    """A member that is compiled code, or has the name of such, as native read it."""

    member: str
    #: None when only its name promises compiled code.
    format: NativeFormat | None = None
    #: More than one in a universal Mach-O only.
    slices: tuple[NativeSlice, ...] = ()
    #: Why it is no compiled code, or not all of it; empty when it is.
    problem: str = ""
    #: Why it was not, or not wholly, read, although nothing is wrong with it.
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelContent:
    """What one pass over a wheel found. Plain facts: the checks judge."""

    name: WheelName
    #: Bytes of the archive, and of all members unpacked.
    size: int
    unpacked_size: int = 0
    members: tuple[Member, ...] = ()
    #: What the raw walk found wrong with the ZIP itself.
    facts: tuple[Fact, ...] = ()
    #: The bytes of the few members that the checks read, by name: everything small below ``*.dist-info/``.
    kept: Mapping[str, bytes] = field(default_factory=dict)
    #: Header to values, as pkginfo read the file; None when pkginfo could not.
    pkginfo: Mapping[str, tuple[str, ...]] | None = None
    #: What pkginfo warned of or stumbled over.
    pkginfo_remarks: tuple[str, ...] = ()
    #: The member that pkginfo and twine take for METADATA; empty when they find none.
    pkginfo_source: str = ""
    #: The members that are, or are called, compiled code.
    natives: tuple[NativeFacts, ...] = ()

    @property
    def filename(self) -> str:
        return self.name.filename

    @property
    def readable(self) -> bool:
        """Whether there are members to speak of: False for a page, a stump, an empty file."""
        return not any(fact.kind == "unreadable" for fact in self.facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistMember:
    """One member of an sdist's tar."""

    name: str
    size: int
    #: ``file``, ``directory``, ``symlink``, ``hardlink``, ``sparse`` or ``other``.
    kind: str
    link_target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistContent:
    """What one pass over an sdist found."""

    name: SdistName
    size: int
    unpacked_size: int = 0
    members: tuple[SdistMember, ...] = ()
    facts: tuple[Fact, ...] = ()
    kept: Mapping[str, bytes] = field(default_factory=dict)
    pkginfo: Mapping[str, tuple[str, ...]] | None = None
    pkginfo_remarks: tuple[str, ...] = ()
    pkginfo_source: str = ""

    @property
    def filename(self) -> str:
        return self.name.filename

    @property
    def readable(self) -> bool:
        """Whether there are members to speak of: False for a page, a stump, an empty file."""
        return not any(fact.kind == "unreadable" for fact in self.facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """What the checks of a whole release need of one file; small, however large the file is."""

    name: DistName
    #: Bytes of the archive, and of all members unpacked.
    size: int
    unpacked_size: int = 0
    #: The first Generator of WHEEL: the tool that built it, not those that repaired it.
    generator: str = ""
    #: What installs into site-packages, without ``.dist-info``, ``.data`` and what a repair tool adds.
    top_level: tuple[str, ...] = ()
    #: Compiled members, without the libraries that a repair tool adds.
    natives: int = 0
    #: Field of core metadata to its values, in a form that can be compared; absent without metadata.
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Fields that an sdist leaves to its wheels; None where its metadata cannot say so (before 2.2).
    dynamic: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check found."""

    #: ``family/name``.
    check: str
    severity: Severity
    #: A file name, or ``release``.
    subject: str
    message: str
    member: str | None = None
    #: Set when the person accepted it with ``--ignore``: shown, and blocks nothing.
    ignored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is kept of one file when it was judged: its content is dropped, for a release's are large."""

    findings: tuple[Finding, ...] = ()
    #: None when it was not asked for.
    summary: FileSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What an attestation (PEP 740) says, of which file, and who says it."""

    #: The file name of the wheel or sdist that it lies beside.
    about: str
    path: Path
    #: Its bytes, which are those that were read here and no others.
    content: bytes = field(repr=False)
    #: Why it is none; then nothing else is known of it.
    problem: str = ""
    #: The URL of what it says, and PyPI's short word for it: ``publish``, ``slsa``, empty for any other.
    predicate_type: str = ""
    kind: str = ""
    #: Name and hex sha256 of the file that it is made for.
    subject: str = ""
    subject_sha256: str = ""
    #: Who made it, as its certificate says; that is known to be true when it is verified.
    publisher: str = ""
    #: Why its signature, certificate or log entry does not hold; empty when all of it was verified.
    unverified: str = ""
    #: Made by this run.
    made: bool = False

    @property
    def filename(self) -> str:
        return self.path.name


# --- sign ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A detached, verified signature: of which file, where, and by which key (full fingerprint)."""

    filename: str
    path: Path
    fingerprint: str
    #: False when a good signature was already there.
    made: bool = True


# --- upload ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file as the index lists it."""

    filename: str
    url: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    upload_time: datetime | None = None
    yanked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What the index says of a project; no files when it does not know the project."""

    url: str
    exists: bool
    files: tuple[IndexFile, ...] = ()
    #: PEP 792: active, archived, quarantined, deprecated.
    status: str = "active"
    status_reason: str = ""
    #: ``json`` or ``html``.
    view: str = "html"


class FileState(enum.StrEnum):
    """What the index has under one of our names."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"
    SAME_BYTES_OTHER_NAME = "same bytes under another name"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """One of our files compared with the index."""

    file: LocalFile
    state: FileState
    #: The other name, when the bytes are there under one.
    other_name: str = ""
    #: Hex sha256 that the index serves under our name; empty when there is none.
    index_sha256: str = ""


class UploadOutcome(enum.StrEnum):
    """What became of one file of the plan."""

    UPLOADED = "uploaded"
    ALREADY_THERE = "already there"
    WOULD_UPLOAD = "would upload"
    REJECTED = "rejected"
    #: No answer came, and the index could not be asked.
    UNKNOWN = "unknown"
    #: Not tried, because the run had stopped before.
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResult:
    """What became of one file, and why."""

    file: LocalFile
    outcome: UploadOutcome
    reason: str = ""
    #: POST requests made for this file.
    attempts: int = 0
    #: What stopped this file, as the end of a run that it would be on its own.
    error: ReleaseError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The index serves this file, and with this sha256."""

    filename: str
    sha256: str
    url: str
    #: Where it was seen: ``json``, ``html``, or both.
    views: tuple[str, ...] = ()


# --- what users get --------------------------------------------------------------------------------


class InstallKind(enum.StrEnum):
    """What an installer does for a user."""

    WHEEL = "wheel"
    #: It builds from the sdist.
    SOURCE = "source"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installable:
    """What pip installs for one interpreter on one machine."""

    #: ``cp313``, ``cp313t``, ``pp311``.
    python: str
    #: ``Linux x86_64 glibc 2.28``.
    machine: str
    kind: InstallKind
    #: The wheel; empty when there is none.
    filename: str = ""
    #: The same of the previous release, told by the names of its files; None when it is not known.
    before: InstallKind | None = None
    before_filename: str = ""

    @property
    def is_worse(self) -> bool:
        """Whether there was a wheel, and is none."""
        return self.before is InstallKind.WHEEL and self.kind is not InstallKind.WHEEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One wheel installed into a fresh environment, and a command run there."""

    filename: str
    #: ``CPython 3.13.1`` and its path.
    interpreter: str
    #: Why it failed, in one clause; empty when it did not.
    failure: str = ""
    #: The last that was printed, when it failed.
    output: str = ""
    seconds: float = 0.0


# --- the run ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person asked for; the defaults are those of the command line. Times are seconds."""

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
    keep: int | None = None
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
    hashes: Path | None = None
    require_hashes: bool = False
    netrc: bool = False
    #: Never shown, as the password below.
    url_token: str | None = field(default=None, repr=False)

    profile: Profile | None = None
    #: Checks and families whose findings are accepted, and why; the reason may be empty.
    ignore: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    #: The version to compare with; None: the newest final one below this one.
    like: str | None = None
    no_like: bool = False
    #: Pythons, platforms or both (``cp310-win32``) that may be gone since that version.
    allow_lost: tuple[str, ...] = ()

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

    verbose: int = 0


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

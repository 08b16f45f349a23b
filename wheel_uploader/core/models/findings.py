"""Results about files: findings, attestations, signatures, and how they install."""

from __future__ import annotations

import enum
from dataclasses import field
from pathlib import Path

from wheel_uploader.core.builders import BuildIdentity
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models.content import FileSummary
from wheel_uploader.core.models.enums import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result of a check."""

    #: ``family/name``.
    check: str
    severity: Severity
    #: A file name, or ``release``.
    subject: str
    message: str
    member: str | None = None
    #: True if the user accepted it with ``--ignore``: it is shown, but does not stop the release.
    is_ignored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The check results of one file. Its contents are not kept, because those of a release are large."""

    findings: tuple[Finding, ...] = ()
    #: None if the caller did not request it.
    summary: FileSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """An attestation (PEP 740): its statement, the file that it is about, and its publisher."""

    #: The wheel or sdist that it attests, according to the attestation's file name.
    subject_filename: str
    path: Path
    #: The bytes that were parsed; the file is not read again.
    content: bytes = field(repr=False)
    #: Reason why it is not a valid attestation; the fields below are empty then.
    malformed_reason: str = ""
    #: The URL of the predicate type, and PyPI's short name for it: ``publish``, ``slsa``, or empty.
    predicate_type: str = ""
    short_type: str = ""
    #: Name and hex sha256 of the subject in the statement.
    statement_subject: str = ""
    statement_sha256: str = ""
    #: The signer's identity from the certificate; only trustworthy once verified.
    publisher: str = ""
    identity: BuildIdentity | None = None
    #: Reason why its signature, certificate or log entry is not valid; empty if all were verified.
    verification_error: str = ""
    #: True if this run created it.
    is_new: bool = False

    @property
    def filename(self) -> str:
        """The file name of the attestation."""
        return self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A verified detached signature: the signed file, the signature's path, and the full key fingerprint."""

    filename: str
    path: Path
    fingerprint: str
    #: The bytes of the signature that were verified.
    content: bytes = field(repr=False)
    #: False if a valid signature already existed.
    is_new: bool = True


class InstallKind(enum.StrEnum):
    """The kind of file that an installer uses for a user."""

    WHEEL = "wheel"
    #: Built from the sdist.
    SOURCE = "source"
    NOTHING = "nothing"


class InstallSource(enum.StrEnum):
    """The origin of the answer which file an installer uses."""

    #: pip resolved the release for the environment.
    PIP = "pip"
    #: By the tags and the Requires-Python of the wheels, with pip's rules.
    TAGS = "tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOutcome:
    """The file that pip installs for one interpreter on one platform."""

    #: ``cp313``, ``cp313t``, ``pp311``.
    python: str
    #: ``Linux x86_64 glibc 2.28``.
    platform_label: str
    kind: InstallKind
    #: The wheel; empty if no wheel is compatible.
    filename: str = ""
    answered_by: InstallSource = InstallSource.PIP
    #: The same for the previous release, derived from its file names; None if unknown.
    previous_kind: InstallKind | None = None
    previous_filename: str = ""

    @property
    def has_lost_wheel(self) -> bool:
        """True if the previous release had a compatible wheel and this one does not."""
        return self.previous_kind is InstallKind.WHEEL and self.kind is not InstallKind.WHEEL

    @property
    def has_lost_sdist(self) -> bool:
        """True if the previous release could be built, and of this one there is nothing to install."""
        return self.previous_kind is InstallKind.SOURCE and self.kind is InstallKind.NOTHING

    @property
    def is_worse(self) -> bool:
        """True if the previous release was easier to install, or could be installed at all."""
        return self.has_lost_wheel or self.has_lost_sdist


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeResult:
    """The result of installing one wheel into a temporary environment and running a command there."""

    #: The wheel; for a release that was installed from the index, its requirement.
    filename: str
    #: The version (``CPython 3.13.1``) and the path.
    interpreter: str
    #: Reason of the failure, in one clause; empty on success.
    failure: str = ""
    #: The end of the output, if it failed.
    output: str = ""
    seconds: float = 0.0

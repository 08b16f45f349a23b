"""What was found out about files: findings, attestations, signatures, and how they do on machines."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from wheel_uploader.models.content import FileSummary
from wheel_uploader.models.words import Severity


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A detached, verified signature: of which file, where, and by which key (full fingerprint)."""

    filename: str
    path: Path
    fingerprint: str
    #: The bytes of the signature, as they were verified.
    content: bytes = field(repr=False)
    #: False when a good signature was already there.
    made: bool = True


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

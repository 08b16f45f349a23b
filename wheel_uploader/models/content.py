"""What one pass over a wheel or an sdist found in it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from wheel_uploader.budget import OVER_BUDGET, Budget
from wheel_uploader.models.files import DistName, SdistName, WheelName


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
    #: What reading it has cost, and what checking it may cost.
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)

    @property
    def filename(self) -> str:
        return self.name.filename

    @property
    def readable(self) -> bool:
        """Whether there are members to speak of: False for a page, a stump, an empty file."""
        return not any(fact.kind == "unreadable" for fact in self.facts)

    @property
    def read_to_its_end(self) -> bool:
        """Whether the budget lasted for the whole file."""
        return not any(fact.kind == OVER_BUDGET for fact in self.facts)


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
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)

    @property
    def filename(self) -> str:
        return self.name.filename

    @property
    def readable(self) -> bool:
        """Whether there are members to speak of: False for a page, a stump, an empty file."""
        return not any(fact.kind == "unreadable" for fact in self.facts)

    @property
    def read_to_its_end(self) -> bool:
        """Whether the budget lasted for the whole file."""
        return not any(fact.kind == OVER_BUDGET for fact in self.facts)


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

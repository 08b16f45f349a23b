"""Contents of wheels and sdists, as one pass over the archive reads them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from wheel_uploader.core.budget import OVER_BUDGET, Budget
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models.files import DistName, SdistName, WheelName


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelMember:
    """One member of a wheel's ZIP: the values in its two headers, and those computed from its bytes."""

    #: The name in the central directory, decoded as UTF-8, or else as cp437, like zipfile does.
    name: str
    raw_name: bytes
    #: Bytes: ``size`` is declared in the central directory, ``actual_size`` is counted while decompressing.
    size: int
    compressed_size: int
    actual_size: int
    #: CRC-32: ``crc`` is declared in the central directory, ``actual_crc`` is computed.
    crc: int
    actual_crc: int
    #: Hex sha256 of the unpacked bytes; empty if they were not unpacked (``anomalies`` has the reason).
    sha256: str
    compression_method: int
    flags: int
    #: Unix mode bits (``external_attr >> 16``); installers use them whatever system created the ZIP.
    mode: int
    #: The first bytes, to detect the file format.
    first_bytes: bytes = b""
    #: ``algorithm=hex`` if RECORD uses a strong algorithm other than sha256 for this member.
    other_digest: str = ""
    #: For Python sources (see facts/archive/python_source.py): the CRC-32 of the text, or 0, and its version.
    text_crc: int = 0
    declared_version: str = ""

    @property
    def is_directory(self) -> bool:
        """True if the member is a directory entry."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAnomaly:
    """An anomaly that an archive reader saw, for a check to judge.

    ``kind`` is the identifier that the reader and the check share (``bad-crc``, ``trailing-bytes``, ...).
    """

    kind: str
    message: str
    member: str | None = None


class TextFactKind(enum.StrEnum):
    """Kind of a passage that the text scanner recognizes."""

    PRIVATE_KEY = "private key"
    #: A token of a known service, or a password in a file of credentials.
    CREDENTIAL = "credential"
    #: Like a credential, but its value looks made up.
    DOUBTFUL_CREDENTIAL = "doubtful credential"
    MERGE_CONFLICT = "merge conflict"
    #: A statement that Python 3 may not be able to parse.
    PYTHON_2 = "Python 2"
    #: A statement that only later versions than 3.9, 3.10 and 3.11 can parse.
    PYTHON_3_10 = "Python 3.10"
    PYTHON_3_11 = "Python 3.11"
    PYTHON_3_12 = "Python 3.12"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TextFact:
    """A passage in a text member; it never contains the text itself, which may be a secret."""

    member: str
    #: The line of the passage, counted from 1.
    line: int
    kind: TextFactKind
    #: The content of the passage as a noun phrase: ``a GitHub token``.
    description: str = ""


class BinaryFormat(enum.StrEnum):
    """Container formats of compiled code."""

    ELF = "ELF"
    MACHO = "Mach-O"
    PE = "PE"
    WASM = "WebAssembly"


class BinaryKind(enum.StrEnum):
    """Kind of a compiled file."""

    LIBRARY = "library"
    EXECUTABLE = "executable"
    #: Not loadable as it is: an object file, or debug information.
    OBJECT = "object"
    #: .NET code, which runs on any processor.
    MANAGED = "managed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BinarySlice:
    """The code for one architecture in a compiled member, as its headers describe it."""

    #: Named as in the tags of its platform: ``x86_64``, ``i686``, ``aarch64`` (ELF), ``arm64`` (others), ...
    arch: str
    kind: BinaryKind
    #: Libraries that it needs to load, spelled as in the file; including the delay-loaded ones of PE.
    needed_libraries: tuple[str, ...] = ()
    #: The soname (ELF) or install name (Mach-O).
    library_name: str = ""
    #: The library search paths, as written (``$ORIGIN/../x.libs``, ``@loader_path``).
    rpaths: tuple[str, ...] = ()
    #: True if they are a RUNPATH (ELF), which glibc uses only for the libraries that this code itself needs.
    has_runpath: bool = False
    #: Required symbol versions, as (library, version): ``("libc.so.6", "GLIBC_2.17")``.
    symbol_versions: tuple[tuple[str, str], ...] = ()
    #: The program interpreter (loader) of an ELF executable.
    interpreter: str = ""
    #: The minimum macOS version that it declares.
    min_macos: tuple[int, int] | None = None
    #: The symbols of Python's C API that it imports; read for abi3 wheels only.
    python_imports: tuple[str, ...] = ()
    #: The symbols with such names that it exports. Only ELF, which does not record the providing library.
    python_exports: tuple[str, ...] = ()
    #: The instruction set level that it declares, such as ``x86-64-v2``.
    isa_level: str = ""
    #: True if it has sections with debug information.
    has_debug_info: bool = False
    #: The functions that Python looks for in an extension module of the member's name (``PyInit_x``,
    #: ``PyModExport_x``) and that it exports; if there are none, those for other names.
    #: None if its exports could not be read.
    module_functions: tuple[str, ...] | None = ()
    #: True if it asks for an executable stack (ELF), and if its headers do not say what stack it needs.
    executable_stack: bool = False
    unspecified_stack: bool = False
    #: True if it has a code signature (Mach-O).
    has_code_signature: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFacts:
    """A member that is compiled code or is named like it, as the binary readers describe it."""

    member: str
    #: None if only the name suggests compiled code.
    format: BinaryFormat | None = None
    #: Only a universal Mach-O has more than one.
    slices: tuple[BinarySlice, ...] = ()
    #: Reason why it is not valid compiled code, or only in part; empty if it is.
    problem: str = ""
    #: Reason why a valid file was not read, or not completely.
    unread_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelContent:
    """The contents of a wheel, as one pass reads them. It only records: the checks judge."""

    name: WheelName
    #: Bytes of the archive, and of all members unpacked.
    size: int
    unpacked_size: int = 0
    members: tuple[WheelMember, ...] = ()
    #: Anomalies of the ZIP structure itself.
    anomalies: tuple[ArchiveAnomaly, ...] = ()
    #: Contents, by name, of the few members that the checks read: all small files in ``*.dist-info/``, files
    #: that Python reads when it starts, and modules with the functions of scripts.
    retained_members: Mapping[str, bytes] = field(default_factory=dict)
    #: Metadata field to values, as pkginfo reads the file; None if pkginfo cannot read it.
    pkginfo_metadata: Mapping[str, tuple[str, ...]] | None = None
    #: Warnings and errors of pkginfo.
    pkginfo_warnings: tuple[str, ...] = ()
    #: The member that pkginfo and twine read as METADATA; empty if they find none.
    pkginfo_source: str = ""
    #: Members that are compiled code, or are named like it.
    binaries: tuple[BinaryFacts, ...] = ()
    #: True if some code lacks a search path to a library of the wheel, and Python source in the wheel loads
    #: libraries itself, for example with ctypes.
    loads_libraries: bool = False
    #: Suspicious passages in text members.
    text_facts: tuple[TextFact, ...] = ()
    #: Contents, by name, of Python modules that may not parse.
    sources: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    #: Resources used for reading the file, and available for checking it.
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)
    #: Results that several checks share, by name; ``dataclasses.replace`` starts without any.
    derived: dict[str, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    @property
    def filename(self) -> str:
        """The file name of the archive."""
        return self.name.filename

    @property
    def is_readable(self) -> bool:
        """True if the archive has readable members: False for an HTML page, a truncated or empty file."""
        return not any(fact.kind == "unreadable" for fact in self.anomalies)

    @property
    def is_fully_read(self) -> bool:
        """True if the whole file was read within its budget."""
        return not any(fact.kind == OVER_BUDGET for fact in self.anomalies)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistMember:
    """One member of an sdist's tar."""

    name: str
    size: int
    #: ``file``, ``directory``, ``symlink``, ``hardlink``, ``sparse`` or ``other``.
    kind: str
    link_target: str = ""
    #: As in WheelMember.
    text_crc: int = 0
    declared_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistContent:
    """The contents of an sdist, as one pass reads them; the fields are those of WheelContent."""

    name: SdistName
    size: int
    unpacked_size: int = 0
    members: tuple[SdistMember, ...] = ()
    anomalies: tuple[ArchiveAnomaly, ...] = ()
    retained_members: Mapping[str, bytes] = field(default_factory=dict)
    pkginfo_metadata: Mapping[str, tuple[str, ...]] | None = None
    pkginfo_warnings: tuple[str, ...] = ()
    pkginfo_source: str = ""
    text_facts: tuple[TextFact, ...] = ()
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)

    @property
    def filename(self) -> str:
        """The file name of the archive."""
        return self.name.filename

    @property
    def is_readable(self) -> bool:
        """True if the archive has readable members: False for an HTML page, a truncated or empty file."""
        return not any(fact.kind == "unreadable" for fact in self.anomalies)

    @property
    def is_fully_read(self) -> bool:
        """True if the whole file was read within its budget."""
        return not any(fact.kind == OVER_BUDGET for fact in self.anomalies)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """The facts about one file that the release checks compare; small, however large the file is."""

    name: DistName
    #: Bytes of the archive, and of all members unpacked.
    size: int
    unpacked_size: int = 0
    #: The first Generator in WHEEL: the tool that built the wheel, not one that repaired it.
    generator: str = ""
    #: The other Generator lines: the tools that changed the wheel afterwards.
    repair_generators: tuple[str, ...] = ()
    #: Names of the SBOM files in ``.dist-info/sboms``.
    sboms: tuple[str, ...] = ()
    #: Names installed into site-packages, without ``.dist-info``, ``.data`` and files of repair tools.
    top_level: tuple[str, ...] = ()
    #: The scripts that installers generate, as ``name = object``.
    scripts: tuple[str, ...] = ()
    #: Number of compiled members, without the libraries that a repair tool adds.
    binary_count: int = 0
    #: Core metadata field to its values, normalized for comparison; empty without metadata.
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Fields that the sdist declares Dynamic; None if its metadata version is older than 2.2.
    dynamic_fields: frozenset[str] | None = None
    metadata_version: tuple[int, int] = (0, 0)
    #: The packed list of its modules (see checks/inventory.py); empty if it has none or too many.
    inventory: bytes = b""
    #: Number of extension modules in a wheel, and of members in languages that are compiled in an sdist.
    extension_count: int = 0
    compiled_source_count: int = 0

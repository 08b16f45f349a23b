"""Small files that are expensive to read or check, built on demand, each with the finding it must get."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.support.zips import SDIST, WHEEL, RawMember, raw_members, raw_zip
from tools.testing import binaries
from tools.testing.wheels import METADATA, wheel_bytes

OVER_BUDGET = "archive/over-budget"
_META = METADATA.format(project="dipy", version="1.11.0")
_LINUX = "cp39-abi3-manylinux_2_17_x86_64"
_MACOS = "cp39-abi3-macosx_11_0_arm64"
_WINDOWS = "cp39-abi3-win_amd64"


class Attack(NamedTuple):
    """A file, the check that must report it, and a part of the message."""

    make: Callable[[], bytes]
    check: str
    sentence: str = ""
    filename: str = WHEEL


# --- compiled code -----------------------------------------------------------------------------------


def pe_with_shared_tables(tables: int = 255, symbols: int = 19_999) -> bytes:
    """Return a DLL whose import descriptors all name the same table of symbols."""
    base, table_at = 0x1000, 8192
    body = bytearray()
    for _ in range(tables):
        body += struct.pack("<5I", base + table_at, 0, 0, base + 20 * (tables + 1), base + table_at)
    body += bytes(20) + b"python3.dll\0"
    body = body.ljust(table_at, b"\0")
    name = base + table_at + 8 * (symbols + 1)
    body += struct.pack("<Q", name) * symbols + bytes(8) + b"\0\0PyList_New\0"
    optional = bytearray(240)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<I", optional, 108, 16)
    struct.pack_into("<II", optional, 120, base, 20 * (tables + 1))
    head = b"MZ" + bytes(58) + struct.pack("<I", 0x40)
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x2022) + optional
    head += struct.pack("<8sIIIIIIHHI", b".rdata", len(body), base, len(body), 0x400, 0, 0, 0, 0, 0)
    return bytes(head.ljust(0x400, b"\0") + body)


def macho_with_long_names(symbols: int = 500_000, alike: bool = True) -> bytes:
    """Return a library whose symbol names overlap: each is a different part of one long string."""
    names = b"\0" + (b"_Py" * 60_000 if alike else b"".join(b"_Py%06d" % n for n in range(60_000)))
    table = 4096
    strings = table + 16 * symbols
    commands = struct.pack("<6I", 2, 24, table, symbols, strings, len(names))
    commands += struct.pack("<20I", 0xB, 80, 0, 0, 0, 0, 0, symbols, *[0] * 12)
    head = struct.pack("<IiiIIIII", 0xFEEDFACF, 0x0100000C, 0, 6, 2, len(commands), 0, 0)
    step = 3 if alike else 9
    rows = b"".join(struct.pack("<IBBHQ", 1 + step * (n % 55_000), 0, 0, 0xFE00, 0) for n in range(symbols))
    return (head + commands).ljust(table, b"\0") + rows + names


def fat_with_one_slice_many_times(count: int = 42, size: int = 20 << 20) -> bytes:
    row = struct.pack(">iiIII", 0x0100000C, 0, 4096, size - 4096, 14)
    head = struct.pack(">II", 0xCAFEBABE, count) + row * count
    return (head.ljust(4096, b"\0") + binaries.macho()).ljust(size, b"\0")


def macho_of_commands(count: int = 4096) -> bytes:
    """Return a library whose load commands each name a different search path."""
    body = b"".join(
        struct.pack("<3I", 0x8000001C, 1040, 12) + (b"%05d" % n).ljust(1028, b"x") for n in range(count)
    )
    head = struct.pack("<IiiIIIII", 0xFEEDFACF, 0x0100000C, 0, 6, count, len(body), 0, 0)
    return head + body


def elf_with_long_names(symbols: int = 300_000) -> bytes:
    """Return a library whose symbol names each begin inside another name."""
    data = bytearray(binaries.elf(undefined=[f"Py{n:05}_{'x' * 240}" for n in range(1000)], sections=False))
    at = data.index(struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0), 0x400)
    rows = [struct.unpack_from("<I", data, at + 24 * (1 + n))[0] for n in range(1000)]
    table = len(data)
    more = b"".join(struct.pack("<IBBHQQ", rows[n % 1000], 0x10, 0, 0, 0, 0) for n in range(symbols))
    dynamic = data.index(struct.pack("<QQ", 6, 0x1000 + at))
    struct.pack_into("<QQ", data, dynamic, 6, 0x1000 + table)
    hashes = data.index(struct.pack("<Q", 4), dynamic)
    (place,) = struct.unpack_from("<Q", data, hashes + 8)
    struct.pack_into("<2I", data, place - 0x1000, 1, symbols)
    data += more
    for index in range(struct.unpack_from("<H", data, 56)[0]):
        header = 64 + 56 * index
        if struct.unpack_from("<I", data, header)[0] == 1:
            struct.pack_into("<QQ", data, header + 32, len(data), len(data))
    return bytes(data)


def elf_with_versions_in_a_ring() -> bytes:
    """Return a library whose records of needed versions overlap, each one byte after the previous."""
    data = bytearray(binaries.elf(versions={"libc.so.6": ["GLIBC_2.17"] * 400}))
    at = data.index(struct.pack("<2H", 1, 400))
    for number in range(400):
        struct.pack_into("<I", data, at + 16 + 16 * number + 12, 1)
    return bytes(data)


def elf_of_sections(count: int = 20_000) -> bytes:
    data = bytearray(binaries.elf(sections=False))
    table = len(data)
    data += struct.pack("<2I4Q2I2Q", 1, 1, 0, 0, 0, 8, 0, 0, 0, 0) * count
    struct.pack_into("<Q", data, 40, table)
    struct.pack_into("<3H", data, 58, 64, count, 0)
    return bytes(data)


def macho_with_a_trie_in_a_ring() -> bytes:
    """Return a module each node of whose export trie leads to the first one by 255 ways."""
    data = binaries.macho(defined=[f"PyInit_{number:0200}" for number in range(255)], trie="command")
    (at,) = struct.unpack_from("<I", data, data.index(struct.pack("<2I", 0x80000033, 16)) + 8)
    edges = b"".join(b"_Py%03d\0\0" % number for number in range(255))
    ring = b"\0\xff" + edges
    return data[:at] + ring + data[at + len(ring) :]


def elf_with_one_chain_of_hashes(symbols: int = 200_000) -> bytes:
    """Return a module whose symbols all have the hash of its function, and other names."""
    wanted = binaries.gnu_hash_of("PyInit_x0") & ~1
    names = [f"y{number}" for number in range(symbols)]
    data = bytearray(binaries.elf(defined=names, gnu_hash=True, sections=False))
    hashes = b"".join(struct.pack("<I", binaries.gnu_hash_of(name) & ~1) for name in names[:-1])
    at = data.index(hashes[:400])
    data[at : at + len(hashes)] = struct.pack("<I", wanted) * (symbols - 1)
    return bytes(data)


def module_with_many_dependencies(number: int, count: int = 1200) -> bytes:
    """Return a module that needs many others of the wheel and searches them in many directories."""
    return binaries.elf(
        needed=[f"x{(number + n) % count}.so" for n in range(250)],
        runpath=":".join(["$ORIGIN", *(f"$ORIGIN/{number % 50}/{n}" for n in range(63))]),
        defined=(f"PyInit_x{number}",),
    )


def wheel_of_libraries(count: int, make: Callable[[int], bytes], tag: str) -> bytes:
    return wheel_bytes(tag=tag, files={f"dipy/x{number}.so": make(number) for number in range(count)})


def library_with_many_dependencies(number: int) -> bytes:
    """Return a library that needs many others, in many directories."""
    return binaries.elf(
        needed=[f"lib{number}-{n}.so" for n in range(250)],
        runpath=":".join(f"$ORIGIN/{number % 7}/{n}" for n in range(70)),
    )


# --- archives ----------------------------------------------------------------------------------------


def extra_fields(members: int = 200, fields: int = 16_000) -> bytes:
    extra = b"".join(struct.pack("<HH", 0x1000 + n, 0) for n in range(fields))
    return raw_zip(
        [*raw_members(), *(RawMember(b"dipy/%d" % n, b"", both={"extra": extra}) for n in range(members))]
    )


def members_with_faults(members: int = 65_000) -> bytes:
    """Return a wheel whose members have four faults each."""
    wrong = {"crc": 7, "disk": 9, "comment": b"x"}
    return raw_zip([RawMember(b"dipy/%d\xff" % n, b"", flags=8, central=wrong) for n in range(members)])


def _deep_paths(count: int = 6_000) -> Iterator[bytes]:
    """Yield the paths of files, each in 140 directories that no other file is in."""
    return (b"dipy-1.11.0/%05d/" % number + b"a/" * 139 + b"x" for number in range(count))


def _tar_of_empty_files(names: Iterable[bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as packed:
        info = tarfile.TarInfo("dipy-1.11.0/PKG-INFO")
        info.size = len(_META)
        packed.addfile(info, io.BytesIO(_META.encode()))
        for name in names:
            packed.addfile(tarfile.TarInfo(name.decode()))
    return stream.getvalue()


def nested_paths(count: int = 5000) -> bytes:
    """Return a wheel with paths of different lengths, each the prefix of the next."""
    names = (b"%05d" % n + b"/a" * (n // 2) for n in range(10, count))
    return raw_zip([*raw_members(), *(RawMember(name, b"", method=0) for name in names)])


def bytecode(count: int = 60_000) -> bytes:
    return raw_zip([*raw_members(), *(RawMember(b"dipy/%d.pyc" % n, b"", method=0) for n in range(count))])


def wheel_with_record(rows: int, row: str = "x,,\n") -> bytes:
    return wheel_bytes(record=row * rows)


# --- metadata ----------------------------------------------------------------------------------------


def wheel_with_headers(headers: Sequence[str], body: str = "x") -> bytes:
    head = _META.partition("\n\n")[0]
    return wheel_bytes(metadata=head + "\n" + "".join(f"{line}\n" for line in headers) + "\n" + body)


def _requirements(count: int) -> list[str]:
    marker = "python_version>'3' or os_name=='x'"
    return [f"Requires-Dist: x{number}[a,b]>=1,<2; {marker}" for number in range(count)]


def wheel_with_entry_points(text: str) -> bytes:
    return wheel_bytes(files={"dipy-1.11.0.dist-info/entry_points.txt": text.encode()})


def encryption_marks(size: int = 5 << 20, count: int = 12) -> bytes:
    text = b"__" + b"pyarmor_"
    return wheel_bytes(files={f"dipy/{n}.py": text * (size // len(text) - 1) for n in range(count)})


def _named(tag: str) -> str:
    return f"dipy-1.11.0-{tag}.whl"


def _native(make: Callable[[], bytes], check: str, sentence: str, tag: str, count: int = 1) -> Attack:
    def wheel() -> bytes:
        data = make()
        return wheel_of_libraries(count, lambda number: data + b"%d" % number, tag)

    return Attack(wheel, check, sentence, _named(tag))


ATTACKS: Mapping[str, Attack] = {
    "a PE with the same import table 255 times": _native(
        pe_with_shared_tables, "native/not-native", "import tables overlap", _WINDOWS
    ),
    "Mach-O files with overlapping names": _native(macho_with_long_names, OVER_BUDGET, "", _MACOS, 4),
    "Mach-O files with long names": _native(
        lambda: macho_with_long_names(480_000, alike=False), OVER_BUDGET, "", _MACOS, 4
    ),
    "a fat file with the same slice 42 times": _native(
        fat_with_one_slice_many_times, "native/not-native", "slices overlap", _MACOS
    ),
    "Mach-O files with many search paths": Attack(
        lambda: wheel_of_libraries(15, lambda _: macho_of_commands(), _MACOS), "", "", _named(_MACOS)
    ),
    "ELF files with long names": _native(elf_with_long_names, OVER_BUDGET, "", _LINUX, 5),
    "an ELF with overlapping versions": _native(
        elf_with_versions_in_a_ring, "native/not-native", "overlap", _LINUX
    ),
    "ELF files with many sections": Attack(
        lambda: wheel_of_libraries(40, lambda _: elf_of_sections(), _LINUX),
        OVER_BUDGET,
        "sections",
        _named(_LINUX),
    ),
    "ELF files that need many libraries": Attack(
        lambda: wheel_of_libraries(3000, library_with_many_dependencies, _LINUX),
        OVER_BUDGET,
        "",
        _named(_LINUX),
    ),
    "an export trie in a ring": _native(macho_with_a_trie_in_a_ring, OVER_BUDGET, "", _MACOS, 20),
    "ELF modules with one chain of hashes": _native(
        elf_with_one_chain_of_hashes, OVER_BUDGET, "", _LINUX, 25
    ),
    "modules that need each other": Attack(
        lambda: wheel_of_libraries(1200, module_with_many_dependencies, _LINUX),
        OVER_BUDGET,
        "",
        _named(_LINUX),
    ),
    "extra fields": Attack(extra_fields, OVER_BUDGET, "extra fields"),
    "faulty members": Attack(members_with_faults, OVER_BUDGET, "remarks"),
    "nested paths": Attack(nested_paths, "record/unlisted-file"),
    "millions of directories": Attack(
        lambda: raw_zip([*raw_members(), *(RawMember(name, b"", method=0) for name in _deep_paths())]),
        OVER_BUDGET,
        "memory",
    ),
    "millions of directories of an sdist": Attack(
        lambda: _tar_of_empty_files(_deep_paths()), OVER_BUDGET, "memory", SDIST
    ),
    "bytecode": Attack(bytecode, "content/bytecode"),
    "a RECORD with 4 million rows": Attack(lambda: wheel_with_record(4_000_000), OVER_BUDGET, "rows"),
    "a RECORD with odd line ends": Attack(
        lambda: wheel_with_record(4_000_000, "x,,\x0b"), OVER_BUDGET, "rows"
    ),
    "a RECORD with 120,000 rows": Attack(
        lambda: wheel_with_record(1, "".join(f"x{n},sha256=x,1\n" for n in range(120_000))),
        "record/malformed",
    ),
    "20,000 requirements": Attack(
        lambda: wheel_with_headers(_requirements(19_900)), "metadata/invalid", "512 KiB"
    ),
    "8,000 requirements": Attack(lambda: wheel_with_headers(_requirements(8000)), ""),
    "requirements with long markers": Attack(
        lambda: wheel_with_headers(["Requires-Dist: x; " + " or ".join(["os_name=='x'"] * 1150)] * 100), ""
    ),
    "requirements with many extras": Attack(
        lambda: wheel_with_headers(["Requires-Dist: x[" + ",".join(["a"] * 8000) + "]"] * 100), ""
    ),
    "requirements with many versions": Attack(
        lambda: wheel_with_headers(["Requires-Dist: x" + ",".join([">=1"] * 4000)] * 100), ""
    ),
    "requirements with many brackets": Attack(
        lambda: wheel_with_headers(["Requires-Dist: x; " + "(" * 16_000] * 100), ""
    ),
    "classifiers": Attack(lambda: wheel_with_headers([f"Classifier: a :: {n}" for n in range(19_900)]), ""),
    "a licence expression with many terms": Attack(
        lambda: wheel_with_headers(["License-Expression: " + "MIT OR " * 2000 + "MIT"]), ""
    ),
    "a licence expression with many brackets": Attack(
        lambda: wheel_with_headers(["License-Expression: " + "(" * 8000 + "MIT" + ")" * 8000]), ""
    ),
    "folded headers": Attack(lambda: wheel_with_headers(["Keywords: a" + "\n b" * 19_000]), ""),
    "project URLs": Attack(
        lambda: wheel_with_headers([f"Project-URL: {n}, https://example.org/{n}" for n in range(19_900)]), ""
    ),
    "licence files": Attack(lambda: wheel_with_headers([f"License-File: {n}" for n in range(19_900)]), ""),
    "a licence of 2 MB": Attack(lambda: wheel_with_headers(["License: " + "a b " * 500_000]), ""),
    "a description of 2 MB": Attack(lambda: wheel_with_headers([], "a *b* `c`\n" * 190_000), ""),
    "entry points with many blanks": Attack(
        lambda: wheel_with_entry_points("[console_scripts]\na" + " " * 60_000 + "b\n"),
        "wheel/bad-entry-points",
        "1000",
    ),
    "entry points with some blanks": Attack(
        lambda: wheel_with_entry_points("[console_scripts]\n" + ("a" + " " * 990 + "b\n") * 64),
        "wheel/bad-entry-points",
    ),
    "entry points with many sections": Attack(
        lambda: wheel_with_entry_points("".join(f"[{n}]\n" for n in range(8000))), ""
    ),
    "entry points with many lines": Attack(
        lambda: wheel_with_entry_points("[console_scripts]\n" + "".join(f"a{n}=b\n" for n in range(7000))), ""
    ),
    "marks of encryption": Attack(encryption_marks, ""),
}

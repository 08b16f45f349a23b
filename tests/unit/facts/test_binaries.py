"""Facts read from ELF, Mach-O and PE files, built by hand or by a compiler."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools.testing.binaries import (
    DSYM,
    DYLIB,
    ELF_MACHINES,
    EXECUTE,
    OBJECT,
    PE_MACHINES,
    elf,
    fat,
    macho,
    pe,
)
from tools.testing.reference_parsers import assert_same_facts
from wheel_uploader.core.models import BinaryFacts, BinaryFormat, BinaryKind, BinarySlice
from wheel_uploader.facts.binaries import detect


def read(data: bytes, member: str = "pkg/x.so", *, symbols: bool = True) -> BinaryFacts:
    facts = detect.read_binary(member, data, symbols=symbols)
    assert facts is not None
    return facts


def read_single_slice(data: bytes, member: str = "pkg/x.so") -> BinarySlice:
    """Return the only slice of a good file, after comparing it with another parser's."""
    facts = read(data, member)
    assert not facts.problem
    assert not facts.unread_reason
    assert_same_facts(facts, data)
    (part,) = facts.slices
    return part


# --- ELF -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ELF_MACHINES)
def test_reads_elf_files_of_any_class_and_byte_order(arch: str) -> None:
    part = read_single_slice(
        elf(
            arch,
            needed=("libm.so.6", "libc.so.6"),
            soname="libx.so.1",
            runpath="$ORIGIN/../x.libs:/opt/lib",
            versions={"libc.so.6": ("GLIBC_2.17", "GLIBC_2.34"), "libm.so.6": ("GLIBC_2.29",)},
            undefined=("PyList_New", "_Py_Dealloc", "malloc"),
            weak=("PyWeak_Maybe",),
            defined=("PyInit_x", "PyOwn_Thing", "other"),
        )
    )
    assert part == BinarySlice(
        arch=arch,
        kind=BinaryKind.LIBRARY,
        needed_libraries=("libm.so.6", "libc.so.6"),
        library_name="libx.so.1",
        rpaths=("$ORIGIN/../x.libs", "/opt/lib"),
        has_runpath=True,
        symbol_versions=(
            ("libc.so.6", "GLIBC_2.17"),
            ("libc.so.6", "GLIBC_2.34"),
            ("libm.so.6", "GLIBC_2.29"),
        ),
        python_imports=("PyList_New", "_Py_Dealloc"),
        python_exports=("PyOwn_Thing",),
        module_functions=("PyInit_x",),
    )


def test_runpath_takes_precedence_over_rpath() -> None:
    assert read_single_slice(elf(rpath="/old")).rpaths == ("/old",)
    assert read_single_slice(elf(rpath="/old", runpath="/new")).rpaths == ("/new",)


@pytest.mark.parametrize("gnu_hash", [False, True])
def test_finds_symbols_without_sections(gnu_hash: bool) -> None:
    # The loader does not need sections, so they may be stripped.
    data = elf(undefined=("PyList_New",), sections=False, gnu_hash=gnu_hash)
    assert read(data).slices[0].python_imports == ("PyList_New",)


def test_reads_symbols_only_on_request() -> None:
    assert read(elf(undefined=("PyList_New",)), symbols=False).slices[0].python_imports == ()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (elf(kind=1, sections=False), BinaryKind.OBJECT),
        (elf(kind=2), BinaryKind.EXECUTABLE),
        (elf(kind=3), BinaryKind.LIBRARY),
        (elf(kind=3, pie=True, interpreter="/lib64/ld-linux-x86-64.so.2"), BinaryKind.EXECUTABLE),
        (elf(kind=3, interpreter="/lib64/ld-linux-x86-64.so.2"), BinaryKind.LIBRARY),
    ],
)
def test_recognizes_the_kinds_of_elf_files(data: bytes, kind: BinaryKind) -> None:
    assert read(data).slices[0].kind is kind


def test_reads_the_interpreter_and_the_isa_level() -> None:
    assert (
        read_single_slice(elf(interpreter="/lib/ld-musl-x86_64.so.1")).interpreter
        == "/lib/ld-musl-x86_64.so.1"
    )
    levels = {bits: read_single_slice(elf(isa=bits)).isa_level for bits in (1, 3, 7, 15)}
    assert levels == {1: "", 3: "x86-64-v2", 7: "x86-64-v3", 15: "x86-64-v4"}
    assert read_single_slice(elf("aarch64", isa=3)).isa_level == ""


def test_detects_debug_sections() -> None:
    assert read_single_slice(elf(debug=True)).has_debug_info
    assert not read_single_slice(elf()).has_debug_info


def test_describes_processors_without_a_name() -> None:
    data = bytearray(elf())
    data[18] = 224  # an AMD graphics card
    assert read(bytes(data)).slices[0].arch == "ELF machine 224"
    data = bytearray(elf("i686"))
    data[18] = 62
    assert read(bytes(data)).slices[0].arch == "x32"


def test_reports_a_truncated_elf_file() -> None:
    assert "truncated" in read(elf()[:-1]).problem
    assert "truncated" in read(elf(sections=False)[:-1]).problem
    assert read(elf()[:20]).problem


@pytest.mark.parametrize(
    ("at", "value", "word"),
    [
        (4, 9, "class"),
        (16, 9, "type"),
        (54, 9, "program headers"),
        (58, 9, "section headers"),
        (57, 9, "program"),
    ],
)
def test_reports_invalid_elf_headers(at: int, value: int, word: str) -> None:
    data = bytearray(elf())
    data[at] = value
    assert word in read(bytes(data)).problem


def test_reads_the_output_of_a_compiler(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler for ELF")
    source = tmp_path / "x.c"
    source.write_text(
        "#include <math.h>\nextern void *PyList_New(long);\n"
        "extern void PyWeak_X(void) __attribute__((weak));\n"
        "double f(double x) { PyList_New(1); if (PyWeak_X) PyWeak_X(); return exp(x); }\n"
    )
    out = tmp_path / "x.so"
    options = ["-g", "-Wl,-soname,libx.so.3", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../x.libs"]
    command = [
        compiler,
        "-shared",
        "-fPIC",
        *options,
        "-o",
        str(out),
        str(source),
        "-Wl,--no-as-needed",
        "-lm",
    ]
    subprocess.run(command, check=True, timeout=60)
    part = read_single_slice(out.read_bytes())
    assert part.library_name == "libx.so.3"
    assert part.rpaths == ("$ORIGIN/../x.libs",)
    assert any(library.startswith(("libm.", "libc.")) for library in part.needed_libraries)
    assert part.python_imports == ("PyList_New",)
    assert part.has_debug_info
    main = tmp_path / "main.c"
    main.write_text("int main(void) { return 0; }\n")
    subprocess.run([compiler, "-o", str(tmp_path / "main"), str(main)], check=True, timeout=60)
    program = read_single_slice((tmp_path / "main").read_bytes(), "x.data/scripts/main")
    assert program.kind is BinaryKind.EXECUTABLE
    assert program.interpreter


def test_reads_the_extension_modules_of_this_python() -> None:
    """Two parsers agree on real files of this machine."""
    folder = Path(sysconfig.get_path("platlib"))
    paths = [path for suffix in ("so", "pyd", "exe") for path in sorted(folder.rglob(f"*.{suffix}"))][:60]
    assert paths
    for path in paths:
        data = path.read_bytes()
        facts = detect.read_binary(path.as_posix(), data, symbols=True)
        assert facts is not None
        assert not facts.problem
        assert_same_facts(facts, data)


@pytest.mark.parametrize(
    ("arch", "sections", "gnu_hash"),
    [
        *(("x86_64", sections, gnu_hash) for sections in (False, True) for gnu_hash in (False, True)),
        *(("i686", False, gnu_hash) for gnu_hash in (False, True)),
        # Its older hash tables have longer words.
        *(("s390x", True, False), ("s390x", False, True)),
    ],
)
def test_finds_the_functions_of_an_elf_module(arch: str, sections: bool, gnu_hash: bool) -> None:
    def read_functions(*defined: str) -> tuple[str, ...] | None:
        data = elf(arch, undefined=("PyInit_u",), defined=defined, sections=sections, gnu_hash=gnu_hash)
        return read(data, "pkg/x.abi3.so", symbols=False).slices[0].module_functions

    many = [f"a{number}" for number in range(40)]
    assert read_functions(*many, "PyInit_x", "PyInit_y") == ("PyInit_x",)
    assert read_functions("PyModExport_x", *many, "PyInit_x") == ("PyInit_x", "PyModExport_x")
    assert read_functions(*many, "PyInit_u2") == (("PyInit_u2",) if sections or not gnu_hash else ())
    assert read_functions(*many) == ()


@pytest.mark.parametrize(
    ("member", "function"),
    [
        ("pkg/y.cpython-312-x86_64-linux-gnu.so", "PyInit_y"),
        ("y.so", "PyInit_y"),
        ("pkg/sub/__init__.abi3.so", "PyInit_sub"),
        ("pkg/liby.so", ""),
        ("pkg/liby.abi3.so", "PyInit_liby"),
        ("pkg/y.so.1", ""),
        ("pkg/y-1.so", ""),
        ("pkg/y.dylib", ""),
        (f"pkg/{'y' * 2000}.so", ""),
    ],
)
def test_looks_for_the_function_of_the_file_name(member: str, function: str) -> None:
    data = elf(defined=(function or "PyInit_y",), gnu_hash=True)
    assert read(data, member).slices[0].module_functions == ((function,) if function else ())


def test_reads_the_stack_that_a_library_asks_for() -> None:
    for arch in ("x86_64", "i686", "s390x"):
        parts = [read_single_slice(elf(arch, stack=flags)) for flags in (6, 7, None)]
        assert [part.executable_stack for part in parts] == [False, True, False]
        assert [part.unspecified_stack for part in parts] == [False, False, True]


def test_reads_a_module_and_a_stack_of_a_compiler(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler for ELF")
    source, out = tmp_path / "x.c", tmp_path / "x.so"
    source.write_text("".join(f"int f{number}(void) {{ return 0; }}\n" for number in range(300)))
    with source.open("a") as file:
        file.write("void *PyInit_x(void) { return 0; }\n")
    for hashes in ("gnu", "sysv", "both"):
        for stack in ("noexecstack", "execstack"):
            options = [f"-Wl,--hash-style={hashes}", "-Wl,-z," + stack]
            subprocess.run(
                [compiler, "-shared", "-fPIC", *options, "-o", str(out), str(source)], check=True, timeout=60
            )
            part = read_single_slice(out.read_bytes(), "pkg/x.so")
            assert part.module_functions == ("PyInit_x",)
            assert part.executable_stack is (stack == "execstack")
            assert not part.unspecified_stack
            assert read(out.read_bytes(), "pkg/y.so").slices[0].module_functions == ("PyInit_x",)


# --- Mach-O ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("trie", ["", "info", "command"])
def test_finds_the_functions_of_a_mach_o_module(trie: str) -> None:
    def read_functions(*defined: str) -> tuple[str, ...] | None:
        return read(macho(defined=defined, trie=trie)).slices[0].module_functions

    assert read_functions("PyInit_x") == ("PyInit_x",)
    assert read_functions("other", "PyInit_x", "PyInit_y", "PyModExport_x") == ("PyInit_x", "PyModExport_x")
    assert read_functions("PyInit_xy", "PyInit_y") == ("PyInit_xy", "PyInit_y")
    assert read_functions("other", "Py_Other") == ()
    assert read_functions() == ()


def test_reads_whether_code_is_signed() -> None:
    assert read_single_slice(macho()).has_code_signature
    assert not read_single_slice(macho(signed=False)).has_code_signature


@pytest.mark.parametrize("arch", ["arm64", "x86_64", "i386"])
@pytest.mark.parametrize("old", [False, True])
def test_reads_a_mach_o_file(arch: str, old: bool) -> None:
    part = read_single_slice(
        macho(
            arch,
            kind=DYLIB,
            needed=("@rpath/liba.dylib", "/usr/lib/libSystem.B.dylib"),
            weak=("/opt/libmaybe.dylib",),
            name="@rpath/libx.dylib",
            rpaths=("@loader_path/.dylibs", "/usr/lib/swift"),
            minos=(12, 3),
            old_minos=old,
            undefined=("PyList_New", "malloc"),
            weak_undefined=("PyWeak_Maybe",),
        )
    )
    assert part == BinarySlice(
        arch=arch,
        kind=BinaryKind.LIBRARY,
        needed_libraries=("@rpath/liba.dylib", "/usr/lib/libSystem.B.dylib"),
        library_name="@rpath/libx.dylib",
        rpaths=("@loader_path/.dylibs", "/usr/lib/swift"),
        min_macos=(12, 3),
        python_imports=("PyList_New",),
        has_code_signature=True,
    )


@pytest.mark.parametrize("wide", [False, True])
def test_reads_each_slice_of_a_universal_file(wide: bool) -> None:
    data = fat(("x86_64", macho("x86_64", minos=(10, 9))), ("arm64", macho("arm64")), wide=wide)
    facts = read(data)
    if not wide:  # macholib reads only the 32-bit form
        assert_same_facts(facts, data)
    assert [(part.arch, part.min_macos) for part in facts.slices] == [("x86_64", (10, 9)), ("arm64", (11, 0))]


def test_recognizes_the_kinds_of_mach_o_files_and_debug_information() -> None:
    assert read_single_slice(macho(kind=EXECUTE)).kind is BinaryKind.EXECUTABLE
    assert read_single_slice(macho(kind=DSYM, debug=True)).kind is BinaryKind.OBJECT
    assert read_single_slice(macho(kind=OBJECT, debug=True)).has_debug_info is False
    assert read_single_slice(macho(debug=True)).has_debug_info
    assert read_single_slice(macho(minos=None)).min_macos is None


def test_selects_python_symbols_by_their_library() -> None:
    data = macho(
        needed=("/usr/lib/libSystem.B.dylib", "@rpath/libpython3.12.dylib"),
        weak=("@rpath/libshiboken6.dylib",),
        undefined_of={
            0xFE: ("PyList_New",),
            0xFF: ("PyDict_New",),
            2: ("PySet_New",),
            3: ("PyFromShiboken_X",),
            9: ("PyFrom_Nowhere",),
        },
    )
    assert read_single_slice(data).python_imports == ("PyList_New", "PyDict_New", "PySet_New")


def test_a_java_class_is_not_a_universal_file() -> None:
    assert detect.read_binary("pkg/X.class", b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 100) is None


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (macho()[:-1], "truncated"),
        (macho()[:40], "a part of it ends"),
        (fat(("arm64", macho()))[:4200], "a part of it ends"),
        (fat(("arm64", b"\0" * 40)), "not Mach-O"),
        (macho()[:16] + b"\xff\xff\0\0" + macho()[20:], "65535 load commands"),
        (macho()[:36] + b"\4\0\0\0" + macho()[40:], "have invalid sizes"),
    ],
)
def test_reports_a_damaged_mach_o_file(data: bytes, word: str) -> None:
    assert word in read(data).problem


# --- PE --------------------------------------------------------------------------------------------


def test_finds_the_functions_of_a_pe_module() -> None:
    def read_functions(*exports: str) -> tuple[str, ...] | None:
        return read(pe(exports=exports), "pkg/x.pyd").slices[0].module_functions

    assert read_functions("PyInit_x") == ("PyInit_x",)
    assert read_functions("a", "PyInit_x", "PyModExport_x", "PyInit_y", "z") == ("PyInit_x", "PyModExport_x")
    assert read_functions(*(f"PyInit_y{number}" for number in range(50))) == tuple(
        sorted(f"PyInit_y{number}" for number in range(50))[:20]
    )
    assert read_functions("a", "Py_Other") == read_functions() == ()
    damaged = pe(exports=("PyInit_x",)).replace(
        struct.pack("<3I", 1, 1, 1), struct.pack("<3I", 1, 1, 1 << 31)
    )
    facts = read(damaged, "pkg/x.pyd")
    assert not facts.problem
    assert facts.slices[0].module_functions is None


@pytest.mark.parametrize("arch", PE_MACHINES)
def test_reads_a_pe_file(arch: str) -> None:
    data = pe(
        arch,
        needed=("KERNEL32.dll",),
        delayed=("later.dll",),
        symbols={"python3.dll": ("PyList_New", "Py_IncRef"), "OTHER.dll": ("PyNot_Python",)},
    )
    assert read_single_slice(data, "pkg/x.pyd") == BinarySlice(
        arch=arch,
        kind=BinaryKind.LIBRARY,
        needed_libraries=("KERNEL32.dll", "python3.dll", "OTHER.dll", "later.dll"),
        python_imports=("PyList_New", "Py_IncRef"),
    )


def test_reads_delay_loaded_libraries_of_old_compilers() -> None:
    assert (
        read_single_slice(pe("x86", delayed=("later.dll",), old_delay=True), "x.dll").needed_libraries[-1]
        == "later.dll"
    )


def test_recognizes_the_kinds_of_pe_files_and_debug_information() -> None:
    assert read_single_slice(pe(dll=False), "x.exe").kind is BinaryKind.EXECUTABLE
    assert read(pe(managed=True), "x.dll").slices[0].kind is BinaryKind.MANAGED
    assert read(pe(debug=True), "x.dll").slices[0].has_debug_info
    assert not read(pe(), "x.dll").slices[0].has_debug_info
    assert read(pe().replace(b"\x64\x86", b"\x99\x99", 1), "x.dll").slices[0].arch == "PE machine 0x9999"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (pe()[:-1], "truncated"),
        (b"MZ", "bytes"),
        (b"MZ" + b"\0" * 62, "no PE header"),
        (pe()[:0x46] + b"\xff\xff" + pe()[0x48:], "65535 sections"),
        (pe()[:0x58] + b"\x07\x01" + pe()[0x5A:], "optional header"),
        (pe()[: 0x58 + 120] + b"\0\0\0\x7f" + pe()[0x58 + 124 :], "address 0x7f000000"),
    ],
)
def test_reports_a_damaged_pe_file(data: bytes, word: str) -> None:
    assert word in read(data, "x.dll").problem


# --- files named like code that are not ------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "it is a Git LFS pointer, not the"),
        (b"libx.so.1\n", "it is text: 'libx.so.1'"),
        (b"\0" * 4096, "it begins with zeros"),
        (b"\x89PNG\r\n\x1a\n", "its first bytes are 89 50 4e 47"),
        (b"!<arch>\n\xff\xff", "its first bytes are 21 3c 61 72"),
    ],
)
def test_reports_a_file_that_is_code_only_by_its_name(data: bytes, problem: str) -> None:
    for name in ("x.so", "x.so.1.2", "X.DLL", "x.pyd", "x.dylib"):
        assert read(data, f"pkg/{name}").problem.startswith(problem)
    for name in ("x.py", "so", "x.so.py", "x.exe"):
        assert detect.read_binary(f"pkg/{name}", data) is None


def test_accepts_a_linker_script_named_so() -> None:
    assert detect.read_binary("libc.so", b"/* GNU ld script */\nGROUP ( libc.so.6 )") is None
    assert detect.read_binary("libx.so", b"INPUT(-ly)") is None


def test_a_webassembly_file_is_code_only_if_named_so() -> None:
    wasm = b"\0asm\1\0\0\0"
    assert read(wasm).format is BinaryFormat.WASM
    assert detect.read_binary("static/page.wasm", wasm) is None


def test_ignores_text_that_starts_like_a_program() -> None:
    assert detect.read_binary("notes.txt", b"MZ is how it begins" + b" " * 100) is None
    assert detect.read_binary("notes.txt", b"MZ") is None
    assert read(pe(dll=False), "launcher").format is BinaryFormat.PE


def test_reads_any_kind_of_buffer() -> None:
    data = elf()
    assert read(data) == detect.read_binary("pkg/x.so", memoryview(data), symbols=True)
    assert read(data) == detect.read_binary("pkg/x.so", bytearray(data), symbols=True)

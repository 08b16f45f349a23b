"""Native code against the tags: each fault is planted alone, and the same wheel without it is accepted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.zips import content
from tools.testing.binaries import BUNDLE, DYLIB, EXECUTE, elf, extension, fat, macho, pe
from tools.testing.wheels import METADATA, Parts, wheel_bytes, wheel_filename
from wheel_uploader.checks import native
from wheel_uploader.core.models import CheckProfile, Severity, WheelContent

CP312 = "cp312-cp312"
LINUX = f"{CP312}-manylinux_2_17_x86_64.manylinux2014_x86_64"
OLDEST = "manylinux_2_17_x86_64"
MUSL = f"{CP312}-musllinux_1_2_x86_64"
MAC = f"{CP312}-macosx_11_0_arm64"
UNIVERSAL = f"{CP312}-macosx_10_9_universal2"
WIN = f"{CP312}-win_amd64"
ANY = "py3-none-any"
SO = "dipy/x.cpython-312-x86_64-linux-gnu.so"
PYD = "dipy/x.cp312-win_amd64.pyd"
DARWIN = "dipy/x.cpython-312-darwin.so"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"

Files = Mapping[str, bytes]


def run_checks(tag: str, files: Files, requires: str = "", *, project: str = "dipy") -> dict[str, list[str]]:
    """Return the messages of every native check by its id; each begins with the member."""
    parts: Parts = {"files": files}
    if requires:
        text = METADATA.format(project="dipy", version="1.11.0")
        parts["metadata"] = text.replace("License: BSD\n", f"License: BSD\nRequires-Dist: {requires}\n")
    filename = wheel_filename(project.replace("-", "_"), "1.11.0", tag)
    wheel = content(wheel_bytes(tag=tag, **parts), filename)
    assert isinstance(wheel, WheelContent)
    messages: dict[str, list[str]] = {}
    for check in native.CHECKS:
        for finding in check.run(wheel, wheel.filename, CheckProfile.PYPI):
            messages.setdefault(check.id, []).append(f"{finding.member}: {finding.message}")
    return messages


def musl_elf(**options: object) -> bytes:
    return elf(**{"needed": ("libc.musl-x86_64.so.1",), **options})  # type: ignore[arg-type]


def bundled_library(name: str = "liba-1234.so.1") -> Files:
    """Return a library as auditwheel adds it to a wheel."""
    return {f"dipy.libs/{name}": elf(soname=name, defined=("a",))}


#: Name: check id, tag and files with the fault, and the tag or files that remove it.
FAULTS: dict[str, tuple[str, str, Files, str | Files]] = {
    "a module in a pure wheel": ("native/in-any-wheel", ANY, {"dipy/x.so": elf()}, {"dipy/x.py": b""}),
    "a DLL in a pure wheel": (
        "native/in-any-wheel",
        ANY,
        {"dipy/x.dll": pe()},
        {"dipy/x.dll": pe(managed=True)},
    ),
    "a dylib in a pure wheel": (
        "native/in-any-wheel",
        ANY,
        {"dipy/x.dylib": macho(kind=DYLIB)},
        {"dipy/x.txt": b"x"},
    ),
    "a library in the tests of a pure wheel": (
        "native/test-data-in-any-wheel",
        ANY,
        {"dipy/tests/data/x.cpython-312-x86_64-linux-gnu.so": elf(), "dipy/tests/cut.so": elf()[:80]},
        {"dipy/tests/data/x.txt": b"x"},
    ),
    "a library in a module called tests": (
        "native/in-any-wheel",
        ANY,
        {"dipy/tests.so": elf()},
        {"dipy/tests.py": b""},
    ),
    "libraries for two systems in a pure wheel": (
        "native/several-systems-in-any-wheel",
        ANY,
        {"dipy/attach.so": elf(), "dipy/attach.dll": pe()},
        {"dipy/attach.py": b""},
    ),
    "libraries for two processors in a pure wheel": (
        "native/several-systems-in-any-wheel",
        ANY,
        {"dipy/a32.dll": pe("x86"), "dipy/a64.dll": pe()},
        {"dipy/a.py": b""},
    ),
    "a universal library in a pure wheel": (
        "native/in-any-wheel",
        ANY,
        {"dipy/a.dylib": fat(("x86_64", macho("x86_64")))},
        {"dipy/a.py": b""},
    ),
    "a launcher in a pure wheel": (
        "native/program-in-any-wheel",
        ANY,
        {"dipy/t64.exe": pe(dll=False)},
        {"dipy/x.py": b""},
    ),
    "no code": ("native/none-in-platform-wheel", LINUX, {}, {SO: elf()}),
    "no code, but a static library": (
        "native/none-in-platform-wheel",
        LINUX,
        {"dipy/x.txt": b"!<arch"},
        {"dipy/libx.a": b"!<arch>\nrest"},
    ),
    "a Git LFS pointer": ("native/not-native", LINUX, {SO: LFS}, {SO: elf()}),
    "text named like a library": (
        "native/not-native",
        LINUX,
        {SO: elf(), "dipy.libs/libx.so": b"libx.so.1"},
        {SO: elf()},
    ),
    "a truncated module": ("native/not-native", LINUX, {SO: elf()[:-50]}, {SO: elf()}),
    "a truncated program": (
        "native/not-native",
        LINUX,
        {SO: elf(), "dipy-1.11.0.data/scripts/x": elf(kind=2)[:-50]},
        {SO: elf(), "dipy/testdata/x": elf(kind=2)[:-50]},
    ),
    "ELF for Windows": ("native/format-mismatch", WIN, {"dipy/x.pyd": elf(needed=())}, {PYD: pe()}),
    "Mach-O for Linux": ("native/format-mismatch", LINUX, {"dipy/x.so": macho()}, MAC),
    "ELF for macOS": ("native/format-mismatch", MAC, {"dipy/x.so": elf()}, LINUX),
    "PE for macOS": ("native/format-mismatch", MAC, {"dipy/x.dylib": pe()}, {"dipy/x.dylib": macho()}),
    "a program for Linux as a command on Windows": (
        "native/format-mismatch",
        WIN,
        {PYD: pe(), "dipy-1.11.0.data/scripts/x": elf(kind=2)},
        {PYD: pe(), "dipy-1.11.0.data/scripts/x.exe": pe(dll=False)},
    ),
    "libraries for macOS and for Windows": (
        "native/other-systems",
        "py3-none-macosx_11_0_arm64",
        {"dipy/libx.dylib": macho("arm64", kind=DYLIB), "dipy/x.dll": pe()},
        {"dipy/libx.dylib": macho("arm64", kind=DYLIB)},
    ),
    "a library for Windows without one for macOS": (
        "native/format-mismatch",
        "py3-none-macosx_11_0_arm64",
        {"dipy/x.dll": pe()},
        {"dipy/libx.dylib": macho("arm64", kind=DYLIB)},
    ),
    "a module for macOS and a library for Windows": (
        "native/format-mismatch",
        MAC,
        {DARWIN: macho(), "dipy/x.dll": pe()},
        {DARWIN: macho()},
    ),
    "aarch64 for x86_64": ("native/arch-mismatch", LINUX, {SO: elf("aarch64")}, {SO: elf()}),
    "i686 for x86_64": ("native/arch-mismatch", LINUX, {SO: elf("i686")}, {SO: elf()}),
    "ppc64 for ppc64le": (
        "native/arch-mismatch",
        f"{CP312}-manylinux_2_17_ppc64le",
        {"dipy/x.so": elf("ppc64")},
        {"dipy/x.so": elf("ppc64le")},
    ),
    "x86 for amd64": ("native/arch-mismatch", WIN, {PYD: pe("x86")}, {PYD: pe()}),
    "amd64 for arm64": (
        "native/arch-mismatch",
        f"{CP312}-win_arm64",
        {"dipy/x.pyd": pe()},
        {"dipy/x.pyd": pe("arm64")},
    ),
    "x86_64 for arm64": (
        "native/arch-mismatch",
        MAC,
        {DARWIN: macho("x86_64")},
        {DARWIN: fat(("x86_64", macho("x86_64")), ("arm64", macho()))},
    ),
    "one architecture of universal2": (
        "native/arch-mismatch",
        UNIVERSAL,
        {DARWIN: macho("x86_64", minos=(10, 9))},
        {DARWIN: fat(("x86_64", macho("x86_64", minos=(10, 9))), ("arm64", macho()))},
    ),
    "one architecture of two tags": (
        "native/arch-mismatch",
        "py3-none-win32.win_amd64",
        {"dipy/x64.dll": pe()},
        {"dipy/x64.dll": pe(), "dipy/x86.dll": pe("x86")},
    ),
    "macOS 12 for 11": ("native/macos-too-new", MAC, {DARWIN: macho(minos=(12, 0))}, {DARWIN: macho()}),
    "macOS 10.13 for 10.9": (
        "native/macos-too-new",
        f"{CP312}-macosx_10_9_x86_64",
        {DARWIN: macho("x86_64", minos=(10, 13))},
        {DARWIN: macho("x86_64", minos=(10, 9), old_minos=True)},
    ),
    "a library for macOS 15": (
        "native/macos-too-new",
        MAC,
        {
            DARWIN: macho(needed=("@loader_path/.dylibs/liba.dylib",)),
            "dipy/.dylibs/liba.dylib": macho(kind=DYLIB, minos=(15, 0)),
        },
        {
            DARWIN: macho(needed=("@loader_path/.dylibs/liba.dylib",)),
            "dipy/.dylibs/liba.dylib": macho(kind=DYLIB),
        },
    ),
    "a tag for macOS 15": (
        "native/tag-stricter-than-code",
        f"{CP312}-macosx_15_0_arm64",
        {DARWIN: macho(minos=(12, 6))},
        {DARWIN: macho(minos=(15, 0))},
    ),
    "a newer glibc": (
        "native/glibc-too-new",
        LINUX,
        {SO: elf(versions={"libc.so.6": ("GLIBC_2.34", "GLIBC_2.2.5")})},
        {SO: elf(versions={"libc.so.6": ("GLIBC_2.17", "GLIBC_2.2.5")})},
    ),
    "the older of two tags": (
        "native/glibc-too-new",
        f"{CP312}-manylinux_2_17_x86_64.manylinux_2_28_x86_64",
        {SO: elf(versions={"libc.so.6": ("GLIBC_2.28",)})},
        f"{CP312}-manylinux_2_28_x86_64",
    ),
    "a newer libstdc++": (
        "native/glibc-too-new",
        LINUX,
        {SO: elf(versions={"libstdc++.so.6": ("GLIBCXX_3.4.29",)})},
        {SO: elf(versions={"libstdc++.so.6": ("GLIBCXX_3.4.19",)})},
    ),
    "a newer libstdc++ that is not bundled": (
        "native/glibc-too-new",
        LINUX,
        {SO: elf(versions={"libstdc++-12.so.6": ("CXXABI_1.3.13",)})},
        {
            SO: elf(versions={"libstdc++-12.so.6": ("CXXABI_1.3.13",)}),
            "dipy.libs/libstdc++-12.so.6": elf(),
        },
    ),
    "glibc for musl": ("native/musl-vs-glibc", MUSL, {"dipy/x.so": elf()}, {"dipy/x.so": musl_elf()}),
    "a program for glibc for musl": (
        "native/musl-vs-glibc",
        MUSL,
        {"dipy/bin/x": elf(kind=2, needed=(), interpreter="/lib64/ld-linux-x86-64.so.2")},
        {"dipy/bin/x": musl_elf(kind=2, interpreter="/lib/ld-musl-x86_64.so.1")},
    ),
    "musl for glibc": ("native/musl-vs-glibc", LINUX, {SO: musl_elf()}, {SO: elf()}),
    "musl for glibc, from Rust": ("native/musl-vs-glibc", LINUX, {SO: elf(needed=("libc.so",))}, {SO: elf()}),
    "libpython": (
        "native/links-libpython",
        LINUX,
        {SO: elf(needed=("libpython3.12.so.1.0", "libc.so.6"))},
        {SO: elf()},
    ),
    "the Python framework": (
        "native/links-libpython",
        MAC,
        {DARWIN: macho(needed=("/Library/Frameworks/Python.framework/Versions/3.12/Python",))},
        {DARWIN: macho()},
    ),
    "libpython in the @rpath": (
        "native/links-libpython",
        MAC,
        {DARWIN: macho(needed=("@rpath/libpython3.12.dylib",))},
        {DARWIN: macho()},
    ),
    "the system's OpenSSL": (
        "native/missing-library",
        LINUX,
        {SO: elf(needed=("libssl.so.3",))},
        {SO: elf(needed=("libX11.so.6", "libstdc++.so.6"))},
    ),
    "a library that is missing": (
        "native/missing-library",
        LINUX,
        {SO: elf(needed=("liba-1234.so.1",), rpath="$ORIGIN/../dipy.libs")},
        {SO: elf(needed=("liba-1234.so.1",), rpath="$ORIGIN/../dipy.libs"), **bundled_library()},
    ),
    "a library outside the search path": (
        "native/missing-library",
        LINUX,
        {SO: elf(needed=("liba-1234.so.1",), runpath="$ORIGIN/lib"), "dipy.libs/liba-1234.so.1": elf()},
        {SO: elf(needed=("liba-1234.so.1",), runpath="${ORIGIN}/lib"), "dipy/lib/liba-1234.so.1": elf()},
    ),
    "a library by a path of the build machine": (
        "native/missing-library",
        LINUX,
        {SO: elf(needed=("/opt/lib/liba.so",))},
        {SO: elf(needed=("$ORIGIN/liba.so",)), "dipy/liba.so": elf()},
    ),
    "libgcc on musl": (
        "native/missing-library",
        MUSL,
        {"dipy/x.so": musl_elf(needed=("libgcc_s.so.1", "libc.so"))},
        {"dipy/x.so": musl_elf(needed=("libz.so.1", "libc.so"))},
    ),
    "Homebrew": (
        "native/missing-library",
        MAC,
        {DARWIN: macho(needed=("/opt/homebrew/opt/libomp/lib/libomp.dylib",))},
        {DARWIN: macho(needed=("/usr/lib/libc++.1.dylib",), weak=("/opt/homebrew/lib/libx.dylib",))},
    ),
    "an @rpath without the library": (
        "native/missing-library",
        MAC,
        {DARWIN: macho(needed=("@rpath/liba.dylib",), rpaths=("@loader_path/lib",))},
        {
            DARWIN: macho(needed=("@rpath/liba.dylib",), rpaths=("@loader_path/lib",)),
            "dipy/lib/liba.dylib": macho(kind=DYLIB, name="@rpath/liba.dylib"),
        },
    ),
    "an @rpath of the executable": (
        "native/missing-library",
        MAC,
        {
            DARWIN: macho(needed=("@rpath/liba.dylib",), rpaths=("@executable_path/../lib",)),
            "dipy/lib/liba.dylib": macho(kind=DYLIB),
        },
        {DARWIN: macho(needed=("@rpath/libswiftCore.dylib",), rpaths=("/usr/lib/swift",))},
    ),
    "a @loader_path without the library": (
        "native/missing-library",
        MAC,
        {DARWIN: macho(needed=("@loader_path/../liba.dylib",))},
        {DARWIN: macho(needed=("@loader_path/../liba.dylib",)), "liba.dylib": macho(kind=DYLIB)},
    ),
    "a plugin for software that is missing": (
        "native/plugin-missing-library",
        LINUX,
        {
            SO: elf(needed=("liba.so",), rpath="$ORIGIN"),
            "dipy/liba.so": elf(),
            "dipy/libplugin.so": elf(needed=("libsolver.so", "liba.so"), rpath="$ORIGIN"),
        },
        {SO: elf(), "dipy/libplugin.so": elf(needed=("liba.so",), rpath="$ORIGIN"), "dipy/liba.so": elf()},
    ),
    "a plugin on Windows for software that is missing": (
        "native/plugin-missing-library",
        WIN,
        {
            PYD: pe(needed=("a.dll",)),
            "dipy/a.dll": pe(),
            "dipy/plugin.dll": pe(needed=("solver.dll", "A.dll")),
        },
        {PYD: pe(needed=("a.dll",)), "dipy/a.dll": pe(), "dipy/plugin.dll": pe(needed=("A.dll",))},
    ),
    "a DLL that a module loads through another one": (
        "native/missing-library",
        WIN,
        {PYD: pe(needed=("A.dll",)), "dipy/libs/a.dll": pe(needed=("solver.dll",))},
        {PYD: pe(needed=("A.dll",)), "dipy/libs/a.dll": pe()},
    ),
    "a DLL of a wheel without modules": (
        "native/missing-library",
        "py3-none-win_amd64",
        {"dipy/a.dll": pe(needed=("solver.dll",))},
        {"dipy/a.dll": pe()},
    ),
    "a library that a module loads through another one": (
        "native/missing-library",
        LINUX,
        {
            SO: elf(needed=("liba.so",), rpath="$ORIGIN"),
            "dipy/liba.so": elf(needed=("libsolver.so",)),
        },
        {SO: elf(needed=("liba.so",), rpath="$ORIGIN"), "dipy/liba.so": elf()},
    ),
    "Microsoft's OpenMP": (
        "native/missing-library",
        WIN,
        {PYD: pe(needed=("KERNEL32.dll", "VCOMP140.DLL"))},
        {PYD: pe(needed=("KERNEL32.dll", "VCOMP140.DLL")), "dipy.libs/vcomp140.dll": pe()},
    ),
    "the debug C++ runtime": (
        "native/missing-library",
        WIN,
        {PYD: pe(needed=("MSVCP140D.dll",))},
        {PYD: pe(), "dipy.libs/msvcp140d.dll": pe()},
    ),
    "the C++ runtime": (
        "native/needs-visual-cpp",
        WIN,
        {PYD: pe(needed=("MSVCP140.dll",))},
        {PYD: pe(needed=("VCRUNTIME140.dll", "VCRUNTIME140_1.dll", "api-ms-win-crt-heap-l1-1-0.dll"))},
    ),
    "a delay-loaded DLL": (
        "native/missing-library",
        WIN,
        {PYD: pe(delayed=("vendor.dll",))},
        {PYD: pe(delayed=("nvcuda.dll", "dbghelp.dll"))},
    ),
    "a module for 3.13": (
        "native/python-tag-mismatch",
        LINUX,
        {"dipy/x.cpython-313-x86_64-linux-gnu.so": elf()},
        {SO: elf(), "dipy/y.abi3.so": elf(), "dipy/z.so": elf()},
    ),
    "a free-threaded module for an ordinary Python": (
        "native/python-tag-mismatch",
        "cp313-cp313-win_amd64",
        {"dipy/x.cp313t-win_amd64.pyd": pe()},
        "cp313-cp313t-win_amd64",
    ),
    "another Python's DLL": (
        "native/python-tag-mismatch",
        WIN,
        {"dipy/x.pyd": pe(needed=("python313.dll",))},
        {"dipy/x.pyd": pe(needed=("python312.dll", "python3.dll"))},
    ),
    "one Python's DLL for abi3": (
        "native/python-tag-mismatch",
        "cp39-abi3-win_amd64",
        {"dipy/x.pyd": pe(needed=("python312.dll",))},
        {"dipy/x.pyd": pe(needed=("python3.dll",))},
    ),
    "a debug Python's DLL": (
        "native/python-tag-mismatch",
        WIN,
        {"dipy/x.pyd": pe(needed=("python312_d.dll",))},
        {"dipy/x.pyd": pe(needed=("python312.dll",))},
    ),
    "a CPython module for PyPy": (
        "native/python-tag-mismatch",
        "pp311-pypy311_pp73-macosx_11_0_arm64",
        {"dipy/x.cpython-311-darwin.so": macho()},
        {"dipy/x.pypy311-pp73-darwin.so": macho()},
    ),
    "a module of one Python for all Pythons": (
        "native/python-tag-mismatch",
        "py3-none-win_amd64",
        {"dipy/x.cp312-win_amd64.pyd": pe()},
        {"dipy/x.cp312-win_amd64.pyd": pe(), "dipy/x.cp313-win_amd64.pyd": pe()},
    ),
    "a module of a later Python than the oldest one": (
        "native/python-tag-mismatch",
        "py312-none-win_amd64",
        {"dipy/x.cp313-win_amd64.pyd": pe()},
        {"dipy/x.cp312-win_amd64.pyd": pe()},
    ),
    "an old ABI flag": (
        "native/python-tag-mismatch",
        "cp37-cp37m-macosx_11_0_arm64",
        {"dipy/x.cpython-38-darwin.so": macho()},
        {"dipy/x.cpython-37m-darwin.so": macho()},
    ),
    "a symbol outside the stable ABI": (
        "native/abi3-violation",
        "cp39-abi3-manylinux_2_17_x86_64",
        {"dipy/x.abi3.so": elf(undefined=("PyList_New", "_PyList_Extend"))},
        {"dipy/x.abi3.so": elf(undefined=("PyList_New", "PySideways", "PyInit_y"), weak=("_PyList_Extend",))},
    ),
    "a newer symbol": (
        "native/abi3-violation",
        "cp39-abi3-macosx_11_0_arm64",
        {"dipy/x.abi3.so": macho(undefined=("PyObject_Vectorcall",))},
        "cp312-abi3-macosx_11_0_arm64",
    ),
    "a newer symbol in a DLL": (
        "native/abi3-violation",
        "cp38.cp312-abi3-win_amd64",
        {"dipy/x.pyd": pe(symbols={"python3.dll": ("PyType_GetName",)})},
        {"dipy/x.pyd": pe(symbols={"python3.dll": ("PyList_New",)})},
    ),
    "a module for another processor by its name": (
        "native/module-suffix",
        f"{CP312}-win_arm64",
        {PYD: pe("arm64")},
        {"dipy/x.cp312-win_arm64.pyd": pe("arm64")},
    ),
    "a module that exports another name": (
        "native/module-init",
        LINUX,
        {SO: elf(defined=("PyInit_other",))},
        {SO: elf(defined=("PyInit_x", "PyInit_other"))},
    ),
    "an executable stack": ("native/executable-stack", LINUX, {SO: elf(stack=7)}, {SO: elf(stack=6)}),
    "no header for the stack": ("native/executable-stack", LINUX, {SO: elf(stack=None)}, {SO: elf()}),
    "unsigned code for Apple silicon": (
        "native/unsigned",
        MAC,
        {DARWIN: macho(signed=False)},
        {DARWIN: fat(("x86_64", macho("x86_64", signed=False)), ("arm64", macho()))},
    ),
    "a search path of the build machine": (
        "native/build-rpath",
        LINUX,
        {SO: elf(rpath="$ORIGIN/../dipy.libs:/home/ann/dipy/build/lib")},
        {SO: elf(rpath="$ORIGIN/../dipy.libs:/usr/local/lib")},
    ),
    "a relative search path": (
        "native/build-rpath",
        MAC,
        {DARWIN: macho(rpaths=("lib",))},
        {DARWIN: macho(rpaths=("@loader_path/lib", "/usr/lib/swift"))},
    ),
    "a search path to the library itself": (
        "native/missing-library",
        LINUX,
        {
            SO: elf(needed=("liba-1234.so.1",), rpath="$ORIGIN/../dipy.libs/liba-1234.so.1"),
            **bundled_library(),
        },
        {SO: elf(needed=("liba-1234.so.1",), rpath="$ORIGIN/../dipy.libs"), **bundled_library()},
    ),
    "code for a newer processor": ("native/isa-too-new", LINUX, {SO: elf(isa=3)}, {SO: elf(isa=1)}),
    "a module in purelib": (
        "native/in-purelib",
        LINUX,
        {"dipy-1.11.0.data/purelib/dipy/x.so": elf()},
        {"dipy-1.11.0.data/platlib/dipy/x.so": elf()},
    ),
    "debug information": ("native/debug-symbols", LINUX, {SO: elf(debug=True)}, {SO: elf()}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_reports_only_the_planted_fault(name: str) -> None:
    check, tag, files, _ = FAULTS[name]
    assert list(run_checks(tag, files)) == [check]


@pytest.mark.parametrize("name", FAULTS)
def test_accepts_the_same_wheel_without_the_fault(name: str) -> None:
    _, tag, files, without = FAULTS[name]
    tag, files = (without, files) if isinstance(without, str) else (tag, without)
    assert run_checks(tag, files) == {}


def test_every_check_has_a_planted_fault() -> None:
    # native/unread needs thousands of files or very large ones: tests/unit/facts/test_binaries_hostile.py.
    assert {check.id for check in native.CHECKS} == {fault[0] for fault in FAULTS.values()} | {
        "native/unread"
    }


def test_every_check_has_an_explanation() -> None:
    for check in native.CHECKS:
        assert check.title
        assert len(check.explanation) > 100, check.id


@pytest.mark.parametrize(
    "platform",
    [
        *("manylinux_2_28_aarch64", "manylinux2014_s390x", "musllinux_1_2_armv7l", "manylinux_2_31_riscv64"),
        *("macosx_10_9_x86_64", "macosx_11_0_arm64", "macosx_10_9_universal2", "win32", "win_amd64"),
        *("win_arm64", "linux_x86_64", "freebsd_14_amd64", "pyodide_2025_0_wasm32", "android_24_arm64_v8a"),
    ],
)
def test_accepts_good_wheels_of_many_platforms(platform: str) -> None:
    suffix, data = extension(platform.replace("arm64_v8a", "aarch64"))
    assert run_checks(f"{CP312}-{platform}", {f"dipy/x{suffix}": data}) == {}


# --- messages and exceptions -----------------------------------------------------------------------


def test_reports_a_finding_once_with_the_number_of_files() -> None:
    files = {f"dipy/m{number}.pyd": pe(needed=("vcomp140.dll",)) for number in range(30)}
    (message,) = run_checks(WIN, files)["native/missing-library"]
    assert message == (
        "dipy/m0.pyd: it requires vcomp140.dll, which neither the wheel nor Windows provides "
        "(and 29 more files)"
    )


def test_a_common_visual_cpp_runtime_is_a_warning_and_any_other_an_error() -> None:
    files = {
        "dipy/a.pyd": pe(needed=("MSVCP140.dll", "VCOMP140.DLL")),
        "dipy/b.pyd": pe(needed=("msvcp140_1.dll",)),
        "dipy/gui.pyd": pe(needed=("mfc140u.dll",)),
    }
    assert run_checks("cp312-cp312-win32", {name: pe("x86", needed=("MSVCP140.dll",)) for name in files}) == {
        "native/needs-visual-cpp": [
            "dipy/a.pyd: it requires MSVCP140.dll, which Python does not provide (and 2 more files)"
        ]
    }
    both = run_checks(WIN, files)
    assert len(both["native/needs-visual-cpp"]) == 3
    assert len(both["native/missing-library"]) == 1
    assert "VCOMP140.DLL" in both["native/missing-library"][0]
    # delvewheel mangles the names of its copies; a plain copy in the same folder works as well.
    mangled = pe(needed=("msvcp140-a4c2229bdc2a2a630acdc095b4d86008.dll",))
    copy = {"dipy.libs/msvcp140-a4c2229bdc2a2a630acdc095b4d86008.dll": pe()}
    assert run_checks(WIN, {"dipy/a.pyd": mangled, **copy}) == {}
    assert run_checks(WIN, {"dipy/a.pyd": pe(needed=("MSVCP140.dll",)), "dipy/msvcp140.dll": pe()}) == {}


def test_messages_name_the_requirement_and_the_tag() -> None:
    newer = run_checks(LINUX, {SO: elf(versions={"libc.so.6": ("GLIBC_2.28", "GLIBC_2.34")})})
    assert newer["native/glibc-too-new"] == [
        (
            f"{SO}: it requires GLIBC_2.28 of libc.so.6, GLIBC_2.34 of libc.so.6, "
            f"which {OLDEST} does not guarantee"
        )
    ]
    assert run_checks(MAC, {DARWIN: macho(minos=(15, 0))}) == {
        "native/macos-too-new": [
            f"{DARWIN}: its arm64 code requires macOS 15.0, but the tag is macosx_11_0_arm64"
        ]
    }
    assert run_checks("cp39-abi3-macosx_11_0_arm64", {"x.so": macho(undefined=("PyObject_Vectorcall",))}) == {
        "native/abi3-violation": [
            "x.so: it uses symbols that Python 3.9 lacks: PyObject_Vectorcall (added in 3.12)"
        ]
    }
    assert run_checks(LINUX, {SO: elf(needed=("liba.so",)), "dipy.libs/liba.so": elf()}) == {
        "native/missing-library": [
            f"{SO}: it requires liba.so; the wheel has dipy.libs/liba.so, but no search path leads to it"
        ]
    }


def test_reports_the_faults_of_two_published_wheels() -> None:
    """Reproduce the faults of dipy 1.12.0 and 1.12.1 on PyPI, which no tool reported."""
    homebrew = macho(needed=("/opt/homebrew/opt/libomp/lib/libomp.dylib",), minos=(12, 6))
    one = run_checks(f"{CP312}-macosx_15_0_arm64", {DARWIN: homebrew})
    assert set(one) == {"native/missing-library", "native/tag-stricter-than-code"}
    two = run_checks(WIN, {PYD: pe(needed=("python312.dll", "VCOMP140.DLL", "VCRUNTIME140.dll"))})
    assert set(two) == {"native/missing-library"}


def test_compares_only_the_major_version_from_macos_11_on() -> None:
    assert run_checks(f"{CP312}-macosx_12_0_arm64", {DARWIN: macho(minos=(12, 3))}) == {}
    assert run_checks(f"{CP312}-macosx_10_16_x86_64", {DARWIN: macho("x86_64", minos=(11, 0))}) == {}


def test_reports_both_slices_of_a_universal_file_in_one_message() -> None:
    both = fat(("x86_64", macho("x86_64", minos=(15, 0))), ("arm64", macho(minos=(15, 0))))
    assert run_checks(UNIVERSAL, {DARWIN: both})["native/macos-too-new"] == [
        f"{DARWIN}: its x86_64 and arm64 code requires macOS 15.0, but the tag is macosx_10_9_universal2"
    ]


def test_treats_arm64_code_as_macos_11_or_later() -> None:
    both = fat(("x86_64", macho("x86_64", minos=(10, 9))), ("arm64", macho(minos=(11, 0))))
    assert run_checks(UNIVERSAL, {DARWIN: both}) == {}
    assert run_checks(MAC, {DARWIN: macho(minos=(10, 15))}) == {}


def test_accepts_code_for_a_processor_that_its_path_names() -> None:
    files = {SO: elf(), "dipy/tools/linux-arm64/agent.so": elf("aarch64"), "dipy/gpu.so": gpu_code()}
    assert run_checks(LINUX, files) == {}
    windows = {PYD: pe(), "dipy/attach_x86.dll": pe("x86"), "dipy/attach_amd64.dll": pe()}
    assert run_checks(WIN, windows) == {}
    # The path must name the processor of the code; the suffix of a module names the one it should be for.
    assert set(run_checks(LINUX, {SO: elf(), "dipy/x86_64/agent.so": elf("aarch64")})) == {
        "native/arch-mismatch"
    }
    wrong = {SO.replace("x86_64", "aarch64"): elf("aarch64")}
    assert set(run_checks(LINUX, wrong)) == {"native/arch-mismatch"}
    # "charm" contains "arm" but does not name a processor.
    assert set(run_checks(LINUX, {SO: elf(), "dipy/charm/agent.so": elf("aarch64")})) == {
        "native/arch-mismatch"
    }


def gpu_code() -> bytes:
    """Return code for a graphics card, which is distributed as ELF."""
    data = bytearray(elf())
    data[18] = 224
    return bytes(data)


def test_accepts_programs_and_firmware_as_data() -> None:
    files = {SO: elf(), "dipy/t32.exe": pe("x86", dll=False), "dipy/firmware.elf": elf("armv7l", kind=2)}
    assert run_checks(LINUX, files) == {}
    assert set(
        run_checks(LINUX, {SO: elf(), "dipy/bin/x": elf("aarch64", kind=2, interpreter="/lib/ld.so.1")})
    ) == {"native/arch-mismatch"}


LIBS = {"dipy.libs/liba.so.1": elf(needed=("libb.so.1",)), "dipy.libs/libb.so.1": elf()}


def test_a_search_path_holds_for_the_libraries_of_a_library() -> None:
    """Inherit search paths like glibc, musl and macOS (tried with gcc's --enable-new-dtags and without)."""
    folder = "$ORIGIN/../dipy.libs"
    by_rpath = elf(needed=("liba.so.1",), rpath=folder)
    by_runpath = elf(needed=("liba.so.1",), runpath=folder)
    assert run_checks(LINUX, {SO: by_rpath, **LIBS}) == {}
    reason = "the wheel has dipy.libs/libb.so.1, but no search path leads to it"
    lacking = {"native/missing-library": [f"dipy.libs/liba.so.1: it requires libb.so.1; {reason}"]}
    # With glibc a RUNPATH holds only for what its own file needs,
    assert run_checks(LINUX, {SO: by_runpath, **LIBS}) == lacking
    # and a file that has one inherits nothing.
    other = {**LIBS, "dipy.libs/liba.so.1": elf(needed=("libb.so.1",), runpath="$ORIGIN/other")}
    assert run_checks(LINUX, {SO: by_rpath, **other}) == lacking
    own = {**LIBS, "dipy.libs/liba.so.1": elf(needed=("libb.so.1",), runpath="$ORIGIN")}
    assert run_checks(LINUX, {SO: by_runpath, **own}) == {}
    # Another module may have loaded it.
    second = elf(needed=("libb.so.1",), runpath=folder, defined=("PyInit_y",))
    assert run_checks(LINUX, {SO: by_runpath, SO.replace("/x.", "/y."): second, **LIBS}) == {}
    # musl does not distinguish the two.
    module = SO.replace("linux-gnu", "linux-musl")
    assert run_checks(MUSL, {module: by_runpath, **LIBS, "dipy.libs/libb.so.1": musl_elf()}) == {}


NO_PATH: Files = {SO: elf(needed=("libc10.so",)), "dipy/lib/libc10.so": elf(soname="libc10.so")}


@pytest.mark.parametrize(
    "source",
    [
        b"import ctypes\nctypes.CDLL(path)",
        b"ffi.dlopen(path)",
        b"os.environ['LD_LIBRARY_PATH'] = path",
        b"from importlib.machinery import ExtensionFileLoader",
    ],
)
def test_accepts_a_library_that_the_package_may_load(source: bytes) -> None:
    assert run_checks(LINUX, {**NO_PATH, "dipy/_load.py": source}) == {}
    assert run_checks(LINUX, {**NO_PATH, "dipy/_load.py": b"#" * 300_000 + source}) == {}
    # It is too late, because pip does not run the files of a wheel.
    assert set(run_checks(LINUX, {**NO_PATH, "dipy/load.txt": source})) == {"native/missing-library"}


def test_a_library_without_a_search_path_is_found_only_if_another_module_needs_it() -> None:
    assert run_checks(LINUX, NO_PATH)["native/missing-library"] == [
        f"{SO}: it requires libc10.so; the wheel has dipy/lib/libc10.so, but no search path leads to it"
    ]
    second = SO.replace("/x.", "/y.")
    for rpath, needed in (("$ORIGIN/lib", ("libc10.so",)), ("$ORIGIN/lib", ("libb.so",))):
        other = {second: elf(needed=needed, rpath=rpath, defined=("PyInit_y",))}
        assert run_checks(LINUX, {**NO_PATH, **other, "dipy/lib/libb.so": elf(needed=("libc10.so",))}) == {}
    # This one has the search path, but loads another library from there.
    other = {second: elf(needed=("libd.so",), rpath="$ORIGIN/lib", defined=("PyInit_y",))}
    messages = run_checks(LINUX, {**NO_PATH, **other, "dipy/lib/libd.so": elf()})
    assert set(messages) == {"native/missing-library"}
    # Nothing is known about who loads a plain library.
    plain = {"dipy/libx.so": NO_PATH[SO], "dipy/lib/libc10.so": NO_PATH["dipy/lib/libc10.so"]}
    assert run_checks(LINUX, plain) == {}


@pytest.mark.parametrize("rpath", ["$origin/lib", "${origin}/lib", "@loader_path/lib", "@rpath/lib"])
def test_linux_expands_no_other_variable_than_origin(rpath: str) -> None:
    files = {**NO_PATH, SO: elf(needed=("libc10.so",), rpath=rpath)}
    assert "native/missing-library" in run_checks(LINUX, files)


def test_no_module_can_load_a_script_for_the_linker() -> None:
    module = elf(needed=("libc10.so",), rpath="$ORIGIN/lib")
    for text in (b"INPUT(libc10.so.1)\n", b"/* GNU ld script */\nGROUP ( libc10.so.1 )\n"):
        assert set(run_checks(LINUX, {SO: module, "dipy/lib/libc10.so": text})) == {"native/missing-library"}
        assert run_checks(LINUX, {SO: elf(), "dipy/lib/libc10.so": text}) == {}


def test_libraries_find_libraries_by_the_search_paths_of_the_modules_that_need_them() -> None:
    files = {
        DARWIN: macho(needed=("@rpath/liba.dylib",), rpaths=("@loader_path/lib",)),
        "dipy/lib/liba.dylib": macho(kind=DYLIB, name="@rpath/liba.dylib", needed=("@rpath/libb.dylib",)),
        "dipy/lib/libb.dylib": macho(kind=DYLIB, name="@rpath/libb.dylib", needed=("@rpath/liba.dylib",)),
    }
    assert run_checks(MAC, files) == {}
    moved = {name.replace("lib/libb", "libb"): data for name, data in files.items()}
    assert set(run_checks(MAC, moved)) == {"native/missing-library"}


def test_accepts_a_library_of_a_companion() -> None:
    module = {PYD: pe(needed=("Qt5Core.dll",))}
    assert run_checks(WIN, module, "dipy-Qt5>=5.15") == {}
    assert set(run_checks(WIN, module, "other-Qt5>=5.15")) == {"native/missing-library"}
    assert set(run_checks(WIN, module, "dipy-Qt6>=6")) == {"native/missing-library"}


def test_a_plugin_may_require_the_libraries_of_visual_cpp() -> None:
    files = {PYD: pe(), "dipy/plugin.dll": pe(needed=("msvcp140.dll",))}
    assert set(run_checks(WIN, files)) == {"native/needs-visual-cpp"}


def test_accepts_a_library_of_a_companion_for_dependencies() -> None:
    module = {PYD: pe(needed=("SDL2.dll", "glew32.dll", "gobject-2.0-0.dll"))}
    required = "dipy-deps.sdl2\nRequires-Dist: dipy-deps.glew\nRequires-Dist: kivy-deps.gstreamer"
    assert run_checks(WIN, module, required) == {}
    assert len(run_checks(WIN, module, "dipy-deps.sdl2")["native/missing-library"]) == 2


def test_a_project_for_a_version_of_cuda_leaves_out_its_libraries() -> None:
    module = {PYD: pe(needed=("cublas64_12.dll", "nvrtc64_120_0.dll"))}
    for project in ("dipy-cuda12x", "dipy-cu12"):
        assert run_checks(WIN, module, project=project) == {}
    for project in ("dipy", "dipy-cuda", "dipy-cu12-tools"):
        assert set(run_checks(WIN, module, project=project)) == {"native/missing-library"}


@pytest.mark.parametrize("name", ["libaudioarm64.dll", "libaudio32bit.dll", "attach_x86.dll", "win32/a.dll"])
def test_accepts_code_that_is_named_after_another_processor(name: str) -> None:
    arch = "arm64" if "arm64" in name else "x86"
    files = {"dipy/libaudio64bit.dll": pe(), f"dipy/{name}": pe(arch)}
    assert run_checks("py3-none-win_amd64", files) == {}
    assert set(run_checks("py3-none-win_amd64", {"dipy/a.dll": pe(), "dipy/farm.dll": pe(arch)})) == {
        "native/arch-mismatch"
    }


def test_accepts_a_library_of_a_sibling() -> None:
    module = {SO: elf(needed=("libcublas.so.13", "libcublasLt.so.13"))}
    assert run_checks(LINUX, module, "nvidia-cublas", project="nvidia-cusolver") == {}
    assert run_checks(LINUX, module, "nvidia-cublas-cu12==12.1", project="nvidia-cusolver") == {}
    assert set(run_checks(LINUX, module, "other-cublas", project="nvidia-cusolver")) == {
        "native/missing-library"
    }
    assert set(run_checks(LINUX, module, "nvidia-cufft", project="nvidia-cusolver")) == {
        "native/missing-library"
    }


def test_accepts_the_libraries_that_the_import_of_torch_loads() -> None:
    module = {SO: elf(needed=("libc10.so", "libc10_cuda.so", "libtorch_cpu.so", "libcudart.so.13"))}
    assert run_checks(LINUX, module, "torch>=2") == {}
    assert run_checks(LINUX, {SO: elf(needed=("libarrow.so.2400", "libparquet.so.2400"))}, "pyarrow") == {}
    assert set(run_checks(LINUX, module, "numpy")) == {"native/missing-library"}
    for library in ("libgomp.so.1", "libc100.so", "libjpeg.so.62"):
        files = {SO: elf(needed=("libtorch_cpu.so", library))}
        assert set(run_checks(LINUX, files, "torch>=2")) == {"native/missing-library"}, library


def test_accepts_a_library_in_a_directory_that_a_family_shares() -> None:
    module = elf(needed=("liba.so",), runpath="$ORIGIN/..")
    files = {f"cmeel.prefix/lib/{SO}": module, "cmeel.prefix/lib/libb.so": elf()}
    assert run_checks(LINUX, files, "cmeel") == {}
    assert set(run_checks(LINUX, files, "numpy")) == {"native/missing-library"}


def test_accepts_a_library_of_a_required_wheel() -> None:
    linux = {SO: elf(needed=("libcudart.so.12",), runpath="$ORIGIN/../nvidia/cuda_runtime/lib")}
    mac = {DARWIN: macho(needed=("@loader_path/../torch/lib/libc10.dylib",))}
    assert run_checks(LINUX, linux, "nvidia-cuda-runtime-cu12 (==12.4) ; sys_platform == 'linux'") == {}
    assert run_checks(MAC, mac, "torch>=2") == {}
    assert set(run_checks(LINUX, linux, "numpy")) == {"native/missing-library"}
    assert set(run_checks(MAC, mac)) == {"native/missing-library"}


def test_accepts_a_library_named_after_a_required_wheel() -> None:
    module = {PYD: pe(needed=("shiboken6.abi3.dll",))}
    assert run_checks(WIN, module, "shiboken6==6.9.0") == {}
    assert (
        set(run_checks(WIN, module, "shibok")) == set(run_checks(WIN, module)) == {"native/missing-library"}
    )
    # A short name is not evidence enough.
    assert set(run_checks(WIN, {PYD: pe(needed=("attrs.dll",))}, "attr")) == {"native/missing-library"}


def test_accepts_python_like_symbols_of_other_libraries() -> None:
    tag = "cp39-abi3-manylinux_2_17_x86_64"
    module = elf(needed=("libpx.so", "libc.so.6"), runpath="$ORIGIN", undefined=("PyOwn_Thing",))
    assert run_checks(tag, {"dipy/x.abi3.so": module, "dipy/libpx.so": elf(defined=("PyOwn_Thing",))}) == {}
    without_symbol = {"dipy/x.abi3.so": module, "dipy/libpx.so": elf()}
    assert set(run_checks(tag, without_symbol)) == {"native/abi3-violation"}
    module = elf(needed=("libshiboken6.so",), undefined=("PyRun_Something",))
    assert run_checks(tag, {"dipy/x.abi3.so": module}, "shiboken6") == {}


def test_finds_libraries_where_they_are_installed() -> None:
    files = {
        SO: elf(needed=("libmkl.so.2",)),
        "dipy-1.11.0.data/data/lib/libmkl.so.2": elf(),
        "dipy-1.11.0.data/platlib/dipy/y.so": elf(needed=("libz.so.9",), runpath="$ORIGIN/lib"),
        "dipy/lib/libz.so.9": elf(),
    }
    assert run_checks(LINUX, files) == {}


def test_a_program_finds_libraries_in_its_folder() -> None:
    files = {
        "dipy/App": macho(kind=EXECUTE, needed=("@executable_path/liba.dylib",)),
        "dipy/liba.dylib": macho(kind=DYLIB, name="@rpath/liba.dylib", needed=("@rpath/liba.dylib",)),
        DARWIN: macho(kind=BUNDLE),
    }
    assert run_checks(MAC, files) == {}


def test_accepts_a_program_that_bundles_python() -> None:
    program = elf(
        kind=2, needed=("libpython3.12.so.1.0",), interpreter="/lib64/ld-linux-x86-64.so.2", rpath="$ORIGIN"
    )
    assert run_checks(LINUX, {SO: elf(), "dipy/bin/x": program, "dipy/bin/libpython3.12.so.1.0": elf()}) == {}
    assert set(run_checks(LINUX, {SO: elf(), "dipy/bin/x": program})) == {"native/missing-library"}


def test_accepts_modules_linked_to_libpython_on_android() -> None:
    module = elf("aarch64", needed=("libpython3.13.so", "libc.so"))
    assert run_checks("cp313-cp313-android_24_arm64_v8a", {"dipy/x.so": module}) == {}


def test_checks_every_platform_family_in_the_tags() -> None:
    tag = "py3-none-manylinux_2_17_x86_64.musllinux_1_1_x86_64"
    assert run_checks(tag, {"dipy-1.11.0.data/scripts/tool": elf(kind=2, needed=(), sections=False)}) == {}
    assert set(run_checks(tag, {"dipy-1.11.0.data/scripts/tool": elf(kind=2)})) == {"native/musl-vs-glibc"}


def test_checks_abi3_without_a_known_python_version() -> None:
    module = {"dipy/x.abi3.so": elf(undefined=("_PyList_Extend",))}
    assert run_checks("py3-abi3-manylinux_2_17_x86_64", module) == {}
    assert set(run_checks("cp3-abi3-manylinux_2_17_x86_64", module)) <= {"native/abi3-violation"}
    assert run_checks("cp312-cp312-manylinux_2_17_x86_64", module) == {}


def test_severity_of_each_check() -> None:
    severities = {check.id: check.severity for check in native.CHECKS}
    notes = {"native/program-in-any-wheel", "native/tag-stricter-than-code", "native/debug-symbols"}
    warnings = {
        *("native/none-in-platform-wheel", "native/isa-too-new", "native/in-purelib", "native/unread"),
        *("native/needs-visual-cpp", "native/test-data-in-any-wheel"),
        *("native/several-systems-in-any-wheel", "native/build-rpath", "native/plugin-missing-library"),
        "native/other-systems",
    }
    for check, severity in severities.items():
        expected = (
            Severity.NOTE if check in notes else Severity.WARNING if check in warnings else Severity.ERROR
        )
        assert severity is expected, check

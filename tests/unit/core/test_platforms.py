"""Platform tags, and the libraries and symbol versions that each platform provides."""

from __future__ import annotations

import importlib.resources
import json

import pytest

from wheel_uploader.core.models import BinaryFormat
from wheel_uploader.core.platforms import platform_tags, platforms, policies
from wheel_uploader.core.platforms.platforms import OperatingSystem

ELF, MACHO, PE, WASM = BinaryFormat.ELF, BinaryFormat.MACHO, BinaryFormat.PE, BinaryFormat.WASM


@pytest.mark.parametrize(
    ("tag", "system", "form", "version", "arches"),
    [
        ("linux_x86_64", OperatingSystem.LINUX, ELF, (0, 0), {"x86_64"}),
        ("manylinux1_i686", OperatingSystem.MANYLINUX, ELF, (2, 5), {"i686"}),
        ("manylinux2010_x86_64", OperatingSystem.MANYLINUX, ELF, (2, 12), {"x86_64"}),
        ("manylinux2014_s390x", OperatingSystem.MANYLINUX, ELF, (2, 17), {"s390x"}),
        ("manylinux_2_28_aarch64", OperatingSystem.MANYLINUX, ELF, (2, 28), {"aarch64"}),
        ("musllinux_1_2_armv7l", OperatingSystem.MUSLLINUX, ELF, (1, 2), {"armv7l"}),
        ("linux_armv6l", OperatingSystem.LINUX, ELF, (0, 0), {"armv7l"}),
        ("macosx_10_9_x86_64", OperatingSystem.MACOS, MACHO, (10, 9), {"x86_64"}),
        ("macosx_10_16_x86_64", OperatingSystem.MACOS, MACHO, (11, 0), {"x86_64"}),
        ("macosx_11_0_universal2", OperatingSystem.MACOS, MACHO, (11, 0), {"x86_64", "arm64"}),
        ("macosx_10_6_intel", OperatingSystem.MACOS, MACHO, (10, 6), {"x86_64"}),
        ("win32", OperatingSystem.WINDOWS, PE, (0, 0), {"x86"}),
        ("win_amd64", OperatingSystem.WINDOWS, PE, (0, 0), {"x86_64"}),
        ("win_arm64", OperatingSystem.WINDOWS, PE, (0, 0), {"arm64"}),
        ("android_24_arm64_v8a", OperatingSystem.ANDROID, ELF, (0, 0), {"aarch64"}),
        ("ios_13_0_arm64_iphoneos", OperatingSystem.IOS, MACHO, (0, 0), {"arm64"}),
        ("pyodide_2025_0_wasm32", OperatingSystem.WASM, WASM, (0, 0), {"wasm32"}),
    ],
)
def test_parses_platform_tags(
    tag: str, system: OperatingSystem, form: BinaryFormat, version: tuple[int, int], arches: set[str]
) -> None:
    assert platforms.parse_platform(tag) == platforms.ParsedPlatform(
        tag=tag, system=system, format=form, version=version, arches=frozenset(arches)
    )


@pytest.mark.parametrize(
    "tag", ["any", "freebsd_14_amd64", "win_ia64", "macosx_arm64", "manylinux_2_28", "linux"]
)
def test_ignores_unknown_platform_tags(tag: str) -> None:
    assert platforms.parse_platform(tag) is None
    assert platforms.parse_platforms([tag, "win32"]) == (platforms.parse_platform("win32"),)


@pytest.mark.parametrize(
    ("version", "needs", "allowed"),
    [
        ((2, 17), "GLIBC_2.17", True),
        ((2, 17), "GLIBC_2.2.5", True),
        ((2, 17), "GLIBC_2.18", False),
        ((2, 17), "GLIBC_PRIVATE", False),
        ((2, 17), "GLIBCXX_3.4.19", True),
        ((2, 17), "GLIBCXX_3.4.20", False),
        ((2, 17), "CXXABI_1.3.7", True),
        ((2, 17), "CXXABI_1.3.8", False),
        ((2, 17), "CXXABI_TM_1", True),
        ((2, 17), "GCC_4.8.0", True),
        ((2, 17), "GCC_7.0.0", False),
        ((2, 17), "LIBATOMIC_1.2", False),
        # Without a policy for this version: libstdc++ of the next older policy, and glibc of the tag.
        ((2, 30), "GLIBC_2.30", True),
        ((2, 30), "GLIBCXX_3.4.24", True),
        ((2, 30), "GLIBCXX_3.4.25", False),
        ((2, 34), "GLIBC_ABI_DT_RELR", False),
        ((2, 36), "GLIBC_ABI_DT_RELR", True),
        ((2, 99), "GLIBC_2.99", True),
        ((2, 3), "GLIBC_2.3", True),
        ((2, 3), "GLIBC_2.4", False),
        # Libraries that are not part of the platform.
        ((2, 17), "OPENSSL_3.0.0", True),
        ((2, 17), "GFORTRAN_8", True),
        ((2, 17), "nonsense", True),
    ],
)
def test_symbol_versions_of_the_manylinux_policies(
    version: tuple[int, int], needs: str, allowed: bool
) -> None:
    assert policies.manylinux_policy(version).provides_symbol_version(needs, "x86_64") is allowed


def test_libraries_of_linux_platforms() -> None:
    policy = policies.manylinux_policy((2, 17))
    for library in (
        "libc.so.6",
        "libstdc++.so.6",
        "libX11.so.6",
        "ld-linux-x86-64.so.2",
        "ld64.so.2",
        "libcuda.so.1",
    ):
        assert policies.manylinux_provides(policy, library)
    for library in (
        "libgomp.so.1",
        "libssl.so.3",
        "libgfortran.so.5",
        "libmvec.so.1",
        "libc.musl-x86_64.so.1",
    ):
        assert not policies.manylinux_provides(policy, library)
    for library in ("libc.so", "libc.musl-aarch64.so.1", "ld-musl-x86_64.so.1", "libz.so.1"):
        assert policies.musllinux_provides(library)
    for library in ("libc.so.6", "libstdc++.so.6", "libgcc_s.so.1"):
        assert not policies.musllinux_provides(library)


def test_recognizes_the_c_library() -> None:
    assert policies.is_glibc_library("libm.so.6")
    assert policies.is_glibc_library("ld-linux-aarch64.so.1")
    assert not policies.is_glibc_library("ld-musl-x86_64.so.1")
    assert not policies.is_glibc_library("libz.so.1")
    assert policies.is_musl_library("ld-musl-x86_64.so.1")
    assert policies.is_musl_library("libc.musl-x86_64.so.1")
    assert not policies.is_musl_library("libc.so.6")


@pytest.mark.parametrize(
    ("tag", "family", "version"),
    [
        ("manylinux1_i686", "manylinux_i686", (2, 5)),
        ("manylinux2014_x86_64", "manylinux_x86_64", (2, 17)),
        ("manylinux_2_28_x86_64", "manylinux_x86_64", (2, 28)),
        ("manylinux2015_x86_64", "manylinux2015_x86_64", ()),
        ("macosx_10_13_universal2", "macosx_universal2", (10, 13)),
        ("android_21_arm64_v8a", "android_arm64_v8a", (21,)),
        ("ios_13_0_arm64_iphoneos", "ios_arm64_iphoneos", (13, 0)),
        ("freebsd_14_1_release_amd64", "freebsd_release_amd64", (14, 1)),
        ("linux_x86_64", "linux_x86_64", ()),
        *((tag, tag, ()) for tag in ("win32", "win_amd64", "any", "linux", "2", "", "wasm_\u0664_x", "a__b")),
    ],
)
def test_a_family_is_a_tag_without_its_version(tag: str, family: str, version: tuple[int, ...]) -> None:
    parsed, numbers = platform_tags.parse_platform_family(tag)
    assert (str(parsed), numbers) == (family, version)
    assert platform_tags.parse_platform_family(str(parsed)) == (parsed, ())


def test_lists_the_machines_that_a_family_supports() -> None:
    def machines_of(tag: str) -> list[str]:
        return [str(machine) for machine in platform_tags.parse_platform_family(tag)[0].supported_machines]

    assert machines_of("macosx_11_0_universal2") == ["macosx_arm64", "macosx_x86_64"]
    assert machines_of("macosx_10_6_intel") == ["macosx_x86_64"]
    assert machines_of("win_amd64") == ["win_amd64"]
    assert machines_of("linux_universal2") == ["linux_universal2"]


@pytest.mark.parametrize("arch", ["x86", "x86_64", "arm64"])
def test_libraries_of_windows(arch: str) -> None:
    for library in (
        *("KERNEL32.dll", "ws2_32.DLL", "msvcrt.dll", "ucrtbase.dll", "d3d12.dll", "bcryptprimitives.dll"),
        *("api-ms-win-crt-runtime-l1-1-0.dll", "VCRUNTIME140.dll", "vcruntime140_1.dll", "nvcuda.dll"),
        *("python3.dll", "python312.dll", "python313t.dll", "python314_d.dll", "libpypy3.11-c.dll"),
    ):
        assert policies.windows_provides(library, arch), library
    for library in ("MSVCP140.dll", "vcomp140.dll", "concrt140.dll", "libgcc_s_seh-1.dll", "zlib1.dll"):
        assert not policies.windows_provides(library, arch), library


def test_recognizes_the_visual_cpp_runtime() -> None:
    for library in (
        "MSVCP140.dll",
        "msvcp140_1.dll",
        "msvcp140_atomic_wait.dll",
        "concrt140.dll",
        "vccorlib140.DLL",
        "mfc140.dll",
        "MFC140U.dll",
        "mfcm140u.dll",
    ):
        assert policies.is_visual_cpp_runtime(library), library
    for library in ("vcomp140.dll", "mfc140ud.dll", "msvcp140d.dll", "msvcp120.dll", "msvcp140-a4c2229b.dll"):
        assert not policies.is_visual_cpp_runtime(library), library


def test_libraries_of_macos() -> None:
    assert policies.macos_provides("/usr/lib/libSystem.B.dylib")
    assert policies.macos_provides("/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate")
    for path in (
        "/usr/local/lib/libx.dylib",
        "/opt/homebrew/lib/libx.dylib",
        "@rpath/libx.dylib",
        "/usr/lib/../x",
    ):
        assert not policies.macos_provides(path)


@pytest.mark.parametrize("name", ["linux.json", "windows.json"])
def test_the_data_files_name_their_source(name: str) -> None:
    data = json.loads(
        importlib.resources.files("wheel_uploader.core.platforms").joinpath("data", name).read_text()
    )
    assert data["about"].keys() == {"source", "licence", "date", "made by"}
    assert data["about"]["licence"] == "MIT"

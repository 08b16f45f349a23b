"""The suffixes of extension modules that each Python loads: importlib.machinery.EXTENSION_SUFFIXES by tag.

Sources: Python/dynload_shlib.c and Python/dynload_win.c of CPython 3.2 to 3.15, PEP 803 (abi3t),
configure.ac of CPython for the names of platforms, PyPy's importing.py, and GraalPy's SOABI.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import WheelName
from wheel_uploader.core.platforms.platforms import OperatingSystem, ParsedPlatform
from wheel_uploader.facts.binaries.module_names import ModulePath

PythonVersion = tuple[int, int]

#: From this version on CPython loads ``.abi3t.so`` and looks for PyModExport functions (PEP 793), and its
#: free-threaded build no longer loads ``.abi3.so``.
FIRST_ABI3T: PythonVersion = (3, 15)
#: The ABIs that several versions of Python share.
STABLE_ABIS = frozenset({"abi3", "abi3t"})
#: From this version on the names of platforms tell musl from glibc.
_FIRST_MUSL: PythonVersion = (3, 11)


class Implementation(enum.StrEnum):
    """The implementations of Python whose modules are known."""

    CPYTHON = "CPython"
    PYPY = "PyPy"
    GRAALPY = "GraalPy"


class TargetPython(NamedTuple):
    """The Python that a python tag and an ABI tag denote together; for a stable ABI the oldest one."""

    #: Both tags, as in the file name: ``cp312-abi3``.
    label: str
    implementation: Implementation
    version: PythonVersion
    #: ``abi3`` or ``abi3t``; empty if it is one Python.
    stable_abi: str = ""
    #: The ABI flags of a build of CPython (t: free-threaded, d: debug); None for any build.
    flags: str | None = ""
    #: The part of the suffix of PyPy and GraalPy that names the ABI: ``pypy311-pp73``.
    abi: str = ""


class SuffixTag(NamedTuple):
    """The parts of the tag in a suffix: the Python with its ABI, and the platform."""

    python: str
    platform: str


_CPYTHON_PYTHON = re.compile(r"cp(3)(\d*)")
_CPYTHON_ABI = re.compile(r"cp(3)(\d+)([a-z]*)")
_PYPY_PYTHON = re.compile(r"pp(3)(\d+)")
_PYPY_ABI = re.compile(r"(pypy3\d+)_(pp\d+)")
_GRAALPY_PYTHON = re.compile(r"graalpy(3)(\d+)")
_GRAALPY_ABI = re.compile(r"(graalpy\d+)_(3\d+)_native")
#: The platform is what follows the Python.
_SUFFIX_TAG = re.compile(
    r"(?P<python>cpython-3\d+[a-z]*|cp3\d+[a-z]*|pypy3\d+-pp\d+|graalpy\d+-3\d+-native|abi3t?)"
    r"(?:-(?P<platform>.+))?\Z"
)
_CPYTHON_SUFFIX = re.compile(r"(?:cpython-|cp)(3)(\d+)([a-z]*)\Z")
#: Flags of the ABI of Python 3.7 and older that carry no information here.
_OLD_FLAGS = re.compile(r"[mu]")

_LINUX_ARCHES = {
    "i686": "i386",
    "armv7l": "arm",
    "ppc64le": "powerpc64le",
    "ppc64": "powerpc64",
}
_C_LIBRARIES = {
    OperatingSystem.MANYLINUX: ("gnu",),
    OperatingSystem.MUSLLINUX: ("musl",),
    OperatingSystem.LINUX: ("gnu", "musl"),
}
_ANDROID_PLATFORMS = {"armv7l": "arm-linux-androideabi"}
_WINDOWS_PLATFORMS = {"x86": "win32", "x86_64": "win_amd64", "arm64": "win_arm64", "arm": "win_arm32"}


def iter_targets(name: WheelName) -> Iterator[TargetPython | None]:
    """Yield the Python of each pair of tags that makes sense; None for one that means any Python."""
    for python in name.pythons:
        for abi in name.abis:
            if python.startswith("py"):
                yield None
            elif target := _parse_target(python, abi):
                yield target


def _parse_target(python: str, abi: str) -> TargetPython | None:
    label = f"{python}-{abi}"
    if match := _CPYTHON_PYTHON.fullmatch(python):
        return _parse_cpython(label, (3, int(match[2] or 2)), abi)
    if (match := _PYPY_PYTHON.fullmatch(python)) and (parts := _PYPY_ABI.fullmatch(abi)):
        implementation, abi_name = Implementation.PYPY, f"{parts[1]}-{parts[2]}"
        is_consistent = parts[1] == f"pypy3{match[2]}"
    elif (match := _GRAALPY_PYTHON.fullmatch(python)) and (parts := _GRAALPY_ABI.fullmatch(abi)):
        implementation, abi_name = Implementation.GRAALPY, f"{parts[1]}-{parts[2]}-native"
        is_consistent = parts[2] == f"3{match[2]}"
    else:
        return None
    version = (3, int(match[2]))
    return TargetPython(label, implementation, version, abi=abi_name) if is_consistent else None


def _parse_cpython(label: str, version: PythonVersion, abi: str) -> TargetPython | None:
    if abi in STABLE_ABIS:
        return TargetPython(label, Implementation.CPYTHON, version, stable_abi=abi)
    if abi == "none":
        return TargetPython(label, Implementation.CPYTHON, version, flags=None)
    match = _CPYTHON_ABI.fullmatch(abi)
    if match is None or (3, int(match[2])) != version:
        return None
    return TargetPython(label, Implementation.CPYTHON, version, flags=_OLD_FLAGS.sub("", match[3]))


@functools.lru_cache(maxsize=256)
def parse_suffix_tag(tag: str) -> SuffixTag | None:
    """Return the parts of the tag of a suffix; None if it has another form."""
    match = _SUFFIX_TAG.match(tag)
    return SuffixTag(match["python"], match["platform"] or "") if match else None


def explain_mismatch(
    module: ModulePath, suffix: SuffixTag | None, target: TargetPython | None, platform: ParsedPlatform
) -> str:
    """Return why ``target`` does not load a module by its name on ``platform``; empty if it does.

    Without ``target``, only the platform counts.
    """
    extension = "pyd" if platform.system is OperatingSystem.WINDOWS else "so"
    if module.extension != extension:
        return f"Python on {_describe(platform)} loads .{extension} files"
    if suffix is None:
        if target is not None and target.implementation is Implementation.PYPY:
            return f"PyPy loads only modules whose suffix begins with .{target.abi}"
        return ""
    if target is not None and not loads_abi(target, suffix.python):
        return f"its name is for {suffix.python}, which {target.label} does not load"
    return _explain_platform(suffix, target, platform)


def _explain_platform(suffix: SuffixTag, target: TargetPython | None, platform: ParsedPlatform) -> str:
    if suffix.python in STABLE_ABIS:
        if platform.system is OperatingSystem.WINDOWS:
            return f"Python on Windows does not look for .{suffix.python}.pyd, only for .pyd"
        if not suffix.platform:
            return ""
    names = _platform_names(platform, suffix.python, target.version if target else None)
    if not names or _normalize(suffix.platform) in names:
        return ""
    found = f"is for {suffix.platform}" if suffix.platform else "names no platform"
    return f"its name {found}, but Python for {platform.tag} looks for {join_some(sorted(names))}"


def _describe(platform: ParsedPlatform) -> str:
    return {OperatingSystem.WINDOWS: "Windows", OperatingSystem.MACOS: "macOS"}.get(
        platform.system, platform.system.value
    )


def loads_abi(target: TargetPython, python: str) -> bool:
    """Return whether ``target`` loads modules with ``python`` in their suffix."""
    if target.implementation is not Implementation.CPYTHON:
        return python == target.abi
    if target.stable_abi:
        has_both = target.stable_abi == "abi3" and target.version >= FIRST_ABI3T
        return python == target.stable_abi or (has_both and python == "abi3t")
    flags = target.flags
    if python == "abi3":
        return flags is None or "t" not in flags or target.version < FIRST_ABI3T
    if python == "abi3t":
        return target.version >= FIRST_ABI3T
    suffix = _CPYTHON_SUFFIX.match(python)
    if suffix is None or (3, int(suffix[2])) != target.version:
        return False
    # A debug build also loads the modules of an ordinary one.
    found = _OLD_FLAGS.sub("", suffix[3])
    return flags is None or found in {flags, flags.replace("d", "")}


def _platform_names(platform: ParsedPlatform, python: str, version: PythonVersion | None) -> frozenset[str]:
    """Return the names of ``platform`` in suffixes; empty if they are not known."""
    arch = min(platform.arches)
    if python.startswith("graalpy"):
        return _graalpy_names(platform, arch)
    if platform.system in _C_LIBRARIES:
        return _linux_names(platform, arch, python, version)
    match platform.system:
        case OperatingSystem.WINDOWS if arch in _WINDOWS_PLATFORMS:
            return frozenset({_WINDOWS_PLATFORMS[arch]})
        case OperatingSystem.MACOS:
            return frozenset({"darwin"})
        case OperatingSystem.ANDROID:
            return frozenset({_ANDROID_PLATFORMS.get(arch, f"{arch}-linux-android")})
        case OperatingSystem.WASM if "wasi" not in platform.tag:
            return frozenset({"wasm32-emscripten"})
        case OperatingSystem.IOS:
            return frozenset({"iphonesimulator" if platform.tag.endswith("iphonesimulator") else "iphoneos"})
        case _:
            return frozenset()


def _linux_names(
    platform: ParsedPlatform, arch: str, python: str, version: PythonVersion | None
) -> frozenset[str]:
    libraries = _C_LIBRARIES[platform.system]
    if libraries == ("musl",) and (version is None or version < _FIRST_MUSL or python.startswith("pypy")):
        libraries = ("musl", "gnu")
    ending = "eabihf" if arch == "armv7l" else ""
    return frozenset(f"{_LINUX_ARCHES.get(arch, arch)}-linux-{library}{ending}" for library in libraries)


def _graalpy_names(platform: ParsedPlatform, arch: str) -> frozenset[str]:
    systems = {OperatingSystem.MACOS: "darwin", OperatingSystem.WINDOWS: "win32"}
    arch = {"arm64": "aarch64", "amd64": "x86_64"}.get(arch, arch)
    if platform.system in {*_C_LIBRARIES, *systems}:
        return frozenset({f"{arch}-{systems.get(platform.system, 'linux')}"})
    return frozenset()


def _normalize(platform: str) -> str:
    """Return the usual spelling of a platform: CPython 3.15 may write x86-64 for x86_64."""
    return platform.replace("x86-64", "x86_64")

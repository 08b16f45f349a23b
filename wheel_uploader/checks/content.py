"""Checks of the files that a wheel installs: importable code, and no unexpected top-level names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.registry import Observation, check, pypi_check
from wheel_uploader.core import characters
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import SdistContent, Severity, WheelContent, WheelMember, WheelName

#: Modules, type stubs, extension modules, and the .pth and .start (PEP 829) files that Python reads when it
#: starts.
_IMPORTABLE_SUFFIX = re.compile(r"\.(?:py|pyi|pyc|pyo|pyw|pye|so|pyd|pth|start)\Z", re.IGNORECASE)
#: Libraries and headers that other projects link and compile with.
_DEVELOPMENT_SUFFIX = re.compile(
    r"\.(?:so(?:\.[0-9]+)+|dylib|dll|a|lib|h|hh|hpp|hxx|cuh|wasm)\Z", re.IGNORECASE
)
_BYTECODE_SUFFIX = re.compile(r"\.(?:pyc|pyo)\Z", re.IGNORECASE)
_CACHED_BYTECODE_PATH = re.compile(r"(.*/)?__pycache__/([^/.]+)\.(cpython-|pypy)(\d+)(?:\.opt-\d)?\.pyc")
#: Files allowed at the top level: modules, and libraries that an extension module there loads.
_TOP_LEVEL_FILE = re.compile(
    r"\.(?:py|pyi|pyc|pyo|pye|so(?:\.[0-9]+)*|pyd|dll|dylib|pth|start)\Z", re.IGNORECASE
)
_EXECUTABLE_BITS = 0o111
#: Directories created by tools; they are never imported by name.
_TOP_LEVEL_FOLDER = re.compile(r"[^/]+(?:\.dist-info|\.data|\.libs|\.dylibs|-stubs)\Z|\.dylibs\Z|\.libs\Z")
#: Names from a project's source tree that should not be installed, in lower case.
_NOT_INSTALLED = frozenset(
    {
        *("test", "tests", "doc", "docs", "example", "examples", "benchmark", "benchmarks"),
        *(
            "src",
            "build",
            "dist",
            "script",
            "scripts",
            "tools",
            "ci",
            "bin",
            "lib",
            "include",
            "share",
            "etc",
        ),
        *("node_modules", "venv", "site-packages"),
        *("setup.py", "conftest.py", "noxfile.py", "versioneer.py"),
    }
)


def list_top_level_names(wheel: WheelContent) -> dict[str, bool]:
    """Return the names at the top of site-packages, and whether each is a directory with members."""
    has_members: dict[str, bool] = {}
    for member in wheel.members:
        top, slash, rest = _get_site_packages_path(member.name).partition("/")
        if top and (rest or not slash):
            has_members[top] = has_members.get(top, False) or bool(slash)
    return has_members


def _get_site_packages_path(path: str) -> str:
    """Return the path of a member in site-packages; empty if it is installed elsewhere."""
    top, _, rest = path.partition("/")
    if top.endswith(".data"):
        scheme, _, rest = rest.partition("/")
        return rest if scheme in {"purelib", "platlib"} else ""
    return "" if top.endswith(".dist-info") else path


@check("content/empty", Severity.ERROR)
def empty(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel installs nothing to import and nothing to run.

    Installing it adds metadata but no code. Common causes are a build tool that did not find the packages (a
    src directory that is not configured, a wrong package list), and a build in the wrong directory. Check
    which packages the build log lists.
    """
    if not _has_usable_file(wheel) and not _list_dependencies(wheel):
        yield "it contains no module, extension module, library, script or data file"


@check("content/only-dependencies", Severity.NOTE)
def only_dependencies(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel installs nothing but other projects.

    It has no code but requires other projects, as metapackages do on purpose. If this project has code, the
    build tool did not find the packages; check which packages the build log lists.
    """
    if not _has_usable_file(wheel) and (dependencies := _list_dependencies(wheel)):
        yield f"it has no code, and requires {join_some(dependencies)}"


def _has_usable_file(wheel: WheelContent) -> bool:
    """Return whether the wheel has a file that can be imported, run, linked or found as data."""
    return bool(wheel.binaries) or any(map(_is_usable, wheel.members))


def _is_usable(member: WheelMember) -> bool:
    top, _, rest = member.name.partition("/")
    if top.endswith(".dist-info") or member.is_directory:
        return False
    if top.endswith(".data") and "/" in rest:
        return True
    return bool(
        _IMPORTABLE_SUFFIX.search(member.name)
        or _DEVELOPMENT_SUFFIX.search(member.name)
        or member.mode & _EXECUTABLE_BITS
    )


def _list_dependencies(wheel: WheelContent) -> list[str]:
    return core_metadata.read_core_metadata_or_empty(wheel).get_values("requires_dist")


@check("content/bytecode", Severity.WARNING)
def bytecode(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel contains compiled bytecode.

    Installers compile the sources themselves, for the Python that they install into. Bytecode for another
    Python is dead weight, and a module that is shipped only as bytecode works with a single Python version.
    The usual cause is a __pycache__ directory that was left over from a test run. Exclude "*.pyc" and
    "__pycache__" from the build. Bytecode next to its source, in a wheel for exactly the Python version that
    it was compiled for, is harmless and not reported.
    """
    files = {member.name for member in wheel.members if not member.is_directory}
    for path in sorted(files):
        if _BYTECODE_SUFFIX.search(path) and not _is_harmless(path, files, wheel.name):
            yield path, "it is compiled bytecode"


def _is_harmless(path: str, files: set[str], name: WheelName) -> bool:
    match = _CACHED_BYTECODE_PATH.fullmatch(path)
    if not match or any(abi == "none" or abi.startswith("abi3") for abi in name.abis):
        return False
    folder, module, python, version = match.groups()
    return f"{folder or ''}{module}.py" in files and f"{python[0]}p{version}" in name.pythons


@check("content/stray-toplevel", Severity.WARNING)
def stray_toplevel(wheel: WheelContent) -> Iterator[Observation]:
    """Unexpected file or directory at the top level of site-packages.

    All projects share that directory: two projects that both install "tests" or "README.md" overwrite each
    other, and "import tests" finds the wrong one. Common causes are automatic package discovery that picks up
    every directory, and an "include" setting for the sdist that the build backend also applies to wheels.
    List the packages explicitly in the configuration. Modules, packages, namespace packages, stubs, .pth
    and .start files, and libraries added by a repair tool (*.libs, *.dylibs) are fine.
    """
    for top, is_folder in list_top_level_names(wheel).items():
        if problem := _describe_stray(top, is_folder, wheel.name.project.replace("-", "_")):
            yield top, problem


def _describe_stray(top: str, is_folder: bool, project: str) -> str:
    lowered = top.lower()
    if lowered in {project, f"{project}.py"}:
        return ""
    if lowered in _NOT_INSTALLED:
        return (
            f"it is a {'directory' if is_folder else 'file'} of the source tree that should not be installed"
        )
    if (
        is_folder
        and not (top.isidentifier() and characters.all_assigned(top))
        and not _TOP_LEVEL_FOLDER.match(top)
    ):
        return "it is a directory whose name cannot be imported"
    if not is_folder and not _TOP_LEVEL_FILE.search(top):
        return "it is not a module"
    return ""


@pypi_check("content/obfuscated")
def obfuscated(archive: WheelContent | SdistContent) -> Iterator[Observation]:
    """Archive contains encrypted source code.

    PyPI rejects files that contain the markers of PyArmor and SourceDefender in .py files, because it is
    impossible to tell what such code does, and much malware is hidden this way. PyPI searches for a few
    strings, so a file that merely quotes them is rejected as well. Publish the plain source, compile it
    (Cython, mypyc), or use your own index.
    """
    for fact in archive.anomalies:
        if fact.kind == "obfuscated" and fact.member is not None:
            yield fact.member, fact.message


CHECKS = (empty, only_dependencies, bytecode, stray_toplevel, obfuscated)

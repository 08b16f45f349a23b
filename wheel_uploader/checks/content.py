"""What a wheel installs: something to import, and nothing that only looks as if it belonged there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader import characters
from wheel_uploader.checks.registry import Yielded, check, pypi_check
from wheel_uploader.models import Severity, WheelContent, WheelName

#: Modules, type stubs, extension modules, and what adds to the path.
_IMPORTABLE = re.compile(r"\.(?:py|pyi|pyc|pyo|pyw|pye|so|pyd|pth)\Z", re.IGNORECASE)
_BYTECODE = re.compile(r"\.(?:pyc|pyo)\Z", re.IGNORECASE)
_CACHED = re.compile(r"(.*/)?__pycache__/([^/.]+)\.(cpython-|pypy)(\d+)(?:\.opt-\d)?\.pyc")
#: What may lie at the top itself: modules, and libraries that lie beside an extension module.
_TOP_FILE = re.compile(r"\.(?:py|pyi|pyc|pyo|pye|so(?:\.[0-9]+)*|pyd|dll|dylib|pth)\Z", re.IGNORECASE)
#: Directories that tools make, whose names no import statement has to say.
_TOP_FOLDER = re.compile(r"[^/]+(?:\.dist-info|\.data|\.libs|\.dylibs|-stubs)\Z|\.dylibs\Z|\.libs\Z")
#: What belongs to the project and not to what it installs, in lower case.
_STRAY = frozenset(
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


def top_level(wheel: WheelContent) -> dict[str, bool]:
    """Whatever lies at the top of site-packages, and whether it is a directory with members."""
    tops: dict[str, bool] = {}
    for member in wheel.members:
        top, slash, rest = _installed(member.name).partition("/")
        if top and (rest or not slash):
            tops[top] = tops.get(top, False) or bool(slash)
    return tops


def _installed(path: str) -> str:
    """Where in site-packages a member goes; empty for one that goes elsewhere."""
    top, _, rest = path.partition("/")
    if top.endswith(".data"):
        scheme, _, rest = rest.partition("/")
        return rest if scheme in {"purelib", "platlib"} else ""
    return "" if top.endswith(".dist-info") else path


@check("content/empty", Severity.ERROR)
def empty(wheel: WheelContent) -> Iterator[Yielded]:
    """The wheel has nothing to import and nothing to run.

    Whoever installs it gets metadata and no project. The usual cause is a build tool that did not find the
    packages (a src directory that it was not told of, a wrong list of packages), or a build from the wrong
    directory. Look at what the build says that it found. A project that only requires others is meant to be
    so: accept this with "ignore".
    """
    for member in wheel.members:
        top, _, rest = member.name.partition("/")
        if top.endswith(".dist-info") or member.is_directory:
            continue
        if _IMPORTABLE.search(member.name) or (top.endswith(".data") and "/" in rest):
            return
    yield "there is no module in it, no extension module, no script and no data file of an environment"


@check("content/bytecode", Severity.WARNING)
def bytecode(wheel: WheelContent) -> Iterator[Yielded]:
    """There is compiled bytecode in the wheel.

    Installers compile the sources themselves, for the Python that is there; bytecode of another Python is
    dead weight, and a module that is there as bytecode only works with one version of Python. The usual
    cause is __pycache__ of a test run that was packed. Exclude "*.pyc" and "__pycache__" from the build.
    Beside its source, and in a wheel for just the Python that it is of, it does no harm and is not named.
    """
    files = {member.name for member in wheel.members if not member.is_directory}
    for path in sorted(files):
        if _BYTECODE.search(path) and not _is_harmless(path, files, wheel.name):
            yield path, "it is bytecode"


def _is_harmless(path: str, files: set[str], name: WheelName) -> bool:
    found = _CACHED.fullmatch(path)
    if not found or any(abi == "none" or abi.startswith("abi3") for abi in name.abis):
        return False
    folder, module, python, version = found.groups()
    return f"{folder or ''}{module}.py" in files and f"{python[0]}p{version}" in name.pythons


@check("content/stray-toplevel", Severity.WARNING)
def stray_toplevel(wheel: WheelContent) -> Iterator[Yielded]:
    """Something lies at the top of site-packages that does not belong there.

    All projects share that directory: two that both install "tests" or "README.md" overwrite each other,
    and "import tests" finds the wrong one. The usual cause is automatic discovery of packages that takes
    every directory, or a build backend's "include" that is meant for the sdist. Name the packages in the
    configuration. Modules, packages, namespace packages, stubs, .pth files and libraries that a repair tool
    adds (*.libs, *.dylibs) are as they should be.
    """
    for top, is_folder in top_level(wheel).items():
        if problem := _problem(top, is_folder, wheel.name.project.replace("-", "_")):
            yield top, problem


def _problem(top: str, is_folder: bool, project: str) -> str:
    lowered = top.lower()
    if lowered == project:
        return ""
    if lowered in _STRAY:
        return (
            f"a {'directory' if is_folder else 'file'} of the project's own, not a part of what it installs"
        )
    if is_folder and not (top.isidentifier() and characters.are_known(top)) and not _TOP_FOLDER.match(top):
        return "a directory that cannot be imported by this name"
    if not is_folder and not _TOP_FILE.search(top):
        return "a file that is no module"
    return ""


@pypi_check("content/obfuscated")
def obfuscated(wheel: WheelContent) -> Iterator[Yielded]:
    """There is encrypted source code in the wheel.

    PyPI refuses files with what PyArmor and SourceDefender leave in .py files, for nobody can tell what such
    code does, and much malware is hidden so. It looks for a few strings, so a file that merely quotes them
    is refused as well. Publish the plain source, compile it (Cython, mypyc), or use an index of your own.
    """
    for fact in wheel.facts:
        if fact.kind == "obfuscated" and fact.member is not None:
            yield fact.member, fact.message


CHECKS = (empty, bytecode, stray_toplevel, obfuscated)

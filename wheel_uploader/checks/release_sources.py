"""Checks of the wheels against the sdist: stale wheels, modules that are not packaged, missing sources.

Legitimate changes by a build are tolerated; the tables below list them with the reasons.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.version import Version

from wheel_uploader.checks import inventory, release_modules
from wheel_uploader.checks.inventory import Inventory, Module
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, summarize_values
from wheel_uploader.core.formatting import format_verb
from wheel_uploader.core.models import FileSummary, SdistName, Severity, WheelName

#: Number of paths that a finding names.
_MAX_PATHS = 4
#: Share of a package's modules in a wheel that must be at the same place of the sdist: otherwise the build
#: moves or generates them, and there is nothing to compare.
_MIN_SHARE = 0.5

#: Words in the names of files whose text a build writes or completes: versions, and code from a generator.
_GENERATED_WORDS = frozenset(
    {"version", "versions", "about", "buildinfo", "generated", "pb2", "grpc", "cffi"}
)
#: The same for private modules only: settings of the build.
_PRIVATE_GENERATED_WORDS = frozenset(
    {"build", "config", "constants", "distributor", "git", "metadata", "paths", "sysconfig"}
)
#: Words in the names of folders and files that are often left out of wheels: tests, documentation, examples,
#: and helpers of the build.
_UNPACKAGED_WORDS = frozenset(
    {
        *("test", "tests", "testing", "testsuite", "testdata", "conftest", "fixtures", "fuzz", "fuzzing"),
        *(
            "doc",
            "docs",
            "example",
            "examples",
            "sample",
            "samples",
            "demo",
            "demos",
            "tutorial",
            "tutorials",
        ),
        *(
            "bench",
            "benchmark",
            "benchmarks",
            "profile",
            "profiling",
            "recipe",
            "recipes",
            "stubs",
            "ci",
            "dev",
        ),
        *("build", "setup", "setupext", "codegen", "gen", "generate", "generator", "generators", "make"),
        *("template", "templates", "compile", "configure", "cythonize", "install", "update", "bootstrap"),
        *("tool", "tools", "script", "scripts", "noxfile", "tasks", "fabfile", "versioneer", "release"),
        *("vendor", "vendored", "thirdparty", "party", "pythran", "extern", "externals", "contrib"),
    }
)
_WORD = re.compile(r"[A-Za-z0-9]+")
#: Versions that stand in the sources until a build writes the right one.
_PLACEHOLDER_VERSIONS = ("0", "0.0", "0.dev0", "0.0.1", "999", "9999")


class _Comparison(NamedTuple):
    """The wheels of a release, and the modules of its sdist by the path at which wheels install them."""

    sdist: SdistName
    wheels: Sequence[tuple[WheelName, FileSummary]]
    #: Installed paths of the modules in all wheels together, and of the compiled ones without their suffix.
    installed: Collection[str]
    extensions: Collection[str]
    #: Installed path to the module in the sdist, for the packages of the wheels.
    expected: Mapping[str, Module]
    #: Folders with Cython sources in the sdist, as wheels install them.
    cython_folders: frozenset[str]


@check("release/differs-from-sdist", Severity.WARNING)
def differs_from_sdist(release: ReleaseContent) -> Iterator[Observation]:
    """Wheel was built from other sources than the sdist.

    A Python file has another text in the wheel than in the sdist, or states another version, so a bug that is
    fixed in one of them is still in the other. The usual causes are a wheel of an earlier build in the dist
    directory, a stale "build" directory, and local changes that were not committed. Files that a build writes
    are tolerated (versions of the same number, settings of the build, generated code, stubs), as are files
    that differ in all wheels for one platform only, as repair tools change them, and modules in the wheel
    that are not in the sdist. Remove "build" and "dist", and build all files from one commit.
    """
    comparison = _compare_with_sdist(release)
    if comparison is None:
        return
    known = {(each.wheel, each.path) for each in release_modules.find_deviations(release)}
    for wheels, clause in _group_by_message(_find_stale(comparison, release.version, known)).items():
        yield from ((wheel.filename, clause) for wheel in wheels)


@check("release/modules-not-in-wheels", Severity.WARNING)
def modules_not_in_wheels(release: ReleaseContent) -> Iterator[Observation]:
    """Package or module of the sdist is in no wheel.

    It belongs to a package that the wheels install, so users who do not build from source cannot import it.
    The usual cause is a list of packages in the build configuration that was not extended when a
    subpackage was added (with setuptools: "packages" without "find:", a missing __init__.py). Tests,
    documentation, examples, templates and helpers of the build are not expected in a wheel, nor is a module
    that is compiled. Add the package to the configuration, or exclude it from the sdist as well.
    """
    comparison = _compare_with_sdist(release)
    if comparison is None or len(comparison.wheels) < sum(
        isinstance(name, WheelName) for name in release.local_names
    ):
        return
    installed = {*comparison.installed, *(f"{path}.py" for path in comparison.extensions)}
    missing = [path for path in comparison.expected if path not in installed]
    yield from _describe_missing(comparison, missing, installed)


@check("release/sdist-without-sources", Severity.WARNING)
def sdist_without_sources(release: ReleaseContent) -> Iterator[Observation]:
    """sdist lacks the sources of the compiled modules in the wheels.

    The wheels contain extension modules, but the sdist has no file in a language that is compiled (C, C++,
    Cython, Rust, Fortran, ...), so nobody can build it. The usual cause is a MANIFEST.in, or an include or
    exclude rule, that covers Python files only. Modules that are compiled from Python files (mypyc, Cython)
    or described in them (cffi) are not reported. Build a wheel from the sdist before a release.
    """
    wheels = [each for each in release_modules.list_wheels(release) if each[1].extension_count]
    for summary in release.summaries:
        if isinstance(summary.name, SdistName) and summary.inventory and not summary.compiled_source_count:
            listed = inventory.unpack(summary.inventory)
            modules = sorted({path for _, wheel in wheels for path in _find_sourceless(wheel, listed)})
            if modules:
                named = summarize_values(modules, _MAX_PATHS)
                yield (
                    summary.name.filename,
                    f"it has no source in a compiled language, but the wheels have {named}",
                )


def _find_sourceless(wheel: FileSummary, sdist: Inventory) -> list[str]:
    """Return the extension modules of a wheel that are not compiled from Python; none if cffi makes them."""
    stems = {path.rpartition("/")[2].partition(".")[0] for path in sdist.modules}
    if any("ffi" in stem or "build" in stem for stem in stems):
        return []
    extensions = inventory.unpack(wheel.inventory).extensions
    return [
        path for path in extensions if (name := path.rpartition("/")[2]) not in stems and "mypyc" not in name
    ]


# --- the modules of the sdist as wheels install them -----------------------------------------------


def _compare_with_sdist(release: ReleaseContent) -> _Comparison | None:
    """Return the wheels with what the only sdist has for them; None if there is nothing to compare."""
    if "comparison with the sdist" not in release.derived:
        release.derived["comparison with the sdist"] = _make_comparison(release)
    comparison: _Comparison | None = release.derived["comparison with the sdist"]
    return comparison


def _make_comparison(release: ReleaseContent) -> _Comparison | None:
    sdists = [
        (summary.name, summary)
        for summary in release.summaries
        if isinstance(summary.name, SdistName) and summary.inventory not in {b"", inventory.TOO_LARGE}
    ]
    wheels = release_modules.list_wheels(release)
    if len(sdists) != 1 or not wheels or release_modules.find_differences(release) is None:
        return None
    name, summary = sdists[0]
    installed: set[str] = set()
    extensions: set[str] = set()
    for packed in {wheel.inventory for _, wheel in wheels}:
        listed = inventory.unpack(packed)
        installed.update(listed.modules)
        extensions.update(listed.extensions)
    sources = inventory.unpack(summary.inventory)
    prefixes = _locate_packages(sources.modules, installed)
    expected = {
        rest: module for path, module in sources.modules.items() for rest in _strip_prefix(path, prefixes)
    }
    cython_folders = frozenset(
        rest.rpartition("/")[0] for path in sources.extensions for rest in _strip_prefix(path, prefixes)
    )
    return _Comparison(name, wheels, installed, extensions, expected, cython_folders) if expected else None


def _strip_prefix(path: str, prefixes: Mapping[str, str]) -> Iterator[str]:
    """Yield the path at which wheels install a file of the sdist; nothing if it is in no package."""
    for prefix, rest in _split_at_names(path, prefixes):
        if prefixes[rest.partition("/")[0]] == prefix:
            yield rest
            return


def _locate_packages(sources: Iterable[str], installed: Collection[str]) -> dict[str, str]:
    """Return the folder of the sdist, with a slash, of each package or module that wheels install.

    A package lies at the top of the sdist, below ``src``, or anywhere else: in the folder with most of the
    modules that the wheels have.
    """
    sizes = Counter(path.partition("/")[0] for path in installed)
    candidates: dict[str, Counter[str]] = defaultdict(Counter)
    for path in sources:
        for prefix, rest in _split_at_names(path, sizes):
            candidates[rest.partition("/")[0]][prefix] += rest in installed
    located: dict[str, str] = {}
    for top, counts in candidates.items():
        prefix = max(counts, key=lambda prefix: (counts[prefix], -len(prefix)))
        if counts[prefix] and counts[prefix] >= _MIN_SHARE * sizes[top]:
            located[top] = prefix
    return located


def _split_at_names(path: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the ways to split a path into a folder and a path that begins with one of ``names``."""
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part in names:
            prefix = "/".join(parts[:index])
            yield f"{prefix}/" if prefix else "", "/".join(parts[index:])


# --- stale wheels ----------------------------------------------------------------------------------


def _find_stale(
    comparison: _Comparison, version: Version, known: Collection[tuple[WheelName, str]]
) -> Iterator[tuple[WheelName, str]]:
    """Yield each wheel whose sources differ from those of the sdist, with a clause that says how."""
    # The modules of one wheel are in memory at a time.
    paths_of_inventory = {
        packed: _find_differing(inventory.unpack(packed).modules, comparison.expected)
        for packed in {summary.inventory for _, summary in comparison.wheels}
    }
    differing: dict[str, list[WheelName]] = defaultdict(list)
    for name, summary in comparison.wheels:
        for path in paths_of_inventory[summary.inventory]:
            differing[path].append(name)
    tolerated = {path for path, names in differing.items() if _is_tolerated(path, names, comparison)}
    for name, summary in comparison.wheels:
        installed = inventory.unpack(summary.inventory).modules
        texts = sorted(
            path
            for path in paths_of_inventory[summary.inventory]
            if path not in tolerated and (name, path) not in known
        )
        versions = _find_other_versions(installed, comparison.expected, version)
        if clause := _describe_stale(comparison, installed, texts, versions):
            yield name, clause


def _find_differing(installed: Mapping[str, Module], expected: Mapping[str, Module]) -> list[str]:
    return [
        path
        for path, module in installed.items()
        if module.text_crc
        and (source := expected.get(path))
        and source.text_crc
        and source.text_crc != module.text_crc
    ]


def _is_tolerated(path: str, names: Sequence[WheelName], comparison: _Comparison) -> bool:
    """Return whether a build may have changed this file: by its name, or because of its platform."""
    if _is_generated(path):
        return True
    if len(names) == len(comparison.wheels):
        return False
    platforms = {_get_system(name) for name in names}
    # Repair tools and builds for one system change a file in all of its wheels.
    return sum(_get_system(name) in platforms for name, _ in comparison.wheels) == len(names)


def _get_system(name: WheelName) -> str:
    return release_modules.get_system(name.platforms[0])


def _find_other_versions(
    installed: Mapping[str, Module], expected: Mapping[str, Module], version: Version
) -> list[tuple[str, str, str]]:
    """Return the files in which either the wheel or the sdist states another version than the release's.

    Each with the version in the wheel and that in the sdist.
    """
    other = []
    for path, module in installed.items():
        source = expected.get(path)
        if not source or not module.version or not source.version:
            continue
        states = [release_modules.states_version(each.version, version) for each in (module, source)]
        if any(states) and not all(states) and not _is_placeholder(source.version):
            other.append((path, module.version, source.version))
    return sorted(other)


def _is_placeholder(text: str) -> bool:
    return text in _PLACEHOLDER_VERSIONS or "unknown" in text or text.startswith(("0+", "0.0.0"))


def _describe_stale(
    comparison: _Comparison,
    installed: Mapping[str, Module],
    texts: Sequence[str],
    versions: Sequence[tuple[str, str, str]],
) -> str:
    """Return a clause that says how a wheel differs from the sdist; empty if it does not."""
    clauses = [
        f"{path} states version {own}, but {source} in {comparison.sdist}"
        for path, own, source in versions[:1]
    ]
    if other := [path for path in texts if path not in {path for path, *_ in versions}]:
        verb = format_verb(len(other), "have")
        clauses.append(
            f"{summarize_values(other, _MAX_PATHS)} {verb} another text than in {comparison.sdist}"
        )
    if not clauses:
        return ""
    tops = {path.partition("/")[0] for path in comparison.expected}
    added = sorted(
        path
        for path in installed
        if path not in comparison.expected and path.partition("/")[0] in tops and not _is_generated(path)
    )
    if added:
        verb = format_verb(len(added), "are")
        clauses.append(f"{summarize_values(added, _MAX_PATHS)} {verb} not in the sdist")
    return "; ".join(clauses)


def _group_by_message(findings: Iterator[tuple[WheelName, str]]) -> dict[tuple[WheelName, ...], str]:
    wheels: dict[str, list[WheelName]] = defaultdict(list)
    for name, message in findings:
        wheels[message].append(name)
    return {tuple(names): message for message, names in wheels.items()}


# --- modules that are not packaged -----------------------------------------------------------------


def _describe_missing(
    comparison: _Comparison, missing: Sequence[str], installed: Collection[str]
) -> Iterator[Observation]:
    packages = {path.rpartition("/")[0] for path in comparison.expected if path.endswith("/__init__.py")}
    folders = _list_folders(installed)
    names = sorted(
        {
            _find_absent_root(path, folders)
            for path in missing
            if _is_importable(path, packages, folders) and not _is_left_out(path, folders, comparison)
        }
    )
    if names:
        yield (
            f"{summarize_values(names, _MAX_PATHS)} "
            f"{format_verb(len(names), 'are')} in {comparison.sdist} and in no wheel"
        )


def _is_importable(path: str, packages: Collection[str], folders: Collection[str]) -> bool:
    """Return whether a file lies in a package that wheels install, or in a subpackage of one."""
    folder = path.rpartition("/")[0]
    if folder in folders:
        return path.endswith((".py", "/py.typed"))
    parent = folder
    while parent and parent not in folders:
        if parent not in packages:
            return False
        parent = parent.rpartition("/")[0]
    return bool(parent) and path.endswith(".py")


def _list_folders(paths: Iterable[str]) -> set[str]:
    """Return the folders of these paths, with those above them."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def _is_left_out(path: str, folders: Collection[str], comparison: _Comparison) -> bool:
    """Return whether wheels need not have this file: by its name, or as a package of optional extensions."""
    folder, _, name = path.rpartition("/")
    if name == "__init__.py" and (folder in folders or folder in comparison.cython_folders):
        return True  # Wheels have it as a namespace package.
    if _is_generated(path):
        return True
    _, _, below_top = path.rpartition(".")[0].partition("/")
    # A project named "demo", or "x-tools", has these words in the names of its packages.
    own_words = _WORD.findall(comparison.sdist.project)
    return not (_UNPACKAGED_WORDS - set(own_words)).isdisjoint(_WORD.findall(below_top.lower()))


def _is_generated(path: str) -> bool:
    """Return whether a build writes this file, judged by its name."""
    if path.endswith(".pyi"):
        return True
    name = path.rpartition("/")[2].removesuffix(".py").lower()
    words = set(_WORD.findall(name))
    return not words.isdisjoint(_GENERATED_WORDS) or (
        name.startswith("_") and not words.isdisjoint(_PRIVATE_GENERATED_WORDS)
    )


def _find_absent_root(path: str, folders: Collection[str]) -> str:
    """Return the topmost folder of a path that no wheel has, with a slash, or the path if all are there."""
    parts = path.split("/")
    for index in range(1, len(parts)):
        if (folder := "/".join(parts[:index])) not in folders:
            return f"{folder}/"
    return path


CHECKS = (differs_from_sdist, modules_not_in_wheels, sdist_without_sources)

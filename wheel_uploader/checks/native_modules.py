"""Checks of extension modules: a suffix that Python looks for, and the function that it calls to load one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from wheel_uploader.checks.module_suffixes import (
    FIRST_ABI3T,
    STABLE_ABIS,
    Implementation,
    SuffixTag,
    TargetPython,
    explain_mismatch,
    iter_targets,
    loads_abi,
    parse_suffix_tag,
)
from wheel_uploader.checks.native_code import LoadableCode, group_by_message, iter_loadable_code
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import BinaryKind, Severity, WheelContent
from wheel_uploader.core.platforms import platforms as platforms_platforms
from wheel_uploader.core.platforms.platforms import ParsedPlatform
from wheel_uploader.facts.binaries import module_names
from wheel_uploader.facts.binaries.module_names import ModulePath
from wheel_uploader.facts.binaries.search_paths import get_installed_path

#: Suffixes of one version of Python. GraalPy's name the version of GraalPy first.
_VERSIONED_SUFFIX = re.compile(r"(?:cpython-|cp|pypy)3\d+")


class _Module(NamedTuple):
    """A member that Python could import as an extension module."""

    code: LoadableCode
    path: ModulePath
    suffix: SuffixTag | None
    platforms: tuple[ParsedPlatform, ...]

    @property
    def member(self) -> str:
        return self.code.member

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions for its name that it exports."""
        own = module_names.find_module_functions(self.member)
        return tuple(name for name in self.code.slice.module_functions or () if name in own)


def _iter_modules(wheel: WheelContent) -> Iterator[_Module]:
    """Yield the members whose suffix or exports are those of a module."""
    platforms = platforms_platforms.parse_platforms(wheel.name.platforms)
    seen = set()
    for code in iter_loadable_code(wheel) if platforms else ():
        path = module_names.parse_module_path(code.member)
        if path is None or code.slice.kind is not BinaryKind.LIBRARY or code.member in seen:
            continue
        # native/format-mismatch and native/arch-mismatch report other code.
        own = tuple(
            platform
            for platform in platforms
            if platform.format is code.binary.format and code.slice.arch in platform.arches
        )
        module = _Module(code, path, parse_suffix_tag(path.tag), own)
        if own and (module.suffix or (not path.tag and code.slice.module_functions)):
            seen.add(code.member)
            yield module


@check("native/module-suffix", Severity.ERROR)
def module_suffix(wheel: WheelContent) -> Iterator[Observation]:
    """Extension module has a suffix that the Python of the wheel's tags does not look for.

    Python finds a module by its whole suffix: the version and the ABI, and also the processor, the system and
    the C library. Python for musllinux does not find x.cpython-312-x86_64-linux-gnu.so, the free-threaded
    Python 3.15 does not find x.abi3.so, and PyPy does not find x.so. pip installs the wheel, and the import
    fails with "No module named". In a wheel with several tags each of them needs a build that its Python
    loads. Common causes are a cross build in which the suffix of the build machine was used, and tags that
    were set by hand. Build with the suffix of the target (importlib.machinery.EXTENSION_SUFFIXES), or correct
    the tags. See native/python-tag-mismatch for another version of Python.
    """
    modules: dict[str, list[_Module]] = {}
    for module in _iter_modules(wheel):
        modules.setdefault(get_installed_path(module.path.stem), []).append(module)
    targets = list(dict.fromkeys(iter_targets(wheel.name)))
    findings = [
        finding for stem, group in modules.items() for finding in _judge_group(stem, group, targets, wheel)
    ]
    yield from group_by_message(wheel, findings)


def _list_sources(wheel: WheelContent) -> frozenset[str]:
    """Return the installed paths of the Python sources, which Python loads if there is no build for it."""
    sources: frozenset[str] | None = wheel.derived.get("installed sources")
    if sources is None:
        sources = wheel.derived["installed sources"] = frozenset(
            get_installed_path(member.name) for member in wheel.members if member.name.endswith(".py")
        )
    return sources


def _judge_group(
    stem: str, group: list[_Module], targets: list[TargetPython | None], wheel: WheelContent
) -> Iterator[tuple[str, str]]:
    """Yield (member, sentence) for the builds of one module that no tag can use, or a tag without a build."""
    reasons = {module.member: _explain(module, targets) for module in group}
    if all(reasons.values()):
        yield from (
            (module.member, reasons[module.member])
            for module in group
            if not _is_for_another_version(module, targets)
        )
        return
    yield from (
        (module.member, reason)
        for module in group
        if (reason := reasons[module.member]) and not _is_for_others(module, targets)
    )
    if None in targets:
        return
    for target in targets:
        platforms = {platform for module in group for platform in module.platforms}
        missing = [
            platform.tag
            for platform in sorted(platforms, key=lambda platform: platform.tag)
            if not any(
                platform in module.platforms
                and not explain_mismatch(module.path, module.suffix, target, platform)
                for module in group
            )
        ]
        if missing and target and _list_sources(wheel).isdisjoint({f"{stem}.py", f"{stem}/__init__.py"}):
            label = f"{target.label}-{join_some(missing)}"
            yield group[0].member, f"the wheel is also for {label}, which loads no build of this module"


def _explain(module: _Module, targets: list[TargetPython | None]) -> str:
    """Return why no Python of the wheel's tags loads the module; empty if one does."""
    reason = ""
    for target in targets or [None]:
        for platform in module.platforms:
            mismatch = explain_mismatch(module.path, module.suffix, target, platform)
            if not mismatch:
                return ""
            reason = reason or mismatch
    return reason


def _is_versioned(module: _Module) -> bool:
    return module.suffix is not None and _VERSIONED_SUFFIX.match(module.suffix.python) is not None


def _is_for_others(module: _Module, targets: list[TargetPython | None]) -> bool:
    """Return whether the module may be an additional build for other Pythons."""
    is_stable = module.suffix is not None and module.suffix.python in STABLE_ABIS
    return is_stable or _is_for_another_version(module, targets)


def _is_for_another_version(module: _Module, targets: list[TargetPython | None]) -> bool:
    """Return whether native/python-tag-mismatch reports the module, because it is for another version."""
    return (
        module.suffix is not None
        and _is_versioned(module)
        and not any(target is None or _is_same_python(target, module.suffix.python) for target in targets)
    )


def _is_same_python(target: TargetPython, python: str) -> bool:
    # The number behind "pp" is the version of PyPy's ABI.
    is_pypy = target.implementation is Implementation.PYPY
    return loads_abi(target, python) or (is_pypy and target.abi.partition("-")[0] == python.partition("-")[0])


#: The functions that a PyInit function calls with its PyModuleDef, a structure that abi3t lacks. The PyInit
#: functions of cffi's modules do not call them: another module creates the module.
_WITH_DEFINITION = frozenset({"PyModuleDef_Init", "PyModule_Create2", "PyModule_FromDefAndSpec2"})


@check("native/module-init", Severity.ERROR)
def module_init(wheel: WheelContent) -> Iterator[Observation]:
    """Extension module does not export the function by which Python loads it.

    To load x.so, Python calls its function PyInit_x or, from version 3.15 on, PyModExport_x (PEP 793). If the
    file exports only such functions for other names, the import fails with "dynamic module does not define
    module export function". Python before 3.15 does not know PyModExport functions, and a module for the
    stable ABI of free-threaded Python (abi3t, PEP 803) cannot create itself from a PyModuleDef in a PyInit
    function. Common causes are a file that was renamed, a name in PYBIND11_MODULE, #[pymodule] or Py_mod_name
    that differs from that of the file, and a debug build for Windows (x_d.pyd). Build the module under the
    name of its function.
    """
    targets = list(dict.fromkeys(iter_targets(wheel.name)))
    modules = list(_iter_modules(wheel))
    stems = {module.path.stem for module in modules}
    findings = (
        (module.member, problem)
        for module in modules
        if (problem := _find_init_problem(module, targets, stems))
    )
    yield from group_by_message(wheel, findings)


def _find_init_problem(module: _Module, targets: list[TargetPython | None], stems: set[str]) -> str:
    exported = module.code.slice.module_functions
    if not exported:
        return ""  # A library with the suffix of a module, which is loaded in another way; or it is unknown.
    if not module.functions:
        if module.path.stem.endswith("_d") and module.path.stem.removesuffix("_d") in stems:
            return ""  # The wheel also has the ordinary build.
        expected = module_names.find_module_functions(module.member)[0]
        return f"it exports {join_some(exported)} and not {expected}"
    prefixes = {name.partition("_")[0].removesuffix("U") for name in module.functions}
    for target in targets:
        if target is None or not _is_loaded_by(module, target):
            continue
        if prefixes == {module_names.EXPORT_PREFIX} and target.version < FIRST_ABI3T:
            return (
                f"it exports {module.functions[0]} alone, which Python before 3.15 does not call, but the "
                f"wheel is for {target.label}"
            )
        if (
            prefixes == {module_names.INIT_PREFIX}
            and target.stable_abi == "abi3t"
            and not _is_created_elsewhere(module)
        ):
            return (
                f"it exports {module.functions[0]} alone, but a module for abi3t needs a PyModExport function"
            )
    return ""


def _is_created_elsewhere(module: _Module) -> bool:
    """Return whether the functions that the module imports are known, and none takes a PyModuleDef."""
    functions = module.code.slice.python_imports
    return bool(functions) and _WITH_DEFINITION.isdisjoint(functions)


def _is_loaded_by(module: _Module, target: TargetPython) -> bool:
    return any(
        not explain_mismatch(module.path, module.suffix, target, platform) for platform in module.platforms
    )


CHECKS = (module_suffix, module_init)

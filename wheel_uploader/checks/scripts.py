"""Checks of the scripts that installers generate from entry points: they can be generated, and run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from wheel_uploader.checks import core_metadata, installed_layout
from wheel_uploader.checks.installed_layout import ModuleIndex
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import Severity, WheelContent
from wheel_uploader.facts.archive import record
from wheel_uploader.facts.archive.entry_points import Script

#: Source that may define names which do not occur in it.
_DYNAMIC_SOURCE = (b"import *", b"__getattr__", b"globals()", b"exec(", b"setattr(", b"sys.modules", b"vars(")
_MAX_VALUE = 80


def _get_path(wheel: WheelContent) -> str:
    return f"{record.find_dist_info(wheel)}/entry_points.txt"


@check("wheel/bad-script", Severity.ERROR)
def bad_script(wheel: WheelContent) -> Iterator[Observation]:
    """Script entry point does not name a function.

    Installers generate a script that imports a module and calls a function, so the entry point must be
    "module:function". pip refuses to install a wheel with "demo = demo", and generates a script that fails
    from a name which is not an identifier. The usual causes are a function that was left out, and a file name
    with a hyphen. Correct the entry point in the project's configuration.
    """
    for script in installed_layout.list_scripts(wheel):
        if not script.module:
            value = script.value[:_MAX_VALUE]
            yield (
                _get_path(wheel),
                f"'{script.name} = {value}' in {script.group} is not of the form module:function",
            )


@check("wheel/missing-script-module", Severity.ERROR)
def missing_script_module(wheel: WheelContent) -> Iterator[Observation]:
    """Script entry point names a module that is not in the wheel.

    The script fails as soon as it is started. Common causes are a module that was renamed, and a build tool
    that did not find a subpackage. Correct the entry point, or include the module. A module that a required
    project may install is not reported.
    """
    scripts = [script for script in installed_layout.list_scripts(wheel) if script.module]
    if not scripts:
        return
    index = ModuleIndex(wheel, scripts)
    if index.has_path_file:
        return  # The modules may be in any directory.
    for script in scripts:
        missing = _find_missing_module(script.module, index)
        called = f"{script.module}:{script.function}"
        if missing and not _may_be_elsewhere(missing, wheel, index):
            yield _get_path(wheel), f"'{script.name}' calls {called}, but there is no {missing}"
        elif not missing and not index.has_code(script.module):
            yield _get_path(wheel), f"'{script.name}' calls {called}, but {script.module} is only a directory"


def _find_missing_module(module: str, index: ModuleIndex) -> str:
    """Return the first part of a dotted name that the wheel does not have; empty if it has them all."""
    parts = module.split(".")
    names = (".".join(parts[: count + 1]) for count in range(len(parts)))
    return next((name for name in names if not index.has(name)), "")


def _may_be_elsewhere(missing: str, wheel: WheelContent, index: ModuleIndex) -> bool:
    """Return whether another project or Python itself may have the module."""
    parent = missing.rpartition(".")[0]
    if not parent and missing in sys.stdlib_module_names:
        return True
    if parent and index.is_complete_package(parent):
        return False
    return bool(core_metadata.read_core_metadata_or_empty(wheel).get_values("requires_dist"))


@check("wheel/missing-script-function", Severity.WARNING)
def missing_script_function(wheel: WheelContent) -> Iterator[Observation]:
    """Script entry point names a function that does not occur in its module.

    The script fails as soon as it is started, because its module has no such function. The usual cause is a
    function that was renamed. Correct the entry point. Modules that define names dynamically, and compiled
    modules, are not examined.
    """
    scripts = [script for script in installed_layout.list_scripts(wheel) if script.module]
    sources = installed_layout.map_retained_sources(wheel) if scripts else {}
    for script in scripts:
        if member := _find_source_without(script, sources, wheel):
            yield member, f"the script '{script.name}' calls {script.function}, which does not occur in it"


def _find_source_without(script: Script, sources: Mapping[str, str], wheel: WheelContent) -> str:
    """Return the source in which the function of a script does not occur; empty if that is uncertain."""
    path = script.module.replace(".", "/")
    members = [sources[name] for name in (f"{path}.py", f"{path}/__init__.py") if name in sources]
    if len(members) != 1:
        return ""
    source = wheel.retained_members[members[0]]
    is_found = _has_word(source, script.function.partition(".")[0].encode())
    return "" if is_found or any(marker in source for marker in _DYNAMIC_SOURCE) else members[0]


def _has_word(source: bytes, word: bytes) -> bool:
    offset = source.find(word)
    while offset >= 0:
        before, after = source[offset - 1 : offset], source[offset + len(word) : offset + len(word) + 1]
        if not (_is_word(before) or _is_word(after)):
            return True
        offset = source.find(word, offset + len(word))
    return False


def _is_word(character: bytes) -> bool:
    return character.isalnum() or character == b"_"


CHECKS = (bad_script, missing_script_module, missing_script_function)

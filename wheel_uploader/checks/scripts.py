"""Checks of the scripts that a wheel installs: they can be generated and run, and replace no program."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from wheel_uploader.checks import core_metadata, installed_layout
from wheel_uploader.checks.installed_layout import ModuleIndex
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import Severity, WheelContent
from wheel_uploader.facts.archive import entry_points, installed_paths, record
from wheel_uploader.facts.archive.entry_points import Script

#: Source that may define names which do not occur in it.
_DYNAMIC_SOURCE = (b"import *", b"__getattr__", b"globals()", b"exec(", b"setattr(", b"sys.modules", b"vars(")
_MAX_VALUE = 80
#: The programs of an environment, as installers and users call them.
_RESERVED_NAME = re.compile(r"(?:python|pip)w?(?:[23](?:\.[0-9]{1,2})?t?)?w?(?:\.exe)?\Z", re.IGNORECASE)
_NOT_A_LETTER = re.compile(r"[^a-z]")
#: The letters of each group of scripts, with and without the plural, and the group.
_GROUPS_BY_LETTERS = {
    spelling: group
    for group in entry_points.SCRIPT_GROUPS
    for letters in [_NOT_A_LETTER.sub("", group)]
    for spelling in (letters, letters.removesuffix("s"))
}
#: The line that installers replace by one with the Python of the environment.
_PLACEHOLDER_SHEBANG = b"#!python"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


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
    found = [
        (script, member) for script in scripts if (member := _find_source_without(script, sources, wheel))
    ]
    if not found:
        return
    # "from package import module" imports the module, in which this function may be.
    submodules = {script: _get_submodule(script) for script, _ in found if "." in script.function}
    index = ModuleIndex(wheel, submodules.values())
    for script, member in found:
        if script not in submodules or not index.has_code(submodules[script].module):
            yield member, f"the script '{script.name}' calls {script.function}, which does not occur in it"


def _get_submodule(script: Script) -> Script:
    """Return the script with the first part of its function as a module."""
    first, _, function = script.function.partition(".")
    return replace(script, module=f"{script.module}.{first}", function=function)


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


@check("wheel/misspelled-script-group", Severity.WARNING)
def misspelled_script_group(wheel: WheelContent) -> Iterator[Observation]:
    """Group of entry points is nearly called console_scripts or gui_scripts.

    Installers generate scripts for these two groups only, and ignore "console-scripts" without a word, so
    that the command does not exist after the installation. Correct the name in the project's configuration.
    """
    for group in _list_groups(wheel):
        intended = _GROUPS_BY_LETTERS.get(_NOT_A_LETTER.sub("", group.lower()))
        if intended and group != intended:
            yield _get_path(wheel), f"the group is [{group[:_MAX_VALUE]}], not [{intended}]"


def _list_groups(wheel: WheelContent) -> tuple[str, ...]:
    """Return the groups in entry_points.txt; none if it is invalid, which another check reports."""
    data = wheel.retained_members.get(_get_path(wheel), b"")
    try:
        text = data.decode("utf-8")
        if max(map(len, text.splitlines()), default=0) > entry_points.MAX_LINE:
            return ()
        return tuple(entry_points.parse_entry_points(text))
    except (UnicodeDecodeError, entry_points.InvalidEntryPoints):
        return ()


@check("wheel/reserved-script", Severity.WARNING)
def reserved_script(wheel: WheelContent) -> Iterator[Observation]:
    """Script has the name of a program of the environment itself.

    With pip, a script called "python" or "pip" replaces that program, and the environment no longer works; uv
    refuses the name "python". Rename the script in the project's configuration.
    """
    if wheel.name.project == "pip":
        return
    for name, member in _list_script_names(wheel):
        if _RESERVED_NAME.match(name):
            yield member, f"the script '{name}' replaces a program of the environment"


@check("wheel/script-case-collision", Severity.WARNING)
def script_case_collision(wheel: WheelContent) -> Iterator[Observation]:
    """Names of two scripts differ only in upper and lower case.

    They are one file on Windows and on macOS, so one of the two commands runs the other's code there. Rename
    one of them, or keep only one.
    """
    first: dict[str, str] = {}
    for name, member in _list_script_names(wheel):
        other = first.setdefault(name.casefold(), name)
        if other != name:
            yield member, f"the script '{name}' differs from '{other}' only in upper and lower case"


def _list_script_names(wheel: WheelContent) -> Iterator[tuple[str, str]]:
    """Yield the name of each script and the member that it comes from."""
    yield from ((script.name, _get_path(wheel)) for script in installed_layout.list_scripts(wheel))
    for file in installed_layout.list_data_files(wheel):
        if file.scheme == installed_paths.SCRIPTS:
            yield file.path, file.member.name


@check("wheel/bad-shebang", Severity.WARNING)
def bad_shebang(wheel: WheelContent) -> Iterator[Observation]:
    """First line of a script names an interpreter that the system cannot find.

    Installers replace "#!python" at the very beginning of a script. Any other line is kept: Linux and macOS
    take a carriage return at its end as part of the interpreter's name ("bad interpreter: python3^M"), look
    for an interpreter without a path in the current directory, and do not see the line after a byte order
    mark. The usual cause is a file that was edited or checked out on Windows. Save it with Unix line ends,
    and begin it with "#!python" or "#!/usr/bin/env".
    """
    if all(platform.startswith("win") for platform in wheel.name.platforms):
        return
    for file in installed_layout.list_data_files(wheel):
        if file.scheme == installed_paths.SCRIPTS and (problem := _describe_shebang(file.member.first_bytes)):
            yield file.member.name, problem


def _describe_shebang(data: bytes) -> str:
    """Return why the system cannot run a script that begins with ``data``; empty if it can."""
    if data.startswith(_BYTE_ORDER_MARK + b"#!"):
        return "a byte order mark precedes its first line"
    if not data.startswith(b"#!") or data.startswith(_PLACEHOLDER_SHEBANG):
        return ""
    line, line_break, _ = data.partition(b"\n")
    if b"\\" in line:
        return ""  # The path of a build machine with Windows, which wheel/builder-shebang reports.
    if line_break and line.endswith(b"\r"):
        return "its first line ends with a carriage return"
    interpreter = line[2:].strip().partition(b" ")[0].decode("utf-8", "replace")
    if interpreter and "/" not in interpreter:
        return f"its interpreter '{interpreter[:_MAX_VALUE]}' has no path"
    return ""


CHECKS = (
    bad_script,
    missing_script_module,
    missing_script_function,
    misspelled_script_group,
    reserved_script,
    script_case_collision,
    bad_shebang,
)

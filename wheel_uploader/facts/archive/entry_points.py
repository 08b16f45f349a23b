"""Parser for entry_points.txt that behaves like configparser with "=" as its only delimiter, on every Python.

PyPI and installers use configparser, whose parser was rewritten for Python 3.13.
"""

from __future__ import annotations

import keyword
import re

from wheel_uploader.core.lazy_dataclass import dataclass

#: Maximum length of a line in entry_points.txt, for which the parser's time grows quadratically.
MAX_LINE = 1000
SCRIPT_GROUPS = ("console_scripts", "gui_scripts")
_GROUP_HEADER = re.compile(r"\[(.+)\]")
_COMMENT_PREFIXES = ("#", ";")
#: An object and its extras as distlib accepts them, which generates the scripts for pip.
_OBJECT = re.compile(
    r"(?P<module>\w+(?:\.\w+)*):(?P<function>\w+(?:\.\w+)*)\s*"
    r"(?:\[\s*[\w-]+(?:=\w+)?(?:,\s*\w+(?:=\w+)?)*\s*\])?\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script that installers generate: its group and name, and the object that it calls."""

    group: str
    name: str
    value: str
    #: The module and the function in it; both are empty if pip cannot generate a script from ``value``.
    module: str
    function: str


class InvalidEntryPoints(ValueError):
    """The text is not in INI format; ``str()`` names the first invalid line."""


def parse_entry_points(text: str) -> dict[str, dict[str, str]]:
    """Return the objects by name for each group. Raise InvalidEntryPoints if the text is not in INI format.

    Only the first line of an object is returned, because it is all that importlib.metadata reads.
    """
    groups: dict[str, dict[str, str]] = {}
    names: dict[str, str] | None = None
    indent = 0
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(_COMMENT_PREFIXES):
            continue
        is_indented = len(line) - len(line.lstrip()) > indent
        if names and is_indented:
            continue  # Continues the previous value.
        indent = len(line) - len(line.lstrip())
        if header := _GROUP_HEADER.match(stripped):
            if header[1] in groups:
                raise InvalidEntryPoints(f"line {number} repeats the group [{header[1]}]")
            names = groups[header[1]] = {}
            continue
        name, equals, value = stripped.partition("=")
        name = name.rstrip()
        if names is None:
            raise InvalidEntryPoints(f"line {number} is not in a group such as [console_scripts]")
        if not equals or not name:
            raise InvalidEntryPoints(f"line {number} is not NAME = OBJECT")
        if name in names:
            raise InvalidEntryPoints(f"line {number} repeats '{name}'")
        names[name] = value.strip()
    return groups


def parse_scripts(data: bytes) -> tuple[Script, ...]:
    """Return the scripts that installers generate for these entry points; none if they are invalid."""
    try:
        text = data.decode("utf-8")
        # Parsing takes quadratic time for long lines.
        if max(map(len, text.splitlines()), default=0) > MAX_LINE:
            return ()
        groups = parse_entry_points(text)
    except (UnicodeDecodeError, InvalidEntryPoints):
        return ()
    return tuple(
        Script(group=group, name=name, value=value, **_split_object(value))
        for group in SCRIPT_GROUPS
        for name, value in groups.get(group, {}).items()
    )


def list_script_sources(data: bytes) -> set[str]:
    """Return the paths at which the modules of scripts may be installed as source."""
    modules = {script.module.replace(".", "/") for script in parse_scripts(data) if script.module}
    return {f"{path}{suffix}" for path in modules for suffix in (".py", "/__init__.py")}


def _split_object(value: str) -> dict[str, str]:
    match = _OBJECT.match(value)
    if not match or not all(map(_is_name, [*match["module"].split("."), *match["function"].split(".")])):
        return {"module": "", "function": ""}
    return {"module": match["module"], "function": match["function"]}


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)

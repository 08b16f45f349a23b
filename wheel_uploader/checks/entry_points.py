"""Parser for entry_points.txt that behaves like configparser with "=" as its only delimiter, on every Python.

PyPI and installers use configparser, whose parser was rewritten for Python 3.13.
"""

from __future__ import annotations

import re

_GROUP_HEADER = re.compile(r"\[(.+)\]")
_COMMENT_PREFIXES = ("#", ";")


class InvalidEntryPoints(ValueError):
    """The text is not in INI format; ``str()`` names the first invalid line."""


def parse_entry_points(text: str) -> dict[str, list[str]]:
    """Return the names in each group, in order. Raise InvalidEntryPoints if the text is not in INI format."""
    groups: dict[str, list[str]] = {}
    names: list[str] | None = None
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
            names = groups[header[1]] = []
            continue
        name, equals, _ = stripped.partition("=")
        name = name.rstrip()
        if names is None:
            raise InvalidEntryPoints(f"line {number} is not in a group such as [console_scripts]")
        if not equals or not name:
            raise InvalidEntryPoints(f"line {number} is not NAME = OBJECT")
        if name in names:
            raise InvalidEntryPoints(f"line {number} repeats '{name}'")
        names.append(name)
    return groups

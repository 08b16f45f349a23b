"""entry_points.txt, read as configparser reads it with "=" for its only delimiter, on every Python.

PyPI and installers use configparser, whose reader was rewritten for Python 3.13.
"""

from __future__ import annotations

import re

_GROUP = re.compile(r"\[(.+)\]")
_COMMENTS = ("#", ";")


class NotEntryPoints(ValueError):
    """The text is not in INI form; ``str()`` names the first line that is not."""


def read(text: str) -> dict[str, list[str]]:
    """Return the names in each group, in order. Raises NotEntryPoints."""
    groups: dict[str, list[str]] = {}
    names: list[str] | None = None
    indent = 0
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(_COMMENTS):
            continue
        deeper = len(line) - len(line.lstrip()) > indent
        if names and deeper:
            continue  # more of the value before
        indent = len(line) - len(line.lstrip())
        if found := _GROUP.match(stripped):
            if found[1] in groups:
                raise NotEntryPoints(f"line {number} begins [{found[1]}] again")
            names = groups[found[1]] = []
            continue
        name, equals, _ = stripped.partition("=")
        name = name.rstrip()
        if names is None:
            raise NotEntryPoints(f"line {number} is not in a group such as [console_scripts]")
        if not equals or not name:
            raise NotEntryPoints(f"line {number} is not NAME = OBJECT")
        if name in names:
            raise NotEntryPoints(f"line {number} has '{name}' again")
        names.append(name)
    return groups

"""Checks of what a wheel does to others in the same environment: start-up code and shared namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import Severity, WheelContent, WheelMember
from wheel_uploader.facts.archive import installed_paths

#: The modules that Python imports when it starts, as a module, an extension module or a package.
_STARTUP_MODULE = re.compile(
    r"(?P<name>sitecustomize|usercustomize)(?:/__init__)?(?:\.[^/]{1,80})?\.(?:py|pyc|so|pyd)\Z"
)
#: The lines of a .pth file that site.py executes; the others are directories.
_IMPORT_LINE = re.compile(r"import[ \t]")
#: A function that it calls from a .start file (PEP 829).
_START_ENTRY = re.compile(r"\A[ \t]{0,20}[\w.]{1,500}[ \t]{0,20}:[ \t]{0,20}[\w.]")
_MAX_SHOWN = 80


@check("content/startup-code", Severity.WARNING)
def startup_code(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel contains code that runs at every start of Python.

    Python executes the "import" lines of .pth files, the entry points of .start files, sitecustomize and
    usercustomize in every program of the environment, also in those that never import the project. It slows
    all of them down, and attackers use it to run their own code. Some tools need it to measure
    subprocesses or to change imports. If yours does not, load the code when the project is imported. If the
    previous release had none, release/new-startup-code is an error.
    """
    for member in wheel.members:
        site_path = installed_paths.get_site_path(member.name)
        if match := _STARTUP_MODULE.match(site_path):
            yield member.name, f"Python imports {match['name']} when it starts"
        elif installed_paths.is_startup_file(site_path):
            yield from _find_startup_lines(member, wheel)


def _find_startup_lines(member: WheelMember, wheel: WheelContent) -> Iterator[Observation]:
    data = wheel.retained_members.get(member.name)
    if data is None:
        if member.size:
            yield member.name, "it is too large to be read"
        return
    is_path_file = member.name.endswith(".pth")
    lines = [
        (number, line.strip())
        for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), start=1)
        if _runs(line, is_path_file=is_path_file)
    ]
    if lines:
        number, line = lines[0]
        shown = line if len(line) <= _MAX_SHOWN else line[:_MAX_SHOWN] + "..."
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        yield member.name, f"line {number} runs when Python starts{more}: {shown}"


def _runs(line: str, *, is_path_file: bool) -> bool:
    expression = _IMPORT_LINE if is_path_file else _START_ENTRY
    return expression.match(line) is not None


@check("content/shared-namespace", Severity.WARNING)
def shared_namespace(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel takes over a namespace that many projects share.

    An __init__.py at the top of a namespace package such as "google" hides the modules of all other projects
    in that namespace, or is overwritten by theirs. Remove it, so that Python combines the directories (PEP
    420).
    """
    for member in wheel.members:
        site_path = installed_paths.get_site_path(member.name)
        namespace = installed_paths.get_shared_namespace(site_path).replace("/", ".")
        if not namespace or canonicalize_name(namespace) == wheel.name.project:
            continue
        source = wheel.retained_members.get(member.name, b"")
        if b"extend_path" not in source and b"declare_namespace" not in source:
            yield member.name, f"it makes '{namespace}' a package of this project alone"


CHECKS = (startup_code, shared_namespace)

"""Checks for files of the developer's machine: settings, caches, version control, output of builds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.secrets import strip_project
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import SdistContent, Severity, WheelContent
from wheel_uploader.core.string_cache import cached_for_short_strings
from wheel_uploader.facts.archive import path_kinds, secret_patterns

_BYTECODE = "bytecode"
_EDITOR_SETTINGS = "the settings of an editor"
#: Kinds that belong in one kind of archive, or that another check reports for it.
_EXPECTED_IN_SDISTS = frozenset({_EDITOR_SETTINGS})
_EXPECTED_IN_WHEELS = frozenset({_BYTECODE})
#: Directory and file names, with a description of each.
_NAMES = {
    **dict.fromkeys((".git", ".hg", ".svn", ".bzr", ".jj", ".sl", "CVS"), "a directory of version control"),
    **dict.fromkeys(
        (
            *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints"),
            *(".sass-cache", ".dmypy.json", ".pyre", ".pytype", ".terraform", ".ropeproject"),
        ),
        "a cache",
    ),
    **dict.fromkeys(
        (
            ".tox",
            ".nox",
            ".venv",
            ".pixi",
            ".direnv",
            ".eggs",
            "pyvenv.cfg",
            "pip-wheel-metadata",
            ".pdm-python",
        ),
        "an environment of the build machine",
    ),
    "node_modules": "a directory of npm packages",
    **dict.fromkeys(
        (".DS_Store", "__MACOSX", ".AppleDouble", "Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN"),
        "a file of the desktop",
    ),
    ".htpasswd": "a file for credentials",
    **dict.fromkeys(
        (".bash_history", ".zsh_history", ".python_history", ".Rhistory", ".gdb_history", ".lesshst"),
        "a history of commands",
    ),
    **dict.fromkeys((".coverage", "htmlcov"), "data of coverage"),
    **dict.fromkeys((".idea", ".spyproject"), _EDITOR_SETTINGS),
}
#: Settings with secrets, such as ``.env`` and ``.env.production``; those for others to copy are fine.
_ENVIRONMENT_FILE = re.compile(r"\.env(?:\.(?P<variant>[\w.-]{1,40}))?\Z")
_ENVIRONMENT_EXAMPLES = frozenset(
    {"example", "examples", "sample", "template", "tmpl", "dist", "default", "defaults", "test"}
)
_BACKUP = re.compile(r"\._.|\.#.|\.nfs[0-9a-f]|#.{1,200}#\Z|.{1,200}(?:\.(?:sw[op]|rej|bak)|~)\Z")

_BYTECODE_CACHE = "__pycache__"
#: Output of earlier builds below the top directory of an sdist.
_BUILD_OUTPUT = re.compile(
    r"[^/]+/(?P<output>build/(?:lib(?:\.[^/]+)?|temp\.[^/]+|bdist\.[^/]+)|dist/[^/]+\.(?:whl|tar\.gz|egg))(?:/|\Z)"
)
#: Extension modules for one Python.
_COMPILED_MODULE = re.compile(r"\.(?:cpython-3\d+|cp3\d+|pypy3\d+|graalpy\d+|abi3)[\w-]{0,80}\.(?:so|pyd)\Z")


@check("content/unwanted-file", Severity.WARNING)
def unwanted_file(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File of the developer's machine is in the archive.

    Directories of version control, caches, environments, backups and settings such as ".env" are useless to
    users, and may contain what must not be published. The usual cause is a build from a working directory
    with a build tool that includes every file. Exclude them in the configuration of the build tool, or build
    from a clean checkout. Files below directories of tests are not reported.
    """
    counts: Counter[tuple[str, str]] = Counter()
    expected = _EXPECTED_IN_SDISTS if isinstance(content, SdistContent) else _EXPECTED_IN_WHEELS
    for member in content.members:
        found = _find_unwanted(member.name)
        if found is None or found[1] in expected:
            continue
        if not path_kinds.is_test_path(strip_project(found[0], content)):
            counts[found] += 1
    for (path, kind), count in counts.items():
        yield path, f"it is {kind}" + (f" with {format_count(count, 'file')}" if count > 1 else "")


@cached_for_short_strings
def _find_unwanted(path: str) -> tuple[str, str] | None:
    """Return the path of the first unwanted directory or file of a path, and what it is."""
    parts = path.rstrip("/").split("/")
    for index, part in enumerate(parts):
        if kind := _describe(part, is_last=index == len(parts) - 1):
            return "/".join(parts[: index + 1]), kind
    return None


def _describe(name: str, *, is_last: bool) -> str:
    if kind := _NAMES.get(name):
        return kind
    if name == _BYTECODE_CACHE:
        return _BYTECODE
    if not is_last:
        return ""
    if secret_patterns.is_credential_file(name):
        return "a file for credentials"
    if match := _ENVIRONMENT_FILE.match(name):
        is_example = not _ENVIRONMENT_EXAMPLES.isdisjoint((match["variant"] or "").split("."))
        return "" if is_example else "a file of environment variables"
    return "a backup" if _BACKUP.match(name) else ""


@check("sdist/build-output", Severity.WARNING)
def build_output(sdist: SdistContent) -> Iterator[Observation]:
    """sdist contains the output of an earlier build.

    Files in "build/lib" are copied into the wheels of everybody who builds from the sdist, even if they were
    deleted from the sources long ago; compiled modules are those of the build machine; and files in "dist"
    are earlier releases. The usual cause is a build from a working directory with a build tool that includes
    every file. Build from a clean checkout. Files below directories of tests are not reported.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for member in sdist.members:
        if member.kind == "directory" or path_kinds.is_test_path(strip_project(member.name, sdist)):
            continue
        path = member.name.removeprefix("./")
        if match := _BUILD_OUTPUT.match(path):
            counts[path[: match.end("output")], "the output of an earlier build"] += 1
        elif _COMPILED_MODULE.search(path):
            counts[path, "compiled for the build machine"] += 1
    for (path, problem), count in counts.items():
        yield path, f"it is {problem}" + (f" with {format_count(count, 'file')}" if count > 1 else "")


CHECKS = (unwanted_file, build_output)

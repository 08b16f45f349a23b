"""Check that the Python source of a wheel can be parsed by the oldest Python that the wheel is for.

Parsing all modules takes longer than everything else together. A large wheel is therefore parsed only where a
line looks like a statement that some Python does not know, and a small one completely.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
import warnings
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.secrets import strip_project
from wheel_uploader.core import bounds
from wheel_uploader.core.models import Severity, TextFactKind, WheelContent
from wheel_uploader.facts.archive import installed_paths, path_kinds, text_scanner
from wheel_uploader.facts.archive.text_scanner import ScanDepth

#: The version that each kind of statement needs.
_NEEDED_MINORS = {
    TextFactKind.PYTHON_3_10: 10,
    TextFactKind.PYTHON_3_11: 11,
    TextFactKind.PYTHON_3_12: 12,
}
#: Minor versions of Python 3 that are looked for in Requires-Python.
_MINORS = range(40)
_PYTHON_TAG = re.compile(r"(?:py|cp|pp)3(?P<minor>[0-9]{0,3})\Z")
#: Modules for one version of Python, which are imported only there.
_VERSION_IN_NAME = re.compile(
    r"(?:\A|_)(?:py|python|cp)_?[23][0-9_]{0,5}(?:\Z|_)|_[23][0-9]{1,2}\Z", re.IGNORECASE
)
#: Brackets that may be nested; the parser takes exponential time for some invalid source.
_MAX_BRACKETS = 60
#: One unit of work of the budget parses about this many bytes.
_BYTES_PER_UNIT = 10
#: Serializes changes to the warning filters, which belong to the whole process.
_FILTER_LOCK = threading.Lock()


@check("content/invalid-syntax", Severity.WARNING)
def invalid_syntax(wheel: WheelContent) -> Iterator[Observation]:
    """Python module cannot be parsed by the oldest Python that the wheel is for.

    Importing the module fails. Common causes are Python 2 code in a wheel for Python 3, and syntax that is
    newer than Requires-Python and the tags of the wheel. Correct the module, or raise Requires-Python.
    Modules in directories of tests and templates are not examined, and large wheels only where a line looks
    like such syntax.
    """
    if all(not tag.startswith(("py3", "cp3", "pp3")) for tag in wheel.name.pythons):
        return
    oldest = _find_oldest_minor(wheel)
    conflicts = {fact.member for fact in wheel.text_facts if fact.kind is TextFactKind.MERGE_CONFLICT}
    for member in _select_suspects(wheel, oldest):
        source = wheel.sources.get(member)
        if source is None or member in conflicts or not _is_importable(member, wheel):
            continue
        wheel.budget.count_work(1 + len(source) // _BYTES_PER_UNIT)
        if problem := _find_syntax_error(source, oldest):
            yield member, problem


def _select_suspects(wheel: WheelContent, oldest: int | None) -> Iterator[str]:
    """Yield the retained sources that the oldest Python may not be able to parse, each once."""
    suspects = {
        fact.member
        for fact in wheel.text_facts
        if fact.kind is TextFactKind.PYTHON_2
        or (oldest is not None and _NEEDED_MINORS.get(fact.kind, 0) > oldest)
    }
    modules = [member for member in wheel.members if member.name.endswith(".py")]
    depth = text_scanner.choose_depth(sum(member.size for member in modules))
    for member in modules:
        if member.name in suspects or depth is ScanDepth.PARSE_ALL:
            yield member.name


def _is_importable(member: str, wheel: WheelContent) -> bool:
    """Return whether users may import or run a module with any Python, as they do not tests and templates."""
    installed = installed_paths.find_installed_path(member)
    if installed is None or installed.scheme not in {installed_paths.SITE, installed_paths.SCRIPTS}:
        return False
    path = strip_project(installed.path, wheel)
    if path_kinds.is_test_path(path) or path_kinds.is_template_path(member):
        return False
    parts = installed.path.removesuffix(".py").split("/")
    is_script = installed.scheme == installed_paths.SCRIPTS
    return all((is_script or part.isidentifier()) and not _VERSION_IN_NAME.search(part) for part in parts)


def _find_oldest_minor(wheel: WheelContent) -> int | None:
    """Return the oldest minor version of Python 3 that the wheel is for; None if it is unknown."""
    matches = [_PYTHON_TAG.match(tag) for tag in wheel.name.pythons]
    if any(tag.startswith("py2") for tag in wheel.name.pythons):
        return None
    minors = [int(match["minor"]) for match in matches if match and match["minor"]]
    oldest_of_tags = min(minors) if minors and all(match and match["minor"] for match in matches) else None
    text = core_metadata.read_core_metadata_or_empty(wheel).get_value("requires_python")
    known = (minor for minor in (oldest_of_tags, _find_oldest_required(text)) if minor is not None)
    return max(known, default=None)


def _find_oldest_required(text: str) -> int | None:
    try:
        specifiers = bounds.parse_specifiers(text)
    except InvalidSpecifier:
        return None
    if not text or specifiers.contains("2.7.18"):
        return None
    return next((minor for minor in _MINORS if _admits(specifiers, minor)), None)


def _admits(specifiers: SpecifierSet, minor: int) -> bool:
    return any(specifiers.contains(f"3.{minor}.{patch}") for patch in (0, 9, 30))


def _find_syntax_error(source: bytes, oldest: int | None) -> str:
    """Return the line that Python 3, or the oldest supported version of it, cannot parse; empty if none."""
    if b"\0" in source:
        line = source.count(b"\n", 0, source.index(b"\0")) + 1
        return f"line {line} has a NUL character, which no Python accepts"
    error = _parse(source, oldest)
    if error is None:
        return ""
    line = error.lineno or 1
    if oldest is not None and (3, oldest) <= sys.version_info[:2]:
        return f"line {line} is not valid in Python 3.{oldest}: {error.msg}"
    # This Python may be older than the syntax, so report only what no Python 3 can parse.
    lines = source.splitlines()
    text = lines[line - 1] if line <= len(lines) else b""
    return f"line {line} is Python 2" if _PYTHON_2_LINE.match(text) else ""


#: Statements that no Python 3 can parse, although it may be able to parse all that surrounds them.
_PYTHON_2_LINE = re.compile(
    rb"[ \t]{0,100}(?:print[ \t]{1,9}[\"'\w`]|exec[ \t]{1,9}[\"'\w]|raise[ \t]{1,9}[\w.]{1,60}[ \t]?,"
    rb"|except[ \t]{1,9}[\w.]{1,60}[ \t]?,)"
)


def _parse(source: bytes, oldest: int | None) -> SyntaxError | None:
    """Return the error with which the parser of this Python rejects ``source``; None if it is valid."""
    if _is_nested_too_deeply(source):
        return None
    version = (3, max(7, min(oldest if oldest is not None else 13, sys.version_info[1])))
    with _FILTER_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source, feature_version=version)
        except SyntaxError as error:
            return error
        except (ValueError, RecursionError, MemoryError):
            return None
    return None


def _is_nested_too_deeply(source: bytes) -> bool:
    depth = deepest = 0
    for character in source.translate(None, _NOT_BRACKETS):
        depth += 1 if character in b"([{" else -1
        deepest = max(deepest, depth)
    return deepest > _MAX_BRACKETS


_NOT_BRACKETS = bytes(set(range(256)) - set(b"()[]{}"))

CHECKS = (invalid_syntax,)

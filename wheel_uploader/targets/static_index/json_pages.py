"""Edits JSON pages of an index (PEP 691): adds entries, and leaves every other character as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds, filenames
from wheel_uploader.targets.static_index.html_scan import IncompletePage
from wheel_uploader.targets.static_index.new_file import NewFile

_DECODER = json.JSONDecoder()
_WHITESPACE = " \t\r\n"


def make_project_page(project: str) -> str:
    """Return the page of a project without files."""
    page = {"meta": {"api-version": "1.1"}, "name": project, "versions": [], "files": []}
    return json.dumps(page, indent=1) + "\n"


def make_root_page() -> str:
    """Return the page of an index without projects."""
    return json.dumps({"meta": {"api-version": "1.1"}, "projects": []}, indent=1) + "\n"


def add_files(text: str, files: Sequence[NewFile]) -> str:
    """Return the page with entries for ``files`` at the end. Raises IncompletePage."""
    text = _append(text, "files", [_make_entry(file) for file in files])
    known = _load(text).get("versions")
    if isinstance(known, list):
        new = sorted({file.version for file in files} - {str(version) for version in known})
        text = _append(text, "versions", new)
    return text


def add_project(text: str, project: str) -> str:
    """Return a root page with an entry for ``project``. Raises IncompletePage."""
    return _append(text, "projects", [{"name": project}])


def find_project(text: str) -> str:
    """Return the name of the project of a page; empty if it has none. Raises IncompletePage."""
    name = _load(text).get("name")
    return name if isinstance(name, str) else ""


def find_projects(text: str) -> frozenset[str]:
    """Return the canonical names of the projects on a root page. Raises IncompletePage."""
    projects = _load(text).get("projects")
    if not isinstance(projects, list):
        raise IncompletePage("it has no list of projects (PEP 691)")
    names = [project.get("name") for project in projects if isinstance(project, dict)]
    return frozenset(str(canonicalize_name(name)) for name in names if isinstance(name, str))


def keep_one_entry(text: str, filename: str, sha256: str) -> str:
    """Return the page with one entry of those for ``filename``, with the hash ``sha256``."""
    files = _load(text).get("files", [])
    same = [number for number, entry in enumerate(files) if entry.get("filename") == filename]
    if not same:
        return text
    kept = next((n for n in same if files[n].get("hashes", {}).get("sha256") == sha256), same[0])
    files[kept] = {**files[kept], "hashes": {"sha256": sha256}}
    remaining = [entry for number, entry in enumerate(files) if number not in same or number == kept]
    start, end = _find_members(text)["files"]
    return f"{text[:start]}{_dump(remaining, _find_indent(text, start))}{text[end:]}"


def remove_entry(text: str, filename: str, others: Sequence[str]) -> str:
    """Return the page without the entries for ``filename``, and without its version if no other file has it.

    ``others`` are the names of the files that stay.
    """
    text = _cut_items(
        text, "files", lambda entry: isinstance(entry, dict) and entry.get("filename") == filename
    )
    version = _parse_version(filename)
    if version is None or version in map(_parse_version, others) or "versions" not in _find_members(text):
        return text
    return _cut_items(text, "versions", lambda value: _is_version(value, version))


def _parse_version(filename: str) -> Version | None:
    try:
        return filenames.parse_filename(filename).version
    except filenames.InvalidFilename:
        return None


def _is_version(value: object, version: Version) -> bool:
    try:
        return isinstance(value, str) and bounds.parse_pep440_version(value) == version
    except InvalidVersion:
        return False


def _cut_items(text: str, key: str, is_cut: Callable[[Any], bool]) -> str:
    """Return ``text`` without some items of the array ``key``; the others keep their text."""
    start, end = _find_members(text)[key]
    items: list[tuple[int, int, Any]] = []
    position = _skip(text, start + 1)
    while position < end - 1:
        value, after = _decode(text, position)
        items.append((position, after, value))
        position = _skip(text, after)
        if text[position] == ",":
            position = _skip(text, position + 1)
    kept = [item for item in items if not is_cut(item[2])]
    if len(kept) == len(items):
        return text
    first, last = (items[0][0], items[-1][1]) if kept else (start + 1, end - 1)
    # The text before an item, up to the one that preceded it, goes with the item.
    gaps = {item[0]: text[items[number - 1][1] : item[0]] for number, item in enumerate(items) if number}
    body = "".join(
        (gaps[item[0]] if number else "") + text[item[0] : item[1]] for number, item in enumerate(kept)
    )
    return f"{text[:first]}{body}{text[last:]}"


def _make_entry(file: NewFile) -> dict[str, Any]:
    metadata = {"sha256": file.metadata_sha256} if file.metadata_sha256 else None
    entry = {
        "filename": file.filename,
        "url": file.href,
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "requires-python": file.requires_python or None,
        "dist-info-metadata": metadata,
        "core-metadata": metadata,
        "gpg-sig": True if file.has_signature else None,
    }
    return {key: value for key, value in entry.items() if value is not None}


def _append(text: str, key: str, values: Sequence[Any]) -> str:
    """Return ``text`` with values at the end of the array that is the member ``key``."""
    members = _find_members(text)
    if key not in members:
        raise IncompletePage(f"it has no member {key!r}")
    start, end = members[key]
    if text[start] != "[":
        raise IncompletePage(f"its member {key!r} is not a list")
    if not values:
        return text
    inside = text[start + 1 : end - 1]
    is_empty = not inside.strip(_WHITESPACE)
    separator = "" if is_empty else ","
    # The new entries are separated as the old ones are.
    lead = inside[: len(inside) - len(inside.lstrip(_WHITESPACE))] if not is_empty else ""
    tail = inside[len(inside.rstrip(_WHITESPACE)) :] if not is_empty else ""
    body = "".join(
        f"{separator if n == 0 else ','}{lead}{json.dumps(value)}" for n, value in enumerate(values)
    )
    kept = "" if is_empty else inside[: len(inside) - len(tail)]
    return f"{text[: start + 1]}{kept}{body}{tail}{text[end - 1 :]}"


def _find_indent(text: str, position: int) -> int | None:
    return 1 if "\n" in text[position : position + 20] else None


def _dump(value: Any, indent: int | None) -> str:
    return json.dumps(value, indent=indent)


def _load(text: str) -> dict[str, Any]:
    try:
        value = bounds.load_json(text.lstrip("\ufeff"))
    except ValueError:
        raise IncompletePage("it is not complete JSON") from None
    if not isinstance(value, dict):
        raise IncompletePage("it is not a JSON object")
    return value


def _find_members(text: str) -> dict[str, tuple[int, int]]:
    """Return the offsets of the values of the top-level object. Raises IncompletePage."""
    _load(text)  # Raises for invalid JSON, and bounds its depth.
    members: dict[str, tuple[int, int]] = {}
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        name, position = _decode(text, position)
        start = _skip(text, _skip(text, position) + 1)
        _, end = _decode(text, start)
        if name in members:
            raise IncompletePage(f"its member {str(name)[:40]!r} is there twice")
        members[name] = (start, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return members


def _skip(text: str, position: int) -> int:
    while text[position] in _WHITESPACE:
        position += 1
    return position


def _decode(text: str, position: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError):
        raise IncompletePage("it is not complete JSON") from None


#: The signature of the functions that add files to a page.
AddFiles = Callable[[str, Sequence[NewFile]], str]

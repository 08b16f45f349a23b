"""The findings that ``--ignore`` accepts: those of a check or family, or only those about one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models.findings import Finding

_PUNCTUATION = ",;:.()'\""
#: A word with one of these, or a digit, is the name of a file, library or version.
_NAME_CHARACTERS = frozenset("._-/0123456789")


def split_ignore(text: str) -> tuple[str, str]:
    """Return the check or family in ``ID`` or ``ID:PATTERN``, and the pattern, which is empty for ``ID``.

    Raises UsageError if there is a colon and no pattern.
    """
    check_id, colon, pattern = text.partition(":")
    if colon and not pattern.strip():
        raise UsageError(
            f"--ignore {text}: there is no pattern after the colon",
            hint=f"Give the name of a file or library, such as {check_id}:libcuda.so.1, or the id alone.",
        )
    return check_id, pattern


def mark_ignored(findings: Iterable[Finding], ignore: Collection[str]) -> tuple[Finding, ...]:
    """Return ``findings``, marking those as ignored that ``ignore``, the values of --ignore, accepts."""
    return tuple(
        dataclasses.replace(finding, is_ignored=True)
        if ignore and find_ignore(finding, ignore) is not None
        else finding
        for finding in findings
    )


def find_ignore(finding: Finding, ignore: Collection[str]) -> str | None:
    """Return the first of the values of ``--ignore`` that accepts ``finding``; None if none does."""
    return next((text for text in ignore if _accepts(text, finding)), None)


def _accepts(text: str, finding: Finding) -> bool:
    check_id, _, pattern = text.partition(":")
    if check_id not in {finding.check, finding.check.partition("/")[0]}:
        return False
    return (
        not pattern
        or any(fnmatchcase(name, pattern) for name in _list_names(finding))
        or _names_only(finding.message, pattern)
    )


def _list_names(finding: Finding) -> Iterator[str]:
    """Yield the file that a finding is about, and the path and the name of its member."""
    yield finding.subject
    if finding.member is not None:
        yield finding.member
        yield finding.member.rpartition("/")[2]


def _names_only(message: str, pattern: str) -> bool:
    """Return whether a message is about the file or library of ``pattern``, and about no other.

    It may be the only name in a place, as in "it requires libcuda.so.1, which ...", or all names of a list.
    """
    words = message.split()
    names: list[str] = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if not _is_name(word):
            names = []
            continue
        names.append(word.strip(_PUNCTUATION))
        if word.endswith(",") and _is_name(following):
            continue
        # After "and" comes another name, or the number of those that are not shown.
        if following != "and" and all(fnmatchcase(name, pattern) for name in names):
            return True
        names = []
    return False


def _is_name(word: str) -> bool:
    return not _NAME_CHARACTERS.isdisjoint(word.strip(_PUNCTUATION))

"""Checks of text that should not be published: secrets and merge conflicts. Values are never shown."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks.core_metadata import ArchiveContent
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import SdistContent, Severity, TextFact, TextFactKind, WheelContent
from wheel_uploader.facts.archive import path_kinds


@check("content/secret", Severity.ERROR)
def secret(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File contains a private key, a token or a password.

    Everybody can read what is published, programs search new releases for such values within seconds, and a
    deleted file remains in mirrors. The usual cause is a file of the working directory that the build tool
    includes, or a value that was pasted into the source for a test. Revoke the secret first, because it may
    have been published before; then remove it, and exclude the file from the build. The value is not shown
    here.
    """
    for fact in content.text_facts:
        is_key = fact.kind is TextFactKind.PRIVATE_KEY
        if (is_key or fact.kind is TextFactKind.CREDENTIAL) and not _is_for_tests(fact, content):
            yield fact.member, f"line {fact.line} contains {fact.description}"


@check("content/possible-secret", Severity.WARNING)
def possible_secret(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File may contain a token or a password.

    The value has the form of a secret, but it may be made up: it is in a file of tests, documentation or
    examples, or contains a sequence such as "abcdef". If it is real, revoke it and remove it; otherwise
    replace it by a value that nobody can mistake for a secret. The value is not shown here.
    """
    for fact in content.text_facts:
        is_doubtful = fact.kind is TextFactKind.DOUBTFUL_CREDENTIAL
        if is_doubtful or (fact.kind is TextFactKind.CREDENTIAL and _is_for_tests(fact, content)):
            yield fact.member, f"line {fact.line} may contain {fact.description}"


@check("content/merge-conflict", Severity.WARNING)
def merge_conflict(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File contains an unresolved merge conflict.

    It has the lines with which a version control system marks a conflict, so it was probably committed by
    mistake; Python cannot import such a module. Resolve the conflict, and build again.
    """
    for fact in content.text_facts:
        if fact.kind is TextFactKind.MERGE_CONFLICT and not _is_for_tests(fact, content):
            yield fact.member, f"a merge conflict begins in line {fact.line}"


def _is_for_tests(fact: TextFact, content: ArchiveContent) -> bool:
    path = strip_project(fact.member, content)
    return path_kinds.is_test_path(path) or path_kinds.is_example_path(path)


def strip_project(path: str, content: ArchiveContent) -> str:
    """Return a path without the directory of the project, whose name says nothing about its files."""
    top, slash, rest = path.partition("/")
    if isinstance(content, SdistContent):
        return rest if slash else path
    return rest if slash and top.lower() == content.name.project.replace("-", "_") else path


CHECKS = (secret, possible_secret, merge_conflict)

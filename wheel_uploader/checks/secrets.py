"""Checks of text that should not be published: secrets and merge conflicts. Values are never shown."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks.core_metadata import ArchiveContent
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import SdistContent, Severity, TextFact, TextFactKind, WheelContent
from wheel_uploader.facts.archive import path_kinds, secret_patterns


@check("content/secret", Severity.ERROR)
def secret(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File contains a token or a password, or the private key of a user.

    Everybody can read a published file, programs search new releases for such values within seconds, and a
    deleted file remains in mirrors. The usual cause is a file of the working directory that the build tool
    includes, or a value that was pasted into the source for a test. Revoke the secret first, because it may
    have been published before; then remove it, and exclude the file from the build. The value is not shown
    here.
    """
    for fact in content.text_facts:
        is_key_of_user = _is_suspicious_key(fact, content) and secret_patterns.is_credential_path(fact.member)
        is_credential = fact.kind is TextFactKind.CREDENTIAL and not _is_for_tests(fact, content)
        if is_key_of_user or is_credential:
            yield fact.member, f"line {fact.line} contains {fact.description}"


@check("content/private-key", Severity.WARNING)
def private_key(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File contains a private key.

    A key that protects something must not be published: revoke it, remove it, and exclude the file from the
    build. Many keys in released files belong to test servers; keep these below a directory such as tests/,
    where this check accepts them, or accept the file with --ignore. The key is not shown here.
    """
    for fact in content.text_facts:
        if _is_suspicious_key(fact, content) and not secret_patterns.is_credential_path(fact.member):
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


def _is_suspicious_key(fact: TextFact, content: ArchiveContent) -> bool:
    if fact.kind is not TextFactKind.PRIVATE_KEY:
        return False
    path = strip_project(fact.member, content)
    return not (path_kinds.is_test_key_path(path) or path_kinds.is_example_path(path))


def _is_for_tests(fact: TextFact, content: ArchiveContent) -> bool:
    path = strip_project(fact.member, content)
    return path_kinds.is_test_path(path) or path_kinds.is_example_path(path)


def strip_project(path: str, content: ArchiveContent) -> str:
    """Return a path without the directory of the project, whose name says nothing about its files."""
    top, slash, rest = path.partition("/")
    if isinstance(content, SdistContent):
        return rest if slash else path
    return rest if slash and top.lower() == content.name.project.replace("-", "_") else path


CHECKS = (secret, private_key, possible_secret, merge_conflict)

"""WHAT A FILE MUST BE: one function for each check, one table of them here.

A new check is one function in the module of its family, with the decorator of registry.py: id, severity,
and a docstring that ``--explain`` prints (a title; why it matters, common causes, what to do). It yields a
sentence for each thing that it finds, or (member, sentence), and goes into CHECKS of its module. What it
judges comes from archive.py.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from wheel_uploader.budget import OVER_BUDGET, Exhausted
from wheel_uploader.checks import (
    archive,
    attestation,
    content,
    metadata,
    name,
    native,
    record,
    release,
    release_index,
    sdist,
    siblings,
    summary,
    wheel,
)
from wheel_uploader.checks.registry import Check
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.errors import UsageError
from wheel_uploader.models import Fact, Finding, Inspection, Profile, SdistContent, Severity, WheelContent

#: Every check, family by family.
CHECKS: tuple[Check[Any], ...] = (
    *name.CHECKS,
    *archive.CHECKS,
    *record.CHECKS,
    *wheel.CHECKS,
    *metadata.CHECKS,
    *content.CHECKS,
    *native.CHECKS,
    *release.CHECKS,
    *siblings.CHECKS,
    *release_index.CHECKS,
    *attestation.CHECKS,
    *sdist.CHECKS,
)
FAMILIES = tuple(dict.fromkeys(check.family for check in CHECKS))

#: The subject of what is found in no file of its own.
RELEASE = "release"

#: Families that have something to say of a file that cannot be opened.
_WITHOUT_MEMBERS = frozenset({"name", "archive"})
_UNREADABLE_SDIST = frozenset({"sdist/name", "sdist/unreadable"})


def run(
    contents: Sequence[WheelContent | SdistContent], *, profile: Profile, ignore: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Everything that the checks find in ``contents``, file by file.

    ``ignore`` has ids and families; what they find is there too, marked as ignored.
    """
    findings: list[Finding] = []
    for each in contents:
        with each.budget.working():
            try:
                for finding in _judge(each, profile, ignore):
                    findings.append(finding)  # noqa: PERF402 (those before the budget ends count)
            except Exhausted as error:
                findings += _over_budget(each, error, profile, ignore)
    return tuple(findings)


def inspect(content: WheelContent | SdistContent, *, profile: Profile) -> Inspection:
    """What is kept of one file: what the checks find in it, and what those of the release need of it."""
    findings = run([content], profile=profile)
    if any(finding.check == archive.over_budget.id for finding in findings):
        return Inspection(findings=findings, summary=summary.of_unread(content))
    try:
        with content.budget.working():
            return Inspection(findings=findings, summary=summary.of(content))
    except Exhausted as error:
        ended = _over_budget(content, error, profile, ())
        return Inspection(findings=(*findings, *ended), summary=summary.of_unread(content))


def accepted(findings: Iterable[Finding], ignore: Collection[str]) -> tuple[Finding, ...]:
    """``findings``, with those marked as ignored whose check or family is in ``ignore``."""
    return tuple(
        dataclasses.replace(finding, ignored=True)
        if finding.check in ignore or finding.check.partition("/")[0] in ignore
        else finding
        for finding in findings
    )


def run_release(
    release: ReleaseContent, *, profile: Profile, ignore: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Everything that the checks find in the release as a whole.

    The subject of a finding is ``release``, or the file that is to blame.
    """
    found = (
        finding
        for check in CHECKS
        if check.takes(release)
        for finding in check.findings(release, RELEASE, profile, ignored=_is_ignored(check, ignore))
    )
    return tuple(
        dataclasses.replace(finding, subject=finding.member, member=None) if finding.member else finding
        for finding in found
    )


def _judge(
    content: WheelContent | SdistContent, profile: Profile, ignore: Collection[str]
) -> Iterable[Finding]:
    content.budget.enter(None)
    for check in CHECKS:
        if check.takes(content) and _can_judge(check, content):
            ignored = _is_ignored(check, ignore)
            yield from check.findings(content, content.filename, profile, ignored=ignored)
            content.budget.check_time()


def _over_budget(
    content: WheelContent | SdistContent, error: Exhausted, profile: Profile, ignore: Collection[str]
) -> Iterable[Finding]:
    """The one finding with which the checks of ``content`` end when its budget is used up."""
    check = archive.over_budget
    fact = Fact(kind=OVER_BUDGET, message=str(error), member=error.member)
    unread = dataclasses.replace(content, facts=(fact,))
    return check.findings(unread, content.filename, profile, ignored=_is_ignored(check, ignore))


def _is_ignored(check: Check[Any], ignore: Collection[str]) -> bool:
    return check.id in ignore or check.family in ignore


def _can_judge(check: Check[Any], content: WheelContent | SdistContent) -> bool:
    if not content.read_to_its_end:
        return check.family == name.CHECKS[0].family or check.id in {archive.over_budget.id, sdist.name.id}
    # Without members everything would be missing: one sentence is enough.
    return content.readable or check.family in _WITHOUT_MEMBERS or check.id in _UNREADABLE_SDIST


def blocking(findings: Iterable[Finding], *, strict: bool) -> tuple[Finding, ...]:
    """The findings that stop a release: errors, and warnings as well with ``strict``."""
    stopping = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return tuple(finding for finding in findings if finding.severity in stopping and not finding.ignored)


def explain(check_id: str) -> str:
    """What ``--explain`` prints for a check, or for all of a family. Raises UsageError."""
    require_known(check_id)
    chosen = [check for check in CHECKS if check_id in {check.id, check.family}]
    return "\n\n\n".join(_explanation(check) for check in chosen)


def _explanation(check: Check[Any]) -> str:
    severity = check.severity.value
    if check.severity_elsewhere != check.severity:
        severity += f" for PyPI, {check.severity_elsewhere.value} elsewhere"
    return f"{check.id} ({severity})\n{check.title}.\n\n{check.explanation}"


def require_known(check_id: str) -> None:
    """Raise UsageError, with the nearest ids, unless ``check_id`` is a check or a family."""
    ids = [*FAMILIES, *(check.id for check in CHECKS)]
    if check_id in ids:
        return
    names = {each.partition("/")[2]: each for each in ids if "/" in each}
    near = difflib.get_close_matches(check_id, ids, n=3) or [
        names[each] for each in difflib.get_close_matches(check_id.rpartition("/")[2], names, n=3)
    ]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"The families are: {', '.join(FAMILIES)}."
    raise UsageError(
        f"there is no check '{check_id}'", hint=hint, instead=(check_id, near[0]) if near else None
    )

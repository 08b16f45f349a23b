"""Checks for wheels, sdists and releases: one function for each check, and a table of all of them.

To add a check, write a function in the module of its family, decorate it (see registry.py) with an id and a
severity, and add it to CHECKS of that module. ``--explain`` prints its docstring: a title; then why the
problem matters, its usual causes, and how to fix it. The function yields a sentence for each finding, or
(member, sentence). It opens no files: it judges what the archive reader found.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from wheel_uploader.checks import (
    archive,
    attestation,
    content,
    environment,
    file_summary,
    installation,
    leftovers,
    metadata,
    name,
    native,
    record,
    release,
    release_builders,
    release_dynamic,
    release_index,
    release_modules,
    release_other_versions,
    release_outliers,
    release_sources,
    release_startup,
    release_systems,
    release_versions,
    release_yanked,
    requirements,
    scripts,
    sdist,
    sdist_build,
    secrets,
    standards,
    syntax,
    wheel,
)
from wheel_uploader.checks.registry import Check
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.core.budget import OVER_BUDGET, BudgetExceeded
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.ignored_findings import mark_ignored
from wheel_uploader.core.models import (
    ArchiveAnomaly,
    CheckProfile,
    CheckResult,
    ExcludedFile,
    Finding,
    SdistContent,
    Severity,
    WheelContent,
)
from wheel_uploader.core.redaction import sanitize, sanitize_message

#: Every check, family by family.
CHECKS: tuple[Check[Any], ...] = (
    *name.CHECKS,
    *archive.CHECKS,
    *record.CHECKS,
    *wheel.CHECKS,
    *installation.CHECKS,
    *scripts.CHECKS,
    *standards.CHECKS,
    *metadata.CHECKS,
    *requirements.CHECKS,
    *content.CHECKS,
    *environment.CHECKS,
    *syntax.CHECKS,
    *secrets.CHECKS,
    *leftovers.CHECKS,
    *native.CHECKS,
    *release.CHECKS,
    *release_other_versions.CHECKS,
    *release_outliers.CHECKS,
    *release_modules.CHECKS,
    *release_sources.CHECKS,
    *release_builders.CHECKS,
    *release_dynamic.CHECKS,
    *release_index.CHECKS,
    *release_systems.CHECKS,
    *release_versions.CHECKS,
    *release_startup.CHECKS,
    *release_yanked.CHECKS,
    *attestation.CHECKS,
    *sdist.CHECKS,
    *sdist_build.CHECKS,
)
FAMILIES = tuple(dict.fromkeys(check.family for check in CHECKS))

#: The subject of findings that are not about a single file.
RELEASE_SUBJECT = "release"

#: Families and checks that apply to a file even if it cannot be opened.
_FAMILIES_FOR_UNREADABLE = frozenset({"name", "archive"})
_CHECKS_FOR_UNREADABLE = frozenset({"sdist/name", "sdist/unreadable"})


def check_contents(
    contents: Sequence[WheelContent | SdistContent], *, profile: CheckProfile, ignore: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Return all findings of the checks in ``contents``, file by file.

    ``ignore`` has the values of ``--ignore``; what it accepts is included, marked as ignored.
    """
    findings: list[Finding] = []
    for file_content in contents:
        with file_content.budget.measure_cpu_time():
            try:
                for finding in _check_content(file_content, profile):
                    findings.append(finding)  # noqa: PERF402 (keep those found before the budget ran out)
            except BudgetExceeded as error:
                findings += _report_over_budget(file_content, error, profile)
    return mark_ignored(findings, ignore)


def inspect_content(content: WheelContent | SdistContent, *, profile: CheckProfile) -> CheckResult:
    """Return the findings for one file, and the summary that the release checks need."""
    findings = check_contents([content], profile=profile)
    if any(finding.check == archive.over_budget.id for finding in findings):
        return CheckResult(findings=findings, summary=file_summary.summarize_unchecked_file(content))
    try:
        with content.budget.measure_cpu_time():
            return CheckResult(findings=findings, summary=file_summary.summarize_file(content))
    except BudgetExceeded as error:
        over_budget = _report_over_budget(content, error, profile)
        return CheckResult(
            findings=(*findings, *over_budget), summary=file_summary.summarize_unchecked_file(content)
        )


def report_listed_problems(files: Iterable[ExcludedFile], *, profile: CheckProfile) -> tuple[Finding, ...]:
    """Return a finding for each listed file that fails a check already by its name or size."""
    by_id = {check.id: check for check in CHECKS}
    return tuple(
        Finding(
            check=file.failed_check,
            severity=by_id[file.failed_check].severity_for(profile),
            subject=sanitize(file.filename),
            message=sanitize_message(file.reason),
        )
        for file in files
    )


def check_release(
    release: ReleaseContent, *, profile: CheckProfile, ignore: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Return all findings of the checks of the release as a whole.

    The subject of a finding is ``release``, or the file that it is about.
    """
    findings = (
        finding
        for check in CHECKS
        if check.applies_to(release)
        for finding in check.run(release, RELEASE_SUBJECT, profile)
    )
    about_files = (
        dataclasses.replace(finding, subject=finding.member, member=None) if finding.member else finding
        for finding in findings
    )
    return mark_ignored(about_files, ignore)


def _check_content(content: WheelContent | SdistContent, profile: CheckProfile) -> Iterable[Finding]:
    content.budget.set_member(None)
    for check in CHECKS:
        if check.applies_to(content) and _is_applicable(check, content):
            yield from check.run(content, content.filename, profile)
            content.budget.check_time()


def _report_over_budget(
    content: WheelContent | SdistContent,
    error: BudgetExceeded,
    profile: CheckProfile,
) -> Iterable[Finding]:
    """Yield the finding that ends the checks of ``content`` when its budget is exhausted."""
    check = archive.over_budget
    anomaly = ArchiveAnomaly(kind=OVER_BUDGET, message=str(error), member=error.member)
    over_budget = dataclasses.replace(content, anomalies=(anomaly,))
    return check.run(over_budget, content.filename, profile)


def _is_applicable(check: Check[Any], content: WheelContent | SdistContent) -> bool:
    if not content.is_fully_read:
        return check.family == name.CHECKS[0].family or check.id in {archive.over_budget.id, sdist.name.id}
    # If no members could be read, other checks would report everything as missing.
    return (
        content.is_readable or check.family in _FAMILIES_FOR_UNREADABLE or check.id in _CHECKS_FOR_UNREADABLE
    )


def select_blocking(findings: Iterable[Finding], *, strict: bool) -> tuple[Finding, ...]:
    """Return the findings that stop a release: errors, and with ``strict`` also warnings."""
    severities = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return tuple(finding for finding in findings if finding.severity in severities and not finding.is_ignored)


def explain_check(check_id: str) -> str:
    """Return what ``--explain`` prints for a check or for all checks of a family.

    Raise UsageError if ``check_id`` is neither.
    """
    validate_check_id(check_id)
    checks = [check for check in CHECKS if check_id in {check.id, check.family}]
    return "\n\n\n".join(_format_explanation(check) for check in checks)


def list_checks() -> str:
    """Return what ``--explain`` prints without an id: the checks below their families."""
    blocks = []
    for family in FAMILIES:
        checks = [check for check in CHECKS if check.family == family]
        blocks.append("\n".join([family, *(f"  {check.id:<36} {check.title}" for check in checks)]))
    return "\n\n".join(blocks)


def _format_explanation(check: Check[Any]) -> str:
    severity = check.severity.value
    if check.severity_off_pypi != check.severity:
        severity += f" for PyPI, {check.severity_off_pypi.value} elsewhere"
    return f"{check.id} ({severity})\n{check.title}.\n\n{check.explanation}"


def validate_check_id(check_id: str) -> None:
    """Raise UsageError, suggesting similar ids, unless ``check_id`` is a check or a family."""
    ids = [*FAMILIES, *(check.id for check in CHECKS)]
    if check_id in ids:
        return
    ids_by_name = {known_id.partition("/")[2]: known_id for known_id in ids if "/" in known_id}
    similar = difflib.get_close_matches(check_id, ids, n=3) or [
        ids_by_name[name] for name in difflib.get_close_matches(check_id.rpartition("/")[2], ids_by_name, n=3)
    ]
    hint = f"Did you mean {' or '.join(similar)}?" if similar else f"The families are: {', '.join(FAMILIES)}."
    raise UsageError(
        f"unknown check '{check_id}'", hint=hint, suggestion=(check_id, similar[0]) if similar else None
    )

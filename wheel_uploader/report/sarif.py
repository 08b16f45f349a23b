"""The report for code scanning: SARIF 2.1.0, a result for each finding and a rule for each check."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from wheel_uploader import __version__
from wheel_uploader.display import printable
from wheel_uploader.models import Finding, Report, Stage
from wheel_uploader.report.findings import ORDER
from wheel_uploader.report.rule import Rule, Rules, reason
from wheel_uploader.urls import quote

#: What code scanning asks a log to name.
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: Results of one run; with more of them, code scanning refuses the whole log.
_MOST = 25_000


def render(report: Report, rules: Rules) -> str:
    """The findings as a SARIF log, with a newline at the end."""
    return json.dumps(document(report, rules), indent=2, ensure_ascii=True) + "\n"


def document(report: Report, rules: Rules) -> dict[str, Any]:
    """The log as plain values: one run, whose results name files as they are called, without a folder."""
    worst_first = sorted(report.findings, key=lambda finding: ORDER.index(finding.severity))
    index = {check_id: number for number, check_id in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "wheel-uploader",
                "version": __version__,
                "rules": [_rule(rule) for rule in rules.values()],
            }
        },
        "invocations": [_invocation(report)],
        "results": [_result(report, finding, index) for finding in worst_first[:_MOST]],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": f"{rule.title}."},
        "help": {"text": rule.explanation or f"{rule.title}."},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": [rule.id.partition("/")[0]]},
    }


def _result(report: Report, finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    message = printable(finding.message)
    member = None if finding.member is None else printable(finding.member)
    result: dict[str, Any] = {
        "ruleId": finding.check,
        "level": finding.severity.value,
        "message": {"text": message if member is None else f"{member}: {message}"},
        "locations": [_location(report, finding, member)],
        "partialFingerprints": {"finding/v1": _fingerprint(finding)},
    }
    if finding.check in index:
        result["ruleIndex"] = index[finding.check]
    if finding.ignored:
        why = printable(reason(report, finding))
        result["suppressions"] = [{"kind": "external", **({"justification": why} if why else {})}]
    return result


def _location(report: Report, finding: Finding, member: str | None) -> dict[str, Any]:
    """The file; what is found in the release as a whole stands at its first one, for code scanning's sake."""
    names = [name.filename for name, _ in report.selection.files] if report.selection else []
    subject = finding.subject if finding.subject in names else (names or [finding.subject])[0]
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(subject)},
            # A wheel has no lines, and code scanning shows nothing without one.
            "region": {"startLine": 1},
        }
    }
    if member is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": member}]
    return location


def _fingerprint(finding: Finding) -> str:
    """The same for the same finding in the next run."""
    parts = (finding.check, finding.subject, finding.member or "", finding.message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _invocation(report: Report) -> dict[str, Any]:
    """How the run ended; findings are no failure of it."""
    notifications = [
        {"level": "warning", "message": {"text": f"not checked: {printable(sentence)}"}}
        for sentence in report.not_checked
    ]
    if report.error:
        text = f"{printable(report.error.message)}. Next: {printable(report.error.hint)}"
        notifications.append({"level": "error", "message": {"text": text}})
    return {
        "executionSuccessful": Stage.CHECK in report.timings,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": notifications,
    }

"""The report as SARIF 2.1.0 for code scanning, with a result per finding and a rule per check."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from wheel_uploader import __version__
from wheel_uploader.core.models import Finding, Report, Stage
from wheel_uploader.core.redaction import sanitize, sanitize_message
from wheel_uploader.core.urls import quote
from wheel_uploader.report.formats.findings_text import SEVERITY_ORDER
from wheel_uploader.report.views.check_info import (
    RELEASE_SUBJECT,
    CheckInfo,
    CheckInfos,
    get_ignore_reason,
)

#: GitHub code scanning requires a log to name its schema.
_SCHEMA_URL = "https://json.schemastore.org/sarif-2.1.0.json"
#: Results per run; GitHub code scanning rejects a log with more.
_MAX_RESULTS = 25_000


def render_sarif(report: Report, check_infos: CheckInfos) -> str:
    """Return the findings as a SARIF log, with a newline at the end."""
    return json.dumps(build_sarif_document(report, check_infos), indent=2, ensure_ascii=True) + "\n"


def build_sarif_document(report: Report, check_infos: CheckInfos) -> dict[str, Any]:
    """Return the log as a dictionary that json can serialize; results name files without a directory."""
    worst_first = sorted(report.findings, key=lambda finding: SEVERITY_ORDER.index(finding.severity))
    index = {check_id: number for number, check_id in enumerate(check_infos)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "wheel-uploader",
                "version": __version__,
                "rules": [_build_rule(rule) for rule in check_infos.values()],
            }
        },
        "invocations": [_build_invocation(report)],
        "results": [_build_result(report, finding, index) for finding in worst_first[:_MAX_RESULTS]],
    }
    return {"$schema": _SCHEMA_URL, "version": "2.1.0", "runs": [run]}


def _build_rule(rule: CheckInfo) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": f"{rule.title}."},
        "help": {"text": rule.explanation or f"{rule.title}."},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": [rule.id.partition("/")[0]]},
    }


def _build_result(report: Report, finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    message = sanitize_message(finding.message)
    member = None if finding.member is None else sanitize(finding.member)
    result: dict[str, Any] = {
        "ruleId": finding.check,
        "level": finding.severity.value,
        "message": {"text": message if member is None else f"{member}: {message}"},
        "locations": [_build_location(report, finding, member)],
        "partialFingerprints": {"finding/v1": _compute_fingerprint(finding)},
    }
    if finding.check in index:
        result["ruleIndex"] = index[finding.check]
    if finding.is_ignored:
        justification = sanitize(get_ignore_reason(report, finding))
        result["suppressions"] = [
            {"kind": "external", **({"justification": justification} if justification else {})}
        ]
    return result


def _build_location(report: Report, finding: Finding, member: str | None) -> dict[str, Any]:
    """Return the file of a finding; for a finding of the whole release, its first file.

    Code scanning requires a location for every result.
    """
    names = [name.filename for name, _ in report.selection.files] if report.selection else []
    is_of_file = finding.subject != RELEASE_SUBJECT
    subject = finding.subject if is_of_file else (names or [finding.subject])[0]
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(subject)},
            # Code scanning shows no result without a line, although a wheel has none.
            "region": {"startLine": 1},
        }
    }
    if member is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": member}]
    return location


def _compute_fingerprint(finding: Finding) -> str:
    """Return a hash that identifies the finding across runs."""
    parts = (finding.check, finding.subject, finding.member or "", finding.message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _build_invocation(report: Report) -> dict[str, Any]:
    """Return the outcome of the run; findings alone do not make it unsuccessful."""
    notifications = [
        {"level": "warning", "message": {"text": f"not checked: {sanitize_message(sentence)}"}}
        for sentence in report.checks_not_run
    ]
    if report.comparison:
        notifications.insert(0, {"level": "note", "message": {"text": f"compared with {report.comparison}"}})
    if report.error:
        text = f"{sanitize_message(report.error.message)}. Next: {sanitize_message(report.error.hint)}"
        notifications.append({"level": "error", "message": {"text": text}})
    return {
        "executionSuccessful": Stage.CHECK in report.stage_seconds,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": notifications,
    }

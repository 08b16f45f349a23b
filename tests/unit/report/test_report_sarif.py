"""Test the SARIF report against the standard and the requirements of code scanning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.in_process import run
from tools.testing import reports, wheels
from tools.testing.reports import WHEELS, finding
from wheel_uploader.checks import CHECKS
from wheel_uploader.core.models import Report, Severity
from wheel_uploader.report import formats_table
from wheel_uploader.report.formats import sarif

TEXT: dict[str, Any] = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string", "minLength": 1}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "type": "object",
    # The standard requires only the id; code scanning requires the others.
    "required": ["id", "shortDescription", "fullDescription", "help"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "maxLength": 255},
        "shortDescription": {**TEXT, "properties": {"text": {"type": "string", "maxLength": 1024}}},
        "fullDescription": {**TEXT, "properties": {"text": {"type": "string", "maxLength": 1024}}},
        "help": TEXT,
        "defaultConfiguration": {"type": "object", "required": ["level"], "properties": {"level": LEVEL}},
        "properties": {
            "type": "object",
            "properties": {"tags": {"type": "array", "uniqueItems": True, "maxItems": 20}},
        },
    },
}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "additionalProperties": False,
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                # A relative reference (RFC 3986) without characters that need escaping.
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "pattern": "^[A-Za-z0-9._~%+-]+$"}},
                },
                "region": {
                    "type": "object",
                    "required": ["startLine"],
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                },
            },
        },
        "logicalLocations": {
            "type": "array",
            "items": {"type": "object", "properties": {"fullyQualifiedName": {"type": "string"}}},
        },
    },
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "message", "level", "locations", "partialFingerprints"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "minItems": 1, "maxItems": 10, "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "suppressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kind"],
                "additionalProperties": False,
                "properties": {
                    "kind": {"enum": ["inSource", "external"]},
                    "justification": {"type": "string"},
                },
            },
        },
    },
}
INVOCATION = {
    "type": "object",
    "required": ["executionSuccessful"],
    "additionalProperties": False,
    "properties": {
        "executionSuccessful": {"type": "boolean"},
        "exitCode": {"type": "integer"},
        "toolExecutionNotifications": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["message"],
                "additionalProperties": False,
                "properties": {"level": LEVEL, "message": TEXT},
            },
        },
    },
}
#: The subset of the SARIF 2.1.0 schema that the report uses.
LOG = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": "^https://.*sarif.*2\\.1\\.0\\.json$"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {"type": "array", "uniqueItems": True, "items": RULE},
                                },
                            }
                        },
                    },
                    "invocations": {"type": "array", "items": INVOCATION},
                    "results": {"type": "array", "maxItems": 25_000, "items": RESULT},
                },
            },
        },
    },
}


def sarif_problems(document: Any) -> list[str]:
    problems = [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(LOG).iter_errors(document)
    ]
    for sarif_run in document["runs"]:
        rules = sarif_run["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        problems += [
            f"{result['ruleId']} has another's index"
            for result in sarif_run["results"]
            if "ruleIndex" in result and rules[result["ruleIndex"]]["id"] != result["ruleId"]
        ]
    return problems


@pytest.mark.parametrize("kind", reports.ALL)
def test_every_report_matches_the_standard(kind: str) -> None:
    text = formats_table.RENDERERS["sarif"](reports.ALL[kind](), True)
    assert text.isascii()
    assert sarif_problems(json.loads(text)) == []


def results(report: Report) -> list[dict[str, Any]]:
    document = sarif.build_sarif_document(report, formats_table.load_check_infos())
    entries: list[dict[str, Any]] = document["runs"][0]["results"]
    return entries


def test_every_check_is_a_rule_with_its_explanation() -> None:
    document = sarif.build_sarif_document(reports.checked(), formats_table.load_check_infos())
    rules = document["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [check.id for check in CHECKS]
    assert {rule["help"]["text"] for rule in rules} == {check.explanation for check in CHECKS}
    for rule, check in zip(rules, CHECKS, strict=True):
        assert rule["defaultConfiguration"]["level"] == check.severity.value
        assert rule["properties"]["tags"] == [check.family]


def test_a_finding_is_a_result_at_its_file() -> None:
    report = reports.checked(finding("record/hash-mismatch", "differs", WHEELS[1], member="dipy/a b.py"))
    (result,) = results(report)
    assert result["ruleId"] == "record/hash-mismatch"
    assert result["level"] == "error"
    assert result["message"] == {"text": "dipy/a b.py: differs"}
    assert result["locations"] == [
        {
            "physicalLocation": {"artifactLocation": {"uri": WHEELS[1]}, "region": {"startLine": 1}},
            "logicalLocations": [{"fullyQualifiedName": "dipy/a b.py"}],
        }
    ]
    assert "suppressions" not in result
    assert results(report)[0]["partialFingerprints"] == result["partialFingerprints"]


def test_findings_differ_in_their_fingerprints() -> None:
    report = reports.checked(
        finding("record/hash-mismatch", "differs", member="a"),
        finding("record/hash-mismatch", "differs", member="b"),
        finding("record/hash-mismatch", "differs", WHEELS[1], member="a"),
        finding("record/size-mismatch", "differs", member="a"),
        finding("record/size-mismatch", "it differs"),
    )
    assert len({result["partialFingerprints"]["finding/v1"] for result in results(report)}) == 5


def test_places_a_release_finding_at_the_first_file() -> None:
    (result,) = results(reports.checked(finding("release/no-sdist", "there is none", "release")))
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == WHEELS[0]
    # An unknown check has no rule, but still gives a result.
    (other,) = results(reports.checked(finding("odd/unknown", "x")))
    assert "ruleIndex" not in other


def test_suppresses_accepted_findings_with_the_reason() -> None:
    by_rule = {result["ruleId"]: result.get("suppressions") for result in results(reports.accepted())}
    assert by_rule["native/missing-library"] == [{"kind": "external", "justification": "the loader finds it"}]
    assert by_rule["wheel/no-tag"] == [{"kind": "external"}]
    assert by_rule["record/untidy"] is None


def test_reports_how_the_run_ended() -> None:
    def invocation_of(kind: str) -> dict[str, Any]:
        document = sarif.build_sarif_document(reports.ALL[kind](), formats_table.load_check_infos())
        invocation: dict[str, Any] = document["runs"][0]["invocations"][0]
        return invocation

    # A run with findings was successful; a run without files was not.
    assert (invocation_of("failed")["executionSuccessful"], invocation_of("failed")["exitCode"]) == (True, 6)
    assert (
        invocation_of("nothing found")["executionSuccessful"],
        invocation_of("nothing found")["exitCode"],
    ) == (False, 3)
    (note,) = invocation_of("accepted")["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("not checked: ")


def test_drops_the_least_severe_results_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "_MAX_RESULTS", 2)
    report = reports.checked(
        finding("metadata/thin", "x", severity=Severity.NOTE),
        finding("record/untidy", "x", severity=Severity.WARNING),
        finding("record/missing", "x"),
    )
    assert [result["level"] for result in results(report)] == ["error", "warning"]


def test_the_command_prints_valid_sarif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = wheels.make_wheel(tmp_path, tag="cp313-cp313-linux_x86_64")
    result = run("-u", path.name, "--until", "check", "--format", "sarif")
    document = json.loads(result.stdout)
    assert (result.exit_code, sarif_problems(document)) == (6, [])
    assert "name/platform-refused" in {entry["ruleId"] for entry in document["runs"][0]["results"]}

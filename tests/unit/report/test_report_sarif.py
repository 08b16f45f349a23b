"""The SARIF report: what the standard and code scanning ask of it, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support import reports, wheels
from tests.support.in_process import run
from tests.support.reports import WHEELS, finding
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
    # Of these, the standard asks for the id only; code scanning for the others.
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
                # A relative reference (RFC 3986) with nothing that would have to be quoted.
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
#: What SARIF 2.1.0 says of the objects that are used here, and no others.
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


def problems(document: Any) -> list[str]:
    found = [f"{each.json_path}: {each.message}" for each in Draft202012Validator(LOG).iter_errors(document)]
    for one in document["runs"]:
        rules = one["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        found += [
            f"{result['ruleId']} has another's index"
            for result in one["results"]
            if "ruleIndex" in result and rules[result["ruleIndex"]]["id"] != result["ruleId"]
        ]
    return found


@pytest.mark.parametrize("ended", reports.ALL)
def test_a_report_is_what_the_standard_says(ended: str) -> None:
    text = formats_table.RENDERERS["sarif"](reports.ALL[ended](), True)
    assert text.isascii()
    assert problems(json.loads(text)) == []


def results(made: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sarif.build_sarif_document(made, formats_table.load_check_infos())["runs"][
        0
    ]["results"]
    return found


def test_every_check_is_a_rule_with_its_explanation() -> None:
    rules = sarif.build_sarif_document(reports.checked(), formats_table.load_check_infos())["runs"][0][
        "tool"
    ]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [check.id for check in CHECKS]
    assert {rule["help"]["text"] for rule in rules} == {check.explanation for check in CHECKS}
    for rule, check in zip(rules, CHECKS, strict=True):
        assert rule["defaultConfiguration"]["level"] == check.severity.value
        assert rule["properties"]["tags"] == [check.family]


def test_a_finding_is_a_result_at_its_file() -> None:
    made = reports.checked(finding("record/hash-mismatch", "differs", WHEELS[1], member="dipy/a b.py"))
    (result,) = results(made)
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
    assert results(made)[0]["partialFingerprints"] == result["partialFingerprints"]


def test_findings_differ_in_their_fingerprints() -> None:
    made = reports.checked(
        finding("record/hash-mismatch", "differs", member="a"),
        finding("record/hash-mismatch", "differs", member="b"),
        finding("record/hash-mismatch", "differs", WHEELS[1], member="a"),
        finding("record/size-mismatch", "differs", member="a"),
        finding("record/size-mismatch", "it differs"),
    )
    assert len({result["partialFingerprints"]["finding/v1"] for result in results(made)}) == 5


def test_what_is_found_in_the_release_stands_at_its_first_file() -> None:
    (result,) = results(reports.checked(finding("release/no-sdist", "there is none", "release")))
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == WHEELS[0]
    # A check that this table does not have is no rule, and a result all the same.
    (other,) = results(reports.checked(finding("odd/unknown", "x")))
    assert "ruleIndex" not in other


def test_what_was_accepted_is_suppressed_with_the_reason() -> None:
    by_rule = {result["ruleId"]: result.get("suppressions") for result in results(reports.accepted())}
    assert by_rule["native/missing-library"] == [{"kind": "external", "justification": "the loader finds it"}]
    assert by_rule["wheel/no-tag"] == [{"kind": "external"}]
    assert by_rule["record/untidy"] is None


def test_the_end_of_the_run_is_told() -> None:
    def told(ended: str) -> dict[str, Any]:
        found: dict[str, Any] = sarif.build_sarif_document(
            reports.ALL[ended](), formats_table.load_check_infos()
        )["runs"][0]["invocations"][0]
        return found

    # Findings are what the run is for; nothing to look at is a failure.
    assert (told("failed")["executionSuccessful"], told("failed")["exitCode"]) == (True, 6)
    assert (told("nothing found")["executionSuccessful"], told("nothing found")["exitCode"]) == (False, 3)
    (note,) = told("accepted")["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("not checked: ")


def test_more_results_than_code_scanning_takes_lose_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "_MAX_RESULTS", 2)
    made = reports.checked(
        finding("metadata/thin", "x", severity=Severity.NOTE),
        finding("record/untidy", "x", severity=Severity.WARNING),
        finding("record/missing", "x"),
    )
    assert [result["level"] for result in results(made)] == ["error", "warning"]


def test_a_run_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = wheels.make_wheel(tmp_path, tag="cp313-cp313-linux_x86_64")
    ended = run("-u", path.name, "--until", "check", "--format", "sarif")
    document = json.loads(ended.stdout)
    assert (ended.exit_code, problems(document)) == (6, [])
    assert "name/platform-refused" in {result["ruleId"] for result in document["runs"][0]["results"]}

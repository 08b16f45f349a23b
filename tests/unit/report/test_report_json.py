"""The JSON report is what its schema says, however the run ended."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support import reports, wheels
from tests.support.in_process import run
from wheel_uploader.report import formats_table
from wheel_uploader.report.formats.json import SCHEMA_VERSION as NUMBER

SCHEMA = json.loads(
    resources.files("wheel_uploader.report.formats").joinpath("schema.json").read_text(encoding="utf-8")
)


def closed(schema: Any) -> Any:
    """The schema without its licence to add keys: what the program writes has to be documented."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **inner} if schema.get("type") == "object" else inner


def problems(document: Any) -> list[str]:
    return [
        f"{each.json_path}: {each.message}"
        for each in Draft202012Validator(closed(SCHEMA)).iter_errors(document)
    ]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"].endswith(f":{NUMBER}")


@pytest.mark.parametrize("ended", reports.ALL)
def test_a_report_is_what_the_schema_says(ended: str) -> None:
    made = reports.ALL[ended]()
    text = formats_table.RENDERERS["json"](made, True)
    assert text.isascii()
    assert text.endswith("}\n")
    document = json.loads(text)
    assert problems(document) == []
    assert document["exit_code"] == made.exit_code
    assert "my-password" not in text
    assert "secret1" not in text


def test_the_schema_is_not_content_with_everything() -> None:
    document = json.loads(formats_table.RENDERERS["json"](reports.published(), False))
    document["files"][0]["fetched"] = "somehow"
    document["files"][1]["surprise"] = 1
    del document["matrix"]["cells"][0]["state"]
    document["timings"]["lunch"] = 1.0
    assert len(problems(document)) == 4


@pytest.mark.parametrize(
    ("plant", "arguments", "code"),
    [
        ({}, ("--until", "check"), 0),
        ({}, ("--until", "list"), 0),
        ({}, ("-n", "-w", "house", "dipy"), 0),
        ({"tag": "cp313-cp313-linux_x86_64"}, ("--until", "check"), 6),
        ({"record": ""}, ("--until", "check", "--ignore", "record", "--ignore", "metadata/thin"), None),
        ({}, ("--until", "check", "dipy", "9.9"), 3),
        ({}, ("--expect", "99", "--until", "check", "dipy"), 3),
    ],
)
def test_runs_write_what_the_schema_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: wheels.Parts,
    arguments: tuple[str, ...],
    code: int | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    if plant:
        wheels.make_wheel(tmp_path / "staged", **plant)
    result = run("-u", "staged", "--format", "json", *arguments)
    document = json.loads(result.stdout)
    assert problems(document) == []
    assert document["exit_code"] == result.exit_code
    assert code in {None, result.exit_code}


def test_the_matrix_and_what_was_accepted_are_told() -> None:
    document = json.loads(formats_table.RENDERERS["json"](reports.incomplete(), False))
    matrix = document["matrix"]
    assert matrix["compared_with"] == "1.10.0"
    assert matrix["pythons"] == ["cp310", "cp311", "cp312"]
    states = {(cell["python"], cell["platform"]): cell["state"] for cell in matrix["cells"]}
    assert states == {
        ("cp310", "win_amd64"): "lost",
        ("cp311", "macosx_arm64"): "present",
        ("cp311", "win_amd64"): "new",
        ("cp311", "win_arm64"): "missing",
        ("cp312", "macosx_arm64"): "new",
    }
    accepted = json.loads(formats_table.RENDERERS["json"](reports.accepted(), False))
    assert accepted["idle_ignores"] == ["sdist"]
    assert {(each["check"], each["ignored"], each["reason"]) for each in accepted["findings"]} == {
        ("metadata/thin", True, "old"),
        ("native/missing-library", True, "the loader finds it"),
        ("wheel/no-tag", True, ""),
        ("record/untidy", False, ""),
        ("metadata/thin", False, ""),
    }

"""Test the JSON report against its schema, for every way a run can end."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.in_process import run
from tools.testing import reports, wheels
from wheel_uploader.report import formats_table
from wheel_uploader.report.formats.json import SCHEMA_VERSION as SCHEMA_NUMBER
from wheel_uploader.report.views import file_rows, matrix_view
from wheel_uploader.report.views.file_status import SYMBOLS

SCHEMA = json.loads(
    resources.files("wheel_uploader.report.formats").joinpath("schema.json").read_text(encoding="utf-8")
)


def forbid_extra_keys(schema: Any) -> Any:
    """Return the schema with extra keys forbidden, so that every written key must be documented."""
    if isinstance(schema, list):
        return [forbid_extra_keys(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: forbid_extra_keys(value) for key, value in schema.items()}
    return {"additionalProperties": False, **inner} if schema.get("type") == "object" else inner


def schema_errors(document: Any) -> list[str]:
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(forbid_extra_keys(SCHEMA)).iter_errors(document)
    ]


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"].endswith(f":{SCHEMA_NUMBER}")


@pytest.mark.parametrize("kind", reports.ALL)
def test_every_report_matches_the_schema(kind: str) -> None:
    report = reports.ALL[kind]()
    text = formats_table.RENDERERS["json"](report, True)
    assert text.isascii()
    assert text.endswith("}\n")
    document = json.loads(text)
    assert schema_errors(document) == []
    assert document["exit_code"] == report.exit_code
    assert "my-password" not in text
    assert "secret1" not in text


def test_the_schema_rejects_invalid_reports() -> None:
    document = json.loads(formats_table.RENDERERS["json"](reports.published(), False))
    document["files"][0]["fetched"] = "somehow"
    document["files"][1]["surprise"] = 1
    del document["matrix"]["cells"][0]["state"]
    document["timings"]["lunch"] = 1.0
    assert len(schema_errors(document)) == 4


@pytest.mark.parametrize(
    ("extra_wheel", "arguments", "exit_code"),
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
def test_runs_print_reports_that_match_the_schema(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extra_wheel: wheels.Parts,
    arguments: tuple[str, ...],
    exit_code: int | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    if extra_wheel:
        wheels.make_wheel(tmp_path / "staged", **extra_wheel)
    result = run("-u", "staged", "--format", "json", *arguments)
    document = json.loads(result.stdout)
    assert schema_errors(document) == []
    assert document["exit_code"] == result.exit_code
    assert exit_code in {None, result.exit_code}


@pytest.mark.parametrize("kind", reports.ALL)
def test_cells_and_files_have_the_words_of_the_other_formats(kind: str) -> None:
    report = reports.ALL[kind]()
    document = json.loads(formats_table.RENDERERS["json"](report, False))
    statuses = {(each["sign"], each["word"], each["emphasis"]) for each in document["files"]}
    statuses |= {(each["sign"], each["word"], each["emphasis"]) for each in document["matrix"]["cells"]}
    legend = {(symbol.character, symbol.label, symbol.emphasis) for symbol in SYMBOLS.values()}
    assert statuses <= legend
    words = {each["filename"]: each["word"] for each in document["files"]}
    for cell in document["matrix"]["cells"]:
        assert not cell["files"] or cell["word"] in {words[filename] for filename in cell["files"]}
    view = matrix_view.build_matrix_view(report, file_rows.build_file_rows(report))
    shown = {cell.symbol.label for _, row in view.rows for cell in row if cell} if view else set()
    assert not view or shown == {cell["word"] for cell in document["matrix"]["cells"]}


def test_the_schema_has_every_word() -> None:
    assert set(SCHEMA["$defs"]["word"]["enum"]) == {symbol.label for symbol in SYMBOLS.values()}


def test_contains_the_matrix_and_accepted_findings() -> None:
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
    words = {(cell["python"], cell["platform"]): cell["word"] for cell in matrix["cells"]}
    assert words["cp310", "win_amd64"] == words["cp311", "win_arm64"] == "missing"
    accepted = json.loads(formats_table.RENDERERS["json"](reports.accepted(), False))
    assert accepted["idle_ignores"] == ["sdist"]
    assert {(item["check"], item["ignored"], item["reason"]) for item in accepted["findings"]} == {
        ("metadata/thin", True, "old"),
        ("native/missing-library", True, "the loader finds it"),
        ("wheel/no-tag", True, ""),
        ("record/untidy", False, ""),
        ("metadata/thin", False, ""),
    }

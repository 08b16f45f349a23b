"""The checks agree with PyPI: files and values with its own answers are in tests/data/pypi_rules."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twine.package import PackageFile
from twine.repository import Repository

from tests.support import in_process
from tests.support.zips import content
from tools.testing.wheels import wheel_bytes
from wheel_uploader import checks
from wheel_uploader.checks import core_metadata, description, render_worker, upload_form
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, Finding, Severity

DATA = Path(__file__).parents[2] / "data" / "pypi_rules"
ROWS = [line.split("\t") for line in (DATA / "table.tsv").read_text(encoding="utf-8").splitlines()[1:]]
FIELDS = [json.loads(line) for line in (DATA / "fields.jsonl").read_text(encoding="utf-8").splitlines()]

#: Checks of what pip rejects and PyPI accepts.
PIPS_RULES = frozenset({"metadata/excludes-every-python"})

#: The good file whose headers the values of FIELDS replace.
HEADERS = {
    "Summary": "A thing",
    "Home-page": "https://example.org/",
    "Author": "A",
    "Author-email": "a@example.org",
    "License": "BSD",
    "Requires-Python": ">=3.9",
    "Description-Content-Type": "text/x-rst",
}


def read_file(name: str) -> bytes:
    with zipfile.ZipFile(DATA / "files.zip") as archive:
        return archive.read(name)


def find_errors(data: bytes, filename: str) -> list[Finding]:
    try:
        archive = content(data, filename)
    except filenames.InvalidFilename as error:
        return [Finding(check="name/invalid", severity=Severity.ERROR, subject=filename, message=str(error))]
    found = checks.check_contents([archive], profile=CheckProfile.PYPI)
    return [finding for finding in found if finding.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("member", "filename", "expected"),
    [(row[0], row[1], row[4]) for row in ROWS],
    ids=[f"{row[0][:3]} {row[2]}" for row in ROWS],
)
def test_a_file_is_accepted_or_rejected_as_by_pypi(member: str, filename: str, expected: str) -> None:
    errors = find_errors(read_file(member), filename)
    if expected != "either":
        assert bool(errors) == (expected == "refuse"), errors


def test_the_table_is_complete() -> None:
    answers = [row[4] for row in ROWS]
    assert {answer: answers.count(answer) for answer in set(answers)} == {
        "refuse": 103,
        "take": 92,
        "either": 56,
    }


def render(text: str, content_type: str) -> description.Rendering:
    return description.Rendering(rejection_reason=render_worker.find_rendering_problem(text, content_type))


def make_metadata(case: dict[str, Any]) -> str:
    replaced: dict[str, str | None] = {**HEADERS, **case["replace"]}
    lines = [f"{name}: {value}" for name, value in replaced.items() if value is not None]
    head = [f"Metadata-Version: {case['version']}", "Name: fuzz", "Version: 1.0", *lines, *case["add"]]
    return "\n".join(head) + f"\n\n{case['body']}"


@pytest.mark.parametrize("answer", ["taken", "refused"])
def test_values_are_accepted_or_rejected_as_by_pypi(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Hundreds of descriptions: render them in this process.
    monkeypatch.setattr(description, "_render_in_subprocess", render)
    wrong = []
    for case in FIELDS:
        if case["answer"] == answer:
            data = wheel_bytes("fuzz", "1.0", metadata=make_metadata(case))
            errors = find_errors(data, "fuzz-1.0-py3-none-any.whl")
            errors = [finding for finding in errors if finding.check not in PIPS_RULES]
            if bool(errors) != (answer == "refused"):
                wrong.append((case, errors))
    assert not wrong


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row[1].endswith((".zip", ".tgz"))], ids=lambda row: row[1]
)
def test_the_command_publishes_nothing_under_such_a_name(tmp_path: Path, row: Sequence[str]) -> None:
    (tmp_path / row[1]).write_bytes(read_file(row[0]))
    assert in_process.run("--until", "check", "-u", tmp_path, "--profile", "pypi").exit_code


@pytest.mark.parametrize("row", [row for row in ROWS if row[4] == "take"], ids=lambda row: row[0])
def test_the_form_is_the_one_that_twine_sends(tmp_path: Path, row: Sequence[str]) -> None:
    path = tmp_path / row[1]
    path.write_bytes(read_file(row[0]))
    package = PackageFile.from_filename(str(path), None)
    sent: dict[str, list[str]] = {}
    for field, value in Repository._convert_metadata_to_list_of_tuples(package.metadata_dictionary()):
        sent.setdefault(field, []).append(value)
    archive = content(path.read_bytes(), row[1])
    data = archive.retained_members[core_metadata.get_metadata_path(archive)]
    metadata = core_metadata.parse_core_metadata(data)
    assert metadata is not None
    form = upload_form.fill_in_form(metadata)
    renamed = {
        "platforms": "platform",
        "supported_platforms": "supported_platform",
        "license_files": "license_file",
    }
    for field in metadata.fields:
        name = renamed.get(field, field)
        values = sent.pop(name, [])
        if [value.strip() for value in values] == ["UNKNOWN"]:
            values = []
        expected = [value.replace("\0", "\\x00") for value in values if value]
        assert list(form.get_values(field)) == expected, field
    assert set(sent) == {"pyversion", "filetype", "sha256_digest", "blake2_256_digest"}


@pytest.mark.parametrize(
    ("values", "received"),
    [
        (["UNKNOWN"], ()),
        ([" UNKNOWN "], ()),
        (["a", "UNKNOWN"], ()),
        (["UNKNOWN", "a"], ("UNKNOWN", "a")),
        (["a", "b\0c"], ("b\\x00c",)),
        (["a\0b", "c"], ("a\0b", "c")),
        ([""], ()),
        (["", ""], ("", "")),
        ([], ()),
    ],
)
def test_pypi_drops_placeholders_by_the_last_value(values: list[str], received: tuple[str, ...]) -> None:
    metadata = core_metadata.CoreMetadata(fields={"platforms": values}, problems=())
    assert upload_form.fill_in_form(metadata).get_values("platforms") == received


def test_twine_sends_no_import_names_and_no_license_files_of_old_metadata() -> None:
    fields = {"metadata_version": "2.3", "import_names": ["a"], "license_files": ["LICENSE"], "name": "a_b"}
    form = upload_form.fill_in_form(core_metadata.CoreMetadata(fields=fields, problems=()))
    assert form.values == {"metadata_version": ("2.3",), "name": ("a-b",)}

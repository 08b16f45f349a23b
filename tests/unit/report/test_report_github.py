"""Test GitHub Actions annotations: limited in number, and without injected commands."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tests.support.in_process import run
from tools.testing import reports, wheels
from tools.testing.reports import SDIST, WHEELS, finding
from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.models import Report, Severity, Stage
from wheel_uploader.report import formats_table

#: An annotation as the runner parses it: no raw ``:`` or ``,`` in a property, no line break anywhere.
ANNOTATION = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def annotations_of(report: Report) -> list[tuple[str, str, str]]:
    """Return (level, title, text) of every annotation, unescaped as the runner does."""

    def unescaped(text: str) -> str:
        for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, character)
        return text

    matches = [
        ANNOTATION.fullmatch(line) for line in formats_table.render_workflow_commands(report).splitlines()
    ]
    assert all(matches)
    return [(match[1], unescaped(match[2]), unescaped(match[3])) for match in matches if match]


def test_prints_one_annotation_per_check() -> None:
    report = reports.checked(
        finding("record/untidy", "a blank line", severity=Severity.WARNING),
        *(finding("name/platform-refused", "no index takes it", wheel) for wheel in WHEELS),
        *(finding("metadata/missing", "there is none", wheel, member=wheel) for wheel in (*WHEELS, *WHEELS)),
        finding("metadata/missing", "neither here", SDIST),
        finding("metadata/thin", "no keywords", severity=Severity.NOTE),
        finding("wheel/no-tag", "none", ignored=True),
        finding("odd/unknown", "x", "release", severity=Severity.WARNING),
    )
    everywhere = ", ".join(WHEELS)
    assert annotations_of(report) == [
        (
            "error",
            "name/platform-refused: Wheel has a platform tag that PyPI rejects",
            f"no index takes it ({everywhere})",
        ),
        (
            "error",
            "metadata/missing: Wheel has no METADATA file",
            f"there is none ({everywhere})\nneither here ({SDIST})",
        ),
        (
            "warning",
            "record/untidy: RECORD has harmless format errors",
            f"a blank line ({WHEELS[0]})",
        ),
        ("warning", "odd/unknown", "x"),
    ]


def test_prints_notes_only_in_verbose_mode() -> None:
    levels = {level for level, _, _ in annotations_of(reports.accepted(verbose=1))}
    assert levels == {"warning", "notice"}
    assert {level for level, _, _ in annotations_of(reports.accepted())} == {"warning"}


def test_shortens_long_lists() -> None:
    wheels_of_many = [f"dipy-1.11.0-cp3{minor}-cp3{minor}-win_amd64.whl" for minor in range(10, 18)]
    report = reports.checked(
        *(finding("name/platform-refused", "refused", wheel) for wheel in wheels_of_many),
        *(finding("name/platform-refused", f"sentence {number}", WHEELS[0]) for number in range(6)),
    )
    ((_, _, text),) = annotations_of(report)
    lines = text.splitlines()
    assert lines[0] == f"refused ({', '.join(wheels_of_many[:5])} and 3 more)"
    assert lines[-1] == "and 2 more like these"
    assert len(lines) == 6


@pytest.mark.parametrize(("count", "last"), [(10, "check-9"), (11, "2 more checks"), (30, "21 more checks")])
def test_prints_at_most_ten_annotations(count: int, last: str) -> None:
    report = reports.checked(*(finding(f"odd/check-{number}", "x") for number in range(count)))
    annotations = annotations_of(report)
    assert len(annotations) == 10
    assert last in "".join(annotations[-1])


def test_annotates_the_error_unless_findings_explain_it() -> None:
    ((level, title, text),) = annotations_of(reports.nothing_found())
    assert (level, title) == ("error", "wheel-uploader")
    assert text.startswith("no files of dipy latest at staging.example.com\nnext: Check PROJECT")
    # A damaged file or a failed server is reported in addition to findings in other files.
    for error in (FileError("it is cut"), NetworkError("gone")):
        report = reports.fetched()
        report = dataclasses.replace(report, findings=(finding("name/platform-refused", "x"),))
        report = dataclasses.replace(report, error=error)
        assert [title.partition(":")[0] for _, title, _ in annotations_of(report)] == [
            "wheel-uploader",
            "name/platform-refused",
        ]
    strict = reports.checked(finding("record/untidy", "x", severity=Severity.WARNING))
    strict = dataclasses.replace(
        strict, error=FileError("1 of 4 files failed the checks"), last_stage=Stage.DOWNLOAD
    )
    assert [level for level, _, _ in annotations_of(strict)] == ["error", "warning"]
    assert annotations_of(reports.published()) == []


def test_hostile_text_cannot_add_a_command() -> None:
    hostile = "100%0A::set-output name=x::y\r\n::error title=a,b::c\x1b[2J"
    report = reports.checked(
        finding("record/untidy", hostile, hostile, member=hostile), finding("odd/a,b:c%d", hostile, hostile)
    )
    raw = formats_table.render_workflow_commands(report)
    assert raw.count("\n") == 2
    for line in raw.splitlines():
        assert line.startswith(("::error title=odd", "::error title=record"))
        # Some log readers accept a command in the middle of a line, too.
        assert not re.search(r"[\s(]::[a-z]", line)
    ((_, _, text), (_, title, _)) = annotations_of(report)
    assert title == "odd/a,b:c%d"
    # A literal "%0A" stays text, and control characters are escaped.
    assert text.startswith("100%0A")
    assert "\n" not in text
    assert "\x1b" not in text


def test_prints_annotations_only_in_github_actions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = wheels.make_wheel(tmp_path, tag="cp313-cp313-linux_x86_64")
    call = ("-u", path, "--until", "check", "--format", "json")
    inside = run(*call, env={"GITHUB_ACTIONS": "true"})
    assert "\n::error title=name/platform-refused%3A " in f"\n{inside.stderr}"
    # The JSON on standard output stays valid.
    assert "::error" not in inside.stdout
    assert inside.stderr.splitlines()[-1].startswith("next: ")
    assert "::error" not in run(*call, env={"GITHUB_ACTIONS": None}).stderr

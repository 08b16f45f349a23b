"""Annotations in GitHub Actions: few, and nothing in them is a command of somebody else's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import reports, wheels
from tests.support.in_process import run
from tests.support.reports import SDIST, WHEELS, finding
from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.models import Report, Severity, Stage
from wheel_uploader.report import formats_table

#: What the runner takes for an annotation: no raw ``:`` or ``,`` in a property, no line break anywhere.
ANNOTATION = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def told(made: Report) -> list[tuple[str, str, str]]:
    """(level, title, text) of every annotation, as the runner understands them."""

    def unescaped(text: str) -> str:
        for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, character)
        return text

    found = [ANNOTATION.fullmatch(line) for line in formats_table.render_workflow_commands(made).splitlines()]
    assert all(found)
    return [(each[1], unescaped(each[2]), unescaped(each[3])) for each in found if each]


def test_each_check_is_one_annotation() -> None:
    made = reports.checked(
        finding("record/untidy", "a blank line", severity=Severity.WARNING),
        *(finding("name/platform-refused", "no index takes it", wheel) for wheel in WHEELS),
        *(finding("metadata/missing", "there is none", wheel, member=wheel) for wheel in (*WHEELS, *WHEELS)),
        finding("metadata/missing", "neither here", SDIST),
        finding("metadata/thin", "no keywords", severity=Severity.NOTE),
        finding("wheel/no-tag", "none", ignored=True),
        finding("odd/unknown", "x", "release", severity=Severity.WARNING),
    )
    everywhere = ", ".join(WHEELS)
    assert told(made) == [
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


def test_notes_are_for_those_who_ask() -> None:
    levels = {level for level, _, _ in told(reports.accepted(verbose=1))}
    assert levels == {"warning", "notice"}
    assert {level for level, _, _ in told(reports.accepted())} == {"warning"}


def test_long_lists_are_cut() -> None:
    wheels_of_many = [f"dipy-1.11.0-cp3{minor}-cp3{minor}-win_amd64.whl" for minor in range(10, 18)]
    made = reports.checked(
        *(finding("name/platform-refused", "refused", wheel) for wheel in wheels_of_many),
        *(finding("name/platform-refused", f"sentence {number}", WHEELS[0]) for number in range(6)),
    )
    ((_, _, text),) = told(made)
    lines = text.splitlines()
    assert lines[0] == f"refused ({', '.join(wheels_of_many[:5])} and 3 more)"
    assert lines[-1] == "and 2 more like these"
    assert len(lines) == 6


@pytest.mark.parametrize(("count", "last"), [(10, "check-9"), (11, "2 more checks"), (30, "21 more checks")])
def test_no_more_than_github_shows(count: int, last: str) -> None:
    made = reports.checked(*(finding(f"odd/check-{number}", "x") for number in range(count)))
    annotations = told(made)
    assert len(annotations) == 10
    assert last in "".join(annotations[-1])


def test_what_stopped_a_run_is_an_error_unless_the_findings_say_so() -> None:
    ((level, title, text),) = told(reports.nothing_found())
    assert (level, title) == ("error", "wheel-uploader")
    assert text.startswith("no files of dipy latest at staging.example.com\nnext: Check PROJECT")
    # A file that is damaged, or a server that is gone, besides findings in the others.
    for error in (FileError("it is cut"), NetworkError("gone")):
        made = reports.fetched()
        made.findings = (finding("name/platform-refused", "x"),)
        made.error = error
        assert [title.partition(":")[0] for _, title, _ in told(made)] == [
            "wheel-uploader",
            "name/platform-refused",
        ]
    strict = reports.checked(finding("record/untidy", "x", severity=Severity.WARNING))
    strict.error, strict.last_stage = FileError("1 of 4 files failed the checks"), Stage.DOWNLOAD
    assert [level for level, _, _ in told(strict)] == ["error", "warning"]
    assert told(reports.published()) == []


def test_nothing_from_outside_becomes_a_command() -> None:
    nasty = "100%0A::set-output name=x::y\r\n::error title=a,b::c\x1b[2J"
    made = reports.checked(
        finding("record/untidy", nasty, nasty, member=nasty), finding("odd/a,b:c%d", nasty, nasty)
    )
    raw = formats_table.render_workflow_commands(made)
    assert raw.count("\n") == 2
    for line in raw.splitlines():
        assert line.startswith(("::error title=odd", "::error title=record"))
        # A command begins a line, or a word of it for some readers of logs.
        assert not re.search(r"[\s(]::[a-z]", line)
    ((_, _, text), (_, title, _)) = told(made)
    assert title == "odd/a,b:c%d"
    # The author's "%0A" is not taken for a line break, and control characters are seen.
    assert text.startswith("100%0A")
    assert "\n" not in text
    assert "\x1b" not in text


def test_the_command_annotates_in_actions_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = wheels.make_wheel(tmp_path, tag="cp313-cp313-linux_x86_64")
    call = ("-u", path, "--until", "check", "--format", "json")
    inside = run(*call, env={"GITHUB_ACTIONS": "true"})
    assert "\n::error title=name/platform-refused%3A " in f"\n{inside.stderr}"
    # A document stays whole.
    assert "::error" not in inside.stdout
    assert inside.stderr.splitlines()[-1].startswith("next: ")
    assert "::error" not in run(*call, env={"GITHUB_ACTIONS": None}).stderr

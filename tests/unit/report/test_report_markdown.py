"""Test the Markdown report, as GitHub's own parser reads it, and the release notes."""

from __future__ import annotations

import re

import docutils.core
import pytest

from tests.support import hostile_reports
from tests.support.html_page import MARKDOWN_TAGS, render_markdown
from tools.testing import reports
from tools.testing.reports import INDEX, SDIST, WHEELS, finding
from wheel_uploader.core.models import Report, Severity
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.report import formats_table


def markdown(report: Report) -> str:
    return formats_table.RENDERERS["markdown"](report, True)


@pytest.mark.parametrize("payload", hostile_reports.PAYLOADS, ids=lambda payload: ascii(payload)[:30])
def test_renders_hostile_text_as_text(payload: str) -> None:
    text = markdown(hostile_reports.hostile_report(payload))
    page = render_markdown(text)
    assert page.open == []
    assert set(page.tags) <= MARKDOWN_TAGS
    plain = render_markdown(markdown(hostile_reports.hostile_report("harmless"))).tags
    # The payload neither opens a block nor closes one of ours.
    same = {"h2", "h3", "h4", "ul", "table", "tr", "td", "pre", "details"}
    assert {tag: page.tags[tag] for tag in same} == {tag: plain[tag] for tag in same}
    assert not [character for character in hostile_reports.FORBIDDEN if character in text]
    assert not re.search(r"^\s*::", text, re.MULTILINE)
    assert "my-password" not in text
    assert "secret1" not in text
    assert sanitize(payload).strip() in page.text


@pytest.mark.parametrize("kind", reports.ALL)
def test_every_report_is_valid_markdown(kind: str) -> None:
    page = render_markdown(markdown(reports.ALL[kind]()))
    assert set(page.tags) <= MARKDOWN_TAGS
    assert page.tags["h2"] == 1


def test_shows_a_published_release() -> None:
    text = markdown(reports.published())
    assert text.startswith(
        "## `dipy` `1.11.0`: Published\n\nThe index serves 4 files, each with the sha256 that was checked.\n"
    )
    assert f"| To | `{INDEX}` |\n" in text
    assert "| 0.2 s | 3 s | 40 ms | not run | 9.5 s | 2 s |\n" in text
    assert (
        "| `cp311` | = skipped | ✓ confirmed |\n| `cp312` | ✓ confirmed |  |\n| sdist | ✓ confirmed |  |"
        in text
    )
    assert (
        f"| ✓ confirmed | `{WHEELS[1]}` | 1.2 MB |  | `sha256 from the source` "
        "| signed, confirmed: the index serves this sha256 |\n"
    ) in text
    assert f"{3:064x}  {SDIST}\n```\n" in text


def test_shows_a_run_without_files() -> None:
    text = markdown(reports.nothing_found())
    assert text.startswith("## `dipy` `latest`: Release not ready\n")
    assert "**Next:** `Check PROJECT, VERSION and the URL" in text
    assert "###" not in text


def test_shows_findings_and_conflicts() -> None:
    text = markdown(reports.everything())
    assert (
        "#### ✗ error: Compiled code requires a library that neither the wheel nor the platform provides: "
        "`native/missing-library` (1 file)\n\n```text\nit needs x.dll\n"
        "    dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n        dipy/a.pyd\n```\n\n"
        "<details><summary>Explanation and fix</summary>\n\n"
    ) in text
    assert "#### ignored warning: WHEEL has no Tag line: `wheel/no-tag` (1 file)\n" in text
    assert "Ignored because `for <reasons>`\n" in text
    assert f"the index has `{'c' * 64}`" in text
    assert "the index has the same bytes as `dipy-1.10.0.tar.gz`" in text
    assert "| +71.4 % |" in text
    assert "| `Linux x86_64 glibc 2.0` | ✓ wheel | ✓ wheel | ✓ wheel **new** | ✓ wheel **new** |\n" in text
    assert "| `Linux x86_64 glibc 2.2` | … nothing | ✗ nothing | ✗ nothing |  |\n" in text
    assert "1 of 2 passed: `python -c 'import dipy'`\n" in text
    assert ": `exit code 1`\n\n```text\nTraceback:\nImportError: <x>\n```\n" in text
    assert "- **new** (1): `1.10.0` has no wheel here" in text


def test_cuts_a_long_report_between_blocks() -> None:
    report = hostile_reports.report_with_findings(5_000)
    whole = formats_table.render_workflow_summary(report, 10_000_000)
    assert whole == markdown(report)
    cut = formats_table.render_workflow_summary(report, 100_000)
    assert 90_000 < len(cut.encode()) <= 100_000
    assert cut.endswith("`--report FILE.md` writes all of it.*\n")
    assert whole.startswith(cut.rpartition("*The report is cut")[0].rstrip("\n"))
    assert set(render_markdown(cut).tags) <= MARKDOWN_TAGS
    assert render_markdown(cut).tags["em"] == 1


def test_shortens_long_lists() -> None:
    report = reports.checked(
        *(finding("record/untidy", f"line {number}", severity=Severity.WARNING) for number in range(25)),
        *(finding("wheel/no-tag", "none", f"{number}.whl", member="m") for number in range(25)),
        *(finding("metadata/thin", "x", "release", member=f"m{number}") for number in range(9)),
    )
    assert report.error
    report.error.details = tuple(f"detail {number}" for number in range(22))
    text = markdown(report)
    assert "\nand 5 more like these\n" in text
    assert "\n    and 5 more files\n" in text
    assert "\n        and 4 more\n" in text
    assert "detail 19\nand 2 more\n```" in text


# --- release notes ---------------------------------------------------------------------------------


def test_release_notes_in_markdown() -> None:
    text = formats_table.RENDERERS["notes-md"](reports.published(), True)
    assert text.startswith("| File | Size | SHA256 |\n| --- | ---: | --- |\n")
    page = render_markdown(text)
    assert page.tags["tr"] == 5
    assert [word for word in page.text.split() if len(word) == 64] == [
        f"{number:064x}" for number in range(4)
    ]
    assert all(name in page.text for name in (*WHEELS, SDIST))


def test_release_notes_in_restructuredtext() -> None:
    text = formats_table.RENDERERS["notes-rst"](reports.published(), True)
    # halt_level=1 turns every problem into an error instead of a message in the page.
    page = docutils.core.publish_parts(text, writer="html5", settings_overrides={"halt_level": 1})["body"]
    assert page.count("<tr") == 5
    assert page.count('<span class="docutils literal">') >= 8
    assert f"{3:064x}" in page


@pytest.mark.parametrize("form", ["notes-md", "notes-rst"])
def test_release_notes_are_empty_without_files(form: str) -> None:
    assert formats_table.RENDERERS[form](reports.listed(), True) == ""

"""Test the HTML report: its content, and that hostile text stays text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import time

import pytest
from packaging.version import Version

from tests.support import hostile_reports
from tests.support.html_page import HTML_TAGS, Page
from tools.testing import reports
from tools.testing.reports import INDEX, SDIST, WHEELS
from wheel_uploader.core.errors import DeadlineError, FileError, ReleaseError, RunInterrupted, StorageError
from wheel_uploader.core.models import FileStatus, Report, Stage
from wheel_uploader.core.models.changes import ReleaseChanges, SizeChange, ValueChange
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.report import formats_table
from wheel_uploader.report.views import file_rows, install_matrix, matrix_view
from wheel_uploader.report.views import outcome as outcome_view
from wheel_uploader.report.views.file_status import SYMBOLS


def page(report: Report) -> str:
    return formats_table.RENDERERS["html"](report, True)


def page_text(report: Report) -> str:
    return " ".join(Page(page(report)).text.split())


# --- hostile text ----------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", hostile_reports.PAYLOADS, ids=lambda payload: ascii(payload)[:30])
def test_renders_hostile_text_as_text(payload: str) -> None:
    text = page(hostile_reports.hostile_report(payload))
    parsed = Page(text)
    assert parsed.open == []
    assert set(parsed.tags) <= HTML_TAGS
    for name, value in parsed.attributes:
        assert not name.startswith("on")
        assert name not in {"style", "src", "srcset", "action", "formaction"}
        assert name != "href" or value.startswith("#")
    assert not [character for character in hostile_reports.FORBIDDEN if character in text]
    assert "my-password" not in text
    assert "secret1" not in text
    plain = Page(page(reports.everything())).tags
    assert set(parsed.tags) == set(plain)
    # The text is visible, with whitespace collapsed.
    assert " ".join(sanitize(payload).split()) in " ".join(parsed.text.split())


def test_the_content_security_policy_allows_only_our_style() -> None:
    text = page(reports.published())
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import|https?:", style[1])


def test_renders_a_hundred_thousand_findings_quickly() -> None:
    started = time.process_time()
    text = page(hostile_reports.report_with_findings(100_000))
    assert len(text) < 4_000_000
    assert "more like these" in text
    # About a second on an idle machine; anything worse than linear would take hours.
    assert time.process_time() - started < 60


def test_shortens_a_very_large_matrix() -> None:
    tags = [f"cp3{number}-cp3{number}-linux_a{number}" for number in range(100)]
    report = reports.listed([f"dipy-1.11.0-{tag}.whl" for tag in tags])
    text = page(report)
    assert "Rows and columns not shown: 80" in text
    assert text.count('<th scope="col">') - 2 == text.count('<tr><th scope="row">') == 60


# --- content ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", reports.ALL)
def test_every_report_is_a_well_formed_page(kind: str) -> None:
    text = page(reports.ALL[kind]())
    parsed = Page(text)
    assert text.startswith("<!DOCTYPE html>\n")
    assert parsed.open == []
    assert set(parsed.tags) <= HTML_TAGS
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value.removeprefix("#") for name, value in parsed.attributes if name == "href"}
    assert links <= set(ids)


def test_shows_a_published_release() -> None:
    visible_text = page_text(reports.published())
    assert (
        "dipy 1.11.0 Published The index serves 4 files, each with the sha256 that was checked."
        in visible_text
    )
    assert f"To {INDEX}" in visible_text
    assert "Upload 1 skipped, 3 confirmed" in visible_text
    assert f"Signatures 3 new, 1 reused, by {'A' * 40}" in visible_text
    assert "upload 9.5 s done" in visible_text
    assert "3 confirmed uploaded by this run" in visible_text
    assert f"confirmed {WHEELS[1]} downloaded, verified by sha256 from the source · signed".replace(
        "· ", ""
    ) in visible_text.replace("· ", "")
    assert f"{3:064x} {SDIST}" in visible_text
    assert "notes.txt neither a wheel nor an sdist" in visible_text


def test_shows_findings_with_their_explanation() -> None:
    text = page(reports.everything())
    visible_text = page_text(reports.everything())
    assert (
        "error Compiled code requires a library that neither the wheel nor the platform provides"
        in visible_text
    )
    assert "it needs x.dll" in visible_text
    assert "Repair the wheel with auditwheel, delocate or delvewheel." in visible_text
    assert "Ignored because for <reasons>" in visible_text
    assert "Unused ignore: sdist" in visible_text
    assert (
        text.count("<details") - text.count(" open>") == 2 + 2 + 2
    )  # a note, an ignored finding, two for release notes, the files and their hashes


def test_shows_size_changes() -> None:
    text = page(reports.everything())
    assert "+71.4 %" in text
    assert "\N{MINUS SIGN}7.7 %" in text
    assert 'class="before"' in text
    assert "Size (line: 1.10.0)" in text
    assert 'class="before"' not in page(reports.published())


def test_shows_both_hashes_of_a_conflict() -> None:
    visible_text = page_text(reports.conflict())
    assert f"sha256 {0:064x} here, {'c' * 64} on the index" in visible_text
    assert "the index has the same bytes as dipy-1.10.0.tar.gz" in visible_text
    assert visible_text.count("cccc on the index") == 1


def test_the_matrix_shows_every_state() -> None:
    report = reports.everything()
    view = matrix_view.build_matrix_view(report, file_rows.build_file_rows(report))
    assert view
    cells = {
        f"{python} {family.system}": square
        for python, line in view.rows
        for family, square in zip(view.platforms, line, strict=True)
    }
    states = {place: square.symbol.shape_id for place, square in cells.items() if square}
    assert states == {
        "cp310 win": "expected",
        "cp311 macosx": "failed",
        "cp311 manylinux": "checked",
        "cp311 musllinux": "checked",
        "cp311 win": "conflict",
        "cp312 macosx": "conflict",
        "cp312 manylinux": "same",
        "cp312 musllinux": "published",
        "cp312 win": "same",
        "cp313 macosx": "would-post",
        "cp313 manylinux": "conflict",
        "cp313 musllinux": "refused",
        "cp313 win": "not-uploaded",
        "cp314 macosx": "expected",
        "cp315 macosx": "unknown",
        "cp315 manylinux": "not-tried",
        "cp315 musllinux": "checked",
        "cp315 win": "checked",
    }
    assert [place for place, square in cells.items() if square and square.is_new] == ["cp315 win"]
    assert view.sdist
    assert view.sdist.symbol is SYMBOLS[FileStatus.SIGNED]
    assert sum(count for _, count in view.legend) == len(states) + 1


def test_shows_pip_resolution_and_smoke_tests() -> None:
    visible_text = page_text(reports.everything())
    assert (
        "What pip installs pip finds a wheel for 4 of 11 environments, and none for 2 that had one in the "
        "previous release, and nothing for 1 that could build the previous release; nothing was uploaded. "
        "cp311 cp312 cp313 cp314 "
        "Linux x86_64 glibc 2.0 wheel wheel wheelnew wheelnew" in visible_text
    )
    assert (
        "Linux x86_64 glibc 2.1 source source source source Linux x86_64 glibc 2.2 nothing nothing"
        in visible_text
    )
    assert "source pip builds from the sdist; the previous release had a wheel" in visible_text
    assert "1 of 2 passed: python -c 'import dipy'" in visible_text
    assert "with CPython 3.12.1 /usr/bin/python3.12: exit code 1 Traceback: ImportError: <x>" in visible_text


def test_every_status_has_a_symbol_with_a_shape_and_its_word() -> None:
    shapes = set(re.findall('symbol id="m-([a-z-]+)"', page(reports.listed())))
    of_installs = install_matrix.SOURCE_INSTEAD_OF_WHEEL_SYMBOL.shape_id
    assert shapes == {of_installs, *(symbol.shape_id for symbol in SYMBOLS.values())}
    assert {status: symbol.label for status, symbol in SYMBOLS.items()} == {
        status: status.value for status in FileStatus
    }
    assert len({row.symbol for row in file_rows.build_file_rows(reports.everything())}) > 8


def test_marks_a_lost_sdist_and_a_new_sdist() -> None:
    without_sdist = reports.listed(WHEELS)
    without_sdist = dataclasses.replace(without_sdist, previous_filenames=("dipy-1.10.0.tar.gz",))
    view = matrix_view.build_matrix_view(without_sdist, file_rows.build_file_rows(without_sdist))
    assert view
    assert view.sdist == matrix_view.CellView(symbol=SYMBOLS[FileStatus.MISSING])
    assert matrix_view.list_missing(without_sdist, file_rows.build_file_rows(without_sdist)) == ["sdist"]
    with_new_sdist = reports.listed()
    with_new_sdist = dataclasses.replace(
        with_new_sdist, previous_filenames=(WHEELS[0].replace("1.11", "1.10"),)
    )
    view = matrix_view.build_matrix_view(with_new_sdist, file_rows.build_file_rows(with_new_sdist))
    assert view
    assert view.sdist
    assert view.sdist.is_new
    assert matrix_view.build_matrix_view(reports.nothing_found(), ()) is None


def test_counts_two_wheels_in_the_same_cell() -> None:
    report = reports.listed(
        ("dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl", "dipy-1.11.0-cp311-cp311-macosx_14_0_arm64.whl")
    )
    assert "2 files" in page(report)


def test_matches_previous_files_by_tags_and_then_by_cell() -> None:
    current_names = (
        "dipy-2-cp311-cp311-macosx_10_9_x86_64.whl",
        "dipy-2-cp311-cp311-macosx_14_0_x86_64.whl",
        "dipy-2-cp311-cp311-manylinux_2_28_x86_64.whl",
        "dipy-2-cp312-cp312-win_amd64.whl",
        "dipy-2.tar.gz",
    )
    report = reports.listed(current_names)
    report = dataclasses.replace(
        report,
        previous_filenames=(
            "dipy-1-cp311-cp311-macosx_10_9_x86_64.whl",
            "dipy-1-cp311-cp311-macosx_13_0_x86_64.whl",
            "dipy-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "dipy-1.zip",
            "not a name",
        ),
    )
    report = dataclasses.replace(report, previous_sizes={report.previous_filenames[0]: 600_000})
    rows = {row.filename: row for row in file_rows.build_file_rows(report)}
    before = {name: row.previous.filename for name, row in rows.items() if row.previous}
    assert before == {
        current_names[0]: report.previous_filenames[0],
        current_names[1]: report.previous_filenames[1],
        current_names[2]: report.previous_filenames[2],
        current_names[4]: report.previous_filenames[3],
    }
    assert rows[current_names[0]].size_change == pytest.approx(1.0)
    assert rows[current_names[1]].size_change is None


# --- headline --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reached", "options", "headline"),
    [
        (None, {}, "Nothing done"),
        (Stage.LIST, {}, "Listed"),
        (Stage.DOWNLOAD, {}, "Downloaded"),
        (Stage.CHECK, {}, "Checked"),
        (Stage.SIGN, {}, "Signed"),
        (Stage.UPLOAD, {}, "Uploaded"),
        (Stage.UPLOAD, {"dry_run": True}, "Dry run"),
        (Stage.CONFIRM, {}, "Already published"),
    ],
)
def test_the_headline_names_the_stage_reached(
    reached: Stage | None, options: dict[str, bool], headline: str
) -> None:
    report = reports.compared(**options)
    report = dataclasses.replace(report, last_stage=reached)
    assert outcome_view.build_outcome(report, file_rows.build_file_rows(report)).headline == headline
    assert f"<strong>{headline}</strong>" in page(report)


@pytest.mark.parametrize(
    ("error", "headline", "tone"),
    [
        (DeadlineError("too late"), "Timed out", "warn"),
        (RunInterrupted(15), "Interrupted", "warn"),
        (StorageError("full"), "Storage error", "bad"),
        (ReleaseError("a bug"), "Unexpected error", "bad"),
    ],
)
def test_the_headline_names_the_error(error: ReleaseError, headline: str, tone: str) -> None:
    report = reports.compared()
    report = dataclasses.replace(report, error=error)
    end = outcome_view.build_outcome(report, file_rows.build_file_rows(report))
    assert (end.headline, end.emphasis) == (headline, tone)
    assert "Next" in page_text(report)


def test_a_changed_file_is_not_reported_as_a_failed_check() -> None:
    report = reports.fetched()
    report = dataclasses.replace(report, error=FileError("a.whl changed while it was read"))
    assert (
        outcome_view.build_outcome(report, file_rows.build_file_rows(report)).headline
        == "Invalid or changed file"
    )


def test_shows_warnings_in_the_summary() -> None:
    end = outcome_view.build_outcome(reports.accepted(), file_rows.build_file_rows(reports.accepted()))
    assert (end.emphasis, end.message[-20:]) == ("warn", " There is 1 warning.")


@pytest.mark.parametrize(
    ("change", "expected"), [(0.0001, "±0 %"), (0.012, "+1.2 %"), (-0.5, "\N{MINUS SIGN}50.0 %")]
)
def test_formats_size_changes(change: float, expected: str) -> None:
    assert outcome_view.format_percent(change) == expected


def test_draws_the_changes_since_the_previous_release() -> None:
    changes = ReleaseChanges(
        version=Version("1.10.0"),
        values=(ValueChange(name="Requires-Dist", added=("<numpy>",), removed=("scipy",)),),
        sizes=(
            SizeChange(folder="dipy/data", previous=0, current=500),
            SizeChange(folder="", previous=500, current=1000),
        ),
    )
    changed = page(dataclasses.replace(reports.checked(), changes=changes))
    assert 'class="past" width="50.00"' in changed
    text = " ".join(Page(changed).text.split())
    assert "Changes since 1.10.0 dipy/data 0 B before, 500 B now all files 500 B before, 1.0 kB now" in text
    assert "Requires-Dist: 1 added, 1 removed + <numpy> - scipy" in text


def test_lists_the_problems_above_the_matrix() -> None:
    text = page_text(reports.everything())
    assert text.index("conflict dipy-1.11.0-cp311") < text.index("Pythons and platforms")
    assert "missing cp310-win_amd64" in text
    assert "Files and places with problems" not in page_text(reports.published())


def test_the_box_counts_all_errors() -> None:
    report = reports.checked(reports.finding("wheel/no-tag", "none"), reports.finding("record/untidy", "bad"))
    assert "Checks: 2 errors, 0 warnings, 0 notes Next" in page_text(report)

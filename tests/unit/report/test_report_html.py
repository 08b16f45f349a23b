"""The report as a page: what stands in it, and that nothing in it is anything but text."""

from __future__ import annotations

import base64
import hashlib
import re
import time

import pytest

from tests.support import hostile_reports, reports
from tests.support.html_page import HTML_TAGS, Page
from tests.support.reports import INDEX, SDIST, WHEELS
from wheel_uploader.core.errors import DeadlineError, FileError, ReleaseError, RunInterrupted, StorageError
from wheel_uploader.core.models import Report, Stage
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.report import formats_table
from wheel_uploader.report.views import file_rows, matrix_view
from wheel_uploader.report.views import outcome as outcome_view


def page(made: Report) -> str:
    return formats_table.RENDERERS["html"](made, True)


def words(made: Report) -> str:
    return " ".join(Page(page(made)).text.split())


# --- nothing but text ------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", hostile_reports.PAYLOADS, ids=lambda payload: ascii(payload)[:30])
def test_what_others_wrote_is_text(payload: str) -> None:
    text = page(hostile_reports.hostile_report(payload))
    seen = Page(text)
    assert seen.open == []
    assert set(seen.tags) <= HTML_TAGS
    for name, value in seen.attributes:
        assert not name.startswith("on")
        assert name not in {"style", "src", "srcset", "action", "formaction"}
        assert name != "href" or value.startswith("#")
    assert not [character for character in hostile_reports.FORBIDDEN if character in text]
    assert "my-password" not in text
    assert "secret1" not in text
    plain = Page(page(reports.everything())).tags
    assert set(seen.tags) == set(plain)
    # It is there to be read; spaces are those of a page.
    assert " ".join(sanitize(payload).split()) in " ".join(seen.text.split())


def test_the_policy_lets_nothing_in_but_our_own_style() -> None:
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


def test_a_hundred_thousand_findings_are_a_page_that_opens() -> None:
    begun = time.process_time()
    text = page(hostile_reports.report_with_findings(100_000))
    assert len(text) < 4_000_000
    assert "more like these" in text
    # Generous: it is about a second where nothing else runs; what is not linear takes hours.
    assert time.process_time() - begun < 60


def test_a_matrix_that_nobody_can_look_at_is_cut() -> None:
    tags = [f"cp3{number}-cp3{number}-linux_a{number}" for number in range(100)]
    made = reports.listed([f"dipy-1.11.0-{tag}.whl" for tag in tags])
    text = page(made)
    assert "Rows and columns not shown: 80" in text
    assert text.count('<th scope="col">') - 2 == text.count('<tr><th scope="row">') == 60


# --- what stands in it -----------------------------------------------------------------------------


@pytest.mark.parametrize("ended", reports.ALL)
def test_every_end_is_a_whole_page(ended: str) -> None:
    text = page(reports.ALL[ended]())
    seen = Page(text)
    assert text.startswith("<!DOCTYPE html>\n")
    assert seen.open == []
    assert set(seen.tags) <= HTML_TAGS
    ids = [value for name, value in seen.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value.removeprefix("#") for name, value in seen.attributes if name == "href"}
    assert links <= set(ids)


def test_a_release_that_is_on_the_index() -> None:
    said = words(reports.published())
    assert "dipy 1.11.0 Published The index serves 4 files, each with the sha256 that was checked." in said
    assert f"To {INDEX}" in said
    assert "Upload 1 skipped, 3 confirmed" in said
    assert f"Signatures 3 new, 1 reused, by {'A' * 40}" in said
    assert "upload 9.5 s done" in said
    assert "3 confirmed uploaded by this run" in said
    assert f"confirmed {WHEELS[1]} downloaded, verified by sha256 from the source · signed".replace(
        "· ", ""
    ) in said.replace("· ", "")
    assert f"{3:064x} {SDIST}" in said
    assert "notes.txt neither a wheel nor an sdist" in said


def test_findings_with_their_explanation() -> None:
    text = page(reports.everything())
    said = words(reports.everything())
    assert "error Compiled code requires a library that neither the wheel nor the platform provides" in said
    assert "it needs x.dll" in said
    assert "Repair the wheel with auditwheel, delocate or delvewheel." in said
    assert "Ignored because for <reasons>" in said
    assert "Unused ignore: sdist" in said
    assert (
        text.count("<details") - text.count(" open>") == 2 + 2
    )  # a note, an ignored one, two for release notes


def test_sizes_with_the_change() -> None:
    text = page(reports.everything())
    assert "+71.4 %" in text
    assert "\N{MINUS SIGN}7.7 %" in text
    assert 'class="before"' in text
    assert "Size (line: 1.10.0)" in text
    assert 'class="before"' not in page(reports.published())


def test_conflicts_show_both_hashes() -> None:
    said = words(reports.conflict())
    assert f"sha256 {0:064x} here, {'c' * 64} on the index" in said
    assert "the index has the same bytes as dipy-1.10.0.tar.gz" in said
    assert said.count("cccc on the index") == 1


def test_the_picture_has_every_state() -> None:
    made = reports.everything()
    picture = matrix_view.build_matrix_view(made, file_rows.build_file_rows(made))
    assert picture
    found = {
        f"{python} {family.system}": square
        for python, line in picture.rows
        for family, square in zip(picture.platforms, line, strict=True)
    }
    states = {place: square.symbol.shape_id for place, square in found.items() if square}
    assert states == {
        "cp310 win": "lost",
        "cp311 macosx": "failed",
        "cp311 manylinux": "checked",
        "cp311 musllinux": "checked",
        "cp311 win": "conflict",
        "cp312 macosx": "conflict",
        "cp312 manylinux": "same",
        "cp312 musllinux": "published",
        "cp312 win": "same",
        "cp313 macosx": "would-post",
        "cp313 manylinux": "refused",
        "cp313 musllinux": "unknown",
        "cp313 win": "not-tried",
        "cp314 macosx": "expected",
    }
    assert [place for place, square in found.items() if square and square.is_new] == ["cp313 win"]
    assert picture.sdist
    assert picture.sdist.symbol is matrix_view.SIGNED
    assert sum(count for _, count in picture.legend) == len(states) + 1


def test_what_pip_installs_and_what_was_tried() -> None:
    said = words(reports.everything())
    assert (
        "What pip installs cp311 cp312 cp313 cp314 Linux x86_64 glibc 2.0 wheel wheel wheelnew wheelnew"
        in said
    )
    assert "Linux x86_64 glibc 2.1 source source source source Linux x86_64 glibc 2.2 nothing nothing" in said
    assert "source pip builds from the sdist; the previous release had a wheel" in said
    assert "1 of 2 passed: python -c 'import dipy'" in said
    assert "with CPython 3.12.1 /usr/bin/python3.12: exit code 1 Traceback: ImportError: <x>" in said


def test_every_mark_has_a_shape_and_is_in_the_legend() -> None:
    shapes = set(re.findall('symbol id="m-([a-z-]+)"', page(reports.listed())))
    assert shapes == {mark.shape_id for mark in matrix_view.LEGEND_ORDER}
    assert len({mark.label for mark in matrix_view.LEGEND_ORDER}) == len(matrix_view.LEGEND_ORDER)
    assert (
        len({matrix_view.get_file_symbol(row) for row in file_rows.build_file_rows(reports.everything())}) > 8
    )


def test_an_sdist_that_is_gone_and_one_that_is_new() -> None:
    gone = reports.listed(WHEELS)
    gone.previous_filenames = ("dipy-1.10.0.tar.gz",)
    picture = matrix_view.build_matrix_view(gone, file_rows.build_file_rows(gone))
    assert picture
    assert picture.sdist == matrix_view.CellView(symbol=matrix_view.LOST)
    assert matrix_view.list_missing(gone, file_rows.build_file_rows(gone)) == ["sdist"]
    new = reports.listed()
    new.previous_filenames = (WHEELS[0].replace("1.11", "1.10"),)
    picture = matrix_view.build_matrix_view(new, file_rows.build_file_rows(new))
    assert picture
    assert picture.sdist
    assert picture.sdist.is_new
    assert matrix_view.build_matrix_view(reports.nothing_found(), ()) is None


def test_two_wheels_in_one_place_show_the_worse() -> None:
    made = reports.listed(
        ("dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl", "dipy-1.11.0-cp311-cp311-macosx_14_0_arm64.whl")
    )
    assert "2 files" in page(made)


def test_files_of_the_release_before_are_found_by_tags_and_then_by_place() -> None:
    ours = (
        "dipy-2-cp311-cp311-macosx_10_9_x86_64.whl",
        "dipy-2-cp311-cp311-macosx_14_0_x86_64.whl",
        "dipy-2-cp311-cp311-manylinux_2_28_x86_64.whl",
        "dipy-2-cp312-cp312-win_amd64.whl",
        "dipy-2.tar.gz",
    )
    made = reports.listed(ours)
    made.previous_filenames = (
        "dipy-1-cp311-cp311-macosx_10_9_x86_64.whl",
        "dipy-1-cp311-cp311-macosx_13_0_x86_64.whl",
        "dipy-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "dipy-1.zip",
        "not a name",
    )
    made.previous_sizes = {made.previous_filenames[0]: 600_000}
    rows = {row.filename: row for row in file_rows.build_file_rows(made)}
    before = {name: row.previous.filename for name, row in rows.items() if row.previous}
    assert before == {
        ours[0]: made.previous_filenames[0],
        ours[1]: made.previous_filenames[1],
        ours[2]: made.previous_filenames[2],
        ours[4]: made.previous_filenames[3],
    }
    assert rows[ours[0]].size_change == pytest.approx(1.0)
    assert rows[ours[1]].size_change is None


# --- how it ended ----------------------------------------------------------------------------------


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
def test_the_headline_says_how_far_it_went(
    reached: Stage | None, options: dict[str, bool], headline: str
) -> None:
    made = reports.compared(**options)
    made.last_stage = reached
    assert outcome_view.build_outcome(made, file_rows.build_file_rows(made)).headline == headline
    assert f"<strong>{headline}</strong>" in page(made)


@pytest.mark.parametrize(
    ("error", "headline", "tone"),
    [
        (DeadlineError("too late"), "Timed out", "warn"),
        (RunInterrupted(15), "Interrupted", "warn"),
        (StorageError("full"), "Storage error", "bad"),
        (ReleaseError("a bug"), "Unexpected error", "bad"),
    ],
)
def test_the_headline_of_an_error(error: ReleaseError, headline: str, tone: str) -> None:
    made = reports.compared()
    made.error = error
    end = outcome_view.build_outcome(made, file_rows.build_file_rows(made))
    assert (end.headline, end.emphasis) == (headline, tone)
    assert "Next" in words(made)


def test_a_file_that_changed_has_not_failed_a_check() -> None:
    made = reports.fetched()
    made.error = FileError("a.whl changed while it was read")
    assert (
        outcome_view.build_outcome(made, file_rows.build_file_rows(made)).headline
        == "Invalid or changed file"
    )


def test_warnings_are_told_at_the_top() -> None:
    end = outcome_view.build_outcome(reports.accepted(), file_rows.build_file_rows(reports.accepted()))
    assert (end.emphasis, end.message[-20:]) == ("warn", " There is 1 warning.")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "0 ms"), (0.04, "40 ms"), (0.4, "0.4 s"), (59.7, "1 min 0 s"), (12.2, "12 s")]
)
def test_times(seconds: float, said: str) -> None:
    assert outcome_view.format_duration(seconds) == said


@pytest.mark.parametrize(
    ("change", "said"), [(0.0001, "±0 %"), (0.012, "+1.2 %"), (-0.5, "\N{MINUS SIGN}50.0 %")]
)
def test_changes(change: float, said: str) -> None:
    assert outcome_view.format_percent(change) == said

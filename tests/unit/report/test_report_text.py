"""The report for a person, word for word."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tests.support import reports
from tests.support.reports import SDIST, WHEELS, finding
from wheel_uploader.core.models import Report, Severity
from wheel_uploader.report import formats_table
from wheel_uploader.report.formats.terminal_style import TerminalStyle

FILES = """\
    checked  4 files    4.8 MB
      1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl
      1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl
      1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl
      1.2 MB  dipy-1.11.0.tar.gz
"""
MATRIX = """\
         macosx  win
         arm64   amd64
  cp311  x       x
  cp312  x       .
"""


def text(made: Report, *, utf8: bool = False) -> str:
    return formats_table.RENDERERS["text"](made, utf8)


def test_a_release_that_is_on_the_index() -> None:
    assert text(reports.published()) == (
        "dipy 1.11.0 from https://staging.example.com/wheels/ to https://index.example.com/legacy/\n"
        "4 files, 4.8 MB (1 other not selected: -v shows why)\n"
        "  + confirmed  3 files    3.6 MB\n"
        "      1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        "      1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl\n"
        "      1.2 MB  dipy-1.11.0.tar.gz\n"
        "  + skipped     1 file    1.2 MB\n"
        "      1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        + MATRIX
        + "checks: 0 errors, 0 warnings, 0 notes (profile any)\n"
        "signatures: 3 new, 1 reused, by AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        "upload: 3 uploaded, 1 skipped\n"
        "confirmed: the index serves 4 of 4 files with the same sha256\n"
        "seconds: list 0.2, download 3.0, check 0.0, upload 9.5, confirm 2.0\n"
        "Published: dipy 1.11.0 to https://index.example.com/legacy/ in 15 s\n"
        "  The index serves 4 files, each with the sha256 that was checked.\n"
    )


def test_the_page_of_the_release_is_the_last_word() -> None:
    made = reports.published()
    made.release_url = "https://index.example.com/project/dipy/1.11.0/"
    assert text(made).endswith(" checked.\n  https://index.example.com/project/dipy/1.11.0/\n")


def test_until_list() -> None:
    assert text(reports.listed(verbose=1)) == (
        "dipy 1.11.0 from https://staging.example.com/wheels/\n"
        "4 files, 4.8 MB (1 other not selected, see above)\n"
        + FILES.replace("checked", "listed")
        + MATRIX
        + "seconds: list 0.2\n"
        "Listed: dipy 1.11.0 in 0.2 s\n"
        "  4 files of the release listed; not yet downloaded.\n"
    )


def test_until_download() -> None:
    assert FILES.replace("checked", "downloaded") in text(reports.fetched())


def test_until_sign() -> None:
    made = reports.checked()
    made.signatures = reports.published().signatures[:3]
    made.selection = dataclasses.replace(made.selection, excluded_files=()) if made.selection else None
    said = text(made)
    assert "4 files, 4.8 MB\n    signed   3 files    3.6 MB\n" in said
    assert f"    checked   1 file    1.2 MB\n      1.2 MB  {SDIST}\n" in said


def test_a_download_that_failed() -> None:
    made = reports.fetched()
    made.downloaded_files = made.downloaded_files[1:]
    assert f"    listed       1 file    1.2 MB\n      1.2 MB  {WHEELS[0]}\n" in text(made)


# --- many files ------------------------------------------------------------------------------------

LARGE = (
    *(
        f"numpy-2.3.4-cp3{minor}-cp3{minor}{free}-{platform}.whl"
        for minor in (11, 12, 13, 14)
        for free in ("", "t")
        for platform in (
            "macosx_14_0_arm64",
            "manylinux_2_27_x86_64.manylinux_2_28_x86_64",
            "musllinux_1_2_x86_64",
            "win_amd64",
        )
    ),
    "numpy-2.3.4.tar.gz",
)


def test_many_files_in_one_state_are_one_line() -> None:
    said = text(reports.checked(filenames=LARGE))
    assert (
        "33 files, 39.6 MB (1 other not selected: -v shows why)\n    checked  33 files   39.6 MB\n   " in said
    )
    assert ".whl" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_of_many_files_those_that_differ_are_named() -> None:
    stopped = [finding("record/untidy", "bad", filename) for filename in LARGE[1:5]]
    made = reports.checked(*stopped, filenames=LARGE)
    # A log, or a file, has whole names for those who search in it.
    assert f"      1.2 MB  {LARGE[1]}\n" in text(made)
    said = formats_table.render_for_terminal(made, TerminalStyle(is_terminal=True))
    assert (
        "    checked        29 files   34.8 MB\n"
        "  ! failed checks   4 files    4.8 MB\n"
        "      1.2 MB  ...cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl\n"
        "      1.2 MB  numpy-2.3.4-cp311-cp311-musllinux_1_2_x86_64.whl\n"
        "      1.2 MB  numpy-2.3.4-cp311-cp311-win_amd64.whl\n"
        "      1.2 MB  numpy-2.3.4-cp311-cp311t-macosx_14_0_arm64.whl\n"
    ) in said
    assert "  cp311   x       FAILED     FAILED     FAILED\n" in said
    assert max(map(len, said.splitlines())) <= 80


def test_of_very_many_that_differ_some_are_named_and_all_to_those_who_ask() -> None:
    stopped = [finding("record/untidy", "bad", filename) for filename in LARGE[:30]]
    said = text(reports.checked(*stopped, filenames=LARGE))
    assert "              and 20 more: -v shows all\n" in said
    assert "checked" in said
    everything = text(reports.checked(*stopped, filenames=LARGE, verbose=1)).partition("macosx  ")[0]
    assert everything.count(".whl") == len(LARGE) - 1


def test_all_that_failed_are_counted_and_not_named() -> None:
    stopped = [finding("record/untidy", "bad", filename) for filename in LARGE]
    said = text(reports.checked(*stopped, filenames=LARGE)).partition("macosx")[0]
    assert "  ! failed checks  33 files   39.6 MB\n" in said
    assert ".whl" not in said


# --- the screen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", reports.ALL)
def test_colours_only_colour(ended: str) -> None:
    made = reports.ALL[ended]()
    plain = formats_table.render_for_terminal(made, TerminalStyle(utf8=True))
    colored = formats_table.render_for_terminal(made, TerminalStyle(utf8=True, color=True))
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain
    assert "\x1b" not in plain
    assert (colored != plain) == bool(made.selection)


def test_what_is_good_is_green_and_what_is_not_is_red() -> None:
    look = TerminalStyle(utf8=True, color=True)
    assert "\x1b[32m\N{CHECK MARK} Published\x1b[0m: dipy" in formats_table.render_for_terminal(
        reports.published(), look
    )
    conflict = formats_table.render_for_terminal(reports.conflict(), look)
    assert "\x1b[31;1m\N{NOT EQUAL TO} conflict    \x1b[0m" in conflict
    assert "\x1b[31;1mCONFLICT\x1b[0m" in conflict


def test_an_error_is_told_once_on_the_screen() -> None:
    assert "Conflict with the index" not in formats_table.render_for_terminal(
        reports.conflict(), TerminalStyle()
    )
    assert text(reports.conflict()).endswith(
        "Conflict with the index: dipy 1.11.0 in 13 s\n"
        "  2 of 4 files conflict with https://index.example.com/legacy/; nothing was\n"
        "  uploaded.\n"
        "  next: A file name can be used only once: release these files under a new\n"
        "  version.\n"
    )


def test_a_narrow_screen_breaks_what_can_be_broken() -> None:
    said = formats_table.render_for_terminal(reports.accepted(), TerminalStyle(width=40))
    assert "warning: record/untidy: RECORD has\n  harmless format errors\n" in said
    assert "not checked: what the release before\n  had: the index did not answer\n" in said


# --- findings --------------------------------------------------------------------------------------

HOLDS = "'manylinux' is no platform that anybody would install this wheel on, whatever else it may be"


def findings_of(made: Report) -> str:
    said = text(made).partition("seconds: ")[0]
    return said[re.search(r"(?m)^(error|warning|note|ignored|not checked|checks): ", said).start() :]  # type: ignore[union-attr]


def test_findings_stand_below_their_check_with_the_files() -> None:
    made = reports.checked(
        finding("record/untidy", "a blank line", WHEELS[0], severity=Severity.WARNING),
        finding("record/untidy", "a blank line", WHEELS[2], severity=Severity.WARNING),
        finding("name/platform-refused", HOLDS, WHEELS[1]),
        finding("metadata/missing", "there is none", WHEELS[1], member="dipy-1.11.0.dist-info/METADATA"),
        finding("record/untidy", "a comment", "release", severity=Severity.WARNING),
        finding("metadata/thin", "no keywords", SDIST, severity=Severity.NOTE),
        finding("odd/unknown", "a check of tomorrow", SDIST, member="a.py"),
    )
    assert findings_of(made) == (
        "error: name/platform-refused: Wheel has a platform tag that PyPI rejects\n"
        "  'manylinux' is no platform that anybody would install this wheel on, whatever\n"
        "  else it may be\n"
        "      dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        "error: metadata/missing: Wheel has no METADATA file\n"
        "  there is none\n"
        "      dipy-1.11.0-cp311-cp311-win_amd64.whl: dipy-1.11.0.dist-info/METADATA\n"
        "error: odd/unknown\n"
        "  a check of tomorrow\n"
        "      dipy-1.11.0.tar.gz: a.py\n"
        "warning: record/untidy: RECORD has harmless format errors\n"
        "  a blank line\n"
        "      dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "      dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl\n"
        "  a comment\n"
        "checks: 3 errors, 3 warnings, 1 note (profile pypi)\n"
    )
    assert (
        "  ! failed checks  2 files    2.4 MB\n      1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        in text(made)
    )


MANY = tuple(f"dipy-1.11.0-cp3{minor}-cp3{minor}-win_amd64.whl" for minor in range(10, 18))


def test_a_hundred_findings_are_a_few_lines() -> None:
    made = reports.checked(
        *(
            finding("native/missing-library", "it needs x.dll", wheel, member=f"dipy/{number}_{'m' * 30}.pyd")
            for wheel in MANY
            for number in range(12)
        ),
        *(finding("record/hash-mismatch", f"member {number} differs", MANY[0]) for number in range(7)),
        filenames=MANY,
    )
    member = f"        dipy/0_{'m' * 30}.pyd and 11 more\n"
    said = text(made)
    assert said[said.index("error: native") :].partition("seconds")[0] == (
        "error: native/missing-library: Compiled code requires a library that neither the\n"
        "  wheel nor the platform provides\n"
        "  it needs x.dll\n"
        + "".join(f"      {wheel}\n{member}" for wheel in MANY[:5])
        + "      and 3 more\n"
        "error: record/hash-mismatch: File does not match its hash in RECORD\n"
        + "".join(f"  member {number} differs\n      {MANY[0]}\n" for number in range(5))
        + "  and 2 more like these: -v shows all\n"
        "checks: 103 errors, 0 warnings, 0 notes (profile pypi)\n"
    )
    assert max(map(len, said.splitlines())) <= 80


def test_everything_is_shown_to_those_who_ask() -> None:
    made = reports.checked(
        *(finding("metadata/thin", "no keywords", wheel, severity=Severity.NOTE) for wheel in MANY),
        filenames=MANY,
        verbose=1,
    )
    said = text(made)
    assert "note: metadata/thin: " in said
    assert said.count("      dipy-1.11.0-cp3") == len(MANY)


def test_the_only_file_is_not_named_again_and_again() -> None:
    made = reports.checked(
        finding("name/platform-refused", "no index takes it", WHEELS[1]),
        *(
            finding("archive/bad-crc", "its CRC is wrong", WHEELS[1], member=f"{number}.py")
            for number in range(7)
        ),
        filenames=WHEELS[1:2],
    )
    said = text(made)
    assert said[said.index("error: ") :].partition("seconds")[0] == (
        "error: name/platform-refused: Wheel has a platform tag that PyPI rejects\n"
        "  no index takes it\n"
        "error: archive/bad-crc: Archive member is corrupt\n"
        "  its CRC is wrong\n"
        "      0.py\n      1.py\n      2.py\n      3.py\n      4.py\n"
        "      and 2 more\n"
        "checks: 8 errors, 0 warnings, 0 notes (profile pypi)\n"
    )
    # One wheel is no matrix.
    assert "  cp311" not in said


@pytest.mark.parametrize("verbose", [0, 1])
def test_what_was_accepted_is_told_with_the_reason(verbose: int) -> None:
    made = reports.accepted(verbose=verbose)
    short = (
        "warning: record/untidy: RECORD has harmless format errors\n"
        "  a blank line\n"
        "      dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "ignored: native/missing-library (error, 1 file) because the loader finds it\n"
        "ignored: wheel/no-tag (warning, the release)\n"
        "not checked: what the release before had: the index did not answer\n"
        "checks: 0 errors, 1 warning, 1 note, 4 ignored (profile pypi)\n"
    )
    long = (
        "warning: record/untidy: RECORD has harmless format errors\n"
        "  a blank line\n"
        "      dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "note: metadata/thin: Metadata lacks recommended fields\n"
        "  no keywords\n"
        "ignored: metadata/thin (note, 1 file) because old\n"
        "  no project URL\n"
        "      dipy-1.11.0.tar.gz\n"
        "ignored: native/missing-library (error, 1 file) because the loader finds it\n"
        "  it needs x.dll\n"
        "      dipy-1.11.0-cp311-cp311-win_amd64.whl: dipy/a.pyd and 1 more\n"
        "ignored: wheel/no-tag (warning, the release)\n"
        "  no Tag line\n"
        "unused ignore: sdist has no findings\n"
        "not checked: what the release before had: the index did not answer\n"
        "checks: 0 errors, 1 warning, 1 note, 4 ignored (profile pypi)\n"
    )
    assert findings_of(made) == (long if verbose else short)


def test_files_alone_say_less_of_the_release() -> None:
    assert "not checked" in text(reports.accepted())
    assert "not checked" not in text(reports.accepted(project=""))
    assert "not checked" in text(reports.accepted(project="", verbose=1))


def test_text_from_outside_is_harmless() -> None:
    made = reports.checked(
        finding("record/untidy", "\x1b[31m\n::error::x", WHEELS[0], member="a\n##[error]b")
    )
    said = text(made)
    assert "\x1b" not in said
    assert not [line for line in said.splitlines() if line.lstrip().startswith(("::", "##"))]

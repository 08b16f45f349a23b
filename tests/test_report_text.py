"""The report for a person, word for word."""

from __future__ import annotations

import dataclasses

import pytest

from tests import reports
from tests.reports import SDIST, WHEELS, finding
from wheel_uploader import report
from wheel_uploader.models import Report, Severity

FILES = """\
  checked            1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl
  checked            1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl
  checked            1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl
  checked            1.2 MB  dipy-1.11.0.tar.gz
"""
MATRIX = """\
         macosx  win
         arm64   amd64
  cp311  x       x
  cp312  x       .
"""


def text(made: Report, *, utf8: bool = False) -> str:
    return report.FORMATS["text"](made, utf8)


def test_a_release_that_is_on_the_index() -> None:
    assert text(reports.published()) == (
        "dipy 1.11.0 from https://staging.example.com/wheels/ to https://index.example.com/legacy/\n"
        "  already there      1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "  published          1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        "  published          1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl\n"
        "  published          1.2 MB  dipy-1.11.0.tar.gz\n"
        "4 files, 4.8 MB (1 other not taken: -v says why)\n"
        + MATRIX
        + "checks: 0 errors, 0 warnings, 0 notes "
        "(profile any)\n"
        "signatures: 3 made, 1 kept, by AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        "upload: 3 uploaded, 1 already there\n"
        "confirmed: the index serves 4 of 4 files with our sha256\n"
        "seconds: list 0.2, download 3.0, check 0.0, upload 9.5, confirm 2.0\n"
    )


def test_until_list() -> None:
    assert text(reports.listed(verbose=1)) == (
        "dipy 1.11.0 from https://staging.example.com/wheels/\n"
        + FILES.replace("checked", "listed ")
        + "4 files, 4.8 MB (1 other not taken, see above)\n"
        + MATRIX
        + "seconds: list 0.2\n"
    )


def test_until_download() -> None:
    assert FILES.replace("checked   ", "downloaded") in text(reports.fetched())


def test_until_sign() -> None:
    made = reports.checked()
    made.signatures = reports.published().signatures[:3]
    made.selection = dataclasses.replace(made.selection, refused=()) if made.selection else None
    said = text(made)
    assert said.count("  signed             1.2 MB  ") == 3
    assert f"  checked            1.2 MB  {SDIST}\n4 files, 4.8 MB\n" in said


def test_a_download_that_failed() -> None:
    made = reports.fetched()
    made.fetched = made.fetched[1:]
    assert f"  listed             1.2 MB  {WHEELS[0]}\n  downloaded  " in text(made)


def test_warnings_fail_a_strict_run() -> None:
    untidy = finding("record/untidy", "a blank line", severity=Severity.WARNING)
    assert "failed checks" in text(reports.checked(untidy, strict=True))
    assert "failed checks" not in text(reports.checked(untidy))


def test_nothing_was_found() -> None:
    assert text(reports.nothing_found()) == ""


def test_a_dry_run() -> None:
    assert text(reports.dry_run()).partition("checks: ")[2] == (
        "0 errors, 0 warnings, 0 notes (profile any)\n"
        "upload: 1 already there, 3 would upload\n"
        "seconds: list 0.2, download 3.0, check 0.0, upload 9.5\n"
    )
    assert "  would upload       1.2 MB  dipy-1.11.0.tar.gz\n" in text(reports.dry_run())


def test_a_conflict() -> None:
    assert (
        "  different          1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "  same               1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        "  other name         1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl\n"
        "  absent             1.2 MB  dipy-1.11.0.tar.gz\n"
    ) in text(reports.conflict())


def test_a_partial_upload() -> None:
    said = text(reports.partial())
    assert (
        "  uploaded           1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "  rejected           1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        "  unknown            1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl\n"
        "  not tried          1.2 MB  dipy-1.11.0.tar.gz\n"
    ) in said
    assert said.partition("upload: ")[2] == (
        "1 uploaded, 1 rejected, 1 unknown, 1 not tried\n"
        "    dipy-1.11.0-cp311-cp311-win_amd64.whl: 400 Bad Request: no\\n: :error::x\\x1b[31m\n"
        "    dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl: no answer came\n"
        "seconds: list 0.2, download 3.0, check 0.0, upload 9.5\n"
    )


def test_what_the_release_before_had_and_what_is_expected() -> None:
    assert text(reports.incomplete()).partition("why)\n")[2] == (
        "         macosx  win\n"
        "         arm64   amd64  arm64\n"
        "  cp310  .       LOST   .\n"
        "  cp311  x       new    MISSING\n"
        "  cp312  new     .      .\n"
        "  new, LOST: compared with 1.10.0\n"
        "seconds: list 0.2\n"
    )


# --- findings --------------------------------------------------------------------------------------

HOLDS = "'manylinux' is no platform that anybody would install this wheel on, whatever else it may be"


def findings_of(made: Report) -> str:
    return text(made).partition(MATRIX)[2].partition("seconds: ")[0]


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
        "error: name/platform-refused: The wheel has a platform tag that PyPI refuses\n"
        "  'manylinux' is no platform that anybody would install this wheel on, whatever\n"
        "  else it may be\n"
        "      dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        "error: metadata/missing: The wheel has no METADATA\n"
        "  there is none\n"
        "      dipy-1.11.0-cp311-cp311-win_amd64.whl: dipy-1.11.0.dist-info/METADATA\n"
        "error: odd/unknown\n"
        "  a check of tomorrow\n"
        "      dipy-1.11.0.tar.gz: a.py\n"
        "warning: record/untidy: RECORD has a harmless fault\n"
        "  a blank line\n"
        "      dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "      dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl\n"
        "  a comment\n"
        "checks: 3 errors, 3 warnings, 1 note (profile pypi)\n"
    )
    assert "  failed checks      1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n" in text(made)
    assert "  checked            1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n" in text(made)


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
        "error: native/missing-library: The code needs a library that is neither in the\n"
        "  wheel nor promised by the platform\n"
        "  it needs x.dll\n"
        + "".join(f"      {wheel}\n{member}" for wheel in MANY[:5])
        + "      and 3 more\n"
        "error: record/hash-mismatch: A file has another hash than RECORD says\n"
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
        "error: name/platform-refused: The wheel has a platform tag that PyPI refuses\n"
        "  no index takes it\n"
        "error: archive/bad-crc: A member is damaged\n"
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
        "warning: record/untidy: RECORD has a harmless fault\n"
        "  a blank line\n"
        "      dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "ignored: native/missing-library (error, 1 file) because the loader finds it\n"
        "ignored: wheel/no-tag (warning, the release)\n"
        "not checked: what the release before had: the index did not answer\n"
        "checks: 0 errors, 1 warning, 1 note, 4 ignored (profile pypi)\n"
    )
    long = (
        "warning: record/untidy: RECORD has a harmless fault\n"
        "  a blank line\n"
        "      dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n"
        "note: metadata/thin: The metadata says little about the project\n"
        "  no keywords\n"
        "ignored: metadata/thin (note, 1 file) because old\n"
        "  no project URL\n"
        "      dipy-1.11.0.tar.gz\n"
        "ignored: native/missing-library (error, 1 file) because the loader finds it\n"
        "  it needs x.dll\n"
        "      dipy-1.11.0-cp311-cp311-win_amd64.whl: dipy/a.pyd and 1 more\n"
        "ignored: wheel/no-tag (warning, the release)\n"
        "  no Tag line\n"
        "ignore has sdist, which found nothing\n"
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

"""Test the text report word for word."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tests.support.in_process import run
from tools.testing import reports, wheels
from tools.testing.reports import SDIST, WHEELS, finding
from wheel_uploader.core.models import Report, Severity
from wheel_uploader.report import formats_table
from wheel_uploader.report.formats.terminal_style import TerminalStyle

FILES = """\
  o checked  4 files    4.8 MB
      1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl
      1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl
      1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl
      1.2 MB  dipy-1.11.0.tar.gz
"""
MATRIX = """\
         macosx  win
         arm64   amd64
  cp311  o       o
  cp312  o       -
  sdist  o
  4 places, 4 files: o 4 checked
"""


def render(report: Report, *, utf8: bool = False) -> str:
    return formats_table.RENDERERS["text"](report, utf8)


def test_the_checksums_and_signatures_of_a_wheelhouse_are_not_counted(tmp_path: Path) -> None:
    """A second run in the same folder finds what the first one wrote there."""
    wheel = wheels.make_wheel(tmp_path, "demo", "1.0")
    for name in ("SHA256SUMS", "SHA256SUMS.asc", f"{wheel.name}.asc", "demo-1.0.tar.gz.asc"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    command = ("--until", "check", "-u", tmp_path, "demo", "1.0")
    pages = [run(*command, "--format", name).stdout for name in ("text", "html", "markdown")]
    assert [page for page in pages if "not selected" in page] == []
    assert "not selected: SHA256SUMS:" in run(*command, "-v").stderr
    wheels.make_wheel(tmp_path, "demo", "1.1")
    assert "(1 other not selected: -v shows why)" in run(*command).stdout


def test_shows_a_published_release() -> None:
    assert render(reports.published()) == (
        "dipy 1.11.0 from https://staging.example.com/wheels/ to https://index.example.com/legacy/\n"
        "4 files, 4.8 MB (1 other not selected: -v shows why)\n"
        "  + confirmed  3 files    3.6 MB\n"
        "      1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        "      1.2 MB  dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl\n"
        "      1.2 MB  dipy-1.11.0.tar.gz\n"
        "  = skipped     1 file    1.2 MB\n"
        "      1.2 MB  dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl\n" + "         macosx  win\n"
        "         arm64   amd64\n"
        "  cp311  =       +\n"
        "  cp312  +       -\n"
        "  sdist  +\n"
        "  4 places, 4 files: + 3 confirmed, = 1 skipped\n"
        "checks: 0 errors, 0 warnings, 0 notes (profile any)\n"
        "signatures: 3 new, 1 reused, by AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        "upload: 3 uploaded, 1 skipped\n"
        "confirmed: the index serves 4 of 4 files with the same sha256\n"
        "time: list 0.2 s, download 3 s, check 40 ms, upload 9.5 s, confirm 2 s\n"
        "Published: dipy 1.11.0 to https://index.example.com/legacy/ in 15 s\n"
        "  The index serves 4 files, each with the sha256 that was checked.\n"
    )


def test_ends_with_the_release_url() -> None:
    report = reports.published()
    report = dataclasses.replace(report, release_url="https://index.example.com/project/dipy/1.11.0/")
    assert render(report).endswith(" checked.\n  https://index.example.com/project/dipy/1.11.0/\n")


def test_shows_a_run_until_list() -> None:
    assert render(reports.listed(verbose=1)) == (
        "dipy 1.11.0 from https://staging.example.com/wheels/\n"
        "4 files, 4.8 MB (1 other not selected, see above)\n"
        + FILES.replace("o checked", ". listed")
        + MATRIX.replace("o 4 checked", ". 4 listed").replace(" o", " .")
        + "time: list 0.2 s\n"
        "Listed: dipy 1.11.0 in 0.2 s\n"
        "  4 files of the release listed; not yet downloaded.\n"
    )


def test_shows_a_run_until_download() -> None:
    assert FILES.replace("o checked", "v downloaded") in render(reports.fetched())


def test_shows_a_run_until_sign() -> None:
    report = reports.checked()
    report = dataclasses.replace(report, signatures=reports.published().signatures[:3])
    report = dataclasses.replace(
        report,
        selection=dataclasses.replace(report.selection, excluded_files=()) if report.selection else None,
    )
    output = render(report)
    assert "4 files, 4.8 MB\n  s signed   3 files    3.6 MB\n" in output
    assert f"  o checked   1 file    1.2 MB\n      1.2 MB  {SDIST}\n" in output


def test_shows_a_failed_download() -> None:
    report = reports.fetched()
    report = dataclasses.replace(report, downloaded_files=report.downloaded_files[1:])
    assert f"  . listed       1 file    1.2 MB\n      1.2 MB  {WHEELS[0]}\n" in render(report)


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


def test_shows_many_files_in_one_state_on_one_line() -> None:
    output = render(reports.checked(filenames=LARGE))
    assert (
        "33 files, 39.6 MB (1 other not selected: -v shows why)\n  o checked  33 files   39.6 MB\n   "
        in output
    )
    assert ".whl" not in output
    assert max(map(len, output.splitlines())) <= 80


def test_names_the_files_that_failed_among_many() -> None:
    findings = [finding("record/untidy", "bad", filename) for filename in LARGE[1:5]]
    report = reports.checked(*findings, filenames=LARGE)
    # Logs and files contain complete names, so that they can be searched.
    assert f"      1.2 MB  {LARGE[1]}\n" in render(report)
    output = formats_table.render_for_terminal(report, TerminalStyle(is_terminal=True))
    assert (
        "  o checked        29 files   34.8 MB\n"
        "  x failed checks   4 files    4.8 MB\n"
        "      1.2 MB  ...cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl\n"
        "      1.2 MB  numpy-2.3.4-cp311-cp311-musllinux_1_2_x86_64.whl\n"
        "      1.2 MB  numpy-2.3.4-cp311-cp311-win_amd64.whl\n"
        "      1.2 MB  numpy-2.3.4-cp311-cp311t-macosx_14_0_arm64.whl\n"
    ) in output
    assert "  cp311   o       x          x          x\n" in output
    assert max(map(len, output.splitlines())) <= 80


def test_names_some_of_many_failed_files_and_all_if_verbose() -> None:
    findings = [finding("record/untidy", "bad", filename) for filename in LARGE[:30]]
    output = render(reports.checked(*findings, filenames=LARGE))
    assert "              and 20 more: -v shows all\n" in output
    assert "checked" in output
    verbose = render(reports.checked(*findings, filenames=LARGE, verbose=1)).partition("macosx  ")[0]
    assert verbose.count(".whl") == len(LARGE) - 1


def test_counts_files_if_all_failed() -> None:
    findings = [finding("record/untidy", "bad", filename) for filename in LARGE]
    output = render(reports.checked(*findings, filenames=LARGE)).partition("macosx")[0]
    assert "  x failed checks  33 files   39.6 MB\n" in output
    assert ".whl" not in output


# --- the terminal ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", reports.ALL)
def test_color_changes_only_escape_sequences(kind: str) -> None:
    report = reports.ALL[kind]()
    plain = formats_table.render_for_terminal(report, TerminalStyle(utf8=True))
    colored = formats_table.render_for_terminal(report, TerminalStyle(utf8=True, color=True))
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain
    assert "\x1b" not in plain
    assert (colored != plain) == bool(report.selection)


def test_success_is_green_and_failure_is_red() -> None:
    style = TerminalStyle(utf8=True, color=True)
    assert "\x1b[32m\N{CHECK MARK} Published\x1b[0m: dipy" in formats_table.render_for_terminal(
        reports.published(), style
    )
    conflict = formats_table.render_for_terminal(reports.conflict(), style)
    assert "\x1b[31;1m\N{NOT EQUAL TO} conflict    \x1b[0m" in conflict
    assert "  cp311  \x1b[31;1m\N{NOT EQUAL TO}\x1b[0m" in conflict


def test_the_terminal_report_omits_the_error() -> None:
    assert "Conflict with the index" not in formats_table.render_for_terminal(
        reports.conflict(), TerminalStyle()
    )
    assert render(reports.conflict()).endswith(
        "Conflict with the index: dipy 1.11.0 in 13 s\n"
        "  2 of 4 files conflict with https://index.example.com/legacy/; nothing was\n"
        "  uploaded.\n"
        "  next: A file name can be used only once: release these files under a new\n"
        "  version.\n"
    )


def test_wraps_lines_on_a_narrow_terminal() -> None:
    output = formats_table.render_for_terminal(reports.accepted(), TerminalStyle(width=40))
    assert "warning: record/untidy: RECORD has\n  harmless format errors\n" in output
    assert "not checked: what the release before\n  had: the index did not answer\n" in output


def test_a_narrow_terminal_breaks_no_number_from_its_unit() -> None:
    style = TerminalStyle(is_terminal=True, width=40)
    lines = formats_table.render_for_terminal(reports.published(), style).splitlines()
    summary = lines[next(number for number, line in enumerate(lines) if line.startswith("checks: ")) :]
    assert [line for line in summary if len(line) > 40 and len(line.split()) > 1] == []
    assert [line for line in lines if re.match(r" *(ms|s|min|kB|MB)\b", line)] == []


# --- findings --------------------------------------------------------------------------------------

LONG_MESSAGE = "'manylinux' is not a platform tag that any installer accepts for this wheel, on any machine"


def findings_of(report: Report) -> str:
    output = render(report).partition("time: ")[0]
    return output[re.search(r"(?m)^(error|warning|note|ignored|not checked|checks): ", output).start() :]  # type: ignore[union-attr]


def test_groups_findings_by_check_and_message() -> None:
    report = reports.checked(
        finding("record/untidy", "a blank line", WHEELS[0], severity=Severity.WARNING),
        finding("record/untidy", "a blank line", WHEELS[2], severity=Severity.WARNING),
        finding("name/platform-refused", LONG_MESSAGE, WHEELS[1]),
        finding("metadata/missing", "there is none", WHEELS[1], member="dipy-1.11.0.dist-info/METADATA"),
        finding("record/untidy", "a comment", "release", severity=Severity.WARNING),
        finding("metadata/thin", "no keywords", SDIST, severity=Severity.NOTE),
        finding("odd/unknown", "a check of tomorrow", SDIST, member="a.py"),
    )
    assert findings_of(report) == (
        "error: name/platform-refused: Wheel has a platform tag that PyPI rejects\n"
        "  'manylinux' is not a platform tag that any installer accepts for this wheel,\n"
        "  on any machine\n"
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
        "  x failed checks  2 files    2.4 MB\n      1.2 MB  dipy-1.11.0-cp311-cp311-win_amd64.whl\n"
        in render(report)
    )


MANY = tuple(f"dipy-1.11.0-cp3{minor}-cp3{minor}-win_amd64.whl" for minor in range(10, 18))


def test_shortens_a_hundred_findings() -> None:
    report = reports.checked(
        *(
            finding("native/missing-library", "it needs x.dll", wheel, member=f"dipy/{number}_{'m' * 30}.pyd")
            for wheel in MANY
            for number in range(12)
        ),
        *(finding("record/hash-mismatch", f"member {number} differs", MANY[0]) for number in range(7)),
        filenames=MANY,
    )
    member = f"        dipy/0_{'m' * 30}.pyd and 11 more\n"
    output = render(report)
    assert output[output.index("error: native") :].partition("time: ")[0] == (
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
    assert max(map(len, output.splitlines())) <= 80


def test_verbose_shows_everything() -> None:
    report = reports.checked(
        *(finding("metadata/thin", "no keywords", wheel, severity=Severity.NOTE) for wheel in MANY),
        filenames=MANY,
        verbose=1,
    )
    output = render(report)
    assert "note: metadata/thin: " in output
    assert output.count("      dipy-1.11.0-cp3") == len(MANY)


def test_does_not_repeat_the_name_of_a_single_file() -> None:
    report = reports.checked(
        finding("name/platform-refused", "no index takes it", WHEELS[1]),
        *(
            finding("archive/bad-crc", "its CRC is wrong", WHEELS[1], member=f"{number}.py")
            for number in range(7)
        ),
        filenames=WHEELS[1:2],
    )
    output = render(report)
    assert output[output.index("error: ") :].partition("time: ")[0] == (
        "error: name/platform-refused: Wheel has a platform tag that PyPI rejects\n"
        "  no index takes it\n"
        "error: archive/bad-crc: Archive member is corrupt\n"
        "  its CRC is wrong\n"
        "      0.py\n      1.py\n      2.py\n      3.py\n      4.py\n"
        "      and 2 more\n"
        "checks: 8 errors, 0 warnings, 0 notes (profile pypi)\n"
    )
    # A single wheel has no matrix.
    assert "  cp311" not in output


@pytest.mark.parametrize("verbose", [0, 1])
def test_shows_accepted_findings_with_the_reason(verbose: int) -> None:
    report = reports.accepted(verbose=verbose)
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
    assert findings_of(report) == (long if verbose else short)


def test_omits_release_checks_for_single_files() -> None:
    assert "not checked" in render(reports.accepted())
    assert "not checked" not in render(reports.accepted(project=""))
    assert "not checked" in render(reports.accepted(project="", verbose=1))


def test_escapes_hostile_text() -> None:
    report = reports.checked(
        finding("record/untidy", "\x1b[31m\n::error::x", WHEELS[0], member="a\n##[error]b")
    )
    output = render(report)
    assert "\x1b" not in output
    assert not [line for line in output.splitlines() if line.lstrip().startswith(("::", "##"))]

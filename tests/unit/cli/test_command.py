"""Test the command line: accepted and rejected arguments, messages and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_process import run
from tools.testing import wheels
from wheel_uploader import __version__


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a release in an otherwise empty working directory, outside any project."""
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    return tmp_path / "staged"


def test_prints_version_and_help() -> None:
    assert run("--version").stdout.startswith(f"wheel-uploader, version {__version__}\nPython 3.")
    for flag in ("-h", "--help"):
        shown = run(flag)
        assert shown.exit_code == 0
        assert "list -> download -> check -> sign -> upload -> confirm" in shown.stdout


def test_fails_without_a_source() -> None:
    result = run("dipy", "1.11.0")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: no source given\n"
        "next: Give the URL of a listing or index page, or a folder: -u URL (see wheel-uploader --help).\n"
    )


def test_suggests_the_nearest_check_for_an_unknown_ignore(staged: Path) -> None:
    result = run("-u", staged, "--ignore", "metadata/thinn", "dipy")
    assert result.exit_code == 2
    assert "metadata/thinn" in result.stderr
    assert "metadata/thin" in result.stderr.replace("metadata/thinn", "")


def test_explain_prints_a_check_or_a_family() -> None:
    one = run("--explain", "wheel/tags-mismatch-filename")
    assert one.exit_code == 0
    assert one.stdout.startswith("wheel/tags-mismatch-filename")
    family = run("--explain", "record")
    assert "record/hash-mismatch" in family.stdout
    unknown = run("--explain", "nonsense")
    assert unknown.exit_code == 2
    assert unknown.stderr.startswith("error: ")


def test_until_list_prints_the_selected_files(staged: Path) -> None:
    (staged / "notes.txt").write_text("x")
    result = run("-u", staged, "--until", "list", "-v", "dipy", "1.11.0")
    assert result.exit_code == 0
    for tag in wheels.RELEASE_TAGS:
        assert f"dipy-1.11.0-{tag}.whl" in result.stdout
    assert "6 files" in result.stdout
    assert "not selected: notes.txt: neither a wheel nor an sdist" in result.stderr
    assert not Path("wheelhouse").exists()


def test_checks_a_local_folder(staged: Path) -> None:
    result = run("-u", staged, "--until", "check", "dipy")
    assert (result.exit_code, result.stderr.count("Traceback")) == (0, 0)
    assert "checks: 0 errors, " in result.stdout


def test_checks_local_files_in_place_unless_a_wheelhouse_is_given(staged: Path) -> None:
    before = sorted(Path().rglob("*"))
    assert run("-u", staged, "--until", "check", "dipy").exit_code == 0
    assert sorted(Path().rglob("*")) == before
    assert run("-u", staged, "--until", "check", "-w", "house", "dipy").exit_code == 0
    assert sorted(path.name for path in Path("house").glob("[!.]*")) == sorted(
        ["SHA256SUMS", *(path.name for path in staged.iterdir())]
    )


def test_no_upload_option_ends_the_run_before_the_upload(staged: Path) -> None:
    result = run("-u", staged, "-n", "--format", "json", "dipy")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["reached"], report["target"]) == (0, "check", "")


def test_an_unrepaired_linux_wheel_stops_the_release(staged: Path) -> None:
    wheels.make_wheel(staged, tag="cp313-cp313-linux_x86_64")
    result = run("-u", staged, "--until", "check", "dipy")
    assert result.exit_code == 6
    assert "dipy-1.11.0-cp313-cp313-linux_x86_64.whl" in result.stderr
    assert "name/platform-refused" in result.stdout
    assert result.stderr.splitlines()[-1].startswith("next: ")
    # Another index may accept a wheel that PyPI rejects.
    assert run("-u", staged, "--until", "check", "--profile", "any", "dipy").exit_code == 0
    assert run("-u", staged, "--until", "check", "--ignore", "name/platform-refused", "dipy").exit_code == 0


def test_the_historic_long_options_still_work(staged: Path) -> None:
    result = run(
        *("--wheel-url-dir", staged, "--wheel-dir", "house", "--wheel-type", "macosx", "--no-twine"),
        *("dipy", "1.11.0"),
    )
    assert result.exit_code == 0
    assert [path.name for path in Path("house").glob("*.whl")] == [
        "dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl"
    ]


# --- single files ----------------------------------------------------------------------------------


def test_takes_the_release_from_the_name_of_a_single_file(staged: Path) -> None:
    wheel = next(staged.glob("*win_amd64.whl"))
    result = run("-u", wheel, "--until", "check")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"dipy 1.11.0 from {staged}")
    assert "1 file," in result.stdout
    # The same applies to a folder with one release and files that are not wheels.
    (staged / "notes.txt").write_text("x")
    assert "6 files," in run("-u", staged, "--until", "check").stdout
    assert "6 files," in run("-u", staged, "--until", "list").stdout


def test_reports_a_damaged_single_file_and_leaves_it_unchanged(staged: Path) -> None:
    wheel = next(staged.glob("*win_amd64.whl"))
    damaged = wheel.read_bytes()[:-30]
    wheel.write_bytes(damaged)
    result = run("-u", wheel, "--until", "check")
    assert result.exit_code == 6
    assert str(wheel) in result.stderr
    assert "Traceback" not in result.stderr
    assert wheel.read_bytes() == damaged


def test_rejects_files_of_several_releases_without_a_version(staged: Path) -> None:
    wheels.make_wheel(staged, version="1.12.0")
    result = run("-u", staged, "--until", "check")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: found files of 2 releases at {staged}: dipy 1.11.0 (6 files), dipy 1.12.0 (1 file)\n"
        "next: Add PROJECT VERSION after the options to select one, or pass the files individually.\n"
    )
    assert run("-u", staged, "--until", "check", "dipy", "1.12.0").exit_code == 0


def test_fails_if_a_single_file_is_not_a_wheel(staged: Path) -> None:
    Path("dipy (1).whl").write_bytes(b"")
    result = run("-u", "dipy (1).whl", "--until", "check")
    assert result.exit_code == 3
    assert result.stderr == (
        "error: no wheel or sdist at dipy (1).whl\n"
        "  dipy (1).whl: the name has characters that are not allowed in a wheel or sdist name\n"
        "next: Pass a wheel, an sdist, or a folder with the files of one release.\n"
    )


def test_upload_requires_a_project(staged: Path) -> None:
    result = run("-u", staged)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no project given\n")


def test_ignores_configured_release_options_for_a_single_file(staged: Path) -> None:
    wheel = next(staged.glob("*win_amd64.whl"))
    Path("pyproject.toml").write_text(
        '[tool.wheel-uploader]\nexpect = 6\nwait = "20m"\ntype = ["macosx"]\nwheelhouse = "house"\n'
        'repository = "no-such-section"\n'
        'sign = true\nsign-with = "no-such-program"\nignore = ["name"]\nprofile = "any"\n'
    )
    result = run("-u", wheel, "--until", "check")
    assert (result.exit_code, result.stderr.count("error:")) == (0, 0)
    assert "profile any" in result.stdout
    assert not Path("house").exists()
    with_option = run("-u", wheel, "--until", "check", "--expect", "2")
    assert (with_option.exit_code, "is incomplete" in with_option.stderr) == (3, True)


# --- where options come from -----------------------------------------------------------------------


def test_reads_options_from_the_environment_and_pyproject(staged: Path) -> None:
    Path("pyproject.toml").write_text(
        f'[tool.wheel-uploader]\nurl = ["{staged.as_posix()}"]\nuntil = "list"\ntype = ["win"]\n'
    )
    from_file = run("dipy")
    assert from_file.exit_code == 0
    assert "1 file," in from_file.stdout
    from_environment = run("dipy", env={"WHEEL_UPLOADER_TYPE": "macosx win"})
    assert "2 files," in from_environment.stdout
    from_command_line = run("-t", "all", "dipy", env={"WHEEL_UPLOADER_TYPE": "macosx"})
    assert "6 files," in from_command_line.stdout


def test_prints_the_reason_for_an_ignored_check(staged: Path) -> None:
    wheels.make_wheel(staged, tag="cp313-cp313-linux_x86_64")
    Path("pyproject.toml").write_text(
        "[tool.wheel-uploader.ignore]\n"
        '"name/platform-refused" = "it is for our own machines"\n'
        '"sdist" = "it was never a good one"\n'
    )
    call = ("-u", staged, "--until", "check", "-v")
    reason = "ignored: name/platform-refused (error, 1 file) because it is for our own machines"
    configured = run(*call)
    assert configured.exit_code == 0
    assert reason in " ".join(configured.stdout.split())
    assert "unused ignore: sdist has no findings\n" in configured.stdout
    # The command line overrides the file and cannot give reasons.
    assert run(*call, "--ignore", "sdist").exit_code == 6
    typed = run(*call, "--ignore", "name/platform-refused", "--ignore", "wheel")
    assert "ignored: name/platform-refused (error, 1 file)\n" in typed.stdout
    assert "unused ignore: wheel has no findings\n" in typed.stdout
    assert run(*call, env={"WHEEL_UPLOADER_IGNORE": "name wheel"}).exit_code == 0
    Path("pyproject.toml").write_text("[tool.wheel-uploader.ignore]\n'metadata/thinn' = ''\n")
    assert run(*call).exit_code == 2


def test_rejects_an_unknown_key_in_pyproject(staged: Path) -> None:
    Path("pyproject.toml").write_text("[tool.wheel-uploader]\nwheelhuose = 'x'\n")
    result = run("-u", staged, "dipy")
    assert result.exit_code == 2
    assert 'unknown option "wheelhuose" (did you mean "wheelhouse"?)' in result.stderr


# --- missing files ---------------------------------------------------------------------------------


def test_lists_the_staged_versions_for_an_unknown_version(staged: Path) -> None:
    result = run("-n", "-u", staged, "dipy", "9.9")
    assert result.exit_code == 3
    assert "no files of dipy 9.9" in result.stderr
    assert result.stderr.endswith("next: These versions are staged: 1.11.0.\n")


def test_lists_the_staged_projects_for_an_unknown_project(staged: Path) -> None:
    result = run("-n", "-u", staged, "dipi", "1.11.0")
    assert result.exit_code == 3
    assert result.stderr.endswith("next: These projects are staged: dipy. Did you mean dipy?\n")


def test_fails_if_the_folder_does_not_exist(staged: Path) -> None:
    result = run("-n", "-u", staged / "nowhere", "dipy", "1.11.0")
    assert result.exit_code in {2, 3}
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_fails_if_the_wheelhouse_is_a_file(staged: Path) -> None:
    Path("house").write_text("")
    result = run("-n", "-u", staged, "-w", "house", "dipy", "1.11.0")
    assert result.exit_code == 13
    assert "house" in result.stderr


# --- suggested commands ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "corrected"),
    [
        # The suggestion also covers the project, the first positional argument.
        (("dpy", "1.11.0"), ("dipy", "1.11.0")),
        (("dipy_horzon", "0.1.dev1"), ("dipy-horizon", "0.1.dev1")),
        (("dipy", "1.11.1"), ("dipy", "1.11.0")),
        (("--ignore", "metadata/thinn", "dipy"), ("--ignore", "metadata/thin", "dipy")),
        (("--explain", "record/hash-mismtch"), ("--explain", "record/hash-mismatch")),
        (("--config-profile", "nightli", "dipy"), ("--config-profile", "nightly", "dipy")),
        (("dipy-horizon", "latest"), ("dipy-horizon", "latest", "--pre")),
        # Only the project is corrected, not the folder with the same name.
        (("-w", "dipi", "dipi"), ("-w", "dipi", "dipy")),
    ],
)
def test_suggests_a_corrected_command(
    staged: Path, typed: tuple[str, ...], corrected: tuple[str, ...]
) -> None:
    wheels.make_wheel(staged, "dipy-horizon", "0.1.dev1")
    Path("pyproject.toml").write_text("[tool.wheel-uploader.profiles.nightly]\npre = true\n")
    result = run("-u", "staged", "--until", "list", *typed)
    assert result.exit_code in {2, 3}
    assert result.stderr.splitlines()[-2:-1] == [
        f"try: wheel-uploader -u staged --until list {' '.join(corrected)}"
    ]
    tried = run(*result.stderr.splitlines()[-2].split()[2:])
    assert tried.exit_code == 0, tried.stderr


def test_suggests_no_command_without_a_similar_word(staged: Path) -> None:
    result = run("-u", staged, "--until", "list", "numpy", "2.0")
    assert "try: " not in result.stderr
    equals = run("-u", staged, "--ignore=metadata/thinn", "dipy")
    assert "try: " not in equals.stderr


# --- quiet -----------------------------------------------------------------------------------------


def test_quiet_prints_each_change_only_once(staged: Path) -> None:
    call = ("-q", "-u", staged, "-w", "house", "--until", "check", "dipy", "1.11.0")
    first = run(*call)
    assert (first.exit_code, first.output) == (0, "dipy 1.11.0, check: 6 downloaded\n")
    assert (run(*call).exit_code, run(*call).output) == (0, "")
    # A JSON report is printed completely or not at all.
    assert run(*call, "--format", "json").output == ""
    wheels.make_wheel(staged)
    assert len(json.loads(run(*call, "--format", "json").stdout)["files"]) == 7


def test_quiet_prints_a_failure_on_one_line(staged: Path) -> None:
    call = ("-u", staged, "--until", "list", "dipy", "9.9")
    loud, quiet, silent = run(*call), run("-q", *call), run(*call, "-qq")
    assert {loud.exit_code, quiet.exit_code, silent.exit_code} == {3}
    assert quiet.output == (
        f"dipy 9.9, list (staging): error: no files of dipy 9.9 at {staged}; "
        "next: These versions are staged: 1.11.0.\n"
    )
    assert silent.output == ""
    # The failed check is named on the same line.
    wheels.make_wheel(staged, tag="cp313-cp313-linux_x86_64")
    wheels.make_wheel(staged, tag="cp312-cp312-linux_x86_64")
    failed = run("-q", "-u", staged, "--until", "check", "dipy")
    assert (failed.exit_code, failed.output.count("\n")) == (6, 1)
    assert "name/platform-refused" in failed.output
    assert (
        "; next: Nothing was uploaded. See 'wheel-uploader --explain name/platform-refused'" in failed.output
    )


# --- start-up --------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("full", "expected_exit_code"), [("stdout", 13), ("stderr", 0)])
def test_reports_a_full_output_device(staged: Path, full: str, expected_exit_code: int) -> None:
    """Lost progress output is harmless; a lost report changes the exit code, but not the downloaded files."""
    command = [sys.executable, "-m", "wheel_uploader", "--until", "download", "-u", "staged", "-w", "house"]
    with Path("/dev/full").open("w") as device:
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, full: device}
        completed = subprocess.run(
            [*command, "dipy", "1.11.0"], text=True, timeout=60, check=False, **streams
        )
    assert completed.returncode == expected_exit_code
    assert {path.name for path in staged.iterdir()} <= {path.name for path in Path("house").iterdir()}
    if full == "stdout":
        assert (
            "error: cannot write the report to standard output: No space left on device" in completed.stderr
        )
        assert "Traceback" not in completed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="redirections of a POSIX shell")
@pytest.mark.parametrize(
    "closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "| true", "2>&1 | true", "--format json | true"]
)
def test_closed_streams_change_neither_the_run_nor_its_exit_code(staged: Path, closed: str) -> None:
    """No wheelhouse file is opened on the descriptor of a closed stream, where output would corrupt it."""
    command = f"{sys.executable} -m wheel_uploader --until download -u staged -w house dipy 1.11.0"
    shell = f"set -o pipefail; {command} {closed}"
    completed = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert (completed.returncode, "Traceback" in completed.stderr) == (0, False), completed.stderr
    for path in staged.iterdir():
        assert (Path("house") / path.name).read_bytes() == path.read_bytes()


def imported_modules(*arguments: str) -> set[str]:
    """Return the top-level modules that the command has imported by the time it exits."""
    script = (
        "import sys\n"
        "from wheel_uploader.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "print('modules', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return set(done.stderr.splitlines()[-1].split()[1:])


def test_help_imports_no_heavy_libraries() -> None:
    assert not imported_modules("--help") & {
        *("twine", "httpx", "requests", "rich", "bs4", "lxml", "pkginfo", "tqdm", "readme_renderer"),
        *("packaging", "zipfile", "ssl", "asyncio"),
    }


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        ((), {}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "0"}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        (("--color", "always", "--format", "json"), {}, False),
    ],
)
def test_color_follows_the_option_and_the_environment(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    colored: bool,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    wheels.make_release(tmp_path)
    result = run("-u", str(tmp_path), "--until", "list", *arguments, "dipy", "1.11.0")
    assert ("\x1b[" in result.stdout) == colored


@pytest.mark.parametrize("option", ["--max-duration", "--max-age"])
@pytest.mark.parametrize("value", ["0", "0s", "0m", "0h0m", "0.0"])
def test_a_limit_of_zero_is_an_error(staged: Path, option: str, value: str) -> None:
    result = run("-u", staged, "--until", "list", option, value, "dipy", "1.11.0")
    assert result.exit_code == 2
    assert f"'{option}': zero is not a valid limit; give a duration such as 20m" in result.stderr


def test_a_limit_of_zero_is_an_error_in_a_variable_and_in_a_file(
    staged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as variables:
        variables.setenv("WHEEL_UPLOADER_MAX_DURATION", "0")
        result = run("-u", staged, "--until", "list", "dipy", "1.11.0")
        assert (result.exit_code, "for WHEEL_UPLOADER_MAX_DURATION: zero" in result.stderr) == (2, True)
    Path("pyproject.toml").write_text("[tool.wheel-uploader]\nmax-age = 0\n")
    result = run("-u", staged, "--until", "list", "dipy", "1.11.0")
    assert (result.exit_code, "max-age in " in result.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--wait", "--confirm-timeout", "--lock-timeout"])
def test_a_pause_of_zero_means_not_to_wait(staged: Path, option: str) -> None:
    assert run("-u", staged, "--until", "list", option, "0", "dipy", "1.11.0").exit_code == 0

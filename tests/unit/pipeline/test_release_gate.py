"""The release as a whole, as the command judges it: with an index, without one, and what stops the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import servers, wheels
from tests.support.indexes import Served, scripted_index
from wheel_uploader import cli
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.errors import FileError, ReleaseError
from wheel_uploader.core.models import (
    DownloadedFile,
    DownloadOutcome,
    FileComparison,
    FileSummary,
    Finding,
    IndexComparison,
    LocalFile,
    Options,
    RemoteFile,
    Report,
    Selection,
    Severity,
)
from wheel_uploader.pipeline import release_gate

LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    """The command in this process, about dipy 1.11.0."""
    call = [str(argument) for argument in (*arguments, "dipy", "1.11.0")]
    return CliRunner().invoke(cli.command, call, env=env, prog_name="wheel-uploader")


def report(result: Result) -> str:
    """The report on standard output, without its line breaks."""
    return " ".join(result.stdout.split())


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local folder with a release; the working directory is empty and not below a project."""
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    return tmp_path / "staged"


@pytest.fixture
def served(staged: Path, tmp_path: Path) -> Iterator[Served]:
    """An index that has the release before, which had a wheel for win32 too."""
    with scripted_index() as found:
        for path in wheels.make_release(tmp_path / "old", version="1.10.0"):
            found.index.store(path)
        found.index.store(wheels.make_wheel(tmp_path / "old", version="1.10.0", tag="cp312-cp312-win32"))
        yield found


def asked(served: Served) -> int:
    """How often somebody asked for the project's page."""
    return sum(path.endswith("/dipy/") for path, _ in served.index.gets)


# --- what stops a release ---------------------------------------------------------------------------

PURE, SDIST = "dipy-1.11.0-py3-none-any.whl", "dipy-1.11.0.tar.gz"
#: File names that a listing should never have let through, and the check that stops them.
NOT_ONE_RELEASE = {
    "another version": ((PURE, SDIST, "dipy-1.10.0-py2-none-any.whl"), "release/mixed"),
    "another project": ((PURE, SDIST, "nipy-1.11.0-py2-none-any.whl"), "release/mixed"),
    "two spellings": ((PURE, SDIST, "Dipy-1.11-py3-none-any.whl"), "release/clash"),
    "two sdists": ((PURE, SDIST, "dipy-1.11.0.zip"), "release/two-sdists"),
}


@pytest.mark.parametrize(("filenames", "wanted"), NOT_ONE_RELEASE.values(), ids=NOT_ONE_RELEASE)
def test_files_that_are_not_one_release_are_stopped_by_the_verdict(
    filenames: tuple[str, ...], wanted: str
) -> None:
    options = Options(project="dipy", version="1.11.0", urls=("staged",))
    files = [
        LocalFile(name=core_filenames.parse_filename(each), path=Path(each), size=1, sha256=each)
        for each in filenames
    ]
    judged = Report(
        options,
        downloaded_files=tuple(
            DownloadedFile(
                file=each,
                remote=RemoteFile(filename=each.filename, url=f"file:///x/{each.filename}", source="x"),
                outcome=DownloadOutcome.DOWNLOADED,
                verified_by="",
            )
            for each in files
        ),
    )
    release_gate.run_release_checks(
        judged,
        Selection(project=canonicalize_name("dipy"), version=Version("1.11.0"), files=()),
        [FileSummary(name=each.name, size=1) for each in files],
        expectation=None,
        target=None,
        page=None,
        states=(),
    )
    with pytest.raises(FileError) as caught:
        release_gate.raise_if_blocked(judged)
    (line,) = [each for each in caught.value.details if each.startswith(f"{wanted}: ")]
    assert filenames[-1] in line or wanted == "release/two-sdists"


def told(*findings: Finding, files: int = 3, strict: bool = False) -> ReleaseError | None:
    """How a run with these findings ends."""
    wheel = core_filenames.parse_filename(PURE)
    judged = Report(
        Options(project="dipy", version="1.11.0", urls=("staged",), strict=strict),
        downloaded_files=(
            DownloadedFile(
                file=LocalFile(name=wheel, path=Path(PURE), size=1, sha256=""),
                remote=RemoteFile(filename=PURE, url="file:///x", source="x"),
                outcome=DownloadOutcome.DOWNLOADED,
                verified_by="",
            ),
        )
        * files,
        findings=findings,
    )
    try:
        release_gate.raise_if_blocked(judged)
    except ReleaseError as error:
        return error
    return None


def finding(check: str, subject: str = "release", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(check=check, severity=severity, subject=subject, message="it is wrong")


@pytest.mark.parametrize(
    ("findings", "exit_code", "message"),
    [
        ([finding("metadata/thin", PURE)], 6, "1 of 3 files failed the checks"),
        ([finding("metadata/thin", PURE), finding("name/invalid", SDIST)], 6, "2 of 3 files failed"),
        ([finding("metadata/thin", PURE), finding("name/invalid", PURE)], 6, "1 of 3 files failed"),
        ([finding("release/mixed")], 6, "the release as a whole failed the checks"),
        (
            [finding("release/mixed"), finding("metadata/thin", PURE)],
            6,
            "1 of 3 files and the release as a whole failed the checks",
        ),
        ([finding("release/expected")] * 2, 3, "the release does not match the expected files"),
        ([finding("release/expected"), finding("metadata/thin", PURE)], 6, "1 of 3 files and the release as"),
        (
            [finding("metadata/thin", PURE), finding("release/different-on-index", SDIST)],
            7,
            "1 of 3 files conflict with the index; nothing was uploaded",
        ),
        ([finding("release/same-bytes-other-name", PURE)], 7, "1 of 3 files conflict with the index"),
        ([finding("release/second-sdist", SDIST)], 7, "1 of 3 files conflict with the index"),
        (
            [finding("release/closed")],
            7,
            "the index accepts no more files for this release; nothing was uploaded",
        ),
    ],
)
def test_how_a_run_ends_that_the_checks_stop(findings: list[Finding], exit_code: int, message: str) -> None:
    ended = told(*findings)
    assert ended is not None
    assert ended.exit_code == exit_code
    assert ended.message.startswith(message)
    assert "--explain" in ended.hint


def test_what_does_not_stop_a_run() -> None:
    warning = finding("metadata/thin", PURE, Severity.WARNING)
    assert told() is None
    assert told(warning, finding("release/mixed", severity=Severity.NOTE)) is None
    assert told(finding("release/mixed", severity=Severity.NOTE), strict=True) is None
    assert told(warning, strict=True) is not None


@pytest.mark.parametrize(("count", "rest"), [(10, ()), (11, ("and 1 more checks, see the report",))])
def test_one_line_for_each_check_and_ten_at_most(count: int, rest: tuple[str, ...]) -> None:
    findings = [finding(f"metadata/{number}", PURE) for number in range(count)]
    ended = told(*findings, finding("metadata/0", SDIST), finding("metadata/0", SDIST))
    assert ended is not None
    lines = [f"metadata/{number}: {PURE}: it is wrong" for number in range(10)]
    assert ended.details == (lines[0].replace(f"{PURE}:", f"{PURE} and 1 more:"), *lines[1:], *rest)


@pytest.mark.parametrize(("count", "rest"), [(10, ()), (11, ("and 1 more, see the report",))])
def test_ten_conflicts_at_most(count: int, rest: tuple[str, ...]) -> None:
    ended = told(*(finding("release/different-on-index", f"x{number}") for number in range(count)))
    assert ended is not None
    assert ended.details == (*(f"x{number}: it is wrong" for number in range(10)), *rest)
    expected = told(*[finding("release/expected")] * count)
    assert expected is not None
    assert expected.details == ("it is wrong",) * 10


def planned(*states: FileComparison, skip_existing: bool = True) -> ReleaseError | None:
    """How a run ends that compared files with the index once more."""
    judged = Report(
        Options(project="dipy", version="1.11.0", urls=("staged",), skip_existing=skip_existing),
        upload_url="the index",
        upload_plan=tuple(
            IndexComparison(
                file=LocalFile(
                    name=core_filenames.parse_filename(PURE), path=Path(PURE), size=1, sha256="aa"
                ),
                result=state,
                index_sha256="bb",
                other_name="other.whl" if state is FileComparison.SAME_BYTES_OTHER_NAME else "",
            )
            for state in states
        ),
    )
    try:
        release_gate.raise_if_conflict(judged)
    except ReleaseError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (FileComparison.DIFFERENT, f"{PURE}: its sha256 is aa, but on the index it is bb"),
        (
            FileComparison.SAME_BYTES_OTHER_NAME,
            f"{PURE}: the index has the same contents as other.whl (sha256 aa)",
        ),
    ],
)
def test_a_conflict_stops_the_upload_in_its_own_words(state: FileComparison, line: str) -> None:
    ended = planned(FileComparison.ABSENT, state, FileComparison.SAME)
    assert ended is not None
    assert (ended.exit_code, ended.details) == (7, (line,))
    assert ended.message == "1 of 3 files conflict with the index; nothing was uploaded"


def test_equal_files_are_a_conflict_only_if_the_user_wants_that() -> None:
    assert planned(FileComparison.SAME, FileComparison.ABSENT) is None
    assert planned(FileComparison.ABSENT, skip_existing=False) is None
    ended = planned(FileComparison.SAME, FileComparison.ABSENT, skip_existing=False)
    assert ended is not None
    assert ended.message == "1 of 2 files are already on the index; nothing was uploaded"
    assert (ended.exit_code, ended.details) == (7, (PURE,))


# --- with an index and without ---------------------------------------------------------------------


def test_without_an_index_it_is_said_what_was_not_checked(staged: Path) -> None:
    result = run("-u", staged, "--until", "check")
    assert result.exit_code == 0
    assert "not checked: the release against the index: no index given" in report(result)
    document = json.loads(run("-u", staged, "--until", "check", "--format", "json").stdout)
    assert len(document["not_checked"]) == 1


def test_a_release_that_lost_a_platform_stops_before_anything_is_signed(served: Served, staged: Path) -> None:
    call = ("-u", staged, "--repository-url", served.upload_url)
    result = run(*call, env=LOGIN)
    assert result.exit_code == 6
    assert "error: the release as a whole failed the checks\n" in result.stderr
    lost = "1.10.0 had a wheel for cp312 on win32; this release has none"
    assert f"  release/lost-against-previous: release: {lost}" in result.stderr
    assert served.index.posts == []
    for accepted in (
        ["--allow-missing", "win32"],
        ["--no-compare"],
        ["--ignore", "release/lost-against-previous"],
    ):
        assert run(*call, *accepted, "--until", "check", "--index-url", served.index_url).exit_code == 0
    assert run(*call, "--allow-missing", "cp312-win32", env=LOGIN).exit_code == 0
    assert len(served.index.posts) == 6


@pytest.mark.parametrize("option", ["--index-url", "--repository-url"])
def test_an_index_is_asked_once_where_nothing_is_uploaded(served: Served, staged: Path, option: str) -> None:
    url = served.index_url if option == "--index-url" else served.upload_url
    result = run("-u", staged, "--until", "check", option, url)
    assert result.exit_code == 6
    assert asked(served) == 1
    assert "not checked" not in report(result)
    # Nobody is to be uploaded to: the report does not speak of a target.
    assert (
        json.loads(run("-u", staged, "--until", "check", option, url, "--format", "json").stdout)["target"]
        == ""
    )


def test_the_plan_is_made_from_the_page_that_was_checked(served: Served, staged: Path) -> None:
    call = ("-u", staged, "--repository-url", served.upload_url, "--no-compare", "--dry-run")
    assert run(*call, env=LOGIN).exit_code == 0
    assert asked(served) == 1


def test_a_repository_that_is_not_pypi_has_its_own_rules_for_checks_alone(
    served: Served, staged: Path
) -> None:
    call = ("-u", staged, "--until", "check", "--no-compare")
    assert "(profile any)" in report(run(*call, "--repository-url", served.upload_url))
    assert "(profile pypi)" in report(run(*call, "--index-url", served.index_url))


def test_an_index_that_cannot_be_asked(served: Served, staged: Path) -> None:
    served.index.page = (403, "text/plain", "no")
    checked = run("-u", staged, "--until", "check", "--index-url", served.index_url)
    assert checked.exit_code == 0
    assert "not checked: the release against the index: " in report(checked)
    assert "403" in report(checked)
    published = run("-u", staged, "--repository-url", served.upload_url, env=LOGIN)
    assert published.exit_code in {4, 5}
    assert served.index.posts == []


def test_an_index_that_wants_a_login_is_not_given_one_for_checks(served: Served, staged: Path) -> None:
    served.index.page = (401, "text/plain", "who are you?")
    result = run("-u", staged, "--until", "check", "--repository-url", served.upload_url, env=LOGIN)
    assert result.exit_code == 0
    assert "not checked: the release against the index" in report(result)
    assert all("Authorization" not in headers for _, headers in served.index.gets)


def test_the_credentials_of_the_upload_stay_with_its_host(served: Served, staged: Path) -> None:
    """Another port of the same machine is another host: who listens there is not known."""
    with scripted_index() as other:
        other.index.page = (401, "text/plain", "who are you?")
        call = ("-u", staged, "--repository-url", served.upload_url, "--retries", "1", "--no-compare")
        result = run(*call, "--index-url", other.index_url, env=LOGIN)
        assert result.exit_code == 4
        assert other.index.gets
        assert not [headers for _, headers in other.index.gets if "authorization" in map(str.lower, headers)]
    assert served.index.posts == []


def test_nobody_listens(staged: Path) -> None:
    url = f"http://127.0.0.1:{servers.free_port()}/simple/"
    result = run("-u", staged, "--until", "check", "--retries", "1", "--index-url", url)
    assert result.exit_code == 0
    assert "not checked: the release against the index" in report(result)


def test_an_index_without_times_and_sizes(served: Served, staged: Path) -> None:
    served.index.view = "html"
    result = run("-u", staged, "--until", "check", "--no-compare", "--index-url", served.index_url)
    assert result.exit_code == 0
    assert "not checked: the age of the release and the size of the project" in report(result)


def test_a_new_project_is_compared_with_nothing(staged: Path) -> None:
    with scripted_index() as empty:
        result = run("-u", staged, "--until", "check", "--index-url", empty.index_url)
    assert result.exit_code == 0
    assert "not checked" not in report(result)


# --- the release to compare with -------------------------------------------------------------------


def test_the_release_to_compare_with_is_chosen(served: Served, staged: Path, tmp_path: Path) -> None:
    served.index.store(wheels.make_wheel(tmp_path / "old", version="1.9.0", tag="cp312-cp312-win_amd64"))
    call = ("-u", staged, "--until", "check", "--index-url", served.index_url)
    assert run(*call, "--compare-with", "1.9").exit_code == 0
    missing = run(*call, "--compare-with", "1.8")
    assert missing.exit_code == 2
    assert "has no dipy 1.8 to compare with" in missing.stderr


def test_a_version_that_is_none_is_refused_at_once(staged: Path) -> None:
    result = run("-u", staged, "--until", "download", "--compare-with", "last")
    assert result.exit_code == 2
    assert "'last' is not a version" in result.stderr
    assert not Path("wheelhouse").exists()


def test_a_loss_may_be_allowed_in_the_configuration(served: Served, staged: Path) -> None:
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nallow-lost = ["win32", "cp27"]\n')
    assert run("-u", staged, "--until", "check", "--index-url", served.index_url).exit_code == 0


# --- how a run ends --------------------------------------------------------------------------------


def test_other_bytes_on_the_index_are_a_conflict_before_anything_is_uploaded(
    served: Served, staged: Path, tmp_path: Path
) -> None:
    theirs = wheels.make_wheel(tmp_path / "old", tag="cp312-cp312-win_amd64", files={"dipy/x.py": b""})
    served.index.store(theirs)
    result = run("-u", staged, "--until", "check", "--no-compare", "--index-url", served.index_url)
    assert result.exit_code == 7
    assert "error: 1 of 6 files conflict with the index; nothing was uploaded" in result.stderr
    assert theirs.name in result.stderr
    assert "'wheel-uploader --explain release/different-on-index'" in result.stderr
    # It cannot be accepted: an index never takes it.
    call = ("-u", staged, "--no-compare", "--repository-url", served.upload_url)
    ignored = run(*call, "--ignore", "release/different-on-index", env=LOGIN)
    assert ignored.exit_code == 7
    assert served.index.posts == []


def test_the_same_bytes_under_another_name_are_a_conflict_on_every_index(
    served: Served, staged: Path
) -> None:
    wheel = next(staged.glob("*win_amd64.whl"))
    served.index.files[wheel.name.replace("cp312", "cp311")] = wheel.read_bytes()
    call = ("-u", staged, "--no-compare", "--repository-url", served.upload_url)
    for profile in ("pypi", "any"):
        result = run("--profile", profile, *call, env=LOGIN)
        assert result.exit_code == 7
        assert wheel.name.replace("cp312", "cp311") in result.stderr
    assert served.index.posts == []


def test_what_is_there_may_be_an_error(served: Served, staged: Path) -> None:
    served.index.store(staged / "dipy-1.11.0.tar.gz")
    call = ("-u", staged, "--no-compare", "--repository-url", served.upload_url, "--no-skip-existing")
    result = run(*call, env=LOGIN)
    assert result.exit_code == 7
    assert "1 of 6 files are already on" in result.stderr


def test_a_closed_release_is_a_conflict(served: Served, staged: Path) -> None:
    served.index.store(staged / "dipy-1.11.0.tar.gz")
    call = ("-u", staged, "--no-compare", "--repository-url", served.upload_url)
    closed = run("--profile", "pypi", *call, env=LOGIN)
    assert closed.exit_code == 7
    assert "accepts no more files for this release; nothing was uploaded" in closed.stderr
    assert "its first file was published on 2026-01-02" in closed.stderr
    assert served.index.posts == []
    assert run(*call, env=LOGIN).exit_code == 0


def test_an_archived_project_takes_nothing(served: Served, staged: Path) -> None:
    served.index.status = {"status": "archived", "reason": "moved to nipy"}
    result = run("-u", staged, "--no-compare", "--repository-url", served.upload_url, env=LOGIN)
    assert result.exit_code == 6
    assert "on the index, the project is archived (moved to nipy)" in result.stderr
    assert served.index.posts == []


def test_a_file_that_nobody_expects(staged: Path) -> None:
    result = run("-u", staged, "--until", "check", "--expect", "5")
    assert result.exit_code == 3
    assert "not expected: 1 file more than the expected 5" in result.stderr


def test_a_stray_wheel_and_a_file_with_a_fault(staged: Path) -> None:
    stray = wheels.make_wheel(staged, tag="cp311-cp311-macosx_15_0_arm64")
    result = run("-u", staged, "--until", "check", "--ignore", "native", "--format", "json")
    found = [each for each in json.loads(result.stdout)["findings"] if each["severity"] == "error"]
    assert [(each["check"], each["subject"], each["member"]) for each in found] == [
        ("release/duplicate-slot", stray.name, None)
    ]
    assert result.exit_code == 6
    assert "error: 1 of 7 files failed the checks" in result.stderr


def test_a_file_and_the_release_both_fail(served: Served, staged: Path) -> None:
    wheels.make_wheel(staged, tag="cp311-cp311-macosx_15_0_arm64")
    result = run("-u", staged, "--until", "check", "--index-url", served.index_url, "--ignore", "native")
    assert "error: 1 of 7 files and the release as a whole failed the checks" in result.stderr


def test_many_conflicts_are_not_all_told(served: Served, staged: Path) -> None:
    for number in range(12):
        path = wheels.make_wheel(staged, tag=f"cp3{number + 10}-cp3{number + 10}-win_arm64")
        served.index.files[path.name] = b"x"
    call = ("-u", staged, "--until", "check", "--no-compare", "--index-url", served.index_url)
    result = run(*call, "--ignore", "native")
    assert result.exit_code == 7
    assert "error: 12 of 18 files conflict" in result.stderr
    # With the one of the release that is closed.
    assert "and 3 more, see the report" in result.stderr


# --- when not all is asked for ---------------------------------------------------------------------


def test_nothing_is_missing_when_only_some_files_were_asked_for(served: Served, staged: Path) -> None:
    result = run(
        "-u",
        staged,
        "-t",
        "macosx",
        "--until",
        "check",
        "--ignore",
        "native",
        "--index-url",
        served.index_url,
    )
    assert result.exit_code == 0
    assert "checks: 0 errors, 0 warnings" in report(result)
    assert "not checked: whether files of the release are missing" in report(result)


def test_a_wheel_on_its_own_is_not_asked_for_an_sdist(staged: Path) -> None:
    wheel = next(staged.glob("*win_amd64.whl"))
    call = ["-u", str(wheel), "--until", "check"]
    result = CliRunner().invoke(cli.command, call, prog_name="wheel-uploader")
    assert result.exit_code == 0
    assert "release/no-sdist" not in report(result)

"""Test the checks of the release as a whole, with and without an index, and which findings stop a run."""

from __future__ import annotations

import gc
import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.simultaneous import SimultaneousRequests
from tools.testing import servers, wheels
from tools.testing.indexes import Served, scripted_index
from tools.testing.scripted import NEXT, Request, ScriptedServer, answer
from tools.testing.wheels import wheel_bytes
from wheel_uploader import cli
from wheel_uploader.checks import release_runner
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.errors import FileError, ReleaseError
from wheel_uploader.core.models import (
    CheckProfile,
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
from wheel_uploader.http.httpx_import import httpcore
from wheel_uploader.pipeline import release_gate

LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}


def run_command(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    """Run the command in this process for dipy 1.11.0."""
    call = [str(argument) for argument in (*arguments, "dipy", "1.11.0")]
    return CliRunner().invoke(cli.command, call, env=env, prog_name="wheel-uploader")


def report_text(result: Result) -> str:
    """Return the report from standard output without its line breaks."""
    return " ".join(result.stdout.split())


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a release in an otherwise empty working directory, outside any project."""
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    return tmp_path / "staged"


@pytest.fixture
def served(staged: Path, tmp_path: Path) -> Iterator[Served]:
    """Return an index with the previous release, which also has a wheel for win32."""
    with scripted_index() as scripted:
        for path in wheels.make_release(tmp_path / "old", version="1.10.0"):
            scripted.index.store(path)
        scripted.index.store(wheels.make_wheel(tmp_path / "old", version="1.10.0", tag="cp312-cp312-win32"))
        yield scripted


def page_requests(served: Served) -> int:
    """Return the number of requests for the project page."""
    return sum(path.endswith("/dipy/") for path, _ in served.index.gets)


# --- findings that stop a release -------------------------------------------------------------------

PURE, SDIST = "dipy-1.11.0-py3-none-any.whl", "dipy-1.11.0.tar.gz"
#: File names that a listing should have excluded, and the check that rejects them.
NOT_ONE_RELEASE = {
    "another version": ((PURE, SDIST, "dipy-1.10.0-py2-none-any.whl"), "release/mixed"),
    "another project": ((PURE, SDIST, "nipy-1.11.0-py2-none-any.whl"), "release/mixed"),
    "two spellings": ((PURE, SDIST, "Dipy-1.11-py3-none-any.whl"), "release/clash"),
    "two sdists": ((PURE, SDIST, "dipy-1.11.0.zip"), "release/two-sdists"),
}


@pytest.mark.parametrize(("filenames", "expected_check"), NOT_ONE_RELEASE.values(), ids=NOT_ONE_RELEASE)
def test_blocks_files_of_more_than_one_release(filenames: tuple[str, ...], expected_check: str) -> None:
    options = Options(project="dipy", version="1.11.0", urls=("staged",))
    files = [
        LocalFile(name=core_filenames.parse_filename(name), path=Path(name), size=1, sha256=name)
        for name in filenames
    ]
    results = release_runner.run_release_checks(
        options,
        Selection(project=canonicalize_name("dipy"), version=Version("1.11.0"), files=()),
        [FileSummary(name=file.name, size=1) for file in files],
        files,
        profile=CheckProfile.PYPI,
        attestations=(),
        expectation=None,
        target=None,
        page=None,
        states=(),
    )
    release_report = Report(options, findings=results.findings)
    with pytest.raises(FileError) as caught:
        release_gate.raise_if_blocked(release_report)
    (line,) = [detail for detail in caught.value.details if detail.startswith(f"{expected_check}: ")]
    assert filenames[-1] in line or expected_check == "release/two-sdists"


def error_for(*findings: Finding, files: int = 3, strict: bool = False) -> ReleaseError | None:
    """Return the error of a run with these findings, or None."""
    wheel = core_filenames.parse_filename(PURE)
    release_report = Report(
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
        release_gate.raise_if_blocked(release_report)
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
            "1 of 3 files conflicts with the index, and the checks found 1 other error; nothing was",
        ),
        ([finding("release/same-bytes-other-name", PURE)], 7, "1 of 3 files conflicts with the index"),
        ([finding("release/second-sdist", SDIST)], 7, "1 of 3 files conflicts with the index"),
        (
            [finding("release/closed")],
            7,
            "the index accepts no more files for this release; nothing was uploaded",
        ),
    ],
)
def test_failed_checks_set_exit_code_and_message(
    findings: list[Finding], exit_code: int, message: str
) -> None:
    error = error_for(*findings)
    assert error is not None
    assert error.exit_code == exit_code
    assert error.message.startswith(message)
    assert "--explain" in error.hint


def test_lost_wheels_can_be_accepted_by_platform_or_python(served: Served, staged: Path) -> None:
    """The next step has patterns that match: "--allow-missing win" matches nothing."""
    call = ("--until", "check", "-u", staged, "--repository-url", served.upload_url)
    for patterns in ((), ("--allow-missing", "win")):
        blocked = run_command(*call, *patterns, env=LOGIN)
        assert blocked.exit_code == 6, blocked.stderr
        assert (
            "with --allow-missing PLATFORM or PYTHON, such as 'win32', 'cp312' or 'cp312-win32'."
            in blocked.stderr
        )
    for pattern in ("win32", "cp312", "cp312-win32"):
        accepted = run_command(*call, "--allow-missing", pattern, env=LOGIN)
        assert accepted.exit_code == 0, accepted.stderr


def test_warnings_and_notes_do_not_block_unless_strict() -> None:
    warning = finding("metadata/thin", PURE, Severity.WARNING)
    assert error_for() is None
    assert error_for(warning, finding("release/mixed", severity=Severity.NOTE)) is None
    assert error_for(finding("release/mixed", severity=Severity.NOTE), strict=True) is None
    assert error_for(warning, strict=True) is not None


@pytest.mark.parametrize(("count", "rest"), [(10, ()), (11, ("and 1 more check, see the report",))])
def test_prints_one_line_per_check_and_at_most_ten(count: int, rest: tuple[str, ...]) -> None:
    findings = [finding(f"metadata/{number}", PURE) for number in range(count)]
    error = error_for(*findings, finding("metadata/0", SDIST), finding("metadata/0", SDIST))
    assert error is not None
    lines = [f"metadata/{number}: {PURE}: it is wrong" for number in range(10)]
    assert error.details == (lines[0].replace(f"{PURE}:", f"{PURE} and 1 more:"), *lines[1:], *rest)


@pytest.mark.parametrize(("count", "rest"), [(10, ()), (11, ("and 1 more, see the report",))])
def test_prints_at_most_ten_conflicts(count: int, rest: tuple[str, ...]) -> None:
    error = error_for(*(finding("release/different-on-index", f"x{number}") for number in range(count)))
    assert error is not None
    assert error.details == (*(f"x{number}: it is wrong" for number in range(10)), *rest)
    expected = error_for(*[finding("release/expected")] * count)
    assert expected is not None
    assert expected.details == ("it is wrong",) * 10


def test_a_conflict_does_not_hide_the_other_errors() -> None:
    error = error_for(
        finding("metadata/missing", SDIST),
        finding("release/different-on-index", PURE),
        finding("wheel/no-tag", PURE),
    )
    assert error is not None
    assert (error.exit_code, error.message) == (
        7,
        "1 of 3 files conflicts with the index, and the checks found 2 other errors; nothing was uploaded",
    )
    assert error.details == (
        f"{PURE}: it is wrong",
        f"metadata/missing: {SDIST}: it is wrong",
        f"wheel/no-tag: {PURE}: it is wrong",
    )


def conflict_error_for(*states: FileComparison, skip_existing: bool = True) -> ReleaseError | None:
    """Return the error for files with these comparison results, or None."""
    plan = tuple(
        IndexComparison(
            file=LocalFile(name=core_filenames.parse_filename(PURE), path=Path(PURE), size=1, sha256="aa"),
            result=state,
            index_sha256="bb",
            other_name="other.whl" if state is FileComparison.SAME_BYTES_OTHER_NAME else "",
        )
        for state in states
    )
    try:
        release_gate.raise_if_conflict(plan, upload_url="the index", skip_existing=skip_existing)
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
def test_a_conflict_blocks_the_upload_and_is_explained(state: FileComparison, line: str) -> None:
    error = conflict_error_for(FileComparison.ABSENT, state, FileComparison.SAME)
    assert error is not None
    assert (error.exit_code, error.details) == (7, (line,))
    assert error.message == "1 of 3 files conflicts with the index; nothing was uploaded"


def test_identical_files_conflict_only_without_skip_existing() -> None:
    assert conflict_error_for(FileComparison.SAME, FileComparison.ABSENT) is None
    assert conflict_error_for(FileComparison.ABSENT, skip_existing=False) is None
    error = conflict_error_for(FileComparison.SAME, FileComparison.ABSENT, skip_existing=False)
    assert error is not None
    assert error.message == "1 of 2 files is already on the index; nothing was uploaded"
    assert (error.exit_code, error.details) == (7, (PURE,))


# --- checks against the index -----------------------------------------------------------------------


def test_reports_what_was_not_checked_without_an_index(staged: Path) -> None:
    result = run_command("-u", staged, "--until", "check")
    assert result.exit_code == 0
    assert "not checked: the release against the index: no index given" in report_text(result)
    document = json.loads(run_command("-u", staged, "--until", "check", "--format", "json").stdout)
    assert len(document["not_checked"]) == 1


def test_a_lost_platform_stops_the_run_before_the_upload(served: Served, staged: Path) -> None:
    arguments = ("-u", staged, "--repository-url", served.upload_url)
    result = run_command(*arguments, env=LOGIN)
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
        assert (
            run_command(*arguments, *accepted, "--until", "check", "--index-url", served.index_url).exit_code
            == 0
        )
    assert run_command(*arguments, "--allow-missing", "cp312-win32", env=LOGIN).exit_code == 0
    assert len(served.index.posts) == 6


@pytest.mark.parametrize("option", ["--index-url", "--repository-url"])
def test_requests_the_project_page_once_if_nothing_is_uploaded(
    served: Served, staged: Path, option: str
) -> None:
    url = served.index_url if option == "--index-url" else served.upload_url
    result = run_command("-u", staged, "--until", "check", option, url)
    assert result.exit_code == 6
    assert page_requests(served) == 1
    assert "not checked" not in report_text(result)
    # Without an upload, the report has no target.
    assert (
        json.loads(run_command("-u", staged, "--until", "check", option, url, "--format", "json").stdout)[
            "target"
        ]
        == ""
    )


def test_reads_the_page_of_the_index_while_files_are_downloaded(served: Served, tmp_path: Path) -> None:
    """The staging place sends a file only after the index received the request."""
    asked: list[int] = []

    def send(request: Request) -> list[object]:
        if not request.target.endswith(".whl"):
            return [answer(200, f'<a href="/{PURE}">{PURE}</a>'.encode())]
        end = time.monotonic() + 10
        while not page_requests(served) and time.monotonic() < end:
            time.sleep(0.01)
        asked.append(page_requests(served))
        return [answer(200, wheel_bytes())]

    with ScriptedServer(send) as staging:
        arguments = ("-u", staging.url, "-w", tmp_path / "wheelhouse", "--index-url", served.index_url)
        result = run_command(*arguments, "--until", "check", "--no-compare")
    assert result.exit_code == 0
    assert asked == [1]
    assert page_requests(served) == 1


def refuse_files(asked: threading.Event) -> Callable[[Request], list[object]]:
    """Return a staging place that lists a file, and has none after ``asked`` is set."""

    def refuse(request: Request) -> list[object]:
        if not request.target.endswith(".whl"):
            return [answer(200, f'<a href="/{PURE}">{PURE}</a>'.encode())]
        asked.wait(10)
        return [answer(404)]

    return refuse


def test_a_run_that_ends_while_the_page_is_read_leaves_no_connection(tmp_path: Path) -> None:
    asked = threading.Event()

    def send_slowly(_: Request) -> list[object]:
        asked.set()
        time.sleep(0.3)
        return [answer(200, b"<!DOCTYPE html><title>Links for demo</title>")]

    with ScriptedServer(refuse_files(asked)) as staging, ScriptedServer(send_slowly) as index:
        arguments = ("-u", staging.url, "-w", tmp_path / "wheelhouse", "--index-url", index.url)
        result = run_command(*arguments, "--until", "check")
        # A thread would leave the connection open that it is opening.
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("page")]
    assert result.exit_code == 5


def test_a_connection_that_is_opened_after_the_run_ended_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ended = threading.Event(), threading.Event()
    connect = httpcore.SyncBackend.connect_tcp
    readers = []

    def connect_late(*arguments: Any, **options: Any) -> Any:
        if threading.current_thread().name.startswith("page"):
            readers.append(threading.current_thread())
            asked.set()
            ended.wait(10)
        return connect(*arguments, **options)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_late)
    monkeypatch.setattr("wheel_uploader.targets.package_index._SHUTDOWN_TIMEOUT", 0.0)
    page = answer(200, b"<!DOCTYPE html><title>Links for demo</title>")
    with (
        warnings.catch_warnings(record=True) as caught,
        ScriptedServer(refuse_files(asked)) as staging,
        ScriptedServer([page, NEXT]) as index,
    ):
        warnings.simplefilter("always")
        arguments = ("-u", staging.url, "-w", tmp_path / "wheelhouse", "--index-url", index.url)
        assert run_command(*arguments, "--until", "check").exit_code == 5
        ended.set()
        (reader,) = readers
        reader.join(10)
        assert index.requests
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("jobs", [2, 24])
def test_requests_as_many_files_at_a_time_as_there_are_jobs(tmp_path: Path, jobs: int) -> None:
    names = [f"dipy-1.11.0-{build}-py3-none-any.whl" for build in range(26)]
    requests = SimultaneousRequests(jobs)

    def answer_together(request: Request) -> list[object]:
        if not request.target.endswith(".whl"):
            return [answer(200, "".join(f'<a href="/{name}">{name}</a>' for name in names).encode())]
        requests.wait()
        return [answer(404)]

    with ScriptedServer(answer_together) as staging:
        arguments = ("-u", staging.url, "-w", tmp_path, "--jobs", str(jobs), "--until", "download")
        assert run_command(*arguments).exit_code == 5
    assert requests.most == jobs


def test_builds_the_upload_plan_from_the_checked_page(served: Served, staged: Path) -> None:
    arguments = ("-u", staged, "--repository-url", served.upload_url, "--no-compare", "--dry-run")
    assert run_command(*arguments, env=LOGIN).exit_code == 0
    # Once as its readers see the page, and once with the login, because a file seems absent.
    logins = ["authorization" in headers for path, headers in served.index.gets if path.endswith("/dipy/")]
    assert logins == [False, True]


def test_check_profile_depends_on_the_repository(served: Served, staged: Path) -> None:
    arguments = ("-u", staged, "--until", "check", "--no-compare")
    assert "(profile any)" in report_text(run_command(*arguments, "--repository-url", served.upload_url))
    assert "(profile pypi)" in report_text(run_command(*arguments, "--index-url", served.index_url))


def test_an_unavailable_index_limits_checks_and_fails_uploads(served: Served, staged: Path) -> None:
    served.index.page = (403, "text/plain", "no")
    checked = run_command("-u", staged, "--until", "check", "--index-url", served.index_url)
    assert checked.exit_code == 0
    assert "not checked: the release against the index: " in report_text(checked)
    assert "403" in report_text(checked)
    published = run_command("-u", staged, "--repository-url", served.upload_url, env=LOGIN)
    assert published.exit_code in {4, 5}
    assert served.index.posts == []


def test_sends_no_credentials_to_the_index_for_checks(served: Served, staged: Path) -> None:
    served.index.page = (401, "text/plain", "who are you?")
    result = run_command("-u", staged, "--until", "check", "--repository-url", served.upload_url, env=LOGIN)
    assert result.exit_code == 0
    assert "not checked: the release against the index" in report_text(result)
    assert all("Authorization" not in headers for _, headers in served.index.gets)


def test_sends_upload_credentials_only_to_the_upload_host(served: Served, staged: Path) -> None:
    """Another port of the same machine counts as another host, because another user may listen there."""
    with scripted_index() as other:
        other.index.page = (401, "text/plain", "who are you?")
        arguments = ("-u", staged, "--repository-url", served.upload_url, "--retries", "1", "--no-compare")
        result = run_command(*arguments, "--index-url", other.index_url, env=LOGIN)
        assert result.exit_code == 4
        assert other.index.gets
        assert not [headers for _, headers in other.index.gets if "authorization" in map(str.lower, headers)]
    assert served.index.posts == []


def test_checks_without_a_reachable_index(staged: Path) -> None:
    url = f"http://127.0.0.1:{servers.free_port()}/simple/"
    result = run_command("-u", staged, "--until", "check", "--retries", "1", "--index-url", url)
    assert result.exit_code == 0
    assert "not checked: the release against the index" in report_text(result)


def test_reports_missing_upload_times_and_sizes(served: Served, staged: Path) -> None:
    served.index.view = "html"
    result = run_command("-u", staged, "--until", "check", "--no-compare", "--index-url", served.index_url)
    assert result.exit_code == 0
    assert "not checked: the age of the release and the size of the project" in report_text(result)


def test_a_new_project_has_no_previous_release(staged: Path) -> None:
    with scripted_index() as empty:
        result = run_command("-u", staged, "--until", "check", "--index-url", empty.index_url)
    assert result.exit_code == 0
    nothing = "not checked: the release against an earlier one: the index has no release of dipy"
    assert nothing in report_text(result)


# --- the previous release --------------------------------------------------------------------------


def test_compares_with_the_given_release(served: Served, staged: Path, tmp_path: Path) -> None:
    served.index.store(wheels.make_wheel(tmp_path / "old", version="1.9.0", tag="cp312-cp312-win_amd64"))
    arguments = ("-u", staged, "--until", "check", "--index-url", served.index_url)
    assert run_command(*arguments, "--compare-with", "1.9").exit_code == 0
    missing = run_command(*arguments, "--compare-with", "1.8")
    assert missing.exit_code == 2
    assert "has no dipy 1.8 to compare with" in missing.stderr


def test_rejects_an_invalid_version_to_compare_with(staged: Path) -> None:
    result = run_command("-u", staged, "--until", "download", "--compare-with", "last")
    assert result.exit_code == 2
    assert "'last' is not a version" in result.stderr
    assert not Path("wheelhouse").exists()


def test_the_configuration_can_allow_missing_platforms(served: Served, staged: Path) -> None:
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nallow-lost = ["win32", "cp27"]\n')
    assert run_command("-u", staged, "--until", "check", "--index-url", served.index_url).exit_code == 0


# --- exit codes and messages -----------------------------------------------------------------------


def test_different_contents_on_the_index_are_a_conflict(served: Served, staged: Path, tmp_path: Path) -> None:
    theirs = wheels.make_wheel(tmp_path / "old", tag="cp312-cp312-win_amd64", files={"dipy/x.py": b""})
    served.index.store(theirs)
    result = run_command("-u", staged, "--until", "check", "--no-compare", "--index-url", served.index_url)
    assert result.exit_code == 7
    assert "error: 1 of 6 files conflicts with the index; nothing was uploaded" in result.stderr
    assert theirs.name in result.stderr
    assert "'wheel-uploader --explain release/different-on-index'" in result.stderr
    # --ignore has no effect, because the index would reject the file anyway.
    arguments = ("-u", staged, "--no-compare", "--repository-url", served.upload_url)
    ignored = run_command(*arguments, "--ignore", "release/different-on-index", env=LOGIN)
    assert ignored.exit_code == 7
    assert served.index.posts == []


def test_identical_contents_under_another_name_are_a_conflict(served: Served, staged: Path) -> None:
    wheel = next(staged.glob("*win_amd64.whl"))
    served.index.files[wheel.name.replace("cp312", "cp311")] = wheel.read_bytes()
    arguments = ("-u", staged, "--no-compare", "--repository-url", served.upload_url)
    for profile in ("pypi", "any"):
        result = run_command("--profile", profile, *arguments, env=LOGIN)
        assert result.exit_code == 7
        assert wheel.name.replace("cp312", "cp311") in result.stderr
    assert served.index.posts == []


def test_no_skip_existing_fails_if_a_file_is_on_the_index(served: Served, staged: Path) -> None:
    served.index.store(staged / "dipy-1.11.0.tar.gz")
    arguments = ("-u", staged, "--no-compare", "--repository-url", served.upload_url, "--no-skip-existing")
    result = run_command(*arguments, env=LOGIN)
    assert result.exit_code == 7
    assert "1 of 6 files is already on" in result.stderr


def test_a_closed_release_is_a_conflict(served: Served, staged: Path) -> None:
    served.index.store(staged / "dipy-1.11.0.tar.gz")
    arguments = ("-u", staged, "--no-compare", "--repository-url", served.upload_url)
    closed = run_command("--profile", "pypi", *arguments, env=LOGIN)
    assert closed.exit_code == 7
    assert "accepts no more files for this release; nothing was uploaded" in closed.stderr
    assert "its first file was published on 2026-01-02" in closed.stderr
    assert served.index.posts == []
    assert run_command(*arguments, env=LOGIN).exit_code == 0


def test_a_new_project_may_not_be_named_like_a_module_of_python(served: Served, tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "new", "tomllib", "1.0")
    arguments = ["-u", str(tmp_path / "new"), "--no-compare", "--repository-url", served.upload_url]
    call = ["--profile", "pypi", *arguments, "tomllib", "1.0"]
    rejected = CliRunner().invoke(cli.command, call, env=LOGIN, prog_name="wheel-uploader")
    assert rejected.exit_code == 6
    assert "release/standard-library-name" in rejected.stderr
    assert served.index.posts == []
    elsewhere = CliRunner().invoke(
        cli.command, [*arguments, "tomllib", "1.0"], env=LOGIN, prog_name="wheel-uploader"
    )
    assert elsewhere.exit_code == 0
    assert len(served.index.posts) == 1


def test_uploads_nothing_to_an_archived_project(served: Served, staged: Path) -> None:
    served.index.status = {"status": "archived", "reason": "moved to nipy"}
    result = run_command("-u", staged, "--no-compare", "--repository-url", served.upload_url, env=LOGIN)
    assert result.exit_code == 6
    assert "on the index, the project is archived (moved to nipy)" in result.stderr
    assert served.index.posts == []


def test_fails_on_an_unexpected_file(staged: Path) -> None:
    result = run_command("-u", staged, "--until", "check", "--expect", "5")
    assert result.exit_code == 3
    assert "not expected: 1 file more than the expected 5" in result.stderr


def test_reports_a_second_wheel_for_the_same_platform(staged: Path) -> None:
    stray = wheels.make_wheel(staged, tag="cp311-cp311-macosx_15_0_arm64")
    result = run_command("-u", staged, "--until", "check", "--ignore", "native", "--format", "json")
    findings = json.loads(result.stdout)["findings"]
    errors = [finding for finding in findings if finding["severity"] == "error"]
    assert [(error["check"], error["subject"], error["member"]) for error in errors] == [
        ("release/duplicate-slot", stray.name, None)
    ]
    assert result.exit_code == 6
    assert "error: 1 of 7 files failed the checks" in result.stderr


def test_counts_failed_files_and_the_failed_release(served: Served, staged: Path) -> None:
    wheels.make_wheel(staged, tag="cp311-cp311-macosx_15_0_arm64")
    result = run_command(
        "-u", staged, "--until", "check", "--index-url", served.index_url, "--ignore", "native"
    )
    assert "error: 1 of 7 files and the release as a whole failed the checks" in result.stderr


def test_prints_only_some_of_many_conflicts(served: Served, staged: Path) -> None:
    for number in range(12):
        path = wheels.make_wheel(staged, tag=f"cp3{number + 10}-cp3{number + 10}-win_arm64")
        served.index.files[path.name] = b"x"
    arguments = ("-u", staged, "--until", "check", "--no-compare", "--index-url", served.index_url)
    result = run_command(*arguments, "--ignore", "native")
    assert result.exit_code == 7
    assert "error: 12 of 18 files conflict" in result.stderr
    # The closed release counts as one more conflict.
    assert "and 3 more, see the report" in result.stderr


# --- selected files --------------------------------------------------------------------------------


def test_reports_no_missing_files_if_only_some_were_selected(served: Served, staged: Path) -> None:
    result = run_command(
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
    assert "checks: 0 errors, 0 warnings" in report_text(result)
    assert "not checked: whether files of the release are missing" in report_text(result)


def test_requires_no_sdist_for_a_single_wheel(staged: Path) -> None:
    wheel = next(staged.glob("*win_amd64.whl"))
    arguments = ["-u", str(wheel), "--until", "check"]
    result = CliRunner().invoke(cli.command, arguments, prog_name="wheel-uploader")
    assert result.exit_code == 0
    assert "release/no-sdist" not in report_text(result)

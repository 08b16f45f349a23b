"""The newest file of each platform on a page, and which of them is too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.version import Version

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    NothingFoundError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.models import (
    Confirmation,
    FileComparison,
    IndexComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    RemoteFile,
    Selection,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import target_watch, verify_stage
from wheel_uploader.pipeline.target_watch import group_by_platform, watch_files

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LINUX, MAC = "demo-{}-cp312-cp312-manylinux_2_28_x86_64.whl", "demo-{}-cp312-cp312-macosx_11_0_arm64.whl"
PAGE = "https://me:secret-9@index.example/simple/demo/"
SHOWN = "https://index.example/simple/demo/"


def entry(filename: str, age: timedelta | None = None, **facts: Any) -> IndexFile:
    return IndexFile(
        filename=filename, url=f"x/{filename}", upload_time=None if age is None else NOW - age, **facts
    )


def make_page(*files: IndexFile) -> ProjectPage:
    return ProjectPage(url=PAGE, exists=True, files=files)


def make_options(**fields: Any) -> Options:
    values: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": ("x",), "max_age": 2 * 86_400.0}
    return Options(**{**values, "verify": True, **fields})


def watch(
    *files: IndexFile, dates: dict[str, datetime] | None = None, **fields: Any
) -> tuple[str, ReleaseError | None]:
    first, error = watch_files(
        make_page(*files),
        "demo",
        make_options(**fields),
        lambda file: (dates or {}).get(file.filename),
        NOW,
    )
    return first.describe(NOW), error


def uploaded(date: datetime) -> str:
    return f"({date:%Y-%m-%d %H:%M} UTC according to the upload time on the index)"


def test_the_platform_with_the_oldest_newest_file_is_first() -> None:
    line, error = watch(
        entry(LINUX.format("1.0"), HOUR), entry(LINUX.format("0.9"), 9 * DAY), entry(MAC.format("0.9"), DAY)
    )
    assert error is None
    assert line == f"macosx_arm64: {MAC.format('0.9')} is 24 h old {uploaded(NOW - DAY)}"


@pytest.mark.parametrize(
    ("age", "is_bad"), [(2 * DAY, False), (2 * DAY + timedelta(seconds=1), True), (timedelta(0), False)]
)
def test_a_file_may_be_exactly_as_old_as_the_limit(age: timedelta, is_bad: bool) -> None:
    _, error = watch(entry(LINUX.format("1.0"), age))
    assert (error is not None) is is_bad


def test_names_each_platform_without_a_recent_file() -> None:
    line, error = watch(
        entry(LINUX.format("1.0"), 3 * DAY), entry(MAC.format("1.0"), HOUR), entry("demo-0.9.tar.gz", 5 * DAY)
    )
    assert isinstance(error, NothingFoundError)
    assert error.message == (
        f"{SHOWN}: the newest file of 2 of 3 platforms is not recent enough: --max-age is 2 days"
    )
    assert list(error.details) == [
        f"manylinux_x86_64: {LINUX.format('1.0')} is 3 days old {uploaded(NOW - 3 * DAY)}",
        f"sdist: demo-0.9.tar.gz is 5 days old {uploaded(NOW - 5 * DAY)}",
    ]
    assert error.hint == (
        "Check why newer builds are missing there. For a platform that has ended, add "
        "--allow-missing PLATFORM."
    )
    assert line == error.details[1]


@pytest.mark.parametrize(("ahead", "is_bad"), [(timedelta(minutes=10), False), (timedelta(minutes=11), True)])
def test_ignores_a_date_in_the_future(ahead: timedelta, is_bad: bool) -> None:
    line, error = watch(entry(LINUX.format("1.0"), -ahead))
    assert (error is not None) is is_bad
    assert line == f"manylinux_x86_64: {LINUX.format('1.0')} is dated in the future {uploaded(NOW + ahead)}"
    # A file of the past counts instead.
    line, error = watch(entry(LINUX.format("1.0"), -ahead), entry(LINUX.format("0.9"), 9 * DAY))
    assert (error is not None) is is_bad
    assert (LINUX.format("0.9") in line) is is_bad


def test_takes_the_date_of_the_newest_version_if_the_page_has_none() -> None:
    new, old = LINUX.format("1.10"), LINUX.format("1.9")
    line, error = watch(entry(old), entry(new), dates={new: NOW - HOUR, old: NOW})
    assert (line, error) == (
        f"manylinux_x86_64: {new} is 1 h old (2026-11-21 11:00 UTC according to its Last-Modified)",
        None,
    )
    nightly = LINUX.format("1.0.dev20261121")
    line, error = watch(entry(nightly))
    assert error is None
    assert line.endswith("is dated in the future (2026-11-22 00:00 UTC according to the date in the version)")
    assert watch(entry(LINUX.format("1.0.dev20261117")))[1] is not None


def test_a_platform_without_a_date_cannot_be_watched() -> None:
    with pytest.raises(UsageError) as caught:
        watch(entry(LINUX.format("1.0")), entry(MAC.format("1.0"), HOUR))
    assert caught.value.message == f"{SHOWN} has no upload times to compare with --max-age"
    assert list(caught.value.details) == [f"manylinux_x86_64: {LINUX.format('1.0')} has no date"]
    assert caught.value.hint == (
        "Neither the page, the Last-Modified of the files nor a .devYYYYMMDD version gives a date. "
        "Verify this index without --max-age."
    )


OTHERS = ("numpy-1.0.tar.gz", "index.html", "demo-1.0.exe")


@pytest.mark.parametrize(
    ("files", "fields", "platforms"),
    [
        ([LINUX.format("1.0"), MAC.format("1.0"), "demo-1.0.tar.gz", *OTHERS], {}, "linux mac sdist"),
        ([LINUX.format("1.0"), "demo-1.0.tar.gz"], {"allow_missing": ("sdist",)}, "linux"),
        ([LINUX.format("1.0"), MAC.format("1.0")], {"allow_missing": ("mac*",)}, "linux"),
        ([LINUX.format("1.0"), MAC.format("1.0")], {"exclude": ("*mac*",)}, "linux"),
        ([LINUX.format("1.0"), MAC.format("1.0")], {"types": ("macosx",)}, "mac"),
        (["demo-1.0-py3-none-any.whl"], {}, "any"),
        (["demo-1.0-py3-none-win_amd64.win32.whl"], {}, "win32 win_amd64"),
        ([*OTHERS], {}, ""),
    ],
)
def test_groups_the_files_that_installers_choose(
    files: list[str], fields: dict[str, Any], platforms: str
) -> None:
    page = make_page(*(entry(name, HOUR) for name in files), entry("demo-9-py3-none-x.whl", yanked=True))
    found = group_by_platform(page, "demo", make_options(**fields))
    short = {"manylinux_x86_64": "linux", "macosx_arm64": "mac"}
    assert sorted(short.get(name, name) for name in found) == platforms.split()
    if not platforms:
        with pytest.raises(NothingFoundError) as caught:
            watch(*page.files, **fields)
        assert caught.value.message == f"{SHOWN} lists no files of demo whose age --max-age could limit"
        assert caught.value.hint == "Check PROJECT and the index, and --type, --exclude and --allow-missing."


# --- tokens -----------------------------------------------------------------------------------------


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)


def test_examines_each_token_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def describe_end(secret: str, *, subject: str, now: datetime, is_watch: bool) -> str:
        assert (now, is_watch) == (NOW, True)
        return f"{subject}: {secret}" if secret else ""

    monkeypatch.setattr("wheel_uploader.pipeline.target_watch.token_expiry.describe_end", describe_end)
    progress = Notes()
    context: Any = SimpleNamespace(
        options=make_options(index_url="https://me:a%20b@index.example/simple/", url_token="t" + "oken"),
        progress=progress,
    )
    target: Any = SimpleNamespace(find_stored_password=lambda: ("stored", "TWINE_PASSWORD"))
    others = ("the password in --index-url: a b", "the token in WHEEL_UPLOADER_URL_TOKEN: token")
    assert target_watch.find_ending_tokens(context, target, NOW) == (
        "the password from TWINE_PASSWORD: stored",
        *others,
    )

    def refuse() -> tuple[str, str]:
        raise CredentialsError("two passwords")

    target.find_stored_password = refuse
    assert target_watch.find_ending_tokens(context, target, NOW) == others
    assert progress.lines == ["warning: two passwords"]
    context.options = make_options()
    assert target_watch.find_ending_tokens(context, target, NOW) == ()


# --- the verify stage -------------------------------------------------------------------------------


def select(*names: str) -> Selection:
    files = tuple(
        (filenames.parse_filename(name), RemoteFile(filename=name, url=f"x/{name}", source="x"))
        for name in names
    )
    return Selection(project="demo", version=Version("1.0"), files=files)  # type: ignore[arg-type]


OURS = LINUX.format("1.0")


@pytest.mark.parametrize(
    ("listed", "fields", "is_foreign"),
    [
        (OURS, {}, False),
        (MAC.format("1.0"), {}, True),
        ("demo-1.0.tar.gz", {}, True),
        ("Demo-1.0.0.zip", {}, True),
        (MAC.format("1.0.1"), {}, False),
        ("demo2-1.0.tar.gz", {}, False),
        (f"{OURS}.asc", {}, False),
        (f"{OURS}.metadata", {}, False),
        # Old releases have eggs and installers for Windows.
        ("demo-1.0-py2.7.egg", {}, True),
        ("Demo-1.0.win32.exe", {}, True),
        ("demo-1.0.1.exe", {}, False),
        ("demo-1.0", {}, False),
        ("demo-1.0_x.exe", {}, False),
        ("other-1.0.exe", {}, False),
        (MAC.format("1.0"), {"exclude": ("*mac*",)}, False),
        (MAC.format("1.0"), {"types": ("manylinux",)}, False),
        (MAC.format("1.0"), {"types": ("macosx",)}, True),
    ],
)
def test_finds_files_of_the_version_that_are_not_ours(
    listed: str, fields: dict[str, Any], is_foreign: bool
) -> None:
    page = make_page(entry(OURS), entry(listed))
    found = verify_stage.find_foreign_files(page, select(OURS), make_options(max_age=0.0, **fields))
    assert found == ((listed,) if is_foreign else ())


class Recorder:
    """The context of a run that verifies a release of two files."""

    def __init__(self, **fields: Any) -> None:
        self.options = make_options(**{"max_age": 0.0, **fields})
        self.progress = Notes()
        self.results: dict[str, Any] = {}
        self.target: Any = self
        self.index = None
        self.page = make_page(entry(OURS, HOUR), entry(MAC.format("1.0"), HOUR))
        self.states: dict[str, IndexComparison] = {}
        self.confirm_error: DeadlineError | None = None
        self.timeouts: list[float] = []
        self.reads = 0

    def record(self, **results: Any) -> None:
        self.results.update(results)

    def fetch_project(self, project: str) -> ProjectPage:
        assert project == "demo"
        self.reads += 1
        return self.page

    def fetch_date(self, file: IndexFile) -> datetime | None:
        return None

    def find_stored_password(self) -> tuple[str, str]:
        return "", ""

    def compare(self, page: ProjectPage, files: list[LocalFile]) -> tuple[IndexComparison, ...]:
        same = [IndexComparison(file=file, result=FileComparison.SAME) for file in files]
        return tuple(self.states.get(state.file.filename, state) for state in same)

    def confirm(
        self, project: str, files: list[LocalFile], *, timeout: float, was_uploaded: bool
    ) -> tuple[Confirmation, ...]:
        assert (project, was_uploaded) == ("demo", False)
        self.timeouts.append(timeout)
        if self.confirm_error:
            raise self.confirm_error
        return ("confirmed",)  # type: ignore[return-value]


def local(name: str) -> LocalFile:
    from pathlib import Path

    return LocalFile(name=filenames.parse_filename(name), path=Path(name), size=1, sha256=f"of {name}")


OUR_FILES = (OURS, MAC.format("1.0"))


def verify(context: Recorder) -> None:
    downloaded = SimpleNamespace(files=[local(name) for name in OUR_FILES], attestation_files=())
    verify_stage.run(context, select(*OUR_FILES), downloaded)  # type: ignore[arg-type]


def test_looks_once_unless_the_run_waits() -> None:
    context = Recorder()
    verify(context)
    assert (context.reads, context.timeouts) == (1, [0.0])
    assert context.results["confirmations"] == ("confirmed",)
    assert [state.file.filename for state in context.results["upload_plan"]] == [*OUR_FILES]
    assert "warnings" not in context.results
    waiting = Recorder(confirm_timeout=5.0)
    verify(waiting)
    assert (waiting.reads, waiting.timeouts) == (2, [5.0])


def test_needs_a_target() -> None:
    context = Recorder()
    context.target = None
    with pytest.raises(ReleaseError, match="there is no index to verify"):
        verify(context)


def test_names_what_the_index_should_not_serve() -> None:
    context = Recorder()
    wrong = IndexComparison(file=local(OURS), result=FileComparison.DIFFERENT, index_sha256="abc")
    absent = IndexComparison(file=local(OUR_FILES[1]), result=FileComparison.ABSENT)
    context.states = {OURS: wrong}
    with pytest.raises(ConflictError) as caught:
        verify(context)
    assert caught.value.message == (
        f"{SHOWN} does not serve exactly the 2 files: it has 1 file with different contents"
    )
    assert list(caught.value.details) == [f"{OURS}: local sha256 of {OURS}, index sha256 abc"]
    assert caught.value.hint == (
        "Find out who else uploads to this project, yank the wrong files, and publish a new version."
    )
    spelled = IndexComparison(
        file=local(OURS), result=FileComparison.DIFFERENT, index_sha256="abc", other_name="Demo.whl"
    )
    context.states = {OURS: spelled, OUR_FILES[1]: absent}
    context.page = make_page(entry("demo-1.0.zip"), entry("demo-1.0.tar.gz"))
    with pytest.raises(ConflictError) as caught:
        verify(context)
    assert caught.value.message == (
        f"{SHOWN} does not serve exactly the 2 files: it has 1 file with different contents and "
        "2 files of this version that are not ours"
    )
    assert list(caught.value.details) == [
        f"Demo.whl: local sha256 of {OURS}, index sha256 abc",
        "demo-1.0.zip: on the index only",
        "demo-1.0.tar.gz: on the index only",
        f"{OUR_FILES[1]}: not on the index",
    ]
    assert context.timeouts == []
    context.states = {}
    context.page = make_page(entry("demo-1.0.zip"))
    with pytest.raises(ConflictError, match="it has 1 file of this version that is not ours"):
        verify(context)


def test_reports_a_missing_file_without_a_conflict() -> None:
    context = Recorder()
    context.states = {OURS: IndexComparison(file=local(OURS), result=FileComparison.ABSENT)}
    context.confirm_error = DeadlineError("1 of 2 files is missing", details=["x"])
    with pytest.raises(DeadlineError, match="1 of 2 files is missing"):
        verify(context)


def test_the_age_is_judged_after_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    context = Recorder(max_age=86_400.0)
    context.page = make_page(*(IndexFile(filename=name, url="x", upload_time=now) for name in OUR_FILES))
    verify(context)
    (line,) = context.progress.lines
    assert line.startswith("the newest file of each platform is recent enough; macosx_arm64: ")
    assert context.results["warnings"] == ()
    old = IndexFile(filename=OUR_FILES[1], url="x", upload_time=now - 2 * DAY)
    context.page = make_page(IndexFile(filename=OURS, url="x", upload_time=now), old)
    with pytest.raises(NothingFoundError, match="1 of 2 platforms is not recent enough") as caught:
        verify(context)
    assert len(caught.value.details) == 1
    context.confirm_error = DeadlineError("1 of 2 files is missing", details=["x"])
    with pytest.raises(NothingFoundError, match="not recent enough") as caught:
        verify(context)
    assert list(caught.value.details)[1:] == ["1 of 2 files is missing", "x"]

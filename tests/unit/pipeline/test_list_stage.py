"""The list stage: its messages and records, and the listings that stop a run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools.testing import wheels
from wheel_uploader.core.errors import (
    CredentialsError,
    FileError,
    NetworkError,
    NothingFoundError,
    UsageError,
)
from wheel_uploader.core.models import (
    CheckProfile,
    GapRemedy,
    IndexFile,
    ListingGap,
    ListingNote,
    Options,
    ProjectPage,
    RemoteFile,
    Stage,
    StagedFiles,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.listing import expectations, problem_files
from wheel_uploader.listing.selection import NoReleaseFoundError
from wheel_uploader.pipeline import list_stage
from wheel_uploader.pipeline.context import ReportBuilder

SOURCE = "https://staging.example/demo/"
WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


class Lines(SilentProgress):
    def __init__(self) -> None:
        self.shown: list[str] = []
        self.verbose: list[str] = []

    def info(self, text: str) -> None:
        self.shown.append(text)

    def debug(self, text: str) -> None:
        self.verbose.append(text)


def remote(name: str, **facts: Any) -> RemoteFile:
    values: dict[str, Any] = {"url": f"{SOURCE}{name}", "source": SOURCE, "size": 5}
    return RemoteFile(filename=name, **{**values, **facts})


class Run:
    """The context of a run with a scripted listing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *files: RemoteFile | str, **fields: Any) -> None:
        values: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": (SOURCE,)}
        self.options = Options(**{**values, **fields})
        self.staged = StagedFiles(files=tuple(remote(f) if isinstance(f, str) else f for f in files))
        self.progress, self.builder = Lines(), ReportBuilder(self.options)
        self.requirements = expectations.ReleaseRequirements(options=self.options)
        self.profile = CheckProfile.PYPI
        self.target: Any = None
        self.temp_dir = None
        self.http: Any = self
        self.polls: list[tuple[Any, float]] = []
        self.queries: list[Any] = []
        self.rejections: dict[str, str] = {}
        self.asked: list[tuple[str, str, bool]] = []
        monkeypatch.setattr("wheel_uploader.pipeline.list_stage.sources.list_staged_files", self._list)
        monkeypatch.setattr("wheel_uploader.pipeline.list_stage.polling.poll_until_complete", self._poll)

    def _list(self, urls: Any, query: Any, http: Any, temp_dir: Any) -> StagedFiles:
        self.queries.append((urls, query.project, query.version, query.include_prereleases))
        return self.staged

    def _poll(self, fetch: Any, expected: Any, *, limit: float, progress: Any) -> Any:
        self.polls.append((expected, limit))
        return fetch()

    @contextlib.contextmanager
    def polling_mode(self) -> Iterator[None]:
        yield

    def link_rejection(self, origin: str, *, listing_url: str, has_trusted_digest: bool) -> str:
        self.asked.append((origin, listing_url, has_trusted_digest))
        return self.rejections.get(origin, "")

    @property
    def report(self) -> Any:
        return self.builder.report

    @property
    def upload_target(self) -> Any:
        return None

    def record(self, **results: Any) -> None:
        self.builder.record(**results)

    def run(self) -> Any:
        return list_stage.run(self)  # type: ignore[arg-type]


def test_prints_the_files_that_were_not_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, WHEEL, SDIST, "demo-0.9.tar.gz", "readme.txt", exclude=("*.zip",))
    run.requirements = dataclasses.replace(run.requirements, checks_not_run=("the signature",))
    run.staged = dataclasses.replace(run.staged, notes=(ListingNote(source="here", message="a note"),))
    selection = run.run()
    assert [name.filename for name, _ in selection.files] == [WHEEL, SDIST]
    assert run.progress.shown == [
        "not checked: the signature",
        "--exclude *.zip matches no staged file",
    ]
    assert run.progress.verbose[0] == "here: a note"
    assert [line.split(":")[:2] for line in run.progress.verbose[1:]] == [
        ["not selected", " demo-0.9.tar.gz"],
        ["not selected", " readme.txt"],
    ]
    assert run.report.selection == selection
    assert run.report.checks_not_run == ("the signature",)
    assert run.queries == [((SOURCE,), "demo", "1.0", False)]
    assert run.polls == []


def test_infers_the_release_of_local_files(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, WHEEL, project="", version="", until=Stage.CHECK)
    selection = run.run()
    assert (selection.project, str(selection.version)) == ("demo", "1.0")


def test_a_listing_without_the_release_keeps_the_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, "demo-0.9.tar.gz")
    run.staged = dataclasses.replace(run.staged, notes=(ListingNote(source="here", message="a\x1b note"),))
    with pytest.raises(NoReleaseFoundError) as caught:
        run.run()
    assert caught.value.message == f"no files of demo 1.0 at {SOURCE}"
    assert list(caught.value.details)[-1:] == ["a\\x1b note"]
    assert [file.filename for file in run.report.excluded_files] == ["demo-0.9.tar.gz"]
    gap = ListingGap(message="page 2", source=SOURCE, remedy=GapRemedy.CALL, hint="Log in.")
    run.staged = dataclasses.replace(run.staged, gaps=(gap,))
    with pytest.raises(UsageError) as gaps:
        run.run()
    assert gaps.value.message == (
        "1 part of the staged files could not be taken into account; nothing was uploaded"
    )
    assert list(gaps.value.details) == ["page 2", f"no files of demo 1.0 at {SOURCE}"]
    assert gaps.value.hint == "Log in."


def test_a_gap_stops_a_run_with_files(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, WHEEL)
    gaps = [
        ListingGap(message=f"page {number}", source=SOURCE, remedy=GapRemedy.WAIT, hint=hint)
        for number, hint in enumerate(["", "Wait.", *[""] * 20])
    ]
    run.staged = dataclasses.replace(run.staged, gaps=(*gaps, gaps[0]))
    with pytest.raises(NothingFoundError) as caught:
        run.run()
    assert caught.value.message.startswith("22 parts of the staged files could not be")
    assert list(caught.value.details) == [*(f"page {number}" for number in range(20)), "and 2 more"]
    assert caught.value.hint == "Wait."
    run.staged = dataclasses.replace(run.staged, gaps=tuple(gaps[:20]))
    with pytest.raises(NothingFoundError) as caught:
        run.run()
    assert list(caught.value.details) == [f"page {number}" for number in range(20)]


# --- links ------------------------------------------------------------------------------------------


def test_asks_once_for_each_place_whether_it_may_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = {"sha256": "0" * 64}
    run = Run(
        monkeypatch,
        remote(WHEEL, url="https://files.example/a/b/x.whl"),
        remote(SDIST, url="https://files.example/c", hashes=pinned),
        remote("demo-1.0-cp312-cp312-win32.whl", url="https://files.example/d"),
        remote("demo-1.0-cp311-cp311-win32.whl", url="file:///x"),
    )
    run.run()
    assert run.asked == [
        ("https://files.example/", SOURCE, False),
        ("https://files.example/", SOURCE, True),
    ]


def test_names_the_option_that_permits_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"demo-1.0-cp3{minor}-cp3{minor}-win32.whl" for minor in range(8, 30)]
    run = Run(monkeypatch, *(remote(name, url=f"https://files.example/{name}") for name in names))
    monkeypatch.setattr(list_stage, "find_permitting_option", lambda reason: reason.partition("|")[2])
    run.rejections = {"https://files.example/": "other host\x1b|--allow-host files.example"}
    with pytest.raises(UsageError) as caught:
        run.run()
    assert caught.value.message == (
        "22 files of the release may not be fetched from where the listing links to; nothing was downloaded"
    )
    assert caught.value.hint == "If you trust that host, add --allow-host files.example"
    reason = "other host\\x1b|--allow-host files.example"
    ordered = [name.filename for name, _ in run.report.selection.files]
    assert list(caught.value.details) == [*(f"{name}: {reason}" for name in ordered[:20]), "and 2 more"]
    run.rejections = {"https://files.example/": "no TLS"}
    with pytest.raises(UsageError) as caught:
        run.run()
    assert caught.value.hint == ("Correct the links on the staging server, or pass another source with -u.")


# --- files that cannot be used ----------------------------------------------------------------------

MISNAMED = "demo-1.0-py3-any.whl"


def stage_local(folder: Path, *names: str) -> list[RemoteFile]:
    folder.mkdir(exist_ok=True)
    files = []
    for name in names:
        (folder / name).write_bytes(b"x")
        files.append(remote(name, url=(folder / name).as_uri(), source=str(folder)))
    return files


@pytest.mark.parametrize(
    ("others", "fields", "is_refused"),
    [
        # The check stage reports it.
        ([WHEEL], {"until": Stage.CHECK}, False),
        ([WHEEL], {}, False),
        ([WHEEL], {"until": Stage.DOWNLOAD}, True),
        ([WHEEL], {"verify": True}, True),
        ([], {"until": Stage.CHECK}, True),
        # The user accepts the name.
        ([WHEEL], {"until": Stage.DOWNLOAD, "ignore": {"name": ""}}, False),
        ([], {"until": Stage.DOWNLOAD, "ignore": {"name": ""}}, True),
    ],
)
def test_a_misnamed_file_is_reported_by_the_first_stage_that_can(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    others: list[str],
    fields: dict[str, Any],
    is_refused: bool,
) -> None:
    run = Run(monkeypatch, *stage_local(tmp_path / "staged", MISNAMED, *others), **fields)
    if not is_refused:
        run.run()
        assert [finding.subject for finding in run.report.findings] == [MISNAMED]
        return
    with pytest.raises(FileError) as caught:
        run.run()
    assert caught.value.message == "1 file of the release cannot be used; nothing was uploaded"
    assert [line.partition(":")[0] for line in caught.value.details] == [MISNAMED]
    assert caught.value.hint == problem_files.HINT


# --- waiting ----------------------------------------------------------------------------------------


class Target:
    is_readable = True

    def __init__(self, *names: str, error: Exception | None = None) -> None:
        self.names, self.error, self.reads = names, error, 0

    def fetch_project(self, project: str) -> ProjectPage:
        self.reads += 1
        if self.error:
            raise self.error
        files = tuple(IndexFile(filename=name, url="x") for name in self.names)
        return ProjectPage(url="https://index.example/", exists=True, files=files)


PREVIOUS = ("demo-0.9-cp312-cp312-win_amd64.whl", "demo-0.9.tar.gz")


def test_waits_for_the_files_of_the_previous_release(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, WHEEL, SDIST, wait=60.0)
    run.target = Target(*PREVIOUS)
    run.run()
    ((expected, limit),) = run.polls
    assert limit == 60.0
    assert expected.find_missing([]) == ("a wheel for cp312 on win_amd64", "an sdist")
    assert run.progress.shown == ["waiting for the same files as in demo 0.9 (disable with --no-compare)"]


@pytest.mark.parametrize("error", [NetworkError("no answer"), CredentialsError("no access")])
def test_waits_for_one_file_if_the_previous_release_is_unknown(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = Run(monkeypatch, WHEEL, SDIST, wait=60.0)
    run.target = Target(error=error)
    run.run()
    assert run.polls == [(None, 60.0)]
    assert run.progress.shown == [f"waiting for at least one file; the previous release is unknown: {error}"]


def test_does_not_read_the_index_if_nothing_can_be_expected_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for fields, readable, reads in (
        ({"no_compare": True}, True, 1),
        ({}, False, 0),
        ({"expect": 2}, True, 0),
    ):
        run = Run(monkeypatch, WHEEL, SDIST, wait=60.0, **fields)
        run.requirements = expectations.read_requirements(run.options)
        run.target = Target(*PREVIOUS)
        run.target.is_readable = readable
        run.run()
        assert run.target.reads == reads
        assert (run.polls[0][0] is None) is ("expect" not in fields)
        assert run.progress.shown == []
    without = Run(monkeypatch, WHEEL, wait=60.0)
    without.run()
    assert without.polls == [(None, 60.0)]
    first = Run(monkeypatch, WHEEL, wait=60.0)
    first.target = Target()
    first.run()
    assert first.polls == [(None, 60.0)]


# --- age and expectations ---------------------------------------------------------------------------


def test_limits_the_age_of_the_newest_file(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    fresh = remote(WHEEL, modified_at=now)
    run = Run(monkeypatch, fresh, max_age=60.0)
    run.run()
    assert [line for line in run.progress.verbose if "newest" in line] == [
        f"the newest staged file is dated {now:%Y-%m-%d %H:%M} UTC according to the listing of {SOURCE}"
    ]
    old = remote(WHEEL, modified_at=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(NothingFoundError, match="--max-age is 60 s"):
        Run(monkeypatch, old, max_age=60.0).run()
    # With --verify, the files on the target are judged instead.
    Run(monkeypatch, old, max_age=60.0, verify=True).run()
    Run(monkeypatch, old).run()


def test_records_the_expected_places(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, WHEEL, expect={"pythons": ["cp312"], "platforms": ["win_amd64"]})
    run.requirements = expectations.read_requirements(run.options)
    with pytest.raises(NothingFoundError, match=r"demo 1\.0 is incomplete"):
        run.run()
    assert run.report.expected_cells == (("cp312", "win_amd64"),)


def test_hashes_two_copies_of_a_local_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        wheels.make_wheel(tmp_path / folder, "demo", "1.0")
    copies = [
        remote(path.name, url=path.as_uri(), source=str(path.parent), size=path.stat().st_size)
        for path in sorted(tmp_path.glob("*/*.whl"))
    ]
    assert len(Run(monkeypatch, *copies).run().files) == 1
    (tmp_path / "b" / copies[0].filename).write_bytes(b"other")
    with pytest.raises(FileError):
        Run(monkeypatch, *(dataclasses.replace(copy, size=None) for copy in copies)).run()

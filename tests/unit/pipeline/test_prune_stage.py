"""Pruning of a target: the doubts that keep everything, and the end after failures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from wheel_uploader.core import cancellation, filenames
from wheel_uploader.core.cancellation import RunCancelled
from wheel_uploader.core.errors import CredentialsError, DeadlineError, NetworkError, ReleaseError
from wheel_uploader.core.models import LocalFile, Options, Selection, TargetSettings
from wheel_uploader.core.models.pruning import PruneOutcome, TargetPruning
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.index.target import Target
from wheel_uploader.pipeline import target_pruning
from wheel_uploader.pipeline.context import ReportBuilder
from wheel_uploader.targets.pruning import TargetFile

HINT = "The release is complete. The next run removes older files."
NEW = "demo-1.0.dev9-py3-none-any.whl"


def old(number: int) -> str:
    return f"demo-1.0.dev{number}-py3-none-any.whl"


class Waits(SilentProgress):
    """Records the lines that a user sees during a wait."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextlib.contextmanager
    def waiting(self, text: str, *, seconds: float | None = None) -> Iterator[None]:
        self.lines.append(text)
        yield


class Run:
    """The context of a run with a target that lists NEW and older files."""

    def __init__(self, older: int = 3, **fields: Any) -> None:
        values: dict[str, Any] = {"project": "demo", "version": "1.0.dev9", "urls": ("x",), "prune": 1}
        self.options = Options(**{**values, **fields})
        self.builder = ReportBuilder(self.options)
        self.progress = Waits()
        self.target: Any = self
        self.settings = TargetSettings()
        self.info = Target(url="x", is_pypi=False, name="example\x1b")
        self.pruned_labels: tuple[str, ...] = ()
        self.names = [NEW, *map(old, range(1, older + 1))]
        self.errors: dict[str, BaseException] = {}
        self.list_error: ReleaseError | None = None
        self.same = True
        self.removed: list[str] = []

    @property
    def report(self) -> Any:
        return self.builder.report

    def list_files(self, project: str) -> list[TargetFile]:
        if self.list_error:
            raise self.list_error
        time = datetime.now(UTC) - timedelta(days=9)
        return [
            TargetFile(filename=name, version=name.split("-")[1], uploaded_at=time, labels=("main",))
            for name in self.names
        ]

    def is_same_file(self, found: TargetFile, file: LocalFile) -> bool:
        return self.same

    def remove(self, file: TargetFile, labels: tuple[str, ...]) -> None:
        self.removed.append(file.filename)
        if error := self.errors.get(file.filename):
            raise error

    def prune(self, *earlier: str) -> TargetPruning:
        name = filenames.parse_filename(NEW)
        files = [LocalFile(name=name, path=Path("x"), size=1, sha256="x")]
        selection: Any = Selection(project="demo", version=Version("1.0.dev9"), files=())  # type: ignore[arg-type]
        result = target_pruning.prune(self, selection, files, earlier)  # type: ignore[arg-type]
        assert result is not None
        assert result.target == "example\\x1b"
        return result


def outcomes(result: TargetPruning) -> list[tuple[str, PruneOutcome, str]]:
    return [(each.filename, each.outcome, each.reason) for each in result.files]


def test_removes_the_oldest_first() -> None:
    run = Run()
    result = run.prune(NEW, old(1))
    assert outcomes(result) == [(old(number), PruneOutcome.REMOVED, "") for number in (1, 2, 3)]
    assert [each.version for each in result.files] == ["1.0.dev1", "1.0.dev2", "1.0.dev3"]
    assert (result.error, run.removed) == (None, [old(1), old(2), old(3)])
    assert run.progress.lines == [
        "prune: reading the files of demo on example\\x1b",
        *(
            f"prune: removing older files from example\\x1b, {left} left"
            for left in ("3 files", "2 files", "1 file")
        ),
    ]


def test_a_dry_run_chooses_and_removes_nothing() -> None:
    run = Run(dry_run=True)
    run.same = False
    result = run.prune()
    assert outcomes(result) == [(old(number), PruneOutcome.WOULD_REMOVE, "") for number in (1, 2, 3)]
    assert run.removed == []


def test_a_target_without_a_rule_is_not_read() -> None:
    run: Any = Run(prune=None)
    run.list_error = NetworkError("no answer")
    assert target_pruning.prune(run, None, (), ()) is None  # type: ignore[arg-type]
    run = Run()
    run.target = None
    assert target_pruning.prune(run, None, (), ()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("change", ["unlisted", "other bytes", "other label", "vanished", "no listing"])
def test_a_doubt_keeps_everything(change: str) -> None:
    run = Run()
    message = f"example\\x1b does not list {NEW} as it was confirmed just before; nothing was removed"
    earlier: tuple[str, ...] = ()
    match change:
        case "unlisted":
            run.names = run.names[1:]
        case "other bytes":
            run.same = False
        case "other label":
            run.pruned_labels = ("main", "dev")
        case "vanished":
            earlier = (old(8), old(7), NEW)
            message = f"example\\x1b no longer lists {old(7)} since the run began; nothing was removed"
        case _:
            run.list_error = NetworkError("no answer", hint=HINT)
            message = "no answer"
    result = run.prune(*earlier)
    assert (result.files, run.removed, result.labels) == ((), [], run.pruned_labels)
    assert isinstance(result.error, NetworkError)
    assert (result.error.message, result.error.hint) == (message, HINT)


@pytest.mark.parametrize(
    ("failing", "tried"), [((1, 2, 3), 3), ((1, 2, 4, 5), 6), ((2, 3, 4), 4), ((1, 2), 6), ((6,), 6)]
)
def test_three_failures_in_a_row_leave_the_rest_for_the_next_run(
    failing: tuple[int, ...], tried: int
) -> None:
    run = Run(older=6)
    errors = {old(number): NetworkError(f"no answer about {number}") for number in failing}
    run.errors = dict(errors)
    result = run.prune()
    expected = [
        (old(number), PruneOutcome.FAILED, f"no answer about {number}")
        if number in failing
        else (old(number), PruneOutcome.REMOVED, "")
        for number in range(1, tried + 1)
    ]
    expected += [(old(number), PruneOutcome.FAILED, "not tried") for number in range(tried + 1, 7)]
    assert outcomes(result) == expected
    assert result.error is errors[old(failing[0])]


def test_missing_rights_and_a_signal_end_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    run.errors = {old(2): CredentialsError("no access")}
    assert [reason for *_, reason in outcomes(run.prune())] == ["", "no access", "not tried"]
    stopped = Run()
    stopped.errors = {old(2): RunCancelled(DeadlineError("time is up"))}
    result = stopped.prune()
    stop = "the run was stopped"
    assert [reason for *_, reason in outcomes(result)] == ["", stop, stop]
    assert (result.error, stopped.removed) == (None, [old(1), old(2)])

    def raise_if_cancelled() -> None:
        raise RunCancelled(DeadlineError("time is up"))

    monkeypatch.setattr(cancellation, "raise_if_cancelled", raise_if_cancelled)
    before = Run()
    assert [reason for *_, reason in outcomes(before.prune())] == [stop] * 3
    assert before.removed == []


@pytest.mark.parametrize("strict", [True, False])
def test_a_failure_is_an_error_of_a_strict_run(strict: bool) -> None:
    run: Any = Run(strict=strict)
    failed = TargetPruning(target="second", error=NetworkError("no answer", hint="Later."))
    run.builder.record(target_prunings=(TargetPruning(target="first"), failed))
    if not strict:
        target_pruning.raise_if_strict(run)
        return
    with pytest.raises(NetworkError) as caught:
        target_pruning.raise_if_strict(run)
    assert caught.value.message == (
        "the release is confirmed, but older files were not removed from second: no answer"
    )
    assert caught.value.hint == "Later."


def test_labels_are_removed_from_files_that_have_others() -> None:
    run = Run()
    run.pruned_labels = ("main",)
    run.list_files = lambda project: [  # type: ignore[method-assign]
        TargetFile(
            filename=name,
            version=name.split("-")[1],
            uploaded_at=datetime.now(UTC) - timedelta(days=9),
            labels=("main", "dev") if name == old(1) else ("main",),
        )
        for name in run.names
    ]
    result = run.prune()
    assert [(each.filename, each.labels, each.is_gone) for each in result.files] == [
        (old(1), ("main",), False),
        (old(2), (), True),
        (old(3), (), True),
    ]

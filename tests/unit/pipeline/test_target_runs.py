"""Several targets in one run: the errors that end it, and the report of each target; all stages are fake."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wheel_uploader.core import filenames
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    FileError,
    NetworkError,
    PartialError,
    ReleaseError,
)
from wheel_uploader.core.models import (
    CheckProfile,
    Confirmation,
    FileComparison,
    FileStatus,
    Finding,
    IndexComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    Severity,
    TargetSettings,
    UploadResult,
)
from wheel_uploader.core.models.pruning import PrunedFile, PruneOutcome, TargetPruning
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.index.target import Target
from wheel_uploader.pipeline import check_stage, confirm_stage, retention, target_pruning, upload_stage
from wheel_uploader.pipeline.check_stage import UploadDestination, Verdict
from wheel_uploader.pipeline.context import ReportBuilder, RunContext
from wheel_uploader.pipeline.target_runs import TargetRuns

A, B = "demo-1.0-cp311-none-any.whl", "demo-1.0-cp312-none-any.whl"
NAMES = ("first", "second")
PLAN = {A: FileComparison.ABSENT, B: FileComparison.ABSENT}
DONE = {A: FileStatus.UPLOADED, B: FileStatus.UPLOADED}


def local(name: str) -> LocalFile:
    return LocalFile(name=filenames.parse_filename(name), path=Path(name), size=1, sha256="x")


def finding(message: str) -> Finding:
    return Finding(check="x/y", severity=Severity.WARNING, subject="release", message=message)


def confirm(name: str) -> Confirmation:
    return Confirmation(filename=name, sha256="x", url=f"x/{name}")


@dataclasses.dataclass
class Script:
    """The results of the stages for one target; an error is raised instead."""

    plan: dict[str, FileComparison] = dataclasses.field(default_factory=lambda: dict(PLAN))
    check_error: ReleaseError | None = None
    results: dict[str, FileStatus] = dataclasses.field(default_factory=lambda: dict(DONE))
    upload_error: ReleaseError | None = None
    confirmed: tuple[str, ...] = (A, B)
    confirm_error: ReleaseError | None = None
    findings: tuple[str, ...] = ()
    checks_not_run: tuple[str, ...] = ()
    pruned: tuple[PrunedFile, ...] = ()


class Stages:
    """Fake stages of a run, with a record of their calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str, **fields: Any) -> None:
        self.scripts = {name: Script() for name in names}
        self.calls: list[str] = []
        targets = [self.make_target(name) for name in names]
        values: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": ("x",)}
        options = Options(**{**values, **fields})
        self.builder = ReportBuilder(options)
        self.context: Any = RunContext(
            options=options,
            builder=self.builder,
            progress=SilentProgress(),
            cancel=CancellationToken(),
            exit_stack=contextlib.ExitStack(),
            requirements=None,  # type: ignore[arg-type]
            profile=CheckProfile.PYPI,
            target=targets[0],
            signer=None,
            attestation_signer=None,
            http=None,  # type: ignore[arg-type]
            temp_dir=None,  # type: ignore[arg-type]
            targets=tuple(targets) if len(targets) > 1 else (),
        )
        self.context.record(findings=(finding("of a file"),), signatures=("signature",))
        for module, function in (
            *((check_stage, "run"), (upload_stage, "run"), (confirm_stage, "run")),
            *((retention, "prune"), (target_pruning, "prune"), (confirm_stage, "run_index_smoke_tests")),
        ):
            name = f"{module.__name__.rpartition('.')[2]}_{function}"
            monkeypatch.setattr(module, function, getattr(self, name))
        monkeypatch.setattr(check_stage, "gather_evidence", lambda *_: "evidence")
        self.runs = TargetRuns(self.context)

    def make_target(self, name: str) -> Any:
        info = Target(url=f"https://me:secret-9@{name}.example/", is_pypi=False, name=name)
        return SimpleNamespace(
            info=info, default_profile=CheckProfile.ANY, index=None, settings=TargetSettings(), login="me"
        )

    def check_stage_run(self, context: Any, selection: Any, downloaded: Any, evidence: str) -> Verdict:
        assert evidence == "evidence"
        name, script = self.begin("check", context)
        context.record(
            findings=(*context.report.findings, *map(finding, script.findings)),
            checks_not_run=script.checks_not_run,
        )
        if script.check_error:
            raise script.check_error
        plan = tuple(
            IndexComparison(file=local(file), result=result, index_sha256="other")
            for file, result in script.plan.items()
        )
        context.record(upload_plan=plan, comparison=name, missing_cells=((name, "any"),))
        page = ProjectPage(url=name, exists=True, files=(IndexFile(filename=f"of-{name}", url="x"),))
        destination = UploadDestination(target=context.target, project_page=page)
        attestations: Any = (name,)
        return Verdict(attestations=attestations, upload_plan=plan, destination=destination)

    def upload_stage_run(
        self, context: Any, selection: Any, downloaded: Any, verdict: Verdict, signed: Any
    ) -> UploadDestination:
        name, script = self.begin("upload", context)
        assert signed == "signed"
        results = tuple(
            UploadResult(file=local(file), outcome=outcome)  # type: ignore[arg-type]
            for file, outcome in script.results.items()
        )
        context.record(upload_results=results, release_url=f"https://{name}.example/demo")
        if script.upload_error:
            raise script.upload_error
        return verdict.require_destination()

    def confirm_stage_run(self, context: Any, *others: Any) -> None:
        _, script = self.begin("confirm", context)
        context.record(confirmations=tuple(map(confirm, script.confirmed)))
        if script.confirm_error:
            raise script.confirm_error

    def confirm_stage_run_index_smoke_tests(self, context: Any, *others: Any) -> None:
        assert context is self.context
        self.calls.append(f"smoke {others[-1].info.name}")

    def retention_prune(self, context: Any, selection: Any, wheelhouse: str, destination: Any) -> None:
        assert (context, wheelhouse) == (self.context, "wheelhouse")
        self.calls.append(f"keep {destination.target.info.name}")

    def target_pruning_prune(
        self, context: Any, selection: Any, files: Any, earlier: set[str]
    ) -> TargetPruning | None:
        name, script = self.begin("prune", context)
        self.calls[-1] += f" {' '.join(sorted(earlier))}"
        return TargetPruning(target=name, files=script.pruned) if script.pruned else None

    def begin(self, stage: str, context: Any) -> tuple[str, Script]:
        name = context.target.info.name
        self.calls.append(f"{stage} {name}")
        return name, self.scripts[name]

    verdict: Any

    def run(self) -> ReleaseError | None:
        """Run the stages, and return the error that ends the run."""
        downloaded: Any = SimpleNamespace(files=(), wheelhouse="wheelhouse")
        selection: Any = "selection"
        try:
            self.verdict = self.runs.check(selection, downloaded)
            self.runs.upload(selection, downloaded, "signed")  # type: ignore[arg-type]
            self.runs.confirm(selection, downloaded)
            self.runs.prune_wheelhouse(selection, downloaded)
            self.runs.run_smoke_tests(selection, downloaded)
            self.runs.prune_targets(selection, downloaded)
        except ReleaseError as error:
            return error
        return None

    @property
    def report(self) -> Any:
        return self.builder.report


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stages]:
    yield Stages(monkeypatch, *NAMES)


def test_each_target_goes_through_each_stage(two: Stages) -> None:
    assert two.run() is None
    assert two.calls == [
        *(f"{stage} {name}" for stage in ("check", "upload", "confirm") for name in NAMES),
        "keep second",
        *("smoke first", "smoke second"),
        *("prune first of-first", "prune second of-second"),
    ]
    report = two.report
    assert [(each.name, each.url, each.release_url) for each in report.targets] == [
        (name, f"https://{name}.example/", f"https://{name}.example/demo") for name in NAMES
    ]
    for each in report.targets:
        assert [state.file.filename for state in each.upload_plan] == [A, B]
        assert [result.outcome for result in each.upload_results] == [FileStatus.UPLOADED] * 2
        assert [confirmed.filename for confirmed in each.confirmations] == [A, B]
        assert each.error is None
    assert report.release_url == "https://first.example/demo"
    assert (report.comparison, report.missing_cells) == ("first", (("first", "any"),))
    assert [confirmed.filename for confirmed in report.confirmations] == [A, B]
    assert [each.message for each in report.findings] == ["of a file"]
    assert two.verdict.attestations == ("second",)
    # The report of each target has the signatures of the run.
    signatures: list[Any] = [run.context.report.signatures for run in two.runs._runs]
    assert signatures == [("signature",)] * 2


def test_one_target_uses_the_report_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Stages(monkeypatch, "first")
    assert one.run() is None
    assert one.report.targets == ()
    assert one.calls[-1] == "prune first of-first"
    for stage in ("check_error", "upload_error", "confirm_error"):
        failing = Stages(monkeypatch, "first")
        error = NetworkError("no answer", details=["x"])
        setattr(failing.scripts["first"], stage, error)
        assert failing.run() is error


def test_yields_the_targets_that_may_be_uploaded_to(two: Stages) -> None:
    two.scripts["first"].check_error = NetworkError("no answer")
    two.runs.check("selection", "downloaded")  # type: ignore[arg-type]
    assert [context.target and context.target.info.name for context, _ in two.runs.ready()] == ["second"]


def test_files_are_in_the_state_of_the_target_that_they_are_furthest_from(two: Stages) -> None:
    comparisons = [
        *(FileComparison.DIFFERENT, FileComparison.SAME_BYTES_OTHER_NAME, FileComparison.REPLACE),
        *(FileComparison.ABSENT, FileComparison.SAME),
    ]
    outcomes = [
        *(FileStatus.CONFLICT, FileStatus.REJECTED, FileStatus.FAILED, FileStatus.UNKNOWN),
        *(FileStatus.NOT_TRIED, FileStatus.WOULD_UPLOAD, FileStatus.UPLOADED, FileStatus.SKIPPED),
    ]
    contexts = [run.context for run in two.runs._runs]

    def show(name: str, first: Any, second: Any) -> Any:
        for context, value in zip(contexts, (first, second), strict=True):
            context.record(**{name: (value,)})
        return getattr(two.report, name)

    for worse, better in itertools.pairwise(comparisons):
        states = [IndexComparison(file=local(A), result=result) for result in (worse, better)]
        assert show("upload_plan", *states) == (states[0],)
        assert show("upload_plan", *reversed(states)) == (states[0],)
    for bad, good in itertools.pairwise(outcomes):
        results = [UploadResult(file=local(A), outcome=outcome) for outcome in (bad, good)]  # type: ignore[arg-type]
        assert show("upload_results", *results) == (results[0],)
        assert show("upload_results", *reversed(results)) == (results[0],)


@pytest.mark.parametrize(
    ("result", "details"),
    [
        (
            FileComparison.DIFFERENT,
            f"  {A}: its sha256 is x, but on the index it is other",
        ),
        (FileComparison.SAME, ""),
    ],
)
def test_a_conflict_ends_the_run_before_the_first_upload(
    two: Stages, result: FileComparison, details: str
) -> None:
    two.scripts["second"].plan[A] = result
    error = two.run()
    if not details:
        assert error is None
        return
    assert isinstance(error, ConflictError)
    assert error.message == "1 of 2 targets stopped the run, and nothing was uploaded"
    assert list(error.details) == [
        "first: nothing was uploaded",
        "second: 1 of 2 files conflicts with https://second.example/; nothing was uploaded",
        details,
    ]
    assert error.hint == ConflictError.default_hint
    assert not [call for call in two.calls if call.startswith("upload")]


def test_identical_files_are_a_conflict_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    two = Stages(monkeypatch, *NAMES, skip_existing=False)
    two.scripts["second"].plan[A] = FileComparison.SAME
    assert isinstance(two.run(), ConflictError)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (FileError("bad"), None, FileError),
        (CredentialsError("no access"), NetworkError("no answer"), CredentialsError),
        (NetworkError("no answer"), NetworkError("no answer"), NetworkError),
        (NetworkError("no answer"), None, None),
    ],
)
def test_a_target_that_cannot_be_read_ends_the_run_only_if_no_other_can(
    two: Stages, first: ReleaseError, second: ReleaseError | None, kind: type[ReleaseError] | None
) -> None:
    two.scripts["first"].check_error, two.scripts["second"].check_error = first, second
    error = two.run()
    count = 2 if second else 1
    if kind:
        assert type(error) is kind
        assert error.message == f"{count} of 2 targets stopped the run, and nothing was uploaded"
        assert "upload first" not in two.calls
        assert [each.error for each in two.report.targets] == [first, second]
        return
    assert type(error) is PartialError
    assert error.message == "the release is not complete on 1 of 2 targets"
    assert list(error.details) == ["first: no answer", "second: complete, 2 files confirmed"]
    assert [call for call in two.calls if "first" in call] == ["check first"]


def test_an_upload_that_fails_leaves_the_others_their_files(two: Stages) -> None:
    broken = two.scripts["first"]
    broken.results = {A: FileStatus.UPLOADED, B: FileStatus.FAILED}
    broken.upload_error = PartialError("1 of 2 files is missing", details=["x"])
    error = two.run()
    assert isinstance(error, PartialError)
    assert list(error.details) == [
        "first: 1 of 2 files is missing",
        "  x",
        "second: complete, 2 files confirmed",
    ]
    assert error.hint == PartialError.default_hint
    assert "confirm first" not in two.calls
    assert two.report.confirmations == ()
    assert [result.outcome for result in two.report.upload_results] == [
        FileStatus.UPLOADED,
        FileStatus.FAILED,
    ]


@pytest.mark.parametrize(
    ("failure", "kind", "hint"),
    [
        (FileError("rejected", hint="Fix it."), PartialError, "Fix it. The same command then continues."),
        (NetworkError("no answer", hint="Later."), PartialError, PartialError.default_hint),
        (ConflictError("taken", hint="Rename."), ConflictError, "Rename."),
        (DeadlineError("late", hint="Wait."), DeadlineError, "Wait."),
    ],
)
def test_the_error_of_the_run_is_that_of_the_worst_target(
    two: Stages, failure: ReleaseError, kind: type[ReleaseError], hint: str
) -> None:
    two.scripts["second"].upload_error = failure
    error = two.run()
    assert type(error) is kind
    assert error.message == "the release is not complete on 1 of 2 targets"
    assert error.hint == hint
    assert list(error.details) == ["first: complete, 2 files confirmed", f"second: {failure.message}"]


def test_uploads_that_fail_everywhere_end_the_run_at_once(two: Stages) -> None:
    for script in two.scripts.values():
        script.results = {A: FileStatus.FAILED, B: FileStatus.NOT_TRIED}
        script.upload_error = NetworkError("no answer", hint="Later.")
    error = two.run()
    assert type(error) is NetworkError
    assert error.message == "2 of 2 targets stopped the run, and nothing was uploaded"
    assert (error.hint, list(error.details)) == ("Later.", ["first: no answer", "second: no answer"])
    assert two.calls[-1] == "upload second"


def test_only_files_that_all_targets_serve_are_confirmed(two: Stages) -> None:
    two.scripts["second"].confirmed = (A,)
    two.scripts["second"].confirm_error = DeadlineError("1 of 2 files is missing")
    error = two.run()
    assert isinstance(error, DeadlineError)
    assert [confirmed.filename for confirmed in two.report.confirmations] == [A]
    assert two.calls[-1] == "confirm second"


def test_an_unconfirmed_target_is_complete_without_the_word(two: Stages) -> None:
    two.scripts["first"].confirmed = ()
    two.scripts["second"].confirm_error = NetworkError("no answer")
    error = two.run()
    assert error is not None
    assert list(error.details) == ["first: complete, 2 files", "second: no answer"]


def test_findings_and_gaps_of_one_target_name_it(two: Stages) -> None:
    two.scripts["first"].findings = ("of both", "of one")
    two.scripts["second"].findings = ("of both",)
    two.scripts["first"].checks_not_run = ("age", "the index")
    two.scripts["second"].checks_not_run = ("age",)
    assert two.run() is None
    assert [each.message for each in two.report.findings] == ["of a file", "of both", "of one (first)"]
    assert two.report.checks_not_run == ("age", "the index (first)")


def test_pruning_does_not_miss_what_an_earlier_target_removed(two: Stages) -> None:
    def removed(name: str, outcome: PruneOutcome, *labels: str) -> PrunedFile:
        return PrunedFile(filename=name, version="0.9", outcome=outcome, labels=labels)

    two.scripts["first"].pruned = (
        removed("of-second", PruneOutcome.REMOVED),
        removed("of-first", PruneOutcome.FAILED),
    )
    assert two.run() is None
    assert two.calls[-2:] == ["prune first of-first", "prune second "]
    assert [each.target for each in two.report.target_prunings] == ["first"]
    two.scripts["first"].pruned = (removed("of-second", PruneOutcome.REMOVED, "label"),)
    two.runs.prune_targets("selection", SimpleNamespace(files=()))  # type: ignore[arg-type]
    assert two.calls[-1] == "prune second of-second"


def test_a_cancelled_run_ends_at_once(two: Stages) -> None:
    error = NetworkError("cut")
    two.scripts["first"].upload_error = error
    two.context.cancel.error = NetworkError("Ctrl-C")
    assert two.run() is error
    assert "upload second" not in two.calls

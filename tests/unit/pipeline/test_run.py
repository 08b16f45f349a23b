"""A run: the order of its stages, its context, and the report of each kind of end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wheel_uploader.core.cancellation import CancellationToken, RunCancelled
from wheel_uploader.core.errors import (
    DeadlineError,
    NetworkError,
    OptionError,
    ReleaseError,
    RunInterrupted,
    UsageError,
)
from wheel_uploader.core.models import (
    CheckProfile,
    FileComparison,
    IndexComparison,
    LocalFile,
    Options,
    Report,
    Selection,
    Stage,
    TargetSettings,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.index.target import Target
from wheel_uploader.pipeline import (
    check_stage,
    confirm_stage,
    context,
    download_stage,
    list_stage,
    sign_stage,
    target_runs,
    upload_question,
    verify_stage,
)
from wheel_uploader.pipeline import run as pipeline_run
from wheel_uploader.pipeline.context import ReportBuilder, RunContext

SOURCE = "https://staging.example/demo/"


def make_options(**fields: Any) -> Options:
    values: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": (SOURCE,)}
    return Options(**{**values, **fields})


class FakeTarget:
    """A target that records how it was prepared."""

    def __init__(self, name: str = "example", *, is_pypi: bool = False) -> None:
        url = f"https://me:secret-9@{name}.example/legacy/"
        self.info = Target(url=url, is_pypi=is_pypi, name=name)
        self.default_profile = CheckProfile.PYPI if is_pypi else CheckProfile.ANY
        self.settings = TargetSettings()
        self.calls: list[str] = []

    def prepare_login(self, *, is_required: bool) -> None:
        self.calls.append(f"login {is_required}")

    def require_replaceable(self) -> None:
        self.calls.append("replaceable")

    def require_prunable(self) -> None:
        self.calls.append("prunable")

    def close(self) -> None:
        self.calls.append("close")


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)


class Opened:
    """The context of a run whose targets are fake."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *targets: FakeTarget) -> None:
        self.targets = {target.info.name: target for target in targets}
        self.names: list[tuple[str | None, tuple[str, ...]]] = []
        self.progress = Notes()
        monkeypatch.setattr("wheel_uploader.pipeline.context.targets.open_target", self._open)
        monkeypatch.setattr("wheel_uploader.pipeline.context.certificates.find_ignored_variables", lambda: "")

    def _open(self, options: Options, progress: Any) -> FakeTarget:
        self.names.append((options.repository, options.more_repositories))
        return self.targets.get(options.repository or "") or next(iter(self.targets.values()))

    @contextlib.contextmanager
    def open(self, options: Options) -> Iterator[RunContext]:
        self.builder = ReportBuilder(options)
        with RunContext.open(options, self.builder, self.progress, CancellationToken()) as opened:
            yield opened


def open_context(monkeypatch: pytest.MonkeyPatch, *targets: FakeTarget, **fields: Any) -> Any:
    """Open a context, and return its parts."""
    opened = Opened(monkeypatch, *targets)
    with opened.open(make_options(**fields)) as run:
        return SimpleNamespace(
            target=run.target,
            targets=run.targets,
            upload_target=run.upload_target,
            uploads=run.uploads,
            profile=run.profile,
            report=run.report,
            names=opened.names,
            lines=opened.progress.lines,
            calls=[call for target in targets for call in target.calls],
        )


# --- the context ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "uploads", "calls"),
    [
        ({}, True, ["login True"]),
        ({"dry_run": True}, True, ["login False"]),
        ({"verify": True}, False, []),
        ({"rehearse": True}, True, []),
        ({"replace": True}, True, ["replaceable", "login True"]),
        ({"replace": True, "rehearse": True}, True, ["replaceable"]),
        ({"prune": 3}, True, ["login True", "prunable"]),
        ({"prune_days": 3}, True, ["login True", "prunable"]),
        ({"prune": 3, "until": Stage.UPLOAD}, True, ["login True"]),
        ({"until": Stage.UPLOAD, "write_only": True}, True, ["login True"]),
    ],
)
def test_prepares_the_target_before_the_first_request(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], uploads: bool, calls: list[str]
) -> None:
    target = FakeTarget()
    opened = open_context(monkeypatch, target, **fields)
    assert (opened.target, opened.upload_target, opened.uploads) == (target, target, uploads)
    assert opened.calls == calls
    assert target.calls[-1] == "close"
    assert opened.report.upload_url == "https://example.example/legacy/"
    assert (opened.profile, opened.report.profile, opened.targets) == (CheckProfile.ANY, CheckProfile.ANY, ())


def test_asks_pypi_first_whether_it_can_be_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    target = FakeTarget(is_pypi=True)
    opened = open_context(monkeypatch, target, prune=3)
    assert opened.calls == ["prunable", "login True", "prunable"]
    assert open_context(monkeypatch, FakeTarget(is_pypi=True)).calls == ["login True"]


@pytest.mark.parametrize(
    ("fields", "is_opened"),
    [
        ({"until": Stage.SIGN}, False),
        ({"until": Stage.CHECK}, False),
        ({"until": Stage.CHECK, "index_url": SOURCE}, True),
        ({"until": Stage.CHECK, "repository": "example"}, True),
        ({"until": Stage.SIGN, "repository_url": SOURCE}, True),
    ],
)
def test_opens_a_target_only_if_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], is_opened: bool
) -> None:
    target = FakeTarget()
    opened = open_context(monkeypatch, target, **fields)
    assert (opened.target is target, opened.upload_target, opened.uploads) == (is_opened, None, False)
    assert opened.report.upload_url == ""
    assert opened.calls == []
    assert target.calls == ["close"] * is_opened
    assert opened.profile is (CheckProfile.ANY if is_opened else CheckProfile.PYPI)


def test_uploads_to_pypi_last_and_checks_by_its_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    pypi, other = FakeTarget("pypi", is_pypi=True), FakeTarget("other")
    opened = open_context(monkeypatch, pypi, other, repository="pypi", more_repositories=("other",))
    assert opened.targets == (other, pypi)
    assert opened.target is pypi
    assert opened.profile is CheckProfile.PYPI
    assert opened.names == [("pypi", ()), ("other", ())]
    assert opened.report.upload_url == "https://other.example/legacy/, https://pypi.example/legacy/"
    third = FakeTarget("third")
    opened = open_context(monkeypatch, other, third, repository="other", more_repositories=("third",))
    assert (opened.target, opened.targets) == (other, (other, third))
    assert open_context(monkeypatch, pypi, profile=CheckProfile.ANY).profile is CheckProfile.ANY


def test_prints_the_options_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(monkeypatch, FakeTarget())
    monkeypatch.setattr(
        "wheel_uploader.pipeline.context.certificates.find_ignored_variables", lambda: "a variable is ignored"
    )
    with opened.open(make_options(pre=True)):
        pass
    assert opened.progress.lines == [
        "--pre has no effect without the version 'latest'",
        "a variable is ignored",
    ]


def test_refuses_an_unknown_check_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    target = FakeTarget()
    with pytest.raises(UsageError, match="unknown check"):
        open_context(monkeypatch, target, ignore={"metadata/thinn": ""})
    assert target.calls == []


@pytest.mark.parametrize(
    ("fields", "interactive", "is_refused"),
    [
        ({"ask": True}, False, True),
        ({"ask": True}, True, False),
        ({"ask": True, "dry_run": True}, False, False),
        ({"ask": True, "rehearse": True}, False, False),
        ({"ask": True, "until": Stage.SIGN}, False, False),
        ({"ask": True, "until": Stage.UPLOAD}, False, True),
        ({}, False, False),
    ],
)
def test_a_question_needs_a_terminal(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], interactive: bool, is_refused: bool
) -> None:
    monkeypatch.setattr(context, "is_interactive", lambda options: interactive)
    if not is_refused:
        open_context(monkeypatch, FakeTarget(), **fields)
        return
    with pytest.raises(OptionError) as caught:
        open_context(monkeypatch, FakeTarget(), **fields)
    assert caught.value.message == "--ask: there is no terminal to ask on"
    assert caught.value.hint == (
        "Run the command on a terminal, or without --ask (and without TWINE_NON_INTERACTIVE)."
    )


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({"smoke": "x", "until": Stage.DOWNLOAD}, []),
        ({"smoke": "x", "until": Stage.CHECK}, ["pip --smoke"]),
        ({"built_by": "a/b", "until": Stage.DOWNLOAD}, []),
        ({"built_by": "a/b", "until": Stage.CHECK}, ["extra --built-by"]),
        ({"rehearse": True, "until": Stage.CHECK}, []),
        ({"rehearse": True, "until": Stage.SIGN}, ["rehearsal"]),
        ({}, []),
    ],
)
def test_needs_the_tools_of_the_stages_that_it_reaches(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], needed: list[str]
) -> None:
    from wheel_uploader.rehearsal import rehearsal

    asked: list[str] = []
    monkeypatch.setattr(
        "wheel_uploader.pipeline.context.pip_command.require_pip",
        lambda option: asked.append(f"pip {option}"),
    )
    monkeypatch.setattr(
        "wheel_uploader.pipeline.context.attestations.require_attestation_extra",
        lambda option: asked.append(f"extra {option}"),
    )
    monkeypatch.setattr(rehearsal, "require_rehearsal_tools", lambda: asked.append("rehearsal"))
    open_context(monkeypatch, FakeTarget(), **fields)
    assert asked == needed


@pytest.mark.parametrize(
    ("fields", "warning", "is_found"),
    [
        ({"sign": True}, "", True),
        ({"sign": True, "until": Stage.SIGN}, "", True),
        ({"sign": True, "until": Stage.CHECK}, "", False),
        ({}, "", False),
        ({"sign": True, "identity": "me"}, "two keys fit", True),
    ],
)
def test_finds_the_key_at_the_start(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], warning: str, is_found: bool
) -> None:
    asked: list[tuple[str, str | None]] = []

    def find_gpg_signer(program: str, identity: str | None) -> Any:
        asked.append((program, identity))
        return SimpleNamespace(ambiguity_warning=warning)

    monkeypatch.setattr("wheel_uploader.pipeline.context.gpg_signer.find_gpg_signer", find_gpg_signer)
    opened = Opened(monkeypatch, FakeTarget())
    with opened.open(make_options(**fields)) as run:
        assert (run.signer is not None) is is_found
    assert asked == [("gpg", fields.get("identity"))] * is_found
    shown = [line for line in opened.progress.lines if "effect" not in line]
    assert shown == [warning] * bool(warning)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {SOURCE: 15}),
        ({"jobs": 4}, {SOURCE: 3}),
        ({"jobs": 1}, {SOURCE: 0}),
        ({"jobs": 64}, {SOURCE: 15}),
        ({"until": Stage.LIST}, {}),
        ({"until": Stage.DOWNLOAD}, {SOURCE: 15}),
        ({"urls": (SOURCE, "https://github.com/dipy/dipy/releases")}, {SOURCE: 15}),
    ],
)
def test_opens_connections_in_advance_where_files_are(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], expected: dict[str, int]
) -> None:
    given: dict[str, Any] = {}

    class Client:
        def __init__(self, **values: Any) -> None:
            given.update(values)

        def add_headers(self, prefix: str, headers: Any) -> None:
            given[prefix] = headers

    monkeypatch.setattr(context, "HttpClient", Client)
    progress = SilentProgress()
    options = make_options(timeout=7.0, retries=3, allow_hosts=("h",), allow_insecure_hosts=("i",), **fields)
    context.open_staging_client(options, progress)
    assert given == {
        "user_urls": options.urls,
        "allow_hosts": ("h",),
        "allow_insecure_hosts": ("i",),
        "timeout": 7.0,
        "retries": 3,
        "max_connections": max(options.jobs or 0, 20),
        "preconnect": expected,
        "progress": progress,
    }


def test_adds_the_seconds_of_the_parts_of_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("wheel_uploader.pipeline.context.time.monotonic", lambda: now[0])
    builder = ReportBuilder(make_options())
    changes = []
    builder.on_record = lambda: changes.append(builder.report.last_stage)
    for seconds in (2.0, 3.0):
        with builder.stage(Stage.CHECK):
            now[0] += seconds
    assert builder.report.stage_seconds == {Stage.CHECK: 5.0}
    assert builder.report.last_stage is Stage.CHECK
    with pytest.raises(ValueError, match="x"), builder.stage(Stage.SIGN):
        now[0] += 4.0
        raise ValueError("x")
    assert builder.report.stage_seconds == {Stage.CHECK: 5.0, Stage.SIGN: 4.0}
    assert builder.report.last_stage is Stage.CHECK
    assert changes == [Stage.CHECK] * 5
    assert builder.report.started_at is not None


# --- the stages -------------------------------------------------------------------------------------


class Calls:
    """Fake stages that record their calls; one of them may fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.failures: dict[str, BaseException] = {}
        self.signer: Any = None
        self.attestation_signer: Any = None
        for module, name in (
            *((list_stage, "run"), (download_stage, "open_wheelhouse"), (download_stage, "run")),
            *((check_stage, "run_smoke_tests"), (check_stage, "rehearse"), (verify_stage, "run")),
            *((upload_question, "ask_before_upload"), (sign_stage, "run")),
        ):
            label = f"{module.__name__.rpartition('.')[2]}.{name}"
            monkeypatch.setattr(module, name, self.record(label))
        for name in ("check", "upload", "confirm", "raise_errors", "prune_wheelhouse", "prune_targets"):
            monkeypatch.setattr(target_runs.TargetRuns, name, self.record(name))
        monkeypatch.setattr(target_runs.TargetRuns, "run_smoke_tests", self.record("smoke_index"))
        ready = SimpleNamespace(upload_plan=())
        monkeypatch.setattr(target_runs.TargetRuns, "ready", lambda _: iter([("context", ready)]))
        monkeypatch.setattr(RunContext, "open", self.open)

    def record(self, name: str) -> Any:
        def call(*_: Any) -> Any:
            self.names.append(name)
            if name in self.failures:
                raise self.failures[name]
            return SimpleNamespace(attestations=())

        return call

    @contextlib.contextmanager
    def open(self, options: Options, builder: Any, progress: Any, cancel: Any) -> Iterator[RunContext]:
        yield RunContext(
            options=options,
            builder=builder,
            progress=progress,
            cancel=cancel,
            exit_stack=contextlib.ExitStack(),
            requirements=None,  # type: ignore[arg-type]
            profile=CheckProfile.PYPI,
            target=None,
            signer=self.signer,
            attestation_signer=self.attestation_signer,
            http=None,  # type: ignore[arg-type]
            temp_dir=None,  # type: ignore[arg-type]
        )

    def run(self, **fields: Any) -> Report:
        self.names.clear()
        return pipeline_run.run(make_options(**fields), SilentProgress())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


LISTED = ["list_stage.run"]
DOWNLOADED = [*LISTED, "download_stage.open_wheelhouse", "download_stage.run"]
CHECKED = [*DOWNLOADED, "check", "check_stage.run_smoke_tests"]
ASKED = [*CHECKED, "upload_question.ask_before_upload"]


@pytest.mark.parametrize(
    ("fields", "expected", "last"),
    [
        ({"until": Stage.LIST}, LISTED, Stage.LIST),
        ({"until": Stage.DOWNLOAD}, DOWNLOADED, Stage.DOWNLOAD),
        ({"until": Stage.CHECK}, CHECKED, Stage.CHECK),
        ({"until": Stage.CHECK, "rehearse": True}, CHECKED, Stage.CHECK),
        ({"rehearse": True}, [*CHECKED, "check_stage.rehearse"], Stage.CHECK),
        ({"verify": True}, [*DOWNLOADED, "verify_stage.run"], Stage.CONFIRM),
        ({"until": Stage.SIGN}, ASKED, Stage.CHECK),
        ({"until": Stage.UPLOAD}, [*ASKED, "upload", "raise_errors"], Stage.UPLOAD),
        (
            {"dry_run": True},
            [*ASKED, "upload", "raise_errors", "prune_wheelhouse", "prune_targets"],
            Stage.UPLOAD,
        ),
        ({"write_only": True}, [*ASKED, "upload"], Stage.UPLOAD),
        ({}, [*ASKED, "upload", "confirm", "prune_wheelhouse", "prune_targets"], Stage.CONFIRM),
        (
            {"smoke": "x", "smoke_index": True},
            [*ASKED, "upload", "confirm", "prune_wheelhouse", "smoke_index", "prune_targets"],
            Stage.CONFIRM,
        ),
    ],
)
def test_runs_the_stages_in_order(
    calls: Calls, fields: dict[str, Any], expected: list[str], last: Stage
) -> None:
    report = calls.run(**fields)
    assert report.error is None
    assert calls.names == expected
    assert report.last_stage is last


@pytest.mark.parametrize("name", ["signer", "attestation_signer"])
def test_signs_between_the_question_and_the_upload(calls: Calls, name: str) -> None:
    setattr(calls, name, object())
    assert calls.run(until=Stage.SIGN).last_stage is Stage.SIGN
    assert calls.names == [*ASKED, "sign_stage.run"]


def test_a_strict_run_that_only_writes_is_not_confirmed(calls: Calls) -> None:
    error = calls.run(write_only=True, strict=True).error
    assert isinstance(error, DeadlineError)
    assert error.message == (
        "the files were uploaded, and nothing shows that the index serves them: it is not read (--write-only)"
    )
    assert error.hint == ("Omit --strict, or use credentials that may read the index and omit --write-only.")
    assert error.is_permanent
    assert confirm_stage.raise_if_strict(make_options()) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("stage", ["list_stage.run", "download_stage.run", "check", "upload", "confirm"])
def test_the_error_that_ends_a_run_is_in_its_report(calls: Calls, stage: str) -> None:
    error = NetworkError("no answer")
    calls.failures[stage] = error
    report = calls.run()
    assert report.error is error
    assert calls.names[-1] == stage


def test_other_ends_are_errors_of_the_report_too(calls: Calls) -> None:
    stopped = DeadlineError("time is up")
    calls.failures["check"] = RunCancelled(stopped)
    assert calls.run().error is stopped
    calls.failures["check"] = KeyboardInterrupt()
    error = calls.run().error
    assert isinstance(error, RunInterrupted)
    assert error.exit_code == 128 + signal.SIGINT
    calls.failures["check"] = ZeroDivisionError("x")
    error = calls.run().error
    assert isinstance(error, ReleaseError)
    assert error.exit_code == 1
    assert "ZeroDivisionError" in error.message


def test_the_caller_gets_the_builder_before_the_first_stage(calls: Calls) -> None:
    builders: list[tuple[ReportBuilder, list[str]]] = []
    token = CancellationToken()
    report = pipeline_run.run(
        make_options(until=Stage.LIST),
        SilentProgress(),
        token,
        lambda builder: builders.append((builder, list(calls.names))),
    )
    ((builder, before),) = builders
    assert builder.report is report
    assert before == []


# --- the question -----------------------------------------------------------------------------------


def state(result: FileComparison, number: int) -> IndexComparison:
    from wheel_uploader.core import filenames

    name = filenames.parse_filename(f"demo-1.0-{number}-py3-none-any.whl")
    return IndexComparison(
        file=LocalFile(name=name, path=Path("x"), size=1500 * number, sha256=str(number)), result=result
    )


@pytest.mark.parametrize(
    ("states", "answer", "question"),
    [
        ([FileComparison.ABSENT], "y\n", "Upload 1 file (1.5 kB) of demo 1.0 to U (login: me)? [y/N] "),
        (
            [FileComparison.ABSENT, FileComparison.REPLACE, FileComparison.SAME],
            " YES \n",
            "Upload 2 files (4.5 kB) of demo 1.0 to U (login: me), and replace 1 of them there? [y/N] ",
        ),
        ([FileComparison.SAME], None, ""),
        ([], None, ""),
        ([FileComparison.ABSENT], "n\n", None),
        ([FileComparison.ABSENT], "\n", None),
        ([FileComparison.ABSENT], "", None),
        ([FileComparison.ABSENT], "yesterday\n", None),
    ],
)
def test_asks_before_the_first_file_is_uploaded(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    states: list[FileComparison],
    answer: str | None,
    question: str | None,
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(answer or ""))
    run: Any = SimpleNamespace(
        options=make_options(ask=True),
        target=SimpleNamespace(login="me"),
        report=SimpleNamespace(upload_url="U"),
    )
    selection: Any = Selection(project="demo", version="1.0", files=())  # type: ignore[arg-type]
    plan = [state(result, number) for number, result in enumerate(states, 1)]
    if question is None:
        with pytest.raises(UsageError) as caught:
            upload_question.ask_before_upload(run, selection, plan)
        assert caught.value.message == "the upload was declined; nothing was uploaded"
        assert caught.value.hint == ("Run the same command again and answer 'y' to upload, or without --ask.")
        return
    upload_question.ask_before_upload(run, selection, plan)
    assert capsys.readouterr().err == question
    for changed in ({"target": None}, {"options": make_options()}):
        upload_question.ask_before_upload(
            SimpleNamespace(**{**vars(run), **changed}),  # type: ignore[arg-type]
            selection,
            plan,
        )
    assert capsys.readouterr().err == ""


def test_asks_nothing_before_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    run: Any = SimpleNamespace(
        options=make_options(ask=True, skip_existing=False),
        target=SimpleNamespace(login="me"),
        report=SimpleNamespace(upload_url="U"),
    )
    plan = [state(FileComparison.SAME, 1), state(FileComparison.ABSENT, 2)]
    selection: Any = None
    with pytest.raises(ReleaseError, match="1 of 2 files is already on U"):
        upload_question.ask_before_upload(run, selection, plan)

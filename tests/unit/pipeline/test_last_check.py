"""Test the last check before the upload, which repeats what earlier stages must have ensured."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tools.testing import wheels
from tools.testing.indexes import Reply, Served, scripted_index
from wheel_uploader.core import filenames
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.models import (
    CheckProfile,
    FileStatus,
    Finding,
    IndexComparison,
    LocalFile,
    Options,
    Selection,
    Severity,
    SmokeResult,
    Stage,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import run as pipeline_run
from wheel_uploader.pipeline import sign_stage, upload_stage
from wheel_uploader.pipeline.check_stage import UploadDestination, Verdict
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease
from wheel_uploader.pipeline.sign_stage import SignedRelease
from wheel_uploader.upload.twine_uploader import TwineUploader


@dataclasses.dataclass
class Results:
    """The values that earlier stages pass to the upload stage; a test changes one of them."""

    context: RunContext
    selection: Selection
    downloaded: DownloadedRelease
    verdict: Verdict
    signed: SignedRelease

    def plan(self, *states: IndexComparison) -> None:
        self.verdict = dataclasses.replace(self.verdict, upload_plan=states)

    def first_file(self, **changes: Any) -> None:
        first, *others = self.verdict.upload_plan
        self.plan(dataclasses.replace(first, file=dataclasses.replace(first.file, **changes)), *others)


Change = Callable[[Results], None]


def _change_project_of_a_file(results: Results) -> None:
    name = dataclasses.replace(results.verdict.upload_plan[0].file.name, project="other")  # type: ignore[arg-type]
    results.first_file(name=name)


def _change_option(name: str, value: Any) -> Change:
    """Return a change that sets an option without validation."""

    def change(results: Results) -> None:
        options = results.context.options
        values = {field.name: getattr(options, field.name) for field in dataclasses.fields(Options)}
        changed = Options.unchecked(**{**values, name: value})
        results.context = dataclasses.replace(results.context, options=changed)

    return change


def _add_finding(check: str, severity: Severity, **options: Any) -> Change:
    def change(results: Results) -> None:
        context = results.context
        finding = Finding(check=check, severity=severity, subject="release", message="it is wrong")
        changed = dataclasses.replace(context.options, **options)
        context.record(findings=(*context.report.findings, finding), options=changed)

    return change


def _fail_smoke_test(results: Results) -> None:
    failed = SmokeResult(filename="x", interpreter="3", failure="it does not work", output="", seconds=1.0)
    results.context.record(smoke_results=(failed,))


def _remove_target(results: Results) -> None:
    results.context = dataclasses.replace(results.context, target=None)


def _drop_first_file(field: str) -> Change:
    def change(results: Results) -> None:
        values = getattr(results.downloaded, field)[1:]
        results.downloaded = dataclasses.replace(results.downloaded, **{field: values})

    return change


#: The first file of the plan.
FIRST = "dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl"
BROKEN: dict[str, tuple[Change, str]] = {
    "an error": (_add_finding("name/invalid", Severity.ERROR), "failed the checks"),
    "a warning, and --strict": (
        _add_finding("metadata/thin", Severity.WARNING, strict=True),
        "failed the checks",
    ),
    "a failed smoke test": (_fail_smoke_test, "a smoke test failed"),
    "no target": (_remove_target, "no index to upload to is configured"),
    "no files": (lambda results: results.plan(), "the files to upload differ from those of the release"),
    "a file twice": (
        lambda results: results.plan(*results.verdict.upload_plan, results.verdict.upload_plan[0]),
        f"the files to upload differ from those of the release: {FIRST} ",
    ),
    "a missing file": (
        lambda results: results.plan(*results.verdict.upload_plan[1:]),
        f"the files to upload differ from those of the release: {FIRST} ",
    ),
    "not checked": (_drop_first_file("summaries"), "was not checked"),
    "not downloaded": (_drop_first_file("files"), "is not the file that was downloaded"),
    "other bytes": (
        lambda results: results.first_file(sha256="0" * 64),
        "is not the file that was downloaded",
    ),
    "another path": (
        lambda results: results.first_file(path=Path("x")),
        "is not the file that was downloaded",
    ),
    "another project's file": (_change_project_of_a_file, "belongs to other 1.11.0"),
    "another project": (_change_option("project", "numpy"), "the files belong to dipy, not to numpy"),
    "no project": (_change_option("project", ""), "no project given"),
    "another version": (_change_option("version", "1.12"), "the files belong to version 1.11.0, not to 1.12"),
    "no upload requested": (
        _change_option("until", Stage.SIGN),
        "the options of this run do not allow an upload",
    ),
    "a rehearsal": (_change_option("rehearse", True), "the options of this run do not allow an upload"),
    "not signed": (_change_option("sign", True), "has no signature"),
    "not attested": (_change_option("attest", True), "has no attestation"),
}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    with scripted_index() as scripted:
        yield scripted


def options_of(served: Served, **others: Any) -> Options:
    defaults: dict[str, Any] = {
        "project": "dipy",
        "version": "1.11.0",
        "urls": ("staged",),
        "repository_url": served.upload_url,
        "username": "me",
        "password": "my-password",
        "profile": CheckProfile.ANY,
        "confirm_timeout": 3,
    }
    return Options(**{**defaults, **others})


def run_with_change(served: Served, monkeypatch: pytest.MonkeyPatch, change: Change) -> str:
    """Run all stages, apply ``change`` just before the upload, and return the error, or "" for none."""
    original = upload_stage.run

    def run(*values: Any) -> UploadDestination:
        results = Results(*values)
        change(results)
        return original(
            results.context, results.selection, results.downloaded, results.verdict, results.signed
        )

    monkeypatch.setattr(upload_stage, "run", run)
    error = pipeline_run.run(options_of(served), SilentProgress()).error
    return f"{error.exit_code}: {error} {' '.join(error.details)} " if error else ""


@pytest.mark.parametrize(("change", "reason"), BROKEN.values(), ids=BROKEN)
def test_uploads_nothing_that_earlier_stages_should_have_rejected(
    served: Served, monkeypatch: pytest.MonkeyPatch, change: Change, reason: str
) -> None:
    outcome = run_with_change(served, monkeypatch, change)
    assert reason in outcome
    assert outcome.startswith(("6: ", "2: "))
    assert served.index.posts == []


def test_uploads_a_valid_release(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_with_change(served, monkeypatch, lambda _: None) == ""
    assert len(served.index.posts) == 6
    # On the second run, the index has all files.
    assert run_with_change(served, monkeypatch, lambda _: None) == ""
    assert len(served.index.posts) == 6


# --- prerequisites of the stages -------------------------------------------------------------------


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Return options without credentials and without a terminal to prompt for them."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return {"username": None, "password": None, "non_interactive": True}


def test_requires_credentials_before_the_first_request(
    served: Served, no_credentials: dict[str, Any], tmp_path: Path
) -> None:
    options = options_of(served, **no_credentials)
    for path in (tmp_path / "staged").iterdir():
        served.index.store(path)
    missing = pipeline_run.run(options, SilentProgress())
    assert missing.error is not None
    assert (missing.error.exit_code, served.index.posts, served.index.gets) == (4, [], [])
    # A dry run posts nothing.
    dry = pipeline_run.run(dataclasses.replace(options, dry_run=True), SilentProgress())
    assert (dry.error, served.index.posts) == (None, [])


def test_resolves_credentials_before_signals_are_deferred(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise Ctrl-C does not work at the prompt for the password."""
    events: list[str] = []
    defer_signals, credentials = CancellationToken.deferred, TwineUploader.credentials

    def record_event(event: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(self: Any) -> Any:
            events.append(event)
            return function(self)

        return call

    monkeypatch.setattr(CancellationToken, "deferred", record_event("deferred", defer_signals))
    monkeypatch.setattr(TwineUploader, "credentials", record_event("credentials", credentials))
    assert pipeline_run.run(options_of(served), SilentProgress()).error is None
    assert events.index("credentials") < events.index("deferred")


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({"until": Stage.DOWNLOAD}, None),
        ({"until": Stage.CHECK}, None),
        ({}, None),
        ({"until": Stage.DOWNLOAD, "smoke": "true"}, None),
        ({"until": Stage.CHECK, "smoke": "true"}, "--smoke"),
        ({"smoke": "true"}, "--smoke"),
        ({"until": Stage.CHECK, "rehearse": True}, None),
        ({"rehearse": True}, "a rehearsal"),
    ],
)
def test_reports_missing_pip_before_the_run_starts_and_only_if_needed(
    served: Served, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], needed: str | None
) -> None:
    monkeypatch.setattr("wheel_uploader.rehearsal.pip_command._version", lambda: "")
    error = pipeline_run.run(options_of(served, **fields), SilentProgress()).error
    if needed:
        assert error is not None
        assert (error.exit_code, error.message) == (
            2,
            f"{needed} needs pip, which is not installed for this Python",
        )
        assert (served.index.gets, served.index.posts) == ([], [])
    else:
        assert error is None


def test_prints_the_age_of_the_newest_file_only_if_it_is_limited(served: Served) -> None:
    lines: list[str] = []

    class LineCollector(SilentProgress):
        def debug(self, text: str) -> None:
            lines.append(text)

    for max_age, count in ((None, 0), (3600, 1)):
        options = options_of(served, until=Stage.LIST, **({"max_age": max_age} if max_age else {}))
        assert pipeline_run.run(options, LineCollector()).error is None
        assert sum(line.startswith("the newest staged file is dated 20") for line in lines) == count


# --- signing ---------------------------------------------------------------------------------------


def test_signs_only_files_with_the_checked_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    file = LocalFile(name=filenames.parse_filename(FIRST), path=Path(FIRST), size=1, sha256="a" * 64)
    sha256_by_signed_path: dict[Path, str] = {}

    def sign_all(
        paths: list[Path], signer: object, *, sha256_by_path: dict[Path, str], progress: object
    ) -> tuple[()]:
        sha256_by_signed_path.update({path: sha256_by_path[path] for path in paths})
        return ()

    monkeypatch.setattr("wheel_uploader.signing.gpg_signer.sign_files", sign_all)
    downloaded = DownloadedRelease(
        files=(file,),
        summaries=(),
        attestation_files=(),
        checksum_files=(Path("SHA256SUMS"),),
        wheelhouse=None,
    )
    sign_stage.sign_files(downloaded, mock.Mock(), mock.Mock())
    sums = hashlib.sha256(f"{'a' * 64}  {FIRST}\n".encode()).hexdigest()
    assert sha256_by_signed_path == {Path(FIRST): "a" * 64, Path("SHA256SUMS"): sums}


# --- a dry run -------------------------------------------------------------------------------------


def test_a_dry_run_reports_what_would_be_uploaded(served: Served) -> None:
    served.index.store(Path("staged") / FIRST)
    report = pipeline_run.run(options_of(served, dry_run=True), SilentProgress())
    assert (report.error, served.index.posts, report.confirmations) == (None, [], ())
    outcomes = {result.file.filename: result.outcome for result in report.upload_results}
    assert len(outcomes) == 6
    assert outcomes.pop(FIRST) is FileStatus.SKIPPED
    assert set(outcomes.values()) == {FileStatus.WOULD_UPLOAD}


# --- rejected files --------------------------------------------------------------------------------


@pytest.mark.parametrize(("keep_going", "uploaded"), [(False, 0), (True, 5)])
def test_a_rejected_file_fails_the_run(served: Served, keep_going: bool, uploaded: int) -> None:
    for path in Path("staged").iterdir():
        if path.name == FIRST or not keep_going:
            served.index.by_name[path.name] = Reply(400, "'x' is not a valid classifier.")
    report = pipeline_run.run(options_of(served, keep_going=keep_going), SilentProgress())
    assert report.error is not None
    assert report.error.exit_code == (8 if uploaded else 6)
    assert len(served.index.files) == uploaded
    assert report.confirmations == ()

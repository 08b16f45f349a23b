"""The last check before files are posted: each thing that earlier stages promise is judged once more."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support import wheels
from tests.support.indexes import Reply, Served, scripted_index
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
    """What the earlier stages hand to the upload stage; a test changes one part of it."""

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
    """Change an option without validating it."""

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
    "a failed trial": (_fail_smoke_test, "a smoke test failed"),
    "no target": (_remove_target, "no index to upload to is configured"),
    "no files": (lambda results: results.plan(), "the files to upload differ from those of the release"),
    "a file twice": (
        lambda results: results.plan(*results.verdict.upload_plan, results.verdict.upload_plan[0]),
        f"the files to upload differ from those of the release: {FIRST} ",
    ),
    "a file less": (
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
    "not to be published": (
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
    with scripted_index() as found:
        yield found


def options_of(served: Served, **others: Any) -> Options:
    known: dict[str, Any] = {
        "project": "dipy",
        "version": "1.11.0",
        "urls": ("staged",),
        "repository_url": served.upload_url,
        "username": "me",
        "password": "my-password",
        "profile": CheckProfile.ANY,
        "confirm_timeout": 3,
    }
    return Options(**{**known, **others})


def published(served: Served, monkeypatch: pytest.MonkeyPatch, change: Change) -> str:
    """Run everything, with ``change`` between the last stage and the upload; return how the run ended."""
    genuine = upload_stage.run

    def run(*values: Any) -> UploadDestination:
        results = Results(*values)
        change(results)
        return genuine(
            results.context, results.selection, results.downloaded, results.verdict, results.signed
        )

    monkeypatch.setattr(upload_stage, "run", run)
    error = pipeline_run.run(options_of(served), SilentProgress()).error
    return f"{error.exit_code}: {error} {' '.join(error.details)} " if error else ""


@pytest.mark.parametrize(("change", "reason"), BROKEN.values(), ids=BROKEN)
def test_nothing_is_posted_that_earlier_stages_should_have_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch, change: Change, reason: str
) -> None:
    ended = published(served, monkeypatch, change)
    assert reason in ended
    assert ended.startswith(("6: ", "2: "))
    assert served.index.posts == []


def test_a_good_release_is_posted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert published(served, monkeypatch, lambda _: None) == ""
    assert len(served.index.posts) == 6
    # The second time all of it is there.
    assert published(served, monkeypatch, lambda _: None) == ""
    assert len(served.index.posts) == 6


# --- what the stages ask for before they begin -----------------------------------------------------


@pytest.fixture
def nobody_logs_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """No credentials anywhere, and no terminal to ask for them."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return {"username": None, "password": None, "non_interactive": True}


def test_credentials_are_asked_for_only_if_there_is_something_to_post(
    served: Served, nobody_logs_in: dict[str, Any], tmp_path: Path
) -> None:
    options = options_of(served, **nobody_logs_in)
    missing = pipeline_run.run(options, SilentProgress())
    assert missing.error is not None
    assert (missing.error.exit_code, served.index.posts) == (4, [])
    for path in (tmp_path / "staged").iterdir():
        served.index.store(path)
    there = pipeline_run.run(options, SilentProgress())
    assert (there.error, served.index.posts) == (None, [])
    assert len(there.confirmations) == 6


def test_credentials_come_before_signals_are_deferred(
    served: Served, nobody_logs_in: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise Ctrl-C does not work at the prompt for the password."""
    events: list[str] = []
    gently, credentials = CancellationToken.deferred, TwineUploader.credentials

    def noted(what: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(self: Any) -> Any:
            events.append(what)
            return function(self)

        return call

    monkeypatch.setattr(CancellationToken, "deferred", noted("deferred", gently))
    monkeypatch.setattr(TwineUploader, "credentials", noted("asked", credentials))
    assert pipeline_run.run(options_of(served, **nobody_logs_in), SilentProgress()).error is not None
    assert events[0] == "asked"


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
def test_pip_is_missed_before_anything_begins_and_only_if_it_is_needed(
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


def test_the_age_of_what_is_staged_is_a_detail(served: Served) -> None:
    told: list[str] = []

    class Talk(SilentProgress):
        def debug(self, text: str) -> None:
            told.append(text)

    for max_age, count in ((None, 0), (3600, 1)):
        options = options_of(served, until=Stage.LIST, **({"max_age": max_age} if max_age else {}))
        assert pipeline_run.run(options, Talk()).error is None
        assert sum(line.startswith("the newest staged file is dated 20") for line in told) == count


# --- signing ---------------------------------------------------------------------------------------


def test_everything_that_is_signed_has_the_hash_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    file = LocalFile(name=filenames.parse_filename(FIRST), path=Path(FIRST), size=1, sha256="a" * 64)
    asked: dict[Path, str] = {}

    def sign_all(
        paths: list[Path], signer: object, *, sha256_by_path: dict[Path, str], progress: object
    ) -> tuple[()]:
        asked.update({path: sha256_by_path[path] for path in paths})
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
    assert asked == {Path(FIRST): "a" * 64, Path("SHA256SUMS"): sums}


# --- a dry run -------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_uploaded(served: Served) -> None:
    served.index.store(Path("staged") / FIRST)
    done = pipeline_run.run(options_of(served, dry_run=True), SilentProgress())
    assert (done.error, served.index.posts, done.confirmations) == (None, [], ())
    outcomes = {each.file.filename: each.outcome for each in done.upload_results}
    assert len(outcomes) == 6
    assert outcomes.pop(FIRST) is FileStatus.SKIPPED
    assert set(outcomes.values()) == {FileStatus.WOULD_UPLOAD}


# --- how a run ends whose files are refused --------------------------------------------------------


@pytest.mark.parametrize(("keep_going", "inside"), [(False, 0), (True, 5)])
def test_a_refused_file_fails_the_run(served: Served, keep_going: bool, inside: int) -> None:
    for path in Path("staged").iterdir():
        if path.name == FIRST or not keep_going:
            served.index.by_name[path.name] = Reply(400, "'x' is not a valid classifier.")
    done = pipeline_run.run(options_of(served, keep_going=keep_going), SilentProgress())
    assert done.error is not None
    assert done.error.exit_code == (8 if inside else 6)
    assert len(served.index.files) == inside
    assert done.confirmations == ()

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
    Finding,
    LocalFile,
    Options,
    Severity,
    SmokeResult,
    Stage,
    UploadOutcome,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import run as pipeline_run
from wheel_uploader.pipeline import upload_stage
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.upload.twine_uploader import TwineUploader

Change = Callable[[RunContext], None]


def _state(job: RunContext, **changes: Any) -> None:
    """Change the file of the first state of the plan."""
    first, *others = job.report.upload_plan
    changed = dataclasses.replace(first, file=dataclasses.replace(first.file, **changes))
    job.report.upload_plan = (changed, *others)


def _of_another_project(job: RunContext) -> None:
    name = dataclasses.replace(job.report.upload_plan[0].file.name, project="other")  # type: ignore[arg-type]
    _state(job, name=name)


def _option(name: str, value: Any) -> Change:
    """Change an option behind the back of the rules."""

    def change(job: RunContext) -> None:
        values = {each.name: getattr(job.options, each.name) for each in dataclasses.fields(Options)}
        job.options = Options.unchecked(**{**values, name: value})

    return change


def _findings(job: RunContext) -> None:
    job.report.findings += (
        Finding(check="name/invalid", severity=Severity.ERROR, subject="release", message="it is wrong"),
    )


def _warnings(job: RunContext) -> None:
    job.report.findings += (
        Finding(check="metadata/thin", severity=Severity.WARNING, subject="release", message="it is thin"),
    )
    job.report.options = dataclasses.replace(job.report.options, strict=True)


def _trials(job: RunContext) -> None:
    job.report.smoke_results = (
        SmokeResult(filename="x", interpreter="3", failure="it does not work", output="", seconds=1.0),
    )


def _no_target(job: RunContext) -> None:
    job.target = None


def _nothing(job: RunContext) -> None:
    job.report.upload_plan = ()


def _twice(job: RunContext) -> None:
    job.report.upload_plan = (*job.report.upload_plan, job.report.upload_plan[0])


def _one_less(job: RunContext) -> None:
    job.report.upload_plan = job.report.upload_plan[1:]


def _not_checked(job: RunContext) -> None:
    job.summaries = job.summaries[1:]


def _not_fetched(job: RunContext) -> None:
    job.report.downloaded_files = job.report.downloaded_files[1:]


#: The first file of the plan.
FIRST = "dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl"
BROKEN: dict[str, tuple[Change, str]] = {
    "an error": (_findings, "failed the checks"),
    "a warning, and --strict": (_warnings, "failed the checks"),
    "a failed trial": (_trials, "a smoke test failed"),
    "no target": (_no_target, "no index to upload to is configured"),
    "no files": (_nothing, "the files to upload differ from those of the release"),
    "a file twice": (_twice, f"the files to upload differ from those of the release: {FIRST} "),
    "a file less": (_one_less, f"the files to upload differ from those of the release: {FIRST} "),
    "not checked": (_not_checked, "was not checked"),
    "not downloaded": (_not_fetched, "is not the file that was downloaded"),
    "other bytes": (lambda job: _state(job, sha256="0" * 64), "is not the file that was downloaded"),
    "another path": (lambda job: _state(job, path=Path("x")), "is not the file that was downloaded"),
    "another project's file": (_of_another_project, "belongs to other 1.11.0"),
    "another project": (_option("project", "numpy"), "the files belong to dipy, not to numpy"),
    "no project": (_option("project", ""), "no project given"),
    "another version": (_option("version", "1.12"), "the files belong to version 1.11.0, not to 1.12"),
    "not to be published": (_option("until", Stage.SIGN), "the options of this run do not allow an upload"),
    "a rehearsal": (_option("rehearse", True), "the options of this run do not allow an upload"),
    "not signed": (_option("sign", True), "has no signature"),
    "not attested": (_option("attest", True), "has no attestation"),
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
    genuine = upload_stage.upload_release

    def upload_release(job: RunContext, *others: Any) -> None:
        change(job)
        genuine(job, *others)

    monkeypatch.setattr(upload_stage, "upload_release", upload_release)
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
    upload_stage.sign_release(
        mock.Mock(files=(file,), checksum_files=(Path("SHA256SUMS"),), attestation_signer=None)
    )
    sums = hashlib.sha256(f"{'a' * 64}  {FIRST}\n".encode()).hexdigest()
    assert asked == {Path(FIRST): "a" * 64, Path("SHA256SUMS"): sums}


# --- a dry run -------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_uploaded(served: Served) -> None:
    served.index.store(Path("staged") / FIRST)
    done = pipeline_run.run(options_of(served, dry_run=True), SilentProgress())
    assert (done.error, served.index.posts, done.confirmations) == (None, [], ())
    outcomes = {each.file.filename: each.outcome for each in done.upload_results}
    assert len(outcomes) == 6
    assert outcomes.pop(FIRST) is UploadOutcome.SKIPPED
    assert set(outcomes.values()) == {UploadOutcome.WOULD_UPLOAD}


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

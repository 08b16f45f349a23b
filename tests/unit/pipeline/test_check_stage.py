"""The stages that check, sign and confirm, one by one, with targets that need no network."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.version import Version

from wheel_uploader import checks as checks_package
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    NothingFoundError,
    OptionError,
    ReleaseError,
)
from wheel_uploader.core.models import (
    Attestation,
    CheckProfile,
    ComparisonReference,
    Confirmation,
    FileComparison,
    FileStatus,
    FileSummary,
    Finding,
    IndexComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    Selection,
    Severity,
    Stage,
    UploadResult,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.index.provenance import ProvenanceComparison
from wheel_uploader.index.target import Target
from wheel_uploader.listing import expectations
from wheel_uploader.pipeline import (
    api,
    check_stage,
    confirm_stage,
    download_stage,
    provenance_check,
    release_gate,
    retention,
    sign_stage,
)
from wheel_uploader.pipeline.context import ReportBuilder, RunContext
from wheel_uploader.targets.protocol import IndexState

A, B = "demo-1.0-cp311-none-any.whl", "demo-1.0-cp312-none-any.whl"
INDEX = "https://me:secret-9@index.example/simple/demo/"
SHOWN = "https://index.example/simple/demo/"
SECOND = "https://me:secret-9@second.example/simple/"


def local(name: str) -> LocalFile:
    return LocalFile(name=filenames.parse_filename(name), path=Path(name), size=1, sha256=f"of {name}")


def make_page(*names: str, url: str = INDEX) -> ProjectPage:
    files = tuple(IndexFile(filename=name, url="x") for name in names)
    return ProjectPage(url=url, exists=bool(names), files=files)


class Run:
    """The context of a run, and a target whose state a test sets."""

    all_targets = RunContext.all_targets
    may_replace = RunContext.may_replace
    targets = ()

    def __init__(self, **fields: Any) -> None:
        values: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": ("x",)}
        self.options = Options(**{**values, **fields})
        self.builder = ReportBuilder(self.options)
        self.progress = SilentProgress()
        self.profile = CheckProfile.ANY
        self.requirements = expectations.ReleaseRequirements(options=self.options)
        self.uploads = self.options.until > Stage.SIGN
        self.target: Any = SimpleNamespace(
            info=Target(url="https://index.example/legacy/", is_pypi=False, name="example"),
            fetch_state=self.fetch_state,
            index=None,
            replaces_files=True,
        )
        self.state: IndexState | ReleaseError = IndexState(project_page=make_page())
        self.version = Version(self.options.version)
        self.signer: Any = None
        self.attestation_signer: Any = None

    def fetch_state(self, project: str, version: Version, files: Any) -> IndexState:
        assert (project, version) == ("demo", self.version)
        if isinstance(self.state, ReleaseError):
            raise self.state
        return self.state

    @property
    def report(self) -> Any:
        return self.builder.report

    def record(self, **results: Any) -> None:
        self.builder.record(**results)

    @property
    def selection(self) -> Any:
        return Selection(project="demo", version=self.version, files=())  # type: ignore[arg-type]

    def check(self, second: IndexState | None = None) -> check_stage.Verdict:
        files = tuple(local(name.replace("1.0", str(self.version))) for name in (A, B))
        downloaded: Any = SimpleNamespace(
            files=files,
            summaries=tuple(FileSummary(name=file.name, size=1) for file in files),
            attestation_files=(),
        )
        evidence = check_stage.Evidence(
            attestations=(),
            unproven_files=(),
            fetch_second_page=lambda: second or IndexState(),
        )
        return check_stage.run(self, self.selection, downloaded, evidence)  # type: ignore[arg-type]


# --- the check stage --------------------------------------------------------------------------------


def test_the_verdict_has_the_destination_of_an_upload() -> None:
    run = Run()
    states = (IndexComparison(file=local(A), result=FileComparison.ABSENT),)
    run.state = IndexState(project_page=make_page("demo-0.9.tar.gz"), comparisons=states)
    verdict = run.check()
    assert verdict.upload_plan == run.report.upload_plan == states
    destination = verdict.require_destination()
    assert destination.target is run.target
    assert [file.filename for file in destination.project_page.files] == ["demo-0.9.tar.gz"]
    assert run.report.comparison == ComparisonReference(version=Version("0.9"), file_count=1, page_url=INDEX)
    assert run.report.previous_filenames == ("demo-0.9.tar.gz",)


def test_a_target_that_is_not_read_has_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    run.state = IndexState(checks_not_run=("the index: not read",))
    page = run.check().require_destination().project_page
    assert (page.url, page.exists, page.files) == ("https://index.example/legacy/", False, ())
    assert run.report.checks_not_run == ("the index: not read",)


@pytest.mark.parametrize("error", [NetworkError("no answer"), CredentialsError("no access")])
def test_an_index_that_cannot_be_read_stops_uploads_only(error: ReleaseError) -> None:
    run = Run()
    run.state = error
    with pytest.raises(type(error)):
        run.check()
    checked = Run(until=Stage.CHECK)
    checked.state = error
    verdict = checked.check()
    assert checked.report.checks_not_run == (f"the release against the index: {error.message}",)
    assert (verdict.upload_plan, verdict.destination) == ((), None)
    with pytest.raises(ReleaseError, match="there is no index to upload to; nothing was uploaded"):
        verdict.require_destination()


def test_a_run_without_a_target_is_compared_with_nothing() -> None:
    run = Run(until=Stage.CHECK)
    run.target = None
    assert run.check().destination is None
    assert run.report.checks_not_run == (
        "the release against the index: no index given (--index-url, -r or --repository-url)",
    )


@pytest.mark.parametrize(
    ("version", "fields", "planned"),
    [
        ("1.0.dev1", {"replace": True}, FileComparison.REPLACE),
        ("1.0rc1", {"replace": True}, FileComparison.REPLACE),
        ("1.0+g12", {"replace": True}, FileComparison.REPLACE),
        ("1.0", {"replace": True}, None),
        ("1.0.post1", {"replace": True}, None),
        ("1.0", {"replace": True, "until": Stage.CHECK}, FileComparison.DIFFERENT),
        ("1.0.dev1", {}, FileComparison.DIFFERENT),
    ],
)
def test_replaces_files_of_releases_that_are_not_final(
    version: str, fields: dict[str, Any], planned: FileComparison | None
) -> None:
    run = Run(version=version, **fields)
    different = IndexComparison(file=local(A), result=FileComparison.DIFFERENT, index_sha256="x")
    run.state = IndexState(project_page=make_page(), comparisons=(different,))
    if planned is None:
        with pytest.raises(OptionError) as caught:
            run.check()
        assert caught.value.message == (
            f"--replace: {version} is a final release, whose files are never replaced"
        )
        assert caught.value.hint == "Publish a new version, or omit --replace."
        return
    with contextlib.suppress(ConflictError):
        run.check()
    assert [state.result for state in run.report.upload_plan] == [planned]


def test_does_not_replace_a_file_of_another_spelling() -> None:
    run = Run(version="1.0.dev1", replace=True)
    spelled = IndexComparison(
        file=local(A), result=FileComparison.DIFFERENT, index_sha256="x", other_name="Demo.whl"
    )
    same = IndexComparison(file=local(B), result=FileComparison.SAME)
    run.state = IndexState(project_page=make_page(), comparisons=(spelled, same))
    with pytest.raises(ConflictError):
        run.check()
    assert run.report.upload_plan == (spelled, same)


def test_findings_that_block_end_the_stage() -> None:
    run = Run()
    run.record(
        findings=(Finding(check="name/invalid", severity=Severity.ERROR, subject=A, message="bad"),),
        checks_not_run=("before",),
    )
    run.state = IndexState(project_page=make_page(), checks_not_run=("first",))
    with pytest.raises(FileError):
        run.check(IndexState(checks_not_run=("second",)))
    assert run.report.checks_not_run[:3] == ("before", "first", "second")
    assert run.report.findings[0].message == "bad"


def test_reads_the_release_to_compare_with_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from wheel_uploader.comparison import compare

    compared: list[tuple[str, str]] = []

    def compare_with_previous(index: Any, page: ProjectPage, version: Version, files: Any) -> Any:
        compared.append((page.url, str(version)))
        return SimpleNamespace(had_startup_code=False)

    monkeypatch.setattr(compare, "compare_with_previous", compare_with_previous)

    def run_with(*, accepted: bool = False, index: Any = "index", **fields: Any) -> Run:
        run = Run(until=Stage.CHECK, index_url="https://x.example/", **fields)
        run.target.index = index
        run.state = IndexState(project_page=make_page("demo-0.9.tar.gz"))
        started = Finding(
            check="content/startup-code",
            severity=Severity.NOTE,
            subject=A,
            message="x",
            is_ignored=accepted,
        )
        run.record(findings=(started, started))
        with contextlib.suppress(FileError):
            run.check()
        return run

    def new_files(run: Run) -> list[str]:
        return [each.subject for each in run.report.findings if each.check == "release/new-startup-code"]

    assert new_files(run_with()) == [A]
    assert compared == [(INDEX, "0.9")]
    # The changes are shown only on request, and are those that were read already.
    shown = run_with(diff=True, ignore={"release": ""})
    assert (len(compared), shown.report.changes is not None) == (2, True)
    assert run_with(ignore={"release": ""}).report.changes is None
    assert len(compared) == 3
    assert new_files(run_with(accepted=True)) == []
    assert len(compared) == 3
    unread = run_with(index=None)
    assert (new_files(unread), len(compared)) == ([], 3)
    assert unread.report.checks_not_run[-1].startswith("whether the start-up code is new, because no wheel")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (make_page("demo-0.9.tar.gz"), ""),
        (make_page(), "it has no release of demo"),
        (NetworkError("no answer"), "no answer"),
        (CredentialsError("no access"), "no access"),
    ],
)
def test_a_second_index_may_be_unreadable(
    monkeypatch: pytest.MonkeyPatch, answer: Any, sentence: str
) -> None:
    from wheel_uploader.index import client

    asked: list[Any] = []

    @contextlib.contextmanager
    def open_comparison_index(options: Options, url: str, progress: Any) -> Any:
        def fetch_project(project: str, *, revalidate: bool) -> ProjectPage:
            asked.append((url, project, revalidate))
            if isinstance(answer, ReleaseError):
                raise answer
            return answer  # type: ignore[no-any-return]

        yield SimpleNamespace(fetch_project=fetch_project)

    monkeypatch.setattr(client, "open_comparison_index", open_comparison_index)
    downloaded: Any = SimpleNamespace(attestation_files=(), files=())
    run: Any = Run(compare_index=SECOND)
    evidence = check_stage.gather_evidence(run, run.selection, downloaded)
    assert asked == []
    state = evidence.fetch_second_page()
    assert evidence.fetch_second_page() is state
    assert asked == [(SECOND, "demo", True)]
    if sentence:
        line = f"the release against the second index, https://second.example/simple/: {sentence}"
        assert (state.project_page, state.checks_not_run) == (None, (line,))
    else:
        assert (state.project_page, state.checks_not_run) == (answer, ())
    none: Any = Run()
    assert check_stage.gather_evidence(none, none.selection, downloaded).fetch_second_page() == IndexState()
    assert len(asked) == 1


def test_smoke_tests_and_rehearsals_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    from wheel_uploader.rehearsal import rehearsal, smoke_test

    tried: list[Any] = []

    def run_smoke_tests(
        files: Any, summaries: Any, command: str, progress: Any, *, passed_variables: Any
    ) -> tuple[str, ...]:
        tried.append((files, command, passed_variables))
        return ("result",)

    monkeypatch.setattr(smoke_test, "run_smoke_tests", run_smoke_tests)
    monkeypatch.setattr(smoke_test, "raise_if_failed", lambda results: tried.append(results))
    downloaded: Any = SimpleNamespace(files=("f",), summaries=("s",))
    run: Any = Run()
    check_stage.run_smoke_tests(run, downloaded)
    assert tried == []
    run = Run(smoke="x", smoke_env=("V",))
    check_stage.run_smoke_tests(run, downloaded)
    assert tried == [(("f",), "x", ("V",)), ("result",)]
    assert run.report.smoke_results == ("result",)
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_: ("outcome",))
    monkeypatch.setattr(rehearsal, "raise_if_worse", lambda report: tried.append(report.install_outcomes))
    check_stage.rehearse(run, run.selection, downloaded)
    assert tried[-1] == run.report.install_outcomes == ("outcome",)


# --- the sign stage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "has_wheelhouse", "has_destination", "attested"),
    [
        ({}, True, True, [B]),
        ({}, True, False, [B]),
        ({"dry_run": True}, True, True, None),
        ({}, False, True, None),
    ],
)
def test_attests_the_files_that_are_uploaded(
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    has_wheelhouse: bool,
    has_destination: bool,
    attested: list[str] | None,
) -> None:
    events: list[Any] = []

    def make_attestations(
        files: list[LocalFile], known: Any, signer: Any, wheelhouse: Any, *, retries: int, progress: Any
    ) -> tuple[str, ...]:
        events.append(([file.filename for file in files], known, signer, wheelhouse, retries))
        return ("new",)

    monkeypatch.setattr(
        "wheel_uploader.pipeline.sign_stage.attestations.make_attestations", make_attestations
    )
    run: Any = Run(retries=3, **fields)
    run.attestation_signer = "signer"
    run.target.credentials = lambda: events.append("credentials")
    verdict: Any = SimpleNamespace(
        attestations=("known",),
        upload_plan=(
            IndexComparison(file=local(A), result=FileComparison.SAME),
            IndexComparison(file=local(B), result=FileComparison.ABSENT),
        ),
        destination=SimpleNamespace(target=run.target) if has_destination else None,
    )
    wheelhouse = "wheelhouse" if has_wheelhouse else None
    downloaded: Any = SimpleNamespace(files=(local(A), local(B)), wheelhouse=wheelhouse)
    signed: Any = sign_stage.run(run, downloaded, verdict)
    if attested is None:
        assert (signed.attestations, events) == (("known",), [])
        return
    assert events == [
        *["credentials"] * has_destination,
        (attested, ("known",), "signer", "wheelhouse", 3),
    ]
    assert signed.attestations == run.report.attestations == ("new",)
    assert signed.signatures == ()


def test_signs_the_files_and_their_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    signed_paths: dict[Path, str] = {}

    def sign_files(paths: Any, signer: str, *, sha256_by_path: Any, progress: Any) -> tuple[str, ...]:
        assert signer == "key"
        signed_paths.update({path: sha256_by_path[path] for path in paths})
        return ("signature",)

    monkeypatch.setattr("wheel_uploader.pipeline.sign_stage.gpg_signer.sign_files", sign_files)
    run: Any = Run()
    run.signer = "key"
    downloaded: Any = SimpleNamespace(files=(local(A),), checksum_files=(Path("SHA256SUMS"),))
    verdict: Any = SimpleNamespace(attestations=("known",))
    signed: Any = sign_stage.run(run, downloaded, verdict)
    sums = hashlib.sha256(f"of {A}  {A}\n".encode()).hexdigest()
    assert signed_paths == {Path(A): f"of {A}", Path("SHA256SUMS"): sums}
    assert signed.signatures == run.report.signatures == ("signature",)
    assert signed.attestations == ("known",)


# --- the confirm stage ------------------------------------------------------------------------------


def attestation(name: str, *, malformed: str = "") -> Attestation:
    return Attestation(
        subject_filename=name,
        path=Path(f"{name}.publish.attestation"),
        content=f"of {name}".encode(),
        malformed_reason=malformed,
    )


def confirming(*, uploads: bool = True, error: ReleaseError | None = None) -> tuple[Any, list[Any]]:
    """Return a run that has uploaded A, and the requests that its confirmation sends."""
    requests: list[Any] = []

    def fetch_project(project: str, *, revalidate: bool) -> ProjectPage:
        requests.append((project, revalidate))
        if error:
            raise error
        return make_page(A, B)

    run = Run(confirm_timeout=7.0)
    run.target.index = SimpleNamespace(fetch_project=fetch_project)

    def confirm(project: str, files: Any, *, timeout: float) -> tuple[Confirmation, ...]:
        requests.append((project, timeout))
        return tuple(Confirmation(filename=file.filename, sha256="x", url="x") for file in files)

    run.target.confirm = confirm
    run.record(
        attestations=(attestation(A), attestation(B), attestation(A, malformed="x")),
        uploads_attestations=uploads,
        upload_results=(
            UploadResult(file=local(A), outcome=FileStatus.UPLOADED),
            UploadResult(file=local(B), outcome=FileStatus.SKIPPED),
        ),
        checks_not_run=("before",),
    )
    return run, requests


def finish(run: Any) -> None:
    destination: Any = SimpleNamespace(target=run.target)
    confirm_stage.run(run, run.selection, SimpleNamespace(files=(local(A), local(B))), destination)  # type: ignore[arg-type]


def test_compares_the_attestations_of_uploaded_files(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []

    def compare(index: Any, file: IndexFile, contents: Any) -> ProvenanceComparison:
        compared.append((file.filename, list(contents)))
        return ProvenanceComparison(filename=file.filename, served=1, missing=0, additional=0, reason="")

    monkeypatch.setattr(provenance_check, "compare_provenance", compare)
    run, requests = confirming()
    finish(run)
    assert requests == [("demo", 7.0), ("demo", True)]
    assert compared == [(A, [f"of {A}".encode()])]
    assert [each.attestation_count for each in run.report.confirmations] == [1, 0]
    assert run.report.checks_not_run == ("before",)
    run, requests = confirming(uploads=False)
    finish(run)
    assert requests == [("demo", 7.0)]
    run, requests = confirming()
    run.target.index = None
    finish(run)
    assert requests == [("demo", 7.0)]


@pytest.mark.parametrize("error", [NetworkError("no answer"), CredentialsError("no access")])
def test_attestations_that_cannot_be_read_do_not_undo_the_confirmation(error: ReleaseError) -> None:
    run, _ = confirming(error=error)
    finish(run)
    assert run.report.checks_not_run == ("before", f"the attestations of 1 file: {error.message}")
    assert len(run.report.confirmations) == 2


def comparison(name: str, *, missing: int = 0, additional: int = 0, reason: str = "") -> ProvenanceComparison:
    return ProvenanceComparison(
        filename=name, served=2, missing=missing, additional=additional, reason=reason
    )


@pytest.mark.parametrize(
    ("results", "is_complete", "details"),
    [
        ([comparison(A), comparison(B)], True, []),
        ([comparison(A, additional=1)], False, []),
        ([comparison(A, additional=1)], True, [f"{A}: 1 attestation served that this run did not upload"]),
        (
            [comparison(A, missing=2, additional=1), comparison(B, additional=2)],
            True,
            [
                f"{A}: 2 attestations of ours absent, 1 other present",
                f"{B}: 2 attestations served that this run did not upload",
            ],
        ),
        ([comparison(A, missing=1)], False, [f"{A}: 1 attestation of ours absent, 0 others present"]),
    ],
)
def test_other_attestations_are_a_conflict(
    monkeypatch: pytest.MonkeyPatch,
    results: list[ProvenanceComparison],
    is_complete: bool,
    details: list[str],
) -> None:
    by_name = {each.filename: each for each in results}
    monkeypatch.setattr(provenance_check, "compare_provenance", lambda index, file, _: by_name[file.filename])
    run: Any = Run()
    ours = {each.filename: [b"x"] for each in results} | {"missing.whl": [b"x"]}

    def check() -> None:
        provenance_check.check_provenance(run, object(), make_page(A, B), ours, is_complete=is_complete)  # type: ignore[arg-type]

    if not details:
        check()
        return
    with pytest.raises(ConflictError) as caught:
        check()
    count = "1 file" if len(details) == 1 else "2 files"
    assert caught.value.message == f"{SHOWN} serves other attestations for {count}"
    assert list(caught.value.details) == details
    assert caught.value.hint == (
        "Find out who else uploads files to this project, and which attestations are right."
    )


def test_lists_each_reason_for_unread_attestations_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {A: "old index", B: "old index", "c.whl": "broken"}
    monkeypatch.setattr(
        provenance_check,
        "compare_provenance",
        lambda index, file, _: comparison(file.filename, reason=reasons[file.filename]),
    )
    run: Any = Run()
    ours = dict.fromkeys(reasons, (b"x",))
    provenance_check.check_provenance(run, object(), make_page(*reasons), ours, is_complete=True)  # type: ignore[arg-type]
    assert run.report.checks_not_run == (
        "the attestations of 2 files: old index",
        "the attestations of c.whl: broken",
    )


def test_tries_the_published_release(monkeypatch: pytest.MonkeyPatch) -> None:
    from wheel_uploader.rehearsal import index_smoke_test, smoke_test

    tried: list[Any] = []

    def run_index_smoke_tests(
        release: Any, pythons: Any, command: str, progress: Any, *, passed_variables: Any
    ) -> tuple[str, ...]:
        tried.append((release.index_url, release.insecure_hosts, pythons, command, passed_variables))
        return ("second",)

    monkeypatch.setattr(
        smoke_test, "find_compatible_pairs", lambda *_: [("a", "py311"), ("b", "py312"), ("c", "py311")]
    )
    monkeypatch.setattr(index_smoke_test, "run_index_smoke_tests", run_index_smoke_tests)
    monkeypatch.setattr(
        index_smoke_test, "raise_if_failed", lambda results, requirement: tried.append((results, requirement))
    )
    downloaded: Any = SimpleNamespace(files=(local(A),), summaries=())
    index = SimpleNamespace(url=INDEX)

    def smoke(index: Any, **fields: Any) -> Any:
        run: Any = Run(**fields)
        run.record(smoke_results=("first",))
        run.target.index = index
        confirm_stage.run_index_smoke_tests(run, run.selection, downloaded, run.target)
        return run.report.smoke_results

    fields = {"smoke": "x", "smoke_env": ("V",), "allow_insecure_hosts": ("h",)}
    assert smoke(None, **fields) == smoke(index) == ("first",)
    assert tried == []
    assert smoke(index, **fields) == ("first", "second")
    assert tried == [(SHOWN, ("h",), ("py311", "py312"), "x", ("V",)), (("second",), "demo==1.0")]


# --- wheelhouse, gate and API -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "in_place"),
    [
        ({"urls": ("folder",), "until": Stage.CHECK}, True),
        ({"urls": ("folder", "https://x.example/"), "until": Stage.CHECK}, False),
        ({"urls": ("folder",), "until": Stage.CHECK, "wheelhouse": Path("w")}, False),
        ({"urls": ("folder",), "until": Stage.DOWNLOAD}, False),
        ({"urls": ("folder",)}, False),
        ({"urls": ("folder",), "verify": True}, True),
        ({"urls": ("https://x.example/",), "verify": True}, False),
    ],
)
def test_local_files_are_checked_in_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fields: dict[str, Any], in_place: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    run: Any = Run(**fields)
    assert download_stage.checks_in_place(run.options) is in_place
    with contextlib.ExitStack() as run.exit_stack:
        wheelhouse = download_stage.open_wheelhouse(run)
        assert (wheelhouse is None) is in_place
        if wheelhouse:
            assert wheelhouse.path == fields.get("wheelhouse", Path("wheelhouse"))
            assert wheelhouse.path.is_dir()


@pytest.mark.parametrize(
    ("cores", "names", "fields", "worker"),
    [
        (2, (A, B), {}, CheckProfile.ANY),
        (1, (A, B), {}, None),
        (2, (A,), {}, None),
        (2, (A, B), {"verify": True}, "verified only"),
        (2, (A, B), {"until": Stage.DOWNLOAD}, "verified only"),
    ],
)
def test_inspects_several_files_in_a_worker_process(
    monkeypatch: pytest.MonkeyPatch, cores: int, names: tuple[str, ...], fields: dict[str, Any], worker: Any
) -> None:
    given: dict[str, Any] = {}
    finding = Finding(check="x/y", severity=Severity.WARNING, subject=A, message="x")
    result = SimpleNamespace(
        downloaded=(SimpleNamespace(file=local(A)),), findings=(finding,), summaries=("s",), error=None
    )

    def download_files(files: Any, wheelhouse: Any, http: Any, **values: Any) -> Any:
        given.update(values, files=files)
        return result

    module = "wheel_uploader.pipeline.download_stage"
    monkeypatch.setattr(f"{module}.os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(f"{module}.InspectionWorker", lambda profile: ("worker", profile))
    monkeypatch.setattr(f"{module}.scheduler.download_files", download_files)
    monkeypatch.setattr(f"{module}.scheduler.download_attestation_files", lambda *_, **__: ("a",))
    run: Any = Run(jobs=3, clobber=True, ignore={"x/y": ""}, **fields)
    run.http = None
    selection: Any = SimpleNamespace(files=names, attestation_files=())
    downloaded: Any = download_stage.run(run, selection, None)
    profile = None if worker == "verified only" else worker
    assert given["inspection_worker"] == (("worker", profile) if worker else None)
    assert (given["jobs"], given["clobber"], given["files"], given["cache"]) == (3, True, names, None)
    assert (downloaded.files, downloaded.summaries) == ((local(A),), ("s",))
    assert (downloaded.checksum_files, downloaded.attestation_files) == ((), ("a",))
    assert [each.is_ignored for each in run.report.findings] == [True]
    result.error = FileError("broken")
    with pytest.raises(FileError, match="broken"):
        download_stage.run(run, selection, None)
    assert len(run.report.findings) == 2


def test_the_wheelhouse_is_pruned_only_with_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "prune_wheelhouse", lambda *_, **__: ("pruned",))
    run: Any = Run()
    target = SimpleNamespace(is_readable=True, get_sha256=None)
    destination: Any = SimpleNamespace(target=target, project_page=make_page())
    retention.prune(run, run.selection, None, destination)
    target.is_readable = False
    retention.prune(run, run.selection, object(), destination)  # type: ignore[arg-type]
    assert run.report.pruned_releases == ()
    target.is_readable = True
    retention.prune(run, run.selection, object(), destination)  # type: ignore[arg-type]
    assert run.report.pruned_releases == ("pruned",)


@pytest.mark.parametrize(
    ("version", "profile", "checks", "is_replaceable"),
    [
        ("1.0.dev1", CheckProfile.ANY, ["release/different-on-index"], True),
        ("1.0+g1", CheckProfile.ANY, ["release/different-on-index"], True),
        ("1.0rc1", CheckProfile.ANY, ["release/different-on-index"], False),
        ("1.0", CheckProfile.ANY, ["release/different-on-index"], False),
        ("1.0.dev1", CheckProfile.PYPI, ["release/different-on-index"], False),
        ("1.0.dev1", CheckProfile.ANY, ["release/different-on-index", "release/closed"], False),
    ],
)
def test_a_nightly_build_can_replace_the_one_before(
    version: str, profile: CheckProfile, checks: list[str], is_replaceable: bool
) -> None:
    run = Run(version=version)
    findings = tuple(
        Finding(check=check, severity=Severity.ERROR, subject=A, message="taken") for check in checks
    )
    run.record(findings=findings, profile=profile, selection=run.selection)
    with pytest.raises(ConflictError) as caught:
        release_gate.raise_if_blocked(run.report)
    hint = (
        f"If the index permits it, delete {version} there, and run the same command again; or give each "
        "build another version, such as .devYYYYMMDD."
        if is_replaceable
        else ConflictError.default_hint
    )
    assert caught.value.hint == f"{hint} See 'wheel-uploader --explain {checks[0]}'."


def test_the_api_raises_what_hinders_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Options] = []
    blocked: Any = Finding(check="name/invalid", severity=Severity.ERROR, subject=A, message="bad")
    error = FileError("broken")
    results: dict[str, Any] = {}

    def run(options: Options, progress: Any, cancel: Any) -> Any:
        given.append(options)
        builder = ReportBuilder(options)
        builder.record(**results)
        return builder.report

    monkeypatch.setattr("wheel_uploader.pipeline.api.pipeline_run.run", run)
    assert api.check_files([Path("a"), "b"], profile="any") == ()
    options = given[-1]
    assert (options.project, options.version, options.urls) == ("", "", ("a", "b"))
    assert (options.until, options.profile) == (Stage.CHECK, CheckProfile.ANY)
    results = {"error": error}
    with pytest.raises(FileError, match="broken"):
        api.check_files(["a"])
    assert given[-1].profile is CheckProfile.PYPI
    results = {"error": error, "findings": (blocked,)}
    assert api.check_files(["a"]) == (blocked,)
    with pytest.raises(ValueError, match="other"):
        api.check_files(["a"], profile="other")
    with pytest.raises(FileError, match="broken"):
        api.list_release(Run().options)
    assert given[-1].until is Stage.LIST
    results = {}
    with pytest.raises(NothingFoundError, match="no files of the release were listed"):
        api.list_release(Run().options)
    results = {"selection": Run().selection}
    assert api.list_release(Run().options) is results["selection"]
    assert checks_package.RELEASE_SUBJECT == "release"

"""The lines of ``--doctor``, with a target and an environment that need no network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.testing import wheels
from wheel_uploader.core.errors import CredentialsError, NetworkError, ReleaseError, UsageError
from wheel_uploader.core.models import IndexFile, Options, ProjectPage, Stage
from wheel_uploader.index.target import Target
from wheel_uploader.pipeline import doctor
from wheel_uploader.upload.credentials import MissingLoginError

UPLOAD, PAGES = "https://index.example/legacy/", "https://index.example/simple/"
Line = tuple[str, str, str]


class FakeTarget(SimpleNamespace):
    """A target that logs in as jane, and has one file of demo."""

    def __init__(self, **changes: Any) -> None:
        self.info = Target(url=UPLOAD, is_pypi=False, name="example")
        self.login = "user jane"
        self.is_readable = True
        self.index: Any = SimpleNamespace(url=PAGES)
        self.error: ReleaseError | None = None
        self.warnings: tuple[str, ...] = ()
        self.files: tuple[str, ...] = ("demo-0.9.tar.gz",)
        self.calls: list[str] = []
        super().__init__(**{**vars(self), **changes})

    def prepare_login(self, *, is_required: bool) -> None:
        self.calls.append(f"prepare_login {is_required}")
        for line in self.warnings:
            self.progress.info(line)
        if self.error:
            raise self.error

    def fetch_project(self, project: str) -> ProjectPage:
        self.calls.append(f"fetch {project}")
        files = tuple(IndexFile(filename=name, url=f"x/{name}") for name in self.files)
        return ProjectPage(url=f"{PAGES}{project}/", exists=bool(files), files=files)

    def close(self) -> None:
        self.calls.append("close")


@dataclasses.dataclass
class Machine:
    """The state of the machine; a test changes one part of it."""

    target: FakeTarget
    opened: list[Options] = dataclasses.field(default_factory=list)
    interactive: bool = False
    extra: bool = True
    identity: bool = True
    rehearsal_error: UsageError | None = None
    target_error: ReleaseError | None = None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    found = Machine(FakeTarget())

    def open_target(options: Options, progress: Any) -> FakeTarget:
        found.opened.append(options)
        if found.target_error:
            raise found.target_error
        found.target.progress = progress
        return found.target

    def require_rehearsal_tools() -> None:
        if found.rehearsal_error:
            raise found.rehearsal_error

    monkeypatch.setattr("wheel_uploader.pipeline.doctor.targets.open_target", open_target)
    monkeypatch.setattr(doctor, "is_interactive", lambda options: found.interactive)
    monkeypatch.setattr(doctor, "has_ci_identity", lambda: found.identity)
    monkeypatch.setattr(
        "wheel_uploader.pipeline.doctor.attestations.is_attestation_extra_installed", lambda: found.extra
    )
    monkeypatch.setattr(
        "wheel_uploader.pipeline.doctor.rehearsal.require_rehearsal_tools", require_rehearsal_tools
    )
    monkeypatch.setattr(
        "wheel_uploader.pipeline.doctor.interpreters.find_interpreters",
        lambda: ["Python 3.11", "Python 3.12"],
    )
    monkeypatch.setattr("wheel_uploader.pipeline.doctor.pip_command.require_pip", lambda option: None)
    return found


def make_options(**fields: Any) -> Options:
    values: dict[str, Any] = {"project": "demo", "version": "1.0", "urls": ("staged",)}
    return Options(**{**values, **fields})


def lines_of(*, has_project: bool = True, has_source: bool = True, **fields: Any) -> list[Line]:
    """Return the subject, the state and the text of each line."""
    subject = doctor.Subject(options=make_options(**fields), has_project=has_project, has_source=has_source)
    lines = []
    for each in doctor.diagnose(subject):
        assert not (each.error and each.is_warning)
        state = "error" if each.error else "warning" if each.is_warning else "ok"
        assert each.error is None or each.error.message == each.text
        lines.append((each.subject, state, each.text))
    return lines


def line_of(subject: str, **fields: Any) -> list[tuple[str, str]]:
    return [(state, text) for name, state, text in lines_of(**fields) if name == subject]


USUAL: list[Line] = [
    ("target", "ok", f"example: {UPLOAD}"),
    ("login", "ok", "user jane"),
    ("index", "ok", f"{PAGES}demo/: 1 file"),
    ("signing", "ok", "off (--sign turns it on)"),
    ("attest", "ok", "off (--attest turns it on)"),
    ("extras", "ok", "attestations: installed, rehearse: installed"),
    ("pythons", "ok", "for --smoke: Python 3.11, Python 3.12"),
    ("network", "ok", "no proxy"),
    ("network", "ok", "certificates: those of the machine"),
    ("staging", "ok", "staged: 1 file listed"),
]


def test_has_a_line_for_everything_that_a_run_needs(machine: Machine) -> None:
    assert lines_of() == USUAL
    assert machine.target.calls == ["prepare_login True", "fetch demo", "close"]
    (options,) = machine.opened
    assert (options.non_interactive, options.ask, options.retries) == (True, False, 2)


@pytest.mark.parametrize(("retries", "used"), [(1, 1), (2, 2), (3, 2)])
def test_tries_each_request_twice_at_most(machine: Machine, retries: int, used: int) -> None:
    lines_of(retries=retries)
    assert [options.retries for options in machine.opened] == [used]


def test_never_prompts(machine: Machine) -> None:
    lines_of(ask=True)
    assert [(options.non_interactive, options.ask) for options in machine.opened] == [(True, False)]


def test_warns_of_options_without_effect(machine: Machine) -> None:
    lines = lines_of(pre=True, smoke="x", until=Stage.CHECK, index_url=PAGES, keep_releases=3)
    assert lines[:2] == [
        ("options", "warning", "--keep-releases has no effect with --until check"),
        ("options", "warning", "--pre has no effect without the version 'latest'"),
    ]


def test_reports_an_expectation_that_cannot_be_read(machine: Machine) -> None:
    (reported, *others) = lines_of(expect="missing.txt")
    assert reported[:2] == ("options", "error")
    assert "missing.txt" in reported[2]
    assert others == USUAL


# --- target -----------------------------------------------------------------------------------------


def test_a_target_that_cannot_be_opened_has_neither_login_nor_index(machine: Machine) -> None:
    machine.target_error = UsageError("there is no such section")
    assert lines_of() == [("target", "error", "there is no such section"), *USUAL[3:]]


def test_names_a_target_that_has_no_name_once(machine: Machine) -> None:
    machine.target.info = Target(url=UPLOAD, is_pypi=False, name=UPLOAD)
    assert line_of("target") == [("ok", UPLOAD)]


@pytest.mark.parametrize(
    ("fields", "text", "is_prepared"),
    [
        ({"verify": True}, "needed with --verify only if the index requires one for reading", False),
        ({"until": Stage.CHECK}, "not needed with --until check", False),
        ({"until": Stage.SIGN}, "not needed with --until sign", False),
        ({"until": Stage.UPLOAD}, "user jane", True),
    ],
)
def test_a_login_is_needed_for_uploads(
    machine: Machine, fields: dict[str, Any], text: str, is_prepared: bool
) -> None:
    assert line_of("login", **fields) == [("ok", text)]
    assert ("prepare_login True" in machine.target.calls) is is_prepared


@pytest.mark.parametrize(
    ("error", "interactive", "line"),
    [
        (MissingLoginError("no password"), False, ("error", "no password")),
        (MissingLoginError("no password"), True, ("ok", "the run will prompt for it at its start")),
        (CredentialsError("two passwords"), False, ("error", "two passwords")),
        (CredentialsError("two passwords"), True, ("error", "two passwords")),
    ],
)
def test_reports_a_missing_login_unless_the_run_can_prompt(
    machine: Machine, error: ReleaseError, interactive: bool, line: tuple[str, str]
) -> None:
    machine.target.error, machine.interactive = error, interactive
    assert line_of("login") == [line]
    assert line_of("index") == [("ok", f"{PAGES}demo/: 1 file")]


def test_shows_warnings_about_the_login_before_it(machine: Machine) -> None:
    machine.target.warnings = ("user: jane", "warning: the password ends in a blank", "warning: warning: x")
    assert line_of("login") == [
        ("warning", "the password ends in a blank"),
        ("warning", "warning: x"),
        ("ok", "user jane"),
    ]


def test_describes_the_page_of_the_project(machine: Machine) -> None:
    machine.target.files = ()
    assert line_of("index") == [("ok", f"{PAGES}demo/: the index does not have this project yet")]
    machine.target.files = ("demo-0.9.tar.gz", "demo-0.8.tar.gz")
    assert line_of("index") == [("ok", f"{PAGES}demo/: 2 files")]
    machine.target.calls.clear()
    none = {"has_project": False, "project": "", "version": "", "until": Stage.CHECK}
    assert line_of("index", **none) == [("ok", f"{PAGES} (give PROJECT to read its page)")]
    machine.target.index = None
    assert line_of("index", **none) == [("ok", f"{UPLOAD} (give PROJECT to read its page)")]
    machine.target.is_readable = False
    assert line_of("index") == [("ok", "not read (--write-only)")]
    assert machine.target.calls == ["close", "close", "prepare_login True", "close"]


def test_reports_an_index_that_cannot_be_read(machine: Machine) -> None:
    def fetch_project(project: str) -> ProjectPage:
        raise NetworkError(f"no answer about {project}")

    machine.target.__dict__["fetch_project"] = fetch_project
    assert line_of("index") == [("error", "no answer about demo")]


# --- what a run would use ---------------------------------------------------------------------------


def resolved(*, has_project: bool = True, **fields: Any) -> list[str]:
    return list(doctor.describe_resolved(make_options(**fields), has_project=has_project))


def test_describes_each_target_without_a_request(machine: Machine) -> None:
    lines = [f"target: example: {UPLOAD}", f"index page: {PAGES}demo/", "login: user jane"]
    assert resolved() == lines
    assert machine.target.calls == ["prepare_login True", "close"]
    assert resolved(repository="a", more_repositories=("b",), project="De.mo") == [
        line.replace("/demo/", "/de-mo/") for line in lines * 2
    ]
    assert [(each.repository, each.more_repositories, each.ask) for each in machine.opened[1:]] == [
        ("a", (), False),
        ("b", (), False),
    ]
    assert all(each.non_interactive for each in machine.opened)
    assert resolved(has_project=False)[1] == f"index page: {PAGES}"
    machine.target.index = SimpleNamespace(url=PAGES.rstrip("/"))
    assert resolved()[1] == f"index page: {PAGES}demo/"
    machine.target.index = None
    assert resolved()[1] == "index page: none"
    machine.target.is_readable = False
    assert resolved()[1] == "index page: not read (--write-only)"


def test_says_why_a_target_or_its_page_is_not_known(machine: Machine) -> None:
    class Unknown(FakeTarget):
        def __getattribute__(self, name: str) -> Any:
            if name == "index":
                raise UsageError("no index URL")
            return super().__getattribute__(name)

    machine.target = Unknown()
    assert resolved()[1] == "index page: not known: no index URL"
    machine.target_error = UsageError("no section a")
    assert resolved() == ["target: not known: no section a"]


@pytest.mark.parametrize(
    ("fields", "error", "interactive", "text"),
    [
        ({"verify": True}, None, False, "not needed"),
        ({"until": Stage.SIGN}, None, False, "not needed"),
        ({"until": Stage.UPLOAD}, None, False, "user jane"),
        ({}, MissingLoginError("no password"), False, "missing: no password"),
        ({}, MissingLoginError("no password"), True, "the run will prompt for it"),
        ({}, CredentialsError("two passwords"), True, "missing: two passwords"),
    ],
)
def test_says_where_the_login_is_from(
    machine: Machine, fields: dict[str, Any], error: ReleaseError | None, interactive: bool, text: str
) -> None:
    machine.target.error, machine.interactive = error, interactive
    assert resolved(**fields)[2] == f"login: {text}"


# --- this machine -----------------------------------------------------------------------------------


def test_describes_the_key(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_gpg_signer(program: str, identity: str | None) -> SimpleNamespace:
        return SimpleNamespace(primary_fingerprint="ABC", user_id=f"{program} {identity}\x1b")

    monkeypatch.setattr("wheel_uploader.pipeline.doctor.gpg_signer.find_gpg_signer", find_gpg_signer)
    assert line_of("signing", sign=True, identity="me") == [("ok", "ABC (gpg me\\x1b)")]


@pytest.mark.parametrize(
    ("extra", "identity", "line"),
    [
        (True, True, ("ok", "with the identity of this CI job")),
        (True, False, ("error", "--attest: this environment has no identity of a CI job")),
        (False, True, ("error", "--attest: the extra is not installed")),
    ],
)
def test_attesting_needs_an_extra_and_an_identity(
    machine: Machine, extra: bool, identity: bool, line: tuple[str, str]
) -> None:
    machine.extra, machine.identity = extra, identity
    assert line_of("attest", attest=True) == [line]
    state = "installed" if extra else "not installed"
    assert line_of("extras") == [("ok", f"attestations: {state}, rehearse: installed")]


def test_a_missing_extra_is_an_error_if_it_is_needed(machine: Machine) -> None:
    machine.rehearsal_error = UsageError("a rehearsal needs an index")
    assert line_of("extras") == [("ok", "attestations: installed, rehearse: not installed")]
    assert line_of("extras", rehearse=True) == [("error", "a rehearsal needs an index")]


def test_smoke_tests_need_pip(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def require_pip(option: str) -> None:
        raise UsageError(f"{option} needs pip")

    monkeypatch.setattr("wheel_uploader.pipeline.doctor.pip_command.require_pip", require_pip)
    assert line_of("pythons") == [("ok", "for --smoke: Python 3.11, Python 3.12")]
    assert line_of("pythons", smoke="x") == [("error", "--smoke needs pip")]


# --- network and staging ----------------------------------------------------------------------------


def test_describes_proxies_without_their_passwords(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:proxy-secret-9@proxy.example:8080")
    monkeypatch.setenv("http_proxy", "http://other.example:80")
    shown = "proxy: http by http://other.example:80, https by http://proxy.example:8080"
    assert line_of("network")[0] == ("ok", shown)
    monkeypatch.setenv("no_proxy", "localhost,\x1b.example")
    assert line_of("network")[0] == ("ok", f"{shown}; not for localhost,\\x1b.example")


def test_describes_certificates(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import certifi

    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    environment = f"{certifi.where()} (SSL_CERT_FILE)"
    trusted = line_of("network", cert=Path(certifi.where()))[1]
    assert trusted == ("ok", f"certificates: {certifi.where()} (--cert, for the index), {environment}")
    state, text = line_of("network", cert=tmp_path / "none.pem")[1]
    assert (state, "none.pem" in text) == ("error", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    state, text = line_of("network")[1]
    assert (state, "other.pem" in text) == ("error", True)


def test_counts_the_staged_files(machine: Machine, tmp_path: Path) -> None:
    wheels.make_sdist(tmp_path / "staged", "demo", "1.0")
    wheels.make_sdist(tmp_path / "more", "demo", "1.0")
    assert line_of("staging", urls=("staged", "more")) == [("ok", "staged, more: 3 files listed")]
    assert line_of("staging", has_source=False) == [("warning", "no source given (-u URL)")]
    (tmp_path / "empty").mkdir()
    assert line_of("staging", urls=("empty",)) == [("error", "empty: no files are listed")]
    ((state, text),) = line_of("staging", urls=("missing",))
    assert (state, "missing" in text) == ("error", True)


def test_names_some_reasons_for_an_empty_listing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    gaps = [SimpleNamespace(message=f"reason\x1b {number}") for number in range(5)]
    listed = SimpleNamespace(files=(), gaps=gaps)
    queries = []

    def list_staged_files(urls: Any, query: Any, *_: Any) -> SimpleNamespace:
        queries.append((query.project, query.version, query.include_prereleases))
        return listed

    monkeypatch.setattr("wheel_uploader.pipeline.doctor.sources.list_staged_files", list_staged_files)
    subject = doctor.Subject(options=make_options(pre=True), has_project=True, has_source=True)
    error = [*doctor.diagnose(subject)][-1].error
    assert error is not None
    assert list(error.details) == ["reason\\x1b 0", "reason\\x1b 1", "reason\\x1b 2"]
    [*doctor.diagnose(dataclasses.replace(subject, has_project=False))]
    assert queries == [("demo", "1.0", True), ("", "1.0", True)]

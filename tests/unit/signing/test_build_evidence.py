"""``--built-by``: each file has a valid attestation of the expected repository, workflow and ref."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from pypi_attestations import Attestation

from tests.support.in_process import run
from tests.support.sigstores import Identity, Sigstore
from tools.testing.wheels import METADATA, wheel_bytes, wheel_filename
from wheel_uploader.core import builders
from wheel_uploader.core.builders import Builder, BuildIdentity

WHEEL = wheel_filename("dipy", "1.11.0")
DATA = wheel_bytes(metadata=METADATA.format(project="dipy", version="1.11.0"))
BUILDER = "dipy/dipy/release.yml@refs/tags/v1"


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Nothing answers there.
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    for name in ("GITHUB_SERVER_URL", "GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    Path("dist").mkdir()
    Path("dist", WHEEL).write_bytes(DATA)


@pytest.fixture
def sigstore(tmp_path: Path) -> Sigstore:
    instance = Sigstore()
    instance.install(tmp_path / "cache")
    return instance


def stage(attestation: bytes) -> None:
    Path("dist", f"{WHEEL}.publish.attestation").write_bytes(attestation)


def check(*arguments: str) -> tuple[Result, dict[str, tuple[str, str]]]:
    """Check the staged files; return the severity and message of each finding about attestations."""
    result = run(
        "-u", "dist", "--until", "check", "--retries", "1", "--format", "json", *arguments, "dipy", "1.11.0"
    )
    found = {
        finding["check"]: (finding["severity"], finding["message"])
        for finding in json.loads(result.stdout)["findings"]
        if finding["check"].startswith("attestation/")
    }
    assert all(
        finding["subject"] == WHEEL
        for finding in json.loads(result.stdout)["findings"]
        if "attest" in finding["check"]
    )
    return result, found


@contextlib.contextmanager
def github(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, object]) -> Iterator[list[str]]:
    """Run GitHub's attestation API with these answers by path; yield the requested paths and tokens."""
    requested: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            requested.append(f"{path} {self.headers.get('Authorization', '')}".strip())
            answer = answers.get(path)
            data = json.dumps({} if answer is None else answer).encode()
            self.send_response(answer if isinstance(answer, int) else 404 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
        try:
            yield requested
        finally:
            server.shutdown()
            thread.join()


PATH = f"/repos/dipy/dipy/attestations/sha256:{hashlib.sha256(DATA).hexdigest()}"


def as_answer(*attestations: bytes) -> dict[str, Any]:
    """Return GitHub's response with these attestations as Sigstore bundles."""
    bundles = [Attestation.model_validate_json(each).to_bundle().to_json() for each in attestations]
    return {"attestations": [{"bundle": json.loads(bundle), "repository_id": 1} for bundle in bundles]}


def provenance(sigstore: Sigstore, *names: str, identity: Identity | None = None) -> bytes:
    """Return an attestation as GitHub makes them: one statement about several files."""
    subjects = [{"name": "other.whl", "digest": {"sha256": "0" * 64}}]
    subjects += [{"name": name, "digest": {"sha256": hashlib.sha256(DATA).hexdigest()}} for name in names]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": subjects,
        "predicate": {},
    }
    return sigstore.attestation(WHEEL, DATA, content=json.dumps(statement).encode(), identity=identity)


# --- next to the file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "builder",
    [
        *("dipy/dipy", "DIPY/Dipy", "dipy/dipy/release.yml", "dipy/dipy@v1", "dipy/dipy@refs/tags/v1"),
        *(BUILDER, "dipy/dipy/.github/workflows/release.yml@v1"),
    ],
)
def test_accepts_an_attestation_of_the_builder(builder: str, sigstore: Sigstore) -> None:
    stage(sigstore.attestation(WHEEL, DATA))
    result, found = check("--built-by", builder)
    assert (result.exit_code, found) == (0, {}), result.output


@pytest.mark.parametrize(
    "builder",
    ["dipy/other", "other/dipy", "dipy/dip", "dipy/dipy/test.yml", "dipy/dipy@v2", "dipy/dipy@refs/heads/v1"],
)
def test_rejects_an_attestation_of_another_builder(
    builder: str, sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(sigstore.attestation(WHEEL, DATA))
    with github(monkeypatch, {}):
        result, found = check("--built-by", builder)
    message = f"its attestation is of {BUILDER}, not of {builder}"
    assert (result.exit_code, found) == (6, {"attestation/built-by": ("error", message)})


def test_rejects_a_file_without_attestations(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    with github(monkeypatch, {}) as requested:
        result, found = check("--built-by", "dipy/dipy")
    message = "it has no attestation of dipy/dipy, neither next to it nor at GitHub"
    assert (result.exit_code, found) == (6, {"attestation/built-by": ("error", message)})
    assert requested == [PATH]
    assert check()[1] == {}


def test_rejects_an_attestation_of_another_sigstore(
    sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(Sigstore().attestation(WHEEL, DATA))
    with github(monkeypatch, {}):
        result, found = check("--built-by", "dipy/dipy", "--profile", "any")
    assert result.exit_code == 6
    assert found["attestation/built-by"][1].startswith(
        f"it has no valid attestation of dipy/dipy: {WHEEL}.publish.attestation: "
    )


def test_rejects_an_attestation_of_other_bytes(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(sigstore.attestation(WHEEL, DATA + b"x"))
    with github(monkeypatch, {}):
        assert "attestation/built-by" in check("--built-by", "dipy/dipy")[1]


# --- at GitHub -------------------------------------------------------------------------------------


def test_asks_github_with_the_token(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_of_this_job")
    answer = as_answer(provenance(sigstore), provenance(sigstore, WHEEL))
    with github(monkeypatch, {PATH: answer}) as requested:
        result, found = check("--built-by", BUILDER)
    assert (result.exit_code, found) == (0, {}), result.output
    assert requested == [f"{PATH} Bearer ghs_of_this_job"]
    assert "ghs_of_this_job" not in result.output


def test_rejects_attestations_at_github_of_others(
    sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = provenance(sigstore, WHEEL, identity=Identity(repository="fork/dipy"))
    repository = "dipy/dipy"
    cases = {
        "its attestation is of fork/dipy/release.yml@refs/tags/v1, not of dipy/dipy": as_answer(fork),
        f"it has no valid attestation of {repository}: an attestation at GitHub: it is about other files": (
            as_answer(provenance(sigstore))
        ),
        "it has no attestation of dipy/dipy, neither next to it nor at GitHub": {
            "attestations": [{"bundle": None}]
        },
    }
    for message, answer in cases.items():
        with github(monkeypatch, {PATH: answer}):
            result, found = check("--built-by", "dipy/dipy")
        assert (result.exit_code, found) == (6, {"attestation/built-by": ("error", message)})
    forged = as_answer(provenance(Sigstore(), WHEEL))
    with github(monkeypatch, {PATH: forged}):
        result, found = check("--built-by", "dipy/dipy")
    assert found["attestation/built-by"][1].startswith(
        "it has no valid attestation of dipy/dipy: an attestation"
    )


def test_a_github_that_does_not_answer_may_answer_later(
    sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answers in ({PATH: 500}, {PATH: 403}):
        with github(monkeypatch, answers):
            result = run("-u", "dist", "--until", "check", "--retries", "1", "--built-by", "dipy/dipy")
        assert result.exit_code == 5
        assert "--built-by: GitHub's attestations could not be read" in result.stderr


# --- the option, and Actions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "builder",
    [
        "",
        "dipy",
        "dipy/",
        "http://github.com/a/b",
        "https://a/b",
        "https://me@h/a/b",
        "a/b/c",
        "a/b@",
        "a/b@c d",
    ],
)
def test_refuses_other_forms(builder: str) -> None:
    result = run("-u", "dist", "--until", "check", "--built-by", builder)
    assert result.exit_code == 2
    assert "--built-by" in result.stderr


def test_an_identity_of_another_issuer_does_not_count() -> None:
    values = {
        "repository": "https://github.com/a/b",
        "workflow": "https://github.com/a/b/.github/workflows/c.yml@x",
    }
    identity = BuildIdentity(issuer="https://issuer.example", **values)
    assert not Builder("a/b").matches(identity)
    assert builders.describe_identity(identity) == "a/b/c.yml (by https://issuer.example)"


# --- GitHub Enterprise -----------------------------------------------------------------------------

SERVER = "https://ghe.example"
ENTERPRISE = Identity(server=SERVER, issuer=f"{SERVER}/_services/token")


def test_an_enterprise_server_is_named_by_url(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(sigstore.attestation(WHEEL, DATA, identity=ENTERPRISE))
    for builder in ("dipy/dipy", BUILDER, "DIPY/dipy@v1"):
        result, found = check("--built-by", f"{SERVER}/{builder}")
        assert (result.exit_code, found) == (0, {}), result.output
    with github(monkeypatch, {}):
        result, found = check("--built-by", "dipy/dipy")
    message = f"its attestation is of {SERVER}/{BUILDER}, not of dipy/dipy"
    assert (result.exit_code, found) == (6, {"attestation/built-by": ("error", message)})


def test_an_enterprise_server_is_that_of_the_job(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", f"{SERVER}/")
    monkeypatch.setenv("GH_TOKEN", "gho_of_github_itself")
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_of_this_job")
    answer = as_answer(provenance(sigstore, WHEEL, identity=ENTERPRISE))
    with github(monkeypatch, {PATH: answer}) as requested:
        result, found = check("--built-by", BUILDER)
    assert (result.exit_code, found) == (0, {}), result.output
    assert requested == [f"{PATH} Bearer ghs_of_this_job"]
    # A file that GitHub itself attested is not one of that server.
    stage(sigstore.attestation(WHEEL, DATA))
    with github(monkeypatch, {}):
        result, found = check("--built-by", "dipy/dipy")
    message = f"its attestation is of {BUILDER}, not of {SERVER}/dipy/dipy"
    assert found["attestation/built-by"][1] == message
    assert check("--built-by", f"https://github.com/{BUILDER}")[1] == {}


@pytest.mark.parametrize(
    ("server", "issuer", "counts"),
    [
        (SERVER, f"{SERVER}/_services/token", True),
        (SERVER, "https://token.actions.githubusercontent.com", False),
        (SERVER, "https://other.example/_services/token", False),
        ("https://octo.ghe.com", "https://token.actions.octo.ghe.com", True),
        ("https://octo.ghe.com", "https://token.actions.evil.ghe.com", False),
        ("https://github.com", "https://token.actions.githubusercontent.com", True),
        ("https://github.com", "https://token.actions.githubusercontent.com/octo-corp", True),
        ("https://github.com", "https://token.actions.githubusercontent.com.evil.example", False),
        ("https://github.com", f"{SERVER}/_services/token", False),
    ],
)
def test_an_identity_counts_with_the_issuer_of_its_server(server: str, issuer: str, counts: bool) -> None:
    identity = BuildIdentity(issuer=issuer, repository=f"{server}/a/b", workflow="", ref="")
    assert builders.parse_builder(f"{server}/a/b").matches(identity) is counts
    assert ("(by" in builders.describe_identity(identity)) is not counts


def test_the_api_of_each_server() -> None:
    urls = {server: builders.find_api_url(server) for server in ("https://github.com", SERVER)}
    assert urls == {"https://github.com": "https://api.github.com", SERVER: f"{SERVER}/api/v3"}
    assert builders.find_api_url("https://octo.ghe.com") == "https://api.octo.ghe.com"


def test_a_job_on_an_enterprise_server_knows_its_repository(
    sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ACTIONS", "true"), ("REPOSITORY", "dipy/dipy"), ("SERVER_URL", SERVER)):
        monkeypatch.setenv(f"GITHUB_{name}", value)
    stage(sigstore.attestation(WHEEL, DATA, identity=ENTERPRISE))
    assert check()[1] == {}
    stage(sigstore.attestation(WHEEL, DATA))
    message = check()[1]["attestation/other-repository"][1]
    assert message.endswith(f"is of {BUILDER}, but this job runs in {SERVER}/dipy/dipy")


def test_warns_in_actions_of_another_repository(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(sigstore.attestation(WHEEL, DATA))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "Dipy/dipy")
    assert check()[1] == {}
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/release")
    result, found = check()
    message = f"{WHEEL}.publish.attestation is of {BUILDER}, but this job runs in me/release"
    assert (result.exit_code, found) == (0, {"attestation/other-repository": ("warning", message)})
    assert check("--built-by", "dipy/dipy")[1] == {}

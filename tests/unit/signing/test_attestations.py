"""Test attestations: downloading, verifying, rejecting and uploading them, and creating them in CI."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
from click.testing import Result
from cryptography import x509
from pypi_attestations import Attestation
from sigstore.models import ClientTrustConfig
from twine import utils

from tests.support import sigstores
from tests.support.in_process import run
from tests.support.sigstores import PUBLISH, SLSA, Identity, Services, Sigstore
from tools.testing import indexes, servers, wheels
from tools.testing.indexes import Served
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.staging import Site, sha256
from wheel_uploader.http import retry
from wheel_uploader.report import formats_table
from wheel_uploader.signing import attestations

TAG = "cp312-cp312-win_amd64"
WHEEL = wheels.wheel_filename("dipy", "1.11.0", TAG)
SDIST = "dipy-1.11.0.tar.gz"
FILES = {WHEEL: wheels.wheel_bytes(tag=TAG), SDIST: wheels.sdist_bytes()}
TOKEN = "pypi-AgMintedForTheseTests"
SCHEMA = Path(formats_table.__file__).with_name("formats").joinpath("schema.json")
#: The uploaded attestations if each file has a publish attestation.
PUBLISH_FOR_BOTH = {WHEEL: [PUBLISH], SDIST: [PUBLISH]}
PUBLISHER = "https://github.com/dipy/dipy/.github/workflows/release.yml@refs/tags/v1"


@pytest.fixture(autouse=True)
def isolated_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty working directory and a separate home directory, outside any CI."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "USERPROFILE", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "GOOGLE_SERVICE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("wheel_uploader.index.target._GOOGLE_PRODUCT", tmp_path / "no-such-file")


@pytest.fixture
def sigstore(tmp_path: Path) -> Sigstore:
    """Return a Sigstore instance whose trust root is installed in the cache."""
    instance = Sigstore()
    instance.install(tmp_path / "cache")
    return instance


@dataclass
class PyPI:
    """An index that stands in for PyPI and verifies attestations as PyPI does."""

    served: Served
    certificate: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--cert", str(self.certificate), "--index-url", self.served.index_url, *FAST_OPTIONS)

    @property
    def sent(self) -> dict[str, list[str]]:
        """Return the predicate types uploaded with each file, in order."""
        return {
            post.filename: predicate_types(post.fields.get("attestations"))
            for post in self.served.index.posts
        }


FAST_OPTIONS = ("--non-interactive", "--confirm-timeout", "30")


def predicate_types(field: str | None) -> list[str]:
    decoded = [Attestation.model_validate(item) for item in json.loads(field or "[]")]
    return [attestation.statement["predicateType"] for attestation in decoded]


@pytest.fixture
def pypi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PyPI]:
    with indexes.tls_index(tmp_path) as (served, certificate):
        monkeypatch.setattr(utils, "DEFAULT_REPOSITORY", served.upload_url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        served.index.minted_token = TOKEN
        served.index.refuse_attachment = sigstores.pypi_refusal(indexes.basic("__token__", TOKEN))
        yield PyPI(served, certificate)


@pytest.fixture
def ci(sigstore: Sigstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Simulate a GitHub Actions job that has an OIDC identity, and Sigstore's services."""
    with sigstores.services(sigstore) as services:
        sigstore.install(tmp_path / "cache", services.url)
        for name, value in services.environment().items():
            monkeypatch.setenv(name, value)
        # The trust root is installed locally; its real source is not available here.
        production = functools.partial(ClientTrustConfig.production, offline=True)
        monkeypatch.setattr(ClientTrustConfig, "production", production)
        monkeypatch.setattr(retry, "compute_backoff", lambda error, attempt: 0.0)
        yield services


def attestations_for(sigstore: Sigstore, *types: str, of: Mapping[str, bytes] = FILES) -> dict[str, bytes]:
    """Return attestations of these types for each file, by file name."""
    short_types = {PUBLISH: "publish", SLSA: "slsa"}
    return {
        f"{name}.{short_types[kind]}.attestation": sigstore.attestation(name, data, predicate_type=kind)
        for name, data in of.items()
        for kind in types
    }


def run_on_staged(files: Mapping[str, bytes], *arguments: str, hashes: bool = True) -> tuple[Result, Site]:
    """Run the command against a staging server with ``files``."""
    site = Site(files, hashes=hashes)
    with ScriptedServer(site) as server:
        result = run("-u", server.url, "--retries", "2", *arguments, "dipy", "1.11.0")
    assert "Traceback" not in result.output, result.output
    return result, site


def files_of(result: Result) -> dict[str, dict[str, object]]:
    return {file["filename"]: file for file in json.loads(result.stdout)["files"]}


# --- uploading -------------------------------------------------------------------------------------


def test_uploads_staged_attestations_to_pypi(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    result, site = run_on_staged({**FILES, **attestations_for(sigstore, PUBLISH, SLSA)}, *pypi.options)
    assert result.exit_code == 0, result.output
    assert pypi.sent == {WHEEL: [PUBLISH, SLSA], SDIST: [PUBLISH, SLSA]}
    assert set(pypi.served.index.files) == set(FILES)
    assert sorted(site.fetched) == sorted([*FILES, *attestations_for(sigstore, PUBLISH, SLSA)])
    assert "attestations: 2 of 2 files (2 publish, 2 slsa), uploaded with the files" in result.stdout
    assert f"    4 by {PUBLISHER} (verified)" in result.stdout


def test_reports_the_publisher_and_the_verification(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    result, _ = run_on_staged(
        {**FILES, **attestations_for(sigstore, PUBLISH)}, *pypi.options, "--format", "json"
    )
    jsonschema.validate(json.loads(result.stdout), json.loads(SCHEMA.read_text()))
    assert files_of(result)[WHEEL]["attestations"] == [
        {
            "filename": f"{WHEEL}.publish.attestation",
            "predicate_type": PUBLISH,
            "kind": "publish",
            "publisher": PUBLISHER,
            "verified": True,
            "problem": "",
            "made": False,
            "posted": True,
        }
    ]


def test_a_second_run_uploads_and_downloads_nothing(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    files = {**FILES, **attestations_for(sigstore, PUBLISH)}
    run_on_staged(files, *pypi.options)
    before = {path.name: path.read_bytes() for path in Path("wheelhouse").iterdir() if path.is_file()}
    assert before.keys() == {*files, "SHA256SUMS"}
    pypi.served.index.posts.clear()
    result, site = run_on_staged(files, *pypi.options)
    assert (result.exit_code, pypi.sent, site.fetched) == (0, {}, [])
    assert before == {path.name: path.read_bytes() for path in Path("wheelhouse").iterdir() if path.is_file()}


def test_revalidates_attestations_on_a_server_without_hashes(sigstore: Sigstore, tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    for name, data in {**FILES, **attestations_for(sigstore, PUBLISH)}.items():
        (tmp_path / "staged" / name).write_bytes(data)
    with servers.nginx(tmp_path / "staged") as url:
        options = ("-u", url, "--until", "check", "--format", "json", "-v", "dipy", "1.11.0")
        first, second = run(*options), run(*options)
    assert (first.exit_code, second.exit_code) == (0, 0)
    for name in attestations_for(sigstore, PUBLISH):
        assert f"{name}: downloaded" in first.stderr
        assert f"{name}: unchanged" in second.stderr


def test_uploads_attestations_from_a_local_folder(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    Path("dist").mkdir()
    for name, data in {**FILES, **attestations_for(sigstore, PUBLISH)}.items():
        Path("dist", name).write_bytes(data)
    checked = run("-u", "dist", "--until", "check", "dipy", "1.11.0")
    assert (checked.exit_code, Path("wheelhouse").exists()) == (0, False)
    assert f"    2 by {PUBLISHER} (verified)" in checked.stdout
    for folder in ("wheelhouse", "dist"):
        pypi.served.index.files.clear()
        pypi.served.index.posts.clear()
        assert run("-u", "dist", "-w", folder, *pypi.options, "dipy", "1.11.0").exit_code == 0
        assert pypi.sent == PUBLISH_FOR_BOTH


def test_lists_attestations_unless_the_policy_is_none(sigstore: Sigstore) -> None:
    files = {**FILES, **attestations_for(sigstore, PUBLISH)}
    result, _ = run_on_staged(files, "--until", "list")
    assert "attestations: 2 listed, not verified" in result.stdout
    result, site = run_on_staged(files, "--until", "check", "--attestations", "none", "-v")
    assert (result.exit_code, sorted(site.fetched)) == (0, sorted(FILES))
    assert f"not selected: {WHEEL}.publish.attestation: --attestations none" in result.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"dipy-1.10.0-{TAG}.whl.publish.attestation", "version 1.10.0, not 1.11.0"),
        (
            "dipy-1.11.0-py3-none-any.whl.slsa.attestation",
            "dipy-1.11.0-py3-none-any.whl, which it attests, is not listed",
        ),
        ("numpy-1.11.0.tar.gz.publish.attestation", "project numpy, not dipy"),
        (f"{WHEEL}.PUBLISH.attestation", "neither a wheel nor an sdist"),
        ("a b-1.tar.gz.attestation", "characters that are not allowed in a wheel or sdist name"),
    ],
)
def test_ignores_attestations_of_unlisted_files(name: str, reason: str) -> None:
    result, site = run_on_staged({WHEEL: FILES[WHEEL], name: b"{}"}, "--until", "download", "-v")
    assert (result.exit_code, site.fetched) == (0, [WHEEL])
    assert reason in result.stderr


def test_rejects_different_attestations_from_two_sources(sigstore: Sigstore) -> None:
    name = f"{WHEEL}.publish.attestation"
    with (
        ScriptedServer(Site({WHEEL: FILES[WHEEL], name: b"one"})) as one,
        ScriptedServer(Site({WHEEL: FILES[WHEEL], name: b"two"})) as two,
    ):
        result = run("-u", one.url, "-u", two.url, "--until", "download", "dipy", "1.11.0")
    assert result.exit_code == 6
    assert f"  {name}: different sha256 at {one.url} and {two.url}" in result.stderr


# --- rejected attestations -------------------------------------------------------------------------


def run_and_expect_refusal(files: Mapping[str, bytes], pypi: PyPI, *arguments: str) -> str:
    """Assert that an attestation stops the upload, and return standard error."""
    result, _ = run_on_staged({**FILES, **files}, *pypi.options, *arguments)
    assert (result.exit_code, pypi.served.index.posts) == (6, []), result.output
    return result.stderr


def test_rejects_an_attestation_of_a_rebuilt_wheel(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    other = wheels.wheel_bytes(tag=TAG, files={"dipy/more.py": b"x = 1\n"})
    stderr = run_and_expect_refusal(attestations_for(sigstore, PUBLISH, of={WHEEL: other}), pypi)
    assert (
        f"  attestation/stale: {WHEEL}: {WHEEL}.publish.attestation is for sha256 {sha256(other)}, "
        f"not {sha256(FILES[WHEEL])}" in stderr
    )


def test_rejects_an_attestation_of_another_file(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    attestation_of_sdist = sigstore.attestation(SDIST, FILES[WHEEL])
    stderr = run_and_expect_refusal({f"{WHEEL}.publish.attestation": attestation_of_sdist}, pypi)
    assert f"attestation/stale: {WHEEL}: {WHEEL}.publish.attestation describes {SDIST}" in stderr


def test_accepts_another_spelling_of_the_filename(sigstore: Sigstore) -> None:
    differently_spelled = sigstore.attestation(WHEEL.replace("dipy", "Dipy", 1), FILES[WHEEL])
    result, _ = run_on_staged(
        {WHEEL: FILES[WHEEL], f"{WHEEL}.publish.attestation": differently_spelled}, "--until", "check"
    )
    assert result.exit_code == 0


TWO_SUBJECTS = [{"name": name, "digest": {"sha256": sha256(FILES[name])}} for name in FILES]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>not found</html>", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"{}", "version: Field required"),
        (sigstores.statement(WHEEL, b"", subjects=TWO_SUBJECTS), "it describes 2 files instead of one"),
        (sigstores.statement(WHEEL, b"", subjects=[]), "does not name the file that it describes"),
        (b"[]", "does not name the file that it describes"),
        (b"[" * 100_000, "nested too deeply"),
        (b"no statement", "Expecting value"),
    ],
)
def test_rejects_a_malformed_attestation(
    sigstore: Sigstore, pypi: PyPI, ci: Services, content: bytes, reason: str
) -> None:
    """``content`` is that of the attestation file, or of the statement signed in it."""
    is_attestation_file = reason.startswith(("Invalid", "version"))
    data = content if is_attestation_file else sigstore.attestation(WHEEL, FILES[WHEEL], content=content)
    stderr = run_and_expect_refusal({f"{WHEEL}.publish.attestation": data}, pypi)
    assert f"  attestation/malformed: {WHEEL}: {WHEEL}.publish.attestation: " in stderr
    assert reason in stderr


@pytest.mark.parametrize("profile", ["any", "pypi"])
def test_an_invalid_attestation_does_not_count_as_a_required_one(sigstore: Sigstore, profile: str) -> None:
    invalid = attestations_for(Sigstore(), PUBLISH, of={SDIST: FILES[SDIST]})
    files = {**FILES, f"{WHEEL}.publish.attestation": b"garbage", **invalid}
    options = ("--until", "check", "--attestations", "require", "--profile", profile)
    result, _ = run_on_staged(files, *options)
    assert result.exit_code == 6, result.output
    assert f"attestation/required: {WHEEL} and 1 more: it has no valid attestation" in result.stderr
    valid, _ = run_on_staged({**FILES, **attestations_for(sigstore, PUBLISH)}, "-c", *options)
    assert valid.exit_code == 0, valid.output


@pytest.mark.parametrize("serves", [True, False])
def test_confirms_that_the_index_serves_the_uploaded_attestations(
    sigstore: Sigstore, pypi: PyPI, ci: Services, serves: bool
) -> None:
    pypi.served.index.has_provenance = serves
    result, _ = run_on_staged({**FILES, **attestations_for(sigstore, PUBLISH, SLSA)}, *pypi.options)
    assert result.exit_code == 0, result.output
    assert ("same sha256, and the attestations of 2 files" in result.stdout) is serves
    missing = "the attestations of 2 files: the index does not serve them"
    assert (missing in " ".join(result.stdout.split())) is not serves


def test_other_attestations_on_the_index_are_a_conflict(
    sigstore: Sigstore, pypi: PyPI, ci: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = pypi.served.index
    index.has_provenance = True
    provenance = index.provenance

    def add_another(filename: str) -> str:
        other = json.loads(sigstore.attestation(WHEEL, FILES[WHEEL], predicate_type=SLSA))
        index.attestations[WHEEL] = [*index.attestations[WHEEL][:1], other]
        return provenance(filename)

    monkeypatch.setattr(index, "provenance", add_another)
    result, _ = run_on_staged({**FILES, **attestations_for(sigstore, PUBLISH)}, *pypi.options)
    assert result.exit_code == 7, result.output
    assert f"{WHEEL}: 1 attestation served that this run did not upload" in result.stderr


def test_rejects_a_predicate_type_unknown_to_pypi(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    data = sigstore.attestation(WHEEL, FILES[WHEEL], predicate_type="https://example.com/\x1b[31m/v1")
    stderr = run_and_expect_refusal({f"{WHEEL}.slsa.attestation": data}, pypi)
    assert f"attestation/predicate-type: {WHEEL}: {WHEEL}.slsa.attestation is of type " in stderr
    assert "\x1b" not in stderr


def test_rejects_two_attestations_of_the_same_type(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    twice = {f"{WHEEL}.{word}.attestation": sigstore.attestation(WHEEL, FILES[WHEEL]) for word in ("a", "b")}
    stderr = run_and_expect_refusal(twice, pypi)
    assert f"attestation/duplicate: {WHEEL}: {WHEEL}.a.attestation and {WHEEL}.b.attestation" in stderr


def test_rejects_an_attestation_of_an_untrusted_sigstore(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    stderr = run_and_expect_refusal(attestations_for(Sigstore(), PUBLISH), pypi)
    assert f"attestation/not-verified: {WHEEL} and 1 more: {WHEEL}.publish.attestation: " in stderr


@pytest.mark.parametrize("part", ["signature", "statement", "certificate", "log entry"])
def test_rejects_a_modified_attestation(sigstore: Sigstore, pypi: PyPI, ci: Services, part: str) -> None:
    """Replace one part with that of another valid attestation of the same file."""
    data, other = (json.loads(sigstore.attestation(WHEEL, FILES[WHEEL])) for _ in range(2))
    if part in {"signature", "statement"}:
        content = sigstores.statement(WHEEL, FILES[WHEEL]) + b" "
        other = json.loads(sigstore.attestation(WHEEL, FILES[WHEEL], content=content))
        data["envelope"][part] = other["envelope"][part]
    else:
        key = "certificate" if part == "certificate" else "transparency_entries"
        data["verification_material"][key] = other["verification_material"][key]
    stderr = run_and_expect_refusal({f"{WHEEL}.publish.attestation": json.dumps(data).encode()}, pypi)
    assert "attestation/not-verified" in stderr


def test_rejects_an_invalid_certificate(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    data = json.loads(sigstore.attestation(WHEEL, FILES[WHEEL]))
    data["verification_material"]["certificate"] = "AAAA"
    stderr = run_and_expect_refusal({f"{WHEEL}.publish.attestation": json.dumps(data).encode()}, pypi)
    assert "attestation/not-verified" in stderr


@pytest.mark.parametrize("local", [True, False])
def test_rejects_an_attestation_that_is_too_large(
    pypi: PyPI, ci: Services, tmp_path: Path, local: bool
) -> None:
    name = f"{WHEEL}.publish.attestation"
    if not local:
        stderr = run_and_expect_refusal({name: b" " * 600_000}, pypi)
        assert f"{name} is too large for an attestation (at most 524.3 kB)" in stderr
        return
    Path("dist").mkdir()
    Path("dist", WHEEL).write_bytes(FILES[WHEEL])
    Path("dist", name).write_bytes(b" " * 600_000)
    result = run("-u", "dist", *pypi.options, "dipy", "1.11.0")
    assert (result.exit_code, pypi.served.index.posts) == (6, [])
    assert "is too large for an attestation" in result.stderr
    assert not Path("wheelhouse", name).exists()


def test_rejects_an_attestation_with_another_hash_than_listed(pypi: PyPI, ci: Services) -> None:
    name = f"{WHEEL}.publish.attestation"
    site = Site({WHEEL: FILES[WHEEL], name: b"{}"})

    def serve_and_replace(request: Request) -> list[Step]:
        response = site(request)
        site.files[name] = b"[]"
        return response

    with ScriptedServer(serve_and_replace) as server:
        result = run("-u", server.url, *pypi.options, "dipy", "1.11.0")
    assert result.exit_code == 6
    assert f"its sha256 is {sha256(b'[]')}, but {sha256(b'{}')} was listed" in result.stderr
    assert not Path("wheelhouse", name).exists()


def test_rejects_an_attestation_with_another_size_than_listed(tmp_path: Path) -> None:
    name = f"{WHEEL}.publish.attestation"
    for size, reason in (
        (3, "it has 2 bytes, but 3 were listed"),
        (600_000, "is too large for an attestation"),
    ):
        files = [{"filename": name, "url": name, "hashes": {}, "size": size}]
        files.append({"filename": WHEEL, "url": WHEEL, "hashes": {}})
        page = json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": files}).encode()
        site = Site({WHEEL: FILES[WHEEL], name: b"{}"})
        index = answer(200, page, {"Content-Type": "application/vnd.pypi.simple.v1+json"})

        def serve_listing(request: Request, site: Site = site, index: bytes = index) -> list[Step]:
            return [index] if request.target == "/" else site(request)

        with ScriptedServer(serve_listing) as server:
            result = run("-u", server.url, "--until", "download", "dipy", "1.11.0")
        assert (result.exit_code, Path("wheelhouse", name).exists()) == (6, False)
        assert reason in result.stderr


def test_revalidates_with_a_server_that_sends_only_dates(sigstore: Sigstore) -> None:
    """Unchanged bytes are not written again, whatever the server responds."""
    headers = {"Last-Modified": "Mon, 02 Feb 2026 10:00:00 GMT", "Date": "Tue, 03 Feb 2026 10:00:00 GMT"}
    name = f"{WHEEL}.publish.attestation"
    files = {WHEEL: FILES[WHEEL], **attestations_for(sigstore, PUBLISH, of={WHEEL: FILES[WHEEL]})}
    dates_sent: list[str] = []

    class SiteWithDates(Site):
        def __call__(self, request: Request) -> list[Step]:
            if request.target.endswith(name):
                dates_sent.append(request.headers.get("if-modified-since", ""))
            return super().__call__(request)

    with ScriptedServer(SiteWithDates(files, hashes=False, headers=headers)) as server:
        options = ("-u", server.url, "--until", "download", "-v", "dipy", "1.11.0")
        first = run(*options)
        written = Path("wheelhouse", name).stat().st_mtime_ns
        second = run(*options)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert dates_sent == ["", headers["Last-Modified"]]
    assert f"{name}: unchanged" in second.stderr
    assert Path("wheelhouse", name).stat().st_mtime_ns == written


def test_rejects_a_partial_response(sigstore: Sigstore) -> None:
    name = f"{WHEEL}.publish.attestation"
    site = Site({WHEEL: FILES[WHEEL], name: b"{}"})

    def serve_partial(request: Request) -> list[Step]:
        part = {"Content-Range": "bytes 0-1/9"}
        return [answer(206, b"{}", part)] if request.target.endswith(name) else site(request)

    with ScriptedServer(serve_partial) as server:
        result = run("-u", server.url, "--until", "download", "--retries", "1", "dipy", "1.11.0")
    assert (result.exit_code, Path("wheelhouse", name).exists()) == (5, False)
    assert f"{name} returned status 206 for the whole file" in result.stderr


def test_fails_if_an_attestation_cannot_be_downloaded(pypi: PyPI, ci: Services) -> None:
    name = f"{WHEEL}.publish.attestation"

    class Missing(Site):
        def __call__(self, request: Request) -> list[Step]:
            if request.target.endswith(name):
                self.files.pop(name, None)
            return super().__call__(request)

    with ScriptedServer(Missing({**FILES, name: b"{}"})) as server:
        result = run("-u", server.url, *pypi.options, "dipy", "1.11.0")
    assert (result.exit_code, pypi.served.index.posts) == (5, [])
    assert name in result.stderr


def test_overwrites_an_attestation_only_with_clobber(sigstore: Sigstore) -> None:
    name = f"{WHEEL}.publish.attestation"
    files = {WHEEL: FILES[WHEEL], **attestations_for(sigstore, PUBLISH, of={WHEEL: FILES[WHEEL]})}
    Path("wheelhouse").mkdir()
    Path("wheelhouse", name).write_bytes(b"mine")
    result, _ = run_on_staged(files, "--until", "download")
    assert (result.exit_code, Path("wheelhouse", name).read_bytes()) == (6, b"mine")
    assert "differs from" in result.stderr
    result, _ = run_on_staged(files, "--until", "download", "-c")
    assert (result.exit_code, Path("wheelhouse", name).read_bytes()) == (0, files[name])
    Path("wheelhouse", name).write_bytes(b" " * 600_000)
    result, _ = run_on_staged(files, "--until", "download")
    assert (result.exit_code, "is too large for an attestation" in result.stderr) == (6, True)


def test_a_finding_about_an_attestation_can_be_ignored(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    """The user may override the local trust root; PyPI still decides."""
    pypi.served.index.refuse_attachment = lambda post: ""
    files = {**FILES, **attestations_for(Sigstore(), PUBLISH)}
    result, _ = run_on_staged(files, *pypi.options, "--ignore", "attestation/not-verified")
    assert result.exit_code == 0
    assert f"    2 by {PUBLISHER} (not verified)" in result.stdout


def test_never_uploads_a_malformed_attestation(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    files = {**FILES, **attestations_for(sigstore, PUBLISH), f"{WHEEL}.slsa.attestation": b"<html>"}
    result, _ = run_on_staged(files, *pypi.options, "--ignore", "attestation/malformed")
    assert (result.exit_code, pypi.sent) == (0, PUBLISH_FOR_BOTH)


def test_uploads_the_checked_attestation_if_the_file_changes_later(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    files = {**FILES, **attestations_for(sigstore, PUBLISH)}
    posted = pypi.served.index.refuse_attachment

    def overwrite_attestation(post: indexes.Post) -> str:
        Path("wheelhouse", f"{SDIST}.publish.attestation").write_bytes(b"{}")
        return posted(post)

    pypi.served.index.refuse_attachment = overwrite_attestation
    result, _ = run_on_staged(files, *pypi.options)
    assert (result.exit_code, pypi.served.index.posted_filenames()) == (0, [WHEEL, SDIST]), result.stderr
    sent = [json.loads(post.fields["attestations"]) for post in pypi.served.index.posts]
    assert sent == [[json.loads(files[f"{name}.publish.attestation"])] for name in (WHEEL, SDIST)]


# --- incomplete sets -------------------------------------------------------------------------------


def test_reports_a_file_without_an_attestation(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    one = attestations_for(sigstore, PUBLISH, of={WHEEL: FILES[WHEEL]})
    result, _ = run_on_staged({**FILES, **one}, "--until", "check", "--format", "json")
    findings = json.loads(result.stdout)["findings"]
    uneven = [item["subject"] for item in findings if item["check"] == "attestation/uneven"]
    assert (result.exit_code, uneven) == (0, [SDIST])
    stderr = run_and_expect_refusal(one, pypi, "--attestations", "require")
    assert f"attestation/required: {SDIST}: it has no attestation" in stderr
    stderr = run_and_expect_refusal({}, pypi, "--attestations", "require")
    assert f"attestation/required: {WHEEL} and 1 more: it has no attestation" in stderr


# --- targets without attestations ------------------------------------------------------------------


def test_uploads_no_attestations_to_other_indexes(sigstore: Sigstore) -> None:
    with indexes.scripted_index() as served:
        options = ("--repository-url", served.upload_url, "--index-url", served.index_url, *FAST_OPTIONS)
        env = ("--username", "me")
        files = {**FILES, **attestations_for(sigstore, PUBLISH)}
        site = Site(files)
        with ScriptedServer(site) as server:
            result = run(
                "-u", server.url, *options, *env, "dipy", "1.11.0", env={"TWINE_PASSWORD": "my-password"}
            )
            required_run = run("-u", server.url, *options, "--attestations", "require", "dipy", "1.11.0")
    assert result.exit_code == 0, result.output
    assert (
        f"attestations are not uploaded: only PyPI accepts attestations, {served.upload_url} does not"
        in result.stderr
    )
    assert [post.fields.get("attestations") for post in served.index.posts] == [None, None]
    assert required_run.exit_code == 2
    assert f"--attestations require: {served.upload_url} does not accept attestations" in required_run.stderr


def test_uploads_no_attestations_with_an_api_token(sigstore: Sigstore, pypi: PyPI) -> None:
    files = {**FILES, **attestations_for(sigstore, PUBLISH)}
    env = {"TWINE_PASSWORD": "pypi-AgOfAPerson123"}
    with ScriptedServer(Site(files)) as server:
        required = run(
            "-u", server.url, *pypi.options, "--attestations", "require", "dipy", "1.11.0", env=env
        )
        assert (required.exit_code, pypi.served.index.posts) == (4, [])
        result = run("-u", server.url, *pypi.options, "dipy", "1.11.0", env=env)
    assert "only from trusted publishers, not with an API token" in required.stderr
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [], SDIST: []})
    assert (
        "attestations are not uploaded: PyPI accepts attestations only from trusted publishers"
        in result.stderr
    )


# --- without the extra -----------------------------------------------------------------------------


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> object:
        return None if name == "pypi_attestations" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_uploads_nothing_unless_the_policy_is_none(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    files = {**FILES, **attestations_for(sigstore, PUBLISH)}
    result, site = run_on_staged(files, *pypi.options)
    assert (result.exit_code, site.fetched, pypi.served.index.posts) == (2, [], [])
    assert result.stderr.splitlines()[-2:] == [
        "error: 2 attestations are staged with the files, but pypi-attestations is not installed",
        ("next: pip install 'wheel-uploader[attestations]'; or publish without them: --attestations none."),
    ]
    result, _ = run_on_staged(files, *pypi.options, "--attestations", "none")
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [], SDIST: []})


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_reports_what_was_not_checked(sigstore: Sigstore) -> None:
    result, _ = run_on_staged(
        {**FILES, **attestations_for(sigstore, PUBLISH)}, "--until", "check", "--format", "json"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["not_checked"][0] == (
        "the attestations of the files, because pypi-attestations is not installed: "
        "pip install 'wheel-uploader[attestations]'"
    )
    for arguments, reason in (
        (("--attest", "--until", "sign"), "--attest: pypi-attestations is not installed"),
        (("--attestations", "require", "--until", "check"), "--attestations require: pypi-attestations"),
    ):
        result, site = run_on_staged(FILES, *arguments)
        assert (result.exit_code, site.fetched) == (2, [])
        assert reason in result.stderr


# --- creating attestations -------------------------------------------------------------------------


def test_creates_attestations_before_the_upload(pypi: PyPI, ci: Services) -> None:
    result, _ = run_on_staged(FILES, *pypi.options, "--attest", "--attestations", "require")
    assert result.exit_code == 0, result.output
    assert pypi.sent == PUBLISH_FOR_BOTH
    # All files share one certificate; each has its own log entry.
    assert ci.requested_paths.count("/api/v2/signingCert") == 1
    assert ci.requested_paths.count("/api/v1/log/entries") == 2
    assert f"    2 by {PUBLISHER} (verified)" in result.stdout
    assert Path("wheelhouse", f"{WHEEL}.publish.attestation").exists()


def test_attests_only_files_to_upload_without_an_attestation(
    sigstore: Sigstore, pypi: PyPI, ci: Services, tmp_path: Path
) -> None:
    slsa = attestations_for(sigstore, SLSA)
    pypi.served.index.files[SDIST] = FILES[SDIST]
    # The first file of this release on the index is old, so the release counts as closed.
    result, _ = run_on_staged({**FILES, **slsa}, *pypi.options, "--attest", "--ignore", "release/closed")
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [PUBLISH, SLSA]})
    assert ci.requested_paths.count("/api/v1/log/entries") == 1
    pypi.served.index.files.clear()
    pypi.served.index.posts.clear()
    # A valid attestation of an earlier run is kept; an invalid one is replaced.
    result, _ = run_on_staged({WHEEL: FILES[WHEEL]}, *pypi.options, "--attest")
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [PUBLISH]})
    assert ci.requested_paths.count("/api/v1/log/entries") == 1
    for stale in (b"{}", sigstore.attestation(WHEEL, b"other"), sigstore.attestation(SDIST, FILES[SDIST])):
        Path("wheelhouse", f"{WHEEL}.publish.attestation").write_bytes(stale)
        pypi.served.index.files.clear()
        assert run_on_staged({WHEEL: FILES[WHEEL]}, *pypi.options, "--attest")[0].exit_code == 0
    assert ci.requested_paths.count("/api/v1/log/entries") == 4


def test_a_dry_run_writes_nothing_to_the_transparency_log(pypi: PyPI, ci: Services) -> None:
    result, _ = run_on_staged(FILES, *pypi.options, "--attest", "--dry-run")
    # Only the identity is requested, which leaves no trace.
    assert (result.exit_code, ci.requested_paths) == (0, ["/identity"])


def test_missing_credentials_stop_the_run_before_the_transparency_log(pypi: PyPI, ci: Services) -> None:
    result, _ = run_on_staged(FILES, *pypi.options, "--attest", "--username", "me", hashes=False)
    assert result.exit_code == 0
    pypi.served.index.minted_token = ""
    pypi.served.index.files.clear()
    ci.requested_paths.clear()
    for path in Path("wheelhouse").glob("*.attestation"):
        path.unlink()
    result, _ = run_on_staged(FILES, *pypi.options, "--attest", hashes=False)
    assert (result.exit_code, set(ci.requested_paths)) == (4, {"/identity"})


def test_retries_a_temporary_failure_with_a_new_identity(pypi: PyPI, ci: Services) -> None:
    # The requests: initial identity, login, identity, certificate, and two log entries.
    ci.script = [None, None, None, 503, None, 502]
    result, _ = run_on_staged(FILES, *pypi.options, "--attest", "--retries", "4", "-v")
    assert (result.exit_code, pypi.sent) == (0, PUBLISH_FOR_BOTH)
    assert ci.requested_paths.count("/api/v2/signingCert") == 3
    assert "attempt 2 of 4" in result.stderr


@pytest.mark.parametrize("at", ["the first file", "the last file"])
def test_a_lasting_failure_stops_the_run_before_the_upload(pypi: PyPI, ci: Services, at: str) -> None:
    # The requests: initial identity, login, identity, certificate, then the log entries.
    successes: list[int | str | None] = [None] * (4 if at == "the first file" else 5)
    ci.script = [*successes, *[503] * 20]
    result, _ = run_on_staged(FILES, *pypi.options, "--attest")
    assert (result.exit_code, pypi.served.index.posts) == (12, []), result.output
    assert "could not be attested: Sigstore: " in result.stderr
    assert "  tried 2 times" in result.stderr
    assert (
        "next: Nothing was uploaded: run the same command again, or run it without --attest" in result.stderr
    )


def test_retries_if_sigstore_does_not_respond(
    pypi: PyPI, ci: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wheel_uploader.signing import sigstore_signer

    ci.script = [None, None, None, "silence"]
    monkeypatch.setattr(sigstore_signer, "ATTEMPT_TIMEOUT", 2.0)
    result, _ = run_on_staged({WHEEL: FILES[WHEEL]}, *pypi.options, "--attest", "-v")
    ci.stopped.set()
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [PUBLISH]})
    assert "Sigstore did not respond within 2 s" in result.stderr


def test_verifies_a_new_attestation_before_it_is_saved(
    pypi: PyPI, ci: Services, sigstore: Sigstore, tmp_path: Path
) -> None:
    """The log signs its entry with a key that is not in the trust root."""
    ci.sigstore._log_key = Sigstore()._log_key
    result, _ = run_on_staged(FILES, *pypi.options, "--attest")
    assert (result.exit_code, pypi.served.index.posts) == (12, [])
    assert "the new attestation does not verify: " in result.stderr
    assert not list(Path("wheelhouse").glob("*.attestation"))


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "no OIDC identity is available, so nothing can be attested"),
        ({"GITHUB_ACTIONS": "true"}, "this job is not allowed to request an OIDC identity"),
        (
            {
                "GITHUB_ACTIONS": "true",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
                "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/",
            },
            "could not obtain the CI job's OIDC identity: Sigstore: ",
        ),
    ],
    ids=["no CI", "no permission", "no response"],
)
def test_fails_without_an_identity_before_any_request(
    environment: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result, site = run_on_staged(FILES, "--attest", "--until", "sign")
    assert (result.exit_code, site.listings) == (12, [])
    assert f"error: {reason}" in result.stderr


def test_saves_new_attestations_without_an_upload(ci: Services) -> None:
    result, _ = run_on_staged(FILES, "--attest", "-n")
    assert result.exit_code == 0
    assert sorted(path.name for path in Path("wheelhouse").glob("*.attestation")) == sorted(
        f"{name}.publish.attestation" for name in FILES
    )


def test_pruning_removes_attestations_with_their_release(ci: Services) -> None:
    old = wheels.wheel_filename("dipy", "1.10.0", TAG)
    Path("wheelhouse").mkdir()
    Path("wheelhouse", old).write_bytes(wheels.wheel_bytes("dipy", "1.10.0", TAG))
    Path("wheelhouse", f"{old}.publish.attestation").write_bytes(b"{}")
    with indexes.scripted_index() as served:
        served.index.store(Path("wheelhouse", old))
        options = ("--repository-url", served.upload_url, "--index-url", served.index_url, *FAST_OPTIONS)
        login = ("--username", "me", "--no-compare")
        with ScriptedServer(Site(FILES)) as server:
            result = run(
                *("-u", server.url, *options, *login, "--keep-releases", "1", "--attest", "dipy", "1.11.0"),
                env={"TWINE_PASSWORD": "my-password"},
            )
    assert result.exit_code == 0, result.output
    wheelhouse_names = {path.name for path in Path("wheelhouse").iterdir() if path.is_file()}
    assert wheelhouse_names == {*FILES, *(f"{name}.publish.attestation" for name in FILES), "SHA256SUMS"}


# --- publishers ------------------------------------------------------------------------------------


def test_accepts_an_email_address_as_publisher(sigstore: Sigstore) -> None:
    address = x509.RFC822Name("builder@project.example")
    data = sigstore.attestation(WHEEL, FILES[WHEEL], identity=address)
    result, _ = run_on_staged({WHEEL: FILES[WHEEL], f"{WHEEL}.attestation": data}, "--until", "check")
    assert result.exit_code == 0
    assert "    1 by builder@project.example (verified)" in result.stdout


def test_does_not_redact_a_gitlab_workflow(sigstore: Sigstore) -> None:
    class GitLab(Identity):
        uri = "https://gitlab.com/dipy/dipy//.gitlab-ci.yml@refs/heads/main"

    data = sigstore.attestation(WHEEL, FILES[WHEEL], identity=GitLab())
    result, _ = run_on_staged({WHEEL: FILES[WHEEL], f"{WHEEL}.publish.attestation": data}, "--until", "check")
    assert "    1 by https://gitlab.com/dipy/dipy/.gitlab-ci.yml@refs/heads/main (verified)" in result.stdout


def test_escapes_hostile_text_from_a_certificate(sigstore: Sigstore) -> None:
    hostile_identity = Identity(workflow="\x1b]0;owned\x07::error::\u202e.yml")
    data = sigstore.attestation(WHEEL, FILES[WHEEL], identity=hostile_identity)
    files = {WHEEL: FILES[WHEEL], f"{WHEEL}.publish.attestation": data}
    for form in ("text", "json"):
        result, _ = run_on_staged(files, "--until", "check", "--format", form)
        assert not {"\x1b", "\x07", "\u202e"} & set(result.output)


def test_reports_an_unwritable_trust_root_cache(
    sigstore: Sigstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result, _ = run_on_staged({**FILES, **attestations_for(sigstore, PUBLISH)}, "--until", "check")
    assert result.exit_code == 13
    assert "sigstore's trust root: " in result.stderr
    assert "next: Set XDG_CACHE_HOME" in result.stderr


def test_the_attestations_extra_is_installed() -> None:
    assert attestations.is_attestation_extra_installed()

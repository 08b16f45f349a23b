"""Attestations: brought, read, verified, refused, posted along; and made, in a CI that has an identity."""

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

from tests.support import indexes, servers, sigstores, wheels
from tests.support.in_process import run
from tests.support.indexes import Served
from tests.support.scripted import Request, ScriptedServer, Step, answer
from tests.support.sigstores import PUBLISH, SLSA, Identity, Services, Sigstore
from tests.support.staging import Site, sha256
from wheel_uploader.http import retry
from wheel_uploader.report import formats_table
from wheel_uploader.signing import attestations

TAG = "cp312-cp312-win_amd64"
WHEEL = wheels.wheel_filename("dipy", "1.11.0", TAG)
SDIST = "dipy-1.11.0.tar.gz"
FILES = {WHEEL: wheels.wheel_bytes(tag=TAG), SDIST: wheels.sdist_bytes()}
TOKEN = "pypi-AgMintedForTheseTests"
SCHEMA = Path(formats_table.__file__).with_name("formats").joinpath("schema.json")
#: What came along with the posts when each had its publish attestation.
BOTH = {WHEEL: [PUBLISH], SDIST: [PUBLISH]}
MADE_BY = "https://github.com/dipy/dipy/.github/workflows/release.yml@refs/tags/v1"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, with a home of its own, outside any CI."""
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
    """The one whose root of trust is on this machine."""
    made = Sigstore()
    made.install(tmp_path / "cache")
    return made


@dataclass
class PyPI:
    """An index that is taken for PyPI, and verifies what comes along as PyPI does."""

    served: Served
    certificate: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--cert", str(self.certificate), "--index-url", self.served.index_url, *_QUICK)

    @property
    def sent(self) -> dict[str, list[str]]:
        """What came along with each file that was posted: the types, in their order."""
        return {post.filename: _types(post.fields.get("attestations")) for post in self.served.index.posts}


_QUICK = ("--non-interactive", "--confirm-timeout", "30")


def _types(field: str | None) -> list[str]:
    decoded = [Attestation.model_validate(each) for each in json.loads(field or "[]")]
    return [each.statement["predicateType"] for each in decoded]


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
    """A job of GitHub Actions that may have an identity, and Sigstore's services for it."""
    with sigstores.services(sigstore) as made:
        sigstore.install(tmp_path / "cache", made.url)
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        # The root of trust is on this machine: where it comes from cannot be asked here.
        production = functools.partial(ClientTrustConfig.production, offline=True)
        monkeypatch.setattr(ClientTrustConfig, "production", production)
        monkeypatch.setattr(retry, "compute_backoff", lambda error, attempt: 0.0)
        yield made


def beside(sigstore: Sigstore, *types: str, of: Mapping[str, bytes] = FILES) -> dict[str, bytes]:
    """Attestations of these types for each file, by name."""
    words = {PUBLISH: "publish", SLSA: "slsa"}
    return {
        f"{name}.{words[each]}.attestation": sigstore.attestation(name, data, predicate_type=each)
        for name, data in of.items()
        for each in types
    }


def staged(files: Mapping[str, bytes], *arguments: str, hashes: bool = True) -> tuple[Result, Site]:
    """The command against one staging place that has ``files``."""
    site = Site(files, hashes=hashes)
    with ScriptedServer(site) as server:
        result = run("-u", server.url, "--retries", "2", *arguments, "dipy", "1.11.0")
    assert "Traceback" not in result.output, result.output
    return result, site


def files_of(result: Result) -> dict[str, dict[str, object]]:
    return {file["filename"]: file for file in json.loads(result.stdout)["files"]}


# --- to the index ----------------------------------------------------------------------------------


def test_attestations_beside_the_files_go_to_pypi_with_them(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    result, site = staged({**FILES, **beside(sigstore, PUBLISH, SLSA)}, *pypi.options)
    assert result.exit_code == 0, result.output
    assert pypi.sent == {WHEEL: [PUBLISH, SLSA], SDIST: [PUBLISH, SLSA]}
    assert set(pypi.served.index.files) == set(FILES)
    assert sorted(site.fetched) == sorted([*FILES, *beside(sigstore, PUBLISH, SLSA)])
    assert "attestations: 2 of 2 files (2 publish, 2 slsa), uploaded with the files" in result.stdout
    assert f"    4 by {MADE_BY} (verified)" in result.stdout


def test_the_report_says_who_made_them_and_that_it_was_verified(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    result, _ = staged({**FILES, **beside(sigstore, PUBLISH)}, *pypi.options, "--format", "json")
    jsonschema.validate(json.loads(result.stdout), json.loads(SCHEMA.read_text()))
    assert files_of(result)[WHEEL]["attestations"] == [
        {
            "filename": f"{WHEEL}.publish.attestation",
            "predicate_type": PUBLISH,
            "kind": "publish",
            "publisher": MADE_BY,
            "verified": True,
            "problem": "",
            "made": False,
            "posted": True,
        }
    ]


def test_the_same_command_again_posts_nothing_and_fetches_nothing(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    files = {**FILES, **beside(sigstore, PUBLISH)}
    staged(files, *pypi.options)
    before = {path.name: path.read_bytes() for path in Path("wheelhouse").iterdir() if path.is_file()}
    assert before.keys() == {*files, "SHA256SUMS"}
    pypi.served.index.posts.clear()
    result, site = staged(files, *pypi.options)
    assert (result.exit_code, pypi.sent, site.fetched) == (0, {}, [])
    assert before == {path.name: path.read_bytes() for path in Path("wheelhouse").iterdir() if path.is_file()}


def test_a_server_without_hashes_is_asked_whether_they_are_still_the_same(
    sigstore: Sigstore, tmp_path: Path
) -> None:
    (tmp_path / "staged").mkdir()
    for name, data in {**FILES, **beside(sigstore, PUBLISH)}.items():
        (tmp_path / "staged" / name).write_bytes(data)
    with servers.nginx(tmp_path / "staged") as url:
        options = ("-u", url, "--until", "check", "--format", "json", "-v", "dipy", "1.11.0")
        first, second = run(*options), run(*options)
    assert (first.exit_code, second.exit_code) == (0, 0)
    for name in beside(sigstore, PUBLISH):
        assert f"{name}: downloaded" in first.stderr
        assert f"{name}: unchanged" in second.stderr


def test_a_local_folder(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    Path("dist").mkdir()
    for name, data in {**FILES, **beside(sigstore, PUBLISH)}.items():
        Path("dist", name).write_bytes(data)
    judged = run("-u", "dist", "--until", "check", "dipy", "1.11.0")
    assert (judged.exit_code, Path("wheelhouse").exists()) == (0, False)
    assert f"    2 by {MADE_BY} (verified)" in judged.stdout
    for house in ("wheelhouse", "dist"):
        pypi.served.index.files.clear()
        pypi.served.index.posts.clear()
        assert run("-u", "dist", "-w", house, *pypi.options, "dipy", "1.11.0").exit_code == 0
        assert pypi.sent == BOTH


def test_a_listing_shows_them_and_none_leaves_them_out(sigstore: Sigstore) -> None:
    files = {**FILES, **beside(sigstore, PUBLISH)}
    result, _ = staged(files, "--until", "list")
    assert "attestations: 2 listed, not verified" in result.stdout
    result, site = staged(files, "--until", "check", "--attestations", "none", "-v")
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
def test_what_is_about_no_file_of_the_release_is_not_taken(name: str, reason: str) -> None:
    result, site = staged({WHEEL: FILES[WHEEL], name: b"{}"}, "--until", "download", "-v")
    assert (result.exit_code, site.fetched) == (0, [WHEEL])
    assert reason in result.stderr


def test_two_places_with_different_attestations_of_one_name(sigstore: Sigstore) -> None:
    name = f"{WHEEL}.publish.attestation"
    with (
        ScriptedServer(Site({WHEEL: FILES[WHEEL], name: b"one"})) as one,
        ScriptedServer(Site({WHEEL: FILES[WHEEL], name: b"two"})) as two,
    ):
        result = run("-u", one.url, "-u", two.url, "--until", "download", "dipy", "1.11.0")
    assert result.exit_code == 6
    assert f"  {name}: different sha256 at {one.url} and {two.url}" in result.stderr


# --- what is refused -------------------------------------------------------------------------------


def refused(files: Mapping[str, bytes], pypi: PyPI, *arguments: str) -> str:
    """What is said when nothing is posted because of an attestation."""
    result, _ = staged({**FILES, **files}, *pypi.options, *arguments)
    assert (result.exit_code, pypi.served.index.posts) == (6, []), result.output
    return result.stderr


def test_an_attestation_of_a_wheel_that_was_built_again(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    other = wheels.wheel_bytes(tag=TAG, files={"dipy/more.py": b"x = 1\n"})
    said = refused(beside(sigstore, PUBLISH, of={WHEEL: other}), pypi)
    assert (
        f"  attestation/stale: {WHEEL}: {WHEEL}.publish.attestation is for sha256 {sha256(other)}, "
        f"not {sha256(FILES[WHEEL])}" in said
    )


def test_an_attestation_of_another_file(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    swapped = sigstore.attestation(SDIST, FILES[WHEEL])
    said = refused({f"{WHEEL}.publish.attestation": swapped}, pypi)
    assert f"attestation/stale: {WHEEL}: {WHEEL}.publish.attestation describes {SDIST}" in said


def test_another_spelling_of_the_name_is_the_same_file(sigstore: Sigstore) -> None:
    spelled = sigstore.attestation(WHEEL.replace("dipy", "Dipy", 1), FILES[WHEEL])
    result, _ = staged({WHEEL: FILES[WHEEL], f"{WHEEL}.publish.attestation": spelled}, "--until", "check")
    assert result.exit_code == 0


_TWO = [{"name": each, "digest": {"sha256": sha256(FILES[each])}} for each in FILES]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>not found</html>", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"{}", "version: Field required"),
        (sigstores.statement(WHEEL, b"", subjects=_TWO), "it describes 2 files instead of one"),
        (sigstores.statement(WHEEL, b"", subjects=[]), "does not name the file that it describes"),
        (b"[]", "does not name the file that it describes"),
        (b"[" * 100_000, "nested too deeply"),
        (b"no statement", "Expecting value"),
    ],
)
def test_what_is_no_attestation(
    sigstore: Sigstore, pypi: PyPI, ci: Services, content: bytes, why: str
) -> None:
    """The content of the file itself, or of the statement that is signed in it."""
    whole = why.startswith(("Invalid", "version"))
    data = content if whole else sigstore.attestation(WHEEL, FILES[WHEEL], content=content)
    said = refused({f"{WHEEL}.publish.attestation": data}, pypi)
    assert f"  attestation/malformed: {WHEEL}: {WHEEL}.publish.attestation: " in said
    assert why in said


def test_a_type_that_pypi_does_not_take(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    data = sigstore.attestation(WHEEL, FILES[WHEEL], predicate_type="https://example.com/\x1b[31m/v1")
    said = refused({f"{WHEEL}.slsa.attestation": data}, pypi)
    assert f"attestation/predicate-type: {WHEEL}: {WHEEL}.slsa.attestation is of type " in said
    assert "\x1b" not in said


def test_two_of_one_kind(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    twice = {f"{WHEEL}.{word}.attestation": sigstore.attestation(WHEEL, FILES[WHEEL]) for word in ("a", "b")}
    said = refused(twice, pypi)
    assert f"attestation/duplicate: {WHEEL}: {WHEEL}.a.attestation and {WHEEL}.b.attestation" in said


def test_one_that_another_sigstore_made(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    said = refused(beside(Sigstore(), PUBLISH), pypi)
    assert f"attestation/not-verified: {WHEEL} and 1 more: {WHEEL}.publish.attestation: " in said


@pytest.mark.parametrize("part", ["signature", "statement", "certificate", "log entry"])
def test_one_that_was_changed(sigstore: Sigstore, pypi: PyPI, ci: Services, part: str) -> None:
    """Each part is that of another good attestation of the same file."""
    data, other = (json.loads(sigstore.attestation(WHEEL, FILES[WHEEL])) for _ in range(2))
    if part in {"signature", "statement"}:
        content = sigstores.statement(WHEEL, FILES[WHEEL]) + b" "
        other = json.loads(sigstore.attestation(WHEEL, FILES[WHEEL], content=content))
        data["envelope"][part] = other["envelope"][part]
    else:
        key = "certificate" if part == "certificate" else "transparency_entries"
        data["verification_material"][key] = other["verification_material"][key]
    said = refused({f"{WHEEL}.publish.attestation": json.dumps(data).encode()}, pypi)
    assert "attestation/not-verified" in said


def test_a_certificate_that_is_none(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    data = json.loads(sigstore.attestation(WHEEL, FILES[WHEEL]))
    data["verification_material"]["certificate"] = "AAAA"
    said = refused({f"{WHEEL}.publish.attestation": json.dumps(data).encode()}, pypi)
    assert "attestation/not-verified" in said


@pytest.mark.parametrize("listed", [True, False])
def test_one_that_is_too_large(pypi: PyPI, ci: Services, tmp_path: Path, listed: bool) -> None:
    name = f"{WHEEL}.publish.attestation"
    if not listed:
        said = refused({name: b" " * 600_000}, pypi)
        assert f"{name} is too large for an attestation (at most 524.3 kB)" in said
        return
    Path("dist").mkdir()
    Path("dist", WHEEL).write_bytes(FILES[WHEEL])
    Path("dist", name).write_bytes(b" " * 600_000)
    result = run("-u", "dist", *pypi.options, "dipy", "1.11.0")
    assert (result.exit_code, pypi.served.index.posts) == (6, [])
    assert "is too large for an attestation" in result.stderr
    assert not Path("wheelhouse", name).exists()


def test_one_that_is_not_what_was_listed(pypi: PyPI, ci: Services) -> None:
    name = f"{WHEEL}.publish.attestation"
    site = Site({WHEEL: FILES[WHEEL], name: b"{}"})

    def changes(request: Request) -> list[Step]:
        answered = site(request)
        site.files[name] = b"[]"
        return answered

    with ScriptedServer(changes) as server:
        result = run("-u", server.url, *pypi.options, "dipy", "1.11.0")
    assert result.exit_code == 6
    assert f"its sha256 is {sha256(b'[]')}, but {sha256(b'{}')} was listed" in result.stderr
    assert not Path("wheelhouse", name).exists()


def test_one_of_another_size_than_was_listed(tmp_path: Path) -> None:
    name = f"{WHEEL}.publish.attestation"
    for size, why in ((3, "it has 2 bytes, but 3 were listed"), (600_000, "is too large for an attestation")):
        files = [{"filename": name, "url": name, "hashes": {}, "size": size}]
        files.append({"filename": WHEEL, "url": WHEEL, "hashes": {}})
        page = json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": files}).encode()
        site = Site({WHEEL: FILES[WHEEL], name: b"{}"})
        index = answer(200, page, {"Content-Type": "application/vnd.pypi.simple.v1+json"})

        def listed(request: Request, site: Site = site, index: bytes = index) -> list[Step]:
            return [index] if request.target == "/" else site(request)

        with ScriptedServer(listed) as server:
            result = run("-u", server.url, "--until", "download", "dipy", "1.11.0")
        assert (result.exit_code, Path("wheelhouse", name).exists()) == (6, False)
        assert why in result.stderr


def test_a_server_that_knows_dates_alone(sigstore: Sigstore) -> None:
    """Whatever it answers, equal bytes are not written again."""
    headers = {"Last-Modified": "Mon, 02 Feb 2026 10:00:00 GMT", "Date": "Tue, 03 Feb 2026 10:00:00 GMT"}
    name = f"{WHEEL}.publish.attestation"
    files = {WHEEL: FILES[WHEEL], **beside(sigstore, PUBLISH, of={WHEEL: FILES[WHEEL]})}
    asked: list[str] = []

    class Dated(Site):
        def __call__(self, request: Request) -> list[Step]:
            if request.target.endswith(name):
                asked.append(request.headers.get("if-modified-since", ""))
            return super().__call__(request)

    with ScriptedServer(Dated(files, hashes=False, headers=headers)) as server:
        options = ("-u", server.url, "--until", "download", "-v", "dipy", "1.11.0")
        first = run(*options)
        written = Path("wheelhouse", name).stat().st_mtime_ns
        second = run(*options)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert asked == ["", headers["Last-Modified"]]
    assert f"{name}: unchanged" in second.stderr
    assert Path("wheelhouse", name).stat().st_mtime_ns == written


def test_a_part_where_all_was_asked_for(sigstore: Sigstore) -> None:
    name = f"{WHEEL}.publish.attestation"
    site = Site({WHEEL: FILES[WHEEL], name: b"{}"})

    def partly(request: Request) -> list[Step]:
        part = {"Content-Range": "bytes 0-1/9"}
        return [answer(206, b"{}", part)] if request.target.endswith(name) else site(request)

    with ScriptedServer(partly) as server:
        result = run("-u", server.url, "--until", "download", "--retries", "1", "dipy", "1.11.0")
    assert (result.exit_code, Path("wheelhouse", name).exists()) == (5, False)
    assert f"{name} returned status 206 for the whole file" in result.stderr


def test_one_that_cannot_be_had_ends_the_run(pypi: PyPI, ci: Services) -> None:
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


def test_another_one_in_the_wheelhouse_is_overwritten_only_when_asked_to(sigstore: Sigstore) -> None:
    name = f"{WHEEL}.publish.attestation"
    files = {WHEEL: FILES[WHEEL], **beside(sigstore, PUBLISH, of={WHEEL: FILES[WHEEL]})}
    Path("wheelhouse").mkdir()
    Path("wheelhouse", name).write_bytes(b"mine")
    result, _ = staged(files, "--until", "download")
    assert (result.exit_code, Path("wheelhouse", name).read_bytes()) == (6, b"mine")
    assert "differs from" in result.stderr
    result, _ = staged(files, "--until", "download", "-c")
    assert (result.exit_code, Path("wheelhouse", name).read_bytes()) == (0, files[name])
    Path("wheelhouse", name).write_bytes(b" " * 600_000)
    result, _ = staged(files, "--until", "download")
    assert (result.exit_code, "is too large for an attestation" in result.stderr) == (6, True)


def test_what_is_found_can_be_accepted(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    """The person knows better than the root of trust on this machine; PyPI has the last word."""
    pypi.served.index.refuse_attachment = lambda post: ""
    files = {**FILES, **beside(Sigstore(), PUBLISH)}
    result, _ = staged(files, *pypi.options, "--ignore", "attestation/not-verified")
    assert result.exit_code == 0
    assert f"    2 by {MADE_BY} (not verified)" in result.stdout


def test_what_is_no_attestation_is_never_posted(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    files = {**FILES, **beside(sigstore, PUBLISH), f"{WHEEL}.slsa.attestation": b"<html>"}
    result, _ = staged(files, *pypi.options, "--ignore", "attestation/malformed")
    assert (result.exit_code, pypi.sent) == (0, BOTH)


def test_one_that_changes_after_it_was_checked_goes_up_as_it_was(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    files = {**FILES, **beside(sigstore, PUBLISH)}
    posted = pypi.served.index.refuse_attachment

    def meddle(post: indexes.Post) -> str:
        Path("wheelhouse", f"{SDIST}.publish.attestation").write_bytes(b"{}")
        return posted(post)

    pypi.served.index.refuse_attachment = meddle
    result, _ = staged(files, *pypi.options)
    assert (result.exit_code, pypi.served.index.posted_filenames()) == (0, [WHEEL, SDIST]), result.stderr
    sent = [json.loads(post.fields["attestations"]) for post in pypi.served.index.posts]
    assert sent == [[json.loads(files[f"{name}.publish.attestation"])] for name in (WHEEL, SDIST)]


# --- sets that are not whole -----------------------------------------------------------------------


def test_a_file_without_one_is_a_warning_or_an_error(sigstore: Sigstore, pypi: PyPI, ci: Services) -> None:
    one = beside(sigstore, PUBLISH, of={WHEEL: FILES[WHEEL]})
    result, _ = staged({**FILES, **one}, "--until", "check", "--format", "json")
    found = [each for each in json.loads(result.stdout)["findings"] if each["check"] == "attestation/uneven"]
    assert (result.exit_code, [each["subject"] for each in found]) == (0, [SDIST])
    said = refused(one, pypi, "--attestations", "require")
    assert f"attestation/required: {SDIST}: it has no attestation" in said
    said = refused({}, pypi, "--attestations", "require")
    assert f"attestation/required: {WHEEL} and 1 more: it has no attestation" in said


# --- who takes none --------------------------------------------------------------------------------


def test_an_index_that_is_not_pypi_is_told_so(sigstore: Sigstore) -> None:
    with indexes.scripted_index() as served:
        options = ("--repository-url", served.upload_url, "--index-url", served.index_url, *_QUICK)
        env = ("--username", "me")
        files = {**FILES, **beside(sigstore, PUBLISH)}
        site = Site(files)
        with ScriptedServer(site) as server:
            result = run(
                "-u", server.url, *options, *env, "dipy", "1.11.0", env={"TWINE_PASSWORD": "my-password"}
            )
            wanted = run("-u", server.url, *options, "--attestations", "require", "dipy", "1.11.0")
    assert result.exit_code == 0, result.output
    assert (
        f"attestations are not uploaded: only PyPI accepts attestations, {served.upload_url} does not"
        in result.stderr
    )
    assert [post.fields.get("attestations") for post in served.index.posts] == [None, None]
    assert wanted.exit_code == 2
    assert f"--attestations require: {served.upload_url} does not accept attestations" in wanted.stderr


def test_a_token_is_no_trusted_publisher(sigstore: Sigstore, pypi: PyPI) -> None:
    files = {**FILES, **beside(sigstore, PUBLISH)}
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
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> object:
        return None if name == "pypi_attestations" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


@pytest.mark.usefixtures("without_the_extra")
def test_without_the_extra_nothing_is_posted_unless_the_person_says_so(
    sigstore: Sigstore, pypi: PyPI, ci: Services
) -> None:
    files = {**FILES, **beside(sigstore, PUBLISH)}
    result, site = staged(files, *pypi.options)
    assert (result.exit_code, site.fetched, pypi.served.index.posts) == (2, [], [])
    assert result.stderr.splitlines()[-2:] == [
        "error: 2 attestations are staged with the files, but pypi-attestations is not installed",
        ("next: pip install 'wheel-uploader[attestations]'; or publish without them: --attestations none."),
    ]
    result, _ = staged(files, *pypi.options, "--attestations", "none")
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [], SDIST: []})


@pytest.mark.usefixtures("without_the_extra")
def test_without_the_extra_a_check_says_what_it_did_not_look_at(sigstore: Sigstore) -> None:
    result, _ = staged({**FILES, **beside(sigstore, PUBLISH)}, "--until", "check", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["not_checked"][0] == (
        "the attestations of the files, because pypi-attestations is not installed: "
        "pip install 'wheel-uploader[attestations]'"
    )
    for arguments, why in (
        (("--attest", "--until", "sign"), "--attest: pypi-attestations is not installed"),
        (("--attestations", "require", "--until", "check"), "--attestations require: pypi-attestations"),
    ):
        result, site = staged(FILES, *arguments)
        assert (result.exit_code, site.fetched) == (2, [])
        assert why in result.stderr


# --- making them -----------------------------------------------------------------------------------


def test_attestations_are_made_before_anything_is_posted(pypi: PyPI, ci: Services) -> None:
    result, _ = staged(FILES, *pypi.options, "--attest", "--attestations", "require")
    assert result.exit_code == 0, result.output
    assert pypi.sent == BOTH
    # One certificate for all files, one entry in the log for each.
    assert ci.requested_paths.count("/api/v2/signingCert") == 1
    assert ci.requested_paths.count("/api/v1/log/entries") == 2
    assert f"    2 by {MADE_BY} (verified)" in result.stdout
    assert Path("wheelhouse", f"{WHEEL}.publish.attestation").exists()


def test_only_what_has_none_and_is_to_be_posted_is_attested(
    sigstore: Sigstore, pypi: PyPI, ci: Services, tmp_path: Path
) -> None:
    slsa = beside(sigstore, SLSA)
    pypi.served.index.files[SDIST] = FILES[SDIST]
    # The index says that it began this release long ago.
    result, _ = staged({**FILES, **slsa}, *pypi.options, "--attest", "--ignore", "release/closed")
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [PUBLISH, SLSA]})
    assert ci.requested_paths.count("/api/v1/log/entries") == 1
    pypi.served.index.files.clear()
    pypi.served.index.posts.clear()
    # What an earlier run made is kept; what holds no more is made again.
    result, _ = staged({WHEEL: FILES[WHEEL]}, *pypi.options, "--attest")
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [PUBLISH]})
    assert ci.requested_paths.count("/api/v1/log/entries") == 1
    for stale in (b"{}", sigstore.attestation(WHEEL, b"other"), sigstore.attestation(SDIST, FILES[SDIST])):
        Path("wheelhouse", f"{WHEEL}.publish.attestation").write_bytes(stale)
        pypi.served.index.files.clear()
        assert staged({WHEEL: FILES[WHEEL]}, *pypi.options, "--attest")[0].exit_code == 0
    assert ci.requested_paths.count("/api/v1/log/entries") == 4


def test_a_dry_run_enters_nothing_into_the_log(pypi: PyPI, ci: Services) -> None:
    result, _ = staged(FILES, *pypi.options, "--attest", "--dry-run")
    # The identity alone is tried, which leaves no trace.
    assert (result.exit_code, ci.requested_paths) == (0, ["/identity"])


def test_missing_credentials_are_missed_before_anything_is_entered_into_the_log(
    pypi: PyPI, ci: Services
) -> None:
    result, _ = staged(FILES, *pypi.options, "--attest", "--username", "me", hashes=False)
    assert result.exit_code == 0
    pypi.served.index.minted_token = ""
    pypi.served.index.files.clear()
    ci.requested_paths.clear()
    for path in Path("wheelhouse").glob("*.attestation"):
        path.unlink()
    result, _ = staged(FILES, *pypi.options, "--attest", hashes=False)
    assert (result.exit_code, set(ci.requested_paths)) == (4, {"/identity"})


def test_what_passes_is_tried_again_with_a_new_identity(pypi: PyPI, ci: Services) -> None:
    # The trial at the start, and the login; then an identity and a certificate, an entry and another.
    ci.script = [None, None, None, 503, None, 502]
    result, _ = staged(FILES, *pypi.options, "--attest", "--retries", "4", "-v")
    assert (result.exit_code, pypi.sent) == (0, BOTH)
    assert ci.requested_paths.count("/api/v2/signingCert") == 3
    assert "attempt 2 of 4" in result.stderr


@pytest.mark.parametrize("at", ["the first file", "the last file"])
def test_what_does_not_pass_ends_the_run_before_anything_is_posted(pypi: PyPI, ci: Services, at: str) -> None:
    # The trial at the start, the login, an identity, a certificate; then an entry.
    good: list[int | str | None] = [None] * (4 if at == "the first file" else 5)
    ci.script = [*good, *[503] * 20]
    result, _ = staged(FILES, *pypi.options, "--attest")
    assert (result.exit_code, pypi.served.index.posts) == (12, []), result.output
    assert "could not be attested: Sigstore: " in result.stderr
    assert "  tried 2 times" in result.stderr
    assert (
        "next: Nothing was uploaded: run the same command again, or run it without --attest" in result.stderr
    )


def test_a_sigstore_that_says_nothing(pypi: PyPI, ci: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from wheel_uploader.signing import sigstore_signer

    ci.script = [None, None, None, "silence"]
    monkeypatch.setattr(sigstore_signer, "ATTEMPT_TIMEOUT", 2.0)
    result, _ = staged({WHEEL: FILES[WHEEL]}, *pypi.options, "--attest", "-v")
    ci.stopped.set()
    assert (result.exit_code, pypi.sent) == (0, {WHEEL: [PUBLISH]})
    assert "Sigstore did not respond within 2 s" in result.stderr


def test_what_was_made_is_verified_before_it_is_kept(
    pypi: PyPI, ci: Services, sigstore: Sigstore, tmp_path: Path
) -> None:
    """The log gives an entry that the root of trust does not know."""
    ci.sigstore._log_key = Sigstore()._log_key
    result, _ = staged(FILES, *pypi.options, "--attest")
    assert (result.exit_code, pypi.served.index.posts) == (12, [])
    assert "the new attestation does not verify: " in result.stderr
    assert not list(Path("wheelhouse").glob("*.attestation"))


@pytest.mark.parametrize(
    ("environment", "why"),
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
    ids=["no CI", "no permission", "no answer"],
)
def test_without_an_identity_it_ends_before_anything_is_asked(
    environment: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result, site = staged(FILES, "--attest", "--until", "sign")
    assert (result.exit_code, site.listings) == (12, [])
    assert f"error: {why}" in result.stderr


def test_an_attestation_for_another_index_stays_in_the_wheelhouse(ci: Services) -> None:
    result, _ = staged(FILES, "--attest", "-n")
    assert result.exit_code == 0
    assert sorted(path.name for path in Path("wheelhouse").glob("*.attestation")) == sorted(
        f"{name}.publish.attestation" for name in FILES
    )


def test_they_leave_the_wheelhouse_with_the_release_that_they_are_about(ci: Services) -> None:
    old = wheels.wheel_filename("dipy", "1.10.0", TAG)
    Path("wheelhouse").mkdir()
    Path("wheelhouse", old).write_bytes(wheels.wheel_bytes("dipy", "1.10.0", TAG))
    Path("wheelhouse", f"{old}.publish.attestation").write_bytes(b"{}")
    with indexes.scripted_index() as served:
        served.index.store(Path("wheelhouse", old))
        options = ("--repository-url", served.upload_url, "--index-url", served.index_url, *_QUICK)
        login = ("--username", "me", "--no-compare")
        with ScriptedServer(Site(FILES)) as server:
            result = run(
                *("-u", server.url, *options, *login, "--keep-releases", "1", "--attest", "dipy", "1.11.0"),
                env={"TWINE_PASSWORD": "my-password"},
            )
    assert result.exit_code == 0, result.output
    here = {path.name for path in Path("wheelhouse").iterdir() if path.is_file()}
    assert here == {*FILES, *(f"{name}.publish.attestation" for name in FILES), "SHA256SUMS"}


# --- who made it -----------------------------------------------------------------------------------


def test_an_address_is_a_publisher_too(sigstore: Sigstore) -> None:
    who = x509.RFC822Name("builder@project.example")
    data = sigstore.attestation(WHEEL, FILES[WHEEL], identity=who)
    result, _ = staged({WHEEL: FILES[WHEEL], f"{WHEEL}.attestation": data}, "--until", "check")
    assert result.exit_code == 0
    assert "    1 by builder@project.example (verified)" in result.stdout


def test_a_workflow_of_gitlab_is_no_password(sigstore: Sigstore) -> None:
    class GitLab(Identity):
        uri = "https://gitlab.com/dipy/dipy//.gitlab-ci.yml@refs/heads/main"

    data = sigstore.attestation(WHEEL, FILES[WHEEL], identity=GitLab())
    result, _ = staged({WHEEL: FILES[WHEEL], f"{WHEEL}.publish.attestation": data}, "--until", "check")
    assert "    1 by https://gitlab.com/dipy/dipy/.gitlab-ci.yml@refs/heads/main (verified)" in result.stdout


def test_what_a_certificate_says_is_made_harmless(sigstore: Sigstore) -> None:
    hostile = Identity(workflow="\x1b]0;owned\x07::error::\u202e.yml")
    data = sigstore.attestation(WHEEL, FILES[WHEEL], identity=hostile)
    files = {WHEEL: FILES[WHEEL], f"{WHEEL}.publish.attestation": data}
    for form in ("text", "json"):
        result, _ = staged(files, "--until", "check", "--format", form)
        assert not {"\x1b", "\x07", "\u202e"} & set(result.output)


def test_a_root_of_trust_that_cannot_be_kept(
    sigstore: Sigstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result, _ = staged({**FILES, **beside(sigstore, PUBLISH)}, "--until", "check")
    assert result.exit_code == 13
    assert "sigstore's trust root: " in result.stderr
    assert "next: Set XDG_CACHE_HOME" in result.stderr


def test_the_extra_is_here() -> None:
    assert attestations.is_attestation_extra_installed()

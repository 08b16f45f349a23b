"""Test uploads with twine to pypiserver and devpi, and to a scripted index with many kinds of failures."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import random
import socket
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.soak import storms
from tools.testing import indexes, wheels
from tools.testing.indexes import (
    Cut,
    Devpi,
    Drip,
    Hang,
    Reply,
    Reset,
    ScriptedIndex,
    Served,
    SlowRead,
    VirtualTime,
    local_file,
)
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    PartialError,
    StorageError,
    UsageError,
)
from wheel_uploader.core.models import (
    Attestation,
    AttestationPolicy,
    FileComparison,
    FileStatus,
    IndexComparison,
    LocalFile,
    Options,
    Signature,
    UploadResult,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.core.verified_file import BLOCK_SIZE
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import IndexClient, compare_with_index, derive_simple_urls
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.index.target import Target
from wheel_uploader.upload.attachments import Attachments
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.upload.scheduler import upload_all, upload_error
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

SECRET = "pass/word-é-9"


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run without .pypirc, keyring and netrc, and by default with an index that needs no credentials."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", "/dev/null")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("REPOSITORY", "REPOSITORY_URL", "CERT"):
        monkeypatch.delenv(f"TWINE_{name}", raising=False)
    monkeypatch.setenv("TWINE_USERNAME", "")
    monkeypatch.setenv("TWINE_PASSWORD", "")
    monkeypatch.setenv("TWINE_NON_INTERACTIVE", "1")


@pytest.fixture
def release(tmp_path: Path) -> list[LocalFile]:
    return [local_file(path) for path in wheels.make_release(tmp_path / "release")]


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


class UploadRun:
    """The uploader and the client of one index, as in the pipeline, with pauses in virtual time."""

    def __init__(
        self,
        upload_url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        cert: Path | None = None,
        client_cert: Path | None = None,
        timeout: float = 5.0,
        signatures: Sequence[Signature] = (),
    ) -> None:
        # Skip validation, because these tests need timeouts below one second.
        options = Options.unchecked(
            project="dipy",
            version="1.11.0",
            urls=("https://staging.example.com/",),
            repository_url=upload_url,
            username=username,
            password=password,
            cert=cert,
            client_cert=client_cert,
            timeout=timeout,
        )
        self.time = VirtualTime()
        self.uploader = TwineUploader(options, resolve_target(options), SilentProgress())
        self.uploader.set_signatures(signatures)
        urls = derive_simple_urls(upload_url)
        self.http = HttpClient(user_urls=urls, sleep=self.time.sleep, timeout=timeout, retries=2)
        self.index = IndexClient(self.http, *urls)

    def plan(self, files: Sequence[LocalFile]) -> tuple[IndexComparison, ...]:
        return compare_with_index(
            self.index.fetch_project("dipy", revalidate=True), files, self.index.get_sha256
        )

    def publish(
        self, files: Sequence[LocalFile], *, jobs: int = 1, keep_going: bool = False
    ) -> tuple[UploadResult, ...]:
        return upload_all(
            self.plan(files),
            self.uploader,
            lambda file: self.index.fetch_file_state("dipy", file),
            progress=SilentProgress(),
            jobs=jobs,
            keep_going=keep_going,
            sleep=self.time.sleep,
        )


@pytest.fixture
def run() -> Iterator[Callable[..., UploadRun]]:
    runs: list[UploadRun] = []

    def make(upload_url: str, **values: object) -> UploadRun:
        runs.append(UploadRun(upload_url, **values))  # type: ignore[arg-type]
        return runs[-1]

    yield make
    for instance in runs:
        instance.uploader.close()
        instance.http.__exit__()


def outcomes(results: Sequence[UploadResult]) -> set[FileStatus]:
    return {result.outcome for result in results}


def same_bytes(files: Sequence[LocalFile]) -> dict[str, bytes]:
    return {file.filename: file.path.read_bytes() for file in files}


# --- real servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_uploads_a_release_to_pypiserver(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., UploadRun], algorithm: str
) -> None:
    store = tmp_path / "store"
    with indexes.pypiserver(store, hash_algorithm=algorithm) as url:
        results = run(url).publish(release, jobs=3)
        assert outcomes(results) == {FileStatus.UPLOADED}
        assert {path.name: path.read_bytes() for path in store.iterdir()} == same_bytes(release)
        again = run(url)
        assert outcomes(again.publish(release)) == {FileStatus.SKIPPED}
        confirmations = confirm_files(again.index, "dipy", release, timeout=0, progress=SilentProgress())
        assert [confirmation.sha256 for confirmation in confirmations] == [file.sha256 for file in release]


def test_pypiserver_requires_a_password(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    store = tmp_path / "store"
    with indexes.pypiserver(store, users={"me": SECRET}) as url:
        without_login = upload_error(run(url).publish(release[:2]))
        wrong = upload_error(run(url, username="me", password="wrong-pass-1").publish(release[:2]))
        assert list(store.iterdir()) == []
        with_login = run(url, username="me", password=SECRET).publish(release[:2])
    for failure in (without_login, wrong):
        assert isinstance(failure, CredentialsError)
        assert "the index rejected the credentials" in failure.message
        assert "wrong-pass-1" not in failure.message
    assert outcomes(with_login) == {FileStatus.UPLOADED}


def test_pypiserver_reports_an_existing_file(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    """Another run uploads the files after this run has made its plan."""
    store = tmp_path / "store"
    with indexes.pypiserver(store) as url:
        first_run = run(url)
        plan = first_run.plan(release[:2])
        (store / release[0].filename).write_bytes(release[0].path.read_bytes())
        (store / release[1].filename).write_bytes(wheels.wheel_bytes(files={"other.py": b""}))
        results = upload_all(
            plan,
            first_run.uploader,
            lambda file: first_run.index.fetch_file_state("dipy", file),
            progress=SilentProgress(),
            keep_going=True,
        )
    assert [result.outcome for result in results] == [FileStatus.SKIPPED, FileStatus.CONFLICT]
    assert isinstance(results[1].error, ConflictError)


@pytest.mark.parametrize("volatile", [False, True])
def test_uploads_a_release_to_devpi(
    devpi: Devpi, release: list[LocalFile], run: Callable[..., UploadRun], volatile: bool
) -> None:
    url = devpi.make_index(f"release-{volatile}".lower(), volatile=volatile)
    first = run(url, username=devpi.user, password=devpi.password)
    assert not first.index.fetch_project("dipy").exists
    assert outcomes(first.publish(release, jobs=3)) == {FileStatus.UPLOADED}
    assert first.index.url == f"{url}+simple/"
    confirmations = confirm_files(first.index, "dipy", release, timeout=0, progress=SilentProgress())
    assert [confirmation.sha256 for confirmation in confirmations] == [file.sha256 for file in release]
    again = run(url, username=devpi.user, password=devpi.password)
    assert outcomes(again.publish(release)) == {FileStatus.SKIPPED}


def test_devpi_rejects_uploads(
    tmp_path: Path, devpi: Devpi, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    url = devpi.make_index("says-no", volatile=False)
    login = {"username": devpi.user, "password": devpi.password}
    run(url, **login).publish(release[:1])
    other = local_file(wheels.make_wheel(tmp_path / "other", tag=wheels.RELEASE_TAGS[0]))
    assert run(url, **login).plan([other])[0].result is FileComparison.DIFFERENT
    exists = run(url, **login).uploader.upload(other)
    assert (exists.kind, exists.status) == (ResponseKind.EXISTS, 409)
    assert exists.server_message.endswith("already exists in non-volatile index")
    without_login = run(url).uploader.upload(release[1])
    assert (without_login.status, without_login.error_type) == (401, CredentialsError)
    wrong = run(url, username=devpi.user, password="wrong-pass-2").uploader.upload(release[1])
    assert wrong.error_type is CredentialsError
    elsewhere = run(f"{devpi.url}alice/no-such/", **login).uploader.upload(release[1])
    assert elsewhere.error_type is UsageError


# --- requests --------------------------------------------------------------------------------------


def test_sends_the_expected_form_and_headers(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    response = run(served.upload_url, username="me", password=SECRET).uploader.upload(release[0])
    assert response.kind is ResponseKind.ACCEPTED
    [post] = served.index.posts
    assert (post.filename, post.content) == (release[0].filename, release[0].path.read_bytes())
    assert post.fields[":action"] == "file_upload"
    assert post.fields["name"] == "dipy"
    assert post.fields["sha256_digest"] == release[0].sha256
    assert post.fields["blake2_256_digest"] == hashlib.blake2b(post.content, digest_size=32).hexdigest()
    assert post.headers["Accept"] == "application/json"
    assert "twine" in post.headers["User-Agent"]
    assert post.headers["Authorization"] == indexes.basic("me", SECRET)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("X-Odd: 1", "unrecognized or malformed field 'x-odd'"),
        ("Requires-Python: three", "'three' is invalid for 'requires-python'"),
        ("Requires-Dist: ???", "'???' is invalid for 'requires-dist'"),
    ],
)
def test_does_not_upload_metadata_that_twine_rejects(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun], line: str, reason: str
) -> None:
    metadata = f"Metadata-Version: 2.1\nName: dipy\nVersion: 1.11.0\n{line}\n"
    path = wheels.make_wheel(tmp_path / "odd", metadata=metadata)
    with pytest.raises(FileError) as caught:
        run(served.upload_url).uploader.upload(local_file(path))
    assert caught.value.message.startswith(
        f"twine rejects {path.name}: Invalid distribution metadata: {reason}"
    )
    assert caught.value.hint == "Rebuild the file, then run the command again."
    assert served.index.posts == []


@pytest.mark.parametrize(
    ("is_pypi", "trusted", "policy", "reason", "sent"),
    [
        (False, True, AttestationPolicy.AUTO, "only PyPI accepts attestations, the index does not", 0),
        (True, False, AttestationPolicy.AUTO, "PyPI accepts attestations only from trusted publishers", 0),
        (True, True, AttestationPolicy.AUTO, "", 2),
        (True, True, AttestationPolicy.REQUIRE, "", 2),
    ],
)
def test_sends_attestations_only_to_pypi_from_a_trusted_publisher(
    release: list[LocalFile],
    is_pypi: bool,
    trusted: bool,
    policy: AttestationPolicy,
    reason: str,
    sent: int,
) -> None:
    attestations, package = attestations_of(release[0]), types.SimpleNamespace(attestations=None)
    attachments = Attachments(Target(url="https://x.example.org/", is_pypi=is_pypi, name="the index"))
    assert attachments.set_attestations(attestations, policy, is_trusted_publisher=trusted).startswith(reason)
    attachments.attach_to(package, release[0])
    # The third attestation is malformed.
    assert (package.attestations or []) == [{"number": 1}, {"number": 2}][:sent]
    other = types.SimpleNamespace(attestations=None)
    attachments.attach_to(other, release[1])
    assert other.attestations is None


def test_fails_if_required_attestations_are_not_accepted(release: list[LocalFile]) -> None:
    attachments = Attachments(Target(url="https://x.example.org/", is_pypi=True, name="pypi"))
    with pytest.raises(CredentialsError, match=r"--attestations require: .* not with an API token"):
        attachments.set_attestations(
            attestations_of(release[0]), AttestationPolicy.REQUIRE, is_trusted_publisher=False
        )


def attestations_of(file: LocalFile) -> list[Attestation]:
    """Return two attestations of a file, out of order, and a malformed one."""
    return [
        Attestation(
            subject_filename=file.filename,
            path=file.path.with_name(f"{file.filename}.{kind}.attestation"),
            short_type=kind,
            content=json.dumps({"number": number}).encode(),
            malformed_reason="" if number else "it is damaged",
        )
        for number, kind in ((2, "slsa"), (0, "other"), (1, "publish"))
    ]


def test_sends_the_file_type_and_python_version(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    upload_run = run(served.upload_url)
    for file in release:
        assert upload_run.uploader.upload(file).kind is ResponseKind.ACCEPTED
    kinds = {
        post.filename: (post.fields["filetype"], post.fields["pyversion"]) for post in served.index.posts
    }
    assert kinds.pop("dipy-1.11.0.tar.gz") == ("sdist", "source")
    assert len(kinds) == 5
    for filename, kind in kinds.items():
        assert kind == ("bdist_wheel", filename.split("-")[2])
    for post in served.index.posts:
        assert (post.fields["protocol_version"], post.fields["version"]) == ("1", "1.11.0")
        assert post.fields["metadata_version"] == "2.1"


@pytest.mark.parametrize(("version", "posted"), [("2.1", False), ("2.3", False), ("2.4", True)])
def test_sends_license_files_only_from_metadata_2_4(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun], version: str, posted: bool
) -> None:
    text = f"Metadata-Version: {version}\nName: dipy\nVersion: 1.11.0\nLicense-File: LICENSE\n"
    path = wheels.make_wheel(tmp_path / "made", metadata=text)
    assert run(served.upload_url).uploader.upload(local_file(path)).kind is ResponseKind.ACCEPTED
    [post] = served.index.posts
    assert ("license_file" in post.fields or "license_files" in post.fields) is posted


def test_netrc_is_not_read(
    tmp_path: Path,
    served: Served,
    release: list[LocalFile],
    run: Callable[..., UploadRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin other\npassword netrc-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    run(served.upload_url).uploader.upload(release[0])
    assert "Authorization" not in served.index.posts[0].headers


def test_uploads_signatures_with_their_files(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., UploadRun], served: Served
) -> None:
    signatures = []
    for file in release[:2]:
        path = file.path.with_name(f"{file.filename}.asc")
        path.write_text("-----BEGIN PGP SIGNATURE-----\n")
        signatures.append(
            Signature(filename=file.filename, path=path, fingerprint="0" * 40, content=path.read_bytes())
        )
    run(served.upload_url, signatures=signatures).publish(release[:3])
    assert {post.filename: post.signature for post in served.index.posts} == {
        release[0].filename: f"{release[0].filename}.asc",
        release[1].filename: f"{release[1].filename}.asc",
        release[2].filename: "",
    }
    store = tmp_path / "store"
    with indexes.pypiserver(store) as url:
        run(url, signatures=signatures).publish(release[:1])
    assert (store / f"{release[0].filename}.asc").exists()


def test_twine_prints_nothing(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun], capfd: pytest.CaptureFixture[str]
) -> None:
    served.index.script = [Reply(503)]
    run(served.upload_url, username="me", password=SECRET).publish(release[:2])
    assert capfd.readouterr() == ("", "")


def test_progress_is_reset_after_a_failed_upload(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun]
) -> None:
    class Counting(SilentProgress):
        count = 0

        def advance(self, count: int) -> None:
            self.count += count
            moves.append(count)

    moves: list[int] = []
    large_file = local_file(wheels.make_wheel(tmp_path, files={"dipy/big.bin": bytes(range(256)) * 4000}))
    uploader, counting = run(served.upload_url).uploader, Counting()
    uploader._progress = counting
    served.index.script = [Reply(503)]
    uploader.upload(large_file)
    assert counting.count == 0
    assert max(moves) > 0
    uploader.upload(large_file)
    assert counting.count == large_file.size


# --- uploaded bytes are the checked bytes ----------------------------------------------------------


def test_rejects_a_file_changed_after_the_check(
    tmp_path: Path, served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    wheels.make_wheel(release[0].path.parent, tag=wheels.RELEASE_TAGS[0], files={"dipy/evil.py": b""})
    results = run(served.upload_url).publish(release[:1])
    error = upload_error(results)
    assert isinstance(error, FileError)
    assert error.message.startswith(
        f"{release[0].path} changed during the run: its sha256 was {release[0].sha256} and is "
    )
    assert served.index.posts == []


def test_reports_a_deleted_file(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    release[-1].path.unlink()
    error = upload_error(run(served.upload_url).publish(release[-1:]))
    assert isinstance(error, StorageError | FileError)
    assert release[-1].filename in error.message
    assert served.index.posts == []


def test_uploads_a_file_that_is_deleted_during_the_upload(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    uploader = run(served.upload_url).uploader
    content = release[0].path.read_bytes()
    send = uploader._send

    def delete_and_send(connection: Any, package: Any) -> Any:
        release[0].path.unlink()
        return send(connection, package)

    monkeypatch.setattr(uploader, "_send", delete_and_send)
    uploader.upload(release[0])
    assert [post.content for post in served.index.posts] == [content]


def test_aborts_the_upload_of_a_file_modified_meanwhile(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is in the middle of a large file, which was not read before the upload."""
    filler = random.Random(1).randbytes(4 * BLOCK_SIZE)
    file = local_file(wheels.make_wheel(tmp_path / "large", files={"dipy/data.bin": filler}))
    uploader = run(served.upload_url).uploader
    send = uploader._send

    def overwrite_and_send(connection: Any, package: Any) -> Any:
        state = file.path.stat()
        with file.path.open("r+b") as stream:
            stream.seek(2 * BLOCK_SIZE)
            stream.write(b"other")
        os.utime(file.path, ns=(state.st_atime_ns, state.st_mtime_ns))
        return send(connection, package)

    monkeypatch.setattr(uploader, "_send", overwrite_and_send)
    with pytest.raises(FileError, match="changed during the run: it was written to"):
        uploader.upload(file)
    assert served.index.files == {}


def test_uploads_the_verified_signature_if_the_file_is_gone(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    missing_path = release[0].path.with_name("gone.asc")
    content = b"-----BEGIN PGP SIGNATURE-----\n"
    signature = Signature(
        filename=release[0].filename, path=missing_path, fingerprint="0" * 40, content=content
    )
    run(served.upload_url, signatures=[signature]).uploader.upload(release[0])
    assert [post.signature for post in served.index.posts] == [f"{release[0].filename}.asc"]


def test_rejects_metadata_that_only_twine_reads(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun]
) -> None:
    decoy = {"a/METADATA": wheels.METADATA.format(project="other", version="9").encode()}
    file = local_file(wheels.make_wheel(tmp_path, files=decoy))
    with pytest.raises(FileError, match="the metadata is that of other 9"):
        run(served.upload_url).uploader.upload(file)
    odd = {"a/METADATA": b"Metadata-Version: 2.1\nName: dipy\nVersion: what ever\n"}
    file = local_file(wheels.make_wheel(tmp_path / "odd", files=odd))
    with pytest.raises(FileError, match="twine rejects"):
        run(served.upload_url).uploader.upload(file)
    assert served.index.posts == []


def test_rejects_a_file_that_is_not_a_wheel(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun]
) -> None:
    path = tmp_path / "dipy-1.11.0-py3-none-any.whl"
    path.write_bytes(b"<html>")
    with pytest.raises(FileError, match="twine rejects "):
        run(served.upload_url).uploader.upload(local_file(path))


# --- faults ----------------------------------------------------------------------------------------


def test_retries_after_two_503_responses_per_file(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    files = release[:3]
    served.index.script = [Reply(503), Reply(503), Reply(200, stores=True)] * 3
    results = run(served.upload_url).publish(files)
    assert outcomes(results) == {FileStatus.UPLOADED}
    assert [result.attempts for result in results] == [3, 3, 3]
    assert served.index.files == same_bytes(files)
    assert upload_error(results) is None


@pytest.mark.parametrize("fault", [Reset(stores=True), Reply(503, stores=True), Hang(stores=True)])
def test_a_stored_file_counts_as_uploaded_despite_a_failure(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun], fault: Reset | Reply | Hang
) -> None:
    served.index.script = [fault]
    results = run(served.upload_url, timeout=0.8).publish(release[:3])
    assert outcomes(results) == {FileStatus.UPLOADED}
    assert len(served.index.posts) == 3
    assert served.index.files == same_bytes(release[:3])


def test_retries_after_a_reset_within_the_body(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun]
) -> None:
    large_file = local_file(
        wheels.make_wheel(tmp_path, files={"dipy/big.bin": hashlib.shake_256(b"x").digest(3_000_000)})
    )
    served.index.script = [Reset(after=100_000), Reset(after=2_000_000)]
    [result] = run(served.upload_url).publish([large_file])
    assert (result.outcome, result.attempts) == (FileStatus.UPLOADED, 3)
    assert served.index.files == same_bytes([large_file])


def test_gives_up_after_repeated_503_responses(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    served.index.script = [Reply(503)] * 6
    upload_run = run(served.upload_url)
    results = upload_run.publish(release[:3])
    error = upload_error(results)
    assert type(error) is NetworkError
    assert len(served.index.posts) == 6
    assert len(upload_run.time.slept) == 5
    served.index.script = [Reply(200, stores=True), *[Reply(503)] * 6]
    error = upload_error(run(served.upload_url).publish(release[:3]))
    assert isinstance(error, PartialError)


def test_reports_a_partial_upload_after_a_400_response(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    message = "'x' is not a valid classifier."
    served.index.script = [Reply(200, stores=True), Reply(400, message)]
    results = run(served.upload_url).publish(release[:3])
    error = upload_error(results)
    assert isinstance(error, PartialError)
    stored = set(served.index.files)
    assert len(served.index.posts) == 2
    assert {line for line in error.details if line.startswith("in: ")} == {f"in: {name}" for name in stored}
    missing = [line for line in error.details if line.startswith("not in: ")]
    assert len(missing) == 2
    assert sum(message in line for line in missing) == 1
    # The same command continues where this run stopped.
    assert upload_error(run(served.upload_url).publish(release[:3])) is None
    assert served.index.files == same_bytes(release[:3])


def test_waits_for_retry_after(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    served.index.script = [Reply(429, headers={"Retry-After": "77"})]
    upload_run = run(served.upload_url)
    assert outcomes(upload_run.publish(release[:1])) == {FileStatus.UPLOADED}
    assert 77 <= upload_run.time.now <= 78


def test_times_out_if_the_server_never_responds(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    served.index.script = [Hang()]
    response = run(served.upload_url, timeout=0.1).uploader.upload(release[0])
    assert (response.kind, response.status) == (ResponseKind.RETRY, 0)
    assert response.diagnosis == "the index did not answer in time"


@pytest.mark.parametrize("tls", [False, True])
def test_limits_the_total_time_of_a_slow_response(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., UploadRun], tls: bool
) -> None:
    """Each byte arrives within the timeout of a single read, but the complete response never does."""
    with contextlib.ExitStack() as stack:
        served, cert = (
            stack.enter_context(indexes.tls_index(tmp_path))
            if tls
            else (stack.enter_context(indexes.scripted_index()), None)
        )
        uploader = run(served.upload_url, timeout=0.15, cert=cert).uploader
        served.index.script = [Drip(0.1), Drip(0.1, within="body")]
        started = time.monotonic()
        head, body = uploader.upload(release[0]), uploader.upload(release[0])
        assert time.monotonic() - started < 6
    assert (head.kind, head.diagnosis) == (ResponseKind.RETRY, "the index did not answer in time")
    # Its status arrived in time.
    assert (body.kind, body.status) == (ResponseKind.ACCEPTED, 200)


def test_retries_after_truncated_response_headers(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    served.index.script = [Cut()]
    response = run(served.upload_url).uploader.upload(release[0])
    assert (response.kind, response.status, response.diagnosis) == (
        ResponseKind.RETRY,
        0,
        "the response was truncated",
    )
    served.index.script = [Cut(), Cut(stores=True)]
    assert outcomes(run(served.upload_url).publish(release[:1])) == {FileStatus.UPLOADED}
    assert served.index.posted_filenames() == [release[0].filename] * 3


def test_gives_up_on_an_index_that_reads_too_slowly(
    tmp_path: Path, served: Served, run: Callable[..., UploadRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wheel_uploader.upload.requests_adapter.PROGRESS_INTERVAL", 1.0)
    large_file = local_file(
        wheels.make_wheel(tmp_path, files={"dipy/big.bin": hashlib.shake_256(b"x").digest(8_000_000)})
    )
    served.index.script = [SlowRead(2000, 0.1)]
    started = time.monotonic()
    response = run(served.upload_url, timeout=30).uploader.upload(large_file)
    assert time.monotonic() - started < 10
    assert (response.kind, response.diagnosis) == (
        ResponseKind.RETRY,
        "the index accepts less than 61440 bytes/s",
    )
    # A slow index above the limit gets as much time as it needs.
    small_file = local_file(
        wheels.make_wheel(tmp_path / "small", files={"x": hashlib.shake_256(b"x").digest(300_000)})
    )
    served.index.script = [SlowRead(20_000, 0.1)]
    assert run(served.upload_url).uploader.upload(small_file).kind is ResponseKind.ACCEPTED


def test_times_out_if_the_tls_handshake_does_not_start(
    release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        response = run(url, timeout=0.2).uploader.upload(release[0])
        assert time.monotonic() - started < 5
    assert response.kind is ResponseKind.RETRY
    # On a busy machine the connection may be as late as the handshake.
    assert response.diagnosis in {
        "the index did not answer in time",
        "cannot connect to the index (timed out)",
    }


def test_reports_a_refused_connection(release: list[LocalFile], run: Callable[..., UploadRun]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        response = run(url).uploader.upload(release[0])
    assert response.kind is ResponseKind.RETRY
    assert response.diagnosis == "cannot connect to the index (Connection refused)"


def test_reports_an_unknown_host(
    release: list[LocalFile], run: Callable[..., UploadRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    uploader = run("https://index.invalid/legacy/").uploader
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    response = uploader.upload(release[0])
    assert (response.kind, response.diagnosis) == (
        ResponseKind.RETRY,
        "cannot resolve the host name of the index",
    )


def test_does_not_follow_a_redirect(release: list[LocalFile], run: Callable[..., UploadRun]) -> None:
    with indexes.redirect_server("https://example.com/legacy/") as url:
        response = run(url, username="me", password=SECRET).uploader.upload(release[0])
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, UsageError)
    assert "redirects to https://example.com/legacy/" in response.diagnosis


@pytest.mark.parametrize("location", ["http://[/", "http://\xb5/", "http://\xe2\x84\x80/", "http://x:y/"])
def test_reports_a_redirect_to_an_invalid_url_as_a_redirect(
    location: str, release: list[LocalFile], run: Callable[..., UploadRun], served: Served
) -> None:
    served.index.script = [Reply(302, headers={"Location": location})]
    response = run(served.upload_url).uploader.upload(release[0])
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, UsageError)
    assert "the upload URL redirects" in response.diagnosis


def test_truncates_a_very_long_response(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    served.index.script = [Reply(400, body="<p>" + "no " * 1_000_000)]
    response = run(served.upload_url).uploader.upload(release[0])
    assert response.server_message.startswith("no no no")
    assert len(response.server_message) < 500


def test_uses_the_status_of_an_invalid_response_body(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    served.index.script = [
        Reply(400, "'x' is not a valid classifier.", {"Content-Encoding": "gzip"}, "no gzip")
    ]
    response = run(served.upload_url).uploader.upload(release[0])
    assert (response.kind, response.server_message) == (
        ResponseKind.REJECTED,
        "'x' is not a valid classifier.",
    )


def test_rejects_an_untrusted_certificate(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., UploadRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    # --cert must override the CA bundle that is configured for the machine.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with indexes.tls_index(tmp_path) as (served, certificate):
        distrusted = run(served.upload_url).uploader.upload(release[0])
        trusted = run(served.upload_url, cert=certificate).uploader.upload(release[0])
        assert len(served.index.posts) == 1
    assert (distrusted.kind, distrusted.error_type) == (ResponseKind.REJECTED, NetworkError)
    assert "cannot verify the TLS certificate of the index" in distrusted.diagnosis
    assert "--cert" in (distrusted.hint or "")
    assert trusted.kind is ResponseKind.ACCEPTED


def test_sends_a_client_certificate(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., UploadRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWINE_USERNAME")
    monkeypatch.delenv("TWINE_PASSWORD")
    with indexes.tls_index(tmp_path, require_client_certificate=True) as (served, pem):
        with_certificate = run(served.upload_url, cert=pem, client_cert=pem).uploader
        assert with_certificate.credentials() is None
        assert with_certificate.upload(release[0]).kind is ResponseKind.ACCEPTED
        without_certificate = run(served.upload_url, cert=pem, username="me", password=SECRET).uploader
        assert without_certificate.upload(release[1]).status == 0
    assert served.index.posted_filenames() == [release[0].filename]


def test_rejects_the_same_contents_under_another_name(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun]
) -> None:
    served.index.files["dipy-1.11.0-9-py3-none-any.whl"] = release[0].path.read_bytes()
    [state] = run(served.upload_url).plan(release[:1])
    assert state.result is FileComparison.SAME_BYTES_OTHER_NAME
    [result] = run(served.upload_url).publish(release[:1])
    assert result.outcome is FileStatus.CONFLICT
    assert served.index.posts == []


@pytest.mark.parametrize("seed", range(20))
def test_completes_a_release_despite_random_failures(tmp_path: Path, seed: int) -> None:
    """Half of the requests fail, and a third of the failed uploads are stored anyway.

    ``python -m tests.soak storms`` runs this 500 times.
    """
    storm = storms.run_storm(seed, tmp_path)
    assert not storm.problems
    assert storm.runs <= storms.MAX_RUNS


# --- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["reason phrase", "body", "JSON"])
def test_redacts_a_password_echoed_by_the_server(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun], location: str
) -> None:
    secret = "echoed-secret-77"
    authorization = indexes.basic("me", secret)
    message = f"you sent me:{secret} as {authorization}"
    body = f'{{"message": "{message}"}}' if location == "JSON" else message
    served.index.script = [Reply(403, message) if location == "reason phrase" else Reply(403, body=body)]
    error = upload_error(run(served.upload_url, username="me", password=secret).publish(release[:1]))
    assert isinstance(error, CredentialsError)
    output = " ".join([error.message, error.hint, *error.details, repr(error)])
    assert secret not in output
    assert authorization.split()[1] not in output
    assert "you sent" in output


def test_uploads_nothing_without_required_credentials(
    served: Served, release: list[LocalFile], run: Callable[..., UploadRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWINE_USERNAME")
    monkeypatch.delenv("TWINE_PASSWORD")
    with pytest.raises(CredentialsError):
        run(served.upload_url).publish(release)
    assert served.index.posts == []


def test_sends_no_signatures_to_pypi(release: list[LocalFile]) -> None:
    options = Options(project="dipy", version="1", urls=("https://staging.example.com/",))
    target = dataclasses.replace(resolve_target(options), is_pypi=True)
    signature = Signature(
        filename=release[0].filename, path=release[0].path, fingerprint="0" * 40, content=b"signature"
    )
    uploader = TwineUploader(options, target, SilentProgress())
    uploader.set_signatures([signature])
    with uploader._package(release[0]) as package:
        assert package.gpg_signature is None


def test_the_scripted_index_checks_the_digest(release: list[LocalFile]) -> None:
    """Like PyPI, the scripted index must reject a body that does not match the digest in the form."""
    index = ScriptedIndex()
    post = indexes.Post({"sha256_digest": release[0].sha256}, release[0].filename, b"other", {})
    assert index.apply_rules(post).status == 400
    assert index.files == {}

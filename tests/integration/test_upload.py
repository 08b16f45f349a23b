"""Files posted with twine: to real pypiserver and devpi, and to an index that fails in every way it can."""

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
from tests.support import indexes, wheels
from tests.support.indexes import (
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
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No .pypirc, no keyring, no netrc; and an index that asks nobody, unless a test says otherwise."""
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


@pytest.fixture(scope="session")
def devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    with indexes.devpi_server(tmp_path_factory.mktemp("devpi")) as running:
        yield running


class Run:
    """Both sides of one index, as the pipeline has them; pauses take no time."""

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
        # Unchecked: a user cannot give less than a second, and these tests are to be quick.
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
def run() -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(upload_url: str, **values: object) -> Run:
        made.append(Run(upload_url, **values))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.uploader.close()
        each.http.__exit__()


def outcomes(results: Sequence[UploadResult]) -> set[FileStatus]:
    return {result.outcome for result in results}


def same_bytes(files: Sequence[LocalFile]) -> dict[str, bytes]:
    return {file.filename: file.path.read_bytes() for file in files}


# --- real servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_release_to_pypiserver(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., Run], algorithm: str
) -> None:
    store = tmp_path / "store"
    with indexes.pypiserver(store, hash_algorithm=algorithm) as url:
        results = run(url).publish(release, jobs=3)
        assert outcomes(results) == {FileStatus.UPLOADED}
        assert {path.name: path.read_bytes() for path in store.iterdir()} == same_bytes(release)
        again = run(url)
        assert outcomes(again.publish(release)) == {FileStatus.SKIPPED}
        found = confirm_files(again.index, "dipy", release, timeout=0, progress=SilentProgress())
        assert [each.sha256 for each in found] == [file.sha256 for file in release]


def test_pypiserver_with_a_password(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    store = tmp_path / "store"
    with indexes.pypiserver(store, users={"me": SECRET}) as url:
        nobody = upload_error(run(url).publish(release[:2]))
        wrong = upload_error(run(url, username="me", password="wrong-pass-1").publish(release[:2]))
        assert list(store.iterdir()) == []
        right = run(url, username="me", password=SECRET).publish(release[:2])
    for refused in (nobody, wrong):
        assert isinstance(refused, CredentialsError)
        assert "the index rejected the credentials" in refused.message
        assert "wrong-pass-1" not in refused.message
    assert outcomes(right) == {FileStatus.UPLOADED}


def test_pypiserver_says_that_it_has_a_file(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    """Another run was faster, after this one had made its plan."""
    store = tmp_path / "store"
    with indexes.pypiserver(store) as url:
        mine = run(url)
        plan = mine.plan(release[:2])
        (store / release[0].filename).write_bytes(release[0].path.read_bytes())
        (store / release[1].filename).write_bytes(wheels.wheel_bytes(files={"other.py": b""}))
        results = upload_all(
            plan,
            mine.uploader,
            lambda file: mine.index.fetch_file_state("dipy", file),
            progress=SilentProgress(),
            keep_going=True,
        )
    assert [result.outcome for result in results] == [FileStatus.SKIPPED, FileStatus.REJECTED]
    assert isinstance(results[1].error, ConflictError)


@pytest.mark.parametrize("volatile", [False, True])
def test_a_release_to_devpi(
    devpi: Devpi, release: list[LocalFile], run: Callable[..., Run], volatile: bool
) -> None:
    url = devpi.make_index(f"release-{volatile}".lower(), volatile=volatile)
    first = run(url, username=devpi.user, password=devpi.password)
    assert not first.index.fetch_project("dipy").exists
    assert outcomes(first.publish(release, jobs=3)) == {FileStatus.UPLOADED}
    assert first.index.url == f"{url}+simple/"
    found = confirm_files(first.index, "dipy", release, timeout=0, progress=SilentProgress())
    assert [each.sha256 for each in found] == [file.sha256 for file in release]
    again = run(url, username=devpi.user, password=devpi.password)
    assert outcomes(again.publish(release)) == {FileStatus.SKIPPED}


def test_devpi_says_no(
    tmp_path: Path, devpi: Devpi, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    url = devpi.make_index("says-no", volatile=False)
    login = {"username": devpi.user, "password": devpi.password}
    run(url, **login).publish(release[:1])
    other = local_file(wheels.make_wheel(tmp_path / "other", tag=wheels.RELEASE_TAGS[0]))
    assert run(url, **login).plan([other])[0].result is FileComparison.DIFFERENT
    exists = run(url, **login).uploader.upload(other)
    assert (exists.kind, exists.status) == (ResponseKind.EXISTS, 409)
    assert exists.server_message.endswith("already exists in non-volatile index")
    nobody = run(url).uploader.upload(release[1])
    assert (nobody.status, nobody.error_type) == (401, CredentialsError)
    wrong = run(url, username=devpi.user, password="wrong-pass-2").uploader.upload(release[1])
    assert wrong.error_type is CredentialsError
    elsewhere = run(f"{devpi.url}alice/no-such/", **login).uploader.upload(release[1])
    assert elsewhere.error_type is UsageError


# --- what goes over the wire -----------------------------------------------------------------------


def test_what_a_post_carries(served: Served, release: list[LocalFile], run: Callable[..., Run]) -> None:
    answer = run(served.upload_url, username="me", password=SECRET).uploader.upload(release[0])
    assert answer.kind is ResponseKind.ACCEPTED
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
    ("line", "why"),
    [
        ("X-Odd: 1", "unrecognized or malformed field 'x-odd'"),
        ("Requires-Python: three", "'three' is invalid for 'requires-python'"),
        ("Requires-Dist: ???", "'???' is invalid for 'requires-dist'"),
    ],
)
def test_metadata_that_twine_would_refuse_is_not_posted(
    tmp_path: Path, served: Served, run: Callable[..., Run], line: str, why: str
) -> None:
    metadata = f"Metadata-Version: 2.1\nName: dipy\nVersion: 1.11.0\n{line}\n"
    path = wheels.make_wheel(tmp_path / "odd", metadata=metadata)
    with pytest.raises(FileError) as caught:
        run(served.upload_url).uploader.upload(local_file(path))
    assert caught.value.message.startswith(f"twine rejects {path.name}: Invalid distribution metadata: {why}")
    assert caught.value.hint == "Rebuild the file, then run the command again."
    assert served.index.posts == []


@pytest.mark.parametrize(
    ("is_pypi", "trusted", "wanted", "why", "sent"),
    [
        (False, True, AttestationPolicy.AUTO, "only PyPI accepts attestations, the index does not", 0),
        (True, False, AttestationPolicy.AUTO, "PyPI accepts attestations only from trusted publishers", 0),
        (True, True, AttestationPolicy.AUTO, "", 2),
        (True, True, AttestationPolicy.REQUIRE, "", 2),
    ],
)
def test_attestations_go_to_pypi_from_a_trusted_publisher_only(
    release: list[LocalFile],
    is_pypi: bool,
    trusted: bool,
    wanted: AttestationPolicy,
    why: str,
    sent: int,
) -> None:
    made, package = attested(release[0]), types.SimpleNamespace(attestations=None)
    along = Attachments(Target(url="https://x.example.org/", is_pypi=is_pypi, name="the index"))
    assert along.set_attestations(made, wanted, is_trusted_publisher=trusted).startswith(why)
    along.attach_to(package, release[0])
    # The third cannot be read.
    assert (package.attestations or []) == [{"number": 1}, {"number": 2}][:sent]
    other = types.SimpleNamespace(attestations=None)
    along.attach_to(other, release[1])
    assert other.attestations is None


def test_attestations_that_are_required_and_not_taken_end_the_run(release: list[LocalFile]) -> None:
    along = Attachments(Target(url="https://x.example.org/", is_pypi=True, name="pypi"))
    with pytest.raises(CredentialsError, match=r"--attestations require: .* not with an API token"):
        along.set_attestations(attested(release[0]), AttestationPolicy.REQUIRE, is_trusted_publisher=False)


def attested(file: LocalFile) -> list[Attestation]:
    """Return two attestations of a file, not in their order, and one that cannot be read."""
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


def test_the_form_says_what_kind_of_file_it_has(
    served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    posting = run(served.upload_url)
    for file in release:
        assert posting.uploader.upload(file).kind is ResponseKind.ACCEPTED
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
def test_licence_files_are_posted_with_metadata_that_knows_them(
    tmp_path: Path, served: Served, run: Callable[..., Run], version: str, posted: bool
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
    run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin other\npassword netrc-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    run(served.upload_url).uploader.upload(release[0])
    assert "Authorization" not in served.index.posts[0].headers


def test_signatures_go_along(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., Run], served: Served
) -> None:
    made = []
    for file in release[:2]:
        path = file.path.with_name(f"{file.filename}.asc")
        path.write_text("-----BEGIN PGP SIGNATURE-----\n")
        made.append(
            Signature(filename=file.filename, path=path, fingerprint="0" * 40, content=path.read_bytes())
        )
    run(served.upload_url, signatures=made).publish(release[:3])
    assert {post.filename: post.signature for post in served.index.posts} == {
        release[0].filename: f"{release[0].filename}.asc",
        release[1].filename: f"{release[1].filename}.asc",
        release[2].filename: "",
    }
    store = tmp_path / "store"
    with indexes.pypiserver(store) as url:
        run(url, signatures=made).publish(release[:1])
    assert (store / f"{release[0].filename}.asc").exists()


def test_twine_says_nothing(
    served: Served, release: list[LocalFile], run: Callable[..., Run], capfd: pytest.CaptureFixture[str]
) -> None:
    served.index.script = [Reply(503)]
    run(served.upload_url, username="me", password=SECRET).publish(release[:2])
    assert capfd.readouterr() == ("", "")


def test_progress_counts_the_bytes_of_the_file_and_takes_them_back(
    tmp_path: Path, served: Served, run: Callable[..., Run]
) -> None:
    class Counting(SilentProgress):
        count = 0

        def advance(self, count: int) -> None:
            self.count += count
            moves.append(count)

    moves: list[int] = []
    big = local_file(wheels.make_wheel(tmp_path, files={"dipy/big.bin": bytes(range(256)) * 4000}))
    uploader, counting = run(served.upload_url).uploader, Counting()
    uploader._progress = counting
    served.index.script = [Reply(503)]
    uploader.upload(big)
    assert counting.count == 0
    assert max(moves) > 0
    uploader.upload(big)
    assert counting.count == big.size


# --- the bytes posted are the bytes checked --------------------------------------------------------


def test_a_file_that_changed_after_it_was_checked(
    tmp_path: Path, served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    wheels.make_wheel(release[0].path.parent, tag=wheels.RELEASE_TAGS[0], files={"dipy/evil.py": b""})
    results = run(served.upload_url).publish(release[:1])
    ended = upload_error(results)
    assert isinstance(ended, FileError)
    assert ended.message.startswith(
        f"{release[0].path} changed during the run: its sha256 was {release[0].sha256} and is "
    )
    assert served.index.posts == []


def test_a_file_that_has_gone(served: Served, release: list[LocalFile], run: Callable[..., Run]) -> None:
    release[-1].path.unlink()
    ended = upload_error(run(served.upload_url).publish(release[-1:]))
    assert isinstance(ended, StorageError | FileError)
    assert release[-1].filename in ended.message
    assert served.index.posts == []


def test_a_file_that_goes_while_it_is_posted_goes_up_whole(
    served: Served, release: list[LocalFile], run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    uploader = run(served.upload_url).uploader
    content = release[0].path.read_bytes()
    send = uploader._send

    def removed(connection: Any, package: Any) -> Any:
        release[0].path.unlink()
        return send(connection, package)

    monkeypatch.setattr(uploader, "_send", removed)
    uploader.upload(release[0])
    assert [post.content for post in served.index.posts] == [content]


def test_a_file_that_is_written_to_while_it_is_posted_never_arrives(
    tmp_path: Path, served: Served, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the middle of a large file, of which only the records and the metadata were read before."""
    filler = random.Random(1).randbytes(4 * BLOCK_SIZE)
    file = local_file(wheels.make_wheel(tmp_path / "large", files={"dipy/data.bin": filler}))
    uploader = run(served.upload_url).uploader
    send = uploader._send

    def overwritten(connection: Any, package: Any) -> Any:
        state = file.path.stat()
        with file.path.open("r+b") as stream:
            stream.seek(2 * BLOCK_SIZE)
            stream.write(b"other")
        os.utime(file.path, ns=(state.st_atime_ns, state.st_mtime_ns))
        return send(connection, package)

    monkeypatch.setattr(uploader, "_send", overwritten)
    with pytest.raises(FileError, match="changed during the run: it was written to"):
        uploader.upload(file)
    assert served.index.files == {}


def test_a_signature_goes_up_as_it_was_verified(
    served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    gone = release[0].path.with_name("gone.asc")
    content = b"-----BEGIN PGP SIGNATURE-----\n"
    made = Signature(filename=release[0].filename, path=gone, fingerprint="0" * 40, content=content)
    run(served.upload_url, signatures=[made]).uploader.upload(release[0])
    assert [post.signature for post in served.index.posts] == [f"{release[0].filename}.asc"]


def test_metadata_that_only_twine_would_read(tmp_path: Path, served: Served, run: Callable[..., Run]) -> None:
    decoy = {"a/METADATA": wheels.METADATA.format(project="other", version="9").encode()}
    file = local_file(wheels.make_wheel(tmp_path, files=decoy))
    with pytest.raises(FileError, match="the metadata is that of other 9"):
        run(served.upload_url).uploader.upload(file)
    odd = {"a/METADATA": b"Metadata-Version: 2.1\nName: dipy\nVersion: what ever\n"}
    file = local_file(wheels.make_wheel(tmp_path / "odd", files=odd))
    with pytest.raises(FileError, match="twine rejects"):
        run(served.upload_url).uploader.upload(file)
    assert served.index.posts == []


def test_a_file_that_is_no_wheel(tmp_path: Path, served: Served, run: Callable[..., Run]) -> None:
    path = tmp_path / "dipy-1.11.0-py3-none-any.whl"
    path.write_bytes(b"<html>")
    with pytest.raises(FileError, match="twine rejects "):
        run(served.upload_url).uploader.upload(local_file(path))


# --- faults ----------------------------------------------------------------------------------------


def test_503_twice_for_every_file(served: Served, release: list[LocalFile], run: Callable[..., Run]) -> None:
    three = release[:3]
    served.index.script = [Reply(503), Reply(503), Reply(200, stores=True)] * 3
    results = run(served.upload_url).publish(three)
    assert outcomes(results) == {FileStatus.UPLOADED}
    assert [result.attempts for result in results] == [3, 3, 3]
    assert served.index.files == same_bytes(three)
    assert upload_error(results) is None


@pytest.mark.parametrize("fault", [Reset(stores=True), Reply(503, stores=True), Hang(stores=True)])
def test_stored_and_then_no_good_answer(
    served: Served, release: list[LocalFile], run: Callable[..., Run], fault: Reset | Reply | Hang
) -> None:
    served.index.script = [fault]
    results = run(served.upload_url, timeout=0.8).publish(release[:3])
    assert outcomes(results) == {FileStatus.UPLOADED}
    assert len(served.index.posts) == 3
    assert served.index.files == same_bytes(release[:3])


def test_a_reset_in_the_middle_of_the_body(tmp_path: Path, served: Served, run: Callable[..., Run]) -> None:
    big = local_file(
        wheels.make_wheel(tmp_path, files={"dipy/big.bin": hashlib.shake_256(b"x").digest(3_000_000)})
    )
    served.index.script = [Reset(after=100_000), Reset(after=2_000_000)]
    [result] = run(served.upload_url).publish([big])
    assert (result.outcome, result.attempts) == (FileStatus.UPLOADED, 3)
    assert served.index.files == same_bytes([big])


def test_503_for_ever(served: Served, release: list[LocalFile], run: Callable[..., Run]) -> None:
    served.index.script = [Reply(503)] * 6
    ours = run(served.upload_url)
    results = ours.publish(release[:3])
    ended = upload_error(results)
    assert type(ended) is NetworkError
    assert len(served.index.posts) == 6
    assert len(ours.time.slept) == 5
    served.index.script = [Reply(200, stores=True), *[Reply(503)] * 6]
    ended = upload_error(run(served.upload_url).publish(release[:3]))
    assert isinstance(ended, PartialError)


def test_a_400_on_the_second_of_three(
    served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    words = "'x' is not a valid classifier."
    served.index.script = [Reply(200, stores=True), Reply(400, words)]
    results = run(served.upload_url).publish(release[:3])
    ended = upload_error(results)
    assert isinstance(ended, PartialError)
    stored = set(served.index.files)
    assert len(served.index.posts) == 2
    assert {line for line in ended.details if line.startswith("in: ")} == {f"in: {name}" for name in stored}
    missing = [line for line in ended.details if line.startswith("not in: ")]
    assert len(missing) == 2
    assert sum(words in line for line in missing) == 1
    # The same command continues where this run stopped.
    assert upload_error(run(served.upload_url).publish(release[:3])) is None
    assert served.index.files == same_bytes(release[:3])


def test_429_with_a_pause(served: Served, release: list[LocalFile], run: Callable[..., Run]) -> None:
    served.index.script = [Reply(429, headers={"Retry-After": "77"})]
    ours = run(served.upload_url)
    assert outcomes(ours.publish(release[:1])) == {FileStatus.UPLOADED}
    assert 77 <= ours.time.now <= 78


def test_a_server_that_never_answers(
    served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    served.index.script = [Hang()]
    answer = run(served.upload_url, timeout=0.1).uploader.upload(release[0])
    assert (answer.kind, answer.status) == (ResponseKind.RETRY, 0)
    assert answer.diagnosis == "the index did not answer in time"


@pytest.mark.parametrize("tls", [False, True])
def test_an_answer_that_drips_has_a_total_limit(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., Run], tls: bool
) -> None:
    """Each byte comes long before the timeout of a single read; the whole answer never would."""
    with contextlib.ExitStack() as stack:
        served, cert = (
            stack.enter_context(indexes.tls_index(tmp_path))
            if tls
            else (stack.enter_context(indexes.scripted_index()), None)
        )
        uploader = run(served.upload_url, timeout=0.15, cert=cert).uploader
        served.index.script = [Drip(0.1), Drip(0.1, within="body")]
        begun = time.monotonic()
        head, body = uploader.upload(release[0]), uploader.upload(release[0])
        assert time.monotonic() - begun < 6
    assert (head.kind, head.diagnosis) == (ResponseKind.RETRY, "the index did not answer in time")
    # Its status came in time.
    assert (body.kind, body.status) == (ResponseKind.ACCEPTED, 200)


def test_an_answer_that_is_cut_in_its_head_is_none(
    served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    served.index.script = [Cut()]
    answer = run(served.upload_url).uploader.upload(release[0])
    assert (answer.kind, answer.status, answer.diagnosis) == (
        ResponseKind.RETRY,
        0,
        "the response was truncated",
    )
    served.index.script = [Cut(), Cut(stores=True)]
    assert outcomes(run(served.upload_url).publish(release[:1])) == {FileStatus.UPLOADED}
    assert served.index.posted_filenames() == [release[0].filename] * 3


def test_an_index_that_sips_is_given_up(
    tmp_path: Path, served: Served, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wheel_uploader.upload.requests_adapter.PROGRESS_INTERVAL", 1.0)
    big = local_file(
        wheels.make_wheel(tmp_path, files={"dipy/big.bin": hashlib.shake_256(b"x").digest(8_000_000)})
    )
    served.index.script = [SlowRead(2000, 0.1)]
    begun = time.monotonic()
    answer = run(served.upload_url, timeout=30).uploader.upload(big)
    assert time.monotonic() - begun < 10
    assert (answer.kind, answer.diagnosis) == (
        ResponseKind.RETRY,
        "the index accepts less than 61440 bytes/s",
    )
    # One that is slow, but not that slow, gets all the time it needs.
    small = local_file(
        wheels.make_wheel(tmp_path / "small", files={"x": hashlib.shake_256(b"x").digest(300_000)})
    )
    served.index.script = [SlowRead(20_000, 0.1)]
    assert run(served.upload_url).uploader.upload(small).kind is ResponseKind.ACCEPTED


def test_a_server_that_takes_a_connection_and_does_nothing_with_it(
    release: list[LocalFile], run: Callable[..., Run]
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}/"
        begun = time.monotonic()
        answer = run(url, timeout=0.2).uploader.upload(release[0])
        assert time.monotonic() - begun < 5
    assert (answer.kind, answer.diagnosis) == (ResponseKind.RETRY, "the index did not answer in time")


def test_nobody_listens(release: list[LocalFile], run: Callable[..., Run]) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        answer = run(url).uploader.upload(release[0])
    assert answer.kind is ResponseKind.RETRY
    assert answer.diagnosis == "cannot connect to the index (Connection refused)"


def test_a_name_that_nobody_has(
    release: list[LocalFile], run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    uploader = run("https://index.invalid/legacy/").uploader
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = uploader.upload(release[0])
    assert (answer.kind, answer.diagnosis) == (
        ResponseKind.RETRY,
        "cannot resolve the host name of the index",
    )


def test_a_redirect_is_not_followed(release: list[LocalFile], run: Callable[..., Run]) -> None:
    with indexes.redirect_server("https://example.com/legacy/") as url:
        answer = run(url, username="me", password=SECRET).uploader.upload(release[0])
    assert (answer.kind, answer.error_type) == (ResponseKind.REJECTED, UsageError)
    assert "redirects to https://example.com/legacy/" in answer.diagnosis


def test_an_endless_answer_is_cut(served: Served, release: list[LocalFile], run: Callable[..., Run]) -> None:
    served.index.script = [Reply(400, body="<p>" + "no " * 1_000_000)]
    answer = run(served.upload_url).uploader.upload(release[0])
    assert answer.server_message.startswith("no no no")
    assert len(answer.server_message) < 500


def test_an_answer_that_breaks_after_its_status(
    served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    served.index.script = [
        Reply(400, "'x' is not a valid classifier.", {"Content-Encoding": "gzip"}, "no gzip")
    ]
    answer = run(served.upload_url).uploader.upload(release[0])
    assert (answer.kind, answer.server_message) == (ResponseKind.REJECTED, "'x' is not a valid classifier.")


def test_a_certificate_that_nobody_vouches_for(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the person says for this index has to win over what the machine says for all.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with indexes.tls_index(tmp_path) as (served, certificate):
        distrusted = run(served.upload_url).uploader.upload(release[0])
        trusted = run(served.upload_url, cert=certificate).uploader.upload(release[0])
        assert len(served.index.posts) == 1
    assert (distrusted.kind, distrusted.error_type) == (ResponseKind.REJECTED, NetworkError)
    assert "cannot verify the TLS certificate of the index" in distrusted.diagnosis
    assert "--cert" in (distrusted.hint or "")
    assert trusted.kind is ResponseKind.ACCEPTED


def test_a_client_certificate(
    tmp_path: Path, release: list[LocalFile], run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWINE_USERNAME")
    monkeypatch.delenv("TWINE_PASSWORD")
    with indexes.tls_index(tmp_path, require_client_certificate=True) as (served, pem):
        known = run(served.upload_url, cert=pem, client_cert=pem).uploader
        assert known.credentials() is None
        assert known.upload(release[0]).kind is ResponseKind.ACCEPTED
        stranger = run(served.upload_url, cert=pem, username="me", password=SECRET).uploader
        assert stranger.upload(release[1]).status == 0
    assert served.index.posted_filenames() == [release[0].filename]


def test_same_bytes_under_another_name(
    served: Served, release: list[LocalFile], run: Callable[..., Run]
) -> None:
    served.index.files["dipy-1.11.0-9-py3-none-any.whl"] = release[0].path.read_bytes()
    [state] = run(served.upload_url).plan(release[:1])
    assert state.result is FileComparison.SAME_BYTES_OTHER_NAME
    [result] = run(served.upload_url).publish(release[:1])
    assert result.outcome is FileStatus.REJECTED
    assert served.index.posts == []


@pytest.mark.parametrize("seed", range(20))
def test_a_storm(tmp_path: Path, seed: int) -> None:
    """Half of the requests fail, and a third of those posts were stored all the same.

    ``python -m tests.soak storms`` does it 500 times.
    """
    weathered = storms.weather(seed, tmp_path)
    assert not weathered.troubles
    assert weathered.runs <= storms.MOST_RUNS


# --- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["in the reason", "in the body", "in json"])
def test_a_server_that_repeats_the_password(
    served: Served, release: list[LocalFile], run: Callable[..., Run], said: str
) -> None:
    secret = "echoed-secret-77"
    basic = indexes.basic("me", secret)
    words = f"you sent me:{secret} as {basic}"
    body = f'{{"message": "{words}"}}' if said == "in json" else words
    served.index.script = [Reply(403, words) if said == "in the reason" else Reply(403, body=body)]
    ended = upload_error(run(served.upload_url, username="me", password=secret).publish(release[:1]))
    assert isinstance(ended, CredentialsError)
    shown = " ".join([ended.message, ended.hint, *ended.details, repr(ended)])
    assert secret not in shown
    assert basic.split()[1] not in shown
    assert "you sent" in shown


def test_a_post_that_needs_credentials_which_are_not_there(
    served: Served, release: list[LocalFile], run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWINE_USERNAME")
    monkeypatch.delenv("TWINE_PASSWORD")
    with pytest.raises(CredentialsError):
        run(served.upload_url).publish(release)
    assert served.index.posts == []


def test_pypi_gets_no_signatures(release: list[LocalFile]) -> None:
    options = Options(project="dipy", version="1", urls=("https://staging.example.com/",))
    target = dataclasses.replace(resolve_target(options), is_pypi=True)
    made = Signature(
        filename=release[0].filename, path=release[0].path, fingerprint="0" * 40, content=b"signature"
    )
    uploader = TwineUploader(options, target, SilentProgress())
    uploader.set_signatures([made])
    with uploader._package(release[0]) as package:
        assert package.gpg_signature is None


def test_the_scripted_index_checks_the_digest(release: list[LocalFile]) -> None:
    """The judge of these tests is itself judged: PyPI refuses a body that is not what the form says."""
    index = ScriptedIndex()
    post = indexes.Post({"sha256_digest": release[0].sha256}, release[0].filename, b"other", {})
    assert index.apply_rules(post).status == 400
    assert index.files == {}

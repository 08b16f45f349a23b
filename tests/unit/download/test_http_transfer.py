"""Downloads from a server to the wheelhouse: no server makes a wrong file appear under its final name."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.downloads import (
    CUT,
    NAME,
    OTHER,
    SDIST,
    SHA256,
    SMALL,
    WHEEL,
    fetch,
    fetch_fails,
    finished,
    left_over,
    remote,
)
from tests.support.file_server import (
    LONG_AGO,
    FileAnswer,
    FileServer,
    chunked,
    fixed_answer,
    head,
    honest,
    name_of,
    wrong_range,
)
from tests.support.simultaneous import SimultaneousRequests
from tools.testing.scripted import HANG, RESET, Request, Step
from tools.testing.wheels import make_release, wheel_bytes, wheel_filename
from wheel_uploader import checks
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, HttpStatusError, NetworkError, StorageError
from wheel_uploader.core.models import (
    CheckProfile,
    CheckResult,
    DownloadOutcome,
    RemoteFile,
    SdistContent,
    WheelContent,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.download.scheduler import download_files
from wheel_uploader.http.client import HttpClient
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY, Wheelhouse


class RecordingProgress(SilentProgress):
    """A record of the messages of -v."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def debug(self, text: str) -> None:
        self.details.append(text)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer({NAME: WHEEL}).running() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wheelhouse"


# --- complete downloads ----------------------------------------------------------------------------


def test_downloads_and_verifies_a_file(server: FileServer, path: Path) -> None:
    (fetched,) = fetch(server, path, remote(server, size=len(WHEEL), hashes=SHA256))
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert fetched.verified_by == "sha256 from the source"
    assert fetched.file.path == path / NAME
    assert fetched.file.path.read_bytes() == WHEEL
    assert fetched.file.size == len(WHEEL)
    assert fetched.file.sha256 == SHA256["sha256"]
    assert server.requests[0].headers["accept-encoding"] == "identity"
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE(fetched.file.path.stat().st_mode) == 0o666 & ~mask
    assert left_over(path) == []


@pytest.mark.parametrize(
    ("name", "data", "hashes", "verified_by"),
    [
        (NAME, WHEEL, {}, "RECORD"),
        ("dipy-1.11.0.tar.gz", SDIST, {}, "gzip CRC"),
        (NAME, WHEEL, {"md5": hashlib.md5(WHEEL).hexdigest()}, "md5 from the source (weak)"),
        (NAME, WHEEL, {"sha1": hashlib.sha1(WHEEL).hexdigest(), "md5": "0"}, "sha1 from the source (weak)"),
        (NAME, WHEEL, {"sha512": hashlib.sha512(WHEEL).hexdigest().upper()}, "sha512 from the source"),
        (NAME, WHEEL, {"blake2b_256": hashlib.blake2b(WHEEL, digest_size=32).hexdigest()},
         "blake2b_256 from the source"),
        (NAME, WHEEL, {"crc32": "12345678"}, "RECORD"),
    ],
)  # fmt: skip
def test_reports_what_verified_a_file(
    server: FileServer, path: Path, name: str, data: bytes, hashes: dict[str, str], verified_by: str
) -> None:
    server.files[name] = data
    (fetched,) = fetch(server, path, remote(server, name, hashes=hashes))
    assert fetched.verified_by == verified_by
    assert fetched.file.path.read_bytes() == data
    (fetched_again,) = fetch(server, path, remote(server, name, hashes=hashes))
    assert fetched_again.outcome is DownloadOutcome.UNCHANGED
    assert fetched_again.file == fetched.file


def test_wheel_without_record_is_verified_by_its_crcs(server: FileServer, path: Path) -> None:
    server.files[NAME] = wheel_bytes("dipy", "1.11.0", without=("dipy-1.11.0.dist-info/RECORD",))
    (fetched,) = fetch(server, path)
    assert fetched.verified_by == "ZIP CRC"


@pytest.mark.parametrize("has_approximate_size", [False, True])
def test_downloads_largest_files_first_and_keeps_the_order(
    tmp_path: Path, path: Path, has_approximate_size: bool
) -> None:
    staged = make_release(tmp_path / "staged")
    with FileServer({wheel.name: wheel.read_bytes() for wheel in staged}).running() as server:
        files = [remote(server, wheel.name, size=wheel.stat().st_size) for wheel in staged]
        if has_approximate_size:
            files = [replace(file, size=None, approximate_size=file.size) for file in files]
        fetched = fetch(server, path, *files, jobs=1)
        assert [download.file.filename for download in fetched] == [wheel.name for wheel in staged]
        requested_sizes = [len(server.files[name_of(request)]) for request in server.requests]
        assert requested_sizes == sorted(requested_sizes, reverse=True)
        for download in fetched:
            assert download.file.path.read_bytes() == server.files[download.file.filename]
        # A second run with hashes sends no request.
        server.requests.clear()
        with_hashes = [
            remote(server, download.file.filename, hashes={"sha256": download.file.sha256})
            for download in fetched
        ]
        again = fetch(server, path, *with_hashes)
        assert {download.outcome for download in again} == {DownloadOutcome.UNCHANGED}
        assert server.requests == []
    assert left_over(path) == []


# --- incomplete bodies -----------------------------------------------------------------------------

#: Offsets at which a transfer is cut: both ends, and 80 between them.
CUTS = sorted({0, 1, len(SMALL) - 1, *range(0, len(SMALL), max(1, len(SMALL) // 80))})


@pytest.mark.parametrize("hashed", [False, True], ids=["etag", "hash"])
def test_resumes_after_a_cut_anywhere(server: FileServer, path: Path, hashed: bool) -> None:
    server.files[NAME] = SMALL
    assert len(CUTS) >= 64
    hashes = {"sha256": hashlib.sha256(SMALL).hexdigest()} if hashed else {}
    server.etags = "" if hashed else "strong"
    for cut in CUTS:
        wheelhouse = path / str(cut)
        server.requests.clear()
        server.plan = [honest(until=cut)]
        (fetched,) = fetch(server, wheelhouse, remote(server, hashes=hashes))
        assert fetched.file.path.read_bytes() == SMALL
        assert finished(wheelhouse) == [NAME]
        assert left_over(wheelhouse) == []
        assert server.starts == [None, cut or None]


def test_cut_without_length_or_hash_is_detected(server: FileServer, path: Path) -> None:
    """Without length, hash and validator, only the archive's end record and RECORD show the cut."""
    server.files[NAME] = SMALL
    server.etags = server.last_modified = ""
    for cut in CUTS:
        wheelhouse = path / str(cut)
        cut_short = honest(until=cut, without=("Content-Length",))
        server.plan = [cut_short, cut_short]
        error = fetch_fails(FileError, server, wheelhouse)
        assert NAME in str(error)
        assert finished(wheelhouse) == []
        assert left_over(wheelhouse) == []
        server.plan = [cut_short]
        fetch(server, wheelhouse)
        assert (wheelhouse / NAME).read_bytes() == SMALL


@pytest.mark.parametrize(
    "answer",
    [
        honest(until=CUT),
        honest(until=CUT, end=[0.1, RESET]),
        honest(until=CUT, end=[HANG]),
        chunked(until=CUT),
        honest(more={"Content-Length": len(WHEEL) + 9}),
        honest(until=20),
    ],
    ids=["closed", "reset", "stalled", "chunked", "length too long", "in the headers"],
)
@pytest.mark.parametrize("listed", ["nothing", "size", "hash"])
def test_completes_a_broken_transfer(server: FileServer, path: Path, answer: FileAnswer, listed: str) -> None:
    size = len(WHEEL) if listed == "size" else None
    server.plan = [answer]
    (fetched,) = fetch(server, path, remote(server, size=size, hashes=SHA256 if listed == "hash" else None))
    assert fetched.file.path.read_bytes() == WHEEL
    assert left_over(path) == []


def test_listed_size_reveals_a_cut(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=CUT, without=("Content-Length",))]
    fetch(server, path, remote(server, size=len(WHEEL)))
    assert server.starts == [None, CUT]
    assert server.requests[1].headers["if-range"] == server.etag(NAME)


def test_server_that_never_finishes_is_a_network_error(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=1000)] + [honest(until=0)] * 5
    with pytest.raises(NetworkError) as caught:
        fetch(server, path)
    error = caught.value
    assert error.exit_code == 5
    assert NAME in str(error)
    assert "tried 6 times" in error.details
    assert finished(path) == []
    # The partial file can be resumed, so it is kept for the next run.
    assert left_over(path) == [f"{NAME}.part", f"{NAME}.part.json"]
    assert stat.S_IMODE((path / HIDDEN_DIRECTORY / f"{NAME}.part").stat().st_mode) == 0o600
    (fetched,) = fetch(server, path)
    assert fetched.outcome is DownloadOutcome.RESUMED
    assert server.starts[-1] == 1000
    assert fetched.file.path.read_bytes() == WHEEL
    assert left_over(path) == []


def test_deletes_a_partial_file_that_cannot_be_resumed(server: FileServer, path: Path) -> None:
    server.etags = "weak"
    server.plan = [honest(until=1000)] * 6
    with pytest.raises(NetworkError):
        fetch(server, path)
    assert server.starts == [None] * 6
    assert finished(path) == left_over(path) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (honest(until=0, more={"Content-Length": 0}), "it is empty"),
        (fixed_answer(200, WHEEL[:CUT]), ""),
        (fixed_answer(200, bytes([*WHEEL[:CUT], WHEEL[CUT] ^ 1, *WHEEL[CUT + 1 :]])), ""),
        (fixed_answer(200, b"just some text\n"), ""),
        (fixed_answer(200, OTHER[:-1]), ""),
    ],
    ids=["empty", "length too short", "flipped bit", "text", "last byte missing"],
)
@pytest.mark.parametrize("listed", ["nothing", "size", "hash"])
def test_retries_wrong_bytes_once_and_then_fails(
    server: FileServer, path: Path, answer: FileAnswer, message: str, listed: str
) -> None:
    size = len(WHEEL) if listed == "size" else None
    file = remote(server, size=size, hashes=SHA256 if listed == "hash" else None)
    server.plan = [answer, answer]
    error = fetch_fails(FileError, server, path, file)
    assert str(error).startswith(f"{NAME} from {server.url}{NAME}: ")
    if listed == "nothing":
        assert message in str(error)
    assert "run the same command again" in error.hint
    assert len(server.requests) == 2
    assert finished(path) == left_over(path) == []
    server.plan = [answer]
    progress = RecordingProgress()
    fetch(server, path, file, progress=progress)
    assert (path / NAME).read_bytes() == WHEEL
    assert any("downloading it again" in line for line in progress.details)


def test_error_shows_both_hashes(server: FileServer, path: Path) -> None:
    server.files[NAME] = OTHER
    error = fetch_fails(FileError, server, path, remote(server, hashes=SHA256))
    assert SHA256["sha256"] in str(error)
    assert hashlib.sha256(OTHER).hexdigest() in str(error)


def test_never_accepts_an_invalid_hash(server: FileServer, path: Path) -> None:
    error = fetch_fails(FileError, server, path, remote(server, hashes={"sha256": "\x1b[31mnone"}))
    assert "\\x1b[31mnone was listed" in str(error)


def test_rejects_a_different_size_before_reading_the_body(server: FileServer, path: Path) -> None:
    error = fetch_fails(FileError, server, path, remote(server, size=len(WHEEL) + 1))
    assert f"the server has {len(WHEEL)} bytes, but {len(WHEEL) + 1} were listed" in str(error)
    assert finished(path) == left_over(path) == []


def test_rejects_more_bytes_than_listed(server: FileServer, path: Path) -> None:
    more = honest(without=("Content-Length",), extra=b"x" * 100)
    server.plan = [more, more]
    error = fetch_fails(FileError, server, path, remote(server, size=len(WHEEL)))
    assert f"the server sent more than the expected {len(WHEEL)} bytes" in str(error)
    assert finished(path) == left_over(path) == []


def test_rejects_extra_bytes_after_the_archive(server: FileServer, path: Path) -> None:
    more = honest(without=("Content-Length",), extra=b"x" * 100)
    server.plan = [more, more]
    error = fetch_fails(FileError, server, path)
    assert NAME in str(error)
    assert finished(path) == left_over(path) == []


# --- responses other than the file -----------------------------------------------------------------

S3 = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>x</Message></Error>'


@pytest.mark.parametrize(
    ("body", "description"),
    [
        (b"<!DOCTYPE html><title>Sign in \x1b[31m</title>", 'an HTML page ("Sign in \\x1b[31m")'),
        (b"\xef\xbb\xbf \n<html><body>gone", "an HTML page"),
        (S3, 'an XML document ("AccessDenied, x")'),
        (b"<Error><Code>NoSuchKey</Code></Error>", 'an XML document ("NoSuchKey")'),
    ],
)
@pytest.mark.parametrize(("size", "hashes"), [(None, None), (len(WHEEL), SHA256)])
def test_error_names_a_page_sent_instead_of_the_file(
    server: FileServer,
    path: Path,
    body: bytes,
    description: str,
    size: int | None,
    hashes: dict[str, str] | None,
) -> None:
    server.plan = [fixed_answer(200, body)]
    error = fetch_fails(FileError, server, path, remote(server, size=size, hashes=hashes))
    assert str(error) == f"{NAME}: the server sent {description} instead of the file"
    assert (
        error.hint
        == f"Open {server.url}{NAME} in a browser: it may require a login, or the file no longer exists."
    )
    assert finished(path) == left_over(path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_reports_an_error_status(server: FileServer, path: Path, status: int) -> None:
    server.plan = [fixed_answer(status, S3, content_type="application/xml")]
    error = fetch_fails(HttpStatusError, server, path)
    assert str(error).startswith(f"{server.url}{NAME} returned {status}")
    assert error.exit_code == 5
    assert len(server.requests) == 1
    assert finished(path) == left_over(path) == []


def test_retries_a_busy_server(server: FileServer, path: Path) -> None:
    server.plan = [
        fixed_answer(503),
        fixed_answer(429, retry_after="0"),
        honest(until=CUT),
        fixed_answer(500),
    ]
    fetch(server, path)
    assert (path / NAME).read_bytes() == WHEEL


@pytest.mark.parametrize("status", [304, 206, 416])
def test_rejects_an_unexpected_status(server: FileServer, path: Path, status: int) -> None:
    answer = fixed_answer(
        status, WHEEL if status == 206 else b"", content_range=f"bytes 0-{len(WHEEL) - 1}/{len(WHEEL)}"
    )
    server.plan = [answer] * 2
    error = fetch_fails(NetworkError, server, path)
    assert str(error) == f"{NAME}: the server returned status {status} for the whole file"
    assert finished(path) == left_over(path) == []


def test_rejects_a_gzip_encoded_wheel_with_the_cause(server: FileServer, path: Path) -> None:
    server.plan = [fixed_answer(200, gzip.compress(WHEEL), content_encoding="gzip")]
    error = fetch_fails(FileError, server, path)
    assert f"{NAME}: the server sent it with the content coding gzip" in str(error)
    assert "compression" in error.hint
    assert finished(path) == left_over(path) == []


def test_accepts_an_sdist_labelled_as_gzip_encoded(server: FileServer, path: Path) -> None:
    """Apache's AddEncoding labels every .tar.gz this way."""
    name = "dipy-1.11.0.tar.gz"
    server.files[name] = SDIST
    server.plan = [honest(more={"Content-Encoding": "x-gzip"})]
    fetch(server, path, remote(server, name))
    assert (path / name).read_bytes() == SDIST


# --- ranges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        wrong_range(first=1),
        wrong_range(first=-1),
        wrong_range(last=-1),
        wrong_range(total=1),
        wrong_range(last=1, total=1),
        wrong_range(header=""),
        wrong_range(header="bytes */300"),
        wrong_range(header="bytes 1-2"),
        wrong_range(etag='"changed"'),
        fixed_answer(416),
        fixed_answer(304),
        fixed_answer(200, WHEEL),
    ],
    ids=[
        "late", "early", "ends early", "other total", "longer", "no range", "unknown", "no total",
        "other etag", "416", "304", "200",
    ],
)  # fmt: skip
@pytest.mark.parametrize("hashed", [False, True], ids=["etag", "hash"])
def test_restarts_after_a_wrong_response_to_a_range(
    server: FileServer, path: Path, answer: FileAnswer, hashed: bool
) -> None:
    server.plan = [honest(until=CUT), answer]
    fetch(server, path, remote(server, hashes=SHA256 if hashed else None))
    assert (path / NAME).read_bytes() == WHEEL
    assert server.starts[:2] == [None, CUT]
    assert left_over(path) == []


def test_restarts_after_416_only_once(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=CUT), fixed_answer(416), fixed_answer(416)]
    error = fetch_fails(NetworkError, server, path)
    assert str(error) == f"{NAME}: the server returned status 416 for the whole file"
    assert finished(path) == left_over(path) == []


def test_never_mixes_two_versions_of_a_file(server: FileServer, path: Path) -> None:
    def replace_file(server: FileServer, request: Request) -> Sequence[Step]:
        server.files[NAME] = OTHER
        return honest()(server, request)

    server.plan = [honest(until=CUT), replace_file]
    fetch(server, path)
    assert (path / NAME).read_bytes() == OTHER
    assert len(server.requests) == 2


def test_detects_a_server_that_ignores_if_range(server: FileServer, path: Path) -> None:
    """RECORD reveals other bytes after the cut, despite the same length and ETag."""

    def replace_file(server: FileServer, request: Request) -> Sequence[Step]:
        server.files[NAME] = OTHER
        return wrong_range(etag=request.headers["if-range"])(server, request)

    assert len(OTHER) == len(WHEEL)
    server.plan = [honest(until=CUT), replace_file]
    fetch(server, path)
    assert (path / NAME).read_bytes() == OTHER
    assert server.starts == [None, CUT, None]


def test_resumes_from_a_mirror_if_the_hash_is_known(server: FileServer, path: Path) -> None:
    file = remote(server, hashes=SHA256)
    server.plan = [honest(until=CUT)] + [fixed_answer(503)] * 5
    with pytest.raises(HttpStatusError):
        fetch(server, path, file)
    with FileServer({NAME: WHEEL}, etags="").running() as mirror:
        (fetched,) = fetch(mirror, path, remote(mirror, hashes=SHA256))
        assert mirror.starts == [CUT]
        assert "if-range" not in mirror.requests[0].headers
    assert fetched.outcome is DownloadOutcome.RESUMED
    assert fetched.file.path.read_bytes() == WHEEL


def test_does_not_resume_from_a_mirror_without_a_hash(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=CUT)] + [fixed_answer(503)] * 5
    with pytest.raises(HttpStatusError):
        fetch(server, path)
    with FileServer({NAME: OTHER}).running() as mirror:
        (fetched,) = fetch(mirror, path)
        assert mirror.starts == [None]
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert fetched.file.path.read_bytes() == OTHER
    assert left_over(path) == []


def leave_partial_file(server: FileServer, path: Path, file: RemoteFile) -> Path:
    """Leave a partial file of ``CUT`` bytes and return its path."""
    server.plan = [honest(until=CUT)] + [fixed_answer(503)] * 5
    with pytest.raises(HttpStatusError):
        fetch(server, path, file)
    server.requests.clear()
    partial = path / HIDDEN_DIRECTORY / f"{NAME}.part"
    assert partial.stat().st_size == CUT
    return partial


def test_complete_partial_file_needs_no_request(server: FileServer, path: Path) -> None:
    file = remote(server, size=len(WHEEL), hashes=SHA256)
    leave_partial_file(server, path, file).write_bytes(WHEEL)
    (fetched,) = fetch(server, path, file)
    assert server.requests == []
    assert fetched.outcome is DownloadOutcome.RESUMED
    assert left_over(path) == []


@pytest.mark.parametrize("hashed", [False, True], ids=["etag", "hash"])
@pytest.mark.parametrize("content", [OTHER, OTHER[:CUT], WHEEL, WHEEL + b"x", b""])
def test_wrong_partial_file_does_no_harm(
    server: FileServer, path: Path, content: bytes, hashed: bool
) -> None:
    file = remote(server, hashes=SHA256 if hashed else None)
    leave_partial_file(server, path, file).write_bytes(content)
    (fetched,) = fetch(server, path, file)
    assert (path / NAME).read_bytes() == WHEEL
    assert (fetched.outcome is DownloadOutcome.RESUMED) is (hashed and content is WHEEL)
    assert left_over(path) == []


def test_does_not_write_through_a_linked_partial_file(server: FileServer, path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(WHEEL[:CUT])
    for link in (Path.symlink_to, Path.hardlink_to):
        partial = leave_partial_file(server, path, remote(server))
        partial.unlink()
        link(partial, precious)
        fetch(server, path)
        assert precious.read_bytes() == WHEEL[:CUT]
        assert server.starts == [None]
        assert (path / NAME).read_bytes() == WHEEL
        assert not (path / NAME).is_symlink()
        (path / NAME).unlink()


def test_discards_a_partial_file_of_another_listing(server: FileServer, path: Path) -> None:
    leave_partial_file(server, path, remote(server, hashes=SHA256))
    fetch(server, path, remote(server, size=len(WHEEL)))
    assert server.starts == [None]
    assert left_over(path) == []


# --- existing files --------------------------------------------------------------------------------


@pytest.mark.parametrize(("etags", "date"), [("strong", ""), ("weak", LONG_AGO), ("", LONG_AGO)])
def test_second_run_revalidates_the_file(server: FileServer, path: Path, etags: str, date: str) -> None:
    server.etags, server.last_modified = etags, date
    fetch(server, path)
    before = (path / NAME).stat()
    (fetched,) = fetch(server, path)
    assert fetched.outcome is DownloadOutcome.UNCHANGED
    assert fetched.verified_by == "the server: not modified since the download"
    assert "range" not in server.requests[1].headers
    assert {"if-none-match", "if-modified-since"} & server.requests[1].headers.keys()
    assert (path / NAME).stat() == before or (path / NAME).stat().st_mtime_ns == before.st_mtime_ns
    assert left_over(path) == []


def test_downloads_again_without_validators(server: FileServer, path: Path) -> None:
    server.etags = server.last_modified = ""
    fetch(server, path)
    before = (path / NAME).stat()
    (fetched,) = fetch(server, path)
    assert (fetched.outcome, fetched.verified_by) == (DownloadOutcome.UNCHANGED, "RECORD")
    assert (path / NAME).stat().st_ino == before.st_ino
    assert left_over(path) == []


def test_does_not_revalidate_with_a_too_recent_date(server: FileServer, path: Path) -> None:
    server.etags, server.last_modified = "", "Thu, 01 Jan 2099 00:00:00 GMT"
    fetch(server, path)
    fetch(server, path)
    assert "if-modified-since" not in server.requests[1].headers


@pytest.mark.parametrize("date", ["yesterday", "Thu, 32 Jan 2015 00:00:00 GMT", "\x80"])
def test_does_not_store_an_invalid_date(server: FileServer, path: Path, date: str) -> None:
    server.etags, server.last_modified = "", date
    fetch(server, path)
    fetch(server, path)
    assert "if-modified-since" not in server.requests[1].headers


@pytest.mark.parametrize(
    "damage", ["no metadata", "metadata of another file", "file changed", "other size in metadata"]
)
def test_downloads_again_if_the_metadata_does_not_match(server: FileServer, path: Path, damage: str) -> None:
    fetch(server, path)
    metadata = path / HIDDEN_DIRECTORY / f"{NAME}.json"
    file = remote(server)
    match damage:
        case "no metadata":
            metadata.unlink()
        case "metadata of another file":
            metadata.write_text(metadata.read_text().replace(NAME, "x.whl"))
        case "file changed":
            (path / NAME).write_bytes(OTHER)
        case _:
            server.files[NAME] = WHEEL
            file = remote(server, size=len(WHEEL))
            metadata.write_text(re.sub(r'"size": \d+', '"size": 1', metadata.read_text()))
    server.requests.clear()
    (fetched,) = fetch(server, path, file, clobber=True)
    assert not {"if-none-match", "if-modified-since"} & server.requests[0].headers.keys()
    assert fetched.file.path.read_bytes() == WHEEL
    assert left_over(path) == []


def test_forged_metadata_does_not_prove_that_a_file_is_current(server: FileServer, path: Path) -> None:
    fetch(server, path)
    (path / NAME).write_bytes(OTHER)
    metadata = path / HIDDEN_DIRECTORY / f"{NAME}.json"
    forged = json.loads(metadata.read_text()) | {
        "size": len(OTHER),
        "digest": f"sha256:{hashlib.sha256(OTHER).hexdigest()}",
    }
    metadata.write_text(json.dumps(forged))
    server.requests.clear()
    assert "differs from" in str(fetch_fails(FileError, server, path))
    assert not {"if-none-match", "if-modified-since"} & server.requests[0].headers.keys()


@pytest.mark.parametrize("hashed", [False, True], ids=["fetched again", "hash"])
@pytest.mark.parametrize("existing", [OTHER, WHEEL[:CUT], b""], ids=["other", "cut", "empty"])
def test_overwrites_different_contents_only_with_clobber(
    server: FileServer, path: Path, hashed: bool, existing: bytes
) -> None:
    path.mkdir()
    (path / NAME).write_bytes(existing)
    file = remote(server, hashes=SHA256 if hashed else None)
    error = fetch_fails(FileError, server, path, file)
    assert str(error) == f"{path / NAME} differs from {server.url}{NAME}"
    assert error.hint == "Remove it, or overwrite it with -c."
    assert (path / NAME).read_bytes() == existing
    assert finished(path) == [NAME]
    assert left_over(path) == []
    (fetched,) = fetch(server, path, file, clobber=True)
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert (path / NAME).read_bytes() == WHEEL
    server.requests.clear()
    (fetched,) = fetch(server, path, file, clobber=True)
    assert fetched.outcome is DownloadOutcome.UNCHANGED
    assert hashed is (server.requests == [])


def test_does_not_replace_a_file_that_changed_at_the_source(server: FileServer, path: Path) -> None:
    fetch(server, path)
    server.files[NAME] = OTHER
    fetch_fails(FileError, server, path)
    assert (path / NAME).read_bytes() == WHEEL
    fetch(server, path, clobber=True)
    assert (path / NAME).read_bytes() == OTHER
    assert left_over(path) == []


def test_checks_every_file_even_a_damaged_one(server: FileServer, path: Path) -> None:
    """The checks report a damaged file although it does not stay in the wheelhouse."""
    sdist = "dipy-1.11.0.tar.gz"
    server.files |= {NAME: WHEEL[:CUT], sdist: SDIST}
    pairs = [(filenames.parse_filename(name), remote(server, name)) for name in (NAME, sdist)]

    def inspect(content: WheelContent | SdistContent) -> CheckResult:
        return checks.inspect_content(content, profile=CheckProfile.PYPI)

    with Wheelhouse(path) as wheelhouse, HttpClient(user_urls=[server.url]) as http:
        result = download_files(
            pairs, wheelhouse, http, jobs=1, clobber=False, progress=SilentProgress(), inspect=inspect
        )
    assert [fetched.file.filename for fetched in result.downloaded] == [sdist]
    assert {(finding.check, finding.subject) for finding in result.findings} >= {("archive/unreadable", NAME)}
    assert [summary.name.filename for summary in result.summaries] == [NAME, sdist]
    assert isinstance(result.error, FileError)
    assert finished(path) == [sdist]


def test_rejects_a_damaged_wheel_with_a_matching_hash(server: FileServer, path: Path) -> None:
    server.files[NAME] = WHEEL[:CUT]
    hashes = {"sha256": hashlib.sha256(WHEEL[:CUT]).hexdigest()}
    fetch_fails(FileError, server, path, remote(server, hashes=hashes))
    assert finished(path) == left_over(path) == []
    (path / NAME).write_bytes(WHEEL[:CUT])
    error = fetch_fails(FileError, server, path, remote(server, hashes=hashes))
    assert str(error).startswith(f"{path / NAME}: ")


@pytest.mark.parametrize("kind", ["symlink", "dangling", "fifo", "directory"])
@pytest.mark.parametrize("clobber", [False, True])
def test_rejects_an_existing_path_that_is_not_a_file(
    server: FileServer, path: Path, tmp_path: Path, kind: str, clobber: bool
) -> None:
    path.mkdir()
    target = tmp_path / "target"
    match kind:
        case "symlink":
            target.write_bytes(WHEEL)
            (path / NAME).symlink_to(target)
        case "dangling":
            (path / NAME).symlink_to(target)
        case "fifo":
            os.mkfifo(path / NAME)
        case _:
            (path / NAME).mkdir()
    error = fetch_fails(StorageError, server, path, clobber=clobber)
    assert str(path / NAME) in str(error)
    assert server.requests == []
    assert target.exists() is (kind == "symlink")


def test_does_not_overwrite_a_file_created_during_the_run(server: FileServer, path: Path) -> None:
    def create_file(server: FileServer, request: Request) -> Sequence[Step]:
        (path / NAME).write_bytes(b"mine")
        return honest()(server, request)

    server.plan = [create_file]
    error = fetch_fails(FileError, server, path)
    assert str(error) == f"{path / NAME} was created during the run"
    assert (path / NAME).read_bytes() == b"mine"
    assert left_over(path) == []


# --- several files ---------------------------------------------------------------------------------


def test_one_failure_does_not_stop_the_other_files(tmp_path: Path, path: Path) -> None:
    staged = make_release(tmp_path / "staged")
    contents = {wheel.name: wheel.read_bytes() for wheel in staged}
    gone, damaged, *good = contents
    with FileServer({**contents, damaged: b"PK nothing"}).running() as server:
        del server.files[gone]
        error = fetch_fails(FileError, server, path, *(remote(server, name) for name in contents))
        assert damaged in str(error)
        assert error.details == (
            f"{server.url}{gone} returned 404 X",
            f"{len(good)} of {len(contents)} files are in the wheelhouse",
        )
    assert finished(path) == sorted(good)
    assert left_over(path) == []


def test_adds_the_file_name_to_errors_without_it(path: Path) -> None:
    with FileServer({NAME: WHEEL}).running() as server:
        server.plan = [fixed_answer(302, location="/elsewhere"), fixed_answer(404)]
        error = fetch_fails(HttpStatusError, server, path)
    assert str(error) == f"{NAME}: {server.url}elsewhere returned 404 X"


def test_does_not_fetch_forbidden_links(server: FileServer, path: Path) -> None:
    for url in (f"http://localhost.example/{NAME}", f"https://10.0.0.1/{NAME}", f"ftp://127.0.0.1/{NAME}"):
        file = RemoteFile(filename=NAME, url=url, source=server.url)
        error = fetch_fails(NetworkError, server, path, file)
        assert NAME in str(error)
    assert server.requests == []


def test_does_not_hide_a_bug_in_a_worker(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("wheel_uploader.facts.archive.reader.read_archive_stream", fail)
    with pytest.raises(ZeroDivisionError):
        fetch(server, path)
    assert finished(path) == []


@pytest.mark.parametrize(("sizes", "jobs"), [([None] * 24, 20), ([1000] * 24, 20), ([9_000_000] * 24, 8)])
def test_uses_more_connections_for_small_files_than_for_large_ones(
    server: FileServer, path: Path, sizes: list[int | None], jobs: int
) -> None:
    requests = SimultaneousRequests(jobs)

    def count(server: FileServer, request: Request) -> Sequence[Step]:
        requests.wait()
        return [head(404, {"Content-Length": 0})]

    server.plan = [count] * len(sizes)
    files = [
        remote(server, wheel_filename("dipy", "1.11.0", build=str(number)), size=size)
        for number, size in enumerate(sizes)
    ]
    fetch_fails(HttpStatusError, server, path, *files)
    assert requests.most == jobs


def test_accepts_an_empty_list_of_files(server: FileServer, path: Path) -> None:
    with Wheelhouse(path) as wheelhouse, HttpClient(user_urls=[server.url]) as http:
        result = download_files(
            [],
            wheelhouse,
            http,
            jobs=None,
            clobber=False,
            progress=SilentProgress(),
            inspect=lambda _: CheckResult(),
        )
    assert (result.downloaded, result.error) == ((), None)

"""Files from a server into the wheelhouse: whatever the server does, no wrong file under a final name."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import stat
import threading
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
from tests.support.scripted import HANG, RESET, Request, Step
from tests.support.wheels import make_release, wheel_bytes, wheel_filename
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


class Listener(SilentProgress):
    """What was said under -v."""

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
    return tmp_path / "house"


# --- when all is well ------------------------------------------------------------------------------


def test_a_file_arrives_verified(server: FileServer, path: Path) -> None:
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
    ("name", "data", "hashes", "vouched"),
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
def test_what_vouches_is_said(
    server: FileServer, path: Path, name: str, data: bytes, hashes: dict[str, str], vouched: str
) -> None:
    server.files[name] = data
    (fetched,) = fetch(server, path, remote(server, name, hashes=hashes))
    assert fetched.verified_by == vouched
    assert fetched.file.path.read_bytes() == data
    (again,) = fetch(server, path, remote(server, name, hashes=hashes))
    assert again.outcome is DownloadOutcome.UNCHANGED
    assert again.file == fetched.file


def test_a_wheel_without_record_is_vouched_for_by_its_crcs(server: FileServer, path: Path) -> None:
    server.files[NAME] = wheel_bytes("dipy", "1.11.0", without=("dipy-1.11.0.dist-info/RECORD",))
    (fetched,) = fetch(server, path)
    assert fetched.verified_by == "ZIP CRC"


@pytest.mark.parametrize("roughly", [False, True])
def test_a_release_arrives_in_the_order_given_longest_first(
    tmp_path: Path, path: Path, roughly: bool
) -> None:
    staged = make_release(tmp_path / "staged")
    with FileServer({each.name: each.read_bytes() for each in staged}).running() as server:
        files = [remote(server, each.name, size=each.stat().st_size) for each in staged]
        if roughly:
            files = [replace(file, size=None, approximate_size=file.size) for file in files]
        fetched = fetch(server, path, *files, jobs=1)
        assert [each.file.filename for each in fetched] == [each.name for each in staged]
        asked = [len(server.files[name_of(request)]) for request in server.requests]
        assert asked == sorted(asked, reverse=True)
        for each in fetched:
            assert each.file.path.read_bytes() == server.files[each.file.filename]
        # Again, and with hashes, at once: nothing is asked for.
        server.requests.clear()
        with_hashes = [
            remote(server, each.file.filename, hashes={"sha256": each.file.sha256}) for each in fetched
        ]
        again = fetch(server, path, *with_hashes)
        assert {each.outcome for each in again} == {DownloadOutcome.UNCHANGED}
        assert server.requests == []
    assert left_over(path) == []


# --- a body that is not whole ----------------------------------------------------------------------

#: Places at which a transfer is cut: the ends, and 80 between them.
CUTS = sorted({0, 1, len(SMALL) - 1, *range(0, len(SMALL), max(1, len(SMALL) // 80))})


@pytest.mark.parametrize("hashed", [False, True], ids=["etag", "hash"])
def test_a_cut_anywhere_is_resumed(server: FileServer, path: Path, hashed: bool) -> None:
    server.files[NAME] = SMALL
    assert len(CUTS) >= 64
    hashes = {"sha256": hashlib.sha256(SMALL).hexdigest()} if hashed else {}
    server.etags = "" if hashed else "strong"
    for cut in CUTS:
        house = path / str(cut)
        server.requests.clear()
        server.plan = [honest(until=cut)]
        (fetched,) = fetch(server, house, remote(server, hashes=hashes))
        assert fetched.file.path.read_bytes() == SMALL
        assert finished(house) == [NAME]
        assert left_over(house) == []
        assert server.starts == [None, cut or None]


def test_a_cut_without_any_help_is_never_taken_for_the_end(server: FileServer, path: Path) -> None:
    """No length, no hash, no validator: only the archive's own end and RECORD can tell."""
    server.files[NAME] = SMALL
    server.etags = server.last_modified = ""
    for cut in CUTS:
        house = path / str(cut)
        cut_short = honest(until=cut, without=("Content-Length",))
        server.plan = [cut_short, cut_short]
        error = fetch_fails(FileError, server, house)
        assert NAME in str(error)
        assert finished(house) == []
        assert left_over(house) == []
        server.plan = [cut_short]
        fetch(server, house)
        assert (house / NAME).read_bytes() == SMALL


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
@pytest.mark.parametrize("known", ["nothing", "size", "hash"])
def test_a_broken_transfer_is_completed(
    server: FileServer, path: Path, answer: FileAnswer, known: str
) -> None:
    size = len(WHEEL) if known == "size" else None
    server.plan = [answer]
    (fetched,) = fetch(server, path, remote(server, size=size, hashes=SHA256 if known == "hash" else None))
    assert fetched.file.path.read_bytes() == WHEEL
    assert left_over(path) == []


def test_a_cut_that_only_the_listed_size_shows(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=CUT, without=("Content-Length",))]
    fetch(server, path, remote(server, size=len(WHEEL)))
    assert server.starts == [None, CUT]
    assert server.requests[1].headers["if-range"] == server.etag(NAME)


def test_a_server_that_never_finishes_is_a_network_error(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=1000)] + [honest(until=0)] * 5
    with pytest.raises(NetworkError) as caught:
        fetch(server, path)
    error = caught.value
    assert error.exit_code == 5
    assert NAME in str(error)
    assert "tried 6 times" in error.details
    assert finished(path) == []
    # What came can be continued: it is kept for the next run.
    assert left_over(path) == [f"{NAME}.part", f"{NAME}.part.json"]
    assert stat.S_IMODE((path / HIDDEN_DIRECTORY / f"{NAME}.part").stat().st_mode) == 0o600
    (fetched,) = fetch(server, path)
    assert fetched.outcome is DownloadOutcome.RESUMED
    assert server.starts[-1] == 1000
    assert fetched.file.path.read_bytes() == WHEEL
    assert left_over(path) == []


def test_a_stump_that_cannot_be_resumed_is_not_kept(server: FileServer, path: Path) -> None:
    server.etags = "weak"
    server.plan = [honest(until=1000)] * 6
    with pytest.raises(NetworkError):
        fetch(server, path)
    assert server.starts == [None] * 6
    assert finished(path) == left_over(path) == []


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (honest(until=0, more={"Content-Length": 0}), "it is empty"),
        (fixed_answer(200, WHEEL[:CUT]), ""),
        (fixed_answer(200, bytes([*WHEEL[:CUT], WHEEL[CUT] ^ 1, *WHEEL[CUT + 1 :]])), ""),
        (fixed_answer(200, b"just some text\n"), ""),
        (fixed_answer(200, OTHER[:-1]), ""),
    ],
    ids=["empty", "length too short", "flipped bit", "text", "last byte missing"],
)
@pytest.mark.parametrize("known", ["nothing", "size", "hash"])
def test_wrong_bytes_are_fetched_once_more_and_then_refused(
    server: FileServer, path: Path, answer: FileAnswer, sentence: str, known: str
) -> None:
    size = len(WHEEL) if known == "size" else None
    file = remote(server, size=size, hashes=SHA256 if known == "hash" else None)
    server.plan = [answer, answer]
    error = fetch_fails(FileError, server, path, file)
    assert str(error).startswith(f"{NAME} from {server.url}{NAME}: ")
    if known == "nothing":
        assert sentence in str(error)
    assert "run the same command again" in error.hint
    assert len(server.requests) == 2
    assert finished(path) == left_over(path) == []
    server.plan = [answer]
    listener = Listener()
    fetch(server, path, file, progress=listener)
    assert (path / NAME).read_bytes() == WHEEL
    assert any("downloading it again" in line for line in listener.details)


def test_the_hashes_are_both_shown(server: FileServer, path: Path) -> None:
    server.files[NAME] = OTHER
    error = fetch_fails(FileError, server, path, remote(server, hashes=SHA256))
    assert SHA256["sha256"] in str(error)
    assert hashlib.sha256(OTHER).hexdigest() in str(error)


def test_a_hash_that_is_none_is_never_met(server: FileServer, path: Path) -> None:
    error = fetch_fails(FileError, server, path, remote(server, hashes={"sha256": "\x1b[31mnone"}))
    assert "\\x1b[31mnone was listed" in str(error)


def test_another_size_than_listed_is_refused_before_the_body(server: FileServer, path: Path) -> None:
    error = fetch_fails(FileError, server, path, remote(server, size=len(WHEEL) + 1))
    assert f"the server has {len(WHEEL)} bytes, but {len(WHEEL) + 1} were listed" in str(error)
    assert finished(path) == left_over(path) == []


def test_more_bytes_than_listed_are_refused(server: FileServer, path: Path) -> None:
    more = honest(without=("Content-Length",), extra=b"x" * 100)
    server.plan = [more, more]
    error = fetch_fails(FileError, server, path, remote(server, size=len(WHEEL)))
    assert f"the server sent more than the expected {len(WHEEL)} bytes" in str(error)
    assert finished(path) == left_over(path) == []


def test_bytes_after_the_end_that_nothing_announces_are_refused(server: FileServer, path: Path) -> None:
    more = honest(without=("Content-Length",), extra=b"x" * 100)
    server.plan = [more, more]
    error = fetch_fails(FileError, server, path)
    assert NAME in str(error)
    assert finished(path) == left_over(path) == []


# --- something else than the file ------------------------------------------------------------------

S3 = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>x</Message></Error>'


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<!DOCTYPE html><title>Sign in \x1b[31m</title>", 'an HTML page ("Sign in \\x1b[31m")'),
        (b"\xef\xbb\xbf \n<html><body>gone", "an HTML page"),
        (S3, 'an XML document ("AccessDenied, x")'),
        (b"<Error><Code>NoSuchKey</Code></Error>", 'an XML document ("NoSuchKey")'),
    ],
)
@pytest.mark.parametrize(("size", "hashes"), [(None, None), (len(WHEEL), SHA256)])
def test_a_page_in_place_of_the_file_is_named(
    server: FileServer, path: Path, body: bytes, what: str, size: int | None, hashes: dict[str, str] | None
) -> None:
    server.plan = [fixed_answer(200, body)]
    error = fetch_fails(FileError, server, path, remote(server, size=size, hashes=hashes))
    assert str(error) == f"{NAME}: the server sent {what} instead of the file"
    assert (
        error.hint
        == f"Open {server.url}{NAME} in a browser: it may require a login, or the file no longer exists."
    )
    assert finished(path) == left_over(path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_told(server: FileServer, path: Path, status: int) -> None:
    server.plan = [fixed_answer(status, S3, content_type="application/xml")]
    error = fetch_fails(HttpStatusError, server, path)
    assert str(error).startswith(f"{server.url}{NAME} returned {status}")
    assert error.exit_code == 5
    assert len(server.requests) == 1
    assert finished(path) == left_over(path) == []


def test_a_busy_server_is_asked_again(server: FileServer, path: Path) -> None:
    server.plan = [
        fixed_answer(503),
        fixed_answer(429, retry_after="0"),
        honest(until=CUT),
        fixed_answer(500),
    ]
    fetch(server, path)
    assert (path / NAME).read_bytes() == WHEEL


@pytest.mark.parametrize("status", [304, 206, 416])
def test_an_answer_that_was_not_asked_for(server: FileServer, path: Path, status: int) -> None:
    answer = fixed_answer(
        status, WHEEL if status == 206 else b"", content_range=f"bytes 0-{len(WHEEL) - 1}/{len(WHEEL)}"
    )
    server.plan = [answer] * 2
    error = fetch_fails(NetworkError, server, path)
    assert str(error) == f"{NAME}: the server returned status {status} for the whole file"
    assert finished(path) == left_over(path) == []


def test_a_gzip_coded_wheel_is_refused_with_the_cause(server: FileServer, path: Path) -> None:
    server.plan = [fixed_answer(200, gzip.compress(WHEEL), content_encoding="gzip")]
    error = fetch_fails(FileError, server, path)
    assert f"{NAME}: the server sent it with the content coding gzip" in str(error)
    assert "compression" in error.hint
    assert finished(path) == left_over(path) == []


def test_an_sdist_that_is_called_gzip_coded_is_itself(server: FileServer, path: Path) -> None:
    """Apache's AddEncoding does this to every .tar.gz."""
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
def test_a_wrong_answer_to_a_range_starts_again(
    server: FileServer, path: Path, answer: FileAnswer, hashed: bool
) -> None:
    server.plan = [honest(until=CUT), answer]
    fetch(server, path, remote(server, hashes=SHA256 if hashed else None))
    assert (path / NAME).read_bytes() == WHEEL
    assert server.starts[:2] == [None, CUT]
    assert left_over(path) == []


def test_416_starts_again_once(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=CUT), fixed_answer(416), fixed_answer(416)]
    error = fetch_fails(NetworkError, server, path)
    assert str(error) == f"{NAME}: the server returned status 416 for the whole file"
    assert finished(path) == left_over(path) == []


def test_a_file_that_changes_between_two_attempts_is_never_mixed(server: FileServer, path: Path) -> None:
    def replaced(server: FileServer, request: Request) -> Sequence[Step]:
        server.files[NAME] = OTHER
        return honest()(server, request)

    server.plan = [honest(until=CUT), replaced]
    fetch(server, path)
    assert (path / NAME).read_bytes() == OTHER
    assert len(server.requests) == 2


def test_a_server_that_ignores_if_range_gives_no_mixture(server: FileServer, path: Path) -> None:
    """Same length, same ETag, other bytes from the cut on: RECORD finds it."""

    def replaced(server: FileServer, request: Request) -> Sequence[Step]:
        server.files[NAME] = OTHER
        return wrong_range(etag=request.headers["if-range"])(server, request)

    assert len(OTHER) == len(WHEEL)
    server.plan = [honest(until=CUT), replaced]
    fetch(server, path)
    assert (path / NAME).read_bytes() == OTHER
    assert server.starts == [None, CUT, None]


def test_a_stump_is_continued_by_its_hash_from_another_place(server: FileServer, path: Path) -> None:
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


def test_a_stump_of_another_place_is_not_continued_without_a_hash(server: FileServer, path: Path) -> None:
    server.plan = [honest(until=CUT)] + [fixed_answer(503)] * 5
    with pytest.raises(HttpStatusError):
        fetch(server, path)
    with FileServer({NAME: OTHER}).running() as mirror:
        (fetched,) = fetch(mirror, path)
        assert mirror.starts == [None]
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert fetched.file.path.read_bytes() == OTHER
    assert left_over(path) == []


def cut_once(server: FileServer, path: Path, file: RemoteFile) -> Path:
    """Leave a stump of ``CUT`` bytes."""
    server.plan = [honest(until=CUT)] + [fixed_answer(503)] * 5
    with pytest.raises(HttpStatusError):
        fetch(server, path, file)
    server.requests.clear()
    stump = path / HIDDEN_DIRECTORY / f"{NAME}.part"
    assert stump.stat().st_size == CUT
    return stump


def test_a_stump_with_all_bytes_needs_no_request(server: FileServer, path: Path) -> None:
    file = remote(server, size=len(WHEEL), hashes=SHA256)
    cut_once(server, path, file).write_bytes(WHEEL)
    (fetched,) = fetch(server, path, file)
    assert server.requests == []
    assert fetched.outcome is DownloadOutcome.RESUMED
    assert left_over(path) == []


@pytest.mark.parametrize("hashed", [False, True], ids=["etag", "hash"])
@pytest.mark.parametrize("content", [OTHER, OTHER[:CUT], WHEEL, WHEEL + b"x", b""])
def test_a_stump_that_lies_harms_nothing(
    server: FileServer, path: Path, content: bytes, hashed: bool
) -> None:
    file = remote(server, hashes=SHA256 if hashed else None)
    cut_once(server, path, file).write_bytes(content)
    (fetched,) = fetch(server, path, file)
    assert (path / NAME).read_bytes() == WHEEL
    assert (fetched.outcome is DownloadOutcome.RESUMED) is (hashed and content is WHEEL)
    assert left_over(path) == []


def test_a_stump_is_not_followed_nor_shared(server: FileServer, path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(WHEEL[:CUT])
    for make in (Path.symlink_to, Path.hardlink_to):
        stump = cut_once(server, path, remote(server))
        stump.unlink()
        make(stump, precious)
        fetch(server, path)
        assert precious.read_bytes() == WHEEL[:CUT]
        assert server.starts == [None]
        assert (path / NAME).read_bytes() == WHEEL
        assert not (path / NAME).is_symlink()
        (path / NAME).unlink()


def test_a_stump_for_another_listing_is_dropped(server: FileServer, path: Path) -> None:
    cut_once(server, path, remote(server, hashes=SHA256))
    fetch(server, path, remote(server, size=len(WHEEL)))
    assert server.starts == [None]
    assert left_over(path) == []


# --- what is there already -------------------------------------------------------------------------


@pytest.mark.parametrize(("etags", "date"), [("strong", ""), ("weak", LONG_AGO), ("", LONG_AGO)])
def test_the_second_run_asks_whether_it_changed(
    server: FileServer, path: Path, etags: str, date: str
) -> None:
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


def test_without_validators_it_is_fetched_again(server: FileServer, path: Path) -> None:
    server.etags = server.last_modified = ""
    fetch(server, path)
    before = (path / NAME).stat()
    (fetched,) = fetch(server, path)
    assert (fetched.outcome, fetched.verified_by) == (DownloadOutcome.UNCHANGED, "RECORD")
    assert (path / NAME).stat().st_ino == before.st_ino
    assert left_over(path) == []


def test_a_date_of_this_very_second_proves_nothing(server: FileServer, path: Path) -> None:
    server.etags, server.last_modified = "", "Thu, 01 Jan 2099 00:00:00 GMT"
    fetch(server, path)
    fetch(server, path)
    assert "if-modified-since" not in server.requests[1].headers


@pytest.mark.parametrize("date", ["yesterday", "Thu, 32 Jan 2015 00:00:00 GMT", "\x80"])
def test_a_date_that_is_none_is_not_noted(server: FileServer, path: Path, date: str) -> None:
    server.etags, server.last_modified = "", date
    fetch(server, path)
    fetch(server, path)
    assert "if-modified-since" not in server.requests[1].headers


@pytest.mark.parametrize("spoil", ["note gone", "note of another", "file changed", "touched by listing"])
def test_what_the_note_does_not_prove_is_fetched_again(server: FileServer, path: Path, spoil: str) -> None:
    fetch(server, path)
    note = path / HIDDEN_DIRECTORY / f"{NAME}.json"
    file = remote(server)
    match spoil:
        case "note gone":
            note.unlink()
        case "note of another":
            note.write_text(note.read_text().replace(NAME, "x.whl"))
        case "file changed":
            (path / NAME).write_bytes(OTHER)
        case _:
            server.files[NAME] = WHEEL
            file = remote(server, size=len(WHEEL))
            note.write_text(re.sub(r'"size": \d+', '"size": 1', note.read_text()))
    server.requests.clear()
    (fetched,) = fetch(server, path, file, clobber=True)
    assert not {"if-none-match", "if-modified-since"} & server.requests[0].headers.keys()
    assert fetched.file.path.read_bytes() == WHEEL
    assert left_over(path) == []


def test_a_note_that_came_with_a_repository_does_not_prove_that_a_file_is_the_servers(
    server: FileServer, path: Path
) -> None:
    fetch(server, path)
    (path / NAME).write_bytes(OTHER)
    note = path / HIDDEN_DIRECTORY / f"{NAME}.json"
    forged = json.loads(note.read_text()) | {
        "size": len(OTHER),
        "digest": f"sha256:{hashlib.sha256(OTHER).hexdigest()}",
    }
    note.write_text(json.dumps(forged))
    server.requests.clear()
    assert "differs from" in str(fetch_fails(FileError, server, path))
    assert not {"if-none-match", "if-modified-since"} & server.requests[0].headers.keys()


@pytest.mark.parametrize("hashed", [False, True], ids=["fetched again", "hash"])
@pytest.mark.parametrize("there", [OTHER, WHEEL[:CUT], b""], ids=["other", "cut", "empty"])
def test_other_bytes_are_never_overwritten_unless_asked(
    server: FileServer, path: Path, hashed: bool, there: bytes
) -> None:
    path.mkdir()
    (path / NAME).write_bytes(there)
    file = remote(server, hashes=SHA256 if hashed else None)
    error = fetch_fails(FileError, server, path, file)
    assert str(error) == f"{path / NAME} differs from {server.url}{NAME}"
    assert error.hint == "Remove it, or overwrite it with -c."
    assert (path / NAME).read_bytes() == there
    assert finished(path) == [NAME]
    assert left_over(path) == []
    (fetched,) = fetch(server, path, file, clobber=True)
    assert fetched.outcome is DownloadOutcome.DOWNLOADED
    assert (path / NAME).read_bytes() == WHEEL
    server.requests.clear()
    (fetched,) = fetch(server, path, file, clobber=True)
    assert fetched.outcome is DownloadOutcome.UNCHANGED
    assert hashed is (server.requests == [])


def test_a_file_that_changed_at_the_source_is_not_taken_over(server: FileServer, path: Path) -> None:
    fetch(server, path)
    server.files[NAME] = OTHER
    fetch_fails(FileError, server, path)
    assert (path / NAME).read_bytes() == WHEEL
    fetch(server, path, clobber=True)
    assert (path / NAME).read_bytes() == OTHER
    assert left_over(path) == []


def test_every_file_is_judged_also_a_damaged_one(server: FileServer, path: Path) -> None:
    """What is wrong with a file is told by the checks, though it never gets its name."""
    sdist = "dipy-1.11.0.tar.gz"
    server.files |= {NAME: WHEEL[:CUT], sdist: SDIST}
    pairs = [(filenames.parse_filename(name), remote(server, name)) for name in (NAME, sdist)]

    def inspect(content: WheelContent | SdistContent) -> CheckResult:
        return checks.inspect_content(content, profile=CheckProfile.PYPI)

    with Wheelhouse(path) as house, HttpClient(user_urls=[server.url]) as http:
        arrivals = download_files(
            pairs, house, http, jobs=1, clobber=False, progress=SilentProgress(), inspect=inspect
        )
    assert [fetched.file.filename for fetched in arrivals.downloaded] == [sdist]
    assert {(each.check, each.subject) for each in arrivals.findings} >= {("archive/unreadable", NAME)}
    assert [each.name.filename for each in arrivals.summaries] == [NAME, sdist]
    assert isinstance(arrivals.error, FileError)
    assert finished(path) == [sdist]


def test_a_source_that_vouches_for_a_damaged_wheel(server: FileServer, path: Path) -> None:
    server.files[NAME] = WHEEL[:CUT]
    hashes = {"sha256": hashlib.sha256(WHEEL[:CUT]).hexdigest()}
    fetch_fails(FileError, server, path, remote(server, hashes=hashes))
    assert finished(path) == left_over(path) == []
    (path / NAME).write_bytes(WHEEL[:CUT])
    error = fetch_fails(FileError, server, path, remote(server, hashes=hashes))
    assert str(error).startswith(f"{path / NAME}: ")


@pytest.mark.parametrize("kind", ["symlink", "dangling", "fifo", "directory"])
@pytest.mark.parametrize("clobber", [False, True])
def test_what_is_no_file_is_refused(
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


def test_a_file_that_appears_meanwhile_is_not_overwritten(server: FileServer, path: Path) -> None:
    def intrude(server: FileServer, request: Request) -> Sequence[Step]:
        (path / NAME).write_bytes(b"mine")
        return honest()(server, request)

    server.plan = [intrude]
    error = fetch_fails(FileError, server, path)
    assert str(error) == f"{path / NAME} was created during the run"
    assert (path / NAME).read_bytes() == b"mine"
    assert left_over(path) == []


# --- several files ---------------------------------------------------------------------------------


def test_one_failure_does_not_keep_the_others_from_arriving(tmp_path: Path, path: Path) -> None:
    staged = make_release(tmp_path / "staged")
    contents = {each.name: each.read_bytes() for each in staged}
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


def test_an_error_that_does_not_name_the_file_is_given_its_name(path: Path) -> None:
    with FileServer({NAME: WHEEL}).running() as server:
        server.plan = [fixed_answer(302, location="/elsewhere"), fixed_answer(404)]
        error = fetch_fails(HttpStatusError, server, path)
    assert str(error) == f"{NAME}: {server.url}elsewhere returned 404 X"


def test_a_link_that_must_not_be_fetched_is_not(server: FileServer, path: Path) -> None:
    for url in (f"http://localhost.example/{NAME}", f"https://10.0.0.1/{NAME}", f"ftp://127.0.0.1/{NAME}"):
        file = RemoteFile(filename=NAME, url=url, source=server.url)
        error = fetch_fails(NetworkError, server, path, file)
        assert NAME in str(error)
    assert server.requests == []


def test_a_bug_in_a_worker_is_not_hidden(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("wheel_uploader.facts.archive.reader.read_archive_stream", broken)
    with pytest.raises(ZeroDivisionError):
        fetch(server, path)
    assert finished(path) == []


@pytest.mark.parametrize(("sizes", "jobs"), [([None] * 20, 16), ([1000] * 20, 16), ([9_000_000] * 20, 8)])
def test_more_connections_for_small_files_than_for_large_ones(
    server: FileServer, path: Path, sizes: list[int | None], jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, waiting = 0, 0
    changed = threading.Condition()

    def count(server: FileServer, request: Request) -> Sequence[Step]:
        """Answer when as many as are expected are waiting, and a little later, for one more may come."""
        nonlocal most, waiting
        with changed:
            waiting += 1
            most = max(most, waiting)
            changed.notify_all()
            changed.wait_for(lambda: most >= jobs, timeout=5)
            changed.wait(0.1)
            waiting -= 1
        return [head(404, {"Content-Length": 0})]

    server.plan = [count] * len(sizes)
    files = [
        remote(server, wheel_filename("dipy", "1.11.0", build=str(number)), size=size)
        for number, size in enumerate(sizes)
    ]
    fetch_fails(HttpStatusError, server, path, *files)
    assert most == jobs


def test_nothing_to_fetch_is_no_error(server: FileServer, path: Path) -> None:
    with Wheelhouse(path) as house, HttpClient(user_urls=[server.url]) as http:
        arrivals = download_files(
            [],
            house,
            http,
            jobs=None,
            clobber=False,
            progress=SilentProgress(),
            inspect=lambda _: CheckResult(),
        )
    assert (arrivals.downloaded, arrivals.error) == ((), None)

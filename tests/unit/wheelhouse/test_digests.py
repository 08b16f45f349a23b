"""Digests and what a source promised: which one counts, and what a file is refused for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, StorageError
from wheel_uploader.core.models import CheckResult, DistName, RemoteFile
from wheel_uploader.inspection import verification
from wheel_uploader.inspection.verification import InspectionResult, Mismatch
from wheel_uploader.wheelhouse import digests
from wheel_uploader.wheelhouse.digests import Digests, ExpectedDigest, StreamHasher

#: From the strongest to the weakest.
STRONG = (
    *("sha512", "sha384", "sha3_512", "sha3_384", "blake2b", "sha256", "sha3_256", "blake2b_256", "blake2s"),
    *("sha224", "sha3_224"),
)
WEAK = ("sha1", "md5")
DATA = b"some bytes"
NAME = filenames.parse_filename("dipy-1.11.0-py3-none-any.whl")


def remote(hashes: Mapping[str, str] | None = None, size: int | None = None, by: str = "") -> RemoteFile:
    return RemoteFile(
        filename=NAME.filename,
        url="https://staging.example.com/x",
        source="https://staging.example.com/",
        hashes=hashes or {},
        hashes_origin=by,
        size=size,
    )


def taken(data: bytes, promise: ExpectedDigest | None = None) -> Digests:
    return digests.compute_digests([data[:3], data[3:]], promise)


def hexdigest(algorithm: str) -> str:
    if algorithm == "blake2b_256":
        return hashlib.blake2b(DATA, digest_size=32).hexdigest()
    return hashlib.new(algorithm, DATA).hexdigest()


# --- the promise -----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [*STRONG, *WEAK])
def test_each_algorithm_is_computed_and_compared(algorithm: str) -> None:
    promise = ExpectedDigest.from_listing(remote({algorithm: hexdigest(algorithm).upper()}))
    assert promise is not None
    assert str(promise) == f"{algorithm}:{hexdigest(algorithm)}"
    assert promise.matches(taken(DATA, promise))
    assert not promise.matches(taken(DATA + b"x", promise))
    assert promise.is_weak is (algorithm in WEAK)
    assert promise.description == f"{algorithm} from the source" + (" (weak)" if algorithm in WEAK else "")


def test_the_strongest_digest_counts() -> None:
    order = [*STRONG, *WEAK]
    for position, algorithm in enumerate(order):
        given = dict.fromkeys(reversed(order[position:]), "0")
        promise = ExpectedDigest.from_listing(remote(given, by="SUMS"))
        assert promise is not None
        assert (promise.algorithm, promise.provided_by) == (algorithm, "SUMS")


def test_an_unknown_algorithm_is_not_a_promise() -> None:
    assert ExpectedDigest.from_listing(remote({"crc32": "0", "sha0": "1"})) is None
    assert ExpectedDigest.from_listing(remote()) is None


def test_our_own_digest_is_there_whatever_was_promised() -> None:
    for promise in (
        None,
        ExpectedDigest(algorithm="md5", hex="0"),
        ExpectedDigest(algorithm="sha256", hex="0"),
    ):
        found = taken(DATA, promise)
        assert (found.size, found.sha256) == (len(DATA), hexdigest("sha256"))
        assert set(found.hex_by_algorithm) == {"sha256", *([promise.algorithm] if promise else [])}
    empty = StreamHasher(None).result()
    assert (empty.size, empty.sha256) == (0, hashlib.sha256().hexdigest())


def test_digesting_can_be_ended_between_two_chunks() -> None:
    begun: list[bytes] = []

    def chunks() -> list[bytes]:
        return [b"a", b"b"]

    def check() -> None:
        begun.append(b"")
        if len(begun) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        digests.compute_digests(chunks(), None, check)
    assert len(begun) == 2


# --- reading ---------------------------------------------------------------------------------------


def test_a_file_is_read_in_one_go_and_closed(tmp_path: Path) -> None:
    data = os.urandom(3 * 1024 * 1024 + 7)
    (tmp_path / "x").write_bytes(data)
    descriptor = digests.open_local_file(tmp_path / "x")
    chunks = list(digests.read_chunks(descriptor, "x"))
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) == 1024 * 1024
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _shrink(path: Path) -> None:
    os.truncate(path, 2)


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [_grow, _shrink, _touch])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(DATA)
    chunks = digests.read_chunks(digests.open_local_file(path), "x.whl")
    next(chunks)
    change(path)
    with pytest.raises(FileError, match=r"x\.whl changed while it was read"):
        list(chunks)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(StorageError, match="a pipe is not a file"):
        list(digests.read_chunks(reading, "a pipe"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


# --- what a file is refused for --------------------------------------------------------------------


def looked(*damage: str) -> Callable[[DistName, Path, str], InspectionResult]:
    def look(name: DistName, path: Path, sha256: str) -> InspectionResult:
        assert (name, path, sha256) == (NAME, Path("x"), hexdigest("sha256"))
        return InspectionResult(inspection=CheckResult(), damage=damage, integrity_source="RECORD")

    return look


def verified(data: bytes, source: RemoteFile, *damage: str) -> str:
    promise = ExpectedDigest.from_listing(source)
    return verification.verify_file(NAME, Path("x"), taken(data, promise), source, promise, looked(*damage))


def test_what_vouches_for_a_file() -> None:
    assert verified(DATA, remote()) == "RECORD"
    assert verified(DATA, remote(size=len(DATA))) == "RECORD"
    assert verified(DATA, remote({"sha256": hexdigest("sha256")})) == "sha256 from the source"
    assert verified(DATA, remote({"md5": hexdigest("md5")}, by="SUMS")) == "md5 from SUMS (weak)"


@pytest.mark.parametrize(
    ("source", "damage", "why"),
    [
        (remote(size=len(DATA) + 1), (), "it has 10 bytes, but 11 were listed"),
        (remote(size=len(DATA) - 1), (), "it has 10 bytes, but 9 were listed"),
        (remote(size=0), (), "it has 10 bytes, but 0 were listed"),
        (remote({"md5": "0"}), (), f"its md5 is {hexdigest('md5')}, but 0 was listed"),
        (remote({"md5": "0"}, by="SUMS"), (), f"its md5 is {hexdigest('md5')}, but 0 is in SUMS"),
        (remote(), ("it is cut",), "it is cut"),
        (remote(), ("it is cut", "and torn"), "it is cut (and 1 more)"),
        (remote({"sha256": hexdigest("sha256")}), ("a", "b", "c"), "a (and 2 more)"),
    ],
)
def test_what_a_file_is_refused_for(source: RemoteFile, damage: tuple[str, ...], why: str) -> None:
    with pytest.raises(Mismatch) as caught:
        verified(DATA, source, *damage)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    "source", [remote(), remote(size=0), remote({"sha256": hashlib.sha256().hexdigest()})]
)
def test_an_empty_file_is_refused_whatever_the_source_says(source: RemoteFile) -> None:
    with pytest.raises(Mismatch, match="it is empty"):
        verified(b"", source)


class Memory:
    """What was found whole, as the wheelhouse remembers it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[DistName, str], InspectionResult] = {}

    def get(self, name: DistName, sha256: str) -> InspectionResult | None:
        return self.kept.get((name, sha256))

    def put(self, name: DistName, sha256: str, seen: InspectionResult) -> None:
        self.kept[name, sha256] = seen


@pytest.mark.parametrize(("damage", "reads"), [((), 1), (("it is cut",), 2)])
def test_only_a_whole_file_is_remembered(damage: tuple[str, ...], reads: int) -> None:
    memory, read = Memory(), []

    def once_more(name: DistName, path: Path, sha256: str) -> InspectionResult:
        read.append(path)
        return looked(*damage)(name, path, sha256)

    for _ in range(2):
        seen = verification.inspect_cached(NAME, Path("x"), hexdigest("sha256"), once_more, memory)
        assert seen.damage == damage
    assert len(read) == reads
    verification.inspect_cached(NAME, Path("x"), hexdigest("sha256"), once_more)
    assert len(read) == reads + 1


@pytest.mark.parametrize(
    ("filename", "data", "whole_by"),
    [
        (NAME.filename, wheels.wheel_bytes(), "RECORD"),
        (NAME.filename, wheels.wheel_bytes(without=("dipy-1.11.0.dist-info/RECORD",)), "ZIP CRC"),
        ("dipy-1.11.0.tar.gz", wheels.sdist_bytes(), "gzip CRC"),
    ],
)
def test_what_of_the_archive_says_that_it_is_whole(
    tmp_path: Path, filename: str, data: bytes, whole_by: str
) -> None:
    path = tmp_path / filename
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    seen = verification.inspect_file(
        filenames.parse_filename(filename), path, sha256, lambda _: CheckResult()
    )
    assert (seen.integrity_source, seen.damage) == (whole_by, ())
    with pytest.raises(FileError):
        verification.inspect_file(filenames.parse_filename(filename), path, "0" * 64, lambda _: CheckResult())

"""Digests and the verification of files against their listing."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, StorageError
from wheel_uploader.core.models import CheckResult, DistName, RemoteFile
from wheel_uploader.inspection import verification
from wheel_uploader.inspection.verification import InspectionResult, Mismatch
from wheel_uploader.wheelhouse import digests
from wheel_uploader.wheelhouse.digests import Digests, ExpectedDigest, StreamHasher

#: In order of decreasing strength.
STRONG = (
    *("sha512", "sha384", "sha3_512", "sha3_384", "blake2b", "sha256", "sha3_256", "blake2b_256", "blake2s"),
    *("sha224", "sha3_224"),
)
WEAK = ("sha1", "md5")
DATA = b"some bytes"
NAME = filenames.parse_filename("dipy-1.11.0-py3-none-any.whl")


def remote(
    hashes: Mapping[str, str] | None = None, size: int | None = None, hashes_origin: str = ""
) -> RemoteFile:
    return RemoteFile(
        filename=NAME.filename,
        url="https://staging.example.com/x",
        source="https://staging.example.com/",
        hashes=hashes or {},
        hashes_origin=hashes_origin,
        size=size,
    )


def compute_digests(data: bytes, expected: ExpectedDigest | None = None) -> Digests:
    return digests.compute_digests([data[:3], data[3:]], expected)


def hexdigest(algorithm: str) -> str:
    if algorithm == "blake2b_256":
        return hashlib.blake2b(DATA, digest_size=32).hexdigest()
    return hashlib.new(algorithm, DATA).hexdigest()


# --- expected digests ------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [*STRONG, *WEAK])
def test_computes_and_compares_each_algorithm(algorithm: str) -> None:
    expected = ExpectedDigest.from_listing(remote({algorithm: hexdigest(algorithm).upper()}))
    assert expected is not None
    assert str(expected) == f"{algorithm}:{hexdigest(algorithm)}"
    assert expected.matches(compute_digests(DATA, expected))
    assert not expected.matches(compute_digests(DATA + b"x", expected))
    assert expected.is_weak is (algorithm in WEAK)
    assert expected.description == f"{algorithm} from the source" + (" (weak)" if algorithm in WEAK else "")


def test_uses_the_strongest_digest() -> None:
    order = [*STRONG, *WEAK]
    for position, algorithm in enumerate(order):
        hashes = dict.fromkeys(reversed(order[position:]), "0")
        expected = ExpectedDigest.from_listing(remote(hashes, hashes_origin="SUMS"))
        assert expected is not None
        assert (expected.algorithm, expected.provided_by) == (algorithm, "SUMS")


def test_ignores_unknown_algorithms() -> None:
    assert ExpectedDigest.from_listing(remote({"crc32": "0", "sha0": "1"})) is None
    assert ExpectedDigest.from_listing(remote()) is None


def test_always_computes_sha256() -> None:
    for expected in (
        None,
        ExpectedDigest(algorithm="md5", hex="0"),
        ExpectedDigest(algorithm="sha256", hex="0"),
    ):
        result = compute_digests(DATA, expected)
        assert (result.size, result.sha256) == (len(DATA), hexdigest("sha256"))
        assert set(result.hex_by_algorithm) == {"sha256", *([expected.algorithm] if expected else [])}
    empty = StreamHasher(None).result()
    assert (empty.size, empty.sha256) == (0, hashlib.sha256().hexdigest())


def test_hashing_can_be_cancelled_between_chunks() -> None:
    checks: list[bytes] = []

    def chunks() -> list[bytes]:
        return [b"a", b"b"]

    def check() -> None:
        checks.append(b"")
        if len(checks) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        digests.compute_digests(chunks(), None, check)
    assert len(checks) == 2


# --- reading ---------------------------------------------------------------------------------------


def test_reads_a_file_and_closes_it(tmp_path: Path) -> None:
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
def test_rejects_a_file_that_changes_while_it_is_read(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(DATA)
    chunks = digests.read_chunks(digests.open_local_file(path), "x.whl")
    next(chunks)
    change(path)
    with pytest.raises(FileError, match=r"x\.whl changed while it was read"):
        list(chunks)


def test_reads_only_regular_files(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(StorageError, match="a pipe is not a file"):
        list(digests.read_chunks(reading, "a pipe"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


# --- verification ----------------------------------------------------------------------------------


def make_inspector(*damage: str) -> Callable[[DistName, Path, str], InspectionResult]:
    def inspect(name: DistName, path: Path, sha256: str) -> InspectionResult:
        assert (name, path, sha256) == (NAME, Path("x"), hexdigest("sha256"))
        return InspectionResult(inspection=CheckResult(), damage=damage, integrity_source="RECORD")

    return inspect


def verify(data: bytes, source: RemoteFile, *damage: str) -> str:
    expected = ExpectedDigest.from_listing(source)
    return verification.verify_file(
        NAME, Path("x"), compute_digests(data, expected), source, expected, make_inspector(*damage)
    )


def test_reports_what_verified_a_file() -> None:
    assert verify(DATA, remote()) == "RECORD"
    assert verify(DATA, remote(size=len(DATA))) == "RECORD"
    assert verify(DATA, remote({"sha256": hexdigest("sha256")})) == "sha256 from the source"
    assert verify(DATA, remote({"md5": hexdigest("md5")}, hashes_origin="SUMS")) == "md5 from SUMS (weak)"


@pytest.mark.parametrize(
    ("source", "damage", "reason"),
    [
        (remote(size=len(DATA) + 1), (), "it has 10 bytes, but 11 were listed"),
        (remote(size=len(DATA) - 1), (), "it has 10 bytes, but 9 were listed"),
        (remote(size=0), (), "it has 10 bytes, but 0 were listed"),
        (remote({"md5": "0"}), (), f"its md5 is {hexdigest('md5')}, but 0 was listed"),
        (remote({"md5": "0"}, hashes_origin="SUMS"), (), f"its md5 is {hexdigest('md5')}, but 0 is in SUMS"),
        (remote(), ("it is cut",), "it is cut"),
        (remote(), ("it is cut", "and torn"), "it is cut (and 1 more)"),
        (remote({"sha256": hexdigest("sha256")}), ("a", "b", "c"), "a (and 2 more)"),
    ],
)
def test_rejects_files_with_the_reason(source: RemoteFile, damage: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Mismatch) as caught:
        verify(DATA, source, *damage)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "source", [remote(), remote(size=0), remote({"sha256": hashlib.sha256().hexdigest()})]
)
def test_always_rejects_an_empty_file(source: RemoteFile) -> None:
    with pytest.raises(Mismatch, match="it is empty"):
        verify(b"", source)


class InspectionMemory:
    """An inspection cache in memory."""

    def __init__(self) -> None:
        self.results: dict[tuple[DistName, str], InspectionResult] = {}

    def get(self, name: DistName, sha256: str) -> InspectionResult | None:
        return self.results.get((name, sha256))

    def put(self, name: DistName, sha256: str, result: InspectionResult) -> None:
        self.results[name, sha256] = result


@pytest.mark.parametrize(("damage", "read_count"), [((), 1), (("it is cut",), 2)])
def test_caches_only_undamaged_files(damage: tuple[str, ...], read_count: int) -> None:
    cache, inspected = InspectionMemory(), []

    def inspect(name: DistName, path: Path, sha256: str) -> InspectionResult:
        inspected.append(path)
        return make_inspector(*damage)(name, path, sha256)

    for _ in range(2):
        result = verification.inspect_cached(NAME, Path("x"), hexdigest("sha256"), inspect, cache)
        assert result.damage == damage
    assert len(inspected) == read_count
    verification.inspect_cached(NAME, Path("x"), hexdigest("sha256"), inspect)
    assert len(inspected) == read_count + 1


PKG_INFO = wheels.METADATA.format(project="dipy", version="1.11.0")


def zip_bytes(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("filename", "data", "integrity_source"),
    [
        (NAME.filename, wheels.wheel_bytes(), "RECORD"),
        (NAME.filename, wheels.wheel_bytes(without=("dipy-1.11.0.dist-info/RECORD",)), "ZIP CRC"),
        ("dipy-1.11.0.tar.gz", wheels.sdist_bytes(), "gzip CRC"),
        ("dipy-1.11.0.zip", zip_bytes({"dipy-1.11.0/PKG-INFO": PKG_INFO}), "ZIP CRC"),
    ],
)
def test_reports_the_integrity_source_of_an_archive(
    tmp_path: Path, filename: str, data: bytes, integrity_source: str
) -> None:
    path = tmp_path / filename
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    result = verification.inspect_file(
        filenames.parse_filename(filename), path, sha256, lambda _: CheckResult()
    )
    assert (result.integrity_source, result.damage) == (integrity_source, ())
    with pytest.raises(FileError):
        verification.inspect_file(filenames.parse_filename(filename), path, "0" * 64, lambda _: CheckResult())

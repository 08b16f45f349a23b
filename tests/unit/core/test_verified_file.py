"""Test the files whose bytes are compared with a known sha256 on every read."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from wheel_uploader.core import verified_file
from wheel_uploader.core.errors import FileError
from wheel_uploader.core.verified_file import BLOCK_SIZE, SinglePassFile, VerifiedFile

CONTENT = random.Random(1).randbytes(7 * BLOCK_SIZE + 1000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def read_at(file: VerifiedFile, position: int, size: int) -> bytes:
    file.seek(position)
    data = b""
    while piece := file.read(size - len(data)):
        data += piece
    return data


@pytest.mark.parametrize("kind", [VerifiedFile, SinglePassFile])
@pytest.mark.parametrize("seed", range(5))
def test_returns_the_bytes_of_the_file_in_any_order(path: Path, kind: type[VerifiedFile], seed: int) -> None:
    chooser = random.Random(seed)
    with kind(path, SHA256) as file:
        assert file.size == len(CONTENT)
        for _ in range(40):
            start, size = chooser.randrange(len(CONTENT)), chooser.randrange(2 * BLOCK_SIZE)
            assert read_at(file, start, size) == CONTENT[start : start + size]
        file.verify()
        assert b"".join(file.iter_blocks()) == CONTENT


@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE])
@pytest.mark.parametrize("kind", [VerifiedFile, SinglePassFile])
def test_reads_files_of_any_size(path: Path, kind: type[VerifiedFile], size: int) -> None:
    content = CONTENT[:size]
    path.write_bytes(content)
    other_digest = hashlib.md5(usedforsecurity=False)
    with kind(path, hashlib.sha256(content).hexdigest(), extra_hash=other_digest) as file:
        assert file.read() == content
        file.verify()
    assert other_digest.digest() == hashlib.md5(content, usedforsecurity=False).digest()


@pytest.mark.parametrize("read", [(), (0,), (7,), (7, 0, 6), (7, 6, 5, 4, 3, 2, 1, 0)])
def test_single_pass_refuses_other_bytes_at_the_end(path: Path, read: tuple[int, ...]) -> None:
    with SinglePassFile(path, "0" * 64) as file:
        for number in read:
            position = number * BLOCK_SIZE
            assert read_at(file, position, 10) == CONTENT[position : position + 10]
        with pytest.raises(FileError, match=f"its sha256 was 0{{64}} and is {SHA256}"):
            file.verify()


@pytest.mark.parametrize("changed", range(8))
@pytest.mark.parametrize("before", [(), (0,), (7,), (7, 5), (0, 1, 2, 3, 4, 5, 6, 7)])
def test_single_pass_returns_the_same_bytes_or_fails(
    path: Path, before: tuple[int, ...], changed: int
) -> None:
    """A byte that is overwritten while the file is read never leads to two answers, or to a wrong one."""
    other = bytearray(CONTENT)
    other[changed * BLOCK_SIZE + 5] ^= 1
    seen: dict[int, set[bytes]] = {number: set() for number in range(8)}
    failed = False
    with SinglePassFile(path, SHA256) as file:
        for number in before:
            seen[number].add(read_at(file, number * BLOCK_SIZE, 10))
        path.write_bytes(other)
        try:
            for number in (*range(8), *range(8)):
                seen[number].add(read_at(file, number * BLOCK_SIZE, 10))
            file.verify()
        except FileError:
            failed = True
    assert all(len(answers) <= 1 for answers in seen.values())
    expected = {CONTENT[changed * BLOCK_SIZE :][:10]}
    assert failed or seen[changed] == expected


@pytest.mark.parametrize("size", [BLOCK_SIZE, 3 * BLOCK_SIZE, len(CONTENT) - 1])
def test_single_pass_refuses_a_file_that_was_shorter_when_it_was_opened(path: Path, size: int) -> None:
    path.write_bytes(CONTENT[:size])
    with SinglePassFile(path, SHA256) as file:
        file.read()
        path.write_bytes(CONTENT)
        with pytest.raises(FileError, match="changed during the run"):
            file.verify()


def test_single_pass_hashes_a_large_file_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_file, "_MAX_SINGLE_PASS_SIZE", len(CONTENT) - 1)
    with pytest.raises(FileError, match="its sha256 was 0"):
        SinglePassFile(path, "0" * 64)


def test_single_pass_reads_each_block_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory at the end of an archive, and then the archive from its start."""
    count = 0
    read_block = VerifiedFile._read_block

    def counted(file: VerifiedFile, number: int) -> bytes:
        nonlocal count
        count += 1
        return read_block(file, number)

    monkeypatch.setattr(VerifiedFile, "_read_block", counted)
    with SinglePassFile(path, SHA256) as file:
        assert read_at(file, len(CONTENT) - 500, 500) == CONTENT[-500:]
        assert read_at(file, 0, len(CONTENT)) == CONTENT
        file.verify()
    assert count == 8

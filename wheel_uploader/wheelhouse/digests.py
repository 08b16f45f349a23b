"""Digests of files, computed while they are read, and the digest that a source lists for a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from wheel_uploader.core.errors import FileError, StorageError
from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import open_regular_file

_READ_SIZE = 1024 * 1024

#: Every LocalFile has it. twine computes the digests of the upload form from the bytes that it sends.
_LOCAL_ALGORITHM = "sha256"
#: Strongest first: only the strongest listed digest is compared.
_ALGORITHMS_BY_STRENGTH = (
    "sha512",
    "sha384",
    "sha3_512",
    "sha3_384",
    "blake2b",
    "sha256",
    "sha3_256",
    "blake2b_256",
    "blake2s",
    "sha224",
    "sha3_224",
    "sha1",
    "md5",
)
#: They detect damage but not an attack: two files with the same digest can be constructed.
_WEAK_ALGORITHMS = {"sha1", "md5"}


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class StreamHasher:
    """A hasher of one stream of bytes: its size, its sha256 and the digest that its source lists."""

    def __init__(self, expected: ExpectedDigest | None) -> None:
        algorithms = {_LOCAL_ALGORITHM, expected.algorithm} if expected else {_LOCAL_ALGORITHM}
        self._hashes = {algorithm: _create_hash(algorithm) for algorithm in algorithms}
        self.size = 0

    def update(self, data: bytes) -> None:
        """Add the next bytes of the stream."""
        for computed in self._hashes.values():
            computed.update(data)
        self.size += len(data)

    def result(self) -> Digests:
        """Return the size and digests of the bytes that were added."""
        return Digests(
            size=self.size,
            hex_by_algorithm={
                algorithm: computed.hexdigest() for algorithm, computed in self._hashes.items()
            },
        )


def _create_hash(algorithm: str) -> _Hash:
    # Package indexes use this name for blake2b with a digest of 32 bytes.
    if algorithm == "blake2b_256":
        return hashlib.blake2b(digest_size=32)
    return hashlib.new(algorithm, usedforsecurity=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Size and hexadecimal digests of the bytes of one file."""

    size: int
    #: By algorithm, in lower case.
    hex_by_algorithm: dict[str, str]

    @property
    def sha256(self) -> str:
        """The sha256, which is always computed."""
        return self.hex_by_algorithm["sha256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDigest:
    """The strongest digest that the source lists for a file."""

    algorithm: str
    hex: str
    #: The file that the digest is from (--hashes); empty if it is from the source itself.
    provided_by: str = ""

    @classmethod
    def from_listing(cls, remote: RemoteFile) -> ExpectedDigest | None:
        """Return the expected digest of ``remote``; None if the source lists no digest of a known algorithm.

        A malformed digest is kept: no file matches it.
        """
        for algorithm in _ALGORITHMS_BY_STRENGTH:
            if algorithm in remote.hashes:
                return cls(
                    algorithm=algorithm,
                    hex=remote.hashes[algorithm].lower(),
                    provided_by=remote.hashes_origin,
                )
        return None

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def is_weak(self) -> bool:
        """True if the algorithm detects damage only, not an attack."""
        return self.algorithm in _WEAK_ALGORITHMS

    @property
    def description(self) -> str:
        """The algorithm and its origin for the report: ``sha256 from the source``."""
        weak = " (weak)" if self.is_weak else ""
        return f"{self.algorithm} from {self.provided_by or 'the source'}{weak}"

    def matches(self, digests: Digests) -> bool:
        """Return whether ``digests``, which must include this algorithm, contain this digest."""
        return digests.hex_by_algorithm[self.algorithm] == self.hex


def open_local_file(path: Path) -> int:
    """Return a descriptor of a regular file that was listed, without waiting for a FIFO's writer."""
    return open_regular_file(path)


def read_chunks(descriptor: int, location: str) -> Iterator[bytes]:
    """Yield the bytes of an open regular file, then close it; ``location`` is its name in messages.

    Raises FileError if the file changed during that, because the bytes would not be of one version.
    """
    try:
        with storage_errors(location):
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise StorageError(f"{sanitize(location)} is not a file", hint="Remove it or move it away.")
            count = 0
            while chunk := os.read(descriptor, _READ_SIZE):
                count += len(chunk)
                yield chunk
            after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if (count, after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
        raise FileError(
            f"{sanitize(location)} changed while it was read",
            hint="Wait for the program that writes it to finish, then run the same command again.",
        )


def compute_digests(
    chunks: Iterable[bytes], expected: ExpectedDigest | None, check: Callable[[], None] = lambda: None
) -> Digests:
    """Return the digests of a file's bytes; ``check`` is called between chunks and may raise."""
    hashes = StreamHasher(expected)
    for chunk in chunks:
        check()
        hashes.update(chunk)
    return hashes.result()

"""Digests of files as they are read, and the one that a source gave for a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wheel_uploader.disk import storage_errors
from wheel_uploader.display import printable
from wheel_uploader.errors import FileError, StorageError
from wheel_uploader.models import RemoteFile
from wheel_uploader.verified_file import open_regular

_READ = 1024 * 1024

#: What every LocalFile carries. The digests of the form are twine's, of the bytes that it is about to send.
_OWN = "sha256"
#: Strongest first: one of them is compared.
_STRENGTH = (
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
#: They find damage, but whoever wants to can make two files with one such digest.
_WEAK = {"sha1", "md5"}


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Hashes:
    """Digests of one stream of bytes: our own, and the one that the source gave."""

    def __init__(self, promise: Promise | None) -> None:
        algorithms = {_OWN, promise.algorithm} if promise else {_OWN}
        self._hashes = {algorithm: _new(algorithm) for algorithm in algorithms}
        self.size = 0

    def update(self, data: bytes) -> None:
        for each in self._hashes.values():
            each.update(data)
        self.size += len(data)

    def result(self) -> Digests:
        return Digests(size=self.size, hexes={name: each.hexdigest() for name, each in self._hashes.items()})


def _new(algorithm: str) -> _Hash:
    # blake2b with 32 bytes is what indexes call so.
    if algorithm == "blake2b_256":
        return hashlib.blake2b(digest_size=32)
    return hashlib.new(algorithm, usedforsecurity=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Size and hex digests of the bytes of one file."""

    size: int
    hexes: dict[str, str]

    @property
    def sha256(self) -> str:
        return self.hexes["sha256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The strongest digest that the source gave for a file."""

    algorithm: str
    hex: str
    #: Who gave it, when that was not the source itself.
    given_by: str = ""

    @classmethod
    def of(cls, remote: RemoteFile) -> Promise | None:
        """None when the source gave no digest that we know; a damaged one is kept, and will not be met."""
        for algorithm in _STRENGTH:
            if algorithm in remote.hashes:
                return cls(
                    algorithm=algorithm,
                    hex=remote.hashes[algorithm].lower(),
                    given_by=remote.hashes_from,
                )
        return None

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def is_weak(self) -> bool:
        """Whether it finds damage, but not malice."""
        return self.algorithm in _WEAK

    @property
    def vouches(self) -> str:
        weak = " (weak)" if self.is_weak else ""
        return f"{self.algorithm} from {self.given_by or 'the source'}{weak}"

    def is_met(self, digests: Digests) -> bool:
        return digests.hexes[self.algorithm] == self.hex


def open_file(path: Path) -> int:
    """Return a descriptor of a regular file that was listed; a fifo is not waited for."""
    return open_regular(path)


def read_file(descriptor: int, what: str) -> Iterator[bytes]:
    """The bytes of an open regular file, which is closed at the end.

    Raises FileError when it changed under us: what was hashed first would not be what was read last.
    """
    try:
        with storage_errors(what):
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise StorageError(f"{printable(what)} is not a file", hint="Remove it or move it away.")
            count = 0
            while chunk := os.read(descriptor, _READ):
                count += len(chunk)
                yield chunk
            after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if (count, after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
        raise FileError(
            f"{printable(what)} changed while it was read",
            hint="Let whatever writes it finish, then run this again.",
        )


def digest(
    chunks: Iterable[bytes], promise: Promise | None, check: Callable[[], None] = lambda: None
) -> Digests:
    """The digests of a file's bytes; ``check`` may end it between two chunks by raising."""
    hashes = Hashes(promise)
    for chunk in chunks:
        check()
        hashes.update(chunk)
    return hashes.result()

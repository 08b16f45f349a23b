"""A file as twine uploads it, built from the verified bytes: twine itself opens no path."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator, Sequence

from packaging import errors, metadata
from packaging.version import Version
from twine.package import PackageFile
from twine.wheel import Wheel

from wheel_uploader.core import bounds
from wheel_uploader.core.models import LocalFile, WheelName
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.facts.archive import core_metadata


class InvalidMetadata(Exception):
    """The metadata is invalid for twine; ``str()`` is the reason in one clause."""


class VerifiedPackage(PackageFile):
    """The upload form and the contents of a file, which are verified again while they are sent."""

    def __init__(self, file: LocalFile, content: VerifiedFile, blake2_256: str | None) -> None:
        # twine would hash the path; the digests of the verified bytes are set below.
        super().__init__(os.devnull, None, read_metadata(file, content), *_kind(file))
        self.filename = str(file.path)
        self.basefilename = file.filename
        self.sha2_digest = file.sha256
        self.blake2_256_digest = blake2_256
        self.content = content


@contextlib.contextmanager
def open_package(file: LocalFile) -> Iterator[VerifiedPackage]:
    """Open ``file`` for an upload inside the ``with`` block.

    Raises FileError if the contents have changed since the check, StorageError if it cannot be read,
    CoreMetadataNotFound and InvalidMetadata for a file that twine does not accept.
    """
    blake2 = _blake2_256()
    with VerifiedFile(file.path, file.sha256, extra_hash=blake2) as content:
        yield VerifiedPackage(file, content, blake2.hexdigest() if blake2 else None)


def _blake2_256() -> hashlib.blake2b | None:
    try:
        return hashlib.blake2b(digest_size=32)
    except (ValueError, TypeError, AttributeError):
        # A FIPS build of Python lacks it; the form is sent without it, as by twine.
        return None


def _kind(file: LocalFile) -> tuple[str, str]:
    """Return ``pyversion`` and ``filetype`` of the form."""
    if isinstance(file.name, WheelName):
        return file.filename.removesuffix(".whl").split("-")[-3], "bdist_wheel"
    return "source", "sdist"


def _candidates(names: Sequence[str]) -> list[str]:
    return ["/".join(path) for path in Wheel.find_candidate_metadata_files(list(names))]


def read_metadata(file: LocalFile, content: VerifiedFile) -> metadata.RawMetadata:
    """Return the metadata for the form, parsed and validated as by PackageFile.from_filename of twine.

    That function takes only a path, which it opens once more: it could find other bytes there.
    """
    stream = io.BufferedReader(content, _BUFFER)
    try:
        data = core_metadata.read_core_metadata(stream, content.size, file.name, _candidates)
    finally:
        stream.detach()
    raw, unparsed = metadata.parse_email(data)
    if bounds.parse_pep440_version(raw.get("metadata_version", "0")) < Version("2.4"):
        # setuptools writes License-File into metadata 2.1 as well, where indexes reject it.
        raw.pop("license_files", None)
        unparsed.pop("license-file", None)
    if unparsed:
        problems = "; ".join(f"unrecognized or malformed field {key!r}" for key in unparsed)
        raise InvalidMetadata(f"Invalid distribution metadata: {problems}")
    try:
        metadata.Metadata.from_raw(raw)
    except errors.ExceptionGroup as group:
        problems = "; ".join(sorted(map(str, group.exceptions)))
        raise InvalidMetadata(f"Invalid distribution metadata: {problems}") from None
    return raw


#: In bytes.
_BUFFER = 128 << 10

"""Cache of inspection results by sha256, so that the same bytes need not be unpacked again.

It is in the hidden directory of the wheelhouse, one cache entry per file; deleting it is always safe. It
proves nothing: every run hashes every file again, and uses an entry only for the same bytes under the same
name, inspected by the same code, data and libraries.

A forged entry without findings would bypass the checks of its file. Entries are therefore used only from a
directory that no other user can write to, and only with an HMAC by this user's key (see cache_mac.py): those
that came with a repository or from a CI cache are ignored, and the file is read.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sys
from pathlib import Path

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import StorageError
from wheel_uploader.core.models import CheckProfile, DistName
from wheel_uploader.inspection import serialization
from wheel_uploader.inspection.verification import InspectionResult
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse

#: Distributions whose version may affect results; a test compares them with the imported ones.
FINGERPRINTED = (
    *("abi3info", "email-validator", "packaging", "pkginfo", "readme-renderer", "trove-classifiers"),
    *("comrak", "docutils", "nh3", "Pygments", "rfc3986", "zlib-ng"),
)
#: Bytes of one entry; a file with a larger result is read again.
MAX_ENTRY_SIZE = 512 << 10
#: Checks whose findings may be due to a busy machine, so that the next run may not repeat them.
UNCACHEABLE = frozenset({"metadata/description-not-tried", "archive/over-budget"})


class InspectionCache:
    """The inspection results of earlier runs for the files of a wheelhouse."""

    def __init__(self, wheelhouse: Wheelhouse, profile: CheckProfile | None) -> None:
        """``profile`` selects the rule set of the results; None if only integrity matters."""
        self._wheelhouse = wheelhouse
        self._profile = profile.value if profile else ""
        self._fingerprint = fingerprint()

    def get(self, name: DistName, sha256: str) -> InspectionResult | None:
        """Return the cached result for a file of this name with ``sha256``; None if there is none."""
        key = self._key(name, sha256)
        data = self._wheelhouse.cached_inspection(name.filename, MAX_ENTRY_SIZE)
        if not key or data is None or len(data) >= MAX_ENTRY_SIZE:
            return None
        try:
            entry = bounds.load_json(data)
            if entry["of"] != key or self._profile not in {"", entry["profile"]}:
                return None
            return serialization.from_json(entry, name)
        except (ValueError, TypeError, LookupError, AttributeError):
            return None  # Damaged, or not written by this program.

    def put(self, name: DistName, sha256: str, result: InspectionResult) -> None:
        """Store the result for an undamaged file, if possible."""
        key = self._key(name, sha256)
        if not key or any(finding.check in UNCACHEABLE for finding in result.inspection.findings):
            return
        entry = {
            "of": key,
            "profile": self._profile,
            **serialization.to_json(result),
        }
        data = json.dumps(entry).encode()
        if len(data) < MAX_ENTRY_SIZE:
            with contextlib.suppress(StorageError):
                self._wheelhouse.store_inspection(name.filename, data)

    def _key(self, name: DistName, sha256: str) -> list[str]:
        """Return all that the result depends on; empty if it cannot be determined."""
        return [name.filename, sha256, self._fingerprint] if self._fingerprint else []


@functools.cache
def fingerprint() -> str:
    """Return a digest of the code that computes results: this program, Python and the libraries.

    It is empty if a file of this program cannot be read.
    """
    from importlib import metadata

    digest = hashlib.sha256(sys.version.encode())
    for distribution in FINGERPRINTED:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = ""
        digest.update(f"{distribution}={version}\0".encode())
    package = Path(__file__).parents[1]
    # By content, not by version: an editable installation changes without a new version.
    try:
        for path in sorted(path for pattern in ("*.py", "*.json") for path in package.rglob(pattern)):
            data = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()}={len(data)}\0".encode() + data)
    except OSError:
        return ""
    return digest.hexdigest()

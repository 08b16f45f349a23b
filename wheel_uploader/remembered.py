"""What was found in a file is remembered by its sha256, so that the same bytes need not be unpacked again.

It lies in the hidden directory of the wheelhouse, one small file for each of the wheelhouse; deleting it is
always safe. It is no proof of anything: every run hashes every file again, and takes up what is remembered
only for the same bytes, under the same name, judged by the same code, data and libraries.

An entry that says that a file has no faults would shorten its check. So only those are believed that are in a
directory which nobody else can write to, and that carry an HMAC with this user's key (see cache_mac.py): what
came with a repository, or from the cache of a CI, is not, and the file is read.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sys
from pathlib import Path

from wheel_uploader import bounded, plain
from wheel_uploader.errors import StorageError
from wheel_uploader.models import DistName, Profile
from wheel_uploader.verify import Seen
from wheel_uploader.wheelhouse import Wheelhouse

#: Distributions whose new version may judge otherwise; a test compares them with what is imported.
JUDGES = (
    *("abi3info", "email-validator", "packaging", "pkginfo", "readme-renderer", "trove-classifiers"),
    *("comrak", "docutils", "nh3", "Pygments", "zlib-ng"),
)
#: Bytes of what is remembered of one file; one that has more to be said of it is read again.
LIMIT = 512 << 10
#: Found by a machine that was busy, perhaps: the next run may know more.
PASSING = frozenset({"metadata/description-not-tried", "archive/over-budget"})


class Remembered:
    """What earlier runs found in the files of a wheelhouse."""

    def __init__(self, house: Wheelhouse, profile: Profile | None) -> None:
        """``profile`` says by whose rules files are judged; None where they only have to be whole."""
        self._house = house
        self._profile = profile.value if profile else ""
        self._judges = judges()

    def recall(self, name: DistName, sha256: str) -> Seen | None:
        """What was found in a file of this name and these bytes; None when that is not known."""
        of = self._of(name, sha256)
        data = self._house.memory(name.filename, LIMIT)
        if not of or data is None or len(data) >= LIMIT:
            return None
        try:
            values = bounded.load_json(data)
            if values["of"] != of or self._profile not in {"", values["profile"]}:
                return None
            return plain.seen(values, name)
        except (ValueError, TypeError, LookupError, AttributeError):
            return None  # Damaged, or not ours.

    def keep(self, name: DistName, sha256: str, seen: Seen) -> None:
        """Remember what was found in a whole file; that it cannot be is no reason to stop."""
        of = self._of(name, sha256)
        if not of or any(finding.check in PASSING for finding in seen.inspection.findings):
            return
        values = {
            "of": of,
            "profile": self._profile,
            **plain.values(seen),
        }
        data = json.dumps(values).encode()
        if len(data) < LIMIT:
            with contextlib.suppress(StorageError):
                self._house.write_memory(name.filename, data)

    def _of(self, name: DistName, sha256: str) -> list[str]:
        """What has to be the same for the outcome to be the same; nothing when that cannot be told."""
        return [name.filename, sha256, self._judges] if self._judges else []


@functools.cache
def judges() -> str:
    """A digest of all that judges: this program, byte by byte, Python, and the libraries; or nothing."""
    from importlib import metadata

    digest = hashlib.sha256(sys.version.encode())
    for distribution in JUDGES:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = ""
        digest.update(f"{distribution}={version}\0".encode())
    folder = Path(__file__).parent
    # An installation for development changes without a new version.
    try:
        for path in sorted(each for kind in ("*.py", "*.json") for each in folder.rglob(kind)):
            data = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()}={len(data)}\0".encode() + data)
    except OSError:
        return ""
    return digest.hexdigest()

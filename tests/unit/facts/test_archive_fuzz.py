"""Mutated archives: reader and checks never raise, and report every difference from the standard library."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
import zlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.zips import SDIST, WHEEL, RawMember, content, raw_members, raw_zip
from tools.testing.wheels import sdist_bytes, wheel_bytes
from wheel_uploader import checks
from wheel_uploader.checks import core_metadata
from wheel_uploader.core.models import CheckProfile, SdistContent, Severity, WheelContent
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.member_cache import MemberCache

STORED = RawMember(b"dipy/stored.bin", bytes(range(64)), method=0)
WHEELS = (
    wheel_bytes(),
    raw_zip([*raw_members(), STORED], comment=b"comment"),
    wheel_bytes(tag="cp311-cp311-win_amd64"),
)
SDISTS = (sdist_bytes(), sdist_bytes(files={"a/b": b"x" * 3000}))
#: Signatures and extreme values, which random bytes hardly ever produce.
WORDS = st.sampled_from(
    [
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x07\x08",
        b"PK\x06\x06",
        b"\xff" * 4,
        bytes(4),
        b"\x01\x00",
    ]
)


@st.composite
def mutated(draw: st.DrawFn, good: tuple[bytes, ...]) -> bytes:
    """Return a good archive with a few bits flipped, and parts cut, copied, moved or overwritten."""
    data = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        start = draw(st.integers(0, len(data) - 1))
        end = draw(st.integers(start, min(len(data), start + 300)))
        target = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "set", "cut", "copy", "move", "word", "end", "drop"])):
            case "flip":
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "set":
                data[start] = draw(st.integers(0, 255))
            case "cut":
                del data[start:end]
            case "copy":
                data[target:target] = data[start:end]
            case "move":
                piece = data[start:end]
                del data[start:end]
                data[target:target] = piece
            case "word":
                word = draw(WORDS)
                data[start : start + len(word)] = word
            case "end":
                data += draw(st.binary(max_size=30))
            case _:
                del data[start:]
    return bytes(data)


#: Has the members of the good wheels, and collects those of the mutated ones.
CACHE, INTEGRITY_CACHE = MemberCache(), MemberCache()
for good in WHEELS:
    content(good, WHEEL, CACHE)
    content(good, WHEEL, INTEGRITY_CACHE, integrity_only=True)


def check(data: bytes, filename: str) -> tuple[WheelContent | SdistContent, set[str]]:
    """Return the contents of the file, and the ids of checks that report an error."""
    contents = content(data, filename)
    assert content(data, filename, CACHE) == contents
    damage = archive_reader.describe_damage(contents)
    for cache in (None, INTEGRITY_CACHE):
        verified = content(data, filename, cache, integrity_only=True)
        assert archive_reader.describe_damage(verified) == damage
    errors = checks.check_contents([contents], profile=CheckProfile.PYPI)
    return contents, {finding.check for finding in errors if finding.severity is Severity.ERROR}


def read_by_zipfile(data: bytes) -> list[tuple[str, int, str]] | None:
    """Return names, modes and hashes as the standard library reads them, or None if it fails."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as other:
            return [
                (info.filename, info.external_attr >> 16, hashlib.sha256(other.read(info)).hexdigest())
                for info in other.infolist()
            ]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
        return None
    except (OverflowError, MemoryError):
        return None


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(WHEELS))
def test_reports_every_difference_from_zipfile(data: bytes) -> None:
    contents, errors = check(data, WHEEL)
    assert isinstance(contents, WheelContent)
    if not any(error.startswith("archive/") for error in errors):
        assert read_by_zipfile(data) == [
            (member.name, member.mode, member.sha256) for member in contents.members
        ]


def read_by_tarfile(data: bytes) -> list[tuple[str, int]] | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as other:
            return [(info.name, info.size) for info in other]
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError):
        return None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(SDISTS))
def test_reports_every_difference_from_tarfile(data: bytes) -> None:
    contents, errors = check(data, SDIST)
    if "sdist/unreadable" not in errors:
        assert read_by_tarfile(data) == [(member.name, member.size) for member in contents.members]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(tuple(zlib.decompress(data, 31) for data in SDISTS)))
def test_reads_a_mutated_tar_like_tarfile(data: bytes) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = packer.compress(data) + packer.flush()
    contents, errors = check(packed, SDIST)
    if not errors & {"sdist/unreadable", "sdist/bomb", "sdist/layout"}:
        assert read_by_tarfile(packed) == [(member.name, member.size) for member in contents.members]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000))
def test_reports_findings_for_any_bytes(data: bytes) -> None:
    assert check(data, WHEEL)[1]
    assert check(data, SDIST)[1]
    assert check(data, "dipy-1.11.0.zip")[1]


FIELDS = st.sampled_from(
    [
        "Metadata-Version",
        "Name",
        "Version",
        "Summary",
        "Keywords",
        "Home-page",
        "Author-email",
        "License",
        "License-Expression",
        "License-File",
        "Classifier",
        "Requires-Dist",
        "Requires-Python",
        "Project-URL",
        "Provides-Extra",
        "Dynamic",
        "Import-Name",
        "Description-Content-Type",
        "Content-Type",
        "Content-Transfer-Encoding",
        "X",
    ]
)
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "2.4",
            "dipy",
            "1.11.0",
            "a @ b:c",
            "<a@b>, c@d",
            "=?utf-8?q?=41?=",
            "x; (" * 30,
            "a\n b",
            "1" * 5000,
        ]
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(FIELDS, VALUES), max_size=8), st.text(max_size=20))
def test_checks_any_metadata(headers: list[tuple[str, str]], body: str) -> None:
    lines = "".join(f"{name}: {value}\n" for name, value in headers)
    data = f"{lines}Description-Content-Type: text/plain\n\n{body}".encode("utf-8", "surrogatepass")
    core_metadata.parse_core_metadata.cache_clear()
    contents = content(wheel_bytes())
    kept = {**contents.retained_members, "dipy-1.11.0.dist-info/METADATA": data}
    object.__setattr__(contents, "retained_members", kept)
    checks.check_contents([contents], profile=CheckProfile.PYPI)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["RECORD", "WHEEL", "entry_points.txt"]))
def test_checks_any_dist_info_file(data: bytes, name: str) -> None:
    contents = content(wheel_bytes())
    object.__setattr__(
        contents, "retained_members", {**contents.retained_members, f"dipy-1.11.0.dist-info/{name}": data}
    )
    checks.check_contents([contents], profile=CheckProfile.PYPI)
    archive_reader.describe_damage(contents)

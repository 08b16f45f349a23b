"""Mutated archives: no bytes make the pass or a check raise, and where another reader differs is named."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
import zlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.wheels import sdist_bytes, wheel_bytes
from tests.support.zips import SDIST, WHEEL, RawMember, content, raw_members, raw_zip
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
#: Signatures and full fields are what a random byte hardly ever hits.
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
def mutated(draw: st.DrawFn, whole: tuple[bytes, ...]) -> bytes:
    """A good archive with a few flips, cuts, splices, copies and words from the format in it."""
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        start = draw(st.integers(0, len(data) - 1))
        end = draw(st.integers(start, min(len(data), start + 300)))
        to = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "set", "cut", "copy", "move", "word", "end", "drop"])):
            case "flip":
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "set":
                data[start] = draw(st.integers(0, 255))
            case "cut":
                del data[start:end]
            case "copy":
                data[to:to] = data[start:end]
            case "move":
                piece = data[start:end]
                del data[start:end]
                data[to:to] = piece
            case "word":
                word = draw(WORDS)
                data[start : start + len(word)] = word
            case "end":
                data += draw(st.binary(max_size=30))
            case _:
                del data[start:]
    return bytes(data)


#: Knows the members of the whole wheels, and comes to know those of every mutated one.
KNOWN = MemberCache()
for whole in WHEELS:
    content(whole, WHEEL, KNOWN)


def judged(data: bytes, filename: str) -> tuple[WheelContent | SdistContent, set[str]]:
    """What the pass found, and the errors that the checks name."""
    found = content(data, filename)
    assert content(data, filename, KNOWN) == found
    archive_reader.describe_damage(found)
    errors = checks.check_contents([found], profile=CheckProfile.PYPI)
    return found, {finding.check for finding in errors if finding.severity is Severity.ERROR}


def read_by_zipfile(data: bytes) -> list[tuple[str, int, str]] | None:
    """Names, modes and hashes as the standard library sees them; None when it stops."""
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
def test_what_zipfile_sees_differently_is_named(data: bytes) -> None:
    found, errors = judged(data, WHEEL)
    assert isinstance(found, WheelContent)
    if not any(error.startswith("archive/") for error in errors):
        assert read_by_zipfile(data) == [
            (member.name, member.mode, member.sha256) for member in found.members
        ]


def read_by_tarfile(data: bytes) -> list[tuple[str, int]] | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as other:
            return [(info.name, info.size) for info in other]
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError):
        return None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(SDISTS))
def test_what_tarfile_sees_differently_is_named(data: bytes) -> None:
    found, errors = judged(data, SDIST)
    if "sdist/unreadable" not in errors:
        assert read_by_tarfile(data) == [(member.name, member.size) for member in found.members]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(tuple(zlib.decompress(data, 31) for data in SDISTS)))
def test_a_mutated_tar_in_a_sound_gzip_is_read_as_tarfile_reads_it(data: bytes) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = packer.compress(data) + packer.flush()
    found, errors = judged(packed, SDIST)
    if not errors & {"sdist/unreadable", "sdist/bomb", "sdist/layout"}:
        assert read_by_tarfile(packed) == [(member.name, member.size) for member in found.members]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_give_findings(data: bytes) -> None:
    assert judged(data, WHEEL)[1]
    assert judged(data, SDIST)[1]
    assert judged(data, "dipy-1.11.0.zip")[1]


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
def test_any_metadata_is_judged(headers: list[tuple[str, str]], body: str) -> None:
    lines = "".join(f"{name}: {value}\n" for name, value in headers)
    data = f"{lines}Description-Content-Type: text/plain\n\n{body}".encode("utf-8", "surrogatepass")
    core_metadata.parse_core_metadata.cache_clear()
    found = content(wheel_bytes())
    kept = {**found.retained_members, "dipy-1.11.0.dist-info/METADATA": data}
    object.__setattr__(found, "retained_members", kept)
    checks.check_contents([found], profile=CheckProfile.PYPI)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["RECORD", "WHEEL", "entry_points.txt"]))
def test_any_file_of_dist_info_is_judged(data: bytes, name: str) -> None:
    found = content(wheel_bytes())
    object.__setattr__(
        found, "retained_members", {**found.retained_members, f"dipy-1.11.0.dist-info/{name}": data}
    )
    checks.check_contents([found], profile=CheckProfile.PYPI)
    archive_reader.describe_damage(found)

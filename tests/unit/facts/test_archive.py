"""Reading an archive in one pass: damage is described, needed members are kept, no input raises an error."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from tests.support.zips import (
    DIST_INFO,
    SDIST,
    RawMember,
    check_ids,
    content,
    deflate,
    findings,
    raw_members,
    raw_zip,
)
from tools.testing import tested_package
from tools.testing.wheels import make_release, make_wheel, sdist_bytes, wheel_bytes, zip_bytes
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import StorageError
from wheel_uploader.core.models import SdistContent, WheelContent
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.archive import tar_reader, zip_central_directory


def read(path: Path) -> WheelContent | SdistContent:
    return archive_reader.read_archive(path, filenames.parse_filename(path.name))


def test_a_good_release_has_no_damage(tmp_path: Path) -> None:
    for path in make_release(tmp_path):
        contents = read(path)
        assert archive_reader.describe_damage(contents) == ()
        assert contents.size == path.stat().st_size
        assert contents.is_readable


def test_keeps_the_members_that_checks_and_index_need(tmp_path: Path) -> None:
    contents = read(make_wheel(tmp_path, files={"dipy/x.so": b"\x7fELF" + bytes(1000), "LICENSE": b"free"}))
    assert isinstance(contents, WheelContent)
    assert set(contents.retained_members) == {
        f"{DIST_INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD")
    }
    assert contents.pkginfo_metadata is not None
    assert contents.pkginfo_metadata["name"] == ("dipy",)
    assert contents.pkginfo_source == f"{DIST_INFO}/METADATA"
    native = contents.members[1]
    assert (native.name, native.first_bytes[:4], len(native.first_bytes)) == ("dipy/x.so", b"\x7fELF", 64)
    assert native.size == native.actual_size == 1004
    assert contents.unpacked_size == sum(member.size for member in contents.members)


def describe_damage(data: bytes) -> tuple[str, ...]:
    """Return the damage of a wheel, which is the same if only its integrity is read."""
    damage = archive_reader.describe_damage(content(data))
    assert archive_reader.describe_damage(content(data, integrity_only=True)) == damage
    return damage


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (
            b"\n<!DOCTYPE html>\n<html><title>Log in</title>",
            "it is an HTML page, such as a login or error page, saved under this name",
        ),
        (
            b"\xef\xbb\xbf<?xml version='1.0'?><Error/>",
            "it is an XML document, such as a storage server's error response, saved under this name",
        ),
        (b"{}", "it is JSON, such as a server's error response, saved under this name"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "it is a Git LFS pointer, not the file that it points to",
        ),
        (b"MZ" * 100, "it has no end record: it is truncated, or not a ZIP"),
        (wheel_bytes()[:500], "it has no end record: it is truncated, or not a ZIP"),
        (
            wheel_bytes()[100:],
            "its central directory is outside the file: it is truncated, or corrupt at its end",
        ),
        (wheel_bytes() + b"\0", "1 byte follows the end of the archive"),
        (
            wheel_bytes(without=("dipy/__init__.py",)),
            "dipy/__init__.py: it is listed in RECORD but missing",
        ),
    ],
)
def test_describes_the_damage_of_a_wheel(data: bytes, sentence: str) -> None:
    assert describe_damage(data) == (sentence,)


def test_describes_a_flipped_bit_as_damage_of_one_member() -> None:
    stored = RawMember(b"dipy/__init__.py", b"__version__ = '1.11.0'\n", method=0)
    data = raw_zip([stored, *raw_members()[1:]]).replace(b"__version__ = '1", b"__version__ = '2")
    crc, digest = describe_damage(data)
    assert crc.startswith("dipy/__init__.py: its CRC is ")
    assert digest.startswith("dipy/__init__.py: its sha256 is ")


def test_describes_a_mismatch_with_record_as_damage() -> None:
    members = raw_members()
    members[0] = RawMember(members[0].name, b"other")
    size, digest = describe_damage(raw_zip(members))
    assert size == "dipy/__init__.py: it has 5 bytes, but RECORD lists 23"
    assert digest.startswith("dipy/__init__.py: its sha256 is ")


def test_does_not_describe_mistakes_of_a_builder_as_damage() -> None:
    assert describe_damage(wheel_bytes(without=(f"{DIST_INFO}/RECORD",))) == ()
    assert describe_damage(zip_bytes({"readme": b""})) == ()
    assert describe_damage(raw_zip([*raw_members(), RawMember(b"unlisted", b"")])) == ()


def test_limits_the_description_of_much_damage_and_makes_it_printable() -> None:
    members = raw_members()
    rows = "".join(f"dipy/{n}\x1b[31m,sha256=,1\n" for n in range(100)).encode()
    members[-1] = RawMember(members[-1].name, members[-1].data + rows)
    damage = describe_damage(raw_zip(members))
    assert len(damage) == 21
    assert damage[-1] == "and 80 more"
    assert damage[0] == "dipy/0\\x1b[31m: it is listed in RECORD but missing"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"<html>", "it is an HTML page, such as a login or error page, saved under this name"),
        (sdist_bytes()[:-4], "it is truncated or corrupt"),
        (sdist_bytes()[:100], "it is truncated or corrupt"),
        (sdist_bytes() + b"x", "it is not a gzip file, or data follows its end"),
        (wheel_bytes(), "it is not a gzip file, or data follows its end"),
    ],
    ids=range(6),
)
def test_describes_the_damage_of_an_sdist(data: bytes, sentence: str) -> None:
    [damage] = archive_reader.describe_damage(content(data, SDIST))
    assert damage.startswith(sentence)


def test_an_unreadable_file_is_a_storage_error(tmp_path: Path) -> None:
    folder = tmp_path / "dipy-1.11.0-py3-none-any.whl"
    folder.mkdir()
    with pytest.raises(StorageError, match=r"dipy-1\.11\.0-py3-none-any\.whl cannot be read: Is a directory"):
        read(folder)
    with pytest.raises(StorageError, match="No such file or directory"):
        read(tmp_path / "dipy-1.11.0.tar.gz")


@pytest.mark.parametrize("data", [wheel_bytes(), sdist_bytes()], ids=["wheel", "sdist"])
def test_a_read_error_is_not_damage(data: bytes) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(data) // 2 - 300:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    stream = cast(BinaryIO, Failing(data))
    wheel, sdist = filenames.parse_filename("dipy-1.11.0-py3-none-any.whl"), filenames.parse_filename(SDIST)
    with pytest.raises(OSError, match="Input/output error"):
        if data.startswith(b"PK"):
            archive_reader.read_wheel(stream, len(data), wheel)  # type: ignore[arg-type]
        else:
            archive_reader.read_sdist(stream, len(data), sdist)  # type: ignore[arg-type]


def test_computes_only_the_hashes_that_record_names(tmp_path: Path) -> None:
    contents = content(wheel_bytes())
    assert isinstance(contents, WheelContent)
    assert all(member.other_digest == "" for member in contents.members)


# --- hostile input, in limited time and memory -----------------------------------------------------


def directory_bomb() -> bytes:
    """Return a ZIP with as many empty members as an end record can count."""
    members = [RawMember(b"x%d" % n, b"", packed=b"", method=0) for n in range(65_535)]
    return raw_zip(members)


def header_bomb() -> bytes:
    """Return a wheel with more metadata headers than an email parser can read in reasonable time."""
    text = "Metadata-Version: 2.1\nName: dipy\nVersion: 1.11.0\n" + "".join(
        f"A{n}: b\n" for n in range(200_000)
    )
    return wheel_bytes(metadata=text)


def record_bomb() -> bytes:
    """Return a wheel whose RECORD has 100,000 rows."""
    return wheel_bytes(record="".join(f"dipy/{n},sha256=x,1\n" for n in range(100_000)))


def overlap_bomb() -> bytes:
    """Return a ZIP with many members that share the same data."""
    kernel = deflate(bytes(1 << 20))
    sizes = {"size": 1 << 20, "packed_size": len(kernel)}
    first = RawMember(b"0", b"", packed=kernel, both=sizes)
    return raw_zip(
        [
            first,
            *(RawMember(b"%d" % n, b"", packed=b"", both=sizes, central={"header": 0}) for n in range(5000)),
        ]
    )


def block_bomb() -> bytes:
    """Return a wheel with a member of a million empty deflate blocks."""
    packed = b"\x00\x00\x00\xff\xff" * 1_000_000 + b"\x03\x00"
    return raw_zip([*raw_members(), RawMember(b"dipy/x", b"", packed=packed)])


HOSTILE: dict[str, Callable[[], bytes]] = {
    "directory": directory_bomb,
    "headers": header_bomb,
    "record": record_bomb,
    "overlap": overlap_bomb,
    "blocks": block_bomb,
    "metadata": lambda: wheel_bytes(metadata="Metadata-Version: 2.1\n" + "x" * (70 << 20)),
    "long header": lambda: wheel_bytes(metadata="Metadata-Version: 2.1\nRequires-Dist: a" + "[" * (1 << 20)),
    "multipart": lambda: wheel_bytes(
        metadata="Metadata-Version: 2.1\n"
        + "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(5000))
    ),
    "zeros": lambda: wheel_bytes(files={"dipy/zeros": bytes(100 << 20)}),
    "tar of zeros": lambda: sdist_bytes(files={"zeros": bytes(100 << 20)}),
    "tar of members": lambda: sdist_bytes(files={f"{n}": b"" for n in range(20_000)}),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("kind", HOSTILE)
def test_reads_hostile_input_in_limited_time_and_memory(kind: str, tmp_path: Path) -> None:
    data = HOSTILE[kind]()
    filename = SDIST if data.startswith(b"\x1f\x8b") else "dipy-1.11.0-py3-none-any.whl"
    (tmp_path / filename).write_bytes(data)
    # A separate process, so that its memory is that of the reading alone. CPU time is measured, because other
    # tests run at the same time.
    program = f"""
        import sys, time
        from pathlib import Path
        sys.path.append({str(tested_package.ROOT)!r})
        from tests.support import machine_pace
        from wheel_uploader import checks
        from wheel_uploader.core import filenames
        from wheel_uploader.core.models import CheckProfile
        from wheel_uploader.facts.archive import reader as archive_reader
        checks.check_contents([], profile=CheckProfile.PYPI)
        from packaging import metadata
        started = time.process_time()
        content = archive_reader.read_archive(Path(sys.argv[1]), filenames.parse_filename({filename!r}))
        findings = checks.check_contents([content], profile=CheckProfile.PYPI)
        damage = archive_reader.describe_damage(content)
        seconds = time.process_time() - started
        # Not ru_maxrss, which begins with the memory of the process that started this one.
        status = Path("/proc/self/status").read_text().splitlines()
        [peak] = [line.split()[1] for line in status if line.startswith("VmHWM")]
        print(seconds / machine_pace.slowness(), peak, len(findings))
    """
    completed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / filename)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tested_package.ROOT,
    )
    seconds, kilobytes, count = completed.stdout.split()
    assert float(seconds) < 3
    assert int(kilobytes) < 200_000
    assert int(count) > 0 or kind == "tar of members"


def test_stops_at_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_reader, "MAX_TAR_MEMBERS", 3)
    assert check_ids(findings(sdist_bytes(files={"a": b"", "b": b""}), SDIST)) == {"sdist/bomb"}
    monkeypatch.setattr(zip_central_directory, "MAX_ZIP_MEMBERS", 3)
    lying = raw_zip(raw_members(), end={"count": 2})
    assert archive_reader.describe_damage(content(lying)) == (
        "its central directory has more than 3 records",
    )

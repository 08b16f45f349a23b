"""Sdists: each fault is planted alone, and exactly one check reports it."""

from __future__ import annotations

import gzip
import io
import tarfile
import time

import pytest

from tests.support.zips import SDIST, check_ids, content, findings
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes, zip_bytes
from wheel_uploader.core.models import CheckProfile
from wheel_uploader.facts.archive import reader as archive_reader

TOP = "dipy-1.11.0"
PKG_INFO = METADATA.format(project="dipy", version="1.11.0").encode()


def make_tar(*members: tarfile.TarInfo | tuple[str, bytes], end: bytes = b"", top: str = TOP) -> bytes:
    """Return a gzipped tar of PKG-INFO, pyproject.toml and ``members``."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member in ((f"{top}/PKG-INFO", PKG_INFO), (f"{top}/pyproject.toml", b""), *members):
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return gzip.compress(stream.getvalue() + end, mtime=0)


def make_member(kind: bytes, name: str = f"{TOP}/x", target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def gunzip(data: bytes) -> bytearray:
    return bytearray(gzip.decompress(data))


def break_header() -> bytes:
    data = gunzip(make_tar((f"{TOP}/a", b"a"), (f"{TOP}/b", b"b")))
    at = data.find(f"{TOP}/b".encode())
    data[at + 150] ^= 0xFF
    return gzip.compress(bytes(data))


def break_last_header() -> bytes:
    """Return a tar whose broken header is followed only by zeros, like the end of a tar."""
    data = gunzip(make_tar((f"{TOP}/a", b"a"), (f"{TOP}/b", b"")))
    data[data.find(f"{TOP}/b".encode()) + 150] ^= 0xFF
    return gzip.compress(bytes(data))


def pack(members: dict[str, bytes], top: str = TOP) -> bytes:
    """Return a gzipped tar of exactly these members below the top directory."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, data in members.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(stream.getvalue())


def add_sparse_member() -> bytes:
    """Return a tar with a GNU sparse member (type S)."""
    data = gunzip(make_tar((f"{TOP}/a", b"")))
    at = data.find(f"{TOP}/a".encode())
    data[at + 156 : at + 157] = b"S"
    data[at + 257 : at + 265] = b"ustar  \0"
    data[at + 386 : at + 410] = b"%011o\0%011o\0" % (0, 0)
    data[at + 483 : at + 495] = b"%011o\0" % 0
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return gzip.compress(bytes(data))


def set_size(member: tarfile.TarInfo, size: bytes) -> bytes:
    """Return a tar with ``member``, whose header has a different size."""
    data = gunzip(make_tar(member, (f"{TOP}/z", b"z")))
    at = data.find(f"{TOP}/x".encode())
    data[at + 124 : at + 136] = size
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return gzip.compress(bytes(data))


def declare_huge_header() -> bytes:
    """Return a tar with a pax header that declares a gigabyte."""
    return set_size(make_member(tarfile.XHDTYPE), b"%011o\0" % (1 << 30))


def set_negative_size() -> bytes:
    """Return a tar with a member of negative size, on which tarfile has looped forever."""
    return set_size(make_member(tarfile.REGTYPE), (-5000).to_bytes(12, "big", signed=True))


def add_pax_header(records: bytes) -> bytes:
    """Return a tar with these bytes as a pax header, which releases of tarfile read differently."""
    data = gunzip(make_tar(make_member(tarfile.XHDTYPE), (f"{TOP}/z", b"z")))
    at = data.find(f"{TOP}/x".encode())
    data[at + 124 : at + 136] = b"%011o\0" % len(records)
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return gzip.compress(bytes(data[: at + 512] + records.ljust(512, b"\0") + data[at + 512 :]))


def add_extended_headers(records: bytes, kind: bytes = tarfile.XHDTYPE, count: int = 1) -> bytes:
    """Return a tar of PKG-INFO, ``count`` extended headers with these bytes, and a file."""
    header = make_member(kind, "pax")
    header.size = len(records)
    block = header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)
    plain = bytes(gunzip(make_tar((f"{TOP}/x", b"x"))))
    at = plain.rindex(f"{TOP}/x".encode())
    return gzip.compress(plain[:at] + block * count + plain[at:], mtime=0)


def make_pax_record(key: str, value: bytes) -> bytes:
    """Return a pax record."""
    length = len(key) + len(value) + 3
    length += len(str(length + len(str(length))))
    return b"%d %s=%s\n" % (length, key.encode(), value)


#: Headers that the reader must validate before it uses them: the bytes, and the message.
HEADERS = {
    "a length of a million digits": (add_extended_headers(b"1" * 1_000_000), "a pax header is malformed"),
    "a length of zero": (add_extended_headers(b"0 a=b\n"), "a pax header is malformed"),
    "a negative length": (add_extended_headers(b"-6 a=b\n"), "a pax header is malformed"),
    "a length beyond the end": (add_extended_headers(b"99 a=b\n"), "a pax header is malformed"),
    "a size of a million digits": (
        add_extended_headers(make_pax_record("size", b"1" * 900_000)),
        "a size that is not a number",
    ),
    "a negative size": (add_extended_headers(make_pax_record("size", b"-1")), "a size that is not a number"),
    "a size with an exponent": (
        add_extended_headers(make_pax_record("size", b"1e3")),
        "a size that is not a number",
    ),
    "a huge size": (
        add_extended_headers(make_pax_record("size", b"9999999999999")),
        "truncated within a member",
    ),
    "a global size": (
        add_extended_headers(make_pax_record("size", b"1"), tarfile.XGLTYPE),
        "a global header sets a size",
    ),
    "too many extended headers": (
        add_extended_headers(make_pax_record("a", b"b"), count=17),
        "more than 16 extended headers",
    ),
    "too many global headers": (
        add_extended_headers(make_pax_record("a", b"b"), tarfile.XGLTYPE, 99),
        "more than 16 extended headers",
    ),
    "a long name of a megabyte": (
        add_extended_headers(b"x" * (1 << 20), tarfile.GNUTYPE_LONGNAME),
        "larger than any",
    ),
    "a pax header of 2 MiB": (
        add_extended_headers(make_pax_record("a", b"b" * (2 << 20))),
        "larger than any",
    ),
    "a size with a sign": (set_size(make_member(tarfile.REGTYPE), b"-0000000001\0"), "negative size"),
    "a size with an underscore": (set_size(make_member(tarfile.REGTYPE), b"0000_000001\0"), "not a number"),
    "a negative base 256 size": (set_negative_size(), "negative size"),
    "a huge base 256 size": (
        set_size(make_member(tarfile.REGTYPE), b"\x80" + b"\x7f" * 11),
        "truncated within a member",
    ),
}


@pytest.mark.parametrize("fault", HEADERS)
def test_validates_a_header_before_using_it(fault: str) -> None:
    data, sentence = HEADERS[fault]
    started = time.thread_time()
    reported = findings(data, SDIST)
    assert time.thread_time() - started < 2
    (message,) = [finding.message for finding in reported if finding.check == "sdist/unreadable"]
    assert sentence in message


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_names_in_every_tar_format(form: int) -> None:
    stream = io.BytesIO()
    expected = [f"{TOP}/PKG-INFO", f"{TOP}/{'d' * 60}/{'n' * 60}"]
    if form != tarfile.USTAR_FORMAT:
        expected += [f"{TOP}/{'long/' * 60}name", f"{TOP}/\N{SNOWMAN}"]
    with tarfile.open(fileobj=stream, mode="w:gz", format=form) as archived:
        for name in expected:
            info = make_member(tarfile.REGTYPE, name)
            info.size, info.mtime = 600, 1.5 if form == tarfile.PAX_FORMAT else 1
            archived.addfile(info, io.BytesIO(bytes(600)))
        archived.addfile(make_member(tarfile.SYMTYPE, f"{TOP}/link", "t" * (90 if form == 0 else 190)))
    members = content(stream.getvalue(), SDIST).members
    assert [member.name for member in members] == [*expected, f"{TOP}/link"]


def test_reads_concatenated_gzip_streams_up_to_a_limit() -> None:
    plain = bytes(gunzip(GOOD))
    parts = b"".join(gzip.compress(plain[at : at + 700]) for at in range(0, len(plain), 700))
    assert findings(parts, SDIST) == ()
    assert findings(parts + bytes(1000), SDIST) == ()
    assert check_ids(findings(parts + gzip.compress(b"") * 20_000, SDIST)) == {"archive/over-budget"}


def flip_byte(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)


GOOD = sdist_bytes()
ZIPPED = zip_bytes({f"{TOP}/PKG-INFO": PKG_INFO, f"{TOP}/setup.py": b"", f"{TOP}/dipy/__init__.py": b""})

FAULTS = {
    "an old spelling": (sdist_bytes(), "Dipy-1.11.0.tar.gz", "sdist/name"),
    "a ZIP": (ZIPPED, "dipy-1.11.0.zip", "sdist/name"),
    "empty": (b"", SDIST, "sdist/unreadable"),
    "an HTML page": (b"<html>", SDIST, "sdist/unreadable"),
    "a wheel": (wheel_bytes(), SDIST, "sdist/unreadable"),
    "gzipped text": (gzip.compress(b"hello" * 1000), SDIST, "sdist/unreadable"),
    "gzipped empty data": (gzip.compress(b""), SDIST, "sdist/unreadable"),
    "only the first half": (GOOD[: len(GOOD) // 2], SDIST, "sdist/unreadable"),
    "the last byte missing": (GOOD[:-1], SDIST, "sdist/unreadable"),
    "a wrong CRC": (flip_byte(GOOD, -5), SDIST, "sdist/unreadable"),
    "trailing bytes": (GOOD + b"more", SDIST, "sdist/unreadable"),
    "bytes after the tar": (make_tar(end=b"hidden"), SDIST, "sdist/unreadable"),
    "no end blocks": (gzip.compress(bytes(gunzip(GOOD).rstrip(b"\0"))), SDIST, "sdist/unreadable"),
    "a broken header": (break_header(), SDIST, "sdist/unreadable"),
    "a broken last header": (break_last_header(), SDIST, "sdist/unreadable"),
    "a negative size": (set_negative_size(), SDIST, "sdist/unreadable"),
    "a truncated member": (
        set_size(make_member(tarfile.REGTYPE), b"%011o\0" % 500_000),
        SDIST,
        "sdist/unreadable",
    ),
    "a huge header": (declare_huge_header(), SDIST, "sdist/unreadable"),
    "a pax header without an end": (add_pax_header(b"30 path=x\n"), SDIST, "sdist/unreadable"),
    "a pax header without a length": (add_pax_header(b"path=x\n"), SDIST, "sdist/unreadable"),
    "a pax size of letters": (add_pax_header(b"13 size=many\n"), SDIST, "sdist/unreadable"),
    "a negative pax size": (add_pax_header(b"12 size=-99\n"), SDIST, "sdist/unreadable"),
    "a pax length of many digits": (add_pax_header(b"9" * 400 + b" path=x\n"), SDIST, "sdist/unreadable"),
    "a bomb": (make_tar((f"{TOP}/zeros", bytes(80 << 20))), SDIST, "sdist/bomb"),
    "huge metadata": (sdist_bytes(metadata=PKG_INFO.decode() + "x" * (3 << 20)), SDIST, "sdist/bomb"),
    "two top-level entries": (make_tar(("README", b"")), SDIST, "sdist/layout"),
    "another top-level folder": (sdist_bytes(version="1.12.0"), SDIST, "sdist/top-directory"),
    "no PKG-INFO": (make_tar(top=f"{TOP}/inner"), SDIST, "sdist/layout"),
    "an entry for the current directory": (
        make_tar(make_member(tarfile.DIRTYPE, ".")),
        SDIST,
        "sdist/layout",
    ),
    "only PKG-INFO": (pack({"PKG-INFO": PKG_INFO}), SDIST, "sdist/layout"),
    "another spelling of the version": (
        sdist_bytes(metadata=PKG_INFO.decode().replace("Version: 1.11.0", "Version: 1.11")),
        SDIST,
        "sdist/name",
    ),
    "a parent directory": (make_tar((f"{TOP}/../{TOP}/x", b"")), SDIST, "sdist/layout"),
    "an absolute path": (make_tar((f"/{TOP}/x", b"")), SDIST, "sdist/layout"),
    "a link outside": (
        make_tar(make_member(tarfile.SYMTYPE, target="../../etc/passwd")),
        SDIST,
        "sdist/layout",
    ),
    "an absolute link": (make_tar(make_member(tarfile.SYMTYPE, target="/etc/passwd")), SDIST, "sdist/layout"),
    "a hard link outside": (make_tar(make_member(tarfile.LNKTYPE, target="x")), SDIST, "sdist/layout"),
    "a device": (make_tar(make_member(tarfile.CHRTYPE)), SDIST, "sdist/layout"),
    "a sparse file": (add_sparse_member(), SDIST, "sdist/layout"),
    "an empty PKG-INFO": (sdist_bytes(metadata=" \n"), SDIST, "sdist/metadata"),
    "neither pyproject.toml nor setup.py": (
        pack({"PKG-INFO": PKG_INFO, "setup.cfg": b"", "dipy/setup.py": b""}),
        SDIST,
        "sdist/no-build-system",
    ),
    **{
        name: (sdist_bytes(files={"pyproject.toml": data}), SDIST, "sdist/no-build-system")
        for name, data in {
            "settings that are not TOML": b"[build-system\n",
            "settings that are not UTF-8": b"name = '\xff'\n",
            "a build system that requires nothing": b"[build-system]\nbuild-backend = 'x'\n",
            "a build system that is a number": b"build-system = 1\n",
            "settings that are deeply nested": b"x = " + b"[" * 5000,
            "settings with a byte order mark": b"\xef\xbb\xbf[build-system]\nrequires = []\n",
            "a requirement of the build that is not a list": b"[build-system]\nrequires = 'x'\n",
            "a requirement of the build that is invalid": b"[build-system]\nrequires = ['x >=> 1']\n",
            "a build backend that is missing": b"[build-system]\nrequires = []\nbackend-path = ['tools']\n",
        }.items()
    },
    **{
        name: (sdist_bytes(files={"pyproject.toml": f"[project]\n{data}\n".encode()}), SDIST, check)
        for name, check, data in (
            ("another version", "sdist/other-project", "version = '1.12.0'"),
            ("a version that is not one", "sdist/other-project", "version = 'next'"),
            ("another name", "sdist/other-project", "name = 'nipy'"),
            ("a missing readme", "sdist/missing-file", "readme = 'README.md'"),
            ("a missing readme in a table", "sdist/missing-file", "readme = {file = 'README.md'}"),
            ("a missing license", "sdist/missing-file", "license = {file = 'LICENSE'}"),
            ("a missing license file", "sdist/missing-file", "license-files = ['LICENSE']"),
            ("a readme above the project", "sdist/missing-file", "readme = '../README.md'"),
        )
    },
    "a path twice": (
        make_tar((f"{TOP}/a.py", b"x = 1\n"), (f"{TOP}/a.py", b"x = 2\n")),
        SDIST,
        "sdist/duplicate-member",
    ),
    "two texts of PKG-INFO": (make_tar((f"{TOP}/PKG-INFO", PKG_INFO)), SDIST, "sdist/duplicate-member"),
    "no build system in a directory of another name": (
        pack({"PKG-INFO": PKG_INFO, "dipy/__init__.py": b""}, top="Dipy-1.11.0"),
        SDIST,
        "sdist/no-build-system",
    ),
}

#: Other checks that necessarily report the same fault.
ALSO_REPORTED = {
    "another top-level folder": {"metadata/filename-mismatch"},
    "an old spelling": {"sdist/top-directory"},
    "an empty PKG-INFO": {"metadata/invalid"},
    "only PKG-INFO": {"sdist/no-build-system"},
    "no build system in a directory of another name": {"sdist/top-directory"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    data, filename, expected = FAULTS[fault]
    notes = {"metadata/thin"}
    assert check_ids(findings(data, filename)) - notes == {expected} | ALSO_REPORTED.get(fault, set())


def test_accepts_another_pkg_info_that_twine_does_not_read() -> None:
    stray = {"._PKG-INFO": b"\0\5\x16\7", "PKG-INFO.in": b"Metadata-Version: 2.1\nName: other\n"}
    assert findings(sdist_bytes(files=stray), SDIST) == ()


def test_says_that_all_paths_have_a_prefix() -> None:
    data = pack({"PKG-INFO": PKG_INFO, "pyproject.toml": b""}, top=f"./{TOP}")
    assert [finding.message for finding in findings(data, SDIST)] == [
        f"{TOP}/PKG-INFO is missing: all paths begin with './'"
    ]


def test_reports_metadata_that_is_not_utf8() -> None:
    data = gunzip(GOOD)
    at = data.find(b"A. Tester")
    data[at] = 0xFF
    assert check_ids(findings(gzip.compress(bytes(data)), SDIST)) == {"sdist/metadata"}


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        make_tar((f"{TOP}/dipy/__init__.py", b"x" * 5000)),
        make_tar(make_member(tarfile.DIRTYPE, f"{TOP}/dipy")),
        make_tar(make_member(tarfile.SYMTYPE, f"{TOP}/a/b", "../c")),
        make_tar(make_member(tarfile.LNKTYPE, f"{TOP}/a", f"{TOP}/PKG-INFO")),
        make_tar((f"{TOP}/" + "long/" * 60 + "name", b"")),
        make_tar((f"{TOP}/dipy.egg-info/PKG-INFO", PKG_INFO)),
        sdist_bytes(files={"pyproject.toml": b"[tool.x]\ny = 1\n"}),
        sdist_bytes(files={"pyproject.toml": b"[build-system]\nrequires = []\n"}),
        sdist_bytes(files={"pyproject.toml": b"[" + b"a." * 20_000 + b"b]\n"}),
        sdist_bytes(files={"pyproject.toml": b"x" * (1 << 17)}),
        sdist_bytes(
            files={
                "pyproject.toml": b"[build-system]\nrequires = []\nbackend-path = ['.', 'tools']\n"
                b"[project]\nname = 'Dipy'\nversion = '1.11'\nreadme = './README.md'\n"
                b"license = 'BSD-3-Clause'\nlicense-files = ['LICEN[CS]E*', 'doc/COPYING']\n",
                "README.md": b"",
                "doc/COPYING": b"",
                "tools/backend.py": b"",
            }
        ),
        sdist_bytes(files={"pyproject.toml": b"[project]\ndynamic = ['version']\nreadme = {text = 'x'}\n"}),
        sdist_bytes(files={"pyproject.toml": b"project = 1\n"}),
        make_tar(make_member(tarfile.DIRTYPE, f"{TOP}/a"), make_member(tarfile.DIRTYPE, f"{TOP}/a")),
    ],
    ids=range(15),
)
def test_accepts_a_good_sdist(data: bytes) -> None:
    assert findings(data, SDIST) == ()
    assert archive_reader.describe_damage(content(data, SDIST)) == ()


def test_reports_a_zip_sdist_as_a_note_for_other_indexes() -> None:
    reported = findings(ZIPPED, "dipy-1.11.0.zip", profile=CheckProfile.ANY)
    assert [(finding.check, finding.severity.value) for finding in reported] == [("sdist/name", "note")]


def test_reports_a_damaged_zip() -> None:
    assert "sdist/unreadable" in check_ids(findings(ZIPPED[:-1], "dipy-1.11.0.zip"))
    assert "sdist/unreadable" in check_ids(findings(ZIPPED + b"x", "dipy-1.11.0.zip"))


def test_checks_the_metadata_of_an_sdist() -> None:
    metadata = PKG_INFO.decode().replace("Classifier: Programming", "Classifier: Programing")
    assert check_ids(findings(sdist_bytes(metadata=metadata), SDIST)) == {"metadata/bad-classifier"}

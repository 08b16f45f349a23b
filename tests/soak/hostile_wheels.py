"""Wheels and sdists that are expensive to read or malformed, built on demand."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from tests.support.attacks import ATTACKS
from tests.support.zips import DIST_INFO, SDIST, WHEEL, RawMember, raw_members, raw_zip
from tools.testing import binaries
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes

_NATIVE = "dipy-1.11.0-cp311-cp311-manylinux_2_17_x86_64.whl"
_META = METADATA.format(project="dipy", version="1.11.0")


def hostile_wheels(forbidden: int) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Yield a label, a file name, and a function that builds the file. ``forbidden``: a port of 127.0.0.2."""
    for label, make in {**_archives(), **_metadata(forbidden), **_records()}.items():
        yield label, WHEEL, make
    for label, make in _native().items():
        yield label, _NATIVE, make
    for label, attack in ATTACKS.items():
        yield label, attack.filename, attack.make
    for label, make in _sdists().items():
        yield f"sdist: {label}", SDIST, make


def _deflated_zeros(size: int) -> bytes:
    """Return this many zeros, compressed, without holding them all in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(size >> 20)) + packer.flush()


def _bomb(size: int, method: int = 8, packed: bytes | None = None, says: int | None = None) -> bytes:
    fields = {"size": size if says is None else says, "crc": 0}
    member = RawMember(b"dipy/bomb", b"", method=method, packed=packed or _deflated_zeros(size), both=fields)
    return raw_zip([*raw_members(), member])


def _with_member(name: bytes, data: bytes = b"x", **parts: object) -> bytes:
    return raw_zip([*raw_members(), RawMember(name, data, **parts)])  # type: ignore[arg-type]


def _archives() -> dict[str, Callable[[], bytes]]:
    good = wheel_bytes()
    names = {
        **{
            f"a member {name[:24]!r}": name
            for name in (b"../x", b"/etc/passwd", b"..\\x", b"C:\\x", b"\\\\h\\x")
        },
        **{
            f"a member {name[:24]!r}": name
            for name in (b"x\0.py", b"\x1b[2J", b"\xff\xfe", b"a/../../x", b"", b"/")
        },
        **{
            f"a member {name[:24]!r}": name
            for name in (b"./x", b"con", b"x" * 65_000, b"x/" * 30_000, b"::error::x")
        },
    }
    return {
        **{label: partial(_with_member, name) for label, name in names.items()},
        **{
            f"cut at {part} of 16": partial(lambda part: good[: len(good) * part // 16], part)
            for part in range(16)
        },
        "256 MiB of zeros": partial(_bomb, 256 << 20),
        "64 MiB declared as 5 bytes": lambda: _bomb(64 << 20, says=5),
        "0 bytes declared as 4 GiB": lambda: _bomb(0, packed=_deflated_zeros(0), says=0xFFFFFFFE),
        "zeros in bzip2": lambda: _bomb(64 << 20, method=12, packed=bz2.compress(bytes(64 << 20))),
        "zeros in LZMA": lambda: _bomb(64 << 20, method=14, packed=lzma.compress(bytes(64 << 20))),
        "an unknown method": lambda: _bomb(5, method=99, packed=b"hello"),
        "60,000 members": lambda: raw_zip(
            [*raw_members(), *(RawMember(b"dipy/%d" % n, b"", method=0) for n in range(60_000))]
        ),
        "60,000 times one member": lambda: raw_zip(
            [*raw_members(), *(RawMember(b"dipy/x", b"", method=0) for _ in range(60_000))]
        ),
        "a directory of 65,535 members": lambda: raw_zip(
            raw_members(), end={"count": 65_535, "here": 65_535}
        ),
        "a directory beyond the end": lambda: raw_zip(raw_members(), end={"offset": 0xFFFFFFF0}),
        "a directory of 4 GiB": lambda: raw_zip(raw_members(), end={"size": 0xFFFFFFF0}),
        "a directory in itself": lambda: raw_zip(raw_members(), end={"offset": 0, "size": 30}),
        "overlapping members": _overlapping,
        "ZIP64 with invalid offsets": lambda: raw_zip(
            raw_members(),
            end64=b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + b"\xff" * 16,
            end={"offset": 0xFFFFFFFF},
        ),
        "a symbolic link": lambda: _with_member(b"dipy/link", b"/etc/passwd", mode=0o120777),
        "a device": lambda: _with_member(b"dipy/device", b"", mode=0o060666),
        "encrypted": lambda: _with_member(b"dipy/secret", b"x" * 100, flags=1),
        "a comment with a ZIP in it": lambda: raw_zip(raw_members(), comment=good),
        "extra fields of 65,000 bytes": lambda: _with_member(b"dipy/x", both={"extra": b"\x01\x00" * 32_000}),
        "ten thousand ends": lambda: good + b"PK\x05\x06" * 10_000,
        "4 MiB of ends": lambda: b"PK\x05\x06" * (1 << 20),
        "4 MiB of members": lambda: b"PK\x03\x04" * (1 << 20),
        "4 MiB of noise": lambda: os.urandom(4 << 20),
        "a page": lambda: b"<!DOCTYPE html><title>\x1b[2J</title>",
    }


def _overlapping() -> bytes:
    """Return a ZIP in which many directory entries share one compressed body."""
    archive = raw_zip(
        [
            *raw_members(),
            RawMember(b"dipy/shared", b"", packed=_deflated_zeros(16 << 20), both={"size": 16 << 20}),
        ]
    )
    start = archive.rindex(b"PK\x05\x06")
    size, offset = struct.unpack_from("<2L", archive, start + 12)
    directory = archive[offset : offset + size]
    last = directory[directory.rindex(b"PK\x01\x02") :]
    many = directory + last * 1000
    count = len(raw_members()) + 1001
    return (
        archive[:offset]
        + many
        + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(many), offset, 0)
    )


def _with_description(text: str, kind: str = "text/x-rst", more: str = "") -> bytes:
    head = _META.partition("\n\n")[0].replace("text/plain", kind)
    return wheel_bytes(metadata=f"{head}\n{more}\n{text}\n")


def _metadata(forbidden: int) -> dict[str, Callable[[], bytes]]:
    target = f"http://127.0.0.2:{forbidden}/x"
    headers = {
        "a requirement with many brackets": "Requires-Dist: x; " + "(" * 100_000,
        "a requirement with many extras": "Requires-Dist: x[" + "a," * 100_000 + "]",
        "20,000 requirements": "Requires-Dist: x\n" * 20_000,
        "a marker with many ors": "Requires-Dist: x; "
        + "python_version<'3' or " * 20_000
        + "python_version<'3'",
        "a specifier without end": "Requires-Python: " + ">=3," * 100_000,
        "a licence with many brackets": "License-Expression: " + "(" * 50_000,
        "a licence with many ors": "License-Expression: " + "MIT OR " * 50_000 + "MIT",
        "20,000 classifiers": "Classifier: x :: y\n" * 20_000,
        "a very long address": "Maintainer-email: " + "a" * 100_000 + "@" + "." * 100_000,
        "an address with many quotes": "Maintainer-email: " + '"' * 50_000 + "<" * 50_000,
        "encoded words": "Maintainer: " + "=?utf-8?b?QUFB?= " * 20_000,
        "folded lines": "Keywords: a" + "\n b" * 200_000,
        "a URL of 1 MiB": "Project-URL: x, http://" + "x" * (1 << 20),
        "escapes": "Keywords: \x1b[2J\u202e\n::error::x: y",
        "a field of 2 MiB": "X" * (2 << 20) + ": y",
    }
    texts = {
        "rst that includes": f".. include:: /etc/passwd\n\n.. include:: {target}\n",
        "rst that fetches": f".. raw:: html\n   :url: {target}\n\n.. csv-table::\n   :url: {target}\n",
        "rst with many pictures": f".. image:: {target}\n\n.. figure:: {target}\n   :target: javascript:x\n"
        * 1000,
        "rst that reads": ".. raw:: html\n   :file: /etc/passwd\n\n.. csv-table::\n   :file: /etc/passwd\n",
        "rst with many stars": "*" * 100_000,
        "rst with many backquotes": "`" * 50_000 + "_" * 50_000,
        "rst with nested quotes": "\n\n".join(" " * depth + "x" for depth in range(1000)),
        "rst with nested substitutions": "".join(
            f".. |a{n}| replace:: {f'|a{n - 1}| ' * 10}\n" for n in range(1, 9)
        )
        + "|a8|",
        "a large empty rst table": "+" + "-+" * 5000 + "\n" + ("|" + " |" * 5000 + "\n") * 50,
    }
    marks = {
        "markdown with many brackets": "[" * 50_000 + "]" * 50_000,
        "markdown with many stars": "*a **a " * 20_000,
        "markdown with many backquotes": "".join("`" * n + " " for n in range(700)),
        "markdown with nested quotes": "> " * 20_000,
        "markdown with nested lists": "\n".join("  " * depth + "* x" for depth in range(500)),
        "markdown with much HTML": "<a " * 50_000 + "<script>x</script>",
        "markdown with many links": "[a](<b" * 20_000,
    }
    builders: dict[str, Callable[[], bytes]] = {}
    for label, line in headers.items():
        builders[f"metadata: {label}"] = partial(_with_description, "x", "text/plain", f"{line}\n")
    for label, text in texts.items():
        builders[f"description: {label}"] = partial(_with_description, text)
    for label, text in marks.items():
        builders[f"description: {label}"] = partial(_with_description, text, "text/markdown")
    builders["metadata of zeros"] = lambda: wheel_bytes(metadata="\0" * (4 << 20))
    builders["metadata of 30 MiB"] = lambda: wheel_bytes(metadata=_META + "x" * (30 << 20))
    builders["a hundred METADATA files"] = lambda: wheel_bytes(
        files={f"{number}-1.dist-info/METADATA": b"Metadata-Version: 2.1\n" for number in range(100)}
    )
    return builders


def _records() -> dict[str, Callable[[], bytes]]:
    records = {
        "200,000 lines": "x,,\n" * 200_000,
        "a line of 4 MiB": "x" * (4 << 20) + ",,\n",
        "one quote": '"' + "x," * 500_000,
        "zeros": "\0" * 1_000_000,
        "paths outside of the wheel": "../../x,sha256=,1\n/etc/passwd,,\n",
        "a size of 5,000 digits": "dipy/__init__.py,sha256=x," + "9" * 5000,
        "escapes": "\x1b[2J,sha256=\x1b,\x1b\n::error::x,,\n",
    }
    builders: dict[str, Callable[[], bytes]] = {}
    for label, text in records.items():
        builders[f"RECORD: {label}"] = partial(wheel_bytes, record=text)
    for name in ("entry_points.txt", "top_level.txt", "RECORD.jws", "direct_url.json"):
        builders[f"{name} with many brackets"] = partial(
            wheel_bytes, files={f"{DIST_INFO}/{name}": b"[" * 1_000_000}
        )
    builders["WHEEL with many tags"] = lambda: wheel_bytes(
        wheel="Wheel-Version: 1.0\n" + "Tag: py3-none-any\n" * 50_000
    )
    return builders


def _native() -> dict[str, Callable[[], bytes]]:
    good = binaries.elf()

    path = "dipy/x.cpython-311-x86_64-linux-gnu.so"

    def library(data: bytes) -> bytes:
        return wheel_bytes(tag="cp311-cp311-manylinux_2_17_x86_64", files={path: data})

    def with_field(offset: int, width: int) -> bytes:
        return library(good[:offset] + b"\xff" * width + good[offset + width :])

    builders: dict[str, Callable[[], bytes]] = {
        f"an ELF with {width} wrong bytes at {offset}": partial(with_field, offset, width)
        for offset, width in (
            (32, 8),
            (40, 8),
            (54, 2),
            (56, 2),
            (58, 2),
            (60, 2),
            (62, 2),
            (0x60, 8),
            (0x68, 16),
        )
    }
    builders["a Mach-O with 4 billion slices"] = lambda: library(b"\xca\xfe\xba\xbe" + b"\xff" * 4096)
    builders["a Mach-O in itself"] = lambda: library(
        struct.pack(">7I", 0xCAFEBABE, 1, 7, 3, 0, 4096, 0).ljust(4096, b"\0")
    )
    builders["a Mach-O with many commands"] = lambda: library(
        struct.pack("<8I", 0xFEEDFACF, 7, 3, 6, 1 << 30, 1 << 30, 0, 0) * 1000
    )
    builders["a PE with an invalid offset"] = lambda: library(b"MZ" + b"\0" * 58 + b"\xff\xff\xff\x7f" * 100)
    builders["100 MiB of code"] = lambda: library(good + bytes(100 << 20))
    builders["3,000 libraries"] = lambda: wheel_bytes(
        tag="cp311-cp311-manylinux_2_17_x86_64", files={f"dipy/{number}.so": good for number in range(3000)}
    )
    return builders


def _sdists() -> dict[str, Callable[[], bytes]]:
    def archive(*members: tuple[str, bytes, bytes]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as packed:
            for name, kind, data in members:
                info = tarfile.TarInfo(name)
                info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
                packed.addfile(info, io.BytesIO(data))
        return stream.getvalue()

    info = ("dipy-1.11.0/PKG-INFO", tarfile.REGTYPE, _META.encode())
    good = sdist_bytes()
    plain = zlib.decompress(good, 31)
    return {
        "a path outside of the sdist": lambda: archive(info, ("../x", tarfile.REGTYPE, b"x")),
        "a link": lambda: archive(info, ("dipy-1.11.0/x", tarfile.SYMTYPE, b"")),
        "a device": lambda: archive(info, ("dipy-1.11.0/x", tarfile.CHRTYPE, b"")),
        "PKG-INFO as a link": lambda: archive(("dipy-1.11.0/PKG-INFO", tarfile.LNKTYPE, b"")),
        "20,000 members": lambda: archive(
            info, *(("dipy-1.11.0/x", tarfile.REGTYPE, b"") for _ in range(20_000))
        ),
        "256 MiB of zeros": lambda: gzip.compress(bytes(256 << 20), 1),
        "cut": lambda: good[:-20],
        "noise at the end": lambda: good + os.urandom(1000),
        "gzip in gzip": lambda: gzip.compress(good),
        "a size below 0": lambda: gzip.compress(plain[:124] + b"\xff" * 12 + plain[136:]),
        "a long name without end": lambda: gzip.compress(plain[:156] + b"L" + plain[157:]),
        "a hundred thousand gzips": lambda: gzip.compress(b"") * 100_000,
    }

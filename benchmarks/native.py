"""Measures the cost of reading compiled code, compared with unpacking the wheel and with other libraries.

``python -m benchmarks.native PATHS`` takes wheels and directories of wheels. For each wheel and in total, it
prints the seconds on one core for: inflating every member with zipfile and hashing it; reading the native
members, including symbols of Python's C API, with our readers, and with pyelftools, macholib and pefile;
reading the archive (structure, inflating, CRC, hashes, native code); and the checks of native code.
"""

from __future__ import annotations

import hashlib
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tools.testing.reference_parsers import reference_facts
from wheel_uploader.checks import native as native_checks
from wheel_uploader.core import filenames
from wheel_uploader.core.models import BinaryFormat, CheckProfile, WheelContent, WheelName
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.binaries import detect

T = TypeVar("T")
COLUMNS = ("inflate+hash", "ours", "libraries", "archive reader", "native checks")


def main() -> None:
    totals = [0.0] * len(COLUMNS)
    print(f"| {'wheel':60} | natives | {' | '.join(COLUMNS)} |")
    print(f"| {'-' * 60} | --- |{' --- |' * len(COLUMNS)}")
    for path in wheels(sys.argv[1:]):
        count, seconds = measure_wheel(path)
        totals = [total + value for total, value in zip(totals, seconds, strict=True)]
        print(format_row(path.name, count, seconds), flush=True)
    print(format_row("total", 0, totals))
    print(
        f"\nreading the archive and checking: {(totals[3] + totals[4]) / totals[0]:.2f} times "
        "inflating and hashing"
    )
    print(f"our readers: {totals[2] / totals[1]:.0f} times faster than the libraries")


def wheels(arguments: list[str]) -> Iterator[Path]:
    for argument in arguments:
        path = Path(argument)
        yield from sorted(path.glob("*.whl")) if path.is_dir() else [path]


def format_row(name: str, count: int, seconds: list[float]) -> str:
    return f"| {name[:60]:60} | {count or '':>7} | {' | '.join(f'{value:.3f}' for value in seconds)} |"


def measure_wheel(path: Path) -> tuple[int, list[float]]:
    """Return the number of native members, and the seconds of each column."""
    name = filenames.parse_filename(path.name)
    assert isinstance(name, WheelName)
    members, inflating = time_call(lambda: inflate_and_hash(path))
    facts, ours = time_call(
        lambda: [(detect.read_binary(member, data, symbols=True), data) for member, data in members]
    )
    readable = [(fact, data) for fact, data in facts if fact and fact.format not in {None, BinaryFormat.WASM}]
    _, libraries = time_call(lambda: [reference_facts(fact, data) for fact, data in readable])
    content, reading = time_call(lambda: archive_reader.read_archive(path, name))
    assert isinstance(content, WheelContent)
    _, checking = time_call(
        lambda: [list(check.run(content, path.name, CheckProfile.PYPI)) for check in native_checks.CHECKS]
    )
    return len(readable), [inflating, ours, libraries, reading, checking]


def inflate_and_hash(path: Path) -> list[tuple[str, bytes]]:
    members = []
    with zipfile.ZipFile(path) as wheel:
        for info in wheel.infolist():
            data = wheel.read(info)
            hashlib.sha256(data).digest()
            members.append((info.filename, data))
    return members


def time_call(work: Callable[[], T]) -> tuple[T, float]:
    started_at = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started_at


if __name__ == "__main__":
    main()

"""What reading native code costs, beside unpacking the wheel and beside the libraries of the field.

``python -m benchmarks.native PATHS`` takes wheels and directories of wheels and prints, for each wheel in
turn and for all together, seconds on one core: inflating every member with zipfile and hashing it; reading
its native members, symbols of Python's C API included, with our readers, and with pyelftools, macholib and
pefile; our whole pass (walk, inflate,
CRC, hashes, native facts); the checks of native code.
"""

from __future__ import annotations

import hashlib
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.second_readers import theirs
from wheel_uploader import archive, names, native
from wheel_uploader.checks import native as native_checks
from wheel_uploader.models import NativeFormat, Profile, WheelContent, WheelName

T = TypeVar("T")
COLUMNS = ("inflate+hash", "ours", "libraries", "our pass", "native checks")


def main() -> None:
    totals = [0.0] * len(COLUMNS)
    print(f"| {'wheel':60} | natives | {' | '.join(COLUMNS)} |")
    print(f"| {'-' * 60} | --- |{' --- |' * len(COLUMNS)}")
    for path in wheels(sys.argv[1:]):
        count, seconds = measured(path)
        totals = [total + each for total, each in zip(totals, seconds, strict=True)]
        print(row(path.name, count, seconds), flush=True)
    print(row("together", 0, totals))
    print(f"\nour pass and the checks: {(totals[3] + totals[4]) / totals[0]:.2f} times inflating and hashing")
    print(f"our readers: {totals[2] / totals[1]:.0f} times faster than the libraries")


def wheels(arguments: list[str]) -> Iterator[Path]:
    for argument in arguments:
        path = Path(argument)
        yield from sorted(path.glob("*.whl")) if path.is_dir() else [path]


def row(name: str, count: int, seconds: list[float]) -> str:
    return f"| {name[:60]:60} | {count or '':>7} | {' | '.join(f'{each:.3f}' for each in seconds)} |"


def measured(path: Path) -> tuple[int, list[float]]:
    """The number of native members, and the seconds of each column."""
    name = names.parse(path.name)
    assert isinstance(name, WheelName)
    members, inflating = timed(lambda: inflated(path))
    facts, ours = timed(lambda: [(native.read(member, data, symbols=True), data) for member, data in members])
    known = [(fact, data) for fact, data in facts if fact and fact.format not in {None, NativeFormat.WASM}]
    _, libraries = timed(lambda: [theirs(fact, data) for fact, data in known])
    content, passing = timed(lambda: archive.read(path, name))
    assert isinstance(content, WheelContent)
    _, checking = timed(
        lambda: [list(check.findings(content, path.name, Profile.PYPI)) for check in native_checks.CHECKS]
    )
    return len(known), [inflating, ours, libraries, passing, checking]


def inflated(path: Path) -> list[tuple[str, bytes]]:
    found = []
    with zipfile.ZipFile(path) as wheel:
        for info in wheel.infolist():
            data = wheel.read(info)
            hashlib.sha256(data).digest()
            found.append((info.filename, data))
    return found


def timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main()

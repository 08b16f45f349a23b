"""What a release has to consist of: a number of files, a list of names and tags, or a matrix. Pure.

``--expect 21`` is a number of files. ``--expect FILE`` has one of these on each line, in any order:

- a file name (``dipy-1.11.0.tar.gz``), alone or as a line of SHA256SUMS;
- a wheel's tag (``cp311-cp311-manylinux_2_17_x86_64``);
- a python and a platform (``cp311-manylinux_x86_64``), as cibuildwheel's ``--print-build-identifiers`` does;
- the word ``sdist``.

In the configuration a matrix says the same in short::

    [tool.wheel-uploader.expect]
    pythons = ["cp311", "cp312", "cp313t"]
    platforms = ["macosx_arm64", "manylinux_x86_64", "win_amd64"]
    skip = ["cp313t-win_*"]
    sdist = true

It expects a wheel for every python on every platform, but for those whose ``PYTHON-PLATFORM`` a pattern of
``skip`` matches.

A *platform* is a platform tag, which stands for itself, or a family with an architecture, which stands for
every version of it: ``manylinux_x86_64`` takes ``manylinux_2_28_x86_64`` and ``manylinux2014_x86_64``,
``macosx_arm64`` takes ``macosx_11_0_arm64`` and every universal2 wheel. A wheel for ``any`` fills ``any``
alone: a pure fallback must not hide that a compiled wheel is missing.

A *python* is a python tag, with a ``t`` at its end for the free-threaded build (``cp313t``). A wheel fills
every python that would install it: ``cp39-abi3`` those from cp39 on that are not free-threaded, ``py3-none``
all of them.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from typing import Protocol

from packaging.tags import compatible_tags, cpython_tags

from wheel_uploader import names
from wheel_uploader.brought import sums
from wheel_uploader.display import printable
from wheel_uploader.errors import UsageError
from wheel_uploader.models import DistName, SdistName, WheelName
from wheel_uploader.platforms import families


class Slot(Protocol):
    """One thing that is expected; ``str()`` says it for people."""

    def is_filled_by(self, name: DistName) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a release has to consist of: so many files, and one file at least for every slot."""

    count: int | None = None
    slots: tuple[Slot, ...] = ()

    def missing(self, names: Collection[DistName]) -> tuple[str, ...]:
        """What is expected and not there, each in words; empty when the release is complete."""
        short = (self.count or 0) - len(names)
        return (
            *([f"{_files(short)} of {self.count}"] if short > 0 else []),
            *(str(slot) for slot in self.slots if not any(slot.is_filled_by(name) for name in names)),
        )

    def surplus(self, names: Collection[DistName]) -> tuple[str, ...]:
        """What is there and not expected, each in words: file names, or how many files are too many."""
        if self.count is not None:
            over = len(names) - self.count
            return (f"{_files(over)} more than {self.count}",) if over > 0 else ()
        return tuple(
            name.filename for name in names if not any(slot.is_filled_by(name) for slot in self.slots)
        )

    def with_files(self, filenames: Iterable[str], where: str) -> Expectation:
        """The same, and these very files too, because ``where`` has them."""
        return replace(self, slots=(*self.slots, *(File(filename, where) for filename in filenames)))


def _files(count: int) -> str:
    return f"{count} file{'s' if count > 1 else ''}"


# --- the slots -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    """A file of this very name."""

    filename: str
    #: Why it is expected, when that is not plain.
    where: str = ""

    def __str__(self) -> str:
        return f"{self.filename}, which is in {self.where}" if self.where else self.filename

    def is_filled_by(self, name: DistName) -> bool:
        return name.filename == self.filename


@dataclass(frozen=True, slots=True)
class Sdist:
    """An sdist, whatever its spelling."""

    def __str__(self) -> str:
        return "an sdist"

    def is_filled_by(self, name: DistName) -> bool:
        return isinstance(name, SdistName)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A wheel with one of the tags that ``python-abi-platform`` stands for."""

    tag: str

    def __str__(self) -> str:
        return f"a wheel {self.tag}"

    def is_filled_by(self, name: DistName) -> bool:
        if isinstance(name, SdistName):
            return False
        pythons, abis, platforms = (set(part.split(".")) for part in self.tag.split("-"))
        return (
            not pythons.isdisjoint(name.pythons)
            and not abis.isdisjoint(name.abis)
            and any(_is_platform(word, platform) for word in platforms for platform in name.platforms)
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """A wheel that a python on a platform would install: one cell of a matrix."""

    python: str
    platform: str

    def __str__(self) -> str:
        return f"a wheel for {self.python} on {self.platform}"

    def is_filled_by(self, name: DistName) -> bool:
        return (
            isinstance(name, WheelName)
            and any(_is_platform(self.platform, platform) for platform in name.platforms)
            and any(_installs(self.python, python, abi) for python in name.pythons for abi in name.abis)
        )


def _is_platform(word: str, platform: str) -> bool:
    if word == platform:
        return True
    family, _ = families.parse(platform)
    return word == str(family) or word in map(str, family.served)


# Packaging enumerates all older versions: with many digits it would not end.
_CPYTHON = re.compile(r"cp([0-9])([0-9]{1,3})t?")
_OTHER_PYTHON = re.compile(r"(?:pp|graalpy)([0-9])([0-9]{1,3})")
#: cibuildwheel's word for a GraalPy: the version of Python, and its own.
_GRAALPY = re.compile(r"gp(\d+)_\d+")


def _installs(word: str, python: str, abi: str) -> bool:
    """Whether the python that ``word`` names takes wheels with this python tag and this abi tag."""
    word = _GRAALPY.sub(r"graalpy\1", word)
    if (python, abi) in _interfaces(word):
        return True
    return python == word and not _CPYTHON.fullmatch(word)


@cache
def _interfaces(word: str) -> frozenset[tuple[str, str]]:
    """The (python, abi) of all wheels that a python takes, as packaging knows them."""
    if found := _CPYTHON.fullmatch(word):
        version = (int(found[1]), int(found[2]))
        # Up to Python 3.7 the abi said more: cp27mu, cp37m.
        abis = [word] if word.endswith("t") else [word, f"{word}m", f"{word}mu"]
        tags = [*cpython_tags(version, abis, ["x"]), *compatible_tags(version, platforms=["x"])]
    elif found := _OTHER_PYTHON.fullmatch(word):
        tags = [*compatible_tags((int(found[1]), int(found[2])), platforms=["x"])]
    else:
        return frozenset()
    return frozenset((tag.interpreter, tag.abi) for tag in tags)


# --- as a number, a list, a matrix -----------------------------------------------------------------


#: No listing has more (sources.base.MAX_LINKS).
MOST_FILES = 100_000


def of_count(count: int) -> Expectation:
    """Return the expectation of ``count`` files. Raises UsageError."""
    if count > MOST_FILES:
        raise UsageError(
            f"a release of more than {MOST_FILES} files cannot be expected", hint="--expect N has fewer."
        )
    if count < 1:
        raise UsageError(f"a release of {count} files cannot be expected", hint="--expect 1, or more.")
    return Expectation(count=count)


def of_lines(text: str, where: str) -> Expectation:
    """What the lines of a file name; ``where`` is the file. Raises UsageError for all that is wrong."""
    slots: list[Slot] = []
    wrong = []
    for number, line in sums.lines_of(text):
        try:
            slots += _slots_of_line(line)
        except ValueError as error:
            wrong.append(f"line {number}: '{printable(line, limit=100)}': {error}")
    if wrong or not slots:
        raise UsageError(
            f"{printable(where)} does not say what is expected",
            details=wrong[:_SHOWN]
            + ([f"and {len(wrong) - _SHOWN} more lines"] if len(wrong) > _SHOWN else []),
            hint="Each line is a file name, a tag like cp311-cp311-win_amd64, a python and a platform "
            "like cp311-manylinux_x86_64, or the word sdist.",
        )
    return Expectation(slots=tuple(dict.fromkeys(slots)))


#: Lines that an error quotes.
_SHOWN = 10


def _slots_of_line(line: str) -> list[Slot]:
    """The slot that a line stands for. Raises ValueError, which says why it stands for none."""
    if summed := sums.parse_line(line):
        # SHA256SUMS may well have a signature or release notes too: those are no part of a release.
        return [File(summed[0])] if summed[0].endswith(_SUFFIXES) else []
    if line == "sdist":
        return [Sdist()]
    if line.endswith(_SUFFIXES):
        return [File(names.parse(line).filename)]
    parts = line.split("-")
    if len(parts) == 2:
        return [_cell(*parts)]
    if len(parts) == 3 and all(re.fullmatch(r"[a-z0-9_.]+", part) for part in parts):
        return [Tagged(line)]
    raise ValueError("neither a file name nor a tag")


_SUFFIXES = (".whl", *names.SDIST_SUFFIXES)


def _cell(python: str, platform: str) -> Cell:
    """One cell. Raises ValueError for words that no wheel would ever fill."""
    if not re.fullmatch(r"[a-z]+\d+(?:_\d+)?t?", python):
        raise ValueError(f"'{printable(python)}' is no python like cp311 or cp313t")
    family, _, architecture = platform.partition("_")
    if platform not in _WHOLE and not (family.rstrip(string.digits) in _FAMILIES and architecture):
        close = difflib.get_close_matches(platform, _USUAL, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(f"'{printable(platform)}' is no platform like manylinux_x86_64{meant}")
    return Cell(python, platform)


_WHOLE = {"any", "win32"}
_FAMILIES = {"manylinux", "musllinux", "linux", "macosx", "win", "ios", "android"}
_FAMILIES |= {"pyodide", "pyemscripten", "emscripten"}
_USUAL = (
    *(
        f"{libc}_{machine}"
        for libc in ("manylinux", "musllinux")
        for machine in ("x86_64", "aarch64", "i686")
    ),
    *("macosx_arm64", "macosx_x86_64", "macosx_universal2", "win_amd64", "win_arm64", *_WHOLE),
)


def of_table(table: Mapping[str, object]) -> Expectation:
    """The matrix of a configuration. Raises UsageError for all that is wrong."""
    wrong = [f"{printable(key)}: it has {', '.join(_KEYS)}" for key in table if key not in _KEYS]
    pythons, platforms, skip = (_words(table, key, wrong) for key in ("pythons", "platforms", "skip"))
    sdist = table.get("sdist", False)
    if not isinstance(sdist, bool):
        wrong.append("sdist: it is true or false")
    if bool(pythons) != bool(platforms):
        wrong.append("pythons and platforms: it has both or neither")
    cells: dict[str, Cell] = {}
    for python in pythons:
        for platform in platforms:
            try:
                cells[f"{python}-{platform}"] = _cell(python, platform)
            except ValueError as error:
                wrong.append(str(error))
    left = [cell for key, cell in cells.items() if not any(fnmatchcase(key, pattern) for pattern in skip)]
    idle = [pattern for pattern in skip if not any(fnmatchcase(key, pattern) for key in cells)]
    wrong += [f"skip: '{printable(pattern)}' matches nothing" for pattern in idle if not wrong]
    slots: tuple[Slot, ...] = (*left, Sdist()) if sdist is True else tuple(left)
    if wrong or not slots:
        raise UsageError(
            "'expect' in the configuration is not a matrix" if wrong else "'expect' expects nothing",
            details=list(dict.fromkeys(wrong)),
            hint='For example: expect = { pythons = ["cp312"], platforms = ["win_amd64"], sdist = true }',
        )
    return Expectation(slots=slots)


_KEYS = ("pythons", "platforms", "skip", "sdist")


def _words(table: Mapping[str, object], key: str, wrong: list[str]) -> list[str]:
    words = table.get(key, [])
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        return words
    wrong.append(f"{key}: it is a list of words")
    return []

"""Parse and compare the expected contents of a release: a number, a list of names and tags, or a matrix.

``--expect 21`` expects a number of files. With ``--expect FILE``, each line of the file is one of these:

- a file name (``dipy-1.11.0.tar.gz``), alone or as a line of SHA256SUMS;
- a wheel's tag (``cp311-cp311-manylinux_2_17_x86_64``);
- a python and a platform (``cp311-manylinux_x86_64``), as cibuildwheel's ``--print-build-identifiers`` does;
- the word ``sdist``.

A ``#`` at the beginning of a line or after a space begins a comment.

The configuration accepts a matrix as a shorter form::

    [tool.wheel-uploader.expect]
    pythons = ["cp311", "cp312", "cp313t"]
    platforms = ["macosx_arm64", "manylinux_x86_64", "win_amd64"]
    skip = ["cp313t-win_*"]
    sdist = true

It expects a wheel for every python on every platform, except where a pattern of ``skip`` matches
``PYTHON-PLATFORM``.

A *platform* is a platform tag, or a family with an architecture, which matches every version of it:
``manylinux_x86_64`` matches ``manylinux_2_28_x86_64`` and ``manylinux2014_x86_64``, ``macosx_arm64`` matches
``macosx_11_0_arm64`` and every universal2 wheel. A wheel for ``any`` satisfies only ``any``, so that a pure
Python fallback does not hide a missing compiled wheel.

A *python* is a python tag, with a final ``t`` for the free-threaded build (``cp313t``). A wheel satisfies
every python that would install it: ``cp39-abi3`` satisfies all from cp39 on that are not free-threaded,
``py3-none`` satisfies all.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Protocol

from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, SdistName
from wheel_uploader.core.models.option_rules import validate_expected_count
from wheel_uploader.core.platforms.matrix import MatrixCell, matches_platform
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.listing import sha256sums


class ExpectedItem(Protocol):
    """An expected item; ``str()`` describes it for the user."""

    def is_satisfied_by(self, name: DistName) -> bool:
        """Return whether the file ``name`` satisfies this expectation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The expected contents of a release: a number of files, and at least one file for every slot."""

    count: int | None = None
    items: tuple[ExpectedItem, ...] = ()

    def find_missing(self, names: Collection[DistName]) -> tuple[str, ...]:
        """Return descriptions of the missing items; empty if the release is complete."""
        expected_count = self.count or 0
        missing_count = expected_count - len(names)
        return (
            *([f"{missing_count} of {format_count(expected_count, 'file')}"] if missing_count > 0 else []),
            *(str(slot) for slot in self.items if not any(slot.is_satisfied_by(name) for name in names)),
        )

    def find_unexpected(self, names: Collection[DistName]) -> tuple[str, ...]:
        """Return the unexpected files: their names, or the number of files above the expected count."""
        if self.count is not None:
            excess = len(names) - self.count
            return (
                (f"{format_count(excess, 'file')} more than the expected {self.count}",) if excess > 0 else ()
            )
        return tuple(
            name.filename for name in names if not any(slot.is_satisfied_by(name) for slot in self.items)
        )

    def with_files(self, filenames: Iterable[str], source: str) -> Expectation:
        """Return this expectation with the addition of exactly these files, which ``source`` lists."""
        return replace(self, items=(*self.items, *(ExpectedFile(filename, source) for filename in filenames)))


# --- the slots -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A file with exactly this name."""

    filename: str
    #: The file that lists it, if it was not expected by name.
    source: str = ""

    def __str__(self) -> str:
        return f"{self.filename} (listed in {self.source})" if self.source else self.filename

    def is_satisfied_by(self, name: DistName) -> bool:
        """Return whether ``name`` is this file."""
        return name.filename == self.filename


@dataclass(frozen=True, slots=True)
class ExpectedSdist:
    """An sdist, whatever the spelling of its name."""

    def __str__(self) -> str:
        return "an sdist"

    def is_satisfied_by(self, name: DistName) -> bool:
        """Return whether ``name`` is an sdist."""
        return isinstance(name, SdistName)


@dataclass(frozen=True, slots=True)
class ExpectedTag:
    """A wheel with one of the tags in a compressed tag set ``python-abi-platform``."""

    tag: str

    def __str__(self) -> str:
        return f"a wheel {self.tag}"

    def is_satisfied_by(self, name: DistName) -> bool:
        """Return whether ``name`` is a wheel with one of the tags."""
        if isinstance(name, SdistName):
            return False
        pythons, abis, platforms = (set(part.split(".")) for part in self.tag.split("-"))
        return (
            not pythons.isdisjoint(name.pythons)
            and not abis.isdisjoint(name.abis)
            and any(
                matches_platform(expected, platform) for expected in platforms for platform in name.platforms
            )
        )


# --- as a number, a list, a matrix -----------------------------------------------------------------


def expect_count(count: int) -> Expectation:
    """Return the expectation of ``count`` files. Raises UsageError."""
    validate_expected_count(count)
    return Expectation(count=count)


def parse_expected_lines(text: str, source: str) -> Expectation:
    """Return the expectation in the lines of the file ``source``. Raises UsageError with every error."""
    slots: list[ExpectedItem] = []
    errors = []
    for number, line in sha256sums.iter_content_lines(text):
        try:
            slots += _parse_line(_COMMENT.sub("", line))
        except ValueError as error:
            errors.append(f"line {number}: '{sanitize(line, limit=100)}': {error}")
    if errors or not slots:
        raise UsageError(
            f"{sanitize(source)} is not a list of expected files",
            details=errors[:_MAX_QUOTED]
            + (
                [f"and {format_count(len(errors) - _MAX_QUOTED, 'more line')}"]
                if len(errors) > _MAX_QUOTED
                else []
            ),
            hint="Each line is a file name, a tag like cp311-cp311-win_amd64, a python and a platform "
            "like cp311-manylinux_x86_64, or the word sdist.",
        )
    return Expectation(items=tuple(dict.fromkeys(slots)))


#: Number of lines that an error message quotes.
_MAX_QUOTED = 10
#: A comment at the end of a line. No name of a wheel or an sdist has a space.
_COMMENT = re.compile(r"(?<!\s)\s+#.*")


def _parse_line(line: str) -> list[ExpectedItem]:
    """Return the slots that a line describes. Raises ValueError with the reason if it is invalid."""
    if sum_line := sha256sums.parse_checksum_line(line) or sha256sums.parse_other_checksum_line(line):
        # SHA256SUMS may also list a signature or release notes, which are not part of a release.
        return [ExpectedFile(sum_line[0])] if sum_line[0].endswith(_DIST_SUFFIXES) else []
    if line == "sdist":
        return [ExpectedSdist()]
    if line.endswith(_DIST_SUFFIXES):
        return [ExpectedFile(core_filenames.parse_filename(line).filename)]
    parts = line.split("-")
    if len(parts) == 2:
        return [_parse_cell(*parts)]
    if len(parts) == 3 and all(re.fullmatch(r"[a-z0-9_.]+", part) for part in parts):
        return [ExpectedTag(line)]
    raise ValueError("neither a file name nor a tag")


_DIST_SUFFIXES = (".whl", *core_filenames.SDIST_SUFFIXES)


def _parse_cell(python: str, platform: str) -> MatrixCell:
    """Return a cell. Raises ValueError for a python or platform that no wheel could satisfy."""
    if not re.fullmatch(r"[a-z]+\d+(?:_\d+)?t?", python):
        raise ValueError(f"'{sanitize(python)}' is not a python like cp311 or cp313t")
    family, _, architecture = platform.partition("_")
    if not re.fullmatch(r"[A-Za-z0-9_.]+", platform):
        raise ValueError(f"'{sanitize(platform)}' is not a platform; a comment begins with ' #'")
    if platform not in _COMPLETE_PLATFORMS and not (
        family.rstrip(string.digits) in _PLATFORM_FAMILIES and architecture
    ):
        close_matches = difflib.get_close_matches(platform, _COMMON_PLATFORMS, n=1)
        suggestion = f" (did you mean {close_matches[0]}?)" if close_matches else ""
        raise ValueError(f"'{sanitize(platform)}' is not a platform like manylinux_x86_64{suggestion}")
    return MatrixCell(python, platform)


_COMPLETE_PLATFORMS = {"any", "win32"}
_PLATFORM_FAMILIES = {"manylinux", "musllinux", "linux", "macosx", "win", "ios", "android"}
_PLATFORM_FAMILIES |= {"pyodide", "pyemscripten", "emscripten"}
_COMMON_PLATFORMS = (
    *(
        f"{libc}_{machine}"
        for libc in ("manylinux", "musllinux")
        for machine in ("x86_64", "aarch64", "i686")
    ),
    *("macosx_arm64", "macosx_x86_64", "macosx_universal2", "win_amd64", "win_arm64", *_COMPLETE_PLATFORMS),
)


def parse_matrix(table: Mapping[str, object]) -> Expectation:
    """Return the expectation in a matrix of the configuration. Raises UsageError that lists every error."""
    unknown = [key for key in table if key not in _MATRIX_KEYS]
    errors = [f"{sanitize(key)}: unknown key, expected one of {', '.join(_MATRIX_KEYS)}" for key in unknown]
    pythons, platforms, skip = (_read_strings(table, key, errors) for key in ("pythons", "platforms", "skip"))
    sdist = table.get("sdist", False)
    if not isinstance(sdist, bool):
        errors.append("sdist: must be true or false")
    if bool(pythons) != bool(platforms):
        errors.append("pythons and platforms: give both or neither")
    cells: dict[str, MatrixCell] = {}
    for python in pythons:
        for platform in platforms:
            try:
                cells[f"{python}-{platform}"] = _parse_cell(python, platform)
            except ValueError as error:
                errors.append(str(error))
    kept = [cell for key, cell in cells.items() if not any(fnmatchcase(key, pattern) for pattern in skip)]
    unmatched = [pattern for pattern in skip if not any(fnmatchcase(key, pattern) for key in cells)]
    errors += [f"skip: '{sanitize(pattern)}' matches nothing" for pattern in unmatched if not errors]
    slots: tuple[ExpectedItem, ...] = (*kept, ExpectedSdist()) if sdist is True else tuple(kept)
    if errors or not slots:
        raise UsageError(
            "'expect' in the configuration is not a valid matrix" if errors else "'expect' expects no files",
            details=list(dict.fromkeys(errors)),
            hint='For example: expect = { pythons = ["cp312"], platforms = ["win_amd64"], sdist = true }',
        )
    return Expectation(items=slots)


_MATRIX_KEYS = ("pythons", "platforms", "skip", "sdist")


def _read_strings(table: Mapping[str, object], key: str, errors: list[str]) -> list[str]:
    strings = table.get(key, [])
    if isinstance(strings, list) and all(isinstance(string, str) for string in strings):
        return strings
    errors.append(f"{key}: must be a list of strings")
    return []

"""Recognizes wheels and sdists whose file names are not valid: renamed, saved twice, or not complete yet.

A wheel that a browser saved as ``demo-1.0-... (1).whl`` would be missing from the release, and few users look
at the list of the files that were not selected. So a file that begins like PROJECT-VERSION and ends like a
wheel or an sdist stops the run. Files that only accompany another (``.whl.asc``, ``.whl.sha256``) and
archives with other contents (``demo-1.0-docs.zip``) are not recognized.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.filenames import ALL_PLATFORMS, InvalidFilename, matches_platform_filter
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import WheelName

#: Names of at most this many characters are considered.
_MAX_LENGTH = 2000

#: Suffixes that browsers, copy programs and upload tools append until a file is complete.
_UNFINISHED_SUFFIXES = (
    *(".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".aria2"),
    *(".tmp", ".temp", ".upload", ".uploading", ".incomplete", ".unfinished", ".inprogress"),
    *(".icloud", ".!ut", ".!qb", ".bc!", "_.gstmp"),
)
#: Parts that some tools insert between the name and such a suffix: ``W.whl.7fa2c1b3.partial``.
_UPLOAD_ID = re.compile(r"(?:(?<=\.whl)|(?<=\.tar\.gz))(?:\.[A-Za-z0-9_-]{1,40}){1,3}\Z", re.IGNORECASE)
#: rsync (``.NAME.Xy12Za``) and lftp (``.in.NAME``) hide a file until it is complete.
_HIDDEN_UNTIL_COMPLETE = re.compile(r"\.(?:in\.)?([^.].*\.(?:whl|tar\.gz|zip))(?:\.[A-Za-z0-9]{6})?")
#: Suffixes of archives around a file: an artifact with one wheel is saved as ``.whl.zip``.
_WRAPPER_SUFFIXES = (".zip", ".gz", ".tar", ".7z", ".xz", ".bz2", ".zst", ".rar")
#: The number that wget appends to a name that exists, and marks of a copy after the suffix.
_COPY_SUFFIX = re.compile(r"(?:\.[0-9]{1,3}| ?\([0-9]{1,4}\))\Z")
#: The number that browsers and file managers insert before the last suffix: ``demo-1.0.tar (1).gz``.
_COPY_INFIX = re.compile(r"(\.tar)(?: ?\([0-9]{1,4}\)|-[0-9]{1,2})(\.gz)\Z", re.IGNORECASE)
#: Words of file managers before the name of a copy, in several languages.
_COPY_PREFIX = re.compile(
    r"(?:copy(?: \([0-9]{1,3}\)| [0-9]{1,3})? of|kopie v[ao]n|copie de|c[oó]pia d[ei]|kopia av)[ _]",
    re.IGNORECASE,
)
#: Characters that look like a dash; invisible characters are removed.
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
_WHEEL_SUFFIX = ".whl"
_WRONG_SUFFIX = ".wheel"

#: No valid name has one of these, so what follows them was added: ``demo-1.0 (1)``, ``demo-1.0 - Copy``.
_ADDED = re.compile(r"[\s(]|[-_](?i:copy)(?:[-_]?[0-9]{1,3})?\Z")
#: A ZIP with the name of a wheel is one only if its tags are real: ``demo-1.0-docs-html-en.zip`` is not.
_PYTHON_TAG = re.compile(r"(?:py|cp|pp|ip|jy|graalpy)[0-9]+")
_PLATFORM_LIKE = re.compile(r"any|win32|[a-z]+[0-9]*_\w+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MisnamedFile:
    """A file whose name is not valid, but resembles that of a wheel or an sdist."""

    #: The name without its suffix and without additions before or after it.
    stem: str
    is_wheel: bool
    #: The reason why the name is not valid, in one clause.
    reason: str
    #: The name that the file will have when it is complete; empty if it is complete.
    final_name: str = ""

    def find_version(self, project: NormalizedName) -> Version | None:
        """Return the version of ``project`` that this file is of by its name, or None."""
        rest = _remove_project(self.stem, project)
        if rest is None:
            return None
        texts = (
            [rest] if not self.is_wheel else [rest.partition("-")[0], re.split("[-_]", rest, maxsplit=1)[0]]
        )
        return next(filter(None, map(_parse_version, texts)), None)

    def guess_release(self) -> tuple[NormalizedName, Version] | None:
        """Return the project and version that the name begins with, or None."""
        parts = self.stem.split("-", 8)
        for count in range(1, min(len(parts), 8)):
            version = _parse_version(parts[count])
            if version and parts[0][:1].isalnum():
                return canonicalize_name("-".join(parts[:count])), version
        return None

    def may_have_platform(self, platform_filters: Sequence[str]) -> bool:
        """Return whether ``-t`` may select the file: its last part is not a platform of another kind."""
        platforms = self.stem.rpartition("-")[2].split(".")
        if ALL_PLATFORMS in platform_filters or not self.is_wheel:
            return ALL_PLATFORMS in platform_filters
        if not all(map(_PLATFORM_LIKE.fullmatch, platforms)):
            return True
        name = WheelName(
            filename=self.stem,
            project=canonicalize_name("x"),
            version=Version("0"),
            raw_project="x",
            raw_version="0",
            pythons=(),
            abis=(),
            platforms=tuple(platform.lower() for platform in platforms),
        )
        return matches_platform_filter(name, platform_filters)


def recognize(filename: str, error: InvalidFilename) -> MisnamedFile | None:
    """Return what a file name that ``parse_filename`` rejected resembles, or None."""
    if len(filename) > _MAX_LENGTH:
        return None
    name = _normalize(filename)
    if hidden := _HIDDEN_UNTIL_COMPLETE.fullmatch(name):
        if name.endswith((_WHEEL_SUFFIX, *filenames.SDIST_SUFFIXES)) and not name.startswith(".in."):
            return None
        return _build(hidden[1], "an unfinished upload", final_name=hidden[1])
    name = _COPY_PREFIX.sub("", name, count=1) if _COPY_PREFIX.match(name) else name
    for suffix in _UNFINISHED_SUFFIXES:
        if name.lower().endswith(suffix):
            complete = _UPLOAD_ID.sub("", name[: -len(suffix)])
            return _build(complete, f"an unfinished download or upload ({suffix})", final_name=complete)
    if (copy := _COPY_SUFFIX.search(name[-20:])) and _has_suffix(name[: -len(copy[0])]):
        return _build(
            name[: -len(copy[0])], f"the name ends with '{copy[0].strip()}', as that of a second copy"
        )
    if infix := _COPY_INFIX.search(name):
        inserted = name[infix.end(1) : infix.start(2)].strip()
        return _build(
            _COPY_INFIX.sub(r"\1\2", name), f"'{inserted}' is in the name, as in that of a second copy"
        )
    if name.lower().endswith(_WRONG_SUFFIX):
        return _build(f"{name[: -len(_WRONG_SUFFIX)]}.whl", "a wheel has the suffix .whl, not .wheel")
    for wrapper in _WRAPPER_SUFFIXES:
        wrapped = name[: -len(wrapper)]
        if name.lower().endswith(wrapper) and _has_suffix(wrapped):
            return _build(wrapped, f"a {wrapper} file around it: unpack it")
        if wrapper == ".zip" and name.lower().endswith(wrapper) and _is_wheel_name(f"{wrapped}.whl"):
            return _build(f"{wrapped}.whl", "a wheel has the suffix .whl, not .zip")
    return _build(name, _describe_case(name) or str(error))


def _build(name: str, reason: str, *, final_name: str = "") -> MisnamedFile | None:
    """Return the misnamed file; None if ``name`` has no suffix of a wheel or an sdist."""
    for suffix in (_WHEEL_SUFFIX, *filenames.SDIST_SUFFIXES):
        if name.lower().endswith(suffix):
            stem = _ADDED.split(name[: -len(suffix)].strip(), maxsplit=1)[0].rstrip("-_")
            return MisnamedFile(
                stem=stem, is_wheel=suffix == _WHEEL_SUFFIX, reason=reason, final_name=final_name
            )
    return None


def _normalize(filename: str) -> str:
    """Return a file name without invisible characters, and with plain dashes."""
    name = unicodedata.normalize("NFKC", filename.translate(_DASHES)).translate(_DASHES)
    if not name.isascii():
        name = "".join(character for character in name if unicodedata.category(character) != "Cf")
    return name.strip()


def _has_suffix(name: str) -> bool:
    return name.lower().endswith((_WHEEL_SUFFIX, *filenames.SDIST_SUFFIXES))


def _describe_case(name: str) -> str:
    for suffix in (_WHEEL_SUFFIX, *filenames.SDIST_SUFFIXES):
        if name.lower().endswith(suffix) and not name.endswith(suffix):
            return f"its suffix is '{name[-len(suffix) :]}', not '{suffix}'"
    return ""


def _is_wheel_name(name: str) -> bool:
    try:
        wheel = filenames.parse_filename(name)
    except InvalidFilename:
        return False
    return (
        isinstance(wheel, WheelName)
        and all(map(_PYTHON_TAG.fullmatch, wheel.pythons))
        and all(map(_PLATFORM_LIKE.fullmatch, wheel.platforms))
    )


def _remove_project(stem: str, project: NormalizedName) -> str | None:
    """Return what follows the project in ``stem``, in any spelling; None if another project is there."""
    position = 0
    parts = project.split("-")
    for number, part in enumerate(parts, start=1):
        end = position + len(part)
        if stem[position:end].lower() != part:
            return None
        position = end
        separators = {"-", "_"} if number == len(parts) else {"-", "_", "."}
        while stem[position : position + 1] in separators:
            position += 1
        if position == end:
            return None
    return stem[position:]


def _parse_version(text: str) -> Version | None:
    try:
        return bounds.parse_pep440_version(text.replace("_", "-"))
    except InvalidVersion:
        return None

"""Judges by its name whether a folder of a listing may hold files of the release. Pure functions."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds
from wheel_uploader.core.string_cache import cached_for_short_strings
from wheel_uploader.listing.sources.base import ReleaseQuery


class FolderRole(enum.IntEnum):
    """The role of a folder in a listing, in the order in which folders are read."""

    #: It is named like the project, or like the requested version.
    RELEASE = 0
    #: It is named like build output: ``wheels``, ``dist``, ``wheels-linux``, ``win_amd64``.
    ARTIFACTS = 1
    #: Its name does not tell.
    UNKNOWN = 2
    #: It belongs to another version.
    OTHER_VERSION = 3
    #: It never holds files to release: a hidden folder, a virtual environment, a cache.
    ENVIRONMENT = 4


_ENVIRONMENT_NAMES = frozenset(
    {"venv", "virtualenv", "site-packages", "dist-packages", "node_modules", "conda-meta"}
    | {"__pycache__", "__pypackages__", "__macosx", "lost+found", "$recycle.bin"}
)
_ENVIRONMENT_SUFFIXES = (".dist-info", ".egg-info", ".data")
#: Words in the names of folders of build output, and of CI artifacts that are downloaded as folders.
_ARTIFACT_WORD = re.compile(
    r"(?:wheels?|wheelhouse|whls?|dists?|s?dists?|bdists?|artifacts?|cibw|cibuildwheel"
    r"|linux|manylinux[0-9]*|musllinux[0-9]*|windows|win|win32|win64|mac|macos[0-9]*|macosx[0-9]*|osx|darwin"
    r"|ubuntu|amd64|x86|x64|arm64|aarch64|armv7l|i686|ppc64le|s390x|riscv64|universal2|wasm32|pyodide"
    r"|(?:cp|pp|py)[23][0-9]{0,3}t?|pypy[0-9]*|cpython[0-9]*|abi3)\Z"
)
_WORD_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")
#: Names of copies of, or links to, another folder that is listed with them.
ALIASES = frozenset({"latest", "stable", "current", "newest"})
_VERSION_PREFIX = re.compile(r"(?:version|release|rel|v)?[-_.]?(?=[0-9])", re.IGNORECASE)
#: A number with one dot may be the version of Python, macOS or the C library. With a letter, or a second dot,
#: it is the version of a release.
_AMBIGUOUS_VERSION = re.compile(r"[0-9]+(?:[.-][0-9]+)?\Z")
#: Releases from this number on are years: ``2026.11.28`` may be a date, unless the project counts in years.
_FIRST_YEAR = 1990
#: Longest folder name that is compared with the project; no file system has longer ones.
_MAX_NAME_LENGTH = 255


class FolderClassifier:
    """Judges the folders of a listing for one release."""

    def __init__(self, query: ReleaseQuery) -> None:
        self.project = canonicalize_name(query.project)
        self._version = _parse_version(query.version)

    def classify(self, name: str) -> FolderRole:
        """Return the role of the folder ``name``, the last segment of its path."""
        if _is_environment(name) or len(name) > _MAX_NAME_LENGTH:
            return FolderRole.ENVIRONMENT
        if self.is_project(name):
            return FolderRole.RELEASE
        for text in self._iter_suffixes_after_project(name):
            version = parse_folder_version(text)
            if version is not None:
                return _compare_versions(version, self._version, FolderRole.OTHER_VERSION)
        version = parse_folder_version(name)
        if version is not None:
            is_plain = _is_plain_version(name, version, self._version)
            role = FolderRole.OTHER_VERSION if is_plain else FolderRole.UNKNOWN
            return _compare_versions(version, self._version, role)
        if any(map(_ARTIFACT_WORD.match, _WORD_SEPARATOR.split(name.lower()))):
            return FolderRole.ARTIFACTS
        return FolderRole.UNKNOWN

    def is_project(self, name: str) -> bool:
        """Return whether a folder has the name of the project, in any spelling."""
        return bool(self.project) and canonicalize_name(name) == self.project

    def _iter_suffixes_after_project(self, name: str) -> Iterator[str]:
        """Yield what follows the project's name and a separator, in any spelling of the project."""
        if not self.project or name[:1].lower() != self.project[:1]:
            return
        for separator in _WORD_SEPARATOR.finditer(name):
            if canonicalize_name(name[: separator.start()]) == self.project:
                yield name[separator.end() :]


def _is_environment(name: str) -> bool:
    lower = name.lower()
    return (
        not name
        or name.startswith(".")
        or lower in _ENVIRONMENT_NAMES
        or lower.endswith(_ENVIRONMENT_SUFFIXES)
    )


@cached_for_short_strings
def parse_folder_version(text: str) -> Version | None:
    """Return the version that a folder is named like (``1.11.0``, ``v1.11``, ``release-1.11``), or None."""
    prefix = _VERSION_PREFIX.match(text)
    return _parse_version(text[prefix.end() :]) if prefix else None


def _parse_version(text: str) -> Version | None:
    try:
        return bounds.parse_pep440_version(text)
    except InvalidVersion:
        return None


def _is_plain_version(name: str, version: Version, wanted: Version | None) -> bool:
    if wanted is not None and version.major >= _FIRST_YEAR > wanted.major:
        return False
    return not _AMBIGUOUS_VERSION.match(name)


def _compare_versions(version: Version, wanted: Version | None, different: FolderRole) -> FolderRole:
    """Return the role of a folder of ``version``; ``different`` if it is not the requested one.

    The folder of a final version, or of a series like ``1.11``, may hold its pre-releases and patches.
    """
    if wanted is None:
        return FolderRole.UNKNOWN
    if version == wanted or version.public == wanted.public:
        return FolderRole.RELEASE if version == wanted or version.local is None else different
    is_series = version.public == version.base_version and version.epoch == wanted.epoch
    if is_series and wanted.release[: len(version.release)] == version.release:
        return FolderRole.ARTIFACTS
    return different

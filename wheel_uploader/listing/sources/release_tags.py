"""The version that the tag of a release on a forge denotes, and the releases that a query asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName
from wheel_uploader.core.models.option_rules import LATEST_VERSION
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.listing.sources.base import ReleaseQuery

#: Words before the version in a tag, besides the name of the project.
_TAG_WORDS = frozenset({"", "v", "r", "rel", "release", "releases", "ver", "version"})
#: Positions in a tag at which a version may begin: at a digit after a separator, a ``v``, or the start.
_VERSION_START = re.compile(r"(?:\A|(?<=[-_./@=: ])|(?<=\Av)|(?<=[-_./@=: ]v))(?=[0-9])", re.IGNORECASE)
_SEPARATORS = re.compile(r"[-_./@=: ]+")
#: Maximum characters of a tag that is read, and maximum tags that a message names.
_MAX_TAG_LENGTH, _MAX_NAMED_TAGS = 200, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEntry:
    """A release in the list of a forge."""

    tag: str
    #: The part of the API's URL that identifies the release.
    identifier: str
    is_prerelease: bool = False
    is_draft: bool = False
    #: The file names of its assets, if the list has them.
    filenames: Sequence[str] = ()


def parse_tag_version(tag: str, project: str) -> Version | None:
    """Return the version that a tag denotes: ``v1.0``, ``1.0``, ``dipy-1.0``, ``release-1.0``, ``REL_1_0``.

    Return None for other tags, and for those that begin with the name of another project.
    """
    tag = tag[:_MAX_TAG_LENGTH]
    words = _TAG_WORDS | {canonicalize_name(project)}
    for match in _VERSION_START.finditer(tag):
        prefix = _SEPARATORS.sub("-", tag[: match.start()].lower()).strip("-")
        name, _, last_word = prefix.rpartition("-")
        if canonicalize_name(prefix) not in words and not (name in words and last_word in words):
            continue
        for text in (tag[match.start() :], tag[match.start() :].replace("_", ".")):
            try:
                return bounds.parse_pep440_version(text)
            except InvalidVersion:
                continue
    return None


def find_releases(entries: Iterable[ReleaseEntry], query: ReleaseQuery) -> list[ReleaseEntry]:
    """Return the releases of the version that ``query`` asks for, or the newest ones for ``latest``.

    The version of a release is that of its tag, or else that of its files.
    """
    versions = [(entry, version) for entry in entries for version in _list_versions(entry, query.project)]
    if query.version == LATEST_VERSION:
        versions = [
            (entry, version)
            for entry, version in versions
            if not entry.is_draft
            and (query.include_prereleases or not (entry.is_prerelease or version.is_prerelease))
        ]
        newest = max((version for _, version in versions), default=None)
    else:
        newest = bounds.parse_pep440_version(query.version)
    return [entry for entry, version in versions if version == newest]


def _list_versions(entry: ReleaseEntry, project: str) -> set[Version]:
    version = parse_tag_version(entry.tag, project)
    if version is not None:
        return {version}
    return {name.version for name in map(_parse, entry.filenames) if name and name.project == project}


def has_version(entry: ReleaseEntry, project: str) -> bool:
    """Return whether the version of a release is known."""
    return bool(_list_versions(entry, project))


def _parse(filename: str) -> DistName | None:
    try:
        return filenames.parse_filename(filename)
    except filenames.InvalidFilename:
        return None


def explain_absence(entries: Sequence[ReleaseEntry], query: ReleaseQuery) -> str:
    """Return the hint for a query that no release answers."""
    if not entries:
        return "The repository has no releases. Check its owner and name."
    prereleases = [entry.tag for entry in entries if not entry.is_draft and has_version(entry, query.project)]
    if query.version == LATEST_VERSION and prereleases and not query.include_prereleases:
        return f"Only pre-releases are there: {_join_tags(prereleases)}. Add --pre to include them."
    return f"These releases are there: {_join_tags([entry.tag for entry in entries])}."


def _join_tags(tags: Sequence[str]) -> str:
    return join_some((sanitize(tag, limit=100) for tag in tags), _MAX_NAMED_TAGS)

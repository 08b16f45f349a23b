"""Input of the release checks: the local files together, and the state of the project on the index."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheel_uploader import bounded, names
from wheel_uploader.brought.expect import Expectation
from wheel_uploader.display import bare_url
from wheel_uploader.errors import UsageError
from wheel_uploader.models import (
    Attestation,
    DistName,
    FileSummary,
    IndexFile,
    IndexState,
    LocalFile,
    ProjectPage,
    SdistName,
)


# No slots, because cached_property parses the names of possibly thousands of files on the index once.
@dataclass(frozen=True, kw_only=True)
class ReleaseContent:
    """One release before any of its files is uploaded."""

    project: NormalizedName
    version: Version
    summaries: tuple[FileSummary, ...]
    files: tuple[LocalFile, ...] = ()
    #: False if only a part of the release was selected, in which case nothing counts as missing.
    whole: bool = True
    expectation: Expectation | None = None
    #: None if no index was queried.
    page: ProjectPage | None = None
    #: The local files compared with the index.
    states: tuple[IndexState, ...] = ()
    #: The release on the index to compare with; None to skip the comparison.
    like: Version | None = None
    #: Patterns of Python versions and platforms that may be missing compared with that release.
    allow_lost: tuple[str, ...] = ()
    #: Attestations of the local files; whether each file must have one; whether this run adds those missing.
    attestations: tuple[Attestation, ...] = ()
    attestations_required: bool = False
    attests: bool = False
    now: datetime
    #: True if the target is PyPI itself, not TestPyPI or another index.
    to_pypi: bool = False

    @property
    def names(self) -> list[DistName]:
        """The parsed names of the local files."""
        return [summary.name for summary in self.summaries]

    @property
    def sdists(self) -> list[SdistName]:
        """The parsed names of the local sdists."""
        return [name for name in self.names if isinstance(name, SdistName)]

    @functools.cached_property
    def listed(self) -> tuple[tuple[DistName, IndexFile], ...]:
        """The wheels and sdists of all versions of this project on the index."""
        return parsed(self.page, self.project) if self.page else ()

    @property
    def there(self) -> list[tuple[DistName, IndexFile]]:
        """The files of this release that are already on the index."""
        return [(name, file) for name, file in self.listed if name.version == self.version]

    @property
    def all_names(self) -> list[DistName]:
        """Names of the complete release: the local files, and its other files already on the index."""
        local = {name.filename for name in self.names}
        return [*self.names, *(name for name, _ in self.there if name.filename not in local)]

    @functools.cached_property
    def previous(self) -> tuple[DistName, ...]:
        """Names of the files of the release to compare with; yanked ones only if all are yanked."""
        files = [(name, file.yanked) for name, file in self.listed if name.version == self.like]
        return tuple(name for name, yanked in files if not yanked) or tuple(name for name, _ in files)

    @property
    def requires_python(self) -> SpecifierSet:
        """The most frequent Requires-Python; unrestricted if no file has a valid one."""
        values = [
            value for summary in self.summaries for value in summary.metadata.get("Requires-Python", ())
        ]
        return specifiers(max(sorted(set(values)), key=values.count, default=""))


def parsed(page: ProjectPage, project: str) -> tuple[tuple[DistName, IndexFile], ...]:
    """Return the wheels and sdists of ``project`` on its page, with their parsed names."""
    files = []
    for file in page.files:
        try:
            name = names.parse(file.filename)
        except names.NameRefused:
            continue
        if name.project == project:
            files.append((name, file))
    return tuple(files)


def specifiers(requires_python: str) -> SpecifierSet:
    """Parse a Requires-Python; return an unrestricted set if it is invalid."""
    try:
        return bounded.specifiers(requires_python)
    except InvalidSpecifier:
        return SpecifierSet()


def admits(requires_python: SpecifierSet, python: str) -> bool:
    """Return whether any Python version of a tag such as ``cp311``, ``pp311`` or ``py3`` is admitted."""
    match = _PYTHON_TAG.match(python)
    if not match:
        return True
    minors = [match[2]] if match[2] else [str(minor) for minor in range(40)]
    versions = (f"{match[1]}.{minor}.{micro}" for minor in minors for micro in (99, *range(30)))
    return any(requires_python.contains(version, prereleases=True) for version in versions)


_PYTHON_TAG = re.compile(r"[a-z]+(\d)(\d{0,4})(?!\d)")


def release_to_compare_with(
    page: ProjectPage, project: str, version: Version, like: Version | None
) -> Version | None:
    """Return the version on the index to compare with: ``like``, else the newest final one below ``version``.

    A release whose files are all yanked is not considered. Raise UsageError if the index does not have
    ``like``.
    """
    published = parsed(page, project)
    if like is not None:
        if all(name.version != like for name, _ in published):
            raise UsageError(
                f"{bare_url(page.url)} has no {project} {like} to compare with",
                hint="Pass an existing version with --compare-with, or skip it with --no-compare.",
            )
        return like
    return newest(name.version for name, file in published if not file.yanked and name.version < version)


def newest(versions: Iterable[Version]) -> Version | None:
    """Return the newest final version; None if there is none."""
    return max(
        (version for version in versions if not version.is_prerelease and version.local is None), default=None
    )


def shown(values: Sequence[object], most: int = 5) -> str:
    """Return the first ``most`` of ``values`` as text, and how many more there are."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(str(value) for value in values[:most]) + more

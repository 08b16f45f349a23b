"""Input of the release checks: the local files together, and the state of the project on the index."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import (
    Attestation,
    DistName,
    FileSummary,
    IndexComparison,
    IndexFile,
    LocalFile,
    ProjectPage,
    SdistName,
    WheelName,
)
from wheel_uploader.listing.expected_files import Expectation


# No slots, because cached_property parses the names of possibly thousands of files on the index once.
@dataclass(frozen=True, kw_only=True)
class ReleaseContent:
    """One release before any of its files is uploaded."""

    project: NormalizedName
    version: Version
    summaries: tuple[FileSummary, ...]
    files: tuple[LocalFile, ...] = ()
    #: False if only a part of the release was selected, in which case nothing counts as missing.
    is_complete_selection: bool = True
    expectation: Expectation | None = None
    #: None if no index was queried.
    project_page: ProjectPage | None = None
    #: The local files compared with the index.
    index_states: tuple[IndexComparison, ...] = ()
    #: The release on the index to compare with; None to skip the comparison.
    comparison_version: Version | None = None
    #: The page that lists this release; None if it is ``project_page``.
    comparison_page: ProjectPage | None = None
    #: The local files with start-up code, if that release had none.
    new_startup_files: tuple[str, ...] = ()
    #: The page of the second index to compare with; None if none was named.
    second_page: ProjectPage | None = None
    #: True if the user asked for the latest version, and whether that may be a pre-release.
    is_latest: bool = False
    includes_prereleases: bool = False
    #: Staged files of the project under other versions.
    other_names: tuple[DistName, ...] = ()
    #: Patterns of Python versions and platforms that may be missing compared with that release.
    allow_missing: tuple[str, ...] = ()
    #: Attestations of the local files; whether each file must have one; whether this run adds those missing.
    attestations: tuple[Attestation, ...] = ()
    attestations_required: bool = False
    will_attest: bool = False
    #: Files that ``--built-by`` rejects, with the reason; without that option, the repository of the Actions
    #: job that runs this.
    unproven_files: tuple[tuple[str, str], ...] = ()
    job_repository: str = ""
    now: datetime
    #: True if the target is PyPI itself, not TestPyPI or another index.
    targets_pypi: bool = False
    #: Results that several checks share, by name.
    derived: dict[str, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    @property
    def local_names(self) -> list[DistName]:
        """The parsed names of the local files."""
        return [summary.name for summary in self.summaries]

    @property
    def sdists(self) -> list[SdistName]:
        """The parsed names of the local sdists."""
        return [name for name in self.local_names if isinstance(name, SdistName)]

    @functools.cached_property
    def project_files(self) -> tuple[tuple[DistName, IndexFile], ...]:
        """The wheels and sdists of all versions of this project on the index."""
        return parse_project_files(self.project_page, self.project) if self.project_page else ()

    @property
    def pages(self) -> tuple[ProjectPage, ...]:
        """The project's pages on the index and on the second one."""
        return tuple(page for page in (self.project_page, self.second_page) if page)

    @property
    def published_files(self) -> list[tuple[DistName, IndexFile]]:
        """The files of this release that are already on the index."""
        return [(name, file) for name, file in self.project_files if name.version == self.version]

    @property
    def all_names(self) -> list[DistName]:
        """Names of the complete release: the local files, and its other files already on the index."""
        local = {name.filename for name in self.local_names}
        return [*self.local_names, *(name for name, _ in self.published_files if name.filename not in local)]

    @functools.cached_property
    def previous_names(self) -> tuple[DistName, ...]:
        """Names of the files of the release to compare with; yanked ones only if all are yanked."""
        listed = self._comparison_files
        files = [(name, file.yanked) for name, file in listed if name.version == self.comparison_version]
        return tuple(name for name, yanked in files if not yanked) or tuple(name for name, _ in files)

    @functools.cached_property
    def previous_wheels(self) -> tuple[WheelName, ...]:
        """Wheels of the release to compare with; if it has none, of the newest earlier release with wheels.

        They show which wheels a project publishes on purpose.
        """
        if self.comparison_version is None:
            return ()
        if wheels := tuple(name for name in self.previous_names if isinstance(name, WheelName)):
            return wheels
        earlier = [
            name
            for name, file in self._comparison_files
            if isinstance(name, WheelName) and name.version < self.comparison_version and not file.yanked
        ]
        newest = max((name.version for name in earlier), default=None)
        return tuple(name for name in earlier if name.version == newest)

    @property
    def _comparison_files(self) -> tuple[tuple[DistName, IndexFile], ...]:
        if self.comparison_page:
            return parse_project_files(self.comparison_page, self.project)
        return self.project_files

    @property
    def requires_python(self) -> SpecifierSet:
        """The most frequent Requires-Python; unrestricted if no file has a valid one."""
        values = [
            value for summary in self.summaries for value in summary.metadata.get("Requires-Python", ())
        ]
        return parse_requires_python(max(sorted(set(values)), key=values.count, default=""))


def parse_project_files(page: ProjectPage, project: str) -> tuple[tuple[DistName, IndexFile], ...]:
    """Return the wheels and sdists of ``project`` on its page, with their parsed names."""
    files = []
    for file in page.files:
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename:
            continue
        if name.project == project:
            files.append((name, file))
    return tuple(files)


def parse_requires_python(requires_python: str) -> SpecifierSet:
    """Parse a Requires-Python; return an unrestricted set if it is invalid."""
    try:
        return bounds.parse_specifiers(requires_python)
    except InvalidSpecifier:
        return SpecifierSet()


def admits_python(requires_python: SpecifierSet, python_tag: str, *, and_later: bool = False) -> bool:
    """Return whether any Python version of a tag such as ``cp311``, ``pp311`` or ``py3`` is admitted.

    With ``and_later``, the later minor versions count as well.
    """
    match = _PYTHON_TAG.match(python_tag)
    if not match:
        return True
    first = int(match[2] or 0)
    minors = range(first, max(_MINOR_COUNT, first + 1)) if and_later or not match[2] else (first,)
    versions = (f"{match[1]}.{minor}.{micro}" for minor in minors for micro in (99, *range(30)))
    return any(requires_python.contains(version, prereleases=True) for version in versions)


_PYTHON_TAG = re.compile(r"[a-z]+(\d)(\d{0,4})(?!\d)")
#: Minor versions of one major version of Python, including those of the future.
_MINOR_COUNT = 40


def find_newest_final(versions: Iterable[Version]) -> Version | None:
    """Return the newest final version; None if there is none."""
    return max(
        (version for version in versions if not version.is_prerelease and version.local is None), default=None
    )


def summarize_values(values: Sequence[object], limit: int = 5) -> str:
    """Return the first ``limit`` of ``values`` as text, and how many more there are."""
    return join_some(values, limit)

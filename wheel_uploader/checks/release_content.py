"""What the checks of a whole release judge: our files together, and what the index says of the project."""

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


# Without slots: an index may list thousands of files, whose names are to be parsed once.
@dataclass(frozen=True, kw_only=True)
class ReleaseContent:
    """One release before anything of it is posted."""

    project: NormalizedName
    version: Version
    summaries: tuple[FileSummary, ...]
    files: tuple[LocalFile, ...] = ()
    #: False when only files of some platforms were asked for: then nothing can be missing.
    whole: bool = True
    expectation: Expectation | None = None
    #: None when no index was asked.
    page: ProjectPage | None = None
    #: Our files compared with the index.
    states: tuple[IndexState, ...] = ()
    #: The release on the index to compare with; None for none.
    like: Version | None = None
    #: Pythons, platforms or both that may be gone since then, as patterns.
    allow_lost: tuple[str, ...] = ()
    #: What lies beside our files; whether each of them has to have some; whether those without get one.
    attestations: tuple[Attestation, ...] = ()
    attestations_required: bool = False
    attests: bool = False
    now: datetime
    #: Whether it goes to PyPI itself, not to TestPyPI or elsewhere.
    to_pypi: bool = False

    @property
    def names(self) -> list[DistName]:
        return [summary.name for summary in self.summaries]

    @property
    def sdists(self) -> list[SdistName]:
        return [name for name in self.names if isinstance(name, SdistName)]

    @functools.cached_property
    def listed(self) -> tuple[tuple[DistName, IndexFile], ...]:
        """The wheels and sdists of this project on the index, of all its versions."""
        return parsed(self.page, self.project) if self.page else ()

    @property
    def there(self) -> list[tuple[DistName, IndexFile]]:
        """What the index has of this release already."""
        return [(name, file) for name, file in self.listed if name.version == self.version]

    @property
    def all_names(self) -> list[DistName]:
        """What the release will consist of: our files, and those of it that are on the index already."""
        ours = {name.filename for name in self.names}
        return [*self.names, *(name for name, _ in self.there if name.filename not in ours)]

    @functools.cached_property
    def previous(self) -> tuple[DistName, ...]:
        """What the release to compare with consists of."""
        files = [(name, file.yanked) for name, file in self.listed if name.version == self.like]
        return tuple(name for name, yanked in files if not yanked) or tuple(name for name, _ in files)

    @property
    def requires_python(self) -> SpecifierSet:
        """What most files say; everything where none says anything that can be read."""
        stated = [value for each in self.summaries for value in each.metadata.get("Requires-Python", ())]
        return specifiers(max(sorted(set(stated)), key=stated.count, default=""))


def parsed(page: ProjectPage, project: str) -> tuple[tuple[DistName, IndexFile], ...]:
    """The wheels and sdists of ``project`` on its page, with their names."""
    found = []
    for file in page.files:
        try:
            name = names.parse(file.filename)
        except names.NameRefused:
            continue
        if name.project == project:
            found.append((name, file))
    return tuple(found)


def specifiers(requires_python: str) -> SpecifierSet:
    """What a Requires-Python admits: everything, where it cannot be read."""
    try:
        return bounded.specifiers(requires_python)
    except InvalidSpecifier:
        return SpecifierSet()


def admits(requires_python: SpecifierSet, python: str) -> bool:
    """Whether some Python of a tag such as ``cp311``, ``pp311`` or ``py3`` is admitted."""
    found = _PYTHON.match(python)
    if not found:
        return True
    minors = [found[2]] if found[2] else [str(minor) for minor in range(40)]
    versions = (f"{found[1]}.{minor}.{micro}" for minor in minors for micro in (99, *range(30)))
    return any(requires_python.contains(version, prereleases=True) for version in versions)


_PYTHON = re.compile(r"[a-z]+(\d)(\d{0,4})(?!\d)")


def release_to_compare_with(
    page: ProjectPage, project: str, version: Version, like: Version | None
) -> Version | None:
    """The version on the index that ``version`` continues: ``like``, else the newest final one below it.

    A release of which every file is yanked is none. Raises UsageError when the index does not have ``like``.
    """
    there = parsed(page, project)
    if like is not None:
        if all(name.version != like for name, _ in there):
            raise UsageError(
                f"{bare_url(page.url)} has no {project} {like} to compare with",
                hint="Give --compare-with a version that is there, or compare with none: --no-compare.",
            )
        return like
    return newest(name.version for name, file in there if not file.yanked and name.version < version)


def newest(versions: Iterable[Version]) -> Version | None:
    """The newest final version."""
    return max((each for each in versions if not each.is_prerelease and each.local is None), default=None)


def shown(values: Sequence[object], most: int = 5) -> str:
    """Some of ``values`` for people."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(str(value) for value in values[:most]) + more

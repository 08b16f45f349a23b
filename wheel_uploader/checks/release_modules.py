"""Checks of the modules of a release: the wheels against each other."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from wheel_uploader.checks import inventory
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, summarize_values
from wheel_uploader.core import bounds
from wheel_uploader.core.models import FileSummary, SdistName, Severity, WheelName
from wheel_uploader.core.platforms import matrix as platform_matrix

#: Number of other wheels that must agree before one that differs is the odd one.
_MIN_SIBLINGS = 3
#: Number of different (path, text) pairs in all wheels above which they are not compared, and number of pairs
#: that are not in every wheel, counted once for each wheel.
MAX_ENTRIES = 400_000
_MAX_DIFFERENCES = 4_000_000
#: Number of paths that a finding names.
_MAX_PATHS = 4


class Entry(NamedTuple):
    """A module as one wheel has it."""

    path: str
    #: As in checks/inventory.py; 0 for a compiled module.
    text_crc: int = 0
    version: str = ""


class Deviation(NamedTuple):
    """One module in which one wheel differs from its siblings."""

    wheel: WheelName
    entry: Entry
    #: How it differs: ``lacks``, ``adds`` or ``differs``.
    kind: str
    #: Number of the other wheels, and the version that they state.
    sibling_count: int
    usual_version: str = ""

    @property
    def path(self) -> str:
        """The path of the module."""
        return self.entry.path


@check("release/odd-modules", Severity.WARNING)
def odd_modules(release: ReleaseContent) -> Iterator[Observation]:
    """One wheel has other modules than its siblings.

    It lacks a module that all comparable wheels have, has one that none of them has, or has a Python file
    with another text, so its users get another program than the rest. Common causes are a wheel of an
    earlier build that was left in the staging place, a job that checked out another commit (then the version
    in its _version.py often differs), and a build that silently left something out. Wheels for the same
    platform and kind of Python are compared, and those for the same operating system; line ends do not count,
    nor do compiled modules of the same name. A difference is reported if at least three others agree, and if
    no wheel for the same Python on another platform shares it; a file that states another version, always if
    it states that of the release in another wheel. Build all wheels of a release from one commit.
    """
    deviations: dict[tuple[WheelName, int], list[Deviation]] = defaultdict(list)
    for deviation in find_deviations(release):
        deviations[deviation.wheel, deviation.sibling_count].append(deviation)
    for (wheel, count), found in deviations.items():
        agree = "1 comparable wheel agrees" if count == 1 else f"{count} comparable wheels agree"
        yield wheel.filename, f"{_describe_deviations(found)}; {agree}"


@check("release/stated-version", Severity.WARNING)
def stated_version(release: ReleaseContent) -> Iterator[Observation]:
    """Package states another version than the release.

    All wheels have the same number in their source, and it is not that of the release. Users who print
    demo.__version__ see a version that they did not install, and report bugs for it. The usual cause is a
    number that was raised in pyproject.toml alone. Raise it in both places, or read it from the installed
    metadata (importlib.metadata). Only the package that is named like the project is examined; placeholders
    such as "0.0.0" are not reported, nor is the base of a post-release or of a local version. See
    release/odd-modules for a single wheel with another version.
    """
    found: tuple[str, str] | None = None
    for packed in dict.fromkeys(summary.inventory for _, summary in list_wheels(release)):
        stated = _find_stated_version(inventory.unpack(packed), release.project)
        if stated is None or not is_another_version(stated[1], release.version):
            return  # Of another wheel, release/odd-modules reports the version.
        found = stated
    if found and not _has_right_sdist(release):
        yield f"{found[0]} states version {found[1]}, not {release.version}"


def _has_right_sdist(release: ReleaseContent) -> bool:
    """Return whether an sdist states the right version, so that release/differs-from-sdist reports wheels."""
    suffixes = tuple(f"/{package}/__init__.py" for package in _list_package_names(release.project))
    return any(
        f"/{path}".endswith(suffixes) and states_version(module.version, release.version)
        for summary in release.summaries
        if isinstance(summary.name, SdistName)
        for path, module in inventory.unpack(summary.inventory).modules.items()
    )


def _find_stated_version(modules: inventory.Inventory, project: str) -> tuple[str, str] | None:
    """Return the path and the version of the package that is named like the project; None if it has none."""
    for package in _list_package_names(project):
        path = f"{package}/__init__.py"
        if (module := modules.modules.get(path)) and module.version:
            return path, module.version
    return None


def _list_package_names(project: str) -> tuple[str, ...]:
    return project.replace("-", "_"), project.replace("-", "")


def is_another_version(text: str, version: Version) -> bool:
    """Return whether a source file with this version is not one of a release of ``version``."""
    try:
        stated = bounds.parse_pep440_version(text)
    except InvalidVersion:
        return False
    if not any(stated.release):
        return False  # A placeholder.
    same = {version, bounds.parse_pep440_version(version.public)}
    if version.post is not None:
        same.add(bounds.parse_pep440_version(version.base_version))
    return stated not in same


def find_deviations(release: ReleaseContent) -> list[Deviation]:
    """Return every module in which a single wheel differs from its siblings."""
    if "deviations" not in release.derived:
        release.derived["deviations"] = _find_deviations(release)
    deviations: list[Deviation] = release.derived["deviations"]
    return deviations


def _find_deviations(release: ReleaseContent) -> list[Deviation]:
    differences = find_differences(release)
    if differences is None or not differences.of_inventory:
        return []
    wheels = list_wheels(release)
    groups = [*group_by_platform(wheels).values(), *_group_by_system(wheels).values()]
    found = itertools.chain.from_iterable(_compare_siblings(group, differences) for group in groups)
    deviations: dict[tuple[WheelName, str], Deviation] = {}
    for deviation in itertools.islice(found, MAX_ENTRIES):
        deviations.setdefault((deviation.wheel, deviation.path), deviation)
    counts = _PythonCounts(wheels, {path for _, path in deviations}, differences)
    found_deviations = [each for each in deviations.values() if not counts.is_shared(each)]
    known = {(each.wheel, each.path) for each in found_deviations}
    others = _find_other_versions(wheels, differences, release.version)
    return found_deviations + [each for each in others if (each.wheel, each.path) not in known]


def _find_other_versions(wheels: _Group, differences: Differences, version: Version) -> Iterator[Deviation]:
    """Yield each file that states another version than the release's, if it states that in other wheels."""
    stated: dict[str, list[tuple[WheelName, Entry]]] = defaultdict(list)
    for name, summary in wheels:
        for entry in differences.of_inventory[summary.inventory]:
            if entry.version:
                stated[entry.path].append((name, entry))
    for entries in stated.values():
        right = sum(states_version(entry.version, version) for _, entry in entries)
        for name, entry in entries if right else ():
            if not states_version(entry.version, version):
                yield Deviation(name, entry, "differs", right, str(version))


def states_version(text: str, version: Version) -> bool:
    """Return whether a version as a file states it is ``version``."""
    try:
        return bounds.parse_pep440_version(text) == version
    except InvalidVersion:
        return False


class Differences(NamedTuple):
    """The modules that not all wheels of a release have with the same text. Most releases have few."""

    #: Packed inventory to these modules of its wheel.
    of_inventory: Mapping[bytes, tuple[Entry, ...]]
    #: Top-level names of the modules that are the same in all wheels.
    common_tops: frozenset[str]


def find_differences(release: ReleaseContent) -> Differences | None:
    """Return the differences between the wheels; None if there are too many modules to compare them."""
    if "differences" not in release.derived:
        packed = dict.fromkeys(summary.inventory for _, summary in list_wheels(release))
        release.derived["differences"] = _find_differences(list(packed))
    differences: Differences | None = release.derived["differences"]
    return differences


def _find_differences(inventories: Sequence[bytes]) -> Differences | None:
    """Return the differences; unpack each inventory twice, so that only one is in memory at a time."""
    if not inventories:
        return Differences({}, frozenset())
    common = set(inventory.unpack_lines(inventories[0]))
    for packed in inventories[1:]:
        common.intersection_update(inventory.unpack_lines(packed))
    paths = {line.partition("\t")[0] for line in common}
    # Equal lines of several wheels are one object.
    entries: dict[str, Entry] = {}
    of_inventory: dict[bytes, tuple[Entry, ...]] = {}
    count = 0
    for packed in inventories:
        for line in (own := set(inventory.unpack_lines(packed)) - common):
            if line not in entries:
                path, module = inventory.parse_line(line)
                entries[line] = Entry(path, *(module or (0, "")))
        if len(entries) + len(common) > MAX_ENTRIES or (count := count + len(own)) > _MAX_DIFFERENCES:
            return None
        of_inventory[packed] = tuple(
            entry for line in sorted(own) if (entry := entries[line]).path not in paths
        )
    return Differences(of_inventory, frozenset(path.partition("/")[0] for path in paths))


def list_wheels(release: ReleaseContent) -> list[tuple[WheelName, FileSummary]]:
    """Return the wheels of the release whose modules are known."""
    return [
        (summary.name, summary)
        for summary in release.summaries
        if isinstance(summary.name, WheelName) and summary.inventory not in {b"", inventory.TOO_LARGE}
    ]


def describe_uncompared(release: ReleaseContent) -> Iterator[str]:
    """Yield which files could not be compared because they have too many modules."""
    names = [
        summary.name.filename for summary in release.summaries if summary.inventory == inventory.TOO_LARGE
    ]
    if names:
        count = "it has" if len(names) == 1 else "they have"
        yield f"the modules of {summarize_values(names)} against those of the other files: {count} too many"
    if find_differences(release) is None:
        yield f"the modules of the files against each other: they have more than {MAX_ENTRIES:,} together"


_Group = Sequence[tuple[WheelName, FileSummary]]


def group_by_platform(wheels: _Group) -> dict[Hashable, list[tuple[WheelName, FileSummary]]]:
    """Return the wheels of each platform and kind of Python."""
    groups: dict[Hashable, list[tuple[WheelName, FileSummary]]] = defaultdict(list)
    for name, summary in wheels:
        for key in {
            (slot.platform, platform_matrix.python_build(slot).kind)
            for slot in platform_matrix.expand_slots(name)
        }:
            groups[key].append((name, summary))
    return groups


def _group_by_system(wheels: _Group) -> dict[str, list[tuple[WheelName, FileSummary]]]:
    groups: dict[str, list[tuple[WheelName, FileSummary]]] = defaultdict(list)
    for name, summary in wheels:
        for system in {get_system(platform) for platform in name.platforms}:
            groups[system].append((name, summary))
    return groups


def get_system(platform: str) -> str:
    """Return the operating system of a platform tag: ``linux``, ``macosx``, ``win``, ``any``, ..."""
    family = platform_matrix.split_platform_tag(platform)[0].partition("_")[0]
    return "linux" if family in {"manylinux", "musllinux"} else family.removesuffix("32")


class _Counts:
    """Number of wheels of a group with each module that differs between wheels, and with each text of it."""

    def __init__(self, group: _Group, differences: Differences) -> None:
        self.size = len(group)
        self.paths: Counter[str] = Counter()
        self.entries: Counter[Entry] = Counter()
        if len({summary.inventory for _, summary in group}) < 2:
            return  # All are equal: the usual case.
        for _, summary in group:
            entries = differences.of_inventory[summary.inventory]
            self.paths.update({entry.path for entry in entries})
            self.entries.update(entries)


def _compare_siblings(group: _Group, differences: Differences) -> Iterator[Deviation]:
    """Yield the deviations of single wheels in a group of comparable ones."""
    if len(group) <= _MIN_SIBLINGS:
        return
    counts = _Counts(group, differences)
    usual = {entry.path: entry for entry, count in counts.entries.items() if count == counts.size - 1}
    common_tops = differences.common_tops | {
        path.partition("/")[0] for path, count in counts.paths.items() if count == counts.size
    }
    for name, summary in group if counts.entries else ():
        entries = differences.of_inventory[summary.inventory]
        for deviation in _find_deviations_of(name, entries, counts, usual):
            # release/odd-one-out tells about other top-level names.
            if deviation.path.partition("/")[0] in common_tops:
                yield deviation


def _find_deviations_of(
    name: WheelName, entries: Sequence[Entry], counts: _Counts, usual_entries: Mapping[str, Entry]
) -> Iterator[Deviation]:
    others = counts.size - 1
    for entry in entries:
        usual = usual_entries.get(entry.path)
        if counts.paths[entry.path] == 1:
            yield Deviation(name, entry, "adds", others)
        elif usual and usual != entry and entry.text_crc and usual.text_crc:
            yield Deviation(name, entry, "differs", others, usual.version)
    own = {entry.path for entry in entries}
    for path, count in counts.paths.items():
        if count == others and path not in own:
            yield Deviation(name, Entry(path), "lacks", others)


# --- intended deviations ---------------------------------------------------------------------------


class _PythonCounts:
    """Number of wheels for one Python with each module in question, on all platforms together."""

    def __init__(self, wheels: _Group, paths: Collection[str], differences: Differences) -> None:
        self._having: Counter[tuple[Hashable, str]] = Counter()
        self._texts: Counter[tuple[Hashable, Entry]] = Counter()
        self._wheels: Counter[tuple[Hashable, str]] = Counter()
        self._platforms: dict[str, set[str]] = defaultdict(set)
        for name, summary in wheels:
            platform = _get_platform(name)
            self._wheels[_get_python(name), platform] += 1
            for entry in differences.of_inventory[summary.inventory]:
                if entry.path in paths:
                    self._having[_get_python(name), entry.path] += 1
                    self._texts[_get_python(name), entry] += 1
                    self._platforms[entry.path].add(platform)

    def is_shared(self, deviation: Deviation) -> bool:
        """Return whether another wheel for the same Python deviates in the same way: then it is meant."""
        python, path = _get_python(deviation.wheel), deviation.path
        if deviation.kind == "differs":
            return self._texts[python, deviation.entry] > 1
        having = self._having[python, path]
        if deviation.kind == "adds":
            return having > 1
        expected = sum(self._wheels[python, platform] for platform in self._platforms[path])
        return expected - having > 1


def _get_python(name: WheelName) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return name.pythons, name.abis


def _get_platform(name: WheelName) -> str:
    return platform_matrix.split_platform_tag(name.platforms[0])[0]


def _describe_deviations(deviations: Sequence[Deviation]) -> str:
    clauses = []
    for kind, verb in (("lacks", "it lacks"), ("adds", "it also has"), ("differs", "it has another")):
        paths = sorted(each.path for each in deviations if each.kind == kind)
        if paths:
            clauses.append(f"{verb} {summarize_values(paths, _MAX_PATHS)}")
    versions = {
        (each.entry.version, each.usual_version)
        for each in deviations
        if each.entry.version != each.usual_version and each.entry.version and each.usual_version
    }
    clauses += [f"it states version {own}, not {usual}" for own, usual in sorted(versions)[:1]]
    return "; ".join(clauses)


CHECKS = (
    odd_modules,
    stated_version,
)

"""The release as a whole: which files there are, and whether they are the same release."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from wheel_uploader.checks.registry import Yielded, check, pypi_check
from wheel_uploader.checks.release_content import ReleaseContent, admits, shown, specifiers
from wheel_uploader.models import FileSummary, SdistName, Severity, WheelName
from wheel_uploader.platforms import places

#: A check of a release yields a sentence about the release, or (file name, sentence).


@check("release/mixed", Severity.ERROR)
def mixed(release: ReleaseContent) -> Iterator[Yielded]:
    """A file belongs to another project or version.

    Two releases would get into each other's way, and a name that is used once is burned for ever. Such
    files are left out already when a place is listed, which "-v" shows; this looks at what was taken.
    Clear the staging place of what is not of this release.
    """
    for name in release.names:
        if (name.project, name.version) != (release.project, release.version):
            yield name.filename, f"it is of {name.project} {name.version}"


@check("release/clash", Severity.ERROR)
def clash(release: ReleaseContent) -> Iterator[Yielded]:
    """One file is there twice, and the two are not known to be equal.

    Two places have different bytes under one name, or one place has two spellings of a name that an index
    takes for one ("Foo-1.0", "foo-1.0"): which of them is the release cannot be known here. It is said as
    soon as the places are listed, before anything is downloaded. The usual cause is a second build that was
    staged beside the first. Take the wrong one away, or name only one of the places with -u.
    """
    first: dict[object, str] = {}
    for name in release.names:
        if isinstance(name, WheelName):
            place: object = (name.project, name.version, name.build, name.tags)
        else:
            place = (name.project, name.version, name.filename.endswith(".zip"))
        if (other := first.setdefault(place, name.filename)) != name.filename:
            yield name.filename, f"it and {other} are two spellings of one file"


# --- the matrix ------------------------------------------------------------------------------------


@check("release/duplicate-slot", Severity.ERROR)
def duplicate_slot(release: ReleaseContent) -> Iterator[Yielded]:
    """One python on one platform has more wheels than the other pythons have.

    Beside macosx_11_0_arm64 there is a macosx_15_0_arm64: every newer Mac installs the second, whatever is
    in it. The usual cause is a wheel that somebody built by hand, or a job that ran twice with different
    settings. Take the stray one away. It is a policy and no stray when (nearly) every python has as many
    wheels for a platform, such as macosx_11_0 and macosx_14_0 for each; when the same python has the same
    versions for another architecture; and when the previous release on the index had as many here. A second
    wheel with the same tags and a build number is none either.
    """
    ours = set(release.names)
    before = {slot: _variants(wheels) for slot, wheels in places.by_slot(release.previous).items()}
    there = _Places({slot: _variants(wheels) for slot, wheels in places.by_slot(release.all_names).items()})
    for slot, variants in there.wheels.items():
        allowed = max(there.usual(slot), len(before.get(slot, {})))
        if len(variants) <= allowed or there.is_twofold(slot):
            continue
        stray = there.stray(slot)
        if variants[stray] not in ours:
            continue  # Of what is published nothing can be taken away.
        beside = shown(sorted(set(variants) - {stray}))
        usually = f", and most pythons have {allowed}" if there.pythons(slot) > 1 else ""
        yield variants[stray].filename, f"it stands beside {beside} for {slot}{usually}"


#: Wheels of one place by their platform tags; of several with the same tags the build number decides.
_Variants = dict[str, WheelName]


def _variants(wheels: list[WheelName]) -> _Variants:
    return {".".join(sorted(wheel.platforms)): wheel for wheel in wheels}


class _Places:
    """How many wheels there are where, in all places for a platform."""

    def __init__(self, wheels: dict[places.Slot, _Variants]) -> None:
        self.wheels = wheels
        #: How often there are so many wheels for a platform, for all pythons and for one kind of them.
        self._counts: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        #: How many pythons have these tags.
        self._tags: Counter[tuple[str, str]] = Counter()
        self._same_python: dict[tuple[str, str], list[places.Slot]] = defaultdict(list)
        for slot, variants in wheels.items():
            self._counts[(slot.platform,)][len(variants)] += 1
            self._counts[slot.platform, places.row(slot).kind][len(variants)] += 1
            self._tags.update((slot.platform, tags) for tags in variants)
            self._same_python[slot.python, slot.abi].append(slot)

    def pythons(self, slot: places.Slot) -> int:
        """How many pythons have a wheel for this platform."""
        return self._counts[(slot.platform,)].total()

    def usual(self, slot: places.Slot) -> int:
        """How many wheels most pythons have, or most of this kind of Python; less where it is undecided."""

        def most(often: Counter[int]) -> int:
            return min(often, key=lambda count: (-often[count], count)) if often.total() > 1 else 1

        of_kind = self._counts[slot.platform, places.row(slot).kind]
        return max(most(self._counts[(slot.platform,)]), most(of_kind))

    def is_twofold(self, slot: places.Slot) -> bool:
        """Whether this python has wheels for the same versions of the system on another architecture too."""
        twins = self._same_python[slot.python, slot.abi]
        return any(self._versions(twin) == self._versions(slot) for twin in twins if twin != slot)

    def _versions(self, slot: places.Slot) -> tuple[str, list[tuple[int, ...]]]:
        system = slot.platform.partition("_")[0]
        wheels = self.wheels[slot].values()
        return system, sorted(places.version_of(wheel, slot.platform) for wheel in wheels)

    def stray(self, slot: places.Slot) -> str:
        """The one with tags that no other python has, or the one that the newest systems install."""
        variants = self.wheels[slot]
        newest_first = sorted(
            variants, key=lambda tags: places.version_of(variants[tags], slot.platform), reverse=True
        )
        alone = [tags for tags in newest_first if self._tags[slot.platform, tags] == 1]
        return (alone or newest_first)[0]


@check("release/hole-in-matrix", Severity.WARNING)
def hole_in_matrix(release: ReleaseContent) -> Iterator[Yielded]:
    """A python has no wheel for a platform that most others have one for.

    Its users get the sdist and a compiler's errors. The usual cause is one job of the build that failed or
    was not collected. CPython, its free-threaded builds, PyPy and the stable ABI are looked at each on its
    own, a platform may begin with a newer python, and a hole that the previous release on the index had too
    is a policy. What has to be there can be said with --expect.
    """
    if not release.whole:
        return
    before = places.rows(release.previous)
    rows = places.rows(release.all_names)
    kinds = Counter(row.kind for row in rows)
    have = Counter((row.kind, platform) for row in rows for platform in rows[row])
    since: dict[tuple[str, str], tuple[int, int]] = {}
    usual: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows):
        for platform in rows[row]:
            since.setdefault((row.kind, platform), row.version)
    for (kind, platform), count in have.items():
        if count * 2 > kinds[kind]:
            usual[kind].append(platform)
    for row in sorted(rows):
        missing = {each for each in usual[row.kind] if since[row.kind, each] < row.version} - rows[row]
        if row in before:
            missing &= before[row]
        if missing:
            yield f"there is no wheel for {row} on {shown(sorted(missing), 12)}, as most pythons have"


# --- the same release ------------------------------------------------------------------------------


@check("release/metadata-differs", Severity.ERROR)
def metadata_differs(release: ReleaseContent) -> Iterator[Yielded]:
    """Files of one release say different things of it.

    Requires-Dist, Requires-Python, Provides-Extra, the licence and the description have to be alike:
    an index shows those of the file that came first, and resolvers take any file's for all. The usual cause
    is a wheel from another checkout, or dependencies that setup.py computes on the building machine (use
    environment markers instead). An sdist may leave a field to its wheels by saying that it is Dynamic. Of
    a licence's whole text only the beginning counts, since repair tools append to it. Build all files from
    one commit.
    """
    for field in ("Requires-Dist", "Requires-Python", "Provides-Extra", "License", "Description"):
        stated = [(each, each.metadata[field]) for each in release.summaries if _states(each, field)]
        counts = Counter(values for _, values in stated)
        if len(counts) < 2:
            continue
        # Of an equal number the wheels are right, for they are what is installed.
        wheels = Counter(values for each, values in stated if isinstance(each.name, WheelName))
        usual = max(counts, key=lambda values: (counts[values], wheels[values]))
        for each, values in stated:
            if values != usual:
                yield each.name.filename, _difference(field, values, usual, counts[usual])


def _states(summary: FileSummary, field: str) -> bool:
    if field not in summary.metadata:
        return False
    if not isinstance(summary.name, SdistName):
        return True
    if summary.dynamic is None:
        # Old metadata could not say what is left open: it was left out.
        return bool(summary.metadata[field])
    names = {"license", "license-expression"} if field == "License" else {field.lower()}
    return not names & summary.dynamic


def _difference(field: str, values: tuple[str, ...], usual: tuple[str, ...], count: int) -> str:
    more = [value for value in values if value not in usual]
    less = [value for value in usual if value not in values]
    said = [f"has {shown(more)}"] if more else []
    said += [f"lacks {shown(less)}"] if less else []
    others = "another file" if count == 1 else f"{count} others"
    return f"its {field} is not that of {others}: it {' and '.join(said)}"


@check("release/requires-python-vs-tags", Severity.WARNING)
def requires_python_vs_tags(release: ReleaseContent) -> Iterator[Yielded]:
    """A wheel is for a python that its Requires-Python refuses.

    No installer ever takes it. The usual cause is a list of pythons in the build that was not shortened
    when Requires-Python was raised. Leave that python out of the build, or lower Requires-Python.
    """
    for summary in release.summaries:
        name = summary.name
        if not isinstance(name, WheelName) or any(abi == "none" or "abi3" in abi for abi in name.abis):
            continue  # "py3", and the stable ABI's cp37, are for every later python as well.
        for stated in summary.metadata.get("Requires-Python", ()):
            if not any(admits(specifiers(stated), python) for python in name.pythons):
                yield name.filename, f"Requires-Python is {stated}"


# --- what has to be there --------------------------------------------------------------------------


@check("release/expected", Severity.ERROR)
def expected(release: ReleaseContent) -> Iterator[Yielded]:
    """The files are not those that were declared.

    With --expect, or "expect" in the configuration, a release has to consist of just that: so many files,
    these files, or a matrix of pythons and platforms. A job failed or was not collected; or something was
    built that nobody declared. Complete the staging place, or correct the declaration.
    """
    if release.expectation:
        yield from (f"missing: {what}" for what in release.expectation.missing(release.all_names))
        yield from (f"not expected: {what}" for what in release.expectation.surplus(release.names))


@check("release/no-sdist", Severity.WARNING)
def no_sdist(release: ReleaseContent) -> Iterator[Yielded]:
    """There is no sdist.

    Distributors build from it, and everybody for whom there is no wheel. The usual cause is a job of its
    own that failed or was not collected. Build one ("python -m build --sdist") and stage it with the wheels.
    """
    if release.whole and all(isinstance(name, WheelName) for name in release.all_names):
        yield "there is no sdist among the files, nor on the index" if release.page else "there is no sdist"


@pypi_check("release/two-sdists")
def two_sdists(release: ReleaseContent) -> Iterator[Yielded]:
    """There are several sdists.

    PyPI takes one for each release, a .tar.gz, and refuses the second. The usual cause is a .zip from an
    old configuration. Leave one.
    """
    if len(release.sdists) > 1:
        yield f"there are {len(release.sdists)}: {shown(release.sdists)}"


CHECKS = (
    mixed,
    clash,
    duplicate_slot,
    hole_in_matrix,
    metadata_differs,
    requires_python_vs_tags,
    expected,
    no_sdist,
    two_sdists,
)

"""Compare one wheel of this release with the same wheel of the previous release on the index."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from wheel_uploader.comparison import wheel_facts
from wheel_uploader.comparison.ranged_stream import RangedStream
from wheel_uploader.comparison.wheel_facts import UnreadableWheel, WheelFacts
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import CredentialsError, NetworkError, UsageError
from wheel_uploader.core.models import IndexFile, LocalFile, ProjectPage, WheelName
from wheel_uploader.core.models.changes import ReleaseChanges, SizeChange, ValueChange
from wheel_uploader.core.platforms import matrix as platform_matrix
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.index.client import IndexClient

#: Number of folders whose size is shown, and the bytes by which it must have changed.
_MAX_FOLDERS = 8
_MIN_SIZE_CHANGE = 10_000
#: Levels of folders that are told apart.
_FOLDER_DEPTH = 2
#: Values of one property that are kept.
_MAX_VALUES = 100
#: Headers that are compared.
_HEADERS = ("Requires-Python", "Requires-Dist", "Provides-Extra", "License-Expression", "License")
#: Members at the top of site-packages that Python reads at every start.
_STARTUP = re.compile(r"[^/]+\.(?:pth|start)\Z|(?:sitecustomize|usercustomize)\.py\Z")
#: Folders at the top of a wheel that are not packages.
_NOT_TOP_LEVEL = re.compile(r"[^/]*\.(?:dist-info|data|libs|dylibs)\Z")


def compare_with_previous(
    index: IndexClient, page: ProjectPage, version: Version, files: Sequence[LocalFile]
) -> ReleaseChanges:
    """Return what changed since ``version``, which ``page`` of ``index`` lists.

    What cannot be read is said in the result. Raises StorageError or FileError for the local file.
    """
    pair = _choose_pair(page, version, files)
    if pair is None:
        return ReleaseChanges(version=version, not_compared=(f"{version} has no wheel that matches ours",))
    local, previous = pair
    name = cast("WheelName", local.name)
    with VerifiedFile(local.path, local.sha256) as stream:
        try:
            ours = wheel_facts.read_wheel_facts(cast("BinaryIO", stream), stream.size, name)
        except UnreadableWheel as error:
            ours, problems = WheelFacts(), [f"{local.filename}: {error}"]
        else:
            problems = []
    theirs, their_problems = _read_previous(index, previous)
    return ReleaseChanges(
        version=version,
        previous_filename=previous.filename,
        filename=local.filename,
        values=tuple(change for change in _compare_values(theirs, ours) if change.added or change.removed),
        sizes=tuple(_compare_sizes(theirs.members, ours.members)),
        had_startup_code=None if theirs.members is None else any(map(_STARTUP.match, theirs.members)),
        not_compared=tuple(sanitize(problem) for problem in (*problems, *their_problems)),
    )


def _choose_pair(
    page: ProjectPage, version: Version, files: Sequence[LocalFile]
) -> tuple[LocalFile, IndexFile] | None:
    """Return a local wheel and the one of the previous release that is most like it."""
    previous = [(name, file) for name, file in _list_wheels(page) if name.version == version]
    pairs = [
        (_rate_match(local.name, name), local.filename, file.filename, local, file)
        for local in files
        if isinstance(local.name, WheelName)
        for name, file in previous[:_MAX_CANDIDATES]
    ]
    rate, _, _, local, file = min(pairs, key=lambda pair: pair[:3], default=(9, "", "", None, None))
    return (local, file) if rate < _NO_MATCH and local and file else None


#: Number of previous wheels that are considered for each of ours.
_MAX_CANDIDATES = 500
_NO_MATCH = 3


def _list_wheels(page: ProjectPage) -> Iterator[tuple[WheelName, IndexFile]]:
    for file in page.files:
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename:
            continue
        if isinstance(name, WheelName):
            yield name, file


def _rate_match(ours: WheelName, theirs: WheelName) -> int:
    """Return 0 for wheels with the same tags, 1 for the same Python and platform, 2 for the same platform."""
    if ours.tags == theirs.tags:
        return 0
    slots, other_slots = (platform_matrix.expand_slots(name) for name in (ours, theirs))
    if slots & other_slots:
        return 1
    return 2 if {slot.platform for slot in slots} & {slot.platform for slot in other_slots} else _NO_MATCH


# --- the previous wheel ----------------------------------------------------------------------------


def _read_previous(index: IndexClient, file: IndexFile) -> tuple[WheelFacts, list[str]]:
    """Return what can be read of the previous wheel, and a sentence for each part that cannot."""
    name = cast("WheelName", filenames.parse_filename(file.filename))
    metadata = _fetch_metadata(index, file)
    try:
        stream = RangedStream(lambda byte_range: index.fetch_range(file.url, byte_range))
        buffered = cast("BinaryIO", stream)
        return wheel_facts.read_wheel_facts(buffered, stream.size, name, metadata=metadata), []
    except UnreadableWheel as error:
        reason = str(error)
    except (NetworkError, CredentialsError, UsageError) as error:
        reason = error.message
    problems = [f"the members and entry points of {file.filename}: {reason}"]
    if metadata is None:
        return WheelFacts(), [f"{file.filename}: {reason}"]
    return WheelFacts(metadata=wheel_facts.parse_metadata(metadata)), problems


def _fetch_metadata(index: IndexClient, file: IndexFile) -> bytes | None:
    """Return the metadata that the index serves beside the wheel (PEP 658); None if it serves none."""
    try:
        data = index.fetch_bytes(f"{file.url}.metadata", wheel_facts.MAX_METADATA_SIZE)
    except (NetworkError, CredentialsError, UsageError):
        return None
    return data if b"Metadata-Version" in data else None


# --- the changes -----------------------------------------------------------------------------------


def _compare_values(theirs: WheelFacts, ours: WheelFacts) -> Iterator[ValueChange]:
    if theirs.members is not None and ours.members is not None:
        yield _diff("top-level names", _list_top_level(theirs.members), _list_top_level(ours.members))
        yield _diff(
            "start-up code", *(filter(_STARTUP.match, facts) for facts in (theirs.members, ours.members))
        )
        yield _diff("entry points", theirs.entry_points, ours.entry_points)
    if theirs.metadata is not None and ours.metadata is not None:
        for header in _HEADERS:
            yield _diff(header, *(_get_values(each.metadata or {}, header) for each in (theirs, ours)))


def _get_values(metadata: Mapping[str, tuple[str, ...]], header: str) -> list[str]:
    values = metadata.get(header.lower(), ())
    if header == "Requires-Dist":
        return [_normalize_requirement(value) for value in values]
    return [" ".join(value.split())[:200] for value in values]


def _normalize_requirement(text: str) -> str:
    try:
        return str(Requirement(text[:1000]))
    except (InvalidRequirement, RecursionError):
        return " ".join(text.split())[:200]


def _diff(name: str, previous: Iterable[str], current: Iterable[str]) -> ValueChange:
    old, new = set(previous), set(current)
    return ValueChange(
        name=name,
        added=tuple(sanitize(value) for value in sorted(new - old)[:_MAX_VALUES]),
        removed=tuple(sanitize(value) for value in sorted(old - new)[:_MAX_VALUES]),
    )


def _list_top_level(members: Iterable[str]) -> set[str]:
    names = set()
    for path in members:
        top, slash, _ = path.partition("/")
        if not _NOT_TOP_LEVEL.match(top):
            names.add(top if slash else top.partition(".")[0])
    return names - {""}


def _compare_sizes(theirs: Mapping[str, int] | None, ours: Mapping[str, int] | None) -> Iterator[SizeChange]:
    """Yield the total, and the folders that changed most."""
    if theirs is None or ours is None:
        return
    yield SizeChange(folder="", previous=sum(theirs.values()), current=sum(ours.values()))
    old, new = _sum_by_folder(theirs), _sum_by_folder(ours)
    changes = [
        SizeChange(folder=sanitize(folder), previous=old[folder], current=new[folder])
        for folder in sorted(old.keys() | new.keys())
        if abs(new[folder] - old[folder]) >= _MIN_SIZE_CHANGE
    ]
    yield from sorted(changes, key=lambda change: -abs(change.current - change.previous))[:_MAX_FOLDERS]


def _sum_by_folder(members: Mapping[str, int]) -> Counter[str]:
    """Return the bytes below each folder of the first levels; versions in names of metadata are left out."""
    sizes: Counter[str] = Counter()
    for path, size in members.items():
        parts = path.split("/")[:-1][:_FOLDER_DEPTH]
        if parts and parts[0].endswith(".dist-info"):
            parts = [".dist-info"]
        sizes["/".join(parts) + "/" if parts else "(top)"] += size
    return sizes

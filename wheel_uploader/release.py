"""Which release this run is about: its version, and one file for each name among all that is staged."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Callable, Sequence

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader import names
from wheel_uploader.display import printable
from wheel_uploader.errors import FileError, NothingFoundError, UsageError
from wheel_uploader.models import (
    Attestations,
    Companion,
    DistName,
    Options,
    Refusal,
    RemoteFile,
    Selection,
    WheelName,
)
from wheel_uploader.models.option_rules import LATEST, parse_version

__all__ = ["LATEST", "choose", "identified", "near_projects", "parse_version"]

#: How many versions or projects an error lists before it says "...".
_SHOWN = 12
#: How alike two names have to be, of 1, and how many of them are proposed.
_LIKE, _MEANT = 0.6, 3
#: How many names are compared in full, and how many characters of each: comparing takes long.
_COMPARED, _LONGEST = 1000, 100

Pair = tuple[DistName, RemoteFile]


def choose(listed: Sequence[RemoteFile], options: Options, digest: Callable[[RemoteFile], str]) -> Selection:
    """The files of the release that ``options`` ask for.

    ``digest`` gives the sha256 of a file on this machine, for telling two copies of one name apart. Raises
    NothingFoundError that says what *is* there, and FileError when one name stands for different bytes.
    """
    version = _version(listed, options)
    selection = names.select(listed, options.project, version, options.types)
    if not selection.files:
        raise _nothing(listed, options, version)
    files = _one_each(selection.files, digest)
    companions, refused = selection.companions, selection.refused
    if options.attestations is Attestations.NONE:
        left_out = [
            Refusal(filename=each.filename, source=each.remote.source, reason="--attestations none")
            for each in companions
        ]
        companions, refused = (), (*refused, *left_out)
    return dataclasses.replace(
        selection, files=files, companions=_one_companion_each(companions, digest), refused=refused
    )


def identified(listed: Sequence[RemoteFile], options: Options) -> Options:
    """``options`` with the project and the version of the files, where the person named none.

    Raises NothingFoundError when there is no wheel and no sdist, and UsageError when they are of several
    releases.
    """
    if options.project:
        return options
    releases: Counter[tuple[str, Version]] = Counter()
    refused: list[str] = []
    for file in listed:
        try:
            name = names.parse(file.filename)
        except names.NameRefused as error:
            refused.append(printable(f"{file.filename}: {error}"))
        else:
            releases[name.project, name.version] += 1
    where = printable(", ".join(options.urls))
    if not releases:
        raise NothingFoundError(
            f"no wheel and no sdist at {where}",
            details=refused[:_SHOWN],
            hint="Give a wheel, an sdist, or a folder with those of one release.",
        )
    if len(releases) > 1:
        there = [
            f"{project} {version} ({count} {'file' if count == 1 else 'files'})"
            for (project, version), count in sorted(releases.items())
        ]
        raise UsageError(
            f"files of {len(releases)} releases are at {where}: {_some(there)}",
            hint="Say which one after the options: PROJECT VERSION; or give the files one by one.",
        )
    ((project, version),) = releases
    return dataclasses.replace(options, project=project, version=str(version))


def _version(listed: Sequence[RemoteFile], options: Options) -> Version:
    if options.version == LATEST:
        newest = names.latest(listed, options.project, pre=options.pre)
        if newest is None:
            raise _nothing(listed, options, None)
        return newest
    if options.version:
        return parse_version(options.version)
    staged = names.versions(listed, options.project)
    if not staged:
        raise _nothing(listed, options, None)
    if len(staged) > 1:
        raise UsageError(
            f"several versions of {options.project} are staged: {_some(staged)}",
            hint="Say which one after the project's name, or 'latest'.",
            instead=("", LATEST),
        )
    return staged[0]


def _nothing(listed: Sequence[RemoteFile], options: Options, version: Version | None) -> NothingFoundError:
    where = ", ".join(sorted({file.source for file in listed})) or ", ".join(options.urls)
    wanted = f"{options.project} {version or options.version}".strip()
    message = f"no files of {wanted} at {printable(where)}"
    staged = names.versions(listed, options.project)
    projects = names.projects(listed)
    withheld = [f"{file.filename}: {file.refused}" for file in listed if file.refused]
    instead: tuple[str, str] | None = None
    if withheld:
        there = "The listed files cannot be downloaded: fix the staging area, or give another source with -u."
    elif version in staged:
        there = f"It is there, but nothing of type {', '.join(options.types)}: see --until list with -t all."
    elif staged and version is None:
        there = f"Only pre-releases are there: {_some(staged)}. Add --pre to take them."
        instead = ("", "--pre")
    elif staged:
        there = f"These versions are there: {_some(staged)}."
        instead = (options.version, _nearest(str(version), list(map(str, staged))))
    elif projects:
        near = near_projects(options.project, projects)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        there = f"These projects are there: {_some(projects)}.{meant}"
        instead = (options.project, near[0]) if near else None
    elif listed:
        there = (
            f"None of the {len(listed)} files there is a wheel or an sdist: see them with --until list -v."
        )
    else:
        there = "No files at all are listed there."
    details = [printable(each) for each in withheld[:_SHOWN]]
    return NothingFoundError(message, hint=there, details=details, instead=instead)


def near_projects(typed: str, projects: Sequence[str]) -> list[str]:
    """The projects whose names, or first words, are like what was typed; the most likely first."""

    matcher = difflib.SequenceMatcher(b=canonicalize_name(typed[:_LONGEST]))
    near: list[tuple[float, str]] = []
    for project in projects:
        likeness = max(_likeness(matcher, word) for word in {project, project.partition("-")[0]})
        if likeness >= _LIKE:
            near.append((-likeness, project))
        if len(near) == _COMPARED:
            break
    return [project for _, project in sorted(near, key=lambda pair: pair[0])[:_MEANT]]


def _likeness(matcher: difflib.SequenceMatcher[str], word: str) -> float:
    """Return how alike two names are, of 1; 0 for less than ``_LIKE``, which is found out in little time."""
    matcher.set_seq1(word[:_LONGEST])
    if matcher.real_quick_ratio() < _LIKE or matcher.quick_ratio() < _LIKE:
        return 0.0
    return matcher.ratio()


def _nearest(typed: str, known: Sequence[str]) -> str:
    """The most similar one, else the first: of versions, the newest."""
    return next(iter(difflib.get_close_matches(typed, known[:_COMPARED], n=1)), known[0])


def _some(values: Sequence[object]) -> str:
    more = f", ... ({len(values)} in all)" if len(values) > _SHOWN else ""
    return ", ".join(printable(str(value)) for value in values[:_SHOWN]) + more


# --- one file for each name ------------------------------------------------------------------------


def _one_each(pairs: Sequence[Pair], digest: Callable[[RemoteFile], str]) -> tuple[Pair, ...]:
    """``pairs`` with equal copies of a file taken once.

    Raises FileError when two places disagree about a file, or one file is there under two spellings: which
    of them is the release cannot be known here.
    """
    chosen: dict[object, Pair] = {}
    clashes: list[str] = []
    for name, file in pairs:
        first_name, first = chosen.setdefault(_slot(name), (name, file))
        if first is file:
            continue
        if first_name.filename != name.filename:
            clashes.append(f"{first_name.filename} and {name.filename} are two spellings of one file")
        elif reason := _differ(first, file, digest):
            clashes.append(f"{name.filename}: {reason}, at {first.source} and at {file.source}")
    _refuse(clashes)
    return tuple(chosen.values())


def _one_companion_each(
    companions: Sequence[Companion], digest: Callable[[RemoteFile], str]
) -> tuple[Companion, ...]:
    """The same for attestations, which have one spelling only."""
    chosen: dict[str, Companion] = {}
    clashes: list[str] = []
    for each in companions:
        first = chosen.setdefault(each.filename, each)
        if first is not each and (reason := _differ(first.remote, each.remote, digest)):
            clashes.append(f"{each.filename}: {reason}, at {first.remote.source} and at {each.remote.source}")
    _refuse(clashes)
    return tuple(chosen.values())


#: Clashes that are told one by one.
_CLASHES = 100


def _refuse(clashes: Sequence[str]) -> None:
    if clashes:
        # A listing may have one name at thousands of places: nobody reads that many lines.
        told = [printable(clash) for clash in list(dict.fromkeys(clashes))[:_CLASHES]]
        more = len(clashes) - len(told)
        raise FileError(
            "release/clash: one file of the release is there twice, and the copies are not known to be equal",
            details=[*told, *([f"and {more} more like these"] if more else [])],
            hint="Nothing was posted. Take the wrong one away, or name only one of the places with -u.",
        )


def _slot(name: DistName) -> object:
    """What an index and an installer take for one file, whatever its spelling."""
    if isinstance(name, WheelName):
        return (name.project, name.version, name.build, name.tags)
    return (name.project, name.version, "sdist")


def _differ(first: RemoteFile, second: RemoteFile, digest: Callable[[RemoteFile], str]) -> str:
    """Why two listed files are not one, or an empty string when they are."""
    known = [_with_digest(file, digest) for file in (first, second)]
    for algorithm in ("sha512", "sha256", "sha384", "blake2b", "md5"):
        pair = {hashes.get(algorithm) for hashes in known}
        if None not in pair:
            return f"different {algorithm}" if len(pair) > 1 else ""
    if first.url == second.url:
        return ""
    if None not in (first.size, second.size) and first.size != second.size:
        return "different sizes"
    return "no hashes to compare"


def _with_digest(file: RemoteFile, digest: Callable[[RemoteFile], str]) -> dict[str, str]:
    hashes = dict(file.hashes)
    if file.url.startswith("file:") and "sha256" not in hashes:
        hashes["sha256"] = digest(file)
    return hashes

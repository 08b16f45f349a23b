"""Choice of the files that a target loses: pure, so that it can be tested with any listing.

A file that is not understood completely is kept. A listing that lacks files never makes a release old by the
number of releases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import KeptFiles, Options, PruneRule, TargetSettings
from wheel_uploader.core.redaction import sanitize


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """A file on a target, as a complete listing of its project describes it."""

    filename: str
    #: As the target spells it; empty if the target names none.
    version: str = ""
    url: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    uploaded_at: datetime | None = None
    #: Empty for a target without labels.
    labels: tuple[str, ...] = ()
    #: The reason that it is never removed; empty if it may be.
    kept_because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A file to remove, or labels to remove from a file that has others."""

    file: TargetFile
    version: Version
    #: Empty: the file itself.
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalPlan:
    """The files to remove, the oldest first, and the reasons to keep the others."""

    removals: tuple[Removal, ...]
    kept: tuple[KeptFiles, ...]


def find_rule(options: Options, settings: TargetSettings) -> PruneRule | None:
    """Return the rule of the options, or that of the target's section as a whole; None if there is none."""
    if options.prune is not None or options.prune_days is not None:
        return PruneRule(releases=options.prune, days=options.prune_days, includes_final=options.prune_final)
    if settings.prune is not None or settings.prune_days is not None:
        return PruneRule(
            releases=settings.prune, days=settings.prune_days, includes_final=settings.prune_final
        )
    return None


def plan_removals(
    files: Sequence[TargetFile],
    rule: PruneRule,
    *,
    project: str,
    current: Version,
    labels: Sequence[str],
    now: datetime,
) -> RemovalPlan:
    """Choose the files that the rule does not keep.

    ``current`` is the release of this run, which is kept. ``labels`` are those that files may lose; empty for
    a target without labels. Raises NetworkError for a listing that names a file twice.
    """
    twice = [name for name, count in Counter(file.filename for file in files).items() if count > 1]
    if twice:
        raise NetworkError(f"the listing names {sanitize(twice[0])} twice")
    known, kept = _parse_files(files, project)
    lost: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for label in labels or ("",):
        scope = [each for each in known if not label or label in each.file.labels]
        why_kept = _explain_kept(scope, rule, current, now)
        for each in scope:
            if reason := why_kept.get(each.version):
                reasons.setdefault(each.file.filename, reason)
            else:
                lost.setdefault(each.file.filename, []).append(label)
    removals = []
    for each in known:
        name = each.file.filename
        if name in lost:
            removals.append(_make_removal(each, lost[name]))
        else:
            reason = reasons.get(name) or f"without the label {' or '.join(labels)}"
            kept.append(KeptFiles(version=str(each.version), count=1, reason=reason))
    removals.sort(key=lambda removal: (removal.version, removal.file.filename))
    return RemovalPlan(removals=tuple(removals), kept=tuple(_count_releases(kept)))


@dataclass(frozen=True, slots=True)
class _KnownFile:
    file: TargetFile
    version: Version


def _parse_files(files: Sequence[TargetFile], project: str) -> tuple[list[_KnownFile], list[KeptFiles]]:
    """Return the files of the project that may be removed, and those that are kept in any case."""
    known, kept = [], []
    for file in files:
        try:
            version = _read_version(file, project)
        except filenames.InvalidFilename as error:
            kept.append(KeptFiles(version="", count=1, reason=str(error)))
            continue
        if file.kept_because:
            kept.append(KeptFiles(version=str(version), count=1, reason=file.kept_because))
        else:
            known.append(_KnownFile(file, version))
    return known, kept


def _read_version(file: TargetFile, project: str) -> Version:
    """Return the version of a file. Raises InvalidFilename unless name and listing agree on the release."""
    try:
        name = filenames.parse_filename(file.filename)
    except filenames.InvalidFilename:
        raise filenames.InvalidFilename("the name is not that of a wheel or an sdist") from None
    if str(name.project) != project:
        raise filenames.InvalidFilename("the name is that of another project")
    if file.version and _parse_version(file.version) != name.version:
        raise filenames.InvalidFilename("the listed version is not that of the name")
    return name.version


def _parse_version(text: str) -> Version | None:
    try:
        return bounds.parse_pep440_version(text)
    except InvalidVersion:
        return None


def _explain_kept(
    files: Sequence[_KnownFile], rule: PruneRule, current: Version, now: datetime
) -> dict[Version, str]:
    """Return, by version, why a release is kept; a release that is not in the result is to be removed."""
    # With --dry-run, the release of this run may not be there yet.
    newest_first = sorted({current, *(each.version for each in files)}, reverse=True)
    reasons = {current: "the release of this run"}
    count = rule.releases or 1
    among = f"among the {format_count(count, 'newest release')}" if count > 1 else "the newest release"
    reasons |= {version: among for version in newest_first[:count] if version != current}
    for version in newest_first:
        times = [each.file.uploaded_at for each in files if each.version == version]
        if rule.days is not None:
            if None in times or not times:
                reasons.setdefault(version, "the time of its upload is unknown")
            elif max(time for time in times if time) >= now - timedelta(days=rule.days):
                reasons.setdefault(version, f"uploaded in the last {format_count(rule.days, 'day')}")
        if is_final(version) and not rule.includes_final:
            reasons.setdefault(version, "a final release")
    return reasons


def is_final(version: Version) -> bool:
    """Return whether users rely on a release: it is not a development, pre-release or local version."""
    return not version.is_prerelease and version.local is None


def _make_removal(each: _KnownFile, lost: Sequence[str]) -> Removal:
    others = set(each.file.labels) - set(lost)
    return Removal(file=each.file, version=each.version, labels=tuple(lost) if others else ())


def _count_releases(kept: Sequence[KeptFiles]) -> Iterator[KeptFiles]:
    counts = Counter((each.version, each.reason) for each in kept)
    for (version, reason), count in counts.items():
        yield KeptFiles(version=version, count=count, reason=reason)

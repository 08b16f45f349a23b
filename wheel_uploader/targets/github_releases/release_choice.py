"""The choice of the release to upload to, among the releases and drafts of the repository. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.formatting import format_count, join_some
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.targets.github_releases.release_json import GitHubRelease

#: Names of assets and releases that a message quotes.
_MAX_NAMES = 6


def choose_release(
    published: Sequence[GitHubRelease], drafts: Sequence[GitHubRelease], *, location_url: str
) -> GitHubRelease | None:
    """Return the release of the version: the published one, else its only draft; None if there is neither.

    Raises UsageError if several are possible: what one of them has, the others lack.
    """
    if len(published) > 1:
        names = " and ".join(release.shown_tag for release in published)
        raise UsageError(
            f"there are releases of both tags, {names}",
            hint=f"Name one of them: --repository-url {location_url}/tag/{published[0].shown_tag}",
            details=list(map(describe, published)),
        )
    if published:
        return published[0]
    if len(drafts) > 1:
        raise build_several_drafts_error(drafts)
    return drafts[0] if drafts else None


def build_several_drafts_error(drafts: Sequence[GitHubRelease]) -> UsageError:
    """Return the error for several drafts of one tag."""
    ordered = sorted(drafts, key=lambda draft: draft.id)
    ids = " and ".join(str(draft.id) for draft in ordered[:_MAX_NAMES])
    tags = " and ".join(dict.fromkeys(draft.shown_tag for draft in ordered))
    return UsageError(
        f"there are {len(ordered)} drafts of the release {tags}: {ids}; nothing was changed",
        hint=f"Name the one to publish with --release-id, for example --release-id {ordered[0].id}, and "
        "delete the others on GitHub.",
        details=list(map(describe, ordered)),
    )


def describe(release: GitHubRelease) -> str:
    """Return the number of a release and the names of its assets, for messages."""
    kind = "draft" if release.is_draft else "release"
    names = [sanitize(asset.name, limit=300) for asset in release.assets if not asset.is_unfinished]
    held = join_some(names, _MAX_NAMES) if names else "no files"
    unfinished = len(release.assets) - len(names)
    rest = f", and {format_count(unfinished, 'unfinished upload')}" if unfinished else ""
    return f"{kind} {release.id} ({release.shown_tag}): {held}{rest}"


def choose_tag(existing: Sequence[str], candidates: Iterable[str], *, location_url: str) -> str:
    """Return the git tag to create a release for. Raises UsageError unless exactly one exists."""
    tags = [sanitize(tag, limit=200) for tag in candidates]
    if not existing:
        raise UsageError(
            f"the repository has no release, no draft and no tag named {' or '.join(tags)}",
            hint="Push the tag of the release first, or name another one: "
            f"--repository-url {location_url}/tag/TAG",
        )
    if len(existing) > 1:
        raise UsageError(
            f"the repository has several tags of this version: {' and '.join(map(sanitize, existing))}",
            hint=f"Name one of them: --repository-url {location_url}/tag/{sanitize(existing[0])}",
        )
    return existing[0]

"""The release that an upload URL names: ``https://github.com/OWNER/REPO/releases[/tag/TAG]``."""

from __future__ import annotations

import re

from packaging.version import Version

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, unquote, urlsplit
from wheel_uploader.http.github_api import RepositoryLocation, parse_repository_url

#: Owner or name of a repository.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
#: Last segment of the page of a draft, which has no tag there.
_DRAFT_PAGE = re.compile(r"untagged-[0-9a-f]{1,64}\Z")
_URL_HINT = "Pass https://github.com/OWNER/REPO/releases, or .../releases/tag/TAG."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLocation:
    """A repository, and the release in it that the URL names, if any."""

    repository: RepositoryLocation
    #: ``OWNER/REPO``.
    full_name: str
    #: Empty if the tag is derived from the version.
    tag: str = ""
    #: Number of the release in the API; empty if the URL names none.
    release_id: str = ""
    #: Last segment of the page of a draft; empty if the URL is not that of one.
    draft_page: str = ""

    @property
    def url(self) -> str:
        """The URL of the releases of the repository."""
        return f"{self.repository.site_url}/{self.full_name}/releases"

    def list_tags(self, version: Version, spelling: str) -> tuple[str, ...]:
        """Return the tags that the release of ``version`` may have, ``spelling`` as in its file names."""
        if self.tag:
            return (self.tag,)
        spellings = dict.fromkeys((str(version), spelling))
        return tuple(f"{prefix}{text}" for text in spellings for prefix in ("v", ""))


def claims(url: str) -> bool:
    """Return whether ``url`` is on github.com, or is the page of releases on GitHub Enterprise."""
    try:
        location = parse_repository_url(url)
    except UnclaimedUrl:
        return False
    return not location.is_enterprise or location.path.split("/")[3:4] == ["releases"]


def parse_release_url(url: str) -> ReleaseLocation:
    """Return the releases that a claimed URL names. Raises UsageError."""
    shown = sanitize(strip_url(url))
    if "@" in urlsplit(url).netloc:
        raise UsageError(
            f"the URL of {shown} must not contain a user name or a token",
            hint="Set the token in GH_TOKEN or GITHUB_TOKEN.",
        )
    repository = parse_repository_url(url)
    owner, name, kind, *rest = [*(part for part in repository.path.split("/") if part), "", "", ""]
    rest = [unquote(part) for part in rest if part]
    if kind != "releases" or not _NAME.match(owner) or not _NAME.match(name):
        raise UsageError(f"{shown} is not the URL of the releases of a repository", hint=_URL_HINT)
    tag = release_id = draft_page = ""
    match rest:
        case [] | ["new"]:
            pass
        case [number] if _NUMBER.match(number):
            release_id = number
        case ["tag" | "edit", page] if _DRAFT_PAGE.match(page):
            draft_page = page
        case ["tag" | "tags" | "edit", *words] if words:
            tag = "/".join(words)
        case _:
            raise UsageError(f"{shown} does not name one release to upload to", hint=_URL_HINT)
    return ReleaseLocation(
        repository=repository,
        full_name=f"{owner}/{name}",
        tag=tag,
        release_id=release_id,
        draft_page=draft_page,
    )

"""The release of a version: found among releases and drafts, created as a draft, and published last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from packaging.version import Version

from wheel_uploader.core.errors import ConflictError, NetworkError, UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.targets.github_releases import release_choice, responses
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.attempts import Attempts
from wheel_uploader.targets.github_releases.location import ReleaseLocation
from wheel_uploader.targets.github_releases.release_json import GitHubRelease
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRelease:
    """The release of the version, or the tag to create one for; and all releases of the repository."""

    #: None if there is none yet.
    release: GitHubRelease | None
    tag: str
    others: Sequence[GitHubRelease] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """Finds, creates and publishes the release of one version."""

    api: ReleaseApi
    location: ReleaseLocation
    attempts: Attempts
    #: The number of the release that the user named; empty if none was.
    release_id: str = ""

    def find(self, version: Version, spelling: str) -> FoundRelease:
        """Return the release of ``version``; ``spelling`` is that of its file names.

        Raises UsageError if several are possible, or if the repository has no tag of it.
        """
        tags = self.location.list_tags(version, spelling)
        listed = self.api.list_releases()
        if self.release_id or self.location.draft_page:
            release = self._find_named(listed)
            if release.tag not in tags and not self.location.draft_page:
                raise UsageError(
                    f"release {release.id} has the tag {release.shown_tag}, not {' or '.join(tags)}",
                    hint="Correct the number, or name the tag in the URL of the release.",
                )
        else:
            tagged = {tag: self.api.fetch_tagged(tag) for tag in tags}
            drafts = [entry for entry in listed if entry.is_draft and entry.tag in tags]
            published = [entry for entry in tagged.values() if entry]
            chosen = release_choice.choose_release(published, drafts, location_url=self.location.url)
            if chosen is None:
                return FoundRelease(release=None, tag=self._find_tag(tags), others=listed)
            release = chosen
        return FoundRelease(release=release, tag=release.tag, others=listed)

    def _find_named(self, listed: Sequence[GitHubRelease]) -> GitHubRelease:
        """Return the release that the user named by its number or by the page of the draft."""
        if self.release_id:
            release, name = self.api.fetch_release(self.release_id), f"the number {self.release_id}"
        else:
            name = f"the page {self.location.draft_page}"
            release = next((entry for entry in listed if entry.page_name == self.location.draft_page), None)
        if release is None:
            raise UsageError(
                f"{self.api.full_name} has no release with {name}, or the token may not see it",
                hint="Only a token that may write sees drafts. Check the number or the URL.",
            )
        return release

    def _find_tag(self, tags: Sequence[str]) -> str:
        existing = [tag for tag in tags if self.api.has_tag(tag)]
        return release_choice.choose_tag(existing, tags, location_url=self.location.url)

    # --- create ----------------------------------------------------------------------------------------

    def create(self, tag: str, *, is_prerelease: bool) -> GitHubRelease:
        """Create a draft for ``tag``, and return it, or the one that another run created first.

        Raises ReleaseError if GitHub does not accept it.
        """
        created: GitHubRelease | None = None

        def attempt() -> UploadResponse:
            nonlocal created
            answer, created = self.api.create_draft(tag, is_prerelease=is_prerelease)
            return answer

        self.attempts.repeat(f"the draft of {tag}", attempt, lambda: bool(self._list_of_tag(tag)))
        return self._settle(tag, created)

    def _list_of_tag(self, tag: str) -> list[GitHubRelease]:
        return [release for release in self.api.list_releases() if release.tag == tag]

    def _settle(self, tag: str, created: GitHubRelease | None) -> GitHubRelease:
        """Return the release that all runs use: a published one, else the draft with the lowest number.

        Another run may have created a draft at the same moment. The draft that this run created is deleted if
        it is not used; nothing has been uploaded to it.
        """
        listed = self._list_of_tag(tag)
        if created and created.id not in {release.id for release in listed}:
            listed.append(created)
        if not listed:
            raise NetworkError(f"GitHub does not list the draft of {tag} that it created")
        chosen = min(listed, key=lambda release: (release.is_draft, release.id))
        if created and chosen.id != created.id:
            self._delete_empty_draft(created)
            self.attempts.progress.info(
                f"another run created the release {chosen.id} of {chosen.shown_tag} at the same moment: it "
                f"gets the files, and the empty draft {created.id} of this run was deleted"
            )
        return chosen

    def _delete_empty_draft(self, created: GitHubRelease) -> None:
        current = self.api.fetch_release(created.id)
        if current is None:
            return
        if not current.is_draft or current.tag != created.tag or self.api.list_assets(created.id):
            raise release_choice.build_several_drafts_error([current, *self._list_of_tag(created.tag)])
        self.attempts.repeat(
            f"the empty draft {created.id}",
            lambda: self.api.delete_draft(created.id),
            lambda: self.api.fetch_release(created.id) is None,
        )

    # --- publish ---------------------------------------------------------------------------------------

    def publish(self, release: GitHubRelease) -> GitHubRelease:
        """Publish a draft that has all its files, and return it. Raises ReleaseError.

        After an unclear response the release is read before anything is requested again.
        """
        if not self.release_id:
            self._require_only_draft(release)
        current = self._read(release)
        if not current.is_draft:
            return current

        def attempt() -> UploadResponse:
            nonlocal current
            answer, published = self.api.publish(release.id)
            current = published or current
            if published and published.is_draft:
                return UploadResponse(
                    kind=ResponseKind.RETRY, status=answer.status, diagnosis="GitHub left the release a draft"
                )
            if answer.kind is ResponseKind.EXISTS:
                return responses.reject(
                    answer.status,
                    "another release of this tag was published meanwhile",
                    ConflictError,
                    "",
                    "Compare the two releases on GitHub, and delete one of them.",
                )
            return answer

        def is_published() -> bool:
            nonlocal current
            current = self._read(release)
            return not current.is_draft

        self.attempts.repeat(f"publishing {release.shown_tag}", attempt, is_published)
        return current

    def _read(self, release: GitHubRelease) -> GitHubRelease:
        current = self.api.fetch_release(release.id)
        if current is None:
            raise NetworkError(f"release {release.id} ({release.shown_tag}) is gone from GitHub")
        return current

    def _require_only_draft(self, release: GitHubRelease) -> None:
        """Raise UsageError if another draft of the tag has files too: users would get one half."""
        others = [
            other
            for other in self._list_of_tag(release.tag)
            if other.is_draft and other.id != release.id and other.assets
        ]
        if others:
            raise release_choice.build_several_drafts_error([replace(release, assets=()), *others])

"""The requests of GitHub's API that a release needs, each once; the callers decide about retries."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    ListingError,
    NetworkError,
    NothingFoundError,
    UsageError,
)
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import quote, urlsplit
from wheel_uploader.http.client import Body, HttpClient, Page
from wheel_uploader.http.github_api import PER_PAGE, GitHubApi
from wheel_uploader.http.host_policy import InvalidUrl, Origin, parse_origin
from wheel_uploader.targets.github_releases import release_json, responses
from wheel_uploader.targets.github_releases.location import ReleaseLocation
from wheel_uploader.targets.github_releases.release_json import Asset, GitHubRelease, Repository
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

#: Pages of a list; GitHub lists at most 10,000 releases, and a release has at most 1,000 assets.
_MAX_PAGES = 100
_VERSION_HEADER = {"x-github-api-version": "2022-11-28"}

#: Asks the API for the bytes of an asset instead of its description.
_BYTES = {"accept": "application/octet-stream"}

T = TypeVar("T")


class ReleaseApi:
    """The API of the releases of one repository."""

    def __init__(
        self, http: HttpClient, location: ReleaseLocation, api_url: str, token: tuple[str, str] = ("", "")
    ) -> None:
        """Find the token in the environment, unless ``token`` has one. No request is sent."""
        self._location = location
        self._http = http
        self.api = GitHubApi(http, api_url, location.repository, token)
        #: ``OWNER/REPO``, which the API corrects for a repository that was renamed.
        self.full_name = location.full_name

    # --- reading ---------------------------------------------------------------------------------------

    def fetch_repository(self) -> Repository:
        """Return the repository. Raises UsageError if it does not exist, or the token may not see it."""
        url = self.api.build_url(self.full_name)
        page = self._get(url)
        if page is None:
            token = (
                f"The token in {self.api.token_variable} may not have access to it."
                if self.api.token
                else f"A private repository needs a token in {' or '.join(self.api.token_variables)}."
            )
            raise UsageError(
                f"GitHub has no repository {self.full_name}", hint=f"Check the owner and the name. {token}"
            )
        return release_json.read_repository(page.text, strip_url(page.url))

    def list_releases(self) -> list[GitHubRelease]:
        """Return all releases; with a token that may write, also the drafts."""
        return list(self._iter_entries(f"{self.full_name}/releases", release_json.read_releases))

    def fetch_tagged(self, tag: str) -> GitHubRelease | None:
        """Return the published release of a tag; the API does not find drafts by their tag."""
        page = self._get(self.api.build_url(f"{self.full_name}/releases/tags/{quote(tag, safe='')}"))
        return release_json.read_release(page.text, strip_url(page.url)) if page else None

    def fetch_release(self, release_id: int | str) -> GitHubRelease | None:
        """Return a release or a draft by its number; None if there is none, or the token may not see it."""
        page = self._get(self.api.build_url(f"{self.full_name}/releases/{release_id}"))
        return release_json.read_release(page.text, strip_url(page.url)) if page else None

    def list_assets(self, release_id: int) -> list[Asset]:
        """Return the assets of a release, unfinished ones included."""
        return list(
            self._iter_entries(f"{self.full_name}/releases/{release_id}/assets", release_json.read_assets)
        )

    def fetch_asset(self, asset_id: int) -> Asset | None:
        """Return one asset by its number; None if it is gone."""
        page = self._get(self.build_asset_url(asset_id))
        return release_json.read_asset(page.text, strip_url(page.url)) if page else None

    def has_tag(self, tag: str) -> bool:
        """Return whether the repository has the git tag."""
        return (
            self._get(self.api.build_url(f"{self.full_name}/git/ref/tags/{quote(tag, safe='/')}")) is not None
        )

    def build_asset_url(self, asset_id: int) -> str:
        """Return the URL of an asset in the API, which serves its bytes as ``application/octet-stream``."""
        return self.api.build_url(f"{self.full_name}/releases/assets/{asset_id}")

    def _iter_entries(self, path: str, read: Callable[[str, str], tuple[int, Sequence[T]]]) -> Iterator[T]:
        for number in range(1, _MAX_PAGES + 1):
            page = self._get(self.api.build_url(f"{path}?per_page={PER_PAGE}&page={number}"))
            if page is None:
                raise NetworkError(f"GitHub no longer has {sanitize(path)}", hint=responses.RIGHTS_HINT)
            count, entries = read(page.text, strip_url(page.url))
            yield from entries
            if count < PER_PAGE:
                return
        raise ListingError(f"{sanitize(path)} has more than {_MAX_PAGES} pages").as_permanent()

    def _get(self, url: str) -> Page | None:
        """Return a page; None for status 404. Raises CredentialsError if the token may not read it."""
        try:
            return self.api.get(url)
        except NothingFoundError:
            return None
        except HttpStatusError as error:
            if (
                error.status == 403
                and error.retry_after is None
                and "rate limit" not in error.excerpt.lower()
            ):
                raise CredentialsError(
                    f"the token may not read {error.url} (status 403): {error.excerpt}",
                    hint=responses.RIGHTS_HINT,
                ) from None
            raise

    def compute_sha256(self, asset_id: int) -> str:
        """Return the hex sha256 of an asset, computed from a download. Raises NetworkError."""

        def compute() -> str:
            digest = hashlib.sha256()
            with self._http.stream(self.build_asset_url(asset_id), headers=_BYTES) as response:
                for chunk in response.iter_chunks():
                    digest.update(chunk)
            return digest.hexdigest()

        return self._http.call_with_retries(f"hash asset {asset_id}", compute)

    def fetch_text(self, asset_id: int, limit: int) -> str:
        """Return the text of a small asset of at most ``limit`` bytes. Raises NetworkError."""

        def read() -> str:
            data = b""
            with self._http.stream(self.build_asset_url(asset_id), headers=_BYTES) as response:
                for chunk in response.iter_chunks():
                    data += chunk
                    if len(data) > limit:
                        raise NetworkError(f"asset {asset_id} has more than {limit} bytes").as_permanent()
            return data.decode("utf-8", "replace")

        return self._http.call_with_retries(f"read asset {asset_id}", read)

    # --- writing: one attempt each ---------------------------------------------------------------------

    def create_draft(self, tag: str, *, is_prerelease: bool) -> tuple[UploadResponse, GitHubRelease | None]:
        """Create a draft for an existing tag."""
        content = {"tag_name": tag, "name": tag, "draft": True, "prerelease": is_prerelease}
        answer, page = self._send("POST", self.api.build_url(f"{self.full_name}/releases"), content)
        return _parsed(answer, page, release_json.read_release)

    def publish(self, release_id: int) -> tuple[UploadResponse, GitHubRelease | None]:
        """Publish a draft. It becomes the latest release only if its version is the highest."""
        content = {"draft": False, "make_latest": "legacy"}
        url = self.api.build_url(f"{self.full_name}/releases/{release_id}")
        answer, page = self._send("PATCH", url, content)
        return _parsed(answer, page, release_json.read_release)

    def delete_draft(self, release_id: int) -> UploadResponse:
        """Delete a draft. A draft that is gone already counts as deleted."""
        return self._delete(self.api.build_url(f"{self.full_name}/releases/{release_id}"))

    def delete_asset(self, asset_id: int) -> UploadResponse:
        """Delete an asset. An asset that is gone already counts as deleted."""
        return self._delete(self.build_asset_url(asset_id))

    def upload_asset(
        self, release: GitHubRelease, name: str, content: Body, size: int
    ) -> tuple[UploadResponse, Asset | None]:
        """Upload an asset. Raises UsageError if the release names a host that is not GitHub's."""
        base_url = self._trust_upload_url(release)
        answer, page = self._request(
            "POST",
            f"{base_url}?name={quote(name, safe='')}",
            content,
            size=size,
            headers={"content-type": "application/octet-stream"},
        )
        return _parsed(answer, page, release_json.read_asset)

    def _delete(self, url: str) -> UploadResponse:
        answer, _ = self._send("DELETE", url)
        if answer.status in (404, 410):
            return UploadResponse(kind=ResponseKind.ACCEPTED, status=answer.status)
        return answer

    def _send(
        self, method: str, url: str, content: Mapping[str, object] | None = None
    ) -> tuple[UploadResponse, Page | None]:
        body = json.dumps(content).encode() if content is not None else b""
        headers = {"content-type": "application/json"} if content is not None else {}
        return self._request(method, url, body, headers=headers)

    def _request(
        self, method: str, url: str, content: Body, *, headers: Mapping[str, str], size: int | None = None
    ) -> tuple[UploadResponse, Page | None]:
        try:
            page = self.api.send(
                method, url, content=content, size=size, headers={**_VERSION_HEADER, **headers}
            )
        except NetworkError as error:
            return responses.from_exception(error), None
        return responses.classify(page.status, page.headers, page.text), page

    def _trust_upload_url(self, release: GitHubRelease) -> str:
        """Return the URL for assets of a release, to which the token is sent from now on."""
        url = release.upload_url.partition("{")[0]
        _check_upload_url(url, release.id, self._list_upload_origins())
        self.api.send_token_to(url)
        return url

    def _list_upload_origins(self) -> Iterable[Origin]:
        """Return the origins that belong to the API: its own, and that of the host for uploads."""
        origins = {parse_origin(self.api.base_url)}
        # A server without a host name has no host for uploads.
        with contextlib.suppress(InvalidUrl):
            origins.add(parse_origin(self._location.repository.uploads_url))
        return origins


def _check_upload_url(url: str, release_id: int, origins: Iterable[Origin]) -> None:
    """Raise UsageError unless ``url`` is the URL for assets of the release, on one of ``origins``."""
    shown = sanitize(strip_url(url), limit=200)
    try:
        is_known = parse_origin(url) in origins and "@" not in urlsplit(url).netloc
    except InvalidUrl:
        is_known = False
    if not is_known or not url.endswith(f"/releases/{release_id}/assets") or "?" in url or "#" in url:
        raise UsageError(
            f"refusing to send the token and the files to {shown or 'an empty URL'}, which the API named for "
            "uploads: it is not a URL of this GitHub",
            hint="Nothing was sent there. Check the host in the URL of the release.",
        )


def _parsed(
    answer: UploadResponse, page: Page | None, read: Callable[[str, str], T]
) -> tuple[UploadResponse, T | None]:
    """Return the response with its content; a success with other content is an unclear response."""
    if page is None or answer.kind is not ResponseKind.ACCEPTED:
        return answer, None
    try:
        return answer, read(page.text, strip_url(page.url))
    except ListingError as error:
        return UploadResponse(kind=ResponseKind.RETRY, status=page.status, diagnosis=error.message), None

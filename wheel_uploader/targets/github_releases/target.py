"""The target for GitHub releases: a draft, its assets, and its publication as the last step."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    OptionError,
    ReleaseError,
)
from wheel_uploader.core.formatting import format_count, join_some
from wheel_uploader.core.models import (
    Attestation,
    AttestationPolicy,
    Confirmation,
    FileComparison,
    IndexComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    TargetSettings,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http import github_api
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.target import Target, find_certificate, option_or_variable
from wheel_uploader.targets.github_releases import location, responses
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.assets import AssetContent, ReleaseAssets
from wheel_uploader.targets.github_releases.attachments import Attachments
from wheel_uploader.targets.github_releases.attempts import Attempts
from wheel_uploader.targets.github_releases.confirmation import Confirmer, is_on_site
from wheel_uploader.targets.github_releases.release_json import Asset, GitHubRelease, Repository
from wheel_uploader.targets.github_releases.releases import FoundRelease, Releases
from wheel_uploader.targets.protocol import IndexState, PublishTarget, Release
from wheel_uploader.targets.settings import read_token
from wheel_uploader.upload.response import UploadResponse

#: Names that a message quotes.
_MAX_NAMES = 6


class GitHubReleasesTarget(PublishTarget):
    """The release of one version in a repository of GitHub."""

    def __init__(self, options: Options, progress: Progress, settings: TargetSettings) -> None:
        """Read the URL and the token. Raises UsageError, and CredentialsError for a token that is not set."""
        if options.write_only:
            raise OptionError(
                "write_only",
                "a GitHub release is always read, to find its drafts and assets",
                hint="Remove --write-only.",
            )
        self.settings = settings
        self._progress = progress
        self._location = location.parse_release_url(settings.url)
        cert = find_certificate(option_or_variable(options.cert, "TWINE_CERT"))
        self.info = Target(
            url=self._location.url,
            is_pypi=False,
            stores_attestations=True,
            name=f"the releases of {self._location.full_name}",
            cert=cert,
        )
        site = self._location.repository
        self._http = HttpClient(
            user_urls=(site.build_api_url(github_api.API_URL), site.site_url, site.uploads_url),
            allow_hosts=options.allow_hosts,
            allow_insecure_hosts=options.allow_insecure_hosts,
            timeout=options.timeout,
            retries=options.retries,
            verify=str(cert) if cert else True,
            progress=progress,
        )
        token = (settings.token_variable, read_token(settings))
        self._api = ReleaseApi(self._http, self._location, github_api.API_URL, token)
        self._attempts = Attempts(count=options.retries, progress=progress)
        self._releases = Releases(
            api=self._api,
            location=self._location,
            attempts=self._attempts,
            release_id=str(options.release_id or self._location.release_id),
        )
        self._found: FoundRelease | None = None
        self._assets: ReleaseAssets | None = None
        #: Signatures, attestations and SHA256SUMS that the release has from this run.
        self._attached: list[AssetContent] = []
        self._page_url = ""

    def close(self) -> None:
        """Close the connections."""
        self._http.__exit__()

    def release_page_url(self, project: str, version: Version) -> str:  # noqa: ARG002 - known from the API
        """Return the URL of the page of the published release."""
        return self._page_url

    # --- login -----------------------------------------------------------------------------------------

    @property
    def login(self) -> str:
        """The variable with the token, for messages."""
        return f"token in {self._api.api.token_variable}" if self._api.api.token else ""

    def prepare_login(self, *, is_required: bool) -> None:
        """Print which token is used. Raises CredentialsError if there is none and one is required."""
        variables = " or ".join(self._api.api.token_variables)
        if self.login:
            self._progress.info(f"login: {self.login}")
        elif is_required:
            raise CredentialsError(
                f"there is no token for GitHub: set {variables}", hint=responses.RIGHTS_HINT
            )
        else:
            self._progress.info(
                f"no token is known ({variables}); this run does not need one, but sees no drafts"
            )

    # --- reading ---------------------------------------------------------------------------------------

    @functools.cached_property
    def _repository(self) -> Repository:
        repository = self._api.fetch_repository()
        if repository.full_name.lower() != self._api.full_name.lower():
            shown = sanitize(repository.full_name)
            self._progress.info(f"{self._api.full_name} is called {shown} now")
        return repository

    def fetch_project(self, project: str) -> ProjectPage:
        """Return the wheels and sdists of all published releases."""
        self._require_repository()
        releases = self._found.others if self._found else self._api.list_releases()
        own = [self._found.release] if self._found and self._found.release else []
        files: dict[str, IndexFile] = {}
        for release in (*own, *(entry for entry in releases if not entry.is_draft)):
            for file in _list_files(release.assets, project, self._api):
                files.setdefault(file.filename, file)
        return ProjectPage(url=self.info.url, exists=True, files=tuple(files.values()), page_format="json")

    def _require_repository(self) -> None:
        self._api.full_name = self._repository.full_name

    def get_sha256(self, file: IndexFile) -> str:
        """Return the sha256 of an asset, computed from a download if GitHub does not know it."""
        if "sha256" in file.hashes:
            return file.hashes["sha256"]
        return self._api.compute_sha256(int(file.url.rpartition("/")[2]))

    def fetch_state(self, project: str, version: Version, files: Sequence[LocalFile]) -> IndexState:
        """Find the release of the version, and compare its assets with the files.

        Raises UsageError if several releases are possible, ConflictError if the release is immutable and
        incomplete, and what requests raise.
        """
        self._found = self._find(version, files)
        comparisons = self._compare_assets(project, files)
        self._require_open(comparisons)
        return IndexState(project_page=self.fetch_project(project), comparisons=comparisons)

    def _find(self, version: Version, files: Sequence[LocalFile]) -> FoundRelease:
        self._require_repository()
        spelling = files[0].name.raw_version if files else str(version)
        found = self._releases.find(version, spelling)
        if found.release:
            self._use(found.release)
        return found

    def _use(self, release: GitHubRelease) -> None:
        self._assets = ReleaseAssets(self._api, release, self._progress)
        is_known = not release.is_draft and is_on_site(release.page_url, self._location.repository.site_url)
        self._page_url = release.page_url if is_known else ""

    def _compare_assets(self, project: str, files: Sequence[LocalFile]) -> tuple[IndexComparison, ...]:
        """Compare the files with the finished assets of the release, read now."""
        assets = self._assets.refresh() if self._assets else []
        served = _list_files(assets, project, self._api) if self._assets else []
        page = ProjectPage(url=self.info.url, exists=bool(served), files=tuple(served))
        return self.compare(page, files)

    def fetch_file_state(self, project: str, file: LocalFile) -> IndexComparison:
        """Compare a file with the asset that the release has now."""
        return self._compare_assets(project, [file])[0]

    def _require_open(self, comparisons: Sequence[IndexComparison]) -> None:
        """Raise ConflictError if files are missing in a release that accepts none any more."""
        release = self._assets.release if self._assets else None
        absent = [state for state in comparisons if state.result is FileComparison.ABSENT]
        if release is None or not release.is_immutable or release.is_draft or not absent:
            return
        lines = [f"{'not in' if state in absent else 'in'}: {state.file.filename}" for state in comparisons]
        raise ConflictError(
            f"the release {release.shown_tag} is published and immutable, and lacks "
            f"{len(absent)} of {format_count(len(comparisons), 'file')}",
            hint=responses.IMMUTABLE_HINT,
            details=lines,
        )

    # --- writing ---------------------------------------------------------------------------------------

    def set_attestations(self, attestations: Sequence[Attestation], mode: AttestationPolicy) -> bool:  # noqa: ARG002
        """Return whether there are attestations to upload: ``finish`` does so."""
        return any(not entry.malformed_reason for entry in attestations)

    def begin(self, release: Release) -> None:
        """Create the draft if there is none, or print which release gets the files."""
        found = self._require_found(release)
        if found.release is None:
            self._use(self._releases.create(found.tag, is_prerelease=release.version.is_prerelease))
            assets = self._require_assets()
            assets.refresh()
            self._progress.info(
                f"the files go to the draft {assets.release.id} of {assets.release.shown_tag}"
            )
        elif found.release.is_draft:
            self._progress.info(
                f"the files go to the draft {found.release.id} of {found.release.shown_tag}, which exists"
            )
        else:
            self._progress.info(
                f"the release {found.release.shown_tag} is published already: missing files are added to it"
            )

    def upload(self, file: LocalFile) -> UploadResponse:
        """Make one attempt to upload a file as an asset."""
        return self._require_assets().upload(AssetContent.from_file(file))

    def finish(self, release: Release) -> None:
        """Add signatures, attestations and SHA256SUMS, and publish the draft when it has everything."""
        self._require_found(release)
        assets = self._require_assets()
        if assets.release.is_immutable and not assets.release.is_draft:
            return
        attachments = Attachments(
            api=self._api, assets=assets, attempts=self._attempts, progress=self._progress
        )
        self._attached = attachments.upload(release)
        if not assets.release.is_draft:
            return
        self._require_complete(release)
        published = self._releases.publish(assets.release)
        self._progress.info(f"published {published.shown_tag}")
        self._use(published)

    def _require_complete(self, release: Release) -> None:
        """Raise ReleaseError unless the draft has every file with its sha256: publishing is final."""
        states = self._compare_assets(release.project, release.files)
        missing = [state.file.filename for state in states if state.result is not FileComparison.SAME]
        if missing:
            raise ConflictError(
                f"another program changed the draft: it does not have {join_some(missing, _MAX_NAMES)} as "
                "uploaded; it was not published",
                hint="Find out who else changes this draft, then run the same command again.",
            )
        others = {
            file.filename
            for file in _list_files(self._require_assets().refresh(), release.project, self._api)
        } - {file.filename for file in release.files}
        if others:
            names = join_some(sorted(map(sanitize, others)), _MAX_NAMES)
            self._progress.info(f"the draft also has files that are not of this run: {names}")

    def _require_found(self, release: Release) -> FoundRelease:
        self._found = self._found or self._find(release.version, release.files)
        return self._found

    def _require_assets(self) -> ReleaseAssets:
        if self._assets is None:
            raise ReleaseError("the draft on GitHub was not created")
        return self._assets

    def confirm(
        self, project: str, files: Sequence[LocalFile], *, timeout: float, was_uploaded: bool = True
    ) -> tuple[Confirmation, ...]:
        """Wait until the published release has every file, and serves its first bytes to users."""
        if self._assets is None and files:
            self._found = self._find(files[0].name.version, files)
        if self._assets is None:
            return self._explain_no_release(project)
        confirmer = Confirmer(
            http=self._http,
            api=self._api,
            assets=self._assets,
            site_url=self._location.repository.site_url,
            is_private=self._repository.is_private,
            progress=self._progress,
        )
        contents = [*map(AssetContent.from_file, files), *self._attached]
        confirmations = confirmer.confirm(contents, timeout=timeout, was_uploaded=was_uploaded)
        return confirmations[: len(files)]

    def _explain_no_release(self, project: str) -> tuple[Confirmation, ...]:
        raise DeadlineError(
            f"{self._api.full_name} has no release of this version of {project}",
            hint="Publish the files without --verify.",
        ).as_permanent()


def _list_files(assets: Sequence[Asset], project: str, api: ReleaseApi) -> list[IndexFile]:
    """Return the wheels and sdists of the project among the finished assets; other assets are ignored."""
    return [
        IndexFile(
            filename=asset.name,
            url=asset.download_url if asset.sha256 else api.build_asset_url(asset.id),
            hashes={"sha256": asset.sha256} if asset.sha256 else {},
            size=asset.size,
        )
        for asset in assets
        if not asset.is_unfinished and _find_project(asset.name) == canonicalize_name(project)
    ]


def _find_project(filename: str) -> str:
    """Return the project of a wheel or an sdist; empty for another file."""
    try:
        return filenames.parse_filename(filename).project
    except filenames.InvalidFilename:
        return ""

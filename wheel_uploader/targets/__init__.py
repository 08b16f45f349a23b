"""Targets: the places that releases are published to. One module for each kind, and one table."""

from __future__ import annotations

from collections.abc import Callable

from wheel_uploader.core.errors import OptionError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Options, TargetSettings
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.urls import is_folder_or_bucket
from wheel_uploader.targets.anaconda import urls as anaconda_urls
from wheel_uploader.targets.github_releases import location as github_location
from wheel_uploader.targets.protocol import PublishTarget
from wheel_uploader.targets.settings import apply_settings, find_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKind:
    """A kind of target: the upload URLs that it claims, and how to open one."""

    #: For messages and the documentation.
    name: str
    claims: Callable[[str], bool]
    #: Imports the module of the kind: importing all of them takes longer than reading a listing.
    open: Callable[[Options, Progress, TargetSettings], PublishTarget]


def _open_package_index(options: Options, progress: Progress, settings: TargetSettings) -> PublishTarget:
    from wheel_uploader.targets.package_index import PackageIndexTarget

    return PackageIndexTarget(options, progress, settings)


def _open_static_index(options: Options, progress: Progress, settings: TargetSettings) -> PublishTarget:
    from wheel_uploader.targets.static_index.target import StaticIndexTarget

    return StaticIndexTarget(options, progress, settings)


def _open_anaconda(options: Options, progress: Progress, settings: TargetSettings) -> PublishTarget:
    from wheel_uploader.targets.anaconda.target import AnacondaTarget

    return AnacondaTarget(options, progress, settings)


def _open_github_releases(options: Options, progress: Progress, settings: TargetSettings) -> PublishTarget:
    from wheel_uploader.targets.github_releases.target import GitHubReleasesTarget

    return GitHubReleasesTarget(options, progress, settings)


#: The first kind that claims the upload URL is used; the last one claims all.
TARGET_KINDS = (
    TargetKind(name="static index", claims=is_folder_or_bucket, open=_open_static_index),
    TargetKind(name="anaconda.org", claims=anaconda_urls.claims, open=_open_anaconda),
    TargetKind(name="GitHub release", claims=github_location.claims, open=_open_github_releases),
    TargetKind(name="package index", claims=lambda _url: True, open=_open_package_index),
)


def open_target(options: Options, progress: Progress) -> PublishTarget:
    """Return the target that the options, the environment or .pypirc select; the caller closes it.

    Raises UsageError. Sends no request.
    """
    settings = find_settings(options)
    kind = next(kind for kind in TARGET_KINDS if kind.claims(settings.url))
    if options.release_id is not None and kind.open is not _open_github_releases:
        raise OptionError(
            "release_id",
            f"only GitHub releases have such a number, and the target is a {kind.name}",
            hint="Remove --release-id, or pass --repository-url https://github.com/OWNER/REPO/releases.",
        )
    if options.labels and kind.open is not _open_anaconda:
        progress.info(f"--label has no effect: only anaconda.org has labels, and the target is a {kind.name}")
    return kind.open(apply_settings(options, settings), progress, settings)

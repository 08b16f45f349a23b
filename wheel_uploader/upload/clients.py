"""The package index of a run, and its uploader; twine is imported only when they are needed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from wheel_uploader.core.models import Options
from wheel_uploader.core.progress import Progress
from wheel_uploader.http.proxy_settings import ProxySettings
from wheel_uploader.index.target import Target

if TYPE_CHECKING:
    from wheel_uploader.upload.twine_uploader import TwineUploader


def preserved_host_state() -> AbstractContextManager[None]:
    """Give what twine changes in the process back at the end: rich's console, and its own log."""
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.preserved_host_state()


def resolve_target(options: Options) -> Target:
    """Return the index to upload to. Raises UsageError."""
    # Imported here because importing twine takes longer than reading a listing.
    from wheel_uploader.upload import twine_uploader

    target = twine_uploader.resolve_target(options)
    # Reports missing packages for SOCKS before anything else happens.
    ProxySettings().find_proxy(target.url)
    return target


def create_uploader(options: Options, target: Target, progress: Progress) -> TwineUploader:
    """Return the uploader for the target."""
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.TwineUploader(options, target, progress)

"""Publish a staged release of a project to a package index.

This is the public API; every other module may change with any release::

    import wheel_uploader

    options = wheel_uploader.Options(project="dipy", version="1.11.0", urls=("https://staging.example/",))
    wheel_uploader.publish(options).raise_for_error()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wheel_uploader.core.errors import (
        ConflictError,
        CredentialsError,
        DeadlineError,
        FileError,
        HttpStatusError,
        ListingError,
        LockedError,
        NetworkError,
        NothingFoundError,
        OptionError,
        PartialError,
        RedirectNotAllowed,
        ReleaseError,
        RunInterrupted,
        SigningError,
        StorageError,
        TransportError,
        UsageError,
    )
    from wheel_uploader.core.models import Finding, Options, Report, Selection, Severity, Stage
    from wheel_uploader.pipeline.api import check_files, list_release, publish

__version__ = "0.1.0"

__all__ = [
    "ConflictError",
    "CredentialsError",
    "DeadlineError",
    "FileError",
    "Finding",
    "HttpStatusError",
    "ListingError",
    "LockedError",
    "NetworkError",
    "NothingFoundError",
    "OptionError",
    "Options",
    "PartialError",
    "RedirectNotAllowed",
    "ReleaseError",
    "Report",
    "RunInterrupted",
    "Selection",
    "Severity",
    "SigningError",
    "Stage",
    "StorageError",
    "TransportError",
    "UsageError",
    "__version__",
    "check_files",
    "list_release",
    "publish",
]

_HOMES = {
    **dict.fromkeys(("check_files", "list_release", "publish"), "wheel_uploader.pipeline.api"),
    **dict.fromkeys(
        ("Finding", "Options", "Report", "Selection", "Severity", "Stage"), "wheel_uploader.core.models"
    ),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, to keep the import of the package fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, "wheel_uploader.core.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

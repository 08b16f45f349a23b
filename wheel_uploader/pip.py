"""pip, the installer that users have: whether it is here, and how it is started."""

from __future__ import annotations

import sys
from importlib import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from wheel_uploader.errors import UsageError

COMMAND = (sys.executable, "-m", "pip")


def require(what: str) -> None:
    """Raise UsageError where ``what`` needs pip and there is none, as in environments that uv makes."""
    if not _version():
        raise UsageError(
            f"{what} needs pip, and this Python has none",
            hint="Install it with: pip install 'wheel-uploader[rehearse]' (with uv: uv pip install pip)",
        )


def _version() -> str:
    try:
        return metadata.version("pip")
    except metadata.PackageNotFoundError:
        return ""


def runs_on(version: str) -> bool:
    """Whether our pip can install for a Python of this version (``--python``)."""
    stated = metadata.metadata("pip")["Requires-Python"] if _version() else None
    return stated is not None and SpecifierSet(stated).contains(Version(version), prereleases=True)

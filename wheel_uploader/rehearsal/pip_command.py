"""The pip command: whether it is installed, and how it is started."""

from __future__ import annotations

import sys
from importlib import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from wheel_uploader.core.errors import UsageError

#: The command to run pip with this Python.
PIP_COMMAND = (sys.executable, "-m", "pip")


def require_pip(feature: str) -> None:
    """Raise UsageError if pip, which ``feature`` needs, is missing, as in environments created by uv."""
    if not _version():
        raise UsageError(
            f"{feature} needs pip, which is not installed for this Python",
            hint="Install it with: pip install 'wheel-uploader[rehearse]' (with uv: uv pip install pip)",
        )


def _version() -> str:
    try:
        return metadata.version("pip")
    except metadata.PackageNotFoundError:
        return ""


def pip_supports(version: str) -> bool:
    """Return whether this pip can install for a Python of that version (``--python``)."""
    requires = metadata.metadata("pip")["Requires-Python"] if _version() else None
    return requires is not None and SpecifierSet(requires).contains(Version(version), prereleases=True)

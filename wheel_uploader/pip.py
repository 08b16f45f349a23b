"""pip, the installer that users have: whether it is here, and how it is started."""

from __future__ import annotations

import os
import sys
from importlib import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from wheel_uploader.errors import UsageError

COMMAND = (sys.executable, "-m", "pip")
#: What code that is not published yet, and the installer of it, have no need of.
_SECRETS = ("TWINE_", "WHEEL_UPLOADER_", "ACTIONS_", "GPG_")
_SECRET_WORDS = ("TOKEN", "PASSWORD", "PASSPHRASE", "SECRET", "CREDENTIAL")


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


def environment() -> dict[str, str]:
    """The environment of this process without credentials, and without what leads Python astray."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*_SECRETS, "PYTHON"))
        and not any(word in name.upper() for word in _SECRET_WORDS)
    }

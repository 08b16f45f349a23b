"""The installation, for ``--version``: the Python and the extras."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

#: Extras for the development of the package.
_OTHER = frozenset({"test"})


def describe_installation() -> Iterator[str]:
    """Yield the lines about the Python and the extras."""
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    try:
        package = metadata.distribution("wheel-uploader")
    except metadata.PackageNotFoundError:
        return  # Imported from a folder that is not installed.
    names = [name for name in package.metadata.get_all("Provides-Extra") or () if name not in _OTHER]
    requirements = [Requirement(text) for text in package.requires or ()]
    installed = [name for name in names if _is_installed(name, requirements)]
    missing = [name for name in names if name not in installed]
    yield f"extras: {', '.join(installed) or 'none'}"
    if missing:
        yield f"extras that are not installed: {', '.join(missing)}"


def _is_installed(extra: str, requirements: list[Requirement]) -> bool:
    """Return whether the packages that this extra adds are installed in versions that it accepts."""
    return all(
        _is_satisfied(requirement)
        for requirement in requirements
        if requirement.marker
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    )


def _is_satisfied(requirement: Requirement) -> bool:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)

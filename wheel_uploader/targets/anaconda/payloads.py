"""The JSON that anaconda.org expects for a package, a release and a file, as anaconda-client sends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from wheel_uploader.core.models import LocalFile, WheelName

#: Most requirements of one file.
_MAX_REQUIREMENTS = 2000


def build_package(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that creates a package."""
    return {
        "public": True,
        "publish": False,
        "public_attrs": {
            "name": metadata["name"],
            "summary": metadata.get("summary"),
            "license": {"name": metadata.get("license"), "url": None, "family": None},
            "package_types": ["pypi"],
        },
    }


def build_release(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that creates a release."""
    return {
        "requirements": [],
        "announce": None,
        "description": metadata.get("description"),
        "version": metadata["version"],
        "home_page": metadata.get("home_page"),
    }


def build_stage(file: LocalFile, metadata: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Return the body that announces a file."""
    return {
        "distribution_type": "pypi",
        "description": None,
        "attrs": _build_attributes(file),
        "dependencies": _build_dependencies(metadata.get("requires_dist", ())),
        "channels": list(labels),
        "sha256": file.sha256,
    }


def _build_attributes(file: LocalFile) -> dict[str, Any]:
    if not isinstance(file.name, WheelName):
        return {"packagetype": "sdist", "python_version": "source"}
    _, _, *build, python, abi, _ = file.filename.removesuffix(".whl").split("-")
    return {
        "build_no": build[0] if build else 0,
        "python_version": python,
        "abi": None if abi == "none" else abi,
        "packagetype": "bdist_wheel",
    }


def _build_dependencies(requires_dist: Sequence[str]) -> dict[str, Any]:
    depends: list[dict[str, Any]] = []
    extras: dict[str, list[dict[str, Any]]] = {}
    environments: dict[str, list[dict[str, Any]]] = {}
    for requirement in _parse_requirements(requires_dist):
        entry = {
            "name": requirement.name.replace("_", "-").replace(".", "-").lower(),
            "specs": [[part.operator, part.version] for part in requirement.specifier],
        }
        marker = str(requirement.marker or "")
        group, _, extra = marker.partition("extra == ")
        if not marker:
            depends.append(entry)
        elif not group:
            extras.setdefault(extra.strip("\"'"), []).append(entry)
        else:
            environments.setdefault(marker, []).append(entry)
    return {
        "has_dep_errors": False,
        "depends": sorted(depends, key=lambda entry: str(entry["name"])),
        "extras": [{"name": name, "depends": entries} for name, entries in extras.items()],
        "environments": [{"name": name, "depends": entries} for name, entries in environments.items()],
    }


def _parse_requirements(requires_dist: Sequence[str]) -> Iterator[Requirement]:
    """Yield the valid requirements; the checks have reported the others."""
    for text in requires_dist[:_MAX_REQUIREMENTS]:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue

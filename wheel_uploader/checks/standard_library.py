"""The names of the modules of the standard library, which PyPI does not accept for a new project."""

from __future__ import annotations

import functools
import json
import pkgutil

from packaging.utils import NormalizedName


def is_module_name(project: NormalizedName) -> bool:
    """Return whether any Python from 2.6 on has a module or package of this name, in any spelling."""
    return project in _load_names()


@functools.cache
def _load_names() -> frozenset[str]:
    data = json.loads(pkgutil.get_data(__package__, "data/standard_library.json") or b"{}")
    return frozenset(name for group in data["modules"].values() for name in group.split())

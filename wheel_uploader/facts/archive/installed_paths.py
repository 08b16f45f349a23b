"""Where installers put the members of a wheel: in site-packages, or in the directory of another scheme."""

from __future__ import annotations

import re
from typing import NamedTuple

from wheel_uploader.core.string_cache import cached_for_short_strings

SITE, SCRIPTS, HEADERS, DATA = "site-packages", "scripts", "headers", "data"
#: The subdirectories of NAME-VERSION.data; purelib and platlib are the same directory in most environments.
SCHEMES = {"purelib": SITE, "platlib": SITE, "scripts": SCRIPTS, "headers": HEADERS, "data": DATA}
#: Paths below the data directory, which is the root of the environment, that belong to another scheme.
_SITE_IN_DATA = re.compile(r"(?:lib(?:64)?/python[0-9.]{1,6}t?|Lib)/site-packages/(?P<rest>.+)", re.DOTALL)
_SCRIPTS_IN_DATA = re.compile(r"(?:bin|Scripts)/(?P<rest>.+)", re.DOTALL)

#: Namespaces of many projects, which no single project owns.
SHARED_NAMESPACES = frozenset(
    {
        *("azure", "backports", "collective", "flufl", "google", "jaraco", "mpl_toolkits", "odoo", "plone"),
        *("repoze", "sphinxcontrib", "xstatic", "z3c", "zc", "zope"),
    }
)


class InstalledPath(NamedTuple):
    """The scheme whose directory a member is installed in, and its path there."""

    scheme: str
    path: str


@cached_for_short_strings
def find_installed_path(path: str) -> InstalledPath | None:
    """Return where a member is installed; None for what installers refuse below a ``.data`` directory."""
    top, _, rest = path.partition("/")
    if not top.endswith(".data"):
        return InstalledPath(SITE, path)
    scheme_name, _, inner_path = rest.partition("/")
    scheme = SCHEMES.get(scheme_name)
    if not scheme or not inner_path:
        return None
    if scheme == DATA:
        for expression, actual_scheme in ((_SITE_IN_DATA, SITE), (_SCRIPTS_IN_DATA, SCRIPTS)):
            if match := expression.match(inner_path):
                return InstalledPath(actual_scheme, match["rest"])
    return InstalledPath(scheme, inner_path)


def get_site_path(path: str) -> str:
    """Return the path of a member in site-packages; empty if it is not installed there."""
    if ".data" not in path:
        return path  # As for nearly all members, of which a wheel may have thousands.
    installed = find_installed_path(path)
    return installed.path if installed and installed.scheme == SITE else ""


def is_startup_file(site_path: str) -> bool:
    """Return whether Python reads this file in site-packages when it starts."""
    return "/" not in site_path and site_path.endswith((".pth", ".start"))


def is_read_by_checks(path: str) -> bool:
    """Return whether the checks read the contents of a member, and not only its name."""
    site_path = get_site_path(path)
    top, slash, rest = site_path.partition("/")
    return is_startup_file(site_path) or bool(slash and rest == "__init__.py" and top in SHARED_NAMESPACES)

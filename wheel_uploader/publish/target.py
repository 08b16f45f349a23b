"""Which index to upload to, as the command line and the TWINE_* variables say, and whether it may be."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from wheel_uploader.display import bare_url, printable, remember_basic_auth, remember_url
from wheel_uploader.errors import UsageError
from wheel_uploader.http.hostnames import is_loopback
from wheel_uploader.http.hosts import NotAUrl, place_of, split_credentials
from wheel_uploader.models import Options
from wheel_uploader.urls import unquote


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A package index to upload to; holds no credentials."""

    #: The upload URL, without user info.
    url: str
    is_pypi: bool
    #: TestPyPI, where nothing is meant to stay.
    is_trial: bool = False
    #: Where people see its projects; empty when nobody knows.
    pages: str = ""
    #: For people: the repository's name in .pypirc, else its URL.
    name: str
    #: CA certificates and client certificate for this index, from the command line, TWINE_CERT or .pypirc.
    cert: Path | None = None
    client_cert: Path | None = None

    def page_of(self, project: str, version: Version) -> str:
        """Where people see this release; empty when nobody knows."""
        return f"{self.pages}project/{project}/{version}/" if self.pages else ""


def wanted(options: Options) -> tuple[str, str | None]:
    """The repository's name, and its URL if one was given: the command line before the environment."""
    url = options.repository_url
    if not url and not options.repository:
        url = os.environ.get("TWINE_REPOSITORY_URL")
    return options.repository or os.environ.get("TWINE_REPOSITORY") or "pypi", url or None


def given(value: str | Path | None, variable: str) -> str | None:
    """What the command line says, else what the environment says; an empty value is a value."""
    return os.environ.get(variable) if value is None else str(value)


def may_ask(options: Options) -> bool:
    """Whether a person sits there who may be asked for a password."""
    forbidden = os.environ.get("TWINE_NON_INTERACTIVE", "").lower() not in ("", "0", "false", "no")
    return not options.non_interactive and not forbidden and sys.stdin is not None and sys.stdin.isatty()


#: Where twine's ``id`` finds an identity to trade for a token; elsewhere PyPI need not be asked.
_CI_VARIABLES = ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "GOOGLE_SERVICE_ACCOUNT_NAME")
_GOOGLE_PRODUCT = Path("/sys/class/dmi/id/product_name")


def has_identity() -> bool:
    """Whether this is a place, a CI mostly, that can vouch for who runs there (trusted publishing)."""
    if any(os.environ.get(name) for name in _CI_VARIABLES):
        return True
    with contextlib.suppress(OSError):
        return _GOOGLE_PRODUCT.read_text().strip() in {"Google", "Google Compute Engine"}
    return False


def certificate(path: str | None) -> Path | None:
    """The path of a certificate file. Raises UsageError when there is no such file."""
    if not path:
        return None
    found, there = Path(path), False
    with contextlib.suppress(OSError, RuntimeError):  # too long a name; ~NAME of nobody
        found = found.expanduser()
        there = found.exists()
    if not there:
        raise UsageError(
            f"there is no certificate file {printable(path)}",
            hint="Correct --cert, --client-cert or .pypirc.",
        )
    return found


def checked_url(url: str, allow_insecure_hosts: Sequence[str]) -> tuple[str, str, str]:
    """An upload URL without its user info, the user name and the password.

    Raises UsageError for one that is not to be posted to.
    """
    remember_url(url)
    try:
        url, username, password = split_credentials(url.strip())
        place = place_of(url)
    except ValueError as error:
        why = printable(str(error)) if isinstance(error, NotAUrl) else "it is not a URL"
        raise UsageError(
            f"the upload URL cannot be used: {why}", hint="It is an absolute URL, and begins with https://."
        ) from None
    username, password = unquote(username), unquote(password)
    remember_basic_auth(username, password)
    shown = printable(bare_url(url))
    insecure = is_loopback(place.host) or place.host in {host.lower() for host in allow_insecure_hosts}
    if place.scheme == "http" and not insecure:
        raise UsageError(
            f"{shown} would get the credentials and the files without encryption",
            hint=f"Use https; or, in a network that you trust, --allow-insecure-host {place.host}.",
        )
    if url.rstrip("/").endswith(("/simple", "/+simple")):
        raise UsageError(
            f"{shown} is where an index is read, not where files are posted",
            hint="Give the upload URL with --repository-url; this one may be right for --index-url.",
        )
    return url, username, password

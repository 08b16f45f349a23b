"""The target index, from the command line and the TWINE_* variables, and the checks of its URL."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Options
from wheel_uploader.core.redaction import register_basic_auth, register_url_secrets, sanitize, strip_url
from wheel_uploader.core.urls import unquote, urlsplit
from wheel_uploader.core.user_files import is_file_or_directory
from wheel_uploader.http.host_policy import InvalidUrl, parse_origin, split_credentials
from wheel_uploader.http.hostnames import is_loopback_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A package index to upload to; holds no credentials."""

    #: The upload URL, without user info.
    url: str
    is_pypi: bool
    #: True for TestPyPI, which keeps nothing permanently.
    is_testpypi: bool = False
    #: Base URL of its project pages; empty if unknown.
    pages_url: str = ""
    #: For messages: the repository's name in .pypirc, or its URL.
    name: str
    #: True for a target that stores attestations as files; PyPI takes them with the file that they are of.
    stores_attestations: bool = False
    #: CA certificates and client certificate for this index, from the command line, TWINE_CERT or .pypirc.
    cert: Path | None = None
    client_cert: Path | None = None

    def release_page_url(self, project: str, version: Version) -> str:
        """Return the URL of the release's page; empty if unknown."""
        return f"{self.pages_url}project/{project}/{version}/" if self.pages_url else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedRepository:
    """The repository that the command line or the environment selects."""

    #: Its name in the configuration or in .pypirc; with a URL alone, twine's default, which is not used.
    name: str
    #: Its upload URL; empty if the section of .pypirc has it.
    url: str = ""
    #: True if the configuration has a section for it.
    is_configured: bool = False

    @property
    def label(self) -> str:
        """The name for messages."""
        return strip_url(self.url) if self.url and not self.is_configured else self.name

    @property
    def is_in_pypirc(self) -> bool:
        """True if .pypirc has its settings."""
        return not self.url


def selected_repository(options: Options) -> SelectedRepository:
    """Return the selected repository; the command line overrides the environment."""
    name = options.repository or os.environ.get("TWINE_REPOSITORY") or "pypi"
    url = options.repository_url
    if not url and not options.repository:
        url = os.environ.get("TWINE_REPOSITORY_URL")
    if url:
        return SelectedRepository(name=name, url=url)
    if settings := options.targets.get(name):
        return SelectedRepository(name=name, url=settings.url, is_configured=True)
    return SelectedRepository(name=name)


def option_or_variable(value: str | Path | None, variable: str) -> str | None:
    """Return the value of the command line, or else of the environment; it may be empty."""
    return os.environ.get(variable) if value is None else str(value)


def is_interactive(options: Options) -> bool:
    """Return whether the run is interactive, so that the user may be prompted for a password."""
    forbidden = os.environ.get("TWINE_NON_INTERACTIVE", "").lower() not in ("", "0", "false", "no")
    return not options.non_interactive and not forbidden and sys.stdin is not None and sys.stdin.isatty()


#: Set where twine's ``id`` finds an identity to exchange for a token.
_CI_VARIABLES = ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "GOOGLE_SERVICE_ACCOUNT_NAME")
_GOOGLE_PRODUCT = Path("/sys/class/dmi/id/product_name")


def has_ci_identity() -> bool:
    """Return whether this environment, mostly a CI, provides an identity for trusted publishing."""
    if any(os.environ.get(name) for name in _CI_VARIABLES):
        return True
    with contextlib.suppress(OSError):
        return _GOOGLE_PRODUCT.read_text().strip() in {"Google", "Google Compute Engine"}
    return False


def find_certificate(path: str | None, variable: str = "") -> Path | None:
    """Return the path of a certificate file, which ``variable`` may name.

    Raises UsageError if it does not exist, or cannot be a certificate: TLS would wait for a pipe.
    """
    if not path:
        return None
    file, exists, is_readable = Path(path), False, False
    # The name may be too long, or ~NAME may be unknown.
    with contextlib.suppress(OSError, RuntimeError):
        file = file.expanduser()
        exists, is_readable = file.exists(), is_file_or_directory(file)
    if not is_readable:
        problem = "is not a regular file" if exists else "not found"
        raise UsageError(
            f"certificate file {sanitize(path)} {problem}{f' ({variable})' if variable else ''}",
            hint=f"Correct {variable or '--cert, --client-cert or .pypirc'}.",
        )
    return file


#: Pages that accept uploads as well: those of Pulp. The pages of Artifactory have a similar path.
_ACCEPTS_UPLOADS = re.compile(r"(?<!/api)/pypi/[^/]+(?:/[^/]+)?/simple/?\Z")


def validate_upload_url(url: str, allow_insecure_hosts: Sequence[str]) -> tuple[str, str, str]:
    """Return an upload URL without its user info, the user name and the password.

    Raises UsageError for a URL that must not be uploaded to.
    """
    register_url_secrets(url)
    if len(url.split()) > 1:
        raise UsageError(
            "the upload URL is not valid: it has a blank in it",
            hint="Remove what follows the URL. In .pypirc, a comment needs a line of its own.",
        )
    try:
        url, username, password = split_credentials(url.strip())
        origin = parse_origin(url)
    except ValueError as error:
        reason = sanitize(str(error)) if isinstance(error, InvalidUrl) else "it is not a URL"
        raise UsageError(
            f"the upload URL is not valid: {reason}", hint="Give an absolute URL that begins with https://."
        ) from None
    username, password = unquote(username), unquote(password)
    register_basic_auth(username, password)
    shown = sanitize(strip_url(url))
    insecure = is_loopback_host(origin.host) or origin.host in {host.lower() for host in allow_insecure_hosts}
    if origin.scheme == "http" and not insecure:
        raise UsageError(
            f"refusing to send credentials and files to {shown} without encryption",
            hint=f"Use https or, in a network that you trust, --allow-insecure-host {origin.host}.",
        )
    if url.rstrip("/").endswith(("/simple", "/+simple")) and not _ACCEPTS_UPLOADS.search(urlsplit(url).path):
        raise UsageError(
            f"{shown} is the URL for reading an index, not for uploads",
            hint="Pass the upload URL with --repository-url; this one may be right for --index-url.",
        )
    return url, username, password

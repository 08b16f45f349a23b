"""The URLs of anaconda.org: the organization and labels that a pasted URL refers to, and the API's paths."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import field

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import register_secret, sanitize, strip_url
from wheel_uploader.core.urls import parse_qs, quote, unquote, urlsplit
from wheel_uploader.http.host_policy import InvalidUrl, parse_origin
from wheel_uploader.http.hostnames import is_loopback_host

API_URL = "https://api.anaconda.org"
SITE_URL = "https://anaconda.org"
PIP_URL = "https://pypi.anaconda.org"
#: The variable with the URL of another server's API.
API_VARIABLE = "WHEEL_UPLOADER_ANACONDA_API"
MAIN_LABEL = "main"

_HOSTS = frozenset({"anaconda.org", "www.anaconda.org", "api.anaconda.org", "pypi.anaconda.org"})
_HOSTS |= {"conda.anaconda.org"}
#: First segments of an API path, before the owner.
_API_PREFIXES = frozenset({"package", "packages", "release", "dist", "download", "user", "channels", "stage"})
_TOKEN_PATH = re.compile(r"/t/([^/]+)(/.*|\Z)")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")
#: A label is part of a path; a slash or a blank in it is a mistake.
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnacondaUrl:
    """The organization or user that an upload URL refers to."""

    owner: str
    #: The label in the URL; empty if it has none.
    label: str = ""
    #: The token in the URL; ``repr`` must not show it.
    token: str = field(default="", repr=False)


def claims(url: str) -> bool:
    """Return whether an upload URL is one of anaconda.org."""
    try:
        return urlsplit(url.strip()).hostname in _HOSTS
    except ValueError:
        return False


def parse_upload_url(url: str) -> AnacondaUrl:
    """Return the organization that a page of the site, of its API or of pip's pages refers to.

    Raises UsageError if the URL names none.
    """
    parts = urlsplit(url.strip())
    token, path = "", parts.path
    if match := _TOKEN_PATH.match(path):
        token, path = unquote(match[1]), match[2]
        register_secret(token)
    segments = [unquote(segment) for segment in path.split("/") if segment]
    if segments and (parts.hostname or "").startswith("api.") and segments[0] in _API_PREFIXES:
        segments = segments[1:]
    if not segments or not _OWNER.match(segments[0]):
        raise UsageError(
            f"{sanitize(strip_url(url))} names no organization",
            hint=f"Pass the URL of the organization or user: {SITE_URL}/ORG.",
        )
    labels = [after for before, after in itertools.pairwise(segments[1:]) if before == "label"]
    label = (labels or parse_qs(parts.query).get("label", [""]))[0]
    return AnacondaUrl(owner=segments[0], label=label, token=token)


def find_api_url(configured: str, allow_insecure_hosts: Sequence[str]) -> str:
    """Return the base URL of the API, without a slash at its end: of the variable, or as configured.

    Raises UsageError for a URL that a token must not be sent to.
    """
    origin_name = API_VARIABLE if os.environ.get(API_VARIABLE) else "anaconda-api"
    url = (os.environ.get(API_VARIABLE) or configured or API_URL).strip().rstrip("/")
    try:
        origin = parse_origin(url)
    except InvalidUrl as error:
        raise UsageError(f"{origin_name} is not a valid URL: {error}") from None
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"{origin_name} must be a URL without user name, query and fragment")
    is_allowed = is_loopback_host(origin.host) or origin.host in {
        host.lower() for host in allow_insecure_hosts
    }
    if origin.scheme == "http" and not is_allowed:
        raise UsageError(
            f"refusing to send a token to {sanitize(strip_url(url))} without encryption ({origin_name})",
            hint="Use https.",
        )
    return url


def pip_root(owner: str, labels: Sequence[str]) -> str:
    """Return the URL of the simple pages that show files with these labels: main's page if it is one."""
    if MAIN_LABEL in labels:
        return f"{PIP_URL}/{quote(owner, safe='')}/simple/"
    return f"{PIP_URL}/{quote(owner, safe='')}/label/{quote(labels[0], safe='')}/simple/"


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels without duplicates. Raises UsageError for one that cannot be a label."""
    for label in labels:
        if not _LABEL.match(label):
            raise UsageError(
                f"'{sanitize(label, limit=100)}' is not a label of anaconda.org",
                hint="Use letters, digits, '.', '_', ':', '+' and '-', such as main or dev.",
            )
    return tuple(dict.fromkeys(labels))

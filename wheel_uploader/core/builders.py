"""The identity of the workflow that built a file, and the one that the user expects (``--built-by``)."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from wheel_uploader.core.lazy_dataclass import dataclass

#: GitHub, whose identities have this issuer, which may end in "/ENTERPRISE".
GITHUB = "https://github.com"
_ISSUER = "https://token.actions.githubusercontent.com"
_ENTERPRISE_SLUG = re.compile(r"(?:/[A-Za-z0-9-]{1,100})?\Z")
#: The domain of GitHub Enterprise Cloud with data residency; each customer has a host in it.
_RESIDENCY_DOMAIN = ".ghe.com"
_WORKFLOWS = ".github/workflows/"
_SERVER = re.compile(r"https://(?P<host>[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?)/?\Z", re.ASCII)
_BUILDER = re.compile(
    r"(?:(?P<server>https://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?)/)?"
    r"(?P<repository>[\w.-]{1,100}/[\w.-]{1,100})"
    r"(?:/(?:\.github/workflows/)?(?P<workflow>[\w.-]{1,200}\.ya?ml))?(?:@(?P<ref>[^\s@]{1,250}))?\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildIdentity:
    """The workflow run that signed an attestation, as its certificate names it."""

    issuer: str = ""
    #: URLs of the repository, and of the workflow with its ref after an ``@``.
    repository: str = ""
    workflow: str = ""
    ref: str = ""


class Builder(NamedTuple):
    """A repository on GitHub or an Enterprise Server, and the file name of a workflow and a ref in it.

    The last two may be empty.
    """

    repository: str
    workflow: str = ""
    #: ``refs/tags/v1`` or, for a branch or tag, its name alone.
    ref: str = ""
    #: The URL of the server, without a trailing slash.
    server: str = GITHUB

    def __str__(self) -> str:
        server = "" if self.server == GITHUB else f"{self.server}/"
        workflow = f"/{self.workflow}" if self.workflow else ""
        return f"{server}{self.repository}{workflow}" + (f"@{self.ref}" if self.ref else "")

    def matches(self, identity: BuildIdentity) -> bool:
        """Return whether a verified identity is that of this builder."""
        refs = {self.ref, f"refs/tags/{self.ref}", f"refs/heads/{self.ref}"}
        return (
            _is_issuer(identity.issuer, self.server)
            and is_repository(identity, f"{self.server}/{self.repository}")
            and (not self.workflow or _get_workflow(identity) == self.workflow)
            and (not self.ref or identity.ref in refs)
        )


def parse_builder(text: str) -> Builder:
    """Parse ``[https://HOST/]OWNER/REPO[/WORKFLOW][@REF]``. Raises ValueError.

    Without a host, the server is that of the Actions job that runs this, else GitHub.
    """
    match = _BUILDER.match(text.strip())
    if not match:
        raise ValueError(text)
    server = (match["server"] or get_job_server()).lower()
    return Builder(match["repository"], match["workflow"] or "", match["ref"] or "", server)


def get_job_server() -> str:
    """Return the URL of the server whose Actions job runs this, by GITHUB_SERVER_URL; elsewhere GitHub's."""
    url = os.environ.get("GITHUB_SERVER_URL", "").strip()
    return url.rstrip("/").lower() if _SERVER.match(url) else GITHUB


def _is_issuer(issuer: str, server: str) -> bool:
    """Return whether ``issuer`` issues the identities of the Actions of ``server``."""
    host = server.removeprefix("https://")
    if server == GITHUB:
        return issuer.startswith(_ISSUER) and bool(_ENTERPRISE_SLUG.match(issuer[len(_ISSUER) :]))
    if host.endswith(_RESIDENCY_DOMAIN):
        return issuer == f"https://token.actions.{host}"
    return issuer == f"{server}/_services/token"


def find_api_url(server: str) -> str:
    """Return the URL of a server's REST API, without a trailing slash."""
    host = server.removeprefix("https://")
    if server == GITHUB or host.endswith(_RESIDENCY_DOMAIN):
        return f"https://api.{host}"
    return f"{server}/api/v3"


def is_repository(identity: BuildIdentity, repository: str) -> bool:
    """Return whether the identity is of this repository, whose name ignores case.

    ``repository`` is a URL, or ``OWNER/REPO`` on GitHub.
    """
    url = repository if "://" in repository else f"{GITHUB}/{repository}"
    return identity.repository.lower() == url.lower()


def _get_workflow(identity: BuildIdentity) -> str:
    """Return the file name of the workflow in the identity's own repository; empty if it is elsewhere."""
    path = identity.workflow.partition("@")[0]
    folder = f"{identity.repository}/{_WORKFLOWS}"
    return path[len(folder) :] if path.startswith(folder) else ""


def describe_identity(identity: BuildIdentity) -> str:
    """Return the repository, workflow and ref as they are written for ``--built-by``."""
    if not identity.repository:
        return identity.workflow or "an identity without a repository"
    repository = identity.repository.removeprefix(f"{GITHUB}/")
    workflow = _get_workflow(identity) or identity.workflow.partition("@")[0]
    text = f"{repository}/{workflow}" if workflow else repository
    text += f"@{identity.ref}" if identity.ref else ""
    server = _SERVER.match("/".join(identity.repository.split("/")[:3]))
    is_own = server is not None and _is_issuer(identity.issuer, server[0].lower())
    return text if is_own else f"{text} (by {identity.issuer or 'an unknown issuer'})"

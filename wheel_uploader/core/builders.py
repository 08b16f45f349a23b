"""The identity of the workflow that built a file, and the one that the user expects (``--built-by``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

#: The issuer of the identities of GitHub Actions.
_ISSUER = "https://token.actions.githubusercontent.com"
_SERVER = "https://github.com/"
_WORKFLOWS = ".github/workflows/"
_BUILDER = re.compile(
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
    """A repository on GitHub, and the file name of a workflow and a ref in it, which may be empty."""

    repository: str
    workflow: str = ""
    #: ``refs/tags/v1`` or, for a branch or tag, its name alone.
    ref: str = ""

    def __str__(self) -> str:
        workflow = f"/{self.workflow}" if self.workflow else ""
        return f"{self.repository}{workflow}" + (f"@{self.ref}" if self.ref else "")

    def matches(self, identity: BuildIdentity) -> bool:
        """Return whether a verified identity is that of this builder."""
        refs = {self.ref, f"refs/tags/{self.ref}", f"refs/heads/{self.ref}"}
        return (
            identity.issuer == _ISSUER
            and is_repository(identity, self.repository)
            and (not self.workflow or _get_workflow(identity) == self.workflow)
            and (not self.ref or identity.ref in refs)
        )


def parse_builder(text: str) -> Builder:
    """Parse ``OWNER/REPO[/WORKFLOW][@REF]``. Raises ValueError."""
    match = _BUILDER.match(text.strip())
    if not match:
        raise ValueError(text)
    return Builder(match["repository"], match["workflow"] or "", match["ref"] or "")


def is_repository(identity: BuildIdentity, repository: str) -> bool:
    """Return whether the identity is of this repository on GitHub, whose name ignores case."""
    return identity.repository.lower() == f"{_SERVER}{repository}".lower()


def _get_workflow(identity: BuildIdentity) -> str:
    """Return the file name of the workflow in the identity's own repository; empty if it is elsewhere."""
    path = identity.workflow.partition("@")[0]
    folder = f"{identity.repository}/{_WORKFLOWS}"
    return path[len(folder) :] if path.startswith(folder) else ""


def describe_identity(identity: BuildIdentity) -> str:
    """Return the repository, workflow and ref as they are written for ``--built-by``."""
    if not identity.repository:
        return identity.workflow or "an identity without a repository"
    repository = identity.repository.removeprefix(_SERVER)
    workflow = _get_workflow(identity) or identity.workflow.partition("@")[0]
    text = f"{repository}/{workflow}" if workflow else repository
    text += f"@{identity.ref}" if identity.ref else ""
    return text if identity.issuer == _ISSUER else f"{text} (by {identity.issuer or 'an unknown issuer'})"

"""The words in which indexes refuse a file, and what each of them means: one table. Pure.

The words are those of Warehouse, pypiserver, devpi, Nexus, Artifactory and GitLab.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wheel_uploader.errors import ConflictError, CredentialsError, FileError, NetworkError, ReleaseError


class Kind(enum.Enum):
    """What to do about an answer."""

    ACCEPTED = "accepted"
    #: The index says that it has this name: whether with our bytes has to be asked.
    EXISTS = "exists"
    #: No final answer: ask the index, then try again.
    RETRY = "retry"
    #: A no that stays a no.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Words of a server and what they mean."""

    #: A regular expression, whatever the case; of bounded length, because it is tried from every place.
    pattern: str
    diagnosis: str
    #: The next step; None for the default of ``error``.
    hint: str | None = None
    error: type[ReleaseError] = ConflictError
    kind: Kind = Kind.REFUSED
    statuses: frozenset[int] = frozenset({400, 403, 409, 422})


NEW_VERSION = "A file name can be used only once: publish these files under a new version."
_OTHER_NAME = "Choose another project name; this one cannot be had."
_API_TOKEN = "Give an API token that covers this project as TWINE_PASSWORD, with the user name __token__."  # noqa: S105
_REBUILD = "Rebuild the file with a recent build tool, then run this again."
_METADATA = "Correct the project's metadata, rebuild, and run this again."

#: The first rule that fits wins.
RULES = (
    # PyPI says the same when it has these bytes under another name.
    Rule(
        pattern=r"already exist|already been taken|already contains|updating asset|overwrite artifact",
        diagnosis="the index says that it has this file name already",
        hint=NEW_VERSION,
        kind=Kind.EXISTS,
    ),
    Rule(
        pattern=r"previously used by a file that has since been deleted",
        diagnosis="the name was used by a file that has been deleted since, and can never be used again",
        hint=NEW_VERSION,
    ),
    Rule(
        pattern=r"older than \d+ days",
        diagnosis="the release is closed: the index takes no new files for a version this old",
        hint="Publish the files under a new version.",
    ),
    Rule(
        pattern=r"only one sdist",
        diagnosis="the release has another sdist already, and may have one only",
        hint="Leave this sdist out (-t), or publish a new version.",
    ),
    Rule(
        pattern=r"too similar to an existing project|conflicts? with an existing project",
        diagnosis="the project name is too close to one that somebody else has",
        hint=_OTHER_NAME,
    ),
    Rule(
        pattern=r"standard library module name",
        diagnosis="the project name is that of a module of Python itself",
        hint=_OTHER_NAME,
    ),
    Rule(
        pattern=r"cannot create new projects",
        diagnosis="trusted publishing may not create this project: no pending publisher has its name",
        hint="Register a pending publisher with exactly this name, or upload the first file with a token.",
        error=CredentialsError,
    ),
    Rule(
        pattern=r"username/password authentication is no longer supported",
        diagnosis="the index takes API tokens only, no user name and password",
        hint="Set TWINE_USERNAME=__token__ and TWINE_PASSWORD to an API token, or use trusted publishing.",
        error=CredentialsError,
    ),
    Rule(
        pattern=r"token is expired|expired token",
        diagnosis="the API token has expired",
        hint="Make a new API token and run the same command again.",
        error=CredentialsError,
    ),
    Rule(
        pattern=r"not valid for project|(?:isn't|is not) allowed to upload to project|invalid api token",
        diagnosis="the credentials are not for this project (or the project is archived or quarantined)",
        hint=_API_TOKEN,
        error=CredentialsError,
    ),
    Rule(
        pattern=r"does not have (?:two.factor|a verified|any verified|2fa)|verified (?:primary )?e?-?mail",
        diagnosis="the account lacks two-factor authentication or a verified e-mail address",
        hint="Log in to the index in a browser and complete the account, then run the same command again.",
        error=CredentialsError,
    ),
    # After "isn't allowed to upload": the same words about a name.
    Rule(
        pattern=r"project name .{0,200} isn't allowed|name .{0,200} isn't allowed",
        diagnosis="the index does not allow this project name",
        hint=_OTHER_NAME,
    ),
    Rule(
        pattern=r"organi[sz]ation .{0,200}inactive",
        diagnosis="the organisation that owns the project is inactive",
        hint="An owner of the organisation has to settle it with the index; then run the same command again.",
        error=CredentialsError,
    ),
    Rule(
        pattern=r"registration (?:is )?temporarily disabled",
        diagnosis="the index takes no new projects at the moment",
        hint="Look at the index's status page; nothing is lost, run the same command again later.",
        error=NetworkError,
    ),
    Rule(
        pattern=r"read-only mode|uploads are temporarily disabled",
        diagnosis="the index takes no uploads at the moment",
        hint="Look at the index's status page; nothing is lost, run the same command again later.",
        error=NetworkError,
    ),
    Rule(
        pattern=r"too many new projects",
        diagnosis="too many projects were created from here within the last hour",
        hint="Run the same command again in an hour.",
        error=NetworkError,
        statuses=frozenset({429}),
    ),
    Rule(
        pattern=r"project size too large|project .{0,200} total size",
        diagnosis="the project is full: all its files together would exceed its limit",
        hint="Delete files of old releases or ask the index for a higher limit, then run this again.",
        error=FileError,
    ),
    Rule(
        pattern=r"file too large|too large|exceeds? .{0,200}(?:size|limit)",
        diagnosis="the file is larger than the index allows",
        hint="Ask the index for a higher limit, or make the file smaller.",
        error=FileError,
        statuses=frozenset({400, 403, 413, 422}),
    ),
    Rule(
        pattern=r"digest supplied does not match|hash mismatch|checksum",
        diagnosis="the bytes that arrived are not those that were sent: damaged on the way",
        hint="Run the same command again; when it repeats, look for a proxy that changes uploads.",
        error=NetworkError,
    ),
    Rule(
        pattern=r"message digest|python version is required|as python version for an sdist|"
        r"unknown protocol version|should not be a tuple|payload does not have a file|known file type",
        diagnosis="the form of the upload did not arrive as it was sent, or the index wants another form",
        hint="Look for a proxy that changes uploads, and whether the URL is that of an index for wheels.",
        error=NetworkError,
        statuses=frozenset({400, 422}),
    ),
    Rule(
        pattern=r"unsupported platform tag",
        diagnosis="the index does not take wheels for this platform tag",
        hint="Repair the wheel (auditwheel, delocate) so that its tag is a portable one, or leave it out.",
        error=FileError,
    ),
    Rule(
        pattern=r"description failed to render",
        diagnosis="the project's description (README) cannot be rendered",
        hint=_METADATA,
        error=FileError,
    ),
    Rule(
        pattern=r"attestation",
        diagnosis="the index does not accept the file's attestations",
        hint="Remove or renew the attestations, then run this again.",
        error=FileError,
    ),
    Rule(
        pattern=r"encrypted content is not allowed",
        diagnosis="the index takes no obfuscated code",
        hint="Publish the code as it is, or leave the file out.",
        error=FileError,
    ),
    Rule(
        pattern=r"use of local versions",
        diagnosis="the version has a local part (+...), which the index does not take",
        hint="Build the release with a version without '+', then run this again.",
        error=FileError,
    ),
    Rule(
        pattern=r"direct dependency",
        diagnosis="a dependency is given by its URL, which the index does not take",
        hint=_METADATA,
        error=FileError,
    ),
    Rule(
        pattern=r"does not contain the required|entry points|WHEEL not found|PKG-INFO not found|"
        r"license-file .{0,200} does not exist",
        diagnosis="a file that has to be inside is missing, or cannot be read",
        hint=_REBUILD,
        error=FileError,
    ),
    Rule(
        pattern=r"invalid value for|core-metadata|metadata|classifier|not a valid url|"
        r"summary.{0,200}single line",
        diagnosis="the index does not accept the file's metadata",
        hint=_METADATA,
        error=FileError,
    ),
    Rule(
        pattern=r"invalid distribution file|compression (?:ratio|type)|archive not accepted|"
        r"not a (?:zip|tar)file|both a zip and a tar|top-level directories",
        diagnosis="the index does not take the file for a sound archive",
        hint=_REBUILD,
        error=FileError,
    ),
    Rule(
        pattern=r"filename|file extension|file with .{0,200} in the name|non-printable characters",
        diagnosis="the index does not accept the file's name",
        hint=_REBUILD,
        error=FileError,
        statuses=frozenset({400, 422}),
    ),
)

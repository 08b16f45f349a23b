"""A table of the messages with which indexes reject a file, and of their meanings. Performs no I/O.

The messages are those of Warehouse, pypiserver, devpi, Nexus, Artifactory, GitLab and Azure Artifacts. A file
that is on the index is found by its hash, whatever the words are: a rule only makes the message clearer.
"""

from __future__ import annotations

import enum

from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.lazy_dataclass import dataclass


class ResponseKind(enum.Enum):
    """The kind of response, which decides the next step."""

    ACCEPTED = "accepted"
    #: The file name exists on the index; compare the hashes.
    EXISTS = "exists"
    #: Not final: query the index, then try again.
    RETRY = "retry"
    #: Final: the same upload would be rejected again.
    REJECTED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRule:
    """A message of an index and its meaning."""

    #: A case-insensitive regular expression without unbounded repetition, so that a search is linear.
    pattern: str
    diagnosis: str
    #: The next step; None for the default of ``error``.
    hint: str | None = None
    error: type[ReleaseError] = ConflictError
    kind: ResponseKind = ResponseKind.REJECTED
    statuses: frozenset[int] = frozenset({400, 403, 409, 422})
    #: False if the file may be ours in spite of the message, because the listing of the index may lag.
    is_final: bool = True


PUBLISH_NEW_VERSION_HINT = "A file name can be used only once: publish these files under a new version."
_EXISTS = "a file with this name already exists on the index"
_OTHER_NAME = "Choose another project name."
# No hint names the variables with the credentials: they are set, or else nothing would have been uploaded.
_API_TOKEN = "Use an API token that covers this project, with the user name __token__."  # noqa: S105
UPLOAD_URL_HINT = "Pass the upload URL with --repository-url, or the name of a section of .pypirc with -r."
_REBUILD = "Rebuild the file with a recent build tool, then run the command again."
_METADATA = "Correct the project's metadata, rebuild, and run the command again."

#: The first matching rule wins.
RESPONSE_RULES = (
    # PyPI accepts the same bytes again, so it has others, or these under another name.
    ResponseRule(
        pattern=r"already exists \(.{0,300}blake2_256 hash",
        diagnosis=_EXISTS,
        hint=PUBLISH_NEW_VERSION_HINT,
        kind=ResponseKind.EXISTS,
    ),
    ResponseRule(
        pattern=r"already exist|already been taken|already contains|already (?:uploaded|present|published)|"
        r"file exists|exists already|updating asset|cannot be updated|overwrite artifact|delete/overwrite|"
        r"(?:not|cannot|can't) (?:be )?(?:overwrit|replac|redeploy)|there is already a\b",
        diagnosis=_EXISTS,
        hint=PUBLISH_NEW_VERSION_HINT,
        kind=ResponseKind.EXISTS,
        is_final=False,
    ),
    ResponseRule(
        pattern=r"has since been deleted|name (?:has|was|had) (?:already |previously )(?:been )?used|"
        r"name .{0,80}(?:cannot|can't|can not|may not|must not) be (?:re-?used|used again)",
        diagnosis="a file with this name was deleted from the index, and the name can never be used again",
        hint=PUBLISH_NEW_VERSION_HINT,
    ),
    ResponseRule(
        pattern=r"(?:older|more) than \d+ days|(?:release|version)(?: .{1,80})? "
        r"(?:is|was|has been) (?:already )?(?:closed|locked|frozen|sealed|immutable)|immutable release",
        diagnosis="the release is closed: the index accepts no new files for a version this old",
        hint="Publish the files under a new version.",
    ),
    ResponseRule(
        pattern=r"only one sdist",
        diagnosis="the release already has another sdist, and only one is allowed",
        hint="Exclude this sdist with -t, or publish a new version.",
    ),
    ResponseRule(
        pattern=r"too similar to an existing project|conflicts? with an existing project",
        diagnosis="the project name is too similar to that of an existing project",
        hint=_OTHER_NAME,
    ),
    ResponseRule(
        pattern=r"standard library module name",
        diagnosis="the project name is that of a module of the standard library",
        hint=_OTHER_NAME,
    ),
    ResponseRule(
        pattern=r"cannot create new projects",
        diagnosis="trusted publishing cannot create this project: no pending publisher has its name",
        hint="Register a pending publisher with exactly this name, or upload the first file with a token.",
        error=CredentialsError,
    ),
    ResponseRule(
        pattern=r"username/password authentication is no longer supported",
        diagnosis="the index accepts only API tokens, not a user name and password",
        hint="Use an API token with the user name __token__, or trusted publishing.",
        error=CredentialsError,
    ),
    ResponseRule(
        pattern=r"token is expired|expired token",
        diagnosis="the API token has expired",
        hint="Create a new API token and run the same command again.",
        error=CredentialsError,
    ),
    ResponseRule(
        pattern=r"not valid for (?:project|user)|(?:isn't|is not) allowed to upload to project",
        diagnosis="the credentials are not valid for this project (or it is archived or quarantined)",
        hint=_API_TOKEN,
        error=CredentialsError,
    ),
    # After the reasons that a token that was read correctly may have.
    ResponseRule(
        pattern=r"invalid api token|signatures do not match|(?:malformed|unknown|nonexistent) macaroon",
        diagnosis="the API token is not valid: it is mistyped, incomplete, deleted, or of another index",
        hint="Copy the whole token again, or create a new one, and run the same command again.",
        error=CredentialsError,
    ),
    ResponseRule(
        pattern=r"you have been blocked|\bray id\b|request (?:was|has been) blocked|blocked by .{0,80}policy|"
        r"application firewall|attention required|incapsula|captcha|mod_?security|zscaler|fortiguard|"
        r"fortinet|(?:page|request|access|url|site) blocked|errors\.edgesuite|reference #\d{1,9}\.|sucuri",
        diagnosis="a filter in front of the index blocked the upload",
        hint="Ask the operator of the index or of this network to permit uploads from this address.",
        error=NetworkError,
        statuses=frozenset({400, 403, 405, 406}),
    ),
    ResponseRule(
        pattern=r"mirror index|(?:index|repository) is read.?only|proxy repositor",
        diagnosis="this URL does not accept uploads",
        hint=UPLOAD_URL_HINT,
        error=UsageError,
        statuses=frozenset({400, 403, 404, 405}),
    ),
    ResponseRule(
        pattern=r"does not have (?:two.factor|a verified|any verified|2fa)|verified (?:primary )?e?-?mail",
        diagnosis="the account lacks two-factor authentication or a verified e-mail address",
        hint="Log in to the index in a browser and complete the account, then run the same command again.",
        error=CredentialsError,
    ),
    # After "isn't allowed to upload": similar words, about a name.
    ResponseRule(
        pattern=r"project name .{0,200} isn't allowed|name .{0,200} isn't allowed",
        diagnosis="the index does not allow this project name",
        hint=_OTHER_NAME,
    ),
    ResponseRule(
        pattern=r"organi[sz]ation .{0,200}inactive",
        diagnosis="the organisation that owns the project is inactive",
        hint="An owner of the organisation must resolve this with the index; then run the command again.",
        error=CredentialsError,
    ),
    ResponseRule(
        pattern=r"registration (?:is )?temporarily disabled",
        diagnosis="the index does not accept new projects at the moment",
        hint="Check the index's status page, then run the same command again; it continues where it stopped.",
        error=NetworkError,
    ),
    ResponseRule(
        pattern=r"read-only mode|uploads are temporarily disabled",
        diagnosis="the index does not accept uploads at the moment",
        hint="Check the index's status page, then run the same command again; it continues where it stopped.",
        error=NetworkError,
    ),
    ResponseRule(
        pattern=r"too many new projects",
        diagnosis="too many projects were created from this address within the last hour",
        hint="Run the same command again in an hour.",
        error=NetworkError,
        statuses=frozenset({429}),
    ),
    ResponseRule(
        pattern=r"project size too large|project .{0,200} total size",
        diagnosis="the project's files would exceed its total size limit",
        hint="Delete files of old releases or ask the index for a higher limit, then run the command again.",
        error=FileError,
    ),
    ResponseRule(
        pattern=r"file too large|too large|exceeds? .{0,200}(?:size|limit)",
        diagnosis="the file is larger than the index allows",
        hint="Ask the index for a higher limit, or make the file smaller.",
        error=FileError,
        statuses=frozenset({400, 403, 413, 422}),
    ),
    ResponseRule(
        pattern=r"digest supplied does not match|hash mismatch|checksum",
        diagnosis="the file was damaged in transit: the index received other bytes than were sent",
        hint="Run the same command again; if that fails, too, look for a proxy that modifies uploads.",
        error=NetworkError,
    ),
    ResponseRule(
        pattern=r"message digest|python version is required|as python version for an sdist|"
        r"unknown protocol version|should not be a tuple|payload does not have a file|known file type",
        diagnosis="the upload form was modified in transit, or the index expects another form",
        hint="Look for a proxy that modifies uploads, and check that the URL is that of a package index.",
        error=NetworkError,
        statuses=frozenset({400, 422}),
    ),
    ResponseRule(
        pattern=r"unsupported platform tag",
        diagnosis="the index does not accept wheels with this platform tag",
        hint="Repair the wheel (auditwheel, delocate) to get a portable tag, or exclude it.",
        error=FileError,
    ),
    ResponseRule(
        pattern=r"description failed to render",
        diagnosis="the project's description (README) cannot be rendered",
        hint=_METADATA,
        error=FileError,
    ),
    ResponseRule(
        pattern=r"attestation",
        diagnosis="the index does not accept the file's attestations",
        hint="Remove or recreate the attestations, then run the command again.",
        error=FileError,
    ),
    ResponseRule(
        pattern=r"encrypted content is not allowed",
        diagnosis="the index does not accept obfuscated code",
        hint="Publish the code without obfuscation, or exclude the file.",
        error=FileError,
    ),
    ResponseRule(
        pattern=r"use of local versions",
        diagnosis="the version has a local part (+...), which the index does not accept",
        hint="Build the release with a version without '+', then run the command again.",
        error=FileError,
    ),
    ResponseRule(
        pattern=r"direct dependency",
        diagnosis="a dependency is a direct URL reference, which the index does not accept",
        hint=_METADATA,
        error=FileError,
    ),
    ResponseRule(
        pattern=r"does not contain the required|entry points|WHEEL not found|PKG-INFO not found|"
        r"license-file .{0,200} does not exist",
        diagnosis="a required file inside is missing or unreadable",
        hint=_REBUILD,
        error=FileError,
    ),
    ResponseRule(
        pattern=r"invalid value for|core-metadata|metadata|classifier|not a valid url|"
        r"summary.{0,200}single line",
        diagnosis="the index does not accept the file's metadata",
        hint=_METADATA,
        error=FileError,
    ),
    ResponseRule(
        pattern=r"invalid distribution file|compression (?:ratio|type)|archive not accepted|"
        r"not a (?:zip|tar)file|both a zip and a tar|top-level directories",
        diagnosis="the index considers the file an invalid archive",
        hint=_REBUILD,
        error=FileError,
    ),
    ResponseRule(
        pattern=r"filename|file extension|file with .{0,200} in the name|non-printable characters",
        diagnosis="the index does not accept the file's name",
        hint=_REBUILD,
        error=FileError,
        statuses=frozenset({400, 422}),
    ),
)

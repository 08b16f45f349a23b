"""The meaning of the API's responses to requests that change something. Performs no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    TransportError,
    UsageError,
)
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http import retry
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

_MAX_QUOTE = 300
_MAX_ERRORS = 5

RIGHTS_HINT = (
    "The token needs to write to the repository: 'permissions: contents: write' for the job's GITHUB_TOKEN, "
    "'Contents: read and write' for a fine-grained token, the scope 'repo' for a classic one."
)
TOKEN_HINT = "Renew the token; the line 'login:' names the variable that has it."  # noqa: S105 (not a token)
IMMUTABLE_HINT = (
    "An immutable release accepts no files any more, and deleting it does not free its tag: publish these "
    "files under a new version."
)
#: How GitHub words the rejection of a file for a release that was published as immutable.
_IMMUTABLE = "immutable release"


def classify(status: int, headers: Mapping[str, str], body: str) -> UploadResponse:
    """Return what a response means; ``headers`` have lower-case names."""
    message, codes = read_error(body)
    if 200 <= status < 300:
        return UploadResponse(kind=ResponseKind.ACCEPTED, status=status)
    if status in (403, 429) and is_rate_limited(headers, message):
        return _rate_limited(status, headers, message)
    if status in retry.RETRYABLE_STATUSES or status >= 500:
        return UploadResponse(
            kind=ResponseKind.RETRY,
            status=status,
            diagnosis=_quote("GitHub returned a server error", message),
            retry_after=retry.parse_retry_after(headers.get("retry-after", "")),
        )
    if status == 422 and _IMMUTABLE in message.lower():
        return reject(status, "the release is immutable", ConflictError, message, IMMUTABLE_HINT)
    if status == 422 and "already_exists" in codes:
        return UploadResponse(
            kind=ResponseKind.EXISTS,
            status=status,
            diagnosis=_quote("the release has an asset with this name already", message),
            error_type=ConflictError,
        )
    return _rejected(status, message)


def _rejected(status: int, message: str) -> UploadResponse:
    match status:
        case 401:
            return reject(status, "GitHub rejected the token", CredentialsError, message, TOKEN_HINT)
        case 403:
            return reject(status, "the token may not do this", CredentialsError, message, RIGHTS_HINT)
        case 404:
            diagnosis = "the release is gone, or the token may not write to it"
            return reject(status, diagnosis, CredentialsError, message, RIGHTS_HINT)
        case 413:
            diagnosis = "the file is larger than GitHub allows"
            return reject(status, diagnosis, FileError, message, "GitHub accepts less than 2 GiB for a file.")
        case 422:
            return reject(status, "GitHub rejected it", FileError, message, "Correct what the message names.")
        case _ if 300 <= status < 400:
            hint = "Pass the URL of the repository that GitHub shows in a browser: it may have been renamed."
            return reject(status, "GitHub redirects the request", UsageError, message, hint)
        case _:
            return reject(status, "GitHub rejected the request", NetworkError, message, None)


def reject(
    status: int, diagnosis: str, error_type: type[ReleaseError], message: str, hint: str | None
) -> UploadResponse:
    """Return a final rejection."""
    return UploadResponse(
        kind=ResponseKind.REJECTED,
        status=status,
        diagnosis=_quote(diagnosis, message),
        hint=hint,
        error_type=error_type,
        is_final=True,
    )


def _quote(diagnosis: str, message: str) -> str:
    """Return a diagnosis with the words of GitHub."""
    return f'{diagnosis}; GitHub said: "{message}"' if message else diagnosis


def from_exception(error: NetworkError) -> UploadResponse:
    """Return the meaning of a request without a usable response: it may have been done, or not."""
    if isinstance(error, TransportError):
        return UploadResponse(kind=ResponseKind.RETRY, status=0, diagnosis=error.message)
    return UploadResponse(
        kind=ResponseKind.REJECTED, status=0, diagnosis=error.message, hint=error.hint, error_type=type(error)
    )


def is_rate_limited(headers: Mapping[str, str], message: str) -> bool:
    """Return whether a 403 or 429 is about the number of requests, and not about rights."""
    return (
        headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in headers
        or "rate limit" in message.lower()
    )


def _rate_limited(status: int, headers: Mapping[str, str], message: str) -> UploadResponse:
    wait = retry.parse_rate_limit(headers)
    diagnosis = "GitHub is rate-limiting" + (
        f", retry after {format_duration(wait)}" if wait is not None else ""
    )
    is_long = wait is not None and wait > retry.MAX_RETRY_AFTER
    return UploadResponse(
        kind=ResponseKind.REJECTED if is_long else ResponseKind.RETRY,
        status=status,
        diagnosis=_quote(diagnosis, message),
        hint="Run the same command again after that time; it continues where it stopped.",
        error_type=NetworkError,
        retry_after=wait,
    )


def read_error(body: str) -> tuple[str, frozenset[str]]:
    """Return the message of an error, sanitized, and the codes of its single errors."""
    try:
        data = bounds.load_json(body) if body.lstrip().startswith("{") else {}
    except ValueError:
        data = {}
    message = data.get("message")
    errors = data.get("errors")
    listed = errors[:_MAX_ERRORS] if isinstance(errors, list) else []
    codes = {str(error.get("code")) for error in listed if isinstance(error, dict)}
    texts = [error if isinstance(error, str) else _describe_error(error) for error in listed]
    parts = [message if isinstance(message, str) else "", *texts]
    return sanitize("; ".join(filter(None, parts)), limit=_MAX_QUOTE), frozenset(codes)


def _describe_error(error: object) -> str:
    if not isinstance(error, dict):
        return ""
    words = [error.get("message")] if error.get("message") else [error.get("field"), error.get("code")]
    return " ".join(word for word in words if isinstance(word, str))

"""Errors of trusted publishing: why there is no token for the identity of a CI job. Performs no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize

_USE_TOKEN = "Or set TWINE_PASSWORD to an API token."  # noqa: S105 (no token)
_CHECK_PUBLISHER = (
    "Compare the publisher on the index with this repository, workflow and environment. The job needs the "
    f"permission 'id-token: write'. {_USE_TOKEN}"
)
_RUN_AGAIN = "Run the job again: an identity is valid for one token and a few minutes."


@dataclass(frozen=True, slots=True, kw_only=True)
class MintError:
    """The meaning of an error code of PyPI, and what to do."""

    diagnosis: str
    hint: str = _CHECK_PUBLISHER
    #: True if another identity of the same job may be accepted.
    is_retryable: bool = False


#: By the error codes of PyPI (status 422).
MINT_ERRORS = {
    "invalid-publisher": MintError(
        diagnosis="no publisher on the index matches this repository, workflow and environment"
    ),
    "invalid-pending-publisher": MintError(
        diagnosis="the pending publisher cannot create its project: the name is taken or not allowed",
        hint=f"Check the pending publishers of your account and the project's name. {_USE_TOKEN}",
    ),
    "invalid-token": MintError(
        diagnosis="the CI identity was not accepted: it has expired or has another audience", hint=_RUN_AGAIN
    ),
    "invalid-reuse-token": MintError(
        diagnosis="the CI identity was used before", hint=_RUN_AGAIN, is_retryable=True
    ),
    "not-enabled": MintError(
        diagnosis="trusted publishing is disabled on the index, or for this CI",
        hint=f"Check the index's status page. {_USE_TOKEN}",
    ),
    "invalid-payload": MintError(
        diagnosis="the index cannot parse the CI identity",
        hint=f"Report this, with the CI's name and version. {_USE_TOKEN}",
    ),
}
#: The lines of a twine message, one for each code.
_CODE_LINES = re.compile(r"(?m)^\* `([^`\n]{1,60})`: (.*)$")


def mint_error(index: str, message: str) -> CredentialsError:
    """Return the error for a missing token; ``message`` is twine's message or why no response arrived."""
    codes = _CODE_LINES.findall(message)
    reasons = [MINT_ERRORS[code] for code, _ in codes if code in MINT_ERRORS]
    words = "; ".join(f"{code}: {text}" for code, text in codes)
    if reasons:
        reason = f"{reasons[0].diagnosis} (status 422)"
    else:
        reason = "the index issued no token" if codes else sanitize(message)
    quote = f'; the index said: "{sanitize(words, limit=400)}"' if words else ""
    return CredentialsError(
        f"trusted publishing with {sanitize(index)} failed: {reason}{quote}",
        hint=reasons[0].hint if reasons else _CHECK_PUBLISHER,
    )


def is_retryable(message: str) -> bool:
    """Return whether another attempt with a new identity may succeed."""
    codes = {code for code, _ in _CODE_LINES.findall(message)}
    return "invalid JSON" in message or any(
        code in MINT_ERRORS and MINT_ERRORS[code].is_retryable for code in codes
    )


def find_missing_permission(environment: Mapping[str, str]) -> str:
    """Return why a CI job certainly has no identity, from its variables; empty if it may have one."""
    if environment.get("GITHUB_ACTIONS") and not environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        return "the job lacks the permission 'id-token: write'"
    if environment.get("GITLAB_CI") and not any(name.endswith("_ID_TOKEN") for name in environment):
        return "the job has no 'id_tokens' (PYPI_ID_TOKEN)"
    return ""

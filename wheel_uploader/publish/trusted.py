"""Errors of trusted publishing: why an index issued no token for a CI identity. Performs no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wheel_uploader.display import printable
from wheel_uploader.errors import CredentialsError

_USE_TOKEN = "Or set TWINE_PASSWORD to an API token."  # noqa: S105 (no token)
_CHECK_PUBLISHER = (
    "Compare the publisher on the index with this repository, workflow and environment. The job needs the "
    f"permission 'id-token: write'. {_USE_TOKEN}"
)
_RUN_AGAIN = "Run the job again: an identity is valid for one token and a few minutes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """The meaning of an error code of PyPI, and what to do."""

    diagnosis: str
    hint: str = _CHECK_PUBLISHER
    #: True if another identity of the same job may be accepted.
    passing: bool = False


#: By the error codes of PyPI (status 422).
REASONS = {
    "invalid-publisher": Reason(
        diagnosis="no publisher on the index matches this repository, workflow and environment"
    ),
    "invalid-pending-publisher": Reason(
        diagnosis="the pending publisher cannot create its project: the name is taken or not allowed",
        hint=f"Check the pending publishers of your account and the project's name. {_USE_TOKEN}",
    ),
    "invalid-token": Reason(
        diagnosis="the CI identity was not accepted: it has expired or has another audience", hint=_RUN_AGAIN
    ),
    "invalid-reuse-token": Reason(diagnosis="the CI identity was used before", hint=_RUN_AGAIN, passing=True),
    "not-enabled": Reason(
        diagnosis="trusted publishing is disabled on the index, or for this CI",
        hint=f"Check the index's status page. {_USE_TOKEN}",
    ),
    "invalid-payload": Reason(
        diagnosis="the index cannot parse the CI identity",
        hint=f"Report this, with the CI's name and version. {_USE_TOKEN}",
    ),
}
#: The lines of a twine message, one for each code.
_CODE_LINES = re.compile(r"(?m)^\* `([^`\n]{1,60})`: (.*)$")


def not_minted(index: str, said: str) -> CredentialsError:
    """Return the error for a missing token; ``said`` is twine's message or why no response arrived."""
    codes = _CODE_LINES.findall(said)
    reasons = [REASONS[code] for code, _ in codes if code in REASONS]
    words = "; ".join(f"{code}: {text}" for code, text in codes)
    if reasons:
        reason = f"{reasons[0].diagnosis} (status 422)"
    else:
        reason = "the index issued no token" if codes else printable(said)
    quote = f'; the index said: "{printable(words, limit=400)}"' if words else ""
    return CredentialsError(
        f"trusted publishing with {printable(index)} failed: {reason}{quote}",
        hint=reasons[0].hint if reasons else _CHECK_PUBLISHER,
    )


def may_pass(said: str) -> bool:
    """Return whether another attempt with a new identity may succeed."""
    codes = {code for code, _ in _CODE_LINES.findall(said)}
    return "invalid JSON" in said or any(code in REASONS and REASONS[code].passing for code in codes)

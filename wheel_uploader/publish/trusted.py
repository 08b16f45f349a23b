"""Why an index gave no token for the identity of a CI (trusted publishing), in our words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wheel_uploader.display import printable
from wheel_uploader.errors import CredentialsError

_TOKEN_INSTEAD = "Or give an API token as TWINE_PASSWORD."  # noqa: S105 (no token)
_COMPARE = (
    "Compare the publisher on the index with this repository, workflow and environment; the job needs the "
    f"permission 'id-token: write'. {_TOKEN_INSTEAD}"
)
_AGAIN = "Run the job again: each identity is good for one token, and for a few minutes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a code of PyPI's means, and what to do."""

    diagnosis: str
    hint: str = _COMPARE
    #: Whether a new identity of the same job may be taken.
    passing: bool = False


#: By the codes with which PyPI refuses (status 422).
REASONS = {
    "invalid-publisher": Reason(
        diagnosis="no publisher of a project there has this repository, workflow and environment"
    ),
    "invalid-pending-publisher": Reason(
        diagnosis="the pending publisher cannot make its project: the name is taken, or not allowed",
        hint=f"Look at the pending publishers of your account, and at the project's name. {_TOKEN_INSTEAD}",
    ),
    "invalid-token": Reason(
        diagnosis="the identity of the CI is not accepted: expired, or meant for somebody else", hint=_AGAIN
    ),
    "invalid-reuse-token": Reason(
        diagnosis="the identity of the CI was used before", hint=_AGAIN, passing=True
    ),
    "not-enabled": Reason(
        diagnosis="the index takes no identities at the moment, or none of this CI",
        hint=f"Look at the index's status page. {_TOKEN_INSTEAD}",
    ),
    "invalid-payload": Reason(
        diagnosis="the index does not understand the identity of the CI",
        hint=f"Report this, with the CI's name and version. {_TOKEN_INSTEAD}",
    ),
}
#: As twine words it: one line for each code.
_CODES = re.compile(r"(?m)^\* `([^`\n]{1,60})`: (.*)$")


def not_minted(index: str, said: str) -> CredentialsError:
    """No token came; ``said``: what twine made of the answer, or why there was none."""
    found = _CODES.findall(said)
    known = [REASONS[code] for code, _ in found if code in REASONS]
    words = "; ".join(f"{code}: {text}" for code, text in found)
    if known:
        why = f"{known[0].diagnosis} (status 422)"
    else:
        why = "the index gave no token" if found else printable(said)
    quoted = f'; the index said: "{printable(words, limit=400)}"' if words else ""
    return CredentialsError(
        f"trusted publishing with {printable(index)} failed: {why}{quoted}",
        hint=known[0].hint if known else _COMPARE,
    )


def may_pass(said: str) -> bool:
    """Whether asking once more, with a new identity, may help."""
    codes = {code for code, _ in _CODES.findall(said)}
    return "invalid JSON" in said or any(code in REASONS and REASONS[code].passing for code in codes)

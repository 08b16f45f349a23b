"""The token for anaconda.org: where it comes from, and whether it can be one."""

from __future__ import annotations

import os
import re
from dataclasses import field

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import TargetSettings
from wheel_uploader.core.redaction import register_secret, sanitize
from wheel_uploader.upload.credential_values import check_password

#: The variables of anaconda-client, the first that is set wins.
TOKEN_VARIABLES = ("ANACONDA_API_TOKEN", "BINSTAR_API_TOKEN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token and its origin, for messages; both are empty if there is none."""

    value: str = field(default="", repr=False)
    origin: str = ""


def find_token(settings: TargetSettings, *, from_url: str = "", pypirc_password: str = "") -> Token:
    """Return the token of the section's variable, the URL, the environment or .pypirc, in this order.

    Raises CredentialsError for a value that cannot be a token, which is never shown.
    """
    candidates = [(settings.token_variable, os.environ.get(settings.token_variable, ""))]
    candidates += [("the upload URL", from_url)]
    candidates += [(name, os.environ.get(name, "")) for name in TOKEN_VARIABLES]
    candidates += [(".pypirc", pypirc_password)]
    for origin, value in candidates:
        token = value.strip()
        if not origin or not token:
            continue
        register_secret(token)
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise CredentialsError(
                f"the token in {sanitize(origin)} contains blanks or control characters",
                hint="Set it to the token alone.",
            )
        if warnings := check_password(token, origin=origin, is_pypi=False).warnings:
            message = warnings[0].replace("the password from", "the token in")
            raise CredentialsError(sanitize(message), hint="Set it to the token alone.")
        return Token(value=token, origin=origin)
    return Token()


def explain_missing(settings: TargetSettings) -> CredentialsError:
    """Return the error for a run that uploads and has no token."""
    name = settings.token_variable or TOKEN_VARIABLES[0]
    return CredentialsError(
        f"there is no token for anaconda.org: {sanitize(name)} is not set",
        hint=f"Create a token in the settings of the organization, and set {sanitize(name)} to it.",
    )

"""The settings of one target: ``[tool.wheel-uploader.targets.NAME]``, or a section of .pypirc."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models.enums import CheckProfile
from wheel_uploader.core.redaction import sanitize


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """A target that ``-r NAME`` selects. Options of the command line override its values."""

    #: The upload URL; empty if .pypirc has it.
    url: str = ""
    index_url: str | None = None
    profile: CheckProfile | None = None
    #: Name of the environment variable with the token.
    token_variable: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, object], where: str) -> Self:
        """Return the settings of a section, whose keys may have dashes. Raises UsageError.

        ``where`` names the section in messages.
        """
        known = {key.replace("-", "_"): value for key, value in values.items()}
        unknown = known.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise UsageError(f"{sanitize(where)} has unknown keys: {sanitize(', '.join(sorted(unknown)))}")
        for key, value in known.items():
            if not isinstance(value, str) or not value.strip():
                raise UsageError(f"{sanitize(f'{where} {key}')} is not a text", hint="Correct the section.")
        if profile := known.get("profile"):
            known["profile"] = _parse_profile(str(profile), where)
        return cls(**known)  # type: ignore[arg-type]


#: The keys of a section of .pypirc in addition to those of twine.
SETTING_KEYS = tuple(field.name.replace("_", "-") for field in fields(TargetSettings) if field.name != "url")


def _parse_profile(name: str, where: str) -> CheckProfile:
    try:
        return CheckProfile(name)
    except ValueError:
        raise UsageError(
            f"{sanitize(f'{where} profile')} is not a rule set", hint=f"Use {' or '.join(CheckProfile)}."
        ) from None

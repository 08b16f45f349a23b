"""The settings of one target: ``[tool.wheel-uploader.targets.NAME]``, or a section of .pypirc."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Self

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
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
    #: Labels on anaconda.org.
    labels: tuple[str, ...] = ()
    #: Base URL of the API of another server than anaconda.org.
    anaconda_api: str = ""
    #: Removal of older releases after each run, as the options of these names.
    prune: int | None = None
    prune_days: int | None = None
    prune_final: bool = False
    #: The password of a section of .pypirc.
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, values: Mapping[str, object], where: str) -> Self:
        """Return the settings of a section, whose keys may have dashes. Raises UsageError.

        ``where`` names the section in messages.
        """
        known = {key.replace("-", "_"): value for key, value in values.items()}
        unknown = known.keys() - {key.replace("-", "_") for key in ("url", *SETTING_KEYS)}
        if unknown:
            raise UsageError(f"{sanitize(where)} has unknown keys: {sanitize(', '.join(sorted(unknown)))}")
        if "labels" in known:
            known["labels"] = _parse_labels(known["labels"], where)
        for key in _NUMBERS.keys() & known.keys():
            known[key] = _parse_number(key, known[key], where)
        if "prune_final" in known:
            known["prune_final"] = _parse_flag("prune_final", known["prune_final"], where)
        for key, value in known.items():
            if key not in _OTHER_THAN_TEXTS and (not isinstance(value, str) or not value.strip()):
                raise UsageError(f"{sanitize(f'{where} {key}')} is not a text", hint="Correct the section.")
        if profile := known.get("profile"):
            known["profile"] = _parse_profile(str(profile), where)
        return cls(**known)  # type: ignore[arg-type]


#: The keys of a section of .pypirc in addition to those of twine.
SETTING_KEYS = tuple(
    known.name.replace("_", "-") for known in fields(TargetSettings) if known.name not in ("url", "password")
)


#: The keys with a whole number, and its maximum; the minimum is 1.
_NUMBERS = {"prune": 100_000, "prune_days": 36_500}
_OTHER_THAN_TEXTS = frozenset({"labels", "prune_final", *_NUMBERS})


def _parse_number(key: str, value: object, where: str) -> int:
    """Return a whole number, or that of a text, as in .pypirc."""
    number = bounds.parse_digits(value.strip()) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= _NUMBERS[key]:
        name = key.replace("_", "-")
        raise UsageError(
            f"{sanitize(f'{where} {name}')} is not a whole number from 1 to {_NUMBERS[key]}",
            hint="Correct the section.",
        )
    return number


def _parse_flag(key: str, value: object, where: str) -> bool:
    """Return true or false, or that of a text, as in .pypirc."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    flag = words.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(flag, bool):
        name = key.replace("_", "-")
        raise UsageError(f"{sanitize(f'{where} {name}')} is not true or false", hint="Correct the section.")
    return flag


def _parse_labels(value: object, where: str) -> tuple[str, ...]:
    """Return a list of labels, or those of a text with commas or blanks between them, as in .pypirc."""
    labels = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise UsageError(f"{sanitize(f'{where} labels')} is not a list of texts", hint="Correct the section.")
    return tuple(labels)


def _parse_profile(name: str, where: str) -> CheckProfile:
    try:
        return CheckProfile(name)
    except ValueError:
        raise UsageError(
            f"{sanitize(f'{where} profile')} is not a rule set", hint=f"Use {' or '.join(CheckProfile)}."
        ) from None

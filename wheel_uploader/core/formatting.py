"""Texts for sizes, durations and counts, and durations parsed from text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wheel_uploader.core.redaction import sanitize

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_SECONDS = re.compile(_NUMBER)
_WITH_UNITS = re.compile(f"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")

_SINGULAR_VERBS = {"are": "is", "have": "has", "do": "does"}


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 file``, ``2 files``, ``2 entries``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun.removesuffix('y')}ies" if noun.endswith("ry") else f"{number} {noun}s"


def format_verb(number: int, verb: str) -> str:
    """Return the verb for a number of things, ``is`` or ``are``; ``verb`` is the plural."""
    return _SINGULAR_VERBS.get(verb, f"{verb}s") if number == 1 else verb


def format_share(part: int, total: int, noun: str, verb: str) -> str:
    """Return how many of a total do something, with the verb in its number: ``1 of 3 files conflicts``.

    ``verb`` is the plural.
    """
    return f"{part} of {format_count(total, noun)} {format_verb(part, verb)}"


def join_some(values: Iterable[object], limit: int = 4) -> str:
    """Return the first ``limit`` of ``values`` as text, and how many more there are."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def format_duration(seconds: float) -> str:
    """Format a duration: ``35 ms``, ``0.4 s``, ``90 s``, ``3 min 20 s``, ``1 h 30 min``, ``3 days``.

    It is rounded to what matters at that length. Every message and report has durations in this form.
    """
    seconds = max(0.0, seconds)
    if 0.0005 <= seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    total = round(seconds)
    if total < 120:
        return f"{total} s"
    minutes = round(total / 60)
    if total < 600:
        return _join_units((total // 60, "min"), (total % 60, "s"))
    if minutes < 2 * 24 * 60:
        return _join_units((minutes // 60, "h"), (minutes % 60, "min"))
    days, hours = divmod(round(minutes / 60), 24)
    return _join_units((days, "days"), (hours if days < 10 else 0, "h"))


def _join_units(*values: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in values if number)


def format_size(size: int | None) -> str:
    """Format a size in bytes: ``1.2 MB`` (decimal units, as on indexes), or ``?`` if it is None."""
    if size is None:
        return "?"
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def format_approximate_size(size: int) -> str:
    """Format a size in bytes that is only roughly known, with two significant digits: ``about 350 MB``."""
    return f"about {format_size(round(float(f'{size:.1e}'))).replace('.0 ', ' ')}"


def parse_duration(text: str) -> float:
    """Return the seconds in ``20m``, ``90s``, ``1h30m``, ``3d`` or a plain number. Raises ValueError."""
    normalized = "".join(text.split()).lower()
    match = _WITH_UNITS.fullmatch(f"{normalized}s" if _SECONDS.fullmatch(normalized) else normalized)
    if not normalized or not match:
        shown = sanitize(text, limit=100)
        raise ValueError(f"'{shown}' is not a duration; use a form like 20m, 90s or 1h30m")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    # Imported here to keep --help fast.
    from wheel_uploader.core import bounds

    if bounds.bounded_seconds(total) is None:
        raise ValueError(f"'{sanitize(text, limit=100)}' is longer than ten years")
    return total

"""Description-Content-Type, limited to simple forms that every parser on every Python reads alike."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MIME_WORD = r"[A-Za-z0-9!#$&^_.+-]+"
_PARAMETER_NAME = r";[ \t]*([A-Za-z0-9_-]+)[ \t]*=[ \t]*"
_PARAMETER = re.compile(rf"{_PARAMETER_NAME}(?:([^\s;\"]+)|\"([^\"]*)\")")
_WORD = r"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=*]+"
_QUOTED = r"\"[^\x00-\x1f\x7f\"\\]*\""
_SIMPLE_CONTENT_TYPE = re.compile(
    rf"[ \t]*{_MIME_WORD}/{_MIME_WORD}[ \t]*"
    rf"(?:{_PARAMETER_NAME}(?:{_WORD}|{_QUOTED})[ \t]*)*;?[ \t]*\Z"
)
_CONTENT_TYPES = ("text/markdown", "text/plain", "text/x-rst")
_VARIANTS = ("CommonMark", "GFM")


def describe_content_type_problem(value: str) -> str:
    """Return a clause that says why a Description-Content-Type is invalid; empty if it is valid.

    The rules are those of packaging, which PyPI uses; forms that its parser reads differently on different
    Python versions are rejected.
    """
    parameters = dict(_iter_parameters(value))
    if not _SIMPLE_CONTENT_TYPE.match(value) or len(parameters) != len(list(_iter_parameters(value))):
        return "it must be a content type with simple parameters"
    kind = get_media_type(value)
    if kind not in _CONTENT_TYPES:
        return f"it must be one of {', '.join(_CONTENT_TYPES)}"
    if parameters.get("charset", "UTF-8").upper() != "UTF-8":
        return "its charset must be UTF-8"
    if kind == "text/markdown" and parameters.get("variant", "GFM") not in _VARIANTS:
        return f"its variant must be one of {', '.join(_VARIANTS)}"
    return ""


def get_media_type(value: str) -> str:
    """Return the bare type in lower case; text/x-rst if it is empty, text/plain if it is malformed."""
    kind = value.partition(";")[0].strip().lower()
    if not value.strip():
        return "text/x-rst"
    return kind if kind.count("/") == 1 else "text/plain"


def get_charset(value: str) -> str:
    """Return the charset parameter as it is spelled; empty if there is none."""
    return dict(_iter_parameters(value)).get("charset", "")


def _iter_parameters(value: str) -> Iterator[tuple[str, str]]:
    """Yield the name in lower case and the text of each parameter."""
    for name, word, quoted in _PARAMETER.findall(value):
        yield name.lower(), word or quoted

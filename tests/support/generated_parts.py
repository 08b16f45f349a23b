"""Replaces the generated parts of a page: the text between ``.. NAME begins`` and ``.. NAME ends``."""

from __future__ import annotations

from collections.abc import Mapping


def replace_parts(text: str, parts: Mapping[str, str]) -> str:
    """Return the page's text with these parts, by NAME, replaced."""
    for name, part in parts.items():
        before, _, rest = text.partition(f".. {name} begins\n")
        _, _, after = rest.partition(f".. {name} ends\n")
        text = f"{before}.. {name} begins\n\n{part}\n\n.. {name} ends\n{after}"
    return text

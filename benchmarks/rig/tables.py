"""A table as Markdown or reStructuredText, and the same as bars in an SVG. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _BAR, _LABEL = 760, 22, 300


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, rst: bool) -> str:
    """The rows under their heads; cells hold no markup."""
    return _rst(head, rows) if rst else _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(each)} |" for each in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def _rst(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(each[column]) for each in (head, *rows)) for column in range(len(head))]
    rule = "  ".join("=" * width for width in widths)
    # An empty first cell would continue the row above.
    body = [
        "  ".join(f"{cell or (chr(92) if not column else ''):{width}}" for column, (cell, width) in
                  enumerate(zip(each, widths, strict=True))).rstrip()
        for each in rows
    ]  # fmt: skip
    first = "  ".join(f"{cell:{width}}" for cell, width in zip(head, widths, strict=True)).rstrip()
    return "\n".join([rule, first, rule, *body, rule])


def bars(title: str, values: Mapping[str, float], ours: Sequence[str], *, unit: str = "s") -> str:
    """An SVG with one bar for each value, the shortest the best."""
    longest = max(values.values()) or 1.0
    height = 40 + len(values) * (_BAR + 6)
    size = f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(values.items()):
        top = 34 + number * (_BAR + 6)
        width = max(1.0, value / longest * (_WIDTH - _LABEL - 80))
        colour = "#2a7ae2" if name in ours else "#b0b4ba"
        parts.append(
            f'<text x="{_LABEL - 8}" y="{top + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR - 2}" fill="{colour}"/>'
            f'<text x="{_LABEL + width + 6:.1f}" y="{top + 15}">{value:.2f} {escape(unit)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])

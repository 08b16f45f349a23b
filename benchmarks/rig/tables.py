"""Formats tables in Markdown or reStructuredText, and bar charts in SVG. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.rig.measure import Cost

_WIDTH, _BAR_HEIGHT, _LABEL_WIDTH = 760, 22, 300


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, rst: bool) -> str:
    """Return a table; its cells must not contain markup."""
    return _format_rst(head, rows) if rst else _format_markdown(head, rows)


def format_costs(
    costs: Mapping[str, Cost],
    own: Cost | None,
    file_count: int,
    *,
    digits: int = 2,
    files_are_known: bool = True,
    rst: bool,
) -> str:
    """Return a table with a row for each tool, compared with ``own``."""
    head = ["tool", "seconds", "times ours", "CPU s", "peak MB", "files"]
    rows = [
        [
            name,
            f"{cost.wall:.{digits}f}",
            f"{cost.wall / own.wall:.2f}" if own else "",
            f"{cost.cpu:.{digits}f}",
            f"{cost.megabytes:.0f}",
            f"{cost.files} of {file_count}" if files_are_known else "",
        ]
        for name, cost in costs.items()
    ]
    return format_table(head, rows, rst=rst)


def _format_markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def _format_rst(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = "  ".join("=" * width for width in widths)
    # A row with an empty first cell would continue the row above.
    body = [
        "  ".join(f"{cell or (chr(92) if not column else ''):{width}}" for column, (cell, width) in
                  enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]  # fmt: skip
    header = "  ".join(f"{cell:{width}}" for cell, width in zip(head, widths, strict=True)).rstrip()
    return "\n".join([rule, header, rule, *body, rule])


def draw_costs(title: str, costs: Mapping[str, Cost], highlighted: Sequence[str]) -> str:
    """Return an SVG with the wall seconds of each tool."""
    return draw_bars(title, {name: cost.wall for name, cost in costs.items()}, highlighted)


def draw_bars(title: str, values: Mapping[str, float], highlighted: Sequence[str], *, unit: str = "s") -> str:
    """Return an SVG with one bar for each value; shorter is better."""
    longest = max(values.values()) or 1.0
    height = 40 + len(values) * (_BAR_HEIGHT + 6)
    size = f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(values.items()):
        top, bar_height = 34 + number * (_BAR_HEIGHT + 6), _BAR_HEIGHT - 2
        width = max(1.0, value / longest * (_WIDTH - _LABEL_WIDTH - 80))
        colour = "#2a7ae2" if name in highlighted else "#b0b4ba"
        parts.append(
            f'<text x="{_LABEL_WIDTH - 8}" y="{top + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{bar_height}" fill="{colour}"/>'
            f'<text x="{_LABEL_WIDTH + width + 6:.1f}" y="{top + 15}">{value:.2f} {escape(unit)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])

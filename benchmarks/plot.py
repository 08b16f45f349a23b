"""Draws a log-log plot as a small SVG: one line for each series, decades on both axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 360, 70, 150, 40, 50
_FONT = 'font-family="sans-serif" font-size="12"'
#: Colours with enough contrast on white and grey, and dash patterns that differ without colour.
_STYLES = (("#0b62a4", ""), ("#b4460f", "6 3"), ("#2e7d32", "2 3"), ("#6a1b9a", "8 3 2 3"), ("#555", "1 2"))

Point = tuple[float, float]


def log_log(title: str, x_label: str, y_label: str, series: Mapping[str, Sequence[Point]]) -> str:
    """Return the SVG of ``series``, whose values must be positive."""
    xs, ys = zip(*(point for points in series.values() for point in points), strict=True)
    x_low, x_high = _find_decades(xs)
    y_low, y_high = _find_decades(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        fraction_x = (math.log10(x) - x_low) / (x_high - x_low)
        fraction_y = (math.log10(y) - y_low) / (y_high - y_low)
        return (
            round(_LEFT + fraction_x * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_HEIGHT - _BOTTOM - fraction_y * (_HEIGHT - _TOP - _BOTTOM), 1),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18" font-size="14">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 10}">{escape(x_label)}</text>',
        f'<text x="14" y="{_TOP - 6}">{escape(y_label)}</text>',
    ]
    for power in range(x_low, x_high + 1):
        x, bottom = place(10**power, 10**y_low)
        parts.append(f'<path d="M{x} {_TOP}V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{_format_label(power)}</text>')
    for power in range(y_low, y_high + 1):
        left, y = place(10**x_low, 10**power)
        parts.append(f'<path d="M{left} {y}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{_format_label(power)}</text>')
    labels = _spread_labels({name: place(*points[-1])[1] for name, points in series.items()})
    for (name, points), (colour, dashes) in zip(series.items(), _STYLES, strict=False):
        places = [place(*point) for point in points]
        line = " ".join(f"{x},{y}" for x, y in places)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/>'
        )
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
        x = places[-1][0]
        parts.append(f'<text x="{x + 8}" y="{labels[name] + 4}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _spread_labels(heights: Mapping[str, float]) -> dict[str, float]:
    """Return ``heights`` of labels, moved down where labels would overlap."""
    placed: dict[str, float] = {}
    lowest = 0.0
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        lowest = placed[name] = max(height, lowest)
        lowest += 14
    return placed


def _find_decades(values: Sequence[float]) -> tuple[int, int]:
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _format_label(power: int) -> str:
    value = 10.0**power
    return f"{value:,.0f}" if power >= 0 else f"{value:.{-power}f}"

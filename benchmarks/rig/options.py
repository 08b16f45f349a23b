"""Options that the benchmarks over a line share, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.rig import indexes
from benchmarks.rig.link import Line
from benchmarks.rig.measure import Contender

CommandFunction = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The values of the options; those that a benchmark does not have are not used."""

    project: str
    version: str
    cache: Path
    #: Milliseconds, Mbit/s, and a percentage.
    delay: float
    rate: float
    loss: float = 0.0
    runs: int
    only: str | None
    proxy: bool
    rst: bool
    scratch: Path | None
    #: The kind of index.
    kind: str = ""
    think: float = 0.0
    svg: Path | None = None

    @property
    def line(self) -> Line:
        return Line(delay=self.delay / 1000, rate=self.rate * 1e6, loss=self.loss / 100)

    def select(self, contenders: Iterable[Contender]) -> list[Contender]:
        """Return the contenders whose names match ``--only``."""
        return [each for each in contenders if not self.only or re.search(self.only, each.name)]


def add_line_options(function: CommandFunction) -> CommandFunction:
    """Add the options for the cache, the line, the rounds and the output."""
    return _add_options(
        function,
        click.option(
            "--cache",
            type=click.Path(path_type=Path),
            default=Path("cache"),
            help="Keep the downloaded wheels here.",
        ),
        click.option(
            "--delay", type=float, default=80.0, show_default=True, help="Round-trip time in milliseconds."
        ),
        click.option("--rate", type=float, default=1000.0, show_default=True, help="Rate in Mbit/s."),
        click.option("--runs", type=int, default=3, show_default=True),
        click.option("--only", help="Run only contenders whose names match this regular expression."),
        click.option("--proxy", is_flag=True, help="Use the proxy, which does not need root."),
        click.option("--rst", is_flag=True, help="Print reStructuredText instead of Markdown."),
        click.option(
            "--scratch",
            type=click.Path(path_type=Path, exists=True),
            help="Create temporary files in this directory.",
        ),
    )


def add_index_options(function: CommandFunction) -> CommandFunction:
    """Add the options for the kind of index and the delay of the slow one."""
    return _add_options(
        function,
        click.option("--index", "kind", type=click.Choice(indexes.KINDS), default="slow", show_default=True),
        click.option(
            "--think",
            type=float,
            default=0.15,
            show_default=True,
            help="Seconds that the slow index takes per file.",
        ),
    )


def add_chart_option(function: CommandFunction) -> CommandFunction:
    """Add the option for a bar chart."""
    return _add_options(
        function,
        click.option("--svg", type=click.Path(path_type=Path), help="Also write a bar chart to this file."),
    )


def _add_options(
    function: CommandFunction, *options: Callable[[CommandFunction], CommandFunction]
) -> CommandFunction:
    for option in reversed(options):
        function = option(function)
    return function

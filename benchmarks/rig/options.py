"""The options that the benchmarks behind a line have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.rig import indexes

Main = Callable[..., Any]


def of_a_line(main: Main) -> Main:
    """What is fetched from where, behind which line, how often, and how it is printed."""
    return _with(
        main,
        click.option(
            "--cache", type=click.Path(path_type=Path), default=Path("cache"), help="Keep the wheels here."
        ),
        click.option(
            "--delay", type=float, default=80.0, show_default=True, help="Milliseconds there and back."
        ),
        click.option("--rate", type=float, default=1000.0, show_default=True, help="Mbit/s."),
        click.option("--runs", type=int, default=3, show_default=True),
        click.option("--only", help="The contenders whose names match this expression."),
        click.option("--proxy", is_flag=True, help="The line that needs no root."),
        click.option("--rst", is_flag=True, help="For the README; else Markdown."),
        click.option("--scratch", type=click.Path(path_type=Path, exists=True), help="Keep all files here."),
    )


def of_an_index(main: Main) -> Main:
    """``kind`` of index, and how long the slow one takes to ``think``."""
    return _with(
        main,
        click.option("--index", "kind", type=click.Choice(indexes.KINDS), default="slow", show_default=True),
        click.option(
            "--think", type=float, default=0.15, show_default=True, help="Seconds of the slow index a file."
        ),
    )


def _with(main: Main, *options: Callable[[Main], Main]) -> Main:
    for option in reversed(options):
        main = option(main)
    return main

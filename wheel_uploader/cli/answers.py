"""The options that come before all others: where the configuration is, and those that answer and exit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wheel_uploader import __version__
from wheel_uploader.cli import screen
from wheel_uploader.cli.params import LocalPath, Option
from wheel_uploader.errors import ReleaseError

Function = TypeVar("Function", bound=Callable[..., Any])


def _explain(context: click.Context, _parameter: click.Parameter, check_id: str | None) -> None:
    if check_id is None or context.resilient_parsing:
        return
    from wheel_uploader import checks

    try:
        click.echo(checks.explain(check_id))
    except ReleaseError as error:
        screen.end(error)
    context.exit(0)


def _demo(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from wheel_uploader import demo

    try:
        context.exit(demo.run())
    except ReleaseError as error:
        screen.end(error)


def _defaults(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Take the defaults of the command from [tool.wheel-uploader]."""
    if context.resilient_parsing:
        return
    from wheel_uploader import config

    path = path or config.find(Path.cwd())
    if path is None:
        return
    known = {
        name.removeprefix("--"): parameter.name
        for parameter in context.command.params
        if isinstance(parameter, Option)
        for name in parameter.opts
        if name.startswith("--")
    }
    try:
        values = config.load(path, known)
    except ReleaseError as error:
        screen.end(error)
    context.default_map = {known[key]: value for key, value in values.items()}


_OPTIONS = (
    click.option(
        "--config",
        type=LocalPath(exists=True, dir_okay=False),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_defaults,
        help="The pyproject.toml to read.  [default: the nearest one upwards]",
    ),
    click.option(
        "--explain",
        metavar="ID",
        is_eager=True,
        expose_value=False,
        callback=_explain,
        help="Explain a check, or a family of checks, and exit.",
    ),
    click.option(
        "--demo",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_demo,
        help="Run everything once against a staging server and an index on this machine, and exit.",
    ),
    click.version_option(__version__, "-V", "--version", prog_name="wheel-uploader"),
)


def other_options(function: Function) -> Function:
    """Give a command the options that are shown below those of the stages."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function

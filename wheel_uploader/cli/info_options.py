"""Informational options: --explain, --demo, --completion, --version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from wheel_uploader import __version__
from wheel_uploader.cli import output as cli_output
from wheel_uploader.cli.completion import SHELLS, complete_checks, completion_script
from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import ReleaseError

Function = TypeVar("Function", bound=Callable[..., Any])


def _explain(context: click.Context, _parameter: click.Parameter, check_id: str | None) -> None:
    if check_id is None or context.resilient_parsing:
        return
    from wheel_uploader import checks

    try:
        click.echo(checks.explain_check(check_id) if check_id else checks.list_checks())
    except ReleaseError as error:
        cli_output.exit_with(error)
    context.exit(0)


def _demo(context: click.Context, _parameter: click.Parameter, requested: bool) -> None:
    if not requested or context.resilient_parsing:
        return
    from wheel_uploader.rehearsal import demo

    try:
        context.exit(demo.run_demo())
    except cancellation.RunCancelled as stop:
        cli_output.exit_with(stop.error)
    except ReleaseError as error:
        cli_output.exit_with(error)


def _completion(context: click.Context, _parameter: click.Parameter, shell: str | None) -> None:
    if shell is None or context.resilient_parsing:
        return
    click.echo(completion_script(context.command, shell), nl=False)
    context.exit(0)


def _version(context: click.Context, _parameter: click.Parameter, requested: bool) -> None:
    if not requested or context.resilient_parsing:
        return
    from wheel_uploader.cli import extras

    click.echo(f"wheel-uploader, version {__version__}")
    for line in extras.describe_installation():
        click.echo(line)
    context.exit(0)


_OPTIONS = (
    click.option(
        "--explain",
        metavar="[ID]",
        is_flag=False,
        flag_value="",
        is_eager=True,
        expose_value=False,
        callback=_explain,
        shell_complete=complete_checks,
        help="Explain a check or a family of checks; without ID, list them.",
    ),
    click.option(
        "--demo",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_demo,
        help="Run every stage once with a tiny release and a local index.",
    ),
    click.option(
        "--completion",
        type=click.Choice(tuple(SHELLS)),
        metavar="SHELL",
        is_eager=True,
        expose_value=False,
        callback=_completion,
        help="Print the completion script for bash, zsh or fish.",
    ),
    click.option(
        "-V",
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_version,
        help="Show the version, the Python and the installed extras, and exit.",
    ),
)


def info_options(function: Function) -> Function:
    """Add the options that print something and exit to a command."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function

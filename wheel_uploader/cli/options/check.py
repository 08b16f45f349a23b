"""Options of the check stage: what is accepted, and what the release is compared with."""

from __future__ import annotations

from typing import Any

import click

from wheel_uploader.cli.completion import complete_checks
from wheel_uploader.cli.params import Option, option
from wheel_uploader.config import Kind


def options() -> list[Option]:
    return [
        option(
            "--profile",
            type=click.Choice(["pypi", "any"]),
            help="Whose rules the checks go by.  [default: the target's]",
        ),
        option(
            "--ignore",
            multiple=True,
            # The configuration may give a reason with each.
            type=click.UNPROCESSED,
            kind=Kind.IGNORES,
            callback=_ignores,
            metavar="ID",
            shell_complete=complete_checks,
            help="Accept what this check or family finds.",
        ),
        option("--strict", is_flag=True, help="Warnings stop the release, too."),
        option(
            "--compare-with",
            renamed_from="--like",
            metavar="VERSION",
            help="The release on the index to compare with.  [default: the one before]",
        ),
        option(
            "--no-compare",
            renamed_from="--no-like",
            is_flag=True,
            help="Compare with no other release.",
        ),
        option(
            "--smoke",
            metavar="COMMAND",
            help="Run this where each wheel that fits a Python here is installed.",
        ),
        option(
            "--smoke-env",
            multiple=True,
            metavar="NAME",
            help="Pass this environment variable on to pip and the --smoke command.",
        ),
        option(
            "--allow-missing",
            renamed_from="--allow-lost",
            multiple=True,
            metavar="TAG",
            help="Accept that this python or platform of it is gone: cp310-win32, 'pp*'.",
        ),
    ]


def _ignores(_context: click.Context, _parameter: click.Parameter, values: tuple[Any, ...]) -> dict[str, str]:
    """Ids to reasons; those of the command line and of the environment come without."""
    return dict((value, "") if isinstance(value, str) else value for value in values)

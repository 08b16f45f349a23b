"""Options of the check stage: which findings are accepted, and which release is the reference."""

from __future__ import annotations

from typing import Any

import click

from wheel_uploader.cli.completion import complete_checks
from wheel_uploader.cli.config_file import ValueKind
from wheel_uploader.cli.option import Option, option


def options() -> list[Option]:
    """Return the options below the heading "Check"."""
    return [
        option(
            "--profile",
            type=click.Choice(["pypi", "any"]),
            help="Rule set to check against.  [default: that of the target]",
        ),
        option(
            "--ignore",
            multiple=True,
            # In the configuration file each may have a reason.
            type=click.UNPROCESSED,
            kind=ValueKind.IGNORES,
            callback=_ignores,
            metavar="ID[:PATTERN]",
            shell_complete=complete_checks,
            help="Do not fail on findings of this check or check family; with a pattern, only on those "
            "about such a file or library.",
        ),
        option("--strict", is_flag=True, help="Treat warnings as errors."),
        option(
            "--compare-with",
            renamed_from="--like",
            metavar="VERSION",
            help="Release on the index to compare with.  [default: the previous one]",
        ),
        option(
            "--no-compare",
            renamed_from="--no-like",
            is_flag=True,
            help="Do not compare with another release.",
        ),
        option(
            "--compare-index",
            metavar="URL",
            help="A second index to compare with, such as the one with the final releases.",
        ),
        option(
            "--diff",
            is_flag=True,
            help="Show what changed since that release: metadata, entry points, names, sizes.",
        ),
        option(
            "--smoke",
            metavar="COMMAND",
            help="Install each compatible wheel into a temporary environment and run COMMAND there.",
        ),
        option(
            "--smoke-env",
            multiple=True,
            metavar="NAME",
            help="Pass this environment variable to pip, uv and the --smoke command.",
        ),
        option(
            "--smoke-index",
            is_flag=True,
            help="After the confirmation, install the release from the index and run that command again.",
        ),
        option(
            "--allow-missing",
            renamed_from="--allow-lost",
            multiple=True,
            metavar="TAG",
            help="Allow this Python or platform to be missing compared with the previous release: "
            "cp310-win32, 'pp*'.",
        ),
        option(
            "--built-by",
            metavar="OWNER/REPO[/WORKFLOW][@REF]",
            help="Require an attestation of this GitHub repository, workflow and ref for each file, next to "
            "it or at GitHub.",
        ),
    ]


def _ignores(_context: click.Context, _parameter: click.Parameter, values: tuple[Any, ...]) -> dict[str, str]:
    """Return ids mapped to reasons; those of the command line and the environment have no reason."""
    return dict((value, "") if isinstance(value, str) else value for value in values)

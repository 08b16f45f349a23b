"""Runs the command in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from wheel_uploader import cli


def run(*arguments: str | Path, env: Mapping[str, str | None] | None = None) -> Result:
    """Run the command in this process, without the user's own configuration."""
    return CliRunner().invoke(
        cli.command, [str(argument) for argument in arguments], env=env, prog_name="wheel-uploader"
    )

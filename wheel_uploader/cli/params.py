"""What an option is here: its variable in the environment, its heading in the help, its type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

PREFIX = "WHEEL_UPLOADER"


class LocalPath(click.Path):
    """A local path with ``~`` expanded: it may come from a file or a variable, not from a shell."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(Path(value).expanduser(), param, ctx)


class Option(click.Option):
    """An option that knows under which heading ``--help`` shows it, and its variable in the environment."""

    group = ""

    def __init__(self, names: list[str], **settings: Any) -> None:
        long = next(name for name in names if name.startswith("--"))
        variable = long.partition("/")[0].removeprefix("--").replace("-", "_").upper()
        super().__init__(names, envvar=f"{PREFIX}_{variable}", **settings)


def option(*names: str, **settings: Any) -> Option:
    """An option, as a decorator would make it."""
    return Option(list(names), **settings)


def duration(name: str, text: str) -> Option:
    """An option whose value is a time: ``20m``, ``1h30m``, or a number of seconds."""
    kind, callback = click.UNPROCESSED, _seconds
    return option(name, type=kind, callback=callback, default="0", metavar="DURATION", help=text)


def _seconds(_context: click.Context, _parameter: click.Parameter, value: Any) -> float:
    """What ``20m``, ``1h30m``, or a number of the configuration, says in seconds."""
    from wheel_uploader import waiting

    try:
        return waiting.parse_duration(str(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None

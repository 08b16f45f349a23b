"""What an option is here: its variable in the environment, its heading in the help, its type."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from wheel_uploader.config import Kind, Setting

PREFIX = "WHEEL_UPLOADER"
#: Where a context keeps what came from a file: the name of a parameter to its Setting.
SETTINGS = f"{__name__}.settings"


class LocalPath(click.Path):
    """A local path with ``~`` expanded: it may come from a file or a variable, not from a shell."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        with contextlib.suppress(RuntimeError):  # ~NAME of nobody
            value = Path(value).expanduser()
        return super().convert(value, param, ctx)


class Option(click.Option):
    """An option that knows its heading in ``--help``, its variable in the environment, its kind in a file."""

    group = ""

    def __init__(self, names: list[str], *, kind: Kind | None = None, **settings: Any) -> None:
        super().__init__(names, envvar=f"{PREFIX}_{_variable(names)}", **settings)
        self.kind = kind or self._kind()

    def _kind(self) -> Kind:
        if self.is_flag:
            return Kind.FLAG
        if self.multiple:
            return Kind.TEXTS
        if isinstance(self.type, click.types.IntParamType):
            return Kind.COUNT
        return Kind.NUMBER if isinstance(self.type, click.types.FloatParamType) else Kind.TEXT

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """What ``--help`` shows: without historic spellings, and of a pair the one that changes something."""
        pair = self.secondary_opts and self.default
        long = next(name for name in (self.secondary_opts if pair else self.opts) if name.startswith("--"))
        names = ", ".join([*(name for name in self.opts if not name.startswith("--")), long])
        value = "" if self.is_flag or self.count else f" {self.make_metavar(ctx)}"
        default = f"  [default: {self.default:g}]" if isinstance(self.default, int | float) else ""
        if isinstance(self.default, str):
            default = f"  [default: {self.default}]"
        more = " ..." if self.multiple else ""
        return f"{names}{value}{more}", f"{self.help}{default if self.show_default else ''}"

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The option; or the variable, or the place in a file, that its value came from."""
        source = ctx.get_parameter_source(self.name or "") if ctx else None
        if ctx and source is ParameterSource.DEFAULT_MAP:
            setting: Setting = ctx.meta[SETTINGS][self.name]
            return f"{_variable(self.opts).lower().replace('_', '-')} in {setting.where}"
        return str(self.envvar) if source is ParameterSource.ENVIRONMENT else super().get_error_hint(ctx)


def _variable(names: list[str]) -> str:
    long = next(name for name in names if name.startswith("--"))
    return long.partition("/")[0].removeprefix("--").replace("-", "_").upper()


def option(*names: str, **settings: Any) -> Option:
    """An option, as a decorator would make it."""
    return Option(list(names), **settings)


def duration(name: str, text: str) -> Option:
    """An option whose value is a time: ``20m``, ``1h30m``, or a number of seconds."""
    return option(
        name,
        type=click.UNPROCESSED,
        kind=Kind.DURATION,
        callback=_seconds,
        default="0",
        metavar="DURATION",
        help=text,
    )


def _seconds(_context: click.Context, _parameter: click.Parameter, value: Any) -> float:
    """What ``20m``, ``1h30m``, or a number of the configuration, says in seconds."""
    from wheel_uploader import waiting

    try:
        return waiting.parse_duration(str(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None

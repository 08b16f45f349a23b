"""Option classes: environment variables, headings in ``--help``, aliases and value types."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from wheel_uploader.cli.config_file import Setting, ValueKind

VARIABLE_PREFIX = "WHEEL_UPLOADER"
#: Key of ``Context.meta``: the values from the configuration file, as parameter name -> Setting.
SETTINGS_KEY = f"{__name__}.settings"


class LocalPath(click.Path):
    """A local path whose ``~`` is expanded here, because no shell reads files and variables."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the expanded path. Raises BadParameter as click.Path does."""
        # ~NAME where no such user exists stays as it is.
        with contextlib.suppress(RuntimeError):
            value = Path(value).expanduser()
        return super().convert(value, param, ctx)


class AliasedOption(click.Option):
    """An option with an environment variable, whose former spellings work and are not shown.

    Of the long names, the first is the option's name and all others are aliases. ``renamed_from`` is one more
    alias, which has an environment variable, too.
    """

    def __init__(self, names: list[str], *, renamed_from: str = "", **settings: Any) -> None:
        if renamed_from:
            names = [*names, renamed_from]
            settings["envvar"] = [_variable(names), _variable([renamed_from])]
        else:
            settings["envvar"] = _variable(names)
        super().__init__(names, **settings)

    @property
    def long_name(self) -> str:
        """The name in ``--help``, in messages and, without the dashes, in the configuration file."""
        return next(name for name in self.opts if name.startswith("--"))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The former spellings."""
        return tuple(name for name in self.opts if name.startswith("--") and name != self.long_name)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set this option; the first that has a value wins."""
        return (self.envvar,) if isinstance(self.envvar, str) else tuple(self.envvar or ())

    @property
    def variable(self) -> str:
        """The variable that sets this option in the current environment, or that would."""
        return next((name for name in self.variables if os.environ.get(name)), self.variables[0])

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the row of ``--help``: no aliases, and of two flags the one that is not the default."""
        pair = self.secondary_opts and self.default
        long = self.secondary_opts[0] if pair else self.long_name
        names = ", ".join([*(name for name in self.opts if not name.startswith("--")), long])
        value = "" if self.is_flag or self.count else f" {self.make_metavar(ctx)}"
        default = f"  [default: {self.default:g}]" if isinstance(self.default, int | float) else ""
        if isinstance(self.default, str):
            default = f"  [default: {self.default}]"
        more = " ..." if self.multiple else ""
        return f"{names}{value}{more}", f"{self.help}{default if self.show_default else ''}"

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return what a message calls this option: its names without aliases, or the variable that set it."""
        if ctx and ctx.get_parameter_source(self.name or "") is ParameterSource.ENVIRONMENT:
            return self.variable
        return " / ".join(f"'{name}'" for name in self.opts if name not in self.aliases)


class Option(AliasedOption):
    """An option of a run: it has a heading in ``--help`` and may be set in the configuration file."""

    group = ""

    def __init__(self, names: list[str], *, kind: ValueKind | None = None, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.kind = kind or self._kind()

    def _kind(self) -> ValueKind:
        if self.is_flag:
            return ValueKind.FLAG
        if self.multiple:
            return ValueKind.TEXTS
        if isinstance(self.type, click.types.IntParamType):
            return ValueKind.COUNT
        return ValueKind.NUMBER if isinstance(self.type, click.types.FloatParamType) else ValueKind.TEXT

    @property
    def key(self) -> str:
        """The option's key in the configuration file."""
        return self.long_name.removeprefix("--")

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return what a message calls this option, or the place in the file or environment that set it."""
        if ctx and ctx.get_parameter_source(self.name or "") is ParameterSource.DEFAULT_MAP:
            setting: Setting = ctx.meta[SETTINGS_KEY][self.name]
            return f"{self.key} in {setting.table}"
        return super().get_error_hint(ctx)


def _variable(names: list[str]) -> str:
    long = next(name for name in names if name.startswith("--"))
    return f"{VARIABLE_PREFIX}_{long.partition('/')[0].removeprefix('--').replace('-', '_').upper()}"


def option(*names: str, **settings: Any) -> Option:
    """Return an Option; the arguments are those of a ``click.option`` decorator."""
    return Option(list(names), **settings)


def duration_option(name: str, help_text: str, *, is_limit: bool = False) -> Option:
    """Return an option whose value is a duration: ``20m``, ``1h30m`` or a number of seconds.

    ``is_limit``: zero is an error, because it would mean either no limit or one that nothing can meet.
    """
    return option(
        name,
        type=click.UNPROCESSED,
        kind=ValueKind.DURATION,
        callback=_parse_limit if is_limit else _parse_seconds,
        default="0",
        metavar="DURATION",
        help=help_text,
    )


def _parse_limit(context: click.Context, parameter: click.Parameter, value: Any) -> float:
    """Return the seconds, which must be more than zero unless the option is not given."""
    seconds = _parse_seconds(context, parameter, value)
    if not seconds and context.get_parameter_source(parameter.name or "") is not ParameterSource.DEFAULT:
        message = "zero is not a valid limit; give a duration such as 20m, or leave it out for no limit"
        raise click.BadParameter(message)
    return seconds


def _parse_seconds(_context: click.Context, _parameter: click.Parameter, value: Any) -> float:
    """Return the seconds of ``20m``, of ``1h30m`` or of a number from the configuration."""
    from wheel_uploader.core import formatting

    try:
        return formatting.parse_duration(str(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None

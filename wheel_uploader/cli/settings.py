"""Where the values of options come from: the file and its profile; and what ``--show-config`` says."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from wheel_uploader.cli import screen
from wheel_uploader.cli.completion import complete_profiles
from wheel_uploader.cli.params import PREFIX, SETTINGS, AliasedOption, LocalPath, Option
from wheel_uploader.config import Kind, Setting
from wheel_uploader.display import printable
from wheel_uploader.errors import OptionError, ReleaseError, UsageError

if TYPE_CHECKING:
    from wheel_uploader.models import Options

Function = TypeVar("Function", bound=Callable[..., Any])

#: Arguments of the command to what a profile calls them.
_ARGUMENTS = {"project": "project", "release": "version"}
_GIVEN = f"{__name__}.given"


def settings_options(function: Function) -> Function:
    """Give a command the options that say where its configuration is."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def _either(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Read the file as soon as both its name and the profile's are known, in whatever order they came."""
    given = context.meta.setdefault(_GIVEN, {})
    given[parameter.name] = value
    if len(given) < 2 or context.resilient_parsing:
        return
    try:
        settings = _read(context.command, given["config"], given["config_profile"])
    except ReleaseError as error:
        screen.end(error)
    context.meta[SETTINGS] = settings
    context.default_map = {name: setting.value for name, setting in settings.items()}


def _read(command: click.Command, path: Path | None, profile: str | None) -> dict[str, Setting]:
    """Return the values of the file by the names of the command's parameters. Raises UsageError."""
    from wheel_uploader import config

    found = path is None
    path = path or config.find(Path.cwd())
    if path is None:
        if profile is None:
            return {}
        raise UsageError(
            f"there is no pyproject.toml here or above, so no profile {printable(profile)}",
            hint="Say where it is: --config FILE.",
        )
    options = [parameter for parameter in command.params if isinstance(parameter, Option)]
    kinds = {option.key: option.kind for option in options}
    aliases = {alias.removeprefix("--"): option.key for option in options for alias in option.aliases}
    names = {option.key: option.name or "" for option in options}
    names |= {key: argument for argument, key in _ARGUMENTS.items()}
    settings = {}
    for key, setting in config.load(path, kinds, profile, found=found, aliases=aliases).items():
        one = kinds.get(key) is Kind.TEXTS and isinstance(setting.value, str)
        settings[names[key]] = Setting(value=[setting.value], where=setting.where) if one else setting
    return settings


_OPTIONS = (
    click.option(
        "--config",
        cls=AliasedOption,
        type=LocalPath(exists=True, dir_okay=False),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_either,
        help="Configuration file.  [default: pyproject.toml here or in a parent folder]",
    ),
    click.option(
        "--config-profile",
        cls=AliasedOption,
        renamed_from="--use",
        metavar="NAME",
        is_eager=True,
        expose_value=False,
        callback=_either,
        shell_complete=complete_profiles,
        help="Use [tool.wheel-uploader.profiles.NAME] from that file.",
    ),
    click.option(
        "--show-config",
        is_flag=True,
        help="Print every option with its value and where the value comes from.",
    ),
)


# --- what holds ------------------------------------------------------------------------------------


def that_hold(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """``values`` without what the configuration says of a release, when files are checked on their own.

    One wheel is never all that is expected; it needs no wheelhouse, and no index to go to.
    """
    from wheel_uploader.models import option_rules

    values = _stronger(context, values)
    if values["project"]:
        return values
    dropped = {
        parameter.name
        for parameter in context.command.params
        if isinstance(parameter, Option)
        and parameter.group in {"List", "Download", "Upload and confirm"}
        and context.get_parameter_source(parameter.name or "") is ParameterSource.DEFAULT_MAP
    }
    for name in option_rules.RANGES.keys() & dropped:
        # A value that can never be right is worth a word, although this run does not use it.
        option_rules.require_in_range(name, values[name])
    return {name: value for name, value in values.items() if name not in dropped - {"urls"}}


#: Where a value came from: the first wins over those that follow.
_STRENGTH = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)


def _stronger(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` without those that a value of stronger origin excludes."""
    from wheel_uploader.models import option_rules

    dropped = set()
    for pair in option_rules.EXCLUSIVE:
        origins = [context.get_parameter_source(name) for name in pair]
        if all(values[name] for name in pair) and set(origins) <= {*_STRENGTH} and origins[0] != origins[1]:
            first, second = (_STRENGTH.index(origin) for origin in origins if origin)
            dropped.add(pair[first < second])
    return {name: value for name, value in values.items() if name not in dropped}


def that_count(context: click.Context, asked: Options) -> Options:
    """Return ``asked`` without general settings (of the environment or a file) that this run does not use.

    Only options that were typed for this run, and have no effect in it, are worth a line.
    """
    from wheel_uploader.models import option_effects, option_rules

    general = {
        name: option_rules.default(asked, name)
        for each in option_effects.idle(asked)
        for name in each.names
        if context.get_parameter_source(name) in _STRENGTH[1:]
    }
    return dataclasses.replace(asked, **general) if general else asked


def with_origin(context: click.Context, error: ReleaseError) -> ReleaseError:
    """Return ``error``; if it is about an option that was not typed, with the origin of the value instead."""
    if not isinstance(error, OptionError) or context.get_parameter_source(error.name) not in _STRENGTH[1:]:
        return error
    parameter = next(each for each in context.command.params if each.name == error.name)
    return UsageError(f"{parameter.get_error_hint(context)}: {error.problem}", hint=error.hint)


#: What other programs call an option, in the environment; each is weaker than the option itself.
_ALSO = {
    "repository": "TWINE_REPOSITORY",
    "repository_url": "TWINE_REPOSITORY_URL",
    "username": "TWINE_USERNAME",
    "cert": "TWINE_CERT",
    "non_interactive": "TWINE_NON_INTERACTIVE",
}
_SECRETS = ("TWINE_PASSWORD", f"{PREFIX}_URL_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "CI_JOB_TOKEN")


def shown(context: click.Context, values: Mapping[str, Any]) -> Iterator[str]:
    """``--show-config``: the options as the file would have them, and behind each where it came from."""
    rows = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if isinstance(parameter, Option):
            rows.append(_row(context, parameter.key, name, values[name], parameter))
        elif name in _ARGUMENTS:
            rows.append(_row(context, _ARGUMENTS[name], name, values[name] or None, parameter))
    width = min(max(len(said) for said, _ in rows), 48)
    yield from (f"{said:<{width}}  # {origin}" for said, origin in rows)
    yield from _besides(context.command)


def _row(
    context: click.Context, key: str, name: str, value: Any, parameter: click.Parameter
) -> tuple[str, str]:
    origin = _origin(context, name, parameter)
    also = _ALSO.get(name, "")
    named = name == "repository_url" and context.params["repository"]
    if origin == "default" and also in os.environ and not named:
        value, origin = os.environ[also], also
    # Commented out: no value is not a value of TOML.
    unset = value is None or value == ()
    return f"# {key}" if unset else f"{key} = {_toml(value)}", "not set" if unset else origin


def _origin(context: click.Context, name: str, parameter: click.Parameter) -> str:
    source = context.get_parameter_source(name)
    if source is ParameterSource.DEFAULT_MAP:
        setting: Setting = context.meta[SETTINGS][name]
        return printable(setting.where)
    if source is ParameterSource.ENVIRONMENT and isinstance(parameter, AliasedOption):
        return parameter.variable
    return "command line" if source is ParameterSource.COMMANDLINE else "default"


def _toml(value: Any) -> str:
    """A value as TOML has it, without secrets."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(printable(str(key)))} = {_toml(each)}" for key, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(printable(str(value)), ensure_ascii=False)


def _besides(command: click.Command) -> Iterator[str]:
    """What else of the environment counts, or looks as if it should."""
    for variable in _SECRETS:
        if variable in os.environ:
            yield f"# {variable} is set (hidden)"
    options = [parameter for parameter in command.params if isinstance(parameter, AliasedOption)]
    known = {variable for option in options for variable in option.variables} | {*_SECRETS}
    for variable in sorted(os.environ):
        if variable.startswith(f"{PREFIX}_") and variable not in known:
            yield f"# {printable(variable)} is set, and is no option's variable"

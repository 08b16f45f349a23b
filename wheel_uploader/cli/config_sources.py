"""Sources of option values: the configuration file with its profiles, and ``--show-config``."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from wheel_uploader.cli import output as cli_output
from wheel_uploader.cli.completion import complete_profiles
from wheel_uploader.cli.config_file import Setting, ValueKind
from wheel_uploader.cli.option import SETTINGS_KEY, VARIABLE_PREFIX, AliasedOption, LocalPath, Option
from wheel_uploader.core.errors import OptionError, ReleaseError, UsageError
from wheel_uploader.core.redaction import sanitize, strip_url

if TYPE_CHECKING:
    from wheel_uploader.core.models import Options, TargetSettings

Function = TypeVar("Function", bound=Callable[..., Any])

#: Arguments of the command and their keys in a profile.
_ARGUMENTS = {"project": "project", "release": "version"}
#: Key of ``Context.meta``: the values of --config and --config-profile that have been parsed.
_PARSED = f"{__name__}.parsed"
#: Key of ``Context.meta``: the targets of the configuration file by name.
TARGETS_KEY = f"{__name__}.targets"


def config_options(function: Function) -> Function:
    """Add the options that select the configuration to a command."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def _read_when_complete(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Read the file as soon as both --config and --config-profile have been parsed, in either order."""
    parsed = context.meta.setdefault(_PARSED, {})
    parsed[parameter.name] = value
    if len(parsed) < 2 or context.resilient_parsing:
        return
    try:
        path = parsed["config"] or _find_config_file()
        settings = _read(context.command, path, parsed["config_profile"], is_searched=not parsed["config"])
        context.meta[TARGETS_KEY] = _read_targets(path)
    except ReleaseError as error:
        cli_output.exit_with(error)
    context.meta[SETTINGS_KEY] = settings
    context.default_map = {name: setting.value for name, setting in settings.items()}


def _find_config_file() -> Path | None:
    from wheel_uploader.cli import config_file

    return config_file.find_config_file(Path.cwd())


def _read_targets(path: Path | None) -> dict[str, TargetSettings]:
    """Return the targets that the file configures. Raises UsageError."""
    from wheel_uploader.cli import config_file

    return config_file.load_targets(path) if path else {}


def _read(
    command: click.Command, path: Path | None, profile: str | None, *, is_searched: bool
) -> dict[str, Setting]:
    """Return the values of the file by the names of the command's parameters. Raises UsageError."""
    from wheel_uploader.cli import config_file

    if path is None:
        if profile is None:
            return {}
        raise UsageError(
            f"profile {sanitize(profile)} not found: no pyproject.toml in this folder or its parents",
            hint="Pass the file with the profile: --config FILE.",
        )
    options = [parameter for parameter in command.params if isinstance(parameter, Option)]
    kinds = {option.key: option.kind for option in options}
    aliases = {alias.removeprefix("--"): option.key for option in options for alias in option.aliases}
    names = {option.key: option.name or "" for option in options}
    names |= {key: argument for argument, key in _ARGUMENTS.items()}
    settings = {}
    for key, setting in config_file.load_settings(
        path, kinds, profile, was_searched=is_searched, aliases=aliases
    ).items():
        is_single_text = kinds.get(key) is ValueKind.TEXTS and isinstance(setting.value, str)
        value = [setting.value] if is_single_text else setting.value
        settings[names[key]] = Setting(value=value, table=setting.table)
    return settings


_OPTIONS = (
    click.option(
        "--config",
        cls=AliasedOption,
        type=LocalPath(exists=True, dir_okay=False),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_read_when_complete,
        help="Configuration file.  [default: pyproject.toml here or in a parent folder]",
    ),
    click.option(
        "--config-profile",
        cls=AliasedOption,
        renamed_from="--use",
        metavar="NAME",
        is_eager=True,
        expose_value=False,
        callback=_read_when_complete,
        shell_complete=complete_profiles,
        help="Use [tool.wheel-uploader.profiles.NAME] from that file.",
    ),
    click.option(
        "--show-config",
        is_flag=True,
        help="Print every option with its value and where the value comes from.",
    ),
    click.option(
        "--doctor",
        is_flag=True,
        help="Check target, login, key, tools, network and staging without posting anything.",
    ),
)


# --- effective values ------------------------------------------------------------------------------


def effective_values(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` without those that a stronger one excludes or that do not concern local files.

    If files are checked without a project, settings of the configuration file about a release do not apply:
    one wheel is never the whole release, and needs neither a wheelhouse nor an index.
    """
    from wheel_uploader.core.models import option_rules

    values = {**values, "targets": context.meta.get(TARGETS_KEY, {})}
    values = _without_excluded(context, _without_unneeded(context, values))
    _reject_contradiction(context, values)
    if values["project"]:
        return values
    dropped = {
        parameter.name
        for parameter in context.command.params
        if isinstance(parameter, Option)
        and parameter.group in {"List", "Download", "Upload and confirm"}
        and context.get_parameter_source(parameter.name or "") is ParameterSource.DEFAULT_MAP
    }
    for name in option_rules.NUMBER_RANGES.keys() & dropped:
        # An invalid value is reported although this run does not use it.
        option_rules.validate_range(name, values[name])
    return {name: value for name, value in values.items() if name not in dropped - {"urls"}}


#: Origins of a value, the strongest first.
_ORIGINS = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)


def _without_excluded(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` without those that are excluded by a value of stronger origin."""
    from wheel_uploader.core.models import option_rules

    dropped = set()
    for pair in option_rules.MUTUALLY_EXCLUSIVE:
        origins = [context.get_parameter_source(name) for name in pair]
        if all(values[name] for name in pair) and set(origins) <= {*_ORIGINS} and origins[0] != origins[1]:
            first, second = (_ORIGINS.index(origin) for origin in origins if origin)
            dropped.add(pair[first < second])
    return {name: value for name, value in values.items() if name not in dropped}


def _without_unneeded(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` without general settings whose needed option is not set in this run."""
    from wheel_uploader.core.models import option_rules

    unneeded = {
        name
        for name, required in option_rules.REQUIRED_OPTIONS.items()
        if required.may_be_general
        and not values[required.needed]
        and context.get_parameter_source(name) in _ORIGINS[1:]
    }
    return {name: value for name, value in values.items() if name not in unneeded}


def _reject_contradiction(context: click.Context, values: Mapping[str, Any]) -> None:
    """Raise UsageError for -n with a later --until: nothing would be published, against --until."""
    typed = ParameterSource.COMMANDLINE
    both_typed = all(context.get_parameter_source(name) is typed for name in ("no_upload", "until"))
    if both_typed and values["no_upload"] and values["until"] in {"upload", "confirm"}:
        raise UsageError(
            f"--no-upload and --until {values['until']} are mutually exclusive",
            hint="Remove one of the two.",
        )


def drop_unused_settings(context: click.Context, options: Options) -> Options:
    """Return ``options`` without settings of the environment or a file that this run does not use.

    Only options on the command line are reported as having no effect.
    """
    from wheel_uploader.core.models import option_effects, option_rules

    general = {
        name: option_rules.default_value(options, name)
        for idle in option_effects.find_ineffective_options(options)
        for name in idle.field_names
        if context.get_parameter_source(name) in _ORIGINS[1:]
    }
    return dataclasses.replace(options, **general) if general else options


def name_origin(context: click.Context, error: ReleaseError) -> ReleaseError:
    """Return ``error``; if the option was not set on the command line, with the origin of its value."""
    if not isinstance(error, OptionError) or context.get_parameter_source(error.name) not in _ORIGINS[1:]:
        return error
    parameter = next(option for option in context.command.params if option.name == error.name)
    return UsageError(f"{parameter.get_error_hint(context)}: {error.problem}", hint=error.hint)


#: Environment variables of twine that stand for an option which is not set itself.
_TWINE_VARIABLES = {
    "repository": "TWINE_REPOSITORY",
    "repository_url": "TWINE_REPOSITORY_URL",
    "username": "TWINE_USERNAME",
    "cert": "TWINE_CERT",
    "non_interactive": "TWINE_NON_INTERACTIVE",
}
_SECRETS = (
    *("TWINE_PASSWORD", f"{VARIABLE_PREFIX}_URL_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "CI_JOB_TOKEN"),
    *("ANACONDA_API_TOKEN", "BINSTAR_API_TOKEN"),
)
_PREFIX = f"{VARIABLE_PREFIX}_"
#: Variables without an option.
_OTHER_VARIABLES = (f"{VARIABLE_PREFIX}_ANACONDA_API",)


def show_config_lines(context: click.Context, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of ``--show-config``: each option as TOML, with the origin of its value."""
    rows = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if isinstance(parameter, Option):
            rows.append(_row(context, parameter.key, name, values[name], parameter))
        elif name in _ARGUMENTS:
            rows.append(_row(context, _ARGUMENTS[name], name, values[name] or None, parameter))
    width = min(max(len(assignment) for assignment, _ in rows), 48)
    yield from (f"{assignment:<{width}}  # {origin}" for assignment, origin in rows)
    for name, settings in context.meta.get(TARGETS_KEY, {}).items():
        yield f"# target {sanitize(name)}: {sanitize(strip_url(settings.url))}"
    yield from _other_variables(context.command)


def set_options_lines(context: click.Context, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of ``--show-config`` about options that are set, and about variables."""
    for line in show_config_lines(context, values):
        if not line.endswith(("# default", "# not set")):
            yield line


def _row(
    context: click.Context, key: str, name: str, value: Any, parameter: click.Parameter
) -> tuple[str, str]:
    origin = _origin(context, name, parameter)
    variable = _TWINE_VARIABLES.get(name, "")
    is_overridden = name == "repository_url" and context.params["repository"]
    if origin == "default" and variable in os.environ and not is_overridden:
        value, origin = os.environ[variable], variable
    # Commented out, because TOML has no null.
    unset = value is None or value == ()
    return f"# {key}" if unset else f"{key} = {_toml(value)}", "not set" if unset else origin


def _origin(context: click.Context, name: str, parameter: click.Parameter) -> str:
    source = context.get_parameter_source(name)
    if source is ParameterSource.DEFAULT_MAP:
        setting: Setting = context.meta[SETTINGS_KEY][name]
        return sanitize(setting.table)
    if source is ParameterSource.ENVIRONMENT and isinstance(parameter, AliasedOption):
        return parameter.variable
    return "command line" if source is ParameterSource.COMMANDLINE else "default"


def _toml(value: Any) -> str:
    """Return a value as TOML, without secrets."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(sanitize(str(key)))} = {_toml(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(sanitize(str(value)), ensure_ascii=False)


def _other_variables(command: click.Command) -> Iterator[str]:
    """Yield lines about secrets in the environment, and about variables that look like ours but are not."""
    for variable in _SECRETS:
        if variable in os.environ:
            yield f"# {variable} is set (hidden)"
    for variable in _unknown_variables(command):
        yield f"# {sanitize(variable)} is set, but no option has this variable"


def find_misspelled_variables(command: click.Command) -> Iterator[str]:
    """Yield a line about each variable that is almost that of an option, such as ``..._DRY_RUM``.

    Others are not named: a workflow may use this prefix for other variables.
    """
    unknown = _unknown_variables(command)
    if not unknown:
        return
    import difflib

    names = [name.removeprefix(_PREFIX) for name in _valid_variables(command)]
    for variable in unknown:
        for close in difflib.get_close_matches(variable.removeprefix(_PREFIX), names, n=1, cutoff=0.8):
            yield f"{sanitize(variable)} has no effect: did you mean {_PREFIX}{close}?"


def _unknown_variables(command: click.Command) -> list[str]:
    valid = _valid_variables(command)
    return sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in valid)


def _valid_variables(command: click.Command) -> set[str]:
    options = [parameter for parameter in command.params if isinstance(parameter, AliasedOption)]
    variables = {variable for option in options for variable in option.variables}
    return variables | {*_SECRETS, *_OTHER_VARIABLES}

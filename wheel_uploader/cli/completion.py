"""Shell completion: the scripts, and the completion of checks, platforms, profiles and paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from wheel_uploader.core.errors import UsageError

SHELLS: Mapping[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
PROGRAM = "wheel-uploader"
_VARIABLE = "_WHEEL_UPLOADER_COMPLETE"
_PLATFORMS = ("all", "macosx", "win", "linux", "manylinux", "musllinux", "any")


def completion_script(command: click.Command, shell: str) -> str:
    """Return the script that a shell sources; it runs the command itself for each completion."""
    # Not source() of the shell's own class: that of bash starts bash to find its version.
    return ShellComplete.source(SHELLS[shell](command, {}, PROGRAM, _VARIABLE)).lstrip()


def complete_checks(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the matching checks with their titles; before the slash also the matching families."""
    from wheel_uploader import checks

    items = [CompletionItem(check.id, help=check.title) for check in checks.CHECKS]
    if "/" not in incomplete:
        items = [CompletionItem(family) for family in checks.FAMILIES] + items
    return [item for item in items if item.value.startswith(incomplete)]


def complete_types(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the values of ``--type`` that are whole families of platforms."""
    return [platform for platform in _PLATFORMS if platform.startswith(incomplete)]


def complete_paths(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete a path."""
    return [CompletionItem(incomplete, type="file")]


def complete_profiles(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the profiles of the configuration file that would be read."""
    from wheel_uploader.cli import config_file

    path = context.params.get("config") or config_file.find_config_file(Path.cwd())
    try:
        return (
            [name for name in config_file.profile_names(path) if name.startswith(incomplete)] if path else []
        )
    except UsageError:
        return []


def complete_repositories(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the sections of .pypirc and the targets of the configuration file that would be read."""
    names = dict.fromkeys(("pypi", "testpypi", *_configured_targets(context), *_pypirc_sections(context)))
    return [name for name in names if name.startswith(incomplete)]


def _configured_targets(context: click.Context) -> list[str]:
    from wheel_uploader.cli import config_file

    path = context.params.get("config") or config_file.find_config_file(Path.cwd())
    try:
        return list(config_file.load_targets(path)) if path else []
    except UsageError:
        return []


def _pypirc_sections(context: click.Context) -> list[str]:
    """Return the names of the sections, without twine, whose import would delay the completion."""
    import configparser

    parser = configparser.RawConfigParser()
    path = context.params.get("config_file") or Path("~/.pypirc")
    try:
        parser.read(path.expanduser(), encoding="utf-8-sig")
    except (OSError, RuntimeError, ValueError, configparser.Error):
        return []
    return [name for name in parser.sections() if name not in {"distutils", "server-login"}]

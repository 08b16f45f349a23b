"""What a shell completes beyond the names of options: checks, platforms, profiles, paths; and the scripts."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from wheel_uploader.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "wheel-uploader"
_VARIABLE = "_WHEEL_UPLOADER_COMPLETE"
_TYPES = ("all", "macosx", "win", "linux", "manylinux", "musllinux", "any")


def script(command: click.Command, shell: str) -> str:
    """What a shell has to read to complete the command: it asks the command itself each time."""
    kind = get_completion_class(shell)
    assert kind  # noqa: S101 - one of SHELLS
    # Not kind.source(): that starts a bash to see how old it is.
    return ShellComplete.source(kind(command, {}, PROGRAM, _VARIABLE)).lstrip()


def complete_checks(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Families, and their checks with titles as soon as a family is there."""
    from wheel_uploader import checks

    found = [CompletionItem(check.id, help=check.title) for check in checks.CHECKS]
    if "/" not in begun:
        found = [CompletionItem(family) for family in checks.FAMILIES] + found
    return [item for item in found if item.value.startswith(begun)]


def complete_types(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The platforms that have a word of their own."""
    return [word for word in _TYPES if word.startswith(begun)]


def complete_paths(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """What the shell itself knows best."""
    return [CompletionItem(begun, type="file")]


def complete_profiles(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The profiles of the file that would be read."""
    from wheel_uploader import config

    path = context.params.get("config") or config.find(Path.cwd())
    try:
        return [name for name in config.profiles(path) if name.startswith(begun)] if path else []
    except UsageError:
        return []

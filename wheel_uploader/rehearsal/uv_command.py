"""The uv command: whether it works, and how it is led to the indexes that pip is configured with."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.rehearsal import pip_command

#: Seconds for uv to report its version, and for pip to report its configuration.
_LIMIT = 60
#: Arguments of uv for settings of pip. Not variables, which an older uv would ignore.
_ARGUMENTS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "requirement": "--requirement",
}
#: Settings of pip that have no influence on the installed files.
_NEUTRAL = frozenset(
    {
        "break-system-packages",
        "cache-dir",
        "compile",
        "config-file",
        "default-timeout",
        "disable-pip-version-check",
        "no-cache-dir",
        "no-color",
        "no-compile",
        "no-input",
        "no-python-version-warning",
        "no-warn-script-location",
        "progress-bar",
        "quiet",
        "require-virtualenv",
        "retries",
        "root-user-action",
        "timeout",
        "verbose",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UvSettings:
    """Settings of pip, for ``uv pip install``."""

    arguments: Sequence[str]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """A uv that works."""

    path: str
    #: None if a setting of pip has no counterpart: then pip installs the dependencies.
    settings: UvSettings | None

    def create_environment(self, python: str, folder: Path) -> list[str]:
        """Return the command that creates an environment without pip."""
        command = [self.path, "venv", "--quiet", "--no-project", "--no-config", "--python", python]
        return [*command, str(folder)]

    def install(self, python: str) -> list[str]:
        """Return the start of a command that installs into the environment of ``python``."""
        return [self.path, "pip", "install", "--python", python, "--quiet", "--no-config"]


def find_uv(passed_variables: Sequence[str] = ()) -> Uv | None:
    """Return a uv that works, None if there is none; ``passed_variables`` are those that pip gets, too."""
    path = shutil.which("uv")
    if not path or _output([path, "--version"], passed_variables) is None:
        return None
    config = _output([*pip_command.PIP_COMMAND, "config", "list"], passed_variables)
    settings = None if config is None else _parse_config(config)
    return Uv(path=path, settings=None if settings is None else _translate(settings))


def _output(command: list[str], passed_variables: Sequence[str]) -> str | None:
    """Return the output of a command, None if it fails."""
    try:
        done = child_process.run_child(command, ChildKind.PIP, timeout=_LIMIT, extra_names=passed_variables)
    except (ChildStartError, OSError):
        return None
    return None if done.exit_status or done.timed_out else done.output.text()


def _parse_config(text: str) -> dict[str, str] | None:
    """Return the settings that ``pip install`` uses from the output of ``pip config list``; None in doubt."""
    by_section: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in by_section:
            try:
                by_section[section][name] = str(ast.literal_eval(value))
            except (ValueError, SyntaxError):
                return None
    return by_section["global"] | by_section["install"] | by_section[":env:"]


def _translate(settings: Mapping[str, str]) -> UvSettings | None:
    """Return settings of pip for uv; None if there is one without a counterpart.

    A URL with a login has none: pip reads it itself, and here it would be handed on.
    """
    if any(
        "://" in word and strip_url(word) != word for value in settings.values() for word in value.split()
    ):
        return None
    # pip takes the best version of all indexes.
    arguments = ["--index-strategy", "unsafe-best-match"]
    variables = {}
    for name, value in settings.items():
        if name in _ARGUMENTS:
            arguments += [word for each in value.split() for word in (_ARGUMENTS[name], each)]
        elif name == "no-index" and value.lower() in {"1", "true", "yes", "on"}:
            arguments.append("--no-index")
        elif name == "cert":
            variables["SSL_CERT_FILE"] = value
        elif name not in _NEUTRAL:
            return None
    return UvSettings(arguments=arguments, variables=variables)

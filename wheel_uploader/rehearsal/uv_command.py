"""The uv command: whether it works, and how it is led to the indexes that pip is configured with."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.rehearsal import pip_command

#: Seconds for uv to report its version, and for pip to report its configuration.
_LIMIT = 60
#: Variables of uv for settings of pip.
_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
}
#: Settings of pip that do not decide what is installed, or that become arguments.
_NEUTRAL = frozenset(
    {
        *(
            "timeout",
            "default-timeout",
            "retries",
            "disable-pip-version-check",
            "no-input",
            "quiet",
            "verbose",
        ),
        *(
            "cache-dir",
            "no-cache-dir",
            "progress-bar",
            "no-color",
            "root-user-action",
            "compile",
            "no-compile",
        ),
        *(
            "no-warn-script-location",
            "require-virtualenv",
            "break-system-packages",
            "no-python-version-warning",
        ),
        *("config-file", "find-links", "requirement"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UvSettings:
    """Settings of pip, for uv."""

    variables: Mapping[str, str]
    #: URLs and folders in addition to the indexes, and files with requirements that pip always installs.
    find_links: Sequence[str]
    requirements: Sequence[str]

    @property
    def arguments(self) -> list[str]:
        """The arguments of ``uv pip install`` for them."""
        links = [word for each in self.find_links for word in ("--find-links", each)]
        return links + [word for each in self.requirements for word in ("--requirement", each)]


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
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name, value in settings.items():
        if name in _VARIABLES:
            variables[_VARIABLES[name]] = " ".join(value.split())
        elif name == "no-index" and value.lower() in {"1", "true", "yes", "on"}:
            variables["UV_NO_INDEX"] = "1"
        elif name not in _NEUTRAL:
            return None
    return UvSettings(
        variables=variables,
        find_links=settings.get("find-links", "").split(),
        requirements=settings.get("requirement", "").split(),
    )

"""The real anaconda-client, which is compared with our program: installation and commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tools.testing.anaconda_site import ORG, TOKEN, ServedSite
from tools.uv_program import find_uv_program

PACKAGE = "anaconda-client==1.16.0"
_INSTALLATION_TIMEOUT = 300


class NotInstallable(Exception):
    """The client cannot be installed; the text says why."""


def install(folder: Path) -> Path:
    """Install the client, which has more than 80 dependencies, into a new environment; return its command.

    Raises NotInstallable.
    """
    command = folder / "bin" / "anaconda"
    uv = find_uv_program()
    if not uv:
        raise NotInstallable("uv is not installed, which installs anaconda-client")
    if not command.exists():
        for step in (
            [uv, "venv", "-q", "-p", "3.11", str(folder)],
            [uv, "pip", "install", "-q", "--compile-bytecode", "-p", str(folder), PACKAGE],
        ):
            done = subprocess.run(
                step, capture_output=True, text=True, timeout=_INSTALLATION_TIMEOUT, check=False
            )
            if done.returncode:
                raise NotInstallable(f"{PACKAGE} cannot be installed: {done.stderr.strip()[-200:]}")
    return command


def build_command(client: Path, *arguments: str | Path) -> list[str]:
    """Return the command that uploads files, with the options before them."""
    return [str(client), "-q", "upload", "-u", ORG, *map(str, arguments)]


def write_environment(folder: Path, served: ServedSite) -> dict[str, str]:
    """Write the client's configuration into a folder, and return its environment."""
    # The client has no variable for the URL of the API.
    config = folder / "config" / "data" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"url: {served.api_url}\n", encoding="utf-8")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BINSTAR_CONFIG_DIR": str(folder / "config"),
        "ANACONDA_API_TOKEN": TOKEN,
    }

"""Asks pip what it would install: the program that users run, so that it need not be guessed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wheel_uploader import pip
from wheel_uploader.display import printable
from wheel_uploader.errors import NetworkError
from wheel_uploader.rehearsal.machines import Machine, Python

#: Seconds for one answer, which takes one or two.
LIMIT = 300
#: What pip says when there is no wheel for a machine.
_NO_WHEEL = ("No matching distribution found", "Could not find a version that satisfies")


def _environment() -> dict[str, str]:
    """Without what could send pip elsewhere."""
    kept = pip.environment().items()
    elsewhere = {name for name, _ in kept if name.startswith("PIP_") or name.lower().endswith("_proxy")}
    return {name: value for name, value in kept if name not in elsewhere} | {"PIP_CONFIG_FILE": os.devnull}


def choice(index_url: str, requirement: str, python: Python, machine: Machine, scratch: Path) -> str:
    """The file name of the wheel that pip would install from an index; empty when it finds none.

    Raises NetworkError when pip cannot say.
    """
    command = [*pip.COMMAND, "install", "--dry-run", "--report", "-", "--quiet", "--no-input"]
    command += ["--isolated", "--disable-pip-version-check", "--no-cache-dir", "--no-deps"]
    command += ["--ignore-installed", "--only-binary=:all:", "--index-url", index_url]
    command += ["--target", str(scratch / "target"), "--implementation", python.implementation]
    command += ["--python-version", f"{python.version[0]}.{python.version[1]}", "--abi", python.abi]
    for tag in machine.platforms:
        command += ["--platform", tag]
    try:
        done = subprocess.run(
            [*command, requirement],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
            env=_environment(),
            cwd=scratch,
        )
    except subprocess.TimeoutExpired:
        raise NetworkError(f"pip gave no answer for {python} on {machine} within {LIMIT} s") from None
    if done.returncode and any(words in done.stderr for words in _NO_WHEEL):
        return ""
    try:
        (taken,) = json.loads(done.stdout)["install"]
        return unquote(urlsplit(taken["download_info"]["url"]).path.rpartition("/")[2])
    except (ValueError, KeyError, TypeError):
        last = printable((done.stderr.strip().splitlines() or ["nothing"])[-1])
        raise NetworkError(f"pip cannot say what it installs for {python} on {machine}: {last}") from None

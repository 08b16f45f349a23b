"""Dependency resolution with pip itself: which wheel it would install for a Python and platform."""

from __future__ import annotations

import json
import os
from pathlib import Path

from wheel_uploader import child_processes, pip
from wheel_uploader.child_environment import Kind
from wheel_uploader.child_outcome import CannotStart, describe
from wheel_uploader.child_scope import Scope
from wheel_uploader.display import printable
from wheel_uploader.errors import NetworkError
from wheel_uploader.rehearsal.machines import Machine, Python
from wheel_uploader.urls import unquote, urlsplit

#: Seconds for one resolution, which takes one or two.
LIMIT = 300
#: In bytes; a report of pip contains the metadata of one wheel.
_MAX_REPORT = 32 << 20
#: Messages of pip if no wheel is compatible.
_NO_WHEEL_MESSAGES = ("No matching distribution found", "Could not find a version that satisfies")


def choice(
    index_url: str,
    requirement: str,
    python: Python,
    machine: Machine,
    scratch: Path,
    scope: Scope | None = None,
) -> str:
    """Return the file name of the wheel that pip would install from an index; empty if it finds none.

    Raises NetworkError if pip fails.
    """
    command = [*pip.COMMAND, "install", "--dry-run", "--report", "-", "--quiet", "--no-input"]
    command += ["--isolated", "--disable-pip-version-check", "--no-cache-dir", "--no-deps"]
    command += ["--ignore-installed", "--only-binary=:all:", "--index-url", index_url]
    command += ["--target", str(scratch / "target"), "--implementation", python.implementation]
    command += ["--python-version", f"{python.version[0]}.{python.version[1]}", "--abi", python.abi]
    for tag in machine.platforms:
        command += ["--platform", tag]
    target = f"{python} on {machine}"
    try:
        done = child_processes.run(
            [*command, requirement],
            Kind.OFFLINE,
            seconds=LIMIT,
            limit=_MAX_REPORT,
            variables={"PIP_CONFIG_FILE": os.devnull},
            cwd=scratch,
            scope=scope,
        )
    except (CannotStart, OSError) as error:
        raise NetworkError(f"cannot run pip for {target}: {printable(str(error))}") from None
    if done.timed_out:
        raise NetworkError(f"pip did not finish within {LIMIT} s for {target}")
    errors = done.errors.text()
    if done.status and any(message in errors for message in _NO_WHEEL_MESSAGES):
        return ""
    try:
        (item,) = json.loads(bytes(done.output))["install"]
        return unquote(urlsplit(item["download_info"]["url"]).path.rpartition("/")[2])
    except (ValueError, KeyError, TypeError):
        last = printable((errors.strip().splitlines() or [f"no output ({describe(done.status)})"])[-1])
        raise NetworkError(f"pip could not resolve for {target}: {last}") from None

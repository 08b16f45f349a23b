"""Dependency resolution with pip itself: which wheel it would install for a Python and platform."""

from __future__ import annotations

import json
import os
from pathlib import Path

from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError, describe_exit_status
from wheel_uploader.core.child_processes.scope import ChildScope
from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import unquote, urlsplit
from wheel_uploader.rehearsal import pip_command
from wheel_uploader.rehearsal.environments import TargetPlatform, TargetPython

#: Seconds for one resolution, which takes one or two.
PIP_TIMEOUT = 300
#: In bytes; a report of pip contains the metadata of one wheel.
_MAX_REPORT = 32 << 20
#: Messages of pip if no wheel is compatible, by its tags or its Requires-Python.
_NO_WHEEL_MESSAGES = (
    "No matching distribution found",
    "Could not find a version that satisfies",
    "requires a different Python",
)


def resolve_with_pip(
    index_url: str,
    requirement: str,
    python: TargetPython,
    platform: TargetPlatform,
    temp_dir: Path,
    scope: ChildScope | None = None,
) -> str:
    """Return the file name of the wheel that pip would install from an index; empty if it finds none.

    Raises NetworkError if pip fails.
    """
    command = [*pip_command.PIP_COMMAND, "install", "--dry-run", "--report", "-", "--quiet", "--no-input"]
    command += ["--isolated", "--disable-pip-version-check", "--no-cache-dir", "--no-deps"]
    command += ["--ignore-installed", "--only-binary=:all:", "--index-url", index_url]
    command += ["--target", str(temp_dir / "target"), "--implementation", python.implementation]
    command += ["--python-version", f"{python.version[0]}.{python.version[1]}", "--abi", python.abi]
    for tag in platform.platform_tags:
        command += ["--platform", tag]
    target = f"{python} on {platform}"
    try:
        done = child_process.run_child(
            [*command, requirement],
            ChildKind.PIP_LOCAL_INDEX,
            timeout=PIP_TIMEOUT,
            max_output_size=_MAX_REPORT,
            variables={"PIP_CONFIG_FILE": os.devnull},
            cwd=temp_dir,
            scope=scope,
        )
    except (ChildStartError, OSError) as error:
        raise NetworkError(f"cannot run pip for {target}: {sanitize(str(error))}") from None
    if done.timed_out:
        raise NetworkError(f"pip did not finish within {format_duration(PIP_TIMEOUT)} for {target}")
    errors = done.error_output.text()
    if done.exit_status and any(message in errors for message in _NO_WHEEL_MESSAGES):
        return ""
    try:
        (item,) = json.loads(bytes(done.output))["install"]
        return unquote(urlsplit(item["download_info"]["url"]).path.rpartition("/")[2])
    except (ValueError, KeyError, TypeError):
        last = sanitize(
            (errors.strip().splitlines() or [f"no output ({describe_exit_status(done.exit_status)})"])[-1]
        )
        raise NetworkError(f"pip could not resolve for {target}: {last}") from None

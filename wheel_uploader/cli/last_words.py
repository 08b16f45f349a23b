"""The end of a run that could not end by itself: its last sentence, and a report without results."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from wheel_uploader import stopping
from wheel_uploader.display import printable
from wheel_uploader.errors import ReleaseError

_SILENT = 2


def about(values: dict[str, Any]) -> str:
    """Return what the watchdog has to know of a command line, as JSON."""
    return json.dumps(
        {
            "project": values["project"],
            "version": values["release"],
            "urls": list(values["urls"]),
            "reports": [str(path) for path in values["reports"]],
            "quiet": values["quiet"],
            "limit": values["max_duration"],
        }
    )


def say(code: int, grace: float, told: str) -> None:
    """Say how the run was ended, and write its report files; called in the watchdog."""
    known = json.loads(told) if told else {}
    error = stopping.forced(code, grace, known.get("limit", 0.0))
    tell(error, known.get("quiet", 0))
    if not known:
        return
    from wheel_uploader import outputs
    from wheel_uploader.models import Options, Report

    asked = Options.unchecked(project=known["project"], version=known["version"], urls=tuple(known["urls"]))
    outputs.write(Report(asked, error=error), outputs.destinations(map(Path, known["reports"])))


def tell(error: ReleaseError, quiet: int) -> None:
    """Write the error to standard error; not with click, whose locks may be held."""
    if quiet < _SILENT:
        with contextlib.suppress(OSError):
            lines = f"error: {printable(error.message)}\nnext: {printable(error.hint)}\n"
            os.write(2, lines.encode("utf-8", "backslashreplace"))

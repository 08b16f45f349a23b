"""The final message and the report of a run that the watchdog ended by force."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from wheel_uploader import stopping
from wheel_uploader.display import printable
from wheel_uploader.errors import ReleaseError

#: Number of ``-q`` options that silences everything.
_SILENT = 2


def about(values: dict[str, Any]) -> str:
    """Return the values of the command line that the watchdog needs, as JSON."""
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
    """Print how the run was ended, and write its report files; called in the watchdog."""
    values = json.loads(told) if told else {}
    error = stopping.forced(code, grace, values.get("limit", 0.0))
    tell(error, values.get("quiet", 0))
    if not values:
        return
    from wheel_uploader import outputs
    from wheel_uploader.models import Options, Report

    urls = tuple(values["urls"])
    options = Options.unchecked(project=values["project"], version=values["version"], urls=urls)
    outputs.write(Report(options, error=error), outputs.destinations(map(Path, values["reports"])))


def tell(error: ReleaseError, quiet: int) -> None:
    """Write the error to standard error without click, whose locks may be held."""
    if quiet < _SILENT:
        with contextlib.suppress(OSError):
            lines = f"error: {printable(error.message)}\nnext: {printable(error.hint)}\n"
            os.write(2, lines.encode("utf-8", "backslashreplace"))

"""The final message and the report of a run that the watchdog ended by force."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.redaction import sanitize

#: Number of ``-q`` options that silences everything.
_SILENT = 2


def watchdog_values(values: dict[str, Any]) -> str:
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


def report_forced_end(code: int, grace: float, watchdog_json: str) -> None:
    """Print how the run was ended, and write its report files; called in the watchdog."""
    values = json.loads(watchdog_json) if watchdog_json else {}
    error = cancellation.make_forced_exit_error(code, grace, values.get("limit", 0.0))
    write_error(error, values.get("quiet", 0))
    if not values:
        return
    from wheel_uploader.core.models import Options, Report
    from wheel_uploader.report import destinations

    urls = tuple(values["urls"])
    options = Options.unchecked(project=values["project"], version=values["version"], urls=urls)
    destinations.write_reports(
        Report(options, error=error), destinations.parse_destinations(map(Path, values["reports"]))
    )


def write_error(error: ReleaseError, quiet: int) -> None:
    """Write the error to standard error without click, whose locks may be held."""
    if quiet < _SILENT:
        with contextlib.suppress(OSError):
            lines = f"error: {sanitize(error.message)}\nnext: {sanitize(error.hint)}\n"
            os.write(2, lines.encode("utf-8", "backslashreplace"))

"""The final message and the report of a run that the watchdog ended by force."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.redaction import sanitize_message

if TYPE_CHECKING:
    from wheel_uploader.core.models import Report

#: Number of ``-q`` options that silences everything.
SILENT = 2


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
    from wheel_uploader.report import destinations

    report = report_of_unstarted_run(values["project"], values["version"], values["urls"], error)
    destinations.write_reports(report, destinations.parse_destinations(map(Path, values["reports"])))


def report_of_unstarted_run(project: str, version: str, urls: Iterable[str], error: ReleaseError) -> Report:
    """Return the report of a run that ended before its first stage."""
    from wheel_uploader.core.models import Options, Report

    return Report(Options.unchecked(project=project, version=version, urls=tuple(urls)), error=error)


def write_error(error: ReleaseError, quiet: int) -> None:
    """Write the error to standard error without click, whose locks may be held."""
    if quiet < SILENT:
        with contextlib.suppress(OSError):
            lines = f"error: {sanitize_message(error.message)}\nnext: {sanitize_message(error.hint)}\n"
            os.write(2, lines.encode("utf-8", "backslashreplace"))

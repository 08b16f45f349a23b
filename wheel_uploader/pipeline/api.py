"""The functions of the public API; ``wheel_uploader`` exports them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from wheel_uploader import checks
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.errors import NothingFoundError
from wheel_uploader.core.models import CheckProfile, Finding, Options, Report, Selection, Stage
from wheel_uploader.core.progress import Progress, SilentProgress
from wheel_uploader.pipeline import run as pipeline_run


def publish(
    options: Options, *, progress: Progress | None = None, cancel: CancellationToken | None = None
) -> Report:
    """Take a release from its staging place to an index, as far as ``options.until``.

    An error that stops the run is in the report, with everything that was done before it; call
    ``report.raise_for_error()`` to raise it. Nothing is printed without ``progress``, and ``cancel`` ends the
    run early. Signal handlers, loggers and the umask of the process stay as they are.
    """
    return pipeline_run.run(options, progress or SilentProgress(), cancel)


def check_files(paths: Iterable[str | os.PathLike[str]], *, profile: str = "pypi") -> tuple[Finding, ...]:
    """Check wheels and sdists where they are, and return the findings; nothing is written.

    Each path is a file, or a directory of files, of one release. ``profile`` is the rule set: ``pypi``, or
    ``any`` for an index without PyPI's rules. Raises ReleaseError if the files cannot be checked, and
    ValueError for an unknown profile.
    """
    options = Options(
        project="",
        version="",
        urls=tuple(os.fspath(path) for path in paths),
        until=Stage.CHECK,
        profile=CheckProfile(profile),
    )
    report = publish(options)
    # The caller asked for findings, including those that stop a release.
    if not checks.select_blocking(report.findings, strict=False):
        report.raise_for_error()
    return report.findings


def list_release(options: Options) -> Selection:
    """Return the staged files of the release; nothing is downloaded. Raises ReleaseError."""
    report = publish(replace(options, until=Stage.LIST))
    report.raise_for_error()
    if report.selection is None:
        raise NothingFoundError("no files of the release were listed")
    return report.selection

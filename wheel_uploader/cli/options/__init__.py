"""The table of options: one row and one module for each heading of ``--help``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from wheel_uploader.cli.option import Option
from wheel_uploader.cli.options import check, download, listing, run, sign, upload

Function = TypeVar("Function", bound=Callable[..., Any])

GROUPS: dict[str, Callable[[], list[Option]]] = {
    "List": listing.options,
    "Download": download.options,
    "Check": check.options,
    "Sign": sign.options,
    "Upload and confirm": upload.options,
    "The run": run.options,
}


def stage_options(function: Function) -> Function:
    """Add the options of ``GROUPS`` to a command, in the order of the table."""
    options = []
    for title, options_of_group in GROUPS.items():
        for option in options_of_group():
            option.group = title
            options.append(option)
    # In the order of stacked decorators, which click reads from the last to the first.
    for option in reversed(options):
        function.__dict__.setdefault("__click_params__", []).append(option)
    return function

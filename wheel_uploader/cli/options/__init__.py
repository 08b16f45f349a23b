"""The table of options: one line for each heading of the help, one module for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from wheel_uploader.cli.options import check, download, listing, run, sign, upload
from wheel_uploader.cli.params import Option

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
    """Give a command all the options of ``GROUPS``, in that order."""
    options = []
    for title, make in GROUPS.items():
        for option in make():
            option.group = title
            options.append(option)
    # As stacked decorators would: click reads them from the last to the first.
    for option in reversed(options):
        function.__dict__.setdefault("__click_params__", []).append(option)
    return function

"""What is told at the end of a run: the report, what went wrong, and what to do next."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from wheel_uploader.display import HIDDEN, printable
from wheel_uploader.errors import DeadlineError, Interrupted, NetworkError, PartialError, ReleaseError

if TYPE_CHECKING:
    from wheel_uploader.models import Report

#: Characters: no system takes a longer one.
_LONGEST_COMMAND = 2_000_000


def show(result: Report, report_format: str) -> None:
    from wheel_uploader import report

    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    click.echo(report.FORMATS[report_format](result, utf8), nl=False)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # On standard error: the runner reads both, and a document on standard output stays whole.
        click.echo(report.workflow_commands(result), err=True, nl=False)


def continues(result: Report) -> bool:
    """Whether the same command takes up where this run ended."""
    ended = result.error
    if isinstance(ended, PartialError | DeadlineError | Interrupted):
        return True
    return isinstance(ended, NetworkError) and bool(result.results)


def end(error: ReleaseError) -> NoReturn:
    """Say what happened, and end with the error's exit code."""
    tell(error)
    sys.exit(error.exit_code)


def tell(error: ReleaseError, *, again: Sequence[str] = ()) -> None:
    """Say what happened, to which files, and what to do next; ``again``: with which arguments."""
    click.echo(f"error: {printable(error.message)}", err=True)
    for detail in error.details:
        click.echo(f"  {printable(detail)}", err=True)
    if again:
        line = printable(shlex.join(["wheel-uploader", *again]), limit=_LONGEST_COMMAND)
        with_secrets = f" (with what stands for {HIDDEN})" if HIDDEN in line else ""
        click.echo(f"to continue{with_secrets}: {line}", err=True)
    click.echo(f"next: {printable(error.hint)}", err=True)

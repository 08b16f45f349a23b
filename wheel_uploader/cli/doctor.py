"""``--doctor``: one line for each check, and the exit code of the worst problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from wheel_uploader.core.errors import ReleaseError, most_important_error
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.redaction import sanitize_message

if TYPE_CHECKING:
    from wheel_uploader.pipeline.doctor import Diagnosis, Subject

_STATE_WIDTH, _SUBJECT_WIDTH = 7, 10


def run_doctor(subject: Subject, config_lines: Iterable[str]) -> int:
    """Print the result of each check as soon as it is known, and return the exit code."""
    from wheel_uploader.pipeline import doctor

    errors: list[ReleaseError] = []
    click.echo("The settings and tools of a run with these options; nothing is posted.")
    for line in config_lines:
        click.echo(_row("", "config", line))
    for diagnosis in doctor.diagnose(subject):
        for line in _lines(diagnosis):
            click.echo(line)
        if diagnosis.error:
            errors.append(diagnosis.error)
    if not errors:
        click.echo("No problem was found.")
        return 0
    click.echo(f"{format_count(len(errors), 'problem')} found.")
    return most_important_error(errors).exit_code


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    state = "warning" if diagnosis.is_warning else "error" if diagnosis.error else "ok"
    yield _row(state, diagnosis.subject, sanitize_message(diagnosis.text))
    if diagnosis.error:
        yield from (_row("", "", sanitize_message(detail)) for detail in diagnosis.error.details)
        yield _row("", "", f"next: {sanitize_message(diagnosis.error.hint)}")


def _row(state: str, subject: str, text: str) -> str:
    return f"{state:<{_STATE_WIDTH}} {subject:<{_SUBJECT_WIDTH}} {text}"

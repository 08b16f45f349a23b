"""Options of the run: how far, how long, and what is said of it."""

from __future__ import annotations

import click

from wheel_uploader.cli.params import LocalPath, Option, duration, option
from wheel_uploader.config import Kind

FORMATS = ("text", "html", "markdown", "json", "sarif", "notes-md", "notes-rst")
STAGES = ("list", "download", "check", "sign", "upload", "confirm")


def options() -> list[Option]:
    return [
        option(
            "--until",
            type=click.Choice(STAGES),
            default="confirm",
            show_default=True,
            help="Stop after this stage.",
        ),
        option(
            "-n",
            "--no-upload",
            "--no-twine",
            "no_upload",
            is_flag=True,
            help="Do not upload: the same as --until sign.",
        ),
        option(
            "--dry-run",
            is_flag=True,
            help="Stop after the comparison with the index; say what would be posted.",
        ),
        option(
            "--format",
            "report_format",
            type=click.Choice(FORMATS),
            default="text",
            show_default=True,
            help="The report on standard output; sarif is for code scanning, notes-... a table of files, "
            "sizes and sha256 for release notes.",
        ),
        option(
            "--report",
            "reports",
            multiple=True,
            type=LocalPath(),
            metavar="FILE",
            help="Write the report to this file, too, in the format that its name ends with: .html, .md, "
            ".json, .sarif, .txt, .notes.md or .notes.rst. Repeatable.",
        ),
        duration(
            "--max-duration",
            "End after so long (50m, 1h30m); a file that is being uploaded then gets 30 s more.",
        ),
        option(
            "-q",
            "--quiet",
            count=True,
            is_eager=True,
            kind=Kind.COUNT,
            help="Say only what changed or failed, in a line; -qq: nothing, the exit code has to do.",
        ),
        option("-v", "--verbose", count=True, help="Say more: refused files, waits, notes."),
    ]

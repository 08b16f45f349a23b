"""Options of the run as a whole: its last stage, its time limit and its output."""

from __future__ import annotations

import click

from wheel_uploader.cli.option import LocalPath, Option, duration_option, option

FORMATS = ("text", "html", "markdown", "json", "sarif", "notes-md", "notes-rst")
#: auto: colour on a terminal only.
COLORS = ("auto", "always", "never")
STAGES = ("list", "download", "check", "sign", "upload", "confirm")


def options() -> list[Option]:
    """Return the options below the heading "The run"."""
    return [
        option(
            "--until",
            type=click.Choice(STAGES),
            default="confirm",
            metavar="STAGE",
            help=f"Stop after this stage: {', '.join(STAGES[:-1])} or {STAGES[-1]}.",
        ),
        option(
            "-n",
            "--no-upload",
            "--no-twine",
            "no_upload",
            is_flag=True,
            help="Same as --until sign.",
        ),
        option(
            "--dry-run",
            is_flag=True,
            help="Do everything up to the upload, and report what would be uploaded.",
        ),
        option(
            "--rehearse",
            is_flag=True,
            help="Publish to a throwaway local index and report what pip would install for users.",
        ),
        option(
            "--format",
            "report_format",
            type=click.Choice(FORMATS),
            default="text",
            show_default=True,
            metavar="FORMAT",
            help=f"Format of the report on standard output: {', '.join(FORMATS)}.",
        ),
        option(
            "--report",
            "reports",
            multiple=True,
            type=LocalPath(),
            metavar="FILE",
            help="Also write the report to this file: .html, .md, .json, .sarif, .txt, .notes.md or "
            ".notes.rst.",
        ),
        option(
            "--color",
            type=click.Choice(COLORS),
            default=COLORS[0],
            metavar="WHEN",
            help=f"When to use colour: {', '.join(COLORS[:-1])} or {COLORS[-1]}; auto obeys NO_COLOR and "
            "FORCE_COLOR.",
        ),
        duration_option(
            "--max-duration", "Stop after DURATION; uploads in progress get 30 s to finish.", is_limit=True
        ),
        option(
            "-q",
            "--quiet",
            count=True,
            is_eager=True,
            help="Print only changes and failures; -qq prints nothing.",
        ),
        option("-v", "--verbose", count=True, help="Print more: rejected files, waits and notes."),
    ]

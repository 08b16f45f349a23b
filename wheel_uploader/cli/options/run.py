"""Options of the run: how far, how long, and what is said of it."""

from __future__ import annotations

import click

from wheel_uploader.cli.params import LocalPath, Option, duration, option

FORMATS = ("text", "html", "markdown", "json", "sarif", "notes-md", "notes-rst")
#: auto: on a terminal.
COLORS = ("auto", "always", "never")
STAGES = ("list", "download", "check", "sign", "upload", "confirm")


def options() -> list[Option]:
    return [
        option(
            "--until",
            type=click.Choice(STAGES),
            default="confirm",
            metavar="STAGE",
            help=f"Stop after {', '.join(STAGES[:-1])} or {STAGES[-1]}.",
        ),
        option(
            "-n",
            "--no-upload",
            "--no-twine",
            "no_upload",
            is_flag=True,
            help="As --until sign.",
        ),
        option(
            "--dry-run",
            is_flag=True,
            help="Go as far as the index, and say what would be posted.",
        ),
        option(
            "--rehearse",
            is_flag=True,
            help="Publish to an index on this machine, and ask pip what users get.",
        ),
        option(
            "--format",
            "report_format",
            type=click.Choice(FORMATS),
            default="text",
            show_default=True,
            metavar="FORMAT",
            help=f"The report on standard output: {', '.join(FORMATS)}.",
        ),
        option(
            "--report",
            "reports",
            multiple=True,
            type=LocalPath(),
            metavar="FILE",
            help="The report as a file, too: .html, .md, .json, .sarif, .txt, .notes.md or .notes.rst.",
        ),
        option(
            "--color",
            type=click.Choice(COLORS),
            default=COLORS[0],
            metavar="WHEN",
            help=f"Colours: {', '.join(COLORS[:-1])} or {COLORS[-1]}; NO_COLOR and FORCE_COLOR count, too.",
        ),
        duration("--max-duration", "End after so long; an upload in flight gets 30 s more."),
        option(
            "-q",
            "--quiet",
            count=True,
            is_eager=True,
            help="Say only what changed or failed; -qq: nothing.",
        ),
        option("-v", "--verbose", count=True, help="Say more: refused files, waits, notes."),
    ]

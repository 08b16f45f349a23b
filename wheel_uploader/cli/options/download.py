"""Options of the download stage: how files come into the wheelhouse."""

from __future__ import annotations

import click

from wheel_uploader.cli.params import LocalPath, Option, option


def options() -> list[Option]:
    return [
        option(
            "-w",
            "--wheelhouse",
            "--wheel-dir",
            "wheelhouse",
            type=LocalPath(),
            metavar="DIR",
            help="The local folder that the files are downloaded into.  [default: wheelhouse; none where "
            "local files are only checked]",
        ),
        option(
            "-c", "--clobber", is_flag=True, help="Overwrite a file there that differs from the source's."
        ),
        option(
            "--keep",
            type=click.IntRange(min=1),
            metavar="N",
            help="In the end leave the N newest releases of the project in the wheelhouse.",
        ),
        option(
            "--keep-days",
            type=click.IntRange(min=1),
            metavar="DAYS",
            help="Leave those that came in the last DAYS; what the index does not have stays, too.",
        ),
        option("-j", "--jobs", type=click.IntRange(1, 64), help="Downloads at once.  [default: by size]"),
        option(
            "--timeout",
            type=click.FloatRange(min=1),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="How long a server may be silent.",
        ),
        option(
            "--retries",
            type=click.IntRange(1, 20),
            default=6,
            show_default=True,
            help="Attempts for each request.",
        ),
        option(
            "--lock-timeout",
            type=click.FloatRange(min=0),
            default=0.0,
            metavar="SECONDS",
            help="Wait for another run that uses the wheelhouse.",
        ),
    ]

"""Options of the download stage: where the wheelhouse is, what stays in it, how files come into it."""

from __future__ import annotations

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
            help="The folder to download into.  [default: wheelhouse; none to check local files]",
        ),
        option("-c", "--clobber", is_flag=True, help="Overwrite a file there that is another one."),
        option(
            "--keep-releases",
            renamed_from="--keep",
            type=int,
            metavar="N",
            help="In the end keep the N newest releases there, and what the index does not have.",
        ),
        option(
            "--keep-days",
            type=int,
            metavar="N",
            help="The same, by the days since they came; with both, what either keeps.",
        ),
        option(
            "-j",
            "--jobs",
            type=int,
            metavar="N",
            help="Downloads at once.  [default: by size]",
        ),
        option(
            "--timeout",
            type=float,
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="How long a server may be silent.",
        ),
        option(
            "--retries",
            type=int,
            default=6,
            show_default=True,
            metavar="N",
            help="Attempts for each request.",
        ),
        option(
            "--lock-timeout",
            type=float,
            default=0.0,
            metavar="SECONDS",
            help="Wait for another run in the wheelhouse.",
        ),
    ]

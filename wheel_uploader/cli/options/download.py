"""Options of the download stage: the wheelhouse, its retention and the download settings."""

from __future__ import annotations

from wheel_uploader.cli.option import LocalPath, Option, option


def options() -> list[Option]:
    """Return the options below the heading "Download"."""
    return [
        option(
            "-w",
            "--wheelhouse",
            "--wheel-dir",
            "wheelhouse",
            type=LocalPath(),
            metavar="DIR",
            help="Download into this folder.  [default: wheelhouse; none to check local files]",
        ),
        option("-c", "--clobber", is_flag=True, help="Overwrite files whose contents differ."),
        option(
            "--keep-releases",
            renamed_from="--keep",
            type=int,
            metavar="N",
            help="After success, keep only the N newest releases (never delete files that are not on the "
            "index). At the target: --prune.",
        ),
        option(
            "--keep-days",
            type=int,
            metavar="N",
            help="Keep releases downloaded in the last N days; with --keep-releases, a release is "
            "kept if either rule keeps it. At the target: --prune-days.",
        ),
        option(
            "-j",
            "--jobs",
            type=int,
            metavar="N",
            help="Number of parallel downloads.  [default: depends on the size]",
        ),
        option(
            "--timeout",
            type=float,
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="Seconds without data before a request times out.",
        ),
        option(
            "--retries",
            type=int,
            default=6,
            show_default=True,
            metavar="N",
            help="Number of attempts for each request.",
        ),
        option(
            "--lock-timeout",
            type=float,
            default=0.0,
            metavar="SECONDS",
            help="Wait up to this long for another run that uses the wheelhouse.",
        ),
    ]

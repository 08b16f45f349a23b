"""Options of the list stage: where the files are, and which of them are meant."""

from __future__ import annotations

import click

from wheel_uploader.cli.params import LocalPath, Option, duration, option
from wheel_uploader.config import Kind


def options() -> list[Option]:
    return [
        option(
            "-u",
            "--url",
            "--wheel-url-dir",
            "urls",
            multiple=True,
            metavar="URL",
            help="Where the files wait: a listing, an index page, a local folder or file. Repeatable.",
        ),
        option(
            "-t",
            "--type",
            "--wheel-type",
            "types",
            multiple=True,
            default=("all",),
            metavar="TYPE",
            help="Only files for this platform: all (the default), macosx, win, linux, manylinux, "
            "manylinux1, musllinux, any, or a part of a platform tag. Repeatable.",
        ),
        option("--pre", is_flag=True, help="Let 'latest' be a pre-release or a dev version."),
        option(
            "--expect",
            # The configuration may have a number or a table.
            type=click.UNPROCESSED,
            kind=Kind.FILES,
            metavar="N|FILE",
            help="What has to be there: a number of files, or a file with a name or a tag on each line.",
        ),
        duration("--wait", "Wait so long (20m, 1h30m) until what is expected is listed, twice the same."),
        duration("--max-age", "Fail when the newest file of the release that is staged is older (36h, 3d)."),
        option(
            "--hashes",
            type=LocalPath(),
            metavar="FILE",
            help="A SHA256SUMS that you trust: its files have to be there, with these bytes.",
        ),
        option(
            "--require-hashes",
            is_flag=True,
            help="Refuse files that neither the listing nor --hashes vouches for.",
        ),
        option(
            "--netrc", is_flag=True, help="Log in where the files wait with what ~/.netrc (or NETRC) has."
        ),
        option(
            "--allow-host",
            "allow_hosts",
            multiple=True,
            metavar="HOST",
            help="Follow links of a listing to this host. Repeatable.",
        ),
        option(
            "--allow-insecure-host",
            "allow_insecure_hosts",
            multiple=True,
            metavar="HOST",
            help="Use http, not https, with this host. Repeatable.",
        ),
    ]

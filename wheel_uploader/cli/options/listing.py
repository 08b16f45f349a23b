"""Options of the list stage: where the files are, and which of them are meant."""

from __future__ import annotations

import click

from wheel_uploader.cli.completion import complete_paths, complete_types
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
            shell_complete=complete_paths,
            help="A listing, an index page, a local folder or file.",
        ),
        option(
            "-t",
            "--type",
            "--wheel-type",
            "types",
            multiple=True,
            default=("all",),
            metavar="TYPE",
            shell_complete=complete_types,
            help="Only for macosx, win, linux, manylinux, musllinux, any, or a part of a platform tag.  "
            "[default: all]",
        ),
        option("--pre", is_flag=True, help="'latest' may be a pre-release or a dev version."),
        option(
            "--expect",
            # The configuration may have a number or a table.
            type=click.UNPROCESSED,
            kind=Kind.FILES,
            metavar="N|FILE",
            shell_complete=complete_paths,
            help="How many files have to be there, or a file of names and tags.",
        ),
        duration("--wait", "Wait so long until what is expected is listed."),
        duration("--max-age", "Fail when the newest file that is staged is older."),
        option(
            "--sha256sums",
            renamed_from="--hashes",
            type=LocalPath(),
            metavar="FILE",
            help="A SHA256SUMS that you trust: just these files, just these bytes.",
        ),
        option("--require-hashes", is_flag=True, help="Refuse files that no strong hash vouches for."),
        option("--netrc", is_flag=True, help="Log in where the files wait with ~/.netrc."),
        option(
            "--allow-host",
            "allow_hosts",
            multiple=True,
            metavar="HOST",
            help="Follow links of a listing to this host.",
        ),
        option(
            "--allow-insecure-host",
            "allow_insecure_hosts",
            multiple=True,
            metavar="HOST",
            help="Use http with this host.",
        ),
    ]

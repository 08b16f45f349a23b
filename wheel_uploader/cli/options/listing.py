"""Options of the list stage: where the files are staged, and which of them belong to the release."""

from __future__ import annotations

import click

from wheel_uploader.cli.completion import complete_paths, complete_types
from wheel_uploader.cli.config_file import ValueKind
from wheel_uploader.cli.option import LocalPath, Option, duration_option, option


def options() -> list[Option]:
    """Return the options below the heading "List"."""
    return [
        option(
            "-u",
            "--url",
            "--wheel-url-dir",
            "--packages-dir",
            "urls",
            multiple=True,
            metavar="URL",
            shell_complete=complete_paths,
            help="Where the files are staged: a listing, an index page, a local folder or file.",
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
            help="Keep only wheels for these platforms: macosx, win, linux, manylinux, musllinux, any, or "
            "any part of a platform tag.  [default: all]",
        ),
        option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Leave out files whose names match: 'demo-1.0.tar.gz', '*-win32.whl'.",
        ),
        option("--pre", is_flag=True, help="Let 'latest' be a pre-release or a development release."),
        option(
            "--expect",
            # In the configuration file this may also be a number or a table.
            type=click.UNPROCESSED,
            kind=ValueKind.FILES,
            metavar="N|FILE",
            shell_complete=complete_paths,
            help="The number of files to expect, or a file that lists their names or tags.",
        ),
        duration_option("--wait", "Wait up to this long for the expected files to be listed."),
        duration_option(
            "--max-age",
            "Fail if the newest staged file is older than this; with --verify, if the newest file of a "
            "platform on the index is.",
            is_limit=True,
        ),
        option(
            "--sha256sums",
            renamed_from="--hashes",
            type=LocalPath(),
            metavar="FILE",
            help="Trusted SHA256SUMS: accept only these files with these hashes.",
        ),
        option(
            "--require-hashes", is_flag=True, help="Reject files without a strong hash (SHA-256 or better)."
        ),
        option("--netrc", is_flag=True, help="Use ~/.netrc credentials for the staging URLs."),
        option(
            "--allow-host",
            "allow_hosts",
            multiple=True,
            metavar="HOST",
            help="Follow links from a listing to this host.",
        ),
        option(
            "--allow-insecure-host",
            "allow_insecure_hosts",
            multiple=True,
            metavar="HOST",
            help="Allow plain http with this host.",
        ),
    ]

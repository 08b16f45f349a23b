"""Options of the upload and confirm stages: the index, the credentials and the uploads."""

from __future__ import annotations

import click

from wheel_uploader.cli.completion import complete_repositories
from wheel_uploader.cli.option import LocalPath, Option, option


def options() -> list[Option]:
    """Return the options below the heading "Upload and confirm"."""
    return [
        option(
            "-r",
            "--repository",
            "--index",
            shell_complete=complete_repositories,
            multiple=True,
            metavar="NAME",
            help="Target, a section of .pypirc or of the configuration.  [default: pypi]",
        ),
        option(
            "--repository-url",
            "--publish-url",
            metavar="URL",
            help="Upload to this URL, folder or bucket instead of a target from .pypirc.",
        ),
        option(
            "--index-url",
            "--check-url",
            metavar="URL",
            help="URL to read the index from.  [default: derived from the upload URL]",
        ),
        option(
            "--label",
            "labels",
            multiple=True,
            metavar="LABEL",
            help="anaconda.org: label of the files.  [default: main]",
        ),
        option(
            "--release-id",
            type=int,
            metavar="N",
            help="Number of the GitHub release or draft to upload to, if several have the tag.",
        ),
        option(
            "--config-file", type=LocalPath(), metavar="FILE", help="Read this file instead of ~/.pypirc."
        ),
        option(
            "--username",
            "--user",
            metavar="NAME",
            help="User name; the password comes from TWINE_PASSWORD, .pypirc or keyring.",
        ),
        option("--cert", type=LocalPath(), metavar="FILE", help="CA certificates for the index (PEM)."),
        option(
            "--client-cert", type=LocalPath(), metavar="FILE", help="Client certificate with its key (PEM)."
        ),
        option("--non-interactive", is_flag=True, help="Never prompt."),
        option(
            "--ask",
            is_flag=True,
            help="Ask on the terminal before the upload: how many files, how large, to where, as whom.",
        ),
        option(
            "--skip-existing/--no-skip-existing",
            default=True,
            help="Fail if a file already exists on the index, even with identical contents.",
        ),
        option(
            "--replace",
            is_flag=True,
            help="anaconda.org: replace files with different contents, of development, pre-release and local "
            "versions, there and in the wheelhouse.",
        ),
        option(
            "--prune",
            type=int,
            metavar="N",
            help="After the whole run is confirmed, remove older releases than the N newest from the target "
            "(anaconda.org, devpi, static indexes); never final ones. In the wheelhouse: --keep-releases.",
        ),
        option(
            "--prune-days",
            type=int,
            metavar="N",
            help="The same for releases uploaded more than N days ago; with --prune, a release is kept if "
            "either rule keeps it. In the wheelhouse: --keep-days.",
        ),
        option(
            "--prune-final", is_flag=True, help="Let --prune and --prune-days remove final releases, too."
        ),
        option(
            "--attestations",
            type=click.Choice(["auto", "require", "none"]),
            default="auto",
            show_default=True,
            metavar="auto|...",
            help="Attestations staged with the files: upload those that exist (auto), require one for every "
            "file, or upload none.",
        ),
        option(
            "--upload-jobs",
            type=int,
            default=6,
            show_default=True,
            metavar="N",
            help="Number of parallel uploads.",
        ),
        option(
            "--write-only",
            is_flag=True,
            help="The credentials may only write: upload without reading the index. It is not shown that the "
            "index serves the files.",
        ),
        option(
            "--verify",
            is_flag=True,
            help="Upload nothing: prove that the index serves exactly these files, by sha256. -w DIR without "
            "-u verifies a wheelhouse.",
        ),
        option("--keep-going", is_flag=True, help="Keep uploading after a file is rejected."),
        option(
            "--confirm-timeout",
            type=float,
            default=600.0,
            show_default=True,
            metavar="SECONDS",
            help="Wait up to this long for the index to list every file (--verify: default one look).",
        ),
    ]

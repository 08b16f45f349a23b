"""Options of the upload and confirm stages: which index, as whom, and how."""

from __future__ import annotations

import click

from wheel_uploader.cli.params import LocalPath, Option, option


def options() -> list[Option]:
    return [
        option(
            "-r", "--repository", metavar="NAME", help="The section of .pypirc to upload to.  [default: pypi]"
        ),
        option("--repository-url", metavar="URL", help="The upload URL itself; .pypirc is not read then."),
        option(
            "--index-url",
            metavar="URL",
            help="Where the index is read.  [default: derived from the upload URL]",
        ),
        option("--config-file", type=LocalPath(), metavar="FILE", help="Another .pypirc."),
        option(
            "--username",
            metavar="NAME",
            help="Who uploads; the password comes from TWINE_PASSWORD, .pypirc or keyring.",
        ),
        option("--cert", type=LocalPath(), metavar="FILE", help="CA certificates (PEM) for the index."),
        option("--client-cert", type=LocalPath(), metavar="FILE", help="Client certificate and key (PEM)."),
        option("--non-interactive", is_flag=True, help="Never ask for anything."),
        option(
            "--skip-existing/--no-skip-existing",
            default=True,
            show_default=True,
            help="Skip a file that the index serves with equal sha256; otherwise it is an error.",
        ),
        option(
            "--attestations",
            type=click.Choice(["auto", "require", "none"]),
            default="auto",
            show_default=True,
            help="Attestations beside the files (*.attestation): publish those that are there where the "
            "index takes them, want one for each file, or leave them out.",
        ),
        option(
            "--upload-jobs",
            type=click.IntRange(1, 16),
            default=4,
            show_default=True,
            help="Uploads at once.",
        ),
        option("--keep-going", is_flag=True, help="Try the other files after one was refused."),
        option(
            "--confirm-timeout",
            type=click.FloatRange(min=0),
            default=600.0,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait until the index lists every file.",
        ),
    ]

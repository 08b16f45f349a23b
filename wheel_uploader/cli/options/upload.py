"""Options of the upload and confirm stages: which index, as whom, and how."""

from __future__ import annotations

import click

from wheel_uploader.cli.params import LocalPath, Option, option


def options() -> list[Option]:
    return [
        option("-r", "--repository", metavar="NAME", help="A section of .pypirc.  [default: pypi]"),
        option("--repository-url", metavar="URL", help="The upload URL itself, without .pypirc."),
        option(
            "--index-url",
            metavar="URL",
            help="Where the index is read.  [default: by the upload URL]",
        ),
        option("--config-file", type=LocalPath(), metavar="FILE", help="Another .pypirc."),
        option(
            "--username",
            metavar="NAME",
            help="Who uploads; the password is in TWINE_PASSWORD, .pypirc or keyring.",
        ),
        option("--cert", type=LocalPath(), metavar="FILE", help="CA certificates for the index (PEM)."),
        option("--client-cert", type=LocalPath(), metavar="FILE", help="Client certificate and key (PEM)."),
        option("--non-interactive", is_flag=True, help="Never ask for anything."),
        option(
            "--skip-existing/--no-skip-existing",
            default=True,
            help="A file that the index has already is an error, even with equal bytes.",
        ),
        option(
            "--attestations",
            type=click.Choice(["auto", "require", "none"]),
            default="auto",
            show_default=True,
            metavar="auto|...",
            help="Attestations beside the files: publish those that are there (auto), require one for each, "
            "or none.",
        ),
        option(
            "--upload-jobs",
            type=int,
            default=4,
            show_default=True,
            metavar="N",
            help="Uploads at once.",
        ),
        option("--keep-going", is_flag=True, help="After one file was refused try the others."),
        option(
            "--confirm-timeout",
            type=float,
            default=600.0,
            show_default=True,
            metavar="SECONDS",
            help="Wait so long until the index lists every file.",
        ),
    ]

"""Options of the sign stage."""

from __future__ import annotations

from wheel_uploader.cli.option import Option, option


def options() -> list[Option]:
    """Return the options below the heading "Sign"."""
    return [
        option("-s", "--sign", is_flag=True, help="Sign every file and SHA256SUMS with gpg."),
        option(
            "-i", "--identity", metavar="KEY", help="Key to sign with: fingerprint, key id or e-mail address."
        ),
        option(
            "--sign-with",
            default="gpg",
            show_default=True,
            metavar="PROGRAM",
            help="Program to sign with, in the place of gpg.",
        ),
        option(
            "--attest",
            is_flag=True,
            help="Create an attestation (PEP 740) for each file with the identity of this CI job.",
        ),
    ]

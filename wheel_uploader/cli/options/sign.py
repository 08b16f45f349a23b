"""Options of the sign stage: with what."""

from __future__ import annotations

from wheel_uploader.cli.params import Option, option


def options() -> list[Option]:
    return [
        option("-s", "--sign", is_flag=True, help="Sign every file, and SHA256SUMS, with gpg."),
        option("-i", "--identity", metavar="KEY", help="The key: fingerprint, id or e-mail."),
        option(
            "--sign-with",
            default="gpg",
            show_default=True,
            metavar="PROGRAM",
            help="The program that signs.",
        ),
        option(
            "--attest",
            is_flag=True,
            help="Attest each file (PEP 740) with the identity of this CI job.",
        ),
    ]

"""Signatures and attestations that are uploaded with a file, if the index accepts them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from wheel_uploader.display import printable
from wheel_uploader.errors import CredentialsError
from wheel_uploader.models import Attestation, Attestations, LocalFile, Signature
from wheel_uploader.publish.target import Target


class Package(Protocol):
    """A file as twine uploads it."""

    gpg_signature: tuple[str, bytes] | None
    attestations: Any


class Along:
    """The attachments of each file: signatures for indexes other than PyPI, attestations for PyPI only."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._signatures: dict[str, bytes] = {}
        self._attestations: dict[str, list[Attestation]] = {}

    def sign(self, signatures: Sequence[Signature]) -> None:
        """Upload these signatures with their files, unless the index is PyPI, which stores none."""
        if not self._target.is_pypi:
            self._signatures = {signature.filename: signature.content for signature in signatures}

    def attest(self, attestations: Sequence[Attestation], wanted: Attestations, *, trusted: bool) -> str:
        """Upload these attestations with their files; return why not, in one clause, if that is impossible.

        ``trusted``: whether the credentials are those of a trusted publisher. Raises CredentialsError if they
        are not and attestations are required.
        """
        if not self._target.is_pypi:
            return f"only PyPI accepts attestations, {printable(self._target.name)} does not"
        if not trusted:
            reason = "PyPI accepts attestations only from trusted publishers, not with an API token"
            if wanted is Attestations.REQUIRE:
                raise CredentialsError(
                    f"--attestations require: {reason}",
                    hint="Publish from CI with a trusted publisher, and unset TWINE_PASSWORD.",
                )
            return reason
        readable = [attestation for attestation in attestations if not attestation.problem]
        for attestation in sorted(readable, key=lambda attestation: attestation.filename):
            self._attestations.setdefault(attestation.about, []).append(attestation)
        return ""

    def add_to(self, package: Package, file: LocalFile) -> None:
        """Attach the signature and the attestations of ``file``, in the bytes that were verified."""
        if file.filename in self._signatures:
            package.gpg_signature = (f"{file.filename}.asc", self._signatures[file.filename])
        if attestations := self._attestations.get(file.filename):
            package.attestations = [json.loads(attestation.content) for attestation in attestations]

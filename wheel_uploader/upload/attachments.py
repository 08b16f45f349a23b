"""Signatures and attestations that are uploaded with a file, if the index accepts them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.models import Attestation, AttestationPolicy, LocalFile, Signature
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.index.target import Target


class AttachmentTarget(Protocol):
    """A file as twine uploads it."""

    gpg_signature: tuple[str, bytes] | None
    attestations: Any


class Attachments:
    """The attachments of each file: signatures for indexes other than PyPI, attestations for PyPI only."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._signatures: dict[str, bytes] = {}
        self._attestations: dict[str, list[Attestation]] = {}

    def set_signatures(self, signatures: Sequence[Signature]) -> None:
        """Upload these signatures with their files, unless the index is PyPI, which stores none."""
        if not self._target.is_pypi:
            self._signatures = {signature.filename: signature.content for signature in signatures}

    def set_attestations(
        self, attestations: Sequence[Attestation], mode: AttestationPolicy, *, is_trusted_publisher: bool
    ) -> str:
        """Upload these attestations with their files; return why not, in one clause, if that is impossible.

        ``is_trusted_publisher``: whether the credentials are those of one. Raises CredentialsError if they
        are not and attestations are required.
        """
        if not self._target.is_pypi:
            return f"only PyPI accepts attestations, {sanitize(self._target.name)} does not"
        if not is_trusted_publisher:
            reason = "PyPI accepts attestations only from trusted publishers, not with an API token"
            if mode is AttestationPolicy.REQUIRE:
                raise CredentialsError(
                    f"--attestations require: {reason}",
                    hint="Publish from CI with a trusted publisher, and unset TWINE_PASSWORD.",
                )
            return reason
        readable = [attestation for attestation in attestations if not attestation.malformed_reason]
        for attestation in sorted(readable, key=lambda attestation: attestation.filename):
            self._attestations.setdefault(attestation.subject_filename, []).append(attestation)
        return ""

    def attach_to(self, package: AttachmentTarget, file: LocalFile) -> None:
        """Attach the signature and the attestations of ``file``, in the bytes that were verified."""
        if file.filename in self._signatures:
            package.gpg_signature = (f"{file.filename}.asc", self._signatures[file.filename])
        if attestations := self._attestations.get(file.filename):
            package.attestations = [json.loads(attestation.content) for attestation in attestations]

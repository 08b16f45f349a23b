"""What is posted along with a file, to an index that takes it: its signature, its attestations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from wheel_uploader.display import printable
from wheel_uploader.errors import CredentialsError
from wheel_uploader.models import Attestation, Attestations, LocalFile, Signature
from wheel_uploader.publish.target import Target


class Package(Protocol):
    """A file as twine posts it."""

    gpg_signature: tuple[str, bytes] | None
    attestations: Any


class Along:
    """Signatures for indexes that keep them, which PyPI does not; attestations for PyPI, the only one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._signatures: dict[str, bytes] = {}
        self._attestations: dict[str, list[Attestation]] = {}

    def sign(self, signatures: Sequence[Signature]) -> None:
        """Post these along."""
        if not self._target.is_pypi:
            self._signatures = {made.filename: made.content for made in signatures}

    def attest(self, attestations: Sequence[Attestation], wanted: Attestations, *, trusted: bool) -> str:
        """Post these along; or why they are not taken, in one clause.

        ``trusted``: whether the login is that of a trusted publisher. Raises CredentialsError when it is not
        and they are required.
        """
        if not self._target.is_pypi:
            return f"{printable(self._target.name)} takes none, only PyPI does"
        if not trusted:
            why = "PyPI takes attestations from trusted publishers only, and these credentials are a token"
            if wanted is Attestations.REQUIRE:
                raise CredentialsError(
                    f"--attestations require: {why}",
                    hint="Publish from CI with a trusted publisher, and without TWINE_PASSWORD.",
                )
            return why
        readable = [each for each in attestations if not each.problem]
        for each in sorted(readable, key=lambda each: each.filename):
            self._attestations.setdefault(each.about, []).append(each)
        return ""

    def add_to(self, package: Package, file: LocalFile) -> None:
        """Attach to ``package`` what belongs to ``file``, in the bytes that were verified."""
        if file.filename in self._signatures:
            package.gpg_signature = (f"{file.filename}.asc", self._signatures[file.filename])
        if ours := self._attestations.get(file.filename):
            package.attestations = [json.loads(each.content) for each in ours]

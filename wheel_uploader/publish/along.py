"""What is posted along with a file, to an index that takes it: its signature, its attestations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from wheel_uploader.display import printable
from wheel_uploader.errors import CredentialsError, FileError
from wheel_uploader.models import Attestation, Attestations, LocalFile, Signature
from wheel_uploader.publish.target import Target


class Package(Protocol):
    """A file as twine posts it."""

    attestations: Any

    def add_gpg_signature(self, signature_filepath: str, signature_filename: str) -> None: ...

    def add_attestations(self, attestations: list[str]) -> None: ...


class Along:
    """Signatures for indexes that keep them, which PyPI does not; attestations for PyPI, the only one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._signatures: dict[str, Path] = {}
        self._attestations: dict[str, list[Attestation]] = {}

    def sign(self, signatures: Sequence[Signature]) -> None:
        """Post these along."""
        if not self._target.is_pypi:
            self._signatures = {made.filename: made.path for made in signatures}

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
        """Let ``package`` carry what belongs to ``file``. Raises FileError for what has changed since."""
        if file.filename in self._signatures:
            package.add_gpg_signature(str(self._signatures[file.filename]), f"{file.filename}.asc")
        ours = self._attestations.get(file.filename, [])
        if not ours:
            return
        package.add_attestations([str(each.path) for each in ours])
        if package.attestations != [json.loads(each.content) for each in ours]:
            raise FileError(
                f"the attestations of {file.filename} changed after they were checked",
                hint="Find out what writes into the wheelhouse, then run this again.",
            )

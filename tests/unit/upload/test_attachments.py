"""Test which signatures and attestations are uploaded with a file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.models import Attestation, AttestationPolicy, LocalFile, Signature
from wheel_uploader.index.target import Target
from wheel_uploader.upload.attachments import Attachments

NAME, OTHER = "demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl"
PYPI = Target(url="https://pypi.example/legacy/", is_pypi=True, name="pypi")
MINE = Target(url="https://mine.example/", is_pypi=False, name="mine")
NO_TOKEN = "PyPI accepts attestations only from trusted publishers, not with an API token"


def attached(attachments: Attachments, name: str = NAME) -> tuple[Any, Any]:
    package = SimpleNamespace(gpg_signature=None, attestations=None)
    file = LocalFile(name=filenames.parse_filename(name), path=Path(name), size=1, sha256="a" * 64)
    attachments.attach_to(package, file)
    return package.gpg_signature, package.attestations


def attestation(kind: str, *, name: str = NAME, malformed_reason: str = "") -> Attestation:
    return Attestation(
        path=Path(f"{name}.{kind}.attestation"),
        subject_filename=name,
        content=json.dumps({"kind": kind}).encode(),
        malformed_reason=malformed_reason,
    )


ATTESTATIONS = [attestation("slsa"), attestation("publish"), attestation("x", malformed_reason="no JSON")]


def test_signatures_are_for_indexes_other_than_pypi() -> None:
    signatures = [Signature(filename=NAME, path=Path("x.asc"), fingerprint="A", content=b"signed")]
    for target, expected in ((MINE, (f"{NAME}.asc", b"signed")), (PYPI, None)):
        attachments = Attachments(target)
        attachments.set_signatures(signatures)
        assert attached(attachments) == (expected, None)
        assert attached(attachments, OTHER) == (None, None)


def test_attestations_of_a_trusted_publisher_are_uploaded_in_the_order_of_their_names() -> None:
    attachments = Attachments(PYPI)
    mode = AttestationPolicy.REQUIRE
    assert attachments.set_attestations(ATTESTATIONS, mode, is_trusted_publisher=True) == ""
    assert attached(attachments) == (None, [{"kind": "publish"}, {"kind": "slsa"}])
    assert attached(attachments, OTHER) == (None, None)


@pytest.mark.parametrize("is_trusted_publisher", [True, False])
def test_other_indexes_get_no_attestations(is_trusted_publisher: bool) -> None:
    attachments, mode = Attachments(MINE), AttestationPolicy.REQUIRE
    reason = attachments.set_attestations(ATTESTATIONS, mode, is_trusted_publisher=is_trusted_publisher)
    assert reason == "only PyPI accepts attestations, mine does not"
    assert attached(attachments) == (None, None)


def test_a_token_uploads_no_attestations() -> None:
    attachments = Attachments(PYPI)
    reason = attachments.set_attestations(ATTESTATIONS, AttestationPolicy.AUTO, is_trusted_publisher=False)
    assert reason == NO_TOKEN
    assert attached(attachments) == (None, None)
    with pytest.raises(CredentialsError) as caught:
        attachments.set_attestations(ATTESTATIONS, AttestationPolicy.REQUIRE, is_trusted_publisher=False)
    assert caught.value.message == f"--attestations require: {NO_TOKEN}"
    assert caught.value.hint == "Publish from CI with a trusted publisher, and unset TWINE_PASSWORD."

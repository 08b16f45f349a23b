"""One attestation, read and verified without a network: with notary.py the one home of pypi_attestations."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from pypi_attestations import Attestation as Signed
from pypi_attestations import AttestationType, Distribution

from wheel_uploader import bounded
from wheel_uploader.display import printable
from wheel_uploader.errors import StorageError
from wheel_uploader.models import Attestation, LocalCompanion

#: PyPI's own words for the two that it takes.
_KINDS = {AttestationType.PYPI_PUBLISH_V1.value: "publish", AttestationType.SLSA_PROVENANCE_V1.value: "slsa"}
#: "Build Config URI" of Fulcio: the workflow that ran, of whichever CI.
_WORKFLOW = "1.3.6.1.4.1.57264.1.18"
#: Characters of what a certificate says.
_LONGEST = 300

# It warns of working offline, which is what is wanted.
logging.getLogger("sigstore").addHandler(logging.NullHandler())
logging.getLogger("sigstore").propagate = False


class _Anybody:
    """The policy of those who do not know yet who has to have signed: who did is told."""

    def verify(self, cert: x509.Certificate) -> None:
        """Whoever it is."""


def read(companion: LocalCompanion, *, made: bool = False) -> Attestation:
    """What an attestation says, and whether its signature holds.

    The certificate, the signature and the entry in the log are verified with the root of trust that sigstore
    has on this machine; nobody is asked. Raises StorageError when that cannot be read or written.
    """
    try:
        signed = Signed.model_validate_json(companion.content)
        said = _Statement(signed.envelope.statement)
    except ValueError as error:
        return Attestation(
            about=companion.about, path=companion.path, content=companion.content, problem=_first_line(error)
        )
    return Attestation(
        about=companion.about,
        path=companion.path,
        content=companion.content,
        predicate_type=said.predicate_type,
        kind=_KINDS.get(said.predicate_type, ""),
        subject=said.subject,
        subject_sha256=said.sha256,
        publisher=_publisher(signed),
        unverified=_unverified(signed, said),
        made=made,
    )


class _Statement:
    """What is signed: an in-toto statement of exactly one file, as PyPI wants it. Raises ValueError."""

    def __init__(self, payload: bytes) -> None:
        match bounded.load_json(payload):
            case {
                "predicateType": str(kind),
                "subject": [{"name": str(name), "digest": {"sha256": str(sha256)}}],
            }:
                self.predicate_type, self.subject, self.sha256 = kind, name, sha256
            case {"subject": list(subjects)} if len(subjects) > 1:
                raise ValueError(f"it is about {len(subjects)} files, and has to be about one")
            case _:
                raise ValueError("its statement does not say which file it is about, by name and sha256")


def _publisher(signed: Signed) -> str:
    """Who signed, as the certificate says: a workflow, else whatever name it has."""
    try:
        if workflow := _claims(signed).get(_WORKFLOW):
            # GitLab has PROJECT//FILE@REF, where FILE would be shown as a password.
            return printable(re.sub(r"(?<!:)//", "/", workflow), limit=_LONGEST)
        certificate = x509.load_der_x509_certificate(signed.verification_material.certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return printable(str(next(iter(names)).value), limit=_LONGEST)
    except Exception:  # noqa: BLE001 - whatever a certificate may be made of; verifying it says what is wrong
        return ""


def _claims(signed: Signed) -> Mapping[str, str]:
    return signed.certificate_claims


def _unverified(signed: Signed, said: _Statement) -> str:
    """Why it does not hold for what it says itself; whether that is our file, the checks judge."""
    try:
        dist = Distribution(name=said.subject, digest=said.sha256)
        signed.verify(_Anybody(), dist, offline=True)
    except OSError as error:
        raise StorageError(
            f"sigstore's root of trust: {printable(str(error.filename or ''))}: {error.strerror or error}",
            hint="Set XDG_CACHE_HOME to a folder that can be written; or --attestations none.",
        ) from None
    except Exception as error:  # noqa: BLE001 - of hostile bytes its many libraries raise what they like
        return _first_line(error)
    return ""


def _first_line(error: Exception) -> str:
    """What a library says is wrong, in one line."""
    errors: Any = getattr(error, "errors", None)
    if callable(errors):
        # pydantic's own words have several lines, and the input in them.
        first: Mapping[str, Any] = errors()[0]
        where = ".".join(map(str, first["loc"]))
        return printable(f"{where}: {first['msg']}" if where else str(first["msg"]), limit=_LONGEST)
    text = str(error).removeprefix("Verification failed: ").strip() or type(error).__name__
    return printable(text.splitlines()[0], limit=_LONGEST)

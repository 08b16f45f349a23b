"""Parse and verify attestations offline; only this module and sigstore_signer.py use pypi_attestations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from pypi_attestations import Attestation as SignedAttestation
from pypi_attestations import AttestationType, Distribution
from sigstore.models import Bundle
from sigstore.verify import Verifier

from wheel_uploader.core import bounds
from wheel_uploader.core.builders import BuildIdentity
from wheel_uploader.core.errors import StorageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import Attestation, LocalAttestationFile
from wheel_uploader.core.redaction import sanitize

#: PyPI's names for the two types that it accepts.
_KINDS = {AttestationType.PYPI_PUBLISH_V1.value: "publish", AttestationType.SLSA_PROVENANCE_V1.value: "slsa"}
#: Fulcio's "Build Config URI": the workflow that ran, on any CI.
_BUILD_CONFIG_URI = "1.3.6.1.4.1.57264.1.18"
#: The other claims of Fulcio that identify a build: "Issuer (V2)", "Source Repository URI" and "... Ref".
_ISSUER, _REPOSITORY, _REF = (f"1.3.6.1.4.1.57264.1.{number}" for number in (8, 12, 14))
#: Characters of a certificate's claim or a library's message.
_MAX_TEXT_LENGTH = 300


class _AnyIdentity:
    """A verification policy that accepts every identity, because the expected one is not known here."""

    def verify(self, cert: x509.Certificate) -> None:
        """Accept ``cert``."""


def verify_attestation(companion: LocalAttestationFile, *, is_new: bool = False) -> Attestation:
    """Parse an attestation and verify its signature; ``is_new`` records that this run made it.

    The certificate, the signature and the log entry are verified with sigstore's trust root on this machine,
    without network access. Raises StorageError if the trust root cannot be read or written.
    """
    try:
        signed = SignedAttestation.model_validate_json(companion.content)
        statement = _Statement(signed.envelope.statement)
    except ValueError as error:
        return Attestation(
            subject_filename=companion.subject_filename,
            path=companion.path,
            content=companion.content,
            malformed_reason=_first_line(error),
        )
    return Attestation(
        subject_filename=companion.subject_filename,
        path=companion.path,
        content=companion.content,
        predicate_type=statement.predicate_type,
        short_type=_KINDS.get(statement.predicate_type, ""),
        statement_subject=statement.subject,
        statement_sha256=statement.sha256,
        publisher=_publisher(signed),
        identity=_identity(signed),
        verification_error=_verification_error(signed, statement),
        is_new=is_new,
    )


class _Statement:
    """The signed payload: an in-toto statement about exactly one file, as PyPI requires."""

    def __init__(self, payload: bytes) -> None:
        """Parse ``payload``. Raises ValueError if it is malformed."""
        match bounds.load_json(payload):
            case {
                "predicateType": str(kind),
                "subject": [{"name": str(name), "digest": {"sha256": str(sha256)}}],
            }:
                self.predicate_type, self.subject, self.sha256 = kind, name, sha256
            case {"subject": list(subjects)} if len(subjects) > 1:
                raise ValueError(f"it describes {format_count(len(subjects), 'file')} instead of one")
            case _:
                raise ValueError("its statement does not name the file that it describes and its sha256")


def _publisher(signed: SignedAttestation) -> str:
    """Return the signer according to the certificate: a workflow, else the name in the certificate."""
    try:
        if workflow := _claims(signed).get(_BUILD_CONFIG_URI):
            # GitLab has PROJECT//FILE@REF, where FILE would be shown as a password.
            return sanitize(re.sub(r"(?<!:)//", "/", workflow), limit=_MAX_TEXT_LENGTH)
        certificate = x509.load_der_x509_certificate(signed.verification_material.certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return sanitize(str(next(iter(names)).value), limit=_MAX_TEXT_LENGTH)
    except Exception:  # noqa: BLE001 - a malformed certificate is reported by its verification
        return ""


def _identity(signed: SignedAttestation) -> BuildIdentity | None:
    """Return the identity in the certificate; None if it cannot be read."""
    try:
        claims = _claims(signed)
    except Exception:  # noqa: BLE001 - a malformed certificate is reported by its verification
        return None
    issuer, repository, ref, workflow = (
        sanitize(claims.get(claim, ""), limit=_MAX_TEXT_LENGTH)
        for claim in (_ISSUER, _REPOSITORY, _REF, _BUILD_CONFIG_URI)
    )
    return BuildIdentity(issuer=issuer, repository=repository, workflow=workflow, ref=ref)


def verify_bundle(content: str, sha256: str) -> tuple[BuildIdentity | None, str]:
    """Return the identity in a Sigstore bundle, and why it does not attest the file; empty if it does.

    Its statement may be about several files, as those of GitHub are. Raises StorageError as
    ``verify_attestation`` does.
    """
    try:
        bundle = Bundle.from_json(content)
        identity = _identity(SignedAttestation.from_bundle(bundle))
    except Exception as error:  # noqa: BLE001 - its libraries raise various errors for malformed input
        return None, _first_line(error)
    try:
        payload = Verifier.production(offline=True).verify_dsse(bundle, _AnyIdentity())[1]
        subjects = bounds.load_json(payload).get("subject", [])
        is_attested = any(each.get("digest", {}).get("sha256") == sha256 for each in subjects)
    except OSError as error:
        raise _as_storage_error(error) from None
    except Exception as error:  # noqa: BLE001 - as above
        return identity, _first_line(error)
    return identity, "" if is_attested else "it is about other files"


def _as_storage_error(error: OSError) -> StorageError:
    return StorageError(
        f"sigstore's trust root: {sanitize(str(error.filename or ''))}: {error.strerror or error}",
        hint="Set XDG_CACHE_HOME to a writable folder, or pass --attestations none.",
    )


def _claims(signed: SignedAttestation) -> Mapping[str, str]:
    return signed.certificate_claims


def _verification_error(signed: SignedAttestation, statement: _Statement) -> str:
    """Return why the signature does not verify for the file that the statement names; empty if it does.

    The checks compare that file with the staged one.
    """
    try:
        dist = Distribution(name=statement.subject, digest=statement.sha256)
        signed.verify(_AnyIdentity(), dist, offline=True)
    except OSError as error:
        raise _as_storage_error(error) from None
    except Exception as error:  # noqa: BLE001 - its libraries raise various errors for malformed input
        return _first_line(error)
    return ""


def _first_line(error: Exception) -> str:
    """Return a library's error message in one line."""
    errors: Any = getattr(error, "errors", None)
    if callable(errors):
        # pydantic's own message has several lines and quotes the input.
        first: Mapping[str, Any] = errors()[0]
        location = ".".join(map(str, first["loc"]))
        return sanitize(
            f"{location}: {first['msg']}" if location else str(first["msg"]), limit=_MAX_TEXT_LENGTH
        )
    text = str(error).removeprefix("Verification failed: ").strip() or type(error).__name__
    return sanitize(text.splitlines()[0], limit=_MAX_TEXT_LENGTH)

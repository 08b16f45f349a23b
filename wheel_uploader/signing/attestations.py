"""Attestations (PEP 740): verify those that are staged with the files, and make new ones in CI."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import SigningError, TransportError, UsageError
from wheel_uploader.core.filenames import PUBLISH_ATTESTATION_SUFFIX
from wheel_uploader.core.models import (
    Attestation,
    AttestationPolicy,
    DownloadOutcome,
    LocalAttestationFile,
    LocalFile,
    Options,
    Selection,
    Stage,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http import retry
from wheel_uploader.index.target import Target
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from wheel_uploader.signing.sigstore_signer import AttestationSigner

INSTALL_COMMAND = "pip install 'wheel-uploader[attestations]'"

_NOT_INSTALLED = "pypi-attestations is not installed"


def is_attestation_extra_installed() -> bool:
    """Return whether the extra is installed, which reading, verifying and making attestations need."""
    return all(importlib.util.find_spec(name) for name in ("pypi_attestations", "sigstore"))


def require_attestation_extra(option: str) -> None:
    """Raise UsageError if the extra, which ``option`` needs, is not installed."""
    if not is_attestation_extra_installed():
        raise UsageError(f"{option}: {_NOT_INSTALLED}", hint=f"{INSTALL_COMMAND}; or run without {option}.")


def create_attestation_signer(options: Options, target: Target | None) -> AttestationSigner | None:
    """Return the signer for new attestations, ready to sign; None if the options do not ask for any.

    ``target`` is None if nothing is uploaded. Raises UsageError and SigningError.
    """
    require_attestation_support(options, target)
    if not options.attest or options.until < Stage.SIGN:
        return None
    if not is_attestation_extra_installed():
        raise UsageError(
            f"--attest: {_NOT_INSTALLED}",
            hint=f"{INSTALL_COMMAND}; or run without --attest to make no attestations.",
        )
    from wheel_uploader.signing.sigstore_signer import SigstoreSigner

    try:
        return SigstoreSigner()
    except TransportError as error:
        raise SigningError(
            f"could not obtain the CI job's OIDC identity: {error}", hint=_RETRY_HINT
        ) from None


def require_attestation_support(options: Options, target: Target | None) -> None:
    """Raise UsageError if attestations are required and the target does not accept any."""
    accepts = target is None or target.is_pypi or target.stores_attestations
    if target and not accepts and options.attestations is AttestationPolicy.REQUIRE:
        raise UsageError(
            f"--attestations require: {sanitize(target.name)} does not accept attestations, only PyPI does",
            hint="Publish there with --attestations auto, which omits them where they are not accepted.",
        )


_RETRY_HINT = (
    "Nothing was uploaded: run the same command again, or run it without --attest to publish without new "
    "attestations."
)


def unchecked_attestations(selection: Selection, options: Options, target: Target | None) -> tuple[str, ...]:
    """Return a sentence about attestations that are not checked because the extra is not installed.

    Raises UsageError if the target accepts attestations or they are required.
    """
    required = options.attestations is AttestationPolicy.REQUIRE
    if is_attestation_extra_installed() or not (selection.attestation_files or required):
        return ()
    if required or (target and (target.is_pypi or target.stores_attestations)):
        count = len(selection.attestation_files)
        raise UsageError(
            f"{count} attestations are staged with the files, but {_NOT_INSTALLED}"
            if count
            else f"--attestations require: {_NOT_INSTALLED}",
            hint=f"{INSTALL_COMMAND}; or publish without them: --attestations none.",
        )
    return (f"the attestations of the files, because {_NOT_INSTALLED}: {INSTALL_COMMAND}",)


def verify_attestations(companions: Sequence[LocalAttestationFile]) -> tuple[Attestation, ...]:
    """Parse and verify the attestation files; return nothing without the extra."""
    if not companions or not is_attestation_extra_installed():
        return ()
    from wheel_uploader.signing import attestation_verifier

    return tuple(map(attestation_verifier.verify_attestation, companions))


# --- new ones --------------------------------------------------------------------------------------


def make_attestations(
    files: Sequence[LocalFile],
    existing: Sequence[Attestation],
    signer: AttestationSigner,
    wheelhouse: Wheelhouse,
    *,
    retries: int,
    progress: Progress,
    sleep: Callable[[float], None] = cancellation.sleep_unless_cancelled,
) -> tuple[Attestation, ...]:
    """Return ``existing`` and a verified publish attestation for each of ``files`` that has none.

    A valid attestation of an earlier run is reused. Raises SigningError; attestations that were written
    before are kept.
    """
    attested = {
        attestation.subject_filename for attestation in existing if attestation.short_type == "publish"
    }
    missing = [file for file in files if file.filename not in attested]
    added = []
    with progress.stage("attest", files=len(missing), size=None):
        for file in missing:
            with progress.file(file.filename, size=file.size) as bar:
                attestation = _reuse(file, wheelhouse)
                if attestation is None:
                    content = _sign(file, signer, retries=retries, progress=progress, sleep=sleep)
                    attestation = _write(file, content, wheelhouse)
                added.append(attestation)
                bar.advance(file.size)
    return (*existing, *added)


def _reuse(file: LocalFile, wheelhouse: Wheelhouse) -> Attestation | None:
    """Return a valid attestation that an earlier run made for the same bytes; None if there is none."""
    name = file.filename + PUBLISH_ATTESTATION_SUFFIX
    if not wheelhouse.has_file(name):
        return None
    content = wheelhouse.directory.read(name, _SIZE_LIMIT) or b""
    attestation = _parse(file, content, wheelhouse, made=False)
    return None if _problem(attestation, file) else attestation


def _write(file: LocalFile, content: bytes, wheelhouse: Wheelhouse) -> Attestation:
    attestation = _parse(file, content, wheelhouse, made=True)
    if problem := _problem(attestation, file):
        raise SigningError(
            f"{file.filename}: the new attestation does not verify: {problem}", hint=_RETRY_HINT
        )
    wheelhouse.write_small_file(attestation.filename, content)
    return attestation


#: Bytes; new attestations have about 5 kB.
_SIZE_LIMIT = 512 * 1024


def _parse(file: LocalFile, content: bytes, wheelhouse: Wheelhouse, *, made: bool) -> Attestation:
    from wheel_uploader.signing import attestation_verifier

    path = wheelhouse.path / (file.filename + PUBLISH_ATTESTATION_SUFFIX)
    outcome = DownloadOutcome.IN_PLACE
    companion = LocalAttestationFile(
        subject_filename=file.filename, path=path, content=content, outcome=outcome
    )
    return attestation_verifier.verify_attestation(companion, is_new=made)


def _problem(attestation: Attestation, file: LocalFile) -> str:
    """Return why it is not a valid publish attestation of ``file``; empty if it is."""
    if attestation.malformed_reason or attestation.short_type != "publish":
        return attestation.malformed_reason or f"it is of type {attestation.predicate_type}"
    if (attestation.statement_subject, attestation.statement_sha256) != (file.filename, file.sha256):
        return f"it describes {attestation.statement_subject} with sha256 {attestation.statement_sha256}"
    return attestation.verification_error


def _sign(
    file: LocalFile,
    signer: AttestationSigner,
    *,
    retries: int,
    progress: Progress,
    sleep: Callable[[float], None],
) -> bytes:
    try:
        return retry.call_with_retries(
            f"attest {file.filename}",
            lambda: signer.attest(file),
            max_attempts=retries,
            progress=progress,
            sleep=sleep,
        )
    except TransportError as error:
        raise SigningError(
            f"{file.filename} could not be attested: {error}", details=error.details, hint=_RETRY_HINT
        ) from None

"""Create attestations with Sigstore and the CI job's OIDC identity; only this module signs with sigstore."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol, TypeVar

from id import GitHubOidcPermissionCredentialError
from pypi_attestations import Attestation, Distribution
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityError, IdentityToken, detect_credential
from sigstore.sign import Signer, SigningContext

from wheel_uploader.core.errors import SigningError, TransportError, UsageError
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.models import LocalFile
from wheel_uploader.core.redaction import register_secret, sanitize
from wheel_uploader.core.task_pool import start_call, wait_for_call
from wheel_uploader.core.urls import INVALID_VARIABLE_MESSAGE, may_contain_url
from wheel_uploader.http.requests_network import Network, find_proxy_problem, libraries_follow_network

T = TypeVar("T")

#: Seconds for one attempt, because the libraries have no time limit.
ATTEMPT_TIMEOUT = 60.0

_WITHOUT_ATTEST = "Run without --attest to publish without new attestations."


class AttestationSigner(Protocol):
    """A signer that makes attestations."""

    def attest(self, file: LocalFile) -> bytes:
        """Make an attestation for ``file`` in one attempt.

        Raises TransportError if another attempt may succeed, SigningError if not.
        """
        ...


class SigstoreSigner:
    """A signer with the CI job's identity, a Sigstore certificate for it, and the public log."""

    def __init__(self) -> None:
        """Obtain the identity. Raises SigningError if there is none."""
        _call_with_timeout(_fetch_identity)
        self._signer: Signer | None = None

    def attest(self, file: LocalFile) -> bytes:
        """Return a publish attestation for ``file``, with an entry in the public log."""
        dist = Distribution(name=file.filename, digest=file.sha256)
        try:
            attestation = _call_with_timeout(functools.partial(self._sign, dist))
        except TransportError:
            # A certificate is valid for ten minutes, an identity for less: get new ones for the next attempt.
            self._signer = None
            raise
        return attestation.model_dump_json().encode()

    def _sign(self, dist: Distribution) -> Attestation:
        signer = self._signer or _create_signer()
        attestation = Attestation.sign(signer, dist)
        self._signer = signer
        return attestation


def _create_signer() -> Signer:
    config = ClientTrustConfig.production()
    # Attestations cannot hold the timestamps that entries of Rekor's second version need.
    config.force_tlog_version = 1
    with SigningContext.from_trust_config(config).signer(_fetch_identity()) as signer:
        return signer


def _fetch_identity() -> IdentityToken:
    """Return the CI job's OIDC identity token for Sigstore. Raises SigningError if there is none."""
    try:
        token = detect_credential()
    except IdentityError as error:
        if isinstance(error.__cause__, GitHubOidcPermissionCredentialError):
            raise SigningError(
                "this job is not allowed to request an OIDC identity",
                hint=f"Give it 'permissions: id-token: write' in the workflow. {_WITHOUT_ATTEST}",
            ) from None
        raise
    if not token:
        raise SigningError(
            "no OIDC identity is available, so nothing can be attested",
            hint="Use --attest in a CI that provides identities, such as GitHub Actions or GitLab. "
            f"{_WITHOUT_ATTEST}",
        )
    register_secret(token)
    return IdentityToken(token)


def _call_with_timeout(function: Callable[[], T]) -> T:
    """Return the result of ``function`` within ATTEMPT_TIMEOUT seconds.

    Raises its SigningError and UsageError; any other error or a timeout becomes a TransportError, which is
    retried.
    """
    call = start_call(functools.partial(_call_with_network, function), "attest")
    if not wait_for_call(call, ATTEMPT_TIMEOUT):
        raise TransportError(f"Sigstore did not respond within {format_duration(ATTEMPT_TIMEOUT)}")
    error = call.exception()
    if error and not isinstance(error, SigningError | UsageError):
        raise TransportError(f"Sigstore: {_describe(error)}") from error
    return call.result()


def _call_with_network(function: Callable[[], T]) -> T:
    with libraries_follow_network(Network()):
        return function()


def _describe(error: BaseException) -> str:
    if problem := find_proxy_problem(error):
        return problem.message
    if may_contain_url(error):
        return INVALID_VARIABLE_MESSAGE
    text = str(error) or str(error.__cause__ or "")
    return sanitize(f"{type(error).__name__}: {text}" if text else type(error).__name__, limit=300)

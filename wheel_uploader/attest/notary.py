"""Who makes attestations: the CI's identity, Sigstore's certificate for it, its log. The home of sigstore."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from id import GitHubOidcPermissionCredentialError
from pypi_attestations import Attestation, Distribution
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityError, IdentityToken, detect_credential
from sigstore.sign import Signer, SigningContext

from wheel_uploader import stopping
from wheel_uploader.display import printable, remember_secret
from wheel_uploader.errors import SigningError, TransportError
from wheel_uploader.models import LocalFile
from wheel_uploader.urls import BAD_VARIABLE, may_quote_url

T = TypeVar("T")

#: Seconds that one attempt may take: its libraries set no limit of their own.
LIMIT = 60.0

_WITHOUT = "Run without --attest to publish without new attestations."

logging.getLogger("sigstore").addHandler(logging.NullHandler())
logging.getLogger("sigstore").propagate = False


class Notary(Protocol):
    """What makes an attestation for one file."""

    def attest(self, file: LocalFile) -> bytes:
        """One attempt. Raises TransportError when another may do better, SigningError when none will."""
        ...


class SigstoreNotary:
    """The identity that this CI job has, and what Sigstore gives for it."""

    def __init__(self) -> None:
        """Raises SigningError where nobody vouches for who runs here."""
        _in_time(_identity)
        self._signer: Signer | None = None

    def attest(self, file: LocalFile) -> bytes:
        """A publish attestation of ``file``, whose entry is in the public log."""
        dist = Distribution(name=file.filename, digest=file.sha256)
        try:
            made = _in_time(functools.partial(self._attest, dist))
        except TransportError:
            # A certificate holds for ten minutes, an identity for less: the next attempt gets new ones.
            self._signer = None
            raise
        return made.model_dump_json().encode()

    def _attest(self, dist: Distribution) -> Attestation:
        signer = self._signer or _signer()
        made = Attestation.sign(signer, dist)
        self._signer = signer
        return made


def _signer() -> Signer:
    config = ClientTrustConfig.production()
    # Attestations have no room for the timestamps that entries of Rekor's second version need.
    config.force_tlog_version = 1
    with SigningContext.from_trust_config(config).signer(_identity()) as signer:
        return signer


def _identity() -> IdentityToken:
    """What the CI says of this job, made for Sigstore. Raises SigningError when it says nothing."""
    try:
        token = detect_credential()
    except IdentityError as error:
        if isinstance(error.__cause__, GitHubOidcPermissionCredentialError):
            raise SigningError(
                "this job may not have an identity to attest with",
                hint=f"Give it 'permissions: id-token: write' in the workflow. {_WITHOUT}",
            ) from None
        raise
    if not token:
        raise SigningError(
            "nobody vouches for who runs here, so nothing can be attested",
            hint=f"--attest is for a CI with identities, such as GitHub Actions or GitLab. {_WITHOUT}",
        )
    remember_secret(token)
    return IdentityToken(token)


def _in_time(step: Callable[[], T]) -> T:
    """What ``step`` returns, when it does within LIMIT. Raises TransportError for all that may pass."""
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            results.append(step())
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            errors.append(error)
        finally:
            done.set()

    # A daemon: one that hangs must not keep the process from ending.
    threading.Thread(target=work, name="attest", daemon=True).start()
    waited = 0.0
    while not done.wait(_LOOK):
        stopping.check()
        waited += _LOOK
        if waited >= LIMIT:
            raise TransportError(f"Sigstore did not answer within {LIMIT:g} s")
    if errors and isinstance(errors[0], SigningError):
        raise errors[0]
    if errors:
        raise TransportError(f"Sigstore: {_why(errors[0])}") from errors[0]
    return results[0]


#: Seconds between two looks: no signal wakes a thread that waits for another one.
_LOOK = 0.1


def _why(error: BaseException) -> str:
    if may_quote_url(error):
        return BAD_VARIABLE
    said = str(error) or str(error.__cause__ or "")
    return printable(f"{type(error).__name__}: {said}" if said else type(error).__name__, limit=300)

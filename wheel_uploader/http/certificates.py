"""The certificates to trust, as set by the user or by the environment."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http.httpx_import import httpx

#: Variables that other programs read for certificates to trust instead of the bundled ones.
_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def create_tls_context(verify: bool | str) -> ssl.SSLContext:
    """Return a TLS context that trusts the default certificates or those of a PEM file or directory.

    The variables SSL_CERT_FILE and the like replace the default; with ``verify=False`` any certificate is
    accepted. Raises UsageError.
    """
    if isinstance(verify, str):
        return _context_trusting(verify, sanitize(verify))
    for variable in _CA_VARIABLES if verify else ():
        if path := os.environ.get(variable):
            return _context_trusting(path, f"{sanitize(path)} ({variable})")
    return httpx.create_ssl_context(verify=verify)


def _context_trusting(path: str, shown_path: str) -> ssl.SSLContext:
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise UsageError(
            f"cannot read the certificates in {shown_path}: {error.strerror or error}",
            hint="Pass a file in PEM format.",
        ) from None

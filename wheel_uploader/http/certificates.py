"""Which certificates are trusted, as the person or the machine says."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from wheel_uploader.display import printable
from wheel_uploader.errors import UsageError
from wheel_uploader.http.lean import httpx

#: Where the usual programs look for certificates to trust, besides those that come along.
_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """The certificates to trust: the usual ones, those of a PEM file or directory, or, False, any."""
    if isinstance(verify, str):
        return _trusting(verify, printable(verify))
    for variable in _CA_VARIABLES if verify else ():
        if path := os.environ.get(variable):
            return _trusting(path, f"{printable(path)} ({variable})")
    return httpx.create_ssl_context(verify=verify)


def _trusting(path: str, shown: str) -> ssl.SSLContext:
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise UsageError(
            f"the certificates in {shown} cannot be read: {error.strerror or error}",
            hint="Give a file in PEM format.",
        ) from None

"""The certificate authorities to trust, for reading and for uploads alike.

The first of these that is set counts: ``--cert`` (for the index only), SSL_CERT_FILE with SSL_CERT_DIR,
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, the machine's own certificates, as pip and curl use them. A variable that
names the machine's own certificates says nothing new, so the next one counts: many images set all of them.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.formatting import format_verb
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.user_files import is_file_or_directory

#: Variables that name certificates to trust, in their order; OpenSSL and curl read the first two together.
_CA_VARIABLES = (("SSL_CERT_FILE", "SSL_CERT_DIR"), ("REQUESTS_CA_BUNDLE",), ("CURL_CA_BUNDLE",))
#: A file name by which OpenSSL finds a certificate in a directory.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]\Z")
#: The machine's certificates on Debian, Fedora, openSUSE and Alpine, whichever OpenSSL Python is built with.
_MACHINE_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_FORMAT_HINT = "Pass a file in PEM format."


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePath:
    """Files or directories of certificates, and the variable that names them; empty for an option."""

    value: str
    variable: str = ""

    def __str__(self) -> str:
        return f"{sanitize(self.value)} ({self.variable})" if self.variable else sanitize(self.value)

    @property
    def existing(self) -> list[str]:
        """The paths that exist; only SSL_CERT_DIR may list several."""
        paths = self.value.split(os.pathsep) if self.variable == "SSL_CERT_DIR" else [self.value]
        return [path for path in paths if path and os.path.exists(path)]  # noqa: PTH110 (null bytes)

    def check(self) -> None:
        """Raise UsageError if nothing with this name exists."""
        if not self.existing:
            raise UsageError(
                f"cannot read the certificates in {self}: No such file or directory", hint=self._hint
            )
        for path in self.existing:
            if not is_file_or_directory(path):
                raise UsageError(
                    f"cannot read the certificates in {self}: not a regular file", hint=self._hint
                )

    def load_into(self, context: ssl.SSLContext) -> None:
        """Make ``context`` trust these certificates. Raises UsageError."""
        self.check()
        for path in self.existing:
            try:
                if Path(path).is_dir():
                    context.load_verify_locations(capath=path)
                else:
                    context.load_verify_locations(cafile=path)
            except (OSError, ValueError) as error:
                reason = (error.strerror if isinstance(error, OSError) else "") or error
                raise UsageError(
                    f"cannot read the certificates in {self}: {reason}", hint=self._hint
                ) from None

    @property
    def _hint(self) -> str:
        return f"{_FORMAT_HINT[:-1]}, or unset {self.variable}." if self.variable else _FORMAT_HINT


class TrustedCertificates:
    """The certificates that a client trusts, and where they come from."""

    def __init__(self, verify: bool | str = True) -> None:
        """Find the certificates: ``verify`` is False, a PEM file or directory, or True for the default.

        Raises UsageError if any of the variables names a missing file.
        """
        for path in (path for group in _iter_variables() for path in group if verify):
            path.check()
        groups = _find_counting_variables() if verify else []
        self._is_verified = bool(verify)
        #: The certificates that count; empty for those of the machine.
        self.paths: Sequence[CertificatePath] = (
            (CertificatePath(value=verify),) if isinstance(verify, str) else groups[0] if groups else ()
        )

    def check(self) -> None:
        """Raise UsageError if the certificates of the option or of the variables cannot be loaded."""
        if self.paths:
            _ = self.context

    @functools.cached_property
    def context(self) -> ssl.SSLContext:
        """The TLS context for these certificates, made when it is needed: loading takes time.

        Raises UsageError.
        """
        if not self._is_verified:
            return _bare_context(verify=False)
        if not self.paths:
            return _machine_context()
        context = _bare_context()
        for path in self.paths:
            path.load_into(context)
        return context

    @property
    def hint(self) -> str:
        """The next step if the certificate of a server is not trusted."""
        advice = (
            f"the certificates in {_join(self.paths)} are trusted: add the one of a private "
            "certificate authority there."
            if self.paths
            else "For a private certificate authority, set SSL_CERT_FILE to its certificate."
        )
        hint = f"Check the host name and the clock of this machine. {advice[0].upper()}{advice[1:]}"
        _, ignored = _find_used_and_ignored()
        if ignored and self.paths[0].variable:
            hint += f" {_join(ignored)} {format_verb(len(ignored), 'do')} not count."
        return hint


def find_ignored_variables() -> str:
    """Return a sentence about variables that are set and do not count, because another does; else ""."""
    used, ignored = _find_used_and_ignored()
    if not ignored:
        return ""
    verb = "counts" if len(used) == 1 else "count"
    return f"certificates: {_join(used)} {verb}, not {' or '.join(map(str, ignored))}"


def _find_used_and_ignored() -> tuple[Sequence[CertificatePath], Sequence[CertificatePath]]:
    """Return the variables that count, and those that are set to something else and do not."""
    groups = _find_counting_variables()
    used = groups[0] if groups else []
    ignored = [
        path for group in groups[1:] for path in group if not any(_is_same(path, other) for other in used)
    ]
    return used, ignored


def _join(paths: Sequence[CertificatePath]) -> str:
    return " and ".join(map(str, paths))


def _is_same(one: CertificatePath, other: CertificatePath) -> bool:
    """Return whether two variables name the same certificates."""
    import filecmp

    try:
        return filecmp.cmp(one.value, other.value, shallow=False)
    except (OSError, ValueError):
        return one.value == other.value


def _iter_variables() -> Iterator[list[CertificatePath]]:
    """Yield the variables that are set, those that count together as one group, in their order."""
    for names in _CA_VARIABLES:
        group = [
            CertificatePath(value=os.environ[name], variable=name) for name in names if os.environ.get(name)
        ]
        if group:
            yield group


def _find_counting_variables() -> list[list[CertificatePath]]:
    """Return the groups of variables that name other certificates than the machine's own."""
    machine = _find_machine_certificates()
    return [
        group
        for group in _iter_variables()
        if not all(os.path.realpath(path) in machine for each in group for path in each.existing)
    ]


def _find_machine_certificates() -> frozenset[str]:
    """Return the files and directories with the machine's own certificates."""
    paths = ssl.get_default_verify_paths()
    # A build without OpenSSL's defaults has None.
    defaults = filter(None, (paths.openssl_cafile, paths.openssl_capath))
    return frozenset(map(os.path.realpath, (*defaults, *_MACHINE_CERTIFICATES)))


def _bare_context(*, verify: bool = True) -> ssl.SSLContext:
    """Return a context without trusted certificates, with the flags that curl sets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verify:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _machine_context() -> ssl.SSLContext:
    """Return a context that trusts the machine's own certificates.

    If OpenSSL itself finds them, truststore is not used: it would load them for each connection, and allow
    one TLS handshake at a time.
    """
    paths = ssl.get_default_verify_paths()
    if sys.platform not in {"darwin", "win32"}:
        # Not ``set_default_verify_paths``, which reads the variables even if they are empty.
        file, directory = Path(paths.openssl_cafile or ""), Path(paths.openssl_capath or os.devnull)
        if file.is_file() or _contains_certificates(directory):
            context = _bare_context()
            context.load_verify_locations(
                cafile=str(file) if file.is_file() else None,
                capath=str(directory) if directory.is_dir() else None,
            )
            return context
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.platform not in {"darwin", "win32"}:
        import certifi

        # A small container may have no certificates at all. pip adds these, too.
        context.load_verify_locations(cafile=certifi.where())
    return context


def _contains_certificates(directory: Path) -> bool:
    try:
        return any(_HASHED_NAME.match(path.name) for path in directory.iterdir())
    except OSError:
        return False

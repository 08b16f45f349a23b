"""Temporary keyrings of the real gpg, and scripts that pretend to be gpg."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GPG = shutil.which("gpg") or "gpg"


@dataclass(frozen=True, slots=True)
class Keyring:
    """A GNUPGHOME with a separate gpg-agent."""

    home: Path

    def gpg(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Call gpg on this keyring; raise an error if it fails."""
        return subprocess.run(
            [GPG, "--homedir", self.home, "--batch", "--no-tty", "--yes", *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            timeout=30,
        )

    def make_key(
        self,
        user_id: str,
        *,
        passphrase: str = "",
        usage: str = "sign",
        expires: str = "never",
        created: str | None = None,
    ) -> str:
        """Make an ed25519 key, and return its full fingerprint; ``created``: like ``20200101T000000``."""
        when = ("--faked-system-time", created) if created else ()
        result = self.gpg(
            *(*when, "--status-fd", "1", "--pinentry-mode", "loopback", "--passphrase", passphrase),
            *("--quick-generate-key", user_id, "ed25519", usage, expires),
        )
        return _created_key(result.stdout)

    def add_subkey(self, fingerprint: str, *, usage: str = "sign", expires: str = "never") -> str:
        """Add an ed25519 subkey, and return its full fingerprint."""
        before = set(self.fingerprints(fingerprint))
        self.gpg("--passphrase", "", "--quick-add-key", fingerprint, "ed25519", usage, expires)
        (added,) = set(self.fingerprints(fingerprint)) - before
        return added

    def fingerprints(self, identity: str) -> list[str]:
        """Return the fingerprints of the key and its subkeys, in order."""
        listed = self.gpg("--with-colons", "--list-keys", identity).stdout.decode()
        return re.findall(r"(?m)^fpr:::::::::(\w+):", listed)

    def revoke(self, fingerprint: str) -> None:
        """Revoke the key with the revocation certificate that gpg made together with it."""
        certificate = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_bytes()
        self.gpg("--import", stdin=certificate.replace(b"\n:-----BEGIN", b"\n-----BEGIN"))

    def disable(self, fingerprint: str) -> None:
        self.gpg("--command-fd", "0", "--edit-key", fingerprint, stdin=b"disable\nsave\n")

    def unlock(self, fingerprint: str, passphrase: str) -> None:
        """Sign with the key, so that the agent caches the passphrase."""
        self.gpg(
            *("--pinentry-mode", "loopback", "--passphrase", passphrase),
            *("--local-user", fingerprint, "--detach-sign", "--output", os.devnull),
        )

    def sign(self, path: Path, fingerprint: str, *options: str) -> bytes:
        """Return an armored signature, as another tool makes it; detached unless ``options`` are given."""
        kind = options or ("--detach-sign",)
        return self.gpg("--local-user", fingerprint, "--armor", "--output", "-", *kind, str(path)).stdout

    def configure(self, *lines: str, file: str = "gpg.conf") -> None:
        (self.home / file).write_text("".join(f"{line}\n" for line in lines))

    def stop_agent(self) -> None:
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=True, timeout=30)


def _created_key(status: bytes) -> str:
    match = re.search(rb"KEY_CREATED \w (\w+)", status)
    assert match, status
    return match[1].decode()


@contextlib.contextmanager
def keyring() -> Iterator[Keyring]:
    """Yield an empty keyring; remove it and its agent at the end."""
    # The path of the agent's socket may have only about 100 bytes; pytest's tmp_path is too long.
    home = Path(tempfile.mkdtemp(prefix="wu", dir="/tmp" if Path("/tmp").is_dir() else None))
    try:
        yield Keyring(home)
    finally:
        Keyring(home).stop_agent()
        # The agent removes its sockets as it stops, which may race with rmtree.
        deadline = time.monotonic() + 10
        while home.exists() and time.monotonic() < deadline:
            shutil.rmtree(home, ignore_errors=True)
        assert not home.exists()


def fake_gpg(folder: Path, script: str) -> str:
    """Write a shell script to use instead of gpg, and return its path; ``$GPG`` in it is the real gpg."""
    folder.mkdir(exist_ok=True)
    path = folder / "my-gpg"
    path.write_text(f"#!/bin/sh\nGPG='{GPG}'\n{script}\n")
    path.chmod(0o755)
    return str(path)


#: The start of a script that reports a version, so that only the next call fails.
REPLY_WITH_VERSION = 'case "$*" in *--list-config*) echo "cfg:version:2.4.0"; exit;; esac'

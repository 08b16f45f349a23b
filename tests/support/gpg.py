"""Throw-away keyrings of the real gpg, and programs that only say that they are gpg."""

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
    """A GNUPGHOME with a gpg-agent of its own."""

    home: Path

    def gpg(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Call gpg on this keyring; a call that fails fails the test."""
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
        """A new ed25519 key; its full fingerprint. ``created`` is a time as ``20200101T000000``."""
        when = ("--faked-system-time", created) if created else ()
        made = self.gpg(
            *(*when, "--status-fd", "1", "--pinentry-mode", "loopback", "--passphrase", passphrase),
            *("--quick-generate-key", user_id, "ed25519", usage, expires),
        )
        return _created(made.stdout)

    def add_subkey(self, fingerprint: str, *, usage: str = "sign", expires: str = "never") -> str:
        """A new ed25519 subkey; its full fingerprint."""
        before = set(self.fingerprints(fingerprint))
        self.gpg("--passphrase", "", "--quick-add-key", fingerprint, "ed25519", usage, expires)
        (made,) = set(self.fingerprints(fingerprint)) - before
        return made

    def fingerprints(self, identity: str) -> list[str]:
        """Of the key and of its subkeys, in order."""
        listed = self.gpg("--with-colons", "--list-keys", identity).stdout.decode()
        return re.findall(r"(?m)^fpr:::::::::(\w+):", listed)

    def revoke(self, fingerprint: str) -> None:
        """With the certificate that gpg made for the day when it is needed."""
        certificate = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_bytes()
        self.gpg("--import", stdin=certificate.replace(b"\n:-----BEGIN", b"\n-----BEGIN"))

    def disable(self, fingerprint: str) -> None:
        self.gpg("--command-fd", "0", "--edit-key", fingerprint, stdin=b"disable\nsave\n")

    def unlock(self, fingerprint: str, passphrase: str) -> None:
        """Sign something, so that the agent remembers the passphrase."""
        self.gpg(
            *("--pinentry-mode", "loopback", "--passphrase", passphrase),
            *("--local-user", fingerprint, "--detach-sign", "--output", os.devnull),
        )

    def sign(self, path: Path, fingerprint: str, *options: str) -> bytes:
        """A signature as another tool would have left it; detached unless ``options`` say otherwise."""
        kind = options or ("--detach-sign",)
        return self.gpg("--local-user", fingerprint, "--armor", "--output", "-", *kind, str(path)).stdout

    def configure(self, *lines: str, file: str = "gpg.conf") -> None:
        (self.home / file).write_text("".join(f"{line}\n" for line in lines))

    def stop_agent(self) -> None:
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=True, timeout=30)


def _created(status: bytes) -> str:
    found = re.search(rb"KEY_CREATED \w (\w+)", status)
    assert found, status
    return found[1].decode()


@contextlib.contextmanager
def keyring() -> Iterator[Keyring]:
    """An empty keyring, gone at the end with its agent."""
    # The path of the agent's socket may have about 100 bytes: pytest's tmp_path is too long for it.
    home = Path(tempfile.mkdtemp(prefix="wu", dir="/tmp" if Path("/tmp").is_dir() else None))
    try:
        yield Keyring(home)
    finally:
        Keyring(home).stop_agent()
        # The agent removes its sockets while it ends.
        deadline = time.monotonic() + 10
        while home.exists() and time.monotonic() < deadline:
            shutil.rmtree(home, ignore_errors=True)
        assert not home.exists()


def fake_gpg(folder: Path, script: str) -> str:
    """A shell script that can be given for gpg; ``$GPG`` in it is the real one."""
    folder.mkdir(exist_ok=True)
    path = folder / "my-gpg"
    path.write_text(f"#!/bin/sh\nGPG='{GPG}'\n{script}\n")
    path.chmod(0o755)
    return str(path)


#: The start of a script that gives a version, so that the next call is the one that fails.
REPLY_WITH_VERSION = 'case "$*" in *--list-config*) echo "cfg:version:2.4.0"; exit;; esac'

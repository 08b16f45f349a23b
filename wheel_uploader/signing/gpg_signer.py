"""Make and verify detached signatures with gpg: one ``NAME.asc`` per file, all made by one key."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from wheel_uploader.core.errors import FileError, SigningError
from wheel_uploader.core.filesystem import OpenDirectory, storage_errors
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Signature
from wheel_uploader.core.progress import Progress, SilentProgress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import CHANGED_FILE_HINT, VerifiedFile
from wheel_uploader.signing.gpg_program import Gpg, GpgResult, SecretKey
from wheel_uploader.wheelhouse.digests import compute_digests, open_local_file, read_chunks
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY

SIGNATURE_SUFFIX = ".asc"
#: Seconds that one call of gpg may take.
GPG_TIMEOUT = 60.0

_BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
#: Bytes; a detached signature has a few hundred.
_SIZE_LIMIT = 64 * 1024
#: The wheelhouse removes files with this suffix that a killed run left.
_TEMPORARY_SUFFIX = ".tmp"
#: Codes of libgpg-error: bad passphrase, no pinentry, canceled, no passphrase.
_LOCKED_KEY_CODES = {11, 85, 99, 177}
#: Messages of gpg if no default-key of gpg.conf exists, and if one of them signs.
_DEFAULT_KEY_IGNORED = "passed to '--default-key' ignored"
_DEFAULT_KEY_USED = "as default secret key for signing"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpgSigner:
    """The gpg program and the key that signs, identified by its full fingerprints."""

    program: str
    #: Of the primary key or of the signing subkey, whichever makes the signatures.
    fingerprint: str
    #: Of the primary key.
    primary_fingerprint: str
    #: Name and address, safe to print.
    user_id: str = ""
    #: Other keys that can sign, if neither --identity nor gpg.conf selects one.
    other_keys: tuple[SecretKey, ...] = ()

    @property
    def ambiguity_warning(self) -> str:
        """A warning for the user if gpg itself chose one of several keys; else empty."""
        if not self.other_keys:
            return ""
        others = ", ".join(map(str, self.other_keys))
        return (
            f"sign: gpg chose the key {self.primary_fingerprint} ({self.user_id}), "
            f"but {others} can sign as well: select one with --identity"
        )


def find_gpg_signer(program: str, identity: str | None, *, timeout: float = GPG_TIMEOUT) -> GpgSigner:
    """Find the key and make a trial signature with it, so that errors appear early.

    ``identity`` is a key in any form that gpg accepts; without it, the trial signature shows which key gpg
    chooses (its ``default-key``). Raises SigningError.
    """
    gpg = Gpg.find(program, timeout=timeout)
    keys = gpg.list_secret_keys(identity)
    selected = _select_key(keys, identity)
    # "KEYID!" makes gpg use exactly that subkey.
    names_subkey = selected and identity and identity.endswith("!")
    local_user = identity if names_subkey else selected and selected.fingerprint
    key_option = ("--local-user", local_user) if local_user else ()
    answer = gpg.run(*key_option, "--armor", "--detach-sign", "--output", "-", stdin=b"wheel-uploader\n")
    fingerprint = _signing_fingerprint(gpg, answer, "a trial text", str(selected or "that gpg chose"))
    candidates = [selected] if selected else keys
    key = next((key for key in candidates if fingerprint in {key.fingerprint, *key.subkeys}), None)
    if key is None:
        raise _wrong_key_error(
            "a trial text", fingerprint, selected.fingerprint if selected else "a key of its keyring"
        )
    others = () if selected else _other_keys(answer, key, keys)
    return GpgSigner(
        program=gpg.program,
        fingerprint=fingerprint,
        primary_fingerprint=key.fingerprint,
        user_id=key.user_id,
        other_keys=others,
    )


def _other_keys(answer: GpgResult, signer: SecretKey, keys: Sequence[SecretKey]) -> tuple[SecretKey, ...]:
    """Return the other keys that can sign; none if gpg.conf selects ``signer`` as its default key.

    Raises SigningError if the default key of gpg.conf does not exist, so that gpg signs with another one.
    """
    others = tuple(key for key in keys if key != signer and not key.problem)
    if others and any(_DEFAULT_KEY_IGNORED in text for text in answer.messages):
        raise SigningError(
            f"the default-key of gpg.conf does not exist: gpg signs with {signer} instead",
            hint="Correct gpg.conf, or select the key with --identity.",
            details=[f"{key} can sign as well" for key in others],
        )
    return () if any(_DEFAULT_KEY_USED in text for text in answer.messages) else others


def _describe_home() -> list[str]:
    """Return a line about GNUPGHOME if it is set: the keys may be in another directory."""
    home = os.environ.get("GNUPGHOME")
    if not home:
        return []
    problem = "" if Path(home).is_dir() else ", which is not a directory"
    return [f"GNUPGHOME is {sanitize(home, limit=200)}{problem}"]


def _select_key(keys: Sequence[SecretKey], identity: str | None) -> SecretKey | None:
    """Return the key that matches ``identity``; None without an identity, so that gpg chooses."""
    scope = f" for {sanitize(identity, limit=200)!r}" if identity else ""
    if not keys:
        raise SigningError(
            f"gpg has no secret key{scope}",
            hint="Check 'gpg --list-secret-keys'; import the key, or select another with --identity.",
            details=_describe_home(),
        )
    usable = [key for key in keys if not key.problem]
    if not usable:
        raise SigningError(
            f"gpg has no key{scope} that can sign",
            hint="Extend the key, select another with --identity, or run without -s.",
            details=[f"{key} {key.problem}" for key in keys],
        )
    if not identity:
        return None
    if len(usable) > 1:
        raise SigningError(
            f"gpg has {format_count(len(usable), 'key')}{scope}",
            hint="Pass one of these fingerprints with --identity.",
            details=map(str, usable),
        )
    return usable[0]


def sign_files(
    paths: Sequence[Path],
    signer: GpgSigner,
    *,
    sha256_by_path: Mapping[Path, str] | None = None,
    timeout: float = GPG_TIMEOUT,
    progress: Progress | None = None,
) -> tuple[Signature, ...]:
    """Write a verified ``NAME.asc`` for each file; keep a valid one by this key, replace any other.

    ``sha256_by_path`` maps files to the digests of their checked bytes, and only those bytes are signed; a
    file without a digest is signed as it is. Raises SigningError, StorageError, or FileError if a file
    changed; signatures that were written before are kept.
    """
    progress = progress or SilentProgress()
    gpg = Gpg(signer.program, timeout)
    sizes = [_size(path) for path in paths]
    signatures = []
    with progress.stage("sign", files=len(paths), size=sum(sizes)):
        for path, size in zip(paths, sizes, strict=True):
            with progress.file(path.name, size=size) as bar:
                checked = (sha256_by_path or {}).get(path) or compute_digests(
                    read_chunks(open_local_file(path), str(path)), None
                ).sha256
                with VerifiedFile(path, checked) as file:
                    signatures.append(_sign(gpg, signer, path, file))
                bar.advance(size)
    return tuple(signatures)


def _size(path: Path) -> int:
    """Return the size of a regular file. Raises FileError for a link or a missing file."""
    with storage_errors(str(path)), contextlib.suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            return status.st_size
        raise FileError(
            f"{sanitize(str(path))} cannot be signed: it is not a regular file", hint=CHANGED_FILE_HINT
        )
    raise FileError(f"{sanitize(str(path))} cannot be signed: it no longer exists", hint=CHANGED_FILE_HINT)


def _sign(gpg: Gpg, signer: GpgSigner, path: Path, file: VerifiedFile) -> Signature:
    target = path.with_name(path.name + SIGNATURE_SUFFIX)
    with storage_errors(str(target)), contextlib.closing(OpenDirectory(path.parent)) as folder:
        content = folder.read(target.name, _SIZE_LIMIT + 1)
    is_new = content is None or bool(_problem(gpg, signer, file, content))
    if content is None or is_new:
        content = _create_signature(gpg, signer, path, file)
        _write_atomically(target, content, file.permissions & 0o666)
    return Signature(
        filename=path.name, path=target, fingerprint=signer.fingerprint, content=content, is_new=is_new
    )


def _create_signature(gpg: Gpg, signer: GpgSigner, path: Path, file: VerifiedFile) -> bytes:
    """Return a new, verified signature of the file's checked bytes."""
    answer = gpg.run(
        *("--local-user", f"{signer.fingerprint}!", "--armor", "--detach-sign", "--output", "-"),
        feed=file.iter_blocks(),
    )
    fingerprint = _signing_fingerprint(gpg, answer, path.name, f"{signer.fingerprint} ({signer.user_id})")
    if fingerprint != signer.fingerprint:
        raise _wrong_key_error(path.name, fingerprint, signer.fingerprint)
    if problem := _problem(gpg, signer, file, answer.output):
        raise SigningError(
            f"{sanitize(path.name)}: the new signature does not verify: {problem}",
            hint="Check gpg.conf and the program of --sign-with, then run the same command again.",
        )
    return answer.output


def _signing_fingerprint(gpg: Gpg, answer: GpgResult, filename: str, key: str) -> str:
    """Return the fingerprint of the one key that made a signature. Raises SigningError if none did."""
    created = [line for line in answer.status_arguments("SIG_CREATED") if len(line) >= 6 and line[0] == "D"]
    if answer.exit_status == 0 and len(created) == 1:
        return created[0][5]
    if error := gpg.agent_error(answer):
        raise error
    if len(created) > 1:
        raise SigningError(
            f"{sanitize(filename)}: gpg signed with {format_count(len(created), 'key')} at once",
            hint="Remove 'local-user' from gpg.conf: a release is signed with one key.",
            details=[line[5] for line in created],
        )
    if answer.error_code in _LOCKED_KEY_CODES:
        raise SigningError(
            f"the key {key} is locked: gpg-agent has no passphrase for it, and prompting is disabled",
            hint="Unlock it first: sign any file by hand with 'gpg --detach-sign', then run this again; "
            "in CI use gpg-preset-passphrase.",
        )
    raise SigningError(f"{sanitize(filename)}: gpg did not sign with the key {key}: {answer.last_message}")


def _wrong_key_error(filename: str, fingerprint: str, expected: str) -> SigningError:
    return SigningError(
        f"{sanitize(filename)}: gpg signed with {sanitize(fingerprint)}, not with {expected}",
        hint="Check gpg.conf and the program of --sign-with: one of them selects another key.",
    )


def _problem(gpg: Gpg, signer: GpgSigner, file: VerifiedFile, signature: bytes) -> str:
    """Return why ``signature`` is not a valid detached signature of the file by this key; empty if it is."""
    text = signature.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        return "it is not an ASCII-armored signature"
    with storage_errors("a temporary file"), tempfile.TemporaryDirectory(prefix="wheel-uploader-") as folder:
        signature_path = Path(folder) / "signature.asc"
        signature_path.write_bytes(signature)
        answer = gpg.run("--verify", "--", str(signature_path), "-", feed=file.iter_blocks())
    valid = [line for line in answer.status_arguments("VALIDSIG") if len(line) >= 10]
    if answer.status_arguments("BADSIG"):
        return "it is a signature of different bytes"
    # An expired or revoked key gives VALIDSIG too, but not GOODSIG.
    if answer.exit_status or len(valid) != 1 or len(answer.status_arguments("GOODSIG")) != 1:
        return answer.last_message
    made_by, signature_class, primary = valid[0][0], valid[0][8], valid[0][9]
    if signer.primary_fingerprint not in {made_by, primary}:
        return f"it is by the key {sanitize(primary)}"
    # Class 01 (text) ignores line endings, so that different bytes could have the same signature.
    return "" if signature_class == "00" else "it is a text signature, not a binary one"


def _write_atomically(target: Path, data: bytes, permissions: int) -> None:
    """Write ``data`` to ``target`` atomically."""
    hidden = target.parent / HIDDEN_DIRECTORY
    temporary = target.name + _TEMPORARY_SUFFIX
    with storage_errors(str(target)), contextlib.ExitStack() as stack:
        with contextlib.suppress(FileExistsError):
            hidden.mkdir(mode=0o700)
        hidden_folder = stack.enter_context(contextlib.closing(OpenDirectory(hidden)))
        folder = stack.enter_context(contextlib.closing(OpenDirectory(target.parent)))
        try:
            hidden_folder.unlink(temporary)
            hidden_folder.write(temporary, data, permissions)
            hidden_folder.move(temporary, folder, target.name)
            folder.sync()
        except OSError:
            hidden_folder.unlink(temporary)
            raise

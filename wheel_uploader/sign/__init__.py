"""Detached signatures by gpg: one ``NAME.asc`` beside each file, made by one known key and verified."""

from __future__ import annotations

import contextlib
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wheel_uploader.digests import digest, open_file, read_file
from wheel_uploader.disk import Folder, storage_errors
from wheel_uploader.display import printable
from wheel_uploader.errors import FileError, SigningError
from wheel_uploader.models import Signature
from wheel_uploader.progress import Progress, Silent
from wheel_uploader.sign.gpg import Answer, Gpg, SecretKey
from wheel_uploader.verified_file import HINT, VerifiedFile
from wheel_uploader.wheelhouse import HIDDEN

SUFFIX = ".asc"
#: Seconds that one call of gpg may take.
TIMEOUT = 60.0

_BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
#: A detached signature has a few hundred bytes.
_LIMIT = 64 * 1024
#: What _tidy of the wheelhouse removes when a run was killed.
_TEMPORARY = ".tmp"
#: Codes of libgpg-error: bad passphrase, no pinentry, cancelled, no passphrase.
_LOCKED = {11, 85, 99, 177}
#: What gpg says if no default-key of gpg.conf exists, and if one of them signs.
_IGNORED, _DEFAULT = "passed to '--default-key' ignored", "as default secret key for signing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The key that signs: the program, the full fingerprints of the part that signs and of the whole key."""

    program: str
    #: Of the primary key or of the signing subkey, whichever makes the signatures.
    fingerprint: str
    primary: str
    #: Name and address, harmless to show.
    user_id: str = ""
    #: Keys that can sign as well, if neither --identity nor gpg.conf chose one.
    others: tuple[SecretKey, ...] = ()

    @property
    def doubt(self) -> str:
        """A sentence for the user if gpg chose one of several keys by itself; else empty."""
        if not self.others:
            return ""
        others = ", ".join(map(str, self.others))
        return (
            f"sign: gpg chose the key {self.primary} ({self.user_id}); {others} can sign as well: "
            "name one with --identity"
        )


def check_signer(program: str, identity: str | None, *, timeout: float = TIMEOUT) -> Signer:
    """Find the key and let it sign a few bytes: what would fail later fails now.

    ``identity`` is what gpg takes for a key; without it gpg's own choice (its ``default-key``) is learnt
    from that trial signature. Raises SigningError.
    """
    gpg = Gpg.find(program, timeout=timeout)
    keys = gpg.secret_keys(identity)
    wanted = _choose(keys, identity)
    # "KEYID!" is how a person tells gpg to use that very subkey.
    local_user = identity if wanted and identity and identity.endswith("!") else wanted and wanted.fingerprint
    chosen = ("--local-user", local_user) if local_user else ()
    answer = gpg.call(*chosen, "--armor", "--detach-sign", "--output", "-", stdin=b"wheel-uploader\n")
    fingerprint = _signed_by(gpg, answer, "a trial text", str(wanted or "that gpg chose"))
    candidates = [wanted] if wanted else keys
    key = next((key for key in candidates if fingerprint in {key.fingerprint, *key.subkeys}), None)
    if key is None:
        raise _wrong_key(
            "a trial text", fingerprint, wanted.fingerprint if wanted else "a key of its keyring"
        )
    others = () if wanted else _others(answer, key, keys)
    return Signer(
        program=gpg.program,
        fingerprint=fingerprint,
        primary=key.fingerprint,
        user_id=key.user_id,
        others=others,
    )


def _others(answer: Answer, signer: SecretKey, keys: Sequence[SecretKey]) -> tuple[SecretKey, ...]:
    """Return the keys that could sign as well, if nobody chose ``signer``.

    Raises SigningError if gpg.conf names a default key that does not exist, and gpg signs with another one.
    """
    others = tuple(key for key in keys if key != signer and not key.problem)
    if others and any(_IGNORED in text for text in answer.words):
        raise SigningError(
            f"the default-key of gpg.conf does not exist: gpg signs with {signer} instead",
            hint="Correct gpg.conf, or name the key with --identity.",
            details=[f"{key} can sign as well" for key in others],
        )
    return () if any(_DEFAULT in text for text in answer.words) else others


def _choose(keys: Sequence[SecretKey], identity: str | None) -> SecretKey | None:
    """The one key that ``identity`` stands for; None without an identity, when gpg is to choose."""
    whose = f"for {printable(identity, limit=200)!r}" if identity else "at all"
    if not keys:
        raise SigningError(
            f"gpg has no secret key {whose}",
            hint="See 'gpg --list-secret-keys'; import the key, or name another with --identity.",
        )
    usable = [key for key in keys if not key.problem]
    if not usable:
        raise SigningError(
            f"gpg has no key {whose} that can sign",
            hint="Extend the key or name another with --identity; or run without -s.",
            details=[f"{key} {key.problem}" for key in keys],
        )
    if not identity:
        return None
    if len(usable) > 1:
        raise SigningError(
            f"gpg has {len(usable)} keys {whose}",
            hint="Give one of these fingerprints with --identity.",
            details=map(str, usable),
        )
    return usable[0]


def sign_all(
    paths: Sequence[Path],
    signer: Signer,
    *,
    sha256: Mapping[Path, str] | None = None,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
) -> tuple[Signature, ...]:
    """Write a verified ``NAME.asc`` for each file: a good one of this key is kept, any other is replaced.

    ``sha256`` has the digests of the bytes that were checked: only those are signed. A file that is not in it
    is signed as it is. Raises SigningError, StorageError, or FileError for a file that changed; the
    signatures that were finished before stay.
    """
    progress = progress or Silent()
    gpg = Gpg(signer.program, timeout)
    sizes = [_size(path) for path in paths]
    signatures = []
    with progress.total("sign", files=len(paths), size=sum(sizes)):
        for path, size in zip(paths, sizes, strict=True):
            with progress.file(path.name, size=size) as bar:
                checked = (sha256 or {}).get(path) or digest(
                    read_file(open_file(path), str(path)), None
                ).sha256
                with VerifiedFile(path, checked) as file:
                    signatures.append(_sign(gpg, signer, path, file))
                bar.advance(size)
    return tuple(signatures)


def _size(path: Path) -> int:
    """Return the size of a regular file. Raises FileError for a link, and for what is not there."""
    with storage_errors(str(path)), contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            return found.st_size
        raise FileError(f"{printable(str(path))} is not a file: it is not signed", hint=HINT)
    raise FileError(f"{printable(str(path))} is gone: it cannot be signed", hint=HINT)


def _sign(gpg: Gpg, signer: Signer, path: Path, file: VerifiedFile) -> Signature:
    target = path.with_name(path.name + SUFFIX)
    with storage_errors(str(target)), contextlib.closing(Folder(path.parent)) as folder:
        old = folder.read(target.name, _LIMIT + 1)
    content, made = old, False
    if content is None or _refusal(gpg, signer, file, content):
        content, made = _signature(gpg, signer, path, file), True
        _put(target, content, like=path)
    return Signature(
        filename=path.name, path=target, fingerprint=signer.fingerprint, content=content, made=made
    )


def _signature(gpg: Gpg, signer: Signer, path: Path, file: VerifiedFile) -> bytes:
    """Return a new signature of the file's checked bytes, verified before it is written."""
    answer = gpg.call(
        *("--local-user", f"{signer.fingerprint}!", "--armor", "--detach-sign", "--output", "-"),
        feed=file.blocks(),
    )
    fingerprint = _signed_by(gpg, answer, path.name, f"{signer.fingerprint} ({signer.user_id})")
    if fingerprint != signer.fingerprint:
        raise _wrong_key(path.name, fingerprint, signer.fingerprint)
    if refusal := _refusal(gpg, signer, file, answer.output):
        raise SigningError(
            f"{printable(path.name)}: the signature that gpg made does not hold: {refusal}",
            hint="See gpg.conf and the program of --sign-with, then run the same command again.",
        )
    return answer.output


def _signed_by(gpg: Gpg, answer: Answer, what: str, key: str) -> str:
    """The fingerprint of the one key that made a detached signature. Raises SigningError when none did."""
    created = [line for line in answer.status("SIG_CREATED") if len(line) >= 6 and line[0] == "D"]
    if answer.exit_status == 0 and len(created) == 1:
        return created[0][5]
    if trouble := gpg.agent_trouble(answer):
        raise trouble
    if len(created) > 1:
        raise SigningError(
            f"{printable(what)}: gpg signed with {len(created)} keys at once",
            hint="Remove 'local-user' from gpg.conf: one key signs a release.",
            details=[line[5] for line in created],
        )
    if answer.error_code in _LOCKED:
        raise SigningError(
            f"the key {key} is locked: gpg-agent has no passphrase for it, and nobody is asked here",
            hint="Unlock it first: sign any file by hand with 'gpg --detach-sign', then run this again; "
            "in CI use gpg-preset-passphrase.",
        )
    raise SigningError(f"{printable(what)}: gpg did not sign with the key {key}: {answer.last_words}")


def _wrong_key(what: str, fingerprint: str, wanted: str) -> SigningError:
    return SigningError(
        f"{printable(what)}: gpg signed with {printable(fingerprint)}, not with {wanted}",
        hint="See gpg.conf and the program of --sign-with: something there chooses another key.",
    )


def _refusal(gpg: Gpg, signer: Signer, file: VerifiedFile, signature: bytes) -> str:
    """Why ``signature`` is no whole, good, detached signature of the file by this key; empty when it is."""
    text = signature.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        return "it is not an ASCII signature"
    with storage_errors("a temporary file"), tempfile.TemporaryDirectory(prefix="wheel-uploader-") as folder:
        detached = Path(folder) / "signature.asc"
        detached.write_bytes(signature)
        answer = gpg.call("--verify", "--", str(detached), "-", feed=file.blocks())
    valid = [line for line in answer.status("VALIDSIG") if len(line) >= 10]
    if answer.status("BADSIG"):
        return "it is a signature of other bytes"
    # An expired or revoked key gives VALIDSIG too, but not GOODSIG.
    if answer.exit_status or len(valid) != 1 or len(answer.status("GOODSIG")) != 1:
        return answer.last_words
    made_by, kind, primary = valid[0][0], valid[0][8], valid[0][9]
    if signer.primary not in {made_by, primary}:
        return f"it is by the key {printable(primary)}"
    # Class 01 leaves out line ends: other bytes could have the same signature.
    return "" if kind == "00" else "it is a signature of text, not of bytes"


def _put(target: Path, data: bytes, *, like: Path) -> None:
    """The whole file under its final name at once; it may be read by whoever may read ``like``."""
    hidden = target.parent / HIDDEN
    temporary = target.name + _TEMPORARY
    with storage_errors(str(target)), contextlib.ExitStack() as stack:
        with contextlib.suppress(FileExistsError):
            hidden.mkdir(mode=0o700)
        away = stack.enter_context(contextlib.closing(Folder(hidden)))
        folder = stack.enter_context(contextlib.closing(Folder(target.parent)))
        try:
            away.unlink(temporary)
            away.write(temporary, data, like.stat().st_mode & 0o666)
            away.move(temporary, folder, target.name)
            folder.sync()
        except OSError:
            away.unlink(temporary)
            raise

"""Signatures by the real gpg, and every way in which gpg can fail: each ends soon, with 12, and says why."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gpg import REPLY_WITH_VERSION, Keyring, fake_gpg, keyring
from wheel_uploader.core.errors import FileError, SigningError, StorageError
from wheel_uploader.core.models import Signature
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.signing.gpg_signer import GpgSigner, find_gpg_signer, sign_files

NAMES = ("dipy-1.0-py3-none-any.whl", "dipy-1.0.tar.gz", "SHA256SUMS")


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Keyring, str, str]]:
    """A keyring that no test changes, and the fingerprints of Alice's key and Bob's in it."""
    with keyring() as ring:
        yield ring, ring.make_key("Alice <alice@example.com>"), ring.make_key("Bob <bob@example.com>")


@pytest.fixture
def ring(shared: tuple[Keyring, str, str], monkeypatch: pytest.MonkeyPatch) -> Keyring:
    monkeypatch.setenv("GNUPGHOME", str(shared[0].home))
    return shared[0]


@pytest.fixture
def alice(shared: tuple[Keyring, str, str]) -> str:
    return shared[1]


@pytest.fixture
def bob(shared: tuple[Keyring, str, str]) -> str:
    return shared[2]


@pytest.fixture
def own_ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    """An empty keyring that the test may fill and spoil."""
    with keyring() as ring:
        monkeypatch.setenv("GNUPGHOME", str(ring.home))
        yield ring


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name in NAMES:
        (tmp_path / name).write_bytes(name.encode() * 100)
    return [tmp_path / name for name in NAMES]


def refused(identity: str | None = None, *, program: str = "gpg", timeout: float = 60.0) -> SigningError:
    """What check_signer says; it has to say it soon, and with something to do next."""
    started = time.monotonic()
    with pytest.raises(SigningError) as caught:
        find_gpg_signer(program, identity, timeout=timeout)
    assert time.monotonic() - started < 5
    assert caught.value.exit_code == 12
    assert caught.value.hint
    return caught.value


def sign_refused(paths: list[Path], signer: GpgSigner, *, timeout: float = 60.0) -> SigningError:
    """What sign_all says; no signature may be there afterwards."""
    started = time.monotonic()
    with pytest.raises(SigningError) as caught:
        sign_files(paths, signer, timeout=timeout)
    assert time.monotonic() - started < 5
    assert not list(paths[0].parent.glob("**/*.asc*"))
    assert caught.value.hint
    return caught.value


def assert_verifies(signature: Signature, path: Path, fingerprint: str, ring: Keyring) -> None:
    """Somebody who has only the public key takes the signature for one of the file."""
    with keyring() as reader:
        reader.gpg("--import", stdin=ring.gpg("--export", fingerprint).stdout)
        said = reader.gpg("--status-fd", "1", "--verify", str(signature.path), str(path)).stdout.decode()
    assert re.search(rf"(?m)^\[GNUPG:\] VALIDSIG .*{fingerprint}", said)


def on_signature(number: int) -> str:
    """The start of a case in a script that is the program: its signature of that number, the trial's is 1."""
    count = 'case "$*" in *--detach-sign*) echo >> "$0.count"; made=$(wc -l < "$0.count");; esac'
    return f"made=0; {count}; case $((made)) in {number})"


# --- it signs ----------------------------------------------------------------------------------------


def test_every_file_gets_a_signature_that_others_can_verify(
    ring: Keyring, alice: str, files: list[Path]
) -> None:
    signatures = sign_files(files, find_gpg_signer("gpg", "alice@example.com"))
    assert [(each.filename, each.path.name, each.is_new) for each in signatures] == [
        (name, f"{name}.asc", True) for name in NAMES
    ]
    for signature, path in zip(signatures, files, strict=True):
        assert signature.fingerprint == alice
        assert signature.path.read_bytes().startswith(b"-----BEGIN PGP SIGNATURE-----\n")
        assert_verifies(signature, path, alice, ring)
    visible = {path.name for path in files[0].parent.iterdir() if not path.name.startswith(".")}
    assert visible == {*NAMES, *(f"{name}.asc" for name in NAMES)}


def test_a_good_signature_is_kept(ring: Keyring, alice: str, files: list[Path]) -> None:
    signer = find_gpg_signer("gpg", alice)
    first = sign_files(files, signer)
    before = [(each.path.read_bytes(), each.path.stat().st_mtime_ns) for each in first]
    second = sign_files(files, signer)
    assert [each.is_new for each in second] == [False, False, False]
    assert [(each.path.read_bytes(), each.path.stat().st_mtime_ns) for each in second] == before


def old_signature(kind: str, path: Path, ring: Keyring, alice: str, bob: str) -> bytes:
    if kind == "of other bytes":
        return ring.sign(path.with_name(NAMES[1]), alice)
    if kind == "by another key":
        return ring.sign(path, bob)
    if kind == "by both keys":
        return ring.sign(path, alice, "--local-user", bob, "--detach-sign")
    if kind == "with the file inside":
        return ring.sign(path, alice, "--sign")
    if kind == "of text":
        return ring.sign(path, alice, "--textmode", "--detach-sign")
    if kind == "binary":
        return ring.gpg("-u", alice, "--output", "-", "--detach-sign", str(path)).stdout
    if kind == "torn":
        return ring.sign(path, alice, "--detach-sign")[:200]
    return {"garbage": b"\x1b]0;owned\x07\xff\x00", "empty": b"", "huge": b"x" * 1_000_000}[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "of other bytes",
        "by another key",
        "by both keys",
        "with the file inside",
        "of text",
        "binary",
        "torn",
        "garbage",
        "empty",
        "huge",
    ],
)
def test_any_other_signature_is_replaced(
    kind: str, ring: Keyring, alice: str, bob: str, files: list[Path]
) -> None:
    old = files[0].with_name(f"{NAMES[0]}.asc")
    old.write_bytes(old_signature(kind, files[0], ring, alice, bob))
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", alice))
    assert signature.is_new
    assert_verifies(signature, files[0], alice, ring)


def test_a_signature_that_has_expired_is_replaced(own_ring: Keyring, files: list[Path]) -> None:
    key = own_ring.make_key("Key <key@example.com>", created="20200101T000000")
    old = own_ring.sign(
        files[0], key, "--faked-system-time", "20200102T000000", "--default-sig-expire", "1d", "--detach-sign"
    )
    Path(f"{files[0]}.asc").write_bytes(old)
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", key))
    assert signature.is_new
    assert_verifies(signature, files[0], key, own_ring)


def test_a_file_that_changed_is_signed_again(ring: Keyring, alice: str, files: list[Path]) -> None:
    signer = find_gpg_signer("gpg", alice)
    sign_files(files, signer)
    files[1].write_bytes(b"other bytes")
    signatures = sign_files(files, signer)
    assert [each.is_new for each in signatures] == [False, True, False]
    assert_verifies(signatures[1], files[1], alice, ring)


def test_a_link_in_the_place_of_a_signature_is_replaced_and_not_followed(
    ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(ring.sign(files[0], alice))
    before = precious.read_bytes()
    link = files[0].with_name(f"{NAMES[0]}.asc")
    link.symlink_to(precious)
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", alice))
    assert signature.is_new
    assert not link.is_symlink()
    assert precious.read_bytes() == before


def test_a_fifo_in_the_place_of_a_signature_is_not_waited_for(
    ring: Keyring, alice: str, files: list[Path]
) -> None:
    os.mkfifo(f"{files[0]}.asc")
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", alice))
    assert signature.path.is_file()


def test_a_signature_may_be_read_by_those_who_may_read_the_file(
    ring: Keyring, alice: str, files: list[Path]
) -> None:
    files[0].chmod(0o640)
    files[1].chmod(0o755)
    signatures = sign_files(files[:2], find_gpg_signer("gpg", alice))
    assert [oct(each.path.stat().st_mode & 0o777) for each in signatures] == ["0o640", "0o644"]


def test_names_with_spaces_and_other_letters_in_the_path(ring: Keyring, alice: str, tmp_path: Path) -> None:
    path = tmp_path / "-ö release\n" / NAMES[0]
    path.parent.mkdir()
    path.write_bytes(b"wheel")
    (signature,) = sign_files([path], find_gpg_signer("gpg", alice))
    assert_verifies(signature, path, alice, ring)


# --- which key ---------------------------------------------------------------------------------------


def test_a_key_is_found_by_whatever_gpg_takes(ring: Keyring, alice: str) -> None:
    for identity in (
        alice,
        alice[-16:],
        f"0x{alice[-8:]}",
        "alice@example.com",
        "<alice@example.com>",
        "Alice",
    ):
        assert find_gpg_signer("gpg", identity) == GpgSigner(
            program=find_gpg_signer("gpg", alice).program,
            fingerprint=alice,
            primary_fingerprint=alice,
            user_id="Alice <alice@example.com>",
        )


def test_without_identity_gpg_chooses(own_ring: Keyring) -> None:
    first = own_ring.make_key("First <first@example.com>")
    second = own_ring.make_key("Second <second@example.com>")
    assert find_gpg_signer("gpg", None).primary_fingerprint == first
    assert find_gpg_signer("gpg", "").primary_fingerprint == first
    own_ring.configure(f"default-key {second}")
    assert find_gpg_signer("gpg", None).primary_fingerprint == second


def test_a_choice_that_nobody_made_is_told(own_ring: Keyring) -> None:
    first = own_ring.make_key("First <first@example.com>")
    assert not find_gpg_signer("gpg", None).ambiguity_warning
    second = own_ring.make_key("Second <second@example.com>")
    own_ring.make_key("Old <old@example.com>", created="20200101T000000", expires="10d")
    signer = find_gpg_signer("gpg", None)
    assert signer.ambiguity_warning == (
        f"sign: gpg chose the key {first} (First <first@example.com>), but {second} (Second "
        "<second@example.com>) can sign as well: select one with --identity"
    )
    own_ring.configure(f"default-key {second}")
    assert not find_gpg_signer("gpg", None).ambiguity_warning
    assert not find_gpg_signer("gpg", first).ambiguity_warning


@pytest.mark.parametrize("absent", ["DEADBEEFDEADBEEF", "nobody@example.com"])
def test_a_default_key_that_does_not_exist(absent: str, own_ring: Keyring) -> None:
    first = own_ring.make_key("First <first@example.com>")
    own_ring.configure(f"default-key {absent}")
    # Nobody can mean another one.
    assert find_gpg_signer("gpg", None).primary_fingerprint == first
    second = own_ring.make_key("Second <second@example.com>")
    error = refused()
    assert str(error) == (
        f"the default-key of gpg.conf does not exist: gpg signs with {first} "
        "(First <first@example.com>) instead"
    )
    assert error.details == (f"{second} (Second <second@example.com>) can sign as well",)
    assert find_gpg_signer("gpg", second).primary_fingerprint == second


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of Linux")
def test_a_keyring_whose_sockets_have_too_long_a_path(
    ring: Keyring, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest one counts: gpg-agent does not start without it."""
    if Path(f"/run/user/{os.getuid()}").exists():
        pytest.skip("the sockets are below /run")
    long = Path(tempfile.mkdtemp(prefix="wu", dir="/tmp"))
    try:
        home = long / ("x" * (88 - len(str(long)) - 1))
        shutil.copytree(ring.home, home, ignore=shutil.ignore_patterns("S.*", "*.lock"))
        home.chmod(0o700)
        monkeypatch.setenv("GNUPGHOME", str(home))
        error = refused(alice)
        assert str(error) == (
            "gpg cannot connect to its agent: the path of a socket has 108 bytes, but the system allows "
            "107: "
            f"{home}/S.gpg-agent.browser"
        )
        assert "Set GNUPGHOME to a path of at most 87 bytes" in error.hint
        short = long / "g"
        short.symlink_to(home)
        monkeypatch.setenv("GNUPGHOME", str(short))
        assert find_gpg_signer("gpg", alice).primary_fingerprint == alice
        Keyring(short).stop_agent()
    finally:
        shutil.rmtree(long, ignore_errors=True)


def test_a_signing_subkey_signs_for_its_key(own_ring: Keyring, files: list[Path]) -> None:
    primary = own_ring.make_key("Sub <sub@example.com>", usage="cert")
    older = own_ring.add_subkey(primary)
    newer = own_ring.add_subkey(primary)
    signer = find_gpg_signer("gpg", "sub@example.com")
    assert signer.primary_fingerprint == primary
    assert signer.fingerprint in {older, newer}
    assert find_gpg_signer("gpg", f"{older}!").fingerprint == older
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", f"{newer}!"))
    assert signature.fingerprint == newer
    assert_verifies(signature, files[0], primary, own_ring)
    # What one subkey signed is a good signature of the key.
    (kept,) = sign_files(files[:1], find_gpg_signer("gpg", f"{older}!"))
    assert not kept.is_new


def test_a_name_that_would_act_on_the_terminal_is_harmless(own_ring: Keyring) -> None:
    key = own_ring.make_key("::error::Evil\x1b]0;owned\x07: Å <evil@example.com>")
    assert find_gpg_signer("gpg", key).user_id == r": :error::Evil\x1b]0;owned\x07: Å <evil@example.com>"


def test_of_two_keys_with_one_address_the_one_that_can_sign_is_taken(own_ring: Keyring) -> None:
    own_ring.make_key("Old <me@example.com>", created="20200101T000000", expires="10d")
    new = own_ring.make_key("New <me@example.com>")
    assert find_gpg_signer("gpg", "me@example.com").fingerprint == new


def test_a_passphrase_that_the_agent_remembers_is_enough(own_ring: Keyring, files: list[Path]) -> None:
    key = own_ring.make_key("Locked <locked@example.com>", passphrase="correct horse")
    own_ring.stop_agent()
    own_ring.unlock(key, "correct horse")
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", "locked@example.com"))
    assert_verifies(signature, files[0], key, own_ring)


def test_another_program_can_sign(ring: Keyring, alice: str, files: list[Path], tmp_path: Path) -> None:
    own = fake_gpg(tmp_path / "bin", 'echo "$@" >> "$0.calls"; exec "$GPG" "$@"')
    sign_files(files[:1], find_gpg_signer(own, alice))
    calls = Path(f"{own}.calls").read_text().splitlines()
    assert any(f"--local-user {alice}! --armor --detach-sign" in call for call in calls)
    assert all(
        call.startswith("--batch --no-tty --yes --status-fd 2 --pinentry-mode error ") for call in calls
    )
    assert all("--trust-model always --no-auto-key-retrieve" in call for call in calls)


def test_gpg_gets_no_secrets_and_speaks_english(
    ring: Keyring, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TWINE_PASSWORD", "TWINE_USERNAME", "WHEEL_UPLOADER_PASSWORD"):
        monkeypatch.setenv(name, "s3cr3t-v4lue")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    own = fake_gpg(tmp_path / "bin", 'env > "$0.env"; exec "$GPG" "$@"')
    find_gpg_signer(own, alice)
    environment = Path(f"{own}.env").read_text().splitlines()
    assert not [line for line in environment if "s3cr3t-v4lue" in line]
    assert {"LC_ALL=C", "LANGUAGE=", f"GNUPGHOME={ring.home}"} <= set(environment)


# --- it does not sign: the keys ----------------------------------------------------------------------


def test_no_key_at_all(own_ring: Keyring) -> None:
    error = refused()
    assert str(error) == "gpg has no secret key"
    assert error.hint == "Check 'gpg --list-secret-keys'; import the key, or select another with --identity."


@pytest.mark.parametrize("identity", ["nobody@example.com", "A" * 40, "--help", "%s%n", "ö"])
def test_a_key_that_is_not_there(ring: Keyring, identity: str) -> None:
    assert str(refused(identity)) == f"gpg has no secret key for '{identity}'"


def test_a_public_key_alone_cannot_sign(own_ring: Keyring, ring: Keyring, alice: str) -> None:
    own_ring.gpg("--import", stdin=ring.gpg("--export", alice).stdout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", str(own_ring.home))
        assert str(refused(alice)) == f"gpg has no secret key for '{alice}'"


def test_an_identity_that_stands_for_two_keys(ring: Keyring, alice: str, bob: str) -> None:
    error = refused("example.com")
    assert str(error) == "gpg has 2 keys for 'example.com'"
    assert error.details == (f"{alice} (Alice <alice@example.com>)", f"{bob} (Bob <bob@example.com>)")
    assert error.hint == "Pass one of these fingerprints with --identity."


@pytest.mark.parametrize("identity", ["key@example.com", None])
@pytest.mark.parametrize("problem", ["expired on 2020-01-11", "is revoked", "is disabled"])
def test_a_key_that_may_not_sign_any_more(own_ring: Keyring, problem: str, identity: str | None) -> None:
    expired = {"created": "20200101T000000", "expires": "10d"} if "expired" in problem else {}
    key = own_ring.make_key("Key <key@example.com>", **expired)
    if problem == "is revoked":
        own_ring.revoke(key)
    elif problem == "is disabled":
        own_ring.disable(key)
    error = refused(identity)
    whose = " for 'key@example.com'" if identity else ""
    assert str(error) == f"gpg has no key{whose} that can sign"
    assert error.details == (f"{key} (Key <key@example.com>) {problem}",)
    assert error.hint == "Extend the key, select another with --identity, or run without -s."


def test_a_key_that_only_certifies(own_ring: Keyring) -> None:
    key = own_ring.make_key("Key <key@example.com>", usage="cert")
    assert refused(key).details == (f"{key} (Key <key@example.com>) has no valid key that can sign",)


def test_a_key_whose_secret_is_gone(own_ring: Keyring) -> None:
    key = own_ring.make_key("Key <key@example.com>")
    for path in (own_ring.home / "private-keys-v1.d").iterdir():
        path.unlink()
    own_ring.stop_agent()
    assert str(refused(key)) == f"gpg has no secret key for '{key}'"


def test_a_locked_key_is_never_asked_for(own_ring: Keyring, tmp_path: Path) -> None:
    """Neither by a pinentry, which a desktop has, nor on a terminal."""
    key = own_ring.make_key("Key <key@example.com>", passphrase="correct horse")
    own_ring.stop_agent()
    asked = tmp_path / "asked"
    pinentry = fake_gpg(tmp_path / "bin", f"touch '{asked}'; echo OK; sleep 30")
    own_ring.configure(f"pinentry-program {pinentry}", file="gpg-agent.conf")
    error = refused(key)
    assert str(error) == (
        f"the key {key} (Key <key@example.com>) is locked: gpg-agent has no passphrase for it, "
        "and prompting is disabled"
    )
    assert "sign any file by hand" in error.hint
    assert str(refused()).startswith("the key that gpg chose is locked: ")
    assert not asked.exists()


def test_a_key_that_is_locked_between_the_trial_and_the_files(own_ring: Keyring, files: list[Path]) -> None:
    key = own_ring.make_key("Key <key@example.com>", passphrase="correct horse")
    own_ring.unlock(key, "correct horse")
    signer = find_gpg_signer("gpg", key)
    own_ring.stop_agent()
    assert f"the key {key} (Key <key@example.com>) is locked" in str(sign_refused(files, signer))


# --- it does not sign: the program -------------------------------------------------------------------


def test_gpg_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused()
    assert str(error) == "'gpg', which is needed to sign, is not an executable program"
    assert error.hint == "Install GnuPG, pass its path with --sign-with, or run without -s."


@pytest.mark.parametrize("name", ["", "no-such-gpg", "/no/such/gpg", "a\nb\x1b[31m", "/", "x" * 5000])
def test_a_program_that_is_not_there(name: str) -> None:
    message = str(refused(program=name))
    assert "is not an executable program" in message
    assert message.isprintable()


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "gpg"
    path.write_bytes(b"\x7fELF no program")
    path.chmod(0o755)
    assert str(refused(program=str(path))) == f"{path} cannot be run: Exec format error"


def test_an_identity_that_cannot_be_an_argument(ring: Keyring) -> None:
    assert "embedded null byte" in str(refused("a\0b"))
    assert "cannot be run" in str(refused("\ud800"))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "it printed no message and exited with 0"),
        ("exit 3", "it printed no message and exited with 3"),
        ("kill -9 $$", "it printed no message and was killed by SIGKILL"),
        ("kill -s RTMIN+3 $$ || kill -37 $$", "it printed no message and was killed by SIGRTMIN+3"),
        ("echo 'I am no gpg'", "it printed no message and exited with 0"),
        ("head -c 100000 /dev/urandom; echo no >&2", "no"),
        ("yes", "it writes too much output"),
        ("yes >&2", "it writes too much output"),
        (
            r"printf '\033]52;c;ZXZpbA==\007\r::error::owned\n' >&2",
            r"\x1b]52;c;ZXZpbA==\x07\r: :error::owned",
        ),
        (r"printf '[GNUPG:] \n[GNUPG:]\n\377\n' >&2", "\ufffd"),
    ],
)
def test_a_program_that_is_not_gpg(script: str, words: str, tmp_path: Path) -> None:
    own = fake_gpg(tmp_path, script)
    assert str(refused(program=own)) == f"{own} does not behave like gpg: {words}"


@pytest.mark.parametrize("garbage", ["head -c 100000 /dev/urandom", "echo sec:u; echo fpr; echo sec:e:::::x"])
def test_a_listing_that_is_garbage(garbage: str, tmp_path: Path) -> None:
    own = fake_gpg(tmp_path, f"{REPLY_WITH_VERSION}; {garbage}")
    assert str(refused(program=own)) == "gpg has no secret key"


def test_a_program_that_sleeps_is_ended_with_its_children(tmp_path: Path, files: list[Path]) -> None:
    own = fake_gpg(tmp_path / "bin", 'sleep 300 & echo $! > "$0.child"; wait')
    message = f"{own} did not finish within 2 seconds and was stopped"
    assert str(refused(program=own, timeout=2)) == message
    assert_gone(int(Path(f"{own}.child").read_text()))
    signer = GpgSigner(program=own, fingerprint="A" * 40, primary_fingerprint="A" * 40)
    assert str(sign_refused(files, signer, timeout=2)) == message
    assert_gone(int(Path(f"{own}.child").read_text()))


def test_a_child_that_keeps_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    own = fake_gpg(tmp_path, 'sleep 300 & echo $! > "$0.child"; exit 0')
    assert "it printed no message and exited with 0" in str(refused(program=own, timeout=20))
    assert_gone(int(Path(f"{own}.child").read_text()))


def test_a_run_that_is_interrupted_leaves_no_program_behind(tmp_path: Path) -> None:
    own = fake_gpg(tmp_path, 'sleep 300 & echo $! > "$0.child"; wait')

    child = Path(f"{own}.child")

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def interrupt_when_it_runs() -> None:
        while not (child.exists() and child.read_text().endswith("\n")):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGALRM)

    previous = signal.signal(signal.SIGALRM, interrupt)
    waiting = threading.Thread(target=interrupt_when_it_runs, daemon=True)
    waiting.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            find_gpg_signer(own, None, timeout=20)
    finally:
        waiting.join(20)
        signal.signal(signal.SIGALRM, previous)
    assert_gone(int(child.read_text()))


def assert_gone(process: int) -> None:
    deadline = time.monotonic() + 5
    while state_of(process) not in {"", "Z"}:
        assert time.monotonic() < deadline, f"process {process} is still there"
        time.sleep(0.02)


def state_of(process: int) -> str:
    """``T`` stopped, ``Z`` dead and not yet asked for; empty when there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.parametrize("identity", ["key@example.com", None])
@pytest.mark.parametrize(
    "setting", ["agent-program /no/such/agent", "agent-program /bin/false", "no-autostart"]
)
def test_an_agent_that_does_not_start(own_ring: Keyring, setting: str, identity: str | None) -> None:
    own_ring.make_key("Key <key@example.com>")
    own_ring.stop_agent()
    own_ring.configure(setting)
    error = refused(identity)
    assert str(error).startswith("gpg cannot connect to its agent, which holds the secret keys: ")
    assert error.hint == "Run 'gpgconf --kill all' and 'gpgconf --launch gpg-agent', then this command again."


def test_an_agent_that_died_between_the_trial_and_the_files(own_ring: Keyring, files: list[Path]) -> None:
    signer = find_gpg_signer("gpg", own_ring.make_key("Key <key@example.com>"))
    own_ring.stop_agent()
    own_ring.configure("no-autostart")
    assert "gpg cannot connect to its agent" in str(sign_refused(files, signer))


def test_an_agent_that_does_not_answer(own_ring: Keyring) -> None:
    key = own_ring.make_key("Key <key@example.com>")
    with stopped_agent(own_ring):
        error = refused(key, timeout=1)
    assert "did not finish within 1 seconds" in str(error)
    assert error.hint == (
        "Check whether gpg-agent hangs or a smart card is missing; 'gpgconf --kill all' resets it."
    )


@contextlib.contextmanager
def stopped_agent(ring: Keyring) -> Iterator[None]:
    told = subprocess.run(
        ["gpg-connect-agent", "--homedir", ring.home, "getinfo pid", "/bye"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    found = re.match(rb"D (\d+)", told.stdout)
    assert found
    # The agent may lose the signal while its thread for the call above ends.
    while state_of(int(found[1])) != "T":
        os.kill(int(found[1]), signal.SIGSTOP)
        time.sleep(0.02)
    try:
        yield
    finally:
        os.kill(int(found[1]), signal.SIGCONT)


# --- the wrong signature -----------------------------------------------------------------------------


def test_a_program_that_signs_with_another_key(
    ring: Keyring, alice: str, bob: str, files: list[Path], tmp_path: Path
) -> None:
    own = fake_gpg(
        tmp_path / "bin",
        f"""for argument; do shift
        case "$argument" in {alice}*) argument={bob};; esac
        set -- "$@" "$argument"; done
        exec "$GPG" "$@" """,
    )
    signer = GpgSigner(program=own, fingerprint=alice, primary_fingerprint=alice)
    error = sign_refused(files, signer)
    assert str(error) == f"{NAMES[0]}: gpg signed with {bob}, not with {alice}"
    assert error.hint == "Check gpg.conf and the program of --sign-with: one of them selects another key."


def test_a_trial_signature_by_another_key(ring: Keyring, alice: str, bob: str, tmp_path: Path) -> None:
    swap = f'case "$*" in *--list-secret*) ;; *) set -- --batch --status-fd 2 -u {bob} --detach-sign;; esac'
    own = fake_gpg(tmp_path, f'{swap}; [ "$2" = --no-tty ] || cat >/dev/null; exec "$GPG" "$@"')
    own_version = fake_gpg(tmp_path, f'{REPLY_WITH_VERSION}; {swap}; exec "$GPG" "$@"')
    assert own == own_version
    assert str(refused(alice, program=own)) == f"a trial text: gpg signed with {bob}, not with {alice}"


def test_a_key_that_is_not_in_the_keyring_signs(ring: Keyring, alice: str, tmp_path: Path) -> None:
    stranger = "F" * 40
    created = f"echo '[GNUPG:] SIG_CREATED D 22 8 00 1 {stranger}' >&2; exit 0"
    own = fake_gpg(tmp_path, f'case "$*" in *--detach-sign*) {created};; esac; exec "$GPG" "$@"')
    assert str(refused(program=own)) == (
        f"a trial text: gpg signed with {stranger}, not with a key of its keyring"
    )


def test_two_keys_sign_at_once(own_ring: Keyring) -> None:
    first = own_ring.make_key("First <first@example.com>")
    second = own_ring.make_key("Second <second@example.com>")
    own_ring.configure(f"local-user {second}")
    error = refused(first)
    assert str(error) == "a trial text: gpg signed with 2 keys at once"
    assert sorted(error.details) == sorted([first, second])
    assert error.hint == "Remove 'local-user' from gpg.conf: a release is signed with one key."


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        ('exec "$GPG" "$@" | sed \'s/^./x/\'', "it is not an ASCII-armored signature"),
        (
            '"$GPG" "$@" >/dev/null; echo \'-----BEGIN PGP SIGNATURE-----\'',
            "it is not an ASCII-armored signature",
        ),
        ('(cat; echo more) | "$GPG" "$@"', "it is a signature of different bytes"),
    ],
)
def test_a_signature_that_does_not_hold_is_not_kept(
    spoil: str, cause: str, ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    own = fake_gpg(tmp_path / "bin", f'{on_signature(2)} {spoil}; exit;; esac; exec "$GPG" "$@"')
    signer = find_gpg_signer(own, alice)
    error = sign_refused(files, signer)
    assert str(error) == f"{NAMES[0]}: the new signature does not verify: {cause}"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("", "it printed no message and exited with 0"),
        ("GOODSIG x", "it printed no message and exited with 0"),
        ("VALIDSIG {key} d 1 0 4 0 22 8 00 {key}", "it printed no message and exited with 0"),
        (
            "EXPKEYSIG x\\n[GNUPG:] VALIDSIG {key} d 1 0 4 0 22 8 00 {key}",
            "it printed no message and exited with 0",
        ),
        ("GOODSIG x\\n[GNUPG:] VALIDSIG {other} d 1 0 4 0 22 8 00 {other}", "it is by the key {other}"),
        (
            "GOODSIG x\\n[GNUPG:] VALIDSIG {key} d 1 0 4 0 22 8 01 {key}",
            "it is a text signature, not a binary one",
        ),
        (
            "GOODSIG x" + 2 * "\\n[GNUPG:] VALIDSIG {key} d 1 0 4 0 22 8 00 {key}",
            "it printed no message and exited with 0",
        ),
        ("GOODSIG x\\n[GNUPG:] VALIDSIG {key}", "it printed no message and exited with 0"),
    ],
)
def test_only_a_verification_that_names_the_key_counts(
    status: str, cause: str, ring: Keyring, alice: str, bob: str, files: list[Path], tmp_path: Path
) -> None:
    said = status.format(key=alice, other=bob)
    own = fake_gpg(
        tmp_path / "bin",
        f'case "$*" in *--verify*) printf \'[GNUPG:] {said}\\n\' >&2; exit 0;; esac; exec "$GPG" "$@"',
    )
    signer = find_gpg_signer(own, alice)
    assert str(sign_refused(files, signer)) == (
        f"{NAMES[0]}: the new signature does not verify: {cause.format(other=bob)}"
    )


def test_a_verification_that_fails_after_all_does_not_count(
    ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    own = fake_gpg(tmp_path / "bin", '"$GPG" "$@" || exit; case "$*" in *--verify*) exit 3;; esac')
    assert "does not verify: " in str(sign_refused(files, find_gpg_signer(own, alice)))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'gpg: signing failed: Card error' >&2; exit 2", "signing failed: Card error"),
        ("exit 0", "it printed no message and exited with 0"),
        ("echo '[GNUPG:] FAILURE sign x' >&2; exit 2", "it printed no message and exited with 2"),
        ("echo '[GNUPG:] SIG_CREATED' >&2; exit 0", "it printed no message and exited with 0"),
        ('"$GPG" "$@"; exit 2', "it printed no message and exited with 2"),
        (r"printf 'gpg: \033[31m\r::error::x\n' >&2; exit 2", r"\x1b[31m\r: :error::x"),
    ],
)
def test_gpg_fails_for_another_reason(
    script: str, said: str, ring: Keyring, alice: str, tmp_path: Path
) -> None:
    own = fake_gpg(tmp_path, f'case "$*" in *--detach-sign*) {script};; esac; exec "$GPG" "$@"')
    assert str(refused(alice, program=own)) == (
        f"a trial text: gpg did not sign with the key {alice} (Alice <alice@example.com>): {said}"
    )


# --- the disk ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["replaced", "overwritten", "a fifo", "gone", "a folder"])
@pytest.mark.parametrize("signed", [False, True])
def test_other_bytes_than_those_that_were_checked_are_not_signed(
    how: str, signed: bool, ring: Keyring, alice: str, files: list[Path]
) -> None:
    signer = find_gpg_signer("gpg", alice)
    path, sha256 = files[0], {files[0]: hashlib.sha256(files[0].read_bytes()).hexdigest()}
    if signed:
        sign_files([path], signer, sha256_by_path=sha256)
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(bytes(before.st_size))
    match how:
        case "replaced":
            other.replace(path)
        case "overwritten":
            path.write_bytes(other.read_bytes())
        case "a fifo":
            path.unlink()
            os.mkfifo(path)
        case "a folder":
            path.unlink()
            path.mkdir()
        case _:
            path.unlink()
    if how in {"replaced", "overwritten"}:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(FileError, match=re.escape(path.name)):
        sign_files([path], signer, sha256_by_path=sha256)
    assert Path(f"{path}.asc").exists() == signed


def test_a_file_that_is_written_to_while_gpg_reads_it_is_not_signed(
    ring: Keyring, alice: str, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gpg signs and what it verifies are the checked bytes, or there is no signature."""
    signer = find_gpg_signer("gpg", alice)
    blocks = VerifiedFile.iter_blocks

    def overwritten(file: VerifiedFile) -> Iterator[bytes]:
        files[0].write_bytes(bytes(files[0].stat().st_size))
        yield from blocks(file)

    monkeypatch.setattr(VerifiedFile, "iter_blocks", overwritten)
    with pytest.raises(FileError, match="changed during the run"):
        sign_files(files[:1], signer)
    assert not Path(f"{files[0]}.asc").exists()


def test_what_is_not_a_file_is_not_signed(ring: Keyring, alice: str, files: list[Path]) -> None:
    signer = find_gpg_signer("gpg", alice)
    fifo, link = files[0].with_name("fifo"), files[0].with_name("link")
    os.mkfifo(fifo)
    link.symlink_to(files[0])
    for path in (fifo, link, files[0].parent):
        with pytest.raises(FileError, match="cannot be signed: it is not a regular file"):
            sign_files([path], signer)
    with pytest.raises(FileError, match="cannot be signed: it no longer exists"):
        sign_files([files[0].with_name("gone")], signer)


def test_a_folder_in_the_place_of_a_signature(ring: Keyring, alice: str, files: list[Path]) -> None:
    Path(f"{files[0]}.asc").mkdir()
    with pytest.raises(StorageError, match=r"\.asc: Is a directory"):
        sign_files(files, find_gpg_signer("gpg", alice))
    assert not list(files[0].parent.rglob("*.tmp"))


def test_no_place_for_a_signature(ring: Keyring, alice: str, files: list[Path]) -> None:
    (files[0].parent / ".wheel-uploader").write_bytes(b"")
    with pytest.raises(StorageError, match=r"\.asc: Not a directory"):
        sign_files(files, find_gpg_signer("gpg", alice))


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a second file system")
def test_a_signature_that_cannot_be_moved_to_its_place(ring: Keyring, alice: str, files: list[Path]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        (files[0].parent / ".wheel-uploader").symlink_to(elsewhere)
        with pytest.raises(StorageError, match=r"whl\.asc: Invalid cross-device link") as caught:
            sign_files(files, find_gpg_signer("gpg", alice))
        assert not list(Path(elsewhere).iterdir())
    assert caught.value.exit_code == 13
    assert not Path(f"{files[0]}.asc").exists()


def test_no_place_for_temporary_files(
    ring: Keyring, alice: str, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/place")
    with pytest.raises(StorageError, match="a temporary file: No such file or directory"):
        find_gpg_signer("gpg", alice)


def test_the_signatures_made_before_a_failure_are_kept(
    ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    fail = "echo 'gpg: signing failed: Card removed' >&2; exit 2"
    own = fake_gpg(tmp_path / "bin", f'{on_signature(4)} {fail};; esac; exec "$GPG" "$@"')
    with pytest.raises(SigningError, match=r"^SHA256SUMS: gpg did not sign .* Card removed$"):
        sign_files(files, find_gpg_signer(own, alice))
    assert [each.is_new for each in sign_files(files, find_gpg_signer("gpg", alice))] == [False, False, True]

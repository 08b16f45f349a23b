"""Test signing with real gpg; every gpg failure must end quickly with exit code 12 and a reason."""

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

from tools.testing.gpg import REPLY_WITH_VERSION, Keyring, fake_gpg, keyring
from wheel_uploader.core.errors import FileError, SigningError, StorageError
from wheel_uploader.core.models import Signature
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.signing.gpg_signer import GpgSigner, find_gpg_signer, sign_files

NAMES = ("dipy-1.0-py3-none-any.whl", "dipy-1.0.tar.gz", "SHA256SUMS")


@pytest.fixture(scope="module")
def shared_ring() -> Iterator[tuple[Keyring, str, str]]:
    """Return a read-only keyring and the fingerprints of the keys of Alice and Bob."""
    with keyring() as ring:
        yield ring, ring.make_key("Alice <alice@example.com>"), ring.make_key("Bob <bob@example.com>")


@pytest.fixture
def ring(shared_ring: tuple[Keyring, str, str], monkeypatch: pytest.MonkeyPatch) -> Keyring:
    monkeypatch.setenv("GNUPGHOME", str(shared_ring[0].home))
    return shared_ring[0]


@pytest.fixture
def alice(shared_ring: tuple[Keyring, str, str]) -> str:
    return shared_ring[1]


@pytest.fixture
def bob(shared_ring: tuple[Keyring, str, str]) -> str:
    return shared_ring[2]


@pytest.fixture
def private_ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    """Return an empty keyring that the test may modify."""
    with keyring() as ring:
        monkeypatch.setenv("GNUPGHOME", str(ring.home))
        yield ring


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name in NAMES:
        (tmp_path / name).write_bytes(name.encode() * 100)
    return [tmp_path / name for name in NAMES]


def expect_no_signer(
    identity: str | None = None, *, program: str = "gpg", timeout: float = 60.0
) -> SigningError:
    """Return the error of find_gpg_signer, which must come quickly and have a hint."""
    started = time.monotonic()
    with pytest.raises(SigningError) as caught:
        find_gpg_signer(program, identity, timeout=timeout)
    assert time.monotonic() - started < 5
    assert caught.value.exit_code == 12
    assert caught.value.hint
    return caught.value


def expect_signing_error(paths: list[Path], signer: GpgSigner, *, timeout: float = 60.0) -> SigningError:
    """Return the error of sign_files, which must not leave a signature."""
    started = time.monotonic()
    with pytest.raises(SigningError) as caught:
        sign_files(paths, signer, timeout=timeout)
    assert time.monotonic() - started < 5
    assert not list(paths[0].parent.glob("**/*.asc*"))
    assert caught.value.hint
    return caught.value


def assert_verifies(signature: Signature, path: Path, fingerprint: str, ring: Keyring) -> None:
    """Assert that the signature verifies with only the public key."""
    with keyring() as reader:
        reader.gpg("--import", stdin=ring.gpg("--export", fingerprint).stdout)
        status_output = reader.gpg(
            "--status-fd", "1", "--verify", str(signature.path), str(path)
        ).stdout.decode()
    assert re.search(rf"(?m)^\[GNUPG:\] VALIDSIG .*{fingerprint}", status_output)


def on_signature(number: int) -> str:
    """Return shell code that begins a case for the Nth signature; the trial signature is number 1."""
    count = 'case "$*" in *--detach-sign*) echo >> "$0.count"; made=$(wc -l < "$0.count");; esac'
    return f"made=0; {count}; case $((made)) in {number})"


# --- signing -----------------------------------------------------------------------------------------


def test_signs_every_file_verifiably(ring: Keyring, alice: str, files: list[Path]) -> None:
    signatures = sign_files(files, find_gpg_signer("gpg", "alice@example.com"))
    assert [(signature.filename, signature.path.name, signature.is_new) for signature in signatures] == [
        (name, f"{name}.asc", True) for name in NAMES
    ]
    for signature, path in zip(signatures, files, strict=True):
        assert signature.fingerprint == alice
        assert signature.path.read_bytes().startswith(b"-----BEGIN PGP SIGNATURE-----\n")
        assert_verifies(signature, path, alice, ring)
    visible = {path.name for path in files[0].parent.iterdir() if not path.name.startswith(".")}
    assert visible == {*NAMES, *(f"{name}.asc" for name in NAMES)}


def test_keeps_a_valid_signature(ring: Keyring, alice: str, files: list[Path]) -> None:
    signer = find_gpg_signer("gpg", alice)
    first = sign_files(files, signer)
    before = [(signature.path.read_bytes(), signature.path.stat().st_mtime_ns) for signature in first]
    second = sign_files(files, signer)
    assert [signature.is_new for signature in second] == [False, False, False]
    assert [
        (signature.path.read_bytes(), signature.path.stat().st_mtime_ns) for signature in second
    ] == before


def old_signature(kind: str, path: Path, ring: Keyring, alice: str, bob: str) -> bytes:
    if kind == "of other bytes":
        return ring.sign(path.with_name(NAMES[1]), alice)
    if kind == "by another key":
        return ring.sign(path, bob)
    if kind == "by both keys":
        return ring.sign(path, alice, "--local-user", bob, "--detach-sign")
    if kind == "with embedded content":
        return ring.sign(path, alice, "--sign")
    if kind == "in text mode":
        return ring.sign(path, alice, "--textmode", "--detach-sign")
    if kind == "binary":
        return ring.gpg("-u", alice, "--output", "-", "--detach-sign", str(path)).stdout
    if kind == "truncated":
        return ring.sign(path, alice, "--detach-sign")[:200]
    return {"garbage": b"\x1b]0;owned\x07\xff\x00", "empty": b"", "huge": b"x" * 1_000_000}[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "of other bytes",
        "by another key",
        "by both keys",
        "with embedded content",
        "in text mode",
        "binary",
        "truncated",
        "garbage",
        "empty",
        "huge",
    ],
)
def test_replaces_an_invalid_signature(
    kind: str, ring: Keyring, alice: str, bob: str, files: list[Path]
) -> None:
    old = files[0].with_name(f"{NAMES[0]}.asc")
    old.write_bytes(old_signature(kind, files[0], ring, alice, bob))
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", alice))
    assert signature.is_new
    assert_verifies(signature, files[0], alice, ring)


def test_replaces_an_expired_signature(private_ring: Keyring, files: list[Path]) -> None:
    key = private_ring.make_key("Key <key@example.com>", created="20200101T000000")
    old = private_ring.sign(
        files[0], key, "--faked-system-time", "20200102T000000", "--default-sig-expire", "1d", "--detach-sign"
    )
    Path(f"{files[0]}.asc").write_bytes(old)
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", key))
    assert signature.is_new
    assert_verifies(signature, files[0], key, private_ring)


def test_signs_a_changed_file_again(ring: Keyring, alice: str, files: list[Path]) -> None:
    signer = find_gpg_signer("gpg", alice)
    sign_files(files, signer)
    files[1].write_bytes(b"other bytes")
    signatures = sign_files(files, signer)
    assert [signature.is_new for signature in signatures] == [False, True, False]
    assert_verifies(signatures[1], files[1], alice, ring)


def test_replaces_a_symlink_without_following_it(
    ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    other_signature = tmp_path / "precious"
    other_signature.write_bytes(ring.sign(files[0], alice))
    before = other_signature.read_bytes()
    link = files[0].with_name(f"{NAMES[0]}.asc")
    link.symlink_to(other_signature)
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", alice))
    assert signature.is_new
    assert not link.is_symlink()
    assert other_signature.read_bytes() == before


def test_replaces_a_fifo_without_blocking(ring: Keyring, alice: str, files: list[Path]) -> None:
    os.mkfifo(f"{files[0]}.asc")
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", alice))
    assert signature.path.is_file()


def test_a_signature_has_the_read_permissions_of_the_file(
    ring: Keyring, alice: str, files: list[Path]
) -> None:
    files[0].chmod(0o640)
    files[1].chmod(0o755)
    signatures = sign_files(files[:2], find_gpg_signer("gpg", alice))
    assert [oct(signature.path.stat().st_mode & 0o777) for signature in signatures] == ["0o640", "0o644"]


def test_signs_below_a_path_with_unusual_characters(ring: Keyring, alice: str, tmp_path: Path) -> None:
    path = tmp_path / "-ö release\n" / NAMES[0]
    path.parent.mkdir()
    path.write_bytes(b"wheel")
    (signature,) = sign_files([path], find_gpg_signer("gpg", alice))
    assert_verifies(signature, path, alice, ring)


# --- key selection -----------------------------------------------------------------------------------


def test_finds_a_key_by_any_identity_that_gpg_accepts(ring: Keyring, alice: str) -> None:
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


def test_without_an_identity_gpg_selects_the_key(private_ring: Keyring) -> None:
    first = private_ring.make_key("First <first@example.com>")
    second = private_ring.make_key("Second <second@example.com>")
    assert find_gpg_signer("gpg", None).primary_fingerprint == first
    assert find_gpg_signer("gpg", "").primary_fingerprint == first
    private_ring.configure(f"default-key {second}")
    assert find_gpg_signer("gpg", None).primary_fingerprint == second


def test_warns_if_gpg_selected_one_of_several_keys(private_ring: Keyring) -> None:
    first = private_ring.make_key("First <first@example.com>")
    assert not find_gpg_signer("gpg", None).ambiguity_warning
    second = private_ring.make_key("Second <second@example.com>")
    private_ring.make_key("Old <old@example.com>", created="20200101T000000", expires="10d")
    signer = find_gpg_signer("gpg", None)
    assert signer.ambiguity_warning == (
        f"sign: gpg chose the key {first} (First <first@example.com>), but {second} (Second "
        "<second@example.com>) can sign as well: select one with --identity"
    )
    private_ring.configure(f"default-key {second}")
    assert not find_gpg_signer("gpg", None).ambiguity_warning
    assert not find_gpg_signer("gpg", first).ambiguity_warning


@pytest.mark.parametrize("absent", ["DEADBEEFDEADBEEF", "nobody@example.com"])
def test_rejects_a_default_key_that_does_not_exist(absent: str, private_ring: Keyring) -> None:
    first = private_ring.make_key("First <first@example.com>")
    private_ring.configure(f"default-key {absent}")
    # With a single key, the selection is unambiguous.
    assert find_gpg_signer("gpg", None).primary_fingerprint == first
    second = private_ring.make_key("Second <second@example.com>")
    error = expect_no_signer()
    assert str(error) == (
        f"the default-key of gpg.conf does not exist: gpg signs with {first} "
        "(First <first@example.com>) instead"
    )
    assert error.details == (f"{second} (Second <second@example.com>) can sign as well",)
    assert find_gpg_signer("gpg", second).primary_fingerprint == second


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is specific to Linux")
def test_reports_a_socket_path_that_is_too_long(
    ring: Keyring, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest path counts, because gpg-agent does not start without all of its sockets."""
    if Path(f"/run/user/{os.getuid()}").exists():
        pytest.skip("the sockets are below /run")
    base_folder = Path(tempfile.mkdtemp(prefix="wu", dir="/tmp"))
    try:
        home = base_folder / ("x" * (88 - len(str(base_folder)) - 1))
        shutil.copytree(ring.home, home, ignore=shutil.ignore_patterns("S.*", "*.lock"))
        home.chmod(0o700)
        monkeypatch.setenv("GNUPGHOME", str(home))
        error = expect_no_signer(alice)
        assert str(error) == (
            "gpg cannot connect to its agent: the path of a socket has 108 bytes, but the system allows "
            "107: "
            f"{home}/S.gpg-agent.browser"
        )
        assert "Set GNUPGHOME to a path of at most 87 bytes" in error.hint
        short_path = base_folder / "g"
        short_path.symlink_to(home)
        monkeypatch.setenv("GNUPGHOME", str(short_path))
        assert find_gpg_signer("gpg", alice).primary_fingerprint == alice
        Keyring(short_path).stop_agent()
    finally:
        shutil.rmtree(base_folder, ignore_errors=True)


def test_signs_with_a_subkey(private_ring: Keyring, files: list[Path]) -> None:
    primary = private_ring.make_key("Sub <sub@example.com>", usage="cert")
    older = private_ring.add_subkey(primary)
    newer = private_ring.add_subkey(primary)
    signer = find_gpg_signer("gpg", "sub@example.com")
    assert signer.primary_fingerprint == primary
    assert signer.fingerprint in {older, newer}
    assert find_gpg_signer("gpg", f"{older}!").fingerprint == older
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", f"{newer}!"))
    assert signature.fingerprint == newer
    assert_verifies(signature, files[0], primary, private_ring)
    # A signature by one subkey is a valid signature of the primary key.
    (kept,) = sign_files(files[:1], find_gpg_signer("gpg", f"{older}!"))
    assert not kept.is_new


def test_escapes_control_characters_in_a_user_id(private_ring: Keyring) -> None:
    key = private_ring.make_key("::error::Evil\x1b]0;owned\x07: Å <evil@example.com>")
    assert find_gpg_signer("gpg", key).user_id == r": :error::Evil\x1b]0;owned\x07: Å <evil@example.com>"


def test_selects_the_key_that_can_sign(private_ring: Keyring) -> None:
    private_ring.make_key("Old <me@example.com>", created="20200101T000000", expires="10d")
    new = private_ring.make_key("New <me@example.com>")
    assert find_gpg_signer("gpg", "me@example.com").fingerprint == new


def test_signs_with_a_cached_passphrase(private_ring: Keyring, files: list[Path]) -> None:
    key = private_ring.make_key("Locked <locked@example.com>", passphrase="correct horse")
    private_ring.stop_agent()
    private_ring.unlock(key, "correct horse")
    (signature,) = sign_files(files[:1], find_gpg_signer("gpg", "locked@example.com"))
    assert_verifies(signature, files[0], key, private_ring)


def test_signs_with_another_program(ring: Keyring, alice: str, files: list[Path], tmp_path: Path) -> None:
    fake_program = fake_gpg(tmp_path / "bin", 'echo "$@" >> "$0.calls"; exec "$GPG" "$@"')
    sign_files(files[:1], find_gpg_signer(fake_program, alice))
    calls = Path(f"{fake_program}.calls").read_text().splitlines()
    assert any(f"--local-user {alice}! --armor --detach-sign" in call for call in calls)
    assert all(
        call.startswith("--batch --no-tty --yes --status-fd 2 --pinentry-mode error ") for call in calls
    )
    assert all("--trust-model always --no-auto-key-retrieve" in call for call in calls)


def test_gpg_gets_no_secrets_and_an_english_locale(
    ring: Keyring, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TWINE_PASSWORD", "TWINE_USERNAME", "WHEEL_UPLOADER_PASSWORD"):
        monkeypatch.setenv(name, "s3cr3t-v4lue")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    fake_program = fake_gpg(tmp_path / "bin", 'env > "$0.env"; exec "$GPG" "$@"')
    find_gpg_signer(fake_program, alice)
    environment = Path(f"{fake_program}.env").read_text().splitlines()
    assert not [line for line in environment if "s3cr3t-v4lue" in line]
    assert {"LC_ALL=C", "LANGUAGE=", f"GNUPGHOME={ring.home}"} <= set(environment)


# --- unusable keys -----------------------------------------------------------------------------------


def test_reports_an_empty_keyring(private_ring: Keyring) -> None:
    error = expect_no_signer()
    assert str(error) == "gpg has no secret key"
    assert error.hint == "Check 'gpg --list-secret-keys'; import the key, or select another with --identity."


def test_names_the_home_of_gpg_if_there_is_no_key(private_ring: Keyring) -> None:
    assert expect_no_signer().details == (f"GNUPGHOME is {private_ring.home}",)


@pytest.mark.parametrize("identity", ["nobody@example.com", "A" * 40, "--help", "%s%n", "ö"])
def test_reports_a_missing_key(ring: Keyring, identity: str) -> None:
    assert str(expect_no_signer(identity)) == f"gpg has no secret key for '{identity}'"


def test_a_public_key_alone_cannot_sign(private_ring: Keyring, ring: Keyring, alice: str) -> None:
    private_ring.gpg("--import", stdin=ring.gpg("--export", alice).stdout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", str(private_ring.home))
        assert str(expect_no_signer(alice)) == f"gpg has no secret key for '{alice}'"


def test_reports_an_ambiguous_identity(ring: Keyring, alice: str, bob: str) -> None:
    error = expect_no_signer("example.com")
    assert str(error) == "gpg has 2 keys for 'example.com'"
    assert error.details == (f"{alice} (Alice <alice@example.com>)", f"{bob} (Bob <bob@example.com>)")
    assert error.hint == "Pass one of these fingerprints with --identity."


@pytest.mark.parametrize("identity", ["key@example.com", None])
@pytest.mark.parametrize("problem", ["expired on 2020-01-11", "is revoked", "is disabled"])
def test_reports_an_unusable_key(private_ring: Keyring, problem: str, identity: str | None) -> None:
    expired = {"created": "20200101T000000", "expires": "10d"} if "expired" in problem else {}
    key = private_ring.make_key("Key <key@example.com>", **expired)
    if problem == "is revoked":
        private_ring.revoke(key)
    elif problem == "is disabled":
        private_ring.disable(key)
    error = expect_no_signer(identity)
    whose = " for 'key@example.com'" if identity else ""
    assert str(error) == f"gpg has no key{whose} that can sign"
    assert error.details == (f"{key} (Key <key@example.com>) {problem}",)
    assert error.hint == "Extend the key, select another with --identity, or run without -s."


def test_reports_a_key_without_signing_capability(private_ring: Keyring) -> None:
    key = private_ring.make_key("Key <key@example.com>", usage="cert")
    assert expect_no_signer(key).details == (f"{key} (Key <key@example.com>) has no valid key that can sign",)


def test_reports_a_key_without_its_secret_part(private_ring: Keyring) -> None:
    key = private_ring.make_key("Key <key@example.com>")
    for path in (private_ring.home / "private-keys-v1.d").iterdir():
        path.unlink()
    private_ring.stop_agent()
    assert str(expect_no_signer(key)) == f"gpg has no secret key for '{key}'"


def test_never_prompts_for_a_passphrase(private_ring: Keyring, tmp_path: Path) -> None:
    """Neither a pinentry program nor the terminal asks for the passphrase."""
    key = private_ring.make_key("Key <key@example.com>", passphrase="correct horse")
    private_ring.stop_agent()
    prompted = tmp_path / "asked"
    pinentry = fake_gpg(tmp_path / "bin", f"touch '{prompted}'; echo OK; sleep 30")
    private_ring.configure(f"pinentry-program {pinentry}", file="gpg-agent.conf")
    error = expect_no_signer(key)
    assert str(error) == (
        f"the key {key} (Key <key@example.com>) is locked: gpg-agent has no passphrase for it, "
        "and prompting is disabled"
    )
    assert "sign any file by hand" in error.hint
    assert str(expect_no_signer()).startswith("the key that gpg chose is locked: ")
    assert not prompted.exists()


def test_reports_a_key_locked_after_the_trial_signature(private_ring: Keyring, files: list[Path]) -> None:
    key = private_ring.make_key("Key <key@example.com>", passphrase="correct horse")
    private_ring.unlock(key, "correct horse")
    signer = find_gpg_signer("gpg", key)
    private_ring.stop_agent()
    assert f"the key {key} (Key <key@example.com>) is locked" in str(expect_signing_error(files, signer))


# --- program failures --------------------------------------------------------------------------------


def test_reports_missing_gpg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = expect_no_signer()
    assert str(error) == "'gpg', which is needed to sign, is not an executable program"
    assert error.hint == "Install GnuPG, pass its path with --sign-with, or run without -s."


@pytest.mark.parametrize("name", ["", "no-such-gpg", "/no/such/gpg", "a\nb\x1b[31m", "/", "x" * 5000])
def test_reports_a_missing_program(name: str) -> None:
    message = str(expect_no_signer(program=name))
    assert "is not an executable program" in message
    assert message.isprintable()


def test_reports_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "gpg"
    path.write_bytes(b"\x7fELF no program")
    path.chmod(0o755)
    assert str(expect_no_signer(program=str(path))) == f"{path} cannot be run: Exec format error"


def test_reports_an_identity_that_cannot_be_an_argument(ring: Keyring) -> None:
    assert "embedded null byte" in str(expect_no_signer("a\0b"))
    assert "cannot be run" in str(expect_no_signer("\ud800"))


@pytest.mark.parametrize(
    ("script", "expected"),
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
def test_reports_a_program_that_is_not_gpg(script: str, expected: str, tmp_path: Path) -> None:
    fake_program = fake_gpg(tmp_path, script)
    assert (
        str(expect_no_signer(program=fake_program)) == f"{fake_program} does not behave like gpg: {expected}"
    )


@pytest.mark.parametrize("garbage", ["head -c 100000 /dev/urandom", "echo sec:u; echo fpr; echo sec:e:::::x"])
def test_reports_an_invalid_key_listing(garbage: str, tmp_path: Path) -> None:
    fake_program = fake_gpg(tmp_path, f"{REPLY_WITH_VERSION}; {garbage}")
    assert str(expect_no_signer(program=fake_program)) == "gpg has no secret key"


def test_stops_a_hanging_program_and_its_children(tmp_path: Path, files: list[Path]) -> None:
    fake_program = fake_gpg(tmp_path / "bin", 'sleep 300 & echo $! > "$0.child"; wait')
    message = f"{fake_program} did not finish within 2 s and was stopped"
    assert str(expect_no_signer(program=fake_program, timeout=2)) == message
    assert_gone(int(Path(f"{fake_program}.child").read_text()))
    signer = GpgSigner(program=fake_program, fingerprint="A" * 40, primary_fingerprint="A" * 40)
    assert str(expect_signing_error(files, signer, timeout=2)) == message
    assert_gone(int(Path(f"{fake_program}.child").read_text()))


def test_does_not_wait_for_a_child_that_keeps_the_pipe_open(tmp_path: Path) -> None:
    fake_program = fake_gpg(tmp_path, 'sleep 300 & echo $! > "$0.child"; exit 0')
    assert "it printed no message and exited with 0" in str(
        expect_no_signer(program=fake_program, timeout=20)
    )
    assert_gone(int(Path(f"{fake_program}.child").read_text()))


def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path) -> None:
    fake_program = fake_gpg(tmp_path, 'sleep 300 & echo $! > "$0.child"; wait')

    child = Path(f"{fake_program}.child")

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def interrupt_when_it_runs() -> None:
        while not (child.exists() and child.read_text().endswith("\n")):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGALRM)

    previous = signal.signal(signal.SIGALRM, interrupt)
    interrupter = threading.Thread(target=interrupt_when_it_runs, daemon=True)
    interrupter.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            find_gpg_signer(fake_program, None, timeout=20)
    finally:
        interrupter.join(20)
        signal.signal(signal.SIGALRM, previous)
    assert_gone(int(child.read_text()))


def assert_gone(process: int) -> None:
    deadline = time.monotonic() + 5
    while state_of(process) not in {"", "Z"}:
        assert time.monotonic() < deadline, f"process {process} is still running"
        time.sleep(0.02)


def state_of(process: int) -> str:
    """Return the state from /proc: ``T`` stopped, ``Z`` zombie; empty if the process does not exist."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.parametrize("identity", ["key@example.com", None])
@pytest.mark.parametrize(
    "setting", ["agent-program /no/such/agent", "agent-program /bin/false", "no-autostart"]
)
def test_reports_an_agent_that_does_not_start(
    private_ring: Keyring, setting: str, identity: str | None
) -> None:
    private_ring.make_key("Key <key@example.com>")
    private_ring.stop_agent()
    private_ring.configure(setting)
    error = expect_no_signer(identity)
    assert str(error).startswith("gpg cannot connect to its agent, which holds the secret keys: ")
    assert error.hint == "Run 'gpgconf --kill all' and 'gpgconf --launch gpg-agent', then this command again."


def test_reports_an_agent_that_died_after_the_trial_signature(
    private_ring: Keyring, files: list[Path]
) -> None:
    signer = find_gpg_signer("gpg", private_ring.make_key("Key <key@example.com>"))
    private_ring.stop_agent()
    private_ring.configure("no-autostart")
    assert "gpg cannot connect to its agent" in str(expect_signing_error(files, signer))


def test_reports_an_agent_that_does_not_respond(private_ring: Keyring) -> None:
    key = private_ring.make_key("Key <key@example.com>")
    with stopped_agent(private_ring):
        error = expect_no_signer(key, timeout=1)
    assert "did not finish within 1 s" in str(error)
    assert error.hint == (
        "Check whether gpg-agent hangs or a smart card is missing; 'gpgconf --kill all' resets it."
    )


@contextlib.contextmanager
def stopped_agent(ring: Keyring) -> Iterator[None]:
    reply = subprocess.run(
        ["gpg-connect-agent", "--homedir", ring.home, "getinfo pid", "/bye"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    match = re.match(rb"D (\d+)", reply.stdout)
    assert match
    # The agent may lose the signal while it ends the thread of the call above.
    while state_of(int(match[1])) != "T":
        os.kill(int(match[1]), signal.SIGSTOP)
        time.sleep(0.02)
    try:
        yield
    finally:
        os.kill(int(match[1]), signal.SIGCONT)


# --- wrong signatures --------------------------------------------------------------------------------


def test_rejects_a_signature_by_another_key(
    ring: Keyring, alice: str, bob: str, files: list[Path], tmp_path: Path
) -> None:
    fake_program = fake_gpg(
        tmp_path / "bin",
        f"""for argument; do shift
        case "$argument" in {alice}*) argument={bob};; esac
        set -- "$@" "$argument"; done
        exec "$GPG" "$@" """,
    )
    signer = GpgSigner(program=fake_program, fingerprint=alice, primary_fingerprint=alice)
    error = expect_signing_error(files, signer)
    assert str(error) == f"{NAMES[0]}: gpg signed with {bob}, not with {alice}"
    assert error.hint == "Check gpg.conf and the program of --sign-with: one of them selects another key."


def test_rejects_a_trial_signature_by_another_key(
    ring: Keyring, alice: str, bob: str, tmp_path: Path
) -> None:
    substitution = (
        f'case "$*" in *--list-secret*) ;; *) set -- --batch --status-fd 2 -u {bob} --detach-sign;; esac'
    )
    fake_program = fake_gpg(
        tmp_path, f'{substitution}; [ "$2" = --no-tty ] || cat >/dev/null; exec "$GPG" "$@"'
    )
    with_version = fake_gpg(tmp_path, f'{REPLY_WITH_VERSION}; {substitution}; exec "$GPG" "$@"')
    assert fake_program == with_version
    assert (
        str(expect_no_signer(alice, program=fake_program))
        == f"a trial text: gpg signed with {bob}, not with {alice}"
    )


def test_rejects_a_signature_by_an_unknown_key(ring: Keyring, alice: str, tmp_path: Path) -> None:
    unknown_key = "F" * 40
    created = f"echo '[GNUPG:] SIG_CREATED D 22 8 00 1 {unknown_key}' >&2; exit 0"
    fake_program = fake_gpg(tmp_path, f'case "$*" in *--detach-sign*) {created};; esac; exec "$GPG" "$@"')
    assert str(expect_no_signer(program=fake_program)) == (
        f"a trial text: gpg signed with {unknown_key}, not with a key of its keyring"
    )


def test_rejects_a_signature_by_two_keys(private_ring: Keyring) -> None:
    first = private_ring.make_key("First <first@example.com>")
    second = private_ring.make_key("Second <second@example.com>")
    private_ring.configure(f"local-user {second}")
    error = expect_no_signer(first)
    assert str(error) == "a trial text: gpg signed with 2 keys at once"
    assert sorted(error.details) == sorted([first, second])
    assert error.hint == "Remove 'local-user' from gpg.conf: a release is signed with one key."


@pytest.mark.parametrize(
    ("tampering", "cause"),
    [
        ('exec "$GPG" "$@" | sed \'s/^./x/\'', "it is not an ASCII-armored signature"),
        (
            '"$GPG" "$@" >/dev/null; echo \'-----BEGIN PGP SIGNATURE-----\'',
            "it is not an ASCII-armored signature",
        ),
        ('(cat; echo more) | "$GPG" "$@"', "it is a signature of different bytes"),
    ],
)
def test_discards_an_invalid_new_signature(
    tampering: str, cause: str, ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    fake_program = fake_gpg(tmp_path / "bin", f'{on_signature(2)} {tampering}; exit;; esac; exec "$GPG" "$@"')
    signer = find_gpg_signer(fake_program, alice)
    error = expect_signing_error(files, signer)
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
def test_requires_a_verification_that_names_the_key(
    status: str, cause: str, ring: Keyring, alice: str, bob: str, files: list[Path], tmp_path: Path
) -> None:
    output = status.format(key=alice, other=bob)
    fake_program = fake_gpg(
        tmp_path / "bin",
        f'case "$*" in *--verify*) printf \'[GNUPG:] {output}\\n\' >&2; exit 0;; esac; exec "$GPG" "$@"',
    )
    signer = find_gpg_signer(fake_program, alice)
    assert str(expect_signing_error(files, signer)) == (
        f"{NAMES[0]}: the new signature does not verify: {cause.format(other=bob)}"
    )


def test_requires_a_successful_exit_of_the_verification(
    ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    fake_program = fake_gpg(tmp_path / "bin", '"$GPG" "$@" || exit; case "$*" in *--verify*) exit 3;; esac')
    assert "does not verify: " in str(expect_signing_error(files, find_gpg_signer(fake_program, alice)))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'gpg: signing failed: Card error' >&2; exit 2", "signing failed: Card error"),
        ("exit 0", "it printed no message and exited with 0"),
        ("echo '[GNUPG:] FAILURE sign x' >&2; exit 2", "it printed no message and exited with 2"),
        ("echo '[GNUPG:] SIG_CREATED' >&2; exit 0", "it printed no message and exited with 0"),
        ('"$GPG" "$@"; exit 2', "it printed no message and exited with 2"),
        (r"printf 'gpg: \033[31m\r::error::x\n' >&2; exit 2", r"\x1b[31m\r: :error::x"),
    ],
)
def test_reports_other_gpg_failures(
    script: str, expected: str, ring: Keyring, alice: str, tmp_path: Path
) -> None:
    fake_program = fake_gpg(tmp_path, f'case "$*" in *--detach-sign*) {script};; esac; exec "$GPG" "$@"')
    assert str(expect_no_signer(alice, program=fake_program)) == (
        f"a trial text: gpg did not sign with the key {alice} (Alice <alice@example.com>): {expected}"
    )


# --- the disk ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["replaced", "overwritten", "a fifo", "gone", "a folder"])
@pytest.mark.parametrize("signed", [False, True])
def test_signs_only_the_checked_bytes(
    change: str, signed: bool, ring: Keyring, alice: str, files: list[Path]
) -> None:
    signer = find_gpg_signer("gpg", alice)
    path, sha256 = files[0], {files[0]: hashlib.sha256(files[0].read_bytes()).hexdigest()}
    if signed:
        sign_files([path], signer, sha256_by_path=sha256)
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(bytes(before.st_size))
    match change:
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
    if change in {"replaced", "overwritten"}:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(FileError, match=re.escape(path.name)):
        sign_files([path], signer, sha256_by_path=sha256)
    assert Path(f"{path}.asc").exists() == signed


def test_does_not_sign_a_file_modified_while_gpg_reads_it(
    ring: Keyring, alice: str, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """gpg signs and verifies only the checked bytes; otherwise there is no signature."""
    signer = find_gpg_signer("gpg", alice)
    blocks = VerifiedFile.iter_blocks

    def overwritten(file: VerifiedFile) -> Iterator[bytes]:
        files[0].write_bytes(bytes(files[0].stat().st_size))
        yield from blocks(file)

    monkeypatch.setattr(VerifiedFile, "iter_blocks", overwritten)
    with pytest.raises(FileError, match="changed during the run"):
        sign_files(files[:1], signer)
    assert not Path(f"{files[0]}.asc").exists()


def test_signs_the_checked_bytes_of_a_file_that_is_deleted_while_gpg_reads_it(
    ring: Keyring, alice: str, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature is valid; the upload then reports the missing file."""
    signer, data = find_gpg_signer("gpg", alice), files[0].read_bytes()
    blocks = VerifiedFile.iter_blocks

    def deleted(file: VerifiedFile) -> Iterator[bytes]:
        files[0].unlink(missing_ok=True)
        yield from blocks(file)

    with monkeypatch.context() as patched:
        patched.setattr(VerifiedFile, "iter_blocks", deleted)
        (signature,) = sign_files(files[:1], signer)
    files[0].write_bytes(data)
    (kept,) = sign_files(files[:1], signer)
    assert not kept.is_new
    assert kept.content == signature.content


def test_signs_only_regular_files(ring: Keyring, alice: str, files: list[Path]) -> None:
    signer = find_gpg_signer("gpg", alice)
    fifo, link = files[0].with_name("fifo"), files[0].with_name("link")
    os.mkfifo(fifo)
    link.symlink_to(files[0])
    for path in (fifo, link, files[0].parent):
        with pytest.raises(FileError, match="cannot be signed: it is not a regular file"):
            sign_files([path], signer)
    with pytest.raises(FileError, match="cannot be signed: it no longer exists"):
        sign_files([files[0].with_name("gone")], signer)


def test_reports_a_folder_with_the_name_of_a_signature(ring: Keyring, alice: str, files: list[Path]) -> None:
    Path(f"{files[0]}.asc").mkdir()
    with pytest.raises(StorageError, match=r"\.asc: Is a directory"):
        sign_files(files, find_gpg_signer("gpg", alice))
    assert not list(files[0].parent.rglob("*.tmp"))


def test_reports_a_file_with_the_name_of_the_temporary_folder(
    ring: Keyring, alice: str, files: list[Path]
) -> None:
    (files[0].parent / ".wheel-uploader").write_bytes(b"")
    with pytest.raises(StorageError, match=r"\.asc: Not a directory"):
        sign_files(files, find_gpg_signer("gpg", alice))


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a second file system")
def test_reports_a_signature_that_cannot_be_renamed(ring: Keyring, alice: str, files: list[Path]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        (files[0].parent / ".wheel-uploader").symlink_to(elsewhere)
        with pytest.raises(StorageError, match=r"whl\.asc: Invalid cross-device link") as caught:
            sign_files(files, find_gpg_signer("gpg", alice))
        assert not list(Path(elsewhere).iterdir())
    assert caught.value.exit_code == 13
    assert not Path(f"{files[0]}.asc").exists()


def test_reports_a_missing_system_temporary_folder(
    ring: Keyring, alice: str, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/place")
    with pytest.raises(StorageError, match="a temporary file: No such file or directory"):
        find_gpg_signer("gpg", alice)


def test_keeps_signatures_made_before_a_failure(
    ring: Keyring, alice: str, files: list[Path], tmp_path: Path
) -> None:
    fail = "echo 'gpg: signing failed: Card removed' >&2; exit 2"
    fake_program = fake_gpg(tmp_path / "bin", f'{on_signature(4)} {fail};; esac; exec "$GPG" "$@"')
    with pytest.raises(SigningError, match=r"^SHA256SUMS: gpg did not sign .* Card removed$"):
        sign_files(files, find_gpg_signer(fake_program, alice))
    assert [signature.is_new for signature in sign_files(files, find_gpg_signer("gpg", alice))] == [
        False,
        False,
        True,
    ]

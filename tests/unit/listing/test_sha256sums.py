"""Parsing SHA256SUMS in all its formats."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.testing import gpg, wheels
from wheel_uploader.core.errors import UsageError
from wheel_uploader.listing import sha256sums

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    "line",
    [
        f"{A}  x.whl",
        f"{A} *x.whl",
        f"{A.upper()}  x.whl",
        f"{A}  dist/x.whl",
        f"{A} *.\\dist\\x.whl",
        f"{A}\tx.whl",
        f"  {A}  x.whl \r",
        f"SHA256 (x.whl) = {A}",
        f"SHA256 (dist/x.whl) = {A}",
        f"SHA256(x.whl)= {A}",
        f"SHA2-256(x.whl)= {A}",
        f"sha256:{A}  x.whl",
        f"SHA256:{A.upper()} *dist/x.whl",
        f"sha-256={A} x.whl",
        f"SHA256          {A.upper()}       C:\\dist\\x.whl",
        f"{A}  x.whl  # built by CI",
    ],
)
def test_parses_every_line_format(line: str) -> None:
    assert sha256sums.parse_checksum_line(line) == ("x.whl", A)


@pytest.mark.parametrize(
    "line", ["x.whl", f"{A}x.whl", f"{A[1:]}  x.whl", f"{A}0  x.whl", f"MD5 (x.whl) = {A[:32]}", f"{A}  "]
)
def test_ignores_other_lines(line: str) -> None:
    assert sha256sums.parse_checksum_line(line) is None


def test_parses_a_complete_file() -> None:
    text = f"# made by hand\r\n{A}  x.whl\r\n\r\nSHA256 (y.tar.gz) = {B}\r\n{A} *x.whl\r\n"
    assert sha256sums.parse_sha256sums(text, "SHA256SUMS") == {"x.whl": A, "y.tar.gz": B}


@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]])
def test_parses_the_output_of_sha256sum(tmp_path: Path, options: list[str]) -> None:
    paths = wheels.make_release(tmp_path)
    command = ["sha256sum", *options, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sha256sums.parse_sha256sums(done.stdout, "x").keys() == {path.name for path in paths}


def test_reports_every_wrong_line() -> None:
    with pytest.raises(UsageError) as caught:
        sha256sums.parse_sha256sums(f"{A}  x.whl\nSHA512 (x.whl) = {A}{A}\n{B}  x.whl\n", "SUMS")
    assert str(caught.value) == "SUMS is not in SHA256SUMS format"
    assert caught.value.details == (
        f"line 2: 'SHA512 (x.whl) = {A}{A[:19]}...'",
        "line 3: different sha256 for x.whl than on an earlier line",
    )
    assert caught.value.hint == "Each line must be 'sha256  file name', as printed by 'sha256sum *'."


def test_rejects_an_html_page_and_an_empty_file() -> None:
    with pytest.raises(UsageError, match=r"^SUMS is not in SHA256SUMS format") as caught:
        sha256sums.parse_sha256sums("<p>\n" * 12, "SUMS")
    assert caught.value.details[-1] == "and 2 more lines"
    with pytest.raises(UsageError, match=r"^SUMS is empty$"):
        sha256sums.parse_sha256sums("\n# none\n", "SUMS")


# --- other algorithms, headings and signatures -----------------------------------------------------

MD5, SHA512 = "c" * 32, "d" * 128
BOTH = f"{A}  x.whl\n{B}  y.tar.gz\n"


def sign(text: str) -> str:
    """Return ``text`` as gpg --clear-sign does, with an invalid signature."""
    return (
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}"
        "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCgAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"MD5\n---\n\n    {MD5}  x.whl\n    {MD5}  y.tar.gz\n\nSHA256\n------\n\n{BOTH}",
        f"## MD5 checksums\n\n```\n{MD5}  x.whl\n```\n\n## SHA-256:\n\n```text\n{BOTH}```\n",
        f"MD5 (x.whl) = {MD5}\nSHA256 (x.whl) = {A}\nSHA512 (x.whl) = {SHA512}\nSHA256 (y.tar.gz) = {B}\n",
        f"{SHA512}  x.whl\n{BOTH}",
        f"Checksums\n=========\n\nmd5:{MD5} x.whl\nsha256:{A} x.whl\nsha256:{B} y.tar.gz\n",
        f"# BLAKE2b-256\n{B}  x.whl\n# SHA-256\n{BOTH}",
        f"x.whl:\n--hash=sha256:{A}\ndist/y.tar.gz:\n--hash=sha256:{B}\n",
        f"Algorithm Hash Path\n--------- ---- ----\nSHA256  {A.upper()}  C:\\x.whl\nSHA256  {B}  y.tar.gz\n",
        sign(BOTH),
        f"\r\n{sign(BOTH)}\r\n".replace("\n", "\r\n"),
    ],
)
def test_reads_lists_with_headings_other_algorithms_and_signatures(text: str) -> None:
    assert sha256sums.parse_sha256sums(text, "SUMS") == {"x.whl": A, "y.tar.gz": B}


@pytest.mark.parametrize(
    ("text", "detail", "hint"),
    [
        (f"demo==1.0 --hash=sha256:{A}\n", "line 1: 'demo==1.0 --hash=", "requirements with --hash"),
        (f"demo==1.0 \\\n    --hash=sha256:{A}\n", "line 1: 'demo==1.0 ", "requirements with --hash"),
        (f"{MD5}  x.whl\n", f"line 1: '{MD5}  x.whl' is MD5, and no line has the SHA-256 of x.whl", ""),
        (
            f"SHA512 (x.whl) = {SHA512}\nSHA256 (y.whl) = {A}\n",
            f"line 1: 'SHA512 (x.whl) = {SHA512[:83]}...' is SHA512, and no line has the SHA-256 of x.whl",
            "",
        ),
        (f"BLAKE2b-256\n-----------\n{A}  x.whl\n", f"line 3: '{A}  x.whl' is BLAKE2B-256, and", ""),
        # Unsigned text, and a truncated message.
        (f"{A}  y.whl\n{sign(BOTH)}", f"line 1: '(outside the signed text) {A}", ""),
        (sign(BOTH).partition("-----BEGIN PGP SIGNATURE")[0], "line 1: '-----BEGIN PGP", ""),
        (sign(BOTH).partition("-----END")[0], "line 1: '-----BEGIN PGP SIGNED MESSAGE", ""),
    ],
)
def test_reports_the_first_line_in_another_format(text: str, detail: str, hint: str) -> None:
    with pytest.raises(UsageError, match=r"^SUMS is not in SHA256SUMS format") as caught:
        sha256sums.parse_sha256sums(text, "SUMS")
    assert caught.value.details[0].startswith(detail)
    assert hint in caught.value.hint


def test_reads_a_list_that_gpg_has_signed() -> None:
    text = f"--------\nSHA256\n--------\n{BOTH}"
    with gpg.keyring() as keys:
        fingerprint = keys.make_key("Ann <ann@example.org>")
        arguments = ("--local-user", fingerprint, "--pinentry-mode", "loopback", "--passphrase", "")
        signed = keys.gpg(*arguments, "--clear-sign", stdin=text.encode()).stdout.decode()
    assert "\n- --------\n" in signed
    assert sha256sums.is_clear_signed(signed)
    assert not sha256sums.is_clear_signed(text)
    assert sha256sums.parse_sha256sums(signed, "SUMS") == {"x.whl": A, "y.tar.gz": B}

"""Parsing SHA256SUMS in all its formats."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.testing import wheels
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

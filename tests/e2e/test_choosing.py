"""Which of the staged files are the release: the cases of people who used the command, and its hints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.testing import wheels
from tests.support.in_process import run
from tests.support.staging import sha256

DEMO = "demo-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)


# --- H4: lists of hashes and of expected files -----------------------------------------------------


def write_hashes(kind: str, digest: str) -> Path:
    md5 = "0" * 32
    text = {
        "clear-signed": (
            f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{digest}  {DEMO}\n"
            "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n-----END PGP SIGNATURE-----\n"
        ),
        "prefixed": f"sha256:{digest}  {DEMO}\n",
        "two blocks": f"{md5}  {DEMO}\n\n{digest}  {DEMO}\n",
        "requirements": f"demo==1.0 --hash=sha256:{digest}\n",
    }[kind]
    path = Path("SUMS")
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", ["clear-signed", "prefixed", "two blocks"])
def test_hashes_are_read_in_the_formats_that_people_publish(kind: str) -> None:
    wheel = wheels.make_wheel(Path("dist"), "demo", "1.0")
    path = write_hashes(kind, sha256(wheel.read_bytes()))
    result = run("--until", "check", "-u", "dist", "--hashes", path, "demo", "1.0")
    assert result.exit_code == 0, result.stderr
    # A signature is no proof while nobody has verified it.
    sentence = "not checked: the PGP signature of SUMS (verify it with gpg --verify)"
    assert (sentence in result.stderr, sentence in result.stdout) == (kind == "clear-signed",) * 2
    # The hash counts: another one is an error.
    path = write_hashes(kind, "1" * 64)
    result = run("--until", "check", "-u", "dist", "--hashes", path, "demo", "1.0")
    assert result.exit_code == 6, result.stderr


def test_hashes_without_file_names_are_refused_with_what_was_found() -> None:
    wheels.make_wheel(Path("dist"), "demo", "1.0")
    result = run("--until", "check", "-u", "dist", "--hashes", write_hashes("requirements", "1" * 64), "demo")
    assert result.exit_code == 2
    assert "It looks like requirements with --hash, which do not name files." in result.stderr


def test_expected_files_may_have_comments() -> None:
    wheels.make_wheel(Path("dist"), "demo", "1.0", "cp312-cp312-manylinux_2_28_x86_64")
    Path("expected").write_text("cp312-manylinux_x86_64  # linux\n")
    result = run("--until", "list", "-u", "dist", "--expect", "expected", "demo", "1.0")
    assert result.exit_code == 0, result.stderr

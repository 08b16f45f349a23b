"""Trusted hashes and expectations from the user, and the errors they cause."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tests.support.listings import select_from
from wheel_uploader.core.errors import FileError, NothingFoundError, ReleaseError, UsageError
from wheel_uploader.core.models import Options, RemoteFile, Selection, Stage
from wheel_uploader.listing import expectations, trusted_hashes
from wheel_uploader.listing.trusted_hashes import TrustedHashes
from wheel_uploader.wheelhouse.digests import ExpectedDigest

A, B, SDIST = "dipy-1.11.0-cp311-cp311-win32.whl", "dipy-1.11.0-cp312-cp312-win32.whl", "dipy-1.11.0.tar.gz"
ONE, TWO = "1" * 64, "2" * 64
STAGING = "https://staging.example/"


def remote(filename: str, hashes: Mapping[str, str] | None = None) -> RemoteFile:
    return RemoteFile(filename=filename, url=STAGING + filename, source=STAGING, hashes=hashes or {})


def make_options(**options: Any) -> Options:
    return Options(**{"project": "dipy", "version": "1.11.0", "urls": (STAGING,), **options})


def select_release(*files: RemoteFile, **options: Any) -> Selection:
    return select_from(files, make_options(**options), lambda file: "")


def make_hashes(**sha256: str) -> TrustedHashes:
    return TrustedHashes(source="SUMS", sha256_by_filename=sha256)


def describe_error(error: ReleaseError) -> tuple[str, tuple[str, ...], str]:
    return str(error), error.details, error.hint


# --- hashes ----------------------------------------------------------------------------------------


def test_trusted_hash_replaces_listed_hashes() -> None:
    hashes = make_hashes(**{A: ONE})
    weak, none, other = remote(A, {"md5": "0"}), remote(A), remote(B, {"sha512": "5"})
    same = remote(A, {"sha256": ONE, "sha512": "a lie"})
    pinned = hashes.apply_to([weak, none, same, other])
    assert [file.hashes for file in pinned] == [{"sha256": ONE}] * 3 + [{"sha512": "5"}]
    assert [file.hashes_origin for file in pinned] == ["SUMS"] * 3 + [""]
    expected = ExpectedDigest.from_listing(pinned[0])
    assert expected
    assert (expected.description, expected.is_weak) == ("sha256 from SUMS", False)


def test_rejects_a_listing_with_a_different_hash() -> None:
    hashes = make_hashes(**{A: ONE, B: ONE})
    selection = select_release(*hashes.apply_to([remote(A, {"sha256": TWO}), remote(B), remote(SDIST)]))
    with pytest.raises(FileError) as caught:
        hashes.reject_mismatches(selection)
    assert describe_error(caught.value) == (
        "2 of 3 files do not match SUMS",
        (
            f"{A}: listed with sha256 {TWO}, but SUMS has {ONE}",
            f"{SDIST}: not listed in SUMS",
        ),
        "Nothing was downloaded. Find out whether the files were changed or the list is wrong.",
    )
    hashes.reject_mismatches(select_release(*hashes.apply_to([remote(A), remote(B)])))


def test_trusted_hash_identifies_copies_without_hashes() -> None:
    other = RemoteFile(filename=A, url=f"https://other.example/{A}", source="https://other.example/")
    with pytest.raises(FileError, match="release/clash"):
        select_release(remote(A), other)
    assert len(select_release(*make_hashes(**{A: ONE}).apply_to([remote(A), other])).files) == 1


def test_copy_listed_with_a_different_hash_is_a_clash() -> None:
    other = RemoteFile(
        filename=A, url=f"https://other.example/{A}", source="https://other.example/", hashes={"sha256": TWO}
    )
    with pytest.raises(FileError, match="release/clash"):
        select_release(*make_hashes(**{A: ONE}).apply_to([remote(A), other]))


def test_expects_only_files_of_the_release() -> None:
    names = {A: ONE, SDIST: ONE, "dipy-1.10.0.tar.gz": ONE, "numpy-1.11.0.tar.gz": ONE, "NOTES.txt": ONE}
    hashes = make_hashes(**names)
    assert hashes.list_filenames("Dipy", Version("1.11"), ("all",)) == (A, SDIST)
    assert hashes.list_filenames("dipy", Version("1.11.0"), ("win",)) == (A,)


# --- required hashes -------------------------------------------------------------------------------


def test_names_files_without_a_strong_hash() -> None:
    selection = select_release(remote(A, {"md5": "1"}), remote(B, {"sha512": "1"}), remote(SDIST))
    with pytest.raises(FileError) as caught:
        trusted_hashes.require_strong_hashes(selection)
    assert describe_error(caught.value) == (
        "2 of 3 files have no strong hash",
        (f"{A}: listed only with md5", f"{SDIST}: listed without a hash"),
        (
            "Nothing was downloaded. Give the hashes with --sha256sums FILE, "
            "or use a source that lists a sha256 for each file."
        ),
    )


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha384", "blake2b"])
def test_accepts_strong_hashes(algorithm: str) -> None:
    trusted_hashes.require_strong_hashes(select_release(remote(A, {algorithm: "1", "md5": "1"})))


@pytest.mark.parametrize("hashes", [{"sha1": "1", "md5": "1"}, {"crc32c": "1"}, {}])
def test_rejects_weak_hashes(hashes: dict[str, str]) -> None:
    with pytest.raises(FileError):
        trusted_hashes.require_strong_hashes(select_release(remote(A, hashes)))


# --- reading and combining requirements ------------------------------------------------------------


def read_requirements(
    tmp_path: Path, *, expect: object = None, sums: str = "", **options: Any
) -> expectations.ReleaseRequirements:
    if sums:
        (tmp_path / "SUMS").write_text(sums)
        options["sha256sums"] = tmp_path / "SUMS"
    return expectations.read_requirements(make_options(expect=expect, **options))


def get_missing(requirements: expectations.ReleaseRequirements, *files: RemoteFile) -> tuple[str, ...]:
    with pytest.raises(NothingFoundError) as caught:
        requirements.enforce(select_release(*requirements.apply_trusted_hashes(files)))
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith("dipy 1.11.0 is incomplete")
    # Without an explicit version, --wait would be refused.
    wait = ", or wait for the files with --wait 20m" if requirements.options.version else ""
    assert caught.value.hint == (
        f"Nothing was downloaded. Wait until the build has finished and run this again{wait}."
    )
    return caught.value.details


@pytest.mark.parametrize("expect", [None, ""])
def test_without_requirements_any_release_is_accepted(tmp_path: Path, expect: str | None) -> None:
    requirements = read_requirements(tmp_path, expect=expect)
    assert requirements.build_expectation(Version("1.11.0")) is None
    requirements.enforce(select_release(remote(A)))


@pytest.mark.parametrize("number", ["3", 3], ids=["command line", "configuration"])
def test_expects_a_number_of_files(tmp_path: Path, number: str | int) -> None:
    assert get_missing(read_requirements(tmp_path, expect=number), remote(A)) == ("missing: 2 of 3 files",)
    read_requirements(tmp_path, expect=number).enforce(select_release(remote(A), remote(B), remote(SDIST)))


def test_expects_a_list_or_a_matrix(tmp_path: Path) -> None:
    (tmp_path / "expected.txt").write_text("\ufeffcp311-win32\r\nsdist\r\n", encoding="utf-8")
    assert get_missing(read_requirements(tmp_path, expect=str(tmp_path / "expected.txt")), remote(A)) == (
        "missing: an sdist",
    )
    matrix = {"pythons": ["cp311", "cp312"], "platforms": ["win32"]}
    assert get_missing(read_requirements(tmp_path, expect=matrix), remote(A)) == (
        "missing: a wheel for cp312 on win32",
    )


def test_files_with_trusted_hashes_are_expected(tmp_path: Path) -> None:
    sums = f"{ONE}  {A}\n{ONE}  {B}\n{ONE}  dipy-1.10.0.tar.gz\n"
    requirements = read_requirements(tmp_path, expect="3", sums=sums)
    assert get_missing(requirements, remote(A)) == (
        "missing: 2 of 3 files",
        f"missing: {B} (listed in {tmp_path / 'SUMS'})",
    )
    read_requirements(tmp_path, sums=sums).enforce(
        select_release(*requirements.apply_trusted_hashes([remote(A), remote(B)]))
    )


def test_infers_the_project_from_the_files(tmp_path: Path) -> None:
    """Local files can be checked without naming their project."""
    sums = f"{ONE}  {A}\n{ONE}  {B}\n"
    nameless = read_requirements(tmp_path, sums=sums, project="", version="", until=Stage.CHECK)
    assert get_missing(nameless, remote(A)) == (f"missing: {B} (listed in {tmp_path / 'SUMS'})",)


def test_trusted_hashes_satisfy_require_hashes(tmp_path: Path) -> None:
    files = [remote(A)]
    with pytest.raises(FileError, match="1 of 1 file has no strong hash"):
        read_requirements(tmp_path, require_hashes=True).enforce(select_release(*files))
    requirements = read_requirements(tmp_path, require_hashes=True, sums=f"{ONE}  {A}\n")
    requirements.enforce(select_release(*requirements.apply_trusted_hashes(files)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expect": "0"}, "cannot expect a release of 0 files"),
        ({"expect": "-2"}, "cannot expect a release of -2 files"),
        ({"expect": True}, "'expect' in the configuration must be a number, a file or a matrix"),
        (
            {"expect": ["cp311"]},
            "'expect' in the configuration must be a number, a file or a matrix",
        ),
        ({"expect": 1.5}, "'expect' in the configuration must be a number, a file or a matrix"),
        ({"expect": "nowhere.txt"}, "nowhere.txt cannot be read: No such file or directory"),
        ({"expect": "."}, ". cannot be read: Is a directory"),
        (
            {"expect": "~nobody-of-that-name/x"},
            "~nobody-of-that-name/x cannot be read: Could not determine home directory.",
        ),
        ({"expect": "a\0b"}, "a\\x00b cannot be read: its name has a null character"),
        ({"sha256sums": Path("nowhere")}, "nowhere cannot be read: No such file or directory"),
        ({"expect": "binary"}, "binary is not UTF-8 text"),
        ({"sha256sums": Path("binary")}, "binary is not UTF-8 text"),
        (
            {"sha256sums": Path("long")},
            "long cannot be read: it is larger than 4 MiB, the limit for such a file",
        ),
    ],
)
def test_reports_unreadable_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("binary").write_bytes("cp311-win32\n".encode("utf-16"))
    Path("long").write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(UsageError) as caught:
        expectations.read_requirements(make_options(**options))
    assert str(caught.value) == message
    assert caught.value.exit_code == 2

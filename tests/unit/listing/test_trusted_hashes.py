"""Hashes and expectations that the person brings: what they refuse, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from wheel_uploader.core.errors import FileError, NothingFoundError, ReleaseError, UsageError
from wheel_uploader.core.models import Options, RemoteFile, Selection, Stage
from wheel_uploader.listing import expectations, trusted_hashes
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.listing.trusted_hashes import TrustedHashes
from wheel_uploader.wheelhouse.digests import ExpectedDigest

A, B, SDIST = "dipy-1.11.0-cp311-cp311-win32.whl", "dipy-1.11.0-cp312-cp312-win32.whl", "dipy-1.11.0.tar.gz"
ONE, TWO = "1" * 64, "2" * 64
WHERE = "https://staging.example/"


def remote(filename: str, hashes: Mapping[str, str] | None = None) -> RemoteFile:
    return RemoteFile(filename=filename, url=WHERE + filename, source=WHERE, hashes=hashes or {})


def asked(**options: Any) -> Options:
    return Options(**{"project": "dipy", "version": "1.11.0", "urls": (WHERE,), **options})


def chosen(*files: RemoteFile, **options: Any) -> Selection:
    return release_selection.select_release(files, asked(**options), lambda file: "")


def ours(**sha256: str) -> TrustedHashes:
    return TrustedHashes(source="SUMS", sha256_by_filename=sha256)


def told(error: ReleaseError) -> tuple[str, tuple[str, ...], str]:
    return str(error), error.details, error.hint


# --- hashes ----------------------------------------------------------------------------------------


def test_our_hash_takes_the_place_of_all_that_the_source_says() -> None:
    hashes = ours(**{A: ONE})
    weak, none, other = remote(A, {"md5": "0"}), remote(A), remote(B, {"sha512": "5"})
    same = remote(A, {"sha256": ONE, "sha512": "a lie"})
    pinned = hashes.apply_to([weak, none, same, other])
    assert [file.hashes for file in pinned] == [{"sha256": ONE}] * 3 + [{"sha512": "5"}]
    assert [file.hashes_origin for file in pinned] == ["SUMS"] * 3 + [""]
    promise = ExpectedDigest.from_listing(pinned[0])
    assert promise
    assert (promise.description, promise.is_weak) == ("sha256 from SUMS", False)


def test_a_listing_that_says_another_hash_is_refused_with_both() -> None:
    hashes = ours(**{A: ONE, B: ONE})
    selection = chosen(*hashes.apply_to([remote(A, {"sha256": TWO}), remote(B), remote(SDIST)]))
    with pytest.raises(FileError) as caught:
        hashes.reject_mismatches(selection)
    assert told(caught.value) == (
        "2 of 3 files do not match SUMS",
        (
            f"{A}: listed with sha256 {TWO}, but SUMS has {ONE}",
            f"{SDIST}: not listed in SUMS",
        ),
        "Nothing was downloaded. Find out whether the files were changed or the list is wrong.",
    )
    hashes.reject_mismatches(chosen(*hashes.apply_to([remote(A), remote(B)])))


def test_copies_without_hashes_are_one_file_when_we_bring_the_hash() -> None:
    other = RemoteFile(filename=A, url=f"https://other.example/{A}", source="https://other.example/")
    with pytest.raises(FileError, match="release/clash"):
        chosen(remote(A), other)
    assert len(chosen(*ours(**{A: ONE}).apply_to([remote(A), other])).files) == 1


def test_a_copy_that_is_listed_as_another_is_a_clash() -> None:
    other = RemoteFile(
        filename=A, url=f"https://other.example/{A}", source="https://other.example/", hashes={"sha256": TWO}
    )
    with pytest.raises(FileError, match="release/clash"):
        chosen(*ours(**{A: ONE}).apply_to([remote(A), other]))


def test_only_files_of_the_release_have_to_be_there() -> None:
    names = {A: ONE, SDIST: ONE, "dipy-1.10.0.tar.gz": ONE, "numpy-1.11.0.tar.gz": ONE, "NOTES.txt": ONE}
    hashes = ours(**names)
    assert hashes.list_filenames("Dipy", Version("1.11"), ("all",)) == (A, SDIST)
    assert hashes.list_filenames("dipy", Version("1.11.0"), ("win",)) == (A,)


# --- nothing vouches -------------------------------------------------------------------------------


def test_what_nothing_vouches_for_is_named() -> None:
    selection = chosen(remote(A, {"md5": "1"}), remote(B, {"sha512": "1"}), remote(SDIST))
    with pytest.raises(FileError) as caught:
        trusted_hashes.require_strong_hashes(selection)
    assert told(caught.value) == (
        "2 of 3 files have no strong hash",
        (f"{A}: listed only with md5", f"{SDIST}: listed without a hash"),
        (
            "Nothing was downloaded. Give the hashes with --sha256sums FILE, "
            "or use a source that lists a sha256 for each file."
        ),
    )


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha384", "blake2b"])
def test_a_strong_hash_vouches(algorithm: str) -> None:
    trusted_hashes.require_strong_hashes(chosen(remote(A, {algorithm: "1", "md5": "1"})))


@pytest.mark.parametrize("hashes", [{"sha1": "1", "md5": "1"}, {"crc32c": "1"}, {}])
def test_a_weak_one_does_not(hashes: dict[str, str]) -> None:
    with pytest.raises(FileError):
        trusted_hashes.require_strong_hashes(chosen(remote(A, hashes)))


# --- read, and put together ------------------------------------------------------------------------


def read(
    tmp_path: Path, *, expect: object = None, sums: str = "", **options: Any
) -> expectations.ReleaseRequirements:
    if sums:
        (tmp_path / "SUMS").write_text(sums)
        options["sha256sums"] = tmp_path / "SUMS"
    return expectations.read_requirements(asked(expect=expect, **options))


def incomplete(asked: expectations.ReleaseRequirements, *files: RemoteFile) -> tuple[str, ...]:
    with pytest.raises(NothingFoundError) as caught:
        asked.enforce(chosen(*asked.apply_trusted_hashes(files)))
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith("dipy 1.11.0 is incomplete: ")
    assert caught.value.hint == (
        "Nothing was downloaded. Wait until the build has finished and run this again, "
        "or wait for the files with --wait 20m."
    )
    return caught.value.details


@pytest.mark.parametrize("nothing", [None, ""])
def test_who_asks_for_nothing_gets_what_is_there(tmp_path: Path, nothing: str | None) -> None:
    everything = read(tmp_path, expect=nothing)
    assert everything.build_expectation(Version("1.11.0")) is None
    everything.enforce(chosen(remote(A)))


@pytest.mark.parametrize("number", ["3", 3], ids=["typed", "configured"])
def test_a_number(tmp_path: Path, number: str | int) -> None:
    assert incomplete(read(tmp_path, expect=number), remote(A)) == ("missing: 2 of 3 files",)
    read(tmp_path, expect=number).enforce(chosen(remote(A), remote(B), remote(SDIST)))


def test_a_file_and_a_matrix(tmp_path: Path) -> None:
    (tmp_path / "expected.txt").write_text("\ufeffcp311-win32\r\nsdist\r\n", encoding="utf-8")
    assert incomplete(read(tmp_path, expect=str(tmp_path / "expected.txt")), remote(A)) == (
        "missing: an sdist",
    )
    matrix = {"pythons": ["cp311", "cp312"], "platforms": ["win32"]}
    assert incomplete(read(tmp_path, expect=matrix), remote(A)) == ("missing: a wheel for cp312 on win32",)


def test_what_has_a_hash_is_expected_as_well(tmp_path: Path) -> None:
    sums = f"{ONE}  {A}\n{ONE}  {B}\n{ONE}  dipy-1.10.0.tar.gz\n"
    both = read(tmp_path, expect="3", sums=sums)
    assert incomplete(both, remote(A)) == (
        "missing: 2 of 3 files",
        f"missing: {B} (listed in {tmp_path / 'SUMS'})",
    )
    read(tmp_path, sums=sums).enforce(chosen(*both.apply_trusted_hashes([remote(A), remote(B)])))


def test_the_project_may_be_that_of_the_files(tmp_path: Path) -> None:
    """Files of this machine can be checked without naming their project."""
    sums = f"{ONE}  {A}\n{ONE}  {B}\n"
    nameless = read(tmp_path, sums=sums, project="", version="", until=Stage.CHECK)
    assert incomplete(nameless, remote(A)) == (f"missing: {B} (listed in {tmp_path / 'SUMS'})",)


def test_required_hashes_may_be_brought(tmp_path: Path) -> None:
    files = [remote(A)]
    with pytest.raises(FileError, match="1 of 1 file has no strong hash"):
        read(tmp_path, require_hashes=True).enforce(chosen(*files))
    asked = read(tmp_path, require_hashes=True, sums=f"{ONE}  {A}\n")
    asked.enforce(chosen(*asked.apply_trusted_hashes(files)))


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
        ({"expect": "a\0b"}, "a\\x00b cannot be read: embedded null byte"),
        ({"sha256sums": Path("nowhere")}, "nowhere cannot be read: No such file or directory"),
        ({"expect": "binary"}, "binary is not UTF-8 text"),
        ({"sha256sums": Path("binary")}, "binary is not UTF-8 text"),
        ({"sha256sums": Path("long")}, "long is larger than 4 MiB, the limit for such a file"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("binary").write_bytes("cp311-win32\n".encode("utf-16"))
    Path("long").write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(UsageError) as caught:
        expectations.read_requirements(asked(**options))
    assert str(caught.value) == message
    assert caught.value.exit_code == 2

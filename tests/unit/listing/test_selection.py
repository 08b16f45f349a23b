"""Selection of the version and files of a release, and the errors if it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.listings import select_from
from wheel_uploader.core import redaction
from wheel_uploader.core.errors import FileError, NothingFoundError, UsageError
from wheel_uploader.core.models import AttestationPolicy, Options, RemoteFile, Stage
from wheel_uploader.listing import selection as release_selection


def make_files(*filenames: str, source: str = "http://127.0.0.1/", **facts: object) -> list[RemoteFile]:
    return [
        RemoteFile(filename=name, url=f"{source}{name}", source=source, **facts)  # type: ignore[arg-type]
        for name in filenames
    ]


def make_options(project: str = "dipy", version: str = "1.11.0", **more: object) -> Options:
    return Options(project=project, version=version, urls=("http://127.0.0.1/",), **more)  # type: ignore[arg-type]


def no_digest(file: RemoteFile) -> str:
    raise AssertionError(f"{file.filename} is not a local file")


def select_filenames(files: list[RemoteFile], options: Options) -> list[str]:
    return [name.filename for name, _ in select_from(files, options, no_digest).files]


def test_latest_selects_the_newest_final_release() -> None:
    files = make_files("dipy-1.9.tar.gz", "dipy-1.10.tar.gz", "dipy-1.11rc1.tar.gz")
    assert select_filenames(files, make_options(version="latest")) == ["dipy-1.10.tar.gz"]
    assert select_filenames(files, make_options(version="latest", pre=True)) == ["dipy-1.11rc1.tar.gz"]


def test_selects_the_only_staged_version() -> None:
    assert select_filenames(make_files("dipy-1.9.tar.gz"), make_options(version="")) == ["dipy-1.9.tar.gz"]
    with pytest.raises(UsageError, match=r"several versions of dipy are staged: 1\.10, 1\.9"):
        select_filenames(make_files("dipy-1.9.tar.gz", "dipy-1.10.tar.gz"), make_options(version=""))


@pytest.mark.parametrize(
    ("files", "options", "hint"),
    [
        (make_files(), make_options(), "The listing contains no files."),
        (
            make_files("a.txt", "b.txt"),
            make_options(),
            "The listing contains 2 files, but no wheel or sdist; ",
        ),
        (
            make_files("dipy-1.9.tar.gz", "dipy-1.10.tar.gz"),
            make_options(),
            "These versions are staged: 1.10, 1.9.",
        ),
        (
            make_files("dipyx-1.11.0.tar.gz"),
            make_options(),
            "These projects are staged: dipyx. Did you mean dipyx?",
        ),
        (make_files("numpy-2.0.tar.gz"), make_options(), "These projects are staged: numpy."),
        (make_files("numpy-2.0.tar.gz"), make_options(version=""), "These projects are staged: numpy."),
        (
            make_files("dipy-1.11rc1.tar.gz"),
            make_options(version="latest"),
            "Only pre-releases are staged: 1.11rc1.",
        ),
        (
            make_files("dipy-1.11.0.tar.gz"),
            make_options(types=("win",)),
            "The release is staged, but has no files of type win; use --until list -t all to see its files.",
        ),
        (
            make_files(*(f"dipy-1.{minor}.tar.gz" for minor in range(20))),
            make_options(version="2.0"),
            (
                "These versions are staged: "
                "1.19, 1.18, 1.17, 1.16, 1.15, 1.14, 1.13, 1.12, 1.11, 1.10, 1.9, 1.8,"
            ),
        ),
    ],
)
def test_missing_release_error_lists_the_staged_files(
    files: list[RemoteFile], options: Options, hint: str
) -> None:
    with pytest.raises(NothingFoundError) as caught:
        select_filenames(files, options)
    assert caught.value.exit_code == 3
    assert caught.value.hint.startswith(hint)
    assert "dipy" in caught.value.message


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, ", ...")])
def test_names_some_files_of_a_listing_without_wheels(count: int, more: str) -> None:
    names = [f"{'x' * 100}.txt", *(f"{number}.txt" for number in range(count - 1))]
    with pytest.raises(NothingFoundError) as caught:
        select_filenames(make_files(*names), make_options())
    shown = ", ".join([redaction.sanitize(names[0], limit=100), *names[1:4]])
    assert len(shown) < 130
    assert caught.value.hint == (
        f"The listing contains {count} files, but no wheel or sdist; it has {shown}{more}. Check the URL."
    )


def test_rejects_an_invalid_version() -> None:
    with pytest.raises(UsageError, match=r"'1\.x' is not a version"):
        select_filenames(make_files("dipy-1.9.tar.gz"), make_options(version="1.x"))


# --- one file for each name ------------------------------------------------------------------------

A, B = "http://127.0.0.1/a/", "http://127.0.0.1/b/"
NAME = "dipy-1.11.0-py3-none-any.whl"


def test_identical_copies_in_two_sources_are_one_file() -> None:
    files = make_files(NAME, source=A, hashes={"sha256": "1"}) + make_files(
        NAME, source=B, hashes={"sha256": "1"}
    )
    assert select_filenames(files, make_options()) == [NAME]
    assert select_filenames(make_files(NAME, source=A) * 2, make_options()) == [NAME]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            make_files(NAME, source=A, hashes={"sha256": "1"}),
            make_files(NAME, source=B, hashes={"sha256": "2"}),
            "different sha256",
        ),
        (make_files(NAME, source=A, size=1), make_files(NAME, source=B, size=2), "different sizes"),
        (make_files(NAME, source=A, size=1), make_files(NAME, source=B, size=1), "no hashes to compare"),
    ],
)
def test_copies_not_known_to_be_identical_are_an_error(
    first: list[RemoteFile], second: list[RemoteFile], reason: str
) -> None:
    with pytest.raises(FileError, match="release/clash") as caught:
        select_filenames(first + second, make_options())
    assert caught.value.exit_code == 6
    assert caught.value.details == (f"{NAME}: {reason} at {A} and {B}",)


def test_clash_error_is_short_for_thousands_of_copies() -> None:
    with pytest.raises(FileError) as caught:
        select_filenames(
            [file for number in range(20_000) for file in make_files(NAME, source=f"{A}{number}/")],
            make_options(),
        )
    assert len(caught.value.details) == 101
    assert caught.value.details[-1] == "and 19899 more like these"
    with pytest.raises(FileError) as caught:
        select_filenames(
            make_files(NAME, source=A, size=1) + make_files(NAME, source=B, size=2) * 2, make_options()
        )
    assert caught.value.details == (f"{NAME}: different sizes at {A} and {B}", "and 1 more like these")


def test_names_that_differ_only_in_case_are_an_error() -> None:
    with pytest.raises(FileError) as caught:
        select_filenames(make_files(NAME, f"D{NAME[1:]}"), make_options())
    assert caught.value.details == (f"D{NAME[1:]} and {NAME} differ only in case",)


@pytest.mark.parametrize(
    "other",
    ["dipy-1.11-py3-none-any.whl", "dipy-1.11.00-py3-none-any.whl", "dipy-1.11.0.zip", "dipy-1.11.zip"],
)
def test_selects_every_spelling_of_a_name_for_the_checks_to_judge(other: str) -> None:
    names = (NAME, "dipy-1.11.0.tar.gz", other)
    assert sorted(select_filenames(make_files(*names), make_options())) == sorted(names)


def test_compares_local_copies_by_digest(tmp_path: Path) -> None:
    files = [RemoteFile(filename=NAME, url=(tmp_path / place).as_uri(), source=place) for place in ("a", "b")]
    assert len(select_from(files, make_options(), lambda file: "same").files) == 1
    with pytest.raises(FileError, match="release/clash"):
        select_from(files, make_options(), lambda file: file.url)


@pytest.mark.parametrize(
    ("policy", "selected", "reasons"),
    [
        (AttestationPolicy.AUTO, [f"{NAME}.publish.attestation"], []),
        (AttestationPolicy.REQUIRE, [f"{NAME}.publish.attestation"], []),
        (AttestationPolicy.NONE, [], ["--attestations none"]),
    ],
)
def test_policy_none_excludes_attestations(
    policy: AttestationPolicy, selected: list[str], reasons: list[str]
) -> None:
    files = make_files(NAME, f"{NAME}.publish.attestation")
    selection = select_from(files, make_options(attestations=policy), no_digest)
    assert [file.filename for file in selection.attestation_files] == selected
    assert [file.reason for file in selection.excluded_files] == reasons


def test_error_names_the_searched_sources() -> None:
    for files, where in (
        ([], "http://127.0.0.1/"),
        (make_files("x.txt", source=A), A),
        (make_files("x.txt", source=B) + make_files("y.txt", source=A), f"{A}, {B}"),
    ):
        with pytest.raises(NothingFoundError) as caught:
            select_filenames(files, make_options())
        assert caught.value.message == f"no files of dipy 1.11.0 at {where}"
        assert caught.value.details == ()
    with pytest.raises(NothingFoundError, match="no files of dipy at http"):
        select_filenames([], make_options(version=""))


def test_error_names_files_that_cannot_be_downloaded() -> None:
    files = [
        RemoteFile(
            filename=f"dipy-1.{minor}.tar.gz",
            url=f"{A}x",
            source=A,
            unavailable_reason="its size is negative",
        )
        for minor in range(13)
    ]
    with pytest.raises(NothingFoundError) as caught:
        select_filenames(files, make_options(version="2.0"))
    assert caught.value.hint.startswith("The listed files cannot be downloaded")
    assert caught.value.details == tuple(
        f"dipy-1.{minor}.tar.gz: its size is negative" for minor in range(12)
    )


@pytest.mark.parametrize(("count", "more"), [(12, ""), (13, ", ... (13 in all)")])
def test_shortens_a_long_list_of_versions(count: int, more: str) -> None:
    with pytest.raises(NothingFoundError) as caught:
        select_filenames(
            make_files(*(f"dipy-1.{minor}.tar.gz" for minor in range(count))), make_options(version="2.0")
        )
    shown = ", ".join(f"1.{minor}" for minor in reversed(range(count - 12, count)))
    assert caught.value.hint == f"These versions are staged: {shown}{more}."


@pytest.mark.parametrize(
    ("files", "options", "instead"),
    [
        (
            make_files("dipy-1.11.1.tar.gz", "dipy-2.0.tar.gz"),
            make_options(version="1.11.0"),
            ("1.11.0", "1.11.1"),
        ),
        (make_files("dipy-7.tar.gz", "dipy-8.tar.gz"), make_options(version="1.11.0"), ("1.11.0", "8")),
        (make_files("dipyx-1.11.0.tar.gz"), make_options(), ("dipy", "dipyx")),
        (make_files("numpy-1.11.0.tar.gz"), make_options(), None),
        (make_files("dipy-1.0rc1.tar.gz"), make_options(version="latest"), ("", "--pre")),
        (make_files("x.txt"), make_options(), None),
        ([], make_options(), None),
    ],
)
def test_suggests_a_replacement_argument(
    files: list[RemoteFile], options: Options, instead: tuple[str, str] | None
) -> None:
    with pytest.raises(NothingFoundError) as caught:
        select_filenames(files, options)
    assert caught.value.suggestion == instead


def test_suggests_up_to_three_projects_most_similar_first() -> None:
    projects = ["dipyx", "dipy", "numpy", "diapy", "dip", "dippy-tools", "zzz"]
    assert release_selection.suggest_projects("dippy", projects) == ["dippy-tools", "dipy", "dipyx"]
    assert release_selection.suggest_projects("Dippy", ["dippy"]) == ["dippy"]
    # 2 * 3 / (5 + 5) is just enough.
    assert release_selection.suggest_projects("abcde", ["abcxy"]) == ["abcxy"]
    assert release_selection.suggest_projects("abcde", ["abxyz"]) == []


def test_compares_a_limited_number_of_similar_names(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    genuine = release_selection._similarity

    def count_comparisons(*arguments: Any) -> float:
        nonlocal compared
        compared += 1
        return genuine(*arguments)

    monkeypatch.setattr(release_selection, "_similarity", count_comparisons)
    suggested = release_selection.suggest_projects(
        "dipy", [*(f"dipy{number:04}" for number in range(1500)), "dipy"]
    )
    assert suggested == ["dipy0000", "dipy0001", "dipy0002"]
    assert compared == 1000


# --- a release inferred from its files -------------------------------------------------------------


def infer_release(*filenames: str) -> Options:
    return release_selection.infer_release(
        make_files(*filenames), make_options(project="", version="", until=Stage.CHECK)
    )


def test_infers_project_and_version_from_the_files() -> None:
    inferred = infer_release("dipy-1.11.0.tar.gz", "Dipy-1.11-py3-none-any.whl", "notes.txt")
    assert (inferred.project, inferred.version) == ("dipy", "1.11.0")
    named = make_options(version="7")
    assert release_selection.infer_release(make_files("dipy-1.11.0.tar.gz"), named) is named


def test_reports_files_of_several_releases() -> None:
    with pytest.raises(UsageError) as caught:
        infer_release("dipy-1.0.tar.gz", "dipy-1.0-py3-none-any.whl", "abc-2.tar.gz")
    assert caught.value.message == (
        "found files of 2 releases at http://127.0.0.1/: abc 2 (1 file), dipy 1.0 (2 files)"
    )


def test_reports_files_of_no_release() -> None:
    with pytest.raises(NothingFoundError) as caught:
        infer_release(*(f"notes-{number}.txt" for number in range(14)))
    assert caught.value.message == "no wheel or sdist at http://127.0.0.1/"
    assert len(caught.value.details) == 12
    assert caught.value.details[0].startswith("notes-0.txt: ")


# --- two copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", ".publish.attestation"])
@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"sha512": "1", "sha256": "1"}, {"sha512": "2", "sha256": "1"}, "different sha512"),
        ({"sha512": "1", "sha256": "1"}, {"sha512": "1", "sha256": "2"}, ""),
        ({"sha256": "1", "sha384": "1"}, {"sha256": "2", "sha384": "1"}, "different sha256"),
        ({"sha384": "1", "md5": "1"}, {"sha384": "2", "md5": "1"}, "different sha384"),
        ({"blake2b": "1", "md5": "1"}, {"blake2b": "2", "md5": "1"}, "different blake2b"),
        ({"md5": "1"}, {"md5": "2"}, "different md5"),
        ({"md5": "1"}, {"md5": "1"}, ""),
        ({"md5": "1"}, {"sha256": "1"}, "no hashes to compare"),
        ({"sha1": "1"}, {"sha1": "1"}, "no hashes to compare"),
    ],
)
def test_compares_copies_by_their_strongest_common_hash(
    kind: str, first: dict[str, str], second: dict[str, str], reason: str
) -> None:
    name = f"{NAME}{kind}"
    files = [
        *(make_files(NAME, source=A) if kind else []),
        *make_files(name, source=A, hashes=first),
        *make_files(name, source=B, hashes=second),
    ]
    if not reason:
        assert select_filenames(files, make_options()) == [NAME]
        return
    with pytest.raises(FileError) as caught:
        select_filenames(files, make_options())
    assert caught.value.details == (f"{name}: {reason} at {A} and {B}",)


def test_hashes_a_local_copy_only_if_its_source_has_no_sha256(tmp_path: Path) -> None:
    local_copy = make_files(NAME, source=f"{tmp_path.as_uri()}/", hashes={"md5": "1"})
    remote_copy = make_files(NAME, source=A, hashes={"sha256": "2", "md5": "1"})
    hashed: list[RemoteFile] = []

    def digest(file: RemoteFile) -> str:
        hashed.append(file)
        return "2"

    assert len(select_from(local_copy + remote_copy, make_options(), digest).files) == 1
    assert hashed == local_copy
    listed_with_sha256 = make_files(NAME, source=f"{tmp_path.as_uri()}/", hashes={"sha256": "2"})
    assert len(select_from(listed_with_sha256 + remote_copy, make_options(), no_digest).files) == 1

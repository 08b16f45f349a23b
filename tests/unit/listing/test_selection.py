"""Which version, which files: what a person is told when the choice cannot be made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wheel_uploader.core.errors import FileError, NothingFoundError, UsageError
from wheel_uploader.core.models import AttestationPolicy, Options, RemoteFile, Stage
from wheel_uploader.listing import selection as release_selection


def listed(*filenames: str, source: str = "http://127.0.0.1/", **facts: object) -> list[RemoteFile]:
    return [
        RemoteFile(filename=name, url=f"{source}{name}", source=source, **facts)  # type: ignore[arg-type]
        for name in filenames
    ]


def asked(project: str = "dipy", version: str = "1.11.0", **more: object) -> Options:
    return Options(project=project, version=version, urls=("http://127.0.0.1/",), **more)  # type: ignore[arg-type]


def no_digest(file: RemoteFile) -> str:
    raise AssertionError(f"{file.filename} is not a local file")


def chosen(files: list[RemoteFile], options: Options) -> list[str]:
    return [name.filename for name, _ in release_selection.select_release(files, options, no_digest).files]


def test_latest_is_the_newest_final_release() -> None:
    files = listed("dipy-1.9.tar.gz", "dipy-1.10.tar.gz", "dipy-1.11rc1.tar.gz")
    assert chosen(files, asked(version="latest")) == ["dipy-1.10.tar.gz"]
    assert chosen(files, asked(version="latest", pre=True)) == ["dipy-1.11rc1.tar.gz"]


def test_the_only_staged_version_needs_no_name() -> None:
    assert chosen(listed("dipy-1.9.tar.gz"), asked(version="")) == ["dipy-1.9.tar.gz"]
    with pytest.raises(UsageError, match=r"several versions of dipy are staged: 1\.10, 1\.9"):
        chosen(listed("dipy-1.9.tar.gz", "dipy-1.10.tar.gz"), asked(version=""))


@pytest.mark.parametrize(
    ("files", "options", "hint"),
    [
        (listed(), asked(), "The listing contains no files."),
        (listed("a.txt", "b.txt"), asked(), "The listing contains 2 files, but no wheel or sdist; "),
        (listed("dipy-1.9.tar.gz", "dipy-1.10.tar.gz"), asked(), "These versions are staged: 1.10, 1.9."),
        (listed("dipyx-1.11.0.tar.gz"), asked(), "These projects are staged: dipyx. Did you mean dipyx?"),
        (listed("numpy-2.0.tar.gz"), asked(), "These projects are staged: numpy."),
        (listed("numpy-2.0.tar.gz"), asked(version=""), "These projects are staged: numpy."),
        (listed("dipy-1.11rc1.tar.gz"), asked(version="latest"), "Only pre-releases are staged: 1.11rc1."),
        (
            listed("dipy-1.11.0.tar.gz"),
            asked(types=("win",)),
            "The release is staged, but has no files of type win; use --until list -t all to see its files.",
        ),
        (
            listed(*(f"dipy-1.{minor}.tar.gz" for minor in range(20))),
            asked(version="2.0"),
            (
                "These versions are staged: "
                "1.19, 1.18, 1.17, 1.16, 1.15, 1.14, 1.13, 1.12, 1.11, 1.10, 1.9, 1.8,"
            ),
        ),
    ],
)
def test_what_is_there_is_said_when_the_release_is_not(
    files: list[RemoteFile], options: Options, hint: str
) -> None:
    with pytest.raises(NothingFoundError) as caught:
        chosen(files, options)
    assert caught.value.exit_code == 3
    assert caught.value.hint.startswith(hint)
    assert "dipy" in caught.value.message


def test_a_version_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"'1\.x' is not a version"):
        chosen(listed("dipy-1.9.tar.gz"), asked(version="1.x"))


# --- one file for each name ------------------------------------------------------------------------

A, B = "http://127.0.0.1/a/", "http://127.0.0.1/b/"
NAME = "dipy-1.11.0-py3-none-any.whl"


def test_equal_copies_at_two_places_are_one_file() -> None:
    files = listed(NAME, source=A, hashes={"sha256": "1"}) + listed(NAME, source=B, hashes={"sha256": "1"})
    assert chosen(files, asked()) == [NAME]
    assert chosen(listed(NAME, source=A) * 2, asked()) == [NAME]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            listed(NAME, source=A, hashes={"sha256": "1"}),
            listed(NAME, source=B, hashes={"sha256": "2"}),
            "different sha256",
        ),
        (listed(NAME, source=A, size=1), listed(NAME, source=B, size=2), "different sizes"),
        (listed(NAME, source=A, size=1), listed(NAME, source=B, size=1), "no hashes to compare"),
    ],
)
def test_copies_that_are_not_known_to_be_equal_stop_the_run(
    first: list[RemoteFile], second: list[RemoteFile], reason: str
) -> None:
    with pytest.raises(FileError, match="release/clash") as caught:
        chosen(first + second, asked())
    assert caught.value.exit_code == 6
    assert caught.value.details == (f"{NAME}: {reason} at {A} and {B}",)


def test_a_name_at_thousands_of_places_is_told_in_a_few_lines() -> None:
    with pytest.raises(FileError) as caught:
        chosen([file for number in range(20_000) for file in listed(NAME, source=f"{A}{number}/")], asked())
    assert len(caught.value.details) == 101
    assert caught.value.details[-1] == "and 19899 more like these"
    with pytest.raises(FileError) as caught:
        chosen(listed(NAME, source=A, size=1) + listed(NAME, source=B, size=2) * 2, asked())
    assert caught.value.details == (f"{NAME}: different sizes at {A} and {B}", "and 1 more like these")


@pytest.mark.parametrize(
    "other", ["Dipy-1.11.0-py3-none-any.whl", "dipy-1.11-py3-none-any.whl", "dipy-1.11.00-py3-none-any.whl"]
)
def test_two_spellings_of_one_file_stop_the_run(other: str) -> None:
    with pytest.raises(FileError) as caught:
        chosen(listed(NAME, other), asked())
    assert "two spellings of the same file name" in caught.value.details[0]


def test_local_copies_are_compared_by_their_bytes(tmp_path: Path) -> None:
    files = [RemoteFile(filename=NAME, url=(tmp_path / place).as_uri(), source=place) for place in ("a", "b")]
    assert len(release_selection.select_release(files, asked(), lambda file: "same").files) == 1
    with pytest.raises(FileError, match="release/clash"):
        release_selection.select_release(files, asked(), lambda file: file.url)


@pytest.mark.parametrize(
    ("wanted", "taken", "reasons"),
    [
        (AttestationPolicy.AUTO, [f"{NAME}.publish.attestation"], []),
        (AttestationPolicy.REQUIRE, [f"{NAME}.publish.attestation"], []),
        (AttestationPolicy.NONE, [], ["--attestations none"]),
    ],
)
def test_attestations_are_left_out_only_if_the_user_wants_none(
    wanted: AttestationPolicy, taken: list[str], reasons: list[str]
) -> None:
    files = listed(NAME, f"{NAME}.publish.attestation")
    selection = release_selection.select_release(files, asked(attestations=wanted), no_digest)
    assert [each.filename for each in selection.attestation_files] == taken
    assert [each.reason for each in selection.excluded_files] == reasons


def test_where_nothing_was_found() -> None:
    for files, where in (
        ([], "http://127.0.0.1/"),
        (listed("x.txt", source=A), A),
        (listed("x.txt", source=B) + listed("y.txt", source=A), f"{A}, {B}"),
    ):
        with pytest.raises(NothingFoundError) as caught:
            chosen(files, asked())
        assert caught.value.message == f"no files of dipy 1.11.0 at {where}"
        assert caught.value.details == ()
    with pytest.raises(NothingFoundError, match="no files of dipy at http"):
        chosen([], asked(version=""))


def test_files_that_cannot_be_downloaded_are_named() -> None:
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
        chosen(files, asked(version="2.0"))
    assert caught.value.hint.startswith("The listed files cannot be downloaded")
    assert caught.value.details == tuple(
        f"dipy-1.{minor}.tar.gz: its size is negative" for minor in range(12)
    )


@pytest.mark.parametrize(("count", "more"), [(12, ""), (13, ", ... (13 in all)")])
def test_a_long_list_of_versions_is_cut(count: int, more: str) -> None:
    with pytest.raises(NothingFoundError) as caught:
        chosen(listed(*(f"dipy-1.{minor}.tar.gz" for minor in range(count))), asked(version="2.0"))
    shown = ", ".join(f"1.{minor}" for minor in reversed(range(count - 12, count)))
    assert caught.value.hint == f"These versions are staged: {shown}{more}."


@pytest.mark.parametrize(
    ("files", "options", "instead"),
    [
        (listed("dipy-1.11.1.tar.gz", "dipy-2.0.tar.gz"), asked(version="1.11.0"), ("1.11.0", "1.11.1")),
        (listed("dipy-7.tar.gz", "dipy-8.tar.gz"), asked(version="1.11.0"), ("1.11.0", "8")),
        (listed("dipyx-1.11.0.tar.gz"), asked(), ("dipy", "dipyx")),
        (listed("numpy-1.11.0.tar.gz"), asked(), None),
        (listed("dipy-1.0rc1.tar.gz"), asked(version="latest"), ("", "--pre")),
        (listed("x.txt"), asked(), None),
        ([], asked(), None),
    ],
)
def test_a_word_to_type_instead(
    files: list[RemoteFile], options: Options, instead: tuple[str, str] | None
) -> None:
    with pytest.raises(NothingFoundError) as caught:
        chosen(files, options)
    assert caught.value.suggestion == instead


def test_at_most_three_projects_are_proposed_and_the_most_similar_is_first() -> None:
    projects = ["dipyx", "dipy", "numpy", "diapy", "dip", "dippy-tools", "zzz"]
    assert release_selection.suggest_projects("dippy", projects) == ["dippy-tools", "dipy", "dipyx"]
    assert release_selection.suggest_projects("Dippy", ["dippy"]) == ["dippy"]
    # 2 * 3 / (5 + 5) is just enough.
    assert release_selection.suggest_projects("abcde", ["abcxy"]) == ["abcxy"]
    assert release_selection.suggest_projects("abcde", ["abxyz"]) == []


def test_a_bounded_number_of_similar_names_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    genuine = release_selection._similarity

    def likeness(*arguments: Any) -> float:
        nonlocal compared
        compared += 1
        return genuine(*arguments)

    monkeypatch.setattr(release_selection, "_similarity", likeness)
    found = release_selection.suggest_projects(
        "dipy", [*(f"dipy{number:04}" for number in range(1500)), "dipy"]
    )
    assert found == ["dipy0000", "dipy0001", "dipy0002"]
    assert compared == 1000


# --- a release that the files themselves name ------------------------------------------------------


def unnamed(*filenames: str) -> Options:
    return release_selection.infer_release(
        listed(*filenames), asked(project="", version="", until=Stage.CHECK)
    )


def test_the_files_say_what_they_are() -> None:
    found = unnamed("dipy-1.11.0.tar.gz", "Dipy-1.11-py3-none-any.whl", "notes.txt")
    assert (found.project, found.version) == ("dipy", "1.11.0")
    named = asked(version="7")
    assert release_selection.infer_release(listed("dipy-1.11.0.tar.gz"), named) is named


def test_files_of_several_releases_are_counted() -> None:
    with pytest.raises(UsageError) as caught:
        unnamed("dipy-1.0.tar.gz", "dipy-1.0-py3-none-any.whl", "abc-2.tar.gz")
    assert caught.value.message == (
        "found files of 2 releases at http://127.0.0.1/: abc 2 (1 file), dipy 1.0 (2 files)"
    )


def test_no_release_at_all() -> None:
    with pytest.raises(NothingFoundError) as caught:
        unnamed(*(f"notes-{number}.txt" for number in range(14)))
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
def test_the_strongest_hash_that_both_copies_have_decides(
    kind: str, first: dict[str, str], second: dict[str, str], reason: str
) -> None:
    name = f"{NAME}{kind}"
    files = [
        *(listed(NAME, source=A) if kind else []),
        *listed(name, source=A, hashes=first),
        *listed(name, source=B, hashes=second),
    ]
    if not reason:
        assert chosen(files, asked()) == [NAME]
        return
    with pytest.raises(FileError) as caught:
        chosen(files, asked())
    assert caught.value.details == (f"{name}: {reason} at {A} and {B}",)


def test_a_local_copy_is_hashed_only_if_its_source_does_not_state_its_sha256(tmp_path: Path) -> None:
    here = listed(NAME, source=f"{tmp_path.as_uri()}/", hashes={"md5": "1"})
    there = listed(NAME, source=A, hashes={"sha256": "2", "md5": "1"})
    asked_for: list[RemoteFile] = []

    def digest(file: RemoteFile) -> str:
        asked_for.append(file)
        return "2"

    assert len(release_selection.select_release(here + there, asked(), digest).files) == 1
    assert asked_for == here
    stated = listed(NAME, source=f"{tmp_path.as_uri()}/", hashes={"sha256": "2"})
    assert len(release_selection.select_release(stated + there, asked(), no_digest).files) == 1

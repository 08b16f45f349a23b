"""Names that resemble those of a release, and names that must not be taken for one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames
from wheel_uploader.listing import misnamed
from wheel_uploader.listing.misnamed import MisnamedFile

WHEEL = "dipy-1.11.0-cp313-cp313-win_amd64"


def recognize(filename: str) -> MisnamedFile | None:
    try:
        filenames.parse_filename(filename)
    except filenames.InvalidFilename as error:
        return misnamed.recognize(filename, error)
    raise AssertionError(f"{filename} is a valid name")


def find_version(filename: str, project: str = "dipy") -> str:
    resembled = recognize(filename)
    version = resembled and resembled.find_version(canonicalize_name(project))
    return str(version) if version else ""


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        (f"{WHEEL} (1).whl", "dipy", "1.11.0"),
        (f"{WHEEL} (1).whl", "dip", ""),
        (f"{WHEEL} (1).whl", "dipy-1", ""),
        ("scipy-openblas64-0.3.26.186-py3-none-any.whl", "scipy-openblas64", "0.3.26.186"),
        ("scipy-openblas64-0.3.26.186-py3-none-any.whl", "scipy", ""),
        ("Some.Thing_1.0-x.whl", "some-thing", "1.0"),
        ("some__thing-1.0rc1-x.whl", "some-thing", "1.0rc1"),
        ("x-1.0+cu118-any (1).whl", "x", "1.0+cu118"),
        ("x-1.0_x.whl", "x", "1.0"),
        ("x-1.0.tar.gz.part", "x", "1.0"),
        ("x-1.0-beta.tar.gz.part", "x", "1.0b0"),
        ("x-1.0-docs.tar.gz.part", "x", ""),
        ("x-1.0-src (1).tar.gz", "x", ""),
        ("x-.whl", "x", ""),
        # Debug symbols of a wheel.
        (f"{WHEEL}.pdb.zip", "dipy", ""),
        (f"{WHEEL}.dSYM.zip", "dipy", ""),
        ("x.whl", "x", ""),
        ("1.0-x.whl", "x", ""),
    ],
)
def test_finds_the_version_of_a_project(filename: str, project: str, version: str) -> None:
    assert find_version(filename, project) == version


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        (f"{WHEEL}.WHL", "its suffix is '.WHL', not '.whl'"),
        ("dipy-1.11.0.Tar.GZ", "its suffix is '.Tar.GZ', not '.tar.gz'"),
        (f"{WHEEL}.whl.zip", "a .zip file around it: unpack it"),
        (f"{WHEEL}.zip", "a wheel has the suffix .whl, not .zip"),
        (f"{WHEEL}.whl.2", "the name ends with '.2', as that of a second copy"),
        (f"{WHEEL}.whl (2)", "the name ends with '(2)', as that of a second copy"),
        (f"{WHEEL}.whl.crdownload", "an unfinished download or upload (.crdownload)"),
        (f".{WHEEL}.whl.a1B2c3", "an unfinished upload"),
        (f".in.{WHEEL}.whl", "an unfinished upload"),
        (f"{WHEEL}.whl.7fa2c1b3.partial", "an unfinished download or upload (.partial)"),
        (f"{WHEEL}.whl.ocTransferId12.upload.part", "an unfinished download or upload (.part)"),
        (f"{WHEEL}.whl.icloud", "an unfinished download or upload (.icloud)"),
        (f"{WHEEL}.whl.!qB", "an unfinished download or upload (.!qb)"),
        (f"{WHEEL}.whl.xz", "a .xz file around it: unpack it"),
        (f"{WHEEL}.wheel", "a wheel has the suffix .whl, not .wheel"),
        ("dipy-1.11.0.tar (1).gz", "'(1)' is in the name, as in that of a second copy"),
        ("dipy-1.11.0.tar-1.gz", "'-1' is in the name, as in that of a second copy"),
    ],
)
def test_gives_the_reason_for_rejecting_a_name(filename: str, reason: str) -> None:
    resembled = recognize(filename)
    assert resembled is not None
    assert resembled.reason == reason
    assert bool(resembled.final_name) == reason.startswith("an unfinished")


@pytest.mark.parametrize(
    "filename",
    [
        *(
            f"{WHEEL}.whl{suffix}"
            for suffix in (".asc", ".sha256", ".metadata", ".json", ".txt", ".bak", ".old", "~")
        ),
        *(f".{WHEEL}.whl", f"._{WHEEL}.whl", "dipy-1.11.0.tar.bz2", "dipy-1.11.0.tgz", "dipy-1.11.0.exe"),
        *(
            f"{WHEEL}.whl/",
            WHEEL,
            "index.html",
            "SHA256SUMS",
            "",
            " ",
            ".whl.part.asc",
            "x" * 5000 + ".whl.part",
        ),
        f"{WHEEL}.whl.publish.attestation (1)",
    ],
)
def test_ignores_what_only_accompanies_a_file(filename: str) -> None:
    assert recognize(filename) is None


@pytest.mark.parametrize(
    ("filename", "release"),
    [
        ("scipy-openblas64-0.3.26.186-py3-none-any.whl", ("scipy-openblas64", "0.3.26.186")),
        ("near-1.0.whl", ("near", "1.0")),
        ("near.whl", None),
        ("-1.0.whl", None),
    ],
)
def test_guesses_the_release_without_a_project(filename: str, release: tuple[str, str] | None) -> None:
    resembled = recognize(filename)
    guess = resembled and resembled.guess_release()
    assert guess == (release and (release[0], Version(release[1])))


@pytest.mark.parametrize(
    ("filename", "filters", "may"),
    [
        ("x-1.0-cp312-win_amd64 (1).whl", ("win",), True),
        ("x-1.0-cp312-win_amd64 (1).whl", ("macosx",), False),
        ("x-1.0-cp312-win_amd64 (1).whl", ("macosx", "all"), True),
        ("x-1.0-cp312-any (1).whl", ("any",), True),
        ("x-1.0-cp312-macosx_10_9_x86_64.macosx_11_0_arm64 (1).whl", ("macosx",), True),
        # Without a platform tag it may be for any platform.
        ("x-1.0.whl", ("macosx",), True),
        ("x-1.0 (1).tar.gz", ("macosx",), False),
        ("x-1.0 (1).tar.gz", ("all",), True),
    ],
)
def test_respects_the_requested_platforms(filename: str, filters: tuple[str, ...], may: bool) -> None:
    resembled = recognize(filename)
    assert resembled is not None
    assert resembled.may_have_platform(filters) is may


VALID_STEMS = st.builds(
    "-".join,
    st.tuples(
        st.sampled_from(["demo", "Demo", "my_demo", "my.demo", "d2"]),
        st.sampled_from(["1.0", "2026.11", "1.0rc1", "1.0.dev3+gabc1234"]),
        st.sampled_from(["cp312-cp312", "py3-none", "cp39-abi3"]),
        st.sampled_from(["any", "win_amd64", "manylinux_2_17_x86_64.manylinux2014_x86_64"]),
    ),
)
ACCIDENTS = (
    *(
        "{}.WHL",
        "{} (1).whl",
        "{}(2).whl",
        "{} - Copy.whl",
        "{}.whl.part",
        "{}.whl.zip",
        "{}.whl.1",
        " {}.whl",
    ),
    *("Kopie von {}.whl", "Copie de {}.whl", "Copia di {}.whl", "Copy (2) of {}.whl", "{}\u200e.whl"),
    *("{} copy 2.whl", "Copy of {}.whl", "{}.whl.crdownload", "{} (1).whl.tmp", "{}.Whl"),
)


@given(VALID_STEMS, st.sampled_from(ACCIDENTS))
def test_recognizes_every_valid_name_after_an_accident(stem: str, accident: str) -> None:
    name = filenames.parse_filename(f"{stem}.whl")
    resembled = recognize(accident.format(stem))
    assert resembled is not None
    assert resembled.find_version(name.project) == name.version
    assert resembled.guess_release() == (name.project, name.version)


def test_recognizes_a_name_with_typographic_dashes() -> None:
    assert find_version(f"{WHEEL.replace('-', chr(0x2013))}.whl") == "1.11.0"


@given(st.text(max_size=60), st.sampled_from([".whl", ".tar.gz", ".zip", ".whl.part", ".whl.1", ""]))
@example("\ufdfa" * 50, ".whl")
@example("\u0130-1.0", ".whl")
def test_survives_any_name(text: str, suffix: str) -> None:
    try:
        filenames.parse_filename(text + suffix)
    except filenames.InvalidFilename as error:
        if resembled := misnamed.recognize(text + suffix, error):
            resembled.find_version(canonicalize_name("demo"))
            resembled.guess_release()
            resembled.may_have_platform(("win",))

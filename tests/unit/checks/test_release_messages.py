"""The whole messages of the checks of a release."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tests.unit.checks.test_release import (
    FAULTS,
    FULL,
    PLATFORMS,
    PREVIOUS,
    PYTHONS,
    SDIST,
    WINDOWS,
    findings,
    local,
    matrix,
    page,
    parse_names,
    release,
    state,
    wheel,
)
from wheel_uploader.checks import release_runner
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import (
    AttestationPolicy,
    CheckProfile,
    ComparisonReference,
    ExcludedFile,
    FileComparison,
    FileSummary,
    IndexFile,
    Options,
    ProjectPage,
    Selection,
)
from wheel_uploader.index.target import Target
from wheel_uploader.listing import expected_files

#: The findings about each planted fault, as users read them.
REPORT = Path(__file__).parents[2] / "data" / "release_findings.txt"


def messages(content: ReleaseContent, check: str) -> list[str]:
    """Return the findings of one check, with the subject unless it is the release."""
    return [
        each.message if each.subject == "release" else f"{each.subject}: {each.message}"
        for each in findings(content)
        if each.check == check
    ]


def test_reports_each_planted_fault_in_the_words_of_the_list() -> None:
    """Update tests/data/release_findings.txt if a message is to change."""
    lines: list[str] = []
    for fault, (content, _, _) in FAULTS.items():
        lines += [fault]
        lines += [
            f"    {each.severity.name.lower()} {each.check} {each.subject}: {each.message}"
            for each in findings(content)
        ]
        lines += [""]
    assert lines == REPORT.read_text(encoding="utf-8").split("\n")


# --- yanked releases --------------------------------------------------------------------------------


MORE = " and 1 more"


def yanked_page(reasons: dict[str, str | None]) -> ProjectPage:
    """Return a page; a file with a reason, which may be empty, is yanked."""
    files = tuple(
        IndexFile(filename=name, url="x", yanked=reason is not None, yanked_reason=reason or "")
        for name, reason in reasons.items()
    )
    return ProjectPage(url="x", exists=True, files=files)


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        ({SDIST: None, PREVIOUS[0]: "bad"}, ""),
        ({}, ""),
        ({SDIST: ""}, "the index has yanked 1.12.0: nobody gets the new files unless this version is pinned"),
        (
            {SDIST: "broken", FULL[0]: "broken"},
            "the index has yanked 1.12.0 (broken): nobody gets the new files unless this version is pinned",
        ),
        (
            {SDIST: "b", FULL[0]: "a", FULL[1]: "c", FULL[2]: "d", FULL[3]: None},
            f"the index has yanked 4 of 5 files (a, b, c and 1 more): {SDIST}, {FULL[0]}, {FULL[1]}{MORE}",
        ),
        ({SDIST: "", FULL[0]: None}, f"the index has yanked 1 of 2 files: {SDIST}"),
    ],
)
def test_says_which_files_are_yanked(reasons: dict[str, str | None], message: str) -> None:
    content = release(project_page=yanked_page(reasons), comparison_version=None)
    assert messages(content, "release/yanked") == ([message] if message else [])


# --- the version that installers choose -------------------------------------------------------------


def dev(version: str, *published: str, **fields: Any) -> ReleaseContent:
    listed = page(*(f"dipy-{each}.tar.gz" for each in published))
    return release(
        [f"dipy-{version}.tar.gz"],
        version=version,
        is_latest=True,
        project_page=listed,
        comparison_version=None,
        **fields,
    )


STAGE_NEWEST = "a build with a higher number is there already; stage the newest build"


TAGS_MISSING = (
    "this is the number of a checkout whose tags are missing; fetch the tags, which a shallow clone does not "
    "have, and build again"
)
LOCAL = (
    "they differ only in the local part, which is compared as text, and a commit has no order; put a date or "
    "a counter before it"
)
RELEASED = (
    "the base number 1.5.0 has been released, and 1.5.0.dev7 comes before it; raise the base number to that "
    "of the next release"
)
SHORT_DATE = (
    "the date in dev{} has 6 digits, so that every number of {}, such as dev{}, comes before it; yank or "
    "delete that build, or use the longer form"
)
PRERELEASE = (
    "both have the base number 1.5, and its development builds come before its pre-releases; number this "
    "build after 1.5rc1, such as 1.5rc2.dev3"
)
BELOW = "the base number {} is below {}; raise it, or stage the newest build"


@pytest.mark.parametrize(
    ("version", "preferred", "reason"),
    [
        ("1.0.dev0+gabc1234", "1.0.dev0+gfff1234", LOCAL),
        ("1.5", "1!0.2", "its epoch is 0, not 1"),
        ("1.5", "1.5.post1", STAGE_NEWEST),
        ("1.5rc1", "1.5rc2", STAGE_NEWEST),
        ("1.5rc1.dev1", "1.5rc1.dev2", STAGE_NEWEST),
        ("1.5.0.dev7", "1.5.0", RELEASED),
        ("1.5.dev9", "1.5.dev10", STAGE_NEWEST),
        ("1.5.dev9999", "1.5.dev10000", STAGE_NEWEST),
        ("1.5.dev99999", "1.5.dev100000", SHORT_DATE.format("100000", "5 digits", "99999")),
        ("1.5.dev9", "1.5.dev260601", SHORT_DATE.format("260601", "1 digit", "9")),
        ("1.5.dev3", "1.5rc1", PRERELEASE),
        ("0.1.dev1", "1.5", TAGS_MISSING),
        ("0.0.1.post1", "1.5", TAGS_MISSING),
        ("0.0.0+unknown", "1.5", TAGS_MISSING),
        ("0.0.2.dev1", "1.5", BELOW.format("0.0.2", "1.5")),
        ("0.1", "1.5", BELOW.format("0.1", "1.5")),
    ],
)
def test_says_which_version_installers_choose_and_why(version: str, preferred: str, reason: str) -> None:
    assert messages(dev(version, preferred, includes_prereleases=True), "release/not-newest") == [
        f"an installer that takes pre-releases chooses {preferred} instead of {version}: {reason}"
    ]


def test_says_where_the_version_is_that_installers_choose() -> None:
    second = dataclasses.replace(page("dipy-2.0.tar.gz"), url="https://me:pw@y.test/simple/dipy/")
    (message,) = messages(dev("1.0", "0.9", second_page=second), "release/not-newest")
    place = "which https://y.test/simple/dipy/ has,"
    assert message == f"an installer chooses 2.0, {place} instead of 1.0: {BELOW.format('1.0', '2.0')}"
    assert messages(dev("1.0", "2.0rc1"), "release/not-newest") == []
    assert messages(dev("1.0rc1", "2.0rc1"), "release/not-newest")[0].startswith(
        "an installer that takes pre-releases chooses 2.0rc1 instead of 1.0rc1: "
    )
    # The page of the target counts if both have the version.
    (message,) = messages(dev("1.0", "2.0", second_page=second), "release/not-newest")
    assert message.startswith("an installer chooses 2.0 instead of 1.0: ")
    assert messages(
        dev("1.5", "1.5.dev3", "1.6.dev1", includes_prereleases=True), "release/final-among-dev"
    ) == ["1.5 is a final version; the index has development builds only, the newest is 1.6.dev1"]


# --- other versions, and limits of lists ------------------------------------------------------------


def test_names_some_of_the_places_under_another_version() -> None:
    others = parse_names(*matrix(PYTHONS, ["win_arm64", "win32"], "0.0"), "dipy-0.0.tar.gz")
    (message,) = messages(release(matrix(), other_names=others), "release/other-version-in-place")
    assert message == (
        "cp310 on win32, cp310 on win_arm64, cp311 on win32, cp311 on win_arm64, cp312 on win32, "
        "cp312 on win_arm64 and 3 more are staged only as version 0.0 (dipy-0.0-cp310-cp310-win32.whl, "
        "dipy-0.0-cp310-cp310-win_arm64.whl, dipy-0.0-cp311-cp311-win32.whl, "
        "dipy-0.0-cp311-cp311-win_arm64.whl and 5 more): the checkout of its build probably had no tags"
    )


# --- outliers ---------------------------------------------------------------------------------------

KIB = 1 << 10


@pytest.mark.parametrize(
    ("usual", "odd", "is_odd"),
    [
        (1000 * KIB, 2000 * KIB, False),
        (1000 * KIB, 2000 * KIB + 1, True),
        (1000 * KIB, 500 * KIB, False),
        (1000 * KIB, 500 * KIB - 1, True),
        (10 * KIB, 74 * KIB, False),
        (10 * KIB, 74 * KIB + 1, True),
    ],
)
def test_a_wheel_may_be_twice_or_half_as_large(usual: int, odd: int, is_odd: bool) -> None:
    changed = {name: {"size": odd if name == WINDOWS else usual} for name in matrix()}
    found = messages(release(changed=changed), "release/odd-one-out")
    line = f"{WINDOWS}: it has {odd:,} bytes; comparable wheels have about {usual:,}"
    assert found == ([line] if is_odd else [])


def test_two_outliers_and_too_few_siblings_are_silent() -> None:
    large = {name: {"size": 90_000_000} for name in (WINDOWS, wheel("cp311", "win_amd64"))}
    assert messages(release(changed=large), "release/odd-one-out") == []
    few = release([*matrix(PYTHONS[1:], ["win_amd64"]), SDIST], {WINDOWS: {"size": 90_000_000}})
    assert messages(few, "release/odd-one-out") == []


@pytest.mark.parametrize("family", ["manylinux_2_28_x86_64", "musllinux_1_2_x86_64"])
def test_all_wheels_for_linux_are_compared_for_their_packages(family: str) -> None:
    platforms = ["manylinux_2_28_x86_64", "musllinux_1_2_x86_64"]
    odd = wheel("cp312", family)
    content = release([*matrix(PYTHONS[1:3], platforms), SDIST], {odd: {"top_level": ("dipy", "x")}})
    assert messages(content, "release/odd-one-out") == [
        f"{odd}: it installs dipy, x; each of the 3 comparable wheels installs dipy"
    ]


# --- how the wheels were made -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((100 << 20) + 1, "its size is 104,857,601 bytes; the limit is 104,857,600"),
        (200 << 20, "its size is 209.7 MB; the limit is 104.9 MB"),
    ],
)
def test_a_size_just_above_the_limit_differs_from_it(size: int, message: str) -> None:
    assert messages(release(changed={SDIST: {"size": size}}), "release/file-too-big") == [
        f"{SDIST}: {message}"
    ]


def test_names_the_tool_that_did_not_repair_a_wheel() -> None:
    def made(name: str) -> dict[str, object]:
        return {} if name == WINDOWS else {"repair_generators": ("delvewheel 1.9", "Auditwheel 6")}

    names = matrix(platforms=["win_amd64"])
    content = release([*names, SDIST], {name: made(name) for name in names})
    tools = "auditwheel, delvewheel"
    assert messages(content, "release/not-repaired") == [
        f"{WINDOWS}: its WHEEL lacks a Generator line of {tools}, which 3 other wheels for the system have"
    ]


def test_names_the_sboms_that_some_wheels_have() -> None:
    names = matrix(platforms=["win_amd64"])
    sbom = {"sboms": ("maturin.cdx.json",)}
    most = release([*names, SDIST], {name: sbom for name in names if name != WINDOWS})
    assert messages(most, "release/uneven-sboms") == [
        f"{WINDOWS}: it has no SBOM; maturin.cdx.json is in 3 other wheels"
    ]
    one = release([*names, SDIST], {WINDOWS: sbom})
    assert messages(one, "release/uneven-sboms") == [
        f"{WINDOWS}: it has the SBOM maturin.cdx.json; 3 other wheels have none"
    ]
    repaired = release([*names, SDIST], {WINDOWS: {"sboms": ("auditwheel.cdx.json",)}})
    assert messages(repaired, "release/uneven-sboms") == [
        f"{WINDOWS}: it has the SBOM auditwheel.cdx.json; 3 other wheels have none"
    ]


def test_start_up_code_names_the_release_without_it() -> None:
    content = release(project_page=page(*PREVIOUS), new_startup_files=(WINDOWS, FULL[0]))
    assert messages(content, "release/new-startup-code") == [
        f"{WINDOWS}: it has start-up code; 1.11.0 had none",
        f"{FULL[0]}: it has start-up code; 1.11.0 had none",
    ]


# --- the whole run of the checks --------------------------------------------------------------------


def check(
    filenames_: list[str] = FULL,
    *,
    listed: ProjectPage | None = None,
    excluded: tuple[ExcludedFile, ...] = (),
    **fields: Any,
) -> release_runner.ReleaseCheckResult:
    more = {
        name: fields.pop(name)
        for name in ("second_page", "startup_files", "had_startup_code", "states", "target", "unproven_files")
        if name in fields
    }
    options = Options.unchecked(**{"project": "dipy", "version": "1.12.0", "urls": ("x",), **fields})
    names = [filenames.parse_filename(name) for name in filenames_]
    selection = Selection(
        project="dipy",  # type: ignore[arg-type]
        version=Version("1.12.0"),
        files=(),
        excluded_files=excluded,
    )
    return release_runner.run_release_checks(
        options,
        selection,
        [FileSummary(name=name, size=1) for name in names],
        [local(name) for name in filenames_],
        profile=CheckProfile.PYPI,
        attestations=(),
        expectation=None,
        target=more.pop("target", None),
        page=listed,
        states=more.pop("states", ()),
        **more,
    )


def test_names_the_compared_releases() -> None:
    listed = page(*PREVIOUS, "dipy-1.10.0.tar.gz", size=70)
    result = check(FULL[1:], listed=listed)
    assert result.comparison == ComparisonReference(
        version=Version("1.11.0"), file_count=len(PREVIOUS), page_url=listed.url
    )
    assert sorted(result.previous_filenames) == sorted(PREVIOUS)
    assert result.previous_sizes == dict.fromkeys(PREVIOUS, 70)
    assert result.missing_cells == (("cp310", "macosx_arm64"),)
    assert result.checks_not_run == ()
    assert check(FULL[1:], listed=page(*PREVIOUS, size=0)).previous_sizes == {}
    without = check(FULL[1:], listed=listed, no_compare=True)
    assert (without.comparison, without.previous_filenames, without.missing_cells) == (None, (), ())
    assert without.checks_not_run == ("the release against an earlier one: turned off by --no-compare",)
    with pytest.raises(UsageError, match=r"has no dipy 1\.5 to compare with"):
        check(listed=listed, compare_with="1.5")
    named = check(listed=listed, compare_with="1.10")
    assert named.comparison
    assert str(named.comparison.version) == "1.10.0"


def test_lists_the_checks_that_did_not_run() -> None:
    assert check().checks_not_run == ()
    missing = "whether files of the release are missing, because only some were selected"
    assert check(types=("win",)).checks_not_run == (missing,)
    assert check(project="").checks_not_run == (missing,)
    assert check(listed=page(*PREVIOUS, age=None)).checks_not_run == (
        "the age of the release and the size of the project, because the index does not list them",
    )
    assert check(listed=page("dipy-2.0.tar.gz")).checks_not_run == (
        "the release against an earlier one: the index has no release of dipy below 1.12.0",
    )
    second = page("dipy-1.9.tar.gz")
    second = dataclasses.replace(second, url="https://y.test/dipy/")
    result = check(listed=page("dipy-2.0.tar.gz"), second_page=second)
    assert result.checks_not_run == ()
    assert result.comparison
    assert (str(result.comparison.version), result.comparison.page_url) == ("1.9", second.url)
    assert result.previous_filenames == ("dipy-1.9.tar.gz",)


@pytest.mark.parametrize(
    ("had", "count", "unknown"),
    [(True, 0, False), (False, 1, False), (None, 0, True)],
)
def test_start_up_code_is_new_if_the_previous_release_had_none(
    had: bool | None, count: int, unknown: bool
) -> None:
    asked: list[str] = []

    def had_startup_code(reference: ComparisonReference) -> bool | None:
        asked.append(str(reference.version))
        return had

    result = check(listed=page(*PREVIOUS), startup_files=(WINDOWS,), had_startup_code=had_startup_code)
    assert asked == ["1.11.0"]
    assert sum(each.check == "release/new-startup-code" for each in result.findings) == count
    sentence = "whether the start-up code is new, because no wheel of 1.11.0 could be compared"
    assert (sentence in result.checks_not_run) is unknown
    check(listed=page(*PREVIOUS), had_startup_code=had_startup_code)
    check(startup_files=(WINDOWS,), had_startup_code=had_startup_code)
    assert asked == ["1.11.0"]


def test_files_of_other_versions_count_unless_they_were_left_out() -> None:
    def reported(name: str, *, is_left_out: bool = False) -> bool:
        excluded = ExcludedFile(filename=name, source="x", reason="x", is_left_out=is_left_out)
        other = ExcludedFile(filename="readme.txt", source="x", reason="x")
        found = check(matrix(), excluded=(other, excluded)).findings
        return any(each.check == "release/other-version-in-place" for each in found)

    assert reported("dipy-1.13.dev0.tar.gz")
    assert not reported("dipy-1.13.dev0.tar.gz", is_left_out=True)
    assert not reported("nipy-1.13.dev0.tar.gz")
    assert not reported(SDIST)


@pytest.mark.parametrize(
    ("target", "count"),
    [
        (None, 0),
        (Target(url="x", is_pypi=True, name="pypi"), 1),
        (Target(url="x", is_pypi=True, is_testpypi=True, name="testpypi"), 0),
        (Target(url="x", is_pypi=False, name="x"), 0),
    ],
)
def test_only_pypi_itself_keeps_development_versions(target: Target | None, count: int) -> None:
    names = [filenames.parse_filename("dipy-1.13.dev1.tar.gz")]
    result = release_runner.run_release_checks(
        Options.unchecked(project="dipy", version="1.13.dev1", urls=("x",)),
        Selection(project="dipy", version=Version("1.13.dev1"), files=()),  # type: ignore[arg-type]
        [FileSummary(name=name, size=1) for name in names],
        [local(name.filename) for name in names],
        profile=CheckProfile.PYPI,
        attestations=(),
        expectation=None,
        target=target,
        page=None,
        states=(),
    )
    assert sum(each.check == "release/dev-to-pypi" for each in result.findings) == count


def test_passes_the_options_on() -> None:
    fields: dict[str, Any]
    newest = page("dipy-2.0rc1.tar.gz", "dipy-1.11.0.tar.gz")
    for fields, count in (
        ({}, 0),
        ({"version": "latest"}, 0),
        ({"version": "latest", "pre": True}, 1),
        ({"pre": True}, 0),
    ):
        result = check(listed=newest, **fields)
        assert sum(each.check == "release/not-newest" for each in result.findings) == count
    lost = page(*PREVIOUS, wheel("cp310", "win32", "1.11.0"))
    for allowed, count in (((), 1), (("win32",), 0)):
        result = check(listed=lost, allow_missing=allowed)
        assert sum(each.check == "release/lost-against-previous" for each in result.findings) == count
    required = check(attestations=AttestationPolicy.REQUIRE)
    assert any(each.check.startswith("attestation/") for each in required.findings)
    attested = check(attestations=AttestationPolicy.REQUIRE, attest=True)
    assert not any(each.check.startswith("attestation/") for each in attested.findings)
    states = (state(WINDOWS, FileComparison.DIFFERENT, index_sha256="abc"),)
    ignored = [each for each in check(states=states, ignore={"release": ""}).findings if each.is_ignored]
    assert [each.check for each in ignored] == ["release/different-on-index"]


def test_the_previous_release_is_what_a_run_waits_for() -> None:
    options = Options(project="dipy", version="1.12.0", urls=("x",), allow_missing=("win_*", "cp310"))
    found = release_runner.previous_release_expectation(page(*PREVIOUS), options)
    assert found is not None
    version, expected = found
    assert (str(version), isinstance(expected, expected_files.Expectation)) == ("1.11.0", True)
    assert expected.find_missing([]) == (
        *(
            f"a wheel for {python} on {platform}"
            for python in PYTHONS[1:]
            for platform in ("macosx_arm64", "manylinux_x86_64")
        ),
        "an sdist",
    )
    no_sdist = release_runner.previous_release_expectation(page(*PREVIOUS[:-1]), options)
    assert no_sdist is not None
    assert "an sdist" not in no_sdist[1].find_missing([])
    assert release_runner.previous_release_expectation(page("dipy-2.0.tar.gz"), options) is None
    none = dataclasses.replace(options, no_compare=True)
    assert release_runner.previous_release_expectation(page(*PREVIOUS), none) is None
    assert PLATFORMS[2] == "win_amd64"

"""The modules of the files of a release against each other, from inventories: no archives are made."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pytest
from packaging.version import Version

from tools.testing.wheels import wheel_filename
from wheel_uploader import checks
from wheel_uploader.checks import inventory, release_modules
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, FileSummary

LINUX, WINDOWS, MAC = "manylinux_2_28_x86_64", "win_amd64", "macosx_11_0_arm64"
PYTHONS = ("cp310", "cp311", "cp312", "cp313")
SDIST = "demo-1.0.tar.gz"
PURE = "demo-1.0-py3-none-any.whl"
CHECKS = (
    "release/odd-modules",
    "release/stated-version",
    "release/differs-from-sdist",
    "release/modules-not-in-wheels",
    "release/sdist-without-sources",
)


def pack(files: Mapping[str, str]) -> bytes:
    """Return the inventory of files: ``VERSION`` or ``VERSION#TEXT`` states a version, ``*`` is compiled."""
    lines = []
    for path, text in sorted(files.items()):
        version, _, rest = text.partition("#")
        stated = version if version[:1].isdigit() else ""
        crc = 0 if text == "-" else zlib.crc32((text if rest or not stated else "same").encode())
        lines.append(f"{path}\t*" if text == "*" else f"{path}\t{crc:x} {stated}".rstrip())
    return zlib.compress("\n".join(lines).encode())


def wheel(python: str, platform: str = LINUX) -> str:
    return wheel_filename("demo", "1.0", f"{python}-{python}-{platform}")


def make_release(
    files: Mapping[str, Mapping[str, str] | bytes],
    version: str = "1.0",
    project: str = "demo",
    sources: int = 0,
    unread: Iterable[str] = (),
) -> ReleaseContent:
    """Return a release of files with these modules; those of ``unread`` are in it without a summary."""
    summaries = []
    for filename, modules in files.items():
        packed = modules if isinstance(modules, bytes) else pack(modules)
        extensions = len(inventory.unpack(packed).extensions) if filename.endswith(".whl") else 0
        summaries.append(
            FileSummary(
                name=filenames.parse_filename(filename),
                size=1,
                inventory=packed,
                extension_count=extensions,
                compiled_source_count=0 if filename.endswith(".whl") else sources,
            )
        )
    summaries += [FileSummary(name=filenames.parse_filename(name), size=1) for name in unread]
    return ReleaseContent(
        project=filenames.parse_filename(next(iter(files))).project if files else project,  # type: ignore[arg-type]
        version=Version(version),
        summaries=tuple(summaries),
        now=datetime(2026, 11, 21, tzinfo=UTC),
    )


def found(release: ReleaseContent) -> list[tuple[str, str, str]]:
    """Return check, subject and message of the findings about modules."""
    findings = checks.check_release(release, profile=CheckProfile.PYPI)
    return [(each.check, each.subject, each.message) for each in findings if each.check in CHECKS]


def matrix(
    odd: Mapping[str, Mapping[str, str]],
    usual: Mapping[str, str],
    platforms: Sequence[str] = (LINUX,),
    pythons: Sequence[str] = PYTHONS,
) -> dict[str, Mapping[str, str]]:
    names = [wheel(python, platform) for platform in platforms for python in pythons]
    return {name: odd.get(name, usual) for name in names}


GOOD = {"demo/__init__.py": "1.0", "demo/a.py": "x"}
ODD = wheel("cp312")
OTHER_VERSION = "it states version 0.9, not 1.0"


def agree(count: int) -> str:
    return "1 comparable wheel agrees" if count == 1 else f"{count} comparable wheels agree"


# --- the odd one ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"demo/__init__.py": "1.0"}, "it lacks demo/a.py"),
        ({**GOOD, "demo/new.py": "x"}, "it also has demo/new.py"),
        ({**GOOD, "demo/fast": "*"}, "it also has demo/fast"),
        ({**GOOD, "demo/a.py": "y"}, "it has another demo/a.py"),
        (
            {"demo/__init__.py": "0.9", "demo/b.py": "x"},
            f"it lacks demo/a.py; it also has demo/b.py; it has another demo/__init__.py; {OTHER_VERSION}",
        ),
        (
            {**GOOD, **{f"demo/n{number}.py": "x" for number in range(6)}},
            "it also has demo/n0.py, demo/n1.py, demo/n2.py, demo/n3.py and 2 more",
        ),
        # A text that is not to be compared, and other top-level names.
        ({**GOOD, "demo/a.py": "-"}, ""),
        ({**GOOD, "other/a.py": "x"}, ""),
        ({**GOOD, "demo/__init__.py": "1.0"}, ""),
    ],
)
def test_names_how_one_of_four_wheels_differs(modules: dict[str, str], message: str) -> None:
    reported = found(make_release(matrix({ODD: modules}, GOOD)))
    expected = [("release/odd-modules", ODD, f"{message}; {agree(3)}")]
    assert reported == (expected if message else [])


def test_three_siblings_must_agree() -> None:
    odd = {ODD: {**GOOD, "demo/new.py": "x"}}
    assert found(make_release(matrix(odd, GOOD, pythons=PYTHONS[1:]))) == []
    two = {**odd, wheel("cp313"): {**GOOD, "demo/new.py": "y"}}
    assert found(make_release(matrix(two, GOOD))) == []
    nine = [f"cp3{minor}" for minor in range(8, 17)]
    (reported,) = found(make_release(matrix(odd, GOOD, pythons=nine)))
    assert reported[2] == f"it also has demo/new.py; {agree(8)}"


def test_a_module_that_only_the_others_have_is_named_once_for_the_platform() -> None:
    """The wheels of the platform come before those of the system, whose number is higher."""
    platforms = (LINUX, "manylinux_2_28_aarch64")
    (reported,) = found(make_release(matrix({ODD: {"demo/__init__.py": "1.0"}}, GOOD, platforms)))
    assert reported[1:] == (ODD, f"it lacks demo/a.py; {agree(3)}")


@pytest.mark.parametrize(
    ("platforms", "count"),
    [
        ((LINUX, "musllinux_1_2_x86_64"), 3),
        (("win_amd64", "win32"), 3),
        ((WINDOWS, MAC), 0),
        (("macosx_11_0_arm64", "macosx_10_13_x86_64"), 3),
    ],
)
def test_compares_the_wheels_for_one_system(platforms: tuple[str, str], count: int) -> None:
    """Two wheels for each platform are too few, but four for a system are not."""
    odd = wheel("cp312", platforms[1])
    files = matrix({odd: {**GOOD, "demo/a.py": "y"}}, GOOD, platforms, PYTHONS[1:3])
    reported = found(make_release(files))
    expected = [("release/odd-modules", odd, f"it has another demo/a.py; {agree(count)}")]
    assert reported == (expected if count else [])


@pytest.mark.parametrize(
    "modules", [{**GOOD, "demo/a.py": "y"}, {**GOOD, "demo/new.py": "x"}, {"demo/__init__.py": "1.0"}]
)
def test_accepts_a_difference_for_one_python_on_two_platforms(modules: dict[str, str]) -> None:
    platforms = (LINUX, WINDOWS)
    both = {wheel("cp312", platform): modules for platform in platforms}
    assert found(make_release(matrix(both, GOOD, platforms))) == []
    one = {wheel("cp312", WINDOWS): modules}
    (reported,) = found(make_release(matrix(one, GOOD, platforms)))
    assert reported[:2] == ("release/odd-modules", wheel("cp312", WINDOWS))
    # The same change for another Python does not count.
    others = {wheel("cp312", WINDOWS): modules, wheel("cp311", LINUX): modules}
    assert len(found(make_release(matrix(others, GOOD, platforms)))) == 2


def test_a_platform_without_the_module_does_not_count() -> None:
    """No wheel for Windows has the module, so only those for Linux tell whether it is missing."""
    files = matrix({ODD: {"demo/__init__.py": "1.0"}}, GOOD)
    windows = matrix({}, {"demo/__init__.py": "1.0"}, (WINDOWS,))
    (reported,) = found(make_release({**files, **windows}))
    assert reported == ("release/odd-modules", ODD, f"it lacks demo/a.py; {agree(3)}")


@pytest.mark.parametrize(
    ("count", "versions", "reported"),
    [
        (2, {"cp310": "0.9"}, [("cp310", 1)]),
        (3, {"cp310": "0.9"}, [("cp310", 2)]),
        (3, {"cp310": "0.9", "cp311": "0.8"}, [("cp310", 1), ("cp311", 1)]),
        # None states that of the release.
        (3, {"cp310": "0.9", "cp311": "0.8", "cp312": "0.7"}, []),
        (3, {"cp310": "no-version"}, []),
        (3, {"cp310": "1.0.0"}, []),
    ],
)
def test_a_wheel_of_another_version_needs_one_that_agrees(
    count: int, versions: dict[str, str], reported: list[tuple[str, int]]
) -> None:
    files = {
        wheel(python): {"demo/__init__.py": "x", "demo/_v.py": f"{versions.get(python, '1.0')}#{python}"}
        for python in PYTHONS[:count]
    }
    expected = [
        (
            "release/odd-modules",
            wheel(python),
            f"it has another demo/_v.py; it states version {versions[python]}, not 1.0; {agree(others)}",
        )
        for python, others in reported
    ]
    assert found(make_release(files)) == expected


# --- the version that the package states ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "modules", "message"),
    [
        (PURE, {"demo/__init__.py": "0.9"}, "demo/__init__.py states version 0.9, not 1.0"),
        (PURE, {"demo/__init__.py": "0.0"}, ""),
        (PURE, {"demo/__init__.py": "1.0"}, ""),
        (PURE, {"demo/__init__.py": "x"}, ""),
        (PURE, {"other/__init__.py": "0.9"}, ""),
        (PURE, {"demo/core.py": "0.9"}, ""),
        (
            "x_tools-1.0-py3-none-any.whl",
            {"x_tools/__init__.py": "0.9"},
            "x_tools/__init__.py states version 0.9, not 1.0",
        ),
        (
            "x_tools-1.0-py3-none-any.whl",
            {"xtools/__init__.py": "0.9"},
            "xtools/__init__.py states version 0.9, not 1.0",
        ),
        (
            "x_tools-1.0-py3-none-any.whl",
            {"x_tools/__init__.py": "0.8", "xtools/__init__.py": "0.9"},
            "x_tools/__init__.py states version 0.8, not 1.0",
        ),
    ],
)
def test_reports_the_version_that_the_package_of_the_project_states(
    filename: str, modules: dict[str, str], message: str
) -> None:
    expected = [("release/stated-version", "release", message)] if message else []
    assert found(make_release({filename: modules})) == expected


@pytest.mark.parametrize(
    ("sdist", "reported"),
    [
        ({"src/demo/__init__.py": "1.0"}, "release/differs-from-sdist"),
        ({"demo/__init__.py": "1.0.0"}, "release/differs-from-sdist"),
        ({"src/demo/__init__.py": "0.9"}, "release/stated-version"),
        ({"src/xdemo/__init__.py": "1.0"}, "release/stated-version"),
        ({}, "release/stated-version"),
    ],
)
def test_an_sdist_with_the_right_version_makes_the_wheel_the_odd_one(
    sdist: dict[str, str], reported: str
) -> None:
    release = make_release({PURE: {"demo/__init__.py": "0.9"}, SDIST: sdist}, sources=1)
    assert [check for check, *_ in found(release)] == [reported]


# --- too many modules -----------------------------------------------------------------------------------


def test_names_the_uncompared_files(monkeypatch: pytest.MonkeyPatch) -> None:
    large = make_release({PURE: inventory.TOO_LARGE, SDIST: GOOD})
    assert list(release_modules.describe_uncompared(large)) == [
        f"the modules of {PURE} against those of the other files: it has too many"
    ]
    both = make_release({PURE: inventory.TOO_LARGE, SDIST: inventory.TOO_LARGE})
    assert list(release_modules.describe_uncompared(both)) == [
        f"the modules of {PURE}, {SDIST} against those of the other files: they have too many"
    ]
    assert found(both) == []
    files = matrix({ODD: {**GOOD, "demo/new.py": "x"}}, GOOD)
    # Two modules of each wheel, and the third one of ODD.
    for limit, expected in ((3, 1), (2, 0)):
        monkeypatch.setattr(release_modules, "MAX_ENTRIES", limit)
        release = make_release(files)
        assert len(found(release)) == expected
        assert list(release_modules.describe_uncompared(release)) == (
            []
            if expected
            else ["the modules of the files against each other: they have more than 2 together"]
        )
    monkeypatch.setattr(release_modules, "MAX_ENTRIES", 100)
    for limit, expected in ((1, 1), (0, 0)):
        monkeypatch.setattr(release_modules, "_MAX_DIFFERENCES", limit)
        assert len(found(make_release(files))) == expected


# --- the wheels against the sdist -----------------------------------------------------------------------


def differing(wheel_modules: Mapping[str, str], sdist_modules: Mapping[str, str]) -> list[str]:
    """Return the messages about a pure wheel and its sdist."""
    reported = found(make_release({PURE: wheel_modules, SDIST: sdist_modules}))
    assert {check for check, *_ in reported} <= {"release/differs-from-sdist"}, reported
    assert {subject for _, subject, _ in reported} <= {PURE}
    return [message for *_, message in reported]


BASE = {"demo/__init__.py": "x", "demo/a.py": "x", "demo/b.py": "x", "demo/c.py": "x"}
#: Words in names of files that a build writes.
WRITTEN = ("version", "versions", "about", "buildinfo", "generated", "pb2", "grpc", "cffi")
WRITTEN_IF_PRIVATE = ("build", "config", "constants", "distributor", "git", "metadata", "paths", "sysconfig")


DIFFERS = f"has another text than in {SDIST}"


def test_a_file_that_a_build_writes_may_differ_or_be_missing() -> None:
    shapes = ("{}.py", "_{}.py", "x_{}.py")
    names = [shape.format(word) for shape in shapes for word in WRITTEN]
    paths = [f"demo/{name}" for name in (*names, *(f"{word.upper()}-x.py" for word in WRITTEN))]
    own, other = dict.fromkeys(paths, "own"), dict.fromkeys(paths, "other")
    assert differing({**BASE, **own}, {**BASE, **other}) == []
    changed = {**BASE, "demo/_version.py": "own", "demo/c.py": "y"}
    assert differing(changed, BASE) == [f"demo/c.py {DIFFERS}"]
    assert differing(BASE, {**BASE, **own}) == []


def test_a_private_file_with_settings_of_the_build_may_differ() -> None:
    shapes = ("_{}.py", "__{}__.py", "_x_{}.py")
    paths = [f"demo/{shape.format(word)}" for shape in shapes for word in WRITTEN_IF_PRIVATE]
    own, other = dict.fromkeys(paths, "own"), dict.fromkeys(paths, "other")
    assert differing({**BASE, **own}, {**BASE, **other}) == []
    public = "demo/config.py"
    assert differing({**BASE, public: "own"}, {**BASE, public: "other"}) == [f"{public} {DIFFERS}"]


@pytest.mark.parametrize(
    ("in_wheel", "in_sdist", "message"),
    [
        ({"demo/a.pyi": "y"}, {"demo/a.pyi": "x"}, ""),
        ({"demo/pyi.py": "y"}, {"demo/pyi.py": "x"}, f"demo/pyi.py {DIFFERS}"),
        ({"demo/a.py": "-"}, {}, ""),
        ({}, {"demo/a.py": "-"}, ""),
        (
            {f"demo/{name}.py": "y" for name in "abc"} | {"demo/__init__.py": "y", "demo/n.py": "y"},
            {"demo/n.py": "x"},
            f"demo/__init__.py, demo/a.py, demo/b.py, demo/c.py and 1 more have another text than in {SDIST}",
        ),
        ({"demo/new.py": "x"}, {}, ""),
        (
            {
                "demo/new.py": "x",
                "demo/new.pyi": "x",
                "demo/about.py": "x",
                "other/a.py": "x",
                "demo/a.py": "y",
            },
            {},
            f"demo/a.py {DIFFERS}; demo/new.py is not in the sdist",
        ),
        (
            {"demo/a.py": "1.0"},
            {"demo/a.py": "0.9"},
            f"demo/a.py states version 1.0, but 0.9 in {SDIST}",
        ),
        # The text of a file with another version is not mentioned, and only the first file is.
        (
            {"demo/a.py": "0.9#y", "demo/b.py": "0.8#y", "demo/c.py": "y"},
            {"demo/a.py": "1.0#x", "demo/b.py": "1.0#x"},
            f"demo/a.py states version 0.9, but 1.0 in {SDIST}; demo/c.py {DIFFERS}",
        ),
        # Neither is that of the release, or one states none.
        ({"demo/a.py": "2.0"}, {"demo/a.py": "2.1"}, ""),
        ({"demo/a.py": "1.0#y"}, {"demo/a.py": "x"}, f"demo/a.py {DIFFERS}"),
        ({"demo/a.py": "y"}, {"demo/a.py": "1.0#x"}, f"demo/a.py {DIFFERS}"),
        ({"demo/a.py": "1.0.0"}, {"demo/a.py": "1.0"}, ""),
    ],
)
def test_says_how_a_wheel_differs_from_the_sdist(
    in_wheel: dict[str, str], in_sdist: dict[str, str], message: str
) -> None:
    assert differing({**BASE, **in_wheel}, {**BASE, **in_sdist}) == ([message] if message else [])


@pytest.mark.parametrize(
    ("stated", "is_placeholder"),
    [
        *((text, True) for text in ("0", "0.0", "0.0.0", "0.0.0.dev0", "0.dev0", "0.0.1", "999", "9999")),
        *((text, True) for text in ("0+unknown", "0+g12", "1.2+unknown", "0.0.0.post3")),
        *((text, False) for text in ("0.0.2", "0.1", "99", "0.dev1", "1.0.dev0", "0.00")),
    ],
)
def test_accepts_a_placeholder_in_the_sdist(stated: str, is_placeholder: bool) -> None:
    message = f"demo/a.py states version 1.0, but {stated} in {SDIST}"
    assert differing({**BASE, "demo/a.py": "1.0"}, {**BASE, "demo/a.py": stated}) == (
        [] if is_placeholder else [message]
    )
    if stated not in {"0", "0.0", "0.00"}:
        # In the wheel it is.
        assert differing({**BASE, "demo/a.py": stated}, {**BASE, "demo/a.py": "1.0"}) == [
            f"demo/a.py states version {stated}, but 1.0 in {SDIST}"
        ]


def move(files: Mapping[str, str], folder: str) -> dict[str, str]:
    return {f"{folder}{path}": text for path, text in files.items()}


STALE = {**BASE, "demo/a.py": "old"}
STALE_FOUND = [f"demo/a.py {DIFFERS}"]


@pytest.mark.parametrize(
    ("sources", "is_compared"),
    [
        (STALE, True),
        (move(STALE, "src/"), True),
        (move(STALE, "lib/python/"), True),
        # A copy with more of the modules is that of the wheel; of two equal ones, the one nearer to the top.
        ({**move(STALE, "src/"), "demo/a.py": "x"}, True),
        ({**move(STALE, "src/"), **BASE}, False),
        ({**move(BASE, "src/"), **STALE}, True),
        ({**move(BASE, "a/"), **move(STALE, "b/c/")}, False),
        ({**move(STALE, "a/"), **move(BASE, "b/c/")}, True),
        # Half of the modules must be there.
        ({"demo/a.py": "old"}, False),
        ({"demo/a.py": "old", "demo/other.py": "x", "demo/setup.py": "x"}, False),
        (move(STALE, "demo/"), True),
        ({}, False),
    ],
)
def test_finds_the_package_in_the_sdist(sources: dict[str, str], is_compared: bool) -> None:
    reported = found(make_release({PURE: BASE, SDIST: sources}))
    messages = [message for check, _, message in reported if check == "release/differs-from-sdist"]
    assert messages == (STALE_FOUND if is_compared else [])


def test_half_of_the_modules_at_the_same_place_are_enough() -> None:
    assert differing(BASE, {"demo/a.py": "old", "demo/b.py": "x"}) == [
        f"demo/a.py {DIFFERS}; demo/__init__.py, demo/c.py are not in the sdist"
    ]


def test_compares_with_the_only_sdist() -> None:
    assert differing(BASE, STALE) == STALE_FOUND
    assert found(make_release({PURE: BASE, SDIST: STALE, "demo-1.0.zip": STALE})) == []
    other: dict[str, Mapping[str, str] | bytes] = {
        PURE: BASE,
        SDIST: STALE,
        "demo-1.0.zip": inventory.TOO_LARGE,
    }
    assert [message for *_, message in found(make_release(other))] == STALE_FOUND
    assert found(make_release({SDIST: STALE})) == []


@pytest.mark.parametrize(
    ("stale", "reported"),
    [
        # Each wheel, or some of those for one system.
        ([(python, platform) for python in PYTHONS[:2] for platform in (LINUX, WINDOWS)], 4),
        ([("cp310", LINUX)], 1),
        ([("cp310", LINUX), ("cp310", WINDOWS)], 2),
        ([("cp310", LINUX), ("cp311", LINUX), ("cp310", WINDOWS)], 3),
        # All of those for one system.
        ([("cp310", WINDOWS), ("cp311", WINDOWS)], 0),
        ([("cp310", LINUX), ("cp311", LINUX)], 0),
    ],
)
def test_a_file_may_be_changed_in_all_wheels_for_a_system(
    stale: list[tuple[str, str]], reported: int
) -> None:
    odd = {wheel(*each): STALE for each in stale}
    files = matrix(odd, BASE, (LINUX, WINDOWS), PYTHONS[:2])
    findings = found(make_release({**files, SDIST: BASE}, sources=1))
    assert [subject for _, subject, _ in findings] == [name for name in files if name in odd][:reported]
    assert {message for *_, message in findings} <= {*STALE_FOUND}


def test_a_module_is_reported_by_one_check_only() -> None:
    files = matrix({ODD: STALE}, BASE)
    assert [check for check, *_ in found(make_release({**files, SDIST: BASE}, sources=1))] == [
        "release/odd-modules"
    ]


# --- modules that are not packaged ----------------------------------------------------------------------


def missing(sources: Mapping[str, str], wheel_modules: Mapping[str, str] = BASE, name: str = "demo") -> str:
    """Return the message about modules of the sdist that a pure wheel lacks."""
    files = {f"{name}-1.0-py3-none-any.whl": wheel_modules, f"{name}-1.0.tar.gz": sources}
    return "".join(
        message
        for check, _, message in found(make_release(files))
        if check == "release/modules-not-in-wheels"
    )


#: Words in the names of files and folders that wheels need not have.
LEFT_OUT = (
    *("test", "tests", "testing", "testsuite", "testdata", "conftest", "fixtures", "fuzz", "fuzzing"),
    *("doc", "docs", "example", "examples", "sample", "samples", "demo", "demos", "tutorial"),
    *("tutorials", "bench", "benchmark", "benchmarks", "profile", "profiling", "recipe", "recipes"),
    *("stubs", "ci", "dev", "build", "setup", "setupext", "codegen", "gen", "generate", "generator"),
    *("generators", "make", "template", "templates", "compile", "configure", "cythonize", "install"),
    *("update", "bootstrap", "tool", "tools", "script", "scripts", "noxfile", "tasks", "fabfile"),
    *("versioneer", "release", "vendor", "vendored", "thirdparty", "party", "pythran", "extern"),
    *("externals", "contrib"),
)


def test_wheels_need_not_have_tests_documentation_and_tools() -> None:
    base = {path.replace("demo/", "pkg/"): text for path, text in BASE.items()}
    shapes = ("{}/__init__.py", "{}.py", "my_{}.py", "x-{}-y.py", "{}/x/y.py")
    paths = [f"pkg/{shape.format(word)}" for shape in shapes for word in LEFT_OUT]
    capitals = [f"pkg/{word.upper()}.py" for word in LEFT_OUT]
    assert missing({**base, **dict.fromkeys([*paths, *capitals], "x")}, base, "pkg") == ""
    for near in ("tester", "mydocs", "ex"):
        assert missing({**base, f"pkg/{near}.py": "x"}, base, "pkg") == (
            f"pkg/{near}.py is in pkg-1.0.tar.gz and in no wheel"
        )


@pytest.mark.parametrize("word", ["tools", "demo"])
def test_a_project_may_be_named_like_tests_or_tools(word: str) -> None:
    name = f"x_{word}"
    base = {path.replace("demo/", f"{name}/"): text for path, text in BASE.items()}
    assert missing({**base, f"{name}/{word}/__init__.py": "x"}, base, name) == (
        f"{name}/{word}/ is in {name}-1.0.tar.gz and in no wheel"
    )


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        ({"demo/sub/__init__.py": "x"}, ["demo/sub/"]),
        ({"demo/sub/__init__.py": "x", "demo/sub/a.py": "x", "demo/sub/x/__init__.py": "x"}, ["demo/sub/"]),
        ({"demo/new.py": "x", "demo/py.typed": ""}, ["demo/new.py", "demo/py.typed"]),
        ({f"demo/n{number}.py": "x" for number in range(5)}, [f"demo/n{number}.py" for number in range(4)]),
        # Without __init__.py a folder is not a package, nor are those below it.
        ({"demo/sub/a.py": "x"}, []),
        ({"demo/sub/x/__init__.py": "x"}, []),
        ({"demo/sub/__init__.py": "x", "demo/sub/py.typed": ""}, ["demo/sub/"]),
        ({"demo/sub/py.typed": ""}, []),
        ({"demo/new.pyi": "x"}, []),
        ({"other/__init__.py": "x"}, []),
        ({"demo/_version.py": "x", "demo/_config.py": "x"}, []),
        ({"demo/Sub/__init__.py": "x"}, ["demo/Sub/"]),
        # A package of optional extensions is compiled.
        ({"demo/sub/__init__.py": "x", "demo/sub/speed": "*"}, []),
        ({"demo/sub/__init__.py": "x", "demo/sub/a.py": "x", "demo/other/speed": "*"}, ["demo/sub/"]),
    ],
)
def test_names_what_no_wheel_has(sources: dict[str, str], names: list[str]) -> None:
    more = f" and {len(sources) - 4} more" if len(sources) > 4 else ""
    verb = "is" if len(names) == 1 else "are"
    expected = f"{', '.join(names)}{more} {verb} in {SDIST} and in no wheel" if names else ""
    assert missing({**BASE, **sources}) == expected
    assert missing(move({**BASE, **sources}, "src/")) == expected


def test_a_namespace_package_and_a_compiled_module_are_not_missing() -> None:
    spread = {**BASE, "demo/sub/a.py": "x"}
    assert missing({**spread, "demo/sub/__init__.py": "x"}, spread) == ""
    assert missing({**spread, "demo/sub/b.py": "x"}, spread) == f"demo/sub/b.py is in {SDIST} and in no wheel"
    assert missing({**BASE, "demo/fast.py": "x"}, {**BASE, "demo/fast": "*"}) == ""
    deep = {**BASE, "demo/x/y/a.py": "x"}
    assert missing({**deep, "demo/x/b.py": "x"}, deep) == f"demo/x/b.py is in {SDIST} and in no wheel"


def test_a_module_may_be_in_a_wheel_that_was_not_read() -> None:
    files = {PURE: BASE, SDIST: {**BASE, "demo/new.py": "x"}}
    assert [check for check, *_ in found(make_release(files))] == ["release/modules-not-in-wheels"]
    assert found(make_release(files, unread=[wheel("cp312")])) == []
    # One of two wheels is enough.
    both = {**files, wheel("cp312"): {**BASE, "demo/new.py": "x"}}
    assert found(make_release(both, sources=1)) == []


# --- an sdist that cannot be built ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extensions", "sources", "named"),
    [
        (["demo/_fast"], {}, "demo/_fast"),
        ([f"demo/{name}" for name in "wvxyz"], {}, "demo/v, demo/w, demo/x, demo/y and 1 more"),
        (["demo/_fast"], {"demo/_fast.py": "x"}, ""),
        (["demo/_fast", "demo/_other"], {"src/demo/_fast.py": "x"}, "demo/_other"),
        (["demo/_fast"], {"demo/fast.py": "x", "setup.py": "x"}, "demo/_fast"),
        (["demo/_fast"], {"demo/_ffi_x.py": "x"}, ""),
        (["demo/_fast"], {"demo/_build.py": "x"}, ""),
        (["demo/abc__mypyc"], {}, ""),
        ([], {}, ""),
    ],
)
def test_names_compiled_modules_without_sources(
    extensions: list[str], sources: dict[str, str], named: str
) -> None:
    built = {**BASE, **dict.fromkeys(extensions, "*")}
    files = {wheel("cp312"): built, SDIST: {**BASE, **sources}}
    expected = f"it has no source in a compiled language, but the wheels have {named}"
    reported = [each for each in found(make_release(files)) if each[0] == "release/sdist-without-sources"]
    assert reported == ([("release/sdist-without-sources", SDIST, expected)] if named else [])
    with_sources = make_release(files, sources=1)
    assert not [each for each in found(with_sources) if each[0] == "release/sdist-without-sources"]

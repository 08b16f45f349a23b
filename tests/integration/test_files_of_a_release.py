"""The files of a release against each other, with the real command (H20, H21, H22, H29)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import in_process
from tools.testing import wheels
from wheel_uploader.checks import release_modules

#: The wheels are tiny and have no compiled code.
ACCEPTED = ("native", "metadata/thin", "release/no-sdist")
INIT = b"__version__ = '1.0'\n"


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def stage_wheel(tag: str = "py3-none-any", **parts: Any) -> None:
    """Stage a wheel of demo 1.0; ``files`` are its only members below site-packages."""
    files = dict(parts.pop("files", {"demo/__init__.py": INIT}))
    without = () if "demo/__init__.py" in files else ("demo/__init__.py",)
    wheels.make_wheel(Path("staged"), "demo", "1.0", tag, files=files, without=without, **parts)


def stage_sdist(files: dict[str, bytes]) -> None:
    wheels.make_sdist(Path("staged"), "demo", "1.0", files=files)


def check(*arguments: str) -> dict[str, Any]:
    """Return the real command's report on the staged files."""
    ignored = [part for each in ACCEPTED for part in ("--ignore", each)]
    result = in_process.run("--until", "check", "-u", "staged", "--format", "json", *ignored, *arguments)
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["exit_code"] == result.exit_code
    return report


def found(*arguments: str) -> dict[str, tuple[str, str]]:
    """Return the subject and the message of each finding except notes, by check."""
    return {
        finding["check"]: (finding["subject"], finding["message"])
        for finding in check(*arguments)["findings"]
        if finding["severity"] != "note" and not finding["ignored"]
    }


# --- H20: a wheel that is older than its sdist ------------------------------------------------------

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


@pytest.mark.parametrize("folder", ["", "src/", "python/", "lib/python/"])
def test_names_both_files_of_a_stale_wheel(folder: str) -> None:
    stage_wheel(files={"demo/__init__.py": b"__version__ = '0.9'\n", "demo/removed.py": b""})
    stage_sdist({f"{folder}demo/__init__.py": INIT})
    assert found() == {
        "release/differs-from-sdist": (
            WHEEL,
            f"demo/__init__.py states version 0.9, but 1.0 in {SDIST}; demo/removed.py is not in the sdist",
        )
    }


def test_a_stale_text_without_a_version_is_named() -> None:
    stage_wheel(files={"demo/__init__.py": INIT, "demo/core.py": b"x = 1\n"})
    stage_sdist({"demo/__init__.py": INIT, "demo/core.py": b"x = 2\n"})
    assert found() == {
        "release/differs-from-sdist": (WHEEL, f"demo/core.py has another text than in {SDIST}")
    }


@pytest.mark.parametrize(("in_wheel", "in_sdist"), [(b"", b"x = 1\n"), (b"x = 1\n", b"")])
def test_an_empty_module_differs_from_one_with_text(in_wheel: bytes, in_sdist: bytes) -> None:
    stage_wheel(files={"demo/__init__.py": INIT, "demo/a.py": in_wheel})
    stage_sdist({"demo/__init__.py": INIT, "demo/a.py": in_sdist})
    assert found()["release/differs-from-sdist"][1] == f"demo/a.py has another text than in {SDIST}"


def test_an_older_sdist_is_named() -> None:
    stage_wheel(files={"demo/__init__.py": INIT})
    stage_sdist({"demo/__init__.py": b'__version__: str = "0.9.1"\n'})
    assert found()["release/differs-from-sdist"][1].startswith("demo/__init__.py states version 1.0, but 0.9")


def test_one_of_two_wheels_is_stale() -> None:
    stage_wheel("cp311-cp311-win_amd64", files={"demo/__init__.py": INIT, "demo/a.py": b"old\n"})
    stage_wheel("cp312-cp312-win_amd64", files={"demo/__init__.py": INIT, "demo/a.py": b"new\n"})
    stage_sdist({"demo/__init__.py": INIT, "demo/a.py": b"new\n", "demo/c.c": b""})
    subject, message = found()["release/differs-from-sdist"]
    assert subject == "demo-1.0-cp311-cp311-win_amd64.whl"
    assert message == f"demo/a.py has another text than in {SDIST}"


#: Files of a wheel and of an sdist that may differ in this way.
TOLERATED: dict[str, tuple[dict[str, bytes], dict[str, bytes]]] = {
    "a generated version file": (
        {"demo/__init__.py": INIT, "demo/_version.py": b"version = '1.0'\ncommit_id = 'g12'\n"},
        {"demo/__init__.py": INIT, "demo/_version.py": b"version = '1.0'\ncommit_id = None\n"},
    ),
    "a generated version file that only the wheel has": (
        {"demo/__init__.py": INIT, "demo/_version.py": b"version = '1.0'\n"},
        {"demo/__init__.py": INIT},
    ),
    "a version that the build replaces": (
        {"demo/__init__.py": INIT, "demo/_version.py": b"version = '1.0'\n"},
        {"demo/__init__.py": INIT, "demo/_version.py": b"version = '0.0.0'\n"},
    ),
    "a package below src": ({"demo/__init__.py": INIT}, {"src/demo/__init__.py": INIT}),
    "line ends of Windows": (
        {"demo/__init__.py": INIT.replace(b"\n", b"\r\n"), "demo/a.py": b"x\r\ny\r\n"},
        {"demo/__init__.py": INIT, "demo/a.py": b"x\ny\n"},
    ),
    "modules that a build makes": (
        {"demo/__init__.py": INIT, "demo/parser_pb2.py": b"x\n", "demo/tables.py": b"x\n"},
        {"demo/__init__.py": INIT, "demo/parser.proto": b"x\n"},
    ),
    "a package that the build moves": (
        {"demo/__init__.py": INIT, "demo/a.py": b"x\n", "demo/b.py": b"x\n"},
        {"lib/core/__init__.py": INIT, "lib/core/a.py": b"x\n", "demo/example.py": b"x\n"},
    ),
    "a module of another spelling of the version": (
        {"demo/__init__.py": b"__version__ = '1.0.0'\n"},
        {"demo/__init__.py": b"__version__ = '1.0.0'\n"},
    ),
    "tests, documentation and helpers of the build": (
        {"demo/__init__.py": INIT},
        {
            "demo/__init__.py": INIT,
            "demo/tests/__init__.py": b"",
            "demo/tests/test_a.py": b"x\n",
            "demo/conftest.py": b"x\n",
            "demo/setup.py": b"x\n",
            "demo/_build_utils/__init__.py": b"",
            "demo/generate_tables.py": b"x\n",
            "demo/templates/__init__.py": b"",
            "docs/demo/__init__.py": b"",
            "docs/conf.py": b"x\n",
            "setup.py": b"x\n",
            "tools/demo/make.py": b"x\n",
        },
    ),
    "data and folders that are not packages": (
        {"demo/__init__.py": INIT},
        {"demo/__init__.py": INIT, "demo/grammar/make.py": b"x\n", "demo/a.c": b"", "demo/README.txt": b""},
    ),
}


@pytest.mark.parametrize("what", TOLERATED)
def test_tolerates_what_a_build_changes(what: str) -> None:
    in_wheel, in_sdist = TOLERATED[what]
    stage_wheel(files=in_wheel)
    stage_sdist(in_sdist)
    assert found() == {}


def test_a_repair_tool_changes_the_wheels_for_one_system() -> None:
    """A repair tool for Windows adds a block to the package; a file may be made for one system."""
    patched = INIT + b"# start delvewheel patch\nimport os\n# end delvewheel patch\n"
    for python in ("cp311", "cp312"):
        stage_wheel(
            f"{python}-{python}-win_amd64", files={"demo/__init__.py": patched, "demo/_sysfiles.py": b"nt\n"}
        )
        stage_wheel(
            f"{python}-{python}-macosx_11_0_arm64",
            files={"demo/__init__.py": INIT, "demo/_sysfiles.py": b"x\n"},
        )
    stage_sdist({"demo/__init__.py": INIT, "demo/_sysfiles.py": b"x\n", "demo/a.c": b""})
    assert found() == {}


# --- H21: modules that are not packaged -------------------------------------------------------------


def test_names_a_subpackage_that_no_wheel_has() -> None:
    stage_wheel()
    stage_sdist({"demo/__init__.py": INIT, "demo/sub/__init__.py": b"", "demo/data.json": b"{}"})
    assert found() == {
        "release/modules-not-in-wheels": ("release", f"demo/sub/ is in {SDIST} and in no wheel")
    }


def test_names_a_subpackage_of_a_namespace_that_is_called_like_the_project() -> None:
    stage_wheel(files={"demo/__init__.py": INIT, "space/demo/__init__.py": INIT})
    stage_sdist({"demo/__init__.py": INIT, "space/demo/__init__.py": INIT, "space/demo/sub/__init__.py": b""})
    assert found()["release/modules-not-in-wheels"][1].startswith("space/demo/sub/ is in ")


def test_names_modules_and_the_marker_of_types() -> None:
    stage_wheel("cp311-cp311-win_amd64")
    stage_wheel("cp312-cp312-win_amd64")
    stage_sdist(
        {
            "src/demo/__init__.py": INIT,
            "src/demo/new.py": b"x\n",
            "src/demo/py.typed": b"",
            "src/demo/a/__init__.py": b"",
            "src/demo/a/b/__init__.py": b"",
            "src/demo/a.c": b"",
        }
    )
    assert found()["release/modules-not-in-wheels"] == (
        "release",
        f"demo/a/, demo/new.py, demo/py.typed are in {SDIST} and in no wheel",
    )


def test_a_compiled_module_is_not_missing() -> None:
    stage_wheel(
        "cp312-cp312-win_amd64", files={"demo/__init__.py": INIT, "demo/fast.cp312-win_amd64.pyd": b"MZ"}
    )
    stage_sdist({"demo/__init__.py": INIT, "demo/fast.py": b"x\n"})
    assert not {each for each in found("--ignore", "archive") if each.startswith("release/")}


def test_a_module_for_one_system_is_not_missing() -> None:
    stage_wheel("cp312-cp312-win_amd64", files={"demo/__init__.py": INIT, "demo/windows.py": b"x\n"})
    stage_wheel("cp312-cp312-macosx_11_0_arm64")
    stage_sdist({"demo/__init__.py": INIT, "demo/windows.py": b"x\n", "demo/a.c": b""})
    assert found() == {}


# --- H22: the odd one -------------------------------------------------------------------------------

PYTHONS = ("cp310", "cp311", "cp312", "cp313")
GOOD = {"demo/__init__.py": b"x=1\n", "demo/_version.py": b"__version__ = '1.0'\n"}
OTHER_VERSION = "it states version 1.0.dev3+gabc, not 1.0"
ODD = {"demo/__init__.py": b"x=0  # yesterday\n", "demo/_version.py": b"__version__ = '1.0.dev3+gabc'\n"}


def stage_matrix(
    odd: dict[str, dict[str, bytes]], platforms: tuple[str, ...] = ("manylinux_2_28_x86_64",)
) -> None:
    for platform in platforms:
        for python in PYTHONS:
            tag = f"{python}-{python}-{platform}"
            stage_wheel(tag, files=odd.get(tag, odd.get(python, GOOD)))


def test_names_the_odd_one() -> None:
    stage_matrix({"cp311": ODD})
    assert found() == {
        "release/odd-modules": (
            "demo-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            f"it has another demo/__init__.py, demo/_version.py; {OTHER_VERSION}; 3 comparable wheels agree",
        )
    }


def test_names_it_once_where_there_is_an_sdist() -> None:
    stage_matrix({"cp311": ODD})
    stage_sdist({**GOOD, "demo/a.c": b""})
    assert [each for each in found() if each != "release/odd-modules"] == ["release/differs-from-sdist"]
    assert "_version.py states version 1.0.dev3+gabc, but 1.0" in found()["release/differs-from-sdist"][1]


@pytest.mark.parametrize("python", PYTHONS)
def test_names_a_module_that_one_lacks(python: str) -> None:
    more = {**GOOD, "demo/sub/__init__.py": b"", "demo/_fast.cpython-310-x86_64-linux-gnu.so": b"\x7fELF"}
    files = {each: more for each in PYTHONS if each != python}
    stage_matrix(files)
    assert found("--ignore", "archive")["release/odd-modules"] == (
        f"demo-1.0-{python}-{python}-manylinux_2_28_x86_64.whl",
        "it lacks demo/_fast, demo/sub/__init__.py; 3 comparable wheels agree",
    )


def test_accepts_a_difference_by_the_version_of_python() -> None:
    """The oldest Python needs another module, on each platform."""
    stage_matrix(
        {"cp310": {**GOOD, "demo/_compat.py": b"x\n", "demo/__init__.py": b"x=3\n"}},
        ("manylinux_2_28_x86_64", "win_amd64"),
    )
    assert found() == {}


def test_accepts_a_difference_by_the_platform() -> None:
    mac = {f"{each}-{each}-macosx_11_0_arm64": {**GOOD, "demo/__init__.py": b"x=mac\n"} for each in PYTHONS}
    stage_matrix(mac, ("manylinux_2_28_x86_64", "macosx_11_0_arm64", "win_amd64"))
    assert found() == {}


def test_accepts_settings_that_each_build_writes() -> None:
    stage_matrix({each: {**GOOD, "demo/__config__.py": each.encode()} for each in PYTHONS})
    assert found() == {}


def test_the_odd_one_among_many_platforms() -> None:
    odd = "cp313-cp313-win_amd64"
    stage_matrix({odd: ODD}, ("manylinux_2_28_x86_64", "macosx_11_0_arm64", "win_amd64"))
    assert [subject for subject, _ in found().values()] == [f"demo-1.0-{odd}.whl"]


@pytest.mark.parametrize("pythons", [PYTHONS[:2], PYTHONS[:3]])
def test_names_a_wheel_of_another_version_among_few(pythons: tuple[str, ...]) -> None:
    for python in pythons:
        files = {**GOOD, "demo/_version.py": ODD["demo/_version.py"]} if python == "cp311" else GOOD
        stage_wheel(f"{python}-{python}-manylinux_2_28_x86_64", files=files)
    agree = "1 comparable wheel agrees" if len(pythons) == 2 else "2 comparable wheels agree"
    assert found() == {
        "release/odd-modules": (
            "demo-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            f"it has another demo/_version.py; {OTHER_VERSION}; {agree}",
        )
    }


def test_accepts_versions_that_are_not_those_of_the_release() -> None:
    vendored = {
        python: {**GOOD, "demo/vendored/__init__.py": b"__version__ = '2.%d'\n" % number}
        for number, python in enumerate(PYTHONS)
    }
    stage_matrix(vendored)
    assert found() == {}


# --- H29: an sdist that cannot be built -------------------------------------------------------------


def make_sdist_of(members: dict[str, bytes]) -> None:
    import io
    import tarfile

    Path("staged").mkdir(exist_ok=True)
    with tarfile.open(Path("staged") / SDIST, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path, data in members.items():
            info = tarfile.TarInfo(f"demo-1.0/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


PKG_INFO = wheels.METADATA.format(project="demo", version="1.0").encode()


def test_an_sdist_without_a_build_system_is_an_error() -> None:
    make_sdist_of({"PKG-INFO": PKG_INFO, "demo/__init__.py": INIT, "demo/setup.py": b"", "setup.cfg": b""})
    report = check()
    assert report["exit_code"] == 6
    assert [each["check"] for each in report["findings"] if each["severity"] == "error"] == [
        "sdist/no-build-system"
    ]


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.py"])
def test_one_of_the_two_files_is_enough(name: str) -> None:
    make_sdist_of({"PKG-INFO": PKG_INFO, "demo/__init__.py": INIT, name: b""})
    assert check()["exit_code"] == 0


EXTENSION = {"demo/__init__.py": INIT, "demo/_fast.cp312-win_amd64.pyd": b"MZ"}


def test_reports_an_sdist_without_the_sources_of_a_compiled_wheel() -> None:
    stage_wheel("cp312-cp312-win_amd64", files=EXTENSION)
    stage_sdist({"demo/__init__.py": INIT})
    assert found()["release/sdist-without-sources"] == (
        SDIST,
        "it has no source in a compiled language, but the wheels have demo/_fast",
    )


@pytest.mark.parametrize(
    "source",
    [
        *("demo/_fast.c", "src/fast.CPP", "demo/_fast.pyx", "src/lib.rs", "a.f90", "main.go", "a.cu"),
        *("numpy/a.c.src", "demo/_fast.pyx.in", "vendor/lib.tar.gz", "demo/_fast.py", "demo/_build_ffi.py"),
    ],
)
def test_any_source_will_do(source: str) -> None:
    stage_wheel("cp312-cp312-win_amd64", files=EXTENSION)
    stage_sdist({"demo/__init__.py": INIT, source: b""})
    assert "release/sdist-without-sources" not in found()


# --- limits -----------------------------------------------------------------------------------------


def test_reports_that_too_many_modules_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    stage_wheel(files={"demo/__init__.py": INIT, "demo/core.py": b"x = 1\n"})
    stage_sdist({"demo/__init__.py": INIT, "demo/core.py": b"x = 2\n"})
    line = "the modules of the files against each other: they have more than 1 together"
    assert line not in check()["not_checked"]
    monkeypatch.setattr(release_modules, "MAX_ENTRIES", 1)
    report = check()
    assert line in report["not_checked"]
    assert not [each for each in report["findings"] if each["check"] == "release/differs-from-sdist"]

"""The installed layout: what pip and installer do with a wheel is what the checks say."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from tests.support.zips import DIST_INFO, WHEEL, RawMember, content, raw_members, raw_zip
from tools.testing.wheels import METADATA, wheel_bytes, wheel_members
from wheel_uploader import checks
from wheel_uploader.core.models import CheckProfile, Severity

T = TypeVar("T")
DATA = "dipy-1.11.0.data"
SOURCE = b'__version__ = "1.11.0"\n'


def reported(data: bytes, filename: str = WHEEL) -> dict[str, str]:
    """Return the severity of each check that has a finding, without notes."""
    found = checks.check_contents([content(data, filename)], profile=CheckProfile.PYPI)
    return {finding.check: finding.severity.value for finding in found if finding.severity != Severity.NOTE}


def add(files: dict[str, bytes], requires: str = "") -> bytes:
    """Return a good wheel with these files besides; ``requires`` are lines of its metadata."""
    metadata = METADATA.format(project="dipy", version="1.11.0")
    return wheel_bytes(
        files=files, metadata=metadata.replace("Requires-Python", f"{requires}Requires-Python")
    )


def add_scripts(text: str, files: dict[str, bytes] | None = None, requires: str = "") -> bytes:
    return add({**(files or {}), f"{DIST_INFO}/entry_points.txt": text.encode()}, requires)


def set_mode(mode: int, path: str = "dipy/a.py", system: int = 3) -> bytes:
    """Return a wheel in which one more member has these mode bits."""
    members = raw_members(files={path: b"#!python\n"})
    member = next(member for member in members if member.name == path.encode())
    member.mode = mode
    return raw_zip(members)


def zip_bytes_without_modes() -> bytes:
    """Return a good wheel as zipfile writes it by default."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in wheel_members().items():
            archive.writestr(name, data)
    return stream.getvalue()


def flatten(groups: Mapping[tuple[str, str], Mapping[str, T]]) -> dict[str, tuple[T, str, str]]:
    """Return the faults by name, each with the check that reports it and the severity."""
    return {
        name: (fault, check, severity)
        for (check, severity), faults in groups.items()
        for name, fault in faults.items()
    }


FAULTS = flatten(
    {
        ("wheel/unknown-scheme", "error"): {
            "an unknown scheme": add({f"{DATA}/bogus/x": b""}),
            "a file without a scheme": add({f"{DATA}/notes.txt": b""}),
            "a scheme that is a file": add({f"{DATA}/scripts": b""}),
        },
        ("wheel/foreign-data", "error"): {
            "data of another project": add({"other-1.0.data/purelib/dipy/a.py": b""}),
            "data of another version": add({"dipy-1.0.data/purelib/dipy/a.py": b""}),
            # pip installs the script; uv and installer copy the directory (tried with 0.13.9 and 1.1.0).
            "another spelling": add({"Dipy-1.11.0.data/scripts/fit": b"#!python\n"}),
        },
        ("wheel/path-collision", "error"): {
            "two contents for a module": add({f"{DATA}/purelib/dipy/__init__.py": b"x = 1\n"}),
            "two contents in two schemes": add(
                {f"{DATA}/purelib/dipy/a.py": b"x = 1\n", f"{DATA}/platlib/dipy/a.py": b"x = 2\n"}
            ),
            "a script in two schemes": add(
                {f"{DATA}/scripts/fit": b"#!python\n", f"{DATA}/data/bin/fit": b"#!/bin/sh\n"}
            ),
            "a script that is generated as well": add_scripts(
                "[console_scripts]\nfit = dipy:main\n",
                {"dipy/__init__.py": b"def main(): ...\n", f"{DATA}/scripts/fit": b"#!python\n"},
            ),
            "a script of both kinds": add_scripts(
                "[console_scripts]\nfit = dipy:main\n[gui_scripts]\nfit = dipy:main\n",
                {"dipy/__init__.py": b"def main(): ...\n"},
            ),
        },
        ("wheel/site-packages-in-data", "warning"): {
            "site-packages in data": add({f"{DATA}/data/lib/python3.11/site-packages/dipy/a.py": b""}),
            "dist-packages in data": add({f"{DATA}/data/lib/python3/dist-packages/dipy/a.py": b""}),
            "site-packages of PyPy in data": add({f"{DATA}/data/lib/pypy3.11/site-packages/dipy/a.py": b""}),
            "site-packages of Windows in data": add({f"{DATA}/data/lib/site-packages/dipy/a.py": b""}),
        },
        ("wheel/installer-file", "warning"): {
            "an origin": add({f"{DIST_INFO}/direct_url.json": b"{}"}),
            "an installer": add({f"{DIST_INFO}/INSTALLER": b"pip\n"}),
            "a request": add({f"{DIST_INFO}/REQUESTED": b""}),
            "a cache key of uv": add({f"{DIST_INFO}/uv_cache.json": b"{}"}),
        },
        ("wheel/editable", "error"): {
            "an editable wheel": add({"__editable__.dipy-1.11.0.pth": b"/home/me/dipy/src\n"}),
            "an absolute path": add({"dipy.pth": b"# here\nC:\\dipy\\src\n"}),
            "a path after a byte order mark": add({"dipy.pth": b"\xef\xbb\xbf/home/me/src\n"}),
            "a path that leaves site-packages": add({"dipy.pth": b"../../src\n"}),
            "a path from the home directory": add({"dipy.pth": b"~/src\n"}),
            "a loader of hatchling": add({"_editable_impl_dipy.py": b"x = 1\n"}),
            "a loader of meson-python": add({"_dipy_editable_loader.py": b"x = 1\n"}),
            "a loader of scikit-build-core": add({"_dipy_editable.py": b"x = 1\n"}),
        },
        ("wheel/builder-shebang", "error"): {
            "the builder's Python": add(
                {f"{DATA}/scripts/fit": b"#!/home/me/venv/bin/python3.11\nprint(1)\n"}
            ),
            "the Python of an image": add({f"{DATA}/scripts/fit": b"#!/opt/python/cp311-cp311/bin/python\n"}),
            "the builder's Python on Windows": add(
                {f"{DATA}/scripts/fit.py": b'#!"C:\\Users\\My Name\\python.exe"\r\n'}
            ),
        },
        ("wheel/file-mode", "warning"): {
            "a mode of 600": set_mode(0o100600),
            "a mode of 0": set_mode(0o100000, f"{DATA}/scripts/fit"),
            "a script without a mode": set_mode(0, f"{DATA}/scripts/fit"),
            "a mode without a type": set_mode(0o600),
            "setuid": set_mode(0o104755),
        },
        ("content/shared-namespace", "warning"): {
            "a namespace": add({"google/__init__.py": b""}),
            "a namespace in a namespace": add({"google/cloud/__init__.py": b""}),
        },
    }
)


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    data, check, severity = FAULTS[fault]
    assert reported(data) == {check: severity}


GOOD = {
    "each scheme": add(
        {
            f"{DATA}/purelib/dipy/a.py": b"",
            f"{DATA}/platlib/dipy/b.py": b"",
            f"{DATA}/headers/dipy.h": b"",
            f"{DATA}/scripts/fit": b"#!python\n",
            f"{DATA}/data/share/dipy/x": b"",
        }
    ),
    "a directory in data": add({f"{DATA}/": b""}),
    "a directory called data": add({"dipy/x.data/bogus/y": b""}),
    "two copies of one file": add({f"{DATA}/purelib/dipy/__init__.py": SOURCE}),
    "one name in two schemes": add({f"{DATA}/scripts/dipy": b"#!python\n", f"{DATA}/data/dipy": b""}),
    "a relative path": add({"dipy.pth": b"dipy/src\n# /home/me\n"}),
    "a path to the wheel's data": add(
        {"dipy.pth": b"../../../share/dipy\n", f"{DATA}/data/share/dipy/a.py": b""}
    ),
    "other programs": add(
        {
            f"{DATA}/scripts/a": b"#!/bin/sh\n",
            f"{DATA}/scripts/b": b"#!/usr/bin/env python3\n",
            f"{DATA}/scripts/c": b"#!/usr/bin/python3\n",
            f"{DATA}/scripts/d": b"#!pythonw\n",
            f"{DATA}/scripts/e": b"#!/opt/tool/bin/perl\n",
        }
    ),
    "no mode": set_mode(0),
    "modes of writestr": zip_bytes_without_modes(),
    "usual modes": set_mode(0o100664),
    "a program": set_mode(0o100755),
    "a private file of metadata": set_mode(0o600, f"{DIST_INFO}/extra.json"),
    "another file called INSTALLER": add({"dipy/INSTALLER": b"", f"{DIST_INFO}/licenses/INSTALLER": b""}),
    "a namespace that is extended": add(
        {"google/__init__.py": b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"}
    ),
    "a package in a namespace": add({"google/dipy/__init__.py": b""}),
}


@pytest.mark.parametrize("case", GOOD)
def test_accepts_a_good_wheel(case: str) -> None:
    assert reported(GOOD[case]) == {}


def test_accepts_a_namespace_of_the_project_itself() -> None:
    data = wheel_bytes("google", "1.0", metadata=METADATA.format(project="google", version="1.0"))
    assert reported(data, "google-1.0-py3-none-any.whl") == {}


# --- scripts -------------------------------------------------------------------------------------------

MAIN = {"dipy/__init__.py": b"def main(): ...\n", "dipy/cli.py": b"class App:\n    run = 1\n"}


@dataclass(frozen=True)
class Script:
    """A line of entry_points.txt, and the files and requirements of its wheel."""

    line: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    requires: str = ""

    def wheel(self, group: str = "console_scripts") -> bytes:
        return add_scripts(f"[{group}]\n{self.line}\n", {**MAIN, **self.files}, self.requires)


SCRIPT_FAULTS = flatten(
    {
        ("wheel/bad-script", "error"): {
            "no function": Script("demo = dipy"),
            "nothing": Script("demo ="),
            "no object": Script("demo = not an object!!"),
            "a hyphen": Script("demo = dipy.demo-run:main"),
            "a hyphen in the function": Script("demo = dipy:main-loop"),
            "two colons": Script("demo = dipy:a:b"),
            "a keyword": Script("demo = dipy.import:main"),
            "a number": Script("demo = dipy.3d:main"),
            "a blank": Script("demo = dipy : main"),
            "extras that pip does not read": Script("demo = dipy:main[x, y-z]"),
            "an open bracket": Script("demo = dipy:main [x"),
        },
        ("wheel/missing-script-module", "error"): {
            "a missing module": Script("demo = dipy.run:main"),
            "a missing package": Script("demo = nipy:main"),
            "a missing module of a package, with requirements": Script(
                "demo = dipy.run:main", requires="Requires-Dist: numpy\n"
            ),
            "only a stub": Script("demo = dipy.run:main", {"dipy/run.pyi": b""}),
            "only a directory": Script("demo = dipy.run:main", {"dipy/run/data.txt": b""}),
        },
        ("wheel/missing-script-function", "warning"): {
            "a missing function": Script("demo = dipy.cli:main"),
            "a function of a missing submodule": Script("demo = dipy:sub.main"),
            "a function of a directory": Script("demo = dipy:sub.main", {"dipy/sub/main.py": b"x = 1\n"}),
            "a function with a longer name": Script(
                "demo = dipy.run:main", {"dipy/run.py": b"def main_loop(): ...\nx_main = 1\n"}
            ),
            "a submodule instead of a function": Script(
                "demo = dipy.sub:main", {"dipy/sub/__init__.py": b"", "dipy/sub/main.py": b"x = 1\n"}
            ),
        },
    }
)


@pytest.mark.parametrize("group", ["console_scripts", "gui_scripts"])
@pytest.mark.parametrize("fault", SCRIPT_FAULTS)
def test_reports_only_the_planted_fault_of_a_script(fault: str, group: str) -> None:
    script, check, severity = SCRIPT_FAULTS[fault]
    assert reported(script.wheel(group)) == {check: severity}


GOOD_SCRIPTS = {
    "an extra": Script("demo = dipy:main [x]"),
    "two extras": Script("demo=dipy:main[x-y, z]"),
    "a method": Script("demo = dipy.cli:App.run"),
    # The script of pip is "from dipy import cli", which imports the module.
    "a function of a submodule": Script("demo = dipy:sub.main", {"dipy/sub.py": b"def main(): ...\n"}),
    "a function of a subpackage": Script(
        "demo = dipy:sub.main", {"dipy/sub/__init__.py": b"from .x import main"}
    ),
    "a package": Script("demo = dipy.sub:main", {"dipy/sub/__init__.py": b"from .x import main\n"}),
    "all names of another module": Script("demo = dipy.run:main", {"dipy/run.py": b"from dipy import *\n"}),
    "names made on request": Script("demo = dipy.run:main", {"dipy/run.py": b"def __getattr__(name): ...\n"}),
    "a required project": Script("demo = nipy.cli:main", requires="Requires-Dist: nipy\n"),
    "a project of an extra": Script(
        "demo = nipy:main", requires="Requires-Dist: nipy; extra == 'x'\nProvides-Extra: x\n"
    ),
    "the standard library": Script("demo = json.tool:main"),
    "a namespace of other projects": Script(
        "demo = space.cli:main", {"space/dipy/__init__.py": b""}, requires="Requires-Dist: nipy\n"
    ),
    "a namespace": Script("demo = space.cli:main", {"space/cli.py": b"def main(): ...\n"}),
    "a path in another directory": Script("demo = tool:main", {"dipy.pth": b"dipy/src\n"}),
    "a module in purelib": Script(
        "demo = dipy.run:main", {f"{DATA}/purelib/dipy/run.py": b"def main(): ...\n"}
    ),
    "bytecode": Script("demo = dipy.run:main", {"dipy/run.pyc": b"main"}),
}


@pytest.mark.parametrize("case", GOOD_SCRIPTS)
def test_accepts_a_good_script(case: str) -> None:
    assert reported(GOOD_SCRIPTS[case].wheel()).keys() <= {"content/bytecode"}


def test_does_not_judge_entry_points_of_other_groups() -> None:
    assert reported(add_scripts("[dipy.plugins]\na = nowhere\nb = dipy.no-module:x\nc = dipy.run:x\n")) == {}


def test_a_module_that_is_an_extension_is_there() -> None:
    files = {
        **MAIN,
        "dipy/_run.cpython-312-x86_64-linux-gnu.so": b"",
        f"{DIST_INFO}/entry_points.txt": b"""\
[console_scripts]
demo = dipy._run:main
""",
    }
    tag = "cp312-cp312-manylinux_2_28_x86_64"
    data = wheel_bytes(tag=tag, files=files)
    found = reported(data, f"dipy-1.11.0-{tag}.whl")
    assert {check for check in found if check.startswith("wheel/")} == set()


# --- what installers do --------------------------------------------------------------------------------


def pip_install(data: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    """Install a wheel with pip into a directory."""
    path = folder / WHEEL
    path.write_bytes(data)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile"]
    command += [
        "--disable-pip-version-check",
        "--ignore-installed",
        "--prefix",
        str(folder / "prefix"),
        str(path),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


#: Faults for which pip refuses to install a wheel.
REFUSED_BY_PIP = [
    *("an unknown scheme", "a file without a scheme", "a scheme that is a file"),
    *("no function", "nothing", "no object", "a hyphen", "two colons", "a blank", "an open bracket"),
    "extras that pip does not read",
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", REFUSED_BY_PIP)
def test_wheels_that_pip_refuses_are_errors(fault: str, tmp_path: Path) -> None:
    if fault in FAULTS:
        data, _, severity = FAULTS[fault]
    else:
        script, _, severity = SCRIPT_FAULTS[fault]
        data = script.wheel()
    assert severity == "error"
    assert pip_install(data, tmp_path).returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["each scheme", "a directory called data", "two copies of one file", "other programs"]
)
def test_pip_installs_what_is_accepted(case: str, tmp_path: Path) -> None:
    done = pip_install(GOOD[case], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["demo = dipy:main [x]", "demo=dipy:main[x-y, z]", "demo = dipy.cli:App.run"]
)
def test_pip_generates_scripts_that_are_accepted(line: str, tmp_path: Path) -> None:
    done = pip_install(add_scripts(f"[console_scripts]\n{line}\n", MAIN), tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "prefix").rglob("demo*"))


def test_pip_and_installer_differ_about_data_of_another_project(tmp_path: Path) -> None:
    data = FAULTS["data of another project"][0]
    assert pip_install(data, tmp_path).returncode == 0
    assert list((tmp_path / "prefix").rglob("site-packages/dipy/a.py"))
    schemes = {name: str(tmp_path / name) for name in ("purelib", "platlib", "headers", "scripts", "data")}
    destination = SchemeDictionaryDestination(schemes, sys.executable, "posix")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.filename = str(tmp_path / WHEEL)  # It has the name of the project.
        install(WheelFile(archive), destination, {})
    assert (tmp_path / "purelib" / "other-1.0.data").is_dir()


def test_a_collision_is_an_error_for_installer(tmp_path: Path) -> None:
    data = FAULTS["two contents for a module"][0]
    schemes = {name: str(tmp_path / "site") for name in ("purelib", "platlib", "headers", "scripts", "data")}
    destination = SchemeDictionaryDestination(schemes, sys.executable, "posix")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.filename = str(tmp_path / WHEEL)
        with pytest.raises(FileExistsError):
            install(WheelFile(archive), destination, {})


# --- hostile wheels ------------------------------------------------------------------------------------


def test_deep_paths_and_many_scripts_take_no_time() -> None:
    scripts = "".join(f"s{number} = dipy.a{number}:main\n" for number in range(1500))
    deep = "a/" * 20_000
    members = [
        *raw_members(
            files={**MAIN, f"{DIST_INFO}/entry_points.txt": f"[console_scripts]\n{scripts}".encode()}
        ),
        RawMember(f"{deep}x.py".encode(), b""),
        RawMember(f"{DATA}/purelib/{deep}y.py".encode(), b""),
    ]
    found = checks.check_contents([content(raw_zip(members))], profile=CheckProfile.PYPI)
    by_check = [finding.check for finding in found]
    assert by_check.count("wheel/missing-script-module") > 1
    assert "archive/over-budget" not in by_check


def warn(scripts: dict[str, bytes], entry_points: str = "", platform: str = "any") -> dict[str, str]:
    """Return the checks that report scripts in .data/scripts and in entry_points.txt, with their messages."""
    files = {f"{DATA}/scripts/{name}": data for name, data in scripts.items()}
    if entry_points:
        files[f"{DIST_INFO}/entry_points.txt"] = entry_points.encode()
    files["dipy/__init__.py"] = b"def main(): ...\n"
    filename = WHEEL.replace("any.whl", f"{platform}.whl")
    data = wheel_bytes(tag=f"py3-none-{platform}", files=files)
    found = checks.check_contents([content(data, filename)], profile=CheckProfile.PYPI)
    return {
        finding.check: finding.message
        for finding in found
        if "script" in finding.check or "shebang" in finding.check
    }


@pytest.mark.parametrize(
    ("first_line", "message"),
    [
        (b"#!/usr/bin/env python3\r\n", "its first line ends with a carriage return"),
        (b"#!/bin/sh\r\necho\r\n", "its first line ends with a carriage return"),
        (b"\xef\xbb\xbf#!python\n", "a byte order mark precedes its first line"),
        (b"#! python\n", "its interpreter 'python' has no path"),
        (b"#!bash -e\n", "its interpreter 'bash' has no path"),
    ],
)
def test_reports_a_first_line_that_the_system_cannot_run(first_line: bytes, message: str) -> None:
    assert warn({"fit": first_line}) == {"wheel/bad-shebang": message}
    assert warn({"fit": first_line}, platform="win_amd64") == {}


@pytest.mark.parametrize(
    "first_line",
    [
        b"#!python\r\nx\r\n",
        b"#!pythonw\n",
        b"#! /bin/sh\n",
        b"#!/bin/sh -e\n",
        b"echo\r\n",
        b"",
        b"#!/bin/sh",
    ],
)
def test_accepts_a_first_line_that_the_system_can_run(first_line: bytes) -> None:
    assert warn({"fit": first_line}) == {}


@pytest.mark.parametrize("name", ["python", "python3", "Python3.12", "pythonw", "pip", "pip3", "python.exe"])
def test_a_script_that_replaces_a_program_of_the_environment_is_a_warning(name: str) -> None:
    message = f"the script '{name}' replaces a program of the environment"
    assert warn({}, f"[console_scripts]\n{name} = dipy:main\n") == {"wheel/reserved-script": message}
    assert warn({name: b"#!python\n"}) == {"wheel/reserved-script": message}


@pytest.mark.parametrize("name", ["pipx", "python-dipy", "pip-dipy", "pythonic", "pydoc", "pip.py"])
def test_accepts_a_script_named_similarly(name: str) -> None:
    assert warn({}, f"[console_scripts]\n{name} = dipy:main\n") == {}


def test_scripts_that_differ_only_by_case_are_a_warning() -> None:
    message = "the script 'FIT' differs from 'fit' only in upper and lower case"
    expected = {"wheel/script-case-collision": message}
    assert warn({}, "[console_scripts]\nfit = dipy:main\nFIT = dipy:main\n") == expected
    assert warn({"FIT": b"#!python\n"}, "[console_scripts]\nfit = dipy:main\n") == expected


@pytest.mark.parametrize(
    ("group", "intended"),
    [
        ("console-scripts", "console_scripts"),
        ("console_script", "console_scripts"),
        ("Console_Scripts", "console_scripts"),
        (" console_scripts ", "console_scripts"),
        ("gui-scripts", "gui_scripts"),
    ],
)
def test_a_misspelled_group_of_scripts_is_a_warning(group: str, intended: str) -> None:
    assert warn({}, f"[{group}]\nfit = dipy:main\n") == {
        "wheel/misspelled-script-group": f"the group is [{group}], not [{intended}]"
    }


@pytest.mark.parametrize("group", ["dipy.console_scripts", "pytest11", "scripts", "console"])
def test_accepts_other_groups(group: str) -> None:
    assert warn({}, f"[{group}]\nfit = dipy:main\n") == {}

"""The files that a wheel installs: each fault is planted alone, and exactly one check reports it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

import wheel_uploader
from tests.support.zips import DIST_INFO, SDIST, WHEEL, content, filename_with_tag
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes, wheel_members, zip_bytes
from wheel_uploader import checks
from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import CheckProfile, Finding, Severity
from wheel_uploader.facts.archive import obfuscation
from wheel_uploader.facts.archive.obfuscation import MAX_SCANNED_SIZE
from wheel_uploader.facts.archive.text_scanner import ScanDepth, TextScanner

LINUX = "cp312-cp312-manylinux_2_28_x86_64"
ENTER = b"__" + b"pyarmor_enter__"
BEGIN, END = b"---BEGIN " + b"PYE FILE---", b"---END " + b"PYE FILE---"


def findings(
    data: bytes, filename: str = WHEEL, profile: CheckProfile = CheckProfile.PYPI
) -> tuple[Finding, ...]:
    reported = checks.check_contents([content(data, filename)], profile=profile)
    return tuple(finding for finding in reported if not finding.check.startswith("native/"))


METADATA_WITH_DEPENDENCY = METADATA.format(project="dipy", version="1.11.0").replace(
    "Requires-Python", "Requires-Dist: numpy>=2\nRequires-Python"
)


def make_wheel_of(*paths: str, metadata: str = METADATA.format(project="dipy", version="1.11.0")) -> bytes:
    """Return a wheel with only metadata and these members."""
    members = wheel_members(files=dict.fromkeys(paths, b"x = 1\n"), metadata=metadata)
    record = [
        line for line in members[f"{DIST_INFO}/RECORD"].decode().splitlines() if "dipy/__init__" not in line
    ]
    members[f"{DIST_INFO}/RECORD"] = ("\n".join(record) + "\n").encode()
    del members["dipy/__init__.py"]
    return zip_bytes(members)


FAULTS = {
    "no files": (make_wheel_of(), "content/empty", None),
    "only a licence": (make_wheel_of(f"{DIST_INFO}/licenses/setup.py"), "content/empty", None),
    "only a data file": (make_wheel_of("dipy/data.csv"), "content/empty", None),
    "only dependencies": (
        make_wheel_of(metadata=METADATA_WITH_DEPENDENCY),
        "content/only-dependencies",
        None,
    ),
    "bytecode": (
        wheel_bytes(files={"dipy/__pycache__/a.cpython-312.pyc": b"x"}),
        "content/bytecode",
        "dipy/__pycache__/a.cpython-312.pyc",
    ),
    "optimized bytecode": (wheel_bytes(files={"dipy/a.pyo": b"x"}), "content/bytecode", "dipy/a.pyo"),
    "bytecode without its source": (
        wheel_bytes(tag=LINUX, files={"dipy/__pycache__/a.cpython-312.pyc": b"x"}),
        "content/bytecode",
        "dipy/__pycache__/a.cpython-312.pyc",
    ),
    "bytecode of another Python": (
        wheel_bytes(tag=LINUX, files={"dipy/__pycache__/__init__.cpython-311.pyc": b"x"}),
        "content/bytecode",
        "dipy/__pycache__/__init__.cpython-311.pyc",
    ),
    "tests": (wheel_bytes(files={"tests/test_a.py": b"x"}), "content/stray-toplevel", "tests"),
    "an upper-case name": (wheel_bytes(files={"Docs/conf.py": b"x"}), "content/stray-toplevel", "Docs"),
    "a readme": (wheel_bytes(files={"README.md": b"x"}), "content/stray-toplevel", "README.md"),
    "setup.py": (wheel_bytes(files={"setup.py": b"x"}), "content/stray-toplevel", "setup.py"),
    "a readme in purelib": (
        wheel_bytes(files={"dipy-1.11.0.data/purelib/README.md": b"x"}),
        "content/stray-toplevel",
        "README.md",
    ),
    "an egg-info": (
        wheel_bytes(files={"dipy.egg-info/PKG": b"x"}),
        "content/stray-toplevel",
        "dipy.egg-info",
    ),
    "a hidden file": (wheel_bytes(files={".hidden": b"x"}), "content/stray-toplevel", ".hidden"),
    "PyArmor": (
        wheel_bytes(files={"dipy/a.py": b"import b\n" + ENTER + b"(1)\n"}),
        "content/obfuscated",
        "dipy/a.py",
    ),
    "PyArmor, as it starts a module": (
        wheel_bytes(files={"dipy/a.py": b"__" + b"pyarmor__(__name__, __file__, b'')"}),
        "content/obfuscated",
        "dipy/a.py",
    ),
    "SourceDefender": (
        wheel_bytes(files={"dipy/a.pye": BEGIN + b"\nabc\n" + END + b"\n"}),
        "content/obfuscated",
        "dipy/a.pye",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    data, expected, member = FAULTS[fault]
    reported = findings(data, filename_with_tag(LINUX) if fault.startswith("bytecode ") else WHEEL)
    assert [(finding.check, finding.member) for finding in reported] == [(expected, member)]


GOOD = {
    "a module": make_wheel_of("dipy.py"),
    "stubs": make_wheel_of("dipy-stubs/__init__.pyi"),
    "a namespace package": make_wheel_of("nipy/dipy/__init__.py"),
    "a .pth": make_wheel_of("dipy.pth"),
    "a .start": make_wheel_of("dipy.start"),
    "a library and headers": make_wheel_of("nvidia/lib/libdipy.so.1", "nvidia/include/dipy.h"),
    "only headers": make_wheel_of("dipy/include/dipy.hpp"),
    "a static library": make_wheel_of("dipy/lib/libdipy.a"),
    "a script": make_wheel_of("dipy-1.11.0.data/scripts/dipy"),
    "data files of the environment": make_wheel_of("dipy-1.11.0.data/data/share/dipy/x.json"),
    "a package in purelib": make_wheel_of("dipy-1.11.0.data/purelib/dipy/__init__.py"),
    "libraries": wheel_bytes(files={"dipy.libs/notes": b"x", "dipy/.dylibs/notes": b"x"}),
    "tests of a package": wheel_bytes(files={"dipy/tests/test_a.py": b"x", "dipy/README.md": b"x"}),
    "a directory's own record": wheel_bytes(files={"dipy/": b""}),
    "one of two marks": wheel_bytes(files={"dipy/a.py": b"# " + BEGIN, "dipy/b.py": b"# " + END}),
    "marks elsewhere": wheel_bytes(files={"dipy/a.txt": ENTER + BEGIN + END}),
    "other words like a mark": wheel_bytes(
        files={"dipy/a.py": b"# __" + b"pyarmor_other " + b"PYE " + b"FILE---"}
    ),
    "too large to scan": wheel_bytes(files={"dipy/a.py": ENTER + b" " * MAX_SCANNED_SIZE}),
}


@pytest.mark.parametrize("good", GOOD)
def test_accepts_a_good_wheel(good: str) -> None:
    assert [finding for finding in findings(GOOD[good]) if finding.check.startswith("content/")] == []


def test_accepts_bytecode_of_the_only_python_with_its_source() -> None:
    path = "dipy/__pycache__/__init__.cpython-312.opt-1.pyc"
    assert findings(wheel_bytes(tag=LINUX, files={path: b"x"}), filename_with_tag(LINUX)) == ()
    stable = LINUX.replace("cp312-cp312", "cp312-abi3")
    assert len(findings(wheel_bytes(tag=stable, files={path: b"x"}), filename_with_tag(stable))) == 1


def test_accepts_a_wheel_with_only_a_program() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in wheel_members(without=("dipy/__init__.py",), files={"dipy/bin/run": b"#!"}).items():
            info = zipfile.ZipInfo(path)
            info.external_attr = (0o100755 if path == "dipy/bin/run" else 0o100644) << 16
            archive.writestr(info, data)
    assert not [finding for finding in findings(stream.getvalue()) if finding.check == "content/empty"]


def test_accepts_a_module_named_like_its_project() -> None:
    data = wheel_bytes("versioneer", files={"versioneer.py": b"x"})
    assert findings(data, WHEEL.replace("dipy", "versioneer")) == ()


def test_reports_encrypted_code_in_an_sdist() -> None:
    data = sdist_bytes(files={"dipy/a.py": b"#" * 100_000 + ENTER, "dipy/b.py": b"x", "dipy/c.txt": ENTER})
    [finding] = findings(data, SDIST)
    assert (finding.check, finding.member) == ("content/obfuscated", "dipy-1.11.0/dipy/a.py")


def test_accepts_a_project_named_like_a_stray_folder() -> None:
    data = wheel_bytes("tests", files={"tests/test_a.py": b"x"})
    assert findings(data, WHEEL.replace("dipy", "tests")) == ()


def test_reports_obfuscation_as_a_note_for_other_indexes() -> None:
    data = FAULTS["PyArmor"][0]
    (finding,) = findings(data, profile=CheckProfile.ANY)
    assert finding.severity is Severity.NOTE


@pytest.mark.parametrize("cut", range(len(BEGIN) + 4))
def test_finds_marks_split_across_chunks(cut: int) -> None:
    for text, tool in ((b"ab" + ENTER + b"cd", "PyArmor"), (b"ab" + BEGIN + END + b"cd", "SourceDefender")):
        scanner = TextScanner("demo/a.py", len(text), Budget(), ScanDepth.QUICK)
        for piece in (text[:cut], text[cut:]):
            scanner.feed(piece)
        scanner.finish(0)
        assert scanner.obfuscation_tool == tool


def test_finds_no_marks_in_this_package() -> None:
    for path in Path(wheel_uploader.__file__).parent.rglob("*.py"):
        assert obfuscation.find_tool(path.read_bytes()) == "", path

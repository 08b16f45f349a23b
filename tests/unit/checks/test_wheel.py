"""WHEEL, .dist-info and entry points: each fault is planted alone, and exactly one check reports it."""

from __future__ import annotations

import pytest

from tests.support.zips import DIST_INFO, WHEEL, check_ids, filename_with_tag, findings
from tools.testing.wheels import wheel_bytes, wheel_filename, wheel_members, zip_bytes

GOOD = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
LINUX = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"


def add_entry_points(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    modules = {"dipy/__init__.py": b"def main(): ...\n", "dipy/cli.py": b"def fit(): ...\n"}
    return wheel_bytes(files={**modules, f"{DIST_INFO}/entry_points.txt": data})


FAULTS = {
    "no dist-info": (zip_bytes({"dipy/__init__.py": b""}), WHEEL, "wheel/dist-info"),
    "two dist-info folders": (
        wheel_bytes(files={"dipy-1.10.0.dist-info/METADATA.old": b""}),
        WHEEL,
        "wheel/dist-info",
    ),
    "another project": (wheel_bytes("nipy"), WHEEL, "wheel/dist-info"),
    "another version": (wheel_bytes(version="1.12.0"), WHEEL, "wheel/dist-info"),
    "another spelling": (wheel_bytes(version="1.11"), WHEEL, "wheel/dist-info"),
    "no WHEEL": (wheel_bytes(without=(f"{DIST_INFO}/WHEEL",)), WHEEL, "wheel/no-wheel-file"),
    "no Wheel-Version": (wheel_bytes(wheel=GOOD[19:]), WHEEL, "wheel/bad-wheel-version"),
    "Wheel-Version 2.0": (wheel_bytes(wheel=GOOD.replace("1.0", "2.0")), WHEEL, "wheel/bad-wheel-version"),
    "no Root-Is-Purelib": (
        wheel_bytes(wheel=GOOD.replace("Root-Is-Purelib: true\n", "")),
        WHEEL,
        "wheel/bad-root-is-purelib",
    ),
    "an invalid Root-Is-Purelib": (
        wheel_bytes(wheel=GOOD.replace("true", "an invalid Root-Is-Purelib")),
        WHEEL,
        "wheel/bad-root-is-purelib",
    ),
    "renamed": (wheel_bytes(), filename_with_tag("py2-none-any"), "wheel/tags-mismatch-filename"),
    "renamed to more tags": (
        wheel_bytes(),
        filename_with_tag("py2.py3-none-any"),
        "wheel/tags-mismatch-filename",
    ),
    "renamed to fewer tags": (wheel_bytes(tag="py2.py3-none-any"), WHEEL, "wheel/tags-mismatch-filename"),
    "not repaired": (
        wheel_bytes(tag="cp311-cp311-linux_x86_64"),
        filename_with_tag(LINUX),
        "wheel/tags-mismatch-filename",
    ),
    "an incomplete tag": (
        wheel_bytes(wheel=GOOD.replace("py3-none-any", "py3")),
        WHEEL,
        "wheel/tags-mismatch-filename",
    ),
    "many tags": (
        wheel_bytes(wheel=GOOD.replace("py3-none-any", ".".join(["a"] * 100) + "-b.c.d.e.f.g-h.i.j.k.l")),
        WHEEL,
        "wheel/tags-mismatch-filename",
    ),
    "no Tag line": (wheel_bytes(wheel=GOOD.replace("Tag: py3-none-any\n", "")), WHEEL, "wheel/no-tag"),
    "a different build number": (
        wheel_bytes(),
        wheel_filename("dipy", "1.11.0", build="2"),
        "wheel/build-mismatch",
    ),
    "pure for one platform": (
        wheel_bytes(wheel=GOOD.replace("py3-none-any", "py3-none-win_amd64")),
        filename_with_tag("py3-none-win_amd64"),
        "wheel/purelib-contradiction",
    ),
    "platlib for any platform": (
        wheel_bytes(wheel=GOOD.replace("true", "false")),
        WHEEL,
        "wheel/purelib-contradiction",
    ),
    "a colon": (add_entry_points("[console_scripts]\ndipy: dipy:main\n"), WHEEL, "wheel/bad-entry-points"),
    "a space in a name": (
        add_entry_points("[console_scripts]\ndi py = dipy:main\n"),
        WHEEL,
        "wheel/bad-entry-points",
    ),
    "a slash in a name": (
        add_entry_points("[gui_scripts]\n../x = dipy:main\n"),
        WHEEL,
        "wheel/bad-entry-points",
    ),
    "no section": (add_entry_points("dipy = dipy:main\n"), WHEEL, "wheel/bad-entry-points"),
    "a duplicate name": (
        add_entry_points("[console_scripts]\na = dipy:main\na = dipy:main\n"),
        WHEEL,
        "wheel/bad-entry-points",
    ),
    "not UTF-8": (add_entry_points(b"[console_scripts]\n\xff = a:b\n"), WHEEL, "wheel/bad-entry-points"),
}

#: Other checks that necessarily report the same fault.
ALSO_REPORTED = {
    "another project": {"metadata/filename-mismatch"},
    "another version": {"metadata/filename-mismatch"},
    "no WHEEL": {"record/absent-file"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    data, filename, expected = FAULTS[fault]
    notes = {"name/tags-unsorted"}
    assert check_ids(findings(data, filename)) - notes == {expected} | ALSO_REPORTED.get(fault, set())


def test_reports_a_wheel_file_that_is_not_utf8() -> None:
    members = wheel_members()
    members[f"{DIST_INFO}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: \xff\n"
    reported = findings(zip_bytes(members))
    assert check_ids(reported) == {"wheel/not-utf8", "record/hash-mismatch", "record/size-mismatch"}


@pytest.mark.parametrize(
    ("tag", "wheel"),
    [
        (LINUX, None),
        ("cp310.cp311-abi3-macosx_11_0_arm64", None),
        # Some tools write the compressed tag set on one line.
        ("py2.py3-none-any", GOOD.replace("py3-none-any", "py2.py3-none-any")),
        ("py3-none-any", GOOD.replace("1.0", "1.9")),
        ("py3-none-any", GOOD.replace("true", "True")),
    ],
)
def test_accepts_a_good_wheel(tag: str, wheel: str | None) -> None:
    data = wheel_bytes(tag=tag) if wheel is None else wheel_bytes(tag=tag, wheel=wheel)
    assert check_ids(findings(data, filename_with_tag(tag))) <= {"name/tags-unsorted"}


def test_accepts_a_build_number_that_agrees() -> None:
    assert findings(wheel_bytes(build="2"), wheel_filename("dipy", "1.11.0", build="2")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts]\ndipy_fit = dipy.cli:fit [extra]\ndipy.x-y=dipy:main\n",
        "[dipy.plugins]\nname with blanks = dipy:x\n%(x)s = a\n",
        "",
        "# a comment\n\n[console_scripts]\n",
    ],
)
def test_accepts_good_entry_points(text: str) -> None:
    assert findings(add_entry_points(text)) == ()

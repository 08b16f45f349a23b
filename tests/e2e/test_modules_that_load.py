"""Wheels whose modules or libraries do not load, with the real command: W2 to W5, W8 and H30 of the cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.unit.facts.test_binaries_hostile import with_tables_in_the_middle
from tools.testing import wheels
from tools.testing.binaries import elf, macho, pe

LINUX = "manylinux_2_17_x86_64"
SO = "dipy/_ext.cpython-312-x86_64-linux-gnu.so"
LIBRARY = {"dipy.libs/libfoo.so": elf(soname="libfoo.so")}

#: Name: tag, files, and the check that stops the release; empty if nothing is wrong.
CASES: dict[str, tuple[str, Mapping[str, bytes], str]] = {
    "W2: win_amd64 in win_arm64": (
        "cp312-cp312-win_arm64",
        {"dipy/_ext.cp312-win_amd64.pyd": pe("arm64")},
        "native/module-suffix",
    ),
    "W2: musl in manylinux": (
        f"cp312-cp312-{LINUX}",
        {"dipy/_ext.cpython-312-x86_64-linux-musl.so": elf()},
        "native/module-suffix",
    ),
    "W2: abi3 in abi3t": (f"cp315-abi3t-{LINUX}", {"dipy/_ext.abi3.so": elf()}, "native/module-suffix"),
    "W2: abi3t in abi3": (f"cp39-abi3-{LINUX}", {"dipy/_ext.abi3t.so": elf()}, "native/module-suffix"),
    "W2: another GraalPy": (
        f"graalpy312-graalpy250_312_native-{LINUX}",
        {"dipy/_ext.graalpy242-311-native-x86_64-linux.so": elf()},
        "native/module-suffix",
    ),
    "W2: two tags and modules for one": (
        f"cp312.cp313-cp312.cp313-{LINUX}",
        {"dipy/_ext.cpython-313-x86_64-linux-gnu.so": elf()},
        "native/module-suffix",
    ),
    "W2: the function of another name": (
        f"cp312-cp312-{LINUX}",
        {SO: elf(defined=("PyInit_other",))},
        "native/module-init",
    ),
    "W2: abi3t with PyInit": (
        f"cp315-abi3t-{LINUX}",
        {"dipy/_ext.abi3t.so": elf(defined=("PyInit__ext",))},
        "native/module-init",
    ),
    "W2: abi3 with PyModExport": (
        f"cp39-abi3-{LINUX}",
        {"dipy/_ext.abi3.so": elf(defined=("PyModExport__ext",))},
        "native/module-init",
    ),
    "W2: a good module": (f"cp312-cp312-{LINUX}", {SO: elf(defined=("PyInit__ext",), gnu_hash=True)}, ""),
    "W3: an executable stack": (f"cp312-cp312-{LINUX}", {SO: elf(stack=7)}, "native/executable-stack"),
    "W3: no header for the stack": (f"cp312-cp312-{LINUX}", {SO: elf(stack=None)}, "native/executable-stack"),
    "W3: unsigned code": (
        "cp312-cp312-macosx_11_0_arm64",
        {"dipy/_ext.cpython-312-darwin.so": macho(signed=False)},
        "native/unsigned",
    ),
    "W4: tables in the middle of a large library": (
        "cp312-cp312-manylinux_2_12_x86_64",
        {SO.replace("_ext", "x"): with_tables_in_the_middle(30 << 20)},
        "native/glibc-too-new",
    ),
    "W5: py312-none with modules for 3.12": (f"py312-none-{LINUX}", {SO: elf()}, ""),
    "W8: a search path of the build machine": (
        f"cp312-cp312-{LINUX}",
        {SO: elf(runpath="$ORIGIN/../dipy.libs:/home/ann/src/dipy/build/lib")},
        "native/build-rpath",
    ),
    "H30: no search path": (
        f"cp312-cp312-{LINUX}",
        {SO: elf(needed=("libfoo.so",)), **LIBRARY},
        "native/missing-library",
    ),
    "H30: a search path to the file": (
        f"cp312-cp312-{LINUX}",
        {SO: elf(needed=("libfoo.so",), rpath="$ORIGIN/../dipy.libs/libfoo.so"), **LIBRARY},
        "native/missing-library",
    ),
    "H30: another module loads the library": (
        f"cp312-cp312-{LINUX}",
        {
            SO: elf(needed=("libfoo.so",)),
            SO.replace("_ext", "_first"): elf(needed=("libfoo.so",), runpath="$ORIGIN/../dipy.libs"),
            **LIBRARY,
        },
        "",
    ),
    "H30: the package loads the library": (
        f"cp312-cp312-{LINUX}",
        {SO: elf(needed=("libfoo.so",)), "dipy/_load.py": b"import ctypes\n", **LIBRARY},
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_stops_a_release_whose_code_does_not_load(case: str, tmp_path: Path) -> None:
    tag, files, check = CASES[case]
    wheels.make_wheel(tmp_path / "staged", tag=tag, files=files)
    wheels.make_sdist(tmp_path / "staged", files={"dipy/_ext.c": b"int x;\n"})
    ended = CommandLine(tmp_path).run(
        *("-u", "staged", "--until", "check", "--strict", "--profile", "pypi", "dipy", "1.11.0")
    )
    output = ended.stdout + ended.stderr
    if check:
        assert ended.exit_code == 6, output
        assert check in ended.stdout
        assert ended.stdout.count("native/") == ended.stdout.count(check)
    else:
        assert ended.exit_code == 0, output

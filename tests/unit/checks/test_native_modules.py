"""Extension modules by the suffixes and functions with which Python finds and loads them."""

from __future__ import annotations

import importlib.machinery
import sys
import sysconfig

import pytest
from packaging import tags

from tests.unit.checks.test_native import LINUX, MAC, WIN, Files, run_checks
from tools.testing.binaries import elf, fat, macho, pe

GNU = "manylinux_2_17_x86_64"
MUSL = "musllinux_1_2_x86_64"


def code(platform: str, **options: object) -> bytes:
    """Return code for a platform tag."""
    if platform.endswith("wasm32"):
        return b"\0asm\1\0\0\0"
    if platform.startswith("win"):
        arch = {"win32": "x86", "win_arm64": "arm64"}.get(platform, "x86_64")
        return pe(arch, **options)  # type: ignore[arg-type]
    if platform.startswith(("macosx", "ios")):
        return macho("x86_64" if platform.endswith("x86_64") else "arm64", **options)  # type: ignore[arg-type]
    arch = next(
        arch
        for arch in ("x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64")
        if platform.replace("arm64_v8a", "aarch64").endswith(arch)
    )
    libc = "libc.so" if platform.startswith(("musl", "android")) else "libc.so.6"
    return elf(arch, **{"needed": (libc,), **options})  # type: ignore[arg-type]


def find(tag: str, *suffixes: str, extra: Files | None = None) -> dict[str, list[str]]:
    """Return the messages for a wheel with a module dipy/x of each of the suffixes."""
    platform = tag.split("-")[2].split(".")[0]
    return run_checks(tag, {**{f"dipy/x{suffix}": code(platform) for suffix in suffixes}, **(extra or {})})


# --- suffixes --------------------------------------------------------------------------------------

#: Tag and suffix that its Python loads.
LOADED = [
    (f"cp312-cp312-{GNU}", ".cpython-312-x86_64-linux-gnu.so"),
    (f"cp312-cp312-{GNU}", ".abi3.so"),
    (f"cp312-cp312-{GNU}", ".so"),
    ("cp312-cp312-linux_x86_64", ".cpython-312-x86_64-linux-musl.so"),
    ("cp312-cp312-manylinux_2_17_i686", ".cpython-312-i386-linux-gnu.so"),
    ("cp312-cp312-manylinux_2_17_aarch64", ".cpython-312-aarch64-linux-gnu.so"),
    ("cp312-cp312-manylinux_2_31_armv7l", ".cpython-312-arm-linux-gnueabihf.so"),
    ("cp312-cp312-manylinux_2_17_ppc64le", ".cpython-312-powerpc64le-linux-gnu.so"),
    ("cp312-cp312-manylinux_2_17_s390x", ".cpython-312-s390x-linux-gnu.so"),
    ("cp312-cp312-manylinux_2_31_riscv64", ".cpython-312-riscv64-linux-gnu.so"),
    (f"cp312-cp312-{MUSL}", ".cpython-312-x86_64-linux-musl.so"),
    # Before 3.11 CPython did not tell musl from glibc, except in Alpine's package.
    (f"cp310-cp310-{MUSL}", ".cpython-310-x86_64-linux-gnu.so"),
    (f"cp310-cp310-{MUSL}", ".cpython-310-x86_64-linux-musl.so"),
    (f"cp37-cp37m-{GNU}", ".cpython-37m-x86_64-linux-gnu.so"),
    (f"cp312-cp312d-{GNU}", ".cpython-312d-x86_64-linux-gnu.so"),
    (f"cp312-cp312d-{GNU}", ".cpython-312-x86_64-linux-gnu.so"),
    (f"cp313-cp313t-{GNU}", ".cpython-313t-x86_64-linux-gnu.so"),
    (f"cp312-none-{GNU}", ".cpython-312-x86_64-linux-gnu.so"),
    (f"py312-none-{GNU}", ".cpython-312-x86_64-linux-gnu.so"),
    (f"cp39-abi3-{GNU}", ".abi3.so"),
    (f"cp39-abi3-{GNU}", ".so"),
    (f"cp315-abi3-{GNU}", ".abi3t.so"),
    (f"cp315-abi3-{GNU}", ".abi3-x86_64-linux-gnu.so"),
    (f"cp315-cp315-{GNU}", ".abi3t.so"),
    (f"cp315-abi3.abi3t-{GNU}", ".abi3t-x86-64-linux-gnu.so"),
    ("cp312-cp312-macosx_11_0_arm64", ".cpython-312-darwin.so"),
    ("cp312-cp312-win_amd64", ".cp312-win_amd64.pyd"),
    ("cp312-cp312-win_amd64", ".pyd"),
    ("cp312-cp312-win32", ".cp312-win32.pyd"),
    ("cp313-cp313t-win_arm64", ".cp313t-win_arm64.pyd"),
    ("cp39-abi3-win_amd64", ".pyd"),
    (f"pp311-pypy311_pp73-{GNU}", ".pypy311-pp73-x86_64-linux-gnu.so"),
    ("pp311-pypy311_pp73-macosx_11_0_arm64", ".pypy311-pp73-darwin.so"),
    ("pp311-pypy311_pp73-win_amd64", ".pypy311-pp73-win_amd64.pyd"),
    (f"graalpy312-graalpy250_312_native-{GNU}", ".graalpy250-312-native-x86_64-linux.so"),
    ("graalpy312-graalpy250_312_native-macosx_11_0_arm64", ".graalpy250-312-native-aarch64-darwin.so"),
    ("cp313-cp313-pyodide_2025_0_wasm32", ".cpython-313-wasm32-emscripten.so"),
    ("cp314-cp314-pyemscripten_2026_0_wasm32", ".cpython-314-wasm32-emscripten.so"),
    ("graalpy312-graalpy250_312_native-win_amd64", ".graalpy250-312-native-x86_64-win32.pyd"),
    ("cp313-cp313-android_24_arm64_v8a", ".cpython-313-aarch64-linux-android.so"),
    ("cp313-cp313-ios_13_0_arm64_iphoneos", ".cpython-313-iphoneos.so"),
    # A suffix that names no Python belongs to a library that is loaded in another way.
    (f"cp312-cp312-{GNU}", ".plugin.so"),
]

#: Tag to the suffixes that its Python does not load, each with a part of the message.
NOT_LOADED = {
    "cp312-cp312-win_arm64": {".cp312-win_amd64.pyd": "is for win_amd64"},
    "cp312-cp312-win32": {".cp312-win_amd64.pyd": "is for win_amd64"},
    f"cp312-cp312-{GNU}": {
        ".cpython-312-aarch64-linux-gnu.so": "is for aarch64-linux-gnu",
        ".cpython-312-x86_64-linux-musl.so": "is for x86_64-linux-musl",
        ".cpython-312-darwin.so": "is for darwin",
        ".cpython-312.so": "names no platform",
        ".abi3t.so": "which cp312-cp312 does not load",
        ".pyd": "loads .so files",
    },
    f"cp312-cp312-{MUSL}": {".cpython-312-x86_64-linux-gnu.so": "is for x86_64-linux-gnu"},
    "cp312-cp312-manylinux_2_17_i686": {".cpython-312-x86_64-linux-gnu.so": "is for x86_64-linux-gnu"},
    "cp312-cp312-macosx_11_0_arm64": {".cpython-312-x86_64-linux-gnu.so": "looks for darwin"},
    f"cp312-none-{GNU}": {".cpython-312-x86_64-linux-musl.so": "is for x86_64-linux-musl"},
    f"py3-none-{GNU}": {".abi3-aarch64-linux-gnu.so": "is for aarch64-linux-gnu"},
    f"cp315-abi3t-{GNU}": {".abi3.so": "which cp315-abi3t does not load"},
    f"cp39-abi3-{GNU}": {".abi3t.so": "which cp39-abi3 does not load"},
    f"cp315-cp315t-{GNU}": {".abi3.so": "which cp315-cp315t does not load"},
    "cp39-abi3-win_amd64": {".abi3.pyd": "only for .pyd"},
    "cp312-cp312-win_amd64": {".so": "loads .pyd files"},
    f"pp311-pypy311_pp73-{GNU}": {
        ".so": "PyPy loads only",
        ".abi3.so": "which pp311-pypy311_pp73 does not load",
        ".pypy311-pp74-x86_64-linux-gnu.so": "is for pypy311-pp74",
    },
    "pp311-pypy311_pp73-win_amd64": {".pypy311-pp73-win32.pyd": "is for win32"},
    "cp313-cp313-pyodide_2025_0_wasm32": {
        ".cpython-313-x86_64-linux-gnu.so": "looks for wasm32-emscripten",
    },
    f"graalpy312-graalpy250_312_native-{GNU}": {
        ".graalpy242-311-native-x86_64-linux.so": "is for graalpy242-311-native",
        ".graalpy250-312-native-aarch64-linux.so": "is for aarch64-linux",
        ".cpython-312-x86_64-linux-gnu.so": "",
    },
    "cp313-cp313-android_24_arm64_v8a": {
        ".cpython-313-aarch64-linux-gnu.so": "looks for aarch64-linux-android"
    },
}


def exports_module(tag: str, suffix: str) -> Files:
    """Return the module, in the format of the platform, with its function."""
    platform = tag.split("-")[2]
    member = f"dipy/x{suffix}"
    function = "PyModExport_x" if "abi3t" in tag else "PyInit_x"
    if platform.startswith("win"):
        return {member: code(platform, exports=(function,))}
    return {member: code(platform, defined=(function,))}


@pytest.mark.parametrize(("tag", "suffix"), LOADED)
def test_accepts_a_suffix_that_the_python_loads(tag: str, suffix: str) -> None:
    assert run_checks(tag, exports_module(tag, suffix)) == {}


@pytest.mark.parametrize(
    ("tag", "suffix", "message"),
    [(tag, suffix, message) for tag, messages in NOT_LOADED.items() for suffix, message in messages.items()],
)
def test_reports_a_suffix_that_the_python_does_not_load(tag: str, suffix: str, message: str) -> None:
    messages = run_checks(tag, exports_module(tag, suffix))
    assert set(messages) <= {"native/module-suffix", "native/python-tag-mismatch"}
    (only,) = [text for texts in messages.values() for text in texts]
    assert message in only


def test_knows_the_suffixes_of_this_python() -> None:
    """The interpreter and packaging are the judges."""
    platform = "win_amd64" if sys.platform == "win32" else sysconfig.get_platform().replace("-", "_")
    if not platform.startswith("linux_x86_64"):
        pytest.skip("has code for x86-64 Linux only")
    tag = f"{tags.interpreter_name()}{tags.interpreter_version()}"
    abi = next(iter(tags.cpython_tags())).abi
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        assert run_checks(f"{tag}-{abi}-{platform}", exports_module("x-x-linux_x86_64", suffix)) == {}


def test_a_wheel_with_several_tags_needs_a_module_for_each() -> None:
    tag = f"cp312.cp313-cp312.cp313-{GNU}"
    first, second = (f".cpython-{number}-x86_64-linux-gnu.so" for number in (312, 313))
    assert find(tag, first, second) == {}
    assert find(tag, second) == {
        "native/module-suffix": [
            f"dipy/x{second}: the wheel is also for cp312-cp312-{GNU}, which loads no build of this module"
        ]
    }
    assert find(tag, second, extra={"dipy/x.py": b""}) == {}
    assert find(tag, second, ".abi3.so") == {}
    both = f"cp312-cp312-{GNU}.{MUSL}"
    assert list(find(both, first)) == ["native/musl-vs-glibc", "native/module-suffix"]
    stable = f"cp315-abi3.abi3t-{GNU}"
    assert find(stable, ".abi3t.so") == {} == find(stable, ".abi3.so", ".abi3t.so")
    assert "cp315-abi3t" in find(stable, ".abi3.so")["native/module-suffix"][0]
    # Both names of one platform are for the same Python.
    assert find(LINUX, first) == {}


def test_an_unused_build_of_a_module_is_reported() -> None:
    files = {"dipy/x.cp312-win_amd64.pyd": pe(), "dipy/x.cp312-win32.pyd": pe()}
    (message,) = run_checks(WIN, files)["native/module-suffix"]
    assert message.startswith("dipy/x.cp312-win32.pyd: its name is for win32")


def test_another_version_is_left_to_its_check() -> None:
    assert list(find(f"cp312-cp312-{GNU}", ".cpython-313-x86_64-linux-gnu.so")) == [
        "native/python-tag-mismatch"
    ]
    assert list(find(f"pp311-pypy311_pp73-{GNU}", ".pypy310-pp73-x86_64-linux-gnu.so")) == [
        "native/python-tag-mismatch"
    ]


def test_modules_in_platlib_are_builds_of_the_same_module() -> None:
    tag = f"cp312.cp313-cp312.cp313-{GNU}"
    files = {
        "dipy/x.cpython-312-x86_64-linux-gnu.so": elf(),
        "dipy-1.11.0.data/platlib/dipy/x.cpython-313-x86_64-linux-gnu.so": elf(),
    }
    assert run_checks(tag, files) == {}


# --- functions -------------------------------------------------------------------------------------


def of_each_format(name: str, functions: tuple[str, ...]) -> dict[str, Files]:
    """Return a module of this name in each format, by the tag of its wheel."""
    return {
        f"cp39-abi3-{GNU}": {f"dipy/{name}.abi3.so": elf(defined=("a", *functions, "z"), gnu_hash=True)},
        "cp39-abi3-macosx_11_0_arm64": {
            f"dipy/{name}.abi3.so": macho(defined=("a", *functions, "z"), trie="command")
        },
        "cp39-abi3-macosx_10_9_universal2": {
            f"dipy/{name}.abi3.so": fat(
                ("x86_64", macho("x86_64", minos=(10, 9), defined=functions)),
                ("arm64", macho(defined=functions, trie="info")),
            )
        },
        "cp39-abi3-win_amd64": {f"dipy/{name}.pyd": pe(exports=("a", *functions, "z"))},
    }


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("_ext", ("PyInit__ext",)),
        ("_ext", ("PyInit__ext", "PyInit_other", "PyModExport__ext")),
        ("größe", ("PyInitU_gre_6ka8i",)),
        # A library that is loaded with ctypes, and has the suffix of a module because setuptools built it.
        ("_ext", ()),
        ("__init__", ("PyInit_dipy",)),
        ("8f1e__mypyc", ("PyInit_8f1e__mypyc",)),
    ],
)
def test_accepts_a_module_with_its_function(name: str, functions: tuple[str, ...], index: int) -> None:
    tag, files = list(of_each_format(name, functions).items())[index]
    assert run_checks(tag, files) == {}


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("_ext", "PyInit_other"),
        ("_ext", "PyInit__ext2"),
        ("_ext", "PyInit__ex"),
        ("größe", "PyInit_grosse"),
        ("_ext", "PyModExport_other"),
    ],
)
def test_reports_a_module_with_the_function_of_another_name(name: str, function: str, index: int) -> None:
    tag, files = list(of_each_format(name, (function,)).items())[index]
    messages = run_checks(tag, files)
    assert list(messages) == ["native/module-init"]
    (message,) = messages["native/module-init"]
    assert f"it exports {function} and not PyInit" in message


@pytest.mark.parametrize(
    ("tag", "suffix", "functions", "message"),
    [
        (f"cp39-abi3-{GNU}", ".abi3.so", ("PyModExport_x",), "Python before 3.15 does not call"),
        (f"cp312-cp312-{GNU}", ".so", ("PyModExport_x",), "Python before 3.15 does not call"),
        (f"cp315-abi3t-{GNU}", ".abi3t.so", ("PyInit_x",), "needs a PyModExport function"),
        (f"cp315-abi3.abi3t-{GNU}", ".abi3t.so", ("PyInit_x",), "needs a PyModExport function"),
        (f"cp315-abi3t-{GNU}", ".so", ("PyInit_x",), "needs a PyModExport function"),
        (f"cp315-abi3t-{GNU}", ".abi3t.so", ("PyModExport_x",), ""),
        (f"cp315-abi3.abi3t-{GNU}", ".abi3t.so", ("PyModExport_x", "PyInit_x"), ""),
        (f"cp315-cp315-{GNU}", ".so", ("PyModExport_x",), ""),
        (f"cp315-abi3-{GNU}", ".abi3.so", ("PyModExport_x",), ""),
        (f"cp39-abi3-{GNU}", ".abi3.so", ("PyModExport_x", "PyInit_x"), ""),
    ],
)
def test_each_python_needs_a_function_that_it_knows(
    tag: str, suffix: str, functions: tuple[str, ...], message: str
) -> None:
    messages = run_checks(tag, {f"dipy/x{suffix}": elf(defined=functions)})
    assert list(messages) == (["native/module-init"] if message else [])
    assert all(message in text for texts in messages.values() for text in texts)


@pytest.mark.parametrize(
    ("function", "checks"),
    [("PyModule_Create2", ["native/module-init"]), ("PyImport_ImportModule", [])],
)
def test_an_init_function_for_abi3t_may_get_the_module_from_another_one(
    function: str, checks: list[str]
) -> None:
    # As cffi's modules do: _cffi_backend creates them.
    module = elf(defined=("PyInit_x",), undefined=(function,))
    assert list(run_checks(f"cp315-abi3.abi3t-{GNU}", {"dipy/x.abi3t.so": module})) == checks


def test_accepts_a_debug_build_if_there_is_an_ordinary_one() -> None:
    debug = {"dipy/x_d.cp312-win_amd64.pyd": pe(exports=("PyInit_x",))}
    assert list(run_checks(WIN, debug)) == ["native/module-init"]
    both = {**debug, "dipy/x.cp312-win_amd64.pyd": pe(exports=("PyInit_x",))}
    assert run_checks(WIN, both) == {}


def test_plain_libraries_need_no_function() -> None:
    # libpython exports the functions of its built-in modules.
    files = {
        "dipy/libpython3.12.so": elf(defined=("PyInit__io",)),
        "dipy/plugin.so": elf(defined=("plugin_init",)),
        "dipy/x.so": elf(),
    }
    assert run_checks(LINUX, files) == {}


# --- stacks and signatures -------------------------------------------------------------------------


def test_only_glibc_refuses_executable_stacks_of_libraries() -> None:
    assert run_checks(LINUX, {"dipy/x.so": elf(), "dipy/bin/x": program(stack=7)}) == {}
    musl = {"dipy/x.so": elf(needed=("libc.so",), stack=None)}
    assert run_checks(f"cp312-cp312-{MUSL}", musl) == {}
    power = {"dipy/x.so": elf("ppc64le", stack=None)}
    assert run_checks("cp312-cp312-manylinux_2_17_ppc64le", power) == {}
    power = {"dipy/x.so": elf("ppc64le", stack=7)}
    assert list(run_checks("cp312-cp312-manylinux_2_17_ppc64le", power)) == ["native/executable-stack"]
    for arch in ("aarch64", "i686", "s390x"):
        library = {"dipy.libs/liba.so": elf(arch, stack=None)}
        assert list(run_checks(f"cp312-cp312-manylinux_2_17_{arch}", library)) == ["native/executable-stack"]


def program(**options: object) -> bytes:
    return elf(kind=2, interpreter="/lib64/ld-linux-x86-64.so.2", **options)  # type: ignore[arg-type]


def test_only_apple_silicon_needs_signatures() -> None:
    intel = {"dipy/x.so": macho("x86_64", minos=(10, 9), signed=False)}
    assert run_checks("cp312-cp312-macosx_10_9_x86_64", intel) == {}
    both = fat(("x86_64", macho("x86_64", minos=(10, 9), signed=False)), ("arm64", macho(signed=False)))
    assert list(run_checks("cp312-cp312-macosx_10_9_universal2", {"dipy/x.so": both})) == ["native/unsigned"]
    library = {"dipy/x.so": macho(), "dipy/.dylibs/liba.dylib": macho(kind=6, signed=False)}
    assert list(run_checks(MAC, library)) == ["native/unsigned"]
    # App stores sign the code of an iPhone.
    assert run_checks("cp313-cp313-ios_13_0_arm64_iphoneos", {"dipy/x.so": macho(signed=False)}) == {}


# --- search paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/home/ann/dipy/build/lib",
        "/Users/ann/dipy/libs",
        "/root/src/lib",
        "/tmp/pip-build-env-x/lib",
        "/builds/group/dipy/lib",
        "/project/lib",
        "/io/lib",
        "/__w/_temp/lib",
        "/opt/dipy/_build",
        "/srv/dipy/.libs",
        "/var/tmp/x",
        "lib",
        "../lib",
    ],
)
def test_reports_search_paths_of_build_machines(path: str) -> None:
    messages = run_checks(LINUX, {"dipy/x.so": elf(runpath=f"$ORIGIN:{path}")})
    assert list(messages) == ["native/build-rpath"]
    assert path in messages["native/build-rpath"][0]


@pytest.mark.parametrize(
    "path",
    [
        *("$ORIGIN/build", "${ORIGIN}/../home/x", "/usr/local/lib", "/usr/lib64", "/opt/rocm/lib"),
        *("/usr/local/cuda/lib64", "/opt/_internal/cpython-3.12/lib", "/opt/buildtools/lib"),
    ],
)
def test_accepts_search_paths_of_systems(path: str) -> None:
    assert run_checks(LINUX, {"dipy/x.so": elf(runpath=path)}) == {}

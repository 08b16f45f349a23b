"""How the house is built: who may import whom, one home for each library, and what is pure.

A new module is one line in LEVELS; a new library is one line in HOMES.
"""

from __future__ import annotations

import ast
import fnmatch
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support import tested_package

ROOT = tested_package.ROOT
PACKAGE = ROOT / "wheel_uploader"

#: A module may import those of its own level and of the levels above it here, and there is no cycle.
LEVELS = (
    ("__init__", "errors", "budget"),
    ("models/*", "urls", "characters", "dates", "bounded", "display", "redaction"),
    ("names", "memo", "progress/*"),
    ("stopping", "listening", "watchdog", "hard_exit", "streams"),
    ("child_*",),
    # HTTP, and what it is made of.
    ("http/*", "markup"),
    # The work of each stage.
    (
        # list
        "sources/*",
        *("release", "brought/*", "waiting", "age"),
        # download
        *(
            "download/*",
            "digests",
            "verified_file",
            "cache_mac",
            "ownership",
            "verify",
            "plain",
            "apart",
            "remembered",
            "wheelhouse",
            "disk",
        ),
        # check
        "archive/*",
        *("checks/*", "native/*", "platforms/*"),
        *("smoke/*", "pip"),
        # sign
        *("sign/*", "attest/*"),
        # upload and confirm
        *("index/*", "publish/*", "tidy"),
        *("throwaway", "rehearsal/machines", "rehearsal/asking"),
        # the report
        "report/*",
    ),
    # The tables: one line for each source, check and format.
    ("sources/__init__", "checks/__init__", "report/__init__"),
    ("reader", "pipeline", "stages/*", "job", "ends", "outputs", "verdict", "rehearsal/__init__"),
    ("cli/*", "config", "demo"),
    ("__main__",),
)

#: Where each library is imported; packaging, the field's own grammar, may be used anywhere.
HOMES = {
    "abi3info": ("checks/native_python",),
    "bs4": ("markup",),
    "cryptography": ("attest/reading",),
    "click": ("cli/*",),
    "email_validator": ("checks/contact",),
    "filelock": ("wheelhouse",),
    "httpcore": ("http/transport", "http/proxies"),
    "httpx": ("http/lean",),
    "id": ("attest/notary",),
    "idna": ("http/hostnames",),
    "jinja2": ("report/html/__init__",),
    "lxml": ("sources/html",),
    "markupsafe": ("report/html/__init__",),
    "packaging": ("*",),
    "pkginfo": ("archive/pkginfo_reader",),
    "pypi_attestations": ("attest/notary", "attest/reading"),
    "pypiserver": ("throwaway",),
    "readme_renderer": ("checks/render",),
    "requests": ("publish/upload", "publish/resolver", "publish/sending"),
    "requests_toolbelt": ("publish/sending",),
    "rich": ("publish/upload",),
    "sigstore": ("attest/notary",),
    "tqdm": ("progress/bars",),
    # On Windows, where it comes with both click and tqdm.
    "colorama": ("progress/bars",),
    "trove_classifiers": ("checks/*",),
    "twine": ("publish/upload", "publish/package", "publish/resolver"),
    "urllib3": ("publish/sending",),
    "zlib_ng": ("archive/inflate",),
    # Of the standard library: archives are opened in one place, programs are started in few.
    "zipfile": (),
    "tarfile": (),
    "zlib": ("archive/inflate", "archive/gunzip", "http/bodies"),
    "bz2": ("archive/inflate",),
    "lzma": ("archive/inflate",),
    "subprocess": ("child_processes", "child_watcher"),
    "multiprocessing": (),
    "pickle": (),
}

#: Libraries that come with one that we name in pyproject.toml.
COME_WITH = {
    "colorama": "click",
    "cryptography": "sigstore",
    "id": "twine",
    "httpcore": "httpx",
    "idna": "httpx",
    "markupsafe": "jinja2",
    "requests": "twine",
    "requests_toolbelt": "twine",
    "rich": "twine",
    "urllib3": "twine",
}

#: In pyproject.toml and not imported: a program that the demo starts.
NOT_IMPORTED = {"pypiserver"}

#: Values in, values out: no disk, no network, no clock of the machine, no other program.
PURE = (
    *("errors", "models/*", "names", "display", "redaction", "memo", "characters", "dates"),
    *("checks/*", "native/*", "platforms/*", "report/*"),
    *("sources/html", "sources/simple", "http/hosts", "http/hostnames", "http/bodies"),
    *("brought/expect", "brought/sums", "brought/vouch"),
    *("archive/record", "archive/ziprecords", "archive/ziplocal", "archive/zipwalk"),
    *("archive/inflate", "archive/obfuscation", "archive/tarheaders"),
    *("index/index_page", "publish/answers", "publish/answer_rules", "publish/trusted"),
)
#: It renders in a process of its own, for a renderer may hang; and this is that process.
NOT_PURE = ("checks/description", "checks/render")

#: Names that only stand for values, out of libraries that do more.
HARMLESS = (
    "http/__init__",
    "http.HTTPStatus",
    "pathlib.Path",
    "pathlib.PurePosixPath",
    "urllib.parse",
    "urllib.parse.*",
)
IMPURE = {
    *("asyncio", "ctypes", "ftplib", "getpass", "glob", "http/__init__", "mmap", "multiprocessing", "os"),
    *("pathlib", "platform", "random", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "tempfile", "time", "urllib"),
}
TOUCHES_A_DISK = {
    *("exists", "glob", "is_dir", "is_file", "iterdir", "lstat", "mkdir", "open", "read_bytes", "read_text"),
    *("rglob", "rmdir", "stat", "symlink_to", "touch", "unlink", "write_bytes", "write_text"),
}

MAX_LINES = 330

#: Loaded only when they are needed: ``--help`` has to answer at once.
HEAVY = {
    *("bs4", "email_validator", "filelock", "httpx", "jinja2", "lxml", "pkginfo", "pygments"),
    *("pydantic", "pypi_attestations", "readme_renderer", "requests", "rich", "sigstore", "tqdm"),
    *("trove_classifiers", "twine", "urllib3"),
}


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package: ``sources/html`` for ``sources/html.py``."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def dotted(self) -> str:
        return f"wheel_uploader.{self.name.replace('/', '.')}".removesuffix(".__init__")

    def imports(self) -> Iterator[str]:
        """Everything that is imported anywhere in it: ``os.path``, ``httpx.Client``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative imports are not used here"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    return tuple(
        Module(path.relative_to(PACKAGE).with_suffix("").as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    )


@cache
def ours() -> dict[str, frozenset[str]]:
    """Which modules of the package each one imports."""
    by_dotted = {module.dotted: module.name for module in modules()}

    def target(imported: str) -> str:
        # "from wheel_uploader.checks import name" is that module, "... import CHECKS" is the table.
        found = by_dotted.get(imported) or by_dotted.get(imported.rpartition(".")[0])
        assert found, f"nothing is called {imported}"
        return found

    return {
        module.name: frozenset(
            target(name) for name in module.imports() if name.partition(".")[0] == "wheel_uploader"
        )
        for module in modules()
    }


def is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def level(name: str) -> int:
    """The level that names a module itself goes before one that takes it in by a pattern."""
    named = [number for number, names in enumerate(LEVELS) if name in names]
    matching = [number for number, names in enumerate(LEVELS) if is_one_of(name, names)]
    assert matching, f"{name}.py has no place in LEVELS of tests/unit/test_architecture.py"
    return (named or matching)[0]


def all_names() -> list[str]:
    return [module.name for module in modules()]


@pytest.mark.parametrize("name", all_names())
def test_a_module_imports_only_from_its_level_and_below(name: str) -> None:
    own = level(name)
    above = {other for other in ours()[name] if level(other) > own}
    assert not above


def test_no_import_goes_in_a_circle() -> None:
    # A package's table imports its members; a member gets the package run, and nothing from it.
    graph = {name: others - {name} for name, others in ours().items()}
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("family", ["sources", "checks", "report"])
def test_a_member_of_a_family_knows_neither_its_table_nor_other_families(family: str) -> None:
    families = {"sources", "checks", "report"} - {family}
    for name, others in ours().items():
        if name.startswith(f"{family}/") and name != f"{family}/__init__":
            assert f"{family}/__init__" not in others, name
            assert not {other for other in others if other.partition("/")[0] in families}, name


def test_every_line_of_the_tables_means_something() -> None:
    names = all_names()
    lines = {line for level in LEVELS for line in level} | {*PURE, *NOT_PURE}
    lines |= {home for homes in HOMES.values() for home in homes}
    assert not {line for line in lines if not is_one_of_any(names, line)}


def is_one_of_any(names: Iterable[str], pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


@pytest.mark.parametrize("module", modules(), ids=all_names())
def test_every_library_is_imported_at_home(module: Module) -> None:
    for imported in module.imports():
        library = imported.partition(".")[0]
        if library == "wheel_uploader" or (library in sys.stdlib_module_names and library not in HOMES):
            continue
        assert library in HOMES, f"{library} has no home in HOMES of tests/unit/test_architecture.py"
        assert is_one_of(module.name, HOMES[library]), f"{library} belongs in {HOMES[library]}"


def test_every_library_is_declared_and_every_declared_one_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["demo"], *extras["attestations"]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    imported = {name.partition(".")[0] for module in modules() for name in module.imports()}
    libraries = imported - sys.stdlib_module_names - {"wheel_uploader"}
    distributions = metadata.packages_distributions()
    needed = {canonicalize_name(distributions[COME_WITH.get(library, library)][0]) for library in libraries}
    assert needed - declared == set()
    assert declared - needed <= NOT_IMPORTED


@pytest.mark.parametrize("module", modules(), ids=all_names())
def test_what_is_pure_touches_nothing(module: Module) -> None:
    if not is_one_of(module.name, PURE) or module.name in NOT_PURE:
        return
    for imported in module.imports():
        assert is_one_of(imported, HARMLESS) or imported.partition(".")[0] not in IMPURE, imported
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                assert called.id not in {"open", "input", "exec", "eval", "__import__"}, node.lineno
            elif isinstance(called, ast.Attribute):
                assert called.attr not in TOUCHES_A_DISK, f"line {node.lineno}: .{called.attr}()"


@pytest.mark.parametrize("module", modules(), ids=all_names())
def test_a_module_says_what_it_is_and_is_not_too_long(module: Module) -> None:
    first, *rest = (ast.get_docstring(module.tree) or "").splitlines()
    assert first.endswith("."), first
    assert not rest or not rest[0]
    lines = module.text.count("\n")
    assert lines <= MAX_LINES
    assert not re.search("^utils?$|^helpers?$|^common$|^misc$", module.name.rpartition("/")[2])


@pytest.mark.parametrize("module", modules(), ids=all_names())
def test_only_the_demo_prints(module: Module) -> None:
    if module.name == "demo":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}"


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_nothing_heavy_is_loaded_for_help(argument: str) -> None:
    script = (
        "import sys, wheel_uploader.cli\n"
        f"sys.argv = ['wheel-uploader', {argument!r}]\n"
        "try: wheel_uploader.cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('\\n' + ' '.join(sorted(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    loaded = {name.partition(".")[0] for name in ran.stdout.splitlines()[-1].split()}
    assert "click" in loaded
    assert not loaded & HEAVY

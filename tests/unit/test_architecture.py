"""Test the architecture: imports between packages, the modules that import each library, and pure modules.

The import table is in docs/explanation/architecture.rst. A new library is one line in IMPORTING_MODULES.
"""

from __future__ import annotations

import ast
import fnmatch
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.testing.tested_package import ROOT

PACKAGE = ROOT / "wheel_uploader"
IMPORT_TABLE = ROOT / "docs" / "explanation" / "architecture.rst"

#: The modules that may import each library; packaging may be imported anywhere.
IMPORTING_MODULES = {
    "abi3info": ("checks/native_python",),
    "botocore": ("targets/static_index/s3",),
    "bs4": ("core/html_text",),
    "certifi": ("http/certificates",),
    "click": ("cli/*",),
    # Only on Windows, where click and tqdm depend on it.
    "colorama": ("core/progress/terminal",),
    "cryptography": ("signing/attestation_verifier",),
    "email_validator": ("checks/contact_fields",),
    "filelock": ("wheelhouse/wheelhouse", "targets/static_index/folder"),
    "google": ("targets/static_index/gcs",),
    "httpcore": ("http/httpx_import",),
    "httpx": ("http/httpx_import",),
    "id": ("signing/sigstore_signer",),
    "idna": ("http/hostnames",),
    "jinja2": ("report/formats/html/renderer",),
    "lxml": ("facts/html_links",),
    "markupsafe": ("report/formats/html/renderer",),
    "packaging": ("*",),
    "pkginfo": ("facts/archive/pkginfo_metadata",),
    "pypi_attestations": ("signing/sigstore_signer", "signing/attestation_verifier"),
    "pypiserver": ("rehearsal/local_index",),
    "readme_renderer": ("checks/render_worker",),
    "requests": ("upload/*", "http/requests_network", "targets/static_index/gcs"),
    "requests_toolbelt": ("upload/requests_adapter",),
    "rfc3986": ("checks/contact_fields",),
    "rich": ("upload/twine_uploader",),
    "sigstore": ("signing/sigstore_signer", "signing/attestation_verifier"),
    "tqdm": ("core/progress/bars",),
    "trove_classifiers": ("checks/*",),
    "truststore": ("http/certificates",),
    "twine": ("upload/*",),
    "urllib3": ("upload/requests_adapter", "http/requests_network"),
    "zlib_ng": ("facts/archive/decompress",),
    # Standard library: archives are read by our own code, programs are started in one package.
    "bz2": ("facts/archive/decompress",),
    "lzma": ("facts/archive/decompress",),
    "multiprocessing": (),
    "pickle": (),
    "subprocess": ("core/child_processes/*",),
    # Only lists names in a local archive, which a damaged or odd member does not falsify.
    "tarfile": ("listing/sources/packed_files",),
    "zipfile": (),
    "zlib": ("checks/inventory", "facts/archive/decompress", "facts/archive/gunzip", "http/body"),
}

#: Dependencies of a library that pyproject.toml declares.
DEPENDENCY_OF = {
    "certifi": "twine",
    "colorama": "click",
    "cryptography": "sigstore",
    "id": "twine",
    "httpcore": "httpx",
    "idna": "httpx",
    "markupsafe": "jinja2",
    "requests": "twine",
    "requests_toolbelt": "twine",
    "rfc3986": "twine",
    "rich": "twine",
    "urllib3": "twine",
}

#: Declared in pyproject.toml but not imported, because the demo starts it as a program.
NOT_IMPORTED = {"pypiserver"}

#: Modules without side effects: no disk, network, clock or other program.
PURE_MODULES = (
    *("core/errors", "core/models/*", "core/filenames", "core/redaction", "core/secret_patterns"),
    *("core/string_cache", "core/characters", "core/dates", "core/platforms/*", "core/local_versions"),
    *("checks/*", "facts/binaries/*", "report/views/*", "report/formats/*", "report/formats_table"),
    *("facts/html_links", "facts/index_pages", "facts/listing_page"),
    *("http/host_policy", "http/hostnames", "http/body"),
    *("listing/expected_files", "listing/sha256sums", "listing/trusted_hashes", "listing/misnamed"),
    *("listing/problem_files", "listing/duplicates", "listing/version_choice"),
    *("facts/archive/record", "facts/archive/zip_*", "facts/archive/tar_headers"),
    *("facts/archive/decompress", "facts/archive/obfuscation"),
    *("index/project_page", "upload/response", "upload/response_rules", "upload/trusted_publishing"),
    "upload/upload_states",
    "upload/credential_values",
)
#: Rendering uses a child process, because a renderer may hang; release_runner reads the clock.
IMPURE_MODULES = (
    "checks/description",
    "checks/render_worker",
    "checks/release_runner",
    "facts/archive/zip_members",
)

#: Side-effect-free names from modules that have side effects.
SIDE_EFFECT_FREE = (
    "http.HTTPStatus",
    "pathlib.Path",
    "pathlib.PurePosixPath",
    "urllib.parse",
    "urllib.parse.*",
)
MODULES_WITH_SIDE_EFFECTS = {
    *("asyncio", "ctypes", "ftplib", "getpass", "glob", "http", "mmap", "multiprocessing", "os", "pathlib"),
    *("platform", "random", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "tempfile", "time", "urllib"),
}
DISK_METHODS = {
    *("exists", "glob", "is_dir", "is_file", "iterdir", "lstat", "mkdir", "open", "read_bytes", "read_text"),
    *("rglob", "rmdir", "stat", "symlink_to", "touch", "unlink", "write_bytes", "write_text"),
}

#: The calls that start a thread.
THREAD_CALLS = {"threading.Thread", "threading.Timer", "_thread.start_new_thread"}
#: The modules that start threads. Tasks run in core/task_pool; the others have no result to wait for, so that
#: an error in one of their threads is reported by threading.excepthook, or they belong to a pipe or a socket.
THREAD_STARTERS = {
    *("core/task_pool", "core/cancellation", "core/progress/plain", "core/child_processes/pipes"),
    *("http/preconnect", "http/proxies", "rehearsal/demo"),
    "upload/requests_adapter",
}

#: Imported only when needed, so that ``--help`` is fast.
LAZY_LIBRARIES = {
    *("bs4", "certifi", "email_validator", "filelock", "httpx", "jinja2", "lxml", "pkginfo", "pygments"),
    *("pydantic", "pypi_attestations", "readme_renderer", "requests", "rich", "sigstore", "tqdm"),
    *("trove_classifiers", "truststore", "twine", "urllib3"),
}


#: The folders that each folder must not import; tests and benchmarks share the code in tools/testing.
INDEPENDENT: Mapping[str, frozenset[str]] = {
    "tests": frozenset({"benchmarks"}),
    "benchmarks": frozenset({"tests"}),
    "tools": frozenset({"benchmarks", "tests"}),
}


@dataclass(frozen=True)
class Module:
    """A module of the package: ``checks/wheel`` for ``checks/wheel.py``."""

    name: str
    text: str

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        """The module itself, and every node below it."""
        return tuple(ast.walk(ast.parse(self.text)))

    @property
    def tree(self) -> ast.Module:
        tree = self.nodes[0]
        assert isinstance(tree, ast.Module)
        return tree

    @property
    def dotted(self) -> str:
        return f"wheel_uploader.{self.name.replace('/', '.')}".removesuffix(".__init__")

    @property
    def package(self) -> str:
        return self.name.partition("/")[0]

    def imports(self) -> Iterator[str]:
        """Yield every import anywhere in the module: ``os.path``, ``httpx.Client``."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative imports are not used here"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def own_imports(self) -> Iterator[str]:
        """Yield every import from wheel_uploader except the version, as ``checks.wheel.CHECKS``."""
        for name in self.imports():
            library, _, rest = name.partition(".")
            if library == "wheel_uploader" and rest != "__version__":
                yield rest


@cache
def modules() -> tuple[Module, ...]:
    return tuple(
        Module(path.relative_to(PACKAGE).with_suffix("").as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    )


@cache
def import_table() -> Mapping[str, frozenset[str]]:
    """Return the table in the documentation, which maps a package to its allowed imports."""
    text = IMPORT_TABLE.read_text(encoding="utf-8")
    rows = text.partition(".. import table")[2].partition(".. end of the import table")[0]
    table: dict[str, frozenset[str]] = {}
    package = ""
    for line in rows.splitlines():
        names = re.findall(r"``([\w.]+)``", line)
        if line.startswith("``"):
            package, *names = names
        if names or line.startswith("``"):
            table[package] = table.get(package, frozenset()) | frozenset(names)
    return table


@cache
def modules_outside_the_package() -> tuple[Module, ...]:
    return tuple(
        Module(path.relative_to(ROOT).with_suffix("").as_posix(), path.read_text(encoding="utf-8"))
        for folder in INDEPENDENT
        for path in sorted((ROOT / folder).rglob("*.py"))
    )


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def all_names() -> list[str]:
    return [module.name for module in modules()]


def test_the_root_contains_only_packages() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "py.typed"}
    assert packages | {"__init__", "__main__"} == set(import_table())


def test_a_package_imports_only_what_the_table_allows() -> None:
    table = import_table()
    assert not [
        f"{module.name} imports {name}"
        for module in modules()
        for name in module.own_imports()
        if name.partition(".")[0] != module.package
        and not any(name == prefix or name.startswith(f"{prefix}.") for prefix in table[module.package])
    ]


@pytest.mark.parametrize("folder", INDEPENDENT)
def test_tests_and_benchmarks_do_not_need_each_other(folder: str) -> None:
    """Neither by an import nor by the name of a module in a command or in code for a child process."""
    others = "|".join(sorted(INDEPENDENT[folder]))
    mention = re.compile(rf"\bfrom +(?:{others})[.\w]* +import\b|\bimport +(?:{others})\b|^(?:{others})\.\w")
    found = [
        f"{module.name}: {text}"
        for module in modules_outside_the_package()
        if module.package == folder
        for node in module.nodes
        for text in imports_and_code(node)
        if mention.search(text)
    ]
    assert not found


def imports_and_code(node: ast.AST) -> Iterator[str]:
    """Yield an import, and each line of a text, which may be code or the name of a module."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield ast.unparse(node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from node.value.splitlines()


def test_packages_have_no_circular_imports() -> None:
    graph: dict[str, set[str]] = {}
    for module in modules():
        packages = {name.partition(".")[0] for name in module.own_imports()}
        graph.setdefault(module.package, set()).update(packages - {module.package})
    # The checks import the index target and the expected files, but not the other way round.
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_modules_have_no_circular_imports() -> None:
    by_dotted = {module.dotted.removeprefix("wheel_uploader."): module.name for module in modules()}
    graph = {}
    for module in modules():
        targets = {
            by_dotted.get(name) or by_dotted.get(name.rpartition(".")[0]) for name in module.own_imports()
        }
        assert None not in targets, module.name
        graph[module.name] = targets - {module.name}
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_modules_import_no_private_names() -> None:
    assert not [
        f"{module.name} imports {name}"
        for module in modules()
        for name in module.own_imports()
        if re.search(r"(^|\.)_(?!_)", name)
    ]


def test_every_pattern_matches_a_module() -> None:
    names = all_names()
    patterns = {
        *PURE_MODULES,
        *IMPURE_MODULES,
        *(name for importers in IMPORTING_MODULES.values() for name in importers),
    }
    assert not {
        pattern for pattern in patterns if not any(fnmatch.fnmatchcase(name, pattern) for name in names)
    }


def test_every_library_is_imported_only_by_its_modules() -> None:
    imported = {(module.name, name.partition(".")[0]) for module in modules() for name in module.imports()}
    free = sys.stdlib_module_names - IMPORTING_MODULES.keys() | {"wheel_uploader"}
    assert not [
        f"{name} imports {library}, which is for {IMPORTING_MODULES.get(library, 'no module yet')}"
        for name, library in sorted(imported)
        if library not in free and not matches_any(name, IMPORTING_MODULES.get(library, ()))
    ]


def test_declared_libraries_match_the_imported_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *extras["demo"],
        *extras["attestations"],
        *extras["s3"],
        *extras["gcs"],
    ]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    imported = {name.partition(".")[0] for module in modules() for name in module.imports()}
    libraries = imported - sys.stdlib_module_names - {"wheel_uploader"}
    distributions = metadata.packages_distributions()
    needed = {
        canonicalize_name(distributions[DEPENDENCY_OF.get(library, library)][0]) for library in libraries
    }
    assert needed - declared == set()
    assert declared - needed <= NOT_IMPORTED


def test_a_pure_module_has_no_side_effects() -> None:
    pure = [
        module
        for module in modules()
        if matches_any(module.name, PURE_MODULES) and module.name not in IMPURE_MODULES
    ]
    assert not [
        f"{module.name} imports {name}"
        for module in pure
        for name in module.imports()
        if name.partition(".")[0] in MODULES_WITH_SIDE_EFFECTS and not matches_any(name, SIDE_EFFECT_FREE)
    ]
    assert not [
        f"{module.name}, line {node.lineno}: {ast.unparse(node.func)}()"
        for module in pure
        for node in module.nodes
        if isinstance(node, ast.Call) and has_side_effects(node.func)
    ]


def has_side_effects(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in {"open", "input", "exec", "eval", "__import__"}
    return isinstance(called, ast.Attribute) and called.attr in DISK_METHODS


def test_threads_are_started_in_few_modules() -> None:
    """Every pool is another way to hang: the interpreter waits for the threads of an executor at exit."""
    starters = {
        module.name
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) in THREAD_CALLS
    }
    executors = {
        f"{module.name}: {name}"
        for module in modules()
        for name in module.imports()
        if name.startswith("concurrent.futures.") and "Executor" in name
    }
    assert (starters, executors) == (THREAD_STARTERS, set())


def test_a_module_has_a_docstring_and_a_specific_name() -> None:
    for module in modules():
        first, *rest = (ast.get_docstring(module.tree) or "").splitlines() or [""]
        assert first.endswith("."), module.name
        assert not rest or not rest[0], module.name
        assert not re.search("^utils?$|^helpers?$|^common$|^misc$", module.name.rpartition("/")[2])


def test_the_package_asserts_nothing() -> None:
    """A value that a function needs is a parameter or a return value of that type."""
    assert not [
        f"{module.name}, line {node.lineno}"
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Assert)
    ]


def test_only_the_demo_prints() -> None:
    printing = {
        module.name
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == {"rehearsal/demo"}


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_no_heavy_libraries(argument: str) -> None:
    script = (
        "import sys, wheel_uploader.cli\n"
        f"sys.argv = ['wheel-uploader', {argument!r}]\n"
        "try: wheel_uploader.cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('\\n' + ' '.join(sorted(sys.modules)))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    loaded = {name.partition(".")[0] for name in completed.stdout.splitlines()[-1].split()}
    assert "click" in loaded
    assert not loaded & LAZY_LIBRARIES

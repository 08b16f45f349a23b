"""Mutation testing of the code that decides which files to publish: the tests must notice each fault.

Each mutant is imported in a fork of a process that has loaded everything else, and the tests that run its
line run on it: first those that are named like its module, then the fastest. Neither the checkout nor an
installed package is changed.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.abc
import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tests.soak import Figure
from tests.soak.mutations import Mutant, mutants_of
from tools.testing import tested_package

ROOT = tested_package.ROOT
PACKAGE = ROOT / "wheel_uploader"

#: The modules that decide which files to publish, below the package.
TARGETS = (
    *("index/*.py", "upload/*.py", "targets/**/*.py", "pipeline/*.py", "checks/release*.py"),
    *(
        "inspection/verification.py",
        "wheelhouse/digests.py",
        "wheelhouse/wheelhouse.py",
        "pipeline/release_gate.py",
        "listing/selection.py",
    ),
    *("core/models/option_rules.py", "core/models/option_effects.py"),
)
#: Modules of tests that mostly start other programs, which a fault in this process does not reach.
EXCLUDED_TESTS = (
    *("test_kills", "test_soak", "test_faults", "test_signals", "test_interoperate", "test_rehearsal"),
    *("test_report_browser", "test_sources_servers", "test_growth", "test_completion", "test_recipes"),
    *(
        "test_cassettes",
        "test_architecture",
        "test_docs",
        "test_man_page",
        "test_startup",
        "test_download_stops",
    ),
    *("test_binaries_hostile", "test_archive_fuzz", "test_secrets", "test_smoke"),
)
#: The markers of the tests to run (``MUTANT_MARKS``): fast ones, so that a sample of 400 takes minutes. The
#: slow ones can be run on the survivors afterwards (``MUTANT_SURVIVORS``).
MARKS = "not slow and not server and not gpg"
#: Mutants that change no behaviour: path, change, and the reason; each was checked by hand.
EQUIVALENT: Mapping[tuple[str, str], str] = {
    ("checks/release_content.py", "40 -> 41"): "neither Python 3.40 nor 4.40 exists",
    ("checks/release.py", "False -> None"): "_states() is used only in a condition",
    ("index/confirmation.py", "0 < len(lacking) (< -> <=)"): "if no file is missing, none was seen: 0 < 0",
    ("index/client.py", "filename -> None"): "the names of our files can be parsed",
    (
        "upload/response_rules.py",
        "\"exists\" -> 'XXexistsXX'",
    ): "members of Kind are compared only with each other",
    (
        "upload/response_rules.py",
        "\"refused\" -> 'XXrefusedXX'",
    ): "members of Kind are compared only with each other",
    ("pipeline/run.py", "\"load\" -> 'XXloadXX'"): "the name of a thread, for debuggers",
    ("upload/file_upload.py", "answer.status < 500 (< -> <=)"): "500 is retried, and never a rejection",
    ("targets/github_releases/responses.py", "status >= 500 (>= -> >)"): "500 is in RETRYABLE_STATUSES",
    ("targets/github_releases/responses.py", "500 -> 501"): "500 is in RETRYABLE_STATUSES",
    ("targets/anaconda/api.py", "answer.status >= 500 (>= -> >)"): "500 was handled before, as retryable",
    ("targets/anaconda/package.py", "\"look\" -> 'XXlookXX'"): "the name of threads, for debuggers",
    ("targets/anaconda/api.py", "500 -> 501"): "500 was handled before, as retryable",
    ("targets/devpi.py", "page.status < 500 (< -> <=)"): "500 is in RETRYABLE_STATUSES",
    ("wheelhouse/wheelhouse.py", "0o600 -> 385"): "nothing is written before __enter__, which sets the mode",
}

COUNT = 400
#: The number of tests in a mutant's first process, and the maximum seconds of its tests in both processes.
FIRST_TESTS, MAX_TEST_SECONDS = 60, 20.0
#: For one in this many mutants the tests also run on the original source, which must survive.
CONTROL_INTERVAL = 25
#: A mutant times out after these seconds, plus this factor times the tests' own seconds.
TIMEOUT_SECONDS, TIMEOUT_FACTOR = 60.0, 4.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """The tests that run each line, and the seconds of each test."""

    #: The names of tests by path below the package and line.
    lines: Mapping[str, Mapping[int, frozenset[str]]]
    seconds: Mapping[str, float]

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Return the tests that run a line of the mutant's statement, those named like its module first."""
        by_line = self.lines.get(mutant.path, {})
        tests = {test for line in mutant.lines for test in by_line.get(line, ())}
        if mutant.at_import:
            # Coverage assigns such a line to the first test that imported the module; any user may notice it.
            tests = {test for named in by_line.values() for test in named}
            # A module of constants has hardly any later lines: add the tests of the modules that import it.
            for path in _importers(mutant.path) if len(tests) < FIRST_TESTS else ():
                tests |= {test for named in self.lines.get(path, {}).values() for test in named}
        module_words = _words_of(mutant.path)
        return sorted(
            (test for test in tests if test in self.seconds),
            key=lambda test: (-len(module_words & _words_of(test.partition("::")[0])), self.seconds[test]),
        )


def _words_of(path: str) -> set[str]:
    """Return the words in the path of a module or of its tests."""
    return {word.rstrip("s") for word in re.split(r"[/_.]", path)} - {"", "test", "py", "init", "unit"}


def soak(part: int, jobs: int, *, seed: int | None = None, count: int = COUNT) -> Iterator[Figure]:
    """Run the tests on 400 mutants of the code that decides which files to publish (--count, --seed)."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    mutants = [
        each for path, source in _sources().items() if _is_chosen(path) for each in mutants_of(path, source)
    ]
    chosen = _only_survivors(random.Random(seed).sample(mutants, min(len(mutants), max(1, count // part))))
    print(f"mutants: seed {seed}: {len(chosen)} of {len(mutants)} in {len(_sources())} modules", flush=True)
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-mutants-") as folder:
        coverage = _load_coverage(Path(folder))
        tasks = [(each, coverage.tests_for(each)) for each in chosen]
        tally = _Tally()
        with _preload(Path(folder)) as server, ThreadPoolExecutor(jobs) as pool:
            ended = list(
                pool.map(
                    lambda task: tally.add(task[0], server.run_tests(task[0], task[1], coverage.seconds)),
                    tasks,
                )
            )
            controls = [task for task in tasks if task[1]][::CONTROL_INTERVAL]
            failed = [
                str(each)
                for each, tests in controls
                if server.run_tests(None, tests, coverage.seconds) != "survived"
            ]
    yield Figure(f"{len(controls)} controls (the original source), {len(failed)} killed", failed)
    yield from _figures(chosen, tasks, ended)


def _is_chosen(path: str) -> bool:
    """Tell whether a module matches a pattern of MUTANT_PATHS, by default each."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in os.environ.get("MUTANT_PATHS", "*").split())


def _only_survivors(mutants: list[Mutant]) -> list[Mutant]:
    """Return the mutants that survived an earlier run, whose output is in the file MUTANT_SURVIVORS."""
    path = os.environ.get("MUTANT_SURVIVORS")
    if not path:
        return mutants
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [each for each in mutants if f"mutants: survived: {each}" in lines]


class _Tally:
    """Counts and prints the results as they come, because the sample takes long and may be interrupted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, mutant: Mutant, end: str) -> str:
        """Count a result; print a survivor at once, and the counts at intervals."""
        with self._lock:
            self.counts[end] += 1
            if end != "killed":
                print(f"mutants: {end}: {mutant}", flush=True)
            if self.counts.total() % CONTROL_INTERVAL == 0:
                print(f"mutants: after {self.counts.total()}: {dict(self.counts)}", flush=True)
        return end


def _figures(
    chosen: Sequence[Mutant], tasks: Sequence[tuple[Mutant, list[str]]], ended: Sequence[str]
) -> Iterator[Figure]:
    survivors = [task for task, end in zip(tasks, ended, strict=True) if end == "survived"]
    equal = [each for each, _ in survivors if (each.path, each.change) in EQUIVALENT]
    for each in equal:
        print(f"  equivalent: {each}: {EQUIVALENT[each.path, each.change]}")
    count = Counter(ended)
    judged = len(chosen) - len(equal)
    noticed = count["killed"] + count["timed out"]
    yield Figure(
        f"{count['killed']} killed, {count['timed out']} timed out, {count['survived']} survived, of them "
        f"{len(equal)} equivalent: {100 * noticed / max(1, judged):.1f} % of {judged} noticed",
        [
            f"{each}" + ("" if tests else "  (no test runs it)")
            for each, tests in survivors
            if (each.path, each.change) not in EQUIVALENT
        ],
    )


def _sources() -> dict[str, str]:
    """Return the sources by path below the package."""
    paths = sorted({path for pattern in TARGETS for path in PACKAGE.glob(pattern)})
    return {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _importers(path: str) -> list[str]:
    """Return the paths of the modules that import the one at ``path``."""
    module = Path(path).with_suffix("")
    named = re.compile(
        rf"import [^#]*\b{module.name}\b|from {'.'.join(('wheel_uploader', *module.parts))} import"
    )
    return [
        other
        for other in sorted(each.relative_to(PACKAGE).as_posix() for each in PACKAGE.rglob("*.py"))
        if named.search((PACKAGE / other).read_text(encoding="utf-8"))
    ]


# --- coverage --------------------------------------------------------------------------------------


def _test_files() -> list[str]:
    selected = os.environ.get("MUTANT_TESTS", "").split()
    files = sorted(path for path in (ROOT / "tests").rglob("test_*.py") if path.stem not in EXCLUDED_TESTS)
    return selected or [str(path.relative_to(ROOT)) for path in files]


def _load_coverage(folder: Path) -> Coverage:
    """Run the tests once with coverage, or load the result from the folder MUTANT_COVERAGE."""
    saved = os.environ.get("MUTANT_COVERAGE")
    directory = Path(saved) if saved else folder
    directory.mkdir(parents=True, exist_ok=True)
    cache = directory / "covering.json"
    if not cache.exists():
        _run_with_coverage(directory)
        raw = _read_coverage(directory)
        if not raw["seconds"]:
            raise SystemExit("mutants: no test passed in the run with coverage")
        cache.write_text(json.dumps(raw))
    raw = json.loads(cache.read_text())
    return Coverage(
        {
            path: {int(line): frozenset(tests) for line, tests in lines.items()}
            for path, lines in raw["lines"].items()
        },
        raw["seconds"],
    )


def _run_with_coverage(directory: Path) -> None:
    started = time.monotonic()
    subprocess.run(
        [
            *(sys.executable, "-m", "coverage", "run", "--rcfile=/dev/null"),
            *(f"--data-file={directory / 'data'}", f"--source={PACKAGE}"),
            *("-m", "tests.soak.mutants", str(directory / "times.json"), *_test_files()),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    print(f"mutants: the tests ran once with coverage, {time.monotonic() - started:.0f} s", flush=True)


def _read_coverage(directory: Path) -> dict[str, object]:
    import coverage

    data = coverage.CoverageData(str(directory / "data"))
    data.read()
    lines: dict[str, dict[int, list[str]]] = defaultdict(dict)
    for name in data.measured_files():
        path = Path(name).relative_to(PACKAGE).as_posix()
        for line, contexts in data.contexts_by_lineno(name).items():
            lines[path][line] = [each for each in contexts if each]
    return {"lines": lines, "seconds": json.loads((directory / "times.json").read_text())}


class _Times:
    """A pytest plugin that sets coverage's context to the test, and records the seconds of passed tests."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        import coverage

        if current := coverage.Coverage.current():
            current.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: object) -> None:
        nodeid, outcome = getattr(report, "nodeid", ""), getattr(report, "outcome", "")
        self.seconds[nodeid] = self.seconds.get(nodeid, 0.0) + float(getattr(report, "duration", 0.0))
        if outcome != "passed":
            self.failed.add(nodeid)


def _measure(times: str, files: Sequence[str]) -> None:
    import pytest

    plugin = _Times()
    marks = os.environ.get("MUTANT_MARKS", MARKS)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", marks]
    pytest.main([*options, *files], plugins=[plugin])
    passed = {test: seconds for test, seconds in plugin.seconds.items() if test not in plugin.failed}
    Path(times).write_text(json.dumps(passed))


# --- one mutant ------------------------------------------------------------------------------------


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):  # type: ignore[misc]
    """Replaces the source of one module, with the same name and path."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self.module, self.path, self.source = module, path, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        places = [str(self.path.parent)] if self.path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=self, submodule_search_locations=places
        )

    def get_data(self, path: str | bytes) -> bytes:
        if str(path) != str(self.path):
            raise OSError  # Compiled files are not cached.
        return self.source.encode()

    def get_filename(self, fullname: str) -> str:
        return str(self.path)


class _Server:
    """Runs the tests of each mutant in a new process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def run_tests(self, mutant: Mutant | None, tests: Sequence[str], seconds: Mapping[str, float]) -> str:
        """Return ``killed``, ``survived`` or ``timed out``."""
        chosen: list[str] = []
        spent = 0.0
        for test in tests:
            spent += seconds[test]
            if chosen and spent > MAX_TEST_SECONDS:
                break
            chosen.append(test)
        first, others = chosen[:FIRST_TESTS], chosen[FIRST_TESTS:]
        for batch in (first, others if mutant else []):
            if (
                batch
                and (end := self._run(mutant, batch, sum(seconds[test] for test in batch))) != "survived"
            ):
                return end
        return "survived"

    def _run(self, mutant: Mutant | None, tests: Sequence[str], expected: float) -> str:
        self.number += 1
        base = self.folder / f"run-{self.number}-{time.monotonic_ns()}"
        process = os.fork()
        if process == 0:
            _child(mutant, tests, base)
        limit = time.monotonic() + TIMEOUT_SECONDS + TIMEOUT_FACTOR * expected
        while True:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                # Kill everything that the tests have started.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
            if time.monotonic() > limit:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
                return "timed out"
            time.sleep(0.05)


@contextlib.contextmanager
def _preload(folder: Path) -> Iterator[_Server]:
    """Import all other packages; each fork then imports our modules again, one of them with a fault."""
    import importlib

    for name in ("wheel_uploader.cli", "wheel_uploader.pipeline.run", "wheel_uploader.pipeline.upload_stage"):
        importlib.import_module(name)
    for name in (
        "pytest",
        "hypothesis",
        "httpx",
        "devpi_server",
        "vcr",
        "tests.conftest",
        "tools.testing.indexes",
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "wheel_uploader"]:
        del sys.modules[name]
    helpers = ("tests.", "tools.testing.")
    for name in [name for name in sys.modules if name.startswith(helpers) and "soak" not in name]:
        del sys.modules[name]
    yield _Server(folder)


def _child(mutant: Mutant | None, tests: Sequence[str], base: Path) -> None:
    """Run the tests in this process, with the fault; never return."""
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.chdir(ROOT)
        if mutant:
            path = PACKAGE / mutant.path
            dotted = ".".join(("wheel_uploader", *Path(mutant.path).with_suffix("").parts))
            source = mutant.apply(path.read_text(encoding="utf-8"))
            sys.meta_path.insert(0, _Finder(dotted.removesuffix(".__init__"), path, source))
        import pytest

        options = [
            "-x",
            "-q",
            "--assert=plain",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--basetemp={base}",
        ]
        code = int(pytest.main([*options, *tests]))
    finally:
        os._exit(code)


if __name__ == "__main__":
    _measure(sys.argv[1], sys.argv[2:])

"""Test that results do not depend on the Python version: every Python on this machine reads unusual inputs.

Other interpreters use the pure Python libraries of this one.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import parser_inputs, parser_results, zips
from tests.unit.checks import test_archive, test_metadata, test_record, test_sdist, test_wheel
from tools.testing import tested_package, wheels

ROOT = tested_package.ROOT

#: Fault tables of the check tests; every Python reads all of these faults.
FAULT_TABLES = (
    (test_archive.FAULTS, zips.WHEEL),
    (test_metadata.FAULTS, zips.WHEEL),
    (test_record.FAULTS, zips.WHEEL),
    (test_sdist.FAULTS, zips.SDIST),
    (test_wheel.FAULTS, zips.WHEEL),
)
#: Bytes; larger inputs test limits, and smaller ones cover the same parser.
MAX_SIZE = 1 << 20


def faults() -> Iterator[tuple[str, bytes]]:
    for table, default_name in FAULT_TABLES:
        for data, *rest in table.values():
            name = rest[0] if len(rest) > 1 and rest[0].endswith((".whl", ".gz", ".zip")) else default_name
            if len(data) < MAX_SIZE:
                yield name, data


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all inputs in the layout that ``tests.support.parser_results`` expects."""
    folder = tmp_path_factory.mktemp("inputs")
    for number, (name, data) in enumerate(itertools.chain(parser_inputs.files(), faults())):
        path = folder / "files" / f"{number:04}" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    for reader, texts in parser_inputs.TEXTS.items():
        (folder / reader).mkdir()
        for number, text in enumerate(texts):
            (folder / reader / f"{number:04}").write_bytes(text.encode("utf-8", "surrogatepass"))
    return folder


@pytest.fixture(scope="module")
def expected_results(inputs: Path) -> Mapping[str, list[str]]:
    """Return the results of this Python."""
    return dict(parser_results.results_of_folder(inputs))


@functools.cache
def other_pythons() -> list[Any]:
    spec = importlib.util.spec_from_file_location("pythons", ROOT / "tools" / "pythons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [python for python in module.installed() if python.version != tuple(sys.version_info[:3])]


def environment() -> dict[str, str]:
    """Return the environment in which an interpreter finds the tested package and its libraries."""
    paths = [
        str(tested_package.HOME),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        str(ROOT),
    ]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
    }


def run(python: Any, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python.path, "-W", "error::SyntaxWarning", *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=500,
    )


def ids(pythons: Iterable[Any]) -> list[str]:
    return [str(python) for python in pythons]


def test_every_python_gives_the_same_results(inputs: Path, expected_results: Mapping[str, list[str]]) -> None:
    if not other_pythons():
        pytest.skip("there is no other CPython on this machine")
    for python in other_pythons():
        completed = run(python, "-m", "tests.support.parser_results", str(inputs))
        assert completed.returncode == 0, completed.stderr[-2000:]
        results = json.loads(completed.stdout)
        differing = {
            name: (input_at(inputs / name), expected_results[name], results.get(name))
            for name in expected_results
            if results.get(name) != expected_results[name]
        }
        assert not differing, f"{python}: {json.dumps(differing, indent=1, ensure_ascii=True)}"


def input_at(path: Path) -> str:
    return ascii(path.read_bytes()[:200].decode("utf-8", "replace"))


def test_the_command_reports_the_same_on_every_python(tmp_path: Path) -> None:
    """Complete runs over a release with faults give equal reports, except for times and paths."""
    if not other_pythons():
        pytest.skip("there is no other CPython on this machine")
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
        "tester@example.com", "Ann <ann@example.org>, Bob <bob@example.org>"
    )
    staged = tmp_path / "staged"
    wheels.make_wheel(staged, metadata=metadata)
    wheels.make_wheel(
        staged, tag="cp312-cp312-win_amd64", metadata=metadata, files={"dipy/\U0001fae8.txt": b""}
    )
    (staged / "dipy-1.11.0.tar.gz").write_bytes(wheels.sdist_bytes(metadata=metadata))
    reports = {}
    for python in [this_python(), *other_pythons()]:
        folder = tmp_path / str(python)
        folder.mkdir()
        call = ["--until", "check", "-u", str(staged), "-w", "house", "--report", "report.json"]
        completed = run(python, "-m", "wheel_uploader", *call, "dipy", "1.11.0", cwd=folder)
        assert "Traceback" not in completed.stderr, completed.stderr
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        reports[str(python)] = (completed.returncode, comparable(report))
    assert len(set(map(json.dumps, reports.values()))) == 1, reports


def this_python() -> Any:
    class CurrentPython:
        path = sys.executable

        def __str__(self) -> str:
            return "this"

    return CurrentPython()


def comparable(report: Mapping[str, Any]) -> Any:
    return {
        key: report[key] for key in ("findings", "files", "result", "exit_code", "verdict") if key in report
    }

"""Inspection in a worker process: the same results, whatever happens to that process."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner

from tools.testing import wheels
from wheel_uploader import checks, cli
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, Options, Stage
from wheel_uploader.inspection import serialization, verification, worker, worker_main
from wheel_uploader.inspection.verification import InspectionResult
from wheel_uploader.inspection.worker import InspectionWorker
from wheel_uploader.pipeline import download_stage

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX processes")
FAULTY = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
    "Home-page:", "Classifier: Nonsense :: Yes\nHome-page:"
)


@pytest.fixture(autouse=True)
def _no_minimum_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the worker for releases of any size."""
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", 0)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A valid release and a wheel with a bad classifier."""
    release = wheels.make_release(tmp_path / "staged")
    bad = wheels.make_wheel(tmp_path / "staged", tag="cp314-cp314-win_amd64", metadata=FAULTY)
    return [*release, bad]


@pytest.fixture
def inspection_worker() -> Iterator[InspectionWorker]:
    with InspectionWorker(CheckProfile.PYPI) as started:
        yield started


def inspect_directly(path: Path) -> InspectionResult:
    return verification.inspect_file(
        filenames.parse_filename(path.name),
        path,
        compute_sha256(path),
        lambda content: checks.inspect_content(content, profile=CheckProfile.PYPI),
    )


def inspect_in_worker(inspection_worker: InspectionWorker, path: Path) -> InspectionResult | None:
    return inspection_worker.inspect(
        filenames.parse_filename(path.name), path, compute_sha256(path), wait=True
    )


def compute_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "0" * 64


def test_finds_the_same_as_direct_inspection(files: list[Path], inspection_worker: InspectionWorker) -> None:
    results = [inspect_in_worker(inspection_worker, path) for path in files]
    assert results == [inspect_directly(path) for path in files]
    found_checks = {finding.check for result in results if result for finding in result.inspection.findings}
    assert "metadata/bad-classifier" in found_checks


def test_finds_damage(files: list[Path], inspection_worker: InspectionWorker) -> None:
    files[0].write_bytes(files[0].read_bytes()[:-30])
    result = inspect_in_worker(inspection_worker, files[0])
    assert result
    assert result.damage
    assert result == inspect_directly(files[0])


def test_verifies_without_checks_if_there_is_no_profile(files: list[Path]) -> None:
    with InspectionWorker(None) as inspection_worker:
        result = inspect_in_worker(inspection_worker, files[-1])
    assert result
    assert not result.inspection.findings
    assert result.inspection.summary is None


def test_accepts_any_path(
    files: list[Path], inspection_worker: InspectionWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = files[0].parent / "with blanks, \u00fc and\n a line end"
    directory.mkdir()
    moved = files[0].rename(directory / files[0].name)
    assert inspect_in_worker(inspection_worker, moved) == inspect_directly(moved)
    monkeypatch.chdir(directory)
    assert inspect_in_worker(inspection_worker, Path(moved.name)) == inspect_directly(moved)


def test_leaves_unreadable_files_to_the_parent(
    files: list[Path], inspection_worker: InspectionWorker
) -> None:
    assert inspect_in_worker(inspection_worker, files[0].with_name("absent-1.0-py3-none-any.whl")) is None
    assert inspect_in_worker(inspection_worker, files[0]) == inspect_directly(files[0])


# --- failures of the worker ------------------------------------------------------------------------


def replace_worker_program(directory: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Run another program in place of the worker."""
    path = directory / "program.py"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(worker, "_WORKER_PROGRAM", path)


@pytest.mark.parametrize(
    "text",
    [
        "raise SystemExit(1)",
        "import sys; sys.stdin.readline(); print('no JSON')",
        "import sys; sys.stdin.readline(); print('{\"integrity_source\": 1}')",
        "import sys; sys.stdin.readline(); print('[1]')",
        "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 9)",
        "import os, sys; os.close(0); sys.stdout.close()",
    ],
)
def test_does_not_use_a_failed_process_again(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    starts = tmp_path / "starts"
    replace_worker_program(tmp_path, monkeypatch, f"open({str(starts)!r}, 'a').write('x')\n{text}")
    with InspectionWorker(CheckProfile.PYPI) as inspection_worker:
        assert [inspect_in_worker(inspection_worker, path) for path in files[:3]] == [None, None, None]
    assert starts.read_text() == "x"


def test_busy_worker_makes_callers_wait_or_inspect_directly(files: list[Path], tmp_path: Path) -> None:
    for wait in (False, True):
        with InspectionWorker(CheckProfile.PYPI) as inspection_worker, ThreadPoolExecutor(1) as pool:
            assert inspection_worker._lock.acquire(timeout=5)
            future = pool.submit(
                inspection_worker.inspect,
                filenames.parse_filename(files[0].name),
                files[0],
                compute_sha256(files[0]),
                wait=wait,
            )
            if not wait:
                assert future.result(timeout=20) is None
            inspection_worker._lock.release()
            assert future.result(timeout=60) == (inspect_directly(files[0]) if wait else None)


def test_works_if_no_process_can_be_started(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with InspectionWorker(CheckProfile.PYPI) as inspection_worker:
        assert inspect_in_worker(inspection_worker, files[0]) is None


def run(directory: Path, *options: str) -> list[dict[str, object]]:
    command_line = ["--until", "check", "-u", str(directory), "--format", "json", *options, "dipy", "1.11.0"]
    result = CliRunner().invoke(cli.command, command_line, prog_name="wheel-uploader")
    document = json.loads(result.stdout)
    assert document["files"]
    return [document["files"], document["findings"]]


@pytest.mark.parametrize("text", ["", "raise SystemExit(1)"])
def test_run_reports_the_same_with_and_without_the_worker(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", 1 << 40)
    direct_report = run(files[0].parent)
    calls: list[object] = []
    real_inspect = InspectionWorker.inspect

    def record_call(self: InspectionWorker, *arguments: object, wait: bool) -> InspectionResult | None:
        calls.append(arguments)
        return real_inspect(self, *arguments, wait=wait)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(InspectionWorker, "inspect", record_call)
    if text:
        replace_worker_program(tmp_path, monkeypatch, text)
    assert run(files[0].parent) == direct_report
    assert len(calls) == len(files)


def test_small_releases_start_no_worker(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InspectionWorker, "_start", lambda _: pytest.fail("a process was started"))
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", sum(path.stat().st_size for path in files) + 1)
    run(files[0].parent)


def test_single_core_starts_no_worker(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InspectionWorker, "_start", lambda _: pytest.fail("a process was started"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    run(files[0].parent)


def test_first_files_are_inspected_directly(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", files[0].stat().st_size + 1)
    with InspectionWorker(CheckProfile.PYPI) as inspection_worker:
        assert inspect_in_worker(inspection_worker, files[0]) is None
        assert inspect_in_worker(inspection_worker, files[1]) == inspect_directly(files[1])


# --- environment and termination -------------------------------------------------------------------


def test_environment_has_no_secrets(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "environment"
    for name in ("TWINE_PASSWORD", "GITHUB_TOKEN", "WHEEL_UPLOADER_TOKEN"):
        monkeypatch.setenv(name, "hunter2-secret")
    replace_worker_program(
        tmp_path,
        monkeypatch,
        f"import os, sys; open({str(output)!r}, 'w').write(repr((os.environ, sys.argv)))",
    )
    with InspectionWorker(CheckProfile.PYPI) as inspection_worker:
        inspect_in_worker(inspection_worker, files[0])
    assert "PYTHONPATH" in output.read_text()
    assert "hunter2" not in output.read_text()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@POSIX
def test_worker_ends_with_the_run(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"
    program = (
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        "print('{}', flush=True); time.sleep(600)"
    )
    replace_worker_program(tmp_path, monkeypatch, program)
    with InspectionWorker(CheckProfile.PYPI) as inspection_worker:
        assert inspect_in_worker(inspection_worker, files[0]) is None
        assert is_running(int(pid_file.read_text()))
    assert not is_running(int(pid_file.read_text()))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc of Linux")
def test_worker_ends_when_the_run_is_killed(files: list[Path]) -> None:
    script = (
        "import sys, time; from pathlib import Path; "
        "from wheel_uploader.core import filenames; from wheel_uploader.inspection import worker; "
        "helpers = worker.InspectionWorker(None); path = Path(sys.argv[1]); worker.MIN_TOTAL_SIZE = 0; "
        "helpers.inspect(filenames.parse_filename(path.name), path, sys.argv[2], wait=True); "
        "print(helpers._process.child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(files[0]), compute_sha256(files[0])], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert is_running(pid)
        process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


# --- the worker program ----------------------------------------------------------------------------


def test_answers_each_line_with_one_line(files: list[Path]) -> None:
    requests = [json.dumps([path.name, str(path), compute_sha256(path)]).encode() for path in files]
    requests.insert(1, json.dumps(["absent-1.0-py3-none-any.whl", "/nonexistent", "0" * 64]).encode())
    answers = io.BytesIO()
    worker_main.serve_requests(requests, answers, CheckProfile.PYPI)
    documents = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert documents.pop(1) == {}
    names = [filenames.parse_filename(path.name) for path in files]
    assert [
        serialization.from_json(document, name) for document, name in zip(documents, names, strict=True)
    ] == [inspect_directly(path) for path in files]


def test_ignores_output_of_libraries(files: list[Path]) -> None:
    main = (
        "import sys; from wheel_uploader.inspection import worker_main; sys.argv = ['worker_main', '']; "
        "real = worker_main.serve_requests; "
        "worker_main.serve_requests = lambda *a: (print('{}', flush=True), real(*a)); worker_main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", main],
        input=json.dumps([files[0].name, str(files[0]), compute_sha256(files[0])]).encode() + b"\n",
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    [answer] = done.stdout.splitlines()
    assert json.loads(answer)["integrity_source"] == "RECORD"


# --- when a worker is used -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("affinity", "cpu_count", "until", "file_count", "profiles"),
    [
        ({0}, 8, Stage.CHECK, 2, None),
        ({0, 1}, 1, Stage.CHECK, 2, [CheckProfile.ANY]),
        ({0, 1}, 1, Stage.CHECK, 1, None),
        ({0, 1}, 1, Stage.DOWNLOAD, 2, [None]),
        (None, 1, Stage.CHECK, 2, None),
        (None, None, Stage.CHECK, 2, None),
        (None, 2, Stage.CHECK, 2, [CheckProfile.ANY]),
    ],
)
def test_starts_a_worker_for_several_files_on_two_cores(
    monkeypatch: pytest.MonkeyPatch,
    affinity: set[int] | None,
    cpu_count: int | None,
    until: Stage,
    file_count: int,
    profiles: list[CheckProfile | None] | None,
) -> None:
    started: list[CheckProfile | None] = []
    monkeypatch.setattr(download_stage, "InspectionWorker", started.append)
    monkeypatch.setattr(os, "cpu_count", lambda: cpu_count)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    if affinity:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: affinity, raising=False)
    profile = CheckProfile.ANY if until >= Stage.CHECK else None
    download_stage._make_worker(mock.Mock(files=range(file_count)), profile)
    assert started == (profiles or [])


@pytest.mark.parametrize(
    ("fields", "in_place"),
    [
        ({}, True),
        ({"urls": ("staged", "other")}, True),
        ({"urls": ("staged", "https://staging.example.com/")}, False),
        ({"wheelhouse": Path("wheelhouse")}, False),
        ({"until": Stage.DOWNLOAD}, False),
        ({"until": Stage.SIGN}, False),
    ],
)
def test_checks_local_files_in_place(fields: dict[str, Any], in_place: bool) -> None:
    options = {"project": "dipy", "version": "1.11.0", "urls": ("staged",), "until": Stage.CHECK, **fields}
    assert download_stage.checks_in_place(Options(**options)) is in_place

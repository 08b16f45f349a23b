"""Files that are read in a process of its own: the same is found, whatever happens to that process."""

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

from tests.support import wheels
from wheel_uploader import checks, cli
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, Options, Stage
from wheel_uploader.inspection import serialization, verification, worker, worker_main
from wheel_uploader.inspection.verification import InspectionResult
from wheel_uploader.inspection.worker import InspectionWorker
from wheel_uploader.pipeline import download_stage

POSIX = pytest.mark.skipif(os.name != "posix", reason="looks at processes as POSIX has them")
FAULTY = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
    "Home-page:", "Classifier: Nonsense :: Yes\nHome-page:"
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first file on."""
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", 0)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A good release, and a wheel with a fault."""
    made = wheels.make_release(tmp_path / "staged")
    bad = wheels.make_wheel(tmp_path / "staged", tag="cp314-cp314-win_amd64", metadata=FAULTY)
    return [*made, bad]


@pytest.fixture
def helpers() -> Iterator[InspectionWorker]:
    with InspectionWorker(CheckProfile.PYPI) as made:
        yield made


def seen_here(path: Path) -> InspectionResult:
    return verification.inspect_file(
        filenames.parse_filename(path.name),
        path,
        sha256_of(path),
        lambda content: checks.inspect_content(content, profile=CheckProfile.PYPI),
    )


def read(helpers: InspectionWorker, path: Path) -> InspectionResult | None:
    return helpers.inspect(filenames.parse_filename(path.name), path, sha256_of(path), wait=True)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "0" * 64


def test_the_same_is_found(files: list[Path], helpers: InspectionWorker) -> None:
    found = [read(helpers, path) for path in files]
    assert found == [seen_here(path) for path in files]
    told = {finding.check for seen in found if seen for finding in seen.inspection.findings}
    assert "metadata/bad-classifier" in told


def test_damage_is_found(files: list[Path], helpers: InspectionWorker) -> None:
    files[0].write_bytes(files[0].read_bytes()[:-30])
    seen = read(helpers, files[0])
    assert seen
    assert seen.damage
    assert seen == seen_here(files[0])


def test_where_files_only_have_to_be_whole_they_are_not_judged(files: list[Path]) -> None:
    with InspectionWorker(None) as helpers:
        seen = read(helpers, files[-1])
    assert seen
    assert not seen.inspection.findings
    assert seen.inspection.summary is None


def test_a_path_of_any_kind(
    files: list[Path], helpers: InspectionWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files[0].parent / "with blanks, \u00fc and\n a line end"
    folder.mkdir()
    moved = files[0].rename(folder / files[0].name)
    assert read(helpers, moved) == seen_here(moved)
    monkeypatch.chdir(folder)
    assert read(helpers, Path(moved.name)) == seen_here(moved)


def test_what_cannot_be_read_is_for_this_process_to_tell(
    files: list[Path], helpers: InspectionWorker
) -> None:
    assert read(helpers, files[0].with_name("absent-1.0-py3-none-any.whl")) is None
    assert read(helpers, files[0]) == seen_here(files[0])


# --- when it goes wrong ----------------------------------------------------------------------------


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Another program in the place of the one that reads files."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(worker, "_WORKER_PROGRAM", path)


@pytest.mark.parametrize(
    "text",
    [
        "raise SystemExit(1)",
        "import sys; sys.stdin.readline(); print('no JSON')",
        "import sys; sys.stdin.readline(); print('{\"whole_by\": 1}')",
        "import sys; sys.stdin.readline(); print('[1]')",
        "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 9)",
        "import os, sys; os.close(0); sys.stdout.close()",
    ],
)
def test_a_process_that_fails_is_not_asked_again(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    begun = tmp_path / "begun"
    program(tmp_path, monkeypatch, f"open({str(begun)!r}, 'a').write('x')\n{text}")
    with InspectionWorker(CheckProfile.PYPI) as helpers:
        assert [read(helpers, path) for path in files[:3]] == [None, None, None]
    assert begun.read_text() == "x"


def test_while_it_is_busy_files_are_read_here_or_wait(files: list[Path], tmp_path: Path) -> None:
    for wait in (False, True):
        with InspectionWorker(CheckProfile.PYPI) as helpers, ThreadPoolExecutor(1) as pool:
            assert helpers._lock.acquire(timeout=5)
            asked = pool.submit(
                helpers.inspect,
                filenames.parse_filename(files[0].name),
                files[0],
                sha256_of(files[0]),
                wait=wait,
            )
            if not wait:
                assert asked.result(timeout=20) is None
            helpers._lock.release()
            assert asked.result(timeout=60) == (seen_here(files[0]) if wait else None)


def test_a_machine_that_starts_no_processes(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with InspectionWorker(CheckProfile.PYPI) as helpers:
        assert read(helpers, files[0]) is None


def run(folder: Path, *options: str) -> list[dict[str, object]]:
    call = ["--until", "check", "-u", str(folder), "--format", "json", *options, "dipy", "1.11.0"]
    result = CliRunner().invoke(cli.command, call, prog_name="wheel-uploader")
    document = json.loads(result.stdout)
    assert document["files"]
    return [document["files"], document["findings"]]


@pytest.mark.parametrize("text", ["", "raise SystemExit(1)"])
def test_a_run_finds_the_same_with_them_and_without(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", 1 << 40)
    plainly = run(files[0].parent)
    asked: list[object] = []
    real = InspectionWorker.inspect

    def noted(self: InspectionWorker, *arguments: object, wait: bool) -> InspectionResult | None:
        asked.append(arguments)
        return real(self, *arguments, wait=wait)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(InspectionWorker, "inspect", noted)
    if text:
        program(tmp_path, monkeypatch, text)
    assert run(files[0].parent) == plainly
    assert len(asked) == len(files)


def test_small_releases_begin_none(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InspectionWorker, "_start", lambda _: pytest.fail("a process was begun"))
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", sum(path.stat().st_size for path in files) + 1)
    run(files[0].parent)


def test_a_machine_with_one_core_begins_none(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InspectionWorker, "_start", lambda _: pytest.fail("a process was begun"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    run(files[0].parent)


def test_the_first_are_read_here(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MIN_TOTAL_SIZE", files[0].stat().st_size + 1)
    with InspectionWorker(CheckProfile.PYPI) as helpers:
        assert read(helpers, files[0]) is None
        assert read(helpers, files[1]) == seen_here(files[1])


# --- what it may know, and how it ends -------------------------------------------------------------


def test_secrets_are_not_in_its_environment(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "environment"
    for name in ("TWINE_PASSWORD", "GITHUB_TOKEN", "WHEEL_UPLOADER_TOKEN"):
        monkeypatch.setenv(name, "hunter2-secret")
    program(
        tmp_path, monkeypatch, f"import os, sys; open({str(told)!r}, 'w').write(repr((os.environ, sys.argv)))"
    )
    with InspectionWorker(CheckProfile.PYPI) as helpers:
        read(helpers, files[0])
    assert "PYTHONPATH" in told.read_text()
    assert "hunter2" not in told.read_text()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@POSIX
def test_it_ends_with_the_run(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "pid"
    program(tmp_path, monkeypatch, f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid()))\n"
            "print('{}', flush=True); time.sleep(600)")  # fmt: skip
    with InspectionWorker(CheckProfile.PYPI) as helpers:
        assert read(helpers, files[0]) is None
        assert is_there(int(told.read_text()))
    assert not is_there(int(told.read_text()))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux has them")
def test_it_ends_when_the_run_is_killed(files: list[Path]) -> None:
    script = (
        "import sys, time; from pathlib import Path; "
        "from wheel_uploader.core import filenames; from wheel_uploader.inspection import worker; "
        "helpers = worker.InspectionWorker(None); path = Path(sys.argv[1]); worker.MIN_TOTAL_SIZE = 0; "
        "helpers.inspect(filenames.parse_filename(path.name), path, sys.argv[2], wait=True); "
        "print(helpers._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(files[0]), sha256_of(files[0])], stdout=subprocess.PIPE
    ) as killed:
        assert killed.stdout
        pid = int(killed.stdout.readline())
        assert is_there(pid)
        killed.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while is_there(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


# --- the program itself ----------------------------------------------------------------------------


def test_a_line_in_and_a_line_out(files: list[Path]) -> None:
    asked = [json.dumps([path.name, str(path), sha256_of(path)]).encode() for path in files]
    asked.insert(1, json.dumps(["absent-1.0-py3-none-any.whl", "/nonexistent", "0" * 64]).encode())
    answers = io.BytesIO()
    worker_main.serve_requests(asked, answers, CheckProfile.PYPI)
    told = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert told.pop(1) == {}
    names_of = [filenames.parse_filename(path.name) for path in files]
    assert [serialization.from_json(each, name) for each, name in zip(told, names_of, strict=True)] == [
        seen_here(path) for path in files
    ]


def test_what_a_library_prints_is_no_answer(files: list[Path]) -> None:
    main = (
        "import sys; from wheel_uploader.inspection import worker_main; sys.argv = ['worker_main', '']; "
        "real = worker_main.serve_requests; "
        "worker_main.serve_requests = lambda *a: (print('{}', flush=True), real(*a)); worker_main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", main],
        input=json.dumps([files[0].name, str(files[0]), sha256_of(files[0])]).encode() + b"\n",
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    [answer] = done.stdout.splitlines()
    assert json.loads(answer)["whole_by"] == "RECORD"


# --- whether there is such a process ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("usable", "cores", "until", "count", "rules"),
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
def test_several_files_are_read_apart_if_this_process_may_use_two_cores(
    monkeypatch: pytest.MonkeyPatch,
    usable: set[int] | None,
    cores: int | None,
    until: Stage,
    count: int,
    rules: list[CheckProfile | None] | None,
) -> None:
    made: list[CheckProfile | None] = []
    monkeypatch.setattr(download_stage, "InspectionWorker", made.append)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    if usable:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: usable, raising=False)
    profile = CheckProfile.ANY if until >= Stage.CHECK else None
    download_stage._make_worker(mock.Mock(files=range(count)), profile)
    assert made == (rules or [])


@pytest.mark.parametrize(
    ("fields", "in_place"),
    [
        ({}, True),
        ({"urls": ("staged", "other")}, True),
        ({"urls": ("staged", "https://staging.example.com/")}, False),
        ({"wheelhouse": Path("house")}, False),
        ({"until": Stage.DOWNLOAD}, False),
        ({"until": Stage.SIGN}, False),
    ],
)
def test_files_of_this_machine_are_checked_in_place(fields: dict[str, Any], in_place: bool) -> None:
    known = {"project": "dipy", "version": "1.11.0", "urls": ("staged",), "until": Stage.CHECK, **fields}
    assert download_stage.checks_in_place(Options(**known)) is in_place

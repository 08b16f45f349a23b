"""The budget of one file: inspecting an expensive file ends in time, with little memory and one finding."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.attacks import ATTACKS, OVER_BUDGET
from tests.support.zips import WHEEL, check_ids, content, findings
from tools.testing.binaries import elf
from tools.testing.wheels import wheel_bytes
from wheel_uploader import checks
from wheel_uploader.core import budget, filenames
from wheel_uploader.core.budget import Budget, BudgetExceeded
from wheel_uploader.core.models import (
    CheckProfile,
    CheckResult,
    SdistContent,
    Severity,
    WheelContent,
    WheelName,
)
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.member_cache import MemberCache
from wheel_uploader.inspection import verification
from wheel_uploader.inspection.cache import UNCACHEABLE

#: CPU seconds for the whole command on a busy machine, and MiB.
SECONDS = 7.0
MEMORY = 256
#: One attack of each kind; ``python -m tests.soak hostile`` runs all of them.
QUICK = (
    "a PE with the same import table 255 times",
    "Mach-O files with long names",
    "a fat file with the same slice 42 times",
    "an export trie in a ring",
    "faulty members",
    "millions of directories",
    "a RECORD with 4 million rows",
    "entry points with many blanks",
)
TAG = "cp39-abi3-manylinux_2_17_x86_64"
_PROGRAM = """
    import atexit, json, os, sys, time
    from pathlib import Path

    costs = Path(sys.argv.pop(1))

    def measure():
        lines = Path("/proc/self/status").read_text().splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        costs.write_text(json.dumps([time.process_time(), int(peak) >> 10]))

    atexit.register(measure)
    run, end = os.getpid(), os._exit

    def measure_and_end(code):
        # A run ends in this way if a thread is still running; and so does its watchdog.
        if os.getpid() == run:
            measure()
        end(code)

    os._exit = measure_and_end
    from wheel_uploader.cli import main

    main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("label", QUICK)
def test_reports_an_attack_within_the_limits(label: str, tmp_path: Path) -> None:
    attack = ATTACKS[label]
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / attack.filename).write_bytes(attack.make())
    costs = tmp_path / "costs.json"
    arguments = [str(costs), "--until", "check", "-u", str(staged), "-w", str(tmp_path / "wheelhouse")]
    completed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "COLUMNS": "300"},
    )
    assert completed.returncode == 6, completed.stderr
    seconds, memory = json.loads(costs.read_text())
    assert attack.check in completed.stdout
    assert attack.sentence in completed.stdout
    assert "Traceback" not in completed.stdout + completed.stderr
    assert seconds < SECONDS
    assert memory < MEMORY


def make_good_wheel() -> bytes:
    return wheel_bytes(
        tag=TAG, files={f"dipy/x{n}.abi3.so": elf(undefined=("PyList_New",)) for n in range(20)}
    )


def wheel_filename() -> str:
    return f"dipy-1.11.0-{TAG}.whl"


@pytest.mark.parametrize(
    "resource", ["members", "compiled files", "slices", "symbols", "names", "dynamic tags"]
)
def test_exceeding_a_limit_is_an_error(monkeypatch: pytest.MonkeyPatch, resource: str) -> None:
    assert check_ids(findings(make_good_wheel(), wheel_filename())) <= {"native/debug-symbols"}
    monkeypatch.setattr(budget, "COUNT_LIMITS", {**budget.COUNT_LIMITS, resource: 5})
    (finding,) = findings(make_good_wheel(), wheel_filename())
    assert (finding.check, finding.severity) == (OVER_BUDGET, Severity.ERROR)
    assert finding.message == f"it has more than 5 {resource}"
    if resource != "members":
        assert finding.member
        assert finding.member.startswith("dipy/x")


@pytest.mark.parametrize("stage", ["reading", "checking"])
def test_does_not_cache_the_result_of_a_file_that_ran_out_of_time(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    if stage == "reading":
        monkeypatch.setattr(budget, "BASE_CPU_SECONDS", -1000.0)
    read = content(make_good_wheel(), wheel_filename())
    monkeypatch.setattr(budget, "BASE_CPU_SECONDS", -1000.0)
    inspection = checks.inspect_content(read, profile=CheckProfile.ANY)
    assert {finding.check for finding in inspection.findings} == {OVER_BUDGET}
    assert "s of CPU time" in inspection.findings[-1].message
    assert inspection.summary
    assert OVER_BUDGET in UNCACHEABLE


def test_a_partly_read_file_is_neither_damaged_nor_verified(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / wheel_filename()
    path.write_bytes(make_good_wheel())
    sha256 = hashlib.sha256(make_good_wheel()).hexdigest()
    monkeypatch.setattr(budget, "MAX_MEMORY", 1000)

    def inspect(contents: WheelContent | SdistContent) -> CheckResult:
        return checks.inspect_content(contents, profile=CheckProfile.ANY)

    result = verification.inspect_file(filenames.parse_filename(wheel_filename()), path, sha256, inspect)
    assert result.damage == ()
    assert "RECORD" not in result.integrity_source
    assert [finding.check for finding in result.inspection.findings] == [OVER_BUDGET]


def test_counts_a_cached_member_like_a_new_one() -> None:
    cache = MemberCache()
    name = filenames.parse_filename(wheel_filename())
    assert isinstance(name, WheelName)
    first, second = (content(make_good_wheel(), wheel_filename(), cache) for _ in range(2))
    assert first == second
    assert first.budget.item_counts() == second.budget.item_counts()


def test_allows_more_for_decompression_but_not_for_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = elapsed = 0.0
    monkeypatch.setattr(budget, "_clock", lambda: cpu)
    monkeypatch.setattr(budget, "_elapsed_clock", lambda: elapsed)
    spent = Budget()
    with spent.measure_cpu_time():
        spent.start_unpacking()
        # A busy machine: this process gets a tenth of a core.
        cpu, elapsed = 1.0, 10.0
        spent.stop_unpacking()
        assert spent.cpu_limit == budget.BASE_CPU_SECONDS + budget.UNPACKING_FACTOR
        cpu, elapsed = 4.9, 49.0
        spent.check_time()
        cpu, elapsed = 5.1, 51.0
        with pytest.raises(BudgetExceeded, match=r"more than 5 s of CPU time"):
            spent.check_time()
    # Time outside measure_cpu_time() does not count.
    cpu = elapsed = 1000.0
    spent.count_work(10**9)


def test_keeps_equal_names_once() -> None:
    spent = Budget()
    for _ in range(1000):
        spent.intern_name("x" * 1000)
    assert spent.memory < 5000
    with pytest.raises(BudgetExceeded, match="MiB of memory"):
        spent.reserve_memory(budget.MAX_MEMORY)


def test_reads_a_good_wheel_completely() -> None:
    read = content(wheel_bytes(), WHEEL)
    assert read.is_fully_read
    assert archive_reader.describe_damage(read) == ()

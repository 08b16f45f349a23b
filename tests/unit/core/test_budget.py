"""The budget of one file: what costs too much ends in time, with little memory, and with one finding."""

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
from tests.support.binaries import elf
from tests.support.wheels import wheel_bytes
from tests.support.zips import WHEEL, check_ids, content, findings
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

#: Seconds of CPU time for the whole command, beside other work on the same processor, and MiB.
SECONDS = 7.0
MEMORY = 256
#: One of each kind; ``python -m tests.soak hostile`` does them all.
QUICK = (
    "a PE with the same import table 255 times",
    "Mach-O files with long names",
    "a fat file with the same slice 42 times",
    "faulty members",
    "a RECORD with 4 million rows",
    "entry points with many blanks",
)
TAG = "cp39-abi3-manylinux_2_17_x86_64"
_PROGRAM = """
    import atexit, json, sys, time
    from pathlib import Path

    costs = Path(sys.argv.pop(1))

    def measure():
        lines = Path("/proc/self/status").read_text().splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        costs.write_text(json.dumps([time.process_time(), int(peak) >> 10]))

    atexit.register(measure)
    from wheel_uploader.cli import main

    main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("label", QUICK)
def test_an_attack_ends_with_its_finding(label: str, tmp_path: Path) -> None:
    attack = ATTACKS[label]
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / attack.filename).write_bytes(attack.make())
    costs = tmp_path / "costs.json"
    arguments = [str(costs), "--until", "check", "-u", str(staged), "-w", str(tmp_path / "house")]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "COLUMNS": "300"},
    )
    seconds, memory = json.loads(costs.read_text())
    assert done.returncode == 6, done.stderr
    assert attack.check in done.stdout
    assert attack.sentence in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert seconds < SECONDS
    assert memory < MEMORY


def good() -> bytes:
    return wheel_bytes(
        tag=TAG, files={f"dipy/x{n}.abi3.so": elf(undefined=("PyList_New",)) for n in range(20)}
    )


def filename() -> str:
    return f"dipy-1.11.0-{TAG}.whl"


@pytest.mark.parametrize("what", ["members", "compiled files", "slices", "symbols", "names", "dynamic tags"])
def test_a_limit_that_is_reached_stops_the_release(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    assert check_ids(findings(good(), filename())) <= {"native/debug-symbols"}
    monkeypatch.setattr(budget, "COUNT_LIMITS", {**budget.COUNT_LIMITS, what: 5})
    (found,) = findings(good(), filename())
    assert (found.check, found.severity) == (OVER_BUDGET, Severity.ERROR)
    assert found.message == f"it has more than 5 {what}"
    if what != "members":
        assert found.member
        assert found.member.startswith("dipy/x")


@pytest.mark.parametrize("stage", ["reading", "checking"])
def test_the_clock_stops_a_file_and_the_outcome_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    if stage == "reading":
        monkeypatch.setattr(budget, "BASE_CPU_SECONDS", -1000.0)
    read = content(good(), filename())
    monkeypatch.setattr(budget, "BASE_CPU_SECONDS", -1000.0)
    inspection = checks.inspect_content(read, profile=CheckProfile.ANY)
    assert {finding.check for finding in inspection.findings} == {OVER_BUDGET}
    assert "s of CPU time" in inspection.findings[-1].message
    assert inspection.summary
    assert OVER_BUDGET in UNCACHEABLE


def test_a_file_that_was_not_read_to_its_end_is_neither_damaged_nor_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / filename()
    path.write_bytes(good())
    sha256 = hashlib.sha256(good()).hexdigest()
    monkeypatch.setattr(budget, "MAX_MEMORY", 1000)

    def inspect(each: WheelContent | SdistContent) -> CheckResult:
        return checks.inspect_content(each, profile=CheckProfile.ANY)

    seen = verification.inspect_file(filenames.parse_filename(filename()), path, sha256, inspect)
    assert seen.damage == ()
    assert "RECORD" not in seen.integrity_source
    assert [finding.check for finding in seen.inspection.findings] == [OVER_BUDGET]


def test_what_is_known_from_another_wheel_costs_the_same() -> None:
    known = MemberCache()
    name = filenames.parse_filename(filename())
    assert isinstance(name, WheelName)
    first, second = (content(good(), filename(), known) for _ in range(2))
    assert first == second
    assert first.budget.item_counts() == second.budget.item_counts()


def test_time_is_that_of_the_work_alone_and_grows_with_the_inflating() -> None:
    spent = Budget()
    with spent.measure_cpu_time():
        spent.check_time()
    spent.start_unpacking()
    sum(range(300_000))
    spent.stop_unpacking()
    assert spent.cpu_limit > budget.BASE_CPU_SECONDS
    # Nobody works: the clock stands.
    spent.count_work(10**9)


def test_equal_names_are_kept_once() -> None:
    spent = Budget()
    for _ in range(1000):
        spent.intern_name("x" * 1000)
    assert spent.memory < 5000
    with pytest.raises(BudgetExceeded, match="MiB of memory"):
        spent.reserve_memory(budget.MAX_MEMORY)


def test_a_good_wheel_is_read_to_its_end() -> None:
    read = content(wheel_bytes(), WHEEL)
    assert read.is_fully_read
    assert archive_reader.describe_damage(read) == ()

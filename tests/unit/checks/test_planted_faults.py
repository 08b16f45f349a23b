"""Test the files with planted faults that other checkers are run on."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.checks.planted_faults import planted_faults, write_planted_faults
from wheel_uploader import checks


def test_writes_each_fault_beside_the_file_without_it(tmp_path: Path) -> None:
    faults = list(planted_faults())
    write_planted_faults(faults, tmp_path)
    entries = json.loads((tmp_path / "planted.json").read_text())
    assert {entry["check"] for entry in entries} <= {check.id for check in checks.CHECKS}
    assert [(entry["check"], Path(entry["file"]).name, Path(entry["good"]).name) for entry in entries] == [
        (fault.check, fault.filename, fault.good_filename) for fault in faults
    ]
    for fault, entry in zip(faults, entries, strict=True):
        assert (tmp_path / entry["file"]).read_bytes() == fault.data
        assert (tmp_path / entry["good"]).read_bytes() == fault.good
        assert fault.data != fault.good or fault.filename != fault.good_filename

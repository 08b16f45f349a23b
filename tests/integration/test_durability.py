"""Test that finished files survive a power cut: bytes are synced before the rename, the folder after it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.support.listings import list_staged, select_from
from tools.testing import wheels
from wheel_uploader.core.models import Options, Report
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.download import scheduler
from wheel_uploader.http.client import HttpClient
from wheel_uploader.report import destinations
from wheel_uploader.signing import gpg_signer
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse

if sys.platform == "win32":
    pytest.skip("Windows cannot sync a directory", allow_module_level=True)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record syncs and renames in order."""
    calls: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "bytes")
        real_fsync(descriptor)

    def replace(first: str, second: str, **folders: int) -> None:
        calls.append(f"name {Path(second).name}")
        real_replace(first, second, **folders)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return calls


def test_syncs_an_attestation(tmp_path: Path, events: list[str]) -> None:
    staged = tmp_path / "staged"
    wheel = wheels.make_wheel(staged)
    (staged / f"{wheel.name}.publish.attestation").write_text("{}")
    options = Options(project="dipy", version="1.11.0", urls=(str(staged),))
    with HttpClient(user_urls=()) as http, Wheelhouse(tmp_path / "house") as wheelhouse:
        listed = list_staged(options.urls, "dipy", http)
        selection = select_from(listed, options, scheduler.hash_local_file)
        assert len(selection.attestation_files) == 1
        scheduler.download_attestation_files(
            selection.attestation_files, wheelhouse, http, jobs=1, clobber=False, progress=SilentProgress()
        )
    assert events == ["bytes", f"name {wheel.name}.publish.attestation", "folder"]


def test_syncs_a_signature(tmp_path: Path, events: list[str]) -> None:
    wheel = wheels.make_wheel(tmp_path)
    gpg_signer._write_atomically(tmp_path / f"{wheel.name}.asc", b"a signature", 0o644)
    assert events == ["bytes", f"name {wheel.name}.asc", "folder"]


def test_syncs_a_report(tmp_path: Path, events: list[str]) -> None:
    report = Report(Options(project="dipy", version="1.11.0", urls=("staged",)))
    assert (
        destinations.write_reports(report, destinations.parse_destinations([tmp_path / "report.json"]))
        is None
    )
    assert events[:1] == ["bytes"]
    assert events[1].startswith("name report.json")

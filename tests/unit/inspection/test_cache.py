"""The inspection cache: it saves unpacking, is valid only for the same bytes, and cannot be abused."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import typing
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from packaging.utils import canonicalize_name

from tools.testing import wheels
from wheel_uploader import checks, cli
from wheel_uploader.core import cache_mac, filenames, filesystem
from wheel_uploader.core.models import CheckProfile, CheckResult, DistName, Finding, Severity, WheelContent
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.inspection import cache as inspection_cache
from wheel_uploader.inspection import verification
from wheel_uploader.inspection.cache import FINGERPRINTED, MAX_ENTRY_SIZE, InspectionCache
from wheel_uploader.inspection.verification import InspectionResult
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY, Wheelhouse

NAME = wheels.wheel_filename("dipy", "1.11.0")
#: Metadata that causes a note, and a warning only with PyPI's rules; the wheel is not damaged.
FAULTY = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
    "Home-page:", "Classifier: Nonsense :: Yes\nHome-page:"
)
SHA256 = "00" * 32


@pytest.fixture
def archives_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the names of the archives that are read, in order."""
    real, names = archive_reader.read_archive_stream, []

    def read(file: typing.Any, *arguments: typing.Any, **options: typing.Any) -> object:
        names.append(arguments[1].filename)
        return real(file, *arguments, **options)

    monkeypatch.setattr(archive_reader, "read_archive_stream", read)
    return names


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local directory with one wheel, which violates a rule of PyPI."""
    monkeypatch.chdir(tmp_path)
    wheels.make_wheel(tmp_path / "staged", metadata=FAULTY)
    return tmp_path / "staged"


def run(*arguments: str, until: str = "check", in_place: bool = False) -> Result:
    command_line = ["-u", "staged", "--until", until, *arguments, *([] if in_place else ["-w", "wheelhouse"])]
    return CliRunner().invoke(cli.command, [*command_line, "dipy", "1.11.0"], prog_name="wheel-uploader")


def get_entry_path() -> Path:
    return Path("wheelhouse") / HIDDEN_DIRECTORY / f"{NAME}.checked.json"


def load_report(result: Result) -> dict[str, typing.Any]:
    """Return the report without the fields that differ from run to run."""
    report: dict[str, typing.Any] = json.loads(result.stdout)
    for key in ("timings", "began", "ended"):
        report.pop(key, None)
    for file in report["files"]:
        file.pop("fetched")
    return report


# --- cache hits ------------------------------------------------------------------------------------


def test_second_run_reads_no_archive_and_reports_the_same(tmp_path: Path, archives_read: list[str]) -> None:
    release = wheels.make_release(tmp_path / "staged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        first = run("--format", "json")
        assert sorted(archives_read) == sorted(path.name for path in release)
        archives_read.clear()
        second = run("--format", "json")
    assert archives_read == []
    assert first.exit_code == second.exit_code == 0
    assert load_report(first) == load_report(second)
    assert load_report(first)["findings"]


def test_checking_in_place_leaves_nothing(staged: Path, archives_read: list[str]) -> None:
    for _ in range(2):
        assert run(in_place=True).exit_code == 6
    assert archives_read == [NAME, NAME]
    assert [path.name for path in Path.cwd().iterdir()] == ["staged"]


def test_ignore_options_apply_to_cached_results(staged: Path, archives_read: list[str]) -> None:
    assert run().exit_code == 6
    accepted = run("--ignore", "metadata/bad-classifier", "--format", "json")
    assert accepted.exit_code == 0
    assert {finding["check"] for finding in load_report(accepted)["findings"] if finding["ignored"]} == {
        "metadata/bad-classifier"
    }
    assert run("--ignore", "metadata").exit_code == 0
    assert run("--ignore", "wheel").exit_code == 6
    assert run("--ignore", "metadata/bad-classifier", "--strict").exit_code == 6
    assert archives_read == [NAME]


def test_caches_each_profile_separately(staged: Path, archives_read: list[str]) -> None:
    assert run("--profile", "any").exit_code == 0
    assert run("--profile", "pypi").exit_code == 6
    assert archives_read == [NAME, NAME]
    assert run("--profile", "pypi").exit_code == 6
    assert archives_read == [NAME, NAME]


def test_cached_checks_serve_a_download_but_not_the_reverse(staged: Path, archives_read: list[str]) -> None:
    assert run(until="download").exit_code == 0
    assert run(until="download").exit_code == 0
    assert archives_read == [NAME]
    assert run().exit_code == 6
    assert archives_read == [NAME, NAME]
    assert run(until="download").exit_code == 0
    assert run().exit_code == 6
    assert archives_read == [NAME, NAME]


# --- cache misses ------------------------------------------------------------------------------------


def test_reads_a_changed_file_again(staged: Path, archives_read: list[str]) -> None:
    assert run().exit_code == 6
    good = wheels.wheel_bytes()
    (staged / NAME).write_bytes(good)
    assert run("-c").exit_code == 0
    assert archives_read == [NAME, NAME]
    # Damage one byte in the wheelhouse and at the source: the cached result no longer applies.
    damaged = bytearray(good)
    damaged[50] ^= 1
    (Path("wheelhouse") / NAME).write_bytes(damaged)
    (staged / NAME).write_bytes(damaged)
    assert run().exit_code == 6
    assert run().exit_code == 6
    assert archives_read == [NAME] * 4


def test_reads_the_same_bytes_under_another_name_again(tmp_path: Path) -> None:
    result = InspectionResult(inspection=CheckResult(), integrity_source="RECORD")
    other = filenames.parse_filename(wheels.wheel_filename("dipy", "1.11.0", "cp312-abi3-any"))
    with Wheelhouse(tmp_path) as wheelhouse:
        cache = InspectionCache(wheelhouse, None)
        cache.put(filenames.parse_filename(NAME), SHA256, result)
        shutil.copy(
            tmp_path / HIDDEN_DIRECTORY / f"{NAME}.checked.json",
            tmp_path / HIDDEN_DIRECTORY / f"{other}.checked.json",
        )
        assert cache.get(filenames.parse_filename(NAME), SHA256) == result
        assert cache.get(other, SHA256) is None
        assert cache.get(filenames.parse_filename(NAME), "01" * 32) is None


@pytest.mark.parametrize("changed_part", ["a library", "a missing library", "the program", "its data"])
def test_new_version_invalidates_the_cache(
    staged: Path, archives_read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed_part: str
) -> None:
    run()
    run()
    assert archives_read == [NAME]
    if changed_part == "a library":
        real_version = metadata.version
        monkeypatch.setattr(
            metadata, "version", lambda name: "999" if name == "trove-classifiers" else real_version(name)
        )
    elif changed_part == "a missing library":
        monkeypatch.setattr(inspection_cache, "FINGERPRINTED", (*FINGERPRINTED, "nobody-has-this"))
    else:
        copy = tmp_path / "program"
        shutil.copytree(
            Path(inspection_cache.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__")
        )
        path = copy / (
            "checks/wheel.py" if changed_part == "the program" else "core/platforms/data/linux.json"
        )
        path.write_bytes(path.read_bytes() + b" ")
        monkeypatch.setattr(inspection_cache, "__file__", str(copy / "inspection" / "cache.py"))
    inspection_cache.fingerprint.cache_clear()
    try:
        run()
        run()
    finally:
        inspection_cache.fingerprint.cache_clear()
    assert archives_read == [NAME, NAME]


def test_caches_nothing_if_the_program_cannot_be_read(
    staged: Path, archives_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError

    inspection_cache.fingerprint.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert inspection_cache.fingerprint() == ""
    run()
    assert not get_entry_path().exists()
    # An entry without a fingerprint is not accepted either.
    get_entry_path().write_text(json.dumps({"of": [], "profile": "pypi"}))
    get_entry_path().chmod(0o600)
    run()
    inspection_cache.fingerprint.cache_clear()
    assert archives_read == [NAME, NAME]


def test_fingerprint_includes_every_library_of_the_checks() -> None:
    """FINGERPRINTED names every library that facts, checks and platforms import, and their renderers."""
    package = Path(inspection_cache.__file__).parents[1]
    distributions = metadata.packages_distributions()
    imported = set()
    for family in ("facts/archive", "facts/binaries", "checks", "core/platforms"):
        for path in (package / family).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(node.module or "")
    libraries = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"wheel_uploader"}
    named = {canonicalize_name(name) for name in FINGERPRINTED}
    assert {canonicalize_name(distributions[library][0]) for library in libraries} <= named
    assert all(metadata.version(name) for name in FINGERPRINTED)


# --- results that are not cached ---------------------------------------------------------------------


def test_does_not_cache_findings_about_time_limits(tmp_path: Path) -> None:
    def make_finding(check: str) -> Finding:
        return Finding(check=check, severity=Severity.WARNING, subject=NAME, message="it takes too long")

    name = filenames.parse_filename(NAME)
    assert {check.id for check in checks.CHECKS} >= inspection_cache.UNCACHEABLE
    with Wheelhouse(tmp_path) as wheelhouse:
        cache = InspectionCache(wheelhouse, CheckProfile.PYPI)
        for check in (*inspection_cache.UNCACHEABLE, "wheel/tags"):
            result = InspectionResult(
                inspection=CheckResult(findings=(make_finding(check),)), integrity_source="RECORD"
            )
            cache.put(name, SHA256, result)
            assert (cache.get(name, SHA256) == result) is (check == "wheel/tags")
            assert cache.get(name, SHA256) in {result, None}


def test_does_not_cache_results_that_are_too_large(tmp_path: Path) -> None:
    finding = Finding(check="a/b", severity=Severity.NOTE, subject=NAME, message="x" * 2000, member="m")
    result = InspectionResult(inspection=CheckResult(findings=(finding,) * 300), integrity_source="RECORD")
    with Wheelhouse(tmp_path) as wheelhouse:
        InspectionCache(wheelhouse, None).put(filenames.parse_filename(NAME), SHA256, result)
        assert InspectionCache(wheelhouse, None).get(filenames.parse_filename(NAME), SHA256) is None
    assert not (tmp_path / HIDDEN_DIRECTORY / f"{NAME}.checked.json").exists()


def test_continues_if_the_cache_cannot_be_written(
    staged: Path, archives_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = filesystem.OpenDirectory.write

    def write(
        directory: filesystem.OpenDirectory, name: str, data: bytes, mode: int, *, sync: bool = True
    ) -> None:
        if ".checked" in name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(directory, name, data, mode, sync=sync)

    monkeypatch.setattr(filesystem.OpenDirectory, "write", write)
    assert run("--ignore", "metadata/bad-classifier").exit_code == 0
    assert not get_entry_path().exists()


def test_deletes_the_entry_of_a_deleted_file(staged: Path) -> None:
    run()
    assert get_entry_path().exists()
    (Path("wheelhouse") / NAME).unlink()
    with Wheelhouse(Path("wheelhouse")):
        pass
    assert not get_entry_path().exists()


# --- hostile entries ---------------------------------------------------------------------------------


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _load_document(path: Path) -> dict[str, typing.Any]:
    document: dict[str, typing.Any] = json.loads(path.read_text())
    del document["seal"]
    return document


def _write_sealed(path: Path, document: object) -> None:
    """Write an entry with a valid seal, so that only its contents can be wrong."""
    sealed = cache_mac.seal_json(path.name, json.dumps(document).encode())
    assert sealed
    path.write_bytes(sealed)


def _edit(**values: object) -> Callable[[Path], None]:
    return lambda path: _write_sealed(path, _load_document(path) | values)


def _remove_findings(path: Path) -> None:
    """Remove the findings without updating the seal."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"findings": []}))


def _seal_for_another_file(path: Path) -> None:
    sealed = cache_mac.seal_json(
        "other-1.0-py3-none-any.whl.checked.json", json.dumps(_load_document(path)).encode()
    )
    assert sealed
    path.write_bytes(sealed)


def _change_key(path: Path) -> None:
    """Replace the key, as if the wheelhouse came from a CI cache without the key."""
    key = cache_mac.get_cache_directory()
    assert key
    (key / "key").write_bytes(bytes(32))
    cache_mac._keys.clear()


def _edit_findings(**values: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        document = _load_document(path)
        _write_sealed(path, document | {"findings": [finding | values for finding in document["findings"]]})

    return edit


def _replace_by_symlink(path: Path) -> None:
    path.rename("elsewhere")
    path.symlink_to(Path("elsewhere").absolute())


def _add_hard_link(path: Path) -> None:
    Path("elsewhere").hardlink_to(path)


def _replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": _truncate,
    "not JSON": lambda path: path.write_bytes(b"\xff\xfe{"),
    "deeply nested": lambda path: path.write_bytes(b"[" * 400_000),
    "deeply nested in a field": lambda path: path.write_bytes(b'{"of":' + b'{"a":' * 80_000),
    "a huge number": lambda path: path.write_bytes(b"9" * 100_000),
    "huge": lambda path: path.write_bytes(path.read_bytes() + b" " * MAX_ENTRY_SIZE),
    "a list": lambda path: path.write_bytes(b"[]"),
    "a string": lambda path: path.write_bytes(b'"of"'),
    "an empty object": lambda path: path.write_bytes(b"{}"),
    "no findings": _edit(findings=None),
    "strings as findings": _edit(findings=["x"]),
    "findings as an object": _edit(findings={}),
    "unknown severity": _edit_findings(severity="harmless"),
    "a list as severity": _edit_findings(severity=[]),
    "a number as message": _edit_findings(message=1),
    "a number as boolean": _edit_findings(ignored=1),
    "an extra field": _edit_findings(more=1),
    "a list as summary": _edit(summary=[]),
    "an incomplete summary": _edit(summary={"size": 1}),
    "a list as integrity source": _edit(integrity_source=["RECORD"]),
    "a list as profile": _edit(profile=["pypi"]),
    "forged": _remove_findings,
    "not sealed": lambda path: path.write_text(json.dumps(_load_document(path))),
    "sealed for another file": _seal_for_another_file,
    "sealed with another key": _change_key,
    "a symbolic link": _replace_by_symlink,
    "a hard link": _add_hard_link,
    "writable by the group": lambda path: path.chmod(0o620),
    "directory writable by all": lambda path: path.parent.chmod(0o777),
    "directory writable by the group": lambda path: path.parent.chmod(0o775),
    "a fifo": _replace_by_fifo,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_ignores_manipulated_entries(staged: Path, archives_read: list[str], kind: str) -> None:
    if sys.platform == "win32" and kind in {
        *("writable by the group", "directory writable by all", "directory writable by the group"),
        *("a fifo", "a symbolic link"),
    }:
        pytest.skip("needs a POSIX system")
    first = run("--format", "json")
    HOSTILE[kind](get_entry_path())
    second = run("--format", "json")
    assert second.exit_code == 6, second.output
    assert load_report(first) == load_report(second)
    assert archives_read == [NAME, NAME]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")
@pytest.mark.parametrize(
    "defect", ["no home", "a file", "writable by the group", "readable by others", "short"]
)
def test_does_not_use_the_cache_without_a_private_key(
    staged: Path, tmp_path: Path, archives_read: list[str], monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    cache_directory = tmp_path / "cache" / "wheel-uploader"
    cache_directory.mkdir(mode=0o700, parents=True)
    key = cache_directory / "key"
    monkeypatch.setattr(
        cache_mac, "get_cache_directory", lambda: None if defect == "no home" else cache_directory
    )
    match defect:
        case "a file":
            cache_directory.rmdir()
            cache_directory.write_bytes(b"")
        case "writable by the group":
            cache_directory.chmod(0o770)
        case "readable by others":
            key.write_bytes(bytes(32))
            key.chmod(0o644)
        case "short":
            key.touch(0o600)
        case _:
            pass
    first, second = run("--format", "json"), run("--format", "json")
    assert (first.exit_code, second.exit_code) == (6, 6)
    assert load_report(first) == load_report(second)
    assert archives_read == [NAME, NAME]
    assert not get_entry_path().exists()


def test_concurrent_runs_create_one_private_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_directory = tmp_path / "cache" / "wheel-uploader"
    monkeypatch.setattr(cache_mac, "get_cache_directory", lambda: cache_directory)
    program = (
        "import pathlib, sys; from wheel_uploader.core import cache_mac; "
        "cache_mac.get_cache_directory = lambda: pathlib.Path(sys.argv[1]); "
        "sys.stdin.read(1); sys.stdout.buffer.write(cache_mac.seal_json('x', b'{}'))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(cache_directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    sealed = [process.communicate(b"x", timeout=60)[0] for process in runs]
    assert [cache_mac.unseal_json("x", data) for data in sealed] == [b"{}"] * 4
    assert [path.name for path in cache_directory.iterdir()] == ["key"]
    if hasattr(os, "geteuid"):
        assert (cache_directory / "key").stat().st_mode & 0o777 == 0o600
        assert cache_directory.stat().st_mode & 0o777 == 0o700


def test_entry_is_private(staged: Path) -> None:
    run()
    if hasattr(os, "geteuid"):
        assert get_entry_path().stat().st_mode & 0o777 == 0o600


def test_every_kind_of_result_survives_a_round_trip(tmp_path: Path) -> None:
    dynamic = FAULTY.replace("2.1", "2.2").replace("Home-page", "Dynamic: Requires-Dist\nHome-page")
    wheels.make_wheel(tmp_path, metadata=FAULTY, files={"dipy/a.so": b"no code", "two/x.py": b""})
    wheels.make_sdist(tmp_path, metadata=dynamic)
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse:
        for path in (tmp_path / NAME, tmp_path / "dipy-1.11.0.tar.gz"):
            name = filenames.parse_filename(path.name)
            inspection = checks.inspect_content(
                archive_reader.read_archive(path, name), profile=CheckProfile.PYPI
            )
            assert inspection.findings
            result = InspectionResult(inspection=inspection, integrity_source="RECORD")
            cache = InspectionCache(wheelhouse, CheckProfile.PYPI)
            cache.put(name, SHA256, result)
            assert cache.get(name, SHA256) == result


def test_inspects_a_damaged_file_every_time(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    inspected: list[str] = []

    def inspect(content: object) -> CheckResult:
        assert isinstance(content, WheelContent)
        inspected.append(content.filename)
        return CheckResult()

    def read(name: DistName, path: Path, sha256: str) -> InspectionResult:
        return verification.inspect_file(name, path, sha256, inspect)

    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse:
        for _ in range(2):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            result = verification.inspect_cached(
                filenames.parse_filename(NAME), path, sha256, read, InspectionCache(wheelhouse, None)
            )
            assert result.damage
    assert inspected == [NAME, NAME]

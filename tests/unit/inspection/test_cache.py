"""What is remembered of a file spares unpacking it, holds for the same bytes only, and harms nothing."""

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

from tests.support import wheels
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
#: A note, and a warning only of PyPI's rules; the wheel is whole.
FAULTY = wheels.METADATA.format(project="dipy", version="1.11.0").replace(
    "Home-page:", "Classifier: Nonsense :: Yes\nHome-page:"
)
SHA256 = "00" * 32


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the archives that were read, in order."""
    real, names_of = archive_reader.read_archive_stream, []

    def read(file: typing.Any, size: int, name: typing.Any, known: typing.Any = None) -> object:
        names_of.append(name.filename)
        return real(file, size, name, known)

    monkeypatch.setattr(archive_reader, "read_archive_stream", read)
    return names_of


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local folder with one wheel, which has a fault of PyPI's rules."""
    monkeypatch.chdir(tmp_path)
    wheels.make_wheel(tmp_path / "staged", metadata=FAULTY)
    return tmp_path / "staged"


def run(*arguments: str, until: str = "check", in_place: bool = False) -> Result:
    call = ["-u", "staged", "--until", until, *arguments, *([] if in_place else ["-w", "house"])]
    return CliRunner().invoke(cli.command, [*call, "dipy", "1.11.0"], prog_name="wheel-uploader")


def memory() -> Path:
    return Path("house") / HIDDEN_DIRECTORY / f"{NAME}.checked.json"


def told(result: Result) -> dict[str, typing.Any]:
    """The report, without what differs from run to run."""
    report: dict[str, typing.Any] = json.loads(result.stdout)
    for key in ("timings", "began", "ended"):
        report.pop(key, None)
    for file in report["files"]:
        file.pop("fetched")
    return report


# --- it spares the work ----------------------------------------------------------------------------


def test_a_second_run_opens_no_archive_and_says_the_same(tmp_path: Path, opened: list[str]) -> None:
    release = wheels.make_release(tmp_path / "staged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        first = run("--format", "json")
        assert sorted(opened) == sorted(path.name for path in release)
        opened.clear()
        second = run("--format", "json")
    assert opened == []
    assert first.exit_code == second.exit_code == 0
    assert told(first) == told(second)
    assert told(first)["findings"]


def test_files_that_are_checked_where_they_lie_leave_nothing(staged: Path, opened: list[str]) -> None:
    for _ in range(2):
        assert run(in_place=True).exit_code == 6
    assert opened == [NAME, NAME]
    assert [path.name for path in Path.cwd().iterdir()] == ["staged"]


def test_what_the_person_accepts_is_asked_after_remembering(staged: Path, opened: list[str]) -> None:
    assert run().exit_code == 6
    accepted = run("--ignore", "metadata/bad-classifier", "--format", "json")
    assert accepted.exit_code == 0
    assert {each["check"] for each in told(accepted)["findings"] if each["ignored"]} == {
        "metadata/bad-classifier"
    }
    assert run("--ignore", "metadata").exit_code == 0
    assert run("--ignore", "wheel").exit_code == 6
    assert run("--ignore", "metadata/bad-classifier", "--strict").exit_code == 6
    assert opened == [NAME]


def test_each_profile_is_judged_for_itself(staged: Path, opened: list[str]) -> None:
    assert run("--profile", "any").exit_code == 0
    assert run("--profile", "pypi").exit_code == 6
    assert opened == [NAME, NAME]
    assert run("--profile", "pypi").exit_code == 6
    assert opened == [NAME, NAME]


def test_that_a_file_is_whole_was_found_by_its_checks_too_but_not_the_reverse(
    staged: Path, opened: list[str]
) -> None:
    assert run(until="download").exit_code == 0
    assert run(until="download").exit_code == 0
    assert opened == [NAME]
    assert run().exit_code == 6
    assert opened == [NAME, NAME]
    assert run(until="download").exit_code == 0
    assert run().exit_code == 6
    assert opened == [NAME, NAME]


# --- only the same bytes, and the same judges --------------------------------------------------------


def test_other_bytes_are_looked_into(staged: Path, opened: list[str]) -> None:
    assert run().exit_code == 6
    good = wheels.wheel_bytes()
    (staged / NAME).write_bytes(good)
    assert run("-c").exit_code == 0
    assert opened == [NAME, NAME]
    # One byte of the file in the wheelhouse, which its source has too: it is damaged, whatever was known.
    torn = bytearray(good)
    torn[50] ^= 1
    (Path("house") / NAME).write_bytes(torn)
    (staged / NAME).write_bytes(torn)
    assert run().exit_code == 6
    assert run().exit_code == 6
    assert opened == [NAME] * 4


def test_the_same_bytes_under_another_name_are_looked_into(tmp_path: Path) -> None:
    seen = InspectionResult(inspection=CheckResult(), integrity_source="RECORD")
    other = filenames.parse_filename(wheels.wheel_filename("dipy", "1.11.0", "cp312-abi3-any"))
    with Wheelhouse(tmp_path) as house:
        memories = InspectionCache(house, None)
        memories.put(filenames.parse_filename(NAME), SHA256, seen)
        shutil.copy(
            tmp_path / HIDDEN_DIRECTORY / f"{NAME}.checked.json",
            tmp_path / HIDDEN_DIRECTORY / f"{other}.checked.json",
        )
        assert memories.get(filenames.parse_filename(NAME), SHA256) == seen
        assert memories.get(other, SHA256) is None
        assert memories.get(filenames.parse_filename(NAME), "01" * 32) is None


@pytest.mark.parametrize("what", ["a library", "a library less", "the program", "its data"])
def test_a_new_version_judges_anew(
    staged: Path, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    run()
    run()
    assert opened == [NAME]
    if what == "a library":
        real = metadata.version
        monkeypatch.setattr(
            metadata, "version", lambda name: "999" if name == "trove-classifiers" else real(name)
        )
    elif what == "a library less":
        monkeypatch.setattr(inspection_cache, "FINGERPRINTED", (*FINGERPRINTED, "nobody-has-this"))
    else:
        copy = tmp_path / "program"
        shutil.copytree(
            Path(inspection_cache.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__")
        )
        changed = copy / ("checks/wheel.py" if what == "the program" else "core/platforms/data/linux.json")
        changed.write_bytes(changed.read_bytes() + b" ")
        monkeypatch.setattr(inspection_cache, "__file__", str(copy / "inspection" / "cache.py"))
    inspection_cache.fingerprint.cache_clear()
    try:
        run()
        run()
    finally:
        inspection_cache.fingerprint.cache_clear()
    assert opened == [NAME, NAME]


def test_where_the_program_cannot_be_read_nothing_is_remembered(
    staged: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError

    inspection_cache.fingerprint.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert inspection_cache.fingerprint() == ""
    run()
    assert not memory().exists()
    # Nor is something believed that says it was judged by nobody.
    memory().write_text(json.dumps({"of": [], "profile": "pypi"}))
    memory().chmod(0o600)
    run()
    inspection_cache.fingerprint.cache_clear()
    assert opened == [NAME, NAME]


def test_every_library_that_judges_is_named() -> None:
    """What checks, archive, native and platforms import; of what those use, the renderers."""
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


# --- what is not remembered --------------------------------------------------------------------------


def test_a_verdict_of_a_busy_machine_is_not_kept(tmp_path: Path) -> None:
    def finding(check: str) -> Finding:
        return Finding(check=check, severity=Severity.WARNING, subject=NAME, message="it takes too long")

    name = filenames.parse_filename(NAME)
    assert {check.id for check in checks.CHECKS} >= inspection_cache.UNCACHEABLE
    with Wheelhouse(tmp_path) as house:
        memories = InspectionCache(house, CheckProfile.PYPI)
        for check in (*inspection_cache.UNCACHEABLE, "wheel/tags"):
            seen = InspectionResult(
                inspection=CheckResult(findings=(finding(check),)), integrity_source="RECORD"
            )
            memories.put(name, SHA256, seen)
            assert (memories.get(name, SHA256) == seen) is (check == "wheel/tags")
            assert memories.get(name, SHA256) in {seen, None}


def test_what_is_said_of_a_file_is_bounded(tmp_path: Path) -> None:
    finding = Finding(check="a/b", severity=Severity.NOTE, subject=NAME, message="x" * 2000, member="m")
    seen = InspectionResult(inspection=CheckResult(findings=(finding,) * 300), integrity_source="RECORD")
    with Wheelhouse(tmp_path) as house:
        InspectionCache(house, None).put(filenames.parse_filename(NAME), SHA256, seen)
        assert InspectionCache(house, None).get(filenames.parse_filename(NAME), SHA256) is None
    assert not (tmp_path / HIDDEN_DIRECTORY / f"{NAME}.checked.json").exists()


def test_a_disk_without_room_for_it_is_no_reason_to_stop(
    staged: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = filesystem.OpenDirectory.write

    def write(
        folder: filesystem.OpenDirectory, name: str, data: bytes, mode: int, *, sync: bool = True
    ) -> None:
        if ".checked" in name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(folder, name, data, mode, sync=sync)

    monkeypatch.setattr(filesystem.OpenDirectory, "write", write)
    assert run("--ignore", "metadata/bad-classifier").exit_code == 0
    assert not memory().exists()


def test_of_a_file_that_is_gone_nothing_is_kept(staged: Path) -> None:
    run()
    assert memory().exists()
    (Path("house") / NAME).unlink()
    with Wheelhouse(Path("house")):
        pass
    assert not memory().exists()


# --- what may lie there ------------------------------------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _document(path: Path) -> dict[str, typing.Any]:
    document: dict[str, typing.Any] = json.loads(path.read_text())
    del document["seal"]
    return document


def _write(path: Path, document: object) -> None:
    """As the program itself would: what is wrong in it has to be found by reading it."""
    sealed = cache_mac.seal_json(path.name, json.dumps(document).encode())
    assert sealed
    path.write_bytes(sealed)


def _edit(**values: object) -> Callable[[Path], None]:
    return lambda path: _write(path, _document(path) | values)


def _forge(path: Path) -> None:
    """Say that there is nothing wrong with the file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"findings": []}))


def _of_another_file(path: Path) -> None:
    sealed = cache_mac.seal_json(
        "other-1.0-py3-none-any.whl.checked.json", json.dumps(_document(path)).encode()
    )
    assert sealed
    path.write_bytes(sealed)


def _of_another_key(path: Path) -> None:
    """The wheelhouse came from the cache of a CI, and the key did not."""
    key = cache_mac.get_cache_directory()
    assert key
    (key / "key").write_bytes(bytes(32))
    cache_mac._keys.clear()


def _finding(**values: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        document = _document(path)
        _write(path, document | {"findings": [each | values for each in document["findings"]]})

    return edit


def _link(path: Path) -> None:
    path.rename("elsewhere")
    path.symlink_to(Path("elsewhere").absolute())


def _second_name(path: Path) -> None:
    Path("elsewhere").hardlink_to(path)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_bytes(b""),
    "cut": _cut,
    "no JSON": lambda path: path.write_bytes(b"\xff\xfe{"),
    "deep": lambda path: path.write_bytes(b"[" * 400_000),
    "deep in a field": lambda path: path.write_bytes(b'{"of":' + b'{"a":' * 80_000),
    "a huge number": lambda path: path.write_bytes(b"9" * 100_000),
    "huge": lambda path: path.write_bytes(path.read_bytes() + b" " * MAX_ENTRY_SIZE),
    "a list": lambda path: path.write_bytes(b"[]"),
    "a word": lambda path: path.write_bytes(b'"of"'),
    "an empty object": lambda path: path.write_bytes(b"{}"),
    "no findings": _edit(findings=None),
    "findings of a kind": _edit(findings=["x"]),
    "an object of findings": _edit(findings={}),
    "no severity": _finding(severity="harmless"),
    "a list for a severity": _finding(severity=[]),
    "a number for a message": _finding(message=1),
    "a number for a yes": _finding(ignored=1),
    "a field more": _finding(more=1),
    "a summary of a kind": _edit(summary=[]),
    "no summary's fields": _edit(summary={"size": 1}),
    "a list for what is whole": _edit(whole_by=["RECORD"]),
    "a list for a profile": _edit(profile=["pypi"]),
    "forged": _forge,
    "without a seal": lambda path: path.write_text(json.dumps(_document(path))),
    "of another file": _of_another_file,
    "of another key": _of_another_key,
    "a link": _link,
    "a second name": _second_name,
    "others may write": lambda path: path.chmod(0o620),
    "the folder is open": lambda path: path.parent.chmod(0o777),
    "the folder is the group's": lambda path: path.parent.chmod(0o775),
    "a fifo": _fifo,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_not_as_we_left_it_is_not_believed(staged: Path, opened: list[str], kind: str) -> None:
    if sys.platform == "win32" and kind in {
        *("others may write", "the folder is open", "the folder is the group's", "a fifo", "a link"),
    }:
        pytest.skip("needs a POSIX system")
    first = run("--format", "json")
    HOSTILE[kind](memory())
    second = run("--format", "json")
    assert second.exit_code == 6, second.output
    assert told(first) == told(second)
    assert opened == [NAME, NAME]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")
@pytest.mark.parametrize("how", ["no home", "a file", "open to the group", "readable by others", "short"])
def test_without_a_key_that_is_this_users_alone_every_file_is_checked_again(
    staged: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    where = tmp_path / "cache" / "wheel-uploader"
    where.mkdir(mode=0o700, parents=True)
    key = where / "key"
    monkeypatch.setattr(cache_mac, "get_cache_directory", lambda: None if how == "no home" else where)
    match how:
        case "a file":
            where.rmdir()
            where.write_bytes(b"")
        case "open to the group":
            where.chmod(0o770)
        case "readable by others":
            key.write_bytes(bytes(32))
            key.chmod(0o644)
        case "short":
            key.touch(0o600)
        case _:
            pass
    first, second = run("--format", "json"), run("--format", "json")
    assert (first.exit_code, second.exit_code) == (6, 6)
    assert told(first) == told(second)
    assert opened == [NAME, NAME]
    assert not memory().exists()


def test_the_key_is_made_once_by_several_runs_and_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "cache" / "wheel-uploader"
    monkeypatch.setattr(cache_mac, "get_cache_directory", lambda: where)
    program = (
        "import pathlib, sys; from wheel_uploader.core import cache_mac; "
        "cache_mac.get_cache_directory = lambda: pathlib.Path(sys.argv[1]); "
        "sys.stdin.read(1); sys.stdout.buffer.write(cache_mac.seal_json('x', b'{}'))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(where)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    sealed = [process.communicate(b"x", timeout=60)[0] for process in runs]
    assert [cache_mac.unseal_json("x", each) for each in sealed] == [b"{}"] * 4
    assert [each.name for each in where.iterdir()] == ["key"]
    if hasattr(os, "geteuid"):
        assert (where / "key").stat().st_mode & 0o777 == 0o600
        assert where.stat().st_mode & 0o777 == 0o700


def test_it_is_private(staged: Path) -> None:
    run()
    if hasattr(os, "geteuid"):
        assert memory().stat().st_mode & 0o777 == 0o600


def test_every_kind_of_thing_comes_back_as_it_was(tmp_path: Path) -> None:
    dynamic = FAULTY.replace("2.1", "2.2").replace("Home-page", "Dynamic: Requires-Dist\nHome-page")
    wheels.make_wheel(tmp_path, metadata=FAULTY, files={"dipy/a.so": b"no code", "two/x.py": b""})
    wheels.make_sdist(tmp_path, metadata=dynamic)
    with Wheelhouse(tmp_path / "house") as house:
        for path in (tmp_path / NAME, tmp_path / "dipy-1.11.0.tar.gz"):
            name = filenames.parse_filename(path.name)
            inspection = checks.inspect_content(
                archive_reader.read_archive(path, name), profile=CheckProfile.PYPI
            )
            assert inspection.findings
            seen = InspectionResult(inspection=inspection, integrity_source="RECORD")
            memories = InspectionCache(house, CheckProfile.PYPI)
            memories.put(name, SHA256, seen)
            assert memories.get(name, SHA256) == seen


def test_a_damaged_file_is_judged_every_time(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    asked: list[str] = []

    def inspect(content: object) -> CheckResult:
        assert isinstance(content, WheelContent)
        asked.append(content.filename)
        return CheckResult()

    def read(name: DistName, path: Path, sha256: str) -> InspectionResult:
        return verification.inspect_file(name, path, sha256, inspect)

    with Wheelhouse(tmp_path / "house") as house:
        for _ in range(2):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            seen = verification.inspect_cached(
                filenames.parse_filename(NAME), path, sha256, read, InspectionCache(house, None)
            )
            assert seen.damage
    assert asked == [NAME, NAME]

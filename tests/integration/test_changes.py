"""``--diff``: what changed since the previous release, over several kinds of indexes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import wheels
from tools.testing.indexes import Devpi, Served, pypiserver, scripted_index
from tools.testing.servers import nginx
from wheel_uploader.index import client

OLD, NEW = wheels.wheel_filename("demo", "1.0"), wheels.wheel_filename("demo", "1.1")


def metadata(version: str, *lines: str) -> str:
    text = wheels.METADATA.format(project="demo", version=version)
    return text.replace("Classifier:", "".join(f"{line}\n" for line in lines) + "Classifier:")


def old_wheel() -> bytes:
    return wheels.wheel_bytes(
        "demo",
        "1.0",
        metadata=metadata("1.0", "Requires-Dist: numpy (>=1.22)", "Requires-Dist: six", "Provides-Extra: x"),
        files={
            "demo/data/a.bin": bytes(50_000),
            "gone/__init__.py": b"",
            "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\ndemo = demo:main\nold = demo:old\n",
        },
    )


def stage() -> None:
    text = metadata("1.1", "Requires-Dist: numpy>=1.22", "Requires-Dist: scipy").replace(">=3.9", ">=3.10")
    wheels.make_wheel(
        Path("staged"),
        "demo",
        "1.1",
        metadata=text.replace("License: BSD", "License: MIT"),
        files={
            "demo/data/a.bin": bytes(20_000),
            "demo/more/b.bin": bytes(30_000),
            "extra/__init__.py": b"",
            "demo.pth": b"import demo\n",
            "demo-1.1.dist-info/entry_points.txt": b"[console_scripts]\ndemo = demo:main\nnew = demo:new\n",
        },
    )


EXPECTED = {
    "top-level names": (["extra"], ["gone"]),
    "start-up code": (["demo.pth"], []),
    "entry points": (["console_scripts: new = demo:new"], ["console_scripts: old = demo:old"]),
    "Requires-Python": ([">=3.10"], [">=3.9"]),
    "Requires-Dist": (["scipy"], ["six"]),
    "Provides-Extra": ([], ["x"]),
    "License": (["MIT"], ["BSD"]),
}


@pytest.fixture(autouse=True)
def _staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage()


@pytest.fixture
def index() -> Iterator[Served]:
    with scripted_index() as served:
        served.index.files[OLD] = old_wheel()
        yield served


def run(index_url: str, *arguments: str) -> Result:
    return in_process.run(
        "-u", "staged", "--index-url", index_url, "--until", "check", *arguments, "demo", "1.1"
    )


def changes_of(index_url: str, *arguments: str) -> dict[str, Any]:
    report = json.loads(run(index_url, "--diff", "--format", "json", *arguments).stdout)
    changes: dict[str, Any] = report["changes"]
    return changes


def values_of(changes: dict[str, Any]) -> dict[str, tuple[list[str], list[str]]]:
    return {each["name"]: (each["added"], each["removed"]) for each in changes["values"]}


def test_says_what_changed(index: Served) -> None:
    changes = changes_of(index.index_url)
    assert (changes["since"], changes["previous_filename"], changes["filename"]) == ("1.0", OLD, NEW)
    assert values_of(changes) == EXPECTED
    folders = {each["folder"]: (each["previous"], each["current"]) for each in changes["sizes"]}
    assert folders["demo/data/"] == (50_000, 20_000)
    assert folders["demo/more/"] == (0, 30_000)
    assert abs(folders[""][0] - folders[""][1]) < 500
    assert changes["not_compared"] == []


def test_shows_it_in_the_text(index: Served) -> None:
    text = run(index.index_url, "--diff").stdout
    for line in (
        "changes since 1.0",
        "  Requires-Dist: added scipy; removed six",
        "  start-up code: added demo.pth",
        "  demo/more/: new, 30.0 kB",
        "  demo/data/: 50.0 kB before, 20.0 kB now",
    ):
        assert line in text
    assert "changes since" not in run(index.index_url).stdout


def test_nothing_changed(index: Served) -> None:
    index.index.files[OLD] = wheels.wheel_bytes("demo", "1.0")
    wheels.make_wheel(Path("staged"), "demo", "1.1")
    assert "none in metadata, names, entry points and sizes" in run(index.index_url, "--diff").stdout


def test_without_an_earlier_release_there_is_nothing_to_say(index: Served) -> None:
    index.index.files.clear()
    assert changes_of(index.index_url) is None
    assert "the release against an earlier one" in " ".join(run(index.index_url, "--diff").stdout.split())


def test_says_that_no_wheel_matches(index: Served) -> None:
    index.index.files = {wheels.wheel_filename("demo", "1.0", "cp312-cp312-win_amd64"): old_wheel()}
    changes = changes_of(index.index_url, "--ignore", "release/lost-against-previous")
    assert changes["not_compared"] == ["1.0 has no wheel that matches ours"]


def test_says_that_the_previous_wheel_cannot_be_read(index: Served) -> None:
    index.index.files[OLD] = b"not a ZIP"
    changes = changes_of(index.index_url)
    assert changes["values"] == []
    [sentence] = changes["not_compared"]
    assert sentence.startswith(f"{OLD}: it has no end record")


def test_takes_the_wheel_for_the_same_python_and_platform(index: Served) -> None:
    tags = ["cp312-cp312-win_amd64", "cp313-cp313-win_amd64", "cp312-cp312-macosx_11_0_arm64"]
    index.index.files = {
        wheels.wheel_filename("demo", "1.0", tag): old_wheel() + tag.encode() for tag in tags
    }
    Path("staged", NEW).unlink()
    wheels.make_wheel(Path("staged"), "demo", "1.1", "cp312-cp312-macosx_12_0_arm64")
    accepted = [part for each in ("native", "release") for part in ("--ignore", each)]
    changes = changes_of(index.index_url, *accepted)
    assert changes["previous_filename"] == wheels.wheel_filename("demo", "1.0", tags[2])


def test_diff_needs_a_comparison(index: Served) -> None:
    assert run(index.index_url, "--diff", "--no-compare").exit_code == 2


# --- start-up code (W6) ----------------------------------------------------------------------------


def startup_findings(index_url: str, *arguments: str) -> tuple[int, dict[str, str], list[str]]:
    ended = run(index_url, "--format", "json", *arguments)
    report = json.loads(ended.stdout)
    found = {
        finding["check"]: finding["severity"]
        for finding in report["findings"]
        if "startup" in finding["check"] and not finding["ignored"]
    }
    return ended.exit_code, found, report["not_checked"]


def test_startup_code_that_is_new_is_an_error(index: Served) -> None:
    exit_code, found, _ = startup_findings(index.index_url)
    assert exit_code == 6
    assert found == {"content/startup-code": "warning", "release/new-startup-code": "error"}
    assert "it has start-up code; 1.0 had none" in run(index.index_url).stdout
    for accepted in (["--no-compare"], ["--ignore", "release/new-startup-code"]):
        exit_code, found, _ = startup_findings(index.index_url, *accepted)
        assert (exit_code, found) == (0, {"content/startup-code": "warning"})


def test_startup_code_that_the_previous_release_had_is_a_warning(index: Served) -> None:
    index.index.files[OLD] = wheels.wheel_bytes("demo", "1.0", files={"other.pth": b"import demo\n"})
    exit_code, found, _ = startup_findings(index.index_url)
    assert (exit_code, found) == (0, {"content/startup-code": "warning"})


def test_startup_code_is_not_called_new_if_no_wheel_can_be_compared(index: Served) -> None:
    index.index.files[OLD] = b"not a ZIP"
    exit_code, found, not_checked = startup_findings(index.index_url)
    assert (exit_code, found) == (0, {"content/startup-code": "warning"})
    assert "whether the start-up code is new, because no wheel of 1.0 could be compared" in not_checked


def test_without_startup_code_the_previous_wheel_is_not_read(index: Served) -> None:
    wheels.make_wheel(Path("staged"), "demo", "1.1")
    assert startup_findings(index.index_url)[:2] == (0, {})
    assert not [path for path, _ in index.index.gets if OLD in path]


# --- other indexes ---------------------------------------------------------------------------------


def test_pypiserver(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / OLD).write_bytes(old_wheel())
    with pypiserver(packages) as url:
        assert values_of(changes_of(f"{url}simple/")) == EXPECTED


def test_devpi(devpi: Devpi, tmp_path: Path) -> None:
    previous = tmp_path / "previous"
    previous.mkdir()
    (previous / OLD).write_bytes(old_wheel())
    url = devpi.make_index("changes", volatile=False)
    login = {"TWINE_USERNAME": devpi.user, "TWINE_PASSWORD": devpi.password}
    published = in_process.run(
        *("-u", previous, "--repository-url", url, "--ignore", "content", "--confirm-timeout", "60"),
        *("demo", "1.0"),
        env=login,
    )
    assert published.exit_code == 0, published.output
    assert values_of(changes_of(f"{url}+simple/")) == EXPECTED


def write_static_index(root: Path, wheel: bytes, served_metadata: bytes = b"") -> None:
    """Write pages and files for a plain file server."""
    (root / "simple" / "demo").mkdir(parents=True)
    (root / "files").mkdir()
    (root / "files" / OLD).write_bytes(wheel)
    if served_metadata:
        (root / "files" / f"{OLD}.metadata").write_bytes(served_metadata)
    page = f'<!DOCTYPE html><title>Links for demo</title><a href="/files/{OLD}">{OLD}</a>'
    (root / "simple" / "demo" / "index.html").write_text(page)


def padded_wheel() -> bytes:
    """Return the old wheel with 4 MB that cannot be compressed."""
    noise = random.Random(1).randbytes(4_000_000)
    members = wheels.wheel_members("demo", "1.0", metadata=metadata("1.0", "Requires-Dist: six"))
    return wheels.zip_bytes({"demo/noise.bin": noise, **members})


def test_nginx_sends_only_parts_of_the_wheel(tmp_path: Path) -> None:
    write_static_index(tmp_path / "www", padded_wheel())
    log = tmp_path / "sent.log"
    with nginx(tmp_path / "www", extra=f"index index.html; access_log {log};") as url:
        changes = changes_of(f"{url}simple/")
        sent = [int(line.split('"')[2].split()[1]) for line in log.read_text().splitlines() if OLD in line]
    assert values_of(changes)["Requires-Dist"] == (["numpy>=1.22", "scipy"], ["six"])
    assert changes["not_compared"] == []
    assert sum(sent) < 300_000


def test_a_host_without_ranges_and_a_large_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the separate metadata file (PEP 658) is compared, and the report says so."""
    monkeypatch.setattr(client, "MAX_WHOLE_FILE", 1_000_000)
    write_static_index(tmp_path / "www", padded_wheel(), metadata("1.0", "Requires-Dist: six").encode())
    with nginx(tmp_path / "www", extra="index index.html; max_ranges 0;") as url:
        changes = changes_of(f"{url}simple/")
    assert values_of(changes)["Requires-Dist"] == (["numpy>=1.22", "scipy"], ["six"])
    assert "entry points" not in values_of(changes)
    reason = "the index sends whole files only, and this one is too large to be read"
    assert changes["not_compared"] == [f"the members and entry points of {OLD}: {reason}"]


def test_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_WHOLE_FILE", 1_000_000)
    write_static_index(tmp_path / "www", padded_wheel())
    with nginx(tmp_path / "www", extra="index index.html; max_ranges 0;") as url:
        changes = changes_of(f"{url}simple/")
    assert changes["values"] == changes["sizes"] == []
    assert "too large to be read" in changes["not_compared"][0]

"""Test that the largest accepted listings, and releases of 50,000 files, need less than 256 MiB of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.testing.scripted import Request, ScriptedServer, Step, answer

if sys.platform != "linux":
    pytest.skip("peak memory is read from /proc", allow_module_level=True)

pytestmark = pytest.mark.slow

#: Run the command, then print its peak memory in MiB as the last line of standard error. ru_maxrss is not
#: usable, because it starts with the memory of the parent process.
RUN_AND_PRINT_PEAK = (
    "import atexit, pathlib, sys\n"
    "from wheel_uploader.cli import main\n"
    "status = pathlib.Path('/proc/self/status')\n"
    "peak = lambda: int(status.read_text().partition('VmHWM:')[2].split()[0]) // 1024\n"
    "atexit.register(lambda: print(peak(), file=sys.stderr))\n"
    "sys.argv[0] = 'wheel-uploader'\n"
    "main()\n"
)
MAX_MIB = 256


def names(count: int) -> list[str]:
    return [f"dipy-1.11.0-{number}-cp311-cp311-manylinux_2_28_x86_64.whl" for number in range(count)]


def html(count: int, attributes: str = "") -> bytes:
    links = (
        f'<a href="/f/{name}#sha256={number:064x}"{attributes}>{name}</a><br/>\n'
        for number, name in enumerate(names(count))
    )
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


def index(count: int) -> bytes:
    files = [
        {
            "filename": name,
            "url": f"/f/{name}",
            "hashes": {"sha256": f"{number:064x}"},
            "size": number + 1,
            "upload-time": "2026-01-01T00:00:00.123456Z",
            "yanked": False,
            "requires-python": ">=3.9",
            "core-metadata": {"sha256": f"{number:064x}"},
        }
        for number, name in enumerate(names(count))
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": files}).encode()


def peak_memory(body: bytes, content_type: str, form: str, path: Path) -> int:
    """Return the peak memory, in MiB, of a run that lists ``body``."""

    def serve(_: Request) -> Sequence[Step]:
        return [answer(200, body, {"Content-Type": content_type})]

    with ScriptedServer(serve) as server:
        call = ["-u", f"{server.url}simple/dipy/", "--until", "list", "--format", form, "dipy", "1.11.0"]
        completed = subprocess.run(
            [sys.executable, "-c", RUN_AND_PRINT_PEAK, *call],
            cwd=path,
            capture_output=True,
            text=True,
            check=True,
        )
    return int(completed.stderr.splitlines()[-1])


JSON = "application/vnd.pypi.simple.v1+json"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("kind", ["text/html", JSON])
def test_lists_a_release_of_50000_files(kind: str, form: str, tmp_path: Path) -> None:
    body = index(50_000) if kind == JSON else html(50_000)
    assert peak_memory(body, kind, form, tmp_path) < MAX_MIB


def test_reads_a_large_html_page(tmp_path: Path) -> None:
    body = html(80_000, f' data-core-metadata="sha256={7:064x}" data-requires-python="&gt;=3.9"')
    assert 24 << 20 < len(body) < 32 << 20
    assert peak_memory(body, "text/html", "text", tmp_path) < MAX_MIB


def test_reads_a_large_json_page(tmp_path: Path) -> None:
    body = index(72_000)
    assert 24 << 20 < len(body) < 32 << 20
    assert peak_memory(body, JSON, "text", tmp_path) < MAX_MIB


#: Read the index page of the target as a run does, and print its peak memory.
READ_PAGE_AND_PRINT_PEAK = (
    "import pathlib, sys\n"
    "from wheel_uploader.http.httpx_import import httpx\n"
    "from wheel_uploader.http.client import HttpClient\n"
    "from wheel_uploader.index.client import IndexClient\n"
    "body, kind = pathlib.Path('page').read_bytes(), sys.argv[1]\n"
    "serve = lambda _: httpx.Response(200, content=iter([body]), headers={'Content-Type': kind})\n"
    "with HttpClient(user_urls=['https://index.example/'], transport=httpx.MockTransport(serve)) as http:\n"
    "    page = IndexClient(http, 'https://index.example/simple/').fetch_project('dipy')\n"
    "own = len(body) >> 20\n"
    "peak = int(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) // 1024\n"
    "print(len(page.files), peak - own)\n"
)


@pytest.mark.parametrize("kind", ["text/html", JSON])
def test_reads_a_large_page_of_the_target(kind: str, tmp_path: Path) -> None:
    """The size of the page is subtracted, because the simulated server in the same process holds a copy."""
    attributes = f' data-core-metadata="sha256={7:064x}" data-requires-python="&gt;=3.9"'
    body = index(72_000) if kind == JSON else html(80_000, attributes)
    assert 24 << 20 < len(body) < 32 << 20
    (tmp_path / "page").write_bytes(body)
    completed = subprocess.run(
        [sys.executable, "-c", READ_PAGE_AND_PRINT_PEAK, kind],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    count, peak_mib = map(int, completed.stdout.split())
    assert count == (72_000 if kind == JSON else 80_000)
    assert peak_mib < MAX_MIB


def test_lists_a_folder_of_50000_files(tmp_path: Path) -> None:
    folder = tmp_path / "staged"
    folder.mkdir()
    for name in names(50_000):
        (folder / name).write_bytes(b"x")
    call = ["-u", str(folder), "--until", "list", "dipy", "1.11.0"]
    completed = subprocess.run(
        [sys.executable, "-c", RUN_AND_PRINT_PEAK, *call],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(completed.stderr.splitlines()[-1]) < MAX_MIB

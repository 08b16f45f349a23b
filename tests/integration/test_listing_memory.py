"""The largest listings that are read, and releases of 50,000 files, stay within 256 MiB of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.scripted import Request, ScriptedServer, Step, answer

if sys.platform != "linux":
    pytest.skip("the peak of the memory is read from /proc", allow_module_level=True)

pytestmark = pytest.mark.slow

#: The command, and the most memory that it had, in MiB, as its last word on standard error. Not ru_maxrss,
#: which begins with the memory of the process that started this one.
RUN = (
    "import atexit, pathlib, sys\n"
    "from wheel_uploader.cli import main\n"
    "status = pathlib.Path('/proc/self/status')\n"
    "peak = lambda: int(status.read_text().partition('VmHWM:')[2].split()[0]) // 1024\n"
    "atexit.register(lambda: print(peak(), file=sys.stderr))\n"
    "sys.argv[0] = 'wheel-uploader'\n"
    "main()\n"
)
MOST = 256


def names(count: int) -> list[str]:
    return [f"dipy-1.11.0-{number}-cp311-cp311-manylinux_2_28_x86_64.whl" for number in range(count)]


def html(count: int, more: str = "") -> bytes:
    links = (
        f'<a href="/f/{name}#sha256={number:064x}"{more}>{name}</a><br/>\n'
        for number, name in enumerate(names(count))
    )
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


def index(count: int) -> bytes:
    files = [
        {
            "filename": name,
            "url": f"/f/{name}",
            "hashes": {"sha256": f"{number:064x}"},
            "size": number,
            "upload-time": "2026-01-01T00:00:00.123456Z",
            "yanked": False,
            "requires-python": ">=3.9",
            "core-metadata": {"sha256": f"{number:064x}"},
        }
        for number, name in enumerate(names(count))
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": files}).encode()


def peak(body: bytes, content_type: str, form: str, path: Path) -> int:
    """How much memory one run took that lists ``body``, in MiB."""

    def serve(_: Request) -> Sequence[Step]:
        return [answer(200, body, {"Content-Type": content_type})]

    with ScriptedServer(serve) as server:
        call = ["-u", f"{server.url}simple/dipy/", "--until", "list", "--format", form, "dipy", "1.11.0"]
        done = subprocess.run(
            [sys.executable, "-c", RUN, *call], cwd=path, capture_output=True, text=True, check=True
        )
    return int(done.stderr.splitlines()[-1])


JSON = "application/vnd.pypi.simple.v1+json"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("kind", ["text/html", JSON])
def test_a_release_of_50000_files(kind: str, form: str, tmp_path: Path) -> None:
    body = index(50_000) if kind == JSON else html(50_000)
    assert peak(body, kind, form, tmp_path) < MOST


def test_a_page_of_html_of_24_to_32_mib(tmp_path: Path) -> None:
    body = html(80_000, f' data-core-metadata="sha256={7:064x}" data-requires-python="&gt;=3.9"')
    assert 24 << 20 < len(body) < 32 << 20
    assert peak(body, "text/html", "text", tmp_path) < MOST


def test_a_page_of_json_of_24_to_32_mib(tmp_path: Path) -> None:
    body = index(72_000)
    assert 24 << 20 < len(body) < 32 << 20
    assert peak(body, JSON, "text", tmp_path) < MOST


#: The index page of the target, read by the functions that a run reads it with, and then compared.
READ = (
    "import pathlib, sys\n"
    "import httpx\n"
    "from wheel_uploader.http.client import HttpClient\n"
    "from wheel_uploader.index.client import IndexClient\n"
    "body, kind = pathlib.Path('page').read_bytes(), sys.argv[1]\n"
    "serve = lambda _: httpx.Response(200, content=iter([body]), headers={'Content-Type': kind})\n"
    "with HttpClient(user_urls=['https://index.example/'], transport=httpx.MockTransport(serve)) as http:\n"
    "    page = IndexClient(http, 'https://index.example/simple/').page('dipy')\n"
    "own = len(body) >> 20\n"
    "peak = int(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) // 1024\n"
    "print(len(page.files), peak - own)\n"
)


@pytest.mark.parametrize("kind", ["text/html", JSON])
def test_a_page_of_the_target_of_24_to_32_mib(kind: str, tmp_path: Path) -> None:
    """The page itself is in memory a second time here, for the server is in the same process."""
    more = f' data-core-metadata="sha256={7:064x}" data-requires-python="&gt;=3.9"'
    body = index(72_000) if kind == JSON else html(80_000, more)
    assert 24 << 20 < len(body) < 32 << 20
    (tmp_path / "page").write_bytes(body)
    done = subprocess.run(
        [sys.executable, "-c", READ, kind], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    count, most = map(int, done.stdout.split())
    assert count == (72_000 if kind == JSON else 80_000)
    assert most < MOST


def test_a_folder_of_50000_files(tmp_path: Path) -> None:
    folder = tmp_path / "staged"
    folder.mkdir()
    for name in names(50_000):
        (folder / name).touch()
    call = ["-u", str(folder), "--until", "list", "dipy", "1.11.0"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *call], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(done.stderr.splitlines()[-1]) < MOST

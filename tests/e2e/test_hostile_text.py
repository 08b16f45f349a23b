"""Text on which a regular expression could take forever: the real command ends in time that text explains."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, RunResult
from tools.testing import indexes, wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer

if sys.platform != "linux":
    pytest.skip("measures the CPU time of child processes", allow_module_level=True)

NAME = wheels.wheel_filename("dipy", "1.11.0")
#: Labels of a host of S3, which a regular expression may try to split in 2**n ways.
HOSTS = {
    "dashes": "x.s3-" + "a-" * 31 + "a.example.com",
    "one long label": "x.s3-" + "-a" * 100_000 + ".com",
    "many labels": "s3-a." * 40_000 + "com",
}


def run(home: Path, *arguments: str, seconds: float, **variables: str) -> RunResult:
    """Run the command, which must take less than ``seconds`` of CPU time."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = CommandLine(home).run(*arguments, "dipy", "1.11.0", **variables)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = spent.ru_utime + spent.ru_stime - began.ru_utime - began.ru_stime
    assert taken < seconds, f"{taken:.1f} s of CPU: {ended.stderr[-2000:]}"
    return ended


def page(link: str) -> Callable[[Request], Sequence[Step]]:
    return lambda _: [answer(200, f'<!DOCTYPE html><a href="{link}">{NAME}</a>'.encode())]


def redirect(link: str) -> Callable[[Request], Sequence[Step]]:
    return lambda _: [answer(302, b"", {"Location": link})]


@pytest.mark.parametrize("place", [page, redirect])
@pytest.mark.parametrize("host", HOSTS)
def test_host_name(
    place: Callable[[str], Callable[[Request], Sequence[Step]]], host: str, tmp_path: Path
) -> None:
    with ScriptedServer(place(f"https://{HOSTS[host]}/{NAME}#sha256={'0' * 64}")) as server:
        options = ("-u", server.url, "--until", "download", "--retries", "1", "--timeout", "5", "-v")
        ended = run(tmp_path, *options, seconds=10)
    assert ended.exit_code in {3, 5, 6}, ended.stderr
    assert len(ended.stderr) < 20_000


@pytest.mark.parametrize("name", ["%2F" * 680, "%2F%2Fa@" * 250])
def test_listing_of_28_mebibytes(name: str, tmp_path: Path) -> None:
    links = "".join(f'<a href="dipy-{number}{name}.whl">x</a>\n' for number in range((28 << 20) // 2080))
    with ScriptedServer(lambda _: [answer(200, f"<!DOCTYPE html>{links}".encode())]) as server:
        ended = run(tmp_path, "-u", server.url, "--until", "list", "-v", seconds=40)
    assert ended.exit_code == 3, ended.stderr[-2000:]


@pytest.mark.parametrize("body", ["<h1" * 400_000, "<title>" * 200_000])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_response_of_an_index(body: str, method: str, tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "staged")
    with indexes.scripted_index() as served:
        if method == "GET":
            served.index.page = (503, "text/html", body)
        else:
            served.index.script = [indexes.Reply(400, "x", {}, body)]
        target = ("--repository-url", served.upload_url, "--index-url", served.index_url, "--retries", "1")
        ended = run(tmp_path, "-u", "staged", *target, seconds=20, TWINE_USERNAME="", TWINE_PASSWORD="")
    assert ended.exit_code in ({5, 10} if method == "GET" else {6, 8}), ended.stderr
    assert len(ended.stderr) < 5000

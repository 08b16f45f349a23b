"""An index whose pages have a version that this program cannot read, as the target and as the source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import indexes, wheels
from tools.testing.scripted import ScriptedServer, answer

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
VERSION_2 = json.dumps({"meta": {"api-version": "2.0"}, "name": "dipy", "files": []})
LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        (JSON_TYPE, VERSION_2),
        ("application/vnd.pypi.simple.v2+json", VERSION_2),
        ("text/html", '<meta name="pypi:repository-version" content="2.0"><title>Links for dipy</title>'),
    ],
)
def test_publishes_nothing_to_it(tmp_path: Path, content_type: str, text: str) -> None:
    wheel = wheels.make_wheel(tmp_path / "staged")
    with indexes.scripted_index() as served:
        target = ["--repository-url", served.upload_url, "--index-url", served.index_url]
        arguments = ["-u", str(wheel.parent), "-w", str(tmp_path / "house"), *target, "dipy", "1.11.0"]
        served.index.page = (200, content_type, text)
        ended = CommandLine(tmp_path).run(*arguments, **LOGIN)
        assert ended.exit_code == 2, ended.stderr
        assert "of the index API, which is not supported" in ended.error_line
        assert served.index.posts == []
        # Checks need no target.
        checked = CommandLine(tmp_path).run(*arguments, "--until", "check")
        assert checked.exit_code == 0, checked.stderr
        served.index.page = None
        assert CommandLine(tmp_path).run(*arguments, **LOGIN).exit_code == 0
    assert served.index.posted_filenames() == [wheel.name]


@pytest.mark.parametrize("content_type", [JSON_TYPE, "application/json"])
def test_lists_nothing_from_it(tmp_path: Path, content_type: str) -> None:
    with ScriptedServer([answer(200, VERSION_2.encode(), {"Content-Type": content_type})]) as server:
        ended = CommandLine(tmp_path).run("--until", "list", "-u", f"{server.url}simple/dipy/", "dipy")
    assert ended.exit_code == 2, ended.stderr
    assert "uses version 2.0 of the index API, which is not supported" in ended.error_line

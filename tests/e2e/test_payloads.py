"""Injection into a terminal, a CI, a page or a parser: external text from each source, in each output.

Each run of the real command has many payloads at once and writes every kind of report.
"""

from __future__ import annotations

import html
import json
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import hostile_reports, html_page, preloaded_command
from tests.unit.core.test_redaction import PAYLOADS as TERMINAL
from tools.testing import gpg, indexes, wheels
from tools.testing.indexes import Reply
from tools.testing.scripted import ScriptedServer, answer
from wheel_uploader.report.formats_table import FORMAT_BY_SUFFIX

if sys.platform == "win32":
    pytest.skip("names and programs of POSIX", allow_module_level=True)

MARKUP = {
    f"markup {number}": text for number, text in enumerate(hostile_reports.PAYLOADS) if len(text) < 1000
}
BREAKERS = {
    "JSON": '"}], "exit_code": 0, "x": [{"y": "',
    "invalid UTF-8": "\udcff\udcfe\udcc3(",
    "percent-encoded line": "fine%0A::error::owned",
    "expression": "${{ secrets.TOKEN }} $(touch owned) `touch owned`",
    "the end of an output": "x\nEOF\nexit_code=0\n",
}
ALL = {**TERMINAL, **MARKUP, **BREAKERS}

TITLE = r"(?:wheel-uploader|[a-z]+/[a-z0-9-]+(?:%3A [^:]*)?)"
ANNOTATION = re.compile(rf"::(?:error|warning|notice) title={TITLE}::\S")


@dataclass
class Outputs:
    """The exit code and all outputs of a run."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    folder: Path

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        yield "standard output", self.stdout
        yield "standard error", self.stderr
        for path in sorted(self.folder.iterdir()):
            yield path.name, path.read_bytes()


class Sandbox:
    """An empty folder, and the command in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "out").mkdir(parents=True)

    def run(self, *arguments: str | bytes, **variables: str) -> Outputs:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TWINE_", "WHEEL_UPLOADER_", "PIP_", "GITHUB_"))
        }
        out = self.home / "out"
        environment |= {"HOME": str(self.home), "NETRC": os.devnull, "GITHUB_ACTIONS": "true"}
        environment |= {"GITHUB_STEP_SUMMARY": str(out / "summary"), "GITHUB_OUTPUT": str(out / "outputs")}
        environment |= {"TWINE_USERNAME": "", "TWINE_PASSWORD": "", "PYTHONIOENCODING": "utf-8:strict"}
        environment |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **variables}
        reports = [word for suffix in FORMAT_BY_SUFFIX for word in ("--report", f"out/report{suffix}")]
        common = ["-vv", "--retries", "1", "--no-compare", *reports, *arguments, "dipy", "1.11.0"]
        done = preloaded_command.run(common, self.home, environment)
        ended = Outputs(done.exit_code, done.stdout, done.stderr, out)
        check_outputs(ended)
        return ended


def check_outputs(ended: Outputs) -> None:
    """Check that no output has active text, and that structured outputs are valid."""
    assert b"Traceback" not in ended.stderr, ended.stderr.decode()
    assert ended.exit_code != 1, ended.stderr.decode()
    files = dict(ended)
    for name, data in files.items():
        text = data.decode("utf-8")
        controls = [character for character in text if character != "\n" and not character.isprintable()]
        assert not controls, (name, controls[:5])
        for line in text.split("\n"):
            assert not re.search(r"##(?:\[|vso\[|teamcity\[)", line), (name, line[:300])
            begins = line.lstrip().startswith("::")
            assert not begins or (name == "standard error" and ANNOTATION.match(line)), (name, line[:300])
    outputs = _outputs(files.get("outputs", b"").decode())
    assert not outputs or outputs["exit_code"] == str(ended.exit_code)
    if "report.json" in files:
        document = json.loads(files["report.json"])
        assert document["exit_code"] == ended.exit_code
        assert not [text for text in _texts(document) if not text.isprintable()]
        sarif = json.loads(files["report.sarif"])["runs"][0]
        assert not [
            text for text in _texts([sarif["results"], sarif["invocations"]]) if not text.isprintable()
        ]
        _check_html(files["report.html"].decode())
        for name in ("report.md", "report.notes.md", "summary"):
            page = html_page.render_markdown(files[name].decode())
            assert page.open == []
            assert set(page.tags) <= html_page.MARKDOWN_TAGS, name


def _check_html(text: str) -> None:
    page = html_page.Page(text)
    assert page.open == []
    assert set(page.tags) <= html_page.HTML_TAGS
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in {"style", "src", "srcset", "action", "formaction"}
        assert name != "href" or value.startswith("#")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for each in pair for text in _texts(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in _texts(each))


def _outputs(text: str) -> dict[str, str]:
    """Parse the outputs of a step as GitHub's runner does."""
    values: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, heredoc, end = line.partition("<<")
        assert heredoc, line
        value = []
        while (each := next(lines)) != end:
            value.append(each)
        values[name] = "\n".join(value)
    return values


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "home")


def groups(size: int) -> Iterator[list[str]]:
    """Yield the payloads in small groups, because only a part of a response or of gpg's output is quoted."""
    short = [text for text in ALL.values() if len(text) < 200]
    yield from (short[at : at + size] for at in range(0, len(short), size))
    yield from ([text] for text in ALL.values() if len(text) >= 200)


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass" if re.search("[\ud800-\udb7f]", text) else "surrogateescape")


# --- the sources -------------------------------------------------------------------------------------


def page_of_links(_: Path) -> Sequence[bytes]:
    """Return a page of links; the raw payloads come last, because they may break the rest of the page."""
    links = [b'<a href="dipy-1.11.0-py3-none-any.whl">good</a>']
    for text in (text[:5000] for text in ALL.values()):
        link, shown = quote(raw(text), safe=""), html.escape(text).encode("utf-8", "replace")
        links += [f'<a href="dipy-1.11.0-{link}-none-any.whl">'.encode(), shown, b"</a>\n"]
        links += [f'<a href="{link}.whl" title="'.encode(), shown, b'">y</a>\n']
    for text in ALL.values():
        links += [
            b'<a href="dipy-1.11.0-',
            raw(text[:5000]),
            b'-py3-none-any.whl">',
            raw(text[:5000]),
            b"</a>\n",
        ]
    return [answer(200, b"".join(links))]


def json_of_files(_: Path) -> Sequence[bytes]:
    files: list[dict[str, Any]] = [
        {"filename": f"dipy-1.11.0-{text[:5000]}.whl", "url": text[:5000], "hashes": {"sha256": text[:100]}}
        for text in ALL.values()
    ]
    files += [
        {"filename": "dipy-1.11.0-py3-none-any.whl", "url": "x", "yanked": text} for text in ALL.values()
    ]
    page = {"meta": {"api-version": "1.1"}, "name": "dipy", "files": files}
    return [answer(200, json.dumps(page).encode(), {"Content-Type": "application/vnd.pypi.simple.v1+json"})]


@pytest.mark.parametrize("listing", [page_of_links, json_of_files])
def test_listing(sandbox: Sandbox, listing: Callable[[Path], Sequence[bytes]], tmp_path: Path) -> None:
    with ScriptedServer(listing(tmp_path)) as server:
        ended = sandbox.run("-u", server.url, "--until", "list")
    assert b"owned" in ended.stderr


def test_local_file_names(sandbox: Sandbox) -> None:
    """Names of the staged folders, of the files in them, and of wheelhouses may have all bytes except two."""
    for number, text in enumerate(ALL.values()):
        name = raw(text).replace(b"/", b"").replace(b"\0", b"")[:90]
        folder = os.fsencode(sandbox.home) + b"/staged-" + name + b"-%d" % number
        Path(os.fsdecode(folder)).mkdir()
        Path(os.fsdecode(folder + b"/dipy-1.11.0-" + name + b"-py3-none-any.whl")).write_bytes(b"x")
        Path(os.fsdecode(folder + b"/dipy-1.11.0-py3-none-any.whl")).write_bytes(
            wheels.wheel_bytes(files={f"dipy/{number}.py": b""})
        )
    staged = sorted(path.name for path in sandbox.home.iterdir() if path.name.startswith("staged"))
    many = [word for name in staged for word in ("-u", name)]
    # The same file name has different contents in each folder.
    ended = sandbox.run(*many, "--until", "list")
    assert ended.exit_code == 6, ended.stderr.decode()
    for place in staged[::8]:
        download = ("-u", place, "-w", f"house-{place}", "--until", "download")
        # A misnamed wheel of the release stops it, however its name is written.
        ended = sandbox.run(*download)
        assert ended.exit_code == 6, ended.stderr.decode()
        ended = sandbox.run(*download, "--exclude", "dipy-1.11.0-*-py3-none-any.whl")
        assert ended.exit_code == 0, ended.stderr.decode()


FIELDS = ("Summary", "Author", "Author-email", "License", "Keywords", "Classifier", "Platform", "Home-page")
MORE_FIELDS = (
    "Requires-Dist",
    "Project-URL",
    "Requires-Python",
    "Dynamic",
    "X-Unknown",
    "License-Expression",
)


def test_metadata_and_member_names(sandbox: Sandbox) -> None:
    folder = sandbox.home / "staged"
    for number, text in enumerate(ALL.values()):
        text = text[:3000]
        one_line = re.sub(r"[\r\n]+", " ", text)
        headers = "".join(f"{field}: {one_line}\n" for field in (*FIELDS, *MORE_FIELDS))
        good = wheels.METADATA.format(project="dipy", version="1.11.0")
        metadata = good.replace("\nSummary", f"\n{headers}Summary").replace(
            "\n\n", f"\n{text}\n\n{text}\n", 1
        )
        members = {
            f"dipy/{part}{number}.py".replace("\0", "") or "x": b"x" for part in (text[:200], one_line[:200])
        }
        parts: dict[str, Any] = {
            "metadata": metadata.encode("utf-8", "replace").decode(),
            "files": {name.encode("utf-8", "replace").decode(): data for name, data in members.items()},
            "wheel": f"Wheel-Version: 1.0\nGenerator: {one_line}\nRoot-Is-Purelib: {one_line}\n"
            f"Tag: {one_line}\n",
            "record": f"{one_line},sha256={one_line},{one_line}\n",
        }
        parts = {key: _encodable(value) for key, value in parts.items()}
        wheels.make_wheel(folder, build=f"{number + 1}", **parts)
    ended = sandbox.run("-u", "staged", "--until", "check", "--profile", "pypi")
    assert ended.exit_code == 6
    assert b"owned" in ended.stdout


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def test_responses_of_the_index_to_uploads(sandbox: Sandbox) -> None:
    folder, texts = sandbox.home / "staged", list(ALL.values())
    with indexes.scripted_index() as served:
        for number, text in enumerate(texts, 1):
            path = wheels.make_wheel(folder, build=str(number), files={"dipy/n.py": b"%d" % number})
            reason = raw(text[:5000]).decode("latin-1").replace("\r", "").replace("\n", " ")
            body = raw(text[:5000]).decode("utf-8", "replace")
            location = f"https://evil.example/{reason}"
            status = (400, 403, 302, 500, 409)[number % 5]
            reply = Reply(status, reason if number % 2 else "", {"Location": location}, body)
            if number % 3 == 0:
                reply = Reply(status, "", {"Location": location}, json.dumps({"message": text[:5000]}))
            served.index.by_name[path.name] = reply
        ended = sandbox.run(
            *("-u", "staged", "--repository-url", served.upload_url, "--keep-going", "--profile", "any"),
            # Some responses say that a name exists, and the page never lists the file.
            *("--confirm-timeout", "1"),
        )
    assert len(served.index.posts) == len(texts)
    assert b"owned" in ended.stderr


def test_listing_of_the_index(sandbox: Sandbox) -> None:
    data = wheels.wheel_bytes()
    wheels.make_wheel(sandbox.home / "staged")
    with indexes.scripted_index() as served:
        served.index.status = {"status": "archived", "reason": "\x1b[31m::error::owned\n" * 3}
        served.index.files = {f"dipy-1.11.0-{text[:5000]}.whl": data for text in ALL.values()}
        ended = sandbox.run(
            "-u", "staged", "--repository-url", served.upload_url, "--index-url", f"{served.index_url}dipy/"
        )
    assert ended.exit_code == 7, ended.stderr


@pytest.mark.parametrize("texts", list(groups(6)), ids=lambda texts: str(zlib.crc32(repr(texts).encode())))
def test_responses_of_the_staging_area(sandbox: Sandbox, texts: Sequence[str]) -> None:
    """The reason, the body and the headers of a response are quoted."""
    body = b" | ".join(map(raw, texts))
    reason = b" ".join(re.sub(rb"[\r\n]", b" ", raw(text[:3000])) for text in texts)
    head = b"HTTP/1.1 403 " + reason + b"\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    head += b"Location: http://127.0.0.2/" + reason + b"\r\nX-Cache: " + reason + b"\r\n"
    refusal = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if len(texts[0]) % 2:
        refusal = refusal.replace(b" 403 ", b" 302 ", 1)
    with ScriptedServer([refusal]) as server:
        ended = sandbox.run("-u", server.url, "--until", "list")
    # Some of the texts make the redirect an invalid response.
    assert ended.exit_code in ({2, 5} if len(texts[0]) % 2 else {5})


@pytest.mark.parametrize("texts", list(groups(6)), ids=lambda texts: str(zlib.crc32(repr(texts).encode())))
def test_output_of_gpg(sandbox: Sandbox, texts: Sequence[str]) -> None:
    wheels.make_wheel(sandbox.home / "staged")
    message = sandbox.home / "said"
    message.write_bytes(b"gpg: " + b" ".join(re.sub(rb"[\r\n]+", b" ", raw(text)) for text in texts) + b"\n")
    program = gpg.fake_gpg(sandbox.home / "bin", f"{gpg.REPLY_WITH_VERSION}\ncat '{message}' >&2\nexit 2")
    ended = sandbox.run("-u", "staged", "-s", "--sign-with", program, "--until", "sign")
    assert ended.exit_code == 12

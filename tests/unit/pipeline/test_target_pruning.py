"""No sequence of failing answers of a server leads to a request that removes something."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.odd_answers import odd_answers
from wheel_uploader.core import filenames
from wheel_uploader.core.models import LocalFile, Options, TargetPruning, TargetSettings
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.target import Target
from wheel_uploader.pipeline import target_pruning
from wheel_uploader.targets.anaconda.api import Api
from wheel_uploader.targets.anaconda.removal import AnacondaRemover
from wheel_uploader.targets.anaconda.target import AnacondaTarget
from wheel_uploader.targets.devpi import DevpiIndex
from wheel_uploader.targets.package_index import PackageIndexTarget
from wheel_uploader.targets.protocol import PublishTarget
from wheel_uploader.targets.pruning import TargetFile

CURRENT = "1.0.dev9"
VERSIONS = [*(f"1.0.dev{number}" for number in range(1, 9)), CURRENT]


def name(version: str) -> str:
    return f"demo-{version}-py3-none-any.whl"


def entry(version: str) -> dict[str, Any]:
    return {
        "basename": name(version),
        "version": version,
        "sha256": hashlib.sha256(version.encode()).hexdigest(),
        "labels": ["main"],
        "distribution_type": "pypi",
        "upload_time": "2020-01-01 08:00:00+00:00",
    }


COMPLETE = {"name": "demo", "files": [entry(version) for version in VERSIONS]}
FAILURES = [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")]
ODD = odd_answers(name(CURRENT))


def encode(answer: Any) -> bytes:
    return answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()


STATUSES = st.sampled_from([201, 204, 301, 302, 400, 401, 402, 403, 404, 409, 418, 429, 500, 502, 503, 524])
#: A status and a body, or an exception.
FAILING = st.one_of(
    st.tuples(STATUSES, st.sampled_from(["", "down", COMPLETE, {"error": "no"}, {}]).map(encode)),
    st.tuples(st.just(200), st.sampled_from(sorted(ODD)).map(lambda odd: encode(ODD[odd](COMPLETE)))),
    st.tuples(st.just(200), st.integers(0, 200).map(lambda end: encode(COMPLETE)[:end])),
    st.tuples(st.just(200), st.binary(max_size=20)),
    st.sampled_from(FAILURES),
)


class Server:
    """Answers the requests of one run, and remembers those that remove something."""

    def __init__(self, listings: Sequence[Any], looks: Sequence[Any]) -> None:
        self.answers = {"package": [*listings], "dist": [*looks]}
        self.removals: list[str] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            self.removals.append(request.url.path)
            return httpx.Response(200, content=b"{}")
        answers = self.answers[request.url.path.split("/")[1]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer[0], content=answer[1])


@functools.cache
def make_target() -> AnacondaTarget:
    options = Options(project="demo", version=CURRENT, urls=("https://example.com/",), prune=1)
    return AnacondaTarget(options, SilentProgress(), TargetSettings(url="https://anaconda.org/nightlies"))


def prune(server: Server, retries: int) -> TargetPruning:
    http = HttpClient(
        user_urls=("https://api.anaconda.org",),
        retries=retries,
        sleep=lambda _seconds: None,
        transport=httpx.MockTransport(server.handle),
    )
    target = make_target()
    api = Api(http, "https://api.anaconda.org", "nightlies", "a-token-of-some-length")
    target.__dict__["_remover"] = AnacondaRemover(api, http, "demo")
    return prune_target(target)


def prune_target(target: PublishTarget) -> TargetPruning:
    options = Options(project="demo", version=CURRENT, urls=("https://example.com/",), prune=1)
    context: Any = SimpleNamespace(options=options, target=target, progress=SilentProgress())
    parsed = filenames.parse_filename(name(CURRENT))
    selection: Any = SimpleNamespace(project="demo", version=parsed.version)
    local = LocalFile(name=parsed, path=Path("unused"), size=1, sha256=entry(CURRENT)["sha256"])
    result = target_pruning.prune(context, selection, [local], frozenset(map(name, VERSIONS[:-1])))
    assert result
    return result


@settings(max_examples=400, deadline=None)
@given(st.lists(FAILING, min_size=1, max_size=6), st.integers(1, 6))
def test_no_sequence_of_failing_answers_to_the_listing_leads_to_a_removal(
    listings: list[Any], retries: int
) -> None:
    server = Server(listings, [(200, encode(entry(VERSIONS[0])))])
    result = prune(server, retries)
    assert server.removals == []
    assert result.error
    assert result.files == ()


@settings(max_examples=200, deadline=None)
@given(st.lists(FAILING, min_size=1, max_size=6), st.integers(1, 6))
def test_no_sequence_of_failing_answers_about_a_file_leads_to_a_removal(
    looks: list[Any], retries: int
) -> None:
    server = Server([(200, encode(COMPLETE))], looks)
    prune(server, retries)
    assert server.removals == []


@pytest.mark.parametrize("retries", [1, 3])
def test_a_complete_answer_leads_to_one_request_for_each_file(retries: int) -> None:
    looks = [(200, encode(entry(version))) for version in VERSIONS[:-1]]
    server = Server([(200, encode(COMPLETE))], looks)
    assert prune(server, retries).error is None
    assert server.removals == [f"/dist/nightlies/demo/{each}/{name(each)}" for each in VERSIONS[:-1]]


# --- devpi -----------------------------------------------------------------------------------------

DEVPI_URL = "https://index.example/alice/dev/"


def devpi_release(version: str) -> dict[str, Any]:
    link = {
        "rel": "releasefile",
        "href": f"{DEVPI_URL}+f/abc/{name(version)}",
        "hashes": {"sha256": entry(version)["sha256"]},
        "log": [{"what": "upload", "when": [2020, 1, 1, 8, 0, 0]}],
    }
    return {"name": "demo", "version": version, "+links": [link]}


def devpi_listing(*versions: str) -> bytes:
    return encode({"type": "projectconfig", "result": {each: devpi_release(each) for each in versions}})


DEVPI_COMPLETE = devpi_listing(*VERSIONS)
DEVPI_LOOK = encode(
    {"type": "releasefilemeta", "result": {"hashes": {"sha256": entry(VERSIONS[0])["sha256"]}}}
)
DEVPI_FAILING = st.one_of(
    st.tuples(STATUSES, st.sampled_from([b"", b"down", DEVPI_COMPLETE, DEVPI_LOOK, b"{}"])),
    st.tuples(st.just(200), st.integers(0, 200).map(lambda end: DEVPI_COMPLETE[:end])),
    st.tuples(
        st.just(200),
        st.sampled_from(
            [
                devpi_listing(),
                devpi_listing(*VERSIONS[1:]),
                devpi_listing(*VERSIONS[:-1]),
                encode({"type": "indexconfig", "result": {CURRENT: devpi_release(CURRENT)}}),
                encode({"type": "projectconfig", "result": [devpi_release(CURRENT)]}),
                encode({"type": "projectconfig", "result": {each: {"+links": [None]} for each in VERSIONS}}),
                encode({"type": "projectconfig", "result": {each: {"+links": "x"} for each in VERSIONS}}),
                encode({"type": "projectconfig", "result": dict.fromkeys(VERSIONS)}),
                encode({"type": "releasefilemeta", "result": {"hashes": {"sha256": "0" * 64}}}),
                encode({"type": "releasefilemeta", "result": {"hashes": None}}),
            ]
        ),
    ),
    st.sampled_from(FAILURES),
)


class DevpiServer(Server):
    """Tells the requests for the project from those for a file."""

    def handle(self, request: httpx.Request) -> httpx.Response:
        kind = "dist" if "/+f/" in request.url.path else "package"
        if request.method == "GET":
            return super().handle(httpx.Request("GET", f"https://index.example/{kind}/x"))
        return super().handle(request)


class DevpiTarget(PackageIndexTarget):
    """The methods of a package index that pruning uses, for one index of devpi without bases."""

    def __init__(self, index: DevpiIndex) -> None:
        self.info = Target(url=DEVPI_URL, is_pypi=False, name="devpi")
        self.devpi = index

    def list_files(self, project: str) -> tuple[TargetFile, ...]:
        return self.devpi.list_files(project)

    def remove(self, file: TargetFile, labels: Sequence[str] = ()) -> None:
        self.devpi.remove(file)


def prune_devpi(server: DevpiServer, retries: int) -> TargetPruning:
    http = HttpClient(
        user_urls=(DEVPI_URL,),
        retries=retries,
        sleep=lambda _seconds: None,
        transport=httpx.MockTransport(server.handle),
    )
    return prune_target(DevpiTarget(DevpiIndex(http, DEVPI_URL, lambda: ("alice", "a-password"))))


@settings(max_examples=300, deadline=None)
@given(st.lists(DEVPI_FAILING, min_size=1, max_size=6), st.integers(1, 6))
def test_no_sequence_of_failing_answers_of_devpi_leads_to_a_removal(
    listings: list[Any], retries: int
) -> None:
    server = DevpiServer(listings, [(200, DEVPI_LOOK)])
    result = prune_devpi(server, retries)
    assert server.removals == []
    assert result.error


@settings(max_examples=200, deadline=None)
@given(st.lists(DEVPI_FAILING, min_size=1, max_size=6), st.integers(1, 6))
def test_no_sequence_of_failing_answers_about_a_file_of_devpi_leads_to_a_removal(
    looks: list[Any], retries: int
) -> None:
    server = DevpiServer([(200, DEVPI_COMPLETE)], looks)
    prune_devpi(server, retries)
    assert server.removals == []


def test_a_complete_answer_of_devpi_leads_to_removals() -> None:
    server = DevpiServer([(200, DEVPI_COMPLETE)], [(200, DEVPI_LOOK)])
    prune_devpi(server, 1)
    assert server.removals == [f"/alice/dev/+f/abc/{name(VERSIONS[0])}"]

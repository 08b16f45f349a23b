"""No sequence of failing answers leads to a removal, whatever the server answers to each request."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from tests.support.odd_answers import odd_answers
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.models import LocalFile, Options, PruneOutcome, Selection, TargetSettings
from wheel_uploader.http.client import HttpClient
from wheel_uploader.pipeline import target_pruning
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.targets.anaconda.api import Api
from wheel_uploader.targets.anaconda.removal import AnacondaRemover

T = TypeVar("T")
NEW = LocalFile(
    name=filenames.parse_filename("demo-1.0.dev9-py3-none-any.whl"),
    path=Path("demo"),
    size=1,
    sha256="a" * 64,
)
OLD = [f"1.0.dev{number}" for number in range(4)]


def describe(version: str, sha256: str) -> dict[str, Any]:
    name = f"demo-{version}-py3-none-any.whl"
    hashes = {"sha256": sha256, "md5": sha256[:32]}
    return {"basename": name, "version": version, "labels": ["main"], "distribution_type": "pypi", **hashes}


FILES = [*(describe(version, "b" * 64) for version in OLD), describe("1.0.dev9", "a" * 64)]
PACKAGE = {"name": "demo", "files": FILES}
OPTIONS = Options(project="demo", version="1.0.dev9", urls=("staged",), prune=1)
#: A status and a body, or no answer.
FAILING = st.one_of(
    st.none(),
    st.tuples(st.sampled_from([400, 401, 403, 404, 409, 410, 418, 429, 500, 502, 503, 524]), st.just("{}")),
    st.tuples(st.sampled_from([200, 201, 204]), st.sampled_from(["", "{}", "[]", "<html>", '{"files": []}'])),
    st.sampled_from([*odd_answers(NEW.filename).values()]).map(lambda alter: (200, to_text(alter(PACKAGE)))),
)


def to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class ScriptedHttp:
    """Answers each request with the next answer, and records the removals."""

    def __init__(self, answers: list[tuple[int, str] | None]) -> None:
        self._answers = iter(answers)
        self.removals: list[str] = []

    def add_headers(self, _url: str, _headers: Mapping[str, str]) -> None:
        """Take the token."""

    def call_with_retries(self, _operation: str, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except NetworkError:
            return attempt()

    def send(self, method: str, url: str, **_settings: object) -> SimpleNamespace:
        if method == "DELETE":
            self.removals.append(url)
        if (answer := next(self._answers, None)) is None:
            raise NetworkError("the connection broke")
        return SimpleNamespace(status=answer[0], text=answer[1], headers={})


class Progress:
    @contextlib.contextmanager
    def waiting(self, _text: str) -> Iterator[None]:
        yield


def prune(answers: list[tuple[int, str] | None]) -> tuple[list[str], list[PruneOutcome]]:
    """Prune with these answers; return the requests that remove, and what became of each chosen file."""
    http = ScriptedHttp(answers)
    api = Api(cast(HttpClient, http), "https://api.example", "nightlies", "")
    remover = AnacondaRemover(api, cast(HttpClient, http), "demo")
    target = SimpleNamespace(
        info=SimpleNamespace(name="api.example"),
        settings=TargetSettings(),
        pruned_labels=("main",),
        list_files=lambda _project: remover.list_files(),
        is_same_file=lambda listed, file: listed.hashes.get("sha256") == file.sha256,
        remove=remover.remove,
    )
    context = SimpleNamespace(target=target, options=OPTIONS, progress=Progress())
    selection = SimpleNamespace(project="demo", version=Version("1.0.dev9"))
    earlier = [file["basename"] for file in FILES]
    done = target_pruning.prune(cast(RunContext, context), cast(Selection, selection), [NEW], earlier)
    assert done
    return http.removals, [file.outcome for file in done.files]


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.lists(FAILING, max_size=12))
def test_no_sequence_of_failing_answers_removes_anything(
    is_listed: bool, answers: list[tuple[int, str] | None]
) -> None:
    first: list[tuple[int, str] | None] = [(200, json.dumps(PACKAGE))] if is_listed else []
    removals, outcomes = prune([*first, *answers])
    assert removals == []
    # Only a 404 for a file that a complete listing named shows that it is gone already.
    gone = sum(answer is not None and answer[0] == 404 for answer in answers)
    assert outcomes.count(PruneOutcome.REMOVED) <= (gone if is_listed else 0)


def test_answers_that_do_not_fail_remove_the_older_files() -> None:
    answers: list[tuple[int, str] | None] = [(200, json.dumps(PACKAGE))]
    for version in OLD:
        answers += [(200, json.dumps(describe(version, "b" * 64))), (200, "{}")]
    removals, outcomes = prune(answers)
    assert len(removals) == len(OLD)
    assert outcomes == [PruneOutcome.REMOVED] * len(OLD)

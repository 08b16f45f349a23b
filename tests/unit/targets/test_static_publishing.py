"""Test the writes of a run to a static index, their order, and the result of each fault."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.memory_store import MemoryStore
from tests.support.scripted_http import RecordedProgress
from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    CredentialsError,
    DeadlineError,
    HttpStatusError,
    ListingError,
    NetworkError,
    TransportError,
)
from wheel_uploader.core.models import LocalFile
from wheel_uploader.http import retry
from wheel_uploader.targets.static_index import static_index
from wheel_uploader.targets.static_index.layout import find_pages_root
from wheel_uploader.targets.static_index.new_file import NewFile
from wheel_uploader.targets.static_index.object_store import PreconditionFailed, StoredPage
from wheel_uploader.targets.static_index.pages import PageForm
from wheel_uploader.targets.static_index.static_index import StaticIndex

WHEEL = "demo-1.0-py3-none-any.whl"
HTML, FOLDER, JSON = "simple/demo/index.html", "simple/demo/", "simple/demo/index.v1+json"
ROOT, ROOT_FOLDER, ROOT_JSON = "simple/index.html", "simple/", "simple/index.v1+json"
OLD = "a" * 64
BUSY = HttpStatusError(503, "u", reason="Busy")


def page_of(*links: str) -> str:
    """Return an HTML page with these links."""
    lines = [f'    <a href="{link}">{link.partition("#")[0].rpartition("/")[2]}</a><br>\n' for link in links]
    mark = '  <head><meta name="pypi:repository-version" content="1.0"></head>\n'
    return f"<html>\n{mark}  <body>\n{''.join(lines)}  </body>\n</html>\n"


def json_of(*entries: tuple[str, str]) -> str:
    files = [{"filename": name, "url": name, "hashes": {"sha256": digest}} for name, digest in entries]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files})


@pytest.fixture
def file(tmp_path: Path) -> LocalFile:
    return local_file(wheels.make_wheel(tmp_path, "demo", "1.0"))


def local_file(path: Path) -> LocalFile:
    data = path.read_bytes()
    return LocalFile(
        name=filenames.parse_filename(path.name),
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def describe(file: LocalFile) -> NewFile:
    return NewFile(
        filename=file.filename, href=file.filename, sha256=file.sha256, size=file.size, version="1.0"
    )


class Run:
    """A run on a store, with its pauses and lines."""

    def __init__(
        self, store: MemoryStore, *, pages_root: str | None = None, retries: int = 3, url: str = ""
    ) -> None:
        self.store = store
        self.progress = RecordedProgress()
        self.pauses: list[float] = []
        self.index = StaticIndex(
            store,
            pages_root=pages_root,
            reading_url=lambda root: f"{url}{root}" if url else "",
            retries=retries,
            progress=self.progress,
            sleep=self.pauses.append,
        )

    def publish(self, *files: LocalFile) -> None:
        self.index.publish("demo", files, describe)

    def problems(self, *files: LocalFile) -> list[str]:
        return self.index.find_problems("demo", self.index.read("demo", files), files)


# --- a new index -----------------------------------------------------------------------------------


def test_a_new_index_gets_the_pages_of_the_project_first_and_then_its_lists(file: LocalFile) -> None:
    run = Run(MemoryStore())
    run.publish(file)
    keys = [HTML, FOLDER, JSON, ROOT, ROOT_FOLDER, ROOT_JSON]
    assert run.store.writes() == [f"replace {key}" for key in keys]
    for key in (HTML, FOLDER):
        assert run.store.text(key).count(f'<a href="{WHEEL}#sha256={file.sha256}"') == 1
    assert [entry["filename"] for entry in json.loads(run.store.text(JSON))["files"]] == [WHEEL]
    for key in (ROOT, ROOT_FOLDER):
        assert run.store.text(key).count('<a href="demo/">demo</a>') == 1
    assert json.loads(run.store.text(ROOT_JSON))["projects"] == [{"name": "demo"}]
    html = {"type": "text/html", "cache": "no-cache"}
    json_headers = {"type": "application/vnd.pypi.simple.v1+json", "cache": "no-cache"}
    assert [run.store.objects[key][2] for key in keys] == [html, html, json_headers] * 2
    again = Run(run.store)
    run.store.calls.clear()
    again.publish(file)
    assert run.store.writes() == []


def test_a_folder_has_no_pages_at_the_keys_of_folders(file: LocalFile) -> None:
    run = Run(MemoryStore(has_exact_keys=False))
    run.publish(file)
    assert run.store.writes() == [f"replace {key}" for key in (HTML, JSON, ROOT, ROOT_JSON)]


def test_pages_at_the_top_have_no_page_for_the_key_of_the_store(file: LocalFile) -> None:
    run = Run(MemoryStore(), pages_root="")
    run.publish(file)
    assert run.store.writes() == [
        f"replace {key}"
        for key in ("demo/index.html", "demo/", "demo/index.v1+json", "index.html", "index.v1+json")
    ]
    assert "read " not in run.store.calls


def test_the_place_of_the_pages_is_looked_for_once(file: LocalFile) -> None:
    run = Run(MemoryStore())
    for _ in range(2):
        assert run.index.find_layout("demo").pages_root == "simple/"
    assert run.store.calls == ["list ", "read index.html"]
    given = Run(MemoryStore(), pages_root="simple/", url="https://index.example/")
    layout = given.index.find_layout("demo")
    assert (layout.pages_root, layout.reading_url) == ("simple/", "https://index.example/simple/")
    assert given.store.calls == []


@pytest.mark.parametrize(
    ("objects", "root"),
    [
        ({}, "simple/"),
        ({"simple/other/index.html": "", "demo/index.html": ""}, "simple/"),
        ({"demo/index.html": ""}, ""),
        ({"demo/index.v1+json": ""}, ""),
        ({"demo/": ""}, ""),
        # Files without a page are not an index.
        ({"demo/demo-0.9.tar.gz": ""}, "simple/"),
        ({"other/index.html": ""}, "simple/"),
        ({"other/index.html": "", "index.html": page_of("Other/")}, ""),
        ({"Other.X/a": "", "index.html": page_of("other-x/")}, ""),
        ({"other/index.html": "", "index.html": page_of("about/")}, "simple/"),
        ({"other/index.html": "", "index.html": "<html><a href='other/'"}, "simple/"),
    ],
)
def test_finds_the_folder_of_the_pages(objects: dict[str, str], root: str) -> None:
    store = MemoryStore()
    for key, text in objects.items():
        store.put(key, text)
    assert find_pages_root(store, "demo") == root


# --- an index that is there ------------------------------------------------------------------------


def forms(store: MemoryStore, *, pages_root: str = "simple/") -> tuple[set[PageForm], set[PageForm]]:
    wanted = Run(store, pages_root=pages_root).index.read("demo", ()).wanted
    return set(wanted.project), set(wanted.root)


ALL = set(PageForm)
HTML_FORMS = {PageForm.HTML, PageForm.HTML_AT_FOLDER}


@pytest.mark.parametrize(
    ("objects", "project", "root"),
    [
        ({}, ALL, ALL),
        # The list of projects is that of a run that was killed, or of one with this project only.
        ({ROOT: page_of()}, ALL, ALL),
        ({ROOT: page_of("demo/")}, ALL, ALL),
        # Other projects: the forms of the index are kept.
        ({ROOT: page_of("other/")}, {PageForm.HTML}, {PageForm.HTML}),
        ({ROOT: page_of("other/", "demo/")}, {PageForm.HTML}, {PageForm.HTML}),
        ({ROOT_FOLDER: page_of("other/")}, {PageForm.HTML_AT_FOLDER}, {PageForm.HTML_AT_FOLDER}),
        ({ROOT_JSON: '{"projects": [{"name": "other"}]}'}, {PageForm.JSON}, {PageForm.JSON}),
        # Without a list of projects there is none to add to, but the project has pages.
        ({"simple/other/index.html": page_of()}, HTML_FORMS, set()),
        (
            {"simple/other/index.html": page_of(), JSON: json_of()},
            HTML_FORMS | {PageForm.JSON},
            set(),
        ),
        # The pages of the project list other files: no page in another form.
        (
            {ROOT: page_of("other/"), JSON: json_of(("demo-0.9.tar.gz", OLD))},
            {PageForm.JSON},
            {PageForm.HTML},
        ),
        ({HTML: page_of(f"demo-0.9.tar.gz#sha256={OLD}")}, {PageForm.HTML}, ALL),
        # Pages without files are completed.
        ({ROOT: page_of("other/"), JSON: json_of()}, {PageForm.JSON, PageForm.HTML}, {PageForm.HTML}),
    ],
)
def test_keeps_the_forms_that_the_index_has(
    objects: dict[str, str], project: set[PageForm], root: set[PageForm]
) -> None:
    store = MemoryStore()
    for key, text in objects.items():
        store.put(key, text)
    assert forms(store) == (project, root)


def test_the_pages_of_a_killed_run_are_completed_and_those_with_other_bytes_are_not(file: LocalFile) -> None:
    store = MemoryStore()
    store.put(ROOT, page_of("other/"))
    store.put(JSON, json_of((WHEEL, file.sha256)))
    run = Run(store)
    wanted = run.index.read("demo", [file]).wanted
    assert wanted.project == (PageForm.HTML, PageForm.JSON)
    store.put(JSON, json_of((WHEEL, OLD)))
    assert run.index.read("demo", [file]).wanted.project == (PageForm.JSON,)
    store.put(JSON, json_of(("demo-0.9.tar.gz", file.sha256)))
    assert run.index.read("demo", [file]).wanted.project == (PageForm.JSON,)


def test_the_home_page_of_a_site_is_not_a_list_of_projects() -> None:
    store = MemoryStore()
    store.put("index.html", page_of("about/", "contact/"))
    store.put("other/index.html", page_of())
    assert forms(store, pages_root="") == (HTML_FORMS, set())
    store.put("index.html", page_of("about/", "other/"))
    assert forms(store, pages_root="") == ({PageForm.HTML}, {PageForm.HTML})
    store.put("index.html", page_of())
    assert forms(store, pages_root="") == ({PageForm.HTML}, {PageForm.HTML})


def test_the_names_of_projects_are_listed_only_if_they_decide() -> None:
    store = MemoryStore()
    store.put(ROOT, page_of("other/"))
    Run(store, pages_root="simple/").index.read("demo", ())
    assert [call for call in store.calls if call.startswith("list")] == []
    store.objects.clear()
    Run(store, pages_root="simple/").index.read("demo", ())
    assert [call for call in store.calls if call.startswith("list")] == ["list simple/"]


def test_the_first_page_that_lists_files_shows_where_they_are(file: LocalFile) -> None:
    store = MemoryStore()
    store.put(HTML, page_of())
    store.put(JSON, json_of(("demo-0.9.tar.gz", OLD)))
    state = Run(store).index.read("demo", [file])
    assert [each.filename for each in state.files] == ["demo-0.9.tar.gz"]
    store.put(JSON, json_of())
    assert Run(store).index.read("demo", [file]).files == ()


def test_a_file_is_listed_if_every_page_and_list_has_it(file: LocalFile) -> None:
    store = MemoryStore()
    Run(store).publish(file)

    def is_listed(sha256: str = file.sha256) -> bool:
        return Run(store).index.read("demo", [file]).is_listed(WHEEL, sha256, "demo")

    assert is_listed()
    assert not is_listed(OLD)
    kept = dict(store.objects)
    for key in (HTML, FOLDER, JSON, ROOT, ROOT_FOLDER, ROOT_JSON):
        del store.objects[key]
        assert not is_listed(), key
        store.objects = dict(kept)
    # A link without a hash is one to these bytes.
    for key in (HTML, FOLDER):
        store.put(key, page_of(WHEEL))
    assert is_listed()


# --- conflicts and faults --------------------------------------------------------------------------


def test_a_page_that_another_run_changed_is_edited_again(
    file: LocalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        limits.append((low, high))
        return high

    monkeypatch.setattr(static_index._jitter, "uniform", uniform)
    store = MemoryStore()
    store.put(HTML, page_of(f"demo-0.9.tar.gz#sha256={OLD}"))
    store.put(ROOT, page_of("demo/", "other/"))
    store.faults[f"replace {HTML}"] = [PreconditionFailed() for _ in range(12)]
    run = Run(store, retries=1)
    run.publish(file)
    assert store.writes() == [f"replace {HTML}"] * 13
    assert store.calls.count(f"read {HTML}") == 1 + 13 + 1
    assert run.pauses == pytest.approx([0.2 * n for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10)])
    assert {low for low, _ in limits} == {0}
    assert run.progress.details == [f"{HTML} was changed by another run; editing the newer version"] * 12


def test_pages_that_change_all_the_time_end_the_run(file: LocalFile) -> None:
    store = MemoryStore()
    store.faults[f"replace {HTML}"] = [PreconditionFailed() for _ in range(99)]
    run = Run(store)
    with pytest.raises(DeadlineError) as caught:
        run.publish(file)
    assert caught.value.message == f"mem://index/{HTML} was changed by other runs 50 times in a row"
    assert store.writes() == [f"replace {HTML}"] * 50
    assert len(run.pauses) == 49


@pytest.mark.parametrize("error", [BUSY, TransportError("lost")], ids=["503", "lost"])
@pytest.mark.parametrize("has_effect", [False, True])
def test_a_write_that_fails_is_repeated_unless_it_had_its_effect(
    file: LocalFile, monkeypatch: pytest.MonkeyPatch, error: NetworkError, *, has_effect: bool
) -> None:
    monkeypatch.setattr(retry, "compute_backoff", lambda _error, failures: 60.0 * failures)
    store = MemoryStore()
    key = f"replace {HTML}"
    store.faults[key] = [error, None if has_effect else error]
    if has_effect:
        store.lost_answers.add(key)
    run = Run(store, retries=3)
    run.publish(file)
    assert store.text(HTML).count("<a ") == 1
    assert store.writes().count(key) == (1 if has_effect else 3)
    expected = [
        f"{error.message}; attempt 2 of 3 in 60 s",
        f"{error.message}; attempt 3 of 3 in 2 min",
    ]
    assert run.progress.details == expected[: 1 if has_effect else 2]
    assert run.pauses == [60.0, 120.0][: 1 if has_effect else 2]


@pytest.mark.parametrize(
    ("error", "attempts"), [(BUSY, 3), (TransportError("lost"), 3), (HttpStatusError(400, "u"), 1)]
)
def test_a_write_that_fails_too_often_ends_with_its_error(
    file: LocalFile, error: NetworkError, attempts: int
) -> None:
    store = MemoryStore()
    store.faults[f"replace {HTML}"] = [error] * 9
    run = Run(store, retries=3)
    with pytest.raises(type(error)) as caught:
        run.publish(file)
    assert caught.value is error
    assert store.writes() == [f"replace {HTML}"] * attempts
    assert len(run.pauses) == attempts - 1


@pytest.mark.parametrize("call", ["list ", "list simple/", f"read {HTML}", f"read {ROOT}", "read index.html"])
def test_reading_is_repeated(file: LocalFile, call: str) -> None:
    store = MemoryStore()
    store.faults[call] = [BUSY, BUSY]
    run = Run(store, retries=3)
    run.publish(file)
    assert len(run.pauses) == 2
    assert store.text(HTML).count("<a ") == 1
    store = MemoryStore()
    store.faults[call] = [BUSY] * 9
    with pytest.raises(HttpStatusError):
        Run(store, retries=3).publish(file)


@pytest.mark.parametrize("key", [HTML, JSON, ROOT])
def test_a_page_that_is_removed_during_the_run_is_not_started_afresh(
    file: LocalFile, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    store.put(HTML, page_of(f"demo-0.9.tar.gz#sha256={OLD}"))
    store.put(JSON, json_of(("demo-0.9.tar.gz", OLD)))
    store.put(ROOT, page_of("other/"))
    run = Run(store)
    real_read, reads = store.read_page, [0]

    def read_page(wanted: str) -> StoredPage | None:
        if wanted == key:
            reads[0] += 1
        return real_read(wanted) if wanted != key or reads[0] == 1 else None

    monkeypatch.setattr(store, "read_page", read_page)
    with pytest.raises(ListingError) as caught:
        run.publish(file)
    assert caught.value.message == f"mem://index/{key} was removed during the run"
    assert caught.value.hint == ("Find out who removed it, restore it, and run the same command again.")
    assert f"replace {key}" not in store.calls


def test_a_page_that_another_run_creates_first_is_extended(
    file: LocalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    run = Run(store)
    state = run.index.read("demo", [file])
    assert state.pages == ()
    real_replace = store.replace
    others = page_of(f"demo-0.9.tar.gz#sha256={OLD}")

    def replace(key: str, page: StoredPage) -> None:
        if key == HTML and HTML not in store.objects:
            store.put(HTML, others)
        real_replace(key, page)

    monkeypatch.setattr(store, "replace", replace)
    run.publish(file)
    assert "demo-0.9.tar.gz" in store.text(HTML)
    assert WHEEL in store.text(HTML)


def test_a_store_that_loses_its_writes_ends_the_run(file: LocalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    written: list[str] = []
    monkeypatch.setattr(store, "replace", lambda key, _page: written.append(key))
    with pytest.raises(DeadlineError) as caught:
        Run(store).publish(file)
    assert caught.value.message == (
        "mem://index/: another program removes the files of this release from its pages"
    )
    assert caught.value.hint == (
        "Find out which program writes these pages, then run the same command again."
    )
    assert written.count(HTML) == 5


def test_a_page_that_cannot_be_edited_stops_before_anything_is_written(file: LocalFile) -> None:
    store = MemoryStore()
    store.put(ROOT, "<html><body><a href='x")
    with pytest.raises(ListingError, match=r"^mem://index/simple/index.html cannot be edited: "):
        Run(store).publish(file)
    assert store.writes() == []


# --- what looks wrong ------------------------------------------------------------------------------


def test_names_with_two_hashes_are_reported(file: LocalFile) -> None:
    store = MemoryStore()
    link = "demo-0.9.tar.gz#sha256="
    store.put(HTML, page_of(f"{link}{OLD}", f"{link}{'b' * 64}", f"{link}{'c' * 64}"))
    assert Run(store).problems(file) == [
        f"{HTML} lists demo-0.9.tar.gz with 3 hashes: an installer may take either"
    ]


def test_pages_that_disagree_are_reported(file: LocalFile) -> None:
    store = MemoryStore()
    store.put(HTML, page_of(f"demo-0.9.tar.gz#sha256={OLD}"))
    store.put(JSON, json_of(("demo-0.9.tar.gz", OLD), (WHEEL, file.sha256)))
    # Our own file is added to both.
    assert Run(store).problems(file) == []
    store.put(JSON, json_of(*((f"demo-0.{n}.tar.gz", OLD) for n in (9, 8, 7, 6, 5))))
    tail = (
        "as another page of demo does: the pages of this project disagree, and this run adds only its own "
        "files"
    )
    assert Run(store).problems(file) == [
        f"{HTML} does not list demo-0.5.tar.gz, demo-0.6.tar.gz, demo-0.7.tar.gz and 1 more {tail}"
    ]
    store.put(JSON, json_of(("demo-0.9.tar.gz", "b" * 64)))
    assert Run(store).problems(file) == [
        f"{key} does not list demo-0.9.tar.gz {tail}" for key in (HTML, JSON)
    ]
    store.put(JSON, json_of((WHEEL, OLD), ("demo-0.9.tar.gz", OLD)))
    assert Run(store).problems(file) == [f"{HTML} does not list {WHEEL} {tail}"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        ([WHEEL, "demo-0.9.tar.gz", "notes.txt", "other-0.9.tar.gz"], []),
        (
            ["demo-0.8.tar.gz"],
            [
                (
                    "no page lists 1 file of demo in mem://index/simple/demo/ (demo-0.8.tar.gz): this run "
                    "neither lists nor removes it"
                )
            ],
        ),
        (
            [f"demo-0.{n}.tar.gz" for n in (7, 6, 5, 4)],
            [
                (
                    "no page lists 4 files of demo in mem://index/simple/demo/ (demo-0.4.tar.gz, "
                    "demo-0.5.tar.gz, demo-0.6.tar.gz and 1 more): this run neither lists nor removes them"
                )
            ],
        ),
    ],
)
def test_files_on_no_page_are_reported(file: LocalFile, names: list[str], expected: list[str]) -> None:
    store = MemoryStore()
    store.put(HTML, page_of(f"demo-0.9.tar.gz#sha256={OLD}"))
    for name in names:
        store.put(f"simple/demo/{name}", b"x")
    assert Run(store).problems(file) == expected


def test_files_on_no_page_are_looked_for_where_the_files_of_this_version_go(file: LocalFile) -> None:
    store = MemoryStore()
    store.put(HTML, page_of(f"../../packages/0.9/demo-0.9.tar.gz#sha256={OLD}"))
    store.put("packages/1.0/demo-1.0.tar.gz", b"x")
    store.faults["list packages/1.0/"] = [BUSY]
    assert Run(store).problems(file) == [
        (
            "no page lists 1 file of demo in mem://index/packages/1.0/ (demo-1.0.tar.gz): this run neither "
            "lists nor removes it"
        )
    ]


# --- duplicates ------------------------------------------------------------------------------------


def test_one_entry_of_a_name_is_kept_on_the_pages_that_list_it_twice() -> None:
    store = MemoryStore()
    links = [f"demo-0.9.tar.gz#sha256={digest * 64}" for digest in "ab"]
    store.put(HTML, page_of(*links))
    store.put(JSON, json_of(("demo-0.9.tar.gz", OLD)))
    kept = store.objects[JSON]
    run = Run(store)
    run.index.keep_one("demo", "demo-0.9.tar.gz", "b" * 64)
    assert store.writes() == [f"replace {HTML}"]
    assert store.text(HTML) == page_of(links[1])
    assert store.objects[JSON] == kept


def test_editing_the_pages_of_a_project_reads_each_that_it_has() -> None:
    store = MemoryStore()
    store.put(HTML, page_of())
    store.put(JSON, json_of())
    seen: list[str] = []

    def edit(page: Any) -> None:
        seen.append(page.key)

    Run(store).index.edit_project_pages("demo", edit)
    assert seen == [HTML, JSON]
    assert store.writes() == []


def test_credentials_that_are_refused_end_the_run_at_once(file: LocalFile) -> None:
    store = MemoryStore()
    store.faults[f"replace {HTML}"] = [CredentialsError("refused")]
    run = Run(store)
    with pytest.raises(CredentialsError, match=r"^refused$"):
        run.publish(file)
    assert run.pauses == []

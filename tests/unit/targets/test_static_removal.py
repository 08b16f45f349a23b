"""A static index loses a file from its pages before it loses the file, at every point of a failing run."""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wheel_uploader.core.errors import ConflictError, NetworkError
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.targets.static_index.folder import FolderStore
from wheel_uploader.targets.static_index.object_store import NewObject, StoredPage
from wheel_uploader.targets.static_index.removal import StaticRemover
from wheel_uploader.targets.static_index.static_index import StaticIndex

OLD, NEW = "demo-0.9.dev1-py3-none-any.whl", "demo-1.0.dev1-py3-none-any.whl"
FOLDER = "simple/demo/"
PAGES = (f"{FOLDER}index.html", f"{FOLDER}index.v1+json")


def sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


HTML = "".join(f'<a href="{name}#sha256={sha256(name)}">{name}</a><br>\n' for name in (OLD, NEW))
JSON = '{{"meta": {{"api-version": "1.1"}}, "name": "demo", "files": [{entries}]}}'.format(
    entries=", ".join(
        f'{{"filename": "{name}", "url": "{name}", "hashes": {{"sha256": "{sha256(name)}"}}}}'
        for name in (OLD, NEW)
    )
)


class FailingStore(FolderStore):
    """A folder whose change ``fails_at`` is not made, or is made and its answer lost."""

    fails_at = -1
    loses_answer = False
    changes = 0

    def _change(self, change: Callable[[], None]) -> None:
        number, self.changes = self.changes, self.changes + 1
        if number != self.fails_at:
            change()
            return
        if self.loses_answer:
            change()
        raise NetworkError("the store does not answer")

    def replace(self, key: str, page: StoredPage) -> None:
        self._change(functools.partial(super().replace, key, page))

    def remove(self, key: str) -> None:
        self._change(functools.partial(super().remove, key))


@pytest.fixture
def store(tmp_path: Path) -> FailingStore:
    filled = FailingStore(tmp_path)
    for name in (OLD, NEW, f"{OLD}.metadata", f"{OLD}.asc"):
        data = name.encode()
        content = io.BytesIO(data)
        filled.create(
            f"{FOLDER}{name}", NewObject(content=content, size=len(data), sha256="", content_type="")
        )
    for key, text in zip(PAGES, (f"<html><body>{HTML}</body></html>", JSON), strict=True):
        filled.replace(key, StoredPage(data=text.encode(), version=""))
    filled.changes = 0
    return filled


def make_remover(store: FailingStore) -> StaticRemover:
    def sleep(_seconds: float) -> None:
        return None

    static = StaticIndex(
        store,
        pages_root=None,
        reading_url=lambda _root: "",
        retries=1,
        progress=SilentProgress(),
        sleep=sleep,
    )
    return StaticRemover(static, "demo")


def listed(store: FailingStore) -> set[str]:
    text = b"".join(page.data for key in PAGES if (page := store.read_page(key))).decode()
    return set(re.findall(r"demo-[\w.-]+\.whl", text))


def stored(store: FailingStore) -> set[str]:
    return {name for name in store.list_names(FOLDER).files if name.startswith("demo-")}


@pytest.mark.parametrize("loses_answer", [False, True])
@pytest.mark.parametrize("fails_at", range(5))
def test_no_page_lists_a_file_that_is_gone_wherever_the_store_fails(
    store: FailingStore, fails_at: int, *, loses_answer: bool
) -> None:
    remover = make_remover(store)
    store.loses_answer = loses_answer
    [old] = [file for file in remover.list_files(with_times=False) if file.filename == OLD]
    store.fails_at = fails_at
    with pytest.raises(NetworkError):
        remover.remove(old)
    assert listed(store) <= stored(store)
    assert NEW in listed(store)
    store.fails_at = -1
    remover.remove(old)
    assert listed(store) == {NEW}
    assert stored(store) == {NEW}


def test_a_file_that_was_replaced_meanwhile_is_kept(store: FailingStore) -> None:
    remover = make_remover(store)
    [old] = [file for file in remover.list_files(with_times=True) if file.filename == OLD]
    assert old.uploaded_at
    page: Any = store.read_page(PAGES[0])
    changed = page.data.replace(sha256(OLD).encode(), b"0" * 64)
    store.replace(PAGES[0], StoredPage(data=changed, version=page.version))
    with pytest.raises(ConflictError):
        remover.remove(old)
    assert OLD in stored(store)


def test_a_project_without_files_is_an_error(store: FailingStore) -> None:
    store.local_path(PAGES[0]).unlink()
    page: Any = store.read_page(PAGES[1])
    empty = re.sub(rb"\{.filename.*\}(?=\])", b"", page.data)
    store.replace(PAGES[1], StoredPage(data=empty, version=page.version))
    with pytest.raises(NetworkError, match="lists a file"):
        make_remover(store).list_files(with_times=False)

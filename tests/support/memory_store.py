"""An object store in memory that records its calls."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wheel_uploader.targets.static_index.object_store import (
    ListedNames,
    NewObject,
    PreconditionFailed,
    StoredFile,
    StoredPage,
)


@dataclass
class MemoryStore:
    """Holds objects by key; a write has the conditions that the interface promises."""

    has_exact_keys: bool = True
    served_url: str = ""
    location: str = "mem://index/"
    login: str | Exception = "a key of tests"
    #: Contents, version, headers and content type by key.
    objects: dict[str, tuple[bytes, str, Mapping[str, str]]] = field(default_factory=dict)
    dates: dict[str, datetime] = field(default_factory=dict)
    #: The calls in order: ``read KEY``, ``stat KEY``, ``hash KEY``, ``create KEY``, ``replace KEY``, ...
    calls: list[str] = field(default_factory=list)
    #: Errors to raise instead of a call, in order, by the text of the call.
    faults: dict[str, list[Exception | None]] = field(default_factory=dict)
    #: Calls whose fault is raised after the call had its effect.
    lost_answers: set[str] = field(default_factory=set)
    is_closed: bool = False
    _number: int = 0

    @contextlib.contextmanager
    def _call(self, text: str) -> Iterator[None]:
        self.calls.append(text)
        faults = self.faults.get(text)
        error = faults.pop(0) if faults else None
        if error and text not in self.lost_answers:
            raise error
        yield
        if error:
            raise error

    def put(self, key: str, data: bytes | str, headers: Mapping[str, str] | None = None) -> None:
        """Write an object as another tool does."""
        self._number += 1
        content = data.encode() if isinstance(data, str) else data
        self.objects[key] = (content, str(self._number), headers or {})

    def text(self, key: str) -> str:
        """Return an object as text."""
        return self.objects[key][0].decode()

    def writes(self) -> list[str]:
        """Return the calls that change the store."""
        return [call for call in self.calls if call.split(" ")[0] in ("create", "replace", "remove")]

    # --- the interface of stores

    def log_in(self) -> str:
        """Return the login, or raise the error that is there instead."""
        if isinstance(self.login, Exception):
            raise self.login
        return self.login

    def make_headers(self, content_type: str, cache_control: str) -> Mapping[str, str]:
        """Return both as they are."""
        return {"type": content_type, "cache": cache_control}

    def read_page(self, key: str) -> StoredPage | None:
        """Return a page."""
        with self._call(f"read {key}"):
            if key not in self.objects:
                return None
            data, version, headers = self.objects[key]
            return StoredPage(data=data, version=version, headers=headers)

    def stat(self, key: str) -> StoredFile | None:
        """Return the facts of an object."""
        with self._call(f"stat {key}"):
            if key not in self.objects:
                return None
            return StoredFile(size=len(self.objects[key][0]), created_at=self.dates.get(key))

    def compute_sha256(self, key: str) -> str:
        """Return the sha256 of an object."""
        with self._call(f"hash {key}"):
            return hashlib.sha256(self.objects[key][0]).hexdigest()

    def create(self, key: str, new: NewObject) -> None:
        """Create an object."""
        with self._call(f"create {key}"):
            if key in self.objects:
                raise PreconditionFailed
            new.content.seek(0)
            data = new.content.read()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (new.size, new.sha256)
            self.put(key, data, {"type": new.content_type})
            new.on_sent(new.size)

    def replace(self, key: str, page: StoredPage) -> None:
        """Replace a page."""
        with self._call(f"replace {key}"):
            current = self.objects[key][1] if key in self.objects else ""
            if current != page.version:
                raise PreconditionFailed
            self.put(key, page.data, page.headers)

    def remove(self, key: str) -> None:
        """Remove an object."""
        with self._call(f"remove {key}"):
            self.objects.pop(key, None)

    def list_names(self, folder: str) -> ListedNames:
        """Return the names below a folder."""
        with self._call(f"list {folder}"):
            names = [key[len(folder) :] for key in self.objects if key.startswith(folder)]
            return ListedNames(
                files=frozenset(name for name in names if "/" not in name),
                folders=frozenset(name.partition("/")[0] for name in names if "/" in name),
            )

    def close(self) -> None:
        """Remember that it is closed."""
        self.is_closed = True


def new_object(data: bytes, sent: list[int] | None = None) -> NewObject:
    """Return an object to create, which appends the bytes of each step to ``sent``."""
    content = io.BytesIO(data)
    content.seek(0, io.SEEK_END)
    return NewObject(
        content=content,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_type="application/octet-stream",
        on_sent=sent.append if sent is not None else id,
    )

"""Publishes small releases to the stores of static indexes, with the real command."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import in_process, static_stores
from tests.support.static_stores import Place
from tools.testing import wheels
from wheel_uploader.targets.static_index.object_store import NewObject, ObjectStore, StoredPage

INDEX = "simple/demo/index.html"
INDEX_AT_FOLDER = "simple/demo/"
JSON = "simple/demo/index.v1+json"
ROOT = "simple/index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The exit code and the output of a run, each as one line."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Publisher:
    """A user who publishes to one place."""

    place: Place
    folder: Path

    def stage(self, version: str = "1.0", project: str = "demo", **parts: bytes) -> Path:
        """Write a wheel of the version into a folder for it."""
        files = {f"{project}/{name}.py": data for name, data in parts.items()}
        return wheels.make_wheel(self.folder / f"staged-{project}-{version}", project, version, files=files)

    def arguments(self, version: str = "1.0", project: str = "demo") -> list[str]:
        """Return the arguments that publish the staged version."""
        staged = self.folder / f"staged-{project}-{version}"
        if not staged.exists():
            self.stage(version, project)
        return [
            *("-u", str(staged), "-w", str(self.folder / f"house-{project}-{version}")),
            *("--repository-url", self.place.url, "--retries", "2", "--confirm-timeout", "2"),
            # The older releases on the pages of other tools have more platforms.
            *("--ignore", "release/lost-against-previous", project, version),
        ]

    def publish(self, version: str = "1.0", project: str = "demo", *more: str) -> Ended:
        """Run the command."""
        env = {**self.place.variables, "HOME": str(self.folder)}
        ended = in_process.run(*self.arguments(version, project), *more, env=env)
        assert "Traceback" not in ended.stderr, ended.stderr
        return Ended(
            code=ended.exit_code, output=" ".join(ended.stdout.split()), errors=" ".join(ended.stderr.split())
        )

    @contextlib.contextmanager
    def store(self) -> Iterator[ObjectStore]:
        """Open the store; the variables of the place must be set."""
        opened = self.place.open()
        with contextlib.closing(opened):
            yield opened

    def write(self, key: str, data: bytes, content_type: str = "text/html") -> None:
        """Write an object as another tool does."""
        with self.store() as store:
            page = store.read_page(key)
            headers = store.make_headers(content_type, "max-age=60")
            store.replace(key, StoredPage(data=data, version=page.version if page else "", headers=headers))

    def read(self, key: str) -> bytes | None:
        """Return an object, or None."""
        with self.store() as store:
            page = store.read_page(key)
            return page.data if page else None

    def put_file(self, key: str, data: bytes) -> None:
        """Create a file as another tool does."""
        new = NewObject(content=io.BytesIO(data), size=len(data), sha256="", content_type="application/zip")
        with self.store() as store:
            store.create(key, new)


@contextlib.contextmanager
def open_publisher(place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Start the store of that name, and return a user of it, with its variables in the environment."""
    with static_stores.PLACES[place](folder) as opened:
        for name, value in opened.variables.items():
            monkeypatch.setenv(name, value)
        yield Publisher(opened, folder)

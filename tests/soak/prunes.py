"""The kill sweep over ``--prune``: a run is killed at every point of its last stage, and then runs again.

Verified are the files that the target has: the files to keep are always there, older ones are removed only
after the new release is there, and the same command finishes the job.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.soak import Figure
from tests.soak.forks import Forks, Task, isolated_environment
from tests.soak.tally import Tally
from tools.testing import indexes, wheels
from tools.testing.anaconda_site import ORG, TOKEN, ServedSite, anaconda_site
from tools.testing.indexes import Devpi

CURRENT, OLD = "1.0.dev1", ("0.8", "0.9.dev1", "0.9.dev2", "0.9.dev10")
#: The final release, and the two newest of the others.
STAYING = frozenset({"0.8", "0.9.dev10", CURRENT})
#: Points before the end of a run without --prune at which the sweep begins.
_MARGIN = 40


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Kill a run with --prune at every point of its end, and run it again, on three kinds of targets."""
    for name in PLACES:
        with open_sweep(name) as sweep:
            first, last = sweep.points()
            total = PruneTally()
            for point in range(first, last + 1, part):
                total.add(sweep.kill_at(point))
        yield Figure(f"{name}: {total}", total.problems)


@dataclass(kw_only=True)
class PruneTally(Tally):
    """The results of a sweep."""

    points: int = 0
    #: Points at which old files were gone already.
    begun: int = 0
    lost: int = 0
    too_early: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.points} kill points ({self.begun} of them while files were removed), {self.lost} lost, "
            f"{self.too_early} removed too early, {self.failed} next runs failed"
        )


class Place(ABC):
    """A target with the old releases of ``demo``."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @abstractmethod
    def reset(self) -> None:
        """Give the target all old releases, and take the current one away."""

    @abstractmethod
    def served(self) -> frozenset[str]:
        """Return the versions whose file the target has and lists."""


class AnacondaPlace(Place):
    """A stub of anaconda.org."""

    def __init__(self, served: ServedSite) -> None:
        self._served = served
        self.arguments = ("--repository-url", f"https://anaconda.org/{ORG}", "--index-url", served.pip_url())
        self.environment = {"ANACONDA_API_TOKEN": TOKEN, "WHEEL_UPLOADER_ANACONDA_API": served.api_url}

    def reset(self) -> None:
        site = self._served.site
        site.dists.clear()
        site.releases.clear()
        for version in OLD:
            site.store("demo", version, f"demo-{version}-py3-none-any.whl", version.encode())

    def served(self) -> frozenset[str]:
        return frozenset(dist.version for dist in list(self._served.site.dists.values()))


class DevpiPlace(Place):
    """A volatile index of a real devpi-server."""

    def __init__(self, devpi: Devpi, folder: Path) -> None:
        self._url = devpi.make_index("nightly", volatile=True)
        self._client = httpx.Client(auth=(devpi.user, devpi.password), trust_env=False, timeout=60)
        self._folder = folder
        self.arguments = ("--repository-url", self._url, "--profile", "any")
        self.environment = {"TWINE_USERNAME": devpi.user, "TWINE_PASSWORD": devpi.password}

    def reset(self) -> None:
        served = self.served()
        if CURRENT in served:
            self._client.delete(f"{self._url}demo/{CURRENT}").raise_for_status()
        for version in {*OLD} - served:
            path = wheels.make_wheel(self._folder, "demo", version)
            form = {":action": "file_upload", "name": "demo", "version": version, "metadata_version": "2.1"}
            form |= {"filetype": "bdist_wheel", "pyversion": "py3"}
            files = {"content": (path.name, path.read_bytes())}
            self._client.post(self._url, data=form, files=files).raise_for_status()

    def served(self) -> frozenset[str]:
        page = self._client.get(f"{self._url}+simple/demo/", headers={"Accept": "text/html"}).text
        return frozenset(version for version in (*OLD, CURRENT) if f"/demo-{version}-py3" in page)


class FolderPlace(Place):
    """A static index in a folder."""

    environment: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self._index, self._full = folder / "index", folder / "full"
        self.arguments = ("--repository-url", str(self._index))
        with Forks() as forks:
            for version in OLD:
                wheels.make_wheel(folder / f"old-{version}", "demo", version)
                arguments = [
                    "-u",
                    f"old-{version}",
                    "-w",
                    f"house-{version}",
                    *self.arguments,
                    "demo",
                    version,
                ]
                environment = isolated_environment(folder)
                task = Task(arguments=arguments, folder=str(folder), environment=environment)
                assert forks.run(task).code == 0, (folder / "log").read_text()
        self._index.rename(self._full)

    def reset(self) -> None:
        shutil.rmtree(self._index, ignore_errors=True)
        shutil.copytree(self._full, self._index)

    def served(self) -> frozenset[str]:
        folder = self._index / "simple" / "demo"
        pages = [(folder / name).read_text() for name in ("index.html", "index.v1+json")]
        names = {version: f"demo-{version}-py3-none-any.whl" for version in (*OLD, CURRENT)}
        listed = {version for version, name in names.items() if any(name in page for page in pages)}
        return frozenset(version for version in listed if (folder / names[version]).exists()) | {
            f"{version}, which is listed and gone"
            for version in listed
            if not (folder / names[version]).exists()
        }


@contextlib.contextmanager
def _open_anaconda(_folder: Path) -> Iterator[Place]:
    with anaconda_site() as served:
        yield AnacondaPlace(served)


@contextlib.contextmanager
def _open_devpi(folder: Path) -> Iterator[Place]:
    with indexes.devpi_server(folder / "server") as devpi:
        yield DevpiPlace(devpi, folder / "old")


@contextlib.contextmanager
def _open_folder(folder: Path) -> Iterator[Place]:
    yield FolderPlace(folder)


PLACES = {"anaconda.org": _open_anaconda, "devpi": _open_devpi, "folder": _open_folder}


class Sweep:
    """A target, a staged release, and a process that can be killed at any point."""

    def __init__(self, place: Place, folder: Path, forks: Forks) -> None:
        self._place, self._folder, self._forks = place, folder, forks
        wheels.make_wheel(folder / "staged", "demo", CURRENT)

    def points(self) -> tuple[int, int]:
        """Return the first and the last point of the sweep."""
        points = []
        for options in ((), ("--prune", "2")):
            self._reset()
            assert self._run(0, *options) == 0, self._log_tail()
            points.append(int((self._folder / "points").read_text()))
        assert self._place.served() == STAYING
        return points[0] - _MARGIN, points[1]

    def kill_at(self, point: int) -> PruneTally:
        """Kill a run at a point, run the command again, and verify both."""
        tally = PruneTally(points=1)
        self._reset()
        if self._run(point, "--prune", "2") == -signal.SIGKILL:
            # A request may be in progress.
            time.sleep(0.2)
        served = self._place.served()
        tally.begun = int(served != {*OLD, CURRENT})
        if missing := STAYING - {CURRENT} - served:
            tally.count("lost", f"point {point}: {sorted(missing)} are gone")
        if CURRENT not in served and not served.issuperset(OLD):
            tally.count("too_early", f"point {point}: files were removed before {CURRENT} was there")
        if (code := self._run(-1, "--prune", "2")) != 0:
            tally.count("failed", f"point {point}: the next run ended with {code}: {self._log_tail()}")
        elif self._place.served() != STAYING:
            tally.count("failed", f"point {point}: the next run left {sorted(self._place.served())}")
        return tally

    def _reset(self) -> None:
        shutil.rmtree(self._folder / "house", ignore_errors=True)
        self._place.reset()

    def _run(self, kill_at: int, *options: str) -> int:
        arguments = [
            "-u",
            "staged",
            "-w",
            "house",
            "--confirm-timeout",
            "20",
            *self._place.arguments,
            *options,
        ]
        environment = {**isolated_environment(self._folder), **self._place.environment}
        task = Task(
            arguments=[*arguments, "demo", CURRENT],
            folder=str(self._folder),
            environment=environment,
            kill_at=kill_at,
        )
        return self._forks.run(task).code

    def _log_tail(self) -> str:
        return (self._folder / "log").read_text()[-500:]


@contextlib.contextmanager
def open_sweep(name: str) -> Iterator[Sweep]:
    """Start the target of that name, and yield a sweep over it."""
    with tempfile.TemporaryDirectory(prefix="prune-") as temporary:
        folder = Path(temporary)
        with PLACES[name](folder) as place, Forks() as forks:
            yield Sweep(place, folder, forks)

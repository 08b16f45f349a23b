"""The kill sweep over ``--prune``: a run is killed at every point of its last stage, and then runs again.

Verified are the files that the target has: the files to keep are always there, older ones are removed only
after the new release is there, and the same command finishes the job.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import httpx

from tests.soak import Figure
from tests.soak.forks import Forks, Task, isolated_environment
from tests.soak.tally import Tally
from tests.support import static_stores
from tests.support.faulty_proxy import Fault
from tools.testing import indexes, wheels
from tools.testing.anaconda_site import ORG, TOKEN, ServedSite, anaconda_site
from tools.testing.indexes import Devpi

CURRENT, OLD = "1.0.dev1", ("0.8", "0.9.dev1", "0.9.dev2", "0.9.dev10")
#: The final release, and the two newest of the others.
STAYING = frozenset({"0.8", "0.9.dev10", CURRENT})
STATIC_PLACES = ("folder", "S3")
#: Faults of each step: a disk has one.
FAULTS: Mapping[str, tuple[Fault | int, ...]] = {
    "folder": (5,),
    "S3": (503, 403, Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.CUT),
}
#: Points before the end of a run without --prune at which the sweep begins.
_MARGIN = 40


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Kill a run with --prune at every point of its end, on each kind of target, and run it again.

    On static indexes, each write or request fails as well.
    """
    for name in PLACES:
        with open_sweep(name) as sweep:
            first, last = sweep.points()
            total = PruneTally()
            for point in range(first, last + 1, part):
                total.add(sweep.kill_at(point))
        yield Figure(f"{name}: {total}", total.problems)
    for name in STATIC_PLACES:
        with open_sweep(name) as sweep:
            total = PruneTally()
            cases = itertools.product(range(1, sweep.count_steps() + 1), FAULTS[name])
            for step, fault in itertools.islice(cases, 0, None, part):
                total.add(sweep.fail_at(step, fault))
        yield Figure(f"{name}, faults: {total}", total.problems)


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
            f"{self.points} points ({self.begun} of them while files were removed), {self.lost} lost, "
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

    def find_problem(self) -> str:
        """Return the problem after a complete run, in one clause; empty if there is none."""
        served = self.served()
        return "" if served == STAYING else f"the target has {sorted(served)}"


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


class StaticPlace(Place):
    """A static index: pages, and the files that they list."""

    @abstractmethod
    def objects(self) -> Mapping[str, bytes]:
        """Return the files and the pages of the project, by name."""

    def served(self) -> frozenset[str]:
        objects = self.objects()
        listed = frozenset(version for page in _list_pages(objects) for version in _find_versions(page))
        gone = {version for version in listed if _get_name(version) not in objects}
        return (listed - gone) | {f"{version}, which is listed and gone" for version in gone}

    def find_problem(self) -> str:
        pages = _list_pages(self.objects())
        lists = {_find_versions(page) for page in pages}
        return "" if lists == {STAYING} else f"the pages list {sorted(map(sorted, lists))}"

    def _publish_old(self, folder: Path) -> None:
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
                environment = {**isolated_environment(folder), **self.environment}
                task = Task(arguments=arguments, folder=str(folder), environment=environment)
                assert forks.run(task).code == 0, (folder / "log").read_text()


def _get_name(version: str) -> str:
    return f"demo-{version}-py3-none-any.whl"


def _list_pages(objects: Mapping[str, bytes]) -> list[bytes]:
    return [data for name, data in objects.items() if not name.startswith("demo-")]


def _find_versions(page: bytes) -> frozenset[str]:
    return frozenset(version for version in (*OLD, CURRENT) if _get_name(version).encode() in page)


class FolderPlace(StaticPlace):
    """A static index in a folder."""

    environment: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self._index, self._full = folder / "index", folder / "full"
        self.arguments = ("--repository-url", str(self._index))
        self._publish_old(folder)
        self._index.rename(self._full)

    def reset(self) -> None:
        shutil.rmtree(self._index, ignore_errors=True)
        shutil.copytree(self._full, self._index)

    def objects(self) -> Mapping[str, bytes]:
        files = (self._index / "simple" / "demo").iterdir()
        return {file.name: file.read_bytes() for file in files if not file.name.startswith(".")}


class S3Place(StaticPlace):
    """A static index in moto's S3, behind a proxy that can fail."""

    def __init__(self, place: static_stores.Place, folder: Path) -> None:
        assert place.proxy
        self.proxy = place.proxy
        self._bucket = place.served_url.partition(f"{static_stores.PREFIX}/")[0].rstrip("/")
        self._client = httpx.Client(trust_env=False, timeout=60)
        self.arguments = ("--repository-url", place.url, "--retries", "2")
        self.environment = place.variables
        self._publish_old(folder)
        self._full = {key: self._get(key) for key in self._list_keys()}

    def _list_keys(self) -> list[str]:
        listing = self._client.get(self._bucket, params={"list-type": "2", "encoding-type": "url"})
        return [unquote(key) for key in re.findall(r"<Key>([^<]+)</Key>", listing.text)]

    def _get(self, key: str) -> tuple[bytes, str]:
        response = self._client.get(f"{self._bucket}/{quote(key)}")
        return response.content, response.headers["content-type"]

    def reset(self) -> None:
        self.proxy.rule = lambda _method, _path: None
        for key in {*self._list_keys()} - self._full.keys():
            self._client.delete(f"{self._bucket}/{quote(key)}")
        for key, (data, content_type) in self._full.items():
            headers = {"content-type": content_type, "x-amz-acl": "public-read"}
            url = f"{self._bucket}/{quote(key)}"
            self._client.put(url, content=data, headers=headers).raise_for_status()

    def objects(self) -> Mapping[str, bytes]:
        start = f"{static_stores.PREFIX}/simple/demo/"
        keys = [key for key in self._list_keys() if key.startswith(start)]
        return {key.removeprefix(start): self._get(key)[0] for key in keys}


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


@contextlib.contextmanager
def _open_s3(folder: Path) -> Iterator[Place]:
    with static_stores.s3_place(folder) as place:
        yield S3Place(place, folder)


PLACES = {"anaconda.org": _open_anaconda, "devpi": _open_devpi, "folder": _open_folder, "S3": _open_s3}


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
        assert self._place.find_problem() == ""
        return points[0] - _MARGIN, points[1]

    def kill_at(self, point: int) -> PruneTally:
        """Kill a run at a point, run the command again, and verify both."""
        self._reset()
        if self._run(point, "--prune", "2") == -signal.SIGKILL:
            # A request may be in progress.
            time.sleep(0.2)
        return self._judge(f"point {point}")

    def count_steps(self) -> int:
        """Return the number of writes, or of requests, of a whole run."""
        self._reset()
        if isinstance(self._place, S3Place):
            before = len(self._place.proxy.requests)
            assert self._run(-1, "--prune", "2") == 0, self._log_tail()
            return len(self._place.proxy.requests) - before
        assert self._run(0, "--prune", "2", fails=True) == 0, self._log_tail()
        return int((self._folder / "points").read_text())

    def fail_at(self, step: int, fault: Fault | int) -> PruneTally:
        """Let a write, or a request, of a run fail, run the command again, and verify both.

        A write of a folder fails with an error of the disk, whatever the fault.
        """
        self._reset()
        if isinstance(self._place, S3Place):
            numbers = itertools.count(1)
            self._place.proxy.rule = lambda _method, _path: fault if next(numbers) == step else None
            self._run(-1, "--prune", "2")
            self._place.proxy.rule = lambda _method, _path: None
        else:
            self._run(step, "--prune", "2", fails=True)
        name = f"step {step}, {fault}"
        tally = PruneTally()
        if "Traceback" in (self._folder / "log").read_text():
            tally.count("failed", f"{name}: a traceback: {self._log_tail()}")
        tally.add(self._judge(name))
        return tally

    def _judge(self, name: str) -> PruneTally:
        tally = PruneTally(points=1)
        served = self._place.served()
        tally.begun = int(served != {*OLD, CURRENT})
        if missing := STAYING - {CURRENT} - served:
            tally.count("lost", f"{name}: {sorted(missing)} are gone")
        if CURRENT not in served and not served.issuperset(OLD):
            tally.count("too_early", f"{name}: files were removed before {CURRENT} was there")
        if (code := self._run(-1, "--prune", "2")) != 0:
            tally.count("failed", f"{name}: the next run ended with {code}: {self._log_tail()}")
        elif problem := self._place.find_problem():
            tally.count("failed", f"{name}: after the next run {problem}")
        if gone := [version for version in served if "gone" in version]:
            tally.count("lost", f"{name}: {gone}")
        return tally

    def _reset(self) -> None:
        shutil.rmtree(self._folder / "house", ignore_errors=True)
        self._place.reset()

    def _run(self, kill_at: int, *options: str, fails: bool = False) -> int:
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
            fails=fails,
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

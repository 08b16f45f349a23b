"""A storm: half of all requests to the index fail, in every way; the same command again and again ends it.

Pauses take no time: each run has a clock that only sleeping moves.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak import Figure
from tests.soak.forks import alone
from tests.support import indexes, wheels
from tests.support.indexes import ScriptedIndex, Served, VirtualTime, local_file
from wheel_uploader.core.errors import DeadlineError, NetworkError, ReleaseError
from wheel_uploader.core.models import FileStatus, LocalFile, Options, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import IndexClient, compare_with_index, derive_simple_urls
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.upload.scheduler import upload_all, upload_error
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

#: A person who has not got through after so many runs gives up.
MOST_RUNS = 20
#: More requests than any of these storms brings.
_REQUESTS = 2000


#: How many storms there are.
SEEDS = 500


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Publish a release in 500 storms: half of all requests fail, in every way."""
    with ProcessPoolExecutor(jobs, initializer=_alone) as pool:
        ended = list(pool.map(_storm, range(0, SEEDS, part), chunksize=5))
    good = sum(not each.troubles for each in ended)
    runs = sorted(each.runs for each in ended)
    yield Figure(
        f"{good} of {len(ended)} end with the index equal to the plan; runs of the command: median "
        f"{runs[len(runs) // 2]}, at most {runs[-1]}; {sum(each.posts for each in ended)} posts, "
        f"{sum(each.seconds for each in ended) / 3600:.0f} h of pauses on the virtual clock",
        [trouble for each in ended for trouble in each.troubles],
    )


def _storm(seed: int) -> Weathered:
    with tempfile.TemporaryDirectory() as folder:
        return weather(seed, Path(folder))


def _alone() -> None:
    """Nothing of this machine's configuration."""
    os.environ.update(alone(Path("/nowhere")))
    for name in [name for name in os.environ if name.startswith("TWINE_")]:
        del os.environ[name]


@dataclass
class Weathered:
    """How a storm ended: what it took, and what went wrong."""

    seed: int
    runs: int = 0
    posts: int = 0
    #: Seconds of pauses that nobody waited for.
    seconds: float = 0.0
    troubles: list[str] = field(default_factory=list)


def weather(seed: int, folder: Path) -> Weathered:
    """Publish a release in the storm of this seed, until a run ends well; the judge is the index's store."""
    files = [local_file(path) for path in wheels.make_release(folder / "release")]
    staged = {file.filename: file.path.read_bytes() for file in files}
    done = Weathered(seed)
    with indexes.scripted_index() as served:
        served.index.script = indexes.random_failures(seed, _REQUESTS)
        served.index.get_script = indexes.random_failures(seed, _REQUESTS, posts=False)
        while done.runs < MOST_RUNS:
            done.runs += 1
            time = VirtualTime()
            ended = run_once(served, files, time, done)
            done.seconds += time.now
            if ended is None:
                break
        else:
            done.troubles.append(f"seed {seed}: not done after {MOST_RUNS} runs")
        done.posts = len(served.index.posts)
        if served.index.files != staged:
            done.troubles.append(f"seed {seed}: the index has {sorted(served.index.files)}")
        for post in served.index.posts:
            # Those that the server cut off have no name.
            if post.filename and post.content != staged[post.filename]:
                done.troubles.append(f"seed {seed}: {post.filename} was posted with other bytes")
    return done


def run_once(
    served: Served, files: Sequence[LocalFile], time: VirtualTime, done: Weathered
) -> ReleaseError | None:
    """One run, from the look at the index to the confirmation, and how it ended."""
    options = Options(
        project="dipy",
        version="1.11.0",
        urls=("https://staging.example.com/",),
        repository_url=served.upload_url,
        username="",
        password="",
    )
    uploader = TwineUploader(options, resolve_target(options), SilentProgress())
    urls = derive_simple_urls(served.upload_url)
    with contextlib.closing(uploader), HttpClient(user_urls=urls, sleep=time.sleep, timeout=5) as http:
        index = IndexClient(http, *urls)
        before = len(served.index.posts)
        try:
            plan = compare_with_index(index.fetch_project("dipy", revalidate=True), files, index.get_sha256)
            results = upload_all(
                plan,
                uploader,
                lambda file: index.fetch_file_state("dipy", file),
                progress=SilentProgress(),
                jobs=4,
                sleep=time.sleep,
            )
            _judge(results, served.index, before, done)
            if ended := upload_error(results):
                return ended
            confirm_files(
                index,
                "dipy",
                files,
                timeout=600,
                progress=SilentProgress(),
                sleep=time.sleep,
                clock=time.clock,
            )
        except (NetworkError, DeadlineError) as error:
            return error
    return None


def _judge(results: Sequence[UploadResult], index: ScriptedIndex, before: int, done: Weathered) -> None:
    """Whether the report agrees with the store and with the log of posts."""
    posted = {post.filename for post in index.posts[before:]}
    for result in results:
        name, outcome = result.file.filename, result.outcome
        there = name in index.files
        inside = outcome in (FileStatus.UPLOADED, FileStatus.SKIPPED)
        outside = outcome in (FileStatus.REJECTED, FileStatus.NOT_TRIED)
        if (inside and not there) or (outside and there):
            done.troubles.append(f"seed {done.seed}: {name} is called {outcome}: {result.reason}")
        if outcome is FileStatus.NOT_TRIED and name in posted:
            done.troubles.append(f"seed {done.seed}: {name} was posted, and is called not tried")

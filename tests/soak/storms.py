"""Storms: half of all requests to the index fail, in every way; repeating the command completes the release.

Pauses take no time, because the clock of each run advances only when it sleeps.
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
from tests.soak.forks import isolated_environment
from tools.testing import indexes, wheels
from tools.testing.indexes import ScriptedIndex, Served, VirtualTime, local_file
from wheel_uploader.core.errors import DeadlineError, NetworkError, ReleaseError
from wheel_uploader.core.models import FileStatus, LocalFile, Options, UploadResult
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import IndexClient, compare_with_index, derive_simple_urls
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.upload.scheduler import upload_all, upload_error
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

#: A storm fails if the release is not complete after this many runs.
MAX_RUNS = 20
#: More requests than any storm has.
_REQUESTS = 2000


#: The number of storms.
SEEDS = 500


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Publish a release in 500 storms, in which half of all requests fail, in every way."""
    with ProcessPoolExecutor(jobs, initializer=_isolate) as pool:
        ended = list(pool.map(_storm, range(0, SEEDS, part), chunksize=5))
    good = sum(not each.problems for each in ended)
    runs = sorted(each.runs for each in ended)
    yield Figure(
        f"{good} of {len(ended)} end with the index equal to the plan; runs of the command: median "
        f"{runs[len(runs) // 2]}, at most {runs[-1]}; {sum(each.posts for each in ended)} posts, "
        f"{sum(each.seconds for each in ended) / 3600:.0f} h of pauses on the virtual clock",
        [problem for each in ended for problem in each.problems],
    )


def _storm(seed: int) -> StormResult:
    with tempfile.TemporaryDirectory() as folder:
        return run_storm(seed, Path(folder))


def _isolate() -> None:
    """Remove this machine's configuration."""
    os.environ.update(isolated_environment(Path("/nowhere")))
    for name in [name for name in os.environ if name.startswith("TWINE_")]:
        del os.environ[name]


@dataclass
class StormResult:
    """The runs and pauses that a storm took, and the problems."""

    seed: int
    runs: int = 0
    posts: int = 0
    #: Seconds of pauses on the virtual clock.
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def run_storm(seed: int, folder: Path) -> StormResult:
    """Publish a release in the storm of this seed, until a run succeeds; verify the index's storage."""
    files = [local_file(path) for path in wheels.make_release(folder / "release")]
    staged = {file.filename: file.path.read_bytes() for file in files}
    result = StormResult(seed)
    with indexes.scripted_index() as served:
        served.index.script = indexes.random_failures(seed, _REQUESTS)
        served.index.get_script = indexes.random_failures(seed, _REQUESTS, posts=False)
        while result.runs < MAX_RUNS:
            result.runs += 1
            time = VirtualTime()
            ended = run_once(served, files, time, result)
            result.seconds += time.now
            if ended is None:
                break
        else:
            result.problems.append(f"seed {seed}: not done after {MAX_RUNS} runs")
        result.posts = len(served.index.posts)
        if served.index.files != staged:
            result.problems.append(f"seed {seed}: the index has {sorted(served.index.files)}")
        for post in served.index.posts:
            # Uploads that the server cut off have no name.
            if post.filename and post.content != staged[post.filename]:
                result.problems.append(f"seed {seed}: {post.filename} was posted with other bytes")
    return result


def run_once(
    served: Served, files: Sequence[LocalFile], time: VirtualTime, result: StormResult
) -> ReleaseError | None:
    """Run from the comparison with the index to the confirmation, and return the error, if any."""
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
            _verify_results(results, served.index, before, result)
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


def _verify_results(
    results: Sequence[UploadResult], index: ScriptedIndex, before: int, result: StormResult
) -> None:
    """Verify that the results agree with the index's storage and its log of posts."""
    posted = {post.filename for post in index.posts[before:]}
    for upload in results:
        name, outcome = upload.file.filename, upload.outcome
        on_index = name in index.files
        inside = outcome in (FileStatus.UPLOADED, FileStatus.SKIPPED)
        outside = outcome in (FileStatus.REJECTED, FileStatus.CONFLICT, FileStatus.NOT_TRIED)
        if (inside and not on_index) or (outside and on_index):
            result.problems.append(f"seed {result.seed}: {name} is reported as {outcome}: {upload.reason}")
        if outcome is FileStatus.NOT_TRIED and name in posted:
            result.problems.append(f"seed {result.seed}: {name} was posted, but is reported as not tried")

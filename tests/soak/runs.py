"""Eight simultaneous runs on one wheelhouse: one works, and the others end with exit code 11."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.soak import Figure, fixtures, verification
from tests.soak.forks import Forks, Task, isolated_environment
from tools.testing import indexes
from tools.testing.indexes import Slow
from wheel_uploader.core.errors import LockedError

AT_ONCE = 8
ROUNDS = 50
#: Seconds for the other runs to end; generous for a busy machine.
_LIMIT = 90.0


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Start 8 runs at once on one wheelhouse, 50 times."""
    done, problems = 0, []
    with start_processes() as forks:
        for number in range(0, ROUNDS, part):
            done += 1
            problems += [f"round {number}: {problem}" for problem in contend(forks, held_at=HELD[number % 2])]
    yield Figure(
        f"{done} times {AT_ONCE} runs at once on one wheelhouse: one works, {AT_ONCE - 1} end with "
        f"{LockedError.exit_code}; {len(problems)} exceptions",
        problems,
    )


@contextlib.contextmanager
def start_processes() -> Iterator[Sequence[Forks]]:
    """Start the processes for the simultaneous runs."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Forks()) for _ in range(AT_ONCE)]


#: The stage at which the working run waits until the others have ended.
HELD = ("download", "upload")


def contend(forks: Sequence[Forks], *, held_at: str) -> list[str]:
    """Run them all at once on a wheelhouse that does not exist yet; return all problems."""
    others_ended = threading.Event()

    def before(path: str) -> None:
        if held_at == "download" and path.endswith(".whl"):
            others_ended.wait(_LIMIT)

    with (
        tempfile.TemporaryDirectory(prefix="wheel-uploader-runs-") as folder,
        indexes.scripted_index() as served,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        home = Path(folder)
        staged = fixtures.stage(home / "staged", fixtures.TAGS[:4])
        if held_at == "upload":
            served.index.script = [Slow(_LIMIT)] * len(staged)
        with fixtures.staging_server(home / "staged", before) as listing:
            for number, fork in enumerate(forks):
                (home / str(number)).mkdir()
                arguments = ["-u", listing, "-w", "../house", "--repository-url", served.upload_url]
                arguments += ["dipy", "1.11.0"]
                fork.start(
                    Task(
                        arguments=arguments,
                        folder=str(home / str(number)),
                        environment=isolated_environment(home),
                    )
                )
            codes = []
            for ended in as_completed([pool.submit(fork.wait) for fork in forks]):
                codes.append(ended.result().code)
                if len(codes) == AT_ONCE - 1:
                    others_ended.set()
                    served.index.released.set()
        problems = []
        if sorted(codes) != [0] + [LockedError.exit_code] * (AT_ONCE - 1):
            problems.append(f"exit codes {codes}")
        if codes[-1] != 0:
            problems.append("the working run was not the last to end")
        if sorted(served.index.posted_filenames()) != sorted(staged):
            problems.append(f"posted: {served.index.posted_filenames()}")
        problems += [
            f"not as staged on the index: {name}"
            for name in verification.missing_from_index(served.index, staged)
        ]
        problems += [f"torn: {name}" for name in verification.torn_files(home / "house", staged)]
        extra = verification.leftover_files(home / "house", staged, signed=False)
        problems += [f"left over or missing: {name}" for name in extra]
    return problems

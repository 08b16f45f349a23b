"""Write to the standard input of a program that runs, without waiting for one that does not read."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator

from wheel_uploader.errors import SigningError

#: Seconds that the thread which writes gets once the program has ended.
_PATIENCE = 5.0


@contextlib.contextmanager
def feeding(
    process: subprocess.Popen[bytes],
    feed: Iterable[bytes],
    *,
    kill: Callable[[subprocess.Popen[bytes]], None],
) -> Iterator[None]:
    """Write ``feed`` to the program while the block runs, if its input is a pipe; raise what that raised."""
    if process.stdin is None:
        yield
        return
    failures: list[BaseException] = []

    def write() -> None:
        assert process.stdin  # noqa: S101
        try:
            for piece in feed:
                process.stdin.write(piece)
        except OSError:
            pass  # The program ended early: its answer says why.
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            failures.append(error)
            # Before the pipe is closed: half of the bytes must not look like all of them.
            kill(process)
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()

    # A daemon: a program that reads nothing must not keep an interrupted process from ending.
    writer = threading.Thread(target=write, name="sign-feed", daemon=True)
    writer.start()
    try:
        yield
    except SigningError:
        if not failures:
            raise
    finally:
        if process.poll() is None:
            kill(process)
        writer.join(_PATIENCE)
    if failures:
        raise failures[0]

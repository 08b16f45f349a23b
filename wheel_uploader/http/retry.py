"""When asking a server again makes sense, and after how long (promise 11)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from wheel_uploader import bounded
from wheel_uploader.display import counted, printable
from wheel_uploader.errors import HttpStatus, NetworkError, TransportError
from wheel_uploader.progress import Progress

T = TypeVar("T")

#: Statuses that may be gone the next time.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Seconds: the longest pause of our own, and the longest that a server may ask for.
MAX_PAUSE = 60.0
MAX_RETRY_AFTER = 600.0

_jitter = random.SystemRandom()


def may_pass(error: NetworkError) -> bool:
    """Whether the same request may succeed later in this run."""
    if isinstance(error, HttpStatus):
        return error.status in PASSING and (error.retry_after or 0) <= MAX_RETRY_AFTER
    return isinstance(error, TransportError)


def pause_after(error: NetworkError, attempt: int) -> float:
    """Seconds to wait after attempt number ``attempt`` (from 1): full jitter, and what the server asks."""
    pause = _jitter.uniform(0, min(MAX_PAUSE, 2.0 ** (attempt - 1)))
    if isinstance(error, HttpStatus) and error.retry_after is not None:
        # On top of it: many clients were told the same number.
        return error.retry_after + min(pause, 1.0)
    return pause


def parse_retry_after(value: str, *, now: float | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date; None if it has neither.

    More than ten years count as ten: a timer overflows far beyond.
    """
    value = value.strip()
    if bounded.is_whole_number(value):
        asked = bounded.whole_number(value, 10**9)
        return None if asked is None else min(float(asked), bounded.MAX_SECONDS)
    date = bounded.moment(value)
    if date is None:
        return None
    left = date.timestamp() - (time.time() if now is None else now)
    return min(max(0.0, left), bounded.MAX_SECONDS)


def retrying(
    what: str,
    attempt: Callable[[], T],
    *,
    attempts: int,
    progress: Progress,
    sleep: Callable[[float], None],
) -> T:
    """Call ``attempt`` until it returns, fails for good, or has failed ``attempts`` times.

    ``what`` names it in the line that ``-v`` shows for each pause.
    """
    number = 1
    while True:
        try:
            return attempt()
        except NetworkError as error:
            if not may_pass(error):
                if isinstance(error, HttpStatus) and error.retry_after:
                    error.details = (*error.details, f"the server asks to wait {error.retry_after:.0f} s")
                raise
            if number >= attempts:
                error.details = (*error.details, f"tried {counted(number, 'time')}")
                raise
            pause = pause_after(error, number)
            progress.detail(
                f"{printable(what)}: {error.message}; attempt {number + 1} of {attempts} in {pause:.1f} s"
            )
        sleep(pause)
        number += 1

"""Retries of requests: which errors are retried, and after what delay."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import HttpStatusError, NetworkError, TransportError
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize

T = TypeVar("T")

#: Statuses after which the same request may succeed.
RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Limits in seconds for the computed delay, and for the delay that a server requests with Retry-After.
MAX_BACKOFF = 60.0
MAX_RETRY_AFTER = 600.0

_jitter = random.SystemRandom()


def is_retryable(error: NetworkError) -> bool:
    """Return whether the same request may succeed later in this run."""
    if isinstance(error, HttpStatusError):
        # GitHub limits the rate of requests with 403.
        is_rate_limit = error.status == HTTPStatus.FORBIDDEN and error.retry_after is not None
        may_pass = is_rate_limit or error.status in RETRYABLE_STATUSES
        return may_pass and (error.retry_after or 0) <= MAX_RETRY_AFTER
    return isinstance(error, TransportError)


def compute_backoff(error: NetworkError, attempt: int) -> float:
    """Return the seconds to wait after attempt ``attempt`` (from 1): Retry-After plus full jitter."""
    pause = _jitter.uniform(0, min(MAX_BACKOFF, 2.0 ** (attempt - 1)))
    if isinstance(error, HttpStatusError) and error.retry_after is not None:
        # Added to Retry-After, because the server may have sent the same value to many clients.
        return error.retry_after + min(pause, 1.0)
    return pause


def parse_retry_after(value: str, *, now: float | None = None) -> float | None:
    """Return the seconds in a Retry-After header, which is a number or a date; None if it is neither.

    The result is at most ten years, well below the values that overflow a timer.
    """
    value = value.strip()
    if bounds.is_whole_number(value):
        seconds = bounds.parse_whole_number(value, 10**9)
        return None if seconds is None else min(float(seconds), bounds.MAX_SECONDS)
    date = bounds.parse_listed_date(value)
    if date is None:
        return None
    remaining = date.timestamp() - (time.time() if now is None else now)
    return min(max(0.0, remaining), bounds.MAX_SECONDS)


def parse_rate_limit(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Return the seconds until a server accepts requests again: by Retry-After, or GitHub's reset time.

    ``headers`` have lower-case names. None if they say nothing about it.
    """
    seconds = parse_retry_after(headers.get("retry-after", ""), now=now)
    if seconds is not None or headers.get("x-ratelimit-remaining") != "0":
        return seconds
    reset = bounds.parse_whole_number(headers.get("x-ratelimit-reset", ""), 10**11)
    if reset is None:
        return None
    return min(max(0.0, reset - (time.time() if now is None else now)), bounds.MAX_SECONDS)


def call_with_retries(
    operation: str,
    attempt: Callable[[], T],
    *,
    max_attempts: int,
    progress: Progress,
    sleep: Callable[[float], None],
) -> T:
    """Call ``attempt`` until it returns, fails permanently, or has failed ``max_attempts`` times.

    ``operation`` names it in the line that ``-v`` shows before each wait.
    """
    number = 1
    while True:
        try:
            return attempt()
        except NetworkError as error:
            if not is_retryable(error):
                if isinstance(error, HttpStatusError) and error.retry_after:
                    wait = f"the server asked to wait {format_duration(error.retry_after)}"
                    raise error.with_details(wait) from error.__cause__
                raise
            if number >= max_attempts:
                raise error.with_details(f"tried {format_count(number, 'time')}") from error.__cause__
            pause = compute_backoff(error, number)
            progress.debug(
                f"{sanitize(operation)}: {error.message}; "
                f"attempt {number + 1} of {max_attempts} in {format_duration(pause)}"
            )
        sleep(pause)
        number += 1

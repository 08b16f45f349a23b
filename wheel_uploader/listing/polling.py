"""Poll a listing until it contains the whole release and is stable; parse durations."""

from __future__ import annotations

import time
from collections.abc import Callable

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import (
    DeadlineError,
    HttpStatusError,
    ListingError,
    NetworkError,
    NothingFoundError,
    TransportError,
)
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.models import Selection
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.listing.expected_files import Expectation

#: Seconds between two requests, which grow, and from the first complete listing to its confirmation.
FIRST_INTERVAL, MAX_INTERVAL = 5.0, 60.0
CONFIRMATION_DELAY = 5.0
#: Maximum number of missing items that a progress line names.
_MAX_NAMED = 5

#: The parts of a listing that must be equal twice in a row: names, sizes and hashes. Signed URLs change.
_Snapshot = frozenset[tuple[str, int | None, tuple[tuple[str, str], ...]]]

#: Errors that may be temporary, unlike a rejected login, certificate or redirect.
_TEMPORARY_ERRORS = (NothingFoundError, TransportError, HttpStatusError, ListingError)


def poll_until_complete(
    fetch_listing: Callable[[], Selection],
    expectation: Expectation | None,
    *,
    limit: float,
    progress: Progress,
    sleep: Callable[[float], None] = cancellation.sleep_unless_cancelled,
    clock: Callable[[], float] = time.monotonic,
) -> Selection:
    """Call ``fetch_listing`` until it returns all expected files twice in a row, and return the last result.

    Without an expectation, one file of the release is enough. Raises DeadlineError, which lists the missing
    items, after ``limit`` seconds. Errors that are not temporary are raised at once.
    """
    deadline = clock() + limit
    pause, last_message = FIRST_INTERVAL, ""
    previous: _Snapshot | None = None
    while True:
        selection, error = _try_fetch(fetch_listing)
        names = [name for name, _ in selection.files] if selection else []
        missing = (
            expectation.find_missing(names) if expectation else () if names else ("a file of the release",)
        )
        current = _snapshot(selection) if selection and not missing else None
        if selection and current is not None and current == previous:
            return selection
        time_left = deadline - clock()
        first_complete = current is not None and previous is None
        # A listing that is complete in time is confirmed even if that exceeds the limit by a few seconds.
        if time_left <= 0 and not first_complete:
            raise _deadline_error(limit, missing, error, current, previous)
        if first_complete:
            status = f"all {format_count(len(names), 'file')} listed; checking again"
            progress.debug(f"{status} in {format_duration(CONFIRMATION_DELAY)}")
            delay = CONFIRMATION_DELAY
        else:
            status = _waiting_message(missing, len(names), error)
            report = progress.debug if status == last_message else progress.info
            report(f"{status}; {format_duration(time_left)} left")
            delay, last_message, pause = pause, status, min(pause * 1.5, MAX_INTERVAL)
        if isinstance(error, HttpStatusError) and error.retry_after:
            delay = max(delay, error.retry_after)
        previous = current
        with progress.waiting(status, seconds=time_left if time_left > 0 else delay):
            sleep(min(delay, time_left) if time_left > 0 else delay)


def _try_fetch(
    fetch_listing: Callable[[], Selection],
) -> tuple[Selection | None, NothingFoundError | NetworkError | None]:
    try:
        return fetch_listing(), None
    except _TEMPORARY_ERRORS as error:
        if error.is_permanent:
            raise
        return None, error


def _snapshot(selection: Selection) -> _Snapshot:
    listed = [file for _, file in selection.files] + [each.remote for each in selection.attestation_files]
    return frozenset((file.filename, file.size, tuple(sorted(file.hashes.items()))) for file in listed)


def _waiting_message(missing: tuple[str, ...], listed_count: int, error: Exception | None) -> str:
    if not missing:
        return "waiting: the listing has changed since the last check"
    more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
    reason = f" ({sanitize(str(error))})" if error else f" ({listed_count} listed)" if listed_count else ""
    return f"waiting for {', '.join(missing[:_MAX_NAMED])}{more}{reason}"


def _deadline_error(
    limit: float,
    missing: tuple[str, ...],
    error: Exception | None,
    current: _Snapshot | None,
    previous: _Snapshot | None,
) -> DeadlineError:
    if current is not None and previous is not None:
        return DeadlineError(
            f"the listing is still changing after {format_duration(limit)}",
            details=sorted({name for name, _, _ in current ^ previous}),
            hint="Files are still being uploaded, or mirrors are out of sync. "
            "Run the same command again later.",
        )
    return DeadlineError(
        f"the release is still incomplete after {format_duration(limit)}" + (f": {error}" if error else ""),
        details=[f"missing: {item}" for item in missing],
        hint="Check the builds of the missing files, then run the same command again.",
    )


# --- durations -------------------------------------------------------------------------------------

"""Wait until the staging place lists all of a release, twice the same; and durations, as they are typed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from wheel_uploader import bounded, stopping
from wheel_uploader.brought.expect import Expectation
from wheel_uploader.display import counted, in_words, printable
from wheel_uploader.errors import (
    DeadlineError,
    HttpStatus,
    ListingError,
    NetworkError,
    NothingFoundError,
    TransportError,
)
from wheel_uploader.models import Selection
from wheel_uploader.progress import Progress

#: Seconds between two looks, which grow; and to the look that has to agree with the first complete one.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
SETTLE = 5.0
#: What is missing, as far as one line names it.
_SHOWN = 5

#: What of a listing has to be the same at two looks: names, sizes and hashes. A URL may be signed anew.
_State = frozenset[tuple[str, int | None, tuple[tuple[str, str], ...]]]

#: What may be different at the next look. A refused login, certificate or redirect will not be.
_MAY_PASS = (NothingFoundError, TransportError, HttpStatus, ListingError)


def until_settled(
    look: Callable[[], Selection],
    expected: Expectation | None,
    *,
    limit: float,
    progress: Progress,
    sleep: Callable[[float], None] = stopping.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Selection:
    """Call ``look`` until it gives all that is ``expected``, twice in a row, for ``limit`` seconds at most.

    Without an expectation one file of the release is enough. Raises DeadlineError that names what is
    missing; and at once what waiting cannot help.
    """
    deadline = clock() + limit
    pause, said = FIRST_PAUSE, ""
    before: _State | None = None
    while True:
        selection, trouble = _one_look(look)
        names = [name for name, _ in selection.files] if selection else []
        missing = expected.missing(names) if expected else () if names else ("a file of the release",)
        now = _state(selection) if selection and not missing else None
        if selection and now is not None and now == before:
            return selection
        left = deadline - clock()
        first_complete = now is not None and before is None
        # What is complete in time gets the second look, even if that is a little later.
        if left <= 0 and not first_complete:
            raise _too_late(limit, missing, trouble, now, before)
        if first_complete:
            text = f"all {counted(len(names), 'file')} listed; looking once more"
            progress.detail(f"{text} in {SETTLE:.0f} s")
            wait = SETTLE
        else:
            text = _waiting_for(missing, len(names), trouble)
            tell = progress.detail if text == said else progress.say
            tell(f"{text}; {in_words(left)} left")
            wait, said, pause = pause, text, min(pause * 1.5, LONGEST_PAUSE)
        if isinstance(trouble, HttpStatus) and trouble.retry_after:
            wait = max(wait, trouble.retry_after)
        before = now
        with progress.during(text, seconds=left if left > 0 else wait):
            sleep(min(wait, left) if left > 0 else wait)


def _one_look(
    look: Callable[[], Selection],
) -> tuple[Selection | None, NothingFoundError | NetworkError | None]:
    try:
        return look(), None
    except _MAY_PASS as error:
        return None, error


def _state(selection: Selection) -> _State:
    listed = [file for _, file in selection.files] + [each.remote for each in selection.companions]
    return frozenset((file.filename, file.size, tuple(sorted(file.hashes.items()))) for file in listed)


def _waiting_for(missing: tuple[str, ...], there: int, trouble: Exception | None) -> str:
    if not missing:
        return "waiting: the files are not the same as at the look before"
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    reason = f" ({printable(str(trouble))})" if trouble else f" ({there} listed)" if there else ""
    return f"waiting for {', '.join(missing[:_SHOWN])}{more}{reason}"


def _too_late(
    limit: float,
    missing: tuple[str, ...],
    trouble: Exception | None,
    now: _State | None,
    before: _State | None,
) -> DeadlineError:
    if now is not None and before is not None:
        return DeadlineError(
            f"after {in_words(limit)} the listing still changes from one look to the next",
            details=sorted({name for name, _, _ in now ^ before}),
            hint="Somebody still uploads, or two servers do not agree: run the same command again later.",
        )
    return DeadlineError(
        f"after {in_words(limit)} the release is still not complete" + (f": {trouble}" if trouble else ""),
        details=[f"missing: {each}" for each in missing],
        hint="See what became of their builds; the same command waits again.",
    )


# --- durations -------------------------------------------------------------------------------------

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_SECONDS = re.compile(_NUMBER)
_WITH_UNITS = re.compile(f"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")


def parse_duration(text: str) -> float:
    """Return the seconds of ``20m``, ``90s``, ``1h30m``, ``3d`` or a plain number. Raises ValueError."""
    said = "".join(text.split()).lower()
    found = _WITH_UNITS.fullmatch(f"{said}s" if _SECONDS.fullmatch(said) else said)
    if not said or not found:
        shown = printable(text, limit=100)
        raise ValueError(f"'{shown}' is no duration: give one like 20m, 90s or 1h30m")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    if bounded.seconds(total) is None:
        raise ValueError(f"'{printable(text, limit=100)}' is longer than ten years")
    return total

"""Which requests are retried, and after which pauses (promise 11)."""

from __future__ import annotations

import pytest

from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    ListingError,
    NetworkError,
    ReleaseError,
    TransportError,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http import retry


class RecordingProgress(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(text)


class FailingCall:
    """A function that raises each of ``errors`` in turn, then returns."""

    def __init__(self, *errors: ReleaseError) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.pauses: list[float] = []
        self.progress = RecordingProgress()

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def run(self, attempts: int = 6) -> str:
        return retry.call_with_retries(
            "get \x1b[2J", self, max_attempts=attempts, progress=self.progress, sleep=self.pauses.append
        )


def status(code: int, retry_after: float | None = None) -> HttpStatusError:
    return HttpStatusError(code, "https://staging.example/", reason="Reason", retry_after=retry_after)


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_retries_transient_statuses(code: int) -> None:
    call = FailingCall(status(code), status(code))
    assert call.run() == "done"
    assert call.calls == 3
    assert call.progress.lines[0].startswith(
        f"get \\x1b[2J: https://staging.example/ returned {code} Reason; attempt 2 of 6 in "
    )


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 413, 501, 505])
def test_does_not_retry_permanent_statuses(code: int) -> None:
    call = FailingCall(status(code))
    with pytest.raises(HttpStatusError):
        call.run()
    assert call.calls == 1


@pytest.mark.parametrize("error", [NetworkError("x"), ListingError("x"), CredentialsError("x")])
def test_does_not_retry_other_errors(error: ReleaseError) -> None:
    call = FailingCall(error)
    with pytest.raises(type(error)):
        call.run()
    assert call.calls == 1


def test_makes_six_attempts_with_growing_jittered_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[tuple[float, float]] = []

    class MaximumJitter:
        def uniform(self, low: float, high: float) -> float:
            ranges.append((low, high))
            return high

    monkeypatch.setattr(retry, "_jitter", MaximumJitter())
    call = FailingCall(*(TransportError("cut") for _ in range(9)))
    with pytest.raises(TransportError) as caught:
        call.run()
    assert call.calls == 6
    assert call.pauses == [1, 2, 4, 8, 16]
    assert ranges == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16)]
    assert caught.value.details == ("tried 6 times",)


def test_pauses_are_at_most_a_minute() -> None:
    assert all(retry.compute_backoff(TransportError("x"), 12) <= 60 for _ in range(200))


def test_waits_at_least_as_long_as_retry_after() -> None:
    call = FailingCall(status(503, 7.0), status(429, 0.0))
    call.run()
    assert 7 <= call.pauses[0] <= 8
    assert 0 <= call.pauses[1] <= 1


def test_does_not_wait_for_a_long_retry_after() -> None:
    call = FailingCall(status(503, 601.0))
    with pytest.raises(HttpStatusError) as caught:
        call.run()
    assert call.pauses == []
    assert caught.value.details == ("the server asked to wait 10 min",)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("9" * 5000, None),
        ("Thu, 99 Jan 1970 00:01:40 GMT", None),
        ("Thu, 01 Jan 99999 00:01:40 GMT", None),
    ],
)
def test_parses_retry_after_as_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry.parse_retry_after(value, now=10.0) == seconds


def test_retry_after_date_is_relative_to_now() -> None:
    in_2100 = retry.parse_retry_after("Fri, 01 Jan 2100 00:00:00 GMT")
    assert in_2100 is not None
    assert in_2100 > 0
    assert retry.parse_retry_after("Fri, 01 Jan 2010 00:00:00 GMT") == 0

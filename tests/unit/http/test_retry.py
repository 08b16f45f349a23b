"""When a request is made again, and after how long (promise 11)."""

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


class Talk(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(text)


class Failing:
    """Fails with each of ``errors`` in turn, then returns."""

    def __init__(self, *errors: ReleaseError) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.pauses: list[float] = []
        self.talk = Talk()

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def run(self, attempts: int = 6) -> str:
        return retry.call_with_retries(
            "get \x1b[2J", self, max_attempts=attempts, progress=self.talk, sleep=self.pauses.append
        )


def status(code: int, retry_after: float | None = None) -> HttpStatusError:
    return HttpStatusError(code, "https://staging.example/", reason="Reason", retry_after=retry_after)


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(code: int) -> None:
    failing = Failing(status(code), status(code))
    assert failing.run() == "done"
    assert failing.calls == 3
    assert failing.talk.lines[0].startswith(
        f"get \\x1b[2J: https://staging.example/ returned {code} Reason; attempt 2 of 6 in "
    )


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 413, 501, 505])
def test_what_cannot_pass_is_not(code: int) -> None:
    failing = Failing(status(code))
    with pytest.raises(HttpStatusError):
        failing.run()
    assert failing.calls == 1


@pytest.mark.parametrize("error", [NetworkError("x"), ListingError("x"), CredentialsError("x")])
def test_other_errors_are_for_good(error: ReleaseError) -> None:
    failing = Failing(error)
    with pytest.raises(type(error)):
        failing.run()
    assert failing.calls == 1


def test_six_attempts_with_growing_jittered_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []

    class Highest:
        def uniform(self, low: float, high: float) -> float:
            asked.append((low, high))
            return high

    monkeypatch.setattr(retry, "_jitter", Highest())
    failing = Failing(*(TransportError("cut") for _ in range(9)))
    with pytest.raises(TransportError) as caught:
        failing.run()
    assert failing.calls == 6
    assert failing.pauses == [1, 2, 4, 8, 16]
    assert asked == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16)]
    assert caught.value.details == ("tried 6 times",)


def test_no_pause_is_longer_than_a_minute() -> None:
    assert all(retry.compute_backoff(TransportError("x"), 12) <= 60 for _ in range(200))


def test_the_server_is_not_asked_earlier_than_it_says() -> None:
    failing = Failing(status(503, 7.0), status(429, 0.0))
    failing.run()
    assert 7 <= failing.pauses[0] <= 8
    assert 0 <= failing.pauses[1] <= 1


def test_a_server_that_wants_hours_is_not_waited_for() -> None:
    failing = Failing(status(503, 601.0))
    with pytest.raises(HttpStatusError) as caught:
        failing.run()
    assert failing.pauses == []
    assert caught.value.details == ("the server asked to wait 601 s",)


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
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry.parse_retry_after(value, now=10.0) == seconds


def test_retry_after_counts_from_now() -> None:
    in_2100 = retry.parse_retry_after("Fri, 01 Jan 2100 00:00:00 GMT")
    assert in_2100 is not None
    assert in_2100 > 0
    assert retry.parse_retry_after("Fri, 01 Jan 2010 00:00:00 GMT") == 0

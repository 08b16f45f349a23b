"""Polling until a release is listed, with a simulated clock."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core import formatting as core_formatting
from wheel_uploader.core.errors import (
    CredentialsError,
    DeadlineError,
    FileError,
    HttpStatusError,
    ListingError,
    NetworkError,
    NothingFoundError,
    RedirectNotAllowed,
    ReleaseError,
    TransportError,
)
from wheel_uploader.core.models import RemoteFile, Selection
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.listing import expected_files, polling
from wheel_uploader.listing.expected_files import Expectation

A, B, C = (f"dipy-1.11.0-cp31{minor}-cp31{minor}-win_amd64.whl" for minor in (1, 2, 3))
WHERE = "https://staging.example/"


def make_selection(*filenames: str, size: int | None = None, **hashes: str) -> Selection:
    return Selection(
        project=canonicalize_name("dipy"),
        version=Version("1.11.0"),
        files=tuple(
            (
                core_filenames.parse_filename(name),
                RemoteFile(filename=name, url=WHERE + name, source=WHERE, size=size, hashes=hashes),
            )
            for name in filenames
        ),
    )


ListingResult = Selection | ReleaseError


class Staging(SilentProgress):
    """A staging area that returns each of ``results`` in turn, then the last one, with a clock and a log."""

    def __init__(self, *results: ListingResult, listing_seconds: float = 0.0) -> None:
        self.results = results
        self.listing_seconds = listing_seconds
        self.now = 1000.0
        self.listing_times: list[float] = []
        self.messages: list[str] = []
        self.details: list[str] = []

    def list_files(self) -> Selection:
        self.listing_times.append(self.now - 1000)
        self.now += self.listing_seconds
        result = self.results[min(len(self.listing_times), len(self.results)) - 1]
        if isinstance(result, ReleaseError):
            raise result
        return result

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def info(self, text: str) -> None:
        self.messages.append(text)

    def debug(self, text: str) -> None:
        self.details.append(text)

    def poll(self, expected: Expectation | None = None, limit: float = 1200.0) -> Selection:
        return polling.poll_until_complete(
            self.list_files, expected, limit=limit, progress=self, sleep=self.sleep, clock=lambda: self.now
        )

    def poll_until_timeout(self, expected: Expectation | None = None, limit: float = 1200.0) -> DeadlineError:
        with pytest.raises(DeadlineError) as caught:
            self.poll(expected, limit)
        assert caught.value.exit_code == 10
        return caught.value


TWO = expected_files.parse_expected_lines(f"{A}\n{B}\n", "x")
NOTHING_FOUND = NothingFoundError("no files of dipy 1.11.0 at https://staging.example/")


def test_finishes_after_two_identical_listings() -> None:
    staging = Staging(make_selection(A, B))
    assert staging.poll(TWO) == make_selection(A, B)
    assert staging.listing_times == [0, 5]
    assert (staging.messages, staging.details) == ([], ["all 2 files listed; checking again in 5 s"])


def test_polls_until_complete_and_reports_missing_files() -> None:
    staging = Staging(
        NOTHING_FOUND, make_selection(A), make_selection(A), make_selection(A, B), make_selection(A, B)
    )
    assert staging.poll(TWO) == make_selection(A, B)
    assert staging.listing_times == [0, 5, 12.5, 23.75, 28.75]
    assert staging.messages == [
        f"waiting for {A}, {B} (no files of dipy 1.11.0 at https://staging.example/); 20 min left",
        f"waiting for {B} (1 listed); 20 min left",
    ]
    assert staging.details == [
        f"waiting for {B} (1 listed); 20 min left",
        "all 2 files listed; checking again in 5 s",
    ]


def test_pauses_grow_to_a_minute() -> None:
    staging = Staging(make_selection(A))
    staging.poll_until_timeout(TWO, limit=400)
    pauses = [
        after - before
        for before, after in zip(staging.listing_times, staging.listing_times[1:], strict=False)
    ]
    assert pauses[:4] == [5, 7.5, 11.25, 16.875]
    assert max(pauses) == 60
    # The last listing is exactly at the deadline.
    assert staging.listing_times[-1] == 400


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (make_selection(A, B, sha256="1"), make_selection(A, B, sha256="2")),
        (make_selection(A, B, size=1), make_selection(A, B, size=2)),
        (make_selection(A, B), make_selection(A, B, C)),
    ],
)
def test_polls_again_after_the_listing_has_changed(first: Selection, second: Selection) -> None:
    staging = Staging(first, second, second)
    assert staging.poll(TWO) == second
    assert staging.messages == ["waiting: the listing has changed since the last check; 20 min left"]


def test_ignores_a_new_signature_in_a_url() -> None:
    name = core_filenames.parse_filename(A)
    first, second = (
        Selection(
            project=name.project,
            version=name.version,
            files=((name, RemoteFile(filename=A, url=f"{WHERE}{A}?sig={number}", source=WHERE)),),
        )
        for number in (1, 2)
    )
    staging = Staging(first, second)
    # The later listing is used because its signed URLs are valid for longer.
    assert staging.poll() is second


def test_complete_listing_must_repeat_without_a_gap() -> None:
    staging = Staging(make_selection(A, B), make_selection(A), make_selection(A, B), make_selection(A, B))
    assert staging.poll(TWO) == make_selection(A, B)
    assert len(staging.listing_times) == 4


def test_one_file_is_enough_without_an_expectation() -> None:
    staging = Staging(NOTHING_FOUND, make_selection(A), make_selection(A))
    assert staging.poll() == make_selection(A)
    assert staging.messages == [
        "waiting for a file of the release (no files of dipy 1.11.0 at https://staging.example/); 20 min left"
    ]


def test_waits_while_the_listing_grows_without_an_expectation() -> None:
    staging = Staging(make_selection(A), make_selection(A, B), make_selection(A, B, C))
    assert staging.poll() == make_selection(A, B, C)


def test_counts_missing_files_beyond_the_first_five() -> None:
    files = [f"dipy-1.11.0-cp31{minor}-cp31{minor}-win32.whl" for minor in range(8)]
    staging = Staging(make_selection(A))
    staging.poll_until_timeout(expected_files.parse_expected_lines("\n".join(files), "x"), limit=3600 + 1800)
    assert staging.messages == [f"waiting for {', '.join(files[:5])} and 3 more (1 listed); 1 h 30 min left"]


# --- timeouts --------------------------------------------------------------------------------------


def test_timeout_error_names_the_missing_files() -> None:
    error = Staging(make_selection(A)).poll_until_timeout(
        expected_files.parse_expected_lines(f"{A}\ncp312-win_amd64\nsdist\n", "x"), limit=90
    )
    assert str(error) == "the release is still incomplete after 90 s"
    assert error.details == ("missing: a wheel for cp312 on win_amd64", "missing: an sdist")
    assert error.hint == "Check the builds of the missing files, then run the same command again."


def test_timeout_error_reports_an_empty_source() -> None:
    error = Staging(NOTHING_FOUND).poll_until_timeout()
    assert str(error) == (
        "the release is still incomplete after 20 min: no files of dipy 1.11.0 at https://staging.example/"
    )
    assert error.details == ("missing: a file of the release",)


def test_timeout_error_reports_a_listing_that_keeps_changing() -> None:
    results: list[ListingResult] = [make_selection(A, B, sha256=str(number)) for number in range(400)]
    error = Staging(*results).poll_until_timeout(TWO, limit=60)
    assert str(error) == "the listing is still changing after 60 s"
    assert error.details == (A, B)


def test_release_complete_at_the_deadline_is_listed_a_second_time() -> None:
    staging = Staging(make_selection(A), make_selection(A, B), make_selection(A, B))
    assert staging.poll(TWO, limit=3) == make_selection(A, B)
    assert staging.listing_times == [0, 3, 8]
    flip: Sequence[ListingResult] = [make_selection(A), make_selection(A, B)] * 100
    assert Staging(*flip, listing_seconds=10).poll_until_timeout(TWO, limit=3).details == (f"missing: {B}",)


# --- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        HttpStatusError(503, WHERE),
        HttpStatusError(403, WHERE),
        TransportError("connection refused"),
        ListingError("not a listing"),
        NOTHING_FOUND,
    ],
)
def test_retries_and_reports_transient_errors(error: ReleaseError) -> None:
    staging = Staging(error, make_selection(A, B))
    assert staging.poll(TWO) == make_selection(A, B)
    assert str(error) in staging.messages[0]
    assert str(error) in str(Staging(error).poll_until_timeout(TWO))


def test_waits_as_long_as_retry_after() -> None:
    staging = Staging(HttpStatusError(429, WHERE, retry_after=100.0), make_selection(A, B))
    staging.poll(TWO)
    assert staging.listing_times == [0, 100, 105]
    # The pause ends at the deadline.
    late = Staging(HttpStatusError(429, WHERE, retry_after=500.0))
    late.poll_until_timeout(TWO, limit=60)
    assert late.listing_times == [0, 60]


@pytest.mark.parametrize(
    "error",
    [
        CredentialsError("a login is wanted"),
        FileError("release/clash"),
        NetworkError("the certificate is wrong"),
        RedirectNotAllowed("sent elsewhere"),
    ],
)
def test_permanent_error_ends_polling(error: ReleaseError) -> None:
    staging = Staging(make_selection(A), error)
    with pytest.raises(type(error)) as caught:
        staging.poll(TWO)
    assert caught.value is error
    assert len(staging.listing_times) == 2


# --- durations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("20m", 1200), ("90s", 90), ("1h30m", 5400), ("1h", 3600), ("1h 5s", 3605), ("2H3M4S", 7384)),
        *(("90", 90), ("1.5", 1.5), ("1.5h", 5400), ("0", 0), (" 20m ", 1200)),
    ],
)
def test_parses_durations(text: str, seconds: float) -> None:
    assert core_formatting.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "m", "20 minutes", "-5", "1h30", "30m1h", "1e9", "nan", "inf", "²", "9" * 40]
)
def test_rejects_invalid_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; use a form like 20m, 90s or 1h30m"):
        core_formatting.parse_duration(text)

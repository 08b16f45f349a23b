"""Waiting for a release to be listed, with a clock that costs no time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core import redaction
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


def lists(*filenames: str, size: int | None = None, **hashes: str) -> Selection:
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


Look = Selection | ReleaseError


class Staging(SilentProgress):
    """A place that changes from look to look (the last one stays), a clock, and what a person saw."""

    def __init__(self, *looks: Look, each: float = 0.0) -> None:
        self.looks = looks
        self.each = each
        self.now = 1000.0
        self.looked: list[float] = []
        self.said: list[str] = []
        self.details: list[str] = []

    def look(self) -> Selection:
        self.looked.append(self.now - 1000)
        self.now += self.each
        found = self.looks[min(len(self.looked), len(self.looks)) - 1]
        if isinstance(found, ReleaseError):
            raise found
        return found

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def info(self, text: str) -> None:
        self.said.append(text)

    def debug(self, text: str) -> None:
        self.details.append(text)

    def settle(self, expected: Expectation | None = None, limit: float = 1200.0) -> Selection:
        return polling.poll_until_complete(
            self.look, expected, limit=limit, progress=self, sleep=self.sleep, clock=lambda: self.now
        )

    def fails(self, expected: Expectation | None = None, limit: float = 1200.0) -> DeadlineError:
        with pytest.raises(DeadlineError) as caught:
            self.settle(expected, limit)
        assert caught.value.exit_code == 10
        return caught.value


TWO = expected_files.parse_expected_lines(f"{A}\n{B}\n", "x")
NOTHING = NothingFoundError("no files of dipy 1.11.0 at https://staging.example/")


def test_two_looks_have_to_agree() -> None:
    staging = Staging(lists(A, B))
    assert staging.settle(TWO) == lists(A, B)
    assert staging.looked == [0, 5]
    assert (staging.said, staging.details) == ([], ["all 2 files listed; checking again in 5 s"])


def test_it_looks_until_all_is_there_and_says_what_is_missing() -> None:
    staging = Staging(NOTHING, lists(A), lists(A), lists(A, B), lists(A, B))
    assert staging.settle(TWO) == lists(A, B)
    assert staging.looked == [0, 5, 12.5, 23.75, 28.75]
    assert staging.said == [
        f"waiting for {A}, {B} (no files of dipy 1.11.0 at https://staging.example/); 20 min left",
        f"waiting for {B} (1 listed); 20 min left",
    ]
    assert staging.details == [
        f"waiting for {B} (1 listed); 20 min left",
        "all 2 files listed; checking again in 5 s",
    ]


def test_pauses_grow_up_to_a_minute() -> None:
    staging = Staging(lists(A))
    staging.fails(TWO, limit=400)
    pauses = [after - before for before, after in zip(staging.looked, staging.looked[1:], strict=False)]
    assert pauses[:4] == [5, 7.5, 11.25, 16.875]
    assert max(pauses) == 60
    # The last look is when the time is over, not a minute before or after.
    assert staging.looked[-1] == 400


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lists(A, B, sha256="1"), lists(A, B, sha256="2")),
        (lists(A, B, size=1), lists(A, B, size=2)),
        (lists(A, B), lists(A, B, C)),
    ],
)
def test_a_listing_that_changes_is_looked_at_again(first: Selection, second: Selection) -> None:
    staging = Staging(first, second, second)
    assert staging.settle(TWO) == second
    assert staging.said == ["waiting: the listing has changed since the last check; 20 min left"]


def test_a_url_that_is_signed_anew_is_no_change() -> None:
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
    # The later look is the one that is used: its address works longest.
    assert staging.settle() is second


def test_a_complete_listing_in_between_does_not_count() -> None:
    staging = Staging(lists(A, B), lists(A), lists(A, B), lists(A, B))
    assert staging.settle(TWO) == lists(A, B)
    assert len(staging.looked) == 4


def test_without_an_expectation_one_file_is_enough() -> None:
    staging = Staging(NOTHING, lists(A), lists(A))
    assert staging.settle() == lists(A)
    assert staging.said == [
        "waiting for a file of the release (no files of dipy 1.11.0 at https://staging.example/); 20 min left"
    ]


def test_without_an_expectation_a_set_that_grows_is_not_settled() -> None:
    staging = Staging(lists(A), lists(A, B), lists(A, B, C))
    assert staging.settle() == lists(A, B, C)


def test_many_that_are_missing_are_counted() -> None:
    files = [f"dipy-1.11.0-cp31{minor}-cp31{minor}-win32.whl" for minor in range(8)]
    staging = Staging(lists(A))
    staging.fails(expected_files.parse_expected_lines("\n".join(files), "x"), limit=3600 + 1800)
    assert staging.said == [f"waiting for {', '.join(files[:5])} and 3 more (1 listed); 1 h 30 min left"]


# --- the end of the time ---------------------------------------------------------------------------


def test_what_is_missing_at_the_end_is_named() -> None:
    error = Staging(lists(A)).fails(
        expected_files.parse_expected_lines(f"{A}\ncp312-win_amd64\nsdist\n", "x"), limit=90
    )
    assert str(error) == "the release is still incomplete after 90 s"
    assert error.details == ("missing: a wheel for cp312 on win_amd64", "missing: an sdist")
    assert error.hint == "Check the builds of the missing files, then run the same command again."


def test_a_place_that_stays_empty_is_said_at_the_end() -> None:
    error = Staging(NOTHING).fails()
    assert str(error) == (
        "the release is still incomplete after 20 min: no files of dipy 1.11.0 at https://staging.example/"
    )
    assert error.details == ("missing: a file of the release",)


def test_a_listing_that_never_rests_is_said_at_the_end() -> None:
    looks: list[Look] = [lists(A, B, sha256=str(number)) for number in range(400)]
    error = Staging(*looks).fails(TWO, limit=60)
    assert str(error) == "the listing is still changing after 60 s"
    assert error.details == (A, B)


def test_what_is_complete_in_time_gets_its_second_look() -> None:
    staging = Staging(lists(A), lists(A, B), lists(A, B))
    assert staging.settle(TWO, limit=3) == lists(A, B)
    assert staging.looked == [0, 3, 8]
    flip: Sequence[Look] = [lists(A), lists(A, B)] * 100
    assert Staging(*flip, each=10).fails(TWO, limit=3).details == (f"missing: {B}",)


# --- trouble ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        HttpStatusError(503, WHERE),
        HttpStatusError(403, WHERE),
        TransportError("connection refused"),
        ListingError("that is no listing"),
        NOTHING,
    ],
)
def test_trouble_that_may_pass_is_waited_for_and_said(trouble: ReleaseError) -> None:
    staging = Staging(trouble, lists(A, B))
    assert staging.settle(TWO) == lists(A, B)
    assert str(trouble) in staging.said[0]
    assert str(trouble) in str(Staging(trouble).fails(TWO))


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    staging = Staging(HttpStatusError(429, WHERE, retry_after=100.0), lists(A, B))
    staging.settle(TWO)
    assert staging.looked == [0, 100, 105]
    # But no longer than we wait at all.
    late = Staging(HttpStatusError(429, WHERE, retry_after=500.0))
    late.fails(TWO, limit=60)
    assert late.looked == [0, 60]


@pytest.mark.parametrize(
    "trouble",
    [
        CredentialsError("a login is wanted"),
        FileError("release/clash"),
        NetworkError("the certificate is wrong"),
        RedirectNotAllowed("sent elsewhere"),
    ],
)
def test_trouble_that_stays_ends_the_wait(trouble: ReleaseError) -> None:
    staging = Staging(lists(A), trouble)
    with pytest.raises(type(trouble)) as caught:
        staging.settle(TWO)
    assert caught.value is trouble
    assert len(staging.looked) == 2


# --- durations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("20m", 1200), ("90s", 90), ("1h30m", 5400), ("1h", 3600), ("1h 5s", 3605), ("2H3M4S", 7384)),
        *(("90", 90), ("1.5", 1.5), ("1.5h", 5400), ("0", 0), (" 20m ", 1200)),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert polling.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "m", "20 minutes", "-5", "1h30", "30m1h", "1e9", "nan", "inf", "²", "9" * 40]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; use a form like 20m, 90s or 1h30m"):
        polling.parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (90.4, "90 s"),
        (1200, "20 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86400, "24 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert redaction.format_duration(seconds) == words

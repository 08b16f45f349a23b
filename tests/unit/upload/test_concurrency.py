"""Test how many uploads run in parallel, at the boundaries of each rule."""

from __future__ import annotations

from wheel_uploader.upload.concurrency import UPLOAD_TIME_LIMIT, ConcurrencyController


def test_uploads_one_file_before_the_first_measurement() -> None:
    controller = ConcurrencyController(8)
    assert controller.limit(1) == 1
    assert controller.estimated_seconds(10**9) == 0.0
    assert not controller.exceeds_server_limit(10**12)
    assert UPLOAD_TIME_LIMIT == 240.0


def test_plans_with_half_of_the_time_limit() -> None:
    controller = ConcurrencyController(8, limit=100.0)
    controller.record_success(1000, 10.0, 1)  # 100 bytes per second: 5000 bytes in half of the limit.
    assert [controller.limit(size) for size in (0, 1, 625, 626, 1666, 1667, 2500, 2501, 5001)] == [
        *(8, 8, 8, 7, 3, 2, 2, 1, 1)
    ]
    assert controller.estimated_seconds(1000) == 10.0
    assert [controller.exceeds_server_limit(size) for size in (10_000, 10_001)] == [False, True]


def test_files_in_parallel_share_the_bandwidth() -> None:
    controller = ConcurrencyController(8)
    controller.record_success(1000, 10.0, 3)
    assert controller.estimated_seconds(300) == 1.0
    controller.record_success(1000, 0.0, 1)
    assert controller.estimated_seconds(10**6) == 1.0


def test_a_short_upload_shows_a_higher_bandwidth_only() -> None:
    controller = ConcurrencyController(8)
    controller.record_success(1000, 1.0, 1)
    controller.record_success(100, 0.9, 1)
    assert controller.estimated_seconds(1000) == 1.0
    controller.record_success(1800, 0.9, 1)
    assert controller.estimated_seconds(2000) == 1.0
    controller.record_success(500, 1.0, 1)
    assert controller.estimated_seconds(500) == 1.0


def test_halves_the_number_after_a_server_error() -> None:
    controller = ConcurrencyController(8)
    controller.record_success(10**9, 1.0, 1)
    for streams, expected in ((7, 3), (8, 3), (2, 1), (1, 1), (0, 1)):
        controller.record_failure(streams)
        assert controller.limit(1) == expected
    assert ConcurrencyController(0).limit(1) == 1
    none = ConcurrencyController(-1)
    none.record_success(10**9, 1.0, 1)
    assert none.limit(1) == 1

"""Settings of the tests that run several packages together, in this process."""

from __future__ import annotations

import pytest

from wheel_uploader.http import retry


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a moment before the next attempt; how long the command waits is tested in tests/unit/http."""
    monkeypatch.setattr(retry, "MAX_BACKOFF", 0.05)

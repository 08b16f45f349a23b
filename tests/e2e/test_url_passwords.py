"""The command prints no part of a password that is in a URL without being percent-encoded.

Each source is combined with a few characters; ``python -m tests.soak leaks`` tries all combinations.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import url_passwords
from tests.support.url_passwords import PORTS, SEPARATORS, URL_INPUTS


@pytest.mark.parametrize("way", URL_INPUTS)
def test_no_part_of_a_password_in_a_url_is_printed(way: str, tmp_path: Path) -> None:
    number = list(URL_INPUTS).index(way)
    # Every second source is also combined with a second character.
    second = SEPARATORS[1 + number // 2] if number % 2 == 0 else "/"
    for separator in dict.fromkeys(("/", second)):
        folder = tmp_path / str(SEPARATORS.index(separator))
        port = PORTS[(number + len(separator)) % len(PORTS)]
        assert url_passwords.find_problem(way, separator, port, folder) == "", (separator, port)

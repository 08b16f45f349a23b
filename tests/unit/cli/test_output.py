"""Test the lines of an error on a terminal."""

from __future__ import annotations

import io
import sys

import click
import pytest

from wheel_uploader.cli import output
from wheel_uploader.core.errors import ConflictError


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [40, 80])
def test_colors_do_not_change_where_an_error_is_wrapped(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    error = ConflictError("1 of 45 files conflicts with https://index.example/; nothing was uploaded")
    printed = []
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv(name, "1")
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        output.print_error(error)
        printed.append(stream.getvalue())
    plain, colored = printed
    assert colored != plain
    assert click.unstyle(colored) == plain
    assert max(map(len, plain.splitlines())) <= columns

"""Test that the README matches the program."""

from __future__ import annotations

import re

import pytest

from tests.support import upload_page
from tests.support.readme import README, generated_parts, with_generated_parts
from wheel_uploader.core import errors

TEXT = README.read_text(encoding="utf-8")


@pytest.mark.parametrize("part", generated_parts())
def test_generated_parts_are_current(part: str) -> None:
    assert generated_parts()[part] in TEXT, "run: python -m tests.support.readme"


def test_regenerating_the_readme_changes_nothing() -> None:
    assert with_generated_parts(TEXT) == TEXT, "run: python -m tests.support.readme"


def test_the_page_about_the_upload_is_current_and_renders() -> None:
    from readme_renderer import rst

    text = upload_page.PAGE.read_text(encoding="utf-8")
    assert upload_page.with_generated_parts(text) == text, "run: python -m tests.support.upload_page"
    assert rst.render(text) is not None


def test_lists_every_exit_code() -> None:
    in_table = set(re.findall(r"^(\d+)\s{2,}\S", TEXT, re.MULTILINE))
    in_program = {
        str(error.exit_code)
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.ReleaseError)
    }
    assert in_program <= in_table
    assert in_table - in_program == {"0"}


def test_the_readme_renders() -> None:
    from readme_renderer import rst

    assert rst.render(TEXT) is not None

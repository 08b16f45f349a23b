"""Test that the README and the pages of docs/ match the program."""

from __future__ import annotations

import re

import pytest

from tests.support import readme, upload_page
from wheel_uploader.core import errors


@pytest.mark.parametrize("name", readme.GENERATED)
def test_generated_parts_are_current(name: str) -> None:
    text = readme.page(name)
    for part, make in readme.GENERATED[name].items():
        written = f".. {part} begins\n\n{make()}\n\n.. {part} ends\n"
        assert written in text, "run: python -m tests.support.readme"


@pytest.mark.parametrize("name", readme.GENERATED)
def test_regenerating_a_page_changes_nothing(name: str) -> None:
    assert readme.with_generated_parts(name) == readme.page(name), "run: python -m tests.support.readme"


def test_the_page_about_the_upload_is_current() -> None:
    text = upload_page.PAGE.read_text(encoding="utf-8")
    assert upload_page.with_generated_parts(text) == text, "run: python -m tests.support.upload_page"


def test_lists_every_exit_code() -> None:
    in_table = set(re.findall(r"^(\d+)\s{2,}\S", readme.page("reference/exit-codes"), re.MULTILINE))
    in_program = {
        str(error.exit_code)
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.ReleaseError)
    }
    assert in_program <= in_table
    assert in_table - in_program == {"0"}


def test_the_readme_renders() -> None:
    from readme_renderer import rst

    assert rst.render(readme.README.read_text(encoding="utf-8")) is not None

"""Text of HTML pages and XML errors: titles, an object store's code and message, the visible words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheel_uploader.core import html_text

S3 = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message><Key>x.whl</Key></Error>"""


@pytest.mark.parametrize(
    ("page", "headings", "words"),
    [
        (
            "<html><head><title>Log in\n</title></head><body>Your <b>name</b>?</body></html>",
            "Log in",
            "Your name ?",
        ),
        (S3, "NoSuchKey, The key does not exist.", "NoSuchKey The key does not exist. x.whl"),
        ("\ufeff " + S3, "NoSuchKey, The key does not exist.", "NoSuchKey The key does not exist. x.whl"),
        ("<Error><Code>AccessDenied</Code></Error>", "AccessDenied", "AccessDenied"),
        ("<script>bad()</script><p>A &amp; B", "", "A & B"),
        ("<?xml", "", ""),
    ],
)
def test_extracts_headings_and_visible_text(page: str, headings: str, words: str) -> None:
    assert html_text.is_markup(page)
    assert (html_text.extract_headings(page), html_text.extract_visible_text(page)) == (headings, words)


def test_plain_text_is_not_markup() -> None:
    assert not html_text.is_markup("404 < 500")


@pytest.mark.parametrize("piece", ["<a>", "<", "<a ", "<table><tr><td>", "</p>", "<!--"])
def test_reads_a_hostile_page_quickly(piece: str) -> None:
    started = time.process_time()
    html_text.extract_headings(piece * 300_000)
    html_text.extract_visible_text(piece * 300_000)
    assert time.process_time() - started < 2


@given(st.text(alphabet="<>/?!&;=\"' abtitle\x00\ud800", max_size=60))
def test_reads_any_text(text: str) -> None:
    for page in (text, "<" + text, "<?xml version='1.0'?>" + text):
        assert "\n" not in html_text.extract_headings(page) + html_text.extract_visible_text(page)

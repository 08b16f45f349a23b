"""Author-email and Maintainer-email are accepted or rejected as on PyPI, with every Python."""

from __future__ import annotations

import email.utils
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.zips import check_ids, findings
from tools.testing.wheels import METADATA, wheel_bytes
from wheel_uploader.checks import mailboxes

GOOD = METADATA.format(project="dipy", version="1.11.0")
STRICT = "strict" in inspect.signature(email.utils.parseaddr).parameters

#: Field: the one address that PyPI reads in it, or "" if PyPI reads none or several and accepts the field.
FIELDS = {
    "ann@example.org": "ann@example.org",
    "Ann <ann@example.org>": "ann@example.org",
    '"Doe, Ann" <ann@example.org>': "ann@example.org",
    "J. Doe <j.doe@example.org>": "j.doe@example.org",
    "ann@example.org (Ann)": "ann@example.org",
    "Ann (the (first) author) <ann@example.org>": "ann@example.org",
    "Ann <ann@example.org>, Bob <bob@example.org>": "",
    "ann@example.org, bob@example.org": "",
    "NumFOCUS, Inc. <info@example.org>": "",
    "Doe, Ann <ann@example.org>": "",
    "Team: ann@example.org, bob@example.org;": "",
    "Team: ann@example.org;": "ann@example.org",
    "Ann <ann@example.org>,": "ann@example.org",
    "Ann <>": "",
    "Ann (unclosed <ann@example.org>": "",
    "Ann <ann@[127.0.0.1>": "",
    "nobody": "nobody",
    "Name a@example.org": "Name a@example.org",
    "a@b@example.org": "",
    "a..b@example.org": "a..b@example.org",
    "": "",
}


@pytest.mark.parametrize(("field", "address"), FIELDS.items())
def test_reads_the_same_address_as_pypi(field: str, address: str) -> None:
    assert mailboxes.parse_single_address(field) == address


@pytest.mark.skipif(not STRICT, reason="this Python lacks the strict email.utils that PyPI uses")
@given(
    st.lists(
        st.sampled_from([*'()<>@,:;."[]\\ \t\r\n', "a", "b.c", "@example.org", "Ann", "<a@b.org>", "\xe4"])
    ).map("".join)
)
def test_agrees_with_the_strict_parser_of_the_standard_library(field: str) -> None:
    assert mailboxes.parse_single_address(field) == email.utils.parseaddr(field)[1]


def test_parses_deeply_nested_fields() -> None:
    for field in ("(" * 8000 + ")" * 8000 + "a@example.org", "a:" * 8000 + "b@example.org"):
        assert mailboxes.parse_single_address(field) in {"a@example.org", "b@example.org"}


@pytest.mark.parametrize("header", ["Author-email", "Maintainer-email"])
@pytest.mark.parametrize(
    ("field", "is_rejected"),
    [
        ("Ann <ann@example.org>, Bob <bob@example.org>", False),
        ("NumFOCUS, Inc. <info@example.org>", False),
        ("Ann <ann@example.org>, Bob <bob@localhost>", False),
        ("Ann <ann@localhost>", True),
        ("nobody", True),
    ],
)
def test_rejects_the_same_contacts_as_pypi(header: str, field: str, is_rejected: bool) -> None:
    metadata = GOOD.replace("Author-email: tester@example.com", f"{header}: {field}")
    assert ("metadata/bad-contact" in check_ids(findings(wheel_bytes(metadata=metadata)))) is is_rejected

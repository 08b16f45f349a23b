"""The rules for links: what a staging place may send us to, and what only the person may."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wheel_uploader.http.hosts import NotAUrl, Rules, is_loopback, is_public, place_of, split_credentials

LISTED = "https://staging.example/wheels/"


def refused(
    url: str,
    *,
    listed_at: str = LISTED,
    pinned: bool = False,
    typed: tuple[str, ...] = (LISTED,),
    allow_hosts: tuple[str, ...] = (),
    allow_insecure_hosts: tuple[str, ...] = (),
) -> str:
    rules = Rules(typed=typed, allow_hosts=allow_hosts, allow_insecure_hosts=allow_insecure_hosts)
    return rules.refuse_link(url, listed_at=listed_at, pinned=pinned)


@pytest.mark.parametrize(
    "url",
    [
        "https://staging.example/other/x.whl",
        "https://STAGING.example./x.whl",
        "https://staging.example:443/x.whl",
        "HTTPS://staging.example/x.whl?token=1",
    ],
)
def test_a_link_to_the_same_place_may_be_followed(url: str) -> None:
    assert refused(url) == ""


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://staging.example/x.whl", "it is http, not https"),
        ("ftp://staging.example/x.whl", "its scheme is ftp, not https"),
        ("file:///etc/passwd", "its scheme is file, not https"),
        ("data:text/plain,x", "its scheme is data, not https"),
        ("javascript:alert(1)", "its scheme is javascript, not https"),
        ("//staging.example/x.whl", "its scheme is missing, not https"),
        ("", "its scheme is missing, not https"),
        ("https:///x.whl", "it has no host"),
        ("https://./x.whl", "it has no host"),
        ("https://staging.example:0/x.whl", "its port is 0"),
        ("https://staging.example:99999/x.whl", "it is not a URL"),
        ("https://[::1/x.whl", "it is not a URL"),
        ("https://user:password@staging.example/x.whl", "it carries credentials"),
        ("https://@staging.example/x.whl", "it carries credentials"),
        ("https://evil.example/x.whl", "it is on another host, evil.example (--allow-host evil.example"),
        ("https://staging.example.evil.example/x", "it is on another host"),
        ("https://evil.example\\@staging.example/x.whl", "it carries credentials"),
        ("https://evil.example\\.staging.example/x.whl", "its host is not a host's name"),
        ("https://evil example/x.whl", "its host is not a host's name"),
        ("https://staging.example:8443/x.whl", "it is on another port, staging.example:8443 (--allow-host"),
        ("https://staging.example/" + "x" * 8000, "it is longer than 8000 characters"),
        ("https://127.0.0.1/x.whl", "127.0.0.1 is a private address (--allow-host 127.0.0.1 permits it)"),
        ("https://[::1]/x.whl", "::1 is a private address"),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 is a private address"),
        ("http://localhost/x.whl", "it is http, not https"),
    ],
)
def test_a_link_that_must_not_be_followed(url: str, reason: str) -> None:
    assert reason in refused(url)
    if "another" not in reason:
        assert reason in refused(url, pinned=True)


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        ("https://files.example/x.whl", {"allow_hosts": ("Files.Example",)}),
        ("https://files.example:8443/x.whl", {"allow_hosts": ("files.example",)}),
        ("https://files.example:8443/x.whl", {"allow_hosts": ("files.example:8443",)}),
        ("https://10.0.0.1/x.whl", {"allow_hosts": ("10.0.0.1",)}),
        ("https://10.0.0.1:8443/x.whl", {"allow_hosts": ("10.0.0.1:8443",)}),
        ("https://other.example/x.whl", {"typed": (LISTED, "https://other.example/")}),
        ("http://files.example/x.whl", {"allow_insecure_hosts": ("files.example",)}),
        ("http://files.example:81/x.whl", {"allow_insecure_hosts": ("files.example:81",)}),
        ("http://127.0.0.2/x.whl", {"allow_hosts": ("127.0.0.2",)}),
    ],
)
def test_what_the_person_allowed_may_be_followed(url: str, rules: dict[str, Any]) -> None:
    assert refused(url)
    assert refused(url, **rules) == ""


def test_permission_for_one_port_is_for_that_port() -> None:
    assert "another host" in refused("https://files.example/x", allow_hosts=("files.example:8443",))
    assert "it is http" in refused("http://files.example/x", allow_insecure_hosts=("files.example:81",))


def test_a_pinned_file_may_be_on_any_public_host() -> None:
    assert refused("https://files.example/x.whl", pinned=True) == ""
    assert "private address" in refused("https://192.168.0.1/x.whl", pinned=True)


@pytest.mark.parametrize(
    ("listed_at", "url"),
    [
        ("https://pypi.anaconda.org/o/simple/dipy/", "https://api.anaconda.org/download/x.whl"),
        ("https://api.anaconda.org/x", "https://binstar-cio-packages-prod.s3.amazonaws.com/x"),
        ("https://api.github.com/repos/o/r", "https://github.com/o/r/releases/download/1/x.whl"),
        ("https://github.com/o/r", "https://release-assets.githubusercontent.com/x"),
    ],
)
def test_known_places_may_send_to_their_own_storage(listed_at: str, url: str) -> None:
    assert refused(url, listed_at=listed_at) == ""
    assert "another host" in refused(url)
    assert "another host" in refused(
        url, listed_at=listed_at.replace(".org", ".org.evil").replace(".com", ".evil")
    )


def test_http_is_for_a_loopback_host_that_was_typed() -> None:
    typed = ("http://127.0.0.1:8000/",)
    rules = Rules(typed=typed)
    assert rules.refuse_link("http://127.0.0.1:8000/x", listed_at=typed[0], pinned=False) == ""
    assert "another port" in rules.refuse_link("http://127.0.0.1:9000/x", listed_at=typed[0], pinned=False)
    assert "it is http" in rules.refuse_link("http://127.0.0.2:8000/x", listed_at=typed[0], pinned=True)
    assert "it is http" in Rules(typed=("http://staging.example/",)).refuse_url("http://staging.example/")


def test_a_typed_path_is_no_host() -> None:
    rules = Rules(typed=("dist", "./x", "C:\\dist", "https://staging.example/"))
    assert rules.trusts("staging.example")
    assert rules.trusts("STAGING.example.")
    assert not rules.trusts("dist")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("x.localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_credentials_are_taken_out_of_a_url() -> None:
    assert split_credentials("https://me%40x:p%3Aw@h:1/p?q#f") == ("https://h:1/p?q#f", "me%40x", "p%3Aw")
    assert split_credentials("https://h/p@q") == ("https://h/p@q", "", "")


@given(st.text() | st.text(alphabet="htps:/[]@\\.%0x1#? ", max_size=30).map(lambda rest: f"https://{rest}"))
@example("https://[::1]]/")
@example("https://\u2100/")
def test_no_text_raises_anything_else(url: str) -> None:
    try:
        place = place_of(url)
    except NotAUrl as error:
        assert refused(url) == str(error)
    else:
        assert place.host
        assert refused(url, listed_at=url) == "" or refused(url)

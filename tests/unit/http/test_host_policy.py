"""Host policy: which links of a listing may be followed, and which only the user may permit."""

from __future__ import annotations

import time
from collections import UserDict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wheel_uploader.http.host_policy import (
    HostPolicy,
    InvalidUrl,
    ScopedHeaders,
    parse_origin,
    split_credentials,
)
from wheel_uploader.http.hostnames import is_loopback_host, is_public_address, parse_s3_bucket

LISTING_URL = "https://staging.example/wheels/"


def get_rejection(
    url: str,
    *,
    listing_url: str = LISTING_URL,
    has_trusted_digest: bool = False,
    user_urls: tuple[str, ...] = (LISTING_URL,),
    allow_hosts: tuple[str, ...] = (),
    allow_insecure_hosts: tuple[str, ...] = (),
) -> str:
    rules = HostPolicy(
        user_urls=user_urls, allow_hosts=allow_hosts, allow_insecure_hosts=allow_insecure_hosts
    )
    return rules.link_rejection(url, listing_url=listing_url, has_trusted_digest=has_trusted_digest)


@pytest.mark.parametrize(
    "url",
    [
        "https://staging.example/other/x.whl",
        "https://STAGING.example./x.whl",
        "https://staging.example:443/x.whl",
        "HTTPS://staging.example/x.whl?token=1",
    ],
)
def test_accepts_links_to_the_same_origin(url: str) -> None:
    assert get_rejection(url) == ""


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
        ("https://user:password@staging.example/x.whl", "it contains credentials"),
        ("https://@staging.example/x.whl", "it contains credentials"),
        ("https://evil.example/x.whl", "it is on another host, evil.example (--allow-host evil.example"),
        ("https://staging.example.evil.example/x", "it is on another host"),
        ("https://evil.example\\@staging.example/x.whl", "it contains credentials"),
        ("https://evil.example\\.staging.example/x.whl", "its host is not a valid host name"),
        ("https://evil example/x.whl", "its host is not a valid host name"),
        ("https://staging.example:8443/x.whl", "it is on another port, staging.example:8443 (--allow-host"),
        ("https://staging.example/" + "x" * 8000, "it is longer than 8000 characters"),
        ("https://127.0.0.1/x.whl", "127.0.0.1 is a private address (--allow-host 127.0.0.1 permits it)"),
        ("https://[::1]/x.whl", "::1 is a private address"),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 is a private address"),
        ("http://localhost/x.whl", "it is http, not https"),
    ],
)
def test_rejects_forbidden_links(url: str, reason: str) -> None:
    assert reason in get_rejection(url)
    if "another" not in reason:
        assert reason in get_rejection(url, has_trusted_digest=True)


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        ("https://files.example/x.whl", {"allow_hosts": ("Files.Example",)}),
        ("https://files.example:8443/x.whl", {"allow_hosts": ("files.example",)}),
        ("https://files.example:8443/x.whl", {"allow_hosts": ("files.example:8443",)}),
        ("https://10.0.0.1/x.whl", {"allow_hosts": ("10.0.0.1",)}),
        ("https://10.0.0.1:8443/x.whl", {"allow_hosts": ("10.0.0.1:8443",)}),
        ("https://other.example/x.whl", {"user_urls": (LISTING_URL, "https://other.example/")}),
        ("http://files.example/x.whl", {"allow_insecure_hosts": ("files.example",)}),
        ("http://files.example:81/x.whl", {"allow_insecure_hosts": ("files.example:81",)}),
        ("http://127.0.0.2/x.whl", {"allow_hosts": ("127.0.0.2",)}),
    ],
)
def test_accepts_links_that_the_user_permitted(url: str, rules: dict[str, Any]) -> None:
    assert get_rejection(url)
    assert get_rejection(url, **rules) == ""


def test_permission_is_for_one_port() -> None:
    assert "another host" in get_rejection("https://files.example/x", allow_hosts=("files.example:8443",))
    assert "it is http" in get_rejection("http://files.example/x", allow_insecure_hosts=("files.example:81",))


def test_file_with_a_trusted_digest_may_be_on_any_public_host() -> None:
    assert get_rejection("https://files.example/x.whl", has_trusted_digest=True) == ""
    assert "private address" in get_rejection("https://192.168.0.1/x.whl", has_trusted_digest=True)


@pytest.mark.parametrize(
    ("listing_url", "url"),
    [
        ("https://pypi.anaconda.org/o/simple/dipy/", "https://api.anaconda.org/download/x.whl"),
        ("https://api.anaconda.org/x", "https://binstar-cio-packages-prod.s3.amazonaws.com/x"),
        ("https://api.github.com/repos/o/r", "https://github.com/o/r/releases/download/1/x.whl"),
        ("https://github.com/o/r", "https://release-assets.githubusercontent.com/x"),
    ],
)
def test_known_hosts_may_link_to_their_storage(listing_url: str, url: str) -> None:
    assert get_rejection(url, listing_url=listing_url) == ""
    assert "another host" in get_rejection(url)
    assert "another host" in get_rejection(
        url, listing_url=listing_url.replace(".org", ".org.evil").replace(".com", ".evil")
    )


def test_permits_http_for_a_loopback_user_url() -> None:
    user_urls = ("http://127.0.0.1:8000/",)
    rules = HostPolicy(user_urls=user_urls)
    assert (
        rules.link_rejection("http://127.0.0.1:8000/x", listing_url=user_urls[0], has_trusted_digest=False)
        == ""
    )
    assert "another port" in rules.link_rejection(
        "http://127.0.0.1:9000/x", listing_url=user_urls[0], has_trusted_digest=False
    )
    assert "it is http" in rules.link_rejection(
        "http://127.0.0.2:8000/x", listing_url=user_urls[0], has_trusted_digest=True
    )
    assert "it is http" in HostPolicy(user_urls=("http://staging.example/",)).url_rejection(
        "http://staging.example/"
    )


def test_local_path_is_not_a_host() -> None:
    rules = HostPolicy(user_urls=("dist", "./x", "C:\\dist", "https://staging.example/"))
    assert rules.is_trusted("staging.example")
    assert rules.is_trusted("STAGING.example.")
    assert not rules.is_trusted("dist")


# --- host names ------------------------------------------------------------------------------------

LOOPBACK = (
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.1", "017700000001", "0177.0.0.1"),
    *("127.0.0.1.", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]"),
)


@pytest.mark.parametrize("host", LOOPBACK)
def test_normalizes_every_spelling_of_an_address(host: str) -> None:
    assert parse_origin(f"https://{host}/").host == "127.0.0.1"
    assert "127.0.0.1 is a private address" in get_rejection(f"https://{host}/x.whl", has_trusted_digest=True)
    for other in LOOPBACK:
        assert (
            get_rejection(
                f"http://{other}:8000/x", user_urls=(f"http://{host}:8000/",), listing_url=LISTING_URL
            )
            == ""
        )


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "..", "a..example", ".example", "a.example..", "a b", "a%2eexample", "%31.example"),
        *(
            "256.1.1.1",
            "1.2.3.4.5",
            "09.1",
            "0x",
            "4294967296",
            "0x100000000",
            "example.1",
            "1.2.3.256",
        ),
        *("[::1%25eth0]", "[fe80::1%eth0]", "[::g]", "[v1.x]", "[127.0.0.1]", "[::1]x", "x[::1]", "[::1"),
        *("a" * 64 + ".example", "a." * 126 + "aa", "é" * 64, "xn--" + "a" * 60, "\u2603", "１２７.0.0.1"),
        *("a,b", "a$b", "a!b", "a:b:c", "a@", "user@a"),
    ],
)
def test_rejects_invalid_hosts_from_any_source(host: str) -> None:
    """URL parsers disagree about most of these."""
    assert get_rejection(f"https://{host}/x.whl", has_trusted_digest=True)
    assert get_rejection(f"https://{host}/x.whl", listing_url=f"https://{host}/", has_trusted_digest=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "bücher.EXAMPLE."),
        ("a\u3002example", "a.example"),
        ("[2606:4700:0:0::1111]", "[2606:4700::1111]"),
        ("8.8.8.8", "134744072"),
        ("a_b-.example", "A_B-.example."),
        ("0x7f.example", "0X7F.example"),
    ],
)
def test_recognizes_two_spellings_of_one_host(first: str, second: str) -> None:
    assert parse_origin(f"https://{first}/") == parse_origin(f"https://{second}/")
    assert get_rejection(f"https://{first}/x", listing_url=f"https://{second}/") == ""


def test_accepts_the_longest_name_and_label() -> None:
    longest = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(longest) == 253
    assert parse_origin(f"https://{longest}/").host == parse_origin(f"https://{longest}./").host == longest


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "x.localhost",
        "wiki",
        "wiki.",
        "a.local",
        "a.internal",
        "a.CORP",
        "nas.home.arpa",
        "x.lan",
    ],
)
def test_rejects_private_names_that_are_not_user_urls(host: str) -> None:
    assert "a private host name (--allow-host" in get_rejection(
        f"https://{host}/x.whl", has_trusted_digest=True
    )
    assert get_rejection(f"https://{host}/x.whl", allow_hosts=(host,)) == ""
    assert get_rejection(f"https://{host}/x.whl", user_urls=(f"https://{host}/",)) == ""


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "[fd00::1]", "wiki", "wiki.corp", "127.0.0.1", "[::ffff:10.0.0.1]", "0xa.1"]
)
def test_rejects_other_ports_of_private_user_hosts(host: str) -> None:
    user_urls, link = (f"https://{host}:8000/",), f"https://{host}:9000/x.whl"
    assert "another port" in get_rejection(
        link, user_urls=user_urls, listing_url=user_urls[0], has_trusted_digest=True
    )
    assert (
        get_rejection(
            f"https://{host}:8000/x.whl",
            user_urls=user_urls,
            listing_url=LISTING_URL,
            has_trusted_digest=True,
        )
        == ""
    )
    assert (
        get_rejection(
            link, user_urls=user_urls, listing_url=user_urls[0], has_trusted_digest=True, allow_hosts=(host,)
        )
        == ""
    )
    assert (
        get_rejection(
            link,
            user_urls=user_urls,
            listing_url=user_urls[0],
            has_trusted_digest=True,
            allow_hosts=(f"{host}:9000",),
        )
        == ""
    )
    assert get_rejection(
        link,
        user_urls=user_urls,
        listing_url=user_urls[0],
        has_trusted_digest=True,
        allow_hosts=(f"{host}:9001",),
    )


def test_trusts_only_the_ports_of_user_urls() -> None:
    rules = HostPolicy(
        user_urls=("https://a.example/", "http://b.example:8000/"), allow_hosts=("c.example", "[::1]:5")
    )
    assert rules.is_trusted("A.example.", 443)
    assert rules.is_trusted("a.example", 80)
    assert rules.is_trusted("b.example", 8000)
    assert rules.is_trusted("c.example", 1)
    assert rules.is_trusted("::1", 5)
    assert not rules.is_trusted("a.example", 22)
    assert not rules.is_trusted("b.example", 443)
    assert not rules.is_trusted("::1", 6)


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("b.s3.amazonaws.com", "b"),
        ("my.b.s3.amazonaws.com", "my.b"),
        ("a.s3.b.s3.eu-west-1.amazonaws.com", "a.s3.b"),
        ("b.s3-us-west-2.amazonaws.com", "b"),
        ("b.s3.dualstack.us-west-2.amazonaws.com", "b"),
        ("b.s3-accelerate.dualstack.amazonaws.com", "b"),
        ("b.s3-fips.dualstack.us-west-2.amazonaws.com", "b"),
        ("b.s3.cn-north-1.amazonaws.com.cn", "b"),
        ("s3.amazonaws.com", ""),
        ("s3.eu-west-1.amazonaws.com", ""),
        ("s3-eu-west-1.amazonaws.com", ""),
        ("b.s3-website-us-east-1.amazonaws.com", None),
        ("b.s3-website.eu-central-1.amazonaws.com", None),
        ("b.s3.website.amazonaws.com", None),
        ("b.s3.amazonaws.com.evil.example", None),
        ("b.s3.evilamazonaws.com", None),
        ("b.ec2.amazonaws.com", None),
        ("bs3.amazonaws.com", None),
        ("b.s3.us-east-1.elb.amazonaws.com", None),
        ("x.s3-" + "a-" * 100 + "a.example.com", None),
    ],
)
def test_parses_the_bucket_in_a_host(host: str, bucket: str | None) -> None:
    assert parse_s3_bucket(host) == bucket


def test_bucket_may_link_to_its_region_but_not_to_another_bucket() -> None:
    listed = "https://b.s3.amazonaws.com/"
    assert get_rejection("https://b.s3.eu-west-1.amazonaws.com/x", listing_url=listed) == ""
    assert "another host" in get_rejection("https://c.s3.eu-west-1.amazonaws.com/x", listing_url=listed)
    assert "another host" in get_rejection("https://b.s3.cn-north-1.amazonaws.com.cn/x", listing_url=listed)
    assert "another host" in get_rejection(
        "https://s3.amazonaws.com/x", listing_url="https://s3.eu-west-1.amazonaws.com/"
    )


@pytest.mark.parametrize(
    "repeated", ["-a", "a-", ".s3", ".s3-", "s3.", ".a", "-", "website.", "0x7f.", "1.", "é"]
)
@pytest.mark.parametrize("prefix", ["x.s3-", "x.s3.", "", "b.s3"])
def test_checks_any_host_quickly(prefix: str, repeated: str) -> None:
    for ending in (".amazonaws.com", ".example.com", ".amazonaws.com.", "!"):
        url = f"https://{prefix}{repeated * (7900 // len(repeated.encode()))}{ending}/W.whl"
        for length in (100, 240, 253, 300, 7900):
            link = f"https://{prefix}{(repeated * length)[:length]}{ending}/W.whl"
            began = time.thread_time()
            get_rejection(link, listing_url="https://x.s3.amazonaws.com/", has_trusted_digest=True)
            get_rejection(url, listing_url=link)
            assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    ("address", "expected"),
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
        ("2002:808:808::", True),
        ("::127.0.0.1", False),
        ("64:ff9b:1::1", False),
        ("2001:db8::1", False),
        ("2001::1", False),
        ("4000::1", False),
        ("192.0.0.1", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("172.15.255.255", True),
        ("172.32.0.0", True),
    ],
)
def test_is_public_address(address: str, expected: bool) -> None:
    assert is_public_address(address) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("x.localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
    ],
)
def test_is_loopback_host(host: str, expected: bool) -> None:
    assert is_loopback_host(host) is expected


def test_splits_credentials_from_a_url() -> None:
    assert split_credentials("https://me%40x:p%3Aw@h:1/p?q#f") == ("https://h:1/p?q#f", "me%40x", "p%3Aw")
    assert split_credentials("https://h/p@q") == ("https://h/p@q", "", "")


@given(st.text() | st.text(alphabet="htps:/[]@\\.%0x1#? ", max_size=30).map(lambda rest: f"https://{rest}"))
@example("https://[::1]]/")
@example("https://\u2100/")
def test_arbitrary_text_raises_only_invalid_url(url: str) -> None:
    try:
        origin = parse_origin(url)
    except InvalidUrl as error:
        assert get_rejection(url) == str(error)
    else:
        assert origin.host
        assert get_rejection(url, listing_url=url) == "" or get_rejection(url)


def test_headers_may_be_bound_while_another_thread_sends_a_request() -> None:
    scoped = ScopedHeaders()

    class Headers(UserDict[str, str]):
        def __iter__(self) -> Iterator[str]:
            # At this moment the other thread is interrupted.
            scoped.add("https://uploads.example/", {"authorization": "b"})
            return super().__iter__()

    scoped.add("https://api.example/", Headers({"authorization": "a"}))
    assert scoped.headers_for("https://api.example/x")["authorization"] == "a"
    assert scoped.headers_for("https://uploads.example/x") == {"authorization": "b"}

"""Listings that point to other hosts, are malformed, or are expensive to parse."""

from __future__ import annotations

import gzip
import html
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.testing.scripted import RESET, Step, answer

LINKED = "dipy-1.11.0-py3-none-any.whl"
_SHA256 = "0" * 64
_JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
_XML = {"Content-Type": "application/xml"}


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The port of the listing on 127.0.0.1, forbidden ports, and the path of a forbidden file."""

    listing_port: int
    #: A port of 127.0.0.2.
    forbidden_port: int
    #: A port of 127.0.0.1.
    other_port: int
    secret_path: str


def hostile_listings(targets: Targets) -> Iterator[tuple[str, Sequence[Step]]]:
    """Yield a label and the response to a request for the listing."""
    for link in _links(targets):
        for kind, steps in _listings_with(link, targets.other_port):
            yield f"{kind} with {link!r}", steps
    yield from _redirects(targets)
    yield from ((label, [answer(200, body, headers)]) for label, body, headers in _bodies(targets))
    yield from _raw_responses()


# --- links to other hosts ------------------------------------------------------------------------------


def _links(targets: Targets) -> Iterator[str]:
    forbidden, listing_host = f"127.0.0.2:{targets.forbidden_port}", f"127.0.0.1:{targets.listing_port}"
    port = targets.forbidden_port
    hosts = (
        *(forbidden, f"127.2:{port}", f"2130706434:{port}", f"0x7f000002:{port}", f"0177.0.0.2:{port}"),
        *(
            f"[::ffff:127.0.0.2]:{port}",
            f"[::ffff:7f00:2]:{port}",
            f"127.0.0.2.:{port}",
            f"user:pw@{forbidden}",
        ),
        *(
            f"{listing_host}@{forbidden}",
            f"127.0.0.1%2f@{forbidden}",
            f"{forbidden}\\@{listing_host}",
            f"{listing_host}\\@{forbidden}",
            f"{listing_host}\t@{forbidden}",
        ),
        *(f"\u2460\u2461\u2466.\u24ea.\u24ea.\u2461:{port}", f"127\u30020\u30020\u30022:{port}"),
        *(f"127.0.0.1:{targets.other_port}", f"localhost:{targets.other_port}", f"0:{targets.other_port}"),
        *(
            f"0.0.0.0:{targets.other_port}",
            f"[::1]:{targets.other_port}",
            "169.254.169.254",
            "10.0.0.1",
            "[fe80::1%25lo]",
        ),
        *(
            f"127.0.0.1:{targets.listing_port}:{port}",
            "127.0.0.1:99999",
            "127.0.0.1:-1",
            ":80",
            "",
            "[",
            "a b",
            "\0",
        ),
    )
    yield from (f"http://{host}/{LINKED}" for host in hosts)
    yield from (
        f"//{forbidden}/{LINKED}",
        f"/\\{forbidden}/{LINKED}",
        f"\\\\{forbidden}\\{LINKED}",
        f"https://{forbidden}/{LINKED}",
    )
    yield from (f"http:{forbidden}/{LINKED}", f"http:/{forbidden}/{LINKED}", f"http:///{forbidden}/{LINKED}")
    yield from (
        f"HTTP:\\\\{forbidden}\\{LINKED}",
        f" http://{forbidden}/{LINKED}",
        f"\x01http://{forbidden}/{LINKED}",
    )
    yield from (
        f"ht\ntp://{forbidden}/{LINKED}",
        f"/%2f{forbidden}/{LINKED}",
        f"//{forbidden}%2f{LINKED}",
        f"redirect/{LINKED}",
    )
    yield from (
        f"file://{targets.secret_path}",
        f"file:{targets.secret_path}",
        f"FILE:///etc/passwd#/{LINKED}",
    )
    for scheme in (
        "ftp",
        "gopher",
        "ws",
        "http+unix",
        "jar:http",
        "view-source:http",
        "blob:http",
        "javascript",
    ):
        yield f"{scheme}://{forbidden}/{LINKED}"
    yield f"data:application/zip;base64,UEsFBg/{LINKED}"


def _listings_with(link: str, other_port: int) -> Iterator[tuple[str, Sequence[Step]]]:
    # A file that a hash pins may come from another port of the listing's host.
    pins = ("",) if link.startswith(f"http://127.0.0.1:{other_port}/") else ("", f"#sha256={_SHA256}")
    for pin in pins:
        page = f'<!DOCTYPE html><a href="{html.escape(link + pin)}">{LINKED}</a>'
        yield f"HTML{' and a hash' if pin else ''}", [answer(200, page.encode())]
        file = {"filename": LINKED, "url": link, "hashes": {"sha256": _SHA256} if pin else {}}
        listing = {"meta": {"api-version": "1.1"}, "name": "dipy", "files": [file]}
        yield f"JSON{' and a hash' if pin else ''}", [answer(200, json.dumps(listing).encode(), _JSON)]
    page = f'<!DOCTYPE html><base href="{html.escape(link)}/"><a href="{LINKED}">{LINKED}</a>'
    yield "base", [answer(200, page.encode())]


def _redirects(targets: Targets) -> Iterator[tuple[str, Sequence[Step]]]:
    forbidden = f"http://127.0.0.2:{targets.forbidden_port}/"
    for status in (300, 301, 302, 303, 305, 307, 308):
        yield f"{status} to another host", [answer(status, b"", {"Location": forbidden})]
    for where in (
        "/",
        f"file://{targets.secret_path}",
        "//",
        "\\\\127.0.0.2",
        "?" + "x" * 9000,
        "\x1b[2J",
        "",
    ):
        yield f"302 to {where[:20]!r}", [answer(302, b"", {"Location": where})]
    yield "a refresh", [answer(200, b"<p>", {"Refresh": f"0; url={forbidden}"})]
    yield (
        "a refresh in the page",
        [answer(200, f'<meta http-equiv=refresh content="0;url={forbidden}">'.encode())],
    )
    yield "a next page on another host", [answer(200, b"<p>", {"Link": f'<{forbidden}>; rel="next"'})]
    yield (
        "a project page on another host",
        [answer(200, f'<a href="{forbidden}simple/dipy/">dipy</a>'.encode())],
    )


# --- pages that are hard to parse ----------------------------------------------------------------------


def _bodies(targets: Targets) -> Iterator[tuple[str, bytes, Mapping[str, str]]]:
    for label, body in {**_pages(), **_encoded_pages()}.items():
        yield f"a page: {label}", body, {}
    for label, body in _json().items():
        yield f"JSON: {label}", body, _JSON
        if body[:1] == b"[":
            yield f"the JSON of a server: {label}", body, {"Content-Type": "application/json"}
    for label, text in _xml(targets).items():
        yield f"XML: {label}", text.encode("utf-8", "surrogatepass"), _XML
    big = b"<a href=x>" * 1_000_000
    for coding in ("gzip", "br", "zstd", "deflate", "gzip, gzip", "identity, gzip", "x" * 500):
        bomb = gzip.compress(gzip.compress(big)) if "," in coding else gzip.compress(big)
        yield f"a bomb as {coding[:10]}", bomb, {"Content-Encoding": coding}
    packed = gzip.compress(b"<p>")
    yield "a gzip that is cut", packed[:-4], {"Content-Encoding": "gzip"}
    yield "invalid gzip", b"<p>", {"Content-Encoding": "gzip"}
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    flood = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(200)) + zeros.flush()
    yield "200 MiB of nothing", flood, {"Content-Encoding": "gzip"}
    for charset in (
        "utf-7",
        "utf-16",
        "utf-32",
        "cp037",
        "rot13",
        "idna",
        "unicode_escape",
        "x" * 999,
        "\x1b[2J",
    ):
        yield (
            f"charset {charset[:12]!r}",
            b"<a href=x>\xff\xfe+AHg-",
            {"Content-Type": f"text/html; charset={charset}"},
        )


def _pages() -> dict[str, bytes]:
    link = f'<a href="{LINKED}">{LINKED}</a>'.encode()
    return {
        "deep": b"<div>" * 100_000 + link,
        "deep links": b"<a href=x>" * 50_000,
        "deep tables": b"<table><tr><td>" * 30_000 + link,
        "an endless attribute": b'<a href="' + b"x" * 4_000_000,
        "an endless tag": b"<a " + b"x=y " * 500_000,
        "an endless comment": b"<!--" + b"-" * 2_000_000,
        "an endless entity": b"&" + b"a" * 2_000_000,
        "entities": b"&#x41;" * 300_000,
        "wrong entities": b"&#99999999999;" * 100_000 + b"&#0;" * 1000,
        "zeros": bytes(2_000_000) + link,
        "100,001 links": b"".join(b'<a href="dipy-1.11.0-%d-py3-none-any.whl">' % n for n in range(100_001)),
        "one link 90,000 times": link * 90_000,
        "one name at 20,000 places": b"".join(
            b'<a href="%d/%s">' % (n, LINKED.encode()) for n in range(20_000)
        ),
        "two files that differ": link + f'<a href="x/{LINKED}#sha256={_SHA256}">'.encode(),
        "surrogates": b'<a href="\xed\xa0\x80.whl">',
        "a script": b"<script>" + link + b"</script>",
        "a template": b"<template>" + link + b"</template><noscript>" + link,
        "CDATA": b"<![CDATA[" + link * 1000,
        "a login": b'<form><input type="password"></form>',
        "wrong hashes": b"".join(
            b'<a href="%s#sha256=%s">' % (LINKED.encode(), bad) for bad in (b"x", b"0" * 9999)
        ),
        "escapes": '<a href="\x1b[2J\u202e::error::x-1.whl">\x1b]0;x\x07</a>'.encode(),
        "33 MiB": b" " * (33 << 20),
    }


def _encoded_pages() -> dict[str, bytes]:
    page = f'<a href="{LINKED}">'
    return {
        "UTF-16": page.encode("utf-16"),
        "UTF-32": page.encode("utf-32"),
        "XHTML with a DTD": b'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "x">]><html>&a;</html>',
        "bytes of all values": bytes(range(256)) * 2000,
    }


def _json() -> dict[str, bytes]:
    files: dict[str, object] = {
        "nothing": None,
        "a number": 1,
        "a text": "x",
        "an object": {LINKED: {}},
        "lists in lists": [[[]]],
        "nulls": [None] * 1000,
        "a file of nulls": [{"filename": None, "url": None, "hashes": None, "size": None}],
        "a file of lists": [{"filename": [], "url": [], "hashes": [], "size": []}],
        "a size below 0": [{"filename": LINKED, "url": LINKED, "hashes": {}, "size": -1}],
        "a size as a fraction": [{"filename": LINKED, "url": LINKED, "hashes": {}, "size": 1e308}],
        "a size as a text": [{"filename": LINKED, "url": LINKED, "hashes": {}, "size": "1"}],
        "a large size": [{"filename": LINKED, "url": LINKED, "hashes": {}, "size": 2**63}],
        "hashes of lists": [{"filename": LINKED, "url": LINKED, "hashes": {"sha256": []}}],
        "unknown hashes": [{"filename": LINKED, "url": LINKED, "hashes": {"x" * 9999: "y" * 9999}}],
        "100,001 files": [
            {"filename": f"{number}-1.whl", "url": "x", "hashes": {}} for number in range(100_001)
        ],
        "surrogates": [{"filename": "\ud800.whl", "url": "\udfff", "hashes": {}}],
        "escapes": [{"filename": "\x1b[2J\u202e.whl", "url": "\x1b", "hashes": {}}],
        "yanked and more": [
            {"filename": LINKED, "url": LINKED, "hashes": {}, "yanked": [], "requires-python": 7}
        ],
    }
    pages = {
        label: json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": value}).encode()
        for label, value in files.items()
    }
    return {
        **pages,
        "deep lists": b"[" * 200_000,
        "deep objects": b'{"a":' * 200_000,
        "deep and closed": b"[" * 50_000 + b"]" * 50_000,
        "a number of a million digits": b'{"files": ' + b"9" * 1_000_000 + b"}",
        "a size of 5,000 digits": b'{"meta":{"api-version":"1.1"},"files":[{"size":' + b"9" * 5000 + b"}]}",
        "not a number": b'{"meta":{"api-version":NaN},"files":Infinity}',
        "another version": b'{"meta":{"api-version":"99.0"},"name":"dipy","files":[]}',
        "a version of lists": b'{"meta":{"api-version":[]},"files":[]}',
        "a key 10,000 times": b"{" + b'"files":[],' * 10_000 + b'"files":[]}',
        "empty": b"",
        "nothing at all": b"null",
        "a list of texts": json.dumps(["x"] * 10_000).encode(),
        "a directory in itself": json.dumps([{"name": "..", "type": "directory"}] * 1000).encode(),
        "names of numbers": json.dumps([{"name": 1, "type": "file", "size": {}}]).encode(),
    }


def _xml(targets: Targets) -> dict[str, str]:
    forbidden = f"http://127.0.0.2:{targets.forbidden_port}/x"
    attributes = " ".join(f"x{number}=''" for number in range(50_000))
    laughs = "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 12))
    bucket = f"<ListBucketResult><Name>b</Name><Contents><Key>{LINKED}</Key></Contents>%s</ListBucketResult>"
    return {
        "laughs": f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><ListBucketResult>&a11;</ListBucketResult>',
        "a long entity": f'<!DOCTYPE x [<!ENTITY a "{"x" * 100_000}">]><x>{"&a;" * 10_000}</x>',
        "a file": f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{targets.secret_path}">]><x>&a;</x>',
        "an entity on another host": f'<!DOCTYPE x [<!ENTITY a SYSTEM "{forbidden}">]><x>&a;</x>',
        "a DTD on another host": f'<!DOCTYPE x SYSTEM "{forbidden}"><x/>',
        "a parameter": f'<!DOCTYPE x [<!ENTITY % a SYSTEM "{forbidden}"> %a;]><x/>',
        "a stylesheet": f'<?xml-stylesheet href="{forbidden}"?><x/>',
        "an inclusion": f'<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{forbidden}"/></x>',
        "a schema": (
            '<x xmlns:s="http://www.w3.org/2001/XMLSchema-instance" '
            f's:noNamespaceSchemaLocation="{forbidden}"/>'
        ),
        "deep": "<a>" * 100_000,
        "a deep bucket": bucket % ("<a>" * 50_000),
        "attributes": f"<a {attributes}/>",
        "namespaces": "".join(f'<a xmlns:n{number}="u{number}">' for number in range(3000)),
        "keys outside of the bucket": bucket
        % "<Contents><Key>../../etc/passwd</Key></Contents><Contents><Key>//h/x.whl</Key></Contents>",
        "a bucket without end": bucket
        % "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>",
        "a marker without end": bucket % f"<IsTruncated>true</IsTruncated><NextMarker>{LINKED}</NextMarker>",
        "truncated without a marker": bucket % "<IsTruncated>true</IsTruncated>",
        "100,001 keys": bucket % "".join(f"<Contents><Key>{n}.whl</Key></Contents>" for n in range(100_001)),
        "wrong sizes": bucket % f"<Contents><Key>{LINKED}</Key><Size>{'9' * 5000}</Size></Contents>",
        "escapes": bucket % "<Contents><Key>&#x1b;[2J.whl</Key></Contents>",
        "surrogates": bucket % "<Contents><Key>\ud800.whl</Key></Contents>",
        "an encoding": '<?xml version="1.0" encoding="utf-7"?><x/>',
        "an unknown encoding": f'<?xml version="1.0" encoding="{"x" * 9999}"?><x/>',
        "an error": f"<Error><Code>AccessDenied</Code><Message>{'x' * 100_000}\x1b</Message></Error>",
        "Azure without end": (
            "<EnumerationResults ContainerName='c'><Blobs/><NextMarker>m</NextMarker></EnumerationResults>"
        ),
    }


# --- invalid responses ---------------------------------------------------------------------------------


def _raw_responses() -> Iterator[tuple[str, Sequence[Step]]]:
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
    yield "10,000 headers", [start + b"X: y\r\n" * 10_000 + b"\r\n"]
    yield "a header of 1 MiB", [start + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n"]
    yield "a header without end", [start + b"X: " + b"y" * (8 << 20)]
    yield "a length below 0", [start + b"Content-Length: -1\r\n\r\nx"]
    yield "two lengths", [start + b"Content-Length: 1\r\nContent-Length: 9\r\n\r\nxx"]
    yield (
        "a length and chunks",
        [start + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    )
    yield "a huge length", [start + b"Content-Length: 99999999999999999999\r\n\r\nx"]
    yield "a huge chunk", [start + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"]
    yield "a chunk below 0", [start + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx"]
    yield (
        "a trailer without end",
        [start + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 100_000],
    )
    yield "one byte", [b"H"]
    yield "nothing", [RESET]
    yield "an old protocol", [b"<a href=x>"]
    yield "another protocol", [b"SSH-2.0-OpenSSH_9.6\r\n"]
    yield "TLS", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
    yield "a status of letters", [b"HTTP/1.1 abc OK\r\n\r\n"]
    yield "escapes in the status", [b"HTTP/1.1 500 \x1b[2J\r\n\r\n"]
    yield "a hundred 100", [b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + start + b"\r\n"]
    for status in (101, 204, 205, 206, 304, 401, 402, 407, 418, 421, 451, 511, 599, 600, 999):
        yield (
            f"status {status}",
            [answer(status, b"<p>\x1b[2J::error::x" * 50, {"Retry-After": "99999999999"})],
        )

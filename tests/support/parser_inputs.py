"""Inputs that parsers of the standard library treat differently from 3.11 to 3.15, and similar ones.

Each is here because some release of Python parses it differently, or because security releases change how
such inputs are parsed. The result matters less than that it is the same on every Python.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.zips import SDIST, WHEEL
from tools.testing import wheels

_GOOD = wheels.METADATA.format(project="dipy", version="1.11.0")
_DIST_INFO = "dipy-1.11.0.dist-info"

#: Characters assigned by Unicode 15.0, 15.1, 16.0 and 17.0, and one that is not assigned.
_NEW_CHARACTERS = "\U0001fae8\U0002ebf0\U00010d4a\U00010d70\ua7dc\U000323b0\u0378"

#: More headers of METADATA and PKG-INFO.
HEADERS = (
    "Author-email: Ann <ann@example.org>, Bob <bob@example.org>",
    "Author-email: NumFOCUS, Inc. <info@example.org>",
    "Author-email: ann@example.org <bob@example.org>",
    "Author-email: Ann (a <ann@example.org>",
    'Author-email: "Doe, Ann" <ann@example.org>',
    "Author-email: ann@[example.org",
    "Author-email: Team: a@example.org;, b@example.org",
    f"Author-email: {_NEW_CHARACTERS[0]}@example.org",
    f"Author: {_NEW_CHARACTERS}",
    f"Keywords: {_NEW_CHARACTERS}",
    "Keywords:\n a,b",
    "License:\n a text\n in lines",
    "License:  \n \n text",
    "Requires-Dist:\n numpy",
    "Requires-Dist: numpy;\n python_version < '3'",
    "Requires-Dist: x; " + "(" * 60 + "python_version < '3'" + ")" * 60,
    "Requires-Dist: x; " + "(" * 150 + "python_version < '3'" + ")" * 150,
    "Requires-Dist: x; " + "(" * 220 + "python_version < '3'" + ")" * 220,
    "Requires-Dist: x; " + "(" * 400 + "python_version < '3'" + ")" * 400,
    r"Requires-Dist: x; python_version < '\d'",
    "Requires-Dist: x; python_version < '\x00'",
    "Requires-Dist: x @ https://[v1.a]/x.whl",
    "Requires-Dist: x @ https://a[b]c/x.whl",
    "Project-URL: a, https://[::1]",
    "Project-URL: a, https://[v1.x]/",
    "Project-URL: a, https://[127.0.0.1]/",
    "Project-URL: a, https://a[::1]/",
    "Project-URL: a, https://[::1]a/",
    "Project-URL: a, \x1fhttps://a.example/",
    "Project-URL: a, https://a.example/\x1f",
    "Project-URL: a, ht\ttps://a.example/",
    "Project-URL: a, https:////a.example/",
    "Project-URL: a, https:a.example",
    "Project-URL: a, https://a.example:١/",
    "Project-URL: a, https://a.example\uff0fb/",
    "Project-URL: a, https://a.example:99999/",
    "Home-page:\n https://a.example",
    "Download-URL: https://[::1",
    f"Import-Name: {_NEW_CHARACTERS[1]}",
    "Import-Name: lazy",
    "X-Odd : value",
    " folded: first",
    "no colon here",
    ": no name",
    "Summary: a\rKeywords: b",
    "Keywords: a\x0bName: c",
    "Keywords: a\x85b\u2028c",
    "From nobody",
    "License-File: =?utf-8?q?x?=",
    "Maintainer: =?utf-8?b?w6Q=?=",
)

#: Values of Description-Content-Type.
CONTENT_TYPES = (
    "text/markdown; charset=UTF-8; variant=GFM",
    "text/markdown;variant=GFM;charset=",
    'text/markdown; charset="UTF-8"',
    "text/markdown; charset=UTF-8; charset=latin-1",
    "text/markdown; charset*=utf-8''UTF-8",
    "text/markdown; charset*0=UT; charset*1=F-8",
    'text/markdown; variant="G\\FM"',
    "text/markdown (a comment); charset=UTF-8",
    "text / markdown",
    "text/markdown; =x",
    "text/markdown;;",
    "text/markdown; variant",
    "text/markdown;\n charset=UTF-8",
    "text/markdown, text/plain",
    "text/plain; format=\xe4",
    "text/",
    "/",
    ";",
    "TEXT/X-RST; CHARSET=utf-8",
    "text/x-rst; charset=UTF-8 ; x=y",
    "text/markdown; variant=CommonMark\x0b",
    "=?utf-8?q?text/markdown?=",
)

#: Texts of entry_points.txt.
ENTRY_POINTS = (
    "[console_scripts]\ndipy = dipy:main\n",
    "[console_scripts]\ndipy = dipy:main\n  continued\n",
    "[console_scripts]\ndipy\n  continued\n",
    "[console_scripts]\n  dipy = dipy:main\n    a = b\n c = d\n",
    "dipy = dipy:main\n",
    "[console_scripts]\n= dipy:main\n",
    "[console_scripts\ndipy = dipy:main\n",
    "[console_scripts]]\ndipy = dipy:main\n",
    "[console_scripts]\ndipy = a:b\n[console_scripts]\nx = a:b\n",
    "[console_scripts]\ndipy = a:b\ndipy = a:c\n",
    "[console_scripts]\ndipy = a:b ; a comment\n# comment\n ; comment\n",
    "[]\ndipy = a:b\n",
    "[DEFAULT]\ndipy = a:b\n",
    "[console_scripts]\n\n\ndipy =\n\n  a:b\n\n",
    "\ufeff[console_scripts]\ndipy = a:b\n",
    "[console_scripts]\rdipy = a:b\r",
    "[console_scripts]\x0bdipy = a:b\n",
    "[console_scripts]\ndipy : a:b\n",
    "[console_scripts]\n\x85dipy = a:b\n",
    "[console_scripts] # x\ndipy = a:b\n",
    "[gui_scripts]\n[x] = a:b\n",
)

#: Contents for RECORD.
RECORDS = (
    'a,"b\n',
    'a,"b"c,d\n',
    "a,b,c\x00\n",
    "a\rb,c,d\n",
    "a\r\n,b,c\n",
    "\ufeffa,,\n",
    "a" * 140_000 + ",,\n",
    "a,sha256=\u0661,\u0661\n",
    'a,"' + "x" * 140_000 + '",1\n',
    "a\x0bb,,\na\x85,,\na\u2028,,\n",
)

#: Contents for WHEEL.
WHEELS = (
    "Wheel-Version:\n 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag:\n py3-none-any\n",
    "Wheel-Version: 1.0\nRoot-Is-Purelib : true\nTag: py3-none-any\n",
    "Wheel-Version: 1.0\rRoot-Is-Purelib: true\rTag: py3-none-any\r",
    "Wheel-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nTag: a\n--x--\n",
    " Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
    "From x\nWheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "Wheel-Version: 1.0\n\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "Wheel-Version: 1.\u0660\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "Wheel-Version: 1.0\nBuild\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
)

#: Paths of members.
MEMBERS = (
    f"dipy/{_NEW_CHARACTERS}.py",
    f"{_NEW_CHARACTERS[2]}/__init__.py",
    "dipy/\ua7dc.py",
    "dipy/\u019b.py",
    "dipy/\U00010d50.py",
    "dipy/\xdf.py",
    "dipy/SS.py",
    "dipy/\u0130.py",
    "dipy/a\x85b.py",
    "dipy/a\u2028b.py",
)

#: Descriptions in reStructuredText.
DESCRIPTIONS = (
    "* a\n" * 3 + "\n" + "\n".join("  " * depth + "* b\n" for depth in range(60)),
    "\n".join("  " * depth + "* b\n" for depth in range(200)),
    "*" * 5000,
    ".. include:: /etc/passwd\n",
    "\U0001fae8\n==\n\ntext\n",
)

URLS = (
    "https://example.org",
    "https://EXAMPLE.org:443/",
    "https://example.org:/",
    "https://example.org:0443/",
    "https://example.org:+443/",
    "https://example.org:4_43/",
    "https://example.org:\u0661/",
    "https://example.org:65536/",
    "https://example.org:-1/",
    " https://example.org/",
    "\x00https://example.org/",
    "\x1fhttps://example.org/\x1f",
    "ht\ntps://exa\tmple.org/",
    "https://[::1]/",
    "https://[::1]:80/",
    "https://[::1",
    "https://::1]/",
    "https://[::1]x/",
    "https://x[::1]/",
    "https://[127.0.0.1]/",
    "https://[example.org]/",
    "https://[v1.x]/",
    "https://[vF.x:y]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://user@[::1]/",
    "https://us[er@example.org/",
    "https://example.org\\@other.example/",
    "https://exa%6dple.org/",
    "https://example.org%2f/",
    "https://ex\u2100mple.org/",
    "https://example\u3002org/",
    "https://\U0001fae8.example/",
    "https:////example.org/",
    "https:/example.org/",
    "https:example.org",
    "//example.org/",
    "HTTPS://example.org/",
    "https+x://example.org/",
    "https://example.org./",
    "https://example..org/",
    "https://" + "a." * 4000 + "org/",
    "",
)

#: Links, relative to https://example.org/a/b//c/d?q#f
LINKS = (
    "x.whl",
    "../x.whl",
    "../../../../x.whl",
    "//other.example/x.whl",
    "///x.whl",
    "////x.whl",
    "?x",
    "#x",
    "",
    ".",
    "..",
    "./",
    "/./x",
    "/../x",
    "x//y/../z.whl",
    "..//x.whl",
    ";x",
    "x;y?z",
    "https:x.whl",
    "https:/x.whl",
    "https:///x.whl",
    "http:x.whl",
    "HTTPS://other.example/x.whl",
    " x.whl ",
    "x\n.whl",
    "\x00x.whl",
    "x\x1f",
    "https://[x/",
    "https://a[::1]/",
    "javascript:x",
    "mailto:x",
    "data:,x",
    "a:b",
    "1:x",
    "%2e%2e/x",
    "x%zz",
    "\udc80",
)

ADDRESSES = (
    "1.1.1.1",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.1.1",
    "172.31.0.1",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.10",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "::1",
    "::1.1.1.1",
    "::ffff:1.1.1.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:1::1",
    "2001:1::2",
    "2001:1::3",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:db8::1",
    "2002:0101:0101::1",
    "2002:0a00:0001::1",
    "2606:4700::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "1.1.1.1%x",
    "01.1.1.1",
    "1.1.1",
    "\u0661.1.1.1",
)

DATES = (
    "2026-11-29T10:00:00Z",
    "2026-11-29T10:00:00",
    "2026-11-29 10:00",
    "2026-11-29",
    "20261129",
    "20261129T100000",
    "2026-W48-7",
    "2026-W53-1",
    "2026-W48",
    "2026W487",
    "2026-11-29T24:00:00",
    "2026-11-29T24:00:01",
    "2026-11-29T10:00:60",
    "2026-11-29T10:00:00.1",
    "2026-11-29T10:00:00.123456789",
    "2026-11-29T10:00:00,5",
    "2026-11-29T10:00:00+00",
    "2026-11-29T10:00:00+0000",
    "2026-11-29T10:00:00+00:00:00",
    "2026-11-29T10:00:00+24:00",
    "2026-11-29T10:00:00 Z",
    "2026-11-29t10:00:00z",
    "2026-11-29\u026010:00:00",
    "2026-11-29x10:00:00",
    "2026-1-1",
    "\u0662026-11-29",
    "0000-01-01",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "10000-01-01",
    "2026-02-30",
    "Sun, 29 Nov 2026 10:00:00 GMT",
    "Sunday, 29-Nov-26 10:00:00 GMT",
    "Sun Nov 29 10:00:00 2026",
    "Sun, 29 Nov 26 10:00:00 GMT",
    "Sun, 29 Nov 99 10:00:00 GMT",
    "Sun, 29 Nov 126 10:00:00 GMT",
    "29 Nov 2026 10:00",
    "29 Nov 2026",
    "Sun, 29 Nov 2026 10.00.00 GMT",
    "Sun, 29 Nov 2026 10:00:00 -0000",
    "Sun, 29 Nov 2026 10:00:00 +0130",
    "Sun, 29 Nov 2026 10:00:00 +9999",
    "Sun, 29 Nov 2026 10:00:00 PST",
    "Sun, 29 Nov 2026 10:00:00 XYZ",
    "Sun, 29 Nov 2026 10:00:00 (comment)",
    "Sun, 29 Nov 2026 25:00:00 GMT",
    "Sun, 32 Nov 2026 10:00:00 GMT",
    "Sun, 29 Xxx 2026 10:00:00 GMT",
    "Mon, 29 Nov 2026 10:00:00 GMT",
    "Sun,29Nov2026 10:00:00GMT",
    "Sun, 29 Nov 2026 10:00:\u0661 GMT",
    "",
    " ",
    "0",
    "1e3",
    "-1",
    "120",
    "1_0",
    "\u0661",
)


def _json(inner: str) -> str:
    file = '{"filename": "dipy-1.11.0.tar.gz", "url": "x", "hashes": {}}'
    return f'{{"meta": {{"api-version": "1.0"}}, "name": "dipy", "files": [{file}], "more": {inner}}}'


JSON = (
    _json("null"),
    _json("NaN"),
    _json("1e999"),
    _json("1" * 5000),
    _json("[" * 50 + "]" * 50),
    _json("[" * 500 + "]" * 500),
    _json("[" * 950 + "]" * 950),
    _json("[" * 1500 + "]" * 1500),
    _json("[" * 5000 + "]" * 5000),
    _json('{"a":' * 1200 + "1" + "}" * 1200),
    _json('"' + "[" * 5000 + '"'),
    _json('"\\ud800"'),
    _json('"\x01"'),
    _json("[1,]"),
    _json("nul"),
    "\ufeff" + _json("null"),
    _json("null") + "x",
    _json("null").replace('"x"', '"https://a[b]/x"'),
    _json("null").replace('"x"', '"https:////x"'),
    "",
)

XML = (
    "<a><Contents><Key>x</Key></Contents></a>",
    '<?xml version="1.0" encoding="latin-1"?><a><Contents><Key>\xe4</Key></Contents></a>',
    "<a>" + "<b>" * 2000 + "</b>" * 2000 + "</a>",
    "<a><Contents><Key>&#x1fae8;&#0;</Key></Contents></a>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<a",
    "",
)

NAMES = (
    "dipy-1.0-py3-none-any.whl",
    "dipy-1.0\u0660-py3-none-any.whl",
    f"dipy{_NEW_CHARACTERS[0]}-1.0-py3-none-any.whl",
    "dipy-" + "1" * 150 + "-py3-none-any.whl",
    "dipy-1.0+\u0130-py3-none-any.whl",
)

SHOWN = (*(f"a{character}b" for character in _NEW_CHARACTERS), "a\u200bb", "a\U000e0041b", "a\ud800b")


def files() -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of wheels and sdists, each with one of these texts in it."""
    for header in HEADERS:
        text = _GOOD.replace("\n\n", f"\n{header}\n\n", 1)
        if header.startswith(("Author-email", "Home-page", "License:")):
            name = header.partition(":")[0]
            text = "\n".join(line for line in _GOOD.split("\n") if not line.startswith(f"{name}:")).replace(
                "\n\n", f"\n{header}\n\n", 1
            )
        yield WHEEL, wheels.wheel_bytes(metadata=text)
        yield SDIST, wheels.sdist_bytes(metadata=text)
    for value in CONTENT_TYPES:
        yield WHEEL, wheels.wheel_bytes(metadata=_GOOD.replace("text/plain", value))
    for text in DESCRIPTIONS:
        described = _GOOD.replace("text/plain", "text/x-rst").partition("\n\n")[0] + f"\n\n{text}"
        yield WHEEL, wheels.wheel_bytes(metadata=described)
    for text in ENTRY_POINTS:
        yield WHEEL, wheels.wheel_bytes(files={f"{_DIST_INFO}/entry_points.txt": text.encode()})
    for text in RECORDS:
        yield WHEEL, wheels.wheel_bytes(record=text)
    for text in WHEELS:
        yield WHEEL, wheels.wheel_bytes(wheel=text)
    for path in MEMBERS:
        yield WHEEL, wheels.wheel_bytes(files={path: b""})
        yield SDIST, wheels.sdist_bytes(files={path: b""})
    yield WHEEL, wheels.wheel_bytes(files=dict.fromkeys(MEMBERS, b""))


#: The texts for each reader in ``parser_results.READERS``.
TEXTS = {
    "place": URLS,
    "link": LINKS,
    "public": ADDRESSES,
    "date": DATES,
    "retry-after": DATES,
    "json": JSON,
    "index": JSON,
    "xml": XML,
    "name": NAMES,
    "shown": SHOWN,
}

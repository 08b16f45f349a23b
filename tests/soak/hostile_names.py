"""Hostile file names, and listings with them."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence

from tools.testing.scripted import Step, answer

_GOOD = "dipy-1.11.0-py3-none-any.whl"
_PREFIXES = (
    *("../", "../../", "..\\", "/", "//", "\\", "\\\\host\\share\\", "C:\\", "C:", "./", "~/", ".", ".."),
    *(
        "-",
        "--config-file=",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "\x1b[2J",
        "\x9b2J",
        "\u202e",
        "\ufeff",
        "\u200b",
    ),
    *("%2e%2e%2f", "%252e%252e%252f", "..%2f", "..%5c", "%00", "%0a", "%1b%5b2J", "%u002e", "file:"),
    *("house/", ".wheel-uploader/", f"{_GOOD}/../", "con.", "nul/", "\uff0e\uff0e\uff0f", "\u2024\u2024/"),
    *(
        "$(touch x)",
        "`touch x`",
        ";touch x;",
        "|",
        "&",
        "*",
        "?",
        "<",
        "'",
        '"',
        "\xe9",
        "\u0501",
        "::error::",
    ),
)
_SUFFIXES = (
    *("/", "/..", "/../../x", "\0.txt", ".asc", ":stream", " ", ".", "\n", "%00", "%0a", "#", "?x", ";x"),
    *(
        "\u2028",
        "::$DATA",
        ".exe",
        ".whl",
        "~",
        "\\",
        "%20",
        ".part",
        ".tmp",
        ".json",
        "\x7f",
        "\x1b]0;x\x07",
    ),
)
_NAMES = (
    *("SHA256SUMS", ".wheel-uploader", "lock", ".part", "..", ".", "", "...", "....//", "-", "--help", "con"),
    *("dipy-1.11.0-../../x.whl", "dipy-1.11.0-py3-none-any/../../x.whl", "dipy-1.11.0.tar.gz/../../x"),
    *("dipy-1.11.0-1/../../../x-py3-none-any.whl", "dipy-1.11.0-..-..-x.whl", "dipy-1.11.0-/-/-/.whl"),
    *("\uff44\uff49\uff50\uff59-1.11.0-py3-none-any.whl", "dipy-\uff11.11.0-py3-none-any.whl"),
    *(
        "dipy-1.11.0-py\u0663-none-any.whl",
        "dipy-1.11.0-py3-none-\u0430ny.whl",
        "d\u0131py-1.11.0-py3-none-any.whl",
    ),
    *("DIPY-1.11.0-py3-none-any.whl", "dipy-1.11.0-py3-none-any.WHL", "dipy--1.11.0-py3-none-any.whl"),
    *(
        "dipy-1.11.0-1'\"-py3-none-any.whl",
        "dipy-1.11.0+../x-py3-none-any.whl",
        "dipy-1.11.0-py3-none-any.whl" * 20,
    ),
    f"dipy-1.11.0-{'py3.' * 80}py3-none-any.whl",
    f"dipy-1.11.0-{'py3.' * 20_000}py3-none-any.whl",
    f"dipy-1.11.0-{'9' * 5000}-py3-none-any.whl",
    f"dipy-1.11.0{'.0' * 3000}-py3-none-any.whl",
    f"dipy-{'9' * 6000}.11.0-py3-none-any.whl",
    f"{'../' * 1000}{_GOOD}",
    f"dipy{'-' * 5000}1.11.0-py3-none-any.whl",
    f"dipy-1.11.0.{'x' * 300}.tar.gz",
    f"dipy-1.11.0-{'_' * 190}-none-any.whl",
)


def hostile_names() -> Iterator[str]:
    """Yield each hostile file name once."""
    yield from (f"{before}{_GOOD}" for before in _PREFIXES)
    yield from (f"{_GOOD}{behind}" for behind in _SUFFIXES)
    yield from _NAMES


def listings_with(name: str) -> Iterator[tuple[str, Sequence[Step]]]:
    """Yield listings of two kinds with one file of this name."""
    page = f'<!DOCTYPE html><a href="{html.escape(name)}">{html.escape(name)}</a>'
    yield "HTML", [answer(200, page.encode("utf-8"))]
    files = {
        "meta": {"api-version": "1.1"},
        "name": "dipy",
        "files": [{"filename": name, "url": "x", "hashes": {}}],
    }
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    yield "JSON", [answer(200, json.dumps(files).encode(), kind)]

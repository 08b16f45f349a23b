"""Remarks of a page that it shows only a part of its files: sentences in HTML, and keys in JSON. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wheel_uploader.core.redaction import sanitize
from wheel_uploader.facts.listing_page import resolve_link

#: Characters at the start and at the end of a page that are searched for a remark.
_MAX_SEARCHED = 200_000

_THINGS = (
    r"(?:files?|file\(s\)|entries|items?|results?|objects?|artifacts?|assets?|packages?|wheels?|rows?"
    r"|records?|distributions?|dateien|einträge|fichiers?|éléments?|elementos|archivos|resultados)"
)
_VERBS = r"(?:showing|displaying|displayed|viewing|listing|listed|shown|zeige|angezeigt|affichage|mostrando)"
_NUMBER = r"([0-9]{1,9})"
_OF = r" ?(?:of|out of|von|sur|de|di|van) ?(?:about |approximately |~ ?)?"
_RANGE = rf"{_NUMBER} ?(?:-|\u2013|\u2014|to|through|bis|à) ?{_NUMBER}{_OF}{_NUMBER}"
#: After a number: the word for files, or no word.
_END = rf"(?![\w+-]|\.[0-9])(?= ?(?:{_THINGS}\b|[^a-z ]|$))"
#: ``Showing 1 to 50 of 120``, ``1-50 of 120``: the second and third number.
_PART = re.compile(
    rf"(?:\b{_VERBS}[ :]{{1,3}}|\b{_THINGS}[ :]{{1,3}}){_RANGE}\b(?!\.[0-9])|(?<![\w.+-]){_RANGE}{_END}",
    re.IGNORECASE,
)
#: ``100 of 345 files``, ``Showing 100 of 345``, ``first 100 of 345``, ``Files: 100 of 345``.
_COUNT = re.compile(
    rf"(?:{_VERBS} (?:only )?(?:the )?(?:(?:first|last|latest|newest|top) )?|\b{_THINGS}: |\bfirst )"
    rf"{_NUMBER}{_OF}{_NUMBER}{_END}"
    rf"|(?<![\w.+-]){_NUMBER}(?: {_THINGS})?{_OF}{_NUMBER} {_THINGS}"
    r"(?= ?(?:[.,;:!)|<\n]|$)| (?:are |were )?(?:shown|listed|displayed|visible|loaded|here|on this page)\b)",
    re.IGNORECASE,
)
#: ``Page 1 of 3``, ``1 of 3 pages``.
_PAGE = re.compile(
    rf"\b(?:page|seite|página|pagina) {_NUMBER}(?:{_OF}| ?/ ?){_NUMBER}\b|(?<![\w.+-]){_NUMBER}{_OF}{_NUMBER}"
    r" (?:pages|seiten|páginas)\b",
    re.IGNORECASE,
)
_LISTING = r"(?:list|listing|directory|results?|output|page|response|index|table|entries|files)"
_SHOWN = r"(?:shown|listed|displayed)"
_OMITTED = rf"(?:not {_SHOWN}|omitted|hidden)"
_STOP = r"(?= ?(?:[.,;!)]|\.\.\.|\u2026|\n|$))"
#: A listing that is cut, without the number of all files.
_CUT = re.compile(
    "|".join(
        (
            rf"\b{_LISTING}(?: (?!names?\b)[a-z]{{1,12}}){{0,3}} truncated\b(?! to )",
            r"\btruncated? (?:this |the )?(?:list|listing|directory|output|results)\b(?! to )",
            r"[(\[]truncated[)\]]",
            r"(?:\A|\n) ?(?:\.\.\.|\u2026)? ?truncated ?(?:\.\.\.|\u2026|[.!])? ?(?=\n|\Z)",
            rf"\b[0-9]{{1,9}} (?:[a-z]{{4,9}} )?{_THINGS} (?:are |were |have been )?{_OMITTED}\b",
            rf"(?:\band |\+ ?|\n ?|\A ?|\.\.\. ?|\u2026 ?)(?!0 )[0-9]{{1,9}} more {_THINGS}{_STOP}",
            rf"\btoo many {_THINGS} to (?:show|list|display)",
            r"\b(?:list|listing|directory listing) (?:is|may be) (?:incomplete|partial)\b",
        )
    ),
    re.IGNORECASE,
)
#: A listing that is cut at a number of files, if it has that many.
_LIMIT = re.compile(
    "|".join(
        (
            rf"\btruncated (?:this directory )?to (?:the )?(?:first )?{_NUMBER}\b",
            rf"\btruncate (?:this |the )?(?:list|listing|directory|output|results) to {_NUMBER}\b",
            rf"\b(?:first|last|latest|newest|top) {_NUMBER} {_THINGS} (?:are|were) {_SHOWN}",
            rf"\b{_VERBS} (?:only )?(?:the )?(?:first|last|latest|newest|top) {_NUMBER}(?! ?of\b|[0-9])",
            rf"\blimited to (?:the )?(?:first |last )?{_NUMBER} {_THINGS}",
        )
    ),
    re.IGNORECASE,
)
#: The next entries are loaded as soon as the user scrolls to the end.
_SCROLLED = re.compile(r"\bhx-trigger=[\"']?(?:revealed|intersect)", re.IGNORECASE)

#: A word of each remark, in lower case. Most pages have none, and the patterns above take much longer.
_HINT = re.compile(
    r"(?<![a-z])(?:of|von|sur|de|di|van|pages?|seiten?|p[aá]ginas?|truncated?|omitted|hidden|shown|listed"
    r"|displayed|more|too many|incomplete|partial|limited|first|last(?! modified)|latest|newest|top"
    r"|hx-trigger)(?![a-z])"
)

_INVISIBLE = re.compile(r"<(script|style|template)\b|<!--", re.IGNORECASE)
_CLOSING = {
    "script": re.compile(r"</script", re.IGNORECASE),
    "style": re.compile(r"</style", re.IGNORECASE),
    "template": re.compile(r"</template", re.IGNORECASE),
    "": re.compile(r"-->"),
}
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|li|ul|ol|tr|td|th|table|pre|hr|br|h[1-6]|section|footer|header|main|nav|body|html"
    r"|button|form|dl|dt|dd|title)\b[^<>]{0,2000}>",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-z][^<>]{0,2000}>", re.IGNORECASE)
_SEPARATOR = re.compile(r"(?<=[0-9])[,.'\u2019\u202f\u00a0](?=[0-9]{3}(?![0-9.]))")
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0\u202f]+")


def find_part_remark(text: str, *, is_first_page: bool = True) -> str:
    """Return the sentence of an HTML page that says that it shows a part of its files; empty without one.

    A page after the first one may give its own number of files: it is not compared with the total.
    """
    head, tail = text[:_MAX_SEARCHED], text[_MAX_SEARCHED:][-_MAX_SEARCHED:]
    for end in filter(None, (head, tail)):
        if not _HINT.search(end.lower()):
            continue
        shown = _extract_text(end)
        for match in _PART.finditer(shown):
            first, last, total = _read_numbers(match)
            if 0 < first <= last < total:
                return match[0].strip()
        for match in _PAGE.finditer(shown):
            number, total = _read_numbers(match)
            if 0 < number < total:
                return match[0].strip()
        for match in _COUNT.finditer(shown) if is_first_page else ():
            number, total = _read_numbers(match)
            if 0 < number < total:
                return match[0].strip()
        for match in _LIMIT.finditer(shown):
            if 0 < _read_numbers(match)[0] <= text.count("<a") + text.count("<A"):
                return match[0].strip()
        for pattern, searched in ((_CUT, shown), (_SCROLLED, end)):
            if found := pattern.search(searched):
                return found[0].strip()
    return ""


def _read_numbers(match: re.Match[str]) -> list[int]:
    return [int(value) for value in match.groups() if value]


def _extract_text(markup: str) -> str:
    """Return the visible text: one line for each block, numbers without separators of thousands."""
    visible, start = [], 0
    while match := _INVISIBLE.search(markup, start):
        visible.append(markup[start : match.start()])
        closing = _CLOSING[match[1].lower() if match[1] else ""].search(markup, match.end())
        start = closing.end() if closing else len(markup)
    visible.append(markup[start:])
    lines = _BLOCK_TAG.sub("\n", "".join(visible).replace("&nbsp;", " ").replace("\n", " "))
    text = _TAG.sub("", lines.replace("&ndash;", "-").replace("&hellip;", "..."))
    return _BLANKS.sub(" ", _SEPARATOR.sub("", text))


#: Objects of JSON that describe its pages.
_CONTAINERS = (
    *("", "meta", "_meta", "metadata", "pagination", "paging", "page", "pageInfo", "page_info"),
    *("links", "_links", "cursor", "response_metadata"),
)
_URL_KEYS = ("next", "nextlink", "odatanextlink", "nexturl", "nextpageurl", "nexthref", "nextpage")
_TOKEN_KEYS = frozenset(
    {"nextpagetoken", "nexttoken", "continuationtoken", "nextcontinuationtoken", "continuation"}
    | {"nextmarker", "nextcursor", "nextoffset", "nextstart", "nextkey", "nextpagenumber", "lastevaluatedkey"}
)
_FLAG_KEYS = frozenset(
    {"truncated", "istruncated", "hasmore", "hasnext", "hasnextpage", "hasmoreitems", "moreresults"}
    | {"incomplete", "incompleteresults", "ispartial", "partial", "more", "moreavailable"}
)
_LAST_KEYS = frozenset({"islast", "islastpage", "lastpage", "complete", "iscomplete"})
_TOTAL_KEYS = frozenset({"totalcount", "totalitems", "totalfiles", "totalresults", "totalentries"})
_PAGE_KEYS = ("page", "currentpage", "pagenumber", "number")
_PAGE_TOTAL_KEYS = ("totalpages", "pages", "pagecount", "lastpage", "numpages")
_NO_VALUES = frozenset({"", "0", "false", "null", "none"})


def find_json_continuation(data: object, base_url: str) -> tuple[str, str]:
    """Return the URL of the next page according to keys of JSON, or why there is none to request.

    Both are empty if nothing says that the listing goes on.
    """
    if not isinstance(data, dict):
        return "", ""
    count = max((len(value) for value in data.values() if isinstance(value, list)), default=0)
    obstacle = ""
    for name, container in _iter_containers(data):
        names = {_normalize(key): key for key in container}
        values = {key: container[original] for key, original in names.items()}
        for key in _URL_KEYS:
            if link := _find_link(values.get(key)):
                url = resolve_link(base_url, link).partition("#")[0]
                if url and url != base_url:
                    return url, ""
        if not obstacle and (key := _find_key(values, count)):
            path = f"{name}.{names[key]}".lstrip(".")
            obstacle = f"its JSON says so with '{sanitize(path, limit=80)}'"
    return "", obstacle


def _iter_containers(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in _CONTAINERS:
        container = data.get(name) if name else data
        if isinstance(container, dict):
            yield name, container
            if name in {"meta", "_meta", "metadata"}:
                yield from ((f"{name}.{key}", value) for key, value in _iter_containers_of_meta(container))


def _iter_containers_of_meta(meta: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("pagination", "paging", "page", "links", "cursor"):
        if isinstance(meta.get(name), dict):
            yield name, meta[name]


def _normalize(key: str) -> str:
    return re.sub(r"[^a-z]", "", key[:60].lower())


def _find_link(value: object) -> str:
    """Return a link that looks like one, as text or in an object (``href``, ``url``); empty for a token."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("href", "url") if isinstance(value.get(key), str)), None)
    if not isinstance(value, str) or not value.strip():
        return ""
    text = value.strip()
    return text if text.startswith(("/", "?", "./", "http:", "https:")) or "/?" in text else ""


def _find_key(values: Mapping[str, Any], count: int) -> str:
    """Return the key that says that more than ``count`` entries, or more pages, exist; empty without one."""
    for key, value in values.items():
        text = value.strip().lower() if isinstance(value, str) else ""
        is_yes = value is True or text == "true"
        is_position = is_yes or (type(value) is int and value > 0) or text not in _NO_VALUES
        if (
            (key in _LAST_KEYS and value is False)
            or (key in _TOTAL_KEYS and type(value) is int and value > count)
            or (key in _FLAG_KEYS and is_yes)
            or ((key in _TOKEN_KEYS or key in _URL_KEYS) and (is_position or (value and not text)))
        ):
            return key
    number = next((key for key in _PAGE_KEYS if type(values.get(key)) is int), "")
    total = next((key for key in _PAGE_TOTAL_KEYS if type(values.get(key)) is int), "")
    return total if number and total and 0 < values[number] < values[total] else ""

"""Remarks of a page that it shows only a part of its files: sentences in HTML, and keys in JSON. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wheel_uploader.core.redaction import sanitize
from wheel_uploader.facts.listing_page import resolve_link

#: Characters at the start and at the end of a page that are searched for a remark.
_MAX_SEARCHED = 200_000

#: A word of each remark, in lower case. Most pages have none, apart from "Index of" in their titles, and the
#: patterns of the sentences take much longer.
_HINT = re.compile(
    r"(?<![a-z])(?:(?<!index )of|von|sur|de|di|van|pages?|seiten?|p[aá]ginas?|truncated?|omitted|hidden"
    r"|shown|listed|displayed|more|too many|incomplete|partial|limited|first|last(?! modified)|latest|newest"
    r"|top|hx-trigger)(?![a-z])"
)


def find_part_remark(text: str, *, is_first_page: bool = True) -> str:
    """Return the sentence of an HTML page that says that it shows a part of its files; empty without one.

    A page after the first one may give its own number of files: it is not compared with the total.
    """
    head, tail = text[:_MAX_SEARCHED], text[_MAX_SEARCHED:][-_MAX_SEARCHED:]
    for end in filter(None, (head, tail)):
        if _HINT.search(end.lower()):
            from wheel_uploader.facts.part_sentences import find_part_sentence

            link_count = text.count("<a") + text.count("<A")
            if sentence := find_part_sentence(end, link_count=link_count, is_first_page=is_first_page):
                return sentence
    return ""


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

"""Sentences of a page in HTML that say that it shows only a part of its files. No I/O.

Only imported for pages with a word of such a sentence: the patterns take several milliseconds to compile.
"""

from __future__ import annotations

import re

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


def find_part_sentence(markup: str, *, link_count: int, is_first_page: bool) -> str:
    """Return the first such sentence of a page, or of its start or end; empty without one.

    A list that is cut at a number of files is complete with fewer links. A page after the first one may give
    its own number of files: it is not compared with the total.
    """
    shown = _extract_text(markup)
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
        if 0 < _read_numbers(match)[0] <= link_count:
            return match[0].strip()
    for pattern, searched in ((_CUT, shown), (_SCROLLED, markup)):
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

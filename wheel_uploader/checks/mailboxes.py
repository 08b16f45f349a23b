"""Mail addresses of core metadata, read as PyPI reads them and alike on every Python.

PyPI calls ``email.utils.parseaddr`` in its strict form and validates the one address that comes back; a field
from which nothing comes back passes. The strict form is not in every release of the supported Pythons (3.11.7
and 3.12.1 lack it), so its rules are repeated here. They are those of RFC 822 with its obsolete forms.
"""

from __future__ import annotations

from collections.abc import Iterator

_BLANKS = " \t"
_SPACE = " \t\r\n"
_SPECIALS = '()<>@,:;."[]'
_ATOM_ENDS = _SPECIALS + _SPACE
#: A phrase such as ``J. Doe`` may have dots.
_PHRASE_ENDS = _ATOM_ENDS.replace(".", "")


def only_address(value: str) -> str:
    """Return the address of a field that has exactly one; empty if PyPI reads none or several."""
    if not _is_balanced(value):
        return ""
    found = _Reader(value).addresses()
    return found[0] if len(found) == 1 and "[" not in found[0] else ""


def _is_balanced(value: str) -> bool:
    """Return whether every parenthesis outside quoted text and escapes is closed."""
    depth = 0
    for character in _outside_quotes(value):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _outside_quotes(value: str) -> Iterator[str]:
    """Yield the characters that are neither escaped nor in quotes; an open quote is ordinary text."""
    pieces: list[list[str]] = [[]]
    characters = iter(value)
    for character in characters:
        if character == "\\":
            next(characters, "")
        elif character == '"':
            pieces.append([])
        else:
            pieces[-1].append(character)
    for number, piece in enumerate(pieces):
        if number % 2 == 0 or number == len(pieces) - 1:
            yield from piece


class _Reader:
    """A position in the text of a field, and what can be read from there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def addresses(self) -> list[str]:
        """Return every address; an empty one for each part that is not one."""
        found: list[str] = []
        while self._more():
            found += self._address() or [""]
        return found

    def _more(self) -> bool:
        return self._at < len(self._text)

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _address(self) -> list[str]:
        """Return the addresses of one mailbox or one group, with the groups inside it."""
        found: list[str] = []
        open_groups = 0
        while True:
            opened, addresses = self._mailbox()
            found += addresses
            open_groups += opened
            if not opened:
                self._end_part()
            while open_groups:
                self._skip_space()
                if self._next() == ";":
                    self._at += 1
                elif self._more():
                    break
                open_groups -= 1
                self._end_part()
            if not open_groups:
                return found

    def _end_part(self) -> None:
        self._skip_space()
        if self._next() == ",":
            self._at += 1

    def _mailbox(self) -> tuple[bool, list[str]]:
        """Return whether a group begins here, else the address that is here."""
        self._skip_space()
        start = self._at
        words = self._phrase()
        self._skip_space()
        character = self._next()
        if character and character in ".@":
            self._at = start
            return False, [self._plain_address()]
        if character == ":":
            self._at += 1
            return True, []
        if character == "<":
            return False, [self._address_in_brackets()]
        if not words and character and character in _SPECIALS:
            self._at += 1
        return False, words[:1]

    def _address_in_brackets(self) -> str:
        self._at += 1
        self._skip_space()
        in_route = False
        while self._more():
            character = self._next()
            if in_route:
                self._domain()
                in_route = False
            elif character == ">":
                self._at += 1
                break
            elif character in "@:":
                self._at += 1
                in_route = character == "@"
            else:
                address = self._plain_address()
                self._at += 1
                return address
            self._skip_space()
        return ""

    def _plain_address(self) -> str:
        """Return ``local@domain``, or the local part alone; empty if a domain is announced and missing."""
        parts: list[str] = []
        self._skip_space()
        while self._more():
            character = self._next()
            keeps_blanks = character != "."
            if character == ".":
                self._drop_blank(parts)
                parts.append(".")
                self._at += 1
            elif character == '"':
                quoted = self._delimited('"\r').replace("\\", "\\\\").replace('"', '\\"')
                parts.append(f'"{quoted}"')
            elif character in _ATOM_ENDS:
                self._drop_blank(parts)
                break
            else:
                parts.append(self._atom(_ATOM_ENDS))
            blanks = self._skip_space()
            if keeps_blanks and blanks:
                parts.append(blanks)
        if self._next() != "@":
            return "".join(parts)
        self._at += 1
        self._skip_space()
        domain = self._domain()
        return f"{''.join(parts)}@{domain}" if domain else ""

    @staticmethod
    def _drop_blank(parts: list[str]) -> None:
        if parts and not parts[-1].strip():
            parts.pop()

    def _domain(self) -> str:
        parts: list[str] = []
        while self._more():
            character = self._next()
            if character in _BLANKS:
                self._at += 1
            elif character == "(":
                self._skip_comment()
            elif character == "[":
                literal = self._delimited("]\r")
                parts.append(f"[{literal}]")
            elif character == ".":
                self._at += 1
                parts.append(".")
            elif character == "@":
                return ""
            elif character in _ATOM_ENDS:
                break
            else:
                parts.append(self._atom(_ATOM_ENDS))
        return "".join(parts)

    def _phrase(self) -> list[str]:
        words: list[str] = []
        while self._more():
            character = self._next()
            if character in _SPACE:
                self._at += 1
            elif character == '"':
                words.append(self._delimited('"\r'))
            elif character == "(":
                self._skip_comment()
            elif character in _PHRASE_ENDS:
                break
            else:
                words.append(self._atom(_PHRASE_ENDS))
        return words

    def _atom(self, ends: str) -> str:
        start = self._at
        while self._more() and self._next() not in ends:
            self._at += 1
        return self._text[start : self._at]

    def _delimited(self, ends: str) -> str:
        """Return the text between the delimiter here and the next of ``ends``, without its escapes."""
        self._at += 1
        parts: list[str] = []
        while self._more():
            character = self._next()
            self._at += 1
            if character in ends:
                break
            if character == "\\":
                character = self._next()
                self._at += 1
            parts.append(character)
        return "".join(parts)

    def _skip_comment(self) -> None:
        """Skip a comment and those inside it."""
        depth = 0
        while self._more():
            character = self._next()
            self._at += 2 if character == "\\" else 1
            if character == "(":
                depth += 1
            elif character in ")\r":
                depth -= 1
                if not depth:
                    break

    def _skip_space(self) -> str:
        """Skip blanks, line ends and comments; return the blanks."""
        blanks: list[str] = []
        while self._more():
            character = self._next()
            if character == "(":
                self._skip_comment()
            elif character in _SPACE:
                if character in _BLANKS:
                    blanks.append(character)
                self._at += 1
            else:
                break
        return "".join(blanks)

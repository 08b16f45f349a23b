"""Email addresses of core metadata, parsed as on PyPI and identically on every Python.

PyPI calls ``email.utils.parseaddr`` in strict mode and validates the single address that it returns; a field
for which it returns nothing passes. Strict mode is missing from some releases of the supported Python
versions (3.11.7 and 3.12.1), so this module reimplements its rules: those of RFC 822, including its obsolete
forms.
"""

from __future__ import annotations

from collections.abc import Iterator

_BLANKS = " \t"
_WHITESPACE = " \t\r\n"
_SPECIALS = '()<>@,:;."[]'
_ATOM_ENDS = _SPECIALS + _WHITESPACE
#: A phrase such as ``J. Doe`` may contain dots.
_PHRASE_ENDS = _ATOM_ENDS.replace(".", "")


def parse_single_address(value: str) -> str:
    """Return the address of a field with exactly one; empty if PyPI reads none or several."""
    if not _is_balanced(value):
        return ""
    addresses = _AddressParser(value).parse()
    return addresses[0] if len(addresses) == 1 and "[" not in addresses[0] else ""


def _is_balanced(value: str) -> bool:
    """Return whether every parenthesis outside quoted strings and escapes is closed."""
    depth = 0
    for character in _iter_unquoted(value):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _iter_unquoted(value: str) -> Iterator[str]:
    """Yield the characters that are neither escaped nor quoted; an unclosed quote is ordinary text."""
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


class _AddressParser:
    """Recursive-descent parser for the text of an address field."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def parse(self) -> list[str]:
        """Return every address; an empty string for each part that is not an address."""
        addresses: list[str] = []
        while self._has_more():
            addresses += self._parse_address() or [""]
        return addresses

    def _has_more(self) -> bool:
        return self._position < len(self._text)

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _parse_address(self) -> list[str]:
        """Return the addresses of one mailbox or one group, including nested groups."""
        addresses: list[str] = []
        open_groups = 0
        while True:
            is_group, mailbox = self._parse_mailbox()
            addresses += mailbox
            open_groups += is_group
            if not is_group:
                self._skip_separator()
            while open_groups:
                self._skip_space()
                if self._peek() == ";":
                    self._position += 1
                elif self._has_more():
                    break
                open_groups -= 1
                self._skip_separator()
            if not open_groups:
                return addresses

    def _skip_separator(self) -> None:
        self._skip_space()
        if self._peek() == ",":
            self._position += 1

    def _parse_mailbox(self) -> tuple[bool, list[str]]:
        """Return whether a group starts at the current position, and the addresses found there."""
        self._skip_space()
        start = self._position
        words = self._parse_phrase()
        self._skip_space()
        character = self._peek()
        if character and character in ".@":
            self._position = start
            return False, [self._parse_plain_address()]
        if character == ":":
            self._position += 1
            return True, []
        if character == "<":
            return False, [self._parse_angle_address()]
        if not words and character and character in _SPECIALS:
            self._position += 1
        return False, words[:1]

    def _parse_angle_address(self) -> str:
        self._position += 1
        self._skip_space()
        in_route = False
        while self._has_more():
            character = self._peek()
            if in_route:
                self._parse_domain()
                in_route = False
            elif character == ">":
                self._position += 1
                break
            elif character in "@:":
                self._position += 1
                in_route = character == "@"
            else:
                address = self._parse_plain_address()
                self._position += 1
                return address
            self._skip_space()
        return ""

    def _parse_plain_address(self) -> str:
        """Return ``local@domain``, or the local part alone; empty if a domain is missing after the ``@``."""
        parts: list[str] = []
        self._skip_space()
        while self._has_more():
            character = self._peek()
            keeps_blanks = character != "."
            if character == ".":
                self._remove_trailing_blank(parts)
                parts.append(".")
                self._position += 1
            elif character == '"':
                quoted = self._parse_delimited('"\r').replace("\\", "\\\\").replace('"', '\\"')
                parts.append(f'"{quoted}"')
            elif character in _ATOM_ENDS:
                self._remove_trailing_blank(parts)
                break
            else:
                parts.append(self._parse_atom(_ATOM_ENDS))
            blanks = self._skip_space()
            if keeps_blanks and blanks:
                parts.append(blanks)
        if self._peek() != "@":
            return "".join(parts)
        self._position += 1
        self._skip_space()
        domain = self._parse_domain()
        return f"{''.join(parts)}@{domain}" if domain else ""

    @staticmethod
    def _remove_trailing_blank(parts: list[str]) -> None:
        if parts and not parts[-1].strip():
            parts.pop()

    def _parse_domain(self) -> str:
        parts: list[str] = []
        while self._has_more():
            character = self._peek()
            if character in _BLANKS:
                self._position += 1
            elif character == "(":
                self._skip_comment()
            elif character == "[":
                literal = self._parse_delimited("]\r")
                parts.append(f"[{literal}]")
            elif character == ".":
                self._position += 1
                parts.append(".")
            elif character == "@":
                return ""
            elif character in _ATOM_ENDS:
                break
            else:
                parts.append(self._parse_atom(_ATOM_ENDS))
        return "".join(parts)

    def _parse_phrase(self) -> list[str]:
        words: list[str] = []
        while self._has_more():
            character = self._peek()
            if character in _WHITESPACE:
                self._position += 1
            elif character == '"':
                words.append(self._parse_delimited('"\r'))
            elif character == "(":
                self._skip_comment()
            elif character in _PHRASE_ENDS:
                break
            else:
                words.append(self._parse_atom(_PHRASE_ENDS))
        return words

    def _parse_atom(self, ends: str) -> str:
        start = self._position
        while self._has_more() and self._peek() not in ends:
            self._position += 1
        return self._text[start : self._position]

    def _parse_delimited(self, ends: str) -> str:
        """Return the text from the current delimiter to the next of ``ends``, unescaped."""
        self._position += 1
        parts: list[str] = []
        while self._has_more():
            character = self._peek()
            self._position += 1
            if character in ends:
                break
            if character == "\\":
                character = self._peek()
                self._position += 1
            parts.append(character)
        return "".join(parts)

    def _skip_comment(self) -> None:
        """Skip a comment, including nested comments."""
        depth = 0
        while self._has_more():
            character = self._peek()
            self._position += 2 if character == "\\" else 1
            if character == "(":
                depth += 1
            elif character in ")\r":
                depth -= 1
                if not depth:
                    break

    def _skip_space(self) -> str:
        """Skip blanks, line breaks and comments; return the blanks."""
        blanks: list[str] = []
        while self._has_more():
            character = self._peek()
            if character == "(":
                self._skip_comment()
            elif character in _WHITESPACE:
                if character in _BLANKS:
                    blanks.append(character)
                self._position += 1
            else:
                break
        return "".join(blanks)

"""SHA256SUMS: the lines that sha256sum, BSD's sha256 and openssl write, parsed. Pure."""

from __future__ import annotations

import re

from wheel_uploader.display import printable
from wheel_uploader.errors import UsageError

#: ``hex  name`` and ``hex *name`` of sha256sum, which puts a backslash before a line with an escaped name.
_GNU = re.compile(r"\\?([0-9A-Fa-f]{64})[ \t]+\*?(\S.*)")
#: ``SHA256 (name) = hex`` of BSD and ``sha256sum --tag``, ``SHA2-256(name)= hex`` of openssl.
_TAGGED = re.compile(r"SHA(?:2-)?256 ?\((.+)\) ?= ?([0-9A-Fa-f]{64})")
#: Lines that an error quotes.
_SHOWN = 10


def parse_line(line: str) -> tuple[str, str] | None:
    """The name, without directories, and the hex sha256 of one line; None when it has another form."""
    line = line.strip()
    if found := _GNU.fullmatch(line):
        digest, name = found.groups()
    elif found := _TAGGED.fullmatch(line):
        name, digest = found.groups()
    else:
        return None
    return re.split(r"[/\\]", name)[-1], digest.lower()


def lines_of(text: str) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers: neither empty nor a ``# comment``."""
    numbered = enumerate((line.strip() for line in text.splitlines()), start=1)
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def parse(text: str, where: str) -> dict[str, str]:
    """File name to hex sha256; ``where`` is the file, for errors. Raises UsageError for all that is wrong."""
    sums: dict[str, str] = {}
    wrong = []
    for number, line in lines_of(text):
        found = parse_line(line)
        if found is None:
            wrong.append(f"line {number}: '{printable(line, limit=100)}'")
        elif sums.setdefault(*found) != found[1]:
            wrong.append(f"line {number}: another sha256 for {printable(found[0])} than before")
    if wrong or not sums:
        raise UsageError(
            f"{printable(where)} is not in the format of SHA256SUMS"
            if wrong
            else f"{printable(where)} is empty",
            details=wrong[:_SHOWN]
            + ([f"and {len(wrong) - _SHOWN} more lines"] if len(wrong) > _SHOWN else []),
            hint="Each line is 'sha256  file name', as 'sha256sum *' writes it.",
        )
    return sums

"""Parse SHA256SUMS in the formats of sha256sum, BSD's sha256 and openssl."""

from __future__ import annotations

import re

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.redaction import sanitize

#: ``hex  name`` and ``hex *name`` of sha256sum, which starts a line with a backslash if the name is escaped.
_GNU = re.compile(r"\\?([0-9A-Fa-f]{64})[ \t]+\*?(\S.*)")
#: ``SHA256 (name) = hex`` of BSD and ``sha256sum --tag``, ``SHA2-256(name)= hex`` of openssl.
_TAGGED = re.compile(r"SHA(?:2-)?256 ?\((.+)\) ?= ?([0-9A-Fa-f]{64})")
#: Number of lines that an error message quotes.
_MAX_QUOTED = 10


def parse_checksum_line(line: str) -> tuple[str, str] | None:
    """Return the file name, without directories, and the hex sha256 of a line; None if it is malformed."""
    line = line.strip()
    if match := _GNU.fullmatch(line):
        digest, name = match.groups()
    elif match := _TAGGED.fullmatch(line):
        name, digest = match.groups()
    else:
        return None
    return re.split(r"[/\\]", name)[-1], digest.lower()


def iter_content_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines and their numbers, without empty lines and ``# comments``."""
    numbered = enumerate((line.strip() for line in text.splitlines()), start=1)
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def parse_sha256sums(text: str, source: str) -> dict[str, str]:
    """Return a mapping of file name to hex sha256. Raises UsageError that lists every error in ``source``."""
    sums: dict[str, str] = {}
    errors = []
    for number, line in iter_content_lines(text):
        parsed_line = parse_checksum_line(line)
        if parsed_line is None:
            errors.append(f"line {number}: '{sanitize(line, limit=100)}'")
        elif sums.setdefault(*parsed_line) != parsed_line[1]:
            errors.append(
                f"line {number}: different sha256 for {sanitize(parsed_line[0])} than on an earlier line"
            )
    if errors or not sums:
        raise UsageError(
            f"{sanitize(source)} is not in SHA256SUMS format" if errors else f"{sanitize(source)} is empty",
            details=errors[:_MAX_QUOTED]
            + ([f"and {len(errors) - _MAX_QUOTED} more lines"] if len(errors) > _MAX_QUOTED else []),
            hint="Each line must be 'sha256  file name', as printed by 'sha256sum *'.",
        )
    return sums

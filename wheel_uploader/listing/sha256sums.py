"""Parse SHA256SUMS in the formats of sha256sum, BSD's sha256, openssl, pip hash and PowerShell.

A list may be clear-signed (RFC 9580, section 7), and may have blocks of other algorithms, whose lines are
skipped if the same files also have a SHA-256.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.redaction import sanitize

#: ``hex  name`` and ``hex *name`` of sha256sum, which starts a line with a backslash if the name is escaped;
#: ``sha256:hex  name`` of pip, GitHub and container tools; ``SHA256  hex  path`` of PowerShell.
_GNU = re.compile(r"\\?(?:(?i:sha-?256)[:= \t][ \t]*)?([0-9A-Fa-f]{64})[ \t]+\*?(\S.*)")
#: ``SHA256 (name) = hex`` of BSD and ``sha256sum --tag``, ``SHA2-256(name)= hex`` of openssl.
_TAGGED = re.compile(r"(?i:SHA(?:2-)?-?256) ?\((.+)\) ?= ?([0-9A-Fa-f]{64})")

#: Names of algorithms, other than SHA-256, in front of a digest or above a block of them.
_OTHER_NAMES = (
    r"(?i:MD5|RMD160|RIPEMD-?160|SHA-?(?:1|224|384|512(?:[/-](?:224|256))?)|SHA2-(?:224|384|512)"
    r"|SHA3-(?:224|256|384|512)|BLAKE2[bs]?(?:[-_]\d{3})?|BLAKE3)"
)
_OTHER_GNU = re.compile(rf"\\?(?:({_OTHER_NAMES})[:= \t][ \t]*)?([0-9A-Fa-f]{{32,128}})[ \t]+\*?(\S.*)")
_OTHER_TAGGED = re.compile(rf"({_OTHER_NAMES}) ?\((.+)\) ?= ?[0-9A-Fa-f]{{32,128}}")
#: The algorithm by the length of its hex digest, for digests without a name.
_ALGORITHM_BY_LENGTH = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 96: "SHA-384", 128: "SHA-512"}

#: A heading above a block: ``MD5``, ``# SHA-256 checksums:``, ``Checksums``.
_HEADING = re.compile(
    rf"#*+[ \t]*+(?:({_OTHER_NAMES})|(?i:SHA(?:2-)?-?256))?[ \t]{{0,3}}"
    r"(?i:(?:check)?sums?|hash(?:es)?|digests?)?:{0,2}"
)
#: Lines that underline a heading, fence code (reStructuredText, Markdown) or head PowerShell's table.
_DECORATION = re.compile(r"[=~^\"'*+#_ -]{3,}|::|```[A-Za-z]{0,10}|(?i:Algorithm[ \t]+Hash[ \t]+Path)[ \t]*")

#: A line of ``pip hash``, which comes after ``name:``.
_PIP_HASH = re.compile(r"--hash=(?i:sha256):([0-9A-Fa-f]{64})")
#: A requirement with hashes, or the rest of one on the next line.
_REQUIREMENT = re.compile(r"(?:[A-Za-z0-9][^#]{0,200}[ \t])?--hash[= ]")

_SIGNED_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE_BEGIN, _SIGNATURE_END = "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"

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
    return _base_name(name), digest.lower()


#: A comment after a file name, which it cannot be a part of.
_TRAILING_COMMENT = re.compile(r"(?:(?<=\.whl)|(?<=\.zip)|(?<=\.gz))[ \t]{1,80}#.*\Z")


def _base_name(name: str) -> str:
    return re.split(r"[/\\]", _TRAILING_COMMENT.sub("", name).strip())[-1]


def parse_other_checksum_line(line: str) -> tuple[str, str] | None:
    """Return the file name and the algorithm of a line with a digest that is not a SHA-256, or None."""
    line = line.strip()
    if match := _OTHER_TAGGED.fullmatch(line):
        return _base_name(match[2]), match[1].upper()
    match = _OTHER_GNU.fullmatch(line)
    algorithm = match and (match[1] or _ALGORITHM_BY_LENGTH.get(len(match[2])))
    return (_base_name(match[3]), algorithm.upper()) if match and algorithm else None


def iter_content_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines and their numbers, without empty lines, ``# comments`` and a signature around them."""
    return [(number, line) for number, line in _iter_lines(text) if not line.startswith("#")]


def _iter_lines(text: str) -> Iterator[tuple[int, str]]:
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    content = _strip_armor(numbered) if is_clear_signed(text) else numbered
    return ((number, line) for number, line in content if line)


def is_clear_signed(text: str) -> bool:
    """Return whether the text is a clear-signed OpenPGP message, or contains one."""
    return any(line.strip() == _SIGNED_BEGIN for line in text.splitlines())


def _strip_armor(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the signed lines, and those outside the message, which no caller accepts.

    A message without a signature was cut, so its BEGIN line is yielded, too.
    """
    begin = (0, "")
    part = "outside"
    for number, line in lines:
        if part == "outside":
            if line == _SIGNED_BEGIN:
                begin, part = (number, line), "headers"
            elif line:
                yield number, f"(outside the signed text) {line}"
        elif line == _SIGNATURE_BEGIN:
            part = "signature"
        elif part == "signature":
            part = "outside" if line == _SIGNATURE_END else part
        elif part == "headers":
            part = part if line else "text"
        else:
            yield number, line.removeprefix("- ")
    if part != "outside":
        yield begin[0], f"{begin[1]} (without the end of its signature: the text was cut)"


@dataclass(slots=True)
class _Reader:
    """Reads a list line by line."""

    sums: dict[str, str] = field(default_factory=dict)
    #: Line number to error.
    errors: dict[int, str] = field(default_factory=dict)
    #: Lines with another algorithm: their number, text, file name and algorithm.
    others: list[tuple[int, str, str, str]] = field(default_factory=list)
    has_requirements: bool = False
    #: The algorithm that the last heading names, if it is not SHA-256.
    block: str = ""
    #: The file name that ``pip hash`` printed on the line before.
    pip_name: str = ""

    def read(self, number: int, line: str) -> None:
        """Read one line, without whitespace around it."""
        pip_name, self.pip_name = self.pip_name, ""
        checksum = parse_checksum_line(line)
        if checksum and self.block and not _TAGGED.fullmatch(line):
            self.others.append((number, line, checksum[0], self.block))
        elif checksum:
            self._add(number, *checksum)
        elif pip_name and (match := _PIP_HASH.fullmatch(line)):
            self._add(number, pip_name, match[1].lower())
        elif other := parse_other_checksum_line(line):
            self.others.append((number, line, *other))
        elif match := _HEADING.fullmatch(line):
            self.block = (match[1] or "").upper()
        elif line.startswith("#") or _DECORATION.fullmatch(line):
            pass
        elif line.endswith((".whl:", ".tar.gz:", ".zip:")):
            self.pip_name = _base_name(line.removesuffix(":"))
        else:
            self.has_requirements = self.has_requirements or bool(_REQUIREMENT.match(line))
            self.errors[number] = f"'{sanitize(line, limit=100)}'"

    def _add(self, number: int, name: str, digest: str) -> None:
        if self.sums.setdefault(name, digest) != digest:
            self.errors[number] = f"different sha256 for {sanitize(name)} than on an earlier line"

    def list_errors(self) -> list[str]:
        """Return all errors; empty if every file has a SHA-256, whatever other digests the list has."""
        if not self.errors and all(name in self.sums for _, _, name, _ in self.others):
            return []
        errors = dict(self.errors)
        for number, line, name, algorithm in self.others:
            errors[number] = f"'{sanitize(line, limit=100)}'"
            if name not in self.sums:
                errors[number] += (
                    f" is {algorithm}, and no line has the SHA-256 of {sanitize(name, limit=200)}"
                )
        return [f"line {number}: {error}" for number, error in sorted(errors.items())]


def parse_sha256sums(text: str, source: str) -> Mapping[str, str]:
    """Return a mapping of file name to hex sha256. Raises UsageError that lists every error in ``source``.

    The signature of a clear-signed list is not verified.
    """
    reader = _Reader()
    for number, line in _iter_lines(text):
        reader.read(number, line)
    errors = reader.list_errors()
    if errors or not reader.sums:
        hint = "Each line must be 'sha256  file name', as printed by 'sha256sum *'."
        if reader.has_requirements:
            hint = f"It looks like requirements with --hash, which do not name files. {hint}"
        raise UsageError(
            f"{sanitize(source)} is not in SHA256SUMS format" if errors else f"{sanitize(source)} is empty",
            details=errors[:_MAX_QUOTED]
            + (
                [f"and {format_count(len(errors) - _MAX_QUOTED, 'more line')}"]
                if len(errors) > _MAX_QUOTED
                else []
            ),
            hint=hint,
        )
    return reader.sums

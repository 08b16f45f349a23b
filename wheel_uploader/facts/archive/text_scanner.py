"""Scan the text members of an archive for secrets, invalid and encrypted source, and its version.

The scanner stores where it found something, never what: that may be a secret.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import TextFact, TextFactKind
from wheel_uploader.facts.archive import obfuscation, path_kinds, python_source, secret_patterns
from wheel_uploader.facts.archive.python_source import NO_FACTS, SourceFacts
from wheel_uploader.facts.archive.secret_patterns import Passage

#: Larger members are not scanned: people do not write such text.
MAX_SCANNED_SIZE = 1 << 20
#: Bytes of the largest source that is retained to be parsed, and of all sources of an archive.
MAX_SOURCE_SIZE = 256 << 10
#: Python sources of an archive, in bytes, up to which all are retained and parsed.
MAX_FULLY_PARSED_SIZE = 128 << 10
#: The same, up to which each line of them is compared with statements.
_MAX_EACH_LINE_SIZE = 1 << 20
#: Bytes at the beginning of a member that decide whether it is text.
_HEAD_SIZE = 1024
#: Facts of one kind about a member.
_MAX_FACTS = 3
#: Attempts to match, for text in which a searched pattern begins very often.
_MAX_ATTEMPTS = 100

_CONFLICT_BEGINNING = b"<<<<<<<"
#: Searching for a text that ends in a space, the most frequent byte, takes longer.
_CONFLICT_LINE = b"\n" + _CONFLICT_BEGINNING
_CONFLICT_MIDDLE = re.compile(rb"\n=======\r?\n")
_CODE_FENCE = b"```"

#: Statements that only some Python versions can parse, at the beginning of a line. What matches may still be
#: part of a docstring, so the source is parsed afterwards.
_STATEMENTS = re.compile(
    rb"""\n[ \t]{0,100}(?:
        (?P<python2>
            print[ \t]{1,9}["'\w`]
          | exec[ \t]{1,9}["'\w]
          | raise[ \t]{1,9}[\w.]{1,60}[ \t]?,
          | except[ \t]{1,9}[\w.]{1,60}[ \t]?,
          | except[ \t]{1,9}\([\w., \t]{1,200}\)[ \t]?,
        )
      | (?P<match> case[ \t]{1,9}[^\n:]{1,100}: )
      | (?P<group> except[ \t]?\* )
      | (?P<generic> (?:def|class)[ ]\w{1,60}\[ | type[ ]\w{1,60}[ \[][^\n]{0,60}= )
    )""",
    re.VERBOSE,
)
#: The most frequent one of Python 2. A pattern that begins with the rarest character is searched for in half
#: the time of the literal, and a fifth of the time of all statements.
_FREQUENT_PYTHON_2 = (re.compile(rb'"(?<=print ")'), re.compile(rb"'(?<=print ')"))
_KIND_OF_GROUP = {
    "python2": TextFactKind.PYTHON_2,
    "match": TextFactKind.PYTHON_3_10,
    "group": TextFactKind.PYTHON_3_11,
    "generic": TextFactKind.PYTHON_3_12,
}


class ScanDepth(enum.Enum):
    """How thoroughly the Python modules of an archive are scanned, by their size in total.

    Other text is always scanned completely.
    """

    #: Every module is retained to be parsed.
    PARSE_ALL = enum.auto()
    #: Each line is compared with the statements that some Python versions cannot parse.
    EACH_LINE = enum.auto()
    #: Only the most frequent statement of Python 2, and tokens with long random parts, are searched for, and
    #: tests are skipped: searching for more takes as long as unpacking.
    QUICK = enum.auto()
    #: Secrets and conflicts are searched for everywhere, and statements nowhere: an sdist has no tags.
    NO_STATEMENTS = enum.auto()


def choose_depth(python_size: int) -> ScanDepth:
    """Return how thoroughly Python modules of ``python_size`` bytes in total are scanned."""
    if python_size <= MAX_FULLY_PARSED_SIZE:
        return ScanDepth.PARSE_ALL
    return ScanDepth.EACH_LINE if python_size <= _MAX_EACH_LINE_SIZE else ScanDepth.QUICK


class TextScanner:
    """A scanner that receives the chunks of one member, and examines them together after the last one.

    The results are complete after ``finish``.
    """

    def __init__(
        self, member: str, size: int, budget: Budget, depth: ScanDepth, *, finds_obfuscation: bool = True
    ) -> None:
        self._member = member
        self._budget = budget
        self._depth = depth
        self._is_python = member.endswith(".py")
        self._is_source = python_source.is_python_source(member)
        self._finds_obfuscation = finds_obfuscation and obfuscation.is_scanned_by_pypi(member, size)
        self._is_text = size <= MAX_SCANNED_SIZE and not (
            self._is_python and depth is ScanDepth.QUICK and path_kinds.is_test_path(member)
        )
        self._is_small = size <= MAX_SOURCE_SIZE
        #: True if other checks than that for text need the chunks; sources that are too large are not read.
        self._is_needed = self._finds_obfuscation or (
            self._is_source and size <= python_source.MAX_SOURCE_SIZE
        )
        self._chunks: list[bytes] = []
        self._has_data = False
        #: The findings, in order.
        self.facts: tuple[TextFact, ...] = ()
        #: The contents of a Python module that may not parse; None for all others.
        self.source: bytes | None = None
        #: The facts that identify a source file across archives.
        self.source_facts = NO_FACTS
        #: The tool that encrypted the source; empty if none did.
        self.obfuscation_tool = ""

    def feed(self, chunk: bytes) -> None:
        """Receive the next chunk of the member."""
        if self._is_text and not self._has_data and chunk.find(b"\0", 0, _HEAD_SIZE) >= 0:
            self._is_text = False
        self._has_data = True
        if self._is_text or self._is_needed:
            self._chunks.append(chunk)

    def finish(self, crc: int | None) -> None:
        """Examine the member, whose bytes have this CRC-32; None if it was not received completely."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        if self._finds_obfuscation and data:
            self.obfuscation_tool = obfuscation.find_tool(data)
        if crc is None:
            return
        if self._is_source:
            # Without its data, a source is compared by its CRC alone.
            is_retained = bool(data) or not self._has_data
            self.source_facts = (
                python_source.read_source_facts(self._member, data, crc) if is_retained else SourceFacts(crc)
            )
        if self._is_text and data:
            self._scan(data)
        elif self._is_parsed and data:
            # Python refuses a module with NUL characters, and one in UTF-16.
            self.source = data

    def _scan(self, data: bytes) -> None:
        is_quick = self._is_python and self._depth is ScanDepth.QUICK
        secrets = secret_patterns.find_secrets(
            data, self._member.rpartition("/")[2], self._budget, is_quick=is_quick
        )
        passages = [*secrets, *_find_conflicts(data)]
        statements = list(self._find_statements(data)) if self._is_python and self._is_small else []
        if passages or statements:
            self.facts = self._as_facts(data, [*passages, *statements])
        if statements or self._is_parsed:
            self.source = data

    @property
    def _is_parsed(self) -> bool:
        """Return whether the member is a Python module that is parsed whatever is in it."""
        return self._is_python and self._is_small and self._depth is ScanDepth.PARSE_ALL

    def _find_statements(self, data: bytes) -> Iterator[Passage]:
        if self._depth is ScanDepth.NO_STATEMENTS:
            return iter(())
        if self._depth is ScanDepth.QUICK and not any(
            expression.search(data) for expression in _FREQUENT_PYTHON_2
        ):
            return iter(())
        return _find_statements(data)

    def _as_facts(self, data: bytes, passages: list[Passage]) -> tuple[TextFact, ...]:
        facts: dict[tuple[int, TextFactKind], TextFact] = {}
        for passage in sorted(passages, key=lambda passage: passage.offset):
            line = data.count(b"\n", 0, passage.offset) + 1
            fact = TextFact(
                member=self._member, line=line, kind=passage.kind, description=passage.description
            )
            facts.setdefault((line, passage.kind), fact)
        return tuple(facts.values())


def _find_conflicts(data: bytes) -> Iterator[Passage]:
    """Yield the first line of each merge conflict, which has all three marker lines."""
    offset = 0 if data.startswith(_CONFLICT_BEGINNING) else _find_line(data, 0)
    found = 0
    for _ in range(_MAX_ATTEMPTS):
        if offset < 0 or found == _MAX_FACTS:
            return
        end = -1
        if data.startswith(_CONFLICT_BEGINNING + b" ", offset):
            middle = _CONFLICT_MIDDLE.search(data, offset)
            end = data.find(b"\n>>>>>>> ", middle.end() - 1) if middle else -1
            if end < 0:
                return
        # Documentation shows conflicts in blocks of code.
        if end >= 0 and data.count(_CODE_FENCE, 0, offset) % 2 == 0:
            found += 1
            yield Passage(TextFactKind.MERGE_CONFLICT, offset, "")
        offset = _find_line(data, max(end, offset))


def _find_line(data: bytes, position: int) -> int:
    """Return the offset of the next line that may begin a conflict; -1 if there is none."""
    line_break = data.find(_CONFLICT_LINE, position)
    return -1 if line_break < 0 else line_break + 1


def _find_statements(data: bytes) -> Iterator[Passage]:
    """Yield the first statement of each kind that only some Python versions can parse."""
    found: set[TextFactKind] = set()
    # With a line break at the beginning, the first line is found like the others.
    for attempt, match in enumerate(_STATEMENTS.finditer(b"\n" + data)):
        kind = _KIND_OF_GROUP[match.lastgroup or ""]
        if kind not in found:
            found.add(kind)
            yield Passage(kind, match.start(match.lastgroup or "") - 1, "")
        if attempt == _MAX_ATTEMPTS or len(found) == len(_KIND_OF_GROUP):
            return

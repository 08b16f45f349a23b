"""The native members of one wheel, taken from the stream while it is unpacked, one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from wheel_uploader.budget import Budget
from wheel_uploader.models import NativeFacts, NativeFormat
from wheel_uploader.native import CODE_NAME, elf, format_of, macho, pe, read_view
from wheel_uploader.native.view import Malformed, NotKept, View

#: Bytes up to which a member is kept whole until it is read, and of larger ones the two ends.
WHOLE = 8 << 20
END = 2 << 20
#: Where several architectures are in one file, what is needed of each lies anywhere.
WHOLE_FAT = 32 << 20
#: Parts of a larger one that its headers may ask for, and their bytes.
MAX_PARTS = 16
PARTS = 16 << 20
#: Bytes of memory for the facts of one slice, without its texts.
_EACH = 500
#: What ``again`` takes by itself.
_COUNTED_AGAIN = ("compiled files",)

_PARTS_OF = {NativeFormat.ELF: elf.wanted, NativeFormat.MACHO: macho.wanted, NativeFormat.PE: pe.wanted}


class Natives:
    """Fed with every member of a wheel (``begin`` and what it returns, then ``end``), it has the facts."""

    def __init__(self, *, symbols: bool = False, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        #: Whether to read what each takes of Python's C API.
        self.symbols = symbols
        self._facts: list[NativeFacts] = []
        self._member = ""
        self._declared = 0
        #: Whether any byte of the member has come.
        self._begun = False
        self._kept: _Whole | _Ends | None = None

    @property
    def facts(self) -> tuple[NativeFacts, ...]:
        return tuple(self._facts)

    def begin(self, member: str, size: int) -> Callable[[bytes], None]:
        """The next member, which declares ``size`` bytes; what is returned takes them, piece by piece."""
        self._member = member
        self._declared = size
        self._kept = None
        self._begun = False
        return self._feed

    def _feed(self, piece: bytes) -> None:
        # Most members are no code at all, which their first bytes show.
        if not self._begun and _may_be_native(self._member, piece):
            most = WHOLE_FAT if piece.startswith(macho.FAT_MAGICS) else WHOLE
            self._kept = _Whole(self._declared) if self._declared <= most else _Ends(self._declared)
        self._begun = True
        if self._kept is not None:
            self._kept.add(piece)

    def end(self) -> NativeFacts | None:
        """All bytes of the member were there: what they are, unless they are no code."""
        kept, self._kept = self._kept, None
        if not self._begun and CODE_NAME.search(self._member):
            kept = _Whole(0)
        if kept is None:
            return None
        facts = read_view(self._member, kept.view(self.budget), symbols=self.symbols)
        if facts:
            self._note(facts)
        return facts

    def end_and_cost(self) -> tuple[NativeFacts | None, dict[str, int]]:
        """As ``end``, and what it took of the budget, without what any compiled file takes."""
        if self._kept is None and self._begun:
            return None, {}
        before = self.budget.spent()
        facts = self.end()
        after = self.budget.spent() if facts else before
        costs = {what: count - before.get(what, 0) for what, count in after.items()}
        return facts, {what: count for what, count in costs.items() if count and what not in _COUNTED_AGAIN}

    def again(self, facts: NativeFacts) -> None:
        """The next member is one that was read before: these are its facts."""
        for text in _texts(facts):
            self.budget.share(text)
        self._note(facts)

    def sort(self, ranks: Mapping[str, int]) -> None:
        """Put the facts into the order of their members' ``ranks``."""
        self._facts.sort(key=lambda facts: ranks[facts.member])

    def _note(self, facts: NativeFacts) -> None:
        self.budget.spend("compiled files")
        self.budget.keep(_EACH * (1 + len(facts.slices)) + 8 * sum(1 for _ in _texts(facts)))
        self._facts.append(facts)


def _may_be_native(member: str, head: bytes) -> bool:
    return (
        head.startswith((elf.MAGIC, pe.MAGIC, *macho.MAGICS, *macho.FAT_MAGICS))
        or CODE_NAME.search(member) is not None
    )


def text_length(facts: NativeFacts) -> int:
    """About how many bytes of memory the texts of ``facts`` take."""
    # What a string of Python costs besides.
    return sum(len(text) + 60 for text in _texts(facts))


def _texts(facts: NativeFacts) -> Iterator[str]:
    for part in facts.slices:
        for texts in (part.needed, part.rpaths, part.python_symbols, part.python_exports, *part.versions):
            yield from texts


class _Whole:
    """All bytes of a member, which are no more than it declares."""

    def __init__(self, declared: int) -> None:
        self.size = 0
        self._declared = declared
        self._data = bytearray()

    def add(self, piece: bytes) -> None:
        if not self.size:
            # At once: one that grows is moved again and again, and takes twice the memory.
            self._data = bytearray(self._declared)
        start, self.size = self.size, self.size + len(piece)
        self._data[start : self.size] = piece

    def view(self, budget: Budget) -> View:
        return View.whole(memoryview(self._data)[: self.size], budget)


class _Ends:
    """The beginning and the end of a member, and what its headers say is needed of the middle."""

    def __init__(self, declared: int) -> None:
        self.size = 0
        self._declared = declared
        self._head = bytearray()
        self._tail = bytearray()
        #: Offset and bytes of each part of the middle, and where it stops.
        self._parts: list[tuple[int, bytearray, int]] | None = None

    def add(self, piece: bytes) -> None:
        start = self.size
        self.size += len(piece)
        if len(self._head) < END:
            self._head += piece
            return
        if self._parts is None:
            self._parts = self._wanted()
        for offset, data, stop in self._parts:
            first, last = max(start, offset), min(self.size, stop)
            if first < last:
                data.extend(piece[first - start : last - start])
        self._tail += piece
        if len(self._tail) > 2 * END:
            del self._tail[:-END]

    def _wanted(self) -> list[tuple[int, bytearray, int]]:
        head = View(self._declared, ((0, memoryview(bytes(self._head))),))
        kind = format_of(head, named=True)
        wanted: list[tuple[int, int]] = []
        if kind is not None and kind in _PARTS_OF:
            # What is wrong with the headers is said when they are read.
            with contextlib.suppress(Malformed, NotKept):
                wanted = _PARTS_OF[kind](head)
        parts: list[tuple[int, bytearray, int]] = []
        room = PARTS
        for offset, length in wanted[:MAX_PARTS]:
            # What the head has already is not kept twice.
            start, stop = max(offset, len(self._head)), min(offset + length, offset + room)
            if start < stop:
                parts.append((start, bytearray(), stop))
                room -= stop - start
        return parts

    def view(self, budget: Budget) -> View:
        pieces = [(0, self._head), *((offset, data) for offset, data, _ in self._parts or ())]
        pieces.append((self.size - len(self._tail), self._tail))
        return View(self.size, [(start, memoryview(data).toreadonly()) for start, data in pieces], budget)

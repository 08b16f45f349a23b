"""Collect the compiled members of one wheel, one at a time, while it is being decompressed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import BinaryFacts, BinaryFormat
from wheel_uploader.facts.binaries import elf, macho, pe
from wheel_uploader.facts.binaries.byte_view import ByteView, MalformedBinary, NotRetained
from wheel_uploader.facts.binaries.detect import BINARY_NAME, detect_format, read_binary_view

#: Members up to MAX_WHOLE_SIZE bytes are kept whole until they are read; of larger ones, END_SIZE bytes at
#: each end.
MAX_WHOLE_SIZE = 8 << 20
END_SIZE = 2 << 20
#: The same limit for universal files, whose slices may have their tables at any offset.
MAX_WHOLE_UNIVERSAL_SIZE = 32 << 20
#: Number and total bytes of the parts of a larger member that are kept because its headers refer to them.
MAX_PARTS = 16
MAX_PARTS_SIZE = 16 << 20
#: Estimated bytes of memory for the facts of one slice, without its strings.
_MEMORY_PER_SLICE = 500
#: Resources that every compiled file takes, whether it was read or cached.
_FIXED_COSTS = ("compiled files",)

_FIND_PARTS = {
    BinaryFormat.ELF: elf.find_needed_ranges,
    BinaryFormat.MACHO: macho.find_needed_ranges,
    BinaryFormat.PE: pe.find_needed_ranges,
}


class BinaryCollector:
    """A collector of facts about the compiled members of a wheel.

    For every member, call ``begin_member``, pass each chunk to the function that it returns, and call
    ``end_member``.
    """

    def __init__(self, *, symbols: bool = False, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        #: If true, also read the symbols that members use of Python's C API.
        self.symbols = symbols
        self._facts: list[BinaryFacts] = []
        self._member = ""
        self._declared_size = 0
        #: True once the first chunk of the member was received.
        self._has_data = False
        self._buffer: _Whole | _Ends | None = None

    @property
    def binaries(self) -> tuple[BinaryFacts, ...]:
        """The facts about all compiled members that were added."""
        return tuple(self._facts)

    def begin_member(self, member: str, size: int) -> Callable[[bytes], None]:
        """Start the next member, which declares ``size`` bytes; return the receiver of its chunks."""
        self._member = member
        self._declared_size = size
        self._buffer = None
        self._has_data = False
        return self._receive

    def _receive(self, chunk: bytes) -> None:
        # Most members are not compiled code, which their first bytes show.
        if not self._has_data and _may_be_native(self._member, chunk):
            max_whole_size = (
                MAX_WHOLE_UNIVERSAL_SIZE if chunk.startswith(macho.FAT_MAGICS) else MAX_WHOLE_SIZE
            )
            self._buffer = (
                _Whole(self._declared_size)
                if self._declared_size <= max_whole_size
                else _Ends(self._declared_size)
            )
        self._has_data = True
        if self._buffer is not None:
            self._buffer.add(chunk)

    def end_member(self) -> BinaryFacts | None:
        """End the member; return the facts about it, or None if it is not compiled code."""
        buffer, self._buffer = self._buffer, None
        if not self._has_data and BINARY_NAME.search(self._member):
            buffer = _Whole(0)
        if buffer is None:
            return None
        facts = read_binary_view(self._member, buffer.view(self.budget), symbols=self.symbols)
        if facts:
            self._add(facts)
        return facts

    def end_member_with_costs(self) -> tuple[BinaryFacts | None, dict[str, int]]:
        """End the member; return its facts, and the costs of reading it.

        The costs are amounts taken from the budget, without the fixed cost of a compiled file.
        """
        if self._buffer is None and self._has_data:
            return None, {}
        before = self.budget.item_counts()
        facts = self.end_member()
        after = self.budget.item_counts() if facts else before
        costs = {resource: count - before.get(resource, 0) for resource, count in after.items()}
        return facts, {
            resource: count for resource, count in costs.items() if count and resource not in _FIXED_COSTS
        }

    def add_cached(self, facts: BinaryFacts) -> None:
        """Add the facts about a member that was read before in another wheel."""
        for text in _iter_strings(facts):
            self.budget.intern_text(text)
        self._add(facts)

    def sort_by_rank(self, ranks: Mapping[str, int]) -> None:
        """Sort the facts by the ``ranks`` of their members."""
        self._facts.sort(key=lambda facts: ranks[facts.member])

    def _add(self, facts: BinaryFacts) -> None:
        self.budget.count_items("compiled files")
        self.budget.reserve_memory(
            _MEMORY_PER_SLICE * (1 + len(facts.slices)) + 8 * sum(1 for _ in _iter_strings(facts))
        )
        self._facts.append(facts)


def _may_be_native(member: str, head: bytes) -> bool:
    return (
        head.startswith((elf.MAGIC, pe.MAGIC, *macho.MAGICS, *macho.FAT_MAGICS))
        or BINARY_NAME.search(member) is not None
    )


def estimate_string_memory(facts: BinaryFacts) -> int:
    """Return an estimate of the bytes of memory that the strings of ``facts`` take."""
    # 60 is the overhead of a Python string.
    return sum(len(text) + 60 for text in _iter_strings(facts))


def _iter_strings(facts: BinaryFacts) -> Iterator[str]:
    for part in facts.slices:
        for texts in (
            part.needed_libraries,
            part.rpaths,
            part.python_imports,
            part.python_exports,
            *part.symbol_versions,
        ):
            yield from texts


class _Whole:
    """All bytes of a member, which are at most its declared size."""

    def __init__(self, declared: int) -> None:
        self.size = 0
        self._declared_size = declared
        self._data = bytearray()

    def add(self, chunk: bytes) -> None:
        if not self.size:
            # Allocate it once: a growing buffer is moved again and again, and takes twice the memory.
            self._data = bytearray(self._declared_size)
        start, self.size = self.size, self.size + len(chunk)
        self._data[start : self.size] = chunk

    def view(self, budget: Budget) -> ByteView:
        return ByteView.from_bytes(memoryview(self._data)[: self.size], budget)


class _Ends:
    """The beginning and the end of a member, and the parts between them to which its headers refer."""

    def __init__(self, declared: int) -> None:
        self.size = 0
        self._declared_size = declared
        self._head = bytearray()
        self._tail = bytearray()
        #: Offset, bytes and end offset of each part between the two ends.
        self._parts: list[tuple[int, bytearray, int]] | None = None

    def add(self, chunk: bytes) -> None:
        start = self.size
        self.size += len(chunk)
        if len(self._head) < END_SIZE:
            self._head += chunk
            return
        if self._parts is None:
            self._parts = self._find_parts()
        for offset, data, stop in self._parts:
            first, last = max(start, offset), min(self.size, stop)
            if first < last:
                data.extend(chunk[first - start : last - start])
        self._tail += chunk
        if len(self._tail) > 2 * END_SIZE:
            del self._tail[:-END_SIZE]

    def _find_parts(self) -> list[tuple[int, bytearray, int]]:
        head = ByteView(self._declared_size, ((0, memoryview(bytes(self._head))),))
        kind = detect_format(head, has_binary_name=True)
        ranges: list[tuple[int, int]] = []
        if kind is not None and kind in _FIND_PARTS:
            # Malformed headers are reported when the member is read.
            with contextlib.suppress(MalformedBinary, NotRetained):
                ranges = _FIND_PARTS[kind](head)
        parts: list[tuple[int, bytearray, int]] = []
        capacity = MAX_PARTS_SIZE
        for offset, length in ranges[:MAX_PARTS]:
            # Bytes in the head are not kept twice.
            start, stop = max(offset, len(self._head)), min(offset + length, offset + capacity)
            if start < stop:
                parts.append((start, bytearray(), stop))
                capacity -= stop - start
        return parts

    def view(self, budget: Budget) -> ByteView:
        pieces = [(0, self._head), *((offset, data) for offset, data, _ in self._parts or ())]
        pieces.append((self.size - len(self._tail), self._tail))
        return ByteView(self.size, [(start, memoryview(data).toreadonly()) for start, data in pieces], budget)

"""Collect the compiled members of one wheel, one at a time, while it is being decompressed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import BinaryFacts, BinaryFormat
from wheel_uploader.facts.binaries import elf, macho, pe
from wheel_uploader.facts.binaries.byte_view import (
    MAX_STRING_LENGTH,
    ByteView,
    MalformedBinary,
    NotRetained,
)
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
#: Members up to this many bytes are read again if they have tables elsewhere, and number and total bytes
#: of the parts that are kept then.
MAX_REREAD_SIZE = 1 << 30
MAX_REREAD_PARTS = 1024
MAX_REREAD_PARTS_SIZE = 64 << 20
#: Parts with fewer bytes between them are kept as one.
_SMALL_GAP = 4 << 10
#: Estimated bytes of memory for the facts of one slice, without its strings.
_MEMORY_PER_SLICE = 500
#: Resources that every compiled file takes, whether it was read or cached.
_FIXED_COSTS = ("compiled files",)

_MAGICS = (elf.MAGIC, pe.MAGIC, *macho.MAGICS, *macho.FAT_MAGICS)
_FIND_PARTS = {
    BinaryFormat.ELF: elf.find_needed_ranges,
    BinaryFormat.MACHO: macho.find_needed_ranges,
    BinaryFormat.PE: pe.find_needed_ranges,
}
_FIND_MORE_PARTS = {
    BinaryFormat.ELF: elf.find_dynamic_ranges,
    BinaryFormat.MACHO: macho.find_linked_ranges,
    BinaryFormat.PE: pe.find_imported_ranges,
}


class BinaryCollector:
    """A collector of facts about the compiled members of a wheel.

    For every member, call ``begin_member``, pass each chunk to the function that it returns, and call
    ``end_member``. If ``find_missing_parts`` returns a function in between, pass each chunk to it again.
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
        #: The counts of the budget before the member was read, and its facts if they were read already.
        self._counts_before: dict[str, int] = {}
        self._complete: BinaryFacts | None = None

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
        self._complete = None
        self._counts_before = {}
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

    def find_missing_parts(self) -> Callable[[bytes], None] | None:
        """Return a receiver of the same chunks again, if parts of the member are needed that were not kept.

        Call it after the last chunk and before ``end_member``.
        """
        if not isinstance(self._buffer, _Ends) or self._declared_size > MAX_REREAD_SIZE:
            return None
        self._counts_before = self.budget.item_counts()
        facts = read_binary_view(self._member, self._buffer.view(self.budget), symbols=self.symbols)
        if facts is None or _is_complete(facts):
            self._complete = facts
            return None
        return self._buffer.keep_missing_parts()

    def end_member(self) -> BinaryFacts | None:
        """End the member; return the facts about it, or None if it is not compiled code."""
        buffer, self._buffer = self._buffer, None
        if self._complete is not None:
            self._add(self._complete)
            return self._complete
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
        before = self._counts_before or self.budget.item_counts()
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
    return head.startswith(_MAGICS) or BINARY_NAME.search(member) is not None


def _is_complete(facts: BinaryFacts) -> bool:
    return not facts.unread_reason and all(part.module_functions is not None for part in facts.slices)


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
            part.module_functions or (),
            *part.symbol_versions,
        ):
            yield from texts


class _Whole:
    """All bytes of a member, which are at most its declared size."""

    def __init__(self, declared: int) -> None:
        self.size = 0
        self._declared_size = declared
        self._data = bytearray()
        #: The first chunk, while it is the only one.
        self._only_chunk: bytes | None = None

    def add(self, chunk: bytes) -> None:
        start, self.size = self.size, self.size + len(chunk)
        if not start:
            # Most members are one chunk, which is not copied.
            self._only_chunk = chunk
            return
        if self._only_chunk is not None:
            # Allocate it once: a growing buffer is moved again and again, and takes twice the memory.
            self._data = bytearray(self._declared_size)
            self._data[:start] = self._only_chunk
            self._only_chunk = None
        self._data[start : self.size] = chunk

    def view(self, budget: Budget) -> ByteView:
        data = self._data if self._only_chunk is None else self._only_chunk
        return ByteView.from_bytes(memoryview(data)[: self.size], budget)


class _Ends:
    """The beginning and the end of a member, and the parts between them to which its headers refer."""

    def __init__(self, declared: int) -> None:
        self.size = 0
        self._declared_size = declared
        self._head = bytearray()
        self._tail = bytearray()
        #: Offset, bytes and end offset of each part between the two ends.
        self._parts: list[tuple[int, bytearray, int]] | None = None
        #: The same for the parts that are kept in a second pass, and the bytes received in it.
        self._missing_parts: list[tuple[int, bytearray, int]] = []
        self._size_again = 0

    def add(self, chunk: bytes) -> None:
        start = self.size
        self.size += len(chunk)
        if len(self._head) < END_SIZE:
            self._head += chunk
            return
        if self._parts is None:
            self._parts = self._find_parts()
        _extend_parts(self._parts, start, chunk)
        self._tail += chunk
        if len(self._tail) > 2 * END_SIZE:
            del self._tail[:-END_SIZE]

    def keep_missing_parts(self) -> Callable[[bytes], None] | None:
        """Return the receiver of a second pass, which keeps the parts to which the tables refer."""
        view = self.view(Budget())
        kind = detect_format(view, has_binary_name=True)
        ranges: list[tuple[int, int]] = []
        if kind is not None and kind in _FIND_MORE_PARTS:
            with contextlib.suppress(MalformedBinary, NotRetained):
                ranges = _FIND_MORE_PARTS[kind](view)
        capacity = MAX_REREAD_PARTS_SIZE
        selected: list[tuple[int, int]] = []
        for offset, length in ranges[:MAX_REREAD_PARTS]:
            # The last name in a table is read together with what follows it.
            stop = min(offset + length + MAX_STRING_LENGTH, offset + capacity, self.size)
            if 0 <= offset < stop:
                selected.append((offset, stop))
                capacity -= stop - offset
        self._missing_parts = [(start, bytearray(), stop) for start, stop in _merge(selected)]
        return self._add_again if self._missing_parts else None

    def _add_again(self, chunk: bytes) -> None:
        _extend_parts(self._missing_parts, self._size_again, chunk)
        self._size_again += len(chunk)

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
        parts = [*(self._parts or ()), *self._missing_parts]
        pieces = [(0, self._head), *((offset, data) for offset, data, _ in parts)]
        pieces.append((self.size - len(self._tail), self._tail))
        return ByteView(self.size, [(start, memoryview(data).toreadonly()) for start, data in pieces], budget)


def _extend_parts(parts: list[tuple[int, bytearray, int]], start: int, chunk: bytes) -> None:
    """Append to each of ``parts`` (offset, bytes, end) its bytes in the chunk at ``start``."""
    end = start + len(chunk)
    for offset, data, stop in parts:
        first, last = max(start, offset), min(end, stop)
        if first < last:
            data.extend(chunk[first - start : last - start])


def _merge(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ``parts`` (start, end) in order, those that overlap or are close together as one."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(parts):
        if merged and start <= merged[-1][1] + _SMALL_GAP:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged

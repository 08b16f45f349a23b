"""Look up names in the export trie of a Mach-O file, in which dyld finds exported symbols.

A node has the size of its information, which is 0 if no name ends there, the information, the number of
children, and for each child the text that leads to it and its offset. Numbers are ULEB128 (mach-o/loader.h).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from wheel_uploader.facts.binaries.byte_view import MAX_SYMBOL_LENGTH, ByteView, MalformedBinary

#: Most nodes that are visited to list names; only names with a rare prefix are listed.
MAX_NODES = 1000
_MAX_ULEB_BYTES = 10


class _Node(NamedTuple):
    ends_name: bool
    #: The text that leads to each child, and the child's offset.
    children: list[tuple[bytes, int]]


def contains(trie: ByteView, name: bytes) -> bool:
    """Return whether ``name`` is exported. Raises MalformedBinary and NotRetained."""
    offset, rest = 0, name
    # Each step takes at least one byte of the name, or else the trie is malformed.
    for _ in range(len(name) + 1):
        node = _read_node(trie, offset)
        if not rest:
            return node.ends_name
        step = next((child for child in node.children if child[0] and rest.startswith(child[0])), None)
        if step is None:
            return False
        rest, offset = rest[len(step[0]) :], step[1]
    return False


def iter_names(trie: ByteView, prefix: bytes, accepts: Callable[[bytes], bool]) -> Iterator[str]:
    """Yield the exported names that begin with ``prefix``, without the underscore of C names.

    ``accepts`` decides about each name, without its underscore. Raises MalformedBinary and NotRetained.
    """
    remaining = [(0, b"")]
    # The list grows while it is read.
    for offset, text in remaining:
        node = _read_node(trie, offset)
        if node.ends_name and text.startswith(prefix) and accepts(text[1:]):
            yield text[1:].decode("utf-8", "replace")
        for edge, child in node.children:
            name = text + edge
            leads_on = name.startswith(prefix) or prefix.startswith(name)
            if edge and leads_on and len(name) <= MAX_SYMBOL_LENGTH and len(remaining) < MAX_NODES:
                remaining.append((child, name))


def _read_node(trie: ByteView, offset: int) -> _Node:
    trie.budget.count_items("symbols")
    size, offset = _read_uleb(trie, offset)
    ends_name, offset = size > 0, offset + size
    count = trie.get_bytes(offset, 1)[0]
    trie.budget.count_items("symbols", count)
    offset += 1
    children = []
    for _ in range(count):
        window = bytes(trie.get_bytes(offset, min(MAX_SYMBOL_LENGTH, trie.size - offset)))
        edge, terminator, _ = window.partition(b"\0")
        if not terminator:
            raise MalformedBinary("a name in its export trie does not end")
        child, offset = _read_uleb(trie, offset + len(edge) + 1)
        children.append((edge, child))
    return _Node(ends_name, children)


def _read_uleb(trie: ByteView, offset: int) -> tuple[int, int]:
    """Return the number at ``offset`` and the offset after it."""
    value = 0
    for index in range(_MAX_ULEB_BYTES):
        byte = trie.get_bytes(offset + index, 1)[0]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, offset + index + 1
    raise MalformedBinary("a number in its export trie does not end")

"""The rest of one large file over several connections: pieces, each at its place in the same partial file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from wheel_uploader.download.lanes import Lanes
from wheel_uploader.download.partial import Partial
from wheel_uploader.download.spans import Span
from wheel_uploader.errors import NetworkError, TransportError
from wheel_uploader.http.reply import Stream

#: Bytes of a piece: fewer cost more waiting for answers, more leave more to be hashed at the end.
_LEAST, _MOST = 8 << 20, 64 << 20
#: Pieces that a file is cut into, when they are neither too small nor too large then.
_COUNT = 16
#: Bytes that are left of a file when a second connection is worth its beginning.
WORTH = 2 * _LEAST
#: Seconds without a byte after which a connection's piece is given to another.
_STUCK = 8.0
#: Seconds between two looks at how far all of them are; and for the workers to end.
_LOOK, _PATIENCE = 0.1, 5.0
_CHUNK = 64 * 1024

#: Connections that may break before no more are begun.
_FAILURES = 4

#: An answer, and its body from where it has been read to.
Answer = tuple[Stream, Iterator[bytes]]


class Stopped(Exception):
    """The run is ending: leave the bytes where they are."""


class NoRanges(Exception):
    """The server sends more than the part that it is asked for."""


@dataclass(slots=True)
class _Piece:
    """From ``start`` on, bytes of the file; those before ``at`` are here."""

    start: int
    at: int
    end: int
    #: The answer that brings it; None while nobody has asked for it, or the answer has not begun.
    stream: Stream | None = None
    is_taken: bool = False
    #: It was taken from a connection that seemed stuck; a second time it is the line that is slow.
    is_second: bool = False
    #: When the last of its bytes came.
    moved: float = 0.0


class Pieces:
    """What is here of one file, and the threads that bring the rest."""

    def __init__(self, here: Sequence[Span], size: int) -> None:
        """``here``: which bytes of ``size`` there are, in order, as ``spans`` says it."""
        self._pieces = [_Piece(start, end, end) for start, end in here]
        left = size - sum(end - start for start, end in here)
        self._step = min(max(-(-left // _COUNT), _LEAST), _MOST)
        edges = [0, *(edge for span in here for edge in span), size]
        # A gap is one piece until somebody takes a part of it: how many there are depends on the bytes that
        # arrive, and not on the size that a server announces.
        self._pieces += [
            _Piece(start, start, end)
            for start, end in zip(edges[::2], edges[1::2], strict=True)
            if start < end
        ]
        self._pieces.sort(key=lambda piece: piece.start)
        self._size = size
        self._workers = 0
        self._is_over = False
        #: What ends all of it; and what ended a connection.
        self._error: BaseException | None = None
        self._trouble: NetworkError | NoRanges | None = None
        self._failures = 0
        #: The server said that one connection is enough for it.
        self._is_refused = False
        self._changed = threading.Condition()

    @property
    def arrived(self) -> int:
        """Bytes that are here."""
        return sum(end - start for start, end in self.spans())

    def spans(self) -> tuple[Span, ...]:
        """Which bytes are here, in order, without the empty ones, joined where they touch."""
        found: list[Span] = []
        with self._changed:
            for piece in self._pieces:
                if found and found[-1][1] == piece.start:
                    found[-1] = (found[-1][0], piece.at)
                elif piece.at > piece.start:
                    found.append((piece.start, piece.at))
        return tuple(found)

    def run(
        self,
        partial: Partial,
        lanes: Lanes,
        ask: Callable[[int, int], AbstractContextManager[Stream]],
        *,
        first: Answer | None,
        check: Callable[[], None],
        advance: Callable[[int], None],
        note: Callable[[], None],
    ) -> None:
        """Bring and hash every byte that is missing; ``check`` may end it by raising.

        ``ask`` opens an answer with exactly the bytes of a span. ``first`` is one that is being read
        already, at the first byte that is missing. ``note`` writes down what is here. When no connection
        is left it raises what the last of them met: what ``ask`` raised, NoRanges, a TransportError.
        """
        self._partial, self._lanes, self._ask, self._advance = partial, lanes, ask, advance
        self._is_over, self._error, self._trouble, self._failures = False, None, None, 0
        self._begin(first, spare=False)
        noted = 0
        try:
            while not self._is_whole():
                self._hire()
                with self._changed:
                    workers = self._workers
                    if workers:
                        self._changed.wait(_LOOK)
                check()
                if self._error:
                    raise self._error
                spans = self.spans()
                partial.follow(spans[0][1] if spans and not spans[0][0] else 0)
                if (done := sum(piece.at == piece.end for piece in self._pieces)) > noted:
                    note()
                    noted = done
                if not workers and not self._is_whole():
                    raise self._last_trouble()
        finally:
            self._end()
        partial.follow(self._size)

    # --- in the thread of the file ---------------------------------------------------------------------

    def _is_whole(self) -> bool:
        return self.spans() == ((0, self._size),)

    def _last_trouble(self) -> Exception:
        return self._trouble or TransportError("all connections ended")

    def _hire(self) -> None:
        """More connections, while there are spare ones and something to do for them."""
        while self._may_hire() and self._lanes.take_spare():
            self._begin(None, spare=True)

    def _may_hire(self) -> bool:
        # After an error no connection follows: each would fail at once, free its lane, and be replaced.
        if self._error or self._is_refused or self._failures >= _FAILURES:
            return False
        with self._changed:
            # One that has begun its thread takes its piece in a moment.
            free = sum(-(-(each.end - each.at) // self._step) for each in self._pieces if not each.is_taken)
            beginning = self._workers - sum(piece.is_taken for piece in self._pieces)
            return free > beginning or (not free and not beginning and self._robbed() is not None)

    def _begin(self, first: Answer | None, *, spare: bool) -> None:
        begun = (*first, self._next()) if first else None
        with self._changed:
            self._workers += 1
        # A daemon: one that hangs in a read must not keep an interrupted process from ending.
        threading.Thread(target=self._work, args=(begun, spare), name="download-piece", daemon=True).start()

    def _end(self) -> None:
        """Let no worker write any more, and wait until they know; what hangs in a read is woken."""
        with self._changed:
            self._is_over = True
            for piece in self._pieces:
                if piece.stream:
                    piece.stream.abort()
            end = time.monotonic() + _PATIENCE
            while self._workers and time.monotonic() < end:
                self._changed.wait(_LOOK)

    # --- in the threads of the connections -------------------------------------------------------------

    def _work(self, begun: tuple[Stream, Iterator[bytes], _Piece | None] | None, spare: bool) -> None:
        try:
            if begun:
                self._read_on(*begun)
            while piece := self._next():
                try:
                    # Another may take a part of it at any moment.
                    asked = piece.end
                    with self._ask(piece.at, asked) as stream:
                        self._read(stream, piece, asked)
                finally:
                    self._leave(piece)
        except Stopped:
            pass
        except (NetworkError, NoRanges) as trouble:
            with self._changed:
                self._trouble = trouble
                self._failures += 1
                self._is_refused |= not isinstance(trouble, TransportError)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the file
            self._error = error
        finally:
            if spare:
                self._lanes.give_back()
            with self._changed:
                self._workers -= 1
                self._changed.notify_all()

    def _next(self) -> _Piece | None:
        """The next piece that nobody brings; else what is still to come of another's, or half of it."""
        with self._changed:
            if self._is_over:
                return None
            piece = next((each for each in self._pieces if not each.is_taken and each.at < each.end), None)
            if piece is None and (other := self._robbed()):
                left = other.end - other.at
                is_stuck = _is_stuck(other)
                cut = other.at if is_stuck else other.at + left // 2
                piece = _Piece(cut, cut, other.end, is_second=is_stuck)
                other.end = cut
                self._pieces.insert(self._pieces.index(other) + 1, piece)
                if is_stuck and other.stream:
                    other.stream.abort()
            if piece:
                self._take(piece)
            return piece

    def _take(self, piece: _Piece) -> None:
        """Mark a piece as taken; what exceeds the length of one piece becomes the next piece."""
        cut = piece.at + self._step
        if cut < piece.end and not piece.is_second:
            self._pieces.insert(self._pieces.index(piece) + 1, _Piece(cut, cut, piece.end))
            piece.end = cut
        piece.is_taken, piece.moved = True, time.monotonic()

    def _robbed(self) -> _Piece | None:
        """Whose piece is worth being shared, because it is long, or its connection stuck."""
        worth = [
            piece
            for piece in self._pieces
            if piece.is_taken
            and (piece.end - piece.at >= WORTH or (piece.at < piece.end and _is_stuck(piece)))
        ]
        return max(worth, key=lambda piece: (_is_stuck(piece), piece.end - piece.at), default=None)

    def _leave(self, piece: _Piece) -> None:
        with self._changed:
            piece.stream, piece.is_taken = None, False
            self._changed.notify_all()

    def _read(self, stream: Stream, piece: _Piece, asked: int) -> None:
        """An answer that has just this piece; less is wanted of it when another has taken the rest."""
        piece.stream = stream
        try:
            for chunk in stream.chunks(_CHUNK):
                rest = self._place(piece, chunk)
                if piece.end < asked and piece.at >= piece.end:
                    return
                if rest:
                    raise NoRanges
        except TransportError:
            if piece.at < piece.end:
                raise
        if piece.at < piece.end:
            raise TransportError(f"a part was cut short: {piece.at - piece.start} bytes of it arrived")

    def _read_on(self, stream: Stream, chunks: Iterator[bytes], piece: _Piece | None) -> None:
        """An answer with all the rest of the file: one piece after another, while nobody has the next."""
        try:
            while piece is not None:
                piece.stream = stream
                chunk = next(chunks, b"")
                if not chunk and piece.at < piece.end:
                    raise TransportError(f"it was cut short after {piece.at} bytes")
                while piece is not None and (chunk := self._place(piece, chunk)):
                    piece = self._following(piece)
                if piece is not None and piece.at >= piece.end:
                    piece = self._following(piece)
        finally:
            if piece is not None:
                self._leave(piece)
            # The answer goes on, and nobody reads it.
            stream.abort()

    def _following(self, piece: _Piece) -> _Piece | None:
        """The piece after this one, unless somebody has it, or has had it."""
        with self._changed:
            self._leave(piece)
            for found in self._pieces:
                if found.start == piece.end and found.at == found.start < found.end and not found.is_taken:
                    self._take(found)
                    return found
            return None

    def _place(self, piece: _Piece, chunk: bytes) -> bytes:
        """Write what belongs to the piece; what is left of the chunk."""
        with self._changed:
            if self._is_over:
                raise Stopped
            room = piece.end - piece.at
            data, rest = (chunk, b"") if len(chunk) <= room else (chunk[:room], chunk[room:])
            self._partial.place(piece.at, data)
            piece.at += len(data)
            piece.moved = time.monotonic()
            self._advance(len(data))
            return rest


def _is_stuck(piece: _Piece) -> bool:
    return not piece.is_second and time.monotonic() - piece.moved > _STUCK

"""Download the rest of a large file over several connections: byte ranges, written to one partial file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from wheel_uploader.core.errors import NetworkError, TransportError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.task_pool import TaskPool
from wheel_uploader.download.connection_slots import ConnectionSlots
from wheel_uploader.download.partial_file import PartialFile
from wheel_uploader.download.spans import ByteRange
from wheel_uploader.http.response import StreamedResponse

#: Bytes of a range: smaller ones cost more round trips, larger ones leave more to hash at the end.
_MIN_RANGE_SIZE, _MAX_RANGE_SIZE = 8 << 20, 64 << 20
#: Ranges of a file, if these sizes allow it.
_TARGET_COUNT = 16
#: Missing bytes from which a second connection is worth opening.
MIN_SPLIT_SIZE = 2 * _MIN_RANGE_SIZE
#: Seconds without a byte after which the rest of a connection's range is given to another.
_STALL_TIMEOUT = 8.0
#: Seconds between two checks of the progress; and to wait for the threads to end.
_POLL_INTERVAL, _SHUTDOWN_TIMEOUT = 0.1, 5.0
_CHUNK_SIZE = 64 * 1024

#: Failed connections after which no more are opened.
_MAX_FAILURES = 4

#: A response, and the chunks of its body that are still to be read.
OpenResponse = tuple[StreamedResponse, Iterator[bytes]]


class DownloadStopped(Exception):
    """The run is ending; keep the bytes that were downloaded."""


class RangesUnsupported(Exception):
    """The server sends more than the requested range."""


@dataclass(slots=True)
class _Range:
    """The bytes of the file from ``start`` to ``end``, of which those before ``position`` are downloaded."""

    start: int
    position: int
    end: int
    #: The response that is being read; None before there is one.
    stream: StreamedResponse | None = None
    is_claimed: bool = False
    #: It was taken over from a stalled connection; if it stalls again, the network is slow.
    is_retry: bool = False
    #: Time of the last chunk, or of the claim.
    last_progress: float = 0.0


class RangedDownload:
    """The downloaded and missing ranges of one file, and the threads that download them."""

    def __init__(self, downloaded: Sequence[ByteRange], size: int) -> None:
        """Plan a file of ``size`` bytes whose partial file has the ranges ``downloaded``, in order."""
        self._ranges = [_Range(start, end, end) for start, end in downloaded]
        missing = size - sum(end - start for start, end in downloaded)
        self._range_size = min(max(-(-missing // _TARGET_COUNT), _MIN_RANGE_SIZE), _MAX_RANGE_SIZE)
        edges = [0, *(edge for span in downloaded for edge in span), size]
        # A gap is one range until a thread claims a part of it, so that the number of ranges depends on the
        # bytes that arrive and not on the size that the server announces.
        self._ranges += [
            _Range(start, start, end)
            for start, end in zip(edges[::2], edges[1::2], strict=True)
            if start < end
        ]
        self._ranges.sort(key=lambda part: part.start)
        self._size = size
        self._workers = 0
        self._is_stopped = False
        #: The error that ends the download; and the last one that ended a connection.
        self._fatal_error: BaseException | None = None
        self._connection_error: NetworkError | RangesUnsupported | None = None
        self._failures = 0
        #: True after the server rejected another connection.
        self._is_rejected = False
        self._changed = threading.Condition()

    @property
    def downloaded_size(self) -> int:
        """The number of downloaded bytes."""
        return sum(end - start for start, end in self.downloaded_ranges())

    def downloaded_ranges(self) -> tuple[ByteRange, ...]:
        """Return the downloaded ranges in order, without empty ones; adjacent ones are merged."""
        merged: list[ByteRange] = []
        with self._changed:
            for part in self._ranges:
                if merged and merged[-1][1] == part.start:
                    merged[-1] = (merged[-1][0], part.position)
                elif part.position > part.start:
                    merged.append((part.start, part.position))
        return tuple(merged)

    def run(
        self,
        partial: PartialFile,
        slots: ConnectionSlots,
        request: Callable[[int, int], AbstractContextManager[StreamedResponse]],
        *,
        first: OpenResponse | None,
        check: Callable[[], None],
        advance: Callable[[int], None],
        save_state: Callable[[], None],
    ) -> None:
        """Download and hash all missing bytes; ``check`` is called regularly and may raise.

        ``request`` opens a response with exactly the bytes of a range. ``first`` is a response that is being
        read already, at the first missing byte. ``save_state`` is called after each completed range. If no
        connection is left, the last connection error is raised: from ``request``, RangesUnsupported or
        TransportError.
        """
        self._partial, self._slots, self._request, self._advance = partial, slots, request, advance
        self._is_stopped, self._fatal_error, self._connection_error, self._failures = False, None, None, 0
        # One thread is for the slot that the file has already.
        self._pool = TaskPool("download-piece", slots.count + 1, grace=_SHUTDOWN_TIMEOUT)
        self._start_worker(first, extra_slot=False)
        saved_count = 0
        try:
            while not self._is_complete():
                self._spawn_workers()
                with self._changed:
                    workers = self._workers
                    if workers:
                        self._changed.wait(_POLL_INTERVAL)
                check()
                if self._fatal_error:
                    raise self._fatal_error
                spans = self.downloaded_ranges()
                partial.hash_contiguous(spans[0][1] if spans and not spans[0][0] else 0)
                if (count := sum(part.position == part.end for part in self._ranges)) > saved_count:
                    save_state()
                    saved_count = count
                if not workers and not self._is_complete():
                    raise self._last_error()
        finally:
            self._stop_workers()
        partial.hash_contiguous(self._size)

    # --- in the thread of the file ---------------------------------------------------------------------

    def _is_complete(self) -> bool:
        return self.downloaded_ranges() == ((0, self._size),)

    def _last_error(self) -> Exception:
        return self._connection_error or TransportError("all connections were closed")

    def _spawn_workers(self) -> None:
        """Open more connections while slots are spare and ranges are left."""
        while self._can_spawn() and self._slots.try_acquire_extra():
            self._start_worker(None, extra_slot=True)

    def _can_spawn(self) -> bool:
        # After a fatal error each new connection would fail at once, free its slot, and be replaced.
        if self._fatal_error or self._is_rejected or self._failures >= _MAX_FAILURES:
            return False
        with self._changed:
            unclaimed = sum(
                -(-(part.end - part.position) // self._range_size)
                for part in self._ranges
                if not part.is_claimed
            )
            # Threads that have started but have not claimed a range yet.
            starting = self._workers - sum(part.is_claimed for part in self._ranges)
            return unclaimed > starting or (
                not unclaimed and not starting and self._steal_candidate() is not None
            )

    def _start_worker(self, first: OpenResponse | None, *, extra_slot: bool) -> None:
        opened = (*first, self._claim_next()) if first else None
        with self._changed:
            self._workers += 1
        self._pool.submit(self._work, opened, extra_slot)

    def _stop_workers(self) -> None:
        """Prevent further writes, abort blocked reads, and wait for the threads."""
        with self._changed:
            self._is_stopped = True
            for part in self._ranges:
                if part.stream:
                    part.stream.abort()
        self._pool.close()

    # --- in the threads of the connections -------------------------------------------------------------

    def _work(
        self, opened: tuple[StreamedResponse, Iterator[bytes], _Range | None] | None, extra_slot: bool
    ) -> None:
        try:
            if opened:
                self._read_open_response(*opened)
            while part := self._claim_next():
                try:
                    # Another thread may take a part of the range at any time.
                    requested_end = part.end
                    with self._request(part.position, requested_end) as stream:
                        self._read_range(stream, part, requested_end)
                finally:
                    self._unclaim(part)
        except DownloadStopped:
            pass
        except (NetworkError, RangesUnsupported) as error:
            with self._changed:
                self._connection_error = error
                self._failures += 1
                self._is_rejected |= not isinstance(error, TransportError)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the file
            self._fatal_error = error
        finally:
            if extra_slot:
                self._slots.release()
            with self._changed:
                self._workers -= 1
                self._changed.notify_all()

    def _claim_next(self) -> _Range | None:
        """Claim the next unclaimed range; else the rest of a stalled one, or half of a long one."""
        with self._changed:
            if self._is_stopped:
                return None
            unclaimed = (part for part in self._ranges if not part.is_claimed and part.position < part.end)
            part = next(unclaimed, None)
            if part is None and (other := self._steal_candidate()):
                missing = other.end - other.position
                has_stalled = _has_stalled(other)
                cut = other.position if has_stalled else other.position + missing // 2
                part = _Range(cut, cut, other.end, is_retry=has_stalled)
                other.end = cut
                self._ranges.insert(self._ranges.index(other) + 1, part)
                if has_stalled and other.stream:
                    other.stream.abort()
            if part:
                self._claim(part)
            return part

    def _claim(self, part: _Range) -> None:
        """Mark a range as claimed; split off what exceeds the size of one range."""
        cut = part.position + self._range_size
        if cut < part.end and not part.is_retry:
            self._ranges.insert(self._ranges.index(part) + 1, _Range(cut, cut, part.end))
            part.end = cut
        part.is_claimed, part.last_progress = True, time.monotonic()

    def _steal_candidate(self) -> _Range | None:
        """Return the range to split next: the longest one, or one whose connection has stalled."""
        candidates = [
            part
            for part in self._ranges
            if part.is_claimed
            and (
                part.end - part.position >= MIN_SPLIT_SIZE
                or (part.position < part.end and _has_stalled(part))
            )
        ]
        return max(candidates, key=lambda part: (_has_stalled(part), part.end - part.position), default=None)

    def _unclaim(self, part: _Range) -> None:
        with self._changed:
            part.stream, part.is_claimed = None, False
            self._changed.notify_all()

    def _read_range(self, stream: StreamedResponse, part: _Range, requested_end: int) -> None:
        """Read a response with exactly this range; stop early if another thread took its rest."""
        part.stream = stream
        try:
            for chunk in stream.iter_chunks(_CHUNK_SIZE):
                rest = self._store(part, chunk)
                if part.end < requested_end and part.position >= part.end:
                    return
                if rest:
                    raise RangesUnsupported
        except TransportError:
            if part.position < part.end:
                raise
        if part.position < part.end:
            raise TransportError(
                f"a range was truncated: {format_count(part.position - part.start, 'byte')} of it arrived"
            )

    def _read_open_response(
        self, stream: StreamedResponse, chunks: Iterator[bytes], part: _Range | None
    ) -> None:
        """Read a response with the whole rest of the file, range by range, up to one that is taken."""
        try:
            while part is not None:
                part.stream = stream
                chunk = next(chunks, b"")
                if not chunk and part.position < part.end:
                    raise TransportError(f"it was truncated after {format_count(part.position, 'byte')}")
                while part is not None and (chunk := self._store(part, chunk)):
                    part = self._claim_following(part)
                if part is not None and part.position >= part.end:
                    part = self._claim_following(part)
        finally:
            if part is not None:
                self._unclaim(part)
            # The server is still sending the rest, which other connections download.
            stream.abort()

    def _claim_following(self, part: _Range) -> _Range | None:
        """Claim the range after this one, unless another thread claimed or started it."""
        with self._changed:
            self._unclaim(part)
            for other in self._ranges:
                is_untouched = not other.is_claimed and other.position == other.start < other.end
                if other.start == part.end and is_untouched:
                    self._claim(other)
                    return other
            return None

    def _store(self, part: _Range, chunk: bytes) -> bytes:
        """Write the bytes of ``chunk`` that belong to the range; return the others."""
        with self._changed:
            if self._is_stopped:
                raise DownloadStopped
            missing = part.end - part.position
            data, rest = (chunk, b"") if len(chunk) <= missing else (chunk[:missing], chunk[missing:])
            self._partial.write_at(part.position, data)
            part.position += len(data)
            part.last_progress = time.monotonic()
            self._advance(len(data))
            return rest


def _has_stalled(part: _Range) -> bool:
    return not part.is_retry and time.monotonic() - part.last_progress > _STALL_TIMEOUT

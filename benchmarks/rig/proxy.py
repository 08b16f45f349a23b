"""A TCP proxy on loopback that delays what passes, at a rate, as slowly at first as TCP begins.

``python -m benchmarks.rig.proxy PORT --delay 0.04 --rate 1e9 --queue 10e6`` says the port that it listens
on, and passes everything on to PORT of this machine until standard input ends. The way of those who may not
make network namespaces: a line of Python, so it carries a few hundred Mbit/s; ``--loss`` is not modelled.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
import time

import click

_PIECE = 64 * 1024
#: Bytes on their way at the start of a connection, and at most: ten segments, and a usual buffer.
_FIRST_WINDOW, _LAST_WINDOW = 14_600, 4_000_000


class Line:
    """One direction, which all connections share."""

    def __init__(self, delay: float, rate: float) -> None:
        self.delay, self.rate = delay, rate / 8
        self.busy_until = 0.0

    def arrival(self, size: int) -> float:
        """When the last of so many bytes that are sent now is on the other side."""
        self.busy_until = max(self.busy_until, time.monotonic()) + size / self.rate
        return self.busy_until + self.delay


class Way:
    """One direction of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
        self.reader, self.writer, self.line = reader, writer, line
        self.window, self.flying = float(_FIRST_WINDOW), 0
        self.pieces: collections.deque[tuple[float, bytes]] = collections.deque()
        self.changed = asyncio.Event()

    async def carry(self) -> None:
        sender = asyncio.create_task(self._deliver())
        with contextlib.suppress(ConnectionError):
            while piece := await self.reader.read(min(_PIECE, max(1460, int(self.window) // 2))):
                self.flying += len(piece)
                self.pieces.append((self.line.arrival(len(piece)), piece))
                self.changed.set()
                while self.flying >= self.window:
                    self.changed.clear()
                    await self.changed.wait()
        self.pieces.append((time.monotonic() + self.line.delay, b""))
        self.changed.set()
        await sender

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self.pieces:
                self.changed.clear()
                await self.changed.wait()
            due, piece = self.pieces.popleft()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not piece:
                break
            with contextlib.suppress(ConnectionError):
                self.writer.write(piece)
                await self.writer.drain()
            loop.call_later(self.line.delay, self._acknowledged, len(piece))
        with contextlib.suppress(ConnectionError, OSError):
            self.writer.close()

    def _acknowledged(self, size: int) -> None:
        self.flying -= size
        self.window = min(_LAST_WINDOW, self.window + size)
        self.changed.set()


@click.command()
@click.argument("port", type=int)
@click.option("--delay", type=float, required=True, help="Seconds one way.")
@click.option("--rate", type=float, required=True, help="Bits per second, each way.")
@click.option("--queue", type=float, default=0.0, help="Not used: nothing is lost here.")
@click.option("--loss", type=float, default=0.0, help="Not modelled.")
def main(port: int, delay: float, rate: float, queue: float, loss: float) -> None:  # noqa: ARG001
    """Pass connections on to PORT until standard input ends."""
    asyncio.run(_serve(port, Line(delay, rate), Line(delay, rate)))


async def _serve(port: int, there: Line, back: Line) -> None:
    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The handshake of TCP took no time here: one way there and back.
        await asyncio.sleep(there.delay + back.delay)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(Way(reader, far_writer, there).carry(), Way(far_reader, writer, back).carry())

    server = await asyncio.start_server(passed_on, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    main()

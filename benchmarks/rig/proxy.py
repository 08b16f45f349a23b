"""A TCP proxy on loopback with a delay, a rate, and the slow start of TCP.

``python -m benchmarks.rig.proxy PORT --delay 0.04 --rate 1e9 --queue 10e6`` prints the port that
it listens on, and forwards connections to PORT of this machine until standard input ends. It is for users who
may not create network namespaces. Being written in Python, it carries a few hundred Mbit/s; ``--loss`` is not
modelled.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
import time

import click

_CHUNK_SIZE = 64 * 1024
#: Bytes in flight at the start of a connection (ten segments), and at most (a usual buffer).
_INITIAL_WINDOW, _MAX_WINDOW = 14_600, 4_000_000


class Line:
    """One direction of the line, which all connections share."""

    def __init__(self, delay: float, rate: float) -> None:
        self.delay, self.rate = delay, rate / 8
        self.busy_until = 0.0

    def compute_arrival(self, size: int) -> float:
        """Return the time at which the last of ``size`` bytes that are sent now arrives."""
        self.busy_until = max(self.busy_until, time.monotonic()) + size / self.rate
        return self.busy_until + self.delay


class Direction:
    """One direction of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
        self.reader, self.writer, self.line = reader, writer, line
        self.window, self.in_flight = float(_INITIAL_WINDOW), 0
        self.chunks: collections.deque[tuple[float, bytes]] = collections.deque()
        self.changed = asyncio.Event()

    async def forward(self) -> None:
        """Forward all data of this direction until its end."""
        sender = asyncio.create_task(self._deliver())
        with contextlib.suppress(ConnectionError):
            while chunk := await self.reader.read(min(_CHUNK_SIZE, max(1460, int(self.window) // 2))):
                self.in_flight += len(chunk)
                self.chunks.append((self.line.compute_arrival(len(chunk)), chunk))
                self.changed.set()
                while self.in_flight >= self.window:
                    self.changed.clear()
                    await self.changed.wait()
        self.chunks.append((time.monotonic() + self.line.delay, b""))
        self.changed.set()
        await sender

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self.chunks:
                self.changed.clear()
                await self.changed.wait()
            due, chunk = self.chunks.popleft()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not chunk:
                break
            with contextlib.suppress(ConnectionError):
                self.writer.write(chunk)
                await self.writer.drain()
            loop.call_later(self.line.delay, self._acknowledge, len(chunk))
        with contextlib.suppress(ConnectionError, OSError):
            self.writer.close()

    def _acknowledge(self, size: int) -> None:
        self.in_flight -= size
        self.window = min(_MAX_WINDOW, self.window + size)
        self.changed.set()


@click.command()
@click.argument("port", type=int)
@click.option("--delay", type=float, required=True, help="Delay in seconds, one way.")
@click.option("--rate", type=float, required=True, help="Rate in bits per second, each way.")
@click.option("--queue", type=float, default=0.0, help="Ignored: the proxy drops nothing.")
@click.option("--loss", type=float, default=0.0, help="Ignored: loss is not modelled.")
def main(port: int, delay: float, rate: float, queue: float, loss: float) -> None:  # noqa: ARG001
    """Forward connections to PORT until standard input ends."""
    asyncio.run(_serve(port, Line(delay, rate), Line(delay, rate)))


async def _serve(port: int, outbound: Line, inbound: Line) -> None:
    async def handle_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The TCP handshake on loopback takes no time; add the round trip that it would take.
        await asyncio.sleep(outbound.delay + inbound.delay)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            Direction(reader, server_writer, outbound).forward(),
            Direction(server_reader, writer, inbound).forward(),
        )

    server = await asyncio.start_server(handle_connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    main()

"""Two network devices joined by a delay and a rate: the process that carries packets between them.

``python -m benchmarks.rig.pipe DEVICE DEVICE --delay 0.04 --rate 1e9 --queue 10e6`` makes two TUN devices,
says ``ready`` on standard output, and carries until standard input ends. Works where the kernel has no netem.

The devices hand over whole bursts of segments (TSO), as a network card takes them: each counts as what its
segments would take on the wire, so that TCP works with segments of 1460 bytes and Python with 64 kB.
"""

from __future__ import annotations

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

import click

_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_TUN, _NO_PI, _VNET_HDR = 0x0001, 0x1000, 0x4000
_CSUM, _TSO4, _TSO6 = 1, 2, 4
#: flags, kind of burst, length of headers, bytes of payload in each segment, two offsets for the checksum.
_HEADER = struct.Struct("<BBHHHH")
#: Bytes on the wire around a segment: Ethernet with its gap, and the headers that each segment repeats.
_FRAME, _HEADERS = 38, 52
_LONGEST = 128 * 1024
#: Packets read in a row before the other side has its turn.
_TURN = 64


def device(name: str) -> int:
    """The descriptor of a new device, which is gone as soon as it is closed."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN | _NO_PI | _VNET_HDR))
    fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _CSUM | _TSO4 | _TSO6)
    return descriptor


class Way:
    """One direction: what is on its way, and until when the line is busy."""

    def __init__(self, source: int, target: int, *, delay: float, rate: float, queue: float, loss: float):
        self.source, self.target = source, target
        self.delay, self.rate, self.queue, self.loss = delay, rate / 8, queue, loss
        self.flying: collections.deque[tuple[float, bytes]] = collections.deque()
        self.busy_until = 0.0
        self.dropped = 0

    def take(self) -> None:
        """Read what waits on this side; what the queue before the line has no room for is lost."""
        for _ in range(_TURN):
            try:
                packet = os.read(self.source, _LONGEST)
            except BlockingIOError:
                return
            now = time.monotonic()
            busy = max(now, self.busy_until)
            if (busy - now) * self.rate > self.queue or random.random() < self.loss:
                self.dropped += 1
                continue
            self.busy_until = busy + _on_the_wire(packet) / self.rate
            self.flying.append((self.busy_until + self.delay, packet))

    def deliver(self) -> None:
        now = time.monotonic()
        while self.flying and self.flying[0][0] <= now:
            _, packet = self.flying.popleft()
            try:
                os.write(self.target, packet)
            except OSError:  # Of a device that is going down.
                self.dropped += 1


def _on_the_wire(packet: bytes) -> int:
    _, burst, _, payload, _, _ = _HEADER.unpack_from(packet)
    segments = -(-len(packet) // payload) if burst and payload else 1
    return len(packet) - _HEADER.size + _FRAME + (segments - 1) * (_FRAME + _HEADERS)


@click.command()
@click.argument("names", nargs=2)
@click.option("--delay", type=float, required=True, help="Seconds one way.")
@click.option("--rate", type=float, required=True, help="Bits per second, each way.")
@click.option("--queue", type=float, required=True, help="Bytes that may wait before the line.")
@click.option("--loss", type=float, default=0.0, help="The part of the bursts that is lost.")
def main(names: tuple[str, str], delay: float, rate: float, queue: float, loss: float) -> None:
    """Carry packets between two new devices until standard input ends."""
    left, right = (device(name) for name in names)
    settings = {"delay": delay, "rate": rate, "queue": queue, "loss": loss}
    ways = {left: Way(left, right, **settings), right: Way(right, left, **settings)}
    print("ready", flush=True)
    while True:
        due = min((way.flying[0][0] for way in ways.values() if way.flying), default=None)
        wait = None if due is None else max(0.0, due - time.monotonic())
        readable, _, _ = select.select([left, right, sys.stdin.fileno()], [], [], wait)
        if sys.stdin.fileno() in readable:
            break
        for descriptor in readable:
            ways[descriptor].take()
        for way in ways.values():
            way.deliver()
    print(sum(way.dropped for way in ways.values()), flush=True)


if __name__ == "__main__":
    main()

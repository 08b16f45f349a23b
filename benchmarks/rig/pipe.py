"""Carries packets between two network devices with a delay and a rate.

``python -m benchmarks.rig.pipe DEVICE DEVICE --delay 0.04 --rate 1e9 --queue 10e6`` creates two TUN
devices, prints ``ready``, and forwards packets until standard input ends. It works on kernels without netem.

The devices pass whole bursts of segments (TSO), as to a network card. Each counts with the size that its
segments would have on the wire, so that TCP works with segments of 1460 bytes and Python with 64 kB.
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
#: Flags, kind of burst, length of headers, payload bytes per segment, two offsets for the checksum.
_VNET_HEADER = struct.Struct("<BBHHHH")
#: Bytes on the wire per segment: Ethernet framing with its gap, and the headers that each segment repeats.
_FRAME_BYTES, _HEADER_BYTES = 38, 52
_MAX_PACKET = 128 * 1024
#: Packets to read from one side before the other side is served.
_MAX_BATCH = 64


def open_device(name: str) -> int:
    """Create a TUN device, which exists until it is closed, and return its file descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN | _NO_PI | _VNET_HDR))
    fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _CSUM | _TSO4 | _TSO6)
    return descriptor


class Direction:
    """One direction: the packets in flight, and the time until which the line is busy."""

    def __init__(self, source: int, target: int, *, delay: float, rate: float, queue: float, loss: float):
        self.source, self.target = source, target
        self.delay, self.rate, self.queue, self.loss = delay, rate / 8, queue, loss
        self.in_flight: collections.deque[tuple[float, bytes]] = collections.deque()
        self.busy_until = 0.0
        self.dropped = 0

    def receive(self) -> None:
        """Read the waiting packets, and drop those that exceed the queue."""
        for _ in range(_MAX_BATCH):
            try:
                packet = os.read(self.source, _MAX_PACKET)
            except BlockingIOError:
                return
            now = time.monotonic()
            busy = max(now, self.busy_until)
            if (busy - now) * self.rate > self.queue or random.random() < self.loss:
                self.dropped += 1
                continue
            self.busy_until = busy + _wire_size(packet) / self.rate
            self.in_flight.append((self.busy_until + self.delay, packet))

    def deliver(self) -> None:
        now = time.monotonic()
        while self.in_flight and self.in_flight[0][0] <= now:
            _, packet = self.in_flight.popleft()
            try:
                os.write(self.target, packet)
            except OSError:  # The device is going down.
                self.dropped += 1


def _wire_size(packet: bytes) -> int:
    _, burst, _, payload, _, _ = _VNET_HEADER.unpack_from(packet)
    segments = -(-len(packet) // payload) if burst and payload else 1
    return len(packet) - _VNET_HEADER.size + _FRAME_BYTES + (segments - 1) * (_FRAME_BYTES + _HEADER_BYTES)


@click.command()
@click.argument("names", nargs=2)
@click.option("--delay", type=float, required=True, help="Delay in seconds, one direction.")
@click.option("--rate", type=float, required=True, help="Rate in bits per second, each direction.")
@click.option("--queue", type=float, required=True, help="Size of the queue in bytes.")
@click.option("--loss", type=float, default=0.0, help="Fraction of the bursts that are lost.")
def main(names: tuple[str, str], delay: float, rate: float, queue: float, loss: float) -> None:
    """Forward packets between two new devices until standard input ends."""
    left, right = (open_device(name) for name in names)
    settings = {"delay": delay, "rate": rate, "queue": queue, "loss": loss}
    directions = {left: Direction(left, right, **settings), right: Direction(right, left, **settings)}
    print("ready", flush=True)
    while True:
        due = min(
            (direction.in_flight[0][0] for direction in directions.values() if direction.in_flight),
            default=None,
        )
        wait = None if due is None else max(0.0, due - time.monotonic())
        readable, _, _ = select.select([left, right, sys.stdin.fileno()], [], [], wait)
        if sys.stdin.fileno() in readable:
            break
        for descriptor in readable:
            directions[descriptor].receive()
        for direction in directions.values():
            direction.deliver()
    print(sum(direction.dropped for direction in directions.values()), flush=True)


if __name__ == "__main__":
    main()
